"""Two settings on one frozen frame, with real mouse and keys; effects in pixels and planes."""

import dataclasses

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_frame
from panels import on_screen, picture, show, shown_canvas
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from ultrasound_console.frames import Status
from ultrasound_console.render.painter import CONVENTIONAL, CORRECTED, FOLDS, KEPT
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.ui.ab import (
    FREEZE_FIRST,
    GONE,
    _caption,
    _figures_text,
    differences,
    figures,
)

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier
TRIPLE = CONVENTIONAL, FOLDS, CORRECTED


@pytest.fixture
def frozen(live):
    live.freeze()
    live.until(live.window.ab.keep_button.isVisible)
    return live


@pytest.fixture
def kept(frozen):
    """A frame that is kept as A, and then processed otherwise: B."""
    frozen.key(Qt.Key.Key_K)
    a = frozen.frame
    assert frozen.window.ab.a is a
    make_b(frozen)
    return frozen


def make_b(frozen):
    """Process the frame with a threshold that leaves no colour."""
    frozen.window.settings.apply({"flow_power_db": 40.0, "dealias": False})
    frozen.until(lambda: frozen.frame.processing.flow_power_db == 40.0)
    frozen.window._on_poll()


def inner(console, place):
    """A picture without the lines at its edges, the letter in its corner and its words."""
    return console.picture(place)[50:-40, 10:-45].astype(int)


def alike(one, other):
    return one.shape == other.shape and (np.abs(one - other).max(-1) > 6).mean() < 0.002


def letters(console):
    return {panel for panel, label in console.window.ab._letters.items() if label.isVisible()}


# ---- in the window -------------------------------------------------------------------------


def test_a_live_picture_cannot_be_kept(live):
    assert not live.window.ab.keep_button.isVisible()
    live.key(Qt.Key.Key_K)
    assert live.window.ab.a is None
    assert not live.window.ab.isVisible()
    assert live.window.message.text.text() == FREEZE_FIRST


def test_the_button_keeps_too(frozen):
    frozen.qtbot.mouseClick(frozen.window.ab.keep_button, LEFT)
    assert frozen.window.ab.a is frozen.frame
    assert frozen.window.ab.isVisible()
    assert letters(frozen) == {CORRECTED}


def test_holding_j_shows_a_in_the_place_of_b(frozen):
    frozen.key(Qt.Key.Key_K)
    frozen.window._on_poll()
    before = inner(frozen, 2)
    make_b(frozen)
    now = inner(frozen, 2)
    assert not alike(now, before)
    raw = inner(frozen, 0)
    focus = QApplication.focusWidget()
    frozen.qtbot.keyPress(focus, Qt.Key.Key_J)
    assert frozen.window.canvas.panels == (CONVENTIONAL, FOLDS, KEPT)
    assert alike(inner(frozen, 2), before)
    assert letters(frozen) == {KEPT}
    assert np.array_equal(inner(frozen, 0), raw)
    frozen.qtbot.keyRelease(focus, Qt.Key.Key_J)
    assert np.array_equal(inner(frozen, 2), now)
    assert letters(frozen) == {CORRECTED}
    # Nothing was processed for it.
    n_processed = frozen.flow.n_processed
    for _ in range(3):
        frozen.key(Qt.Key.Key_J)
    assert frozen.flow.n_processed == n_processed


def test_going_elsewhere_lets_go_of_the_key(kept):
    kept.qtbot.keyPress(QApplication.focusWidget(), Qt.Key.Key_J)
    assert kept.window.canvas.kept_place == 2
    kept.window.held_keys.let_go()
    assert kept.window.canvas.kept_place is None


def test_the_mouse_chooses_a_or_b_and_the_key_shows_the_other(kept):
    bar, canvas = kept.window.ab, kept.window.canvas
    kept.qtbot.mouseClick(bar.choose_a, LEFT)
    assert canvas.panels[2] == KEPT
    assert bar.choose_a.isChecked()
    assert not bar.choose_b.isChecked()
    kept.qtbot.keyPress(bar.choose_a, Qt.Key.Key_J)
    assert canvas.panels == TRIPLE
    kept.qtbot.keyRelease(bar.choose_a, Qt.Key.Key_J)
    assert canvas.panels[2] == KEPT
    kept.qtbot.mouseClick(bar.choose_b, LEFT)
    assert canvas.panels == TRIPLE
    assert bar.choose_b.isChecked()


def test_no_button_claims_what_no_picture_shows(kept):
    bar = kept.window.ab
    kept.qtbot.mouseClick(bar.choose_a, LEFT)
    for _ in range(2):
        kept.key(Qt.Key.Key_1)
    assert kept.window.canvas.panels == (CONVENTIONAL,)
    assert letters(kept) == set()
    assert not bar.choose_a.isChecked()
    assert not bar.choose_b.isChecked()
    kept.key(Qt.Key.Key_3)
    assert bar.choose_a.isChecked()


def test_both_stand_side_by_side(kept):
    canvas, labels = kept.window.canvas, kept.window.labels
    kept.qtbot.mouseClick(kept.window.ab.choose_a, LEFT)
    kept.key(Qt.Key.Key_J, SHIFT)
    assert canvas.panels == (KEPT, CORRECTED)
    assert letters(kept) == {KEPT, CORRECTED}
    left, right = inner(kept, 0), inner(kept, 1)
    assert not alike(left, right)
    titles = [title.text() for title in labels.titles if title.isVisible()]
    assert [title[:2] for title in titles] == ["A:", "B:"]
    kept.window._on_poll()
    assert labels.badges[KEPT].full_text.startswith("A: ")
    assert labels.badges[CORRECTED].full_text.startswith("B: no flow")
    # One scale for both, or they could not be compared.
    assert canvas.scale_m_s(0) == canvas.scale_m_s(1)
    assert canvas.scale_m_s(0) is not None
    kept.key(Qt.Key.Key_J, SHIFT)
    assert canvas.panels[0] == CONVENTIONAL
    # Side by side are the pictures that were there one by one.
    kept.key(Qt.Key.Key_2)
    kept.qtbot.mouseClick(kept.window.ab.choose_a, LEFT)
    assert alike(inner(kept, 1), left)
    kept.qtbot.mouseClick(kept.window.ab.choose_b, LEFT)
    assert alike(inner(kept, 1), right)


def test_both_can_be_read_under_the_cursor(kept):
    kept.key(Qt.Key.Key_J, SHIFT)
    canvas, labels = kept.window.canvas, kept.window.labels
    frame = kept.window.ab.a
    row, column = np.argwhere(frame.fold == 1)[300]
    x_m, z_m = (float(v) for v in frame.acquisition.colour_grid.positions_m(row, column))
    canvas._move_cursor((x_m, z_m))
    assert f"{100 * frame.corrected_m_s[row, column]:+.1f} cm/s" in labels.readouts[KEPT].full_text
    b = f"{100 * kept.frame.velocity_m_s[row, column]:+.1f}".replace("-", "\N{MINUS SIGN}")
    assert f"raw {b} cm/s" in labels.readouts[CONVENTIONAL].full_text


def test_it_says_what_differs_and_nothing_else(frozen):
    bar = frozen.window.ab
    frozen.key(Qt.Key.Key_K)
    frozen.window._on_poll()
    assert bar.caption.full_text.startswith("A is kept. Change a setting")
    frozen.window.settings.change("smoothing_m", 0.0016)
    frozen.until(lambda: frozen.frame.processing.smoothing_m == 0.0016)
    frozen.window._on_poll()
    assert bar.caption.full_text == "Smoothing:  A 0.8 mm,  B 1.6 mm"
    frozen.window.settings.change("dealias", False)
    frozen.until(lambda: not frozen.frame.processing.dealias)
    frozen.window._on_poll()
    assert "De-alias:  A on,  B off" in bar.caption.full_text
    shares = figures(bar.a), figures(frozen.frame)
    assert f"aliased:  A {100 * shares[0]['aliased']:.1f} %" in bar.figures.full_text
    assert f"wrong folds:  A {100 * shares[0]['wrong folds']:.1f} %" in bar.figures.full_text
    # A display setting makes no B.
    text = bar.caption.full_text
    frozen.key(Qt.Key.Key_M)
    frozen.window._on_poll()
    assert bar.caption.full_text == text


def test_a_belongs_to_its_frame(kept):
    canvas, bar, a = kept.window.canvas, kept.window.ab, kept.window.ab.a
    kept.key(Qt.Key.Key_J, SHIFT)
    kept.key(Qt.Key.Key_Left)
    kept.until(lambda: kept.frame.index == a.index - 1)
    assert canvas.panels == TRIPLE
    kept.window._on_poll()
    assert letters(kept) == set()
    assert f"A was kept of frame {a.index}" in bar.caption.full_text
    assert not bar.choose_a.isEnabled()
    kept.key(Qt.Key.Key_Right)
    kept.until(lambda: kept.frame.index == a.index)
    kept.window._on_poll()
    assert canvas.panels == (KEPT, CORRECTED)
    assert bar.choose_a.isEnabled()


def test_going_on_live_ends_it_and_says_so(kept):
    kept.key(Qt.Key.Key_J, SHIFT)
    kept.key(Qt.Key.Key_Space)
    kept.until(lambda: not kept.window.ab.isVisible())
    assert kept.window.ab.a is None
    assert kept.window.canvas.kept is None
    assert kept.window.message.text.text() == GONE
    assert kept.window.canvas.panels == TRIPLE
    assert letters(kept) == set()
    assert not kept.window.ab.keep_button.isVisible()


def test_it_can_be_ended_by_hand(kept):
    for end in (
        lambda: kept.key(Qt.Key.Key_K, SHIFT),
        lambda: kept.qtbot.mouseClick(kept.window.ab.close_button, LEFT),
    ):
        end()
        assert kept.window.ab.a is None
        assert not kept.window.ab.isVisible()
        kept.key(Qt.Key.Key_J, SHIFT)  # says what to do first
        assert kept.window.canvas.panels == TRIPLE
        kept.key(Qt.Key.Key_K)
        assert kept.window.ab.isVisible()


def test_the_screen_has_what_the_canvas_has(kept):
    """The letter is drawn over the panels, on the screen itself."""
    canvas = kept.window.canvas
    kept.qtbot.mouseClick(kept.window.ab.choose_a, LEFT)
    letter = kept.window.ab._letters[KEPT].geometry()

    def amber():
        shot = on_screen(canvas)[letter.top() : letter.bottom(), letter.left() : letter.right()]
        return ((shot[..., 0] > 200) & (shot[..., 2] < 100)).mean()

    kept.until(lambda: bool(amber() > 0.4))


# ---- without a window ----------------------------------------------------------------------


def test_differences_are_named_as_on_the_controls():
    a = ProcessingSettings()
    b = dataclasses.replace(a, wall_filter="low", persistence_s=0.1, flash_rejection=True)
    assert differences(a, a) == ()
    assert [(each.label, each.a, each.b) for each in differences(a, b)] == [
        ("Wall filter", "polynomial-1", "low"),
        ("Persistence", "off", "100 ms"),
        ("Flash rejection", "off", "on"),
    ]


def test_figures_are_shares_of_the_flow():
    frame = make_frame(3)
    n_flow = int((frame.status != Status.NO_FLOW).sum())
    shares = figures(frame)
    assert shares["left raw"] == (frame.status == Status.ABSTAINED).sum() / n_flow > 0.0
    assert shares["aliased"] == frame.aliased_share
    assert shares["wrong folds"] == frame.score.shown.wrong_share
    unknown = dataclasses.replace(frame, score=None, truth_m_s=None, vessel_mask=None)
    assert "wrong folds" not in figures(unknown)


def test_folds_given_by_hand_are_a_difference_too():
    a = make_frame(3)
    status = a.status.copy()
    status[status == Status.CORRECTED] = Status.BY_HAND
    b = dataclasses.replace(a, status=status)
    assert _caption(a, a).startswith("A is kept")
    assert _caption(a, b) == "The settings are the same; folds were given by hand."
    share = (status == Status.BY_HAND).sum() / (status != Status.NO_FLOW).sum()
    assert f"by hand:  A 0.0 %,  B {100 * share:.1f} %" in _figures_text(a, b)
    assert "by hand" not in _figures_text(a, a)


# ---- what is drawn -------------------------------------------------------------------------


@pytest.fixture
def canvas(qtbot):
    return shown_canvas(qtbot)


@pytest.mark.parametrize(
    "display", [{}, {"colour_map": "power"}, {"colour_map": "velocity-variance"}, {"tgc_3_db": 9.0}]
)
def test_a_is_drawn_from_all_of_its_own_planes(canvas, display):
    """Its velocity, power, threshold, bandwidth and B-mode, in the colours of B's scale."""
    processing = ProcessingSettings(flow_power_db=14.0)
    a = make_frame(3, seed=1, pulsation=0.0, processing=processing)
    a = dataclasses.replace(a, bmode_db=a.bmode_db - 6.0, bandwidth=np.sqrt(a.bandwidth))
    b = make_frame(3)
    canvas._scale.rise_s = 1e9
    model = show(canvas, b, **display)
    canvas.set_kept(a, in_place=True)
    assert canvas.panels == (CONVENTIONAL, FOLDS, KEPT)
    shot = picture(canvas, 2)
    of_a = dataclasses.replace(model, frame=a, panels=TRIPLE)
    expected, sure = of_a.expected(2)
    inside = np.s_[8:-8, 8:-8]
    error = np.abs(shot - expected).max(-1)[inside][sure[inside]]
    # The lines over the picture are not in the model.
    assert (error > 2).mean() < 0.03
    before = dataclasses.replace(model, frame=b).expected(2)[0]
    assert (np.abs(shot - before).max(-1) > 8).mean() > 0.05
    # The other panels are B's.
    for place in range(2):
        expected, sure = model.expected(place)
        error = np.abs(picture(canvas, place) - expected).max(-1)[inside][sure[inside]]
        assert (error > 2).mean() < 0.03


def test_another_map_and_another_context_bring_a_along(canvas):
    a, b = make_frame(3, seed=1, pulsation=0.0), make_frame(3)
    a = dataclasses.replace(a, bandwidth=np.full_like(a.bandwidth, 0.6))
    pictures = {}
    show(canvas, b)
    for name in ("classic", "velocity-variance", "power", "classic"):
        canvas.set_kept(a, in_place=True)
        picture(canvas, 2)  # it is sent as the map before wants it
        show(canvas, b, colour_map=name)
        shot = picture(canvas, 2)
        assert (pictures.setdefault(name, shot) == shot).all()
        # As if it had been kept only now.
        canvas.set_kept(dataclasses.replace(a), in_place=True)
        assert (picture(canvas, 2) == shot).all()
    canvas._forget()
    assert (picture(canvas, 2) == pictures["classic"]).all()
    canvas.set_kept(None)
    compare_plain = show(canvas, b)
    assert canvas.panels == compare_plain.panels == TRIPLE


def test_raw_has_the_place_while_its_key_is_held(canvas):
    show(canvas, make_frame(3))
    canvas.set_kept(make_frame(3, seed=1), in_place=True)
    canvas.set_comparing(True)
    assert canvas.panels == (CONVENTIONAL, FOLDS, CONVENTIONAL)
    canvas.set_comparing(False)
    assert canvas.panels == (CONVENTIONAL, FOLDS, KEPT)


def test_a_is_not_shown_with_another_frame(canvas):
    show(canvas, make_frame(3))
    canvas.set_kept(make_frame(3, seed=1), beside=True)
    assert canvas.panels == (KEPT, CORRECTED)
    show(canvas, make_frame(4))
    assert canvas.kept is None
    assert canvas.panels == TRIPLE
    show(canvas, make_frame(3), truth=True)
    assert canvas.panels == (KEPT, CORRECTED, 3)
