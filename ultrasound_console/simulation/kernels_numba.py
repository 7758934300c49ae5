"""Compiled kernels, single-threaded, without the interpreter lock.

Splines of the flow, the way of scatterers through it, and their echoes.
"""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..dsp.arrays import LANES
from ..dsp.lanes_numba import every, load, multiply_add, store

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

# A pulse is LANES samples long and known at this many fractions of a sample: rounding a delay
# turns the phase by less than 0.8 mrad at four samples a cycle.
PHASES = 1024

_ONE = np.float32(1.0)
_HALF = np.float32(0.5)
_PHASES = np.float32(PHASES)
_LOWEST = np.float32(-32768.0)
_HIGHEST = np.float32(32767.0)


def _kernel(function: _Kernel) -> _Kernel:
    flags = {"contract", "reassoc", "nsz", "arcp", "afn"}
    compile_ = njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)
    return cast(_Kernel, compile_(function))


# --- flow -----------------------------------------------------------------------------------


@_kernel
def _weights(f: float, value: Array, slope: Array) -> None:
    """Cubic B-spline weights and their derivatives at the fraction f between two samples."""
    g = 1.0 - f
    value[0] = g * g * g / 6.0
    value[1] = (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0
    value[2] = (4.0 - 6.0 * g * g + 3.0 * g * g * g) / 6.0
    value[3] = f * f * f / 6.0
    slope[0] = -0.5 * g * g
    slope[1] = f * (1.5 * f - 2.0)
    slope[2] = -g * (1.5 * g - 2.0)
    slope[3] = 0.5 * f * f


@_kernel
def _sample(
    spline: Array, origin: Array, spacing: float, x: float, z: float, weights: Array
) -> tuple[float, float, float]:
    """Value of a spline, its derivative along z, and minus that along x, at one point."""
    column = min(max((x - origin[0]) / spacing, 1.0), spline.shape[1] - 2.001)
    row = min(max((z - origin[1]) / spacing, 1.0), spline.shape[0] - 2.001)
    j, i = int(column), int(row)
    bx, sx, bz, sz = weights
    _weights(column - j, bx, sx)
    _weights(row - i, bz, sz)
    psi = down = left = 0.0
    for k in range(4):
        value = slope = 0.0
        for m in range(4):
            c = spline[i + k - 1, j + m - 1]
            value += c * bx[m]
            slope += c * sx[m]
        psi += bz[k] * value
        down += sz[k] * value
        left -= bz[k] * slope
    return psi, down / spacing, left / spacing


@_kernel
def sample_spline(
    spline: Array, origin: Array, spacing: float, x: Array, z: Array, out: Array
) -> None:
    """Value, derivative along z, and minus that along x, at many points: out is (3, n)."""
    weights = np.empty((4, 4))
    for s in range(x.size):
        out[0, s], out[1, s], out[2, s] = _sample(spline, origin, spacing, x[s], z[s], weights)


@_kernel
def _looked_up(table: Array, place: float) -> float:
    """Linear interpolation in a table over 0 ... 1; its ends beyond."""
    position = min(max(place, 0.0), 1.0) * (table.size - 1)
    k = min(int(position), table.size - 2)
    value: float = table[k] + (position - k) * (table[k + 1] - table[k])
    return value


@_kernel
def carry_points(
    x: Array,
    z: Array,
    spline: Array,
    origin: Array,
    spacing: float,
    lines_per_stream: float,
    speeds: Array,
    time_s: float,
    step_m: float,
    edge_m: float,
    left: Array,
    right: Array,
) -> None:
    """Carry points with the flow, in place, by the midpoint rule.

    A point that leaves at one side comes in at the other, on the same stream line: ``left`` and
    ``right`` say in which depth. Between two stream lines as much flows in as out, so the density
    of the points stays what it is.
    """
    weights = np.empty((4, 4))
    n_steps = 1 + int(np.abs(speeds).max() * time_s / step_m)
    dt = time_s / n_steps
    for s in range(x.size):
        px, pz = x[s], z[s]
        for _ in range(n_steps):
            psi, vx, vz = _sample(spline, origin, spacing, px, pz, weights)
            half = 0.5 * dt * _looked_up(speeds, psi * lines_per_stream)
            psi, vx, vz = _sample(spline, origin, spacing, px + half * vx, pz + half * vz, weights)
            line = psi * lines_per_stream
            whole = dt * _looked_up(speeds, line)
            px += whole * vx
            pz += whole * vz
            beyond = abs(px) - edge_m
            if beyond > 0.0:
                side = -math.copysign(1.0, px)
                pz = _looked_up(left if side < 0.0 else right, line)
                psi, entering, vz = _sample(spline, origin, spacing, side * edge_m, pz, weights)
                ratio = abs(entering) / max(abs(vx), 1e-9)
                px = side * (edge_m - beyond * min(ratio, 4.0))
        x[s], z[s] = px, pz


# --- echoes ---------------------------------------------------------------------------------


@_kernel
def _one_way(
    element_x: Float32,
    x: Any,
    z: Any,
    weight: Any,
    base: Any,
    samples_per_m: Any,
    power: Float32,
    where: NDArray[np.int32],
    strength: Float32,
) -> None:
    """Delay in table phases and strength of one echo at every element."""
    z2 = z * z
    for e in range(element_x.size):
        dx = element_x[e] - x
        d2 = dx * dx
        inverse = _ONE / np.sqrt(d2 + z2)
        r = (d2 + z2) * inverse
        s2 = d2 * inverse * inverse
        gain = (((power[4] * s2 + power[3]) * s2 + power[2]) * s2 + power[1]) * s2 + power[0]
        strength[e] = weight * gain * z * inverse * np.sqrt(inverse)
        # r - z, without the rounding error of the difference of two long ways
        where[e] = np.int32((base + d2 / (r + z) * samples_per_m) * _PHASES + _HALF)


@_kernel
def add_echoes(
    x_m: Array,
    z_m: Array,
    amplitude: Array,
    element_x: Float32,
    sin_a: float,
    cos_a: float,
    aperture_m: float,
    wavelength_m: float,
    samples_per_m: float,
    start: float,
    power: Float32,
    table: Float32,
    row: int,
    rf: Float32,
) -> None:
    """Add the echoes of a plane wave to ``rf``, rows of ``row`` samples that begin LANES early."""
    where = np.empty(element_x.size, np.int32)
    strength = np.empty(element_x.size, np.float32)
    last = row - LANES
    for s in range(x_m.size):
        x, z = x_m[s], z_m[s]
        # The edge of the wave is blurred by diffraction over about sqrt(wavelength z).
        edge = 0.5 * aperture_m - abs(x - z * sin_a / cos_a)
        inside = min(max(0.5 + 0.5 * edge / math.sqrt(wavelength_m * z), 0.0), 1.0)
        if inside == 0.0:
            continue
        # Not before this at any element; the last LANES of a row are beyond the window.
        arrival = (x * sin_a + z * cos_a + z) * samples_per_m - start
        if arrival > last:
            continue
        whole = math.floor(arrival)
        weight = np.float32(amplitude[s] * inside * inside * (3.0 - 2.0 * inside))
        _one_way(
            element_x,
            np.float32(x),
            np.float32(z),
            weight,
            np.float32(arrival - whole),
            np.float32(samples_per_m),
            power,
            where,
            strength,
        )
        first = int(whole) + LANES // 2 + 1
        for e in range(element_x.size):
            delay = where[e]
            at = first + delay // PHASES
            if 0 <= at <= last:
                at += e * row
                echo = load(table, (delay % PHASES) * LANES)
                store(rf, at, multiply_add(every(strength[e]), echo, load(rf, at)))


@_kernel
def digitise(
    rf: Float32,
    steady: Float32,
    noise: Float32,
    offsets: NDArray[np.int64],
    row: int,
    out: NDArray[np.int16],
) -> None:
    """Sum of echoes and noise as whole numbers of 16 bits; a converter clips."""
    for e in range(out.shape[0]):
        at, first = e * row + LANES, offsets[e]
        for k in range(out.shape[1]):
            value = rf[at + k] + steady[at + k] + noise[first + k]
            value = min(max(value, _LOWEST), _HIGHEST)
            out[e, k] = np.int16(np.floor(value + _HALF))
