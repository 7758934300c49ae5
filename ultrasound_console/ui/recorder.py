"""The record button, and what it does: record what is acquired, or save what the loop holds."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QFileDialog, QSizePolicy

from ..cine import LoopFrame
from ..config import ConfigError, make_folder
from ..engine import Engine
from ..record.content import Content, Taken
from ..record.convert import PART_SUFFIX, SUFFIX, recover
from ..record.journal import RecordError
from ..record.marks import Note
from ..record.recorder import Recorder
from ..record.status import Phase, RecorderStatus
from ..settings import Settings
from ..status import EngineStatus, State
from . import theme
from .flow_switch import PushButton
from .folders import folder_for, remember_folder

RECORD_KEYS, SAVE_KEYS = "Ctrl+Shift+R", "Ctrl+S"
LIVE_SECONDS = 10.0
"""What is saved of the loop while the picture is live."""
FOLDER_VARIABLE = "ULTRASOUND_CONSOLE_RECORDINGS"
"""Environment variable that names another folder for recordings than the user's documents."""
GO_ON_FIRST = f"Frozen: nothing is acquired. Go on (Space), or save the loop ({SAVE_KEYS})"
_KIND = "recordings"
_LONGEST_NAME = 40
_CLOSING_S = 5.0
_ICON_PX = 10
_WIDE_PX = 1200


class RecordButton(PushButton):
    """Records, or stops; while it does, it says for how long and how the disk is doing."""

    def __init__(self) -> None:
        super().__init__("", "record")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self._icons = {is_round: _icon(is_round=is_round) for is_round in (False, True)}
        self.show_status(None)

    def show_status(self, status: RecorderStatus | None) -> None:
        """Tell how a recording goes; None while there is none."""
        phase = None if status is None else status.phase
        text, tip = "Record", f"Record what is acquired, lossless ({RECORD_KEYS})"
        if status is not None and phase is Phase.RECORDING:
            text = "  ".join(_figures(status, with_rate=self.window().width() >= _WIDE_PX))
            tip = (
                f"Stop recording ({RECORD_KEYS}). {status.path}, {status.n_frames} frames, "
                f"{status.n_lost} lost; the disk takes {status.disk_bytes_s / 1e6:.0f} MB/s, "
                f"{_size_text(status.free_bytes)} are free"
            )
        elif status is not None and phase is Phase.FINISHING:
            text = f"Finishing {100 * status.share:.0f} %"
            tip = f"{status.path} is being made of what was recorded"
        if text != self.text().strip():
            self.setText(f" {text}")  # beside the sign, not at it
            self.setIcon(self._icons[phase is not Phase.RECORDING])
        self.setToolTip(tip)


class Recording(QObject):
    """Records into the folder of recordings; the window tells it ten times a second how things are.

    Parameters
    ----------
    engine : Engine
    played : callable
        Frames of the loop between its in and out points.
    annotations : callable
        Notes in the pictures.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.

    Attributes
    ----------
    folder : Path
        What was chosen last, or else a folder among the user's documents.
    """

    said = Signal(str, bool)

    def __init__(
        self,
        engine: Engine,
        played: Callable[[], Sequence[LoopFrame]],
        annotations: Callable[[], tuple[Note, ...]],
    ) -> None:
        super().__init__()
        self._engine, self._played, self._annotations = engine, played, annotations
        self.folder = folder_for(_KIND, FOLDER_VARIABLE)
        self.recorder: Recorder | None = None
        self._status = EngineStatus(State.PREPARING)
        self._taps = False
        self._closing = threading.Event()
        self._recovery: threading.Thread | None = None
        self.button = RecordButton()
        self.button.clicked.connect(partial(self.toggle, Content.CHANNELS))

    @property
    def is_recording(self) -> bool:
        """Whether frames that are acquired are recorded: nobody need touch anything then."""
        return self._taps

    # ---- what the user does ---------------------------------------------------------------

    def toggle(self, content: Content = Content.CHANNELS) -> None:
        """Begin to record, or stop."""
        if self.recorder is not None:
            if self.recorder.status.phase is Phase.RECORDING:
                self._stop()
                self.follow(self._status)
            else:
                self.said.emit("The last recording is being finished: wait a moment", False)
        elif self._status.state is State.FROZEN:
            self.said.emit(GO_ON_FIRST, False)
        elif self._status.acquisition is None:
            self.said.emit("Open a source first: there is nothing to record", False)
        elif recorder := self._make(content):
            recorder.annotate(self._annotations())
            recorder.start()
            self._taps = True
            if content is Content.IQ:
                self._engine.tap(kept=recorder.take_iq)
            else:
                self._engine.tap(acquired=recorder.take)
            self.follow(self._status)

    def save_loop(self) -> None:
        """Save what the loop holds from in to out; while live, of the last seconds."""
        if self.recorder is not None:
            self.said.emit("One recording at a time: stop the other one first", False)
            return
        chosen = tuple(self._played())
        if chosen and self._status.state is not State.FROZEN:
            chosen = tuple(f for f in chosen if f.time_s >= chosen[-1].time_s - LIVE_SECONDS)
        frames = list(self._held(chosen))
        if not frames:
            self.said.emit("There is nothing in the loop yet", False)
        elif recorder := self._make(Content.IQ):
            recorder.annotate(self._annotations())
            recorder.save(frames)
            self.follow(self._status)

    def choose_folder(self) -> None:
        """Ask where recordings are to go, from now on and in later runs."""
        name = QFileDialog.getExistingDirectory(
            self.button.window(), "Folder for recordings", str(self.folder)
        )
        if not name:
            return
        self.folder = Path(name)
        why_not = remember_folder(_KIND, self.folder)
        self.said.emit(why_not or f"Recordings go to {name}", bool(why_not))

    # ---- what the window tells ------------------------------------------------------------

    def correct(self, index: int) -> None:
        """Take it into the recording that a frame is corrected by hand, if it is one of its own."""
        if self.recorder is not None and self._taps:
            self.recorder.correct(index, self._engine.cine.correction(index))

    def leave_source(self) -> None:
        """End what is recorded: another source is opened, and the notes of this one go."""
        if self._taps:
            self._stop("Recording ended: another source was opened")

    def follow(self, status: EngineStatus) -> None:
        """Show how the recording goes, and say what came of it."""
        self._status = status
        if self.recorder is None:
            return
        recording = self.recorder.status
        if self._taps:
            self.recorder.annotate(self._annotations())
            if recording.phase is not Phase.RECORDING:
                self._engine.tap()
                self._taps = False
        if recording.phase in (Phase.RECORDING, Phase.FINISHING):
            self.button.show_status(recording)
            return
        self.recorder = None
        self.button.show_status(None)
        folder = "" if recording.is_error else f" in {self.folder}"
        self.said.emit(f"{recording.told}{folder}", recording.is_error)

    def recover_old(self) -> None:
        """Finish, in the background, what other runs of the program left unfinished."""
        if self._recovery is None:
            self._recovery = threading.Thread(target=self._recover, name="recovery", daemon=True)
            self._recovery.start()

    def close(self) -> None:
        """Stop recording; what is not finished in a few seconds is when the program starts next."""
        self._closing.set()
        self._engine.tap()
        if self._recovery is not None:
            self._recovery.join()
        if self.recorder is not None:
            self._stop()
            self.recorder.close(_CLOSING_S)
            self.recorder = None

    # ---- how ------------------------------------------------------------------------------

    def _stop(self, why: str = "") -> None:
        if self.recorder is not None:
            if self._taps:
                self.recorder.annotate(self._annotations())
            self.recorder.stop(why)

    def _make(self, content: Content) -> Recorder | None:
        """Make the next recording, or say why there can be none."""
        try:
            make_folder(self.folder)
            return self._begun(content)
        except (ConfigError, RecordError) as error:
            self.said.emit(str(error), True)
            return None

    def _begun(self, content: Content) -> Recorder:
        store = self._engine.store
        self.recorder = Recorder(
            self._free_path(),
            content,
            settings=lambda: store.current,
            network=self._engine.network_file,
        )
        return self.recorder

    def _free_path(self) -> Path:
        """Path of a new file, named after source and time; a file's own name may tell too much."""
        acquisition = self._status.acquisition
        source = (
            "replay" if acquisition is None or acquisition.prf_choices_hz else acquisition.source
        )
        name = "".join(c if c.isalnum() else "-" for c in source)[:_LONGEST_NAME].strip("-")
        stem = f"{name or 'recording'}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        path, number = self.folder / f"{stem}{SUFFIX}", 2
        while path.exists() or path.with_name(path.name + PART_SUFFIX).exists():
            path, number = self.folder / f"{stem}-{number}{SUFFIX}", number + 1
        return path

    def _held(self, chosen: Sequence[LoopFrame]) -> Iterator[tuple[Taken, Settings]]:
        """Collect samples of the loop, as far as they are still held, and what made them."""
        settings, wall_s = self._engine.store.current, time.time() - time.perf_counter()
        for told in chosen:
            kept = self._engine.cine.kept(told.index)
            if kept is not None:
                made_by = dataclasses.replace(settings, processing=told.processing)
                yield Taken.beamformed(*kept, wall_s + kept[1].received_s), made_by

    def _recover(self) -> None:
        for journal in sorted(self.folder.glob(f"*{SUFFIX}{PART_SUFFIX}")):
            if self._closing.is_set():
                return
            try:
                recovered = recover(journal, progress=lambda share: not self._closing.is_set())
            except (RecordError, OSError) as error:
                if not self._closing.is_set():
                    self.said.emit(f"Not recovered: {error}", True)
            else:
                self.said.emit(f"Recovered {recovered.told} in {self.folder}", False)


def _icon(*, is_round: bool) -> QIcon:
    """Draw a red dot to record, or a red square to stop."""
    pixmap = QPixmap(4 * _ICON_PX, 4 * _ICON_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.ALARM))
    (painter.drawEllipse if is_round else painter.drawRect)(pixmap.rect())
    painter.end()
    return QIcon(pixmap)


def _time_text(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _size_text(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _figures(status: RecorderStatus, *, with_rate: bool) -> Iterator[str]:
    """Say how long, how much, how fast, and for how long there is room; lost frames are worse."""
    yield _time_text(status.elapsed_s)
    yield _size_text(status.n_bytes)
    if with_rate:
        yield f"{status.rate_bytes_s / 1e6:.0f} MB/s"
    if status.n_lost:
        yield f"{status.n_lost} LOST"
    elif math.isfinite(status.remaining_s):
        hours = status.remaining_s / 3600.0
        left = f"{hours:.0f} h" if hours >= 10.0 else _time_text(status.remaining_s)
        yield f"{left} left"
