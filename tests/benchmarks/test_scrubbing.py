"""How long a frame of the frozen loop takes to the screen, from the key or the mouse."""

import numpy as np
import pytest
from display import needs_display
from PySide6.QtCore import QPoint, Qt

from ultrasound_console.store import SettingsStore
from ultrasound_console.ui.window import MainWindow

pytestmark = [pytest.mark.gui, pytest.mark.long, needs_display]

SCENE = "simulated:femoral-bifurcation"
FRAMES = 300
ROUNDS = 100
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def frozen(qapp):
    """The window with the default scene, as the program starts it, and a frozen loop."""
    window = MainWindow(SettingsStore())
    window.resize(1280, 720)
    window.show()
    window.open_source(SCENE)
    while len(window.engine.cine.indices()) < FRAMES:
        qapp.processEvents()
    window.toggle_freeze()
    yield window
    window.close()


def painted(qtbot, window, act):
    """Do something, and wait until another frame is on the screen."""
    before = window.canvas.frame
    with qtbot.waitSignal(window.canvas.painted, timeout=5000):
        act()
    assert window.canvas.frame is not before
    assert window.canvas.frame.index == window.cine.slider.shown


def test_key_to_picture(benchmark, qtbot, frozen):
    with qtbot.waitActive(frozen):
        frozen.activateWindow()
    frozen.cine.last()
    qtbot.wait(500)  # what was on its way is on the screen
    benchmark.pedantic(
        painted,
        args=(qtbot, frozen, lambda: qtbot.keyClick(frozen, Qt.Key.Key_Left)),
        rounds=ROUNDS,
    )
    note(benchmark)


def test_mouse_to_picture(benchmark, qtbot, frozen):
    slider = frozen.cine.slider
    places = iter(np.linspace(len(slider.loop) - 1, 0, ROUNDS + 1))

    def next_place():
        return QPoint(round(slider.x_px(next(places))), slider.height() // 4)

    qtbot.mousePress(slider, LEFT, pos=next_place())
    qtbot.wait(500)
    benchmark.pedantic(
        painted,
        args=(qtbot, frozen, lambda: qtbot.mouseMove(slider, next_place())),
        rounds=ROUNDS,
    )
    qtbot.mouseRelease(slider, LEFT)
    note(benchmark)


def note(benchmark):
    """Keep what the screen is judged by: the slow ones, too."""
    times_ms = 1e3 * np.array(benchmark.stats.stats.data)
    benchmark.extra_info["ms_p50_p99"] = np.percentile(times_ms, (50, 99)).round(1).tolist()
