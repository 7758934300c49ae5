"""What is on screen only as long as a key is held: the raw velocity, or the other of A and B."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from ..render.canvas import PanelCanvas
from .ab import OTHER_KEY, AbBar

_COMPARE_KEY = Qt.Key.Key_C


class HeldKeys(QObject):
    """Takes the keys that are held, of all that reach a window.

    Parameters
    ----------
    window : QWidget
    canvas : PanelCanvas
    compare : QAbstractButton
        Does by mouse what the key does.
    ab : AbBar
    """

    def __init__(
        self, window: QWidget, canvas: PanelCanvas, compare: QAbstractButton, ab: AbBar
    ) -> None:
        super().__init__(window)
        self._window, self._compare = window, compare
        self._shows: dict[int, Callable[[bool], None]] = {
            _COMPARE_KEY: canvas.set_comparing,
            OTHER_KEY: ab.hold_other,
        }
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show while a key is down; whoever goes to another window lets go of it there."""
        del watched
        if event.type() == QEvent.Type.ActivationChange and not self._window.isActiveWindow():
            self.let_go()
        if not isinstance(event, QKeyEvent) or event.key() not in self._shows:
            return False
        is_plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if event.type() == QEvent.Type.KeyPress and is_plain:
            self._shows[event.key()](True)
            return True
        if event.type() == QEvent.Type.KeyRelease and not event.isAutoRepeat():
            self.let_go()
            return True
        return False

    def look(self) -> None:
        """Let go while a menu is open, which takes the release of the key; to be called often."""
        if QApplication.activePopupWidget() is not None:
            self.let_go()

    def let_go(self) -> None:
        """Show what is shown without a key."""
        self._compare.setDown(False)
        for show in self._shows.values():
            show(False)
