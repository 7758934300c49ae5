"""The canvas: three linked panels that show one frame.

Left the conventional colour picture with its aliasing, in the middle where and how often it is
folded, right the corrected picture, each over B-mode. The true velocity of a simulated source can
be a fourth picture, in the colours of the corrected one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget
from vispy.gloo import gl

from ..frames import DopplerFrame
from ..settings import DisplaySettings
from .colour_scale import AutomaticScale
from .overlay import Overlay
from .painter import TRUTH, Painter, check_context
from .pointer import Pointer
from .showing import Showing
from .strokes import Dot, Mark, Stroke, canvas_strokes, mark_strokes, picture_strokes
from .surface import DrawingWindow
from .tools import Tool
from .view import Rect, Tick, View

WORDS_PX = 60
"""Height that is kept for what is said of a panel."""
TRUTH_WORDS_PX = 32
"""More of it, where the truth is known."""
# What lies over the panels comes with the next frame, or after as long as this without one.
_OVERLAY_MS = 30


class PanelCanvas(QWidget):
    """Linked panels: all three, or fewer, as the display settings say.

    What belongs to a panel is asked for by its place, from the left; :attr:`panels` says which
    panel is there.

    The wheel zooms about the pointer, the left button drags, a double click fits. The pointer's
    place in the body is marked in every panel. Room is kept for titles, labels of the colour bars
    and of the depth ruler, which are widgets over the canvas: their places and texts are
    :meth:`title_rect`, :meth:`bar_ticks` and :meth:`depth_ticks`.

    A window of OpenGL's own covers the canvas. Child widgets are shown once they have been handed
    to :meth:`lay_over`; a widget beside the canvas that overlaps it must be a native window.

    Signals
    -------
    painted : (index)
        A frame has come to the screen for the first time.
    cursor_moved : (place)
        (x_m, z_m) under the pointer, or None beside the pictures.
    labels_changed : ()
        Places or texts of the labels are others now.

    Parameters
    ----------
    size : tuple of int
        Logical pixels.

    Raises
    ------
    RenderError
        OpenGL is missing or too old.
    """

    painted = Signal(int)
    cursor_moved = Signal(object)
    labels_changed = Signal()

    def __init__(self, size: tuple[int, int] = (1280, 480)) -> None:
        super().__init__()
        self._view = View(*size)
        self._showing = Showing()
        # As they are laid out; a canvas that is cleared keeps its layout until the next frame.
        self._panels = self._showing.panels
        self._cursor_m: tuple[float, float] | None = None
        self._scale = AutomaticScale()
        self._labels: object = None
        self._painter: Painter | None = None
        self._to_upload = False
        self._to_report: int | None = None
        self._waits_since_s = 0.0
        self._pointer = Pointer(lambda: self._view, self._set_view, self._move_cursor, self._shape)
        self._marks: dict[str, tuple[Mark | Dot, ...]] = {}
        self._lines_key: object = None
        self._lines: tuple[list[Stroke], list[Stroke]] = ([], [])
        self.resize(*size)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._window = DrawingWindow(self._draw_on_screen, self._on_swapped, self._forget)
        # Here an error reaches the caller; from a paint it would come through Qt, each time.
        check_context(
            str(gl.glGetParameter(gl.GL_VERSION)),
            lambda: str(gl.glGetParameter(gl.GL_EXTENSIONS)),
        )
        self.opengl = f"{gl.glGetParameter(gl.GL_VERSION)}, {gl.glGetParameter(gl.GL_RENDERER)}"
        container = QWidget.createWindowContainer(self._window, self)
        container.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(container)
        self._overlay_due = QTimer(self, singleShot=True, interval=_OVERLAY_MS)
        self._overlay_due.timeout.connect(self._draw_overlay)
        self._overlay = Overlay(self, self._on_overlay_changed)

    # What is shown

    @property
    def frame(self) -> DopplerFrame | None:
        """The frame that is shown."""
        return self._showing.frame

    @property
    def display(self) -> DisplaySettings:
        """How the frame is shown."""
        return self._showing.display

    @property
    def view(self) -> View:
        """Layout and window onto the body."""
        return self._view

    @property
    def panels(self) -> tuple[int, ...]:
        """Panel at each place, from the left: one of those of :mod:`.painter`."""
        return self._panels

    @property
    def compared_place(self) -> int | None:
        """Where the measured velocity stands in for the corrected one now."""
        return self._showing.compared_place

    @property
    def kept(self) -> DopplerFrame | None:
        """The other version of the shown frame; None if there is none, or it is of another."""
        return self._showing.kept

    @property
    def kept_place(self) -> int | None:
        """Where the other version stands in for the shown one now."""
        return self._showing.kept_place

    @property
    def cursor_m(self) -> tuple[float, float] | None:
        """(x, z) under the pointer."""
        return self._cursor_m

    @property
    def unpainted_s(self) -> float:
        """How long the frame that is set has been waiting for the screen; 0 where none waits."""
        waits = self._window.isExposed() and (self._to_upload or self._to_report is not None)
        return time.perf_counter() - self._waits_since_s if waits else 0.0

    def set_frame(self, frame: DopplerFrame) -> None:
        """Show a frame; its planes are sent to the GPU with the next paint."""
        if not self.unpainted_s:
            self._waits_since_s = time.perf_counter()
        self._showing = replace(self._showing, frame=frame, scale_m_s=self._scale.update(frame))
        self._to_upload = True
        self._arrange(self._view.showing(_extent_m(frame)))
        self._window.requestUpdate()

    def clear(self) -> None:
        """Show no picture."""
        self._scale = AutomaticScale()
        self._showing = replace(self._showing, frame=None, scale_m_s=self._scale.scale_m_s)
        self._to_upload, self._to_report = False, None
        self._labels_may_have_changed()
        self._window.requestUpdate()

    def set_display(self, display: DisplaySettings) -> None:
        """Change how the frame is shown; touches no plane."""
        self._show(replace(self._showing, display=display))

    def set_comparing(self, comparing: bool) -> None:
        """Show the measured velocity in the place of the corrected one, or no longer."""
        self._show(replace(self._showing, comparing=comparing))

    def set_kept(
        self, frame: DopplerFrame | None, *, beside: bool = False, in_place: bool = False
    ) -> None:
        """Compare the corrected velocity of a frame with that of another version of it.

        Parameters
        ----------
        frame : DopplerFrame or None
            The other version; not shown with any other frame. None ends it.
        beside : bool
            Show both, side by side, and no other panel.
        in_place : bool
            Show it in the place of the present one.
        """
        self._show(replace(self._showing, other=frame, beside=beside, in_place=in_place))

    def set_stale(self, stale: bool) -> None:
        """Grey the picture, because it is not what happens now."""
        if stale != self._showing.stale:
            self._showing = replace(self._showing, stale=stale)
            self._window.requestUpdate()

    def _show(self, showing: Showing) -> None:
        if showing != self._showing:
            self._showing = showing
            self._arrange(self._view)
            self._window.requestUpdate()

    def reset_view(self) -> None:
        """Fit the whole picture."""
        self._set_view(self._view.fitted())

    # Tools

    def set_tools(self, *tools: Tool) -> None:
        """Let these take what the mouse does over the pictures; the first is asked first."""
        self._pointer.set_tools(tools)

    def set_marks(self, name: str, marks: Iterable[Mark | Dot]) -> None:
        """Draw into every picture, in the place of what was drawn by that name before."""
        marks = tuple(marks)
        if marks != self._marks.get(name, ()):
            self._marks[name] = marks
            self._window.requestUpdate()

    @property
    def marks(self) -> tuple[Mark | Dot, ...]:
        """All that tools have drawn."""
        return tuple(mark for marks in self._marks.values() for mark in marks)

    # Where things are

    def panel_rect(self, place: int) -> Rect:
        """Return all that belongs to a panel, in logical pixels of the widget."""
        return self._view.panel_rect(place)

    def picture_rect(self, place: int) -> Rect:
        """Return where a panel draws its picture."""
        return self._view.picture_rect(place)

    def title_rect(self, place: int) -> Rect:
        """Return the room for a panel's title."""
        return self._view.title_rect(place)

    def bar_rect(self, place: int) -> Rect:
        """Return where a panel draws its colour bar."""
        return self._view.bar_rect(place)

    def position_m(self, x_px: float, y_px: float) -> tuple[int, float, float] | None:
        """Return place, x and z in the body under a point, None beside the pictures."""
        return self._view.position_m(x_px, y_px)

    def pixel(self, place: int, x_m: float, z_m: float) -> tuple[float, float]:
        """Return where a panel shows a point of the body."""
        return self._view.pixel(place, x_m, z_m)

    def depth_ticks(self) -> tuple[Tick, ...]:
        """Return the depth ruler's marks in mm; they belong left of the first picture."""
        return self._view.depth_ticks()

    def bar_ticks(self, place: int) -> tuple[Tick, ...]:
        """Return the marks of a panel's bar in :meth:`bar_unit`; none without a picture."""
        return self._showing.ticks(self._view, self._panels[place])

    def bar_unit(self, place: int) -> str:
        """Return what the marks of a panel's bar count."""
        return self._showing.unit(self._panels[place])

    def scale_m_s(self, place: int) -> tuple[float, float] | None:
        """Return the velocities at both ends of a panel's scale; None without a picture.

        The segmentation panel counts the folds of what the conventional one shows, and has its
        scale.
        """
        return self.limits_m_s(self._panels[place])

    def limits_m_s(self, panel: int) -> tuple[float, float] | None:
        """Return the velocities at both ends of a panel's scale, wherever and if it is shown."""
        return self._showing.limits_m_s(panel)

    # Drawing

    def lay_over(self, widget: QWidget) -> None:
        """Show a child widget over the panels, and over those laid there before."""
        self._overlay.add(widget)

    def image(self) -> QImage:
        """Return the panels in physical pixels, without what lies over them."""
        scale = self.devicePixelRatioF()
        size = QSize(round(self._view.width_px * scale), round(self._view.height_px * scale))
        image = self._window.image(size, self._draw)
        image.setDevicePixelRatio(scale)
        return image

    def _on_overlay_changed(self) -> None:
        if not self._overlay_due.isActive():
            self._overlay_due.start()

    def _draw_overlay(self) -> None:
        """Draw what no frame has taken to the screen."""
        if not self._overlay.is_current:
            self._window.requestUpdate()

    def _draw_on_screen(self) -> None:
        self._draw().paint_over(self._overlay, self._view, self.devicePixelRatioF())

    def _draw(self) -> Painter:
        """Paint the newest frame."""
        if self._painter is None:
            self._painter = Painter()
            self._to_upload = self.frame is not None
        frame = self.frame
        if frame is not None:
            if self._to_upload:
                self._painter.upload(frame)
                self._to_upload, self._to_report = False, frame.index
            if TRUTH in self._panels:
                self._painter.planes.upload_truth(frame)
            if (kept := self.kept) is not None:
                self._painter.planes.upload_kept(kept)
        scale = self.devicePixelRatioF()
        look = self._showing.look(self._panels)
        self._painter.paint(self._view, scale, look, *self._current_lines(frame))
        return self._painter

    def _forget(self) -> None:
        """Let go of what lived in an OpenGL context that is lost."""
        self._painter = None

    def _current_lines(self, frame: DopplerFrame | None) -> tuple[list[Stroke], list[Stroke]]:
        """Lines in each picture and around them, made anew only where something moved."""
        grids = None
        if frame is not None:
            grids = frame.acquisition.bmode_grid, frame.acquisition.colour_grid
        marks = self.marks if frame is not None else ()
        key = self._labels, grids, self._cursor_m, marks
        if key != self._lines_key:
            self._lines_key = key
            bar_ticks = tuple(self.bar_ticks(place) for place in range(len(self._panels)))
            self._lines = (
                picture_strokes(self._view, grids, self._cursor_m)
                + mark_strokes(self._view, marks),
                canvas_strokes(self._view, bar_ticks if frame else (), self._showing.framed_place),
            )
        return self._lines

    def _on_swapped(self) -> None:
        """Report a frame when it is on the screen, not when it was asked for."""
        if self._to_report is not None:
            index, self._to_report = self._to_report, None
            self.painted.emit(index)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the panels where a picture of the widgets is made; the screen has the window."""
        painter = QPainter(self)
        device = painter.paintEngine().paintDevice()
        if self.isVisible() and device is self.backingStore().paintDevice():
            painter.fillRect(event.rect(), Qt.GlobalColor.black)
        else:
            painter.drawImage(0, 0, self.image())

    # Mouse and size

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the panels out anew."""
        super().resizeEvent(event)
        self._set_view(self._view.resized(self.width(), self.height()))

    def event(self, event: QEvent) -> bool:
        """Take what the mouse does over the panels."""
        taken = self._pointer.take(event)
        return super().event(event) if taken is None else taken

    def _shape(self, shape: Qt.CursorShape | None) -> None:
        """Give the pointer a shape."""
        if shape is None:
            self.unsetCursor()
        else:
            self.setCursor(shape)

    def forget_cursor(self) -> None:
        """Mark no place in the body until the pointer moves again."""
        self._move_cursor(None)

    def _move_cursor(self, cursor_m: tuple[float, float] | None) -> None:
        if cursor_m != self._cursor_m:
            self._cursor_m = cursor_m
            self.cursor_moved.emit(cursor_m)
            self._window.requestUpdate()

    def _arrange(self, view: View) -> None:
        """Let each place have its panel."""
        # Before the view is: whoever is told of it asks what is where.
        self._panels = self._showing.panels
        words_px = WORDS_PX + self._showing.has_truth * TRUTH_WORDS_PX
        self._set_view(view.parted(len(self._panels), words_px))
        self._labels_may_have_changed()

    def _set_view(self, view: View) -> None:
        if view != self._view:
            self._view = view
            self._labels_may_have_changed()
            self._window.requestUpdate()

    def _labels_may_have_changed(self) -> None:
        showing = self._showing
        scales = tuple(self.scale_m_s(place) for place in range(len(self._panels)))
        labels = (
            self._view,
            self._panels,
            showing.compared_place,
            showing.least_power_db,
            scales,
            showing.display.angle_rad,
        )
        if labels != self._labels:
            self._labels = labels
            self.labels_changed.emit()


def _extent_m(frame: DopplerFrame) -> tuple[float, float, float, float]:
    """(x_min, x_max, z_min, z_max) of B-mode and colour box together."""
    extents = frame.acquisition.bmode_grid.extent_m, frame.acquisition.colour_grid.extent_m
    x_min, x_max, z_min, z_max = zip(*extents, strict=True)
    return min(x_min), max(x_max), min(z_min), max(z_max)
