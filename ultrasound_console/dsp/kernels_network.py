# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled passes before and behind the network: its inputs, and probabilities of its output.

Each repeats the array code of :mod:`.features`, without temporary arrays. Zeros behind the end of
the picture are written too, so that buffers need no state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kernels_picture import half_turn
from .lanes_numba import reordered
from .series import power_series

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)

# 2^x on 0 ... 1; a float32 that is a power of two has nothing but its exponent.
_POWER = power_series(np.exp2, 7)
_PER_OCTAVE = np.float32(np.log2(np.e))
_LOWEST_EXPONENT = np.float32(-126.0)
_EXPONENT_BIAS = 127
_MANTISSA_BITS = 23


@reordered
def network_planes(
    velocity: Float32,
    power_db: Float32,
    bandwidth: Float32,
    echo_db: Float32,
    previous: Float32,
    power_range_db: tuple[float, float],
    power_scale_db: float,
    echo_range_db: tuple[float, float],
    echo_scale_db: float,
    previous_scale: float,
    out: Float32,
) -> None:
    """Fill the planes of one picture, (7, rows, columns); ``previous`` may have no samples."""
    n_depths, n_lines = velocity.shape
    has_previous = previous.size > 0
    least_power, most_power = np.float32(power_range_db[0]), np.float32(power_range_db[1])
    per_power = np.float32(1.0 / power_scale_db)
    least_echo, most_echo = np.float32(echo_range_db[0]), np.float32(echo_range_db[1])
    per_echo = np.float32(1.0 / echo_scale_db)
    per_previous = np.float32(1.0 / previous_scale)
    for i in range(n_depths):
        for j in range(n_lines):
            sine, cosine = half_turn(velocity[i, j])
            out[0, i, j] = cosine * cosine - sine * sine
            out[1, i, j] = _TWO * sine * cosine
        for j in range(n_lines):
            out[2, i, j] = min(max(power_db[i, j], least_power), most_power) * per_power
            out[3, i, j] = _TWO * bandwidth[i, j] - _ONE
            out[4, i, j] = min(max(echo_db[i, j], least_echo), most_echo) * per_echo + _ONE
        if has_previous:
            for j in range(n_lines):
                known = abs(previous[i, j]) < np.inf
                out[5, i, j] = previous[i, j] * per_previous if known else _ZERO
                out[6, i, j] = _ONE if known else _ZERO
        else:
            out[5, i, :n_lines] = _ZERO
            out[6, i, :n_lines] = _ZERO
        out[:, i, n_lines:] = _ZERO
    out[:, n_depths:] = _ZERO


@reordered
def network_evidence(maps: Float32, n_lags: int, scale: float, out: Float32) -> None:
    """Fill the evidence of one picture, (n_lags + n_maps, rows / 4, columns / 4)."""
    n_maps, n_rows, n_columns = maps.shape
    n = n_maps // n_lags
    factor, share = np.float32(scale), np.float32(1.0 / n)
    out[:] = _ZERO
    for number in range(n_lags):
        mean, first = number * (1 + n), number * n
        for i in range(n_rows):
            for k in range(n):
                for j in range(n_columns):
                    out[mean, i, j] += share * maps[first + k, i, j]
            for k in range(n):
                for j in range(n_columns):
                    deviation = maps[first + k, i, j] - out[mean, i, j]
                    out[mean + 1 + k, i, j] = deviation * factor


@reordered
def _powers(exponents: Float32, places: NDArray[np.int32], out: Float32) -> None:
    """2 to the power of these, of which none is above zero; ``places`` is scratch."""
    whole = places.view(np.float32)
    for j in range(exponents.size):
        x = max(exponents[j], _LOWEST_EXPONENT)
        below = np.floor(x)
        places[j] = (np.int32(below) + np.int32(_EXPONENT_BIAS)) << np.int32(_MANTISSA_BITS)
        x -= below
        power = _POWER[6]
        power = power * x + _POWER[5]
        power = power * x + _POWER[4]
        power = power * x + _POWER[3]
        power = power * x + _POWER[2]
        power = power * x + _POWER[1]
        out[j] = power * x + _POWER[0]
    for j in range(exponents.size):
        out[j] *= whole[j]


@reordered
def posterior(logits: Float32, limit: float, out: Float32) -> None:
    """Probabilities (n_depths, n_lines, n) of logits (n, rows, columns), the last one alone."""
    n = logits.shape[0]
    n_depths, n_lines = out.shape[:2]
    highest, lowest = np.float32(limit), np.float32(-limit)
    values = np.empty((n, n_lines), np.float32)
    powers = np.empty((n, n_lines), np.float32)
    peak = np.empty(n_lines, np.float32)
    share = np.empty(n_lines, np.float32)
    places = np.empty(n_lines, np.int32)
    for i in range(n_depths):
        for k in range(n):
            row, target = logits[k, i], values[k]
            for j in range(n_lines):
                # What is not a number compares as false, and becomes the lowest.
                value = row[j] if row[j] > lowest else lowest
                target[j] = value if value < highest else highest
        peak[:] = lowest
        for k in range(n - 1):
            source = values[k]
            for j in range(n_lines):
                peak[j] = max(peak[j], source[j])
        share[:] = _ZERO
        for k in range(n - 1):
            source, target = values[k], powers[k]
            for j in range(n_lines):
                source[j] = (source[j] - peak[j]) * _PER_OCTAVE
            _powers(source, places, target)
            for j in range(n_lines):
                share[j] += target[j]
        alone, power = values[n - 1], powers[n - 1]
        for j in range(n_lines):
            peak[j] = alone[j]
            alone[j] = -abs(alone[j]) * _PER_OCTAVE
        _powers(alone, places, power)
        for j in range(n_lines):
            part = _ONE / (_ONE + power[j])
            alone[j] = part if peak[j] >= _ZERO else power[j] * part
            share[j] = _ONE / share[j]
        for k in range(n - 1):
            source, target = powers[k], out[i, :, k]
            for j in range(n_lines):
                target[j] = source[j] * share[j]
        for j in range(n_lines):
            out[i, j, n - 1] = alone[j]
