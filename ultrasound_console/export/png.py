"""PNG files with text beside the picture: what made it stays with it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _RGB = 8, 2
# Each row as the differences of neighbours along it, which suits both speckle and plain areas.
_SUB = 1
_LEVEL = 4


def write_png(path: Path, rgb: NDArray[np.uint8], texts: Mapping[str, str]) -> None:
    """Write a picture.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    rgb : (height, width, 3) uint8
    texts : mapping
        Text by keyword; keywords of the standard, such as ``Title`` and ``Software``, are known to
        other programs. 1 ... 79 characters of Latin-1 each.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    height, width, _ = rgb.shape
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = _SUB
    plain = rgb.reshape(height, -1)
    rows[:, 1:4] = plain[:, :3]
    np.subtract(plain[:, 3:], plain[:, :-3], out=rows[:, 4:])
    with path.open("wb") as file:
        file.write(_SIGNATURE)
        file.write(_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _RGB, 0, 0, 0)))
        for keyword, text in texts.items():
            head = keyword.encode("latin-1") + b"\0\0\0\0\0"  # not compressed, in no language
            file.write(_chunk(b"iTXt", head + text.encode("utf-8", "replace")))
        file.write(_chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)))
        file.write(_chunk(b"IEND", b""))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
