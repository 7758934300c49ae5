"""Numbers and structures of numbers in MATLAB 5 files.

``scipy.io.loadmat`` reads the whole format, but a damaged file can end the process with a
segmentation fault there. Here every length is checked against the bytes that are really present,
and nothing is unpacked beyond a given size.
MathWorks, "MAT-File Format", chapter 1: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .fields import RECORD_AGAIN, display_name, library_call, refusal

HEADER_BYTES = 128
# Enough for the flags, dimensions and name at the start of a variable.
HEAD_BYTES = 512
MAX_DIMENSIONS = 8
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
STRUCT_CLASS, FIRST_NUMERIC_CLASS, LAST_NUMERIC_CLASS = 2, 6, 15
COMPLEX_FLAG = 0x800
DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}

Struct = dict[str, NDArray[Any] | None]


@dataclass(frozen=True)
class _Stored:
    """Where a variable lies in the file, and its size once unpacked."""

    offset: int
    n_stored: int
    n_bytes: int
    compressed: bool


class Matlab5:
    """The variables of a MATLAB 5 file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SourceError
        The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = display_name(path)
        self._stored: dict[str, _Stored] = {}
        with library_call(self._file, "MATLAB 5"), path.open("rb") as stream:
            self._order = "<" if stream.read(HEADER_BYTES)[126:] == b"IM" else ">"
            n_file = path.stat().st_size
            offset = HEADER_BYTES
            while offset < n_file:
                offset = self._scan(stream, offset, n_file)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its variables."""
        return tuple(self._stored)

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def numbers(self, name: str, max_bytes: int) -> NDArray[Any]:
        """Array of numbers of a variable that is there, in MATLAB's shape.

        Raises
        ------
        SourceError
            Damaged, larger than ``max_bytes``, or not an array of numbers.
        """
        value = self._read(name, max_bytes)
        if not isinstance(value, np.ndarray):
            raise refusal(self._file, name, "not an array of numbers", "save it as numbers")
        return value

    def struct(self, name: str, max_bytes: int) -> Struct:
        """Fields of a structure that is there; None for those that are not numbers.

        Raises
        ------
        SourceError
            Damaged, larger than ``max_bytes``, or not a single structure.
        """
        value = self._read(name, max_bytes)
        if not isinstance(value, dict):
            raise refusal(self._file, name, "not a structure", "save it as a structure")
        return value

    def _scan(self, stream: BinaryIO, offset: int, n_file: int) -> int:
        """Note the variable at this offset and return the offset of the next."""
        stream.seek(offset)
        kind: int
        n_stored: int
        kind, n_stored = struct.unpack(self._order + "II", stream.read(8))
        end = offset + 8 + n_stored
        if kind not in (MATRIX, COMPRESSED) or end > n_file:
            raise ValueError("no variable, or one that is cut off")
        head, n_bytes = stream.read(min(n_stored, HEAD_BYTES)), n_stored
        if kind == COMPRESSED:
            head = zlib.decompressobj().decompress(head, HEAD_BYTES)
            inner, n_bytes = struct.unpack_from(self._order + "II", head)
            head = head[8:]
            if inner != MATRIX:
                raise ValueError("not a variable")
        _, _, name, _ = _matrix_head(memoryview(head), self._order)
        self._stored[name] = _Stored(offset + 8, n_stored, n_bytes, kind == COMPRESSED)
        return end

    def _read(self, name: str, max_bytes: int) -> NDArray[Any] | Struct | None:
        stored = self._stored[name]
        if stored.n_bytes > max_bytes:
            problem = f"{stored.n_bytes / 2**20:.3g} MiB is too large"
            raise refusal(self._file, name, problem, RECORD_AGAIN)
        with library_call(self._file, name), self._path.open("rb") as stream:
            stream.seek(stored.offset)
            body = stream.read(stored.n_stored)
            if stored.compressed:
                unpacker = zlib.decompressobj()
                body = unpacker.decompress(body, 8 + stored.n_bytes)[8:]
                # The checksum is at the end, behind the last byte that is wanted.
                unpacker.decompress(unpacker.unconsumed_tail, 1)
                if not unpacker.eof:
                    raise ValueError("longer than it says")
            if len(body) != stored.n_bytes:
                raise ValueError("cut off")
            return _matrix(memoryview(body), self._order, in_struct=False)


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Type and content of the element at this offset, and the offset of the next."""
    (first,) = struct.unpack_from(order + "I", data, at)
    if first >> 16:
        # Up to four bytes are packed into the tag.
        kind, size, begin, after = first & 0xFFFF, first >> 16, at + 4, at + 8
    else:
        kind, begin = first, at + 8
        (size,) = struct.unpack_from(order + "I", data, at + 4)
        after = begin + size + (-size % 8)
    content = data[begin : begin + size]
    if len(content) != size:
        raise ValueError("cut off")
    return kind, content, after


def _matrix_head(data: memoryview, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Read flags, dimensions and name of a variable, and the offset of its values."""
    kind, flags, at = _element(data, 0, order)
    if kind != UINT32 or len(flags) != 8:
        raise ValueError("no array flags")
    kind, dimensions, at = _element(data, at, order)
    shape = tuple(np.frombuffer(dimensions, order + "i4").tolist())
    if kind != INT32 or not 2 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 0:
        raise ValueError("no dimensions")
    kind, name, at = _element(data, at, order)
    if kind != INT8:
        raise ValueError("no name")
    return struct.unpack_from(order + "I", flags)[0], shape, bytes(name).decode("latin-1"), at


def _matrix(data: memoryview, order: str, *, in_struct: bool) -> NDArray[Any] | Struct | None:
    """Value of a variable; None for what is neither numbers nor a structure of numbers."""
    flags, shape, _, at = _matrix_head(data, order)
    kind = flags & 0xFF
    if kind == STRUCT_CLASS and not in_struct and math.prod(shape) == 1:
        return _struct(data, at, order)
    if not FIRST_NUMERIC_CLASS <= kind <= LAST_NUMERIC_CLASS:
        return None
    values, at = _values(data, at, order)
    if flags & COMPLEX_FLAG:
        imaginary, at = _values(data, at, order)
        values = values + np.complex64(1j) * imaginary
    return values.reshape(shape, order="F")


def _values(data: memoryview, at: int, order: str) -> tuple[NDArray[Any], int]:
    # MATLAB stores numbers in the smallest type that holds them, whatever the class.
    kind, content, at = _element(data, at, order)
    return np.frombuffer(content, order + DTYPES[kind]), at


def _struct(data: memoryview, at: int, order: str) -> Struct:
    _, length, at = _element(data, at, order)
    (n_name,) = struct.unpack(order + "i", length)
    _, names, at = _element(data, at, order)
    if n_name <= 0 or len(names) % n_name:
        raise ValueError("no field names")
    fields: Struct = {}
    for begin in range(0, len(names), n_name):
        name = bytes(names[begin : begin + n_name]).split(b"\0")[0].decode("latin-1")
        kind, content, at = _element(data, at, order)
        if kind != MATRIX:
            raise ValueError("a field without a value")
        value = _matrix(content, order, in_struct=True) if len(content) else None
        fields[name] = value if isinstance(value, np.ndarray) else None
    return fields
