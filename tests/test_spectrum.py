"""Spectra of a gate against closed forms, the simulated probe and a recording."""

import csv
import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from frames_for_tests import RECTANGLE, SHEARED, make_acquisition
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QImage
from test_command_line import refused

from ultrasound_console import BANNER
from ultrasound_console.__main__ import main
from ultrasound_console.cine import LoopFrame
from ultrasound_console.dsp import doppler, eigen_filter, spectrum_window, wall_filter
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.dsp.gate import gate_samples, gate_weights
from ultrasound_console.dsp.spectrum import LinePlan, ensemble_spectra, line_spectra
from ultrasound_console.dsp.trace import trace
from ultrasound_console.export.whole_file import whole_file
from ultrasound_console.frames import IqFrame
from ultrasound_console.pipeline import PipelineError, form
from ultrasound_console.pipeline.gated import Gate, measure, plan_gate
from ultrasound_console.settings import Settings
from ultrasound_console.sources import open_source
from ultrasound_console.sources.simulated import SimulatedSource
from ultrasound_console.ui.tools.gate_spectrum import drawing_of, frames_around

PRF_HZ, V_N = 5000.0, 0.4
PLAN = LinePlan(PRF_HZ, V_N, window_s=64 / PRF_HZ, hop_s=16 / PRF_HZ)
TAPERS = ("hann", "hamming", "none")


def tone(velocity_m_s, n=256):
    """Echo of something that moves towards the probe: a positive phase step."""
    return np.exp(1j * np.pi * velocity_m_s / V_N * np.arange(n)).astype(np.complex64)


def noise(rng, *shape):
    parts = rng.standard_normal((2, *shape), np.float32) * np.float32(np.sqrt(0.5))
    return parts[0] + 1j * parts[1]


@given(velocity=st.floats(-0.99, 0.99), taper=st.sampled_from(TAPERS))
def test_a_tone_is_at_its_velocity_with_its_sign(velocity, taper):
    spectra = line_spectra(tone(velocity * V_N), dataclasses.replace(PLAN, taper=taper))
    bin_m_s = spectra.velocity_m_s[1] - spectra.velocity_m_s[0]
    peaks = spectra.velocity_m_s[np.argmax(spectra.power, axis=1)]
    away = (peaks - velocity * V_N + V_N) % (2 * V_N) - V_N
    assert np.abs(away).max() <= 0.51 * bin_m_s
    mean = trace(spectra).mean_m_s
    np.testing.assert_allclose(
        (mean - velocity * V_N + V_N) % (2 * V_N) - V_N, 0.0, atol=1e-4 * V_N
    )


def test_the_axis_goes_from_minus_to_plus_the_nyquist_velocity():
    spectra = line_spectra(tone(0.1), PLAN)
    steps = np.diff(spectra.velocity_m_s)
    assert spectra.velocity_m_s[0] == -V_N
    assert spectra.velocity_m_s[-1] + steps[0] == pytest.approx(V_N)
    np.testing.assert_allclose(steps, steps[0])
    assert spectra.power.dtype == np.float32
    # Windows of 64 samples, 16 apart, from 256 samples; times are their middles.
    np.testing.assert_allclose(spectra.time_s, (31.5 + 16.0 * np.arange(13)) / PRF_HZ)


@pytest.mark.parametrize("taper", TAPERS)
@pytest.mark.parametrize("n", [2, 12, 63, 64, 256])
def test_the_bins_add_up_to_the_mean_power_under_the_window(taper, n):
    rng = np.random.default_rng(n)
    line = 3.0 * noise(rng, 3, n)
    plan = LinePlan(PRF_HZ, V_N, n / PRF_HZ, 1.0, taper=taper)
    weights = spectrum_window.window_weights(taper, n)
    wanted = np.sum(np.mean(np.abs(line) ** 2 * weights**2, axis=1))
    assert line_spectra(line, plan).power.sum() == pytest.approx(wanted, rel=1e-5)
    assert np.mean(weights**2) == pytest.approx(1.0)
    assert weights.min() > 0.0


def test_window_losses_are_those_of_the_textbook():
    # Harris 1978: equivalent noise bandwidth of 1.50, 1.36 and 1 bins.
    for taper, bins in zip(TAPERS, (1.50, 1.36, 1.0), strict=True):
        assert spectrum_window.noise_bandwidth(taper, 1000) == pytest.approx(bins, abs=0.01)
    spectra = line_spectra(tone(0.1), PLAN)
    assert spectra.resolution_m_s == pytest.approx(2 * V_N * 1.5 / 64, rel=0.03)


def test_aliasing_wraps_and_a_shifted_baseline_undoes_it():
    fast = line_spectra(tone(1.4 * V_N), PLAN)
    assert trace(fast).mean_m_s == pytest.approx(-0.6 * V_N, abs=1e-3)
    shifted = fast.shifted(0.5 * V_N)
    assert shifted.baseline_m_s == pytest.approx(0.5 * V_N)
    assert shifted.velocity_m_s[0] == pytest.approx(-0.5 * V_N)
    assert trace(shifted).mean_m_s == pytest.approx(1.4 * V_N, abs=1e-3)
    assert shifted.velocity_m_s[np.argmax(shifted.power[0])] == pytest.approx(1.4 * V_N, abs=0.005)
    np.testing.assert_array_equal(shifted.shifted(0.0).power, fast.power)
    with pytest.raises(ValueError, match="beyond v_N"):
        fast.shifted(1.1 * V_N)


@pytest.mark.parametrize("n", [64, 256])
@pytest.mark.parametrize("taper", TAPERS)
@pytest.mark.parametrize("cutoff_prf", [0.01, 0.05, 0.14])
def test_the_wall_filter_meets_its_cut_off(n, taper, cutoff_prf):
    basis, achieved = spectrum_window.high_pass(cutoff_prf, n, taper)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    # One order more or less moves it by half a bin.
    assert abs(achieved - cutoff_prf) <= 0.6 / n
    plan = LinePlan(PRF_HZ, V_N, n / PRF_HZ, 1.0, cutoff_prf * PRF_HZ, taper)
    assert plan.achieved_cutoff_hz == pytest.approx(achieved * PRF_HZ)
    gains = [
        line_spectra(tone(2 * V_N * share * achieved, n), plan).power.sum()
        for share in (0.0, 0.5, 1.0)
    ]
    assert gains[0] < 1e-6
    assert gains[1] < 0.25
    assert gains[2] == pytest.approx(0.5, abs=1e-3)
    passed = tone(2 * V_N * (1.7 * achieved + 2.0 / n), n)
    assert line_spectra(passed, plan).power.sum() > 0.75


def test_no_cut_off_takes_nothing_out():
    assert spectrum_window.high_pass(0.0, 64, "hann")[0].shape == (64, 0)
    assert PLAN.achieved_cutoff_hz == 0.0
    assert line_spectra(tone(0.0), PLAN).power[0].sum() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("cutoff_hz", [0.0, 200.0])
def test_white_noise_has_the_expected_shape_and_floor(cutoff_hz):
    rng = np.random.default_rng(5)
    plan = dataclasses.replace(PLAN, cutoff_hz=cutoff_hz)
    spectra = line_spectra(noise(rng, 64 * 4000), plan)
    mean = spectra.power.mean(axis=0)
    np.testing.assert_allclose(mean, spectra.white, atol=0.05 / spectra.white.size)
    n_bins = spectra.white.size
    assert 10 * np.log10(spectra.noise_floor() * n_bins) == pytest.approx(0.0, abs=0.3)


def test_the_floor_is_that_of_the_noise_beside_the_flow():
    rng = np.random.default_rng(6)
    line = 10.0 * tone(0.2, 64 * 400) + noise(rng, 64 * 400)
    spectra = line_spectra(line, PLAN)
    assert 10 * np.log10(spectra.noise_floor() * spectra.white.size) == pytest.approx(0.0, abs=1.0)


def test_pixels_that_differ_count_more():
    rng = np.random.default_rng(7)
    own = noise(rng, 5, 64 * 200)
    assert line_spectra(own, PLAN).n_independent == pytest.approx(5 * 33.4, rel=0.03)
    same = np.repeat(own[:1], 5, axis=0)
    assert line_spectra(same, PLAN).n_independent == pytest.approx(33.4, rel=0.03)
    spread = [np.std(line_spectra(line / len(line) ** 0.5, PLAN).power) for line in (own, same)]
    assert spread[0] / spread[1] == pytest.approx(5**-0.5, rel=0.1)


def test_a_gate_is_a_hann_window_along_its_line():
    weights = gate_weights((40, 9), 20.0, 4.2, 8.0)
    assert weights.sum() == pytest.approx(1.0)
    assert np.flatnonzero(weights.sum(axis=0)).tolist() == [4]
    column = weights[:, 4]
    assert np.flatnonzero(column).tolist() == list(range(17, 24))
    assert column[18] / column[20] == pytest.approx(0.5)
    # A gate shorter than a pixel is the nearest pixel, and one at the edge keeps what is inside.
    assert gate_weights((40, 9), 20.3, 4.0, 0.1)[20, 4] > 0.7
    assert gate_weights((40, 9), 0.0, 0.0, 8.0).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("n_pulses", [2, 12, 16, 17, 40])
def test_samples_of_a_gate_keep_their_mean_power(n_pulses):
    rng = np.random.default_rng(n_pulses)
    pulses = noise(rng, n_pulses, 30, 5)
    iq = pack_ensemble(pulses)
    iq[..., n_pulses:] = 1e9  # never read
    weights = gate_weights((30, 5), 11.0, 2.0, 6.0)
    samples = gate_samples(iq, n_pulses, 7.0 * weights)
    assert samples.dtype == np.complex64
    assert samples.shape == (np.count_nonzero(weights), n_pulses)
    wanted = np.einsum("kij,ij->k", np.abs(pulses) ** 2, weights)
    np.testing.assert_allclose(np.sum(np.abs(samples) ** 2, axis=0), wanted, rtol=1e-4)


def test_the_mean_of_an_ensemble_is_kasais():
    rng = np.random.default_rng(9)
    iq = pack_ensemble(
        (5.0 * tone(0.25, 12)[:, None, None] + noise(rng, 12, 20, 3)).astype(np.complex64)
    )
    weights = gate_weights((20, 3), 9.0, 1.0, 9.0)
    kind = "polynomial-1"
    _, real, imag = np.sum(doppler.autocorrelate(iq, 12, kind) * weights, axis=(1, 2))
    samples = gate_samples(iq, 12, weights)[None]
    matrix = wall_filter.projection(kind, 12)
    spectra = ensemble_spectra(samples, np.zeros(1), V_N, matrix, "none")
    assert trace(spectra).mean_m_s[0] == pytest.approx(np.arctan2(imag, real) * V_N / np.pi, 1e-5)


def test_every_frame_may_have_its_own_filter():
    rng = np.random.default_rng(10)
    frames = noise(rng, 4, 6, 12) + 30.0 * tone(0.01, 12)
    matrices = np.stack(
        [
            eigen_filter.projection(one.T @ one.conj() / 6.0, wall_filter.cutoff("svd-low", 12))
            for one in frames
        ]
    )
    together = ensemble_spectra(frames, np.arange(4.0), V_N, matrices)
    for k, matrix in enumerate(matrices):
        alone = ensemble_spectra(frames[k : k + 1], np.zeros(1), V_N, matrix)
        np.testing.assert_allclose(together.power[k], alone.power[0], rtol=1e-3, atol=1e-5)
    unfiltered = ensemble_spectra(frames, np.arange(4.0), V_N)
    assert together.power.sum() < 0.05 * unfiltered.power.sum()
    np.testing.assert_allclose(
        together.white.sum(), np.mean(np.trace(matrices.real, 0, 1, 2)) / 12, 0.1
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (np.zeros(0, np.complex64), "0 samples are fewer than a window of 64"),
        (np.zeros(1, np.complex64), "1 samples are fewer"),
        (np.zeros((0, 99), np.complex64), "shape"),
        (np.full(99, np.nan, np.complex64), "not finite"),
        (np.full(99, np.inf, np.complex64), "not finite"),
    ],
)
def test_a_line_that_is_none_is_refused(line, message):
    with pytest.raises(ValueError, match=message):
        line_spectra(line, PLAN)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 5, 12), "none of them 0"),
        ((2, 5), "shape"),
        ((2, 5, 1), "needs 2"),
        ((3, 5, 9), "2 times"),
    ],
)
def test_ensembles_that_are_none_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        ensemble_spectra(np.zeros(shape, np.complex64), np.arange(2.0)[: max(shape[0], 0)], V_N)
    bad = np.zeros((1, 2, 12), np.complex64)
    bad[0, 1, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        ensemble_spectra(bad, np.zeros(1), V_N)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_s": 1e-4}, "give 2 ... "),
        ({"window_s": 10.0}, "give 2 ... "),
        ({"window_s": np.nan}, "positive"),
        ({"hop_s": 0.0}, "positive"),
        ({"prf_hz": -1.0}, "positive"),
        ({"cutoff_hz": 2500.0}, "outside 0 ... 2500"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PLAN, **changes)
    with pytest.raises(ValueError, match="unknown window"):
        spectrum_window.window_weights("kaiser", 8)


def test_a_gate_that_is_none_is_refused():
    iq = np.zeros((30, 5, 2, 16), np.float32)
    with pytest.raises(ValueError, match="outside the colour box"):
        gate_weights((30, 5), 31.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="length"):
        gate_weights((30, 5), 3.0, 2.0, 0.0)
    with pytest.raises(ValueError, match="1 pulses"):
        gate_samples(iq, 1, np.ones((30, 5)))
    with pytest.raises(ValueError, match="shape"):
        gate_samples(iq, 8, np.ones((30, 6)))
    with pytest.raises(ValueError, match="negative"):
        gate_samples(iq, 8, np.zeros((30, 5)))


def test_the_straight_tube_reads_as_it_flows():
    source = open_source("simulated:straight-tube", real_time=False)
    settings = Settings().replace(prf_hz=6000.0, ensemble=12)
    acquisition = source.configure(settings.acquisition)
    source.start()
    frames = [form(source.read(60.0), settings.processing) for _ in range(8)]
    source.close()
    grid, v_n = acquisition.colour_grid, acquisition.nyquist_velocity_m_s
    matrix = wall_filter.projection("polynomial-1", 12)
    truth_m_s, _ = frames[0].truth.on(grid)
    for z_m in (16e-3, 18e-3, 20e-3):
        row, line = grid.indices(0.0, z_m)
        weights = gate_weights(grid.shape, float(row), float(line), 1.5e-3 / grid.range_step_m)
        samples = np.stack([gate_samples(frame.iq, 12, weights) for frame in frames])
        traced = trace(ensemble_spectra(samples, np.arange(8.0), v_n, matrix))
        assert np.isfinite(traced.mean_m_s).all()
        wanted = np.sum(truth_m_s * weights)
        # What is left of the tissue, and echoes below f0, pull towards zero.
        assert np.mean(traced.mean_m_s) == pytest.approx(wanted, abs=0.07 * v_n)
        # One resolution cell beyond the fastest blood at most, and not below it.
        fastest = np.abs(truth_m_s[weights > 0.0]).max()
        beyond = np.mean(-traced.envelope_m_s) - fastest
        assert -0.02 * v_n < beyond < 0.231 * v_n


def test_the_command_says_what_it_did(tmp_path, capsys):
    path = tmp_path / "gate.npz"
    arguments = ["spectrum", "simulated:straight-tube", "--gate", "0,18,2", "--prf", "6000"]
    assert main([*arguments, "--frames", "3", "--out", str(path), "--angle", "60"]) == 0
    with np.load(path) as file:
        told = json.loads(str(file["description"]))
        assert file["power"].shape == (3, file["velocity_m_s"].size)
        assert file["mean_m_s"].shape == file["envelope_m_s"].shape == file["time_s"].shape == (3,)
        assert file["mean_m_s"].mean() < -0.1
    assert told == json.loads(capsys.readouterr().out)
    assert told["source"] == "simulated straight-tube"
    assert told["gate_length_m"] == pytest.approx(2e-3)
    assert told["prf_hz"] == pytest.approx(6000.0)
    assert told["wall_filter"] == "polynomial-1"
    assert told["kind"] == "colour ensembles"
    assert "too few" in told["indices"]
    assert told["banner"] == BANNER == "Research software. Not a medical device. Not for diagnosis."


def test_consecutive_pulses_of_a_recording_are_one_line(tmp_path, data_folder):
    path = tmp_path / "gate.csv"
    arguments = ["spectrum", str(data_folder / "PWI_disk.mat"), "--gate", "5,25", "--window", "1.6"]
    settings = ["--set", "ensemble=8", "--set", "wall_filter=none"]
    # More frames than there are would be the first ones once more.
    assert main([*arguments, *settings, "--frames", "9", "--out", str(path)]) == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    told = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    assert told["kind"] == '"full-rate line"'
    assert told["banner"] == f'"{BANNER}"'
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    # Four frames of 8 pulses make one line: windows of 16 pulses, 2 apart.
    assert len(rows) == 9
    # Rigid rotation, -60.8 rad/s about an axis 0.9 mm to the left of the middle.
    means = [float(row["mean_m_s"]) for row in rows]
    assert np.mean(means) == pytest.approx(-60.8 * 5.9e-3, abs=0.02)


def test_a_picture_needs_no_display(tmp_path):
    path = tmp_path / "gate.png"
    command = [sys.executable, "-m", "ultrasound_console", "spectrum", "simulated:straight-tube"]
    subprocess.run([*command, "--gate=0,18", "--frames", "2", "--out", path], check=True)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [item.name for item in tmp_path.iterdir()] == ["gate.png"]


def no_frame_is_read(*_):
    raise AssertionError("a frame is read")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gate", "here", "--out", "o.npz"], ["--gate here", "X_MM,Z_MM"]),
        (["--gate", "1", "--out", "o.npz"], ["--gate 1"]),
        (["--gate", "0,18", "--out", "o.txt"], [".npz, .csv or .png"]),
        (["--gate", "0,18", "--out", "no/o.npz"], ["make it first"]),
        (["--gate", "0,18", "--frames", "0", "--out", "o.npz"], ["--frames 0"]),
        (["--gate", "0,90", "--frames", "1", "--out", "o.npz"], ["outside the colour box"]),
        (["--gate", "0,18", "--angle", "80", "--out", "o.npz"], ["80 degrees"]),
        (["--gate", "0,18", "--baseline", "1.2", "--out", "o.npz"], ["1.2 v_N"]),
        (["--gate", "0,18", "--window", "8", "--out", "o.npz"], ["a window", "each", "12 pulses"]),
        (
            ["--gate", "0,18", "--window", "8", "--frames", "1", "--out", "o.npz"],
            ["24 pulses", "12"],
        ),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SimulatedSource, "read", no_frame_is_read)
    line = refused(capsys, "spectrum", "simulated:straight-tube", "--prf", "3000", *arguments)
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def uniform_frames(line, acquisition):
    """Frames without a gap, with the same samples in every pixel."""
    grid, n_pulses = acquisition.colour_grid, acquisition.n_pulses
    for k, pulses in enumerate(line.reshape(-1, n_pulses)):
        packed = pack_ensemble(np.broadcast_to(pulses[:, None, None], (n_pulses, *grid.shape)))
        power = np.ones(acquisition.bmode_grid.shape, np.float32)
        yield IqFrame(k, k * acquisition.frame_interval_s, 0.0, acquisition, packed, power)


def gapless(prf_hz=1000.0, n_pulses=50):
    return dataclasses.replace(
        make_acquisition(colour_grid=RECTANGLE, bmode_grid=RECTANGLE),
        prf_hz=prf_hz,
        n_pulses=n_pulses,
        frame_interval_s=n_pulses / prf_hz,
    )


MIDDLE = Gate(*(float(value) for value in RECTANGLE.positions_m(20, 20)))


def test_the_cycle_of_a_pulsating_gate_is_told():
    """A tone whose velocity beats, cut into gapless frames, through the record of a gate."""
    acquisition = gapless()
    v_n = acquisition.nyquist_velocity_m_s
    time_s = np.arange(3000) / acquisition.prf_hz
    velocity = v_n * (0.3 + 0.3 * np.sin(2 * np.pi * time_s / 0.75))
    line = np.exp(1j * np.pi * np.cumsum(velocity) / v_n)
    settings = Settings().replace(wall_filter="none").processing
    plan = plan_gate(acquisition, 60, MIDDLE, settings, angle_rad=np.radians(60.0))
    told = measure(uniform_frames(line, acquisition), plan).description.to_dict()
    assert told["kind"] == "full-rate line"
    assert told["pulses_per_spectrum"] == 64
    assert told["wall_filter"] == "none"
    assert told["indices"]["period_s"] == pytest.approx(0.75, rel=0.01)
    assert told["indices"]["n_cycles"] == pytest.approx(4.0, abs=0.1)
    # The correction for 60 degrees doubles velocities.
    average = told["indices"]["time_averaged_mean_m_s"]
    assert average == pytest.approx(2.0 * 0.3 * v_n, rel=0.03)
    assert json.loads(json.dumps(told)) == told


def test_a_baseline_brings_flow_beyond_the_end_back():
    acquisition = gapless()
    v_n = acquisition.nyquist_velocity_m_s
    line = np.exp(1j * np.pi * 1.4 * np.arange(200))
    settings = Settings().replace(wall_filter="none").processing
    plan = plan_gate(acquisition, 4, MIDDLE, settings, baseline_nyquist=0.5)
    record = measure(uniform_frames(line, acquisition), plan)
    assert record.trace.mean_m_s == pytest.approx(1.4 * v_n, abs=1e-3 * v_n)
    assert record.description.baseline_m_s == pytest.approx(0.5 * v_n)


def test_times_are_the_middles_of_what_they_stand_for():
    """A line and its ensembles say the same time; a frame says that of its first pulse."""
    acquisition = gapless()
    line = noise(np.random.default_rng(11), 150)
    settings = Settings().processing
    plan = plan_gate(acquisition, 3, MIDDLE, settings, window_s=0.05)
    first = measure(uniform_frames(line, acquisition), plan).spectra.time_s[0]
    apart = dataclasses.replace(acquisition, frame_interval_s=0.1)
    plan = plan_gate(apart, 3, MIDDLE, settings)
    frames = measure(uniform_frames(line, apart), plan).spectra.time_s
    assert first == pytest.approx(24.5e-3)
    np.testing.assert_allclose(frames, [24.5e-3, 124.5e-3, 224.5e-3])


@pytest.mark.parametrize("interval_s", [0.05, 0.1])
def test_the_cut_off_is_told_as_a_velocity_too(interval_s):
    acquisition = dataclasses.replace(gapless(), frame_interval_s=interval_s)
    plan = plan_gate(acquisition, 3, MIDDLE, Settings().processing)
    line = noise(np.random.default_rng(12), 150)
    told = measure(uniform_frames(line, acquisition), plan).description.to_dict()
    assert told["wall_filter_cutoff_hz"] > 0.0
    # v = c f / (2 f0).
    wanted = 1540.0 * told["wall_filter_cutoff_hz"] / (2.0 * 6.5e6)
    assert told["wall_filter_cutoff_m_s"] == pytest.approx(wanted)


def test_a_gate_of_a_steered_box_is_as_long_along_its_lines():
    grid = dataclasses.replace(SHEARED, angle_rad=np.radians(45.0))
    x_m, z_m = grid.positions_m()
    row, line = 80, 70
    weights = Gate(float(x_m[row, line]), float(z_m[row, line]), 8e-3).weights(grid)
    inside = weights > 0.5 * weights.max()
    ends = np.flatnonzero(inside[:, line])[[0, -1]]
    # Half of the height is half of the length apart.
    length_m = np.hypot(np.ptp(x_m[ends, line]), np.ptp(z_m[ends, line]))
    assert length_m == pytest.approx(4e-3, abs=0.5e-3)


def test_samples_that_are_not_finite_are_told_from_bad_programs():
    acquisition = gapless()
    plan = plan_gate(acquisition, 2, MIDDLE, Settings().processing)
    line = np.full(100, np.nan, np.complex64)
    with pytest.raises(PipelineError, match="not finite"):
        measure(uniform_frames(line, acquisition), plan)


def test_a_fault_of_the_program_is_not_called_bad_input(tmp_path, monkeypatch):
    def fails(*_):
        raise ValueError("a fault of ours")

    monkeypatch.setattr("ultrasound_console.pipeline.gated.trace", fails)
    arguments = ["spectrum", "simulated:straight-tube", "--gate", "0,18", "--frames", "1"]
    with pytest.raises(ValueError, match="a fault of ours"):
        main([*arguments, "--out", str(tmp_path / "o.csv")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("angle", "notes"), [("60", 0), ("61", 1), ("-70", 1)])
def test_a_large_angle_is_warned_of(tmp_path, capsys, angle, notes):
    arguments = ["spectrum", "simulated:straight-tube", "--gate", "0,18", "--frames", "1"]
    assert main([*arguments, f"--angle={angle}", "--out", str(tmp_path / "o.csv")]) == 0
    assert capsys.readouterr().err.count("note: --angle") == notes


DRAW = """
import sys
import numpy as np
from ultrasound_console.dsp.spectrum import LinePlan, line_spectra
from ultrasound_console.dsp.trace import Trace
from ultrasound_console.render import spectrum_picture

spectra = line_spectra(np.exp(0.5j * np.pi * np.arange(256)), LinePlan(5e3, 0.4, 0.0128, 0.0032))
none = np.full(spectra.time_s.size, np.nan)
line = Trace(spectra.time_s, none, none, np.zeros(none.size, np.bool_))
for path in sys.argv[1:]:
    spectrum_picture.save_picture(path, spectra, line, ("", ""))
    spectrum_picture.BANNER = ""
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Of a tone at v_N / 2: as it is, and without the banner; drawn apart from other windows."""
    paths = [str(tmp_path_factory.mktemp("pictures") / name) for name in ("o.png", "bare.png")]
    subprocess.run([sys.executable, "-c", DRAW, *paths], check=True)
    return [QImage(path) for path in paths]


def test_fast_flow_is_up_in_the_picture(pictures):
    # The plot is 64 to 432 pixels from above, for v_N to -v_N.
    above, below = (pictures[0].pixelColor(500, y) for y in (64 + 92, 432 - 92))
    assert above.lightness() > 240
    assert below.lightness() < 20


def test_the_banner_is_in_the_picture(pictures):
    n_bright = [
        sum(
            image.pixelColor(x, y).lightness() > 100
            for x in range(72, 500)
            for y in range(460, 477)
        )
        for image in pictures
    ]
    assert n_bright[0] > 500
    assert n_bright[1] == 0


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(KeyError), whole_file(path) as part:
        part.write_text("half", encoding="utf-8")
        raise KeyError
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
    with whole_file(path) as part:
        part.write_text("whole", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "before"
    assert path.read_text(encoding="utf-8") == "whole"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "o.csv"):
        pass


def test_a_filter_that_passes_nowhere_well_has_a_floor_and_an_empty_one_is_refused():
    rng = np.random.default_rng(13)
    ensembles = noise(rng, 200, 1, 12)
    full = ensemble_spectra(ensembles, np.arange(200.0), V_N, np.eye(12))
    weak = ensemble_spectra(ensembles, np.arange(200.0), V_N, 0.5 * np.eye(12))
    assert weak.noise_floor() == pytest.approx(full.noise_floor())
    with pytest.raises(ValueError, match="leaves nothing"):
        ensemble_spectra(ensembles, np.arange(200.0), V_N, np.zeros((12, 12)))


# ---- frames that are missing ---------------------------------------------------------------


def told_at(acquisition, times_s):
    processing = Settings().processing
    return [LoopFrame(k, t, acquisition, processing, 0.0, 0.0) for k, t in enumerate(times_s)]


def test_pulses_with_frames_missing_between_them_are_no_line():
    # As of a replay in real time, which leaves frames out and numbers the rest without a gap.
    acquisition = gapless()
    step_s = acquisition.n_pulses / acquisition.prf_hz
    frames = list(uniform_frames(noise(np.random.default_rng(3), 150), acquisition))
    plan = plan_gate(acquisition, 3, MIDDLE, Settings().processing)
    assert plan.line is not None
    late = [*frames[:2], dataclasses.replace(frames[2], time_s=frames[1].time_s + 5.0 * step_s)]
    with pytest.raises(PipelineError, match="frames are missing"):
        measure(late, plan)
    times_s = [frame.time_s for frame in late]
    apart = plan_gate(acquisition, 3, MIDDLE, Settings().processing, times_s=times_s)
    assert apart.line is None
    assert measure(late, apart).description.kind == "colour ensembles"


def test_the_stretch_around_a_frame_is_a_line_where_there_is_one():
    acquisition = gapless()
    step_s = acquisition.n_pulses / acquisition.prf_hz
    # A loop of a recording that began again, with frames left out in its later half.
    times_s = [step_s * k for k in (0, 1, 2, 0, 1, 5, 9)]
    loop = told_at(acquisition, times_s)

    def around(index):
        frame = SimpleNamespace(index=index, acquisition=acquisition)
        return [told.index for told in frames_around(frame, loop)]

    assert around(1) == [0, 1, 2]
    assert around(3) == [3, 4]
    assert around(5) == [0, 1, 2, 3, 4, 5, 6]  # on its own: ensembles
    other = dataclasses.replace(acquisition, source="another")
    loop = told_at(acquisition, times_s[:2]) + told_at(other, times_s[:3])[2:]
    assert around(1) == [0, 1]


def test_grey_and_traces_of_a_spectrum_lie_on_one_axis():
    acquisition = gapless()
    frames = list(uniform_frames(noise(np.random.default_rng(5), 150), acquisition))
    record = measure(frames, plan_gate(acquisition, 3, MIDDLE, Settings().processing))
    spectrogram = SimpleNamespace(record=record)
    drawing = drawing_of(spectrogram, 0.0)
    low, high = drawing.raster.y_limits
    n_bins = len(drawing.raster.rgb)
    middles = low + (np.arange(n_bins) + 0.5) * (high - low) / n_bins
    np.testing.assert_allclose(middles, 100.0 * record.spectra.velocity_m_s, atol=1e-9)


def test_a_gap_in_time_is_a_gap_in_the_picture(tmp_path):
    # Ensembles at 0 ... 9 and at 90 ... 99 steps: grey where they are, black between.
    code = """
import sys
import numpy as np
from ultrasound_console.dsp.spectrum import Spectra, ensemble_spectra
from ultrasound_console.dsp.trace import Trace
from ultrasound_console.render import spectrum_picture

rng = np.random.default_rng(1)
time_s = np.concatenate([np.arange(10), np.arange(90, 100)]) * 0.01
noise = rng.normal(size=(20, 1, 16)) + 1j * rng.normal(size=(20, 1, 16))
samples = (0.01 * noise + np.exp(0.5j * np.pi * np.arange(16))).astype(np.complex64)
spectra = ensemble_spectra(samples, time_s, 0.4, np.broadcast_to(np.eye(16), (20, 16, 16)))
none = np.full(20, np.nan)
spectrum_picture.save_picture(
    sys.argv[1], spectra, Trace(time_s, none, none, np.zeros(20, np.bool_)), ("", "")
)
"""
    path = tmp_path / "o.png"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    image = QImage(str(path)).convertToFormat(QImage.Format.Format_Grayscale8)

    def brightest(first_s, last_s):
        """Over a part of the plot that is 868 pixels wide, from -0.005 to 0.995 s."""
        columns = [round(72 + 868 * (t + 0.005)) for t in (first_s, last_s)]
        rows = range(80, 420, 7)
        return max(image.pixelColor(x, y).value() for x in range(*columns) for y in rows)

    assert brightest(0.01, 0.08) > 100
    assert brightest(0.91, 0.98) > 100
    assert brightest(0.3, 0.7) < 5
