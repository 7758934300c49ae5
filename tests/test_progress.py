"""What takes longer than a moment is said, does not get in the way, and goes away by itself."""

import threading

import pytest
from display import needs_display
from known_flow import KnownFlow

from ultrasound_console import front_end as front_end_module
from ultrasound_console.assets import AssetError
from ultrasound_console.status import EngineStatus, State
from ultrasound_console.ui.progress import AFTER_S, Progress

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]


@pytest.fixture
def slow(console, monkeypatch):
    """A console whose next source takes as long as the test wants."""
    gate, open_source = threading.Event(), front_end_module.open_source

    def opened(name, prf_hz=None):
        gate.wait(20.0)
        return open_source(name, prf_hz)

    monkeypatch.setattr(front_end_module, "open_source", opened)
    console.gate = gate
    yield console
    gate.set()


def test_a_large_file_says_that_it_is_being_opened_and_then_no_more(slow):
    slow.flow.sources["/data/{large}.mat"] = KnownFlow("large")
    message = slow.window.message
    slow.window.open_source("/data/{large}.mat")
    assert not message.isVisible()
    slow.until(lambda: "Opening {large}.mat" in message.text.text())
    slow.until(lambda: message.text.text().endswith(": 2 s"))
    assert not message.is_error
    assert message.isVisible()
    slow.gate.set()
    slow.until(lambda: slow.engine.status().source == "large")
    slow.flow.sources["/data/{large}.mat"].push(2)
    slow.until(lambda: slow.frame is not None)
    slow.until(lambda: not message.isVisible())


def test_a_file_that_is_refused_after_a_while_leaves_only_the_reason(slow):
    slow.window.open_source("/data/none.mat")
    slow.until(lambda: "Opening none.mat" in slow.window.message.text.text())
    slow.gate.set()
    slow.until(lambda: slow.window.message.is_error)
    assert "check the name" in slow.window.message.text.text()
    assert slow.engine.status().opening == ""


def test_a_scene_that_fills_is_said_below_and_moves_no_picture(live):
    line, canvas = live.window.status_line, live.window.canvas
    before = canvas.size()
    live.source.filling = (3, 27)
    live.until(lambda: line.progress.text() == "Making the heart cycle: 3 of 27 frames")
    assert line.progress.isVisible()
    live.source.filling = (4, 27)
    live.until(lambda: "4 of 27" in line.progress.text())
    assert not live.window.message.isVisible()
    assert canvas.size() == before
    figures = line.figures
    assert "latency" in figures.text()
    end = line.progress.mapTo(line, line.progress.rect().topRight()).x()
    assert end <= figures.mapTo(line, figures.rect().topLeft()).x()
    live.source.filling = None
    live.until(lambda: not line.progress.isVisible())


def test_before_the_first_picture_it_is_said_above(console):
    console.source.filling = (0, 27)
    console.open()
    console.until(lambda: "0 of 27" in console.window.message.text.text())
    console.play(2)
    console.until(lambda: not console.window.message.isVisible())
    console.until(lambda: "0 of 27" in console.window.status_line.progress.text())


@pytest.mark.parametrize(
    ("going_on", "words"),
    [
        ({"loads_network": True, "n_compiled": 2}, "First start: preparing the network"),
        ({"compiling": "merge", "n_compiled": 3}, "kernel 4 (merge)"),
        ({"opening": "simulated:stenosis"}, "simulated:stenosis"),
        ({"filling": (1, 9)}, "1 of 9"),
    ],
)
def test_what_is_done_soon_is_not_mentioned(console, going_on, words):
    window = console.window
    window._poll.stop()
    message, line = window.message, window.status_line
    progress, preparing = Progress(message, line), State.PREPARING
    busy = EngineStatus(preparing, acquisition=console.source.acquisition, **going_on)
    progress.show(busy, preparing, 10.0)
    progress.show(busy, preparing, 10.0 + 0.9 * AFTER_S)
    assert not message.isVisible()
    progress.show(EngineStatus(preparing), preparing, 10.0 + 0.95 * AFTER_S)
    progress.show(busy, preparing, 10.0 + AFTER_S)
    assert not message.isVisible()
    progress.show(busy, preparing, 10.0 + 2.0 * AFTER_S)
    assert words in message.text.text()
    assert message.isVisible()
    progress.show(EngineStatus(preparing), preparing, 12.0)
    assert not message.isVisible()
    assert not line.progress.isVisible()


def test_the_engine_says_when_it_loads_the_network(qtbot, monkeypatch):
    from console_for_tests import Console

    gate = threading.Event()

    def load():
        gate.wait(20.0)
        raise AssetError("no model")

    console = Console(qtbot, monkeypatch, load_segmenter=load)
    try:
        console.until(lambda: console.engine.status().loads_network)
        # Nobody waits for a picture yet.
        console.until(lambda: "network" in console.window.status_line.progress.text())
        assert not console.window.message.isVisible()
        gate.set()
        console.until(lambda: not console.engine.status().loads_network)
    finally:
        gate.set()
        console.window.close()
        console.window.deleteLater()
