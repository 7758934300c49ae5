"""Unsteady flow of blood in rigid vessels: the Navier-Stokes equations in the plane.

The unknown is the stream function psi, as cubic B-splines on a regular grid. Every such field is
incompressible to the last bit, and it is the very field that the simulated probe samples: nothing
is interpolated or projected afterwards. Multiplying the vorticity equation by every spline phi
gives, with u = (d psi / dz, -d psi / dx),

    int grad(phi) . grad(psi_t) + nu int D2(phi) : D2(psi) + int lap(psi) u . grad(phi) = 0,

a Galerkin method like that of J. A. Evans and T. J. R. Hughes (J. Comput. Phys. 241, 2013).
Integrals reach over the lumen only, so that walls may lie anywhere between the samples. On a wall
psi is what has flowed past it, which fixes the flow of every branch, and grad(psi) is zero; both
are held by penalties. At the openings the flow is brought to that of a long straight vessel
(J. R. Womersley, J. Physiol. 127, 1955) within a short fringe. Inertia is stepped explicitly, the
rest implicitly (SBDF2: U. M. Ascher et al., SIAM J. Numer. Anal. 32, 1995), so that one
factorisation serves all steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import spline_filter
from scipy.sparse.linalg import splu

from .kernels_solver import add_inertia
from .vessels import Wall, Walled

Array = NDArray[np.float64]

# Parts of a cell per direction where a wall cuts through it; two Gauss points in each.
_PARTS = 5
_INERTIA_POINTS = 3
# Behind the walls the splines go on as smoothly as they can, at hardly any cost.
_BEHIND = 1e-2
# Slip on a wall is the shear rate times the spacing over this.
_GRIP = 200.0
_TIGHTNESS = 30.0
_FRINGE_M = 3e-3
# Times that the fringe turns the flow over while the blood passes through it.
_FRINGE_PULL = 8.0
# Viscosity that the fringe adds, over speed times spacing: what enters it would otherwise send
# ripples of the size of the spacing back upstream.
_FRINGE_CALM = 0.1
_HARMONICS = 28
_LARGEST_COURANT = 0.12


def cubic(place: Array) -> tuple[Array, Array, Array]:
    """Four cubic B-splines and two derivatives at fractions of a cell: each (n, 4)."""
    f = place[:, None]
    g = 1.0 - f
    value = [g**3, 4.0 - 6.0 * f**2 + 3.0 * f**3, 4.0 - 6.0 * g**2 + 3.0 * g**3, f**3]
    slope = [-3.0 * g**2, 9.0 * f**2 - 12.0 * f, 12.0 * g - 9.0 * g**2, 3.0 * f**2]
    bend = [6.0 * g, 18.0 * f - 12.0, 18.0 * g - 12.0, 6.0 * f]
    return tuple(np.hstack(parts) / 6.0 for parts in (value, slope, bend))  # type: ignore[return-value]


def developed(
    share: Array, half_width_m: float, omega: float, viscosity: float
) -> NDArray[np.complex128]:
    """Share of the flow between one wall and a point of a long straight vessel; complex.

    Parameters
    ----------
    share : ndarray
        Distance from that wall over the width: 0 ... 1.
    half_width_m : float
    omega : float
        Angular frequency of the flow; 0 is a parabola.
    viscosity : float
        Kinematic.
    """
    if omega == 0.0:
        return np.asarray(share * share * (3.0 - 2.0 * share), complex)
    y = 2.0 * share - 1.0
    womersley = half_width_m * np.sqrt(1j * omega / viscosity)
    # sinh and cosh over cosh(womersley), without overflow.
    decay = np.exp(-2.0 * womersley)
    sinh = (np.exp(womersley * (y - 1.0)) - np.exp(-womersley * (y + 1.0))) / (1.0 + decay)
    tanh = (1.0 - decay) / (1.0 + decay)
    return np.asarray((y + 1.0 - (sinh + tanh) / womersley) / (2.0 - 2.0 * tanh / womersley))


@dataclass(frozen=True)
class Problem:
    """A vessel and what flows through it.

    Attributes
    ----------
    lumen : Walled
    courses : tuple of callable
        Flow between the first wall and each wall at any time, in m^2/s (per metre of depth).
    period_s : float
    viscosity_m2_s : float
        Kinematic.
    spacing_m : float
    reach_m : float
        The flow is solved for abs(x) up to here; the fringe is its last part.
    fastest_m_s : float
        A guess of the highest speed: sets the time step.
    """

    lumen: Walled
    courses: tuple[Callable[[Array], Array], ...]
    period_s: float
    viscosity_m2_s: float
    fastest_m_s: float
    spacing_m: float = 3e-4
    reach_m: float = 24.6e-3


class Solver:
    """Steps a problem through time.

    Parameters
    ----------
    problem : Problem
    n_phases : int
        The time step divides the heart cycle into a multiple of so many.

    Attributes
    ----------
    origin_m : (2,) float64
        Place (x, z) of the first spline.
    shape : tuple of int
        Splines along z and x.
    step_s : float
    """

    def __init__(self, problem: Problem, n_phases: int = 1) -> None:
        self.problem = problem
        h = problem.spacing_m
        largest_s = _LARGEST_COURANT * h / problem.fastest_m_s
        self.steps_per_phase = math.ceil(problem.period_s / n_phases / largest_s)
        self.step_s = problem.period_s / n_phases / self.steps_per_phase
        top_m, bottom_m = problem.lumen.box_m
        n_x = 2 * math.ceil(problem.reach_m / h) + 3
        n_z = math.ceil((bottom_m - top_m) / h) + 10
        self.shape = n_z, n_x
        # Whole cells from z = 0, so that the splines of several vessels fall together.
        self.origin_m = h * np.array([-(n_x - 1) / 2.0, math.floor(top_m / h) - 4.0])
        self._cells, masks = self._cut()
        self._mass, hessian, fringe = self._matrices(masks)
        grip, tight, walls = self._wall_terms()
        nu = problem.viscosity_m2_s
        system = (
            1.5 / self.step_s * self._mass + nu * hessian + fringe[:, self.active]
            + _GRIP * nu / h * grip + _TIGHTNESS / (h * self.step_s) * tight
        )  # fmt: skip
        self._solve = splu(
            sparse.csc_matrix(system), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        ).solve  # fmt: skip
        self._force = self._forcing(_TIGHTNESS / (h * self.step_s) * walls, fringe)
        points = np.polynomial.legendre.leggauss(_INERTIA_POINTS)
        self._points = cubic(0.5 + 0.5 * points[0])
        self._quadrature = self._inertia_weights(points)

    # --- geometry ---------------------------------------------------------------------------

    def _depth_m(self, x_m: Array, z_m: Array) -> Array:
        depth_m = self.problem.lumen.stream_and_depth(x_m.ravel(), z_m.ravel())[1]
        return depth_m.reshape(x_m.shape)

    def _cut(self) -> tuple[NDArray[np.int64], Array]:
        """Cells (row, column) that hold blood, and which of their fine points do: (n, p, p)."""
        h = self.problem.spacing_m
        n_z, n_x = self.shape
        rows, columns = (a.ravel() for a in np.mgrid[1 : n_z - 2, 1 : n_x - 2])
        x_m = self.origin_m[0] + h * (columns + 0.5)
        z_m = self.origin_m[1] + h * (rows + 0.5)
        depth_m = self._depth_m(x_m, z_m)
        near = depth_m > -0.75 * h
        cells = np.stack([rows[near], columns[near]])
        place, _ = _fine_points()
        masks = np.ones((cells.shape[1], place.size, place.size))
        cut = np.flatnonzero(depth_m[near] < 0.75 * h)
        at_x = self.origin_m[0] + h * (cells[1, cut][:, None, None] + place[None, None, :])
        at_z = self.origin_m[1] + h * (cells[0, cut][:, None, None] + place[None, :, None])
        masks[cut] = self._depth_m(*np.broadcast_arrays(at_x, at_z)) > 0.0
        wet = masks.any((1, 2))
        return cells[:, wet], masks[wet]

    def _inertia_weights(self, points: tuple[Array, Array]) -> Array:
        h = self.problem.spacing_m
        place, weight = 0.5 + 0.5 * points[0], 0.5 * points[1]
        rows, columns = self._cells
        at_x = self.origin_m[0] + h * (columns[:, None, None] + place[None, None, :])
        at_z = self.origin_m[1] + h * (rows[:, None, None] + place[None, :, None])
        inside = self._depth_m(*np.broadcast_arrays(at_x, at_z)) > 0.0
        return np.asarray(inside * (h * h * weight[:, None] * weight))

    # --- matrices ---------------------------------------------------------------------------

    def _numbers(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the 16 splines of each cell: (n, 16)."""
        k = np.arange(-1, 3)
        row, column = rows[:, None, None] + k[:, None], columns[:, None, None] + k
        return (row * self.shape[1] + column).reshape(-1, 16)

    def _matrices(self, masks: Array) -> tuple[sparse.csr_matrix, ...]:
        """Mass, bending and fringe; also finds the splines that reach into the blood."""
        h = self.problem.spacing_m
        numbers = self._numbers(*self._cells)
        self.active = np.unique(numbers)
        place, weight = _fine_points()
        value, slope, bend = cubic(place)

        def products(*pairs: tuple[Array, Array]) -> Array:
            """Sum of the products of a derivative of all splines with itself: (p p, 256)."""
            total = np.zeros((place.size**2, 256))
            for along_z, along_x in pairs:
                field = np.einsum("qk,pm->qpkm", along_z, along_x).reshape(-1, 16)
                total += np.einsum("pi,pj->pij", field, field).reshape(-1, 256)
            return total * np.outer(weight, weight).reshape(-1, 1)

        gradient = products((slope, value), (value, slope))
        curvature = products((bend, value), (value, bend), (slope, slope), (slope, slope)) / h**2
        inside = masks.reshape(len(masks), -1)
        x_m = self.origin_m[0] + h * (self._cells[1][:, None] + place)
        begin_m = self.problem.reach_m - _FRINGE_M
        ramp = np.clip((np.abs(x_m) - begin_m) / _FRINGE_M, 0.0, 1.0) ** 2
        pull = _FRINGE_PULL * self.problem.fastest_m_s / _FRINGE_M * ramp
        # Nothing is known beyond the last cells: there the flow is the wanted one.
        pull[np.abs(x_m) > self.problem.reach_m - 4.0 * h] = 30.0 / self.step_s
        pulled = (masks * pull[:, None, :]).reshape(inside.shape)
        mass = self._assembled(numbers, inside @ gradient)
        calm = _FRINGE_CALM * self.problem.fastest_m_s * h / self.problem.viscosity_m2_s * ramp
        stiff = ((masks + _BEHIND * (1.0 - masks)) * (1.0 + calm[:, None, :])).reshape(inside.shape)
        hessian = self._assembled(numbers, stiff @ curvature)
        fringe = self._assembled(numbers, pulled @ gradient)[self.active]
        return mass[self.active][:, self.active], hessian[self.active][:, self.active], fringe

    def _assembled(self, numbers: NDArray[np.int64], parts: Array) -> sparse.csr_matrix:
        n, m = numbers.shape
        row = np.repeat(numbers, m, axis=1).ravel()
        column = np.tile(numbers, m).ravel()
        size = self.shape[0] * self.shape[1]
        return sparse.csr_matrix((parts.reshape(n * m * m), (row, column)), shape=(size, size))

    def _wall_terms(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix, Array]:
        """Penalties of slip and of leaks, and the right-hand side of the latter for each wall."""
        h = self.problem.spacing_m
        size = self.shape[0] * self.shape[1]
        grip = sparse.csr_matrix((size, size))
        tight = sparse.csr_matrix((size, size))
        rights = []
        for wall in self.problem.lumen.walls:
            curve = wall.curve_m()
            middle, length = 0.5 * (curve[1:] + curve[:-1]), np.hypot(*np.diff(curve, axis=0).T)
            at = (middle - self.origin_m) / h
            last = np.array([self.shape[1] - 2, self.shape[0] - 2])
            seen = np.all((at >= 1.0) & (at < last), axis=1)
            at, length = at[seen], length[seen]
            cell = at.astype(np.int64)
            # Values along x, then along z, of the splines at each point of the wall.
            (vx, sx, _), (vz, sz, _) = (cubic(at[:, k] - cell[:, k]) for k in (0, 1))
            numbers = self._numbers(cell[:, 1], cell[:, 0])
            fields = [
                np.einsum("nk,nm->nkm", along_z, along_x).reshape(-1, 16)
                for along_z, along_x in ((vz, vx), (sz, vx), (vz, sx))
            ]
            squares = [np.einsum("n,ni,nj->nij", length, f, f) for f in fields]
            tight = tight + self._assembled(numbers, squares[0])
            grip = grip + self._assembled(numbers, (squares[1] + squares[2]) / h**2)
            right = np.zeros(size)
            np.add.at(right, numbers, length[:, None] * fields[0])
            rights.append(right[self.active])
        keep = self.active
        return grip[keep][:, keep], tight[keep][:, keep], np.stack(rights, axis=1)

    def _openings(self) -> Iterator[tuple[float, int, int]]:
        """Side, upper and lower wall of every opening."""
        walls = self.problem.lumen.walls
        for side in (-1.0, 1.0):
            crossings = sorted(
                (float(z_m), number)
                for number, wall in enumerate(walls)
                for z_m in _crossings(wall, side * (self.problem.reach_m - 1e-4))
            )
            for upper, lower in list(pairwise(crossings))[::2]:
                yield side, upper[1], lower[1]

    def _forcing(self, walls: Array, fringe: sparse.csr_matrix) -> Callable[[float], Array]:
        """Right-hand side at any time."""
        problem = self.problem
        n = 16 * _HARMONICS
        times_s = problem.period_s * np.arange(n) / n
        # Harmonics of the flow between the first wall and each wall: (n_walls, n_harmonics).
        parts = np.stack([np.fft.rfft(c(times_s))[:_HARMONICS] / n for c in problem.courses])
        parts[:, 1:] *= 2.0
        omegas = 2.0 * np.pi / problem.period_s * np.arange(_HARMONICS)
        self._parts, self._omegas = parts, omegas
        n_z, n_x = self.shape
        h = problem.spacing_m
        x_m, z_m = np.meshgrid(
            self.origin_m[0] + h * np.arange(n_x), self.origin_m[1] + h * np.arange(n_z)
        )
        near = np.abs(x_m) > problem.reach_m - _FRINGE_M - 3.0 * h
        wanted = np.zeros((_HARMONICS, n_z, n_x), complex)
        for side, first, second in self._openings():
            upper, lower = problem.lumen.walls[first], problem.lumen.walls[second]
            here = near & (side * x_m > 0.0)
            up = np.full(x_m.shape, -1.0)
            down = np.full(x_m.shape, -1.0)
            up[here] = upper.distances(x_m[here], z_m[here])[0]
            down[here] = lower.distances(x_m[here], z_m[here])[0]
            # A band around the vessel that no other opening touches.
            here &= (up > -4.5 * h) & (down > -4.5 * h)
            here &= (up + down) < 1.5 * np.median((up + down)[here & (up > 0) & (down > 0)])
            width_m = float(np.median((up + down)[here & (up > 0.0) & (down > 0.0)]))
            share = np.clip(up[here] / width_m, -0.2, 1.2)
            for k, omega in enumerate(omegas):
                profile = developed(share, 0.5 * width_m, omega, problem.viscosity_m2_s)
                through = parts[second, k] - parts[first, k]
                wanted[k][here] = parts[first, k] + through * profile
        target = np.stack(
            [fringe @ (spline_filter(w.real) + 1j * spline_filter(w.imag)).ravel() for w in wanted],
            axis=1,
        )
        rows = np.flatnonzero(np.abs(target).max(axis=1))
        target = target[rows]

        def force(time_s: float) -> Array:
            # Without BLAS: its threads would spin through the whole run.
            turn = np.exp(1j * omegas * time_s)
            right = np.einsum("nw,w->n", walls, np.einsum("wk,k->w", parts, turn).real)
            right[rows] += np.einsum("nk,k->n", target, turn).real
            return np.asarray(right)

        return force

    # --- time -------------------------------------------------------------------------------

    def inertia(self, coefficients: Array) -> Array:
        """Weak form of advection for the coefficients of the active splines."""
        spline = self.spline(coefficients)
        out = np.zeros(self.shape)
        rows, columns = self._cells
        add_inertia(
            spline, rows, columns, self._quadrature, *self._points, self.problem.spacing_m, out
        )
        return np.asarray(out.ravel()[self.active])

    def spline(self, coefficients: Array) -> Array:
        """All coefficients (n_z, n_x) from those of the active splines."""
        spline = np.zeros(self.shape[0] * self.shape[1])
        spline[self.active] = coefficients
        return spline.reshape(self.shape)

    def run(self, start_s: float, n_phases: int) -> Iterator[Array]:
        """Start with a push and yield the active coefficients after every phase."""
        dt = self.step_s
        c = self._solve(self._force(start_s))
        for _ in range(40):
            c = self._solve(self._force(start_s) + 1.5 / dt * (self._mass @ c))
        before, push_before = c, self.inertia(c)
        step = 0
        for _ in range(n_phases):
            for _ in range(self.steps_per_phase):
                step += 1
                push = self.inertia(c)
                right = self._mass @ ((2.0 * c - 0.5 * before) / dt) - 2.0 * push + push_before
                before, push_before = c, push
                c = self._solve(right + self._force(start_s + step * dt))
            yield c


def _fine_points() -> tuple[Array, Array]:
    """Points and weights for the integral over one side of a cell that may be cut."""
    offset = np.array([-1.0, 1.0]) / math.sqrt(3.0)
    place = ((np.arange(_PARTS)[:, None] + 0.5 + 0.5 * offset) / _PARTS).ravel()
    return place, np.full(place.size, 1.0 / place.size)


def _crossings(wall: Wall, x_m: float) -> Array:
    """Depths at which a wall crosses a vertical line."""
    curve = wall.curve_m()
    beyond = curve[:, 0] - x_m
    at = np.flatnonzero(beyond[1:] * beyond[:-1] <= 0.0)
    return np.asarray(curve[at, 1])
