"""Notes in the pictures, with real mouse and keys."""

import pytest
from display import needs_display
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit

from ultrasound_console.ui.tools import annotations
from ultrasound_console.ui.tools.tool_row import LOOK

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier


class Writer:
    """The console, and who writes into its pictures."""

    def __init__(self, console):
        self.console, self.window, self.canvas = console, console.window, console.window.canvas
        console.key(Qt.Key.Key_F)

    @property
    def notes(self):
        return self.window.tools.annotations.notes

    @property
    def entry(self):
        return self.canvas.findChild(QLineEdit, "note_entry")

    @property
    def texts(self):
        """Texts that can be seen, with the places of their middles on the canvas."""
        labels = self.canvas.findChildren(QLabel, "note")
        return [(label.text(), label.geometry().center()) for label in labels if label.isVisible()]

    def at(self, place_m, place=0):
        return QPoint(*(round(value) for value in self.canvas.pixel(place, *place_m)))

    def mouse(self, act, place_m, *arguments):
        at = self.canvas.mapTo(self.window, self.at(place_m))
        act(self.window.windowHandle(), *arguments, pos=at)

    def drag(self, start_m, end_m):
        qtbot = self.console.qtbot
        self.mouse(qtbot.mouseMove, start_m)
        self.mouse(qtbot.mousePress, start_m, LEFT)
        self.mouse(
            qtbot.mouseMove, tuple(0.5 * (a + b) for a, b in zip(start_m, end_m, strict=True))
        )
        self.mouse(qtbot.mouseMove, end_m)
        self.mouse(qtbot.mouseRelease, end_m, LEFT)

    def type(self, text, last=Qt.Key.Key_Return):
        assert QApplication.focusWidget() is self.entry
        self.console.qtbot.keyClicks(self.entry, text)
        self.console.qtbot.keyClick(self.entry, last)

    def write(self, text, start_m=(0.0, 0.015), end_m=(0.006, 0.010)):
        self.drag(start_m, end_m)
        self.type(text)


@pytest.fixture
def writer(live):
    return Writer(live)


def near(place_m):
    return pytest.approx(place_m, abs=3e-4)


def test_a_note_is_dragged_written_and_seen_in_every_picture(writer):
    before = writer.console.pixels()
    writer.write("plaque")
    (note,) = writer.notes
    assert note.text == "plaque"
    assert note.tip_m == near((0.0, 0.015))
    assert note.text_m == near((0.006, 0.010))
    assert [text for text, _ in writer.texts] == ["plaque"] * 3
    for place, (_, middle) in enumerate(writer.texts):
        at = writer.at(note.text_m, place)
        assert abs(middle.x() - at.x()) <= 2
        assert abs(middle.y() - at.y()) <= 2
    # The arrow is drawn in each picture, at its tip.
    changed = (writer.console.pixels() != before).any(-1)
    for place in range(3):
        tip = writer.at(note.tip_m, place)
        assert changed[tip.y() - 4 : tip.y() + 5, tip.x() - 4 : tip.x() + 5].sum() > 8
    assert QApplication.focusWidget() is writer.canvas


def test_letters_go_into_the_text_and_start_nothing(writer):
    view = writer.window.store.current.display
    writer.write("A x, 1 m c")
    assert writer.notes[0].text == "A x, 1 m c"
    assert writer.window.store.current.display == view
    assert "FROZEN" not in writer.console.chip


def test_escape_leaves_no_note_and_an_empty_text_neither(writer):
    writer.drag((0.0, 0.015), (0.006, 0.010))
    writer.type("half", Qt.Key.Key_Escape)
    writer.drag((0.0, 0.015), (0.006, 0.010))
    writer.type("   ")
    assert writer.notes == ()
    assert writer.texts == []
    assert writer.window.tools.row.current == annotations.NAME


def test_text_and_tip_are_moved_each_by_itself(writer):
    writer.write("jet")
    writer.drag((0.006, 0.010), (-0.005, 0.012))
    (note,) = writer.notes
    assert note.text_m == near((-0.005, 0.012))
    assert note.tip_m == near((0.0, 0.015))
    writer.drag((0.0, 0.015), (0.003, 0.020))
    assert writer.notes[0].tip_m == near((0.003, 0.020))
    assert writer.notes[0].text_m == note.text_m


def test_delete_removes_the_one_that_was_touched(writer):
    writer.write("one")
    writer.write("two", (0.002, 0.022), (-0.006, 0.026))
    writer.drag((0.006, 0.010), (0.006, 0.010))
    writer.console.key(Qt.Key.Key_Delete)
    assert [note.text for note in writer.notes] == ["two"]
    assert {text for text, _ in writer.texts} == {"two"}
    writer.console.key(Qt.Key.Key_Delete)  # nothing is selected
    assert len(writer.notes) == 1
    writer.console.key(Qt.Key.Key_F, SHIFT)
    assert writer.notes == ()
    assert writer.texts == []


def test_a_double_click_writes_it_anew(writer):
    writer.write("vien")
    writer.mouse(writer.console.qtbot.mouseDClick, (0.006, 0.010), LEFT)
    writer.type("vein")
    assert [note.text for note in writer.notes] == ["vein"]
    writer.mouse(writer.console.qtbot.mouseDClick, (0.006, 0.010), LEFT)
    writer.type("nonsense", Qt.Key.Key_Escape)
    assert [note.text for note in writer.notes] == ["vein"]


def test_the_keyboard_alone_does(writer):
    console = writer.console
    console.key(Qt.Key.Key_Return)
    writer.type("wall")
    (note,) = writer.notes
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up):
        console.key(key)
    console.key(Qt.Key.Key_Left, SHIFT)
    (moved,) = writer.notes
    assert moved.text_m == pytest.approx((note.text_m[0] + 0.002, note.text_m[1] - 0.001))
    assert moved.tip_m == pytest.approx((note.tip_m[0] - 0.001, note.tip_m[1]))
    console.key(Qt.Key.Key_Return)
    writer.type("wall of it")
    assert writer.notes[0].text == "wall of it"
    console.key(Qt.Key.Key_Delete)
    assert writer.notes == ()
    console.key(Qt.Key.Key_Escape)
    assert writer.window.tools.row.current == LOOK


def test_notes_stay_through_freezing_zooming_and_other_views_until_another_source(writer):
    console, canvas = writer.console, writer.canvas
    writer.write("stays")
    console.freeze()
    assert len(writer.texts) == 3
    console.key(Qt.Key.Key_2)
    assert len(writer.texts) == 2
    console.key(Qt.Key.Key_3)
    place_m = writer.notes[0].text_m
    canvas._set_view(canvas.view.zoomed(4.0, *canvas.pixel(0, *place_m)))
    for place, (_, middle) in enumerate(writer.texts):
        assert abs(middle.x() - writer.at(place_m, place).x()) <= 2
    # Out of sight it is not written over something else.
    canvas._set_view(canvas.view.panned(0.0, -2000.0))
    assert writer.texts == []
    console.key(Qt.Key.Key_Space)
    assert len(writer.notes) == 1
    console.flow.sources["other"] = type(console.source)("other flow")
    console.open("other")
    console.until(lambda: writer.notes == ())


def test_there_is_an_end_to_them(writer):
    for number in range(annotations.MAX_NOTES):
        writer.console.key(Qt.Key.Key_Return)
        writer.type(f"n{number}")
        writer.window.tools.annotations._select(None)
    writer.console.key(Qt.Key.Key_Return)
    assert len(writer.notes) == annotations.MAX_NOTES
    assert writer.window.tools.row.hint.text() == annotations.TOO_MANY


def test_a_picture_of_the_window_has_them(writer):
    without = writer.window.grab().toImage()
    writer.write("kept")
    writer.window.tools.annotations._select(None)
    with_notes = writer.window.grab().toImage()
    for place in range(3):
        middle = writer.canvas.mapTo(writer.window, writer.at(writer.notes[0].text_m, place))
        area = middle.x() - 12, middle.y() - 7, 24, 14
        assert with_notes.copy(*area) != without.copy(*area)
