"""The gate: the few pixels whose slow-time samples make a spectrum.

A gate averages the *spectra* of its pixels, as is usual where beamformed samples are at hand (Gran,
Jakobsson, Jensen, "Adaptive spectral Doppler estimation", IEEE TUFFC 56, 2009). The range gate of
an analogue instrument sums the demodulated echo itself (Evans, McDicken, "Doppler Ultrasound", 2nd
ed., 2000). Beamformed samples carry the carrier's phase of their own depth, so that such a sum
would cancel in part; and one sum is one draw of speckle, where the average of independent cells
lowers its spread.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def gate_weights(shape: tuple[int, int], row: float, line: float, n_rows: float) -> Float32:
    """Hann-weighted pixels along one scan line.

    Parameters
    ----------
    shape : tuple of int
        (n_depths, n_lines) of the grid.
    row, line : float
        Middle of the gate in samples, see ``geometry.ImageGrid.indices``.
    n_rows : float
        Length of the gate in samples; the weight falls to 0 at its ends.

    Returns
    -------
    (n_depths, n_lines) float32
        Adds up to 1. At least the nearest pixel.

    Raises
    ------
    ValueError
        A gate beside the grid, or without a length.
    """
    n_depths, n_lines = shape
    if not (-0.5 <= row < n_depths - 0.5 and -0.5 <= line < n_lines - 0.5):
        raise ValueError("the gate lies outside the colour box")
    if not (math.isfinite(n_rows) and n_rows > 0.0):
        raise ValueError(f"a gate of {n_rows:g} samples: its length must be positive")
    away = (np.arange(n_depths) - row) / max(n_rows, 2.0)
    along = np.where(np.abs(away) < 0.5, np.cos(np.pi * away) ** 2, 0.0)
    weights = np.zeros(shape, np.float32)
    weights[:, round(line)] = along / along.sum()
    return weights


def gate_samples(iq: NDArray[Any], n_pulses: int, weights: NDArray[Any]) -> NDArray[Any]:
    """Slow-time samples of the pixels of a gate.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Beamformed samples in the ensemble layout, before the wall filter.
    n_pulses : int
        Lanes in use.
    weights : (n_depths, n_lines) array
        Not negative; see :func:`gate_weights`. Their scale does not matter.

    Returns
    -------
    (n_pixels, n_pulses) complex64 or complex128
        Pixels with a weight, each times the root of its share: their powers add up to the mean
        power of the gate.

    Raises
    ------
    ValueError
        Too few pulses, weights of another shape, negative ones or none.
    """
    if not 2 <= n_pulses <= iq.shape[-1]:
        raise ValueError(f"{n_pulses} pulses do not fit {iq.shape[-1]} lanes, or are too few")
    if weights.shape != iq.shape[:2]:
        raise ValueError(f"weights have shape {weights.shape}, the samples {iq.shape[:2]}")
    if not (np.all(weights >= 0.0) and np.any(weights)):
        raise ValueError("the gate's weights must not be negative, and not all zero")
    rows, lines = np.nonzero(weights)
    share = weights[rows, lines] / weights.sum()
    inside = iq[rows, lines, :, :n_pulses] * np.sqrt(share)[:, None, None].astype(iq.dtype)
    samples: NDArray[Any] = inside[:, 0] + 1j * inside[:, 1]
    return samples
