"""The first page: simulated scenes as cards, the recordings opened last, and a way to open one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..config import ConfigError
from ..recent import Recent
from ..simulation import SCENES
from ..sources.protocol import SIMULATED, US4US
from . import theme
from .choices import Cards, RecentRow, SceneCard
from .keyboard import ARROW_KEYS
from .looking import Looking

_ROOMY_PX = 28
_SIDE_PX = 300
_KEYS = (
    "Arrows and Tab move, Return opens, Delete forgets a recording, Esc goes back to the pictures. "
    "F1 shows all keys."
)
_OF_THE_WINDOW = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier


class StartPage(QWidget):
    """What can be opened, in the place of the pictures.

    Return opens what has the focus, the arrows go from one to the next, Delete forgets a recording,
    Esc leaves the page.

    Parameters
    ----------
    recent : Recent or None
        Recordings that were opened before; None remembers none.

    Signals
    -------
    chosen : (name)
        A source to open.
    file_wanted : ()
        A file is to be asked for.
    left : ()
        Back to the pictures.
    said : (text, is_error)
        Something for the user to read.
    """

    chosen = Signal(str)
    file_wanted = Signal()
    left = Signal()
    said = Signal(str, bool)

    def __init__(self, recent: Recent | None) -> None:
        super().__init__()
        self._recent = recent
        self.setObjectName("start")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.cards = tuple(SceneCard(scene) for scene in SCENES.values())
        for card in self.cards:
            card.clicked.connect(lambda _=False, card=card: self.chosen.emit(card.source))
            card.stepped.connect(partial(self._go, card))
        self.rows: tuple[RecentRow, ...] = ()
        self.open_button = QPushButton("Open a recording \N{HORIZONTAL ELLIPSIS}")
        self.open_button.setObjectName("open")
        self.open_button.setAutoDefault(True)
        self.open_button.clicked.connect(self.file_wanted)
        self._looking = Looking()
        self._looking.looked.connect(self._on_looked)
        self._list = QVBoxLayout()
        self._list.setSpacing(4)
        self._lay_out()

    def remember(self, name: str) -> None:
        """Put a source first among the recordings, if it is one."""
        if self._recent is None or name.startswith((SIMULATED, US4US)):
            return
        try:
            self._recent.add(Path(name))
        except ConfigError as error:
            self._recent = None  # said once
            self.said.emit(f"recordings are not remembered: {error}", True)

    def showEvent(self, event: QShowEvent) -> None:
        """List what there is now; the first card is ready for Return."""
        super().showEvent(event)
        self._fill()
        self.cards[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the pictures from working on what cannot be seen."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            of_the_window = event.modifiers() & _OF_THE_WINDOW
            if not of_the_window and not _is_function_key(event.key()):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to a neighbour, forget a recording, or leave."""
        key, at = Qt.Key(event.key()), self.focusWidget()
        if key == Qt.Key.Key_Escape:
            self.left.emit()
        elif key in ARROW_KEYS and at is self.open_button:
            self._go(self.open_button, *ARROW_KEYS[key])
        elif key == Qt.Key.Key_Delete and isinstance(at, RecentRow):
            self._forget(at)
        elif event.modifiers() & _OF_THE_WINDOW or _is_function_key(event.key()):
            super().keyPressEvent(event)

    def _go(self, at: QAbstractButton, right: int, down: int) -> None:
        """Focus the nearest choice on that side."""
        here = _middle(at, self)
        best: tuple[float, QAbstractButton] | None = None
        for other in (*self.cards, self.open_button, *self.rows):
            there = _middle(other, self)
            along = (there.x() - here.x()) * right + (there.y() - here.y()) * down
            across = abs((there.x() - here.x()) * down) + abs((there.y() - here.y()) * right)
            far = along + 3.0 * across
            if along > 4 and across <= 2 * along and (best is None or far < best[0]):
                best = far, other
        if best is not None:
            best[1].setFocus(Qt.FocusReason.TabFocusReason)
            if isinstance(best[1], RecentRow):
                self._area.ensureWidgetVisible(best[1], 0, 0)

    def _forget(self, row: RecentRow) -> None:
        if self._recent is None:
            return
        place = self.rows.index(row)
        try:
            self._recent.remove(row.path)
        except ConfigError as error:
            self.said.emit(f"{row.path.name} stays in the list: {error}", True)
            return
        self._fill()
        rest = self.rows[place : place + 1] or self.rows[-1:] or (self.open_button,)
        rest[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _choose(self, row: RecentRow) -> None:
        if row.fault:
            self.said.emit(
                f"{row.path.name}: {row.fault}; Open finds it elsewhere, Delete forgets it", True
            )
        else:
            self.chosen.emit(str(row.path))

    def _fill(self) -> None:
        """List the recordings, and look in the background which are there."""
        for row in self.rows:
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        files: tuple[Path, ...] = ()
        try:
            files = self._recent.files() if self._recent is not None else ()
        except ConfigError as error:
            self.said.emit(f"the recordings opened last are lost: {error}", True)
        self.rows = tuple(RecentRow(path) for path in files)
        for at, row in enumerate(self.rows):
            row.clicked.connect(lambda _=False, row=row: self._choose(row))
            row.stepped.connect(partial(self._go, row))
            self._list.insertWidget(at, row)
            row.show()
        self._none.setVisible(not self.rows)
        self._looking.look(files)

    def _on_looked(self, path: Path, fault: str) -> None:
        for row in self.rows:
            if row.path == path:
                row.say_fault(fault)

    def _lay_out(self) -> None:
        left = QWidget()
        scenes = QVBoxLayout(left)
        scenes.setContentsMargins(0, 0, 0, 0)
        scenes.setSpacing(4)
        scenes.addWidget(_heading("Simulated scenes"))
        scenes.addWidget(_quiet("A probe over moving blood: no scanner is needed."))
        scenes.addSpacing(8)
        scenes.addWidget(Cards(self.cards), 1)
        scenes.addWidget(_quiet(_KEYS))
        self._none = _quiet("Those opened last will be listed here.")
        inside = QWidget()
        inside.setObjectName("start")
        self._list.addStretch(1)
        inside.setLayout(self._list)
        self._list.setContentsMargins(0, 0, 4, 0)
        self._area = area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        files = QVBoxLayout()
        files.setSpacing(4)
        files.addWidget(_heading("Recordings"))
        files.addWidget(
            _quiet(
                "The console's own, MUST (.mat), UFF/USTB, zea, Clarius (.raw), gui4us (.pkl), "
                "or a mapping file (.toml) to your own arrays. Or drop a file here."
            )
        )
        files.addSpacing(8)
        files.addWidget(self.open_button)
        files.addSpacing(6)
        files.addWidget(self._none)
        files.addWidget(area, 1)
        side = QWidget()
        side.setFixedWidth(_SIDE_PX)
        side.setLayout(files)
        files.setContentsMargins(0, 0, 0, 0)
        both = QHBoxLayout()
        both.setSpacing(_ROOMY_PX)
        both.addStretch(1)
        both.addWidget(left, 1000)
        both.addWidget(side)
        both.addStretch(1)
        around = QVBoxLayout(self)
        around.setContentsMargins(_ROOMY_PX, 16, _ROOMY_PX, 10)
        around.addLayout(both)

    def sizeHint(self) -> QSize:
        """As large as there is room."""
        return QSize(960, 520)


def _is_function_key(key: int) -> bool:
    return Qt.Key.Key_F1 <= key <= Qt.Key.Key_F35


def _middle(widget: QWidget, within: QWidget) -> QPointF:
    return QPointF(widget.mapTo(within, widget.rect().center()))


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setFont(theme.font(theme.CHIP_PX, bold=True))
    return label


def _quiet(text: str) -> QLabel:
    label = QLabel(text)
    label.setStyleSheet(f"color: {theme.CAPTION};")
    label.setWordWrap(True)
    return label
