"""What is done to one window of slow-time samples: its weights, and the wall filter of a line."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Taper = Literal["hann", "hamming", "none"]
Float64 = NDArray[np.float64]

HALF_POWER = 0.5
"""-3 dB."""
# Dimensions of a window that the wall filter must leave: a velocity needs two.
_LEAST_LEFT = 2


@lru_cache(maxsize=64)
def window_weights(taper: Taper, n: int) -> Float64:
    """Weights of a window with a mean square of 1; no sample gets a weight of zero."""
    if taper not in ("hann", "hamming", "none"):
        raise ValueError(f"unknown window {taper!r}: give hann, hamming or none")
    turn = 2.0 * np.pi * (np.arange(n) + 1) / (n + 1)
    pedestal = {"hann": 0.5, "hamming": 0.54, "none": 1.0}[taper]
    weights = pedestal - (1.0 - pedestal) * np.cos(turn)
    weights /= math.sqrt(np.mean(weights**2))
    weights.setflags(write=False)
    return weights


def noise_bandwidth(taper: Taper, n: int) -> float:
    """Equivalent noise bandwidth in bins of the unpadded transform, 1 for "none".

    ``10 log10`` of it is also the window's processing loss in dB (F. J. Harris, "On the use of
    windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66, 1978).
    """
    return 1.0 / float(np.mean(window_weights(taper, n))) ** 2


@lru_cache(maxsize=64)
def high_pass(cutoff_prf: float, n: int, taper: Taper) -> tuple[Float64, float]:
    """Wall filter of one window: the polynomials that are taken out of it by regression.

    The order is the one whose cut-off is nearest to the requested one. Polynomials are made one
    from the other and kept orthogonal (Vandermonde with Arnoldi), which holds for any order.

    Parameters
    ----------
    cutoff_prf : float
        -3 dB cut-off over PRF; 0 for no filter.
    n : int
        Samples in the window.
    taper : {"hann", "hamming", "none"}

    Returns
    -------
    basis : (n, order + 1) float64
        Orthonormal; (n, 0) for no filter, or for a window too short to filter.
    achieved_prf : float
        -3 dB cut-off of filter and window together.
    """
    basis = np.zeros((n, 0))
    if cutoff_prf == 0.0 or n <= _LEAST_LEFT:
        return basis, 0.0
    time = np.linspace(-1.0, 1.0, n)
    candidates: list[tuple[float, Float64]] = []
    fresh = np.full(n, 1.0 / math.sqrt(n))
    while basis.shape[1] < n - _LEAST_LEFT:
        basis = np.column_stack([basis, fresh])
        achieved = _achieved(basis, taper)
        candidates.append((achieved, basis))
        if achieved >= cutoff_prf:
            break
        fresh = time * fresh
        for _ in range(2):  # once more, against rounding
            fresh = fresh - basis @ (basis.T @ fresh)
        fresh /= np.linalg.norm(fresh)
    achieved, basis = min(candidates, key=lambda one: abs(math.log(one[0] / cutoff_prf)))
    basis.setflags(write=False)
    return basis, achieved


def _achieved(basis: Float64, taper: Taper) -> float:
    """Lowest frequency over PRF that passes filter and window with half its power."""
    from scipy.optimize import brentq  # takes long to import

    n, n_removed = basis.shape
    weights = window_weights(taper, n)

    def excess(frequency: float) -> float:
        tone = np.exp(2j * np.pi * frequency * np.arange(n))
        left = weights * (tone - basis @ (basis.T @ tone))
        return float(np.mean(np.abs(left) ** 2)) - HALF_POWER

    # An order k stops at least 0.2 (k + 1) / n, and the gain climbs over 1 / n.
    high = 0.2 * n_removed / n
    while high < 0.5 and excess(high) < 0.0:
        high += 0.25 / n
    return float(brentq(excess, 0.0, high)) if high < 0.5 else 0.5
