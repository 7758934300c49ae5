"""Times of calls, and ratios of two that take turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Task = Callable[[], object]

ROUNDS = 25


@dataclass(frozen=True)
class Timing:
    """Median time of one call, and of the CPU time that its thread took."""

    wall_ms: float
    cpu_ms: float


def _once(task: Task) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    task()
    return time.perf_counter() - wall_s, time.thread_time() - cpu_s


def timed(task: Task, rounds: int = ROUNDS) -> Timing:
    """Median of several calls, after one that warms up."""
    task()
    wall_s, cpu_s = np.median([_once(task) for _ in range(rounds)], axis=0)
    return Timing(1e3 * float(wall_s), 1e3 * float(cpu_s))


def times_slower(other: Task, ours: Task, rounds: int = ROUNDS) -> float:
    """CPU time of one task over that of another: the median over rounds of one call each."""
    other()
    ours()
    return float(np.median([_once(other)[1] / _once(ours)[1] for _ in range(rounds)]))
