"""Records while scanning: whoever hands frames over never waits for the disk.

Frames are frozen, so that a reference is all that is handed over. A thread writes them to the
journal; what it cannot keep up with is counted and marked as a gap. In the end the same thread
turns the journal into HDF5.
"""

from __future__ import annotations

import errno
import logging
import os
import platform
import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import numpy as np

from .. import __version__
from ..dsp.quantise import Quantised
from ..frames import Acquisition, ChannelFrame, IqFrame
from ..settings import Settings
from .content import (
    FORMAT,
    FORMAT_VERSION,
    MAX_PARTS,
    MAX_PARTS_BYTES,
    MAX_SETTINGS,
    Content,
    Part,
    Taken,
    from_text,
    text,
)
from .convert import PART_SUFFIX, Recovered, recover
from .journal import JournalWriter, Kind, RecordError

_log = logging.getLogger(__name__)

QUEUE_BYTES = 1 << 29
SYNC_S = 0.5
"""From one wait for the disk to the next: what a power failure may cost, with what waits."""
RESERVE_BYTES = 1 << 28
"""Left free on the disk, beside the room for the finished file."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Phase(StrEnum):
    """How far a recording is."""

    RECORDING = "recording"
    FINISHING = "finishing"
    DONE = "done"
    KEPT = "kept"
    """Only the journal is there: it can be recovered."""
    EMPTY = "empty"


@dataclass(frozen=True)
class RecorderStatus:
    """How a recording goes.

    Attributes
    ----------
    phase : Phase
    path : Path
        The file that there will be.
    elapsed_s : float
        Since it was begun, up to its end.
    n_frames, n_lost : int
        Written; acquired but not written because the disk was too slow, or failed.
    n_bytes : int
        Of the journal.
    rate_bytes_s : float
        What is written in a second at present.
    disk_bytes_s : float
        What the disk took in a second of writing and waiting for it; 0 before it is known.
    free_bytes : int
        On the disk.
    remaining_s : float
        Until the disk has no room for the finished file; infinite while nothing is written.
    share : float
        Of the finished file that is done.
    told : str
        One line for the user; empty while there is nothing to tell.
    is_error : bool
        Whether that is something that went wrong.
    """

    phase: Phase
    path: Path
    elapsed_s: float
    n_frames: int
    n_lost: int
    n_bytes: int
    rate_bytes_s: float
    disk_bytes_s: float
    free_bytes: int
    remaining_s: float
    share: float
    told: str
    is_error: bool


class Recorder:
    """One recording, from its first frame to its HDF5 file.

    :meth:`take` and :meth:`take_iq` are for the threads that have the frames, all else for one
    other.

    Parameters
    ----------
    target : Path
        The HDF5 file; its journal lies beside it.
    content : Content
    settings : callable
        Settings in force.
    network : callable
        Name and checksum of the network in force.
    queue_bytes : int
        Most memory of frames that wait for the disk.
    free_bytes : callable
        Free bytes of the disk with this folder.

    Raises
    ------
    RecordError
        The file is there already, or its folder cannot be written to.
    """

    def __init__(
        self,
        target: Path,
        content: Content = Content.CHANNELS,
        *,
        settings: Callable[[], Settings] = Settings,
        network: Callable[[], str] = str,
        queue_bytes: int = QUEUE_BYTES,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.target, self.content = target, content
        self._settings, self._network = settings, network
        self._queue_bytes, self._free = queue_bytes, free_bytes
        journal = target.with_name(target.name + PART_SUFFIX)
        for taken in (target, journal):
            if taken.exists():
                raise RecordError(f"{taken.name}: is there already; give another name")
        try:
            self._free_bytes = free_bytes(target.parent)
            self._journal = JournalWriter(journal)
            try:
                self._journal.append(Kind.BEGIN, text(_begin(content)))
            except OSError:
                self._journal.close()
                journal.unlink()
                raise
        except OSError as error:
            raise RecordError(_refused(target, error)) from error
        self._wake = threading.Condition()
        self._waiting: deque[tuple[Taken, Settings] | int] = deque()
        self._waiting_bytes = 0
        self._lost_in_a_row = 0
        self._acquisition: Acquisition | None = None
        self._ending = ""
        self._ended = False
        self._given_up = threading.Event()
        self._syncing: Future[None] | None = None

        self._parts: list[Part] = []
        self._part_bytes = 0
        self._told_settings: tuple[Settings, str] | None = None
        self._n_settings = 0
        self._n_frames = self._n_lost = 0
        self._begun_s = time.monotonic()
        self._end_s: float | None = None
        self._busy_s = 0.0
        self._rate_bytes_s = 0.0
        self._looked_s, self._looked_bytes = self._begun_s, self._journal.n_bytes
        self._phase, self._share = Phase.RECORDING, 0.0
        self._told, self._is_error = "", False
        self._saved: Iterable[tuple[Taken, Settings]] | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Take frames from now on."""
        self._thread.start()

    def save(self, frames: Iterable[tuple[Taken, Settings]]) -> None:
        """Write frames that are there already, in the background, and end."""
        self._saved = frames
        self._thread.start()

    # ---- called by the threads that have the frames ----------------------------------------

    def take(self, frame: ChannelFrame | IqFrame) -> None:
        """Take a frame as it comes from the array; what comes as IQ is not of this kind."""
        if isinstance(frame, ChannelFrame):
            self._put(Taken.channels(frame, time.time()))
        else:
            self.stop("Recording ended: this source has no channel samples; record IQ")

    def take_iq(self, quantised: Quantised, iq: IqFrame) -> None:
        """Take a frame as the loop keeps it."""
        self._put(Taken.beamformed(quantised, iq, time.time()))

    def _put(self, taken: Taken) -> None:
        settings = self._settings()
        with self._wake:
            if self._ended:
                return
            before = self._acquisition
            if before is not None and before is not taken.acquisition:
                now = taken.acquisition
                if (now.source, now.probe) != (before.source, before.probe):
                    self._end("Recording ended: another source or probe")
                    return
            self._acquisition = taken.acquisition
            if self._waiting and self._waiting_bytes + taken.n_bytes > self._queue_bytes:
                self._n_lost += 1
                self._lost_in_a_row += 1
                return
            if self._lost_in_a_row:
                self._waiting.append(self._lost_in_a_row)
                self._lost_in_a_row = 0
            self._waiting.append((taken, settings))
            self._waiting_bytes += taken.n_bytes
            self._wake.notify()

    # ---- called by the screen ---------------------------------------------------------------

    def stop(self, why: str = "") -> None:
        """Take no more frames; what waits is written, and the file is made."""
        with self._wake:
            self._end(why)

    def close(self, wait_s: float = 0.0) -> None:
        """Stop, and wait this long for the file; its journal stays if it takes longer."""
        self.stop()
        self._thread.join(wait_s)
        self._given_up.set()
        self._thread.join()

    def wait(self) -> RecorderStatus:
        """Wait for the file after :meth:`stop`."""
        self._thread.join()
        return self.status

    @property
    def status(self) -> RecorderStatus:
        """How it goes; cheap enough to be polled."""
        rate = self._rate_bytes_s
        # The journal and the file made of it are on the disk together.
        room = self._free_bytes - self._journal.n_bytes - RESERVE_BYTES
        until_s = time.monotonic() if self._end_s is None else self._end_s
        return RecorderStatus(
            phase=self._phase,
            path=self.target,
            elapsed_s=until_s - self._begun_s,
            n_frames=self._n_frames,
            n_lost=self._n_lost,
            n_bytes=self._journal.n_bytes,
            rate_bytes_s=rate,
            disk_bytes_s=self._journal.n_bytes / self._busy_s if self._busy_s else 0.0,
            free_bytes=self._free_bytes,
            remaining_s=max(0.0, room / (2.0 * rate)) if rate > 0.0 else float("inf"),
            share=self._share,
            told=self._told,
            is_error=self._is_error,
        )

    # ---- the thread -------------------------------------------------------------------------

    def _end(self, why: str) -> None:
        """Take no more frames; with the lock held."""
        if not self._ended:
            self._ended, self._ending, self._end_s = True, why, time.monotonic()
            self._wake.notify()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, "recorder sync") as other:
                self._write_all(other)
        except OSError as error:
            self._fail(_stopped(self.target, error))
        except RecordError as error:
            self._fail(f"Recording stopped: {error}")
        except Exception as error:  # noqa: BLE001 - the thread's boundary: status tells it
            _log.error("the recorder failed", exc_info=error)
            self._fail(f"Recording stopped: {error}")
        end = {"why": self._ending, "n_lost": self._n_lost}
        with suppress(OSError):
            self._journal.append(Kind.END, text(end))
            self._journal.sync()
        with suppress(OSError):
            self._journal.close()
        self._finish()

    def _fail(self, line: str) -> None:
        with self._wake:
            self._end(line)
            self._ending, self._is_error = line, True
            lost = [item for item in self._waiting if not isinstance(item, int)]
            self._n_lost += len(lost)
            self._waiting.clear()
            self._waiting_bytes = 0

    def _write_all(self, other: Executor) -> None:
        if self._saved is not None:
            for taken, settings in self._saved:
                self._write(taken, settings)
                self._look(other)
                if self._given_up.is_set():
                    break
            self.stop()
            return
        while True:
            with self._wake:
                if not self._waiting and not self._ended:
                    self._wake.wait(SYNC_S)
                if not self._waiting and self._ended:
                    break
                item = self._waiting.popleft() if self._waiting else None
            if isinstance(item, int):
                self._append(Kind.GAP, text({"n": item}))
            elif item is not None:
                try:
                    self._write(*item)
                except (OSError, RecordError):
                    self._n_lost += 1
                    raise
                with self._wake:
                    self._waiting_bytes -= item[0].n_bytes
            self._look(other)
        if self._lost_in_a_row:
            self._append(Kind.GAP, text({"n": self._lost_in_a_row}))

    def _write(self, taken: Taken, settings: Settings) -> None:
        """Write a frame, after what it needs and has not been told before."""
        part = Part(taken.acquisition, *taken.layouts)
        if part in self._parts:
            number = self._parts.index(part)
        else:
            number = len(self._parts)
            told = _checked_text(part, self.content)
            self._part_bytes += len(told)
            if number >= MAX_PARTS or self._part_bytes > MAX_PARTS_BYTES:
                self.stop(f"Recording ended: too many acquisitions ({number})")
                return
            self._append(Kind.PART, told)
            self._parts.append(part)
        in_force = settings, self._network()
        if in_force != self._told_settings and self._n_settings < MAX_SETTINGS:
            named = {"settings": settings.to_dict(), "network": in_force[1]}
            self._append(Kind.SETTINGS, text(named))
            self._told_settings = in_force
            self._n_settings += 1
        self._append(Kind.FRAME, *taken.pieces(number, self._n_settings - 1))
        self._n_frames += 1

    def _append(self, kind: Kind, *pieces: object) -> None:
        begun_s = time.monotonic()
        self._journal.append(kind, *pieces)
        self._busy_s += time.monotonic() - begun_s

    def _sync(self) -> None:
        """Wait for the disk; in another thread, while more is written."""
        begun_s = time.monotonic()
        self._journal.sync()
        self._busy_s += time.monotonic() - begun_s

    def _look(self, other: Executor) -> None:
        """Twice a second: see to it that all is on the disk, and how much room there is."""
        now_s = time.monotonic()
        since_s = now_s - self._looked_s
        if since_s < SYNC_S:
            return
        if self._syncing is None or self._syncing.done():
            if self._syncing is not None:
                self._syncing.result()
            self._syncing = other.submit(self._sync)
        self._rate_bytes_s = (self._journal.n_bytes - self._looked_bytes) / since_s
        self._looked_s, self._looked_bytes = now_s, self._journal.n_bytes
        if not self._journal.path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._free_bytes = self._free(self.target.parent)
        if self._free_bytes < self._journal.n_bytes + RESERVE_BYTES:
            self.stop("Recording ended: the disk is nearly full")

    def _finish(self) -> None:
        """Make the HDF5 file of the journal."""
        self._phase = Phase.FINISHING
        if not self._n_frames:
            with suppress(OSError):
                self._journal.path.unlink()
            self._told = self._ending or "Nothing was recorded: no frame came"
            self._phase = Phase.EMPTY
            return
        name = self._journal.path.name
        try:
            recovered: Recovered = recover(self._journal.path, self.target, self._progress)
        except (RecordError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            kept = f"{self._n_frames} frames are kept in {name}: open it to finish it ({reason})"
            if not self._journal.path.exists():
                kept = f"{name} is gone, and {self._n_frames} frames with it"
            self._told = f"{self._ending}. {kept}" if self._ending else kept
            self._is_error, self._phase = True, Phase.KEPT
            return
        except Exception as error:  # noqa: BLE001 - the same
            _log.error("the recording could not be finished", exc_info=error)
            self._told = f"{error}; all is kept in {name}"
            self._is_error, self._phase = True, Phase.KEPT
            return
        why = f"{self._ending}. Recorded" if self._ending else "Recorded"
        self._told, self._phase = f"{why} {recovered.frames}: {recovered.path.name}", Phase.DONE

    def _progress(self, share: float) -> bool:
        self._share = share
        return not self._given_up.is_set()


def _begin(content: Content) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "content": content.value,
        "id": uuid.uuid4().hex,
        "program": f"ultrasound-console {__version__}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "begun_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _checked_text(part: Part, content: Content) -> bytes:
    """Write what holds for a run of frames, and see that it can be read.

    Raises
    ------
    RecordError
        The source says something of itself, or of its samples, that no reader would take.
    """
    try:
        told = text(part.told())
        back = Part.from_told(from_text(told), content)
    except (TypeError, ValueError) as error:
        raise RecordError(f"this source cannot be recorded: {error}") from error
    if back != part:
        raise RecordError("this source cannot be recorded: its acquisition does not come back")
    return told


def _refused(target: Path, error: OSError) -> str:
    """Say why a recording cannot begin."""
    reason = error.strerror or str(error)
    return f"{target.parent}: no recording there: {reason}; choose another folder"


def _stopped(target: Path, error: OSError) -> str:
    """Say why a recording came to its end."""
    if error.errno in _FULL:
        return "Recording stopped: the disk is full"
    return f"Recording stopped: {target.parent}: {error.strerror or error}"
