"""Compiled kernel of the flow solver: the inertia of the blood."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kernels_numba import compiled

Array = NDArray[np.float64]


@compiled
def add_inertia(
    spline: Array,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    quadrature: Array,
    value: Array,
    slope: Array,
    bend: Array,
    spacing: float,
    out: Array,
) -> None:
    """Add the weak form of advection, the integral of (lap psi) u . grad(phi), for every spline.

    With the stream function itself in place of phi the integrand is zero at every point, so
    advection neither makes nor takes energy, whatever the quadrature.

    Parameters
    ----------
    spline : (n_z, n_x) float64
        Coefficients of the stream function psi.
    rows, columns : (n,) int64
        Cells: between these samples and the next ones.
    quadrature : (n, q, q) float64
        Weight of each point of a cell, times its area.
    value, slope, bend : (q, 4) float64
        The four splines of a cell and their first two derivatives (per cell) at the points.
    spacing : float
    out : (n_z, n_x) float64
        Changed in place.
    """
    n_points = value.shape[0]
    flat = np.empty((n_points, 4, 3))
    back = np.empty((n_points, 4, 2))
    scale = 1.0 / (spacing * spacing * spacing * spacing)
    for s in range(rows.size):
        i, j = rows[s] - 1, columns[s] - 1
        for p in range(n_points):
            for k in range(4):
                v = d = b = 0.0
                for m in range(4):
                    c = spline[i + k, j + m]
                    v += c * value[p, m]
                    d += c * slope[p, m]
                    b += c * bend[p, m]
                flat[p, k, 0] = v
                flat[p, k, 1] = d
                flat[p, k, 2] = b
                back[p, k, 0] = 0.0
                back[p, k, 1] = 0.0
        for q in range(n_points):
            for p in range(n_points):
                along_x = along_z = lap = 0.0
                for k in range(4):
                    along_x += value[q, k] * flat[p, k, 1]
                    along_z += slope[q, k] * flat[p, k, 0]
                    lap += value[q, k] * flat[p, k, 2] + bend[q, k] * flat[p, k, 0]
                spin = lap * quadrature[s, q, p] * scale
                to_x, to_z = spin * along_z, -spin * along_x
                for k in range(4):
                    back[p, k, 0] += to_x * value[q, k]
                    back[p, k, 1] += to_z * slope[q, k]
        for k in range(4):
            for m in range(4):
                total = 0.0
                for p in range(n_points):
                    total += back[p, k, 0] * slope[p, m] + back[p, k, 1] * value[p, m]
                out[i + k, j + m] += total
