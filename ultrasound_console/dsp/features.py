"""What the network sees of a frame, and what it says of it.

It sees planes of full size and evidence maps of a quarter, and says how likely each fold is.

Arrays may have leading axes; a batch is assembled like a single frame. Pictures are padded with
zeros at the end to whole strides of the network: there the phase has no length, which no sample of
the picture has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import aligned_empty, fast_path
from .evidence import CELL, LAGS, N_MAPS, SPEEDS

PLANES = "planes"
"""Name of the first input: cosine and sine of the phase, power, bandwidth, echo level, corrected
velocity of the previous frame, and where that is known."""
EVIDENCE = "evidence"
"""Name of the second input: for each lag the mean over the speeds, and how far each is from it."""
N_FOLDS = 7  # the cache of compiled kernels does not notice a change here: touch those that take it
"""Classes that the network tells apart: folds -3 ... 3."""
N_PLANES = 7
N_EVIDENCE = len(LAGS) + N_MAPS
STRIDE = 32
"""Rows and lines of the network's input are multiples of this."""

_POWER_DB = (-30.0, 40.0)
_POWER_SCALE_DB = 20.0
_ECHO_DB = (-60.0, 0.0)
_ECHO_SCALE_DB = 30.0
_PREVIOUS_SCALE = 4.0
_EVIDENCE_SCALE = 4.0
# Beyond this a logit is as good as infinite.
_LARGEST_LOGIT = 1e4
_NOTHING = np.zeros((0, 0), np.float32)


def padded(shape: tuple[int, int]) -> tuple[int, int]:
    """(n_depths, n_lines) up to whole strides."""
    return -(-shape[0] // STRIDE) * STRIDE, -(-shape[1] // STRIDE) * STRIDE


def planes(
    velocity: NDArray[Any],
    power_db: NDArray[Any],
    bandwidth: NDArray[Any],
    echo_db: NDArray[Any],
    previous: NDArray[Any] | None = None,
    *,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """First input of the network.

    Parameters
    ----------
    velocity : (..., n_depths, n_lines) float32 or float64
        As measured, in units of v_N. A single picture in float32 takes the compiled kernel.
    power_db : (..., n_depths, n_lines)
        Behind the wall filter, above the noise floor.
    bandwidth : (..., n_depths, n_lines)
    echo_db : (..., n_depths, n_lines)
        Power of the unfiltered ensemble below its bright end.
    previous : (..., n_depths, n_lines), optional
        Corrected velocity of the previous frame in the present v_N; NaN where it says nothing.
    out : (..., N_PLANES, rows, columns) float32, optional
        Written and handed back.

    Returns
    -------
    (..., N_PLANES, rows, columns) float32
    """
    *lead, n_depths, n_lines = velocity.shape
    if out is None:
        out = aligned_empty((*lead, N_PLANES, *padded((n_depths, n_lines))))
    kernel = None if lead else fast_path("network_planes", velocity)
    if kernel is not None:
        given = (velocity, power_db, bandwidth, echo_db, _NOTHING if previous is None else previous)
        pictures = (np.require(plane, np.float32, ["C", "W"]) for plane in given)
        scales = _POWER_DB, _POWER_SCALE_DB, _ECHO_DB, _ECHO_SCALE_DB, _PREVIOUS_SCALE
        kernel(*pictures, *scales, out)
        return out
    out.fill(0.0)
    picture = out[..., :n_depths, :n_lines]
    phase = np.multiply(velocity, np.pi, dtype=np.float32)
    np.cos(phase, out=picture[..., 0, :, :])
    np.sin(phase, out=picture[..., 1, :, :])
    picture[..., 2, :, :] = np.clip(power_db, *_POWER_DB) / np.float32(_POWER_SCALE_DB)
    picture[..., 3, :, :] = 2.0 * bandwidth - 1.0
    picture[..., 4, :, :] = np.clip(echo_db, *_ECHO_DB) / np.float32(_ECHO_SCALE_DB) + 1.0
    if previous is not None:
        known = np.isfinite(previous)
        picture[..., 5, :, :] = np.where(known, previous, 0.0) / np.float32(_PREVIOUS_SCALE)
        picture[..., 6, :, :] = known
    return out


def evidence(
    maps: NDArray[Any] | None,
    shape: tuple[int, ...],
    *,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Second input of the network.

    Parameters
    ----------
    maps : (..., N_MAPS, n_depths / 4, n_lines / 4) float32 or float64, optional
        Of :func:`.evidence.echo_evidence`; without it the input is zero. Those of a single picture
        in float32 take the compiled kernel.
    shape : tuple of int
        (..., n_depths, n_lines) of the picture.
    out : (..., N_EVIDENCE, rows / 4, columns / 4) float32, optional
        Written and handed back.

    Returns
    -------
    (..., N_EVIDENCE, rows / 4, columns / 4) float32
    """
    *lead, n_depths, n_lines = shape
    if out is None:
        rows, columns = (n // CELL for n in padded((n_depths, n_lines)))
        out = aligned_empty((*lead, N_EVIDENCE, rows, columns))
    kernel = None if lead or maps is None else fast_path("network_evidence", maps)
    if kernel is not None:
        kernel(maps, len(LAGS), _EVIDENCE_SCALE, out)
        return out
    out.fill(0.0)
    if maps is not None:
        picture = out[..., : maps.shape[-2], : maps.shape[-1]]
        for number in range(len(LAGS)):
            of_lag = maps[..., number * len(SPEEDS) : (number + 1) * len(SPEEDS), :, :]
            mean = of_lag.mean(axis=-3, keepdims=True, dtype=np.float32)
            first = number * (1 + len(SPEEDS))
            deviation = (of_lag - mean) * np.float32(_EVIDENCE_SCALE)
            picture[..., first : first + 1, :, :] = mean
            picture[..., first + 1 : first + 1 + len(SPEEDS), :, :] = deviation
    return out


def posterior(
    logits: NDArray[Any], shape: tuple[int, int], *, out: NDArray[np.float32] | None = None
) -> NDArray[Any]:
    """Probabilities that the network gives.

    Parameters
    ----------
    logits : (N_FOLDS + 1, rows, columns) float32 or float64
        Output of the network. What is not a number counts as very unlikely.
    shape : (n_depths, n_lines)
        Of the picture.
    out : (n_depths, n_lines, N_FOLDS + 1) float32, optional
        Written and handed back.

    Returns
    -------
    (n_depths, n_lines, N_FOLDS + 1) array
        Of the folds -3 ... 3, which add up to one in the lumen and beside it, and last of the
        lumen itself.
    """
    kernel = fast_path("posterior", logits)
    if kernel is not None:
        if out is None:
            out = aligned_empty((*shape, logits.shape[0]))
        kernel(logits, _LARGEST_LOGIT, out)
        return out
    values = np.moveaxis(logits[:, : shape[0], : shape[1]], 0, -1)
    values = np.fmin(np.fmax(values, -_LARGEST_LOGIT), _LARGEST_LOGIT)
    folds = np.exp(values[..., :-1] - values[..., :-1].max(axis=-1, keepdims=True))
    lumen = 1.0 / (1.0 + np.exp(-np.clip(values[..., -1:], -700.0, 700.0)))
    found = np.concatenate([folds / folds.sum(axis=-1, keepdims=True), lumen], axis=-1)
    if out is None:
        return found
    out[...] = found
    return out
