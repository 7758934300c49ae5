"""What a source, a part or the clock can do wrong, and what becomes of the engine."""

import dataclasses
import os
import threading
import time

import numpy as np
import pytest
from fakes import FakeSource
from test_engine import Ready, Rig

from ultrasound_console.assets import AssetError
from ultrasound_console.status import Pace, State

THREADS = {"acquire", "form", "doppler", "open"}


@pytest.fixture
def rig(monkeypatch):
    rig = Rig(monkeypatch)
    yield rig
    rig.engine.close()
    assert not [t for t in threading.enumerate() if t.name in THREADS]


def change_next(source, **changes):
    """Let the next frame differ from what the source says of it."""

    def alter(frame):
        return dataclasses.replace(
            frame, **{name: change(getattr(frame, name)) for name, change in changes.items()}
        )

    source.alter = alter


def with_holes(samples):
    holed = samples.astype(np.float32)
    holed[3, 5, 100:140] = np.nan
    return holed


BAD_FRAMES = {
    "other shape": ({"colour": lambda a: a[:, :8]}, "shape (8, 8, 512)"),
    "fewer pulses": ({"colour": lambda a: a[:5]}, "shape (5, 16, 512)"),
    "no samples": ({"colour": lambda a: a[..., :0]}, "the record is empty"),
    "not a number": ({"colour": with_holes}, "not finite"),
    "other kind": ({"colour": lambda a: a.astype(np.int32)}, "int32"),
}


@pytest.mark.parametrize(("changes", "words"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_frame_that_is_not_what_was_said_is_a_fault_that_names_it(rig, changes, words):
    rig.open()
    shown = rig.next_frame()
    change_next(rig.source, **changes)
    rig.source.push()
    wait(lambda: rig.engine.status().state is State.FAULT)
    assert rig.engine.status().fault.startswith("form: ")
    assert words in rig.engine.status().fault
    assert not rig.source.running  # nothing is transmitted in a fault
    assert rig.engine.cine.frame(shown.index) is shown  # and nothing is lost
    rig.engine.restart()
    assert rig.next_frame().index > shown.index
    assert rig.engine.status().state is State.LIVE


@pytest.mark.parametrize("back", [1, 2, 1000], ids=["again", "late", "far back"])
def test_a_frame_that_comes_again_or_late_is_left_out_and_counted(rig, back):
    rig.open()
    for _ in range(3):
        last = rig.next_frame()
    n_kept = len(rig.engine.cine.indices())
    change_next(rig.source, index=lambda index: index - back)
    rig.source.push()
    rig.until(lambda: rig.engine.status().left_out == 1)
    assert any("again or too late" in notice.text for notice in rig.notices)
    following = rig.next_frame()
    assert following.index > last.index
    assert rig.frames[-2] is last
    assert len(rig.engine.cine.indices()) == n_kept + 1


def test_frames_that_come_too_fast_give_way_to_the_newest_and_are_counted(rig):
    rig.open()
    rig.next_frame()
    rig.source.push(200)
    rig.until(lambda: rig.frames[-1].index == 200)
    status = rig.engine.status()
    assert status.state is State.LIVE
    assert status.replaced_frames + len(rig.frames) == 201


def test_frames_may_be_missing(rig):
    rig.open()
    first = rig.next_frame()
    change_next(rig.source, index=lambda index: index + 50)
    assert rig.next_frame().index == first.index + 51
    assert rig.engine.status().missed == 50
    assert rig.engine.status().state is State.LIVE


def test_one_wild_number_does_not_shut_out_the_frames_after_it(rig):
    # Those come "too late", but one after the other: the source counts anew.
    rig.open()
    rig.next_frame()
    change_next(rig.source, index=lambda index: index + 1_000_000)
    wild = rig.next_frame()
    rig.source.push(5)
    rig.until(lambda: rig.frames[-1] is not wild)
    assert rig.frames[-1].index == wild.index + 1
    assert rig.engine.status().left_out == 4
    assert any("counts its frames anew" in notice.text for notice in rig.notices)
    assert rig.next_frame().index == wild.index + 2


def test_a_frame_that_comes_over_and_over_is_never_new(rig):
    rig.open()
    for _ in range(3):
        last = rig.next_frame()
    for n in range(1, 9):
        change_next(rig.source, index=lambda index: 1)
        rig.source.push()
        rig.until(lambda n=n: rig.engine.status().left_out == n)
    assert rig.frames[-1] is last


def test_what_was_on_screen_while_frozen_or_at_fault_is_not_live(rig):
    rig.open()
    shown = rig.next_frame()
    rig.engine.freeze(shown.index)
    rig.engine.resume()
    assert rig.engine.status().state is State.PREPARING
    rig.next_frame()
    assert rig.engine.status().state is not State.PREPARING
    rig.source.broken = "cable pulled"
    wait(lambda: rig.engine.status().state is State.FAULT)
    rig.source.broken = ""
    rig.engine.restart()
    assert rig.engine.status().state is State.PREPARING


def test_after_a_hiccup_a_late_picture_is_seen_as_soon_as_before(monkeypatch):
    clock_s = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: clock_s)
    pace = Pace(last_s=clock_s, interval_s=0.03)
    clock_s += 10.0
    pace.tick()
    assert not pace.is_late(0.03)
    clock_s += 0.5
    assert pace.is_late(0.03)


@pytest.mark.parametrize("interval_s", [0.1, 0.6, 0.95, 3.0])
def test_a_slow_machine_that_keeps_its_pace_is_soon_live(monkeypatch, interval_s):
    clock_s = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: clock_s)
    pace, n_late = Pace(last_s=clock_s, interval_s=0.03), 0
    for _ in range(100):
        clock_s += interval_s
        n_late += pace.is_late(0.03)
        pace.tick()
    assert n_late <= 8


def test_what_is_on_its_way_from_before_a_freeze_is_not_shown_after_it(rig, monkeypatch):
    # A frozen frame that is being processed again as the picture goes on live.
    rig.open()
    shown = rig.next_frame()
    rig.engine.freeze(shown.index)
    again, go_on = rig.engine._compute.again, threading.Event()

    def takes_long(*arguments):
        go_on.wait(60.0)
        return again(*arguments)

    monkeypatch.setattr(rig.engine._compute, "again", takes_long)
    rig.store.change(smoothing_m=1.6e-3)
    rig.engine.refresh()
    wait(lambda: not rig.engine._again.filled)
    rig.engine.resume()
    finished = threading.Event()
    put = rig.engine._finished.put

    def noted(frame):
        put(frame)
        finished.set()

    monkeypatch.setattr(rig.engine._finished, "put", noted)
    go_on.set()
    assert finished.wait(60.0)
    assert rig.engine.take_frame() is None
    assert rig.next_frame().index > shown.index


def test_a_source_that_cannot_be_stopped_is_a_fault_all_the_same(rig, monkeypatch):
    rig.open()
    rig.next_frame()
    stop = rig.source.stop

    def fails():
        monkeypatch.setattr(rig.source, "stop", stop)
        raise RuntimeError("no answer")

    monkeypatch.setattr(rig.source, "stop", fails)
    rig.source.broken = "cable pulled"
    wait(lambda: rig.engine.status().state is State.FAULT)
    assert rig.engine.status().fault == "acquire: cable pulled"
    rig.source.broken = ""
    rig.engine.restart()
    rig.next_frame()


def test_whatever_goes_wrong_while_a_source_is_opened_is_said(rig, monkeypatch):
    rig.open()
    rig.next_frame()

    def fails(settings):
        raise MemoryError("too much")

    broken = FakeSource()
    monkeypatch.setattr(broken, "configure", fails)
    rig.sources["other"] = broken
    rig.engine.open("other")
    rig.until(lambda: any(notice.is_error for notice in rig.notices))
    assert rig.notices[-1].text == "other cannot be opened: MemoryError too much"
    assert not rig.engine.status().opening
    assert "close" in broken.calls
    rig.next_frame()  # the present one goes on


def test_a_clock_that_jumps_changes_nothing(rig, monkeypatch):
    rig.open()
    rig.next_frame()
    for jump_s in (-1e6, 1e6):
        now_s = time.time()
        monkeypatch.setattr(time, "time", lambda now_s=now_s, jump_s=jump_s: now_s + jump_s)
        change_next(rig.source, time_s=lambda time_s, jump_s=jump_s: time_s + jump_s)
        frame = rig.next_frame()
        assert frame.index == rig.engine.cine.indices()[-1]
        assert rig.engine.status().state is State.LIVE


class Failing(Ready):
    """A network that works once."""

    def posterior(self, velocity, *_, **__):
        found = super().posterior(velocity)
        if len([call for call in self.asked if call[0] == "posterior"]) > 1:
            raise AssetError("the runtime fails")
        return found


def test_a_network_that_fails_while_it_runs_leaves_folds_to_continuity_and_says_so(monkeypatch):
    rig = Rig(monkeypatch, load_segmenter=Failing)
    try:
        rig.open()
        rig.store.change(flow_power_db=0.0)
        rig.until(lambda: rig.engine.segmenter is not None)
        assert not any("the runtime fails" in note for note in rig.next_frame().notes)
        for _ in range(2):
            frame = rig.next_frame()
            assert any("the runtime fails" in note for note in frame.notes)
            assert frame.fold.shape == frame.velocity_m_s.shape
        assert rig.engine.status().state is State.LIVE
    finally:
        rig.engine.close()


def work_at_random(rig, n_times, seed):
    """Freeze, go on, change the PRF and the source, deliver: in any order and at any moment."""
    rng = np.random.default_rng(seed)
    rig.sources["other"] = FakeSource(prf_hz=2000.0)
    engine = rig.engine
    for _ in range(n_times):
        match rng.integers(7):
            case 0:
                engine.freeze(rig.frames[-1].index if rig.frames and rng.random() < 0.8 else None)
            case 1:
                engine.resume()
            case 2:
                rig.store.change(prf_hz=float(rng.choice([1000, 2500, 4000, 8000])))
            case 3:
                indices = engine.cine.indices()
                if indices:
                    engine.show(int(rng.choice(indices)))
            case 4:
                engine.refresh()
            case 5 if rng.random() < 0.05:
                engine.open(str(rng.choice(["fake", "other"])))
            case _:
                for source in rig.sources.values():
                    source.push(int(rng.integers(1, 4)))
        rig._drain()


N_IN_CI = 400


@pytest.mark.parametrize(
    "n_times", [N_IN_CI, pytest.param(10_000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_no_order_of_events_leaves_a_stuck_state(rig, n_times):
    rig.open()
    rig.next_frame()
    work_at_random(rig, n_times, seed=n_times)
    assert rig.engine.status().fault == ""
    rig.engine.resume()
    running = lambda: [s for s in rig.sources.values() if s.running]  # noqa: E731
    rig.until(lambda: not rig.engine.status().opening and len(running()) == 1)
    n_before = len(rig.frames)
    running()[0].push()
    rig.until(lambda: len(rig.frames) > n_before)
    assert rig.engine.status().state is State.LIVE
    assert rig.engine.status().errors == 0


@pytest.mark.parametrize("seed", range(int(os.environ.get("CLOSE_CASES", "12"))))
def test_it_closes_at_any_moment_within_two_seconds(monkeypatch, seed):
    rig = Rig(monkeypatch)
    rng = np.random.default_rng(seed)
    if seed:
        rig.engine.open("fake")
    work_at_random(rig, int(rng.integers(0, 25)), seed)
    threads = [t for t in threading.enumerate() if t.name in THREADS]
    begin_s = time.perf_counter()
    rig.engine.close()
    assert time.perf_counter() - begin_s < 2.0  # as promised; a thread that hangs costs that much
    assert not any(thread.is_alive() for thread in threads)
    assert not any(source.running for source in rig.sources.values())


def test_a_source_that_is_ready_after_the_end_is_closed(monkeypatch):
    rig = Rig(monkeypatch)
    rig.open()
    late, go_on = FakeSource(), threading.Event()
    configure = late.configure

    def takes_long(settings):
        go_on.wait(60.0)
        return configure(settings)

    monkeypatch.setattr(late, "configure", takes_long)
    monkeypatch.setattr("ultrasound_console.engine.JOIN_TIMEOUT_S", 1.0)
    rig.sources["late"] = late
    rig.engine.open("late")
    rig.engine.close()
    go_on.set()
    rig.engine._front._opener.join(60.0)
    assert late.calls[-1] == "close"


def test_a_source_that_begins_once_more_while_it_closes_is_stopped(monkeypatch):
    rig = Rig(monkeypatch)
    rig.open()
    front = rig.engine._front
    silence = front.silence

    def silence_too_early():
        silence()
        front.live.set()
        front.step()

    monkeypatch.setattr(front, "silence", silence_too_early)
    rig.engine.close()
    assert rig.sources["fake"].calls.count("start") > 1
    assert not rig.sources["fake"].running


def wait(condition):
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("never happened")
