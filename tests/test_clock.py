import threading
from types import SimpleNamespace

import pytest

from ultrasound_console.sources import clock as clock_module
from ultrasound_console.sources.clock import FrameClock


class FakeEvent:
    """An event whose waiting moves the clock instead of sleeping."""

    def __init__(self, world) -> None:
        self._world, self._set = world, False

    def set(self) -> None:
        self._set = True

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout_s) -> bool:
        if not self._set:
            self._world.now_s += timeout_s
        return self._set


@pytest.fixture
def world(monkeypatch):
    world = SimpleNamespace(now_s=100.0)
    world.perf_counter = lambda: world.now_s
    monkeypatch.setattr(clock_module, "time", world)
    monkeypatch.setattr(clock_module, "threading", SimpleNamespace(Event=lambda: FakeEvent(world)))
    return world


@pytest.fixture
def clock(world):
    clock = FrameClock(real_time=True)
    clock.start()
    return clock


def test_the_first_frame_is_due_at_once(clock, world):
    assert clock.wait(0.04, 1.0) == 1
    assert world.now_s == 100.0


def test_frames_keep_step_with_the_clock(clock, world):
    clock.wait(0.04, 1.0)
    for frame in range(1, 6):
        world.now_s += 0.013  # the reader's own work does not add up
        assert clock.wait(0.04, 1.0) == 1
        assert world.now_s == pytest.approx(100.0 + 0.04 * frame)


def test_a_late_reader_is_told_how_much_it_missed(clock, world):
    clock.wait(0.04, 1.0)
    world.now_s += 0.13
    # Due at 0.04, 0.08 and 0.12: three intervals at once, the next at 0.16.
    assert clock.wait(0.04, 1.0) == 3
    assert clock.wait(0.04, 1.0) == 1
    assert world.now_s == pytest.approx(100.16)


def test_a_single_frame_is_held(clock, world):
    assert clock.wait(0.0, 0.25) == 1
    assert clock.wait(0.0, 0.25) is None
    assert world.now_s == pytest.approx(100.25)
    clock.start()
    assert clock.wait(0.0, 0.25) == 1


def test_waiting_ends_with_the_time_out(clock, world):
    clock.wait(1.0, 0.25)
    assert clock.wait(1.0, 0.25) is None
    assert world.now_s == pytest.approx(100.25)


def test_a_stopped_clock_lets_nothing_through(clock):
    clock.stop()
    assert clock.wait(0.04, 1.0) is None
    clock.start()
    assert clock.wait(0.04, 1.0) == 1


def test_without_real_time_nothing_waits(world):
    clock = FrameClock(real_time=False)
    clock.start()
    assert [clock.wait(0.04, 1.0) for _ in range(3)] == [1, 1, 1]
    assert world.now_s == 100.0


def test_stop_ends_a_wait_from_another_thread():
    clock = FrameClock(real_time=True)
    clock.start()
    clock.wait(60.0, 120.0)
    outcome = []
    waiting = threading.Thread(target=lambda: outcome.append(clock.wait(60.0, 120.0)))
    waiting.start()
    clock.stop()
    waiting.join(10.0)
    assert outcome == [None]
