"""What is left of a window that is closed, and of a source when another one is opened."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import BMODE, RECTANGLE, SECTOR, SECTOR_BMODE, _speckle_db
from known_flow import KnownFlow
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from ultrasound_console.dsp import arrays

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

GRIDS = (RECTANGLE, BMODE), (SECTOR, SECTOR_BMODE)
FRAMES = 2
PLANE_BYTES = RECTANGLE.n_depths * RECTANGLE.n_lines * 4


@pytest.fixture
def console(qtbot, monkeypatch):
    from console_for_tests import Console  # after pytest has prepared its asserts

    made = Console(qtbot, monkeypatch)
    yield made
    if made.window is not None:
        made.window.close()
        made.window.deleteLater()


def test_a_closed_window_is_let_go_of(console):
    console.open()
    console.play(2)
    window = console.window
    parts = window, window.engine, window.canvas, console.frame
    alive = {type(part).__name__: weakref.ref(part) for part in parts}
    wake = window.engine._wake
    window.close()
    window.deleteLater()
    del window, parts
    console.window = None
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [name for name, part in alive.items() if part() is not None] == []
    wake()  # a worker that is still busy tells of its frame


def test_ten_sources_take_no_more_than_two(console, monkeypatch):
    def open_both():
        """Let each fill a loop, and look at a frozen frame of the second one."""
        for name, (colour_grid, bmode_grid) in zip("ab", GRIDS, strict=True):
            source = KnownFlow(name, colour_grid=colour_grid, bmode_grid=bmode_grid)
            console.flow.sources = {name: source}
            opened.append(weakref.ref(source))
            console.open(name)
            for n in range(1, FRAMES + 1):
                source.push()
                console.until(lambda n=n: len(console.engine.cine.indices()) == n)
            last = console.engine.cine.indices()[-1]
            console.until(lambda last=last: console.frame and console.frame.index == last)
        console.until(console.window.cine.freeze_button.isEnabled)
        console.freeze()
        console.pixels()  # drawn, whatever waited for that
        _speckle_db.cache_clear()

    def held_bytes():
        gc.collect()
        only_arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        taken = tracemalloc.take_snapshot().filter_traces([only_arrays])
        return sum(trace.size for trace in taken.traces)

    # Nothing waits for its next use.
    monkeypatch.setattr(arrays, "_blocks", arrays.BlockList(budget_bytes=0))
    _speckle_db.cache_clear()  # planes that another test has made would not be counted
    opened = []
    tracemalloc.start()
    try:
        open_both()
        before = held_bytes()
        assert before > FRAMES * PLANE_BYTES
        for _ in range(4):
            open_both()
        assert abs(held_bytes() - before) < PLANE_BYTES
    finally:
        tracemalloc.stop()
    assert [source() for source in opened[:-1]] == [None] * 9
