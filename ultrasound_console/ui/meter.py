"""How fast pictures reach the screen, and how old they are by then."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RECENT_S = 1.5
_MAX_LATENCIES = 1 << 16


@dataclass(frozen=True)
class MeterReading:
    """What was painted so far.

    Attributes
    ----------
    frames : int
        Distinct frames painted.
    painted_fps : float
        Distinct frames per second, from the first one painted to now.
    latency_ms_p50, latency_ms_p95, latency_ms_p99 : float
        From the source's ``read()`` returning to the end of the paint; 0 before the first frame.
    """

    frames: int
    painted_fps: float
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float


class Meter:
    """Counts paints of live frames.

    A frame counts once, when its index is painted first; frame indices of a live source only grow.
    Times are those of ``time.perf_counter()``.
    """

    def __init__(self) -> None:
        self._frames = 0
        self._last_index: int | None = None
        self._first_s = 0.0
        self._recent_s: deque[float] = deque()
        self._latencies_s: deque[float] = deque(maxlen=_MAX_LATENCIES)

    def painted(self, index: int, received_s: float, now_s: float) -> None:
        """Note the end of a paint.

        Parameters
        ----------
        index : int
            Of the frame painted.
        received_s : float
            When the source had delivered it.
        now_s : float
            Now.
        """
        if self._last_index is not None and index <= self._last_index:
            return
        if self._last_index is None:
            self._first_s = now_s
        self._last_index = index
        self._frames += 1
        self._latencies_s.append(now_s - received_s)
        self._recent_s.append(now_s)
        self._forget(now_s)

    def recent_fps(self, now_s: float) -> float:
        """Distinct frames per second over the last moments; 0 when there were fewer than two."""
        self._forget(now_s)
        if len(self._recent_s) < 2:
            return 0.0
        return (len(self._recent_s) - 1) / (self._recent_s[-1] - self._recent_s[0])

    @property
    def frames(self) -> int:
        """Distinct frames painted so far."""
        return self._frames

    def recent_latency_ms(self) -> float:
        """Median over the last paints; 0 before the first."""
        last_ms = self.last_latencies_ms(30)
        return float(np.median(last_ms)) if last_ms.size else 0.0

    def last_latencies_ms(self, n: int) -> NDArray[np.float64]:
        """Latencies of the last ``n`` paints or fewer, newest first."""
        newest_first = itertools.islice(reversed(self._latencies_s), n)
        return 1e3 * np.fromiter(newest_first, np.float64)

    def reading(self, now_s: float) -> MeterReading:
        """Everything since the first paint."""
        elapsed_s = now_s - self._first_s
        fps = (self._frames - 1) / elapsed_s if self._frames > 1 and elapsed_s > 0.0 else 0.0
        p50, p95, p99 = (
            np.percentile(np.array(self._latencies_s) * 1e3, (50, 95, 99))
            if self._latencies_s
            else (0.0, 0.0, 0.0)
        )
        return MeterReading(self._frames, fps, float(p50), float(p95), float(p99))

    def _forget(self, now_s: float) -> None:
        while self._recent_s and self._recent_s[0] < now_s - _RECENT_S:
            self._recent_s.popleft()
