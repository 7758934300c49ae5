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

from . import kernels_costs as costs
from . import kernels_regions as regions
from . import kernels_unwrap as folds
from .arrays import aligned_empty, aligned_zeros

MAX_FOLD = regions.MAX_FOLD
LEAST_WEIGHT = 0.02
"""Weight of a pixel without coherence."""

# Side of the tiles that bound a region, pixels.
_TILE = 8
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
# What a pixel of which something absolute is certain counts, in the same unit.
_ABSOLUTE = 1.0
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
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
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
    bloodless : bool, or None
        Those of the pixels left alone that do not look like blood, where that was asked.
    """

    fold: NDArray[np.int8]
    confidence: NDArray[np.float32]
    abstained: NDArray[np.bool_]
    notes: tuple[str, ...]
    bloodless: NDArray[np.bool_] | None = None


def unwrap(
    velocity: NDArray[np.float32],
    coherence: NDArray[np.float32],
    flow: NDArray[np.bool_],
    *,
    pixel_m: tuple[float, float],
    previous: NDArray[np.float32] | None = None,
    chances: NDArray[np.float32] | None = None,
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
    chances : (n_depths, n_lines, 8) float32, optional
        Probabilities of the folds -3 ... 3 by what is absolute, in the first lanes.

    Returns
    -------
    Unwrapped
    """
    # Writable and contiguous: one compiled version of every kernel.
    velocity = np.require(velocity, np.float32, ["C", "W"])
    flow = np.require(flow, np.bool_, ["C", "W"])
    coherence = np.clip(coherence, _ZERO, _ONE, out=aligned_empty(flow.shape))
    fold = aligned_zeros(flow.shape, np.int8)
    confidence = aligned_zeros(flow.shape)
    abstained = aligned_zeros(flow.shape, np.bool_)
    weight = np.add(coherence, np.float32(LEAST_WEIGHT), out=aligned_empty(flow.shape))
    merged = merge(velocity, weight, flow)
    if merged is None:
        return Unwrapped(fold, confidence, abstained, ())

    # Components are joined further only to see whether their walls agree.
    copies = merged.links.copy(), merged.votes.copy(), merged.lengths.copy()
    group, group_offset, _ = regions.merge(
        merged.sizes, merged.table, *copies, _CLEAR_FOR_WALLS, _SHARE, _TINY
    )
    cost = merged.no_cost()
    shares = aligned_zeros((_rounded_up(merged.n_regions), 2 * regions.N_STEPS))[: merged.n_regions]
    walls = costs.wall_samples(velocity, weight, flow, _holes(flow, pixel_m), _wall_reach(pixel_m))
    group = group[merged.number]
    group_offset = merged.offset + group_offset[merged.number]
    trust = costs.wall_costs(
        merged.labels, group, group_offset, *walls, _WALL, _BEYOND, *_TRUST, shares, cost
    )
    if previous is None:
        previous = aligned_empty(flow.shape)
        previous.fill(np.nan)
    previous = np.require(previous, np.float32, ["C", "W"])
    energy = (_ENERGY * (1.0 - 0.5 * trust[group])).astype(np.float32)
    costs.area_costs(velocity, weight, merged.labels, previous, _MEMORY, energy, cost)
    if chances is not None:
        costs.posterior_costs(chances, weight, merged.labels, _ABSOLUTE, cost)

    fold_of, lead = merged.settled(cost)
    sums = aligned_zeros((2, flow.shape[0] + _WINDOW.size - 1, flow.shape[1]))
    folds.round_to_surroundings(velocity, weight, flow, merged.labels, fold_of, _WINDOW, sums, fold)
    n_undecided = folds.conclude(
        merged.labels,
        merged.number,
        lead,
        coherence,
        flow,
        _LEAST_LEAD,
        fold,
        confidence,
        abstained,
    )
    return Unwrapped(fold, confidence, abstained, _notes(n_undecided, flow, abstained))


@dataclass(frozen=True, eq=False)
class Merged:
    """Regions of similar velocity, and the components that their clear borders join them to.

    Attributes
    ----------
    labels : (n_depths, n_lines) int32
        Region of each pixel, or -1.
    number, offset : (n_regions,) int32
        Component of each region, and its fold less that of the component.
    sizes : (n_components,) int32
        Pixels.
    links : (n_links, 2) int32
        Pairs of components that still have a border.
    votes : (n_links, N_STEPS) float32
        For the fold steps across it.
    lengths : (n_links,) float32
        Its pixels, by their weight.
    table : tuple of arrays
        Room to merge in.
    """

    labels: NDArray[np.int32]
    number: NDArray[np.int32]
    offset: NDArray[np.int32]
    sizes: NDArray[np.int32]
    links: NDArray[np.int32]
    votes: NDArray[np.float32]
    lengths: NDArray[np.float32]
    table: regions.Table

    @property
    def n_regions(self) -> int:
        """Regions in the picture."""
        return self.number.size

    def no_cost(self) -> NDArray[np.float32]:
        """Zeros (n_regions, N_FOLDS), to put in what speaks against each fold of each region."""
        return aligned_zeros((_rounded_up(self.n_regions), costs.N_FOLDS))[: self.n_regions]

    def settled(self, cost: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Fold of each region, and the lead of each component's fold over the second best."""
        n_components = self.sizes.size
        pooled = folds.pool(self.number, self.offset, cost, n_components)
        fold_of = np.empty(n_components, np.int32)
        folds.propagate(pooled, self.links, self.votes, _MESSAGES, _DAMPING, _TOLERANCE, fold_of)
        lead = folds.settle(pooled, self.links, self.votes, _SWEEPS, fold_of)
        of_regions = self.offset + fold_of[self.number]
        return np.clip(of_regions, -MAX_FOLD, MAX_FOLD).astype(np.int32), lead


def merge(
    velocity: NDArray[np.float32], weight: NDArray[np.float32], flow: NDArray[np.bool_]
) -> Merged | None:
    """Cut the flow into regions and join those whose borders are clear.

    Parameters
    ----------
    velocity, weight : (n_depths, n_lines) float32
        Velocity in units of v_N, and what a pixel's vote counts.
    flow : (n_depths, n_lines) bool

    Returns
    -------
    Merged or None
        None without any flow.
    """
    labels = aligned_empty(flow.shape, np.int32)
    parent = aligned_empty((flow.size,), np.int32)
    n_regions = regions.label(velocity, flow, _TILE, parent, labels)
    if n_regions > _MANY_REGIONS:
        n_regions = regions.drop_tiny(labels, n_regions, _TINY)
    if n_regions == 0:
        return None
    table, pairs, votes, lengths = _borders(velocity, weight, labels, n_regions)
    size = np.empty(n_regions, np.int32)
    regions.sizes(labels, size)
    root, offset, n_links = regions.merge(size, table, pairs, votes, lengths, _CLEAR, _SHARE, _TINY)
    number = np.empty(n_regions, np.int32)
    folds.number_roots(root, number)
    return Merged(
        labels=labels,
        number=number,
        offset=offset,
        sizes=size[root == np.arange(n_regions)],
        links=number[pairs[:n_links]],
        votes=votes[:n_links],
        lengths=lengths[:n_links],
        table=table,
    )


def _rounded_up(n: int) -> int:
    """Power of two from ``n`` on: blocks of few sizes are used again from frame to frame."""
    return 1 << max(0, n - 1).bit_length()


def _borders(
    velocity: NDArray[np.float32],
    weight: NDArray[np.float32],
    labels: NDArray[np.int32],
    n_regions: int,
) -> tuple[regions.Table, NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Room for a table, pairs of regions with a common border, their votes and its length."""
    n_most = max(8, _rounded_up(regions.border_length(labels)))
    table = aligned_empty((2 * n_most,), np.int64), aligned_empty((2 * n_most,), np.int32)
    pairs, lengths = aligned_empty((n_most, 2), np.int32), aligned_empty((n_most,))
    votes = aligned_empty((n_most, regions.N_STEPS))
    n = regions.borders(velocity, weight, labels, n_regions, table, pairs, votes, lengths)
    return table, pairs[:n], votes[:n], lengths[:n]


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
    outside: NDArray[np.bool_] = aligned_empty(flow.shape, np.bool_)
    holes: NDArray[np.bool_] = aligned_empty(flow.shape, np.bool_)
    np.logical_not(flow, out=outside)
    labels = aligned_empty(flow.shape, np.int32)
    parent = aligned_empty((flow.size,), np.int32)
    n = regions.label(aligned_zeros(flow.shape), outside, max(flow.shape), parent, labels)
    regions.enclosed(labels, n, int(_LARGEST_HOLE_M2 / (pixel_m[0] * pixel_m[1])), holes)
    return holes
