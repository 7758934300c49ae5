"""The parts of the colour box that can be taken hold of, and what dragging them makes of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import cast

from PySide6.QtCore import Qt

from ...colour_box import SIDES, SMALLEST_M, ColourBox
from ...declared import Range, Value
from ...geometry import ImageGrid
from ...render.tools import Touch
from ...settings import SPECS, AcquisitionSettings
from ...settings.acquisition import LEFTMOST_M, RIGHTMOST_M

Grip = frozenset[str]
"""One or two sides, or one of :data:`MOVE`, :data:`STEER` and :data:`DRAW`."""
LEFT, RIGHT, TOP, BOTTOM = "left", "right", "top", "bottom"
MOVE, STEER, DRAW = frozenset(("move",)), frozenset(("steer",)), frozenset(("draw",))
CORNERS = (
    frozenset((LEFT, TOP)),
    frozenset((RIGHT, TOP)),
    frozenset((RIGHT, BOTTOM)),
    frozenset((LEFT, BOTTOM)),
)
_SIDE_OF = (TOP, RIGHT, BOTTOM, LEFT)
SHAPES = {
    frozenset((LEFT,)): Qt.CursorShape.SizeHorCursor,
    frozenset((RIGHT,)): Qt.CursorShape.SizeHorCursor,
    frozenset((TOP,)): Qt.CursorShape.SizeVerCursor,
    frozenset((BOTTOM,)): Qt.CursorShape.SizeVerCursor,
    CORNERS[0]: Qt.CursorShape.SizeFDiagCursor,
    CORNERS[1]: Qt.CursorShape.SizeBDiagCursor,
    CORNERS[2]: Qt.CursorShape.SizeFDiagCursor,
    CORNERS[3]: Qt.CursorShape.SizeBDiagCursor,
    MOVE: Qt.CursorShape.SizeAllCursor,
    STEER: Qt.CursorShape.SplitHCursor,
    DRAW: Qt.CursorShape.CrossCursor,
}

_GRIP_PX, _EDGE_PX = 9.0, 5.0
_STEERING_STEP_RAD = math.radians(1.0)
_DIGITS = 4  # of metres: tenths of a millimetre
_SAME_M = 1.5e-4
Place = tuple[float, float]


def grips_m(box: ColourBox, *, steerable: bool) -> dict[Grip, Place]:
    """Where the handles of a box are, (x, z)."""
    upper_m, right_m, lower_m, left_m = (_middle(side) for side in box.sides_m)
    return {
        MOVE: upper_m,
        **({STEER: lower_m} if steerable else {}),
        **dict(zip(CORNERS, box.corners_m, strict=True)),
        frozenset((LEFT,)): left_m,
        frozenset((RIGHT,)): right_m,
    }


def grip_at(box: ColourBox, touch: Touch, *, steerable: bool) -> Grip | None:
    """Which part of a box is under the pointer: handles come before edges."""
    handles = grips_m(box, steerable=steerable)
    near_px = {grip: touch.distance_px(*at_m) for grip, at_m in handles.items()}
    nearest = min(near_px, key=lambda grip: near_px[grip])
    if near_px[nearest] <= _GRIP_PX:
        return nearest
    for side, points_m in zip(_SIDE_OF, box.sides_m, strict=True):
        if any(_distance_px(touch, *ends) <= _EDGE_PX for ends in itertools.pairwise(points_m)):
            return frozenset((side,))
    return None


def _middle(points_m: tuple[Place, ...]) -> Place:
    """Place half way along one of the sides: these have two points, or an odd number."""
    (x0, z0), (x1, z1) = points_m[(len(points_m) - 1) // 2], points_m[len(points_m) // 2]
    return 0.5 * (x0 + x1), 0.5 * (z0 + z1)


def holds(box: ColourBox, touch: Touch) -> bool:
    """Whether the pointer is inside a box."""
    across_m, down_m = box.within(touch.x_m, touch.z_m)
    aside_m = (down_m - box.top_m) * math.tan(box.steering_rad)
    return box.left_m <= across_m - aside_m <= box.right_m and box.top_m <= down_m <= box.bottom_m


def steered(box: ColourBox, angle_rad: float) -> ColourBox:
    """Return the box at the nearest angle that can be had, in whole degrees."""
    limits = cast(Range, SPECS["steering_rad"])
    angle_rad = _STEERING_STEP_RAD * round(angle_rad / _STEERING_STEP_RAD)
    return replace(box, steering_rad=min(max(angle_rad, limits.low), limits.high))


def dragged(box: ColourBox, grip: Grip, start_m: Place, end_m: Place) -> ColourBox:
    """Return the box after one of its parts was dragged; perhaps beyond the picture."""
    ends = box.within(*start_m), box.within(*end_m)
    (x0, z0), (x1, z1) = ends
    lean = math.tan(box.steering_rad)
    if grip == DRAW:
        top_m, bottom_m = min(z0, z1), max(z0, z1)
        left_m, right_m = sorted(x + (top_m - z) * lean for x, z in ends)
        return replace(box, left_m=left_m, right_m=right_m, top_m=top_m, bottom_m=bottom_m)
    if grip == MOVE:
        return box.moved(x1 - x0, z1 - z0)
    if grip == STEER:
        return steered(box, math.atan2(box.lean_m + x1 - x0, box.bottom_m - box.top_m))
    across_m, down_m = x1 - x0 - (z1 - z0) * lean, z1 - z0
    if BOTTOM in grip:
        box = replace(box, bottom_m=max(box.bottom_m + down_m, box.top_m + SMALLEST_M))
    if TOP in grip:
        top_m = min(box.top_m + down_m, box.bottom_m - SMALLEST_M)
        over_m = (top_m - box.top_m) * lean  # so that the sides stay where they are
        box = replace(box, left_m=box.left_m + over_m, right_m=box.right_m + over_m, top_m=top_m)
    if LEFT in grip:
        box = replace(box, left_m=min(box.left_m + across_m, box.right_m - SMALLEST_M))
    if RIGHT in grip:
        box = replace(box, right_m=max(box.right_m + across_m, box.left_m + SMALLEST_M))
    return box


def changes_for(
    box: ColourBox, grip: Grip, picture: ImageGrid, settings: AcquisitionSettings
) -> dict[str, Value]:
    """Return the settings that ask for what a box has become by one of its parts.

    A side that is as far out as it can be is left open, if it was before or has been brought there.
    """
    if grip == STEER:
        return {"steering_rad": box.steering_rad}
    widest = replace(box, left_m=-math.inf, right_m=math.inf).inside(picture)
    values: dict[str, Value] = {}
    for name, at_m in zip(SIDES, (box.left_m, box.right_m, box.top_m, box.bottom_m), strict=True):
        limits = cast(Range, SPECS[name])
        least_m = 10.0**-_DIGITS  # the limits themselves mean something else
        values[name] = min(max(round(at_m, _DIGITS), limits.low + least_m), limits.high - least_m)
    was_open = settings.box_left_m <= LEFTMOST_M, settings.box_right_m >= RIGHTMOST_M
    for side, open_before, out_m, open_m in (
        (LEFT, was_open[0], widest.left_m - box.left_m, LEFTMOST_M),
        (RIGHT, was_open[1], box.right_m - widest.right_m, RIGHTMOST_M),
    ):
        if out_m > -_SAME_M and (open_before or grip == DRAW or side in grip):
            values[f"box_{side}_m"] = open_m
    if grip in (MOVE, DRAW):
        given = frozenset(_SIDE_OF)
    else:
        # Left and right are told at the upper edge: those that are set go with it.
        sides = zip((LEFT, RIGHT), was_open, strict=True)
        given = grip | {side for side, is_open in sides if TOP in grip and not is_open}
    return {f"box_{side}_m": values[f"box_{side}_m"] for side in given}


def _distance_px(touch: Touch, start_m: Place, end_m: Place) -> float:
    """How far the pointer is from a straight edge."""
    (x0, z0), (x1, z1) = start_m, end_m
    along = (touch.x_m - x0) * (x1 - x0) + (touch.z_m - z0) * (z1 - z0)
    share = min(max(along / ((x1 - x0) ** 2 + (z1 - z0) ** 2), 0.0), 1.0)
    return touch.distance_px(x0 + share * (x1 - x0), z0 + share * (z1 - z0))
