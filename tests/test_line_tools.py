"""Distances, profiles and the angle correction in the whole window, with real mouse and keys."""

import csv
import itertools
import math
import re

import numpy as np
import pytest
from display import needs_display
from mouse import wheel
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QFileDialog

from ultrasound_console.frames import IqFrame
from ultrasound_console.render.painter import CORRECTED
from ultrasound_console.ui.labels import Caption
from ultrasound_console.ui.tools.beside import room_beside

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def held(live):
    live.freeze()
    return live


def point(console, place, x_m, z_m):
    x_px, y_px = console.window.canvas.pixel(place, x_m, z_m)
    return QPoint(round(x_px), round(y_px))


def drag(console, start_m, end_m, place=0):
    """Drag from one place in the body to another; what the mouse met is what counts."""
    canvas = console.window.canvas
    start, end = point(console, place, *start_m), point(console, place, *end_m)
    console.qtbot.mousePress(canvas, LEFT, pos=start)
    console.qtbot.mouseMove(canvas, (start + end) / 2)
    console.qtbot.mouseMove(canvas, end)
    console.qtbot.mouseRelease(canvas, LEFT, pos=end)
    return tuple(canvas.position_m(at.x(), at.y())[1:] for at in (start, end))


def planes(frame):
    return [
        plane.tobytes()
        for plane in (frame.velocity_m_s, frame.fold, frame.status, frame.power_db, frame.bmode_db)
    ]


# ---- calipers ------------------------------------------------------------------------------


def test_a_distance_is_what_the_mouse_went(held):
    held.key(Qt.Key.Key_D)
    assert held.window.tools.row.current == "Distance"
    before = held.picture(0).astype(int)
    (x0, z0), (x1, z1) = drag(held, (-0.005, 0.010), (0.007, 0.019))
    (line,) = held.window.tools.lines.calipers.lines
    assert line.length_m == pytest.approx(math.hypot(x1 - x0, z1 - z0), abs=1e-9)
    # 12 mm to the side and 9 mm down, as exactly as a pixel goes.
    assert line.length_m == pytest.approx(0.015, abs=2 * 1 / held.window.canvas.view.pixels_per_m)
    text = held.window.tools.lines.calipers.captions[0].full_text
    assert text.startswith(f"1   {1e3 * line.length_m:.1f} mm")
    assert f"depth {1e3 * abs(z1 - z0):.1f}" in text
    assert f"lateral {1e3 * abs(x1 - x0):.1f}" in text
    # It is drawn in every picture.
    after = held.picture(0).astype(int)
    assert (np.abs(after - before).max(-1) > 40).sum() > 40


def test_ends_and_whole_distances_can_be_moved(held):
    held.key(Qt.Key.Key_D)
    drag(held, (-0.005, 0.010), (0.005, 0.010))
    _, end_m = drag(held, (0.005, 0.010), (0.005, 0.020), place=1)
    (line,) = held.window.tools.lines.calipers.lines
    assert line.end_m == pytest.approx(end_m, abs=2e-4)
    assert line.start_m == pytest.approx((-0.005, 0.010), abs=2e-4)
    length_m = line.length_m
    middle = (0.0, 0.015)
    drag(held, middle, (0.004, 0.015))
    (line,) = held.window.tools.lines.calipers.lines
    assert line.length_m == pytest.approx(length_m)
    assert line.start_m[0] == pytest.approx(-0.001, abs=3e-4)


def test_there_are_four_at_most_and_delete_takes_the_selected_one(held):
    held.key(Qt.Key.Key_D)
    for number in range(5):
        z_m = 0.008 + 0.004 * number
        drag(held, (-0.006, z_m), (-0.004 + 0.001 * number, z_m))
    calipers = held.window.tools.lines.calipers
    assert len(calipers.lines) == 4
    assert "4 distances" in held.window.tools.row.hint.text()
    held.qtbot.mouseClick(held.window.canvas, LEFT, pos=point(held, 0, -0.006, 0.012))
    held.key(Qt.Key.Key_Delete)
    assert [round(line.start_m[1], 3) for line in calipers.lines] == [0.008, 0.016, 0.020]
    shown = [caption.full_text[:1] for caption in calipers.captions if not caption.isHidden()]
    assert shown == ["1", "2", "3"]
    held.key(Qt.Key.Key_Escape)
    held.key(Qt.Key.Key_Delete)
    assert len(calipers.lines) == 3


def test_a_click_is_no_distance(held):
    held.key(Qt.Key.Key_D)
    held.qtbot.mouseClick(held.window.canvas, LEFT, pos=point(held, 0, 0.0, 0.02))
    assert held.window.tools.lines.calipers.lines == ()


def test_lines_of_one_source_do_not_measure_another(held):
    canvas, lines = held.window.canvas, held.window.tools.lines
    held.key(Qt.Key.Key_D)
    drag(held, (-0.005, 0.010), (0.005, 0.010))
    held.key(Qt.Key.Key_L)
    drag(held, (-0.005, 0.012), (0.000, 0.022))
    held.key(Qt.Key.Key_G)
    drag(held, (-0.004, 0.010), (0.004, 0.020))
    assert held.window.store.current.display.angle_rad > 0.0
    drawn = {
        mark
        for tool in (lines.calipers.tool, lines.profile.tool, lines.angle.tool)
        for mark in tool.marks()
    }
    assert len(drawn & set(canvas.marks)) >= 6
    held.open()
    held.play(2)
    assert not drawn & set(canvas.marks)
    assert held.window.store.current.display.angle_rad == 0.0
    assert held.window.tools.lines.rows() == []


# ---- profile -------------------------------------------------------------------------------


def draw_profile(console):
    """Along the middle of the picture, from above the artery to below it."""
    console.key(Qt.Key.Key_L)
    return drag(console, (0.001, 0.010), (0.001, 0.023), place=2)


def test_the_profile_is_that_of_the_planes(held):
    start_m, end_m = draw_profile(held)
    profile, frame = held.window.tools.lines.profile.profile, held.frame
    grid = frame.acquisition.colour_grid
    share = profile.distance_m / profile.distance_m[-1]
    rows, columns = grid.indices(
        start_m[0] + share * (end_m[0] - start_m[0]), start_m[1] + share * (end_m[1] - start_m[1])
    )
    nearest = np.rint(rows).astype(int), np.rint(columns).astype(int)
    flow = frame.status[nearest] != 0
    assert np.array_equal(np.isfinite(profile.raw_m_s), flow)
    assert flow.sum() > 20
    # Between samples of one fold: never further from the nearest than to its neighbours.
    off = np.abs(profile.corrected_m_s - frame.corrected_m_s[nearest])[flow]
    assert off.max() < 0.25 * frame.nyquist_velocity_m_s
    moved = (profile.corrected_m_s - profile.raw_m_s)[flow] / (2 * frame.nyquist_velocity_m_s)
    assert moved == pytest.approx(frame.fold[nearest][flow], abs=1e-5)
    # The vessel is 8.4 mm across, here cut at a slant; at its wall the flow is too weak to show.
    assert profile.diameter_m == pytest.approx(2 * 0.0042 * math.hypot(1, 0.16), abs=6e-4)
    text = held.window.tools.lines.profile.caption.full_text
    assert f"{1e3 * profile.diameter_m:.1f} mm wide" in text
    assert text.startswith("de-aliased")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_profile_is_told_where_the_corrected_velocity_is_shown(held, place):
    held.key(Qt.Key.Key_L)
    drag(held, (0.0, 0.012), (0.001, 0.026), place)
    caption, room = held.window.tools.lines.profile.caption, held.window.canvas.picture_rect(2)
    assert caption.full_text.startswith("de-aliased")
    assert room.x <= caption.x()
    assert caption.geometry().right() < room.right


def test_the_plot_shows_both_curves_between_the_nyquist_limits(held):
    draw_profile(held)
    line = held.window.tools.lines.profile
    raw, corrected = line.plot.drawing.curves
    assert np.nanmax(raw.y) <= 100 * held.frame.nyquist_velocity_m_s
    assert np.nanmax(corrected.y) == pytest.approx(
        100 * line.profile.peak_m_s(corrected=True), rel=1e-6
    )
    levels = sorted(level.y for level in line.plot.drawing.levels)
    nyquist = 100 * held.frame.nyquist_velocity_m_s
    assert levels == pytest.approx([-nyquist, 0.0, nyquist])


def test_the_profile_follows_the_frames(live):
    draw_profile(live)
    seen = []
    for _ in range(3):
        live.play(4)
        live.until(lambda: live.window.tools.lines.profile.profile.index == live.frame.index)
        seen.append(live.window.tools.lines.profile.profile.peak_m_s(corrected=True))
    assert len(set(seen)) == 3
    live.freeze()
    live.key(Qt.Key.Key_Home)
    first = live.engine.cine.indices()[0]
    live.until(lambda: live.frame.index == first)
    live.until(lambda: live.window.tools.lines.profile.profile.index == first)


# ---- angle ---------------------------------------------------------------------------------


def draw_axis(console, angle_deg):
    """At this angle to the beam, which is steered by 15 degrees."""
    console.key(Qt.Key.Key_G)
    direction = console.frame.acquisition.transmit_angle_rad + math.radians(angle_deg)
    across_m, down_m = 0.005 * math.sin(direction), 0.005 * math.cos(direction)
    drag(console, (-across_m, 0.017 - down_m), (across_m, 0.017 + down_m))


def bars(console):
    return [
        {float(t.replace(MINUS, "-")) for t in console.window.labels.bars[panel].texts}
        for panel in (0, 2)
    ]


def read_raw(console):
    """What the read-out says of the raw velocity at a place in the artery."""
    readout = console.window.labels.readouts[0]
    console.qtbot.mouseMove(console.window.canvas, point(console, 1, 0.0, 0.02))

    def is_told():
        # Again, as the pictures may move while the words around them change; a pixel is 0.1 mm.
        console.qtbot.mouseMove(console.window.canvas, point(console, 0, 0.001, 0.016))
        found = re.search(r"x (\S+) mm +z (\S+) mm", readout.full_text)
        if found is None:
            return False
        x_mm, z_mm = (float(number.replace(MINUS, "-")) for number in found.groups())
        return abs(x_mm - 1.0) < 0.16 and abs(z_mm - 16.0) < 0.16

    console.until(is_told)
    return float(readout.full_text.split()[1].replace(MINUS, "-"))


def test_bars_and_read_outs_are_divided_by_the_cosine_and_the_planes_stay(held):
    canvas = held.window.canvas
    before, kept, plain_bars = planes(held.frame), held.pixels(), bars(held)
    raw_before = read_raw(held)
    draw_axis(held, 50)
    angle_rad = held.window.store.current.display.angle_rad
    assert math.degrees(angle_rad) == pytest.approx(50, abs=1.0)
    factor = 1 / math.cos(angle_rad)
    for plain, corrected in zip(plain_bars, bars(held), strict=True):
        assert sorted(corrected) == pytest.approx(sorted(factor * v for v in plain), rel=0.01)
    angle = f"\N{ANGLE}{math.degrees(angle_rad):.0f}\N{DEGREE SIGN}"
    assert held.window.labels.bars[2].unit == f"cm/s\n{angle}"
    chip = held.window.tools.lines.angle.chip
    held.until(lambda: chip.text().startswith(angle))
    assert read_raw(held) == pytest.approx(factor * raw_before, abs=0.1 * factor)
    assert angle in held.window.labels.readouts[0].full_text
    assert planes(held.frame) == before
    assert "17.8 cm/s" in held.window.top.figures.text()  # v_N has no angle
    assert held.flow.n_processed == len(held.engine.cine.indices())
    # One key ends it, and the picture is the same to the bit.
    held.key(Qt.Key.Key_G, Qt.KeyboardModifier.ShiftModifier)
    assert bars(held) == plain_bars
    assert not held.window.tools.lines.angle.chip.isVisible()
    held.key(Qt.Key.Key_Escape)
    held.qtbot.mouseMove(canvas, QPoint(2, 2))
    held.until(lambda: canvas.cursor_m is None)
    assert np.array_equal(held.pixels(), kept)


def test_a_steep_angle_warns_and_one_across_the_flow_is_refused(held):
    draw_axis(held, 66)
    chip, message = held.window.tools.lines.angle.chip, held.window.message
    held.until(lambda: chip.text().endswith("unreliable"))
    assert "Steer the beam" in message.text.text()
    held.key(Qt.Key.Key_Delete)
    assert held.window.store.current.display.angle_rad == 0.0
    draw_axis(held, 85)
    assert held.window.store.current.display.angle_rad == 0.0
    assert not chip.isVisible()
    assert "not corrected" in held.window.tools.lines.angle._caption.full_text


def test_nothing_moves_under_the_hand_while_an_axis_is_drawn(held):
    canvas, message = held.window.canvas, held.window.message
    held.key(Qt.Key.Key_G)
    direction = held.frame.acquisition.transmit_angle_rad + math.radians(66)
    start, end = (
        point(
            held, 0, side * 0.005 * math.sin(direction), 0.017 + side * 0.005 * math.cos(direction)
        )
        for side in (-1, 1)
    )
    view = canvas.view
    held.qtbot.mousePress(canvas, LEFT, pos=start)
    held.qtbot.mouseMove(canvas, end)
    held.until(lambda: held.window.store.current.display.angle_rad > math.radians(60))
    assert canvas.view == view
    assert not message.isVisible()
    held.qtbot.mouseRelease(canvas, LEFT, pos=end)
    held.until(message.isVisible)


def test_the_control_turns_the_axis_and_undo_takes_it_back(held):
    draw_axis(held, 40)
    angle = held.window.tools.lines.angle
    held.window.store.commit()
    held.window.settings.apply({"angle_rad": math.radians(30)})
    (line,) = angle.tool.lines
    (x0, z0), (x1, z1) = line.start_m, line.end_m
    steered = held.frame.acquisition.transmit_angle_rad
    assert abs(math.atan2(x1 - x0, z1 - z0) - steered) == pytest.approx(math.radians(30), abs=1e-6)
    assert line.length_m == pytest.approx(0.010, abs=3e-4)
    held.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert math.degrees(held.window.store.current.display.angle_rad) == pytest.approx(40, abs=1)
    assert "\N{ANGLE}40" in angle._caption.full_text or "\N{ANGLE}39" in angle._caption.full_text


def test_the_profile_follows_the_angle(held):
    draw_profile(held)
    profile = held.window.tools.lines.profile
    before = np.nanmax(profile.plot.drawing.curves[1].y)
    kept = profile.profile.corrected_m_s.copy()
    held.window.settings.apply({"angle_rad": math.radians(60)})
    assert np.nanmax(profile.plot.drawing.curves[1].y) == pytest.approx(2 * before)
    assert np.array_equal(profile.profile.corrected_m_s, kept, equal_nan=True)
    assert "\N{ANGLE}60" in profile.caption.full_text


# ---- export --------------------------------------------------------------------------------


def test_all_of_it_is_in_the_table(held, tmp_path, monkeypatch):
    held.key(Qt.Key.Key_D)
    drag(held, (-0.005, 0.010), (0.005, 0.010))
    draw_profile(held)
    held.window.settings.apply({"angle_rad": math.radians(60)})
    path = tmp_path / "out.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    held.key(Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    text = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(text))
    (length,) = [row for row in rows if row["quantity"] == "length"]
    line = held.window.tools.lines.calipers.lines[0]
    assert float(length["value"]) == pytest.approx(1e3 * line.length_m, rel=1e-4)
    assert length["velocity_is"] == ""
    profile = held.window.tools.lines.profile.profile
    for kind, corrected in (("raw", False), ("corrected", True)):
        (peak,) = [r for r in rows if r["quantity"] == "peak velocity" and r["velocity_is"] == kind]
        assert float(peak["value"]) == pytest.approx(
            200 * profile.peak_m_s(corrected=corrected), rel=1e-4
        )
        assert peak["angle_correction_deg"] == "60"
    points = [r for r in rows if r["quantity"] == "velocity" and r["velocity_is"] == "raw"]
    assert len(points) == np.isfinite(profile.raw_m_s).sum()


# ---- M-mode --------------------------------------------------------------------------------


def click(console, x_m, z_m, place=0):
    console.qtbot.mouseClick(console.window.canvas, LEFT, pos=point(console, place, x_m, z_m))


def test_m_mode_is_the_scan_line_over_the_frames_of_the_loop(live):
    live.play(9)
    live.freeze()
    live.key(Qt.Key.Key_M, Qt.KeyboardModifier.ShiftModifier)
    click(live, 0.001, 0.016)
    mmode, cine = live.window.tools.lines.mmode, live.engine.cine
    live.until(lambda: len(mmode.columns) == len(cine.indices()))
    grid = live.frame.acquisition.colour_grid
    column = round(float(grid.indices(0.001, 0.016)[1]))
    for index, read in zip(cine.indices(), mmode.columns, strict=True):
        frame = cine.frame(index)
        flow = frame.status[:, column] != 0
        shown = read.corrected_m_s[np.isfinite(read.corrected_m_s)]
        # Read between samples along the line, of which none is far.
        assert shown.max() == pytest.approx(frame.corrected_m_s[flow, column].max(), abs=5e-3)
        assert np.nanmin(read.raw_m_s) == pytest.approx(
            frame.velocity_m_s[flow, column].min(), abs=5e-3
        )
    (top_mm, bottom_mm) = mmode.raw.drawing.raster.y_limits
    assert (top_mm, bottom_mm) == pytest.approx((6.0, 30.0))
    first_s, last_s = mmode.raw.drawing.raster.x_limits
    interval_s = live.frame.acquisition.frame_interval_s
    assert last_s - first_s == pytest.approx(len(cine.indices()) * 0.03, abs=0.2 * interval_s)
    # Red where the corrected panel is red, blue where the raw one is aliased.
    rows, _ = grid.indices(0.001, 0.016)
    at = round(float((rows) / (grid.n_depths - 1) * (len(mmode.raw.drawing.raster.rgb) - 1)))
    red, _, blue = mmode.corrected.drawing.raster.rgb[at, -1].astype(int)
    assert red > blue + 60
    red, _, blue = mmode.raw.drawing.raster.rgb[at, -1].astype(int)
    assert blue > red + 60


def test_m_mode_grows_with_a_live_picture_and_a_press_goes_to_its_frame(live):
    live.key(Qt.Key.Key_M, Qt.KeyboardModifier.ShiftModifier)
    drag(live, (0.001, 0.022), (0.001, 0.010))
    mmode = live.window.tools.lines.mmode
    live.play(3)
    live.until(lambda: mmode.columns and mmode.columns[-1].told.index == live.frame.index)
    n_columns = len(mmode.columns)
    live.play(4)
    live.until(lambda: len(mmode.columns) == n_columns + 4)
    top_mm, bottom_mm = mmode.raw.drawing.raster.y_limits
    assert top_mm == pytest.approx(10, abs=0.2)
    assert bottom_mm == pytest.approx(22, abs=0.2)
    live.freeze()
    live.window.settings.apply({"plots": "open"})
    live.until(lambda: mmode.raw.isVisible() and mmode.raw._axes is not None)
    live.qtbot.wait(200)
    third = live.engine.cine.loop()[2]
    x_px, y_px = mmode.raw.pixel(third.time_s, 15.0)
    target = mmode.raw._axes.viewport()
    at = target.mapFrom(mmode.raw, QPoint(round(x_px), round(y_px)))
    live.qtbot.mouseClick(target, LEFT, pos=at)
    live.until(lambda: live.frame.index == third.index)
    live.until(lambda: mmode.raw.marked == third.time_s)


# ---- gate ----------------------------------------------------------------------------------


def tone(frame, velocity_m_s):
    """Samples of blood of one velocity at every pixel."""
    acquisition = frame.acquisition
    n_pulses, shape = acquisition.n_pulses, acquisition.colour_grid.shape
    rng = np.random.default_rng(frame.index)
    blood = rng.normal(size=(*shape, 1)) + 1j * rng.normal(size=(*shape, 1))
    step = math.pi * velocity_m_s / acquisition.nyquist_velocity_m_s
    samples = blood * np.exp(1j * step * np.arange(n_pulses))
    samples += rng.normal(0.0, 0.02, samples.shape)
    iq = np.zeros((*shape, 2, 16), np.float32)
    iq[..., 0, :n_pulses], iq[..., 1, :n_pulses] = samples.real, samples.imag
    return IqFrame(frame.index, frame.time_s, 0.0, acquisition, iq, np.zeros((2, 2), np.float32))


@pytest.fixture
def with_samples(live, monkeypatch):
    """A frozen loop whose blood goes 12 cm/s towards the probe, against a v_N of 17.8 cm/s."""
    live.play(8)
    cine = live.engine.cine
    monkeypatch.setattr(cine, "iq", lambda index: tone(cine.frame(index), 0.12))
    return live


def test_the_spectrum_of_a_gate_is_that_of_its_samples(with_samples):
    console = with_samples
    gate = console.window.tools.lines.gate
    console.key(Qt.Key.Key_W)
    click(console, 0.001, 0.016)
    assert "freeze (Space)" in gate.caption.full_text
    assert gate.spectrogram is None
    console.freeze()
    console.until(lambda: gate.spectrogram is not None)
    # Without room for plots it says how to see it; with them it is just a gate.
    console.until(lambda: gate.caption.full_text == "gate 1.5 mm: T shows its spectrum")
    console.key(Qt.Key.Key_T)
    console.until(lambda: gate.caption.full_text == "gate 1.5 mm")
    mean, envelope = gate.plot.drawing.curves
    assert len(mean.x) == len(console.engine.cine.indices())
    assert mean.y == pytest.approx(12.0, abs=0.3)
    assert np.all(envelope.y > 11.0)
    grey = gate.plot.drawing.raster.rgb[..., 0]
    low, high = gate.plot.drawing.raster.y_limits
    bright = np.flatnonzero(grey.mean(1) > 0.95 * grey.mean(1).max())
    middle = low + (bright.mean() + 0.5) / len(grey) * (high - low)
    assert middle == pytest.approx(12.0, abs=1.0)
    assert (low, high) == pytest.approx((-17.8, 17.8), abs=0.2)
    # The angle is that of the read-outs; the samples are not looked at again.
    spectrogram = gate.spectrogram
    console.window.settings.apply({"angle_rad": math.radians(60)})
    console.until(lambda: gate.plot.drawing.curves[0].y[0] > 23.0)
    assert gate.plot.drawing.curves[0].y == pytest.approx(24.0, abs=0.6)
    assert gate.spectrogram is spectrogram
    rows = [
        row for row in console.window.tools.lines.rows() if row.quantity.startswith("mean velocity")
    ]
    assert [row.velocity_is for row in rows] == ["raw"] * len(mean.x)
    assert rows[0].value == pytest.approx(24.0, abs=0.6)
    # What is live has no spectrum, least of all an old one.
    console.key(Qt.Key.Key_Space)
    console.until(lambda: gate.spectrogram is None)


def test_a_gate_is_moved_made_longer_and_taken_away(with_samples):
    console = with_samples
    gate = console.window.tools.lines.gate
    console.key(Qt.Key.Key_W)
    click(console, 0.001, 0.016)
    at = point(console, 0, 0.001, 0.016)
    before = console.window.canvas.view
    wheel(console.window.canvas, at, 2)
    assert gate.gate.length_m == pytest.approx(2.5e-3)
    assert console.window.canvas.view == before
    click(console, -0.016, 0.003)
    assert "outside the colour box" in gate.caption.full_text
    console.key(Qt.Key.Key_Delete)
    assert gate.gate is None
    assert gate.caption.isHidden()


# ---- without a mouse -----------------------------------------------------------------------


def test_keys_alone_measure_the_vessel(held):
    lines, ctrl = held.window.tools.lines, Qt.KeyboardModifier.ControlModifier
    held.key(Qt.Key.Key_D)
    held.key(Qt.Key.Key_Insert)
    (diameter,) = lines.calipers.lines
    assert diameter.length_m == pytest.approx(2 * 0.0042, rel=0.15)
    held.key(Qt.Key.Key_Right, ctrl)
    held.key(Qt.Key.Key_Down, ctrl)
    (moved,) = lines.calipers.lines
    step_m = moved.start_m[0] - diameter.start_m[0], moved.start_m[1] - diameter.start_m[1]
    assert step_m == pytest.approx((0.0002, 0.0002))
    held.key(Qt.Key.Key_Right, ctrl | Qt.KeyboardModifier.ShiftModifier)
    (longer,) = lines.calipers.lines
    assert longer.length_m == pytest.approx(moved.length_m + 0.0002)
    held.key(Qt.Key.Key_G)
    held.key(Qt.Key.Key_Insert)
    # The artery goes down by 0.16 to the side, and the beam is steered by 15 degrees.
    along = math.pi / 2 - math.atan(0.16)
    expected = along - held.frame.acquisition.transmit_angle_rad
    angle_rad = held.window.store.current.display.angle_rad
    assert angle_rad == pytest.approx(expected, abs=math.radians(3))
    held.key(Qt.Key.Key_PageDown, ctrl)
    turned_rad = held.window.store.current.display.angle_rad
    assert abs(turned_rad - angle_rad) == pytest.approx(math.radians(1), abs=1e-9)
    held.key(Qt.Key.Key_L)
    held.key(Qt.Key.Key_Insert)
    assert lines.profile.profile.diameter_m == pytest.approx(2 * 0.0042, rel=0.1)
    held.key(Qt.Key.Key_M, Qt.KeyboardModifier.ShiftModifier)
    held.key(Qt.Key.Key_Insert)
    held.until(lambda: len(lines.mmode.columns) == len(held.engine.cine.indices()))
    held.key(Qt.Key.Key_W)
    held.key(Qt.Key.Key_Insert)
    assert lines.gate.gate is not None
    assert held.window.tools.regions.tool.regions == ()


def test_words_go_to_the_other_side_of_a_picture_where_their_own_is_full():
    picture, full = QRect(10, 20, 300, 100), QRect(150, 0, 160, 200)
    room = room_beside(QSize(100, 20), QRect(250, 60, 20, 20), picture, [full])
    assert room.size() == QSize(100, 20)
    assert picture.contains(room)
    assert not room.intersects(full)


def test_words_of_tools_at_one_place_do_not_cover_each_other(held):
    canvas = held.window.canvas
    place = canvas.panels.index(CORRECTED)
    held.key(Qt.Key.Key_D)
    for shift_m in (0.0, 0.0015):
        # Not from an end of the one before: that would move it.
        drag(held, (-0.004 + shift_m, 0.0100 + shift_m), (0.004 + shift_m, 0.014 + shift_m), place)
    draw_profile(held)
    held.key(Qt.Key.Key_Insert)
    assert len(held.window.tools.lines.calipers.lines) == 2

    def are_apart():
        words = [
            child.geometry()
            for child in canvas.children()
            if isinstance(child, Caption) and child.isVisible()
        ]
        shared = [(a, b) for a, b in itertools.combinations(words, 2) if a.intersects(b)]
        return len(words) > 4 and not shared

    held.until(are_apart)
    # Also with more of them, and plots below.
    for key in (Qt.Key.Key_W, Qt.Key.Key_R):
        held.key(key)
        held.key(Qt.Key.Key_Insert)
    held.key(Qt.Key.Key_T)
    held.until(lambda: canvas.height() < 400 and are_apart())
