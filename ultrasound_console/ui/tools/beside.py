"""Room for what a tool says, beside what it has drawn and clear of what others say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from PySide6.QtCore import QPoint, QRect, QSize

from ...render.canvas import PanelCanvas
from ..labels import Caption
from .line_tool import Line

_LINE_GAP_PX = 6
_BOX_GAP_PX = 10


def place_beside(
    caption: Caption, canvas: PanelCanvas, line: Line | None, *, below: bool = False
) -> None:
    """Put a caption above the upper end of a line, or below the lower, where that was drawn."""
    if line is None or canvas.frame is None:
        caption.say("")
        return
    place = min(line.place, len(canvas.panels) - 1)
    picture = canvas.picture_rect(place)
    caption.place(caption.x(), caption.y(), picture.width)  # its size follows from its room
    upper_m, lower_m = sorted((line.start_m, line.end_m), key=lambda at_m: (at_m[1], -at_m[0]))
    x_px, y_px = canvas.pixel(place, *(lower_m if below else upper_m))
    y_px += _LINE_GAP_PX if below else -_LINE_GAP_PX - caption.height()
    wanted = QRect(QPoint(round(x_px) + 8, round(y_px)), caption.size())
    inside = QRect(picture.x, picture.y, picture.width, picture.height)
    room = _clear(wanted, inside, words_before(canvas, caption), up=not below)
    caption.place(room.x(), room.y(), picture.width)


def room_beside(size: QSize, box: QRect, inside: QRect, taken: list[QRect]) -> QRect:
    """Find room beside a box and inside a picture: at the right, left, below or above it."""
    rooms = [QRect(QPoint(), size) for _ in range(4)]
    rooms[0].moveLeft(box.right() + _BOX_GAP_PX)
    rooms[1].moveRight(box.left() - _BOX_GAP_PX)
    rooms[2].moveTop(box.bottom() + _BOX_GAP_PX)
    rooms[3].moveBottom(box.top() - _BOX_GAP_PX)
    middle = box.center()
    for room in rooms[:2]:
        room.moveTop(middle.y() - size.height() // 2)
    for room in rooms[2:]:
        room.moveLeft(middle.x() - size.width() // 2)
    for room in rooms:
        if inside.contains(room) and not any(room.intersects(other) for other in taken):
            return room
    return _clear(rooms[0], inside, taken, up=False)


def words_before(canvas: PanelCanvas, caption: Caption | None = None) -> list[QRect]:
    """Where the words are that a caption, or one yet to be made, must not cover.

    Those made later give way to those made earlier, so that no two chase each other.
    """
    found = []
    for child in canvas.children():
        if child is caption:
            break
        if isinstance(child, Caption) and child.isVisible():
            found.append(child.geometry())
    return found


def _clear(wanted: QRect, inside: QRect, taken: list[QRect], *, up: bool) -> QRect:
    """Move a rectangle into a picture and there, rather up or down, until it covers nothing."""
    first = QRect(wanted)
    first.moveLeft(max(min(wanted.left(), inside.right() + 1 - wanted.width()), inside.left()))
    lowest = inside.bottom() + 1 - wanted.height()
    first.moveTop(max(min(wanted.top(), lowest), inside.top()))
    for goes_up in (up, not up):
        room = QRect(first)
        while inside.contains(room):
            covered = [other for other in taken if room.intersects(other)]
            if not covered:
                return room
            if goes_up:
                room.moveBottom(min(other.top() for other in covered) - 1)
            else:
                room.moveTop(max(other.bottom() for other in covered) + 1)
    return min(_elsewhere(first, inside, taken), key=lambda room: _way(first, room), default=first)


def _elsewhere(first: QRect, inside: QRect, taken: list[QRect]) -> Iterator[QRect]:
    """Find clear room at either side of a picture, right above or below what is there."""
    edges = [(other.top() - first.height(), other.bottom() + 1) for other in taken]
    for left in (first.left(), inside.left(), inside.right() + 1 - first.width()):
        for top in (inside.top(), *chain.from_iterable(edges)):
            room = QRect(QPoint(left, top), first.size())
            if inside.contains(room) and not any(room.intersects(other) for other in taken):
                yield room


def _way(start: QRect, end: QRect) -> int:
    return (end.topLeft() - start.topLeft()).manhattanLength()
