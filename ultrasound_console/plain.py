"""Frozen values as what JSON knows, and back: each field is checked against its declared type."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

MOST_ENTRIES, LONGEST_TEXT, LARGEST_NUMBER = 2**16, 1000, 1e15

_Value = TypeVar("_Value")


class PlainError(ValueError):
    """Plain data that is not that of a value; the message names the field and says why."""


def plain(value: Any) -> Any:
    """Turn a dataclass into dictionaries and lists; infinity, which JSON lacks, becomes None."""
    if dataclasses.is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return None if value == math.inf else value


def from_plain(kind: type[_Value], told: object, name: str) -> _Value:
    """Make a dataclass of what :func:`plain` made of one, or of what somebody else wrote.

    Parameters
    ----------
    kind : type
        A dataclass of numbers, texts, tuples and dataclasses.
    told : object
    name : str
        Of the value, for messages.

    Raises
    ------
    PlainError
        A field is missing or not of its type, or the dataclass itself refuses the values. Fields
        that it does not know are left out.
    """
    if not isinstance(told, dict):
        raise PlainError(f"{name}: missing, or not a group of values")
    values, hints = {}, get_type_hints(kind)
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        within = f"{name}/{item.name}"
        if item.name in told:
            values[item.name] = _typed(hints[item.name], told[item.name], within)
        elif item.default is dataclasses.MISSING:
            raise PlainError(f"{within}: missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise PlainError(f"{name}: {error}") from error


def _typed(kind: Any, told: object, name: str) -> Any:
    """Value of a declared type."""
    if dataclasses.is_dataclass(kind):
        return from_plain(kind, told, name)  # type: ignore[arg-type]
    inside = get_args(kind)
    if get_origin(kind) is tuple and isinstance(told, list) and len(told) <= MOST_ENTRIES:
        kinds = inside
        if inside[-1] is Ellipsis:
            kinds = (inside[0],) * len(told)
        if len(kinds) == len(told):
            return tuple(_typed(each, item, name) for each, item in zip(kinds, told, strict=True))
    elif isinstance(told, str):
        is_text = kind is str and len(told) <= LONGEST_TEXT
        if is_text or (get_origin(kind) is Literal and told in inside):
            return told
    elif kind is float and told is None:
        return math.inf
    elif kind in (int, float) and type(told) in (int, float):
        is_whole = kind is float or type(told) is int
        if is_whole and abs(told) <= LARGEST_NUMBER:  # type: ignore[arg-type]
            return kind(told)
    raise PlainError(f"{name}: is not what it should be")
