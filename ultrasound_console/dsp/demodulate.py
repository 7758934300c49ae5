"""Channel samples to in-phase and quadrature around f0, in the ensemble layout.

``IQ(t) = low-pass(2 RF(t) exp(-i 2 pi f0 t))`` with t the absolute time: the phase of an echo is
``-2 pi f0 tau`` with tau its arrival time, wherever the record starts. The filter is symmetric and
sits on its output sample, so IQ sample m belongs to ``start_time_s + m decimation / fs`` exactly.
Undersampled (band-pass) RF needs nothing special: mixing brings the alias of f0 to zero, and the
low-pass ends half-way to the nearest image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from scipy.special import i0

from .arrays import empty_beside, fast_path, n_lanes, pack_ensemble

# IQ samples per period of f0 that linear interpolation needs: at the edge of a 60 % band the
# interpolation then loses less than 1 dB.
_IQ_SAMPLES_PER_PERIOD = 1.6
_KAISER_BETA = 5.0  # stop band below -50 dB


@dataclass(frozen=True)
class DemodulationPlan:
    """What demodulation depends on; the key of its tables.

    Attributes
    ----------
    sampling_frequency_hz : float
        Of the samples handed in; RF may be undersampled as long as its band stays clear of
        multiples of fs / 2.
    center_frequency_hz : float
        f0.
    start_time_s : float
        Time of the first sample.
    n_samples : int
        Samples of one element's record.
    demodulation_frequency_hz : float
        0 for RF; otherwise the samples are complex and already mixed down by this frequency.
    """

    sampling_frequency_hz: float
    center_frequency_hz: float
    start_time_s: float
    n_samples: int
    demodulation_frequency_hz: float = 0.0

    @property
    def decimation(self) -> int:
        """Input samples per IQ sample."""
        rate = self.sampling_frequency_hz / (_IQ_SAMPLES_PER_PERIOD * self.center_frequency_hz)
        return max(1, math.floor(rate + 1e-9))

    @property
    def n_iq_samples(self) -> int:
        """IQ samples of one element."""
        return -(-self.n_samples // self.decimation)

    @property
    def iq_sampling_frequency_hz(self) -> float:
        """Rate of the IQ samples; the first lies at ``start_time_s``."""
        return self.sampling_frequency_hz / self.decimation

    @property
    def cutoff_hz(self) -> float:
        """-6 dB edge of the low-pass, either side of f0.

        Matched to a pulse of 60 % bandwidth; for undersampled RF half of the band that its images
        leave. It does not follow the probe's stated bandwidth, which few files give.
        """
        edge_hz = 0.3 * self.center_frequency_hz
        if self.demodulation_frequency_hz:
            return min(edge_hz, 0.5 * self.sampling_frequency_hz)
        cycles = 2.0 * self.center_frequency_hz / self.sampling_frequency_hz
        image_hz = abs(cycles - round(cycles)) * self.sampling_frequency_hz
        return min(edge_hz, 0.25 * image_hz)


@lru_cache(maxsize=16)
def low_pass(plan: DemodulationPlan) -> NDArray[np.float64]:
    """Symmetric taps with unit gain at f0, an odd number of them.

    Raises
    ------
    ValueError
        f0 lies on a multiple of half the sampling rate, where RF cannot be demodulated.
    """
    relative = plan.cutoff_hz / plan.sampling_frequency_hz
    if not relative > 1e-3:
        raise ValueError(
            f"RF sampled at {plan.sampling_frequency_hz:g} Hz cannot be demodulated at "
            f"{plan.center_frequency_hz:g} Hz: the band overlaps its image"
        )
    if relative >= 0.45:  # the front end has filtered already
        return np.ones(1)
    # As scipy.signal.firwin makes them, which takes long to import.
    half = math.ceil(0.65 / relative)
    offset = np.arange(-half, half + 1)
    taps: NDArray[np.float64] = 2.0 * relative * np.sinc(2.0 * relative * offset)
    taps *= i0(_KAISER_BETA * np.sqrt(1.0 - (offset / half) ** 2.0)) / i0(_KAISER_BETA)
    taps /= taps.sum()
    return taps


@lru_cache(maxsize=16)
def _tables(
    plan: DemodulationPlan,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Taps and the phase of each IQ sample, real and imaginary parts stacked, for the kernels.

    Mixing is split in two: within the filter (relative to the output sample) and one turn for
    each output sample.
    """
    taps = low_pass(plan)
    mixed_hz = plan.center_frequency_hz - plan.demodulation_frequency_hz
    half = taps.size // 2
    offset_s = (np.arange(taps.size) - half) / plan.sampling_frequency_hz
    weights = taps * np.exp(-2j * np.pi * mixed_hz * offset_s)
    if not plan.demodulation_frequency_hz:
        weights *= 2.0  # half of a real echo's amplitude lies at -f0
    time_s = plan.start_time_s + np.arange(plan.n_iq_samples) / plan.iq_sampling_frequency_hz
    turn = np.exp(-2j * np.pi * ((mixed_hz * time_s) % 1.0))
    return (
        weights.real.astype(np.float32),
        weights.imag.astype(np.float32),
        np.stack([turn.real, turn.imag]).astype(np.float32),
    )


def channel_shape(plan: DemodulationPlan, n_pulses: int, n_elements: int) -> tuple[int, ...]:
    """Shape of the demodulated block: (n_iq_samples, n_elements + 1, 2, n_lanes).

    The element after the last stays zero: without it the rows of neighbouring samples would lie a
    power of two apart and fall into the same cache sets.
    """
    return plan.n_iq_samples, n_elements + 1, 2, n_lanes(n_pulses)


def demodulate(
    samples: NDArray[Any], plan: DemodulationPlan, *, out: NDArray[np.float32] | None = None
) -> NDArray[Any]:
    """Demodulate, low-pass and decimate an ensemble of channel records.

    Parameters
    ----------
    samples : (n_pulses, n_elements, n_samples) int16, float32, float64, complex64 or complex128
        RF (real), or IQ (complex) at ``plan.demodulation_frequency_hz``.
    plan : DemodulationPlan
    out : (n_iq_samples, n_elements + 1, 2, n_lanes) float32, optional
        Written instead of a new array; its last element has to be zero, and stays so.

    Returns
    -------
    (n_iq_samples, n_elements + 1, 2, n_lanes) float32
        float64 for float64 and complex128 samples (the reference).

    Raises
    ------
    ValueError
        Shapes or number kinds that do not fit the plan.
    """
    is_iq = np.iscomplexobj(samples)
    if samples.ndim != 3 or samples.shape[2] != plan.n_samples:
        raise ValueError(
            f"channel samples have shape {samples.shape}, expected (pulses, elements, "
            f"{plan.n_samples})"
        )
    if is_iq != bool(plan.demodulation_frequency_hz):
        kind = "complex" if is_iq else "real"
        raise ValueError(
            f"{kind} samples do not fit a demodulation frequency of "
            f"{plan.demodulation_frequency_hz:g} Hz"
        )
    n_pulses, n_elements, _ = samples.shape
    shape = channel_shape(plan, n_pulses, n_elements)
    kernel = fast_path("demodulate_iq" if is_iq else "demodulate_rf", samples)
    if kernel is not None:
        if out is None:
            out = empty_beside(samples, shape)
            out[:, -1] = 0.0
        elif out.shape != shape or out.dtype != np.float32:
            raise ValueError(f"out has shape {out.shape}, expected {shape} float32")
        kernel(samples, *_tables(plan), plan.decimation, out)
        return out

    time_s = plan.start_time_s + np.arange(plan.n_samples) / plan.sampling_frequency_hz
    mixed_hz = plan.center_frequency_hz - plan.demodulation_frequency_hz
    mixing = np.exp(-2j * np.pi * mixed_hz * time_s) * (1.0 if is_iq else 2.0)
    iq = convolve1d(mixing * samples, low_pass(plan), axis=-1, mode="constant")
    iq = iq[..., :: plan.decimation]
    iq = np.concatenate([iq, np.zeros_like(iq[:, :1])], axis=1)
    return pack_ensemble(np.moveaxis(iq, 2, 1), dtype=np.float64)


def all_finite(samples: NDArray[Any]) -> bool:
    """Whether the energy of float samples is finite in float32.

    So is every sample then, and every power that is made of them later.
    """
    kernel = fast_path("energy", samples)
    if kernel is not None:
        return math.isfinite(kernel(samples.ravel().view(np.float32)))
    limit = float(np.finfo(np.float32).max)
    return bool(np.sum(np.abs(samples) ** 2) < limit)


def demodulate_records(samples: NDArray[Any], plan: DemodulationPlan) -> NDArray[Any]:
    """Demodulate transmits that differ, one record after the other.

    Parameters
    ----------
    samples : (n_transmits, n_elements, n_samples) array
        As for :func:`demodulate`.
    plan : DemodulationPlan

    Returns
    -------
    (n_transmits, n_elements, n_iq_samples) complex64
        complex128 for float64 and complex128 samples.
    """
    n_transmits, n_elements, _ = samples.shape
    # The elements of one transmit take the place of the ensemble.
    packed = demodulate(np.swapaxes(samples, 0, 1), plan)
    shape = (n_transmits, n_elements, plan.n_iq_samples)
    kernel = fast_path("records", packed)
    if kernel is not None:
        records = empty_beside(packed, shape, np.complex64)
        kernel(packed, records.view(np.float32))
        return records
    iq = packed[:, :n_transmits, 0, :n_elements] + 1j * packed[:, :n_transmits, 1, :n_elements]
    return np.ascontiguousarray(iq.transpose(1, 2, 0))
