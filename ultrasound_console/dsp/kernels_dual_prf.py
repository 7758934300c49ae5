# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled loop of :mod:`.dual_prf`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import N_FOLDS
from .kernels_agreement import LUMEN, N_LANES
from .lanes_numba import kernel

Float32 = NDArray[np.float32]

_ZERO, _HALF, _ONE, _TWO = (np.float32(value) for value in (0.0, 0.5, 1.0, 2.0))
_PI = np.float32(np.pi)


@kernel
def phase_variance(
    bandwidth: np.float32, n_phases: np.float32, by_chance: np.float32
) -> np.float32:
    """Variance of the phase of R(1), radian^2; infinite where noise alone is as coherent."""
    square = (_ONE - bandwidth) * (_ONE - bandwidth)
    unbiased = (square - by_chance) / (_ONE - by_chance)
    if unbiased <= _ZERO:
        return np.float32(np.inf)
    return _HALF * (_ONE - unbiased) / (unbiased * n_phases)


@kernel
def weigh_folds(
    shown: Float32,
    velocity: Float32,
    bandwidth: Float32,
    second_velocity: Float32,
    second_bandwidth: Float32,
    second_power: Float32,
    prior: Float32,
    ratio: float,
    n_phases: float,
    by_chance: tuple[float, float],
    least_variance: float,
    least_chance: float,
    out: Float32,
) -> None:
    """Multiply probabilities of folds by the likelihood of the second phase.

    Parameters
    ----------
    shown : (n_depths, n_lines) float32
        Velocity whose fold is wanted, in units of v_N.
    velocity, bandwidth, second_velocity, second_bandwidth, second_power : float32
        (n_depths, n_lines) of both blocks, each in units of its own v_N.
    prior : (n_depths, n_lines, N_LANES) or (1, 1, N_LANES) float32
    ratio : float
        T2 / T1.
    n_phases : float
        Independent phases in either estimate.
    by_chance : tuple of float
        Square of the coherence that noise has in either.
    least_variance, least_chance : float
        Of the difference of phases, radian^2, and of any fold.
    out : (n_depths, n_lines, N_LANES) float32
    """
    n_depths, n_lines = shown.shape
    is_same = prior.shape[0] == 1
    rate = np.float32(ratio)
    first_noise, second_noise = np.float32(by_chance[0]), np.float32(by_chance[1])
    phases = np.float32(n_phases)
    cosines, sines = np.empty(N_FOLDS, np.float32), np.empty(N_FOLDS, np.float32)
    for n in range(N_FOLDS):
        turn = 2.0 * np.pi * ratio * (n - N_FOLDS // 2)
        cosines[n], sines[n] = np.cos(turn), np.sin(turn)
    for i in range(n_depths):
        for j in range(n_lines):
            before = prior[0, 0] if is_same else prior[i, j]
            after = out[i, j]
            for lane in range(N_LANES):
                after[lane] = before[lane]
            if second_power[i, j] <= _ZERO:
                continue
            variance = phase_variance(second_bandwidth[i, j], phases, second_noise)
            variance += rate * rate * phase_variance(bandwidth[i, j], phases, first_noise)
            concentration = _ONE / (variance + np.float32(least_variance))
            if concentration <= _ZERO:
                continue
            # The velocity shown may be an average over frames: the nearest to it that this one has.
            near = velocity[i, j] - _TWO * np.rint(_HALF * (velocity[i, j] - shown[i, j]))
            away = _PI * (second_velocity[i, j] - rate * near)
            along, across = np.cos(away), np.sin(away)
            total = _ZERO
            for n in range(N_FOLDS):
                agreement = along * cosines[n] + across * sines[n]
                likelihood = np.exp(concentration * (agreement - _ONE))
                after[n] = (before[n] + np.float32(least_chance)) * likelihood
                total += after[n]
            for n in range(N_FOLDS):
                after[n] /= total
            after[LUMEN] = before[LUMEN]
