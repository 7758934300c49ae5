"""Fixtures common to all tests."""

import os
import shutil
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


GPU_TESTS = "test_gpu.py"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m gpu`` look at its tests only: a machine for computing lacks what others import."""
    is_other = collection_path.name.startswith("test_") and collection_path.name != GPU_TESTS
    return True if config.option.markexpr == "gpu" and is_other else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes to hours, unless it is asked for with ``-m long``."""
    if "long" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def own_config(monkeypatch, tmp_path_factory):
    """Keep the presets and the memory of whoever runs the tests out of them."""
    folder = tmp_path_factory.getbasetemp() / "config" / uuid.uuid4().hex
    monkeypatch.setenv("ULTRASOUND_CONSOLE_CONFIG", str(folder))
    monkeypatch.setenv("ULTRASOUND_CONSOLE_LABELS", str(folder / "labels"))
    monkeypatch.setenv("ULTRASOUND_CONSOLE_RECORDINGS", str(folder / "recordings"))
    monkeypatch.setenv("ULTRASOUND_CONSOLE_PICTURES", str(folder / "pictures"))
    monkeypatch.setenv("ULTRASOUND_CONSOLE_LOGS", str(folder / "logs"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with the acquired recordings; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ULTRASOUND_CONSOLE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set ULTRASOUND_CONSOLE_DATA")
    return folder


@pytest.fixture(scope="session")
def cuda_library(tmp_path_factory):
    """The CUDA kernels, compiled for the processor."""
    import cuda_on_cpu

    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernels for the processor")
    return cuda_on_cpu.compiled(compiler, tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def device(cuda_library, monkeypatch):
    """A processor that passes for a GPU, in the place of CuPy."""
    import cuda_on_cpu

    from ultrasound_console.dsp import kernels_cuda

    stand_in = cuda_on_cpu.CudaOnCpu(cuda_library)
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setattr(kernels_cuda, "_tables", kernels_cuda._Tables())
    kernels_cuda._module.cache_clear()
    yield stand_in
    kernels_cuda._module.cache_clear()
    stand_in.check_borders()
