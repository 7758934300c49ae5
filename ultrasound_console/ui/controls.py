"""The controls: a bar that is a slider, and a switch; both made from a setting's declaration."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QEnterEvent,
    QFocusEvent,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QLineEdit, QMenu, QSizePolicy, QToolTip, QWidget

from ..declared import Range, SettingError, Switch, Value
from ..settings import SPECS
from . import theme
from .keyboard import RETURN_KEYS
from .steps import Steps, declared_steps, typed_value

HEIGHT_PX = 26
_PAD_PX = 10
_EDGE_PX = 2
_HANDLE_PX = 8
_COMMIT_DELAY_MS = 400
_WHEEL_NOTCH = 120
_NEXT_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Plus)
_BEFORE_KEYS = (Qt.Key.Key_Down, Qt.Key.Key_Minus)
_PAGE = 10


class Control(QWidget):
    """One setting on screen.

    Mouse, wheel and keys (Up, Down, Page Up, Page Down; Return to type a number; double click or
    Backspace resets; a menu under the right button). Left, Right, Home and End are left to the
    cine loop.

    Parameters
    ----------
    steps : Steps
        The positions.
    value, default : int, float, bool or str
        Shown now; what a reset gives.

    Signals
    -------
    changed : (name, value)
        The user gave another value; comes many times during a drag.
    committed : ()
        The user has finished: worth one undo step.
    """

    changed = Signal(str, object)
    committed = Signal()

    def __init__(self, steps: Steps, value: Value, default: Value) -> None:
        super().__init__()
        self.steps = steps
        self.name = steps.name
        self.value = value
        self.default = default
        self._spec = SPECS[self.name]
        self._hovered = False
        self._stand_in = ""
        self._commit = QTimer(self, interval=_COMMIT_DELAY_MS, singleShot=True)
        self._commit.timeout.connect(self.committed)
        self.setObjectName(self.name)
        self.setAccessibleName(self._spec.label)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT_PX)
        self.lock("")

    def show_value(self, value: Value) -> None:
        """Follow the settings, without telling anyone."""
        self.value = value
        self.setAccessibleDescription(self._text)
        self.update()

    @property
    def _text(self) -> str:
        return self._stand_in or self.steps.text(self.value)

    def set_steps(self, steps: Steps) -> None:
        """Offer other positions."""
        self.steps = steps
        self.update()

    def lock(self, reason: str, stand_in: str = "") -> None:
        """Disable with a reason that the tooltip gives; an empty one enables.

        A text can stand in the place of a value that is not the one in force.
        """
        self.setEnabled(not reason)
        self._stand_in = stand_in
        self.show_value(self.value)
        about = f"<b>{self._spec.label}</b><br>{self._spec.description}"
        self.setToolTip(f"{about}<br><br><i>{reason}</i>" if reason else about)

    def step(self, n: int) -> None:
        """Move by positions, to be committed once the user pauses."""
        at = self.steps.position(self.value) + n
        self.give(self.steps.values[max(0, min(at, len(self.steps.values) - 1))])
        self._commit.start()

    def reset(self) -> None:
        """Go back to the default."""
        self.give(self.default)
        self._finish()

    def type_value(self) -> None:
        """Let a number be typed over the control."""
        _Entry(self)

    def take_typed(self, text: str) -> None:
        """Give and commit a number as typed.

        Raises
        ------
        SettingError
            It cannot be had; the message says what can.
        """
        self.give(typed_value(self.name, text))
        self._finish()

    def give(self, value: Value) -> None:
        """Show another value and tell of it; it is not committed yet."""
        if value != self.value:
            self.show_value(value)
            self.changed.emit(self.name, value)

    def _finish(self) -> None:
        self._commit.stop()
        self.committed.emit()

    def minimum_text_px(self) -> int:
        """Width that label and value need, whatever the value."""
        font = theme.font()
        label_px = QFontMetrics(font).horizontalAdvance(self._spec.label)
        return label_px + _widest_px(self.steps, font.key()) + 3 * _PAD_PX

    def sizeHint(self) -> QSize:
        """Room for label and value."""
        return QSize(self.minimum_text_px(), HEIGHT_PX)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Reset."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.reset()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Step."""
        notches = round(event.angleDelta().y() / _WHEEL_NOTCH)
        if notches:
            self.step(notches)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step or reset; other keys go on to the window."""
        key = event.key()
        if key in _NEXT_KEYS:
            self.step(1)
        elif key in _BEFORE_KEYS:
            self.step(-1)
        elif key == Qt.Key.Key_PageUp:
            self.step(_PAGE)
        elif key == Qt.Key.Key_PageDown:
            self.step(-_PAGE)
        elif key == Qt.Key.Key_Backspace:
            self.reset()
        elif key in RETURN_KEYS and isinstance(self._spec, Range):
            self.type_value()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what double click and Return do."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        reset = menu.addAction(f"Reset to {self.steps.text(self.default)}", self.reset)
        reset.setEnabled(self.value != self.default)
        if isinstance(self._spec, Range):
            menu.addAction("Type a value", self.type_value)
        menu.popup(event.globalPos())

    def enterEvent(self, event: QEnterEvent) -> None:
        """Light up."""
        self._hovered = True
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Go dim again."""
        self._hovered = False
        self.update()
        super().leaveEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Repaint when enabled or disabled."""
        super().changeEvent(event)
        self.update()

    def _paint_ground(self, painter: QPainter) -> QRectF:
        """Paint what lies under the value; return its frame."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.RAISED))
        painter.drawRoundedRect(frame, 4, 4)
        return frame

    def _paint_edge(self, painter: QPainter, frame: QRectF) -> None:
        """Paint the border, the label and the value in words."""
        edge = theme.ACCENT if self.hasFocus() else theme.QUIET if self._hovered else theme.LINE
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(edge), 2.0 if self.hasFocus() else 1.0))
        painter.drawRoundedRect(frame, 4, 4)
        self._paint_text(painter)

    def _paint_text(self, painter: QPainter) -> None:
        inside = self.rect().adjusted(_PAD_PX, 0, -_PAD_PX, 0)
        enabled = self.isEnabled()
        painter.setFont(theme.font())
        text = self._text
        painter.setPen(QColor(theme.TEXT if enabled else theme.DISABLED))
        painter.drawText(inside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        room = inside.width() - painter.fontMetrics().horizontalAdvance(text) - _PAD_PX
        label = painter.fontMetrics().elidedText(
            self._spec.label, Qt.TextElideMode.ElideRight, room
        )
        painter.setPen(QColor(theme.CAPTION if enabled else theme.DISABLED))
        painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, label)


class _Entry(QLineEdit):
    """A number being typed over its control: Return takes it, Escape or leaving does not."""

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self._control = control
        self.setObjectName("entry")
        self.setFont(theme.font())
        self.setText(control.steps.text(control.value))
        self.selectAll()
        self.setGeometry(control.rect())
        self._edge(theme.ACCENT)
        self.show()
        self.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take or leave the number; no key that is unused here goes on to the control."""
        if event.key() == Qt.Key.Key_Escape:
            self._control.setFocus()
        elif event.key() in RETURN_KEYS:
            self._take()
        else:
            super().keyPressEvent(event)
        event.accept()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Go away."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self.hide()
            self.deleteLater()

    def _take(self) -> None:
        try:
            self._control.take_typed(self.text())
        except SettingError as error:
            self._edge(theme.ALARM)
            QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), str(error), self)
        else:
            self._control.setFocus()

    def _edge(self, colour: str) -> None:
        self.setStyleSheet(
            f"QLineEdit {{ background: {theme.RAISED}; border: 2px solid {colour};"
            " border-radius: 4px; }"
        )


class SliderControl(Control):
    """A bar filled up to the value; press anywhere to go there, drag to follow."""

    def __init__(self, steps: Steps, value: Value, default: Value) -> None:
        super().__init__(steps, value, default)
        self._grab_px: float | None = None

    def x_px(self, position: int) -> float:
        """Where on the bar a position lies."""
        last = max(1, len(self.steps.values) - 1)
        return _EDGE_PX + (self.width() - 2 * _EDGE_PX) * position / last

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the handle, or bring it here."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        offset_px = self.x_px(self.steps.position(self.value)) - event.position().x()
        self._grab_px = offset_px if abs(offset_px) <= _HANDLE_PX else 0.0
        self._drag_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse."""
        if self._grab_px is not None:
            self._drag_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if event.button() is Qt.MouseButton.LeftButton and self._grab_px is not None:
            self._grab_px = None
            self._finish()

    def _drag_to(self, x_px: float) -> None:
        last = len(self.steps.values) - 1
        share = (x_px + (self._grab_px or 0.0) - _EDGE_PX) / max(1, self.width() - 2 * _EDGE_PX)
        position = round(min(max(share, 0.0), 1.0) * last)
        if position != self.steps.position(self.value):
            self.give(self.steps.values[position])

    def _is_written_over(self, x_px: float) -> bool:
        """Whether label or value is there."""
        label_px, value_px = (
            QFontMetrics(theme.font()).horizontalAdvance(text) + _PAD_PX
            for text in (self._spec.label, self.steps.text(self.value))
        )
        return _PAD_PX <= x_px <= label_px or self.width() - x_px < value_px

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bar with its label and value."""
        del event
        painter = QPainter(self)
        frame = self._paint_ground(painter)
        if self._stand_in:
            self._paint_edge(painter, frame)
            return
        at = self.x_px(self.steps.position(self.value))
        start = self.x_px(self.steps.origin) if self.steps.origin else frame.left()
        enabled = self.isEnabled()
        painter.setBrush(QColor(theme.ACCENT_FILL if enabled else theme.LINE))
        filled = QRectF(frame)
        filled.setLeft(min(start, at))
        filled.setRight(max(start, at))
        painter.drawRoundedRect(filled, 3, 3)
        handle = QColor(theme.ACCENT if enabled else theme.DISABLED)
        if self._is_written_over(at):
            handle.setAlphaF(0.45)
        painter.setPen(QPen(handle, 2.0))
        painter.drawLine(QPointF(at, frame.top() + 3), QPointF(at, frame.bottom() - 3))
        if self.steps.origin:
            painter.setPen(QPen(QColor(theme.FAINT), 1.0))
            painter.drawLine(QPointF(start, frame.bottom() - 5), QPointF(start, frame.bottom()))
        self._paint_edge(painter, frame)


class SwitchControl(Control):
    """On or off; click or Return."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Change over."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._toggle()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Change over again: the second click of two."""
        self.mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Change over with Return, too."""
        if event.key() in RETURN_KEYS:
            self._toggle()
        else:
            super().keyPressEvent(event)

    def _toggle(self) -> None:
        self.give(not self.value)
        self._finish()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the field, lit while on."""
        del event
        painter = QPainter(self)
        frame = self._paint_ground(painter)
        if self.value:
            painter.setBrush(QColor(theme.ACCENT_FILL if self.isEnabled() else theme.LINE))
            painter.drawRoundedRect(frame, 4, 4)
        self._paint_edge(painter, frame)


@lru_cache(maxsize=256)
def _widest_px(steps: Steps, font_key: str) -> int:
    """Width of the widest value in a font of the console; layouts ask many times."""
    del font_key
    metrics = QFontMetrics(theme.font())
    return max(metrics.horizontalAdvance(steps.text(value)) for value in steps.values)


def make_control(name: str, value: Value, default: Value) -> Control:
    """Make the control that a setting's declaration asks for."""
    steps = declared_steps(name)
    kind = SwitchControl if isinstance(SPECS[name], Switch) else SliderControl
    return kind(steps, value, default)
