"""Compiled kernels of the demodulator, from records to the ensemble layout and back."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES
from .lanes_numba import (
    aligned_scratch,
    every,
    kernel,
    load,
    load_samples,
    multiply_add,
    store,
    store_first,
    store_quads,
)

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)
# Samples that are filtered at a time: what goes in stays in the cache.
_FILTERED = 128


@kernel
def _store_turned(
    flat: Float32,
    at: int,
    lanes: int,
    count: int,
    re: Any,
    im: Any,
    turn_re: Any,
    turn_im: Any,
) -> None:
    """Write the first lanes of (re + i im)(turn_re + i turn_im)."""
    zero = every(np.float32(0.0))
    turned_re = multiply_add(every(-turn_im), im, multiply_add(every(turn_re), re, zero))
    turned_im = multiply_add(every(turn_im), re, multiply_add(every(turn_re), im, zero))
    if count == lanes and 3 * lanes >= LANES:
        # Zeros go on into what follows: the other plane and the next element come after this one,
        # and the element behind the last stays zero. Part of a register is slow to write without
        # AVX-512.
        store(flat, at, turned_re)
        store(flat, at + lanes, turned_im)
    else:
        store_first(flat, at, count, turned_re)
        store_first(flat, at + lanes, count, turned_im)


@kernel
def _fill_records(
    rf: NDArray[Any], element: int, first: int, begin: int, n_records: int, packed: Float32
) -> None:
    """Lay samples from ``begin`` on of up to 16 pulses side by side, with 0 outside the record."""
    n_pulses, _, n_samples = rf.shape
    n_used = min(LANES, n_pulses - first)
    low = min(max(0, -begin), n_records)
    high = max(low, min(n_records, n_samples - begin))
    packed[: low * LANES] = _ZERO
    packed[high * LANES : n_records * LANES] = _ZERO
    n_quick = (high - low) // LANES * LANES if rf.strides[2] == rf.itemsize else 0
    zero = every(_ZERO)
    for lane in range(0, n_used, 4):
        source0 = rf[first + lane, element]
        source1 = rf[first + min(lane + 1, n_used - 1), element]
        source2 = rf[first + min(lane + 2, n_used - 1), element]
        source3 = rf[first + min(lane + 3, n_used - 1), element]
        for k in range(low, low + n_quick, LANES):
            a = load_samples(source0, begin + k)
            b = load_samples(source1, begin + k) if lane + 1 < n_used else zero
            c = load_samples(source2, begin + k) if lane + 2 < n_used else zero
            d = load_samples(source3, begin + k) if lane + 3 < n_used else zero
            store_quads(packed, k * LANES + lane, LANES, a, b, c, d)
    for lane in range(n_used):
        source = rf[first + lane, element]
        for k in range(low + n_quick, high):
            packed[k * LANES + lane] = source[begin + k]


@kernel
def _filtered_pair(
    record: Float32, base0: int, base1: int, taps_re: Float32, taps_im: Float32
) -> tuple[Any, Any, Any, Any]:
    """Filter at two places of the record: real parts, then imaginary ones."""
    re0 = re1 = im0 = im1 = every(_ZERO)
    for k in range(taps_re.size):
        a = every(taps_re[k])
        b = every(taps_im[k])
        x0 = load(record, base0 + k * LANES)
        x1 = load(record, base1 + k * LANES)
        re0 = multiply_add(a, x0, re0)
        re1 = multiply_add(a, x1, re1)
        im0 = multiply_add(b, x0, im0)
        im1 = multiply_add(b, x1, im1)
    return re0, re1, im0, im1


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
    n_elements = rf.shape[1]
    n_iq, n_rows, _, lanes = out.shape
    n_taps = taps_re.size
    flat = out.reshape(-1)
    row_step = n_rows * 2 * lanes
    n_records = _FILTERED * decimation + n_taps
    record = aligned_scratch(n_records * LANES)
    turn_re, turn_im = turn[0], turn[1]
    for first in range(0, lanes, LANES):
        n_written = min(LANES, lanes - first)
        record[:] = _ZERO
        for begin in range(0, n_iq, _FILTERED):
            for element in range(n_elements):
                at = element * 2 * lanes + first
                _fill_records(
                    rf, element, first, begin * decimation - n_taps // 2, n_records, record
                )
                # Two at a time fit the registers of any processor.
                for m in range(begin, min(begin + _FILTERED, n_iq), 2):
                    base0 = (m - begin) * decimation * LANES
                    base1 = base0 + decimation * LANES
                    re0, re1, im0, im1 = _filtered_pair(record, base0, base1, taps_re, taps_im)
                    row = m * row_step + at
                    _store_turned(flat, row, lanes, n_written, re0, im0, turn_re[m], turn_im[m])
                    if m + 1 < n_iq:
                        row, to = row + row_step, m + 1
                        _store_turned(
                            flat, row, lanes, n_written, re1, im1, turn_re[to], turn_im[to]
                        )


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
    flat = out.reshape(-1)
    n_records = _FILTERED * decimation + n_taps
    record_re = aligned_scratch(n_records * LANES)
    record_im = aligned_scratch(n_records * LANES)
    for first in range(0, lanes, LANES):
        n_written = min(LANES, lanes - first)
        for element in range(n_elements):
            for begin in range(0, n_iq, _FILTERED):
                record_re[:] = _ZERO
                record_im[:] = _ZERO
                sample = begin * decimation - n_taps // 2
                low, high = max(0, -sample), min(n_records, n_samples - sample)
                for lane in range(min(LANES, n_pulses - first)):
                    source = iq[first + lane, element]
                    for k in range(low, high):
                        record_re[k * LANES + lane] = source[sample + k].real
                        record_im[k * LANES + lane] = source[sample + k].imag
                for m in range(begin, min(begin + _FILTERED, n_iq)):
                    re = im = every(_ZERO)
                    for k in range(n_taps):
                        at = ((m - begin) * decimation + k) * LANES
                        x_re, x_im = load(record_re, at), load(record_im, at)
                        re = multiply_add(every(taps_re[k]), x_re, re)
                        im = multiply_add(every(taps_re[k]), x_im, im)
                        re = multiply_add(every(-taps_im[k]), x_im, re)
                        im = multiply_add(every(taps_im[k]), x_re, im)
                    row = (m * n_rows + element) * 2 * lanes + first
                    _store_turned(flat, row, lanes, n_written, re, im, turn[0, m], turn[1, m])


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
