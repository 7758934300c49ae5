"""Wall filters: what is taken out of an ensemble because it moves like tissue.

A filter of a fixed ensemble is a matrix over its pulses, whatever its design.

Polynomial regression projects on the complement of the polynomials up to an order, ``I - V V^T``
with orthonormal V: no transient, so all pulses count. A recursive (IIR) filter answers with
``y = T x + O s``: T holds its impulse response, O the transients of its initial state s. Projection
initialisation takes the state that leaves the least, ``(I - O O^+) T``; step initialisation takes
the state of a signal that has always been what its first sample is. The eigenvector filters
depend on the data: :mod:`.eigen_filter`.

Bjaerum, Torp, Kristoffersen, "Clutter filter design for ultrasound color flow imaging", IEEE TUFFC
49 (2002). Torp, "Clutter rejection filters in color flow imaging: a theoretical approach", IEEE
TUFFC 44 (1997).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import LANES, n_lanes

NONE = "none"
STRENGTHS = {"low": 0.04, "medium": 0.08, "high": 0.14}
"""Requested cut-off over PRF of the named strengths."""
_POLYNOMIAL = "polynomial-"
_IIR = "iir-"
_EIGEN = "svd-"
_HALF_POWER = 0.5  # -3 dB
_FREQUENCY_STEP = 1.0 / 4096.0
# Dimensions of an ensemble that a filter must leave: a velocity needs two.
_LEAST_LEFT = 2
# A recursive filter of a low cut-off approaches the polynomial filter of one order less, so that
# higher orders need longer ensembles to get down to a cut-off.
_HIGHEST_IIR_ORDER = 4
_LOWEST_DESIGN, _HIGHEST_DESIGN = 0.002, 0.45


def is_adaptive(kind: str) -> bool:
    """Whether the filter is made from the data of each frame."""
    return kind.startswith(_EIGEN) and kind.removeprefix(_EIGEN) in STRENGTHS


def polynomial_order(kind: str, n_pulses: int) -> int:
    """Order of a regression filter; -1 for "none".

    Raises
    ------
    ValueError
        Not the name of a regression filter.
    """
    if kind in STRENGTHS:
        kind = nearest(STRENGTHS[kind], n_pulses)
    if kind == NONE:
        return -1
    order = kind.removeprefix(_POLYNOMIAL)
    if kind.startswith(_POLYNOMIAL) and order.isdecimal():
        return int(order)
    raise ValueError(f"unknown wall filter {kind!r}")


def strongest(kind: str, n_pulses: int) -> str:
    """Return the filter, or the nearest one that leaves this ensemble two dimensions."""
    if kind in STRENGTHS or _is_iir(kind) or is_adaptive(kind):
        return kind if n_pulses > _LEAST_LEFT else NONE
    order = min(polynomial_order(kind, n_pulses), n_pulses - _LEAST_LEFT - 1)
    return NONE if order < 0 else f"{_POLYNOMIAL}{order}"


def in_force(kind: str, requested_prf: float, n_pulses: int) -> str:
    """Filter that an ensemble gets: the one named, or the nearest to a requested cut-off.

    Parameters
    ----------
    kind : str
        Taken as far as the ensemble allows, see :func:`strongest`.
    requested_prf : float
        Cut-off over PRF; 0 leaves the choice to ``kind``, and more than 0.5 counts as 0.5.
    n_pulses : int
    """
    if requested_prf <= 0.0:
        return strongest(kind, n_pulses)
    return nearest(min(requested_prf, 0.5), n_pulses)


def nearest(cutoff_prf: float, n_pulses: int) -> str:
    """Regression filter whose cut-off is nearest, as a ratio, to the requested one.

    Parameters
    ----------
    cutoff_prf : float
        Cut-off over PRF, 0 ... 0.5; for a velocity v it is v / (2 v_N).
    n_pulses : int

    Returns
    -------
    str
        "polynomial-K", or "none" for a cut-off of zero or an ensemble too short to filter.

    Raises
    ------
    ValueError
        A cut-off outside 0 ... 0.5.
    """
    if not 0.0 <= cutoff_prf <= 0.5:
        raise ValueError(f"a cut-off of {cutoff_prf:g} PRF is outside 0 ... 0.5")
    n_orders = n_pulses - _LEAST_LEFT
    if cutoff_prf == 0.0 or n_orders < 1:
        return NONE
    above = bisect_left(range(n_orders), cutoff_prf, key=lambda k: _achieved(k, n_pulses))
    near = [order for order in (above - 1, above) if 0 <= order < n_orders]
    best = min(near, key=lambda order: abs(math.log(_achieved(order, n_pulses) / cutoff_prf)))
    return f"{_POLYNOMIAL}{best}"


def _achieved(order: int, n_pulses: int) -> float:
    return cutoff(f"{_POLYNOMIAL}{order}", n_pulses)


def _is_iir(kind: str) -> bool:
    return kind.startswith(_IIR) and kind.removeprefix(_IIR) in STRENGTHS


def iir_matrix(
    order: int,
    design_prf: float,
    n_pulses: int,
    initialisation: Literal["projection", "step"] = "projection",
) -> NDArray[np.float64]:
    """Butterworth high-pass with its initial state, as a matrix over the ensemble.

    Parameters
    ----------
    order : int
    design_prf : float
        -3 dB frequency of the steady state over PRF. The ensemble's own cut-off is higher, see
        :func:`cutoff`.
    n_pulses : int
    initialisation : {"projection", "step"}
        "projection" takes the transients out, of which there are ``order``.

    Returns
    -------
    (n_pulses, n_pulses) float64
        Row j makes pulse j; not symmetric.
    """
    from scipy.signal import butter, lfilter, lfilter_zi  # takes long to import

    b, a = butter(order, 2.0 * design_prf, "highpass")
    forced = np.asarray(lfilter(b, a, np.eye(n_pulses), axis=0))
    silence = np.zeros((n_pulses, order))
    transients, _ = lfilter(b, a, silence, axis=0, zi=np.eye(order))
    if initialisation == "step":
        forced[:, 0] += transients @ lfilter_zi(b, a)
        return forced
    basis, _ = np.linalg.qr(transients)
    return np.asarray(forced - basis @ (basis.T @ forced))


def _designed_iir(cutoff_prf: float, n_pulses: int) -> NDArray[np.float64]:
    """IIR filter of the highest order that gets down to a cut-off, tuned to it."""
    from scipy.optimize import brentq  # takes long to import

    def excess(design_prf: float, order: int) -> float:
        matrix = iir_matrix(order, design_prf, n_pulses)
        return float(_gain(matrix, np.array(cutoff_prf))) - _HALF_POWER

    for order in range(min(_HIGHEST_IIR_ORDER, n_pulses - _LEAST_LEFT), 0, -1):
        if excess(_LOWEST_DESIGN, order) > 0.0:
            design_prf = float(brentq(excess, _LOWEST_DESIGN, _HIGHEST_DESIGN, args=(order,)))
            return iir_matrix(order, design_prf, n_pulses)
    return iir_matrix(1, _LOWEST_DESIGN, n_pulses)


@lru_cache(maxsize=64)
def projection(kind: str, n_pulses: int) -> NDArray[np.float64]:
    """Filter as a matrix over the ensemble.

    Parameters
    ----------
    kind : str
        "none"; "polynomial-K": K + 1 orthonormal polynomials are removed; "low", "medium", "high":
        the polynomial order nearest to this cut-off; "iir-low", "iir-medium", "iir-high".
    n_pulses : int

    Returns
    -------
    (n_pulses, n_pulses) float64
        Row j makes pulse j. A symmetric projection but for IIR filters; read-only.

    Raises
    ------
    ValueError
        An unknown kind, one that depends on the data, or an order that leaves nothing of this
        ensemble.
    """
    if is_adaptive(kind):
        raise ValueError(f"{kind} depends on the data")
    if _is_iir(kind):
        if n_pulses <= _LEAST_LEFT:
            raise ValueError(f"{kind} leaves nothing of {n_pulses} pulses")
        matrix = _designed_iir(STRENGTHS[kind.removeprefix(_IIR)], n_pulses)
    else:
        matrix = _regression(kind, n_pulses)
    matrix.setflags(write=False)
    return matrix


def _regression(kind: str, n_pulses: int) -> NDArray[np.float64]:
    order = polynomial_order(kind, n_pulses)
    if order + 1 >= n_pulses:
        raise ValueError(f"{kind} leaves nothing of {n_pulses} pulses")
    matrix = np.eye(n_pulses)
    if order >= 0:
        time = np.linspace(-1.0, 1.0, n_pulses)
        basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(time, order))
        matrix -= basis @ basis.T
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
    matrix[:, :n_pulses] = projection(kind, n_pulses).T
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
    filtered[..., :n_pulses] = iq[..., :n_pulses] @ projection(kind, n_pulses).T.astype(iq.dtype)
    return filtered


def _gain(matrix: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    turns = frequency[..., None] * np.arange(matrix.shape[0])
    passed = np.exp(2j * np.pi * turns) @ matrix.T
    return np.asarray(np.mean(np.abs(passed) ** 2, axis=-1), dtype=np.float64)


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
    return _gain(projection(kind, n_pulses), np.asarray(frequency, float))


@lru_cache(maxsize=64)
def cutoff(kind: str, n_pulses: int) -> float:
    """Lowest Doppler frequency that passes with at least half its power, over PRF.

    0 for "none"; a velocity is twice this in units of v_N. For an eigenvector filter, which has no
    response of its own, the mean frequency below which an eigenvector is removed.
    """
    if is_adaptive(kind):
        return STRENGTHS[kind.removeprefix(_EIGEN)]
    frequency = np.arange(0.0, 0.5 + _FREQUENCY_STEP / 2, _FREQUENCY_STEP)
    gain = frequency_response(kind, n_pulses, frequency)
    above = int(np.argmax(gain >= _HALF_POWER))
    if above == 0:
        return 0.0 if gain[0] >= _HALF_POWER else 0.5
    low, high = gain[above - 1], gain[above]
    return float(frequency[above - 1] + _FREQUENCY_STEP * (_HALF_POWER - low) / (high - low))


def velocity_bias(
    kind: str, n_pulses: int, frequency: ArrayLike, bandwidth: float = 0.0
) -> NDArray[np.float64]:
    """Velocity error that the filter adds to the expectation of Kasai's estimator.

    The filter is not shift invariant and its gain has a slope: both pull the phase of the lag-1
    autocorrelation, most of all next to the cut-off. The expected R1 of a signal with correlation
    matrix C is the mean of the first subdiagonal of ``M C M^T`` (Torp 1997).

    Parameters
    ----------
    kind : str
    n_pulses : int
    frequency : array_like of float
        Mean Doppler frequency of the blood over PRF.
    bandwidth : float
        Root-mean-square width of its Gaussian spectrum over PRF; 0 is a pure tone.

    Returns
    -------
    array of float
        Estimate minus truth in units of v_N, in the shape of ``frequency``. Meaningless where
        nothing passes.
    """
    matrix = projection(kind, n_pulses)
    lag = np.subtract.outer(np.arange(n_pulses), np.arange(n_pulses))
    true = np.asarray(frequency, float)
    tones = np.exp(2j * np.pi * true[..., None, None] * lag)
    passed = matrix @ (tones * np.exp(-0.5 * (2.0 * np.pi * bandwidth * lag) ** 2)) @ matrix.T
    r1 = np.trace(passed, offset=-1, axis1=-2, axis2=-1)
    # Taken against the true phase, the difference needs no unwrapping.
    return np.asarray(np.angle(r1 * np.exp(-2j * np.pi * true)) / np.pi, dtype=np.float64)
