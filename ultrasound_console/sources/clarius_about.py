"""What the ``.yml`` beside a Clarius recording tells of it.

Each value has its unit (``5 MHz``). The line of the receiver's gain over depth is no YAML and left
out. What a scanner does not tell can be added with an editor: ``prf``, ``ensemble``, ``vsound``,
and ``probe`` with ``elements``, ``pitch`` and ``radius``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from .fields import Fields, display_name, library_call, printable, refusal

TOLD_AGAIN = "give both files of one recording"
# Of 3000 stored lines with long numbers; reading takes seconds then.
MAX_BYTES = 2**19
_UNITS = {
    "": 1.0,
    "Hz": 1.0,
    "kHz": 1e3,
    "MHz": 1e6,
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "um": 1e-6,
    "\N{MICRO SIGN}m": 1e-6,
    "m/s": 1.0,
    "deg": math.pi / 180.0,
    "\N{DEGREE SIGN}": math.pi / 180.0,
}
_QUANTITY = re.compile(r"\s*([-+]?\d{1,15}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,3})?)\s*(\S{0,5})\s*")
_PRF = re.compile(r".*prf|.*pulse repetition frequency", re.IGNORECASE)
# A pitch without unit is in micrometres from here on, else in millimetres: no array is as coarse
# or as fine as it would be in the other one.
_LEAST_UM = 10.0


@dataclass(frozen=True)
class About:
    """Values of a ``.yml``, checked as they are asked for.

    Attributes
    ----------
    file : str
        Name for messages.
    table : dict
    """

    file: str
    table: dict[Any, Any]

    @classmethod
    def read(cls, path: Path) -> About:
        """Read a ``.yml``.

        Raises
        ------
        SourceError
            There is none, or it cannot be read.
        """
        file = display_name(path)
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            problem = "missing" if isinstance(error, FileNotFoundError) else "cannot be opened"
            raise refusal(file, "", problem, "put the .yml beside the .raw file") from error
        if len(content) > MAX_BYTES:
            raise refusal(file, "", "too large", "give the .yml of the scanner")
        with library_call(file, "YAML"):
            lines = content.decode("utf-8-sig").splitlines()
            text = "\n".join(line for line in lines if not line.startswith("tgc:"))
            if "*" in text:
                # A small text could grow by references; none of these files has any.
                raise refusal(file, "YAML", "has references", "give the .yml of the scanner")
            table = yaml.safe_load(text)
        if not isinstance(table, dict):
            raise refusal(file, "", "not a table of values", "give the .yml of the scanner")
        return cls(file, table)

    @cached_property
    def fields(self) -> Fields:
        """Numbers in SI units; ``probe/pitch`` is the pitch in the table of the probe."""
        return Fields(self.file, "", self._fetch)

    @property
    def speed_field(self) -> str:
        """Name of the speed of sound."""
        return "vsound" if "vsound" in self.table else "speed of sound"

    @property
    def prf_field(self) -> str:
        """Name of the pulse repetition frequency.

        Raises
        ------
        SourceError
            There are several that differ.
        """
        names = [name for name in self.table if isinstance(name, str) and _PRF.fullmatch(name)]
        if len({str(self._fetch(name)) for name in names}) > 1:
            listed = printable(", ".join(names)[:80])
            raise refusal(self.file, "PRF", f"{listed} differ", "leave that of colour Doppler")
        return names[0] if names else "prf"

    def check(self, n_lines: int, n_samples: int) -> None:
        """Refuse a ``.yml`` of another kind of samples, or of another file.

        Parameters
        ----------
        n_lines, n_samples : int
            Stored lines, and samples of each.

        Raises
        ------
        SourceError
        """
        for name, needed, advice in (
            ("type", "IQ", "capture in colour Doppler and give the _iq.raw"),
            ("compression", "none", "unpack the samples first (lzop -d)"),
        ):
            told = str(self.table.get(name, needed))
            if told.lower() != needed.lower():
                problem = f"{printable(told[:40])} where {needed} is needed"
                raise refusal(self.file, name, problem, advice)
        for name, stored in (("number of lines", n_lines), ("samples per line", n_samples)):
            size = self.fields.optional(f"size/{name}")
            if size is not None and size.flat[0] != stored:
                problem = f"{size.flat[0]:g} where the .raw has {stored}"
                raise refusal(self.file, name, problem, TOLD_AGAIN)

    def numbers(self, table: dict[Any, Any], *names: str) -> list[float]:
        """Numbers in SI units from a table inside this one; 0 for what is not there.

        Raises
        ------
        ValueError, OverflowError, AttributeError
            They are no numbers, or it is no table.
        """
        return [_number(table.get(name, 0)) for name in names]

    def _fetch(self, name: str) -> NDArray[Any] | None:
        value: Any = self.table
        for part in name.split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return None
        try:
            number = _number(value)
        except (ValueError, OverflowError):
            return np.array([str(value)[:40]])
        if not isinstance(value, str):
            if _PRF.fullmatch(name):
                number = math.nan  # Hz or kHz
            elif name == "probe/radius":
                number *= 1e-3
            elif name == "probe/pitch":
                number *= 1e-6 if number >= _LEAST_UM else 1e-3
        return np.array([number])


def _number(value: Any) -> float:
    """Turn a number, or a number with its unit, into SI units."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    if not isinstance(value, str):
        return float(value)
    match = _QUANTITY.fullmatch(value)
    if match is None or match[2] not in _UNITS:
        raise ValueError("not a number with its unit")
    return float(match[1]) * _UNITS[match[2]]
