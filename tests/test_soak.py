"""Live for long: memory, threads, files, objects of OpenGL and latency stay as they are."""

import faulthandler
import gc
import itertools
import json
import os
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from display import needs_display
from monkey import resources
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from vispy.gloo.glir import GlirParser

from ultrasound_console.dsp.arrays import return_freed_arrays
from ultrasound_console.status import State
from ultrasound_console.store import SettingsStore
from ultrasound_console.ui.window import MainWindow

pytestmark = [pytest.mark.gui, needs_display]

MINUTES = 120.0
# Of the whole; before, the heart cycle is made and the loop fills.
SETTLED = 0.25
COUNTED = "threads", "files", "gl_objects"
COLUMNS = "seconds", "threads", "files", "rss_mib", "gl_objects", "painted", "latency_p50_ms"


@pytest.fixture
def parsers(monkeypatch):
    """All that speak to OpenGL.

    They are noted as they are made: gc.get_objects() hands out tuples that other threads are
    still filling, and Python refuses to finish those.
    """
    made = weakref.WeakSet()
    init = GlirParser.__init__

    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        made.add(self)

    monkeypatch.setattr(GlirParser, "__init__", noted)
    return made


@pytest.fixture
def live(qtbot, parsers):
    return_freed_arrays()  # as the program does
    window = MainWindow(SettingsStore())
    window.resize(1280, 720)
    with qtbot.waitExposed(window):
        window.show()
    window.open_source("simulated:femoral-bifurcation")
    try:
        # Kernels may have to be compiled, and a whole heart cycle is made first.
        qtbot.waitUntil(lambda: window.engine.status().state is State.LIVE, timeout=240_000)
        qtbot.waitUntil(lambda: window.engine.status().filling is None, timeout=240_000)
        yield window
    finally:
        window.close()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


def watch(qtbot, window, parsers, seconds, n_looks):
    """Look at what must not grow, so many times."""
    course, latencies_ms = [], []
    begin_s = time.perf_counter()
    window.canvas.painted.connect(
        lambda _: latencies_ms.append(window.meter.last_latencies_ms(1)[-1])
    )
    for look in range(1, n_looks + 1):
        until_s = begin_s + seconds * look / n_looks
        qtbot.waitUntil(
            lambda until_s=until_s: time.perf_counter() >= until_s,
            timeout=round(2e3 * seconds / n_looks) + 60_000,
        )
        gc.collect()
        newest_ms, latencies_ms[:] = latencies_ms[:], []
        median_ms = float(np.median(newest_ms)) if newest_ms else float("nan")
        painted = window.meter.frames
        objects = itertools.chain.from_iterable(parser._objects.values() for parser in parsers)
        # A text marks one that has just gone.
        n_gl_objects = sum(not isinstance(one, str) for one in objects)
        course.append(
            (time.perf_counter() - begin_s, *resources(), n_gl_objects, painted, median_ms)
        )
    return [dict(zip(COLUMNS, row, strict=True)) for row in course]


def grows(course, name):
    """Whether there are ever more of something in the later half; some come and go."""
    half = len(course) // 2
    return max(look[name] for look in course[half:]) > max(look[name] for look in course[:half])


def test_live_pictures_leave_nothing_behind(qtbot, live, parsers):
    seconds = 60.0  # the long test is below
    course = watch(qtbot, live, parsers, seconds, n_looks=12)
    assert course[-1]["gl_objects"] > 0
    for name in COUNTED:
        assert not grows(course, name), name
    assert all(b["painted"] > a["painted"] for a, b in itertools.pairwise(course))
    # On a machine that is busy with something else a picture may be late now and then.
    qtbot.waitUntil(lambda: live.engine.status().state is State.LIVE, timeout=20_000)
    assert live.engine.status().errors == 0


@pytest.mark.long
def test_two_hours_of_live_pictures_change_nothing(qtbot, live, parsers):
    """Length by SOAK_MINUTES; the course goes to SOAK_JSON if given."""
    faulthandler.cancel_dump_traceback_later()  # it is meant to take that long
    minutes = float(os.environ.get("SOAK_MINUTES", MINUTES))
    course = watch(qtbot, live, parsers, 60.0 * minutes, n_looks=40)
    if told := os.environ.get("SOAK_JSON"):
        Path(told).write_text(json.dumps(course, indent=2))
    settled = course[round(SETTLED * len(course)) :]
    memory_mib = [look["rss_mib"] for look in settled]
    assert max(memory_mib) <= 1.02 * memory_mib[0]
    for name in COUNTED:
        assert not grows(settled, name), name
    half = len(settled) // 2
    before_ms, after_ms = (
        float(np.median([look["latency_p50_ms"] for look in part]))
        for part in (settled[:half], settled[half:])
    )
    assert after_ms <= 1.2 * before_ms
    assert all(b["painted"] > a["painted"] for a, b in itertools.pairwise(course))
    # Looking at all objects takes longer than a frame: the picture is stale for that moment.
    qtbot.waitUntil(lambda: live.engine.status().state is State.LIVE, timeout=2_000)
    assert live.engine.status().errors == 0
