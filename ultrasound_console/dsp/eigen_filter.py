"""Wall filter from the data: the slow eigenvectors of an ensemble are its tissue.

The eigenvectors of the correlation matrix over the pulses, n_pulses x n_pulses, are the singular
vectors of all pixels' ensembles, at a fraction of the cost. Those whose mean frequency lies below
a cut-off are projected out, however many there are. Yu, Cobbold, "Single-ensemble-based eigen-
processing methods for color flow imaging", IEEE TUFFC 55 (2008); Loevstakken, Bjaerum,
Kristoffersen, Haaverstad, Torp, "Real-time adaptive clutter rejection filtering in color flow
imaging using power method iterations", IEEE TUFFC 53 (2006).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import fast_path, n_lanes

# Dimensions that are always left: a velocity needs two.
_LEAST_LEFT = 2


def correlation(iq: NDArray[Any], n_pulses: int) -> NDArray[np.complex128]:
    """Mean of ``s[j] conj(s[k])`` over all pixels.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        Lanes from ``n_pulses`` on are zero.
    n_pulses : int

    Returns
    -------
    (n_pulses, n_pulses) complex128
        Hermitian.
    """
    n_pixels = iq.shape[0] * iq.shape[1]
    kernel = fast_path("correlation", iq)
    if kernel is not None:
        lanes = n_lanes(n_pulses)
        sums = np.zeros((2, lanes, lanes))
        kernel(iq, n_pulses, sums)
        summed = sums[0, :n_pulses, :n_pulses] + 1j * sums[1, :n_pulses, :n_pulses]
        return np.asarray(summed / n_pixels)
    signal = iq[..., 0, :n_pulses] + 1j * iq[..., 1, :n_pulses]
    signal = signal.reshape(n_pixels, n_pulses)
    return np.asarray(signal.T @ signal.conj() / n_pixels)


def mean_frequency(vectors: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Mean Doppler frequency of each column, over PRF and without a sign.

    ``arccos(Re R1 / R0) / 2 pi``. For a tone it is the phase of R1; unlike that phase it does not
    call a vector slow that holds the same flow in both directions.

    Parameters
    ----------
    vectors : (n_pulses, n) complex128

    Returns
    -------
    (n,) float64
        0 ... 0.5.
    """
    energy = np.abs(vectors) ** 2
    r0 = 0.5 * np.sum(energy[1:] + energy[:-1], axis=0)
    r1 = np.sum(vectors[1:] * vectors[:-1].conj(), axis=0)
    cosine = np.clip(r1.real / np.where(r0 > 0.0, r0, 1.0), -1.0, 1.0)
    return np.asarray(np.arccos(cosine) / (2.0 * np.pi))


def projection(matrix: NDArray[np.complex128], cutoff_prf: float) -> NDArray[np.complex128]:
    """Projection on the complement of the slow eigenvectors of a correlation matrix.

    Parameters
    ----------
    matrix : (n_pulses, n_pulses) complex128
        From :func:`correlation`.
    cutoff_prf : float
        Mean frequency, over PRF, below which an eigenvector is tissue.

    Returns
    -------
    (n_pulses, n_pulses) complex128
        Hermitian. The identity where there is no signal, or none that is finite.
    """
    n_pulses = matrix.shape[0]
    identity = np.eye(n_pulses, dtype=np.complex128)
    if not (np.all(np.isfinite(matrix)) and np.any(matrix)):
        return identity
    # The smallest eigenvalue comes first.
    _, vectors = np.linalg.eigh(matrix)
    slow = np.flatnonzero(mean_frequency(vectors) < cutoff_prf)
    removed = vectors[:, slow[::-1][: n_pulses - _LEAST_LEFT]]
    return np.asarray(identity - removed @ removed.conj().T)


def padded(matrix: NDArray[np.complex128]) -> NDArray[np.float32]:
    """Complex filter for the ensemble layout.

    Returns
    -------
    (2, n_pulses, n_lanes) float32
        Real and imaginary weight of pulse k, row k, in every lane.
    """
    n_pulses = matrix.shape[0]
    weights = np.zeros((2, n_pulses, n_lanes(n_pulses)), np.float32)
    weights[0, :, :n_pulses] = matrix.T.real
    weights[1, :, :n_pulses] = matrix.T.imag
    return weights
