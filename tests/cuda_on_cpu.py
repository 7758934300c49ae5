"""The CUDA kernels on the processor, behind the little of CuPy that their launcher uses.

Arrays behave as on a GPU: NumPy cannot read them by accident, each lies between borders that no
kernel may touch, and new ones hold nothing of use. What is put into a stream is done as late as can
be, so that who does not wait for it reads what was there before. Arguments are held against the
signatures in ``kernels.cu``, as the driver itself does not.
"""

import ctypes
import re
import subprocess
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ultrasound_console.dsp import kernels_cuda
from ultrasound_console.dsp.arrays import aligned_empty

HERE = Path(__file__).resolve().parent
BORDER = 64
NUMBER_ON_THE_BORDER = 12345


def kernel_names():
    source = kernels_cuda.SOURCE.read_text(encoding="utf-8")
    return re.findall(r"__global__ void (\w+)\(", source)


def compiled(compiler, folder):
    """Compile the kernels to a shared library in a folder, and load it."""
    driver, library = folder / "kernels.cpp", folder / "kernels.so"
    lines = ['#include "cuda_shim.h"', f'#include "{kernels_cuda.SOURCE}"']
    lines += [f"EXPORT({name})" for name in kernel_names()]
    driver.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    command = [compiler, *options, "-shared", "-fPIC", f"-I{HERE}", str(driver), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


class DeviceArray:
    """Memory that only kernels and explicit copies reach."""

    def __init__(self, cuda, host):
        self.cuda, self.host = cuda, host

    def __getattr__(self, name):
        if name in ("dtype", "shape", "ndim", "size", "flags", "itemsize", "nbytes"):
            return getattr(self.host, name)
        raise AttributeError(name)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, function, types, args, kwargs):
        # These need no kernel.
        assert function in (np.swapaxes, np.iscomplexobj)
        result = function(args[0].host, *args[1:], **kwargs)
        return DeviceArray(self.cuda, result) if isinstance(result, np.ndarray) else result

    def __getitem__(self, key):
        key = key if isinstance(key, tuple) else (key,)
        return DeviceArray(self.cuda, self.host[(*key, ...)])  # a view, also of a single number

    def __setitem__(self, key, value):
        source = value.host if isinstance(value, DeviceArray) else value
        self.cuda.current.put("copy", lambda: self.host.__setitem__(key, source))

    def __float__(self):
        return float(self.get())

    def view(self, dtype):
        return DeviceArray(self.cuda, self.host.view(dtype))

    def reshape(self, shape):
        assert self.flags.c_contiguous
        return DeviceArray(self.cuda, self.host.reshape(shape))

    def ravel(self):
        return self.reshape(-1)

    def fill(self, value):
        self.cuda.current.put("fill", lambda: self.host.fill(value))

    def set(self, host, stream=None):
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        stream = stream or self.cuda.current
        stream.put("upload", lambda: np.copyto(self.host, host))

    def get(self, stream=None, order="C", out=None, blocking=True):
        assert self.flags.c_contiguous or out is None
        out = np.empty_like(self.host) if out is None else out
        assert (out.shape, out.dtype) == (self.shape, self.dtype)
        stream = stream or self.cuda.current
        stream.put("download", lambda: np.copyto(out, self.host))
        if blocking:
            stream.synchronize()
        return out


class Stream:
    """Work in order, and not before somebody waits for it: who forgets to wait reads nothing."""

    def __init__(self, cuda, *, is_default=False, non_blocking=False):
        self.cuda, self.is_default, self.non_blocking = cuda, is_default, non_blocking
        self._work = deque()
        self._n_put = self._n_done = 0
        cuda.streams.append(self)

    def __enter__(self):
        self.cuda.stack.append(self)
        return self

    def __exit__(self, *_):
        assert self.cuda.stack.pop() is self

    @property
    def waiting(self):
        """Names of the work that has not begun."""
        return [name for name, _ in self._work]

    def put(self, name, work):
        self.cuda.call(name, self)
        with self.cuda.lock:
            if not self.non_blocking:
                # The default stream keeps in step with all but those that asked not to.
                for other in self.cuda.streams:
                    if self.is_default != other.is_default and not other.non_blocking:
                        other.run(other._n_put)
            self._work.append((name, work))
            self._n_put += 1

    def run(self, n):
        with self.cuda.lock:
            while self._n_done < n:
                _, work = self._work.popleft()
                self._n_done += 1
                work()

    def synchronize(self):
        self.cuda.call("synchronize", self)
        self.run(self._n_put)

    def wait_event(self, event):
        stream, n = event.place
        self.put("wait", lambda: stream and stream.run(n))


class Event:
    def __init__(self, cuda):
        self.cuda, self.place = cuda, (None, 0)

    def record(self, stream=None):
        stream = stream or self.cuda.current
        self.cuda.call("record", stream)
        self.place = stream, stream._n_put

    def synchronize(self):
        stream, n = self.place
        self.cuda.call("synchronize", stream)
        if stream is not None:
            stream.run(n)


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class CudaOnCpu:
    """Stands in for the module ``cupy``.

    Attributes
    ----------
    log : list of (str, Stream)
        What was asked for: "upload", "download", "table" (an upload by ``asarray``), "copy",
        "fill", "wait", "record", "synchronize", and kernels by their names.
    failing : callable
        Called with each name before it is done; may raise.
    """

    __version__ = "0"
    __spec__ = object()

    def __init__(self, library):
        self._library = library
        self._buffers = []
        self._local = threading.local()
        self.lock = threading.RLock()
        self.log = []
        self.failing = lambda name: None
        self.n_uploads = 0
        self.streams = []
        self._default = Stream(self, is_default=True)
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(id=0),
            get_current_stream=lambda: self.current,
            Stream=lambda *, non_blocking=False: Stream(self, non_blocking=non_blocking),
            Event=lambda *, block, disable_timing: Event(self),
            alloc_pinned_memory=self._pinned,
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 1,
                getDeviceProperties=lambda number: {"name": b"Processor"},
                CUDARuntimeError=CUDARuntimeError,
            ),
        )

    @property
    def stack(self):
        """Streams that this thread has entered."""
        return self._local.__dict__.setdefault("stack", [])

    @property
    def current(self):
        return self.stack[-1] if self.stack else self._default

    def call(self, name, stream):
        self.failing(name)
        self.log.append((name, stream))

    def _pinned(self, n_bytes):
        # CuPy rounds up.
        return bytearray(n_bytes + 100)

    def empty(self, shape, dtype=np.float32):
        self.failing("empty")
        n = int(np.prod(shape))
        buffer = aligned_empty((n + 2 * BORDER,), dtype)
        is_float = buffer.dtype.kind in "fc"
        buffer.fill(np.nan if is_float else np.array(NUMBER_ON_THE_BORDER).astype(dtype))
        self._buffers.append(buffer)
        return DeviceArray(self, buffer[BORDER : BORDER + n].reshape(shape))

    def asarray(self, host):
        assert isinstance(host, np.ndarray)
        self.n_uploads += 1
        array, staged = self.empty(host.shape, host.dtype), host.copy()
        self.current.put("table", lambda: np.copyto(array.host, staged))
        return array

    def asnumpy(self, array):
        return array.get()

    def ascontiguousarray(self, array):
        if array.flags.c_contiguous:
            return array
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def check_borders(self):
        for stream in self.streams:
            stream.run(stream._n_put)
        for buffer in self._buffers:
            borders = np.concatenate([buffer[:BORDER], buffer[-BORDER:]])
            number = np.array(NUMBER_ON_THE_BORDER).astype(buffer.dtype)
            untouched = np.isnan(borders) if buffer.dtype.kind in "fc" else borders == number
            assert np.all(untouched)

    def RawModule(self, code, options):  # noqa: N802
        assert code == kernels_cuda.SOURCE.read_text(encoding="utf-8")
        return SimpleNamespace(get_function=self._function)

    def _function(self, name):
        launch = getattr(self._library, f"launch_{name}")
        signature = getattr(self._library, f"signature_{name}")
        signature.restype = ctypes.c_char_p
        kinds = signature().decode().split()

        def call(grid, block, arguments):
            assert len(grid) == len(block) == 1
            assert grid[0] >= 1
            values = [
                self._value(name, kind, argument)
                for kind, argument in zip(kinds, arguments, strict=True)
            ]
            addresses = (ctypes.c_void_p * len(values))(
                *(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in values)
            )

            def work(kept=(values, arguments)):
                launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), addresses)

            self.current.put(name, work)

        return call

    @staticmethod
    def _value(name, kind, argument):
        if "[" not in kind:
            assert isinstance(argument, np.generic), (name, kind, argument)
            assert argument.dtype.name == kind, (name, kind, argument)
            return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
        assert isinstance(argument, DeviceArray), (name, kind, argument)
        # A complex array may come in as pairs of floats.
        fitting = {"complex64": ("complex64", "float32")}.get(kind.strip("*[]"), kind.strip("*[]"))
        assert argument.dtype.name in fitting, (name, kind, argument.dtype)
        return ctypes.c_void_p(argument.host.ctypes.data)
