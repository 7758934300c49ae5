"""What commands say and refuse alike."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ..batch import Ended, Note, Progress

_WIDTH, _NARROW = 40, 20
_REDRAWN_S = 0.1


class InputError(Exception):
    """Bad input from the command line; the message is the one line the user sees."""


def note(text: str) -> None:
    """Say something that the user should know."""
    print(f"note: {text}", file=sys.stderr)


def check_output(path: Path) -> None:
    """Refuse a file in a folder that does not exist."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_json(path: Path | None) -> None:
    """Refuse what is not the name of a file in a folder that exists."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path}: give the name of a file in a folder that exists")


def check_drawing(option: str) -> None:
    """Refuse an option that draws where Matplotlib is missing, before hours of measuring."""
    if find_spec("matplotlib") is None:
        raise InputError(f"{option} needs Matplotlib: install the extra 'train'")


def unwritten(path: Path, error: OSError) -> InputError:
    """Say that a file could not be written."""
    return InputError(f"{path}: {error.strerror or error}; nothing was kept")


def show_progress(done: int, total: int, what: str = "frames") -> None:
    """Draw how far it is, where somebody looks."""
    if not sys.stderr.isatty():
        return
    end = "\n" if done == total else ""
    print(f"\r{_bar(done / total)} {done}/{total} {what}", end=end, file=sys.stderr, flush=True)


class BatchLine:
    """How far a batch is: one line that moves where somebody looks, and stands still at the end.

    Names of the files that were written go to the output, notes and failures to the errors, a line
    each. Used as a context manager.

    Parameters
    ----------
    n_jobs : int

    Attributes
    ----------
    n_failed : int
    """

    def __init__(self, n_jobs: int) -> None:
        self.n_failed = 0
        self._n_jobs, self._n_ended, self._n_frames = n_jobs, 0, 0
        self._running: dict[str, float] = {}
        self._notes = set[str]()
        self._began_s = time.monotonic()
        self._drawn, self._drawn_s = "", -_REDRAWN_S

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._wipe()
        if self._n_ended or kind is None:
            print(self._told, file=sys.stderr)

    def take(self, event: Note | Progress | Ended) -> None:
        """Show what happened."""
        from ..batch import Ended, Progress

        if isinstance(event, Progress):
            self._running[event.job.source] = event.done / event.total
        elif isinstance(event, Ended):
            self._running.pop(event.job.source, None)
            self._n_ended += 1
            self._n_frames += event.n_frames
            self._wipe()
            if event.failure:
                self.n_failed += 1
                print(f"failed: {event.job.source}: {event.failure}", file=sys.stderr)
            else:
                print(event.job.output, flush=True)
        elif event.text not in self._notes:
            self._notes.add(event.text)
            self._wipe()
            note(event.text)
        self._draw()

    @property
    def _told(self) -> str:
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        took_s = time.monotonic() - self._began_s
        return (
            f"{self._n_ended} of {self._n_jobs} files{failed}, {self._n_frames} frames in "
            f"{took_s:.0f} s"
        )

    def _draw(self) -> None:
        now_s = time.monotonic()
        if not sys.stderr.isatty() or (self._drawn and now_s < self._drawn_s + _REDRAWN_S):
            return
        share = (self._n_ended + sum(self._running.values())) / self._n_jobs
        text = f"{_bar(share, _NARROW)} {self._told}"
        print("\r" + text.ljust(len(self._drawn)), end="", file=sys.stderr, flush=True)
        self._drawn, self._drawn_s = text, now_s

    def _wipe(self) -> None:
        """Make room for a line that stays."""
        if self._drawn:
            print("\r" + " " * len(self._drawn) + "\r", end="", file=sys.stderr, flush=True)
            self._drawn = ""


def _bar(share: float, width: int = _WIDTH) -> str:
    filled = int(width * share)
    return f"[{'#' * filled}{'.' * (width - filled)}]"
