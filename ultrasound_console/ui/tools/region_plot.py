"""The trace of regions as curves. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .. import theme
from ..plot import Curve, Drawing, Level
from .region_tool import Region
from .region_trace import RegionTrace
from .vessel_angle import angle_text

RAW_COLOUR = theme.WARNING
CORRECTED_COLOUR = theme.ACCENT
_LIMITS = "\N{PLUS-MINUS SIGN}v<sub>N</sub>"
LIVE_S = 8.0
"""How much of a growing loop is plotted."""


def title_of(region: Region | None, angle_rad: float) -> str:
    """Name the region that has all curves."""
    name = "Region" if region is None else region.name
    return f"{name}, {angle_text(angle_rad)} corrected" if angle_rad else name


def drawing_of(
    traces: Mapping[int, RegionTrace],
    regions: Sequence[Region],
    selected: int | None,
    nyquist_m_s: float,
    angle_rad: float,
    *,
    whole: bool,
) -> Drawing:
    """Plot raw and corrected velocity of the selected region, and the corrected mean of the others.

    Parameters
    ----------
    traces : mapping of int to RegionTrace
    regions : sequence of Region
    selected : int or None
        Number of a region.
    nyquist_m_s : float
        v_N, which is drawn as two lines.
    angle_rad : float
        Velocities are divided by its cosine.
    whole : bool
        All of the loop, or its last seconds.
    """
    scale = 100.0 / math.cos(angle_rad)
    curves: list[Curve] = []
    for region in sorted(regions, key=lambda region: region.number == selected):
        trace = traces.get(region.number)
        if trace is None:
            continue

        def curve(
            name: str,
            values: NDArray[np.float64],
            colour: str,
            width_px: float,
            *,
            dashed: bool = False,
            trace: RegionTrace = trace,
        ) -> Curve:
            return Curve(name, trace.time_s, scale * values, colour, width_px, dashed)

        is_corrected = any(sample.is_corrected for sample in trace.samples)
        if region.number != selected:
            name = f"{region.number} mean" if is_corrected else f"{region.number} raw mean"
            mean_m_s = trace.corrected_mean_m_s if is_corrected else trace.raw_mean_m_s
            curves.append(curve(name, mean_m_s, region.colour, 1.0))
            continue
        curves += [
            curve("raw max", trace.raw_fastest_m_s, RAW_COLOUR, 1.0, dashed=True),
            curve("raw mean", trace.raw_mean_m_s, RAW_COLOUR, 1.0),
        ]
        if is_corrected:
            fastest_m_s, mean_m_s = trace.corrected_fastest_m_s, trace.corrected_mean_m_s
            curves += [
                curve("de-aliased max", fastest_m_s, CORRECTED_COLOUR, 1.0, dashed=True),
                curve("de-aliased mean", mean_m_s, CORRECTED_COLOUR, 1.8),
            ]
    nyquist = scale * nyquist_m_s
    times_s = [trace.time_s for trace in traces.values() if trace.time_s.size]
    return Drawing(
        curves,
        levels=(Level(-nyquist), Level(0.0, theme.LINE), Level(nyquist, name=_LIMITS)),
        x_limits=_times(times_s, whole=whole) if times_s else None,
    )


def _times(times_s: list[NDArray[np.float64]], *, whole: bool) -> tuple[float, float] | None:
    """Return the axis's ends: whole seconds while the loop grows, so that it stands still."""
    first_s = min(float(times[0]) for times in times_s)
    last_s = max(float(times[-1]) for times in times_s)
    if whole:
        return (first_s, last_s) if last_s > first_s else None
    end_s = math.floor(last_s) + 1.0
    return max(math.floor(first_s), end_s - LIVE_S), end_s
