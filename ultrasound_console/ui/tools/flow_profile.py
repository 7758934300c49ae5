"""The flow along a line through the picture, in numbers. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...dsp.kernels_line import sample_flow
from ...frames import DopplerFrame, Status

Float64 = NDArray[np.float64]

_STEPS_PER_SAMPLE = 2.0
_FEWEST, _MOST = 16, 512
_NO_FACTOR = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Profile:
    """Velocities along a line, without any angle.

    Figures are those of the longest stretch of flow without a gap.

    Attributes
    ----------
    index, time_s : int, float
        Of the frame.
    distance_m : (n,) float64
        From the start of the line, evenly spaced.
    raw_m_s, corrected_m_s : (n,) float64
        NaN where there is no flow.
    nyquist_m_s : float
        v_N.
    is_corrected : bool
        Whether folds were looked for, and nothing in the stretch was left as measured.
    is_by_hand : bool
        Whether folds in the stretch were given by hand.
    is_raw : bool
        Whether nobody looked for folds: both velocities are those measured.
    """

    index: int
    time_s: float
    distance_m: Float64
    raw_m_s: Float64
    corrected_m_s: Float64
    nyquist_m_s: float
    is_corrected: bool
    is_by_hand: bool
    is_raw: bool

    @property
    def stretch(self) -> slice:
        """The longest stretch of flow; empty where there is none."""
        return longest_run(np.isfinite(self.raw_m_s))

    @property
    def diameter_m(self) -> float:
        """Length of the stretch."""
        stretch = self.stretch
        return float((stretch.stop - stretch.start) * self.distance_m[1])

    def peak_m_s(self, *, corrected: bool) -> float:
        """Fastest velocity of the stretch, with its sign; NaN without flow."""
        values = self._values(corrected=corrected)
        return float(values[np.argmax(np.abs(values))]) if values.size else math.nan

    def mean_m_s(self, *, corrected: bool) -> float:
        """Mean velocity of the stretch; NaN without flow."""
        values = self._values(corrected=corrected)
        return float(values.mean()) if values.size else math.nan

    def _values(self, *, corrected: bool) -> Float64:
        return (self.corrected_m_s if corrected else self.raw_m_s)[self.stretch]


def profile_along(
    frame: DopplerFrame, start_m: tuple[float, float], end_m: tuple[float, float]
) -> Profile:
    """Read a frame along a line.

    Parameters
    ----------
    frame : DopplerFrame
    start_m, end_m : tuple of float
        (x, z).
    """
    distance_m = distances_m(frame, start_m, end_m)
    rows, columns = places_along(frame, start_m, end_m, distance_m)
    raw_m_s, corrected_m_s = read_flow(frame, rows, columns)
    stretch = longest_run(np.isfinite(raw_m_s))
    nearest = tuple(
        np.clip(np.rint(index[stretch]).astype(int), 0, size - 1)
        for index, size in zip((rows, columns), frame.status.shape, strict=True)
    )
    statuses = frame.status[nearest]
    return Profile(
        frame.index,
        frame.time_s,
        distance_m,
        raw_m_s,
        corrected_m_s,
        frame.nyquist_velocity_m_s,
        is_corrected=frame.processing.dealias and Status.ABSTAINED not in statuses,
        is_by_hand=Status.BY_HAND in statuses,
        is_raw=not frame.processing.dealias and Status.BY_HAND not in statuses,
    )


def distances_m(
    frame: DopplerFrame, start_m: tuple[float, float], end_m: tuple[float, float]
) -> Float64:
    """Choose where to read along a line: twice in the smallest pixel, from end to end."""
    length_m = math.dist(start_m, end_m)
    step_m = min(frame.acquisition.colour_grid.pixel_size_m) / _STEPS_PER_SAMPLE
    return np.linspace(0.0, length_m, min(max(math.ceil(length_m / step_m), _FEWEST), _MOST) + 1)


def places_along(
    frame: DopplerFrame,
    start_m: tuple[float, float],
    end_m: tuple[float, float],
    distance_m: Float64,
) -> tuple[Float64, Float64]:
    """Rows and columns of the colour grid at some distances from the start of a line."""
    share = distance_m / max(math.dist(start_m, end_m), 1e-9)
    (x0, z0), (x1, z1) = start_m, end_m
    return frame.acquisition.colour_grid.indices(x0 + share * (x1 - x0), z0 + share * (z1 - z0))


def read_flow(frame: DopplerFrame, rows: Float64, columns: Float64) -> tuple[Float64, Float64]:
    """Measured and corrected velocity at places of the colour grid; NaN without flow."""
    raw_m_s, corrected_m_s = np.empty(rows.size), np.empty(rows.size)
    factor = _NO_FACTOR if frame.frequency_factor is None else frame.frequency_factor
    planes = frame.velocity_m_s, frame.fold, frame.status, factor
    sample_flow(rows, columns, *planes, frame.nyquist_velocity_m_s, raw_m_s, corrected_m_s)
    return raw_m_s, corrected_m_s


def longest_run(there: NDArray[np.bool_]) -> slice:
    """Return the longest stretch of True, the first of several."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    if not edges.size:
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))
