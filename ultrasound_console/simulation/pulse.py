"""The echo of a point: a burst through the transducer, there and back, and through tissue.

Attenuation that grows with frequency makes the echo of a deep point lower than that of a shallow
one. It has no phase here (no dispersion), so that every pulse is symmetric about its arrival.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dsp.arrays import aligned_empty
from ..geometry import Probe

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Attenuation of soft tissue, one way.
TISSUE_DB_CM_MHZ = 0.5
SAMPLES_PER_CYCLE = 4
# A table knows the pulse at this many fractions of a sample: rounding a delay turns the phase by
# 1.5 mrad at most.
PHASES = 512
# Lengths that the kernels can add, in samples.
LENGTHS = (16, 24, 32, 48, 64)
# Energy of a pulse that may be cut off at its ends.
_CUT_DB = -45.0
# Depths between which the spectrum of the echo is taken as the same.
DEPTH_STEP_M = 2.5e-3
_FFT_SAMPLES = 128


@dataclass(frozen=True)
class Pulse:
    """A rectangular burst through a Gaussian pass-band.

    Attributes
    ----------
    center_frequency_hz : float
        Of the burst.
    n_cycles : float
        Cycles of the burst.
    probe_frequency_hz, fractional_bandwidth : float
        Middle of the transducer's band, and its pulse-echo width at -6 dB over that.
    attenuation_db_per_m_hz : float
        Mean attenuation of tissue, one way.
    """

    center_frequency_hz: float
    n_cycles: float
    probe_frequency_hz: float
    fractional_bandwidth: float
    attenuation_db_per_m_hz: float = 1e-4 * TISSUE_DB_CM_MHZ

    @classmethod
    def of(cls, probe: Probe, center_frequency_hz: float, n_cycles: float) -> Pulse:
        """Pulse of a probe that transmits at a frequency, in soft tissue."""
        return cls(
            center_frequency_hz, n_cycles, probe.center_frequency_hz, probe.fractional_bandwidth
        )

    @property
    def sampling_frequency_hz(self) -> float:
        """Rate of the samples: a fixed number in every cycle."""
        return SAMPLES_PER_CYCLE * self.center_frequency_hz

    def spectrum(self, frequency_hz: ArrayLike, depth_m: float = 0.0) -> Array:
        """Amplitude over frequency of the echo from a depth, 1 at f0 without a transducer.

        The attenuation at f0 itself is left out: it belongs to the strength of the echo.
        """
        f = np.asarray(frequency_hz, float)
        away = self.n_cycles / self.center_frequency_hz * (f - self.center_frequency_hz)
        width_hz = self.fractional_bandwidth * self.probe_frequency_hz
        band = np.exp2(-((2.0 * (f - self.probe_frequency_hz) / width_hz) ** 2))
        extra_db = 2.0 * depth_m * self.attenuation_db_per_m_hz * (f - self.center_frequency_hz)
        return np.asarray(np.sinc(away) * band * 10.0 ** (-extra_db / 20.0))

    def fine(self, depth_m: float = 0.0) -> Array:
        """Give the pulse at PHASES points a sample; its middle is the middle of the array."""
        return np.asarray(self._turned(depth_m) / _height(self))

    def _turned(self, depth_m: float) -> Array:
        n = _FFT_SAMPLES * PHASES
        f = np.fft.rfftfreq(n, 1.0 / (PHASES * self.sampling_frequency_hz))
        used = f < 3.0 * self.center_frequency_hz
        spectrum = np.zeros(f.size)
        spectrum[used] = self.spectrum(f[used], depth_m)
        return np.asarray(np.fft.fftshift(np.fft.irfft(spectrum)))

    @property
    def n_samples(self) -> int:
        """Length in the tables: the shortest that keeps nearly all of the energy."""
        return _length(self)


@lru_cache(maxsize=16)
def _height(pulse: Pulse) -> float:
    """Height of the pulse of the shallowest echoes, which is 1 in the tables."""
    return float(pulse._turned(0.0).max())


@lru_cache(maxsize=16)
def _length(pulse: Pulse) -> int:
    energy = pulse.fine() ** 2
    total, middle = energy.sum(), energy.size // 2
    for length in LENGTHS:
        half = length * PHASES // 2
        if energy[middle - half : middle + half].sum() > (1.0 - 10.0 ** (_CUT_DB / 10.0)) * total:
            return length
    return LENGTHS[-1]


@lru_cache(maxsize=4)
def pulse_tables(pulse: Pulse, depth_m: float) -> Float32:
    """Pulses down to a depth: (n_depths, PHASES, n_samples) float32.

    Row k is for depths from ``k DEPTH_STEP_M`` on. The middle of a pulse of phase p lies
    ``n_samples / 2 - 1 + p / PHASES`` samples in.
    """
    n = pulse.n_samples
    n_depths = math.ceil(depth_m / DEPTH_STEP_M) + 1
    tables: Float32 = aligned_empty((n_depths, PHASES, n))
    # The ends go down to zero within a sample and a half, so that nothing begins with a step.
    place = (np.arange(n * PHASES) + 0.5) / PHASES
    edge = np.minimum(np.minimum(place, n - place) / 1.5, 1.0)
    window = np.sin(0.5 * np.pi * edge) ** 2
    first = (_FFT_SAMPLES - n) * PHASES // 2
    at = PHASES * np.arange(1, n + 1) - np.arange(PHASES)[:, None]
    for k in range(n_depths):
        shape = pulse.fine((k + 0.5) * DEPTH_STEP_M)[first : first + n * PHASES] * window
        tables[k] = np.append(shape, 0.0)[at]
    return tables
