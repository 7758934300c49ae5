"""The console's own recordings, replayed bit by bit; what was left of one is recovered first."""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py

from ..colour_box import ColourBox
from ..declared import Range
from ..dsp.quantise import restore
from ..frames import AcquiredFrame, Acquisition, ChannelFrame, IqFrame
from ..record.content import GROUP, Content
from ..record.convert import recover
from ..record.journal import MAGIC, RecordError
from ..record.marks import Note
from ..settings import SPECS, AcquisitionSettings
from ..settings.acquisition import LEFTMOST_M, OFF, ONE_PRF, RIGHTMOST_M
from .clock import FrameClock
from .fields import display_name, printable, refusal
from .hdf5 import open_hdf5
from .own_file import OwnFile
from .protocol import SourceError

_IQ_NOTE = "beamformed when it was recorded: depth, box and f-number stay as they were"


def is_own(path: Path) -> bool:
    """Whether a file is a recording of the console, or what was left of one."""
    try:
        if not path.is_file():
            return False
        if _is_journal(path):
            return True
        if not h5py.is_hdf5(path):
            return False
        with open_hdf5(path) as file:
            return file.has(f"{GROUP}/about")
    except (OSError, ValueError, SourceError):
        return False  # what is wrong with it is said by the reader of the others


class OwnRecording:
    """Replays what the console recorded: the same frames, acquisitions and times, in a loop.

    Pauses of more than 2 s are shortened to that.

    Parameters
    ----------
    path : Path
        An HDF5 file, or the journal of a recording that was not finished, which becomes one.
    real_time : bool
        Keep the times; otherwise deliver frames as fast as they are read.

    Raises
    ------
    SourceError
        The file cannot be used.
    """

    def __init__(self, path: Path, *, real_time: bool = True) -> None:
        self._notes: tuple[str, ...] = ()
        try:
            if _is_journal(path):
                recovered = recover(path)
                self._notes, path = (f"recovered {recovered.told}",), recovered.path
        except RecordError as error:
            raise SourceError(printable(str(error))) from error
        except OSError as error:
            problem = f"cannot be finished where it is: {error.strerror or error}"
            raise refusal(display_name(path), "", problem, "copy it to another disk") from error
        self.name = display_name(path)
        self._clock = FrameClock(real_time=real_time)
        # Guards the stop flag inside the clock against a configure() at the same moment.
        self._lock = threading.Lock()
        self._running = self._closed = False
        with ExitStack() as stack:
            self._file = OwnFile(stack.enter_context(open_hdf5(path)))
            self._stack = stack.pop_all()
        self.configure(self.defaults(AcquisitionSettings()))

    @property
    def n_frames(self) -> int:
        """Frames in one pass."""
        return len(self._file)

    filling = None

    @property
    def annotations(self) -> tuple[Note, ...]:
        """Notes that stood in the pictures when the recording ended."""
        return self._file.annotations

    def defaults(self, settings: AcquisitionSettings) -> AcquisitionSettings:
        """Return the settings with the recorded PRF, ensemble and colour box."""
        first, prf = self._file.parts[self._file.first_part].acquisition, SPECS["prf_hz"]
        assert isinstance(prf, Range)
        return dataclasses.replace(
            settings,
            prf_hz=min(max(first.prf_hz, prf.low), prf.high),
            ensemble=min(first.n_pulses, 64),
            box_left_m=LEFTMOST_M,
            box_right_m=RIGHTMOST_M,
            box_top_m=0.0,
            box_bottom_m=0.0,
        )

    def configure(self, settings: AcquisitionSettings) -> Acquisition:
        """Start again at the first frame; of the settings only the colour box can be had.

        Raises
        ------
        SourceError
            The source is closed, as for all that follows.
        """
        self._check_open()
        self._acquisitions = [self._as_set(p.acquisition, settings) for p in self._file.parts]
        self._at = self._round = 0
        with self._lock:
            if self._running:
                self._clock.start()
        return self._acquisitions[self._file.first_part]

    def start(self) -> None:
        """Play from where it was stopped."""
        self._check_open()
        with self._lock:
            self._running = True
            self._clock.start()

    def read(self, timeout_s: float) -> AcquiredFrame | None:
        """Wait for the next frame; None when none came due in time or the source is stopped.

        Raises
        ------
        SourceError
            The samples are damaged.
        """
        self._check_open()
        file, at, passed = self._file, self._at, self._round
        pause_s = float(file.pause_s[at]) if self.n_frames > 1 else 0.0
        if self._clock.wait(pause_s, timeout_s) is None:
            return None
        columns, part = file.columns, int(file.columns["part"][at])
        acquisition = self._acquisitions[part]
        # In another colour box its pixels are not those that somebody looked at.
        is_grid_kept = acquisition.colour_grid == file.parts[part].acquisition.colour_grid
        told: dict[str, Any] = {
            "index": int(columns["index"][at]) + passed * (int(columns["index"][-1]) + 1),
            "time_s": float(columns["time_s"][at]) + passed * float(file.pause_s.sum()),
            "received_s": time.perf_counter(),
            "acquisition": acquisition,
            "by_hand": file.by_hand(at) if is_grid_kept else None,
        }
        frame: AcquiredFrame
        if file.content is Content.CHANNELS:
            colour, bmode = file.channels(at)
            frame = ChannelFrame(**told, colour=colour, bmode=bmode)
        else:
            quantised, power = file.beamformed(at)
            frame = IqFrame(**told, iq=restore(quantised), bmode_power=power)
        self._at = (at + 1) % self.n_frames
        self._round += self._at == 0
        return frame

    def stop(self) -> None:
        """Stop playing and end a waiting :meth:`read`; may be called from any thread."""
        with self._lock:
            self._running = False
            self._clock.stop()

    def close(self) -> None:
        """Let go of the file."""
        self.stop()
        self._closed = True
        self._stack.close()

    def _check_open(self) -> None:
        if self._closed:
            raise SourceError(f"{self.name}: closed; open it again")

    def _as_set(self, recorded: Acquisition, settings: AcquisitionSettings) -> Acquisition:
        """Return an acquisition as that of a replay, with the colour box that was asked for."""
        grid, notes = recorded.colour_grid, (*self._notes, *recorded.notes)
        if settings.ensemble not in (0, recorded.n_pulses):
            notes = (*notes, f"uses {recorded.n_pulses} pulses, as recorded")
        if settings.dual_prf != OFF and not recorded.n_second_pulses:
            notes = (*notes, ONE_PRF)
        if self._file.content is Content.IQ:
            notes = (*notes, _IQ_NOTE)
        elif (grid.kind, grid.apex_m) == (recorded.bmode_grid.kind, recorded.bmode_grid.apex_m):
            own = ColourBox.of(grid)
            wanted = own.as_set(settings)
            if wanted != own:
                grid = wanted.inside(recorded.bmode_grid).grid(grid.pixel_size_m, grid.shape)
        return dataclasses.replace(
            recorded,
            source=self.name,
            colour_grid=grid,
            prf_choices_hz=(recorded.prf_hz,),
            frame_interval_s=recorded.frame_interval_s if self.n_frames > 1 else 0.0,
            notes=notes,
        )


def _is_journal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
