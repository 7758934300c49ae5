"""The tools that measure along lines, put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt

from ...cine import Cine, LoopFrame
from ...export.measurements import Conditions, Row
from ...frames import DopplerFrame
from ...measure import Ellipse
from ...render.canvas import PanelCanvas
from ...settings import Settings
from ..plots import PlotArea
from .angle import VesselAngle
from .calipers import Calipers
from .gate import SpectralGate
from .line_keys import LineKeys
from .line_tool import Line
from .mmode import MMode
from .profile import FlowProfile
from .tool_row import ToolRow

_BEYOND_WALLS = 1.4


class LineTools:
    """Distance, profile, angle, M-mode and gate.

    Parameters
    ----------
    canvas : PanelCanvas
    tools : ToolRow
        They are offered there.
    plots : PlotArea
        What they plot goes there.
    cine : Cine
        The frames of the loop.
    change : callable
        Puts a setting in force, by name.
    commit : callable
        Makes what was changed one undo step.
    correct : callable
        Replaces a setting that cannot stay, by name; undo does not bring it back.
    say : callable
        Takes a sentence for the user, and whether it is an error.
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        tools: ToolRow,
        plots: PlotArea,
        cine: Cine,
        *,
        change: Callable[[str, float], object],
        commit: Callable[[], object],
        correct: Callable[[str, float], object],
        say: Callable[..., object],
    ) -> None:
        self._canvas = canvas
        self.calipers = Calipers(canvas, tools.say)
        self.profile = FlowProfile(canvas, plots)
        self.angle = VesselAngle(
            canvas,
            change=partial(change, "angle_rad"),
            commit=commit,
            correct=partial(correct, "angle_rad"),
            say=say,
        )
        self.mmode = MMode(canvas, plots, cine)
        self.gate = SpectralGate(canvas, plots, cine)
        for part in (self.calipers, self.profile, self.angle, self.mmode, self.gate):
            tools.add(part.entry)
        tools.add_widget(self.angle.chip)
        queued = Qt.ConnectionType.QueuedConnection
        for background in (self.mmode.background, self.gate.background):
            background.failed.connect(lambda text: say(text, is_error=True), queued)
        self.keys = LineKeys(
            canvas,
            tools,
            {
                self.calipers.entry.name: (self.calipers.tool, self._measure_across),
                self.profile.entry.name: (self.profile.tool, self._profile_across),
                self.angle.entry.name: (self.angle.tool, self._angle_along),
                self.mmode.entry.name: (self.mmode.tool, self._mmode_through),
                self.gate.entry.name: (self.gate.tool, self._gate_in),
            },
        )

    def _measure_across(self, vessel: Ellipse) -> None:
        self.calipers.tool.add(_across(vessel, 1.0))

    def _profile_across(self, vessel: Ellipse) -> None:
        self.profile.tool.add(_across(vessel, _BEYOND_WALLS))

    def _angle_along(self, vessel: Ellipse) -> None:
        self.angle.tool.add(Line(vessel.at(-1.0, 0.0), vessel.at(1.0, 0.0)))

    def _mmode_through(self, vessel: Ellipse) -> None:
        self.mmode.tool.take_scan_line(vessel.x_m, vessel.z_m)

    def _gate_in(self, vessel: Ellipse) -> None:
        self.gate.tool.put(vessel.x_m, vessel.z_m)

    def forget(self) -> None:
        """Take everything away that was drawn: another source shows something else."""
        self.calipers.forget()
        self.profile.forget()
        self.mmode.forget()
        self.gate.forget()
        self.angle.forget()

    def show_settings(self, settings: Settings) -> None:
        """Follow the settings in force."""
        self.angle.show_angle(settings.display.angle_rad)
        self.profile.show_frame(self._canvas.frame)

    def show_frame(
        self, frame: DopplerFrame | None, loop: tuple[LoopFrame, ...], *, frozen: bool
    ) -> None:
        """Measure the frame on screen, and the loop that is held."""
        self.angle.show_frame(frame)
        self.profile.show_frame(frame)
        self.mmode.show_frame(frame, loop, frozen=frozen)
        self.gate.show_frame(frame, loop, frozen=frozen)

    def close(self) -> None:
        """End all threads."""
        self.mmode.close()
        self.gate.close()

    def rows(self) -> list[Row]:
        """All that is measured on the frame on screen."""
        frame, angle_rad = self._canvas.frame, self._canvas.display.angle_rad
        if frame is None:
            return []
        self.profile.show_frame(frame)  # it follows what is on screen now and then
        conditions = Conditions.of(frame, angle_rad or None)
        return [
            *self.calipers.rows(conditions),
            *self.profile.rows(conditions),
            *self.mmode.rows(angle_rad or None),
            *self.gate.rows(angle_rad or None),
        ]


def _across(vessel: Ellipse, reach: float) -> Line:
    """Draw a line across a vessel, so many times as long as that is wide."""
    return Line(vessel.at(0.0, -reach), vessel.at(0.0, reach))
