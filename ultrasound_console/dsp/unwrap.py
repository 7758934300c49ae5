"""De-aliasing: whole folds by continuity, anchored on the walls and on the previous frame.

The support is cut into small regions of similar velocity; each is taken to have one fold. Along
the border of two regions every pixel pair votes for the fold step that brings it closest, weighted
by its coherence. Regions are then joined, the clearest border first, with all votes along the
growing border added up (region merging as in weather radar: Eilts and Smith 1990; the Py-ART
toolkit), until no border is clear. What absolute fold a component has is decided by

- its walls: blood does not slip there, so that velocity is small along the edge of the support,
- the corrected velocity of the previous frame,
- and, where nothing else speaks, the smallest mean speed;

never by the size of a region. At the end single regions may still change where that lowers the
total cost, and each pixel is rounded to the fold nearest to its surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import kernels_unwrap as kernels

MAX_FOLD = kernels.MAX_FOLD

# Side of the tiles that bound a region, pixels.
_P = 0.5
_TILE = 8
# Weight of a pixel without coherence.
_LEAST_WEIGHT = 0.02
# A border is clear when its votes lead by this much per pixel; at full coherence the most is 1.
_CLEAR = 0.3
# The same where components are joined only to see whether their walls agree.
_CLEAR_FOR_WALLS = 0.15
# A region joins a neighbour whose clearest border leads at most by the inverse of this.
_SHARE = 0.75
_TINY = 12
# Gaps of the support up to this size that flow surrounds are drop-outs, not walls.
_LARGEST_HOLE_M2 = 25e-6
# How far to look from a wall into the lumen.
_WALL_REACH_M = 0.6e-3
# Costs in units of a pixel of border: a wall pixel per v_N; the same beyond v_N, relatively;
# a pixel of area per v_N; a pixel that departs from the previous frame by v_N or more.
_WALL = 0.5
_BEYOND = 0.3
_ENERGY = 0.0005
_MEMORY = 0.005
# Share of a component's wall that has to agree on one fold to be believed: from, fully from.
_TRUST = (0.4, 0.7)
# A component whose fold leads by less pixels of border than this is left alone.
_LEAST_LEAD = 0.25
# With more regions than this the picture is mostly noise, and its crumbs are not worth the time.
_MANY_REGIONS = 4000
_SWEEPS = 4
# Message passing between components: messages at most, share of the old one kept, least change.
_MESSAGES = 12000
_DAMPING = 0.3
_TOLERANCE = 0.01
_WINDOW = np.exp(-0.5 * (np.arange(-4, 5) / 2.0) ** 2).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Unwrapped:
    """Folds of one frame, all (n_depths, n_lines).

    Attributes
    ----------
    fold : int8
        n in ``corrected = velocity + 2 n``, within -4 ... 4; 0 outside the flow and where
        abstained.
    confidence : float32
        How sure the fold is, 0 ... 1; 0 outside the flow.
    abstained : bool
        Left as measured, because the evidence conflicts.
    notes : tuple of str
        Why regions were left alone, in sentences.
    """

    fold: NDArray[np.int8]
    confidence: NDArray[np.float32]
    abstained: NDArray[np.bool_]
    notes: tuple[str, ...]


def unwrap(
    velocity: NDArray[np.float32],
    coherence: NDArray[np.float32],
    flow: NDArray[np.bool_],
    *,
    pixel_m: tuple[float, float],
    previous: NDArray[np.float32] | None = None,
) -> Unwrapped:
    """Find the folds of one frame.

    Parameters
    ----------
    velocity : (n_depths, n_lines) float32
        As measured, in units of v_N, [-1, 1).
    coherence : (n_depths, n_lines) float32
        abs(R1)/R0, in [0, 1].
    flow : (n_depths, n_lines) bool
        Support: where the velocity is that of blood.
    pixel_m : (axial, lateral)
        Sample spacing.
    previous : (n_depths, n_lines) float32, optional
        Corrected velocity of the previous frame in the present v_N; NaN where it says nothing.

    Returns
    -------
    Unwrapped
    """
    velocity = np.ascontiguousarray(velocity, np.float32)
    coherence = np.clip(coherence, 0.0, 1.0).astype(np.float32)
    weight = coherence ** np.float32(_P) + np.float32(_LEAST_WEIGHT)
    labels = np.empty(flow.shape, np.int32)
    n_regions = kernels.label(velocity, flow, _TILE, labels)
    if n_regions > _MANY_REGIONS:
        n_regions = kernels.drop_tiny(labels, n_regions, _TINY)
    fold = np.zeros(flow.shape, np.int8)
    confidence = np.zeros(flow.shape, np.float32)
    abstained = np.zeros(flow.shape, np.bool_)
    if n_regions == 0:
        return Unwrapped(fold, confidence, abstained, ())

    # Regions to components, and components to groups, which only serve to judge the walls.
    pairs, votes, lengths = kernels.borders(velocity, weight, labels, n_regions)
    size = np.bincount(labels[labels >= 0], minlength=n_regions).astype(np.int32)
    links = pairs.copy(), votes.copy(), lengths.copy()
    root, offset, n_links = kernels.merge(size, *links, _CLEAR, _SHARE, _TINY)
    number = np.empty(n_regions, np.int32)
    component_size = size[root == np.arange(n_regions)]
    kernels.number_roots(root, number)
    component_pairs, component_votes = number[links[0][:n_links]], links[1][:n_links]
    group_root, group_offset, _ = kernels.merge(
        component_size,
        component_pairs.copy(),
        component_votes.copy(),
        links[2][:n_links],
        _CLEAR_FOR_WALLS,
        _SHARE,
        _TINY,
    )

    cost = np.zeros((n_regions, kernels.N_FOLDS), np.float32)
    walls = kernels.wall_samples(
        velocity, weight, flow, _holes(flow, pixel_m), _wall_reach(pixel_m)
    )
    kernels.wall_costs(
        labels,
        group_root[number],
        offset + group_offset[number],
        *walls,
        _WALL,
        _BEYOND,
        *_TRUST,
        cost,
    )
    if previous is None:
        previous = np.full(flow.shape, np.nan, np.float32)
    kernels.area_costs(velocity, weight, labels, previous, _ENERGY, _MEMORY, cost)

    pooled = kernels.pool(number, offset, cost, component_size.size)
    fold_of_root = np.empty(component_size.size, np.int32)
    kernels.propagate(
        pooled, component_pairs, component_votes, _MESSAGES, _DAMPING, _TOLERANCE, fold_of_root
    )
    lead = kernels.settle(pooled, component_pairs, component_votes, _SWEEPS, fold_of_root)
    fold_of = np.clip(offset + fold_of_root[number], -MAX_FOLD, MAX_FOLD).astype(np.int32)
    kernels.settle(cost, pairs, votes, _SWEEPS, fold_of)
    kernels.round_to_surroundings(velocity, weight, flow, labels, fold_of, _WINDOW, fold)
    n_undecided = kernels.conclude(
        labels, number, lead, coherence, flow, _LEAST_LEAD, fold, confidence, abstained
    )
    return Unwrapped(fold, confidence, abstained, _notes(n_undecided, flow, abstained))


def _notes(
    n_undecided: int, flow: NDArray[np.bool_], abstained: NDArray[np.bool_]
) -> tuple[str, ...]:
    if n_undecided == 0:
        return ()
    percent = 100.0 * np.count_nonzero(abstained) / np.count_nonzero(flow)
    regions = "1 region" if n_undecided == 1 else f"{n_undecided} regions"
    return (f"{regions} ({percent:.1f} % of the flow) left as measured: no fold stands out",)


def _wall_reach(pixel_m: tuple[float, float]) -> tuple[int, int]:
    return max(1, round(_WALL_REACH_M / pixel_m[0])), max(1, round(_WALL_REACH_M / pixel_m[1]))


def _holes(flow: NDArray[np.bool_], pixel_m: tuple[float, float]) -> NDArray[np.bool_]:
    """Gaps in the flow that are no walls."""
    outside = ~flow
    labels = np.empty(flow.shape, np.int32)
    n = kernels.label(np.zeros(flow.shape, np.float32), outside, max(flow.shape), labels)
    holes = np.empty(flow.shape, np.bool_)
    kernels.enclosed(labels, n, int(_LARGEST_HOLE_M2 / (pixel_m[0] * pixel_m[1])), holes)
    return holes
