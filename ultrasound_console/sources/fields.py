"""What the readers of recordings share: nothing that a file says is used unchecked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .protocol import NoPrfError, SourceError

MAX_SAMPLE_BYTES = 4 * 2**30
MAX_FIELD_BYTES = 2**24
# Larger values would overflow float32 once they are summed over the array and squared.
MAX_MAGNITUDE = 1e12
RECORD_AGAIN = "copy or record the file again"
CORRECT_FILE = "correct the value in the file"


@dataclass(frozen=True)
class Limits:
    """Smallest and largest value that makes sense."""

    low: float
    high: float
    unit: str


FREQUENCY = Limits(1e4, 1e9, "Hz")
SAMPLING = Limits(1e4, 1e10, "Hz")
PRF = Limits(0.1, 1e6, "Hz")
SPEED = Limits(100.0, 1e4, "m/s")
LENGTH = Limits(1e-6, 0.05, "m")
TIME = Limits(-1.0, 1.0, "s")
BANDWIDTH = Limits(0.001, 2.0, "of the centre frequency")


def printable(text: str) -> str:
    """Text on one line: anything that a terminal might act on becomes a question mark."""
    return "".join(c if c.isprintable() else "?" for c in text)


def display_name(path: Path) -> str:
    """File name as it is shown, without its folder."""
    return printable(path.name or str(path))


def refusal(file: str, field: str, problem: str, advice: str) -> SourceError:
    """Make the one line that says what is wrong with a file and what to do."""
    where = f"{file}: {field}" if field else file
    return SourceError(printable(f"{where}: {problem}; {advice}"))


@contextmanager
def library_call(file: str, field: str) -> Iterator[None]:
    """Turn whatever a file library raises on a damaged file into a :class:`SourceError`.

    The libraries document no closed set of exceptions, so that all are caught; only their calls
    belong inside.
    """
    try:
        yield
    except SourceError:
        raise
    except MemoryError as error:
        raise refusal(file, field, "too large for the memory", "cut the recording") from error
    except Exception as error:
        raise refusal(file, field, "damaged, it cannot be read", RECORD_AGAIN) from error


def in_limits(value: float, limits: Limits) -> bool:
    """Whether the value is a number inside the limits."""
    return math.isfinite(value) and limits.low <= value <= limits.high


@dataclass(frozen=True)
class Fields:
    """Metadata of one file, checked as they are asked for.

    Attributes
    ----------
    file : str
        Name for messages.
    prefix : str
        Put before a field's name in messages.
    fetch : callable
        From a field's name to its array, or None where the file has no such field.
    if_missing : str
        What to do where a field is missing.
    """

    file: str
    prefix: str
    fetch: Callable[[str], NDArray[Any] | None]
    if_missing: str = "add it to the file"

    def refuse(self, name: str, problem: str, advice: str = CORRECT_FILE) -> SourceError:
        """Make the error about one field."""
        return refusal(self.file, self.prefix + name, problem, advice)

    def optional(self, name: str) -> NDArray[np.float64] | None:
        """All values of a numeric field as float64, or None where it is missing or empty.

        Raises
        ------
        SourceError
            The field is not numeric.
        """
        values = self.fetch(name)
        if values is None or values.size == 0:
            return None
        if values.dtype.kind not in "iuf":
            raise self.refuse(name, "not a number")
        return values.astype(np.float64)

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Numeric field of exactly this shape.

        Raises
        ------
        SourceError
            Missing, not numeric, or of another shape.
        """
        values = self.optional(name)
        if values is None:
            raise self.refuse(name, "missing", self.if_missing)
        if values.shape != shape:
            raise self.refuse(name, f"has shape {values.shape} where {shape} is needed")
        return values

    def number(self, name: str, limits: Limits, default: float | None = None) -> float:
        """Return one number, checked against its limits.

        Raises
        ------
        SourceError
            Missing (and no default), not one number, not finite, or outside the limits.
        """
        values = self.optional(name)
        if values is None:
            if default is None:
                raise self.refuse(name, "missing", self.if_missing)
            return default
        if values.size != 1:
            raise self.refuse(name, f"has {values.size} values where one is needed")
        value = float(values.flat[0])
        if not in_limits(value, limits):
            span = f"{limits.low:g} ... {limits.high:g} {limits.unit}"
            raise self.refuse(name, f"{value:g} is outside {span}")
        return value

    def prf_hz(self, name: str, given_hz: float | None) -> float:
        """Pulse repetition frequency of the file, or what the user gave where it has none.

        Raises
        ------
        NoPrfError
            The file has none, and none is given.
        SourceError
            The one given is not possible.
        """
        values = self.optional(name)
        if values is not None and values.size == 1 and in_limits(float(values.flat[0]), PRF):
            return float(values.flat[0])
        if given_hz is None:
            problem = "missing" if values is None else "not a pulse repetition frequency"
            advice = "give the PRF it was taken with (--prf HZ)"
            raise NoPrfError(str(self.refuse(name, problem, advice)))
        if not in_limits(given_hz, PRF):
            span = f"{PRF.low:g} ... {PRF.high:g} {PRF.unit}"
            raise refusal(self.file, "--prf", f"{given_hz:g} is outside {span}", "give another")
        return given_hz


def check_sample_bytes(file: str, field: str, n_values: int, itemsize: int) -> None:
    """Refuse samples that would exhaust the memory, before they are read.

    Raises
    ------
    SourceError
        None at all, or more than :data:`MAX_SAMPLE_BYTES`.
    """
    if n_values <= 0:
        raise refusal(file, field, "holds no samples", RECORD_AGAIN)
    if n_values * itemsize > MAX_SAMPLE_BYTES:
        size = f"{n_values * itemsize / 2**30:.3g} GiB"
        raise refusal(file, field, f"{size} is too large", "cut the recording to below 4 GiB")


def checked_samples(file: str, field: str, values: NDArray[Any]) -> NDArray[Any]:
    """Convert samples to what the pipeline takes.

    Parameters
    ----------
    values : (n_pulses, n_elements, n_samples) array
        Integers, floats or complex numbers of any width.

    Returns
    -------
    samples : (n_pulses, n_elements, n_samples) int16, float32 or complex64
        C-ordered and read-only.

    Raises
    ------
    SourceError
        Other dimensions or types, values that are not finite or absurdly large.
    """
    if values.ndim != 3 or 0 in values.shape:
        raise refusal(file, field, f"has shape {values.shape}", "give pulses of channel data")
    kind, itemsize = values.dtype.kind, values.dtype.itemsize
    if kind not in "iufc":
        raise refusal(file, field, f"holds {values.dtype}, not samples", "give channel data")
    dtype: type[np.generic] = np.float32
    if kind == "c":
        dtype = np.complex64
    elif itemsize == 1 or (kind, itemsize) == ("i", 2):
        dtype = np.int16
    with library_call(file, field):
        samples = np.ascontiguousarray(values, dtype=dtype)
    if dtype is not np.int16:
        for pulse in samples.view(np.float32):
            # Written so that NaN fails too.
            if not float(np.max(np.abs(pulse))) <= MAX_MAGNITUDE:
                raise refusal(file, field, "holds values that are not finite", RECORD_AGAIN)
    samples.setflags(write=False)
    return samples
