"""De-aliasing by agreement: what the network says of a pixel, weighed with what it says around it.

The network gives each pixel probabilities of its folds, and with them of its velocities
``v + 2 n v_N``. Blood flows alike in neighbouring pixels, whatever folds they are in: so each pixel
votes for its velocities, by its probabilities and its coherence; the votes of a neighbourhood make
a histogram over velocity; and each pixel takes up how well its candidates fit that. It is one step
of mean-field inference (Krähenbühl, Koltun, "Efficient inference in fully connected CRFs with
Gaussian edge potentials", NIPS 2011); more of them gain nothing. Two velocities may stand side by
side in a histogram, so true reversals and jets stay; a mean would draw both to the middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import kernels_agreement as kernels
from .arrays import aligned_empty
from .unwrap import Unwrapped

_COARSE = np.exp(-0.5 * np.arange(-3, 4) ** 2)
# Over cells: a width of one cell, two pixels. Over bins: one bin, half a v_N.
_WINDOW = (_COARSE / _COARSE.sum()).astype(np.float32)
_LEAST_WEIGHT = np.float32(0.02)
# Pixels are left as measured below these. Measured on scenes of picture level: the second takes
# five of six false folds off what is no blood, and one right fold in ten thousand.
_LEAST_CONFIDENCE = 0.4
_LEAST_LUMEN = 0.5
# A note is due when more than this share of the flow is left alone.
_NOTED_SHARE = 0.1


def agree(
    velocity: NDArray[np.float32],
    coherence: NDArray[np.float32],
    flow: NDArray[np.bool_],
    posterior: NDArray[np.float32],
) -> Unwrapped:
    """Find the folds of one frame from the network's probabilities.

    Parameters
    ----------
    velocity : (n_depths, n_lines) float32
        As measured, in units of v_N, [-1, 1).
    coherence : (n_depths, n_lines) float32
        abs(R1)/R0, in [0, 1].
    flow : (n_depths, n_lines) bool
        Support: where the velocity is that of blood.
    posterior : (n_depths, n_lines, 8) float32
        Probabilities of the folds -3 ... 3 and, last, of blood.

    Returns
    -------
    Unwrapped
        Pixels whose folds are all unlikely, or that do not look like blood, are left as measured.
    """
    velocity = np.require(velocity, np.float32, ["C", "W"])
    flow = np.require(flow, np.bool_, ["C", "W"])
    weight = np.add(coherence, _LEAST_WEIGHT, out=aligned_empty(flow.shape))
    n_rows, n_lines = (-(-n // kernels.SIDE) for n in flow.shape)
    mixed = aligned_empty((n_rows, n_lines, kernels.N_BINS))
    work = aligned_empty((2, n_lines + 1, kernels.N_BINS))
    busy = aligned_empty((n_rows,), np.bool_)
    kernels.vote(velocity, weight, flow, posterior, _WINDOW, _WINDOW, work, mixed, busy)
    fold = aligned_empty(flow.shape, np.int8)
    confidence, abstained = aligned_empty(flow.shape), aligned_empty(flow.shape, np.bool_)
    n_unsure, n_bloodless = kernels.decide(
        velocity,
        flow,
        posterior,
        _WINDOW,
        mixed,
        busy,
        _LEAST_CONFIDENCE,
        _LEAST_LUMEN,
        work[0, 1:],
        fold,
        confidence,
        abstained,
    )
    n_flow = int(np.count_nonzero(flow))
    notes = []
    if n_unsure > _NOTED_SHARE * n_flow:
        notes.append(f"de-aliasing: {n_unsure / n_flow:.0%} of the flow left as measured: unsure")
    if n_bloodless > _NOTED_SHARE * n_flow:
        notes.append(
            f"de-aliasing: {n_bloodless / n_flow:.0%} of the colour does not look like blood"
        )
    return Unwrapped(fold, confidence, abstained, tuple(notes))
