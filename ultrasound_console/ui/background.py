"""Work that takes longer than a frame, done beside the screen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

_log = logging.getLogger(__name__)

_JOIN_S = 5.0


class Waker(QObject):
    """Brings a call from a worker thread to the screen's. Outlives whoever is woken."""

    woken = Signal()

    def wake(self) -> None:
        """Call; whoever holds this method, other than the signal's own, keeps the signal alive."""
        self.woken.emit()


class Ticket:
    """One piece of work: whether it is still wanted, and how far it is."""

    def __init__(self, told: Callable[[float], object]) -> None:
        self._told = told
        self.is_wanted = True

    def progress(self, share: float) -> None:
        """Tell how much is done, 0 ... 1."""
        if self.is_wanted:
            self._told(share)


class Background(QObject):
    """Does one thing after the other in a thread of its own.

    What is asked for last counts: it takes the place of what waits, and what is being done learns
    that it is not wanted any more.

    Parameters
    ----------
    name : str
        Of the thread, and of what it does.

    Signals
    -------
    done : (result)
        A piece of work that is still wanted has ended; with None where it failed.
    progressed : (share)
    failed : (text)
        It ended in an error.
    """

    done = Signal(object)
    progressed = Signal(float)
    failed = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._condition = threading.Condition()
        self._waiting: tuple[Ticket, Callable[[Ticket], object]] | None = None
        self._ticket: Ticket | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    def ask(self, work: Callable[[Ticket], object]) -> None:
        """Have something done, in the place of what was asked for before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        with self._condition:
            self._leave()
            self._waiting = Ticket(self.progressed.emit), work
            self._ticket = self._waiting[0]
            self._condition.notify()

    def cancel(self) -> None:
        """Leave what is being done, and what waits."""
        with self._condition:
            self._leave()
            self._waiting = None

    def close(self) -> None:
        """End the thread."""
        with self._condition:
            self._leave()
            self._closing = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def _leave(self) -> None:
        if self._ticket is not None:
            self._ticket.is_wanted = False

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing or self._waiting is not None)
                if self._closing or self._waiting is None:
                    return
                (ticket, work), self._waiting = self._waiting, None
            try:
                result = work(ticket)
            except Exception as error:  # noqa: BLE001 (whatever it is, the screen tells it)
                _log.exception("%s", self._name)
                self.failed.emit(f"{self._name}: {str(error) or type(error).__name__}")
                result = None
            if ticket.is_wanted:
                self.done.emit(result)
