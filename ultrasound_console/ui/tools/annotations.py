"""Notes in the pictures: a short text, and an arrow to what is meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QObject, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLabel, QLineEdit

from ...record.marks import MAX_LETTERS, MAX_NOTES, Note, Place
from ...render.canvas import PanelCanvas
from ...render.strokes import ACCENT, Colour, Mark
from ...render.tools import Tool, Touch
from .. import theme
from ..keyboard import ARROW_KEYS
from .tool_row import ToolEntry

NAME, KEY = "Note", "F"
CLEAR_KEYS = "Shift+F"
_HINT = "Drag from the place to its text"
TOO_MANY = f"{MAX_NOTES} notes are the most"
_INK: Colour = (0.95, 0.96, 0.98, 0.95)
_TIP_PX, _SLIP_PX = 9.0, 5.0
_BESIDE_PX = (46.0, -34.0)
_HEAD_PX, _HEAD_RAD = 9.0, math.radians(26.0)
_STEP_M = 1e-3
_PAD_PX = 5


@dataclass(frozen=True)
class _Held:
    """What the mouse has hold of: a note's text or tip; or a new note, which has no number yet."""

    number: int | None
    part: str
    last_m: Place


class _NoteTool(Tool):
    """Hands the mouse on."""

    def __init__(self, notes: Annotations) -> None:
        self._notes = notes

    def press(self, touch: Touch) -> bool:
        self._notes.press(touch)
        return True

    def drag(self, touch: Touch) -> None:
        self._notes.drag(touch)

    def release(self, touch: Touch) -> None:
        self._notes.release(touch)

    def double_click(self, touch: Touch) -> bool:
        return self._notes.write_at(touch)

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        found = self._notes.part_at(touch)
        return Qt.CursorShape.CrossCursor if found is None else Qt.CursorShape.SizeAllCursor

    def remove(self) -> None:
        self._notes.remove()


class _Entry(QLineEdit):
    """A text being written over the pictures: Return takes it, Esc does not."""

    def __init__(self, canvas: PanelCanvas, take: Callable[[str | None], object]) -> None:
        super().__init__(canvas)
        self._canvas, self._take = canvas, take
        self.setObjectName("note_entry")
        self.setMaxLength(MAX_LETTERS)
        self.setFont(theme.font())
        self.setStyleSheet(
            f"background: {theme.RAISED}; border: 2px solid {theme.ACCENT}; border-radius: 4px;"
        )
        self.editingFinished.connect(lambda: self._finish(self.text()))
        self.resize(200, 26)
        self.hide()
        canvas.lay_over(self)

    def write(self, text: str, x_px: float, y_px: float) -> None:
        """Begin with a text, near a place on the canvas."""
        room = self._canvas.rect()
        x = min(max(round(x_px) - self.width() // 2, 0), room.width() - self.width())
        y = min(max(round(y_px) - self.height() // 2, 0), room.height() - self.height())
        self.move(x, y)
        self.setText(text)
        self.selectAll()
        self.show()
        self.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave it as it was; no key goes on to the canvas."""
        if event.key() == Qt.Key.Key_Escape:
            self._finish(None)
        else:
            super().keyPressEvent(event)
        event.accept()

    def _finish(self, text: str | None) -> None:
        if self.isVisible():
            self.hide()
            self._canvas.setFocus()
            self._take(text)


class Annotations(QObject):
    """The notes of a source: in every picture, live and frozen, until they are cleared.

    Parameters
    ----------
    canvas : PanelCanvas

    Attributes
    ----------
    notes : tuple of Note
    selected : int or None
        Which of them was touched last.
    entry : ToolEntry
        Writes notes.

    Signals
    -------
    said : (text)
        What goes on.
    """

    said = Signal(str)

    def __init__(self, canvas: PanelCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.notes: tuple[Note, ...] = ()
        self.selected: int | None = None
        about = "Note: a text with an arrow"
        self.entry = ToolEntry(NAME, KEY, about, _HINT, _NoteTool(self))
        self._chosen = False
        self._held: _Held | None = None
        self._new: Note | None = None
        self._labels: list[QLabel] = []
        self._writer = _Entry(canvas, self._written)
        canvas.installEventFilter(self)
        canvas.labels_changed.connect(self._show)

    # ---- what the window tells ------------------------------------------------------------

    def set_tool(self, name: str) -> None:
        """Take it that another tool has the mouse."""
        self._chosen = name == NAME
        self._held = self._new = None
        self._select(None)

    def clear(self) -> None:
        """Remove all notes."""
        self.begin(())

    def begin(self, notes: Sequence[Note]) -> None:
        """Show these notes in the place of all others."""
        self._writer.hide()
        self.notes, self._held, self._new = tuple(notes), None, None
        self._select(None)

    def remove(self) -> None:
        """Remove the note that was touched last."""
        if self.selected is not None:
            kept = list(self.notes)
            del kept[self.selected]
            self.notes, self._held = tuple(kept), None
            self._select(None)

    # ---- the mouse ------------------------------------------------------------------------

    def part_at(self, touch: Touch) -> tuple[int, str] | None:
        """Which note is under the pointer, and what of it; the newest comes first."""
        for number in reversed(range(len(self.notes))):
            note = self.notes[number]
            if touch.distance_px(*note.tip_m) <= _TIP_PX:
                return number, "tip"
            size = self._size_px(note)
            across_px = abs(touch.x_m - note.text_m[0]) / touch.m_per_px
            down_px = abs(touch.z_m - note.text_m[1]) / touch.m_per_px
            if across_px <= 0.5 * size.width() and down_px <= 0.5 * size.height():
                return number, "text"
        return None

    def press(self, touch: Touch) -> None:
        """Take hold of a note, or begin one here."""
        at_m = touch.x_m, touch.z_m
        found = self.part_at(touch)
        if found is not None:
            self._held = _Held(*found, at_m)
            self._select(found[0])
        elif len(self.notes) >= MAX_NOTES:
            self.said.emit(TOO_MANY)
        else:
            self._held, self._new = _Held(None, "text", at_m), Note("", at_m, at_m)
            self._select(None)

    def drag(self, touch: Touch) -> None:
        """Move what is held."""
        held, at_m = self._held, (touch.x_m, touch.z_m)
        if held is None:
            return
        way_m = at_m[0] - held.last_m[0], at_m[1] - held.last_m[1]
        self._held = replace(held, last_m=at_m)
        if held.number is not None:
            self._move(held.number, held.part, way_m)
        elif self._new is not None:
            self._new = replace(self._new, text_m=at_m)
            self._show()

    def release(self, touch: Touch) -> None:
        """Let go; a new note is written now."""
        self.drag(touch)
        self._held = None
        new = self._new
        if new is not None:
            if touch.distance_px(*new.tip_m) < _SLIP_PX:
                self._new = self._beside(new.tip_m)
            self._write(self._new or new, touch.place)

    def write_at(self, touch: Touch) -> bool:
        """Write the text of the note under the pointer anew."""
        found = self.part_at(touch)
        if found is not None:
            self._select(found[0])
            self._write(self.notes[found[0]], touch.place)
        return True

    # ---- keys -----------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the keys that write and move notes."""
        del watched
        is_key = event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if not (is_key and self._chosen and isinstance(event, QKeyEvent)):
            return False
        step = ARROW_KEYS.get(Qt.Key(event.key())) if self.selected is not None else None
        writes = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if step is None and not writes:
            return False
        event.accept()
        if event.type() == QEvent.Type.ShortcutOverride:
            return True
        if step is not None and self.selected is not None:
            part = "tip" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else "text"
            self._move(self.selected, part, (step[0] * _STEP_M, step[1] * _STEP_M))
        elif self.selected is not None:
            self._write(self.notes[self.selected], 0)
        elif len(self.notes) >= MAX_NOTES:
            self.said.emit(TOO_MANY)
        else:
            self._new = self._beside(self._canvas.cursor_m or self._canvas.view.center_m)
            self._write(self._new, 0)
        return True

    # ---- how it comes about ---------------------------------------------------------------

    def _beside(self, tip_m: Place) -> Note:
        """Begin a note near what is meant."""
        m_per_px = 1.0 / self._canvas.view.pixels_per_m
        across_px, down_px = _BESIDE_PX
        return Note("", tip_m, (tip_m[0] + across_px * m_per_px, tip_m[1] + down_px * m_per_px))

    def _write(self, note: Note, place: int) -> None:
        self._show()
        self._writer.write(note.text, *self._canvas.pixel(place, *note.text_m))

    def _written(self, text: str | None) -> None:
        """Take what was written; an empty text is no note."""
        new, self._new = self._new, None
        words = None if text is None else text.strip()
        if new is not None and words:
            self.notes = (*self.notes, replace(new, text=words))
            self.selected = len(self.notes) - 1
        elif new is None and words is not None and self.selected is not None:
            if words:
                self._put(self.selected, replace(self.notes[self.selected], text=words))
            else:
                self.remove()
        self._show()

    def _move(self, number: int, part: str, way_m: Place) -> None:
        note = self.notes[number]
        x_m, z_m = note.tip_m if part == "tip" else note.text_m
        at_m = x_m + way_m[0], z_m + way_m[1]
        moved = replace(note, tip_m=at_m) if part == "tip" else replace(note, text_m=at_m)
        self._put(number, moved)

    def _put(self, number: int, note: Note) -> None:
        notes = list(self.notes)
        notes[number] = note
        self.notes = tuple(notes)
        self._show()

    def _select(self, number: int | None) -> None:
        self.selected = number
        self._show()

    # ---- what is shown --------------------------------------------------------------------

    def _size_px(self, note: Note) -> QRect:
        """Size of a text with the ground around it."""
        box = self._writer.fontMetrics().boundingRect(note.text)
        return QRect(0, 0, box.width() + 2 * _PAD_PX + 2, box.height() + 6)

    def _show(self) -> None:
        """Draw the arrows, and put a text into every picture for each note."""
        canvas = self._canvas
        drawn = [*self.notes, *([self._new] if self._new is not None else [])]
        marks: list[Mark] = []
        for number, note in enumerate(drawn):
            marks += self._arrow(note, ACCENT if number == self.selected else _INK)
        canvas.set_marks(NAME, marks)
        places = range(len(canvas.panels) if canvas.frame is not None else 0)
        wanted = [
            (number, note, place) for number, note in enumerate(self.notes) for place in places
        ]
        while len(self._labels) < len(wanted):
            self._labels.append(self._label())
        for label in self._labels[len(wanted) :]:
            label.hide()
        for label, (number, note, place) in zip(self._labels, wanted, strict=False):
            self._place(label, note, place, is_selected=number == self.selected)

    def _label(self) -> QLabel:
        label = QLabel(self._canvas)
        label.setObjectName("note")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setFont(theme.font())
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._canvas.lay_over(label)
        self._writer.raise_()
        return label

    def _place(self, label: QLabel, note: Note, place: int, *, is_selected: bool) -> None:
        rect = self._size_px(note)
        x_px, y_px = self._canvas.pixel(place, *note.text_m)
        rect.moveCenter(QRect(round(x_px), round(y_px), 1, 1).center())
        colour = theme.ACCENT if is_selected else theme.TEXT
        style = f"color: {colour}; background: rgba(0, 0, 0, 170); border-radius: 3px;"
        if (label.text(), label.styleSheet()) != (note.text, style):
            label.setText(note.text)
            label.setStyleSheet(style)
        label.setGeometry(rect)
        # What has been zoomed out of sight is not written over what is beside the picture.
        label.setVisible(self._canvas.picture_rect(place).contains(x_px, y_px))

    def _arrow(self, note: Note, colour: Colour) -> list[Mark]:
        """Draw a line from the text to what is meant, with a head there."""
        (x0, z0), (x1, z1) = note.text_m, note.tip_m
        if (x0, z0) == (x1, z1):
            return []
        back_rad = math.atan2(z0 - z1, x0 - x1)
        length_m = _HEAD_PX / self._canvas.view.pixels_per_m
        ends = [
            (x1 + length_m * math.cos(back_rad + turn), z1 + length_m * math.sin(back_rad + turn))
            for turn in (-_HEAD_RAD, _HEAD_RAD)
        ]
        return [
            Mark((note.text_m, note.tip_m), colour, 1.5),
            Mark((ends[0], note.tip_m, ends[1]), colour, 1.8),
        ]
