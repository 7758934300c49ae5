"""The picture in OpenGL: programs, their uniforms and draw calls, in any current context.

Every panel draws the B-mode mesh and then the mesh of the colour box over it; scan conversion,
grey and colour maps, thresholds, blending and interpolation are in the shaders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from vispy import gloo
from vispy.gloo import gl

from ..frames import DopplerFrame
from ..geometry import ImageGrid
from ..settings import DisplaySettings
from ..settings.display import CLASSIC, POWER, VARIANCE
from .colour_maps import DISTURBED_MAP, FOLD_MAP, VELOCITY_MAPS
from .mesh import flow_mesh, grid_mesh
from .overlay import Overlay
from .planes import Planes
from .programs import Cover, Lines, Program, send
from .strokes import Stroke
from .view import N_PANELS, Rect, View

CONVENTIONAL, FOLDS, CORRECTED, TRUTH, KEPT = range(N_PANELS + 2)

_FRAGMENTS = ("conventional.frag", "folds.frag", *(("corrected.frag",) * 3))
_BAR_FRAGMENTS = ("velocity_bar.frag", "fold_bar.frag", *(("velocity_bar.frag",) * 3))
HATCH_PX = 7.0
POWER_RANGE_DB = 30.0
"""From the weakest flow shown to the end of the power map."""
# Bandwidths from which flow counts as disturbed: a bit, and fully.
_DISTURBED = 0.2, 0.8
# What the shaders are told of the maps that show more than velocity.
_MODES = {VARIANCE: "#define SHOWS_VARIANCE\n", POWER: "#define SHOWS_POWER\n"}
# Where a pixel is on each grid, by its kind (`place.glsl`).
_INDEX = {
    ("bmode", "parallel"): "v_bmode_index",
    ("bmode", "polar"): "polar_index(v_position_m, u_bmode_lattice, u_bmode_origin)",
    ("colour", "parallel"): "v_mesh_index",
    ("colour", "polar"): "polar_index(v_position_m, u_colour_lattice, u_colour_origin)",
}


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
    powers_db : tuple of float
        Doppler power from which colour is shown, at each place.
    panels : tuple of int
        What each place shows.
    limits : tuple of (low, high)
        Ends of the colour bar at each place.
    stale : bool
    """

    display: DisplaySettings
    powers_db: tuple[float, ...]
    panels: tuple[int, ...]
    limits: tuple[tuple[float, float], ...]
    stale: bool


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


def _blend(colour_factor: int) -> None:
    """Lay what is drawn over what is there, which stays opaque."""
    gl.glEnable(gl.GL_BLEND)
    gl.glBlendFuncSeparate(colour_factor, gl.GL_ONE_MINUS_SRC_ALPHA, gl.GL_ZERO, gl.GL_ONE)


class Painter:
    """Owns what lives on the GPU, and draws a frame into a canvas.

    Attributes
    ----------
    planes : Planes
        What is drawn.
    """

    def __init__(self) -> None:
        self.planes = Planes()
        self._velocity_map = gloo.Texture2D((2, 256, 3), interpolation="linear")
        # The true velocity is velocity, whatever the others show.
        self._truth_map = gloo.Texture2D((2, 256, 3), interpolation="linear")
        self._map_name = ""
        self._fold_map = gloo.Texture2D(FOLD_MAP[None])
        self._textures = {
            "u_bmode_db": self.planes.bmode_db,
            "u_flow": self.planes.flow,
            "u_velocity_map": self._velocity_map,
            "u_fold_map": self._fold_map,
        }
        self._grids: tuple[ImageGrid, ImageGrid] | None = None
        self._meshes: tuple[Any, ...] = ()
        self._flow_mesh: Any = None
        # Frame and power that it was made for.
        self._reach: tuple[DopplerFrame, float] | None = None
        self._made: dict[tuple[str, ...], tuple[Program, ...]] = {}
        # B-mode and the panels, and the bars of the panels, for the grids and the map in use.
        self._pictures: tuple[Program, ...] = ()
        self._bars: tuple[Program, ...] = ()
        corners = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32)
        self._corners = gloo.VertexBuffer(corners)
        self._picture_lines, self._canvas_lines = Lines(), Lines()
        self._cover = Cover()

    def upload(self, frame: DopplerFrame) -> None:
        """Send the planes of a frame; the grids may differ from the last ones."""
        grids = frame.acquisition.bmode_grid, frame.acquisition.colour_grid
        if grids != self._grids:
            self._grids, self._pictures = grids, ()
            self._meshes = tuple(gloo.VertexBuffer(grid_mesh(grid)) for grid in grids)
            nowhere = flow_mesh(grids[1], frame.power_db, np.inf)
            self._flow_mesh, self._reach = gloo.VertexBuffer(nowhere), None
        self.planes.upload(frame)

    def _place(self, mode: str) -> None:
        """Take the programs that fit the grids and the map in use."""
        assert self._grids is not None
        bmode_grid, colour_grid = self._grids
        kinds = bmode_grid.kind, colour_grid.kind
        # The true velocity is shown as velocity.
        modes = mode, mode, mode, "", mode
        if (*kinds, mode) not in self._made:
            self._made[*kinds, mode] = (
                self._picture_program("bmode.frag", *kinds, ""),
                *(
                    self._picture_program(fragment, *kinds, its_mode)
                    for fragment, its_mode in zip(_FRAGMENTS, modes, strict=True)
                ),
            )
        if (mode,) not in self._made:
            self._made[mode,] = tuple(
                Program("bar.vert", fragment, its_mode)
                for fragment, its_mode in zip(_BAR_FRAGMENTS, modes, strict=True)
            )
            for program in self._made[mode,]:
                program.set(a_corner=self._corners, **self._textures)
            self._made[mode,][TRUTH].set(u_velocity_map=self._truth_map)
        self._pictures, self._bars = self._made[*kinds, mode], self._made[mode,]
        grid_uniforms = _grid_uniforms("bmode", bmode_grid) | _grid_uniforms("colour", colour_grid)
        _, *colour = self._pictures
        planes = self.planes
        colour[TRUTH].set(u_flow=planes.truth_flow, u_velocity_map=self._truth_map)
        colour[KEPT].set(u_flow=planes.kept_flow, u_bmode_db=planes.kept_bmode_db)
        for i, program in enumerate(self._pictures):
            own = min(i, 1)
            has_own_flow = i - 1 in (TRUTH, KEPT)
            mesh = self._meshes[own] if i == 0 or has_own_flow else self._flow_mesh
            program.set(a_index=mesh, **grid_uniforms)
            program.set(**_grid_uniforms("mesh", self._grids[own]))

    def _picture_program(
        self, fragment: str, bmode_kind: str, colour_kind: str, mode: str
    ) -> Program:
        mesh_kind = bmode_kind if fragment == "bmode.frag" else colour_kind
        header = (
            f"#define mesh_position_m {mesh_kind}_position_m\n"
            f"#define BMODE_INDEX {_INDEX['bmode', bmode_kind]}\n"
            f"#define COLOUR_INDEX {_INDEX['colour', colour_kind]}\n"
        )
        program = Program("picture.vert", fragment, header + mode)
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
            gl.glViewport(left, height - bottom, right - left, bottom - top)

        whole = Rect(0, 0, view.width_px, view.height_px)
        viewport(whole)
        for feature in (gl.GL_BLEND, gl.GL_DEPTH_TEST, gl.GL_CULL_FACE):
            gl.glDisable(feature)
        gl.glClearColor(0.0, 0.0, 0.0, 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT)
        if look is not None:
            self._cover_flow(look)
            self._set_look(look, view, pixel_scale)
            send()
            planes, (bmode, *colour) = self.planes, self._pictures
            for place, panel in enumerate(look.panels):
                viewport(view.picture_rect(place))
                bmode.set(u_bmode_db=planes.kept_bmode_db if panel == KEPT else planes.bmode_db)
                bmode.draw("triangle_strip")
                colour[panel].draw("triangle_strip")
                viewport(view.bar_rect(place))
                self._bars[panel].draw("triangle_strip")
        _blend(gl.GL_SRC_ALPHA)
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
        gl.glViewport(0, 0, width, height)
        _blend(gl.GL_ONE)
        self._cover.draw()

    def _cover_flow(self, look: Look) -> None:
        """Let the mesh reach where the frame has colour to show."""
        frame = self.planes.frame
        powers_db = (
            power_db
            for panel, power_db in zip(look.panels, look.powers_db, strict=True)
            if panel not in (TRUTH, KEPT)
        )
        least_db = min(powers_db, default=None)
        if frame is None or least_db is None:
            return
        if self._reach is None or self._reach[0] is not frame or self._reach[1] != least_db:
            self._reach = frame, least_db
            grid = frame.acquisition.colour_grid
            self._flow_mesh.set_data(flow_mesh(grid, frame.power_db, least_db))

    def _set_look(self, look: Look, view: View, pixel_scale: float) -> None:
        """Bring the uniforms up to date."""
        display = look.display
        has_another_map = display.colour_map != self._map_name
        if has_another_map:
            self._map_name = name = display.colour_map
            of_truth = CLASSIC if name == POWER else name
            self._velocity_map.set_data(np.stack([VELOCITY_MAPS[name], DISTURBED_MAP]))
            self._truth_map.set_data(np.stack([VELOCITY_MAPS[of_truth], DISTURBED_MAP]))
        if has_another_map or not self._pictures:
            self._place(_MODES.get(self._map_name, ""))
        self.planes.follow(display, with_kept=KEPT in look.panels)
        picture, scale = view.picture_rect(0), view.pixels_per_m
        values: dict[str, Any] = {
            "u_window": (
                *view.center_m,
                2 * scale / picture.width,
                -2 * scale / picture.height,
            ),
            "u_grey": (display.bmode_gain_db, 1 / display.bmode_dynamic_range_db),
            "u_priority": display.write_priority,
            "u_opacity": display.overlay_opacity,
            "u_interpolate": float(display.interpolate),
            "u_baseline": display.baseline,
            "u_direction": -1.0 if display.invert else 1.0,
            "u_live": 0.0 if look.stale else 1.0,
            "u_hatch_px": HATCH_PX * pixel_scale,
            "u_power_range_db": POWER_RANGE_DB,
            "u_disturbed": _DISTURBED,
        }
        bmode, *colour = self._pictures
        bmode.set(**values)
        for place, panel in enumerate(look.panels):
            values["u_limits"], values["u_power_db"] = look.limits[place], look.powers_db[place]
            colour[panel].set(**values)
            self._bars[panel].set(**values)
