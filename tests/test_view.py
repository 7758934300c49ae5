"""Layout, zoom, pan, scales and maps: the parts of the display that need no display."""

import math
from itertools import pairwise

import numpy as np
import pytest
from frames_for_tests import BMODE, RECTANGLE, SECTOR, SHEARED, make_frame
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.frames import Status
from ultrasound_console.render.colour_maps import (
    DISTURBED_MAP,
    FOLD_LIMIT,
    FOLD_MAP,
    VELOCITY_MAPS,
)
from ultrasound_console.render.colour_scale import (
    AutomaticScale,
    fastest_m_s,
    fold_ticks,
    round_up,
    velocity_ticks,
)
from ultrasound_console.render.strokes import Stroke, outline_points_m, stroke_mesh
from ultrasound_console.render.view import MAX_ZOOM, RULER_PX, TITLE_PX, View

EXTENT = BMODE.extent_m

sizes = st.tuples(st.integers(480, 4000), st.integers(160, 2400))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("zoom"), st.floats(0.3, 4), st.floats(0, 1), st.floats(0, 1)),
        st.tuples(st.just("pan"), st.floats(-500, 500), st.floats(-500, 500), st.just(0.0)),
    ),
    max_size=6,
)


def moved(view: View, moves: list[tuple[str, float, float, float]]) -> View:
    for kind, a, b, c in moves:
        if kind == "zoom":
            view = view.zoomed(a, b * view.width_px, c * view.height_px)
        else:
            view = view.panned(a, b)
    return view


@given(sizes, st.sampled_from([3, 4]))
def test_panels_tile_the_canvas_and_keep_room(size: tuple[int, int], n_panels: int) -> None:
    view = View(*size, EXTENT).parted(n_panels)
    rects = [view.panel_rect(i) for i in range(n_panels)]
    assert rects[0].x == 0
    assert rects[-1].right == size[0]
    assert all(a.right == b.x for a, b in pairwise(rects))
    pictures = [view.picture_rect(i) for i in range(n_panels)]
    assert len({(p.width, p.height) for p in pictures}) == 1
    for i, (rect, picture) in enumerate(zip(rects, pictures, strict=True)):
        bar = view.bar_rect(i)
        assert rect.x <= picture.x
        assert picture.y == TITLE_PX
        assert picture.right < bar.x < bar.right < rect.right - 30
        assert picture.bottom <= size[1]
        assert picture.y <= bar.y < bar.bottom <= picture.bottom
    assert pictures[0].x >= RULER_PX


@given(sizes, st.sampled_from([1, 2]), st.sampled_from([60, 92]))
def test_few_panels_leave_room_for_words(
    size: tuple[int, int], n_panels: int, words_px: int
) -> None:
    view = View(*size, EXTENT).parted(n_panels, words_px)
    pictures = [view.picture_rect(i) for i in range(n_panels)]
    assert len({(p.width, p.height) for p in pictures}) == 1
    assert view.panel_rect(n_panels - 1).right == size[0]
    # Beside or below, whichever leaves the larger pictures.
    assert (view.side_px > 0) != (view.foot_px > 0)
    assert view.side_px + RULER_PX <= pictures[0].x
    assert view.foot_px + pictures[0].bottom <= size[1]
    assert view.pixels_per_m <= View(*size, EXTENT).parted(n_panels).pixels_per_m + 1e-9


def test_words_go_where_the_pictures_lose_least() -> None:
    wide, high = View(1280, 520, EXTENT), View(1640, 1400, EXTENT)
    assert wide.parted(1, 60).side_px > 0
    assert View(1280, 400, EXTENT).parted(2, 60).side_px > 0
    assert high.parted(2, 60).foot_px == 60
    assert wide.parted(3, 60).side_px == wide.parted(3, 60).foot_px == 0
    # Two panels are then larger than three, and one is larger still.
    scales = [wide.parted(n, 60).pixels_per_m for n in (3, 2, 1)]
    assert scales[0] < scales[1] <= scales[2]


panels = st.sampled_from([(3, 0), (3, 1), (3, 2), (4, 0), (4, 3)])


@given(sizes, steps, panels, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_pixel_and_position_are_inverse(
    size: tuple[int, int],
    moves: list[tuple[str, float, float, float]],
    of_panels: tuple[int, int],
    u: float,
    v: float,
) -> None:
    n_panels, panel = of_panels
    view = moved(View(*size, EXTENT).parted(n_panels), moves)
    picture = view.picture_rect(panel)
    x_px, y_px = picture.x + u * picture.width, picture.y + v * picture.height
    place = view.position_m(x_px, y_px)
    assert place is not None
    assert place[0] == panel
    assert view.pixel(*place) == pytest.approx((x_px, y_px), abs=1e-6)
    # The same place is at the same spot of every picture.
    other = view.pixel((panel + 1) % n_panels, *place[1:])
    shift = view.picture_rect((panel + 1) % n_panels).x - picture.x
    assert other == pytest.approx((x_px + shift, y_px), abs=1e-6)


@given(sizes, steps)
def test_the_window_never_leaves_the_picture(
    size: tuple[int, int], moves: list[tuple[str, float, float, float]]
) -> None:
    view = moved(View(*size, EXTENT), moves)
    x_min, x_max, z_min, z_max = view.window_m
    pad_m = 0.02 * (EXTENT[1] - EXTENT[0]) + 1e-9
    for low, high, first, last in (
        (x_min, x_max, EXTENT[0], EXTENT[1]),
        (z_min, z_max, EXTENT[2], EXTENT[3]),
    ):
        inside = low >= first - pad_m and high <= last + pad_m
        covers = low <= first + 1e-9 and high >= last - 1e-9
        assert inside or covers
    assert 1 <= view.zoom <= MAX_ZOOM


def test_a_fitted_view_shows_everything_and_hangs_from_the_top() -> None:
    for size in ((1280, 720), (1280, 300)):
        view = View(*size, EXTENT)
        x_min, x_max, z_min, z_max = view.window_m
        assert x_min <= EXTENT[0] <= EXTENT[1] <= x_max
        assert z_min <= EXTENT[2] <= EXTENT[3] <= z_max
        top_px = view.pixel(0, 0, EXTENT[2])[1] - view.picture_rect(0).y
        assert 0 <= top_px < 12


def test_zoom_keeps_what_is_under_the_pointer() -> None:
    view = View(1280, 480, EXTENT).zoomed(2.0, 640, 240)
    before = view.position_m(600, 200)
    zoomed = view.zoomed(1.7, 600, 200)
    after = zoomed.position_m(600, 200)
    assert before is not None
    assert after is not None
    assert after == pytest.approx(before, abs=1e-12)
    assert zoomed.zoom == pytest.approx(3.4)
    assert zoomed.pixels_per_m == pytest.approx(1.7 * view.pixels_per_m)
    assert zoomed.fitted() == View(1280, 480, EXTENT)


def test_pan_moves_the_picture_with_the_pointer() -> None:
    view = View(1280, 480, EXTENT).zoomed(4.0, 640, 240)
    x_px, y_px = view.pixel(1, 0.001, 0.018)
    assert view.panned(12, -7).pixel(1, 0.001, 0.018) == pytest.approx((x_px + 12, y_px - 7))


def test_both_rulers_have_the_same_steps_and_that_across_counts_from_the_middle() -> None:
    for zoom in (1.0, 3.0, 16.0):
        view = View(1280, 480, EXTENT).zoomed(zoom, 500, 200)
        labelled = [float(tick.text) for tick in view.depth_ticks() if tick.text]
        step_m = 1e-3 * (labelled[1] - labelled[0])
        steps = view.lateral_steps()
        numbers = [number for number, _ in steps]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert [x_m for _, x_m in steps] == pytest.approx([0.5 * step_m * n for n in numbers])
        x_min, x_max, *_ = view.window_m
        # All that can be seen, and none beside the picture.
        assert max(x_min, EXTENT[0]) - 1e-9 <= steps[0][1] < max(x_min, EXTENT[0]) + 0.5 * step_m
        assert min(x_max, EXTENT[1]) - 0.5 * step_m < steps[-1][1] <= min(x_max, EXTENT[1]) + 1e-9


def test_depth_ticks_are_where_they_say_at_every_zoom() -> None:
    for zoom in (1.0, 3.0, 16.0):
        view = View(1280, 480, EXTENT).zoomed(zoom, 500, 200)
        ticks = view.depth_ticks()
        labelled = [tick for tick in ticks if tick.text]
        assert 2 <= len(labelled) <= 14
        assert len(ticks) > len(labelled)
        for tick in labelled:
            assert tick.y_px == pytest.approx(view.pixel(0, 0, float(tick.text) * 1e-3)[1])
        distances = np.diff([tick.y_px for tick in labelled])
        assert (distances > 25).all()
    assert [tick.text for tick in View(1280, 480, EXTENT).depth_ticks() if tick.text] == [
        "5", "10", "15", "20", "25", "30", "35",
    ]  # fmt: skip


# Colour bars


def test_velocity_bar_marks_the_nyquist_limits() -> None:
    view = View(1280, 480, EXTENT)
    bar = view.bar_rect(2)
    narrow = {tick.text: tick for tick in velocity_ticks(view, -0.2, 0.2, 0.2)}
    assert set(narrow) == {"+20", "0", "−20"}
    assert narrow["+20"].y_px == bar.y
    assert narrow["−20"].y_px == bar.bottom
    wide = {tick.text: tick for tick in velocity_ticks(view, -0.5, 0.5, 0.2)}
    assert set(wide) == {"+50", "+20", "0", "−20", "−50"}
    assert [text for text, tick in wide.items() if tick.strong] == ["−20", "+20"]
    assert wide["+20"].y_px == pytest.approx(bar.bottom - 0.7 * bar.height)
    # Close to the end of the bar, v_N keeps its label and the end gives way.
    close = velocity_ticks(view, -0.205, 0.205, 0.2)
    assert [tick.text for tick in close] == ["−20", "+20", "0", "", ""]


def test_shifted_baseline_moves_the_ends_and_zero() -> None:
    view = View(1280, 480, EXTENT)
    bar = view.bar_rect(0)
    ticks = {tick.text: tick for tick in velocity_ticks(view, -0.1, 0.3, 0.2)}
    assert set(ticks) == {"+30", "0", "−10"}
    assert ticks["0"].y_px == pytest.approx(bar.bottom - 0.25 * bar.height)


def test_fold_bar_has_a_mark_per_fold() -> None:
    view = View(1280, 480, EXTENT)
    ticks = fold_ticks(view)
    assert [tick.text for tick in ticks] == ["−3", "−2", "−1", "0", "+1", "+2", "+3"]
    bar = view.bar_rect(1)
    assert ticks[3].y_px == pytest.approx(bar.y + bar.height / 2)


@given(st.floats(1e-3, 1e3))
def test_round_up(value: float) -> None:
    rounded = round_up(value)
    assert value * (1 - 1e-8) <= rounded <= value * 1.34
    assert float(f"{rounded:.2g}") == pytest.approx(rounded, rel=1e-12)


def steady(index: int, peak_nyquist: float, prf_hz: float = 3000.0):
    return make_frame(
        index,
        colour_grid=RECTANGLE,
        peak_nyquist=peak_nyquist,
        pulsation=0.0,
        abstained=False,
        prf_hz=prf_hz,
    )


def test_fastest_is_the_corrected_speed_of_the_flow() -> None:
    frame = steady(0, 2.2)
    flow = frame.status != Status.NO_FLOW
    speed = np.abs(frame.velocity_m_s + 2 * frame.fold * frame.nyquist_velocity_m_s)[flow]
    assert fastest_m_s(frame) == pytest.approx(np.percentile(speed, 99), rel=0.01)
    assert fastest_m_s(frame) > 2 * frame.nyquist_velocity_m_s


def test_the_scale_never_falls_below_v_n() -> None:
    frame = steady(0, 0.1)
    scale = AutomaticScale().update(frame)
    assert scale == round_up(frame.nyquist_velocity_m_s)
    assert scale >= frame.nyquist_velocity_m_s


def test_the_scale_rises_soon_and_falls_late() -> None:
    automatic = AutomaticScale()
    low = automatic.update(steady(0, 0.8))
    high = round_up(fastest_m_s(steady(0, 2.2)))
    assert high > low
    # 30 frames a second: 0.2 s to rise.
    scales = [automatic.update(steady(i, 2.2)) for i in range(1, 12)]
    assert scales[3] == low
    assert scales[-1] == high
    # One slow beat of 1 s does not lower it; 3 s do.
    scales = [automatic.update(steady(i, 0.8)) for i in range(12, 42)]
    assert scales[-1] == high
    scales = [automatic.update(steady(i, 0.8)) for i in range(42, 112)]
    assert scales[-1] == low


def test_a_pulse_does_not_move_the_scale() -> None:
    automatic = AutomaticScale()
    frames = [make_frame(i, colour_grid=RECTANGLE, peak_nyquist=2.4) for i in range(60)]
    scales = [automatic.update(frame) for frame in frames]
    assert len(set(scales[10:])) == 1


def test_a_frozen_frame_raises_at_once_and_never_lowers() -> None:
    automatic = AutomaticScale()
    low = automatic.update(steady(20, 1.0))
    high = automatic.update(steady(20, 2.2))
    assert high > low
    assert {automatic.update(steady(i, 1.0)) for i in (20, 19, 2)} == {high}


def test_another_v_n_starts_afresh() -> None:
    automatic = AutomaticScale()
    automatic.update(steady(0, 2.2, prf_hz=6000.0))
    frame = steady(1, 1.0, prf_hz=1500.0)
    assert automatic.update(frame) == round_up(max(fastest_m_s(frame), frame.nyquist_velocity_m_s))


@pytest.mark.parametrize("name", VELOCITY_MAPS)
def test_velocity_maps_have_a_dark_zero_and_bright_ends(name: str) -> None:
    table = VELOCITY_MAPS[name].astype(float)
    assert table.shape == (256, 3)
    luma = table @ [0.299, 0.587, 0.114]
    assert luma[127:129].max() < 20
    assert luma[[0, -1]].min() > 180
    # Brighter the faster, on both sides.
    assert (np.diff(luma[128:]) > -0.6).all()
    assert (np.diff(luma[:128]) < 0.6).all()


def test_classic_map_is_red_towards_and_blue_away() -> None:
    table = VELOCITY_MAPS["classic"].astype(int)
    assert table[170, 0] > 2 * table[170, 2]
    assert table[85, 2] > 2 * table[85, 0]


def test_fold_map_has_a_colour_per_fold() -> None:
    assert FOLD_MAP.shape == (2 * FOLD_LIMIT + 1, 4)
    assert len({tuple(colour) for colour in FOLD_MAP[:, :3].tolist()}) == len(FOLD_MAP)
    assert FOLD_MAP[FOLD_LIMIT, 3] < FOLD_MAP[:, 3].max()


def test_power_and_disturbed_flow_have_colours_of_their_own() -> None:
    velocity, power = VELOCITY_MAPS["classic"].astype(int), VELOCITY_MAPS["power"].astype(int)
    fast = np.r_[:90, 166:256]
    for other in (power, DISTURBED_MAP.astype(int)):
        assert np.abs(velocity[fast] - other[fast]).max(-1).min() > 20
    disturbed = DISTURBED_MAP.astype(int)[fast]
    assert (disturbed[:, 1] >= disturbed[:, [0, 2]].max(-1)).all()


# Lines


def test_strokes_become_triangles_around_the_line() -> None:
    mesh = stroke_mesh([Stroke(((10, 5), (30, 5), (30, 25)), (1, 0, 0, 1), 2.0)])
    assert mesh.shape == (12,)
    first = mesh[:6]["a_position"]
    assert first.min(axis=0).tolist() == [10, 3]
    assert first.max(axis=0).tolist() == [30, 7]
    assert set(np.abs(mesh["a_distance"]).tolist()) == {2.0}
    assert stroke_mesh([]).size == 0


@pytest.mark.parametrize("grid", [RECTANGLE, SHEARED, SECTOR], ids=["rect", "sheared", "sector"])
def test_the_outline_encloses_every_sample(grid) -> None:
    x_m, z_m = outline_points_m(grid)
    assert (x_m[0], z_m[0]) == (x_m[-1], z_m[-1])
    rows, columns = grid.indices(x_m, z_m)
    on_edge = (
        np.isclose(rows, -0.5)
        | np.isclose(rows, grid.n_depths - 0.5)
        | np.isclose(columns, -0.5)
        | np.isclose(columns, grid.n_lines - 0.5)
    )
    assert on_edge.all()
    area = 0.5 * abs(np.sum(x_m[:-1] * z_m[1:] - x_m[1:] * z_m[:-1]))
    if grid.kind == "parallel":
        expected = grid.n_depths * grid.range_step_m * grid.n_lines * grid.line_step
    else:
        near = grid.range_m[0] - 0.5 * grid.range_step_m
        far = grid.range_m[1] + 0.5 * grid.range_step_m
        expected = 0.5 * grid.n_lines * grid.line_step * (far**2 - near**2)
    assert math.isclose(area, expected, rel_tol=1e-3)
