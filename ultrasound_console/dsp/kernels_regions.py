# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled regions of one fold: cutting the flow into them, and joining them along their borders.

A *vote* is evidence for a fold difference between two neighbours, in pixels of common border.
:mod:`.unwrap` says what the steps are for and puts them in order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import kernel

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]
# Keys and places of an open hash table: room to work in.
Table = tuple[NDArray[np.int64], Int32]

MAX_FOLD = 4
# Fold differences between two neighbours are -MAX_STEP ... MAX_STEP.
MAX_STEP = 2 * MAX_FOLD
N_STEPS = 2 * MAX_STEP + 1
_SECTORS = 4
_UNKNOWN = np.float32(-1.0)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


@kernel
def _root_of(parent: Int32, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def label(velocity: Float32, mask: Bool, tile: int, parent: Int32, labels: Int32) -> int:
    """Label the 4-connected patches of one tile whose velocity is in one quarter of [-1, 1).

    Parameters
    ----------
    velocity : (n_depths, n_lines) float32
    mask : (n_depths, n_lines) bool
    tile : int
        Patches end at the borders of tiles of this many pixels a side.
    parent : (n_depths * n_lines,) int32
        Room to work in.
    labels : (n_depths, n_lines) int32
        Filled with 0 ... n - 1, and -1 outside the mask.

    Returns
    -------
    int
        n.
    """
    n_rows, n_columns = mask.shape
    # Of this row and the one above.
    sectors = np.empty((2, n_columns), np.int8)
    n = 0
    for i in range(n_rows):
        here, above = sectors[i % 2], sectors[1 - i % 2]
        for j in range(n_columns):
            if not mask[i, j]:
                labels[i, j] = -1
                here[j] = -1
                continue
            sector = int((velocity[i, j] + _ONE) * np.float32(0.5 * _SECTORS))
            sector = min(max(sector, 0), _SECTORS - 1)
            here[j] = sector
            up = labels[i - 1, j] if i % tile and above[j] == sector else -1
            left = labels[i, j - 1] if j % tile and here[j - 1] == sector else -1
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


@kernel
def sizes(labels: Int32, out: Int32) -> None:
    """Count the pixels of each label from 0 on."""
    out[:] = 0
    flat = labels.reshape(-1)
    for k in range(flat.size):
        if flat[k] >= 0:
            out[flat[k]] += 1


@kernel
def drop_tiny(labels: Int32, n: int, tiny: int) -> int:
    """Take patches below a size out and number the others again; return how many are left."""
    flat = labels.reshape(-1)
    size = np.empty(n, np.int32)
    sizes(labels, size)
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


@kernel
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


@kernel
def _slot_of(keys: NDArray[np.int64], key: int) -> int:
    """Where a key is, or would go, in an open hash table (-1: empty, size a power of two)."""
    last = keys.size - 1
    mixed = key * np.int64(-7046029254386353131)
    slot = (mixed ^ (mixed >> 32)) & last
    while keys[slot] != -1 and keys[slot] != key:
        slot = (slot + 1) & last
    return int(slot)


@kernel
def border_length(labels: Int32) -> int:
    """Count the pixel pairs along all borders between regions."""
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
    return n


@kernel
def borders(
    velocity: Float32,
    weight: Float32,
    labels: Int32,
    n_regions: int,
    table: Table,
    pairs: Int32,
    votes: Float32,
    lengths: Float32,
) -> int:
    """Collect the votes of all pixel pairs along the border of every two regions.

    Parameters
    ----------
    velocity, weight : (n_depths, n_lines) float32
    labels : (n_depths, n_lines) int32
    n_regions : int
    table : tuple of (size,) int64 and int32
        Room to work in; the size is a power of two, at least twice the :func:`border_length`.
    pairs : (n, 2) int32
        Filled with regions a < b.
    votes : (n, N_STEPS) float32
        Filled with evidence for fold(b) - fold(a) = -2 MAX_FOLD ... 2 MAX_FOLD: for the step that
        brings two pixels closest, their weights times one minus the squared velocity step that
        remains.
    lengths : (n,) float32
        Filled with the pixel pairs along each border.

    Returns
    -------
    int
        Pairs of regions with a common border.
    """
    n_rows, n_columns = labels.shape
    keys, places = table
    keys[:] = -1
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
                    votes[n_pairs] = _ZERO
                    lengths[n_pairs] = _ZERO
                    n_pairs += 1
                p = places[slot]
                votes[p, step + MAX_STEP] += (
                    weight[i, j] * weight[y, x] * max(_ZERO, _ONE - rest * rest)
                )
                lengths[p] += _ONE
    return n_pairs


@kernel
def merge(
    size: Int32,
    table: Table,
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
    table
        Room to work in, as large as for :func:`borders`.
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
                step[p] = best - MAX_STEP
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
        n_left = _gather(root, offset, table, pairs, votes, lengths, lead, step, n_left)
    return root, offset, n_left


@kernel
def _fits(lowest: Int32, highest: Int32, a: int, b: int, shift: int) -> bool:
    """Whether a component of both, with fold(b) = fold(a) + shift, spans few enough folds."""
    low = min(lowest[a], lowest[b] + shift)
    high = max(highest[a], highest[b] + shift)
    return bool(high - low <= 2 * MAX_FOLD)


@kernel
def _gather(
    root: Int32,
    offset: Int32,
    table: Table,
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
    n_slots = 16
    while n_slots < 2 * n_pairs:
        n_slots *= 2
    keys, places = table[0][:n_slots], table[1][:n_slots]
    keys[:] = -1
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
            to = sign * (s - MAX_STEP + shift) + MAX_STEP
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
            for s in range(N_STEPS):
                votes[n_left, s] = moved[s]
            lengths[n_left] = length
            step[n_left] = sign * (step[p] + shift)
            lead[n_left] = lead[p] if abs(step[n_left]) <= MAX_STEP else _UNKNOWN
            n_left += 1
        else:
            to = places[slot]
            for s in range(N_STEPS):
                votes[to, s] += moved[s]
            lengths[to] += length
            lead[to] = _UNKNOWN
    return n_left
