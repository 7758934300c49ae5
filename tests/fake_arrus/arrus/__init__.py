"""A stand-in for ARRUS: the calls that the console makes, and a scanner in front of moving echoes.

Its session file is JSON and says what goes wrong. Everything that is done to the scanner is written
to a file beside it, one line each.
"""

import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from . import medium, ops
from .echoes import record
from .layout import Layout

__all__ = ["Session", "medium", "ops"]
__version__ = "0.0-fake"

print("ARRUS says hello on the standard output")  # noqa: T201 - as the real one does
# Or the console's files stood for other packages.
assert not any(Path(folder, "us4us_child.py").exists() for folder in sys.path)


class Session:
    def __init__(self, cfg_path, medium):
        self._told = json.loads(Path(cfg_path).read_text(encoding="utf-8"))
        self._log = os.open(cfg_path + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._medium = medium
        self._device = _Us4R(self._told, self.note)
        self._thread = None
        self._stopped = threading.Event()
        self.note(f"session {os.getpid()}")

    def note(self, line):
        os.write(self._log, line.encode() + b"\n")

    def get_device(self, path):
        if path != "/Us4R:0":
            raise ValueError(path)
        return self._device

    def upload(self, scheme):
        assert self._thread is None, "the scheme runs"
        assert scheme.work_mode == "ASYNC"
        sequence, told = scheme.tx_rx_sequence, self._told
        if sequence.ops[0].pri < told.get("shortest_pri_s", 0.0):
            raise ValueError("PRI is too short")
        raw = ops.us4r.TxRxSequence(
            ops=[
                ops.us4r.TxRx(op.tx, op.rx, pri=np.ceil(op.pri * 1e6 - 1e-6) * 1e-6)
                for op in sequence.ops
            ],
            sri=sequence.sri,
        )
        rate_hz = self._device.sampling_frequency / raw.ops[0].rx.downsampling_factor
        layout = Layout(raw.ops)
        self._frame = layout.scattered(
            record(raw.ops, self._device.x_m, rate_hz, told, self._medium.speed_of_sound)
        )
        self._interval_s = told.get("interval_s", sequence.sri)
        shape = self._frame.shape
        if told.get("wrong_buffer"):
            shape = (shape[0] - 1, shape[1])
        self.buffer = DataBuffer(scheme.output_buffer.n_elements, shape)
        self.note(f"upload {1.0 / raw.ops[0].pri:.1f} Hz, {len(raw.ops)} transmits")
        metadata = SimpleNamespace(
            data_description=SimpleNamespace(
                sampling_frequency=rate_hz,
                custom={"frame_channel_mapping": layout.mapping, "rx_offset": 0.0},
            ),
            context=SimpleNamespace(raw_sequence=raw),
        )
        return self.buffer, [metadata]

    def start_scheme(self):
        self.note("start")
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop_scheme(self):
        self.note("stop")
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self):
        self.note("close")

    def _run(self):
        frames, then = self._told.get("frames", 10**9), self._told.get("then", "stall")
        for _ in range(frames):
            if not self.buffer.produce(self._frame) or self._stopped.wait(self._interval_s):
                return
        if then == "overflow":
            self.buffer.overflow()
        elif then == "odd":
            self.buffer.hand_over(_Element((7, 32)))
        elif then == "crash":
            os.abort()


class _Us4R:
    sampling_frequency = 65e6
    voltage = 0

    def __init__(self, told, note):
        self._n_elements, self._note = told.get("n_elements", 64), note
        self._sticks, self._n_offs = told.get("sticks", False), 0
        self.x_m = (np.arange(self._n_elements) - (self._n_elements - 1) / 2) * 0.3e-3

    def set_hv_voltage(self, voltage):
        self._note(f"voltage {voltage}")
        if voltage == 0:
            raise ValueError("some supplies know no zero")

    def disable_hv(self):
        self._note("no voltage")
        self._n_offs += 1
        if self._sticks and self._n_offs > 1:
            raise OSError("it sticks")

    def get_actual_frequency(self, frequency):
        return frequency

    def get_probe_model(self, ordinal):
        assert ordinal == 0
        return SimpleNamespace(
            n_elements=self._n_elements,
            pitch=0.3e-3,
            curvature_radius=float("nan"),
            tx_frequency_range=(3e6, 7e6),
            model_id=SimpleNamespace(manufacturer="fake", name="linear"),
        )


class _Element:
    def __init__(self, shape):
        self.arrays = [np.zeros(shape, np.int16)]
        self.is_free = True

    def release(self):
        self.is_free = True


class DataBuffer:
    def __init__(self, n_elements, shape):
        self.elements = [_Element(shape) for _ in range(n_elements)]
        self._data, self._overflow, self._next = [], [], 0

    def append_on_new_data_callback(self, callback):
        self._data.append(callback)

    def append_on_buffer_overflow_callback(self, callback):
        self._overflow.append(callback)

    def produce(self, samples):
        element = self.elements[self._next % len(self.elements)]
        self._next += 1
        if not element.is_free:
            self.overflow()
            return False
        element.is_free = False
        element.arrays[0][...] = samples
        self.hand_over(element)
        return True

    def hand_over(self, element):
        for callback in self._data:
            try:
                callback(element)
            except Exception as error:  # noqa: BLE001 - the real one swallows it, too
                print(error)  # noqa: T201

    def overflow(self):
        for callback in self._overflow:
            callback()
