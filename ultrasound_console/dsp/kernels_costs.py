# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled costs of folds: what walls, speed and the previous frame hold against each.

A *cost* is evidence against a fold, in the unit of the votes of :mod:`.kernels_regions`.
:mod:`.unwrap` says what the steps are for and puts them in order.
"""

from __future__ import annotations

import numpy as np

from .features import N_FOLDS as N_ASKED
from .kernels_regions import MAX_FOLD, N_STEPS, Bool, Float32, Int32
from .lanes_numba import kernel

N_FOLDS = 2 * MAX_FOLD + 1
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)


@kernel
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


@kernel
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
    shares: Float32,
    cost: Float32,
) -> Float32:
    """Add, for every region and fold, what its walls hold against it.

    A pixel at a wall costs its absolute velocity up to v_N, and ``beyond`` times what exceeds
    that. Components whose walls do not agree on one fold follow no no-slip (a solid that turns,
    a border that is no wall) and count less: not at all where the largest agreeing share is
    ``trust_from`` or lower, in full from ``trust_to`` on. ``shares`` is (n_regions, 2 N_STEPS) of
    zeros to work in.

    Returns
    -------
    trust : (n_regions,) float32
        Of each root's component, 0 where it has no walls.
    """
    n_regions = root.size
    flat = labels.reshape(-1)
    for k in range(pixels.size):
        r = flat[pixels[k]]
        if r < 0:
            continue
        bin_ = int(np.rint(np.float32(0.5) * at_wall[k])) + offset[r] + N_STEPS
        shares[root[r], min(max(bin_, 0), 2 * N_STEPS - 1)] += weights[k]
    trust = np.zeros(n_regions, np.float32)
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


@kernel
def area_costs(
    velocity: Float32,
    weight: Float32,
    labels: Int32,
    previous: Float32,
    memory: float,
    energy: Float32,
    cost: Float32,
) -> None:
    """Add, for every region and fold, how far its pixels are from the previous frame.

    A pixel costs the square of its distance, at most 1, times ``memory``; where ``previous`` is
    NaN it costs its speed times ``energy`` of its region instead.
    """
    n_rows, n_columns = labels.shape
    for i in range(n_rows):
        for j in range(n_columns):
            r = labels[i, j]
            if r < 0:
                continue
            square = weight[i, j] * weight[i, j]
            if previous[i, j] == previous[i, j]:
                at_distance = np.float32(memory) * square
                away = velocity[i, j] - previous[i, j]
                for f in range(N_FOLDS):
                    distance = away + _TWO * np.float32(f - MAX_FOLD)
                    cost[r, f] += at_distance * min(distance * distance, _ONE)
            else:
                at_speed = energy[r] * square
                for f in range(N_FOLDS):
                    cost[r, f] += at_speed * abs(velocity[i, j] + _TWO * np.float32(f - MAX_FOLD))


@kernel
def posterior_costs(
    posterior: Float32, weight: Float32, labels: Int32, share: float, cost: Float32
) -> None:
    """Take off, for every region and fold, how likely a network finds it in the region's pixels.

    Parameters
    ----------
    posterior : (n_depths, n_lines, 8) float32
        Probabilities of the folds -3 ... 3 in the first lanes.
    weight : (n_depths, n_lines) float32
        A pixel counts with the square of its weight.
    labels : (n_depths, n_lines) int32
    share : float
        What a certain pixel counts. Probabilities are added, not their logarithms: pixels that are
        sure and wrong count no more than others.
    cost : (n_regions, N_FOLDS) float32
        Changed in place.
    """
    n_rows, n_columns = labels.shape
    beyond = (N_FOLDS - N_ASKED) // 2
    for i in range(n_rows):
        for j in range(n_columns):
            r = labels[i, j]
            if r < 0:
                continue
            scale = np.float32(share) * weight[i, j] * weight[i, j]
            for n in range(N_ASKED):
                cost[r, beyond + n] -= scale * posterior[i, j, n]
