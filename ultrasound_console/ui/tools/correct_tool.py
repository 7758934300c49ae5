"""Picks flow of a frozen frame with the mouse: a region by a click, pixels by painting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from ...dsp.kernels_correction import brush, flood, next_region, outlines
from ...frames import DopplerFrame
from ...geometry import ImageGrid
from ...render.strokes import CURSOR, HAND, Mark
from ...render.tools import Tool, Touch

BRUSH_M = (0.3e-3, 6e-3)
"""Smallest and largest radius of the brush."""
_FIRST_BRUSH_M = 1e-3
_BRUSH_STEP = 1.25
# Neighbours whose velocities differ by this many v_N lie on two sides of an edge.
_JUMP_NYQUIST = 0.75
# What is smaller is noise; the mouse can pick it.
_FEWEST_PIXELS = 30
# A hand that shakes by less than this has not painted.
_STILL_PX = 4.0
_MOST_CORNERS, _MOST_OUTLINES, _DRAWN_OUTLINES = 6000, 400, 24
_RING_POINTS = 33
_SELECTION, _BRUSH = "selection", "brush"

Bool = NDArray[np.bool_]


class CorrectTool(Tool):
    """Selects flow.

    A click picks the region around the pointer, a drag paints. Both take the place of what was
    selected before; with Shift they add to it, with Ctrl they take away from it.

    Parameters
    ----------
    draw : callable
        Takes a name and the marks that are drawn under it.
    changed : callable
        Called when something else is selected now.
    stepped : callable
        Told by how many folds the wheel over what is selected changes it.
    refused : callable
        Called when the mouse is pressed while there is no frame to correct.
    removed : callable
        Called when what was given to what is selected is to be taken back.

    Attributes
    ----------
    selection : (n_depths, n_lines) bool, or None
        What is selected; None for nothing.
    radius_m : float
        Of the brush.
    """

    def __init__(
        self,
        draw: Callable[[str, Iterable[Mark]], object],
        changed: Callable[[], object],
        stepped: Callable[[int], object],
        refused: Callable[[], object],
        removed: Callable[[], object],
    ) -> None:
        self._draw, self._changed, self._stepped = draw, changed, stepped
        self._refused, self._removed = refused, removed
        self._frame: DopplerFrame | None = None
        self.selection: Bool | None = None
        self.radius_m = _FIRST_BRUSH_M
        self._pressed: Touch | None = None
        self._painted_to: tuple[float, float] | None = None  # row and line
        self._hovering: Touch | None = None
        self._turned = 0.0

    def set_frame(self, frame: DopplerFrame | None) -> None:
        """Correct this frame from now on; what is selected stays if it is the same one again."""
        before, self._frame = self._frame, frame
        same = (
            frame is not None
            and before is not None
            and frame.index == before.index
            and frame.fold.shape == before.fold.shape
        )
        if not same:
            self._pressed = self._painted_to = None
            self.select(None)
        if frame is None:
            self.leave()

    def select(self, selection: Bool | None) -> None:
        """Select these pixels, and outline them."""
        if selection is None and self.selection is None:
            return
        self.selection = selection if selection is not None and selection.any() else None
        self._outline()
        self._changed()

    def select_next(self) -> None:
        """Select the region behind what is selected, in the order of reading."""
        frame = self._frame
        if frame is None:
            return
        after = -1 if self.selection is None else int(np.flatnonzero(self.selection)[0])
        picked = np.zeros(frame.fold.shape, np.bool_)
        step_m_s = _JUMP_NYQUIST * frame.nyquist_velocity_m_s
        velocity_m_s, fold, status = frame.velocity_m_s, frame.fold, frame.status
        next_region(velocity_m_s, fold, status, after, _FEWEST_PIXELS, step_m_s, picked)
        self.select(picked)

    def resize_brush(self, steps: int) -> None:
        """Make the brush larger or smaller."""
        radius_m = self.radius_m * _BRUSH_STEP**steps
        self.radius_m = min(max(radius_m, BRUSH_M[0]), BRUSH_M[1])
        if self._hovering is not None:
            self._ring(self._hovering)
        self._changed()

    def remove(self) -> None:
        """Take back what was given to what is selected."""
        self._removed()

    # ---- the mouse ------------------------------------------------------------------------

    def press(self, touch: Touch) -> bool:
        """Begin a click or a stroke."""
        if self._frame is None:
            self._refused()
            return False
        self._pressed, self._painted_to = touch, None
        return True

    def drag(self, touch: Touch) -> None:
        """Paint from where the brush was last."""
        frame, pressed = self._frame, self._pressed
        if frame is None or pressed is None:
            return
        if self._painted_to is None:
            if touch.distance_px(pressed.x_m, pressed.z_m) < _STILL_PX:
                return
            self._painted_to = _place(frame, pressed)
            if self.selection is None or not (pressed.shift or pressed.control):
                self.selection = np.zeros(frame.fold.shape, np.bool_)
        at = _place(frame, touch)
        painted = np.zeros(frame.fold.shape, np.bool_) if self.selection is None else self.selection
        grid = frame.acquisition.colour_grid
        metric = _metric(grid, at[0])
        value = not pressed.control
        brush(frame.status, self._painted_to, at, metric, self.radius_m, value, painted)
        # A stroke that has met no flow yet selects nothing.
        self.selection, self._painted_to = painted if painted.any() else None, at
        self._ring(touch)
        self._outline()

    def release(self, touch: Touch) -> None:
        """Pick the region under a click; a stroke is done."""
        frame, pressed = self._frame, self._pressed
        painted, self._pressed, self._painted_to = self._painted_to, None, None
        if frame is None or pressed is None:
            return
        if painted is not None:
            self.select(self.selection)
            return
        grid = frame.acquisition.colour_grid
        if not grid.contains(touch.x_m, touch.z_m):
            self.select(None)
            return
        row, line = (round(at) for at in _place(frame, touch))
        n_depths, n_lines = frame.fold.shape
        row, line = min(max(row, 0), n_depths - 1), min(max(line, 0), n_lines - 1)
        picked = np.zeros(frame.fold.shape, np.bool_)
        step_m_s = _JUMP_NYQUIST * frame.nyquist_velocity_m_s
        flood(frame.velocity_m_s, frame.fold, frame.status, row, line, step_m_s, picked)
        if self.selection is not None and pressed.shift:
            picked |= self.selection
        elif self.selection is not None and pressed.control:
            picked = self.selection & ~picked
        self.select(picked)

    def wheel(self, steps: float, touch: Touch) -> bool:
        """Change the folds of what is selected, over it; elsewhere the wheel zooms."""
        if self._frame is None or self.selection is None or not self._is_selected(touch):
            return False
        self._turned += steps
        whole = math.trunc(self._turned)
        if whole:
            self._turned -= whole
            self._stepped(whole)
        return True

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        """Show the brush."""
        if self._frame is None:
            return None
        self._ring(touch)
        return Qt.CursorShape.CrossCursor

    def leave(self) -> None:
        """Show no brush."""
        self._hovering = None
        self._draw(_BRUSH, ())

    # ---- drawing --------------------------------------------------------------------------

    def _is_selected(self, touch: Touch) -> bool:
        assert self._frame is not None
        if self.selection is None or not self._frame.acquisition.colour_grid.contains(
            touch.x_m, touch.z_m
        ):
            return False
        row, line = (round(at) for at in _place(self._frame, touch))
        n_depths, n_lines = self.selection.shape
        return bool(self.selection[min(row, n_depths - 1), min(line, n_lines - 1)])

    def _ring(self, touch: Touch) -> None:
        self._hovering = touch
        angle = np.linspace(0.0, 2.0 * np.pi, _RING_POINTS)
        x_m = touch.x_m + self.radius_m * np.cos(angle)
        z_m = touch.z_m + self.radius_m * np.sin(angle)
        points_m = tuple(zip(x_m.tolist(), z_m.tolist(), strict=True))
        self._draw(_BRUSH, (Mark(points_m, CURSOR, 1.0),))

    def _outline(self) -> None:
        """Draw around the largest parts of what is selected."""
        frame, marks = self._frame, []
        if frame is not None and self.selection is not None:
            corners = np.zeros((_MOST_CORNERS, 2), np.int16)
            ends = np.zeros(_MOST_OUTLINES, np.int32)
            n = outlines(self.selection, corners, ends)
            parts = np.split(corners[: ends[n - 1] if n else 0], ends[: n - 1] if n else [])
            for part in sorted(parts, key=len, reverse=True)[:_DRAWN_OUTLINES]:
                x_m, z_m = frame.acquisition.colour_grid.positions_m(
                    part[:, 0] - 0.5, part[:, 1] - 0.5
                )
                marks.append(Mark(tuple(zip(x_m.tolist(), z_m.tolist(), strict=True)), HAND))
        self._draw(_SELECTION, marks)


def _place(frame: DopplerFrame, touch: Touch) -> tuple[float, float]:
    """Fractional row and line under the pointer."""
    row, line = frame.acquisition.colour_grid.indices(touch.x_m, touch.z_m)
    return float(row), float(line)


def _metric(grid: ImageGrid, row: float) -> tuple[float, float, float]:
    """Return a, b, c of the squared distance a dr^2 + 2 b dr dl + c dl^2 in m^2, near a row."""
    down_m, across_m = grid.range_step_m, grid.line_step
    if grid.kind == "polar":
        across_m *= max(grid.range_m[0] + row * down_m, down_m)
        return down_m**2, 0.0, across_m**2
    aside_m = down_m * math.tan(grid.angle_rad)
    return down_m**2 + aside_m**2, aside_m * across_m, across_m**2
