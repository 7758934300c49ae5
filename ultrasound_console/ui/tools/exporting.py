"""Export of everything that has been measured: asks where to, and writes one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from ...export.measurements import SUFFIX, Row, write_measurements

KEYS = "Ctrl+E"
_NOTHING = "Nothing is measured yet: draw a region (R) or a line into a picture first"


class MeasurementExport(QObject):
    """Collects the rows of all that measures.

    Parameters
    ----------
    over : QWidget
        Under the dialog.

    Signals
    -------
    said : (text, is_error)
        How it went.
    """

    said = Signal(str, bool)

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._providers: list[Callable[[], Sequence[Row]]] = []

    def add(self, provider: Callable[[], Sequence[Row]]) -> None:
        """Let a tool give its rows when they are asked for."""
        self._providers.append(provider)

    def ask(self) -> None:
        """Ask for a file and write it; without anything measured, say so."""
        rows = [row for provider in self._providers for row in provider()]
        if not rows:
            self.said.emit(_NOTHING, False)
            return
        name, _ = QFileDialog.getSaveFileName(
            self._over, "Export measurements", f"measurements{SUFFIX}", f"Table (*{SUFFIX})"
        )
        if not name:
            return
        path = Path(name)
        if not path.suffix:
            path = path.with_suffix(SUFFIX)
            if path.exists():  # the dialog asked about the shorter name
                self.said.emit(f"{path.name} is there already: choose it to replace it.", True)
                return
        self._write(path, rows)

    def _write(self, path: Path, rows: Sequence[Row]) -> None:
        try:
            write_measurements(path, rows)
        except OSError as error:
            reason = error.strerror or str(error)
            self.said.emit(f"{path}: not written: {reason}. Choose another folder.", True)
        else:
            self.said.emit(f"{len(rows)} values written to {path.name}", False)
