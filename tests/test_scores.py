"""Figures of methods whose faults are known: counted over pixels, groups, frames and confidence."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from ultrasound_console.training.calibration import calibration_error, coverage, reliability
from ultrasound_console.training.scores import (
    ALL,
    BLIND,
    COHERENT,
    FLOW,
    REVERSAL,
    UNALIASED,
    Case,
    Found,
    Tally,
    between,
)

SHAPE = (40, 50)
EVERYWHERE = np.ones(SHAPE, bool)
NOWHERE = ~EVERYWHERE
LEFT_HALF = np.arange(SHAPE[1])[None, :] < SHAPE[1] // 2
LEFT_HALF = np.broadcast_to(LEFT_HALF, SHAPE).copy()
WALL = np.zeros(SHAPE, bool)
WALL[:4] = True
PIXEL_M = (2e-4, 2.5e-4)
"""Twenty pixels are a square millimetre."""


def case(truth, *, sequence="a", **changes):
    """Frame that is measured without noise."""
    truth = np.broadcast_to(np.asarray(truth, np.float32), SHAPE)
    whole = Case(
        sequence=sequence,
        kind="tube",
        n_pulses=12,
        snr_db=20.0,
        pixel_m=PIXEL_M,
        velocity=((truth + 1.0) % 2.0 - 1.0).astype(np.float32),
        truth=truth.copy(),
        coherence=np.full(SHAPE, 0.9, np.float32),
        region=~WALL,
        flow=EVERYWHERE,
    )
    return dataclasses.replace(whole, **changes)


def fold_of(case):
    return np.rint((case.truth - case.velocity) / 2.0).astype(int)


def right(case):
    return Found(fold_of(case), np.ones(SHAPE))


def off_by_one(case, where):
    return Found(fold_of(case) + where)


def scores_of(cases, method):
    tally = Tally()
    for one in cases:
        tally.add(one, {"it": method(one)})
    return tally.scores()["it"]


def test_who_is_always_right_has_no_fault():
    slow, fast = case(0.5, sequence="a"), case(2.7, sequence="b")
    scores = scores_of([slow, fast], right)
    whole = scores.groups[ALL]
    assert whole.n_pixels == 2 * np.count_nonzero(~WALL)
    assert whole.wrong_share == whole.rmsd_nyquist == whole.false_share == 0.0
    assert whole.alias_iou == whole.fold_iou == 1.0
    assert whole.oracle_rms_nyquist == pytest.approx(0.0, abs=1e-6)
    assert scores.calibration_error == 0.0
    assert scores.surest(0.9) == 0.0
    assert scores.claimed_share == 1.0
    assert scores.lock_in == 0


def test_a_known_region_off_by_one():
    # Half of the lumen, all of it aliased: one fold too much.
    scores = scores_of([case(2.5)], lambda one: off_by_one(one, LEFT_HALF))
    whole = scores.groups[ALL]
    assert whole.wrong_share == 0.5
    assert whole.rmsd_nyquist == pytest.approx(2.0 * math.sqrt(0.5))
    assert whole.alias_iou == 1.0
    assert whole.fold_iou == 0.5
    assert math.isnan(whole.false_share)
    assert math.isnan(scores.calibration_error)
    assert scores.coverage == ()
    assert math.isnan(scores.surest(0.9))
    # Where nothing aliases the same fault is a false correction, and of all that is corrected
    # nothing was aliased.
    whole = scores_of([case(0.5)], lambda one: off_by_one(one, LEFT_HALF)).groups[ALL]
    assert whole.false_share == 0.5
    assert whole.alias_iou == 0.0


def test_groups_hold_the_pixels_that_they_name():
    truth = np.where(LEFT_HALF, 0.5, 2.9).astype(np.float32)
    coherence = np.where(LEFT_HALF, 0.3, 1.0).astype(np.float32)
    flow = LEFT_HALF
    fast = case(truth, sequence="a", coherence=coherence, flow=flow, snr_db=10.0, n_pulses=8)
    slow = case(0.4, sequence="b", kind="branching", snr_db=math.nan)
    scores = scores_of([fast, slow], lambda one: off_by_one(one, LEFT_HALF))
    n = np.count_nonzero(~WALL)
    expected = {
        ALL: (2 * n, n),
        FLOW: (n // 2 + n, n),
        between("frame peak", 2.0, 3.5): (n, n // 2),
        between("frame peak", 0.0, 2.0): (n, n // 2),
        between("frame peak", 5.0, math.inf): (0, 0),
        between("|v|", 0.0, 1.0): (n // 2 + n, n),
        between("|v|", 2.0, 3.5): (n // 2, 0),
        between("coherence", 0.25, 0.4): (n // 2, n // 2),
        between("coherence", 0.6, 1.0): (n // 2 + n, n // 2),
        COHERENT: (n // 2 + n, n // 2),
        "SNR 10 dB": (n, n // 2),
        "8 pulses": (n, n // 2),
        "12 pulses": (n, n // 2),
        "tube": (n, n // 2),
        "branching": (n, n // 2),
        UNALIASED: (n, n // 2),
        REVERSAL: (0, 0),
    }
    for name, (n_pixels, n_wrong) in expected.items():
        counts = scores.groups[name]
        assert (counts.n_pixels, counts.n_wrong) == (n_pixels, n_wrong), name
    assert not any("nan" in name for name in scores.groups)
    assert [counts.n_pixels for counts in scores.speeds[:6]] == [n, n // 2, 0, 0, 0, n // 2]


def test_blind_pixels_are_in_and_apart():
    truth = np.where(LEFT_HALF, 2.1, 3.0)
    scores = scores_of([case(truth)], lambda one: off_by_one(one, LEFT_HALF))
    assert scores.groups[BLIND].wrong_share == 1.0
    assert scores.groups[BLIND].n_pixels == scores.groups[ALL].n_pixels // 2


def test_flow_both_ways_takes_a_good_part_of_either():
    backwards = np.zeros(SHAPE, bool)
    backwards[10:12, 10:20] = True
    specks = case(np.where(backwards, -0.5, 1.5), sequence="a")
    halves = case(np.where(LEFT_HALF, -0.5, 1.5), sequence="b")
    scores = scores_of([specks, halves], lambda one: off_by_one(one, LEFT_HALF))
    # Half of it is not aliased, and all of that is corrected falsely.
    assert scores.groups[REVERSAL].n_pixels == np.count_nonzero(~WALL)
    assert scores.groups[REVERSAL].false_share == 1.0


def test_what_is_left_alone_counts_as_no_fold():
    def hesitant(one):
        return Found(fold_of(one), np.full(SHAPE, 0.3), LEFT_HALF, ~LEFT_HALF)

    scores = scores_of([case(2.5)], hesitant)
    whole = scores.groups[ALL]
    assert whole.abstained_share == whole.wrong_share == 0.5
    assert scores.claimed_share == 0.5
    assert scores.surest(1.0) == 0.5
    # Only what it claims is held against its confidence.
    assert scores.reliability == ((pytest.approx(0.3), 1.0, np.count_nonzero(~WALL) // 2),)
    assert scores.calibration_error == pytest.approx(0.7)


def test_coverage_keeps_the_surest():
    confidence = np.linspace(0.0, 1.0, 1000)
    wrong = confidence < 0.1
    curve = dict(coverage(confidence, wrong, (0.5, 0.9, 0.95, 1.0)))
    assert curve == pytest.approx({0.5: 0.0, 0.9: 0.0, 0.95: 50 / 950, 1.0: 0.1})
    # Their order is of no account where all are equally sure.
    for order in (slice(None), slice(None, None, -1)):
        assert dict(coverage(np.full(1000, 0.7), wrong[order], (0.5, 1.0))) == pytest.approx(
            {0.5: 0.1, 1.0: 0.1}
        )
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    curve = coverage(confidence, rng.random(1000) > confidence)
    assert all(a[1] < b[1] + 0.01 for a, b in pairwise(curve))


def test_calibration_error_is_the_distance_from_being_right():
    # 100 pixels at 0.9 of which 70 are right, 300 at 0.5 of which 150 are: 100 * 0.2 / 400.
    confidence = np.repeat([0.9, 0.5], [100, 300])
    is_right = np.r_[np.arange(100) < 70, np.arange(300) < 150]
    assert calibration_error(reliability(confidence, is_right)) == pytest.approx(0.05)
    more = np.ones(400)
    bins = reliability(np.r_[confidence, more], np.r_[is_right, more > 0])
    assert calibration_error(bins) == pytest.approx(0.025)
    assert math.isnan(calibration_error(()))


def test_flips_are_changes_of_the_error_within_a_sequence():
    cases = [case(0.5), case(2.5), case(2.5), case(0.5, sequence="b"), case(0.5, sequence="b")]
    wrong = iter([NOWHERE, NOWHERE, LEFT_HALF, NOWHERE, NOWHERE])
    scores = scores_of(cases, lambda one: off_by_one(one, next(wrong)))
    whole = scores.groups[ALL]
    # The fold changes with the truth: no flip. One of three changes of frame flips one half.
    assert whole.n_followed == 3 * np.count_nonzero(~WALL)
    assert whole.flip_share == pytest.approx(0.5 / 3.0)


def locked(n_pixels, runs, sign=1, **changes):
    """Score a sequence in which some pixels in a row are wrong in the frames that are named."""
    tally = Tally()
    for is_wrong in runs:
        one = case(2.5, **changes)
        where = np.zeros(SHAPE, int)
        where[20, 5 : 5 + n_pixels] = is_wrong * sign
        tally.add(one, {"it": off_by_one(one, where)})
    return tally.scores()["it"].lock_in


@pytest.mark.parametrize(
    ("runs", "longest"),
    [([1, 1, 1], 3), ([1, 0, 1], 1), ([0, 1, 1, 1, 1, 0, 1], 4), ([0, 0], 0), ([1, -1, 1], 1)],
)
def test_lock_in_is_the_longest_run_of_one_wrong_fold(runs, longest):
    assert locked(20, runs) == locked(20, runs, sign=-1) == longest
    # Half a square millimetre is too small to matter.
    assert locked(10, runs) == 0


def test_what_moves_or_is_not_claimed_or_not_scored_is_not_locked_in():
    tally = Tally()
    for k in range(4):
        one = case(2.5)
        where = np.zeros(SHAPE, int)
        where[20 + k, 5:40] = 1
        whole = np.ones(SHAPE, int)
        doubtful = dataclasses.replace(off_by_one(one, whole), claimed=NOWHERE)
        beside = off_by_one(one, WALL)
        tally.add(one, {"moves": off_by_one(one, where), "doubtful": doubtful, "beside": beside})
    found = {name: scores.lock_in for name, scores in tally.scores().items()}
    assert found == {"moves": 1, "doubtful": 0, "beside": 0}
    tally = Tally()
    for k in range(4):
        one = case(2.5, sequence=str(k))
        tally.add(one, {"it": off_by_one(one, EVERYWHERE)})
    assert tally.scores()["it"].lock_in == 1


def test_plain_figures_know_no_nan():
    plain = scores_of([case(0.5)], lambda one: off_by_one(one, NOWHERE)).as_dict()
    assert plain["calibration_error"] is None
    assert plain["groups"][BLIND]["wrong_share"] is None
    assert plain["groups"][ALL]["wrong_share"] == 0.0
    assert plain["speeds"][1]["from_nyquist"] == 0.5
    assert Tally().scores() == {}
    assert scores_or_none(case(0.5, region=NOWHERE)) == {}


def scores_or_none(one):
    tally = Tally()
    tally.add(one, {"it": right(one)})
    return tally.scores()
