"""The values a control can take, in order: what a slider's positions mean. No Qt."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from ..declared import Choice, Range, SettingError, Switch, Value
from ..frames import Acquisition
from ..settings import SPECS, Settings
from ..settings.acquisition import LEFTMOST_M, RIGHTMOST_M

PRF_SERIES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0)
"""Steps within a decade: fine where slow flow is looked for, about a tenth each."""

# Values that mean something else than their number.
SPECIAL_TEXT: dict[tuple[str, Value], str] = {
    ("colour_scale_m_s", 0.0): "auto",
    ("ensemble", 0): "all",
    ("ensemble_step", 0): "one ensemble",
    ("smoothing_m", 0.0): "off",
    ("persistence_s", 0.0): "off",
    ("speckle_reduction", 0.0): "off",
    ("wall_cutoff_m_s", 0.0): "by filter",
    ("angle_rad", 0.0): "off",
    ("auto_freeze_s", 0.0): "off",
    ("transmit_frequency_hz", 0.0): "mid-band",
    ("heart_rate_hz", 0.0): "scene",
    ("peak_speed_m_s", 0.0): "scene",
    ("box_left_m", LEFTMOST_M): "auto",
    ("box_right_m", RIGHTMOST_M): "auto",
    ("box_top_m", 0.0): "auto",
    ("box_bottom_m", 0.0): "auto",
}


@dataclass(frozen=True)
class Steps:
    """The positions of one control.

    Attributes
    ----------
    name : str
        Of the setting.
    values : tuple
        One for each position, in order.
    origin : int
        Position from which a bar is filled: that of zero where zero is inside the range.
    """

    name: str
    values: tuple[Value, ...]
    origin: int = 0

    def text(self, value: Value) -> str:
        """Value and unit as a person reads them."""
        return value_text(self.name, value)

    def position(self, value: Value) -> int:
        """Position nearest to a value."""
        if isinstance(value, str):
            return self.values.index(value)
        numbers = [float(number) for number in self.values]
        right = bisect.bisect_left(numbers, float(value))
        near = range(max(0, right - 1), min(len(numbers), right + 1))
        return min(near, key=lambda at: abs(numbers[at] - float(value)))


def value_text(name: str, value: Value) -> str:
    """Value and unit of a setting as a person reads them."""
    special = SPECIAL_TEXT.get((name, value))
    if special is not None:
        return special
    spec = SPECS[name]
    if isinstance(spec, Range):
        if name == "prf_hz":
            return prf_text(float(value))
        signed = spec.low < 0.0 < float(value)
        return ("+" if signed else "") + spec.text(float(value)).replace("-", "\N{MINUS SIGN}")
    if isinstance(spec, Switch):
        return "on" if value else "off"
    return str(value)


def typed_value(name: str, text: str) -> Value:
    """Value of a number as a person types it: in the unit of the screen, which may be left out.

    Raises
    ------
    SettingError
        Not a number, or one outside the range; the message says the limits as the screen does.
    """
    spec = SPECS[name]
    assert isinstance(spec, Range)
    low, high = (spec.text(limit).replace("-", "\N{MINUS SIGN}") for limit in (spec.low, spec.high))
    refusal = SettingError(f"{spec.label}: give {low} to {high}")
    text = text.strip()
    for (of, meant), special in SPECIAL_TEXT.items():
        if of == name and text.casefold() == special:
            return meant
    number = text.removesuffix(spec.shown_unit or spec.unit).strip()
    try:
        shown = float(number.replace("\N{MINUS SIGN}", "-").replace(",", "."))
        value = shown / spec.shown_scale
        # A limit that was typed is meant, though it may be rounded on screen.
        half = 0.5 * spec.step
        if spec.low - half <= value <= spec.high + half:
            value = min(max(value, spec.low), spec.high)
        return Settings().replace(**{name: value}).get(name)
    except ValueError:
        raise refusal from None


def prf_text(prf_hz: float) -> str:
    """PRF in kHz."""
    return f"{prf_hz * 1e-3:.2f} kHz"


def prfs_text(acquisition: Acquisition) -> str:
    """PRF in kHz, and the second one where there is one."""
    first = prf_text(acquisition.prf_hz)
    if not acquisition.n_second_pulses:
        return first
    return f"{first.removesuffix(' kHz')} + {prf_text(acquisition.second_prf_hz)}"


def declared_steps(name: str) -> Steps:
    """Positions of a setting from its declaration."""
    spec = SPECS[name]
    if isinstance(spec, Choice):
        return Steps(name, spec.options)
    if isinstance(spec, Switch):
        return Steps(name, (False, True))
    n_steps = round((spec.high - spec.low) / spec.step)
    # Rounded, so that steps of 0.1 pass through the numbers that a person would write.
    between = (round(spec.low + step * spec.step, 12) for step in range(1, n_steps))
    steps = (spec.low, *between, spec.high)
    origin = min(range(len(steps)), key=lambda at: abs(steps[at])) if spec.low < 0.0 else 0
    return Steps(name, steps, origin)


def prf_steps(acquisition: Acquisition) -> Steps:
    """PRFs that can be had: those of the recording, or a series up to what the depth allows."""
    spec = SPECS["prf_hz"]
    assert isinstance(spec, Range)
    choices: Sequence[float] = acquisition.prf_choices_hz
    if not choices:
        highest_hz = min(acquisition.max_prf_hz, spec.high)
        series = (base * decade for decade in (1e2, 1e3, 1e4) for base in PRF_SERIES)
        choices = [*(prf_hz for prf_hz in series if prf_hz < highest_hz), highest_hz]
    return Steps("prf_hz", tuple(hz for hz in sorted(choices) if spec.low <= hz <= spec.high))
