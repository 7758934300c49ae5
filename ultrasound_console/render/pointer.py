"""The mouse over the panels: tools are asked first; what they leave moves and zooms the view."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent

from .tools import Tool, Touch
from .view import View

_WHEEL_STEP = 120
_ZOOM_PER_STEP = 1.25


class Pointer:
    """Turns what the mouse does into what the view and the tools do.

    Parameters
    ----------
    view : callable
        Returns the view as it is.
    set_view : callable
        Takes another one.
    point_at : callable
        Told (x_m, z_m) under the pointer, or None beside the pictures.
    set_shape : callable
        Told the shape of the pointer that a tool wants, or None.
    """

    def __init__(
        self,
        view: Callable[[], View],
        set_view: Callable[[View], None],
        point_at: Callable[[tuple[float, float] | None], None],
        set_shape: Callable[[Qt.CursorShape | None], None],
    ) -> None:
        self._view, self._set_view = view, set_view
        self._point_at, self._set_shape = point_at, set_shape
        self._tools: tuple[Tool, ...] = ()
        self._held: tuple[Tool, int] | None = None  # a tool, and the place where it was pressed
        self._held_at: Touch | None = None  # of the drag, the last
        self._drag_from: tuple[float, float] | None = None

    def set_tools(self, tools: tuple[Tool, ...]) -> None:
        """Ask these from now on, in this order."""
        if self._held is not None and self._held[0] not in tools:
            self._held = None
        self._tools = tools
        self._set_shape(None)

    def take(self, event: QEvent) -> bool | None:
        """Take an event of the mouse.

        Returns
        -------
        bool or None
            None: the event is not the mouse's, or others want it too.
        """
        if isinstance(event, QWheelEvent):
            self._on_wheel(event, event.position().x(), event.position().y())
            return True
        if isinstance(event, QMouseEvent):
            # What is not used goes on to the widget around the canvas.
            event.setAccepted(self._on_mouse(event, event.position().x(), event.position().y()))
            return True
        if event.type() == QEvent.Type.Leave:
            self._point_at(None)
            for tool in self._tools:
                tool.leave()
        return None

    def _on_wheel(self, event: QWheelEvent, x_px: float, y_px: float) -> None:
        steps = event.angleDelta().y() / _WHEEL_STEP
        touch = self._touch(event, x_px, y_px)
        if touch is None or not any(tool.wheel(steps, touch) for tool in self._tools):
            self._set_view(self._view().zoomed(_ZOOM_PER_STEP**steps, x_px, y_px))
            self._point(x_px, y_px)

    def _on_mouse(self, event: QMouseEvent, x_px: float, y_px: float) -> bool:
        left = event.button() == Qt.MouseButton.LeftButton
        touch = self._touch(event, x_px, y_px)
        match event.type():
            case QEvent.Type.MouseButtonPress if left and touch is not None:
                taker = next((tool for tool in self._tools if tool.press(touch)), None)
                if taker is not None:
                    self._held, self._held_at = (taker, touch.place), touch
                else:
                    self._drag_from = x_px, y_px
            case QEvent.Type.MouseButtonDblClick if left and touch is not None:
                if not any(tool.double_click(touch) for tool in self._tools):
                    self._set_view(self._view().fitted())
                    self._point(x_px, y_px)
            case QEvent.Type.MouseMove:
                if not event.buttons() & Qt.MouseButton.LeftButton:
                    self._let_go()
                    touch = self._touch(event, x_px, y_px)
                self._drag_to(x_px, y_px)
                self._point(x_px, y_px)
                self._move_tools(touch)
            case QEvent.Type.MouseButtonRelease if left and self._held is not None:
                tool, _ = self._held
                self._held = None
                if touch is not None:
                    tool.release(touch)
            case QEvent.Type.MouseButtonRelease if left and self._drag_from is not None:
                self._drag_to(x_px, y_px)
                self._drag_from = None
            case _:
                return False
        return True

    def _touch(self, event: QMouseEvent | QWheelEvent, x_px: float, y_px: float) -> Touch | None:
        """Where the pointer is: a drag stays with its panel; else None beside the pictures."""
        view, at = self._view(), self._view().position_m(x_px, y_px)
        if self._held is not None:
            place = self._held[1]
            at = place, *view.metres(place, x_px, y_px)
        if at is None:
            return None
        keys = event.modifiers()
        return Touch(
            *at,
            m_per_px=1.0 / view.pixels_per_m,
            shift=bool(keys & Qt.KeyboardModifier.ShiftModifier),
            control=bool(keys & Qt.KeyboardModifier.ControlModifier),
        )

    def _let_go(self) -> None:
        """End a drag whose release went elsewhere, as to a dialog, where it was last."""
        self._drag_from = None
        if self._held is not None and self._held_at is not None:
            tool, _ = self._held
            self._held = None
            tool.release(self._held_at)

    def _move_tools(self, touch: Touch | None) -> None:
        """Drag what is held; show by the pointer where something can be taken hold of."""
        if self._held is not None:
            if touch is not None:
                self._held_at = touch
                self._held[0].drag(touch)
        elif touch is None:
            for tool in self._tools:
                tool.leave()
            self._set_shape(None)
        else:
            shapes = (tool.hover(touch) for tool in self._tools)
            self._set_shape(next((shape for shape in shapes if shape is not None), None))

    def _drag_to(self, x_px: float, y_px: float) -> None:
        if self._drag_from is not None:
            from_x, from_y = self._drag_from
            self._drag_from = x_px, y_px
            self._set_view(self._view().panned(x_px - from_x, y_px - from_y))

    def _point(self, x_px: float, y_px: float) -> None:
        at = self._view().position_m(x_px, y_px)
        self._point_at(None if at is None else at[1:])
