"""Tools on the canvas: who gets the mouse, what is drawn, and what an error in a paint does."""

import sys

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_frame
from mouse import wheel
from panels import pixels, show, shown_canvas
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from ultrasound_console.render.painter import Painter
from ultrasound_console.render.strokes import Dot, Mark, mark_strokes
from ultrasound_console.render.tools import Tool

pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
RED = (1.0, 0.0, 0.0, 1.0)


class Taking(Tool):
    """Takes everything on one side of the body, and writes it down."""

    def __init__(self, *, takes=True):
        self.takes = takes
        self.told = []

    def _note(self, what, touch):
        self.told.append((what, touch))
        return self.takes

    def press(self, touch):
        return self._note("press", touch)

    def drag(self, touch):
        self._note("drag", touch)

    def release(self, touch):
        self._note("release", touch)

    def double_click(self, touch):
        return self._note("double", touch)

    def wheel(self, steps, touch):
        return self._note(f"wheel {steps:g}", touch)

    def hover(self, touch):
        self._note("hover", touch)
        return Qt.CursorShape.PointingHandCursor if self.takes else None

    def leave(self):
        self.told.append(("leave", None))

    def names(self):
        return [what for what, _ in self.told]


@pytest.fixture
def canvas(qtbot):
    made = shown_canvas(qtbot)
    show(made, make_frame())
    return made


def at(canvas, place, x_m, z_m):
    return QPointF(*canvas.pixel(place, x_m, z_m)).toPoint()


def test_what_a_tool_takes_does_not_move_the_view(canvas):
    tool, behind = Taking(), Taking()
    canvas.set_tools(tool, behind)
    view = canvas.view
    start, end = at(canvas, 1, 0.0, 0.018), at(canvas, 1, 0.002, 0.02)
    QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.ShiftModifier, start)
    QTest.mouseMove(canvas, end)
    QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, end)
    wheel(canvas, start, 2)
    QTest.mouseDClick(canvas, LEFT, Qt.KeyboardModifier.NoModifier, start)
    assert canvas.view == view
    named = [name for name in tool.names() if name != "hover"]
    assert named[0] == "press"
    assert "drag" in named
    assert named.index("release") < named.index("wheel 2") < named.index("double")
    assert not [name for name in behind.names() if name != "leave"]
    _, press = next(told for told in tool.told if told[0] == "press")
    assert (press.place, press.shift, press.control) == (1, True, False)
    assert (press.x_m, press.z_m) == pytest.approx((0.0, 0.018), abs=press.m_per_px)


def test_what_no_tool_takes_moves_and_zooms(canvas):
    tool = Taking(takes=False)
    canvas.set_tools(tool)
    point = at(canvas, 0, 0.0, 0.018)
    wheel(canvas, point, 4)
    zoomed = canvas.view
    assert zoomed.zoom > 1.0
    QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.NoModifier, point)
    QTest.mouseMove(canvas, point + QPoint(20, 0))
    QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, point + QPoint(20, 0))
    assert canvas.view.center_m != zoomed.center_m
    QTest.mouseDClick(canvas, LEFT, Qt.KeyboardModifier.NoModifier, point)
    assert canvas.view.zoom == 1.0


def test_a_drag_stays_with_its_panel_beyond_the_edge(canvas):
    tool = Taking()
    canvas.set_tools(tool)
    start = at(canvas, 0, 0.0, 0.018)
    beyond = at(canvas, 1, 0.0, 0.018)
    QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(canvas, beyond)
    QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, beyond)
    what, touch = tool.told[-1]
    assert what == "release"
    assert touch.place == 0
    assert touch.x_m > canvas.view.window_m[1]


def test_a_tool_that_is_put_away_gets_nothing_more_of_its_drag(canvas):
    tool = Taking()
    canvas.set_tools(tool)
    start = at(canvas, 0, 0.0, 0.018)
    QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.NoModifier, start)
    canvas.set_tools()
    n_told = len(tool.told)
    QTest.mouseMove(canvas, start + QPoint(5, 5))
    QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, start + QPoint(5, 5))
    assert len(tool.told) == n_told


def test_the_pointer_shows_where_something_can_be_taken(canvas, qtbot):
    canvas.set_tools(Taking())
    QTest.mouseMove(canvas, at(canvas, 0, 0.001, 0.018))
    qtbot.waitUntil(lambda: canvas.cursor().shape() is Qt.CursorShape.PointingHandCursor)
    canvas.set_tools()
    assert canvas.cursor().shape() is not Qt.CursorShape.PointingHandCursor


def test_marks_are_drawn_in_every_picture_and_taken_away(canvas):
    where = [at(canvas, place, 0.0, 0.018) for place in range(3)]
    before = pixels(canvas)
    canvas.set_marks("one", [Mark(((-0.004, 0.018), (0.004, 0.018)), RED, 3.0)])
    canvas.set_marks("two", [Dot(0.0, 0.018, RED, 9.0), Mark(())])
    drawn = pixels(canvas)
    for point in where:
        assert drawn[point.y(), point.x()].tolist() == [255, 0, 0]
    canvas.set_marks("one", ())
    canvas.set_marks("two", ())
    assert np.array_equal(pixels(canvas), before)


def test_a_dot_has_its_size_whatever_the_zoom(canvas):
    for view in (canvas.view, canvas.view.zoomed(3.0, 100.0, 100.0)):
        (stroke,) = mark_strokes(view, [Dot(0.0, 0.018, RED, 8.0)])
        (left, y), (right, same_y) = stroke.points
        assert right - left == pytest.approx(8.0)
        assert y == same_y
        assert stroke.width_px == 8.0


def test_an_error_in_a_paint_is_told_and_the_next_paint_is_done(canvas, qtbot, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(str(error)))
    with monkeypatch.context() as broken:

        def paint(*_):
            raise ValueError("no paint")

        broken.setattr(Painter, "paint", paint)
        canvas.set_frame(make_frame(index=7))
        qtbot.waitUntil(lambda: bool(told))
    assert set(told) == {"no paint"}
    with qtbot.waitSignal(canvas.painted, timeout=3000):
        canvas.set_frame(make_frame(index=8))
