"""The window for engineers: what it shows is what happened, and closed it does nothing."""

import dataclasses
import hashlib
import logging
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_acquisition, make_frame
from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from ultrasound_console.assets import model
from ultrasound_console.segment import Segmenter
from ultrasound_console.ui.engineer import window as engineer_module
from ultrasound_console.ui.engineer.figures import (
    NO_TRUTH,
    Passed,
    Recent,
    acquisition_rows,
    frame_rows,
    latency_rows,
    stage_rows,
    truth_rows,
)
from ultrasound_console.ui.engineer.log import MOST, Log
from ultrasound_console.ui.engineer.plots import LatencyPlot, StageBars, TruthPlot, round_up
from ultrasound_console.ui.engineer.process import Threads, cpu_seconds, resident_bytes
from ultrasound_console.ui.engineer.report import without_names
from ultrasound_console.ui.engineer.window import COPIED_TEXT, _read_place, _write_place

pytest_plugins = ["console_for_tests"]

LEFT = Qt.MouseButton.LeftButton
STAGES = {"check": 0.001, "beamform": 0.01, "velocity": 0.002, "network": 0.02}


def without_truth(frame):
    return dataclasses.replace(frame, score=None, truth_m_s=None, vessel_mask=None)


def rows_of(page):
    return dict(page.table.rows)


@pytest.fixture
def opened(live, monkeypatch):
    """The window beside the console; time stands still unless a test lets it update."""
    live.key(Qt.Key.Key_F8)
    window = live.window.engineer.window
    live.until(window.isVisible)
    window._timer.stop()
    yield window
    window.close()


def choose_page(window, title):
    """Choose a page with the mouse."""
    bar = window.pages.tabBar()
    tab = next(i for i in range(bar.count()) if bar.tabText(i) == title)
    QTest.mouseClick(bar, LEFT, pos=bar.tabRect(tab).center())
    assert window.pages.currentIndex() == tab
    return window.pages.currentWidget()


# ---- open and closed -----------------------------------------------------------------------


@pytest.mark.gui
@needs_display
def test_it_opens_and_closes_with_keys_and_costs_nothing_while_closed(live):
    engineer, canvas = live.window.engineer, live.window.canvas
    assert engineer.window is None
    n_listeners = canvas.receivers("2painted(int)")
    for key, modifier in (
        (Qt.Key.Key_F8, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier),
    ):
        live.key(key, modifier)
        window = engineer.window
        live.until(window.isVisible)
        with live.qtbot.waitActive(window):
            window.activateWindow()
        assert window._timer.isActive()
        live.play(2)
        live.until(lambda window=window: bool(window._recent.noted))
        live.qtbot.keyClick(window, key, modifier)
        assert not window.isVisible()
        # Nothing is counted any more, and nothing is kept.
        assert not any(timer.isActive() for timer in window.findChildren(QTimer))
        assert canvas.receivers("2painted(int)") == n_listeners
        live.play(2)
        assert not window._recent.noted
        with live.qtbot.waitActive(live.window):
            live.window.activateWindow()


def test_nothing_of_it_is_loaded_by_the_command_line():
    code = (
        "import sys, ultrasound_console.__main__\n"
        "assert 'ultrasound_console.ui.engineer.window' not in sys.modules\n"
        "import ultrasound_console.ui.engineer.window\n"
        "assert 'pyqtgraph' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_its_place_is_remembered(tmp_path):
    path, place = tmp_path / "new" / "engineer.json", QRect(40, 60, 500, 400)
    assert _read_place(path) is None
    _write_place(path, place)
    assert _read_place(path) == place
    for damaged in ("", "[1, 2]", '{"a": 1}', "null", '["a", 1, 2, 3]'):
        path.write_text(damaged)
        assert _read_place(path) is None
    _write_place(None, place)
    assert _read_place(None) is None


@pytest.mark.gui
@needs_display
def test_it_opens_where_it_was_closed(live, monkeypatch):
    engineer = live.window.engineer
    engineer.toggle()
    live.until(engineer.window.isVisible)
    place = QRect(300, 200, 520, 480)
    engineer.window.setGeometry(place)
    live.until(lambda: engineer.window.geometry() == place)
    engineer.window.close()
    assert engineer.window.place == place
    engineer.window.put(QRect(90_000, 90_000, 500, 400))  # a screen that is not there any more
    shown = engineer.window.geometry()
    assert QGuiApplication.screenAt(shown.center()) is not None


# ---- what it shows -------------------------------------------------------------------------


@pytest.mark.gui
@needs_display
def test_timing_is_that_of_the_frames_painted(live, opened):
    for factor in (1.0, 3.0, 1.0):
        frame = dataclasses.replace(
            live.frame, stage_seconds={name: factor * s for name, s in STAGES.items()}
        )
        opened._canvas.set_frame(frame)
        opened._on_painted(frame.index)
    opened._recent.noted.popleft()  # what had been on screen before
    opened._on_time()
    assert opened.timing.stages.median_ms == pytest.approx(
        {name: 1e3 * s for name, s in STAGES.items()}
    )
    rows = rows_of(opened.timing)
    assert rows["first step"] == "11.0 ms"
    assert rows["second step"] == "22.0 ms"
    assert rows["both, one after the other"] == "33.0 ms"
    assert rows["frame interval"].startswith("33.3 ms")
    assert "66 %" in rows["frame interval"]
    assert rows["painted"].startswith(str(live.window.meter.frames))
    assert set(rows).isdisjoint(STAGES)
    # A bar is as long as its stage.
    bars = opened.timing.stages
    image = bars.grab().toImage()
    scale = image.devicePixelRatio()
    for row, ms in enumerate(bars.median_ms.values()):
        rect = bars.bar_rect(row, ms)
        y = round(rect.center().y() * scale)
        inside = image.pixelColor(round((rect.left() + 0.4 * rect.width()) * scale), y)
        assert inside.lightness() > 100
        beyond = image.pixelColor(round((rect.right() + 4) * scale), y)
        assert beyond.lightness() < 40


@pytest.mark.gui
@needs_display
def test_the_acquisition_is_told_in_figures(live, opened):
    page = choose_page(opened, "Acquisition")
    rows = rows_of(page)
    assert rows["source"] == "known flow"
    assert rows["PRF"].startswith("3.00 kHz (asked 3.00 kHz, at most 12.00 kHz)")
    assert rows["v_N"] == "17.77 cm/s"
    assert "12 pulses" in rows["ensemble"]
    assert "160 x 144" in rows["colour grid"]
    live.window.settings.change("prf_hz", 6000.0)
    live.until(lambda: live.engine.status().acquisition.prf_hz == 6000.0)
    opened._on_time()
    assert rows_of(page)["v_N"] == "35.54 cm/s"


@pytest.mark.gui
@needs_display
def test_the_machine_is_told(live, opened):
    page = choose_page(opened, "Machine")
    opened._on_time()
    rows = rows_of(page)
    assert rows["computed by"] == "CPU"
    held = live.engine.cine
    assert rows["of that the loop"].endswith(f"{len(held.indices())} frames")
    for name in ("thread screen", "thread acquire", "thread form", "thread doppler"):
        assert name in rows
    assert rows["OpenGL"] == live.window.canvas.opengl
    assert rows["OpenGL"][0].isdigit()
    assert rows["numpy"] == np.__version__


@pytest.mark.gui
@needs_display
def test_the_truth_is_told_where_there_is_one(live, opened):
    page = choose_page(opened, "Truth")
    opened._canvas.set_frame(without_truth(live.frame))
    opened._on_painted(live.frame.index)
    opened._on_time()
    assert rows_of(page) == {"truth": NO_TRUTH}
    assert not page.plots[0].isVisible()
    frames = [make_frame(1000 + i, peak_nyquist=0.8 + 0.5 * i) for i in range(3)]
    for frame in frames:
        opened._canvas.set_frame(frame)
        opened._on_painted(frame.index)
    opened._on_time()
    rows = rows_of(page)
    shown = [frame.score.shown for frame in frames]
    n_pixels = sum(counts.n_pixels for counts in shown)
    wrong = sum(counts.n_wrong for counts in shown) / n_pixels
    aliased = sum(counts.n_aliased for counts in shown) / n_pixels
    assert aliased > wrong
    assert rows["wrong folds, raw"] == f"{100 * aliased:.2f} %"
    assert rows["wrong folds, corrected"] == f"{100 * wrong:.2f} %"
    assert rows["frames"] == "3"
    wrong_plot, rms_plot = page.plots
    assert wrong_plot.isVisible()
    assert wrong_plot.lines[:, 1] == pytest.approx([counts.wrong_share for counts in shown])
    assert rms_plot.lines[:, 0] == pytest.approx([c.measured_rms_nyquist for c in shown])


@pytest.mark.gui
@needs_display
def test_the_log_has_what_was_logged_and_what_was_shown(live, opened):
    page = choose_page(opened, "Log")
    live.window.message.say("the probe was unplugged", is_error=True)
    live.window.message.say("hello")
    logging.getLogger("ultrasound_console.engine").error("fault in acquire")
    logging.getLogger("elsewhere").warning("beware")
    opened._on_time()
    lines = page.toPlainText().splitlines()
    told = [line.split(maxsplit=1)[1] for line in lines]
    assert told[-4:] == [
        "shown as error  the probe was unplugged",
        "shown           hello",
        "error           ultrasound_console.engine: fault in acquire",
        "warning         elsewhere: beware",
    ]
    # Nothing is written twice, and its end stays in sight.
    opened._on_time()
    assert page.toPlainText().splitlines() == lines
    for number in range(200):
        live.window.message.say(f"message {number}")
    opened._on_time()
    assert page.verticalScrollBar().value() == page.verticalScrollBar().maximum() > 0
    # Who has scrolled back is left there.
    page.verticalScrollBar().setValue(0)
    live.window.message.say("one more")
    opened._on_time()
    assert page.verticalScrollBar().value() == 0
    assert page.toPlainText().endswith("one more")


@pytest.mark.gui
@needs_display
def test_everything_can_be_copied_without_names(live, opened, tmp_path):
    folder = tmp_path / "of a clinic"
    folder.mkdir()
    name = str(folder / "miller_anna.mat")
    live.window.open_source(name)
    live.until(lambda: live.window.message.is_error)
    QTest.mouseClick(opened.copy, LEFT)
    assert opened.copy.text() == COPIED_TEXT
    text = QGuiApplication.clipboard().text()
    assert "miller" not in text
    assert str(tmp_path) not in text
    assert "of a clinic" not in text
    assert "(file).mat" in text
    # The source of this test was opened by the name "known", as if it were a file.
    for part in ("(file) flow", "read to painted", "thread doppler", "rms, raw", "Log\n---"):
        assert part in text


@pytest.mark.gui
@needs_display
def test_it_updates_by_itself_but_seldom(live, monkeypatch):
    assert engineer_module.UPDATE_MS >= 250
    live.key(Qt.Key.Key_F8)
    window = live.window.engineer.window
    live.until(window.isVisible)
    before = window._n_updates
    live.until(lambda: window._n_updates > before)


@pytest.mark.gui
@needs_display
def test_it_can_be_used_by_keyboard(live, opened):
    with live.qtbot.waitActive(opened):
        opened.activateWindow()
    opened.pages.tabBar().setFocus()
    live.until(opened.pages.tabBar().hasFocus)
    live.qtbot.keyClick(opened.pages.tabBar(), Qt.Key.Key_Right)
    assert opened.pages.currentWidget() is opened.acquisition
    opened.copy.setFocus()
    live.qtbot.keyClick(opened.copy, Qt.Key.Key_Space)
    assert opened.copy.text() == COPIED_TEXT
    live.qtbot.keyClick(opened, Qt.Key.Key_Escape)
    assert not opened.isVisible()


@pytest.mark.gui
@needs_display
def test_closing_the_console_closes_it(live):
    live.key(Qt.Key.Key_F8)
    window = live.window.engineer.window
    live.until(window.isVisible)
    log = live.window.engineer.log
    assert log in logging.getLogger().handlers
    live.window.close()
    assert not window.isVisible()
    assert log not in logging.getLogger().handlers


@pytest.mark.gui
@needs_display
def test_frames_that_the_screen_was_too_slow_for_are_counted_at_its_slot(live, opened):
    before = live.engine.status().replaced_at
    held = live.engine.cine
    for _ in range(3):
        last = held.indices()[-1]
        live.source.push()
        live.until_unseen(lambda last=last: held.indices()[-1] > last)
    live.until_unseen(lambda: live.engine.status().replaced_at[2] - before[2] >= 2)
    status = live.engine.status()
    assert status.replaced_at[:2] == before[:2]
    assert sum(status.replaced_at) == status.replaced_frames
    opened._on_time()
    text = rows_of(opened.timing)["replaced before the screen"]
    assert text.startswith(str(status.replaced_at[2]))


def test_the_network_is_told_by_its_file():
    segmenter = Segmenter()
    content = model(segmenter.name).read_bytes()
    assert segmenter.fingerprint == hashlib.sha256(content).hexdigest()[:16]


# ---- figures, without a window -------------------------------------------------------------


def test_replaced_frames_are_told_by_slot_with_their_rate():
    passed = [Passed(10.0, 100, (4, 0, 7)), Passed(12.0, 160, (10, 0, 8), 5)]
    assert dict(frame_rows(passed, 29.96)) == {
        "painted": "160, 30.0/s",
        "missed from the source": "5, 2.5/s",
        "replaced before the first step": "10, 3.0/s",
        "replaced before the second step": "0, 0.0/s",
        "replaced before the screen": "8, 0.5/s",
    }
    assert dict(frame_rows(passed[:1], 0.0))["replaced before the screen"] == "7"


def test_a_stage_is_told_by_its_median_over_the_last_seconds():
    recent = Recent()
    frame = make_frame(0)
    for now_s, ms in ((0.0, 900.0), (7.5, 10.0), (8.0, 12.0), (10.0, 50.0)):
        recent.note(dataclasses.replace(frame, stage_seconds={"dealias": 1e-3 * ms}), now_s)
    assert recent.stage_ms() == {"dealias": pytest.approx(12.0)}
    assert Recent().stage_ms() == {}
    assert stage_rows({}, 0.03) == ()
    assert dict(stage_rows({"check": 1.0}, 0.0))["frame interval"] == "one frame that is held"


def test_truth_counts_only_frames_that_have_it():
    recent = Recent()
    recent.note(make_frame(0), 0.0)
    recent.note(without_truth(make_frame(1)), 1.0)
    assert recent.with_truth() == []
    recent.note(make_frame(2), 2.0)
    known = recent.with_truth()
    assert [each.now_s for each in known] == [2.0]
    assert dict(truth_rows(known))["frames"] == "1"


def test_latencies_are_told_by_their_percentiles():
    assert latency_rows(np.zeros(0)) == (("read to painted", "nothing painted yet"),)
    ((_, text),) = latency_rows(np.arange(1.0, 101.0))
    assert text == "p50 50   p95 95   p99 99 ms, the last 100"


def test_a_source_without_rate_or_cycles_is_told_so():
    rows = dict(acquisition_rows(make_acquisition(frame_interval_s=0.0), None))
    assert rows["frame interval"] == "held"
    assert "cycles not known" in rows["f0"]
    assert acquisition_rows(None, None) == (("source", "none"),)
    noted = dataclasses.replace(make_acquisition(), notes=("uses 8 pulses", "no angle"))
    notes = [text for name, text in acquisition_rows(noted, None) if name == "note"]
    assert notes == ["uses 8 pulses", "no angle"]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("/home/bob/x.mat: no such file", (), "(file).mat: no such file"),
        ("~/scans/x.h5 is damaged", (), "(file).h5 is damaged"),
        (r"C:\Users\bob\x.uff: no", (), "(file).uff: no"),
        ("opened miller anna", ("/data/miller anna.mat",), "opened (file)"),
        ("at miller anna.mat, then", ("/data/miller anna.mat",), "at (file).mat, then"),
        ("/data/a b/c d.h5: no", ("/data/a b/c d.h5",), "(file).h5: no"),
        ('File "/home/bob/lib/engine.py", line 3', (), 'File "engine.py", line 3'),
        ("30 frames/s and 1/2", (), "30 frames/s and 1/2"),
        ("the network computes", ("net.mat",), "the network computes"),
    ],
)
def test_names_of_files_and_folders_are_left_out(text, names, expected):
    assert without_names(text, names) == expected


def test_round_ends_of_an_axis():
    assert [round_up(value) for value in (0.0, -1.0, 0.3, 1.0, 1.01, 49.0, 51.0)] == [
        1.0,
        1.0,
        0.5,
        1.0,
        2.0,
        50.0,
        100.0,
    ]


@pytest.mark.gui
@needs_display
def test_drawings_take_nothing_and_nonsense(qtbot):
    bars, latency = StageBars(), LatencyPlot()
    truth = TruthPlot("rms", lambda counts: (math.nan, math.nan, math.nan))
    for widget in (bars, latency, truth):
        qtbot.addWidget(widget)
        widget.resize(300, 120)
        widget.grab()
    latency.show_latencies(np.array([5.0, 7.0, 90.0]))
    assert latency.counts.sum() == 3
    # One that is far out is in the last column, and does not set the scale for all others.
    latency.show_latencies(np.append(np.full(500, 20.0), 9000.0))
    assert latency.end_ms == 20.0
    assert latency.counts[-1] == 501
    recent = Recent()
    recent.note(make_frame(0), 0.0)
    truth.show_frames(recent.with_truth())
    for widget in (bars, latency, truth):
        widget.grab()


def test_the_log_is_bounded_and_takes_any_thread():
    log = Log(lambda: 3600.0)
    threads = [
        threading.Thread(target=lambda: [log.note("text", False) for _ in range(300)])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = log.entries()
    assert len(entries) == MOST
    assert [entry.number for entry in entries] == list(range(900 - MOST, 900))
    assert entries[0].line().endswith("shown           text")


def test_what_nobody_else_hears_still_goes_to_stderr():
    code = (
        "import logging\n"
        "from ultrasound_console.ui.engineer.log import Log\n"
        "log = Log(); log.start(); logging.getLogger('x').error('heard')\n"
        "log.stop(); assert not logging.getLogger().handlers\n"
        "assert [entry.text for entry in log.entries()] == ['x: heard']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ}
    )
    assert done.stderr == "heard\n"


def test_the_system_is_asked_for_memory_and_time(tmp_path):
    task = tmp_path / "task" / "7"
    task.mkdir(parents=True)
    (tmp_path / "statm").write_text("9000 1234 5 6 7 8 9\n")
    fields = " ".join(str(n) for n in range(1, 40))
    (task / "stat").write_text(f"7 (a name) of (mine) {fields}\n")
    assert resident_bytes(tmp_path) == 1234 * os.sysconf("SC_PAGE_SIZE")
    assert cpu_seconds(7, tmp_path) == pytest.approx((12 + 13) / os.sysconf("SC_CLK_TCK"))
    assert cpu_seconds(8, tmp_path) is None
    (tmp_path / "statm").write_text("nonsense")
    assert resident_bytes(tmp_path) is None


def test_the_load_of_a_thread_is_its_time_over_the_clocks():
    spent = {}
    threads = Threads(lambda native_id: spent.get(native_id, 0.0))
    assert {load for _, load in threads.loads(10.0)} == {None}
    spent[threading.main_thread().native_id] = 0.5
    assert dict(threads.loads(12.0))["screen"] == pytest.approx(0.25)
    assert dict(Threads(lambda _: None).loads(1.0))["screen"] is None
