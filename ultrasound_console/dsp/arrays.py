"""The ensemble layout, and the seam between array code and compiled kernels.

Beamformed and demodulated samples are kept as ``(..., 2, n_lanes) float32``: in-phase and
quadrature planes with the ensemble as the fastest axis, padded with zeros (:func:`n_lanes`) and
aligned to 64 bytes. One delay table then serves all pulses of an ensemble, and the two planes of a
sample together fill whole SIMD registers of eight.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import sys
import weakref
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Values that the compiled kernels take at once.
LANES = 16
ALIGNMENT_BYTES = 64
# A frame has some forty. More come when the colour box is dragged, and each costs time whenever
# an array dies.
MOST_SIZES = 64
# What glibc begins with, and the number it has for it.
_OWN_PAGES_BYTES = 1 << 17
_M_MMAP_THRESHOLD = -3


def n_lanes(n_pulses: int) -> int:
    """Ensemble length padded to a multiple of 4, and of 8 beyond 16."""
    multiple = 4 if n_pulses <= LANES else 8
    return -(-n_pulses // multiple) * multiple


class BlockList:
    """Memory of large arrays, kept for the next ones when nothing refers to it any more.

    A frame takes the memory of a frame before it, instead of pages that the system must first map
    and clear. Any thread may take, and arrays may die in any thread.

    Parameters
    ----------
    smallest_bytes : int
        Smaller arrays are left to the allocator.
    budget_bytes : int
        Most idle memory. Beyond it, sizes that nobody has asked for the longest go first.
    """

    def __init__(self, smallest_bytes: int = 1 << 15, budget_bytes: int = 1 << 26) -> None:
        self._smallest_bytes = smallest_bytes
        self._budget_bytes = budget_bytes
        # An array may die, and come back here, at any moment: in another thread, or in this one
        # while it is in here. These queues bear both, and only take() adds one.
        self._idle: dict[int, SimpleQueue[memoryview]] = {}
        self._asked: dict[int, int] = {}
        self._tick = count()

    def take(self, n_bytes: int) -> NDArray[np.uint8]:
        """Uninitialised aligned bytes."""
        if n_bytes < self._smallest_bytes:
            return _aligned_bytes(n_bytes)
        idle = self._idle.setdefault(n_bytes, SimpleQueue())
        self._asked[n_bytes] = next(self._tick)
        if len(self._asked) > MOST_SIZES:
            self._forget_one_size()
        try:
            memory = idle.get_nowait()
        except Empty:
            memory = _aligned_bytes(n_bytes).data
        # Views refer to the array at the end of their chain. Over a memoryview that is this one, so
        # it dies after the last of them.
        block = np.frombuffer(memory, np.uint8)
        weakref.finalize(block, self._give_back, memory).atexit = False
        return block

    def _forget_one_size(self) -> None:
        asked = self._asked.copy()
        oldest = min(asked, key=asked.__getitem__)
        self._asked.pop(oldest, None)
        self._idle.pop(oldest, None)

    def _give_back(self, memory: memoryview) -> None:
        size = memory.nbytes
        idle = self._idle.get(size)
        if idle is None or size > self._budget_bytes:
            return
        excess = self.idle_bytes + size - self._budget_bytes
        if excess > 0:
            asked = self._asked.copy()
            # Sizes that nobody wants any more make room for this one, and not the other way.
            for other in sorted(asked, key=asked.__getitem__):
                if other == size:
                    return
                while excess > 0 and self._drop_one(other):
                    excess -= other
                if excess <= 0:
                    break
        idle.put(memory)

    def _drop_one(self, size: int) -> bool:
        idle = self._idle.get(size)
        if idle is None:
            return False
        with contextlib.suppress(Empty):
            idle.get_nowait()
            return True
        return False

    @property
    def idle_bytes(self) -> int:
        """Memory that waits for its next use."""
        return sum(size * idle.qsize() for size, idle in self._idle.copy().items())


def _aligned_bytes(n_bytes: int) -> NDArray[np.uint8]:
    raw = np.empty(n_bytes + ALIGNMENT_BYTES, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT_BYTES
    return raw[offset : offset + n_bytes]


_blocks = BlockList()


def return_freed_arrays() -> None:
    """Let arrays of 128 KiB and more go back to the system once they are freed.

    They have pages of their own at first, but glibc raises the size for that, up to 32 MiB, when a
    large one is freed. From then on arrays lie in the heaps of the threads among small things that
    stay, and the holes that they leave are kept: the more, the more often sizes change. This holds
    for the whole process; where there is no glibc it does nothing.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_BYTES)


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Uninitialised C-ordered array whose first element lies on a 64-byte boundary."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    return _blocks.take(n_bytes).view(dtype).reshape(shape)


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


def first_pulses(iq: NDArray[Any], n_pulses: int) -> NDArray[Any]:
    """Copy the samples of the first pulses alone, in the ensemble layout.

    Parameters
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32 or float64
        In host memory or on the GPU.
    n_pulses : int
    """
    lanes = n_lanes(n_pulses)
    first: NDArray[Any] = empty_beside(iq, (*iq.shape[:-1], lanes), iq.dtype)
    first[:, :, :, :n_pulses] = iq[:, :, :, :n_pulses]
    first[:, :, :, n_pulses:] = 0
    return first


def fast_path(name: str, x: Any) -> Callable[..., Any] | None:
    """Compiled kernel of that name for this NumPy or CuPy array, or None to run the array code.

    float64 and complex128 arrays always take the array code: it is the reference that the
    kernels are tested against. Whatever is written both ways, as one kernel and as array code,
    chooses here.
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
