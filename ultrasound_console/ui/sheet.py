"""All keys and what the mouse does, on one sheet; made from the table that the menu is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from . import theme
from .actions import Group

Rows = tuple[tuple[str, str], ...]

BY_HAND: tuple[tuple[str, Rows], ...] = (
    (
        "Mouse on a picture",
        (
            ("Wheel", "Zoom about the pointer"),
            ("Drag", "Move the pictures"),
            ("Double click", "Fit all panels"),
            ("Hold C, or its button", "Raw in the place of de-aliased"),
            ("Drop a file", "Open it; a preset is put in force"),
        ),
    ),
    (
        "With the colour box (B)",
        (
            ("Drag", "Draw it; with Shift inside, move it"),
            ("Edges, handles", "Resize, move, steer; with any tool"),
            ("Arrows", "Move; with Shift resize, with Ctrl steer"),
            ("Del, double click", "Let the source choose it"),
        ),
    ),
    (
        "With a line (D, L, G, Shift+M) or gate (W)",
        (
            ("Drag", "Draw; later move it or its ends"),
            ("Click", "M-mode: the scan line there; the gate"),
            ("Wheel on a gate", "Longer, shorter"),
        ),
    ),
    (
        "With the note (F)",
        (
            ("Drag", "Point, and say where the text goes"),
            ("Return, double click", "Write; rewrite the one selected"),
            ("Arrows", "Move the text; with Shift the arrow"),
        ),
    ),
    (
        "A control in focus",
        (
            ("Tab, Shift+Tab", "Next, previous control"),
            ("Up, Down, wheel", "One step"),
            ("Page Up, Page Down", "Ten steps"),
            ("Return", "Type a number; switch over; press"),
            ("Backspace", "Reset; so does a double click"),
            ("Right button", "Both as a menu"),
            ("Esc", "Put the tool away; leave the full screen"),
        ),
    ),
)
"""What is asked for by hand on what is seen, which is no command of the menu."""

_COLUMNS = 3
_KEYS_PX, _COLUMN_PX = 118, 306


class ShortcutSheet(QFrame):
    """All keys at a glance; any key or click closes it.

    Parameters
    ----------
    over : QWidget
        In whose middle it is shown.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._back: QWidget | None = None
        self.groups: tuple[tuple[str, Rows], ...] = ()
        # The panels are a window of their own: only another one shows over them.
        QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_DontCreateNativeWidgetSiblings)
        self.setAttribute(Qt.WidgetAttribute.WA_DontCreateNativeAncestors)
        self.setAttribute(Qt.WidgetAttribute.WA_NativeWindow)
        self.setObjectName("shortcuts")
        self.setStyleSheet(
            f"#shortcuts {{ background: {theme.STRIP}; border: 1px solid {theme.ACCENT};"
            " border-radius: 6px; }"
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._columns = QHBoxLayout(self)
        self._columns.setContentsMargins(18, 6, 18, 6)
        self._columns.setSpacing(18)
        self.hide()

    def fill(self, groups: Iterable[Group]) -> None:
        """List every command that has a key, and what is done by hand."""
        listed = []
        for group in groups:
            rows = tuple(
                (_in_words((command.keys, *command.more_keys)), command.text)
                for command in group.commands
                if command.keys
            )
            listed.append((group.title, rows))
        self.groups = (*listed, *BY_HAND)
        for part in _in_columns(self.groups):
            column = QVBoxLayout()
            column.setSpacing(0)
            column.addWidget(_table(part))
            column.addStretch(1)
            self._columns.addLayout(column)

    def toggle(self) -> None:
        """Show in the middle of the window, or hide."""
        if self.isVisible():
            self._leave()
            return
        self._back = self.window().focusWidget()
        self.adjustSize()
        self.move(self._over.rect().center() - self.rect().center())
        self.show()
        self.raise_()
        self.setFocus()

    def event(self, event: QEvent) -> bool:
        """Take every key: it closes the sheet and does nothing else."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close."""
        del event
        self._leave()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        del event
        self._leave()

    def _leave(self) -> None:
        """Hide, and let whoever had the focus have it again."""
        self.hide()
        back, self._back = self._back, None
        if back is not None:
            back.setFocus()


def _in_words(keys: Sequence[str]) -> str:
    form = QKeySequence.SequenceFormat.NativeText
    return ", ".join(QKeySequence(each).toString(form) for each in keys)


def _in_columns(groups: Sequence[tuple[str, Rows]]) -> list[list[tuple[str, Rows]]]:
    """Part the groups in their order, so that the longest column is as short as can be."""
    heights = [len(rows) + 2 for _, rows in groups]
    room = max(*heights, -(-sum(heights) // _COLUMNS))
    while True:
        columns: list[list[tuple[str, Rows]]] = [[]]
        left = room
        for group, height in zip(groups, heights, strict=True):
            if height > left:
                columns.append([])
                left = room
            columns[-1].append(group)
            left -= height
        if len(columns) <= _COLUMNS:
            return columns
        room += 1


def _table(groups: Sequence[tuple[str, Rows]]) -> QLabel:
    """Make a column of the sheet."""
    lines = []
    for title, rows in groups:
        lines.append(
            f"<tr><td colspan='2' style='padding-top: 4px'><b>{escape(title)}</b></td></tr>"
        )
        for keys, text in rows:
            cell = f"<td width='{_KEYS_PX}' style='color: {theme.ACCENT}'>{escape(keys)}</td>"
            lines.append(f"<tr>{cell}<td>{escape(text)}</td></tr>")
    label = QLabel(f"<table cellspacing='0' width='{_COLUMN_PX}'>{''.join(lines)}</table>")
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setFont(theme.font(theme.SMALL_PX))
    label.setWordWrap(True)
    label.setFixedWidth(_COLUMN_PX)
    return label
