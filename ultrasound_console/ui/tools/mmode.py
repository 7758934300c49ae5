"""M-mode of colour: the flow along one line over the frames of the loop, raw and corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal

from ...cine import Cine, LoopFrame
from ...export.measurements import Row
from ...frames import DopplerFrame
from ...render.canvas import PanelCanvas
from ...render.painter import CONVENTIONAL, CORRECTED
from ...render.strokes import Colour
from ...render.tools import Touch
from ..background import Background, Ticket
from ..labels import Caption
from ..plot import Drawing, Plot, Raster
from ..plots import KEY, PlotArea
from .beside import place_beside
from .flow_profile import distances_m
from .line_tool import Line, LineTool
from .mmode_picture import Column, Look, Strips, column_of, mmode_rows, rasters, strips_of
from .region_plot import LIVE_S
from .tool_row import ToolEntry

INK: Colour = (0.80, 0.72, 1.0, 0.95)
_NAMES = RAW_NAME, CORRECTED_NAME = "mmode raw", "mmode corrected"
_MARKS = "mmode"
_CORRECTED_TITLE, _NOT_CORRECTED_TITLE = "M-mode, de-aliased", "M-mode, not de-aliased"
_HINT = "Click for the scan line there, or draw a line: the flow along it over time"


@dataclass(frozen=True, eq=False)
class _Painted:
    """What comes out of the background."""

    columns: tuple[Column, ...]
    pictures: tuple[Raster, Raster]


class MMode(QObject):
    """A line, and the flow along it over time.

    Parameters
    ----------
    canvas : PanelCanvas
    plots : PlotArea
    cine : Cine

    Signals
    -------
    addressed : (index)
        The user points at a time of a frozen loop.

    Attributes
    ----------
    entry : ToolEntry
    raw, corrected : Plot
    columns : tuple of Column
        What the plots show.
    background : Background
        Where they are painted.
    """

    addressed = Signal(int)

    def __init__(self, canvas: PanelCanvas, plots: PlotArea, cine: Cine) -> None:
        super().__init__()
        self._canvas, self._plots, self._cine = canvas, plots, cine
        self.tool = _ScanLineTool(canvas, self._on_drawn)
        self.entry = ToolEntry(
            "M-mode", "Shift+M", "M-mode of colour along a line", _HINT, self.tool
        )
        self.raw = Plot("M-mode, raw", "s", "mm", y_down=True)
        self.corrected = Plot(_CORRECTED_TITLE, "s", "mm", y_down=True)
        for name, plot in zip(_NAMES, (self.raw, self.corrected), strict=True):
            plots.add(name, plot)
            plot.pressed.connect(self._on_pressed)
        self.caption = Caption(canvas, "mmode_caption")
        canvas.lay_over(self.caption)
        canvas.labels_changed.connect(self._place)
        self.columns: tuple[Column, ...] = ()
        self.background = Background("M-mode")
        self.background.done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)
        self._asked: tuple[Line | None, tuple[LoopFrame, ...], Look | None] = (None, (), None)
        self._is_busy = False
        self._closed = False
        self._loop: tuple[LoopFrame, ...] = ()
        self._frozen = False
        # For the thread in the background only.
        self._known_for: tuple[Line, Look] | None = None
        self._columns: dict[int, Column] = {}
        self._strips: dict[int, Strips] = {}
        self._distance_m: NDArray[np.float64] = np.zeros(0)

    @property
    def line(self) -> Line | None:
        """Where it is taken."""
        return self.tool.lines[0] if self.tool.lines else None

    def forget(self) -> None:
        """Take the line away."""
        self.tool.set_lines(())

    def close(self) -> None:
        """End the thread; what it has sent already belongs to no line."""
        self._closed = True
        self.background.close()

    def rows(self, angle_rad: float | None) -> list[Row]:
        """Peak and mean of every frame, for the table of measurements."""
        return mmode_rows(self.columns, angle_rad)

    def show_frame(
        self, frame: DopplerFrame | None, loop: tuple[LoopFrame, ...], *, frozen: bool
    ) -> None:
        """Have painted what is missing: all of a frozen loop, the last seconds of a live one."""
        self._loop, self._frozen = loop, frozen
        line = self.line
        self._name_line()
        if frame is None or line is None or not loop:
            return
        for plot in (self.raw, self.corrected):
            plot.mark(frame.time_s if frozen else None)
        raw_m_s, corrected_m_s = (self._canvas.limits_m_s(p) for p in (CONVENTIONAL, CORRECTED))
        if raw_m_s is None or corrected_m_s is None:
            return
        if not frozen:
            loop = tuple(told for told in loop if told.time_s > loop[-1].time_s - LIVE_S)
        look = Look(self._canvas.display, raw_m_s, corrected_m_s)
        line = _downwards(line)
        asked = line, loop, look
        # Another line is wanted at once; more frames wait until the last ones are painted.
        if asked == self._asked or (self._is_busy and line == self._asked[0]):
            return
        self._asked, self._is_busy = asked, True
        self.background.ask(lambda ticket: self._paint(ticket, line, loop, look))

    def _paint(
        self, ticket: Ticket, line: Line, loop: tuple[LoopFrame, ...], look: Look
    ) -> _Painted | None:
        """Read and paint the frames; in the background."""
        if (line, look) != self._known_for:
            if self._known_for is None or line != self._known_for[0]:
                self._columns, self._distance_m = {}, np.zeros(0)
            self._known_for, self._strips = (line, look), {}
        columns: dict[int, Column] = {}
        strips: dict[int, Strips] = {}
        for told in loop:
            if not ticket.is_wanted:
                return None
            index = told.index
            column = self._columns.get(index)
            if column is None or column.told is not told:
                self._strips.pop(index, None)
                column = self._read(told, line)
            if column is not None:
                columns[index] = column
                strips[index] = self._strips.get(index) or strips_of(column, look)
        self._columns, self._strips = columns, strips
        if not columns:
            return None
        in_order = tuple(columns.values())
        time_s = np.array([column.told.time_s for column in in_order])
        return _Painted(in_order, rasters(time_s, tuple(strips.values()), _limits_mm(line)))

    def _read(self, told: LoopFrame, line: Line) -> Column | None:
        """Read one frame, while it is held; in the background."""
        frame = self._cine.frame(told.index)
        if frame is None:
            return None
        if not self._distance_m.size:
            self._distance_m = distances_m(frame, line.start_m, line.end_m)
        return column_of(told, frame, line.start_m, line.end_m, self._distance_m)

    def _on_done(self, painted: _Painted | None) -> None:
        self._is_busy = False
        if (
            self._closed
            or painted is None
            or self.line is None
            or painted.columns == self.columns == ()
        ):
            return
        self.columns = painted.columns
        is_corrected = any(column.is_corrected for column in self.columns)
        self.corrected.set_title(_CORRECTED_TITLE if is_corrected else _NOT_CORRECTED_TITLE)
        for plot, picture in zip((self.raw, self.corrected), painted.pictures, strict=True):
            plot.show_drawing(
                Drawing(raster=picture, x_limits=picture.x_limits, y_limits=picture.y_limits)
            )

    def _on_drawn(self) -> None:
        line = self.line
        for name in _NAMES:
            self._plots.set_filled(name, line is not None)
        if line is None:
            self.background.cancel()
            self._is_busy, self._asked, self.columns = False, (None, (), None), ()
        self._canvas.set_marks(_MARKS, self.tool.marks(INK))
        self.show_frame(self._canvas.frame, self._loop, frozen=self._frozen)

    def _name_line(self) -> None:
        """Say what the line is, and where its pictures are."""
        text = "M-mode" if self._plots.isVisible() else f"M-mode: {KEY} shows it"
        self.caption.say("" if self.line is None else text)
        self._place()

    def _place(self) -> None:
        place_beside(self.caption, self._canvas, self.line)

    def _on_pressed(self, x: float, y: float) -> None:
        """Go to the frame at a time."""
        del y
        if self._frozen and self._loop:
            self.addressed.emit(min(self._loop, key=lambda told: abs(told.time_s - x)).index)


class _ScanLineTool(LineTool):
    """Draws one line; a click takes the scan line of the colour box there."""

    def __init__(self, canvas: PanelCanvas, changed: Callable[[], object]) -> None:
        super().__init__(changed)
        self._canvas = canvas

    def clicked(self, touch: Touch) -> None:
        """Take the scan line there."""
        self.take_scan_line(touch.x_m, touch.z_m, touch.place)

    def take_scan_line(self, at_x_m: float, at_z_m: float, place: int = 0) -> None:
        """Take the scan line through a place of the colour box."""
        frame = self._canvas.frame
        if frame is not None and frame.acquisition.colour_grid.contains(at_x_m, at_z_m):
            ends = frame.acquisition.colour_grid.line_through(at_x_m, at_z_m)
            self.set_lines((Line(*ends, place),))


def _downwards(line: Line) -> Line:
    """Return the line from its upper end, where it goes down rather than across."""
    if line.depth_m < line.lateral_m or line.end_m[1] > line.start_m[1]:
        return line
    return replace(line, start_m=line.end_m, end_m=line.start_m)


def _limits_mm(line: Line) -> tuple[float, float]:
    """Depth of both ends, or the length of a line that goes across rather than down."""
    (_, z0), (_, z1) = line.start_m, line.end_m
    if line.depth_m >= line.lateral_m:
        return 1e3 * z0, 1e3 * z1
    return 0.0, 1e3 * line.length_m
