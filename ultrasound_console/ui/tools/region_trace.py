"""How the flow in regions goes over the frames of the loop, worked out in the background."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from ...cine import Cine, LoopFrame
from ...export.measurements import Conditions
from ...measure import Ellipse, RegionStatistics, statistics
from ..background import Background
from .region_tool import Region


@dataclass(frozen=True)
class Sample:
    """A region in one frame.

    Attributes
    ----------
    told : LoopFrame
        The frame; another one once it has been processed again.
    conditions : Conditions
    statistics : RegionStatistics
    """

    told: LoopFrame
    conditions: Conditions
    statistics: RegionStatistics

    @property
    def is_corrected(self) -> bool:
        """Whether anybody looked for folds; else the corrected velocity is that measured."""
        return self.told.processing.dealias or self.statistics.n_by_hand > 0


@dataclass(frozen=True, eq=False)
class RegionTrace:
    """A region over the loop, oldest frame first.

    Attributes
    ----------
    ellipse : Ellipse
        Where it was measured.
    samples : tuple of Sample
    index : (n,) int64
    time_s : (n,) float64
    raw_mean_m_s, raw_fastest_m_s, corrected_mean_m_s, corrected_fastest_m_s : (n,) float64
        NaN where a frame has no flow there; the corrected ones also where nobody looked for folds.
    """

    ellipse: Ellipse
    samples: tuple[Sample, ...]
    index: NDArray[np.int64]
    time_s: NDArray[np.float64]
    raw_mean_m_s: NDArray[np.float64]
    raw_fastest_m_s: NDArray[np.float64]
    corrected_mean_m_s: NDArray[np.float64]
    corrected_fastest_m_s: NDArray[np.float64]

    @classmethod
    def of(cls, ellipse: Ellipse, samples: Sequence[Sample]) -> RegionTrace:
        """Line samples up."""
        rows = [
            (
                sample.told.time_s,
                sample.statistics.raw.mean_m_s,
                sample.statistics.raw.fastest_m_s,
                sample.statistics.corrected.mean_m_s if sample.is_corrected else math.nan,
                sample.statistics.corrected.fastest_m_s if sample.is_corrected else math.nan,
            )
            for sample in samples
        ]
        index = np.array([sample.told.index for sample in samples], np.int64)
        return cls(ellipse, tuple(samples), index, *np.array(rows, float).reshape(-1, 5).T)


class Tracer(QObject):
    """Measures regions in every frame of the loop, in a thread of its own.

    Frames that are known are not looked at again, unless they have been processed again. Where the
    regions change meanwhile, what was begun is left.

    Parameters
    ----------
    cine : Cine

    Signals
    -------
    traced : ()
        :attr:`traces` are others now.

    Attributes
    ----------
    traces : dict of int to RegionTrace
        By number of the region; never changed in place.
    background : Background
        Where they are worked out. A loop that has grown does not end what was begun.
    """

    traced = Signal()

    def __init__(self, cine: Cine) -> None:
        super().__init__()
        self.traces: dict[int, RegionTrace] = {}
        self.background = Background("regions")
        self._cine = cine
        self._asked: tuple[tuple[Region, ...], tuple[LoopFrame, ...]] = (), ()
        self._known: dict[int, tuple[Ellipse, dict[int, Sample]]] = {}

    def ask(self, regions: tuple[Region, ...], loop: tuple[LoopFrame, ...]) -> None:
        """Have traces of these regions over these frames, soon; not twice for the same."""
        if self._asked == (regions, loop):
            return
        had_regions = bool(self._asked[0])
        self._asked = regions, loop
        if regions or had_regions:
            self.background.ask(lambda _: self._trace(regions, loop))

    def close(self) -> None:
        """End the thread."""
        self._asked = (), ()
        self.background.close()

    def _trace(self, regions: tuple[Region, ...], loop: tuple[LoopFrame, ...]) -> None:
        """Bring the traces up to date; in the background."""
        traces: dict[int, RegionTrace] = {}
        for region in regions:
            ellipse, samples = self._known.get(region.number, (None, {}))
            if ellipse != region.ellipse:
                samples = {}
            found = self._measure(region, regions, loop, samples)
            if found is None:
                return
            self._known[region.number] = region.ellipse, {s.told.index: s for s in found}
            traces[region.number] = RegionTrace.of(region.ellipse, found)
        self.traces = traces
        self.traced.emit()

    def _measure(
        self,
        region: Region,
        regions: tuple[Region, ...],
        loop: tuple[LoopFrame, ...],
        known: dict[int, Sample],
    ) -> list[Sample] | None:
        """Measure one region in those frames that are not known; None when others are asked for."""
        found = []
        for told in loop:
            sample = known.get(told.index)
            if sample is None or sample.told is not told:
                if self._asked[0] != regions:
                    return None
                frame = self._cine.frame(told.index)
                if frame is None:
                    continue
                sample = Sample(told, Conditions.of(frame), statistics(frame, region.ellipse))
            found.append(sample)
        return found
