"""Folds given by hand to the pixels of a frame, and the frame as it is with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .accuracy import score_frame
from .dsp.kernels_correction import give
from .dsp.unwrap import MAX_FOLD
from .frames import Correction, DopplerFrame, Status

Bool = NDArray[np.bool_]


def changed(
    frame: DopplerFrame, before: Correction | None, where: Bool, step: int
) -> Correction | None:
    """Give some pixels of a frame their folds by hand.

    Parameters
    ----------
    frame : DopplerFrame
        As it is now, with what was given before.
    before : Correction or None
    where : (n_depths, n_lines) bool
        Those without flow are left out.
    step : int
        Added to the fold of each, within -4 ... 4; with 0 they are confirmed as they are.

    Returns
    -------
    Correction or None
        Nothing where nothing is given.
    """
    where = where & (frame.status != Status.NO_FLOW)
    span_m_s = np.float32(2.0 * frame.nyquist_velocity_m_s)
    fold = np.clip(frame.fold.astype(np.int16) + step, -MAX_FOLD, MAX_FOLD)
    velocity_m_s = np.where(where, frame.velocity_m_s + span_m_s * fold, np.float32(0.0))
    if before is not None:
        velocity_m_s = np.where(where, velocity_m_s, before.velocity_m_s)
        where = where | before.given
    return Correction(velocity_m_s.astype(np.float32), where) if where.any() else None


def without(correction: Correction | None, where: Bool) -> Correction | None:
    """Take back what was given to some pixels."""
    if correction is None or not (correction.given & where).any():
        return correction
    given = correction.given & ~where
    if not given.any():
        return None
    return Correction(np.where(given, correction.velocity_m_s, np.float32(0.0)), given)


def corrected(frame: DopplerFrame, correction: Correction) -> DopplerFrame:
    """Put the folds that were given into a frame, marked as such.

    Parameters
    ----------
    frame : DopplerFrame
        As the de-aliasing left it.
    correction : Correction
        Of another grid it does nothing.
    """
    if correction.given.shape != frame.fold.shape:
        return frame
    fold, status, confidence = frame.fold.copy(), frame.status.copy(), frame.confidence.copy()
    give(
        frame.velocity_m_s,
        correction.velocity_m_s,
        correction.given,
        2.0 * frame.nyquist_velocity_m_s,
        MAX_FOLD,
        int(Status.BY_HAND),
        fold,
        status,
        confidence,
    )
    bloodless = frame.bloodless
    if bloodless is not None:
        bloodless = bloodless & (status != Status.BY_HAND)
    score = frame.score
    if score is not None and frame.truth_m_s is not None:
        score = score_frame(
            frame.velocity_m_s,
            fold,
            frame.truth_m_s,
            score.region,
            frame.nyquist_velocity_m_s,
            flow=status != Status.NO_FLOW,
            abstained=status == Status.ABSTAINED,
        )
    return replace(
        frame, fold=fold, status=status, confidence=confidence, bloodless=bloodless, score=score
    )
