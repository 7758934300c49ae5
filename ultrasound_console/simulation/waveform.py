"""How the flow changes over a heart cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Waveform:
    """A periodic flow: a constant and bell-shaped bumps.

    Attributes
    ----------
    period_s : float
        One heart cycle, or one breath.
    steady : float
        The constant.
    bumps : tuple of (height, time_s, width_s)
        Gaussian bumps: height, time of the middle and standard deviation.
    """

    period_s: float
    steady: float
    bumps: tuple[tuple[float, float, float], ...] = ()

    def __call__(self, time_s: ArrayLike) -> NDArray[np.float64]:
        """Flow relative to the peak at any time; the shape of ``time_s``."""
        time = np.asarray(time_s, float)
        flow = np.full(time.shape, self.steady)
        for height, middle_s, width_s in self.bumps:
            # The nearest copy of the bump is the only one that counts: bumps are short.
            away_s = (time - middle_s + self.period_s / 2) % self.period_s - self.period_s / 2
            flow += height * np.exp(-0.5 * (away_s / width_s) ** 2)
        return flow

    def scaled(self, factor: float) -> Waveform:
        """Return the waveform times a number."""
        bumps = tuple((factor * height, time_s, width_s) for height, time_s, width_s in self.bumps)
        return Waveform(self.period_s, factor * self.steady, bumps)

    def stretched(self, factor: float) -> Waveform:
        """Return the waveform with every time longer by a factor."""
        bumps = tuple(
            (height, factor * middle_s, factor * width_s)
            for height, middle_s, width_s in self.bumps
        )
        return Waveform(factor * self.period_s, self.steady, bumps)


STEADY = Waveform(period_s=1.0, steady=1.0)

# Triphasic, as in a resting leg: a steep systole, true reversal in early diastole, a small second
# forward wave, almost no flow until the next beat. 67 beats a minute. The shape is that of the
# femoral artery in J. F. Hale, D. A. McDonald, J. R. Womersley, J. Physiol. 128, 1955.
FEMORAL = Waveform(
    period_s=0.9,
    steady=0.03,
    bumps=((0.97, 0.13, 0.044), (0.22, 0.20, 0.035), (-0.36, 0.345, 0.050), (0.11, 0.53, 0.060)),
)

# The common carotid artery: a steep systole with a shoulder, a dicrotic notch, and flow all
# through diastole, since the brain resists little. After D. W. Holdsworth et al., Physiol. Meas.
# 20, 1999.
CAROTID = Waveform(
    period_s=0.9,
    steady=0.22,
    bumps=((0.70, 0.13, 0.036), (0.36, 0.225, 0.045), (-0.06, 0.335, 0.018),
           (0.16, 0.42, 0.050), (0.09, 0.58, 0.090)),
)  # fmt: skip

# The external carotid artery feeds skin and muscle: little flow in diastole, a deep notch.
EXTERNAL_CAROTID = Waveform(
    period_s=0.9,
    steady=0.09,
    bumps=((0.86, 0.13, 0.036), (0.27, 0.215, 0.040), (-0.13, 0.335, 0.022),
           (0.16, 0.43, 0.050)),
)  # fmt: skip

# The aorta in the belly: a steep systole, a short reversal, little flow in diastole. After J. E.
# Moore Jr. et al., J. Biomech. 25, 1992, above the kidneys.
AORTIC = Waveform(
    period_s=0.9,
    steady=0.10,
    bumps=((0.90, 0.15, 0.052), (0.12, 0.26, 0.050), (-0.18, 0.38, 0.045), (0.06, 0.55, 0.090)),
)

# A femoral vein over one breath and four beats: breathing in presses on the veins of the belly and
# holds the flow back (R. Willeput et al., J. Appl. Physiol. 57, 1984); the heart shows a little.
VENOUS = Waveform(
    period_s=3.6,
    steady=0.92,
    bumps=((-0.68, 1.9, 0.55),
           *((0.08, beat * 0.9 + 0.45, 0.11) for beat in range(4))),
)  # fmt: skip

# Distension of an artery by the pressure pulse: up in systole, a shoulder, slowly down.
PRESSURE = Waveform(
    period_s=0.9,
    steady=0.0,
    bumps=((0.75, 0.19, 0.060), (0.50, 0.32, 0.090), (0.25, 0.50, 0.120)),
)

COURSES = {"femoral": FEMORAL, "carotid": CAROTID, "venous": VENOUS, "steady": STEADY}
"""The courses that can be chosen by name."""
