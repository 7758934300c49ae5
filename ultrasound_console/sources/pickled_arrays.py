"""Arrays in a Python pickle, found by their place in it and built of their bytes.

A place is a path of names and numbers: ``metadata/0/_context/medium/speed_of_sound``. One part may
be ``*`` for all items of a list, which become the first axis;
those that are None are left out, as a capture ends with them that was stopped early.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .fields import (
    MAX_FIELD_BYTES,
    MAX_SAMPLE_BYTES,
    RECORD_AGAIN,
    display_name,
    library_call,
    refusal,
)
from .pickled_values import Record, read_pickle

_MOST_AXES, _MOST_LISTED, _MOST_NAMES = 8, 100_000, 12
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)")


class Pickled:
    """Named arrays in a pickle; all methods raise SourceError where it is damaged.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.file = display_name(path)
        self._root = read_pickle(path)

    def found(self, path: str) -> list[Any]:
        """Values at a path: one, or with ``*`` one for each item; empty where one is missing."""
        values = [self._root]
        for part in path.split("/"):
            if part == "*" and len(values) == 1 and isinstance(values[0], list | tuple):
                values = [value for value in values[0] if value is not None]
            else:
                values = [_member(value, part) for value in values]
        return [] if any(value is None for value in values) else values

    def names(self, near: str) -> tuple[str, ...]:
        """Paths beside this one."""
        folder, slash, _ = near.rpartition("/")
        inside = self.found(folder) if folder else [self._root]
        names = itertools.islice(_names(inside[0]), _MOST_NAMES) if inside else ()
        return tuple(f"{folder}{slash}{name}" for name in names)

    def fetch(self, path: str) -> NDArray[Any] | None:
        """Small array, or None where there is none of this name."""
        return self._read(path, MAX_FIELD_BYTES, lambda shape: ())

    def samples(self, path: str, choose: Callable[[tuple[int, ...]], Any]) -> NDArray[Any] | None:
        """Part of an array that may be large, or None where there is none of this name."""
        return self._read(path, MAX_SAMPLE_BYTES, choose)

    def _read(
        self, path: str, max_bytes: int, choose: Callable[[tuple[int, ...]], Any]
    ) -> NDArray[Any] | None:
        parts: list[NDArray[Any]] = []
        n_bytes = 0
        # The same value may be in many places: it is turned into an array once.
        made: dict[int, NDArray[Any] | None] = {}
        for value in self.found(path):
            if id(value) not in made:
                with library_call(self.file, path):
                    made[id(value)] = numbers(value)
            part = made[id(value)]
            if part is None:
                return None
            n_bytes += part.nbytes
            if n_bytes > max_bytes:
                problem = f"more than {max_bytes / 2**20:.3g} MiB is too large"
                raise refusal(self.file, path, problem, "save fewer frames")
            if parts and (part.shape, part.dtype) != (parts[0].shape, parts[0].dtype):
                raise refusal(self.file, path, "arrays of several shapes or types", RECORD_AGAIN)
            parts.append(part)
        if not parts:
            return None
        is_list = "*" in path.split("/")
        selection = choose((len(parts), *parts[0].shape) if is_list else parts[0].shape)
        with library_call(self.file, path):
            return _stacked(parts, selection) if is_list else np.asarray(parts[0][selection])


def _stacked(parts: list[NDArray[Any]], selection: tuple[Any, ...]) -> NDArray[Any]:
    """Copy what is chosen of the stack of these arrays; the stack itself may take gigabytes."""
    items, inner = (selection or (slice(None),))[0], selection[1:]
    if isinstance(items, int):
        return np.asarray(parts[items][inner])
    chosen = parts[items]
    first = chosen[0][inner]
    stacked = np.empty((len(chosen), *first.shape), first.dtype)
    for n, part in enumerate(chosen):
        stacked[n] = part[inner]
    return stacked


def numbers(value: Any) -> NDArray[Any] | None:
    """Turn a number, a list of numbers, or what would have been an array of NumPy into an array.

    Returns
    -------
    array or None
        Read-only where it is a view of the bytes in the file; None for everything else.

    Raises
    ------
    ValueError
        An array whose type, shape and bytes do not go together.
    """
    if isinstance(value, bool | int | float):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        # Not a list of lists: each of two could be the same list of two, and so on.
        plain = len(value) <= _MOST_LISTED and {type(item) for item in value} <= {bool, int, float}
        return np.asarray(value) if plain else None
    if not isinstance(value, Record):
        return None
    match value.name.replace("numpy.core.", "numpy._core."), value.arguments, value.state:
        case "numpy._core.multiarray.scalar", (kind, data), _:
            return _array(data, kind, (), "C")
        case "numpy._core.multiarray._reconstruct", _, (_, shape, kind, is_fortran, data):
            return _array(data, kind, shape, "F" if is_fortran else "C")
        case "numpy._core.numeric._frombuffer", (data, kind, shape, ("C" | "F") as order), _:
            return _array(data, kind, shape, order)
        case "numpy._core.numeric._frombuffer", (data, kind, shape, "K", tuple() as axes), _:
            return _array(data, kind, shape, "C").transpose(axes)
    return None


def _array(data: Any, kind: Any, shape: Any, order: Literal["C", "F"]) -> NDArray[Any]:
    match kind:
        case Record(
            name="numpy.dtype",
            arguments=(str() as code, *_),
            state=(_, ("<" | ">" | "|") as ends, *_),
        ) if _DTYPE.fullmatch(code) and len(shape) <= _MOST_AXES:
            dtype = np.dtype(ends + code)
        case _:
            raise ValueError("no array of numbers")
    if isinstance(data, Record):
        data = _bytes(data)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("another size than it says")
    values: NDArray[Any] = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
    values.setflags(write=False)
    return values.reshape(shape, order=order)


def _bytes(record: Record) -> bytes:
    """Bytes as protocol 2 stores them: as a text of such characters."""
    match record.name, record.arguments:
        case "_codecs.encode", (str() as text, "latin1"):
            return text.encode("latin1")
        case "__builtin__.bytes", ():
            return b""
    raise ValueError("no bytes")


def _member(value: Any, name: str) -> Any:
    """Find what has this name or number inside a value, or None."""
    if isinstance(value, list | tuple):
        is_item = re.fullmatch("[0-9]{1,6}", name) is not None and int(name) < len(value)
        return value[int(name)] if is_item else None
    return next((table[name] for table in _tables(value) if name in table), None)


def _names(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return ["*"]
    return sorted(name for table in _tables(value) for name in table)


def _tables(value: Any) -> list[dict[str, Any]]:
    """Dictionaries with what is inside a value; the attributes of a class may be in two."""
    state = value.state if isinstance(value, Record) else value
    tables = state if isinstance(value, Record) and isinstance(state, tuple) else (state,)
    return [table for table in tables[:2] if isinstance(table, dict)]
