"""Words as pixels, in the font that Pillow brings along: without a window or a font's file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# Of the line: capitals reach from a tenth to seven tenths of its height.
_LINE_PER_CAPITAL, _BASELINE = 10 / 6, 0.7
# Of the font.
_SIZE_PER_CAPITAL = 1.4


def lettering(text: str, capital_px: float) -> NDArray[np.float32]:
    """Draw one line.

    Parameters
    ----------
    text : str
        Of ASCII.
    capital_px : float
        Height of capital letters.

    Returns
    -------
    (height, width) float32
        How much of each pixel is covered, 0 ... 1.
    """
    font = ImageFont.load_default(_SIZE_PER_CAPITAL * capital_px)
    height = round(_LINE_PER_CAPITAL * capital_px)
    line = Image.new("L", (max(1, round(font.getlength(text))), height))
    start = 0, round(_BASELINE * height)
    ImageDraw.Draw(line).text(start, text, fill=255, font=font, anchor="ls")
    return np.asarray(line, np.float32) / np.float32(255)
