"""The loop as a track to scrub on, and under it what each frame holds."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ..cine import LoopFrame
from ..settings import ProcessingSettings
from . import theme

ALIASED_COLOUR = theme.WARNING
SPEED_COLOUR = theme.COLD

_TRACK_PX = 8
_TRACK_MIDDLE_PX = 10
_STRIP_TOP_PX = 20
_PAD_PX = 8
_WHEEL_NOTCH = 120
_FLAG_PX = 5
# What reaches the top at least: noise stays low.
_LEAST_ALIASED_SHARE = 0.05
_LEAST_SPEED_M_S = 0.05
_OLD_OPACITY = 0.35
_LEFT_OUT_OPACITY = 150


class CineSlider(QWidget):
    """A track with one place for each frame held, addressed by frame index.

    Under it, bars for the aliased share and a line for the mean speed of each frame, both up to
    the largest of the loop. Bars are pale where other settings made the frame. What is outside the
    range that is played lies in the shade.

    Signals
    -------
    addressed : (index)
        The user points at a frame.
    """

    addressed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("cine_slider")
        self.setAccessibleName("Cine loop")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(120)
        self._loop: tuple[LoopFrame, ...] = ()
        self._places: dict[int, int] = {}
        self._processing: ProcessingSettings | None = None
        self._shown: int | None = None
        self._range: tuple[int | None, int | None] = (None, None)
        self._strip: QPixmap | None = None

    @property
    def shown(self) -> int | None:
        """Index of the frame that the handle points at."""
        return self._shown

    @property
    def loop(self) -> tuple[LoopFrame, ...]:
        """Frames held, oldest first."""
        return self._loop

    @property
    def range(self) -> tuple[int | None, int | None]:
        """First and last frame to be played, where the user set them."""
        return self._range

    @property
    def played(self) -> tuple[LoopFrame, ...]:
        """Frames within the range."""
        first, last = self._range_places()
        return self._loop[first : last + 1]

    def set_loop(
        self, loop: tuple[LoopFrame, ...], processing: ProcessingSettings | None = None
    ) -> None:
        """Say which frames are held.

        Parameters
        ----------
        loop : tuple of LoopFrame
            Oldest first.
        processing : ProcessingSettings, optional
            In force: frames that others made are pale.
        """
        if loop == self._loop and processing == self._processing:
            return
        self._loop, self._processing = loop, processing
        self._places = {frame.index: place for place, frame in enumerate(loop)}
        self._strip = None
        self.update()

    def set_shown(self, index: int | None) -> None:
        """Put the handle on a frame."""
        if index != self._shown:
            self._shown = index
            self.update()

    def set_range(self, first: int | None, last: int | None) -> None:
        """Say what is played; None is an end of the loop."""
        if (first, last) != self._range:
            self._range = (first, last)
            self.update()

    def place_of(self, index: int | None) -> int | None:
        """Place of a frame in the loop, from 0; None when it is not held."""
        return None if index is None else self._places.get(index)

    def step(self, n: int) -> None:
        """Address a frame some places further."""
        place = self.place_of(self._shown)
        if self._loop:
            self._go_to((len(self._loop) - 1 if place is None else place) + n)

    def address(self, index: int) -> None:
        """Address a frame."""
        if index != self._shown:
            self.set_shown(index)
            self.addressed.emit(index)

    def x_px(self, place: int) -> float:
        """Where on the track a place lies."""
        last = max(1, len(self._loop) - 1)
        return _PAD_PX + (self.width() - 2 * _PAD_PX) * place / last

    def _range_places(self) -> tuple[int, int]:
        first, last = (self.place_of(index) for index in self._range)
        return first or 0, len(self._loop) - 1 if last is None else last

    def _go_to(self, place: int) -> None:
        self.address(self._loop[max(0, min(place, len(self._loop) - 1))].index)

    def _point_at(self, x_px: float) -> None:
        if self._loop:
            share = (x_px - _PAD_PX) / max(1, self.width() - 2 * _PAD_PX)
            self._go_to(round(share * (len(self._loop) - 1)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the frame under the mouse."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._point_at(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._point_at(event.position().x())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step; away from the user is back in time."""
        notches = round(event.angleDelta().y() / _WHEEL_NOTCH)
        if notches:
            self.step(-notches)
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw the strip anew."""
        self._strip = None
        super().resizeEvent(event)

    # ---- painting -------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the strip, the range, the track and the handle."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._strip is None:
            self._strip = self._drawn_strip()
        painter.drawPixmap(0, 0, self._strip)
        self._paint_range(painter)
        place = self.place_of(self._shown)
        if place is None:
            return
        track = self._track()
        enabled = self.isEnabled()
        x_px = self.x_px(place)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.ACCENT_FILL if enabled else theme.LINE))
        painter.drawRoundedRect(QRectF(track.left(), track.top(), x_px - _PAD_PX, _TRACK_PX), 3, 3)
        if enabled:
            painter.setPen(QPen(QColor(theme.ACCENT), 1))
            painter.drawLine(QPointF(x_px, _STRIP_TOP_PX), QPointF(x_px, self.height()))
            painter.setBrush(QColor(theme.ACCENT))
            painter.drawEllipse(QPointF(x_px, _TRACK_MIDDLE_PX), 6.5, 6.5)

    def _track(self) -> QRectF:
        top_px = _TRACK_MIDDLE_PX - _TRACK_PX / 2
        return QRectF(_PAD_PX, top_px, self.width() - 2 * _PAD_PX, _TRACK_PX)

    def _drawn_strip(self) -> QPixmap:
        """Draw what changes with the loop only: the empty track and the figures of each frame."""
        scale = self.devicePixelRatioF()
        pixmap = QPixmap(self.size() * scale)
        pixmap.setDevicePixelRatio(scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.setBrush(QColor(theme.RAISED))
        painter.drawRoundedRect(self._track(), 3, 3)
        ground = QRectF(0, _STRIP_TOP_PX, self.width(), self.height() - _STRIP_TOP_PX)
        painter.fillRect(ground, QColor(theme.GROUND))
        if self._loop:
            self._draw_bars(painter)
            self._draw_line(painter)
        painter.end()
        return pixmap

    def _y_px(self, share: float) -> float:
        return self.height() - share * (self.height() - _STRIP_TOP_PX - 2)

    def _draw_bars(self, painter: QPainter) -> None:
        most = max(_LEAST_ALIASED_SHARE, largest(self._loop)[0])
        width_px = (self.width() - 2 * _PAD_PX) / max(1, len(self._loop) - 1)
        now, old = QColor(ALIASED_COLOUR), QColor(ALIASED_COLOUR)
        old.setAlphaF(_OLD_OPACITY)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for place, frame in enumerate(self._loop):
            is_old = self._processing is not None and frame.processing != self._processing
            # From edge to edge: rounded by itself, a bar would leave gaps or cover its neighbour.
            left_px, right_px = (round(self.x_px(place) + side * width_px) for side in (-0.5, 0.5))
            top_px = round(self._y_px(frame.aliased_share / most))
            bar = QRectF(left_px, top_px, right_px - left_px, self.height() - top_px)
            painter.fillRect(bar, old if is_old else now)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _draw_line(self, painter: QPainter) -> None:
        fastest_m_s = max(_LEAST_SPEED_M_S, largest(self._loop)[1])
        places = (
            QPointF(self.x_px(place), self._y_px(frame.mean_speed_m_s / fastest_m_s))
            for place, frame in enumerate(self._loop)
        )
        line = QPolygonF(list(places))
        # Dark beside it, so that it is seen on the bars as well.
        for colour, line_px in ((theme.GROUND, 4.0), (SPEED_COLOUR, 1.6)):
            pen = QPen(QColor(colour), line_px)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(line)

    def _paint_range(self, painter: QPainter) -> None:
        first, last = self._range_places()
        shade = QColor(theme.GROUND)
        shade.setAlpha(_LEFT_OUT_OPACITY)
        for index, place, direction in zip(self._range, (first, last), (-1, 1), strict=True):
            if self.place_of(index) is None:
                continue
            x_px = self.x_px(place)
            edge_px = 0 if direction < 0 else self.width()
            painter.fillRect(QRectF(x_px, 0, edge_px - x_px, self.height()).normalized(), shade)
            painter.setPen(QPen(QColor(theme.TEXT), 2))
            painter.drawLine(QPointF(x_px, 1), QPointF(x_px, self.height() - 1))
            for y_px in (1, self.height() - 1):
                painter.drawLine(QPointF(x_px, y_px), QPointF(x_px - direction * _FLAG_PX, y_px))


def largest(loop: Sequence[LoopFrame]) -> tuple[float, float]:
    """Largest aliased share, and largest mean speed in m/s."""
    return (
        max((frame.aliased_share for frame in loop), default=0.0),
        max((frame.mean_speed_m_s for frame in loop), default=0.0),
    )
