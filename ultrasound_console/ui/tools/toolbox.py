"""All tools together: made once, told of each frame, and closed with the window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from ...cine import LoopFrame
from ...declared import Value
from ...engine import Engine
from ...frames import DopplerFrame
from ...record.marks import Note
from ...render.canvas import PanelCanvas
from ...settings import AcquisitionSettings, Settings
from ...store import SettingsStore
from ..cine.loop import of_one_clock
from ..plots import PlotArea
from .annotations import Annotations
from .colour_box import ColourBoxEditor
from .correcting import Correcting
from .exporting import MeasurementExport
from .label_files import LabelFiles
from .line_tools import LineTools
from .regions import Regions
from .tool_row import ToolRow

# Figures and courses that run are read no faster, and each of them costs the screen time.
_LIVE_EVERY_S = 0.18


class Toolbox(QObject):
    """The tools of a window.

    Parameters
    ----------
    window : QWidget
        Over which dialogs open.
    canvas : PanelCanvas
    engine : Engine
    store : SettingsStore
    start : callable
        Returns the acquisition settings that the source starts with.
    change : callable
        Puts a setting in force, by name.
    say : callable
        Takes a sentence for the user.

    Signals
    -------
    changed : (changes)
        Settings to put in force together while something is dragged.
    committed : ()
        The drag is over.
    addressed : (index)
        A frame of the loop to go to.
    said : (text, is_error)
    """

    changed = Signal(dict)
    committed = Signal()
    addressed = Signal(int)
    said = Signal(str, bool)

    def __init__(
        self,
        window: QWidget,
        canvas: PanelCanvas,
        engine: Engine,
        store: SettingsStore,
        *,
        start: Callable[[], AcquisitionSettings],
        change: Callable[[str, Value], object],
        say: Callable[..., object],
    ) -> None:
        super().__init__(window)
        self._followed_s, self._was_frozen = -math.inf, False
        self.box = ColourBoxEditor(canvas, lambda: store.current.acquisition, start)
        self.row = ToolRow(canvas, always=[self.box.edges])
        self.plots = PlotArea(canvas)
        self.row.add(self.box.entry)
        self.annotations = Annotations(canvas)
        self.row.add(self.annotations.entry)
        self.row.add_widget(self.plots.button)
        self.lines = LineTools(
            canvas,
            self.row,
            self.plots,
            engine.cine,
            change=change,
            commit=store.commit,
            correct=lambda name, value: store.correct(**{name: value}),
            say=say,
        )
        self.regions = Regions(canvas, self.row, self.plots, engine.cine)
        self.correcting = Correcting(engine, canvas, self.row, LabelFiles())
        self.row.add(self.correcting.entry)
        self.measurements = MeasurementExport(window)
        self.measurements.add(self.lines.rows)
        self.measurements.add(self.regions.rows)

        self.box.changed.connect(self.changed)
        self.box.committed.connect(self.committed)
        for drawn in (self.box, self.annotations):
            drawn.said.connect(self.row.say)
            self.row.chosen.connect(drawn.set_tool)
        for tool in (self.regions, self.lines.mmode, self.lines.gate):
            tool.addressed.connect(self.addressed)
        for teller in (self.correcting, self.measurements):
            teller.said.connect(self.said)

    def show_frame(
        self,
        frame: DopplerFrame | None,
        loop: tuple[LoopFrame, ...],
        *,
        frozen: bool,
        at_once: bool = False,
    ) -> None:
        """Follow the frame on screen, and the loop that it is in.

        Parameters
        ----------
        frame : DopplerFrame or None
        loop : tuple of LoopFrame
        frozen : bool
        at_once : bool
            Also where live figures have followed a moment ago.
        """
        self.box.set_frozen(frozen)
        self.correcting.show(frame, frozen=frozen)
        now_s = time.perf_counter()
        is_live = frame is not None and not (frozen or self._was_frozen)
        self._was_frozen = frozen
        if is_live and not at_once and now_s < self._followed_s + _LIVE_EVERY_S:
            return
        self._followed_s = now_s
        loop = of_one_clock(loop, frame.index if frame is not None and frozen else None)
        self.lines.show_frame(frame, loop, frozen=frozen)
        self.regions.show_frame(frame, loop, frozen=frozen)

    def show_settings(self, settings: Settings) -> None:
        """Follow the settings in force."""
        self.plots.want(settings.display.plots)
        self.lines.show_settings(settings)

    def leave_loop(self) -> None:
        """Keep what was corrected by hand: the loop is about to go."""
        self.correcting.leave()

    def begin(self, name: str, annotations: Sequence[Note] = ()) -> None:
        """Start anew on another source, with the notes that it brings along."""
        self.annotations.begin(annotations)
        self.box.forget()
        self.lines.forget()
        self.regions.forget()
        self.correcting.begin(name)

    def close(self) -> None:
        """End what works in the background; keep what was corrected by hand."""
        self.correcting.close()
        self.regions.close()
        self.lines.close()
