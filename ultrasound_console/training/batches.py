"""Batches for the network: augmented, with and without evidence and a previous frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..accuracy import true_fold
from ..dsp import features
from ..dsp.evidence import LAGS, SPEEDS
from .dataset import Frames, Shards

MAX_FOLD = 3
OUTSIDE, UNKNOWN = -1, -2
"""Labels of pixels outside the lumen, and of those of which nobody knows what they are."""

_WITHOUT_EVIDENCE = 0.25
# What the previous frame is made of: nothing, the network's own folds, or true ones with faults.
_NO_PREVIOUS, _OWN_PREVIOUS = 0.5, 0.2
_FLOW_POWER_DB = (4.0, 12.0)
_UNSURE = 0.6

Folds = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Takes planes and evidence, gives the posterior (n, 7, n_depths, n_lines)."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs of the network and what it should say.

    Attributes
    ----------
    planes : (n, N_PLANES, rows, columns) float32
    evidence : (n, N_EVIDENCE, rows / 4, columns / 4) float32
    labels : (n, rows, columns) int64
        True fold + 3, or OUTSIDE, or UNKNOWN.
    """

    planes: NDArray[np.float32]
    evidence: NDArray[np.float32]
    labels: NDArray[np.int64]


def labels_of(frames: Frames) -> NDArray[np.int64]:
    """Make labels: true fold + 3 as far as the network can say it; see :class:`Batch`."""
    inside = np.isfinite(frames.truth)
    velocity, truth = (np.where(inside, x, 0.0) for x in (frames.velocity, frames.truth))
    folds = true_fold(velocity, truth, 1.0)
    beside = np.where(np.isinf(frames.truth), UNKNOWN, OUTSIDE)
    labels = np.where(inside, np.clip(folds, -MAX_FOLD, MAX_FOLD) + MAX_FOLD, beside)
    n_depths, n_lines = labels.shape[1:]
    rows, columns = features.padded((n_depths, n_lines))
    margin = ((0, 0), (0, rows - n_depths), (0, columns - n_lines))
    return np.pad(labels, margin, constant_values=OUTSIDE)


def inputs_of(
    frames: Frames, previous: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both inputs of the network; they are zero beyond the end of a smaller picture."""
    planes = features.planes(
        frames.velocity, frames.power_db, frames.bandwidth, frames.echo_db, previous
    )
    return _ended(planes, frames), features.evidence(frames.evidence, frames.velocity.shape)


def draw(rng: np.random.Generator, shards: Shards, size: int, folds: Folds) -> Batch:
    """Draw a batch.

    Parameters
    ----------
    rng : numpy.random.Generator
    shards : Shards
        Each of their folders gives the same share of the batch.
    size : int
    folds : callable
        The network as it is, for the frames before.
    """
    chosen = shards.choose(rng, size)
    frames = shards.take(chosen)
    previous = np.full(frames.velocity.shape, np.nan, np.float32)
    kind = rng.random(size)
    with_previous = np.flatnonzero(kind > _NO_PREVIOUS)
    if with_previous.size:
        before = shards.take(chosen[with_previous] ^ 1)
        own = kind[with_previous] > 1.0 - _OWN_PREVIOUS
        previous[with_previous] = _corrected(rng, before, own, folds)
    planes = features.planes(
        frames.velocity,
        frames.power_db + rng.normal(0.0, 1.5, (size, 1, 1)),
        frames.bandwidth,
        frames.echo_db + rng.normal(0.0, 4.0, (size, 1, 1)),
        previous,
    )
    planes = _ended(planes, frames)
    evidence = features.evidence(frames.evidence, frames.velocity.shape)
    evidence[rng.random(size) < _WITHOUT_EVIDENCE] = 0.0
    labels = labels_of(frames)
    # Flow may go the other way, and either side of the picture may be left.
    turned = rng.random(size) < 0.5
    planes[turned, 1] *= -1.0
    planes[turned, 5] *= -1.0
    for number in range(len(LAGS)):
        first = number * (1 + len(SPEEDS)) + 1
        speeds = slice(first, first + len(SPEEDS))
        evidence[turned, speeds] = evidence[turned, speeds][:, ::-1]
    labels[turned] = np.where(labels[turned] < 0, labels[turned], 2 * MAX_FOLD - labels[turned])
    for axis, share in ((-1, 0.5), (-2, 0.25)):
        mirrored = rng.random(size) < share
        for array in (planes, evidence, labels):
            array[mirrored] = np.flip(array[mirrored], axis)
    return Batch(planes, evidence, labels)


def _ended(planes: NDArray[np.float32], frames: Frames) -> NDArray[np.float32]:
    """Planes that are zero beyond the end of smaller pictures, as the network is always shown."""
    n_depths, n_lines = frames.velocity.shape[1:]
    np.copyto(planes[..., :n_depths, :n_lines], 0.0, where=np.isnan(frames.velocity)[:, None])
    return planes


def _corrected(
    rng: np.random.Generator, before: Frames, own: NDArray[np.bool_], folds: Folds
) -> NDArray[np.float32]:
    """Corrected velocity of frames before, NaN outside their flow."""
    n, n_depths, n_lines = before.velocity.shape
    inside = np.isfinite(before.truth)
    velocity = np.nan_to_num(before.velocity)
    fold = true_fold(velocity, np.where(inside, before.truth, velocity), 1.0)
    unknown = before.power_db < rng.uniform(*_FLOW_POWER_DB, (n, 1, 1))
    unknown |= np.isnan(before.velocity)
    for k in range(n):
        if not own[k] and rng.random() < 0.5:
            fold[k] += _faults(rng, (n_depths, n_lines))
    if own.any():
        posterior = folds(*(x[own] for x in inputs_of(before)))[..., :n_depths, :n_lines]
        fold[own] = posterior.argmax(axis=1) - MAX_FOLD
        unknown[own] |= posterior.max(axis=1) < _UNSURE
    corrected = velocity + 2.0 * np.clip(fold, -MAX_FOLD, MAX_FOLD)
    return np.where(unknown, np.nan, corrected).astype(np.float32)


def _faults(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Regions that are off by one fold."""
    coarse = rng.standard_normal(tuple(-(-n // 8) + 1 for n in shape), np.float32)
    smooth = gaussian_filter(coarse, rng.uniform(0.7, 3.0))
    plane = np.kron(smooth, np.ones((8, 8), np.float32))[: shape[0], : shape[1]]
    threshold = np.quantile(plane, 1.0 - rng.uniform(0.02, 0.3))
    return np.where(plane > threshold, rng.choice([-1, 1]), 0)
