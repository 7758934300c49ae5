"""The ensemble layout, and the one seam between array code and compiled kernels.

Beamformed and demodulated samples are kept as ``(..., 2, n_lanes) float32``: in-phase and
quadrature planes with the ensemble as the fastest axis, padded with zeros to a multiple of
:data:`LANES` and aligned to 64 bytes. One delay table then serves all pulses of an ensemble and
every inner loop is a full SIMD register.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LANES = 16
ALIGNMENT_BYTES = 64


def n_lanes(n_pulses: int) -> int:
    """Ensemble length padded to whole registers."""
    return -(-n_pulses // LANES) * LANES


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Uninitialised C-ordered array whose first element lies on a 64-byte boundary."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(n_bytes + ALIGNMENT_BYTES, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT_BYTES
    return raw[offset : offset + n_bytes].view(dtype).reshape(shape)


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Like :func:`aligned_empty`, filled with zeros."""
    array = aligned_empty(shape, dtype)
    array[...] = 0
    return array


def empty_beside(x: Any, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Uninitialised array where ``x`` is: aligned in host memory, or on the GPU (CuPy)."""
    if isinstance(x, np.ndarray):
        return aligned_empty(shape, dtype)
    from . import kernels_cuda

    array: NDArray[Any] = kernels_cuda.empty(shape, dtype)
    return array


def pack_ensemble(iq: NDArray[Any], *, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Complex (n_pulses, ...) to the ensemble layout (..., 2, n_lanes)."""
    packed = aligned_zeros((*iq.shape[1:], 2, n_lanes(iq.shape[0])), dtype)
    packed[..., 0, : iq.shape[0]] = np.moveaxis(iq.real, 0, -1)
    packed[..., 1, : iq.shape[0]] = np.moveaxis(iq.imag, 0, -1)
    return packed


def unpack_ensemble(packed: NDArray[Any], n_pulses: int) -> NDArray[Any]:
    """Ensemble layout (..., 2, n_lanes) to complex (n_pulses, ...)."""
    iq = packed[..., 0, :n_pulses] + 1j * packed[..., 1, :n_pulses]
    return np.ascontiguousarray(np.moveaxis(iq, -1, 0))


def fast_path(name: str, x: Any) -> Callable[..., Any] | None:
    """Compiled kernel of that name for this NumPy or CuPy array, or None to run the array code.

    float64 and complex128 arrays always take the array code: it is the reference that the
    kernels are tested against.
    """
    if x.dtype in (np.float64, np.complex128):
        return None
    kernels: ModuleType
    if isinstance(x, np.ndarray):
        from . import kernels_numba as kernels
    else:
        from . import kernels_cuda as kernels
    kernel: Callable[..., Any] | None = getattr(kernels, name, None)
    return kernel
