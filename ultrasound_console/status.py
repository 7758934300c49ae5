"""What the screen is told about the engine: how it is, and what happened."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from .frames import Acquisition
from .record.marks import Note
from .settings import AcquisitionSettings

STALE_PERIODS = 3.0
STALE_AT_LEAST_S = 0.3
# A hiccup must not let the next one pass unnoticed: it counts for no more than this, or so many
# times the interval before.
_LONGEST_GAP_S, _LONGEST_GAP_PERIODS = 0.5, 4.0
CPU_NAME = "CPU"
"""What computed a frame that no GPU did."""


class State(StrEnum):
    """What the screen must make unmistakable."""

    PREPARING = "preparing"
    LIVE = "live"
    FROZEN = "frozen"
    STALE = "stale"
    FAULT = "fault"


@dataclass
class Pace:
    """How finished frames follow one another, to tell a late picture from a live one."""

    last_s: float = field(default_factory=time.perf_counter)
    interval_s: float = 0.0

    def tick(self) -> None:
        """Take note of a frame."""
        now_s = time.perf_counter()
        longest_s = max(_LONGEST_GAP_S, _LONGEST_GAP_PERIODS * self.interval_s)
        observed_s = min(now_s - self.last_s, longest_s)
        self.interval_s += 0.2 * (observed_s - self.interval_s)
        self.last_s = now_s

    def is_late(self, frame_interval_s: float) -> bool:
        """Whether the next frame is overdue by periods; a still picture (0 s) never is."""
        period_s = max(frame_interval_s, self.interval_s)
        late_s = time.perf_counter() - self.last_s
        return frame_interval_s > 0.0 and late_s > max(STALE_PERIODS * period_s, STALE_AT_LEAST_S)


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
    replaced_at : tuple of int
        How many of them before the first step, before the second, and before the screen.
    left_out : int
        Frames of the present source that came again or too late.
    missed : int
        Frames that the present source has made and that were not there when a later one came.
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
    opening : str
        Name of the source that is being opened; empty when none is.
    loads_network : bool
        Whether the network is being loaded.
    filling : tuple of int or None
        Frames of its cycle that the source has made and will have made, while it makes them.
    rerun_share : float or None
        How much of the loop has been processed again; None while that is not being done.
    """

    state: State
    source: str = ""
    acquisition: Acquisition | None = None
    fault: str = ""
    replaced_frames: int = 0
    replaced_at: tuple[int, int, int] = (0, 0, 0)
    left_out: int = 0
    missed: int = 0
    errors: int = 0
    device: str = CPU_NAME
    compiling: str = ""
    n_compiled: int = 0
    network: str = ""
    opening: str = ""
    loads_network: bool = False
    filling: tuple[int, int] | None = None
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
    is_as_left : bool
        Whether it is shown with the settings that it was last used with.
    lacks_prf : str
        Name of a recording that opens once it is told its PRF.
    annotations : tuple of Note
        What the source that has been opened brings along for its pictures.
    """

    text: str
    is_error: bool = False
    opened: str = ""
    asked: str = ""
    start: AcquisitionSettings | None = None
    is_as_left: bool = False
    lacks_prf: str = ""
    annotations: tuple[Note, ...] = ()
