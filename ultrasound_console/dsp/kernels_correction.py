# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled passes of correcting by hand: pick a region, paint one, outline it, give it folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
Int8 = NDArray[np.int8]
Uint8 = NDArray[np.uint8]


@exact
def flood(
    velocity: Float32,
    fold: Int8,
    status: Uint8,
    row: int,
    line: int,
    largest_step: float,
    out: Bool,
) -> int:
    """Mark the flow around a pixel that has its fold, and whose velocity has no jump.

    Pixels are neighbours by their edges. ``status`` is 0 without flow; ``largest_step`` is between
    neighbours. Returns the number of pixels marked.
    """
    n_depths, n_lines = status.shape
    waiting = np.empty(status.size, np.int32)
    n_waiting = n_marked = 0
    if status[row, line] != 0 and not out[row, line]:
        out[row, line] = True
        waiting[0] = row * n_lines + line
        n_waiting = 1
    while n_waiting:
        n_waiting -= 1
        n_marked += 1
        i, j = waiting[n_waiting] // n_lines, waiting[n_waiting] % n_lines
        for k in range(4):
            q = i + (k == 0) - (k == 1)
            p = j + (k == 2) - (k == 3)
            if q < 0 or q >= n_depths or p < 0 or p >= n_lines or out[q, p] or status[q, p] == 0:
                continue
            if fold[q, p] == fold[i, j] and abs(velocity[q, p] - velocity[i, j]) < largest_step:
                out[q, p] = True
                waiting[n_waiting] = q * n_lines + p
                n_waiting += 1
    return n_marked


@exact
def next_region(
    velocity: Float32,
    fold: Int8,
    status: Uint8,
    after: int,
    fewest: int,
    largest_step: float,
    out: Bool,
) -> int:
    """Mark the region, as :func:`flood` does, whose first pixel is the next behind one.

    Pixels count by rows; behind the last region comes the first again, ``after`` -1 begins there.
    Regions of fewer than ``fewest`` pixels are passed over. Returns the first pixel, -1 for none.
    """
    n_lines = status.shape[1]
    seen = np.zeros(status.shape, np.bool_)
    found = -1
    for pixel in range(status.size):
        row, line = pixel // n_lines, pixel % n_lines
        if status[row, line] == 0 or seen[row, line]:
            continue
        if flood(velocity, fold, status, row, line, largest_step, seen) < fewest:
            continue
        if found < 0 or pixel > after:
            found = pixel
            if pixel > after:
                break
    if found >= 0:
        flood(velocity, fold, status, found // n_lines, found % n_lines, largest_step, out)
    return found


@exact
def brush(
    status: Uint8,
    start: tuple[float, float],
    end: tuple[float, float],
    metric: tuple[float, float, float],
    radius: float,
    value: bool,
    out: Bool,
) -> None:
    """Set the flow within a radius of a line between two fractional places (row, line).

    ``metric`` is a, b, c of the squared distance a dr^2 + 2 b dr dl + c dl^2.
    """
    n_depths, n_lines = status.shape
    a, b, c = metric
    free = a * c - b * b
    rows, lines = radius * np.sqrt(c / free), radius * np.sqrt(a / free)
    along_row, along_line = end[0] - start[0], end[1] - start[1]
    length = a * along_row**2 + 2.0 * b * along_row * along_line + c * along_line**2
    first_row = max(0, int(np.floor(min(start[0], end[0]) - rows)))
    last_row = min(n_depths - 1, int(np.ceil(max(start[0], end[0]) + rows)))
    first_line = max(0, int(np.floor(min(start[1], end[1]) - lines)))
    last_line = min(n_lines - 1, int(np.ceil(max(start[1], end[1]) + lines)))
    for i in range(first_row, last_row + 1):
        for j in range(first_line, last_line + 1):
            if status[i, j] == 0:
                continue
            dr, dl = i - start[0], j - start[1]
            share = 0.0
            if length > 0.0:
                share = a * dr * along_row + b * (dr * along_line + dl * along_row)
                share = min(max((share + c * dl * along_line) / length, 0.0), 1.0)
            dr -= share * along_row
            dl -= share * along_line
            if a * dr * dr + 2.0 * b * dr * dl + c * dl * dl <= radius * radius:
                out[i, j] = value


@exact
def outlines(mask: Bool, corners: NDArray[np.int16], ends: NDArray[np.int32]) -> int:
    """Go round all parts and holes of a mask, along the edges of its pixels.

    Writes (row, line) of the corners, where pixel (i, j) has its corners at i, j ... i + 1, j + 1,
    and behind which corner each outline ends; each ends where it began. Outlines that do not fit
    any more are left out. Returns the number of outlines.
    """
    n_depths, n_lines = mask.shape
    seen = np.zeros((n_depths + 1, n_lines), np.bool_)
    n_corners = n_outlines = 0
    for i in range(n_depths):
        for j in range(n_lines):
            # An upper edge that none has come along, and to the right of which the mask lies.
            if not mask[i, j] or (i > 0 and mask[i - 1, j]) or seen[i, j]:
                continue
            if n_outlines == ends.size:
                return n_outlines
            begin = n_corners
            row, line, down, right = i, j, 0, 1
            while True:
                if right == 1:
                    if seen[row, line]:
                        break
                    seen[row, line] = True
                row += down
                line += right
                # The pixels ahead, on the left of the way and on its right.
                ahead_row, ahead_line = row - (down < 0), line - (right < 0)
                if right != 0:
                    left = _inside(mask, row - (right > 0), ahead_line)
                    beside = _inside(mask, row - (right < 0), ahead_line)
                else:
                    left = _inside(mask, ahead_row, line - (down < 0))
                    beside = _inside(mask, ahead_row, line - (down > 0))
                if left:
                    down, right = -right, down
                elif not beside:
                    down, right = right, -down
                else:
                    continue
                if n_corners == len(corners):
                    return n_outlines
                corners[n_corners, 0] = row
                corners[n_corners, 1] = line
                n_corners += 1
            if n_corners > begin:
                if n_corners == len(corners):
                    return n_outlines
                corners[n_corners] = corners[begin]
                n_corners += 1
                ends[n_outlines] = n_corners
                n_outlines += 1
    return n_outlines


@exact
def _inside(mask: Bool, row: int, line: int) -> bool:
    if row < 0 or line < 0 or row >= mask.shape[0] or line >= mask.shape[1]:
        return False
    return bool(mask[row, line])


@exact
def give(
    velocity: Float32,
    given_velocity: Float32,
    given: Bool,
    span: float,
    largest: int,
    by_hand: int,
    fold: Int8,
    status: Uint8,
    confidence: Float32,
) -> None:
    """Write the folds that bring the velocity nearest to what was given; ``span`` is 2 v_N.

    Where there is no flow (status 0) nothing is written.
    """
    for i in range(given.shape[0]):
        for j in range(given.shape[1]):
            if given[i, j] and status[i, j] != 0:
                n = np.rint((given_velocity[i, j] - velocity[i, j]) / span)
                fold[i, j] = min(max(n, -largest), largest)
                status[i, j] = by_hand
                confidence[i, j] = np.float32(1.0)
