# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled passes over finished planes: averaging in time, smoothing of speckle, marks of flow.

Each repeats the array code of its module, or is said in full here where it only saves temporary
arrays; the tests hold the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact, reordered
from .series import power_series

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)

# In x^2: sin(pi x / 2) / x and cos(pi x / 2) on 0 ... 1.
_SINE = power_series(lambda square: np.sin(0.5 * np.pi * np.sqrt(square)) / np.sqrt(square), 6)
_COSINE = power_series(lambda square: np.cos(0.5 * np.pi * np.sqrt(square)), 7)


# --- Averaging in time ----------------------------------------------------------------------


@reordered
def half_turn(x: np.float32) -> tuple[np.float32, np.float32]:
    """Sine and cosine of pi x / 2 for -1 ... 1."""
    a = x * x
    sine = _SINE[5]
    sine = sine * a + _SINE[4]
    sine = sine * a + _SINE[3]
    sine = sine * a + _SINE[2]
    sine = sine * a + _SINE[1]
    sine = (sine * a + _SINE[0]) * x
    cosine = _COSINE[6]
    cosine = cosine * a + _COSINE[5]
    cosine = cosine * a + _COSINE[4]
    cosine = cosine * a + _COSINE[3]
    cosine = cosine * a + _COSINE[2]
    cosine = cosine * a + _COSINE[1]
    cosine = cosine * a + _COSINE[0]
    return sine, cosine


@reordered
def blend(
    velocity: Float32,
    power: Float32,
    bandwidth: Float32,
    velocity_before: Float32,
    power_before: Float32,
    bandwidth_before: Float32,
    share: float,
    lags: Float32,
) -> None:
    """Lags of two pictures, averaged as complex numbers; ``share`` is that of the present one."""
    now, before = np.float32(share), np.float32(1.0 - share)
    v, p, w = velocity.reshape(-1), power.reshape(-1), bandwidth.reshape(-1)
    v0, p0 = velocity_before.reshape(-1), power_before.reshape(-1)
    w0 = bandwidth_before.reshape(-1)
    r0, re, im = lags[0].reshape(-1), lags[1].reshape(-1), lags[2].reshape(-1)
    for k in range(v.size):
        # Of half the angle, so that the series need not be long.
        sine, cosine = half_turn(v[k])
        sine0, cosine0 = half_turn(v0[k])
        weight, weight0 = now * p[k], before * p0[k]
        r1, r1_before = weight * (_ONE - w[k]), weight0 * (_ONE - w0[k])
        r0[k] = weight + weight0
        re[k] = r1 * (cosine * cosine - sine * sine)
        re[k] += r1_before * (cosine0 * cosine0 - sine0 * sine0)
        im[k] = _TWO * (r1 * sine * cosine + r1_before * sine0 * cosine0)


# --- Grey picture ---------------------------------------------------------------------------


@reordered
def despeckle(
    level_db: Float32,
    half_depth: int,
    half_line: int,
    sigma_db: float,
    point_from: float,
    point_to: float,
    strength: float,
    out: Float32,
) -> None:
    """Local-statistics filter in decibels; at the edges only what is inside counts."""
    n_depths, n_lines = level_db.shape
    padded = np.zeros((2, n_lines + 2 * half_line), np.float32)
    sums = np.empty((2, n_lines), np.float32)
    per_line = np.empty(n_lines, np.float32)
    for j in range(n_lines):
        inside = min(n_lines, j + half_line + 1) - max(0, j - half_line)
        per_line[j] = _ONE / np.float32(inside)
    speckle = np.float32(sigma_db * sigma_db)
    point_from_db = np.float32(point_from * sigma_db)
    per_point_db = np.float32(1.0 / (sigma_db * (point_to - point_from)))
    amount = np.float32(strength)
    for i in range(n_depths):
        low, high = max(0, i - half_depth), min(n_depths, i + half_depth + 1)
        row = padded[0, half_line : half_line + n_lines]
        square = padded[1, half_line : half_line + n_lines]
        row[:] = _ZERO
        square[:] = _ZERO
        for q in range(low, high):
            source = level_db[q]
            for j in range(n_lines):
                row[j] += source[j]
                square[j] += source[j] * source[j]
        sums[:] = _ZERO
        for k in range(2 * half_line + 1):
            shifted = padded[0, k : k + n_lines]
            shifted_square = padded[1, k : k + n_lines]
            for j in range(n_lines):
                sums[0, j] += shifted[j]
                sums[1, j] += shifted_square[j]
        per_depth = _ONE / np.float32(high - low)
        source, target = level_db[i], out[i]
        for j in range(n_lines):
            scale = per_depth * per_line[j]
            mean = sums[0, j] * scale
            variance = max(sums[1, j] * scale - mean * mean, speckle)
            above = source[j] - mean
            kept = _ONE - speckle / variance
            point = min(max((above - point_from_db) * per_point_db, _ZERO), _ONE)
            kept = max(kept, point)
            target[j] = source[j] - amount * (_ONE - kept) * above


@exact
def positive_samples(values: Float32, stride: int, out: Float32) -> int:
    """Copy every so many of the values that are above zero; return how many there are."""
    flat = values.reshape(-1)
    n = 0
    for k in range(0, flat.size, stride):
        if flat[k] > _ZERO:
            out[n] = flat[k]
            n += 1
    return n


# --- Marks of flow --------------------------------------------------------------------------


@exact
def leave_out(flow: Bool, flashing: Bool) -> tuple[int, int]:
    """Clear the flow where it flashes; return how much flow there was, and how much was cleared."""
    n_flow = 0
    n_cleared = 0
    marks, flashes = flow.reshape(-1), flashing.reshape(-1)
    for k in range(marks.size):
        n_flow += marks[k]
        n_cleared += marks[k] and flashes[k]
        marks[k] = marks[k] and not flashes[k]
    return n_flow, n_cleared


@exact
def mark_status(
    flow: Bool,
    fold: NDArray[np.int8],
    abstained: Bool,
    codes: tuple[int, int, int, int],
    status: NDArray[np.uint8],
    out: NDArray[np.int8],
) -> None:
    """Status of every pixel, and the folds that are claimed: where not abstained.

    ``codes`` are those of no flow, kept, corrected and abstained.
    """
    no_flow, kept, corrected, left_alone = codes
    marks, folds, undecided = flow.reshape(-1), fold.reshape(-1), abstained.reshape(-1)
    status_flat, out_flat = status.reshape(-1), out.reshape(-1)
    for k in range(marks.size):
        claimed = 0 if undecided[k] else folds[k]
        out_flat[k] = claimed
        code = kept if claimed == 0 else corrected
        code = left_alone if undecided[k] else code
        status_flat[k] = code if marks[k] else no_flow


@exact
def remembered(
    velocity: Float32,
    fold: NDArray[np.int8],
    status: NDArray[np.uint8],
    confidence: Float32,
    nyquist_before: np.float32,
    nyquist: np.float32,
    known: tuple[int, int],
    least_confidence: float,
    out: Float32,
) -> None:
    """Corrected velocity in the present v_N.

    NaN where the status is none of ``known``, or the confidence is lower.
    """
    v, n, s, target = velocity.reshape(-1), fold.reshape(-1), status.reshape(-1), out.reshape(-1)
    sure = confidence.reshape(-1)
    shift = _TWO * nyquist_before
    for k in range(v.size):
        is_known = (s[k] == known[0] or s[k] == known[1]) and sure[k] >= least_confidence
        corrected = (v[k] + shift * np.float32(n[k])) / nyquist
        target[k] = corrected if is_known else np.float32(np.nan)
