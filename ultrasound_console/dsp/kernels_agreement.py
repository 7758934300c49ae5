# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled loops of :mod:`.agreement`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import N_FOLDS
from .lanes_numba import reordered

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

N_LANES = 8
LUMEN = N_FOLDS
"""Place of the probability of blood, behind those of the folds."""
SIDE = 2
"""Pixels of a cell along either axis."""
N_BINS = 32
"""Velocities from -8.5 v_N in steps of half a v_N: four from one fold to the next."""
_PER_FOLD = 4

_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
# Bin of -v_N in fold -3: as many below it as the votes are spread.
_FIRST = np.float32(5.0)
_LAST = 6
_LOWEST = 3  # what ran over from the cell before lies below it
# What is left to a fold that nobody near speaks for, and to one the network excludes.
_LEAST_VOTE = np.float32(4e-4)
_LEAST = np.float32(1e-4)
_LEAST_WEIGHT = np.float32(0.02)
# Coherence below which regions do not count, and the inverse of the range to where only they do.
_NO_TRUST, _TRUST_SLOPE = np.float32(0.3), np.float32(1.0 / 0.3)
# Votes in a cell, of four that it could have, below which there is no flow around.
_LONELY = np.float32(0.6)


@reordered
def trust(coherence: np.float32) -> np.float32:
    """Share of a pixel's vote that goes by its region: all of it from where phase is no chance."""
    return min(max((coherence - _NO_TRUST) * _TRUST_SLOPE, _ZERO), _ONE)


@reordered
def vote(
    velocity: Float32,
    coherence: Float32,
    flow: Bool,
    posterior: Float32,
    labels: Int32,
    fold_of: Int32,
    window: Float32,
    spread: Float32,
    cells: Float32,
    mixed: Float32,
    busy: Bool,
) -> None:
    """Histogram of the velocity in each cell, smoothed over velocity and along the lines.

    The more coherent a pixel, the more of its vote goes to the fold of its region.

    Parameters
    ----------
    velocity, coherence : (n_depths, n_lines) float32
    flow : (n_depths, n_lines) bool
        Pixels that vote.
    posterior : (n_depths, n_lines, 8) float32
    labels : (n_depths, n_lines) int32
        Region of each pixel, or -1.
    fold_of : (n_regions,) int32
        Fold of each region by continuity; beyond -3 ... 3 where none stands out.
    window : (2 n + 1,) float32
        Over cells.
    spread : (2 m + 1,) float32
        Over bins; m is 3 at most.
    cells : (2, n_cell_lines + 1, N_BINS) float32
        To work in; one more cell for what runs over.
    mixed : (n_cell_rows, n_cell_lines, N_BINS) float32
        Result.
    busy : (n_cell_rows,) bool
        Whether anything in a row of cells voted; the result is made only there.
    """
    n_rows, n_columns = velocity.shape
    n_cell_rows = mixed.shape[0]
    half, reach = window.size // 2, spread.size // 2
    # Flat arrays: a row of one taken in the innermost loop would be counted as a reference.
    raw, blurred, chances = cells[0].reshape(-1), cells[1].reshape(-1), posterior.reshape(-1)
    for row in range(n_cell_rows):
        busy[row] = False
        for i in range(SIDE * row, min(n_rows, SIDE * row + SIDE)):
            for j in range(n_columns):
                if flow[i, j]:
                    if not busy[row]:
                        busy[row] = True
                        raw[:] = _ZERO
                    place = _TWO * velocity[i, j] + _FIRST
                    floor = min(int(place), _LAST)
                    at = N_LANES * (i * n_columns + j)
                    part = place - np.float32(floor)
                    first = N_BINS * (j // SIDE) + floor
                    weight = coherence[i, j] + _LEAST_WEIGHT
                    n = fold_of[labels[i, j]] + N_FOLDS // 2 if labels[i, j] >= 0 else -1
                    if 0 <= n < N_FOLDS:
                        by_region = weight * trust(coherence[i, j])
                        weight -= by_region
                        raw[first + _PER_FOLD * n] += by_region * (_ONE - part)
                        raw[first + _PER_FOLD * n + 1] += by_region * part
                    weight *= chances[at + LUMEN]
                    upper_weight = weight * part
                    lower_weight = weight - upper_weight
                    for n in range(N_FOLDS):
                        chance = chances[at + n]
                        raw[first + _PER_FOLD * n] += lower_weight * chance
                        raw[first + _PER_FOLD * n + 1] += upper_weight * chance
        if not busy[row]:
            continue
        # What runs over from one cell to the next falls into bins that nobody reads.
        # Slices, because an index that may be negative keeps a loop from registers.
        for b in range(raw.size):
            blurred[b] = spread[reach] * raw[b]
        for k in range(1, reach + 1):
            above, below = spread[reach + k], spread[reach - k]
            upper, lower, middle = raw[2 * k :], raw, blurred[k:]
            for b in range(upper.size):
                middle[b] += above * upper[b] + below * lower[b]
        target = mixed[row].reshape(-1)
        target[:] = _ZERO
        for shift in range(-half, half + 1):
            share = window[shift + half]
            taken = blurred[N_BINS * max(0, shift) :]
            given = target[N_BINS * max(0, -shift) :]
            for b in range(min(taken.size, given.size)):
                given[b] += share * taken[b]


@reordered
def decide(
    velocity: Float32,
    flow: Bool,
    posterior: Float32,
    window: Float32,
    mixed: Float32,
    busy: Bool,
    least_confidence: float,
    least_odds: float,
    least_lumen: float,
    total: Float32,
    fold: NDArray[np.int8],
    confidence: Float32,
    abstained: Bool,
    bloodless: Bool,
) -> None:
    """Weigh the folds of each flow pixel with the votes around it; take the likeliest, if any.

    Parameters
    ----------
    velocity : (n_depths, n_lines) float32
    flow : (n_depths, n_lines) bool
    posterior : (n_depths, n_lines, 8) float32
    window : (2 n + 1,) float32
        Over cells.
    mixed, busy
        From :func:`vote`.
    least_confidence, least_lumen : float
        A pixel with less than either is left as measured.
    least_odds : float
        So is one whose fold is not so many times as likely as none.
    total : (n_cell_lines, N_BINS) float32
        To work in.
    fold, confidence, abstained, bloodless : (n_depths, n_lines)
        Zeros; the results go where there is flow.
    """
    n_rows, n_columns = velocity.shape
    n_cell_rows = mixed.shape[0]
    half = window.size // 2
    votes, chances = total.reshape(-1), posterior.reshape(-1)
    heard = np.empty(total.shape[0], np.float32)
    for row in range(n_cell_rows):
        if not busy[row]:
            continue
        votes[:] = _ZERO
        for q in range(max(0, row - half), min(n_cell_rows, row + half + 1)):
            if busy[q]:
                share = window[q - row + half]
                source = mixed[q].reshape(-1)
                for k in range(votes.size):
                    votes[k] += share * source[k]
        for cell in range(heard.size):
            heard[cell] = _ZERO
            for b in range(_LOWEST, N_BINS):
                heard[cell] += total[cell, b]
        for i in range(SIDE * row, min(n_rows, SIDE * row + SIDE)):
            for j in range(n_columns):
                if not flow[i, j]:
                    continue
                is_lonely = heard[j // SIDE] < _LONELY
                place = _TWO * velocity[i, j] + _FIRST
                lower = min(int(place), _LAST)
                part = place - np.float32(lower)
                at, first = N_LANES * (i * n_columns + j), N_BINS * (j // SIDE) + lower
                best, most, everything, unchanged = 0, _ZERO, _ZERO, _ZERO
                for n in range(N_FOLDS):
                    b = first + _PER_FOLD * n
                    near = votes[b] * (_ONE - part) + votes[b + 1] * part + _LEAST_VOTE
                    root = np.sqrt((chances[at + n] + _LEAST) * near * near)
                    # To the power of 3/8: neighbours are not independent witnesses.
                    tempered = np.sqrt(root) * np.sqrt(np.sqrt(root))
                    everything += tempered
                    if n == N_FOLDS // 2:
                        unchanged = tempered
                    if tempered > most:
                        best, most = n, tempered
                confidence[i, j] = most / everything
                looks_other = is_lonely and chances[at + LUMEN] < least_lumen
                is_close = best != N_FOLDS // 2 and most < np.float32(least_odds) * unchanged
                if looks_other or is_close or confidence[i, j] < least_confidence:
                    abstained[i, j] = True
                    bloodless[i, j] = looks_other
                else:
                    fold[i, j] = best - N_FOLDS // 2
