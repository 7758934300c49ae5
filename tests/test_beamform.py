import math

import numpy as np
import pytest
from echoes import arrival_s, iq_echoes
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import beamform, compound
from ultrasound_console.dsp.arrays import aligned_empty, pack_ensemble
from ultrasound_console.dsp.beamform import ReceivePlan, delay_and_sum
from ultrasound_console.dsp.compound import compound_power
from ultrasound_console.geometry import ImageGrid, Probe, plane_wave_velocity_m_s

C, F0, FS = 1540.0, 5e6, 10e6
PROBE = Probe.linear("test", 32, 0.3e-3, F0)
RECTANGLE = ImageGrid("parallel", 40, 24, (-3e-3, 3e-3), (4e-3, 12e-3))
SHEARED = ImageGrid("parallel", 40, 24, (-3e-3, 3e-3), (4e-3, 12e-3), math.radians(12))
POLAR = ImageGrid("polar", 40, 24, (-0.4, 0.4), (12e-3, 22e-3), apex_m=(0.0, -9e-3))


def plan_of(grid=RECTANGLE, receive_rad=0.0, f_number=1.2, probe=PROBE, taper=1.0):
    return ReceivePlan(
        grid, probe.element_x_m, probe.element_z_m, receive_rad, f_number, C, F0, FS, taper
    )


def channel_of(tau_s, n_samples=260, start_time_s=0.0):
    """Channel block of one pulse whose echoes arrive at tau_s (scatterers, elements)."""
    time_s = start_time_s + np.arange(n_samples) / FS
    iq = iq_echoes(tau_s, time_s, F0)
    return pack_ensemble(np.pad(iq.T, ((0, 0), (0, 1)))[None], dtype=np.float64)


def image_of(channel, plan, transmit_rad, start_time_s=0.0):
    image = delay_and_sum(channel, plan, transmit_rad, start_time_s)
    return image[..., 0, 0] + 1j * image[..., 1, 0]


@pytest.mark.parametrize("grid", [RECTANGLE, SHEARED, POLAR], ids=["rectangle", "sheared", "polar"])
@pytest.mark.parametrize("transmit_deg", [0.0, 12.0, -8.0])
@pytest.mark.parametrize("start_time_s", [0.0, 2.5e-6])
def test_scatterer_is_where_it_is_with_phase_zero(grid, transmit_deg, start_time_s):
    row, column = 21, 13
    x_m, z_m = grid.positions_m(row, column)
    transmit_rad = math.radians(transmit_deg)
    tau_s = arrival_s(x_m, z_m, PROBE.element_x_m, PROBE.element_z_m, transmit_rad, C)
    plan = plan_of(grid, None if grid.kind == "polar" else grid.angle_rad)
    image = image_of(channel_of(tau_s, start_time_s=start_time_s), plan, transmit_rad, start_time_s)
    peak = np.unravel_index(np.argmax(np.abs(image)), image.shape)
    assert peak == (row, column)
    assert np.angle(image[peak]) == pytest.approx(0.0, abs=0.02)


def test_delay_of_a_curved_array():
    probe = Probe(
        "curved",
        tuple(0.06 * math.sin(a) for a in np.linspace(-0.2, 0.2, 32)),
        tuple(0.06 * math.cos(a) - 0.06 for a in np.linspace(-0.2, 0.2, 32)),
        0.3e-3,
        F0,
        0.6,
    )
    grid = ImageGrid("polar", 30, 20, (-0.18, 0.18), (66e-3, 72e-3), apex_m=(0.0, -0.06))
    x_m, z_m = grid.positions_m(14, 17)
    tau_s = arrival_s(x_m, z_m, probe.element_x_m, probe.element_z_m, 0.05, C)
    image = image_of(channel_of(tau_s), plan_of(grid, None, probe=probe), 0.05)
    assert np.unravel_index(np.argmax(np.abs(image)), image.shape) == (14, 17)


@pytest.mark.parametrize(
    ("transmit_deg", "receive_deg", "direction_deg"),
    [(0, 0, 90), (15, 15, 60), (10, 0, 30), (-12, -12, 100), (15, 15, -70)],
)
def test_moving_scatterer_has_its_velocity(transmit_deg, receive_deg, direction_deg):
    # One scatterer between two pulses; the phase step over pi is the velocity over v_N.
    transmit_rad, receive_rad = math.radians(transmit_deg), math.radians(receive_deg)
    prf_hz, speed_m_s = 4000.0, 0.12
    nyquist_m_s = C * prf_hz / (4 * F0)
    u = speed_m_s * np.array(
        [math.cos(math.radians(direction_deg)), math.sin(math.radians(direction_deg))]
    )
    grid = ImageGrid("parallel", 60, 40, (-2e-3, 2e-3), (7e-3, 9e-3))
    start = np.array([*grid.positions_m(30, 20)])
    plan = plan_of(grid, receive_rad, f_number=2.0)
    images = []
    for pulse in (0, 1):
        x_m, z_m = start + (pulse - 0.5) * u / prf_hz
        tau_s = arrival_s(x_m, z_m, PROBE.element_x_m, PROBE.element_z_m, transmit_rad, C)
        images.append(image_of(channel_of(tau_s), plan, transmit_rad))
    r1 = np.sum(images[1] * np.conj(images[0]))
    measured = nyquist_m_s * np.angle(r1) / np.pi
    expected = plane_wave_velocity_m_s(*u, transmit_rad, receive_rad)
    # The echo's mean direction over a finite, clipped aperture is not quite receive_rad.
    assert measured == pytest.approx(expected, abs=0.04 * speed_m_s)


@settings(max_examples=20, deadline=None)
@given(
    grid=st.sampled_from([RECTANGLE, SHEARED, POLAR]),
    n_pulses=st.integers(4, 64),
    n_samples=st.integers(2, 200),
    transmit_rad=st.floats(-0.3, 0.3),
    receive_rad=st.floats(-0.3, 0.3),
    start_time_s=st.floats(-5e-6, 1.5e-5),
    f_number=st.floats(0.8, 4.0),
    taper=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_kernel_is_the_reference(
    grid, n_pulses, n_samples, transmit_rad, receive_rad, start_time_s, f_number, taper
):
    rng = np.random.default_rng(n_pulses)
    iq = rng.normal(size=(n_pulses, n_samples, 33)) + 1j * rng.normal(
        size=(n_pulses, n_samples, 33)
    )
    iq[..., -1] = 0.0  # the padding element
    # Records that start and end at zero: float32 may put a delay on the other side of the edge.
    iq[:, [0, -1]] = 0.0
    channel = pack_ensemble(iq)
    plan = plan_of(grid, receive_rad, f_number, taper=taper)
    fast = delay_and_sum(channel, plan, transmit_rad, start_time_s)
    reference = delay_and_sum(channel.astype(np.float64), plan, transmit_rad, start_time_s)
    assert np.all(np.isfinite(fast))
    # Noise is the worst record for rounded delays: 1e-4 of a sample is 1e-4 of its value.
    np.testing.assert_allclose(fast, reference, atol=2e-3)


def test_what_lies_outside_the_record_is_nothing():
    plan = plan_of()
    channel = pack_ensemble(np.pad(np.ones((4, 50, 32), complex), ((0, 0), (0, 0), (0, 1))))
    assert not delay_and_sum(channel, plan, 0.0, 1.0).any()
    assert not delay_and_sum(channel, plan, 0.0, -1.0).any()


def test_noise_is_the_same_everywhere():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(64, 400, 33)) + 1j * rng.normal(size=(64, 400, 33))
    image = delay_and_sum(pack_ensemble(noise), plan_of(f_number=0.8), 0.1, 0.0)
    power = np.mean(np.sum(image**2, axis=2), axis=(1, 2))
    # Noise of power 2; linear interpolation passes (1-f)^2 + f^2, on average 2/3.
    np.testing.assert_allclose(power, 2 * 2 / 3, rtol=0.15)


@pytest.mark.parametrize("receive_deg", [0.0, 10.0])
def test_aperture_has_the_f_number_and_follows_the_receive_line(receive_deg):
    # An echo on one element only lights up the pixels whose aperture holds that element.
    f_number, tangent = 1.5, math.tan(math.radians(receive_deg))
    element = 16
    constant = np.zeros((1, 260, 33), complex)
    constant[:, :, element] = 1.0
    plan = plan_of(f_number=f_number, receive_rad=math.radians(receive_deg))
    lit = np.abs(image_of(pack_ensemble(constant, dtype=np.float64), plan, 0.0)) > 1e-9
    x_m, z_m = RECTANGLE.positions_m()
    offset_m = PROBE.element_x_m[element] - (x_m - z_m * tangent)
    np.testing.assert_array_equal(lit, np.abs(offset_m) < z_m / (2 * f_number))


@settings(max_examples=12, deadline=None)
@given(
    angles=st.lists(st.floats(-0.25, 0.25), min_size=1, max_size=5),
    n_samples=st.integers(2, 200),
    start_time_s=st.floats(-2e-6, 1e-5),
    grid=st.sampled_from([RECTANGLE, POLAR]),
)
def test_compounding_kernel_is_the_reference(angles, n_samples, start_time_s, grid):
    rng = np.random.default_rng(n_samples)
    shape = (len(angles), 32, n_samples)
    records = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    records[..., [0, -1]] = 0.0
    plan = plan_of(grid, None if grid.kind == "polar" else 0.0)
    fast = compound_power(records.astype(np.complex64), plan, tuple(angles), start_time_s)
    reference = compound_power(records, plan, tuple(angles), start_time_s)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, reference, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("n_lines", "pitch_m", "near"),
    [(2, 0.2e-3, True), (16, 0.2e-3, True), (41, 0.15e-3, True), (23, 1.5e-3, False)],
)
def test_lines_of_any_number_and_pitch_are_compounded(n_lines, pitch_m, near):
    rng = np.random.default_rng(n_lines)
    edge_m = 0.5 * (n_lines - 1) * pitch_m
    grid = ImageGrid("parallel", 30, n_lines, (-edge_m, edge_m), (20e-3, 30e-3))
    records = rng.normal(size=(2, 32, 500)) + 1j * rng.normal(size=(2, 32, 500))
    plan, angles = plan_of(grid), (-0.1, 0.15)
    fast = compound_power(records.astype(np.complex64), plan, angles, 0.0)
    np.testing.assert_allclose(fast, compound_power(records, plan, angles, 0.0), 2e-3, 2e-3)
    # Both ways of fetching samples have been taken: in windows, and one by one.
    window = compound._windows(plan, angles, 0.0, 500)
    assert np.mean(window >= 0) == 1.0 if near else np.mean(window < 0) > 0.3


def test_compounding_is_coherent():
    angles = (-0.15, 0.0, 0.15)
    x_m, z_m = RECTANGLE.positions_m(20, 12)
    time_s = np.arange(260) / FS
    records = np.stack(
        [
            iq_echoes(arrival_s(x_m, z_m, PROBE.element_x_m, PROBE.element_z_m, a, C), time_s, F0)
            for a in angles
        ]
    )
    together = compound_power(records, plan_of(), angles, 0.0)
    alone = compound_power(records[1:2], plan_of(), angles[1:2], 0.0)
    assert np.unravel_index(np.argmax(together), together.shape) == (20, 12)
    assert together[20, 12] == pytest.approx(alone[20, 12], rel=0.05)
    # Away from the scatterer the waves do not agree.
    assert together[20, 22] < 0.5 * alone[20, 22]


def test_tables_are_cached_by_value_within_a_budget():
    cache = beamform.TableCache(beamform._receive_table, budget_bytes=1)
    first = cache.get(plan_of())
    assert cache.get(plan_of()) is first
    second = cache.get(plan_of(f_number=2.0))
    assert cache.n_bytes == second.n_bytes
    assert cache.get(plan_of()) is not first


def test_wrong_shapes_are_named():
    channel = pack_ensemble(np.zeros((4, 50, 32), complex))
    with pytest.raises(ValueError, match="channel IQ has shape"):
        delay_and_sum(channel, plan_of(), 0.0, 0.0)
    with pytest.raises(ValueError, match="needs at least 2"):
        delay_and_sum(channel[:1], plan_of(), 0.0, 0.0)
    channel = pack_ensemble(np.zeros((4, 50, 33), complex))
    with pytest.raises(ValueError, match="out has shape"):
        delay_and_sum(channel, plan_of(), 0.0, 0.0, out=aligned_empty((2, 2, 2, 16)))
    with pytest.raises(ValueError, match="B-mode IQ has shape"):
        compound_power(np.zeros((2, 32, 50), np.complex64), plan_of(), (0.0,), 0.0)
