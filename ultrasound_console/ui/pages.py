"""Where everything in the window is: the pictures with their controls, or the start page."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from ..render.canvas import PanelCanvas
from .arrangement import arrangement_for
from .control_panel import Arrangement, ControlPanel


class Pages(QStackedWidget):
    """The pictures, or the start page.

    Parameters
    ----------
    canvas : PanelCanvas
    controls : ControlPanel
        Beside the pictures or below them, wherever they leave the larger pictures.
    above, below : sequence of QWidget
        In the column of the pictures.
    foot : QWidget
        Under pictures and controls.
    start_page : QWidget
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        controls: ControlPanel,
        *,
        above: tuple[QWidget, ...],
        below: tuple[QWidget, ...],
        foot: QWidget,
        start_page: QWidget,
    ) -> None:
        super().__init__()
        self._canvas, self._controls, self._start_page = canvas, controls, start_page
        self._left = QVBoxLayout()
        self._left.setSpacing(0)
        for widget in above:
            self._left.addWidget(widget)
        self._left.addWidget(canvas, 1)
        for widget in below:
            self._left.addWidget(widget)
        self._middle = QHBoxLayout()
        self._middle.setSpacing(1)
        self._middle.addLayout(self._left, 1)
        pictures = QWidget()
        rows = QVBoxLayout(pictures)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(1)
        rows.addLayout(self._middle, 1)
        rows.addWidget(foot)
        self.addWidget(pictures)
        self.addWidget(start_page)

    @property
    def at_start(self) -> bool:
        """Whether the start page is shown."""
        return self.currentWidget() is self._start_page

    def show_start(self) -> None:
        """Show the start page."""
        self.setCurrentWidget(self._start_page)

    def show_pictures(self) -> None:
        """Show the pictures."""
        self.setCurrentIndex(0)

    def arrange(self, width_px: int, height_px: int) -> None:
        """Put the controls where they leave the larger pictures in a window of this size."""
        arrangement = arrangement_for(width_px, height_px, self._canvas.view.extent_m)
        self._controls.arrange(arrangement, width_px)
        beside = arrangement is Arrangement.COLUMN
        (self._middle if beside else self._left).addWidget(self._controls)


def in_rows(top: QWidget, message: QWidget, pages: Pages, foot: QWidget) -> QWidget:
    """Put the lines of the window above and below its pages, which take what is left."""
    whole = QWidget()
    rows = QVBoxLayout(whole)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(1)
    rows.addWidget(top)
    rows.addWidget(message)
    rows.addWidget(pages, 1)
    rows.addWidget(foot)
    return whole
