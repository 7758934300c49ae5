"""Folds given by hand: the passes over the pixels, the frame with them, and the loop."""

import dataclasses

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from frames_for_tests import SECTOR, SECTOR_BMODE, make_frame
from scipy import ndimage

from ultrasound_console.accuracy import score_frame
from ultrasound_console.cine import Cine
from ultrasound_console.corrections import changed, corrected, without
from ultrasound_console.dsp.kernels_correction import brush, flood, outlines
from ultrasound_console.frames import IqFrame, Status

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


@hypothesis.given(MASKS)
@hypothesis.settings(deadline=None, database=None)
def test_outlines_go_round_everything_once(mask):
    corners, ends = np.zeros((400, 2), np.int16), np.zeros(100, np.int32)
    n = outlines(mask, corners, ends)
    area = length = 0.0
    begin = 0
    for end in ends[:n]:
        row, line = corners[begin:end].astype(float).T
        begin = end
        assert (row[0], line[0]) == (row[-1], line[-1])
        # Each piece goes straight, along the edges of pixels.
        assert (np.count_nonzero([np.diff(row), np.diff(line)], axis=0) == 1).all()
        area += 0.5 * np.sum(line[:-1] * row[1:] - row[:-1] * line[1:])
        length += np.abs(np.diff(row)).sum() + np.abs(np.diff(line)).sum()
    around = np.pad(mask, 1).astype(int)
    edges = sum(np.abs(np.diff(around, axis=axis)).sum() for axis in (0, 1))
    # Holes go the other way round: what is left is the area.
    assert area == mask.sum()
    assert length == edges


def test_outlines_that_do_not_fit_are_left_out():
    mask = np.zeros((9, 9), np.bool_)
    mask[1::2, 1::2] = True
    corners, ends = np.zeros((27, 2), np.int16), np.zeros(100, np.int32)
    assert outlines(mask, corners, ends) == 5
    assert outlines(mask, np.zeros((400, 2), np.int16), np.zeros(3, np.int32)) == 3


@hypothesis.given(st.integers(0, 2**32 - 1))
@hypothesis.settings(deadline=None, database=None, max_examples=50)
def test_a_flood_stops_at_jumps_at_other_folds_and_where_there_is_no_flow(seed):
    rng = np.random.default_rng(seed)
    velocity = ndimage.gaussian_filter(rng.standard_normal((14, 11)), 1.0).astype(np.float32)
    fold = (rng.random((14, 11)) < 0.2).astype(np.int8)
    status = (rng.random((14, 11)) < 0.9).astype(np.uint8)
    row, line = rng.integers(14), rng.integers(11)
    found = np.zeros((14, 11), np.bool_)
    n = flood(velocity, fold, status, row, line, 0.2, found)
    wanted = np.zeros_like(found)
    wanted[row, line] = status[row, line] != 0
    while True:
        before = wanted.copy()
        for axis in (0, 1):
            for back in (False, True):
                # Views that begin at either end; the neighbour lies one step further on.
                views = [np.flip(x, axis) if back else x for x in (wanted, velocity, fold, status)]
                w, v, f, s = (np.moveaxis(x, axis, 0) for x in views)
                step = (np.abs(v[1:] - v[:-1]) < np.float32(0.2)) & (f[1:] == f[:-1]) & (s[1:] != 0)
                w[1:] |= w[:-1] & step
        if (before == wanted).all():
            break
    np.testing.assert_array_equal(found, wanted)
    assert n == np.count_nonzero(wanted)


@pytest.mark.parametrize("metric", [(1.0, 0.0, 1.0), (0.5, 0.3, 1.2)])
def test_a_brush_covers_what_is_near_its_stroke(metric):
    a, b, c = metric
    status = np.ones((40, 50), np.uint8)
    status[20] = 0
    out = np.zeros((40, 50), np.bool_)
    start, end = (12.3, 8.1), (25.9, 39.4)
    brush(status, start, end, metric, 5.0, True, out)
    row, line = np.mgrid[:40, :50]
    shares = np.linspace(0.0, 1.0, 2001)
    nearest = np.full(out.shape, np.inf)
    for share in shares:
        dr = row - start[0] - share * (end[0] - start[0])
        dl = line - start[1] - share * (end[1] - start[1])
        nearest = np.minimum(nearest, a * dr**2 + 2 * b * dr * dl + c * dl**2)
    clear = np.abs(np.sqrt(nearest) - 5.0) > 0.02
    wanted = (nearest <= 25.0) & (status != 0)
    np.testing.assert_array_equal(out[clear], wanted[clear])
    brush(status, start, start, metric, 5.0, False, out)
    assert not out[12, 8]
    assert out[25, 39]


def test_a_brush_beside_the_picture_touches_nothing():
    out = np.zeros((8, 8), np.bool_)
    brush(np.ones((8, 8), np.uint8), (-20.0, -20.0), (-20.0, 30.0), (1.0, 0.0, 1.0), 3.0, True, out)
    assert not out.any()


# ---- frames --------------------------------------------------------------------------------


@pytest.fixture
def frame():
    return make_frame(3)


@pytest.fixture
def core(frame):
    return frame.fold == 1


def test_folds_are_given_and_everything_else_stays(frame, core):
    given = changed(frame, None, core, 1)
    after = corrected(frame, given)
    np.testing.assert_array_equal(after.fold, frame.fold + core)
    np.testing.assert_array_equal(after.status, np.where(core, Status.BY_HAND, frame.status))
    assert (after.confidence[core] == 1.0).all()
    for name in ("velocity_m_s", "power_db", "bandwidth"):
        assert getattr(after, name) is getattr(frame, name)
    np.testing.assert_array_equal(after.confidence[~core], frame.confidence[~core])
    wanted = score_frame(
        after.velocity_m_s,
        after.fold,
        after.truth_m_s,
        frame.score.region,
        frame.nyquist_velocity_m_s,
        flow=after.status != Status.NO_FLOW,
        abstained=after.status == Status.ABSTAINED,
    )
    assert after.score.lumen == wanted.lumen != frame.score.lumen


def test_what_is_left_alone_for_its_look_is_blood_once_a_person_says_so(frame):
    left = frame.status == Status.ABSTAINED
    assert left.any()
    marked = dataclasses.replace(frame, bloodless=left)
    after = corrected(marked, changed(marked, None, left, 2))
    assert not after.bloodless.any()
    assert (after.fold[left] == 2).all()
    assert marked.bloodless.any()


def test_there_is_no_flow_to_be_given_a_fold(frame):
    nowhere = frame.status == Status.NO_FLOW
    assert changed(frame, None, nowhere, 1) is None
    everywhere = np.ones_like(nowhere)
    after = corrected(frame, changed(frame, None, everywhere, 1))
    np.testing.assert_array_equal(after.status == Status.NO_FLOW, nowhere)
    np.testing.assert_array_equal(after.fold[nowhere], frame.fold[nowhere])


def test_folds_end_at_four(frame, core):
    given = changed(frame, None, core, 9)
    assert corrected(frame, given).fold[core].max() == 4
    given = changed(corrected(frame, given), given, core, -20)
    assert corrected(frame, given).fold[core].min() == -4


def test_corrections_add_up_and_are_taken_back(frame, core):
    vein = frame.velocity_m_s < -0.1 * frame.nyquist_velocity_m_s
    vein &= frame.status == Status.KEPT
    first = changed(frame, None, core, 1)
    second = changed(corrected(frame, first), first, vein, -1)
    after = corrected(frame, second)
    np.testing.assert_array_equal(after.fold[core], 2)
    np.testing.assert_array_equal(after.fold[vein & ~core], frame.fold[vein & ~core] - 1)
    back = corrected(frame, without(second, core))
    np.testing.assert_array_equal(back.fold[core], 1)
    np.testing.assert_array_equal(back.status[vein], Status.BY_HAND)
    assert without(second, core | vein) is None
    assert without(None, core) is None
    assert without(first, np.zeros_like(core)) is first


def test_the_velocity_that_was_meant_outlives_another_estimate(frame, core):
    given = changed(frame, None, core, 0)
    meant = frame.corrected_m_s[core]
    nyquist = frame.nyquist_velocity_m_s
    moved = frame.velocity_m_s + np.float32(0.9 * nyquist)
    moved -= np.float32(2 * nyquist) * np.floor((moved + nyquist) / (2 * nyquist))
    other = dataclasses.replace(frame, velocity_m_s=moved, fold=np.zeros_like(frame.fold))
    after = corrected(other, given)
    assert len(np.unique(after.fold[core])) > 1
    distance = after.corrected_m_s[core] - meant
    np.testing.assert_allclose(distance, 0.9 * nyquist, rtol=1e-3)


def test_a_correction_of_another_grid_does_nothing(frame, core):
    other = make_frame(3, colour_grid=SECTOR, bmode_grid=SECTOR_BMODE)
    assert corrected(other, changed(frame, None, core, 1)) is other


# ---- the loop ------------------------------------------------------------------------------


@pytest.fixture
def cine(frame):
    held = Cine()
    for index in (3, 4):
        one = make_frame(index)
        grid, bmode_grid = one.acquisition.colour_grid, one.acquisition.bmode_grid
        iq = IqFrame(
            index,
            one.time_s,
            0.0,
            one.acquisition,
            np.ones((*grid.shape, 2, 16), np.float32),
            np.ones(bmode_grid.shape, np.float32),
        )
        held.append(iq, one)
    return held


def test_the_loop_shows_what_was_given_and_remembers_what_was_found(cine, frame, core):
    n_bytes, told = cine.n_bytes, cine.loop()[0]
    given = changed(frame, None, core, -1)
    cine.correct(3, given)
    assert cine.correction(3) is given
    assert (cine.frame(3).status[core] == Status.BY_HAND).all()
    np.testing.assert_array_equal(cine.as_found(3).status, frame.status)
    # The next frame is not processed by what a person said of this one.
    np.testing.assert_array_equal(cine.before(4).fold, frame.fold)
    assert cine.loop()[0].aliased_share < told.aliased_share
    assert cine.n_bytes > n_bytes
    cine.correct(3, None)
    assert cine.n_bytes == n_bytes
    np.testing.assert_array_equal(cine.frame(3).fold, frame.fold)
    assert cine.loop()[0].aliased_share == told.aliased_share
    cine.correct(77, given)
    assert cine.frame(77) is None


def test_what_was_given_stays_when_the_loop_is_processed_again(cine, frame, core):
    cine.correct(3, changed(frame, None, core, -1))
    gone = core.copy()
    gone[: gone.shape[0] // 2] = False
    status = np.where(gone, Status.NO_FLOW, frame.status).astype(np.uint8)
    again = dataclasses.replace(frame, status=status)
    cine.replace(again, make_frame(4), make_frame(9))
    after = cine.frame(3)
    np.testing.assert_array_equal(after.status == Status.BY_HAND, core & ~gone)
    assert cine.as_found(3) is again
    # Where there is flow again, it is as it was.
    cine.replace(frame)
    np.testing.assert_array_equal(cine.frame(3).status == Status.BY_HAND, core)
    assert cine.indices() == (3, 4)
