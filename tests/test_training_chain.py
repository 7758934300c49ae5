"""Frames of the whole signal chain for training and testing: the same again, true, and mixed."""

import dataclasses
import itertools

import numpy as np
import pytest

from ultrasound_console.accuracy import erode
from ultrasound_console.dsp import features
from ultrasound_console.pipeline import doppler
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.simulation import plan
from ultrasound_console.simulation.plan import record_window
from ultrasound_console.training import batches, chain, chain_scenes, dataset

SHAPE = (96, 64)


def wrapped(velocity):
    return (velocity + 1.0) % 2.0 - 1.0


def test_frames_are_made_of_their_seed():
    views = [chain_scenes.random_view(seed, SHAPE) for seed in (4, 4, 5)]
    assert views[0].acquisition == views[1].acquisition != views[2].acquisition
    one, again = (chain_scenes.chain_frames(view, SHAPE) for view in views[:2])
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.truth, b.truth)
        for plane in ("velocity", "power_db", "bandwidth", "echo_db", "evidence"):
            np.testing.assert_array_equal(getattr(a.features, plane), getattr(b.features, plane))
    assert not np.array_equal(one[0].features.velocity, one[1].features.velocity)


def test_views_span_what_a_network_has_to_know():
    views = [chain_scenes.random_view(seed) for seed in range(10, 19)]
    acquisitions = [view.acquisition for view in views]
    assert len({a.probe.name for a in acquisitions}) > 1
    assert len({a.n_pulses for a in acquisitions}) > 2
    assert len({view.processing.wall_filter for view in views}) > 2
    assert len({a.colour_grid.pixel_size_m for a in acquisitions}) == len(views)
    angles = {(a.transmit_angle_rad != 0.0, a.receive_angle_rad != 0.0) for a in acquisitions}
    assert angles == {(False, False), (True, False), (True, True)}
    for view in views:
        a = view.acquisition
        assert a.colour_grid.shape[0] <= 192
        assert a.colour_grid.shape[1] <= 160
        assert a.n_pulses / a.prf_hz < a.frame_interval_s
        assert a.prf_hz <= a.max_prf_hz


def clear_view(steering_rad, receive_rad):
    """A view of much signal and little aliasing, steered as wanted."""
    scene = chain.quiet_scene(chain_scenes.FIRST_SCENE + 2)
    settings = AcquisitionSettings(steering_rad=steering_rad, ensemble=16, n_cycles=5)
    acquisition = plan(scene, settings)
    grid = dataclasses.replace(acquisition.colour_grid, angle_rad=receive_rad)
    acquisition = dataclasses.replace(
        acquisition,
        receive_angle_rad=receive_rad,
        bmode_angles_rad=(),
        colour_grid=grid,
        bmode_grid=grid,
    )
    phase = round(acquisition.peak_systole_s / acquisition.frame_interval_s)
    truth = chain.truth_at(scene.flow(), acquisition, phase)
    fastest = chain.fastest_m_s(truth, acquisition)
    prf_hz = 4.0 * fastest / (1.5 * acquisition.wavelength_m)
    acquisition = dataclasses.replace(acquisition, prf_hz=prf_hz)
    start_s = record_window(acquisition).start_s
    return chain_scenes.View(
        0,
        scene,
        dataclasses.replace(acquisition, start_time_s=start_s),
        phase,
        ProcessingSettings(dealias=False),
        30.0,
    )


@pytest.mark.parametrize(("transmit_rad", "receive_rad"), [(0.0, 0.0), (0.3, 0.3), (-0.3, 0.0)])
def test_measured_velocity_is_the_true_one_but_for_folds(transmit_rad, receive_rad):
    view = clear_view(transmit_rad, receive_rad)
    frame, _ = chain_scenes.chain_frames(view, (160, 160))
    found, truth = frame.features, frame.truth
    lumen = erode(np.isfinite(truth), view.acquisition.colour_grid.pixel_size_m)
    clear = lumen & (found.bandwidth < 0.25) & (found.power_db > 15.0)
    assert np.count_nonzero(clear) > 500
    error = wrapped(found.velocity[clear] - truth[clear])
    # Steered echoes come from elements that look less askance: a tenth too slow, at 1.5 v_N.
    assert abs(np.median(error)) < 0.1
    assert np.percentile(np.abs(error), 90) < 0.2
    assert np.abs(truth[lumen]).max() == pytest.approx(1.5, rel=0.1)
    # The other sign would not do.
    assert np.median(np.abs(wrapped(found.velocity[clear] + truth[clear]))) > 0.2


def test_what_wave_or_aperture_do_not_reach_is_no_lumen():
    view = clear_view(-0.3, 0.0)
    flow, acquisition = view.scene.flow(), view.acquisition
    grid = acquisition.colour_grid
    wide = dataclasses.replace(grid, n_lines=64, lines=(-30e-3, 30e-3))
    acquisition = dataclasses.replace(acquisition, colour_grid=wide)
    seen = chain.seen_lumen(flow, acquisition)
    x_m, z_m = wide.positions_m()
    assert seen.any()
    assert np.abs(x_m[seen]).max() < 20e-3
    at_array_m = x_m - z_m * np.tan(-0.3)
    assert np.abs(at_array_m[seen]).max() < 20e-3
    assert np.any(~seen & (flow.depth_m(x_m, z_m) > 0.0) & (np.abs(x_m) < 19e-3))


def test_scenes_of_the_test_set_are_in_no_training():
    assert min(dataset.TRAINING_SEED, dataset.HELD_OUT_SEED) >= 0
    assert chain_scenes.random_view(0, SHAPE).scene.name == f"random:{chain_scenes.FIRST_SCENE}"
    assert chain_scenes.random_view(7, SHAPE).scene.name == f"random:{chain_scenes.FIRST_SCENE + 7}"
    assert max(chain.TEST_SEEDS) < chain_scenes.FIRST_SCENE


def test_the_test_set_has_the_noise_and_the_speed_it_says():
    seed = 9001
    pairs = list(chain.test_frames([seed], (10.0, 20.0)))
    assert [pair.snr_db for pair in pairs] == [10.0, 20.0]
    for pair in pairs:
        first, second = pair.frames
        acquisition = second.acquisition
        assert acquisition.n_pulses == 12
        assert pair.processing == ProcessingSettings()
        assert second.time_s - first.time_s == pytest.approx(acquisition.frame_interval_s)
        picture = doppler(second, dataclasses.replace(pair.processing, dealias=False), None)
        assert picture.wall_filter == "polynomial-1"
        region = erode(picture.vessel_mask, acquisition.colour_grid.pixel_size_m)
        # The floor is that of the quietest pixels: a little below the mean of the noise.
        assert np.median(picture.power_db[region]) == pytest.approx(pair.snr_db + 1.5, abs=2.0)
        fastest = np.abs(picture.truth_m_s[region]).max() / picture.nyquist_velocity_m_s
        assert 2.0 <= fastest <= 3.5
        assert fastest == pytest.approx(pair.peak, rel=0.05)


@pytest.mark.parametrize(
    ("seed", "low", "high"), [(9004, 0.5, 2.0), (9042, 3.5, 5.0), (9015, 5.0, 7.0)]
)
def test_peaks_of_the_test_set_follow_the_seed(seed, low, high):
    scene, acquisition = chain._test_view(seed)
    truth = chain.truth_at(scene.flow(), acquisition, chain._fast_phase(acquisition) + 1)
    peak = chain.fastest_m_s(truth, acquisition) / acquisition.nyquist_velocity_m_s
    assert low < peak < high
    assert abs(acquisition.transmit_angle_rad) == np.radians(15.0)


def test_a_heart_cycle_goes_frame_by_frame():
    frames = list(itertools.islice(chain.heart_cycle(9004), 3))
    acquisition = frames[0].acquisition
    n_frames = round(acquisition.heart_cycle_s / acquisition.frame_interval_s)
    assert 25 <= n_frames <= 30
    assert [frame.index for frame in frames] == [0, 1, 2]
    np.testing.assert_allclose(
        np.diff([frame.time_s for frame in frames]), acquisition.frame_interval_s
    )
    assert not np.array_equal(frames[0].iq, frames[1].iq)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Frames of both kinds; those of the chain are smaller than their shards."""
    folder = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES_PER_SHARD", 2)
        patch.setattr(chain_scenes, "_BOX_DEPTHS_M", (10e-3, 16e-3))
        dataset.make_shards(folder / "frames", 4, seed=0, shape=SHAPE)
        dataset.make_shards(folder / "chain", 2, seed=0, kind="chain", shape=SHAPE)
    return folder / "frames", folder / "chain"


def perfect(planes, evidence):
    """Stands in for the network's folds: fold 1, surely."""
    posterior = np.zeros((len(planes), 7, *planes.shape[2:]), np.float32)
    posterior[:, 4] = 1.0
    return posterior


def test_both_kinds_of_frames_share_a_batch(folders):
    shards = dataset.Shards(*folders)
    assert len(shards) == 8 + 4
    chosen = shards.choose(np.random.default_rng(0), 12)
    assert np.count_nonzero(chosen < 8) == np.count_nonzero(chosen >= 8) == 6
    assert chosen.max() < 12
    # One folder alone is drawn from as it always was: a run goes on the same.
    one = dataset.Shards(folders[0])
    np.testing.assert_array_equal(
        one.choose(np.random.default_rng(3), 9), np.random.default_rng(3).integers(0, 8, 9)
    )
    frames = shards.take([0, 8, 9])
    np.testing.assert_array_equal(frames.about["seed"], [0, 0, 0])
    assert frames.about["pace"][1] * frames.about["pace"][2] == pytest.approx(1.0, rel=0.01)


def test_beyond_a_smaller_picture_there_is_nothing(folders):
    frames = dataset.Shards(folders[1]).take(range(4))
    beyond = np.isnan(frames.velocity)
    assert 0.1 < beyond.mean() < 0.9
    assert np.isnan(frames.truth[beyond]).all()
    planes, _ = batches.inputs_of(frames)
    assert np.isfinite(planes).all()
    assert not np.moveaxis(planes, 1, -1)[beyond].any()
    assert (np.hypot(planes[:, 0], planes[:, 1])[~beyond] > 0.99).all()
    assert (batches.labels_of(frames)[beyond] == batches.OUTSIDE).all()
    for step in range(4):
        batch = batches.draw(np.random.default_rng(step), dataset.Shards(*folders), 6, perfect)
        assert np.isfinite(batch.planes).all()
        assert np.isfinite(batch.evidence).all()
        # Where the phase has no length there is neither a label nor a frame before.
        nothing = np.hypot(batch.planes[:, 0], batch.planes[:, 1]) < 0.5
        assert nothing.any()
        assert (batch.labels[nothing] == batches.OUTSIDE).all()
        assert not np.moveaxis(batch.planes, 1, -1)[nothing].any()
    assert batch.planes.shape[1] == features.N_PLANES
