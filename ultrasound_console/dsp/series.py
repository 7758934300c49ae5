"""Power series of smooth functions, so that a kernel needs no call in its inner loop.

Numba's cache of compiled kernels follows the kernels' own files: touch those after a change here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def power_series(
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]], n: int
) -> tuple[np.float32, ...]:
    """Coefficients of a function on 0 ... 1, by Chebyshev interpolation.

    Parameters
    ----------
    value : callable
        Function of an array; 0 and 1 themselves are not asked for.
    n : int
        Number of coefficients, from the constant one on.
    """
    series = np.polynomial.Chebyshev.interpolate(value, n - 1, domain=[0, 1])
    return tuple(np.float32(c) for c in series.convert(kind=np.polynomial.Polynomial).coef)
