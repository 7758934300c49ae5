"""Compiled kernels of the evidence for speeds; see :mod:`.evidence`."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .lanes_numba import (
    every,
    kernel,
    load,
    multiply_add,
    reordered,
    store,
    store_quads,
    subtract,
)

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

CELL = 4
"""Rows and lines of a cell of the maps."""
STEP = 2
"""Lines from one pixel that is looked at to the next, and rows for each pulse of the lag."""
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
# One over this is a number still.
_LEAST = np.finfo(np.float32).tiny
_QUAD = 4


@kernel
def _filtered(
    data: Float32,
    at: int,
    in_lanes: int,
    table: Float32,
    is_complex: bool,
    n_pulses: int,
    lanes: int,
    block: int,
) -> tuple[Any, Any]:
    """One register of a pixel's filtered pulses."""
    re = im = every(_ZERO)
    for k in range(n_pulses):
        w = load(table, k * lanes + block)
        re = multiply_add(every(data[at + k]), w, re)
        im = multiply_add(every(data[at + in_lanes + k]), w, im)
    if is_complex:
        for k in range(n_pulses):
            w = load(table, (n_pulses + k) * lanes + block)
            re = multiply_add(every(-data[at + in_lanes + k]), w, re)
            im = multiply_add(every(data[at + k]), w, im)
    return re, im


@kernel
def filtered_rows(
    iq: Float32,
    weights: Float32,
    is_complex: bool,
    n_pulses: int,
    step: int,
    margin: int,
    out: Float32,
) -> None:
    """Wall filter of every ``step``-th line, with the lines side by side in memory.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes)
    weights : (2, n_pulses, lanes)
        Real and imaginary weight of pulse k, row k, in every lane; ``lanes`` are whole registers.
    is_complex : bool
    n_pulses, step : int
    margin : int
        Columns before the first.
    out : (n_depths, lanes, 2, width)
        Margin and whole registers of columns; zero where there is no line.
    """
    n_depths, n_lines, _, in_lanes = iq.shape
    lanes, width = out.shape[1], out.shape[3]
    n_columns = -(-n_lines // step)
    data, flat, table = iq.reshape(-1), out.reshape(-1), weights.reshape(-1)
    per_line, last = 2 * in_lanes, n_columns - 1
    given = table, is_complex, n_pulses, lanes
    for i in range(n_depths):
        start = i * n_lines * per_line
        for column in range(0, n_columns, _QUAD):
            # Behind the last column it comes again, and goes below.
            at0 = start + column * step * per_line
            at1 = start + min(column + 1, last) * step * per_line
            at2 = start + min(column + 2, last) * step * per_line
            at3 = start + min(column + 3, last) * step * per_line
            for block in range(0, lanes, LANES):
                re0, im0 = _filtered(data, at0, in_lanes, *given, block)
                re1, im1 = _filtered(data, at1, in_lanes, *given, block)
                re2, im2 = _filtered(data, at2, in_lanes, *given, block)
                re3, im3 = _filtered(data, at3, in_lanes, *given, block)
                to = (i * lanes + block) * 2 * width + margin + column
                store_quads(flat, to, 2 * width, re0, re1, re2, re3)
                store_quads(flat, to + width, 2 * width, im0, im1, im2, im3)
        for at in range(i * lanes * 2 * width, (i + 1) * lanes * 2 * width, width):
            for j in range(at, at + margin):
                flat[j] = _ZERO
            for j in range(at + margin + n_columns, at + width):
                flat[j] = _ZERO


@reordered
def energies_of(filtered: Float32, n_pulses: int, out: Float32) -> None:
    """Energy of the earlier pulses of each lag, and one over that of the later ones.

    Parameters
    ----------
    filtered : (n_depths, lanes, 2, width)
    n_pulses : int
    out : (n, 2, n_depths, width)
        Of the lags 1 ... n.
    """
    n_depths, width = filtered.shape[0], filtered.shape[3]
    for i in range(n_depths):
        for number in range(out.shape[0]):
            earlier, later = out[number, 0, i], out[number, 1, i]
            earlier[:] = _ZERO
            later[:] = _ZERO
            for t in range(n_pulses):
                re, im = filtered[i, t, 0], filtered[i, t, 1]
                if t + number + 1 < n_pulses:
                    for j in range(width):
                        earlier[j] += re[j] * re[j] + im[j] * im[j]
                if t > number:
                    for j in range(width):
                        later[j] += re[j] * re[j] + im[j] * im[j]
            for j in range(width):
                later[j] = _ONE / later[j] if later[j] > _LEAST else _ZERO


@kernel
def correlate(
    filtered: Float32,
    energies: Float32,
    n_pulses: int,
    margin: int,
    lags: Int64,
    rows: Int64,
    columns: Int64,
    sums: Float32,
) -> None:
    """Correlate every other column with its surroundings later, cell by cell.

    Of the rows it takes every other for one pulse later, every fourth for two. Lags are 1 ... n.

    Parameters
    ----------
    filtered : (n_depths, lanes, 2, width)
        From :func:`filtered_rows`, with a margin of zeros behind its end.
    energies : (n_lags, 2, n_depths, width)
        From :func:`energies_of`; likewise.
    n_pulses, margin : int
    lags, rows, columns : (n,)
        Of the candidates: pulses later, rows up, columns to the right.
    sums : (n_cell_rows, n + n_lags, n_cell_lines)
        Squared magnitudes over the energy there, times that here; then the squared energy here,
        of each lag.
    """
    n_depths, lanes, _, width = filtered.shape
    n_cell_rows, n_sums, n_cell_lines = sums.shape
    n_candidates, n_lags = lags.size, n_sums - lags.size
    flat, powers = filtered.reshape(-1), energies.reshape(-1)
    used, plane = width - margin, n_depths * width
    found = np.empty(n_sums * used, np.float32)
    nothing = every(_ZERO)
    for cell_row in range(n_cell_rows):
        found[:] = _ZERO
        for i in range(CELL * cell_row, min(n_depths, CELL * (cell_row + 1)), STEP):
            here = i * lanes * 2 * width + margin
            for number in range(n_lags):
                if i % (STEP * (number + 1)) == 0:
                    at, to = 2 * number * plane + i * width + margin, (n_candidates + number) * used
                    for j in range(used):
                        found[to + j] += powers[at + j] * powers[at + j]
            for k in range(n_candidates):
                # One at a time fits the registers of any processor.
                lag, row = lags[k], i - rows[k]
                if i % (STEP * lag) != 0 or not 0 <= row < n_depths:
                    continue
                there = (row * lanes + lag) * 2 * width + margin + columns[k]
                of_here = 2 * (lag - 1) * plane + i * width + margin
                of_there = (2 * lag - 1) * plane + row * width + margin + columns[k]
                for j in range(0, used, LANES):
                    re = forth = back = nothing
                    for t in range(n_pulses - lag):
                        at = j + 2 * t * width
                        a, b = load(flat, here + at), load(flat, here + at + width)
                        x, y = load(flat, there + at), load(flat, there + at + width)
                        re = multiply_add(b, y, multiply_add(a, x, re))
                        forth = multiply_add(a, y, forth)
                        back = multiply_add(b, x, back)
                    im = subtract(forth, back)
                    size = multiply_add(re, re, multiply_add(im, im, nothing))
                    # In this order, that of the loads, it never gets larger than the energies.
                    share = multiply_add(size, load(powers, of_there + j), nothing)
                    energy, to = load(powers, of_here + j), k * used + j
                    store(found, to, multiply_add(share, energy, load(found, to)))
        for k in range(n_sums):
            for cell in range(n_cell_lines):
                first, total = k * used + CELL // STEP * cell, _ZERO
                for j in range(CELL // STEP):
                    total += found[first + j]
                sums[cell_row, k, cell] = total


@reordered
def smoothed_cells(sums: Float32, window: Float32, out: Float32) -> None:
    """Weighted sum of neighbouring cells, along rows and then along lines.

    Parameters
    ----------
    sums : (n_rows, n, n_lines)
    window : (3,)
    out : (n_rows, n, n_lines)
    """
    n_rows, n, n_lines = sums.shape
    mixed = np.zeros(n_lines + 2, np.float32)
    for i in range(n_rows):
        for k in range(n):
            for j in range(n_lines):
                mixed[j + 1] = window[1] * sums[i, k, j]
            if i > 0:
                for j in range(n_lines):
                    mixed[j + 1] += window[0] * sums[i - 1, k, j]
            if i + 1 < n_rows:
                for j in range(n_lines):
                    mixed[j + 1] += window[2] * sums[i + 1, k, j]
            for j in range(n_lines):
                left = window[0] * mixed[j] + window[1] * mixed[j + 1]
                out[i, k, j] = left + window[2] * mixed[j + 2]


@reordered
def best_candidates(sums: Float32, of_map: Int64, n_lags: int, out: Float32) -> None:
    """Take the best candidate of each map, over the energy.

    Parameters
    ----------
    sums : (n_rows, n + n_lags, n_lines)
        Of the candidates, then the energies.
    of_map : (n_maps, n_sides)
        Numbers of the candidates of each map, lag by lag; -1 where there are fewer.
    n_lags : int
    out : (n_maps or more, n_rows, n_lines)
    """
    n_rows, n_sums, n_lines = sums.shape
    n_maps, n_sides = of_map.shape
    for i in range(n_rows):
        for number in range(n_maps):
            whole = sums[i, n_sums - n_lags + number * n_lags // n_maps]
            best = out[number, i]
            best[:] = _ZERO
            for side in range(n_sides):
                k = of_map[number, side]
                if k >= 0:
                    for j in range(n_lines):
                        best[j] = max(best[j], sums[i, k, j])
            for j in range(n_lines):
                share = best[j] / whole[j] if whole[j] > _ZERO else _ZERO
                best[j] = math.sqrt(min(_ONE, share))
