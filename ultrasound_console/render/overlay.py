"""Widgets drawn over the panels: the window that shows these covers every widget below it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QRect, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import QWidget

_CHANGES = (
    QEvent.Type.Paint,
    QEvent.Type.Move,
    QEvent.Type.Resize,
    QEvent.Type.ShowToParent,
    QEvent.Type.HideToParent,
)
_PLACES = _CHANGES[1:]
_PARTS = QWidget.RenderFlag.DrawChildren


@dataclass(frozen=True)
class Patch:
    """A piece of the overlay, in physical pixels from the canvas's top left corner.

    Attributes
    ----------
    left, top : int
    rgba : (height, width, 4) uint8
        Premultiplied by alpha.
    """

    left: int
    top: int
    rgba: NDArray[np.uint8]


class Drawn(QWidget):
    """A child widget that draws itself by hand: what changes often.

    Qt takes ten times as long for a widget as its text does, and paints it below the window of the
    panels as well, where nobody sees it. This one tells the overlay alone.

    Signals
    -------
    redrawn : ()
        It looks different now.
    """

    redrawn = Signal()

    def __init__(self, parent: QWidget, name: str) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @abstractmethod
    def draw(self, painter: QPainter) -> None:
        """Draw with a painter whose origin is the left upper corner of the widget."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw where a picture of the widgets is made."""
        del event
        self.draw(QPainter(self))


class Overlay(QObject):
    """Keeps account of which child widgets of a canvas look different now.

    Those that are :class:`Drawn` tell it; others are ordinary widgets, which Qt paints when their
    text or place changes, and that is noticed here.

    Parameters
    ----------
    over : QWidget
        Parent of the widgets.
    changed : callable
        Called when one of them looks different.

    Attributes
    ----------
    is_current : bool
        Whether nothing has changed since the patches were asked for.
    """

    def __init__(self, over: QWidget, changed: Callable[[], None]) -> None:
        super().__init__(over)
        self._over, self._changed = over, changed
        self._widgets: list[QWidget] = []
        self._repainted: set[QWidget] = set()
        self._shown: dict[QWidget, QRect] = {}
        self._covered: list[QRect] = []
        self.is_current = False
        self._painting = False

    def add(self, widget: QWidget) -> None:
        """Draw a child widget over the panels, and over those added before."""
        self._widgets.append(widget)
        self.is_current = False
        widget.installEventFilter(self)
        if isinstance(widget, Drawn):
            widget.redrawn.connect(partial(self._note, widget))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note that a widget changes; the event goes on."""
        changes = _PLACES if isinstance(watched, Drawn) else _CHANGES
        if event.type() in changes and not self._painting and isinstance(watched, QWidget):
            self._note(watched if event.type() == QEvent.Type.Paint else None)
        return False

    def _note(self, repainted: QWidget | None) -> None:
        if repainted is not None:
            self._repainted.add(repainted)
        self.is_current = False
        self._changed()

    def forget(self) -> None:
        """Take everything for new."""
        self._shown, self._covered, self.is_current = {}, [], False

    def rects(self, scale: float) -> list[tuple[int, int, int, int]]:
        """Return (left, top, right, bottom) of what they cover, without overlap.

        Parameters
        ----------
        scale : float
            Physical per logical pixel.
        """
        return [_physical(rect, scale) for rect in self._covered]

    def patches(self, scale: float) -> list[Patch]:
        """Return what has changed since the last time.

        Parameters
        ----------
        scale : float
            Physical per logical pixel.
        """
        room = self._over.rect()
        shown = {
            widget: widget.geometry() & room
            for widget in self._widgets
            if widget.isVisibleTo(self._over)
        }
        changed = QRegion()
        for widget, rect in shown.items():
            if widget in self._repainted or rect != self._shown.get(widget):
                changed += rect
        for widget, rect in self._shown.items():
            if rect != shown.get(widget):
                changed += rect
        if shown != self._shown:
            covered = QRegion()
            for rect in shown.values():
                covered += rect
            self._covered = _apart(covered)
        self._shown, self.is_current = shown, True
        self._repainted.clear()
        return [self._patch(rect, scale) for rect in _apart(changed)]

    def _patch(self, rect: QRect, scale: float) -> Patch:
        left, top, right, bottom = _physical(rect, scale)
        image = QImage(right - left, bottom - top, QImage.Format.Format_RGBA8888_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        image.setDevicePixelRatio(scale)
        painter = QPainter(image)
        painter.translate(-left / scale, -top / scale)
        self._painting = True
        for widget, place in self._shown.items():
            if not place.intersects(rect):
                continue
            if isinstance(widget, Drawn):
                painter.save()
                painter.translate(widget.pos())
                painter.setClipRect(widget.rect())
                widget.draw(painter)
                painter.restore()
            else:
                widget.render(painter, widget.pos(), QRegion(), _PARTS)
        self._painting = False
        painter.end()
        rgba = np.frombuffer(image.constBits(), np.uint8)
        return Patch(left, top, rgba.reshape(image.height(), image.width(), 4).copy())


def _apart(region: QRegion) -> list[QRect]:
    """Rectangles that make up a region and do not overlap."""
    rects: list[QRect] = list(region)  # type: ignore[call-overload]  # Qt's stubs leave this out
    return rects


def _physical(rect: QRect, scale: float) -> tuple[int, int, int, int]:
    """Edges in physical pixels; rectangles that touch still do, and do not overlap."""
    right, bottom = rect.x() + rect.width(), rect.y() + rect.height()
    return (
        round(rect.x() * scale),
        round(rect.y() * scale),
        round(right * scale),
        round(bottom * scale),
    )
