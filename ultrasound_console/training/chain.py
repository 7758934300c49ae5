"""Frames of the whole signal chain: random scenes under the simulated probe, through the pipeline.

Where :mod:`.synthetic` draws what a beamformer would have made, here the console itself beamforms
the channel data of a scene. That is slower, and has what the picture's level leaves out: side lobes
of steered waves, walls that move, attenuation, the receiver's gain over depth and its noise.

The simulation makes channel data without noise; here it is added, as loud as a frame wants it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..accuracy import erode
from ..dsp import doppler as estimator
from ..frames import Acquisition, ChannelFrame, Float32, IqFrame
from ..pipeline import form
from ..settings import AcquisitionSettings, ProcessingSettings
from ..simulation import Scan, ScanFrame, Scene, plan, random_scene
from ..simulation.flow import Flow, Truth
from ..simulation.plan import bmode_interval_s

TEST_SEEDS = range(9000, 9100)
"""Random scenes of the fixed test set. No training sees them."""
TEST_SNRS_DB = (10.0, 20.0)
"""Blood above noise behind the wall filter: every scene of the test set is seen with both."""

# Fastest flow along the beam in the frames of the test set, in v_N, by the seed modulo 4.
_TEST_PEAKS = ((0.5, 2.0), (2.0, 3.5), (3.5, 5.0), (5.0, 7.0))
# Away from the ends, as the flow of an ensemble changes a little with its length.
_TEST_MARGIN = 0.1
_TEST_STEERING_RAD = math.radians(15.0)
_LOWEST_PRF_HZ = 100.0
_SILENT_DB = -200.0
# The level of noise is set behind this filter, whatever filter a picture has.
_LEVEL_FILTER = "polynomial-1"

Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TestPair:
    """Two consecutive frames of a scene of the test set.

    Attributes
    ----------
    seed : int
    snr_db : float
        Blood above noise behind the wall filter, median over the lumen of the later frame.
    peak : float
        Fastest true flow along the beam in the later frame, in its v_N.
    frames : tuple of IqFrame
        A frame interval apart, the later one where the flow is fast; ``truth`` and ``acquisition``
        are in them.
    processing : ProcessingSettings
        To make pictures with.
    """

    seed: int
    snr_db: float
    peak: float
    frames: tuple[IqFrame, IqFrame]
    processing: ProcessingSettings


def test_frames(
    seeds: Iterable[int],
    snrs_db: Iterable[float] = TEST_SNRS_DB,  # noqa: PT028 - no test of pytest's
) -> Iterator[TestPair]:
    """Make the fixed test set, scene by scene; for each, one pair for each level of noise.

    The console's own settings: 12 pulses, ``polynomial-1``, steered by 15 degrees to the side from
    which the flow looks faster. The PRF is such that the fastest flow is 0.5 ... 2, 2 ... 3.5,
    3.5 ... 5 or 5 ... 7 v_N, by the seed modulo 4.

    Parameters
    ----------
    seeds : iterable of int
        All of the set: :data:`TEST_SEEDS`.
    snrs_db : iterable of float
    """
    levels_db = tuple(snrs_db)
    processing = ProcessingSettings()
    for seed in seeds:
        scene, acquisition = _test_view(seed)
        scan, phase = Scan(scene), _fast_phase(acquisition)
        first, second = (made(scan, acquisition, phase + k) for k in (0, 1))
        unit_db = snr_of_unit_noise_db(acquisition, second, processing)
        peak = fastest_m_s(second.truth, acquisition) / acquisition.nyquist_velocity_m_s
        for snr_db in levels_db:
            noise = 10.0 ** ((unit_db - snr_db) / 20.0)
            pair = (
                formed(acquisition, first, processing, noise, (seed, phase)),
                formed(acquisition, second, processing, noise, (seed, phase + 1)),
            )
            yield TestPair(seed, snr_db, peak, pair, processing)


def heart_cycle(seed: int, snr_db: float = 20.0) -> Iterator[IqFrame]:
    """Make the consecutive frames of one heart cycle of a random scene.

    There are 27 to 30 of them, and fewer where the PRF of the scene is so low that an ensemble
    takes longer than a thirtieth of a second.

    Parameters
    ----------
    seed : int
        As for :func:`test_frames`.
    snr_db : float
        Blood above noise behind the wall filter where the flow is fast.
    """
    scene, acquisition = _test_view(seed)
    scan, processing = Scan(scene), ProcessingSettings()
    fast = made(scan, acquisition, _fast_phase(acquisition) + 1)
    unit_db = snr_of_unit_noise_db(acquisition, fast, processing)
    noise = 10.0 ** ((unit_db - snr_db) / 20.0)
    for phase in range(round(scene.period_s / acquisition.frame_interval_s)):
        clean = made(scan, acquisition, phase)
        yield formed(acquisition, clean, processing, noise, (seed, phase))


def quiet_scene(number: int) -> Scene:
    """Draw a random scene; its noise is left to this module."""
    return replace(random_scene(number), noise_db=_SILENT_DB)


def truth_at(flow: Flow, acquisition: Acquisition, phase: int) -> Truth:
    """Flow in the middle of the ensemble of a phase, before any echo of it is made."""
    time_s = phase * acquisition.frame_interval_s
    time_s += len(acquisition.bmode_angles_rad) * bmode_interval_s(acquisition)
    time_s += 0.5 * (acquisition.n_pulses - 1) / acquisition.prf_hz
    return Truth(flow, time_s, acquisition.transmit_angle_rad, acquisition.receive_angle_rad)


def seen_lumen(flow: Flow, acquisition: Acquisition) -> Bool:
    """Lumen on the colour grid, where wave and aperture reach it: (n_depths, n_lines)."""
    grid, probe = acquisition.colour_grid, acquisition.probe
    x_m, z_m = grid.positions_m()
    seen = flow.depth_m(x_m, z_m) > 0.0
    half_m = 0.5 * probe.pitch_m * probe.n_elements
    for angle_rad in (acquisition.transmit_angle_rad, acquisition.receive_angle_rad):
        seen &= np.abs(x_m - z_m * math.tan(angle_rad)) <= half_m
    return seen


def fastest_m_s(truth: Truth, acquisition: Acquisition) -> float:
    """Fastest flow along the beam in the picture, without the half millimetre at the walls."""
    grid = acquisition.colour_grid
    inside = erode(seen_lumen(truth.flow, acquisition), grid.pixel_size_m)
    velocity_m_s, _ = truth.on(grid)
    return float(np.max(np.abs(velocity_m_s), where=inside, initial=0.0))


def made(scan: Scan, acquisition: Acquisition, phase: int) -> ScanFrame:
    """Channel data of one phase, without noise."""
    frame = scan.frame(acquisition, phase)
    assert frame is not None
    return frame


def formed(
    acquisition: Acquisition,
    clean: ScanFrame,
    processing: ProcessingSettings,
    noise: float,
    seeds: tuple[int, int],
) -> IqFrame:
    """Beamform channel data with noise.

    Parameters
    ----------
    acquisition : Acquisition
        Without B-mode angles the grey picture is made of the ensemble.
    clean : ScanFrame
    processing : ProcessingSettings
    noise : float
        Of one element before the gain over depth, in counts of the converter.
    seeds : tuple of int
        Of the scene, and the phase.
    """
    phase = seeds[1]
    rng = np.random.default_rng((*seeds, 6))
    scaled = np.float32(noise)
    bmode = None
    if acquisition.bmode_angles_rad:
        bmode = clean.bmode + scaled * _unit_noise(rng, acquisition, clean.bmode)
    return form(
        ChannelFrame(
            index=phase,
            time_s=phase * acquisition.frame_interval_s,
            received_s=0.0,
            acquisition=acquisition,
            colour=clean.colour + scaled * _unit_noise(rng, acquisition, clean.colour),
            bmode=bmode,
            truth=clean.truth,
        ),
        processing,
    )


def snr_of_unit_noise_db(
    acquisition: Acquisition, clean: ScanFrame, processing: ProcessingSettings
) -> float:
    """Blood above noise of one count behind the wall filter, median over the lumen."""
    grid = acquisition.colour_grid
    alone = replace(acquisition, bmode_grid=grid, bmode_angles_rad=())
    noise = _unit_noise(np.random.default_rng(6), acquisition, clean.colour)
    pixel_m = grid.pixel_size_m
    width = (processing.smoothing_m / pixel_m[0], processing.smoothing_m / pixel_m[1])
    power = []
    for samples in (clean.colour, noise):
        iq = form(ChannelFrame(0, 0.0, 0.0, alone, samples), processing).iq
        power.append(estimator.estimate(iq, acquisition.n_pulses, _LEVEL_FILTER, width).power)
    seen = seen_lumen(clean.truth.flow, acquisition)
    inside = erode(seen, pixel_m)
    ratio = (power[0] / power[1])[inside if inside.any() else seen]
    return 10.0 * math.log10(float(np.median(ratio)))


def _unit_noise(
    rng: np.random.Generator, acquisition: Acquisition, samples: NDArray[np.int16]
) -> Float32:
    """White noise of unit variance behind the receiver's gain over depth."""
    noise = rng.standard_normal(samples.shape, np.float32)
    time_s = acquisition.start_time_s + (
        np.arange(samples.shape[-1]) / acquisition.sampling_frequency_hz
    )
    depth_m, gain_db = np.transpose(acquisition.depth_gain_db)
    gain_db = np.interp(0.5 * acquisition.sound_speed_m_s * time_s, depth_m, gain_db)
    noise *= (10.0 ** (gain_db / 20.0)).astype(np.float32)
    return noise


def _test_view(seed: int) -> tuple[Scene, Acquisition]:
    """Scene of the test set, and how it is seen."""
    scene = quiet_scene(seed)
    flow = scene.flow()
    low, high = _TEST_PEAKS[seed % len(_TEST_PEAKS)]
    margin = _TEST_MARGIN * (high - low)
    peak = np.random.default_rng((seed, 7)).uniform(low + margin, high - margin)
    prf_hz = AcquisitionSettings().prf_hz
    steering_rad = max(
        (_TEST_STEERING_RAD, -_TEST_STEERING_RAD),
        key=lambda angle_rad: _test_plan(scene, flow, prf_hz, angle_rad)[1],
    )
    # With the PRF the frames move in time, now and then so far that no PRF gives the peak itself.
    tried = []
    for _ in range(4):
        acquisition, fastest = _test_plan(scene, flow, prf_hz, steering_rad)
        tried.append((abs(fastest / acquisition.nyquist_velocity_m_s - peak), prf_hz))
        prf_hz = max(_LOWEST_PRF_HZ, 4.0 * fastest / (peak * acquisition.wavelength_m))
    return scene, _test_plan(scene, flow, min(tried)[1], steering_rad)[0]


def _test_plan(
    scene: Scene, flow: Flow, prf_hz: float, steering_rad: float
) -> tuple[Acquisition, float]:
    """Acquisition, and the fastest flow along the beam in its later frame."""
    settings = AcquisitionSettings(prf_hz=prf_hz, steering_rad=steering_rad)
    acquisition = plan(scene, settings)
    truth = truth_at(flow, acquisition, _fast_phase(acquisition) + 1)
    return acquisition, fastest_m_s(truth, acquisition)


def _fast_phase(acquisition: Acquisition) -> int:
    """First of two frames of which the second is nearest to the peak of systole."""
    return max(0, round(acquisition.peak_systole_s / acquisition.frame_interval_s) - 1)
