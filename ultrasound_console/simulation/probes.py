"""Probes as data: the arrays in ``models/probes``."""

from __future__ import annotations

import json
import math
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..assets import AssetError, probe_file
from ..geometry import Probe

# Field: lowest and highest value. A thousand elements are more than any linear array has.
_LIMITS: dict[str, tuple[float, float]] = {
    "n_elements": (2, 1024),
    "pitch_mm": (0.01, 5.0),
    "element_width_mm": (0.01, 5.0),
    "element_height_mm": (0.1, 50.0),
    "elevation_focus_mm": (1.0, 500.0),
    "center_frequency_mhz": (0.5, 50.0),
    "fractional_bandwidth": (0.05, 1.5),
    "converter_bits": (8, 16),
}
# Only of convex arrays.
_OPTIONAL: dict[str, tuple[float, float]] = {"radius_mm": (5.0, 500.0)}
_WHOLE = ("n_elements", "converter_bits")
_TEXTS = ("name", "facts")


@lru_cache(maxsize=16)
def load_probe(name: str) -> Probe:
    """Load a probe by name.

    Raises
    ------
    AssetError
        No such probe, or its file cannot be used.
    """
    return read_probe(probe_file(name))


def read_probe(path: Path) -> Probe:
    """Read the file of an array.

    A JSON object with ``name``, ``n_elements``, ``pitch_mm``, ``element_width_mm``,
    ``element_height_mm``, ``elevation_focus_mm``, ``center_frequency_mhz``,
    ``fractional_bandwidth`` (pulse-echo, -6 dB), ``converter_bits``, and ``facts``: where the
    figures come from. A convex array has a ``radius_mm`` too, and its pitch is along the arc.

    Raises
    ------
    AssetError
        The message names the file, the field, and what it should be.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"{path.name}: {error}; it should be a JSON object") from error
    if not isinstance(data, dict):
        raise AssetError(f"{path.name}: it should be a JSON object, as the other probes are")
    limits = _LIMITS | {field: _OPTIONAL[field] for field in _OPTIONAL if field in data}
    for field in sorted(data.keys() - limits.keys() - set(_TEXTS)):
        raise AssetError(f"{path.name}: unknown field {field!r}; take it out")
    for field in _TEXTS:
        if not isinstance(data.get(field), str) or not data[field].strip():
            raise AssetError(f"{path.name}: field {field!r} should be a text")
    value = {field: _number(path, data, field, limits[field]) for field in limits}
    make = (
        partial(Probe.curved, radius_m=1e-3 * value["radius_mm"])
        if "radius_mm" in value
        else (Probe.linear)
    )
    return make(
        data["name"],
        int(value["n_elements"]),
        1e-3 * value["pitch_mm"],
        center_frequency_hz=1e6 * value["center_frequency_mhz"],
        element_width_m=1e-3 * value["element_width_mm"],
        fractional_bandwidth=value["fractional_bandwidth"],
        element_height_m=1e-3 * value["element_height_mm"],
        elevation_focus_m=1e-3 * value["elevation_focus_mm"],
        converter_bits=int(value["converter_bits"]),
    )


def _number(path: Path, data: dict[str, Any], field: str, limits: tuple[float, float]) -> float:
    low, high = limits
    kind = "a whole number" if field in _WHOLE else "a number"
    wanted = f"give {kind} from {low:g} to {high:g}"
    if field not in data:
        raise AssetError(f"{path.name}: no field {field!r}; {wanted}")
    value = data[field]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise AssetError(f"{path.name}: field {field!r} is {value!r}; {wanted}")
    if not low <= value <= high or (field in _WHOLE and value != int(value)):
        raise AssetError(f"{path.name}: field {field!r} is {value:g}; {wanted}")
    return float(value)
