"""Where the panels lie on the canvas, and which part of the body each picture shows.

Pure values without Qt: logical pixels, x to the right and y down from the canvas's top left
corner. All panels share one window onto the body, so zoom and pan are linked by construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

N_PANELS = 3
"""Conventional, segmentation, de-aliased; the truth can be a fourth."""

TITLE_PX = 28
"""Room above each picture for its title."""
RULER_PX = 30
"""Room left of the first picture for the depth labels."""
BAR_ROOM_PX = 66
"""Room right of each picture for the colour bar and its labels."""
BAR_WIDTH_PX = 12
SIDE_PX = 300
"""Room for words beside the pictures."""
_BAR_GAP_PX = 8
_BAR_HEIGHT_PX = (60, 420)
_BAR_UNIT_PX = 16
KEY_PX = 36
"""Room below a bar and its unit for what else colours are marked with."""
_EDGE_PX = 6
_SMALLEST_PICTURE_PX = 16
_WIDEST = 1.35

MAX_ZOOM = 16.0
_PADDING = 0.015
_TICK_STEPS_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_LABEL_DISTANCE_PX = 38


@dataclass(frozen=True)
class Rect:
    """A rectangle in logical pixels; ``y`` is its top."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column to the right of it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.y + self.height

    def contains(self, x_px: float, y_px: float) -> bool:
        """Whether a point lies inside."""
        return self.x <= x_px < self.right and self.y <= y_px < self.bottom


@dataclass(frozen=True)
class Tick:
    """A mark on a ruler or a colour bar.

    Attributes
    ----------
    y_px : float
        Where on the canvas.
    text : str
        Its label; empty for a mark without one.
    strong : bool
        Worth an accent: the Nyquist limits of a bar.
    """

    y_px: float
    text: str
    strong: bool = False


@dataclass(frozen=True)
class View:
    """The layout of a canvas of some size, and the window that all its pictures share.

    Attributes
    ----------
    width_px, height_px : int
        Size of the canvas.
    extent_m : tuple of float
        (x_min, x_max, z_min, z_max) that a fitted picture shows.
    zoom : float
        1 shows all of the extent.
    center_m : tuple of float
        (x, z) in the middle of each picture; kept so that the picture stays filled.
    n_panels : int
    words_px : int
        Height of the words below each picture. Three panels or more leave it by being narrow.
    """

    width_px: int
    height_px: int
    extent_m: tuple[float, float, float, float] = (-0.02, 0.02, 0.0, 0.04)
    zoom: float = 1.0
    center_m: tuple[float, float] = (0.0, 0.0)
    n_panels: int = N_PANELS
    words_px: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "zoom", min(max(self.zoom, 1.0), MAX_ZOOM))
        object.__setattr__(self, "center_m", self._kept_inside(*self.center_m))

    # Layout

    @cached_property
    def side_px(self) -> int:
        """Room for words left of the ruler, where fewer than three pictures are larger for it."""
        if self.n_panels >= N_PANELS:
            return 0
        beside, below = self._fit(SIDE_PX, 0), self._fit(0, self.words_px)
        return SIDE_PX if beside > below else 0

    @property
    def foot_px(self) -> int:
        """Room for words below fewer than three pictures, which would fill the height."""
        return self.words_px if self.n_panels < N_PANELS and not self.side_px else 0

    def _fit(self, side_px: int, foot_px: int) -> float:
        """Magnification of a fitted picture with so much room for words."""
        x_min, x_max, z_min, z_max = self.extent_m
        cell = (self.width_px - side_px - RULER_PX) / self.n_panels
        width = max(_SMALLEST_PICTURE_PX, cell - _EDGE_PX - BAR_ROOM_PX)
        height = max(_SMALLEST_PICTURE_PX, self.height_px - TITLE_PX - _EDGE_PX - foot_px)
        return min(width / (x_max - x_min), height / (z_max - z_min))

    def panel_rect(self, panel: int) -> Rect:
        """Return all that belongs to a panel: title, picture, bar, and the first one's ruler."""
        left = 0 if panel == 0 else self._cell_x(panel)
        right = self.width_px if panel == self.n_panels - 1 else self._cell_x(panel + 1)
        return Rect(left, 0, right - left, self.height_px)

    def picture_rect(self, panel: int) -> Rect:
        """Return where a panel draws its picture; the same size in every panel."""
        left = self._cell_x(panel) + _EDGE_PX
        width = max(_SMALLEST_PICTURE_PX, math.floor(self._cell_px) - _EDGE_PX - BAR_ROOM_PX)
        return Rect(left, TITLE_PX, width, self._picture_height_px)

    @property
    def _picture_height_px(self) -> int:
        height = self.height_px - TITLE_PX - _EDGE_PX - self.foot_px
        return max(_SMALLEST_PICTURE_PX, height)

    @cached_property
    def _cell_px(self) -> float:
        """Width of a panel but for the ruler."""
        cell = (self.width_px - self.side_px - RULER_PX) / self.n_panels
        if self.n_panels >= N_PANELS:
            return cell
        # Ruler and bar stay near a picture that is narrower than its room.
        x_min, x_max, z_min, z_max = self.extent_m
        fitted = self._picture_height_px * (x_max - x_min) / (z_max - z_min)
        return min(cell, _WIDEST * fitted + _EDGE_PX + BAR_ROOM_PX)

    def _cell_x(self, panel: int) -> int:
        rest = self.width_px - self.side_px - RULER_PX - self.n_panels * self._cell_px
        return self.side_px + RULER_PX + round(0.5 * rest + panel * self._cell_px)

    def title_rect(self, panel: int) -> Rect:
        """Return the room for a panel's title."""
        panel_rect, picture = self.panel_rect(panel), self.picture_rect(panel)
        right = min(panel_rect.right, picture.right + BAR_ROOM_PX)
        return Rect(picture.x, 0, right - picture.x, TITLE_PX)

    def bar_rect(self, panel: int) -> Rect:
        """Return a colour bar, about as high as a fitted picture; labels go to its right."""
        picture = self.picture_rect(panel)
        low, high = _BAR_HEIGHT_PX
        *_, z_min, z_max = self.extent_m
        fitted = round((z_max - z_min) * self.pixels_per_m / self.zoom)
        height = min(
            max(fitted, low), high, picture.height - 2 * _BAR_GAP_PX - _BAR_UNIT_PX - KEY_PX
        )
        height = max(1, height)
        return Rect(picture.right + _BAR_GAP_PX, picture.y + _BAR_GAP_PX, BAR_WIDTH_PX, height)

    def bar_y_px(self, fraction: float) -> float:
        """Return the height of a place on the bars; 0 is their lower and 1 their upper end."""
        bar = self.bar_rect(0)
        return bar.bottom - fraction * bar.height

    # The window onto the body

    @property
    def pixels_per_m(self) -> float:
        """Magnification, the same along x and z."""
        picture = self.picture_rect(0)
        x_min, x_max, z_min, z_max = self.extent_m
        fit = min(picture.width / (x_max - x_min), picture.height / (z_max - z_min))
        return self.zoom * fit * (1 - 2 * _PADDING)

    @property
    def window_m(self) -> tuple[float, float, float, float]:
        """(x_min, x_max, z_min, z_max) that each picture shows."""
        picture, (x_m, z_m) = self.picture_rect(0), self.center_m
        half_x_m = 0.5 * picture.width / self.pixels_per_m
        half_z_m = 0.5 * picture.height / self.pixels_per_m
        return x_m - half_x_m, x_m + half_x_m, z_m - half_z_m, z_m + half_z_m

    def position_m(self, x_px: float, y_px: float) -> tuple[int, float, float] | None:
        """Return panel and place in the body under a point, or None beside the pictures."""
        for panel in range(self.n_panels):
            if self.picture_rect(panel).contains(x_px, y_px):
                return panel, *self.metres(panel, x_px, y_px)
        return None

    def pixel(self, panel: int, x_m: float, z_m: float) -> tuple[float, float]:
        """Return where a panel shows a place in the body; the inverse of :meth:`position_m`."""
        picture, (center_x_m, center_z_m) = self.picture_rect(panel), self.center_m
        return (
            picture.x + 0.5 * picture.width + (x_m - center_x_m) * self.pixels_per_m,
            picture.y + 0.5 * picture.height + (z_m - center_z_m) * self.pixels_per_m,
        )

    @property
    def _tick_step_mm(self) -> float:
        """Distance between labelled marks of both rulers."""
        pixels_per_mm = self.pixels_per_m * 1e-3
        return next(
            (step for step in _TICK_STEPS_MM if step * pixels_per_mm >= _LABEL_DISTANCE_PX),
            _TICK_STEPS_MM[-1],
        )

    def depth_ticks(self) -> tuple[Tick, ...]:
        """Return the depth ruler's marks: labelled ones in mm, and plain ones between them."""
        *_, z_min, z_max = self.window_m
        step_mm = self._tick_step_mm
        decimals = 1 if step_mm < 1 else 0
        first = max(0, math.ceil(z_min * 1e3 / step_mm * 2 - 1e-6))
        last = math.floor(min(z_max, self.extent_m[3]) * 1e3 / step_mm * 2 + 1e-6)
        ticks = []
        for half_step in range(first, last + 1):
            z_mm = half_step * step_mm / 2
            text = f"{z_mm:.{decimals}f}" if half_step % 2 == 0 else ""
            ticks.append(Tick(self.pixel(0, 0.0, z_mm * 1e-3)[1], text))
        return tuple(ticks)

    def lateral_steps(self) -> tuple[tuple[int, float], ...]:
        """Return the marks along the probe: half steps from its middle, and their x in metres.

        They are as far apart as those of the depth ruler, whose labels tell how far that is.
        """
        x_min, x_max, *_ = self.window_m
        half_m = 0.5e-3 * self._tick_step_mm
        first = math.ceil(max(x_min, self.extent_m[0]) / half_m - 1e-6)
        last = math.floor(min(x_max, self.extent_m[1]) / half_m + 1e-6)
        return tuple((number, number * half_m) for number in range(first, last + 1))

    # Changes: each returns another view

    def resized(self, width_px: int, height_px: int) -> View:
        """Return the same window on a canvas of another size."""
        return replace(self, width_px=width_px, height_px=height_px)

    def showing(self, extent_m: tuple[float, float, float, float]) -> View:
        """Return the same zoom over another extent."""
        return replace(self, extent_m=extent_m)

    def parted(self, n_panels: int, words_px: int = 0) -> View:
        """Return the same zoom in another number of panels."""
        return replace(self, n_panels=n_panels, words_px=words_px)

    def fitted(self) -> View:
        """Return a view of all of the extent."""
        return replace(self, zoom=1.0)

    def zoomed(self, factor: float, x_px: float, y_px: float) -> View:
        """Magnify about a point of any picture: what is under it stays there, where it can."""
        panels = range(self.n_panels)
        panel = next((i for i in panels if self.panel_rect(i).contains(x_px, y_px)), 0)
        x_m, z_m = self.metres(panel, x_px, y_px)
        zoom = min(max(self.zoom * factor, 1.0), MAX_ZOOM)
        shrink = self.zoom / zoom
        center_x_m, center_z_m = self.center_m
        center_m = x_m + (center_x_m - x_m) * shrink, z_m + (center_z_m - z_m) * shrink
        return replace(self, zoom=zoom, center_m=center_m)

    def panned(self, dx_px: float, dy_px: float) -> View:
        """Drag by that many pixels; stops at the edge of the extent."""
        x_m, z_m = self.center_m
        scale = self.pixels_per_m
        return replace(self, center_m=(x_m - dx_px / scale, z_m - dy_px / scale))

    def metres(self, panel: int, x_px: float, y_px: float) -> tuple[float, float]:
        """Return (x, z) that a panel would show under a point, also beside its picture."""
        picture, (x_m, z_m) = self.picture_rect(panel), self.center_m
        scale = self.pixels_per_m
        return (
            x_m + (x_px - picture.x - 0.5 * picture.width) / scale,
            z_m + (y_px - picture.y - 0.5 * picture.height) / scale,
        )

    def _kept_inside(self, x_m: float, z_m: float) -> tuple[float, float]:
        """Move the centre so that no needless border shows: centred in x, hung from the top."""
        x_min, x_max, z_min, z_max = self.extent_m
        pad_m = _PADDING * max(x_max - x_min, z_max - z_min)
        x_min, x_max, z_min, z_max = x_min - pad_m, x_max + pad_m, z_min - pad_m, z_max + pad_m
        picture, scale = self.picture_rect(0), self.pixels_per_m
        half_x_m, half_z_m = 0.5 * picture.width / scale, 0.5 * picture.height / scale
        if 2 * half_x_m >= x_max - x_min:
            x_m = 0.5 * (x_min + x_max)
        else:
            x_m = min(max(x_m, x_min + half_x_m), x_max - half_x_m)
        if 2 * half_z_m >= z_max - z_min:
            z_m = z_min + half_z_m
        else:
            z_m = min(max(z_m, z_min + half_z_m), z_max - half_z_m)
        return x_m, z_m
