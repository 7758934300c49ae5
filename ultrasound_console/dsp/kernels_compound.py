# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled kernels that compound plane waves, sixteen image lines at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .echoes_numba import WINDOW, echo, echo_in_window
from .lanes_numba import (
    clamped,
    every,
    kernel,
    load,
    load_first,
    multiply_add,
    store_first,
    subtract,
    where_equal,
    whole,
)

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
# Window of a row of a block that has none.
_NONE = -1


@kernel
def block_runs(
    first: NDArray[np.int32], start: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """First element that any line of each block uses, and where the block's rows start."""
    n_depths, n_lines = shape
    n_across = -(-n_lines // LANES)
    block_first = np.zeros(n_depths * n_across, np.int32)
    block_start = np.zeros(n_depths * n_across + 1, np.int64)
    for block in range(block_first.size):
        line = block % n_across * LANES
        pixel = block // n_across * n_lines + line
        low, high = np.int64(2**31), np.int64(0)
        for p in range(pixel, pixel + min(LANES, n_lines - line)):
            if start[p + 1] > start[p]:
                low = min(low, np.int64(first[p]))
                high = max(high, first[p] + start[p + 1] - start[p])
        block_first[block] = low if high > 0 else 0
        block_start[block + 1] = block_start[block] + max(0, high - low)
    return block_first, block_start


@kernel
def fill_blocks(
    first: NDArray[np.int32],
    start: NDArray[np.int64],
    delay: Float32,
    weight_re: Float32,
    weight_im: Float32,
    shape: tuple[int, int],
    block_first: NDArray[np.int32],
    block_start: NDArray[np.int64],
    rows: Float32,
) -> None:
    """Copy the entries of each pixel to its lane; ``rows`` has zeros elsewhere."""
    n_depths, n_lines = shape
    n_across = -(-n_lines // LANES)
    for p in range(n_depths * n_lines):
        depth, line = p // n_lines, p % n_lines
        block, lane = depth * n_across + line // LANES, line % LANES
        row = block_start[block] + first[p] - block_first[block]
        for k in range(start[p], start[p + 1]):
            entry = rows[row + k - start[p]]
            entry[0, lane] = delay[k]
            entry[1, lane] = weight_re[k]
            entry[2, lane] = weight_im[k]


@kernel
def windows(
    block_start: NDArray[np.int64],
    rows: Float32,
    transmit_delay: Float32,
    n_samples: int,
    shape: tuple[int, int],
    window: NDArray[np.int32],
) -> None:
    """First sample of the window that holds the echoes of each row, for each plane wave.

    ``_NONE`` where they lie too far apart, or some of them outside the record.
    """
    n_lines = shape[1]
    n_across = -(-n_lines // LANES)
    for angle in range(window.shape[0]):
        for block in range(block_start.size - 1):
            line = block % n_across * LANES
            pixel = block // n_across * n_lines + line
            for row in range(block_start[block], block_start[block + 1]):
                low, high = np.float32(n_samples), -_ONE
                for lane in range(min(LANES, n_lines - line)):
                    if rows[row, 1, lane] != _ZERO or rows[row, 2, lane] != _ZERO:
                        position = rows[row, 0, lane] + transmit_delay[angle, pixel + lane]
                        low, high = min(low, position), max(high, position)
                window[angle, row] = _NONE
                if _ZERO <= low <= high < np.float32(n_samples - 1):
                    begin = min(int(low), n_samples - WINDOW)
                    if begin >= 0 and int(high) + 2 - begin <= WINDOW:
                        window[angle, row] = begin


@kernel
def compound_lines(
    channel: Float32,
    block_first: NDArray[np.int32],
    block_start: NDArray[np.int64],
    rows: Float32,
    window: NDArray[np.int32],
    transmit_delay: Float32,
    turn: Float32,
    out: Float32,
) -> None:
    """Power of the mean over angles; channel is (n_angles, n_elements, 2 n_samples).

    Vectors run over the lines of a block. Angles run inside it: its rows then stay in the cache.
    """
    n_angles, n_elements, n_floats = channel.shape
    n_depths, n_lines = out.shape
    n_across = -(-n_lines // LANES)
    data, table, image = channel.reshape(-1), rows.reshape(-1), out.reshape(-1)
    zero, one = every(_ZERO), every(_ONE)
    last = every(np.float32(n_floats // 2 - 1))
    last_row = every(np.float32(n_floats // 2 - 2))
    mean = every(_ONE / np.float32(n_angles * n_angles))
    for block in range(n_depths * n_across):
        line = block % n_across * LANES
        pixel = block // n_across * n_lines + line
        n_used = n_lines - line
        sum_re = sum_im = zero
        for angle in range(n_angles):
            sent = load_first(transmit_delay[angle], pixel, n_used)
            record = (angle * n_elements + np.int64(block_first[block])) * n_floats
            straight = crossed = im = zero
            for row in range(block_start[block], block_start[block + 1]):
                at = 3 * LANES * row
                begin = np.int64(window[angle, row])
                position = multiply_add(one, load(table, at), sent)
                w_re, w_im = load(table, at + LANES), load(table, at + 2 * LANES)
                if begin >= 0:
                    sample = whole(position)
                    share = subtract(position, sample)
                    echo_re, echo_im = echo_in_window(data, record, begin, sample, share)
                else:
                    inside = clamped(position, zero, last)
                    sample = clamped(whole(inside), zero, last_row)
                    share = subtract(inside, sample)
                    w_re = where_equal(position, inside, w_re)
                    w_im = where_equal(position, inside, w_im)
                    echo_re, echo_im = echo(data, record, sample, share)
                straight = multiply_add(w_re, echo_re, straight)
                crossed = multiply_add(w_im, echo_im, crossed)
                im = multiply_add(w_re, echo_im, im)
                im = multiply_add(w_im, echo_re, im)
                record += n_floats
            re = subtract(straight, crossed)
            turn_re = load_first(turn[angle, 0], pixel, n_used)
            turn_im = load_first(turn[angle, 1], pixel, n_used)
            sum_re = multiply_add(turn_re, re, sum_re)
            sum_re = subtract(sum_re, multiply_add(turn_im, im, zero))
            sum_im = multiply_add(turn_re, im, sum_im)
            sum_im = multiply_add(turn_im, re, sum_im)
        power = multiply_add(sum_re, sum_re, multiply_add(sum_im, sum_im, zero))
        store_first(image, pixel, n_used, multiply_add(power, mean, zero))
