"""The flow of every scene: what holds for all, closed forms, and what inertia makes."""

import math

import numpy as np
import pytest

from ultrasound_console.geometry import plane_wave_velocity_m_s
from ultrasound_console.simulation import SCENES, random_scene
from ultrasound_console.simulation.waveform import (
    CAROTID,
    EXTERNAL_CAROTID,
    FEMORAL,
    STEADY,
    VENOUS,
)

TUBE = SCENES["straight-tube"]
TILT_RAD, MIDDLE_Z_M, RADIUS_M = math.radians(12.0), 18e-3, 3.5e-3
VESSELS = [name for name in SCENES if name != "rotating-disc"]
# Steady, or seen by beams that fan out.
NOT_LIKE_THESE = ("straight-tube", "abdominal-aorta")
ONE_IN_ONE_OUT = ("straight-tube", "stenosis", "tortuous", "spinning-jet")


@pytest.fixture(scope="module")
def femoral_flow():
    return SCENES["femoral-bifurcation"].flow()


def scene_of(name):
    return SCENES[name] if name in SCENES else random_scene(int(name.partition(":")[2]))


def inside(flow, n, depth_m=0.0, seed=0):
    """Random points of the lumen that are at least so far from its walls."""
    x_m, z_m = flow.draw(n / (2 * flow.edge_m * 20e-3), np.random.default_rng(seed))
    deep = flow.depth_m(x_m, z_m) > depth_m
    return x_m[deep], z_m[deep]


# --- closed forms ---------------------------------------------------------------------------


def test_flow_in_a_straight_tube_is_parabolic_along_its_axis():
    flow = TUBE.flow()
    peak_m_s = TUBE.vessels[0].peak_speed_m_s
    x_m, z_m = inside(flow, 20_000)
    across_m = (z_m - MIDDLE_Z_M) * math.cos(TILT_RAD) - x_m * math.sin(TILT_RAD)
    speed = peak_m_s * (1.0 - (across_m / RADIUS_M) ** 2)
    vx, vz = flow.velocity_m_s(x_m, z_m, 0.3)
    np.testing.assert_allclose(vx, speed * math.cos(TILT_RAD), atol=0.005 * peak_m_s)
    np.testing.assert_allclose(vz, speed * math.sin(TILT_RAD), atol=0.005 * peak_m_s)
    assert flow.peak_speed_m_s == pytest.approx(peak_m_s, rel=0.01)


def test_a_disc_turns_like_a_wheel():
    scene = SCENES["rotating-disc"]
    (disc,) = scene.vessels
    flow = scene.flow()
    x_m, z_m = inside(flow, 5_000)
    vx, vz = flow.velocity_m_s(x_m, z_m, 0.0)
    rate = disc.peak_speed_m_s / disc.lumen.radius_m
    # Anticlockwise on the screen, where z points down: the right side goes up.
    np.testing.assert_allclose(vz, -rate * (x_m - disc.lumen.centre_m[0]), atol=2e-3)
    np.testing.assert_allclose(vx, rate * (z_m - disc.lumen.centre_m[1]), atol=2e-3)


# --- all scenes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SCENES, "random:7"])
def test_flow_has_no_divergence(name):
    flow = scene_of(name).flow()
    step_m = 1e-5
    x_m, z_m = inside(flow, 20_000, 2 * step_m)

    def derivative(of, dx_m, dz_m, time_s):
        ahead = flow.velocity_m_s(x_m + dx_m, z_m + dz_m, time_s)[of]
        behind = flow.velocity_m_s(x_m - dx_m, z_m - dz_m, time_s)[of]
        return (ahead - behind) / (2.0 * step_m)

    for time_s in (0.15, 0.36):
        xx, xz = derivative(0, step_m, 0.0, time_s), derivative(0, 0.0, step_m, time_s)
        zx, zz = derivative(1, step_m, 0.0, time_s), derivative(1, 0.0, step_m, time_s)
        gradient = np.sqrt(xx**2 + xz**2 + zx**2 + zz**2).mean()
        assert np.abs(xx + zz).mean() < 0.01 * gradient


@pytest.mark.parametrize("name", ONE_IN_ONE_OUT)
def test_as_much_blood_passes_every_section(name):
    flow = SCENES[name].flow()
    places_m = np.linspace(-20e-3, 20e-3, 11)
    flux = np.array([
        [flow.flux_m2_s(x_m, (4e-3, 36e-3), time_s) for x_m in places_m]
        for time_s in (0.05, 0.13, 0.25, 0.345, 0.6)
    ])  # fmt: skip
    np.testing.assert_allclose(
        flux, np.broadcast_to(flux[:, :1], flux.shape), atol=0.01 * np.abs(flux).max()
    )


@pytest.mark.parametrize(
    ("name", "parent_m", "sections_m", "divider_m"),
    [
        ("femoral-bifurcation", -15e-3, (8e-3, 12e-3, 16e-3), 16e-3),
        ("carotid-bifurcation", -15e-3, (6e-3, 10e-3, 16e-3), 14e-3),
    ],
)
def test_the_flow_of_the_parent_is_that_of_both_branches(name, parent_m, sections_m, divider_m):
    flow = SCENES[name].flow()

    def flux(x_m, time_s, low_m=5e-3, high_m=34e-3):
        return flow.flux_m2_s(x_m, (low_m, high_m), time_s)

    largest = flow.flux_m2_s(parent_m, (5e-3, 34e-3), 0.13)
    assert largest > 3e-3
    for time_s in (0.0, 0.13, 0.26, 0.345, 0.6):
        parent = flux(parent_m, time_s)
        first = flux(sections_m[0], time_s, high_m=divider_m)
        for x_m in sections_m:
            upper, lower = flux(x_m, time_s, high_m=divider_m), flux(x_m, time_s, low_m=divider_m)
            assert upper + lower == pytest.approx(parent, abs=0.01 * largest)
            assert upper == pytest.approx(first, abs=0.01 * largest)


@pytest.mark.parametrize("name", VESSELS)
def test_blood_stands_still_at_the_walls(name):
    flow = SCENES[name].flow()
    x_m, z_m = inside(flow, 600_000)
    depth_m = flow.depth_m(x_m, z_m)
    near = depth_m < 2e-5
    into_x, into_z = flow.inward(x_m[near], z_m[near])
    # Just inside the wall, at the foot of each point. A wall bends too sharply for the samples of
    # the solution only at the tip between two branches.
    shift_m = depth_m[near] - 1e-7
    on_wall = x_m[near] - shift_m * into_x, z_m[near] - shift_m * into_z
    speeds = np.stack([
        np.hypot(*flow.velocity_m_s(*on_wall, time_s)) for time_s in (0.05, 0.13, 0.2, 0.36, 0.7)
    ])  # fmt: skip
    assert speeds.shape[1] > 500
    assert speeds.mean(axis=1).max() < 0.01 * flow.peak_speed_m_s
    assert np.percentile(speeds, 99) < 0.04 * flow.peak_speed_m_s
    outside_m = z_m[0] - 3e-3
    assert np.hypot(*flow.velocity_m_s(x_m[0], outside_m, 0.13)) == 0.0


@pytest.mark.parametrize("name", SCENES)
def test_the_flow_repeats_without_a_jump(name):
    scene = SCENES[name]
    flow = scene.flow()
    assert flow.period_s == scene.period_s
    x_m, z_m = inside(flow, 4_000)
    first = np.stack(flow.velocity_m_s(x_m, z_m, 0.11))
    later = np.stack(flow.velocity_m_s(x_m, z_m, 0.11 + 2.0 * scene.period_s))
    np.testing.assert_allclose(later, first, atol=1e-9)

    def change(time_s):
        after = np.stack(flow.velocity_m_s(x_m, z_m, time_s + 2.5e-3))
        return np.abs(after - np.stack(flow.velocity_m_s(x_m, z_m, time_s - 2.5e-3))).max()

    # Five milliseconds over the seam bring no more than five milliseconds of systole.
    assert change(0.0) <= max(change(0.1), change(0.07), 1e-9)


@pytest.mark.parametrize("name", [name for name in VESSELS if name not in NOT_LIKE_THESE])
def test_a_scene_aliases_at_the_default_prf_as_real_vessels_do(name):
    flow = SCENES[name].flow()
    steering_rad = SCENES[name].steering_rad or math.radians(15.0)
    x_m, z_m = inside(flow, 8_000)
    nyquist_m_s = 1540.0 * 3000.0 / (4.0 * 5e6)
    times_s = np.arange(0.02, 0.9, 0.02)
    fastest = max(
        np.abs(
            plane_wave_velocity_m_s(*flow.velocity_m_s(x_m, z_m, t), steering_rad, steering_rad)
        ).max()
        for t in times_s
    )
    assert 1.2 < fastest / nyquist_m_s < 4.5
    assert 0.5 < flow.peak_speed_m_s < 2.2


def test_a_cycle_starts_with_the_same_frame_each_time(femoral_flow):
    again = type(femoral_flow)(
        tuple(blood.lumen for blood in SCENES["femoral-bifurcation"].vessels),
        tuple(blood.stream(21e-3) for blood in SCENES["femoral-bifurcation"].vessels),
        edge_m=femoral_flow.edge_m,
    )
    x_m, z_m = inside(femoral_flow, 1_000)
    np.testing.assert_array_equal(
        again.velocity_m_s(x_m, z_m, 0.2), femoral_flow.velocity_m_s(x_m, z_m, 0.2)
    )


# --- what inertia makes ---------------------------------------------------------------------


def test_flow_along_the_walls_turns_round_first(femoral_flow):
    # On the falling side of systole the core still runs on while the walls run back.
    x_m = np.full(400, -12e-3)
    z_m = np.linspace(9e-3, 18e-3, 400)
    depth_m = femoral_flow.depth_m(x_m, z_m)
    vx, _ = femoral_flow.velocity_m_s(x_m, z_m, 0.25)
    assert vx[depth_m > 3e-3].min() > 0.0
    assert vx[(depth_m > 1e-4) & (depth_m < 6e-4)].max() < 0.0


def test_the_femoral_flow_turns_round_in_early_diastole(femoral_flow):
    x_m, z_m = inside(femoral_flow, 4_000, 1e-3)
    systole, diastole = (femoral_flow.velocity_m_s(x_m, z_m, t)[0] for t in (0.13, 0.36))
    assert (systole > 0.1).mean() > 0.95
    assert (diastole < -0.05).mean() > 0.9


def test_a_jet_goes_on_behind_the_stenosis():
    flow = SCENES["stenosis"].flow()
    z_m = np.linspace(13.2e-3, 20.8e-3, 761)

    def along(x_m, time_s):
        return flow.velocity_m_s(np.full(z_m.size, x_m), z_m, time_s)[0]

    throat = along(-5e-3, 0.14).max()
    before = along(-18e-3, 0.14).max()
    # By continuity: the throat has 45 % of the width.
    assert throat > 1.7 * before
    # Ten millimetres on the vessel is as wide as ever, and the jet as fast; the flow that follows
    # the walls would have slowed down to that before the throat.
    assert along(5e-3, 0.14).max() > 0.85 * throat
    # Beside the jet blood flows back, while as much as ever passes in all.
    behind = along(5e-3, 0.2)
    assert behind.min() < -0.05
    assert behind.max() > 0.5
    assert flow.flux_m2_s(5e-3, (13e-3, 21e-3), 0.2) > 0.0


def test_blood_flows_back_along_the_outer_wall_of_the_carotid_bulb():
    flow = SCENES["carotid-bifurcation"].flow()
    x_m, z_m = inside(flow, 60_000, 2e-4)
    bulb = (x_m > 2e-3) & (x_m < 10e-3) & (z_m > 19.5e-3)
    common = x_m < -12e-3
    back, forward = [], []
    for time_s in (0.2, 0.26, 0.32):
        vx, _ = flow.velocity_m_s(x_m, z_m, time_s)
        back.append((vx[bulb] < -0.02).mean())
        forward.append((vx[common] > 0.0).mean())
    assert max(back) > 0.1
    assert min(forward) > 0.8


def test_the_jet_through_the_sac_has_a_vortex_on_either_side():
    flow = SCENES["spinning-jet"].flow()
    z_m = np.linspace(10.6e-3, 25.4e-3, 600)
    turned = []
    for time_s in (0.14, 0.2, 0.3):
        vx, _ = flow.velocity_m_s(np.zeros(z_m.size), z_m, time_s)
        upper, lower = z_m < 15e-3, z_m > 21e-3
        turned.append(vx[upper].min() < -0.05 and vx[lower].min() < -0.05 and vx.max() > 0.3)
    assert any(turned)


def test_artery_and_vein_flow_against_each_other_and_the_vein_with_the_breath():
    scene = SCENES["artery-vein"]
    flow = scene.flow()
    assert scene.period_s == VENOUS.period_s
    artery, vein = ((6e-3, 16.6e-3), (16.9e-3, 30e-3))
    assert flow.flux_m2_s(-20e-3, artery, 0.13) > 2e-3
    assert flow.flux_m2_s(-20e-3, vein, 0.13) < -1e-3
    out, breath = (flow.flux_m2_s(0.0, (17.2e-3, 30e-3), t) for t in (0.45, 1.9))
    assert -2e-3 < out < 3.0 * breath < 0.0
    # The artery beats four times a breath.
    beats = [flow.flux_m2_s(-20e-3, artery, 0.13 + 0.9 * k) for k in range(4)]
    np.testing.assert_allclose(beats, beats[0], rtol=1e-3)


# --- waveforms ------------------------------------------------------------------------------


def test_the_femoral_waveform_is_triphasic_and_repeats():
    time_s = np.arange(0.0, FEMORAL.period_s, 1e-3)
    speed = FEMORAL(time_s)
    assert speed.max() == pytest.approx(1.0, abs=0.05)
    assert time_s[speed.argmax()] == pytest.approx(0.13, abs=0.03)
    assert -0.4 < speed.min() < -0.2
    assert 0.28 < time_s[speed.argmin()] < 0.42
    late = speed[(time_s > 0.45) & (time_s < 0.65)]
    assert 0.05 < late.max() < 0.25
    np.testing.assert_allclose(FEMORAL(time_s + 3 * FEMORAL.period_s), speed, atol=1e-12)


def test_the_brain_takes_blood_all_the_time_and_the_face_less_in_diastole():
    time_s = np.arange(0.0, CAROTID.period_s, 1e-3)
    common, face = CAROTID(time_s), EXTERNAL_CAROTID(time_s)
    assert common.max() == pytest.approx(1.0, abs=0.05)
    assert common.min() > 0.15
    assert face.max() == pytest.approx(1.0, abs=0.05)
    assert -0.05 < face.min() < 0.05
    # A third of the flow goes to the face: what is left for the brain never stops.
    assert (common - 0.36 * face).min() > 0.1


def test_a_breath_takes_four_beats_and_holds_the_venous_flow_back():
    assert VENOUS.period_s == pytest.approx(4 * FEMORAL.period_s)
    time_s = np.arange(0.0, VENOUS.period_s, 1e-3)
    assert 0.9 < VENOUS(time_s).max() < 1.1
    assert 0.15 < VENOUS(time_s).min() < 0.4
    assert (VENOUS.scaled(-2.0)(time_s) == -2.0 * VENOUS(time_s)).all()
    assert (STEADY(time_s) == 1.0).all()


# --- points that go with the flow -----------------------------------------------------------


@pytest.mark.parametrize("name", ["femoral-bifurcation", "artery-vein", "random:4"])
def test_blood_stays_in_the_vessels_at_the_same_density(name):
    flow = scene_of(name).flow()
    rng = np.random.default_rng(5)
    x_m, z_m = flow.draw(4e7, rng)
    at_first = np.histogram(x_m, 12, (-20e-3, 20e-3))[0]
    n_points = x_m.size
    for k in range(40):
        flow.carry(x_m, z_m, 0.05 + 5e-3 * k, 5e-3)
    assert x_m.size == n_points
    assert np.abs(x_m).max() <= flow.edge_m + 1e-9
    # After 0.2 s, forty times as long as an ensemble.
    assert (flow.depth_m(x_m, z_m) > -5e-5).mean() > 0.998
    now = np.histogram(x_m, 12, (-20e-3, 20e-3))[0]
    # About 1000 points in a bin: 3 % of noise each time.
    np.testing.assert_allclose(now, at_first, rtol=0.16)
    depth_m = flow.depth_m(x_m, z_m)
    fresh_m = flow.depth_m(*flow.draw(4e7, rng))
    for low, high in ((0.0, 5e-4), (5e-4, 1.5e-3), (1.5e-3, 4e-3)):
        shares = [((d > low) & (d < high)).mean() for d in (depth_m, fresh_m)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_points_follow_their_stream_line():
    scene = SCENES["rotating-disc"]
    (disc,) = scene.vessels
    flow = scene.flow()
    x_m, z_m = inside(flow, 500, 1e-3)
    radius_m = np.hypot(x_m, z_m - 19e-3)
    angle = np.arctan2(z_m - 19e-3, x_m)
    duration_s = 0.05
    flow.carry(x_m, z_m, 0.0, duration_s)
    np.testing.assert_allclose(np.hypot(x_m, z_m - 19e-3), radius_m, rtol=2e-3)
    turned = np.angle(np.exp(1j * (np.arctan2(z_m - 19e-3, x_m) - angle)))
    expected = -disc.peak_speed_m_s / disc.lumen.radius_m * duration_s
    np.testing.assert_allclose(turned, expected, rtol=5e-3)


# --- random scenes --------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_vessels_of_any_random_scene_are_whole_and_within_the_picture(first):
    x_m, z_m = np.meshgrid(np.arange(-20e-3, 20.1e-3, 1e-3), np.arange(3e-3, 36e-3, 2e-4))
    for seed in (*range(first, first + 20), -first - 1, 10**15 + first):
        scene = random_scene(seed)
        assert scene == random_scene(seed)
        holds = [
            (blood.lumen.stream_and_depth(x_m.ravel(), z_m.ravel())[1] > 0.0).reshape(x_m.shape)
            for blood in scene.vessels
        ]
        for lumen in holds:
            assert lumen.any(axis=0).all(), f"seed {seed}: a vessel ends within the picture"
            assert not lumen[[0, -1]].any(), f"seed {seed}: a vessel leaves the picture"
            # Blood begins and ends at walls: one vessel or two branches in every column.
            begins = np.count_nonzero(np.diff(lumen.astype(int), axis=0) == 1, axis=0)
            assert begins.max() <= 2
        if len(holds) == 2:
            gap_m = np.argmax(holds[1], axis=0) - (len(z_m) - np.argmax(holds[0][::-1], axis=0))
            assert gap_m.min() * 2e-4 >= 1.2e-3, f"seed {seed}: the vessels touch"


def test_random_scenes_differ_and_their_blood_moves():
    assert len({random_scene(seed).vessels for seed in range(30)}) == 30
    for seed in (2, 5):
        flow = random_scene(seed).flow()
        x_m, z_m = inside(flow, 4_000)
        assert np.hypot(*flow.velocity_m_s(x_m, z_m, 0.13)).max() > 0.05
        wanted = max(abs(blood.peak_speed_m_s) for blood in random_scene(seed).vessels)
        assert flow.peak_speed_m_s == pytest.approx(wanted, rel=0.1)
