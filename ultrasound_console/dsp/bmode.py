"""Grey picture: echo power in decibels against a level that follows the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import empty_beside, fast_path

FLOOR_DB = -120.0
# Every so many samples enter an estimated level: a prime, so that it walks over all lines.
_STRIDE = 7
_REFERENCE_PERCENTILE = 99.5


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
    sample = power.ravel()[::_STRIDE]
    sample = sample[sample > 0.0]
    if sample.size == 0:
        sample = power[power > 0.0]
    if sample.size == 0:
        return None
    rank = min(sample.size - 1, int(sample.size * percentile / 100.0))
    return 10.0 * float(np.log10(float(np.partition(sample, rank)[rank])))


def reference_db(power: NDArray[Any]) -> float | None:
    """Level of the bright end of the picture: a high percentile, deaf to a single glint."""
    return level_db(power, _REFERENCE_PERCENTILE)


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
    decibels: NDArray[np.float32] = np.log(np.maximum(power, lowest, dtype=np.float32))
    decibels *= np.float32(10.0 / np.log(10.0))
    decibels -= np.float32(reference_level_db)
    np.maximum(decibels, np.float32(floor_db), out=decibels)
    return decibels
