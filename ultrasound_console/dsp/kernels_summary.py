"""A compiled pass that tells a finished picture in three numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import exact

Float32 = NDArray[np.float32]


@exact
def summarise(
    velocity: Float32, fold: NDArray[np.int8], status: NDArray[np.uint8], span: float
) -> tuple[int, int, float]:
    """Count flow and folds, and add up speeds.

    Flow is where ``status`` is not 0; ``span`` is 2 v_N. Returns the number of flow pixels, that of
    those whose fold is not 0, and the sum of abs(velocity + fold span) over the flow.
    """
    n_flow, n_aliased, speeds = 0, 0, 0.0
    for row in range(status.shape[0]):
        for column in range(status.shape[1]):
            if status[row, column] != 0:
                n_flow += 1
                n_aliased += fold[row, column] != 0
                speeds += abs(velocity[row, column] + span * fold[row, column])
    return n_flow, n_aliased, speeds
