"""The picture under the cine slider: one value for each column, however many frames there are."""

import numpy as np
import pytest
from fakes import make_acquisition

from ultrasound_console.cine import LoopFrame
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.ui.cine.loop import Figures
from ultrasound_console.ui.cine.strip import strip_picture

NEW, OLD = ProcessingSettings(), ProcessingSettings(wall_filter="none")
GROUND, BARS, LINE = (0, 0, 0), (200, 100, 0), (0, 0, 250)
SHAPE, PAD_PX = (36, 116), 8


def figures_of(shares, speeds_m_s, processing=None):
    acquisition = make_acquisition()
    loop = [
        LoopFrame(at, 0.1 * at, acquisition, OLD if at % 2 else NEW, share, speed_m_s)
        for at, (share, speed_m_s) in enumerate(zip(shares, speeds_m_s, strict=True))
    ]
    return Figures.of(loop, processing)


def drawn(figures, pixel_scale=1):
    shape = SHAPE[0] * pixel_scale, SHAPE[1] * pixel_scale
    return strip_picture(
        figures, shape, PAD_PX * pixel_scale, pixel_scale, ground=GROUND, bars=BARS, line=LINE
    ).astype(int)


def heights(is_lit):
    """Rows from the lowest to the highest one that is lit, for each column."""
    return np.where(is_lit.any(0), is_lit.shape[0] - is_lit.argmax(0), 0)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 101, 1800])
@pytest.mark.parametrize("pixel_scale", [1, 2])
def test_a_column_has_the_largest_share_of_its_frames(n, pixel_scale):
    shares = np.random.default_rng(n).uniform(0.0, 0.2, n)
    shares[n // 2] = 0.5
    bars = drawn(figures_of(shares, np.zeros(n)), pixel_scale)[..., 0] > 100
    lit = heights(bars)
    full = 34 * pixel_scale
    # The line of the speeds, all zero, lies over the lowest rows.
    assert lit.max() == full
    column = pixel_scale * (PAD_PX + (100 * (n // 2) / max(1, n - 1)))
    near = lit[int(column) - 1 : int(column) + 2]
    assert near.max() == full
    if n == 1800:  # one peak, as wide as a column or two
        assert np.sum(lit == full) <= 2 * pixel_scale


def test_the_line_is_at_the_mean_speed_of_a_column():
    speeds_m_s = np.tile([0.2, 0.6], 900)
    speeds_m_s[:900] += 0.2
    line = drawn(figures_of(np.zeros(1800), speeds_m_s))[..., 2] > 125
    middle = [36 - np.flatnonzero(line[:, column]).mean() for column in (30, 85)]
    assert middle == pytest.approx([34 * 0.6 / 0.8, 34 * 0.4 / 0.8], abs=1.0)


def test_outdated_frames_are_pale_and_behind_the_others():
    shares = np.tile([0.2, 0.4], 900)  # the outdated ones are higher
    red = drawn(figures_of(shares, np.zeros(1800), NEW))[..., 0]
    assert np.median(red[5, 20:90]) == pytest.approx(0.35 * 200, abs=1)
    assert np.median(red[25, 20:90]) == 200
    assert figures_of(shares, np.zeros(1800)).outdated.sum() == 0


def test_an_empty_loop_has_no_largest_figures():
    nothing = Figures.of(())
    assert (nothing.largest_aliased_share, nothing.largest_speed_m_s) == (0.0, 0.0)
