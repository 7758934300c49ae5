"""Columns of a picture with an even time axis, of values that did not come evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_MOST_COLUMNS = 4096
_REACH = 2.0  # steps that a column of the picture is from its frame at most


def spread_evenly(time_s: Float64) -> tuple[NDArray[np.int64], tuple[float, float]]:
    """Which frame each column of a picture with an even time axis shows; -1 for none."""
    step_s = float(np.median(np.diff(time_s))) if time_s.size > 1 else 0.0
    step_s = max(step_s, float(time_s[-1] - time_s[0]) / _MOST_COLUMNS, 1e-3)
    n = round(float(time_s[-1] - time_s[0]) / step_s) + 1
    wanted_s = time_s[0] + step_s * np.arange(n)
    after = np.clip(np.searchsorted(time_s, wanted_s), 1, max(time_s.size - 1, 1))
    before = after - 1
    after = np.minimum(after, time_s.size - 1)
    nearer = np.abs(time_s[after] - wanted_s) < np.abs(time_s[before] - wanted_s)
    at = np.where(nearer, after, before)
    at[np.abs(time_s[at] - wanted_s) > _REACH * step_s] = -1
    return at, (float(wanted_s[0]) - 0.5 * step_s, float(wanted_s[-1]) + 0.5 * step_s)
