"""Heart rate, peak speed and waveform of the simulated scenes."""

import dataclasses
import math

import numpy as np
import pytest

from ultrasound_console.settings import AcquisitionSettings
from ultrasound_console.settings.acquisition import SCENE, WAVEFORMS
from ultrasound_console.simulation import SCENES, Scan, driven, plan, random_scene, scan
from ultrasound_console.simulation.waveform import CAROTID, COURSES, FEMORAL, VENOUS
from ultrasound_console.sources.simulated import SimulatedSource

FEMORAL_SCENE = SCENES["femoral-bifurcation"]
QUICK = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)
TIMES_S = 0.9 * np.arange(18) / 18
TIMEOUT_S = 30.0


def heart(**changes):
    return AcquisitionSettings(**changes)


def points(flow):
    return flow.draw(3e7, np.random.default_rng(0))


def flux(flow, times_s, x_m=-15e-3, between_m=(5e-3, 32e-3)):
    return np.array([flow.flux_m2_s(x_m, between_m, time_s) for time_s in times_s])


def test_there_is_a_course_for_every_waveform_that_can_be_set():
    assert (SCENE, *COURSES) == WAVEFORMS


@pytest.mark.parametrize("name", SCENES)
def test_a_heart_that_is_not_set_is_the_scenes_own(name):
    assert driven(SCENES[name], heart()) is SCENES[name]


@pytest.mark.parametrize("name", ["femoral-bifurcation", "artery-vein", "random:3"])
def test_a_faster_heart_plays_the_same_flow_in_less_time(name):
    scene = SCENES.get(name) or random_scene(3)
    fast = driven(scene, heart(heart_rate_hz=2.0))
    # The beat of every scene takes 0.9 s; a breath goes with four of them.
    stretch = 0.5 / 0.9
    assert fast.period_s == pytest.approx(stretch * scene.period_s)
    assert fast.pressure.period_s == pytest.approx(0.5)
    flow, slow = fast.flow(), scene.flow()
    at = points(slow)
    for time_s in (0.13, 0.3, 0.7):
        expected = slow.velocity_m_s(*at, time_s)
        np.testing.assert_allclose(
            flow.velocity_m_s(*at, stretch * time_s), expected, atol=1e-9 * slow.peak_speed_m_s
        )
        assert fast.pressure(stretch * time_s) == pytest.approx(scene.pressure(time_s))
        assert fast.waveform(stretch * time_s) == pytest.approx(scene.waveform(time_s))
    assert flow.peak_speed_m_s == pytest.approx(slow.peak_speed_m_s)


@pytest.mark.parametrize("rate_hz", [0.0, 1.5])
@pytest.mark.parametrize("name", ["stenosis", "artery-vein", "rotating-disc"])
def test_the_peak_speed_is_what_is_asked_for_and_all_vessels_follow(name, rate_hz):
    scene = SCENES[name]
    flow = scene.flow()
    wanted = driven(scene, heart(peak_speed_m_s=0.75, heart_rate_hz=rate_hz))
    scaled = wanted.flow()
    assert scaled.peak_speed_m_s == pytest.approx(0.75)
    stretch = wanted.period_s / scene.period_s
    at = points(flow)
    factor = 0.75 / flow.peak_speed_m_s
    for time_s in (0.13, 0.3):
        vx, vz = flow.velocity_m_s(*at, time_s)
        np.testing.assert_allclose(
            scaled.velocity_m_s(*at, stretch * time_s), (factor * vx, factor * vz), atol=1e-9
        )


def test_the_scenes_own_waveform_keeps_the_solved_flow():
    assert driven(FEMORAL_SCENE, heart(waveform="femoral")) is FEMORAL_SCENE
    carotid = SCENES["carotid-bifurcation"]
    assert driven(carotid, heart(waveform="carotid")) is carotid
    tube = SCENES["straight-tube"]
    assert driven(tube, heart(waveform="steady")) is tube


@pytest.mark.parametrize(
    ("name", "course", "period_s"),
    [("carotid", CAROTID, 0.9), ("venous", VENOUS, 3.6)],
)
def test_flow_takes_the_course_of_another_waveform_at_the_speed_of_the_scene(
    name, course, period_s
):
    scene = driven(FEMORAL_SCENE, heart(waveform=name))
    assert scene.period_s == period_s
    flow = scene.flow()
    times_s = period_s * np.arange(24) / 24
    passed, expected = flux(flow, times_s), course(times_s)
    # What flows along the walls runs ahead of the core: the sum over both is a little smoother.
    assert np.corrcoef(passed, expected)[0, 1] > 0.98
    assert np.all(passed > 0.0)
    np.testing.assert_allclose(passed / passed.max(), expected / expected.max(), atol=0.15)
    own = FEMORAL_SCENE.flow().peak_speed_m_s
    assert flow.peak_speed_m_s == pytest.approx(own * course(times_s).max(), rel=0.1)
    assert flux(FEMORAL_SCENE.flow(), TIMES_S).min() < 0.0


def test_a_tube_pulsates_and_turns_round_when_it_is_told_to():
    flow = driven(SCENES["straight-tube"], heart(waveform="femoral")).flow()
    passed, expected = flux(flow, TIMES_S, 0.0), FEMORAL(TIMES_S)
    np.testing.assert_allclose(passed / passed.max(), expected / expected.max(), atol=0.01)
    assert passed.min() < -0.2 * passed.max()


@pytest.mark.parametrize("name", SCENES)
def test_steady_flow_does_not_change_and_every_other_vessel_keeps_its_own(name):
    scene = driven(SCENES[name], heart(waveform="steady"))
    assert scene.vessels[1:] == SCENES[name].vessels[1:]
    assert scene.period_s == SCENES[name].period_s
    flow = dataclasses.replace(scene, vessels=scene.vessels[:1]).flow()
    at = points(flow)
    first = np.hypot(*flow.velocity_m_s(*at, 0.1))
    assert first.max() > 0.3
    np.testing.assert_array_equal(np.hypot(*flow.velocity_m_s(*at, 0.55)), first)


@pytest.mark.parametrize("name", ["femoral-bifurcation", "stenosis", "carotid-bifurcation"])
def test_flow_of_another_course_rests_on_the_walls(name):
    flow = driven(SCENES[name], heart(waveform="steady")).flow()
    x_m, z_m = flow.draw(2e8, np.random.default_rng(1))
    depth_m = flow.depth_m(x_m, z_m)
    seen = (depth_m < 2e-5) & (np.abs(x_m) < 18e-3)
    speed = np.hypot(*flow.velocity_m_s(x_m[seen], z_m[seen], 0.0))
    assert seen.sum() > 100
    assert speed.mean() < 0.04 * flow.peak_speed_m_s


def test_a_cycle_of_steady_vessels_beside_pulsating_ones_is_that_of_the_heart():
    scene = SCENES["artery-vein"]
    steady = driven(SCENES["straight-tube"], heart()).vessels[0]
    artery = scene.vessels[0]
    both = dataclasses.replace(scene, vessels=(steady, artery))
    assert both.period_s == both.waveform.period_s == artery.waveform.period_s


# --- the source -----------------------------------------------------------------------------


def test_the_source_beats_as_it_is_told_and_keeps_the_tissue(monkeypatch):
    source = SimulatedSource("femoral-bifurcation", real_time=False)
    own = source.configure(QUICK)
    source.start()
    first = source.read(TIMEOUT_S)
    monkeypatch.setattr(scan, "draw_tissue", lambda *_: pytest.fail("the tissue is the same"))
    fast = source.configure(
        dataclasses.replace(QUICK, heart_rate_hz=2.0, peak_speed_m_s=0.3, waveform="carotid")
    )
    assert fast.heart_cycle_s == pytest.approx(0.5)
    assert fast.peak_systole_s == pytest.approx(own.peak_systole_s * 0.5 / 0.9, abs=0.02)
    assert source.n_frames * fast.frame_interval_s == pytest.approx(0.5)
    other = source.read(TIMEOUT_S)
    truth = other.truth.on(fast.colour_grid)[0]
    late_s = other.truth.time_s * 0.9 / 0.5
    expected = driven(FEMORAL_SCENE, heart(waveform="carotid")).flow()
    vx, vz, _ = expected.on(fast.colour_grid, late_s)
    assert np.abs(vx).max() > 0.0
    lean = fast.transmit_angle_rad
    projected = -(vx * math.sin(lean) + vz * math.cos(lean)) * 0.3 / expected.peak_speed_m_s
    np.testing.assert_allclose(truth, projected, atol=1e-6)
    source.configure(QUICK)
    back = source.read(TIMEOUT_S)
    np.testing.assert_array_equal(back.colour, first.colour)
    np.testing.assert_array_equal(back.bmode, first.bmode)
    source.close()


def test_frames_of_a_fast_heart_that_take_longer_than_a_beat_come_every_few_beats():
    settings = AcquisitionSettings(heart_rate_hz=3.0, prf_hz=100.0, ensemble=64)
    scene = driven(FEMORAL_SCENE, settings)
    acquisition = plan(scene, settings)
    assert acquisition.frame_interval_s == pytest.approx(2.0 / 3.0)
    source = SimulatedSource("femoral-bifurcation", real_time=False)
    source.configure(settings)
    assert source.n_frames == 1
    source.close()


def test_blood_moves_at_the_speed_that_is_set():
    acquisition = plan(FEMORAL_SCENE, dataclasses.replace(QUICK, depth_m=0.022))
    quiet = dataclasses.replace(FEMORAL_SCENE, noise_db=-200.0)
    changed = []
    for speed_m_s in (0.05, 0.4):
        slow = driven(quiet, heart(peak_speed_m_s=speed_m_s, waveform="steady"))
        data = Scan(slow).frame(acquisition, 0).colour.astype(float)
        changed.append(np.linalg.norm(np.diff(data, axis=0)))
    assert changed[1] > 3.0 * changed[0]
