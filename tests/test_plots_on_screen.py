"""Plots under the pictures: when they are there, how much room they take, and what they show."""

import subprocess
import sys

import numpy as np
import pytest
from display import needs_display
from panels import rgb
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor

from ultrasound_console.render.view import View
from ultrasound_console.ui.plot import Curve, Drawing, Level, Plot, Raster
from ultrasound_console.ui.plots import LEAST_PX, MOST_PX, left_px

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
TIME_S = np.linspace(0.0, 2.0, 81)


def test_pyqtgraph_is_not_needed_to_open_the_window():
    code = (
        "import sys, ultrasound_console.ui.window; "
        "sys.exit(any(name.startswith('pyqtgraph') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- room ----------------------------------------------------------------------------------


def test_the_key_and_the_button_open_plots_in_the_room_of_the_pictures(live):
    window = live.window
    before_px = window.canvas.height()
    assert window.tools.plots.isHidden()
    live.key(Qt.Key.Key_T)
    live.until(lambda: window.canvas.height() < before_px)
    assert window.tools.plots.height() == LEAST_PX
    live.until(lambda: window.canvas.height() == before_px - LEAST_PX)
    assert window.tools.plots.nothing.isVisible()
    assert window.tools.plots.button.isChecked()
    assert window.tools.plots.y() >= window.tools.row.y() + window.tools.row.height()
    live.qtbot.mouseClick(window.tools.plots.button, LEFT)
    live.until(lambda: window.canvas.height() == before_px)
    assert window.tools.plots.isHidden()
    assert not window.tools.plots.button.isChecked()
    # It is a setting: kept with the others, and taken back like them.
    assert window.store.current.display.plots == "closed"
    live.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    live.until(window.tools.plots.isVisible)


def test_by_themselves_plots_come_only_where_they_cost_the_pictures_no_room(live):
    window = live.window
    live.key(Qt.Key.Key_Insert)
    assert window.tools.regions.tool.regions
    assert window.tools.plots.isHidden()
    window.resize(1500, 1150)
    live.until(window.tools.plots.isVisible)
    width = window.canvas.picture_rect(0).width
    x_min, x_max, z_min, z_max = window.canvas.view.extent_m
    fitted = width * (z_max - z_min) / (x_max - x_min)
    assert window.canvas.picture_rect(0).height > 0.9 * fitted
    assert LEAST_PX <= window.tools.plots.height() <= MOST_PX
    # With nothing to show they go.
    live.key(Qt.Key.Key_Delete)
    live.until(window.tools.plots.isHidden)


def test_pictures_leave_what_their_width_does_not_need():
    # Two by one: three pictures of 1000 px less bars and rulers are some 250 px wide.
    view = View(1000, 700, (-0.01, 0.01, 0.0, 0.04))
    picture = view.picture_rect(0)
    needed = 28 + 2 * picture.width
    assert left_px(view, 700) == pytest.approx(700 - needed, abs=2)
    assert left_px(view, 500) == left_px(view, 700) - 200
    assert left_px(view.zoomed(4.0, 100, 100), 700) == left_px(view, 700)
    assert left_px(view.parted(1), 700) < 0


# ---- what is drawn -------------------------------------------------------------------------


@pytest.fixture
def plot(qtbot):
    made = Plot("Test", "s", "cm/s")
    qtbot.addWidget(made)
    made.resize(500, 200)
    with qtbot.waitExposed(made):
        made.show()
    qtbot.waitUntil(lambda: made._axes is not None)
    return made


def shown(plot, drawing):
    """The pixels of the plot, a moment after it was given something."""
    plot.show_drawing(drawing)
    plot._draw()
    return rgb(plot.grab().toImage())


def is_near(image, at, colour, reach=2):
    wanted = QColor(colour)
    x, y = (round(value) for value in at)
    near = image[y - reach : y + reach + 1, x - reach : x + reach + 1]
    away = np.abs(near - [wanted.red(), wanted.green(), wanted.blue()]).max(axis=-1)
    return bool((away < 60).any())


def test_curves_gaps_levels_and_the_mark_are_where_their_values_are(plot):
    y = 30 * np.sin(4 * TIME_S)
    y[30:40] = np.nan
    plot.mark(1.5)
    image = shown(
        plot,
        Drawing((Curve("flow", TIME_S, y, "#3dccb3", 1.8),), (Level(-20.0, "#f5e663", "limit"),)),
    )
    for place in (10, 25, 55, 70):
        assert is_near(image, plot.pixel(TIME_S[place], y[place]), "#3dccb3")
    gap = plot.pixel(TIME_S[35], 30 * np.sin(4 * TIME_S[35]))
    assert not is_near(image, gap, "#3dccb3", reach=1)
    assert is_near(image, plot.pixel(0.2, -20.0), "#f5e663")
    assert is_near(image, plot.pixel(1.5, 25.0), "#3dccb3")
    assert "flow" in plot.legend.text()
    assert "limit" in plot.legend.text()
    # Fewer curves than before.
    image = shown(plot, Drawing(levels=(Level(5.0),), x_limits=(0.0, 2.0), y_limits=(-40, 40)))
    assert not is_near(image, plot.pixel(TIME_S[10], y[10]), "#3dccb3")
    assert "flow" not in plot.legend.text()


def test_the_legend_has_no_name_by_half(plot):
    names = "raw max", "raw mean", "de-aliased max", "de-aliased mean"
    drawing = Drawing([Curve(name, TIME_S, TIME_S, "#3dccb3") for name in names])
    n_told = []
    for width_px in (700, 300, 200, 60):
        plot.resize(width_px, 200)
        shown(plot, drawing)
        assert plot.legend.sizeHint().width() <= plot.legend.width()
        assert all(name in plot.legend.toolTip() for name in names)
        n_told.append(sum(name in plot.legend.text() for name in names))
    assert n_told[0] == len(names) > n_told[1] > n_told[-1] == 0
    plot.set_title("A title that is longer than its plot is wide")
    shown(plot, drawing)
    assert plot.legend.sizeHint().width() <= plot.legend.width()
    assert "\N{HORIZONTAL ELLIPSIS}" in plot.legend.text()


def test_a_raster_lies_behind_with_its_first_row_low(plot):
    rgb_rows = np.zeros((4, 2, 3), np.uint8)
    rgb_rows[0] = (200, 0, 0)
    rgb_rows[3] = (0, 0, 200)
    image = shown(plot, Drawing(raster=Raster(rgb_rows, (0.0, 2.0), (0.0, 40.0))))
    low, high = plot.pixel(1.1, 3.0), plot.pixel(1.1, 37.0)
    assert is_near(image, low, "#c80000")
    assert is_near(image, high, "#0000c8")


def test_a_press_tells_where_in_the_units_of_the_axes(plot, qtbot):
    shown(plot, Drawing((Curve("", TIME_S, 10 * TIME_S, "#ffffff"),)))
    pressed = []
    plot.pressed.connect(lambda x, y: pressed.append((x, y)))
    x_px, y_px = plot.pixel(0.5, 12.0)
    viewport = plot._axes.viewport()
    pos = viewport.mapFrom(plot, QPoint(round(x_px), round(y_px)))
    qtbot.mouseClick(viewport, LEFT, pos=pos)
    ((x, y),) = pressed
    assert (x, y) == pytest.approx((0.5, 12.0), abs=0.2)
    qtbot.mouseClick(viewport, Qt.MouseButton.RightButton, pos=pos)
    assert len(pressed) == 1


def test_it_is_drawn_at_most_once_in_a_while_and_not_unseen(plot, qtbot, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot._box, "setRange", lambda **_: drawn.append(plot.drawing))
    qtbot.waitUntil(lambda: not plot._redraw.isActive())
    drawn.clear()
    for k in range(50):
        last = Drawing((Curve("", TIME_S, k + TIME_S, "#ffffff"),))
        plot.show_drawing(last)
    qtbot.waitUntil(lambda: bool(drawn))
    qtbot.waitUntil(lambda: not plot._redraw.isActive())
    assert drawn == [last]
    plot.hide()
    plot.show_drawing(Drawing())
    assert not plot._redraw.isActive()
    plot.show()
    qtbot.waitUntil(lambda: len(drawn) == 2)
    assert drawn[1] is plot.drawing
