"""Views, comparing and colour maps in the whole window, with real mouse and keys."""

import dataclasses

import numpy as np
import pytest
from display import needs_display
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QMenu

from ultrasound_console.render.painter import CONVENTIONAL, CORRECTED, FOLDS
from ultrasound_console.settings.display import COLOUR_MAPS, VIEWS
from ultrasound_console.ui import theme
from ultrasound_console.ui.labels import COMPARED_TITLE, TITLES

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def held(live):
    """A picture that stays, so that all that changes is what was done."""
    live.freeze()
    return live


def titles(console):
    return [title.text() for title in console.window.labels.titles if title.isVisible()]


def inner(console, place):
    """A picture without the lines at its edges."""
    return console.picture(place)[12:-4, 10:-4].astype(int)


def alike(one, other):
    """Whether two pictures are the same, but for how places between pixels are rounded."""
    return (np.abs(one - other).max(-1) > 6).mean() < 0.002


def test_keys_choose_the_view(held):
    panels = held.window.canvas
    widest = panels.picture_rect(0).width
    for key, expected in (
        (Qt.Key.Key_2, (CONVENTIONAL, CORRECTED)),
        (Qt.Key.Key_1, (CORRECTED,)),
        (Qt.Key.Key_1, (CONVENTIONAL,)),
        (Qt.Key.Key_1, (FOLDS,)),
        (Qt.Key.Key_1, (CORRECTED,)),
        (Qt.Key.Key_3, (CONVENTIONAL, FOLDS, CORRECTED)),
    ):
        held.key(key)
        assert panels.panels == expected
        assert titles(held) == [TITLES[panel] for panel in expected]
        # It is drawn: what was not a picture before is one now.
        assert panels.picture_rect(0).width >= widest
        for place in range(len(expected)):
            assert held.picture(place).max(-1).mean() > 5
    held.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panels.panels == (CORRECTED,)


def test_fewer_panels_are_larger(held):
    scales = {}
    for key in (Qt.Key.Key_3, Qt.Key.Key_2, Qt.Key.Key_1):
        held.key(key)
        scales[key] = held.window.canvas.view.pixels_per_m
    assert scales[Qt.Key.Key_3] < scales[Qt.Key.Key_2] <= scales[Qt.Key.Key_1]


def test_x_swaps_the_panels(held):
    before = [inner(held, place) for place in range(3)]
    held.key(Qt.Key.Key_X)
    assert titles(held) == list(TITLES[2::-1])
    assert alike(inner(held, 0), before[2])
    assert alike(inner(held, 2), before[0])
    held.key(Qt.Key.Key_X)
    assert np.array_equal(inner(held, 2), before[2])


def test_the_controls_choose_the_same(held):
    held.key(Qt.Key.Key_F9)
    view, swap = held.control("view"), held.control("swap")
    held.until(lambda: view.isVisible() and swap.isVisible())
    view.setFocus()
    for _ in VIEWS[1:]:
        held.key(Qt.Key.Key_Up)
    assert held.window.canvas.panels == (CORRECTED,)
    held.key(Qt.Key.Key_Backspace)
    held.qtbot.mouseClick(swap, LEFT)
    assert held.window.canvas.panels == (CORRECTED, FOLDS, CONVENTIONAL)
    # And follow the keys.
    held.key(Qt.Key.Key_2)
    assert view.value == "dual"


def test_what_is_said_stays_in_sight_in_every_view(held):
    labels, window = held.window.labels, held.window
    said = {caption.full_text for caption in labels.badges} - {""}
    assert len(said) == 3
    for key in (Qt.Key.Key_2, Qt.Key.Key_1, Qt.Key.Key_1, Qt.Key.Key_1):
        held.key(key)
        rects = []
        for caption in (*labels.badges, *labels.truths):
            if caption.full_text:
                assert caption.isVisible()
                assert caption.text() == caption.full_text
                rects.append(caption.geometry())
                assert window.canvas.rect().contains(rects[-1])
        assert len(rects) >= 3
        for i, rect in enumerate(rects):
            assert not any(rect.intersects(other) for other in rects[:i])


def test_words_beside_a_low_picture_never_run_into_each_other(held):
    labels, window = held.window.labels, held.window
    window.resize(1024, 600)
    held.key(Qt.Key.Key_1)
    held.key(Qt.Key.Key_T)
    held.until(lambda: window.canvas.height() < 300)
    assert any(caption.full_text for caption in labels.truths)
    captions = (*labels.badges, *labels.truths, *labels.readouts, labels.unsure)
    rects = [caption.geometry() for caption in captions if caption.isVisible()]
    assert len(rects) >= 3
    for i, rect in enumerate(rects):
        assert window.canvas.rect().contains(rect)
        assert not any(rect.intersects(other) for other in rects[:i])


def test_no_words_lie_over_the_edge_of_a_picture(held):
    labels, canvas = held.window.labels, held.window.canvas
    assert any(caption.full_text for caption in labels.truths)
    captions = (*labels.badges, *labels.truths, *labels.readouts, labels.unsure)

    def lie_clear():
        end_px = canvas.pixel(0, 0.0, canvas.view.extent_m[3])[1]
        shown = [caption.geometry() for caption in captions if caption.isVisible()]
        return shown and not any(rect.top() < end_px - 1 < rect.bottom() for rect in shown)

    for height_px in range(760, 600, -16):
        held.window.resize(1280, height_px)
        held.until(lambda height_px=height_px: held.window.height() == height_px and lie_clear())


def test_holding_c_shows_the_raw_velocity_in_place(held):
    labels, raw, corrected = held.window.labels, inner(held, 0), inner(held, 2)
    assert not alike(raw, corrected)
    nyquist = labels.bars[0].texts
    focus = QApplication.focusWidget()
    held.qtbot.keyPress(focus, Qt.Key.Key_C)
    assert alike(inner(held, 2), raw)
    assert labels.titles[2].text() == COMPARED_TITLE
    assert theme.WARNING in labels.titles[2].styleSheet()
    assert labels.bars[2].texts == nyquist
    # Nothing claims a correction meanwhile.
    assert not labels.badges[2].isVisible()
    held.qtbot.keyRelease(focus, Qt.Key.Key_C)
    assert np.array_equal(inner(held, 2), corrected)
    assert labels.titles[2].text() == TITLES[2]
    assert labels.badges[2].isVisible()


def test_the_button_does_the_same_while_it_is_pressed(held):
    labels, raw, corrected = held.window.labels, inner(held, 0), inner(held, 2)
    button = labels.compare
    at = button.geometry().center()
    # The canvas does not take the mouse away from it.
    assert held.window.canvas.childAt(at) is button
    handle = held.window.windowHandle()
    place = held.window.canvas.mapTo(held.window, at)
    held.qtbot.mousePress(handle, LEFT, pos=place)
    assert alike(inner(held, 2), raw)
    assert labels.titles[2].text() == COMPARED_TITLE
    held.qtbot.mouseRelease(handle, LEFT, pos=place)
    assert np.array_equal(inner(held, 2), corrected)
    held.key(Qt.Key.Key_1)
    held.key(Qt.Key.Key_1)
    assert not button.isVisible()


def test_letting_go_elsewhere_ends_the_comparison(held):
    panels = held.window.canvas
    held.qtbot.keyPress(QApplication.focusWidget(), Qt.Key.Key_C)
    assert panels.compared_place == 2
    menu = QMenu(held.window)
    menu.addAction("anything")
    menu.popup(held.window.mapToGlobal(QPoint(50, 50)))
    held.until(lambda: panels.compared_place is None)
    menu.close()


def test_the_cursor_is_linked_in_two_panels(held):
    held.key(Qt.Key.Key_2)
    panels = held.window.canvas
    x_px, y_px = (round(value) for value in panels.pixel(1, 0.001, 0.017))
    held.qtbot.mouseMove(panels, QPoint(x_px - 3, y_px))
    before = held.pixels()
    held.qtbot.mouseMove(panels, QPoint(x_px, y_px))
    held.until(lambda: panels.cursor_m is not None)
    assert panels.cursor_m == pytest.approx((0.001, 0.017), abs=2 / panels.view.pixels_per_m)
    changed = (held.pixels() != before).any(-1)
    for place in range(2):
        column, _ = panels.pixel(place, *panels.cursor_m)
        rect = panels.picture_rect(place)
        assert changed[rect.y : rect.bottom, int(column + 1e-6)].mean() > 0.5
    readouts = held.window.labels.readouts
    assert [readout.isVisible() for readout in readouts[:3]] == [True, True, True]


def test_m_goes_through_the_colour_maps(held):
    frame = held.frame
    disturbed = np.full_like(frame.bandwidth, 0.7)
    held.window.canvas.set_frame(dataclasses.replace(frame, bandwidth=disturbed))
    pictures = [inner(held, 0)]
    for name in (*COLOUR_MAPS[1:], COLOUR_MAPS[0]):
        held.key(Qt.Key.Key_M)
        assert held.control("colour_map").value == name
        pictures.append(inner(held, 0))
    assert np.array_equal(pictures[0], pictures[-1])
    for i, picture in enumerate(pictures[:-1]):
        for other in pictures[:i]:
            assert (picture != other).any(-1).sum() > 200


def test_power_is_told_in_decibels(held):
    for _ in range(3):
        held.key(Qt.Key.Key_M)
    assert held.window.canvas.bar_unit(0) == "dB"
    threshold = held.frame.processing.flow_power_db
    assert held.window.labels.bars[0].texts[2] == f"{threshold:.0f}"


def test_escape_leaves_the_full_screen(held):
    window = held.window
    held.key(Qt.Key.Key_F11)
    held.until(window.isFullScreen)
    held.key(Qt.Key.Key_Escape)
    held.until(lambda: not window.isFullScreen())
    held.key(Qt.Key.Key_Escape)
    assert window.isVisible()


def test_the_key_of_the_stripes_is_beside_the_fold_bar(held):
    labels, panels = held.window.labels, held.window.canvas
    key, bar = labels.hatch_key, panels.bar_rect(1)
    assert key.isVisible()
    assert key.x() == bar.x
    assert key.y() >= bar.bottom
    assert panels.rect().contains(key.geometry())
    assert not key.geometry().intersects(labels.readouts[1].geometry())
    held.key(Qt.Key.Key_2)
    assert not key.isVisible()
