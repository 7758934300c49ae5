"""The values that travel from a source to the screen.

Every frame is frozen, its arrays are read-only, and it carries the acquisition and the settings
that made it, so that a panel never labels an old picture with new settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .accuracy import FrameScore
from .dsp.arrays import first_pulses
from .geometry import ImageGrid, Probe, beam_direction, nyquist_velocity_m_s
from .settings import ProcessingSettings

Float32 = NDArray[np.float32]


class Status(IntEnum):
    """What the de-aliasing did with a pixel, or that a person gave its fold."""

    NO_FLOW = 0
    KEPT = 1
    CORRECTED = 2
    ABSTAINED = 3
    BY_HAND = 4


@dataclass(frozen=True)
class Acquisition:
    """What a source achieved: everything needed to turn its samples into velocities.

    Attributes
    ----------
    source : str
        Name shown to the user; no path.
    probe : Probe
    sampling_frequency_hz : float
        Of the samples handed over; RF may be band-pass undersampled (below 2 f0).
    center_frequency_hz : float
        f0: transmitted centre frequency; the demodulation and the Nyquist velocity use it.
    demodulation_frequency_hz : float
        0 for RF; otherwise the samples are complex and were mixed down by this frequency.
    sound_speed_m_s : float
    start_time_s : float
        Time of the first sample; t = 0 is when the middle of the transmitted pulse crosses the
        array's centre (x = z = 0).
    transmit_angle_rad, receive_angle_rad : float
        Of the colour pulses; receive is 0 for recordings, and equal to transmit for a steered box.
        On a polar grid echoes come back along its scan lines instead.
    bmode_angles_rad : tuple of float
        Of the waves of the B-mode block; empty where B-mode is made from the colour pulses.
    prf_hz, requested_prf_hz : float
        Doppler PRF achieved (repetition rate of one angle) and asked for.
    max_prf_hz : float
        Highest PRF that the depth, or the recording, allows.
    n_pulses : int
        Pulses of the ensemble: colour pulses in a frame that repeat at ``prf_hz``.
    frame_interval_s : float
        Time from one frame to the next; 0 for a single frame that is held.
    colour_grid, bmode_grid : ImageGrid
        Where the picture is formed.
    prf_choices_hz : tuple of float
        All PRFs of a recording (its own over 1, 2, 3 ...); empty where any value can be had.
    n_cycles : float
        Cycles of the transmitted burst; 0 where that is not known.
    depth_gain_db : tuple of (depth_m, gain_db)
        Gain of the receiver over depth; empty where it is not known, or the same everywhere.
    heart_cycle_s, peak_systole_s : float
        Length of the heart cycle and when in it the flow is fastest; 0 where there is no heart.
    source_distance_m : float
        How far behind the array's centre transmitted waves seem to come from, a wave of angle a
        from ``-source_distance_m (sin a, cos a)``; infinite for plane waves.
    second_prf_hz : float
        Rate of the pulses that follow the ensemble, each ``1 / second_prf_hz`` after the one before
        (dual PRF); 0 where there are none.
    n_second_pulses : int
        How many these are.
    notes : tuple of str
        What the user should know, in sentences ("uses 8 pulses: the recording has no more").
    """

    source: str
    probe: Probe
    sampling_frequency_hz: float
    center_frequency_hz: float
    demodulation_frequency_hz: float
    sound_speed_m_s: float
    start_time_s: float
    transmit_angle_rad: float
    receive_angle_rad: float
    bmode_angles_rad: tuple[float, ...]
    prf_hz: float
    requested_prf_hz: float
    max_prf_hz: float
    n_pulses: int
    frame_interval_s: float
    colour_grid: ImageGrid
    bmode_grid: ImageGrid
    prf_choices_hz: tuple[float, ...] = ()
    n_cycles: float = 0.0
    depth_gain_db: tuple[tuple[float, float], ...] = ()
    heart_cycle_s: float = 0.0
    peak_systole_s: float = 0.0
    source_distance_m: float = math.inf
    second_prf_hz: float = 0.0
    n_second_pulses: int = 0
    notes: tuple[str, ...] = ()

    def beam_direction(
        self, x_m: ArrayLike, z_m: ArrayLike
    ) -> tuple[NDArray[np.float64] | float, NDArray[np.float64] | float]:
        """(x, z) of what is measured of a motion; see :func:`.geometry.beam_direction`."""
        return beam_direction(
            self.colour_grid,
            x_m,
            z_m,
            self.transmit_angle_rad,
            self.receive_angle_rad,
            source_distance_m=self.source_distance_m,
        )

    @property
    def n_colour_pulses(self) -> int:
        """Colour pulses in a frame: the ensemble and, with dual PRF, those after it."""
        return self.n_pulses + self.n_second_pulses

    @property
    def nyquist_velocity_m_s(self) -> float:
        """v_N = c PRF / (4 f0)."""
        return nyquist_velocity_m_s(self.prf_hz, self.center_frequency_hz, self.sound_speed_m_s)

    @property
    def unambiguous_depth_m(self) -> float:
        """Depth from which an echo returns before the next pulse leaves, c / (2 PRF)."""
        return self.sound_speed_m_s / (2.0 * self.prf_hz)

    @property
    def wavelength_m(self) -> float:
        """Wavelength at f0."""
        return self.sound_speed_m_s / self.center_frequency_hz


class FlowTruth(Protocol):
    """The known flow of one simulated frame."""

    def on(self, grid: ImageGrid) -> tuple[Float32, NDArray[np.bool_]]:
        """Sample the truth.

        Returns
        -------
        truth_m_s : (n_depths, n_lines) float32
            Velocity that this acquisition's geometry measures, 0 outside the vessels.
        vessel_mask : (n_depths, n_lines) bool
        """
        ...


class _Frozen:
    """Makes every array of a frame read-only."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value: Any = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Correction:
    """What was given by hand, on the colour grid of a frame.

    It is kept as velocities, not as folds: where other settings measure a pixel on the other side
    of v_N, the velocity that was meant is still the same.

    Attributes
    ----------
    velocity_m_s : (n_depths, n_lines) float32
        With the folds that were given; 0 elsewhere.
    given : (n_depths, n_lines) bool
    """

    velocity_m_s: Float32
    given: NDArray[np.bool_]

    def on(self, shape: tuple[int, int]) -> Correction:
        """Return it on a finer or coarser grid of the same extent, each pixel as its nearest."""
        if shape == self.given.shape:
            return self
        pairs = zip(self.given.shape, shape, strict=True)
        near = np.ix_(*(np.rint(np.linspace(0, n - 1, m)).astype(int) for n, m in pairs))
        return Correction(self.velocity_m_s[near], self.given[near])


@dataclass(frozen=True, eq=False)
class ChannelFrame(_Frozen):
    """One frame as it comes from the array.

    Attributes
    ----------
    index : int
        Counts up by one for every frame that the source made since it was configured.
    time_s : float
        When the first colour pulse was sent, on the source's own clock.
    received_s : float
        ``time.perf_counter()`` when :meth:`Source.read` returned; latency counts from here.
    acquisition : Acquisition
    colour : (n_colour_pulses, n_elements, n_samples) int16, float32 or complex64
        RF (real) or IQ (complex) of the ensemble, and of the pulses at a second PRF after it.
    bmode : (n_angles, n_elements, n_samples) int16, float32 or complex64, or None
        RF or IQ of the B-mode block.
    truth : FlowTruth or None
    by_hand : Correction or None
        What was given to it by hand when it was recorded.
    """

    index: int
    time_s: float
    received_s: float
    acquisition: Acquisition
    colour: NDArray[Any]
    bmode: NDArray[Any] | None = None
    truth: FlowTruth | None = None
    by_hand: Correction | None = None


@dataclass(frozen=True, eq=False)
class IqFrame(_Frozen):
    """Beamformed samples: what the cine keeps to process a frame again.

    Attributes
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32
        In-phase and quadrature of the colour pulses on ``acquisition.colour_grid``, in the order
        they were sent: the ensemble, and what follows it at a second PRF. They are the fastest
        axis, padded with zeros from ``acquisition.n_colour_pulses`` to ``n_lanes``. Both arrays lie
        where they were computed: in host memory, or on a GPU (CuPy).
    bmode_power : (n_depths, n_lines) float32
        Echo power on ``acquisition.bmode_grid``, linear.
    by_hand : Correction or None
        What has been given to it by hand.
    notes : tuple of str
        What the channels lack.
    """

    index: int
    time_s: float
    received_s: float
    acquisition: Acquisition
    iq: Float32
    bmode_power: Float32
    truth: FlowTruth | None = None
    by_hand: Correction | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ensemble(self) -> Float32:
        """Samples of the ensemble alone: ``iq`` itself, but a copy where pulses follow it."""
        of = self.acquisition
        return first_pulses(self.iq, of.n_pulses) if of.n_second_pulses else self.iq


AcquiredFrame = ChannelFrame | IqFrame
"""What a source delivers: most deliver channel samples, some what was beamformed before."""


@dataclass(frozen=True, eq=False)
class DopplerFrame(_Frozen):
    """A finished picture. All planes are finite everywhere.

    Attributes
    ----------
    wall_filter : str
        In force: the settings may ask for more than the pulses allow.
    bmode_db : float32 on ``acquisition.bmode_grid``
        Echo level; 0 dB is the bright end of the picture (see ``bmode_reference_db``).
    velocity_m_s : float32 on ``acquisition.colour_grid``
        As measured: within +-v_N, positive towards the probe.
    power_db : float32
        Doppler power above the noise floor (see ``noise_floor_db``).
    bandwidth : float32
        1 - abs(R1)/R0, 0 (one frequency) ... 1 (noise).
    confidence : float32
        How sure the fold is, 0 ... 1; 1 where it was given by hand.
    fold : int8
        n in ``corrected = velocity + 2 n v_N``; also of blood that is too weak to count as flow,
        where the network sees it.
    status : uint8
        :class:`Status` of each pixel.
    bloodless : bool, or None
        Where a pixel was left alone because it does not look like blood; None where nobody asked.
    bmode_reference_db, noise_floor_db : float
        Levels that the planes are relative to; they follow the picture slowly from frame to frame.
    truth_m_s, vessel_mask : float32 and bool, or None
        Known flow of a simulated source.
    score : FrameScore, or None
        How far the frame is from its truth, where it has one.
    frequency_factor : float32, or None
        f0 over the local centre frequency of the echoes, 1 outside the flow: multiplies velocities
        that are read out, measured and corrected alike. None where it was not asked for. The planes
        above are those of f0.
    stage_seconds : mapping
        Time spent in each stage.
    notes : tuple of str
        Why something was left alone.
    """

    index: int
    time_s: float
    received_s: float
    acquisition: Acquisition
    processing: ProcessingSettings
    wall_filter: str
    bmode_db: Float32
    velocity_m_s: Float32
    power_db: Float32
    bandwidth: Float32
    confidence: Float32
    fold: NDArray[np.int8]
    status: NDArray[np.uint8]
    bmode_reference_db: float
    noise_floor_db: float
    truth_m_s: Float32 | None = None
    vessel_mask: NDArray[np.bool_] | None = None
    score: FrameScore | None = None
    frequency_factor: Float32 | None = None
    bloodless: NDArray[np.bool_] | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def nyquist_velocity_m_s(self) -> float:
        """v_N of this frame."""
        return self.acquisition.nyquist_velocity_m_s

    @property
    def corrected_m_s(self) -> Float32:
        """Measured velocity moved by whole folds, ``velocity + 2 fold v_N``."""
        shift = np.float32(2.0 * self.nyquist_velocity_m_s)
        return self.velocity_m_s + shift * self.fold.astype(np.float32)

    @property
    def aliased_share(self) -> float:
        """Share of the flow pixels whose fold is not zero."""
        flow = self.status != Status.NO_FLOW
        n_flow = int(np.count_nonzero(flow))
        return int(np.count_nonzero(self.fold[flow])) / max(1, n_flow)
