"""Planes on rectangles of equal pixels, sample by sample: nothing is interpolated.

For those who know neither slanted lines nor sectors. ``square_pixels.py`` is for pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid

MOST_PIXELS = 1024
"""Along each side that has other pixels than the grid has samples."""
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Raster:
    """A rectangle of pixels, and the sample of a grid that lies nearest to each.

    Every value that it draws is one of the plane: a velocity interpolated across the Nyquist
    seam, or a fold between two folds, would be false.

    Attributes
    ----------
    x_m, z_m : float
        Centre of the first pixel.
    step_x_m, step_z_m : float
        From one pixel to the next.
    nearest : (n_rows, n_columns) int
        Index of the nearest sample, rows running down.
    inside : (n_rows, n_columns) bool
        Whether the pixel lies on the grid.
    """

    x_m: float
    z_m: float
    step_x_m: float
    step_z_m: float
    nearest: NDArray[np.intp]
    inside: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows, n_columns)."""
        return self.nearest.shape

    def draw(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Put a plane on the raster.

        Parameters
        ----------
        plane : (n_depths, n_lines)

        Returns
        -------
        (n_rows, n_columns), of the plane's type
            0 where there are no samples.
        """
        drawn = plane.take(self.nearest)
        drawn[~self.inside] = 0
        return drawn


@lru_cache(maxsize=8)
def raster_of(grid: ImageGrid) -> Raster:
    """Find the rectangle that covers a grid.

    Upright parallel lines are a rectangle already, sample for sample. Slanted ones keep their
    spacing in both directions, as far as there is room; a sector gets square pixels as long as
    its samples.
    """
    left_m, right_m, top_m, bottom_m = grid.extent_m
    step_x_m, step_z_m = grid.line_step, grid.range_step_m
    n_rows, n_columns = grid.shape
    if grid.kind == "polar":
        step_x_m = step_z_m = max(step_z_m, (bottom_m - top_m) / (MOST_PIXELS - 1))
        n_rows = _n_pixels(bottom_m - top_m, step_z_m)
    if grid.kind == "polar" or grid.angle_rad != 0.0:
        step_x_m = max(step_x_m, (right_m - left_m) / (MOST_PIXELS - 1))
        n_columns = _n_pixels(right_m - left_m, step_x_m)
    x_m = left_m + step_x_m * np.arange(n_columns)
    z_m = top_m + step_z_m * np.arange(n_rows)
    row, column = np.broadcast_arrays(*grid.indices(x_m[None, :], z_m[:, None]))
    row, column = np.rint(row), np.rint(column)
    inside = (row >= 0) & (row < grid.n_depths) & (column >= 0) & (column < grid.n_lines)
    nearest = np.where(inside, row * grid.n_lines + column, 0).astype(np.intp)
    return Raster(left_m, top_m, step_x_m, step_z_m, nearest, inside)


def _n_pixels(length_m: float, step_m: float) -> int:
    """Pixels that cover a length, from one end to the other or beyond."""
    return math.ceil(length_m / step_m - _ROUNDING) + 1
