import numpy as np
import pytest
from echoes import relative_error
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.dsp import wall_filter
from ultrasound_console.dsp.arrays import pack_ensemble, unpack_ensemble
from ultrasound_console.settings import WALL_FILTERS


def tone(frequency, n_pulses):
    return np.exp(2j * np.pi * frequency * np.arange(n_pulses))


@given(order=st.integers(0, 3), n_pulses=st.integers(5, 64))
def test_polynomials_up_to_the_order_are_removed(order, n_pulses):
    matrix = wall_filter.projection(f"polynomial-{order}", n_pulses)
    time = np.arange(n_pulses) / n_pulses
    for power in range(order + 1):
        assert np.abs(matrix @ time**power).max() < 1e-10
    assert np.linalg.norm(matrix @ time ** (order + 1)) > 1e-6
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-12)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.trace(matrix) == pytest.approx(n_pulses - order - 1)


def test_none_changes_nothing():
    np.testing.assert_array_equal(wall_filter.projection("none", 8), np.eye(8))
    assert wall_filter.padded_projection("none", 8).shape[0] == 0
    assert wall_filter.cutoff("none", 8) == 0.0


@pytest.mark.parametrize("kind", WALL_FILTERS[1:])
@pytest.mark.parametrize("n_pulses", [8, 12, 16, 32])
def test_frequency_response(kind, n_pulses):
    response = wall_filter.frequency_response(kind, n_pulses, [0.0, 0.002, 0.5, -0.5])
    assert response[0] == pytest.approx(0.0, abs=1e-12)
    assert 10 * np.log10(response[1]) < -15  # slow tissue
    assert 10 * np.log10(response[2]) > -1  # v_N
    assert response[3] == pytest.approx(response[2])
    # The response is the power that a tone keeps.
    kept = wall_filter.projection(kind, n_pulses) @ tone(0.13, n_pulses)
    expected = np.mean(np.abs(kept) ** 2)
    assert wall_filter.frequency_response(kind, n_pulses, 0.13) == pytest.approx(expected)


@pytest.mark.parametrize("n_pulses", [8, 12, 32])
def test_cutoff_is_where_half_the_power_passes(n_pulses):
    cutoffs = [wall_filter.cutoff(kind, n_pulses) for kind in WALL_FILTERS]
    assert cutoffs == sorted(cutoffs)
    assert len(set(cutoffs)) == len(cutoffs)
    for kind, cutoff in zip(WALL_FILTERS[1:], cutoffs[1:], strict=True):
        assert wall_filter.frequency_response(kind, n_pulses, cutoff) == pytest.approx(
            0.5, abs=1e-3
        )
    # Longer ensembles separate slower flow from tissue.
    assert wall_filter.cutoff("polynomial-1", 2 * n_pulses) < cutoffs[2]


def test_velocity_bias_is_small_in_the_pass_band():
    # A regression filter is not shift invariant, so it pulls the phase of a tone near its edge.
    n_pulses, kind = 12, "polynomial-1"
    for frequency, limit in ((0.1, 0.05), (0.2, 0.01), (0.4, 0.005)):
        passed = wall_filter.projection(kind, n_pulses) @ tone(frequency, n_pulses)
        estimate = np.angle(np.sum(passed[1:] * passed[:-1].conj())) / (2 * np.pi)
        assert abs(estimate - frequency) < limit


def test_apply_works_on_the_ensemble_layout():
    rng = np.random.default_rng(0)
    iq = rng.normal(size=(12, 5, 4)) + 1j * rng.normal(size=(12, 5, 4))
    filtered = wall_filter.apply(pack_ensemble(iq, dtype=np.float64), "polynomial-2", 12)
    expected = np.tensordot(wall_filter.projection("polynomial-2", 12), iq, axes=(1, 0))
    assert relative_error(unpack_ensemble(filtered, 12), expected) < 1e-12
    assert not filtered[..., 12:].any()


@pytest.mark.parametrize(
    ("kind", "n_pulses", "kept"),
    [
        ("polynomial-3", 4, "polynomial-1"),
        ("polynomial-3", 12, "polynomial-3"),
        ("polynomial-0", 2, "none"),
        ("none", 2, "none"),
    ],
)
def test_short_ensembles_take_a_weaker_filter(kind, n_pulses, kept):
    assert wall_filter.strongest(kind, n_pulses) == kept


def test_impossible_filters_are_named():
    with pytest.raises(ValueError, match="leaves nothing of 4 pulses"):
        wall_filter.projection("polynomial-3", 4)
    for name in ("butterworth", "polynomial-x", "2"):
        with pytest.raises(ValueError, match="unknown wall filter"):
            wall_filter.projection(name, 8)
