"""How a recording goes: how far it is, what it has written, and for how long there is room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Phase(StrEnum):
    """How far a recording is."""

    RECORDING = "recording"
    FINISHING = "finishing"
    DONE = "done"
    KEPT = "kept"
    """Only the journal is there: it can be recovered."""
    EMPTY = "empty"


@dataclass(frozen=True)
class RecorderStatus:
    """How a recording goes.

    Attributes
    ----------
    phase : Phase
    path : Path
        The file that there will be.
    elapsed_s : float
        Since it was begun, up to its end.
    n_frames, n_lost : int
        Written; acquired but not written because the disk was too slow, or failed.
    n_bytes : int
        Of the journal.
    rate_bytes_s : float
        What is written in a second at present.
    disk_bytes_s : float
        What the disk took in a second of writing and waiting for it; 0 before it is known.
    free_bytes : int
        On the disk.
    remaining_s : float
        Until the disk has no room for the finished file; infinite while nothing is written.
    share : float
        Of the finished file that is done.
    told : str
        One line for the user; empty while there is nothing to tell.
    is_error : bool
        Whether that is something that went wrong.
    """

    phase: Phase
    path: Path
    elapsed_s: float
    n_frames: int
    n_lost: int
    n_bytes: int
    rate_bytes_s: float
    disk_bytes_s: float
    free_bytes: int
    remaining_s: float
    share: float
    told: str
    is_error: bool
