import numpy as np
import pytest
from echoes import relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, lfilter

from ultrasound_console.dsp import doppler, wall_filter
from ultrasound_console.dsp.arrays import pack_ensemble, unpack_ensemble
from ultrasound_console.settings.processing import WALL_FILTERS

POLYNOMIALS = ("polynomial-0", "polynomial-1", "polynomial-2", "polynomial-3")
IIR = ("iir-low", "iir-medium", "iir-high")
FIXED = (*POLYNOMIALS, "low", "medium", "high", *IIR)
ADAPTIVE = ("svd-low", "svd-medium", "svd-high")


def tone(frequency, n_pulses):
    return np.exp(2j * np.pi * frequency * np.arange(n_pulses))


def test_settings_offer_every_filter():
    assert set(WALL_FILTERS) == {"none", *FIXED, *ADAPTIVE}
    assert [wall_filter.is_adaptive(kind) for kind in WALL_FILTERS] == [
        kind in ADAPTIVE for kind in WALL_FILTERS
    ]


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


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("n_pulses", [8, 12, 16, 32])
def test_frequency_response(kind, n_pulses):
    cutoff = wall_filter.cutoff(kind, n_pulses)
    frequency = np.linspace(0.0, cutoff, 50)
    response = wall_filter.frequency_response(kind, n_pulses, frequency)
    assert response[0] == pytest.approx(0.0, abs=1e-12)
    assert np.all(np.diff(response) > -1e-12)
    assert response[-1] == pytest.approx(0.5, abs=1e-3)
    passed = np.linspace(min(0.45, 2.5 * cutoff), 0.5, 50)
    response = wall_filter.frequency_response(kind, n_pulses, passed)
    # Short ensembles lose up to a dB at v_N, and recursive filters have no ripple above 1.
    assert 10 * np.log10(response.min()) > -1.6
    assert response.max() < 1.0 + 1e-9
    np.testing.assert_allclose(
        wall_filter.frequency_response(kind, n_pulses, -passed), response, rtol=1e-9
    )
    # The response is the power that a tone keeps.
    kept = wall_filter.projection(kind, n_pulses) @ tone(0.13, n_pulses)
    expected = np.mean(np.abs(kept) ** 2)
    assert wall_filter.frequency_response(kind, n_pulses, 0.13) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "stop_db"),
    [
        ("polynomial-0", -27),
        ("polynomial-1", -61),
        ("polynomial-2", -99),
        ("polynomial-3", -140),
        ("iir-low", -27),
        ("iir-medium", -61),
        ("iir-high", -140),
    ],
)
def test_stop_band_depth(kind, stop_db):
    # Tissue at 0.002 PRF: 0.7 mm/s at v_N = 18 cm/s.
    response = wall_filter.frequency_response(kind, 12, 0.002)
    assert 10 * np.log10(response) < stop_db


@pytest.mark.parametrize("n_pulses", [8, 12, 32])
def test_cutoff_is_where_half_the_power_passes(n_pulses):
    for family in (("none", *POLYNOMIALS), ("low", "medium", "high"), IIR):
        cutoffs = [wall_filter.cutoff(kind, n_pulses) for kind in family]
        assert cutoffs == sorted(set(cutoffs))
    # Longer ensembles separate slower flow from tissue.
    short, long = (wall_filter.cutoff("polynomial-1", n) for n in (n_pulses, 2 * n_pulses))
    assert long < 0.6 * short


@pytest.mark.parametrize("n_pulses", [12, 16, 32, 64])
@pytest.mark.parametrize("strength", wall_filter.STRENGTHS)
def test_strengths_keep_their_cutoff_at_any_ensemble(strength, n_pulses):
    requested = wall_filter.STRENGTHS[strength]
    assert wall_filter.cutoff(f"iir-{strength}", n_pulses) == pytest.approx(requested, abs=2e-4)
    achieved = wall_filter.cutoff(strength, n_pulses)
    assert 1 / 1.4 < achieved / requested < 1.4


@settings(max_examples=15, deadline=None)
@given(requested=st.floats(1e-3, 0.5), n_pulses=st.integers(3, 14))
def test_nearest_order(requested, n_pulses):
    kind = wall_filter.nearest(requested, n_pulses)
    kinds = [f"polynomial-{order}" for order in range(n_pulses - 2)]
    ratios = [abs(np.log(wall_filter.cutoff(k, n_pulses) / requested)) for k in kinds]
    assert kind == kinds[int(np.argmin(ratios))]


def test_presets_of_twelve_pulses():
    orders = [wall_filter.nearest(value, 12) for value in wall_filter.STRENGTHS.values()]
    assert orders == ["polynomial-0", "polynomial-1", "polynomial-3"]
    for preset, order in zip(wall_filter.STRENGTHS, orders, strict=True):
        np.testing.assert_array_equal(
            wall_filter.projection(preset, 12), wall_filter.projection(order, 12)
        )


def test_nearest_to_nothing_is_no_filter():
    assert wall_filter.nearest(0.0, 12) == "none"
    assert wall_filter.nearest(0.1, 2) == "none"
    for bad in (-0.1, 0.6, float("nan")):
        with pytest.raises(ValueError, match="outside"):
            wall_filter.nearest(bad, 12)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("design", [0.03, 0.12])
def test_initialised_iir_is_the_recursion_from_its_initial_state(order, design):
    n_pulses = 16
    rng = np.random.default_rng(order)
    x = rng.normal(size=n_pulses) + 3.0
    b, a = butter(order, 2 * design, "highpass")
    # The state that leaves the least energy, found by least squares over the recursion itself.
    at_rest = lfilter(b, a, x)
    states = np.stack([lfilter(b, a, x, zi=state)[0] - at_rest for state in np.eye(order)], axis=1)
    state, *_ = np.linalg.lstsq(states, -at_rest, rcond=None)
    expected, _ = lfilter(b, a, x, zi=state)
    matrix = wall_filter.iir_matrix(order, design, n_pulses)
    np.testing.assert_allclose(matrix @ x, expected, atol=1e-9)
    # Step: as if the first sample had always been there.
    expected = lfilter(b, a, np.concatenate([np.full(4000, x[0]), x]))[4000:]
    matrix = wall_filter.iir_matrix(order, design, n_pulses, "step")
    np.testing.assert_allclose(matrix @ x, expected, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_projection_initialisation_removes_more_than_the_step(order):
    n_pulses = 12
    projected, step = (
        wall_filter.iir_matrix(order, 0.08, n_pulses, how) for how in ("projection", "step")
    )
    at_rest = lfilter(*butter(order, 0.16, "highpass"), np.eye(n_pulses), axis=0)
    still, slow = np.ones(n_pulses), tone(0.005, n_pulses)
    assert np.abs(projected @ still).max() < 1e-9
    assert np.abs(step @ still).max() < 1e-9
    assert np.linalg.norm(at_rest @ still) > 0.5  # without initialisation
    assert np.linalg.norm(projected @ slow) < 1.001 * np.linalg.norm(step @ slow)
    # All its zeros lie at zero frequency: it takes the polynomials below its order.
    time = np.arange(n_pulses) / n_pulses
    for power in range(order):
        assert np.abs(projected @ time**power).max() < 1e-7
    assert np.linalg.matrix_rank(projected, 1e-7) == n_pulses - order


@pytest.mark.parametrize("bandwidth", [0.0, 0.03])
@pytest.mark.parametrize("kind", ["polynomial-0", "polynomial-1", "polynomial-3", "iir-medium"])
def test_velocity_bias_is_what_a_simulation_gives(kind, bandwidth):
    n_pulses = 12
    rng = np.random.default_rng(3)
    for frequency in (-0.45, -0.12, 0.09, 0.3):
        # Blood: many scatterers of their own velocities, through the estimator as it is used.
        scatterers = frequency + bandwidth * rng.normal(size=(40 * 60, 40))
        amplitude = rng.normal(size=scatterers.shape) + 1j * rng.normal(size=scatterers.shape)
        turns = scatterers * np.arange(n_pulses)[:, None, None]
        blood = np.sum(amplitude * np.exp(2j * np.pi * turns), axis=-1)
        packed = pack_ensemble(blood.reshape(n_pulses, 40, 60))
        lags = doppler.autocorrelate(packed, n_pulses, kind).mean(axis=(1, 2), dtype=np.float64)
        bias = np.angle(np.exp(-2j * np.pi * frequency) * (lags[1] + 1j * lags[2])) / np.pi
        expected = wall_filter.velocity_bias(kind, n_pulses, frequency, bandwidth)
        assert bias == pytest.approx(float(expected), abs=1e-5 if bandwidth == 0.0 else 6e-3)


def test_velocity_bias_is_small_in_the_pass_band_and_odd():
    for frequency, limit in ((0.1, 0.1), (0.2, 0.02), (0.4, 0.01)):
        bias = wall_filter.velocity_bias("polynomial-1", 12, [frequency, -frequency])
        assert abs(bias[0]) < limit
        assert bias[0] == pytest.approx(-bias[1])
    np.testing.assert_allclose(
        wall_filter.velocity_bias("none", 12, [0.01, 0.3, -0.49], 0.05), 0.0, atol=1e-12
    )
    # A wide spectrum next to the cut-off loses its slow side: the estimate is too fast.
    assert wall_filter.velocity_bias("polynomial-1", 12, 0.08, 0.04) > 0.05


@pytest.mark.parametrize("kind", ["polynomial-2", "iir-medium"])
def test_apply_works_on_the_ensemble_layout(kind):
    rng = np.random.default_rng(0)
    iq = rng.normal(size=(12, 5, 4)) + 1j * rng.normal(size=(12, 5, 4))
    filtered = wall_filter.apply(pack_ensemble(iq, dtype=np.float64), kind, 12)
    expected = np.tensordot(wall_filter.projection(kind, 12), iq, axes=(1, 0))
    assert relative_error(unpack_ensemble(filtered, 12), expected) < 1e-12
    assert not filtered[..., 12:].any()


@pytest.mark.parametrize(
    ("kind", "n_pulses", "kept"),
    [
        ("polynomial-3", 4, "polynomial-1"),
        ("polynomial-3", 12, "polynomial-3"),
        ("polynomial-0", 2, "none"),
        ("none", 2, "none"),
        ("high", 3, "high"),
        ("high", 2, "none"),
        ("iir-high", 3, "iir-high"),
        ("iir-high", 2, "none"),
        ("svd-high", 3, "svd-high"),
        ("svd-high", 2, "none"),
    ],
)
def test_short_ensembles_take_a_weaker_filter(kind, n_pulses, kept):
    assert wall_filter.strongest(kind, n_pulses) == kept


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(FIXED), n_pulses=st.integers(2, 64))
def test_two_dimensions_are_always_left(kind, n_pulses):
    matrix = wall_filter.projection(wall_filter.strongest(kind, n_pulses), n_pulses)
    assert np.linalg.matrix_rank(matrix, 1e-6) >= 2


def test_impossible_filters_are_named():
    for kind, n_pulses in (("polynomial-3", 4), ("iir-low", 2)):
        with pytest.raises(ValueError, match=f"leaves nothing of {n_pulses} pulses"):
            wall_filter.projection(kind, n_pulses)
    for name in ("butterworth", "polynomial-x", "2", "iir-", "svd-9"):
        with pytest.raises(ValueError, match="unknown wall filter"):
            wall_filter.projection(name, 8)
    with pytest.raises(ValueError, match="depends on the data"):
        wall_filter.frequency_response("svd-low", 8, 0.1)


@settings(max_examples=20, deadline=None)
@given(requested=st.floats(0.005, 0.5), n_pulses=st.sampled_from([4, 7, 12, 16]))
def test_a_requested_cutoff_takes_the_nearest_order(requested, n_pulses):
    kind = wall_filter.in_force("svd-high", requested, n_pulses)
    achieved = wall_filter.cutoff(kind, n_pulses)
    others = (wall_filter.cutoff(f"polynomial-{k}", n_pulses) for k in range(n_pulses - 2))
    nearest = min(others, key=lambda cutoff: abs(np.log(cutoff / requested)))
    assert achieved == nearest


@pytest.mark.parametrize(
    ("kind", "requested", "n_pulses", "expected"),
    [
        ("medium", 0.0, 12, "medium"),
        ("polynomial-3", 0.0, 4, "polynomial-1"),
        ("none", 0.04, 12, "polynomial-0"),
        ("none", 0.9, 4, "polynomial-1"),
        ("medium", 0.1, 2, "none"),
        ("medium", 0.1, 3, "polynomial-0"),
    ],
)
def test_the_filter_in_force(kind, requested, n_pulses, expected):
    assert wall_filter.in_force(kind, requested, n_pulses) == expected
