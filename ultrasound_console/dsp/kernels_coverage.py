"""Compiled kernels that look for what a frame cannot show, and stop as soon as they know."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact

Float32 = NDArray[np.float32]

_ZERO = np.float32(0.0)


@exact
def constant_channels(samples: NDArray[Any], out: NDArray[np.uint8]) -> None:
    """Mark channels (n_elements, n_samples) that hold one value: 1 for zero, 2 for another."""
    for element in range(samples.shape[0]):
        record = samples[element]
        first = record[0]
        k = 1
        while k < record.size and record[k] == first:
            k += 1
        out[element] = 0 if k < record.size else 1 if first == 0 else 2


@exact
def reaches_any(
    first: NDArray[np.int64], sent: Float32, delay: Float32, last: float
) -> tuple[int, bool]:
    """Whether any echo (pixel, element) lies inside a record of samples 0 ... ``last``.

    Pixel p has the entries ``first[p]:first[p + 1]`` of ``delay``, to which ``sent[p]`` is added.
    Returns the number of entries, and whether one of them lies inside.
    """
    for p in range(sent.size):
        for entry in range(first[p], first[p + 1]):
            at = sent[p] + delay[entry]
            if at >= _ZERO and at <= last:
                return first[sent.size], True
    return first[sent.size], False
