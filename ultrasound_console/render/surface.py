"""A window of OpenGL's own inside a widget: what is drawn goes straight to the screen.

Qt composes an OpenGL widget with the widgets around it, on the CPU where there is no GPU, and that
takes longer than drawing the panels. Here nothing is composed. The price is that this window covers
every widget in its place; text over the panels is drawn by the painter (``overlay.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QEvent, QSize, Qt
from PySide6.QtGui import (
    QExposeEvent,
    QImage,
    QOffscreenSurface,
    QOpenGLContext,
    QSurface,
    QSurfaceFormat,
    QWindow,
)
from PySide6.QtOpenGL import QOpenGLFramebufferObject
from vispy.gloo import gl
from vispy.gloo.context import FakeCanvas, set_current_canvas

from .painter import RenderError


class DrawingWindow(QWindow):
    """Calls for a drawing when one is due, and brings it to the screen.

    Mouse, wheel and drops go through it to the widget below, and it never takes the focus.

    Parameters
    ----------
    draw : callable
        Draws into the framebuffer that is bound.
    swapped : callable
        Called when the drawing is on the screen.
    forget : callable
        Called when what lived in OpenGL is lost, before the next drawing.

    Raises
    ------
    RenderError
        There is no OpenGL.
    """

    def __init__(
        self,
        draw: Callable[[], None],
        swapped: Callable[[], None],
        forget: Callable[[], None],
    ) -> None:
        # Whoever has a parent belongs to Qt, which then ends this window with its container and not
        # before it. The container sets another parent.
        at_first = QWindow()
        super().__init__(at_first)
        self._at_first = at_first
        self._draw, self._swapped, self._forget = draw, swapped, forget
        self._is_asked = False
        self.setSurfaceType(QSurface.SurfaceType.OpenGLSurface)
        self.setFlag(Qt.WindowType.WindowTransparentForInput)
        surface_format = QSurfaceFormat(QSurfaceFormat.defaultFormat())
        surface_format.setDepthBufferSize(0)
        surface_format.setStencilBufferSize(0)
        self.setFormat(surface_format)
        # To draw without a window on the screen.
        self._offscreen = QOffscreenSurface()
        self._offscreen.setFormat(surface_format)
        self._offscreen.create()
        self._renew()
        self.make_current()

    def make_current(self, surface: QSurface | None = None) -> None:
        """Let OpenGL and gloo act here, on a surface or on none; a lost context is made anew."""
        surface = surface or self._offscreen
        if not self._context.makeCurrent(surface):
            self._renew()
            self._forget()
            if not self._context.makeCurrent(surface):
                raise RenderError("OpenGL cannot draw here any more: start the program again")
        set_current_canvas(self._gloo)
        self._gloo.flush()

    def image(self, size: QSize, draw: Callable[[], object]) -> QImage:
        """Return what a drawing looks like, whether or not the window is on the screen.

        Parameters
        ----------
        size : QSize
            Physical pixels.
        draw : callable
        """
        self.make_current()
        target = QOpenGLFramebufferObject(size)
        target.bind()
        draw()
        return target.toImage()

    def requestUpdate(self) -> None:
        """Draw as soon as nothing else waits; Qt's own request lets 5 ms pass first."""
        if not self._is_asked:
            self._is_asked = True
            request = QEvent(QEvent.Type.UpdateRequest)
            QCoreApplication.postEvent(self, request, Qt.EventPriority.LowEventPriority.value)

    def event(self, event: QEvent) -> bool:
        """Draw when an update that was asked for is due."""
        if event.type() == QEvent.Type.UpdateRequest:
            self._is_asked = False
            self._show_safely()
            return True
        return super().event(event)

    def exposeEvent(self, event: QExposeEvent) -> None:
        """Draw when the window appears or has another size."""
        del event
        self._show_safely()

    def _show_safely(self) -> None:
        """Draw; an error goes where the program takes those of the screen."""
        try:
            self._show()
        except Exception:  # noqa: BLE001 - Qt calls this: PySide may end the process with an error
            sys.excepthook(*sys.exc_info())

    def _show(self) -> None:
        if self.isExposed():
            self.make_current(self)
            self._draw()
            # Software OpenGL rasterises when it is waited for: here, the other threads go on
            # meanwhile; inside Qt's call they could not.
            gl.glFinish()
            self._context.swapBuffers(self)
            self._swapped()

    def _renew(self) -> None:
        self._context = QOpenGLContext()
        self._context.setFormat(self.requestedFormat())
        if not self._context.create():
            raise RenderError("this display has no OpenGL")
        self._gloo = FakeCanvas()
