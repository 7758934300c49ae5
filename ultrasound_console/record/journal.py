"""The file that a recording grows in: framed records, each with its own checksums.

A record is a header of 28 bytes and its payload (``docs/recording.md``). Nothing is ever written
again in place, so that whatever ends the program or the power, all records but the last few are
whole, and the first one that is not is seen.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, Self

MAGIC, VERSION = b"UCJ\x01", 1
MAX_RECORD_BYTES = 2**30
MAX_TEXT_BYTES = 2**24
"""Of a record that holds text."""
# Magic, version, kind, number of the record, bytes of the payload, checksum of the payload.
_HEADER = struct.Struct("<4sHHIQI")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CHECKSUM.size
_BLOCK_BYTES = 2**20


class RecordError(Exception):
    """A recording that cannot be made or read; the message is one line and says what to do."""


class Kind(IntEnum):
    """What a record is."""

    BEGIN = 1
    PART = 2
    SETTINGS = 3
    FRAME = 4
    GAP = 5
    END = 6
    NOTES = 7
    BY_HAND = 8


@dataclass(frozen=True)
class Record:
    """A whole record.

    Attributes
    ----------
    kind : Kind
    payload : memoryview
        Valid until the next record is read.
    """

    kind: Kind
    payload: memoryview


class JournalWriter:
    """Appends records to a new file, which nobody else may have.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        The file is there already, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_bytes = 0
        self._number = 0
        self._file: Any = path.open("xb", buffering=0)
        _lock(self._file)

    def append(self, kind: Kind, *pieces: Any) -> None:
        """Write one record.

        Parameters
        ----------
        kind : Kind
        *pieces : bytes-like
            Contiguous; together they are the payload.

        Raises
        ------
        OSError
            It could not be written; the file ends with the record before it.
        """
        views = [memoryview(piece).cast("B") for piece in pieces if memoryview(piece).nbytes]
        length, checksum = sum(map(len, views)), 0
        for view in views:
            checksum = zlib.crc32(view, checksum)
        header = _HEADER.pack(MAGIC, VERSION, kind, self._number, length, checksum)
        header += _CHECKSUM.pack(zlib.crc32(header))
        try:
            for view in (memoryview(header), *views):
                self._write(view)
        except OSError:
            with suppress(OSError):
                self._file.truncate(self.n_bytes)
                self._file.seek(self.n_bytes)
            raise
        self.n_bytes += len(header) + length
        self._number += 1

    def sync(self) -> None:
        """Wait until all of it is on the disk.

        Raises
        ------
        OSError
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, view: memoryview) -> None:
        while view:
            # A disk that is nearly full takes a part.
            written = self._file.write(view)
            view = view[written:]


class JournalReader:
    """Reads records up to the first that is not whole; memory is bounded by the file's own size.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    n_bytes : int
        Of the file.
    n_good_bytes : int
        Of the records read so far.
    damage : str
        Why it ended before the end of the file; empty where it did not.

    Raises
    ------
    RecordError
        It is none of a journal, or is being written.
    OSError
        It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        self.n_bytes = os.fstat(self._file.fileno()).st_size
        self.n_good_bytes = 0
        self.damage = ""
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise RecordError(f"{path.name}: not the journal of a recording; give a .part file")
            if not _lock(self._file):
                raise RecordError(f"{path.name}: is being recorded; end the recording first")
        except BaseException:
            self._file.close()
            raise
        self._file.seek(0)
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        """Yield records in order, and set :attr:`damage` where they end too early."""
        number = 0
        while self.n_good_bytes < self.n_bytes:
            record = self._next(number)
            if record is None:
                return
            yield record
            number += 1

    def _next(self, number: int) -> Record | None:
        header = self._file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            self.damage = "cut off"
            return None
        (told,) = _CHECKSUM.unpack_from(header, _HEADER.size)
        magic, version, kind, own_number, length, checksum = _HEADER.unpack_from(header)
        if told != zlib.crc32(header[: _HEADER.size]) or magic != MAGIC or own_number != number:
            self.damage = "damaged"
            return None
        if version != VERSION or kind not in tuple(Kind):
            self.damage = "of a later version"
            return None
        has_samples = kind in (Kind.FRAME, Kind.BY_HAND)
        longest = MAX_RECORD_BYTES if has_samples else MAX_TEXT_BYTES
        if length > longest:
            self.damage = "damaged"
            return None
        if length > self.n_bytes - self.n_good_bytes - HEADER_BYTES:
            self.damage = "cut off"
            return None
        if len(self._buffer) < length:
            self._buffer = bytearray(length)
        payload = memoryview(self._buffer)[:length]
        if self._fill(payload) < length:
            self.damage = "cut off"
            return None
        if zlib.crc32(payload) != checksum:
            self.damage = "damaged"
            return None
        self.n_good_bytes += HEADER_BYTES + length
        return Record(Kind(kind), payload)

    def _fill(self, payload: memoryview) -> int:
        n_read = 0
        while n_read < len(payload):
            n = self._file.readinto(payload[n_read : n_read + _BLOCK_BYTES])  # type: ignore[attr-defined]
            if not n:
                break
            n_read += n
        return n_read


def _lock(file: Any) -> bool:
    """Keep the file for this program as long as it is open; False where another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows, where nobody can take away a file that is open
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
