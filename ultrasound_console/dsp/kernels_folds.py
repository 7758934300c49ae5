"""Compiled kernels of the evidence for folds; see :mod:`.evidence`."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .lanes_numba import (
    every,
    first_lanes,
    kernel,
    load,
    multiply_add,
    reordered,
    store,
    subtract,
    total,
)

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@kernel
def filtered_columns(
    iq: Float32,
    weights: Float32,
    is_complex: bool,
    n_pulses: int,
    step: int,
    row_turn: Float32,
    line_turn: Float32,
    out: Float32,
) -> None:
    """Wall filter and removal of the grid's phase for every ``step``-th line.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes)
    weights : (2, n_pulses, lanes)
        Real and imaginary weight of pulse k, row k, in every lane; ``lanes`` are whole registers.
    is_complex : bool
    n_pulses, step : int
    row_turn, line_turn : (2, n_depths), (2, n_lines)
        Cosine and sine of the phase to take off.
    out : (n_depths, n_columns, 2, lanes)
    """
    n_depths, n_lines, _, in_lanes = iq.shape
    n_columns, lanes = out.shape[1], out.shape[3]
    data = iq.reshape(-1)
    flat = out.reshape(-1)
    table = weights.reshape(-1)
    zero = every(_ZERO)
    for i in range(n_depths):
        for column in range(n_columns):
            j = column * step
            base = (i * n_lines + j) * 2 * in_lanes
            to = (i * n_columns + column) * 2 * lanes
            a = row_turn[0, i] * line_turn[0, j] - row_turn[1, i] * line_turn[1, j]
            b = row_turn[0, i] * line_turn[1, j] + row_turn[1, i] * line_turn[0, j]
            cosine, sine, minus = every(a), every(-b), every(b)
            for block in range(0, lanes, LANES):
                re = im = zero
                for k in range(n_pulses):
                    w = load(table, k * lanes + block)
                    re = multiply_add(every(data[base + k]), w, re)
                    im = multiply_add(every(data[base + in_lanes + k]), w, im)
                if is_complex:
                    for k in range(n_pulses):
                        w = load(table, (n_pulses + k) * lanes + block)
                        re = multiply_add(every(-data[base + in_lanes + k]), w, re)
                        im = multiply_add(every(data[base + k]), w, im)
                turned_re = multiply_add(minus, im, multiply_add(cosine, re, zero))
                turned_im = multiply_add(sine, re, multiply_add(cosine, im, zero))
                store(flat, to + block, turned_re)
                store(flat, to + lanes + block, turned_im)


@kernel
def _turned(
    flat: Float32, at: int, lanes: int, n_used: int, half_turns: float
) -> tuple[Any, Any, np.float32]:
    """Turn samples on by a phase, so that all pixels of a cell agree; and their energy."""
    angle = np.float32(math.pi) * np.float32(half_turns)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    zero = every(_ZERO)
    re = first_lanes(n_used, load(flat, at))
    im = first_lanes(n_used, load(flat, at + lanes))
    energy = total(multiply_add(im, im, multiply_add(re, re, zero)))
    a = multiply_add(every(-sine), im, multiply_add(every(cosine), re, zero))
    b = multiply_add(every(sine), re, multiply_add(every(cosine), im, zero))
    return a, b, energy


@kernel
def correlate(
    filtered: Float32,
    velocity: Float32,
    n_pulses: int,
    lag: int,
    rows_per_nyquist: float,
    rows_per_line: float,
    line_step: int,
    column_step: int,
    n_sides: int,
    sums: Float32,
) -> None:
    """Correlate every cell with its surroundings one lag later.

    Parameters
    ----------
    filtered : (n_depths, n_columns, 2, lanes)
        With one register more behind the last value.
    velocity : (n_depths, n_lines)
    n_pulses, lag : int
    rows_per_nyquist, rows_per_line : float
    line_step : int
        Lines from one column of ``filtered`` to the next.
    column_step, n_sides : int
        Columns from one lateral candidate to the next, and candidates on each side.
    sums : (n_cell_rows, n_cell_lines, n)
        For each fold and lateral candidate the real and the imaginary part, then the energy.
    """
    n_depths, n_columns, _, lanes = filtered.shape
    n_cell_rows, n_cell_lines, _ = sums.shape
    flat = filtered.reshape(-1)
    n_used = n_pulses - lag
    n_energy = 14 * (2 * n_sides + 1)
    row_stride = n_columns * 2 * lanes
    per_fold = 2.0 * lag * rows_per_nyquist
    per_side = rows_per_line * column_step * line_step
    sums[:] = _ZERO
    for cell_row in range(n_cell_rows):
        for cell_line in range(n_cell_lines):
            # Of every other row and line of a cell, two pixels of a chequerboard.
            i0, c0 = 4 * cell_row, 2 * cell_line
            i1, c1 = i0 + 2, c0 + 1
            is_whole = i1 < n_depths and c1 < n_columns
            if not is_whole:
                i1, c1 = i0, c0
            v0, v1 = velocity[i0, c0 * line_step], velocity[i1, c1 * line_step]
            row0 = i0 + 0.5 - lag * rows_per_nyquist * v0
            row1 = i1 + 0.5 - lag * rows_per_nyquist * v1
            at0 = (i0 * n_columns + c0) * 2 * lanes
            at1 = (i1 * n_columns + c1) * 2 * lanes
            for block in range(0, n_used, LANES):
                n_first = n_used - block
                n_second = n_first if is_whole else 0
                a0, b0, energy0 = _turned(flat, at0 + block, lanes, n_first, lag * v0)
                a1, b1, energy1 = _turned(flat, at1 + block, lanes, n_second, lag * v1)
                sums[cell_row, cell_line, n_energy] += energy0 + energy1
                minus0, minus1 = subtract(every(_ZERO), b0), subtract(every(_ZERO), b1)
                k = 0
                for side in range(-n_sides, n_sides + 1):
                    other0, other1 = c0 + side * column_step, c1 + side * column_step
                    inside0 = 0 <= other0 < n_columns
                    inside1 = 0 <= other1 < n_columns
                    start0 = other0 * 2 * lanes + lag + block
                    start1 = other1 * 2 * lanes + lag + block
                    for fold in range(-3, 4):
                        up = per_fold * fold + per_side * side
                        r0, r1 = math.floor(row0 - up), math.floor(row1 - up)
                        re = im = every(_ZERO)
                        if inside0 and 0 <= r0 < n_depths:
                            there = start0 + r0 * row_stride
                            x, y = load(flat, there), load(flat, there + lanes)
                            re = multiply_add(b0, y, multiply_add(a0, x, re))
                            im = multiply_add(minus0, x, multiply_add(a0, y, im))
                        if inside1 and 0 <= r1 < n_depths:
                            there = start1 + r1 * row_stride
                            x, y = load(flat, there), load(flat, there + lanes)
                            re = multiply_add(b1, y, multiply_add(a1, x, re))
                            im = multiply_add(minus1, x, multiply_add(a1, y, im))
                        sums[cell_row, cell_line, k] += total(re)
                        sums[cell_row, cell_line, k + 1] += total(im)
                        k += 2


@reordered
def smoothed_cells(sums: Float32, window: Float32, out: Float32) -> None:
    """Weighted sum of neighbouring cells, along rows and then along lines."""
    n_rows, n_lines, n = sums.shape
    half = window.size // 2
    mixed = np.empty((n_lines, n), np.float32)
    for i in range(n_rows):
        mixed[:] = _ZERO
        for q in range(max(0, i - half), min(n_rows, i + half + 1)):
            weight = window[q - i + half]
            source = sums[q].reshape(-1)
            target = mixed.reshape(-1)
            for k in range(source.size):
                target[k] += weight * source[k]
        for j in range(n_lines):
            out[i, j, :] = _ZERO
            for q in range(max(0, j - half), min(n_lines, j + half + 1)):
                weight = window[q - j + half]
                for k in range(n):
                    out[i, j, k] += weight * mixed[q, k]


@kernel
def add_best_candidates(sums: Float32, n_lateral: int, share: float, out: Float32) -> None:
    """Add a share of the largest correlation over the lateral candidates, over the energy."""
    n_rows, n_lines, _ = sums.shape
    for i in range(n_rows):
        for j in range(n_lines):
            energy = sums[i, j, 14 * n_lateral]
            scale = np.float32(share) / energy if energy > _ZERO else _ZERO
            for fold in range(7):
                best = _ZERO
                for side in range(n_lateral):
                    k = 2 * (7 * side + fold)
                    best = max(best, sums[i, j, k] ** 2 + sums[i, j, k + 1] ** 2)
                out[fold, i, j] += min(np.float32(share), np.float32(math.sqrt(best)) * scale)
