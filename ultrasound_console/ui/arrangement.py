"""Where the controls go."""

from __future__ import annotations

from ..render.view import View
from . import messages, top_strip
from .cine import bar as cine_bar
from .control_panel import COLUMN_WIDTH_PX, STRIP_HEIGHT_PX, Arrangement
from .tools import tool_row

WIDE_PX = 1600


def arrangement_for(
    width_px: int, height_px: int, extent_m: tuple[float, float, float, float]
) -> Arrangement:
    """Choose the place of the controls that leaves the larger pictures in a window.

    Parameters
    ----------
    width_px, height_px : int
        Of the window.
    extent_m : tuple of float
        (x_min, x_max, z_min, z_max) of the picture.
    """
    if width_px < WIDE_PX:
        return Arrangement.STRIP
    bars_px = top_strip.HEIGHT_PX + cine_bar.HEIGHT_PX + messages.STATUS_HEIGHT_PX
    rest_px = height_px - bars_px - tool_row.HEIGHT_PX
    below = View(width_px, rest_px - STRIP_HEIGHT_PX, extent_m)
    beside = View(width_px - COLUMN_WIDTH_PX, rest_px, extent_m)
    larger = beside.pixels_per_m > below.pixels_per_m
    return Arrangement.COLUMN if larger else Arrangement.STRIP
