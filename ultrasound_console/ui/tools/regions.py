"""Regions over vessels: what the flow does in them now, and over the loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QRect, QSize, Qt, Signal

from ...cine import Cine, LoopFrame
from ...export.measurements import Conditions, Row
from ...frames import DopplerFrame
from ...measure import Ellipse, RegionStatistics, ellipse_in_vessel, flow_near, statistics
from ...render.canvas import PanelCanvas
from ...render.painter import CONVENTIONAL, CORRECTED, FOLDS
from .. import theme
from ..labels import Caption
from ..plot import Plot
from ..plots import PlotArea
from ..readout import percent, velocity_text
from .beside import room_beside, words_before
from .region_plot import drawing_of, title_of
from .region_rows import region_rows, trace_rows
from .region_tool import Region, RegionTool
from .region_trace import RegionTrace, Tracer
from .tool_row import ToolEntry, ToolRow

NAME = "Region"
_HINT = "Drag an ellipse over a vessel, or double click inside one"
_KEYS = "Ctrl+arrows move it, with Shift stretch it"
_NO_FLOW = "no flow"
_NAME = "regions"
_STEP_M = 0.0002
_TURN_RAD = math.radians(3.0)
# Of figures beside a region.
_LINES = 3
_NEW_HALF_M = (0.004, 0.002)


@dataclass(frozen=True, eq=False)
class _Shown:
    """What the figures on screen were made from."""

    frame: DopplerFrame | None = None
    regions: tuple[Region, ...] = ()
    selected: int | None = None
    angle_rad: float = 0.0

    def same_as(self, other: _Shown) -> bool:
        return self.frame is other.frame and (self.regions, self.selected, self.angle_rad) == (
            other.regions,
            other.selected,
            other.angle_rad,
        )


class Regions(QObject):
    """The tool that draws regions, their figures and their traces.

    Parameters
    ----------
    canvas : PanelCanvas
    tools : ToolRow
        The tool is offered there.
    plots : PlotArea
        The trace goes there.
    cine : Cine
        The frames that are traced.

    Signals
    -------
    addressed : (index)
        The user points at a frame in the trace of a frozen loop.

    Attributes
    ----------
    tool : RegionTool
    plot : Plot
    captions : dict
        The figures beside each region, by number and place of the panel.
    figures : dict of int to RegionStatistics
        Of the frame on screen, by number of the region.
    """

    addressed = Signal(int)

    def __init__(self, canvas: PanelCanvas, tools: ToolRow, plots: PlotArea, cine: Cine) -> None:
        super().__init__()
        self._canvas, self._tools, self._plots = canvas, tools, plots
        self.tool = RegionTool(self._on_changed, self._fit, self._say)
        tools.add(ToolEntry(NAME, "R", "Mean and maximum in a region, over time", _HINT, self.tool))
        tools.chosen.connect(lambda _: self._draw())
        self.plot = Plot(NAME, "s", "cm/s")
        self.plot.setObjectName("region_plot")
        self.plot.pressed.connect(self._on_pressed)
        plots.add(_NAME, self.plot, share=2)
        self._tracer = Tracer(cine)
        queued = Qt.ConnectionType.QueuedConnection
        self._tracer.traced.connect(self._plot_traces, queued)
        self._tracer.background.failed.connect(self._say, queued)
        self.captions: dict[tuple[int, int], Caption] = {}
        self.figures: dict[int, RegionStatistics] = {}
        self._shown = _Shown()
        self._closed = False
        self._loop: tuple[LoopFrame, ...] = ()
        self._frozen = False
        self._plotted: object = None
        canvas.labels_changed.connect(self._draw)

    @property
    def traces(self) -> dict[int, RegionTrace]:
        """Traces by number of the region, as far as they have been worked out."""
        return self._tracer.traces

    # ---- what the keys do -----------------------------------------------------------------

    def add(self) -> None:
        """Fit a region to the vessel under the cursor, or to that in the middle of the box."""
        frame = self._canvas.frame
        if frame is None:
            return
        self._tools.choose(NAME)
        at_m = self._canvas.cursor_m
        if at_m is None or self._fit(*at_m) is None:
            x_min, x_max, z_min, z_max = frame.acquisition.colour_grid.extent_m
            middle_m = 0.5 * (x_min + x_max), 0.5 * (z_min + z_max)
            at_m = flow_near(frame, *middle_m) or middle_m
        ellipse = self._fit(*at_m)
        self.tool.put(Ellipse(*at_m, _NEW_HALF_M) if ellipse is None else ellipse)

    def move(self, across: int, down: int) -> None:
        """Move the selected region by steps."""
        self.tool.change(lambda ellipse: ellipse.moved(across * _STEP_M, down * _STEP_M))

    def stretch(self, along: int, across: int) -> None:
        """Make the selected region longer or wider by steps, about its centre."""

        def stretched(ellipse: Ellipse) -> Ellipse:
            long_m, wide_m = ellipse.half_m
            half_m = long_m + along * _STEP_M, wide_m + across * _STEP_M
            return replace(ellipse, half_m=half_m)

        self.tool.change(stretched)

    def turn(self, steps: int) -> None:
        """Turn the selected region."""
        self.tool.change(lambda ellipse: ellipse.turned(steps * _TURN_RAD))

    def select_next(self) -> None:
        """Select the next region."""
        self.tool.select_next()

    def forget(self) -> None:
        """Take all regions away: another source shows something else."""
        self.tool.forget()

    def close(self) -> None:
        """End the thread; what it has sent already finds no plot any more."""
        self._closed = True
        self._tracer.close()

    # ---- what is shown --------------------------------------------------------------------

    def show_frame(
        self, frame: DopplerFrame | None, loop: tuple[LoopFrame, ...], *, frozen: bool
    ) -> None:
        """Measure the frame on screen, and ask for what is missing of the traces.

        Parameters
        ----------
        frame : DopplerFrame or None
        loop : tuple of LoopFrame
            Frames held.
        frozen : bool
            Whether the loop can be gone through.
        """
        self._loop, self._frozen = loop, frozen
        self._measure(frame)
        self._tracer.ask(self.tool.regions, loop)
        self._plot_traces()

    def rows(self) -> list[Row]:
        """Figures of the frame on screen, and the traces, for the table of measurements."""
        frame, angle_rad = self._canvas.frame, self._canvas.display.angle_rad
        if frame is None:
            return []
        self._measure(frame)
        here = Conditions.of(frame, angle_rad or None)
        rows = []
        for region in self.tool.regions:
            found = self.figures[region.number]
            rows += region_rows(region, found, here, corrected=frame.processing.dealias)
        for region in self.tool.regions:
            trace = self.traces.get(region.number)
            if trace is not None and trace.ellipse == region.ellipse:
                rows += trace_rows(region, trace, angle_rad or None)
        return rows

    def _fit(self, x_m: float, z_m: float) -> Ellipse | None:
        frame = self._canvas.frame
        return None if frame is None else ellipse_in_vessel(frame, x_m, z_m)

    def _say(self, text: str) -> None:
        self._tools.say(text)

    def _on_changed(self) -> None:
        """Follow the hand at once; the traces come when they are worked out."""
        self._plots.set_filled(_NAME, bool(self.tool.regions))
        self._tracer.ask(self.tool.regions, self._loop)
        self._measure(self._canvas.frame)
        self._draw()
        self._plot_traces()
        if self._tools.current == NAME:
            self._say("" if self.tool.region is None else _KEYS)

    def _measure(self, frame: DopplerFrame | None) -> None:
        """Work out the figures of the frame on screen, unless they are known."""
        tool, angle_rad = self.tool, self._canvas.display.angle_rad
        now = _Shown(frame, tool.regions, tool.selected, angle_rad)
        if now.same_as(self._shown):
            return
        self._shown = now
        self.figures = {}
        if frame is not None:
            self.figures = {r.number: statistics(frame, r.ellipse) for r in tool.regions}
        self._caption()

    def _draw(self) -> None:
        """Draw the regions into the pictures."""
        m_per_px = 1.0 / self._canvas.view.pixels_per_m
        has_mouse = self._tools.current == NAME
        self._canvas.set_marks(_NAME, self.tool.marks(m_per_px, has_mouse=has_mouse))
        self._caption()

    def _caption(self) -> None:
        """Put figures beside each region, at the same place in every picture that has some."""
        canvas, frame = self._canvas, self._shown.frame
        first = canvas.picture_rect(0)
        picture = QRect(first.x, first.y, first.width, first.height)
        taken = self._words()
        wanted: set[tuple[int, int]] = set()
        for region in self.tool.regions if frame is not None else ():
            found, box = self.figures.get(region.number), self._box_px(region.ellipse)
            if frame is None or found is None or not picture.intersects(box):
                continue
            here: dict[int, Caption] = {}
            for place, panel in enumerate(canvas.panels):
                lines = caption_lines(panel, found, canvas.display.angle_rad, frame)
                if lines:
                    text = "\n".join(lines if region.number == self.tool.selected else lines[:1])
                    here[place] = caption = self._caption_at(region.number, place)
                    caption.tint(region.colour)
                    caption.say(f"{region.number}  {text}")
                    caption.place(caption.x(), caption.y(), first.width)  # its size follows
            width = max((caption.width() for caption in here.values()), default=0)
            height = max((caption.height() for caption in here.values()), default=0)
            room = room_beside(QSize(width, height), box, picture, taken)
            taken.append(room)
            for place, caption in here.items():
                away_px = canvas.picture_rect(place).x - picture.x()
                caption.place(room.left() + away_px, room.top(), first.width)
                wanted.add((region.number, place))
        for key, caption in self.captions.items():
            if key not in wanted:
                caption.say("")

    def _words(self) -> list[QRect]:
        """Where others have words over any picture, as if they were over the first."""
        canvas = self._canvas
        words = words_before(canvas, next(iter(self.captions.values()), None))
        pictures = [canvas.picture_rect(place) for place in range(len(canvas.panels))]
        return [
            word.translated(pictures[0].x - picture.x, 0)
            for picture in pictures
            for word in words
            if word.intersects(QRect(picture.x, picture.y, picture.width, picture.height))
        ]

    def _caption_at(self, number: int, place: int) -> Caption:
        if (number, place) not in self.captions:
            caption = Caption(
                self._canvas, f"region_{number}_{place}", n_lines=_LINES, size_px=theme.SMALL_PX
            )
            self._canvas.lay_over(caption)
            self.captions[number, place] = caption
        return self.captions[number, place]

    def _box_px(self, ellipse: Ellipse) -> QRect:
        """Where the first picture shows a region."""
        points = [self._canvas.pixel(0, *at_m) for at_m in ellipse.outline_m(25)]
        xs, ys = zip(*points, strict=True)
        left, top = math.floor(min(xs)), math.floor(min(ys))
        return QRect(left, top, math.ceil(max(xs)) - left, math.ceil(max(ys)) - top)

    def _plot_traces(self) -> None:
        """Plot what has been traced, and where the frame on screen is."""
        if self._closed:
            return
        frame, tool, angle_rad = self._shown.frame, self.tool, self._canvas.display.angle_rad
        if frame is not None and self._frozen:
            self.plot.mark(frame.time_s)
        else:
            self.plot.mark(None)
        key = self.traces, tool.regions, tool.selected, angle_rad, self._frozen
        if frame is None or key == self._plotted:
            return
        self._plotted = key
        nyquist_m_s = frame.nyquist_velocity_m_s
        self.plot.set_title(title_of(tool.region, angle_rad))
        self.plot.show_drawing(
            drawing_of(
                self.traces, tool.regions, tool.selected, nyquist_m_s, angle_rad, whole=self._frozen
            )
        )

    def _on_pressed(self, x: float, y: float) -> None:
        """Go to the frame at a time of the trace."""
        del y
        if self._frozen and self._loop:
            nearest = min(self._loop, key=lambda told: abs(told.time_s - x))
            self.addressed.emit(nearest.index)


def caption_lines(
    panel: int, found: RegionStatistics, angle_rad: float, frame: DopplerFrame
) -> tuple[str, ...]:
    """Figures that belong to a panel: raw, aliased, or corrected; the first line says most.

    None where a panel shows something else.
    """
    if panel not in (CONVENTIONAL, FOLDS, CORRECTED):
        return ()
    if not found.n_flow:
        return (_NO_FLOW,)
    if panel == FOLDS:
        aliased = (f"{percent(found.aliased_share)} aliased",)
        left = (f"{percent(found.left_share)} left as measured",) if found.n_left else ()
        by_hand = (f"{percent(found.by_hand_share)} by hand",) if found.n_by_hand else ()
        return aliased + left + by_hand
    if panel == CORRECTED and not frame.processing.dealias:
        return ("not de-aliased",)
    velocity = found.raw if panel == CONVENTIONAL else found.corrected
    return (
        f"mean {velocity_text(velocity.mean_m_s, angle_rad)}",
        f"max {velocity_text(velocity.fastest_m_s, angle_rad)}",
    )
