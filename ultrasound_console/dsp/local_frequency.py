"""Centre frequency of the echoes from place to place, and what it does to the velocity.

Attenuation takes more of the high frequencies, and speckle moves the centre frequency from spot to
spot. A velocity that is computed with the transmitted f0 is off by f0 / f_local. The phase of the
correlation along depth tells f_local; averaged as a complex number over the same window as R1 and
over the ensemble, it shares the fluctuations of R1, which cancel in part (Loupas, Powers, Gill, "An
axial velocity estimator for ultrasound blood flow imaging, based on a full evaluation of the
Doppler equation by means of a two-dimensional autocorrelation approach", IEEE TUFFC 42, 1995).

The factor multiplies velocities after folding: aliasing is a matter of the phase, and v_N stays
that of f0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import eigen_filter, wall_filter
from .arrays import aligned_empty, fast_path
from .doppler import adapted_filter

# Local over nominal frequency, at least and at most: what a transducer passes.
LOWEST, HIGHEST = 0.7, 1.3


def is_coarse(cycles: NDArray[np.float64]) -> bool:
    """Whether depth samples lie so far apart that the phase step could be mistaken.

    Parameters
    ----------
    cycles : (n_lines,) float64
        Cycles of f0 from one depth sample to the next, there and back.
    """
    return bool(np.max(np.abs(cycles)) * (HIGHEST - 1.0) >= 0.5)


def correlate(
    iq: NDArray[Any], n_pulses: int, kind: str, cycles: NDArray[np.float64]
) -> NDArray[Any]:
    """Correlation of each sample with its neighbours along depth, without the turn of f0.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Beamformed samples with the phase ``exp(i 2 pi f0 tau)`` of the echo.
    n_pulses : int
    kind : str
        Wall filter.
    cycles : (n_lines,) float64
        Cycles of f0 from one depth sample to the next, there and back.

    Returns
    -------
    (2, n_depths, n_lines) float32 or float64
        Real and imaginary part; the angle is ``2 pi cycles (f_local / f0 - 1)``.
    """
    adapted = adapted_filter(iq, n_pulses, kind) if wall_filter.is_adaptive(kind) else None
    turn = np.exp(-2j * np.pi * cycles)
    kernel = fast_path("axial_correlation", iq)
    if kernel is not None:
        weights = (
            wall_filter.padded_projection(kind, n_pulses)[None]
            if adapted is None
            else eigen_filter.padded(adapted)
        )
        turns = np.stack([turn.real, turn.imag]).astype(np.float32)
        lags: NDArray[Any] = aligned_empty((2, *iq.shape[:2]))
        rows = aligned_empty((2, *iq.shape[1:]))
        kernel(iq, weights, n_pulses, turns, rows, lags)
        return lags
    filtered = iq if adapted is not None else wall_filter.apply(iq, kind, n_pulses)
    signal = filtered[..., 0, :n_pulses] + 1j * filtered[..., 1, :n_pulses]
    if adapted is not None:
        signal = signal @ adapted.T
    steps = turn * np.sum(signal[1:] * signal[:-1].conj(), axis=-1)
    both = np.zeros(iq.shape[:2], np.complex128)
    both[1:] += steps
    both[:-1] += steps
    return np.stack([both.real, both.imag])


def factor(
    lags: NDArray[Any], cycles: NDArray[np.float64], flow: NDArray[np.bool_]
) -> NDArray[Any]:
    """Nominal over local frequency.

    Parameters
    ----------
    lags : (2, n_depths, n_lines) float32 or float64
        From :func:`correlate`, averaged or not.
    cycles : (n_lines,) float64
    flow : (n_depths, n_lines) bool

    Returns
    -------
    (n_depths, n_lines) array
        1 / 1.3 ... 1 / 0.7; 1 outside the flow.
    """
    radians = 2.0 * np.pi * cycles
    kernel = fast_path("frequency_factor", lags)
    if kernel is not None:
        out: NDArray[Any] = aligned_empty(flow.shape)
        kernel(lags, radians.astype(np.float32), flow, LOWEST, HIGHEST, out)
        return out
    local = np.clip(1.0 + np.arctan2(lags[1], lags[0]) / radians, LOWEST, HIGHEST)
    return np.where(flow, 1.0 / local, 1.0)
