"""The CUDA kernels on the processor, behind the little of CuPy that their launcher uses.

Arrays behave as on a GPU: NumPy cannot read them by accident, each lies between borders that no
kernel may touch, and new ones hold nothing of use. Arguments are held against the signatures in
``kernels.cu``, as the driver itself does not.
"""

import ctypes
import re
import subprocess
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

    def __init__(self, host):
        self.host = host

    def __getattr__(self, name):
        if name in ("dtype", "shape", "ndim", "size", "flags", "itemsize"):
            return getattr(self.host, name)
        raise AttributeError(name)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, function, types, args, kwargs):
        host = [arg.host if isinstance(arg, DeviceArray) else arg for arg in args]
        return on_device(function(*host, **kwargs))

    def __getitem__(self, key):
        return on_device(self.host[key])

    def __setitem__(self, key, value):
        self.host[key] = value

    def __float__(self):
        return float(self.host)

    def view(self, dtype):
        return DeviceArray(self.host.view(dtype))

    def ravel(self):
        return DeviceArray(self.host.ravel())

    def fill(self, value):
        self.host.fill(value)

    def get(self):
        return self.host.copy()


def on_device(value):
    if isinstance(value, np.generic):
        value = np.asarray(value)
    return DeviceArray(value) if isinstance(value, np.ndarray) else value


class CudaOnCpu:
    """Stands in for the module ``cupy``."""

    def __init__(self, library):
        self._library = library
        self._buffers = []
        self.n_uploads = 0
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(id=0),
            get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
        )

    def empty(self, shape, dtype=np.float32):
        n = int(np.prod(shape))
        buffer = aligned_empty((n + 2 * BORDER,), dtype)
        is_float = buffer.dtype.kind in "fc"
        buffer.fill(np.nan if is_float else NUMBER_ON_THE_BORDER)
        self._buffers.append(buffer)
        return DeviceArray(buffer[BORDER : BORDER + n].reshape(shape))

    def asarray(self, host):
        assert isinstance(host, np.ndarray)
        self.n_uploads += 1
        array = self.empty(host.shape, host.dtype)
        array.host[...] = host
        return array

    def asnumpy(self, array):
        return array.get()

    def ascontiguousarray(self, array):
        if array.flags.c_contiguous:
            return array
        copy = self.empty(array.shape, array.dtype)
        copy.host[...] = array.host
        return copy

    def check_borders(self):
        for buffer in self._buffers:
            borders = np.concatenate([buffer[:BORDER], buffer[-BORDER:]])
            untouched = (
                np.isnan(borders) if buffer.dtype.kind in "fc" else borders == NUMBER_ON_THE_BORDER
            )
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
            launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), addresses)

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
