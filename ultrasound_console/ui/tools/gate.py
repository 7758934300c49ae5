"""The gate: a place in the pictures, and the spectrum there over a frozen loop."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal

from ...cine import Cine, LoopFrame
from ...export.measurements import Row
from ...frames import DopplerFrame
from ...geometry import ImageGrid
from ...pipeline.checks import PipelineError
from ...pipeline.gated import Gate, measure, plan_gate
from ...render.canvas import PanelCanvas
from ...render.strokes import Colour, Mark
from ...render.tools import Tool, Touch
from ..background import Background, Ticket
from ..labels import Caption
from ..plot import Drawing, Plot
from ..plots import KEY, PlotArea
from .beside import place_beside
from .gate_spectrum import (
    LeftError,
    Spectrogram,
    drawing_of,
    frames_around,
    samples,
    spectrum_rows,
    title_of,
)
from .line_tool import Line
from .tool_row import ToolEntry

INK: Colour = (0.75, 0.89, 1.0, 0.95)
_NAME = "spectrum"
_HINT = "Press where the spectrum is wanted; the wheel makes the gate longer, Delete takes it away"
_LENGTHS_M = (0.5e-3, 10e-3)
_STEP_M = 0.5e-3
_NEAR_PX = 60.0
_BAR_M = 1.2e-3
_OUTSIDE = "outside the colour box"


class SpectralGate(QObject):
    """A gate, and its spectrum.

    Parameters
    ----------
    canvas : PanelCanvas
    plots : PlotArea
    cine : Cine

    Signals
    -------
    addressed : (index)
        The user points at a time of the spectrum.

    Attributes
    ----------
    entry : ToolEntry
    plot : Plot
    spectrogram : Spectrogram or None
        What the plot shows.
    background : Background
        Where it is worked out.
    """

    addressed = Signal(int)

    def __init__(self, canvas: PanelCanvas, plots: PlotArea, cine: Cine) -> None:
        super().__init__()
        self._canvas, self._plots, self._cine = canvas, plots, cine
        self.tool = _GateTool(self._on_moved)
        self.entry = ToolEntry("Gate", "W", "Spectrum of a gate", _HINT, self.tool)
        self.plot = Plot("Spectrum", "s", "cm/s")
        self.plot.pressed.connect(self._on_pressed)
        plots.add(_NAME, self.plot, share=2)
        self.caption = Caption(canvas, "gate_caption")
        canvas.lay_over(self.caption)
        canvas.labels_changed.connect(self._place)
        self.spectrogram: Spectrogram | None = None
        self.background = Background("spectrum")
        queued = Qt.ConnectionType.QueuedConnection
        self.background.done.connect(self._on_done, queued)
        self.background.progressed.connect(self._on_progress, queued)
        self._asked: object = None
        self._angle_rad = 0.0
        self._loop: tuple[LoopFrame, ...] = ()
        self._frozen = False

    @property
    def gate(self) -> Gate | None:
        """Where the spectrum is taken."""
        return self.tool.gate

    def forget(self) -> None:
        """Take the gate away."""
        self.tool.remove()

    def close(self) -> None:
        """End the thread; what it has sent already was not asked for."""
        self._asked = None
        self.background.close()

    def rows(self, angle_rad: float | None) -> list[Row]:
        """All that was read off the spectrum, for the table of measurements."""
        return [] if self.spectrogram is None else spectrum_rows(self.spectrogram, angle_rad)

    def show_frame(
        self, frame: DopplerFrame | None, loop: tuple[LoopFrame, ...], *, frozen: bool
    ) -> None:
        """Have the spectrum of a frozen loop worked out; there is none of a live picture."""
        self._loop, self._frozen = loop, frozen
        gate, display = self.gate, self._canvas.display
        self.plot.mark(frame.time_s if frame is not None and frozen else None)
        is_inside = frame is not None and gate is not None and _is_inside(gate, frame)
        if frame is None or gate is None or not frozen or not is_inside:
            self._drop()
            if gate is not None:
                self._say("freeze (Space) for the spectrum" if is_inside else _OUTSIDE)
            return
        if display.angle_rad != self._angle_rad:
            self._angle_rad = display.angle_rad
            self._plot()
        frames = frames_around(frame, loop)
        if not frames:
            return
        indices = frames[0].index, frames[-1].index, len(frames)
        asked = gate, indices, frame.processing, display.baseline
        if asked == self._asked:
            if self.spectrogram is not None:
                self._say("" if self._plots.isVisible() else f"{KEY} shows its spectrum")
            return
        self._asked = asked
        self._plots.set_filled(_NAME, True)
        self.background.ask(
            lambda ticket: self._work_out(ticket, frame, frames, gate, display.baseline)
        )

    def _work_out(
        self,
        ticket: Ticket,
        frame: DopplerFrame,
        frames: tuple[LoopFrame, ...],
        gate: Gate,
        baseline_nyquist: float,
    ) -> Spectrogram | str | None:
        """Make the spectrum; in the background."""

        def progress(share: float) -> bool:
            ticket.progress(share)
            return ticket.is_wanted

        try:
            plan = plan_gate(
                frame.acquisition,
                len(frames),
                gate,
                frame.processing,
                baseline_nyquist=baseline_nyquist,
                times_s=[told.time_s for told in frames],
            )
            record = measure(samples(frames, self._cine.iq, progress), plan)
            return Spectrogram.of(record, frame, frames)
        except (ValueError, PipelineError) as error:
            return str(error)
        except LeftError:
            return None

    def _on_progress(self, share: float) -> None:
        if self._asked is not None:
            self._say(f"spectrum {100 * share:.0f} %")

    def _on_done(self, result: Spectrogram | str | None) -> None:
        if self._asked is None:
            return
        self.spectrogram = result if isinstance(result, Spectrogram) else None
        self._say(result if isinstance(result, str) else "")
        self._plot()

    def _plot(self) -> None:
        if self.spectrogram is None:
            self.plot.set_title("Spectrum")
            self.plot.show_drawing(Drawing())
        else:
            self.plot.set_title(title_of(self.spectrogram, self._angle_rad))
            self.plot.show_drawing(drawing_of(self.spectrogram, self._angle_rad))

    def _drop(self) -> None:
        """Have no spectrum."""
        if self._asked is not None:
            self.background.cancel()
            self._asked = self.spectrogram = None
            self._plots.set_filled(_NAME, False)
            self._plot()

    # ---- the gate in the pictures ---------------------------------------------------------

    def _on_moved(self) -> None:
        frame, gate = self._canvas.frame, self.gate
        marks = () if frame is None or gate is None else marks_of(gate, frame)
        self._canvas.set_marks(_NAME, marks)
        self._say("")
        self.show_frame(frame, self._loop, frozen=self._frozen)

    def _say(self, text: str) -> None:
        gate = self.gate
        if gate is None:
            self.caption.say("")
        else:
            name = f"gate {1e3 * gate.length_m:.1f} mm"
            self.caption.say(f"{name}: {text}" if text else name)
        self._place()

    def _place(self) -> None:
        gate = self.gate
        line = None
        if gate is not None:
            at_m = gate.x_m, gate.z_m - 0.5 * gate.length_m
            line = Line(at_m, at_m, self.tool.place)
        place_beside(self.caption, self._canvas, line)

    def _on_pressed(self, x: float, y: float) -> None:
        """Go to the frame at a time."""
        del y
        if self._frozen and self._loop:
            self.addressed.emit(min(self._loop, key=lambda told: abs(told.time_s - x)).index)


class _GateTool(Tool):
    """Puts the gate where the mouse is."""

    def __init__(self, moved: Callable[[], object]) -> None:
        self._moved = moved
        self.gate: Gate | None = None
        self.place = 0
        self._length_m = Gate(0.0, 0.0).length_m

    def press(self, touch: Touch) -> bool:
        """Put it here."""
        self.place = touch.place
        self.drag(touch)
        return True

    def drag(self, touch: Touch) -> None:
        """Take it along."""
        self.put(touch.x_m, touch.z_m)

    def wheel(self, steps: float, touch: Touch) -> bool:
        """Make it longer or shorter, where it is near."""
        gate = self.gate
        if gate is None or touch.distance_px(gate.x_m, gate.z_m) > _NEAR_PX:
            return False
        self.stretch(steps * _STEP_M)
        return True

    def put(self, x_m: float, z_m: float) -> None:
        """Put it at a place."""
        self._set(Gate(x_m, z_m, self._length_m))

    def move(self, across_m: float, down_m: float) -> None:
        """Move it."""
        if self.gate is not None:
            self.put(self.gate.x_m + across_m, self.gate.z_m + down_m)

    def stretch(self, by_m: float) -> None:
        """Make it longer or shorter."""
        if self.gate is not None:
            low_m, high_m = _LENGTHS_M
            self._length_m = min(max(self._length_m + by_m, low_m), high_m)
            self.put(self.gate.x_m, self.gate.z_m)

    def turn(self, by_rad: float) -> None:
        """Lie along the scan line, as ever."""

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        """Show that a press puts it there."""
        del touch
        return Qt.CursorShape.CrossCursor

    def remove(self) -> None:
        """Take it away."""
        self._set(None)

    def _set(self, gate: Gate | None) -> None:
        if gate != self.gate:
            self.gate = gate
            self._moved()


def marks_of(gate: Gate, frame: DopplerFrame) -> tuple[Mark, ...]:
    """Draw the scan line through a gate, and its two ends across that."""
    grid = frame.acquisition.colour_grid
    across, down = _direction(grid, gate)
    ends = []
    for half_m in (-0.5 * gate.length_m, 0.5 * gate.length_m):
        x_m, z_m = gate.x_m + half_m * across, gate.z_m + half_m * down
        one, other = (
            (x_m - _BAR_M * down, z_m + _BAR_M * across),
            (
                x_m + _BAR_M * down,
                z_m - _BAR_M * across,
            ),
        )
        ends.append(Mark((one, other), INK, 2.0))
    if not _is_inside(gate, frame):
        return tuple(ends)
    thin = (*INK[:3], 0.45)
    return (Mark(grid.line_through(gate.x_m, gate.z_m), thin, 1.0), *ends)


def _direction(grid: ImageGrid, gate: Gate) -> tuple[float, float]:
    """(x, z) of the unit vector along the scan line through a gate."""
    angle_rad = grid.angle_rad
    if grid.kind == "polar":
        angle_rad = math.atan2(gate.x_m - grid.apex_m[0], gate.z_m - grid.apex_m[1])
    return math.sin(angle_rad), math.cos(angle_rad)


def _is_inside(gate: Gate, frame: DopplerFrame) -> bool:
    return frame.acquisition.colour_grid.contains(gate.x_m, gate.z_m)
