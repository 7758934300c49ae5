"""A second pulse interval: an absolute vote for the fold.

The phase of R(1) at the interval T1 is known up to whole turns. A few more pulses of the same wave
at another interval T2 = r T1 have the phase ``r (phi1 + 2 pi n)``, which is another for each fold n
up to the denominator of r: Doviak, Zrnic, "Doppler Radar and Weather Observations", 2nd ed., 1993
(staggered PRT); Posada et al., "Staggered multiple-PRF ultrafast color Doppler", IEEE Trans. Med.
Imaging 35 (2016). How far a measured phase lies from that is a vote for n, by the von Mises
likelihood, whose concentration follows from the coherence of both blocks. It multiplies what else
is known of the folds.

The pulses are sent one after the other: ``n_pulses`` of the ensemble, and then each of the
``n_second`` at T2 after the one before, so that the last pulse of the ensemble begins the second
block. The wall filter of the second block is the regression over *all* pulses at their own times: a
few pulses alone would lose slow blood to it, and the whole sequence has no blind speed of the
second PRF.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import wall_filter
from .arrays import aligned_empty, empty_beside, fast_path, n_lanes
from .doppler import DopplerMaps
from .features import N_FOLDS
from .kernels_agreement import N_LANES
from .kernels_dual_prf import weigh_folds

# Variance of the difference of phases that no number of pulses takes away, radian^2: blood
# accelerates, and both filters have a slope.
_LEAST_VARIANCE = 0.03
# Beside a network, which has heard the same echoes, a vote is worth less: in fast flow the phases
# of a whole neighbourhood vary like those of two.
_LEAST_VARIANCE_BESIDE, _MOST_PHASES_BESIDE = 0.05, 2.0
# Independent phases from one cell of speckle: few, as an echo lasts for some pulses.
_PER_CELL = 4.0
# A fold that the network excludes has at least this probability before the vote.
_LEAST_CHANCE = 1e-3
# Without a network each fold is so many times less likely than the one below it in magnitude.
_PER_FOLD = 2.0


def regression_kind(kind: str, n_pulses: int) -> str:
    """Regression filter for a sequence of two intervals: as named, or of the nearest cut-off."""
    try:
        order = wall_filter.polynomial_order(kind, n_pulses)
    except ValueError:
        return wall_filter.nearest(wall_filter.cutoff(kind, n_pulses), n_pulses)
    return wall_filter.NONE if order < 0 else f"polynomial-{order}"


@lru_cache(maxsize=16)
def sequence_filter(kind: str, n_pulses: int, n_second: int, ratio: float) -> NDArray[np.float64]:
    """Wall filter of the second block: regression over all pulses, at their own times.

    Parameters
    ----------
    kind : str
        Regression filter.
    n_pulses, n_second : int
    ratio : float
        T2 / T1.

    Returns
    -------
    (n_pulses + n_second, n_pulses + n_second) float64
        Row j makes pulse j; rows before the last pulse of the ensemble are zero. Read-only.
    """
    after = n_pulses - 1 + ratio * np.arange(1, n_second + 1)
    since = np.concatenate([np.arange(n_pulses), after])
    matrix = np.eye(since.size)
    order = wall_filter.polynomial_order(kind, n_pulses)
    if order >= 0:
        basis, _ = np.linalg.qr(
            np.polynomial.legendre.legvander(2.0 * since / since[-1] - 1.0, order)
        )
        matrix -= basis @ basis.T
    matrix[: n_pulses - 1] = 0.0
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=16)
def _padded(kind: str, n_pulses: int, n_second: int, ratio: float) -> NDArray[np.float32]:
    n = n_pulses + n_second
    matrix = np.zeros((n, n_lanes(n)), np.float32)
    matrix[:, :n] = sequence_filter(kind, n_pulses, n_second, ratio).T
    return matrix


def correlate(
    iq: NDArray[Any], n_pulses: int, n_second: int, ratio: float, kind: str
) -> NDArray[Any]:
    """Wall filter and lags 0 and 1 of the second block.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Both blocks, in the ensemble layout.
    n_pulses, n_second : int
        Pulses of the ensemble, and after it.
    ratio : float
        T2 / T1.
    kind : str
        Wall filter of the ensemble; see :func:`regression_kind`.

    Returns
    -------
    (3, n_depths, n_lines) float32 or float64
        R0, the real and the imaginary part of R1 over T2, but for factors: see
        :func:`second_maps`.
    """
    n, kind = n_pulses + n_second, regression_kind(kind, n_pulses)
    kernel = fast_path("autocorrelate", iq)
    if kernel is not None:
        lags = empty_beside(iq, (3, *iq.shape[:2]))
        kernel(iq, _padded(kind, n_pulses, n_second, ratio), n, lags)
    else:
        matrix = sequence_filter(kind, n_pulses, n_second, ratio)
        signal = (iq[..., 0, :n] + 1j * iq[..., 1, :n]) @ matrix.T
        energy = np.abs(signal) ** 2
        r0 = np.mean(0.5 * (energy[..., 1:] + energy[..., :-1]), axis=-1)
        r1 = np.mean(signal[..., 1:] * np.conj(signal[..., :-1]), axis=-1)
        lags = np.stack([r0, r1.real, r1.imag])
    return lags


def second_maps(found: DopplerMaps, n_second: int) -> DopplerMaps:
    """Make up for what the lags of :func:`correlate` are means of; in host memory.

    R1 has ``n_second`` products. R0 has half a pulse more, as the first one of the block counts
    whole: it ends a pair of the ensemble as well.
    """
    coherence = (1.0 - found.bandwidth) * ((n_second + 0.5) / n_second)
    bandwidth = np.maximum(1.0 - coherence, 0.0).astype(found.bandwidth.dtype)
    return DopplerMaps(found.velocity, found.power, bandwidth)


def independent_phases(full_width: tuple[float, float], cell: tuple[float, float]) -> float:
    """Independent phases that R(1) is averaged over.

    Parameters
    ----------
    full_width, cell : tuple of float
        Of the complex averaging, and of a resolution cell; both in pixels (depths, lines).
    """
    # A raised cosine averages 4/3 of its full width at half maximum.
    depth, width = (
        max(1.0, 4.0 / 3.0 * w / side) for w, side in zip(full_width, cell, strict=True)
    )
    return _PER_CELL * depth * width


def noise_coherence(
    kind: str, n_pulses: int, n_second: int, ratio: float, n_phases: float
) -> tuple[float, float]:
    """Square of the coherence that white noise has in either block.

    By chance, as both are means over few products, and because the wall filter takes the same part
    out of neighbouring pulses.

    Parameters
    ----------
    kind : str
        Wall filter of the ensemble.
    n_pulses, n_second : int
    ratio : float
        T2 / T1.
    n_phases : float
        See :func:`independent_phases`.
    """
    kind = regression_kind(kind, n_pulses)
    second = sequence_filter(kind, n_pulses, n_second, ratio)[n_pulses - 1 :]
    squares = []
    for matrix in (wall_filter.projection(kind, n_pulses), second):
        covariance = matrix @ matrix.T
        together = np.mean(np.diagonal(covariance, 1)) / np.mean(np.diagonal(covariance))
        squares.append(float(together**2 + 1.0 / (n_phases * (len(matrix) - 1))))
    return squares[0], squares[1]


def vote(
    shown: NDArray[np.float32],
    first: DopplerMaps,
    second: DopplerMaps,
    posterior: NDArray[np.float32] | None,
    *,
    ratio: float,
    n_phases: float,
    by_chance: tuple[float, float],
) -> NDArray[np.float32]:
    """Weigh the folds of a frame with the phase of the second block.

    Parameters
    ----------
    shown : (n_depths, n_lines) float32
        Velocity whose fold is wanted, in units of v_N.
    first, second : DopplerMaps
        Of the two blocks, each in units of its own v_N.
    posterior : (n_depths, n_lines, 8) float32 or None
        Probabilities of the folds -3 ... 3 and of blood; None where nobody was asked.
    ratio : float
        T2 / T1.
    n_phases : float
        See :func:`independent_phases`.
    by_chance : tuple of float
        See :func:`noise_coherence`.

    Returns
    -------
    (n_depths, n_lines, 8) float32
        Where phases are noise, what was there before.
    """
    least_variance = _LEAST_VARIANCE_BESIDE
    if posterior is None:
        least_variance, posterior = _LEAST_VARIANCE, _without_network()
    else:
        n_phases = min(n_phases, _MOST_PHASES_BESIDE)
    out = aligned_empty((*shown.shape, N_LANES))
    weigh_folds(
        shown,
        first.velocity,
        first.bandwidth,
        second.velocity,
        second.bandwidth,
        second.power,
        posterior,
        ratio,
        n_phases,
        by_chance,
        least_variance,
        _LEAST_CHANCE,
        out,
    )
    return out


@lru_cache(maxsize=1)
def _without_network() -> NDArray[np.float32]:
    """Of slow blood, in place of what a network would say: (1, 1, 8)."""
    chances = np.ones((1, 1, N_LANES), np.float32)
    folds = chances[0, 0, :N_FOLDS]
    folds[:] = _PER_FOLD ** -np.abs(np.arange(N_FOLDS) - N_FOLDS // 2)
    folds /= folds.sum()
    return chances
