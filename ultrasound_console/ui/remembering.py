"""Keeps what each source is used with, a moment after every change."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from ..config import ConfigError
from ..presets import Memory, Remembered
from ..settings import Settings

_WRITE_AFTER_MS = 1000


class Remembering(QObject):
    """Between the window and the memory on disk.

    Parameters
    ----------
    memory : Memory or None
        None remembers nothing.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.
    """

    said = Signal(str, bool)

    def __init__(self, memory: Memory | None) -> None:
        super().__init__()
        self._memory = memory
        self._source = ""
        self._waiting: Remembered | None = None
        self._recalled: dict[str, str] = {}
        self._timer = QTimer(self, interval=_WRITE_AFTER_MS, singleShot=True)
        self._timer.timeout.connect(self.flush)

    def recall(self, source: str) -> Settings | None:
        """Give the settings that a source was last used with, before it is opened."""
        if self._memory is None:
            return None
        self.flush()
        remembered, warnings = self._memory.recall(source)
        if warnings:
            self.said.emit("; ".join(warnings), True)
        self._recalled.pop(source, None)
        if remembered is None:
            return None
        self._recalled[source] = remembered.preset
        # An angle is that of the vessel that was in the picture then.
        return remembered.settings.replace(angle_rad=0.0)

    def begin(self, source: str) -> str:
        """Remember for this source from now on; return the preset it was last used with."""
        self.flush()
        self._source = source
        return self._recalled.pop(source, "")

    def note(self, settings: Settings, preset: str) -> None:
        """Keep these settings, unless others follow at once."""
        if self._memory is not None and self._source:
            self._waiting = Remembered(settings, preset)
            self._timer.start()

    def flush(self) -> None:
        """Write now what waits to be written."""
        self._timer.stop()
        waiting, self._waiting = self._waiting, None
        if waiting is None or self._memory is None:
            return
        try:
            self._memory.remember(self._source, waiting)
        except ConfigError as error:
            self._memory = None  # said once; scanning goes on without
            self.said.emit(f"settings are not remembered: {error}", True)
