import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import doppler, wall_filter
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.settings.processing import WALL_FILTERS


def noise(n_pulses, shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_pulses, *shape)) + 1j * rng.normal(size=(n_pulses, *shape))


def wrapped(difference):
    return (difference + 1.0) % 2.0 - 1.0


@pytest.mark.parametrize("velocity", [-1.0, -0.7, 0.0, 0.3, 0.999])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_pure_tone(velocity, kind):
    n_pulses = 12
    iq = 3.0 * np.exp(1j * np.pi * velocity * np.arange(n_pulses))[:, None, None]
    packed = pack_ensemble(np.broadcast_to(iq, (n_pulses, 3, 4)), dtype=kind)
    maps = doppler.estimate(packed, n_pulses, "none", (1.0, 1.0))
    np.testing.assert_allclose(wrapped(maps.velocity - velocity), 0.0, atol=1e-6)
    np.testing.assert_allclose(maps.power, 9.0, rtol=1e-6)
    np.testing.assert_allclose(maps.bandwidth, 0.0, atol=1e-6)
    assert np.all(maps.velocity < 1.0)


@pytest.mark.parametrize("velocity", [0.4, -0.9])
def test_flow_under_tissue(velocity):
    # Tissue 40 dB above the flow and nearly still; the filter leaves the flow.
    n_pulses = 16
    k = np.arange(n_pulses)
    flow = np.exp(1j * np.pi * velocity * k)
    tissue = 100.0 * np.exp(1j * np.pi * 0.003 * k)
    packed = pack_ensemble(np.broadcast_to((flow + tissue)[:, None, None], (n_pulses, 2, 2)))
    filtered = doppler.estimate(packed, n_pulses, "polynomial-1", (1.0, 1.0))
    unfiltered = doppler.estimate(packed, n_pulses, "none", (1.0, 1.0))
    np.testing.assert_allclose(filtered.velocity, velocity, atol=0.03)
    np.testing.assert_allclose(unfiltered.velocity, 0.003, atol=1e-3)


@pytest.mark.parametrize("n_pulses", [8, 16, 64])
def test_bandwidth_of_noise(n_pulses):
    # R1 of white noise is a sum of N - 1 products: |R1|/R0 has mean sqrt(pi/4/(N - 1)).
    packed = pack_ensemble(noise(n_pulses, (60, 60)))
    maps = doppler.estimate(packed, n_pulses, "none", (1.0, 1.0))
    expected = 1.0 - np.sqrt(np.pi / 4.0 / (n_pulses - 1))
    assert np.mean(maps.bandwidth) == pytest.approx(expected, abs=0.03)
    # Averaging over many pixels leaves no coherence.
    averaged = doppler.estimate(packed, n_pulses, "none", (9.0, 9.0))
    assert np.mean(averaged.bandwidth) > 0.9


@settings(max_examples=30, deadline=None)
@given(
    n_pulses=st.integers(4, 64),
    kind=st.sampled_from(WALL_FILTERS),
    n_depths=st.integers(2, 19),
    n_lines=st.integers(2, 19),
)
def test_autocorrelation_kernel_is_the_reference(n_pulses, kind, n_depths, n_lines):
    kind = wall_filter.strongest(kind, n_pulses)
    packed = pack_ensemble(noise(n_pulses, (n_depths, n_lines), n_pulses))
    fast = doppler.autocorrelate(packed, n_pulses, kind)
    reference = doppler.autocorrelate(packed.astype(np.float64), n_pulses, kind)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, reference, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    n_depths=st.integers(2, 40),
    n_lines=st.integers(2, 40),
    widths=st.tuples(st.floats(0.0, 12.0), st.floats(0.0, 12.0)),
)
def test_smoothing_kernel_is_the_reference(n_depths, n_lines, widths):
    planes = np.random.default_rng(n_lines).normal(size=(3, n_depths, n_lines))
    fast = doppler.smooth(planes.astype(np.float32), widths)
    np.testing.assert_allclose(fast, doppler.smooth(planes, widths), atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_pulses=st.integers(4, 40), width=st.floats(0.0, 6.0))
def test_maps_kernel_is_the_reference_and_within_bounds(seed, n_pulses, width):
    packed = pack_ensemble(noise(n_pulses, (12, 14), seed))
    lags = doppler.smooth(doppler.autocorrelate(packed, n_pulses), (width, width))
    fast, reference = doppler.maps(lags), doppler.maps(lags.astype(np.float64))
    np.testing.assert_allclose(wrapped(fast.velocity - reference.velocity), 0.0, atol=1e-5)
    np.testing.assert_allclose(fast.bandwidth, reference.bandwidth, atol=1e-5)
    assert np.all((fast.velocity >= -1.0) & (fast.velocity < 1.0))
    assert np.all((fast.bandwidth >= 0.0) & (fast.bandwidth <= 1.0))


@pytest.mark.parametrize("angle", [0.0, np.pi, -np.pi, np.pi / 2, -np.pi / 2, 3.1415925, 1e-7])
def test_velocity_at_the_corners_of_the_circle(angle):
    lags = np.array([1.0, np.cos(angle), np.sin(angle)], np.float32)[:, None, None]
    expected = doppler.maps(lags.astype(np.float64)).velocity
    velocity = doppler.maps(lags).velocity
    assert velocity[0, 0] < 1.0
    np.testing.assert_allclose(wrapped(velocity - expected), 0.0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12, 1e15])
@pytest.mark.parametrize("kind", ["none", "polynomial-1"])
def test_everything_is_finite_at_any_level(scale, kind):
    packed = pack_ensemble(scale * noise(12, (8, 9)))
    maps = doppler.estimate(packed, 12, kind, (3.0, 3.0))
    for plane in (maps.velocity, maps.power, maps.bandwidth):
        assert np.all(np.isfinite(plane))
        assert scale > 0.0 or not plane.any()


def test_smoothing_keeps_a_constant_and_has_its_width():
    np.testing.assert_allclose(doppler.smooth(np.full((1, 9, 9), 2.0), (5.0, 3.0)), 2.0)
    for width in (2.0, 3.7, 5.0, 9.3):
        window = doppler.smoothing_window(width)
        assert window.sum() == pytest.approx(1.0)
        # Linear interpolation between taps finds half of the maximum at half of the width.
        offset = np.arange(window.size) - window.size // 2
        value = np.interp(width / 2.0, offset, window)
        assert value == pytest.approx(0.5 * window.max(), rel=0.1)


def test_averaging_is_complex():
    # Two neighbours at +0.9 and -0.9 v_N: their mean is v_N, not 0.
    lags = np.ones((3, 2, 2))
    lags[1] = np.cos(0.9 * np.pi)
    lags[2] = np.sin(0.9 * np.pi) * np.array([[1.0, -1.0], [1.0, -1.0]])
    maps = doppler.maps(doppler.smooth(lags, (1.0, 50.0)))
    assert np.all(np.abs(maps.velocity) > 0.95)


def test_wrong_ensembles_are_named():
    for n_pulses in (1, 17):
        with pytest.raises(ValueError, match="pulses"):
            doppler.autocorrelate(np.zeros((2, 2, 2, 16), np.float32), n_pulses)
