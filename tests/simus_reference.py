"""Echoes of a few points by PyMUST's ``simus``: ``python tests/simus_reference.py`` stores them.

D. Garcia, SIMUS: an open-source simulator for medical ultrasound imaging, Comput. Methods Programs
Biomed. 218, 2022.
"""

# ruff: noqa: T201

import math
from pathlib import Path

import numpy as np

from ultrasound_console.geometry import Probe

STORED = Path(__file__).parent / "simus_reference.npz"
C_M_S = 1540.0
N_CYCLES = 2
ANGLE_RAD = math.radians(6.0)
# Far enough apart that no echoes overlap; (x, z).
POINTS_M = ((1.3e-3, 9e-3), (-4.1e-3, 15.2e-3), (5.7e-3, 22.1e-3), (-1.9e-3, 30.4e-3))
ELEMENTS = tuple(range(5, 192, 14))
RATE_FACTOR = 8


def array():
    """The array of the comparison; so fine that the plane wave it makes has no grating lobes."""
    return Probe.linear(
        "test", 192, 0.21e-3, 5.5e6, element_width_m=0.19e-3, fractional_bandwidth=0.6
    )


def made_by_simus():
    """(n_points, n_elements, n_samples) echoes of each point alone, from t = 0 on.

    t = 0 is when the middle of the pulse leaves the array's centre.
    """
    import pymust
    from pymust.utils import Param

    class Gaussian(Param):
        """With a transducer like ours: PyMUST's own pass-band is flatter at the top."""

        def getProbeFunction(self):  # noqa: N802 (overrides theirs)
            width_hz = self.bandwidth / 100.0 * self.fc
            return lambda w: np.sqrt(
                np.exp2(-((2.0 * (w / (2.0 * np.pi) - self.fc) / width_hz) ** 2))
            )

    probe = array()
    param = Gaussian()
    param.fc, param.bandwidth, param.TXnow = probe.center_frequency_hz, 60.0, N_CYCLES
    param.fs = RATE_FACTOR * param.fc
    param.Nelements, param.pitch = probe.n_elements, probe.pitch_m
    param.width, param.kerf = probe.element_width_m, probe.pitch_m - probe.element_width_m
    param.c, param.baffle, param.attenuation = C_M_S, "soft", 0.0
    param.radius = np.inf
    delays_s = np.asarray(probe.element_x_m) * math.sin(ANGLE_RAD) / C_M_S
    delays_s -= delays_s.min()
    shift = round(delays_s.mean() * param.fs)
    # The array's centre fires on a whole sample.
    delays_s += shift / param.fs - delays_s.mean() + 1.0 / param.fs
    echoes = []
    for x_m, z_m in POINTS_M:
        rf, _ = pymust.simus(
            np.array([x_m]), np.array([z_m]), np.array([1.0]), delays_s[None], param
        )
        echoes.append(rf[shift + 1 :, list(ELEMENTS)].T)
    n_samples = max(rf.shape[1] for rf in echoes)
    return np.stack([np.pad(rf, ((0, 0), (0, n_samples - rf.shape[1]))) for rf in echoes])


if __name__ == "__main__":
    rf = made_by_simus()
    rf /= np.abs(rf).max()
    np.savez_compressed(STORED, rf=np.round(rf * 30000).astype(np.int16))
    print(f"{STORED.name}: {rf.shape}, {STORED.stat().st_size} bytes")
