"""What the transmits of a recording say: which waves they are, and when they cross the origin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import FLATNESS_M, Probe
from .fields import LENGTH, TIME, Fields

MAX_STEERING_RAD = math.radians(60.0)
# Delays may be off by this part of a period.
_MISFIT = 0.1
# On a curved array the angle of a plane wave is found step by step, each ten times as near.
_FIT_STEPS = 12
# The face of a convex array is no farther from the origin.
_FACE_M = 0.02


@dataclass(frozen=True)
class Wave:
    """A plane or a diverging wave.

    Attributes
    ----------
    angle_rad, source_distance_m : float
        As ``transmit_angle_rad`` and ``source_distance_m`` of
        :class:`~ultrasound_console.frames.Acquisition`.
    crossing_s : float
        When it crosses x = z = 0.
    """

    angle_rad: float
    source_distance_m: float = math.inf
    crossing_s: float = 0.0

    @classmethod
    def from_source(cls, x_m: float, z_m: float, crossing_s: float = 0.0) -> Wave | None:
        """Make the wave that diverges from a place; None if that is not behind the array."""
        angle_rad, distance_m = math.atan2(-x_m, -z_m), math.hypot(x_m, z_m)
        if not (abs(angle_rad) <= MAX_STEERING_RAD and LENGTH.low <= distance_m <= 10.0):
            return None
        return cls(angle_rad, distance_m, crossing_s)


def diverging_wave(
    delays_s: NDArray[np.float64],
    probe: Probe,
    sound_speed_m_s: float,
    source_m: tuple[float, float],
) -> Wave | None:
    """Find the timing of the wave that a set of transmit delays makes diverge from a place.

    Parameters
    ----------
    delays_s : (n_elements,) float
        NaN where an element does not fire.
    probe : Probe
    sound_speed_m_s : float
    source_m : tuple of float
        (x, z)

    Returns
    -------
    Wave or None
        None where the delays are not those of such a wave.
    """
    away_m = np.hypot(
        np.asarray(probe.element_x_m) - source_m[0], np.asarray(probe.element_z_m) - source_m[1]
    )
    left_s = (delays_s - away_m / sound_speed_m_s)[~np.isnan(delays_s)]
    if not (left_s.size and np.ptp(left_s) <= 2.0 * _MISFIT / probe.center_frequency_hz):
        return None
    crossing_s = float(left_s.mean()) + math.hypot(*source_m) / sound_speed_m_s
    return Wave.from_source(*source_m, crossing_s)


def plane_wave(
    fields: Fields, name: str, delays_s: NDArray[np.float64], probe: Probe, sound_speed_m_s: float
) -> tuple[float, float]:
    """Find the steering and the timing of the plane wave that a set of transmit delays makes.

    An element at (x, z) fires at ``b + (x sin(a) + z cos(a)) / c``, so that a line through the
    delays gives the angle a, and b is when the wave crosses x = z = 0. Elements with a NaN delay do
    not fire.

    Parameters
    ----------
    fields, name : Fields and str
        Where the delays come from, for messages.
    delays_s : (n_elements,) float

    Returns
    -------
    angle_rad, crossing_s : float

    Raises
    ------
    SourceError
        The delays do not make a plane wave.
    """
    fires = ~np.isnan(delays_s)
    x_m, delays_s = np.asarray(probe.element_x_m)[fires], delays_s[fires]
    if x_m.size < 2 or not np.max(np.abs(delays_s)) <= TIME.high:
        raise fields.refuse(name, "not a set of transmit delays in seconds")
    z_m = np.asarray(probe.element_z_m)[fires]
    centred_m = x_m - x_m.mean()
    slope_s_m = sine = 0.0
    for _ in range(_FIT_STEPS if z_m.any() else 1):
        down_s = z_m * math.sqrt(max(1.0 - sine * sine, 0.0)) / sound_speed_m_s
        slope_s_m = float(centred_m @ (delays_s - down_s) / (centred_m @ centred_m))
        sine = sound_speed_m_s * slope_s_m
    delays_s = delays_s - down_s
    crossing_s = float(delays_s.mean() - slope_s_m * x_m.mean())
    misfit_s = float(np.max(np.abs(delays_s - crossing_s - slope_s_m * x_m)))
    if misfit_s > _MISFIT / probe.center_frequency_hz or abs(sine) > math.sin(MAX_STEERING_RAD):
        advice = "only plane waves within 60 degrees can be shown"
        raise fields.refuse(name, "not the delays of a plane wave", advice)
    return math.asin(sine), crossing_s


def unfocused_wave(
    fields: Fields, name: str, delays_s: NDArray[np.float64], probe: Probe, sound_speed_m_s: float
) -> Wave:
    """Find the wave without a focus: plane, or what a convex array sends with all elements at once.

    Raises
    ------
    SourceError
        The delays make neither.
    """
    center_m = probe.center_of_curvature_m
    wave = None
    if center_m is not None:
        wave = diverging_wave(delays_s, probe, sound_speed_m_s, center_m)
    if wave is None:
        angle_rad, crossing_s = plane_wave(fields, name, delays_s, probe, sound_speed_m_s)
        wave = Wave(angle_rad, crossing_s=crossing_s)
    return wave


def same_transmits(waves: list[Wave | None], starts_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Pick the transmits of one wave: of that sent most often, then nearest to straight down.

    Parameters
    ----------
    waves : list of Wave or None
        None where a transmit can make no picture; there is one at least that can.
    starts_s : (n_transmits,) float
        Time of the first sample; those that differ from the chosen one's are left out.

    Returns
    -------
    indices : (n_same,) int
    """
    angles_rad = np.array([np.nan if wave is None else wave.angle_rad for wave in waves])
    curvatures = np.array([0.0 if wave is None else 1.0 / wave.source_distance_m for wave in waves])
    _, kinds, counts = np.unique(
        np.stack([angles_rad / 1e-4, starts_s / 1e-9, curvatures / 1e-2]).round(),
        axis=1,
        return_inverse=True,
        return_counts=True,
    )
    often = np.where(np.isnan(angles_rad), 0, counts[kinds.ravel()])
    angles = np.where(often == often.max(), angles_rad, np.nan)
    chosen = int(np.nanargmin(np.abs(angles)))
    same = np.abs(angles_rad - angles_rad[chosen]) < 1e-4
    same &= np.abs(curvatures - curvatures[chosen]) < 1e-3 * max(curvatures[chosen], 1e-6)
    same &= np.abs(starts_s - starts_s[chosen]) < 1e-9
    return np.flatnonzero(same)


def transmits_note(wave: Wave, n_used: int, n_transmits: int) -> tuple[str, ...]:
    """Say which transmits are used, where there are others."""
    if n_used == n_transmits:
        return ()
    which = f"{n_used} of the {n_transmits} transmits of a frame"
    kind = "plane" if math.isinf(wave.source_distance_m) else "diverging"
    return (f"uses {which}: the {kind} wave at {math.degrees(wave.angle_rad):.1f} degrees",)


def array_of(
    fields: Fields,
    name: str,
    position_m: NDArray[np.float64],
    *,
    center_frequency_hz: float,
    element_width_m: float | None,
    fractional_bandwidth: float,
) -> Probe:
    """Make a linear or a convex array from element positions.

    Parameters
    ----------
    position_m : (n_elements, 3) float
        x, y, z.

    Raises
    ------
    SourceError
        The elements are neither in a line at y = z = 0 nor on an arc that bulges downwards.
    """
    if not np.all(np.isfinite(position_m)) or np.max(np.abs(position_m)) > 1.0:
        raise fields.refuse(name, "not positions in metres")
    advice = "give data of a linear or convex array"
    x_m, y_m, z_m = position_m.T
    n_elements = len(x_m)
    if n_elements < 2 or np.any(np.diff(x_m) <= 0.0):
        raise fields.refuse(name, "not two or more elements from left to right", advice)
    is_flat = np.max(np.abs(z_m)) <= FLATNESS_M
    pitch_m = float(np.hypot(np.diff(x_m), np.diff(z_m)).mean())
    probe = Probe(
        name=f"{'linear' if is_flat else 'convex'} array, {n_elements} elements",
        element_x_m=tuple(x_m.tolist()),
        element_z_m=(0.0,) * n_elements if is_flat else tuple(z_m.tolist()),
        element_width_m=0.9 * pitch_m if element_width_m is None else element_width_m,
        center_frequency_hz=center_frequency_hz,
        fractional_bandwidth=fractional_bandwidth,
    )
    if np.ptp(y_m) > FLATNESS_M or not (is_flat or _is_convex(probe)):
        raise fields.refuse(name, "neither a flat nor a convex array", advice)
    return probe


def _is_convex(probe: Probe) -> bool:
    """Whether the elements lie on an arc about a place behind them, its face near the origin."""
    center_m = probe.center_of_curvature_m
    if center_m is None:
        return False
    x_m, z_m = np.asarray(probe.element_x_m), np.asarray(probe.element_z_m)
    away_m = np.hypot(x_m - center_m[0], z_m - center_m[1])
    face_m = center_m[1] + float(away_m.mean())
    in_front = bool(np.all(z_m > center_m[1]))
    return in_front and np.ptp(away_m) <= FLATNESS_M and abs(face_m) <= _FACE_M
