"""The signal chain on a device against the float64 reference.

Each check takes a module with ``asarray`` and ``asnumpy`` (CuPy, or its stand-in) and needs nothing
beyond NumPy, SciPy, Numba and the package, so that it runs on a bare machine.
"""

import math

import numpy as np
from echoes import relative_error

from ultrasound_console.dsp import bmode, doppler, kernels_compound, kernels_cuda, wall_filter
from ultrasound_console.dsp.arrays import aligned_zeros, pack_ensemble
from ultrasound_console.dsp.beamform import ReceivePlan, delay_and_sum
from ultrasound_console.dsp.compound import compound_power
from ultrasound_console.dsp.demodulate import (
    DemodulationPlan,
    all_finite,
    channel_shape,
    demodulate,
    demodulate_records,
)
from ultrasound_console.dsp.quantise import quantise
from ultrasound_console.geometry import ImageGrid, Probe

C, F0, FS = 1540.0, 5e6, 10e6
PROBE = Probe.linear("test", 21, 0.3e-3, F0)
GRIDS = (
    ImageGrid("parallel", 19, 14, (-3e-3, 3e-3), (4e-3, 12e-3)),
    ImageGrid("parallel", 19, 14, (-3e-3, 3e-3), (4e-3, 12e-3), math.radians(12)),
    ImageGrid("polar", 19, 14, (-0.4, 0.4), (12e-3, 22e-3), apex_m=(0.0, -9e-3)),
)
ENSEMBLES = (4, 12, 17, 64)


def noise(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def tissue(n_pulses, shape):
    """Strong echoes that move slowly, one way, for filters that look for them."""
    phase = np.pi * np.random.default_rng(1).uniform(0.01, 0.05, shape)
    return 8.0 * np.exp(1j * phase * np.arange(n_pulses)[:, None, None])


def plan_of(grid, receive_rad=0.1):
    receive = None if grid.kind == "polar" else receive_rad
    return ReceivePlan(grid, PROBE.element_x_m, PROBE.element_z_m, receive, 1.2, C, F0, FS)


def channel_of(n_pulses, n_samples=180):
    iq = noise((n_pulses, n_samples, len(PROBE.element_x_m) + 1), n_pulses)
    iq[..., -1] = 0.0  # the padding element
    # Records that start and end at zero: float32 may put a delay on the other side of the edge.
    iq[:, [0, -1]] = 0.0
    return pack_ensemble(iq)


def demodulation(device):
    for n_pulses in (1, *ENSEMBLES):
        for ratio in (4 / 3, 4, 10):
            rf = 1000.0 * noise((n_pulses, 3, 77), n_pulses)
            for samples in (rf.real.astype(np.int16), rf.real.astype(np.float32)):
                plan = DemodulationPlan(ratio * F0, F0, 2e-6, 77)
                check_demodulation(device, samples, plan)
            plan = DemodulationPlan(ratio * F0, F0, 2e-6, 77, 0.96 * F0)
            check_demodulation(device, rf.astype(np.complex64), plan)


def check_demodulation(device, samples, plan):
    exact = np.complex128 if np.iscomplexobj(samples) else np.float64
    fast = device.asnumpy(demodulate(device.asarray(samples), plan))
    assert fast.dtype == np.float32
    assert relative_error(fast, demodulate(samples.astype(exact), plan)) < 2e-6
    assert not fast[:, -1].any()
    assert not fast[..., samples.shape[0] :].any()


def demodulation_in_place(device):
    rf = noise((5, 4, 60)).real.astype(np.float32)
    plan = DemodulationPlan(4 * F0, F0, 0.0, 60)
    out = device.asarray(np.full(channel_shape(plan, 5, 4), 7.0, np.float32))
    assert demodulate(device.asarray(rf), plan, out=out) is out
    np.testing.assert_allclose(device.asnumpy(out)[:, :-1], demodulate(rf, plan)[:, :-1], atol=1e-5)
    np.testing.assert_array_equal(device.asnumpy(out)[:, -1], 7.0)


def records(device):
    for samples in (noise((3, 20, 120)).real.astype(np.float32), noise((2, 5, 33)).real):
        plan = DemodulationPlan(4 * F0, F0, 0.0, samples.shape[2])
        fast = demodulate_records(device.asarray(samples.astype(np.float32)), plan)
        assert fast.dtype == np.complex64
        reference = demodulate_records(samples.astype(np.float64), plan)
        assert relative_error(device.asnumpy(fast), reference) < 2e-6


def finiteness(device):
    for kind in (np.float32, np.complex64):
        for value, finite in ((1.0, True), (np.nan, False), (-np.inf, False), (1e25, False)):
            samples = np.ones((2, 3, 5000), kind)
            samples[1, 2, 4321] = value
            assert all_finite(device.asarray(samples)) is finite


def beamforming(device):
    for n_pulses in ENSEMBLES:
        channel = channel_of(n_pulses)
        for grid in GRIDS:
            for transmit_rad, start_time_s in ((0.0, 0.0), (0.2, 6e-6), (-0.3, -2e-6)):
                geometry = plan_of(grid), transmit_rad, start_time_s
                fast = device.asnumpy(delay_and_sum(device.asarray(channel), *geometry))
                # Delays are rounded to 1e-4 of a sample, for every kernel alike.
                reference = delay_and_sum(channel.astype(np.float64), *geometry)
                np.testing.assert_allclose(fast, reference, atol=2e-3)
                np.testing.assert_allclose(fast, delay_and_sum(channel, *geometry), atol=5e-6)


def outside_the_record(device):
    channel = pack_ensemble(np.pad(np.ones((4, 50, 21), complex), ((0, 0), (0, 0), (0, 1))))
    for start_time_s in (1.0, -1.0):
        image = delay_and_sum(device.asarray(channel), plan_of(GRIDS[0]), 0.0, start_time_s)
        assert not device.asnumpy(image).any()


def compounding(device):
    for grid in GRIDS:
        for angles in ((0.1,), (-0.2, 0.0, 0.2), (-0.2, -0.1, 0.0, 0.1, 0.2)):
            for n_samples, start_time_s in ((180, 0.0), (100, 4e-6), (2, 0.0)):
                echoes = noise((len(angles), 21, n_samples), n_samples).astype(np.complex64)
                echoes[..., [0, -1]] = 0.0
                geometry = plan_of(grid), angles, start_time_s
                fast = compound_power(device.asarray(echoes), *geometry)
                assert fast.dtype == np.float32
                reference = compound_power(echoes.astype(np.complex128), *geometry)
                np.testing.assert_allclose(device.asnumpy(fast), reference, rtol=2e-3, atol=2e-3)
                np.testing.assert_allclose(
                    device.asnumpy(fast), compound_power(echoes, *geometry), rtol=1e-4, atol=1e-5
                )


def power(device):
    for n_pulses in ENSEMBLES:
        packed = pack_ensemble(noise((n_pulses, 7, 9)))
        fast = device.asnumpy(bmode.mean_power(device.asarray(packed), n_pulses))
        np.testing.assert_allclose(
            fast, bmode.mean_power(packed.astype(np.float64), n_pulses), rtol=1e-5
        )


def the_last_sample(device):
    """An echo on the very last sample counts, and nothing is read past it."""
    echoes = np.arange(20, dtype=np.float32).reshape(1, 2, 10)
    first, start = np.zeros(3, np.int32), np.array([0, 2, 4, 6])
    delay = np.zeros(6 + 16, np.float32)
    delay[:6] = [4.0, 4.0, 4.000001, 4.0, 3.5, -1e-6]
    weight = np.ones_like(delay)
    tables = first, start, delay, weight, 0.5 * weight
    sent, turn = np.zeros((1, 3), np.float32), np.ones((1, 2, 3), np.float32)
    out, expected = device.asarray(np.zeros((1, 3), np.float32)), np.zeros((1, 3), np.float32)
    kernels_cuda.compound_power(device.asarray(echoes), *tables, sent, turn, out)
    runs = kernels_compound.block_runs(first, start, (1, 3))
    rows, window = aligned_zeros((2, 3, 16)), np.empty((1, 2), np.int32)
    kernels_compound.fill_blocks(*tables, (1, 3), *runs, rows)
    kernels_compound.windows(runs[1], rows, sent, 5, (1, 3), window)
    kernels_compound.compound_lines(echoes, *runs, rows, window, sent, turn, expected)
    assert expected[0, 1] < expected[0, 0]
    np.testing.assert_allclose(device.asnumpy(out), expected, rtol=1e-6)


def quantising(device):
    for n_pulses in ENSEMBLES:
        packed = pack_ensemble(1e3 * noise((n_pulses, 7, 9)))
        for iq in (packed, -packed, 1e-30 * packed, 0.0 * packed):
            samples, peak = quantise(device.asarray(iq.astype(np.float32)), n_pulses)
            exact, largest = quantise(iq, n_pulses)
            assert device.asnumpy(samples).dtype == np.int16
            np.testing.assert_allclose(device.asnumpy(peak), largest, rtol=1e-6)
            np.testing.assert_allclose(device.asnumpy(samples), exact, atol=1)


def the_largest_of_what_is_no_number(device):
    """A NaN anywhere is the peak, whatever a thread meets after it."""
    iq = np.zeros((1, 1, 2, 1 << 19), np.float32)
    iq[..., -1] = 5.0
    iq.reshape(-1)[3] = np.nan
    n_threads = kernels_cuda._MOST_BLOCKS * kernels_cuda._THREADS_PER_BLOCK
    assert iq.size > n_threads + 3  # the thread of the NaN has more to look at
    _, peak = quantise(device.asarray(iq), 4)
    assert np.isnan(device.asnumpy(peak)).all()


def lags(device):
    kinds = ("none", "polynomial-0", "polynomial-2", "iir-medium", "svd-medium")
    for n_pulses in (*ENSEMBLES, 2):
        packed = pack_ensemble(noise((n_pulses, 11, 13), n_pulses) + tissue(n_pulses, (11, 13)))
        for kind in dict.fromkeys(wall_filter.strongest(kind, n_pulses) for kind in kinds):
            fast = doppler.autocorrelate(device.asarray(packed), n_pulses, kind)
            assert fast.dtype == np.float32
            reference = doppler.autocorrelate(packed.astype(np.float64), n_pulses, kind)
            # Rounding goes with the tissue, also where a filter has taken it out.
            np.testing.assert_allclose(device.asnumpy(fast), reference, rtol=1e-5, atol=2e-4)


def averages(device):
    for shape in ((3, 11, 13), (3, 2, 40), (1, 1, 1)):
        planes = np.random.default_rng(0).normal(size=shape)
        for widths in ((0.0, 0.5), (3.0, 1.0), (2.2, 5.7), (12.0, 9.0)):
            fast = doppler.smooth(device.asarray(planes.astype(np.float32)), widths)
            reference = doppler.smooth(planes, widths)
            np.testing.assert_allclose(device.asnumpy(fast), reference, atol=2e-5)


def velocities(device):
    packed = pack_ensemble(noise((8, 30, 40)))
    averaged = doppler.smooth(doppler.autocorrelate(packed, 8), (3.0, 3.0))
    angles = np.array([0.0, np.pi, -np.pi, np.pi / 2, -np.pi / 2, 3.1415925, 1e-7])
    corners = np.stack([np.ones(7), np.cos(angles), np.sin(angles)]).astype(np.float32)[..., None]
    silence = np.zeros((3, 2, 2), np.float32)
    for planes in (averaged, corners, silence, 1e-24 * averaged, 1e15 * averaged):
        exact = doppler.maps(planes.astype(np.float64))
        fast = doppler.maps(device.asarray(planes.astype(np.float32)))
        velocity, bandwidth = device.asnumpy(fast.velocity), device.asnumpy(fast.bandwidth)
        turned = (velocity - exact.velocity + 1.0) % 2.0 - 1.0
        np.testing.assert_allclose(turned, 0.0, atol=1e-6)
        np.testing.assert_allclose(bandwidth, exact.bandwidth, atol=2e-6)
        assert np.all((velocity >= -1.0) & (velocity < 1.0))
        assert np.all((bandwidth >= 0.0) & (bandwidth <= 1.0))


def whole_chain(device):
    """Samples to maps without leaving the device in between."""
    n_pulses, n_elements = 12, len(PROBE.element_x_m)
    rf = (1000.0 * noise((n_pulses, n_elements, 400)).real).astype(np.int16)
    plan = DemodulationPlan(4 * F0, F0, 0.0, 400)

    def chain(samples):
        iq = delay_and_sum(demodulate(samples, plan), plan_of(GRIDS[0]), 0.1, 0.0)
        return doppler.estimate(iq, n_pulses, "polynomial-1", (3.0, 3.0))

    fast, reference = chain(device.asarray(rf)), chain(rf)
    signal = reference.power > 1e-3 * reference.power.max()
    np.testing.assert_allclose(device.asnumpy(fast.power), reference.power, rtol=1e-4, atol=1e-3)
    turned = (device.asnumpy(fast.velocity) - reference.velocity + 1.0) % 2.0 - 1.0
    np.testing.assert_allclose(turned[signal], 0.0, atol=1e-3)
    np.testing.assert_allclose(
        device.asnumpy(fast.bandwidth)[signal], reference.bandwidth[signal], atol=1e-3
    )


CHECKS = (
    demodulation,
    demodulation_in_place,
    records,
    finiteness,
    beamforming,
    outside_the_record,
    compounding,
    the_last_sample,
    power,
    quantising,
    the_largest_of_what_is_no_number,
    lags,
    averages,
    velocities,
    whole_chain,
)


def tables(device):
    """A copy of a table on the device goes with the table."""
    kept = kernels_cuda._Tables()
    table = np.arange(5, dtype=np.float32)
    copy = kept.get(table)
    np.testing.assert_array_equal(device.asnumpy(copy), table)
    assert kept.get(table) is copy
    assert len(kept) == 1
    del table
    assert len(kept) == 0
