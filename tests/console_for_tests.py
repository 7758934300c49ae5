"""The whole window with real mouse and keys; the source is under control, the planes are known."""

import gc
import threading

import numpy as np
import pytest
from known_flow import KnownPipeline
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtWidgets import QApplication

from ultrasound_console.dsp.compilation import Compilation
from ultrasound_console.store import SettingsStore
from ultrasound_console.ui.window import MainWindow

LEFT = Qt.MouseButton.LeftButton


class Console:
    """The window, and what is behind it."""

    def __init__(self, qtbot, monkeypatch, settings=None, **options) -> None:
        self.qtbot = qtbot
        self.flow = KnownPipeline(monkeypatch)
        # Whatever the tests have to compile: frames wait for all of it.
        monkeypatch.setattr(Compilation, "is_first_start", False)
        self.window = MainWindow(SettingsStore(settings), **options)
        self.window.resize(1280, 720)
        with qtbot.waitExposed(self.window):
            self.window.show()
        with qtbot.waitActive(self.window):
            self.window.activateWindow()

    @property
    def source(self):
        return self.flow.sources["known"]

    @property
    def engine(self):
        return self.window.engine

    @property
    def frame(self):
        return self.window.canvas.frame

    @property
    def chip(self):
        return self.window.top.chip.text()

    def control(self, name):
        return self.window.controls.controls[name]

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyClick(QApplication.focusWidget() or self.window, key, modifier)

    def until(self, condition):
        # A condition that is empty is not met yet, and no error.
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=20_000)

    def until_unseen(self, condition):
        """Wait while the screen sleeps: workers go on, no event is handled."""
        pause = threading.Event()
        for _ in range(4000):
            if condition():
                return
            pause.wait(0.005)
        raise AssertionError("never happened")

    def play(self, n=1):
        """Deliver frames one by one, each shown before the next."""
        for _ in range(n):
            last = -1 if self.frame is None else self.frame.index
            self.source.push()
            self.until(lambda last=last: self.frame is not None and self.frame.index > last)

    def open(self, name="known"):
        self.window.open_source(name)
        self.until(lambda: self.engine.status().source == self.flow.sources[name].name)
        self.until(lambda: self.flow.sources[name].running)

    def freeze(self):
        self.key(Qt.Key.Key_Space)
        self.until(lambda: self.chip == "FROZEN")

    def pixels(self):
        """What is on the canvas."""
        image = self.window.canvas.image()
        image = image.convertToFormat(image.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()

    def picture(self, panel):
        rect = self.window.canvas.picture_rect(panel)
        return self.pixels()[rect.y : rect.bottom, rect.x : rect.right]

    def drag(self, control, to_share):
        """Drag a slider's handle to a share of its width."""
        y_px = control.height() // 2
        start = QPoint(round(control.x_px(control.steps.position(control.value))), y_px)
        end = QPoint(round(2 + to_share * (control.width() - 4)), y_px)
        self.qtbot.mousePress(control, LEFT, pos=start)
        self.qtbot.mouseMove(control, (start + end) / 2)
        self.qtbot.mouseMove(control, end)
        self.qtbot.mouseRelease(control, LEFT, pos=end)


@pytest.fixture
def console(qtbot, qtlog, monkeypatch):
    before = set(QApplication.topLevelWidgets())
    made = Console(qtbot, monkeypatch)
    yield made
    made.window.close()
    assert not [t.name for t in threading.enumerate() if t.name in ("acquire", "form", "doppler")]
    made.window.deleteLater()
    del made.window
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert set(QApplication.topLevelWidgets()) <= before
    assert [r.message for r in qtlog.records] == []


@pytest.fixture
def live(console):
    """The console with a source open and a picture on screen."""
    console.open()
    console.play(3)
    console.until(lambda: "LIVE" in console.chip)
    return console
