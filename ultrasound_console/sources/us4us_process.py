"""The process that runs ARRUS, as the console sees it: commands, answers, frames, and its end.

Lines of JSON go both ways; what comes is checked field by field. One thread listens, sends a beat
every second so that the other side knows that somebody watches, and ends a process that talks
nonsense or owes an answer for too long.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..plain import PlainError, from_plain
from .ring import Ring, new_memory, reserve

_log = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("us4us_child.py")
# Of our own Python: they would lead another one astray.
_NOT_FOR_OTHERS = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
_BEAT_S = 1.0
# ARRUS before 0.11 takes two seconds to stop.
_GRACE_S = 8.0
_LONGEST_LINE = 2**22
_LONGEST_TEXT = 300
ANSWERS = {"open": "opened", "upload": "uploaded", "start": "started", "stop": "stopped"}
_ANSWER_WITHIN_S = {"open": 90.0, "upload": 30.0, "start": 10.0, "stop": 10.0}


class ScannerError(Exception):
    """The process has ended, or has to; the message says why."""


class RefusedError(Exception):
    """ARRUS does not carry a command out; the message is its own."""


@dataclass(frozen=True)
class Arrival:
    """A frame that lies in the ring.

    Attributes
    ----------
    run, number : int
        After which start, and which frame of the sequence it is.
    """

    run: int
    number: int


@dataclass
class _Owed:
    """An answer that is waited for."""

    command: str
    until_s: float
    told: dict[str, Any] | None = None


class ScannerProcess:
    """Starts the process and talks to it; threads may share it.

    Parameters
    ----------
    python : str
        Interpreter that has ARRUS.

    Attributes
    ----------
    failure : str
        Why it cannot be used any more; empty while it can.

    Raises
    ------
    ScannerError
        The interpreter does not start.
    """

    def __init__(self, python: str) -> None:
        self.failure = ""
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._owed: deque[_Owed] = deque()
        self._newest: Arrival | None = None
        self._why = self._last_words = ""
        self._kill_at_s: float | None = None
        self._memory = new_memory()
        environment = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_OTHERS}
        try:
            self._child = subprocess.Popen(  # noqa: S603 - the user names the interpreter
                [python, str(_CHILD), str(self._memory)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(self._memory,),
                env=environment,
                # Ctrl+C is for the console, which then ends this process in its own way.
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._memory)
            raise ScannerError(f"{python}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)
        self._thread.start()

    def tell(self, command: str, **values: Any) -> _Owed:
        """Send a command and do not wait; a failure shows in :attr:`failure`."""
        owed = _Owed(command, time.monotonic() + _ANSWER_WITHIN_S[command])
        with self._sending:
            with self._changed:
                self._owed.append(owed)
            self._send({"do": command, **values})
        return owed

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Send a command and wait for the answer.

        Raises
        ------
        RefusedError
        ScannerError
        """
        owed = self.tell(command, **values)
        with self._changed:
            self._changed.wait_for(lambda: owed.told is not None or self.failure)
            if owed.told is None:
                raise ScannerError(self.failure)
        if owed.told["said"] == "refused":
            raise RefusedError(_text(owed.told.get("why")))
        return owed.told

    def ring(self, frame_bytes: int) -> Ring:
        """Make the ring for frames of a size; the process finds it in the same memory.

        Raises
        ------
        ScannerError
            There is not so much memory.
        """
        try:
            reserve(self._memory, frame_bytes)
            return Ring(self._memory, frame_bytes)
        except OSError as error:
            raise ScannerError(f"no memory for frames of {frame_bytes} bytes: {error}") from error

    def newer(
        self, run: int, number: int, timeout_s: float, given_up: Callable[[], bool]
    ) -> Arrival | None:
        """Wait for a frame of a run, behind the one with a number.

        Returns
        -------
        Arrival or None
            The newest; None when none came in time or ``given_up`` said so (see :meth:`wake`).

        Raises
        ------
        ScannerError
        """

        def has_come() -> bool:
            newest = self._newest
            return newest is not None and newest.run == run and newest.number > number

        with self._changed:
            self._changed.wait_for(lambda: has_come() or self.failure or given_up(), timeout_s)
            if given_up():
                return None
            if self.failure:
                raise ScannerError(self.failure)
            return self._newest if has_come() else None

    def wake(self) -> None:
        """Let :meth:`newer` ask whether to give up."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the process in its orderly way, or by force, and let go of everything."""
        with self._changed:
            self.failure = self.failure or "closed"
            self._kill_at_s = self._kill_at_s or time.monotonic() + _GRACE_S
            self._changed.notify_all()
        with self._sending, suppress(OSError):
            if self._child.stdin:
                self._child.stdin.close()
        self._thread.join(_GRACE_S + 4.0 * _BEAT_S)
        with self._sending:
            if self._memory >= 0:
                os.close(self._memory)
                self._memory = -1

    def _send(self, values: dict[str, Any]) -> None:
        stdin = self._child.stdin
        # A pipe that is broken or closed has been, or will be, found out by the listener.
        with suppress(OSError):
            if stdin and not stdin.closed:
                stdin.write(json.dumps(values).encode() + b"\n")

    # ---- the listening thread -------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._listen()
        finally:
            self._has_ended()

    def _listen(self) -> None:
        out, err = self._child.stdout, self._child.stderr
        assert out is not None
        assert err is not None
        left = {out.fileno(): b"", err.fileno(): b""}
        beat_at_s = time.monotonic() + _BEAT_S
        with selectors.DefaultSelector() as selector, out, err:
            selector.register(out, selectors.EVENT_READ, self._heard)
            selector.register(err, selectors.EVENT_READ, self._complained)
            while out in selector.get_map():
                for key, _ in selector.select(_BEAT_S):
                    got = os.read(key.fd, 2**16)
                    if not got:
                        selector.unregister(key.fileobj)
                    *lines, left[key.fd] = (left[key.fd] + got).split(b"\n")
                    for line in lines:
                        key.data(line)
                    if len(left[key.fd]) > _LONGEST_LINE:
                        left[key.fd] = b""
                        self._give_up("it talks without an end")
                if time.monotonic() >= beat_at_s:
                    beat_at_s = time.monotonic() + _BEAT_S
                    self._look_after()

    def _look_after(self) -> None:
        """Send a beat; end what hangs."""
        now_s = time.monotonic()
        if self._kill_at_s is not None:
            if now_s > self._kill_at_s:
                self._signal(signal.SIGKILL)
            return
        # Whoever sends now is heard as well.
        if self._sending.acquire(blocking=False):
            try:
                self._send({"do": "beat"})
            finally:
                self._sending.release()
        with self._changed:
            late = self._owed[0].command if self._owed and now_s > self._owed[0].until_s else ""
        if late:
            self._give_up(
                f"it did not answer to {late!r} within {_ANSWER_WITHIN_S[late]:g} s: make sure "
                "that the scanner does not transmit"
            )

    def _heard(self, line: bytes) -> None:
        """Take a line from the process."""
        if self.failure:
            return
        try:
            told = json.loads(line)
            said = told["said"]
            if said == "frame":
                arrival = from_plain(Arrival, told, "frame")
                with self._changed:
                    self._newest = arrival
                    self._changed.notify_all()
            elif said == "failed":
                self._why = _text(told["why"])
            else:
                self._answered(told, said)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, PlainError):
            self._give_up(f"it said what is not understood: {_text(line.decode(errors='replace'))}")

    def _answered(self, told: dict[str, Any], said: str) -> None:
        with self._changed:
            if said not in (ANSWERS[self._owed[0].command], "refused"):
                raise ValueError
            self._owed.popleft().told = told
            self._changed.notify_all()

    def _complained(self, line: bytes) -> None:
        """Keep what the process, or ARRUS in it, prints."""
        self._last_words = _text(line.decode(errors="replace")) or self._last_words
        _log.info("scanner: %s", self._last_words)

    def _give_up(self, why: str) -> None:
        """End the process: first by asking it, as it then makes the scanner safe."""
        with self._changed:
            self.failure = self.failure or f"the scanner process was ended: {why}"
            self._kill_at_s = self._kill_at_s or time.monotonic() + _GRACE_S
            self._changed.notify_all()
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(OSError):
            os.killpg(self._child.pid, number)

    def _has_ended(self) -> None:
        """Say how, when its end of the pipe has closed."""
        try:
            code = self._child.wait(_BEAT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            code = self._child.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        why = self._why or (f"ended ({how}){': ' * bool(self._last_words)}{self._last_words}")
        with self._changed:
            self.failure = self.failure or (
                f"the scanner process stopped: {why}" if self._why else f"the scanner process {why}"
            )
            self._changed.notify_all()


def _text(told: object) -> str:
    """Keep what may be shown of a text from outside."""
    shown = "".join(c if c.isprintable() else " " for c in str(told)[:_LONGEST_TEXT])
    return " ".join(shown.split())
