"""A source under the test's control."""

import dataclasses
import threading
import time

import numpy as np

from ultrasound_console.frames import Acquisition, ChannelFrame
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.sources import SourceError

GRID = ImageGrid("parallel", 12, 10, (-0.004, 0.004), (0.005, 0.015))


def make_acquisition(**changes) -> Acquisition:
    probe = Probe.linear("fake", 16, 0.3e-3, 5e6)
    acquisition = Acquisition(
        source="fake",
        probe=probe,
        sampling_frequency_hz=20e6,
        center_frequency_hz=5e6,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=1540.0,
        start_time_s=0.0,
        transmit_angle_rad=0.0,
        receive_angle_rad=0.0,
        bmode_angles_rad=(),
        prf_hz=3000.0,
        requested_prf_hz=3000.0,
        max_prf_hz=10e3,
        n_pulses=8,
        frame_interval_s=0.03,
        colour_grid=GRID,
        bmode_grid=GRID,
    )
    return dataclasses.replace(acquisition, **changes)


class FakeSource:
    """Delivers a frame for each :meth:`push`; records what was asked of it."""

    def __init__(self, **changes) -> None:
        self.acquisition = make_acquisition(**changes)
        self.calls: list[str] = []
        self.refuse = ""
        self.broken = ""
        self.alter = None  # the next frame, once
        self._condition = threading.Condition()
        self._due = 0
        self._made = 0
        self._running = False

    name = "fake"
    n_frames = None
    filling = None

    @property
    def running(self) -> bool:
        with self._condition:
            return self._running

    def push(self, n: int = 1) -> None:
        with self._condition:
            self._due += n
            self._condition.notify_all()

    def defaults(self, settings):
        return dataclasses.replace(settings, prf_hz=3000.0)

    def configure(self, settings):
        self.calls.append(f"configure {settings.prf_hz:g}")
        if self.refuse:
            raise SourceError(self.refuse)
        self._made = 0
        self.acquisition = dataclasses.replace(
            self.acquisition, prf_hz=settings.prf_hz, requested_prf_hz=settings.prf_hz
        )
        return self.acquisition

    def start(self) -> None:
        with self._condition:
            self.calls.append("start")
            self._running = True

    def stop(self) -> None:
        with self._condition:
            self.calls.append("stop")
            self._running = False
            self._condition.notify_all()

    def close(self) -> None:
        self.calls.append("close")

    def read(self, timeout_s):
        if self.broken:
            raise SourceError(self.broken)
        with self._condition:
            self._condition.wait_for(lambda: self._due or not self._running, timeout_s)
            if not self._due or not self._running:
                return None
            self._due -= 1
        index = self._made
        self._made += 1
        samples = np.random.default_rng(index).normal(size=(8, 16, 512)) * 100
        frame = ChannelFrame(
            index=index,
            time_s=0.03 * index,
            received_s=time.perf_counter(),
            acquisition=self.acquisition,
            colour=samples.astype(np.int16),
        )
        alter, self.alter = self.alter, None
        return frame if alter is None else alter(frame)
