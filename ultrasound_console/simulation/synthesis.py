"""Echoes of point scatterers at every element of an array, after a plane wave.

A scatterer at r adds one delayed pulse to every element, as in the linear model of simulators like
SIMUS (D. Garcia, Comput. Methods Programs Biomed. 218, 2022): plane transmit, straight rays,
cylindrical spreading (1 / sqrt(r)), and the directivity of a soft-baffled strip. The
pulse is looked up with a fraction of a sample, for the depth that it comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..dsp.arrays import aligned_zeros
from ..geometry import Probe
from .attenuation import NEPER_PER_DB
from .echoes_numba import (
    LEVEL_DEPTH_M,
    MARGIN,
    Gains,
    PulseTable,
    Reception,
    add_echoes,
    add_sector_echoes,
    convert,
)
from .pulse import DEPTH_STEP_M, Pulse, pulse_tables

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

_DIRECTIVITY_TERMS = 7
_CACHE_LINE = 16
# Echoes from nearer than this come with the same gain.
_NEAREST_M = 4e-3
_MAX_GAIN_DB = 40.0


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
        lines = -(-(self.n_samples + 2 * MARGIN) // _CACHE_LINE)
        return _CACHE_LINE * (lines | 1)

    def offset(self, inner: Window) -> int:
        """Count the samples from the start of this window to that of one inside it."""
        return round((inner.start_s - self.start_s) * self.sampling_frequency_hz)


NO_LOSS = Gains(np.ones((2, 2), np.float32), 0.0)


@lru_cache(maxsize=8)
def _directivity(width_m: float, pulse: Pulse, sound_speed_m_s: float) -> Float32:
    """Coefficients of a strip's directivity and spreading in powers of u = 1 - cos(theta).

    ``sinc(width f sin(theta) / c) cos(theta) sqrt(z / r)``, the sinc averaged over the power of
    the pulse; z / r is cos(theta).
    """
    u = 0.5 - 0.5 * np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    sine = np.sqrt(u * (2.0 - u))
    frequency_hz = np.linspace(0.3, 2.0, 200) * pulse.center_frequency_hz
    power = pulse.spectrum(frequency_hz) ** 2
    strip = np.sinc(width_m / sound_speed_m_s * frequency_hz * sine[:, None])
    values = strip @ (power / power.sum()) * (1.0 - u) ** 1.5
    fit = np.polynomial.Polynomial.fit(u, values, _DIRECTIVITY_TERMS - 1).convert()
    return fit.coef.astype(np.float32)


@dataclass(frozen=True)
class Receiver:
    """An array and its window: turns scatterers into channel data.

    Attributes
    ----------
    probe : Probe
        A flat array at z = 0, or any array with waves that diverge.
    window : Window
        At the pulse's sampling frequency.
    pulse : Pulse
    sound_speed_m_s : float
    depth_m : float
        Deepest scatterer that is told from shallower ones by its spectrum.
    source_distance_m : float
        How far behind the array's centre waves come from; infinite for plane waves.
    """

    probe: Probe
    window: Window
    pulse: Pulse
    sound_speed_m_s: float
    depth_m: float = 0.06
    source_distance_m: float = math.inf

    @property
    def apex_m(self) -> tuple[float, float] | None:
        """(x, z) where the lines of its picture meet; None where waves are plane."""
        if math.isinf(self.source_distance_m):
            return None
        return self.probe.center_of_curvature_m or (0.0, 0.0)

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the frequency of the burst."""
        return self.sound_speed_m_s / self.pulse.center_frequency_hz

    @property
    def loss_per_m(self) -> float:
        """Mean attenuation at the frequency of the burst, one way, in neper."""
        pulse = self.pulse
        return NEPER_PER_DB * pulse.attenuation_db_per_m_hz * pulse.center_frequency_hz

    def _strip(self) -> Float32:
        return _directivity(self.probe.element_width_m, self.pulse, self.sound_speed_m_s)

    def buffer(self) -> Float32:
        """Empty working buffer for one transmit, for :meth:`add`."""
        buffer: Float32 = aligned_zeros((self.probe.n_elements * self.window.row,))
        return buffer

    def add(
        self,
        buffer: Float32,
        x_m: Array,
        z_m: Array,
        amplitude: Array,
        angle_rad: float,
        *,
        gains: Gains = NO_LOSS,
    ) -> None:
        """Add the echoes of a wave from scatterers in front of the array, best sorted by depth.

        Parameters
        ----------
        buffer : (n_elements * row,) float32
            Changed in place.
        x_m, z_m, amplitude : (n,) float64
        angle_rad : float
            Of the transmitted wave.
        gains : Gains
            For this angle.
        """
        rate_hz, probe = self.window.sampling_frequency_hz, self.probe
        tables = pulse_tables(self.pulse, self.depth_m)
        reception = Reception(
            self._strip(),
            self.wavelength_m,
            self.loss_per_m,
            samples_per_m=rate_hz / self.sound_speed_m_s,
            start=self.window.start_s * rate_hz,
            row=self.window.row,
        )
        n_depths, _, n_samples = tables.shape
        pulses = PulseTable(tables.reshape(-1), DEPTH_STEP_M, n_depths, n_samples)
        if self.apex_m is not None:
            cone = self._cone(angle_rad)
            add_sector_echoes(x_m, z_m, amplitude, *cone, reception, gains, pulses, buffer)
            return
        element_x_m = np.asarray(probe.element_x_m, np.float32)
        sine, cosine = math.sin(angle_rad), math.cos(angle_rad)
        aperture_m = probe.pitch_m * probe.n_elements
        add_echoes(
            x_m, z_m, amplitude, element_x_m, sine, cosine, aperture_m,
            reception, gains, pulses, buffer,
        )  # fmt: skip

    def _cone(self, angle_rad: float) -> tuple[Array, Array, Array]:
        """Elements, source and limits of a diverging wave, as ``add_sector_echoes`` takes them."""
        x_m, z_m = np.array(self.probe.element_x_m), np.array(self.probe.element_z_m)
        turn = np.zeros_like(x_m)
        center_m = self.probe.center_of_curvature_m
        if center_m is not None:
            turn = np.arctan2(x_m - center_m[0], z_m - center_m[1])
        behind_m = self.source_distance_m
        source = np.array([-behind_m * math.sin(angle_rad), -behind_m * math.cos(angle_rad)])
        seen = np.arctan2(x_m - source[0], z_m - source[1])
        elements = np.stack([x_m, z_m, np.sin(turn), np.cos(turn)])
        return elements, np.append(source, behind_m), np.array([seen.min(), seen.max()])

    def elevation_gain(self, depth_m: Array) -> Array:
        """Strength of speckle along depth by the width of the beam across the picture.

        Two-way amplitude goes as 1 / width, and the number of scatterers in the slice as width.
        """
        probe = self.probe
        if not math.isfinite(probe.elevation_focus_m):
            return np.ones_like(depth_m)
        height_m, focus_m = probe.element_height_m, probe.elevation_focus_m

        def width_m(z_m: Array | float) -> Array:
            blur_m = self.wavelength_m * np.asarray(z_m) / height_m
            return np.hypot(height_m * (1.0 - np.asarray(z_m) / focus_m), blur_m)

        return np.sqrt(width_m(LEVEL_DEPTH_M) / width_m(depth_m))

    def depth_gain(self, window: Window) -> Float32:
        """Receiver gain of every sample of a window that makes plain tissue equally bright.

        1 at the depth for which levels are stated.
        """
        sample = np.arange(window.n_samples) / window.sampling_frequency_hz
        depth_m = np.maximum(0.5 * self.sound_speed_m_s * (window.start_s + sample), _NEAREST_M)
        echo = np.exp(-2.0 * self.loss_per_m * depth_m) / np.sqrt(depth_m)
        echo *= self.elevation_gain(depth_m)
        if math.isfinite(self.source_distance_m):
            echo /= np.sqrt(self.source_distance_m + depth_m)
        # The tables are relative to f0, and of a deep echo the lower part of the band is left.
        energy = np.sum(pulse_tables(self.pulse, self.depth_m)[:, 0].astype(float) ** 2, axis=-1)
        middle_m = DEPTH_STEP_M * (np.arange(energy.size) + 0.5)
        echo *= np.interp(depth_m, middle_m, np.sqrt(energy))
        level = np.interp(LEVEL_DEPTH_M, depth_m, echo)
        return np.asarray(np.minimum(level / echo, 10.0 ** (_MAX_GAIN_DB / 20.0)), np.float32)

    def tissue_rms(self, density_per_m2: float) -> float:
        """Echo of unit scatterers of some density at :data:`LEVEL_DEPTH_M`, at one element.

        The root mean square over time, after the mean attenuation.
        """
        x_m = np.linspace(-2.0, 2.0, 4001) * LEVEL_DEPTH_M
        path_m = 2.0 * LEVEL_DEPTH_M
        z_m = np.maximum((path_m**2 - x_m**2) / (2.0 * path_m), 1e-9)
        r_m = np.hypot(x_m, z_m)
        u = 1.0 - z_m / r_m
        strength = np.polynomial.Polynomial(self._strip())(u)
        strength /= np.sqrt(z_m)
        tables = pulse_tables(self.pulse, max(self.depth_m, LEVEL_DEPTH_M))
        table = tables[int(LEVEL_DEPTH_M / DEPTH_STEP_M), 0]
        energy_s = np.sum(table.astype(float) ** 2) / self.window.sampling_frequency_hz
        # A step in time moves the points that answer at x by c / (1 + z / r) down.
        per_x = strength**2 * self.sound_speed_m_s * energy_s / (1.0 + z_m / r_m)
        per_x *= np.exp(-2.0 * self.loss_per_m * (z_m + r_m))
        return float(np.sqrt(density_per_m2 * np.trapezoid(per_x, x_m)))

    def convert(
        self, moving: Float32, still: Float32, drift: Float32, step: float, *, noise: Float32,
        offsets: NDArray[np.int64], gain: Float32, begin: int, out: NDArray[np.int16],
    ) -> None:  # fmt: skip
        """Add up buffers and noise, amplify along depth, and round as the probe's converter does.

        Parameters
        ----------
        moving, still, drift : (n_elements * row,) float32
            ``drift`` counts ``step`` times.
        step : float
        noise : (n,) float32
            A stock of noise; element e takes ``noise[offsets[e]:]``.
        offsets : (n_elements,) int64
        gain : (n_samples,) float32
            Counts per unit of echo.
        begin : int
            First sample of the window that is put out.
        out : (n_elements, n_samples) int16
        """
        highest = np.float32(2.0 ** (self.probe.converter_bits - 1) - 1.0)
        convert(
            moving, still, drift, np.float32(step), noise, offsets, gain, highest,
            self.window.row, MARGIN + begin, out,
        )  # fmt: skip
