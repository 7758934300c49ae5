"""Whether a method knows what it does not know: its confidence against what is right."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SHARES = (*np.arange(0.5, 1.0, 0.025).tolist(), 1.0)
"""Shares of the surest pixels for which wrong folds are counted."""
_N_BINS = 15

Bool = NDArray[np.bool_]


def coverage(
    confidence: NDArray[np.floating], wrong: Bool, shares: tuple[float, ...] = SHARES
) -> tuple[tuple[float, float], ...]:
    """Wrong share among the surest pixels, for some shares of them.

    Where several are equally sure, their mean counts, whatever their order.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), confidence.size - 1)
    n_wrong = np.cumsum(wrong[order])[ends]
    kept = np.array(shares) * confidence.size
    found = np.interp(kept, [0, *(ends + 1)], [0, *n_wrong]) / kept
    return tuple(zip(shares, found.tolist(), strict=True))


def reliability(
    confidence: NDArray[np.floating], right: Bool
) -> tuple[tuple[float, float, int], ...]:
    """Mean confidence, share of right folds and pixels, in bins of the confidence."""
    place = np.minimum((confidence * _N_BINS).astype(int), _N_BINS - 1)
    n = np.bincount(place, minlength=_N_BINS)
    mean = np.bincount(place, confidence, _N_BINS) / np.maximum(n, 1)
    share = np.bincount(place, right, _N_BINS) / np.maximum(n, 1)
    return tuple((float(mean[k]), float(share[k]), int(n[k])) for k in range(_N_BINS) if n[k])


def calibration_error(bins: tuple[tuple[float, float, int], ...]) -> float:
    """Average the distance of confidence and share of right folds over pixels (ECE)."""
    total = sum(n for _, _, n in bins)
    if total == 0:
        return math.nan
    return sum(n * abs(confidence - right) for confidence, right, n in bins) / total
