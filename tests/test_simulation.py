"""The simulated probe's flow, echoes and speckle against closed forms."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from ultrasound_console.dsp.arrays import LANES
from ultrasound_console.geometry import Probe, plane_wave_velocity_m_s
from ultrasound_console.settings import AcquisitionSettings
from ultrasound_console.simulation import SCENES, Scan, plan
from ultrasound_console.simulation.scan import SAMPLING_FREQUENCY_HZ, SOUND_SPEED_M_S
from ultrasound_console.simulation.synthesis import Receiver, Window, pulse
from ultrasound_console.simulation.waveform import FEMORAL

F0_HZ = 5e6
TUBE = SCENES["straight-tube"]
FEMORAL_SCENE = SCENES["femoral-bifurcation"]
TILT_RAD, MIDDLE_Z_M, RADIUS_M = math.radians(12.0), 18e-3, 3.5e-3
SHORT = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)


@pytest.fixture(scope="module")
def tube():
    return Scan(TUBE)


@pytest.fixture(scope="module")
def femoral_flow():
    return FEMORAL_SCENE.flow()


def inside(flow, n, depth_m=0.0, seed=0):
    """Random points of the lumen that are at least so far from its walls."""
    x_m, z_m = flow.draw(n / (2 * flow.edge_m * 20e-3), np.random.default_rng(seed))
    deep = flow.depth_m(x_m, z_m) > depth_m
    return x_m[deep], z_m[deep]


# --- flow -----------------------------------------------------------------------------------


def test_flow_in_a_straight_tube_is_parabolic_along_its_axis():
    flow = TUBE.flow()
    x_m, z_m = inside(flow, 20_000)
    across_m = (z_m - MIDDLE_Z_M) * math.cos(TILT_RAD) - x_m * math.sin(TILT_RAD)
    speed = TUBE.peak_speed_m_s * (1.0 - (across_m / RADIUS_M) ** 2)
    vx, vz = flow.velocity_m_s(x_m, z_m, 0.3)
    tolerance = 0.005 * TUBE.peak_speed_m_s
    np.testing.assert_allclose(vx, speed * math.cos(TILT_RAD), atol=tolerance)
    np.testing.assert_allclose(vz, speed * math.sin(TILT_RAD), atol=tolerance)


def test_truth_is_the_projected_flow_on_any_grid(tube):
    acquisition = plan(TUBE, AcquisitionSettings(steering_rad=math.radians(10.0), ensemble=4))
    frame = tube.frame(acquisition, 0)
    for grid in (acquisition.colour_grid, acquisition.bmode_grid):
        truth, mask = frame.truth.on(grid)
        x_m, z_m = grid.positions_m()
        across_m = (z_m - MIDDLE_Z_M) * math.cos(TILT_RAD) - x_m * math.sin(TILT_RAD)
        speed = TUBE.peak_speed_m_s * (1.0 - (across_m / RADIUS_M) ** 2)
        # Both the wave and the receive aperture lean by 10 degrees: v = -U sin(10 + 12 degrees).
        expected = np.where(mask, -speed * math.sin(math.radians(22.0)), 0.0)
        np.testing.assert_allclose(truth, expected, atol=0.004 * TUBE.peak_speed_m_s)
        np.testing.assert_array_equal(
            mask[np.abs(np.abs(across_m) - RADIUS_M) > 5e-6],
            (np.abs(across_m) < RADIUS_M)[np.abs(np.abs(across_m) - RADIUS_M) > 5e-6],
        )
        assert truth.dtype == np.float32
        assert mask.dtype == np.bool_


def test_a_disc_turns_like_a_wheel():
    scene = SCENES["rotating-disc"]
    flow = scene.flow()
    x_m, z_m = inside(flow, 5_000)
    vx, vz = flow.velocity_m_s(x_m, z_m, 0.0)
    rate = scene.peak_speed_m_s / scene.lumen.radius_m
    # Anticlockwise on the screen, where z points down: the right side goes up.
    np.testing.assert_allclose(vz, -rate * (x_m - scene.lumen.centre_m[0]), atol=2e-3)
    np.testing.assert_allclose(vx, rate * (z_m - scene.lumen.centre_m[1]), atol=2e-3)


@pytest.mark.parametrize("name", SCENES)
def test_flow_has_no_divergence(name):
    flow = SCENES[name].flow()
    step_m = 1e-5
    x_m, z_m = inside(flow, 20_000, 2 * step_m)
    time_s = 0.15

    def derivative(of, dx_m, dz_m):
        ahead = flow.velocity_m_s(x_m + dx_m, z_m + dz_m, time_s)[of]
        behind = flow.velocity_m_s(x_m - dx_m, z_m - dz_m, time_s)[of]
        return (ahead - behind) / (2.0 * step_m)

    xx, xz = derivative(0, step_m, 0.0), derivative(0, 0.0, step_m)
    zx, zz = derivative(1, step_m, 0.0), derivative(1, 0.0, step_m)
    gradient = np.sqrt(xx**2 + xz**2 + zx**2 + zz**2).mean()
    assert np.abs(xx + zz).mean() < 0.01 * gradient


@pytest.mark.parametrize("time_s", [0.0, 0.13, 0.26, 0.345, 0.6])
def test_the_flow_of_the_parent_is_that_of_both_branches(femoral_flow, time_s):
    def flux(x_m, low_m=5e-3, high_m=34e-3):
        return femoral_flow.flux_m2_s(x_m, (low_m, high_m), time_s)

    parent = flux(-15e-3)
    largest = femoral_flow.flux_m2_s(-15e-3, (5e-3, 34e-3), 0.13)
    for x_m in (-8e-3, 0.0, 4e-3, 9e-3, 15e-3):
        assert flux(x_m) == pytest.approx(parent, abs=0.01 * largest)
    for x_m in (8e-3, 12e-3, 16e-3):
        upper, lower = flux(x_m, high_m=16e-3), flux(x_m, low_m=16e-3)
        assert upper + lower == pytest.approx(parent, abs=0.01 * largest)
        assert upper == pytest.approx(flux(10e-3, high_m=16e-3), abs=0.01 * largest)


@pytest.mark.parametrize("name", ["femoral-bifurcation", "straight-tube", "stenosis"])
def test_blood_stands_still_at_the_walls_and_is_fastest_inside(name):
    scene = SCENES[name]
    flow = scene.flow()
    x_m, z_m = inside(flow, 200_000)
    depth_m = flow.depth_m(x_m, z_m)
    speed = np.hypot(*flow.velocity_m_s(x_m, z_m, 0.13))
    touching = depth_m < 1e-5
    assert touching.sum() > 50
    assert speed[touching].max() < 0.05 * scene.peak_speed_m_s
    assert speed[touching].mean() < 0.01 * scene.peak_speed_m_s
    # No spikes: the fastest percent is hardly slower than the fastest point of all.
    assert speed.max() < 1.35 * np.percentile(speed, 98)
    outside_m = z_m[0] - 3e-3
    assert np.hypot(*flow.velocity_m_s(x_m[0], outside_m, 0.13)) == 0.0


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


def test_flow_along_the_walls_turns_round_first(femoral_flow):
    # On the falling side of systole the core still runs on while the walls run back.
    x_m = np.full(400, -12e-3)
    z_m = np.linspace(9e-3, 18e-3, 400)
    depth_m = femoral_flow.depth_m(x_m, z_m)
    vx, _ = femoral_flow.velocity_m_s(x_m, z_m, 0.25)
    assert vx[depth_m > 3e-3].min() > 0.0
    assert vx[(depth_m > 1e-4) & (depth_m < 6e-4)].max() < 0.0


def test_blood_stays_in_the_vessels_at_the_same_density(femoral_flow):
    flow = femoral_flow
    rng = np.random.default_rng(5)
    x_m, z_m = flow.draw(4e7, rng)
    at_first = np.histogram(x_m, 12, (-20e-3, 20e-3))[0]
    n_points = x_m.size
    for k in range(40):
        flow.carry(x_m, z_m, 0.05 + 5e-3 * k, 5e-3)
    assert x_m.size == n_points
    assert np.abs(x_m).max() <= flow.edge_m + 1e-9
    assert (flow.depth_m(x_m, z_m) > -5e-5).mean() > 0.999
    now = np.histogram(x_m, 12, (-20e-3, 20e-3))[0]
    # About 1000 points in a bin: 3 % of noise each time.
    np.testing.assert_allclose(now, at_first, rtol=0.16)
    depth_m = flow.depth_m(x_m, z_m)
    fresh_m = flow.depth_m(*flow.draw(4e7, rng))
    for low, high in ((0.0, 5e-4), (5e-4, 1.5e-3), (1.5e-3, 4e-3)):
        shares = [((d > low) & (d < high)).mean() for d in (depth_m, fresh_m)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_points_follow_their_stream_line():
    flow = SCENES["rotating-disc"].flow()
    x_m, z_m = inside(flow, 500, 1e-3)
    radius_m = np.hypot(x_m, z_m - 19e-3)
    angle = np.arctan2(z_m - 19e-3, x_m)
    duration_s = 0.05
    flow.carry(x_m, z_m, 0.0, duration_s)
    np.testing.assert_allclose(np.hypot(x_m, z_m - 19e-3), radius_m, rtol=2e-3)
    turned = np.angle(np.exp(1j * (np.arctan2(z_m - 19e-3, x_m) - angle)))
    scene = SCENES["rotating-disc"]
    expected = -scene.peak_speed_m_s / scene.lumen.radius_m * duration_s
    np.testing.assert_allclose(turned, expected, rtol=5e-3)


# --- echoes ---------------------------------------------------------------------------------

PROBE = Probe.linear("test", 64, 0.3e-3, F0_HZ, element_width_m=0.25e-3)
WINDOW = Window(start_s=-2e-6, n_samples=1000, sampling_frequency_hz=SAMPLING_FREQUENCY_HZ)


def direct_echo(x_m, z_m, angle_rad):
    """(n_elements, n_samples) echo of a unit scatterer, straight from the formulas."""
    element_x_m = np.asarray(PROBE.element_x_m)
    r_m = np.hypot(element_x_m - x_m, z_m)
    arrival_s = (x_m * math.sin(angle_rad) + z_m * math.cos(angle_rad) + r_m) / SOUND_SPEED_M_S
    sin_theta, cos_theta = (element_x_m - x_m) / r_m, z_m / r_m
    directivity = np.sinc(PROBE.element_width_m * F0_HZ / SOUND_SPEED_M_S * sin_theta) * cos_theta
    time_s = WINDOW.start_s + np.arange(WINDOW.n_samples) / SAMPLING_FREQUENCY_HZ
    shape = pulse(time_s - arrival_s[:, None], F0_HZ, SAMPLING_FREQUENCY_HZ)
    return (directivity / np.sqrt(r_m))[:, None] * shape


def synthesised(points, angle_rad):
    receiver = Receiver(PROBE, WINDOW, F0_HZ, SOUND_SPEED_M_S)
    buffer = receiver.buffer()
    x_m, z_m, amplitude = (np.array(values, float) for values in zip(*points, strict=True))
    receiver.add(buffer, x_m, z_m, amplitude, angle_rad)
    rows = buffer.reshape(PROBE.n_elements, WINDOW.row)
    return rows[:, LANES : LANES + WINDOW.n_samples].astype(float)


# Far from the edges of the wave, where it fades.
@given(
    x_m=st.floats(-2e-3, 2e-3),
    z_m=st.floats(4e-3, 25e-3),
    angle_rad=st.floats(math.radians(-4.0), math.radians(4.0)),
)
@settings(max_examples=40, deadline=None)
def test_the_echo_of_a_point_is_that_of_the_direct_formula(x_m, z_m, angle_rad):
    expected = direct_echo(x_m, z_m, angle_rad)
    made = synthesised([(x_m, z_m, 1.0)], angle_rad)
    # Delays are rounded to 1/1024 sample: 0.8 mrad of phase at most.
    assert np.linalg.norm(made - expected) < 1.5e-3 * np.linalg.norm(expected)


def test_echoes_add_up_and_fade_beyond_the_wave():
    points = [(-3e-3, 8e-3, 1.0), (2e-3, 15e-3, -0.5), (0.0, 15.1e-3, 2.0)]
    total = synthesised(points, 0.05)
    expected = sum(a * direct_echo(x, z, 0.05) for x, z, a in points)
    assert np.linalg.norm(total - expected) < 1.5e-3 * np.linalg.norm(expected)
    # The wave of a 19 mm aperture leaves the point at x = -9.5 mm when it leans to the right.
    beside = synthesised([(-9.5e-3, 20e-3, 1.0)], math.radians(15.0))
    assert np.abs(beside).max() == 0.0


def test_an_echo_that_comes_too_late_is_left_out():
    assert np.abs(synthesised([(0.0, 60e-3, 1.0)], 0.0)).max() == 0.0


@pytest.mark.parametrize(("dx_m", "dz_m"), [(0.0, -2e-5), (0.0, 3e-5), (5e-5, 1e-5)])
@pytest.mark.parametrize("steering_deg", [-10.0, 0.0, 10.0])
def test_the_phase_turns_with_the_projected_displacement(dx_m, dz_m, steering_deg):
    steering_rad = math.radians(steering_deg)
    x_m, z_m = 1e-3, 20e-3
    steps = []
    for k in (0, 1):
        rf = synthesised([(x_m + k * dx_m, z_m + k * dz_m, 1.0)], steering_rad)
        steps.append(beamformed(rf[None], PROBE, WINDOW.start_s, x_m, z_m, steering_rad))
    turned = float(np.angle(steps[1] * np.conj(steps[0])).squeeze())
    # With dt = 1 s, velocity is displacement: the step is 4 pi f0 / c x v, positive towards.
    towards_m = float(plane_wave_velocity_m_s(dx_m, dz_m, steering_rad, steering_rad))
    expected = 4.0 * math.pi * F0_HZ / SOUND_SPEED_M_S * towards_m
    assert turned == pytest.approx(expected, rel=0.06, abs=0.02)
    assert np.sign(turned) == np.sign(expected)


def beamformed(rf, probe, start_s, x_m, z_m, angle_rad, receive_rad=None):
    """Sum over the elements at f/2 of (n, n_elements, n_samples) RF, for points; complex."""
    element_x_m = np.asarray(probe.element_x_m)
    x_m, z_m = np.atleast_1d(x_m), np.atleast_1d(z_m)
    receive_rad = angle_rad if receive_rad is None else receive_rad
    away_m = element_x_m - x_m[:, None]
    delay_s = x_m * math.sin(angle_rad) + z_m * math.cos(angle_rad)
    delay_s = (delay_s[:, None] + np.hypot(away_m, z_m[:, None])) / SOUND_SPEED_M_S
    from_line = np.abs(away_m + z_m[:, None] * math.tan(receive_rad)) / (z_m[:, None] / 4.0)
    weight = np.where(from_line < 1.0, 0.5 + 0.5 * np.cos(np.pi * from_line), 0.0)
    place = (delay_s - start_s) * SAMPLING_FREQUENCY_HZ
    whole = np.clip(place.astype(int), 0, rf.shape[-1] - 2)
    analytic = hilbert(rf, axis=-1)
    time_s = start_s + np.arange(rf.shape[-1]) / SAMPLING_FREQUENCY_HZ
    iq = analytic * np.exp(-2j * np.pi * F0_HZ * time_s)
    element = np.arange(len(element_x_m))
    part = place - whole
    value = iq[:, element, whole] * (1.0 - part) + iq[:, element, whole + 1] * part
    return (weight * value * np.exp(2j * np.pi * F0_HZ * delay_s)).sum(-1)


# --- scan -----------------------------------------------------------------------------------


def test_plain_tissue_makes_fully_developed_speckle(tube):
    acquisition = plan(TUBE, SHORT)
    frame = tube.frame(acquisition, 0)
    x_m, z_m = np.meshgrid(np.arange(-16e-3, 4e-3, 6e-4), np.arange(25e-3, 34e-3, 4e-4))
    image = beamformed(
        frame.bmode[1:2], acquisition.probe, acquisition.start_time_s, x_m.ravel(), z_m.ravel(), 0.0
    )
    envelope = np.abs(image).reshape(x_m.shape)
    envelope /= envelope.mean(axis=1, keepdims=True)
    # Rayleigh: mean over standard deviation is sqrt(pi / (4 - pi)) = 1.91.
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.15)


def test_the_same_scene_and_phase_give_the_same_frame():
    acquisition = plan(TUBE, SHORT)
    first, again = Scan(TUBE), Scan(TUBE)
    frame = first.frame(acquisition, 2)
    again.frame(acquisition, 1)
    same = again.frame(acquisition, 2)
    np.testing.assert_array_equal(frame.colour, same.colour)
    np.testing.assert_array_equal(frame.bmode, same.bmode)
    assert np.any(frame.colour != first.frame(acquisition, 3).colour)
    # The tissue of another seed cancels between two pulses; so does the blood of the same seed.
    other = Scan(dataclasses.replace(TUBE, seed=TUBE.seed + 1, noise_db=-200.0))
    quiet = Scan(dataclasses.replace(TUBE, noise_db=-200.0))
    moved = [
        np.diff(scan.frame(acquisition, 2).colour.astype(int), axis=0).ravel()
        for scan in (quiet, other)
    ]
    assert abs(np.corrcoef(moved)[0, 1]) < 0.2


def test_a_frame_gives_up_when_asked(tube):
    assert tube.frame(plan(TUBE, SHORT), 0, lambda: True) is None


def test_samples_are_16_bit_well_below_the_end_of_the_scale():
    acquisition = plan(FEMORAL_SCENE, SHORT)
    frame = Scan(FEMORAL_SCENE).frame(acquisition, 1)
    assert frame.colour.dtype == frame.bmode.dtype == np.int16
    assert frame.colour.shape[:2] == (4, 128)
    assert frame.bmode.shape[:2] == (3, 128)
    assert 2_000 < np.abs(frame.colour.astype(int)).max() < 30_000


def test_the_prf_is_limited_by_the_depth_and_the_note_says_so():
    acquisition = plan(FEMORAL_SCENE, AcquisitionSettings(prf_hz=20_000.0, depth_m=0.06))
    assert acquisition.requested_prf_hz == 20_000.0
    assert acquisition.prf_hz == acquisition.max_prf_hz
    # 60 mm down and back are 78 us; the way to the side of the aperture comes on top.
    assert 8_000.0 < acquisition.max_prf_hz < 1.0 / 78e-6
    assert any("PRF limited" in note for note in acquisition.notes)
    assert plan(FEMORAL_SCENE, AcquisitionSettings()).notes == ()


def test_aliasing_comes_and_goes_with_the_prf(femoral_flow):
    low = plan(FEMORAL_SCENE, AcquisitionSettings())
    peak = max(
        np.abs(plane_wave_velocity_m_s(*femoral_flow.on(low.colour_grid, t)[:2], 0.2618, 0.2618))
        .max()
        for t in np.arange(0.08, 0.2, 0.01)
    )  # fmt: skip
    assert 2.0 < peak / low.nyquist_velocity_m_s < 2.7
    high = plan(FEMORAL_SCENE, AcquisitionSettings(prf_hz=9_000.0))
    assert high.prf_hz == 9_000.0
    assert peak < high.nyquist_velocity_m_s


@given(
    prf_hz=st.floats(200.0, 20_000.0),
    ensemble=st.integers(0, 64),
    steering_rad=st.floats(math.radians(-20.0), math.radians(20.0)),
    depth_m=st.floats(0.02, 0.06),
    frame_rate_hz=st.floats(1.0, 60.0),
    name=st.sampled_from(sorted(SCENES)),
)
@settings(max_examples=80, deadline=None)
def test_any_settings_make_a_possible_acquisition(
    prf_hz, ensemble, steering_rad, depth_m, frame_rate_hz, name
):
    scene = SCENES[name]
    wanted = AcquisitionSettings(
        prf_hz=prf_hz, ensemble=ensemble, steering_rad=steering_rad, depth_m=depth_m,
        frame_rate_hz=frame_rate_hz,
    )  # fmt: skip
    acquisition = plan(scene, wanted)
    assert acquisition.n_pulses == (12 if ensemble == 0 else max(4, ensemble))
    assert acquisition.prf_hz == min(prf_hz, acquisition.max_prf_hz)
    busy_s = acquisition.n_pulses / acquisition.prf_hz + 3.0 / acquisition.max_prf_hz
    n_frames = scene.waveform.period_s / acquisition.frame_interval_s
    assert n_frames == pytest.approx(round(n_frames))
    assert round(n_frames) == 1 or acquisition.frame_interval_s >= busy_s
    assert round(n_frames) == 1 or 1.0 / acquisition.frame_interval_s <= frame_rate_hz * 1.0001
    half_m = 0.5 * 128 * 0.3e-3
    for grid in (acquisition.colour_grid, acquisition.bmode_grid):
        left_m, right_m, _, bottom_m = grid.extent_m
        assert -half_m <= left_m < right_m <= half_m
        assert bottom_m <= depth_m + 1e-9
        # The wave that leaves the array covers every line of the colour box.
        assert -half_m <= grid.lines[0] < grid.lines[1] <= half_m
    assert acquisition.colour_grid.angle_rad == acquisition.transmit_angle_rad == steering_rad
    assert acquisition.receive_angle_rad == steering_rad


def test_frames_of_a_cycle_stay_within_their_memory():
    for ensemble, depth_m in ((12, 0.035), (64, 0.06)):
        acquisition = plan(
            FEMORAL_SCENE,
            AcquisitionSettings(ensemble=ensemble, depth_m=depth_m, frame_rate_hz=60.0, prf_hz=2e4),
        )
        n_samples = Scan(FEMORAL_SCENE).frame(acquisition, 0).colour.shape[-1]
        n_frames = round(FEMORAL_SCENE.waveform.period_s / acquisition.frame_interval_s)
        assert n_frames * (ensemble + 3) * 128 * n_samples * 2 <= 256 * 2**20
    assert any("memory" in note for note in acquisition.notes)
