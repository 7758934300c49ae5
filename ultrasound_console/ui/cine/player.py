"""Plays a stretch of the loop by the clock: a slow screen skips frames and stays in time."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from .loop import SPEEDS, Stretch

_TICK_MS = 12


class Player(QObject):
    """Says which frame is due.

    Signals
    -------
    due : (index)
        Another frame has its turn.
    """

    due = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.speed = 1.0
        self._stretch: Stretch | None = None
        self._played_s = 0.0
        self._ticked_s = 0.0
        self._index: int | None = None
        self._timer = QTimer(self, interval=_TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)

    @property
    def playing(self) -> bool:
        """Whether frames come."""
        return self._stretch is not None

    def play(self, stretch: Stretch, shown: int | None) -> None:
        """Play from the frame on screen on, or from the start where that lies elsewhere."""
        self._stretch = stretch
        self._played_s = stretch.start_of(shown)
        self._ticked_s = time.perf_counter()
        self._index = shown
        self._timer.start()

    def pause(self) -> None:
        """Stay where it is."""
        self._stretch = None
        self._timer.stop()

    def change_speed(self, n_steps: int) -> None:
        """Go some speeds further, at most to an end."""
        at = SPEEDS.index(self.speed) + n_steps
        self.speed = SPEEDS[max(0, min(at, len(SPEEDS) - 1))]

    def _on_tick(self) -> None:
        if self._stretch is None:
            return
        now_s = time.perf_counter()
        self._played_s += self.speed * (now_s - self._ticked_s)
        self._ticked_s = now_s
        index = self._stretch.index_at(self._played_s)
        if index != self._index:
            self._index = index
            self.due.emit(index)
