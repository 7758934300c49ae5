# ruff: noqa: PLR0917 (kernels are called with positional arguments only)
"""Compiled kernels of the local frequency; they repeat the array code of :mod:`.local_frequency`.

The tests hold the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .lanes_numba import reordered

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@reordered
def axial_correlation(
    iq: Float32, weights: Float32, n_pulses: int, turn: Float32, rows: Float32, out: Float32
) -> None:
    """Correlation of wall-filtered samples with their neighbours along depth.

    ``weights`` is (1, n_pulses, n_lanes), or (2, n_pulses, n_lanes) for a complex filter, or
    (1, 0, n_lanes) for none; ``turn`` is (2, n_lines), ``rows`` (2, n_lines, 2, n_lanes) to work
    in.
    """
    n_depths, n_lines, _, lanes = iq.shape
    is_complex = weights.shape[0] == 2
    out[:] = _ZERO
    for i in range(n_depths):
        for j in range(n_lines):
            re, im = rows[i % 2, j, 0], rows[i % 2, j, 1]
            if weights.shape[1] == 0:
                re[:] = iq[i, j, 0]
                im[:] = iq[i, j, 1]
            else:
                re[:] = _ZERO
                im[:] = _ZERO
                for k in range(n_pulses):
                    x, y = iq[i, j, 0, k], iq[i, j, 1, k]
                    a = weights[0, k]
                    for lane in range(lanes):
                        re[lane] += x * a[lane]
                        im[lane] += y * a[lane]
                    if is_complex:
                        b = weights[1, k]
                        for lane in range(lanes):
                            re[lane] -= y * b[lane]
                            im[lane] += x * b[lane]
            if i == 0:
                continue
            re0, im0 = rows[1 - i % 2, j, 0], rows[1 - i % 2, j, 1]
            sum_re = sum_im = _ZERO
            for lane in range(lanes):
                sum_re += re[lane] * re0[lane] + im[lane] * im0[lane]
                sum_im += im[lane] * re0[lane] - re[lane] * im0[lane]
            turned_re = sum_re * turn[0, j] - sum_im * turn[1, j]
            turned_im = sum_re * turn[1, j] + sum_im * turn[0, j]
            out[0, i - 1, j] += turned_re
            out[1, i - 1, j] += turned_im
            out[0, i, j] += turned_re
            out[1, i, j] += turned_im


@reordered
def frequency_factor(
    lags: Float32, radians: Float32, flow: Bool, lowest: float, highest: float, out: Float32
) -> None:
    """Nominal over local frequency; ``radians`` is the phase step of f0 on each line."""
    n_depths, n_lines = flow.shape
    for i in range(n_depths):
        for j in range(n_lines):
            factor = _ONE
            if flow[i, j]:
                shift = np.arctan2(lags[1, i, j], lags[0, i, j]) / radians[j]
                local = min(max(_ONE + shift, np.float32(lowest)), np.float32(highest))
                factor = _ONE / local
            out[i, j] = factor
