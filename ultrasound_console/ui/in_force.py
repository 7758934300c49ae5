"""Changes settings: puts them in force, and has pictures, controls and engine follow."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from ..declared import Value
from ..engine import Engine
from ..frames import Acquisition
from ..render.canvas import PanelCanvas
from ..settings import SPECS, AcquisitionSettings, DisplaySettings, Settings
from ..settings.display import COLOUR_MAPS, ONLY_DEALIASED, ONLY_FOLDS, ONLY_RAW
from ..status import State
from .control_panel import FORMED_WHEN_ACQUIRED, ControlPanel

_COLOUR_FIRST = 0.86


class SettingsInForce(QObject):
    """The one place where the screen changes settings: each change costs what its group does.

    Parameters
    ----------
    engine : Engine
        With the store of settings.
    canvas : PanelCanvas
    controls : ControlPanel

    Signals
    -------
    told : (settings)
        These are in force now.
    said : (text, is_error)
        Something for the user to read.

    Attributes
    ----------
    start : AcquisitionSettings
        What the source starts with where nothing has been set.
    """

    told = Signal(object)
    said = Signal(str, bool)

    def __init__(self, engine: Engine, canvas: PanelCanvas, controls: ControlPanel) -> None:
        super().__init__()
        self._engine, self._canvas, self._controls = engine, canvas, controls
        self._store = engine.store
        self.start = AcquisitionSettings()
        self._clean = Settings()

    def begin(self, start: AcquisitionSettings, *, is_known: bool) -> None:
        """Another source has been opened.

        Parameters
        ----------
        start : AcquisitionSettings
            What it starts with.
        is_known : bool
            Whether it is shown as it was left.
        """
        before = self._clean.display.write_priority
        after = start_priority(self._engine.status().acquisition)
        self.start, self._clean = start, Settings(acquisition=start).replace(write_priority=after)
        if not is_known and self._store.current.display.write_priority == before:
            self._store.correct(write_priority=after)
        self._controls.set_resets(self._clean)
        self._canvas.set_display(self._store.current.display)

    def show(self) -> None:
        """Let everything tell the settings in force: they are others, and not by the user."""
        self._controls.show_settings(self._store.current)
        self.told.emit(self._store.current)

    def change(self, name: str, value: Value) -> None:
        """Put a setting in force and do what its group costs, no more."""
        before = self._store.current
        after = self._store.change(**{name: value})
        self._controls.controls[name].show_value(after.get(name))
        self._follow(before, after)

    def change_together(self, changes: Mapping[str, Value]) -> None:
        """Put settings in force of which none is meant without the others."""
        before = self._store.current
        self._restore(before, self._store.change(**changes))

    def apply(self, changes: Mapping[str, Value]) -> None:
        """Put several settings in force as one undo step; a frozen frame keeps what made it."""
        frozen = self._engine.status().state is State.FROZEN
        before = self._store.current
        kept = {
            name
            for name, value in changes.items()
            if frozen and name in FORMED_WHEN_ACQUIRED and value != before.get(name)
        }
        after = self._store.apply(**{n: value for n, value in changes.items() if n not in kept})
        self._restore(before, after)
        if kept:
            self.said.emit("Frozen: what is acquired stays as it is; the rest is set.", False)

    def start_clean(self) -> None:
        """Put in force what the source starts with where nothing has been set."""
        self.apply({name: self._clean.get(name) for name in SPECS})

    def show_one_panel(self) -> None:
        """Show the de-aliased panel alone; then the conventional one, then the segmentation."""
        view = self._store.current.display.view
        following = {ONLY_DEALIASED: ONLY_RAW, ONLY_RAW: ONLY_FOLDS}
        self.apply({"view": following.get(view, ONLY_DEALIASED)})

    def swap_panels(self) -> None:
        """Put the panels the other way round."""
        self.apply({"swap": not self._store.current.display.swap})

    def next_colour_map(self) -> None:
        """Take the colour map that follows in the list."""
        at = COLOUR_MAPS.index(self._store.current.display.colour_map)
        self.apply({"colour_map": COLOUR_MAPS[(at + 1) % len(COLOUR_MAPS)]})

    def undo(self) -> None:
        """Take the last change back."""
        before = self._store.current
        self._restore(before, self._store.undo())

    def redo(self) -> None:
        """Take an undo back."""
        before = self._store.current
        self._restore(before, self._store.redo())

    def _restore(self, before: Settings, after: Settings) -> None:
        self._controls.show_settings(after)
        self._follow(before, after)

    def _follow(self, before: Settings, after: Settings) -> None:
        """Do what a change costs: acquisition settings are taken up by the engine by itself."""
        if after.display != before.display:
            self._canvas.set_display(after.display)
        if after.processing != before.processing:
            self._engine.refresh()
        self.told.emit(after)


def start_priority(acquisition: Acquisition | None) -> float:
    """Grey level up to which a source starts with colour.

    A grey picture with pulses of its own tells tissue from flow. One that is made of the colour
    pulses shows the very echoes that colour measures: colour goes first there, bright or not.
    """
    if acquisition is None or acquisition.bmode_angles_rad:
        return DisplaySettings().write_priority
    return _COLOUR_FIRST
