"""The local-frequency factor: echoes of known centre frequency, on every kind of grid."""

import dataclasses
import math

import numpy as np
import pytest
from echoes import arrival_s, rf_echoes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import local_frequency, wall_filter
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.frames import Acquisition, ChannelFrame, Status
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import ProcessingSettings

F0, C, PRF = 5e6, 1540.0, 4000.0
PROBE = Probe.linear("test", 32, 0.3e-3, F0)
GRID = ImageGrid("parallel", 50, 24, (-2e-3, 2e-3), (8e-3, 14e-3))
ALL_FLOW = np.ones((30, 20), bool)
# A narrow aperture: oblique paths see less of every step along depth, 0.1 % here.
PLAIN = ProcessingSettings(
    wall_filter="none", f_number=4.0, flow_power_db=0.0, dealias=False, smoothing_m=0.001
)
LOCAL = dataclasses.replace(PLAIN, local_frequency=True)


def acquisition_of(grid=GRID, *, transmit_rad=0.0, receive_rad=0.0, n_pulses=4):
    return Acquisition(
        source="test",
        probe=PROBE,
        sampling_frequency_hz=8 * F0,
        center_frequency_hz=F0,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=C,
        start_time_s=6e-6,
        transmit_angle_rad=transmit_rad,
        receive_angle_rad=receive_rad,
        bmode_angles_rad=(),
        prf_hz=PRF,
        requested_prf_hz=PRF,
        max_prf_hz=2 * PRF,
        n_pulses=n_pulses,
        frame_interval_s=0.03,
        colour_grid=grid,
        bmode_grid=grid,
    )


def channel_frame(acquisition, frequency_hz, velocity_m_s=0.0, bandwidth=0.12):
    """Echoes of points that hardly overlap; all move alike, from a lattice up towards the probe.

    Their centre frequency may depend on depth. In a narrow band the receive filter, which is as
    wide as the probe's, does not pull it back to f0.
    """
    x_m, z_m = np.meshgrid([-1.9e-3, 0.1e-3, 2.1e-3], [9.4e-3, 12.6e-3])
    time_s = acquisition.start_time_s + np.arange(640) / acquisition.sampling_frequency_hz
    elements = PROBE.element_x_m, PROBE.element_z_m
    rf = np.zeros((acquisition.n_pulses, PROBE.n_elements, time_s.size))
    for k in range(acquisition.n_pulses):
        for x, z in zip(x_m.ravel(), z_m.ravel(), strict=True):
            moved_m = z - velocity_m_s * k / PRF
            tau_s = arrival_s(x, moved_m, *elements, acquisition.transmit_angle_rad, C)
            rf[k] += rf_echoes(tau_s, time_s, frequency_hz(z), bandwidth)
    return ChannelFrame(0, 0.0, 0.0, acquisition, rf.astype(np.float32))


def tone(ratio, cycles, *, velocity=0.3, n_pulses=8, dtype=np.float32):
    """Beamformed samples of one frequency ``ratio`` f0 that turns along depth and in time."""
    depth = np.arange(ALL_FLOW.shape[0])[None, :, None]
    turns = ratio * cycles * depth + 0.5 * velocity * np.arange(n_pulses)[:, None, None]
    return pack_ensemble(
        np.broadcast_to(np.exp(2j * np.pi * turns), (n_pulses, *ALL_FLOW.shape)), dtype=dtype
    )


@settings(max_examples=30, deadline=None)
@given(
    ratio=st.floats(0.72, 1.28),
    cycles=st.floats(0.2, 1.6),
    kind=st.sampled_from(["none", "polynomial-1", "iir-low", "svd-low"]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_tone_gives_its_frequency(ratio, cycles, kind, dtype):
    per_line = np.full(ALL_FLOW.shape[1], cycles)
    iq = tone(ratio, per_line, velocity=0.7, dtype=dtype)
    lags = local_frequency.correlate(iq, 8, kind, per_line)
    factor = local_frequency.factor(lags, per_line, ALL_FLOW)
    assert factor.dtype == dtype
    np.testing.assert_allclose(factor, 1 / ratio, rtol=1e-5 if dtype is np.float64 else 3e-4)


@settings(max_examples=20, deadline=None)
@given(
    n_pulses=st.integers(4, 40),
    kind=st.sampled_from(["none", "polynomial-1", "high", "iir-medium", "svd-medium"]),
    seed=st.integers(0, 99),
)
@example(n_pulses=12, kind="svd-medium", seed=0)
def test_kernels_are_the_reference(n_pulses, kind, seed):
    kind = wall_filter.strongest(kind, n_pulses)
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(2, 2, n_pulses, 9, 11))
    signal = samples[0, 0] + 1j * samples[0, 1]
    # Tissue that moves slowly one way: an adaptive filter against it is complex.
    slow = np.exp(0.1j * np.arange(n_pulses))[:, None, None]
    signal += 3 * slow * (samples[1, :1, 0] + 1j * samples[1, 1:, 0])
    iq = pack_ensemble(signal)
    cycles = rng.uniform(0.5, 1.5, 11)
    fast = local_frequency.correlate(iq, n_pulses, kind, cycles)
    exact = local_frequency.correlate(iq.astype(np.float64), n_pulses, kind, cycles)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, exact, atol=5e-5 * n_pulses)
    flow = rng.uniform(size=(9, 11)) > 0.3
    factor = local_frequency.factor(fast, cycles, flow)
    expected = local_frequency.factor(fast.astype(np.float64), cycles, flow)
    np.testing.assert_allclose(factor, expected, atol=1e-5)
    assert np.all(factor[~flow] == 1.0)
    assert factor.min() >= 1 / 1.3 - 1e-6
    assert factor.max() <= 1 / 0.7 + 1e-6


def test_without_a_signal_the_factor_is_one():
    cycles = np.ones(20)
    lags = local_frequency.correlate(np.zeros((30, 20, 2, 8), np.float32), 8, "none", cycles)
    assert np.all(local_frequency.factor(lags, cycles, ALL_FLOW) == 1.0)


def test_steps_that_could_be_mistaken_are_refused():
    assert not local_frequency.is_coarse(np.array([1.0, 1.6]))
    assert local_frequency.is_coarse(np.array([1.0, 1.7]))


@pytest.mark.parametrize(
    ("grid", "steering_rad"),
    [
        (GRID, 0.0),
        (dataclasses.replace(GRID, angle_rad=math.radians(12)), math.radians(12)),
        (
            ImageGrid("polar", 50, 24, (-0.15, 0.15), (18e-3, 24e-3), apex_m=(0.0, -10e-3)),
            0.0,
        ),
    ],
    ids=["parallel", "steered", "polar"],
)
@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.08])
def test_shifted_echoes_give_the_factor(grid, steering_rad, ratio):
    acquisition = acquisition_of(grid, transmit_rad=steering_rad, receive_rad=steering_rad)
    frame = channel_frame(acquisition, lambda z: ratio * F0)
    picture = doppler(form(frame, LOCAL), LOCAL, None)
    strong = picture.power_db > np.median(picture.power_db)
    assert np.median(picture.frequency_factor[strong]) == pytest.approx(1 / ratio, rel=0.008)


def test_velocity_under_attenuation_comes_closer_to_the_truth():
    # The centre frequency falls with depth, as behind tissue that attenuates.
    velocity_m_s = 0.12
    acquisition = acquisition_of(n_pulses=6)
    frame = channel_frame(acquisition, lambda z: F0 * (1 - 14 * (z - 6e-3)), velocity_m_s, 0.25)
    picture = doppler(form(frame, LOCAL), LOCAL, None)
    deep = picture.power_db > 10.0
    deep[: GRID.n_depths // 2] = False
    assert deep.any()
    measured = picture.velocity_m_s[deep]
    local = measured * picture.frequency_factor[deep]
    without = abs(np.median(measured) / velocity_m_s - 1)
    assert without > 0.05
    assert abs(np.median(local) / velocity_m_s - 1) < 0.25 * without


def test_the_planes_are_those_of_f0_with_it_and_without():
    acquisition = acquisition_of()
    iq = form(channel_frame(acquisition, lambda z: 0.9 * F0, 0.1), PLAIN)
    with_it, without = doppler(iq, LOCAL, None), doppler(iq, PLAIN, None)
    assert without.frequency_factor is None
    for name in ("velocity_m_s", "fold", "status", "power_db", "bandwidth", "confidence"):
        np.testing.assert_array_equal(getattr(with_it, name), getattr(without, name))
    no_flow = with_it.status == Status.NO_FLOW
    assert np.all(with_it.frequency_factor[no_flow] == 1.0)


def test_a_coarse_grid_has_no_factor_and_says_so():
    grid = ImageGrid("parallel", 20, 24, (-2e-3, 2e-3), (8e-3, 14e-3))
    iq = form(channel_frame(acquisition_of(grid), lambda z: F0), LOCAL)
    picture = doppler(iq, LOCAL, None)
    assert picture.frequency_factor is None
    assert any("depth samples lie too far apart" in note for note in picture.notes)
