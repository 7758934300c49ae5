"""The tissue of a scene under one receiver: its echoes, and what it leaves of those of blood.

What never moves is computed once for every angle. The walls of arteries move with the pulse; their
echoes are computed at a few positions and interpolated in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attenuation import Attenuation
from .echoes_numba import LEVEL_DEPTH_M, Gains
from .synthesis import Float32, Receiver, Window
from .tissue import LEVEL_DENSITY_PER_M2, PULSATION_M, Scatterers

Array = NDArray[np.float64]
Angles = tuple[float, float]
"""Of transmit and of receive."""

NOISE_STOCK = 1 << 19

# Plain tissue at one element uses this part of the converter's range.
_TISSUE_SHARE = 1.0 / 8.0
# Echoes of steered waves that are kept, beside those of the B-mode angles.
_KEPT_STEERINGS = 4
# Walls that move by less during an ensemble stand still; between two positions not farther
# apart than this their echoes are interpolated.
_STILL_WAVELENGTHS = 1.0 / 4000.0
_STEP_WAVELENGTHS = 1.0 / 24.0


@dataclass(frozen=True, eq=False)
class Walls:
    """Echoes of tissue at positions of its walls, in ascending order."""

    positions: Array
    echoes: tuple[Float32, ...]

    def at(self, push: float) -> tuple[Float32, Float32, float]:
        """Echoes below a position, what changes up to the next, and how much of that."""
        if len(self.echoes) == 1:
            return self.echoes[0], self.echoes[0], 0.0
        step = float(self.positions[1] - self.positions[0])
        k = min(max(int((push - self.positions[0]) / step), 0), len(self.echoes) - 2)
        part = (push - float(self.positions[k])) / step
        return self.echoes[k], self.echoes[k + 1] - self.echoes[k], part


class Section:
    """Tissue and noise for a receiver.

    Parameters
    ----------
    receiver : Receiver
    tissue : Scatterers
    attenuation : Attenuation
    noise : (NOISE_STOCK,) float32
        Of unit variance.
    noise_db : float
        Noise of one element, relative to the echo of tissue of 0 dB in 20 mm depth.
    """

    def __init__(
        self,
        receiver: Receiver,
        tissue: Scatterers,
        attenuation: Attenuation,
        *,
        noise: Float32,
        noise_db: float,
    ) -> None:
        self.receiver = receiver
        moves = tissue.moves
        self._fixed = tissue.only(~moves)
        self._moving = tissue.only(moves)
        self._attenuation = attenuation
        level = receiver.tissue_rms(LEVEL_DENSITY_PER_M2)
        self._noise = noise * np.float32(level * 10.0 ** (noise_db / 20.0))
        self._counts = _TISSUE_SHARE * 2.0 ** (receiver.probe.converter_bits - 1) / level
        self._gains: dict[Angles, Gains] = {}
        self._still: dict[Angles, Float32] = {}

    def add(self, buffer: Float32, points: Scatterers, angles_rad: Angles, push: float) -> None:
        """Add the echoes of scatterers in this tissue, at a state of the pulse."""
        x_m, z_m = points.pushed(push)
        gains = self._left(angles_rad)
        self.receiver.add(buffer, x_m, z_m, points.amplitude, angles_rad[0], gains=gains)

    def _left(self, angles_rad: Angles) -> Gains:
        """Look up what tissue leaves of echoes."""
        if angles_rad not in self._gains:
            receiver, attenuation = self.receiver, self._attenuation
            frequency_hz = receiver.pulse.center_frequency_hz
            if receiver.apex_m is None:
                values = attenuation.gains(*angles_rad, frequency_hz)
                depth_m = attenuation.depths_m[:, None]
            else:
                values, depth_m = attenuation.along_lines(receiver.apex_m, frequency_hz)
            depth_m = np.maximum(depth_m, 0.05 * LEVEL_DEPTH_M)
            focus = receiver.elevation_gain(depth_m).astype(np.float32)
            self._gains[angles_rad] = Gains(values * focus, attenuation.left_m)
        return self._gains[angles_rad]

    def _echoes(self, points: Scatterers, angles_rad: Angles, push: float) -> Float32:
        buffer = self.receiver.buffer()
        self.add(buffer, points, angles_rad, push)
        return buffer

    def _still_echoes(self, angles_rad: Angles) -> Float32:
        if angles_rad not in self._still:
            steered = [key for key in self._still if key[1] != 0.0]
            for key in steered[: len(steered) - _KEPT_STEERINGS + 1]:
                del self._still[key]
            self._still[angles_rad] = self._echoes(self._fixed, angles_rad, 0.0)
        return self._still[angles_rad]

    def walls(self, angles_rad: Angles, pushes: Array) -> Walls:
        """Echoes of all tissue while the pulse is in some states; 1 is its height."""
        still = self._still_echoes(angles_rad)
        if not len(self._moving):
            return Walls(np.zeros(1), (still,))
        low, high = float(pushes.min()), float(pushes.max())
        way = (high - low) * PULSATION_M / self.receiver.wavelength_m
        positions = np.array([0.5 * (low + high)])
        if way > _STILL_WAVELENGTHS:
            positions = np.linspace(low, high, 2 + int(way / _STEP_WAVELENGTHS))
        echoes = (still + self._echoes(self._moving, angles_rad, push) for push in positions)
        return Walls(positions, tuple(echoes))

    def gain(self, window: Window) -> Float32:
        """Give the counts of the converter per unit of echo, for every sample of a window."""
        return np.asarray(self.receiver.depth_gain(window) * np.float32(self._counts))

    def record(
        self,
        blood: Float32,
        tissue: tuple[Float32, Float32, float],
        *,
        gain: Float32,
        begin: int,
        rng: np.random.Generator,
        out: NDArray[np.int16],
    ) -> None:
        """Receive one transmit: echoes of blood and tissue, and fresh noise.

        Parameters
        ----------
        blood : (n_elements * row,) float32
        tissue : tuple
            From :meth:`Walls.at`.
        gain : (n_samples,) float32
            From :meth:`gain`.
        begin : int
            Sample of the receiver's window where the record begins.
        rng : numpy.random.Generator
        out : (n_elements, n_samples) int16
        """
        offsets = rng.integers(0, NOISE_STOCK - out.shape[-1], out.shape[0])
        self.receiver.convert(
            blood, *tissue, noise=self._noise, offsets=offsets, gain=gain, begin=begin, out=out
        )
