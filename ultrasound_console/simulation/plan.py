"""What can be acquired: the nearest to the settings that probe, depth and time allow."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..colour_box import ColourBox
from ..declared import Range
from ..dsp.beamform import transmit_path_m
from ..frames import Acquisition
from ..geometry import ImageGrid, Probe, picture_outline
from ..settings import SPECS, AcquisitionSettings
from ..settings.acquisition import OFF, PRF_RATIOS
from .probes import load_probe
from .pulse import Pulse
from .scenes import Scene
from .synthesis import Receiver, Window

SOUND_SPEED_M_S = 1540.0
BMODE_ANGLES_RAD = (math.radians(-4.0), 0.0, math.radians(4.0))

_DEFAULT_ENSEMBLE = 12
_MIN_ENSEMBLE = 4
# With the last pulse of the ensemble they make as many intervals of the second PRF.
_SECOND_PULSES = 2
_OVERHEAD_S = 4e-6
_BMODE_SHAPE = (256, 192)
_BMODE_TOP_M = 1e-3
_COLOUR_PIXEL_M = (0.16e-3, 0.22e-3)
# Along depth and across: of a larger box the samples lie farther apart.
_MOST_COLOUR_SAMPLES = (256, 144)
# Elements farther from the pixel than this part of its depth, seen along the receive angle, are
# never used: an f-number of 1.
_APERTURE_PER_DEPTH = 0.5
# All frames of a heart cycle are kept.
_MAX_CYCLE_BYTES = 256 * 2**20
_TIMES_PER_CYCLE = 1000
_GAIN_POINTS = 40
# A grid, and the angles of transmit and receive.
_Wave = tuple[ImageGrid, float, float]


def plan(scene: Scene, settings: AcquisitionSettings) -> Acquisition:
    """Find what comes nearest to the settings.

    Returns
    -------
    Acquisition
        ``frame_interval_s`` divides the heart cycle into a whole number of frames, or is a whole
        number of cycles.

    Raises
    ------
    AssetError
        The probe's file cannot be used.
    """
    notes = []
    probe = load_probe(settings.probe)
    center_frequency_hz, note = _frequency(probe, settings.transmit_frequency_hz)
    if note:
        notes.append(note)
    pulse = Pulse.of(probe, center_frequency_hz, settings.n_cycles)
    n_pulses = settings.ensemble or _DEFAULT_ENSEMBLE
    if n_pulses < _MIN_ENSEMBLE:
        notes.append(f"uses {_MIN_ENSEMBLE} pulses: an ensemble needs at least that many")
        n_pulses = _MIN_ENSEMBLE
    depth_m = min(settings.depth_m, scene.depth_m)
    if depth_m < settings.depth_m:
        notes.append(f"depth limited to {1e3 * depth_m:.0f} mm: the scene ends there")
    behind_m = source_distance_m(probe)
    bmode_grid = _bmode_grid(probe, depth_m)
    # The waves of a sector go along its lines.
    steering_rad = settings.steering_rad if math.isinf(behind_m) else 0.0
    own_box = _own_box(scene, bmode_grid, steering_rad)
    wanted_box = own_box.as_set(settings)
    box = wanted_box.inside(bmode_grid)
    colour_grid = _colour_grid(box)
    if note := box.limits_note(wanted_box):
        notes.append(note)
    waves = _bmode_waves(bmode_grid)
    window, path_s = _window(probe, pulse, ((colour_grid, steering_rad, steering_rad), *waves))
    interval_min_s = path_s + _OVERHEAD_S
    max_prf_hz = 1.0 / interval_min_s
    prf_hz = min(settings.prf_hz, max_prf_hz)
    if prf_hz < settings.prf_hz:
        notes.append(
            f"PRF limited to {prf_hz / 1e3:.1f} kHz: echoes take {1e6 * path_s:.0f} µs "
            f"from {1e3 * depth_m:.0f} mm depth"
        )
    bmode_s = _window(probe, pulse, waves)[1] + _OVERHEAD_S
    busy_s = n_pulses / prf_hz + len(BMODE_ANGLES_RAD) * bmode_s
    n_transmits = n_pulses + len(BMODE_ANGLES_RAD)
    second_prf_hz, n_second = 0.0, 0
    if settings.dual_prf != OFF:
        second_prf_hz, note = _second_prf_hz(settings, prf_hz, max_prf_hz)
        if note:
            notes.append(note)
        if second_prf_hz:
            n_second = _SECOND_PULSES
            busy_s += n_second / second_prf_hz
            n_transmits += n_second
    # Of the box over the vessels, so that the frames of another box keep their times.
    own_grid = _colour_grid(own_box.inside(bmode_grid))
    stored, _ = _window(probe, pulse, ((own_grid, steering_rad, steering_rad), *waves))
    frame_bytes = 2 * n_transmits * probe.n_elements * stored.n_samples
    interval_s, note = _frame_interval_s(scene, settings, frame_bytes, busy_s)
    if note:
        notes.append(note)
    heart = scene.waveform
    time_s = np.linspace(0.0, heart.period_s, _TIMES_PER_CYCLE, endpoint=False)
    return Acquisition(
        source=f"simulated {scene.name}",
        probe=probe,
        sampling_frequency_hz=pulse.sampling_frequency_hz,
        center_frequency_hz=center_frequency_hz,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=SOUND_SPEED_M_S,
        start_time_s=window.start_s,
        transmit_angle_rad=steering_rad,
        receive_angle_rad=steering_rad,
        bmode_angles_rad=BMODE_ANGLES_RAD,
        prf_hz=prf_hz,
        requested_prf_hz=settings.prf_hz,
        max_prf_hz=max_prf_hz,
        n_pulses=n_pulses,
        frame_interval_s=interval_s,
        colour_grid=colour_grid,
        bmode_grid=bmode_grid,
        n_cycles=float(settings.n_cycles),
        depth_gain_db=_depth_gain_db(probe, pulse, depth_m),
        heart_cycle_s=heart.period_s,
        peak_systole_s=float(time_s[np.argmax(np.abs(heart(time_s)))]),
        source_distance_m=behind_m,
        second_prf_hz=second_prf_hz,
        n_second_pulses=n_second,
        notes=tuple(notes),
    )


def source_distance_m(probe: Probe) -> float:
    """Choose from where behind a probe its waves diverge; infinite for plane waves.

    A convex array fires all elements at once. A phased one sends from half of its width behind,
    which fills a sector of 90 degrees.
    """
    center_m = probe.center_of_curvature_m
    if center_m is not None:
        return math.hypot(*center_m)
    return probe.element_x_m[-1] if probe.is_phased else math.inf


def shows_sector(probe: str) -> bool:
    """Whether a probe, by name, has waves that diverge, and so sees a sector.

    Raises
    ------
    AssetError
        The probe's file cannot be used.
    """
    return math.isfinite(source_distance_m(load_probe(probe)))


def acquired_pulse(acquisition: Acquisition) -> Pulse:
    """Pulse of an acquisition."""
    return Pulse.of(acquisition.probe, acquisition.center_frequency_hz, acquisition.n_cycles)


def record_window(acquisition: Acquisition) -> Window:
    """Find the samples that are recorded after each transmit of an acquisition."""
    steering_rad = acquisition.transmit_angle_rad
    colour = (acquisition.colour_grid, steering_rad, steering_rad)
    waves = (colour, *_bmode_waves(acquisition.bmode_grid))
    return _window(acquisition.probe, acquired_pulse(acquisition), waves)[0]


def widest_window(acquisition: Acquisition) -> Window:
    """Find the samples that hold those of every steering at this depth."""
    spec = SPECS["steering_rad"]
    assert isinstance(spec, Range)
    grid = acquisition.bmode_grid
    ends_rad = (0.0,) if grid.kind == "polar" else (spec.low, spec.high)
    colour = [
        (grid, end_rad, receive_rad) for end_rad in ends_rad for receive_rad in (0.0, end_rad)
    ]
    waves = (*colour, *_bmode_waves(grid))
    return _window(acquisition.probe, acquired_pulse(acquisition), waves)[0]


def over_all_boxes(acquisition: Acquisition) -> Acquisition:
    """Record enough for any colour box of this steering in the place of the present one."""
    steering_rad = acquisition.transmit_angle_rad
    picture = acquisition.bmode_grid
    box = replace(
        ColourBox.of(picture), left_m=-math.inf, right_m=math.inf, steering_rad=steering_rad
    )
    wide = replace(acquisition, colour_grid=_colour_grid(box.inside(picture)))
    return replace(wide, start_time_s=record_window(wide).start_s)


def bmode_interval_s(acquisition: Acquisition) -> float:
    """Time from one B-mode transmit to the next: as fast as the depth allows."""
    waves = _bmode_waves(acquisition.bmode_grid)
    path_s = _window(acquisition.probe, acquired_pulse(acquisition), waves)[1]
    return path_s + _OVERHEAD_S


def _frequency(probe: Probe, wanted_hz: float) -> tuple[float, str]:
    """Transmit frequency within the probe's band, and a note."""
    if not wanted_hz:
        return probe.center_frequency_hz, ""
    half_hz = 0.5 * probe.fractional_bandwidth * probe.center_frequency_hz
    low_hz, high_hz = probe.center_frequency_hz - half_hz, probe.center_frequency_hz + half_hz
    frequency_hz = min(max(wanted_hz, low_hz), high_hz)
    if frequency_hz == wanted_hz:
        return frequency_hz, ""
    band = f"{low_hz / 1e6:.1f} to {high_hz / 1e6:.1f} MHz"
    return frequency_hz, f"transmits at {frequency_hz / 1e6:.1f} MHz: the {probe.name} has {band}"


def _second_prf_hz(
    settings: AcquisitionSettings, prf_hz: float, max_prf_hz: float
) -> tuple[float, str]:
    """Second PRF: the highest that is offered up to what is asked and possible; and a note."""
    wanted = PRF_RATIOS[settings.dual_prf]
    possible = [r for r in PRF_RATIOS.values() if r <= wanted and r * prf_hz <= max_prf_hz]
    limit = f"the depth allows {max_prf_hz / 1e3:.1f} kHz"
    if not possible:
        least_hz = min(PRF_RATIOS.values()) * prf_hz
        return 0.0, f"no second PRF: it would be {least_hz / 1e3:.1f} kHz, and {limit}"
    ratio = max(possible)
    note = "" if ratio == wanted else f"second PRF {ratio:g}x in place of {wanted:g}x: {limit}"
    return ratio * prf_hz, note


def _frame_interval_s(
    scene: Scene, settings: AcquisitionSettings, frame_bytes: int, busy_s: float
) -> tuple[float, str]:
    """Shortest interval that transmits and memory allow, and a note.

    A whole part of the heart cycle, or a whole number of cycles where one is too short.
    """
    period_s = scene.period_s
    limits = {
        "": period_s * settings.frame_rate_hz,
        "the time of the acquisition": period_s / busy_s,
        "memory": max(1.0, _MAX_CYCLE_BYTES / frame_bytes),
    }
    reason = min(limits, key=lambda name: limits[name])
    n_frames = limits[reason]
    if n_frames >= 1.0 - 1e-9:
        interval_s = period_s / math.floor(n_frames + 1e-9)
    else:
        interval_s = period_s * math.ceil(1.0 / n_frames - 1e-9)
    return interval_s, reason and f"{1.0 / interval_s:.1f} frames a second, limited by {reason}"


def _depth_gain_db(probe: Probe, pulse: Pulse, depth_m: float) -> tuple[tuple[float, float], ...]:
    """Sample the receiver's gain over depth."""
    depths_m = np.linspace(0.0, depth_m, _GAIN_POINTS)
    rate_hz = SOUND_SPEED_M_S / (2.0 * depths_m[1])
    window = Window(0.0, _GAIN_POINTS, rate_hz)
    behind_m = source_distance_m(probe)
    receiver = Receiver(probe, window, pulse, SOUND_SPEED_M_S, depth_m, behind_m)
    gain_db = 20.0 * np.log10(receiver.depth_gain(receiver.window))
    return tuple(zip(depths_m.tolist(), gain_db.tolist(), strict=True))


def _bmode_grid(probe: Probe, depth_m: float) -> ImageGrid:
    n_depths, n_lines = _BMODE_SHAPE
    behind_m = source_distance_m(probe)
    outline = picture_outline(probe, (_BMODE_TOP_M, depth_m), source_distance_m=behind_m)
    return replace(outline, n_depths=n_depths, n_lines=n_lines)


def _bmode_waves(grid: ImageGrid) -> tuple[_Wave, ...]:
    return tuple((grid, angle_rad, 0.0) for angle_rad in BMODE_ANGLES_RAD)


def _own_box(scene: Scene, picture: ImageGrid, steering_rad: float) -> ColourBox:
    """Find the box over the vessels that the waves and the array cover."""
    whole = ColourBox.of(picture)
    top_m = min(scene.colour_range_m[0], whole.bottom_m - 8e-3)
    bottom_m = min(scene.colour_range_m[1], whole.bottom_m - 0.5e-3)
    sides_m = -math.inf, math.inf
    return ColourBox(*sides_m, top_m, bottom_m, steering_rad, apex_m=whole.apex_m)


def _colour_grid(box: ColourBox) -> ImageGrid:
    return box.grid(_COLOUR_PIXEL_M, _MOST_COLOUR_SAMPLES)


@lru_cache(maxsize=16)
def _window(probe: Probe, pulse: Pulse, waves: tuple[_Wave, ...]) -> tuple[Window, float]:
    """Find what has to be recorded for pictures, and the longest time of flight."""
    first_s, last_s = math.inf, -math.inf
    element_x_m, element_z_m = np.asarray(probe.element_x_m), np.asarray(probe.element_z_m)
    for grid, transmit_rad, receive_rad in waves:
        for row in (0, grid.n_depths - 1):
            x_m, z_m = (
                corner[:, None] for corner in grid.positions_m(row, np.arange(grid.n_lines))
            )
            away_m, depth_m = element_x_m - x_m, z_m - element_z_m
            along = grid.line_positions[:, None] if grid.kind == "polar" else receive_rad
            used = np.abs(away_m + depth_m * np.tan(along)) <= _APERTURE_PER_DEPTH * depth_m
            path_m = transmit_path_m(x_m, z_m, transmit_rad, source_distance_m(probe))
            time_s = (path_m + np.hypot(away_m, depth_m))[used] / SOUND_SPEED_M_S
            first_s, last_s = min(first_s, time_s.min()), max(last_s, time_s.max())
    rate_hz = pulse.sampling_frequency_hz
    half_pulse_s = 0.5 * pulse.n_samples / rate_hz
    start_s = math.floor((first_s - half_pulse_s) * rate_hz) / rate_hz
    n_samples = math.ceil((last_s + half_pulse_s - start_s) * rate_hz)
    return Window(start_s, n_samples, rate_hz), last_s
