"""From the settings to the transmits of a scanner, and from what it achieves to an acquisition.

A frame is a block of colour pulses, all at one angle, and after it a block of plane waves for the
grey picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..colour_box import ColourBox
from ..frames import Acquisition
from ..geometry import ImageGrid, Probe
from ..plain import PlainError
from ..settings import AcquisitionSettings
from ..settings.acquisition import OFF, ONE_PRF
from .us4us_layout import Opened, Uploaded

SOUND_SPEED_M_S = 1540.0
BMODE_ANGLES_RAD = (math.radians(-4.0), 0.0, math.radians(4.0))
_DEFAULT_ENSEMBLE, _MIN_ENSEMBLE = 12, 4
# From the last sample of a transmit to the next transmit: the time in which the scanner prepares
# it. ARRUS refuses what is too short.
_PREPARE_S = 40e-6
# Records are multiples of so many samples.
_BLOCK_SAMPLES = 64
# Every second sample is left out where that leaves at least so many for each cycle.
_SAMPLES_PER_CYCLE = 4.0
_BMODE_SHAPE = (256, 192)
_BMODE_TOP_M = 1e-3
_COLOUR_PIXEL_M = (0.16e-3, 0.22e-3)
_MOST_COLOUR_SAMPLES = (256, 144)
# The colour box, where nobody has moved it: from this to that part of the depth.
_BOX = (0.25, 0.85)
# An f-number of 1: elements farther away are never used.
_APERTURE_PER_DEPTH = 0.5
_SAME = 1e-6


@dataclass(frozen=True)
class Block:
    """Transmits of one angle.

    Attributes
    ----------
    n : int
    pri_s : float
        Time from each of them to the next transmit.
    delays_s : tuple of float
        For each element.
    """

    n: int
    pri_s: float
    delays_s: tuple[float, ...]


@dataclass(frozen=True)
class Sequence:
    """What the scanner is told to do for a frame.

    Attributes
    ----------
    frequency_hz, n_cycles : float
        Of the burst.
    blocks : tuple of Block
    receive : tuple of int
        First and one-past-last element that receives.
    n_samples : int
        After each transmit, from its beginning.
    downsampling : int
    interval_s : float
        Time from one frame to the next.
    """

    frequency_hz: float
    n_cycles: float
    blocks: tuple[Block, ...]
    receive: tuple[int, int]
    n_samples: int
    downsampling: int
    interval_s: float


@dataclass(frozen=True)
class Plan:
    """What comes nearest to the settings, before the scanner has seen it.

    Attributes
    ----------
    sequence : Sequence
    crossing_s : float
        From the beginning of a transmit until the first edge of its pulse crosses the middle of
        the array: the same for all angles.
    steering_rad, requested_prf_hz, max_prf_hz : float
    n_pulses : int
    colour_grid, bmode_grid : ImageGrid
    notes : tuple of str
    """

    sequence: Sequence
    crossing_s: float
    steering_rad: float
    requested_prf_hz: float
    max_prf_hz: float
    n_pulses: int
    colour_grid: ImageGrid
    bmode_grid: ImageGrid
    notes: tuple[str, ...]


def plan(scanner: Opened, settings: AcquisitionSettings, n_receive: int) -> Plan:
    """Find what comes nearest to the settings.

    Parameters
    ----------
    scanner : Opened
    settings : AcquisitionSettings
    n_receive : int
        Elements in the middle of the array that receive.
    """
    probe = scanner.array
    notes = []
    frequency_hz, note = _frequency(scanner, probe, settings.transmit_frequency_hz)
    if note:
        notes.append(note)
    if settings.dual_prf != OFF:
        notes.append(ONE_PRF)
    n_pulses = settings.ensemble or _DEFAULT_ENSEMBLE
    if n_pulses < _MIN_ENSEMBLE:
        notes.append(f"uses {_MIN_ENSEMBLE} pulses: an ensemble needs at least that many")
        n_pulses = _MIN_ENSEMBLE
    if n_receive < probe.n_elements:
        notes.append(
            f"receives with the middle {n_receive} of {probe.n_elements} elements: the scanner "
            "takes no more after one transmit"
        )
    steering_rad, half_m = settings.steering_rad, probe.element_x_m[-1]
    bmode_grid = ImageGrid(
        "parallel", *_BMODE_SHAPE, (-half_m, half_m), (_BMODE_TOP_M, settings.depth_m)
    )
    top_m, bottom_m = (part * settings.depth_m for part in _BOX)
    own_box = ColourBox(-math.inf, math.inf, top_m, bottom_m, steering_rad)
    wanted_box = own_box.as_set(settings)
    box = wanted_box.inside(bmode_grid)
    if note := box.limits_note(wanted_box):
        notes.append(note)
    colour_grid = box.grid(_COLOUR_PIXEL_M, _MOST_COLOUR_SAMPLES)

    angles_rad = (steering_rad, *BMODE_ANGLES_RAD)
    crossing_s = half_m * max(abs(math.sin(angle)) for angle in angles_rad) / SOUND_SPEED_M_S
    fastest_hz = scanner.sampling_frequency_hz
    downsampling = 2 if fastest_hz / 2 >= _SAMPLES_PER_CYCLE * frequency_hz else 1
    rate_hz = fastest_hz / downsampling
    waves = [(colour_grid, steering_rad, steering_rad)]
    waves += [(bmode_grid, angle_rad, 0.0) for angle_rad in BMODE_ANGLES_RAD]
    path_s = max(_longest_path_s(probe, *wave) for wave in waves)
    # Behind the last echo's beginning: the burst, and what the probe makes of it.
    record_s = crossing_s + path_s + (settings.n_cycles + 2) / frequency_hz
    n_samples = _BLOCK_SAMPLES * math.ceil(record_s * rate_hz / _BLOCK_SAMPLES)
    shortest_s = n_samples / rate_hz + _PREPARE_S
    pri_s = max(shortest_s, 1.0 / settings.prf_hz)
    if pri_s > 1.0 / settings.prf_hz:
        notes.append(
            f"PRF limited to {1e-3 / pri_s:.1f} kHz: echoes take {1e6 * path_s:.0f} µs "
            f"from {1e3 * settings.depth_m:.0f} mm depth"
        )
    busy_s = n_pulses * pri_s + len(BMODE_ANGLES_RAD) * shortest_s
    interval_s = max(busy_s, 1.0 / settings.frame_rate_hz)
    if interval_s > 1.0 / settings.frame_rate_hz:
        notes.append(
            f"{1.0 / interval_s:.1f} frames a second, limited by the time of the acquisition"
        )
    first = (probe.n_elements - n_receive) // 2
    colour, *grey = (_delays_s(probe, angle_rad, crossing_s) for angle_rad in angles_rad)
    sequence = Sequence(
        frequency_hz=frequency_hz,
        n_cycles=float(settings.n_cycles),
        blocks=(
            Block(n_pulses, pri_s, colour),
            *(Block(1, shortest_s, delays_s) for delays_s in grey),
        ),
        receive=(first, first + n_receive),
        n_samples=n_samples,
        downsampling=downsampling,
        interval_s=interval_s,
    )
    return Plan(
        sequence=sequence,
        crossing_s=crossing_s,
        steering_rad=steering_rad,
        requested_prf_hz=settings.prf_hz,
        max_prf_hz=1.0 / shortest_s,
        n_pulses=n_pulses,
        colour_grid=colour_grid,
        bmode_grid=bmode_grid,
        notes=tuple(notes),
    )


def achieved(name: str, scanner: Opened, wanted: Plan, uploaded: Uploaded) -> Acquisition:
    """Say what the scanner makes of a plan.

    Raises
    ------
    PlainError
        It is not what was planned.
    """
    n_transmits = wanted.n_pulses + len(BMODE_ANGLES_RAD)
    if len(uploaded.pri_s) != n_transmits:
        raise PlainError(f"{len(uploaded.pri_s)} transmits, expected {n_transmits}")
    colour_s = np.asarray(uploaded.pri_s[: wanted.n_pulses])
    if np.ptp(colour_s) > _SAME * colour_s[0]:
        raise PlainError("colour pulses that do not follow one another evenly")
    frequency_hz, n_cycles = uploaded.frequency_hz, wanted.sequence.n_cycles
    middle_s = wanted.crossing_s + 0.5 * n_cycles / frequency_hz
    return Acquisition(
        source=name,
        probe=scanner.array,
        sampling_frequency_hz=uploaded.sampling_frequency_hz,
        center_frequency_hz=frequency_hz,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=SOUND_SPEED_M_S,
        start_time_s=uploaded.first_sample_s - middle_s,
        transmit_angle_rad=wanted.steering_rad,
        receive_angle_rad=wanted.steering_rad,
        bmode_angles_rad=BMODE_ANGLES_RAD,
        prf_hz=1.0 / float(colour_s[0]),
        requested_prf_hz=wanted.requested_prf_hz,
        max_prf_hz=wanted.max_prf_hz,
        n_pulses=wanted.n_pulses,
        frame_interval_s=max(uploaded.interval_s, sum(uploaded.pri_s)),
        colour_grid=wanted.colour_grid,
        bmode_grid=wanted.bmode_grid,
        n_cycles=n_cycles,
        notes=wanted.notes,
    )


def _frequency(scanner: Opened, probe: Probe, wanted_hz: float) -> tuple[float, str]:
    """Transmit frequency within the probe's band, and a note."""
    middle_hz = probe.center_frequency_hz
    if not scanner.band_hz:
        frequency_hz = wanted_hz or middle_hz
        return frequency_hz, (
            f"transmits at {frequency_hz / 1e6:.1f} MHz: the session does not tell the band of "
            "the probe"
        )
    low_hz, high_hz = scanner.band_hz
    frequency_hz = min(max(wanted_hz or middle_hz, low_hz), high_hz)
    if frequency_hz == (wanted_hz or middle_hz):
        return frequency_hz, ""
    band = f"{low_hz / 1e6:.1f} to {high_hz / 1e6:.1f} MHz"
    return frequency_hz, f"transmits at {frequency_hz / 1e6:.1f} MHz: the {probe.name} has {band}"


def _delays_s(probe: Probe, angle_rad: float, crossing_s: float) -> tuple[float, ...]:
    """When each element fires, so that the wave crosses the middle of the array at a given time."""
    x_m = np.asarray(probe.element_x_m)
    # Rounded, or the last one of all could be less than 0 by a rounding error.
    delays_s: NDArray[np.float64] = crossing_s + x_m * math.sin(angle_rad) / SOUND_SPEED_M_S
    return tuple(np.round(delays_s, 12).tolist())


def _longest_path_s(
    probe: Probe, grid: ImageGrid, transmit_rad: float, receive_rad: float
) -> float:
    """Longest time from crossing the middle of the array to an element that is used."""
    x_m, z_m = (
        corner[:, None] for corner in grid.positions_m(grid.n_depths - 1, np.arange(grid.n_lines))
    )
    away_m = np.asarray(probe.element_x_m) - x_m
    used = np.abs(away_m + z_m * math.tan(receive_rad)) <= _APERTURE_PER_DEPTH * z_m
    path_m = x_m * math.sin(transmit_rad) + z_m * math.cos(transmit_rad) + np.hypot(away_m, z_m)
    return float(path_m[used].max(initial=0.0)) / SOUND_SPEED_M_S
