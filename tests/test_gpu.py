"""The signal chain on the GPU of this machine.

``python -m pytest -m gpu`` needs pytest, NumPy, SciPy, Numba and CuPy only.
"""

import warnings

import device_checks
import pipeline_checks
import pytest

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it finds no CUDA: then there is no GPU either
        module = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        n_devices = module.cuda.runtime.getDeviceCount()
    except module.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"no GPU: {error}")
    if n_devices == 0:
        pytest.skip("no GPU")
    return module


@pytest.mark.parametrize("check", device_checks.CHECKS, ids=lambda check: check.__name__)
def test_gpu_is_the_reference(check, cupy):
    check(cupy)


def test_tables_live_on_the_gpu_as_long_as_on_the_host(cupy):
    device_checks.tables(cupy)


@pytest.mark.parametrize("check", pipeline_checks.CHECKS, ids=lambda check: check.__name__)
def test_gpu_makes_the_pictures_of_the_cpu(check, cupy):
    check(cupy)
