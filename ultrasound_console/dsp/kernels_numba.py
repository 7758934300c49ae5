"""Compiled kernels, single-threaded, without the interpreter lock.

Each bears the name by which the array code of its module asks for it, and repeats what that code
says; the tests hold the two together. Vectors run over the ensemble (see :mod:`.arrays`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .kernels_beamform import delay_and_sum
from .kernels_compound import compound_lines
from .kernels_demodulate import demodulate_iq, demodulate_rf, records
from .kernels_frequency import axial_correlation, frequency_factor
from .kernels_network import network_evidence, network_planes, posterior
from .kernels_picture import blend, despeckle, positive_samples
from .lanes_numba import (
    aligned_scratch,
    every,
    kernel,
    larger_magnitude,
    load,
    load_first,
    multiply_add,
    reordered,
    shifted,
    store,
    store_rounded,
    subtract,
    total,
)
from .series import power_series

__all__ = [
    "autocorrelate",
    "autocorrelate_complex",
    "axial_correlation",
    "blend",
    "compound_lines",
    "correlation",
    "delay_and_sum",
    "demodulate_iq",
    "demodulate_rf",
    "despeckle",
    "energy",
    "frequency_factor",
    "maps",
    "mean_power",
    "network_evidence",
    "network_planes",
    "positive_samples",
    "posterior",
    "quantise",
    "records",
    "smooth",
]

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_LARGEST_INT16 = np.float32(32767.0)
# Pixels whose ensembles are correlated at a time: they fit a cache of 32 KiB.
_TILE = 128


# In x^2: arctan(x) / (pi x) on 0 ... 1.
_ARCTAN = power_series(lambda square: np.arctan(np.sqrt(square)) / np.sqrt(square) / np.pi, 9)


# --- Doppler --------------------------------------------------------------------------------


@kernel
def _whole_registers(matrix: Float32, width: int) -> Float32:
    """Rows of a filter, each filled up with zeros, one after the other."""
    weights = aligned_scratch(matrix.shape[0] * width)
    for k in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):  # an array put into a slice takes two seconds to compile
            weights[k * width + j] = matrix[k, j]
    return weights


@kernel
def autocorrelate(iq: Float32, matrix: Float32, n_pulses: int, lags: Float32) -> None:
    """Wall filter, then R0, Re R1 and Im R1; an empty matrix is no filter."""
    n_depths, n_lines, _, lanes = iq.shape
    data = iq.reshape(-1)
    width = -(-lanes // LANES) * LANES
    weights = _whole_registers(matrix, width)
    planes = lags.reshape(-1)
    n_pixels = n_depths * n_lines
    share = aligned_scratch(width)
    share[:n_pulses] = _ONE / np.float32(n_pulses - 1)
    share[0] *= np.float32(0.5)
    share[n_pulses - 1] *= np.float32(0.5)
    scale = _ONE / np.float32(n_pulses - 1)
    zero = every(_ZERO)
    n_rows = matrix.shape[0]
    for p in range(n_pixels):
        base = p * 2 * lanes
        r0 = r1_re = r1_im = next_re = next_im = zero
        # Backwards: the shift takes in the first lane of the block after.
        for block in range(width - LANES, -1, -LANES):
            if n_rows == 0:
                a_re = load_first(data, base + block, lanes - block)
                a_im = load_first(data, base + lanes + block, lanes - block)
            else:
                a_re = a_im = zero
                for k in range(n_rows):
                    row = load(weights, k * width + block)
                    a_re = multiply_add(every(data[base + k]), row, a_re)
                    a_im = multiply_add(every(data[base + lanes + k]), row, a_im)
            b_re, b_im = shifted(a_re, next_re), shifted(a_im, next_im)
            energy = multiply_add(a_im, a_im, multiply_add(a_re, a_re, zero))
            r0 = multiply_add(load(share, block), energy, r0)
            r1_re = multiply_add(b_im, a_im, multiply_add(b_re, a_re, r1_re))
            r1_im = multiply_add(b_im, a_re, r1_im)
            r1_im = subtract(r1_im, multiply_add(b_re, a_im, zero))
            next_re, next_im = a_re, a_im
        planes[p] = total(r0)
        planes[n_pixels + p] = total(r1_re) * scale
        planes[2 * n_pixels + p] = total(r1_im) * scale


@kernel
def correlation(iq: Float32, n_pulses: int, sums: NDArray[np.float64]) -> None:
    """Add s[j] conj(s[k]) of all pixels, real and imaginary part, to (2, n_lanes, n_lanes)."""
    n_depths, n_lines, _, lanes = iq.shape
    data = iq.reshape(-1)
    n_pixels = n_depths * n_lines
    zero = every(_ZERO)
    part = np.empty(8 * LANES, np.float32)
    # Single precision within a tile that stays in the cache, double precision over the tiles.
    for begin in range(0, n_pixels, _TILE):
        end = min(begin + _TILE, n_pixels)
        for j in range(0, n_pulses, 4):
            for block in range(0, lanes, LANES):
                n_used = min(LANES, lanes - block)
                re0 = re1 = re2 = re3 = zero
                im0 = im1 = im2 = im3 = zero
                for p in range(begin, end):
                    at = p * 2 * lanes
                    x = load_first(data, at + block, n_used)
                    y = load_first(data, at + lanes + block, n_used)
                    a, b = every(data[at + j]), every(data[at + lanes + j])
                    re0 = multiply_add(b, y, multiply_add(a, x, re0))
                    im0 = subtract(multiply_add(b, x, im0), multiply_add(a, y, zero))
                    a, b = every(data[at + j + 1]), every(data[at + lanes + j + 1])
                    re1 = multiply_add(b, y, multiply_add(a, x, re1))
                    im1 = subtract(multiply_add(b, x, im1), multiply_add(a, y, zero))
                    a, b = every(data[at + j + 2]), every(data[at + lanes + j + 2])
                    re2 = multiply_add(b, y, multiply_add(a, x, re2))
                    im2 = subtract(multiply_add(b, x, im2), multiply_add(a, y, zero))
                    a, b = every(data[at + j + 3]), every(data[at + lanes + j + 3])
                    re3 = multiply_add(b, y, multiply_add(a, x, re3))
                    im3 = subtract(multiply_add(b, x, im3), multiply_add(a, y, zero))
                store(part, 0, re0)
                store(part, LANES, re1)
                store(part, 2 * LANES, re2)
                store(part, 3 * LANES, re3)
                store(part, 4 * LANES, im0)
                store(part, 5 * LANES, im1)
                store(part, 6 * LANES, im2)
                store(part, 7 * LANES, im3)
                for row in range(4):
                    for lane in range(n_used):
                        sums[0, j + row, block + lane] += part[row * LANES + lane]
                        sums[1, j + row, block + lane] += part[(row + 4) * LANES + lane]


@kernel
def autocorrelate_complex(iq: Float32, matrix: Float32, n_pulses: int, lags: Float32) -> None:
    """:func:`autocorrelate` for a complex filter, (2, n_pulses, n_lanes)."""
    n_depths, n_lines, _, lanes = iq.shape
    data = iq.reshape(-1)
    width = -(-lanes // LANES) * LANES
    weights_re = _whole_registers(matrix[0], width)
    weights_im = _whole_registers(matrix[1], width)
    # One depth at a time stays in the cache.
    filtered = np.empty((1, n_lines, 2, width), np.float32)
    flat = filtered.reshape(-1)
    unfiltered = np.empty((0, width), np.float32)
    row_lags = np.empty((3, 1, n_lines), np.float32)
    one = every(_ONE)
    for depth in range(n_depths):
        for p in range(n_lines):
            to = p * 2 * width
            base = (depth * n_lines + p) * 2 * lanes
            for block in range(0, width, LANES):
                # Four sums, so that none waits for the one before.
                re = im = other_re = other_im = every(_ZERO)
                for k in range(n_pulses):
                    w_re = load(weights_re, k * width + block)
                    w_im = load(weights_im, k * width + block)
                    x, y = every(data[base + k]), every(data[base + lanes + k])
                    re = multiply_add(x, w_re, re)
                    im = multiply_add(x, w_im, im)
                    other_re = multiply_add(y, w_im, other_re)
                    other_im = multiply_add(y, w_re, other_im)
                store(flat, to + block, subtract(re, other_re))
                store(flat, to + width + block, multiply_add(one, other_im, im))
        autocorrelate(filtered, unfiltered, n_pulses, row_lags)
        for k in range(3):
            for p in range(n_lines):
                lags[k, depth, p] = row_lags[k, 0, p]


@reordered
def smooth(planes: Float32, depth_window: Float32, line_window: Float32, out: Float32) -> None:
    """Separable average; at the edges only what is inside counts."""
    n_planes, n_depths, n_lines = planes.shape
    half_depth = depth_window.size // 2
    half_line = line_window.size // 2
    padded = np.zeros(n_lines + 2 * half_line, np.float32)
    line_scale = np.empty(n_lines, np.float32)
    for j in range(n_lines):
        share = _ZERO
        for k in range(line_window.size):
            if 0 <= j + k - half_line < n_lines:
                share += line_window[k]
        line_scale[j] = _ONE / share
    for plane in range(n_planes):
        for i in range(n_depths):
            low = max(0, i - half_depth)
            high = min(n_depths, i + half_depth + 1)
            row = padded[half_line : half_line + n_lines]
            row[:] = _ZERO
            share = _ZERO
            for q in range(low, high):
                weight = depth_window[q - i + half_depth]
                share += weight
                source = planes[plane, q]
                for j in range(n_lines):
                    row[j] += weight * source[j]
            target = out[plane, i]
            target[:] = _ZERO
            for k in range(line_window.size):
                weight = line_window[k] / share
                shifted_row = padded[k : k + n_lines]
                for j in range(n_lines):
                    target[j] += weight * shifted_row[j]
            for j in range(n_lines):
                target[j] *= line_scale[j]


@kernel
def maps(lags: Float32, velocity: Float32, bandwidth: Float32) -> None:
    """Velocity in v_N and bandwidth from averaged lags; free of branches, for LLVM to vectorise."""
    r0 = lags[0].reshape(-1)
    r1_re = lags[1].reshape(-1)
    r1_im = lags[2].reshape(-1)
    v = velocity.reshape(-1)
    w = bandwidth.reshape(-1)
    for p in range(r0.size):
        re, im = abs(r1_re[p]), abs(r1_im[p])
        large, small = max(re, im), min(re, im)
        ratio = small / (large if large > _ZERO else _ONE)
        square = ratio * ratio
        turn = _ARCTAN[8]
        turn = turn * square + _ARCTAN[7]
        turn = turn * square + _ARCTAN[6]
        turn = turn * square + _ARCTAN[5]
        turn = turn * square + _ARCTAN[4]
        turn = turn * square + _ARCTAN[3]
        turn = turn * square + _ARCTAN[2]
        turn = turn * square + _ARCTAN[1]
        turn = (turn * square + _ARCTAN[0]) * ratio
        turn = _HALF - turn if im > re else turn
        turn = _ONE - turn if r1_re[p] < _ZERO else turn
        turn = -turn if r1_im[p] < _ZERO else turn
        v[p] = -_ONE if turn >= _ONE else turn
        magnitude = large * np.sqrt(_ONE + square)
        spread = _ONE - magnitude / (r0[p] if r0[p] > _ZERO else _ONE)
        spread = min(max(spread, _ZERO), _ONE)
        w[p] = spread if r0[p] > _ZERO else _ZERO


@kernel
def mean_power(iq: Float32, n_pulses: int, out: Float32) -> None:
    """Mean squared magnitude over the ensemble."""
    lanes = iq.shape[3]
    data = iq.reshape(-1)
    flat = out.reshape(-1)
    scale = _ONE / np.float32(n_pulses)
    n_left = 2 * lanes % LANES
    for p in range(flat.size):
        energy = every(_ZERO)
        end = (p + 1) * 2 * lanes
        for block in range(p * 2 * lanes, end - n_left, LANES):
            x = load(data, block)
            energy = multiply_add(x, x, energy)
        if n_left > 0:
            x = load_first(data, end - n_left, n_left)
            energy = multiply_add(x, x, energy)
        flat[p] = total(energy) * scale


@kernel
def quantise(iq: Float32, n_pulses: int, peak: Float32, samples: NDArray[np.int16]) -> None:
    """Int16 samples (..., n_pulses) of (..., n_lanes), and the magnitude of the largest."""
    lanes = iq.shape[-1]
    data = iq.reshape(-1)
    out = samples.reshape(-1)
    n_rows = data.size // lanes
    largest = every(_ZERO)
    for at in range(0, data.size, LANES):
        largest = larger_magnitude(largest, load_first(data, at, data.size - at))
    found = np.empty(LANES, np.float32)
    store(found, 0, largest)
    peak[0] = _ZERO
    for lane in range(LANES):
        peak[0] = max(peak[0], found[lane])
    scale = _LARGEST_INT16 / peak[0] if peak[0] > _ZERO else _ZERO
    factor, zero = every(scale), every(_ZERO)
    for row in range(n_rows):
        for first in range(0, n_pulses, LANES):
            # Values beyond the row are written over by the next one; the last has none.
            to = row * n_pulses + first
            if to + LANES <= out.size:
                values = load_first(data, row * lanes + first, lanes - first)
                store_rounded(out, to, multiply_add(factor, values, zero))
            else:
                for lane in range(first, n_pulses):
                    out[row * n_pulses + lane] = np.rint(data[row * lanes + lane] * scale)


@reordered
def energy(samples: NDArray[Any]) -> float:
    """Sum of squares; not finite when any sample is not, or when it would overflow later."""
    flat = samples.reshape(-1)
    whole_energy = 0.0
    for begin in range(0, flat.size, 4096):
        chunk = flat[begin : begin + 4096]
        part = _ZERO
        for k in range(chunk.size):
            part += chunk[k] * chunk[k]
        whole_energy += float(part)
    return whole_energy
