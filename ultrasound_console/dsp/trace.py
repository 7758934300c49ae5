"""Velocity traces of gated spectra, and what is read off them over a heart cycle.

The mean comes from the phase of the lag-1 autocorrelation, which is the centre of gravity of the
spectrum around the circle of velocities: it wraps where the spectrum does (Kristoffersen, "Time-
domain estimation of the center frequency and spread of Doppler spectra in diagnostic ultrasound",
IEEE TUFFC 33, 1986).

The envelope is found by the modified geometric method: integrate the spectrum from zero outwards;
the edge of the flow is where the integral stands highest above a straight reference line (Fernando,
Mathews, Clark, "A mathematical basis for the application of the modified geometric method to
maximum frequency estimation", IEEE Trans. Biomed. Eng. 51, 2004). It needs no noise level. Their
line rises to the end of the integral, by the mean power of its side; here it rises by the mean
power of both sides, because fast flow fills its own side and leaves the noise on the other.

Whether there is flow at all is Bartlett's test on the same integral, in the form of Kuiper that
knows no first frequency: that of noise alone keeps close to its expected course (M. S. Bartlett,
"An Introduction to Stochastic Processes", 1955; N. H. Kuiper, Proc. K. Ned. Akad. Wet. A 63, 1960).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .spectrum import Spectra

Float64 = NDArray[np.float64]

# Kuiper's statistic, times the root of the independent values, exceeds this in 1 of 1000 columns of
# noise.
_WHITENESS_LIMIT = 2.303
_SHORTEST_CYCLE_S, _LONGEST_CYCLE_S = 0.25, 2.0
# What is left of a trace moved by one cycle must have this correlation with itself ...
_LEAST_PERIODIC = 0.5
# ... over this part of a cycle.
_LEAST_OVERLAP = 0.5
_LEAST_TRACED = 0.5
_MOST_AT_END = 0.05
_POINTS_PER_CYCLE = 256
# Slopes are taken over this part of a cycle, 3 %.
_SLOPE_POINTS = 8
# The upstroke begins where it has this part of its greatest slope.
_FOOT_SLOPE = 0.1
MAX_ANGLE_RAD = math.radians(80.0)
"""Nothing is measured across the flow: no correction from this angle between beam and vessel on."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Velocities over time; NaN in columns without flow.

    Attributes
    ----------
    time_s : (n_columns,) float64
    mean_m_s : (n_columns,) float64
        Power-weighted mean velocity, on the axis of the spectra.
    envelope_m_s : (n_columns,) float64
        Maximum velocity on the side of the mean; negative away from the probe.
    at_end : (n_columns,) bool
        Whether the flow reaches the end of the axis, so that both may be wrong.
    """

    time_s: Float64
    mean_m_s: Float64
    envelope_m_s: Float64
    at_end: NDArray[np.bool_]


def trace(spectra: Spectra) -> Trace:
    """Follow mean and maximum velocity from column to column.

    Parameters
    ----------
    spectra : Spectra
    """
    power = spectra.power.astype(np.float64)
    v_n, velocity_m_s = spectra.nyquist_velocity_m_s, spectra.velocity_m_s
    lag = power @ np.exp(1j * np.pi * velocity_m_s / v_n)
    low_m_s = velocity_m_s[0]
    mean_m_s = (np.angle(lag) * v_n / np.pi - low_m_s) % (2.0 * v_n) + low_m_s
    flows = _has_flow(power, spectra)
    mean_m_s[~flows] = np.nan
    return Trace(
        spectra.time_s,
        mean_m_s,
        np.where(flows, _edge(power, velocity_m_s, mean_m_s), np.nan),
        flows & _reaches_end(power, spectra),
    )


def _has_flow(power: Float64, spectra: Spectra) -> NDArray[np.bool_]:
    """Whether a spectrum is anything but noise behind the wall filter."""
    course = np.cumsum(power, axis=1)
    total = course[:, -1:]
    expected = np.cumsum(spectra.white)
    away = course - total * (expected / expected[-1])
    limit = _WHITENESS_LIMIT / math.sqrt(spectra.n_independent)
    found: NDArray[np.bool_] = away.max(axis=1) - away.min(axis=1) > limit * total[:, 0]
    return found


def _edge(power: Float64, velocity_m_s: Float64, mean_m_s: Float64) -> Float64:
    """Velocity of the edge on the side of the mean, from zero outwards."""
    zero = int(np.searchsorted(velocity_m_s, 0.0))
    above = power - power.mean(axis=1, keepdims=True)
    sides = []
    for side in (slice(zero, None), slice(zero, None, -1)):
        outwards = above[:, side]
        if outwards.shape[1] == 0:
            sides.append(np.zeros(len(power)))
            continue
        farthest = np.argmax(np.cumsum(outwards, axis=1), axis=1)
        sides.append(velocity_m_s[side][farthest])
    edge: Float64 = np.where(mean_m_s >= 0.0, *sides)
    return edge


def _reaches_end(power: Float64, spectra: Spectra) -> NDArray[np.bool_]:
    """Whether the ends of the axis, which are neighbours, hold flow: both, and not noise."""
    n_bins = power.shape[1]
    n_end = max(1, round(0.5 * n_bins / spectra.n_resolved))
    ends = np.minimum(power[:, :n_end].mean(axis=1), power[:, -n_end:].mean(axis=1))
    quiet = np.partition(power, n_bins // 4, axis=1)[:, n_bins // 4]
    reaches: NDArray[np.bool_] = ends > np.sqrt(power.max(axis=1) * quiet)
    return reaches


@dataclass(frozen=True)
class CycleIndices:
    """What a heart cycle shows, from the mean course of all cycles of a trace.

    Signs are those of the systole: a minimum below zero is a reversal.

    Attributes
    ----------
    period_s : float
    n_cycles : float
        How many cycles were averaged.
    towards_probe : bool
        Direction of the systole.
    peak_systolic_m_s : float
        Highest of the envelope.
    end_diastolic_m_s : float
        Envelope at the foot of the systolic upstroke.
    minimum_m_s : float
        Lowest of the envelope.
    time_averaged_maximum_m_s : float
        Mean of the envelope over the cycle.
    time_averaged_mean_m_s : float
        Mean of the mean velocity over the cycle.
    """

    period_s: float
    n_cycles: float
    towards_probe: bool
    peak_systolic_m_s: float
    end_diastolic_m_s: float
    minimum_m_s: float
    time_averaged_maximum_m_s: float
    time_averaged_mean_m_s: float

    @property
    def resistance_index(self) -> float:
        """(peak systolic - end diastolic) / peak systolic (Pourcelot 1974)."""
        return (self.peak_systolic_m_s - self.end_diastolic_m_s) / self.peak_systolic_m_s

    @property
    def pulsatility_index(self) -> float:
        """(peak systolic - minimum) / time-averaged maximum (Gosling, King 1974); inf for none."""
        if self.time_averaged_maximum_m_s <= 0.0:
            return math.inf
        return (self.peak_systolic_m_s - self.minimum_m_s) / self.time_averaged_maximum_m_s

    def angle_corrected(self, angle_rad: float) -> CycleIndices:
        """Velocities along a vessel that lies at an angle to the beam; the indices stay.

        Raises
        ------
        ValueError
            An angle of :data:`MAX_ANGLE_RAD` or more.
        """
        if not abs(angle_rad) < MAX_ANGLE_RAD:
            raise ValueError(f"an angle of {math.degrees(angle_rad):.0f} degrees has no correction")
        factor = 1.0 / math.cos(angle_rad)
        names = (
            "peak_systolic_m_s",
            "end_diastolic_m_s",
            "minimum_m_s",
            "time_averaged_maximum_m_s",
            "time_averaged_mean_m_s",
        )
        return replace(self, **{name: factor * getattr(self, name) for name in names})


def cycle_indices(line: Trace) -> tuple[CycleIndices | None, str]:
    """Read the indices of the heart cycle, where the trace repeats itself.

    Parameters
    ----------
    line : Trace
        Evenly spaced in time. Columns without flow count as zero.

    Returns
    -------
    indices : CycleIndices or None
    reason : str
        Why there are none, in words; empty where there are.
    """
    n = line.time_s.size
    if n < 8:
        return None, f"{n} columns are too few for a heart cycle"
    steps_s = np.diff(line.time_s)
    step_s = float(np.median(steps_s))
    if step_s <= 0.0 or np.ptp(steps_s) > 0.1 * step_s:
        return None, "the columns are not evenly spaced in time"
    traced = np.isfinite(line.envelope_m_s)
    if np.mean(traced) < _LEAST_TRACED:
        return None, "flow is traced in less than half of the time"
    if np.mean(line.at_end) > _MOST_AT_END:
        return (
            None,
            "flow reaches the end of the velocity axis; shift the baseline or raise the PRF",
        )
    envelope = np.where(traced, line.envelope_m_s, 0.0)
    mean = np.where(traced, line.mean_m_s, 0.0)
    period = _period(envelope, step_s)
    if period is None:
        seconds = n * step_s
        return None, f"no heart cycle repeats itself in {seconds:.2g} s; 1.5 cycles are needed"
    return _indices(envelope, mean, period, step_s), ""


def _period(envelope: Float64, step_s: float) -> float | None:
    """Columns of one cycle, to a fraction: the first high peak of the autocorrelation."""
    n = envelope.size
    centred = envelope - envelope.mean()
    if not np.any(centred):
        return None
    first = max(2, math.ceil(_SHORTEST_CYCLE_S / step_s))
    last = min(math.floor(_LONGEST_CYCLE_S / step_s), math.floor(n / (1.0 + _LEAST_OVERLAP)))
    if last < first:
        return None
    # Each lag by the power of the two parts that overlap: 1 for a perfect repeat.
    n_fft = fft.next_fast_len(2 * n)
    products = fft.irfft(np.abs(fft.rfft(centred, n_fft)) ** 2, n_fft)[:n]
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    lags = np.arange(n)
    early, late = squares[n - lags], squares[n] - squares[lags]
    likeness = products / np.sqrt(np.maximum(early * late, 1e-30))
    # It has to come down from lag 0 before a peak means anything.
    below = np.flatnonzero(likeness < 0.0)
    first = max(first, int(below[0])) if below.size else n
    inner = np.arange(first, min(last, n - 2) + 1)
    peaks = inner[
        (likeness[inner] >= likeness[inner - 1]) & (likeness[inner] > likeness[inner + 1])
    ]
    if peaks.size == 0 or likeness[peaks].max() < _LEAST_PERIODIC:
        return None
    # Two cycles repeat as well as one: the first of the high ones.
    best = int(peaks[likeness[peaks] >= 0.9 * likeness[peaks].max()][0])
    left, middle, right = likeness[best - 1 : best + 2]
    return best + 0.5 * float(left - right) / float(left - 2.0 * middle + right)


def _indices(envelope: Float64, mean: Float64, period: float, step_s: float) -> CycleIndices:
    """Average the cycles, each drawn on the same phases, and read the mean course."""
    sign = 1.0 if envelope.max() >= -envelope.min() else -1.0
    course, mean_course = (_mean_cycle(sign * line, period) for line in (envelope, mean))
    return CycleIndices(
        period_s=period * step_s,
        n_cycles=envelope.size / period,
        towards_probe=sign > 0.0,
        peak_systolic_m_s=float(course.max()),
        end_diastolic_m_s=_foot(course),
        minimum_m_s=float(course.min()),
        time_averaged_maximum_m_s=float(course.mean()),
        time_averaged_mean_m_s=float(mean_course.mean()),
    )


def _foot(course: Float64) -> float:
    """Value where the upstroke to the peak begins: the last gentle slope before the steepest."""
    up = np.roll(course, -1 - int(np.argmax(course)))
    rise = up - np.roll(up, _SLOPE_POINTS)
    rise[: _POINTS_PER_CYCLE // 2] = 0.0
    steepest = int(np.argmax(rise))
    foot = int(np.flatnonzero(rise[:steepest] < _FOOT_SLOPE * rise[steepest])[-1])
    return float(up[foot])


def _mean_cycle(line: Float64, period: float) -> Float64:
    """Mean course over one cycle, at evenly spaced phases."""
    phases = np.arange(_POINTS_PER_CYCLE) / _POINTS_PER_CYCLE * period
    n_cycles = math.ceil(line.size / period)
    at = phases + period * np.arange(n_cycles)[:, None]
    drawn = np.interp(at, np.arange(line.size), line)
    drawn[at > line.size - 1] = np.nan
    course: Float64 = np.nanmean(drawn, axis=0)
    return course
