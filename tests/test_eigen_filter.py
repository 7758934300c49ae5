import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import doppler, eigen_filter
from ultrasound_console.dsp.arrays import pack_ensemble

SHAPE = (40, 50)


def tones(frequency, n_pulses):
    """One tone per pixel: (n_pulses, *frequency.shape)."""
    return np.exp(2j * np.pi * frequency * np.arange(n_pulses)[:, None, None])


def random_complex(rng, shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def scene(n_pulses, *, blood, tissue_frequency=0.0, blood_db=-30.0, noise_db=-60.0, seed=0):
    """Tissue everywhere, blood in the middle: packed samples and the mask of the blood."""
    rng = np.random.default_rng(seed)
    tissue = random_complex(rng, SHAPE) * tones(np.full(SHAPE, tissue_frequency), n_pulses)
    vessel = np.zeros(SHAPE, bool)
    vessel[10:30, 5:45] = True
    level, noise = (10 ** (db / 20) for db in (blood_db, noise_db))
    flow = level * random_complex(rng, SHAPE) * tones(np.broadcast_to(blood, SHAPE), n_pulses)
    iq = tissue + np.where(vessel, flow, 0.0) + noise * random_complex(rng, (n_pulses, *SHAPE))
    return pack_ensemble(iq), vessel


@settings(max_examples=20, deadline=None)
@given(
    n_pulses=st.integers(2, 64),
    n_depths=st.integers(1, 25),
    n_lines=st.integers(1, 25),
    seed=st.integers(0, 99),
)
def test_correlation_kernel_is_the_reference(n_pulses, n_depths, n_lines, seed):
    rng = np.random.default_rng(seed)
    packed = pack_ensemble(random_complex(rng, (n_pulses, n_depths, n_lines)))
    fast = eigen_filter.correlation(packed, n_pulses)
    reference = eigen_filter.correlation(packed.astype(np.float64), n_pulses)
    np.testing.assert_allclose(fast, reference, atol=2e-5)
    np.testing.assert_allclose(reference, reference.conj().T, atol=1e-12)
    # The definition, in one corner.
    signal = packed[..., 0, :].astype(np.float64) + 1j * packed[..., 1, :]
    expected = np.mean(signal[..., 0] * signal[..., 1].conj())
    assert reference[0, 1] == pytest.approx(expected)


def test_mean_frequency_of_tones_and_of_flow_in_both_directions():
    frequency = np.array([0.0, 0.03, -0.03, 0.2, -0.4])
    vectors = np.exp(2j * np.pi * frequency * np.arange(64)[:, None])
    np.testing.assert_allclose(eigen_filter.mean_frequency(vectors), np.abs(frequency), atol=1e-7)
    both = (vectors[:, 3:4] + vectors[:, 3:4].conj()).astype(complex)
    assert eigen_filter.mean_frequency(both) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("n_pulses", [8, 12, 32])
@pytest.mark.parametrize("velocity", [0.5, -0.8])
def test_blood_30_db_under_still_tissue_is_separated(n_pulses, velocity):
    packed, vessel = scene(n_pulses, blood=velocity / 2)
    maps = doppler.estimate(packed, n_pulses, "svd-medium", (1.0, 1.0))
    np.testing.assert_allclose(maps.velocity[vessel], velocity, atol=0.1)
    assert abs(np.median(maps.velocity[vessel]) - velocity) < 0.01
    # Blood keeps its level, tissue falls to that of the noise.
    blood_db = 10 * np.log10(np.mean(maps.power[vessel]) / 2)
    assert blood_db == pytest.approx(-30.0, abs=1.0)
    assert 10 * np.log10(np.mean(maps.power[~vessel]) / 2) < -55.0


def test_moving_tissue_is_removed_where_a_polynomial_fails():
    # Tissue at 0.05 PRF lies inside the cut-off, but not deep in the polynomial's stop band.
    n_pulses = 12
    packed, vessel = scene(n_pulses, blood=0.25, tissue_frequency=0.05)
    adaptive = doppler.estimate(packed, n_pulses, "svd-medium", (1.0, 1.0))
    fixed = doppler.estimate(packed, n_pulses, "polynomial-1", (1.0, 1.0))
    np.testing.assert_allclose(np.median(adaptive.velocity[vessel]), 0.5, atol=0.02)
    assert np.mean(adaptive.power[~vessel]) < 1e-3 * np.mean(fixed.power[~vessel])
    # With a lower cut-off the same tissue counts as flow.
    low = doppler.estimate(packed, n_pulses, "svd-low", (1.0, 1.0))
    assert np.median(low.velocity[~vessel]) == pytest.approx(0.1, abs=0.01)


def test_flow_in_both_directions_is_kept():
    # A vortex has a real correlation matrix: each eigenvector holds both directions.
    blood = np.where(np.arange(SHAPE[1]) < SHAPE[1] // 2, 0.2, -0.2)
    packed, vessel = scene(16, blood=blood, noise_db=-80.0)
    maps = doppler.estimate(packed, 16, "svd-medium", (1.0, 1.0))
    expected = np.broadcast_to(2 * blood, SHAPE)
    np.testing.assert_allclose(maps.velocity[vessel], expected[vessel], atol=0.05)


@pytest.mark.parametrize(("cutoff", "rank"), [(0.01, 0), (0.045, 1), (0.08, 2), (0.16, 3)])
def test_mean_frequency_sets_the_rank(cutoff, rank):
    # Orthogonal tones of a 32-pulse ensemble at 0.03, 0.06 and 0.12 PRF, and one of flow.
    n_pulses = 32
    frequency = np.array([1, 2, 4, 9]) / n_pulses
    vectors = np.exp(2j * np.pi * frequency * np.arange(n_pulses)[:, None])
    noise = eigen_filter.projection(vectors @ vectors.conj().T, 0.5)
    matrix = (vectors * [3.0, 8.0, 2.0, 1.0]) @ vectors.conj().T + 1e-6 * noise
    projection = eigen_filter.projection(matrix, cutoff)
    left = np.linalg.norm(projection @ vectors, axis=0) / np.sqrt(n_pulses)
    np.testing.assert_allclose(left, [1.0 if k >= rank else 0.0 for k in range(4)], atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(n_pulses=st.integers(3, 40), cutoff=st.floats(0.0, 0.5), seed=st.integers(0, 99))
def test_filter_is_a_projection_that_leaves_two_dimensions(n_pulses, cutoff, seed):
    signal = random_complex(np.random.default_rng(seed), (n_pulses, 50))
    projection = eigen_filter.projection(signal @ signal.conj().T, cutoff)
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-10)
    np.testing.assert_allclose(projection, projection.conj().T, atol=1e-12)
    assert np.trace(projection).real > 1.999


def test_the_strongest_tissue_goes_first_when_all_is_slow():
    # Everything is below a cut-off of v_N: two dimensions stay, and they are the weakest.
    signal = random_complex(np.random.default_rng(0), (6, 200))
    matrix = signal @ signal.conj().T
    values, vectors = np.linalg.eigh(matrix)
    kept = vectors[:, :2] @ vectors[:, :2].conj().T
    np.testing.assert_allclose(eigen_filter.projection(matrix, 0.5), kept, atol=1e-10)
    assert values[0] < values[-1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_no_signal_is_left_alone(kind):
    packed = np.zeros((6, 7, 2, 16), kind)
    np.testing.assert_array_equal(
        eigen_filter.projection(eigen_filter.correlation(packed, 12), 0.1), np.eye(12)
    )
    maps = doppler.estimate(packed, 12, "svd-high", (1.0, 1.0))
    for plane in (maps.velocity, maps.power, maps.bandwidth):
        assert not plane.any()


def test_samples_that_are_not_finite_stay_visible():
    packed, _ = scene(12, blood=0.2)
    packed[3, 4, 0, 5] = np.nan
    power = doppler.estimate(packed, 12, "svd-high", (1.0, 1.0)).power
    np.testing.assert_array_equal(np.argwhere(np.isnan(power)), [[3, 4]])


@pytest.mark.parametrize("scale", [1e-12, 1e15])
def test_level_does_not_matter(scale):
    packed, _ = scene(12, blood=0.2)
    quiet = doppler.estimate(packed, 12, "svd-medium", (1.0, 1.0))
    other = doppler.estimate(packed * np.float32(scale), 12, "svd-medium", (1.0, 1.0))
    np.testing.assert_allclose(other.power, quiet.power * scale**2, rtol=1e-2)


@settings(max_examples=20, deadline=None)
@given(n_pulses=st.integers(3, 40), n_depths=st.integers(1, 9), n_lines=st.integers(1, 30))
def test_complex_filter_kernel_is_the_reference(n_pulses, n_depths, n_lines):
    rng = np.random.default_rng(n_pulses)
    packed = pack_ensemble(
        random_complex(rng, (n_pulses, n_depths, n_lines))
        + 10 * tones(np.array([[0.02]]), n_pulses)
    )
    fast = doppler.autocorrelate(packed, n_pulses, "svd-medium")
    reference = doppler.autocorrelate(packed.astype(np.float64), n_pulses, "svd-medium")
    assert fast.dtype == np.float32
    # To the rounding of the tissue's amplitude, 10, and its power.
    np.testing.assert_allclose(fast, reference, rtol=1e-4, atol=1e-4)
