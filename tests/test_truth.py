"""The whole chain against known velocities: the acquired disc and the simulated probe."""

import dataclasses

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from ultrasound_console.accuracy import Accuracy, erode, score, true_fold
from ultrasound_console.frames import Status
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import Settings
from ultrasound_console.sources import open_source

DISC = {"wall_filter": "none", "ensemble": 0}
ROTATION_RAD_S = -60.8


def frames_of(name, n_frames=1, skip=0, **changes):
    """Frames of a source through the pipeline, in order."""
    source = open_source(str(name), real_time=False)
    start = source.defaults(Settings().acquisition)
    settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
    source.configure(settings.acquisition)
    source.start()
    previous, frames = None, []
    for index in range(skip + n_frames):
        frame = source.read(60.0)
        if index >= skip:
            previous = doppler(form(frame, settings.processing), settings.processing, previous)
            frames.append(previous)
    source.close()
    return frames


def sampled(planes, name, grid):
    """Plane of the reference file on another grid; NaN outside."""
    x_m, z_m = grid.positions_m()
    at = RegularGridInterpolator(
        (planes["z"], planes["x"]),
        planes[name].astype(float),
        bounds_error=False,
        fill_value=np.nan,
    )
    return at(np.stack([z_m, x_m], axis=-1))


@pytest.fixture(scope="module")
def disc(data_folder):
    """Full-PRF frame of the rotating disc, where it turns, and what PyMUST makes of it."""
    with np.load(data_folder / "PWI_disk_reference.npz") as file:
        planes = {name: file[name] for name in ("x", "z", "disk_mask", "pymust_vd_hamming9")}
    (frame,) = frames_of(data_folder / "PWI_disk.mat", **DISC)
    step_m = planes["x"][1] - planes["x"][0]
    planes["inside"] = erode(planes["disk_mask"], (step_m, step_m))
    grid = frame.acquisition.colour_grid
    inside = sampled(planes, "inside", grid) > 0.99
    return frame, inside, sampled(planes, "pymust_vd_hamming9", grid)


def test_the_disc_turns_rigidly(disc):
    frame, inside, _ = disc
    x_m, _ = frame.acquisition.colour_grid.positions_m()
    velocity, rigid = frame.velocity_m_s[inside], ROTATION_RAD_S * x_m[inside]
    assert inside.sum() > 5000
    # Against the line itself, so that a wrong slope counts; an offset (axis beside x = 0) does not.
    unexplained = np.var(velocity - rigid) / np.var(velocity)
    assert 1.0 - unexplained > 0.998


def test_the_disc_agrees_with_another_implementation(disc):
    frame, inside, reference = disc
    assert np.sqrt(np.mean((frame.velocity_m_s - reference)[inside] ** 2)) < 8e-3


@pytest.mark.parametrize("name", ["PWI_disk.uff", "PWI_disk.zea.hdf5"])
def test_the_format_makes_no_difference(disc, data_folder, name):
    frame, inside, _ = disc
    (other,) = frames_of(data_folder / name, **DISC)
    # zea stores the times as float32.
    np.testing.assert_allclose(other.velocity_m_s[inside], frame.velocity_m_s[inside], atol=1e-5)


@pytest.mark.parametrize(("divisor", "limit"), [(2, 0.01), (3, 0.01), (4, 0.01), (5, 0.03)])
def test_folds_of_the_thinned_disc(disc, data_folder, divisor, limit):
    frame, inside, _ = disc
    (thinned,) = frames_of(data_folder / "PWI_disk.mat", **DISC, prf_hz=10e3 / divisor)
    assert thinned.nyquist_velocity_m_s == pytest.approx(0.74 / divisor)
    accuracy, _ = score(
        thinned.velocity_m_s,
        thinned.fold,
        frame.velocity_m_s,
        inside,
        thinned.nyquist_velocity_m_s,
        abstained=thinned.status == Status.ABSTAINED,
    )
    assert accuracy.all.aliased_share > 0.15
    assert accuracy.all.wrong_share <= limit


def lumen_of(frame):
    return erode(frame.vessel_mask, frame.acquisition.colour_grid.pixel_size_m)


def scored(frames):
    total, error = Accuracy(), None
    for frame in frames:
        one, error = score(
            frame.velocity_m_s,
            frame.fold,
            frame.truth_m_s,
            lumen_of(frame),
            frame.nyquist_velocity_m_s,
            abstained=frame.status == Status.ABSTAINED,
            previous=error,
        )
        total += one
    return total.all


def prf_for(scene, ratio, **where):
    """PRF at which the fastest true velocity of these frames is this many v_N."""
    frames = frames_of(scene, dealias=False, **where)
    fastest_m_s = max(float(np.abs(f.truth_m_s[lumen_of(f)]).max()) for f in frames)
    acquisition = frames[0].acquisition
    per_prf = acquisition.nyquist_velocity_m_s / acquisition.prf_hz
    return fastest_m_s / ratio / per_prf


TUBE = ("simulated:straight-tube", {})
SYSTOLE = ("simulated:femoral-bifurcation", {"skip": 2, "n_frames": 5})
JET = ("simulated:stenosis", {"skip": 3, "n_frames": 3})


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
def test_folds_up_to_one_and_a_half_nyquist(scene, where):
    counts = scored(frames_of(scene, **where, prf_hz=prf_for(scene, 1.5, **where)))
    assert counts.aliased_share > 0.02
    assert counts.wrong_share <= 0.03


@pytest.mark.rivals
@pytest.mark.parametrize(("scene", "where"), [TUBE, SYSTOLE, JET])
def test_folds_at_three_nyquist_against_region_merging(scene, where):
    region_dealias = pytest.importorskip("region_dealias")
    frames = frames_of(scene, **where, prf_hz=prf_for(scene, 3.0, **where))
    ours, theirs = scored(frames).n_wrong, 0
    for frame in frames:
        phase = np.pi * frame.velocity_m_s / frame.nyquist_velocity_m_s
        outside = frame.status == Status.NO_FLOW
        fold = region_dealias.sweep_folds(phase.astype(np.float32), outside, np.pi, False)
        wanted = true_fold(frame.velocity_m_s, frame.truth_m_s, frame.nyquist_velocity_m_s)
        theirs += int(np.count_nonzero((fold != wanted)[lumen_of(frame)]))
    assert ours <= theirs
