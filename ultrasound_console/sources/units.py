"""Values as people write them: a number with its unit, of the kind that the value has."""

from __future__ import annotations

import math
import re

_FREQUENCY = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6}
_TIME = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_LENGTH = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6}
_ANGLE = {"rad": 1.0, "deg": math.pi / 180.0}
UNITS: dict[str, dict[str, float]] = {
    "prf": _FREQUENCY,
    "frame_interval": _TIME,
    "center_frequency": _FREQUENCY,
    "demodulation_frequency": _FREQUENCY,
    "sampling_frequency": _FREQUENCY,
    "sound_speed": {"m/s": 1.0, "mm/us": 1e3},
    "start_time": _TIME,
    "transmit_angle": _ANGLE,
    "transmit_delays": _TIME,
    "pitch": _LENGTH,
    "element_x": _LENGTH,
    "depth": _LENGTH,
    "line_x": _LENGTH,
    "line_angle": _ANGLE,
    "apex_z": _LENGTH,
}
"""Units of every value that a mapping file may give, and what each is in SI."""
ONLY_OF_CHANNELS = {"sampling_frequency", "start_time", "transmit_delays", "pitch", "element_x"}
ONLY_OF_BEAMFORMED = {"depth", "line_x", "line_angle", "apex_z"}
EITHER = (
    ("transmit_angle", "transmit_delays"),
    ("pitch", "element_x"),
    ("line_x", "line_angle"),
    ("line_x", "apex_z"),
)
"""Values of which one at most can be given."""

_QUANTITY = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z/]+)\s*")


class UnitError(ValueError):
    """No number with a unit of its kind; the message says what is wrong, and what to write."""


def factor(name: str, unit: object) -> float:
    """Find what one of this unit is in SI, where the value has such units.

    Raises
    ------
    UnitError
    """
    units = UNITS[name]
    if not isinstance(unit, str) or unit not in units:
        raise UnitError(f"{str(unit)[:40]!r} is no unit of it; write one of {', '.join(units)}")
    return units[unit]


def quantity(name: str, told: object) -> float:
    """Turn what stands in a file into SI: ``7.8 MHz``.

    Raises
    ------
    UnitError
    """
    match = _QUANTITY.fullmatch(told) if isinstance(told, str) else None
    try:
        number = float(match[1]) if match else math.nan
    except ValueError:
        number = math.nan
    if match is None or not math.isfinite(number):
        units = ", ".join(UNITS[name])
        what = f"{str(told)[:40]!r} is not a number with its unit"
        raise UnitError(f'{what}; write "NUMBER UNIT", in {units}')
    return number * factor(name, match[2])
