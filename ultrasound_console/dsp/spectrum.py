"""Gated spectra: how the power of a small place spreads over velocity, and over time.

Two kinds of slow-time samples come in. A full-rate line has a sample at every pulse, without gaps;
a window slides over it. An ensemble of a colour frame is one short window, with a gap to the next.
Both end as :class:`Spectra`: windowed, zero-padded periodograms, averaged over the pixels of a
gate (:mod:`.gate`).

Power is so scaled that the bins of a spectrum add up to the mean power under the window (Parseval).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import gammaincinv

from .spectrum_window import HALF_POWER, Taper, high_pass, noise_bandwidth, window_weights

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

MAX_WINDOW = 1024
"""Most samples in a window: several times what any flow stays steady for."""
_LEAST_BINS = 128
_FLOOR_QUANTILE = 0.25


@dataclass(frozen=True)
class LinePlan:
    """How a full-rate line is cut into spectra; the key of their tables.

    Attributes
    ----------
    prf_hz : float
        Rate of the samples.
    nyquist_velocity_m_s : float
        v_N.
    window_s, hop_s : float
        Length of a window, and from one window to the next; rounded to whole pulses.
    cutoff_hz : float
        Requested -3 dB cut-off of the wall filter as a Doppler frequency; 0 leaves it out. See
        :attr:`achieved_cutoff_hz`.
    taper : {"hann", "hamming", "none"}
        Weights of a window.

    Raises
    ------
    ValueError
        A rate, a length or a cut-off that no line can have.
    """

    prf_hz: float
    nyquist_velocity_m_s: float
    window_s: float
    hop_s: float
    cutoff_hz: float = 0.0
    taper: Taper = "hann"

    def __post_init__(self) -> None:
        for name in ("prf_hz", "nyquist_velocity_m_s", "window_s", "hop_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} = {value:g}: it must be a positive number")
        if not 2 <= self.n_window <= MAX_WINDOW:
            raise ValueError(
                f"a window of {self.window_s:g} s is {self.n_window} pulses at {self.prf_hz:g} Hz; "
                f"give 2 ... {MAX_WINDOW} pulses"
            )
        if not 0.0 <= self.cutoff_hz < 0.5 * self.prf_hz:
            raise ValueError(
                f"a cut-off of {self.cutoff_hz:g} Hz is outside 0 ... {0.5 * self.prf_hz:g} Hz"
            )

    @property
    def n_window(self) -> int:
        """Pulses in a window."""
        return round(self.window_s * self.prf_hz)

    @property
    def n_hop(self) -> int:
        """Pulses from one window to the next."""
        return max(1, round(self.hop_s * self.prf_hz))

    @property
    def achieved_cutoff_hz(self) -> float:
        """-3 dB cut-off of filter and window together; 0 without a filter."""
        return high_pass(self.cutoff_hz / self.prf_hz, self.n_window, self.taper)[1] * self.prf_hz


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra one after another; a column of the picture is a row here.

    Attributes
    ----------
    power : (n_columns, n_bins) float32
        Linear; a row adds up to the mean power of the gate.
    time_s : (n_columns,) float64
        Middle of each window.
    velocity_m_s : (n_bins,) float64
        From -v_N + baseline up, positive towards the probe.
    white : (n_bins,) float64
        Expected spectrum of white noise of unit power behind the same filter; 1 / n_bins without.
    nyquist_velocity_m_s : float
        v_N.
    resolution_m_s : float
        Equivalent noise bandwidth of the window: two velocities closer than this are one. Zero
        padding only draws more points in between.
    n_independent : float
        Independent values in one spectrum, from the window and from how alike the pixels are.
    """

    power: Float32
    time_s: Float64
    velocity_m_s: Float64
    white: Float64
    nyquist_velocity_m_s: float
    resolution_m_s: float
    n_independent: float

    @property
    def baseline_m_s(self) -> float:
        """Middle of the velocity axis."""
        return float(self.velocity_m_s[0]) + self.nyquist_velocity_m_s

    def shifted(self, baseline_m_s: float) -> Spectra:
        """Move the axis to around another velocity, re-wrapped, by whole bins.

        Parameters
        ----------
        baseline_m_s : float
            New middle of the axis, at most v_N away from 0.
        """
        if not abs(baseline_m_s) <= self.nyquist_velocity_m_s:
            raise ValueError(f"a baseline of {baseline_m_s:g} m/s is beyond v_N")
        step_m_s = 2.0 * self.nyquist_velocity_m_s / self.velocity_m_s.size
        n_bins = round((baseline_m_s - self.baseline_m_s) / step_m_s)
        return replace(
            self,
            power=np.roll(self.power, -n_bins, axis=1),
            velocity_m_s=self.velocity_m_s + n_bins * step_m_s,
            white=np.roll(self.white, -n_bins),
        )

    def noise_floor(self) -> float:
        """Power of the noise in a bin that the filter leaves alone.

        The lower quartile of the bins that the filter passes best, of all columns, over what a
        quartile of noise is of its mean. Flow that fills more than a half of the picture counts as
        noise in part.
        """
        passed = self.white > HALF_POWER * self.white.max()
        quiet = self.power[:, passed] / (self.white[passed] * self.white.size)
        n_averaged = max(1.0, self.n_independent / self.n_resolved)
        below = float(gammaincinv(n_averaged, _FLOOR_QUANTILE)) / n_averaged
        return float(np.quantile(quiet, _FLOOR_QUANTILE)) / below

    @property
    def n_resolved(self) -> float:
        """Resolved bins in 2 v_N."""
        return 2.0 * self.nyquist_velocity_m_s / self.resolution_m_s


def line_spectra(samples: NDArray[Any], plan: LinePlan, start_s: float = 0.0) -> Spectra:
    """Spectrogram of a full-rate line.

    Parameters
    ----------
    samples : (n_time,) or (n_pixels, n_time) complex64 or complex128
        One sample a pulse, no gaps; pixels scaled as by :func:`gate_samples`. For one new column
        give the last ``plan.n_window`` samples.
    plan : LinePlan
    start_s : float
        Time of the first sample.

    Returns
    -------
    Spectra
        One column for every whole window.

    Raises
    ------
    ValueError
        Samples that are not finite, or fewer than a window.
    """
    pixels = np.atleast_2d(samples)
    n, n_hop, n_time = plan.n_window, plan.n_hop, pixels.shape[-1]
    if pixels.ndim != 2 or pixels.shape[0] == 0:
        raise ValueError(f"a line has shape {samples.shape}, expected (n_pixels, n_time)")
    if n_time < n:
        raise ValueError(f"{n_time} samples are fewer than a window of {n}")
    _check(pixels)
    first = np.arange(0, n_time - n + 1, n_hop)
    # (n_columns, n_pixels, n_window)
    segments = pixels[:, first[:, None] + np.arange(n)].swapaxes(0, 1)
    cutoff_prf = plan.cutoff_hz / plan.prf_hz
    basis, _ = high_pass(cutoff_prf, n, plan.taper)
    if basis.size:
        removed = basis.astype(segments.real.dtype)
        segments = segments - (segments @ removed) @ removed.T
    return _spectra(
        segments,
        start_s + (first + 0.5 * (n - 1)) / plan.prf_hz,
        _line_white(cutoff_prf, n, plan.taper),
        plan.taper,
        plan.nyquist_velocity_m_s,
    )


def ensemble_spectra(
    samples: NDArray[Any],
    time_s: NDArray[Any],
    nyquist_velocity_m_s: float,
    matrix: NDArray[Any] | None = None,
    taper: Taper = "hann",
) -> Spectra:
    """One spectrum for each colour frame.

    Parameters
    ----------
    samples : (n_frames, n_pixels, n_pulses) complex64 or complex128
        From :func:`gate_samples`.
    time_s : (n_frames,) array
        Middle of each ensemble.
    nyquist_velocity_m_s : float
    matrix : (n_pulses, n_pulses) or (n_frames, n_pulses, n_pulses) array, optional
        Wall filter, as from ``wall_filter.projection`` or, for each frame, from
        ``eigen_filter.projection``.
    taper : {"hann", "hamming", "none"}

    Raises
    ------
    ValueError
        Samples that are not finite, a single pulse, shapes that do not go together, or a filter
        that leaves nothing.
    """
    if samples.ndim != 3 or 0 in samples.shape or len(time_s) != len(samples):
        raise ValueError(
            f"ensembles of shape {samples.shape} at {len(time_s)} times, expected (n_frames, "
            f"n_pixels, n_pulses) and none of them 0"
        )
    n = samples.shape[-1]
    if not 2 <= n <= MAX_WINDOW:
        raise ValueError(f"{n} pulses: a spectrum needs 2 ... {MAX_WINDOW}")
    _check(samples)
    filtered = (
        samples if matrix is None else samples @ matrix.swapaxes(-1, -2).astype(samples.dtype)
    )
    white = _white(np.eye(n) if matrix is None else matrix, taper)
    if not np.any(white > 0.0):
        raise ValueError("the wall filter leaves nothing of the ensembles")
    return _spectra(filtered, np.asarray(time_s, float), white, taper, nyquist_velocity_m_s)


def _check(samples: NDArray[Any]) -> None:
    if not np.isfinite(samples).all():
        raise ValueError("samples are not finite")


@dataclass(frozen=True, eq=False)
class _Window:
    """What follows from the length and the weights of a window."""

    weights: Float32
    n_bins: int
    relative_velocity: Float64
    resolution: float
    n_independent: float


@lru_cache(maxsize=16)
def _window(taper: Taper, n: int) -> _Window:
    # At least twice the window, so that lag 1 does not wrap around.
    n_bins = max(_LEAST_BINS, 1 << (2 * n - 1).bit_length())
    weights = window_weights(taper, n)
    return _Window(
        weights=(weights / math.sqrt(n * n_bins)).astype(np.float32),
        n_bins=n_bins,
        relative_velocity=2.0 * (np.arange(n_bins) / n_bins - 0.5),
        resolution=2.0 * noise_bandwidth(taper, n) / n,
        n_independent=n**2 / float(np.sum(weights**4)),
    )


def _spectra(
    filtered: NDArray[Any],
    time_s: Float64,
    white: Float64,
    taper: Taper,
    nyquist_velocity_m_s: float,
) -> Spectra:
    """Periodograms of (n_columns, n_pixels, n) samples."""
    window = _window(taper, filtered.shape[-1])
    transform = fft.fft(filtered * window.weights, window.n_bins, axis=-1)
    power: Float32 = np.add.reduce(transform.real**2 + transform.imag**2, axis=1, dtype=np.float32)
    return Spectra(
        power=_from_negative(power),
        time_s=time_s,
        velocity_m_s=nyquist_velocity_m_s * window.relative_velocity,
        white=white,
        nyquist_velocity_m_s=nyquist_velocity_m_s,
        resolution_m_s=nyquist_velocity_m_s * window.resolution,
        n_independent=window.n_independent * _n_unlike(filtered),
    )


def _from_negative(spectra: NDArray[Any]) -> NDArray[Any]:
    """Bins of a transform in the order of the velocity axis, from -v_N up."""
    half = spectra.shape[-1] // 2
    return np.concatenate([spectra[..., half:], spectra[..., :half]], axis=-1)


def _n_unlike(filtered: NDArray[Any]) -> float:
    """Effective number of independent pixels, ``(tr C)^2 / tr C^2`` of their covariance C.

    From few samples it comes out low, never high.
    """
    n_pixels = filtered.shape[1]
    pixels = filtered.swapaxes(0, 1).reshape(n_pixels, -1)
    covariance = pixels @ pixels.conj().T
    total = float(covariance.trace().real)
    return total**2 / float(np.vdot(covariance, covariance).real) if total > 0.0 else 1.0


def _white(matrix: NDArray[Any], taper: Taper) -> Float64:
    """Mean spectrum of unit white noise behind filter matrices and a window."""
    n = matrix.shape[-1]
    window = _window(taper, n)
    answers = fft.fft(window.weights[:, None] * matrix.reshape(-1, n, n), window.n_bins, axis=1)
    power = np.sum(np.abs(answers) ** 2, axis=2).mean(axis=0)
    return np.asarray(_from_negative(power), dtype=np.float64)


@lru_cache(maxsize=16)
def _line_white(cutoff_prf: float, n: int, taper: Taper) -> Float64:
    basis, _ = high_pass(cutoff_prf, n, taper)
    white = _white(np.eye(n) - basis @ basis.T, taper)
    white.setflags(write=False)
    return white
