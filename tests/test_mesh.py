"""Which part of a colour box is drawn: all that shows colour, and little besides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.geometry import ImageGrid
from ultrasound_console.render.mesh import flow_mesh

BOX = ImageGrid("parallel", 60, 50, (-6e-3, 6e-3), (5e-3, 20e-3), math.radians(10))
NARROW = ImageGrid("parallel", 40, 9, (-1e-3, 1e-3), (5e-3, 15e-3))
SECTOR = ImageGrid("polar", 50, 30, (-0.4, 0.35), (38e-3, 62e-3), apex_m=(0.0, -30e-3))


def pieces(mesh):
    """(first row, last row, first column, last column) of each piece."""
    corners = mesh.reshape(-1, 6, 2)
    return np.concatenate([corners[:, [0, -1], 0], corners[:, [0, -1], 1]], axis=1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([BOX, NARROW, SECTOR]),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 8)), max_size=12),
)
def test_whatever_shows_colour_is_drawn(grid, places):
    power_db = np.full(grid.shape, -10.0, np.float32)
    for row, column in places:
        power_db[row, column] = 6.0
    drawn = pieces(flow_mesh(grid, power_db, 6.0))
    for row, column in places:
        # A sample counts up to the samples around it.
        for far_row, far_column in ((row + 0.99, column + 0.99), (row - 0.99, column - 0.99)):
            at_row = np.clip(far_row, -0.5, grid.n_depths - 0.5)
            at_column = np.clip(far_column, -0.5, grid.n_lines - 0.5)
            rows = (drawn[:, 0] <= at_row) & (at_row <= drawn[:, 1])
            columns = (drawn[:, 2] <= at_column) & (at_column <= drawn[:, 3])
            assert np.any(rows & columns)


@pytest.mark.parametrize("grid", [BOX, SECTOR], ids=["parallel", "polar"])
def test_little_is_drawn_where_there_is_little_flow(grid):
    power_db = np.full(grid.shape, -10.0, np.float32)
    nothing = flow_mesh(grid, power_db, 6.0)
    first, last, *_ = pieces(nothing).T
    assert not (last - first).any()
    power_db[20:26] = 8.0
    vessel = flow_mesh(grid, power_db, 6.0)
    assert vessel.shape == nothing.shape
    first, last, left, right = pieces(vessel).T
    area = np.sum((last - first) * (right - left))
    assert area < 0.25 * grid.n_depths * grid.n_lines
