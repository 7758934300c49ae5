"""The pages of a DICOM clip: pictures on square pixels, and outside of them all words and bars.

Colours are opaque and stand for one velocity each, so that whoever reads a page can go back from a
colour to the velocity. Whatever is not picture lies outside of the calibrated regions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .. import BANNER
from ..frames import Acquisition, DopplerFrame
from ..settings import DisplaySettings
from .lettering import lettering
from .square_pixels import PixelGrid, ScanConverter

Panel = Literal["raw", "corrected", "both"]
RAW: Panel = "raw"
CORRECTED: Panel = "corrected"
BOTH: Panel = "both"
TISSUE, COLOUR_FLOW = 1, 2
"""Types of a region, as DICOM counts them."""

LONGEST_PX = 640
"""Longer side of a picture, at most."""
_EDGE_PX, _TITLE_PX, _RULER_PX = 16, 40, 52
_BAR_GAP_PX, _BAR_WIDTH_PX, _BAR_LABEL_PX, _BAR_HIGHEST_PX = 14, 16, 56, 420
_LINE_PX, _FOOT_GAP_PX = 24, 14
_HEADING_PX, _TEXT_PX, _SMALL_PX = 13.0, 10.0, 9.0
_INK, _CAPTION, _RULE = (226, 230, 236), (168, 176, 188), (96, 102, 112)
_TICK_STEPS_MM = (1, 2, 5, 10, 20, 50, 100)
_TICK_APART_PX = 48
_BETWEEN = "      "


@dataclass(frozen=True, eq=False)
class Look:
    """How frames are shown.

    Attributes
    ----------
    display : DisplaySettings
    panel : {"raw", "corrected", "both"}
        Which velocity lies over B-mode; both stand side by side.
    colours : (n, 3) uint8
        From the fastest flow away from the probe to the fastest towards it. No colour twice, and no
        grey.
    scale_m_s : float
        Velocity at the end of the de-aliased bar, before any angle correction.
    """

    display: DisplaySettings
    panel: Panel
    colours: NDArray[np.uint8]
    scale_m_s: float

    @property
    def velocities(self) -> tuple[bool, ...]:
        """For each picture from the left, whether it shows the corrected velocity."""
        return {RAW: (False,), CORRECTED: (True,), BOTH: (False, True)}[self.panel]


@dataclass(frozen=True, eq=False)
class Region:
    """A calibrated rectangle of a page.

    Attributes
    ----------
    data_type : int
        :data:`TISSUE` or :data:`COLOUR_FLOW`.
    bounds : tuple of int
        First column, first row, last column, last row.
    origin : tuple of int
        Column and row of the pixel at x = z = 0, from the rectangle's first; may lie outside.
    velocities_m_s : (n,) float64, or None
        What each of the colours stands for.
    """

    data_type: int
    bounds: tuple[int, int, int, int]
    origin: tuple[int, int]
    velocities_m_s: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class _Bar:
    """Colours of one picture: from ``low_m_s`` (below zero) to ``high_m_s``."""

    low_m_s: float
    high_m_s: float
    n_colours: int
    direction: int

    def colours_of(self, velocity_m_s: NDArray[np.floating]) -> NDArray[np.intp]:
        """Which colour each velocity has; zero is in the middle, wherever the baseline is."""
        limit_m_s = np.where(velocity_m_s < 0, -self.low_m_s, self.high_m_s)
        place = np.clip(self.direction * velocity_m_s / limit_m_s, -1, 1)
        return np.rint(0.5 * (self.n_colours - 1) * (place + 1)).astype(np.intp)

    @property
    def velocities_m_s(self) -> NDArray[np.float64]:
        """(n_colours,) velocity that each colour stands for."""
        place = self.direction * np.linspace(-1, 1, self.n_colours)
        return np.where(place < 0, -self.low_m_s, self.high_m_s) * place


class PageMaker:
    """Makes a page of each frame of a loop.

    Parameters
    ----------
    acquisition : Acquisition
        Of all frames.
    look : Look
    facts : sequence of str
        Written under the pictures.
    is_dealiased : bool
        Whether folds were looked for, or given, in any frame.

    Attributes
    ----------
    pixels : PixelGrid
        Of each picture.
    regions : tuple of Region
        Tissue and colour flow of each picture, from the left.
    shape : tuple of int
        (height, width) of a page.
    """

    def __init__(
        self,
        acquisition: Acquisition,
        look: Look,
        facts: Sequence[str],
        *,
        is_dealiased: bool = True,
    ) -> None:
        self.pixels = PixelGrid.over(acquisition, LONGEST_PX)
        self._look = look
        self._corrected = "De-aliased" if is_dealiased else "As measured, de-aliasing off"
        self._converter = ScanConverter(acquisition, look.display, self.pixels)
        self._bars = tuple(_bar(acquisition, look, corrected) for corrected in look.velocities)
        cell_px = self.pixels.width + _BAR_GAP_PX + _BAR_WIDTH_PX + _BAR_LABEL_PX
        width = _EDGE_PX + _RULER_PX + len(self._bars) * cell_px + (len(self._bars) - 1) * _EDGE_PX
        self._lefts = tuple(
            _EDGE_PX + _RULER_PX + number * (cell_px + _EDGE_PX)
            for number in range(len(self._bars))
        )
        foot = [*_lines(facts, width - 2 * _EDGE_PX), BANNER]
        self._foot_px = _TITLE_PX + self.pixels.height + _FOOT_GAP_PX
        self.shape = (self._foot_px + len(foot) * _LINE_PX + _EDGE_PX // 2, width)
        self.regions = tuple(
            itertools.chain.from_iterable(
                self._regions(left, bar) for left, bar in zip(self._lefts, self._bars, strict=True)
            )
        )
        self._empty = self._draw_empty(acquisition, foot)

    def page(self, frame: DopplerFrame) -> NDArray[np.uint8]:
        """(height, width, 3) page of a frame."""
        page = self._empty.copy()
        grey = self._converter.grey(frame)
        levels = np.rint(255 * grey).astype(np.uint8)
        rows = slice(_TITLE_PX, _TITLE_PX + self.pixels.height)
        for left, bar, corrected in zip(
            self._lefts, self._bars, self._look.velocities, strict=True
        ):
            picture = np.repeat(levels[..., None], 3, axis=-1)
            where, velocity_m_s = self._converter.flow(frame, grey, corrected=corrected)
            picture.reshape(-1, 3)[where] = self._look.colours[bar.colours_of(velocity_m_s)]
            page[rows, left : left + self.pixels.width] = picture
        return page

    def _regions(self, left: int, bar: _Bar) -> Iterator[Region]:
        pixels = self.pixels
        x0, y0, x1, y1 = self._converter.colour_bounds
        for data_type, inside, velocities_m_s in (
            (TISSUE, (0, 0, pixels.width - 1, pixels.height - 1), None),
            (COLOUR_FLOW, (x0, y0, x1, y1), bar.velocities_m_s * self._factor),
        ):
            first_x, first_y, last_x, last_y = inside
            yield Region(
                data_type,
                (left + first_x, _TITLE_PX + first_y, left + last_x, _TITLE_PX + last_y),
                (-pixels.left - first_x, -pixels.top - first_y),
                velocities_m_s,
            )

    @property
    def _factor(self) -> float:
        """Of the angle correction."""
        return self._look.display.angle_factor

    def _draw_empty(self, acquisition: Acquisition, foot: Sequence[str]) -> NDArray[np.uint8]:
        """Draw everything but the pictures."""
        page = np.zeros((*self.shape, 3), np.uint8)
        nyquist = f"Nyquist {100 * self._factor * acquisition.nyquist_velocity_m_s:.1f} cm/s"
        titles = {False: f"As measured{_BETWEEN}{nyquist}", True: self._corrected}
        for left, bar, corrected in zip(
            self._lefts, self._bars, self._look.velocities, strict=True
        ):
            _write(page, titles[corrected], (left, _TITLE_PX // 2), _HEADING_PX, _INK)
            self._draw_bar(page, left, bar, acquisition.nyquist_velocity_m_s)
        self._draw_ruler(page)
        for number, line in enumerate(foot):
            middle = self._foot_px + number * _LINE_PX + _LINE_PX // 2
            _write(page, line, (_EDGE_PX, middle), _TEXT_PX, _INK if line == BANNER else _CAPTION)
        return page

    def _draw_bar(
        self, page: NDArray[np.uint8], picture_left: int, bar: _Bar, nyquist_m_s: float
    ) -> None:
        left = picture_left + self.pixels.width + _BAR_GAP_PX
        height = min(_BAR_HIGHEST_PX, self.pixels.height - _LINE_PX)
        share = (np.arange(height)[::-1] + 0.5) / height
        velocity_m_s = bar.low_m_s + share * (bar.high_m_s - bar.low_m_s)
        stripe = self._look.colours[bar.colours_of(velocity_m_s)]
        page[_TITLE_PX : _TITLE_PX + height, left : left + _BAR_WIDTH_PX] = stripe[:, None]
        taken: list[float] = []
        values = (bar.low_m_s, bar.high_m_s, 0.0, -nyquist_m_s, nyquist_m_s)
        for value_m_s in values:
            up = (value_m_s - bar.low_m_s) / (bar.high_m_s - bar.low_m_s)
            row = _TITLE_PX + (1 - up) * (height - 1)
            if not 0 <= up <= 1 or any(abs(row - other) < _LINE_PX // 2 for other in taken):
                continue
            taken.append(row)
            text = f"{100 * self._factor * value_m_s:+.3g}" if value_m_s else "0"
            _write(page, text, (left + _BAR_WIDTH_PX + 6, round(row)), _SMALL_PX, _INK)
        middle = _TITLE_PX + height + _LINE_PX // 2 + 2
        _write(page, "cm/s", (left, middle), _SMALL_PX, _CAPTION)

    def _draw_ruler(self, page: NDArray[np.uint8]) -> None:
        """Mark depths in mm left of the first picture."""
        pixels, right = self.pixels, _EDGE_PX + _RULER_PX - 2
        per_mm = 1e-3 / pixels.pixel_m
        step_mm = next(
            (step for step in _TICK_STEPS_MM if step * per_mm >= _TICK_APART_PX),
            _TICK_STEPS_MM[-1],
        )
        rows = {
            depth_mm: round(depth_mm * per_mm) - pixels.top
            for depth_mm in range(0, int((pixels.top + pixels.height) / per_mm) + 1, step_mm)
        }
        page[_TITLE_PX : _TITLE_PX + pixels.height, right] = _RULE
        unit = " mm"  # beside the first number
        for depth_mm, row in rows.items():
            if 0 <= row < pixels.height:
                page[_TITLE_PX + row, right - 6 : right] = _CAPTION
                text = f"{depth_mm}{unit}"
                left = right - 10 - lettering(text, _SMALL_PX).shape[1]
                _write(page, text, (left, _TITLE_PX + row), _SMALL_PX, _CAPTION)
                unit = ""


def _bar(acquisition: Acquisition, look: Look, corrected: bool) -> _Bar:
    nyquist_m_s, display = acquisition.nyquist_velocity_m_s, look.display
    low_m_s, high_m_s = -look.scale_m_s, look.scale_m_s
    if not corrected:
        baseline_m_s = display.baseline * nyquist_m_s
        low_m_s, high_m_s = baseline_m_s - nyquist_m_s, baseline_m_s + nyquist_m_s
    return _Bar(low_m_s, high_m_s, len(look.colours), -1 if display.invert else 1)


def _lines(facts: Sequence[str], width_px: int) -> list[str]:
    """As many facts to a line as have room."""
    lines = [""]
    for fact in facts:
        longer = _BETWEEN.join((lines[-1], fact)) if lines[-1] else fact
        if lettering(longer, _TEXT_PX).shape[1] > width_px and lines[-1]:
            lines.append(fact)
        else:
            lines[-1] = longer
    return lines


def _write(
    page: NDArray[np.uint8],
    text: str,
    place: tuple[int, int],
    capital_px: float,
    ink: tuple[int, int, int],
) -> None:
    """Write a line from a column on, its capitals centred on a row; the page's edge cuts it off."""
    left, middle = place
    cover = lettering(text, capital_px)
    # Capitals reach from a tenth to seven tenths of the line's height.
    top = max(0, middle - math.ceil(0.4 * cover.shape[0]))
    area = page[top : top + cover.shape[0], left : left + cover.shape[1]]
    cover = cover[: area.shape[0], : area.shape[1], None]
    area[:] = np.rint(area + cover * (np.array(ink) - area)).astype(np.uint8)
