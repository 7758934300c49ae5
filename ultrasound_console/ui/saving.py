"""Pictures and clips out of the console: to a file, or to the clipboard.

A clip is what the screen shows while it goes through the loop: each frame is painted, taken, and
handed to a thread that writes. So the window can be used meanwhile, and shows what is saved.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QSize, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QSizePolicy

from ..cine import LoopFrame
from ..config import ConfigError, make_folder
from ..engine import Engine
from ..export import clip
from ..export.clip import ClipError, Shot
from ..export.png import write_png
from ..export.whole_file import whole_file
from ..frames import DopplerFrame
from ..render.canvas import PanelCanvas
from ..status import EngineStatus, State
from .background import Background, Ticket
from .cine.bar import CineBar
from .cine.loop import stretch
from .flow_switch import PushButton
from .folders import ask_file, folder_for, remember_folder
from .still import Occasion, Still, Stills

PICTURE_KEYS, COPY_KEYS, CLIP_KEYS = "Ctrl+P", "Ctrl+C", "Ctrl+Shift+P"
LIVE_SECONDS = 10.0
"""What a clip holds that is asked for while the picture is live."""
FOLDER_VARIABLE = "ULTRASOUND_CONSOLE_PICTURES"
"""Environment variable that names another folder for pictures than the user's documents."""
NO_PICTURE = "There is no picture on screen yet: open a source first"
ONE_FRAME = f"A clip needs two frames or more: save a picture instead ({PICTURE_KEYS})"
_KIND = "pictures"
_PICTURES = "Picture (*.png)"
_CLIPS = {
    clip.MP4: "Film, H.264 (*.mp4)",
    clip.GIF: "Film for any browser, 256 colours (*.gif)",
    clip.SERIES: "Folder of numbered pictures (*.png)",
}
_LONGEST_NAME = 40
_STEP_MS = 5
# Pictures that wait to be written: a few, for each is megabytes.
_MOST_WAITING = 2
# Waiting for a frame beyond this, it is asked for once more.
_ASK_AGAIN_STEPS = 40


class Saving(QObject):
    """Saves what is shown; the window tells it ten times a second how things are.

    Parameters
    ----------
    engine : Engine
    canvas : PanelCanvas
    stills : Stills
    cine : CineBar
        Says what is between in and out, and at what speed it is played.
    freeze : callable
        Freezes the picture, if it can be.
    put_words : callable
        Brings all that is told about the frame on screen up to date.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.
    begun : ()
        The pictures of a clip are being taken: nothing should change their size now.
    progressed : (text)
        How far a clip is; empty when none is being saved.

    Attributes
    ----------
    button : PushButton
        Cancels a clip; there while one is being saved.
    """

    said = Signal(str, bool)
    begun = Signal()
    progressed = Signal(str)

    def __init__(
        self,
        engine: Engine,
        canvas: PanelCanvas,
        stills: Stills,
        cine: CineBar,
        *,
        freeze: Callable[[], object],
        put_words: Callable[[], object],
    ) -> None:
        super().__init__()
        self._engine, self._canvas, self._stills, self._cine = engine, canvas, stills, cine
        self._freeze, self._put_words = freeze, put_words
        self.folder = folder_for(_KIND, FOLDER_VARIABLE)
        self._clip: _Clip | None = None
        self._writer = Background("clip")
        self._writer.done.connect(self._on_written)
        self._writer.failed.connect(self._on_failed)
        self._steps = QTimer(self, interval=_STEP_MS)
        self._steps.timeout.connect(self._step)
        self.button = PushButton("", "record")
        self.button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.button.setToolTip("Leave the clip: nothing is kept of it")
        self.button.clicked.connect(self.cancel)
        self.button.hide()

    # ---- what the user does ---------------------------------------------------------------

    def save_picture(self) -> None:
        """Ask for a file, and save there what was on screen when it was asked."""
        still = self._taken()
        if still is None:
            return
        path = self._asked("Save picture", {clip.SERIES: _PICTURES})
        if path is None:
            return
        try:
            with whole_file(path) as part:
                write_png(part, still.rgb, still.texts)
        except OSError as error:
            self.said.emit(_unwritten(path, error), True)
        else:
            self.said.emit(f"Picture saved: {path.name} in {path.parent}", False)

    def copy_picture(self) -> None:
        """Put what is on screen on the clipboard."""
        still = self._taken()
        if still is not None:
            QGuiApplication.clipboard().setImage(still.image)
            self.said.emit("The picture is on the clipboard", False)

    def save_clip(self) -> None:
        """Ask for a file, and save the loop there from in to out; while live, the last seconds."""
        if self._clip is not None:
            self.said.emit("One clip at a time: wait, or cancel the other one", False)
            return
        if self._canvas.frame is None or not self._canvas.isVisible():
            self.said.emit(NO_PICTURE, False)
            return
        was_frozen = self._is_frozen
        if not was_frozen and len(self._engine.cine.loop()) > 1:
            self._freeze()
        chosen = self._cine.slider.played
        if not was_frozen and chosen:
            chosen = tuple(f for f in chosen if f.time_s >= chosen[-1].time_s - LIVE_SECONDS)
        if not self._is_frozen or len(chosen) < 2:
            self.said.emit(ONE_FRAME, False)
            return
        path = self._asked("Save clip", _CLIPS)
        if path is None or not self._is_frozen:
            return
        try:
            clip.check_clip(path)
        except ClipError as error:
            self.said.emit(str(error), True)
        else:
            self._begin(path, chosen)

    def cancel(self) -> None:
        """Leave the clip; nothing is kept of it."""
        self._leave("Clip cancelled: nothing was written", is_error=False)

    # ---- what the window tells ------------------------------------------------------------

    def follow(self, status: EngineStatus) -> None:
        """Leave a clip whose loop is gone."""
        if self._clip is not None and status.state is not State.FROZEN:
            self._leave("Clip not saved: the picture has gone on", is_error=True)

    def close(self) -> None:
        """Leave a clip, and end the thread that writes."""
        self._leave("", is_error=False)
        self._writer.close()

    # ---- how ------------------------------------------------------------------------------

    @property
    def _is_frozen(self) -> bool:
        return self._engine.status().state is State.FROZEN

    def _taken(self, clip_speed: float | None = None) -> Still | None:
        """Take what is on screen; None, and say so, where that is no picture."""
        frame = self._canvas.frame
        if frame is None or not self._canvas.isVisible():
            self.said.emit(NO_PICTURE, False)
            return None
        self._put_words()
        status = self._engine.status()
        is_recording = bool(frame.acquisition.prf_choices_hz)
        return self._stills.take(frame, Occasion(status.state, is_recording, clip_speed))

    def _asked(self, title: str, formats: dict[str, str]) -> Path | None:
        """Ask for a file in the folder of last time."""
        # Before there is one the user chooses.
        with suppress(ConfigError):
            make_folder(self.folder)
        proposed = self.folder / self._proposed_name()
        path, why_not = ask_file(self._canvas.window(), title, proposed, formats)
        if path is not None:
            self.folder = path.parent
            why_not = remember_folder(_KIND, self.folder)
        if why_not:
            self.said.emit(why_not, True)
        return path

    def _proposed_name(self) -> str:
        """Source and time; a file's own name may tell too much."""
        frame = self._canvas.frame
        acquisition = None if frame is None else frame.acquisition
        source = "replay" if not acquisition or acquisition.prf_choices_hz else acquisition.source
        name = "".join(c if c.isalnum() else "-" for c in source)[:_LONGEST_NAME].strip("-")
        return f"{name or 'picture'}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"

    def _begin(self, path: Path, chosen: Sequence[LoopFrame]) -> None:
        if self._cine.player.playing:
            self._cine.toggle_play()
        self._clip = _Clip(path, chosen, self._cine.player.speed, self._canvas.frame)
        self.begun.emit()
        self._writer.ask(self._clip.write)
        self._tell()
        self._steps.start()

    def _step(self) -> None:
        """Take the frame that is on screen if it is the next one of the clip, or see to it."""
        clip_ = self._clip
        if clip_ is None or clip_.n_waiting >= _MOST_WAITING:
            return
        wanted = clip_.wanted
        if wanted is None:
            self._steps.stop()
            clip_.end()
            return
        frame = self._canvas.frame
        if frame is None or not self._is_ready(frame, wanted):
            if clip_.n_asked % _ASK_AGAIN_STEPS == 0:
                self._engine.show(wanted)
            clip_.n_asked += 1
            return
        self._canvas.forget_cursor()  # nobody points at anything in a clip
        still = self._taken(clip_.speed)
        if still is None:
            self._leave("Clip not saved: the pictures are not on screen any more", is_error=True)
            return
        clip_.take(still)
        self._tell()

    def _is_ready(self, frame: DopplerFrame, wanted: int) -> bool:
        """Whether a frame is on screen as the settings in force make it."""
        return frame.index == wanted and self._engine.is_as_wanted(frame)

    def _tell(self) -> None:
        if self._clip is not None:
            n_taken, n_all = self._clip.n_taken, self._clip.n_all
            self.button.setText(f"Cancel clip {100 * n_taken // n_all} %")
            self.progressed.emit(f"Saving the clip: {n_taken} of {n_all} pictures")
        else:
            self.progressed.emit("")
        self.button.setVisible(self._clip is not None)

    def _on_written(self, told: object) -> None:
        """Say how it went, and go back to the frame that was on screen before."""
        self._put_away()
        if isinstance(told, tuple):
            self.said.emit(*told)

    def _on_failed(self, text: str) -> None:
        self.said.emit(text, True)

    def _leave(self, text: str, *, is_error: bool) -> None:
        if self._clip is not None:
            self._writer.cancel()
            self._clip.leave()
            self._put_away()
            if text:
                self.said.emit(text, is_error)

    def _put_away(self) -> None:
        clip_, self._clip = self._clip, None
        self._steps.stop()
        self._tell()
        if clip_ is not None and clip_.shown_before is not None and self._is_frozen:
            self._engine.show(clip_.shown_before)


class _Clip:
    """A clip that is being saved: what is still to be taken, and what waits to be written.

    Parameters
    ----------
    path : Path
    chosen : sequence of LoopFrame
        Two or more.
    speed : float
    shown : DopplerFrame or None
        On screen at the beginning.
    """

    def __init__(
        self,
        path: Path,
        chosen: Sequence[LoopFrame],
        speed: float,
        shown: DopplerFrame | None,
    ) -> None:
        self._path, self.speed = path, speed
        self.shown_before = None if shown is None else shown.index
        laid_out = stretch(chosen)
        assert laid_out is not None
        most_fps = clip.MOST_FPS[path.suffix.lower()]
        self._to_take = [
            (laid_out.indices[place], lasts_s)
            for place, lasts_s in clip.timing(laid_out.start_s, laid_out.length_s, speed, most_fps)
        ]
        self._waiting: queue.SimpleQueue[Shot | None] = queue.SimpleQueue()
        self._is_left = False
        self._size: QSize | None = None
        self.n_taken = self.n_asked = 0

    @property
    def n_all(self) -> int:
        """Number of pictures."""
        return len(self._to_take)

    @property
    def n_waiting(self) -> int:
        """Pictures that are not written yet."""
        return self._waiting.qsize()

    @property
    def wanted(self) -> int | None:
        """Index of the frame to take next; None after the last."""
        return self._to_take[self.n_taken][0] if self.n_taken < self.n_all else None

    def take(self, still: Still) -> None:
        """Hand the next picture to the writer, in the size of the first one."""
        _, lasts_s = self._to_take[self.n_taken]
        self._size = self._size or still.image.size()
        self._waiting.put(Shot(still.fitted(self._size).rgb, lasts_s, still.texts))
        self.n_taken, self.n_asked = self.n_taken + 1, 0

    def end(self) -> None:
        """Let the writer finish."""
        self._waiting.put(None)

    def leave(self) -> None:
        """Let the writer leave it."""
        self._is_left = True
        self._waiting.put(None)

    def write(self, ticket: Ticket) -> tuple[str, bool]:
        """Write what is taken as it comes; in a thread of its own.

        Returns
        -------
        (str, bool)
            What to tell the user, and whether it is an error.
        """
        del ticket
        path = self._path
        try:
            n_written = clip.write_clip(path, self._shots())
        except _LeftError:
            return "", False
        except ClipError as error:
            return f"Clip not saved: {error}", True
        except OSError as error:
            return _unwritten(path, error), True
        name = path.stem if path.suffix.lower() == clip.SERIES else path.name
        return f"Clip saved: {n_written} pictures, {name} in {path.parent}", False

    def _shots(self) -> Iterator[Shot]:
        while (shot := self._waiting.get()) is not None and not self._is_left:
            yield shot
        if self._is_left:
            raise _LeftError


class _LeftError(Exception):
    """The clip is not wanted any more."""


def _unwritten(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: not saved: {reason}. Nothing was left there; choose another folder."
