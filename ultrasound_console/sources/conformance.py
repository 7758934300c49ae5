"""Whether a source keeps the promises of :class:`~.protocol.Source`; for those who write one."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..frames import Acquisition
from ..settings import AcquisitionSettings
from .inspection import BrokenError, Inspection
from .promises import CARRIES, CLOSED, ENDS, FORM, GOES_ON, OPENS, ORDER, PLAIN, STOPS, THREADS
from .protocol import Source, SourceError

_N_FRAMES = 3
# So long does a read wait before it is stopped.
_LEAD_S = 0.05
_EXTREMES: tuple[dict[str, Any], ...] = (
    {"prf_hz": 100.0, "ensemble": 0},
    {"prf_hz": 50e3, "ensemble": 64, "ensemble_step": 1},
    {"depth_m": 0.02, "box_top_m": 0.0995, "box_bottom_m": 0.1},
    {"depth_m": 0.06, "box_left_m": 0.0395, "box_right_m": 0.04},
)


@dataclass(frozen=True)
class Report:
    """What was checked.

    Attributes
    ----------
    results : dict
        From each promise to what was found against it; empty where it is kept.
    """

    results: dict[str, str]

    @property
    def findings(self) -> tuple[str, ...]:
        """One line for each promise that is not kept."""
        return tuple(f"{promise}: {found}" for promise, found in self.results.items() if found)


def check_source(open_new: Callable[[], Source], *, patience_s: float = 10.0) -> Report:
    """Open a source, use it as the console does, close it, and say what is wrong with it.

    Parameters
    ----------
    open_new : callable
        Opens the source.
    patience_s : float
        Longest wait for a frame.
    """
    course = _Course(patience_s)
    before = set(threading.enumerate())
    try:
        source = course.call(OPENS, "opening it", open_new)
        try:
            course.use(source)
        finally:
            course.end(source)
    except BrokenError:
        pass  # it is in the results
    except Exception as error:  # noqa: BLE001 - a source may be anything
        course.note(FORM, False, f"{type(error).__name__}: {error}")
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(patience_s / 2)
    names = ", ".join(thread.name for thread in left if thread.is_alive())
    course.note(THREADS, not names, names)
    return Report(course.results)


class _Course(Inspection):
    """What the console does with a source, in order."""

    def use(self, source: Source) -> None:
        """Play, stop, go on, change settings."""
        settings = self.call(OPENS, "defaults", lambda: source.defaults(AcquisitionSettings()))
        acquisition = self.configure(source, settings)
        self.call(OPENS, "start", source.start)
        self._play(source, acquisition)
        self._stop(source)
        self.call(GOES_ON, "start after stop", source.start)
        is_held = not acquisition.frame_interval_s
        order = ORDER if self.results.get(ORDER) else GOES_ON
        self.note(GOES_ON, is_held or self.read(source, order) is not None, "no frame comes")
        choices_hz = acquisition.prf_choices_hz[1:2] or (0.7 * settings.prf_hz,)
        other_hz = min(max(choices_hz[0], 100.0), 50e3)
        other = dataclasses.replace(settings, prf_hz=other_hz, ensemble=8)
        self._play(source, self.configure(source, other))
        self.call(STOPS, "stop", source.stop)
        for changes in _EXTREMES:
            with suppress(BrokenError):
                extreme = dataclasses.replace(settings, **changes)
                self.configure(source, extreme, may_refuse=True)

    def end(self, source: Source) -> None:
        """Close it, twice, and see that it stays closed."""
        for _ in range(2):
            self.call(CLOSED, "close", source.close)
        calls: dict[str, Callable[[], Any]] = {
            "start": source.start,
            "configure": lambda: source.configure(AcquisitionSettings()),
            "read": lambda: source.read(0.0),
        }
        for what, call in calls.items():
            try:
                answer = call()
            except SourceError as error:
                self.note_error(error)
                self.note(CLOSED, True)
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                self.note(PLAIN, False, f"{what} raises {type(error).__name__}: {error}")
            else:
                is_quiet = what == "read" and answer is None
                self.note(CLOSED, is_quiet, f"{what} raises no SourceError")

    def _play(self, source: Source, acquisition: Acquisition) -> None:
        """Read the first frames of an acquisition; a single one that is held comes once."""
        for _ in range(_N_FRAMES if acquisition.frame_interval_s else 1):
            is_first = self.last is None
            frame = self.read(source, ORDER)
            self.note(OPENS, frame is not None, "no frame comes")
            if frame is None:
                raise BrokenError
            if is_first:
                self.note(CARRIES, frame.acquisition == acquisition, "it is another")

    def _stop(self, source: Source) -> None:
        """Stop it while somebody waits for a frame, and again while nobody does."""
        failed: list[str] = []

        def stop() -> None:
            try:
                source.stop()
            except Exception as error:  # noqa: BLE001 - the thread's boundary
                failed.append(f"stop raises {type(error).__name__}: {error}")

        stopper, begin_s = threading.Timer(_LEAD_S, stop), time.perf_counter()
        stopper.start()
        while self.call(ENDS, "read", partial(source.read, self.patience_s)) is not None:
            if time.perf_counter() - begin_s > self.patience_s:
                break
        waited_s = time.perf_counter() - begin_s
        stopper.join()
        self.note(PLAIN, not failed, *failed)
        found = f"it came back after {waited_s:.3g} s"
        self.note(ENDS, waited_s < _LEAD_S + self.patience_s / 2, found)
        begin_s = time.perf_counter()
        frame = self.call(STOPS, "read", partial(source.read, _LEAD_S))
        waited_s = time.perf_counter() - begin_s
        is_quiet = frame is None and waited_s < _LEAD_S + self.patience_s / 2
        self.note(STOPS, is_quiet, f"{frame and 'a frame'} after {waited_s:.3g} s")
