"""The scanner's side: runs ARRUS for the console, in a process and a Python of its own.

Started as a script. Commands come as lines of JSON on the standard input, answers and news go out
as lines of JSON on what was the standard output; the samples go through a ring in memory. Whatever
ends this process in an orderly way first stops the scheme and sets the voltage to zero: a command,
an error, the end of the console (its end of the pipe closes), and its silence.

Needs the standard library, NumPy and ARRUS, and no more than Python 3.8.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or __package__:
    from .ring import Ring
else:  # a script: the folder of this file is where Python looks first
    from ring import Ring

MAX_VOLTAGE_V = 30
"""Highest voltage, plus and minus, that this process sets."""
SILENCE_S = 10.0
"""Without a word from the console for this long, nobody watches: the scanner is stopped."""

# The pools of the device and of the computer; the second must be a multiple of the first.
_DEVICE_BUFFERS, _HOST_BUFFERS = 4, 8
_LONGEST_TEXT = 500


class _EndError(Exception):
    """The end of this process; the message says why, empty where the console asked for it."""


class _RefusedError(Exception):
    """A command that ARRUS does not carry out; the session goes on."""


class Line:
    """The lines to the console. Threads may share it.

    Parameters
    ----------
    out : int
        File descriptor.
    """

    def __init__(self, out: int) -> None:
        self._out = out
        self._lock = threading.Lock()
        os.set_blocking(out, False)

    def say(self, what: str, **values: Any) -> None:
        """Send a line and wait until it is on its way.

        Raises
        ------
        OSError
            The console reads no more.
        """
        line = json.dumps({"said": what, **values}).encode() + b"\n"
        with self._lock:
            while line:
                try:
                    line = line[os.write(self._out, line) :]
                except BlockingIOError:
                    if not select.select([], [self._out], [], SILENCE_S)[1]:
                        raise

    def mention(self, what: str, **values: Any) -> None:
        """Send a short line, or nothing where the console is far behind: never wait for it."""
        line = json.dumps({"said": what, **values}).encode() + b"\n"
        with self._lock:
            try:
                os.write(self._out, line)  # shorter than PIPE_BUF: whole or not at all
            except BlockingIOError:
                return


class Scanner:
    """An ARRUS session and what is uploaded to it.

    Parameters
    ----------
    line : Line
    memory : int
        File descriptor of the ring's memory.
    alarm : callable
        Called by threads of ARRUS with the reason why it cannot go on.
    """

    def __init__(self, line: Line, memory: int, alarm: Any) -> None:
        self._line, self._memory, self._alarm = line, memory, alarm
        self._arrus: Any = None
        self._session: Any = None
        self._device: Any = None
        self._n_elements = 0
        self._transmits = False
        self._ring: Ring | None = None
        self._buffer: Any = None  # ARRUS keeps no reference of its own to the callbacks
        self._run = self._number = 0

    def open(self, session: str, sound_speed_m_s: float) -> None:
        """Connect to the scanner and tell what it is."""
        try:
            import arrus  # type: ignore[import-not-found]
            import arrus.medium  # type: ignore[import-not-found]
            import arrus.ops.us4r  # type: ignore[import-not-found]
        except ImportError as error:
            raise _EndError(
                f"{sys.executable} cannot import ARRUS ({error}): install ARRUS there"
            ) from error
        medium = arrus.medium.Medium(name="tissue", speed_of_sound=sound_speed_m_s)
        self._arrus = arrus
        self._session = arrus.Session(session, medium=medium)
        self._device = self._session.get_device("/Us4R:0")
        self._voltage_off()
        probe = self._device.get_probe_model(0)
        self._n_elements = int(probe.n_elements)
        band_hz = getattr(probe, "tx_frequency_range", None)
        self._line.say(
            "opened",
            version=str(getattr(arrus, "__version__", "unknown")),
            probe=f"{probe.model_id.manufacturer} {probe.model_id.name}",
            n_elements=self._n_elements,
            pitch_m=float(probe.pitch),
            curvature_radius_m=_finite(probe.curvature_radius),
            band_hz=[_finite(edge) for edge in band_hz or ()],
            sampling_frequency_hz=float(self._device.sampling_frequency),
        )

    def upload(
        self,
        *,
        frequency_hz: float,
        n_cycles: float,
        blocks: list[dict[str, Any]],
        receive: list[int],
        n_samples: int,
        downsampling: int,
        interval_s: float,
    ) -> None:
        """Put a sequence on the scanner and tell what became of it."""
        us4r = self._arrus.ops.us4r
        element = np.arange(self._n_elements)
        ops = []
        for block in blocks:
            transmit = us4r.Tx(
                aperture=np.ones(self._n_elements, dtype=bool),
                excitation=us4r.Pulse(
                    center_frequency=frequency_hz, n_periods=n_cycles, inverse=False
                ),
                delays=np.asarray(block["delays_s"]),
            )
            get = us4r.Rx(
                aperture=(element >= receive[0]) & (element < receive[1]),
                sample_range=(0, n_samples),
                downsampling_factor=downsampling,
            )
            ops += [us4r.TxRx(tx=transmit, rx=get, pri=block["pri_s"])] * block["n"]
        scheme = us4r.Scheme(
            tx_rx_sequence=us4r.TxRxSequence(ops=ops, tgc_curve=[], sri=interval_s),
            rx_buffer_size=_DEVICE_BUFFERS,
            output_buffer=us4r.DataBufferSpec(type="FIFO", n_elements=_HOST_BUFFERS),
            work_mode="ASYNC",
        )
        try:
            self._buffer, told = self._session.upload(scheme)[:2]
        except (ValueError, RuntimeError, TypeError) as error:
            raise _RefusedError(str(error)) from error
        metadata = told[0] if isinstance(told, (list, tuple)) else told
        self._ring = None
        self._buffer.append_on_new_data_callback(self._hand_over)
        self._buffer.append_on_buffer_overflow_callback(self._overflow)
        self._tell_upload(metadata, frequency_hz)

    def _tell_upload(self, metadata: Any, frequency_hz: float) -> None:
        description, raw = metadata.data_description, metadata.context.raw_sequence
        mapping = description.custom["frame_channel_mapping"]
        samples = self._buffer.elements[0].arrays[0]
        actual = getattr(self._device, "get_actual_frequency", None)
        self._line.say(
            "uploaded",
            frequency_hz=float(actual(frequency_hz)) if actual else frequency_hz,
            sampling_frequency_hz=float(description.sampling_frequency),
            first_sample_s=float(description.custom.get("rx_offset", 0.0)),
            pri_s=[float(op.pri) for op in raw.ops],
            interval_s=float(raw.sri or 0.0),
            shape=[int(n) for n in samples.shape],
            kind=str(samples.dtype),
            frames=_whole(mapping.frames),
            channels=_whole(mapping.channels),
            modules=_whole(mapping.us4oems),
            first_frames=_whole(mapping.frame_offsets),
            n_frames=_whole(mapping.n_frames),
        )

    def start(self, run: int, voltage_v: int, frame_bytes: int) -> None:
        """Set the voltage and begin to transmit."""
        if not 0 < voltage_v <= MAX_VOLTAGE_V:
            raise _EndError(f"{voltage_v} V: the voltage must be 1 to {MAX_VOLTAGE_V} V")
        self._ring = Ring(self._memory, frame_bytes)
        self._run, self._number = run, 0
        self._transmits = True
        self._device.set_hv_voltage(voltage_v)
        self._session.start_scheme()
        self._line.say("started")

    def stop(self) -> None:
        """Stop transmitting and set the voltage to zero."""
        self.make_safe()
        self._line.say("stopped")

    def make_safe(self) -> None:
        """Stop the scheme and set the voltage to zero; each is tried even if the other fails.

        Raises
        ------
        _EndError
            One of them failed.
        """
        if not self._transmits:
            return
        failures = []
        for act in (self._session.stop_scheme, self._voltage_off):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - the next act must follow
                failures.append(_told(error))
        if failures:
            raise _EndError(f"it could not be stopped, switch it off: {'; '.join(failures)}")
        self._transmits = False

    def close(self) -> None:
        """Make safe and let go of the scanner."""
        try:
            self.make_safe()
        finally:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def _voltage_off(self) -> None:
        """Zero, and switched off: that counts, as some supplies know no zero."""
        with suppress(Exception):
            self._device.set_hv_voltage(0)
        self._device.disable_hv()

    def _hand_over(self, element: Any) -> None:
        """Copy a frame into the ring and give its buffer back, in a thread of ARRUS."""
        try:
            # What ARRUS catches here it only prints.
            if self._ring is None:
                return
            number, self._number = self._number, self._number + 1
            self._ring.put(number, element.arrays[0])
            self._line.mention("frame", run=self._run, number=number)
        except Exception as error:  # noqa: BLE001 - the boundary to ARRUS
            self._alarm(f"a frame could not be handed over: {_told(error)}")
        finally:
            element.release()

    def _overflow(self) -> None:
        self._alarm(
            "its buffers overflowed: the computer did not take the frames in time; lower the "
            "frame rate or the depth"
        )


def _whole(values: Any) -> list[int]:
    return [int(value) for value in np.asarray(values).ravel()]


def _finite(value: Any) -> float:
    """JSON has no name for what is not a number; ARRUS calls a flat array's radius so."""
    number = float(value)
    return number if np.isfinite(number) else 0.0


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_TEXT]


class _Alarm:
    """Wakes the main thread: no thread of ARRUS may stop the scheme, it would wait for itself."""

    def __init__(self) -> None:
        self.awake, self._ring = os.pipe()
        self.reason = ""
        self._lock = threading.Lock()

    def __call__(self, reason: str) -> None:
        with self._lock:
            if not self.reason:
                self.reason = reason
                os.write(self._ring, b"!")


def _commands(alarm: _Alarm) -> Iterator[dict[str, Any]]:
    """Commands from the console, until there are no more.

    Raises
    ------
    _EndError
        The alarm went, or the console is silent.
    """
    read, left = sys.stdin.fileno(), b""
    while True:
        ready, _, _ = select.select([read, alarm.awake], [], [], SILENCE_S)
        if alarm.awake in ready:
            raise _EndError(alarm.reason)
        if not ready:
            raise _EndError(f"the console has not been heard for {SILENCE_S:g} s")
        got = os.read(read, 65536)
        if not got:
            return
        *lines, left = (left + got).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _serve(scanner: Scanner, line: Line, alarm: _Alarm) -> None:
    for command in _commands(alarm):
        act = command.pop("do")
        if act == "beat":
            continue
        if act not in ("open", "upload", "start", "stop"):
            raise _EndError(f"unknown command {act!r}")
        try:
            getattr(scanner, act)(**command)
        except _RefusedError as error:
            line.say("refused", why=str(error)[:_LONGEST_TEXT])


def main() -> None:
    """Serve the console until it ends; the one argument is the descriptor of the memory."""
    del sys.path[0]  # or the files beside this one would stand for packages of the same names
    # ARRUS and what it loads print; that must not come between the lines.
    line = Line(os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    alarm = _Alarm()
    signal.signal(signal.SIGTERM, lambda *_: alarm("it was told to end"))
    scanner = Scanner(line, int(sys.argv[1]), alarm)
    reasons = []
    # First safe, then tell: telling may take long.
    for act in (partial(_serve, scanner, line, alarm), scanner.close):
        try:
            act()
        except _EndError as error:
            reasons.append(str(error))
        except Exception as error:  # noqa: BLE001 - the process ends here
            reasons.append(_told(error))
    if reasons:
        with suppress(OSError):
            line.say("failed", why="; ".join(reasons)[:_LONGEST_TEXT])


if __name__ == "__main__":
    main()
