"""A source on the bench: every call is watched, and what comes of it is held to its promises."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from ..frames import AcquiredFrame, Acquisition
from ..settings import AcquisitionSettings
from . import promises
from .promises import COUNTS, KEPT, NAMES, OPENS, PLAIN, RECEIVED
from .protocol import Source, SourceError

_LONGEST_LINE = 500
_T = TypeVar("_T")


class BrokenError(Exception):
    """There is no going on; why is in the results."""


class Inspection:
    """Calls a source and keeps what was found.

    Parameters
    ----------
    patience_s : float
        Longest wait for a frame.

    Attributes
    ----------
    results : dict
        From each promise to what was found against it; empty where it is kept.
    """

    def __init__(self, patience_s: float) -> None:
        self.results: dict[str, str] = {}
        self.patience_s = patience_s
        self.last: AcquiredFrame | None = None
        self._last_crc32 = 0

    def note(self, promise: str, kept: bool, found: object = "") -> None:
        """Note whether a promise is kept; the first thing found against it stays."""
        if not self.results.get(promise):
            what = " ".join(str(found).split())[:_LONGEST_LINE]
            self.results[promise] = "" if kept else what

    def call(
        self, promise: str, what: str, call: Callable[[], _T], *, may_refuse: bool = False
    ) -> _T:
        """Call what must not fail; at most, where it may, refuse by a SourceError."""
        try:
            return call()
        except SourceError as error:
            self.note_error(error)
            self.note(promise, may_refuse, f"{what}: {error}")
            raise BrokenError from error
        except Exception as error:
            self.note(PLAIN, False, f"{what} raises {type(error).__name__}: {error}")
            raise BrokenError from error

    def note_error(self, error: SourceError) -> None:
        """Note whether an error can be shown to a user."""
        text = str(error)
        is_plain = text.isprintable() and 0 < len(text) <= _LONGEST_LINE
        self.note(PLAIN, is_plain, f"{text!r} is not one line")

    def configure(
        self, source: Source, settings: AcquisitionSettings, *, may_refuse: bool = False
    ) -> Acquisition:
        """Apply settings, and look at what is achieved."""
        self.let_go()
        configure = partial(source.configure, settings)
        achieved = self.call(OPENS, "configure", configure, may_refuse=may_refuse)
        for promise, kept, found in promises.of_acquisition(achieved, settings):
            self.note(promise, kept, found)
        is_named = bool(source.name) and not set("/\\") & set(source.name)
        names = f"{source.name!r}, and {achieved.source!r} in the acquisition"
        self.note(NAMES, is_named and achieved.source == source.name, names)
        n, (made, wanted) = source.n_frames, source.filling or (0, 0)
        counts = f"n_frames {n}, filling {source.filling}"
        self.note(COUNTS, (n is None or n > 0) and 0 <= made <= wanted, counts)
        return achieved

    def read(self, source: Source, order: str) -> AcquiredFrame | None:
        """Wait for a frame; ``order`` is the promise that it comes after the one before."""
        end_s = time.perf_counter() + self.patience_s
        while (begin_s := time.perf_counter()) < end_s:
            frame = self.call(OPENS, "read", partial(source.read, end_s - begin_s))
            if frame is None:
                continue
            is_now = begin_s <= frame.received_s <= time.perf_counter()
            self.note(RECEIVED, is_now, f"{frame.received_s:g} s of time.perf_counter()")
            for promise, kept, found in promises.of_frame(frame):
                self.note(promise, kept, found)
            if (last := self.last) is not None:
                is_later = last.index < frame.index and last.time_s < frame.time_s
                found = f"{frame.index} at {frame.time_s:g} s after {last.index} at {last.time_s:g}"
                self.note(order, is_later, found)
            self.let_go()
            self.last, self._last_crc32 = frame, _crc32(frame)
            return frame
        return None

    def let_go(self) -> None:
        """See that the last frame is what it was."""
        if self.last is not None:
            self.note(KEPT, _crc32(self.last) == self._last_crc32, "its samples were changed")
        self.last = None


def _crc32(frame: AcquiredFrame) -> int:
    """Checksum of all arrays of a frame."""
    arrays = (getattr(frame, item.name) for item in dataclasses.fields(frame))
    pieces = (np.ascontiguousarray(array) for array in arrays if isinstance(array, np.ndarray))
    return sum(zlib.crc32(piece.tobytes()) for piece in pieces)
