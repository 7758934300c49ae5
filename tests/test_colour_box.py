"""The colour box: where it may lie, what sources make of it, and what a change of it costs."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import samples, write_must

from ultrasound_console.colour_box import LIMITED, SIDES, SMALLEST_M, ColourBox
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.presets import Preset
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings, Settings
from ultrasound_console.simulation import SCENES, plan
from ultrasound_console.sources.recording import RecordingSource
from ultrasound_console.sources.simulated import SimulatedSource

PICTURE = ImageGrid("parallel", 256, 192, (-0.019, 0.019), (0.001, 0.045))
SECTOR = ImageGrid("polar", 256, 200, (-0.5, 0.6), (41e-3, 0.12), apex_m=(0.0, -0.04))
TUBE = SCENES["straight-tube"]
# Five frames of four pulses in a cycle of one second.
QUICK = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)
BOX = {"box_left_m": -0.006, "box_right_m": 0.005, "box_top_m": 0.012, "box_bottom_m": 0.022}
TIMEOUT_S = 30.0

angles = st.floats(math.radians(-20), math.radians(20))
across = st.floats(-0.04, 0.04)
depths = st.floats(0.0, 0.1)


def numbers(box):
    return box.left_m, box.right_m, box.top_m, box.bottom_m, box.steering_rad


def ends(box):
    """Lateral range of the box's scan lines at its top and bottom."""
    (x0, _), (x1, _), (x2, _), (x3, _) = box.corners_m
    return x0, x1, x2, x3


@given(across, across, depths, depths, angles)
def test_a_box_stays_inside_the_picture_and_keeps_its_least_size(left, right, top, bottom, angle):
    box = ColourBox(left, right, top, bottom, angle).inside(PICTURE)
    assert box.steering_rad == angle
    assert PICTURE.range_m[0] - 1e-9 <= box.top_m <= box.bottom_m - SMALLEST_M + 1e-9
    assert box.bottom_m <= PICTURE.range_m[1] + 1e-9
    assert box.right_m - box.left_m >= SMALLEST_M - 1e-9
    for x_m in (*ends(box), *box.lines):
        assert PICTURE.lines[0] - 1e-9 <= x_m <= PICTURE.lines[1] + 1e-9


@given(across, across, depths, depths, angles)
def test_cutting_off_twice_cuts_off_no_more(left, right, top, bottom, angle):
    once = ColourBox(left, right, top, bottom, angle).inside(PICTURE)
    twice = once.inside(PICTURE)
    assert np.allclose(numbers(once), numbers(twice), atol=1e-12)


@given(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05), angles)
def test_a_box_that_is_moved_against_the_edge_keeps_its_size(across_m, down_m, angle):
    box = ColourBox(-0.003, 0.005, 0.010, 0.020, angle)
    moved = box.moved(across_m, down_m).pushed_inside(PICTURE)
    assert moved.right_m - moved.left_m == pytest.approx(0.008)
    assert moved.bottom_m - moved.top_m == pytest.approx(0.010)
    again = moved.inside(PICTURE)
    assert np.allclose(numbers(again), numbers(moved), atol=1e-12)


@given(across, across, depths, depths)
def test_a_box_in_a_sector_is_between_two_of_its_lines_and_two_depths(left, right, top, bottom):
    box = dataclasses.replace(ColourBox.of(SECTOR), left_m=left, right_m=right)
    box = dataclasses.replace(box, top_m=top, bottom_m=bottom).inside(SECTOR)
    grid = box.grid((0.3e-3, 0.3e-3), (256, 144))
    assert (grid.kind, grid.apex_m) == ("polar", SECTOR.apex_m)
    for limits, widest in ((grid.lines, SECTOR.lines), (grid.range_m, SECTOR.range_m)):
        assert widest[0] - 1e-9 <= limits[0] < limits[1] <= widest[1] + 1e-9
    assert np.allclose(numbers(ColourBox.of(grid)), numbers(box))
    assert np.allclose(numbers(box.inside(SECTOR)), numbers(box))
    # Its sides run along the outermost samples of the grid, from corner to corner.
    for points_m, (row, line) in zip(
        box.sides_m, ((0, None), (None, -1), (-1, None), (None, 0)), strict=True
    ):
        rows, lines = grid.indices(*np.transpose(points_m))
        at = rows if line is None else lines
        assert np.allclose(
            at, (row if line is None else line) % grid.shape[line is not None], atol=1e-6
        )
    for at_m in box.corners_m:
        assert box.at(*box.within(*at_m)) == pytest.approx(at_m)


@given(angles)
def test_a_grid_is_the_box_it_was_made_of(angle):
    box = ColourBox(-0.003, 0.005, 0.010, 0.020, angle)
    grid = box.grid((0.16e-3, 0.22e-3), (256, 144))
    assert np.allclose(numbers(ColourBox.of(grid)), numbers(box))
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])
    x_m, z_m = grid.positions_m(rows * (grid.n_depths - 1), columns * (grid.n_lines - 1))
    assert np.allclose(np.stack([x_m, z_m], axis=1), box.corners_m)


def test_of_a_large_box_the_samples_lie_farther_apart():
    small = ColourBox(-0.005, 0.005, 0.010, 0.020).grid((1e-4, 1e-4), (150, 150))
    assert small.pixel_size_m == pytest.approx((1e-4, 1e-4))
    large = ColourBox(-0.015, 0.015, 0.010, 0.040).grid((1e-4, 1e-4), (150, 150))
    assert large.shape == (150, 150)
    assert large.pixel_size_m[0] > 1.9e-4


# The simulated probe.


def test_the_box_is_where_it_is_set_and_smaller_ones_have_fewer_samples():
    own = plan(TUBE, QUICK).colour_grid
    set_by_user = plan(TUBE, dataclasses.replace(QUICK, **BOX))
    box = ColourBox.of(set_by_user.colour_grid)
    assert [box.left_m, box.right_m, box.top_m, box.bottom_m] == pytest.approx(list(BOX.values()))
    assert box.steering_rad == QUICK.steering_rad
    grid = set_by_user.colour_grid
    assert grid.pixel_size_m == pytest.approx(own.pixel_size_m, rel=0.03)
    assert math.prod(grid.shape) < 0.2 * math.prod(own.shape)
    assert not any(note.startswith(LIMITED) for note in set_by_user.notes)


def test_sides_that_are_left_open_are_as_far_out_as_they_can_be():
    settings = dataclasses.replace(QUICK, box_left_m=BOX["box_left_m"])
    own, box = (ColourBox.of(plan(TUBE, s).colour_grid) for s in (QUICK, settings))
    assert box.left_m == pytest.approx(-0.006)
    assert (box.right_m, box.top_m, box.bottom_m) == pytest.approx(
        (own.right_m, own.top_m, own.bottom_m)
    )


def test_a_box_that_cannot_be_had_is_told():
    settings = dataclasses.replace(QUICK, box_bottom_m=0.08)
    acquisition = plan(TUBE, settings)
    assert acquisition.colour_grid.range_m[1] == settings.depth_m
    assert any(note.startswith(LIMITED) for note in acquisition.notes)
    # And a deep steered box takes time that the PRF does not have.
    fast = plan(TUBE, dataclasses.replace(settings, prf_hz=50e3))
    assert fast.max_prf_hz < plan(TUBE, dataclasses.replace(QUICK, prf_hz=50e3)).max_prf_hz


@pytest.mark.parametrize("steering_deg", [-20, 0, 17])
def test_the_steering_leans_the_box_and_its_upper_edge_stays(steering_deg):
    settings = dataclasses.replace(QUICK, **BOX, steering_rad=math.radians(steering_deg))
    acquisition = plan(TUBE, settings)
    box = ColourBox.of(acquisition.colour_grid)
    assert (box.left_m, box.right_m) == pytest.approx((-0.006, 0.005))
    assert box.lean_m == pytest.approx(0.010 * math.tan(math.radians(steering_deg)))
    assert acquisition.transmit_angle_rad == pytest.approx(math.radians(steering_deg))


@pytest.fixture(scope="module")
def source():
    """A live source with all of its few frames made."""
    made = SimulatedSource("straight-tube", real_time=True)
    made.configure(QUICK)
    made.start()
    wait_for_all(made)
    yield made
    made.close()


def wait_for_all(source):
    while len(source._ready) < source.n_frames:
        assert source.read(TIMEOUT_S) is not None


def reconfigured(source, **changes):
    """Configure anew; tell which of the frames made before are still there."""
    before = dict(source._ready)
    acquisition = source.configure(dataclasses.replace(QUICK, **changes))
    kept = [phase for phase in before if source._ready.get(phase) is before[phase]]
    return acquisition, len(kept)


def test_frames_that_are_made_serve_any_box_that_they_reach(source):
    before = source.read(TIMEOUT_S)
    acquisition, n_kept = reconfigured(source, **BOX)
    assert n_kept == 5
    after = source.read(TIMEOUT_S)
    assert after.acquisition == acquisition
    assert after.time_s > before.time_s  # the heart goes on
    # Another steering is another wave.
    _, n_kept = reconfigured(source, **BOX, steering_rad=0.0)
    assert n_kept == 0
    # A deep box needs longer records, which serve all others then.
    wait_for_all(source)
    reconfigured(source)
    wait_for_all(source)
    _, n_kept = reconfigured(source, box_bottom_m=0.044)
    assert n_kept == 0
    wait_for_all(source)
    _, n_kept = reconfigured(source, **BOX)
    assert n_kept == 5
    _, n_kept = reconfigured(source)
    assert n_kept == 5


def test_what_a_kept_frame_shows_is_what_a_new_one_would(source):
    """The picture in a box is that in the same place of another one, whenever it was made."""
    processing = ProcessingSettings(smoothing_m=0.0, wall_filter="none", dealias=False)
    fresh = SimulatedSource("straight-tube", real_time=False)
    planned = fresh.configure(dataclasses.replace(QUICK, **BOX))
    fresh.start()
    made = [doppler(form(fresh.read(TIMEOUT_S), processing), processing, None) for _ in range(5)]
    fresh.close()
    source.configure(QUICK)
    wait_for_all(source)
    # Deeper than the frames reach, and back: these are longer records.
    source.configure(dataclasses.replace(QUICK, box_bottom_m=0.0445))
    wait_for_all(source)
    acquisition = source.configure(dataclasses.replace(QUICK, **BOX))
    assert acquisition.start_time_s < planned.start_time_s
    assert acquisition.colour_grid == planned.colour_grid
    raw = source.read(TIMEOUT_S)
    frame = doppler(form(raw, processing), processing, None)
    other = made[round(raw.time_s / acquisition.frame_interval_s) % 5]
    flow = other.vessel_mask & (frame.power_db > 15) & (other.power_db > 15)
    assert flow.sum() > 100
    difference = np.abs(frame.velocity_m_s - other.velocity_m_s)[flow]
    # Only the noise is another.
    assert np.median(difference) < 0.02 * frame.nyquist_velocity_m_s


# Recordings.


def test_a_recording_forms_any_part_of_its_picture(tmp_path):
    path = write_must(tmp_path / "wide.mat", samples(n_elements=64))
    source = RecordingSource(path, real_time=False)
    whole = source.configure(source.defaults(AcquisitionSettings()))
    settings = dataclasses.replace(source.defaults(AcquisitionSettings()), **BOX)
    part = source.configure(settings)
    assert part.bmode_grid == whole.bmode_grid == whole.colour_grid
    box = ColourBox.of(part.colour_grid)
    wanted = ColourBox(*BOX.values()).inside(whole.bmode_grid)
    assert np.allclose(numbers(box), numbers(wanted), atol=1e-6)
    assert part.colour_grid.pixel_size_m == pytest.approx(whole.colour_grid.pixel_size_m, rel=0.05)
    source.start()
    processing = ProcessingSettings(wall_filter="none", dealias=False)
    formed = form(source.read(TIMEOUT_S), processing)
    assert formed.bmode_power.shape == whole.bmode_grid.shape
    assert any(note.startswith(LIMITED) for note in part.notes)  # it is less deep
    frame = doppler(formed, processing, None)
    assert frame.velocity_m_s.shape == part.colour_grid.shape
    assert frame.bmode_db.shape == whole.bmode_grid.shape
    source.close()


# Settings.


def test_presets_and_files_keep_the_box():
    settings = Settings().replace(**BOX)
    again, warnings = Settings.from_dict(settings.to_dict())
    assert (again, warnings) == (settings, ())
    assert set(SIDES) <= set(Preset.of("carotid", settings).changes)
