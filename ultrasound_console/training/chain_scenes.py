"""What training sees of the whole signal chain: random scenes, each seen in a random way.

Probes, frequencies, bursts, grids, angles, ensembles, wall filters, noise, and the phase of the
heart differ; how often, is shared with the scenes of the picture's level (:mod:`.recipe`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..assets import probe_names
from ..dsp.evidence import N_MAPS, EchoShift, cells_of, echo_evidence
from ..frames import Acquisition, Float32, IqFrame
from ..geometry import ImageGrid
from ..pipeline import doppler
from ..settings import AcquisitionSettings, ProcessingSettings
from ..simulation import Scan, Scene, plan
from ..simulation.flow import Flow, Truth
from ..simulation.plan import record_window, shows_sector
from ..simulation.probes import load_probe
from .chain import (
    fastest_m_s,
    formed,
    made,
    quiet_scene,
    seen_lumen,
    snr_of_unit_noise_db,
    truth_at,
)
from .recipe import Recipe, random_recipe
from .synthetic import SHAPE, Features

FIRST_SCENE = 1 << 20
"""Random scene of seed 0; the others follow. Those of the test set lie before."""

_DEPTH_M = 0.036
_BOX_DEPTHS_M = (4.5e-3, 34e-3)
_STEERING_LIMIT_RAD = math.radians(20.0)
_BETTER_SIDE = 0.7
_FREQUENCIES_HZ = (3.5e6, 9e6)
_CYCLES = (1, 2, 3, 4, 5)
_CYCLES_SHARE = (0.15, 0.4, 0.2, 0.15, 0.1)
_F_NUMBERS = (1.0, 2.2)
_INTERVAL_S = (0.015, 0.05)
_SYSTOLE, _AROUND_SYSTOLE_S = 0.6, 0.03
_LONGEST_ENSEMBLE_S = 0.06
# Fastest flow across the beam, in quarter wavelengths per pulse: beyond, no echo comes twice.
_MAX_LATERAL = 14.0
_LEAST_AREA, _TRIES = 0.04, 12
_PACE_LIMIT = 10.0


@dataclass(frozen=True, eq=False)
class View:
    """A random scene and how training sees it.

    Attributes
    ----------
    seed : int
    scene : Scene
        Without noise.
    acquisition : Acquisition
        Without a B-mode block: the grey picture is that of the ensemble.
    phase : int
        The first of the two frames, in frame intervals of this acquisition.
    processing : ProcessingSettings
    snr_db : float
        Blood above noise behind the wall filter, median over the lumen of the faster frame.
    """

    seed: int
    scene: Scene
    acquisition: Acquisition
    phase: int
    processing: ProcessingSettings
    snr_db: float


@dataclass(frozen=True, eq=False)
class ChainFrame:
    """One of the two frames of a view, at the upper left of planes of one shape.

    Attributes
    ----------
    features : Features
        Beyond the picture the velocity is NaN, and the rest 0.
    truth : (n_depths, n_lines) float32
        True velocity in v_N; NaN outside the lumen, and where the probe does not reach.
    wall_filter : str
        In force.
    peak : float
        Fastest true velocity, v_N.
    """

    features: Features
    truth: Float32
    wall_filter: str
    peak: float


def random_view(seed: int, shape: tuple[int, int] = SHAPE) -> View:
    """Draw a scene, and how it is seen, from a whole number from 0 on.

    Parameters
    ----------
    seed : int
    shape : tuple of int
        (n_depths, n_lines) that the picture has at most.
    """
    rng = np.random.default_rng((seed, 5))
    scene = quiet_scene(FIRST_SCENE + seed)
    flow = scene.flow()
    for _ in range(_TRIES):
        recipe = random_recipe(rng)
        acquisition = _random_acquisition(rng, scene, recipe, shape)
        if seen_lumen(flow, acquisition).mean() > _LEAST_AREA:
            break
    middle_s = rng.uniform(0.0, scene.period_s)
    if rng.random() < _SYSTOLE:
        middle_s = acquisition.peak_systole_s + rng.normal(0.0, _AROUND_SYSTOLE_S)
    interval_s = float(rng.uniform(*_INTERVAL_S))
    # First where the flow is then, and from its speed the PRF; that may lengthen the interval.
    for _ in range(2):
        phase = max(0, round(middle_s / interval_s - 0.5))
        acquisition = replace(acquisition, frame_interval_s=interval_s)
        prf_hz = _prf_hz(flow, acquisition, phase, recipe.peak)
        acquisition = replace(acquisition, prf_hz=prf_hz, requested_prf_hz=prf_hz)
        interval_s = max(interval_s, 1.05 * acquisition.n_pulses / prf_hz)
    processing = ProcessingSettings(
        f_number=float(rng.uniform(*_F_NUMBERS)),
        wall_filter=recipe.wall_filter,
        smoothing_m=recipe.smoothing * acquisition.wavelength_m,
        dealias=False,
    )
    return View(seed, scene, acquisition, phase, processing, recipe.snr_db)


def chain_frames(view: View, shape: tuple[int, int] = SHAPE) -> tuple[ChainFrame, ChainFrame]:
    """Make the two frames of a view."""
    scan, acquisition = Scan(view.scene), view.acquisition
    first, second = (made(scan, acquisition, view.phase + k) for k in (0, 1))
    speeds = [fastest_m_s(clean.truth, acquisition) for clean in (first, second)]
    faster = second if speeds[1] > speeds[0] else first
    unit_db = snr_of_unit_noise_db(acquisition, faster, view.processing)
    noise = 10.0 ** ((unit_db - view.snr_db) / 20.0)

    def frame(k: int, truth: Truth) -> ChainFrame:
        clean = (first, second)[k]
        iq = formed(acquisition, clean, view.processing, noise, (view.seed, view.phase + k))
        features, wall_filter = _features(replace(iq, truth=None), view.processing, shape)
        velocity_m_s, _ = truth.on(acquisition.colour_grid)
        known = np.where(seen_lumen(truth.flow, acquisition), velocity_m_s, np.float32(np.nan))
        nyquist_m_s = np.float32(acquisition.nyquist_velocity_m_s)
        return ChainFrame(
            features,
            _at_corner(known / nyquist_m_s, shape, np.nan),
            wall_filter,
            speeds[k] / float(nyquist_m_s),
        )

    return frame(0, first.truth), frame(1, second.truth)


def pace(before: ChainFrame, after: ChainFrame) -> float:
    """Peak of one frame over that of the one before, within 0.1 ... 10."""
    ratio = after.peak / max(before.peak, 1e-6)
    return min(_PACE_LIMIT, max(1.0 / _PACE_LIMIT, ratio))


def _features(
    iq: IqFrame, processing: ProcessingSettings, shape: tuple[int, int]
) -> tuple[Features, str]:
    """Take the console's own estimates, and the evidence; and the wall filter in force."""
    acquisition = iq.acquisition
    grid = acquisition.colour_grid
    picture = doppler(iq, processing, None)
    velocity = picture.velocity_m_s / np.float32(acquisition.nyquist_velocity_m_s)
    shift = EchoShift.on_grid(
        grid.pixel_size_m,
        acquisition.wavelength_m,
        grid.angle_rad,
        acquisition.transmit_angle_rad,
        acquisition.receive_angle_rad,
    )
    evidence = echo_evidence(iq.iq, acquisition.n_pulses, shift, picture.wall_filter)
    maps = np.zeros((N_MAPS, *cells_of(shape)), np.float32)
    maps[:, : evidence.shape[1], : evidence.shape[2]] = evidence
    features = Features(
        velocity=_at_corner(velocity, shape, np.nan),
        power_db=_at_corner(picture.power_db, shape),
        bandwidth=_at_corner(picture.bandwidth, shape),
        echo_db=_at_corner(picture.bmode_db, shape),
        evidence=maps,
    )
    return features, picture.wall_filter


def _at_corner(plane: NDArray[np.floating], shape: tuple[int, int], beyond: float = 0.0) -> Float32:
    out = np.full(shape, beyond, np.float32)
    out[: plane.shape[0], : plane.shape[1]] = plane
    return out


def _random_acquisition(
    rng: np.random.Generator, scene: Scene, recipe: Recipe, shape: tuple[int, int]
) -> Acquisition:
    """Draw probe, wave and box; the PRF is the highest that the depth allows."""
    name = str(rng.choice([known for known in probe_names() if not shows_sector(known)]))
    probe = load_probe(name)
    half_band = 0.5 * probe.fractional_bandwidth * rng.uniform(-0.6, 0.6)
    frequency_hz = (1.0 + half_band) * probe.center_frequency_hz
    steering_rad = min(max(recipe.transmit_rad, -_STEERING_LIMIT_RAD), _STEERING_LIMIT_RAD)
    settings = AcquisitionSettings(
        prf_hz=50e3,
        ensemble=recipe.n_pulses,
        steering_rad=steering_rad,
        depth_m=_DEPTH_M,
        probe=name,
        transmit_frequency_hz=min(max(frequency_hz, _FREQUENCIES_HZ[0]), _FREQUENCIES_HZ[1]),
        n_cycles=int(rng.choice(_CYCLES, p=_CYCLES_SHARE)),
    )
    box = recipe.receive_rad != 0.0
    both = []
    for sign in (1.0, -1.0):
        acquisition = plan(scene, replace(settings, steering_rad=sign * steering_rad))
        angle_rad = acquisition.transmit_angle_rad if box else 0.0
        both.append(replace(acquisition, receive_angle_rad=angle_rad, bmode_angles_rad=()))
    chosen = both[0]
    flow = scene.flow()
    if rng.random() < _BETTER_SIDE:
        chosen = max(both, key=lambda one: fastest_m_s(_systole(flow, one), one))
    grid = _box(rng, flow, chosen, recipe, shape)
    chosen = replace(chosen, colour_grid=grid, bmode_grid=grid)
    return replace(chosen, start_time_s=record_window(chosen).start_s)


def _systole(flow: Flow, acquisition: Acquisition) -> Truth:
    return Truth(
        flow,
        acquisition.peak_systole_s,
        acquisition.transmit_angle_rad,
        acquisition.receive_angle_rad,
    )


def _box(
    rng: np.random.Generator,
    flow: Flow,
    acquisition: Acquisition,
    recipe: Recipe,
    shape: tuple[int, int],
) -> ImageGrid:
    """Lay a grid of the recipe's steps over a random place of the blood, within the array."""
    angle_rad, probe = acquisition.receive_angle_rad, acquisition.probe
    lean = math.tan(angle_rad)
    row_m, line_m = (
        step * acquisition.wavelength_m for step in (recipe.row_step, recipe.line_step)
    )
    top_m, bottom_m = _BOX_DEPTHS_M
    n_depths = min(shape[0], int((bottom_m - top_m) / row_m))
    x_m, z_m = flow.draw(2e6, rng)
    at = int(rng.integers(x_m.size))
    above = rng.uniform(0.25, 0.75) * row_m * (n_depths - 1)
    top_m = min(max(float(z_m[at]) - above, top_m), bottom_m - row_m * (n_depths - 1))
    bottom_m = top_m + row_m * (n_depths - 1)
    half_m = 0.5 * probe.pitch_m * (probe.n_elements - 1)
    left_m = max(-half_m, -half_m - bottom_m * lean)
    right_m = min(half_m, half_m - bottom_m * lean)
    n_lines = min(shape[1], int((right_m - left_m) / line_m))
    beside = rng.uniform(0.25, 0.75) * line_m * (n_lines - 1)
    middle_m = float(x_m[at] - z_m[at] * lean)
    first_m = min(max(middle_m - beside, left_m), right_m - line_m * (n_lines - 1))
    last_m = first_m + line_m * (n_lines - 1)
    return ImageGrid("parallel", n_depths, n_lines, (first_m, last_m), (top_m, bottom_m), angle_rad)


def _prf_hz(flow: Flow, acquisition: Acquisition, phase: int, peak: float) -> float:
    """PRF at which the fastest flow of two frames is so many v_N, as far as there is one."""
    per_m_s = 4.0 / acquisition.wavelength_m
    truths = [truth_at(flow, acquisition, phase + k) for k in (0, 1)]
    wanted_hz = per_m_s * max(fastest_m_s(truth, acquisition) for truth in truths) / peak
    tilt_rad = 0.5 * (acquisition.transmit_angle_rad + acquisition.receive_angle_rad)
    inside = seen_lumen(flow, acquisition)
    across_m_s = 0.0
    for truth in truths:
        vx, vz, _ = flow.on(acquisition.colour_grid, truth.time_s)
        across = np.abs(math.cos(tilt_rad) * vx - math.sin(tilt_rad) * vz)[inside]
        across_m_s = max(across_m_s, float(np.percentile(across, 99.0)) if across.size else 0.0)
    lowest_hz = max(per_m_s * across_m_s / _MAX_LATERAL, acquisition.n_pulses / _LONGEST_ENSEMBLE_S)
    return min(max(wanted_hz, lowest_hz), acquisition.max_prf_hz)
