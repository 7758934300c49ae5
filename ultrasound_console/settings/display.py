"""How the picture shows what was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..declared import Choice, Group, Range, Switch, setting

VIEWS = TRIPLE, DUAL, ONLY_RAW, ONLY_FOLDS, ONLY_DEALIASED = (
    "triple",
    "dual",
    "conventional",
    "segmentation",
    "de-aliased",
)
"""Which panels are shown: all three, conventional beside de-aliased, or one."""
COLOUR_MAPS = CLASSIC, SAFE, VARIANCE, POWER = (
    "classic",
    "colour-blind safe",
    "velocity-variance",
    "power",
)
"""What colours stand for."""
PLOTS = AUTOMATIC, OPEN, CLOSED = "automatic", "open", "closed"
"""Whether there are plots under the pictures."""

N_TGC = 8
TGC = tuple(f"tgc_{number}_db" for number in range(1, N_TGC + 1))
"""Gains along depth, from the probe down."""


def _tgc(number: int) -> Any:
    """One of the gains along depth."""
    where = {1: ", nearest the probe", N_TGC: ", deepest"}.get(number, "")
    return setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            f"TGC {number}",
            f"Brightness of the grey picture at one of {N_TGC} depths{where}.",
        ),
    )


@dataclass(frozen=True)
class DisplaySettings(Group):
    """Uniforms of the picture: they work on a frozen frame and change no stored value."""

    colour_scale_m_s: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            0.01,
            "m/s",
            "Colour scale",
            "Velocity at the end of the de-aliased bar, before any angle correction; 0 follows the "
            "flow.",
            "cm/s",
            100.0,
        ),
    )
    baseline: float = setting(
        0.0,
        Range(
            -0.95,
            0.95,
            0.05,
            "v_N",
            "Baseline",
            "Shifts the zero line of the conventional panel, in Nyquist velocities.",
        ),
    )
    invert: bool = setting(False, Switch("Invert", "Swap the colours of the two directions."))
    angle_rad: float = setting(
        0.0,
        Range(
            0.0,
            math.radians(79.0),
            math.radians(1.0),
            "rad",
            "Angle",
            "Between beam and vessel: read-outs and bars are divided by its cosine. 0 is no "
            "correction, and beyond 60 degrees it is unreliable. Changes no velocity that is kept.",
            "deg",
            math.degrees(1.0),
        ),
    )
    colour_gain_db: float = setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            "Colour gain",
            "Shows weaker (plus) or only stronger (minus) flow. Changes no velocity.",
        ),
    )
    write_priority: float = setting(
        0.52,
        Range(0.0, 1.0, 0.02, "", "Priority", "Grey level above which B-mode wins over colour."),
    )
    overlay_opacity: float = setting(
        0.85, Range(0.0, 1.0, 0.05, "", "Overlay opacity", "How much colour covers grey.")
    )
    bmode_gain_db: float = setting(
        0.0, Range(-30.0, 30.0, 1.0, "dB", "B-mode gain", "Brightness of the grey picture.")
    )
    bmode_dynamic_range_db: float = setting(
        55.0,
        Range(30.0, 90.0, 1.0, "dB", "Dynamic range", "From black to white in the grey picture."),
    )
    tgc_1_db: float = _tgc(1)
    tgc_2_db: float = _tgc(2)
    tgc_3_db: float = _tgc(3)
    tgc_4_db: float = _tgc(4)
    tgc_5_db: float = _tgc(5)
    tgc_6_db: float = _tgc(6)
    tgc_7_db: float = _tgc(7)
    tgc_8_db: float = _tgc(8)
    interpolate: bool = setting(
        True, Switch("Interpolate", "Smooth between samples, without a seam at the Nyquist fold.")
    )
    colour_map: str = setting(
        CLASSIC,
        Choice(
            COLOUR_MAPS,
            "Colour map",
            "Velocity; velocity, and in green how disturbed the flow is; or the power of the flow, "
            "which shows the weakest, with a hue for each direction.",
        ),
    )
    view: str = setting(
        TRIPLE,
        Choice(
            VIEWS,
            "View",
            "Three panels, two (conventional and de-aliased), or one of the three. Keys 3, 2, 1.",
        ),
    )
    swap: bool = setting(
        False, Switch("Swap", "The panels the other way round: de-aliased on the left. Key X.")
    )
    auto_freeze_s: float = setting(
        0.0,
        Range(
            0.0,
            3600.0,
            60.0,
            "s",
            "Auto-freeze",
            "Freezes a live picture after so long without mouse or key, so that the probe does not "
            "transmit for nobody; 0 never does.",
            "min",
            1.0 / 60.0,
        ),
    )
    truth: bool = setting(
        False, Switch("Truth", "One more picture: the true velocity of a simulated source.")
    )
    plots: str = setting(
        AUTOMATIC,
        Choice(
            PLOTS,
            "Plots",
            "Traces under the pictures; automatic: where they cost the pictures no room. Key T.",
        ),
    )

    @property
    def angle_factor(self) -> float:
        """What velocities are multiplied by where they are read: 1 over the angle's cosine."""
        return 1.0 / math.cos(self.angle_rad)

    @property
    def tgc_db(self) -> tuple[float, ...]:
        """Gains from the nearest to the deepest of the depths, which are evenly spaced."""
        return tuple(getattr(self, name) for name in TGC)
