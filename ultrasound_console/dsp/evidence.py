"""What speaks for each speed: how well echoes line up again after the shift that it implies.

Blood at a speed of w v_N moves its echoes from pulse to pulse by a distance that grows with w,
whatever their phase says. For each of fifteen speeds the ensemble is correlated with itself one and
two pulses later, shifted along the beam by that distance, and by a few lateral distances, of which
the best counts. That is the part of the extended autocorrelation that tells folds apart: Lai, Torp,
Kristoffersen, "An extended autocorrelation method for estimation of blood velocity", IEEE TUFFC 44
(1997). Weak in a pixel, it adds up over a region, and unlike continuity it is absolute.

Only the magnitude of a pixel's correlation counts, over the energies of both places; pixels count
by the square of their energy. Phase is left out on purpose, and so is the measured velocity: where
the phase is noise, it would turn the sum over neighbours into noise as well, and just there the
shift has to tell. The network sees both and joins them.

The maps have a quarter of the resolution: cells of 4 x 4 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from . import eigen_filter, kernels_evidence, wall_filter
from .arrays import LANES, aligned_empty, aligned_zeros

LAGS = (1, 2)
"""Pulses between those that are correlated."""
SPEEDS = tuple(range(-7, 8))
"""Speeds that are tried, in v_N."""
N_MAPS = len(LAGS) * len(SPEEDS)
CELL = kernels_evidence.CELL
_STEP = kernels_evidence.STEP
# Lateral candidates on each side, by lag.
_SIDES = {1: 3, 2: 4}
# Neighbouring cells are averaged; the network does the rest.
_WINDOW = np.array([0.25, 0.5, 0.25], np.float32)


@dataclass(frozen=True)
class EchoShift:
    """How echoes move over a grid with the velocity that a steered system measures.

    Attributes
    ----------
    rows_per_nyquist : float
        Rows that an echo rises from pulse to pulse at v_N.
    rows_per_line : float
        Rows that an echo rises for each line that it moves to the right, at no velocity.
    lines_per_wavelength : float
        Sets the distance of the lateral candidates.
    """

    rows_per_nyquist: float
    rows_per_line: float
    lines_per_wavelength: float

    @classmethod
    def on_grid(
        cls,
        pixel_m: tuple[float, float],
        wavelength_m: float,
        grid_rad: float = 0.0,
        transmit_rad: float = 0.0,
        receive_rad: float = 0.0,
    ) -> EchoShift:
        """Take the shift of a grid of parallel lines.

        Parameters
        ----------
        pixel_m : (axial, lateral)
            Steps in z, and between lines in x.
        wavelength_m : float
        grid_rad : float
            Angle of the lines.
        transmit_rad, receive_rad : float
            Angles of the waves.
        """
        along_x = 0.5 * (math.sin(transmit_rad) + math.sin(receive_rad))
        along_z = 0.5 * (math.cos(transmit_rad) + math.cos(receive_rad))
        # Half the path, in metres per row down a line and per line at one depth.
        per_row = (along_z + along_x * math.tan(grid_rad)) * pixel_m[0]
        per_line = along_x * pixel_m[1]
        return cls(
            rows_per_nyquist=0.25 * wavelength_m / per_row,
            rows_per_line=per_line / per_row,
            lines_per_wavelength=wavelength_m / pixel_m[1],
        )

    @property
    def lines_per_candidate(self) -> int:
        """Lines from one lateral candidate to the next; a multiple of the line step."""
        return _STEP * max(1, round(self.lines_per_wavelength / _STEP))


def cells_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Shape of the maps of a picture of (n_depths, n_lines)."""
    return -(-shape[0] // CELL), -(-shape[1] // CELL)


def echo_evidence(
    iq: NDArray[Any], n_pulses: int, shift: EchoShift, kind: str = wall_filter.NONE
) -> NDArray[Any]:
    """Correlation of the echoes for each speed.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Beamformed ensemble; double precision takes the array code.
    n_pulses : int
    shift : EchoShift
    kind : str
        Wall filter.

    Returns
    -------
    (N_MAPS, n_depths / 4, n_lines / 4) array
        All speeds of the first lag, then those of the second; 0 ... 1. The cells at the end may be
        partial. Maps of a lag that the ensemble is too short for are zero.
    """
    filter_matrix = _filter_matrix(iq, n_pulses, kind)
    lags = tuple(lag for lag in LAGS if lag < n_pulses)
    n_depths, n_lines = iq.shape[:2]
    if iq.dtype == np.float64:
        signal = (iq[..., 0, :n_pulses] + 1j * iq[..., 1, :n_pulses]) @ filter_matrix.T
        exact = np.zeros((N_MAPS, *cells_of((n_depths, n_lines))))
        for number, lag in enumerate(lags):
            exact[number * len(SPEEDS) :][: len(SPEEDS)] = _lined_up(signal, shift, lag)
        return exact
    lanes = -(-n_pulses // LANES) * LANES
    weights = np.zeros((2, n_pulses, lanes), np.float32)
    weights[0, :, :n_pulses] = filter_matrix.T.real
    weights[1, :, :n_pulses] = filter_matrix.T.imag
    # Fourth powers of any unit, volts or counts, have to stay numbers.
    some = iq[::CELL, ::CELL]
    largest = max(float(some.max()), -float(some.min()))
    if largest > np.finfo(np.float32).tiny:
        weights /= np.float32(largest)
    candidates = _candidates(shift, lags)
    n_columns = -(-n_lines // _STEP)
    # Zeros before the first column of each row, which are those behind the row before as well: no
    # candidate need ask where it is. One beyond the picture sees zeros wherever it looks.
    columns = np.clip(candidates.columns, -n_columns, n_columns)
    margin = int(np.abs(columns).max(initial=0))
    width = margin + -(-n_columns // LANES) * LANES
    filtered = _with_margin((n_depths, lanes, 2, width), margin)
    is_complex = bool(np.iscomplexobj(filter_matrix))
    kernels_evidence.filtered_rows(iq, weights, is_complex, n_pulses, _STEP, margin, filtered)
    energy = _with_margin((len(lags), 2, n_depths, width), margin)
    kernels_evidence.energies_of(filtered, n_pulses, energy)
    cells = cells_of((n_depths, n_lines))
    sums = aligned_empty((cells[0], candidates.lag.size + len(lags), cells[1]))
    kernels_evidence.correlate(
        filtered,
        energy,
        n_pulses,
        margin,
        candidates.lag,
        candidates.rows,
        columns,
        sums,
    )
    smoothed = aligned_empty(sums.shape)
    kernels_evidence.smoothed_cells(sums, _WINDOW, smoothed)
    maps = aligned_zeros((N_MAPS, *cells))
    kernels_evidence.best_candidates(smoothed, candidates.of_map, len(lags), maps)
    return maps


def _with_margin(shape: tuple[int, ...], margin: int) -> NDArray[np.float32]:
    """Array with so many zeros behind its end."""
    memory = aligned_empty((math.prod(shape) + margin,))
    memory[memory.size - margin :] = 0.0
    return memory[: memory.size - margin].reshape(shape)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Shifts to try, each once, and which of them belong to each map.

    Attributes
    ----------
    lag, rows, columns : (n,) int64
        Pulses later; rows to go up, and looked-at columns to go to the right.
    of_map : (n_lags * n_speeds, n_sides) int64
        Numbers of the candidates; -1 where there are fewer.
    """

    lag: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    of_map: NDArray[np.int64]


@lru_cache(maxsize=16)
def _candidates(shift: EchoShift, lags: tuple[int, ...]) -> _Candidates:
    numbers: dict[tuple[int, int, int], int] = {}
    of_map = np.full((len(lags) * len(SPEEDS), 2 * max(_SIDES.values()) + 1), -1, np.int64)
    for number, lag in enumerate(lags):
        for k, speed in enumerate(SPEEDS):
            for side, (up, lines) in enumerate(_shifts(shift, lag, speed)):
                key = lag, up, lines // _STEP
                of_map[number * len(SPEEDS) + k, side] = numbers.setdefault(key, len(numbers))
    lag_of, rows, columns = np.array(list(numbers), np.int64).reshape(-1, 3).T.copy()
    return _Candidates(lag_of, rows, columns, of_map)


def _shifts(shift: EchoShift, lag: int, speed: float) -> list[tuple[int, int]]:
    """Rows upwards and lines to the right of all lateral candidates."""
    found = []
    for side in range(-_SIDES[lag], _SIDES[lag] + 1):
        n = side * shift.lines_per_candidate
        up = lag * shift.rows_per_nyquist * speed + shift.rows_per_line * n
        found.append((math.floor(up + 0.5), n))
    return found


def _filter_matrix(iq: NDArray[Any], n_pulses: int, kind: str) -> NDArray[Any]:
    """(n_pulses, n_pulses), complex for the filters that are made from the data."""
    if not wall_filter.is_adaptive(kind):
        return wall_filter.projection(kind, n_pulses)
    correlation = eigen_filter.correlation(iq, n_pulses)
    return eigen_filter.projection(correlation, wall_filter.cutoff(kind, n_pulses))


def _lined_up(signal: NDArray[np.complex128], shift: EchoShift, lag: int) -> NDArray[np.float64]:
    """Make the maps of one lag; the kernels repeat this."""
    n_depths, n_lines = signal.shape[:2]
    rows, lines = np.arange(0, n_depths, _STEP * lag), np.arange(0, n_lines, _STEP)
    i, j = np.meshgrid(rows, lines, indexing="ij")
    cells = cells_of((n_depths, n_lines))

    def per_cell(values: NDArray[np.float64]) -> NDArray[np.float64]:
        plane = np.zeros(cells)
        np.add.at(plane, (i // CELL, j // CELL), values)
        for axis in (0, 1):
            plane = convolve1d(plane, _WINDOW, axis=axis, mode="constant")
        return plane

    here = signal[i, j, :-lag]
    energy_here = np.sum(np.abs(here) ** 2, axis=-1)
    energy_there = np.sum(np.abs(signal[..., lag:]) ** 2, axis=-1)
    whole = per_cell(energy_here**2)
    maps = np.zeros((len(SPEEDS), *cells))
    for k, speed in enumerate(SPEEDS):
        for up, n in _shifts(shift, lag, speed):
            row, line = i - up, j + n
            inside = (row >= 0) & (row < n_depths) & (line >= 0) & (line < n_lines)
            row, line = np.clip(row, 0, n_depths - 1), np.clip(line, 0, n_lines - 1)
            size = np.abs(np.sum(signal[row, line, lag:] * np.conj(here), axis=-1)) ** 2
            there = energy_there[row, line]
            size *= inside * energy_here / np.where(there > 0.0, there, np.inf)
            maps[k] = np.maximum(maps[k], per_cell(size))
    return np.sqrt(np.minimum(1.0, maps / np.where(whole > 0.0, whole, np.inf)))
