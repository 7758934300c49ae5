"""What a mapping file says: where arrays are, what their axes mean, and values with their units.

TOML, described in ``docs/your-own-data.md``. Every name in it is one that is known here, so that a
slip of the pen is told and not passed over.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import units
from .fields import display_name, printable, refusal
from .named_arrays import DataFile
from .protocol import SourceError

SUFFIX = ".toml"
CHANNEL_AXES, BEAMFORMED_AXES = ("pulse", "element", "sample"), ("pulse", "depth", "line")
"""Axes that samples of the channels have to have, and beamformed ones."""
OTHER_AXES = ("frame", "iq")

_MAX_BYTES, _LONGEST_TEXT = 2**16, 150
_SMALL_FILE = "give a mapping file as docs/your-own-data.md describes it"


@dataclass(frozen=True)
class Mapping:
    """A mapping file whose names are known; its values are checked as they are asked for.

    Attributes
    ----------
    file : str
        Name for messages.
    data_path : Path
        In the same folder or below.
    axes : tuple of str
        Of the samples, in the order of the array.
    take : dict
        Index on each axis that is not one of the known ones.
    samples, values : dict
        The two tables of the file.
    """

    file: str
    data_path: Path
    axes: tuple[str, ...]
    take: dict[str, int]
    samples: dict[str, Any]
    values: dict[str, Any]

    @property
    def is_beamformed(self) -> bool:
        """Whether the samples lie on a grid of depths and lines."""
        return set(self.axes) >= set(BEAMFORMED_AXES)

    def refuse(self, where: str, problem: str, advice: str) -> SourceError:
        """Make the error about one entry."""
        where, problem, advice = (text[:_LONGEST_TEXT] for text in (where, problem, advice))
        return refusal(self.file, where, problem, advice)

    def value(self, data: DataFile, name: str) -> NDArray[Any] | None:
        """Value in SI units, or None where the file does not have it.

        Raises
        ------
        SourceError
            Neither a number with a unit of its kind, nor an array that is there.
        """
        told = self.values.get(name)
        if told is None:
            return None
        where = f"values.{name}"
        try:
            if isinstance(told, dict):
                self.check_names(where, told, ("field", "unit"), ("field", "unit"))
                in_si = units.factor(name, told["unit"])
                values = data.fetch(self.text(f"{where}.field", told["field"]))
                if values is None:
                    raise self.no_array(data, where, told["field"])
                return values.astype(np.float64) * in_si if values.dtype.kind in "iuf" else values
            listed = told if isinstance(told, list) else [told]
            return np.array([units.quantity(name, item) for item in listed])
        except units.UnitError as error:
            raise SourceError(printable(f"{self.file}: {where}: {error}")) from error

    def no_array(self, data: DataFile, where: str, field: str) -> SourceError:
        """Make the error about a name that is not in the data file."""
        problem = f"no array {field!r} in {display_name(self.data_path)}"
        return self.refuse(where, problem, _among(field, data.names(field)))

    def text(self, where: str, told: object) -> str:
        """Text of an entry; raises SourceError where it is something else, or none."""
        if not isinstance(told, str) or not told:
            raise self.refuse(where, "not a text", "put a name in quotation marks")
        return told

    def check_names(
        self, where: str, told: object, known: Iterable[str], needed: Iterable[str] = ()
    ) -> None:
        """Refuse, by a SourceError, what is no table, has an unknown entry, or lacks one."""
        if not isinstance(told, dict):
            raise self.refuse(where, "not a table of entries", _SMALL_FILE)
        within = f"{where}." if where else ""
        for name in told:
            if name not in known:
                raise self.refuse(within + name, "not known", _among(name, known))
        for name in needed:
            if name not in told:
                raise self.refuse(within + name, "missing", "add it to the file")


def read_toml(path: Path) -> Mapping:
    """Read a mapping file, without opening what it names.

    Raises
    ------
    SourceError
        No TOML, an entry that is missing, unknown or of the wrong kind, or a data file elsewhere.
    """
    file = display_name(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise refusal(file, "", "too large for a mapping file", _SMALL_FILE)
        told = tomllib.loads(content.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"not a mapping file: {printable(str(error))[:100]}"
        raise refusal(file, "", problem, "mend that line") from error
    bare = Mapping(file, path, (), {}, {}, {})
    bare.check_names("", told, {"file", "samples", "values"}, ("file", "samples", "values"))
    samples, values = told["samples"], told["values"]
    known = {"field", "imaginary", "axes", "take"}
    bare.check_names("samples", samples, known, ("field", "axes"))
    bare.check_names("values", values, units.UNITS)
    take = samples.get("take", {})
    axes = _axes(bare, samples["axes"], take)
    mapping = Mapping(file, _data_path(bare, path, told["file"]), axes, take, samples, values)
    unfit = units.ONLY_OF_CHANNELS if mapping.is_beamformed else units.ONLY_OF_BEAMFORMED
    for name in sorted(unfit.intersection(values)):
        problem = f"does not go with the axes {', '.join(axes)}"
        raise bare.refuse(f"values.{name}", problem, "remove it, or correct the axes")
    for one, other in units.EITHER:
        if one in values and other in values:
            raise bare.refuse(f"values.{other}", f"stands beside {one}", "give one of them")
    return mapping


def _axes(bare: Mapping, told: object, take: object) -> tuple[str, ...]:
    """Names of the axes: one of the two sets, and what an index is taken on."""
    kinds = " or ".join(", ".join(kind) for kind in (CHANNEL_AXES, BEAMFORMED_AXES))
    axes = tuple(told) if isinstance(told, list) else ()
    names = {axis for axis in axes if isinstance(axis, str)}
    needed = next((kind for kind in (CHANNEL_AXES, BEAMFORMED_AXES) if names >= set(kind)), None)
    if needed is None or len(names) != len(axes):
        raise bare.refuse("samples.axes", "not the names of all axes, each once", f"name {kinds}")
    taken = names.difference(needed, OTHER_AXES)
    bare.check_names("samples.take", take, taken)
    assert isinstance(take, dict)
    for name in sorted(taken):
        if type(take.get(name)) is not int or take[name] < 0:
            advice = f"say which one to take: take = {{ {name} = 0 }}"
            raise bare.refuse(f"samples.axes: {name}", "not an axis that is known", advice)
    return axes


def _data_path(bare: Mapping, path: Path, told: object) -> Path:
    """Path of the data file, which lies beside the mapping file or below."""
    name, folder = bare.text("file", told), path.parent
    try:
        data_path = (folder / name).resolve()
        is_inside = data_path.is_relative_to(folder.resolve()) and not Path(name).is_absolute()
        if not is_inside or ".." in Path(name).parts:
            raise bare.refuse("file", f"{name!r} is elsewhere", "put both into the same folder")
        if not data_path.is_file():
            raise bare.refuse("file", f"there is no file {name!r}", "correct the name")
    except (OSError, ValueError, RuntimeError) as error:
        raise bare.refuse("file", f"{name!r} is no file name", "correct the name") from error
    return data_path


def _among(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not one of these."""
    names = {known_name.lower(): known_name for known_name in sorted(known)}
    if close := difflib.get_close_matches(name.lower(), names, 1):
        return f"did you mean {names[close[0]]}?"
    listed = ", ".join([*names.values()][:12]) + (" ..." if len(names) > 12 else "")
    return f"there are {listed}" if names else "remove it"
