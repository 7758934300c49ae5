"""What this machine lacks to run the console, and the command that mends it.

Imports only the standard library, so that it still works where the rest does not.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_OPENGL = (3, 0)  # float textures
FREE_DISK_BYTES = 200_000_000

# Distribution -> module to import. ONNX Runtime is apart: it comes as one of two distributions.
DISTRIBUTIONS = {
    "numpy": "numpy",
    "scipy": "scipy",
    "numba": "numba",
    "h5py": "h5py",
    "hdf5plugin": "hdf5plugin",
    "PySide6-Essentials": "PySide6.QtWidgets",
    "vispy": "vispy",
    "pyqtgraph": "pyqtgraph",
    "superqt": "superqt",
    "cmap": "cmap",
    "platformdirs": "platformdirs",
    "pillow": "PIL.Image",
    "pydicom": "pydicom",
    "PyYAML": "yaml",
}
QT = "PySide6-Essentials"
ON_QT = ("pyqtgraph", "superqt")
ONNX_DISTRIBUTIONS = ("onnxruntime-gpu", "onnxruntime")

# Debian package -> the library in it that Qt or its X11 plugin loads.
LIBRARIES = {
    "libegl1": "libEGL.so.1",
    "libgl1": "libGL.so.1",
    "libglib2.0-0": "libglib-2.0.so.0",
    "libdbus-1-3": "libdbus-1.so.3",
    "libfontconfig1": "libfontconfig.so.1",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-shape0": "libxcb-shape.so.0",
}
# What it loads besides on a Wayland desktop.
WAYLAND_LIBRARIES = {
    "libwayland-cursor0": "libwayland-cursor.so.0",
    "libwayland-egl1": "libwayland-egl.so.1",
}

# Run in a process of its own: Qt aborts when it finds no display.
OPENGL_PROBE = """
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
application = QGuiApplication([])
context, surface = QOpenGLContext(), QOffscreenSurface()
surface.create()
if not (context.create() and context.makeCurrent(surface)):
    raise SystemExit(f"no OpenGL context on the {application.platformName()} platform")
GL_RENDERER, GL_VERSION = 0x1F01, 0x1F02
print(context.functions().glGetString(GL_VERSION))
print(context.functions().glGetString(GL_RENDERER))
"""


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    name : str
        What was looked at.
    ok : bool
        False where the console cannot run like this.
    detail : str
        What was found.
    remedy : str
        The command that mends it; empty where all is well.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        row = f"{'ok  ' if self.ok else 'MISS'} {self.name:28} {self.detail}"
        return row if self.ok else f"{row}\n     {'':28} {self.remedy}"


def checks() -> Iterator[Check]:
    """Look at everything the console needs, the cheapest first.

    Yields
    ------
    Check
        Each as soon as it is known.
    """
    yield check_python(sys.version_info[:3])
    for distribution in DISTRIBUTIONS:
        yield check_distribution(distribution)
    yield check_onnxruntime()
    yield check_network()
    if sys.platform == "linux":
        yield check_libraries()
        yield check_display(os.environ)
    yield check_opengl()
    yield check_kernel_cache(Path(__file__).parent, os.environ)
    yield check_disk(Path.cwd())
    yield describe_processor()
    yield describe_gpu()


def check_python(version: tuple[int, int, int]) -> Check:
    """Check the version of Python."""
    found = ".".join(map(str, version))
    if version[:2] >= OLDEST_PYTHON:
        return Check("Python", True, f"{found} at {sys.executable}")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        "Python",
        False,
        f"{found} at {sys.executable}; {oldest} or newer is needed",
        f"sudo apt-get install python{oldest} python{oldest}-venv",
    )


def check_distribution(distribution: str) -> Check:
    """Check that a Python package is installed, importable and no release known to be broken."""
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return Check(distribution, False, "not installed", _pip(f"install {distribution}"))
    fault = _import_fault(DISTRIBUTIONS[distribution])
    if fault:
        packages = [package for package, library in LIBRARIES.items() if library in fault]
        if packages:
            remedy = f"sudo apt-get install {packages[0]}"
        elif distribution in ON_QT and _import_fault(DISTRIBUTIONS[QT]):
            remedy = f"mend {QT} first"
        else:
            remedy = _pip(f"install --force-reinstall --no-deps {distribution}")
        return Check(distribution, False, f"{version}: {fault}", remedy)
    if distribution == QT:
        return check_pyside(version, sys.version_info[:2])
    return Check(distribution, True, version)


def check_pyside(version: str, python: tuple[int, int]) -> Check:
    """Check for the release line that does not work here.

    PySide6 6.12 loses references on Python 3.10 and 3.11 and aborts after some time.
    """
    name = QT
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers >= (6, 12) and python < (3, 12):
        return Check(
            name,
            False,
            f"{version} aborts on Python {python[0]}.{python[1]}",
            _pip("install 'PySide6-Essentials>=6.8,<6.12'"),
        )
    return Check(name, True, version)


def check_onnxruntime() -> Check:
    """Check that ONNX Runtime comes from exactly one of its two distributions."""
    name = "ONNX Runtime"
    found = {}
    for distribution in ONNX_DISTRIBUTIONS:
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    if not found:
        wanted = ONNX_DISTRIBUTIONS[0 if platform.machine() in {"x86_64", "AMD64"} else 1]
        return Check(name, False, "not installed", _pip(f"install {wanted}"))
    detail = ", ".join(f"{distribution} {version}" for distribution, version in found.items())
    mend = _pip("uninstall -y " + " ".join(found), "install " + next(iter(found)))
    if len(found) > 1:
        return Check(name, False, f"{detail}: the two overwrite each other", mend)
    fault = _import_fault("onnxruntime")
    if fault:
        return Check(name, False, f"{detail}: {fault}", mend)
    return Check(name, True, detail)


def check_network() -> Check:
    """Check that the network is there and unchanged, and runs."""
    name = "Network"
    try:
        from .segment import Segmenter

        segmenter = Segmenter()
    except Exception as error:  # noqa: BLE001  (a broken package may raise anything)
        detail = (str(error) or type(error).__name__).splitlines()[0]
        remedy = _pip("install --force-reinstall --no-deps ultrasound-console")
        return Check(name, False, f"{detail}: folds are found by continuity", remedy)
    return Check(name, True, segmenter.name)


def check_libraries(libraries: Mapping[str, str] | None = None) -> Check:
    """Check the system libraries that Qt loads.

    Parameters
    ----------
    libraries : Mapping, optional
        Debian package -> name of the shared library in it; by default those that this
        desktop needs.
    """
    name = "System libraries"
    if libraries is None:
        libraries = needed_libraries(os.environ)
    missing = [package for package, library in libraries.items() if not _loads(library)]
    if not missing:
        return Check(name, True, f"all {len(libraries)} that Qt and OpenGL need")
    return Check(
        name,
        False,
        "missing: " + ", ".join(libraries[package] for package in missing),
        "sudo apt-get install " + " ".join(missing),
    )


def needed_libraries(environment: Mapping[str, str]) -> dict[str, str]:
    """Debian packages and their libraries that Qt needs on the desktop of an environment."""
    return LIBRARIES | (WAYLAND_LIBRARIES if environment.get("WAYLAND_DISPLAY") else {})


def check_display(environment: Mapping[str, str]) -> Check:
    """Look for a display to open the window on."""
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if environment.get(variable):
            return Check("Display", True, f"{variable}={environment[variable]}")
    get = "" if shutil.which("xvfb-run") else "sudo apt-get install xvfb xauth, and "
    return Check(
        "Display",
        False,
        "neither DISPLAY nor WAYLAND_DISPLAY is set",
        f"log in to a desktop, or {get}put before the command: xvfb-run -a",
    )


def check_opengl(timeout_s: float = 60.0) -> Check:
    """Ask Qt for OpenGL, in a process of its own."""
    name = "OpenGL"
    try:
        probe = subprocess.run(  # noqa: S603  (our own interpreter and text)
            [sys.executable, "-c", OPENGL_PROBE],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check(name, False, f"no answer within {timeout_s:g} s", "mend the graphics driver")
    lines = probe.stdout.splitlines()
    if probe.returncode != 0 or len(lines) < 2:
        said = probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"]
        reason = said[-1] if said[0].startswith("Traceback") else said[0]
        return Check(name, False, reason, "mend the rows above first; then the graphics driver")
    return opengl_check(version=lines[-2], renderer=lines[-1])


def opengl_check(version: str, renderer: str) -> Check:
    """Judge what OpenGL says of itself (its GL_VERSION and GL_RENDERER)."""
    detail = f"{version}, {renderer}"
    numbers = re.match(r"(\d+)\.(\d+)", version)  # OpenGL ES begins with its name instead
    if not numbers or tuple(map(int, numbers.groups())) < OLDEST_OPENGL:
        oldest = ".".join(map(str, OLDEST_OPENGL))
        return Check(
            "OpenGL",
            False,
            f"{detail}; desktop OpenGL {oldest} or newer is needed",
            "install a newer graphics driver, or put before the command: LIBGL_ALWAYS_SOFTWARE=1",
        )
    if "llvmpipe" in renderer:
        detail += " (software: slower)"
    return Check("OpenGL", True, detail)


def check_kernel_cache(package: Path, environment: Mapping[str, str]) -> Check:
    """Look for a folder where the compiled kernels stay, so that only the first start compiles.

    Parameters
    ----------
    package : Path
        Folder of this package; the compiler's first choice lies in it.
    environment : Mapping
        Environment variables.
    """
    name = "Kernel cache"
    chosen = environment.get("NUMBA_CACHE_DIR")
    home = Path(environment.get("HOME", os.devnull))
    cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    candidates = [Path(chosen)] if chosen else [package, cache / "numba"]
    for folder in candidates:
        if _can_write(folder):
            return Check(name, True, str(folder))
    return Check(
        name,
        False,
        f"cannot write to {' or '.join(map(str, candidates))}",
        # Compiled kernels are run: nobody else may put any there.
        "export NUMBA_CACHE_DIR=$(mktemp -d)",
    )


def check_disk(folder: Path) -> Check:
    """Check that there is room for recordings and results."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    detail = f"{free_bytes / 1e9:.1f} GB free at {folder}"
    if free_bytes < FREE_DISK_BYTES:
        return Check("Disk", False, detail, f"make room: du -xh {folder} | sort -h | tail")
    return Check("Disk", True, detail)


def describe_processor() -> Check:
    """Name the cores and vector units; for information."""
    name = "Processor"
    cores = f"{os.cpu_count()} cores"
    try:
        from llvmlite import binding
    except ImportError:
        return Check(name, True, f"{platform.machine()}, {cores}")
    features = binding.get_host_cpu_features()
    known = ("avx512f", "avx2", "avx", "neon")
    vectors = next((feature for feature in known if features.get(feature)), "no vector unit known")
    return Check(name, True, f"{binding.get_host_cpu_name()}, {vectors}, {cores}")


def describe_gpu() -> Check:
    """Name the NVIDIA GPU and its driver; for information, as the processor can do all the work."""
    name = "GPU"
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Check(name, True, "no CUDA driver: the processor does the work")
    device, label, version = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_int()
    # Each call returns 0 for success; `or` stops at the first that fails.
    failure = (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDeviceGetName(label, len(label), device)
        or cuda.cuDriverGetVersion(ctypes.byref(version))
    )
    if failure:
        return Check(name, True, f"CUDA error {failure}: the processor does the work")
    major, minor = version.value // 1000, version.value % 1000 // 10
    return gpu_check(label.value.decode(), (major, minor), with_cupy=bool(find_spec("cupy")))


def gpu_check(label: str, cuda: tuple[int, int], *, with_cupy: bool) -> Check:
    """Say whether a GPU is used; for information."""
    detail = f"{label}, driver for CUDA {cuda[0]}.{cuda[1]}"
    if not with_cupy:
        command = _pip(f"install 'cupy-cuda{cuda[0]}x[ctk]'")
        detail += f"; not used without CuPy: {command}"
    return Check("GPU", True, detail)


def _pip(*steps: str) -> str:
    """Command that lets pip do something; the start script where pip refuses (PEP 668)."""
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    script = Path(__file__).parent.parent / "console"
    if sys.prefix == sys.base_prefix and marker.exists() and script.is_file():
        return f"{script} doctor"
    return " && ".join(f"{sys.executable} -m pip {step}" for step in steps)


def _import_fault(module: str) -> str:
    """First line of what goes wrong on import; empty if nothing does."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  (a broken package may raise anything)
        return (str(error) or type(error).__name__).splitlines()[0]
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, which may itself still have to be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
