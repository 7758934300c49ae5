"""Accuracy figures against numbers counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console import accuracy
from ultrasound_console.accuracy import Accuracy, Counts, FoldError, score, score_frame

NYQUIST_M_S = 0.5

# Six pixels in units of v_N. The truth is measured + 2 n* plus a little estimator noise:
#   measured   0.2   -0.8    0.9   -0.9    0.1    0.4
#   truth      0.3    1.1    1.1   -2.9    2.1    0.4
#   n*         0      1      0     -1      1      0      (1.1 - 0.9 = 0.2 is no fold)
#   found      0      1      1     -1      0      0
MEASURED = np.array([[0.2, -0.8, 0.9], [-0.9, 0.1, 0.4]]) * NYQUIST_M_S
TRUTH = np.array([[0.3, 1.1, 1.1], [-2.9, 2.1, 0.4]]) * NYQUIST_M_S
TRUE_FOLD = np.array([[0, 1, 0], [-1, 1, 0]])
FOUND = np.array([[0, 1, 1], [-1, 0, 0]], np.int8)
EVERYWHERE = np.ones((2, 3), bool)


def test_true_fold_comes_from_the_measured_velocity():
    assert np.array_equal(accuracy.true_fold(MEASURED, TRUTH, NYQUIST_M_S), TRUE_FOLD)


def test_figures_of_six_pixels():
    counts = score(MEASURED, FOUND, TRUTH, EVERYWHERE, NYQUIST_M_S)[0].all
    assert counts.n_pixels == 6
    assert counts.wrong_share == pytest.approx(2 / 6)  # the third and the fifth
    assert counts.aliased_share == pytest.approx(3 / 6)
    # n: three pixels; n*: three; both: two.
    assert counts.alias_iou == pytest.approx(2 / 4)
    assert counts.fold_iou == pytest.approx(2 / 4)
    assert counts.false_share == pytest.approx(1 / 3)
    assert counts.abstained_share == 0
    # Two folds off by one: 2 v_N each.
    assert counts.rmsd_nyquist == pytest.approx(math.sqrt(2 * 4 / 6))
    # Oracle minus truth: -0.1, 0.1, -0.2, 0, 0, 0.
    assert counts.oracle_rms_nyquist == pytest.approx(math.sqrt((0.01 + 0.01 + 0.04) / 6))
    # Corrected minus truth: -0.1, 0.1, 1.8, 0, -2, 0.
    assert counts.corrected_rms_nyquist == pytest.approx(math.sqrt((0.02 + 3.24 + 4.0) / 6))
    assert counts.corrected_bias_nyquist == pytest.approx((-0.1 + 0.1 + 1.8 - 2.0) / 6)
    # Measured minus truth: -0.1, -1.9, -0.2, 2, -2, 0.
    assert counts.measured_bias_nyquist == pytest.approx(-2.2 / 6)
    assert counts.measured_rms_nyquist == pytest.approx(math.sqrt((0.05 + 3.61 + 8.0) / 6))


def test_a_frame_is_scored_in_its_lumen_and_where_flow_is_shown():
    lumen = np.array([[True, True, True], [False, True, True]])
    flow = np.array([[False, True, True], [True, True, False]])
    abstained = np.array([[False, False, True], [False, False, False]])

    def counts_in(region):
        return score(MEASURED, FOUND, TRUTH, region, NYQUIST_M_S, abstained=abstained)[0].all

    found = score_frame(MEASURED, FOUND, TRUTH, lumen, NYQUIST_M_S, flow=flow, abstained=abstained)
    assert (found.lumen.n_pixels, found.lumen.n_wrong, found.lumen.n_abstained) == (5, 1, 1)
    assert found.lumen == counts_in(lumen)
    assert found.shown == counts_in(lumen & flow)
    assert found.shown.n_pixels == 3
    assert found.shown_share == pytest.approx(3 / 5)
    assert np.array_equal(found.region, lumen)


def test_wrong_sign_counts_for_the_alias_but_not_for_the_fold():
    found = np.array([[0, -1, 0], [-1, 1, 0]])
    counts = score(MEASURED, found, TRUTH, EVERYWHERE, NYQUIST_M_S)[0].all
    assert counts.alias_iou == 1
    assert counts.fold_iou == pytest.approx(2 / 3)


def test_an_abstained_pixel_counts_as_fold_zero():
    abstained = np.array([[False, True, True], [False, False, False]])
    counts = score(MEASURED, FOUND, TRUTH, EVERYWHERE, NYQUIST_M_S, abstained=abstained)[0].all
    assert counts.abstained_share == pytest.approx(2 / 6)
    # Abstaining mends the third pixel (n* = 0) and spoils the second (n* = 1).
    assert counts.wrong_share == pytest.approx(2 / 6)
    assert counts.false_share == 0
    assert counts.n_folded == 1


def test_only_the_region_is_scored():
    region = np.array([[True, True, False], [False, False, False]])
    counts = score(MEASURED, FOUND, TRUTH, region, NYQUIST_M_S)[0].all
    assert (counts.n_pixels, counts.n_wrong) == (2, 0)


def test_blind_pixels_are_counted_in_and_apart():
    truth = np.array([-2.3, -1.69, 0.0, 0.2, 1.71, 2.0, 2.29, 3.0, 4.2])
    expected = [True, False, False, False, True, True, True, False, True]
    assert accuracy.blind(truth * NYQUIST_M_S, NYQUIST_M_S).tolist() == expected
    figures = score(MEASURED, FOUND, TRUTH, EVERYWHERE, NYQUIST_M_S)[0]
    # Only the fifth (2.1 v_N), and it is wrong.
    assert (figures.blind.n_pixels, figures.blind.n_wrong) == (1, 1)
    assert figures.blind_share == pytest.approx(1 / 6)


def test_flips_are_changes_of_the_error_where_both_frames_are_scored():
    before = FoldError(
        region=np.array([[True, True, True], [False, True, True]]),
        error=np.array([[0, 1, 1], [5, 0, 0]]),
    )
    figures, error = score(MEASURED, FOUND, TRUTH, EVERYWHERE, NYQUIST_M_S, previous=before)
    # n - n* now: 0 0 1 / 0 -1 0. Changed: the second and the fifth; the fourth was not scored.
    assert np.array_equal(error.error, [[0, 0, 1], [0, -1, 0]])
    assert (figures.all.n_flips, figures.all.n_followed) == (2, 5)
    assert figures.all.flip_share == pytest.approx(2 / 5)
    assert math.isnan(score(MEASURED, FOUND, TRUTH, EVERYWHERE, NYQUIST_M_S)[0].all.flip_share)


def test_a_set_pools_pixels_not_frames():
    one = np.zeros((2, 3), bool)
    one[0, 2] = True  # a single pixel, and it is wrong
    figures = [
        score(MEASURED, FOUND, TRUTH, region, NYQUIST_M_S)[0] for region in (EVERYWHERE, one)
    ]
    pooled = sum(figures, Accuracy())
    assert pooled.all.wrong_share == pytest.approx(3 / 7)
    assert pooled.all.n_pixels == 7
    assert pooled.blind.n_pixels == 1


def test_nothing_to_score_is_not_a_number():
    empty = Counts()
    shares = [
        getattr(empty, name) for name in dir(Counts) if name.endswith(("share", "iou", "nyquist"))
    ]
    assert len(shares) == 13
    assert all(math.isnan(value) for value in shares)
    assert math.isnan(Accuracy().blind_share)


def test_erosion_uses_the_pixels_own_sizes():
    mask = np.zeros((21, 21), bool)
    mask[5:16, 5:16] = True
    # 0.25 mm axially: two rows lie within 0.5 mm of the wall; 0.5 mm laterally: one column.
    inner = accuracy.erode(mask, (0.25e-3, 0.5e-3))
    rows, columns = np.nonzero(inner)
    assert (rows.min(), rows.max()) == (7, 13)
    assert (columns.min(), columns.max()) == (6, 14)


def test_the_edge_of_the_picture_is_no_wall():
    mask = np.zeros((20, 20), bool)
    mask[:, 6:] = True
    inner = accuracy.erode(mask, (1e-4, 1e-4))
    assert np.array_equal(inner, np.broadcast_to(np.arange(20) >= 11, (20, 20)))
    assert accuracy.erode(np.ones((4, 4), bool), (1e-4, 1e-4)).all()
    assert not accuracy.erode(np.zeros((4, 4), bool), (1e-4, 1e-4)).any()


@given(st.integers(-6, 6), st.floats(-0.99, 0.99))
def test_the_true_fold_undoes_a_wrap(fold, measured):
    truth = (measured + 2 * fold) * NYQUIST_M_S
    assert accuracy.true_fold(measured * NYQUIST_M_S, truth, NYQUIST_M_S) == fold
