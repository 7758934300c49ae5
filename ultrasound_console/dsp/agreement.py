"""De-aliasing by agreement: the network, the continuity of the flow and the pixels around.

The network gives each pixel probabilities of its folds, and with them of its velocities
``v + 2 n v_N``. Two things put right what it gets wrong:

- *Continuity.* Regions of similar velocity are joined where their borders are clear (see
  :mod:`.unwrap`). What the network says of all pixels of a region, taken together, decides its
  fold, in place of walls and speed. Where the phase is coherent this is nearly never wrong.
- *Surroundings.* Blood flows alike in neighbouring pixels, whatever folds they are in. So each
  pixel votes for its velocities: a coherent one for that of its region, others by their
  probabilities. The votes of a neighbourhood make a histogram over velocity, and each pixel takes
  up how well its candidates fit that: one step of mean-field inference (Krähenbühl, Koltun,
  "Efficient inference in fully connected CRFs with Gaussian edge potentials", NIPS 2011); more of
  them gain nothing. Two velocities may stand side by side in a histogram, so true reversals and
  jets stay; a mean would draw both to the middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import kernels_agreement as kernels
from . import kernels_costs as costs
from .arrays import aligned_empty, aligned_zeros
from .unwrap import LEAST_WEIGHT, Unwrapped, merge

_COARSE = np.exp(-0.5 * np.arange(-3, 4) ** 2)
# Over cells: a width of one cell, two pixels. Over bins: one bin, half a v_N.
_WINDOW = (_COARSE / _COARSE.sum()).astype(np.float32)
# What a pixel of which the network is certain counts, in pixels of border.
_NETWORK = 0.4
# A component whose fold leads by less than this share of all it could has none: what is joined
# there is in doubt as well.
_LEAST_LEAD = 0.3
_NO_FOLD = 99
# Pixels are left as measured below these; the second only where there is no flow around.
_LEAST_CONFIDENCE = 0.4
_LEAST_LUMEN = 0.5
# A wrong correction is worse than none: a fold has to be so many times as likely as fold 0. Chosen
# on 100 scenes of neither training nor test set: a third fewer false corrections where flow goes
# both ways, for 2 to 3 % more wrong folds.
_LEAST_ODDS = 1.75
NOTE = "de-aliasing: "
"""What notes on pixels left as measured begin with."""
# A note is due when more than this share of the flow is left alone.
_NOTED_SHARE = 0.1


def agree(
    velocity: NDArray[np.float32],
    coherence: NDArray[np.float32],
    flow: NDArray[np.bool_],
    posterior: NDArray[np.float32],
    shown: NDArray[np.bool_] | None = None,
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
    shown : (n_depths, n_lines) bool, optional
        What of the flow is shown in colour, which is what the notes speak of; by default all.

    Returns
    -------
    Unwrapped
        Pixels whose folds are all unlikely, or hardly likelier than none, or that do not look like
        blood, are left as measured.
    """
    velocity = np.require(velocity, np.float32, ["C", "W"])
    flow = np.require(flow, np.bool_, ["C", "W"])
    fold, confidence = aligned_zeros(flow.shape, np.int8), aligned_zeros(flow.shape)
    abstained = aligned_zeros(flow.shape, np.bool_)
    bloodless = aligned_zeros(flow.shape, np.bool_)
    weight = np.add(coherence, np.float32(LEAST_WEIGHT), out=aligned_empty(flow.shape))
    merged = merge(velocity, weight, flow)
    if merged is None:
        return Unwrapped(fold, confidence, abstained, (), bloodless)
    cost = merged.no_cost()
    costs.posterior_costs(posterior, weight, merged.labels, _NETWORK, cost)
    fold_of, lead = merged.settled(cost)
    # Probabilities add up to one: the costs of a region, to what its pixels count.
    most = np.bincount(merged.number, -cost.sum(axis=1))
    fold_of[(lead < _LEAST_LEAD * most)[merged.number]] = _NO_FOLD

    n_rows, n_lines = (-(-n // kernels.SIDE) for n in flow.shape)
    mixed = aligned_empty((n_rows, n_lines, kernels.N_BINS))
    work = aligned_empty((2, n_lines + 1, kernels.N_BINS))
    busy = aligned_empty((n_rows,), np.bool_)
    kernels.vote(
        velocity,
        coherence,
        flow,
        posterior,
        merged.labels,
        fold_of,
        _WINDOW,
        _WINDOW,
        work,
        mixed,
        busy,
    )
    kernels.decide(
        velocity,
        flow,
        posterior,
        _WINDOW,
        mixed,
        busy,
        _LEAST_CONFIDENCE,
        _LEAST_ODDS,
        _LEAST_LUMEN,
        work[0, 1:],
        fold,
        confidence,
        abstained,
        bloodless,
    )
    notes = _notes(flow if shown is None else shown, abstained, bloodless)
    return Unwrapped(fold, confidence, abstained, notes, bloodless)


def _notes(
    shown: NDArray[np.bool_], abstained: NDArray[np.bool_], bloodless: NDArray[np.bool_]
) -> tuple[str, ...]:
    n_shown = np.count_nonzero(shown)
    n_bloodless = np.count_nonzero(bloodless & shown)
    n_unsure = np.count_nonzero(abstained & shown) - n_bloodless
    notes = []
    if n_unsure > _NOTED_SHARE * n_shown:
        notes.append(f"{NOTE}{n_unsure / n_shown:.0%} of the flow left as measured: unsure")
    if n_bloodless > _NOTED_SHARE * n_shown:
        notes.append(f"{NOTE}{n_bloodless / n_shown:.0%} of the colour does not look like blood")
    return tuple(notes)
