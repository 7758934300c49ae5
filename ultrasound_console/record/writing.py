"""Writes a recording into its journal: before each frame, what it needs and nobody told yet."""

from __future__ import annotations

import platform
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .. import __version__
from ..settings import Settings
from .content import (
    FORMAT,
    FORMAT_VERSION,
    MAX_PARTS,
    MAX_PARTS_BYTES,
    MAX_SETTINGS,
    Content,
    Part,
    Taken,
    from_text,
    text,
)
from .journal import JournalWriter, Kind, RecordError
from .marks import correction_pieces


class FrameWriter:
    """The journal of a recording while it grows; for one thread, but for :meth:`sync`.

    Parameters
    ----------
    path : Path
        Of the journal: a name that is not taken.
    content : Content
    network : callable
        Name and checksum of the network in force.

    Attributes
    ----------
    path : Path
    n_frames : int
        Written.
    busy_s : float
        Spent writing and waiting for the disk.

    Raises
    ------
    OSError
        It cannot be made.
    """

    def __init__(self, path: Path, content: Content, network: Callable[[], str]) -> None:
        self.path = path
        self.n_frames = 0
        self.busy_s = 0.0
        self._content, self._network = content, network
        self._parts: list[Part] = []
        self._part_bytes = 0
        self._told_settings: tuple[Settings, str] | None = None
        self._n_settings = 0
        self._journal = JournalWriter(path)
        try:
            self._journal.append(Kind.BEGIN, text(_begin(content)))
        except OSError:
            self.close()
            path.unlink()
            raise

    @property
    def n_bytes(self) -> int:
        """Of the journal."""
        return self._journal.n_bytes

    def write(self, taken: Taken, settings: Settings) -> bool:
        """Write a frame; False where it is of one acquisition more than a recording has.

        Raises
        ------
        RecordError
            The source says something of itself, or of its samples, that no reader would take.
        OSError
            It cannot be written.
        """
        part = Part(taken.acquisition, *taken.layouts)
        if part not in self._parts:
            told = _checked_text(part, self._content)
            self._part_bytes += len(told)
            if len(self._parts) >= MAX_PARTS or self._part_bytes > MAX_PARTS_BYTES:
                return False
            self.append(Kind.PART, told)
            self._parts.append(part)
        in_force = settings, self._network()
        if in_force != self._told_settings and self._n_settings < MAX_SETTINGS:
            named = {"settings": settings.to_dict(), "network": in_force[1]}
            self.append(Kind.SETTINGS, text(named))
            self._told_settings = in_force
            self._n_settings += 1
        self.append(Kind.FRAME, *taken.pieces(self._parts.index(part), self._n_settings - 1))
        self.n_frames += 1
        if taken.by_hand is not None:
            self.append(Kind.BY_HAND, *correction_pieces(taken.index, taken.by_hand))
        return True

    def append(self, kind: Kind, *pieces: object) -> None:
        """Write a record that stands for itself.

        Raises
        ------
        OSError
            It cannot be written.
        """
        begun_s = time.monotonic()
        self._journal.append(kind, *pieces)
        self.busy_s += time.monotonic() - begun_s

    def sync(self) -> None:
        """Wait for the disk; may be called in another thread, while more is written.

        Raises
        ------
        OSError
        """
        begun_s = time.monotonic()
        self._journal.sync()
        self.busy_s += time.monotonic() - begun_s

    def close(self) -> None:
        """Let go of the file."""
        self._journal.close()


def _begin(content: Content) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "content": content.value,
        "id": uuid.uuid4().hex,
        "program": f"ultrasound-console {__version__}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "begun_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _checked_text(part: Part, content: Content) -> bytes:
    """Write what holds for a run of frames, and see that it can be read.

    Raises
    ------
    RecordError
        The source says something of itself, or of its samples, that no reader would take.
    """
    try:
        told = text(part.told())
        back = Part.from_told(from_text(told), content)
    except (TypeError, ValueError) as error:
        raise RecordError(f"this source cannot be recorded: {error}") from error
    if back != part:
        raise RecordError("this source cannot be recorded: its acquisition does not come back")
    return told
