"""Freezing by itself, with a clock that is set by hand, real mouse and keys."""

import pytest
from display import needs_display
from PySide6.QtCore import QPoint, Qt

from ultrasound_console.status import State
from ultrasound_console.ui.auto_freeze import AutoFreeze

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

MINUTE_S = 60.0


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock(live):
    made = Clock()
    live.window.auto_freeze._now_s = made
    return made


def let_it_look(live):
    """Have the window look at the clock twice: to begin to count, and to see how long it was."""
    for _ in range(2):
        live.play()
        live.window._on_poll()


def test_it_is_off_where_nobody_has_asked_for_it(live, clock):
    let_it_look(live)
    clock.wait(1e6)
    let_it_look(live)
    assert "LIVE" in live.chip
    assert live.source.running


def test_after_minutes_without_mouse_or_key_it_freezes_and_says_so(live, clock):
    live.window.settings.change("auto_freeze_s", 5 * MINUTE_S)
    let_it_look(live)
    clock.wait(5 * MINUTE_S - 1)
    let_it_look(live)
    assert "LIVE" in live.chip
    clock.wait(1)
    live.window._on_poll()
    live.until(lambda: live.chip == "FROZEN")
    assert not live.source.running
    assert "after 5 min without mouse or key" in live.window.message.text.text()
    assert live.window.message.isVisible()

    # One key goes on, and the message goes with the state it told of.
    live.key(Qt.Key.Key_Space)
    live.until(lambda: live.source.running)
    live.play()
    live.until(lambda: "LIVE" in live.chip)
    live.window._on_poll()
    assert not live.window.message.isVisible()
    # It counts from there anew.
    let_it_look(live)
    clock.wait(5 * MINUTE_S)
    live.window._on_poll()
    live.until(lambda: live.chip == "FROZEN")


@pytest.mark.parametrize("touch", ["key", "move", "press"])
def test_whoever_touches_anything_starts_the_count_again(live, clock, touch):
    live.window.settings.change("auto_freeze_s", MINUTE_S)
    let_it_look(live)
    clock.wait(MINUTE_S - 1)
    canvas = live.window.canvas
    at = QPoint(200, 200)
    if touch == "key":
        live.key(Qt.Key.Key_M)
    elif touch == "move":
        live.qtbot.mouseMove(canvas, at)
        live.qtbot.mouseMove(canvas, at + QPoint(5, 5))
    else:
        live.qtbot.mouseClick(live.window.top.chip, Qt.MouseButton.LeftButton)
    clock.wait(2)
    let_it_look(live)
    assert "LIVE" in live.chip
    clock.wait(MINUTE_S)
    live.window._on_poll()
    live.until(lambda: live.chip == "FROZEN")


def test_events_are_looked_at_only_while_it_counts(qapp, monkeypatch):
    installed = []
    monkeypatch.setattr(
        type(qapp), "installEventFilter", lambda _, seen: installed.append(seen), raising=False
    )
    monkeypatch.setattr(
        type(qapp), "removeEventFilter", lambda _, seen: installed.remove(seen), raising=False
    )
    clock = Clock()
    watch = AutoFreeze(clock)
    watch.watch(0.0, State.LIVE)
    watch.watch(MINUTE_S, State.FROZEN)
    watch.watch(MINUTE_S, State.PREPARING)
    assert installed == []
    watch.watch(MINUTE_S, State.LIVE)
    assert installed == [watch]
    watch.watch(0.0, State.LIVE)
    assert installed == []


def test_a_picture_that_has_stalled_is_frozen_too(qapp):
    clock, due = Clock(), []
    watch = AutoFreeze(clock)
    watch.due.connect(lambda: due.append(clock.now_s))
    watch.watch(MINUTE_S, State.LIVE)
    clock.wait(30)
    watch.watch(MINUTE_S, State.STALE)
    clock.wait(30)
    watch.watch(MINUTE_S, State.STALE)
    assert due == [1060.0]
    watch.watch(MINUTE_S, State.FROZEN)
    clock.wait(1000)
    watch.watch(MINUTE_S, State.FROZEN)
    assert due == [1060.0]
