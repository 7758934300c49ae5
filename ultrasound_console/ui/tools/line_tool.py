"""Straight lines that are drawn into the pictures from point to point, and moved by their ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt

from ...render.strokes import ACCENT, Colour, Dot, Mark
from ...render.tools import Tool, Touch

NOT_SELECTED: Colour = (0.66, 0.90, 0.84, 0.95)
_END_PX = 10.0
_BODY_PX = 5.0
_SHORTEST_PX = 5.0
_SHORTEST_M = 0.0004
_START, _END, _BODY = "start", "end", "body"


@dataclass(frozen=True)
class Line:
    """From one place in the body to another.

    Attributes
    ----------
    start_m, end_m : tuple of float
        (x, z).
    place : int
        Of the panel it was drawn in, from the left.
    """

    start_m: tuple[float, float]
    end_m: tuple[float, float]
    place: int = 0

    @property
    def lateral_m(self) -> float:
        """How far it goes along the probe."""
        return abs(self.end_m[0] - self.start_m[0])

    @property
    def depth_m(self) -> float:
        """How far it goes into the body."""
        return abs(self.end_m[1] - self.start_m[1])

    @property
    def length_m(self) -> float:
        """From end to end."""
        return math.hypot(self.lateral_m, self.depth_m)

    def moved(self, across_m: float, down_m: float) -> Line:
        """Return the same line elsewhere."""
        (x0, z0), (x1, z1) = self.start_m, self.end_m
        start_m, end_m = (x0 + across_m, z0 + down_m), (x1 + across_m, z1 + down_m)
        return replace(self, start_m=start_m, end_m=end_m)

    def turned(self, by_rad: float, longer_m: float = 0.0) -> Line:
        """Return the line turned from the x axis towards z, and longer, about its middle."""
        (x0, z0), (x1, z1) = self.start_m, self.end_m
        angle_rad = math.atan2(z1 - z0, x1 - x0) + by_rad
        half_m = 0.5 * max(self.length_m + longer_m, _SHORTEST_M)
        across_m, down_m = half_m * math.cos(angle_rad), half_m * math.sin(angle_rad)
        x_m, z_m = 0.5 * (x0 + x1), 0.5 * (z0 + z1)
        start_m, end_m = (x_m - across_m, z_m - down_m), (x_m + across_m, z_m + down_m)
        return replace(self, start_m=start_m, end_m=end_m)

    def distance_px(self, touch: Touch) -> float:
        """How far the pointer is from the line, in logical pixels."""
        (x0, z0), (x1, z1) = self.start_m, self.end_m
        along = (touch.x_m - x0) * (x1 - x0) + (touch.z_m - z0) * (z1 - z0)
        share = min(max(along / max(self.length_m**2, 1e-18), 0.0), 1.0)
        return touch.distance_px(x0 + share * (x1 - x0), z0 + share * (z1 - z0))


class LineTool(Tool):
    """Draws lines, moves them and their ends.

    A press on an end takes hold of it, one on a line of the whole line; elsewhere it begins a new
    line. Where there may be one line only, that takes the place of the old one as soon as it is
    longer than a slip of the hand.

    Parameters
    ----------
    changed : callable
        Called when lines, or which of them is selected, are others now.
    most : int
        How many lines there may be.
    refused : callable, optional
        Called when one more is wanted.

    Attributes
    ----------
    lines : tuple of Line
    selected : int or None
        Which of them was touched last.
    """

    def __init__(
        self,
        changed: Callable[[], object],
        most: int = 1,
        refused: Callable[[], object] = lambda: None,
    ) -> None:
        self._changed, self._most, self._refused = changed, most, refused
        self.lines: tuple[Line, ...] = ()
        self.selected: int | None = None
        self._held: str = ""
        self._begun: Line | None = None  # not yet long enough to count
        self._last_m = (0.0, 0.0)

    @property
    def is_held(self) -> bool:
        """Whether the mouse has hold of a line."""
        return bool(self._held)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Have these from now on."""
        self.lines = tuple(lines)
        self.selected = len(lines) - 1 if lines else None
        self._held, self._begun = "", None
        self._changed()

    def add(self, line: Line) -> None:
        """Have one more line, or this one in the place of the only one."""
        if self._most == 1:
            self.set_lines((line,))
        elif len(self.lines) < self._most:
            self.set_lines((*self.lines, line))
        else:
            self._refused()

    def move(self, across_m: float, down_m: float) -> None:
        """Move the selected line."""
        self._change(lambda line: line.moved(across_m, down_m))

    def stretch(self, by_m: float) -> None:
        """Make the selected line longer about its middle."""
        self._change(lambda line: line.turned(0.0, by_m))

    def turn(self, by_rad: float) -> None:
        """Turn the selected line about its middle."""
        self._change(lambda line: line.turned(by_rad))

    def _change(self, change: Callable[[Line], Line]) -> None:
        if self.selected is not None:
            self.lines = tuple(
                change(line) if number == self.selected else line
                for number, line in enumerate(self.lines)
            )
            self._changed()

    def remove(self) -> None:
        """Take the selected line away."""
        if self.selected is not None:
            at = self.selected
            self.set_lines(self.lines[:at] + self.lines[at + 1 :])

    # ---- the mouse ------------------------------------------------------------------------

    def press(self, touch: Touch) -> bool:
        """Take hold of a line, or begin one."""
        self._last_m = touch.x_m, touch.z_m
        self._held, self._begun = "", None  # Esc may have left something
        found = self._at(touch)
        if found is not None:
            self.selected, self._held = found
            self._changed()
        elif self._most > 1 and len(self.lines) >= self._most:
            self._refused()
        else:
            here_m = touch.x_m, touch.z_m
            self._begun = Line(here_m, here_m, touch.place)
        return True

    def drag(self, touch: Touch) -> None:
        """Move what is held."""
        here_m = touch.x_m, touch.z_m
        if self._begun is not None:
            self._begun = replace(self._begun, end_m=here_m)
            if self._begun.length_m < _SHORTEST_PX * touch.m_per_px:
                return
            kept = () if self._most == 1 else self.lines
            self.lines = (*kept, self._begun)
            self.selected, self._held, self._begun = len(self.lines) - 1, _END, None
            self._changed()
        elif self._held and self.selected is not None:
            x_m, z_m = self._last_m
            self._last_m = here_m
            if self._held == _BODY:
                self.move(here_m[0] - x_m, here_m[1] - z_m)
            elif self._held == _START:
                self._change(lambda line: replace(line, start_m=here_m))
            else:
                self._change(lambda line: replace(line, end_m=here_m))

    def release(self, touch: Touch) -> None:
        """Let go; a line that was not drawn long enough is a click."""
        self.drag(touch)
        was_click = self._begun is not None
        self._held, self._begun = "", None
        if was_click:
            self.clicked(touch)

    def clicked(self, touch: Touch) -> None:
        """Take a click beside all lines."""

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        """Show what a press would do."""
        found = self._at(touch)
        if found is None:
            return Qt.CursorShape.CrossCursor
        return (
            Qt.CursorShape.SizeAllCursor if found[1] == _BODY else Qt.CursorShape.PointingHandCursor
        )

    def _at(self, touch: Touch) -> tuple[int, str] | None:
        """Which line is under the pointer, and what of it; ends come first."""
        ends = [
            (touch.distance_px(*at_m), number, part)
            for number, line in enumerate(self.lines)
            for part, at_m in ((_START, line.start_m), (_END, line.end_m))
        ]
        near = min(ends, default=(math.inf, 0, ""))
        if near[0] <= _END_PX:
            return near[1:]
        bodies = [(line.distance_px(touch), number) for number, line in enumerate(self.lines)]
        distance_px, number = min(bodies, default=(math.inf, 0))
        return (number, _BODY) if distance_px <= _BODY_PX else None

    # ---- how it looks ---------------------------------------------------------------------

    def marks(self, colour: Colour = ACCENT) -> list[Mark | Dot]:
        """Draw the lines; what is not selected in another colour."""
        marks: list[Mark | Dot] = []
        for number, line in enumerate(self.lines):
            is_selected = number == self.selected
            ink = colour if is_selected else NOT_SELECTED
            marks.append(Mark((line.start_m, line.end_m), ink, 1.5 if is_selected else 1.2))
            marks += [Dot(*at_m, ink, 7.0) for at_m in (line.start_m, line.end_m)]
        return marks
