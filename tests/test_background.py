"""Work beside the screen: the last thing asked for counts, and an error is told."""

import threading

import pytest
from PySide6.QtCore import Qt

from ultrasound_console.ui.background import Background


@pytest.fixture
def background(qapp):
    made = Background("work")
    made.heard = []

    def hear(name, value):
        assert threading.current_thread() is threading.main_thread()
        made.heard.append((name, value))

    for name in ("done", "failed", "progressed"):
        getattr(made, name).connect(
            lambda value, name=name: hear(name, value), Qt.ConnectionType.QueuedConnection
        )
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "work"]


def test_work_is_done_in_a_thread_of_its_own(background, qtbot):
    def work(ticket):
        ticket.progress(0.5)
        return threading.current_thread().name

    background.ask(work)
    qtbot.waitUntil(lambda: len(background.heard) == 2)
    assert background.heard == [("progressed", 0.5), ("done", "work")]


def test_what_is_asked_for_last_counts(background, qtbot):
    begun, go_on = threading.Event(), threading.Event()
    wanted = []

    def slow(ticket):
        begun.set()
        assert go_on.wait(20)
        wanted.append(ticket.is_wanted)
        ticket.progress(0.9)
        return "slow"

    background.ask(slow)
    assert begun.wait(20)
    background.ask(lambda _: "never begun")
    background.ask(lambda _: "last")
    go_on.set()
    qtbot.waitUntil(lambda: bool(background.heard))
    assert wanted == [False]
    assert background.heard == [("done", "last")]


def test_what_is_cancelled_tells_nothing(background, qtbot):
    begun, go_on = threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        assert go_on.wait(20)

    background.ask(slow)
    assert begun.wait(20)
    background.cancel()
    go_on.set()
    background.ask(lambda _: "after")
    qtbot.waitUntil(lambda: bool(background.heard))
    assert background.heard == [("done", "after")]


def test_an_error_is_told_and_the_next_work_is_done(background, qtbot, caplog):
    def bad(_):
        raise ValueError("no such frame")

    background.ask(bad)
    qtbot.waitUntil(lambda: len(background.heard) == 2)
    assert background.heard == [("failed", "work: no such frame"), ("done", None)]
    assert "no such frame" in caplog.text
    background.ask(lambda _: 7)
    qtbot.waitUntil(lambda: background.heard[-1] == ("done", 7))
