"""The frozen loop with real mouse and keys: play, range, peaks, processing it all again."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from display import needs_display
from fakes import make_acquisition
from known_flow import KnownFlow
from panels import rgb
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QApplication, QLabel, QToolButton

from ultrasound_console import compute as compute_module
from ultrasound_console.cine import LoopFrame
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.ui import theme
from ultrasound_console.ui.cine import player as player_module
from ultrasound_console.ui.cine.slider import ALIASED_COLOUR, SPEED_COLOUR, CineSlider

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
INTERVAL_S = 0.03


@pytest.fixture
def clock(monkeypatch):
    """The clock that frames are played by; it stands still by itself."""
    made = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(player_module, "time", SimpleNamespace(perf_counter=lambda: made.now_s))
    return made


@pytest.fixture
def frozen(live):
    """Ten frames, and the last of them on screen."""
    live.play(7)
    live.freeze()
    assert len(live.engine.cine.indices()) == 10
    return live


def bar(console):
    return console.window.cine


def click(console, name):
    console.qtbot.mouseClick(bar(console).buttons[name], LEFT)


def until_shown(console, place):
    """Wait until the canvas has the frame at a place of the loop."""
    index = console.engine.cine.indices()[place]
    console.until(lambda: console.frame.index == index)
    assert console.frame is console.engine.cine.frame(index)


def go_to(console, place):
    slider = bar(console).slider
    console.qtbot.mouseClick(slider, LEFT, pos=QPoint(round(slider.x_px(place)), 10))
    until_shown(console, place)


# ---- playing -------------------------------------------------------------------------------


def test_the_loop_is_played_in_time_over_and_over(frozen, clock):
    go_to(frozen, 6)
    frozen.key(Qt.Key.Key_P)
    # The last frame stands for 1/30 s: the source's interval; the others came 0.03 s apart.
    for place in (7, 8, 9):
        clock.now_s += INTERVAL_S
        until_shown(frozen, place)
    clock.now_s += 1.2 * INTERVAL_S
    until_shown(frozen, 0)
    # A screen that was away for a while goes on in time.
    clock.now_s += 4 * INTERVAL_S
    until_shown(frozen, 4)
    # Words follow the pictures.
    told = f"5 of 10   frame {frozen.frame.index} "
    frozen.until(lambda: told in bar(frozen).position.text())
    frozen.key(Qt.Key.Key_P)
    assert not bar(frozen).player.playing
    shown = frozen.picture(0)
    go_to(frozen, 9)
    assert not np.array_equal(frozen.picture(0), shown)


def test_speed_is_set_with_keys_and_buttons_and_can_change_while_playing(frozen, clock):
    go_to(frozen, 0)
    click(frozen, "play")
    frozen.key(Qt.Key.Key_Comma)
    frozen.key(Qt.Key.Key_Comma)
    assert bar(frozen).speed.text() == "0.25×"
    clock.now_s += 4.4 * INTERVAL_S
    until_shown(frozen, 1)
    for _ in range(3):
        click(frozen, "faster")
    frozen.key(Qt.Key.Key_Period)
    frozen.key(Qt.Key.Key_Period)
    assert bar(frozen).speed.text() == "4×"
    clock.now_s += INTERVAL_S
    until_shown(frozen, 5)
    for _ in range(6):
        click(frozen, "slower")
    assert bar(frozen).speed.text() == "0.1×"
    clock.now_s += 10 * INTERVAL_S
    until_shown(frozen, 6)


def test_only_what_lies_between_in_and_out_is_played(frozen, clock):
    go_to(frozen, 3)
    frozen.key(Qt.Key.Key_I)
    go_to(frozen, 5)
    frozen.key(Qt.Key.Key_O)
    held = frozen.engine.cine.indices()
    assert bar(frozen).slider.range == (held[3], held[5])
    go_to(frozen, 8)
    frozen.key(Qt.Key.Key_P)
    clock.now_s += 0.1 * INTERVAL_S
    for place in (3, 4, 5, 3, 4):
        until_shown(frozen, place)
        clock.now_s += 1.1 * INTERVAL_S
    # Once more on an end takes it back, also while playing.
    frozen.key(Qt.Key.Key_P)
    go_to(frozen, 3)
    click(frozen, "in")
    assert bar(frozen).slider.range == (None, held[5])
    # An end on the wrong side of the other one replaces it.
    go_to(frozen, 7)
    click(frozen, "in")
    assert bar(frozen).slider.range == (held[7], None)
    go_to(frozen, 2)
    click(frozen, "out")
    assert bar(frozen).slider.range == (None, held[2])


def test_going_elsewhere_pauses(frozen, clock):
    for key in ("Left", "Right", "Home", "S"):
        go_to(frozen, 5)
        frozen.key(Qt.Key.Key_P)
        assert bar(frozen).player.playing
        frozen.key(getattr(Qt.Key, f"Key_{key}"))
        assert not bar(frozen).player.playing
        shown = bar(frozen).slider.shown
        clock.now_s += 3 * INTERVAL_S
        frozen.until(lambda shown=shown: frozen.frame.index == shown)


def test_going_live_from_playing_is_clean(frozen, clock):
    last = frozen.frame.index
    go_to(frozen, 2)
    frozen.key(Qt.Key.Key_I)
    frozen.key(Qt.Key.Key_P)
    clock.now_s += 2 * INTERVAL_S
    frozen.key(Qt.Key.Key_Space)
    frozen.until(lambda: frozen.source.running)
    assert not bar(frozen).player.playing
    assert bar(frozen).slider.range == (None, None)
    clock.now_s += 3 * INTERVAL_S
    frozen.play(2)
    assert frozen.frame.index == last + 2
    frozen.until(lambda: "LIVE" in frozen.chip)


def test_keys_of_the_loop_do_nothing_while_live(live):
    shown = live.frame
    for key in "PIOSA":
        live.key(getattr(Qt.Key, f"Key_{key}"))
    live.key(Qt.Key.Key_Home)
    live.key(Qt.Key.Key_R, CTRL)
    assert live.frame is shown
    assert not bar(live).player.playing
    assert bar(live).slider.range == (None, None)
    assert not any(button.isEnabled() for button in bar(live).buttons.values())
    live.play(1)
    assert live.frame.index == shown.index + 1


# ---- peaks ---------------------------------------------------------------------------------


def test_the_peak_of_aliasing_is_the_frame_with_the_largest_share(frozen):
    shares = [frozen.engine.cine.frame(i).aliased_share for i in frozen.engine.cine.indices()]
    frozen.key(Qt.Key.Key_Home)
    go_to(frozen, 8)
    frozen.key(Qt.Key.Key_A)
    until_shown(frozen, int(np.argmax(shares)))
    frozen.until(lambda: bar(frozen).aliased.text() == f"aliased {100 * max(shares):.0f} %")


def test_there_is_no_peak_of_aliasing_where_nothing_is_aliased(console):
    console.flow.sources["known"] = KnownFlow("fast enough")
    console.open()
    console.window.settings.change("prf_hz", 12000.0)
    console.until(lambda: console.engine.status().acquisition.prf_hz == 12000.0)
    console.play(4)
    console.freeze()
    console.until(bar(console).buttons["peak_systole"].isEnabled)
    assert not bar(console).buttons["peak_aliasing"].isEnabled()
    shown = console.frame
    console.key(Qt.Key.Key_A)
    console.window._on_poll()
    assert console.frame is shown


def test_without_a_known_heart_the_fastest_frame_is_peak_systole(frozen):
    go_to(frozen, 8)
    speeds_m_s = [told.mean_speed_m_s for told in frozen.engine.cine.loop()]
    click(frozen, "peak_systole")
    until_shown(frozen, int(np.argmax(speeds_m_s)))
    frozen.until(lambda: bar(frozen).mean_speed.text() == f"mean {100 * max(speeds_m_s):.1f} cm/s")


def test_a_simulated_heart_has_its_peaks_beat_by_beat(console):
    heart = {"heart_cycle_s": 0.12, "peak_systole_s": 0.06, "frame_interval_s": INTERVAL_S}
    console.flow.sources["known"] = KnownFlow("heart", **heart)
    console.open()
    console.play(10)
    console.freeze()
    for place in (2, 6, 2):
        console.key(Qt.Key.Key_S)
        until_shown(console, place)
    # Within in and out only.
    go_to(console, 4)
    console.key(Qt.Key.Key_I)
    for _ in range(2):
        console.key(Qt.Key.Key_S)
        until_shown(console, 6)
    assert not console.window.message.isVisible()
    # The frame of a peak is not in the loop: the nearest one has to do, and it is said.
    go_to(console, 0)
    console.key(Qt.Key.Key_I)
    console.key(Qt.Key.Key_O)
    console.key(Qt.Key.Key_S)
    console.until(lambda: "one is 60 ms before" in console.window.message.text.text())
    assert console.frame.index == console.engine.cine.indices()[0]


# ---- processing it all again ---------------------------------------------------------------


class Gate:
    """Lets the frames of the loop through one by one."""

    def __init__(self, console, monkeypatch) -> None:
        self.passes = threading.Semaphore(0)
        doppler = console.flow._doppler

        def waits(*arguments):
            assert self.passes.acquire(timeout=20)
            return doppler(*arguments)

        monkeypatch.setattr(compute_module, "doppler", waits)


def filters(console):
    indices = console.engine.cine.indices()
    return [console.engine.cine.frame(index).processing.wall_filter for index in indices]


def test_the_whole_loop_is_processed_again_with_progress(frozen, monkeypatch):
    rerun = bar(frozen).buttons["rerun"]
    assert not rerun.isEnabled()
    frozen.window.settings.change("wall_filter", "none")
    frozen.until(rerun.isEnabled)
    frozen.until(lambda: frozen.frame.processing.wall_filter == "none")
    gate = Gate(frozen, monkeypatch)
    frozen.qtbot.mouseClick(rerun, LEFT)
    frozen.until(lambda: rerun.text() == "Cancel 0 %")
    gate.passes.release(5)
    frozen.until(lambda: rerun.text() == "Cancel 50 %")
    assert filters(frozen)[:9] == ["polynomial-1"] * 9
    # The loop can be looked at meanwhile, as it is.
    frozen.key(Qt.Key.Key_Home)
    until_shown(frozen, 0)
    assert frozen.frame.processing.wall_filter == "polynomial-1"
    gate.passes.release(20)
    frozen.until(lambda: rerun.text() == "Re-process")
    assert filters(frozen) == ["none"] * 10
    frozen.until(lambda: not rerun.isEnabled())
    frozen.until(lambda: frozen.frame.processing.wall_filter == "none")


def test_processing_the_loop_can_be_cancelled_with_the_same_key(frozen, monkeypatch):
    rerun = bar(frozen).buttons["rerun"]
    before = [frozen.engine.cine.frame(index) for index in frozen.engine.cine.indices()]
    gate = Gate(frozen, monkeypatch)
    frozen.window.store.change(wall_filter="none")
    frozen.until(rerun.isEnabled)
    frozen.key(Qt.Key.Key_R, CTRL)
    gate.passes.release(4)
    frozen.until(lambda: rerun.text() == "Cancel 40 %")
    frozen.key(Qt.Key.Key_R, CTRL)
    gate.passes.release(20)
    frozen.until(lambda: rerun.text() == "Re-process")
    assert rerun.isEnabled()
    after = [frozen.engine.cine.frame(index) for index in frozen.engine.cine.indices()]
    assert after == before


# ---- the strip -----------------------------------------------------------------------------

OLD = ProcessingSettings(wall_filter="none")
NEW = ProcessingSettings()
SHARES = (0.0, 0.2, 0.4, 0.1, 0.3)
SPEEDS_M_S = (0.2, 0.0, 0.1, 0.4, 0.0)
STILL = (0.0,) * 5


def strip_loop(shares=SHARES, speeds_m_s=SPEEDS_M_S, processing=NEW):
    acquisition = make_acquisition()
    return tuple(
        LoopFrame(10 + at, 0.1 * at, acquisition, processing, share, speed_m_s)
        for at, (share, speed_m_s) in enumerate(zip(shares, speeds_m_s, strict=True))
    )


@pytest.fixture
def slider(qtbot):
    made = CineSlider()
    qtbot.addWidget(made)
    made.resize(416, 56)
    made.show()
    return made


def near(pixels, colour, within=60):
    wanted = QColor(colour).getRgb()[:3]
    return np.abs(pixels - np.array(wanted)).max(-1) < within


def test_bars_are_as_high_as_the_aliased_shares(slider):
    slider.set_loop(strip_loop(speeds_m_s=STILL))
    amber = near(rgb(slider.grab().toImage()), ALIASED_COLOUR)
    columns = [amber[:, round(slider.x_px(place)) + 5] for place in range(4)]
    heights = [56 - np.flatnonzero(column).min() if column.any() else 0 for column in columns]
    full_px = heights[2]
    assert 30 < full_px <= 36
    assert heights == pytest.approx([full_px * share / 0.4 for share in SHARES[:4]], abs=1.0)


def test_the_line_is_as_high_as_the_mean_speeds(slider):
    slider.set_loop(strip_loop(shares=STILL))
    line = near(rgb(slider.grab().toImage())[20:], SPEED_COLOUR)
    heights = [
        36 - np.flatnonzero(line[:, round(slider.x_px(place))]).mean() for place in (0, 2, 3)
    ]
    assert heights[2] > 30
    assert heights == pytest.approx([heights[2] * speed / 0.4 for speed in (0.2, 0.1, 0.4)], abs=2)


def test_frames_that_other_settings_made_are_pale(slider):
    mixed = strip_loop(speeds_m_s=STILL)[:2]
    mixed += strip_loop(speeds_m_s=STILL, processing=OLD)[2:]
    slider.set_loop(mixed, NEW)
    pixels = rgb(slider.grab().toImage())
    row = 50
    assert near(pixels[row, round(slider.x_px(1)) + 5], ALIASED_COLOUR)
    pale = pixels[row, round(slider.x_px(2)) + 5]
    assert 40 < pale.max() < 150
    slider.set_loop(mixed, None)
    assert near(rgb(slider.grab().toImage())[row, round(slider.x_px(2)) + 5], ALIASED_COLOUR)


def test_what_is_not_played_lies_in_the_shade(slider):
    slider.set_loop(strip_loop())
    before = rgb(slider.grab().toImage())
    slider.set_range(11, 13)
    after = rgb(slider.grab().toImage())
    inside = slice(round(slider.x_px(1)) + 8, round(slider.x_px(3)) - 8)
    assert np.array_equal(after[:, inside], before[:, inside])
    # The bar of the last frame.
    column = round(slider.x_px(4)) - 5
    assert after[50, column].max() < 0.6 * before[50, column].max()


def test_the_strip_follows_a_growing_loop_now_and_then_and_a_frozen_one_at_once(slider):
    loop = strip_loop()
    slider.set_loop(loop[:2])
    for n in (3, 4):
        slider.set_loop(loop[:n])
        assert slider.loop == loop[:n]
        assert slider.figures.aliased_share.size == 2
    slider.set_loop(loop, NEW)
    assert slider.figures.aliased_share.size == 5
    slider.set_loop(loop)
    slider.set_loop(loop[1:])
    assert slider.figures.aliased_share.tolist() == list(SHARES)


def test_what_came_while_the_strip_stood_still_is_drawn_in_the_end(slider, qtbot):
    slider.set_loop(strip_loop()[:3])
    slider.set_loop(strip_loop())
    qtbot.waitUntil(lambda: slider.figures.aliased_share.size == 5, timeout=20_000)


def test_the_strip_of_the_window_is_that_of_its_loop(frozen):
    held = frozen.engine.cine.loop()
    frozen.until(lambda: bar(frozen).slider.loop == held)
    pixels = rgb(bar(frozen).slider.grab().toImage())
    assert near(pixels, ALIASED_COLOUR).sum() > 500
    most = 100 * max(told.aliased_share for told in held)
    assert f"up to {most:.0f} %" in bar(frozen).slider.toolTip()


# ---- for everyone --------------------------------------------------------------------------


def test_every_button_has_its_key_in_its_tooltip_and_takes_the_focus(frozen):
    reached = set()
    frozen.window.settings.change("wall_filter", "none")
    frozen.until(bar(frozen).buttons["rerun"].isEnabled)
    for _ in range(80):
        frozen.key(Qt.Key.Key_Tab)
        reached.add(QApplication.focusWidget().objectName())
    buttons = bar(frozen).buttons
    assert set(buttons) <= reached
    for button in buttons.values():
        assert "(" in button.toolTip()
        assert button.accessibleName()


def test_focus_is_seen_and_return_presses(frozen):
    bar(frozen).setStyleSheet(theme.STYLE)
    before = bar(frozen).buttons["before"]
    unseen = rgb(before.grab().toImage())
    before.setFocus(Qt.FocusReason.TabFocusReason)
    assert np.any(rgb(before.grab().toImage()) != unseen)
    frozen.key(Qt.Key.Key_Return)
    until_shown(frozen, 8)


def test_nothing_is_clipped(frozen):
    held = bar(frozen)
    for size in ((1024, 600), (1280, 720), (1900, 1000)):
        frozen.window.resize(*size)
        frozen.until(lambda size=size: frozen.window.size().toTuple() == size)
        held.show_rerun(1.0)
        parts = [*held.findChildren(QToolButton), *held.findChildren(QLabel)]
        assert len(parts) == 16
        for part in parts:
            text_px = QFontMetrics(part.font()).horizontalAdvance(part.text())
            assert text_px <= part.width() - 4, part.objectName()
            assert held.rect().contains(part.geometry()), part.objectName()
        assert held.slider.width() >= 240
        places = [part.geometry() for part in (*parts, held.slider, held.freeze_button)]
        for at, place in enumerate(places):
            assert not any(place.intersects(other) for other in places[:at])
