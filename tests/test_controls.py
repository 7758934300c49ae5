"""Each control with real mouse and keys: what the user does, and what comes out."""

import dataclasses

import pytest
from display import needs_display
from frames_for_tests import make_acquisition
from mouse import wheel
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QToolButton

from ultrasound_console.settings import SPECS, AcquisitionSettings, Settings
from ultrasound_console.settings.display import TGC
from ultrasound_console.ui.control_panel import (
    EVERYDAY,
    FROZEN,
    ONLY_RECORDINGS,
    ONLY_SIMULATED,
    RECORDED,
    SET_BY_RECORDING,
    Arrangement,
    ControlPanel,
)
from ultrasound_console.ui.controls import make_control

pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton


class Heard:
    """What a control told."""

    def __init__(self, control) -> None:
        self.values = []
        self.commits = 0
        control.changed.connect(lambda name, value: self.values.append((name, value)))
        control.committed.connect(self._committed)

    def _committed(self) -> None:
        self.commits += 1


@pytest.fixture
def shown(qtbot):
    """Make a control of a setting and show it in a window of its own."""

    def show(name):
        control = make_control(name, Settings().get(name), Settings().get(name))
        qtbot.addWidget(control)
        control.resize(200, control.height())
        with qtbot.waitExposed(control):
            control.show()
        with qtbot.waitActive(control):
            control.activateWindow()
        control.setFocus()
        return control, Heard(control)

    return show


def test_a_drag_follows_the_mouse_and_commits_once(qtbot, shown):
    slider, heard = shown("colour_gain_db")
    middle = slider.height() // 2
    qtbot.mousePress(slider, LEFT, pos=QPoint(100, middle))
    for x_px in (120, 150, 199):
        qtbot.mouseMove(slider, QPoint(x_px, middle))
    assert heard.commits == 0
    qtbot.mouseRelease(slider, LEFT, pos=QPoint(199, middle))
    names, values = zip(*heard.values, strict=True)
    assert set(names) == {"colour_gain_db"}
    assert values == tuple(sorted(values))
    assert values[-1] == slider.value == 20.0
    assert heard.commits == 1


def test_a_press_brings_the_handle_here_but_taking_the_handle_changes_nothing(qtbot, shown):
    slider, heard = shown("overlay_opacity")
    middle = slider.height() // 2
    handle_px = round(slider.x_px(slider.steps.position(0.85)))
    qtbot.mouseClick(slider, LEFT, pos=QPoint(handle_px + 5, middle))
    assert heard.values == []
    qtbot.mouseClick(slider, LEFT, pos=QPoint(round(slider.x_px(4)), middle))
    assert heard.values == [("overlay_opacity", slider.steps.values[4])]


def test_a_double_click_resets(qtbot, shown):
    slider, heard = shown("write_priority")
    slider.show_value(0.2)
    qtbot.mouseDClick(slider, LEFT, pos=QPoint(150, 10))
    assert heard.values == [("write_priority", 0.52)]
    assert slider.value == 0.52


def test_the_wheel_and_the_keys_step_and_commit_when_the_user_pauses(qtbot, shown):
    slider, heard = shown("bmode_gain_db")
    wheel(slider, slider.rect().center(), 2)
    assert slider.value == 2.0
    wheel(slider, slider.rect().center(), -1)
    qtbot.keyClick(slider, Qt.Key.Key_Up)
    qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    qtbot.keyClick(slider, Qt.Key.Key_Down)
    assert [value for _, value in heard.values] == [2.0, 1.0, 2.0, 12.0, 11.0]
    qtbot.waitUntil(lambda: heard.commits > 0)
    assert heard.commits == 1
    qtbot.keyClick(slider, Qt.Key.Key_Backspace)
    assert slider.value == 0.0


def test_steps_stop_at_the_ends(qtbot, shown):
    slider, heard = shown("write_priority")
    for _ in range(4):
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    assert slider.value == 1.0
    assert [value for _, value in heard.values] == [0.72, 0.92, 1.0]


def test_a_choice_is_a_slider_over_its_options(qtbot, shown):
    slider, heard = shown("wall_filter")
    qtbot.mouseClick(slider, LEFT, pos=QPoint(3, 10))
    qtbot.keyClick(slider, Qt.Key.Key_Up)
    assert heard.values == [("wall_filter", "none"), ("wall_filter", "polynomial-0")]


def test_a_switch_changes_over_by_click_and_return(qtbot, shown):
    switch, heard = shown("dealias")
    qtbot.mouseClick(switch, LEFT)
    qtbot.keyClick(switch, Qt.Key.Key_Return)
    assert heard.values == [("dealias", False), ("dealias", True)]
    assert heard.commits == 2


def test_left_and_right_are_left_to_the_cine_loop(qtbot, shown):
    slider, heard = shown("colour_gain_db")
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        qtbot.keyClick(slider, key)
    assert heard.values == []


def test_focus_can_be_seen(qtbot, shown):
    slider, _ = shown("colour_gain_db")
    qtbot.waitUntil(slider.hasFocus)
    focused = slider.grab().toImage()
    slider.clearFocus()
    assert slider.grab().toImage() != focused


@pytest.mark.parametrize("name", SPECS)
def test_a_value_that_is_shown_can_be_seen(name, shown):
    control, heard = shown(name)
    before = control.grab().toImage()
    other = next(value for value in reversed(control.steps.values) if value != control.value)
    control.show_value(other)
    assert control.grab().toImage() != before
    assert heard.values == []


@pytest.fixture
def panel(qtbot):
    made = ControlPanel(Settings())
    made.arrange(Arrangement.STRIP, 1280)
    made.resize(1280, 70)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    made.show_acquisition(make_acquisition())
    return made


def test_the_everyday_controls_are_in_sight_without_opening_anything(panel):
    assert all(panel.controls[name].isVisible() for name in EVERYDAY)
    assert not panel.controls["f_number"].isVisible()
    panel.more.click()
    assert all(control.isVisible() for name, control in panel.controls.items() if name not in TGC)
    assert not any(panel.controls[name].isVisible() for name in TGC)
    panel.tgc.heading.click()
    assert all(control.isVisible() for control in panel.controls.values())


@pytest.mark.parametrize("room_px", [1024, 1280, 1600, 1920, 2560])
def test_no_text_of_a_control_is_cut_off_in_the_strip(qtbot, panel, room_px):
    panel.arrange(Arrangement.STRIP, room_px)
    panel.resize(room_px, 140)
    panel.more.setChecked(True)
    panel.tgc.heading.setChecked(True)
    qtbot.waitUntil(lambda: all(control.isVisible() for control in panel.controls.values()))
    for control in panel.controls.values():
        assert control.minimum_text_px() <= control.width(), control.name
    assert panel.prf_readout.sizeHint().width() <= panel.prf_readout.width()


@pytest.mark.parametrize(("room_px", "n_rows"), [(1024, 3), (1280, 2), (1920, 2)])
def test_the_strip_has_few_rows(qtbot, panel, room_px, n_rows):
    panel.arrange(Arrangement.STRIP, room_px)
    panel.resize(room_px, 140)
    everyday = [panel.controls[name] for name in EVERYDAY]
    qtbot.waitUntil(lambda: all(control.isVisible() for control in everyday))
    assert len({control.y() for control in everyday}) == n_rows
    buttons = panel.more.parentWidget()
    assert not any(buttons.geometry().intersects(one.geometry()) for one in everyday)
    assert not buttons.geometry().intersects(panel.prf_readout.geometry())


def test_controls_keep_their_state_when_they_move(qtbot, panel):
    panel.controls["baseline"].show_value(0.5)
    control = panel.controls["baseline"]
    panel.arrange(Arrangement.COLUMN, 0)
    assert panel.controls["baseline"] is control
    assert control.value == 0.5
    unfolded = [control for name, control in panel.controls.items() if name not in TGC]
    qtbot.waitUntil(lambda: all(control.isVisible() for control in unfolded))
    assert panel.width() == 280
    panel.arrange(Arrangement.STRIP, 1280)
    qtbot.waitUntil(lambda: all(panel.controls[name].isVisible() for name in EVERYDAY))


def test_a_group_folds_away(qtbot, panel):
    panel.arrange(Arrangement.COLUMN, 0)
    heading = panel.controls["bmode_gain_db"].parentWidget().parentWidget().heading
    qtbot.waitUntil(panel.controls["prf_hz"].isVisible)
    qtbot.mouseClick(heading, LEFT)
    assert not panel.controls["bmode_gain_db"].isVisible()
    assert panel.controls["prf_hz"].isVisible()


@pytest.mark.parametrize("arrangement", Arrangement)
def test_tgc_is_folded_tells_its_state_and_goes_flat_in_one_step(qtbot, panel, arrangement):
    panel.arrange(arrangement, 1280)
    panel.more.setChecked(True)
    assert panel.tgc.heading.text() == "TGC: FLAT"
    panel.show_settings(Settings().replace(tgc_2_db=6.0, tgc_8_db=-3.0))
    assert panel.tgc.heading.text() == "TGC: SHAPED"
    qtbot.waitUntil(panel.tgc.heading.isVisible)
    qtbot.mouseClick(panel.tgc.heading, LEFT)
    flat = panel.tgc.findChild(QToolButton, "flat")
    qtbot.waitUntil(flat.isVisible)
    heard = Heard(panel)
    qtbot.mouseClick(flat, LEFT)
    assert heard.values == [("tgc_2_db", 0.0), ("tgc_8_db", 0.0)]
    assert heard.commits == 1
    assert panel.tgc.heading.text() == "TGC: FLAT"


def test_tgc_stays_unfolded_when_the_controls_move(panel):
    panel.tgc.heading.setChecked(True)
    panel.arrange(Arrangement.COLUMN, 0)
    assert panel.tgc.heading.isChecked()


def test_what_a_frozen_picture_cannot_follow_is_locked_and_says_why(panel):
    panel.set_frozen(True)
    locked = {name for name, control in panel.controls.items() if not control.isEnabled()}
    assert locked == {"f_number", *(f.name for f in dataclasses.fields(AcquisitionSettings))}
    assert FROZEN in panel.controls["prf_hz"].toolTip()
    panel.set_frozen(False)
    assert panel.controls["prf_hz"].isEnabled()
    assert FROZEN not in panel.controls["prf_hz"].toolTip()


def test_a_recording_locks_what_was_set_when_it_was_made(panel):
    assert ONLY_RECORDINGS in panel.controls["ensemble_step"].toolTip()
    recording = dataclasses.replace(make_acquisition(), prf_choices_hz=(6000.0, 3000.0))
    panel.show_acquisition(recording)
    assert panel.controls["ensemble_step"].isEnabled()
    assert not panel.controls["steering_rad"].isEnabled()
    assert SET_BY_RECORDING in panel.controls["steering_rad"].toolTip()
    assert panel.controls["steering_rad"].accessibleDescription() == RECORDED
    for name in ("truth", "heart_rate_hz", "peak_speed_m_s", "waveform"):
        assert ONLY_SIMULATED in panel.controls[name].toolTip()
    assert panel.controls["prf_hz"].steps.values == (3000.0, 6000.0)
    panel.show_acquisition(make_acquisition())
    assert panel.controls["steering_rad"].accessibleDescription() == "+15 deg"


def test_the_prf_is_told_with_what_it_means(panel):
    text = panel.prf_readout.text()
    for figure in ("3.00 kHz", "12.00 kHz", "17.8 cm/s", "257 mm"):
        assert figure in text
