"""Traces of spectra with known edges, and the indices of known heart cycles."""

import dataclasses
import math

import numpy as np
import pytest

from ultrasound_console.dsp import wall_filter
from ultrasound_console.dsp.spectrum import LinePlan, ensemble_spectra, line_spectra
from ultrasound_console.dsp.trace import CycleIndices, Trace, cycle_indices, trace

PRF_HZ, V_N = 5000.0, 0.4
PLAN = LinePlan(PRF_HZ, V_N, 64 / PRF_HZ, 64 / PRF_HZ, cutoff_hz=0.02 * PRF_HZ)


def blood(rng, low, high, snr_db, n, n_pixels=5):
    """(n_pixels, n) echo with a flat spectrum between two velocities in v_N, and white noise.

    Flat is what parabolic flow makes of its speeds. The signal-to-noise ratio is that of the whole
    powers; between wrapped limits, too.
    """
    white = rng.standard_normal((4, n_pixels, n))
    velocity = 2.0 * np.fft.fftfreq(n)
    inside = (velocity - low) % 2.0 <= high - low
    signal = np.fft.ifft(np.fft.fft(white[0] + 1j * white[1]) * inside)
    signal /= np.sqrt(np.mean(np.abs(signal) ** 2))
    noise = 10.0 ** (-snr_db / 20.0) * math.sqrt(0.5) * (white[2] + 1j * white[3])
    return ((signal + noise) / math.sqrt(n_pixels)).astype(np.complex64)


def test_the_mean_follows_a_chirp():
    n = 4096
    velocity = np.linspace(-0.7, 0.7, n) * V_N
    line = np.exp(1j * np.pi * np.cumsum(velocity) / V_N).astype(np.complex64)
    plan = dataclasses.replace(PLAN, cutoff_hz=0.0)
    traced = trace(line_spectra(line, plan))
    wanted = np.interp(traced.time_s * PRF_HZ, np.arange(n), velocity)
    np.testing.assert_allclose(traced.mean_m_s, wanted, atol=2e-3 * V_N)
    # Beyond the tone by less than the resolution of 3 bins, on its own side.
    beyond = np.sign(wanted) * (traced.envelope_m_s - wanted)
    clear = np.abs(wanted) > 0.1 * V_N
    assert 0.0 < beyond[clear].min() <= beyond[clear].max() < 3.0 * 2.0 * V_N / 64


# Bias and spread of the envelope in v_N; docs/spectrum.md has the measured ones.
@pytest.mark.parametrize("snr_db", [5, 10, 20, 30])
@pytest.mark.parametrize(
    ("low", "high", "bias", "spread"),
    [
        (0.05, 0.3, 0.02, 0.02),
        (0.05, 0.6, 0.01, 0.02),
        (0.05, 0.85, 0.02, 0.035),
        (0.4, 0.6, 0.02, 0.015),
    ],
)
def test_the_envelope_finds_a_known_edge(low, high, bias, spread, snr_db):
    rng = np.random.default_rng(1)
    for sign in (1, -1):
        limits = sorted((sign * low, sign * high))
        traced = trace(line_spectra(blood(rng, *limits, snr_db, 64 * 200), PLAN))
        assert np.isfinite(traced.envelope_m_s).mean() > 0.99
        error = sign * traced.envelope_m_s / V_N - high
        assert abs(np.nanmean(error)) < bias
        assert np.nanstd(error) < spread
        assert np.nanmean(traced.mean_m_s) == pytest.approx(
            sign * 0.5 * (low + high) * V_N, abs=0.01
        )
        assert traced.at_end.mean() < 0.02


@pytest.mark.parametrize("snr_db", [10, 30])
def test_the_envelope_of_an_ensemble_is_a_resolution_cell_wide_of_it_at_most(snr_db):
    rng = np.random.default_rng(2)
    for low, high in ((0.1, 0.3), (0.1, 0.6), (0.45, 0.55)):
        line = blood(rng, low, high, snr_db, 12 * 300).reshape(5, 300, 12).swapaxes(0, 1)
        matrix = wall_filter.projection("polynomial-1", 12)
        spectra = ensemble_spectra(line, np.arange(300) / 30.0, V_N, matrix)
        traced = trace(spectra)
        assert spectra.resolution_m_s == pytest.approx(0.231 * V_N, rel=0.01)
        beyond = np.nanmean(traced.envelope_m_s) - high * V_N
        assert 0.0 < beyond < 0.65 * spectra.resolution_m_s
        assert np.nanmean(traced.mean_m_s) == pytest.approx(0.5 * (low + high) * V_N, abs=0.01)


@pytest.mark.parametrize("cutoff_prf", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("n_pixels", [1, 5])
def test_noise_alone_gives_no_trace(cutoff_prf, n_pixels):
    rng = np.random.default_rng(3)
    plan = dataclasses.replace(PLAN, cutoff_hz=cutoff_prf * PRF_HZ)
    line = blood(rng, -1.0, 1.0, 0.0, 64 * 1000, n_pixels)
    traced = trace(line_spectra(line, plan))
    assert np.isfinite(traced.mean_m_s).sum() <= 5
    assert np.isfinite(traced.envelope_m_s).sum() <= 5
    ensembles = line.reshape(n_pixels, -1, 10).swapaxes(0, 1)
    matrix = wall_filter.projection("polynomial-2", 10)
    spectra = ensemble_spectra(ensembles, np.arange(len(ensembles)), V_N, matrix)
    assert np.isfinite(trace(spectra).mean_m_s).sum() <= 0.002 * len(ensembles)


def test_silence_gives_no_trace():
    traced = trace(line_spectra(np.zeros(128, np.complex64), PLAN))
    assert np.isnan(traced.mean_m_s).all()
    assert np.isnan(traced.envelope_m_s).all()
    assert not traced.at_end.any()


def test_flow_across_the_end_of_the_axis_is_told_and_mended_by_the_baseline():
    rng = np.random.default_rng(4)
    spectra = line_spectra(blood(rng, 0.7, 1.2, 20, 64 * 100), PLAN)
    assert trace(spectra).at_end.mean() > 0.9
    mended = trace(spectra.shifted(0.5 * V_N))
    assert not mended.at_end.any()
    assert np.mean(mended.envelope_m_s) == pytest.approx(1.2 * V_N, abs=0.02 * V_N)
    assert np.mean(mended.mean_m_s) == pytest.approx(0.95 * V_N, abs=0.02 * V_N)


PERIOD_S = 0.8


def pulse(time_s, rest=0.1):
    """Rest, a straight upstroke from 0.2 to 0.3 s up to 1 m/s, and a straight way down to 0.6 s."""
    phase_s = time_s % PERIOD_S
    return np.interp(phase_s, [0.0, 0.2, 0.3, 0.6, PERIOD_S], [rest, rest, 1.0, rest, rest])


def line_of(envelope, time_s, **changes):
    values = {
        "time_s": time_s,
        "mean_m_s": 0.5 * envelope,
        "envelope_m_s": envelope,
        "at_end": np.zeros(time_s.size, np.bool_),
    }
    return Trace(**values | changes)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("seconds", [1.3, 2.0, 4.7])
def test_indices_of_a_known_cycle(sign, seconds):
    time_s = np.arange(0.0, seconds, 0.004)
    indices, reason = cycle_indices(line_of(sign * pulse(time_s), time_s))
    assert reason == ""
    assert indices.period_s == pytest.approx(PERIOD_S, rel=0.005)
    assert indices.n_cycles == pytest.approx(seconds / PERIOD_S, rel=0.01)
    assert indices.towards_probe == (sign > 0)
    assert indices.peak_systolic_m_s == pytest.approx(1.0, abs=0.03)
    assert indices.end_diastolic_m_s == pytest.approx(0.1, abs=0.03)
    assert indices.minimum_m_s == pytest.approx(0.1, abs=0.01)
    # A triangle 0.4 s wide and 0.9 m/s high upon 0.1 m/s.
    average = 0.1 + 0.9 * 0.4 / 2.0 / PERIOD_S
    assert indices.time_averaged_maximum_m_s == pytest.approx(average, rel=0.02)
    assert indices.time_averaged_mean_m_s == pytest.approx(0.5 * average, rel=0.02)
    assert indices.resistance_index == pytest.approx(0.9, abs=0.03)
    assert indices.pulsatility_index == pytest.approx(0.9 / average, rel=0.05)


def test_end_diastole_is_not_the_reversal():
    time_s = np.arange(0.0, 3.0, 0.01)
    reversal = -0.4 * np.exp(-0.5 * ((time_s % PERIOD_S - 0.7) / 0.03) ** 2)
    indices, _ = cycle_indices(line_of(pulse(time_s) + reversal, time_s))
    assert indices.minimum_m_s == pytest.approx(-0.3, abs=0.03)
    assert indices.end_diastolic_m_s == pytest.approx(0.1, abs=0.04)
    assert indices.resistance_index == pytest.approx(0.9, abs=0.05)


def test_a_rough_trace_with_gaps_keeps_its_cycle():
    rng = np.random.default_rng(5)
    time_s = np.arange(0.0, 4.0, 0.01)
    envelope = pulse(time_s) + 0.05 * rng.standard_normal(time_s.size)
    envelope[time_s % PERIOD_S > 0.6] = np.nan
    indices, reason = cycle_indices(line_of(envelope, time_s))
    assert reason == ""
    assert indices.period_s == pytest.approx(PERIOD_S, rel=0.02)
    assert indices.peak_systolic_m_s == pytest.approx(1.0, abs=0.1)
    assert indices.minimum_m_s == pytest.approx(0.0, abs=1e-9)


def test_angle_correction_scales_velocities_only():
    indices = CycleIndices(0.8, 3.0, True, 1.0, 0.1, -0.2, 0.3, 0.15)
    corrected = indices.angle_corrected(math.radians(60.0))
    assert corrected.peak_systolic_m_s == pytest.approx(2.0)
    assert corrected.minimum_m_s == pytest.approx(-0.4)
    assert corrected.time_averaged_mean_m_s == pytest.approx(0.3)
    assert corrected.period_s == 0.8
    assert corrected.resistance_index == pytest.approx(indices.resistance_index)
    assert corrected.pulsatility_index == pytest.approx(indices.pulsatility_index)
    with pytest.raises(ValueError, match="90 degrees"):
        indices.angle_corrected(math.radians(90.0))
    none = dataclasses.replace(indices, time_averaged_maximum_m_s=0.0)
    assert none.pulsatility_index == math.inf


LONG_S = np.arange(0.0, 3.0, 0.01)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (line_of(pulse(LONG_S[:5]), LONG_S[:5]), "too few"),
        (line_of(pulse(LONG_S[:100]), LONG_S[:100]), "no heart cycle repeats itself in 1 s"),
        (line_of(np.full(300, 0.3), LONG_S), "no heart cycle"),
        (line_of(np.linspace(0.1, 1.0, 300), LONG_S), "no heart cycle"),
        (line_of(np.random.default_rng(6).uniform(0.2, 0.4, 300), LONG_S), "no heart cycle"),
        (line_of(pulse(LONG_S), LONG_S**2), "evenly"),
        (line_of(np.full(300, np.nan), LONG_S), "less than half"),
        (line_of(pulse(LONG_S), LONG_S, at_end=pulse(LONG_S) > 0.8), "shift the baseline"),
    ],
)
def test_without_a_whole_cycle_there_is_a_reason(line, reason):
    indices, said = cycle_indices(line)
    assert indices is None
    assert reason in said


def test_unequal_beats_are_still_beats():
    time_s = np.arange(0.0, 6.4, 0.01)
    second = (time_s // PERIOD_S) % 2 == 1
    indices, _ = cycle_indices(line_of(np.where(second, 0.9, 1.0) * pulse(time_s), time_s))
    assert indices.period_s == pytest.approx(PERIOD_S, rel=0.01)
    assert indices.peak_systolic_m_s == pytest.approx(0.95, abs=0.03)
