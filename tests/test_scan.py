"""What the simulated probe plans and records: settings, frames, and what is kept between them."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.assets import probe_names
from ultrasound_console.frames import ChannelFrame
from ultrasound_console.geometry import plane_wave_velocity_m_s
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.simulation import SCENES, Scan, driven, plan
from ultrasound_console.simulation.flow import Flow
from ultrasound_console.simulation.plan import (
    SOUND_SPEED_M_S,
    bmode_interval_s,
    record_window,
    widest_window,
)
from ultrasound_console.simulation.probes import load_probe
from ultrasound_console.simulation.section import Section
from ultrasound_console.simulation.tissue import PULSATION_M

TUBE = SCENES["straight-tube"]
FEMORAL = SCENES["femoral-bifurcation"]
SHORT = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)
TILT_RAD, MIDDLE_Z_M, RADIUS_M, PEAK_M_S = math.radians(12.0), 18e-3, 3.5e-3, 0.4


@pytest.fixture(scope="module")
def tube():
    return Scan(TUBE)


@pytest.fixture(scope="module")
def femoral():
    return Scan(FEMORAL)


def changed(**changes):
    return dataclasses.replace(SHORT, **changes)


# --- plan -----------------------------------------------------------------------------------


def test_the_prf_is_limited_by_the_depth_and_the_note_says_so():
    acquisition = plan(FEMORAL, AcquisitionSettings(prf_hz=20_000.0, depth_m=0.06))
    assert acquisition.requested_prf_hz == 20_000.0
    assert acquisition.prf_hz == acquisition.max_prf_hz
    # 60 mm down and back are 78 us; the way to the side of the aperture comes on top.
    assert 8_000.0 < acquisition.max_prf_hz < 1.0 / 78e-6
    assert any("PRF limited" in note for note in acquisition.notes)
    assert plan(FEMORAL, AcquisitionSettings()).notes == ()


def test_aliasing_comes_and_goes_with_the_prf():
    flow = FEMORAL.flow()
    low = plan(FEMORAL, AcquisitionSettings())
    peak = max(
        np.abs(plane_wave_velocity_m_s(*flow.on(low.colour_grid, t)[:2], 0.2618, 0.2618)).max()
        for t in np.arange(0.08, 0.2, 0.01)
    )
    assert 1.5 < peak / low.nyquist_velocity_m_s < 3.5
    high = plan(FEMORAL, AcquisitionSettings(prf_hz=10_000.0))
    assert high.prf_hz == 10_000.0
    assert peak < high.nyquist_velocity_m_s


@pytest.mark.parametrize("name", probe_names())
def test_the_probe_and_its_pulse_are_those_of_the_settings(name):
    probe = load_probe(name)
    acquisition = plan(TUBE, AcquisitionSettings(probe=name))
    assert acquisition.probe == probe
    assert acquisition.center_frequency_hz == probe.center_frequency_hz
    assert acquisition.sampling_frequency_hz == 4.0 * probe.center_frequency_hz
    assert acquisition.n_cycles == 2
    half_hz = 0.5 * probe.fractional_bandwidth * probe.center_frequency_hz
    inside_hz = probe.center_frequency_hz - 0.5 * half_hz
    inner = plan(TUBE, AcquisitionSettings(probe=name, transmit_frequency_hz=inside_hz, n_cycles=5))
    assert inner.center_frequency_hz == inside_hz
    assert inner.n_cycles == 5
    assert inner.nyquist_velocity_m_s == pytest.approx(
        SOUND_SPEED_M_S * inner.prf_hz / (4.0 * inside_hz)
    )
    assert inner.notes == ()
    for wanted_hz, achieved_hz in (
        (1e5, probe.center_frequency_hz - half_hz),
        (15e6, probe.center_frequency_hz + half_hz),
    ):
        limited = plan(TUBE, AcquisitionSettings(probe=name, transmit_frequency_hz=wanted_hz))
        assert limited.center_frequency_hz == pytest.approx(achieved_hz)
        assert any(probe.name in note and "MHz" in note for note in limited.notes)


def test_the_heart_of_a_scene_is_in_the_acquisition():
    acquisition = plan(FEMORAL, AcquisitionSettings())
    heart = FEMORAL.vessels[0].waveform
    assert acquisition.heart_cycle_s == heart.period_s
    times_s = np.linspace(0.0, heart.period_s, 500)
    assert heart(acquisition.peak_systole_s) == pytest.approx(heart(times_s).max(), abs=1e-3)
    assert 0.05 < acquisition.peak_systole_s < 0.25


@given(
    prf_hz=st.floats(200.0, 20_000.0),
    ensemble=st.integers(0, 64),
    steering_rad=st.floats(math.radians(-20.0), math.radians(20.0)),
    depth_m=st.floats(0.02, 0.06),
    frame_rate_hz=st.floats(1.0, 60.0),
    probe=st.sampled_from(probe_names()),
    n_cycles=st.integers(1, 8),
    heart_rate_hz=st.floats(0.1, 3.0),
    name=st.sampled_from(("femoral-bifurcation", "straight-tube", "rotating-disc")),
)
@settings(max_examples=60, deadline=None)
def test_any_settings_make_a_possible_acquisition(
    prf_hz, ensemble, steering_rad, depth_m, frame_rate_hz, probe, n_cycles, heart_rate_hz, name
):
    wanted = AcquisitionSettings(
        prf_hz=prf_hz, ensemble=ensemble, steering_rad=steering_rad, depth_m=depth_m,
        frame_rate_hz=frame_rate_hz, probe=probe, n_cycles=n_cycles, heart_rate_hz=heart_rate_hz,
    )  # fmt: skip
    scene = driven(SCENES[name], wanted)
    acquisition = plan(scene, wanted)
    assert acquisition.n_pulses == (12 if ensemble == 0 else max(4, ensemble))
    assert acquisition.prf_hz == min(prf_hz, acquisition.max_prf_hz)
    busy_s = acquisition.n_pulses / acquisition.prf_hz + 3.0 * bmode_interval_s(acquisition)
    n_frames = scene.period_s / acquisition.frame_interval_s
    whole = max(n_frames, 1.0 / n_frames)
    assert whole == pytest.approx(round(whole))
    assert acquisition.frame_interval_s >= busy_s * (1.0 - 1e-8)
    assert 1.0 / acquisition.frame_interval_s <= frame_rate_hz * 1.0001
    # The wave that leaves the array covers every line of the colour box.
    picture, is_sector = acquisition.bmode_grid, acquisition.bmode_grid.kind == "polar"
    half_m = 0.5 * acquisition.probe.n_elements * acquisition.probe.pitch_m
    left, right = picture.lines if is_sector else (-half_m, half_m)
    for grid in (acquisition.colour_grid, picture):
        left_m, right_m, _, bottom_m = grid.extent_m
        assert is_sector or -half_m <= left_m < right_m <= half_m
        assert bottom_m <= depth_m + 1e-9
        assert left - 1e-9 <= grid.lines[0] < grid.lines[1] <= right + 1e-9
    steered_rad = 0.0 if is_sector else steering_rad
    assert is_sector == math.isfinite(acquisition.source_distance_m)
    assert acquisition.colour_grid.angle_rad == acquisition.transmit_angle_rad == steered_rad
    assert acquisition.receive_angle_rad == steered_rad
    # Whatever is recorded lies within what is kept for all steerings, on the same samples.
    window, widest = record_window(acquisition), widest_window(acquisition)
    place = (window.start_s - widest.start_s) * window.sampling_frequency_hz
    assert place == pytest.approx(widest.offset(window), abs=1e-3)
    assert widest.offset(window) >= 0
    assert widest.offset(window) + window.n_samples <= widest.n_samples
    assert window.start_s == acquisition.start_time_s


# --- frames ---------------------------------------------------------------------------------


def test_truth_is_the_projected_flow_on_any_grid(tube):
    acquisition = plan(TUBE, changed(steering_rad=math.radians(10.0)))
    frame = tube.frame(acquisition, 0)
    for grid in (acquisition.colour_grid, acquisition.bmode_grid):
        truth, mask = frame.truth.on(grid)
        x_m, z_m = grid.positions_m()
        across_m = (z_m - MIDDLE_Z_M) * math.cos(TILT_RAD) - x_m * math.sin(TILT_RAD)
        speed = PEAK_M_S * (1.0 - (across_m / RADIUS_M) ** 2)
        # Both the wave and the receive aperture lean by 10 degrees: v = -U sin(10 + 12 degrees).
        expected = np.where(mask, -speed * math.sin(math.radians(22.0)), 0.0)
        np.testing.assert_allclose(truth, expected, atol=0.004 * PEAK_M_S)
        clear = np.abs(np.abs(across_m) - RADIUS_M) > 5e-6
        np.testing.assert_array_equal(mask[clear], (np.abs(across_m) < RADIUS_M)[clear])
        assert truth.dtype == np.float32
        assert mask.dtype == np.bool_


def test_truth_is_sampled_once_for_a_frame_that_is_played_again(tube, monkeypatch):
    acquisition = plan(TUBE, SHORT)
    truth = tube.frame(acquisition, 0).truth
    first = truth.on(acquisition.colour_grid)
    monkeypatch.setattr(Flow, "on", lambda *_: pytest.fail("sampled already"))
    again = truth.on(acquisition.colour_grid)
    for plane, same in zip(first, again, strict=True):
        assert plane is same
        assert not plane.flags.writeable


def test_truth_is_of_the_middle_of_the_ensemble(tube):
    acquisition = plan(TUBE, SHORT)
    frame = tube.frame(acquisition, 2)
    first_s = 2 * acquisition.frame_interval_s + 3 * bmode_interval_s(acquisition)
    assert frame.truth.time_s == pytest.approx(first_s + 1.5 / acquisition.prf_hz)


def test_the_same_scene_and_phase_give_the_same_frame():
    acquisition = plan(TUBE, SHORT)
    first, again = Scan(TUBE), Scan(TUBE)
    frame = first.frame(acquisition, 2)
    # Whatever was made before, with other settings too.
    again.frame(acquisition, 1)
    again.frame(plan(TUBE, changed(prf_hz=2000.0, steering_rad=0.1)), 2)
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


def test_samples_fit_the_converter_well_below_the_end_of_the_scale(femoral):
    acquisition = plan(FEMORAL, SHORT)
    frame = femoral.frame(acquisition, 1)
    assert frame.colour.dtype == frame.bmode.dtype == np.int16
    assert frame.colour.shape[:2] == (4, 128)
    assert frame.bmode.shape[:2] == (3, 128)
    assert acquisition.probe.converter_bits == 14
    assert 1_000 < np.abs(frame.colour.astype(int)).max() < 7_000


def test_walls_move_with_the_pulse_and_during_an_ensemble(femoral):
    # At the PRF of slow flow the walls go 2 um or so from pulse to pulse in early systole.
    acquisition = plan(FEMORAL, changed(prf_hz=500.0, frame_rate_hz=30.0, ensemble=8))
    times_s = np.arange(8) / 500.0
    phase = round(0.12 / acquisition.frame_interval_s)
    section = femoral._prepared(acquisition)
    pushes = FEMORAL.pressure(phase * acquisition.frame_interval_s + times_s)
    assert (pushes.max() - pushes.min()) * PULSATION_M > 5e-6
    angles = (acquisition.transmit_angle_rad, acquisition.receive_angle_rad)
    walls = section.walls(angles, pushes)
    exact = [section.walls(angles, np.array([push])) for push in pushes[[0, 3, 7]]]
    for push, alone in zip(pushes[[0, 3, 7]], exact, strict=True):
        below, change, part = walls.at(float(push))
        error = np.linalg.norm(below + part * change - alone.echoes[0])
        moved = np.linalg.norm(alone.echoes[0] - exact[0].echoes[0])
        assert error < 0.05 * max(moved, np.linalg.norm(walls.echoes[1] - walls.echoes[0]))
    assert np.linalg.norm(exact[2].echoes[0] - exact[0].echoes[0]) > 0.0


def test_frames_of_a_cycle_stay_within_their_memory():
    for ensemble, depth_m in ((12, 0.035), (64, 0.06)):
        acquisition = plan(
            TUBE,
            AcquisitionSettings(ensemble=ensemble, depth_m=depth_m, frame_rate_hz=60.0, prf_hz=2e4),
        )
        window = record_window(acquisition)
        n_frames = round(TUBE.period_s / acquisition.frame_interval_s)
        assert n_frames * (ensemble + 3) * 128 * window.n_samples * 2 <= 256 * 2**20
    assert any("memory" in note for note in acquisition.notes)


# --- what is kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "n_angles"),
    [
        ({"prf_hz": 2500.0}, 0),
        ({"ensemble": 6}, 0),
        ({"steering_rad": 0.05}, 1),
        ({"depth_m": 0.03}, 4),
        ({"transmit_frequency_hz": 5e6}, 4),
        ({"n_cycles": 3}, 4),
    ],
)
def test_only_what_a_control_changes_is_made_again(tube, monkeypatch, change, n_angles):
    before = tube.frame(plan(TUBE, SHORT), 0)
    made = []
    echoes = Section._echoes

    def counted(self, points, angles_rad, push):
        made.append(angles_rad)
        return echoes(self, points, angles_rad, push)

    monkeypatch.setattr(Section, "_echoes", counted)
    after = tube.frame(plan(TUBE, changed(**change)), 0)
    assert len(set(made)) == len(made) == n_angles
    if n_angles == 0:
        np.testing.assert_array_equal(after.bmode, before.bmode)
        # The same blood, that runs less or more far between two pulses.
        np.testing.assert_array_equal(after.colour[0], before.colour[0])


def test_echoes_of_old_steerings_are_dropped(tube):
    for k in range(8):
        tube.frame(plan(TUBE, changed(steering_rad=0.01 * (k + 1))), 0)
    assert len(tube._section._still) <= 3 + 4


def test_noise_that_grows_with_depth_is_told_from_flow_at_every_depth(tube):
    acquisition = plan(TUBE, AcquisitionSettings(ensemble=8, frame_rate_hz=5.0))
    made = tube.frame(acquisition, 0)
    processing = ProcessingSettings(dealias=False)
    spread_db = []
    for depth_gain_db in (acquisition.depth_gain_db, ()):
        known = dataclasses.replace(acquisition, depth_gain_db=depth_gain_db)
        frame = ChannelFrame(0, 0.0, 0.0, known, made.colour, made.bmode, made.truth)
        result = doppler(form(frame, processing), processing, None)
        outside = np.ma.array(result.power_db, mask=result.vessel_mask)
        levels = [float(np.ma.median(part)) for part in (outside[:40], outside[-40:])]
        spread_db.append(levels[1] - levels[0])
    assert abs(spread_db[0]) < 2.5
    assert spread_db[1] > 5.0
