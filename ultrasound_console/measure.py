"""What the flow does inside an ellipse that is drawn over a vessel: raw and corrected apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .dsp.kernels_ellipse import N_AREAS, N_COUNTS, N_SUMS, connected_moments, tally
from .frames import DopplerFrame, Status
from .geometry import ImageGrid

SMALLEST_M = 0.0003
"""Least half axis of an ellipse."""

_NO_FACTOR = np.zeros((0, 0), np.float32)
# Of an even strip, half its width over the standard deviation across it.
_HALF_WIDTHS = math.sqrt(3.0)
# The part of a vessel that counts is this many of its half widths long, to either side.
_LENGTH = 1.8
_SETTLED = 0.02
_MOST_STEPS = 25
_FEWEST_PIXELS = 8


@dataclass(frozen=True)
class Ellipse:
    """A place in the body.

    Attributes
    ----------
    x_m, z_m : float
        Its centre.
    half_m : tuple of float
        Its half axes, each at least :data:`SMALLEST_M`.
    angle_rad : float
        From x towards z, to the first of them.
    """

    x_m: float
    z_m: float
    half_m: tuple[float, float]
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        half_m = tuple(max(half, SMALLEST_M) for half in self.half_m)
        object.__setattr__(self, "half_m", half_m)

    @property
    def area_m2(self) -> float:
        """How large it is."""
        return math.pi * self.half_m[0] * self.half_m[1]

    def at(self, along: float, across: float) -> tuple[float, float]:
        """Return the (x, z) of a place, in half axes from the centre."""
        along_m, across_m = along * self.half_m[0], across * self.half_m[1]
        cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return (
            self.x_m + cosine * along_m - sine * across_m,
            self.z_m + sine * along_m + cosine * across_m,
        )

    def within(self, x_m: float, z_m: float) -> tuple[float, float]:
        """Return a place in half axes from the centre: the inverse of :meth:`at`."""
        cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
        across_m, down_m = x_m - self.x_m, z_m - self.z_m
        return (
            (cosine * across_m + sine * down_m) / self.half_m[0],
            (cosine * down_m - sine * across_m) / self.half_m[1],
        )

    def contains(self, x_m: float, z_m: float) -> bool:
        """Whether a place lies inside."""
        return math.hypot(*self.within(x_m, z_m)) <= 1.0

    def outline_m(self, n: int = 49) -> tuple[tuple[float, float], ...]:
        """Go round it in ``n`` points, the last of them on the first."""
        turns = (2.0 * math.pi * k / (n - 1) for k in range(n))
        return tuple(self.at(math.cos(turn), math.sin(turn)) for turn in turns)

    def moved(self, across_m: float, down_m: float) -> Ellipse:
        """Return the same ellipse elsewhere."""
        return replace(self, x_m=self.x_m + across_m, z_m=self.z_m + down_m)

    def turned(self, by_rad: float) -> Ellipse:
        """Return it turned about its centre."""
        angle_rad = math.remainder(self.angle_rad + by_rad, math.pi)
        return replace(self, angle_rad=angle_rad)


@dataclass(frozen=True)
class VelocityStatistics:
    """Velocities of the flow, by area; NaN without any.

    Attributes
    ----------
    mean_m_s, sd_m_s : float
        The mean is that of the values as they are: of aliased ones it says little, which is what
        the raw figures are for.
    low_m_s, high_m_s : float
        Least and greatest.
    """

    mean_m_s: float
    sd_m_s: float
    low_m_s: float
    high_m_s: float

    @property
    def fastest_m_s(self) -> float:
        """Velocity of the largest magnitude, with its sign."""
        return self.low_m_s if -self.low_m_s > self.high_m_s else self.high_m_s


@dataclass(frozen=True)
class RegionStatistics:
    """What one frame shows inside an ellipse.

    Attributes
    ----------
    n_pixels, n_flow : int
        Pixels of the colour picture whose centre lies inside, and those of them with flow.
    n_aliased, n_left, n_by_hand : int
        Flow pixels whose fold is not 0; that were left as measured; whose fold was set by hand.
    aliased_share, left_share, by_hand_share : float
        Their share of the area of the flow, in which the pixels of a sector differ; 0 without flow.
    raw, corrected : VelocityStatistics
        Those of the local frequency where the frame has it.
    """

    n_pixels: int
    n_flow: int
    n_aliased: int
    n_left: int
    n_by_hand: int
    aliased_share: float
    left_share: float
    by_hand_share: float
    raw: VelocityStatistics
    corrected: VelocityStatistics


def statistics(frame: DopplerFrame, ellipse: Ellipse) -> RegionStatistics:
    """Measure the flow inside an ellipse.

    Parameters
    ----------
    frame : DopplerFrame
    ellipse : Ellipse
    """
    grid = frame.acquisition.colour_grid
    counts, areas = np.empty(N_COUNTS, np.int64), np.empty(N_AREAS)
    raw, corrected = np.empty(N_SUMS), np.empty(N_SUMS)
    tally(
        *_place(grid),
        np.array([ellipse.x_m, ellipse.z_m, *ellipse.half_m, ellipse.angle_rad]),
        frame.velocity_m_s,
        frame.fold,
        frame.status,
        _NO_FACTOR if frame.frequency_factor is None else frame.frequency_factor,
        2.0 * frame.nyquist_velocity_m_s,
        int(Status.ABSTAINED),
        int(Status.BY_HAND),
        counts,
        areas,
        raw,
        corrected,
    )
    n_pixels, n_flow, n_aliased, n_left, n_by_hand = counts.tolist()
    area = float(areas[0])
    aliased, left, by_hand = (areas[1:] / area if area else areas[1:]).tolist()
    return RegionStatistics(
        n_pixels,
        n_flow,
        n_aliased,
        n_left,
        n_by_hand,
        aliased_share=aliased,
        left_share=left,
        by_hand_share=by_hand,
        raw=_velocities(raw, area),
        corrected=_velocities(corrected, area),
    )


def flow_near(frame: DopplerFrame, x_m: float, z_m: float) -> tuple[float, float] | None:
    """Return the (x, z) of the pixel with flow that is nearest to a place; None without flow."""
    rows, lines = np.nonzero(frame.status)
    if not rows.size:
        return None
    flow_x_m, flow_z_m = frame.acquisition.colour_grid.positions_m(rows, lines)
    nearest = int(np.argmin((flow_x_m - x_m) ** 2 + (flow_z_m - z_m) ** 2))
    return float(flow_x_m[nearest]), float(flow_z_m[nearest])


def ellipse_in_vessel(frame: DopplerFrame, x_m: float, z_m: float) -> Ellipse | None:
    """Fit an ellipse to the flow about a place.

    It is as wide as the flow that is connected to that place and, along a vessel, a few times as
    long: its half axes are those of an even strip with the same second moments.

    Returns
    -------
    Ellipse or None
        None where there is no flow, or next to none.
    """
    grid, status = frame.acquisition.colour_grid, frame.status
    if not grid.contains(x_m, z_m):
        return None
    seed = grid.nearest(x_m, z_m)
    if status[seed] == Status.NO_FLOW:
        return None
    place = _place(grid)
    room = np.empty(grid.shape, np.bool_), np.empty(grid.n_depths * grid.n_lines, np.int32)
    radius_m, n, fitted = 4.0 * max(grid.pixel_size_m), 0, None
    for _ in range(_MOST_STEPS):
        n, *moments = connected_moments(*place, status, *seed, radius_m, *room)
        fitted = _ellipse_of(*moments)
        before_m, radius_m = radius_m, _LENGTH * fitted.half_m[1]
        before, middle = seed, grid.nearest(fitted.x_m, fitted.z_m)
        # From the wall to the middle of the vessel.
        seed = middle if status[middle] != Status.NO_FLOW else seed
        if seed == before and abs(radius_m - before_m) <= _SETTLED * before_m:
            break
    return fitted if n >= _FEWEST_PIXELS else None


def _ellipse_of(x_m: float, z_m: float, xx: float, xz: float, zz: float) -> Ellipse:
    """Make the ellipse of second moments, its longer axis first."""
    half_sum, half_difference = 0.5 * (xx + zz), 0.5 * (xx - zz)
    away = math.hypot(half_difference, xz)
    long_m, short_m = (
        _HALF_WIDTHS * math.sqrt(max(half_sum + sign * away, 0.0)) for sign in (1.0, -1.0)
    )
    return Ellipse(x_m, z_m, (long_m, short_m), 0.5 * math.atan2(xz, half_difference))


def _velocities(sums: NDArray[np.float64], area: float) -> VelocityStatistics:
    if not area:
        return VelocityStatistics(math.nan, math.nan, math.nan, math.nan)
    mean = float(sums[0]) / area
    spread = max(float(sums[1]) / area - mean * mean, 0.0)
    return VelocityStatistics(mean, math.sqrt(spread), float(sums[2]), float(sums[3]))


@lru_cache(maxsize=8)
def _place(grid: ImageGrid) -> tuple[NDArray[np.float64], float, float, NDArray[np.float64]]:
    """Where the scan lines start and go, and the areas of pixels: ``tally``'s first arguments."""
    line = grid.line_positions
    ones = np.ones_like(line)
    if grid.kind == "parallel":
        rays = np.stack([line, math.tan(grid.angle_rad) * ones, 0.0 * ones, ones])
        weights = np.ones(grid.n_depths)
    else:
        x_m, z_m = grid.apex_m
        rays = np.stack([x_m * ones, np.sin(line), z_m * ones, np.cos(line)])
        # The lines go apart with the distance from their apex.
        # A pixel at the apex has a corner of its ring still.
        range_m = np.maximum(grid.range_positions_m, grid.range_step_m / 8.0)
        weights = range_m / float(np.mean(grid.range_m))
    return rays, grid.range_m[0], grid.range_step_m, weights
