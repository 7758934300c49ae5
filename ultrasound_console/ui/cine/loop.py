"""The frames of a loop as times and figures: what plays when, and which are the peaks. No Qt."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cine import LoopFrame
from ...frames import Acquisition
from ...settings import ProcessingSettings

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Of playing, in real time."""

# A frame whose successor is missing does not stand for longer than this, or two frames.
_LONGEST_GAP_S = 0.5
# One frame may have been dropped at a peak, and the next one stands for it.
_PEAK_FRAMES = 1.01
# Pictures without a rate of their own.
_STILL_S = 0.1


@dataclass(frozen=True)
class Stretch:
    """A part of the loop that is played over and over.

    Attributes
    ----------
    indices : tuple of int
        Of its frames.
    start_s : tuple of float
        When each of them begins, from 0.
    length_s : float
        When the last of them ends.
    """

    indices: tuple[int, ...]
    start_s: tuple[float, ...]
    length_s: float

    def index_at(self, played_s: float) -> int:
        """Frame that is on after a time."""
        return self.indices[bisect.bisect_right(self.start_s, played_s % self.length_s) - 1]

    def start_of(self, index: int | None) -> float:
        """When a frame begins; 0 for one that is not in the stretch."""
        return self.start_s[self.indices.index(index)] if index in self.indices else 0.0


def stretch(loop: Sequence[LoopFrame]) -> Stretch | None:
    """Lay frames one after the other, each for as long as it was on when it was acquired.

    Parameters
    ----------
    loop : sequence of LoopFrame
        Oldest first; fewer than two make no stretch.
    """
    if len(loop) < 2:
        return None
    *start_s, length_s = itertools.accumulate(_durations_s(loop), initial=0.0)
    return Stretch(tuple(frame.index for frame in loop), tuple(start_s), length_s)


def _durations_s(loop: Sequence[LoopFrame]) -> list[float]:
    durations_s = []
    for frame, after in itertools.zip_longest(loop, loop[1:]):
        usual_s = frame.acquisition.frame_interval_s or _STILL_S
        lasted_s = usual_s
        if after is not None and after.acquisition is frame.acquisition:
            lasted_s = after.time_s - frame.time_s
        most_s = max(_LONGEST_GAP_S, 2.0 * usual_s)
        durations_s.append(min(lasted_s, most_s) if lasted_s > 0.0 else usual_s)
    return durations_s


def of_one_clock(loop: Sequence[LoopFrame], index: int | None) -> tuple[LoopFrame, ...]:
    """Find the frames around one of the loop whose times follow each other.

    A source that is set up anew begins its clock again; on one axis of time both would lie over
    each other.

    Parameters
    ----------
    loop : sequence of LoopFrame
        Oldest first.
    index : int or None
        Of the frame on screen; one that is not in the loop stands for the newest.
    """
    begins = [at for at in range(1, len(loop)) if loop[at].time_s < loop[at - 1].time_s]
    places = [at for at, told in enumerate(loop) if told.index == index]
    shown = places[0] if places else len(loop) - 1
    first = max((at for at in begins if at <= shown), default=0)
    last = min((at for at in begins if at > shown), default=len(loop))
    return tuple(loop[first:last])


def peak_systoles(loop: Sequence[LoopFrame]) -> tuple[int, ...]:
    """Find the frames nearest to the peaks of the heart beats, oldest first.

    Simulated sources know when that is. A beat without a frame at its peak is left out, unless none
    has one: see :func:`beside_peak_s`. Elsewhere it is the frame of the highest mean speed; empty
    where nothing moves.
    """
    peaks: list[LoopFrame] = []
    for _, run in itertools.groupby(loop, key=lambda frame: id(frame.acquisition)):
        peaks += _known_peaks(list(run))
    if peaks:
        at_peak = [frame for frame in peaks if not beside_peak_s(frame)]
        return tuple(frame.index for frame in at_peak or peaks)
    fastest = max(loop, key=lambda frame: frame.mean_speed_m_s, default=None)
    return () if fastest is None or fastest.mean_speed_m_s == 0.0 else (fastest.index,)


def beside_peak_s(frame: LoopFrame) -> float:
    """Tell how long after the nearest known peak of a heart beat a frame is, or before it (< 0).

    0 where the peak is not known, and for a frame that stands for it. A peak may have none: frames
    were dropped, or a simulated heart was still being made.
    """
    beat = _beat(frame.acquisition)
    if beat is None:
        return 0.0
    cycle_s, peak_s = beat
    off_s = (frame.time_s - peak_s + 0.5 * cycle_s) % cycle_s - 0.5 * cycle_s
    return off_s if abs(off_s) > _PEAK_FRAMES * frame.acquisition.frame_interval_s else 0.0


def _beat(acquisition: Acquisition) -> tuple[float, float] | None:
    """How long a heart beat is as it is played, and when in it the peak is, where that is known."""
    interval_s = acquisition.frame_interval_s
    if acquisition.heart_cycle_s <= 0.0 or interval_s <= 0.0:
        return None
    # A heart cycle is played as a whole number of frames.
    cycle_s = max(1, round(acquisition.heart_cycle_s / interval_s)) * interval_s
    return cycle_s, acquisition.peak_systole_s / acquisition.heart_cycle_s * cycle_s


def _known_peaks(run: Sequence[LoopFrame]) -> list[LoopFrame]:
    """Frames of one acquisition at its peaks, where it knows them."""
    beat = _beat(run[0].acquisition)
    if beat is None:
        return []
    cycle_s, peak_s = beat
    reach_s = 0.5 * run[0].acquisition.frame_interval_s  # of the first and the last frame
    first_beat = math.ceil((run[0].time_s - reach_s - peak_s) / cycle_s)
    last_beat = math.floor((run[-1].time_s + reach_s - peak_s) / cycle_s)
    nearest = (
        min(run, key=lambda frame: abs(frame.time_s - (peak_s + beat * cycle_s)))
        for beat in range(first_beat, last_beat + 1)
    )
    return list(dict.fromkeys(nearest))


def peak_aliasing(loop: Sequence[LoopFrame]) -> tuple[int, ...]:
    """Find the frame with the largest aliased share; empty where nothing is aliased."""
    most = max(loop, key=lambda frame: frame.aliased_share, default=None)
    return () if most is None or most.aliased_share == 0.0 else (most.index,)


def next_of(indices: Sequence[int], shown: int | None) -> int:
    """First of some frames after the one on screen; from the last on to the first."""
    return next((index for index in indices if shown is None or index > shown), indices[0])


@dataclass(frozen=True, eq=False)
class Figures:
    """What the frames of a loop hold, oldest first.

    Attributes
    ----------
    aliased_share : (n,) float64
    mean_speed_m_s : (n,) float64
    outdated : (n,) bool
        Whether other settings made a frame.
    """

    aliased_share: NDArray[np.float64]
    mean_speed_m_s: NDArray[np.float64]
    outdated: NDArray[np.bool_]

    @classmethod
    def of(cls, loop: Sequence[LoopFrame], processing: ProcessingSettings | None = None) -> Figures:
        """Take the figures of all frames.

        Parameters
        ----------
        loop : sequence of LoopFrame
        processing : ProcessingSettings, optional
            In force; without it no frame counts as outdated.
        """
        # Thousands of frames share a few settings.
        made_by = {id(frame.processing): frame.processing for frame in loop}
        others = {
            key
            for key, made in made_by.items()
            if processing is not None and made != processing.for_samples_of(made)
        }
        return cls(
            np.array([frame.aliased_share for frame in loop], np.float64),
            np.array([frame.mean_speed_m_s for frame in loop], np.float64),
            np.array([id(frame.processing) in others for frame in loop], np.bool_),
        )

    @property
    def largest_aliased_share(self) -> float:
        """Largest aliased share; 0 without frames."""
        return float(self.aliased_share.max(initial=0.0))

    @property
    def largest_speed_m_s(self) -> float:
        """Largest mean speed; 0 without frames."""
        return float(self.mean_speed_m_s.max(initial=0.0))
