"""Compiled kernels of the image-level generator."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)


def _kernel(function: _Kernel) -> _Kernel:
    """Compile; no value here is ever NaN or infinite."""
    return cast(_Kernel, njit(cache=True, nogil=True, error_model="numpy", fastmath=True)(function))


@_kernel
def nearest(
    curve_row: Float32,
    curve_line: Float32,
    aspect: float,
    margin: int,
    step: int,
    away: Float32,
    at: Float32,
) -> None:
    """Signed distance, in rows, and position along a polyline, for every ``step``-th pixel.

    ``aspect`` is the length of a line step in row steps; the planes begin at row and line
    ``-margin``.
    """
    n_rows, n_lines = away.shape
    n = curve_row.size
    for i in range(n_rows):
        row = np.float32(i * step - margin)
        for j in range(n_lines):
            line = np.float32((j * step - margin) * aspect)
            least = np.float32(1e30)
            best = 0
            for k in range(n):
                dr = curve_row[k] - row
                dl = curve_line[k] - line
                square = dr * dr + dl * dl
                if square < least:
                    least = square
                    best = k
            least = np.float32(1e30)
            for k in range(max(best - 1, 0), min(best + 1, n - 1)):
                er = curve_row[k + 1] - curve_row[k]
                el = curve_line[k + 1] - curve_line[k]
                dr = row - curve_row[k]
                dl = line - curve_line[k]
                part = (dr * er + dl * el) / (er * er + el * el)
                part = min(max(part, np.float32(0.0)), _ONE)
                square = (dr - part * er) ** 2 + (dl - part * el) ** 2
                if square < least:
                    least = square
                    at[i, j] = k + part
                    side = el * dr - er * dl
                    away[i, j] = math.copysign(math.sqrt(square), side)


@_kernel
def _speed_at(flow: Float32, margin: int, row: float, line: float) -> tuple[np.float32, np.float32]:
    """Bilinear sample of both components of (2, rows, lines)."""
    r = min(max(row + margin, 0.0), flow.shape[1] - 1.001)
    c = min(max(line + margin, 0.0), flow.shape[2] - 1.001)
    i, j = int(r), int(c)
    a = np.float32(r - i)
    b = np.float32(c - j)
    upper_row = flow[0, i, j] * (_ONE - b) + flow[0, i, j + 1] * b
    lower_row = flow[0, i + 1, j] * (_ONE - b) + flow[0, i + 1, j + 1] * b
    upper_line = flow[1, i, j] * (_ONE - b) + flow[1, i, j + 1] * b
    lower_line = flow[1, i + 1, j] * (_ONE - b) + flow[1, i + 1, j + 1] * b
    return upper_row * (_ONE - a) + lower_row * a, upper_line * (_ONE - a) + lower_line * a


@_kernel
def splat(
    rows: Float64,
    lines: Float64,
    amplitude: Float32,
    haste: Float32,
    flow: Float32,
    margin: int,
    spread: Float64,
    turn: Float64,
    reach: NDArray[np.int64],
    out: Float32,
) -> None:
    """Move scatterers with the flow and add their echoes to every pulse.

    Parameters
    ----------
    rows, lines : (n,)
        Places in the middle of the ensemble.
    amplitude : (2, n)
        Real and imaginary part.
    haste : (n,)
        Speed relative to the flow.
    flow : (2, rows, lines)
        Rows and lines per pulse, with a margin around the picture.
    spread : (3,)
        a, b, c of the echo's envelope exp(-(a dr^2 + 2 b dr dl + c dl^2) / 2).
    turn : (2,)
        Phase in radians per row and line that an echo loses with the place of its scatterer.
    reach : (2,)
        Rows and lines to which an echo reaches.
    out : (n_pulses, 2, n_rows, n_lines)
    """
    n_pulses, _, n_rows, n_lines = out.shape
    a, b, c = spread
    reach_row, reach_line = reach
    step_ratio = np.float32(math.exp(-c))
    middle = 0.5 * (n_pulses - 1)
    for s in range(rows.size):
        for direction in range(2):
            sign = 1.0 - 2.0 * direction
            row, line = rows[s], lines[s]
            # Pulses after the middle, then those before it.
            first = math.ceil(middle) - direction
            pulse = first
            step = (first - middle) * sign
            while 0 <= pulse < n_pulses:
                if step > 0.0:
                    vr, vl = _speed_at(flow, margin, row, line)
                    scale = 0.5 * sign * step * haste[s]
                    vr, vl = _speed_at(flow, margin, row + scale * vr, line + scale * vl)
                    row += 2.0 * scale * vr
                    line += 2.0 * scale * vl
                step = 1.0
                i0 = math.floor(row + 0.5) - reach_row
                j0 = math.floor(line + 0.5) - reach_line
                i_from, i_to = max(i0, 0), min(i0 + 2 * reach_row + 1, n_rows)
                j_from, j_to = max(j0, 0), min(j0 + 2 * reach_line + 1, n_lines)
                if i_from < i_to and j_from < j_to:
                    phase = -(turn[0] * row + turn[1] * line)
                    cosine, sine = np.float32(math.cos(phase)), np.float32(math.sin(phase))
                    re = amplitude[0, s] * cosine - amplitude[1, s] * sine
                    im = amplitude[0, s] * sine + amplitude[1, s] * cosine
                    dl = j_from - line
                    for i in range(i_from, i_to):
                        dr = i - row
                        value = np.float32(
                            math.exp(
                                np.float32(-0.5 * (a * dr * dr + 2.0 * b * dr * dl + c * dl * dl))
                            )
                        )
                        ratio = np.float32(math.exp(np.float32(-(b * dr + c * dl + 0.5 * c))))
                        for j in range(j_from, j_to):
                            out[pulse, 0, i, j] += value * re
                            out[pulse, 1, i, j] += value * im
                            value *= ratio
                            ratio *= step_ratio
                pulse += 1 if direction == 0 else -1


@_kernel
def add_tissue(
    still: NDArray[np.complex64],
    drift: NDArray[np.complex64],
    turn: Float32,
    faster: float,
    out: Float32,
) -> None:
    """Add echoes that turn by ``turn`` radians per pulse, times 1 + faster (k - middle).

    ``drift`` is what the speckle gains per pulse while it decorrelates.
    """
    n_pulses, _, n_rows, n_lines = out.shape
    middle = 0.5 * (n_pulses - 1)
    for i in range(n_rows):
        for k in range(n_pulses):
            at = np.float32(k - middle)
            angle = at * np.float32(1.0 + 0.5 * faster * at)
            for j in range(n_lines):
                phase = turn[i, j] * angle
                cosine, sine = math.cos(phase), math.sin(phase)
                re = still[i, j].real + drift[i, j].real * at
                im = still[i, j].imag + drift[i, j].imag * at
                out[k, 0, i, j] += re * cosine - im * sine
                out[k, 1, i, j] += re * sine + im * cosine


@_kernel
def add_noise(
    white: Float32, row_window: Float32, line_window: Float32, level: Float32, out: Float32
) -> None:
    """Add noise of a correlation: ``white`` has half a window more on every side."""
    n_pulses, _, n_rows, n_lines = out.shape
    wide = white.shape[3]
    mixed = np.empty(wide, np.float32)
    for k in range(n_pulses):
        for part in range(2):
            for i in range(n_rows):
                mixed[:] = np.float32(0.0)
                for q in range(row_window.size):
                    weight = row_window[q] * level[i]
                    for j in range(wide):
                        mixed[j] += weight * white[k, part, i + q, j]
                for q in range(line_window.size):
                    weight = line_window[q]
                    for j in range(n_lines):
                        out[k, part, i, j] += weight * mixed[j + q]


@_kernel
def to_ensemble(planes: Float32, row_turn: float, line_turn: float, out: Float32) -> None:
    """Bring (n_pulses, 2, rows, lines) into the ensemble layout, with the grid's own phase."""
    n_pulses, _, n_rows, n_lines = planes.shape
    for i in range(n_rows):
        for j in range(n_lines):
            phase = row_turn * i + line_turn * j
            cosine, sine = np.float32(math.cos(phase)), np.float32(math.sin(phase))
            for k in range(n_pulses):
                re, im = planes[k, 0, i, j], planes[k, 1, i, j]
                out[i, j, 0, k] = re * cosine - im * sine
                out[i, j, 1, k] = re * sine + im * cosine
