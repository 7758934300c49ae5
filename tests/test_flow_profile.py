"""Velocities along a line, and the angle between beam and vessel, against closed forms."""

import dataclasses
import math

import numpy as np
import pytest
from frames_for_tests import RECTANGLE, SECTOR, SECTOR_BMODE, SHEARED, make_acquisition, make_frame

from ultrasound_console.frames import Status
from ultrasound_console.geometry import plane_wave_velocity_m_s
from ultrasound_console.ui.tools.flow_profile import longest_run, profile_along
from ultrasound_console.ui.tools.vessel_angle import Axis

GRIDS = {"rectangle": RECTANGLE, "sheared": SHEARED, "polar": SECTOR}


def plain_frame(grid, velocity_m_s, **changes):
    """A frame with flow everywhere and no folds, but for what is changed."""
    bmode = {"bmode_grid": SECTOR_BMODE} if grid.kind == "polar" else {}
    planes = {
        "velocity_m_s": np.asarray(velocity_m_s, np.float32),
        "fold": np.zeros(grid.shape, np.int8),
        "status": np.full(grid.shape, Status.KEPT, np.uint8),
    }
    return dataclasses.replace(make_frame(colour_grid=grid, **bmode), **(planes | changes))


@pytest.mark.parametrize("name", GRIDS)
def test_between_samples_it_is_exact_for_a_plane_of_the_grid(name):
    grid = GRIDS[name]
    rows, columns = np.indices(grid.shape)
    velocity = 0.001 * rows - 0.0007 * columns
    x_m, z_m = grid.positions_m(np.array([20.3, 110.8]), np.array([70.2, 30.9]))
    start_m, end_m = (x_m[0], z_m[0]), (x_m[1], z_m[1])
    profile = profile_along(plain_frame(grid, velocity), start_m, end_m)
    assert profile.distance_m[-1] == pytest.approx(math.dist(start_m, end_m))
    share = profile.distance_m / profile.distance_m[-1]
    at_x = start_m[0] + share * (end_m[0] - start_m[0])
    at_z = start_m[1] + share * (end_m[1] - start_m[1])
    row, column = grid.indices(at_x, at_z)
    assert profile.raw_m_s == pytest.approx(0.001 * row - 0.0007 * column, abs=1e-7)
    assert profile.diameter_m == pytest.approx(profile.distance_m[-1], rel=0.02)


@pytest.mark.parametrize("found", [True, False])
def test_no_mean_is_taken_over_a_fold_whether_it_was_found_or_not(found):
    frame = plain_frame(RECTANGLE, np.zeros(RECTANGLE.shape))
    nyquist = frame.nyquist_velocity_m_s
    true = np.linspace(0.5, 1.5, RECTANGLE.n_depths)[:, None] * nyquist
    true = np.broadcast_to(true, RECTANGLE.shape)
    fold = (true > nyquist).astype(np.int8)
    frame = plain_frame(
        RECTANGLE,
        true - 2 * nyquist * fold,
        fold=fold if found else np.zeros_like(fold),
        status=np.full(fold.shape, Status.CORRECTED if found else Status.ABSTAINED, np.uint8),
    )
    _, z_m = RECTANGLE.positions_m(np.array([3.0, 150.0]), np.array([70.0, 70.0]))
    profile = profile_along(frame, (0.0, z_m[0]), (0.0, z_m[1]))
    step = nyquist / (RECTANGLE.n_depths - 1)
    # Whoever averages over the fold comes near zero.
    assert np.abs(profile.raw_m_s).min() > 0.5 * nyquist
    if found:
        expected = np.interp(profile.distance_m + z_m[0], RECTANGLE.range_positions_m, true[:, 0])
        assert np.abs(profile.corrected_m_s - expected).max() <= 0.51 * step + 1e-7
    else:
        assert np.array_equal(profile.corrected_m_s, profile.raw_m_s)
    assert profile.is_corrected is found
    assert profile.nyquist_m_s == nyquist


def test_neither_is_one_taken_over_the_edge_of_a_fold_that_measures_alike():
    nyquist = make_acquisition().nyquist_velocity_m_s
    fold = np.zeros(RECTANGLE.shape, np.int8)
    fold[80:] = 1
    frame = plain_frame(RECTANGLE, np.full(RECTANGLE.shape, 0.3 * nyquist), fold=fold)
    profile = profile_along(frame, (-0.003, 0.008), (0.003, 0.028))
    assert profile.raw_m_s == pytest.approx(0.3 * nyquist)
    n = profile.corrected_m_s / nyquist
    assert np.all(np.isclose(n, 0.3) | np.isclose(n, 2.3))


def test_without_flow_and_beside_the_box_there_is_nothing():
    status = np.full(RECTANGLE.shape, Status.KEPT, np.uint8)
    status[40:60] = Status.NO_FLOW
    status[100:102] = Status.NO_FLOW
    frame = plain_frame(RECTANGLE, np.full(RECTANGLE.shape, 0.1), status=status)
    depths_m = RECTANGLE.range_positions_m
    profile = profile_along(frame, (0.0, 0.0), (0.0, 0.04))
    there = np.isfinite(profile.raw_m_s)
    half_m = 0.5 * RECTANGLE.range_step_m
    z_m = profile.distance_m
    inside = (z_m > depths_m[0] - half_m) & (z_m < depths_m[-1] + half_m)
    for first, last in ((40, 59), (100, 101)):
        inside &= (z_m < depths_m[first] - half_m) | (z_m > depths_m[last] + half_m)
    assert (there != inside).sum() <= 6  # places half-way between two samples
    # The longest stretch is from row 102 to the end of the box.
    assert profile.diameter_m == pytest.approx(58 * RECTANGLE.range_step_m, abs=2 * half_m)
    nothing = profile_along(frame, (0.1, 0.0), (0.1, 0.04))
    assert nothing.diameter_m == 0.0
    assert math.isnan(nothing.peak_m_s(corrected=True))
    assert math.isnan(nothing.mean_m_s(corrected=False))


def test_the_local_frequency_counts():
    frame = plain_frame(RECTANGLE, np.full(RECTANGLE.shape, 0.1))
    factor = np.full(RECTANGLE.shape, 1.1, np.float32)
    local = dataclasses.replace(frame, frequency_factor=factor)
    profile = profile_along(local, (-0.005, 0.01), (0.005, 0.02))
    assert profile.raw_m_s == pytest.approx(0.11, rel=1e-6)


def test_figures_are_those_of_the_longest_stretch():
    assert longest_run(np.array([1, 0, 1, 1, 0, 1, 1], bool)) == slice(2, 4)
    assert longest_run(np.zeros(4, bool)) == slice(0, 0)
    assert longest_run(np.ones(3, bool)) == slice(0, 3)
    velocity = np.full(RECTANGLE.shape, 0.05)
    velocity[:30] = -0.15  # of the short stretch, which does not count
    velocity[90] = -0.09
    status = np.full(RECTANGLE.shape, Status.KEPT, np.uint8)
    status[30:40] = Status.NO_FLOW
    frame = plain_frame(RECTANGLE, velocity, status=status)
    profile = profile_along(frame, (0.0, 0.006), (0.0, 0.03))
    assert profile.peak_m_s(corrected=True) == pytest.approx(-0.09, abs=1e-3)
    assert 0.04 < profile.mean_m_s(corrected=True) < 0.05


# ---- the angle -----------------------------------------------------------------------------


@pytest.mark.parametrize(("transmit_deg", "receive_deg"), [(0, 0), (15, 15), (10, 0), (-12, 5)])
@pytest.mark.parametrize("direction_deg", [5, 60, 100, -40])
def test_divided_by_the_cosine_is_the_velocity_along_the_vessel(
    transmit_deg, receive_deg, direction_deg
):
    transmit_rad, receive_rad = math.radians(transmit_deg), math.radians(receive_deg)
    acquisition = dataclasses.replace(
        make_acquisition(colour_grid=RECTANGLE),
        transmit_angle_rad=transmit_rad,
        receive_angle_rad=receive_rad,
    )
    direction = math.radians(direction_deg)
    speed = 0.37
    vx, vz = speed * math.sin(direction), speed * math.cos(direction)
    measured = plane_wave_velocity_m_s(vx, vz, transmit_rad, receive_rad)
    angle_rad = Axis(0.002, 0.02, direction).angle_rad(acquisition)
    assert abs(measured) / math.cos(angle_rad) == pytest.approx(speed)
    assert 0.0 <= angle_rad <= math.pi / 2


def test_in_a_sector_the_beam_comes_back_along_the_scan_lines():
    acquisition = dataclasses.replace(
        make_acquisition(colour_grid=SECTOR), transmit_angle_rad=0.0, receive_angle_rad=0.0
    )
    line_rad = 0.3
    x_m, z_m = 0.09 * math.sin(line_rad), -0.03 + 0.09 * math.cos(line_rad)
    across = Axis(x_m, z_m, 0.5 * line_rad + math.pi / 2)  # of the mean of both directions
    assert across.angle_rad(acquisition) == pytest.approx(math.pi / 2)
    along = Axis(x_m, z_m, 0.5 * line_rad)
    assert math.cos(along.angle_rad(acquisition)) == pytest.approx(math.cos(0.5 * line_rad))


@pytest.mark.parametrize("angle_deg", [0, 20, 45, 79])
@pytest.mark.parametrize("direction_deg", [-50, 16, 80])
def test_an_axis_turns_to_an_angle_the_short_way(angle_deg, direction_deg):
    acquisition = make_acquisition(colour_grid=SHEARED)  # steered by 15 degrees
    axis = Axis(0.0, 0.02, math.radians(direction_deg))
    turned = axis.turned(math.radians(angle_deg), acquisition)
    assert turned.angle_rad(acquisition) == pytest.approx(math.radians(angle_deg), abs=1e-7)
    by_deg = abs(math.remainder(math.degrees(turned.direction_rad) - direction_deg, 180))
    to_deg = [abs(math.remainder(15 + s * angle_deg - direction_deg, 180)) for s in (-1, 1)]
    assert by_deg == pytest.approx(min(to_deg), abs=1e-6)
