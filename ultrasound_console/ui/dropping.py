"""What can be dropped onto the window: a recording, or a preset."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QWidget

from ..presets import SUFFIX

_TAKEN = (QEvent.Type.DragEnter, QEvent.Type.Drop)


class FileDrops(QObject):
    """Takes the first file of what is dropped.

    Parameters
    ----------
    window : QWidget

    Signals
    -------
    source_dropped : (name)
    preset_dropped : (path)
    """

    source_dropped = Signal(str)
    preset_dropped = Signal(Path)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let files in, and nothing else."""
        del watched
        if not isinstance(event, QDropEvent) or event.type() not in _TAKEN:
            return False
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            if event.type() == QEvent.Type.Drop:
                self._take(Path(files[0]))
        return True

    def _take(self, path: Path) -> None:
        if path.suffix.lower() == SUFFIX:
            self.preset_dropped.emit(path)
        else:
            self.source_dropped.emit(str(path))
