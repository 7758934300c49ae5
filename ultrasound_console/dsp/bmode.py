"""Grey picture: echo power in decibels against a level that follows the scene.

Fully developed speckle has a known spread in decibels, whatever its mean. A local-statistics
filter takes out what this spread explains and leaves the rest (Lee, "Digital image enhancement and
noise filtering by use of local statistics", IEEE Trans. Pattern Anal. Mach. Intell. 2, 1980);
samples too bright for speckle are kept as they are (Lopes, Touzi, Nezry, "Adaptive speckle filters
and scene heterogeneity", IEEE Trans. Geosci. Remote Sens. 28, 1990).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from .arrays import aligned_empty, empty_beside, fast_path

FLOOR_DB = -120.0
# Every so many samples enter an estimated level: a prime, so that it walks over all lines.
_STRIDE = 7
_REFERENCE_PERCENTILE = 99.5
# Room above it: tissue is then a middle grey, and walls and fasciae stand out.
_HEADROOM_DB = 10.0
SPECKLE_DB = 10.0 / np.log(10.0) * np.pi / np.sqrt(6.0)
"""Standard deviation of fully developed speckle of one look, 5.57 dB."""
# Above the local mean, in standard deviations of speckle: kept in part from, wholly from. Of
# fully developed speckle 2 % and 0.07 % lie there.
_POINT = (1.5, 2.0)


def mean_power(iq: NDArray[Any], n_pulses: int) -> NDArray[Any]:
    """Mean echo power of an ensemble.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Lanes from ``n_pulses`` on are zero.
    n_pulses : int

    Returns
    -------
    (n_depths, n_lines) array
    """
    kernel = fast_path("mean_power", iq)
    if kernel is not None:
        power = empty_beside(iq, iq.shape[:2])
        kernel(iq, n_pulses, power)
        return power
    total: NDArray[Any] = np.sum(iq**2, axis=(2, 3)) / n_pulses
    return total


def level_db(power: NDArray[Any], percentile: float) -> float | None:
    """Level in decibels below which ``percentile`` percent of the samples with any power lie.

    Returns
    -------
    float or None
        None when there is no power anywhere.
    """
    sample = _positive(power, _STRIDE)
    if sample.size == 0:
        sample = _positive(power, 1)
    if sample.size == 0:
        return None
    rank = min(sample.size - 1, int(sample.size * percentile / 100.0))
    sample.partition(rank)
    return 10.0 * float(np.log10(float(sample[rank])))


def _positive(power: NDArray[Any], stride: int) -> NDArray[Any]:
    """Every so many of the samples, those above zero: a copy."""
    kernel = fast_path("positive_samples", power)
    if kernel is not None:
        kept: NDArray[Any] = aligned_empty((-(-power.size // stride),))
        given = power.view()
        given.flags.writeable = False  # or it is compiled for both kinds
        return kept[: kernel(given, stride, kept)]
    sample = power.ravel()[::stride]
    return np.asarray(sample[sample > 0.0])


def reference_db(power: NDArray[Any]) -> float | None:
    """Level of the bright end of the picture: above a high percentile, deaf to a single glint."""
    level = level_db(power, _REFERENCE_PERCENTILE)
    return None if level is None else level + _HEADROOM_DB


def to_db(
    power: NDArray[Any], reference_level_db: float, floor_db: float = FLOOR_DB
) -> NDArray[np.float32]:
    """Decibels above a reference level, not below ``floor_db``; finite for zero power.

    Parameters
    ----------
    power : array of float32 or float64
    reference_level_db : float
        ``10 log10`` of the power that becomes 0 dB.
    floor_db : float
        Lowest value given back.
    """
    lowest = np.float32(max(10.0 ** ((reference_level_db + floor_db) / 10.0), 1e-37))
    decibels: NDArray[np.float32] = aligned_empty(power.shape)
    np.maximum(power, lowest, out=decibels, dtype=np.float32, casting="same_kind")
    np.log(decibels, out=decibels)
    decibels *= np.float32(10.0 / np.log(10.0))
    decibels -= np.float32(reference_level_db)
    np.maximum(decibels, np.float32(floor_db), out=decibels)
    return decibels


def from_db(level_db: NDArray[np.float32], reference_level_db: float) -> NDArray[np.float32]:
    """Power of what :func:`to_db` gave; at least that of its floor."""
    power: NDArray[np.float32] = aligned_empty(level_db.shape)
    np.add(level_db, np.float32(reference_level_db), out=power)
    power *= np.float32(np.log(10.0) / 10.0)
    np.exp(power, out=power)
    return power


def despeckle(
    level_db: NDArray[Any], half_window: tuple[int, int], strength: float
) -> NDArray[Any]:
    """Smooth what speckle explains, and leave edges and points.

    ``out = mean + k (x - mean)`` with ``k = max(0, 1 - sigma^2 / variance)``, mean and variance
    over the window around each sample, sigma that of speckle; k = 1 where it is too bright for
    speckle.

    Parameters
    ----------
    level_db : (n_depths, n_lines) float32 or float64
    half_window : tuple of int
        The window reaches so many samples to either side (depths, lines); at the edges of the
        picture only what is inside counts.
    strength : float
        Share of the change, 0 ... 1.

    Returns
    -------
    (n_depths, n_lines) array
    """
    kernel = fast_path("despeckle", level_db)
    if kernel is not None:
        out: NDArray[Any] = aligned_empty(level_db.shape)
        kernel(level_db, *half_window, SPECKLE_DB, *_POINT, strength, out)
        return out
    size = [2 * half + 1 for half in half_window]
    inside = uniform_filter(np.ones(level_db.shape), size, mode="constant")
    mean = uniform_filter(level_db, size, mode="constant") / inside
    square = uniform_filter(level_db**2, size, mode="constant") / inside
    speckle = SPECKLE_DB**2
    kept = 1.0 - speckle / np.maximum(square - mean**2, speckle)
    above = level_db - mean
    point = (above / SPECKLE_DB - _POINT[0]) / (_POINT[1] - _POINT[0])
    kept = np.maximum(kept, np.clip(point, 0.0, 1.0))
    smoothed: NDArray[Any] = level_db - strength * (1.0 - kept) * above
    return smoothed
