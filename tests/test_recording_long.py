"""Raw data at the console's full rate, and beamformed data for long: no loss, memory flat.

By hand, on a disk that takes 200 MB/s and has 30 GB::

    RECORD_FIGURES=figures.json pytest -m long -s tests/test_recording_long.py --basetemp DIR

``RECORD_SECONDS`` and ``RECORD_IQ_SECONDS`` make it shorter than 60 s and 1200 s of data;
``RECORD_IQ_REAL_TIME=1`` makes the second last as long as its data.
"""

import dataclasses
import faulthandler
import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from fakes import make_acquisition

from ultrasound_console.dsp.quantise import Quantised, restore
from ultrasound_console.frames import ChannelFrame, IqFrame
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.record.content import Content
from ultrasound_console.record.recorder import Phase, Recorder
from ultrasound_console.sources import open_source

pytestmark = pytest.mark.long
RAW_SECONDS = float(os.environ.get("RECORD_SECONDS", "60"))
IQ_SECONDS = float(os.environ.get("RECORD_IQ_SECONDS", "1200"))
IQ_REAL_TIME = os.environ.get("RECORD_IQ_REAL_TIME") == "1"
FIGURES = os.environ.get("RECORD_FIGURES", "")
MB = 1e6


def full_size(interval_s):
    """12 colour pulses and 3 of B-mode, 128 elements, 1321 samples: 5.07 MB a frame."""
    return make_acquisition(
        probe=Probe.linear("L7-4", 128, 0.298e-3, 5.2e6),
        n_pulses=12,
        bmode_angles_rad=(-0.07, 0.0, 0.07),
        frame_interval_s=interval_s,
        colour_grid=ImageGrid("parallel", 151, 136, (-0.019, 0.019), (0.005, 0.04)),
        bmode_grid=ImageGrid("parallel", 256, 192, (-0.019, 0.019), (0.001, 0.045)),
    )


class Watch:
    """Memory and processor time of this process, looked at by its own thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._end = threading.Event()
        self.bytes: list[int] = []
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._end.wait(0.5):
            self.bytes.append(self._process.memory_info().rss)

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    @property
    def growth(self) -> float:
        """From the first fifth to the last one, the highest of each."""
        if not self.bytes:
            return 0
        fifth = max(1, len(self.bytes) // 5)
        return max(self.bytes[-fifth:]) - max(self.bytes[:fifth])


def paced(n, interval_s, give):
    """Call at the rate of the frames, and say how long the longest call took."""
    longest_s, begun_s = 0.0, time.perf_counter()
    for k in range(n):
        ahead_s = begun_s + k * interval_s - time.perf_counter()
        if ahead_s > 0.0:
            time.sleep(ahead_s)
        before_s = time.perf_counter()
        give(k)
        longest_s = max(longest_s, time.perf_counter() - before_s)
    return longest_s


def told(what, recorder, watch, seconds, finish_s, **more):
    """Print the figures, and keep them beside others in the file that was asked for."""
    status = recorder.status
    figures = {
        "seconds": seconds,
        "frames": status.n_frames,
        "lost": status.n_lost,
        "written_mb_s": status.n_bytes / MB / seconds,
        "disk_mb_s": status.disk_bytes_s / MB,
        "memory_mb": max(watch.bytes, default=0) / MB,
        "memory_growth_mb": watch.growth / MB,
        "finished_in_s": finish_s,
        **more,
    }
    sys.stderr.write(f"\n{what}: {json.dumps(figures, indent=1)}\n{status.told}\n")
    if FIGURES:
        path = Path(FIGURES)
        others = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**others, what: figures}, indent=1))


def test_raw_data_at_the_full_rate(tmp_path) -> None:
    interval_s = 1.0 / 30.0
    of, rng = full_size(interval_s), np.random.default_rng(0)
    shapes = (12, 128, 1321), (3, 128, 1321)
    samples = [[rng.integers(-2048, 2048, s).astype(np.int16) for s in shapes] for _ in range(8)]
    recorder = Recorder(tmp_path / "a.h5")
    watch = Watch()
    before = psutil.Process().cpu_times()
    recorder.start()

    def give(k):
        colour, bmode = samples[k % 8]
        now_s = time.perf_counter()
        recorder.take(ChannelFrame(k, k * interval_s, now_s, of, colour, bmode))

    n = round(RAW_SECONDS / interval_s)
    longest_s = paced(n, interval_s, give)
    after = psutil.Process().cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    recorder.stop()
    begun_s = time.perf_counter()
    status = recorder.wait()
    finish_s = time.perf_counter() - begun_s
    watch.stop()
    told(
        "raw",
        recorder,
        watch,
        RAW_SECONDS,
        finish_s,
        cores=cpu_s / RAW_SECONDS,
        longest_hand_over_ms=1e3 * longest_s,
    )
    assert (status.phase, status.n_frames, status.n_lost) == (Phase.DONE, n, 0)
    assert watch.growth < 100 * MB
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    for k in range(n):
        frame = source.read(1.0)
        assert frame.index == k
        if k % 97 == 0:
            assert np.array_equal(frame.colour, samples[k % 8][0])
    source.close()
    (tmp_path / "a.h5").unlink()


def test_beamformed_data_for_long(tmp_path) -> None:
    """20 minutes at 10 frames/s; or the same bytes, handed over as fast as they are written."""
    of, rng = full_size(0.1), np.random.default_rng(0)
    quantised = Quantised(
        rng.integers(-32767, 32768, (*of.colour_grid.shape, 2, 12)).astype(np.int16),
        np.array([123.0], np.float32),
    )
    power = rng.exponential(1.0, of.bmode_grid.shape).astype(np.float32)
    first = IqFrame(0, 0.0, 0.0, of, np.zeros(0, np.float32), power)
    recorder = Recorder(tmp_path / "a.h5", Content.IQ)
    watch = Watch()
    recorder.start()
    n = round(IQ_SECONDS / 0.1)

    def give(k):
        while recorder.status.n_frames < k - 50:
            time.sleep(0.001)
        frame = dataclasses.replace(first, index=k, time_s=0.1 * k, received_s=0.1 * k)
        recorder.take_iq(quantised, frame)

    faulthandler.cancel_dump_traceback_later()  # in real time it is meant to take that long
    paced(n, 0.1 if IQ_REAL_TIME else 0.0, give)
    recorder.stop()
    begun_s = time.perf_counter()
    status = recorder.wait()
    watch.stop()
    told("IQ", recorder, watch, IQ_SECONDS, time.perf_counter() - begun_s)
    assert (status.phase, status.n_frames, status.n_lost) == (Phase.DONE, n, 0)
    assert watch.growth < 100 * MB
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    assert source.n_frames == n
    source.start()
    iq = restore(quantised)
    for k in range(min(n, 50)):
        frame = source.read(1.0)
        assert (frame.index, frame.time_s) == (k, 0.1 * k)
        assert np.array_equal(frame.iq, iq)
    source.close()
    (tmp_path / "a.h5").unlink()
