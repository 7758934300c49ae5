"""What speaks for each fold: how well echoes line up again after the shift that it implies.

A velocity v + 2 n v_N moves the echoes from pulse to pulse by a distance that is another for every
n. For each candidate the ensemble is correlated with itself one and two pulses later, shifted along
the beam by that distance, and by a few lateral distances, of which the best counts. This is the
extended autocorrelation: Lai, Torp, Kristoffersen, "An extended autocorrelation method for
estimation of blood velocity", IEEE TUFFC 44 (1997). Weak in a pixel, it adds up over a region, and
unlike continuity it is absolute. Two pulses tell the candidates apart by twice the distance, as
long as the echoes last.

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

from . import eigen_filter, kernels_folds, wall_filter
from .arrays import LANES, aligned_empty, aligned_zeros
from .doppler import smoothing_window

N_FOLDS = 7
CELL = 4
_MAX_FOLD = N_FOLDS // 2
_LAGS = (1, 2)
# Lateral candidates on each side, and every which line is looked at.
_SIDES = 2
_LINE_STEP = 2
_ROW_STEP = 2
# Width of the averaging, cells.
_WIDTH = 3.5


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
        return _LINE_STEP * max(1, round(self.lines_per_wavelength / _LINE_STEP))

    @property
    def radians_per_row(self) -> float:
        """Phase that the beamformed echoes gain per row: samples are at the carrier's phase."""
        return math.pi / self.rows_per_nyquist

    @property
    def radians_per_line(self) -> float:
        """Phase that the beamformed echoes gain per line."""
        return self.radians_per_row * self.rows_per_line


def cells_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Shape of the maps of a picture of (n_depths, n_lines)."""
    return -(-shape[0] // CELL), -(-shape[1] // CELL)


def fold_evidence(
    iq: NDArray[Any],
    n_pulses: int,
    velocity: NDArray[Any],
    shift: EchoShift,
    kind: str = wall_filter.NONE,
) -> NDArray[Any]:
    """Correlation of the echoes for each candidate fold.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Beamformed ensemble; double precision takes the array code.
    n_pulses : int
    velocity : (n_depths, n_lines) float32 or float64
        As measured, in units of v_N.
    shift : EchoShift
    kind : str
        Wall filter.

    Returns
    -------
    (7, n_depths / 4, n_lines / 4) array
        Folds -3 ... 3; 0 ... 1. The cells at the end may be partial.
    """
    filter_matrix = _filter_matrix(iq, n_pulses, kind)
    lags = [lag for lag in _LAGS if lag < n_pulses]
    if iq.dtype == np.float64:
        signal = (iq[..., 0, :n_pulses] + 1j * iq[..., 1, :n_pulses]) @ filter_matrix.T
        parts = [_correlations(signal, velocity, shift, lag) for lag in lags]
        mean: NDArray[np.float64] = np.mean(parts, axis=0)
        return mean
    n_depths, n_lines = velocity.shape
    n_columns = -(-n_lines // _LINE_STEP)
    lanes = -(-n_pulses // LANES) * LANES
    weights = np.zeros((2, n_pulses, lanes), np.float32)
    weights[0, :, :n_pulses] = filter_matrix.T.real
    weights[1, :, :n_pulses] = filter_matrix.T.imag
    # The shifted ensemble is read to one register behind its end.
    store = aligned_empty((n_depths * n_columns * 2 * lanes + lanes,))
    store[-lanes:] = 0.0
    filtered = store[:-lanes].reshape(n_depths, n_columns, 2, lanes)
    turns = _turns(n_depths, shift.radians_per_row), _turns(n_lines, shift.radians_per_line)
    is_complex = bool(np.iscomplexobj(filter_matrix))
    kernels_folds.filtered_columns(iq, weights, is_complex, n_pulses, _LINE_STEP, *turns, filtered)
    n_lateral = 2 * _SIDES + 1
    n_sums = -(-(2 * N_FOLDS * n_lateral + 1) // LANES) * LANES
    cells = cells_of(velocity.shape)
    sums, smoothed = aligned_empty((*cells, n_sums)), aligned_empty((*cells, n_sums))
    velocity = np.require(velocity, np.float32, ["C", "W"])
    maps = aligned_zeros((N_FOLDS, *cells))
    for lag in lags:
        kernels_folds.correlate(
            filtered,
            velocity,
            n_pulses,
            lag,
            shift.rows_per_nyquist,
            shift.rows_per_line,
            _LINE_STEP,
            shift.lines_per_candidate // _LINE_STEP,
            _SIDES,
            sums,
        )
        kernels_folds.smoothed_cells(sums, _window(), smoothed)
        kernels_folds.add_best_candidates(smoothed, n_lateral, 1.0 / len(lags), maps)
    return maps


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    return smoothing_window(_WIDTH).astype(np.float32)


@lru_cache(maxsize=64)
def _turns(n: int, radians: float) -> NDArray[np.float32]:
    """Cosine and sine of the phase at every row or line."""
    phase = radians * np.arange(n)
    return np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)


def _filter_matrix(iq: NDArray[Any], n_pulses: int, kind: str) -> NDArray[Any]:
    """(n_pulses, n_pulses), complex for the filters that are made from the data."""
    if not wall_filter.is_adaptive(kind):
        return wall_filter.projection(kind, n_pulses)
    correlation = eigen_filter.correlation(iq, n_pulses)
    return eigen_filter.projection(correlation, wall_filter.cutoff(kind, n_pulses))


def _correlations(
    signal: NDArray[np.complex128], velocity: NDArray[Any], shift: EchoShift, lag: int
) -> NDArray[np.float64]:
    """Make the maps of one lag; the kernels repeat this."""
    n_depths, n_lines = velocity.shape
    rows, lines = np.arange(n_depths), np.arange(n_lines)
    grid_phase = shift.radians_per_row * rows[:, None] + shift.radians_per_line * lines
    signal = signal * np.exp(-1j * grid_phase)[..., None]

    i, j = np.meshgrid(rows[::_ROW_STEP], lines[::_LINE_STEP], indexing="ij")
    chequered = (i // _ROW_STEP + j // _LINE_STEP) % 2 == 0
    i, j = i[chequered], j[chequered]
    v = velocity[i, j]
    here = signal[i, j, :-lag]
    cells = cells_of(velocity.shape)
    cell = (i // CELL) * cells[1] + j // CELL
    n_cells = cells[0] * cells[1]

    def per_cell(values: NDArray[np.float64]) -> NDArray[np.float64]:
        plane = np.zeros(n_cells)
        np.add.at(plane, cell, values)
        plane = plane.reshape(cells)
        for axis in (0, 1):
            plane = convolve1d(plane, smoothing_window(_WIDTH), axis=axis, mode="constant")
        return plane

    energy = per_cell(np.sum(np.abs(here) ** 2, axis=-1))
    maps = np.zeros((N_FOLDS, *cells))
    for fold in range(-_MAX_FOLD, _MAX_FOLD + 1):
        for side in range(-_SIDES, _SIDES + 1):
            n = side * shift.lines_per_candidate
            up = shift.rows_per_nyquist * lag * (v + 2.0 * fold) + shift.rows_per_line * n
            row, line = np.floor(i - up + 0.5).astype(int), j + n
            inside = (row >= 0) & (row < n_depths) & (line >= 0) & (line < n_lines)
            there = signal[np.clip(row, 0, n_depths - 1), np.clip(line, 0, n_lines - 1), lag:]
            product = np.sum(there * np.conj(here), axis=-1)
            product *= np.exp(-1j * np.pi * lag * v) * inside
            size = np.hypot(per_cell(product.real), per_cell(product.imag))
            maps[fold + _MAX_FOLD] = np.maximum(maps[fold + _MAX_FOLD], size)
    return np.minimum(1.0, maps / np.where(energy > 0.0, energy, 1.0))
