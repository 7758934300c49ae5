# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled kernels of the beamformer: its tables, and the sums over the aperture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .lanes_numba import kernel, prefetch
from .rows_numba import add_scaled, add_turned, difference, load_row, store_row, zero_row

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
# How many samples ahead in time the beamformer asks for echoes (a step in depth or more), and for
# how many elements of an aperture.
_AHEAD = 8
_EDGE = np.uint64(6)


@kernel
def _offset(
    x_m: float,
    depth_m: float,
    element_x_m: float,
    tangent: float,
    f_number: float,
    smallest_m: float,
) -> float:
    """Place of an element in a pixel's aperture: -1 ... 1 is inside."""
    half_m = max(depth_m / (2.0 * f_number), smallest_m)
    return (element_x_m - x_m + depth_m * tangent) / half_m


@kernel
def aperture_runs(
    x_m: Float64,
    z_m: Float64,
    element_x_m: Float64,
    element_z_m: Float64,
    tangents: Float64,
    f_number: float,
    smallest_m: float,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """First element of each pixel's aperture, and where its entries start."""
    first = np.zeros(x_m.size, np.int32)
    start = np.zeros(x_m.size + 1, np.int64)
    for p in range(x_m.size):
        low, high = element_x_m.size, 0
        for e in range(element_x_m.size):
            depth_m = z_m[p] - element_z_m[e]
            if (
                abs(_offset(x_m[p], depth_m, element_x_m[e], tangents[p], f_number, smallest_m))
                < 1.0
            ):
                low = min(low, e)
                high = e + 1
        first[p] = low if high > 0 else 0
        start[p + 1] = start[p] + max(0, high - low)
    return first, start


@kernel
def aperture_weights(
    x_m: Float64,
    z_m: Float64,
    element_x_m: Float64,
    element_z_m: Float64,
    tangents: Float64,
    f_number: float,
    smallest_m: float,
    taper: float,
    smallest_energy: float,
    first: NDArray[np.int32],
    start: NDArray[np.int64],
    samples_per_m: float,
    turns_per_m: float,
    delay: Float32,
    weight_re: Float32,
    weight_im: Float32,
) -> None:
    """Delay in samples and complex weight of each entry, and zeros after the last."""
    for table in (delay, weight_re, weight_im):
        table[start[-1] :] = _ZERO
    for p in range(x_m.size):
        begin, end = start[p], start[p + 1]
        energy = 0.0
        for k in range(begin, end):
            e = first[p] + k - begin
            depth_m = z_m[p] - element_z_m[e]
            offset = _offset(x_m[p], depth_m, element_x_m[e], tangents[p], f_number, smallest_m)
            edge = min(max((abs(offset) - 1.0 + taper) / taper, 0.0), 1.0)
            share = math.cos(0.5 * math.pi * edge) ** 2
            energy += share * share
            path_m = math.sqrt((x_m[p] - element_x_m[e]) ** 2 + depth_m**2)
            angle = 2.0 * math.pi * (path_m * turns_per_m)
            delay[k] = path_m * samples_per_m
            weight_re[k] = share * math.cos(angle)
            weight_im[k] = share * math.sin(angle)
        scale = np.float32(1.0 / math.sqrt(max(energy, smallest_energy)))
        for k in range(begin, end):
            weight_re[k] *= scale
            weight_im[k] *= scale


@kernel
def sample_index(
    first: NDArray[np.int32],
    start: NDArray[np.int64],
    delay: Float32,
    transmit_delay: Float32,
    channel_shape: tuple[int, int, int, int],
    index: NDArray[np.int32],
    fraction: Float32,
) -> None:
    """Where the two samples of each entry are in a channel block, and how far between them.

    An echo outside the record points at the padding element, which is zero.
    """
    n_samples, n_rows, _, lanes = channel_shape
    last = np.float32(n_samples - 1)
    for p in range(first.size):
        for k in range(start[p], start[p + 1]):
            position = delay[k] + transmit_delay[p]
            row, element, fraction[k] = 0, n_rows - 1, _ZERO
            if _ZERO <= position <= last:
                row = min(int(position), n_samples - 2)
                element = first[p] + k - start[p]
                fraction[k] = position - np.float32(row)
            index[k] = (row * n_rows + element) * 2 * lanes


@kernel
def _sum_lanes(
    data: Float32,
    row_step: int,
    lanes: int,
    pixels: tuple[int, int],
    start: NDArray[np.int64],
    index: NDArray[np.int32],
    fraction: Float32,
    weight_re: Float32,
    weight_im: Float32,
    turn: Float32,
    flat: Float32,
    zero: Any,
) -> None:
    """Beamform some pixels in the first lanes, as many as ``zero`` holds.

    A row, both planes of a sample, is weighed as a whole by the real and by the imaginary parts;
    which plane a product belongs to is left for the end.
    """
    for p in range(pixels[0], pixels[1]):
        # Without a sign no index can be negative, and the loops stay free of that check.
        begin, end = np.uint64(start[p]), np.uint64(start[p + 1])
        # Samples that a later depth needs come from far away: ask early, where an aperture begins.
        # The pixels of a line then ask for most elements, and a whole aperture would take longer.
        for k in range(begin, min(begin + _EDGE, end)):
            ahead = np.int64(index[k]) + _AHEAD * row_step
            prefetch(data, ahead)
            prefetch(data, ahead + LANES)
        by_re = by_im = zero
        for k in range(begin, end):
            position = np.int64(index[k])
            row = load_row(data, position, lanes, zero)
            later = load_row(data, position + row_step, lanes, zero)
            row = add_scaled(fraction[k], difference(later, row), row)
            by_re = add_scaled(weight_re[k], row, by_re)
            by_im = add_scaled(weight_im[k], row, by_im)
        turn_re, turn_im = turn[0, p], turn[1, p]
        straight = add_scaled(turn_re, by_re, add_scaled(-turn_im, by_im, zero))
        crossed = add_scaled(turn_re, by_im, add_scaled(turn_im, by_re, zero))
        store_row(flat, p * 2 * lanes, lanes, add_turned(straight, crossed))


@kernel
def delay_and_sum(
    channel: Float32,
    start: NDArray[np.int64],
    index: NDArray[np.int32],
    fraction: Float32,
    weight_re: Float32,
    weight_im: Float32,
    turn: Float32,
    out: Float32,
) -> None:
    """Sum the echoes of every pixel over its aperture, for all lanes at once."""
    _, n_rows, _, lanes = channel.shape
    row_step = n_rows * 2 * lanes
    data = channel.reshape(-1)
    flat = out.reshape(-1)
    n_lines = out.shape[1]
    entries = (start, index, fraction, weight_re, weight_im, turn)
    for depth in range(out.shape[0]):
        pixels = (depth * n_lines, (depth + 1) * n_lines)
        # Lanes that fit the registers; the part of the table for one depth stays in the cache.
        for first in range(0, lanes, LANES):
            n_left = lanes - first
            samples, image = data[first:], flat[first:]
            if n_left >= 16:
                _sum_lanes(samples, row_step, lanes, pixels, *entries, image, zero_row(4))
            elif n_left == 12:
                _sum_lanes(samples, row_step, lanes, pixels, *entries, image, zero_row(3))
            elif n_left == 8:
                _sum_lanes(samples, row_step, lanes, pixels, *entries, image, zero_row(2))
            else:
                _sum_lanes(samples, row_step, lanes, pixels, *entries, image, zero_row(1))
