"""Echoes of point scatterers at every element of an array, after a plane wave.

A scatterer at r adds one delayed pulse to every element, as in the linear model of simulators like
SIMUS (D. Garcia, Comput. Methods Programs Biomed. 218, 2022): plane transmit, straight rays,
cylindrical spreading (1 / sqrt(r)), and the directivity of a soft-baffled strip. The
pulse is looked up with a fraction of a sample and added as one SIMD register.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..dsp.arrays import LANES, aligned_empty, aligned_zeros
from ..geometry import Probe
from .kernels_numba import PHASES, add_echoes, digitise

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Standard deviation of the Gaussian window, in pulse lengths: 2 cycles between half amplitudes
# at four samples a cycle.
_WINDOW = 0.21
_DIRECTIVITY_TERMS = 5


@dataclass(frozen=True)
class Window:
    """The samples that are recorded after each transmit.

    Attributes
    ----------
    start_s : float
        Time of the first sample; 0 is when the middle of the pulse crosses the array's centre.
    n_samples : int
    sampling_frequency_hz : float
    """

    start_s: float
    n_samples: int
    sampling_frequency_hz: float

    @property
    def row(self) -> int:
        """Length of a row of the working buffer: room for a pulse at both ends.

        An odd number of cache lines, so that neighbouring elements fall into different cache sets.
        """
        return LANES * (-(-(self.n_samples + 2 * LANES) // LANES) | 1)


def pulse(time_s: Array, center_frequency_hz: float, sampling_frequency_hz: float) -> Array:
    """Shape the echo of a point: a cosine in a Gaussian window that ends at zero."""
    length_s = LANES / sampling_frequency_hz
    place = time_s / length_s
    edge = math.exp(-0.5 * (0.5 / _WINDOW) ** 2)
    window = (np.exp(-0.5 * (place / _WINDOW) ** 2) - edge) / (1.0 - edge)
    shape = np.where(np.abs(place) < 0.5, window, 0.0)
    return np.asarray(shape * np.cos(2.0 * np.pi * center_frequency_hz * time_s))


@lru_cache(maxsize=4)
def _pulse_table(center_frequency_hz: float, sampling_frequency_hz: float) -> Float32:
    """(PHASES x LANES,) pulses whose middle lies LANES/2 - 1 + phase/PHASES samples in."""
    middle = LANES // 2 - 1 + np.arange(PHASES)[:, None] / PHASES
    time_s = (np.arange(LANES) - middle) / sampling_frequency_hz
    table: Float32 = aligned_empty((PHASES * LANES,))
    table[:] = pulse(time_s, center_frequency_hz, sampling_frequency_hz).ravel()
    return table


@lru_cache(maxsize=4)
def _directivity(width_m: float, wavelength_m: float) -> Float32:
    """Coefficients of sinc(width sin(theta) / wavelength) in powers of sin(theta) squared."""
    squared = 0.5 - 0.5 * np.cos(np.pi * (np.arange(200) + 0.5) / 200)
    values = np.sinc(width_m / wavelength_m * np.sqrt(squared))
    fit = np.polynomial.Polynomial.fit(squared, values, _DIRECTIVITY_TERMS - 1).convert()
    return fit.coef.astype(np.float32)


@dataclass(frozen=True)
class Receiver:
    """An array and its window: turns scatterers into channel data.

    Attributes
    ----------
    probe : Probe
        A flat array at z = 0.
    window : Window
    center_frequency_hz : float
    sound_speed_m_s : float
    """

    probe: Probe
    window: Window
    center_frequency_hz: float
    sound_speed_m_s: float

    def buffer(self) -> Float32:
        """Empty working buffer for one transmit, for :meth:`add`."""
        buffer: Float32 = aligned_zeros((self.probe.n_elements * self.window.row,))
        return buffer

    def add(
        self, buffer: Float32, x_m: Array, z_m: Array, amplitude: Array, angle_rad: float
    ) -> None:
        """Add the echoes of a plane wave from scatterers at z > 0, best sorted by depth.

        Parameters
        ----------
        buffer : (n_elements * row,) float32
            Changed in place.
        x_m, z_m, amplitude : (n,) float64
        angle_rad : float
            Of the transmitted wave.
        """
        wavelength_m = self.sound_speed_m_s / self.center_frequency_hz
        rate_hz = self.window.sampling_frequency_hz
        probe = self.probe
        add_echoes(
            x_m,
            z_m,
            amplitude,
            np.asarray(probe.element_x_m, np.float32),
            math.sin(angle_rad),
            math.cos(angle_rad),
            probe.pitch_m * probe.n_elements,
            wavelength_m,
            rate_hz / self.sound_speed_m_s,
            self.window.start_s * rate_hz,
            _directivity(probe.element_width_m, wavelength_m),
            _pulse_table(self.center_frequency_hz, rate_hz),
            self.window.row,
            buffer,
        )

    def digitise(
        self, buffer: Float32, steady: Float32, noise: Float32, offsets: NDArray[np.int64],
        out: NDArray[np.int16],
    ) -> None:  # fmt: skip
        """Add two buffers and noise, and round to 16 bits.

        Parameters
        ----------
        buffer, steady : (n_elements * row,) float32
        noise : (n,) float32
            A stock of noise; element e takes ``noise[offsets[e]:]``.
        offsets : (n_elements,) int64
        out : (n_elements, n_samples) int16
        """
        digitise(buffer, steady, noise, offsets, self.window.row, out)
