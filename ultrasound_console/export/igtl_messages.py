"""Messages of OpenIGTLink 3, as bytes: images with their place in space, and texts.

Tokuda et al., "OpenIGTLink: an open network protocol for image-guided therapy environment",
Int. J. Med. Robot. 5 (2009), 423-434; version 3 of the protocol adds the metadata.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.lanes_numba import exact

HEADER_BYTES = 58
_HEADER_VERSION = 2
_ASCII, _UTF8 = 3, 106
_LITTLE_ENDIAN, _RAS = 2, 1
_SCALARS = {"int8": 2, "uint8": 3, "float32": 10}
_POLYNOMIAL = 0x42F0E1EBA9EA3693


def image(
    name: str,
    time_s: float,
    pixels: NDArray[Any],
    matrix_mm: NDArray[np.float64],
    metadata: Mapping[str, str],
) -> bytes:
    """Make an IMAGE message of one slice.

    Parameters
    ----------
    name : str
        Of the device, at most 20 ASCII characters.
    time_s : float
        Seconds since 1970.
    pixels : (n_rows, n_columns) int8, uint8 or float32
    matrix_mm : (4, 4)
        From (column, row, slice, 1) to right, anterior, superior in millimetres.
    metadata : mapping of str to str
    """
    n_rows, n_columns = pixels.shape
    # The protocol puts an image by its middle.
    middle = matrix_mm @ ((n_columns - 1) / 2, (n_rows - 1) / 2, 0.0, 1.0)
    size = n_columns, n_rows, 1
    head = struct.pack(
        ">HBBBB3H12f6H",
        1, 1, _SCALARS[pixels.dtype.name], _LITTLE_ENDIAN, _RAS,
        *size, *matrix_mm[:3, :3].T.ravel(), *middle[:3], 0, 0, 0, *size,
    )  # fmt: skip
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return _message("IMAGE", name, time_s, (head, little.tobytes()), metadata)


def text(name: str, time_s: float, said: str, metadata: Mapping[str, str]) -> bytes:
    """Make a STRING message."""
    encoding, encoded = _encoded(said)
    head = struct.pack(">HH", encoding, len(encoded))
    return _message("STRING", name, time_s, (head, encoded), metadata)


def _message(
    kind: str, name: str, time_s: float, content: Iterable[bytes], metadata: Mapping[str, str]
) -> bytes:
    index, values = [struct.pack(">H", len(metadata))], []
    for key, value in metadata.items():
        encoding, encoded = _encoded(value)
        index.append(struct.pack(">HHI", len(key), encoding, len(encoded)))
        values += [key.encode("ascii"), encoded]
    index_bytes, value_bytes = b"".join(index), b"".join(values)
    extended = struct.pack(">HHII", 12, len(index_bytes), len(value_bytes), 0)
    body = b"".join((extended, *content, index_bytes, value_bytes))
    fraction, seconds = math.modf(time_s)
    header = struct.pack(
        ">H12s20sIIQQ",
        _HEADER_VERSION, kind.encode("ascii"), name.encode("ascii"),
        int(seconds), int(fraction * 2**32), len(body), crc64(body),
    )  # fmt: skip
    return header + body


def _encoded(said: str) -> tuple[int, bytes]:
    return (_ASCII if said.isascii() else _UTF8), said.encode("utf-8")


def crc64(data: bytes) -> int:
    """Checksum of a message's body: ECMA-182, the highest bit first, beginning with zero."""
    return int(_crc64(np.frombuffer(data, np.uint8), _TABLES))


def _tables() -> NDArray[np.uint64]:
    """Checksum of each byte with 0 ... 7 zero bytes after it."""
    tables = np.zeros((8, 256), np.uint64)
    first = np.arange(256, dtype=np.uint64) << np.uint64(56)
    for _ in range(8):
        carried = first >> np.uint64(63) != 0
        first = (first << np.uint64(1)) ^ np.where(carried, np.uint64(_POLYNOMIAL), np.uint64(0))
    tables[0] = first
    for n_zeros in range(1, 8):
        before = tables[n_zeros - 1]
        tables[n_zeros] = (before << np.uint64(8)) ^ first[before >> np.uint64(56)]
    return tables


@exact
def _crc64(data: NDArray[np.uint8], tables: NDArray[np.uint64]) -> np.uint64:
    """Take eight bytes at a time. Compiled, since it lets go of the interpreter meanwhile."""
    checksum = np.uint64(0)
    n_whole = data.size // 8 * 8
    for start in range(0, n_whole, 8):
        total = np.uint64(0)
        for place in range(8):
            shift = np.uint64(56 - 8 * place)
            byte = (checksum >> shift) & np.uint64(0xFF)
            total ^= tables[7 - place, byte ^ np.uint64(data[start + place])]
        checksum = total
    for place in range(n_whole, data.size):
        byte = (checksum >> np.uint64(56)) ^ np.uint64(data[place])
        checksum = (checksum << np.uint64(8)) ^ tables[0, byte]
    return checksum


_TABLES = _tables()
