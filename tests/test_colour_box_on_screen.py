"""The colour box in the whole window, with real mouse and keys; its source takes it as set."""

import dataclasses
import math

import pytest
from display import needs_display
from frames_for_tests import BMODE, SECTOR_BMODE, SHEARED
from known_flow import KnownFlow
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from ultrasound_console.colour_box import SIDES, ColourBox
from ultrasound_console.settings.acquisition import LEFTMOST_M, RIGHTMOST_M
from ultrasound_console.ui.tools import colour_box
from ultrasound_console.ui.tools.box_grips import BOTTOM, CORNERS, MOVE, RIGHT, STEER, grips_m
from ultrasound_console.ui.tools.tool_row import LOOK

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
OPEN = {"box_left_m": LEFTMOST_M, "box_right_m": RIGHTMOST_M, "box_top_m": 0, "box_bottom_m": 0}


class BoxFlow(KnownFlow):
    """Has a box where the settings want it."""

    steerable = True
    settings = None

    @property
    def due(self):
        with self._condition:
            return self._due

    def configure(self, settings):
        super().configure(settings)
        self.settings = settings
        own = dataclasses.replace(ColourBox.of(SHEARED), left_m=-math.inf, right_m=math.inf)
        if self.steerable:
            own = dataclasses.replace(own, steering_rad=settings.steering_rad)
        grid = own.as_set(settings).inside(BMODE).grid((0.15e-3, 0.17e-3), (200, 160))
        self.acquisition = dataclasses.replace(self.acquisition, colour_grid=grid)
        return self.acquisition


class Boxes:
    """The console with a box in it, and what the hand does with it."""

    def __init__(self, console, source=None):
        self.console, self.canvas = console, console.window.canvas
        console.flow.sources["box"] = source or BoxFlow("box flow")
        console.open("box")
        self.play()

    @property
    def source(self):
        return self.console.flow.sources["box"]

    @property
    def box(self):
        return ColourBox.of(self.console.frame.acquisition.colour_grid)

    @property
    def settings(self):
        return self.console.window.store.current.acquisition

    @property
    def hint(self):
        return self.console.window.tools.row.hint.text()

    def set_values(self):
        return {name: getattr(self.settings, name) for name in SIDES}

    def play(self):
        """Show a frame made with the settings in force, and tell the box that it has."""
        self.console.until(self._next_is_shown)
        return self.box

    def put(self, left_m, right_m, top_m, bottom_m):
        """Set all sides."""
        values = left_m, right_m, top_m, bottom_m
        self.console.window.settings.apply(dict(zip(SIDES, values, strict=True)))
        return self.play()

    def _next_is_shown(self):
        frame = self.console.frame
        acquisition = self.console.engine.status().acquisition
        is_new = self.source.settings == self.settings and frame is not None
        if is_new and frame.acquisition is acquisition:
            return True
        if not self.source.due:
            self.source.push()
        return False

    def at(self, place_m, place=1):
        return QPoint(*(round(value) for value in self.canvas.pixel(place, *place_m)))

    def grip_m(self, grip):
        return grips_m(self.box, steerable=True)[grip]

    def _mouse(self, act, at, *arguments):
        """Let the mouse act on the window, which hands it on to what is there."""
        window = self.console.window
        act(window.windowHandle(), *arguments, pos=self.canvas.mapTo(window, at))

    def move(self, place_m, place=1):
        at = self.at(place_m, place)
        for way in (QPoint(1, 0), QPoint(0, 0)):  # a mouse that stays where it is says nothing
            self._mouse(self.console.qtbot.mouseMove, at + way)

    def move_out(self):
        self._mouse(self.console.qtbot.mouseMove, QPoint(self.canvas.width() // 2, 3))

    def press(self, place_m, keys=NO_KEY):
        self.move(place_m)
        self._mouse(self.console.qtbot.mousePress, self.at(place_m), LEFT, keys)

    def release(self, place_m, keys=NO_KEY):
        self.move(place_m)
        self._mouse(self.console.qtbot.mouseRelease, self.at(place_m), LEFT, keys)

    def double_click(self, place_m):
        self._mouse(self.console.qtbot.mouseDClick, self.at(place_m), LEFT)

    def drag(self, start_m, by_m, keys=NO_KEY):
        end_m = start_m[0] + by_m[0], start_m[1] + by_m[1]
        middle_m = start_m[0] + 0.5 * by_m[0], start_m[1] + 0.5 * by_m[1]
        self.press(start_m, keys)
        self.move(middle_m)
        self.release(end_m, keys)

    @property
    def px_m(self):
        return 1.0 / self.canvas.view.pixels_per_m


@pytest.fixture
def boxes(console):
    return Boxes(console)


def along_side(box, share):
    """A place on the right side."""
    _, (x1, z1), (x2, z2), _ = box.corners_m
    return x1 + share * (x2 - x1), z1 + share * (z2 - z1)


@pytest.mark.parametrize(
    ("grip", "changed"),
    [
        (frozenset(("left",)), {"left_m"}),
        (frozenset(("right",)), {"right_m"}),
        (CORNERS[0], {"left_m", "top_m"}),
        (CORNERS[1], {"right_m", "top_m"}),
        (CORNERS[2], {"right_m", "bottom_m"}),
        (CORNERS[3], {"left_m", "bottom_m"}),
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_handles_resize(boxes, grip, changed):
    before = boxes.put(-0.006, 0.007, 0.011, 0.024)
    values = boxes.set_values()
    lean = math.tan(before.steering_rad)
    inwards = -0.002 if "right" in grip else 0.002, -0.003 if "bottom" in grip else 0.003
    boxes.drag(boxes.grip_m(grip), inwards)
    after = boxes.play()
    wanted = before.lines
    shift_m = inwards[0] - inwards[1] * lean
    wanted = (
        wanted[0] + shift_m * ("left" in grip),
        wanted[1] + shift_m * ("right" in grip),
    )
    tolerance_m = 2 * boxes.px_m
    assert after.lines == pytest.approx(wanted, abs=tolerance_m)
    top_m = before.top_m + inwards[1] * ("top" in grip)
    bottom_m = before.bottom_m + inwards[1] * ("bottom" in grip)
    assert (after.top_m, after.bottom_m) == pytest.approx((top_m, bottom_m), abs=tolerance_m)
    assert after.steering_rad == before.steering_rad
    given = {name for name, value in boxes.set_values().items() if value != values[name]}
    # Left and right are told at the upper edge.
    moved = {"box_left_m", "box_right_m"} if "top" in grip else set()
    assert given == {f"box_{name}" for name in changed} | moved


def test_edges_resize_without_a_handle(boxes):
    box = boxes.box
    place_m = along_side(box, 0.3)
    boxes.drag(place_m, (-0.003, 0.0))
    assert boxes.play().right_m == pytest.approx(box.right_m - 0.003, abs=2 * boxes.px_m)
    before = boxes.put(-0.006, 0.007, 0.011, 0.024)
    (x2, z2), (x3, _) = before.corners_m[2:]
    boxes.drag((0.75 * x2 + 0.25 * x3, z2), (0.0, -0.004))
    after = boxes.play()
    assert after.bottom_m == pytest.approx(before.bottom_m - 0.004, abs=2 * boxes.px_m)
    assert after.lines == pytest.approx(before.lines)


def test_the_handle_of_the_upper_edge_moves_and_stops_at_the_picture(boxes):
    boxes.drag(boxes.grip_m(CORNERS[1]), (-0.004, 0.002))
    before = boxes.play()
    boxes.drag(boxes.grip_m(MOVE), (0.002, 0.001))
    after = boxes.play()
    wanted = before.moved(0.002, 0.001)
    tolerance_m = 2 * boxes.px_m
    assert dataclasses.astuple(after) == pytest.approx(dataclasses.astuple(wanted), abs=tolerance_m)
    boxes.drag(boxes.grip_m(MOVE), (0.0, 0.02))
    low = boxes.play()
    assert low.bottom_m == pytest.approx(BMODE.range_m[1], abs=2e-4)
    assert low.bottom_m - low.top_m == pytest.approx(after.bottom_m - after.top_m, abs=3e-4)


def test_the_handle_of_the_lower_edge_steers_in_whole_degrees(boxes):
    before = boxes.put(-0.006, 0.007, 0.011, 0.024)
    values = boxes.set_values()
    tan = math.tan(math.radians(7))
    height_m = before.bottom_m - before.top_m
    boxes.drag(boxes.grip_m(STEER), (height_m * tan - before.lean_m, 0.002))
    after = boxes.play()
    assert math.degrees(after.steering_rad) == pytest.approx(7.0)
    assert (after.left_m, after.right_m) == pytest.approx((before.left_m, before.right_m), abs=1e-4)
    assert boxes.set_values() == values
    boxes.drag(boxes.grip_m(STEER), (-0.03, 0.0))
    assert math.degrees(boxes.play().steering_rad) == pytest.approx(-20.0)


def test_one_drag_is_one_undo_step(boxes):
    before = boxes.settings
    first = boxes.box
    boxes.drag(boxes.grip_m(CORNERS[2]), (-0.003, -0.003))
    boxes.play()
    changed = boxes.settings
    boxes.drag(boxes.grip_m(MOVE), (-0.001, 0.002))
    assert boxes.play() != first
    boxes.console.key(Qt.Key.Key_Z, CONTROL)
    assert boxes.settings == changed
    boxes.console.key(Qt.Key.Key_Z, CONTROL)
    assert boxes.settings == before
    assert boxes.play() == first
    boxes.console.key(Qt.Key.Key_Y, CONTROL)
    assert boxes.settings == changed
    assert boxes.console.control("box_right_m").value == changed.box_right_m


def test_what_is_dragged_follows_at_once_and_escape_leaves_it(boxes):
    before, rest = boxes.settings, boxes.canvas.marks
    start_m = boxes.grip_m(CORNERS[2])
    boxes.press(start_m)
    boxes.move((start_m[0] - 0.003, start_m[1] - 0.004))
    (outline,) = [mark for mark in boxes.canvas.marks if hasattr(mark, "points_m")]
    x_m, z_m = outline.points_m[2]
    assert (x_m, z_m) == pytest.approx((start_m[0] - 0.003, start_m[1] - 0.004), abs=1e-3)
    drawn = boxes.console.pixels()
    at = boxes.at((x_m, z_m))
    near = drawn[at.y() - 6 : at.y() + 7, at.x() - 6 : at.x() + 7]
    assert near.max() > 200
    assert boxes.settings == before  # not yet
    boxes.console.key(Qt.Key.Key_Escape)
    assert not [mark for mark in boxes.canvas.marks if hasattr(mark, "points_m")]
    boxes.move((start_m[0] - 0.005, start_m[1] - 0.004))
    boxes.release((start_m[0] - 0.006, start_m[1] - 0.004))
    assert boxes.settings == before
    assert not [mark for mark in boxes.canvas.marks if hasattr(mark, "points_m")]
    assert rest == ()


def test_a_click_on_an_edge_changes_nothing_and_a_double_click_resets(boxes):
    before = boxes.settings
    boxes.drag(boxes.grip_m(CORNERS[2]), (0.0, 0.0))
    assert boxes.settings == before
    boxes.drag(boxes.grip_m(CORNERS[2]), (-0.003, -0.003))
    boxes.play()
    boxes.drag(boxes.grip_m(STEER), (-0.002, 0.0))
    boxes.play()
    zoom = boxes.canvas.view.zoom
    boxes.double_click(along_side(boxes.box, 0.3))
    assert boxes.set_values() == OPEN
    assert boxes.settings.steering_rad != before.steering_rad
    box = boxes.play()
    boxes.double_click(grips_m(box, steerable=True)[STEER])
    assert boxes.settings == before
    assert boxes.canvas.view.zoom == zoom


def test_a_side_brought_to_the_limit_is_open_again(boxes):
    boxes.drag(boxes.grip_m(frozenset(("right",))), (-0.003, 0.0))
    boxes.play()
    assert boxes.settings.box_right_m < RIGHTMOST_M
    boxes.drag(boxes.grip_m(frozenset(("right",))), (0.03, 0.0))
    assert boxes.settings.box_right_m == RIGHTMOST_M


def test_the_tool_draws_a_box_anywhere_and_shift_moves_it(boxes):
    boxes.console.key(Qt.Key.Key_B)
    assert boxes.console.window.tools.row.current == colour_box.NAME
    boxes.drag((-0.004, 0.012), (0.009, 0.008))
    box = boxes.play()
    # The corners under the pointer are those that were drawn.
    assert box.corners_m[0] == pytest.approx((-0.004, 0.012), abs=2 * boxes.px_m)
    assert box.corners_m[2] == pytest.approx((0.005, 0.020), abs=2 * boxes.px_m)
    assert math.degrees(box.steering_rad) == pytest.approx(15.0)
    boxes.drag((0.001, 0.016), (-0.002, 0.003), SHIFT)
    moved = boxes.play()
    assert moved.left_m == pytest.approx(box.left_m - 0.002, abs=2 * boxes.px_m)
    assert moved.top_m == pytest.approx(box.top_m + 0.003, abs=2 * boxes.px_m)
    boxes.console.key(Qt.Key.Key_Delete)
    assert boxes.set_values() == OPEN
    boxes.console.key(Qt.Key.Key_Escape)
    assert boxes.console.window.tools.row.current == LOOK


def test_without_the_tool_a_drag_inside_moves_the_picture(boxes):
    before = boxes.settings
    boxes.canvas._set_view(boxes.canvas.view.zoomed(3.0, *boxes.canvas.pixel(1, 0.0, 0.018)))
    center_m = boxes.canvas.view.center_m
    boxes.drag((0.0, 0.018), (0.002, 0.0))
    assert boxes.settings == before
    assert boxes.canvas.view.center_m != center_m


def test_arrows_move_resize_and_steer_in_one_step_of_undo(boxes):
    before = boxes.settings
    boxes.console.key(Qt.Key.Key_B)
    boxes.drag((-0.004, 0.012), (0.009, 0.008))
    drawn, box = boxes.settings, boxes.play()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        boxes.console.key(key)
    moved = boxes.play()
    assert moved.left_m == pytest.approx(box.left_m + 0.002, abs=1e-4)
    assert moved.top_m == pytest.approx(box.top_m + 0.001, abs=1e-4)
    boxes.console.key(Qt.Key.Key_Left, SHIFT)
    boxes.console.key(Qt.Key.Key_Up, SHIFT)
    smaller = boxes.play()
    assert smaller.right_m - smaller.left_m == pytest.approx(
        moved.right_m - moved.left_m - 0.001, abs=1e-4
    )
    assert smaller.bottom_m == pytest.approx(moved.bottom_m - 0.001, abs=1e-4)
    boxes.console.key(Qt.Key.Key_Left, CONTROL)
    boxes.console.key(Qt.Key.Key_Left, CONTROL)
    assert math.degrees(boxes.play().steering_rad) == pytest.approx(13.0)
    boxes.console.until(lambda: not boxes.console.window.tools.box._commit.isActive())
    boxes.console.key(Qt.Key.Key_Z, CONTROL)
    while boxes.settings != drawn:
        assert boxes.settings != before
        boxes.console.key(Qt.Key.Key_Z, CONTROL)


def test_arrows_step_through_frames_where_the_box_has_not_the_mouse(boxes):
    console = boxes.console
    last = console.frame.index
    boxes.source.push()
    console.until(lambda: console.frame.index > last)
    console.freeze()
    shown = console.frame.index
    for key in (Qt.Key.Key_B, Qt.Key.Key_V):
        console.key(key)
        console.key(Qt.Key.Key_Left)
        console.until(lambda shown=shown: console.frame.index == shown - 1)
        console.key(Qt.Key.Key_Right)
        console.until(lambda shown=shown: console.frame.index == shown)


def test_a_frozen_box_refuses_and_says_why(boxes):
    before = boxes.settings
    boxes.console.freeze()
    boxes.move((0.0, 0.018))
    hint = boxes.hint
    start_m = boxes.grip_m(CORNERS[2])
    boxes.move(start_m)
    assert boxes.canvas.cursor().shape() == Qt.CursorShape.ForbiddenCursor
    assert boxes.hint == colour_box.FROZEN_HINT
    boxes.drag(start_m, (-0.003, -0.003))
    assert boxes.settings == before
    boxes.move((0.0, 0.018))
    assert boxes.hint == hint
    boxes.console.key(Qt.Key.Key_B)
    boxes.drag((-0.004, 0.012), (0.009, 0.008))
    boxes.console.key(Qt.Key.Key_Delete)
    assert boxes.settings == before
    assert boxes.hint == colour_box.FROZEN_HINT
    boxes.console.key(Qt.Key.Key_Space)
    boxes.play()
    boxes.drag((-0.004, 0.012), (0.009, 0.008))
    assert boxes.settings != before


def test_the_pointer_shows_what_can_be_done(boxes):
    shapes = []
    for grip in (CORNERS[0], CORNERS[1], frozenset((RIGHT,)), MOVE, STEER):
        boxes.move(boxes.grip_m(grip))
        shapes.append(boxes.canvas.cursor().shape())
    (x2, z2), (x3, _) = boxes.box.corners_m[2:]
    boxes.move((0.75 * x2 + 0.25 * x3, z2))
    shapes.append(boxes.canvas.cursor().shape())
    assert len(set(shapes)) == 6
    boxes.move((0.0, 0.018))
    assert boxes.canvas.cursor().shape() == Qt.CursorShape.ArrowCursor


def test_handles_are_there_for_the_pointer_or_the_tool_only(boxes):
    canvas = boxes.canvas
    assert canvas.marks == ()
    boxes.move((0.0, 0.018))
    assert len(canvas.marks) == 2 * len(grips_m(boxes.box, steerable=True))
    at = boxes.at(boxes.grip_m(CORNERS[2]))
    with_handle = boxes.console.pixels()[at.y() - 3 : at.y() + 4, at.x() - 3 : at.x() + 4]
    boxes.move_out()
    assert canvas.marks == ()
    without = boxes.console.pixels()[at.y() - 3 : at.y() + 4, at.x() - 3 : at.x() + 4]
    assert with_handle.mean() > without.mean() + 30
    boxes.console.key(Qt.Key.Key_B)
    assert canvas.marks != ()
    assert QApplication.focusWidget() is canvas


def test_the_box_of_a_recording_is_cut_but_not_steered(console):
    source = BoxFlow("box flow", prf_choices_hz=(3000.0, 1500.0))
    source.steerable = False
    boxes = Boxes(console, source)
    before = boxes.box
    boxes.drag(boxes.grip_m(frozenset((RIGHT,))), (-0.003, 0.0))
    after = boxes.play()
    assert after.right_m == pytest.approx(before.right_m - 0.003, abs=2 * boxes.px_m)
    # Where others have the handle for steering there is an edge only.
    boxes.drag(boxes.grip_m(STEER), (0.004, -0.002))
    last = boxes.play()
    assert last.steering_rad == before.steering_rad
    assert last.bottom_m == pytest.approx(before.bottom_m - 0.002, abs=2 * boxes.px_m)
    boxes.console.key(Qt.Key.Key_B)
    settings = boxes.settings
    boxes.console.key(Qt.Key.Key_Right, CONTROL)
    assert boxes.settings == settings
    assert boxes.hint == colour_box.STEERING_FIXED


def test_in_a_sector_a_box_is_drawn_between_two_lines_and_two_depths(console):
    source = KnownFlow("sector", colour_grid=SECTOR_BMODE, bmode_grid=SECTOR_BMODE)
    boxes = Boxes.__new__(Boxes)
    boxes.console, boxes.canvas = console, console.window.canvas
    console.flow.sources["sector"] = source
    console.open("sector")
    source.push()
    console.until(lambda: console.frame is not None)
    console.key(Qt.Key.Key_B)
    box = ColourBox.of(SECTOR_BMODE)
    start_m, end_m = box.at(-0.004, 0.012), box.at(0.007, 0.024)
    boxes.drag(start_m, (end_m[0] - start_m[0], end_m[1] - start_m[1]))
    drawn = [boxes.set_values()[name] for name in SIDES]
    assert drawn == pytest.approx([-0.004, 0.007, 0.012, 0.024], abs=1e-3)
    console.key(Qt.Key.Key_Left)
    assert boxes.settings.box_left_m == pytest.approx(drawn[0] - 1e-3)
    assert boxes.settings.box_bottom_m == pytest.approx(drawn[3])


def test_a_box_that_is_cut_off_is_told(boxes):
    note = "colour box of 4.0 mm from 6.0 to 30.0 mm depth: it stays where array and picture reach"
    boxes.source.acquisition = dataclasses.replace(boxes.source.acquisition, notes=(note,))
    boxes.drag(boxes.grip_m(frozenset((BOTTOM, RIGHT))), (-0.003, -0.003))
    boxes.play()
    boxes.console.until(lambda: boxes.hint == note)


def test_the_outline_of_the_box_is_where_its_samples_are(boxes):
    boxes.drag(boxes.grip_m(CORNERS[2]), (-0.004, -0.006))
    box = boxes.play()
    boxes.move_out()
    below = boxes.at((0.5 * (box.corners_m[2][0] + box.corners_m[3][0]), box.bottom_m + 8e-5))
    picture = boxes.console.pixels().astype(int)
    line = picture[below.y() - 2 : below.y() + 3, below.x() - 8 : below.x() + 8].sum(-1)
    assert line.mean(1).max() > picture[below.y() + 8, below.x() - 8 : below.x() + 8].sum(-1).mean()
