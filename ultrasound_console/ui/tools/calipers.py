"""Distances between places in the picture."""

from __future__ import annotations

from collections.abc import Callable

from ...export.measurements import MM, NO_VELOCITY, Conditions, Row
from ...render.canvas import PanelCanvas
from .. import theme
from ..labels import Caption
from .beside import place_beside
from .line_tool import Line, LineTool
from .tool_row import ToolEntry

MOST = 4
_MARKS = "calipers"
_FULL = f"There are {MOST} distances: Delete takes the selected one away"
_HINT = "Drag from point to point; drag an end to move it, Delete takes the selected one away"


class Calipers:
    """A few distances, with their lengths written beside them.

    Parameters
    ----------
    canvas : PanelCanvas
    hint : callable
        Takes what to do next.

    Attributes
    ----------
    entry : ToolEntry
    captions : list of Caption
    """

    def __init__(self, canvas: PanelCanvas, hint: Callable[[str], object]) -> None:
        self._canvas = canvas
        self.tool = LineTool(self._draw, MOST, lambda: hint(_FULL))
        self.entry = ToolEntry("Distance", "D", "Measure a distance", _HINT, self.tool)
        self.captions = [Caption(canvas, f"caliper_{number}") for number in range(1, MOST + 1)]
        for caption in self.captions:
            canvas.lay_over(caption)
        canvas.labels_changed.connect(self._place)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All distances."""
        return self.tool.lines

    def forget(self) -> None:
        """Take all away."""
        self.tool.set_lines(())

    def rows(self, conditions: Conditions) -> list[Row]:
        """All lengths and their parts, for the table of measurements."""
        return [
            Row("caliper", str(number), quantity, 1e3 * value_m, MM, NO_VELOCITY, conditions)
            for number, line in enumerate(self.lines, start=1)
            for quantity, value_m in (
                ("length", line.length_m),
                ("depth part", line.depth_m),
                ("lateral part", line.lateral_m),
            )
        ]

    def _draw(self) -> None:
        self._canvas.set_marks(_MARKS, self.tool.marks())
        for number, caption in enumerate(self.captions):
            is_selected = number == self.tool.selected
            caption.tint(theme.ACCENT if is_selected else theme.TEXT)
            line = self.lines[number] if number < len(self.lines) else None
            caption.say("" if line is None else caliper_text(number + 1, line, in_full=is_selected))
        self._place()

    def _place(self) -> None:
        for caption, line in zip(self.captions, self.lines, strict=False):
            place_beside(caption, self._canvas, line)


def caliper_text(number: int, line: Line, *, in_full: bool) -> str:
    """Length; in full also its parts along depth and along the probe."""
    text = f"{number}   {line.length_m * 1e3:.1f} mm"
    parts = f"   depth {line.depth_m * 1e3:.1f}, lateral {line.lateral_m * 1e3:.1f}"
    return text + parts if in_full else text
