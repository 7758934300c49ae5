"""Three buttons for slow, ordinary and fast flow; the one in force is lit."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from ..flow_states import FLOW_STATES, FlowState
from ..settings import SPECS, Settings
from . import theme
from .controls import HEIGHT_PX
from .steps import value_text

KEYS = ("F5", "F6", "F7")
_PAD_PX = 3


class PushButton(QToolButton):
    """A button that Return presses, through the window: Space freezes."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__()
        self.setText(text)
        self.setObjectName(name)
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)


class FlowSwitch(QWidget):
    """The flow states.

    Signals
    -------
    chosen : (changes)
        Settings to put in force, by name.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        first = FLOW_STATES[0].name
        self.buttons = {
            name: PushButton(f"{name} flow" if name == first else name, "flow")
            for name in (state.name for state in FLOW_STATES)
        }
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for state, button in zip(FLOW_STATES, self.buttons.values(), strict=True):
            button.setCheckable(True)
            button.setAccessibleName(f"{state.name} flow")
            button.clicked.connect(lambda _=False, state=state: self.choose(state))
            # As narrow as the words allow: the strip has no room to spare.
            text_px = QFontMetrics(theme.font()).horizontalAdvance(button.text())
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(text_px + 2 * _PAD_PX)
            row.addWidget(button, text_px + 2 * _PAD_PX)
        self.setStyleSheet(
            "QToolButton#flow { padding: 2px 0; }"
            f"QToolButton#flow:checked {{ background: {theme.ACCENT_FILL}; }}"
            f"QToolButton#flow:checked:disabled {{ background: {theme.LINE}; }}"
        )
        self.lock("")

    def choose(self, state: FlowState) -> None:
        """Ask for a state, unless it may not be changed now."""
        if self.isEnabled():
            self.chosen.emit(dict(state.changes))

    def show_settings(self, settings: Settings) -> None:
        """Light the state in force; none when something was changed by hand."""
        for state in FLOW_STATES:
            self.buttons[state.name].setChecked(state.is_in_force(settings))

    def lock(self, reason: str) -> None:
        """Disable with a reason that the tooltips give; an empty one enables."""
        self.setEnabled(not reason)
        for state, key in zip(FLOW_STATES, KEYS, strict=True):
            cells = ((SPECS[name].label, value_text(name, v)) for name, v in state.changes.items())
            rows = "".join(f"<tr><td>{a}&nbsp;&nbsp;</td><td>{b}</td></tr>" for a, b in cells)
            about = f"<b>{state.name} flow</b> ({key})<br>{state.description}<table>{rows}</table>"
            self.buttons[state.name].setToolTip(f"{about}<i>{reason}</i>" if reason else about)
