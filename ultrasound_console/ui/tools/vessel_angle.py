"""The angle between the beam and a vessel: what of the flow a system measures. No Qt.

A system measures ``v = -(e_tx + e_rx) . u / 2``. Of blood that moves along the vessel with the unit
vector t it sees the share ``abs((e_tx + e_rx) . t) / 2``; this is the cosine that velocities are
divided by. With one beam for both ways it is the cosine of the angle between beam and vessel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ...declared import Range
from ...frames import Acquisition
from ...settings import SPECS

WARNING_RAD = math.radians(60.0)
"""From here on a small error of the angle is a large one of the velocity."""


@dataclass(frozen=True)
class Axis:
    """The course of a vessel at a place.

    Attributes
    ----------
    x_m, z_m : float
        The place.
    direction_rad : float
        From the z axis towards x; both ways are the same.
    """

    x_m: float
    z_m: float
    direction_rad: float

    def angle_rad(self, acquisition: Acquisition) -> float:
        """Angle between the beam and the vessel, 0 ... pi/2."""
        across, down = map(float, acquisition.beam_direction(self.x_m, self.z_m))
        along = across * math.sin(self.direction_rad) + down * math.cos(self.direction_rad)
        return math.acos(min(abs(along), 1.0))

    def turned(self, angle_rad: float, acquisition: Acquisition) -> Axis:
        """Return the axis at this angle to the beam, as little turned as can be.

        With different beams for the two ways there is no angle as small as 0; then it is the
        smallest one.
        """
        across, down = map(float, acquisition.beam_direction(self.x_m, self.z_m))
        beam_rad, share = math.atan2(across, down), math.hypot(across, down)
        away_rad = math.acos(min(math.cos(angle_rad) / share, 1.0))
        directions = (beam_rad - away_rad, beam_rad + away_rad)
        return replace(self, direction_rad=min(directions, key=self._turn_to))

    def _turn_to(self, direction_rad: float) -> float:
        return abs(math.remainder(direction_rad - self.direction_rad, math.pi))


def largest_rad() -> float:
    """Return the largest angle that can be corrected."""
    spec = SPECS["angle_rad"]
    assert isinstance(spec, Range)
    return spec.high


def angle_text(angle_rad: float) -> str:
    """Write an angle as it is written at every number that is corrected for it."""
    return f"\N{ANGLE}{math.degrees(angle_rad):.0f}\N{DEGREE SIGN}"
