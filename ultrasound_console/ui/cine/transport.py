"""Buttons of the cine bar, and their signs: drawn, because few fonts have them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QToolButton

from .. import theme

ICON_PX = 16
_ICON_SCALE = 3
_TRIANGLE = (QPointF(-4, -5.5), QPointF(5, 0), QPointF(-4, 5.5))
_CHEVRON = (QPointF(-2.5, -5), QPointF(2.5, 0), QPointF(-2.5, 5))


def _drawn(draw: Callable[[QPainter], object], colour: str) -> QIcon:
    """Draw a sign around the middle of an icon."""
    pixmap = QPixmap(ICON_PX * _ICON_SCALE, ICON_PX * _ICON_SCALE)
    pixmap.setDevicePixelRatio(_ICON_SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.translate(ICON_PX / 2, ICON_PX / 2)
    draw(painter)
    painter.end()
    return QIcon(pixmap)


def end_icon(direction: int) -> QIcon:
    """All the way to the left (-1) or the right (1)."""

    def draw(painter: QPainter) -> None:
        painter.scale(direction, 1)
        painter.drawPolygon(_TRIANGLE)
        painter.drawRect(QRectF(5, -5.5, 1.8, 11))

    return _drawn(draw, theme.TEXT)


def step_icon(direction: int) -> QIcon:
    """One to the left (-1) or the right (1)."""

    def draw(painter: QPainter) -> None:
        painter.scale(direction, 1)
        painter.setPen(QPen(QColor(theme.TEXT), 2.0))
        painter.drawPolyline(_CHEVRON)

    return _drawn(draw, theme.TEXT)


def play_icon() -> QIcon:
    """Play."""
    return _drawn(lambda painter: painter.drawPolygon(_TRIANGLE), theme.ACCENT)


def pause_icon() -> QIcon:
    """Pause."""
    bars = [QRectF(-4.5, -5.5, 3, 11), QRectF(1.5, -5.5, 3, 11)]
    return _drawn(lambda painter: painter.drawRects(bars), theme.ACCENT)


class BarButton(QToolButton):
    """A button that the tab key reaches and Return presses, through the window: Space freezes.

    Parameters
    ----------
    name : str
    tip : str
        What it does, and its key.
    face : QIcon or str
        Sign or text.
    """

    def __init__(self, name: str, tip: str, face: QIcon | str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if isinstance(face, QIcon):
            self.setIcon(face)
            self.setIconSize(QSize(ICON_PX, ICON_PX))
        else:
            self.setText(face)
