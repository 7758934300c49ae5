"""What only the user knows of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QWidget

from ..sources.fields import PRF

GIVE_PRF = "Give the PRF \N{HORIZONTAL ELLIPSIS}"
_PROPOSED_HZ = 3000.0


class Opening(Protocol):
    """Opens a source."""

    def __call__(self, name: str, *, prf_hz: float) -> None:
        """Open it, taken with this PRF."""


def ask_prf(over: QWidget, name: str, open_source: Opening) -> None:
    """Ask for the PRF of a recording that does not say it, and open it with that.

    The dialog is open when this returns.
    """
    dialog = QInputDialog(over)
    dialog.setWindowTitle("PRF of the recording")
    dialog.setLabelText(f"{Path(name).name} was taken with a PRF of (Hz)")
    dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
    dialog.setDoubleRange(PRF.low, PRF.high)
    dialog.setDoubleDecimals(1)
    dialog.setDoubleValue(_PROPOSED_HZ)
    dialog.setOkButtonText("Open")
    dialog.doubleValueSelected.connect(lambda prf_hz: open_source(name, prf_hz=prf_hz))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
