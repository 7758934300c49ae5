"""Pulses of one angle in time: what a recording is cut into frames by, whatever it holds."""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .fields import refusal

MIN_PULSES = 4
# Keeps the list of choices short for hours of pulses.
MAX_PRF_DIVISOR = 100
# Intervals between pulses that differ by less belong to one burst.
INTERVAL_TOLERANCE = 0.01


class Pulses:
    """Base of the recordings; they have ``name``, ``prf_hz`` and ``pulse_time_s``."""

    name: str
    prf_hz: float
    pulse_time_s: NDArray[np.float64]

    def check_pulses(self) -> None:
        """Refuse a recording without a single ensemble.

        Raises
        ------
        SourceError
        """
        if max(stop - start for start, stop in self.bursts) < MIN_PULSES:
            problem = f"holds fewer than {MIN_PULSES} evenly spaced pulses of one angle"
            raise refusal(self.name, "samples", problem, "record a longer ensemble")

    @cached_property
    def bursts(self) -> tuple[tuple[int, int], ...]:
        """First and one-past-last pulse of every evenly spaced run; no ensemble spans two."""
        intervals = np.diff(self.pulse_time_s) * self.prf_hz
        breaks = np.flatnonzero(np.abs(intervals - 1.0) > INTERVAL_TOLERANCE) + 1
        edges = [0, *breaks.tolist(), len(self.pulse_time_s)]
        return tuple(itertools.pairwise(edges))

    def n_pulses_in_burst(self, divisor: int) -> int:
        """Pulses of the longest burst when every ``divisor``-th is kept."""
        return max(-(-(stop - start) // divisor) for start, stop in self.bursts)

    @cached_property
    def prf_choices_hz(self) -> tuple[float, ...]:
        """Own PRF over 1, 2, 3 ..., as long as an ensemble remains."""
        divisors = range(1, MAX_PRF_DIVISOR + 1)
        return tuple(self.prf_hz / k for k in divisors if self.n_pulses_in_burst(k) >= MIN_PULSES)

    def frame_starts(self, divisor: int, n_pulses: int, step: int) -> NDArray[np.int64]:
        """First pulse of every ensemble of ``n_pulses``, ``step`` kept pulses apart."""
        span = (n_pulses - 1) * divisor
        ranges = [range(a, b - span, step * divisor) for a, b in self.bursts]
        return np.fromiter((start for r in ranges for start in r), np.int64)
