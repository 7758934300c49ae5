"""Freeze, and the loop of frames below the panels."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QIcon,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from ..frames import DopplerFrame
from . import theme

HEIGHT_PX = 46
_TRACK_PX = 8
_PAD_PX = 8
_WHEEL_NOTCH = 120

FREEZE_TEXT = "Freeze"
RESUME_TEXT = "Resume"
# Name, direction, whether it goes all the way, tooltip.
_TRANSPORT = (
    ("first", -1, True, "First frame (Home)"),
    ("before", -1, False, "One frame back (Left)"),
    ("next", 1, False, "One frame on (Right)"),
    ("last", 1, True, "Last frame (End)"),
)
_ICON_PX = 16
_ICON_SCALE = 3


def _transport_icon(direction: int, *, to_end: bool) -> QIcon:
    """Draw a triangle that points left (-1) or right (1), against a bar where it goes all the way.

    Drawn, because few fonts have these signs.
    """
    pixmap = QPixmap(_ICON_PX * _ICON_SCALE, _ICON_PX * _ICON_SCALE)
    pixmap.setDevicePixelRatio(_ICON_SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.TEXT))
    painter.translate(_ICON_PX / 2, _ICON_PX / 2)
    painter.scale(direction, 1)
    painter.drawPolygon([QPointF(-4, -5.5), QPointF(5, 0), QPointF(-4, 5.5)])
    if to_end:
        painter.drawRect(QRectF(5, -5.5, 1.8, 11))
    painter.end()
    return QIcon(pixmap)


class CineSlider(QWidget):
    """A track with one place for each frame held, addressed by frame index.

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
        self._indices: tuple[int, ...] = ()
        self._shown: int | None = None

    @property
    def shown(self) -> int | None:
        """Index of the frame that the handle points at."""
        return self._shown

    def set_indices(self, indices: tuple[int, ...]) -> None:
        """Say which frames are held, oldest first."""
        self._indices = indices
        self.update()

    def set_shown(self, index: int | None) -> None:
        """Put the handle on a frame."""
        if index != self._shown:
            self._shown = index
            self.update()

    def place_of(self, index: int | None) -> int | None:
        """Place of a frame in the loop, from 0; None when it is not held."""
        return self._indices.index(index) if index in self._indices else None

    def step(self, n: int) -> None:
        """Address a frame some places further."""
        place = self.place_of(self._shown)
        if self._indices:
            self._address((len(self._indices) - 1 if place is None else place) + n)

    def x_px(self, place: int) -> float:
        """Where on the track a place lies."""
        last = max(1, len(self._indices) - 1)
        return _PAD_PX + (self.width() - 2 * _PAD_PX) * place / last

    def _address(self, place: int) -> None:
        index = self._indices[max(0, min(place, len(self._indices) - 1))]
        if index != self._shown:
            self.set_shown(index)
            self.addressed.emit(index)

    def _point_at(self, x_px: float) -> None:
        if self._indices:
            share = (x_px - _PAD_PX) / max(1, self.width() - 2 * _PAD_PX)
            self._address(round(share * (len(self._indices) - 1)))

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

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the track and the handle."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        track = QRectF(_PAD_PX, middle - _TRACK_PX / 2, self.width() - 2 * _PAD_PX, _TRACK_PX)
        painter.setPen(QPen(QColor(theme.LINE), 1))
        painter.setBrush(QColor(theme.RAISED))
        painter.drawRoundedRect(track, 3, 3)
        place = self.place_of(self._shown)
        if place is None:
            return
        enabled = self.isEnabled()
        x_px = self.x_px(place)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.ACCENT_FILL if enabled else theme.LINE))
        painter.drawRoundedRect(QRectF(track.left(), track.top(), x_px - _PAD_PX, _TRACK_PX), 3, 3)
        if enabled:
            painter.setBrush(QColor(theme.ACCENT))
            painter.drawEllipse(QPointF(x_px, middle), 7, 7)


class CineBar(QWidget):
    """Freeze button, transport, loop and frame number.

    Signals
    -------
    freeze_toggled : ()
    addressed : (index)
    """

    freeze_toggled = Signal()
    addressed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("cine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT_PX)
        self.freeze_button = QPushButton(FREEZE_TEXT)
        self.freeze_button.setObjectName("freeze")
        self.freeze_button.setToolTip("Stop transmitting and hold this frame, or go on (Space)")
        self.freeze_button.setFixedWidth(116)
        self.freeze_button.setFont(theme.font(theme.TITLE_PX, bold=True))
        self.freeze_button.clicked.connect(self.freeze_toggled)
        self.slider = CineSlider()
        self.slider.addressed.connect(self.addressed)
        self.position = QLabel()
        self.position.setObjectName("cine_position")
        self.position.setTextFormat(Qt.TextFormat.PlainText)
        self.position.setMinimumWidth(250)
        self.position.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 5, 10, 5)
        layout.setSpacing(6)
        layout.addWidget(self.freeze_button)
        self._transport = []
        for name, direction, to_end, tip in _TRANSPORT:
            button = QToolButton()
            button.setIcon(_transport_icon(direction, to_end=to_end))
            button.setIconSize(QSize(_ICON_PX, _ICON_PX))
            button.setAccessibleName(tip)
            button.setToolTip(tip)
            button.setAutoRepeat(True)
            button.setObjectName(name)
            button.setFixedSize(32, 30)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(getattr(self, name))
            self._transport.append(button)
            layout.addWidget(button)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.position)
        self.set_frozen(False)

    def first(self) -> None:
        """Go to the oldest frame."""
        self.slider.step(-(1 << 30))

    def before(self) -> None:
        """Go one frame back."""
        self.slider.step(-1)

    def next(self) -> None:
        """Go one frame on."""
        self.slider.step(1)

    def last(self) -> None:
        """Go to the newest frame."""
        self.slider.step(1 << 30)

    def set_frozen(self, frozen: bool, *, can_change: bool = True) -> None:
        """Let the loop be scrubbed, or not; and the state be changed, or not."""
        self.freeze_button.setEnabled(can_change)
        self.freeze_button.setText(RESUME_TEXT if frozen else FREEZE_TEXT)
        for widget in (self.slider, *self._transport):
            widget.setEnabled(frozen)
        hint = "" if frozen else "Freeze (Space) to look through the last seconds"
        self.slider.setToolTip(hint)

    def show_position(self, frame: DopplerFrame | None, indices: tuple[int, ...]) -> None:
        """Tell which frame is on screen, of how many.

        Parameters
        ----------
        frame : DopplerFrame or None
        indices : tuple of int
            Frames held.
        """
        self.slider.set_indices(indices)
        self.slider.set_shown(None if frame is None else frame.index)
        if frame is None:
            self.position.setText("")
            return
        place = self.slider.place_of(frame.index)
        of_loop = "" if place is None else f"{place + 1} of {len(indices)}   "
        self.position.setText(f"{of_loop}frame {frame.index}   {frame.time_s:.3f} s")
