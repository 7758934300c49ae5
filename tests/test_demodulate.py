import numpy as np
import pytest
from echoes import relative_error, rf_echoes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin

from ultrasound_console.dsp.arrays import aligned_zeros, unpack_ensemble
from ultrasound_console.dsp.demodulate import (
    DemodulationPlan,
    all_finite,
    channel_shape,
    demodulate,
    demodulate_records,
    low_pass,
)

F0 = 5e6


def plan_of(ratio, n_samples=200, start_time_s=0.0, demodulation_frequency_hz=0.0):
    return DemodulationPlan(ratio * F0, F0, start_time_s, n_samples, demodulation_frequency_hz)


@pytest.mark.parametrize(("ratio", "decimation"), [(4, 2), (5, 3), (4 / 3, 1), (2.5, 1), (10, 6)])
def test_decimation_keeps_the_band(ratio, decimation):
    plan = plan_of(ratio, 201)
    assert plan.decimation == decimation
    assert plan.n_iq_samples == len(range(0, 201, decimation))
    # The alias of everything beyond the band's edge stays outside the band.
    assert plan.iq_sampling_frequency_hz >= 2 * plan.cutoff_hz


@pytest.mark.parametrize("ratio", [4, 5, 4 / 3, 10, 2.7, 4 / 5])
@pytest.mark.parametrize("start_time_s", [0.0, 3.21e-6])
def test_echo_has_its_time_and_phase(ratio, start_time_s):
    plan = plan_of(ratio, int(24e-6 * ratio * F0), start_time_s)
    time_s = start_time_s + np.arange(plan.n_samples) / plan.sampling_frequency_hz
    tau_s = start_time_s + np.array([[9.137e-6, 10.002e-6, 11.49e-6]])
    # Undersampled RF has room for a narrow band only.
    bandwidth = 0.15 if ratio < 3 else 0.5
    rf = rf_echoes(tau_s, time_s, F0, bandwidth)
    iq = unpack_ensemble(demodulate(rf[None], plan), 1)[0]
    iq_time_s = start_time_s + np.arange(plan.n_iq_samples) / plan.iq_sampling_frequency_hz
    for element, tau in enumerate(tau_s[0]):
        record = iq[:, element]
        weight = np.abs(record) ** 2
        # Centre of gravity of the echo's energy: its time, free of the sample grid.
        assert np.sum(weight * iq_time_s) / np.sum(weight) == pytest.approx(tau, abs=2e-9)
        phase = np.angle(np.sum(record * np.exp(2j * np.pi * F0 * tau)))
        assert phase == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("ratio", [4, 5, 4 / 3])
def test_tone_keeps_its_amplitude(ratio):
    plan = plan_of(ratio, 400)
    time_s = np.arange(400) / plan.sampling_frequency_hz
    rf = 7.0 * np.cos(2 * np.pi * F0 * time_s + 0.4)
    iq = unpack_ensemble(demodulate(rf[None, None], plan), 1)[0, :, 0]
    middle = iq[20:-20]
    np.testing.assert_allclose(middle, 7.0 * np.exp(0.4j), rtol=0.01)


@settings(max_examples=25, deadline=None)
@given(
    ratio=st.sampled_from([4, 5, 4 / 3, 2.7, 10]),
    n_pulses=st.integers(1, 64),
    n_elements=st.integers(1, 5),
    n_samples=st.integers(2, 130),
    start_time_s=st.floats(-1e-5, 1e-5),
    kind=st.sampled_from([np.int16, np.float32]),
)
def test_rf_kernel_is_the_reference(ratio, n_pulses, n_elements, n_samples, start_time_s, kind):
    rng = np.random.default_rng(n_pulses)
    rf = (rng.normal(size=(n_pulses, n_elements, n_samples)) * 1000).astype(kind)
    plan = plan_of(ratio, n_samples, start_time_s)
    fast = demodulate(rf, plan)
    assert fast.dtype == np.float32
    assert fast.shape == channel_shape(plan, n_pulses, n_elements)
    assert relative_error(fast, demodulate(rf.astype(np.float64), plan)) < 1e-5


@settings(max_examples=25, deadline=None)
@given(
    ratio=st.sampled_from([0.5, 1.0, 1.6, 4.0]),
    mixed=st.sampled_from([1.0, 0.96]),
    n_pulses=st.integers(1, 40),
    n_samples=st.integers(2, 90),
)
def test_iq_kernel_is_the_reference(ratio, mixed, n_pulses, n_samples):
    rng = np.random.default_rng(n_samples)
    iq = rng.normal(size=(n_pulses, 3, n_samples)) + 1j * rng.normal(size=(n_pulses, 3, n_samples))
    plan = plan_of(ratio, n_samples, 1e-6, mixed * F0)
    fast = demodulate(iq.astype(np.complex64), plan)
    assert relative_error(fast, demodulate(iq, plan)) < 1e-5


def test_iq_mixed_elsewhere_is_brought_to_f0():
    plan = plan_of(1.6, 100, 2e-6, 0.9 * F0)
    time_s = 2e-6 + np.arange(100) / plan.sampling_frequency_hz
    tone = np.exp(2j * np.pi * (F0 - 0.9 * F0) * time_s)
    iq = unpack_ensemble(demodulate(tone[None, None], plan), 1)[0, :, 0]
    np.testing.assert_allclose(iq[10:-10], 1.0, atol=1e-9)


@pytest.mark.parametrize("ratio", [4, 5, 4 / 3, 2.7, 10])
def test_low_pass_is_that_of_scipy_to_the_last_digit(ratio):
    plan = plan_of(ratio)
    taps, relative = low_pass(plan), plan.cutoff_hz / plan.sampling_frequency_hz
    np.testing.assert_array_equal(
        taps, firwin(taps.size, 2.0 * relative, window=("kaiser", 5.0)), strict=True
    )


def test_low_pass_rejects_the_image():
    for ratio in (4, 5, 4 / 3):
        plan = plan_of(ratio)
        taps = low_pass(plan)
        assert taps.size % 2 == 1
        offset = np.arange(taps.size) - taps.size // 2
        image = 2 / ratio
        gain = abs(np.sum(taps * np.exp(-2j * np.pi * image * offset)))
        assert np.sum(taps) == pytest.approx(1.0)
        assert 20 * np.log10(gain) < -45


def test_out_is_filled_and_given_back():
    plan = plan_of(5, 90)
    rf = np.random.default_rng(1).normal(size=(12, 4, 90)).astype(np.float32)
    out = aligned_zeros(channel_shape(plan, 12, 4))
    assert demodulate(rf, plan, out=out) is out
    np.testing.assert_array_equal(out, demodulate(rf, plan))
    assert not out[:, -1].any()
    assert not out[..., 12:].any()


def test_records_are_the_same_samples_in_another_order():
    plan = plan_of(4, 120)
    rf = np.random.default_rng(2).normal(size=(3, 20, 120)).astype(np.float32)
    records = demodulate_records(rf, plan)
    assert records.dtype == np.complex64
    expected = unpack_ensemble(demodulate(rf.astype(np.float64), plan), 3)[:, :, :20]
    assert relative_error(records, np.swapaxes(expected, 1, 2)) < 1e-5


@pytest.mark.parametrize("kind", [np.float32, np.complex64, np.float64])
@pytest.mark.parametrize(
    ("value", "finite"), [(1.0, True), (np.nan, False), (-np.inf, False), (1e25, False)]
)
def test_samples_that_would_spoil_a_picture_are_found(kind, value, finite):
    samples = np.ones((2, 3, 5000), kind)
    samples[1, 2, 4321] = value
    assert all_finite(samples) is finite


def test_wrong_input_is_named():
    rf = np.zeros((2, 3, 50), np.float32)
    with pytest.raises(ValueError, match="shape"):
        demodulate(rf, plan_of(4, 51))
    with pytest.raises(ValueError, match="complex samples"):
        demodulate(rf.astype(np.complex64), plan_of(4, 50))
    with pytest.raises(ValueError, match="real samples"):
        demodulate(rf, plan_of(4, 50, demodulation_frequency_hz=F0))
    with pytest.raises(ValueError, match="out has shape"):
        demodulate(rf, plan_of(4, 50), out=np.zeros((1, 2, 2, 16), np.float32))
    with pytest.raises(ValueError, match="overlaps its image"):
        demodulate(rf, plan_of(2, 50))
