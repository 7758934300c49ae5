"""What can be chosen on the start page: a card for a scene, a row for a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from ..assets import AssetError, scene_picture
from ..simulation import Scene
from ..sources.protocol import SIMULATED
from . import theme
from .keyboard import ARROW_KEYS, RETURN_KEYS

_COLUMNS = 5
_GAP_PX = 14
_WIDEST_CARD_PX, _NARROWEST_PX, _NARROWER_BY_PX = 360, 120, 4
_PICTURE_HIGH = 0.7  # of its width
_PAD_PX = 8
_ROW_PX = 38
_ROUND_PX = 6
_RING_PX = 2.0


class Choice(QAbstractButton):
    """Something to choose, painted here; Return chooses it, a ring shows the focus.

    Signals
    -------
    stepped : (right, down)
        The neighbour on that side is wanted.
    """

    stepped = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose."""
        if event.key() in RETURN_KEYS:
            self.click()
        elif event.key() in ARROW_KEYS:
            self.stepped.emit(*ARROW_KEYS[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def _paint_ground(self, painter: QPainter) -> QRectF:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0)
        lit = self.underMouse() or self.isDown()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.LINE if lit else theme.RAISED))
        painter.drawRoundedRect(frame, _ROUND_PX, _ROUND_PX)
        return frame

    def _paint_ring(self, painter: QPainter, frame: QRectF) -> None:
        edge = theme.ACCENT if self.hasFocus() else theme.LINE
        painter.setClipping(False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(edge), _RING_PX if self.hasFocus() else 1.0))
        painter.drawRoundedRect(frame, _ROUND_PX, _ROUND_PX)


class SceneCard(Choice):
    """A simulated scene: its picture, its name and what it shows.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.source = f"{SIMULATED}{scene.name}"
        self.title = scene.title or scene.name.replace("-", " ").capitalize()
        self.lesson = scene.lesson
        self.setObjectName("card")
        self.setAccessibleName(self.title)
        self.setAccessibleDescription(f"{scene.about}. {self.lesson}")
        self.setToolTip(f"{scene.about}.")
        try:
            self.picture = QPixmap(str(scene_picture(f"{scene.name}.jpg")))
        except AssetError:
            self.picture = QPixmap()  # a card without a picture opens its scene all the same

    def height_px(self, width_px: int) -> int:
        """Height that a width asks for."""
        lesson_px = _lines_px(self.lesson, theme.font(theme.SMALL_PX), width_px)
        title_px = _lines_px(self.title, theme.font(bold=True), width_px)
        return round(_PICTURE_HIGH * width_px) + title_px + lesson_px + 2 * _PAD_PX

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture and words."""
        del event
        painter = QPainter(self)
        frame = self._paint_ground(painter)
        outline = QPainterPath()
        outline.addRoundedRect(frame, _ROUND_PX, _ROUND_PX)
        painter.setClipPath(outline)
        high_px = round(_PICTURE_HIGH * self.width())
        painter.fillRect(0, 0, self.width(), high_px, QColor("#000000"))
        painter.drawPixmap(QRect(0, 0, self.width(), high_px), self.picture)
        words = self.rect().adjusted(_PAD_PX, high_px + _PAD_PX - 2, -_PAD_PX, -2)
        painter.setFont(theme.font(bold=True))
        painter.setPen(QColor(theme.TEXT))
        painter.drawText(words, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, self.title)
        words.setTop(words.top() + _lines_px(self.title, painter.font(), self.width()) + 1)
        painter.setFont(theme.font(theme.SMALL_PX))
        painter.setPen(QColor(theme.CAPTION))
        painter.drawText(words, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, self.lesson)
        self._paint_ring(painter, frame)


def _lines_px(text: str, font: QFont, width_px: int) -> int:
    """Height of a text on a card of that width."""
    room = QRect(0, 0, width_px - 2 * _PAD_PX, 1000)
    return QFontMetrics(font).boundingRect(room, Qt.TextFlag.TextWordWrap, text).height()


class RecentRow(Choice):
    """A recording that was opened before: its name over its folder, or over why it is not there.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.fault = ""
        self.setObjectName("recent")
        self.setFixedHeight(_ROW_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(path.name)
        self.say_fault("")

    def say_fault(self, fault: str) -> None:
        """Show why it cannot be opened now; empty where nothing speaks against it."""
        self.fault = fault
        self.setAccessibleDescription(fault or str(self.path.parent))
        self.setToolTip(f"{self.path}\n{fault}" if fault else str(self.path))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint two lines."""
        del event
        painter = QPainter(self)
        frame = self._paint_ground(painter)
        inside = self.rect().adjusted(_PAD_PX, 3, -_PAD_PX, -3)
        for text, font, colour, line in (
            (
                self.path.name,
                theme.font(bold=True),
                theme.FAINT if self.fault else theme.TEXT,
                Qt.AlignmentFlag.AlignTop,
            ),
            (
                self.fault or str(self.path.parent),
                theme.font(theme.SMALL_PX),
                theme.WARNING if self.fault else theme.CAPTION,
                Qt.AlignmentFlag.AlignBottom,
            ),
        ):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            elided = painter.fontMetrics().elidedText(
                text, Qt.TextElideMode.ElideMiddle, inside.width()
            )
            painter.drawText(inside, line | Qt.AlignmentFlag.AlignLeft, elided)
        self._paint_ring(painter, frame)


class Cards(QWidget):
    """The cards in rows, as wide as there is room."""

    def __init__(self, cards: Sequence[SceneCard]) -> None:
        super().__init__()
        self._cards = cards
        for card in cards:
            card.setParent(self)
        self.setMaximumWidth(_COLUMNS * (_WIDEST_CARD_PX + _GAP_PX) - _GAP_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the cards anew."""
        super().resizeEvent(event)
        n_rows = -(-len(self._cards) // _COLUMNS)
        wide_px = (self.width() - (_COLUMNS - 1) * _GAP_PX) // _COLUMNS
        high_px = max(card.height_px(wide_px) for card in self._cards)
        while n_rows * (high_px + _GAP_PX) - _GAP_PX > self.height() and wide_px > _NARROWEST_PX:
            wide_px -= _NARROWER_BY_PX
            high_px = max(card.height_px(wide_px) for card in self._cards)
        for at, card in enumerate(self._cards):
            row, column = divmod(at, _COLUMNS)
            left, top = column * (wide_px + _GAP_PX), row * (high_px + _GAP_PX)
            card.setGeometry(left, top, wide_px, high_px)
