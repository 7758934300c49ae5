"""Thin lines over the pictures, as triangles for one draw call: outlines, rulers, the cursor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid
from .view import Rect, Tick, View

Colour = tuple[float, float, float, float]

OUTLINE: Colour = (0.88, 0.90, 0.93, 0.60)
CURSOR: Colour = (0.95, 0.96, 0.98, 0.55)
RULER: Colour = (0.63, 0.65, 0.68, 0.85)
ACCENT: Colour = (0.24, 0.80, 0.70, 1.0)
FRAME: Colour = (0.24, 0.26, 0.30, 1.0)
HAND: Colour = (1.0, 0.56, 0.96, 1.0)
CAUTION: Colour = (0.94, 0.71, 0.16, 1.0)

VERTEX = np.dtype(
    [
        ("a_position", np.float32, 2),
        ("a_distance", np.float32),
        ("a_half_width", np.float32),
        ("a_colour", np.float32, 4),
    ]
)

_RIM_PX = 1.0
_CURSOR_GAP_PX = 6.0
_ARC_POINTS = 65
_MIDDLE_TICK_PX = 10


@dataclass(frozen=True)
class Stroke:
    """A line through ``points``, (x, y) in logical pixels."""

    points: tuple[tuple[float, float], ...]
    colour: Colour
    width_px: float = 1.0


@dataclass(frozen=True)
class Mark:
    """A line through the body, drawn in every picture.

    Attributes
    ----------
    points_m : tuple of (x, z)
    colour : tuple of float
        Red, green, blue, opacity.
    width_px : float
    """

    points_m: tuple[tuple[float, float], ...]
    colour: Colour = ACCENT
    width_px: float = 1.5


@dataclass(frozen=True)
class Dot:
    """A small square in the body, of the same size whatever the zoom: something to take hold of.

    Attributes
    ----------
    x_m, z_m : float
    colour : tuple of float
    size_px : float
    """

    x_m: float
    z_m: float
    colour: Colour = ACCENT
    size_px: float = 7.0


def stroke_mesh(strokes: Iterable[Stroke]) -> NDArray[Any]:
    """Make triangles of strokes: six vertices for each piece between two points.

    Returns
    -------
    numpy.ndarray
        (n,) of :data:`VERTEX`; empty where there is nothing to draw.
    """
    pieces = []
    for stroke in strokes:
        points = np.asarray(stroke.points, float)
        start, end = points[:-1], points[1:]
        along = end - start
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        reach = 0.5 * stroke.width_px + _RIM_PX
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) * reach
        corners = (start - across, start + across, end - across, end + across)
        piece = np.zeros((len(start), 6), VERTEX)
        for k, corner in enumerate((0, 1, 2, 2, 1, 3)):
            piece["a_position"][:, k] = corners[corner]
            piece["a_distance"][:, k] = reach if corner % 2 else -reach
        piece["a_half_width"] = 0.5 * stroke.width_px
        piece["a_colour"] = stroke.colour
        pieces.append(piece.ravel())
    return np.concatenate(pieces) if pieces else np.zeros(0, VERTEX)


def outline_points_m(grid: ImageGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Go round the drawn area of a grid, half a sample beyond its outermost samples."""
    n = _ARC_POINTS if grid.kind == "polar" else 2
    columns = np.linspace(-0.5, grid.n_lines - 0.5, n)
    top, bottom = np.full(n, -0.5), np.full(n, grid.n_depths - 0.5)
    rows = np.concatenate([top, bottom, top[:1]])
    return grid.positions_m(rows, np.concatenate([columns, columns[::-1], columns[:1]]))


def picture_strokes(
    view: View, grids: tuple[ImageGrid, ImageGrid] | None, cursor_m: tuple[float, float] | None
) -> list[Stroke]:
    """Make the lines that all pictures have alike, in pixels from the picture's top left corner.

    Parameters
    ----------
    view : View
    grids : tuple of ImageGrid, optional
        Of B-mode and colour; without them there is no picture, and nothing to draw.
    cursor_m : tuple of float, optional
        Where the cross goes.
    """
    if grids is None:
        return []
    bmode_grid, colour_grid = grids
    picture = view.picture_rect(0)
    strokes = []
    for tick in view.depth_ticks():
        y = _crisp(tick.y_px - picture.y)
        strokes.append(Stroke(((0, y), (6 if tick.text else 3, y)), RULER))
    strokes += _lateral_ruler(view)
    strokes.append(Stroke(_pixels(view, *outline_points_m(colour_grid)), OUTLINE))
    # Probe mark: where the first line of the picture leaves the probe.
    ((x, y),) = _pixels(view, *bmode_grid.positions_m(np.zeros(1), np.zeros(1)))
    strokes.append(Stroke(((x - 1, y - 4.5), (x + 9, y - 4.5)), ACCENT, 3.0))
    if cursor_m is not None:
        (x, y), (_, bottom) = _pixels(
            view, np.full(2, cursor_m[0]), np.array([cursor_m[1], view.extent_m[3]])
        )
        x, y = _crisp(x), _crisp(y)
        bottom = min(max(bottom, y + _CURSOR_GAP_PX), picture.height)
        strokes += [
            Stroke(((0, y), (x - _CURSOR_GAP_PX, y)), CURSOR),
            Stroke(((x + _CURSOR_GAP_PX, y), (picture.width, y)), CURSOR),
            Stroke(((x, 0), (x, y - _CURSOR_GAP_PX)), CURSOR),
            Stroke(((x, y + _CURSOR_GAP_PX), (x, bottom)), CURSOR),
        ]
    return strokes


def _lateral_ruler(view: View) -> list[Stroke]:
    """Mark millimetres under each picture, or over its lower end where there is no room."""
    steps = view.lateral_steps()
    x_m, z_m = np.array([x_m for _, x_m in steps]), np.full(len(steps), view.extent_m[3])
    height = view.picture_rect(0).height
    strokes = []
    for (number, _), (x_px, end_px) in zip(steps, _pixels(view, x_m, z_m), strict=True):
        length = _MIDDLE_TICK_PX if number == 0 else 3 if number % 2 else 6
        x, y = _crisp(x_px), min(end_px + 1.0, height - length)
        strokes.append(Stroke(((x, y), (x, y + length)), RULER))
    return strokes


def mark_strokes(view: View, marks: Iterable[Mark | Dot]) -> list[Stroke]:
    """Make what tools draw, in pixels from each picture's top left corner."""
    strokes = []
    for mark in marks:
        if isinstance(mark, Dot):
            ((x, y),) = _pixels(view, np.array([mark.x_m]), np.array([mark.z_m]))
            half = 0.5 * mark.size_px
            strokes.append(Stroke(((x - half, y), (x + half, y)), mark.colour, mark.size_px))
        elif mark.points_m:
            x_m, z_m = np.array(mark.points_m, float).T
            strokes.append(Stroke(_pixels(view, x_m, z_m), mark.colour, mark.width_px))
    return strokes


def canvas_strokes(
    view: View, bar_ticks: tuple[tuple[Tick, ...], ...], marked: int | None = None
) -> list[Stroke]:
    """Make the lines around the pictures, in pixels from the canvas's top left corner.

    Parameters
    ----------
    view : View
    bar_ticks : tuple of (tuple of Tick)
        Of each panel.
    marked : int, optional
        Panel whose picture is framed, because it is not what is usually there.
    """
    strokes = []
    for panel in range(view.n_panels):
        if panel > 0:
            x = view.panel_rect(panel).x + 0.5
            strokes.append(Stroke(((x, 0), (x, view.height_px)), FRAME))
    if marked is not None:
        strokes.append(_frame(view.picture_rect(marked), CAUTION, 3.0))
    for panel, ticks in enumerate(bar_ticks):
        bar = view.bar_rect(panel)
        strokes.append(_frame(bar))
        for tick in ticks:
            y = min(max(_crisp(tick.y_px), bar.y + 0.5), bar.bottom - 0.5)
            if tick.strong:
                strokes.append(Stroke(((bar.x - 3, y), (bar.right + 4, y)), (1, 1, 1, 0.9)))
            else:
                strokes.append(Stroke(((bar.right, y), (bar.right + 4, y)), RULER))
    return strokes


def _crisp(pixel: float) -> float:
    """Return the middle of the pixel, so that a thin line fills it; whole numbers are its edge."""
    return math.floor(pixel + 1e-6) + 0.5


def _frame(rect: Rect, colour: Colour = FRAME, width_px: float = 1.0) -> Stroke:
    left, right = rect.x - 0.5, rect.right + 0.5
    top, bottom = rect.y - 0.5, rect.bottom + 0.5
    points = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return Stroke(points, colour, width_px)


def _pixels(
    view: View, x_m: NDArray[np.float64], z_m: NDArray[np.float64]
) -> tuple[tuple[float, float], ...]:
    """Picture pixels of positions."""
    picture = view.picture_rect(0)
    origin_x, origin_y = view.pixel(0, 0.0, 0.0)
    x = origin_x - picture.x + x_m * view.pixels_per_m
    y = origin_y - picture.y + z_m * view.pixels_per_m
    return tuple(zip(x.tolist(), y.tolist(), strict=True))
