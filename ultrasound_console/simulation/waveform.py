"""How the flow changes over a heart cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Waveform:
    """A periodic speed: a constant and bell-shaped bumps.

    Attributes
    ----------
    period_s : float
        One heart cycle.
    steady : float
        The constant.
    bumps : tuple of (height, time_s, width_s)
        Gaussian bumps: height, time of the middle and standard deviation.
    """

    period_s: float
    steady: float
    bumps: tuple[tuple[float, float, float], ...] = ()

    def __call__(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Speed relative to the peak at any time; the shape of ``time_s``."""
        time = np.asarray(time_s, float)
        speed = np.full(time.shape, self.steady)
        for height, middle_s, width_s in self.bumps:
            # The nearest copy of the bump is the only one that counts: bumps are short.
            away_s = (time - middle_s + self.period_s / 2) % self.period_s - self.period_s / 2
            speed += height * np.exp(-0.5 * (away_s / width_s) ** 2)
        return speed


STEADY = Waveform(period_s=1.0, steady=1.0)

# Triphasic, as in a resting leg: a steep systole, true reversal in early diastole, a small second
# forward wave, almost no flow until the next beat. 67 beats a minute.
FEMORAL = Waveform(
    period_s=0.9,
    steady=0.03,
    bumps=((0.97, 0.13, 0.044), (0.22, 0.20, 0.035), (-0.36, 0.345, 0.050), (0.11, 0.53, 0.060)),
)

# Distension of an artery by the pressure pulse: up in systole, a shoulder, slowly down.
PRESSURE = Waveform(
    period_s=0.9,
    steady=0.0,
    bumps=((0.75, 0.19, 0.060), (0.50, 0.32, 0.090), (0.25, 0.50, 0.120)),
)
