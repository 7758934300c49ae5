"""Programs on the GPU, and the two that draw over the pictures: thin lines, and the overlay."""

from __future__ import annotations

from typing import Any

import numpy as np
from vispy import gloo
from vispy.gloo.context import get_current_canvas

from ..assets import shader
from .overlay import Overlay
from .strokes import Stroke, stroke_mesh
from .view import Rect


def send() -> None:
    """Send what waits for buffers, textures and uniforms; a draw call does not see to it."""
    get_current_canvas().context.flush_commands()


class Program:
    """A vispy program that sends a uniform only when it changes.

    vispy looks through everything that belongs to a program before each draw call, and that takes
    longer than the call. Here it does so the first time.
    """

    def __init__(self, vertex: str, fragment: str, header: str = "") -> None:
        self._program = gloo.Program(header + shader(vertex), header + shader(fragment))
        self._names = {name for _, _, name in self._program.variables}
        self._sent: dict[str, Any] = {}
        self._waits = False
        self._vertices: Any = None
        # What vispy has of it in OpenGL, from the first time on.
        self._linked: Any = None

    def set(self, **values: Any) -> None:
        """Set those of the values that the program has; objects count as changed when replaced."""
        for name, value in values.items():
            if name not in self._names:
                continue
            old = self._sent.get(name)
            if old is value or (isinstance(value, float | tuple) and old == value):
                continue
            self._sent[name] = value
            self._program[name] = value
            self._waits = True
            if isinstance(value, gloo.VertexBuffer):
                self._vertices = value

    def bind(self, vertices: Any) -> None:
        """Take all attributes from one buffer."""
        self._program.bind(vertices)
        self._vertices, self._waits = vertices, True

    def draw(self, mode: str) -> None:
        """Draw what is bound."""
        if self._linked is None:
            self._program.draw(mode)
            self._linked = get_current_canvas().context.shared.parser.get_object(self._program.id)
        else:
            if self._waits:
                send()
            self._linked.draw(mode, (0, self._vertices.size))
        self._waits = False


class Lines:
    """Strokes on the GPU."""

    def __init__(self) -> None:
        self._program = Program("stroke.vert", "stroke.frag")
        self._strokes: list[Stroke] = []
        self._vertices: Any = None
        self._n_vertices = 0

    def load(self, strokes: list[Stroke]) -> None:
        """Send strokes that differ from the last ones."""
        if strokes == self._strokes:
            return
        self._strokes = strokes
        mesh = stroke_mesh(strokes)
        if mesh.size == self._n_vertices:
            self._vertices.set_data(mesh)
            send()
        elif mesh.size:
            self._vertices = gloo.VertexBuffer(mesh)
            self._program.bind(self._vertices)
        self._n_vertices = mesh.size

    def draw(self, rect: Rect, pixel_scale: float) -> None:
        """Draw them into a viewport of that size."""
        if self._n_vertices:
            size_px = float(rect.width), float(rect.height)
            self._program.set(u_viewport_px=size_px, u_pixel_scale=float(pixel_scale))
            self._program.draw("triangles")


class Cover:
    """The overlay on the GPU: a texture of the canvas's size, drawn where there is something."""

    def __init__(self) -> None:
        self._program = Program("overlay.vert", "overlay.frag")
        self._size = (0, 0)
        self._texture: Any = None
        self._rects: list[tuple[int, int, int, int]] = []

    def load(self, overlay: Overlay, size: tuple[int, int], pixel_scale: float) -> None:
        """Send what differs from the last time."""
        if size != self._size:
            self._size = width, height = size
            self._texture = gloo.Texture2D((height, width, 4))
            self._program.set(u_overlay=self._texture, u_size_px=(float(width), float(height)))
            overlay.forget()
        if overlay.is_current:
            return
        for patch in overlay.patches(pixel_scale):
            self._texture.set_data(patch.rgba, offset=(patch.top, patch.left))
        send()
        rects = overlay.rects(pixel_scale)
        if rects != self._rects:
            self._rects = rects
            triangles = [
                ((x0, y0), (x1, y0), (x0, y1), (x0, y1), (x1, y0), (x1, y1))
                for x0, y0, x1, y1 in rects
            ]
            places = np.array(triangles, np.float32).reshape(-1, 2)
            if rects:
                self._program.set(a_place_px=gloo.VertexBuffer(places))

    def draw(self) -> None:
        """Draw where there is something."""
        if self._rects:
            self._program.draw("triangles")
