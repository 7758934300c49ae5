"""What the source is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..assets import probe_names
from ..declared import Choice, Group, Range, setting

_DEGREES = 180.0 / math.pi

SCENE = "scene"
"""What a simulated scene has of its own."""
WAVEFORMS = (SCENE, "femoral", "carotid", "venous", "steady")
LEFTMOST_M, RIGHTMOST_M = -0.04, 0.04
"""Sides of a colour box that is as wide as the array allows."""
OFF = "off"
PRF_RATIOS = {"5x": 5.0, "4x": 4.0, "3x": 3.0}
"""Second PRF over the first one, by what it is called."""
ONE_PRF = "no second PRF: only simulated sources have one, and what was recorded with one"


def _side(default_m: float, label: str, description: str) -> Any:
    """Left or right side of the colour box; in a sector along the face of the array."""
    limits = LEFTMOST_M, RIGHTMOST_M
    return setting(default_m, Range(*limits, 0.0005, "m", label, description, "mm", 1e3))


def _edge(label: str, description: str) -> Any:
    """Upper or lower edge of the colour box."""
    return setting(0.0, Range(0.0, 0.25, 0.0005, "m", label, description, "mm", 1e3))


@dataclass(frozen=True)
class AcquisitionSettings(Group):
    """What the source is asked for; what it achieves is in ``frames.Acquisition``."""

    prf_hz: float = setting(
        3000.0,
        Range(
            100.0,
            50000.0,
            50.0,
            "Hz",
            "PRF",
            "Pulse repetition frequency. Lower shows slower flow; faster flow aliases.",
            "kHz",
            1e-3,
        ),
    )
    ensemble: int = setting(
        12,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble",
            "Pulses that make one colour frame; 0 takes all that a recording has.",
        ),
    )
    ensemble_step: int = setting(
        0,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble step",
            "Pulses from the start of one frame of a recording to the next; 0 is one ensemble.",
        ),
    )
    dual_prf: str = setting(
        OFF,
        Choice(
            (OFF, *PRF_RATIOS),
            "Dual PRF",
            "Two more pulses after the ensemble, at a PRF so many times as high, as far as the "
            "depth allows: their phase tells folds apart. A frame takes up to a pulse longer. For "
            "simulated sources; scanners here cannot do it.",
        ),
    )
    steering_rad: float = setting(
        math.radians(15.0),
        Range(
            math.radians(-20.0),
            math.radians(20.0),
            math.radians(1.0),
            "rad",
            "Steering",
            "Angle of the colour pulses and of the colour box.",
            "deg",
            _DEGREES,
        ),
    )
    depth_m: float = setting(
        0.045,
        Range(
            0.02,
            0.16,
            0.001,
            "m",
            "Depth",
            "Depth of the picture; a simulated scene may end before.",
            "mm",
            1e3,
        ),
    )
    box_left_m: float = _side(
        LEFTMOST_M,
        "Box left",
        "Left side of the colour box, at its upper edge, or in a sector along the array's face; "
        "auto is as far as the array reaches. The box can be dragged in the picture.",
    )
    box_right_m: float = _side(
        RIGHTMOST_M,
        "Box right",
        "Right side of the colour box, at its upper edge, or in a sector along the array's face; "
        "auto is as far as the array reaches.",
    )
    box_top_m: float = _edge(
        "Box top", "Depth of the upper edge of the colour box; auto is the source's own."
    )
    box_bottom_m: float = _edge(
        "Box bottom",
        "Depth of the lower edge of the colour box; auto is the source's own. A smaller box takes "
        "less time to compute.",
    )
    frame_rate_hz: float = setting(
        30.0,
        Range(
            1.0,
            60.0,
            1.0,
            "Hz",
            "Frame rate",
            "Frames per second asked of a live source; recordings keep their own.",
        ),
    )
    probe: str = setting(
        "l7-4",
        Choice(
            probe_names(),
            "Probe",
            "Array of the simulated probe; scanners and recordings have their own.",
        ),
    )
    transmit_frequency_hz: float = setting(
        0.0,
        Range(
            0.0,
            15e6,
            1e5,
            "Hz",
            "Transmit frequency",
            "Centre frequency of the transmitted pulse, within the probe's band; 0 is the "
            "middle of that. Recordings keep their own.",
            "MHz",
            1e-6,
        ),
    )
    n_cycles: int = setting(
        2,
        Range(
            1,
            8,
            1,
            "",
            "Cycles",
            "Length of the transmitted pulse. Longer is more sensitive and less sharp. Recordings "
            "keep their own.",
        ),
    )
    heart_rate_hz: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            1.0 / 12.0,
            "Hz",
            "Heart rate",
            "Rate of the simulated heart: the whole cycle is stretched or shortened; 0 is the "
            "scene's own.",
            "bpm",
            60.0,
        ),
    )
    peak_speed_m_s: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            0.05,
            "m/s",
            "Peak speed",
            "Highest speed of the simulated blood, wherever and whenever: all vessels are scaled "
            "alike; 0 is the scene's own.",
            "cm/s",
            100.0,
        ),
    )
    waveform: str = setting(
        SCENE,
        Choice(
            WAVEFORMS,
            "Waveform",
            "Course of the simulated flow over the heart cycle, in the first vessel of the scene. "
            "Another than the scene's own follows the walls without inertia: no jets, no eddies.",
        ),
    )
