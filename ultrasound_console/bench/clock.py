"""Times of calls, and ratios of two that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Task = Callable[[], object]
# CPU time so far: of this thread, or of the process.
Clock = Callable[[], float]

ROUNDS = 25


@dataclass(frozen=True)
class Timing:
    """Median time of one call, and of the CPU time that it took."""

    wall_ms: float
    cpu_ms: float


def _once(task: Task, clock: Clock = time.thread_time) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), clock()
    task()
    return time.perf_counter() - wall_s, clock() - cpu_s


def timed(task: Task, rounds: int = ROUNDS, *, clock: Clock = time.thread_time) -> Timing:
    """Median of several calls, after one that warms up."""
    task()
    wall_s, cpu_s = np.median([_once(task, clock) for _ in range(rounds)], axis=0)
    return Timing(1e3 * float(wall_s), 1e3 * float(cpu_s))


def times_slower(
    other: Task, ours: Task, rounds: int = ROUNDS, *, clock: Clock = time.thread_time
) -> float:
    """CPU time of one task over that of another: the median over rounds of one call each."""
    other()
    ours()
    taken_s = [(_once(other, clock)[1], _once(ours, clock)[1]) for _ in range(rounds)]
    return float(np.median([other_s / ours_s for other_s, ours_s in taken_s]))
