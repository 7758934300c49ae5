"""LZW as GIF has it: codes of 9 to 12 bits, the lowest bit first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..dsp.lanes_numba import exact

N_COLOURS = 256
_CLEAR, _END = N_COLOURS, N_COLOURS + 1
_FEWEST_BITS, _MOST_BITS = 9, 12
_N_CODES = 1 << _MOST_BITS


@exact
def compress(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compress a picture.

    Parameters
    ----------
    pixels : (n,) uint8
        Colour numbers, row by row; at least one.

    Returns
    -------
    (m,) uint8
        Without the division into blocks.
    """
    # A code for each pixel, two for every full table and two at the ends are the most there can be.
    most_codes = pixels.size + 2 * (pixels.size // (_N_CODES - _END - 1)) + 4
    packed = np.zeros((_MOST_BITS * most_codes) // 8 + 8, np.uint8)
    # Code of each known string with one more pixel; 0 is none.
    longer = np.zeros((_N_CODES, N_COLOURS), np.int16)
    n_bytes, held, n_held = 0, np.uint64(0), 0
    width, free = _FEWEST_BITS, _END + 1
    code = -1
    for place in range(-1, pixels.size + 1):
        if place < 0:
            out = _CLEAR
        elif place == pixels.size:
            out = code
        else:
            pixel = int(pixels[place])
            if code < 0:
                code = pixel
                continue
            known = longer[code, pixel]
            if known:
                code = known
                continue
            out = code
        held |= np.uint64(out) << np.uint64(n_held)
        n_held += width
        while n_held >= 8:
            packed[n_bytes] = held & np.uint64(255)
            held >>= np.uint64(8)
            n_held -= 8
            n_bytes += 1
        if place < 0 or place == pixels.size:
            continue
        # Here a string has ended: it is known with one more pixel from now on.
        if free < _N_CODES:
            if free == 1 << width:
                width += 1
            longer[code, pixel] = free
            longer[free, :] = 0
            free += 1
        else:
            held |= np.uint64(_CLEAR) << np.uint64(n_held)
            n_held += width
            longer[:N_COLOURS, :] = 0
            width, free = _FEWEST_BITS, _END + 1
        code = pixel
    if free == 1 << width and width < _MOST_BITS:
        width += 1  # the reader has learnt one more string by now
    held |= np.uint64(_END) << np.uint64(n_held)
    n_held += width
    while n_held > 0:
        packed[n_bytes] = held & np.uint64(255)
        held >>= np.uint64(8)
        n_held -= 8
        n_bytes += 1
    return packed[:n_bytes]
