"""Angle correction: the vessel's axis drawn into the pictures, and the sign that it is in force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy

from ...frames import Acquisition, DopplerFrame
from ...render.canvas import PanelCanvas
from ...render.strokes import ACCENT, CAUTION
from ...render.tools import Touch
from .. import theme
from ..flow_switch import PushButton
from ..labels import Caption, angle_colour
from .beside import place_beside
from .line_tool import Line, LineTool
from .tool_row import ToolEntry
from .vessel_angle import WARNING_RAD, Axis, angle_text, largest_rad

RESET_KEYS = "Shift+G"
_CLOSE_RAD = math.radians(0.51)  # angles are whole degrees
_STEEP_ERROR_RAD = math.radians(5.0)
_MARKS = "angle"
_TIP = "Read-outs and bars are divided by the cosine of the angle between beam and vessel"


class AngleChip(PushButton):
    """Says that velocities are corrected for an angle; a click ends that. Hidden without one."""

    def __init__(self) -> None:
        super().__init__("", "angle_chip")
        self._text = self._angle_text = ""
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_angle(self, angle_rad: float) -> None:
        """Tell the angle in force."""
        self.setVisible(angle_rad > 0.0)
        text = f"{angle_text(angle_rad)} corrected"
        is_steep = angle_rad > WARNING_RAD
        if is_steep:
            text += ": unreliable"
        if text != self._text:
            self._text, self._angle_text = text, angle_text(angle_rad)
            self.updateGeometry()
            self._fit()
            self.setStyleSheet(f"color: {angle_colour(angle_rad)}; font-weight: bold;")
            factor = f"{_TIP}: \N{MULTIPLICATION SIGN} {1 / math.cos(angle_rad):.2f}."
            tip = steep_text(angle_rad) if is_steep else factor
            self.setToolTip(f"{tip}<br>Click ({RESET_KEYS}): no correction.")

    def sizeHint(self) -> QSize:
        """Room for all of the text, whatever is shown of it."""
        metrics = self.fontMetrics()
        missing_px = metrics.horizontalAdvance(self._text) - metrics.horizontalAdvance(self.text())
        return super().sizeHint() + QSize(missing_px, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the angle alone where there is no room for more."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        has_room = self.width() >= self.sizeHint().width()
        self.setText(self._text if has_room or not self.isVisible() else self._angle_text)


def steep_text(angle_rad: float) -> str:
    """Say in plain words why an angle is too large to be trusted."""
    off = math.cos(angle_rad) / math.cos(min(angle_rad + _STEEP_ERROR_RAD, math.radians(89.0))) - 1
    return (
        f"{angle_text(angle_rad)} between beam and vessel: 5\N{DEGREE SIGN} more would change the "
        f"velocity by {100 * off:.0f} %. Steer the beam or tilt the probe to stay within 60"
        "\N{DEGREE SIGN}."
    )


class VesselAngle:
    """The tool that draws the axis of a vessel, and what follows from it.

    The setting is what counts. A drawn axis sets it, and follows where it is changed elsewhere;
    where the beam is steered another way, the axis stays in the body and the angle follows.

    Parameters
    ----------
    canvas : PanelCanvas
    change : callable
        Puts an angle in force.
    commit : callable
        Makes what was changed one undo step.
    correct : callable
        Puts an angle in force without any undo step.
    say : callable
        Takes a sentence for the user.

    Attributes
    ----------
    entry : ToolEntry
    chip : AngleChip
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        *,
        change: Callable[[float], object],
        commit: Callable[[], object],
        correct: Callable[[float], object],
        say: Callable[[str], object],
    ) -> None:
        self._canvas, self._say = canvas, say
        self._change, self._commit, self._correct = change, commit, correct
        self.tool = _AxisTool(self._on_drawn, self._on_released, self.reset)
        self.entry = ToolEntry(
            "Angle",
            "G",
            "Angle correction: draw the vessel's axis",
            "Draw along the vessel: read-outs and bars are corrected for its angle to the beam",
            self.tool,
        )
        self.chip = AngleChip()
        self.chip.clicked.connect(self.reset)
        self._caption = Caption(canvas, "angle_caption", size_px=13)
        canvas.lay_over(self._caption)
        canvas.labels_changed.connect(self._place)
        self._beam: object = None
        self._angle_rad = 0.0
        self._is_setting = False

    def reset(self) -> None:
        """Correct for no angle, and forget the axis."""
        self.tool.lines = ()
        self._set(0.0)
        self._commit()
        self._draw()

    def forget(self) -> None:
        """Take the axis away, and the angle: another source has another vessel."""
        if self._beam is not None:
            self._beam = None
            self.tool.set_lines(())
            self._correct(0.0)

    def show_angle(self, angle_rad: float) -> None:
        """Follow the setting."""
        if angle_rad == self._angle_rad:
            return
        was_steep, self._angle_rad = self._angle_rad > WARNING_RAD, angle_rad
        self.chip.show_angle(angle_rad)
        if not self._is_setting and not was_steep:
            self._warn()
        frame, line = self._canvas.frame, self._line
        if self._is_setting or frame is None or line is None:
            return
        if angle_rad == 0.0:
            self.tool.lines = ()
        else:
            axis = _axis_of(line)
            if abs(axis.angle_rad(frame.acquisition) - angle_rad) > _CLOSE_RAD:
                self.tool.lines = (_along(line, axis.turned(angle_rad, frame.acquisition)),)
        self._draw()

    def show_frame(self, frame: DopplerFrame | None) -> None:
        """Let the angle follow a beam that is steered another way."""
        if frame is None:
            return
        acquisition = frame.acquisition
        beam = _beam_of(acquisition)
        if beam != self._beam:
            was_known, self._beam = self._beam is not None, beam
            if was_known and self._line is not None:
                self._on_drawn()

    @property
    def _line(self) -> Line | None:
        return self.tool.lines[0] if self.tool.lines else None

    def _on_drawn(self) -> None:
        """Put the angle of the axis in force, in whole degrees; none where it is too large."""
        frame, line = self._canvas.frame, self._line
        if frame is not None and line is not None:
            angle_rad = _axis_of(line).angle_rad(frame.acquisition)
            rounded = math.radians(round(math.degrees(angle_rad)))
            is_too_large = rounded > largest_rad() + 1e-9
            self._set(0.0 if is_too_large else min(rounded, largest_rad()))
            if not self.tool.is_held:
                self._commit()
        self._draw()

    def _on_released(self) -> None:
        self._commit()
        self._warn()

    def _warn(self) -> None:
        """Say that an angle is large; a message moves the pictures, so never during a drag."""
        if self._angle_rad > WARNING_RAD:
            self._say(steep_text(self._angle_rad))

    def _set(self, angle_rad: float) -> None:
        if angle_rad != self._angle_rad:
            self._is_setting = True
            self._change(angle_rad)
            self._is_setting = False

    def _draw(self) -> None:
        frame, line = self._canvas.frame, self._line
        text = ""
        if frame is not None and line is not None:
            angle_rad = _axis_of(line).angle_rad(frame.acquisition)
            text = angle_text(angle_rad)
            if angle_rad > largest_rad() + _CLOSE_RAD:
                text += "  not corrected: nothing is measured across the flow"
            elif angle_rad > WARNING_RAD:
                text += "  unreliable beyond 60\N{DEGREE SIGN}"
            is_steep = angle_rad > WARNING_RAD
            self._caption.tint(theme.WARNING if is_steep else theme.ACCENT)
            self._canvas.set_marks(_MARKS, self.tool.marks(CAUTION if is_steep else ACCENT))
        else:
            self._canvas.set_marks(_MARKS, ())
        self._caption.say(text)
        self._place()

    def _place(self) -> None:
        place_beside(self._caption, self._canvas, self._line, below=True)


class _AxisTool(LineTool):
    """Draws one line, which Delete resets."""

    def __init__(
        self,
        changed: Callable[[], object],
        released: Callable[[], object],
        reset: Callable[[], object],
    ) -> None:
        super().__init__(changed)
        self._released, self._reset = released, reset

    def release(self, touch: Touch) -> None:
        """Let go."""
        super().release(touch)
        self._released()

    def remove(self) -> None:
        """Correct no longer."""
        self._reset()


def _beam_of(acquisition: Acquisition) -> object:
    grid = acquisition.colour_grid
    angles_rad = acquisition.transmit_angle_rad, acquisition.receive_angle_rad
    return *angles_rad, acquisition.source_distance_m, grid.kind, grid.apex_m


def _axis_of(line: Line) -> Axis:
    (x0, z0), (x1, z1) = line.start_m, line.end_m
    return Axis(0.5 * (x0 + x1), 0.5 * (z0 + z1), math.atan2(x1 - x0, z1 - z0))


def _along(line: Line, axis: Axis) -> Line:
    """Return a line of the same length and middle along another axis."""
    half_m = 0.5 * line.length_m
    across_m = half_m * math.sin(axis.direction_rad)
    down_m = half_m * math.cos(axis.direction_rad)
    return replace(
        line,
        start_m=(axis.x_m - across_m, axis.z_m - down_m),
        end_m=(axis.x_m + across_m, axis.z_m + down_m),
    )
