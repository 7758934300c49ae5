"""The flow along one line over time, as pictures: raw and corrected. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...cine import LoopFrame
from ...export.measurements import BY_HAND, CM_S, CORRECTED, RAW, Conditions, Row, VelocityIs
from ...frames import DopplerFrame, Status
from ...render.colour_maps import N_COLOURS, VELOCITY_MAPS
from ...render.even_time import spread_evenly
from ...settings import DisplaySettings
from ...settings.display import CLASSIC, POWER
from ..plot import Raster
from .flow_profile import places_along, read_flow

Float64 = NDArray[np.float64]
Point = tuple[float, float]
Strips = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""(n, 3) each: the colours of one frame along the line, raw and corrected."""


@dataclass(frozen=True, eq=False)
class Column:
    """One frame along the line.

    Attributes
    ----------
    told : LoopFrame
        The frame; another one once it has been processed again.
    conditions : Conditions
    raw_m_s, corrected_m_s : (n,) float64
        NaN where there is no flow.
    bmode_db : (n,) float64
        NaN outside the picture.
    is_by_hand : bool
        Whether folds of the frame were given by hand.
    shown_m_s : tuple of (n,) float64
        Both velocities at f0, as the panels show them.
    """

    told: LoopFrame
    conditions: Conditions
    raw_m_s: Float64
    corrected_m_s: Float64
    bmode_db: Float64
    is_by_hand: bool
    shown_m_s: tuple[Float64, Float64]

    @property
    def is_corrected(self) -> bool:
        """Whether anybody looked for folds; else the corrected velocity is that measured."""
        return self.told.processing.dealias or self.is_by_hand


@dataclass(frozen=True)
class Look:
    """How velocities become colours: as in the panels.

    Attributes
    ----------
    display : DisplaySettings
    raw_m_s, corrected_m_s : tuple of float
        Ends of both colour bars.
    """

    display: DisplaySettings
    raw_m_s: tuple[float, float]
    corrected_m_s: tuple[float, float]


def column_of(
    told: LoopFrame, frame: DopplerFrame, start_m: Point, end_m: Point, distance_m: Float64
) -> Column:
    """Read a frame along a line, at some distances from its start."""
    places = places_along(frame, start_m, end_m, distance_m)
    raw_m_s, corrected_m_s = shown_m_s = read_flow(frame, *places)
    if frame.frequency_factor is not None:
        shown_m_s = read_flow(replace(frame, frequency_factor=None), *places)
    grid = frame.acquisition.bmode_grid
    share = distance_m / max(math.dist(start_m, end_m), 1e-9)
    (x0, z0), (x1, z1) = start_m, end_m
    row, column = (np.rint(i) for i in grid.indices(x0 + share * (x1 - x0), z0 + share * (z1 - z0)))
    inside = (row >= 0) & (row < grid.n_depths) & (column >= 0) & (column < grid.n_lines)
    bmode_db = np.full(distance_m.size, np.nan)
    bmode_db[inside] = frame.bmode_db[row[inside].astype(int), column[inside].astype(int)]
    is_by_hand = bool((frame.status == Status.BY_HAND).any())
    conditions = Conditions.of(frame)
    return Column(told, conditions, raw_m_s, corrected_m_s, bmode_db, is_by_hand, shown_m_s)


def strips_of(column: Column, look: Look) -> Strips:
    """Paint raw and corrected velocity of one frame over grey."""
    display = look.display
    grey = 1.0 + (column.bmode_db + display.bmode_gain_db) / display.bmode_dynamic_range_db
    grey = np.nan_to_num(255.0 * np.clip(grey, 0.0, 1.0))[:, None]
    raw_m_s, corrected_m_s = column.shown_m_s
    low_m_s, high_m_s = look.raw_m_s
    # Around the baseline, as in the conventional panel.
    raw_m_s = low_m_s + np.mod(raw_m_s - low_m_s, high_m_s - low_m_s)
    opacity = np.where(np.isfinite(raw_m_s), display.overlay_opacity, 0.0)[:, None]
    grey *= 1.0 - opacity
    raw = opacity * _colours(raw_m_s, look.raw_m_s, display) + grey
    corrected = opacity * _colours(corrected_m_s, look.corrected_m_s, display) + grey
    return raw.astype(np.uint8), corrected.astype(np.uint8)


def rasters(
    time_s: Float64, strips: Sequence[Strips], y_limits: tuple[float, float]
) -> tuple[Raster, Raster]:
    """Put painted frames side by side; where frames are missing it stays black.

    Parameters
    ----------
    time_s : (n,) float64
        Of the frames, rising.
    strips : sequence of Strips
        At least one.
    y_limits : tuple of float
        Of the pictures.
    """
    at, x_limits = spread_evenly(time_s)
    painted = []
    for which in zip(*strips, strict=True):
        side_by_side = np.stack(which, axis=1)[:, at]
        side_by_side[:, at < 0] = 0
        painted.append(Raster(side_by_side, x_limits, y_limits))
    return painted[0], painted[1]


def _colours(
    values_m_s: Float64, limits_m_s: tuple[float, float], display: DisplaySettings
) -> NDArray[np.uint8]:
    """Colours of velocities as in the panels, where the map is one of velocities."""
    low_m_s, high_m_s = limits_m_s
    name = CLASSIC if display.colour_map == POWER else display.colour_map
    values_m_s = np.nan_to_num(values_m_s)
    # Zero is in the dark middle wherever the baseline is.
    share = np.where(values_m_s < 0.0, -values_m_s / min(low_m_s, -1e-9), values_m_s / high_m_s)
    share = np.clip(-share if display.invert else share, -1.0, 1.0)
    at = np.rint(0.5 * (N_COLOURS - 1) * (share + 1.0)).astype(int)
    colours: NDArray[np.uint8] = VELOCITY_MAPS[name][at]
    return colours


def mmode_rows(columns: Sequence[Column], angle_rad: float | None) -> list[Row]:
    """Peak and mean velocity along the line in every frame."""
    scale = 100.0 / math.cos(angle_rad or 0.0)
    rows = []
    for column in columns:
        given = replace(column.conditions, angle_rad=angle_rad)
        kinds: list[tuple[VelocityIs, Float64]] = [(RAW, column.raw_m_s)]
        if column.is_corrected:
            kinds.append((BY_HAND if column.is_by_hand else CORRECTED, column.corrected_m_s))
        for velocity_is, values_m_s in kinds:
            flow_m_s = values_m_s[np.isfinite(values_m_s)]
            if not flow_m_s.size:
                continue
            peak_m_s = flow_m_s[np.argmax(np.abs(flow_m_s))]
            for quantity, value_m_s in (
                ("peak velocity along the line", peak_m_s),
                ("mean velocity along the line", flow_m_s.mean()),
            ):
                value = scale * float(value_m_s)
                rows.append(Row("M-mode", "", quantity, value, CM_S, velocity_is, given))
    return rows
