"""Meshes over image grids, in (row, column) indices: what is drawn, and what need not be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid

_POLAR_COLUMNS = 64
# Of the flow on a parallel grid.
_FLOW_COLUMNS = 16
# Rows beyond the outermost sample that is shown: it is interpolated towards the next one, and a
# chord runs below its arc.
_BEYOND = 1.5
# Columns by which pieces overlap: where the edge of one ends beside that of the next, rounding
# would let pixels through.
_OVERLAP = 0.05
# What interpolating equal powers may add to them.
_ROUNDING_DB = np.float32(1e-3)


def grid_mesh(grid: ImageGrid) -> NDArray[np.float32]:
    """Make a triangle strip over a grid, as (row, column) indices.

    It reaches half a sample beyond the outermost ones. A parallel grid is one quad. A polar grid
    is cut along its lines, finely enough that a chord is within a fraction of a pixel of its arc.

    Returns
    -------
    (n, 2) float32
    """
    n = _POLAR_COLUMNS if grid.kind == "polar" else 1
    columns = np.repeat(np.linspace(-0.5, grid.n_lines - 0.5, n + 1), 2)
    rows = np.tile([-0.5, grid.n_depths - 0.5], n + 1)
    return np.stack([rows, columns], axis=1).astype(np.float32)


def flow_mesh(
    grid: ImageGrid, power_db: NDArray[np.float32], least_db: float
) -> NDArray[np.float32]:
    """Make a triangle strip over the part of a grid where there may be colour.

    A software rasteriser spends as much on a pixel that shows no colour as on one that does, and
    most of a colour box shows none. The box is cut along its lines, and each piece ends where the
    power does.

    Parameters
    ----------
    grid : ImageGrid
    power_db : (n_depths, n_lines) float32
    least_db : float
        Power from which colour is shown.

    Returns
    -------
    (n, 2) float32
        The same number for every picture on the grid; pieces without flow have no area.
    """
    n = _POLAR_COLUMNS if grid.kind == "polar" else _FLOW_COLUMNS
    columns = np.linspace(-0.5, grid.n_lines - 0.5, n + 1)
    low = np.maximum(np.floor(columns[:-1]), 0).astype(np.int64)
    high = np.minimum(np.ceil(columns[1:]), grid.n_lines - 1).astype(np.int64)
    # Pieces share the samples at their edges: every other section is one.
    sections = np.stack([low, high + 1], axis=1).ravel()
    shown = np.zeros((grid.n_depths, grid.n_lines + 1), np.bool_)
    np.greater_equal(power_db, np.float32(least_db) - _ROUNDING_DB, out=shown[:, :-1])
    reached = np.logical_or.reduceat(shown, sections, axis=1)[:, ::2]
    first, last = reached.argmax(axis=0), grid.n_depths - 1 - reached[::-1].argmax(axis=0)
    has_flow = reached.any(axis=0)
    if grid.kind == "polar" and has_flow.any():  # narrow pieces: shorter, they would be imprecise
        first[:], last[:] = first[has_flow].min(), last[has_flow].max()
    rows = np.stack([first - _BEYOND, last + _BEYOND], axis=1)
    rows[~has_flow] = 0.0
    np.clip(rows, -0.5, grid.n_depths - 0.5, out=rows)
    # Corners of each piece; the first and the last one twice, which joins them by nothing.
    corners = np.empty((n, 6, 2), np.float32)
    corners[:, :, 0] = rows[:, [0, 0, 1, 0, 1, 1]]
    corners[:, :3, 1] = columns[:-1, None]
    corners[:-1, 3:, 1] = columns[1:-1, None] + _OVERLAP
    corners[-1, 3:, 1] = columns[-1]
    return corners.reshape(-1, 2)
