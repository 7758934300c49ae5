"""The console from its start to its exit code."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from display import needs_display
from known_flow import KnownPipeline
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from ultrasound_console import assets
from ultrasound_console.ui import app as app_module
from ultrasound_console.ui import window as window_module
from ultrasound_console.ui.app import RunOptions, run_console

SCENE = "simulated:femoral-bifurcation"
STATS_KEYS = {
    "painted_fps",
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "frames",
    "replaced_frames",
    "errors",
    "device",
}

with_display = [pytest.mark.gui, needs_display]


@pytest.fixture
def no_window_is_left(qtbot):
    yield
    assert not [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"acquire", "form", "doppler", "simulated probe"})


@pytest.fixture
def flow(monkeypatch):
    """A source with three frames in the place of the real ones."""
    pipeline = KnownPipeline(monkeypatch)
    pipeline.sources["known"].push(3)
    return pipeline


@pytest.fixture
def in_the_window(monkeypatch):
    """Have something done in the window once it is there."""

    def arrange(act, when=lambda window: window.canvas.frame is not None):
        class Acting(window_module.MainWindow):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self._acting = QTimer(self, interval=20)
                self._acting.timeout.connect(self._act)
                self._acting.start()

            def _act(self):
                if when(self):
                    self._acting.stop()
                    act(self)

        monkeypatch.setattr(window_module, "MainWindow", Acting)

    return arrange


class TestWithTheSimulatedProbe:
    pytestmark = with_display

    def test_it_runs_closes_by_itself_and_leaves_what_was_asked_for(
        self, no_window_is_left, tmp_path
    ):
        options = RunOptions(
            source=SCENE,
            changes={"prf_hz": 2000.0, "bmode_gain_db": 3.0},
            size=(1100, 640),
            seconds=2.0,
            screenshot=tmp_path / "window.png",
            stats=tmp_path / "stats.json",
        )
        assert run_console(options) == 0
        stats = json.loads((tmp_path / "stats.json").read_text())
        assert set(stats) == STATS_KEYS
        assert stats["frames"] >= 2
        assert stats["errors"] == 0
        assert 0 < stats["latency_ms_p50"] <= stats["latency_ms_p95"] <= stats["latency_ms_p99"]
        image = QImage(str(tmp_path / "window.png"))
        assert (image.width(), image.height()) == (1100, 640)
        colours = {image.pixelColor(x, 200).name() for x in range(0, 1100, 3)}
        assert len(colours) > 50

    def test_a_lower_prf_aliases_and_a_higher_one_does_not(self, no_window_is_left, in_the_window):
        seen = {}

        def first(window):
            seen["start"] = window.canvas.frame.acquisition.prf_hz
            window.settings.change("prf_hz", 800.0)
            window.store.commit()
            watch = QTimer(window, interval=50)
            watch.timeout.connect(lambda: second(window, watch))
            watch.start()

        def second(window, watch):
            frame = window.canvas.frame
            if frame.acquisition.prf_hz != 800.0 or frame.aliased_share < 0.05:
                return
            watch.stop()
            seen["low"] = window.labels.bars[0].texts[0]
            seen["nyquist"] = 100 * frame.nyquist_velocity_m_s
            window.close()

        in_the_window(
            first,
            lambda w: w.canvas.frame is not None and w.canvas.frame.acquisition.prf_hz == 12000.0,
        )
        assert run_console(RunOptions(SCENE, {"prf_hz": 12000.0}, seconds=60.0)) == 0
        assert seen["start"] == 12000.0
        assert float(seen["low"]) == pytest.approx(seen["nyquist"], abs=0.1)


class TestWhenItCannotRun:
    @pytest.mark.gui
    @needs_display
    def test_no_picture_at_all_is_a_failure(self, no_window_is_left, monkeypatch, capsys):
        monkeypatch.setattr(app_module, "FIRST_PICTURE_WITHIN_S", 0.5)
        KnownPipeline(monkeypatch)  # a source that never gets to deliver
        assert run_console(RunOptions("known", {}, seconds=0.5)) == 1
        assert capsys.readouterr().err == (
            "ultrasound-console: known: no picture came within 0.5 s\n"
        )

    @pytest.mark.gui
    @needs_display
    def test_a_source_that_cannot_be_opened_is_one_line(
        self, no_window_is_left, flow, capsys, tmp_path
    ):
        options = RunOptions(
            "missing.mat", {}, screenshot=tmp_path / "a.png", stats=tmp_path / "a.json"
        )
        assert run_console(options) == 2
        error = capsys.readouterr().err
        assert error == "ultrasound-console: missing.mat: no such file; check the name\n"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.gui
    @needs_display
    def test_a_screenshot_that_cannot_be_written_is_one_line(
        self, no_window_is_left, flow, capsys, tmp_path
    ):
        picture = tmp_path / "folder.png"
        picture.mkdir()
        assert run_console(RunOptions("known", {}, seconds=0.1, screenshot=picture)) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"ultrasound-console: {picture}: ")
        assert error.count("\n") == 1

    @pytest.mark.skipif(sys.platform != "linux", reason="displays are named so on Linux")
    @pytest.mark.parametrize("display", [None, ":977"])
    def test_no_display_is_one_line(self, display):
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("DISPLAY", "WAYLAND_DISPLAY")
        }
        environment["QT_QPA_PLATFORM"] = "xcb"
        if display:
            environment["DISPLAY"] = display
        run = subprocess.run(
            [sys.executable, "-m", "ultrasound_console", "run"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 1
        assert run.stdout == ""
        assert run.stderr.startswith("ultrasound-console: ")
        assert run.stderr.count("\n") == 1
        assert "display" in run.stderr.lower()


class TestTheWholeProcess:
    pytestmark = with_display

    def test_it_ends_with_its_signal_and_leaves_no_process(self):
        command = [sys.executable, "-m", "ultrasound_console", "run", SCENE]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        log = Path(os.environ["ULTRASOUND_CONSOLE_LOGS"], "console.log")
        pause = threading.Event()
        try:
            for _ in range(2400):
                if log.is_file() and "acquires:" in log.read_text():
                    break
                assert process.poll() is None, process.stderr.read()
                pause.wait(0.05)
            else:
                raise AssertionError("it never acquired")
            pause.wait(0.3)
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
        assert process.returncode == 128 + signal.SIGTERM
        assert "Traceback" not in said
        assert not psutil.wait_procs(children, timeout=10.0)[1]
        assert log.read_text().rstrip().endswith("end")


class TestWhileItRuns:
    pytestmark = with_display

    def test_an_error_on_screen_is_shown_and_counted(
        self, no_window_is_left, flow, in_the_window, caplog, tmp_path
    ):
        shown = []

        def fail(window):
            QTimer.singleShot(
                100, lambda: (shown.append(window.message.text.text()), window.close())
            )
            raise RuntimeError("the label fell off")

        in_the_window(fail)
        assert run_console(RunOptions("known", {}, stats=tmp_path / "stats.json")) == 0
        assert shown == ["screen: the label fell off"]
        assert json.loads((tmp_path / "stats.json").read_text())["errors"] == 1
        assert "the label fell off" in caplog.text

    def test_the_log_begins_before_opengl_may_end_the_process(self, qapp, monkeypatch, capsys):
        def fails():
            raise app_module.CannotStartError("this display has no OpenGL")

        monkeypatch.setattr(app_module, "_check_opengl", fails)
        folder = Path(os.environ["ULTRASOUND_CONSOLE_LOGS"])
        folder.mkdir(parents=True)
        (folder / "crash.txt").write_text("Fatal Python error")
        assert run_console(RunOptions(None, {})) == 1
        assert "no OpenGL" in capsys.readouterr().err
        # That is left for the next window to tell.
        assert (folder / "crash.txt").read_text() == "Fatal Python error"
        log = (folder / "console.log").read_text()
        assert "start of" in log
        assert "end" in log

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_a_signal_closes_it_in_order(self, no_window_is_left, flow, in_the_window, name):
        number = signal.Signals[name]
        before = signal.signal(number, signal.SIG_DFL)  # the tests may run under `nohup`
        try:
            in_the_window(lambda window: signal.raise_signal(number))
            assert run_console(RunOptions("known", {})) == 128 + number
            assert signal.getsignal(number) is signal.SIG_DFL
        finally:
            signal.signal(number, before)
        assert not flow.sources["known"].running

    def test_a_signal_that_is_to_be_ignored_is(self, no_window_is_left, flow, in_the_window):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def ignore(window):
            signal.raise_signal(signal.SIGHUP)
            QTimer.singleShot(100, window.close)

        try:
            in_the_window(ignore)
            assert run_console(RunOptions("known", {})) == 0
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_an_error_that_each_paint_repeats_is_logged_once(
        self, no_window_is_left, flow, in_the_window, caplog, tmp_path
    ):
        def fail(window):
            for _ in range(5):
                error = RuntimeError("no paint left")
                sys.excepthook(type(error), error, None)
            window.close()

        in_the_window(fail)
        assert run_console(RunOptions("known", {}, stats=tmp_path / "stats.json")) == 0
        assert json.loads((tmp_path / "stats.json").read_text())["errors"] == 5
        assert caplog.text.count("fault on screen") == caplog.text.count("shown: screen") == 1

    def test_settings_of_the_command_line_outlast_the_sources_own(
        self, no_window_is_left, flow, in_the_window
    ):
        seen = {}

        def look(window):
            seen["store"] = window.store.current
            seen["slider"] = window.controls.controls["prf_hz"].value
            seen["reset"] = window.controls.controls["prf_hz"].default
            window.close()

        in_the_window(look)
        source = flow.sources["known"]
        configure = source.configure

        def configure_and_go_on(settings):
            acquisition = configure(settings)
            source.push()  # frames of the source's own settings are not shown any more
            return acquisition

        source.configure = configure_and_go_on
        changes = {"prf_hz": 6000.0, "wall_filter": "none", "baseline": 0.5}
        assert run_console(RunOptions("known", changes)) == 0
        assert all(seen["store"].get(name) == value for name, value in changes.items())
        assert seen["slider"] == 6000.0
        assert seen["reset"] == 3000.0

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, ""),
            (
                {"dealias_method": "continuity"},
                "the network folds.onnx is not used: dealias_method is continuity; "
                "set dealias_method=network",
            ),
        ],
    )
    def test_a_named_network_that_no_setting_asks_for_is_said(
        self, no_window_is_left, flow, in_the_window, changes, said
    ):
        seen = []

        def look(window):
            message = window.message
            seen.append(message.text.text() if message.isVisible() else "")
            window.close()

        in_the_window(look)
        flow.sources["known"].push(20)
        assert run_console(RunOptions("known", changes, model=assets.model("folds.onnx"))) == 0
        assert seen == [said]

    def test_without_a_source_the_start_page_offers_some_and_an_error_closes_nothing(
        self, no_window_is_left, flow, in_the_window, tmp_path
    ):
        seen = {}

        def look(window):
            seen["page"] = window.start_page.isVisible()
            window.open_source("missing.mat")
            watch = QTimer(window, interval=20)
            watch.timeout.connect(lambda: then(window, watch))
            watch.start()

        def then(window, watch):
            if window.message.is_error:
                watch.stop()
                seen["error"] = window.message.text.text()
                window.open_source("known")
                QTimer.singleShot(0, lambda: wait(window))

        def wait(window):
            if window.canvas.frame is None:
                QTimer.singleShot(20, lambda: wait(window))
                return
            seen["settings"] = window.store.current
            window.close()

        in_the_window(look, when=lambda window: True)
        assert run_console(RunOptions(None, {"wall_filter": "none"})) == 0
        assert seen["page"] is True
        assert "missing.mat" in seen["error"]
        assert seen["settings"].processing.wall_filter == "none"

    def test_what_a_source_was_left_with_is_in_force_at_the_next_start(
        self, no_window_is_left, flow, in_the_window
    ):
        seen = []

        def change_and_close(window):
            seen.append(window.store.current)
            window.settings.change("bmode_gain_db", 6.0)
            window.settings.change("prf_hz", 2000.0)
            window.close()

        in_the_window(change_and_close)
        source = flow.sources["known"]
        for options in (
            RunOptions("known", {}),
            RunOptions("known", {}, fresh=True),
            RunOptions("known", {"bmode_gain_db": -3.0}),
        ):
            source.push(3)
            assert run_console(options) == 0
        gains_db = [settings.display.bmode_gain_db for settings in seen]
        assert gains_db == [0.0, 0.0, -3.0]
        assert [settings.acquisition.prf_hz for settings in seen] == [3000.0, 3000.0, 2000.0]


def test_freed_arrays_are_to_go_back_to_the_system(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(app_module, "return_freed_arrays", lambda: asked.append(True))
    assert run_console(RunOptions(None, {}, model=tmp_path / "missing.onnx")) == 2
    assert asked
