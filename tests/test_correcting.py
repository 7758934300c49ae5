"""Correcting by hand with real mouse and keys: folds, marks, undo, and the label that is left."""

import dataclasses
import hashlib

import numpy as np
import pytest
from display import needs_display
from mouse import wheel
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from ultrasound_console import compute, labels
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.ui.readout import readout_at
from ultrasound_console.ui.tools.correcting import NAME
from ultrasound_console.ui.tools.label_files import UNSAVED

pytestmark = [pytest.mark.gui, needs_display]
pytest_plugins = ["console_for_tests"]

LEFT = Qt.MouseButton.LeftButton
SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def correcting(console, monkeypatch):
    """The console frozen with the tool chosen; samples have the shape of their grid."""
    whole = compute.form

    def form(frame, processing, gpu=None):
        iq = whole(frame, processing)
        grid, bmode_grid = iq.acquisition.colour_grid, iq.acquisition.bmode_grid
        rng = np.random.default_rng(iq.index)
        samples = np.zeros((*grid.shape, 2, 16), np.float32)
        samples[..., : iq.acquisition.n_pulses] = rng.standard_normal((*grid.shape, 2, 12))
        fields = {f.name: getattr(iq, f.name) for f in dataclasses.fields(IqFrame)}
        power = np.ones(bmode_grid.shape, np.float32)
        return IqFrame(**fields | {"iq": samples, "bmode_power": power})

    monkeypatch.setattr(compute, "form", form)
    console.open()
    console.play(3)
    console.until(lambda: "LIVE" in console.chip)
    console.freeze()
    console.key(Qt.Key.Key_E)
    return console


def tool(console):
    return console.window.tools.correcting.tool


def pixel(console, row, line, place=1):
    """Where a panel shows a sample of the colour grid."""
    grid = console.frame.acquisition.colour_grid
    x_m, z_m = grid.positions_m(row, line)
    x_px, y_px = console.window.canvas.pixel(place, float(x_m), float(z_m))
    return QPoint(round(x_px), round(y_px))


def click(console, at, keys=Qt.KeyboardModifier.NoModifier):
    QTest.mouseMove(console.window.canvas, at)
    QTest.mousePress(console.window.canvas, LEFT, keys, at)
    QTest.mouseRelease(console.window.canvas, LEFT, keys, at)


def paint(console, start, end, keys=Qt.KeyboardModifier.NoModifier):
    canvas = console.window.canvas
    QTest.mousePress(canvas, LEFT, keys, start)
    for k in range(1, 9):
        QTest.mouseMove(canvas, start + (end - start) * k / 8)
    QTest.mouseRelease(canvas, LEFT, keys, end)


def aliased_core(frame):
    """A region of fold 1, and a pixel well inside it."""
    rows, lines = np.nonzero(frame.fold == 1)
    middle = np.argmin(np.hypot(rows - np.median(rows), lines - np.median(lines)))
    return frame.fold == 1, (rows[middle], lines[middle])


def n_pink(picture):
    """Pixels that no map of flow or folds has: those of outlines and dots."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return np.count_nonzero((red - green > 50) & (blue - green > 50))


def test_a_region_is_picked_and_its_fold_changed(correcting):
    frame = correcting.frame
    core, (row, line) = aliased_core(frame)
    click(correcting, pixel(correcting, row, line))
    picked = tool(correcting).selection
    assert picked[row, line]
    assert np.count_nonzero(picked & core) > 0.95 * np.count_nonzero(picked) > 500
    assert frame.fold[picked].min() == frame.fold[picked].max() == 1

    correcting.key(Qt.Key.Key_Plus)
    correcting.until(lambda: correcting.frame is not frame)
    after = correcting.frame
    np.testing.assert_array_equal(after.fold, frame.fold + picked)
    np.testing.assert_array_equal(after.status == Status.BY_HAND, picked)
    np.testing.assert_array_equal(after.velocity_m_s, frame.velocity_m_s)
    for _ in range(2):
        correcting.key(Qt.Key.Key_Minus)
    correcting.until(lambda: correcting.frame.fold[row, line] == 0)
    np.testing.assert_array_equal(correcting.frame.fold, frame.fold - picked)
    # Other pixels keep what the de-aliasing said of them.
    assert set(np.unique(correcting.frame.status[~picked])) == set(np.unique(frame.status[~picked]))


@pytest.mark.parametrize("place", [0, 2])
def test_a_region_is_picked_in_any_panel(correcting, place):
    core, (row, line) = aliased_core(correcting.frame)
    click(correcting, pixel(correcting, row, line, place))
    assert np.count_nonzero(tool(correcting).selection & core) > 500


def test_what_is_given_by_hand_is_marked_and_read_out_as_such(correcting):
    _, (row, line) = aliased_core(correcting.frame)
    at = pixel(correcting, row, line)
    click(correcting, at)
    QTest.mouseMove(correcting.window.canvas, pixel(correcting, 5, 5))
    before = correcting.picture(1)
    raw = correcting.picture(0)
    corrected = correcting.picture(2)
    correcting.key(Qt.Key.Key_Minus)
    correcting.until(lambda: correcting.frame.status[row, line] == Status.BY_HAND)
    assert n_pink(correcting.picture(1)) > n_pink(before) + 200
    np.testing.assert_array_equal(correcting.picture(0), raw)
    assert np.count_nonzero((correcting.picture(2) != corrected).any(axis=-1)) > 500

    grid = correcting.frame.acquisition.colour_grid
    x_m, z_m = (float(v) for v in grid.positions_m(row, line))
    _, fold, velocity = readout_at(correcting.frame, x_m, z_m).lines()
    assert fold == "fold 0   given by hand"
    assert velocity.startswith("by hand ")
    correcting.until(lambda: "by hand" in correcting.window.labels.badges[2].text())


def test_undo_and_redo_walk_through_the_corrections(correcting):
    _, (row, line) = aliased_core(correcting.frame)
    settings = correcting.window.store.current
    click(correcting, pixel(correcting, row, line))
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_Plus, Qt.Key.Key_Minus):
        correcting.key(key)

    def fold():
        return correcting.engine.cine.frame(correcting.frame.index).fold[row, line]

    assert fold() == 2
    found = []
    for key in (Qt.Key.Key_Z,) * 3:
        correcting.key(key, CONTROL)
        found.append(fold())
    assert found == [3, 2, 1]
    correcting.until(lambda: correcting.frame.status[row, line] != Status.BY_HAND)
    correcting.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    correcting.key(Qt.Key.Key_Y, CONTROL)
    assert fold() == 3
    assert correcting.window.store.current == settings


def test_undo_goes_back_to_the_frame_that_was_corrected(correcting):
    last = correcting.frame.index
    _, (row, line) = aliased_core(correcting.frame)
    click(correcting, pixel(correcting, row, line))
    correcting.key(Qt.Key.Key_Plus)
    correcting.key(Qt.Key.Key_Left)
    correcting.until(lambda: correcting.frame.index == last - 1)
    correcting.until(lambda: tool(correcting).selection is None)
    correcting.key(Qt.Key.Key_Z, CONTROL)
    correcting.until(lambda: correcting.frame.index == last)
    assert correcting.frame.fold[row, line] == 1


def test_painting_selects_the_flow_under_the_brush(correcting):
    frame = correcting.frame
    _, (row, line) = aliased_core(frame)
    start, end = pixel(correcting, row, line - 12), pixel(correcting, row, line + 12)
    view = correcting.window.canvas.view
    paint(correcting, start, end)
    painted = tool(correcting).selection.copy()
    # Every pixel of flow within a millimetre of the stroke, and no other: counted by hand.
    x_m, z_m = frame.acquisition.colour_grid.positions_m()
    ends = [view.position_m(at.x(), at.y())[1:] for at in (start, end)]
    (x0, z0), (x1, z1) = ends
    share = ((x_m - x0) * (x1 - x0) + (z_m - z0) * (z1 - z0)) / ((x1 - x0) ** 2 + (z1 - z0) ** 2)
    share = np.clip(share, 0.0, 1.0)
    away_m = np.hypot(x_m - x0 - share * (x1 - x0), z_m - z0 - share * (z1 - z0))
    flow = frame.status != Status.NO_FLOW
    assert not painted[~flow].any()
    assert painted[flow & (away_m < 0.9e-3)].all()
    assert not painted[away_m > 1.1e-3].any()
    assert correcting.window.canvas.view == view

    correcting.key(Qt.Key.Key_BracketRight)
    correcting.key(Qt.Key.Key_BracketRight)
    wider = tool(correcting).radius_m
    assert wider == pytest.approx(1e-3 * 1.25**2)
    paint(correcting, start, end)
    more = tool(correcting).selection.copy()
    assert np.count_nonzero(more) > np.count_nonzero(painted)
    correcting.key(Qt.Key.Key_BracketLeft)
    middle = (start + end) / 2
    paint(correcting, middle, end, CONTROL)
    less = tool(correcting).selection
    assert 0 < np.count_nonzero(less) < np.count_nonzero(more)
    assert not (less & ~more).any()

    # A stroke that has met no flow yet: who asks meanwhile finds nothing selected.
    beside = pixel(correcting, *np.argwhere(frame.status == Status.NO_FLOW)[40])
    canvas = correcting.window.canvas
    QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.NoModifier, beside)
    QTest.mouseMove(canvas, beside + QPoint(12, 0))
    QTest.mouseMove(canvas, beside + QPoint(24, 0))
    assert tool(correcting).selection is None
    QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, beside)


def test_shift_adds_another_region(correcting):
    frame = correcting.frame
    _, (row, line) = aliased_core(frame)
    vein = frame.velocity_m_s < -0.3 * frame.nyquist_velocity_m_s
    vein &= (frame.fold == 0) & (frame.status == Status.KEPT)
    rows, lines = np.nonzero(vein)
    at = np.argmax(rows)
    click(correcting, pixel(correcting, row, line))
    one = tool(correcting).selection.copy()
    click(correcting, pixel(correcting, rows[at], lines[at]), SHIFT)
    both = tool(correcting).selection
    assert both[row, line]
    assert both[rows[at], lines[at]]
    assert not (one & ~both).any()
    click(correcting, pixel(correcting, row, line), CONTROL)
    assert not tool(correcting).selection[one].any()
    # Beside the flow nothing is picked.
    click(correcting, pixel(correcting, *np.argwhere(frame.status == Status.NO_FLOW)[40]))
    assert tool(correcting).selection is None


def test_all_flow_is_selected_by_keys_alone(correcting):
    found = correcting.frame
    correcting.key(Qt.Key.Key_A, CONTROL)
    correcting.key(Qt.Key.Key_Plus)
    correcting.until(lambda: Status.BY_HAND in correcting.frame.status)
    flow = found.status != Status.NO_FLOW
    np.testing.assert_array_equal(correcting.frame.status == Status.BY_HAND, flow)
    np.testing.assert_array_equal(correcting.frame.fold[flow], found.fold[flow] + 1)


def test_each_region_is_reached_by_keys_alone(correcting):
    found, picked = correcting.frame, []
    for _ in range(200):
        correcting.key(Qt.Key.Key_N)
        selection = tool(correcting).selection
        if picked and np.array_equal(selection, picked[0]):
            break
        assert not any((selection & other).any() for other in picked)
        assert np.unique(found.fold[selection]).size == 1
        picked.append(selection)
    else:
        pytest.fail("the first region did not come again")
    core, _ = aliased_core(found)
    reached = np.any(picked, axis=0)
    assert np.count_nonzero(reached & core) > 0.9 * np.count_nonzero(core)
    assert not reached[found.status == Status.NO_FLOW].any()

    correcting.key(Qt.Key.Key_N)
    correcting.key(Qt.Key.Key_Plus)
    correcting.until(lambda: Status.BY_HAND in correcting.frame.status)
    second = picked[1 % len(picked)]
    np.testing.assert_array_equal(correcting.frame.status == Status.BY_HAND, second)
    np.testing.assert_array_equal(correcting.frame.fold, found.fold + second)


def test_the_wheel_changes_folds_over_the_selection_and_zooms_beside_it(correcting):
    _, (row, line) = aliased_core(correcting.frame)
    at = pixel(correcting, row, line)
    view = correcting.window.canvas.view
    click(correcting, at)
    wheel(correcting.window.canvas, at, 1)
    correcting.until(lambda: correcting.frame.fold[row, line] == 2)
    assert correcting.window.canvas.view == view
    beside = pixel(correcting, *np.argwhere(correcting.frame.status == Status.NO_FLOW)[40])
    wheel(correcting.window.canvas, beside, 1)
    assert correcting.frame.fold[row, line] == 2
    assert correcting.window.canvas.view != view


def test_delete_lets_the_automatic_folds_come_back(correcting):
    frame = correcting.frame
    _, (row, line) = aliased_core(frame)
    click(correcting, pixel(correcting, row, line))
    correcting.key(Qt.Key.Key_Plus)
    correcting.key(Qt.Key.Key_Delete)
    correcting.until(lambda: correcting.frame.status[row, line] != Status.BY_HAND)
    np.testing.assert_array_equal(correcting.frame.fold, frame.fold)
    np.testing.assert_array_equal(correcting.frame.status, frame.status)


def test_live_it_says_to_freeze_first(live):
    before = live.frame
    live.key(Qt.Key.Key_E)
    assert live.window.tools.row.current == NAME
    assert live.window.message.text.text().startswith("Freeze first")
    assert live.window.tools.correcting.hint.text().startswith("Freeze first")
    view = live.window.canvas.view
    _, (row, line) = aliased_core(before)
    at = pixel(live, row, line)
    paint(live, at, at + QPoint(30, 0))
    assert tool(live).selection is None
    assert live.window.canvas.view != view or live.window.canvas.view.fitted() == view
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_L):
        live.key(key, CONTROL if key == Qt.Key.Key_L else Qt.KeyboardModifier.NoModifier)
    assert not (live.frame.status == Status.BY_HAND).any()
    live.freeze()
    live.until(lambda: "Click a region" in live.window.tools.correcting.hint.text())
    click(live, at)
    assert tool(live).selection is not None


def test_corrections_stay_with_their_frame_in_the_loop(correcting):
    last = correcting.frame.index
    _, (row, line) = aliased_core(correcting.frame)
    click(correcting, pixel(correcting, row, line))
    correcting.key(Qt.Key.Key_Plus)
    correcting.until(lambda: correcting.frame.status[row, line] == Status.BY_HAND)
    given = correcting.frame
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
        shown = correcting.frame.index
        correcting.key(key)
        correcting.until(lambda shown=shown: correcting.frame.index != shown)
        if key == Qt.Key.Key_Left:
            assert not (correcting.frame.status == Status.BY_HAND).any()
    assert correcting.frame.index == last
    np.testing.assert_array_equal(correcting.frame.status, given.status)
    # With other settings too, and that is said, once the words have followed the picture.
    tools = correcting.window.tools
    correcting.until(lambda: tools.correcting._frame is correcting.frame)
    correcting.window.settings.change("wall_filter", "polynomial-2")
    correcting.until(lambda: correcting.frame.processing.wall_filter == "polynomial-2")
    np.testing.assert_array_equal(correcting.frame.fold, given.fold)
    assert (correcting.frame.status == Status.BY_HAND).any()
    correcting.until(lambda: "given by hand are kept" in correcting.window.message.text.text())
    correcting.key(Qt.Key.Key_R, CONTROL)
    correcting.until(lambda: correcting.engine.status().rerun_share is None)
    assert (correcting.engine.cine.frame(last).status == Status.BY_HAND).any()
    assert not (correcting.engine.cine.as_found(last).status == Status.BY_HAND).any()


def test_a_saved_label_is_what_was_corrected(correcting, tmp_path):
    found = correcting.frame
    before = correcting.engine.cine.as_found(found.index - 1)
    correcting.window.tools.correcting.files.folder = tmp_path / "mine"
    _, (row, line) = aliased_core(found)
    correcting.key(Qt.Key.Key_L, CONTROL)
    assert "No fold is given by hand yet" in correcting.window.message.text.text()
    click(correcting, pixel(correcting, row, line))
    correcting.key(Qt.Key.Key_Plus)
    save = correcting.window.tools.correcting.buttons["save"]
    assert save.isEnabled()
    correcting.key(Qt.Key.Key_L, CONTROL)
    correcting.until(lambda: "Label saved: " in correcting.window.message.text.text())
    assert not save.isEnabled()
    (path,) = labels.label_files(tmp_path / "mine")
    assert str(path) in correcting.window.message.text.text()
    label = labels.load(path)
    given = correcting.frame.status == Status.BY_HAND
    np.testing.assert_array_equal(label.label.given, given)
    np.testing.assert_array_equal(label.label.fold[given], correcting.frame.fold[given])
    np.testing.assert_array_equal(label.shown.fold, found.fold)
    np.testing.assert_array_equal(label.shown.status, found.status)
    np.testing.assert_array_equal(label.shown.velocity_m_s, found.velocity_m_s)
    np.testing.assert_array_equal(label.before.fold, before.fold)
    assert label.before.iq.index == found.index - 1
    assert label.acquisition == found.acquisition
    assert label.processing == found.processing
    assert label.provenance.by == label.provenance.source_sha256 == ""
    assert label.provenance.labelled_at.endswith("+00:00")
    # Changed and saved again it is still one label.
    correcting.key(Qt.Key.Key_Minus)
    correcting.key(Qt.Key.Key_Minus)
    assert save.isEnabled()
    correcting.key(Qt.Key.Key_L, CONTROL)
    correcting.until(lambda: not correcting.window.tools.correcting.unsaved)
    assert labels.label_files(tmp_path / "mine") == (path,)
    assert (labels.load(path).label.fold[given] == found.fold[given] - 1).all()


def test_a_whole_frame_is_accepted_as_it_is(correcting, tmp_path):
    found = correcting.frame
    correcting.window.tools.correcting.files.folder = tmp_path
    correcting.key(Qt.Key.Key_E, SHIFT)
    correcting.until(lambda: Status.BY_HAND in correcting.frame.status)
    sure = (found.status == Status.KEPT) | (found.status == Status.CORRECTED)
    np.testing.assert_array_equal(correcting.frame.status == Status.BY_HAND, sure)
    np.testing.assert_array_equal(correcting.frame.fold, found.fold)
    assert (correcting.frame.status == Status.ABSTAINED).any()
    correcting.window.tools.correcting.buttons["save"].click()
    correcting.until(lambda: not correcting.window.tools.correcting.unsaved)
    label = labels.load(*labels.label_files(tmp_path)).label
    np.testing.assert_array_equal(label.given, sure)
    correcting.key(Qt.Key.Key_Z, CONTROL)
    correcting.until(lambda: not (correcting.frame.status == Status.BY_HAND).any())


@pytest.mark.parametrize("how", ["resume", "close", "open"])
def test_what_was_not_saved_is_kept_apart(correcting, tmp_path, how):
    correcting.window.tools.correcting.files.folder = tmp_path
    frame = correcting.frame
    _, (row, line) = aliased_core(frame)
    click(correcting, pixel(correcting, row, line))
    correcting.key(Qt.Key.Key_Plus)
    if how == "resume":
        correcting.key(Qt.Key.Key_Space)
        correcting.until(lambda: "kept in" in correcting.window.message.text.text())
    elif how == "close":
        correcting.window.close()
    else:
        correcting.window.open_source("known")
        correcting.until((tmp_path / UNSAVED).is_dir)
        correcting.window.tools.correcting.files.close()
    (path,) = labels.label_files(tmp_path / UNSAVED)
    assert labels.load(path).label.fold[row, line] == 2
    assert not list(tmp_path.glob(f"*{labels.SUFFIX}"))


def test_a_folder_that_cannot_be_written_is_said_and_the_label_stays_unsaved(correcting, tmp_path):
    (tmp_path / "file").write_text("in the way")
    correcting.window.tools.correcting.files.folder = tmp_path / "file"
    correcting.key(Qt.Key.Key_E, SHIFT)
    correcting.key(Qt.Key.Key_L, CONTROL)
    correcting.until(lambda: "choose another folder" in correcting.window.message.text.text())
    assert correcting.window.message.is_error
    assert correcting.window.tools.correcting.unsaved == (correcting.frame.index,)
    correcting.window.tools.correcting.files.folder = tmp_path


def test_the_folder_is_remembered(correcting, tmp_path, monkeypatch):
    from ultrasound_console.ui.tools.label_files import LabelFiles

    chosen = tmp_path / 'the "folder"'
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(chosen))
    correcting.window.tools.correcting.choose_folder()
    assert str(chosen) in correcting.window.message.text.text()
    assert LabelFiles().folder == chosen


def test_a_file_that_was_opened_is_told_by_its_checksum(correcting, tmp_path):
    source = tmp_path / "scan.mat"
    source.write_bytes(b"samples")
    correcting.window.tools.correcting.files.folder = tmp_path
    correcting.window.tools.correcting.begin(str(source))
    correcting.key(Qt.Key.Key_E, SHIFT)
    correcting.key(Qt.Key.Key_L, CONTROL)
    correcting.until(lambda: not correcting.window.tools.correcting.unsaved)
    (path,) = labels.label_files(tmp_path)
    wanted = hashlib.sha256(b"samples").hexdigest()
    assert labels.load(path).provenance.source_sha256 == wanted


def test_esc_puts_the_tool_away_and_its_marks(correcting):
    _, (row, line) = aliased_core(correcting.frame)
    click(correcting, pixel(correcting, row, line))
    assert correcting.window.canvas.marks
    assert correcting.window.tools.correcting.bar.isVisible()
    correcting.key(Qt.Key.Key_Escape)
    assert not correcting.window.canvas.marks
    assert not correcting.window.tools.correcting.bar.isVisible()
    before = correcting.window.store.current
    correcting.key(Qt.Key.Key_Plus)
    assert not (correcting.engine.cine.frame(correcting.frame.index).status == 4).any()
    assert correcting.window.store.current == before
