"""Velocity of the blood, everywhere and at any time of the heart cycle.

The stream function of the vessel is sampled once and interpolated by cubic B-splines, whose
derivatives are velocities without divergence. Every stream line has its own course over the heart
cycle: those along the walls have less momentum and turn round earlier, as in Womersley flow
(J. R. Womersley, J. Physiol. 127, 1955). A speed that is constant along stream lines keeps the
flow incompressible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import spline_filter

from ..geometry import ImageGrid, plane_wave_velocity_m_s
from .kernels_numba import carry_points, sample_spline
from .vessels import Lumen
from .waveform import Waveform

Array = NDArray[np.float64]

_SPACING_M = 1.5e-4
_MARGIN_M = 4e-3
_STREAM_LINES = 65
_SECTION_POINTS = 513
# Longest way between two looks at the velocity.
_STEP_M = 4e-4


class Flow:
    """Blood in a lumen.

    Parameters
    ----------
    lumen : Lumen
    waveform : Waveform
    peak_speed_m_s : float
        Highest speed anywhere in the lumen while the waveform is 1.
    wall_lead_s : float
        How much earlier than the core the flow along the walls changes.
    edge_m : float
        Flow is needed for abs(x) up to here; what leaves there comes in at the other side.
    """

    def __init__(
        self,
        lumen: Lumen,
        waveform: Waveform,
        *,
        peak_speed_m_s: float,
        wall_lead_s: float,
        edge_m: float,
    ) -> None:
        self.waveform = waveform
        self.edge_m = edge_m
        top_m, bottom_m = lumen.box_m
        n_x = math.ceil(2.0 * (edge_m + _MARGIN_M) / _SPACING_M) + 1
        n_z = math.ceil((bottom_m - top_m + 2.0 * _MARGIN_M) / _SPACING_M) + 1
        self._origin_m = np.array([-(n_x - 1) / 2.0 * _SPACING_M, top_m - _MARGIN_M])
        x_m = self._origin_m[0] + _SPACING_M * np.arange(n_x)
        z_m = self._origin_m[1] + _SPACING_M * np.arange(n_z)
        grid = np.meshgrid(x_m, z_m)
        stream, depth_m = lumen.stream_and_depth(grid[0].ravel(), grid[1].ravel())
        self._depth_m = spline_filter(depth_m.reshape(n_z, n_x))
        spline = spline_filter(stream.reshape(n_z, n_x))
        inside = (depth_m > 0.0).reshape(n_z, n_x)
        self._blood_above_m = _SPACING_M * np.cumsum(inside, axis=0)
        speed = np.hypot(*self._sampled(spline, *grid)[1:])
        fastest = float(speed[inside & (np.abs(grid[0]) <= edge_m)].max())
        # The spline is of the flow whose fastest point runs at 1 m/s.
        self._stream = spline / fastest
        self._lines_per_stream = fastest
        lines = np.linspace(0.0, 1.0, _STREAM_LINES)
        self._lead_s = wall_lead_s * (2.0 * lines - 1.0) ** 2
        self._peak_speed_m_s = peak_speed_m_s
        self._sections_m = tuple(self._section(side * edge_m, z_m) for side in (-1.0, 1.0))

    def _sampled(self, spline: Array, x_m: ArrayLike, z_m: ArrayLike) -> Array:
        x, z = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(z_m, float))
        out = np.empty((3, x.size))
        sample_spline(spline, self._origin_m, _SPACING_M, np.ravel(x), np.ravel(z), out)
        return out.reshape(3, *x.shape)

    def _section(self, x_m: float, z_m: Array) -> Array:
        """Depth of each stream line where the vessels cross a vertical line."""
        fine_m = np.linspace(z_m[0], z_m[-1], 4 * z_m.size)
        inside = self.depth_m(x_m, fine_m) > 0.0
        stream = self._sampled(self._stream, x_m, fine_m)[0] * self._lines_per_stream
        if not inside.any():
            return np.zeros(_SECTION_POINTS)
        lines = np.linspace(0.0, 1.0, _SECTION_POINTS)
        return np.interp(lines, np.maximum.accumulate(stream[inside]), fine_m[inside])

    def depth_m(self, x_m: ArrayLike, z_m: ArrayLike) -> Array:
        """Distance to the nearest wall, positive inside the lumen.

        Far from the vessels, outside the flow's own box, only the sign is right.
        """
        depth_m: Array = self._sampled(self._depth_m, x_m, z_m)[0]
        return depth_m

    def inward(self, x_m: ArrayLike, z_m: ArrayLike) -> tuple[Array, Array]:
        """Give the unit vector (x, z) away from the nearest wall into the blood."""
        _, down, left = self._sampled(self._depth_m, x_m, z_m)
        length = np.maximum(np.hypot(down, left), 1e-9)
        return -left / length, down / length

    def blood_above_m(self, x_m: Array, z_m: Array) -> Array:
        """Measure the blood straight above each point."""
        n_z, n_x = self._blood_above_m.shape
        column = np.rint((x_m - self._origin_m[0]) / _SPACING_M).astype(int)
        row = np.rint((z_m - self._origin_m[1]) / _SPACING_M).astype(int)
        return np.asarray(
            self._blood_above_m[np.clip(row, 0, n_z - 1), np.clip(column, 0, n_x - 1)]
        )

    def speeds_m_s(self, time_s: ArrayLike) -> Array:
        """Speed of every stream line: (..., n_lines) for times of shape (...)."""
        time = np.asarray(time_s, float)[..., None]
        return self._peak_speed_m_s * self.waveform(time + self._lead_s)

    def velocity_m_s(self, x_m: ArrayLike, z_m: ArrayLike, time_s: float) -> tuple[Array, Array]:
        """(vx, vz) at one time, 0 outside the vessels; the shape of ``x_m`` and ``z_m``."""
        psi, vx, vz = self._sampled(self._stream, x_m, z_m)
        return self._at(time_s, psi, vx, vz, self.depth_m(x_m, z_m) > 0.0)

    def _at(
        self, time_s: float, psi: Array, vx: Array, vz: Array, inside: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        lines = np.linspace(0.0, 1.0, _STREAM_LINES)
        speed = np.interp(psi * self._lines_per_stream, lines, self.speeds_m_s(time_s))
        speed = np.where(inside, speed, 0.0)
        return speed * vx, speed * vz

    def flux_m2_s(self, x_m: float, between_m: tuple[float, float], time_s: float) -> float:
        """Blood that crosses a vertical line between two depths, per second and metre of width."""
        z_m = np.linspace(*between_m, 2001)
        vx, _ = self.velocity_m_s(x_m, z_m, time_s)
        return float(np.trapezoid(vx, z_m))

    def draw(self, density_per_m2: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random points, uniform in the lumen: (x_m, z_m), sorted by depth."""
        low = self._origin_m[1]
        high = low + _SPACING_M * (self._stream.shape[0] - 1)
        n = round(density_per_m2 * 2.0 * self.edge_m * (high - low))
        x_m = rng.uniform(-self.edge_m, self.edge_m, n)
        z_m = np.sort(rng.uniform(low, high, n))
        inside = self.depth_m(x_m, z_m) > 0.0
        return x_m[inside], z_m[inside]

    def carry(self, x_m: Array, z_m: Array, time_s: float, duration_s: float) -> None:
        """Move points with the flow, in place, from ``time_s`` for ``duration_s``."""
        inlet, outlet = self._sections_m
        carry_points(
            x_m, z_m, self._stream, self._origin_m, _SPACING_M, self._lines_per_stream,
            self.speeds_m_s(time_s + 0.5 * duration_s), duration_s, _STEP_M, self.edge_m,
            inlet, outlet,
        )  # fmt: skip

    @lru_cache(maxsize=8)  # noqa: B019 - a flow lives as long as the program's scene
    def _on(self, grid: ImageGrid) -> tuple[Array, NDArray[np.bool_]]:
        x_m, z_m = grid.positions_m()
        return self._sampled(self._stream, x_m, z_m), self.depth_m(x_m, z_m) > 0.0

    def on(self, grid: ImageGrid, time_s: float) -> tuple[Array, Array, NDArray[np.bool_]]:
        """(vx, vz, inside) at the samples of a grid, each (n_depths, n_lines)."""
        (psi, vx, vz), inside = self._on(grid)
        return *self._at(time_s, psi, vx, vz, inside), inside


@dataclass(frozen=True, eq=False)
class Truth:
    """The flow of one frame as its acquisition sees it; a ``frames.FlowTruth``."""

    flow: Flow
    time_s: float
    transmit_rad: float
    receive_rad: float

    def on(self, grid: ImageGrid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Projected velocity and vessel mask; see ``frames.FlowTruth.on``."""
        vx, vz, inside = self.flow.on(grid, self.time_s)
        truth = plane_wave_velocity_m_s(vx, vz, self.transmit_rad, self.receive_rad)
        return truth.astype(np.float32), inside.copy()
