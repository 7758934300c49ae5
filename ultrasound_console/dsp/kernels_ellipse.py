# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled passes over the pixels of a colour picture that lie inside an ellipse or a vessel.

A scan line is a ray: sample r of line j lies at ``(x[j] + a dx[j], z[j] + a dz[j])`` with
``a = first + r step``. That holds for straight, steered and polar grids alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

N_COUNTS = 5
"""Of :func:`tally`: pixels, flow, aliased, left as measured, folded by hand."""
N_AREAS = 4
"""Of :func:`tally`: flow, aliased, left as measured, folded by hand."""
N_SUMS = 4
"""Of :func:`tally` for one velocity: sum, sum of squares, least, greatest."""


@exact
def tally(
    rays: Float64,
    first_m: float,
    step_m: float,
    weights: Float64,
    ellipse: Float64,
    velocity: Float32,
    fold: NDArray[np.int8],
    status: NDArray[np.uint8],
    factor: Float32,
    span: float,
    left_alone: int,
    by_hand: int,
    counts: NDArray[np.int64],
    areas: Float64,
    raw: Float64,
    corrected: Float64,
) -> None:
    """Count and add up what lies inside an ellipse, by the centres of pixels.

    Parameters
    ----------
    rays : (4, n_lines) float64
        x, dx, z and dz of each line.
    first_m, step_m : float
    weights : (n_depths,) float64
        Area of a pixel in each row, over that of a common one.
    ellipse : (5,) float64
        x and z of its centre, its half axes, and the angle of the first of them from x towards z.
    velocity, fold, status : (n_depths, n_lines) float32, int8, uint8
        Flow is where ``status`` is not 0.
    factor : (n_depths, n_lines) float32, or empty
        Velocities are multiplied by it.
    span : float
        2 v_N.
    left_alone, by_hand : int
        Values of ``status`` where no fold was decided on, and where one was given by hand.
    counts : (N_COUNTS,) int64
    areas : (N_AREAS,) float64
    raw, corrected : (N_SUMS,) float64
        Over the flow, by area; least and greatest are infinite without any.
    """
    n_rows, n_lines = status.shape
    counts[:] = 0
    areas[:] = 0.0
    for sums in (raw, corrected):
        sums[0] = sums[1] = 0.0
        sums[2], sums[3] = np.inf, -np.inf
    x_m, z_m, across_m, down_m, angle = ellipse
    cosine, sine = math.cos(angle), math.sin(angle)
    for j in range(n_lines):
        # In units of the half axes the ellipse is a circle, and a ray is inside between two roots.
        u = (cosine * (rays[0, j] - x_m) + sine * (rays[2, j] - z_m)) / across_m
        v = (cosine * (rays[2, j] - z_m) - sine * (rays[0, j] - x_m)) / down_m
        du = (cosine * rays[1, j] + sine * rays[3, j]) / across_m
        dv = (cosine * rays[3, j] - sine * rays[1, j]) / down_m
        square, middle = du * du + dv * dv, -(u * du + v * dv)
        inside = middle * middle - square * (u * u + v * v - 1.0)
        if inside < 0.0:
            continue
        root = math.sqrt(inside)
        top = max(math.ceil(((middle - root) / square - first_m) / step_m), 0)
        bottom = min(math.floor(((middle + root) / square - first_m) / step_m), n_rows - 1)
        for r in range(top, bottom + 1):
            counts[0] += 1
            if status[r, j] == 0:
                continue
            n = fold[r, j]
            is_left, is_by_hand = status[r, j] == left_alone, status[r, j] == by_hand
            counts[1] += 1
            counts[2] += n != 0
            counts[3] += is_left
            counts[4] += is_by_hand
            area = weights[r]
            areas[0] += area
            areas[1] += area * (n != 0)
            areas[2] += area * is_left
            areas[3] += area * is_by_hand
            scale = float(factor[r, j]) if factor.size else 1.0
            measured = float(velocity[r, j])
            _add(scale * measured, area, raw)
            _add(scale * (measured + n * span), area, corrected)


@exact
def _add(value: float, area: float, sums: Float64) -> None:
    sums[0] += area * value
    sums[1] += area * value * value
    sums[2] = min(sums[2], value)
    sums[3] = max(sums[3], value)


@exact
def connected_moments(
    rays: Float64,
    first_m: float,
    step_m: float,
    weights: Float64,
    status: NDArray[np.uint8],
    row: int,
    line: int,
    radius_m: float,
    seen: NDArray[np.bool_],
    waiting: NDArray[np.int32],
) -> tuple[int, float, float, float, float, float]:
    """Measure the flow that is 4-connected to a pixel within a circle about it.

    Parameters
    ----------
    rays, first_m, step_m, weights, status
        As in :func:`tally`.
    row, line : int
        The pixel; it has flow.
    radius_m : float
    seen : (n_depths, n_lines) bool
    waiting : (n_depths * n_lines,) int32
        Room to work in.

    Returns
    -------
    n : int
        Pixels.
    x_m, z_m : float
        Their mean place, by area.
    xx_m2, xz_m2, zz_m2 : float
        Second moments about it.
    """
    n_rows, n_lines = status.shape
    seen[:] = False
    along_m = first_m + row * step_m
    seed_x_m = rays[0, line] + along_m * rays[1, line]
    seed_z_m = rays[2, line] + along_m * rays[3, line]
    waiting[0] = row * n_lines + line
    seen[row, line] = True
    n_found, n_done = 1, 0
    total, x, z, xx, xz, zz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    while n_done < n_found:
        r, j = waiting[n_done] // n_lines, waiting[n_done] % n_lines
        n_done += 1
        along_m = first_m + r * step_m
        across_m = rays[0, j] + along_m * rays[1, j] - seed_x_m
        down_m = rays[2, j] + along_m * rays[3, j] - seed_z_m
        area = weights[r]
        total += area
        x += area * across_m
        z += area * down_m
        xx += area * across_m * across_m
        xz += area * across_m * down_m
        zz += area * down_m * down_m
        for side in range(4):
            to_r = r + (side == 0) - (side == 1)
            to_j = j + (side == 2) - (side == 3)
            if to_r < 0 or to_r >= n_rows or to_j < 0 or to_j >= n_lines:
                continue
            if seen[to_r, to_j] or status[to_r, to_j] == 0:
                continue
            along_m = first_m + to_r * step_m
            across_m = rays[0, to_j] + along_m * rays[1, to_j] - seed_x_m
            down_m = rays[2, to_j] + along_m * rays[3, to_j] - seed_z_m
            if across_m * across_m + down_m * down_m <= radius_m * radius_m:
                seen[to_r, to_j] = True
                waiting[n_found] = to_r * n_lines + to_j
                n_found += 1
    x, z = x / total, z / total
    moments = xx / total - x * x, xz / total - x * z, zz / total - z * z
    return n_found, seed_x_m + x, seed_z_m + z, *moments
