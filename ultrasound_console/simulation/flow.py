"""Velocity of the blood, everywhere and at any time of the heart cycle.

The stream functions of the vessels are cubic B-splines in the plane and in time. Their derivatives
are velocities without divergence, and what flows through a section is the difference of the values
on its two walls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import spline_filter

from ..geometry import ImageGrid, beam_direction
from .kernels_numba import carry_points, sample_spline
from .stream import Stream
from .vessels import Lumen

Array = NDArray[np.float64]
Planes = tuple[NDArray[np.float32], NDArray[np.bool_]]

# Of the distance to the walls, which is needed in the tissue as well.
_SPACING_M = 1.5e-4
_MARGIN_M = 4e-3
_SECTION_POINTS = 1025
# Longest way between two looks at the velocity.
_STEP_M = 4e-4
_SAMPLES = 4000


class Flow:
    """Blood in one or more vessels.

    Parameters
    ----------
    lumens : tuple of Lumen
    streams : tuple of Stream
        What flows in them; all of one spacing.
    edge_m : float
        Flow is needed for abs(x) up to here; what leaves there comes in again.

    Attributes
    ----------
    period_s : float
        The longest cycle of the vessels.
    peak_speed_m_s : float
        Highest speed at any time, to about a percent.
    """

    def __init__(
        self, lumens: tuple[Lumen, ...], streams: tuple[Stream, ...], *, edge_m: float
    ) -> None:
        self.edge_m = edge_m
        self.period_s = max(stream.period_s for stream in streams)
        self._streams = streams
        self._depth_origin_m, self._depth_m = _depth_map(lumens, edge_m)
        self._place_streams()
        top_m = self._depth_origin_m[1]
        bottom_m = top_m + _SPACING_M * (self._depth_m.shape[0] - 1)
        self._section_z_m = np.linspace(top_m, bottom_m, _SECTION_POINTS)
        middle_m = 0.5 * (self._section_z_m[1:] + self._section_z_m[:-1])
        self._open = [self.depth_m(side * edge_m, middle_m) > 0.0 for side in (-1.0, 1.0)]
        self.peak_speed_m_s = self._fastest()

    def _place_streams(self) -> None:
        """Find the plane that holds the splines of all vessels."""
        first = self._streams[0]
        self._spacing_m = first.spacing_m
        if any(stream.spacing_m != first.spacing_m for stream in self._streams):
            raise ValueError("streams of one flow need one spacing")
        starts = np.array([np.rint(s.origin_m[::-1] / s.spacing_m) for s in self._streams])
        corner = starts.min(axis=0)
        self._starts = (starts - corner).astype(int)
        ends = self._starts + np.array([stream.shape for stream in self._streams])
        self._shape = tuple(ends.max(axis=0).tolist())
        self._origin_m = corner[::-1] * self._spacing_m

    def _fastest(self) -> float:
        rng = np.random.default_rng(0)
        x_m, z_m = self.draw(_SAMPLES / (2.0 * self.edge_m * 10e-3), rng)
        n_times = max(len(s.phases) * round(self.period_s / s.period_s) for s in self._streams)
        times_s = self.period_s * np.arange(n_times) / n_times
        return max(
            float(np.hypot(*self.velocity_m_s(x_m, z_m, time_s)).max()) for time_s in times_s
        )

    @lru_cache(maxsize=4)  # noqa: B019 - a flow lives as long as the program's scene
    def _spline(self, time_s: float) -> Array:
        """Coefficients of the stream function of all vessels at one time."""
        if len(self._streams) == 1:
            return self._streams[0].at(time_s)
        spline = np.zeros(self._shape)
        for (row, column), stream in zip(self._starts, self._streams, strict=True):
            n_z, n_x = stream.shape
            spline[row : row + n_z, column : column + n_x] += stream.at(time_s)
        return spline

    def _stream_at(self, x_m: ArrayLike, z_m: ArrayLike, time_s: float) -> Array:
        """Stream function and velocity without regard to the walls: (3, ...)."""
        return _sampled(self._spline(time_s), self._origin_m, self._spacing_m, x_m, z_m)

    def _depth_and_slopes(self, x_m: ArrayLike, z_m: ArrayLike) -> Array:
        return _sampled(self._depth_m, self._depth_origin_m, _SPACING_M, x_m, z_m)

    def depth_m(self, x_m: ArrayLike, z_m: ArrayLike) -> Array:
        """Distance to the nearest wall, positive inside the lumen.

        Far from the vessels, outside the flow's own box, only the sign is right.
        """
        depth_m: Array = self._depth_and_slopes(x_m, z_m)[0]
        return depth_m

    def inward(self, x_m: ArrayLike, z_m: ArrayLike) -> tuple[Array, Array]:
        """Give the unit vector (x, z) away from the nearest wall into the blood."""
        _, down, left = self._depth_and_slopes(x_m, z_m)
        length = np.maximum(np.hypot(down, left), 1e-9)
        return -left / length, down / length

    def velocity_m_s(self, x_m: ArrayLike, z_m: ArrayLike, time_s: float) -> tuple[Array, Array]:
        """(vx, vz) at one time, 0 outside the vessels; the shape of ``x_m`` and ``z_m``."""
        inside = self.depth_m(x_m, z_m) > 0.0
        _, vx, vz = self._stream_at(x_m, z_m, time_s)
        return np.where(inside, vx, 0.0), np.where(inside, vz, 0.0)

    def flux_m2_s(self, x_m: float, between_m: tuple[float, float], time_s: float) -> float:
        """Blood that crosses a vertical line between two depths, per second and metre of width."""
        z_m = np.linspace(*between_m, 2001)
        vx, _ = self.velocity_m_s(x_m, z_m, time_s)
        return float(np.trapezoid(vx, z_m))

    def draw(self, density_per_m2: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random points, uniform in the lumen: (x_m, z_m), sorted by depth."""
        low = self._depth_origin_m[1]
        high = low + _SPACING_M * (self._depth_m.shape[0] - 1)
        n = round(density_per_m2 * 2.0 * self.edge_m * (high - low))
        x_m = rng.uniform(-self.edge_m, self.edge_m, n)
        z_m = np.sort(rng.uniform(low, high, n))
        inside = self.depth_m(x_m, z_m) > 0.0
        return x_m[inside], z_m[inside]

    def carry(self, x_m: Array, z_m: Array, time_s: float, duration_s: float) -> None:
        """Move points with the flow, in place, from ``time_s`` for ``duration_s``.

        What leaves at an edge comes in again where blood enters, in the same order and as densely.
        """
        middle_s = time_s + 0.5 * duration_s
        n_steps = 1 + int(self.peak_speed_m_s * duration_s / _STEP_M)
        z0_m, z1_m = self._section_z_m[:2]
        carry_points(
            x_m, z_m, self._spline(middle_s), self._origin_m, self._spacing_m,
            duration_s, n_steps, self.edge_m, z0_m, z1_m - z0_m, *self._gates(middle_s),
        )  # fmt: skip

    def _gates(self, time_s: float) -> tuple[Array, Array]:
        """Outflow and inflow summed down the left edge, then down the right one, from 0 to 1."""
        sums = []
        rightward = [
            np.diff(self._stream_at(side * self.edge_m, self._section_z_m, time_s)[0]) * is_open
            for side, is_open in zip((-1.0, 1.0), self._open, strict=True)
        ]
        outward = np.concatenate([-rightward[0], rightward[1]])
        for flow in (outward, -outward):
            total = np.concatenate([[0.0], np.cumsum(np.maximum(flow, 0.0))])
            sums.append(total / max(total[-1], 1e-12))
        return sums[0], sums[1]

    @lru_cache(maxsize=8)  # noqa: B019 - a flow lives as long as the program's scene
    def _inside(self, grid: ImageGrid) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Positions of the samples of a grid that lie in the blood, and which these are."""
        x_m, z_m = grid.positions_m()
        inside = self.depth_m(x_m, z_m) > 0.0
        inside.setflags(write=False)
        return x_m[inside], z_m[inside], np.flatnonzero(inside), inside

    def on(self, grid: ImageGrid, time_s: float) -> tuple[Array, Array, NDArray[np.bool_]]:
        """(vx, vz, inside) at the samples of a grid, each (n_depths, n_lines)."""
        x_m, z_m, numbers, inside = self._inside(grid)
        velocity = np.zeros((2, inside.size))
        for plane, values in zip(velocity, self._stream_at(x_m, z_m, time_s)[1:], strict=True):
            plane[numbers] = values
        vx, vz = velocity.reshape(2, *inside.shape)
        return vx, vz, inside


@lru_cache(maxsize=12)
def _depth_map(lumens: tuple[Lumen, ...], edge_m: float) -> tuple[Array, Array]:
    """Origin (x, z) and spline of the distance to the walls; it outlasts changes of the flow."""
    boxes = np.array([lumen.box_m for lumen in lumens])
    top_m, bottom_m = boxes[:, 0].min(), boxes[:, 1].max()
    n_x = math.ceil(2.0 * (edge_m + _MARGIN_M) / _SPACING_M) + 1
    n_z = math.ceil((bottom_m - top_m + 2.0 * _MARGIN_M) / _SPACING_M) + 1
    origin_m = np.array([-(n_x - 1) / 2.0 * _SPACING_M, top_m - _MARGIN_M])
    x_m = origin_m[0] + _SPACING_M * np.arange(n_x)
    z_m = origin_m[1] + _SPACING_M * np.arange(n_z)
    x, z = (values.ravel() for values in np.meshgrid(x_m, z_m))
    depths_m = [lumen.stream_and_depth(x, z)[1] for lumen in lumens]
    return origin_m, spline_filter(np.maximum.reduce(depths_m).reshape(n_z, n_x))


def _sampled(
    spline: Array, origin_m: Array, spacing_m: float, x_m: ArrayLike, z_m: ArrayLike
) -> Array:
    """Value of a spline, its derivative along z, and minus that along x: (3, ...)."""
    x, z = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(z_m, float))
    out = np.empty((3, x.size))
    sample_spline(spline, origin_m, spacing_m, np.ravel(x), np.ravel(z), out)
    return out.reshape(3, *x.shape)


@dataclass(frozen=True, eq=False)
class Truth:
    """The flow of one frame as its acquisition sees it; a ``frames.FlowTruth``."""

    flow: Flow
    time_s: float
    transmit_rad: float
    receive_rad: float
    source_distance_m: float = math.inf
    _sampled: dict[ImageGrid, Planes] = field(default_factory=dict, init=False, repr=False)

    def on(self, grid: ImageGrid) -> Planes:
        """Projected velocity and vessel mask; see ``frames.FlowTruth.on``.

        Both are read-only: a frame that is played again has the same ones.
        """
        if grid not in self._sampled:
            vx, vz, inside = self.flow.on(grid, self.time_s)
            across, down = beam_direction(
                grid,
                *grid.positions_m(),
                self.transmit_rad,
                self.receive_rad,
                source_distance_m=self.source_distance_m,
            )
            truth = (-(across * vx + down * vz)).astype(np.float32)
            truth.setflags(write=False)
            self._sampled[grid] = truth, inside
        return self._sampled[grid]
