"""Writes into the diary what happens on screen: errors, states, settings, frames that were lost."""

from __future__ import annotations

import logging
import time

from PySide6.QtCore import QObject, QTimer

from ..diary import Diary
from ..engine import Engine
from ..pipeline.pace import coarseness
from ..settings import SPECS, Settings
from ..status import EngineStatus
from .meter import Meter

_POLL_MS = 1000
_COUNTED_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class DiaryKeeper(QObject):
    """Follows the engine and the messages; costs nothing between two seconds.

    Parameters
    ----------
    diary : Diary
        Started.
    engine : Engine
    meter : Meter
        Counts the frames that were painted.
    """

    def __init__(self, diary: Diary, engine: Engine, meter: Meter) -> None:
        super().__init__()
        self._diary, self._engine, self._meter = diary, engine, meter
        self._status: EngineStatus = engine.status()
        self._settings = engine.store.current
        self._counted_s = time.perf_counter()
        self._counted = 0, 0, 0, 0, 0
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def opened(self, asked: str) -> None:
        """Take note of a source, whose file's name is not written."""
        self._diary.opened(asked)
        _log.info("asked for a source: %s", asked)

    def note(self, text: str, is_error: bool) -> None:
        """Take note of an error that is on screen."""
        if is_error:
            _log.error("shown: %s", text)

    def look(self) -> None:
        """Write what is different now."""
        before, self._status = self._status, self._engine.status()
        now = self._status
        if now.state is not before.state:
            _log.info("state: %s %s", now.state, now.fault)
        if (now.device, now.network) != (before.device, before.network):
            _log.info("computes on: %s; network: %s", now.device, now.network or "not asked for")
        if now.acquisition is not None and now.acquisition != before.acquisition:
            _log.info("acquires: %s", _acquired(now))
        self._note_settings(self._engine.store.current)
        now_s = time.perf_counter()
        if now_s - self._counted_s >= _COUNTED_EVERY_S:
            self._counted_s = now_s
            self._count()

    def end(self) -> None:
        """Write the last counts; nothing follows."""
        self._timer.stop()
        self.look()
        self._count()
        self._diary.stop()

    def _note_settings(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if settings is before:
            return
        changes = [
            f"{name} {before.get(name)} to {settings.get(name)}"
            for name in SPECS
            if settings.get(name) != before.get(name)
        ]
        if changes:
            _log.info("settings: %s", ", ".join(changes))

    def _count(self) -> None:
        status = self._status
        lost = status.replaced_frames, status.missed, status.left_out
        counted = self._meter.frames, *lost, status.errors
        if counted != self._counted:
            self._counted = counted
            text = "frames painted %d, replaced %d, missed %d, left out %d; errors %d"
            _log.info(text, *counted)


def _acquired(status: EngineStatus) -> str:
    acquisition = status.acquisition
    assert acquisition is not None
    return (
        f"{acquisition.probe.n_elements} elements, PRF {acquisition.prf_hz:.0f} Hz of "
        f"{acquisition.requested_prf_hz:.0f} Hz, {acquisition.n_pulses} pulses, "
        f"{acquisition.colour_grid.shape} colour, "
        f"{acquisition.frame_interval_s * 1e3:.1f} ms a frame"
        f"{f', coarser: {how}' if (how := coarseness(acquisition)) else ''}"
    )
