"""The whole chain against known velocities: the acquired disc and the simulated probe."""

import numpy as np
import pytest
from known_truth import (
    DISC,
    JET,
    SYSTOLE,
    TUBE,
    disc_reference,
    frames_of,
    lumen_of,
    prf_for,
    rigid_r2,
    scored,
    scored_against,
)

from ultrasound_console.accuracy import true_fold
from ultrasound_console.frames import Status
from ultrasound_console.segment import Segmenter


@pytest.fixture(scope="module", params=["continuity", "network"])
def segmenter(request):
    return Segmenter() if request.param == "network" else None


@pytest.fixture(scope="module")
def disc(data_folder):
    return disc_reference(data_folder)


def test_the_disc_turns_rigidly(disc):
    frame, inside, _ = disc
    assert inside.sum() > 5000
    assert rigid_r2(frame, inside) > 0.998


def test_the_disc_agrees_with_another_implementation(disc):
    frame, inside, reference = disc
    assert np.sqrt(np.mean((frame.velocity_m_s - reference)[inside] ** 2)) < 8e-3


@pytest.mark.parametrize("name", ["PWI_disk.uff", "PWI_disk.zea.hdf5"])
def test_the_format_makes_no_difference(disc, data_folder, name):
    frame, inside, _ = disc
    (other,) = frames_of(data_folder / name, **DISC)
    # zea stores the times as float32.
    np.testing.assert_allclose(other.velocity_m_s[inside], frame.velocity_m_s[inside], atol=1e-5)


@pytest.mark.parametrize(
    ("divisor", "limit"), [(2, 0.005), (3, 0.005), (4, 0.005), (5, 0.02), (6, 0.02)]
)
def test_folds_of_the_thinned_disc(disc, data_folder, divisor, limit, segmenter):
    frame, inside, _ = disc
    thin = DISC | {"prf_hz": 10e3 / divisor}
    (thinned,) = frames_of(data_folder / "PWI_disk.mat", segmenter=segmenter, **thin)
    assert thinned.nyquist_velocity_m_s == pytest.approx(0.74 / divisor)
    counts = scored_against(thinned, frame.velocity_m_s, inside)
    assert counts.aliased_share > 0.15
    assert counts.wrong_share <= limit


@pytest.mark.parametrize(("scene", "where"), [TUBE, SYSTOLE])
def test_velocity_of_the_simulated_probe(scene, where):
    frames = frames_of(scene, **where, prf_hz=prf_for(scene, 0.9, **where))
    counts = scored(frames)
    assert counts.n_pixels > 1000
    assert counts.wrong_share < 1e-3
    assert counts.corrected_rms_nyquist < 0.1
    blood_db = [float(np.median(frame.power_db[lumen_of(frame)])) for frame in frames]
    assert min(blood_db) > 15.0


@pytest.mark.parametrize(("scene", "where"), [TUBE, SYSTOLE, JET])
def test_folds_up_to_one_and_a_half_nyquist(scene, where, segmenter):
    prf_hz = prf_for(scene, 1.5, **where)
    counts = scored(frames_of(scene, **where, segmenter=segmenter, prf_hz=prf_hz))
    assert counts.aliased_share > 0.01  # in the stenosis a small spot in the throat
    assert counts.wrong_share <= 0.03


def wrong_here_and_by_region_merging(scene, where, segmenter):
    region_dealias = pytest.importorskip("region_dealias")
    prf_hz = prf_for(scene, 3.0, **where)
    frames = frames_of(scene, **where, segmenter=segmenter, prf_hz=prf_hz)
    theirs = 0
    for frame in frames:
        phase = np.pi * frame.velocity_m_s / frame.nyquist_velocity_m_s
        outside = frame.status == Status.NO_FLOW
        fold = region_dealias.sweep_folds(phase.astype(np.float32), outside, np.pi, False)
        wanted = true_fold(frame.velocity_m_s, frame.truth_m_s, frame.nyquist_velocity_m_s)
        theirs += int(np.count_nonzero((fold != wanted)[lumen_of(frame)]))
    return scored(frames).n_wrong, theirs


@pytest.mark.rivals
@pytest.mark.parametrize(("scene", "where"), [TUBE, SYSTOLE, JET])
def test_folds_at_three_nyquist_against_region_merging(scene, where, segmenter):
    ours, theirs = wrong_here_and_by_region_merging(scene, where, segmenter)
    assert ours <= theirs


@pytest.mark.rivals
def test_folds_at_three_nyquist_pooled_against_region_merging(segmenter):
    counts = [
        wrong_here_and_by_region_merging(scene, where, segmenter)
        for scene, where in (TUBE, SYSTOLE, JET)
    ]
    ours, theirs = np.sum(counts, axis=0)
    assert ours < theirs
