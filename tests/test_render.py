"""The three panels, pixel by pixel against a numpy picture."""

import dataclasses
import math

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import RECTANGLE, SECTOR, SHEARED, make_frame, wrapped
from panels import GRIDS, Model, compare, picture, pixels, show, shown_canvas
from pytestqt.qtbot import QtBot
from vispy import gloo

from ultrasound_console.assets import shader
from ultrasound_console.frames import DopplerFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.render.canvas import PanelCanvas
from ultrasound_console.render.colour_maps import DISTURBED_MAP, FOLD_MAP, VELOCITY_MAPS
from ultrasound_console.render.mesh import grid_mesh
from ultrasound_console.settings import DisplaySettings, ProcessingSettings
from ultrasound_console.settings.display import CLASSIC, POWER, SAFE, VARIANCE

pytestmark = [pytest.mark.gui, needs_display]


@pytest.fixture
def canvas(qtbot: QtBot) -> PanelCanvas:
    return shown_canvas(qtbot)


@pytest.fixture
def plain(canvas: PanelCanvas, monkeypatch: pytest.MonkeyPatch) -> PanelCanvas:
    """A canvas without lines over the pictures."""
    monkeypatch.setattr(canvas, "_current_lines", lambda frame: ([], []))
    return canvas


@pytest.mark.parametrize("grids", GRIDS)
def test_the_panels_are_the_numpy_picture(plain: PanelCanvas, grids: str) -> None:
    bmode_grid, colour_grid = GRIDS[grids]
    frame = make_frame(3, bmode_grid=bmode_grid, colour_grid=colour_grid)
    model = show(plain, frame)
    # All kinds of pixels are in the picture.
    assert set(np.unique(frame.status)) == {0, 1, 2, 3}
    compare(plain, model)


@pytest.mark.parametrize(
    "display",
    [
        {"baseline": 0.45},
        {"baseline": -0.8, "invert": True},
        {"invert": True, "overlay_opacity": 0.4},
        {"write_priority": 0.35, "bmode_gain_db": 14.0, "bmode_dynamic_range_db": 60.0},
        {"write_priority": 1.0, "overlay_opacity": 1.0},
        {"colour_gain_db": 9.0, "bmode_gain_db": -10.0},
        {"colour_gain_db": -9.0},
        {"tgc_1_db": -14.0, "tgc_3_db": 6.5, "tgc_4_db": 11.0, "tgc_5_db": -9.0, "tgc_8_db": 20.0},
        {"interpolate": False},
        {"colour_scale_m_s": 0.25},
    ],
    ids=str,
)
def test_every_display_setting_does_what_it_says(
    plain: PanelCanvas, display: dict[str, object]
) -> None:
    compare(plain, show(plain, make_frame(3), **display))


def test_gains_at_depths_change_the_frame_that_is_shown(plain: PanelCanvas) -> None:
    model = show(plain, make_frame(3))
    compare(plain, model)
    for display in (DisplaySettings(tgc_4_db=12.0, tgc_5_db=-6.0), DisplaySettings()):
        plain.set_display(display)
        compare(plain, dataclasses.replace(model, display=display))


@pytest.mark.parametrize("grids", GRIDS)
@pytest.mark.parametrize("interpolate", [True, False])
def test_the_truth_is_a_fourth_picture(
    plain: PanelCanvas, grids: str, *, interpolate: bool
) -> None:
    bmode_grid, colour_grid = GRIDS[grids]
    frame = make_frame(3, bmode_grid=bmode_grid, colour_grid=colour_grid)
    # Far from what was measured, so that one cannot pass for the other.
    frame = dataclasses.replace(frame, truth_m_s=-0.7 * frame.truth_m_s)
    model = show(plain, frame, truth=True, interpolate=interpolate)
    assert plain.view.n_panels == 4
    assert plain.scale_m_s(3) == plain.scale_m_s(2)
    compare(plain, model)


def test_the_truth_comes_and_goes_on_a_held_frame(plain: PanelCanvas) -> None:
    first, second = make_frame(3), make_frame(4, pulsation=0.9)
    three = show(plain, first)
    assert plain.view.n_panels == 3
    compare(plain, three)
    compare(plain, show(plain, first, truth=True))
    compare(plain, show(plain, second, truth=True))
    plain.set_display(DisplaySettings())
    assert plain.view == three.view
    compare(plain, show(plain, first))
    plain.set_display(DisplaySettings(truth=True))
    without = dataclasses.replace(second, truth_m_s=None, vessel_mask=None, score=None)
    plain.set_frame(without)
    assert plain.view.n_panels == 3


def test_the_zoomed_picture_is_the_numpy_picture(plain: PanelCanvas) -> None:
    model = show(plain, make_frame(3))
    plain._set_view(plain.view.zoomed(5.0, *plain.pixel(0, -0.004, 0.014)))
    compare(plain, Model(model.frame, plain.view, model.display, model.right_scale_m_s))


def test_negative_folds_count_down(plain: PanelCanvas) -> None:
    frame = make_frame(0, peak_nyquist=-4.5, pulsation=0.0, abstained=False)
    assert frame.fold.min() == -2
    compare(plain, show(plain, frame))


def test_the_safe_map_is_used_when_chosen(plain: PanelCanvas) -> None:
    compare(plain, show(plain, make_frame(3), colour_map="colour-blind safe"))


@pytest.mark.parametrize(
    "display",
    [
        {"colour_map": "velocity-variance"},
        {"colour_map": "velocity-variance", "baseline": 0.4, "invert": True},
        {"colour_map": "velocity-variance", "interpolate": False},
        {"colour_map": "power"},
        {"colour_map": "power", "colour_gain_db": 5.0, "invert": True},
    ],
    ids=str,
)
def test_maps_of_more_than_velocity(plain: PanelCanvas, display: dict[str, object]) -> None:
    frame = make_frame(3)
    rows, columns = np.indices(frame.bandwidth.shape)
    bandwidth = (0.5 + 0.5 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.float32)
    frame = dataclasses.replace(frame, bandwidth=bandwidth)
    compare(plain, show(plain, frame, truth=True, **display))
    assert plain.panels == (0, 1, 2, 3)


def test_the_map_of_a_held_frame_can_change(plain: PanelCanvas) -> None:
    frame = make_frame(3)
    for colour_map in (CLASSIC, VARIANCE, POWER, VARIANCE, SAFE):
        compare(plain, show(plain, frame, colour_map=colour_map))
    # And the grids with it.
    polar = make_frame(4, bmode_grid=GRIDS["polar"][0], colour_grid=GRIDS["polar"][1])
    compare(plain, show(plain, polar, colour_map="power"))
    compare(plain, show(plain, frame, colour_map="velocity-variance"))


def test_the_bars_of_the_other_maps(plain: PanelCanvas) -> None:
    show(plain, make_frame(3), colour_map="power", colour_gain_db=2.0)
    shot, bar = pixels(plain), plain.bar_rect(0)
    height = 2 * (1 - (np.arange(bar.height) + 0.5) / bar.height) - 1
    for panel in (0, 2):
        bar = plain.bar_rect(panel)
        got = shot[bar.y : bar.bottom, bar.x : bar.right]
        expected = Model.map_rgb(height, VELOCITY_MAPS["power"])
        assert np.abs(got - expected[:, None]).max() <= 2
        assert plain.bar_unit(panel) == "dB"
        assert [tick.text for tick in plain.bar_ticks(panel)] == ["36", "21", "6", "21", "36"]
    assert plain.bar_unit(1) == "folds"
    show(plain, make_frame(3), colour_map="velocity-variance")
    shot = pixels(plain)
    across = (np.arange(bar.width)[:, None] + 0.5) / bar.width
    calm = Model.map_rgb(height, VELOCITY_MAPS["velocity-variance"])[:, None]
    expected = calm + across * (Model.map_rgb(height, DISTURBED_MAP)[:, None] - calm)
    assert np.abs(shot[bar.y : bar.bottom, bar.x : bar.right] - expected).max() <= 3
    assert plain.bar_unit(2) == "cm/s"


# Doubt


def doubtful(frame: DopplerFrame, confidence: float) -> DopplerFrame:
    """With less confidence in the left half."""
    lower = frame.confidence.copy()
    lower[:, : lower.shape[1] // 2] = confidence
    return dataclasses.replace(frame, confidence=lower)


def test_unsure_folds_are_hatched(plain: PanelCanvas) -> None:
    frame = make_frame(3)
    compare(plain, show(plain, doubtful(frame, 0.69)))
    unsure = picture(plain, 1)
    compare(plain, show(plain, doubtful(frame, 0.71)))
    changed = (unsure != picture(plain, 1)).any(-1)
    columns = np.nonzero(changed.any(0))[0]
    # In stripes, and only where there is doubt.
    x_m, z_m = SHEARED.positions_m(SHEARED.n_depths - 1.0, SHEARED.n_lines / 2)
    assert columns.max() < plain.pixel(1, float(x_m), float(z_m))[0] - plain.picture_rect(1).x
    assert changed.sum() > 500


def test_unsure_and_left_alone_do_not_look_alike(plain: PanelCanvas) -> None:
    frame = ramp_frame(0.5, 0.5)
    looks = []
    for status, confidence in ((1, 0.9), (1, 0.3), (3, 0.3)):
        planes = {
            "status": np.full_like(frame.status, status),
            "confidence": np.full_like(frame.confidence, confidence),
        }
        show(plain, dataclasses.replace(frame, **planes), overlay_opacity=1.0)
        left, top = (round(value) for value in plain.pixel(1, -0.01, 0.008))
        right, bottom = (round(value) for value in plain.pixel(1, 0.01, 0.028))
        looks.append(pixels(plain)[top:bottom, left:right].mean(-1))
    sure, unsure, left_alone = looks
    assert np.ptp(sure) == 0
    assert np.mean(unsure < sure) == pytest.approx(0.4, abs=0.05)
    assert (unsure <= sure).all()
    # Bright in both directions: 1 - 0.75 * 0.75, and whole pixels.
    assert 0.3 < np.mean(left_alone > 200) < 0.6


def test_nothing_is_hatched_where_no_folds_were_looked_for(plain: PanelCanvas) -> None:
    frame = make_frame(
        3, processing=ProcessingSettings(dealias=False), abstained=False, peak_nyquist=0.5
    )
    show(plain, frame)
    before = picture(plain, 1)
    compare(plain, show(plain, doubtful(frame, 0.0)))
    assert (picture(plain, 1) == before).all()


# Views


@pytest.mark.parametrize(
    ("display", "panels"),
    [
        ({"view": "dual"}, (0, 2)),
        ({"view": "dual", "swap": True}, (2, 0)),
        ({"swap": True}, (2, 1, 0)),
        ({"view": "conventional"}, (0,)),
        ({"view": "segmentation"}, (1,)),
        ({"view": "de-aliased", "swap": True}, (2,)),
        ({"view": "dual", "swap": True, "truth": True}, (2, 0, 3)),
        ({"view": "de-aliased", "truth": True, "baseline": 0.3}, (2, 3)),
    ],
    ids=str,
)
def test_views_show_their_panels(
    plain: PanelCanvas, display: dict[str, object], panels: tuple[int, ...]
) -> None:
    model = show(plain, make_frame(3), **display)
    assert plain.panels == panels
    compare(plain, model)
    plain._set_view(plain.view.zoomed(3.0, *plain.pixel(0, -0.004, 0.014)))
    compare(plain, dataclasses.replace(model, view=plain.view))


def test_zoom_and_place_are_kept_from_view_to_view(plain: PanelCanvas) -> None:
    frame = make_frame(3)
    show(plain, frame)
    plain._set_view(plain.view.zoomed(4.0, *plain.pixel(1, -0.004, 0.014)))
    kept = plain.view.zoom, plain.view.center_m
    for view in ("dual", "de-aliased", "triple"):
        show(plain, frame, view=view)
        assert plain.view.zoom == kept[0]
        assert plain.view.center_m == pytest.approx(kept[1], abs=0.004)


def test_comparing_shows_the_measured_velocity_in_place(plain: PanelCanvas) -> None:
    for display in ({}, {"swap": True, "baseline": 0.3}, {"view": "dual"}, {"view": "de-aliased"}):
        model = show(plain, make_frame(3), **display)
        before = pixels(plain)
        place = plain.panels.index(2)
        plain.set_comparing(True)
        assert plain.compared_place == place
        there = (*model.panels[:place], 0, *model.panels[place + 1 :])
        compare(plain, dataclasses.replace(model, panels=there))
        # The bar goes with it.
        nyquist = model.frame.nyquist_velocity_m_s
        low = (model.display.baseline - 1) * nyquist
        assert plain.scale_m_s(place) == pytest.approx((low, low + 2 * nyquist))
        plain.set_comparing(False)
        assert (pixels(plain) == before).all()
    show(plain, make_frame(3), view="segmentation")
    plain.set_comparing(True)
    assert plain.panels == (1,)
    assert plain.compared_place is None


def test_what_is_compared_is_framed(canvas: PanelCanvas) -> None:
    canvas.set_frame(make_frame(3))
    before, rect = pixels(canvas), canvas.picture_rect(2)
    canvas.set_comparing(True)
    shot = pixels(canvas)
    for edge in (shot[rect.y : rect.bottom, rect.x - 1], shot[rect.bottom, rect.x : rect.right]):
        red, green, blue = edge.mean(0)
        assert red > green > blue + 80
    for panel in (0, 1):
        other = canvas.panel_rect(panel)
        where = np.s_[: other.height, other.x : other.right - 2]
        assert (shot[where] == before[where]).all()


def test_grids_may_change_from_frame_to_frame(plain: PanelCanvas) -> None:
    for index, (bmode_grid, colour_grid) in enumerate(GRIDS.values()):
        frame = make_frame(index, bmode_grid=bmode_grid, colour_grid=colour_grid)
        compare(plain, show(plain, frame))
    small = ImageGrid("parallel", 31, 17, (-0.008, 0.003), (0.010, 0.022))
    compare(plain, show(plain, make_frame(9, colour_grid=small)))
    compare(plain, show(plain, make_frame(10)))


# Interpolation


def ramp_frame(low: float, high: float) -> DopplerFrame:
    """Corrected velocity rising from left to right, in v_N; black B-mode; all of it flow."""
    n = 24
    grid = ImageGrid("parallel", n, n, (-0.012, 0.012), (0.006, 0.03))
    base = make_frame(0, colour_grid=grid)
    nyquist = base.nyquist_velocity_m_s
    truth = np.broadcast_to(np.linspace(low, high, n) * nyquist, (n, n))
    velocity = wrapped(truth, nyquist).astype(np.float32)
    folds = np.rint((truth - velocity) / (2 * nyquist)).astype(np.int8)
    status = np.full((n, n), Status.KEPT, np.uint8)
    return DopplerFrame(
        **{
            **vars(base),
            "bmode_db": np.full(base.bmode_db.shape, -200, np.float32),
            "velocity_m_s": velocity,
            "fold": folds,
            "status": status,
            "power_db": np.full((n, n), 30, np.float32),
        }
    )


def middle_line(canvas: PanelCanvas, panel: int) -> np.ndarray:
    """RGB across the middle of the box, away from its border."""
    left, y = canvas.pixel(panel, -0.0115, 0.018)
    right, _ = canvas.pixel(panel, 0.0115, 0.018)
    return pixels(canvas)[round(y), round(left) : round(right)]


def test_no_dark_seam_where_velocity_passes_v_n(plain: PanelCanvas) -> None:
    show(plain, ramp_frame(0.7, 1.3), overlay_opacity=1.0)
    line = middle_line(plain, 0)
    luma = line @ [0.299, 0.587, 0.114]
    assert luma.min() > 120
    # It is the seam that was looked at: from the bright end towards to the bright end away.
    assert (line[:10, 0] > line[:10, 2]).all()
    assert (line[-10:, 2] > line[-10:, 0]).all()
    # A true reversal passes through the dark.
    show(plain, ramp_frame(-0.6, 0.6), overlay_opacity=1.0)
    luma = middle_line(plain, 0) @ [0.299, 0.587, 0.114]
    assert luma.min() < 15


def test_no_colour_is_invented_at_any_fold_edge(plain: PanelCanvas) -> None:
    """Whatever lies beside what: a pixel's velocity is between those of its samples, as phases."""
    rng = np.random.default_rng(5)
    frame = ramp_frame(0.5, 0.5)
    nyquist = frame.nyquist_velocity_m_s
    # Samples near v_N on both sides of it, in no order: each cell of the grid has a fold edge.
    near = rng.uniform(0.75, 1.25, frame.velocity_m_s.shape)
    velocity = (nyquist * wrapped(near, 1.0)).astype(np.float32)
    assert 0.4 < (velocity > 0).mean() < 0.6
    frame = dataclasses.replace(frame, velocity_m_s=velocity)
    for baseline in (0.0, 0.4, -0.4):
        model = show(plain, frame, overlay_opacity=1.0, baseline=baseline)
        left, top = (round(value) for value in plain.pixel(0, -0.0105, 0.008))
        right, bottom = (round(value) for value in plain.pixel(0, 0.0105, 0.028))
        shot = pixels(plain)[top:bottom, left:right].reshape(-1, 3)
        # All colours that 0.75 ... 1.25 v_N have, and none but those.
        allowed_m_s = wrapped(np.linspace(0.75, 1.25, 801) - baseline, 1.0) + baseline
        limits = (baseline - 1) * nyquist, (baseline + 1) * nyquist
        allowed = model.velocity_rgb(nyquist * allowed_m_s, *limits)
        distance = np.abs(shot[:, None] - allowed[None, ::4]).max(-1).min(1)
        assert distance.max() <= 4.0
        # It is smooth all the same: many colours, not those of the samples alone.
        assert len(np.unique(shot, axis=0)) > 100


def test_grey_is_smooth_between_samples(plain: PanelCanvas) -> None:
    rng = np.random.default_rng(6)
    frame = ramp_frame(0.5, 0.5)
    levels = rng.uniform(-50, -5, frame.bmode_db.shape).astype(np.float32)
    frame = dataclasses.replace(
        frame, bmode_db=levels, power_db=np.full_like(frame.power_db, -50.0)
    )
    steps = {}
    for interpolate in (True, False):
        show(plain, frame, interpolate=interpolate)
        plain._set_view(plain.view.zoomed(16.0, *plain.pixel(0, 0.0, 0.017)))
        line = picture(plain, 0)[60, 20:-20].sum(-1)
        steps[interpolate] = np.abs(np.diff(line)).max(), np.ptp(line)
    largest, spread = steps[True]
    assert spread > 100
    assert largest < 0.35 * spread < steps[False][0]


def test_the_corrected_panel_is_smooth_across_v_n(plain: PanelCanvas) -> None:
    show(plain, ramp_frame(0.4, 1.9), overlay_opacity=1.0, colour_scale_m_s=0.4)
    line = middle_line(plain, 2)
    assert np.abs(np.diff(line, axis=0)).max() < 12
    assert len(np.unique(line, axis=0)) > 60


def test_nothing_is_invented_between_corrected_and_uncorrected(plain: PanelCanvas) -> None:
    frame = ramp_frame(1.5, 1.5)
    fold = frame.fold.copy()
    assert (fold == 1).all()
    fold[:, 12:] = 0
    status = np.where(fold, Status.CORRECTED, Status.ABSTAINED).astype(np.uint8)
    show(
        plain,
        DopplerFrame(**{**vars(frame), "fold": fold, "status": status}),
        overlay_opacity=1.0,
        colour_scale_m_s=0.4,
    )
    # 1.5 v_N beside -0.5 v_N: two colours and nothing in between.
    line = middle_line(plain, 2)
    assert np.abs(np.diff(line, axis=0)).max() > 100
    assert len(np.unique(line, axis=0)) == 2


def test_noise_beside_the_flow_does_not_leak_in(plain: PanelCanvas) -> None:
    frame = ramp_frame(0.5, 0.5)
    velocity, power_db = frame.velocity_m_s.copy(), frame.power_db.copy()
    velocity[:, 12:] *= -0.7
    power_db[:, 12:] = 2.0
    show(
        plain,
        DopplerFrame(**{**vars(frame), "velocity_m_s": velocity, "power_db": power_db}),
        overlay_opacity=1.0,
    )
    for panel in (0, 2):
        line = middle_line(plain, panel)
        colours = np.unique(line, axis=0)
        assert len(colours) == 2
        assert colours[0].tolist() == [0, 0, 0]
        # The contour runs between the samples, where the power passes the threshold.
        width = np.count_nonzero(line.any(axis=1)) / len(line)
        edge = (11 + (30 - 8) / (30 - 2) + 0.5) / 24
        assert width == pytest.approx((edge * 0.024 - 0.0005) / 0.023, abs=0.03)


def test_weak_flow_shown_by_gain_is_raw(plain: PanelCanvas) -> None:
    processing = ProcessingSettings(flow_power_db=20.0)
    frame = ramp_frame(0.5, 0.5)
    frame = DopplerFrame(
        **{
            **vars(frame),
            "power_db": np.full_like(frame.power_db, 15),
            "status": np.zeros_like(frame.status),
            "processing": processing,
        }
    )
    show(plain, frame)
    assert not middle_line(plain, 2).any()
    show(plain, frame, colour_gain_db=6.0, overlay_opacity=1.0, colour_scale_m_s=0.4)
    model = Model(frame, plain.view, DisplaySettings())
    raw = model.velocity_rgb(np.array(0.5 * frame.nyquist_velocity_m_s), -0.4, 0.4)
    assert np.abs(middle_line(plain, 2) - raw).max() <= 2


# Bars, lines, states


def test_the_bars_show_the_map_between_their_ends(plain: PanelCanvas) -> None:
    model = show(plain, make_frame(3), baseline=0.3)
    shot = pixels(plain)
    for panel in (0, 2):
        scale = plain.scale_m_s(panel)
        assert scale is not None
        low, high = scale
        bar = plain.bar_rect(panel)
        height = 1 - (np.arange(bar.height) + 0.5) / bar.height
        expected = model.velocity_rgb(low + height * (high - low), low, high)
        got = shot[bar.y : bar.bottom, bar.x : bar.right]
        assert np.abs(got - expected[:, None]).max() <= 2
        # Red, that is towards the probe, is on top.
        assert got[5, 0, 0] > got[5, 0, 2]
    bar = plain.bar_rect(1)
    for tick, colour in zip(plain.bar_ticks(1), FOLD_MAP.astype(float), strict=True):
        got = shot[round(tick.y_px), bar.x + 5]
        assert np.abs(got - colour[:3] * colour[3] / 255).max() <= 1


def test_the_box_and_the_probe_mark_are_drawn(canvas: PanelCanvas) -> None:
    frame = make_frame(3, colour_grid=SHEARED)
    canvas.set_frame(frame)
    shot = pixels(canvas)
    edge = SHEARED.positions_m(np.array([-0.5]), np.array([70.0]))
    for panel in range(3):
        x_px, y_px = (int(value) for value in canvas.pixel(panel, edge[0][0], edge[1][0]))
        column = shot[y_px - 3 : y_px + 4, x_px].sum(-1)
        assert column.max() > np.median(column) + 60
        rect = canvas.picture_rect(panel)
        top = shot[rect.y : rect.y + 10, rect.x : rect.x + 40]
        assert (top[..., 1] > top[..., 0] + 60).any()


def test_a_ruler_lies_under_each_picture(canvas: PanelCanvas) -> None:
    canvas.resize(1280, 640)
    canvas.set_frame(make_frame(3))
    shot = pixels(canvas)
    steps = canvas.view.lateral_steps()
    lengths = {}
    for panel in range(3):
        for number, x_m in steps:
            x_px, y_px = canvas.pixel(panel, x_m, canvas.view.extent_m[3])
            below = shot[round(y_px) + 2 : round(y_px) + 20, int(x_px + 1e-6)].sum(-1)
            kind = 2 - number % 2 if number else 0
            lengths.setdefault(kind, set()).add(int((below > 200).sum()))
    # The middle of the probe, full and half steps.
    middle, half, full = (lengths[kind] for kind in (0, 1, 2))
    assert min(middle) > max(full) >= min(full) > max(half) > 0


def test_stale_is_grey_and_darker_and_comes_back(canvas: PanelCanvas) -> None:
    canvas.set_frame(make_frame(3))
    live = picture(canvas, 2)
    canvas.set_stale(True)
    stale = picture(canvas, 2)
    inner = np.s_[20:-5, 8:]
    # The thin lines over the picture keep their faint tint.
    assert np.ptp(stale[inner], axis=-1).max() <= 12
    assert stale[inner].mean() < 0.7 * live[inner].mean()
    assert np.ptp(live[inner], axis=-1).max() > 150
    bar = canvas.bar_rect(0)
    assert np.ptp(pixels(canvas)[bar.y : bar.bottom, bar.x + 5], axis=-1).max() <= 3
    canvas.set_stale(False)
    assert (picture(canvas, 2) == live).all()


def test_without_a_picture_the_panels_are_black(canvas: PanelCanvas) -> None:
    assert not picture(canvas, 0).any()
    canvas.set_frame(make_frame(3))
    assert picture(canvas, 0).any()
    canvas.clear()
    assert canvas.frame is None
    assert canvas.bar_ticks(0) == ()
    for panel in range(3):
        assert not picture(canvas, panel).any()
    canvas.set_frame(make_frame(4))
    assert picture(canvas, 0).any()


# Shader formulas


def evaluate(canvas: PanelCanvas, expression: str, a: np.ndarray, **uniforms: object) -> np.ndarray:
    """(n, 2) of a GLSL expression of ``a`` (n, 2), computed on the GPU in float32."""
    canvas._window.make_current()
    n = len(a)
    source = "".join(f"uniform vec{len(v)} {name};\n" for name, v in uniforms.items())
    program = gloo.Program(
        "attribute vec2 a_corner; varying vec2 v_at;\n"
        "void main() { v_at = 0.5 * a_corner + 0.5; gl_Position = vec4(a_corner, 0.0, 1.0); }",
        shader("grid.glsl")
        + source
        + "uniform sampler2D u_a; varying vec2 v_at;\n"
        + "void main() { vec2 a = texture2D(u_a, v_at).rg;\n"
        + f"gl_FragColor = vec4({expression}, 0.0, 1.0); }}",
    )
    values = np.zeros((1, n, 4), np.float32)
    values[0, :, :2] = a
    program["u_a"] = gloo.Texture2D(values, internalformat="rgba32f")
    program["a_corner"] = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32)
    for name, value in uniforms.items():
        program[name] = value
    target = gloo.Texture2D((1, n, 4), internalformat="rgba32f")
    with gloo.FrameBuffer(color=target):
        gloo.set_state(blend=False, depth_test=False)
        gloo.set_viewport(0, 0, n, 1)
        program.draw("triangle_strip")
        result = gloo.read_pixels((0, 0, n, 1), out_type="float")
    return np.asarray(result)[0, :, :2].astype(float)


@pytest.mark.parametrize(
    "grid",
    [
        RECTANGLE,
        SHEARED,
        ImageGrid("parallel", 40, 33, (-0.01, 0.02), (0.003, 0.05), angle_rad=-0.3),
        SECTOR,
        ImageGrid("polar", 64, 50, (-0.2, 0.9), (0.01, 0.08), apex_m=(0.004, -0.012)),
    ],
    ids=["rectangle", "sheared", "other way", "sector", "off-centre sector"],
)
def test_the_shader_places_samples_as_the_grid_does(canvas: PanelCanvas, grid: ImageGrid) -> None:
    rng = np.random.default_rng(1)
    index = rng.uniform(-0.5, np.array(grid.shape) - 0.5, (200, 2))
    lattice = (grid.range_m[0], grid.lines[0], grid.range_step_m, grid.line_step)
    origin = (*grid.apex_m, math.tan(grid.angle_rad))
    position_m = np.stack(grid.positions_m(index[:, 0], index[:, 1]), axis=1)
    call = f"{grid.kind}_position_m(a, u_lattice, u_origin)"
    got = evaluate(canvas, call, index, u_lattice=lattice, u_origin=origin)
    assert np.abs(got - position_m).max() < 1e-7
    call = f"{grid.kind}_index(a, u_lattice, u_origin)"
    got = evaluate(canvas, call, position_m, u_lattice=lattice, u_origin=origin)
    assert np.abs(got - index).max() < 2e-3


def test_meshes_have_few_triangles_and_follow_the_arcs() -> None:
    assert grid_mesh(SHEARED).tolist() == [
        [-0.5, -0.5],
        [159.5, -0.5],
        [-0.5, 143.5],
        [159.5, 143.5],
    ]
    mesh = grid_mesh(SECTOR)
    assert len(mesh) == 130
    x_m, z_m = SECTOR.positions_m(mesh[1::2, 0], mesh[1::2, 1])
    middle_m = np.hypot(0.5 * (x_m[1:] + x_m[:-1]), 0.5 * (z_m[1:] + z_m[:-1]) + 0.03)
    far_m = SECTOR.range_m[1] + 0.5 * SECTOR.range_step_m
    # 10 micrometres are a tenth of a pixel.
    assert np.abs(middle_m - far_m).max() < 1e-5
