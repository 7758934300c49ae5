"""Flash: the colour that appears when the tissue itself moves fast enough to pass the wall filter.

A jerk of the probe or a heart beat moves nearly the whole colour box alike. Before the wall filter
the tissue is much stronger than all blood, so the lags summed over the box tell how it moves; the
response of the filter at that frequency tells how much of every pixel's echo gets through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import wall_filter
from .arrays import aligned_empty, aligned_zeros

# Coherence of the box, |sum R1| / sum R0, that only common motion reaches: velocities that spread
# by more than 0.08 v_N rms stay below.
_LEAST_COHERENCE = 0.97
# Filtered power, over what the tissue explains, from which a pixel holds something else.
_MARGIN = 2.0


def tissue_frequency(lags: NDArray[Any]) -> float | None:
    """Doppler frequency over PRF at which the whole box moves; None where it does not move alike.

    Parameters
    ----------
    lags : (3, n_depths, n_lines) float32 or float64
        R0, the real and the imaginary part of R1 before the wall filter.
    """
    r0, re, im = (float(plane.sum(dtype=np.float64)) for plane in lags)
    if r0 <= 0.0 or np.hypot(re, im) < _LEAST_COHERENCE * r0:
        return None
    return float(np.arctan2(im, re) / (2.0 * np.pi))


def is_flash(
    power: NDArray[Any], unfiltered: NDArray[Any], kind: str, n_pulses: int
) -> NDArray[np.bool_]:
    """Pixels whose power after the wall filter is explained by the motion of the tissue.

    Parameters
    ----------
    power : (n_depths, n_lines) float32 or float64
        R0 behind the wall filter.
    unfiltered : (3, n_depths, n_lines) float32 or float64
        Lags before it, averaged in the same way.
    kind : str
        Wall filter. Nothing is a flash with "none".
    n_pulses : int

    Returns
    -------
    (n_depths, n_lines) bool
    """
    frequency = tissue_frequency(unfiltered)
    if frequency is None or kind == wall_filter.NONE:
        nowhere: NDArray[np.bool_] = aligned_zeros(power.shape, np.bool_)
        return nowhere
    if wall_filter.is_adaptive(kind):
        gain = float(abs(frequency) >= wall_filter.cutoff(kind, n_pulses))
    else:
        gain = float(wall_filter.frequency_response(kind, n_pulses, frequency))
    explained = aligned_empty(power.shape, power.dtype)
    np.multiply(unfiltered[0], _MARGIN * gain, out=explained)
    flash: NDArray[np.bool_] = aligned_empty(power.shape, np.bool_)
    np.less(power, explained, out=flash)
    return flash
