"""Random vessels with flow: tubes, branches, jets, swirls beside a wall, crossings, chambers.

A stream function makes the flow incompressible along each tube; across it, the speed is a blunt
parabola with, in places, a jet that drags blood backwards beside it and a skew. In a chamber, as in
an aneurysm, blood goes round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import binary_dilation, gaussian_filter1d

from .kernels_synthesis import nearest

Float64 = NDArray[np.float64]

_N_POINTS = 128
# A stream function has spikes where tubes part; no blood does that.
_SPIKE_PERCENTILE = 99.5
_LEAST_AREA = 0.04
_TRIES = 9
_CHAMBERS = 0.08


@dataclass(frozen=True, eq=False)
class Flow:
    """Where blood is and how it moves, with a margin of pixels around the picture.

    Attributes
    ----------
    velocity : (2, n_rows, n_lines) float32
        Along rows and lines, both in row steps per unit of time; 0 outside the lumen.
    lumen : (n_rows, n_lines) bool
    margin : int
        Pixels on every side that do not belong to the picture.
    """

    velocity: NDArray[np.float32]
    lumen: NDArray[np.bool_]
    margin: int


@dataclass(frozen=True, eq=False)
class _Tube:
    """Centre line in row steps, radius, jet, skew and bluntness along it."""

    row: Float64
    line: Float64
    radius: Float64
    jet: Float64
    skew: Float64
    power: float


def random_flow(
    rng: np.random.Generator, shape: tuple[int, int], margin: int, aspect: float
) -> Flow:
    """Draw the vessels of one scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (n_rows, n_lines)
        Picture without its margin.
    margin : int
    aspect : float
        Length of a line step in row steps.
    """
    wide = (shape[0] + 2 * margin, shape[1] + 2 * margin)
    velocity = np.zeros((2, *wide), np.float32)
    lumen = np.zeros(wide, np.bool_)
    n_vessels = rng.choice([1, 2, 3, 4], p=[0.4, 0.35, 0.15, 0.1])
    for attempt in range(_TRIES):
        draw = _chamber if rng.random() < _CHAMBERS else _vessel
        field, inside = draw(rng, wide, margin, aspect)
        crossing = rng.random() < 0.15
        if not crossing and np.any(lumen & binary_dilation(inside, iterations=2)):
            continue
        # Of two vessels that cross, the one in front is seen.
        velocity = np.where(inside, field, velocity)
        lumen |= inside
        n_vessels -= 1
        middle = lumen[margin:-margin, margin:-margin]
        if (n_vessels <= 0 or attempt > 2 * _TRIES // 3) and middle.mean() > _LEAST_AREA:
            break
    return Flow(velocity.astype(np.float32), lumen, margin)


def _vessel(
    rng: np.random.Generator, wide: tuple[int, int], margin: int, aspect: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One vessel, perhaps with a branch: velocity and lumen."""
    size = ((wide[0] - 2 * margin), (wide[1] - 2 * margin) * aspect)
    tube = _tube(rng, size)
    stream, inside = _stream(tube, wide, margin, aspect)
    if rng.random() < 0.35:
        share = rng.uniform(0.3, 0.7)
        other, other_inside = _stream(_branch(rng, tube), wide, margin, aspect)
        stream = (1.0 - share) * stream + share * other
        inside |= other_inside
    speed = rng.uniform(0.4, 1.0) * float(tube.radius.mean()) * rng.choice([-1.0, 1.0])
    along_row = np.gradient(stream, axis=1) / aspect
    along_line = -np.gradient(stream, axis=0)
    field = np.stack([along_row, along_line]) * inside * speed
    size_of = np.hypot(field[0], field[1])
    top = np.percentile(size_of[inside], _SPIKE_PERCENTILE) if inside.any() else 1.0
    field *= np.minimum(1.0, 1.2 * top / np.maximum(size_of, 1e-9))
    return field.astype(np.float32), inside


def _chamber(
    rng: np.random.Generator, wide: tuple[int, int], margin: int, aspect: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Draw an ellipse in which blood goes round, as a solid up to its wall or part of the way."""
    n_rows, width = wide[0] - 2 * margin, (wide[1] - 2 * margin) * aspect
    half_rows = rng.uniform(0.15, 0.5) * n_rows
    half_width = half_rows * math.exp(rng.normal(0.0, 0.25))
    row = np.arange(wide[0])[:, None] - margin - rng.uniform(0.2, 0.8) * n_rows
    line = (np.arange(wide[1])[None, :] - margin) * aspect - rng.uniform(0.2, 0.8) * width
    from_middle = np.hypot(row / half_rows, line / half_width)
    fastest = 1.0 if rng.random() < 0.5 else rng.uniform(0.4, 0.9)
    slows = (1.0 - from_middle) / max(1.0 - fastest, 1e-9) * fastest
    speed = np.minimum(from_middle, slows) if fastest < 1.0 else from_middle
    inside = from_middle < 1.0
    top = rng.uniform(0.4, 1.0) * rng.choice([-1.0, 1.0])
    turn = top * half_rows * inside * speed / np.maximum(from_middle, 1e-6)
    # Along the ellipses around the middle: a stream function of the distance from it.
    field = np.stack([turn * line / half_width**2, -turn * row / half_rows**2])
    return field.astype(np.float32), inside


def _tube(rng: np.random.Generator, size: tuple[float, float]) -> _Tube:
    """Random course through the picture, mostly from side to side."""
    rows, width = size
    along = np.linspace(0.0, 1.0, _N_POINTS)
    n_knots = int(rng.integers(2, 6))
    knots = np.linspace(0.0, 1.0, n_knots)
    forward = np.linspace(-0.15, 1.15, n_knots)
    across = rng.uniform(0.15, 0.85) + np.cumsum(
        rng.normal(0, rng.choice([0.04, 0.12, 0.3]), n_knots)
    )
    across += rng.uniform(-0.6, 0.6) * (forward - 0.5) * (rng.random() < 0.6)
    across += np.clip(across.mean(), 0.15, 0.85) - across.mean()
    across = np.clip(across, -0.1, 1.1)
    forward[1:-1] += rng.normal(0.0, 0.05, n_knots - 2)
    if n_knots == 2:
        course = np.stack([np.interp(along, knots, forward), np.interp(along, knots, across)])
    else:
        course = CubicSpline(knots, np.stack([forward, across], 1), bc_type="natural")(along).T
    upright = rng.random() < 0.15
    row, line = (
        (course[0] * rows, course[1] * width)
        if upright
        else (
            course[1] * rows,
            course[0] * width,
        )
    )
    radius = rows * math.exp(rng.uniform(math.log(0.045), math.log(0.2)))
    return _decorated(rng, row, line, radius * (1.0 + rng.uniform(-0.35, 0.15) * along))


def _branch(rng: np.random.Generator, trunk: _Tube) -> _Tube:
    """Tube that follows a trunk for a while and then bends away."""
    leave = int(rng.integers(_N_POINTS // 4, 3 * _N_POINTS // 4))
    rest = np.linspace(0.0, 1.0, _N_POINTS - leave)
    heading = math.atan2(
        trunk.row[leave] - trunk.row[leave - 4], trunk.line[leave] - trunk.line[leave - 4]
    )
    bend = rng.normal(0.0, 0.6) * np.minimum(3.0 * rest, 1.0) + rng.normal(0.0, 0.3) * rest
    step = rng.uniform(0.8, 1.3) * math.hypot(
        trunk.row[leave] - trunk.row[leave - 1], trunk.line[leave] - trunk.line[leave - 1]
    )
    row = np.concatenate(
        [trunk.row[:leave], trunk.row[leave - 1] + step * np.cumsum(np.sin(heading + bend))]
    )
    line = np.concatenate(
        [trunk.line[:leave], trunk.line[leave - 1] + step * np.cumsum(np.cos(heading + bend))]
    )
    radius = trunk.radius.copy()
    radius[leave:] *= 1.0 - rng.uniform(0.1, 0.4) * np.minimum(4.0 * rest, 1.0)
    # Behind the divider the flow leans to one side.
    skew = trunk.skew + rng.normal(0.0, 0.9) * np.exp(
        -(((np.arange(_N_POINTS) - leave - 12) / 14.0) ** 2)
    )
    return _Tube(row, line, radius, trunk.jet, np.clip(skew, -1.5, 1.5), trunk.power)


def _decorated(rng: np.random.Generator, row: Float64, line: Float64, radius: Float64) -> _Tube:
    """Narrowings with jets, skew in bends, and local skew."""
    along = np.linspace(0.0, 1.0, _N_POINTS)
    jet, skew = np.zeros(_N_POINTS), np.zeros(_N_POINTS)
    if rng.random() < 0.4:
        at, length, severity = (
            rng.uniform(0.2, 0.75),
            rng.uniform(0.04, 0.12),
            rng.uniform(0.3, 0.75),
        )
        radius = radius * (1.0 - severity * np.exp(-(((along - at) / length) ** 2)))
        behind = np.clip((along - at) / 0.05, 0.0, 1.0)
        fades = np.exp(-np.clip(along - at - 0.05, 0.0, 1.0) / rng.uniform(0.08, 0.4))
        jet += rng.uniform(0.0, 1.4) * severity * behind * fades
        skew += rng.normal() * severity * np.exp(-(((along - at - 0.15) / 0.1) ** 2))
    if rng.random() < 0.5:
        heading = np.unwrap(np.arctan2(np.gradient(row), np.gradient(line)))
        bend = gaussian_filter1d(np.gradient(heading) * _N_POINTS, 5.0)
        lag = int(rng.integers(0, 10))
        skew += rng.uniform(-0.2, 0.6) * np.clip(np.roll(bend, lag) / 4.0, -1.2, 1.2)
    if rng.random() < 0.3:
        skew += rng.normal(0.0, 0.6) * np.exp(-(((along - rng.uniform()) / 0.12) ** 2))
    power = float(rng.choice([2.0, 2.0, 2.0, 3.0, 4.0, 6.0]))
    return _Tube(row, line, radius, jet, np.clip(skew, -1.5, 1.5), power)


def _stream(
    tube: _Tube, wide: tuple[int, int], margin: int, aspect: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Stream function and lumen of one tube."""
    half = (wide[0] // 2 + 1, wide[1] // 2 + 1)
    away, at = np.empty(half, np.float32), np.empty(half, np.float32)
    row, line = tube.row.astype(np.float32), tube.line.astype(np.float32)
    nearest(row, line, aspect, margin, 2, away, at)
    index = np.arange(_N_POINTS)
    radius = np.interp(at, index, tube.radius).astype(np.float32)
    y = _doubled(away / radius, wide)
    at = _doubled(at, wide)
    inside = np.abs(y) < 1.0
    stream: NDArray[np.float32] = np.sign(y)
    at, y = at[inside], y[inside]
    p = tube.power
    # Integrals over y of speeds that vanish at both walls: 1 - |y|^p, and for jet and skew
    # 1 - 6 y^2 + 5 y^4 and y - y^3, which carry no blood in all.
    square = y * y
    values = y * (1.0 - np.abs(y) ** p / (p + 1.0)) * (p + 1.0) / p
    values += np.interp(at, index, tube.jet) * y * (1.0 - square) ** 2
    values -= 0.25 * np.interp(at, index, tube.skew) * (1.0 - square) ** 2
    stream[inside] = values
    return stream, inside


def _doubled(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Plane of every second row and line to all of them, linearly."""
    rows = np.repeat(plane, 2, axis=0)
    rows[1:-1:2] = 0.5 * (plane[:-1] + plane[1:])
    both = np.repeat(rows, 2, axis=1)
    both[:, 1:-1:2] = 0.5 * (rows[:, :-1] + rows[:, 1:])
    return both[: shape[0], : shape[1]]
