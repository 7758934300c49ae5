"""Regions with real mouse and keys: what they measure is checked against the planes."""

import csv
import math
import threading
from functools import partial

import numpy as np
import pytest
from display import needs_display
from known_flow import KnownFlow
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFileDialog

from ultrasound_console.measure import statistics
from ultrasound_console.ui.readout import velocity_text
from ultrasound_console.ui.tools import region_trace
from ultrasound_console.ui.tools.region_tool import COLOURS, MOST

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
ARTERY_M = (-0.002, 0.0162)
"""On the axis of the artery of the known flow, whose radius is 4.2 mm."""
TISSUE_M = (0.0, 0.032)


@pytest.fixture
def held(live):
    """Six frames, frozen, and the region tool in the hand."""
    live.play(3)
    live.freeze()
    live.key(Qt.Key.Key_R)
    return live


def tool(console):
    return console.window.tools.regions.tool


def ellipse_of(console, number=1):
    return next(r.ellipse for r in tool(console).regions if r.number == number)


def figures(console, number=1):
    return console.window.tools.regions.figures[number]


def at(console, place_m, place=0):
    x_px, y_px = console.window.canvas.pixel(place, *place_m)
    return QPoint(round(x_px), round(y_px))


def drag(console, start_m, end_m, place=0):
    """Drag with the left button through the pictures."""
    canvas, start, end = (
        console.window.canvas,
        at(console, start_m, place),
        at(console, end_m, place),
    )
    console.qtbot.mousePress(canvas, LEFT, pos=start)
    console.qtbot.mouseMove(canvas, (start + end) / 2)
    console.qtbot.mouseMove(canvas, end)
    console.qtbot.mouseRelease(canvas, LEFT, pos=end)


def draw(console, middle_m=ARTERY_M, half_m=(0.003, 0.002), place=0):
    """Draw an ellipse as wide and as high as that."""
    (x, z), (across, down) = middle_m, half_m
    drag(console, (x - across, z - down), (x + across, z + down), place)


def double_click(console, place_m):
    console.qtbot.mouseDClick(console.window.canvas, LEFT, pos=at(console, place_m))


def px_m(console):
    return 1.0 / console.window.canvas.view.pixels_per_m


def caption(console, place, number=1):
    found = console.window.tools.regions.captions.get((number, place))
    return found.text() if found is not None and found.isVisible() else None


def has_colour(picture, colour):
    wanted = QColor(colour)
    rgb = np.array([wanted.red(), wanted.green(), wanted.blue()])
    return bool((np.abs(picture.astype(int) - rgb).max(axis=-1) < 12).any())


# ---- drawing and measuring -----------------------------------------------------------------


def test_an_ellipse_is_dragged_over_a_vessel_and_measured_in_every_panel(held):
    draw(held, place=1)
    ellipse = ellipse_of(held)
    near = pytest.approx
    assert (ellipse.x_m, ellipse.z_m) == near(ARTERY_M, abs=1.5 * px_m(held))
    assert ellipse.half_m == near((0.003, 0.002), abs=1.5 * px_m(held))
    found = statistics(held.frame, ellipse)
    assert figures(held) == found
    assert found.n_aliased > 0
    raw, corrected = found.raw, found.corrected
    texts = [caption(held, place) for place in range(3)]
    assert texts[0] == (
        f"1  mean {velocity_text(raw.mean_m_s)}\nmax {velocity_text(raw.fastest_m_s)}"
    )
    assert texts[1].startswith(f"1  {100 * found.aliased_share:.0f} % aliased")
    assert velocity_text(corrected.mean_m_s) in texts[2]
    assert velocity_text(corrected.fastest_m_s) in texts[2]
    assert all(has_colour(held.picture(place), COLOURS[0]) for place in range(3))
    # Beside the region, inside the picture.
    for place in range(3):
        label, room = (
            held.window.tools.regions.captions[1, place],
            held.window.canvas.picture_rect(place),
        )
        assert room.x <= label.x()
        assert label.geometry().right() < room.right
        assert label.text() == label.full_text


def test_a_region_is_moved_stretched_and_turned_by_its_handles(held):
    draw(held)
    before = ellipse_of(held)
    drag(held, (before.x_m, before.z_m), (before.x_m + 0.002, before.z_m + 0.001))
    moved = ellipse_of(held)
    assert moved.half_m == before.half_m
    assert (moved.x_m - before.x_m, moved.z_m - before.z_m) == pytest.approx(
        (0.002, 0.001), abs=2 * px_m(held)
    )
    # One end goes out, the other stays.
    right_m, left_m = moved.at(1, 0), moved.at(-1, 0)
    drag(held, right_m, (right_m[0] + 0.002, right_m[1]))
    longer = ellipse_of(held)
    assert longer.at(-1, 0) == pytest.approx(left_m, abs=1e-9)
    assert longer.half_m[0] - moved.half_m[0] == pytest.approx(0.001, abs=2 * px_m(held))
    assert longer.half_m[1] == moved.half_m[1]
    bottom_m = longer.at(0, 1)
    drag(held, bottom_m, (bottom_m[0], bottom_m[1] - 0.001))
    assert ellipse_of(held).half_m[1] < longer.half_m[1]
    # The handle beyond the first axis turns it about its centre.
    flat = ellipse_of(held)
    beyond = 1 + 20 * px_m(held) / flat.half_m[0]
    reach_m = beyond * flat.half_m[0]
    end_m = flat.x_m + reach_m * math.cos(0.5), flat.z_m + reach_m * math.sin(0.5)
    drag(held, flat.at(beyond, 0), end_m)
    turned = ellipse_of(held)
    assert turned.angle_rad == pytest.approx(0.5, abs=0.03)
    assert (turned.x_m, turned.z_m, turned.half_m) == (flat.x_m, flat.z_m, flat.half_m)
    assert len(tool(held).regions) == 1
    assert figures(held) == statistics(held.frame, turned)


def test_a_click_is_no_region_and_beside_the_tool_the_picture_moves(held):
    held.qtbot.mouseClick(held.window.canvas, LEFT, pos=at(held, TISSUE_M))
    assert tool(held).regions == ()
    draw(held)
    held.key(Qt.Key.Key_V)
    before = ellipse_of(held)
    drag(held, ARTERY_M, (0.001, 0.02))
    assert ellipse_of(held) == before
    # It is seen all the same, without its handles.
    marks = held.window.canvas.marks
    assert len(marks) == 1
    held.key(Qt.Key.Key_R)
    assert len(held.window.canvas.marks) > 1


def test_a_double_click_fits_a_region_to_the_vessel_under_it(held):
    double_click(held, ARTERY_M)
    fitted = ellipse_of(held)
    assert fitted.half_m[1] == pytest.approx(0.0042, rel=0.12)
    assert fitted.angle_rad == pytest.approx(math.atan(0.16), abs=0.08)
    found = figures(held)
    assert found.n_flow > 0.9 * found.n_pixels
    # Once more inside it: the same region fitted anew; beside the flow: none.
    double_click(held, ARTERY_M)
    assert len(tool(held).regions) == 1
    double_click(held, TISSUE_M)
    assert len(tool(held).regions) == 1
    assert "No flow" in held.window.tools.row.hint.text()
    assert held.window.canvas.view.zoom == 1.0


def test_there_are_four_regions_in_colours_of_their_own_and_delete_takes_one(held):
    for x_m in (-0.009, -0.004, 0.001, 0.006):
        draw(held, (x_m, 0.013), (0.0012, 0.0012))
    assert [region.number for region in tool(held).regions] == [1, 2, 3, 4]
    assert all(has_colour(held.picture(2), colour) for colour in COLOURS)
    draw(held, TISSUE_M, (0.001, 0.001))
    assert len(tool(held).regions) == MOST
    assert "Delete" in held.window.tools.row.hint.text()
    # One of them is chosen by a press inside it.
    held.qtbot.mouseClick(held.window.canvas, LEFT, pos=at(held, (-0.004, 0.013)))
    assert tool(held).selected == 2
    held.key(Qt.Key.Key_Delete)
    assert [region.number for region in tool(held).regions] == [1, 3, 4]
    assert caption(held, 0, number=2) is None
    assert not has_colour(held.picture(2), COLOURS[1])
    draw(held, TISSUE_M, (0.001, 0.001))
    assert tool(held).selected == 2
    assert caption(held, 0, number=2) == "2  no flow"
    for _ in range(MOST):
        held.key(Qt.Key.Key_Delete)
    assert tool(held).regions == ()
    assert held.window.canvas.marks == ()


def test_everything_is_done_with_keys(held):
    held.key(Qt.Key.Key_V)
    held.key(Qt.Key.Key_Insert)
    assert held.window.tools.row.current == "Region"
    first = ellipse_of(held)
    assert figures(held).n_flow > 0.9 * figures(held).n_pixels
    frame = held.frame
    held.key(Qt.Key.Key_Right, CTRL)
    held.key(Qt.Key.Key_Down, CTRL)
    held.key(Qt.Key.Key_Down, CTRL)
    moved = ellipse_of(held)
    assert moved.x_m > first.x_m
    assert moved.z_m - first.z_m == pytest.approx(2 * (moved.x_m - first.x_m))
    held.key(Qt.Key.Key_Right, CTRL | SHIFT)
    held.key(Qt.Key.Key_Down, CTRL | SHIFT)
    stretched = ellipse_of(held)
    assert stretched.half_m[0] > first.half_m[0]
    assert stretched.half_m[1] < first.half_m[1]
    held.key(Qt.Key.Key_PageDown, CTRL)
    assert ellipse_of(held).angle_rad > first.angle_rad
    assert held.frame is frame
    held.key(Qt.Key.Key_Insert)
    assert tool(held).selected == 2
    held.key(Qt.Key.Key_N)
    assert tool(held).selected == 1
    held.key(Qt.Key.Key_Delete)
    assert [region.number for region in tool(held).regions] == [2]


def test_figures_follow_the_frame_the_angle_and_the_comparison(held):
    draw(held)
    last = figures(held)
    held.key(Qt.Key.Key_Left)
    held.until(lambda: figures(held) != last)
    assert figures(held) == statistics(held.frame, ellipse_of(held))
    angle_rad = math.radians(60)
    held.window.settings.change("angle_rad", angle_rad)
    told = velocity_text(figures(held).corrected.mean_m_s, angle_rad)
    held.until(lambda: told in caption(held, 2))
    held.qtbot.keyPress(held.window.canvas, Qt.Key.Key_C)
    raw = velocity_text(figures(held).raw.mean_m_s, angle_rad)
    assert raw in caption(held, 2)
    held.qtbot.keyRelease(held.window.canvas, Qt.Key.Key_C)
    held.until(lambda: told in caption(held, 2))


def test_without_dealiasing_no_velocity_passes_for_corrected(held):
    draw(held)
    held.window.settings.change("dealias", value=False)
    held.until(lambda: caption(held, 2) == "1  not de-aliased")


def test_another_source_takes_regions_away(held):
    draw(held)
    held.flow.sources["other"] = KnownFlow("another one")
    held.open("other")
    held.until(lambda: tool(held).regions == ())
    assert held.window.canvas.marks == ()


# ---- over time -----------------------------------------------------------------------------


def until_traced(console, number=1):
    """Wait for the trace of all frames held; give it."""
    held = console.engine.cine.indices()
    traces = lambda: console.window.tools.regions.traces  # noqa: E731

    def is_traced():
        trace = traces().get(number)
        return (
            trace is not None
            and trace.ellipse == ellipse_of(console, number)
            and tuple(trace.index) == held
        )

    console.until(is_traced)
    return traces()[number]


def check(console, trace):
    """Against the frames of the loop."""
    for place, index in enumerate(trace.index):
        found = statistics(console.engine.cine.frame(int(index)), trace.ellipse)
        assert trace.samples[place].statistics == found
        assert trace.raw_mean_m_s[place] == found.raw.mean_m_s
        assert trace.raw_fastest_m_s[place] == found.raw.fastest_m_s
        assert trace.corrected_mean_m_s[place] == found.corrected.mean_m_s
        assert trace.corrected_fastest_m_s[place] == found.corrected.fastest_m_s


def test_the_whole_frozen_loop_is_traced_away_from_the_screen(held, monkeypatch):
    threads = []

    def spy(frame, ellipse):
        threads.append(threading.current_thread().name)
        return statistics(frame, ellipse)

    monkeypatch.setattr(region_trace, "statistics", spy)
    draw(held)
    trace = until_traced(held)
    check(held, trace)
    assert len(trace.index) == 6
    assert len(np.unique(trace.corrected_mean_m_s)) == 6
    assert set(threads) == {"regions"}
    # Moved: traced anew; else nothing is looked at twice.
    held.key(Qt.Key.Key_Down, CTRL)
    moved = until_traced(held)
    check(held, moved)
    assert not np.array_equal(moved.corrected_mean_m_s, trace.corrected_mean_m_s)
    n = len(threads)
    held.qtbot.wait(250)
    assert len(threads) == n


def test_a_live_trace_grows_with_each_frame(live):
    live.key(Qt.Key.Key_Insert)
    before = until_traced(live)
    live.play(2)
    after = until_traced(live)
    assert len(after.index) == len(before.index) + 2
    check(live, after)
    # Frames that were known are not measured again.
    pairs = zip(before.samples, after.samples, strict=False)
    assert all(known is same for known, same in pairs)


def test_a_loop_that_is_processed_again_is_traced_again(held):
    draw(held, half_m=(0.003, 0.005))
    before = until_traced(held)
    held.window.settings.change("flow_power_db", 18.0)
    held.until(lambda: held.frame.processing.flow_power_db == 18.0)
    held.until(held.window.cine.buttons["rerun"].isEnabled)
    held.key(Qt.Key.Key_R, CTRL)
    cine = held.engine.cine
    held.until(lambda: all(cine.frame(i).processing.flow_power_db == 18.0 for i in cine.indices()))
    held.until(
        lambda: [s.told for s in held.window.tools.regions.traces[1].samples] == list(cine.loop())
    )
    after = held.window.tools.regions.traces[1]
    check(held, after)
    assert after.samples[0].statistics.n_flow < before.samples[0].statistics.n_flow


def plot_of(console):
    """The plot, once it has drawn what it was given."""
    plot = console.window.tools.regions.plot
    console.until(lambda: plot.isVisible() and len(plot.drawing.curves) > 0)
    console.until(lambda: plot._axes is not None and not plot._redraw.isActive())
    return plot


def test_a_press_in_the_trace_goes_to_that_frame(held):
    draw(held)
    trace = until_traced(held)
    held.key(Qt.Key.Key_T)
    plot = plot_of(held)
    for place in (1, 4):
        x_px, y_px = plot.pixel(trace.time_s[place] + 0.004, 0.0)
        viewport = plot._axes.viewport()
        pos = viewport.mapFrom(plot, QPoint(round(x_px), round(y_px)))
        held.qtbot.mouseClick(viewport, LEFT, pos=pos)
        held.until(lambda place=place: held.frame.index == trace.index[place])
        held.until(lambda: plot.marked == held.frame.time_s)
    assert held.window.cine.slider.shown == held.frame.index


def test_the_trace_is_drawn_with_raw_and_corrected_and_the_nyquist_limits(held):
    held.key(Qt.Key.Key_T)
    draw(held)
    trace = until_traced(held)
    plot = plot_of(held)
    held.until(lambda: len(plot.drawing.curves) == 4)
    shown = {curve.name: curve.y for curve in plot.drawing.curves}
    np.testing.assert_allclose(shown["raw mean"], 100 * trace.raw_mean_m_s)
    np.testing.assert_allclose(shown["de-aliased max"], 100 * trace.corrected_fastest_m_s)
    nyquist = 100 * held.frame.nyquist_velocity_m_s
    assert {level.y for level in plot.drawing.levels} >= {-nyquist, nyquist}
    assert np.abs(shown["raw max"]).max() <= nyquist < np.abs(shown["de-aliased max"]).max()

    # What was drawn is seen where its values are, once the plot has its final size.
    def is_seen(place):
        plot._draw()
        image = plot.grab().toImage()
        x_px, y_px = plot.pixel(trace.time_s[place], 100 * trace.corrected_mean_m_s[place])
        near = [
            image.pixelColor(round(x_px) + dx, round(y_px) + dy).green()
            for dx in (-1, 0, 1)
            for dy in (-2, -1, 0, 1, 2)
        ]
        return max(near) > 150

    for place in (2, 3):
        held.until(partial(is_seen, place))


# ---- the table -----------------------------------------------------------------------------


def export(console, monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    console.key(Qt.Key.Key_E, CTRL)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_a_region_and_its_trace_are_exported(held, monkeypatch, tmp_path):
    draw(held)
    trace = until_traced(held)
    rows = export(held, monkeypatch, tmp_path / "flow.csv")
    assert f"{len(rows)} values" in held.window.message.text.text()
    region = {(r["quantity"], r["velocity_is"]): float(r["value"]) for r in rows[:21]}
    found = figures(held)
    assert region["mean velocity", "raw"] == pytest.approx(100 * found.raw.mean_m_s, rel=1e-5)
    fastest = 100 * found.corrected.fastest_m_s
    assert region["fastest velocity", "corrected"] == pytest.approx(fastest, rel=1e-5)
    share = 100 * found.aliased_share
    assert region["aliased share of the flow", ""] == pytest.approx(share, rel=1e-5)
    assert region["second half axis", ""] == pytest.approx(2.0, abs=0.2)
    assert {r["frame"] for r in rows[:21]} == {str(held.frame.index)}
    traced = [
        float(r["value"])
        for r in rows
        if (r["kind"], r["quantity"], r["velocity_is"])
        == ("region trace", "mean velocity", "corrected")
    ]
    assert traced == pytest.approx(100 * trace.corrected_mean_m_s, rel=1e-5)


def test_an_angle_and_folds_by_hand_are_told_in_the_table(held, monkeypatch, tmp_path):
    draw(held)
    plain = figures(held).raw.mean_m_s
    held.window.settings.change("angle_rad", math.radians(60))
    # All folds of the frame are confirmed by hand.
    held.key(Qt.Key.Key_E)
    held.key(Qt.Key.Key_E, SHIFT)
    held.until(lambda: figures(held).n_by_hand > 0)
    rows = export(held, monkeypatch, tmp_path / "flow.csv")
    raw = next(r for r in rows if (r["quantity"], r["velocity_is"]) == ("mean velocity", "raw"))
    assert float(raw["value"]) == pytest.approx(2 * 100 * plain, rel=1e-4)
    assert float(raw["angle_correction_deg"]) == pytest.approx(60)
    here = [r for r in rows if r["kind"] == "region" and r["unit"] == "cm/s"]
    assert {r["velocity_is"] for r in here} == {"raw", "by hand"}


def test_with_nothing_measured_no_file_is_asked_for(held, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: pytest.fail("asked"))
    held.key(Qt.Key.Key_E, CTRL)
    assert "Nothing is measured" in held.window.message.text.text()


def test_a_table_that_cannot_be_written_is_told(held, monkeypatch, tmp_path):
    draw(held)
    path = tmp_path / "missing" / "flow.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    held.key(Qt.Key.Key_E, CTRL)
    assert held.window.message.is_error
    assert "not written" in held.window.message.text.text()
