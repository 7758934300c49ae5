"""The scenes: one value each, from which everything else follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .flow import Flow
from .tissue import GROIN, PLAIN, Tissue
from .vessels import Bifurcation, Channel, Disc, Lumen, Wall, straight_walls
from .waveform import FEMORAL, PRESSURE, STEADY, Waveform

# Blood and tissue are simulated a little beyond the sides of the picture.
EDGE_M = 21e-3


@dataclass(frozen=True)
class Scene:
    """A piece of a patient or a phantom.

    Attributes
    ----------
    name : str
    lumen : Lumen
        Vessels, or whatever else moves.
    tissue : Tissue
        What does not.
    waveform : Waveform
        Course of the flow over the heart cycle.
    peak_speed_m_s : float
        Highest speed in the scene.
    wall_lead_s : float
        How much earlier the flow along the walls changes than in the core.
    pressure : Waveform
        How far the walls give way.
    blood_db : float
        Echo level of what moves, relative to tissue at 0 dB.
    noise_db : float
        Noise of one element, relative to the echo of tissue at 0 dB in 20 mm depth.
    colour_range_m : tuple of float
        Depths that hold the flow.
    steering_rad : float or None
        Steering that the scene begins with; None takes what is set.
    seed : int
    """

    name: str
    lumen: Lumen
    tissue: Tissue
    waveform: Waveform = STEADY
    peak_speed_m_s: float = 0.6
    wall_lead_s: float = 0.0
    pressure: Waveform = PRESSURE
    blood_db: float = -43.0
    noise_db: float = -60.0
    colour_range_m: tuple[float, float] = (6e-3, 30e-3)
    steering_rad: float | None = None
    seed: int = 1

    def flow(self) -> Flow:
        """Build the flow of this scene, once."""
        return _flow(self)


@lru_cache(maxsize=4)
def _flow(scene: Scene) -> Flow:
    return Flow(
        scene.lumen,
        scene.waveform,
        peak_speed_m_s=scene.peak_speed_m_s,
        wall_lead_s=scene.wall_lead_s,
        edge_m=EDGE_M,
    )


def _mm(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((1e-3 * x, 1e-3 * z) for x, z in points)


def _narrowed(middle_z_m: float, radius_m: float, left: float) -> tuple[Wall, Wall]:
    """Walls of a vessel along x that is narrowed at x = -5 mm to the given part of its width."""
    x_mm = [-26.0, -20.0, -16.0, -12.5, -10.0, -8.0, -6.5, -5.0, -3.5, -2.0, 0.0, 2.5, 6.0,
            10.0, 16.0, 21.0, 26.0]  # fmt: skip
    radius = [radius_m * (1.0 - (1.0 - left) * math.exp(-(((x + 5.0) / 3.2) ** 2))) for x in x_mm]
    upper = [(1e-3 * x, middle_z_m - r) for x, r in zip(x_mm, radius, strict=True)]
    lower = [(1e-3 * x, middle_z_m + r) for x, r in zip(x_mm, radius, strict=True)]
    return Wall(tuple(upper), 0.0), Wall(tuple(lower[::-1]), 1.0)


_FEMORAL = Bifurcation(
    upper=Wall(
        _mm((-25, 8.0), (-18, 9.0), (-11, 9.9), (-5, 10.5), (0, 10.7), (5, 10.7), (11, 10.6),
            (18, 10.6), (25, 10.8)),
        0.0,
    ),
    lower=Wall(
        _mm((25, 32.9), (20, 30.2), (15, 27.6), (10, 25.0), (6, 22.9), (3, 21.2), (0, 19.5),
            (-3, 18.15), (-7, 17.3), (-12, 16.7), (-18, 16.0), (-25, 15.1)),
        1.0,
    ),
    divider=Wall(
        _mm((25, 15.4), (19, 15.3), (13, 15.25), (7, 15.2), (3, 15.2), (1.4, 15.3), (0.85, 15.6),
            (1.4, 16.0), (3, 16.85), (6, 18.5), (10, 20.6), (15, 23.2), (25, 28.4)),
        0.53,
    ),
)  # fmt: skip

_ALL = (
    Scene(
        "femoral-bifurcation",
        _FEMORAL,
        GROIN,
        FEMORAL,
        peak_speed_m_s=0.9,
        wall_lead_s=0.035,
    ),
    Scene(
        "straight-tube",
        Channel(*straight_walls((0.0, 18e-3), 3.5e-3, math.radians(12.0), 26e-3)),
        PLAIN,
        peak_speed_m_s=0.4,
    ),
    Scene(
        "stenosis",
        Channel(*_narrowed(17e-3, 3.4e-3, 0.45), jet_m=(-5.5e-3, 28e-3), jet_strength=7.0),
        GROIN,
        FEMORAL,
        peak_speed_m_s=1.8,
        wall_lead_s=0.03,
        seed=3,
    ),
    Scene(
        "rotating-disc",
        Disc((0.0, 19e-3), 9e-3),
        PLAIN,
        peak_speed_m_s=0.35,
        blood_db=-6.0,
        noise_db=-23.0,
        colour_range_m=(8e-3, 30e-3),
        steering_rad=0.0,
    ),
)
SCENES: dict[str, Scene] = {scene.name: scene for scene in _ALL}
