"""Flow inside an ellipse: against closed forms, and against plain array code on every grid."""

import dataclasses
import math

import numpy as np
import pytest
from frames_for_tests import RECTANGLE, SECTOR, SHEARED, make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.frames import Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.measure import Ellipse, ellipse_in_vessel, statistics

GRIDS = {"rectangle": RECTANGLE, "steered": SHEARED, "sector": SECTOR}


def frame_with(grid, *, velocity=0.0, fold=0, status=Status.KEPT, factor=None):
    """A frame whose planes are given as numbers or arrays."""
    frame = make_frame(colour_grid=grid)

    def plane(value, dtype):
        return np.broadcast_to(np.asarray(value, dtype), grid.shape).copy()

    return dataclasses.replace(
        frame,
        velocity_m_s=plane(velocity, np.float32),
        fold=plane(fold, np.int8),
        status=plane(status, np.uint8),
        frequency_factor=None if factor is None else plane(factor, np.float32),
    )


def inside(grid, ellipse):
    """Mask of the pixel centres that lie inside: plain array code."""
    x_m, z_m = grid.positions_m()
    cosine, sine = math.cos(ellipse.angle_rad), math.sin(ellipse.angle_rad)
    across_m, down_m = x_m - ellipse.x_m, z_m - ellipse.z_m
    u = (cosine * across_m + sine * down_m) / ellipse.half_m[0]
    v = (cosine * down_m - sine * across_m) / ellipse.half_m[1]
    return u**2 + v**2 <= 1.0


@pytest.mark.parametrize("name", GRIDS)
@given(
    x=st.floats(-0.02, 0.02),
    z=st.floats(0.0, 0.035),
    half_m=st.tuples(st.floats(0.0003, 0.02), st.floats(0.0003, 0.02)),
    angle=st.floats(-4.0, 4.0),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_every_figure_is_that_of_plain_array_code(name, x, z, half_m, angle, seed):
    grid = GRIDS[name]
    rng = np.random.default_rng(seed)
    velocity = rng.uniform(-0.178, 0.178, grid.shape)
    fold = rng.integers(-2, 3, grid.shape)
    status = rng.integers(0, 5, grid.shape)
    factor = rng.uniform(0.8, 1.2, grid.shape) if seed % 2 else None
    frame = frame_with(grid, velocity=velocity, fold=fold, status=status, factor=factor)
    ellipse = Ellipse(x, z, half_m, angle)
    found = statistics(frame, ellipse)

    mask = inside(grid, ellipse)
    flow = mask & (frame.status != Status.NO_FLOW)
    assert (found.n_pixels, found.n_flow) == (mask.sum(), flow.sum())
    assert found.n_aliased == np.count_nonzero(frame.fold[flow])
    assert found.n_left == np.count_nonzero(frame.status[flow] == Status.ABSTAINED)
    assert found.n_by_hand == np.count_nonzero(frame.status[flow] == Status.BY_HAND)
    # Pixels of a sector are as wide as they are far from its apex.
    rows = np.broadcast_to(grid.range_positions_m[:, None], grid.shape)
    area = rows[flow] if grid.kind == "polar" else np.ones(flow.sum())
    for share, part in (
        (found.aliased_share, frame.fold[flow] != 0),
        (found.left_share, frame.status[flow] == Status.ABSTAINED),
        (found.by_hand_share, frame.status[flow] == Status.BY_HAND),
    ):
        assert share == pytest.approx(area[part].sum() / area.sum() if area.size else 0.0)
    scale = 1.0 if factor is None else frame.frequency_factor[flow].astype(float)
    raw = scale * frame.velocity_m_s[flow]
    span = 2 * frame.nyquist_velocity_m_s
    corrected = scale * (frame.velocity_m_s[flow].astype(float) + span * frame.fold[flow])
    for values, told in ((raw, found.raw), (corrected, found.corrected)):
        if not values.size:
            assert math.isnan(told.mean_m_s)
            assert math.isnan(told.sd_m_s)
            assert math.isnan(told.fastest_m_s)
            continue
        mean = np.average(values, weights=area)
        assert told.mean_m_s == pytest.approx(mean, abs=1e-7)
        spread = np.average((values - mean) ** 2, weights=area)
        assert told.sd_m_s == pytest.approx(math.sqrt(spread), abs=1e-7)
        assert (told.low_m_s, told.high_m_s) == pytest.approx((values.min(), values.max()))
        assert abs(told.fastest_m_s) == pytest.approx(np.abs(values).max())


@pytest.mark.parametrize("name", GRIDS)
def test_a_uniform_slope_has_the_mean_of_the_centre_and_half_the_spread_of_the_axis(name):
    # v = g (z - z0): over an ellipse the mean is that at its centre, and the standard deviation
    # half of g times its half axis along z.
    grid = GRIDS[name]
    _, z_m = grid.positions_m()
    ellipse = Ellipse(-0.001, 0.019, (0.003, 0.0065))
    frame = frame_with(grid, velocity=20.0 * (z_m - 0.0185))
    found = statistics(frame, ellipse)
    size = np.prod(grid.pixel_size_m)
    if grid.kind == "polar":  # the lines are wider apart further down
        size *= (0.019 + 0.03) / (0.5 * sum(grid.range_m))
    assert found.n_pixels * size == pytest.approx(ellipse.area_m2, rel=0.02)
    assert found.raw.mean_m_s == pytest.approx(0.01, abs=20.0 * 0.2 * grid.range_step_m)
    assert found.raw.sd_m_s == pytest.approx(0.5 * 20.0 * 0.0065, rel=0.02)
    assert found.corrected == found.raw
    assert found.aliased_share == 0.0


def test_the_aliased_core_of_a_parabola_is_counted_and_corrected():
    # A parabola of 1.5 v_N at its peak: raw is beyond v_N where r^2 < 1/3, a third of a disc.
    frame = make_frame(colour_grid=RECTANGLE)
    nyquist = frame.nyquist_velocity_m_s
    x_m, z_m = RECTANGLE.positions_m()
    radius = np.hypot(x_m, z_m - 0.018) / 0.005
    truth = 1.5 * nyquist * (1 - radius**2)
    fold = np.rint(truth / (2 * nyquist))
    status = np.where(radius <= 1, Status.CORRECTED, Status.NO_FLOW)
    frame = frame_with(
        RECTANGLE,
        velocity=truth - 2 * nyquist * fold,
        fold=np.where(radius <= 1, fold, 0),
        status=status,
    )
    disc = statistics(frame, Ellipse(0.0, 0.018, (0.005, 0.005)))
    assert disc.aliased_share == pytest.approx(1 / 3, abs=0.01)
    # Of a paraboloid the mean is half its peak.
    assert disc.corrected.mean_m_s == pytest.approx(0.75 * nyquist, rel=0.01)
    assert disc.corrected.fastest_m_s == pytest.approx(1.5 * nyquist, rel=0.01)
    assert abs(disc.raw.fastest_m_s) <= nyquist
    assert disc.raw.mean_m_s == pytest.approx((0.75 - 2 / 3) * nyquist, abs=0.02 * nyquist)
    # What has no flow does not count, however large the region.
    wide = statistics(frame, Ellipse(0.0, 0.018, (0.01, 0.009)))
    assert wide.n_flow == disc.n_flow < wide.n_pixels
    assert wide.corrected == disc.corrected
    away = statistics(frame, Ellipse(0.05, 0.018, (0.001, 0.001)))
    assert (away.n_pixels, away.n_flow, away.aliased_share) == (0, 0, 0.0)


@given(
    angle=st.floats(-10, 10), along=st.floats(-2, 2), across=st.floats(-2, 2), turn=st.floats(-9, 9)
)
@settings(deadline=None)
def test_places_in_an_ellipse_go_there_and_back(angle, along, across, turn):
    ellipse = Ellipse(0.002, 0.02, (0.004, 0.001), angle)
    assert ellipse.within(*ellipse.at(along, across)) == pytest.approx((along, across), abs=1e-9)
    assert ellipse.contains(*ellipse.at(along, across)) == (math.hypot(along, across) <= 1.0) or (
        math.hypot(along, across) == pytest.approx(1.0)
    )
    turned = ellipse.turned(turn).at(1.0, 0.0)
    expected = dataclasses.replace(ellipse, angle_rad=angle + turn).at(1.0, 0.0)
    mirrored = dataclasses.replace(ellipse, angle_rad=angle + turn + math.pi).at(1.0, 0.0)
    assert turned == pytest.approx(expected) or turned == pytest.approx(mirrored)
    outline = ellipse.outline_m()
    assert outline[0] == pytest.approx(outline[-1])
    assert all(math.hypot(*ellipse.within(*at)) == pytest.approx(1.0) for at in outline)


# ---- from a vessel -------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("off_axis", [0.0, 0.7])
def test_an_ellipse_is_as_wide_as_a_straight_vessel_and_lies_along_it(name, off_axis):
    grid = GRIDS[name]
    x_m, z_m = grid.positions_m()
    slope, half_m = math.radians(25), 0.002
    across_m = math.cos(slope) * (z_m - 0.019) - math.sin(slope) * (x_m + 0.001)
    frame = frame_with(grid, status=np.where(np.abs(across_m) <= half_m, 1, 0))
    at = (
        -0.001 - off_axis * half_m * math.sin(slope),
        0.019 + off_axis * half_m * math.cos(slope),
    )
    fitted = ellipse_in_vessel(frame, *at)
    assert fitted.angle_rad == pytest.approx(slope, abs=math.radians(3))
    assert fitted.half_m[1] == pytest.approx(half_m, rel=0.1)
    assert 1.5 * half_m < fitted.half_m[0] < 4 * half_m
    off_m = math.cos(slope) * (fitted.z_m - 0.019) - math.sin(slope) * (fitted.x_m + 0.001)
    assert abs(off_m) < 0.15 * half_m
    assert fitted.contains(*at)


def test_an_ellipse_in_a_round_lumen_has_its_place_and_nearly_its_size():
    x_m, z_m = RECTANGLE.positions_m()
    lumen = np.hypot(x_m - 0.002, z_m - 0.02) <= 0.003
    other = np.hypot(x_m + 0.006, z_m - 0.012) <= 0.002
    frame = frame_with(RECTANGLE, status=np.where(lumen | other, Status.CORRECTED, Status.NO_FLOW))
    fitted = ellipse_in_vessel(frame, 0.003, 0.0215)
    assert (fitted.x_m, fitted.z_m) == pytest.approx((0.002, 0.02), abs=1e-4)
    # The half axes of an even strip: of a disc they are sqrt(3) / 2 of its radius.
    assert fitted.half_m == pytest.approx((0.0026, 0.0026), rel=0.03)


def test_where_there_is_no_flow_there_is_no_ellipse():
    grid = ImageGrid("parallel", 60, 50, (-0.01, 0.01), (0.01, 0.03))
    status = np.zeros(grid.shape)
    frame = frame_with(grid, status=status)
    assert ellipse_in_vessel(frame, 0.0, 0.02) is None
    assert ellipse_in_vessel(frame, 0.5, 0.02) is None
    status[30, 25] = Status.KEPT
    x_m, z_m = grid.positions_m(30, 25)
    assert ellipse_in_vessel(frame_with(grid, status=status), float(x_m), float(z_m)) is None
