"""Words as pixels, drawn from strokes: without a font, a window or a graphics library.

A letter is a few polylines on a coarse grid. They are drawn with a round pen and soft rims, so
that letters are smooth at any size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Points are two digits, x and y: the baseline is at y = 2, small letters end at 6 and large ones
# at 8. A blank lifts the pen; a point twice is a dot.
_STROKES = {
    "A": "022842 1434", "B": "0208 083847463505 3544433202", "C": "4738180703123243",
    "D": "0208 083847433202", "E": "48080242 0535", "F": "480802 0535",
    "G": "47381807031232434525", "H": "0802 4842 0545", "I": "0802", "J": "3833221203",
    "K": "0802 4804 1542", "L": "080242", "M": "0208254842", "N": "02084248",
    "O": "180703123243473818", "P": "0208 083847463505", "Q": "180703123243473818 2442",
    "R": "0208 083847463505 2542", "S": "473818070615354443321203", "T": "0848 2822",
    "U": "080312324348", "V": "082248", "W": "0812365268", "X": "0842 0248",
    "Y": "082548 2522", "Z": "08480242",
    "a": "4642 4536160503123243", "b": "0802 0516364543321203", "c": "4536160503123243",
    "d": "4842 4536160503123243", "e": "04444536160503123243", "f": "38281712 0636",
    "g": "4641301001 4536160503123243", "h": "0802 0516364542", "i": "0602 0808",
    "j": "161100 1818", "k": "0802 3604 1532", "l": "0802", "m": "0602 0516263532 3546566562",
    "n": "0602 0516364542", "o": "120305163645433212", "p": "0600 0516364543321203",
    "q": "4640 4536160503123243", "r": "0602 051636", "s": "45361605143443321203",
    "t": "18132232 0636", "u": "0603123243 4642", "v": "062246", "w": "0612355266",
    "x": "0642 0246", "y": "0622 4610", "z": "06460242",
    "0": "180703123243473818", "1": "072822", "2": "07183847460242",
    "3": "07183847463525 354443321203", "4": "380444 3832", "5": "480805354443321203",
    "6": "4738180703123243443505", "7": "084812", "8": "180706153546473818 1504031232434435",
    "9": "0312324347381807061545",
    ".": "0202", ",": "1201", ":": "0303 0606", "-": "0535", "+": "0545 2723",
    "±": "0646 2824 0242", "/": "0138", "(": "28171322", ")": "08171302", "=": "0646 0444",
    "%": "0248 0808 4242", "_": "0141",
}  # fmt: skip
_BASELINE, _CAPITALS, _TOP = 2, 8, 9
_GAP, _BLANK = 1.7, 2.2
_PEN = 0.8


def lettering(text: str, capital_px: float) -> NDArray[np.float32]:
    """Draw one line.

    Parameters
    ----------
    text : str
        What has no strokes becomes a blank.
    capital_px : float
        Height of capital letters.

    Returns
    -------
    (height, width) float32
        How much of each pixel is covered, 0 ... 1.
    """
    glyphs = [_glyph(letter, capital_px) for letter in text]
    gap = round(_GAP * _unit(capital_px))
    width = sum(glyph.shape[1] + gap for glyph in glyphs)
    cover = np.zeros((_height(capital_px), max(1, width)), np.float32)
    left = 0
    for glyph in glyphs:
        cover[:, left : left + glyph.shape[1]] = glyph
        left += glyph.shape[1] + gap
    return cover


def _unit(capital_px: float) -> float:
    return capital_px / (_CAPITALS - _BASELINE)


def _height(capital_px: float) -> int:
    return round((_TOP + 1) * _unit(capital_px))


@lru_cache(maxsize=512)
def _glyph(letter: str, capital_px: float) -> NDArray[np.float32]:
    """Cover of one letter, with room for the pen on both sides."""
    unit = _unit(capital_px)
    height = _height(capital_px)
    lines = list(_segments(letter))
    wide = max((max(x0, x1) for x0, _, x1, _ in lines), default=_BLANK)
    width = round((wide + _PEN) * unit)
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.full((height, width), np.inf)
    for x0, y0, x1, y1 in lines:
        start = np.array([x0 + 0.5 * _PEN, _TOP - y0]) * unit
        along = np.array([x1 - x0, y0 - y1]) * unit
        length = float(along @ along)
        dx, dy = x - start[0], y - start[1]
        share = np.clip((dx * along[0] + dy * along[1]) / length, 0, 1) if length else 0.0
        nearest = np.minimum(nearest, np.hypot(dx - share * along[0], dy - share * along[1]))
    cover: NDArray[np.float32] = np.clip(0.5 * _PEN * unit - nearest + 0.5, 0, 1, dtype=np.float32)
    cover.setflags(write=False)
    return cover


def _segments(letter: str) -> Iterator[tuple[int, int, int, int]]:
    for line in _STROKES.get(letter, "").split():
        points = [(int(line[at]), int(line[at + 1])) for at in range(0, len(line), 2)]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            yield x0, y0, x1, y1
