"""Velocity, power and bandwidth from the lag-1 autocorrelation of an ensemble.

Kasai, Namekawa, Koyano, Omoto, "Real-time two-dimensional blood flow imaging using an
autocorrelation technique", IEEE Trans. Sonics Ultrason. 32 (1985). ``R1 = mean s[k+1] conj(s[k])``,
``R0 = mean (|s[k]|^2 + |s[k+1]|^2) / 2``: with this pairing |R1| <= R0 always. R1 is averaged over
space as a complex number, never its angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from . import eigen_filter, wall_filter
from .arrays import empty_beside, fast_path


@dataclass(frozen=True, eq=False)
class DopplerMaps:
    """Estimates of one ensemble, each (n_depths, n_lines) and finite everywhere.

    Attributes
    ----------
    velocity : array
        In units of v_N, [-1, 1), positive towards the probe.
    power : array
        R0, linear.
    bandwidth : array
        1 - abs(R1)/R0, in [0, 1]; 0 where there is no signal.
    """

    velocity: NDArray[Any]
    power: NDArray[Any]
    bandwidth: NDArray[Any]


def autocorrelate(iq: NDArray[Any], n_pulses: int, kind: str = wall_filter.NONE) -> NDArray[Any]:
    """Wall filter and lags 0 and 1 of every pixel.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Beamformed samples in the ensemble layout; lanes from ``n_pulses`` on are zero.
    n_pulses : int
        At least 2.
    kind : str
        Wall filter.

    Returns
    -------
    (3, n_depths, n_lines) float32 or float64
        R0, the real and the imaginary part of R1.
    """
    if not 2 <= n_pulses <= iq.shape[-1]:
        raise ValueError(f"{n_pulses} pulses do not fit {iq.shape[-1]} lanes, or are too few")
    adapted = adapted_filter(iq, n_pulses, kind) if wall_filter.is_adaptive(kind) else None
    kernel = fast_path("autocorrelate" if adapted is None else "autocorrelate_complex", iq)
    if kernel is not None:
        weights = (
            wall_filter.padded_projection(kind, n_pulses)
            if adapted is None
            else eigen_filter.padded(adapted)
        )
        lags = empty_beside(iq, (3, *iq.shape[:2]))
        kernel(iq, weights, n_pulses, lags)
        return lags

    filtered = iq if adapted is not None else wall_filter.apply(iq, kind, n_pulses)
    signal = filtered[..., 0, :n_pulses] + 1j * filtered[..., 1, :n_pulses]
    if adapted is not None:
        signal = signal @ adapted.T
    energy = np.abs(signal) ** 2
    r0 = np.mean(0.5 * (energy[..., 1:] + energy[..., :-1]), axis=-1)
    r1 = np.mean(signal[..., 1:] * np.conj(signal[..., :-1]), axis=-1)
    return np.stack([r0, r1.real, r1.imag])


def adapted_filter(iq: NDArray[Any], n_pulses: int, kind: str) -> NDArray[np.complex128]:
    """Matrix (n_pulses, n_pulses) of an eigenvector filter, made from these samples."""
    correlation = eigen_filter.correlation(iq, n_pulses)
    return eigen_filter.projection(correlation, wall_filter.cutoff(kind, n_pulses))


@lru_cache(maxsize=64)
def smoothing_window(full_width: float) -> NDArray[np.float64]:
    """Raised-cosine averaging window with a given full width at half maximum, in pixels.

    Positive and ending at zero after twice that width; a single 1 up to one pixel.
    """
    reach = max(1.0, full_width)
    half = int(np.ceil(reach)) - 1
    window = np.cos(0.5 * np.pi * np.arange(-half, half + 1) / reach) ** 2
    normalised: NDArray[np.float64] = window / window.sum()
    return normalised


@lru_cache(maxsize=64)
def _float32_window(full_width: float) -> NDArray[np.float32]:
    return smoothing_window(full_width).astype(np.float32)


def smooth(planes: NDArray[Any], full_width: tuple[float, float]) -> NDArray[Any]:
    """Average planes over depth and lines.

    Parameters
    ----------
    planes : (n_planes, n_depths, n_lines) float32 or float64
    full_width : tuple of float
        Full width at half maximum in pixels (depths, lines). At the edges only what is inside
        counts.

    Returns
    -------
    (n_planes, n_depths, n_lines) array
    """
    if max(full_width) <= 1.0:
        return planes
    kernel = fast_path("smooth", planes)
    if kernel is not None:
        out = empty_beside(planes, planes.shape)
        kernel(planes, *(_float32_window(width) for width in full_width), out)
        return out
    windows = [smoothing_window(width) for width in full_width]
    inside = np.ones(planes.shape[1:])
    result = planes
    for axis, window in enumerate(windows):
        result = convolve1d(result, window, axis=axis + 1, mode="constant")
        inside = convolve1d(inside, window, axis=axis, mode="constant")
    smoothed: NDArray[Any] = result / inside
    return smoothed


def maps(lags: NDArray[Any]) -> DopplerMaps:
    """Velocity, power and bandwidth from averaged lags.

    Parameters
    ----------
    lags : (3, n_depths, n_lines) float32 or float64
        R0, the real and the imaginary part of R1.
    """
    kernel = fast_path("maps", lags)
    if kernel is not None:
        velocity = empty_beside(lags, lags.shape[1:])
        bandwidth = empty_beside(lags, lags.shape[1:])
        kernel(lags, velocity, bandwidth)
        return DopplerMaps(velocity, lags[0], bandwidth)
    r0, r1 = lags[0], lags[1] + 1j * lags[2]
    velocity = np.angle(r1) / np.pi
    velocity[velocity >= 1.0] = -1.0
    coherence = np.abs(r1) / np.where(r0 > 0.0, r0, 1.0)
    bandwidth = np.where(r0 > 0.0, np.clip(1.0 - coherence, 0.0, 1.0), 0.0)
    return DopplerMaps(velocity, r0, bandwidth)


def estimate(
    iq: NDArray[Any], n_pulses: int, kind: str, full_width: tuple[float, float]
) -> DopplerMaps:
    """Wall filter, autocorrelation, complex averaging and estimates in one go.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
    n_pulses : int
    kind : str
        Wall filter.
    full_width : tuple of float
        Averaging in pixels, see :func:`smooth`.
    """
    return maps(smooth(autocorrelate(iq, n_pulses, kind), full_width))
