"""PNG files with text beside the picture: what made it stays with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

_LEVEL = 4


def write_png(path: Path, rgb: NDArray[np.uint8], texts: Mapping[str, str]) -> None:
    """Write a picture.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    rgb : (height, width, 3) uint8
    texts : mapping
        Text by keyword; keywords of the standard, such as ``Title`` and ``Software``, are known to
        other programs. 1 ... 79 characters of Latin-1 each.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    beside = PngInfo()
    for keyword, text in texts.items():
        beside.add_itxt(keyword, text.encode("utf-8", "replace").decode("utf-8"))
    # A file of Python's: an error comes through as it is, also of a name without an end.
    with path.open("wb") as file:
        Image.fromarray(rgb).save(file, "PNG", pnginfo=beside, compress_level=_LEVEL)
