"""Averaging in time: against the closed forms of a first-order recursion, and in the pipeline."""

import dataclasses
import math

import numpy as np
import pytest
from frames_for_tests import make_acquisition
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import doppler as estimator
from ultrasound_console.dsp import persistence
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import doppler, estimate
from ultrasound_console.settings import ProcessingSettings

GRID = ImageGrid("parallel", 40, 36, (-0.004, 0.004), (0.006, 0.014))
OTHER_GRID = ImageGrid("parallel", 40, 36, (-0.004, 0.005), (0.006, 0.014))
ACQUISITION = make_acquisition(colour_grid=GRID, bmode_grid=GRID)
TAU_S = 0.1
PLAIN = ProcessingSettings(wall_filter="none", flow_power_db=3.0, dealias=False)
LASTING = dataclasses.replace(PLAIN, persistence_s=TAU_S)
PLANES = ("velocity_m_s", "power_db", "bandwidth", "bmode_db", "confidence", "fold", "status")


def random_lags(seed, shape=(30, 40)):
    """R0 of 1, and R1 anywhere inside the circle that it allows."""
    rng = np.random.default_rng(seed)
    r1 = rng.uniform(0, 1, shape) * np.exp(2j * np.pi * rng.uniform(size=shape))
    return np.stack([np.ones(shape), r1.real, r1.imag]) * rng.uniform(0.1, 9.0)


def lags_of(maps):
    r1 = maps.power * (1 - maps.bandwidth) * np.exp(1j * np.pi * maps.velocity)
    return np.stack([maps.power, r1.real, r1.imag])


def close(maps, expected, tolerance=2e-6):
    scale = expected.power.max()
    return np.abs(lags_of(maps) - lags_of(expected)).max() < tolerance * scale


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), share=st.floats(0.0, 1.0))
def test_the_kernel_is_the_mean_of_the_lags(seed, share):
    now, before = random_lags(seed), random_lags(seed + 1000)
    expected = estimator.maps(share * now + (1 - share) * before)
    exact = persistence.averaged(estimator.maps(now), estimator.maps(before), share)
    assert close(exact, expected, 1e-12)
    single = (estimator.maps(lags.astype(np.float32)) for lags in (now, before))
    fast = persistence.averaged(*single, share)
    assert fast.velocity.dtype == np.float32
    assert close(fast, expected, 4e-6)


def test_next_to_v_n_the_mean_is_v_n_and_not_zero():
    planes = np.full((2, 2), 0.9), np.ones((2, 2)), np.zeros((2, 2))
    towards, away = (estimator.DopplerMaps(s * planes[0], *planes[1:]) for s in (1, -1))
    mean = persistence.averaged(towards, away, 0.5)
    np.testing.assert_allclose(np.abs(mean.velocity), 1.0)


@given(st.floats(1e-4, 1.0), st.floats(1e-4, 1.0), st.floats(0.02, 1.0))
def test_two_short_steps_weigh_as_much_as_a_long_one(first_s, second_s, tau_s):
    left = (1 - persistence.weight(first_s, tau_s)) * (1 - persistence.weight(second_s, tau_s))
    assert 1 - left == pytest.approx(persistence.weight(first_s + second_s, tau_s), rel=1e-9)
    assert persistence.weight(first_s, 0.0) == 1.0
    assert persistence.weight(tau_s, tau_s) == pytest.approx(1 - 1 / math.e)


def test_noise_falls_as_in_a_first_order_recursion():
    rng = np.random.default_rng(2)
    share = persistence.weight(1 / 30, TAU_S)
    shape = (90, 90)

    def noisy():
        lags = np.stack([np.full(shape, 20.0), *rng.normal(size=(2, *shape))])
        return estimator.maps(lags.astype(np.float32))

    mean = noisy()
    for _ in range(40):
        mean = persistence.averaged(noisy(), mean, share)
    assert np.var(lags_of(mean)[1:]) == pytest.approx(share / (2 - share), rel=0.05)


# ---- in the pipeline ----------------------------------------------------------------------


def iq_frame(time_s, seed=0, *, velocity=0.3, noise=0.5, level=1.0, **changes):
    """Flow of one velocity (in v_N) in the lower half, over noise; fresh noise for every seed."""
    rng = np.random.default_rng((7, seed))
    n_pulses = ACQUISITION.n_pulses
    shape = (n_pulses, *GRID.shape)
    samples = noise * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    samples += 0.02 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    turn = np.exp(1j * np.pi * velocity * np.arange(n_pulses))
    samples[:, GRID.n_depths // 2 :] += 3.0 * turn[:, None, None]
    acquisition = dataclasses.replace(ACQUISITION, **changes)
    power = np.ones(acquisition.bmode_grid.shape, np.float32)
    return IqFrame(seed, time_s, 0.0, acquisition, pack_ensemble(level * samples), power)


def same(a, b, names=PLANES):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_a_constant_signal_stays_as_it_is_at_any_frame_rate():
    frame = doppler(iq_frame(0.0), LASTING, None)
    for time_s in (0.01, 0.02, 0.1, 0.4):
        later = doppler(iq_frame(time_s), LASTING, frame)
        np.testing.assert_allclose(later.power_db, frame.power_db, atol=1e-4)
        np.testing.assert_allclose(later.bandwidth, frame.bandwidth, atol=1e-5)
        flow = frame.status != Status.NO_FLOW
        np.testing.assert_allclose(later.velocity_m_s[flow], frame.velocity_m_s[flow], atol=1e-6)
        frame = later


def test_a_dropped_frame_changes_nothing():
    start = doppler(iq_frame(0.0), LASTING, None)
    between = doppler(iq_frame(0.03, velocity=-0.4), LASTING, start)
    with_it = doppler(iq_frame(0.07, velocity=-0.4), LASTING, between)
    without = doppler(iq_frame(0.07, velocity=-0.4), LASTING, start)
    np.testing.assert_allclose(with_it.velocity_m_s, without.velocity_m_s, atol=2e-5)
    np.testing.assert_allclose(with_it.bandwidth, without.bandwidth, atol=1e-4)
    # The average is on its way from +0.3 to -0.4 v_N: the sum of two directions, in proportion.
    share = persistence.weight(0.07, TAU_S)
    expected = np.angle(
        (1 - share) * np.exp(0.3j * np.pi) + share * np.exp(-0.4j * np.pi)
    ) / np.pi  # fmt: skip
    flow = with_it.velocity_m_s[30:] / with_it.nyquist_velocity_m_s
    assert np.median(flow) == pytest.approx(expected, abs=0.01)


def test_the_picture_is_the_recursion_on_the_lags():
    interval_s, share = 0.05, persistence.weight(0.05, TAU_S)
    width = tuple(PLAIN.smoothing_m / side_m for side_m in GRID.pixel_size_m)
    frame, mean = None, None
    for k in range(6):
        iq = iq_frame(k * interval_s, k)
        frame = doppler(iq, LASTING, frame)
        lags = estimator.smooth(
            estimator.autocorrelate(iq.iq.astype(np.float64), ACQUISITION.n_pulses), width
        )
        mean = lags if mean is None else share * lags + (1 - share) * mean
    expected = estimator.maps(mean)
    velocity = frame.velocity_m_s / frame.nyquist_velocity_m_s
    error = np.abs((velocity - expected.velocity + 1) % 2 - 1)
    assert error[expected.bandwidth < 0.9].max() < 1e-4
    np.testing.assert_allclose(frame.bandwidth, expected.bandwidth, atol=1e-4)
    power_db = 10 * np.log10(expected.power) - frame.noise_floor_db
    np.testing.assert_allclose(frame.power_db, power_db, atol=1e-3)


@pytest.mark.parametrize(
    ("acquisition", "processing"),
    [
        ({"prf_hz": 2000.0}, {}),
        ({"colour_grid": OTHER_GRID}, {}),
        ({}, {"wall_filter": "polynomial-0"}),
        ({}, {"wall_cutoff_m_s": 0.03}),
        ({}, {"smoothing_m": 0.001}),
        ({}, {"f_number": 2.0}),
    ],
    ids=str,
)
def test_the_average_starts_anew_after_a_change(acquisition, processing):
    before = doppler(iq_frame(0.0), LASTING, None)
    changed = dataclasses.replace(LASTING, **processing)
    iq = iq_frame(0.02, 1, velocity=-0.5, **acquisition)
    assert same(doppler(iq, changed, before), doppler(iq, changed, None))
    unchanged = iq_frame(0.02, 1, velocity=-0.5)
    assert not same(doppler(unchanged, LASTING, before), doppler(unchanged, LASTING, None))


@pytest.mark.parametrize("time_s", [0.6, 0.0, -0.02])
def test_what_is_old_or_of_later_is_not_averaged(time_s):
    before = doppler(iq_frame(0.0), LASTING, None)
    iq = iq_frame(time_s, 1, velocity=-0.5)
    names = "velocity_m_s", "bandwidth"
    assert same(doppler(iq, LASTING, before), doppler(iq, LASTING, None), names)


@pytest.mark.parametrize(("time_s", "is_averaged"), [(0.6, True), (0.85, False)])
def test_a_long_average_outlasts_a_pause_of_its_own_length(time_s, is_averaged):
    lasting = dataclasses.replace(LASTING, persistence_s=0.8)
    before = doppler(iq_frame(0.0), lasting, None)
    iq = iq_frame(time_s, 1, velocity=-0.5)
    names = "velocity_m_s", "bandwidth"
    alike = same(doppler(iq, lasting, before), doppler(iq, lasting, None), names)
    assert alike is not is_averaged


def test_off_it_changes_no_bit_and_on_it_changes_no_frame():
    before = doppler(iq_frame(0.0), PLAIN, None)
    iq = iq_frame(0.02, 1, velocity=-0.5)
    names = "velocity_m_s", "bandwidth"
    assert same(doppler(iq, PLAIN, before), doppler(iq, PLAIN, None), names)
    kept = {name: getattr(before, name).copy() for name in PLANES}
    first, second = doppler(iq, LASTING, before), doppler(iq, LASTING, before)
    assert same(first, second)
    for name, plane in kept.items():
        np.testing.assert_array_equal(getattr(before, name), plane)


def test_silence_is_no_obstacle():
    silent = doppler(iq_frame(0.0, level=0.0), LASTING, None)
    frame = doppler(iq_frame(0.05), LASTING, silent)
    fresh = doppler(iq_frame(0.05), LASTING, None)
    np.testing.assert_allclose(frame.velocity_m_s, fresh.velocity_m_s, atol=1e-5)
    after = doppler(iq_frame(0.1, level=0.0), LASTING, fresh)
    for name in PLANES:
        assert np.all(np.isfinite(getattr(after, name)))


REJECTING = dataclasses.replace(LASTING, wall_filter="polynomial-0", flash_rejection=True)


def tissue(time_s, velocity):
    """Strong tissue that moves alike, over weak noise."""
    rng = np.random.default_rng(round(100 * time_s))
    shape = GRID.shape
    still = 100.0 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    turn = np.exp(1j * np.pi * velocity * np.arange(ACQUISITION.n_pulses))[:, None, None]
    noise = rng.normal(size=(2, ACQUISITION.n_pulses, *shape))
    samples = still * turn + noise[0] + 1j * noise[1]
    return dataclasses.replace(iq_frame(time_s), iq=pack_ensemble(samples))


@pytest.mark.parametrize("is_first", [False, True])
def test_a_flash_is_not_remembered(is_first):
    calm = None if is_first else doppler(tissue(0.0, 0.0), REJECTING, None)
    flash = doppler(tissue(0.03, 0.4), REJECTING, calm)
    assert np.all(flash.status == Status.NO_FLOW)
    after = doppler(tissue(0.06, 0.0), REJECTING, flash)
    assert np.mean(after.status == Status.NO_FLOW) > 0.99


@pytest.mark.parametrize("is_first", [False, True])
def test_a_flash_leaves_the_estimates_as_they_are(is_first):
    calm = None if is_first else doppler(tissue(0.0, 0.0), REJECTING, None)
    estimates = estimate(tissue(0.03, 0.4), REJECTING)
    names = "velocity", "power", "bandwidth"
    kept = {name: getattr(estimates.maps, name).copy() for name in names}
    first = doppler(estimates, REJECTING, calm)
    for name, plane in kept.items():
        np.testing.assert_array_equal(getattr(estimates.maps, name), plane)
    assert same(doppler(estimates, REJECTING, calm), first)
