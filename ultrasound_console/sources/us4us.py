"""A us4us scanner, live, through ARRUS in a process of its own.

ARRUS needs another NumPy than the console, and a fault of its drivers must not take the console
along. So another interpreter runs it (``us4us_child.py``); the samples come through shared memory.
The scanner transmits between :meth:`Us4usSource.start` and :meth:`Us4usSource.stop` only, and the
voltage is zero at all other times.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from pathlib import Path

from ..frames import Acquisition, ChannelFrame
from ..plain import PlainError, from_plain, plain
from ..settings import AcquisitionSettings
from .protocol import US4US, SourceError
from .ring import Ring
from .us4us_child import MAX_VOLTAGE_V
from .us4us_layout import Opened, Order, Uploaded
from .us4us_plan import SOUND_SPEED_M_S, Plan, Sequence, achieved
from .us4us_plan import plan as planned
from .us4us_process import RefusedError, ScannerError, ScannerProcess

PYTHON_VARIABLE = "ULTRASOUND_CONSOLE_ARRUS_PYTHON"
"""Environment variable that names the Python that has ARRUS."""
VOLTAGE_VARIABLE = "ULTRASOUND_CONSOLE_US4US_VOLTAGE_V"
"""Environment variable with the voltage to transmit with, plus and minus."""
LOWEST_VOLTAGE_V = 5
_HELP = "docs/us4us.md says how"


@dataclasses.dataclass(frozen=True)
class _OnScanner:
    """What is uploaded, and how its frames come."""

    sequence: Sequence
    wanted: Plan
    uploaded: Uploaded
    order: Order
    ring: Ring


class Us4usSource:
    """A scanner; see :class:`~.protocol.Source`.

    After a failure, the next :meth:`start` or :meth:`configure` connects to it anew.

    Parameters
    ----------
    session : Path
        Session file of ARRUS (``.prototxt``).

    Raises
    ------
    SourceError
        The scanner cannot be used.
    """

    def __init__(self, session: Path) -> None:
        self._session = session.absolute()
        self._name = f"us4us {session.name}"
        if sys.platform != "linux":
            raise SourceError(f"{self._name}: scanners work on Linux only")
        if not session.is_file():
            raise SourceError(f"{self._name}: no such session file; give {US4US}FILE.prototxt")
        self._python = os.environ.get(PYTHON_VARIABLE, "")
        if not self._python:
            raise SourceError(
                f"{self._name}: set {PYTHON_VARIABLE} to the Python that has ARRUS; {_HELP}"
            )
        self._voltage_v = _voltage_v(self._name)
        # Guards what stop() shares with the thread that reads.
        self._lock = threading.Lock()
        self._started = self._closed = self._told = False
        self._settings: AcquisitionSettings | None = None
        self._acquisition: Acquisition | None = None
        self._on_scanner: _OnScanner | None = None
        self._run = 0
        self._number = -1
        self._base = self._next_index = 0
        self._process, self._scanner = self._launched()
        self._n_receive = self._scanner.n_elements

    @property
    def name(self) -> str:
        """Name shown to the user."""
        return self._name

    @property
    def n_frames(self) -> int | None:
        """A scanner goes on without an end."""
        return None

    @property
    def filling(self) -> tuple[int, int] | None:
        """A scanner has its frames from the start."""
        return None

    def defaults(self, settings: AcquisitionSettings) -> AcquisitionSettings:
        """Return the settings as they are: the scanner has none of its own."""
        return settings

    def configure(self, settings: AcquisitionSettings) -> Acquisition:
        """Upload what comes nearest to the settings, stopped in between.

        Raises
        ------
        SourceError
            The source is closed, ARRUS refuses the settings, or the scanner failed.
        """
        self._check_open()
        was_started = self._started
        self.stop()
        acquisition = self._put_on_scanner(settings)
        self._settings, self._acquisition = settings, acquisition
        self._base = self._next_index = 0
        if was_started:
            self.start()
        return acquisition

    def start(self) -> None:
        """Set the voltage and transmit; frames follow.

        It does not wait: a failure is told by :meth:`read`.

        Raises
        ------
        SourceError
            The source is closed or not configured.
        """
        self._configured()
        with self._lock:
            self._started = True
            # What has failed and was told is opened anew by the next read(), which may wait.
            if not self._process.failure and self._on_scanner is not None:
                self._transmit(self._on_scanner)

    def read(self, timeout_s: float) -> ChannelFrame | None:
        """Wait for the next frame; None when none came in time or the source is stopped.

        After a failure that was told before, it connects anew first, however long that takes.

        Raises
        ------
        SourceError
            The source is closed, not configured, or the scanner failed, be it while it was stopped.
        """
        acquisition = self._configured()
        if not self._started:
            if self._process.failure and not self._told:
                raise self._failed(ScannerError(self._process.failure))
            return None
        if self._is_lost():
            acquisition = self._reconnect(acquisition)
        on_scanner = self._on_scanner
        assert on_scanner is not None
        deadline_s = time.perf_counter() + timeout_s
        samples = None
        while samples is None:
            left_s = max(0.0, deadline_s - time.perf_counter())
            try:
                arrival = self._process.newer(
                    self._run, self._number, left_s, lambda: not self._started
                )
            except ScannerError as error:
                raise self._failed(error) from error
            if arrival is None:
                return None
            self._number = arrival.number
            # None where the scanner has lapped this reader: the newest is tried.
            samples = on_scanner.ring.copy(arrival.number, on_scanner.order.take)
        index = self._base + self._number
        self._next_index = index + 1
        return ChannelFrame(
            index=index,
            time_s=index * acquisition.frame_interval_s,
            received_s=time.perf_counter(),
            acquisition=acquisition,
            colour=samples[: acquisition.n_pulses],
            bmode=samples[acquisition.n_pulses :],
        )

    def stop(self) -> None:
        """Stop transmitting, set the voltage to zero, end a waiting :meth:`read`; any thread."""
        with self._lock:
            if self._started:
                self._started = False
                self._process.tell("stop")
                self._process.wake()

    def close(self) -> None:
        """Stop, and end the process."""
        self.stop()
        with self._lock:
            self._closed = True
            self._process.close()

    def _transmit(self, on_scanner: _OnScanner) -> None:
        self._run += 1
        self._number, self._base = -1, self._next_index
        self._process.tell(
            "start",
            run=self._run,
            voltage_v=self._voltage_v,
            frame_bytes=on_scanner.uploaded.frame_bytes,
        )

    def _is_lost(self) -> bool:
        """Whether the scanner has to be opened anew, and the user knows why."""
        return self._on_scanner is None or (bool(self._process.failure) and self._told)

    def _reconnect(self, acquisition: Acquisition) -> Acquisition:
        """Open the scanner anew, as it was configured, and go on."""
        assert self._settings is not None
        again = self._put_on_scanner(self._settings)
        if again == acquisition:
            again = acquisition
        self._acquisition = again
        with self._lock:
            if self._started and self._on_scanner is not None:
                self._transmit(self._on_scanner)
        return again

    def _put_on_scanner(self, settings: AcquisitionSettings) -> Acquisition:
        """Upload a sequence, unless it is there already."""
        if self._process.failure:
            if not self._told:
                raise self._failed(ScannerError(self._process.failure))
            self._on_scanner = None
            self._process.close()  # the next one can only then have the scanner
            process, self._scanner = self._launched()
            with self._lock:
                self._process, self._told = process, False
                if self._closed:
                    process.close()
        try:
            on_scanner = self._uploaded(settings)
            while on_scanner.uploaded.n_firings > 1:
                fewer = self._n_receive // on_scanner.uploaded.n_firings
                if fewer < 2:
                    raise PlainError("elements that cannot receive after one transmit")
                self._n_receive = fewer
                on_scanner = self._uploaded(settings)
            acquisition = achieved(
                self._name, self._scanner, on_scanner.wanted, on_scanner.uploaded
            )
        except RefusedError as error:
            raise SourceError(f"{self._name}: ARRUS refuses this: {error}") from error
        except PlainError as error:
            self._on_scanner = None
            raise SourceError(f"{self._name}: the scanner tells of {error}") from error
        except ScannerError as error:
            raise self._failed(error) from error
        self._on_scanner = on_scanner
        voltage = f"transmits with {self._voltage_v} V, plus and minus"
        return dataclasses.replace(acquisition, notes=(voltage, *acquisition.notes))

    def _uploaded(self, settings: AcquisitionSettings) -> _OnScanner:
        wanted = planned(self._scanner, settings, self._n_receive)
        before = self._on_scanner
        if before is not None and before.sequence == wanted.sequence:
            return dataclasses.replace(before, wanted=wanted)
        self._on_scanner = None
        told = self._process.ask("upload", **plain(wanted.sequence))
        uploaded = from_plain(Uploaded, told, "upload")
        order = Order(uploaded, wanted.sequence.receive, self._scanner.n_elements)
        ring = self._process.ring(uploaded.frame_bytes)
        return _OnScanner(wanted.sequence, wanted, uploaded, order, ring)

    def _launched(self) -> tuple[ScannerProcess, Opened]:
        """Start a process and connect to the scanner."""
        try:
            process = ScannerProcess(self._python)
        except ScannerError as error:
            raise SourceError(f"{self._name}: {PYTHON_VARIABLE} is {error}; {_HELP}") from error
        try:
            told = process.ask("open", session=str(self._session), sound_speed_m_s=SOUND_SPEED_M_S)
            scanner = from_plain(Opened, told, "scanner")
            if scanner.curvature_radius_m:
                raise PlainError(f"{scanner.probe}: a curved array; connect a linear one")
        except (ScannerError, RefusedError, PlainError) as error:
            process.close()
            raise SourceError(f"{self._name}: {error}") from error
        return process, scanner

    def _failed(self, error: ScannerError) -> SourceError:
        """Tell of a failure, once; from now on it is opened anew."""
        with self._lock:
            self._started, self._told = False, True
        return SourceError(f"{self._name}: {error}")

    def _check_open(self) -> None:
        if self._closed:
            raise SourceError(f"{self._name}: closed; open it again")

    def _configured(self) -> Acquisition:
        self._check_open()
        if self._acquisition is None:
            raise SourceError(f"{self._name}: configure it first")
        return self._acquisition


def _voltage_v(name: str) -> int:
    """Voltage that the user has asked for; the lowest one where nothing was asked."""
    told = os.environ.get(VOLTAGE_VARIABLE, str(LOWEST_VOLTAGE_V))
    if not told.isdecimal() or not LOWEST_VOLTAGE_V <= int(told) <= MAX_VOLTAGE_V:
        raise SourceError(
            f"{name}: {VOLTAGE_VARIABLE} is {told!r}; give a whole number from "
            f"{LOWEST_VOLTAGE_V} to {MAX_VOLTAGE_V}"
        )
    return int(told)
