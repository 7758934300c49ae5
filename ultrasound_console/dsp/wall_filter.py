"""Wall filters: what is taken out of an ensemble because it moves like tissue.

Polynomial regression: the slow-time signal of every pixel is projected on the complement of the
polynomials up to an order, ``I - V V^T`` with orthonormal V. Unlike recursive filters it has no
transient, so all pulses count. Bjaerum, Torp, Kristoffersen, "Clutter filter design for
ultrasound color flow imaging", IEEE TUFFC 49 (2002).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import LANES, n_lanes

NONE = "none"
_POLYNOMIAL = "polynomial-"
_HALF_POWER = 0.5  # -3 dB
_FREQUENCY_STEP = 1.0 / 4096.0


def polynomial_order(kind: str) -> int:
    """Order of a filter by its name; -1 for "none".

    Raises
    ------
    ValueError
        An unknown name.
    """
    if kind == NONE:
        return -1
    order = kind.removeprefix(_POLYNOMIAL)
    if kind.startswith(_POLYNOMIAL) and order.isdecimal():
        return int(order)
    raise ValueError(f"unknown wall filter {kind!r}")


def strongest(kind: str, n_pulses: int) -> str:
    """Return the filter, or the highest order that leaves this ensemble two dimensions."""
    order = min(polynomial_order(kind), n_pulses - 3)
    return NONE if order < 0 else f"{_POLYNOMIAL}{order}"


@lru_cache(maxsize=64)
def projection(kind: str, n_pulses: int) -> NDArray[np.float64]:
    """Filter as a matrix over the ensemble.

    Parameters
    ----------
    kind : str
        "none", or "polynomial-K": K + 1 orthonormal polynomials are removed.
    n_pulses : int

    Returns
    -------
    (n_pulses, n_pulses) float64
        Symmetric projection; read-only.

    Raises
    ------
    ValueError
        An unknown kind, or an order that leaves nothing of this ensemble.
    """
    order = polynomial_order(kind)
    if order + 1 >= n_pulses:
        raise ValueError(f"{kind} leaves nothing of {n_pulses} pulses")
    matrix = np.eye(n_pulses)
    if order >= 0:
        time = np.linspace(-1.0, 1.0, n_pulses)
        basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(time, order))
        matrix -= basis @ basis.T
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=64)
def padded_projection(kind: str, n_pulses: int) -> NDArray[np.float32]:
    """:func:`projection` for the ensemble layout: row k is the weight of pulse k in every lane.

    Returns
    -------
    (n_pulses, n_lanes) float32
        (0, 16) for "none", which the kernels take as "no filter".
    """
    if kind == NONE:
        return np.zeros((0, LANES), np.float32)
    matrix = np.zeros((n_pulses, n_lanes(n_pulses)), np.float32)
    matrix[:, :n_pulses] = projection(kind, n_pulses)
    return matrix


def apply(iq: NDArray[Any], kind: str, n_pulses: int) -> NDArray[Any]:
    """Filter beamformed samples.

    Parameters
    ----------
    iq : (..., 2, n_lanes) float32 or float64
    kind : str
    n_pulses : int
        Lanes in use; the others come out as zero.

    Returns
    -------
    (..., 2, n_lanes) array
    """
    filtered = np.zeros_like(iq)
    filtered[..., :n_pulses] = iq[..., :n_pulses] @ projection(kind, n_pulses).astype(iq.dtype)
    return filtered


def frequency_response(kind: str, n_pulses: int, frequency: ArrayLike) -> NDArray[np.float64]:
    """Mean power gain of the filter over the ensemble for one Doppler frequency.

    Parameters
    ----------
    kind : str
    n_pulses : int
    frequency : array_like of float
        Doppler frequency over PRF; ±0.5 is ±v_N.

    Returns
    -------
    array of float
        0 ... 1, in the shape of ``frequency``.
    """
    turns = np.asarray(frequency, float)[..., None] * np.arange(n_pulses)
    tone = np.exp(2j * np.pi * turns)
    passed = tone @ projection(kind, n_pulses)
    return np.asarray(np.mean(np.abs(passed) ** 2, axis=-1), dtype=np.float64)


@lru_cache(maxsize=64)
def cutoff(kind: str, n_pulses: int) -> float:
    """Lowest Doppler frequency that passes with at least half its power, over PRF.

    0 for "none"; a velocity is twice this in units of v_N.
    """
    frequency = np.arange(0.0, 0.5 + _FREQUENCY_STEP / 2, _FREQUENCY_STEP)
    gain = frequency_response(kind, n_pulses, frequency)
    above = int(np.argmax(gain >= _HALF_POWER))
    if above == 0:
        return 0.0 if gain[0] >= _HALF_POWER else 0.5
    low, high = gain[above - 1], gain[above]
    return float(frequency[above - 1] + _FREQUENCY_STEP * (_HALF_POWER - low) / (high - low))
