"""Flow states, exam presets, undo and memory in the window, with real mouse and keys."""

import tomllib

import pytest
from display import needs_display
from known_flow import KnownFlow
from mouse import wheel
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLineEdit, QMenu

from ultrasound_console.config import ConfigError, config_folder
from ultrasound_console.flow_states import FLOW_STATES
from ultrasound_console.presets import Memory, Preset, Presets
from ultrasound_console.settings import Settings
from ultrasound_console.ui.control_panel import FROZEN, Arrangement

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LOW, GENERAL, HIGH = FLOW_STATES


def in_force(at, state):
    """Whether the engine works with all settings of a flow state."""
    return state.is_in_force(at.engine.store.current)


def lit(at):
    """Flow states whose button is lit."""
    return [name for name, b in at.window.controls.flow.buttons.items() if b.isChecked()]


def own_presets():
    """The folder that the window works with."""
    return Presets(config_folder() / "presets")


def drop(at, path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    place = at.window.rect().center()
    copy, no_key = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(at.window, QDragEnterEvent(place, copy, data, LEFT, no_key))
    QApplication.sendEvent(at.window, QDropEvent(QPointF(place), copy, data, LEFT, no_key))


def choose(at, menu, text, click):
    """Open a menu by mouse or key, and click one of its entries."""
    seen = []

    def pick():
        action = next(a for a in menu.actions() if a.text().partition("\t")[0] == text)
        seen.append(action.text())
        at.qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())

    menu.aboutToShow.connect(
        lambda: QTimer.singleShot(0, pick), Qt.ConnectionType.SingleShotConnection
    )
    click()
    at.until(lambda: bool(seen))


def choose_preset(at, text):
    button = at.window.preset
    choose(at, button.menu(), text, lambda: at.qtbot.mouseClick(button, LEFT))


def save_as(at, name):
    """Save by keys alone."""
    at.key(Qt.Key.Key_S, CTRL | SHIFT)
    dialog = at.window.findChild(QInputDialog)
    at.until(dialog.isVisible)
    entry = dialog.findChild(QLineEdit)
    entry.selectAll()
    at.qtbot.keyClicks(entry, name)
    at.qtbot.keyClick(entry, Qt.Key.Key_Return)
    at.until(lambda: at.window.findChild(QInputDialog) is None)
    at.window.activateWindow()
    at.until(at.window.isActiveWindow)


# ---- flow states ---------------------------------------------------------------------------


def test_a_flow_state_sets_all_of_its_settings_in_one_step(live):
    assert lit(live) == ["General"]
    live.qtbot.mouseClick(live.window.controls.flow.buttons["High"], LEFT)
    assert in_force(live, HIGH)
    assert lit(live) == ["High"]
    assert live.control("ensemble").value == HIGH.changes["ensemble"]
    live.until(lambda: "configure 6000" in live.source.calls)
    live.until(lambda: live.source.running)
    live.play()
    assert live.frame.acquisition.prf_hz == 6000.0
    assert live.frame.processing.smoothing_m == HIGH.changes["smoothing_m"]
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current == Settings()
    assert lit(live) == ["General"]
    live.key(Qt.Key.Key_Y, CTRL)
    assert in_force(live, HIGH)


def test_flow_states_by_keys_and_none_after_a_change_by_hand(live):
    for key, state in zip((Qt.Key.Key_F5, Qt.Key.Key_F6, Qt.Key.Key_F7), FLOW_STATES, strict=True):
        live.key(key)
        assert in_force(live, state)
        assert lit(live) == [state.name]
    live.drag(live.control("prf_hz"), 0.2)
    assert lit(live) == []
    button = live.window.controls.flow.buttons["Low"]
    button.setFocus()
    live.key(Qt.Key.Key_Return)
    assert in_force(live, LOW)
    live.drag(live.control("baseline"), 0.9)
    assert lit(live) == ["Low"]


def test_a_frozen_picture_keeps_its_flow_state(live):
    live.freeze()
    button = live.window.controls.flow.buttons["Low"]
    assert not button.isEnabled()
    assert FROZEN in button.toolTip()
    live.key(Qt.Key.Key_F5)
    assert lit(live) == ["General"]
    assert in_force(live, GENERAL)


@pytest.mark.parametrize("size", [(1024, 600), (1280, 720), (1920, 1000), (1900, 560)])
def test_the_buttons_fit_wherever_the_controls_are(live, size):
    live.window.setMinimumSize(0, 0)
    live.window.resize(*size)
    live.until(lambda: live.window.size().toTuple() == size)
    panel = live.window.controls
    beside = panel.arrangement is Arrangement.COLUMN
    live.until(lambda: beside != panel.more.isVisible())
    for button in panel.flow.buttons.values():
        live.until(button.isVisible)
        text_px = button.fontMetrics().horizontalAdvance(button.text())
        assert text_px + 4 <= button.width()
    if not beside:
        widths = [panel.controls[name].width() for name in ("prf_hz", "baseline", "colour_gain_db")]
        assert max(widths) - min(widths) <= 1
        assert abs(panel.flow.parentWidget().width() - widths[0]) <= 1
    strip = live.window.top
    right = live.window.preset.mapTo(strip, live.window.preset.rect().topRight()).x()
    assert right < strip.chip.x()


# ---- exam presets --------------------------------------------------------------------------


def test_a_preset_is_saved_by_keys_named_marked_when_changed_and_loaded_by_mouse(live):
    button = live.window.preset
    assert button.text() == "No preset"
    live.drag(live.control("persistence_s"), 0.5)
    live.drag(live.control("prf_hz"), 0.7)
    saved = live.engine.store.current
    assert saved.processing.persistence_s > 0.4
    save_as(live, "Carotid & co")
    assert own_presets().read("Carotid & co")[0] == Preset.of("Carotid & co", saved)
    assert button.text() == "Carotid & co"
    live.drag(live.control("baseline"), 0.9)
    assert button.text() == "Carotid & co *"
    assert "Baseline" in button.toolTip()
    live.key(Qt.Key.Key_Z, CTRL)
    assert button.text() == "Carotid & co"
    live.key(Qt.Key.Key_F5)
    live.drag(live.control("baseline"), 0.1)
    choose_preset(live, "Carotid && co")
    assert live.engine.store.current == saved
    assert button.text() == "Carotid & co"
    assert live.control("persistence_s").value == saved.processing.persistence_s
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current.display.baseline < -0.5
    assert in_force(live, LOW)


def test_undo_goes_back_to_the_preset_before(live):
    own_presets().save("one", Settings().replace(bmode_gain_db=5.0))
    own_presets().save("two", Settings().replace(bmode_gain_db=-5.0))
    for name in ("one", "two"):
        choose_preset(live, name)
        assert live.window.preset.text() == name
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.window.preset.text() == "one"
    assert live.engine.store.current.display.bmode_gain_db == 5.0


def test_a_name_that_is_taken_is_replaced_and_the_button_says_so(live):
    save_as(live, "mine")
    live.drag(live.control("bmode_gain_db"), 0.9)
    live.key(Qt.Key.Key_S, CTRL | SHIFT)
    dialog = live.window.findChild(QInputDialog)
    live.until(dialog.isVisible)
    assert dialog.textValue() == "mine"
    assert dialog.okButtonText() == "Replace"
    live.qtbot.keyClicks(dialog.findChild(QLineEdit), "new")
    assert dialog.okButtonText() == "Save"
    live.qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    live.until(lambda: live.window.findChild(QInputDialog) is None)
    assert own_presets().names() == ("mine",)
    live.window.activateWindow()
    live.until(live.window.isActiveWindow)
    save_as(live, "a/b")
    assert live.window.message.is_error
    assert own_presets().names() == ("mine",)
    save_as(live, "mine")
    gain_db = live.engine.store.current.display.bmode_gain_db
    assert own_presets().read("mine")[0].changes["bmode_gain_db"] == gain_db > 10.0


def test_a_preset_is_deleted_and_the_settings_stay(live):
    save_as(live, "mine")
    live.drag(live.control("bmode_gain_db"), 0.9)
    before = live.engine.store.current
    live.window.preset._fill()
    deleting = next(
        a.menu() for a in live.window.preset.menu_of_presets.actions() if a.text() == "Delete"
    )
    choose(live, deleting, "mine", lambda: deleting.popup(QPoint(50, 50)))
    live.until(lambda: own_presets().names() == ())
    assert live.window.preset.text() == "No preset"
    assert live.engine.store.current == before


def test_a_dropped_preset_is_kept_and_its_bad_keys_are_told_in_one_line(live, tmp_path):
    path = tmp_path / "from a friend.toml"
    path.write_text("[display]\nbmode_gain_db = 7.0\nglow = 3\n[acquisition]\nprf_hz = 9e9\n")
    source = live.window.top.source.full_text
    drop(live, path)
    display = live.engine.store.current.display
    assert display.bmode_gain_db == 7.0
    assert live.engine.store.current.acquisition.prf_hz == 3000.0
    assert live.window.preset.text() == "from a friend"
    message = live.window.message
    assert message.isVisible()
    assert message.is_error
    assert "\n" not in message.text.text()
    for part in ("from a friend loaded", "glow", "prf_hz"):
        assert part in message.text.text()
    assert own_presets().names() == ("from a friend",)
    assert live.window.top.source.full_text == source
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current == Settings()


def test_a_damaged_preset_is_a_message_and_nothing_else(live, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff[[[")
    drop(live, path)
    assert live.window.message.is_error
    assert live.window.message.text.text().startswith("bad.toml: not a file of settings")
    own_presets().save("broken", Settings())
    (own_presets().folder / "broken.toml").write_text("=")
    choose_preset(live, "broken")
    assert live.window.message.text.text().startswith("broken.toml: not a file of settings")
    assert live.engine.store.current == Settings()
    assert live.window.preset.text() == "No preset"
    live.play()


def test_presets_are_exported_and_imported_by_file_dialogs(live, tmp_path, monkeypatch):
    live.drag(live.control("bmode_gain_db"), 0.9)
    shared = tmp_path / "shared"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(shared), ""))
    choose_preset(live, "Export …")
    shared = shared.with_suffix(".toml")
    gain_db = live.engine.store.current.display.bmode_gain_db
    assert tomllib.loads(shared.read_text())["display"]["bmode_gain_db"] == gain_db
    assert own_presets().names() == ()
    live.key(Qt.Key.Key_Z, CTRL)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(shared), ""))
    choose_preset(live, "Import …")
    assert live.engine.store.current.display.bmode_gain_db == gain_db
    assert live.window.preset.text() == "shared"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no/x"), ""))
    choose_preset(live, "Export …")
    assert live.window.message.is_error


def test_a_frozen_frame_takes_what_it_can_of_a_preset(live):
    own_presets().save("x", Settings().replace(prf_hz=6000.0, f_number=2.0, smoothing_m=0.002))
    live.freeze()
    shown = live.frame
    choose_preset(live, "x")
    assert live.engine.store.current == Settings().replace(smoothing_m=0.002)
    assert live.window.preset.text() == "x *"
    assert "Frozen" in live.window.message.text.text()
    live.until(lambda: live.frame is not shown)
    assert live.frame.index == shown.index
    assert live.frame.processing.smoothing_m == 0.002
    live.key(Qt.Key.Key_Space)
    live.until(lambda: live.source.running)
    choose_preset(live, "x")
    assert live.engine.store.current.acquisition.prf_hz == 6000.0
    assert live.window.preset.text() == "x"


# ---- each control --------------------------------------------------------------------------


def typing(at, name):
    """Open the entry of a control by key."""
    control = at.control(name)
    control.setFocus()
    at.key(Qt.Key.Key_Return)
    return control.findChild(QLineEdit, "entry")


def test_a_number_is_typed_in_the_unit_of_the_screen_as_one_step(live):
    typing(live, "prf_hz")
    live.qtbot.keyClicks(QApplication.focusWidget(), "2,5")
    assert live.engine.store.current.acquisition.prf_hz == 3000.0
    live.key(Qt.Key.Key_Return)
    live.until(lambda: live.control("prf_hz").findChild(QLineEdit) is None)
    assert live.engine.store.current.acquisition.prf_hz == 2500.0
    live.until(lambda: "configure 2500" in live.source.calls)
    assert live.control("prf_hz").hasFocus()
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current == Settings()


def test_a_number_out_of_range_is_told_and_escape_leaves_it(live):
    entry = typing(live, "bmode_gain_db")
    live.qtbot.keyClicks(entry, "300 dB")
    live.key(Qt.Key.Key_Return)
    assert entry.isVisible()
    assert "#e5484d" in entry.styleSheet()
    assert live.engine.store.current == Settings()
    # Keys of the window are letters here.
    live.qtbot.keyClicks(entry, " x")
    assert live.engine.store.current == Settings()
    assert "LIVE" in live.chip
    live.key(Qt.Key.Key_Escape)
    live.until(lambda: live.control("bmode_gain_db").findChild(QLineEdit) is None)
    assert live.engine.store.current == Settings()


def menu_of(at, control, text):
    place = control.rect().center()
    reason = QContextMenuEvent.Reason.Mouse
    QApplication.sendEvent(control, QContextMenuEvent(reason, place, control.mapToGlobal(place)))
    menu = control.findChild(QMenu)
    at.until(menu.isVisible)
    action = next(a for a in menu.actions() if a.text() == text)
    at.qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    at.until(lambda: control.findChild(QMenu) is None)


def test_the_menu_of_a_control_resets_it_and_lets_a_number_be_typed(live):
    live.drag(live.control("bmode_gain_db"), 0.9)
    menu_of(live, live.control("bmode_gain_db"), "Reset to 0 dB")
    assert live.engine.store.current.display.bmode_gain_db == 0.0
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current.display.bmode_gain_db > 10.0
    live.qtbot.mouseClick(live.control("dealias"), LEFT)
    menu_of(live, live.control("dealias"), "Reset to on")
    assert live.engine.store.current.processing.dealias
    menu_of(live, live.control("baseline"), "Type a value")
    entry = live.control("baseline").findChild(QLineEdit)
    live.qtbot.keyClicks(entry, "-0.25")
    live.qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert live.engine.store.current.display.baseline == -0.25


def test_a_wheel_step_is_undone_at_once_and_redone(live):
    control = live.control("bmode_gain_db")
    wheel(control, control.rect().center(), 3)
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current == Settings()
    live.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert live.engine.store.current.display.bmode_gain_db == 3.0


def test_undo_does_not_ask_again_for_what_was_refused(live):
    live.drag(live.control("bmode_gain_db"), 0.9)
    live.source.refuse = "too high for this depth"
    configure = live.source.configure

    def refuse_once(settings):
        try:
            return configure(settings)
        finally:
            live.source.refuse = ""

    live.source.configure = refuse_once
    live.drag(live.control("prf_hz"), 1.0)
    live.until(lambda: live.window.message.is_error)
    live.until(lambda: live.engine.store.current.acquisition.prf_hz == 3000.0)
    live.key(Qt.Key.Key_Z, CTRL)
    assert live.engine.store.current == Settings()
    assert live.source.calls.count("configure 12000") == 1


# ---- remembered ----------------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "sources.toml")


@pytest.fixture
def remembering(console, memory):
    """A console with a second source and a memory."""
    console.flow.sources["other"] = KnownFlow("other flow")
    console.window.remembering._memory = memory
    return console


def open_live(at, name="known"):
    at.open(name)
    at.flow.sources[name].push()
    at.until(
        lambda: at.frame is not None and at.frame.acquisition.source == at.flow.sources[name].name
    )


def test_a_source_comes_back_as_it_was_left(remembering):
    at = remembering
    open_live(at)
    save_as(at, "mine")
    at.drag(at.control("bmode_gain_db"), 0.9)
    at.key(Qt.Key.Key_F7)
    left = at.engine.store.current
    open_live(at, "other")
    assert at.engine.store.current.acquisition.prf_hz == 3000.0
    at.key(Qt.Key.Key_F5)
    at.drag(at.control("bmode_gain_db"), 0.1)
    open_live(at)
    assert at.engine.store.current == left
    assert at.control("bmode_gain_db").value == left.display.bmode_gain_db
    assert at.window.canvas.display == left.display
    assert lit(at) == ["High"]
    assert at.source.calls[-2:] == ["configure 6000", "start"]
    assert at.window.preset.text() == "mine *"
    # Undo belongs to this opening, and a reset goes to what the source itself starts with.
    at.key(Qt.Key.Key_Z, CTRL)
    assert at.engine.store.current == left
    at.qtbot.mouseDClick(at.control("prf_hz"), LEFT, pos=QPoint(20, 10))
    assert at.engine.store.current.acquisition.prf_hz == 3000.0


def test_colour_goes_first_where_grey_is_made_of_its_pulses(remembering):
    at = remembering
    at.flow.sources["grey of colour"] = KnownFlow("grey of colour", bmode_angles_rad=())
    priority, of_colour = at.control("write_priority"), "grey of colour"
    usual = Settings().display.write_priority

    def in_force():
        assert priority.value == at.window.canvas.display.write_priority
        return at.engine.store.current.display.write_priority

    open_live(at)
    assert (in_force(), priority.default) == (usual, usual)
    open_live(at, of_colour)
    assert in_force() == priority.default > usual
    first = in_force()
    # No step of undo; and back where grey has pulses of its own.
    at.key(Qt.Key.Key_Z, CTRL)
    assert in_force() == first
    open_live(at, "other")
    assert (in_force(), priority.default) == (usual, usual)
    # What the user has chosen stays, here and when a source comes back.
    at.drag(priority, 0.3)
    chosen = in_force()
    at.flow.sources["second"] = KnownFlow("second", bmode_angles_rad=())
    open_live(at, "second")
    assert in_force() == chosen
    at.qtbot.mouseDClick(priority, LEFT, pos=QPoint(20, 10))
    assert in_force() == first
    # Also where it is what the source before started with.
    at.window.settings.apply({"write_priority": usual})
    at.flow.sources["third"] = KnownFlow("third")
    open_live(at, "third")
    open_live(at, "second")
    assert (in_force(), priority.default) == (usual, first)


def test_settings_are_written_a_moment_after_the_last_change_and_at_the_end(remembering, memory):
    at = remembering
    open_live(at)
    at.drag(at.control("bmode_gain_db"), 0.9)
    at.until(
        lambda: (
            (last := memory.recall("known")[0]) is not None
            and last.settings == at.engine.store.current
        )
    )
    at.drag(at.control("baseline"), 0.9)
    at.window.close()
    assert memory.recall("known")[0].settings == at.engine.store.current


def test_settings_that_a_source_refuses_do_not_keep_it_shut(remembering, memory):
    at = remembering
    open_live(at)
    save_as(at, "mine")
    at.key(Qt.Key.Key_F7)
    open_live(at, "other")
    at.source.refuse = "not any more"
    configure = at.source.configure

    def refuse_once(settings):
        try:
            return configure(settings)
        finally:
            at.source.refuse = ""

    at.source.configure = refuse_once
    at.window.open_source("known")
    at.until(lambda: at.engine.status().source == "known flow")
    assert at.engine.store.current.acquisition.prf_hz == 3000.0
    # Nor is a preset named that is not in force.
    at.until(lambda: at.window.preset.text() == "No preset")


def test_a_damaged_memory_is_told_and_the_source_opens(remembering, memory):
    memory.path.write_text("[[[")
    remembering.window.open_source("known")
    assert remembering.window.message.is_error
    assert remembering.window.message.text.text().startswith("last settings are lost")
    open_live(remembering)


def test_a_memory_that_cannot_be_written_is_told_once(remembering, monkeypatch):
    at = remembering
    open_live(at)

    def refuse(*_):
        raise ConfigError("disk full")

    monkeypatch.setattr(Memory, "remember", refuse)
    at.drag(at.control("bmode_gain_db"), 0.9)
    at.until(lambda: at.window.message.is_error)
    assert at.window.message.text.text() == "settings are not remembered: disk full"
    at.qtbot.mouseClick(at.window.message.dismiss, LEFT)
    at.drag(at.control("bmode_gain_db"), 0.1)
    at.window.remembering.flush()
    assert not at.window.message.isVisible()


def test_start_clean_goes_back_to_the_first_start_in_one_step(remembering):
    at = remembering
    open_live(at)
    at.key(Qt.Key.Key_F7)
    at.drag(at.control("bmode_gain_db"), 0.9)
    open_live(at, "other")
    open_live(at)
    left = at.engine.store.current
    assert left != Settings()
    choose_preset(at, "Start clean")
    assert at.engine.store.current == Settings()
    at.key(Qt.Key.Key_Z, CTRL)
    assert at.engine.store.current == left


def test_a_preset_written_by_hand_loads(live):
    own_presets().folder.mkdir(parents=True)
    (own_presets().folder / "hand.toml").write_text("invert = true\n")
    choose_preset(live, "hand")
    assert live.engine.store.current == Settings().replace(invert=True)
    assert live.window.preset.text() == "hand"
