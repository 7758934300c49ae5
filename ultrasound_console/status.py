"""What the screen is told about the engine: how it is, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .frames import Acquisition
from .settings import AcquisitionSettings

CPU_NAME = "CPU"
"""What computed a frame that no GPU did."""


class State(StrEnum):
    """What the screen must make unmistakable."""

    PREPARING = "preparing"
    LIVE = "live"
    FROZEN = "frozen"
    STALE = "stale"
    FAULT = "fault"


@dataclass(frozen=True)
class EngineStatus:
    """How the engine is at this moment.

    Attributes
    ----------
    state : State
    source : str
        Name of the open source, empty before the first one.
    acquisition : Acquisition or None
        What the source achieves.
    fault : str
        Stage and error, while ``state`` is FAULT.
    replaced_frames : int
        Frames replaced by newer ones before they were processed or shown.
    errors : int
        Faults and refused requests since the start.
    device : str
        What computed the newest frame.
    compiling : str
        Kernel that is being compiled, at the first start on a machine; empty when none is.
    n_compiled : int
        Kernels compiled since the start.
    network : str
        Where the network computes, or that there is none; empty while nobody has asked for it.
    rerun_share : float or None
        How much of the loop has been processed again; None while that is not being done.
    """

    state: State
    source: str = ""
    acquisition: Acquisition | None = None
    fault: str = ""
    replaced_frames: int = 0
    errors: int = 0
    device: str = CPU_NAME
    compiling: str = ""
    n_compiled: int = 0
    network: str = ""
    rerun_share: float | None = None


@dataclass(frozen=True)
class Notice:
    """Something the user should read.

    Attributes
    ----------
    text : str
    is_error : bool
    opened : str
        Name of a source that has just been opened; the settings may have changed.
    asked : str
        What it was opened as: a path or ``simulated:NAME``.
    start : AcquisitionSettings or None
        What it starts with where nothing has been set.
    """

    text: str
    is_error: bool = False
    opened: str = ""
    asked: str = ""
    start: AcquisitionSettings | None = None
