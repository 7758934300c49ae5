"""Going through the window by keys alone: from top to bottom, as it is laid out at that moment."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QScrollArea, QToolButton, QWidget

RETURN_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
ARROW_KEYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
"""Where each goes: to the right, and down."""
_STOPS = Qt.FocusPolicy.TabFocus.value


def step_focus(window: QWidget, *, forward: bool) -> bool:
    """Give the focus to what is read next, or before; after the last comes the first.

    Parameters
    ----------
    window : QWidget
    forward : bool

    Returns
    -------
    bool
        Whether there was anywhere to go.
    """
    now = window.focusWidget()
    order = [widget for widget in reading_order(window) if widget is now or _is_stop(widget)]
    if not forward:
        order.reverse()
    at = order.index(now) if now in order else -1
    following = next((widget for widget in (order[at + 1 :] + order) if widget is not now), None)
    if following is None:
        return False
    reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
    following.setFocus(reason)
    _scroll_to(following)
    return True


def reading_order(inside: QWidget) -> Iterator[QWidget]:
    """Go through all visible widgets: row by row, in each from the left, containers as wholes."""
    children = [
        child
        for child in inside.children()
        if isinstance(child, QWidget) and child.isVisible() and not child.isWindow()
    ]
    children.sort(key=lambda child: child.y())
    row: list[QWidget] = []
    for child in [*children, None]:
        if row and (child is None or child.y() > row[0].y() + row[0].height() // 2):
            for widget in sorted(row, key=lambda widget: widget.x()):
                yield widget
                yield from reading_order(widget)
            row = []
        if child is not None:
            row.append(child)


def press(widget: QWidget | None) -> bool:
    """Do what a click on a button does; return whether it is one."""
    if not isinstance(widget, QAbstractButton) or not widget.isEnabled():
        return False
    if isinstance(widget, QToolButton) and widget.menu() is not None:
        widget.showMenu()
    else:
        widget.click()
    return True


def _is_stop(widget: QWidget) -> bool:
    return widget.isEnabled() and bool(widget.focusPolicy().value & _STOPS)


def _scroll_to(widget: QWidget) -> None:
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea):
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()
