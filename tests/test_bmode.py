import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ultrasound_console.dsp import bmode
from ultrasound_console.dsp.arrays import pack_ensemble


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n_pulses", [5, 16, 40])
def test_mean_power_over_the_ensemble(kind, n_pulses):
    rng = np.random.default_rng(0)
    iq = rng.normal(size=(n_pulses, 6, 7)) + 1j * rng.normal(size=(n_pulses, 6, 7))
    power = bmode.mean_power(pack_ensemble(iq, dtype=kind), n_pulses)
    assert power.dtype == kind
    np.testing.assert_allclose(power, np.mean(np.abs(iq) ** 2, axis=0), rtol=1e-5)


def test_decibels_against_a_reference():
    power = np.array([[1e6, 1e3, 1.0, 0.0]], np.float32)
    np.testing.assert_allclose(bmode.to_db(power, 60.0, -50.0), [[0.0, -30.0, -50.0, -50.0]])
    assert bmode.to_db(power, 60.0).dtype == np.float32


@pytest.mark.parametrize("reference_db", [-200.0, -350.0, 0.0, 300.0])
def test_decibels_are_finite(reference_db):
    power = np.array([[0.0, 1e-38, 1.0, 3e38]], np.float32)
    decibels = bmode.to_db(power, reference_db)
    assert np.all(np.isfinite(decibels))
    assert np.all(decibels >= bmode.FLOOR_DB)


def test_reference_is_deaf_to_a_glint():
    power = np.full((200, 100), 100.0, np.float32)
    power[::20, ::20] = 1e9
    # The level is 20 dB, with 10 dB of room above it.
    assert bmode.reference_db(power) == pytest.approx(30.0, abs=1e-4)


def test_level_is_the_percentile_of_what_has_power():
    rng = np.random.default_rng(1)
    power = rng.exponential(size=(256, 192)).astype(np.float32)
    power[:, :60] = 0.0
    level_db = bmode.level_db(power, 5.0)
    assert level_db == pytest.approx(10 * np.log10(-np.log(0.95)), abs=0.3)


def test_no_power_has_no_level():
    assert bmode.level_db(np.zeros((5, 5), np.float32), 5.0) is None
    lonely = np.zeros((5, 5), np.float32)
    lonely[2, 2] = 10.0
    assert bmode.level_db(lonely, 5.0) == pytest.approx(10.0)


@pytest.mark.parametrize("reference_db", [-40.0, 0.0, 63.0])
def test_power_comes_back_from_decibels(reference_db):
    power = 10 ** np.random.default_rng(4).uniform(-2, 5, (20, 30)).astype(np.float32)
    level_db = bmode.to_db(power, reference_db)
    np.testing.assert_allclose(bmode.from_db(level_db, reference_db), power, rtol=1e-4)
    # Nothing reads as the floor.
    level_db = bmode.to_db(np.zeros((2, 2), np.float32), reference_db, -30.0)
    expected = 10 ** ((reference_db - 30.0) / 10)
    np.testing.assert_allclose(bmode.from_db(level_db, reference_db), expected, rtol=1e-4)


# Speckle

WINDOW = (4, 4)


def speckle_db(shape, seed=0):
    """Fully developed speckle of a mean power of 0 dB, with cells of a few samples."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(2, *shape)), (0, 1.0, 1.3))
    power = np.sum(field**2, axis=0)
    return 10 * np.log10(power / power.mean())


def snr(level_db):
    """Mean over standard deviation of the envelope: 1.91 for speckle of one look."""
    envelope = 10 ** (level_db / 20)
    return envelope.mean() / envelope.std()


def test_the_spread_of_speckle_is_that_of_theory():
    assert pytest.approx(5.570, abs=1e-3) == bmode.SPECKLE_DB
    assert np.std(speckle_db((400, 400))) == pytest.approx(bmode.SPECKLE_DB, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(
    n_depths=st.integers(2, 30),
    n_lines=st.integers(2, 30),
    half=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    strength=st.floats(0.0, 1.0),
)
def test_smoothing_kernel_is_the_reference(n_depths, n_lines, half, strength):
    level_db = speckle_db((n_depths, n_lines), n_lines) - 30.0
    level_db[n_depths // 2 :] += 25.0
    fast = bmode.despeckle(level_db.astype(np.float32), half, strength)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, bmode.despeckle(level_db, half, strength), atol=2e-3)


def test_speckle_becomes_smoother_and_keeps_its_level():
    level_db = speckle_db((256, 192)).astype(np.float32)
    assert snr(level_db) == pytest.approx(1.91, rel=0.03)
    half, whole = (bmode.despeckle(level_db, WINDOW, strength) for strength in (0.5, 1.0))
    assert 1.3 * snr(level_db) < snr(half) < snr(whole)
    assert snr(whole) > 2.5 * snr(level_db)
    assert np.mean(whole) == pytest.approx(np.mean(level_db), abs=0.3)
    np.testing.assert_array_equal(bmode.despeckle(level_db, WINDOW, 0.0), level_db)


def test_an_edge_keeps_its_place_and_its_contrast():
    level_db = speckle_db((256, 192), 5).astype(np.float32)
    level_db[:, 96:] += 15.0
    smoothed = bmode.despeckle(level_db, WINDOW, 1.0)

    def contrast(picture):
        return picture[:, 110:].mean() - picture[:, :82].mean()

    def edge(picture):
        profile = picture.mean(axis=0)
        middle = 0.5 * (profile[:82].mean() + profile[110:].mean())
        at = int(np.argmax(profile > middle))
        return at - (profile[at] - middle) / (profile[at] - profile[at - 1])

    assert abs(contrast(smoothed) - contrast(level_db)) < 0.5
    assert abs(edge(smoothed) - edge(level_db)) < 0.5


def test_a_bright_point_keeps_its_peak():
    level_db = speckle_db((64, 64), 6)
    depth, line = np.mgrid[:64, :64] - 32
    point_db = 30.0 - 4.3 * (depth**2 / 1.0**2 + line**2 / 1.3**2)
    level_db = np.maximum(level_db, point_db).astype(np.float32)
    smoothed = bmode.despeckle(level_db, WINDOW, 1.0)
    assert smoothed[32, 32] == pytest.approx(30.0, abs=0.01)
    assert np.argmax(smoothed) == 32 * 64 + 32
