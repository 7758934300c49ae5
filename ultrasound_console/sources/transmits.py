"""What the transmits of a recording say: which are plane waves, and when they cross the origin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from .fields import TIME, Fields

MAX_STEERING_RAD = math.radians(60.0)
# Elements off the line z = 0 by more than this make another kind of array.
FLATNESS_M = 1e-4


def plane_wave(
    fields: Fields, name: str, delays_s: NDArray[np.float64], probe: Probe, sound_speed_m_s: float
) -> tuple[float, float]:
    """Find the steering and the timing of the plane wave that a set of transmit delays makes.

    An element at x fires at ``b + x sin(a) / c``, so that a line through the delays gives the
    angle a, and b is when the wave crosses x = z = 0. Elements with a NaN delay do not fire.

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
    centred_m = x_m - x_m.mean()
    slope_s_m = float(centred_m @ delays_s / (centred_m @ centred_m))
    crossing_s = float(delays_s.mean() - slope_s_m * x_m.mean())
    misfit_s = float(np.max(np.abs(delays_s - crossing_s - slope_s_m * x_m)))
    sine = sound_speed_m_s * slope_s_m
    if misfit_s > 0.1 / probe.center_frequency_hz or abs(sine) > math.sin(MAX_STEERING_RAD):
        advice = "only plane waves within 60 degrees can be shown"
        raise fields.refuse(name, "not the delays of a plane wave", advice)
    return math.asin(sine), crossing_s


def same_transmits(
    angles_rad: NDArray[np.float64], starts_s: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Pick the transmits of one angle: of that nearest to straight down.

    Parameters
    ----------
    angles_rad : (n_transmits,) float
        Steering; NaN where a transmit is not a plane wave.
    starts_s : (n_transmits,) float
        Time of the first sample; those that differ from the chosen one's are left out.

    Returns
    -------
    indices : (n_same,) int
    """
    chosen = int(np.nanargmin(np.abs(angles_rad)))
    same = np.abs(angles_rad - angles_rad[chosen]) < 1e-4
    same &= np.abs(starts_s - starts_s[chosen]) < 1e-9
    return np.flatnonzero(same)


def transmits_note(angle_rad: float, n_used: int, n_transmits: int) -> tuple[str, ...]:
    """Say which transmits are used, where there are others."""
    if n_used == n_transmits:
        return ()
    which = f"{n_used} of the {n_transmits} transmits of a frame"
    return (f"uses {which}: the plane wave at {math.degrees(angle_rad):.1f} degrees",)


def flat_array(
    fields: Fields,
    name: str,
    position_m: NDArray[np.float64],
    *,
    center_frequency_hz: float,
    element_width_m: float | None,
    fractional_bandwidth: float,
) -> Probe:
    """Make a linear array from element positions.

    Parameters
    ----------
    position_m : (n_elements, 3) float
        x, y, z.

    Raises
    ------
    SourceError
        The elements are not in a line at y = z = 0.
    """
    if not np.all(np.isfinite(position_m)) or np.max(np.abs(position_m)) > 1.0:
        raise fields.refuse(name, "not positions in metres")
    if np.ptp(position_m[:, 1]) > FLATNESS_M or np.max(np.abs(position_m[:, 2])) > FLATNESS_M:
        raise fields.refuse(name, "not a flat linear array", "give data of a linear array")
    x_m = position_m[:, 0]
    n_elements = len(x_m)
    if n_elements < 2 or np.any(np.diff(x_m) <= 0.0):
        problem = "not two or more elements from left to right"
        raise fields.refuse(name, problem, "give data of a linear array")
    pitch_m = float(np.ptp(x_m)) / (n_elements - 1)
    return Probe(
        name=f"linear array, {n_elements} elements",
        element_x_m=tuple(x_m.tolist()),
        element_z_m=(0.0,) * n_elements,
        element_width_m=0.9 * pitch_m if element_width_m is None else element_width_m,
        center_frequency_hz=center_frequency_hz,
        fractional_bandwidth=fractional_bandwidth,
    )
