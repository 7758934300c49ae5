"""What flows in a vessel, as a stream function over space and the heart cycle.

Either in closed form, or solved beforehand and read from a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter, spline_filter1d

from ..assets import phantom
from .phantoms import read_phantom
from .solver import Problem
from .vessels import Lumen, Walled
from .waveform import STEADY, Waveform

Array = NDArray[np.float64]

_SPACING_M = 1.5e-4
_MARGIN_M = 4e-3
_STREAM_LINES = 65
_PHASES = 64
# Kinematic viscosity of blood at the shear rates of arteries.
BLOOD_M2_S = 3.5e-6


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream function: cubic B-splines in the plane and, periodic, in time.

    Attributes
    ----------
    origin_m : (2,) float64
        Place (x, z) of the first spline; whole ``spacing_m`` from x = 0 and z = 0.
    spacing_m : float
    shape : tuple of int
        Splines along z and x.
    active : (n,) int64
        Flat numbers of the splines that are not zero all the time.
    phases : (n_phases, n) float64
        Their coefficients, themselves spline coefficients in time; m^2/s.
    period_s : float
    """

    origin_m: Array
    spacing_m: float
    shape: tuple[int, int]
    active: NDArray[np.int64]
    phases: Array
    period_s: float

    def at(self, time_s: float) -> Array:
        """Coefficients of the splines in the plane at one time: (n_z, n_x)."""
        spline = np.zeros(self.shape[0] * self.shape[1])
        spline[self.active] = self._coefficients(time_s)
        return spline.reshape(self.shape)

    def _coefficients(self, time_s: float) -> Array:
        n = len(self.phases)
        if n == 1:
            return np.asarray(self.phases[0])
        place = time_s / self.period_s * n
        whole = math.floor(place)
        f = place - whole
        g = 1.0 - f
        weights = (g**3, 4.0 - 6.0 * f**2 + 3.0 * f**3, 4.0 - 6.0 * g**2 + 3.0 * g**3, f**3)
        return np.asarray(
            sum(w / 6.0 * self.phases[(whole + k - 1) % n] for k, w in enumerate(weights))
        )


def periodic_spline(samples: Array) -> Array:
    """Coefficients in time of samples (n_phases, n) that repeat."""
    if len(samples) == 1:
        return samples
    return np.asarray(spline_filter1d(samples, axis=0, mode="grid-wrap"))


class Blood(Protocol):
    """Flow in a lumen."""

    @property
    def lumen(self) -> Lumen:
        """Where it flows."""
        ...

    @property
    def waveform(self) -> Waveform:
        """Its course in time."""
        ...

    def stream(self, edge_m: float) -> Stream:
        """Stream function for abs(x) up to ``edge_m`` at least."""
        ...


@dataclass(frozen=True)
class ClosedForm:
    """Flow along the stream lines that the lumen names.

    Exact for a straight tube and a turning disc; elsewhere it follows the walls without inertia.
    Every stream line has its own course over the heart cycle: those along the walls have less
    momentum and turn round earlier, as in Womersley flow.

    Attributes
    ----------
    lumen : Lumen
    waveform : Waveform
    peak_speed_m_s : float
        Highest speed anywhere in the lumen while the waveform is 1; negative: to the left.
    wall_lead_s : float
        How much earlier than the core the flow along the walls changes.
    spacing_m : float
        Of the stream function's samples.
    """

    lumen: Lumen
    waveform: Waveform = STEADY
    peak_speed_m_s: float = 0.6
    wall_lead_s: float = 0.0
    spacing_m: float = _SPACING_M

    def stream(self, edge_m: float) -> Stream:
        """See :meth:`Blood.stream`."""
        h = self.spacing_m
        top_m, bottom_m = self.lumen.box_m
        reach = math.ceil((edge_m + _MARGIN_M) / h)
        first = math.floor((top_m - _MARGIN_M) / h)
        x_m = h * np.arange(-reach, reach + 1)
        z_m = h * np.arange(first, math.ceil((bottom_m + _MARGIN_M) / h) + 1)
        grid = np.meshgrid(x_m, z_m)
        psi, depth_m = (
            values.reshape(grid[0].shape)
            for values in self.lumen.stream_and_depth(grid[0].ravel(), grid[1].ravel())
        )
        along_z, along_x = np.gradient(psi, h)
        seen = (depth_m > 0.0) & (np.abs(grid[0]) <= edge_m)
        line_m2_s = self.peak_speed_m_s / np.hypot(along_z, along_x)[seen].max()
        near = np.flatnonzero(depth_m.ravel() > -4.0 * h)
        steady = not self.waveform.bumps
        n = 1 if steady else _PHASES
        lines = np.linspace(0.0, 1.0, _STREAM_LINES)
        lead_s = self.wall_lead_s * (2.0 * lines - 1.0) ** 2
        samples = np.empty((n, near.size))
        for k in range(n):
            speed = self.waveform(self.waveform.period_s * k / n + lead_s)
            flux = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]))]) / (
                _STREAM_LINES - 1
            )
            line = psi.ravel()
            # Behind the walls the flow goes on as it is along them.
            passed = np.interp(line, lines, flux)
            passed += np.minimum(line, 0.0) * speed[0] + np.maximum(line - 1.0, 0.0) * speed[-1]
            plane = spline_filter((line_m2_s * passed).reshape(psi.shape))
            samples[k] = plane.ravel()[near]
        origin_m = np.array([x_m[0], z_m[0]])
        return Stream(
            origin_m, h, (z_m.size, x_m.size), near, periodic_spline(samples),
            self.waveform.period_s,
        )  # fmt: skip


@dataclass(frozen=True)
class Solved:
    """Flow that was solved with its inertia; its phases lie in ``models/phantoms``.

    Attributes
    ----------
    phantom : str
        Name of the file, without its suffix.
    lumen : Walled
    waveform : Waveform
    peak_flow_m2_s : float
        Flow while the waveform is 1, per metre of depth; negative: to the left.
    fastest_m_s : float
        A guess of the highest speed anywhere, for the time step of the solution.
    branch : Waveform, optional
        Course of the flow in the upper of two branches, where it differs.
    viscosity_m2_s : float
        Kinematic; fast jets need more than blood has, or the smallest eddies are lost between the
        samples.
    n_phases : int
        Solved phases of the cycle that are kept.
    """

    phantom: str
    lumen: Walled
    waveform: Waveform
    peak_flow_m2_s: float
    fastest_m_s: float
    branch: Waveform | None = None
    viscosity_m2_s: float = BLOOD_M2_S
    n_phases: int = 48

    def problem(self) -> Problem:
        """Give what the solver solves."""
        courses = []
        for wall in self.lumen.walls:
            between = 0.0 < wall.stream < 1.0
            course = self.branch if between and self.branch is not None else self.waveform
            courses.append(course.scaled(wall.stream * self.peak_flow_m2_s))
        return Problem(
            self.lumen,
            tuple(courses),
            self.waveform.period_s,
            self.viscosity_m2_s,
            self.fastest_m_s,
        )

    def stream(self, edge_m: float) -> Stream:
        """See :meth:`Blood.stream`."""
        del edge_m
        stored = read_phantom(phantom(self.phantom + ".npz"))
        return Stream(
            stored.origin_m, stored.spacing_m, stored.shape, stored.active,
            periodic_spline(stored.samples()), self.waveform.period_s,
        )  # fmt: skip
