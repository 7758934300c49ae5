"""The inside of vessels: where blood is, and the lines along which it flows.

A stream function makes the flow incompressible whatever its shape: velocity is
(d psi / dz, -d psi / dx). It is built from the distances to the walls, so that every wall is a
stream line and the velocity on it is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

Array = NDArray[np.float64]
Points = tuple[tuple[float, float], ...]

_CURVE_STEP_M = 1e-4
# Behind a wall the stream function goes on smoothly for a little, so that interpolation near the
# wall is as good as anywhere, and is constant beyond.
_BEHIND_WALL_M = 0.6e-3


class Lumen(Protocol):
    """Where the blood is and how it flows; values are hashable, so that they can key a cache."""

    def stream_and_depth(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Sample the lumen.

        Parameters
        ----------
        x_m, z_m : (n,) float64

        Returns
        -------
        stream : (n,) float64
            Stream function in arbitrary units; 0 ... 1 across a vessel.
        depth_m : (n,) float64
            Distance to the nearest wall, positive inside the lumen.
        """
        ...

    @property
    def box_m(self) -> tuple[float, float]:
        """Smallest and largest z that hold all of the lumen."""
        ...


class Walled(Lumen, Protocol):
    """A lumen between walls, in which the flow can be solved."""

    @property
    def walls(self) -> tuple[Wall, ...]:
        """All walls; the first one is where the stream function is zero."""
        ...


@dataclass(frozen=True)
class Wall:
    """A smooth curve through points, with the blood to its right hand as x goes right, z down.

    Attributes
    ----------
    points_m : tuple of (x, z)
        The curve is a cubic spline through them.
    stream : float
        Value of the stream function on this wall.
    """

    points_m: Points
    stream: float

    def curve_m(self) -> Array:
        """(n, 2) points of the curve, closely spaced."""
        return _curve(self.points_m)

    def distances(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Signed distance (positive in the blood) and the arc length of the nearest point."""
        curve, tree, arc_m = _tree(self.points_m)
        point = np.stack([x_m, z_m], -1)
        nearest = tree.query(point)[1]
        before = np.clip(nearest, 1, len(curve) - 2)
        along = curve[before + 1] - curve[before - 1]
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        offset = point - curve[before]
        side = along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]
        step = np.einsum("ij,ij->i", along, offset)
        # Within one step of the curve the nearest point lies between two samples of it.
        between = np.clip(step, -_CURVE_STEP_M, _CURVE_STEP_M)
        away = np.hypot(side, step - between)
        return np.copysign(away, side), arc_m[before] + between


@lru_cache(maxsize=32)
def _curve(points_m: Points) -> Array:
    points = np.asarray(points_m)
    chord = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    spline = CubicSpline(chord, points, bc_type="natural")
    return np.asarray(spline(np.linspace(0.0, chord[-1], int(chord[-1] / _CURVE_STEP_M) + 1)))


@lru_cache(maxsize=32)
def _tree(points_m: Points) -> tuple[Array, KDTree, Array]:
    curve = _curve(points_m)
    arc_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    return curve, KDTree(curve), arc_m


def _across(weights: tuple[Array, ...], walls: tuple[Wall, ...]) -> Array:
    """Stream function from each wall's share of nearness; parabolic flow between two walls."""
    parts = [share * share * (3.0 - 2.0 * share) for share in weights]
    total: Array = np.asarray(sum(parts))
    return np.asarray(sum(w.stream * p for w, p in zip(walls, parts, strict=True))) / total


@dataclass(frozen=True)
class Channel:
    """A vessel between two walls, with parabolic flow across it.

    Attributes
    ----------
    upper, lower : Wall
        ``upper`` runs to the right, ``lower`` to the left.
    jet_m : tuple of (start, length), optional
        Where a narrowing sheds a jet: from x = start its core runs faster and the flow beside it
        runs backwards, fading out over the length.
    jet_strength : float
        0 is no jet; above 2 there is backward flow along the walls.
    """

    upper: Wall
    lower: Wall
    jet_m: tuple[float, float] | None = None
    jet_strength: float = 0.0

    @property
    def walls(self) -> tuple[Wall, ...]:
        """Both walls."""
        return self.upper, self.lower

    @property
    def box_m(self) -> tuple[float, float]:
        """Smallest and largest z of the walls."""
        return _box(self.walls)

    def stream_and_depth(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Sample the lumen; see :class:`Lumen`."""
        walls = self.walls
        signed = [wall.distances(x_m, z_m)[0] for wall in walls]
        up, down = (np.maximum(d, -_BEHIND_WALL_M) for d in signed)
        share = up / (up + down)
        stream = _across((1.0 - share, share), walls)
        if self.jet_m is not None:
            start_m, length_m = self.jet_m
            along = np.clip((x_m - start_m) / length_m, 0.0, 1.0)
            onset = np.minimum(1.0, 4.0 * along)
            swell = onset**2 * (3.0 - 2.0 * onset) * (1.0 - along) ** 2
            stream = stream + self.jet_strength * swell * stream * (1.0 - stream) * (stream - 0.5)
        return stream, np.minimum(*signed)


@dataclass(frozen=True)
class Bifurcation:
    """A vessel that divides in two.

    Attributes
    ----------
    upper, lower : Wall
        Outer walls; ``upper`` runs to the right, ``lower`` to the left.
    divider : Wall
        Comes from the right along the upper branch, turns at the apex and goes back along the
        lower branch. Its stream value is the share of the flow in the upper branch.
    """

    upper: Wall
    lower: Wall
    divider: Wall

    @property
    def walls(self) -> tuple[Wall, ...]:
        """The two outer walls and the divider."""
        return self.upper, self.lower, self.divider

    @property
    def box_m(self) -> tuple[float, float]:
        """Smallest and largest z of the walls."""
        return _box(self.walls)

    def stream_and_depth(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Sample the lumen; see :class:`Lumen`."""
        walls = self.walls
        signed, arcs = zip(*(wall.distances(x_m, z_m) for wall in walls), strict=True)
        up, down, middle = (np.maximum(d, -_BEHIND_WALL_M) for d in signed)
        # Inside a branch the far outer wall is out of sight behind the divider: it moves away
        # with the way into the branch. Both branches begin at the apex, so nothing jumps.
        apex_x_m, apex_arc_m = _apex(self.divider.points_m)
        hidden_m = np.maximum(x_m - apex_x_m, 0.0) ** 3 / 5e-3**2
        in_upper = arcs[2] < apex_arc_m
        up = up + np.where(in_upper, 0.0, hidden_m)
        down = down + np.where(in_upper, hidden_m, 0.0)
        products = (down * middle, up * middle, up * down)
        total = products[0] + products[1] + products[2]
        shares = tuple(product / total for product in products)
        return _across(shares, walls), np.minimum.reduce(signed)


@lru_cache(maxsize=8)
def _apex(points_m: Points) -> tuple[float, float]:
    """X of the divider's leftmost point, and its arc length."""
    curve, _, arc_m = _tree(points_m)
    tip = int(np.argmin(curve[:, 0]))
    return float(curve[tip, 0]), float(arc_m[tip])


@dataclass(frozen=True)
class Disc:
    """A body that turns like a wheel, anticlockwise on the screen.

    Attributes
    ----------
    centre_m : tuple of float
    radius_m : float
    """

    centre_m: tuple[float, float]
    radius_m: float

    @property
    def box_m(self) -> tuple[float, float]:
        """Smallest and largest z of the disc."""
        return self.centre_m[1] - self.radius_m, self.centre_m[1] + self.radius_m

    def stream_and_depth(self, x_m: Array, z_m: Array) -> tuple[Array, Array]:
        """Sample the lumen; see :class:`Lumen`."""
        r_m = np.hypot(x_m - self.centre_m[0], z_m - self.centre_m[1])
        return 0.5 * (r_m / self.radius_m) ** 2, self.radius_m - r_m


def _box(walls: tuple[Wall, ...]) -> tuple[float, float]:
    depths = np.concatenate([wall.curve_m()[:, 1] for wall in walls])
    return float(depths.min()), float(depths.max())


def straight_walls(
    middle_m: tuple[float, float], radius_m: float, tilt_rad: float, reach_m: float
) -> tuple[Wall, Wall]:
    """Walls of a straight vessel through a point; a positive tilt goes down to the right."""
    along = np.array([math.cos(tilt_rad), math.sin(tilt_rad)])
    normal = np.array([-along[1], along[0]])
    ends = np.asarray(middle_m) + np.outer([-reach_m, 0.0, reach_m], along)
    upper, lower = ends - radius_m * normal, (ends + radius_m * normal)[::-1]
    return (
        Wall(tuple((float(x), float(z)) for x, z in upper), 0.0),
        Wall(tuple((float(x), float(z)) for x, z in lower), 1.0),
    )
