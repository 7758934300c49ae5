"""The CUDA source without a GPU: NVRTC compiles it, and the processor runs it."""

import ctypes

import cuda_on_cpu
import device_checks
import numpy as np
import pytest

from ultrasound_console.dsp import doppler, kernels_cuda


class Nvrtc:
    """NVIDIA's run-time compiler, called directly: it needs no driver."""

    def __init__(self, path):
        self._library = ctypes.CDLL(path)

    def _call(self, name, *arguments):
        return getattr(self._library, f"nvrtc{name}")(*arguments)

    def compile(self, source, options):
        """Machine code of a source; AssertionError with the log when there is anything in it."""
        program = ctypes.c_void_p()
        text = source.encode()
        assert self._call("CreateProgram", ctypes.byref(program), text, b"k.cu", 0, None, None) == 0
        flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = self._call("CompileProgram", program, len(options), flags)
        log = self._text("ProgramLog", program).decode().strip("\0\n ")
        assert not failed, log
        assert not log, log
        code = self._text("CUBIN", program)
        assert self._call("DestroyProgram", ctypes.byref(program)) == 0
        return code

    def _text(self, what, program):
        size = ctypes.c_size_t()
        assert self._call(f"Get{what}Size", program, ctypes.byref(size)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        assert self._call(f"Get{what}", program, buffer) == 0
        return buffer.raw


@pytest.fixture(scope="module")
def nvrtc():
    pathfinder = pytest.importorskip("cuda.pathfinder", reason="cuda-pathfinder is not installed")
    try:
        library = pathfinder.load_nvidia_dynamic_lib("nvrtc")
    except pathfinder.DynamicLibNotFoundError:
        pytest.skip("NVRTC is not there: install nvidia-cuda-nvrtc")
    return Nvrtc(library.abs_path)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_nvrtc_compiles_every_kernel(nvrtc, architecture):
    source = kernels_cuda.SOURCE.read_text(encoding="utf-8")
    options = (*kernels_cuda.OPTIONS, f"--gpu-architecture={architecture}")
    code = nvrtc.compile(source, options)
    names = cuda_on_cpu.kernel_names()
    assert len(names) >= 12
    for name in names:
        assert f".text.{name}\0".encode() in code


def test_nvrtc_names_a_fault(nvrtc):
    with pytest.raises(AssertionError, match="identifier"):
        nvrtc.compile("__global__ void k(float* x) { *x = y; }", ["--gpu-architecture=sm_90"])


@pytest.mark.parametrize("check", device_checks.CHECKS, ids=lambda check: check.__name__)
def test_kernels_are_the_reference(check, device):
    check(device)


def test_tables_live_on_the_device_as_long_as_on_the_host(device):
    device_checks.tables(device)


def test_tables_are_copied_once(device):
    iq = device.asarray(np.ones((3, 4, 2, 16), np.float32))
    doppler.autocorrelate(iq, 12, "polynomial-1")
    before = device.n_uploads
    doppler.autocorrelate(iq, 12, "polynomial-1")
    assert device.n_uploads == before


@pytest.mark.parametrize("call", ["empty", "table", "synchronize"])
def test_a_table_that_may_not_be_whole_is_not_kept(device, call):
    tables, table = kernels_cuda._Tables(), np.arange(5, dtype=np.float32)

    def fail(name):
        if name == call:
            raise MemoryError

    device.failing = fail
    with pytest.raises(MemoryError):
        tables.get(table)
    assert len(tables) == 0
    device.failing = lambda name: None
    np.testing.assert_array_equal(device.asnumpy(tables.get(table)), table)


def test_what_does_not_fit_the_kernels_is_named(device):
    lags = device.asarray(np.ones((3, 8, 6), np.float32))
    with pytest.raises(ValueError, match="not contiguous"):
        doppler.maps(lags[:, ::2])
    with pytest.raises(ValueError, match="int16 or float32, not int32"):
        kernels_cuda.demodulate_rf(device.asarray(np.ones((2, 3, 4), np.int32)), *[None] * 5)
