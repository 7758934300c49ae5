"""The profile of the flow along a line across a vessel: a plot, and its figures in a caption."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...export.measurements import (
    BY_HAND,
    CM_S,
    CORRECTED,
    MM,
    NO_VELOCITY,
    RAW,
    Conditions,
    Row,
    VelocityIs,
)
from ...frames import DopplerFrame
from ...render import painter
from ...render.canvas import PanelCanvas
from ...render.strokes import Colour, Dot
from .. import theme
from ..labels import Caption
from ..plot import Curve, Drawing, Level, Plot
from ..plots import KEY, PlotArea
from ..readout import velocity_text
from .beside import place_beside
from .flow_profile import Profile, profile_along
from .line_tool import Line, LineTool
from .region_plot import CORRECTED_COLOUR, RAW_COLOUR
from .tool_row import ToolEntry
from .vessel_angle import angle_text

INK: Colour = (0.95, 0.96, 0.98, 0.9)
_NAME = "profile"
_HINT = f"Draw across the vessel; {KEY} shows the plot, Delete takes the line away"
_NO_FLOW = "no flow along this line"


class FlowProfile:
    """A line, and the velocities along it.

    Parameters
    ----------
    canvas : PanelCanvas
    plots : PlotArea

    Attributes
    ----------
    entry : ToolEntry
    plot : Plot
    caption : Caption
    profile : Profile or None
        Of the frame on screen.
    """

    def __init__(self, canvas: PanelCanvas, plots: PlotArea) -> None:
        self._canvas, self._plots = canvas, plots
        self.tool = LineTool(self._on_drawn)
        self.entry = ToolEntry("Profile", "L", "Profile across a vessel", _HINT, self.tool)
        self.plot = Plot("Profile", "mm", "cm/s")
        plots.add(_NAME, self.plot)
        self.caption = Caption(canvas, "profile_caption", n_lines=2)
        canvas.lay_over(self.caption)
        canvas.labels_changed.connect(self._place)
        self.profile: Profile | None = None
        self._shown: tuple[DopplerFrame | None, Line | None, float] = (None, None, 0.0)

    @property
    def line(self) -> Line | None:
        """Where it is taken."""
        return self.tool.lines[0] if self.tool.lines else None

    def forget(self) -> None:
        """Take the line away."""
        self.tool.set_lines(())

    def show_frame(self, frame: DopplerFrame | None) -> None:
        """Read the line, unless that has been done."""
        line, angle_rad = self.line, self._canvas.display.angle_rad
        if self._shown == (frame, line, angle_rad):
            return
        self._shown = frame, line, angle_rad
        self.profile = None
        if frame is not None and line is not None and line.length_m > 0.0:
            self.profile = profile_along(frame, line.start_m, line.end_m)
            angle = f", {angle_text(angle_rad)} corrected" if angle_rad else ""
            self.plot.set_title(f"Profile{angle}")
            self.plot.show_drawing(drawing_of(self.profile, angle_rad))
        self._plots.set_filled(_NAME, line is not None)
        self.caption.say("" if self.profile is None else profile_text(self.profile, angle_rad))
        self._draw()

    def rows(self, conditions: Conditions) -> list[Row]:
        """Figures and curves, for the table of measurements."""
        return [] if self.profile is None else rows_of(self.profile, conditions)

    def _on_drawn(self) -> None:
        self.show_frame(self._canvas.frame)

    def _draw(self) -> None:
        """Draw the line, and where the flow along it begins and ends."""
        marks = self.tool.marks(INK)
        line, profile = self.line, self.profile
        if line is not None and profile is not None and profile.diameter_m > 0.0:
            stretch, n = profile.stretch, len(profile.distance_m) - 1
            (x0, z0), (x1, z1) = line.start_m, line.end_m
            for share in (max(stretch.start - 0.5, 0.0) / n, min(stretch.stop - 0.5, n) / n):
                marks.append(Dot(x0 + share * (x1 - x0), z0 + share * (z1 - z0), INK, 4.0))
        self._canvas.set_marks(_NAME, marks)
        self._place()

    def _place(self) -> None:
        line, panels = self.line, self._canvas.panels
        if line is not None and painter.CORRECTED in panels:  # what it tells is shown there
            line = replace(line, place=panels.index(painter.CORRECTED))
        place_beside(self.caption, self._canvas, line)


def drawing_of(profile: Profile, angle_rad: float) -> Drawing:
    """Plot raw and corrected velocity between the Nyquist limits, for an angle."""
    scale = 100.0 / math.cos(angle_rad)
    distance_mm = 1e3 * profile.distance_m
    nyquist = scale * profile.nyquist_m_s
    # No line from one end of the scale to the other, where nothing was measured.
    folded = np.flatnonzero(np.abs(np.diff(profile.raw_m_s)) > profile.nyquist_m_s) + 1
    raw = np.insert(scale * profile.raw_m_s, folded, np.nan)
    raw_mm = np.insert(distance_mm, folded, distance_mm[folded])
    curves = [Curve("raw", raw_mm, raw, RAW_COLOUR)]
    if not profile.is_raw:
        corrected = scale * profile.corrected_m_s
        curves.append(Curve("de-aliased", distance_mm, corrected, CORRECTED_COLOUR, 1.8))
    return Drawing(
        curves,
        levels=(Level(-nyquist), Level(0.0, theme.LINE), Level(nyquist)),
        x_limits=(0.0, float(distance_mm[-1])),
    )


def profile_text(profile: Profile, angle_rad: float) -> str:
    """Peak, mean and width of the flow, and whether they are of the corrected velocity."""
    if not profile.diameter_m:
        return _NO_FLOW
    peak = velocity_text(profile.peak_m_s(corrected=True), angle_rad)
    mean = velocity_text(profile.mean_m_s(corrected=True), angle_rad)
    name = "as measured" if profile.is_raw else "partly as measured"
    if profile.is_corrected:
        name = "folds by hand" if profile.is_by_hand else "de-aliased"
    return f"{name}: peak {peak}, mean {mean}, {1e3 * profile.diameter_m:.1f} mm wide"


def rows_of(profile: Profile, conditions: Conditions) -> list[Row]:
    """Peak, mean and width, and both velocities at every place with flow."""
    kind, scale = "profile", 100.0 / math.cos(conditions.angle_rad or 0.0)
    width_mm = 1e3 * profile.diameter_m
    rows = [Row(kind, "", "width of the flow", width_mm, MM, NO_VELOCITY, conditions)]
    kinds: list[tuple[bool, VelocityIs]] = [(False, RAW)]
    if not profile.is_raw:
        kinds.append((True, BY_HAND if profile.is_by_hand else CORRECTED))
    for is_corrected, velocity_is in kinds:
        for quantity, value_m_s in (
            ("peak velocity", profile.peak_m_s(corrected=is_corrected)),
            ("mean velocity", profile.mean_m_s(corrected=is_corrected)),
        ):
            rows.append(Row(kind, "", quantity, scale * value_m_s, CM_S, velocity_is, conditions))
    for is_corrected, velocity_is in kinds:
        values_m_s = profile.corrected_m_s if is_corrected else profile.raw_m_s
        rows += [
            Row(kind, "", "velocity", scale * value_m_s, CM_S, velocity_is, conditions, position_m)
            for position_m, value_m_s in zip(profile.distance_m, values_m_s, strict=True)
            if math.isfinite(value_m_s)
        ]
    return rows
