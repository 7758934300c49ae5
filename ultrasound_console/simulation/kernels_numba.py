"""Compiled kernels, single-threaded, without the interpreter lock.

Splines of the flow, and the way of scatterers through it.
"""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
Array = NDArray[np.float64]


def compiled(function: _Kernel) -> _Kernel:
    """Compile a kernel as all of them are."""
    flags = {"contract", "reassoc", "nsz", "arcp", "afn"}
    compile_ = njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)
    return cast(_Kernel, compile_(function))


@compiled
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


@compiled
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


@compiled
def sample_spline(
    spline: Array, origin: Array, spacing: float, x: Array, z: Array, out: Array
) -> None:
    """Value, derivative along z, and minus that along x, at many points: out is (3, n)."""
    weights = np.empty((4, 4))
    for s in range(x.size):
        out[0, s], out[1, s], out[2, s] = _sample(spline, origin, spacing, x[s], z[s], weights)


@compiled
def _place_in(rising: Array, value: float) -> float:
    """Where a table that never falls takes a value: a fractional index."""
    low, high = 0, rising.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rising[middle] <= value:
            low = middle
        else:
            high = middle
    step = rising[high] - rising[low]
    part = (value - rising[low]) / step if step > 0.0 else 0.0
    return low + min(max(part, 0.0), 1.0)


@compiled
def carry_points(
    x: Array,
    z: Array,
    spline: Array,
    origin: Array,
    spacing: float,
    time_s: float,
    n_steps: int,
    edge_m: float,
    section_m: float,
    section_step_m: float,
    outflow: Array,
    inflow: Array,
) -> None:
    """Carry points with the flow, in place, by the midpoint rule.

    A point that leaves through an edge takes its place, by the outflow that passes before it along
    the edges, in the inflow: as many points come in between two depths as the flow there brings,
    so the density of the points stays what it is. ``outflow`` and ``inflow`` are sums from 0 to 1
    over the steps of the left edge and then of the right edge.
    """
    weights = np.empty((4, 4))
    dt = time_s / n_steps
    half = 0.5 * dt
    n_section = (outflow.size - 1) // 2
    closed = outflow[-1] < 0.5 or inflow[-1] < 0.5
    for s in range(x.size):
        px, pz = x[s], z[s]
        for _ in range(n_steps):
            _, vx, vz = _sample(spline, origin, spacing, px, pz, weights)
            _, vx, vz = _sample(spline, origin, spacing, px + half * vx, pz + half * vz, weights)
            px += dt * vx
            pz += dt * vz
            beyond = abs(px) - edge_m
            if beyond <= 0.0:
                continue
            if closed:
                px = math.copysign(edge_m, px)
                continue
            place = min(max((pz - section_m) / section_step_m, 0.0), n_section - 1e-6)
            if px > 0.0:
                place += n_section
            k = int(place)
            passed = outflow[k] + (place - k) * (outflow[k + 1] - outflow[k])
            place = _place_in(inflow, passed)
            side = -1.0
            if place >= n_section:
                side = 1.0
                place -= n_section
            pz = section_m + place * section_step_m
            _, entering, vz = _sample(spline, origin, spacing, side * edge_m, pz, weights)
            ratio = abs(entering) / max(abs(vx), 1e-9)
            px = side * (edge_m - beyond * min(ratio, 4.0))
        x[s], z[s] = px, pz
