"""An NVIDIA GPU as the signal chain uses it: samples go there once, results come back once.

Uploads have a stream of their own, so that one frame travels while the one before is computed.
CuPy is imported when a GPU is asked for, not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import aligned_empty

# Views of one buffer start where the registers of any kernel may read.
_ALIGNMENT_BYTES = 512
# One block is filled while the other one is on its way.
_N_BLOCKS = 2

# A CuPy array, stream or event: CuPy has no types.
Device = Any


def missing_gpu() -> str:
    """Why no GPU can be used here, in words; empty where one can."""
    if util.find_spec("cupy") is None:
        return "CuPy is not installed"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it finds no CUDA: said below
        try:
            import cupy

            n_devices = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:  # noqa: BLE001 - a broken driver or package may raise anything
            return f"there is no NVIDIA GPU here ({reason(error)})"
    return "" if n_devices else "there is no NVIDIA GPU here"


def reason(error: BaseException) -> str:
    """Say what went wrong on a GPU in one line; every library has its own error for it."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "out of memory"
    return text


def is_on_gpu(array: Any) -> bool:
    """Whether an array lies in the memory of a GPU."""
    return not isinstance(array, np.ndarray)


def to_host(*arrays: Any) -> tuple[Any, ...]:
    """Bring arrays to host memory, those of a GPU together in one copy.

    Parameters
    ----------
    *arrays : array or None
        What is on the host already, and None, is handed back as it is.

    Returns
    -------
    tuple
        In the same order. The GPU has finished all that it was given for them.
    """
    remote = [array for array in arrays if array is not None and is_on_gpu(array)]
    if not remote:
        return arrays
    fetched = iter(_fetched(remote))
    return tuple(
        next(fetched) if array is not None and is_on_gpu(array) else array for array in arrays
    )


def _fetched(arrays: list[Device]) -> list[NDArray[Any]]:
    import cupy

    begins, n_bytes = [], 0
    for array in arrays:
        begins.append(n_bytes)
        n_bytes += -(-array.nbytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
    together = cupy.empty((n_bytes,), np.uint8)
    for array, begin in zip(arrays, begins, strict=True):
        _part(together, begin, array.shape, array.dtype)[...] = array
    landed = _pinned(n_bytes)
    stream = cupy.cuda.get_current_stream()
    together.get(stream=stream, out=landed, blocking=False)
    done = _event()
    done.record(stream)
    done.synchronize()
    copies = []
    for array, begin in zip(arrays, begins, strict=True):
        copy = aligned_empty(array.shape, array.dtype)
        copy[...] = _part(landed, begin, array.shape, array.dtype)
        copies.append(copy)
    return copies


def _part(buffer: Any, begin: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """View of a piece of a byte buffer."""
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    return buffer[begin : begin + n_bytes].view(dtype).reshape(shape)


def _pinned(n_bytes: int) -> NDArray[np.uint8]:
    """Host memory that the GPU reads and writes by itself; CuPy keeps it for the next one."""
    import cupy

    return np.frombuffer(cupy.cuda.alloc_pinned_memory(n_bytes), np.uint8, n_bytes)


def _event() -> Device:
    """Mark in a stream; a thread that waits for it sleeps."""
    import cupy

    return cupy.cuda.Event(block=True, disable_timing=True)


@dataclass(frozen=True, eq=False)
class _Block:
    """Room for one block of samples on both sides, and when each may be written again.

    Attributes
    ----------
    host : (n_bytes,) uint8
        Pinned.
    remote : (n_bytes,) uint8
        On the GPU.
    landed, read : event
        The upload has ended; so has what reads it.
    """

    host: NDArray[np.uint8]
    remote: Device
    landed: Device
    read: Device


class Gpu:
    """The current GPU. :meth:`uploaded` is for one thread, all else for any.

    Attributes
    ----------
    name, cupy_version : str

    Raises
    ------
    Exception
        Whatever CuPy raises where there is none; see :func:`missing_gpu`.
    """

    def __init__(self) -> None:
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        self.name: str = properties["name"].decode()
        self.cupy_version: str = cupy.__version__
        # All threads compute on one stream: memory that one frame leaves may be written for the
        # next at once. It keeps in step with the default stream, on which a caller may read who
        # knows nothing of streams; uploads keep in step with nothing but the events below.
        self._computing = cupy.cuda.Stream()
        self._uploading = cupy.cuda.Stream(non_blocking=True)
        self._blocks: list[_Block | None] = [None] * _N_BLOCKS
        self._next = 0
        self._scratch: Device = None

    def computing(self) -> AbstractContextManager[Any]:
        """Let this thread compute on the GPU's stream."""
        stream: AbstractContextManager[Any] = self._computing
        return stream

    def wait(self) -> None:
        """Wait until all that this GPU was given to compute has ended."""
        self._computing.synchronize()

    @contextmanager
    def uploaded(self, samples: NDArray[Any]) -> Iterator[Device]:
        """Put samples on the GPU, to be read inside by what is computed on its stream.

        The call returns before they are there: the stream waits for them, this thread does not.

        Parameters
        ----------
        samples : array
            May be written again at once.
        """
        block = self._free_block(samples.nbytes)
        block.landed.synchronize()  # until then the pinned side is being read
        _part(block.host, 0, samples.shape, samples.dtype)[...] = samples
        self._uploading.wait_event(block.read)
        remote = block.remote[: samples.nbytes]
        remote.set(block.host[: samples.nbytes], stream=self._uploading)
        block.landed.record(self._uploading)
        self._computing.wait_event(block.landed)
        try:
            yield _part(remote, 0, samples.shape, samples.dtype)
        finally:
            block.read.record(self._computing)

    def _free_block(self, n_bytes: int) -> _Block:
        """Return the block that was used longest ago, in a larger size if need be."""
        import cupy

        number, self._next = self._next, (self._next + 1) % _N_BLOCKS
        block = self._blocks[number]
        if block is None or block.host.nbytes < n_bytes:
            if block is not None:
                block.landed.synchronize()  # its memory goes back
            block = _Block(_pinned(n_bytes), cupy.empty((n_bytes,), np.uint8), _event(), _event())
            # What had this memory before has ended once the stream gets here.
            block.read.record(self._computing)
            self._blocks[number] = block
        return block

    def scratch(self, shape: tuple[int, ...]) -> Device:
        """Float32 array for intermediate results: zeros at first, then as it was left."""
        import cupy

        if self._scratch is None or self._scratch.shape != shape:
            self._scratch = cupy.empty(shape, np.float32)
            self._scratch.fill(0.0)
        return self._scratch

    def array(self, host: NDArray[Any]) -> Device:
        """Copy of an array on the GPU."""
        import cupy

        return cupy.asarray(host)
