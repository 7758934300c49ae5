"""The scenes: one value each, from which everything else follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .flow import Flow
from .stream import Blood, ClosedForm, Solved
from .tissue import BELLY, GROIN, GROIN_WITH_PLAQUE, NECK, PLAIN, Tissue
from .vessels import Bifurcation, Channel, Disc, Wall, straight_walls
from .waveform import AORTIC, CAROTID, EXTERNAL_CAROTID, FEMORAL, PRESSURE, VENOUS, Waveform

# Blood and tissue are simulated a little beyond the sides of the picture.
EDGE_M = 21e-3
_AORTA_SPACING_M = 3e-4


@dataclass(frozen=True)
class Scene:
    """A piece of a patient or a phantom.

    Attributes
    ----------
    name : str
    vessels : tuple of Blood
        What moves. Vessels lie 1.2 mm apart at least, and their cycles fit into the longest.
    tissue : Tissue
        What does not.
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
    prf_hz : float
        PRF that it begins with, so that it aliases.
    title : str
        Its name as it is read; empty where that is the name with spaces.
    about : str
        What there is to see, in a few words.
    lesson : str
        What it shows about aliasing, in a sentence.
    seed : int
    edge_m : float
        Blood and tissue are there for abs(x) up to this.
    depth_m : float
        Depth of the deepest picture.
    probe : str
        Probe that it begins with, where the one in use looks at things of another size.
    start_depth_m : float
        Depth of the picture that it then begins with.
    """

    name: str
    vessels: tuple[Blood, ...]
    tissue: Tissue
    pressure: Waveform = PRESSURE
    blood_db: float = -43.0
    noise_db: float = -57.0
    colour_range_m: tuple[float, float] = (6e-3, 30e-3)
    steering_rad: float | None = None
    prf_hz: float = 3000.0
    title: str = ""
    about: str = ""
    lesson: str = ""
    seed: int = 1
    edge_m: float = EDGE_M
    depth_m: float = 0.06
    probe: str = "l7-4"
    start_depth_m: float = 0.045

    @property
    def period_s(self) -> float:
        """Time after which everything repeats."""
        pulsating = [blood.waveform for blood in self.vessels if blood.waveform.bumps]
        return max(course.period_s for course in pulsating or [self.waveform])

    @property
    def waveform(self) -> Waveform:
        """Course of the flow in the first vessel that pulsates; it names the heart's phases."""
        courses = [blood.waveform for blood in self.vessels]
        return next((course for course in courses if course.bumps), courses[0])

    def flow(self) -> Flow:
        """Build the flow of this scene, once."""
        return _flow(self)


@lru_cache(maxsize=12)
def _flow(scene: Scene) -> Flow:
    return Flow(
        tuple(blood.lumen for blood in scene.vessels),
        tuple(blood.stream(scene.edge_m) for blood in scene.vessels),
        edge_m=scene.edge_m,
    )


def _mm(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((1e-3 * x, 1e-3 * z) for x, z in points)


def _between(
    upper_mm: tuple[tuple[float, float], ...], lower_mm: tuple[tuple[float, float], ...]
) -> Channel:
    """Vessel between two walls, both given from left to right."""
    return Channel(Wall(_mm(*upper_mm), 0.0), Wall(_mm(*lower_mm)[::-1], 1.0))


def _winding(middle_mm: float, radius_mm: float, swing_mm: float, length_mm: float) -> Channel:
    """Vessel of one width around a sine."""
    upper, lower = [], []
    for k in range(-28, 29, 2):
        turn = 2.0 * math.pi * k / length_mm
        slope = swing_mm * 2.0 * math.pi / length_mm * math.cos(turn)
        z = middle_mm + swing_mm * math.sin(turn)
        away = radius_mm / math.hypot(1.0, slope)
        upper.append((k + away * slope, z - away))
        lower.append((k - away * slope, z + away))
    return _between(tuple(upper), tuple(lower))


def _narrowed(middle_mm: float, radius_mm: float, left: float) -> Channel:
    """Vessel along x that is narrowed at x = -5 mm to the given part of its width."""
    x_mm = (-26.0, -20.0, -16.0, -12.5, -10.0, -8.0, -6.5, -5.0, -3.5, -2.0, 0.0, 2.5, 6.0,
            10.0, 16.0, 21.0, 26.0)  # fmt: skip
    radii = [radius_mm * (1.0 - (1.0 - left) * math.exp(-(((x + 5.0) / 3.2) ** 2))) for x in x_mm]
    sides = [tuple((x, middle_mm + side * r) for x, r in zip(x_mm, radii, strict=True))
             for side in (-1, 1)]  # fmt: skip
    return _between(*sides)


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

# The common carotid artery from the left; above the external, below the internal with its bulb,
# along whose outer wall the flow parts and turns back.
_CAROTID = Bifurcation(
    upper=Wall(
        _mm((-26, 11.3), (-19, 11.3), (-12, 11.1), (-4, 10.6), (0, 10.2), (5, 9.2), (10, 8.2),
            (17, 7.0), (26, 5.8)),
        0.0,
    ),
    lower=Wall(
        _mm((26, 25.7), (20, 24.5), (15, 23.8), (10, 23.3), (6, 22.4), (2, 20.7), (-2, 18.8),
            (-6, 17.8), (-12, 17.6), (-19, 17.7), (-26, 17.7)),
        1.0,
    ),
    divider=Wall(
        _mm((26, 9.6), (17, 10.8), (10, 12.1), (5, 13.2), (3.4, 13.65), (2.85, 14.0), (3.4, 14.45),
            (5, 15.1), (10, 16.9), (15, 18.5), (20, 19.7), (26, 20.8)),
        0.36,
    ),
)  # fmt: skip

# A narrow neck, a sac, and a wider way out: the jet runs between two vortices.
_SAC = _between(
    ((-26, 16.4), (-20, 16.4), (-14, 16.4), (-9.4, 16.3), (-7.7, 15.2), (-5.8, 12.8), (-3, 11.1),
     (0, 10.5), (3, 11.0), (5.8, 12.4), (7.8, 14.4), (9.4, 15.3), (14, 15.5), (20, 15.5),
     (26, 15.5)),
    ((-26, 19.6), (-20, 19.6), (-14, 19.6), (-9.4, 19.7), (-7.7, 20.7), (-5.8, 23.0), (-3, 24.8),
     (0, 25.5), (3, 25.1), (5.8, 23.7), (7.8, 21.6), (9.4, 20.7), (14, 20.5), (20, 20.5),
     (26, 20.5)),
)  # fmt: skip

_ARTERY = _between(
    ((-26, 7.4), (-18, 8.0), (-9, 8.6), (0, 9.1), (9, 9.5), (18, 9.7), (26, 9.8)),
    ((-26, 14.0), (-18, 14.6), (-9, 15.2), (0, 15.6), (9, 16.0), (18, 16.2), (26, 16.3)),
)
_VEIN = _between(
    ((-26, 16.2), (-18, 16.8), (-9, 17.3), (0, 17.8), (9, 18.3), (18, 18.9), (26, 19.5)),
    ((-26, 23.9), (-18, 24.6), (-9, 25.6), (0, 26.6), (9, 27.4), (18, 28.0), (26, 28.4)),
)

# The aorta along its length, as it comes up towards the navel, and narrows a little.
_AORTA = _between(
    ((-92, 66.0), (-70, 63.0), (-45, 59.3), (-20, 56.2), (5, 54.2), (30, 53.4), (55, 53.2),
     (75, 53.4), (92, 53.8)),
    ((-92, 84.5), (-70, 81.5), (-45, 77.6), (-20, 74.2), (5, 71.6), (30, 70.0), (55, 69.2),
     (75, 69.0), (92, 69.2)),
)  # fmt: skip

_ALL = (
    Scene(
        "femoral-bifurcation",
        (Solved("femoral-bifurcation", _FEMORAL, FEMORAL, 5.1e-3, 0.95),),
        GROIN,
        about="Common femoral artery parting into the superficial and the deep one",
        lesson="The everyday case: systole aliases, diastole does not.",
    ),
    Scene(
        "straight-tube",
        (
            ClosedForm(
                Channel(*straight_walls((0.0, 18e-3), 3.5e-3, math.radians(12.0), 26e-3)),
                peak_speed_m_s=0.4,
            ),
        ),
        PLAIN,
        prf_hz=1500.0,
        about="Steady parabolic flow in a tube of a phantom",
        lesson="One fold along the axis of a flow that is known.",
    ),
    Scene(
        "stenosis",
        (
            Solved(
                "stenosis", _narrowed(17.0, 3.4, 0.45), FEMORAL, 4.6e-3, 1.9, viscosity_m2_s=7e-6
            ),
        ),
        GROIN_WITH_PLAQUE,
        about="Calcified plaque with its shadow, and the jet behind it",
        lesson="A jet that folds, beside flow that truly turns back.",
        seed=3,
    ),
    Scene(
        "carotid-bifurcation",
        (Solved("carotid-bifurcation", _CAROTID, CAROTID, 4.4e-3, 1.0, branch=EXTERNAL_CAROTID),),
        NECK,
        about="Common carotid artery parting into the external and the internal one",
        lesson="Reversal in the bulb is real: no correction may take it away.",
        noise_db=-53.0,
        colour_range_m=(6e-3, 27e-3),
        seed=4,
    ),
    Scene(
        "artery-vein",
        (
            Solved("femoral-artery", _ARTERY, FEMORAL, 4.0e-3, 0.85),
            Solved("femoral-vein", _VEIN, VENOUS, -1.5e-3, 0.4, n_phases=64),
        ),
        GROIN,
        steering_rad=math.radians(20.0),
        title="Artery and vein",
        about="Femoral artery over its vein: true directions that differ",
        lesson="Red beside blue is true here: two vessels, two directions.",
        seed=5,
    ),
    Scene(
        "tortuous",
        (Solved("tortuous", _winding(17.5, 2.7, 4.5, 30.0), FEMORAL, 3.0e-3, 1.0),),
        GROIN,
        about="Winding artery: the direction to the beam turns along it",
        lesson="Colours change because the vessel turns, not because it aliases.",
        noise_db=-55.0,
        colour_range_m=(7e-3, 28e-3),
        seed=6,
    ),
    Scene(
        "spinning-jet",
        (Solved("spinning-jet", _SAC, CAROTID, 2.1e-3, 1.1, viscosity_m2_s=7e-6),),
        GROIN,
        prf_hz=2000.0,
        about="Jet into a sac between two vortices",
        lesson="Swirling flow: both directions side by side, and folds in the jet.",
        colour_range_m=(8e-3, 29e-3),
        seed=7,
    ),
    Scene(
        "rotating-disc",
        (ClosedForm(Disc((0.0, 19e-3), 9e-3), peak_speed_m_s=0.35),),
        PLAIN,
        blood_db=-22.0,
        noise_db=-36.0,
        colour_range_m=(8e-3, 30e-3),
        steering_rad=0.0,
        about="Disc that turns: a velocity that rises along x only",
        lesson="A velocity known everywhere: folds are upright stripes.",
    ),
    Scene(
        "abdominal-aorta",
        (
            ClosedForm(
                _AORTA, AORTIC, peak_speed_m_s=0.95, wall_lead_s=0.03, spacing_m=_AORTA_SPACING_M
            ),
        ),
        BELLY,
        blood_db=-34.0,
        noise_db=-80.0,
        colour_range_m=(40e-3, 95e-3),
        steering_rad=0.0,
        prf_hz=2500.0,
        about="Aorta behind the liver, seen by a convex array",
        lesson="One flow, both colours: the beams of a sector turn from against to along it.",
        seed=8,
        edge_m=84e-3,
        depth_m=0.11,
        probe="c5-2",
        start_depth_m=0.1,
    ),
)
SCENES: dict[str, Scene] = {scene.name: scene for scene in _ALL}
