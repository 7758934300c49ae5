"""The pace of a source that has no hardware to wait for."""

from __future__ import annotations

import threading
import time


class FrameClock:
    """Lets frames through at their own interval, in step with the wall clock.

    A reader that comes late is told how many intervals have passed, so that a replayed heart
    keeps its rate and skips phases instead of lagging behind.
    """

    def __init__(self, *, real_time: bool) -> None:
        self._real_time = real_time
        self._stopped = threading.Event()
        self._next_s: float | None = None

    def start(self) -> None:
        """Let the next frame through at once."""
        self._next_s = None
        self._stopped.clear()

    def stop(self) -> None:
        """End a waiting :meth:`wait`; may be called from any thread."""
        self._stopped.set()

    def wait(self, interval_s: float, timeout_s: float) -> int | None:
        """Wait until the next frame is due.

        Parameters
        ----------
        interval_s : float
            Time between frames; 0 means a single frame that is held, so that only the first is due.
        timeout_s : float
            Longest wait.

        Returns
        -------
        int or None
            Intervals since the frame before (1 when on time), or None when no frame came due in
            time or the clock is stopped.
        """
        if self._stopped.is_set():
            return None
        if not self._real_time:
            return 1
        now_s = time.perf_counter()
        if self._next_s is None:
            self._next_s = now_s + interval_s
            return 1
        if interval_s <= 0.0:
            self._stopped.wait(timeout_s)
            return None
        if self._next_s - now_s > timeout_s:
            self._stopped.wait(timeout_s)
            return None
        if self._stopped.wait(max(0.0, self._next_s - now_s)):
            return None
        steps = 1 + int(max(0.0, time.perf_counter() - self._next_s) / interval_s)
        self._next_s += steps * interval_s
        return steps
