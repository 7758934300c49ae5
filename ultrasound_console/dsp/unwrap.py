"""De-aliasing: whole folds by continuity, anchored on the walls and on the previous frame.

The flow is cut into small regions of similar velocity; each is taken to have one fold. Along the
border of two regions every pixel pair votes for the fold step that brings it closest, weighted by
its coherence. Where a border is clear the regions are joined, the clearest border first, and the
votes along the growing borders added up (region merging as in weather radar: Helmus and Collis,
"The Python ARM Radar Toolkit", J. Open Res. Softw. 4, 2016). Between the components that are left
the votes are weighed against what speaks for an absolute fold:

- walls: blood does not slip there, so that velocity is small along the edge of the flow,
- the corrected velocity of the previous frame,
- and, where nothing else speaks, the smallest mean speed;

never the size of a region. At the end each pixel is rounded to the fold nearest to its
surroundings, and components for which no fold stands out are left as measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import kernels_evidence as evidence
from . import kernels_regions as regions
from . import kernels_unwrap as folds

MAX_FOLD = regions.MAX_FOLD

# Side of the tiles that bound a region, pixels.
_TILE = 8
# Weight of a pixel without coherence.
_LEAST_WEIGHT = 0.02
# A border is clear when its votes lead by this much per pixel; at full coherence the most is 1.
_CLEAR = 0.3
# The same where components are joined only to see whether their walls agree.
_CLEAR_FOR_WALLS = 0.1
# A region joins a neighbour whose clearest border leads at most by the inverse of this.
_SHARE = 0.75
_TINY = 12
# Gaps of the support up to this size that flow surrounds are drop-outs, not walls.
_LARGEST_HOLE_M2 = 100e-6
# How far to look from a wall into the lumen.
_WALL_REACH_M = 0.6e-3
# Costs in units of a pixel of border: a wall pixel per v_N; the same beyond v_N, relatively;
# a pixel that departs from the previous frame by v_N or more; a pixel that has no previous frame
# per v_N (half of that where walls can be trusted).
_WALL = 0.3
_BEYOND = 0.3
_MEMORY = 0.005
_ENERGY = 0.002
# Share of a component's wall that has to agree on one fold to be believed: from, fully from.
_TRUST = (0.5, 0.8)
# A component whose fold leads by less pixels of border than this is left alone.
_LEAST_LEAD = 0.25
# With more regions than this the picture is mostly noise, and its crumbs are not worth the time.
_MANY_REGIONS = 3000
_SWEEPS = 4
# Message passing between components: messages at most, share of the old one kept, least change.
_MESSAGES = 8000
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
    # Writable and contiguous: one compiled version of every kernel.
    velocity = np.require(velocity, np.float32, ["C", "W"])
    flow = np.require(flow, np.bool_, ["C", "W"])
    coherence = np.clip(coherence, 0.0, 1.0).astype(np.float32)
    fold = np.zeros(flow.shape, np.int8)
    confidence = np.zeros(flow.shape, np.float32)
    abstained = np.zeros(flow.shape, np.bool_)

    weight = coherence + np.float32(_LEAST_WEIGHT)
    labels = np.empty(flow.shape, np.int32)
    n_regions = regions.label(velocity, flow, _TILE, labels)
    if n_regions > _MANY_REGIONS:
        n_regions = regions.drop_tiny(labels, n_regions, _TINY)
    if n_regions == 0:
        return Unwrapped(fold, confidence, abstained, ())

    pairs, votes, lengths = regions.borders(velocity, weight, labels, n_regions)
    size = np.bincount(labels[labels >= 0], minlength=n_regions).astype(np.int32)
    root, offset, n_links = regions.merge(size, pairs, votes, lengths, _CLEAR, _SHARE, _TINY)
    number = np.empty(n_regions, np.int32)
    n_components = folds.number_roots(root, number)
    links, votes, lengths = number[pairs[:n_links]], votes[:n_links], lengths[:n_links]

    # Components are joined further only to see whether their walls agree.
    copies = links.copy(), votes.copy(), lengths.copy()
    size = size[root == np.arange(n_regions)]
    group, group_offset, _ = regions.merge(size, *copies, _CLEAR_FOR_WALLS, _SHARE, _TINY)
    cost = np.zeros((n_regions, evidence.N_FOLDS), np.float32)
    walls = evidence.wall_samples(
        velocity, weight, flow, _holes(flow, pixel_m), _wall_reach(pixel_m)
    )
    group = group[number]
    group_offset = offset + group_offset[number]
    trust = evidence.wall_costs(labels, group, group_offset, *walls, _WALL, _BEYOND, *_TRUST, cost)
    if previous is None:
        previous = np.full(flow.shape, np.nan, np.float32)
    previous = np.require(previous, np.float32, ["C", "W"])
    energy = (_ENERGY * (1.0 - 0.5 * trust[group])).astype(np.float32)
    evidence.area_costs(velocity, weight, labels, previous, _MEMORY, energy, cost)

    cost = folds.pool(number, offset, cost, n_components)
    fold_of = np.empty(n_components, np.int32)
    folds.propagate(cost, links, votes, _MESSAGES, _DAMPING, _TOLERANCE, fold_of)
    lead = folds.settle(cost, links, votes, _SWEEPS, fold_of)
    fold_of = np.clip(offset + fold_of[number], -MAX_FOLD, MAX_FOLD).astype(np.int32)
    folds.round_to_surroundings(velocity, weight, flow, labels, fold_of, _WINDOW, fold)
    n_undecided = folds.conclude(
        labels, number, lead, coherence, flow, _LEAST_LEAD, fold, confidence, abstained
    )
    return Unwrapped(fold, confidence, abstained, _notes(n_undecided, flow, abstained))


def _notes(
    n_undecided: int, flow: NDArray[np.bool_], abstained: NDArray[np.bool_]
) -> tuple[str, ...]:
    if n_undecided == 0:
        return ()
    percent = 100.0 * np.count_nonzero(abstained) / np.count_nonzero(flow)
    what = "1 region" if n_undecided == 1 else f"{n_undecided} regions"
    return (f"{what} ({percent:.1f} % of the flow) left as measured: no fold stands out",)


def _wall_reach(pixel_m: tuple[float, float]) -> tuple[int, int]:
    return max(1, round(_WALL_REACH_M / pixel_m[0])), max(1, round(_WALL_REACH_M / pixel_m[1]))


def _holes(flow: NDArray[np.bool_], pixel_m: tuple[float, float]) -> NDArray[np.bool_]:
    """Gaps in the flow that are no walls."""
    outside = ~flow
    labels = np.empty(flow.shape, np.int32)
    n = regions.label(np.zeros(flow.shape, np.float32), outside, max(flow.shape), labels)
    holes = np.empty(flow.shape, np.bool_)
    regions.enclosed(labels, n, int(_LARGEST_HOLE_M2 / (pixel_m[0] * pixel_m[1])), holes)
    return holes
