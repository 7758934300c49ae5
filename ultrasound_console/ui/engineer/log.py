"""The last records of the log, and every message that was shown, for those who look for a fault."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MOST = 500
SHOWN, SHOWN_ERROR = "shown", "shown as error"
"""Levels of messages that were on screen."""


@dataclass(frozen=True)
class Entry:
    """One record.

    Attributes
    ----------
    number : int
        Counts all there ever were.
    time_s : float
        ``time.time()``.
    level, text : str
    is_error : bool
    """

    number: int
    time_s: float
    level: str
    text: str
    is_error: bool

    def line(self) -> str:
        """Time of day, level and text."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.time_s))
        thousandths = int(self.time_s * 1e3) % 1000
        return f"{clock}.{thousandths:03d}  {self.level:14}  {self.text}"


class Log(logging.Handler):
    """Keeps the last entries; any thread may add one.

    Parameters
    ----------
    now_s : callable
        Time of day of a message.
    """

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self._now_s = now_s
        self._guard = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=MOST)
        self._numbers = itertools.count()
        # With a handler of ours Python would no longer write to stderr what nobody else does.
        self._for_stderr: logging.Handler | None = None

    def start(self) -> None:
        """Listen to all loggers."""
        root = logging.getLogger()
        if not root.handlers and logging.lastResort is not None:
            self._for_stderr = logging.lastResort
            root.addHandler(self._for_stderr)
        root.addHandler(self)

    def stop(self) -> None:
        """Listen no longer."""
        root = logging.getLogger()
        root.removeHandler(self)
        if self._for_stderr is not None:
            root.removeHandler(self._for_stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of a logger."""
        is_error = record.levelno >= logging.ERROR
        self._add(record.created, record.levelname.lower(), self.format(record), is_error)

    def note(self, text: str, is_error: bool) -> None:
        """Take a message that has come to the screen."""
        self._add(self._now_s(), SHOWN_ERROR if is_error else SHOWN, text, is_error)

    def entries(self) -> tuple[Entry, ...]:
        """Return what is kept, oldest first."""
        with self._guard:
            return tuple(self._entries)

    def _add(self, time_s: float, level: str, text: str, is_error: bool) -> None:
        with self._guard:
            self._entries.append(Entry(next(self._numbers), time_s, level, text, is_error))
