"""Coarser pictures where the computer is too slow: only if allowed, never silently, and back."""

import threading
from itertools import pairwise

import pytest
from display import needs_display
from fakes import GRID, FakeSource, make_acquisition
from test_engine import Rig

from ultrasound_console import compute as compute_module
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import pace
from ultrasound_console.pipeline.pace import STEPS, Load, coarseness, on_step

pytest_plugins = ["console_for_tests"]

INTERVAL_S = 1.0 / 32.0
SLOW_S, QUICK_S = 0.9 * INTERVAL_S, 0.4 * INTERVAL_S


class Clock:
    """Frames that follow one another at their interval, each time with some lost before it."""

    def __init__(self) -> None:
        self.load, self.now_s, self.n_lost = Load(), 0.0, 0

    def go_on(self, seconds, lost_share=0.0, busy_s=SLOW_S):
        """Return all steps that were in force, each once in a row."""
        steps, due = [self.load.step], 0.0
        for _ in range(round(seconds / INTERVAL_S)):
            self.now_s += INTERVAL_S
            due += lost_share
            if due >= 1.0:
                due, self.n_lost = due - 1.0, self.n_lost + 1
                continue
            self.load = self.load.after(self.now_s, self.n_lost, busy_s, INTERVAL_S)
            if self.load.step != steps[-1]:
                steps.append(self.load.step)
        return steps


def test_where_frames_are_lost_pictures_become_coarser_step_by_step():
    clock = Clock()
    assert clock.go_on(1.3, lost_share=0.5) == [0]
    assert clock.go_on(0.3, lost_share=0.5) == [0, 1]
    assert clock.go_on(10.0, lost_share=0.5) == [1, 2]
    assert clock.load.step == len(STEPS) - 1


def test_a_hiccup_and_a_frame_lost_now_and_then_change_nothing():
    clock = Clock()
    for _ in range(10):
        assert clock.go_on(0.3, lost_share=0.7) == [0]
        assert clock.go_on(1.5) == [0]
    assert clock.go_on(20.0, lost_share=0.03) == [0]


def test_they_become_finer_again_only_where_there_has_been_room_for_a_while():
    clock = Clock()
    clock.go_on(8.0, lost_share=0.5)
    # What just fits now would not fit if it cost more.
    assert clock.go_on(60.0, busy_s=SLOW_S) == [2]
    assert clock.go_on(9.0, busy_s=QUICK_S) == [2]
    assert clock.go_on(60.0, busy_s=QUICK_S) == [2, 1, 0]


def test_a_finer_step_that_does_not_fit_is_tried_ever_more_rarely():
    clock, changes_s = Clock(), []
    while clock.now_s < 300.0:
        before = clock.load.step
        # Nothing is lost on the coarser grid, half of all frames on the fine one.
        clock.go_on(0.1, lost_share=0.0 if before else 0.5, busy_s=QUICK_S)
        if clock.load.step != before:
            changes_s.append(clock.now_s)
    held_s = [b - a for a, b in zip(changes_s[::2], changes_s[1::2], strict=False)]
    assert len(held_s) < 9
    assert all(later_s > 1.5 * s for s, later_s in pairwise(held_s[:4]))
    assert max(held_s) < 65.0


def test_a_coarser_grid_has_the_same_extent_and_says_so():
    acquisition = make_acquisition(
        notes=("8 pulses",), bmode_grid=ImageGrid("parallel", 57, 41, (-0.01, 0.01), (0.0, 0.03))
    )
    assert on_step(acquisition, 0) is acquisition
    one, two = on_step(acquisition, 1), on_step(acquisition, 2)
    assert (one.colour_grid.shape, one.bmode_grid) == ((9, 7), acquisition.bmode_grid)
    assert (two.colour_grid.shape, two.bmode_grid.shape) == ((7, 5), (41, 30))
    for grid, fine in (
        (one.colour_grid, GRID),
        (two.colour_grid, GRID),
        (two.bmode_grid, acquisition.bmode_grid),
    ):
        assert (grid.lines, grid.range_m) == (fine.lines, fine.range_m)
    assert [coarseness(each) for each in (acquisition, one, two)] == [
        "", "colour 1.4×", "colour 2×, grey 1.4×",
    ]  # fmt: skip
    assert two.notes[0] == "8 pulses"


def test_a_picture_of_the_same_samples_stays_one():
    one = on_step(make_acquisition(), 1)
    assert one.bmode_grid == one.colour_grid
    assert coarseness(one) == "colour 1.4×, grey 1.4×"


@pytest.fixture
def quick_looks(monkeypatch):
    monkeypatch.setattr(pace, "LOOK_S", 0.0)
    monkeypatch.setattr(pace, "_SETTLE_S", 0.0)


def slow_down(engine, source, monkeypatch):
    """Let a step take until frames were lost before it."""
    work, pause = engine._compute.doppler, threading.Event()

    def slow(*args, **options):
        before = engine.status().replaced_frames
        while source.running and source._due and engine.status().replaced_frames == before:
            pause.wait(0.001)
        return work(*args, **options)

    monkeypatch.setattr(engine._compute, "doppler", slow)


@pytest.fixture
def rig(monkeypatch):
    rig = Rig(monkeypatch)
    yield rig
    rig.engine.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_frames_are_formed_coarser_only_if_the_user_allows_it(
    rig, monkeypatch, quick_looks, allowed
):
    rig.store.change(keep_frame_rate=allowed)
    rig.open()
    taken = []
    rig.engine.tap(taken.append)
    assert rig.next_frame().velocity_m_s.shape == GRID.shape
    slow_down(rig.engine, rig.source, monkeypatch)

    def is_coarsest():
        rig.source.push(5)
        return rig.frames[-1].velocity_m_s.shape == ((7, 5) if allowed else GRID.shape)

    rig.until(lambda: is_coarsest() and len(rig.frames) > 20)
    last = rig.frames[-1]
    shapes = {frame.velocity_m_s.shape for frame in rig.frames}
    assert shapes == ({GRID.shape, (9, 7), (7, 5)} if allowed else {GRID.shape})
    assert last.bmode_db.shape == last.acquisition.bmode_grid.shape == last.velocity_m_s.shape
    assert bool(coarseness(last.acquisition)) is allowed
    assert rig.engine.status().acquisition is last.acquisition
    # What is recorded is as the source made it.
    assert {frame.acquisition.colour_grid for frame in taken} == {GRID}
    # Another source, which may have one picture only, begins with the finest.
    other = rig.sources["other"] = FakeSource(source="other")
    rig.open("other")
    other.push()
    rig.until(lambda: rig.frames[-1].acquisition.source == "other")
    assert rig.frames[-1].velocity_m_s.shape == GRID.shape


def test_a_step_loses_no_frame_that_is_on_its_way(rig, monkeypatch):
    rig.store.change(dealias=False)
    rig.open()
    form, begun, passes = compute_module.form, [], threading.Semaphore(0)

    def held(frame, *rest):
        begun.append(frame.index)
        passes.acquire()
        return form(frame, *rest)

    monkeypatch.setattr(compute_module, "form", held)
    rig.source.push()
    rig.until(lambda: begun)
    rig.source.push()
    rig.until(lambda: rig.engine._raw.filled)
    rig.engine._front.grid_step = 1
    rig.source.push()
    rig.until(lambda: coarseness(rig.engine.status().acquisition))
    rig.until(lambda: rig.engine.status().replaced_at[0] == 1)
    for held_by_now in (0,), (0, 2):
        passes.release()
        rig.until(lambda wanted=held_by_now: rig.engine.cine.indices() == wanted)
    shapes = [rig.engine.cine.frame(index).velocity_m_s.shape for index in (0, 2)]
    assert shapes == [GRID.shape, (9, 7)]


def test_what_was_seen_before_a_pause_decides_nothing_after_it(rig):
    rig.store.change(keep_frame_rate=True)
    rig.open()
    # There has been room for a finer grid for long enough, and the next look is due.
    rig.engine._load = Load(2, since_s=0.0, n_done=1, roomy_s=0.0)
    rig.engine.freeze(None)
    rig.engine.resume()
    rig.next_frame()
    rig.until(lambda: rig.engine._load.since_s)
    assert rig.engine._load.step == 2


@pytest.mark.gui
@needs_display
def test_a_badge_tells_of_a_coarser_picture_as_long_as_it_is_one(live, monkeypatch, quick_looks):
    badge = live.window.top.coarse
    live.window.resize(1024, 600)
    live.window.settings.change("keep_frame_rate", True)
    assert not badge.isVisible()
    slow_down(live.engine, live.source, monkeypatch)

    def is_coarse():
        live.source.push(5)
        is_whole = badge.width() >= badge.sizeHint().width()
        return badge.isVisible() and "colour 2×, grey 1.4×" in badge.text() and is_whole

    live.until(is_coarse)
    live.window.settings.change("keep_frame_rate", False)

    def is_fine_again():
        live.source.push(5)
        return not badge.isVisible()

    live.until(is_fine_again)
    assert coarseness(live.frame.acquisition) == ""
