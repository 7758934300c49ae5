"""What a setting may be: a number in a range, one of several options, or a switch.

A declaration stands beside the default of its field; it checks values and says how they are shown.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any


class SettingError(ValueError):
    """A setting that does not exist or a value outside its range; the message says which."""


@dataclass(frozen=True)
class Range:
    """A number between two limits.

    Attributes
    ----------
    low, high, step : float
        Limits and slider step, in ``unit``.
    unit : str
        Unit of the stored value; empty for a plain number.
    label, description : str
        Short name on a control; one sentence for the tooltip.
    shown_unit : str
        Unit on screen; ``unit`` where it is empty.
    shown_scale : float
        Shown value = stored value x ``shown_scale``.
    """

    low: float
    high: float
    step: float
    unit: str
    label: str
    description: str
    shown_unit: str = ""
    shown_scale: float = 1.0

    def text(self, value: float) -> str:
        """Value and unit as a person reads them."""
        shown = value * self.shown_scale
        decimals = max(0, math.ceil(-math.log10(self.step * self.shown_scale) - 1e-9))
        return f"{shown:.{decimals}f} {self.shown_unit or self.unit}".rstrip()


@dataclass(frozen=True)
class Choice:
    """One of several named options."""

    options: tuple[str, ...]
    label: str
    description: str


@dataclass(frozen=True)
class Switch:
    """On or off."""

    label: str
    description: str


Spec = Range | Choice | Switch
Value = float | int | bool | str


def setting(default: Value, spec: Spec) -> Any:
    """Field of a group, with its default and its declaration."""
    return field(default=default, metadata={"spec": spec})


class Group:
    """Validation common to all groups of settings."""

    def __post_init__(self) -> None:
        for name, spec in specs(type(self)):
            object.__setattr__(self, name, checked(name, spec, getattr(self, name), type(self)))


def specs(group: type[Group]) -> Iterator[tuple[str, Spec]]:
    """Yield the (name, spec) pairs of a settings group, in the order of their declaration."""
    for item in dataclasses.fields(group):  # type: ignore[arg-type]
        yield item.name, item.metadata["spec"]


def checked(name: str, spec: Spec, value: object, group: type[Group]) -> Value:
    """Return the value in the field's type, or say what is wrong with it.

    Raises
    ------
    SettingError
        The value is of the wrong kind, not finite, or outside the declared range.
    """
    if isinstance(spec, Switch):
        if not isinstance(value, bool):
            raise SettingError(f"{name} = {value!r}: give on or off")
        return value
    if isinstance(spec, Choice):
        if value not in spec.options:
            raise SettingError(f"{name} = {value!r}: give one of {', '.join(spec.options)}")
        return str(value)
    number = _number(value)
    if not math.isfinite(number):
        raise SettingError(f"{name} = {value!r}: give a number in {spec.unit or 'no unit'}")
    if not spec.low <= number <= spec.high:
        limits = f"{spec.low:g} ... {spec.high:g} {spec.unit}".rstrip()
        raise SettingError(f"{name} = {number:g} is outside {limits}")
    default = group.__dataclass_fields__[name].default  # type: ignore[attr-defined]
    if not isinstance(default, int):
        return number
    if number != int(number):
        raise SettingError(f"{name} = {number:g}: give a whole number")
    return int(number)


def _number(value: object) -> float:
    """Return the value of a real number, infinity beyond the largest float, or not a number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
