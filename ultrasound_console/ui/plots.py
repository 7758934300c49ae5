"""Plots under the pictures, side by side, each there while it has something to show."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from ..render.canvas import PanelCanvas
from ..render.view import TITLE_PX, View
from ..settings.display import AUTOMATIC, CLOSED, OPEN
from . import theme
from .flow_switch import PushButton

KEY = "T"
LEAST_PX = 132
"""Height in a window that has no room to spare."""
MOST_PX = 260
# Of the room for pictures and plots, where there is little.
_SHARE = 0.3
# Pictures that are smaller by this share are as good.
_LITTLE = 0.08
_NOTHING = "Nothing to plot yet: choose a tool and draw into a picture"


class PlotArea(QWidget):
    """Plots beside each other, in the room that the pictures leave or, if need be, in theirs.

    Parameters
    ----------
    canvas : PanelCanvas
        The pictures above.

    Signals
    -------
    chosen : (changes)
        Settings to put in force, by name.
    """

    chosen = Signal(object)

    def __init__(self, canvas: PanelCanvas) -> None:
        super().__init__()
        self.setObjectName("plots")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(f"#plots {{ background: {theme.GROUND}; }}")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._canvas = canvas
        self._wanted = AUTOMATIC
        self._filled: set[str] = set()
        self.widgets: dict[str, QWidget] = {}
        self.button = PushButton("Plots", "tool")
        self.button.setCheckable(True)
        self.button.setToolTip(f"Traces under the pictures, or not ({KEY})")
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self.toggle)
        self.nothing = QLabel(_NOTHING)
        self.nothing.setStyleSheet(f"color: {theme.CAPTION};")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(1)
        self._row.addWidget(self.nothing)
        self.hide()
        canvas.labels_changed.connect(self._fit)

    def add(self, name: str, widget: QWidget, share: int = 1) -> None:
        """Make room for a plot, which is hidden until it is filled.

        Parameters
        ----------
        name : str
        widget : QWidget
            Mostly a :class:`Plot`.
        share : int
            Its part of the width, against the shares of the others.
        """
        self.widgets[name] = widget
        widget.hide()
        self._row.addWidget(widget, share)

    def set_filled(self, name: str, filled: bool) -> None:
        """Say whether a plot has something to show."""
        if filled != (name in self._filled):
            (self._filled.add if filled else self._filled.discard)(name)
            self.widgets[name].setVisible(filled)
            self.nothing.setVisible(not self._filled)
            self._fit()

    def want(self, wanted: str) -> None:
        """Be open, or not, or as there is room: one of the settings' ``PLOTS``."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._fit()

    def toggle(self) -> None:
        """Ask for the other state, from now on."""
        self.chosen.emit({"plots": OPEN if self.isHidden() else CLOSED})
        self._fit()

    def _fit(self) -> None:
        """Show or hide, as high as there is room for."""
        was_open = not self.isHidden()
        height_px = self._canvas.height() + was_open * self.height()
        left = left_px(self._canvas.view, height_px)
        least = min(LEAST_PX, round(_SHARE * height_px))
        has_room = least - left <= _LITTLE * (height_px - left)
        is_automatic = self._wanted == AUTOMATIC and bool(self._filled)
        is_open = self._wanted == OPEN or (is_automatic and has_room)
        self.setFixedHeight(min(max(left, least), MOST_PX))
        self.button.setChecked(is_open)
        self.setVisible(is_open)


def left_px(view: View, height_px: int) -> int:
    """Return the height that pictures as wide as can be leave; less than nothing where they lack.

    Parameters
    ----------
    view : View
        Its width, extent and number of panels count.
    height_px : int
        Room for the pictures and what goes under them.
    """
    x_min, x_max, z_min, z_max = view.extent_m
    widest = view.fitted().resized(view.width_px, 100 * height_px).picture_rect(0)
    filled_px = widest.width * (z_max - z_min) / (x_max - x_min)
    return round(height_px - TITLE_PX - filled_px - view.words_px)
