"""Tools and whatever happens meanwhile: another source, undo, a dialog, a picture that goes on."""

import csv
import dataclasses
import math
import os

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_frame
from known_flow import KnownFlow
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QFileDialog

from ultrasound_console.cine import LoopFrame
from ultrasound_console.frames import Status
from ultrasound_console.settings import DisplaySettings
from ultrasound_console.ui.tools.flow_profile import distances_m, profile_along
from ultrasound_console.ui.tools.mmode_picture import Look, column_of, strips_of

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
RAW_ONLY = ["raw max", "raw mean"]
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def pixel(console, place_m):
    x_px, y_px = console.window.canvas.pixel(0, *place_m)
    return QPoint(round(x_px), round(y_px))


def drag(console, start_m, end_m, *, let_go=True):
    canvas = console.window.canvas
    start, end = pixel(console, start_m), pixel(console, end_m)
    QTest.mousePress(canvas, LEFT, pos=start)
    QTest.mouseMove(canvas, (start + end) / 2)
    QTest.mouseMove(canvas, end)
    if let_go:
        QTest.mouseRelease(canvas, LEFT, pos=end)
    return end


def open_another(console, name="another"):
    console.flow.sources[name] = KnownFlow(name)
    console.open(name)
    source = console.flow.sources[name]
    source.push()
    console.until(lambda: console.frame is not None and console.frame.acquisition.source == name)


def export(console, monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    console.key(Qt.Key.Key_E, CONTROL)


def settings(console):
    return console.window.store.current


# ---- undo ----------------------------------------------------------------------------------


def test_an_angle_that_was_drawn_is_an_undo_step_of_its_own(live):
    live.freeze()
    live.key(Qt.Key.Key_G)
    drag(live, (-0.008, 0.014), (0.008, 0.018))
    first = settings(live).display.angle_rad
    drag(live, (-0.004, 0.010), (0.004, 0.022))
    second = settings(live).display.angle_rad
    assert len({0.0, first, second}) == 3
    live.drag(live.control("colour_gain_db"), 0.8)
    assert settings(live).display.colour_gain_db != 0.0
    live.key(Qt.Key.Key_Z, CONTROL)
    assert settings(live).display.colour_gain_db == 0.0
    assert settings(live).display.angle_rad == second
    live.key(Qt.Key.Key_Z, CONTROL)
    assert settings(live).display.angle_rad == first
    live.key(Qt.Key.Key_Z, CONTROL)
    assert settings(live).display.angle_rad == 0.0


def test_the_angle_of_another_source_does_not_come_back(live):
    live.freeze()
    live.key(Qt.Key.Key_G)
    drag(live, (-0.008, 0.014), (0.008, 0.018))
    open_another(live)
    assert settings(live).display.angle_rad == 0.0
    assert not live.window.tools.lines.angle.chip.isVisible()
    live.key(Qt.Key.Key_Z, CONTROL)
    assert settings(live).display.angle_rad == 0.0


def test_folds_that_were_accepted_by_key_are_what_undo_takes_back(live):
    live.drag(live.control("colour_gain_db"), 0.8)
    gain_db = settings(live).display.colour_gain_db
    live.freeze()
    live.key(Qt.Key.Key_E, SHIFT)
    live.until(lambda: Status.BY_HAND in live.frame.status)
    live.key(Qt.Key.Key_Z, CONTROL)
    live.until(lambda: Status.BY_HAND not in live.frame.status)
    assert settings(live).display.colour_gain_db == gain_db


def test_a_source_that_cannot_be_opened_costs_no_correction(live):
    live.freeze()
    live.key(Qt.Key.Key_E, SHIFT)
    live.until(lambda: Status.BY_HAND in live.frame.status)
    correcting = live.window.tools.correcting
    live.window.open_source("nothing-there.h5")
    live.until(lambda: "no such file" in live.window.message.text.text())
    assert correcting.unsaved == (live.frame.index,)
    assert correcting.buttons["save"].isEnabled()
    live.key(Qt.Key.Key_Z, CONTROL)
    live.until(lambda: Status.BY_HAND not in live.frame.status)


# ---- drags that something comes between ----------------------------------------------------


def test_a_note_that_is_removed_while_it_is_dragged_is_gone(live):
    live.key(Qt.Key.Key_F)
    notes = live.window.tools.annotations
    drag(live, (0.0, 0.015), (0.006, 0.010))
    live.qtbot.keyClicks(notes._writer, "wall")
    live.qtbot.keyClick(notes._writer, Qt.Key.Key_Return)
    end = drag(live, notes.notes[0].text_m, (0.004, 0.012), let_go=False)
    live.key(Qt.Key.Key_Delete)
    assert notes.notes == ()
    QTest.mouseMove(live.window.canvas, end + QPoint(20, 5))
    QTest.mouseRelease(live.window.canvas, LEFT, pos=end + QPoint(20, 5))
    assert notes.notes == ()


def test_a_box_that_is_dragged_while_another_source_opens_is_not_its_box(live):
    live.key(Qt.Key.Key_B)
    end = drag(live, (-0.005, 0.010), (0.005, 0.020), let_go=False)
    open_another(live)
    before = settings(live).acquisition
    QTest.mouseMove(live.window.canvas, end + QPoint(5, 5))
    QTest.mouseRelease(live.window.canvas, LEFT, pos=end + QPoint(5, 5))
    assert settings(live).acquisition == before


def test_a_drag_whose_release_a_dialog_took_is_over(live):
    live.key(Qt.Key.Key_R)
    drag(live, (-0.005, 0.010), (0.003, 0.019))
    tool = live.window.tools.regions.tool
    ellipse = tool.region.ellipse
    middle_m = ellipse.x_m, ellipse.z_m
    end = drag(live, middle_m, (middle_m[0] + 0.001, middle_m[1]), let_go=False)
    dragged = tool.regions
    dialog = QDialog(live.window)
    with live.qtbot.waitExposed(dialog):
        dialog.show()
    QTest.mouseRelease(dialog, LEFT, pos=QPoint(1, 1))
    dialog.close()
    dialog.deleteLater()
    QTest.mouseMove(live.window.canvas, end + QPoint(60, 30))
    QTest.mouseMove(live.window.canvas, end + QPoint(80, 30))
    assert tool.regions == dragged


def test_the_next_region_is_not_what_is_being_drawn(live):
    live.key(Qt.Key.Key_R)
    drag(live, (-0.010, 0.010), (-0.006, 0.014))
    tool = live.window.tools.regions.tool
    (first,) = tool.regions
    end = drag(live, (0.002, 0.020), (0.006, 0.024), let_go=False)
    live.key(Qt.Key.Key_N)
    QTest.mouseMove(live.window.canvas, end + QPoint(9, 9))
    QTest.mouseRelease(live.window.canvas, LEFT, pos=end + QPoint(9, 9))
    assert tool.regions[0] == first
    assert len(tool.regions) == 2


def test_what_esc_put_away_half_drawn_is_moved_by_the_next_press(live):
    live.key(Qt.Key.Key_R)
    end = drag(live, (0.000, 0.014), (0.006, 0.024), let_go=False)
    live.key(Qt.Key.Key_Escape)
    QTest.mouseRelease(live.window.canvas, LEFT, pos=end)
    live.key(Qt.Key.Key_R)
    drag(live, (0.003, 0.019), (0.000, 0.017))
    (region,) = live.window.tools.regions.tool.regions
    assert (region.ellipse.x_m, region.ellipse.z_m) == pytest.approx((0.0, 0.017), abs=3e-4)


# ---- what is told ---------------------------------------------------------------------------


def test_a_profile_is_exported_of_the_frame_that_is_told(live):
    live.key(Qt.Key.Key_L)
    drag(live, (0.0, 0.008), (0.0, 0.026))
    # A picture that came since words and figures followed.
    half = np.float32(0.5) * live.frame.velocity_m_s
    newer = dataclasses.replace(live.frame, index=live.frame.index + 1, velocity_m_s=half)
    live.window.canvas.set_frame(newer)
    lines = live.window.tools.lines
    (peak,) = (
        row for row in lines.rows() if row.quantity == "peak velocity" and row.velocity_is == "raw"
    )
    line = lines.profile.line
    wanted_m_s = profile_along(newer, line.start_m, line.end_m).peak_m_s(corrected=False)
    assert peak.conditions.frame == newer.index
    assert peak.value == pytest.approx(100.0 * wanted_m_s)


def test_where_nobody_looked_for_folds_no_plot_is_called_dealiased(live):
    live.window.settings.apply({"dealias": False})
    live.play(3)
    live.key(Qt.Key.Key_R)
    drag(live, (-0.005, 0.010), (0.003, 0.019))
    live.key(Qt.Key.Key_M, SHIFT)
    drag(live, (0.0, 0.008), (0.0, 0.026))
    live.freeze()
    regions, mmode = live.window.tools.regions, live.window.tools.lines.mmode
    live.until(lambda: 1 in regions.traces and len(mmode.columns) == 6)
    # Folds were looked for in the first three frames of the loop.
    trace = regions.traces[1]
    assert np.isfinite(trace.raw_mean_m_s).all()
    assert np.isfinite(trace.corrected_mean_m_s).tolist() == 3 * [True] + 3 * [False]
    live.window.engine.rerun_loop()
    live.until(lambda: not any(told.processing.dealias for told in live.engine.cine.loop()))
    live.until(lambda: [curve.name for curve in regions.plot.drawing.curves] == RAW_ONLY)
    live.window.tools.plots.toggle()
    live.until(lambda: "M-mode, not de-aliased" in mmode.corrected.legend.text())


def test_the_local_frequency_makes_no_false_fold_in_the_mmode():
    frame = make_frame(abstained=False)
    nyquist_m_s = frame.nyquist_velocity_m_s
    fast = np.where(frame.status != 0, np.float32(0.97 * nyquist_m_s), np.float32(0.0))
    at_f0 = dataclasses.replace(frame, velocity_m_s=fast, fold=np.zeros_like(frame.fold))
    factor = np.full(fast.shape, 1.1, np.float32)
    local = dataclasses.replace(at_f0, frequency_factor=factor)
    look = Look(DisplaySettings(), (-nyquist_m_s, nyquist_m_s), (-nyquist_m_s, nyquist_m_s))
    ends = (0.0, 0.008), (0.0, 0.026)
    strips = []
    for shown in (at_f0, local):
        column = column_of(LoopFrame.of(shown), shown, *ends, distances_m(shown, *ends))
        strips.append(strips_of(column, look))
    assert np.array_equal(strips[0][0], strips[1][0])
    assert np.nanmax(column.raw_m_s) == pytest.approx(1.1 * 0.97 * nyquist_m_s)


def test_a_source_whose_name_is_no_text_is_exported(live, monkeypatch, tmp_path):
    open_another(live, os.fsdecode(b"scan\xff.h5"))
    live.key(Qt.Key.Key_D)
    drag(live, (-0.005, 0.010), (0.007, 0.019))
    export(live, monkeypatch, tmp_path / "table.csv")
    text = (tmp_path / "table.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert {row["source"] for row in rows} == {"scan?.h5"}


def test_a_table_is_not_overwritten_without_being_asked(live, monkeypatch, tmp_path):
    live.key(Qt.Key.Key_D)
    drag(live, (-0.005, 0.010), (0.007, 0.019))
    (tmp_path / "today.csv").write_text("earlier")
    export(live, monkeypatch, tmp_path / "today")
    assert (tmp_path / "today.csv").read_text() == "earlier"
    assert live.window.message.is_error
    export(live, monkeypatch, tmp_path / "tomorrow")
    assert (tmp_path / "tomorrow.csv").is_file()


def test_the_angle_is_told_whole_in_a_small_window(live):
    live.freeze()
    live.window.settings.apply({"angle_rad": math.radians(65)})
    chip = live.window.tools.lines.angle.chip
    live.until(lambda: "unreliable" in chip.text())
    live.window.resize(1024, 600)
    live.until(lambda: chip.text() == "\N{ANGLE}65\N{DEGREE SIGN}")
    assert chip.fontMetrics().horizontalAdvance(chip.text()) < chip.width()
