"""What keys do to lines and gates: all that the mouse does, beginning with the vessel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from ...measure import Ellipse, ellipse_in_vessel, flow_near
from ...render.canvas import PanelCanvas
from .tool_row import ToolRow

_STEP_M = 0.0002
_TURN_RAD = math.radians(1.0)
_ALONE_HALF_M = (0.005, 0.003)


class Movable(Protocol):
    """A tool whose selected line, or gate, keys can change."""

    def move(self, across_m: float, down_m: float) -> None:
        """Move it."""

    def stretch(self, by_m: float) -> None:
        """Make it longer about its middle."""

    def turn(self, by_rad: float) -> None:
        """Turn it about its middle, from the x axis towards z."""


class LineKeys:
    """Gives what keys ask for to the tool that has the mouse, if it is one of these.

    Parameters
    ----------
    canvas : PanelCanvas
    tools : ToolRow
    movable : mapping of str to (Movable, callable)
        By name of the tool; the callable puts a new line at a vessel.
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        tools: ToolRow,
        movable: Mapping[str, tuple[Movable, Callable[[Ellipse], object]]],
    ) -> None:
        self._canvas, self._tools, self._movable = canvas, tools, movable

    def add(self) -> bool:
        """Begin at the vessel under the cursor, or at that in the middle; whether it was asked."""
        chosen, frame = self._movable.get(self._tools.current), self._canvas.frame
        if chosen is None or frame is None:
            return chosen is not None
        at_m = self._canvas.cursor_m
        vessel = None if at_m is None else ellipse_in_vessel(frame, *at_m)
        if vessel is None:
            x_min, x_max, z_min, z_max = frame.acquisition.colour_grid.extent_m
            middle_m = 0.5 * (x_min + x_max), 0.5 * (z_min + z_max)
            at_m = flow_near(frame, *middle_m) or middle_m
            vessel = ellipse_in_vessel(frame, *at_m) or Ellipse(*at_m, _ALONE_HALF_M)
        chosen[1](vessel)
        return True

    def move(self, across: int, down: int) -> bool:
        """Move by steps; whether it was asked."""
        return self._do(lambda tool: tool.move(across * _STEP_M, down * _STEP_M))

    def stretch(self, along: int, across: int) -> bool:
        """Make longer by steps; whether it was asked."""
        return self._do(lambda tool: tool.stretch((along + across) * _STEP_M))

    def turn(self, steps: int) -> bool:
        """Turn by steps; whether it was asked."""
        return self._do(lambda tool: tool.turn(steps * _TURN_RAD))

    def _do(self, act: Callable[[Movable], None]) -> bool:
        chosen = self._movable.get(self._tools.current)
        if chosen is not None:
            act(chosen[0])
        return chosen is not None
