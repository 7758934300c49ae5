"""Frame rate and latency from invented paints."""

import pytest

from ultrasound_console.ui.meter import Meter


def paint_steadily(meter, n, interval_s=0.04, latency_s=0.05, start_s=100.0):
    for index in range(n):
        now_s = start_s + index * interval_s
        meter.painted(index, now_s - latency_s, now_s)
    return start_s + (n - 1) * interval_s


def test_nothing_painted_reads_zero():
    reading = Meter().reading(5.0)
    assert (reading.frames, reading.painted_fps, reading.latency_ms_p99) == (0, 0.0, 0.0)


def test_steady_paints_read_their_rate_and_latency():
    meter = Meter()
    now_s = paint_steadily(meter, 51)
    reading = meter.reading(now_s)
    assert reading.frames == 51
    assert reading.painted_fps == pytest.approx(25.0)
    assert meter.recent_fps(now_s) == pytest.approx(25.0)
    assert reading.latency_ms_p50 == pytest.approx(50.0)
    assert meter.recent_latency_ms() == pytest.approx(50.0)


def test_a_frame_painted_again_counts_once():
    meter = Meter()
    meter.painted(7, 0.9, 1.0)
    meter.painted(7, 0.9, 9.0)
    meter.painted(6, 0.9, 9.5)
    reading = meter.reading(11.0)
    assert reading.frames == 1
    assert reading.latency_ms_p99 == pytest.approx(100.0)


def test_the_rate_counts_from_the_first_paint_to_now():
    meter = Meter()
    now_s = paint_steadily(meter, 11, interval_s=0.1)
    # Ten intervals in 1 s, then a stall of 4 s.
    assert meter.reading(now_s + 4.0).painted_fps == pytest.approx(2.0)
    assert meter.recent_fps(now_s + 4.0) == 0.0


def test_percentiles_tell_the_slow_ones():
    meter = Meter()
    for index in range(100):
        latency_s = 0.5 if index >= 96 else 0.02
        meter.painted(index, index - latency_s, float(index))
    reading = meter.reading(99.0)
    assert reading.latency_ms_p50 == pytest.approx(20.0)
    assert reading.latency_ms_p95 == pytest.approx(20.0)
    assert reading.latency_ms_p99 == pytest.approx(500.0)
