"""How fine a picture is computed where the computer cannot keep up, if the user allows less.

A coarser grid makes nearly everything cheaper, and costs little: the colour is averaged over
several pixels anyway. The folds of all frames are found alike. (To ask the network for every second
frame only, and leave the others to continuity, saves less and makes three times as many folds
change from one frame to the next.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from ..frames import Acquisition
from ..geometry import ImageGrid

NOTE = "coarser to keep the frame rate: "
"""What the note of an acquisition on a coarser grid begins with."""


class GridStep(NamedTuple):
    """How many times as far apart the samples of the colour and of the grey picture lie."""

    colour: float
    bmode: float


STEPS = GridStep(1.0, 1.0), GridStep(1.4, 1.0), GridStep(2.0, 1.4)
"""From the finest on."""

LOOK_S = 0.7
"""How long frames are counted before anything is concluded."""
# After a change tables are made, and frames lost, that say nothing.
_SETTLE_S = 1.0
# So many looks in a row with more than this share of frames lost: a hiccup is none.
_BAD_LOOKS, _BAD_SHARE = 2, 0.05
# A finer step has to fit into this share of the time between two frames, if it costs so much more.
_ROOM, _FINER_COST = 0.75, 1.5
_PATIENCE_S, _LONGEST_PATIENCE_S = 2.5, 60.0


@dataclass(frozen=True)
class Load:
    """The step in force, and what has been seen since the last look.

    Attributes
    ----------
    step : int
        Of :data:`STEPS`.
    patience_s : float
        For how long there has to be room before a finer step is tried. It doubles with each step
        to a coarser grid, so that one that does not fit is not tried over and over.
    since_s : float
        When the look began; a little later than now after a change.
    n_lost : int
        Frames lost by then.
    n_done : int
        Frames finished since then.
    busy_s : float
        What they took, all together.
    n_bad : int
        Looks in a row that found too many frames lost.
    roomy_s : float or None
        Since when there has been room for a finer step; None where there is none.
    """

    step: int = 0
    patience_s: float = _PATIENCE_S
    since_s: float | None = None
    n_lost: int = 0
    n_done: int = 0
    busy_s: float = 0.0
    n_bad: int = 0
    roomy_s: float | None = None

    def after(self, now_s: float, n_lost: int, busy_s: float, interval_s: float) -> Load:
        """Take note of a finished frame.

        Parameters
        ----------
        now_s : float
        n_lost : int
            Frames lost so far because something did not keep up.
        busy_s : float
            What the longer of its two steps took.
        interval_s : float
            From one frame of the source to the next.
        """
        if self.since_s is None or now_s < self.since_s:
            since_s = now_s if self.since_s is None else self.since_s
            return replace(self, since_s=since_s, n_lost=n_lost)
        seen = replace(self, n_done=self.n_done + 1, busy_s=self.busy_s + busy_s)
        if now_s - self.since_s < LOOK_S:
            return seen
        return seen._looked(now_s, n_lost, interval_s)

    def _looked(self, now_s: float, n_lost: int, interval_s: float) -> Load:
        n_lost_now = n_lost - self.n_lost
        is_bad = n_lost_now > _BAD_SHARE * (n_lost_now + self.n_done)
        n_bad = self.n_bad + 1 if is_bad else 0
        if n_bad >= _BAD_LOOKS and self.step + 1 < len(STEPS):
            patience_s = min(2.0 * self.patience_s, _LONGEST_PATIENCE_S)
            return Load(self.step + 1, patience_s, now_s + _SETTLE_S, n_lost)
        has_room = not n_lost_now and _FINER_COST * self.busy_s <= _ROOM * interval_s * self.n_done
        roomy_s = None if not has_room else self.since_s if self.roomy_s is None else self.roomy_s
        if self.step and roomy_s is not None and now_s - roomy_s >= self.patience_s:
            return Load(self.step - 1, self.patience_s, now_s + _SETTLE_S, n_lost)
        return Load(self.step, self.patience_s, now_s, n_lost, n_bad=n_bad, roomy_s=roomy_s)


@lru_cache(maxsize=4)
def on_step(acquisition: Acquisition, step: int) -> Acquisition:
    """Acquisition with its pictures on coarser grids of the same extent, which it notes.

    Parameters
    ----------
    acquisition : Acquisition
    step : int
        Of :data:`STEPS`.
    """
    if step == 0:
        return acquisition
    colour, bmode = STEPS[step]
    if acquisition.bmode_grid == acquisition.colour_grid:  # one picture, of the same samples
        bmode = colour
    grey = f", grey {bmode:g}\N{MULTIPLICATION SIGN}" if bmode > 1.0 else ""
    note = f"{NOTE}colour {colour:g}\N{MULTIPLICATION SIGN}{grey}"
    return replace(
        acquisition,
        colour_grid=_coarser(acquisition.colour_grid, colour),
        bmode_grid=_coarser(acquisition.bmode_grid, bmode),
        notes=(*acquisition.notes, note),
    )


def coarseness(acquisition: Acquisition) -> str:
    """Say how coarse the pictures are, to keep the frame rate; empty where they are not."""
    notes = (note for note in acquisition.notes if note.startswith(NOTE))
    return next(notes, "").removeprefix(NOTE)


def _coarser(grid: ImageGrid, factor: float) -> ImageGrid:
    n_depths, n_lines = (max(2, round((n - 1) / factor) + 1) for n in grid.shape)
    return replace(grid, n_depths=n_depths, n_lines=n_lines)
