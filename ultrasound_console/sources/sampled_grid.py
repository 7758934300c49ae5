"""The grid whose samples lie at given places."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid

# Places may be off by this part of the distance from sample to sample.
_MISFIT = 0.05
_FARTHEST_M = 1.0


def grid_through(x_m: NDArray[np.float64], z_m: NDArray[np.float64]) -> ImageGrid | None:
    """Find the parallel or polar grid with samples at these places.

    Parameters
    ----------
    x_m, z_m : (n_depths, n_lines) float
        Lines from left to right, samples downwards.

    Returns
    -------
    ImageGrid or None
        None where the places are those of no grid.
    """
    if x_m.ndim != 2 or min(x_m.shape) < 2 or x_m.shape != z_m.shape:
        return None
    # Written so that NaN fails too.
    if not max(np.max(np.abs(x_m)), np.max(np.abs(z_m))) <= _FARTHEST_M:
        return None
    for make in (_parallel, _polar):
        grid = make(x_m, z_m)
        if grid is not None and _fits(grid, x_m, z_m):
            return grid
    return None


def _parallel(x_m: NDArray[np.float64], z_m: NDArray[np.float64]) -> ImageGrid | None:
    top_m, bottom_m = float(z_m[0, 0]), float(z_m[-1, 0])
    if top_m >= bottom_m:
        return None
    tilt = float(x_m[-1, 0] - x_m[0, 0]) / (bottom_m - top_m)
    left_m, right_m = (float(x_m[0, line]) - top_m * tilt for line in (0, -1))
    if left_m >= right_m:
        return None
    n_depths, n_lines = x_m.shape
    lines_m, depths_m = (left_m, right_m), (top_m, bottom_m)
    return ImageGrid("parallel", n_depths, n_lines, lines_m, depths_m, math.atan(tilt))


def _polar(x_m: NDArray[np.float64], z_m: NDArray[np.float64]) -> ImageGrid | None:
    """Make the sector about the place where the first and the last line meet."""
    starts = np.array([[x_m[0, line], z_m[0, line]] for line in (0, -1)])
    ends = np.array([[x_m[-1, line], z_m[-1, line]] for line in (0, -1)])
    ways = ends - starts
    across = ways[0, 0] * ways[1, 1] - ways[0, 1] * ways[1, 0]
    if abs(across) < 1e-12:
        return None
    apart = starts[1] - starts[0]
    share = (apart[0] * ways[1, 1] - apart[1] * ways[1, 0]) / across
    apex_m = starts[0] + share * ways[0]
    angles_rad = np.arctan2(ends[:, 0] - apex_m[0], ends[:, 1] - apex_m[1])
    first_m, last_m = (math.dist(apex_m, place) for place in (starts[0], ends[0]))
    # Downwards and from left to right.
    is_sector = -0.5 * math.pi < angles_rad[0] < angles_rad[1] < 0.5 * math.pi
    if not is_sector or first_m >= last_m:
        return None
    (n_depths, n_lines), (left, right) = x_m.shape, angles_rad.tolist()
    apex = float(apex_m[0]), float(apex_m[1])
    return ImageGrid("polar", n_depths, n_lines, (left, right), (first_m, last_m), apex_m=apex)


def _fits(grid: ImageGrid, x_m: NDArray[np.float64], z_m: NDArray[np.float64]) -> bool:
    grid_x_m, grid_z_m = grid.positions_m()
    farthest_m = np.max(np.hypot(grid_x_m - x_m, grid_z_m - z_m))
    return bool(farthest_m <= _MISFIT * min(grid.pixel_size_m))
