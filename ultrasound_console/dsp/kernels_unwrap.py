# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled choice of the folds that votes and costs together speak for.

See :mod:`.kernels_regions` for votes and :mod:`.kernels_costs` for costs.
:mod:`.unwrap` says what the steps are for and puts them in order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kernels_costs import N_FOLDS
from .kernels_regions import MAX_FOLD, MAX_STEP, Bool, Float32, Int32
from .lanes_numba import kernel

_IMPOSSIBLE = np.float32(1e6)
# The odds that a fold is right, from simulated vessels of many kinds.
_LEAD_FLOOR = np.float32(0.1)
_ODDS_AT_NONE = np.float32(0.7)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


@kernel
def number_roots(root: Int32, number: Int32) -> int:
    """Give components the numbers 0 ... n - 1 in the order of their roots; return n."""
    n = 0
    for r in range(root.size):
        if root[r] == r:
            number[r] = n
            n += 1
    for r in range(root.size):
        number[r] = number[root[r]]
    return n


@kernel
def pool(number: Int32, offset: Int32, cost: Float32, n_components: int) -> Float32:
    """Add the costs of regions up over their components.

    Parameters
    ----------
    number : (n_regions,) int32
        Component of each region.
    offset : (n_regions,) int32
        fold(region) - fold(component).
    cost : (n_regions, N_FOLDS) float32
    n_components : int

    Returns
    -------
    (n_components, N_FOLDS) float32
    """
    pooled = np.zeros((n_components, N_FOLDS), np.float32)
    for r in range(number.size):
        for f in range(N_FOLDS):
            at = f + offset[r]
            pooled[number[r], f] += cost[r, at] if 0 <= at < N_FOLDS else _IMPOSSIBLE
    return pooled


@kernel
def _lowest(cost: Float32) -> int:
    """Place of the lowest one, the first of equals."""
    at = 0
    for f in range(1, cost.size):
        if cost[f] < cost[at]:
            at = f
    return at


@kernel
def propagate(
    cost: Float32,
    pairs: Int32,
    votes: Float32,
    n_most: int,
    damping: float,
    tolerance: float,
    fold: Int32,
) -> None:
    """Choose folds that minimise cost minus votes, by passing messages between neighbours.

    Min-sum belief propagation, forwards and backwards through the pairs in turn (Felzenszwalb and
    Huttenlocher 2006).

    Parameters
    ----------
    cost : (n, N_FOLDS) float32
    pairs, votes
        As from :func:`borders`.
    n_most : int
        At most so many messages each way.
    damping : float
        Share of the old message that is kept.
    tolerance : float
        Messages that change by less end it.
    fold : (n,) int32
        Filled.
    """
    n_pairs = pairs.shape[0]
    belief = cost.copy()
    messages = np.zeros((n_pairs, 2, N_FOLDS), np.float32)
    without = np.empty(N_FOLDS, np.float32)
    new = np.empty(N_FOLDS, np.float32)
    keep = np.float32(damping)
    done = 0
    while done + n_pairs <= n_most or done == 0:
        largest_change = _ZERO
        for k in range(n_pairs):
            p = k if (done // max(1, n_pairs)) % 2 == 0 else n_pairs - 1 - k
            for end in range(2):
                sender = pairs[p, end]
                receiver = pairs[p, 1 - end]
                for f in range(N_FOLDS):
                    without[f] = belief[sender, f] - messages[p, 1 - end, f]
                    new[f] = _IMPOSSIBLE
                for f in range(N_FOLDS):
                    # fold(high) - fold(low) is the step that the votes are for.
                    if end == 0:
                        for g in range(N_FOLDS):
                            new[g] = min(new[g], without[f] - votes[p, MAX_STEP - f + g])
                    else:
                        for g in range(N_FOLDS):
                            new[g] = min(new[g], without[f] - votes[p, MAX_STEP + f - g])
                lowest = new[_lowest(new)]
                for f in range(N_FOLDS):
                    old = messages[p, end, f]
                    change = (_ONE - keep) * (new[f] - lowest - old)
                    messages[p, end, f] = old + change
                    belief[receiver, f] += change
                    largest_change = max(largest_change, abs(change))
        done += max(1, n_pairs)
        if largest_change < tolerance:
            break
    for q in range(cost.shape[0]):
        fold[q] = _lowest(belief[q]) - MAX_FOLD


@kernel
def settle(cost: Float32, pairs: Int32, votes: Float32, n_sweeps: int, fold: Int32) -> Float32:
    """Change single folds where that lowers cost minus votes, until none does.

    Parameters
    ----------
    cost : (n, N_FOLDS) float32
    pairs, votes
        As from :func:`borders`.
    n_sweeps : int
        At most so many.
    fold : (n,) int32
        In and out.

    Returns
    -------
    (n,) float32
        Lead of each item's fold over its second best, all others as they are.
    """
    n = cost.shape[0]
    first = np.zeros(n + 1, np.int32)
    for p in range(pairs.shape[0]):
        first[pairs[p, 0] + 1] += 1
        first[pairs[p, 1] + 1] += 1
    for q in range(n):
        first[q + 1] += first[q]
    filled = first[:n].copy()
    at_item = np.empty(2 * pairs.shape[0], np.int32)
    for p in range(pairs.shape[0]):
        for end in range(2):
            q = pairs[p, end]
            at_item[filled[q]] = p
            filled[q] += 1

    lead = np.empty(n, np.float32)
    local = np.empty(N_FOLDS, np.float32)
    for _ in range(n_sweeps):
        n_changed = 0
        for q in range(n):
            for f in range(N_FOLDS):
                local[f] = cost[q, f]
            for k in range(first[q], first[q + 1]):
                p = at_item[k]
                if pairs[p, 0] == q:
                    at = fold[pairs[p, 1]] + MAX_FOLD + MAX_STEP
                    for f in range(N_FOLDS):
                        local[f] -= votes[p, at - f]
                else:
                    at = MAX_STEP - MAX_FOLD - fold[pairs[p, 0]]
                    for f in range(N_FOLDS):
                        local[f] -= votes[p, at + f]
            best = _lowest(local)
            lead[q] = _lead(local)
            # A tie is no reason to change.
            if local[best] < local[fold[q] + MAX_FOLD] - np.float32(1e-6):
                n_changed += 1
                fold[q] = best - MAX_FOLD
        if n_changed == 0:
            break
    return lead


@kernel
def _lead(cost: Float32) -> float:
    """Second lowest minus lowest."""
    lowest = _IMPOSSIBLE
    second = _IMPOSSIBLE
    for f in range(cost.size):
        if cost[f] < lowest:
            second = lowest
            lowest = cost[f]
        elif cost[f] < second:
            second = cost[f]
    return float(second - lowest)


@kernel
def round_to_surroundings(
    velocity: Float32,
    weight: Float32,
    flow: Bool,
    labels: Int32,
    fold_of: Int32,
    window: Float32,
    sums: Float32,
    out: NDArray[np.int8],
) -> None:
    """Fold of each flow pixel that brings it nearest to the unfolded velocity around it.

    Parameters
    ----------
    velocity, weight : (n_depths, n_lines) float32
        The mean is taken with the square of the weight.
    flow : (n_depths, n_lines) bool
    labels : (n_depths, n_lines) int32
        Region, or -1: counts with no weight.
    fold_of : (n_regions,) int32
    window : (2 n + 1,) float32
        Weights of the mean along either axis.
    sums : (2, n_depths + 2 n, n_lines) float32
        Zeros to work in.
    out : (n_depths, n_lines) int8
        0 outside the flow.
    """
    n_rows, n_columns = velocity.shape
    half = window.size // 2
    padded = np.zeros((2, n_columns + 2 * half), np.float32)
    for i in range(n_rows):
        any_region = False
        for j in range(n_columns):
            r = labels[i, j]
            square = _ZERO
            fold = 0
            if r >= 0:
                any_region = True
                square = weight[i, j] * weight[i, j]
                fold = fold_of[r]
            padded[0, half + j] = square * (velocity[i, j] + _TWO * np.float32(fold))
            padded[1, half + j] = square
        if not any_region:
            continue
        for q in range(2):
            row = sums[q, half + i]
            for k in range(window.size):
                for j in range(n_columns):
                    row[j] += window[k] * padded[q, j + k]
    total = np.empty((2, n_columns), np.float32)
    for i in range(n_rows):
        total[:] = _ZERO
        for k in range(window.size):
            for q in range(2):
                row = sums[q, i + k]
                for j in range(n_columns):
                    total[q, j] += window[k] * row[j]
        for j in range(n_columns):
            out[i, j] = 0
            if flow[i, j] and total[1, j] > _ZERO:
                mean = total[0, j] / total[1, j]
                fold = int(np.rint(np.float32(0.5) * (mean - velocity[i, j])))
                out[i, j] = min(max(fold, -MAX_FOLD), MAX_FOLD)


@kernel
def conclude(
    labels: Int32,
    number: Int32,
    lead: Float32,
    coherence: Float32,
    flow: Bool,
    least_lead: float,
    fold: NDArray[np.int8],
    confidence: Float32,
    abstained: Bool,
) -> int:
    """Say how sure each fold is and take back those of undecided components.

    The odds of being right are taken to rise with the coherence and with the square root of the
    lead of the component's fold over the second best.

    Parameters
    ----------
    labels : (n_depths, n_lines) int32
    number : (n_regions,) int32
        Component of each region.
    lead : (n_components,) float32
    coherence : (n_depths, n_lines) float32
    flow : (n_depths, n_lines) bool
    least_lead : float
        Components with a smaller lead are undecided.
    fold, confidence, abstained : (n_depths, n_lines)
        Changed in place.

    Returns
    -------
    int
        Components left alone that have a fold other than 0 somewhere.
    """
    n_rows, n_columns = labels.shape
    folded = np.zeros(lead.size, np.bool_)
    for i in range(n_rows):
        for j in range(n_columns):
            if labels[i, j] >= 0 and fold[i, j] != 0:
                folded[number[labels[i, j]]] = True
    n_undecided = 0
    root_lead = np.empty(lead.size, np.float32)
    for q in range(lead.size):
        folded[q] = folded[q] and lead[q] < least_lead
        n_undecided += folded[q]
        root_lead[q] = np.sqrt(max(lead[q], _ZERO) + _LEAD_FLOOR)
    for i in range(n_rows):
        for j in range(n_columns):
            if not flow[i, j]:
                continue
            odds = np.sqrt(_LEAD_FLOOR)
            if labels[i, j] >= 0:
                q = number[labels[i, j]]
                odds = root_lead[q]
                if folded[q]:
                    abstained[i, j] = True
                    fold[i, j] = 0
            odds *= np.exp(_TWO * coherence[i, j] - _ODDS_AT_NONE)
            confidence[i, j] = odds / (_ONE + odds)
    return n_undecided
