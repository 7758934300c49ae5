import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.geometry import (
    ImageGrid,
    Probe,
    nyquist_velocity_m_s,
    plane_wave_velocity_m_s,
)


def grids():
    parallel = st.builds(
        lambda angle, nd, nl: ImageGrid(
            "parallel", nd, nl, (-0.015, 0.018), (0.002, 0.04), angle_rad=angle
        ),
        st.floats(-0.35, 0.35),
        st.integers(2, 40),
        st.integers(2, 40),
    )
    polar = st.builds(
        lambda apex, nd, nl: ImageGrid(
            "polar", nd, nl, (-0.6, 0.7), (0.04, 0.12), apex_m=(0.001, apex)
        ),
        st.floats(-0.06, 0.0),
        st.integers(2, 40),
        st.integers(2, 40),
    )
    return parallel | polar


@given(grids())
def test_indices_invert_positions(grid):
    row, column = grid.indices(*grid.positions_m())
    np.testing.assert_allclose(
        row, np.broadcast_to(np.arange(grid.n_depths)[:, None], grid.shape), atol=1e-6
    )
    np.testing.assert_allclose(
        column, np.broadcast_to(np.arange(grid.n_lines), grid.shape), atol=1e-6
    )


def test_sheared_grid_follows_its_lines():
    angle = math.radians(15)
    grid = ImageGrid("parallel", 3, 2, (0.0, 0.01), (0.01, 0.03), angle_rad=angle)
    x_m, z_m = grid.positions_m()
    np.testing.assert_allclose(z_m[:, 0], [0.01, 0.02, 0.03])
    # A line that starts at x = 0 runs along x = z tan(angle).
    np.testing.assert_allclose(x_m[:, 0], z_m[:, 0] * math.tan(angle))
    np.testing.assert_allclose(x_m[:, 1] - x_m[:, 0], 0.01)


def test_polar_grid_keeps_its_distance_from_the_apex():
    grid = ImageGrid("polar", 5, 7, (-0.5, 0.5), (0.04, 0.1), apex_m=(0.002, -0.04))
    x_m, z_m = grid.positions_m()
    distance = np.hypot(x_m - 0.002, z_m + 0.04)
    np.testing.assert_allclose(
        distance, np.broadcast_to(grid.range_positions_m[:, None], grid.shape)
    )
    assert z_m[0, 3] == pytest.approx(0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"n_lines": 1},
        {"range_m": (0.03, 0.03)},
        {"lines": (0.0, math.nan)},
        {"angle_rad": math.inf},
    ],
)
def test_a_grid_without_extent_is_refused(change):
    good = {
        "kind": "parallel",
        "n_depths": 4,
        "n_lines": 4,
        "lines": (0.0, 0.01),
        "range_m": (0.0, 0.02),
    }
    ImageGrid(**good)
    with pytest.raises(ValueError, match="grid"):
        ImageGrid(**(good | change))


def test_contains_has_half_a_sample_of_margin():
    grid = ImageGrid("parallel", 11, 11, (0.0, 0.01), (0.0, 0.01))
    assert grid.contains(0.0104, 0.005)
    assert not grid.contains(0.0106, 0.005)


def test_linear_probe_is_centred():
    probe = Probe.linear("test", 128, 0.3e-3, 5e6)
    assert probe.element_x_m[0] == -probe.element_x_m[-1] == pytest.approx(-63.5 * 0.3e-3)
    assert probe.pitch_m == pytest.approx(0.3e-3)
    assert hash(probe) == hash(Probe.linear("test", 128, 0.3e-3, 5e6))


def test_probe_refuses_positions_that_are_not_numbers():
    with pytest.raises(ValueError, match="finite"):
        Probe("bad", (0.0, math.nan), (0.0, 0.0), 1e-4, 5e6, 0.6)


def test_nyquist_velocity():
    # 1480 x 10 kHz / (4 x 5 MHz), the rotating disc of the recordings.
    assert nyquist_velocity_m_s(10e3, 5e6, 1480.0) == pytest.approx(0.74)


def test_flow_towards_the_probe_is_positive():
    assert plane_wave_velocity_m_s(0.0, -1.0, 0.0, 0.0) == pytest.approx(1.0)
    angle = math.radians(20)
    along_beam = (-math.sin(angle), -math.cos(angle))
    assert plane_wave_velocity_m_s(*along_beam, angle, angle) == pytest.approx(1.0)
    # Steered on transmit only, the same blood measures (1 + cos 20 deg) / 2.
    expected = (1.0 + math.cos(angle)) / 2.0
    assert plane_wave_velocity_m_s(*along_beam, angle, 0.0) == pytest.approx(expected)
