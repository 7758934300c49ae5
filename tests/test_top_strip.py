"""The line above the pictures: the state seen from afar, and no figure cut."""

import dataclasses

import pytest
from display import needs_display
from panels import rgb
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from ultrasound_console.status import State
from ultrasound_console.ui import theme

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

SIZES = (1024, 600), (1280, 720), (1920, 1080)


def edge(strip):
    """Colour of the line below the strip, at both ends and beside the chip."""
    shot = rgb(strip.grab().toImage())
    return {tuple(shot[-2, x].tolist()) for x in (2, strip.width() // 3, strip.width() - 3)}


@pytest.mark.parametrize(
    ("state", "text", "colour"),
    [
        (State.LIVE, "LIVE", theme.STRIP),
        (State.FROZEN, "FROZEN", theme.COLD),
        (State.STALE, "STALE", theme.WARNING),
        (State.FAULT, "FAULT", theme.ALARM),
        (State.PREPARING, "PREPARING", theme.LINE),
    ],
)
def test_a_state_is_seen_from_edge_to_edge(live, state, text, colour):
    strip = live.window.top
    strip.show_state(state, is_recording=False)
    assert text in strip.chip.text()
    assert edge(strip) == {QColor(colour).getRgb()[:3]}
    # The chip is filled, and its words stand out from it.
    chip = rgb(strip.chip.grab().toImage())
    assert chip.max() - chip.min() > 100


def test_states_differ_in_more_than_words(live):
    strip, looks = live.window.top, set()
    for state in State:
        strip.show_state(state, is_recording=False)
        middle = rgb(strip.chip.grab().toImage())[4, 40]
        looks.add((tuple(middle.tolist()), *edge(strip)))
    assert len(looks) == len(State)


def test_pictures_that_come_seldom_are_not_told_as_none(live):
    strip, texts = live.window.top, []
    for state in (State.LIVE, State.FROZEN):
        strip.show_state(state, is_recording=False)
        strip.show_figures(live.frame, 0.0)
        texts.append(strip.figures.text())
    assert "<b>&lt;1</b>" in texts[0]
    assert "<b>0</b>" in texts[1]


@pytest.mark.parametrize("asked_hz", [3000.0, 9000.0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_figure_is_cut(live, size, asked_hz):
    live.freeze()
    live.window.resize(*size)
    QApplication.processEvents()
    frame = live.frame
    acquisition = dataclasses.replace(frame.acquisition, requested_prf_hz=asked_hz)
    frame = dataclasses.replace(frame, acquisition=acquisition, wall_filter="polynomial-3")
    strip = live.window.top
    strip.show_figures(frame, 30.0)
    figures = strip.figures
    assert figures.sizeHint().width() <= figures.width()
    for part in ("3.00 kHz", "17.8 cm/s", "polynomial-3", "frames/s"):
        assert part in figures.text()
    if size[0] == 1920:
        assert f"Ensemble</span> {acquisition.n_pulses}" in figures.text()
        assert "Hz" in figures.text().split("polynomial-3")[1]
