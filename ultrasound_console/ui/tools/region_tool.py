"""Ellipses that are drawn into the pictures, and moved, stretched and turned by their handles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt

from ...measure import Ellipse
from ...render.strokes import Colour, Dot, Mark
from ...render.tools import Tool, Touch

MOST = 4
COLOURS = ("#f5e663", "#e58ad3", "#f2f2f2", "#f39a4a")
"""Of the regions: apart for every kind of colour vision, and apart from the colours of flow."""

_HANDLE_PX = 9.0
_TURN_PX = 20.0
_SMALLEST_PX = 6.0
_BODY, _TURN = "body", "turn"
# Where the handles are in half axes, and what they stretch.
_ENDS = {"right": (1.0, 0.0), "left": (-1.0, 0.0), "bottom": (0.0, 1.0), "top": (0.0, -1.0)}


@dataclass(frozen=True)
class Region:
    """An ellipse with a number.

    Attributes
    ----------
    number : int
        From 1.
    ellipse : Ellipse
    """

    number: int
    ellipse: Ellipse

    @property
    def name(self) -> str:
        """What it is called."""
        return f"Region {self.number}"

    @property
    def colour(self) -> str:
        """What it is drawn in."""
        return COLOURS[self.number - 1]


class RegionTool(Tool):
    """Draws up to four ellipses.

    A press on a handle of the selected one takes hold of that, one inside an ellipse of the
    whole; elsewhere it begins a new one, as wide and as high as the drag. A double click fits one
    to the vessel under it.

    Parameters
    ----------
    changed : callable
        Called when an ellipse, or which of them is selected, is another now.
    fit : callable
        Told (x_m, z_m); returns the ellipse in the vessel there, or None.
    say : callable
        Takes what there is to say to the user.

    Attributes
    ----------
    regions : tuple of Region
        By number.
    selected : int or None
        Number of the one touched last.
    """

    def __init__(
        self,
        changed: Callable[[], object],
        fit: Callable[[float, float], Ellipse | None],
        say: Callable[[str], object],
    ) -> None:
        self._changed, self._fit, self._say = changed, fit, say
        self.regions: tuple[Region, ...] = ()
        self.selected: int | None = None
        self._held = ""
        self._begun_m: tuple[float, float] | None = None
        self._last_m = (0.0, 0.0)

    @property
    def region(self) -> Region | None:
        """The selected one."""
        return next((one for one in self.regions if one.number == self.selected), None)

    def put(self, ellipse: Ellipse, number: int | None = None) -> bool:
        """Have an ellipse in the place of that of a number, or one more; select it.

        Returns
        -------
        bool
            False where there are as many as there can be.
        """
        if number is None:
            taken = {region.number for region in self.regions}
            number = next((n for n in range(1, MOST + 1) if n not in taken), None)
        if number is None:
            self._say(f"{MOST} regions are the most: remove one with Delete first")
            return False
        others = (region for region in self.regions if region.number != number)
        self.regions = tuple(sorted((*others, Region(number, ellipse)), key=lambda r: r.number))
        self.selected = number
        self._changed()
        return True

    def change(self, how: Callable[[Ellipse], Ellipse]) -> None:
        """Make another ellipse of the selected one."""
        region = self.region
        if region is not None:
            self.put(how(region.ellipse), region.number)

    def select_next(self) -> None:
        """Select the one with the next number."""
        if self.regions:
            numbers = [region.number for region in self.regions]
            at = numbers.index(self.selected) + 1 if self.selected in numbers else 0
            self.selected = numbers[at % len(numbers)]
            self._held, self._begun_m = "", None  # what is being drawn is the one before
            self._changed()

    def remove(self) -> None:
        """Take the selected one away."""
        self.regions = tuple(r for r in self.regions if r.number != self.selected)
        self.selected = self.regions[-1].number if self.regions else None
        self._held, self._begun_m = "", None
        self._changed()

    def forget(self) -> None:
        """Take all of them away."""
        self.regions, self.selected = (), None
        self._held, self._begun_m = "", None
        self._changed()

    def fit_at(self, x_m: float, z_m: float) -> None:
        """Fit an ellipse to the vessel at a place; where one is, that one."""
        ellipse = self._fit(x_m, z_m)
        if ellipse is None:
            self._say("No flow here to fit a region to: double click inside a vessel")
        else:
            self.put(ellipse, self._number_at(x_m, z_m))

    # ---- the mouse ------------------------------------------------------------------------

    def press(self, touch: Touch) -> bool:
        """Take hold of an ellipse, or begin one."""
        self._last_m, self._begun_m = (touch.x_m, touch.z_m), None
        self._held = self._handle_at(touch)
        if not self._held:
            number = self._number_at(touch.x_m, touch.z_m)
            if number is None:
                self._begun_m = self._last_m
            else:
                self.selected, self._held = number, _BODY
                self._changed()
        return True

    def drag(self, touch: Touch) -> None:
        """Change what is held."""
        here_m = touch.x_m, touch.z_m
        if self._begun_m is not None:
            self._begin(self._begun_m, touch)
        elif self._held == _BODY:
            across_m, down_m = here_m[0] - self._last_m[0], here_m[1] - self._last_m[1]
            self.change(lambda ellipse: ellipse.moved(across_m, down_m))
        elif self._held == _TURN:
            self.change(lambda ellipse: _turned_to(ellipse, *here_m))
        elif self._held:
            self.change(lambda ellipse: _stretched(ellipse, _ENDS[self._held], *here_m))
        self._last_m = here_m

    def release(self, touch: Touch) -> None:
        """Let go."""
        self.drag(touch)
        self._held, self._begun_m = "", None

    def double_click(self, touch: Touch) -> bool:
        """Fit an ellipse to the vessel."""
        self.fit_at(touch.x_m, touch.z_m)
        return True

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        """Show what a press would do."""
        if self._handle_at(touch):
            return Qt.CursorShape.PointingHandCursor
        is_inside = self._number_at(touch.x_m, touch.z_m) is not None
        return Qt.CursorShape.SizeAllCursor if is_inside else Qt.CursorShape.CrossCursor

    def _begin(self, begun_m: tuple[float, float], touch: Touch) -> None:
        """Make an ellipse of a drag that is longer than a slip of the hand, and go on with it."""
        half_m = 0.5 * abs(touch.x_m - begun_m[0]), 0.5 * abs(touch.z_m - begun_m[1])
        if min(half_m) < 0.5 * _SMALLEST_PX * touch.m_per_px:
            return
        middle_m = 0.5 * (touch.x_m + begun_m[0]), 0.5 * (touch.z_m + begun_m[1])
        number = self.selected if self._held == "new" else None
        if self.put(Ellipse(*middle_m, half_m), number):
            self._held = "new"
        else:
            self._begun_m = None

    def _handle_at(self, touch: Touch) -> str:
        """Name the handle of the selected one under the pointer; empty for none."""
        region = self.region
        if region is None:
            return ""
        places = _handles_m(region.ellipse, touch.m_per_px)
        near, name = min((touch.distance_px(*at_m), name) for name, at_m in places.items())
        return name if near <= _HANDLE_PX else ""

    def _number_at(self, x_m: float, z_m: float) -> int | None:
        """Which ellipse a place is in; of several the smallest."""
        inside = [r for r in self.regions if r.ellipse.contains(x_m, z_m)]
        return min(inside, key=lambda r: r.ellipse.area_m2).number if inside else None

    # ---- how it looks ---------------------------------------------------------------------

    def marks(self, m_per_px: float, *, has_mouse: bool) -> list[Mark | Dot]:
        """Draw the ellipses, and the handles of the selected one while they can be held."""
        marks: list[Mark | Dot] = []
        for region in self.regions:
            ink = _ink(region.colour)
            is_selected = region.number == self.selected
            width_px = 1.8 if is_selected else 1.2
            marks.append(Mark(region.ellipse.outline_m(), ink, width_px))
            if is_selected and has_mouse:
                places = _handles_m(region.ellipse, m_per_px)
                marks.append(Mark((region.ellipse.at(1.0, 0.0), places[_TURN]), ink, 1.0))
                marks += [
                    Dot(*at_m, ink, 6.0 if name == _TURN else 7.0) for name, at_m in places.items()
                ]
        return marks


def _handles_m(ellipse: Ellipse, m_per_px: float) -> dict[str, tuple[float, float]]:
    """Where its handles are, (x, z); that for turning lies a little beyond an end."""
    beyond = 1.0 + _TURN_PX * m_per_px / ellipse.half_m[0]
    return {name: ellipse.at(*end) for name, end in _ENDS.items()} | {_TURN: ellipse.at(beyond, 0)}


def _turned_to(ellipse: Ellipse, x_m: float, z_m: float) -> Ellipse:
    """Let its first half axis point at a place."""
    return replace(ellipse, angle_rad=math.atan2(z_m - ellipse.z_m, x_m - ellipse.x_m))


def _stretched(ellipse: Ellipse, end: tuple[float, float], x_m: float, z_m: float) -> Ellipse:
    """Move one end of an axis to a place, as far as its axis goes there; the other end stays."""
    along, across = ellipse.within(x_m, z_m)
    reach = along * end[0] + across * end[1]  # 1 where the end is now
    axis = 0 if end[0] else 1
    half_m = list(ellipse.half_m)
    half_m[axis] *= max(0.5 * (1.0 + reach), 0.0)
    smaller = replace(ellipse, half_m=(half_m[0], half_m[1]))
    fixed_m, now_m = ellipse.at(-end[0], -end[1]), smaller.at(-end[0], -end[1])
    return smaller.moved(fixed_m[0] - now_m[0], fixed_m[1] - now_m[1])


def _ink(colour: str) -> Colour:
    red, green, blue = (int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5))
    return red, green, blue, 1.0
