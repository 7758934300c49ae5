"""Regions and their traces as rows of the table of measurements. No Qt."""

from __future__ import annotations

import math
from dataclasses import replace

from ...export.measurements import (
    BY_HAND,
    CM_S,
    CORRECTED,
    MM,
    NO_VELOCITY,
    PERCENT,
    RAW,
    Conditions,
    Row,
    VelocityIs,
)
from ...measure import RegionStatistics, VelocityStatistics
from .region_tool import Region
from .region_trace import RegionTrace

_DEGREES = "deg"
_MM2 = "mm2"


def region_rows(
    region: Region, found: RegionStatistics, conditions: Conditions, *, corrected: bool
) -> list[Row]:
    """All that is known of a region in one frame.

    Parameters
    ----------
    region : Region
    found : RegionStatistics
    conditions : Conditions
        Velocities are divided by the cosine of its angle.
    corrected : bool
        Whether folds were looked for: without that there are no corrected velocities.
    """
    ellipse = region.ellipse
    plain = (
        ("centre x", 1e3 * ellipse.x_m, MM),
        ("centre z", 1e3 * ellipse.z_m, MM),
        ("first half axis", 1e3 * ellipse.half_m[0], MM),
        ("second half axis", 1e3 * ellipse.half_m[1], MM),
        ("angle of the first axis from x towards z", math.degrees(ellipse.angle_rad), _DEGREES),
        ("area", 1e6 * ellipse.area_m2, _MM2),
        ("pixels", found.n_pixels, ""),
        ("pixels with flow", found.n_flow, ""),
        ("aliased share of the flow", 100.0 * found.aliased_share, PERCENT),
        ("share of the flow left as measured", 100.0 * found.left_share, PERCENT),
        ("share of the flow folded by hand", 100.0 * found.by_hand_share, PERCENT),
    )
    name, kind = region.name, "region"
    rows = [
        Row(kind, name, what, value, unit, NO_VELOCITY, conditions) for what, value, unit in plain
    ]
    for velocity, velocity_is in _velocities(found, corrected=corrected):
        for what, value_m_s in (
            ("mean velocity", velocity.mean_m_s),
            ("standard deviation of velocity", velocity.sd_m_s),
            ("least velocity", velocity.low_m_s),
            ("greatest velocity", velocity.high_m_s),
            ("fastest velocity", velocity.fastest_m_s),
        ):
            value = _scale(conditions) * value_m_s
            rows.append(Row(kind, name, what, value, CM_S, velocity_is, conditions))
    return rows


def trace_rows(region: Region, trace: RegionTrace, angle_rad: float | None) -> list[Row]:
    """Mean and fastest velocity and the aliased share of a region in every frame of the loop."""
    kind, name = "region trace", region.name
    rows = []
    for sample in trace.samples:
        found, given = sample.statistics, replace(sample.conditions, angle_rad=angle_rad)
        share = 100.0 * found.aliased_share
        rows.append(
            Row(kind, name, "aliased share of the flow", share, PERCENT, NO_VELOCITY, given)
        )
        for velocity, velocity_is in _velocities(found, corrected=sample.is_corrected):
            for what, value_m_s in (
                ("mean velocity", velocity.mean_m_s),
                ("fastest velocity", velocity.fastest_m_s),
            ):
                value = _scale(given) * value_m_s
                rows.append(Row(kind, name, what, value, CM_S, velocity_is, given))
    return rows


def _velocities(
    found: RegionStatistics, *, corrected: bool
) -> list[tuple[VelocityStatistics, VelocityIs]]:
    raw: list[tuple[VelocityStatistics, VelocityIs]] = [(found.raw, RAW)]
    if not corrected and not found.n_by_hand:
        return raw
    return [*raw, (found.corrected, BY_HAND if found.n_by_hand else CORRECTED)]


def _scale(conditions: Conditions) -> float:
    return 100.0 / math.cos(conditions.angle_rad or 0.0)
