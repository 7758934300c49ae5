"""Recordings: read whole, checked once, replayed in a loop at their own rate."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..colour_box import ColourBox
from ..declared import Range
from ..frames import Acquisition, ChannelFrame
from ..geometry import ImageGrid, Probe
from ..settings import SPECS, AcquisitionSettings
from .clock import FrameClock
from .fields import RECORD_AGAIN, display_name, refusal
from .hdf5 import open_hdf5
from .protocol import SourceError

MIN_PULSES = 4
# Keeps the list of choices short for hours of pulses.
MAX_PRF_DIVISOR = 100
MAX_DEPTH_M = 1.0
# Intervals between pulses that differ by less belong to one burst.
INTERVAL_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Recording:
    """Channel data of one transmit angle and what is needed to form images from it.

    Attributes
    ----------
    name : str
        File name without its folder.
    probe : Probe
    samples : (n_pulses, n_elements, n_samples) int16, float32 or complex64
        RF (real) or IQ (complex), read-only.
    sampling_frequency_hz, center_frequency_hz : float
    demodulation_frequency_hz : float
        0 for RF.
    sound_speed_m_s : float
    start_time_s : float
        Time of the first sample; t = 0 is when the plane wave crosses x = z = 0.
    transmit_angle_rad : float
    prf_hz : float
        Rate of these pulses inside a burst.
    pulse_time_s : (n_pulses,) float64
        When each pulse was sent.
    notes : tuple of str
        What was left out or assumed, in sentences.
    """

    name: str
    probe: Probe
    samples: NDArray[Any]
    sampling_frequency_hz: float
    center_frequency_hz: float
    demodulation_frequency_hz: float
    sound_speed_m_s: float
    start_time_s: float
    transmit_angle_rad: float
    prf_hz: float
    pulse_time_s: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _, n_elements, n_samples = self.samples.shape
        if n_elements != self.probe.n_elements:
            problem = f"has {n_elements} channels, the probe {self.probe.n_elements} elements"
            raise refusal(self.name, "samples", problem, RECORD_AGAIN)
        if n_elements < 2:
            raise refusal(self.name, "samples", "a single element", "give data of a linear array")
        if max(stop - start for start, stop in self.bursts) < MIN_PULSES:
            problem = f"holds fewer than {MIN_PULSES} evenly spaced pulses of one angle"
            raise refusal(self.name, "samples", problem, "record a longer ensemble")
        if not 0.1 <= self.sampling_frequency_hz / self.center_frequency_hz <= 1000.0:
            problem = (
                f"{self.sampling_frequency_hz:g} Hz does not go with a centre frequency of "
                f"{self.center_frequency_hz:g} Hz"
            )
            raise refusal(self.name, "sampling frequency", problem, "check both units in the file")
        first_m, last_m = self.depth_range_m
        if not (first_m + 4.0 * self.wavelength_m < last_m <= MAX_DEPTH_M) or n_samples < 16:
            problem = f"the {n_samples} samples reach from {first_m:.4g} m to {last_m:.4g} m"
            advice = "check start time, sampling frequency and sound speed in the file"
            raise refusal(self.name, "depth", problem, advice)

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the centre frequency."""
        return self.sound_speed_m_s / self.center_frequency_hz

    @property
    def depth_range_m(self) -> tuple[float, float]:
        """Depths below the middle of the array whose echoes lie within the recorded time."""
        end_s = self.start_time_s + (self.samples.shape[2] - 1) / self.sampling_frequency_hz
        speed_m_s = self.sound_speed_m_s / (1.0 + math.cos(self.transmit_angle_rad))
        return max(self.start_time_s * speed_m_s, 2.0 * self.wavelength_m), end_s * speed_m_s

    @cached_property
    def bursts(self) -> tuple[tuple[int, int], ...]:
        """First and one-past-last pulse of every evenly spaced run; no ensemble spans two."""
        intervals = np.diff(self.pulse_time_s) * self.prf_hz
        breaks = np.flatnonzero(np.abs(intervals - 1.0) > INTERVAL_TOLERANCE) + 1
        edges = [0, *breaks.tolist(), len(self.pulse_time_s)]
        return tuple(itertools.pairwise(edges))

    @cached_property
    def grid(self) -> ImageGrid:
        """Rectangle over the width of the probe and the recorded depths, at most 256 x 256."""
        left_m, right_m = self.probe.element_x_m[0], self.probe.element_x_m[-1]
        first_m, last_m = self.depth_range_m
        axial_m = min(0.2e-3, self.wavelength_m / 2.0)
        n_lines = min(max(round((right_m - left_m) / 0.2e-3) + 1, 192), 256)
        n_depths = min(max(math.ceil((last_m - first_m) / axial_m) + 1, 64), 256)
        return ImageGrid("parallel", n_depths, n_lines, (left_m, right_m), (first_m, last_m))

    def grid_of(self, box: ColourBox) -> ImageGrid:
        """Fill a part of the picture with samples as far apart as there."""
        return box.grid(self.grid.pixel_size_m, self.grid.shape)

    def n_pulses_in_burst(self, divisor: int) -> int:
        """Pulses of the longest burst when every ``divisor``-th is kept."""
        return max(-(-(stop - start) // divisor) for start, stop in self.bursts)

    @cached_property
    def prf_choices_hz(self) -> tuple[float, ...]:
        """Own PRF over 1, 2, 3 ..., as long as an ensemble remains."""
        divisors = range(1, MAX_PRF_DIVISOR + 1)
        return tuple(self.prf_hz / k for k in divisors if self.n_pulses_in_burst(k) >= MIN_PULSES)

    def frame_starts(self, divisor: int, n_pulses: int, step: int) -> NDArray[np.int64]:
        """First pulse of every ensemble of ``n_pulses``, ``step`` kept pulses apart."""
        span = (n_pulses - 1) * divisor
        ranges = [range(a, b - span, step * divisor) for a, b in self.bursts]
        return np.fromiter((start for r in ranges for start in r), np.int64)


def read_recording(path: Path, prf_hz: float | None = None) -> Recording:
    """Read a recording of any known format, told apart by its content.

    Parameters
    ----------
    path : Path
        MUST ``.mat``, UFF or zea file.
    prf_hz : float, optional
        Rate of the pulses, used only where the file does not say it.

    Raises
    ------
    SourceError
        No such file, or one that cannot be used; the message names file and field.
    """
    path = Path(path)
    reader = _reader(path, display_name(path))
    # Damaged values may be anything; they are checked after the arithmetic, not before.
    with np.errstate(all="ignore"):
        return reader(path, prf_hz)


def _reader(path: Path, name: str) -> Callable[[Path, float | None], Recording]:
    """Choose the reader by the first bytes and, for HDF5, by the names inside."""
    from .must import read_must
    from .uff import read_uff
    from .zea import read_zea

    head = _head(path, name)
    if _is_hdf5(path, name):
        with open_hdf5(path) as file:
            roots = file.names()
            if "param" in roots and ("RF" in roots or "IQ" in roots):
                return read_must
            if "tracks" in roots or file.has("data/raw_data"):
                return read_zea
            if any(file.has(f"{root}/probe/geometry") for root in roots):
                return read_uff
        problem = "HDF5 without channel data of a known layout"
    elif head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        return read_must
    elif head[:1] == b"\x80":
        problem = "a Python pickle, which is never opened because it can run code"
    else:
        problem = "not a recording of a known format"
    raise refusal(name, "", problem, "give MUST (.mat), UFF (.uff) or zea (.hdf5) channel data")


def _head(path: Path, name: str) -> bytes:
    """First bytes of a file, or the reason why there are none."""
    try:
        if path.is_dir():
            raise refusal(name, "", "a folder", "give a file")
        if not path.exists():
            raise refusal(name, "", "no such file", "check the name")
        if not path.is_file():
            raise refusal(name, "", "not a regular file", "give a recording")
        with path.open("rb") as file:
            head = file.read(128)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise refusal(name, "", f"cannot be opened ({reason})", "check name and rights") from error
    if not head:
        raise refusal(name, "", "empty", RECORD_AGAIN)
    return head


def _is_hdf5(path: Path, name: str) -> bool:
    try:
        return bool(h5py.is_hdf5(path))
    except (OSError, ValueError) as error:
        raise refusal(name, "", "cannot be opened", "check name and rights") from error


@dataclass(frozen=True)
class _Replay:
    """How a configuration cuts a recording into frames."""

    acquisition: Acquisition
    divisor: int
    starts: NDArray[np.int64]

    @property
    def n_frames(self) -> int:
        return len(self.starts)


class RecordingSource:
    """Replays a recording: ensembles of consecutive pulses, in a loop, at the file's frame rate.

    A lower PRF is had by keeping every k-th pulse before ensembles are cut. A file with a single
    ensemble is held: it is delivered once after every :meth:`start` or :meth:`configure`.

    Parameters
    ----------
    path : Path
    real_time : bool
        Keep the file's rate; otherwise deliver frames as fast as they are read.
    prf_hz : float, optional
        Rate of the pulses for a file that does not say it.

    Raises
    ------
    SourceError
        The file cannot be used.
    """

    def __init__(self, path: Path, *, real_time: bool = True, prf_hz: float | None = None) -> None:
        self._recording: Recording | None = read_recording(path, prf_hz)
        self._name = self._recording.name
        self._clock = FrameClock(real_time=real_time)
        # Guards the stop flag inside the clock against a configure() at the same moment.
        self._lock = threading.Lock()
        self._running = False
        self.configure(self.defaults(AcquisitionSettings()))

    @property
    def name(self) -> str:
        """File name without its folder."""
        return self._name

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass."""
        return self._replay.n_frames

    @property
    def filling(self) -> None:
        """A recording is there as a whole."""
        return

    def defaults(self, settings: AcquisitionSettings) -> AcquisitionSettings:
        """Return the settings with the file's PRF, and with an ensemble that it can fill."""
        recording = self._open_recording()
        prf = SPECS["prf_hz"]
        assert isinstance(prf, Range)
        ensemble = min(settings.ensemble, recording.n_pulses_in_burst(1))
        return dataclasses.replace(
            settings, prf_hz=min(max(recording.prf_hz, prf.low), prf.high), ensemble=ensemble
        )

    def configure(self, settings: AcquisitionSettings) -> Acquisition:
        """Cut the recording into frames; starts again at the first one.

        Raises
        ------
        SourceError
            The source is closed.
        """
        recording = self._open_recording()
        choices_hz = recording.prf_choices_hz
        divisor = 1 + min(
            range(len(choices_hz)), key=lambda i: abs(choices_hz[i] - settings.prf_hz)
        )
        available = recording.n_pulses_in_burst(divisor)
        wanted = settings.ensemble or available
        n_pulses = min(max(wanted, MIN_PULSES), available)
        notes = list(recording.notes)
        if n_pulses < wanted:
            notes.append(f"uses {n_pulses} pulses: the recording has no more at this PRF")
        elif n_pulses > wanted:
            notes.append(f"uses {n_pulses} pulses: fewer make no velocity")
        starts = recording.frame_starts(divisor, n_pulses, settings.ensemble_step or n_pulses)
        interval_s = 0.0
        if len(starts) > 1:
            first, last = recording.pulse_time_s[starts[0]], recording.pulse_time_s[starts[-1]]
            interval_s = float(last - first) / (len(starts) - 1)
        own_box = ColourBox.of(recording.grid)
        wanted_box = own_box.as_set(settings)
        box = wanted_box.inside(recording.grid)
        if note := box.limits_note(wanted_box):
            notes.append(note)
        acquisition = Acquisition(
            source=recording.name,
            probe=recording.probe,
            sampling_frequency_hz=recording.sampling_frequency_hz,
            center_frequency_hz=recording.center_frequency_hz,
            demodulation_frequency_hz=recording.demodulation_frequency_hz,
            sound_speed_m_s=recording.sound_speed_m_s,
            start_time_s=recording.start_time_s,
            transmit_angle_rad=recording.transmit_angle_rad,
            receive_angle_rad=0.0,
            bmode_angles_rad=(),
            prf_hz=choices_hz[divisor - 1],
            requested_prf_hz=settings.prf_hz,
            max_prf_hz=recording.prf_hz,
            n_pulses=n_pulses,
            frame_interval_s=interval_s,
            colour_grid=recording.grid if box == own_box else recording.grid_of(box),
            bmode_grid=recording.grid,
            prf_choices_hz=choices_hz,
            notes=tuple(notes),
        )
        self._replay = _Replay(acquisition, divisor, starts)
        self._n_delivered = 0
        self._n_intervals = 0
        with self._lock:
            if self._running:
                self._clock.start()
        return acquisition

    def start(self) -> None:
        """Play from where it was stopped.

        Raises
        ------
        SourceError
            The source is closed.
        """
        self._open_recording()
        with self._lock:
            self._running = True
            self._clock.start()

    def read(self, timeout_s: float) -> ChannelFrame | None:
        """Wait for the next frame; None when none came due in time or the source is stopped.

        Raises
        ------
        SourceError
            The source is closed.
        """
        recording, replay = self._open_recording(), self._replay
        acquisition = replay.acquisition
        steps = self._clock.wait(acquisition.frame_interval_s, timeout_s)
        if steps is None:
            return None
        if self._n_delivered:
            self._n_intervals += steps
        start = int(replay.starts[self._n_intervals % replay.n_frames])
        stop = start + (acquisition.n_pulses - 1) * replay.divisor + 1
        colour = np.ascontiguousarray(recording.samples[start : stop : replay.divisor])
        frame = ChannelFrame(
            index=self._n_delivered,
            time_s=self._n_intervals * acquisition.frame_interval_s,
            received_s=time.perf_counter(),
            acquisition=acquisition,
            colour=colour,
        )
        self._n_delivered += 1
        return frame

    def stop(self) -> None:
        """Stop playing and end a waiting :meth:`read`; may be called from any thread."""
        with self._lock:
            self._running = False
            self._clock.stop()

    def close(self) -> None:
        """Let go of the samples."""
        self.stop()
        self._recording = None

    def _open_recording(self) -> Recording:
        if self._recording is None:
            raise SourceError(f"{self._name}: closed; open it again")
        return self._recording
