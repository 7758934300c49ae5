"""The loop as a DICOM file: asks where to, and lets a thread write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QSizePolicy

from ..cine import LoopFrame
from ..engine import Engine
from ..export.dicom import NOBODY, SUFFIX, DicomError, Patient, StoppedError, write_dicom
from ..export.dicom_page import BOTH, CORRECTED, RAW, Look
from ..frames import DopplerFrame
from ..render.canvas import PanelCanvas
from ..render.colour_maps import velocity_colours
from ..render.colour_scale import loop_scale_m_s
from ..settings import DisplaySettings
from ..settings.display import ONLY_DEALIASED, ONLY_RAW
from ..status import State
from .background import Background, Ticket
from .flow_switch import PushButton
from .folders import ask_file, folder_for, remember_folder
from .patient_form import PatientForm

KEYS = "Ctrl+D"
FOLDER_VARIABLE = "ULTRASOUND_CONSOLE_DICOM"
"""Environment variable that names another folder for DICOM files than the user's documents."""
FREEZE_FIRST = "Freeze first (Space): a DICOM file holds the loop, from in to out"
NOT_THESE = "From in to out no frame has the settings of the one on screen: go to one that is there"
_KIND = "dicom"


class DicomSaving(QObject):
    """Saves the frozen loop, from in to out, as what is measured and nothing that is drawn over it.

    The view says which velocity: conventional or de-aliased alone, or else both side by side.
    Nobody is named in the file, unless the form that is asked for each file is filled in.

    Parameters
    ----------
    engine : Engine
    canvas : PanelCanvas
    played : callable
        Frames of the loop between its in and out points.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.
    progressed : (text)
        How far the file is; empty when none is being written.

    Attributes
    ----------
    button : PushButton
        Cancels; there while a file is being written.
    """

    said = Signal(str, bool)
    progressed = Signal(str)

    def __init__(
        self, engine: Engine, canvas: PanelCanvas, played: Callable[[], Sequence[LoopFrame]]
    ) -> None:
        super().__init__()
        self._engine, self._canvas, self._played = engine, canvas, played
        self.folder = folder_for(_KIND, FOLDER_VARIABLE)
        self._is_writing = False
        self._writer = Background(_KIND)
        self._writer.progressed.connect(self._tell)
        self._writer.done.connect(self._on_written)
        self._writer.failed.connect(self._on_failed)
        self.button = PushButton("", "record")
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.button.setToolTip("Leave the DICOM file: nothing is kept of it")
        self.button.clicked.connect(self.cancel)
        self.button.hide()

    def save(self) -> None:
        """Ask for a file and who is to be in it, and write the loop there.

        The form is open when this returns.
        """
        if self._is_writing:
            self.said.emit("One DICOM file at a time: wait, or cancel the other one", False)
            return
        shown = self._canvas.frame
        if shown is None or self._engine.status().state is not State.FROZEN:
            self.said.emit(FREEZE_FIRST, False)
            return
        held = [self._engine.cine.frame(told.index) for told in self._played()] or [shown]
        # One file has one scale: that of the picture on screen.
        frames = [frame for frame in held if frame and frame.acquisition == shown.acquisition]
        if not frames:
            self.said.emit(NOT_THESE, False)
            return
        path = self._asked()
        if path is None:
            return
        write = partial(_write, path, frames, self._canvas.display, n_asked=len(held))
        form = PatientForm(self._canvas.window(), path.name)
        form.given.connect(partial(self._begin, write))
        form.open()

    def cancel(self) -> None:
        """Leave the file; nothing is kept of it."""
        self._writer.cancel()
        self._put_away()
        self.said.emit("DICOM cancelled: nothing was written", False)

    def close(self) -> None:
        """Leave a file that is being written, and end the thread."""
        self._writer.close()

    def _begin(self, write: Callable[[Patient, Ticket], object], patient: Patient) -> None:
        self._is_writing = True
        self._tell(0.0)
        self._writer.ask(partial(write, patient))

    def _asked(self) -> Path | None:
        """Ask for a file in the folder of last time, under a name that tells of nobody."""
        proposed = self.folder / f"colour-flow-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        window, formats = self._canvas.window(), {SUFFIX: f"DICOM (*{SUFFIX})"}
        path, why_not = ask_file(window, "Save DICOM", proposed, formats)
        if path is not None:
            self.folder = path.parent
            why_not = remember_folder(_KIND, self.folder)
        if why_not:
            self.said.emit(why_not, True)
        return path

    def _tell(self, share: float) -> None:
        if not self._is_writing:
            return  # told before it was cancelled
        self.button.setText(f"Cancel DICOM {100 * share:.0f} %")
        self.button.show()
        self.progressed.emit(f"Writing the DICOM file: {100 * share:.0f} %")

    def _on_written(self, told: object) -> None:
        self._put_away()
        if isinstance(told, tuple):
            self.said.emit(*told)

    def _on_failed(self, text: str) -> None:
        self.said.emit(text, True)

    def _put_away(self) -> None:
        self._is_writing = False
        self.button.hide()
        self.progressed.emit("")


def _write(
    path: Path,
    frames: Sequence[DopplerFrame],
    display: DisplaySettings,
    patient: Patient,
    ticket: Ticket,
    *,
    n_asked: int,
) -> tuple[str, bool]:
    """Write a file, in a thread of its own.

    Returns
    -------
    (str, bool)
        What to tell the user, and whether it is an error.
    """

    def is_wanted(share: float) -> bool:
        ticket.progress(share)
        return ticket.is_wanted

    panel = {ONLY_RAW: RAW, ONLY_DEALIASED: CORRECTED}.get(display.view, BOTH)
    scale_m_s = display.colour_scale_m_s or loop_scale_m_s(frames)
    look = Look(display, panel, velocity_colours(display.colour_map), scale_m_s)
    try:
        write_dicom(path, frames, look, patient, progress=is_wanted)
    except StoppedError:
        return "", False
    except DicomError as error:
        return f"{path.name}: not written: {error}. I and O mark a part of the loop.", True
    except OSError as error:
        reason = error.strerror or str(error)
        return f"{path}: not written: {reason}. Choose another folder.", True
    others = f" of {n_asked}; the others have other settings" if len(frames) < n_asked else ""
    named = "No patient is named" if patient == NOBODY else "Patient and study as given"
    return f"{path.name}: {len(frames)} frames{others}, in {path.parent}. {named}", False
