"""Synthetic pictures for tests: vessels with aliased flow over speckle, exactly known.

A steep artery carries a parabolic profile that folds once or twice in the middle; beside it a
vein runs the other way without aliasing. Everything follows from the arguments and the seed.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from ultrasound_console.accuracy import erode, score_frame
from ultrasound_console.frames import Acquisition, DopplerFrame, Status
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.settings import ProcessingSettings

PROBE = Probe.linear("Test L128", 128, 0.0003, 6.5e6)

BMODE = ImageGrid("parallel", 256, 192, (-0.019, 0.019), (0.001, 0.035))
RECTANGLE = ImageGrid("parallel", 160, 144, (-0.012, 0.012), (0.006, 0.03))
SHEARED = ImageGrid(
    "parallel", 160, 144, (-0.015, 0.009), (0.006, 0.03), angle_rad=math.radians(15)
)
SECTOR_BMODE = ImageGrid("polar", 256, 128, (-0.6, 0.6), (0.03, 0.068), apex_m=(0.0, -0.03))
SECTOR = ImageGrid("polar", 150, 90, (-0.4, 0.35), (0.038, 0.062), apex_m=(0.0, -0.03))

# The vessels: centre depth at x = 0, tangent of the axis against the skin, radius; metres.
ARTERY = (0.0165, 0.16, 0.0042)
VEIN = (0.0265, 0.10, 0.0022)
WALL_M = 0.0007


def make_acquisition(
    *,
    colour_grid: ImageGrid = SHEARED,
    bmode_grid: ImageGrid = BMODE,
    prf_hz: float = 3000.0,
    frame_interval_s: float = 1.0 / 30.0,
) -> Acquisition:
    """A 12-pulse acquisition of a linear probe at 6.5 MHz."""
    angle_rad = colour_grid.angle_rad
    return Acquisition(
        source="synthetic",
        probe=PROBE,
        sampling_frequency_hz=26e6,
        center_frequency_hz=6.5e6,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=1540.0,
        start_time_s=0.0,
        transmit_angle_rad=angle_rad,
        receive_angle_rad=angle_rad,
        bmode_angles_rad=(0.0,),
        prf_hz=prf_hz,
        requested_prf_hz=prf_hz,
        max_prf_hz=12000.0,
        n_pulses=12,
        frame_interval_s=frame_interval_s,
        colour_grid=colour_grid,
        bmode_grid=bmode_grid,
    )


def wrapped(velocity: np.ndarray, nyquist: float) -> np.ndarray:
    """Fold velocities into -nyquist ... nyquist."""
    return velocity - 2 * nyquist * np.floor((velocity + nyquist) / (2 * nyquist))


def _radius(grid: ImageGrid, vessel: tuple[float, float, float]) -> np.ndarray:
    """Distance from a vessel's axis over its radius."""
    depth_m, slope, radius_m = vessel
    x_m, z_m = grid.positions_m()
    return np.abs(z_m - depth_m - slope * x_m) / math.hypot(1, slope) / radius_m


@lru_cache(maxsize=16)
def _speckle_db(grid: ImageGrid, seed: int) -> np.ndarray:
    """Tissue with two echo-poor lumina and bright walls, 0 dB at the bright end."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((2, *grid.shape))
    field = gaussian_filter(field, (0, 0.9, 1.1))
    envelope = np.hypot(*field)
    level_db = 20 * np.log10(envelope / np.sqrt(np.mean(envelope**2)) + 1e-3)
    x_m, z_m = grid.positions_m()
    layers = 3.5 * np.sin(z_m * 900 + 3 * np.sin(x_m * 110)) + 2.5 * np.sin(x_m * 420 + z_m * 260)
    level_db += -22 + layers - 180 * z_m
    for vessel in (ARTERY, VEIN):
        radius = _radius(grid, vessel)
        wall = np.exp(-0.5 * ((radius - 1 - 0.5 * WALL_M / vessel[2]) * vessel[2] / 3e-4) ** 2)
        level_db += np.where(radius < 1, -24.0, 0.0) + 16.0 * wall
    return np.minimum(level_db, 0.0).astype(np.float32)


def make_frame(
    index: int = 0,
    *,
    colour_grid: ImageGrid = SHEARED,
    bmode_grid: ImageGrid = BMODE,
    prf_hz: float = 3000.0,
    peak_nyquist: float = 2.2,
    pulsation: float = 0.35,
    abstained: bool = True,
    noise: float = 0.02,
    processing: ProcessingSettings | None = None,
    frame_interval_s: float = 1.0 / 30.0,
    seed: int = 0,
) -> DopplerFrame:
    """Make a finished picture with known truth.

    Parameters
    ----------
    index : int
        Frame number; the flow pulses with it, one beat in 30 frames.
    colour_grid, bmode_grid : ImageGrid
        Where the planes live.
    prf_hz : float
        Doppler PRF; v_N is 17.8 cm/s at 3 kHz.
    peak_nyquist : float
        Largest velocity on the artery's axis, in v_N; above 1 it aliases.
    pulsation : float
        0 (steady) ... 1 (stops in diastole).
    abstained : bool
        Leave a patch of the artery uncorrected.
    noise : float
        Standard deviation of the measured velocity, in v_N.
    processing : ProcessingSettings, optional
    frame_interval_s : float
    seed : int
        Of the speckle and the noise.

    Returns
    -------
    DopplerFrame
        With ``truth_m_s``, ``vessel_mask`` and ``score``.
    """
    acquisition = make_acquisition(
        colour_grid=colour_grid,
        bmode_grid=bmode_grid,
        prf_hz=prf_hz,
        frame_interval_s=frame_interval_s,
    )
    processing = ProcessingSettings() if processing is None else processing
    nyquist = acquisition.nyquist_velocity_m_s
    rng = np.random.default_rng((seed, index))

    beat = 1 - pulsation * (0.5 - 0.5 * math.cos(2 * math.pi * index / 30))
    artery, vein = _radius(colour_grid, ARTERY), _radius(colour_grid, VEIN)
    truth = peak_nyquist * beat * np.clip(1 - artery**2, 0, None)
    truth -= 0.6 * np.clip(1 - vein**2, 0, None)
    truth *= nyquist
    vessel_mask = (artery < 1) | (vein < 1)

    power_db = rng.normal(0.0, 1.2, colour_grid.shape)
    fullness = np.clip(6 * (1 - np.minimum(artery, vein)), 0, 1)
    power_db += np.where(vessel_mask, 6 + 16 * fullness, 0.0)
    power_db = gaussian_filter(power_db, 1.0)

    velocity = wrapped(truth + rng.normal(0, noise * nyquist, truth.shape), nyquist)
    speed = rng.uniform(-nyquist, nyquist, truth.shape)
    flow = (power_db >= processing.flow_power_db) & vessel_mask
    velocity = np.where(vessel_mask, velocity, gaussian_filter(speed, 1.5))
    fold = np.where(flow, np.rint((truth - velocity) / (2 * nyquist)), 0).astype(np.int8)
    status = np.where(flow, np.where(fold != 0, Status.CORRECTED, Status.KEPT), Status.NO_FLOW)
    notes: tuple[str, ...] = ()
    if abstained:
        x_m, _ = colour_grid.positions_m()
        left_m, right_m, _, _ = colour_grid.extent_m
        patch = flow & (x_m > left_m + 0.8 * (right_m - left_m))
        status = np.where(patch, Status.ABSTAINED, status)
        fold[patch] = 0
        notes = ("one region left alone: it touches the edge of the box",)
    velocity = velocity.astype(np.float32)
    score = score_frame(
        velocity,
        fold,
        truth.astype(np.float32),
        erode(vessel_mask, colour_grid.pixel_size_m),
        nyquist,
        flow=status != Status.NO_FLOW,
        abstained=status == Status.ABSTAINED,
    )
    return DopplerFrame(
        index=index,
        time_s=index * frame_interval_s,
        received_s=0.0,
        acquisition=acquisition,
        processing=processing,
        wall_filter=processing.wall_filter,
        bmode_db=_speckle_db(bmode_grid, seed + index % 4),
        velocity_m_s=velocity,
        power_db=power_db.astype(np.float32),
        bandwidth=np.where(vessel_mask, 0.1, 0.9).astype(np.float32),
        confidence=np.where(status == Status.ABSTAINED, 0.2, 0.9).astype(np.float32),
        fold=fold,
        status=status.astype(np.uint8),
        bmode_reference_db=0.0,
        noise_floor_db=0.0,
        truth_m_s=truth.astype(np.float32),
        vessel_mask=vessel_mask,
        score=score,
        notes=notes,
    )
