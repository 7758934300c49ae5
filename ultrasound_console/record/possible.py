"""Which acquisitions a file may tell of: anything else is damaged, or would not fit in memory."""

from __future__ import annotations

import math

from ..frames import Acquisition

MAX_PIXELS = 2**22
"""Of a picture."""
_STEEPEST_RAD = 1.4
# A grid that ends further away than this, in metres or radians, is none of an ultrasound picture.
_FARTHEST = 10.0
_LIMITS = {
    "prf_hz": (0.1, 1e6),
    "requested_prf_hz": (0.0, 1e9),
    "center_frequency_hz": (1e4, 1e9),
    "sampling_frequency_hz": (1e4, 1e10),
    "demodulation_frequency_hz": (0.0, 1e9),
    "sound_speed_m_s": (100.0, 1e4),
    "start_time_s": (-1.0, 1.0),
    "n_pulses": (2, 1024),
    "second_prf_hz": (0.0, 1e6),
    "n_second_pulses": (0, 1024),
    "frame_interval_s": (0.0, 1e4),
    "transmit_angle_rad": (-_STEEPEST_RAD, _STEEPEST_RAD),
    "receive_angle_rad": (-_STEEPEST_RAD, _STEEPEST_RAD),
    "source_distance_m": (1e-4, math.inf),
}


def check_possible(acquisition: Acquisition) -> None:
    """Refuse an acquisition that no source can have.

    Raises
    ------
    ValueError
        The message names the field.
    """
    for name, (low, high) in _LIMITS.items():
        value = getattr(acquisition, name)
        if not low <= value <= high:
            raise ValueError(f"acquisition/{name}: {value:g} is outside {low:g} ... {high:g}")
    if acquisition.n_second_pulses and acquisition.second_prf_hz < _LIMITS["prf_hz"][0]:
        raise ValueError("acquisition/second_prf_hz: missing, though there are second pulses")
    for name in ("colour_grid", "bmode_grid"):
        grid = getattr(acquisition, name)
        ends = (*grid.lines, *grid.range_m, *grid.apex_m)
        if math.prod(grid.shape) > MAX_PIXELS or max(map(abs, ends)) > _FARTHEST:
            raise ValueError(f"acquisition/{name}: too large")
        if abs(grid.angle_rad) > _STEEPEST_RAD:
            raise ValueError(f"acquisition/{name}: too steep")
    if not all(abs(angle) <= _STEEPEST_RAD for angle in acquisition.bmode_angles_rad):
        raise ValueError("acquisition/bmode_angles_rad: too steep")
