"""The whole window with real mouse and keys; the source is under control, the planes are known."""

import dataclasses
import sys

import numpy as np
import pytest
from display import needs_display
from known_flow import KnownFlow
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QFontMetrics
from PySide6.QtWidgets import QApplication, QFileDialog

from ultrasound_console.render.painter import Painter
from ultrasound_console.settings import Settings
from ultrasound_console.status import State
from ultrasound_console.ui import theme
from ultrasound_console.ui.arrangement import arrangement_for
from ultrasound_console.ui.control_panel import FROZEN, Arrangement
from ultrasound_console.ui.readout import truth_lines

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton


# ---- live ----------------------------------------------------------------------------------


def test_before_the_first_picture_it_says_so(console):
    assert console.chip == "PREPARING"
    assert not console.window.cine.freeze_button.isEnabled()
    assert console.window.labels.bars[0].texts == ()


def test_a_first_start_tells_what_it_compiles_until_there_is_a_picture(console, monkeypatch):
    engine, message = console.window.engine, console.window.message
    ask = engine.status
    compiling = {"compiling": "merge", "n_compiled": 4}
    monkeypatch.setattr(engine, "status", lambda: dataclasses.replace(ask(), **compiling))
    console.until(lambda: "kernel 5 (merge)" in message.text.text())
    assert message.isVisible()
    compiling.update(compiling="smooth", n_compiled=5)
    console.until(lambda: "kernel 6 (smooth)" in message.text.text())

    message.say("the file cannot be read", is_error=True)
    console.window._on_poll()
    assert message.text.text() == "the file cannot be read"
    message.hide()
    compiling.update(compiling="")
    console.open()
    console.play(3)
    console.until(lambda: "LIVE" in console.chip)
    assert not message.isVisible()


def test_a_live_source_is_shown_with_its_figures(live):
    assert "known flow" in live.window.top.source.full_text
    figures = live.window.top.figures.text()
    for part in ("3.00 kHz", "17.8 cm/s", "polynomial-1", "frames/s"):
        assert part in figures
    assert live.window.labels.bars[0].texts == ("+17.8", "0", "−17.8")
    right = live.window.labels.bars[2].texts
    assert {"+17.8", "−17.8"} < set(right)
    assert right[0] not in ("+17.8", "−17.8")
    assert "MI/TI n/a" in live.window.status_line.figures.text()
    assert live.window.labels.badges[0].text().endswith("% aliased")


def test_a_hint_without_room_beside_the_tools_stands_at_the_bottom(live):
    row, figures = live.window.tools.row, live.window.status_line.figures
    live.window.resize(1600, 720)
    live.key(Qt.Key.Key_W)
    live.until(lambda: row.hint.sizeHint().width() <= row.hint.width())
    live.until(lambda: "latency" in figures.full_text)

    live.window.resize(1024, 600)
    live.until(lambda: row.hint.text() in figures.full_text)
    assert "MI/TI n/a" in figures.text()
    assert figures.text() == figures.full_text
    live.key(Qt.Key.Key_V)
    live.until(lambda: "latency" in figures.full_text)


def test_paints_are_counted_with_their_latency(live):
    def n_painted():
        return live.window.meter.reading(0.0).frames

    live.until(lambda: live.window.meter._last_index == live.frame.index)
    for _ in range(3):
        before = n_painted()
        live.play()
        live.until(lambda before=before: n_painted() == before + 1)
    reading = live.window.meter.reading(live.frame.received_s + 1.0)
    assert 0.0 < reading.latency_ms_p50 < 20_000.0
    # What is shown again from the loop is neither new nor late.
    live.freeze()
    before = n_painted()
    live.key(Qt.Key.Key_Home)
    live.until(lambda: live.frame.index == live.engine.cine.indices()[0])
    live.pixels()
    assert n_painted() == before


def test_a_recording_is_replayed_and_never_called_live(console):
    console.flow.sources["known"] = KnownFlow("disc.mat", prf_choices_hz=(6000.0, 3000.0, 2000.0))
    console.open()
    console.play(2)
    console.until(lambda: "REPLAY" in console.chip)
    assert "LIVE" not in console.chip
    assert not console.control("steering_rad").isEnabled()


def test_a_source_that_stalls_goes_stale_and_grey(live):
    coloured = live.picture(2)
    assert np.ptp(coloured.astype(int), axis=2).max() > 100
    live.until(lambda: live.chip == "STALE")
    live.until(lambda: np.ptp(live.picture(2).astype(int), axis=2)[60:].max() < 30)
    live.play(1)
    live.until(lambda: "LIVE" in live.chip)


def test_a_picture_that_cannot_be_painted_is_not_called_live(live, monkeypatch):
    def fails(*_):
        raise RuntimeError("no paint left")

    said = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: said.append(str(error)))
    pushing = QTimer(live.window, interval=30)
    pushing.timeout.connect(live.source.push)
    pushing.start()

    def newest():
        return live.engine.cine.indices()[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "paint", fails)
        live.until(lambda: live.chip == "STALE")
        first = newest()  # frames go on coming
        live.until(lambda: newest() >= first + 10 and live.chip == "STALE")
    assert set(said) == {"no paint left"}
    live.until(lambda: "LIVE" in live.chip)
    pushing.stop()


def test_frames_that_are_left_out_are_counted_on_screen(live):
    live.source.alter = lambda frame: dataclasses.replace(frame, index=0)
    live.source.push()
    live.until(lambda: "left out 1" in live.window.status_line.figures.full_text)


def test_after_a_freeze_the_old_picture_is_grey_until_a_new_one_comes(live):
    live.freeze()
    live.key(Qt.Key.Key_Space)
    live.until(lambda: live.chip == "PREPARING")
    assert np.ptp(live.picture(2).astype(int), axis=2)[60:].max() < 30
    live.play()
    live.until(lambda: "LIVE" in live.chip)


def test_a_fault_names_its_stage_and_restart_goes_on(live):
    live.source.broken = "the probe was unplugged"
    live.source.push()
    live.until(lambda: live.chip == "FAULT")
    message = live.window.message
    assert message.isVisible()
    assert message.text.text() == "acquire: the probe was unplugged"
    assert message.restart.isVisible()
    assert not live.window.cine.freeze_button.isEnabled()
    live.source.broken = ""
    live.qtbot.mouseClick(message.restart, LEFT)
    live.until(lambda: live.source.running)
    live.play(1)
    live.until(lambda: "LIVE" in live.chip)
    assert not message.isVisible()


def test_a_long_fault_is_cut_to_one_line(live):
    live.source.broken = "x" * 500 + "\nand the rest"
    live.source.push()
    live.until(lambda: live.chip == "FAULT")
    text = live.window.message.text
    assert len(text.text()) < 320
    assert text.toolTip().endswith("and the rest")


# ---- frozen --------------------------------------------------------------------------------


def test_freeze_holds_exactly_the_frame_on_screen(live):
    live.play(2)
    shown = live.frame
    # A newer frame is finished, but not on screen yet.
    live.source.push()
    live.until_unseen(lambda: live.engine.cine.indices()[-1] > shown.index)
    live.freeze()
    before = live.pixels()
    assert not live.source.running
    assert live.engine.cine.indices()[-1] == shown.index
    live.source.push(5)
    # A display change and back passes through the event loop and several paints.
    live.key(Qt.Key.Key_F9)
    live.key(Qt.Key.Key_F9)
    live.until(lambda: live.window.canvas.size().height() == before.shape[0])
    assert live.frame is shown
    assert np.array_equal(live.pixels(), before)
    live.key(Qt.Key.Key_Space)
    live.until(lambda: live.frame.index > shown.index)
    live.until(lambda: not np.array_equal(live.pixels(), before))


def test_the_button_freezes_and_resumes(live):
    button = live.window.cine.freeze_button
    live.qtbot.mouseClick(button, LEFT)
    live.until(lambda: live.chip == "FROZEN")
    assert button.text() == "Resume"
    live.qtbot.mouseClick(button, LEFT)
    live.until(lambda: live.source.running)
    assert button.text() == "Freeze"


def test_scrubbing_shows_the_addressed_frame(live):
    live.play(6)
    held = live.engine.cine.indices()
    pictures = {live.frame.index: live.picture(0)}
    live.freeze()
    last = held[-1]
    for key, index in (
        (Qt.Key.Key_Left, last - 1),
        (Qt.Key.Key_Left, last - 2),
        (Qt.Key.Key_Right, last - 1),
        (Qt.Key.Key_Home, held[0]),
        (Qt.Key.Key_End, last),
    ):
        live.key(key)
        live.until(lambda index=index: live.frame.index == index)
        assert live.frame is live.engine.cine.frame(index)
        words = live.window.cine.position  # follow in a moment
        live.until(lambda index=index, words=words: f"frame {index} " in words.text())
        pictures.setdefault(index, live.picture(0))
        assert np.array_equal(live.picture(0), pictures[index])
    assert not np.array_equal(pictures[last], pictures[held[0]])


def test_pictures_of_the_loop_come_before_their_words(live):
    live.play(4)
    live.freeze()
    window, (*_, before, last) = live.window, live.engine.cine.indices()
    live.until(lambda: f"frame {last} " in window.cine.position.text())
    window._poll.stop()
    seen = []
    window.canvas.painted.connect(lambda index: seen.append((index, window.cine.position.text())))
    live.key(Qt.Key.Key_Left)
    live.until(lambda: f"frame {before} " in window.cine.position.text())
    (index, words), *_ = seen
    assert index == before
    assert f"frame {last} " in words


def test_slow_live_pictures_come_with_their_words(live, monkeypatch):
    monkeypatch.setattr("ultrasound_console.ui.window._SLOW_S", 0.0)
    window, seen = live.window, []
    window._poll.stop()
    window._words.stop()
    overlay, words = window.canvas._overlay, window.cine.position
    window.canvas.painted.connect(lambda i: seen.append((i, words.text(), overlay.is_current)))
    live.play(1)
    live.until(lambda: seen and seen[-1][0] == live.frame.index)
    index, text, is_drawn = seen[-1]
    assert f"frame {index} " in text
    assert is_drawn


def test_words_are_drawn_when_they_change_and_not_again(live):
    live.play(4)
    live.freeze()
    labels, overlay = live.window.labels, live.window.canvas._overlay
    live.until(lambda: overlay.is_current)
    live.window._on_poll()
    assert overlay.is_current
    for caption in (labels.badges[0], labels.readouts[0]):
        caption.say("something else")
        assert not overlay.is_current
        live.until(lambda: overlay.is_current)
        caption.say("something else")
        caption.place(caption.x(), caption.y(), caption._room_px)
        assert overlay.is_current


def test_the_cine_slider_addresses_frames_with_the_mouse(live):
    live.play(6)
    live.freeze()
    slider, held = live.window.cine.slider, live.engine.cine.indices()
    y_px = slider.height() // 2
    live.qtbot.mousePress(slider, LEFT, pos=QPoint(round(slider.x_px(2)), y_px))
    live.until(lambda: live.frame.index == held[2])
    live.qtbot.mouseMove(slider, QPoint(round(slider.x_px(4)), y_px))
    live.until(lambda: live.frame.index == held[4])
    live.qtbot.mouseRelease(slider, LEFT)
    live.qtbot.mouseClick(slider, LEFT, pos=QPoint(1, y_px))
    live.until(lambda: live.frame.index == held[0])


def test_what_is_acquired_cannot_be_changed_while_frozen(live):
    live.freeze()
    prf = live.control("prf_hz")
    assert not prf.isEnabled()
    assert FROZEN in prf.toolTip()
    assert not live.control("f_number").isEnabled()
    assert live.control("wall_filter").isEnabled()
    live.key(Qt.Key.Key_Space)
    live.until(prf.isEnabled)


def test_display_changes_work_frozen_without_processing_anything(live):
    live.freeze()
    shown, n_processed = live.frame, live.flow.n_processed
    before = live.picture(2)
    live.drag(live.control("colour_scale_m_s"), 0.5)
    scale_m_s = live.window.store.current.display.colour_scale_m_s
    assert scale_m_s == pytest.approx(1.5, abs=0.02)
    live.until(lambda: not np.array_equal(live.picture(2), before))
    assert live.window.labels.bars[2].texts[0] == f"+{100 * scale_m_s:.0f}"
    live.drag(live.control("baseline"), 0.75)
    top, bottom = live.window.labels.bars[0].texts[0], live.window.labels.bars[0].texts[-1]
    assert (float(top), float(bottom.replace("−", "-"))) == pytest.approx((26.7, -8.9), abs=1.0)
    assert live.frame is shown
    assert live.flow.n_processed == n_processed


def test_a_processing_change_processes_the_frozen_frame_again(live):
    live.play(3)
    live.freeze()
    shown = live.frame
    live.qtbot.mouseClick(live.control("dealias"), LEFT)
    live.until(lambda: live.frame is not shown)
    assert live.frame.index == shown.index
    assert live.frame.processing.dealias is False
    live.until(
        lambda: live.window.labels.badges[2].full_text.startswith("not de-aliased: that is off")
    )
    live.key(Qt.Key.Key_Left)
    live.until(lambda: live.frame.index == shown.index - 1)
    live.until(lambda: live.frame.processing.dealias is False)


# ---- settings ------------------------------------------------------------------------------


def test_the_prf_slider_changes_nyquist_scale_labels_and_aliasing(live):
    share, nyquist = live.frame.aliased_share, live.frame.nyquist_velocity_m_s
    label = live.window.labels.badges[0].full_text
    assert share > 0.2
    live.drag(live.control("prf_hz"), 1.0)
    assert live.window.store.current.acquisition.prf_hz == 12000.0
    live.until(lambda: "configure 12000" in live.source.calls)
    live.until(lambda: live.source.running)
    live.play(1)
    assert live.frame.nyquist_velocity_m_s == pytest.approx(4 * nyquist)
    assert live.frame.aliased_share == 0.0
    live.until(lambda: live.window.labels.badges[0].full_text == "0 % aliased" != label)
    assert live.window.labels.bars[0].texts == ("+71.1", "0", "−71.1")
    assert "71.1 cm/s" in live.window.controls.prf_readout.text()
    live.until(lambda: "12.00 kHz" in live.window.top.figures.text())


def test_labels_follow_the_frame_on_screen_and_not_the_settings(live):
    live.drag(live.control("prf_hz"), 1.0)
    live.until(lambda: live.engine.status().acquisition.prf_hz == 12000.0)
    assert live.frame.acquisition.prf_hz == 3000.0
    assert live.window.labels.bars[0].texts == ("+17.8", "0", "−17.8")


def test_a_refused_setting_is_put_back_and_explained(live):
    live.source.refuse = "PRF 12000 Hz is too high for this depth; lower it"
    control = live.control("prf_hz")
    live.qtbot.mousePress(control, LEFT, pos=QPoint(control.width() - 2, 5))
    live.until(lambda: any(call == "configure 12000" for call in live.source.calls))
    live.source.refuse = ""
    live.qtbot.mouseRelease(control, LEFT, pos=QPoint(control.width() - 2, 5))
    live.until(lambda: live.window.message.isVisible() and live.window.message.is_error)
    assert "too high for this depth" in live.window.message.text.text()


def test_undo_and_redo_go_from_release_to_release(live):
    ctrl, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    live.drag(live.control("bmode_gain_db"), 0.9)
    gain_db = live.window.store.current.display.bmode_gain_db
    assert gain_db > 20.0
    before = live.picture(1)
    live.key(Qt.Key.Key_Z, ctrl)
    assert live.window.store.current.display.bmode_gain_db == 0.0
    assert live.control("bmode_gain_db").value == 0.0
    live.until(lambda: not np.array_equal(live.picture(1), before))
    live.key(Qt.Key.Key_Z, ctrl | shift)
    assert live.control("bmode_gain_db").value == gain_db


def test_opening_a_source_brings_its_own_settings(qtbot, console):
    console.window.settings.change("prf_hz", 5000.0)
    console.window.settings.change("bmode_gain_db", 6.0)
    console.open()
    console.until(lambda: console.control("prf_hz").value == 3000.0)
    assert console.control("bmode_gain_db").value == 6.0
    qtbot.mouseDClick(console.control("prf_hz"), LEFT, pos=QPoint(20, 10))
    assert console.control("prf_hz").value == 3000.0


# ---- files and messages --------------------------------------------------------------------


def test_a_bad_file_is_a_message_and_the_previous_source_runs_on(live, monkeypatch, tmp_path):
    bad = str(tmp_path / "scan.mat")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (bad, ""))
    shown = live.frame.index
    live.key(Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    live.until(lambda: live.window.message.is_error)
    assert live.window.message.text.text() == f"{bad}: no such file; check the name"
    live.play(2)
    assert live.frame.index == shown + 2
    assert live.source.running
    assert "known flow" in live.window.top.source.full_text
    live.qtbot.mouseClick(live.window.message.dismiss, LEFT)
    assert not live.window.message.isVisible()


def test_a_dropped_file_is_opened(live, tmp_path):
    name = str(tmp_path / "other.mat")
    live.flow.sources[name] = KnownFlow("other.mat", prf_choices_hz=(3000.0,))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(name)])
    place = live.window.rect().center()
    copy, no_key = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(place, copy, data, LEFT, no_key)
    QApplication.sendEvent(live.window, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(live.window, QDropEvent(QPointF(place), copy, data, LEFT, no_key))
    live.until(lambda: "other.mat" in live.window.top.source.full_text)
    live.until(lambda: live.frame is None)
    live.flow.sources[name].push()
    live.until(lambda: live.frame is not None)
    assert live.frame.acquisition.source == "other.mat"


# ---- the picture ---------------------------------------------------------------------------


def test_the_cursor_reads_the_planes(live):
    live.freeze()
    frame, canvas = live.frame, live.window.canvas
    row, column = np.argwhere(frame.fold == 1)[200]
    x_px, y_px = canvas.pixel(1, *frame.acquisition.colour_grid.positions_m(row, column))
    live.qtbot.mouseMove(canvas, QPoint(1, 1))
    live.qtbot.mouseMove(canvas, QPoint(round(float(x_px)), round(float(y_px))))
    readouts = live.window.labels.readouts
    live.until(readouts[1].isVisible)
    x_m, z_m = canvas.cursor_m
    at = tuple(round(float(i)) for i in frame.acquisition.colour_grid.indices(x_m, z_m))
    assert f"{100 * frame.corrected_m_s[at]:+.1f} cm/s" in readouts[2].full_text
    assert f"fold {frame.fold[at]:+d}" in readouts[1].full_text
    assert "truth" in readouts[2].full_text


def test_the_distance_to_the_truth_is_told_where_there_is_one(live):
    live.freeze()
    labels, frame = live.window.labels, live.frame
    live.until(labels.truths[0].isVisible)
    assert tuple(truth.full_text for truth in labels.truths[:3]) == truth_lines(frame)
    panels = list(zip(labels.truths, labels.badges, labels.readouts, strict=True))[:3]
    for truth, badge, readout in panels:
        assert badge.y() + badge.height() <= truth.y()
        assert truth.y() + truth.height() <= readout.y() + 2
    with_truth_px = labels.readouts[0].y()
    labels.show_frame(dataclasses.replace(frame, truth_m_s=None, vessel_mask=None, score=None))
    assert not any(truth.isVisible() for truth in labels.truths)
    assert labels.readouts[0].y() != with_truth_px
    labels.show_frame(None)
    assert not any(truth.isVisible() for truth in labels.truths)


def test_the_truth_is_a_fourth_picture_that_follows_the_others(live):
    live.freeze()
    canvas, labels = live.window.canvas, live.window.labels
    assert not labels.titles[3].isVisible()
    live.window.settings.change("truth", value=True)
    assert canvas.view.n_panels == 4
    assert labels.titles[3].isVisible()
    assert labels.bars[3].texts == labels.bars[2].texts
    for size in ((1024, 600), (1280, 720), (1900, 1000)):
        live.window.resize(*size)
        live.until(lambda size=size: live.window.size().toTuple() == size)
        live.until(lambda: canvas.view.width_px == canvas.width())
        for panel in range(4):
            bar, title = canvas.bar_rect(panel), labels.titles[panel]
            assert title.sizeHint().width() <= title.width()
            assert labels.bars[panel].geometry().right() < canvas.panel_rect(panel).right
            assert labels.truths[panel].geometry().right() < bar.x
            readout = labels.readouts[panel].geometry()
            assert labels.truths[panel].geometry().bottom() <= readout.top()
            assert readout.bottom() < canvas.view.height_px
    x_px, y_px = canvas.pixel(3, 0.001, 0.018)
    live.qtbot.mouseMove(canvas, QPoint(1, 1))
    live.qtbot.mouseMove(canvas, QPoint(round(x_px), round(y_px)))
    place = pytest.approx((0.001, 0.018), abs=1e-4)
    live.until(lambda: canvas.cursor_m == place and labels.readouts[0].isVisible())
    assert not labels.readouts[3].isVisible()
    live.window.settings.change("truth", value=False)
    assert canvas.view.n_panels == 3
    assert not labels.titles[3].isVisible()
    assert not labels.bars[3].isVisible()


def test_labels_lie_beside_what_they_label(live):
    canvas, labels = live.window.canvas, live.window.labels
    for size in ((1024, 600), (1280, 720), (1900, 1000)):
        live.window.resize(*size)
        live.until(lambda size=size: live.window.size().toTuple() == size)
        live.until(lambda: canvas.view.width_px == canvas.width())
        for panel in range(3):
            bar, shown = canvas.bar_rect(panel), labels.bars[panel].geometry()
            assert shown.left() >= bar.right
            assert shown.right() < canvas.panel_rect(panel).right
            bold = QFontMetrics(theme.font(theme.SMALL_PX, bold=True))
            assert bold.horizontalAdvance("−88.8") <= shown.width()
            title = labels.titles[panel]
            assert title.sizeHint().width() <= title.width()
            assert labels.badges[panel].geometry().right() < bar.x
            assert labels.truths[panel].geometry().right() < bar.x
            assert labels.readouts[panel].geometry().bottom() < canvas.view.height_px
        assert labels.ruler.geometry().right() <= canvas.picture_rect(0).x


# ---- the window ----------------------------------------------------------------------------


def test_keys_open_and_close_what_they_should(live):
    live.key(Qt.Key.Key_F1)
    sheet = live.window.sheet
    assert sheet.isVisible()
    # Over the panels, which are a window of their own.
    place, ground = sheet.mapToGlobal(QPoint(12, 12)), QColor(theme.STRIP)
    live.until(
        lambda: (
            sheet.screen().grabWindow(0, place.x(), place.y(), 1, 1).toImage().pixelColor(0, 0)
            == ground
        )
    )
    live.key(Qt.Key.Key_Escape)
    assert not live.window.sheet.isVisible()
    live.key(Qt.Key.Key_Escape)
    assert live.window.isVisible()
    live.key(Qt.Key.Key_F9)
    assert live.control("f_number").isVisible()
    live.key(Qt.Key.Key_F11)
    live.until(live.window.isFullScreen)
    live.key(Qt.Key.Key_F11)
    live.until(lambda: not live.window.isFullScreen())


def test_the_tab_key_reaches_the_controls(live):
    reached = set()
    for _ in range(60):
        live.key(Qt.Key.Key_Tab)
        reached.add(QApplication.focusWidget().objectName())
    assert {"prf_hz", "colour_scale_m_s", "freeze", "more", "dealias"} <= reached


def test_controls_go_where_they_leave_the_larger_picture():
    wide, tall = (-0.019, 0.019, 0.0, 0.035), (-0.019, 0.019, 0.0, 0.06)
    assert arrangement_for(1280, 720, tall) is Arrangement.STRIP
    assert arrangement_for(1920, 1080, wide) is Arrangement.STRIP
    assert arrangement_for(2560, 900, tall) is Arrangement.COLUMN


def test_a_very_wide_window_has_the_controls_beside_the_panels(live):
    live.window.setMinimumSize(0, 0)
    live.window.resize(1900, 560)
    live.until(lambda: live.window.controls.arrangement is Arrangement.COLUMN)
    live.until(lambda: live.window.controls.x() >= live.window.canvas.width())
    live.window.resize(1280, 720)
    live.until(lambda: live.window.controls.arrangement is Arrangement.STRIP)
    live.until(lambda: live.window.controls.width() == live.window.width())


def test_the_state_is_the_engines(live):
    assert live.engine.status().state is State.LIVE
    assert live.window.store.current == Settings()
