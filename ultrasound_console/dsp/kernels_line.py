# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled passes that read a few samples out of a finished picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@exact
def sample_flow(
    rows: Float64,
    columns: Float64,
    velocity: Float32,
    fold: NDArray[np.int8],
    status: NDArray[np.uint8],
    factor: Float32,
    nyquist: float,
    raw: Float64,
    corrected: Float64,
) -> None:
    """Read measured and corrected velocity at places between samples.

    The nearest sample says whether there is flow, and its fold. Of the four around a place those
    count, by their distance, that are flow of the same fold and at most v_N away in velocity: so
    no mean is ever taken over a fold, found or not.

    Parameters
    ----------
    rows, columns : (n,) float64
        Places in samples.
    velocity : (n_depths, n_lines) float32
    fold : (n_depths, n_lines) int8
    status : (n_depths, n_lines) uint8
        Not 0 where there is flow.
    factor : (n_depths, n_lines) float32
        Multiplies what is read; of no size for none.
    nyquist : float
        v_N.
    raw, corrected : (n,) float64
        Written; NaN beside the grid and where there is no flow.
    """
    n_depths, n_lines = velocity.shape
    for place in range(rows.size):
        raw[place] = corrected[place] = np.nan
        row, column = rows[place], columns[place]
        if not (-0.5 <= row < n_depths - 0.5 and -0.5 <= column < n_lines - 0.5):
            continue
        row, column = min(max(row, 0.0), n_depths - 1.0), min(max(column, 0.0), n_lines - 1.0)
        nearest = int(row + 0.5), int(column + 0.5)
        if status[nearest] == 0:
            continue
        upper, left = min(int(row), n_depths - 2), min(int(column), n_lines - 2)
        weights, sum_raw, sum_corrected = 0.0, 0.0, 0.0
        for down in range(2):
            for across in range(2):
                at = upper + down, left + across
                away = abs(velocity[at] - velocity[nearest])
                if status[at] == 0 or fold[at] != fold[nearest] or away > nyquist:
                    continue
                weight = (1.0 - abs(row - at[0])) * (1.0 - abs(column - at[1]))
                scale = weight if factor.size == 0 else weight * factor[at]
                weights += weight
                sum_raw += scale * velocity[at]
                sum_corrected += scale * (velocity[at] + 2.0 * nyquist * fold[at])
        raw[place], corrected[place] = sum_raw / weights, sum_corrected / weights
