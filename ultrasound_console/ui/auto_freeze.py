"""Freezes a live picture that nobody has touched for a while: nobody looks at what is sent."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QApplication

from ..status import State

_INPUT = frozenset(
    (
        QEvent.Type.ShortcutOverride,  # a key that a shortcut takes comes as no other event
        QEvent.Type.KeyPress,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseMove,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
        QEvent.Type.TabletPress,
    )
)
_RUNNING = (State.LIVE, State.STALE)


def notice_text(after_s: float) -> str:
    """Say what has happened, and the way back."""
    return (
        f"Frozen by itself after {after_s / 60:g} min without mouse or key. "
        "Transmission has stopped; Space goes on."
    )


class AutoFreeze(QObject):
    """Counts how long there has been neither mouse nor key; looks at events only while it counts.

    Parameters
    ----------
    now_s : callable
        The clock.

    Signals
    -------
    due : ()
        The picture is to be frozen now.
    over : ()
        A picture that was frozen so is live again.
    """

    due = Signal()
    over = Signal()

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        super().__init__()
        self._now_s = now_s
        self._touched_s: float | None = None  # None while nothing is counted
        self._froze = False

    def watch(self, after_s: float, state: State) -> None:
        """Look at the clock; to be called several times a second.

        Parameters
        ----------
        after_s : float
            Time without input; 0 never freezes.
        state : State
        """
        running = state in _RUNNING
        if self._froze and running:
            self._froze = False
            self.over.emit()
        if not (running and after_s > 0.0):
            self._count(None)
        elif self._touched_s is None:
            self._count(self._now_s())
        elif self._now_s() - self._touched_s >= after_s:
            self._count(None)
            self._froze = True
            self.due.emit()

    def _count(self, from_s: float | None) -> None:
        application = QApplication.instance()
        if application is not None and (from_s is None) != (self._touched_s is None):
            if from_s is None:
                application.removeEventFilter(self)
            else:
                application.installEventFilter(self)
        self._touched_s = from_s

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note that somebody is there; the event goes on."""
        del watched
        if event.type() in _INPUT:
            self._touched_s = self._now_s()
        return False
