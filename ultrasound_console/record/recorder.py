"""Records while scanning: whoever hands frames over never waits for the disk.

Frames are frozen, so that a reference is all that is handed over. A thread writes them to the
journal; what it cannot keep up with is counted and marked as a gap. In the end the same thread
turns the journal into HDF5.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..dsp.quantise import Quantised
from ..frames import Acquisition, ChannelFrame, Correction, IqFrame
from ..settings import Settings
from .building import Recovered
from .content import MAX_PARTS, Content, Taken, text
from .convert import PART_SUFFIX, recover
from .journal import Kind, RecordError
from .marks import Note, correction_pieces, told_notes
from .status import Phase, RecorderStatus
from .writing import FrameWriter

_log = logging.getLogger(__name__)

QUEUE_BYTES = 1 << 29
SYNC_S = 0.5
"""From one wait for the disk to the next: what a power failure may cost, with what waits."""
RESERVE_BYTES = 1 << 28
"""Left free on the disk, beside the room for the finished file."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Between(NamedTuple):
    """A record that goes between frames: a gap, notes, folds given by hand."""

    kind: Kind
    pieces: tuple[bytes, ...]


_Item = tuple[Taken, Settings] | _Between


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
        self._settings = settings
        self._queue_bytes, self._free = queue_bytes, free_bytes
        journal = target.with_name(target.name + PART_SUFFIX)
        for taken in (target, journal):
            if taken.exists():
                raise RecordError(f"{taken.name}: is there already; give another name")
        try:
            self._free_bytes = free_bytes(target.parent)
            self._writer = FrameWriter(journal, content, network)
        except OSError as error:
            raise RecordError(_refused(target, error)) from error
        self._wake = threading.Condition()
        self._waiting: deque[_Item] = deque()
        self._waiting_bytes = 0
        self._lost_in_a_row = 0
        self._acquisition: Acquisition | None = None
        self._ending = ""
        self._ended = False
        self._given_up = threading.Event()
        self._syncing: Future[None] | None = None

        self._notes: tuple[Note, ...] = ()
        self._n_lost = 0
        self._begun_s = time.monotonic()
        self._end_s: float | None = None
        self._rate_bytes_s = 0.0
        self._looked_s, self._looked_bytes = self._begun_s, self._writer.n_bytes
        self._phase, self._share = Phase.RECORDING, 0.0
        self._told, self._is_error = "", False
        self._saved: Iterable[tuple[Taken, Settings]] | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Take frames from now on."""
        self._thread.start()

    def save(self, frames: Iterable[tuple[Taken, Settings]]) -> None:
        """Write frames that are there already, in the background, and end.

        Notes that were told before stand in all of them.
        """
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
            if self._waiting_bytes and self._waiting_bytes + taken.n_bytes > self._queue_bytes:
                self._n_lost += 1
                self._lost_in_a_row += 1
                return
            self._mark_gap()
            self._waiting.append((taken, settings))
            self._waiting_bytes += taken.n_bytes
            self._wake.notify()

    def _mark_gap(self) -> None:
        """Say in the file that frames are missing here; with the lock held."""
        if self._lost_in_a_row:
            self._waiting.append(_Between(Kind.GAP, (text({"n": self._lost_in_a_row}),)))
            self._lost_in_a_row = 0

    # ---- called by the screen ---------------------------------------------------------------

    def annotate(self, notes: tuple[Note, ...]) -> None:
        """Say which notes stand in the pictures from here on; told twice, it is written once."""
        with self._wake:
            if not self._ended and notes != self._notes:
                self._notes = notes
                self._put_between(Kind.NOTES, text({"notes": told_notes(notes)}))

    def correct(self, index: int, correction: Correction | None) -> None:
        """Say what has been given by hand to a frame that was taken; None takes it back."""
        with self._wake:
            if not self._ended:
                self._put_between(Kind.BY_HAND, *correction_pieces(index, correction))

    def _put_between(self, kind: Kind, *pieces: bytes) -> None:
        self._waiting.append(_Between(kind, pieces))
        self._wake.notify()

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
        writer, rate = self._writer, self._rate_bytes_s
        # The journal and the file made of it are on the disk together.
        room = self._free_bytes - writer.n_bytes - RESERVE_BYTES
        until_s = time.monotonic() if self._end_s is None else self._end_s
        return RecorderStatus(
            phase=self._phase,
            path=self.target,
            elapsed_s=until_s - self._begun_s,
            n_frames=writer.n_frames,
            n_lost=self._n_lost,
            n_bytes=writer.n_bytes,
            rate_bytes_s=rate,
            disk_bytes_s=writer.n_bytes / writer.busy_s if writer.busy_s else 0.0,
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
            self._mark_gap()
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
            self._writer.append(Kind.END, text(end))
            self._writer.sync()
        with suppress(OSError):
            self._writer.close()
        self._finish()

    def _fail(self, line: str) -> None:
        with self._wake:
            self._end(line)
            self._ending, self._is_error = line, True
            lost = [item for item in self._waiting if not isinstance(item, _Between)]
            self._n_lost += len(lost)
            self._waiting.clear()
            self._waiting_bytes = 0

    def _write_all(self, other: Executor) -> None:
        if self._saved is not None:
            self._write_saved(self._saved, other)
            return
        while True:
            with self._wake:
                if not self._waiting and not self._ended:
                    self._wake.wait(SYNC_S)
                if not self._waiting and self._ended:
                    break
                item = self._waiting.popleft() if self._waiting else None
            if isinstance(item, _Between):
                self._write(item)
            elif item is not None:
                try:
                    self._write(item)
                except (OSError, RecordError):
                    self._n_lost += 1
                    raise
                with self._wake:
                    self._waiting_bytes -= item[0].n_bytes
            self._look(other)

    def _write_saved(self, frames: Iterable[_Item], other: Executor) -> None:
        for item in itertools.chain(tuple(self._waiting), frames):
            self._write(item)
            self._look(other)
            if self._given_up.is_set():
                break
        self.stop()

    def _write(self, item: _Item) -> None:
        if isinstance(item, _Between):
            self._writer.append(item.kind, *item.pieces)
        elif not self._writer.write(*item):
            self.stop(f"Recording ended: too many acquisitions ({MAX_PARTS})")

    def _look(self, other: Executor) -> None:
        """Twice a second: see to it that all is on the disk, and how much room there is."""
        now_s = time.monotonic()
        since_s = now_s - self._looked_s
        if since_s < SYNC_S:
            return
        if self._syncing is None or self._syncing.done():
            if self._syncing is not None:
                self._syncing.result()
            self._syncing = other.submit(self._writer.sync)
        self._rate_bytes_s = (self._writer.n_bytes - self._looked_bytes) / since_s
        self._looked_s, self._looked_bytes = now_s, self._writer.n_bytes
        if not self._writer.path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._free_bytes = self._free(self.target.parent)
        if self._free_bytes < self._writer.n_bytes + RESERVE_BYTES:
            self.stop("Recording ended: the disk is nearly full")

    def _finish(self) -> None:
        """Make the HDF5 file of the journal."""
        self._phase = Phase.FINISHING
        journal, n_frames = self._writer.path, self._writer.n_frames
        if not n_frames:
            with suppress(OSError):
                journal.unlink()
            self._told = self._ending or "Nothing was recorded: no frame came"
            self._phase = Phase.EMPTY
            return
        name = journal.name
        try:
            recovered: Recovered = recover(journal, self.target, self._progress)
        except (RecordError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            kept = f"{n_frames} frames are kept in {name}: open it to finish it ({reason})"
            if not journal.exists():
                kept = f"{name} is gone, and {n_frames} frames with it"
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


def _refused(target: Path, error: OSError) -> str:
    """Say why a recording cannot begin."""
    reason = error.strerror or str(error)
    return f"{target.parent}: no recording there: {reason}; choose another folder"


def _stopped(target: Path, error: OSError) -> str:
    """Say why a recording came to its end."""
    if error.errno in _FULL:
        return "Recording stopped: the disk is full"
    return f"Recording stopped: {target.parent}: {error.strerror or error}"
