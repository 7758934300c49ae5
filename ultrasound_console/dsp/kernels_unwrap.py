"""Compiled steps of the de-aliasing: single-threaded, without the interpreter lock.

:mod:`.unwrap` says what they are for and puts them in order. Everywhere a *vote* is evidence for
a fold difference between two neighbours, counted in pixels of common border, and a *cost* is
evidence against a fold, in the same unit.
"""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

MAX_FOLD = 4
N_FOLDS = 2 * MAX_FOLD + 1
# Fold differences between two neighbours, -2 MAX_FOLD ... 2 MAX_FOLD.
_MAX_STEP = 2 * MAX_FOLD
N_STEPS = 2 * _MAX_STEP + 1
_SECTORS = 4
_IMPOSSIBLE = np.float32(1e6)
_UNKNOWN = np.float32(-1.0)
# The odds that a fold is right, from simulated vessels of many kinds.
_LEAD_FLOOR = np.float32(0.1)
_ODDS_AT_NONE = np.float32(0.7)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


def _kernel(function: _Kernel) -> _Kernel:
    compile_ = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
    return cast(_Kernel, compile_(function))


@_kernel
def _root_of(parent: Int32, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_kernel
def label(velocity: Float32, mask: Bool, tile: int, labels: Int32) -> int:
    """Number the 4-connected patches of one tile whose velocity is in one quarter of [-1, 1).

    Parameters
    ----------
    velocity : (n_depths, n_lines) float32
    mask : (n_depths, n_lines) bool
    tile : int
        Patches end at the borders of tiles of this many pixels a side.
    labels : (n_depths, n_lines) int32
        Filled with 0 ... n - 1, and -1 outside the mask.

    Returns
    -------
    int
        n.
    """
    n_rows, n_columns = mask.shape
    parent = np.empty(n_rows * n_columns, np.int32)
    sectors = np.empty((n_rows, n_columns), np.int8)
    n = 0
    for i in range(n_rows):
        for j in range(n_columns):
            if not mask[i, j]:
                labels[i, j] = -1
                sectors[i, j] = -1
                continue
            sector = int((velocity[i, j] + _ONE) * np.float32(0.5 * _SECTORS))
            sector = min(max(sector, 0), _SECTORS - 1)
            sectors[i, j] = sector
            up = labels[i - 1, j] if i % tile and sectors[i - 1, j] == sector else -1
            left = labels[i, j - 1] if j % tile and sectors[i, j - 1] == sector else -1
            if up < 0 and left < 0:
                parent[n] = n
                labels[i, j] = n
                n += 1
            elif up < 0 or left < 0 or up == left:
                labels[i, j] = max(up, left)
            else:
                up = _root_of(parent, up)
                left = _root_of(parent, left)
                labels[i, j] = min(up, left)
                parent[max(up, left)] = min(up, left)
    numbers = np.empty(n, np.int32)
    n_patches = 0
    for k in range(n):
        root = _root_of(parent, k)
        # A root is the lowest of its patch, so its number is already known.
        if root == k:
            numbers[k] = n_patches
            n_patches += 1
        else:
            numbers[k] = numbers[root]
    for i in range(n_rows):
        for j in range(n_columns):
            if labels[i, j] >= 0:
                labels[i, j] = numbers[labels[i, j]]
    return n_patches


@_kernel
def drop_tiny(labels: Int32, n: int, tiny: int) -> int:
    """Take patches below a size out and number the others again; return how many are left."""
    flat = labels.reshape(-1)
    size = np.zeros(n, np.int32)
    for k in range(flat.size):
        if flat[k] >= 0:
            size[flat[k]] += 1
    numbers = np.empty(n, np.int32)
    n_left = 0
    for r in range(n):
        numbers[r] = -1
        if size[r] >= tiny:
            numbers[r] = n_left
            n_left += 1
    for k in range(flat.size):
        if flat[k] >= 0:
            flat[k] = numbers[flat[k]]
    return n_left


@_kernel
def enclosed(labels: Int32, n: int, largest: int, out: Bool) -> None:
    """Mark patches of at most ``largest`` pixels that do not touch the picture's edge."""
    n_rows, n_columns = labels.shape
    size = np.zeros(n, np.int32)
    for i in range(n_rows):
        for j in range(n_columns):
            k = labels[i, j]
            if k >= 0:
                at_edge = i == 0 or j == 0 or i == n_rows - 1 or j == n_columns - 1
                size[k] += largest + 1 if at_edge and size[k] <= largest else 1
    for i in range(n_rows):
        for j in range(n_columns):
            k = labels[i, j]
            out[i, j] = k >= 0 and size[k] <= largest


@_kernel
def _slot_of(keys: NDArray[np.int64], key: int) -> int:
    """Where a key is, or would go, in an open hash table (-1: empty, size a power of two)."""
    last = keys.size - 1
    mixed = key * np.int64(-7046029254386353131)
    slot = (mixed ^ (mixed >> 32)) & last
    while keys[slot] != -1 and keys[slot] != key:
        slot = (slot + 1) & last
    return slot


@_kernel
def _empty_table(n: int) -> NDArray[np.int64]:
    size = 16
    while size < 2 * n:
        size *= 2
    return np.full(size, -1, np.int64)


@_kernel
def borders(
    velocity: Float32, weight: Float32, labels: Int32, n_regions: int
) -> tuple[Int32, Float32, Float32]:
    """Collect the votes of all pixel pairs along the border of every two regions.

    Returns
    -------
    pairs : (n_pairs, 2) int32
        Regions a < b.
    votes : (n_pairs, N_STEPS) float32
        Evidence for fold(b) - fold(a) = -2 MAX_FOLD ... 2 MAX_FOLD: for the step that brings two
        pixels closest, their weights times one minus the squared velocity step that remains.
    lengths : (n_pairs,) float32
        Pixel pairs along the border.
    """
    n_rows, n_columns = labels.shape
    n = 0
    for i in range(n_rows):
        for j in range(n_columns):
            a = labels[i, j]
            if a >= 0:
                if j + 1 < n_columns and labels[i, j + 1] >= 0 and labels[i, j + 1] != a:
                    n += 1
                if i + 1 < n_rows and labels[i + 1, j] >= 0 and labels[i + 1, j] != a:
                    n += 1
    keys = _empty_table(n)
    places = np.empty(keys.size, np.int32)
    pairs = np.empty((n, 2), np.int32)
    votes = np.zeros((n, N_STEPS), np.float32)
    lengths = np.zeros(n, np.float32)
    n_pairs = 0
    for i in range(n_rows):
        for j in range(n_columns):
            a = labels[i, j]
            if a < 0:
                continue
            for down in range(2):
                y = i + down
                x = j + 1 - down
                if y >= n_rows or x >= n_columns:
                    continue
                b = labels[y, x]
                if b < 0 or b == a:
                    continue
                difference = velocity[y, x] - velocity[i, j]
                step = 0
                if difference > _ONE:
                    step = -1
                elif difference < -_ONE:
                    step = 1
                rest = difference + _TWO * np.float32(step)
                low, high = a, b
                if a > b:
                    low, high, step = b, a, -step
                key = np.int64(low) * n_regions + high
                slot = _slot_of(keys, key)
                if keys[slot] == -1:
                    keys[slot] = key
                    places[slot] = n_pairs
                    pairs[n_pairs, 0] = low
                    pairs[n_pairs, 1] = high
                    n_pairs += 1
                p = places[slot]
                votes[p, step + _MAX_STEP] += (
                    weight[i, j] * weight[y, x] * max(_ZERO, _ONE - rest * rest)
                )
                lengths[p] += _ONE
    return pairs[:n_pairs], votes[:n_pairs], lengths[:n_pairs]


@_kernel
def merge(
    size: Int32,
    pairs: Int32,
    votes: Float32,
    lengths: Float32,
    clear: float,
    share: float,
    tiny: int,
) -> tuple[Int32, Int32, int]:
    """Join regions into components, the clearest borders first.

    In every round each region proposes the neighbour to which its border is clearest; the two are
    joined unless that neighbour has one much clearer. The votes along the borders of what was
    joined are then added up, so that later decisions rest on longer borders.

    Parameters
    ----------
    size : (n_regions,) int32
        Pixels; changed in place.
    pairs, votes, lengths
        From :func:`borders`; changed in place, the first ``n_left`` remain between components.
    clear : float
        Lead of the best step over the second that a border needs, per pixel of its length.
    share : float
        Of the neighbour's clearest lead that a proposal needs.
    tiny : int
        Regions below this size are joined whatever their lead.

    Returns
    -------
    root : (n_regions,) int32
        One region of each component that stands for it.
    offset : (n_regions,) int32
        fold(region) - fold(root).
    n_left : int
        Pairs that remain; they name roots.
    """
    n_regions = size.size
    n_left = pairs.shape[0]
    root = np.empty(n_regions, np.int32)
    for r in range(n_regions):
        root[r] = r
    offset = np.zeros(n_regions, np.int32)
    lowest = np.zeros(n_regions, np.int32)
    highest = np.zeros(n_regions, np.int32)
    clearest = np.empty(n_regions, np.float32)
    chosen = np.empty(n_regions, np.int32)
    lead = np.empty(n_left, np.float32)
    step = np.empty(n_left, np.int32)
    lead[:] = _UNKNOWN
    while n_left:
        clearest[:] = _ZERO
        chosen[:] = -1
        for p in range(n_left):
            if lead[p] == _UNKNOWN:
                best = 0
                second = _ZERO
                for s in range(1, N_STEPS):
                    if votes[p, s] > votes[p, best]:
                        second = votes[p, best]
                        best = s
                    elif votes[p, s] > second:
                        second = votes[p, s]
                step[p] = best - _MAX_STEP
                lead[p] = votes[p, best] - second
            a = pairs[p, 0]
            b = pairs[p, 1]
            is_clear = lead[p] > clear * lengths[p] or min(size[a], size[b]) < tiny
            if is_clear and _fits(lowest, highest, a, b, step[p]):
                if lead[p] > clearest[a]:
                    clearest[a] = lead[p]
                    chosen[a] = p
                if lead[p] > clearest[b]:
                    clearest[b] = lead[p]
                    chosen[b] = p
        n_joined = 0
        for r in range(n_regions):
            p = chosen[r]
            if p < 0:
                continue
            a = pairs[p, 0]
            b = pairs[p, 1]
            if lead[p] < share * clearest[b if r == a else a]:
                continue
            shift = step[p]
            while root[a] != a:
                shift += offset[a]
                a = root[a]
            while root[b] != b:
                shift -= offset[b]
                b = root[b]
            # Now fold(b) = fold(a) + shift for the two roots.
            if a == b or not _fits(lowest, highest, a, b, shift):
                continue
            if size[a] < size[b]:
                a, b, shift = b, a, -shift
            root[b] = a
            offset[b] = shift
            lowest[a] = min(lowest[a], lowest[b] + shift)
            highest[a] = max(highest[a], highest[b] + shift)
            size[a] += size[b]
            n_joined += 1
        if n_joined == 0:
            break
        for r in range(n_regions):
            a = r
            shift = 0
            while root[a] != a:
                shift += offset[a]
                a = root[a]
            root[r] = a
            offset[r] = shift
        n_left = _gather(root, offset, pairs, votes, lengths, lead, step, n_left)
    return root, offset, n_left


@_kernel
def _fits(lowest: Int32, highest: Int32, a: int, b: int, shift: int) -> bool:
    """Whether a component of both, with fold(b) = fold(a) + shift, spans few enough folds."""
    low = min(lowest[a], lowest[b] + shift)
    high = max(highest[a], highest[b] + shift)
    return high - low <= 2 * MAX_FOLD


@_kernel
def _gather(
    root: Int32,
    offset: Int32,
    pairs: Int32,
    votes: Float32,
    lengths: Float32,
    lead: Float32,
    step: Int32,
    n_pairs: int,
) -> int:
    """Rewrite pairs in terms of roots and add up those that became the same, in place."""
    n_regions = root.size
    moved = np.empty(N_STEPS, np.float32)
    keys = _empty_table(n_pairs)
    places = np.empty(keys.size, np.int32)
    n_left = 0
    for p in range(n_pairs):
        a = root[pairs[p, 0]]
        b = root[pairs[p, 1]]
        if a == b:
            continue
        # fold(root b) - fold(root a) = step + shift
        shift = offset[pairs[p, 0]] - offset[pairs[p, 1]]
        sign = 1
        if a > b:
            a, b, sign = b, a, -1
        moved[:] = _ZERO
        for s in range(N_STEPS):
            to = sign * (s - _MAX_STEP + shift) + _MAX_STEP
            if 0 <= to < N_STEPS:
                moved[to] = votes[p, s]
        length = lengths[p]
        key = np.int64(a) * n_regions + b
        slot = _slot_of(keys, key)
        if keys[slot] == -1:
            keys[slot] = key
            places[slot] = n_left
            pairs[n_left, 0] = a
            pairs[n_left, 1] = b
            votes[n_left] = moved
            lengths[n_left] = length
            step[n_left] = sign * (step[p] + shift)
            lead[n_left] = lead[p] if abs(step[n_left]) <= _MAX_STEP else _UNKNOWN
            n_left += 1
        else:
            to = places[slot]
            votes[to] += moved
            lengths[to] += length
            lead[to] = _UNKNOWN
    return n_left


@_kernel
def wall_samples(
    velocity: Float32, weight: Float32, flow: Bool, hole: Bool, reach: tuple[int, int]
) -> tuple[Int32, Float32, Float32]:
    """Find the pixels along the walls and look from each into the lumen.

    Parameters
    ----------
    velocity, weight : (n_depths, n_lines) float32
    flow, hole : (n_depths, n_lines) bool
        Support, and pixels that are neither flow nor wall.
    reach : (axial, lateral)
        Pixels to look inwards.

    Returns
    -------
    pixels : (n,) int32
        Flat indices; a pixel in a corner comes more than once.
    at_wall : (n,) float32
        Velocity half as far outwards as was looked inwards, going on as it changes inside.
    weights : (n,) float32
    """
    n_rows, n_columns = flow.shape
    n_most = 0
    for i in range(n_rows):
        for j in range(n_columns - 1):
            n_most += flow[i, j] != flow[i, j + 1]
    for i in range(n_rows - 1):
        for j in range(n_columns):
            n_most += flow[i, j] != flow[i + 1, j]
    pixels = np.empty(n_most, np.int32)
    at_wall = np.empty(n_most, np.float32)
    weights = np.empty(n_most, np.float32)
    n = 0
    for i in range(n_rows):
        for j in range(n_columns):
            if not flow[i, j]:
                continue
            for direction in range(4):
                down = (1, -1, 0, 0)[direction]
                right = (0, 0, 1, -1)[direction]
                y, x = i - down, j - right
                if y < 0 or y >= n_rows or x < 0 or x >= n_columns or flow[y, x] or hole[y, x]:
                    continue
                here = velocity[i, j]
                change = _ZERO
                y, x = i, j
                for _ in range(reach[direction // 2]):
                    y += down
                    x += right
                    if y < 0 or y >= n_rows or x < 0 or x >= n_columns or not flow[y, x]:
                        break
                    difference = velocity[y, x] - here
                    if difference > _ONE:
                        difference -= _TWO
                    elif difference < -_ONE:
                        difference += _TWO
                    change += difference
                    here = velocity[y, x]
                pixels[n] = i * n_columns + j
                at_wall[n] = velocity[i, j] - np.float32(0.5) * change
                weights[n] = weight[i, j] * weight[i, j]
                n += 1
    return pixels[:n], at_wall[:n], weights[:n]


@_kernel
def wall_costs(
    labels: Int32,
    root: Int32,
    offset: Int32,
    pixels: Int32,
    at_wall: Float32,
    weights: Float32,
    strength: float,
    beyond: float,
    trust_from: float,
    trust_to: float,
    cost: Float32,
) -> Float32:
    """Add, for every region and fold, what its walls hold against it.

    A pixel at a wall costs its absolute velocity up to v_N, and ``beyond`` times what exceeds
    that. Components whose walls do not agree on one fold follow no no-slip (a solid that turns,
    a border that is no wall) and count less: not at all where the largest agreeing share is
    ``trust_from`` or lower, in full from ``trust_to`` on.

    Returns
    -------
    trust : (n_regions,) float32
        Of each root's component.
    """
    n_regions = root.size
    flat = labels.reshape(-1)
    shares = np.zeros((n_regions, 2 * N_STEPS), np.float32)
    for k in range(pixels.size):
        r = flat[pixels[k]]
        if r < 0:
            continue
        bin_ = int(np.rint(np.float32(0.5) * at_wall[k])) + offset[r] + N_STEPS
        shares[root[r], min(max(bin_, 0), 2 * N_STEPS - 1)] += weights[k]
    trust = np.ones(n_regions, np.float32)
    for r in range(n_regions):
        total = shares[r].sum()
        if total > _ZERO:
            agreed = (shares[r].max() / total - trust_from) / (trust_to - trust_from)
            trust[r] = min(max(agreed, _ZERO), _ONE)
    for k in range(pixels.size):
        r = flat[pixels[k]]
        if r < 0:
            continue
        factor = np.float32(strength) * weights[k] * trust[root[r]]
        for f in range(N_FOLDS):
            speed = abs(at_wall[k] + _TWO * np.float32(f - MAX_FOLD))
            over = max(_ZERO, speed - _ONE)
            cost[r, f] += factor * (min(speed, _ONE) + np.float32(beyond) * over)
    return trust


@_kernel
def area_costs(
    velocity: Float32,
    weight: Float32,
    labels: Int32,
    previous: Float32,
    energy: float,
    memory: float,
    cost: Float32,
) -> None:
    """Add, for every region and fold, its speed and its distance from the previous frame.

    ``previous`` is NaN where it says nothing.
    """
    n_rows, n_columns = labels.shape
    for i in range(n_rows):
        for j in range(n_columns):
            r = labels[i, j]
            if r < 0:
                continue
            square = weight[i, j] * weight[i, j]
            at_speed = np.float32(energy) * square
            for f in range(N_FOLDS):
                cost[r, f] += at_speed * abs(velocity[i, j] + _TWO * np.float32(f - MAX_FOLD))
            if previous[i, j] == previous[i, j]:
                at_distance = np.float32(memory) * square
                away = velocity[i, j] - previous[i, j]
                for f in range(N_FOLDS):
                    distance = away + _TWO * np.float32(f - MAX_FOLD)
                    cost[r, f] += at_distance * min(distance * distance, _ONE)


@_kernel
def number_roots(root: Int32, number: Int32) -> int:
    """Number the components 0 ... n - 1 in the order of their roots; return n."""
    n = 0
    for r in range(root.size):
        if root[r] == r:
            number[r] = n
            n += 1
    for r in range(root.size):
        number[r] = number[root[r]]
    return n


@_kernel
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


@_kernel
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
                            new[g] = min(new[g], without[f] - votes[p, _MAX_STEP - f + g])
                    else:
                        for g in range(N_FOLDS):
                            new[g] = min(new[g], without[f] - votes[p, _MAX_STEP + f - g])
                lowest = new.min()
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
        fold[q] = np.argmin(belief[q]) - MAX_FOLD


@_kernel
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
            local[:] = cost[q]
            for k in range(first[q], first[q + 1]):
                p = at_item[k]
                if pairs[p, 0] == q:
                    at = fold[pairs[p, 1]] + MAX_FOLD + _MAX_STEP
                    for f in range(N_FOLDS):
                        local[f] -= votes[p, at - f]
                else:
                    at = _MAX_STEP - MAX_FOLD - fold[pairs[p, 0]]
                    for f in range(N_FOLDS):
                        local[f] -= votes[p, at + f]
            best = np.argmin(local)
            lead[q] = _lead(local)
            # A tie is no reason to change.
            if local[best] < local[fold[q] + MAX_FOLD] - np.float32(1e-6):
                n_changed += 1
                fold[q] = best - MAX_FOLD
        if n_changed == 0:
            break
    return lead


@_kernel
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
    return second - lowest


@_kernel
def round_to_surroundings(
    velocity: Float32,
    weight: Float32,
    flow: Bool,
    labels: Int32,
    fold_of: Int32,
    window: Float32,
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
    out : (n_depths, n_lines) int8
        0 outside the flow.
    """
    n_rows, n_columns = velocity.shape
    half = window.size // 2
    sums = np.zeros((2, n_rows + 2 * half, n_columns), np.float32)
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


@_kernel
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
