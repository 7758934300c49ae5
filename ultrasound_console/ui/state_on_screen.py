"""How the engine is, wherever that can be seen: chip, grey pictures, locked controls, messages."""

from __future__ import annotations

import math
import time

from ..frames import Acquisition
from ..render.canvas import PanelCanvas
from ..status import EngineStatus, State
from .cine.bar import CineBar
from .control_panel import ControlPanel
from .messages import MessageBar
from .top_strip import TopStrip

_PREPARING_AFTER_S = 0.3
# A picture that waits longer for the screen: what is on it is not of now.
_UNPAINTED_S = 0.3
_NOT_OF_NOW = (State.PREPARING, State.STALE, State.FAULT)


class StateOnScreen:
    """Shows what the engine tells of itself.

    Parameters
    ----------
    canvas : PanelCanvas
    top : TopStrip
    controls : ControlPanel
    cine : CineBar
    message : MessageBar

    Attributes
    ----------
    status : EngineStatus
        What it told last.
    shown : State
        As it is named on screen.
    acquisition : Acquisition or None
        Of the last source that had one; None before the first.
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        top: TopStrip,
        controls: ControlPanel,
        cine: CineBar,
        message: MessageBar,
    ) -> None:
        self._canvas, self._top, self._controls = canvas, top, controls
        self._cine, self._message = cine, message
        self.status = EngineStatus(State.PREPARING)
        self.shown = State.PREPARING
        self.acquisition: Acquisition | None = None
        self._last_picture_s = time.perf_counter()

    @property
    def is_frozen(self) -> bool:
        """Whether the picture is held."""
        return self.status.state is State.FROZEN

    @property
    def is_recording(self) -> bool:
        """Whether what is open has been recorded, and is replayed."""
        acquisition = self.status.acquisition
        return acquisition is not None and bool(acquisition.prf_choices_hz)

    def picture_came(self) -> float:
        """Take note of a new picture; return how long the one before stayed, in s."""
        before_s, self._last_picture_s = self._last_picture_s, time.perf_counter()
        return self._last_picture_s - before_s

    def show(self, status: EngineStatus) -> None:
        """Let everything tell this."""
        before, self.status = self.status, status
        has_picture = self._canvas.frame is not None
        if status.acquisition is not None and status.acquisition is not self.acquisition:
            self.acquisition = status.acquisition
            self._controls.show_acquisition(status.acquisition)
            self._top.show_source(status.acquisition)
        # A change of the PRF prepares too, and shows the next picture in a moment.
        if before.state in {State.FROZEN, State.FAULT}:
            self._last_picture_s = -math.inf  # what is on screen was not live
        waited_s = time.perf_counter() - self._last_picture_s
        is_brief = has_picture and waited_s < _PREPARING_AFTER_S
        is_preparing = status.state is State.PREPARING
        self.shown = State.LIVE if is_preparing and is_brief else status.state
        if self.shown is State.LIVE and self._canvas.unpainted_s > _UNPAINTED_S:
            self.shown = State.STALE
        self._top.show_state(self.shown, is_recording=self.is_recording)
        self._top.chip.setVisible(self.acquisition is not None or self._canvas.isVisible())
        self._canvas.set_stale(self.shown in _NOT_OF_NOW)
        self._controls.set_frozen(self.is_frozen)
        can_freeze = has_picture and status.state is not State.FAULT
        self._cine.set_frozen(self.is_frozen, can_change=can_freeze)
        self._cine.show_rerun(status.rerun_share)
        if status.state is not State.FAULT:
            if before.state is State.FAULT:
                self._message.end_fault()
        elif before.fault != status.fault:
            self._message.say_fault(status.fault)
