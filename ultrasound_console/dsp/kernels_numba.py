"""Compiled kernels, single-threaded, without the interpreter lock.

Each bears the name by which the array code of its module asks for it, and repeats what that code
says; the tests hold the two together. Vectors run over the ensemble (see :mod:`.arrays`).
"""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .kernels_beamform import compound_power, delay_and_sum
from .lanes_numba import (
    every,
    kernel,
    load,
    multiply_add,
    reordered,
    shifted,
    store,
    store_turned,
    subtract,
    total,
)

__all__ = [
    "autocorrelate",
    "autocorrelate_complex",
    "compound_power",
    "correlation",
    "delay_and_sum",
    "demodulate_iq",
    "demodulate_rf",
    "energy",
    "maps",
    "mean_power",
    "records",
    "smooth",
]

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
# Samples that are brought into the ensemble layout at a time.
_TRANSPOSED = 64
# Pixels whose ensembles are correlated at a time: they fit a cache of 32 KiB.
_TILE = 128


def _arctan_coefficients(n: int) -> tuple[np.float32, ...]:
    """Power series in x^2 of arctan(x) / (pi x) on 0 ... 1, by Chebyshev interpolation."""
    series = np.polynomial.Chebyshev.interpolate(
        lambda square: np.arctan(np.sqrt(square)) / np.sqrt(square) / np.pi, n - 1, domain=[0, 1]
    )
    powers = series.convert(kind=np.polynomial.Polynomial).coef
    return tuple(np.float32(value) for value in powers)


_ARCTAN = _arctan_coefficients(9)


# --- demodulation ---------------------------------------------------------------------------


@kernel
def demodulate_rf(
    rf: NDArray[Any],
    taps_re: Float32,
    taps_im: Float32,
    turn: Float32,
    decimation: int,
    out: Float32,
) -> None:
    """Real samples (n_pulses, n_elements, n_samples) to the ensemble layout."""
    n_pulses, n_elements, n_samples = rf.shape
    n_iq, n_rows, _, lanes = out.shape
    n_taps = taps_re.size
    half = n_taps // 2
    flat = out.reshape(-1)
    row_step = n_rows * 2 * lanes
    n_padded = (n_iq + 3) // 4 * 4 * decimation + n_taps
    record = np.zeros(n_padded * LANES, np.float32)
    for block in range(lanes // LANES):
        first = block * LANES
        n_used = min(LANES, n_pulses - first)
        record[:] = _ZERO
        for element in range(n_elements):
            # A block of samples at a time, so that the rows written stay in the cache.
            for begin in range(0, n_samples, _TRANSPOSED):
                target = record[(half + begin) * LANES :]
                for lane in range(n_used):
                    source = rf[first + lane, element, begin : begin + _TRANSPOSED]
                    for k in range(source.size):
                        target[k * LANES + lane] = source[k]
            at = element * 2 * lanes + first
            for m in range(0, n_iq, 4):
                base0 = m * decimation * LANES
                base1 = base0 + decimation * LANES
                base2 = base1 + decimation * LANES
                base3 = base2 + decimation * LANES
                re0 = re1 = re2 = re3 = every(_ZERO)
                im0 = im1 = im2 = im3 = every(_ZERO)
                for k in range(n_taps):
                    a = every(taps_re[k])
                    b = every(taps_im[k])
                    x0 = load(record, base0 + k * LANES)
                    x1 = load(record, base1 + k * LANES)
                    x2 = load(record, base2 + k * LANES)
                    x3 = load(record, base3 + k * LANES)
                    re0 = multiply_add(a, x0, re0)
                    re1 = multiply_add(a, x1, re1)
                    re2 = multiply_add(a, x2, re2)
                    re3 = multiply_add(a, x3, re3)
                    im0 = multiply_add(b, x0, im0)
                    im1 = multiply_add(b, x1, im1)
                    im2 = multiply_add(b, x2, im2)
                    im3 = multiply_add(b, x3, im3)
                row = m * row_step + at
                store_turned(flat, row, lanes, re0, im0, turn[0, m], turn[1, m])
                if m + 1 < n_iq:
                    row += row_step
                    store_turned(flat, row, lanes, re1, im1, turn[0, m + 1], turn[1, m + 1])
                if m + 2 < n_iq:
                    row += row_step
                    store_turned(flat, row, lanes, re2, im2, turn[0, m + 2], turn[1, m + 2])
                if m + 3 < n_iq:
                    row += row_step
                    store_turned(flat, row, lanes, re3, im3, turn[0, m + 3], turn[1, m + 3])


@kernel
def demodulate_iq(
    iq: NDArray[np.complex64],
    taps_re: Float32,
    taps_im: Float32,
    turn: Float32,
    decimation: int,
    out: Float32,
) -> None:
    """Complex samples (n_pulses, n_elements, n_samples) to the ensemble layout."""
    n_pulses, n_elements, n_samples = iq.shape
    n_iq, n_rows, _, lanes = out.shape
    n_taps = taps_re.size
    half = n_taps // 2
    flat = out.reshape(-1)
    record_re = np.zeros((n_samples + n_taps) * LANES, np.float32)
    record_im = np.zeros((n_samples + n_taps) * LANES, np.float32)
    for block in range(lanes // LANES):
        first = block * LANES
        record_re[:] = _ZERO
        record_im[:] = _ZERO
        for element in range(n_elements):
            for begin in range(0, n_samples, _TRANSPOSED):
                target_re = record_re[(half + begin) * LANES :]
                target_im = record_im[(half + begin) * LANES :]
                for lane in range(min(LANES, n_pulses - first)):
                    source = iq[first + lane, element, begin : begin + _TRANSPOSED]
                    for k in range(source.size):
                        target_re[k * LANES + lane] = source[k].real
                        target_im[k * LANES + lane] = source[k].imag
            for m in range(n_iq):
                re = im = every(_ZERO)
                for k in range(n_taps):
                    at = (m * decimation + k) * LANES
                    x_re, x_im = load(record_re, at), load(record_im, at)
                    re = multiply_add(every(taps_re[k]), x_re, re)
                    im = multiply_add(every(taps_re[k]), x_im, im)
                    re = multiply_add(every(-taps_im[k]), x_im, re)
                    im = multiply_add(every(taps_im[k]), x_re, im)
                row = (m * n_rows + element) * 2 * lanes + first
                store_turned(flat, row, lanes, re, im, turn[0, m], turn[1, m])


@kernel
def records(packed: Float32, out: Float32) -> None:
    """(n_samples, n_transmits + 1, 2, n_lanes) to (n_transmits, n_elements, 2 n_samples)."""
    n_transmits, n_elements, _ = out.shape
    for transmit in range(n_transmits):
        for begin in range(0, n_elements, LANES):
            target = out[transmit, begin : begin + LANES]
            for m in range(packed.shape[0]):
                re = packed[m, transmit, 0, begin : begin + LANES]
                im = packed[m, transmit, 1, begin : begin + LANES]
                for element in range(target.shape[0]):
                    target[element, 2 * m] = re[element]
                    target[element, 2 * m + 1] = im[element]


# --- Doppler --------------------------------------------------------------------------------


@kernel
def autocorrelate(iq: Float32, matrix: Float32, n_pulses: int, lags: Float32) -> None:
    """Wall filter, then R0, Re R1 and Im R1; an empty matrix is no filter."""
    n_depths, n_lines, _, lanes = iq.shape
    data = iq.reshape(-1)
    weights = matrix.reshape(-1)
    planes = lags.reshape(-1)
    n_pixels = n_depths * n_lines
    # One block of zeros follows the last lane, for the shift.
    re = np.zeros(lanes + LANES, np.float32)
    im = np.zeros(lanes + LANES, np.float32)
    share = np.zeros(lanes, np.float32)
    share[:n_pulses] = _ONE / np.float32(n_pulses - 1)
    share[0] *= np.float32(0.5)
    share[n_pulses - 1] *= np.float32(0.5)
    scale = _ONE / np.float32(n_pulses - 1)
    zero = every(_ZERO)
    for p in range(n_pixels):
        base = p * 2 * lanes
        for block in range(0, lanes, LANES):
            if matrix.shape[0] == 0:
                block_re = load(data, base + block)
                block_im = load(data, base + lanes + block)
            else:
                block_re = block_im = zero
                for k in range(n_pulses):
                    row = load(weights, k * lanes + block)
                    block_re = multiply_add(every(data[base + k]), row, block_re)
                    block_im = multiply_add(every(data[base + lanes + k]), row, block_im)
            store(re, block, block_re)
            store(im, block, block_im)
        r0 = r1_re = r1_im = zero
        for block in range(0, lanes, LANES):
            a_re, a_im = load(re, block), load(im, block)
            b_re = shifted(a_re, load(re, block + LANES))
            b_im = shifted(a_im, load(im, block + LANES))
            energy = multiply_add(a_im, a_im, multiply_add(a_re, a_re, zero))
            r0 = multiply_add(load(share, block), energy, r0)
            r1_re = multiply_add(b_im, a_im, multiply_add(b_re, a_re, r1_re))
            r1_im = multiply_add(b_im, a_re, r1_im)
            r1_im = subtract(r1_im, multiply_add(b_re, a_im, zero))
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
                re0 = re1 = re2 = re3 = zero
                im0 = im1 = im2 = im3 = zero
                for p in range(begin, end):
                    at = p * 2 * lanes
                    x, y = load(data, at + block), load(data, at + lanes + block)
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
                    for lane in range(LANES):
                        sums[0, j + row, block + lane] += part[row * LANES + lane]
                        sums[1, j + row, block + lane] += part[(row + 4) * LANES + lane]


@kernel
def autocorrelate_complex(iq: Float32, matrix: Float32, n_pulses: int, lags: Float32) -> None:
    """:func:`autocorrelate` for a complex filter, (2, n_pulses, n_lanes)."""
    n_depths, n_lines, _, lanes = iq.shape
    data = iq.reshape(-1)
    weights = matrix.reshape(-1)
    # One depth at a time stays in the cache.
    filtered = np.empty((1, n_lines, 2, lanes), np.float32)
    flat = filtered.reshape(-1)
    unfiltered = np.empty((0, lanes), np.float32)
    row_lags = np.empty((3, 1, n_lines), np.float32)
    one = every(_ONE)
    for depth in range(n_depths):
        for p in range(n_lines):
            to = p * 2 * lanes
            base = depth * n_lines * 2 * lanes + to
            for block in range(0, lanes, LANES):
                # Four sums, so that none waits for the one before.
                re = im = other_re = other_im = every(_ZERO)
                for k in range(n_pulses):
                    w_re = load(weights, k * lanes + block)
                    w_im = load(weights, (n_pulses + k) * lanes + block)
                    x, y = every(data[base + k]), every(data[base + lanes + k])
                    re = multiply_add(x, w_re, re)
                    im = multiply_add(x, w_im, im)
                    other_re = multiply_add(y, w_im, other_re)
                    other_im = multiply_add(y, w_re, other_im)
                store(flat, to + block, subtract(re, other_re))
                store(flat, to + lanes + block, multiply_add(one, other_im, im))
        autocorrelate(filtered, unfiltered, n_pulses, row_lags)
        lags[:, depth] = row_lags[:, 0]


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
    for p in range(flat.size):
        energy = every(_ZERO)
        for block in range(p * 2 * lanes, (p + 1) * 2 * lanes, LANES):
            x = load(data, block)
            energy = multiply_add(x, x, energy)
        flat[p] = total(energy) * scale


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
