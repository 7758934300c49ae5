"""What only the user knows of a recording."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QInputDialog, QLineEdit, QWidget

from ..sources.fields import PRF

GIVE_PRF = "Give the PRF \N{HORIZONTAL ELLIPSIS}"
_EXAMPLE = "in Hz, or with the unit: 4.5 kHz"
_WIDE_PX = 260
_TYPED = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*(k?hz)?\s*", re.ASCII | re.IGNORECASE)

_UNCLEAR = re.compile(r"\d+[.,]\d{3}", re.ASCII)


class Opening(Protocol):
    """Opens a source."""

    def __call__(self, name: str, *, prf_hz: float) -> None:
        """Open it, taken with this PRF."""


def ask_prf(over: QWidget, name: str, open_source: Opening) -> None:
    """Ask for the PRF of a recording that does not say it, and open it with that.

    None is proposed: who only pressed Return would have velocities that are a guess. The dialog is
    open when this returns.
    """

    def take(text: str) -> None:
        prf_hz = typed_prf_hz(text)
        if prf_hz is not None:
            open_source(name, prf_hz=prf_hz)

    dialog = QInputDialog(over)
    dialog.setWindowTitle("PRF of the recording")
    dialog.setLabelText(f"{Path(name).name} was taken with a PRF of")
    dialog.setInputMode(QInputDialog.InputMode.TextInput)
    dialog.setOkButtonText("Open")
    buttons, line = dialog.findChild(QDialogButtonBox), dialog.findChild(QLineEdit)
    assert isinstance(buttons, QDialogButtonBox)
    assert isinstance(line, QLineEdit)
    line.setPlaceholderText(_EXAMPLE)
    line.setMinimumWidth(_WIDE_PX)
    button = buttons.button(QDialogButtonBox.StandardButton.Ok)
    button.setEnabled(False)
    dialog.textValueChanged.connect(lambda text: button.setEnabled(typed_prf_hz(text) is not None))
    dialog.textValueSelected.connect(take)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


def typed_prf_hz(text: str) -> float | None:
    """PRF as a person types it, in Hz unless kHz stands behind; None for what is no PRF.

    A mark before three digits may divide thousands or stand before decimals: only kHz tells.
    """
    found = _TYPED.fullmatch(text)
    if found is None:
        return None
    number, unit = found.groups()
    in_khz = (unit or "").casefold() == "khz"
    if not in_khz and _UNCLEAR.fullmatch(number):
        return None
    prf_hz = float(number.replace(",", ".")) * (1e3 if in_khz else 1.0)
    return prf_hz if PRF.low <= prf_hz <= PRF.high else None
