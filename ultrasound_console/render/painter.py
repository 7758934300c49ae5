"""The picture in OpenGL: textures, programs and draw calls, in any current context.

Every panel draws the B-mode mesh and then the mesh of the colour box over it; scan conversion,
grey and colour maps, thresholds, blending and interpolation are in the shaders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

from ..assets import shader
from ..frames import DopplerFrame
from ..geometry import ImageGrid
from ..settings import DisplaySettings
from .colour_maps import FOLD_MAP
from .overlay import Overlay
from .strokes import Stroke, stroke_mesh
from .view import N_PANELS, Rect, View

CONVENTIONAL, FOLDS, CORRECTED, TRUTH = range(N_PANELS + 1)

_FRAGMENTS = ("conventional.frag", "folds.frag", "corrected.frag", "corrected.frag")
_BAR_FRAGMENTS = ("velocity_bar.frag", "fold_bar.frag", "velocity_bar.frag", "velocity_bar.frag")
# Powers of the true picture, beyond any threshold: shown inside the vessels, and not outside.
_SHOWN_DB, _HIDDEN_DB = 1e3, -1e3
_HATCH_PX = 7.0
_POLAR_COLUMNS = 64


class RenderError(RuntimeError):
    """The picture cannot be drawn on this machine; the message says what is missing."""


def check_context(version: str, extensions: Callable[[], str]) -> None:
    """Refuse a context that cannot hold the planes.

    Parameters
    ----------
    version : str
        ``GL_VERSION``.
    extensions : callable
        Gives ``GL_EXTENSIONS``; asked only of old contexts, new ones may not have it.

    Raises
    ------
    RenderError
        OpenGL below 3.0 without single-channel and float textures.
    """
    match = re.search(r"(\d+)\.\d+", version)
    if match and int(match[1]) >= 3:
        return
    present = extensions().split()
    needed = "GL_ARB_texture_float", "GL_ARB_texture_rg"
    missing = [name for name in needed if name not in present]
    if missing:
        raise RenderError(
            f"OpenGL {version or 'of unknown version'} has no {' and no '.join(missing)}: use "
            "OpenGL 3.0 or later; a newer graphics driver has it, or set "
            "LIBGL_ALWAYS_SOFTWARE=1 to draw on the CPU"
        )


@dataclass(frozen=True)
class Look:
    """What the shaders need to know beyond the planes; velocities in v_N of the frame.

    Attributes
    ----------
    display : DisplaySettings
    power_db : float
        Doppler power from which colour is shown.
    limits : tuple of (low, high)
        Ends of the colour bar of each panel.
    velocity_map : (256, 3) uint8
    stale : bool
    """

    display: DisplaySettings
    power_db: float
    limits: tuple[tuple[float, float], ...]
    velocity_map: NDArray[np.uint8]
    stale: bool


class _Program:
    """A vispy program that sends a uniform only when it changes."""

    def __init__(self, vertex: str, fragment: str, header: str = "") -> None:
        self._program = gloo.Program(header + shader(vertex), header + shader(fragment))
        self._names = {name for _, _, name in self._program.variables}
        self._sent: dict[str, Any] = {}

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

    def draw(self, mode: str) -> None:
        self._program.draw(mode)

    def bind(self, vertices: Any) -> None:
        self._program.bind(vertices)


def grid_mesh(grid: ImageGrid) -> NDArray[np.float32]:
    """Make a triangle strip over a grid, as (row, column) indices.

    It reaches half a sample beyond the outermost ones. A parallel grid is one quad. A polar grid
    is cut along its lines, finely enough that a chord is within a fraction of a pixel of its arc.

    Returns
    -------
    (n, 2) float32
    """
    n = _POLAR_COLUMNS if grid.kind == "polar" else 1
    columns = np.repeat(np.linspace(-0.5, grid.n_lines - 0.5, n + 1), 2)
    rows = np.tile([-0.5, grid.n_depths - 0.5], n + 1)
    return np.stack([rows, columns], axis=1).astype(np.float32)


def _amplified(bmode_db: NDArray[np.float32], tgc_db: tuple[float, ...]) -> NDArray[np.float32]:
    """Add gains at evenly spaced depths, linear between them."""
    depths = np.linspace(0, len(bmode_db) - 1, len(tgc_db))
    gains_db = np.interp(np.arange(len(bmode_db)), depths, tgc_db)
    return bmode_db + gains_db[:, None].astype(np.float32)


def _grid_uniforms(name: str, grid: ImageGrid) -> dict[str, tuple[float, ...]]:
    return {
        f"u_{name}_lattice": (
            grid.range_m[0],
            grid.lines[0],
            grid.range_step_m,
            grid.line_step,
        ),
        f"u_{name}_origin": (*grid.apex_m, float(np.tan(grid.angle_rad))),
        f"u_{name}_size": (float(grid.n_depths), float(grid.n_lines)),
    }


class _Lines:
    """Strokes on the GPU."""

    def __init__(self) -> None:
        self._program = _Program("stroke.vert", "stroke.frag")
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
        elif mesh.size:
            self._vertices = gloo.VertexBuffer(mesh)
            self._program.bind(self._vertices)
        self._n_vertices = mesh.size

    def draw(self, rect: Rect, pixel_scale: float) -> None:
        if self._n_vertices:
            size_px = float(rect.width), float(rect.height)
            self._program.set(u_viewport_px=size_px, u_pixel_scale=float(pixel_scale))
            self._program.draw("triangles")


class _Cover:
    """The overlay on the GPU: a texture of the canvas's size, drawn where there is something."""

    def __init__(self) -> None:
        self._program = _Program("overlay.vert", "overlay.frag")
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
        for patch in overlay.patches(pixel_scale):
            self._texture.set_data(patch.rgba, offset=(patch.top, patch.left))
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
        if self._rects:
            self._program.draw("triangles")


class Painter:
    """Owns what lives on the GPU, and draws a frame into a canvas."""

    def __init__(self) -> None:
        self._bmode_db = gloo.Texture2D((2, 2, 1), internalformat="r32f", interpolation="linear")
        self._flow = gloo.Texture2D((2, 2, 4), internalformat="rgba32f")
        self._packed = np.zeros((2, 2, 4), np.float32)
        self._bmode: NDArray[np.float32] = np.zeros((2, 2), np.float32)
        # With which gains it was sent; None for not yet.
        self._tgc_db: tuple[float, ...] | None = None
        self._truth = gloo.Texture2D((2, 2, 4), internalformat="rgba32f")
        self._truth_of: DopplerFrame | None = None
        self._velocity_map = gloo.Texture2D((1, 256, 3), interpolation="linear")
        self._velocity_table: NDArray[np.uint8] | None = None
        self._fold_map = gloo.Texture2D(FOLD_MAP[None])
        self._textures = {
            "u_bmode_db": self._bmode_db,
            "u_flow": self._flow,
            "u_velocity_map": self._velocity_map,
            "u_fold_map": self._fold_map,
        }
        self._grids: tuple[ImageGrid, ImageGrid] | None = None
        self._pictures: dict[tuple[str, str], tuple[_Program, ...]] = {}
        self._kinds = ("", "")
        corners = gloo.VertexBuffer(np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32))
        self._bars = tuple(_Program("bar.vert", fragment) for fragment in _BAR_FRAGMENTS)
        for program in self._bars:
            program.set(a_corner=corners, **self._textures)
        self._picture_lines, self._canvas_lines = _Lines(), _Lines()
        self._cover = _Cover()

    def upload(self, frame: DopplerFrame) -> None:
        """Send the planes of a frame; the grids may differ from the last ones."""
        grids = frame.acquisition.bmode_grid, frame.acquisition.colour_grid
        if grids != self._grids:
            self._place(*grids)
        self._bmode, self._tgc_db = frame.bmode_db, None
        velocity, power_db, corrected, status = np.moveaxis(self._packed, -1, 0)
        np.multiply(frame.velocity_m_s, np.float32(1 / frame.nyquist_velocity_m_s), out=velocity)
        power_db[...] = frame.power_db
        np.multiply(frame.fold, np.float32(2), out=corrected)
        corrected += velocity
        status[...] = frame.status
        self._flow.set_data(self._packed)

    def upload_truth(self, frame: DopplerFrame) -> None:
        """Send the true velocity, once, of a frame that has been uploaded and has one."""
        if frame is self._truth_of or frame.vessel_mask is None:
            return
        self._truth_of = frame
        packed = np.zeros_like(self._packed)
        packed[..., 1] = np.where(frame.vessel_mask, _SHOWN_DB, _HIDDEN_DB)
        packed[..., 2] = frame.truth_m_s
        packed[..., 2] /= frame.nyquist_velocity_m_s
        self._truth.set_data(packed)

    def _place(self, bmode_grid: ImageGrid, colour_grid: ImageGrid) -> None:
        """Make meshes and programs fit the grids."""
        self._grids = bmode_grid, colour_grid
        self._packed = np.zeros((*colour_grid.shape, 4), np.float32)
        self._kinds = bmode_grid.kind, colour_grid.kind
        if self._kinds not in self._pictures:
            self._pictures[self._kinds] = tuple(
                self._picture_program(fragment, *self._kinds)
                for fragment in ("bmode.frag", *_FRAGMENTS)
            )
        meshes = [gloo.VertexBuffer(grid_mesh(grid)) for grid in self._grids]
        grid_uniforms = _grid_uniforms("bmode", bmode_grid) | _grid_uniforms("colour", colour_grid)
        *_, truth = self._pictures[self._kinds]
        truth.set(u_flow=self._truth)
        for i, program in enumerate(self._pictures[self._kinds]):
            own = min(i, 1)
            program.set(a_index=meshes[own], **grid_uniforms)
            program.set(**_grid_uniforms("mesh", self._grids[own]))

    def _picture_program(self, fragment: str, bmode_kind: str, colour_kind: str) -> _Program:
        mesh_kind = bmode_kind if fragment == "bmode.frag" else colour_kind
        header = (
            f"#define mesh_position_m {mesh_kind}_position_m\n"
            f"#define bmode_index {bmode_kind}_index\n"
            f"#define colour_index {colour_kind}_index\n"
        )
        program = _Program("picture.vert", fragment, header)
        program.set(**self._textures)
        return program

    def paint(
        self,
        view: View,
        pixel_scale: float,
        look: Look | None,
        picture_strokes: list[Stroke],
        canvas_strokes: list[Stroke],
    ) -> None:
        """Draw everything into the current framebuffer.

        Parameters
        ----------
        view : View
        pixel_scale : float
            Physical per logical pixel.
        look : Look or None
            None draws no picture and no bars.
        picture_strokes, canvas_strokes : list of Stroke
            Lines in each picture, and around them.
        """
        height = round(view.height_px * pixel_scale)

        def viewport(rect: Rect) -> None:
            left, right = round(rect.x * pixel_scale), round(rect.right * pixel_scale)
            top, bottom = round(rect.y * pixel_scale), round(rect.bottom * pixel_scale)
            gloo.set_viewport(left, height - bottom, right - left, bottom - top)

        whole = Rect(0, 0, view.width_px, view.height_px)
        viewport(whole)
        gloo.set_state(blend=False, depth_test=False, cull_face=False)
        gloo.clear(color=(0, 0, 0, 1), depth=False)
        if look is not None:
            self._set_look(look, view, pixel_scale)
            bmode, *colour = self._pictures[self._kinds]
            for panel in range(view.n_panels):
                viewport(view.picture_rect(panel))
                bmode.draw("triangle_strip")
                colour[panel].draw("triangle_strip")
                viewport(view.bar_rect(panel))
                self._bars[panel].draw("triangle_strip")
        gloo.set_state(blend=True, blend_func=("src_alpha", "one_minus_src_alpha", "zero", "one"))
        self._picture_lines.load(picture_strokes)
        for panel in range(view.n_panels):
            viewport(view.picture_rect(panel))
            self._picture_lines.draw(view.picture_rect(panel), pixel_scale)
        self._canvas_lines.load(canvas_strokes)
        viewport(whole)
        self._canvas_lines.draw(whole, pixel_scale)

    def paint_over(self, overlay: Overlay, view: View, pixel_scale: float) -> None:
        """Draw an overlay over everything.

        Parameters
        ----------
        overlay : Overlay
        view : View
        pixel_scale : float
            Physical per logical pixel.
        """
        width, height = round(view.width_px * pixel_scale), round(view.height_px * pixel_scale)
        self._cover.load(overlay, (width, height), pixel_scale)
        gloo.set_viewport(0, 0, width, height)
        gloo.set_state(blend=True, blend_func=("one", "one_minus_src_alpha", "zero", "one"))
        self._cover.draw()

    def _set_look(self, look: Look, view: View, pixel_scale: float) -> None:
        """Bring the uniforms up to date."""
        if look.velocity_map is not self._velocity_table:
            self._velocity_table = look.velocity_map
            self._velocity_map.set_data(look.velocity_map[None])
        display = look.display
        if display.tgc_db != self._tgc_db:
            self._tgc_db = display.tgc_db
            # Here and not for every pixel: a tenth of what a software rasteriser does.
            self._bmode_db.set_data(_amplified(self._bmode, display.tgc_db)[..., None])
        interpolation = "linear" if display.interpolate else "nearest"
        if self._bmode_db.interpolation != interpolation:
            self._bmode_db.interpolation = interpolation
        picture, scale = view.picture_rect(0), view.pixels_per_m
        values: dict[str, Any] = {
            "u_window": (
                *view.center_m,
                2 * scale / picture.width,
                -2 * scale / picture.height,
            ),
            "u_grey": (display.bmode_gain_db, 1 / display.bmode_dynamic_range_db),
            "u_power_db": look.power_db,
            "u_priority": display.write_priority,
            "u_opacity": display.overlay_opacity,
            "u_interpolate": float(display.interpolate),
            "u_baseline": display.baseline,
            "u_direction": -1.0 if display.invert else 1.0,
            "u_live": 0.0 if look.stale else 1.0,
            "u_hatch_px": _HATCH_PX * pixel_scale,
        }
        bmode, *colour = self._pictures[self._kinds]
        bmode.set(**values)
        for panel in range(view.n_panels):
            values["u_limits"] = look.limits[panel]
            colour[panel].set(**values)
            self._bars[panel].set(**values)
