"""Recordings: read whole, checked once, replayed in a loop at their own rate."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..colour_box import ColourBox
from ..declared import Range
from ..frames import AcquiredFrame, Acquisition, ChannelFrame
from ..geometry import ImageGrid, Probe, picture_outline
from ..settings import SPECS, AcquisitionSettings
from ..settings.acquisition import OFF, ONE_PRF
from .beamformed import BeamformedRecording
from .clock import FrameClock
from .fields import RECORD_AGAIN, refusal
from .formats import read_recording
from .protocol import SourceError
from .pulses import MIN_PULSES, Pulses

MAX_DEPTH_M = 1.0


@dataclass(frozen=True, eq=False)
class Recording(Pulses):
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
        Time of the first sample; t = 0 is when the wave crosses x = z = 0.
    transmit_angle_rad : float
    prf_hz : float
        Rate of these pulses inside a burst.
    pulse_time_s : (n_pulses,) float64
        When each pulse was sent.
    notes : tuple of str
        What was left out or assumed, in sentences.
    source_distance_m : float
        See :class:`~ultrasound_console.frames.Acquisition`; infinite for plane waves.
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
    source_distance_m: float = math.inf

    def __post_init__(self) -> None:
        _, n_elements, n_samples = self.samples.shape
        if n_elements != self.probe.n_elements:
            problem = f"has {n_elements} channels, the probe {self.probe.n_elements} elements"
            raise refusal(self.name, "samples", problem, RECORD_AGAIN)
        if n_elements < 2:
            raise refusal(self.name, "samples", "a single element", "give data of a linear array")
        self.check_pulses()
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
    def grid(self) -> ImageGrid:
        """Rectangle or sector that the probe sees at the recorded depths, at most 256 x 256."""
        outline = picture_outline(
            self.probe, self.depth_range_m, self.transmit_angle_rad, self.source_distance_m
        )
        height_m, width_m = outline.pixel_size_m
        axial_m = min(0.2e-3, self.wavelength_m / 2.0)
        n_lines = min(max(round(width_m / 0.2e-3) + 1, 192), 256)
        n_depths = min(max(math.ceil(height_m / axial_m) + 1, 64), 256)
        return dataclasses.replace(outline, n_depths=n_depths, n_lines=n_lines)

    def colour_grid(self, settings: AcquisitionSettings) -> tuple[ImageGrid, str]:
        """Fill the colour box with samples as far apart as in the picture.

        Returns
        -------
        grid : ImageGrid
        note : str
            What became of a box that cannot be had, or nothing.
        """
        own = ColourBox.of(self.grid)
        wanted = own.as_set(settings)
        box = wanted.inside(self.grid)
        if box == own:
            return self.grid, ""
        return box.grid(self.grid.pixel_size_m, self.grid.shape), box.limits_note(wanted)

    def acquisition(self, **replay: Any) -> Acquisition:
        """Put what was recorded beside how it is replayed."""
        return Acquisition(
            **replay,
            probe=self.probe,
            sampling_frequency_hz=self.sampling_frequency_hz,
            center_frequency_hz=self.center_frequency_hz,
            demodulation_frequency_hz=self.demodulation_frequency_hz,
            sound_speed_m_s=self.sound_speed_m_s,
            start_time_s=self.start_time_s,
            transmit_angle_rad=self.transmit_angle_rad,
            receive_angle_rad=0.0,
            bmode_angles_rad=(),
            bmode_grid=self.grid,
            source_distance_m=self.source_distance_m,
        )

    def frame(self, pulses: slice, acquisition: Acquisition, **told: Any) -> ChannelFrame:
        """Make a frame of some pulses; ``told`` is its number and its times."""
        colour = np.ascontiguousarray(self.samples[pulses])
        return ChannelFrame(**told, acquisition=acquisition, colour=colour)


AnyRecording = Recording | BeamformedRecording


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
    recording : Path, Recording or BeamformedRecording
        A file, or what a reader of your own made of one.
    real_time : bool
        Keep the file's rate; otherwise deliver frames as fast as they are read.
    prf_hz : float, optional
        Rate of the pulses for a file that does not say it.

    Raises
    ------
    SourceError
        The file cannot be used.
    """

    def __init__(
        self,
        recording: Path | AnyRecording,
        *,
        real_time: bool = True,
        prf_hz: float | None = None,
    ) -> None:
        if isinstance(recording, Path):
            recording = read_recording(recording, prf_hz)
        self._recording: AnyRecording | None = recording
        self._name = recording.name
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
        if settings.dual_prf != OFF:
            notes.append(ONE_PRF)
        starts = recording.frame_starts(divisor, n_pulses, settings.ensemble_step or n_pulses)
        interval_s = 0.0
        if len(starts) > 1:
            first, last = recording.pulse_time_s[starts[0]], recording.pulse_time_s[starts[-1]]
            interval_s = float(last - first) / (len(starts) - 1)
        colour_grid, note = recording.colour_grid(settings)
        if note:
            notes.append(note)
        acquisition = recording.acquisition(
            source=recording.name,
            prf_hz=choices_hz[divisor - 1],
            requested_prf_hz=settings.prf_hz,
            max_prf_hz=recording.prf_hz,
            n_pulses=n_pulses,
            frame_interval_s=interval_s,
            colour_grid=colour_grid,
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

    def read(self, timeout_s: float) -> AcquiredFrame | None:
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
        passes, number = divmod(self._n_intervals, replay.n_frames)
        start = int(replay.starts[number])
        # Bursts may hold several ensembles, which do not come at even intervals.
        since_s = float(recording.pulse_time_s[start] - recording.pulse_time_s[replay.starts[0]])
        stop = start + (acquisition.n_pulses - 1) * replay.divisor + 1
        frame = recording.frame(
            slice(start, stop, replay.divisor),
            acquisition,
            index=self._n_delivered,
            time_s=passes * replay.n_frames * acquisition.frame_interval_s + since_s,
            received_s=time.perf_counter(),
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

    def _open_recording(self) -> AnyRecording:
        if self._recording is None:
            raise SourceError(f"{self._name}: closed; open it again")
        return self._recording
