"""The last seconds, frame by frame: what freeze holds and scrubbing shows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, fields, replace

import numpy as np

from .corrections import corrected
from .dsp.kernels_summary import summarise
from .dsp.quantise import Quantised, quantise, restore
from .frames import Acquisition, Correction, DopplerFrame, IqFrame
from .settings import ProcessingSettings

DEFAULT_BUDGET_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class LoopFrame:
    """What can be told of a frame without its planes.

    Attributes
    ----------
    index : int
    time_s : float
    acquisition : Acquisition
    processing : ProcessingSettings
        What made it.
    aliased_share : float
        Share of the flow pixels whose fold is not zero.
    mean_speed_m_s : float
        Mean magnitude of the corrected velocity over the flow pixels, at f0; 0 without flow.
    """

    index: int
    time_s: float
    acquisition: Acquisition
    processing: ProcessingSettings
    aliased_share: float
    mean_speed_m_s: float

    @classmethod
    def of(cls, frame: DopplerFrame) -> LoopFrame:
        """Look through the planes of a frame, once."""
        span_m_s = 2.0 * frame.nyquist_velocity_m_s
        n_flow, n_aliased, speeds_m_s = summarise(
            frame.velocity_m_s, frame.fold, frame.status, span_m_s
        )
        return cls(
            frame.index,
            frame.time_s,
            frame.acquisition,
            frame.processing,
            n_aliased / max(1, n_flow),
            speeds_m_s / max(1, n_flow),
        )


@dataclass(frozen=True, eq=False)
class _Entry:
    """A finished frame with its beamformed samples, and as it is with what was given by hand."""

    quantised: Quantised
    iq: IqFrame
    frame: DopplerFrame
    told: LoopFrame
    correction: Correction | None = None
    by_hand: DopplerFrame | None = None

    @property
    def shown(self) -> DopplerFrame:
        return self.frame if self.by_hand is None else self.by_hand

    def put(self, frame: DopplerFrame, correction: Correction | None) -> _Entry:
        """Entry with another frame or correction."""
        by_hand = None if correction is None else corrected(frame, correction)
        told = LoopFrame.of(by_hand or frame)
        return replace(self, frame=frame, told=told, correction=correction, by_hand=by_hand)

    @property
    def n_bytes(self) -> int:
        planes = (getattr(self.frame, item.name) for item in fields(self.frame))
        own = self.by_hand
        corrections = () if own is None else (own.fold, own.status, own.confidence)
        held = (self.quantised.samples, self.iq.bmode_power, *planes, *corrections)
        return sum(array.nbytes for array in held if isinstance(array, np.ndarray))


class Cine:
    """A ring of frames, addressed by frame index, under a budget of bytes.

    While sealed it takes no new frames, so that what is on a frozen screen cannot be pushed out.
    """

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._lock = threading.Lock()
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._n_bytes = 0
        self._sealed = False

    def append(self, iq: IqFrame, frame: DopplerFrame, quantised: Quantised | None = None) -> bool:
        """Add a frame, with what was given to it by hand, dropping the oldest beyond the budget.

        Parameters
        ----------
        iq : IqFrame
        frame : DopplerFrame
        quantised : Quantised, optional
            Samples of ``iq``, if they have been quantised before.

        Returns
        -------
        bool
            False when the ring is sealed and the frame was not taken.
        """
        if self.sealed:
            return False
        if quantised is None:
            quantised = quantise(iq.iq, iq.acquisition.n_colour_pulses)
        samples_elsewhere = replace(iq, iq=np.zeros(0, np.float32))
        entry = _Entry(quantised, samples_elsewhere, frame, LoopFrame.of(frame))
        if iq.by_hand is not None:
            entry = entry.put(frame, iq.by_hand.on(iq.acquisition.colour_grid.shape))
        with self._lock:
            if self._sealed:
                return False
            self._entries[frame.index] = entry
            self._n_bytes += entry.n_bytes
            while self._n_bytes > self._budget_bytes and len(self._entries) > 1:
                _, oldest = self._entries.popitem(last=False)
                self._n_bytes -= oldest.n_bytes
        return True

    def seal(self, last_index: int | None = None) -> None:
        """Take no more frames; forget those after ``last_index`` (the one on screen)."""
        with self._lock:
            self._sealed = True
            if last_index is None:
                return
            while self._entries and next(reversed(self._entries)) > last_index:
                _, newest = self._entries.popitem(last=True)
                self._n_bytes -= newest.n_bytes

    def unseal(self) -> None:
        """Take new frames again."""
        with self._lock:
            self._sealed = False

    def clear(self) -> None:
        """Forget everything and take new frames."""
        with self._lock:
            # They are freed after this block: the screen does not wait for that.
            forgotten, self._entries = self._entries, OrderedDict()
            self._n_bytes = 0
            self._sealed = False
        del forgotten

    @property
    def sealed(self) -> bool:
        """Whether new frames are refused."""
        with self._lock:
            return self._sealed

    @property
    def n_bytes(self) -> int:
        """Memory held by the frames."""
        with self._lock:
            return self._n_bytes

    def indices(self) -> tuple[int, ...]:
        """Frame indices held, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def loop(self) -> tuple[LoopFrame, ...]:
        """Tell of all frames held, oldest first."""
        with self._lock:
            return tuple(entry.told for entry in self._entries.values())

    def frame(self, index: int) -> DopplerFrame | None:
        """Return the frame of that index, with what was given by hand; None if it is not held."""
        with self._lock:
            entry = self._entries.get(index)
        return None if entry is None else entry.shown

    def as_found(self, index: int) -> DopplerFrame | None:
        """Return the frame of that index as the de-aliasing left it."""
        with self._lock:
            entry = self._entries.get(index)
        return None if entry is None else entry.frame

    def correction(self, index: int) -> Correction | None:
        """Return what was given to the frame of that index by hand."""
        with self._lock:
            entry = self._entries.get(index)
        return None if entry is None else entry.correction

    def correct(self, index: int, correction: Correction | None) -> None:
        """Put what was given by hand over a frame, or take it away; it stays when replaced."""
        with self._lock:
            entry = self._entries.get(index)
            if entry is not None:
                self._put(entry, entry.put(entry.frame, correction))

    def before(self, index: int) -> DopplerFrame | None:
        """Return the frame held directly before that index, as the de-aliasing left it."""
        with self._lock:
            earlier = [held for held in self._entries if held < index]
            return self._entries[earlier[-1]].frame if earlier else None

    def iq(self, index: int) -> IqFrame | None:
        """Beamformed samples of that index, None if it is not held."""
        kept = self.kept(index)
        return None if kept is None else replace(kept[1], iq=restore(kept[0]))

    def kept(self, index: int) -> tuple[Quantised, IqFrame] | None:
        """Return the samples of that index as they are kept, and their frame without them.

        The frame carries what is given to it by hand now.
        """
        with self._lock:
            entry = self._entries.get(index)
        if entry is None:
            return None
        return entry.quantised, replace(entry.iq, by_hand=entry.correction)

    def replace(self, *frames: DopplerFrame) -> None:
        """Put re-processed frames in the place of those with their indices, all at once.

        What was given by hand stays, as far as there is flow.
        """
        with self._lock:
            held = [self._entries.get(frame.index) for frame in frames]
        made = [
            None if entry is None else entry.put(frame, entry.correction)
            for frame, entry in zip(frames, held, strict=True)
        ]
        with self._lock:
            for frame, old, new in zip(frames, held, made, strict=True):
                entry = self._entries.get(frame.index)
                if entry is None or new is None:
                    continue
                # Corrected in the meantime, it is corrected again.
                self._put(entry, new if entry is old else entry.put(frame, entry.correction))

    def _put(self, old: _Entry, new: _Entry) -> None:
        self._entries[new.frame.index] = new
        self._n_bytes += new.n_bytes - old.n_bytes
