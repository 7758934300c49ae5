"""Random operation by mouse and keys, on the real engine and the simulated probe."""

import faulthandler
import gc
import json
import logging
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from display import needs_display
from monkey import SOURCES, Monkey, resources
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from ultrasound_console.dsp.arrays import return_freed_arrays
from ultrasound_console.status import State
from ultrasound_console.store import SettingsStore
from ultrasound_console.ui.window import MainWindow

pytestmark = [pytest.mark.gui, needs_display]

MINUTES = 30.0


@pytest.fixture
def window(qtbot):
    return_freed_arrays()  # as the program does
    before = set(QApplication.topLevelWidgets())
    made = MainWindow(SettingsStore())
    made.resize(1280, 720)
    with qtbot.waitExposed(made):
        made.show()
    made.open_source(SOURCES[0])
    try:
        # Kernels may have to be compiled.
        qtbot.waitUntil(lambda: made.engine.status().state is State.LIVE, timeout=240_000)
        yield made
    finally:
        made.close()
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"acquire", "form", "doppler", "simulated probe"})
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert set(QApplication.topLevelWidgets()) <= before


def failures(caplog):
    """Return what threads and work beside the screen failed with; to refuse is no failure."""
    return [
        f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}"
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_operation_leaves_a_window_that_works(window, seed, caplog):
    monkey = Monkey(window, seed)
    monkey.work(n_operations=150)
    monkey.recover()
    assert failures(caplog) == []


@pytest.mark.long
def test_half_an_hour_of_random_operation(window, caplog):
    """Seed and length by MONKEY_SEED and MONKEY_MINUTES; figures go to MONKEY_JSON if given."""
    faulthandler.cancel_dump_traceback_later()  # it is meant to take that long
    minutes = float(os.environ.get("MONKEY_MINUTES", MINUTES))
    monkey = Monkey(window, int(os.environ.get("MONKEY_SEED", "7")))
    course = []
    start_s = time.perf_counter()
    for _ in range(10):
        monkey.work(seconds=6.0 * minutes)
        course.append((round(time.perf_counter() - start_s), len(monkey.done), *resources()))
    monkey.recover()
    if told := os.environ.get("MONKEY_JSON"):
        columns = "seconds", "operations", "threads", "files", "rss_mib"
        rows = [dict(zip(columns, row, strict=True)) for row in course]
        figures = {"course": rows, "refused": dict(Counter(monkey.refused))}
        Path(told).write_text(json.dumps(figures, indent=2))
    settled, last = course[len(course) // 2], course[-1]
    assert last[2] <= settled[2] + 4
    assert last[3] <= settled[3] + 8
    assert last[4] <= 1.25 * settled[4]
    assert failures(caplog) == []
