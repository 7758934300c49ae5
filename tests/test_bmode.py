import numpy as np
import pytest

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
    assert bmode.reference_db(power) == pytest.approx(20.0, abs=1e-4)


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
