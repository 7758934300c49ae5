"""The loop as a track to scrub on, and under it what each frame holds."""

from __future__ import annotations

import bisect

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...cine import LoopFrame
from ...settings import ProcessingSettings
from .. import theme
from .loop import Figures
from .strip import strip_picture

ALIASED_COLOUR = theme.WARNING
SPEED_COLOUR = theme.COLD

_TRACK_PX = 8
_TRACK_MIDDLE_PX = 10
_STRIP_TOP_PX = 20
_PAD_PX = 8
_WHEEL_NOTCH = 120
_FLAG_PX = 5
_LEFT_OUT_OPACITY = 150
# While live, nobody sees the strip move a pixel at a time.
_LIVE_STRIP_MS = 1000


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
        self._processing: ProcessingSettings | None = None
        self._shown: int | None = None
        self._range: tuple[int | None, int | None] = (None, None)
        self._figures = Figures.of(())
        self._strip: QPixmap | None = None
        self._redraw = QTimer(self, singleShot=True, interval=_LIVE_STRIP_MS)
        self._redraw.timeout.connect(self._follow_loop)

    @property
    def shown(self) -> int | None:
        """Index of the frame that the handle points at."""
        return self._shown

    @property
    def loop(self) -> tuple[LoopFrame, ...]:
        """Frames held, oldest first."""
        return self._loop

    @property
    def figures(self) -> Figures:
        """What the frames of the strip hold; while live, of up to a second ago."""
        return self._figures

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
            In force: frames that others made are pale. None while the loop grows: the strip then
            follows once a second.
        """
        if loop == self._loop and processing == self._processing:
            return
        grows = bool(loop and self._loop) and processing is None and self._processing is None
        self._loop, self._processing = loop, processing
        if not grows:
            self._follow_loop()
        elif not self._redraw.isActive():
            self._redraw.start()

    def _follow_loop(self) -> None:
        """Draw the strip anew."""
        self._redraw.stop()
        self._figures = Figures.of(self._loop, self._processing)
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
        if index is None:
            return None
        place = bisect.bisect_left(self._loop, index, key=lambda frame: frame.index)
        is_held = place < len(self._loop) and self._loop[place].index == index
        return place if is_held else None

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
            self._draw_figures(painter, ground, scale)
        painter.end()
        return pixmap

    def _draw_figures(self, painter: QPainter, ground: QRectF, scale: float) -> None:
        shape = round(ground.height() * scale), round(ground.width() * scale)
        rgb = strip_picture(
            self._figures,
            shape,
            _PAD_PX * scale,
            scale,
            ground=_rgb(theme.GROUND),
            bars=_rgb(ALIASED_COLOUR),
            line=_rgb(SPEED_COLOUR),
        )
        rgb_888 = QImage.Format.Format_RGB888
        image = QImage(rgb.data, shape[1], shape[0], rgb.strides[0], rgb_888)
        painter.drawImage(ground, image)

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


def _rgb(colour: str) -> tuple[int, int, int]:
    given = QColor(colour)
    return given.red(), given.green(), given.blue()
