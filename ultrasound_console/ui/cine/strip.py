"""What the frames of a loop hold, as a picture: bars and a line. No Qt.

A loop has more frames than the strip has columns of pixels, and a strip is drawn anew as long as
the loop grows: it is made of arrays, a value for each column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .loop import Figures

Float64 = NDArray[np.float64]
Rgb = tuple[int, int, int]

# What reaches the top at least: noise stays low.
_LEAST_ALIASED_SHARE = 0.05
_LEAST_SPEED_M_S = 0.05
_OLD_OPACITY = 0.35
_LINE_PX = 1.6
# Dark beside the line, so that it is seen on the bars as well.
_RIM_PX = 4.0
_TOP_PX = 2


def strip_picture(
    figures: Figures,
    shape: tuple[int, int],
    pad_px: float,
    pixel_scale: float,
    *,
    ground: Rgb,
    bars: Rgb,
    line: Rgb,
) -> NDArray[np.uint8]:
    """Draw bars for the aliased shares and a line for the mean speeds, up to the largest of each.

    Where frames share a column, the bar is that of the largest share and the line that of the mean
    speed. Bars of outdated frames are pale, and behind the others.

    Parameters
    ----------
    figures : Figures
        Of one frame at least.
    shape : tuple of int
        (rows, columns) in physical pixels.
    pad_px : float
        Physical pixels from the edge to the first frame, and from the last frame to the edge.
    pixel_scale : float
        Physical per logical pixel.
    ground, bars, line : tuple of int
        Colours.

    Returns
    -------
    (rows, columns, 3) uint8
    """
    n_rows, n_columns = shape
    n = figures.aliased_share.size
    step_px = (n_columns - 2.0 * pad_px) / max(1, n - 1)
    # From edge to edge: rounded by itself, a bar would leave gaps or cover its neighbour.
    ends = np.rint(pad_px + step_px * (np.arange(n) + 0.5)).astype(np.int64)
    begin = max(0, round(pad_px - 0.5 * step_px))
    columns = np.arange(begin, min(int(ends[-1]), n_columns))
    first = np.searchsorted(ends, columns, side="right")
    high_px = n_rows - _TOP_PX * pixel_scale

    rows = np.arange(n_rows)[:, None]
    picture = np.empty((n_rows, n_columns, 3), np.float32)
    picture[:] = ground
    under = picture[:, columns[0] : columns[-1] + 1]
    shares = figures.aliased_share / max(_LEAST_ALIASED_SHARE, figures.largest_aliased_share)
    for outdated, opacity in ((True, _OLD_OPACITY), (False, 1.0)):
        of_these = np.where(figures.outdated == outdated, shares, 0.0)
        tops = np.rint(n_rows - high_px * np.maximum.reduceat(of_these, first))
        colour = opacity * np.array(bars) + (1.0 - opacity) * np.array(ground)
        under[rows >= tops] = colour

    speeds = figures.mean_speed_m_s / max(_LEAST_SPEED_M_S, figures.largest_speed_m_s)
    if step_px < 1.0:
        speeds = np.add.reduceat(speeds, first) / np.maximum(1, np.diff(first, append=n))
        x_px = columns + 0.5
    else:
        x_px = pad_px + step_px * np.arange(n)
        columns = np.arange(round(x_px[0]), round(x_px[-1]) + 1)
    y_px = n_rows - high_px * np.interp(columns + 0.5, x_px, speeds)
    under = picture[:, columns[0] : columns[-1] + 1]
    for ink, width_px in ((ground, _RIM_PX), (line, _LINE_PX)):
        cover = _cover(y_px, n_rows, 0.5 * width_px * pixel_scale)[..., None]
        under += cover * (np.array(ink, np.float32) - under)
    return np.rint(picture).astype(np.uint8)


def _cover(y_px: Float64, n_rows: int, half_width_px: float) -> NDArray[np.float32]:
    """Share of each pixel that a line covers which is at such a height in each column."""
    edges_px = np.concatenate([y_px[:1], 0.5 * (y_px[1:] + y_px[:-1]), y_px[-1:]])
    lowest = np.minimum(np.minimum(edges_px[1:], edges_px[:-1]), y_px)
    highest = np.maximum(np.maximum(edges_px[1:], edges_px[:-1]), y_px)
    rows = np.arange(n_rows)[:, None] + 0.5
    beside_px = np.maximum(np.maximum(lowest - rows, rows - highest), 0.0)
    cover: Float64 = np.clip(half_width_px + 0.5 - beside_px, 0.0, 1.0)
    return cover.astype(np.float32)
