"""Folds from the network's probabilities and from those of the surroundings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from ultrasound_console.dsp import agreement
from ultrasound_console.dsp import kernels_agreement as kernels

SHAPE = (31, 45)


def _posterior(fold: NDArray[np.int64], sure: float, lumen: float = 0.95) -> NDArray[np.float32]:
    """Probability ``sure`` of one fold, the rest shared by the others."""
    out = np.full((*fold.shape, 8), (1.0 - sure) / 6.0, np.float32)
    np.put_along_axis(out, fold[..., None] + 3, np.float32(sure), -1)
    out[..., 7] = lumen
    return out


def _everywhere(coherence: float = 0.25) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Coherence, so low that regions do not count, and flow."""
    return np.full(SHAPE, coherence, np.float32), np.ones(SHAPE, np.bool_)


def test_lonely_pixels_take_the_fold_of_their_surroundings() -> None:
    coherence, flow = _everywhere()
    speed = np.full(SHAPE, 2.3, np.float32)
    fold = np.rint(speed / 2.0).astype(np.int64)
    said = fold.copy()
    said[5::9, 4::9] = 0
    found = agreement.agree(speed - 2.0 * fold, coherence, flow, _posterior(said, 0.7))
    assert np.array_equal(found.fold, fold)
    assert not found.abstained.any()


def test_a_smooth_profile_across_three_folds_stays_whole() -> None:
    coherence, flow = _everywhere()
    speed = np.linspace(-5.5, 5.5, SHAPE[0], dtype=np.float32)[:, None] + np.zeros(
        SHAPE, np.float32
    )
    fold = np.rint(speed / 2.0).astype(np.int64)
    rng = np.random.default_rng(3)
    said = np.where(rng.random(SHAPE) < 0.15, np.clip(fold + 1, -3, 3), fold)
    found = agreement.agree(
        (speed - 2.0 * fold).astype(np.float32), coherence, flow, _posterior(said, 0.5)
    )
    wrong = (found.fold != fold) & ~found.abstained
    assert np.mean(wrong) < 0.2 * np.mean(said != fold)


def test_opposite_flow_side_by_side_is_not_drawn_to_the_middle() -> None:
    coherence, flow = _everywhere()
    speed = np.full(SHAPE, 2.6, np.float32)
    speed[:, 22:] = -2.6
    fold = np.rint(speed / 2.0).astype(np.int64)
    found = agreement.agree(speed - 2.0 * fold, coherence, flow, _posterior(fold, 0.6))
    assert np.array_equal(found.fold, fold)


@pytest.mark.parametrize("coherence", [0.25, 0.9])
def test_confidence_is_higher_where_all_agree_and_low_pixels_are_left_alone(
    coherence: float,
) -> None:
    coherent, flow = _everywhere(coherence)
    velocity = np.zeros(SHAPE, np.float32)
    ones = np.ones(SHAPE, np.int64)
    sure = agreement.agree(velocity, coherent, flow, _posterior(ones, 0.9))
    less = agreement.agree(velocity, coherent, flow, _posterior(ones, 0.5))
    none = agreement.agree(velocity, coherent, flow, _posterior(ones, 1.0 / 7.0))
    assert sure.confidence.mean() > less.confidence.mean() > none.confidence.mean()
    assert not sure.abstained.any()
    assert none.abstained.all()
    assert not none.fold.any()
    assert "unsure" in none.notes[0]
    assert none.bloodless is not None
    assert not none.bloodless.any()


@pytest.mark.parametrize("coherence", [0.6, 0.9])
def test_continuity_carries_a_coherent_vessel_over_what_the_network_gets_wrong(
    coherence: float,
) -> None:
    coherent, flow = _everywhere(coherence)
    speed = np.zeros(SHAPE, np.float32) + np.linspace(0.2, 4.2, SHAPE[1], dtype=np.float32)
    fold = np.rint(speed / 2.0).astype(np.int64)
    said = fold.copy()
    said[:, 30:] = 0  # a whole end of the vessel, of which a network may be sure
    velocity = (speed - 2.0 * fold).astype(np.float32)
    found = agreement.agree(velocity, coherent, flow, _posterior(said, 0.9))
    assert np.array_equal(found.fold, fold)
    assert not found.abstained.any()


def test_the_network_lifts_a_coherent_vessel_as_a_whole() -> None:
    coherence, flow = _everywhere(0.9)
    speed = np.zeros(SHAPE, np.float32) + np.linspace(2.2, 4.8, SHAPE[0], dtype=np.float32)[:, None]
    fold = np.rint(speed / 2.0).astype(np.int64)
    velocity = (speed - 2.0 * fold).astype(np.float32)
    found = agreement.agree(velocity, coherence, flow, _posterior(fold, 0.4))
    assert np.array_equal(found.fold, fold)


def test_what_does_not_look_like_blood_is_left_alone() -> None:
    coherence, flow = _everywhere()
    posterior = _posterior(np.ones(SHAPE, np.int64), 0.9)
    posterior[:15, :, 7] = 0.2
    posterior[25, 20, 7] = 0.2  # with blood all around
    found = agreement.agree(np.zeros(SHAPE, np.float32), coherence, flow, posterior)
    assert found.abstained[:10].all()  # further down there is flow around
    assert not found.abstained[15:].any()
    assert not found.fold[:10].any()
    assert (found.fold[15:] == 1).all()
    assert "blood" in found.notes[0]
    assert np.array_equal(found.bloodless, found.abstained)


def test_notes_speak_of_what_is_shown() -> None:
    coherence, flow = _everywhere()
    posterior = _posterior(np.ones(SHAPE, np.int64), 0.9)
    posterior[:10, :, 7] = 0.02
    posterior[15:20, :, :7] = 1.0 / 7.0
    shown = np.zeros(SHAPE, np.bool_)
    velocity = np.zeros(SHAPE, np.float32)
    assert agreement.agree(velocity, coherence, flow, posterior, shown).notes == ()
    shown[:5] = True  # nothing of it is blood; the blood beside it is too weak to be shown
    (note,) = agreement.agree(velocity, coherence, flow, posterior, shown).notes
    assert "100% of the colour does not look like blood" in note


@pytest.mark.parametrize("odds", [0.97, 1.03])
def test_a_fold_that_is_hardly_likelier_than_none_is_not_claimed(odds: float) -> None:
    coherence, flow = _everywhere()
    velocity = np.zeros(SHAPE, np.float32)
    # Alike everywhere, votes are in the ratio of the probabilities: their odds to (1 + 2) * 3/8.
    ratio = (odds * 1.75) ** (8.0 / 9.0)
    posterior = np.zeros((*SHAPE, 8), np.float32)
    posterior[..., 3], posterior[..., 4] = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
    posterior[..., 7] = 0.95
    inside = np.s_[7:-7, 7:-7]
    found = agreement.agree(velocity, coherence, flow, posterior)
    assert (found.abstained[inside] == (odds < 1.0)).all()
    assert (found.fold[inside] == (0 if odds < 1.0 else 1)).all()
    posterior[..., 3] = 0.0  # against another fold than none, the likelier one is claimed
    posterior[..., 5] = 1.0 / (1.0 + ratio)
    found = agreement.agree(velocity, coherence, flow, posterior)
    assert (found.fold[inside] == 1).all()


def test_nothing_outside_the_flow() -> None:
    coherence, flow = _everywhere()
    flow[10:20] = False
    found = agreement.agree(
        np.zeros(SHAPE, np.float32), coherence, flow, _posterior(np.ones(SHAPE, np.int64), 0.9)
    )
    assert not found.fold[10:20].any()
    assert not found.abstained[10:20].any()
    assert not found.confidence[10:20].any()
    nothing = agreement.agree(
        np.zeros(SHAPE, np.float32),
        coherence,
        np.zeros(SHAPE, np.bool_),
        _posterior(np.ones(SHAPE, np.int64), 0.9),
    )
    assert not nothing.fold.any()
    assert nothing.notes == ()


@pytest.mark.parametrize("seed", [0, 1])
def test_folds_and_confidence_are_those_of_array_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    velocity = rng.uniform(-1.0, 1.0, SHAPE).astype(np.float32)
    coherence = rng.uniform(0.0, 0.3, SHAPE).astype(np.float32)
    weight = coherence + np.float32(0.02)
    flow = rng.random(SHAPE) < 0.7
    folds = rng.dirichlet(np.ones(7), SHAPE)
    posterior = np.concatenate([folds, rng.random((*SHAPE, 1))], -1).astype(np.float32)
    window = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    window /= window.sum()

    n_rows, n_lines = 16, 23
    histogram = np.zeros((n_rows, n_lines, kernels.N_BINS))
    i, j = np.nonzero(flow)
    for n in range(7):
        place = 2.0 * (velocity[i, j] + 2.0 * (n - 3)) + 17.0
        below = np.floor(place).astype(int)
        share = posterior[i, j, n] * posterior[i, j, 7] * weight[i, j]
        np.add.at(histogram, (i // 2, j // 2, below), share * (1.0 - (place - below)))
        np.add.at(histogram, (i // 2, j // 2, below + 1), share * (place - below))
    for axis in range(3):
        histogram = correlate1d(histogram, window, axis=axis, mode="constant")
    expected = np.zeros((i.size, 7))
    for n in range(7):
        place = 2.0 * (velocity[i, j] + 2.0 * (n - 3)) + 17.0
        below = np.floor(place).astype(int)
        part = place - below
        near = (1.0 - part) * histogram[i // 2, j // 2, below]
        near += part * histogram[i // 2, j // 2, below + 1] + 4e-4
        expected[:, n] = (posterior[i, j, n] + 1e-4) * near**2
    tempered = expected**0.375
    chosen = expected.argmax(axis=1)
    found = agreement.agree(velocity, coherence, flow, posterior)
    sure = tempered.max(axis=1) / tempered.sum(axis=1)
    np.testing.assert_allclose(found.confidence[i, j], sure, rtol=2e-5)
    heard = histogram[..., 3:].sum(axis=-1)[i // 2, j // 2]
    left = (sure < 0.4) | ((posterior[i, j, 7] < 0.5) & (heard < 0.6))
    left |= (chosen != 3) & (tempered.max(axis=1) < 1.75 * tempered[:, 3])
    np.testing.assert_array_equal(found.abstained[i, j], left)
    np.testing.assert_array_equal(found.fold[i, j], np.where(left, 0, chosen - 3))
