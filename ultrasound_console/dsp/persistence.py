"""Persistence: the lags of a picture averaged with those of the pictures before.

A first-order recursion on R0 and R1 as complex numbers, never on the angle: next to v_N the mean
of +0.9 and -0.9 is 1, not 0. With the weight ``1 - exp(-dt / tau)`` a frame that was dropped
changes nothing for a steady signal, and white noise from frame to frame keeps the share
``weight / (2 - weight)`` of its variance.

The average before is taken from the finished maps: R0 is the power, |R1| = R0 (1 - bandwidth) and
the angle is that of the velocity. Nothing but rounding is lost by that, so no frame carries lags.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import doppler
from .arrays import aligned_empty, fast_path


def weight(elapsed_s: float, time_constant_s: float) -> float:
    """Share of the present frame in the average, 0 ... 1.

    Parameters
    ----------
    elapsed_s : float
        Time since the frame before.
    time_constant_s : float
        0 takes the present frame alone.
    """
    return 1.0 if time_constant_s <= 0.0 else -math.expm1(-elapsed_s / time_constant_s)


def averaged(
    now: doppler.DopplerMaps, before: doppler.DopplerMaps, share: float
) -> doppler.DopplerMaps:
    """Average two pictures.

    Parameters
    ----------
    now, before : DopplerMaps
        float32 or float64, both of the same kind and in units of the same v_N.
    share : float
        Weight of ``now``, 0 ... 1.

    Returns
    -------
    DopplerMaps
    """
    kernel = fast_path("blend", now.power)
    if kernel is not None:
        lags: NDArray[Any] = aligned_empty((3, *now.power.shape))
        kernel(
            now.velocity, now.power, now.bandwidth,
            before.velocity, before.power, before.bandwidth, share, lags,
        )  # fmt: skip
        return doppler.maps(lags)
    mixed = share * _lags(now) + (1.0 - share) * _lags(before)
    return doppler.maps(mixed)


def _lags(maps: doppler.DopplerMaps) -> NDArray[np.float64]:
    """R0, Re R1 and Im R1 that give these maps."""
    r1 = maps.power * (1.0 - maps.bandwidth) * np.exp(1j * np.pi * maps.velocity)
    return np.stack([maps.power, r1.real, r1.imag])
