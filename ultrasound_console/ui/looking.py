"""Looks whether files are there, in the background: a share that is away answers late or never."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal

from ..recent import why_missing


class Looking(QObject):
    """Says of each file whether it can be opened.

    Signals
    -------
    looked : (path, fault)
        In the screen's thread; an empty fault where nothing speaks against it.
    """

    looked = Signal(object, str)
    _found = Signal(object, str, int)

    def __init__(self) -> None:
        super().__init__()
        self._round = 0
        self._found.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def look(self, files: Sequence[Path]) -> None:
        """Begin with these files; what is still on its way about others is dropped."""
        self._round += 1
        threading.Thread(
            target=self._look, args=(tuple(files), self._round), name="looking", daemon=True
        ).start()

    def _look(self, files: Sequence[Path], of_round: int) -> None:
        for path in files:
            self._found.emit(path, why_missing(path), of_round)

    def _tell(self, path: Path, fault: str, of_round: int) -> None:
        if of_round == self._round:
            self.looked.emit(path, fault)
