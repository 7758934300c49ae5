"""The row under the pictures: which tool has the mouse, what it wants done next, and its extras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from ...render.canvas import PanelCanvas
from ...render.tools import Tool
from .. import theme
from ..flow_switch import PushButton

HEIGHT_PX = 30
LOOK = "Look"
LOOK_KEY = "V"
_LOOK_HINT = "Wheel zooms, drag moves, double click fits"


@dataclass(frozen=True)
class ToolEntry:
    """A tool that can be chosen.

    Attributes
    ----------
    name : str
        On its button.
    key : str
    tooltip, hint : str
        What it is for; what to do first.
    tool : Tool
    """

    name: str
    key: str
    tooltip: str
    hint: str
    tool: Tool


class _Hint(QLabel):
    """A line that is shown whole or not at all."""

    cut = Signal(str)

    def fit(self) -> None:
        """Tell what there is no room for."""
        self.cut.emit("" if self._fits else self.text())

    @property
    def _fits(self) -> bool:
        return self.sizeHint().width() <= self.width()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit anew."""
        super().resizeEvent(event)
        self.fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show it, if all of it can be read."""
        if self._fits:
            super().paintEvent(event)


class ToolRow(QWidget):
    """Buttons of the tools, of which one has the mouse, and a line that says what to do.

    Parameters
    ----------
    canvas : PanelCanvas
        Where the tools work.
    always : sequence of Tool
        Tools that are asked after the chosen one, whichever that is.

    Signals
    -------
    chosen : (name)
        Another tool has the mouse now.
    hint_cut : (text)
        A hint that there is no room for here, to be shown elsewhere; or empty.
    """

    chosen = Signal(str)
    hint_cut = Signal(str)

    def __init__(self, canvas: PanelCanvas, always: Sequence[Tool] = ()) -> None:
        super().__init__()
        self.setObjectName("tools")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT_PX)
        self._canvas, self._always = canvas, tuple(always)
        self._entries: dict[str, ToolEntry] = {}
        self.buttons: dict[str, PushButton] = {}
        self.current = LOOK
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(8, 2, 8, 2)
        self._row.setSpacing(2)
        self.hint = _Hint()
        self.hint.cut.connect(self._on_cut)
        self.hint.setObjectName("tool_hint")
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.hint.setStyleSheet(f"color: {theme.CAPTION}; padding-left: 8px;")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._row.addWidget(self.hint, 1)
        self.setStyleSheet(
            "QToolButton#tool { padding: 4px 6px; }"
            f"QToolButton#tool:checked {{ background: {theme.ACCENT_FILL}; }}"
        )
        self.add(ToolEntry(LOOK, LOOK_KEY, "Look around", _LOOK_HINT, Tool()))
        self.choose(LOOK)

    @property
    def entries(self) -> tuple[ToolEntry, ...]:
        """All tools, from the left."""
        return tuple(self._entries.values())

    def add(self, entry: ToolEntry) -> None:
        """Offer another tool."""
        button = PushButton(entry.name, "tool")
        button.setCheckable(True)
        button.setToolTip(f"{entry.tooltip} ({entry.key})")
        button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        button.clicked.connect(lambda: self.choose(entry.name))
        self._row.insertWidget(len(self._entries), button)
        self._entries[entry.name] = entry
        self.buttons[entry.name] = button

    def add_widget(self, widget: QWidget) -> None:
        """Put something at the right end of the row."""
        self._row.addWidget(widget)

    def choose(self, name: str) -> None:
        """Give a tool the mouse."""
        entry = self._entries[name]
        for other, button in self.buttons.items():
            button.setChecked(other == name)
        self._canvas.set_tools(entry.tool, *self._always)
        is_other, self.current = name != self.current, name
        self.say(entry.hint)
        self._canvas.setFocus()  # the keys of a tool are those of the pictures
        if is_other:
            self.chosen.emit(name)

    def remove(self) -> None:
        """Take away what is selected with the tool that has the mouse."""
        self._entries[self.current].tool.remove()

    def say(self, hint: str) -> None:
        """Say what to do next with the tool that has the mouse; empty, what to do first."""
        hint = hint or self._entries[self.current].hint
        self.hint.setText(hint)
        self.hint.setToolTip(hint)
        self.hint.fit()

    def _on_cut(self, text: str) -> None:
        self.hint_cut.emit("" if self.current == LOOK else text)
