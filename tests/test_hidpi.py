"""A screen with two physical pixels for each logical one: Qt is told so before it starts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from display import needs_display

pytestmark = [pytest.mark.gui, needs_display]

CHILD = Path(__file__).parent / "hidpi_child.py"
SCALE = 2


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a program saw that was started so."""
    out = tmp_path_factory.mktemp("hidpi") / "seen.npz"
    done = subprocess.run(
        [sys.executable, str(CHILD), str(out)],
        env={**os.environ, "QT_SCALE_FACTOR": str(SCALE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as file:
        return {name: file[name] for name in file.files}


def test_the_pictures_have_all_physical_pixels(seen):
    height, width = seen["size"] * SCALE
    assert seen["image"].shape == (height, width, 3)
    assert seen["screen"].shape == (height, width, 3)
    # Not each pixel twice: neighbours differ inside a pair as often as between pairs.
    left, top, right, bottom = seen["picture"] * SCALE
    grey = seen["image"][top:bottom, left:right].astype(int).sum(-1)
    within = np.abs(grey[:, 1::2] - grey[:, :-1:2])
    between = np.abs(grey[:, 2::2] - grey[:, 1:-1:2])
    assert (within > 0).mean() > 0.8 * (between > 0).mean() > 0.1


def test_the_screen_shows_what_was_drawn(seen):
    left, top, right, bottom = seen["picture"] * SCALE
    inside = np.s_[top + 40 : bottom - 40, left + 40 : right - 40]
    error = np.abs(seen["screen"][inside].astype(int) - seen["image"][inside])
    assert (error.max(-1) > 2).mean() < 0.001


def test_the_pointer_is_where_it_points(seen):
    assert seen["pointed_m"] == pytest.approx(seen["aimed_m"], abs=1.01 * seen["m_per_px"])
    # The cross is drawn there, one logical pixel wide.
    x, y = np.floor(seen["aimed_px"] * SCALE).astype(int)
    change = np.abs(seen["crossed"].astype(int) - seen["image"]).max(-1)
    left, top, right, bottom = seen["picture"] * SCALE
    columns = np.flatnonzero((change[top:bottom, left:right] > 0).mean(0) > 0.3) + left
    rows = np.flatnonzero((change[top:bottom, left:right] > 0).mean(1) > 0.3) + top
    assert 1 <= columns.size <= 2 * SCALE
    assert 1 <= rows.size <= 2 * SCALE
    assert np.abs(columns - x).max() <= SCALE
    assert np.abs(rows - y).max() <= SCALE


def test_text_over_the_pictures_is_sharp(seen):
    """What is written is written in physical pixels: thin strokes, not blocks of two by two."""
    left, top, right, bottom = seen["text"] * SCALE
    ink = seen["screen"][top:bottom, left:right].astype(int).sum(-1)
    assert ink.max() > 300
    # It fills its place, and no other.
    assert ink[:, -ink.shape[1] // 4 :].max() > 300
    assert seen["screen"][top:bottom, :left].max() == 0
    pairs = ink[: ink.shape[0] // 2 * 2, : ink.shape[1] // 2 * 2]
    pairs = pairs.reshape(pairs.shape[0] // 2, 2, -1, 2)
    is_ink = pairs.max(axis=(1, 3)) > 150
    spread = pairs.max(axis=(1, 3)) - pairs.min(axis=(1, 3))
    assert (spread[is_ink] > 30).mean() > 0.3


def test_stripes_are_as_wide_as_in_their_key(seen):
    """Hatching repeats after as many logical pixels as the key shows."""
    left, top, right, bottom = seen["hatched"] * SCALE
    line = seen["hatch"][(top + bottom) // 2, left:right].astype(float).sum(-1)
    line -= line.mean()
    spectrum = np.abs(np.fft.rfft(line))
    period = line.size / (1 + spectrum[1:].argmax())
    assert period == pytest.approx(seen["hatch_px"] * SCALE, rel=0.06)
