"""What the doctor finds missing, and the remedy it names."""

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from ultrasound_console import doctor
from ultrasound_console.doctor import Check

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_declared_dependency_is_looked_at() -> None:
    declared = {re.split(r"[^\w.-]", line)[0] for line in PROJECT["dependencies"]}
    assert {*doctor.DISTRIBUTIONS, *doctor.ONNX_DISTRIBUTIONS} == declared


def test_the_oldest_python_is_the_declared_one() -> None:
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))
    assert f"sys.version_info < {doctor.OLDEST_PYTHON}" in (ROOT / "console").read_text()


def test_the_start_script_installs_the_libraries_looked_for() -> None:
    script = (ROOT / "console").read_text()
    listed = re.search(r'^libraries="([^"]*)"', script, re.MULTILINE)
    assert listed is not None
    assert listed[1].split() == list(doctor.LIBRARIES)
    assert " ".join(doctor.WAYLAND_LIBRARIES) in script


def test_nothing_but_the_standard_library_is_needed_to_say_what_is_missing() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
sys.argv = ["ultrasound-console", *sys.argv[1:]]
import runpy
runpy.run_module("ultrasound_console", run_name="__main__")
"""
    # -S leaves out site-packages, where everything that is installed lies.
    without = [sys.executable, "-I", "-S", "-c", program]
    answer = subprocess.run([*without, "doctor"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr == ""
    assert re.search(r"^MISS numpy +not installed$", answer.stdout, re.MULTILINE)
    answer = subprocess.run([*without, "run"], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    line = "ultrasound-console: No module named 'numpy'; what mends it: "
    assert answer.stderr == f"{line}{sys.executable} -m ultrasound_console doctor\n"


def test_where_pip_may_not_install_the_start_script_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", "an environment")
    assert "pip install" in doctor.check_distribution("no-such").remedy
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert doctor.check_distribution("no-such").remedy == f"{ROOT / 'console'} doctor"


def test_packages_that_sit_on_qt_are_mended_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.DISTRIBUTIONS, "superqt", "no_such_module")
    assert "--no-deps superqt" in doctor.check_distribution("superqt").remedy
    monkeypatch.setitem(doctor.DISTRIBUTIONS, doctor.QT, "no_such_module")
    assert doctor.check_distribution("superqt").remedy == "mend PySide6-Essentials first"


def test_a_wayland_desktop_needs_more_libraries() -> None:
    assert doctor.needed_libraries({"DISPLAY": ":0"}) == doctor.LIBRARIES
    more = doctor.needed_libraries({"WAYLAND_DISPLAY": "wayland-0"})
    assert {*more} - {*doctor.LIBRARIES} == {"libwayland-cursor0", "libwayland-egl1"}


@pytest.mark.gui
def test_all_is_well_where_the_tests_run() -> None:
    found = list(doctor.checks())
    assert [check for check in found if not check.ok] == []
    assert not any(check.remedy for check in found)
    names = [check.name for check in found]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10, 12), False), ((3, 11, 0), True), ((3, 13, 2), True)]
)
def test_old_python_is_refused(version: tuple[int, int, int], ok: bool) -> None:
    check = doctor.check_python(version)
    assert check.ok is ok
    assert ("python3.11-venv" in check.remedy) is not ok


@pytest.mark.parametrize(
    ("version", "python", "ok"),
    [
        ("6.11.3", (3, 11), True),
        ("6.12.0", (3, 11), False),
        ("6.12.1rc1", (3, 10), False),
        ("7.0.0", (3, 11), False),
        ("6.12.0", (3, 12), True),
    ],
)
def test_the_broken_pyside_is_known(version: str, python: tuple[int, int], ok: bool) -> None:
    check = doctor.check_pyside(version, python)
    assert check.ok is ok
    assert ("<6.12" in check.remedy) is not ok


def test_a_package_that_is_not_installed_is_to_be_installed() -> None:
    check = doctor.check_distribution("no-such-distribution")
    remedy = f"{sys.executable} -m pip install no-such-distribution"
    assert check == Check("no-such-distribution", False, "not installed", remedy)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (
            "ImportError('libEGL.so.1: cannot open shared object file')",
            "sudo apt-get install libegl1",
        ),
        ("RuntimeError('built for\\nanother')", "--force-reinstall --no-deps numpy"),
        ("AssertionError", "--force-reinstall --no-deps numpy"),
    ],
)
def test_a_package_that_does_not_import_is_mended_where_the_fault_lies(
    fault: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_on_import.py").write_text(f"raise {fault}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(doctor.DISTRIBUTIONS, "numpy", "broken_on_import")
    check = doctor.check_distribution("numpy")
    assert not check.ok
    assert check.remedy.endswith(remedy)
    assert "\n" not in check.detail


@pytest.mark.parametrize(
    ("installed", "ok", "said"),
    [
        ({"onnxruntime-gpu": "1.27"}, True, "onnxruntime-gpu 1.27"),
        ({"onnxruntime": "1.27"}, True, "onnxruntime 1.27"),
        ({"onnxruntime": "1.27", "onnxruntime-gpu": "1.27"}, False, "overwrite each other"),
        ({}, False, "not installed"),
    ],
)
def test_onnxruntime_comes_from_one_distribution(
    installed: dict[str, str], ok: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    check = doctor.check_onnxruntime()
    assert check.ok is ok
    assert said in check.detail
    assert ("pip install onnxruntime" in check.remedy) is not ok


def test_the_network_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor.check_network()
    assert found.ok
    assert found.detail in {"folds.onnx", "folds-int8.onnx"}
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check = doctor.check_network()
    assert not check.ok
    assert check.detail.startswith("ONNX Runtime cannot be loaded")
    assert "pip install" in check.remedy


@pytest.mark.skipif(sys.platform != "linux", reason="names of Linux libraries")
def test_missing_libraries_are_named_with_their_debian_packages() -> None:
    libraries = {"libc6": "libc.so.6", "libone1": "libno-such-one.so.1", "libtwo2": "libno-two.so"}
    check = doctor.check_libraries(libraries)
    assert not check.ok
    assert check.detail == "missing: libno-such-one.so.1, libno-two.so"
    assert check.remedy == "sudo apt-get install libone1 libtwo2"


@pytest.mark.parametrize(
    ("environment", "ok"),
    [
        ({}, False),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
    ],
)
def test_a_display_is_needed(environment: dict[str, str], ok: bool) -> None:
    check = doctor.check_display(environment)
    assert check.ok is ok
    assert ("xvfb-run -a" in check.remedy) is not ok


def test_a_display_that_has_to_be_installed_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert "sudo apt-get install xvfb xauth" in doctor.check_display({}).remedy
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "apt-get" not in doctor.check_display({}).remedy


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("4.5 (Compatibility Profile) Mesa 22.3.6", True),
        ("3.0 Mesa 10.1", True),
        ("2.1 Mesa 10.1", False),
        ("OpenGL ES 3.2 Mesa 22.3.6", False),
        ("", False),
    ],
)
def test_opengl_has_to_be_new_enough(version: str, ok: bool) -> None:
    assert doctor.opengl_check(version, "a renderer").ok is ok


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit('no context')", "no context"),
        ("int('x')", "ValueError: invalid literal for int() with base 10: 'x'"),
        ("import os; os.abort()", "exit code -6"),
        ("", "exit code 0"),
    ],
)
def test_a_failing_opengl_probe_is_told_in_one_line(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OPENGL_PROBE", program)
    check = doctor.check_opengl()
    assert (check.ok, check.detail) == (False, said)


def test_an_opengl_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OPENGL_PROBE", "while True: pass")
    check = doctor.check_opengl(timeout_s=0.1)
    assert (check.ok, check.detail) == (False, "no answer within 0.1 s")


def test_the_kernel_cache_needs_a_folder_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o777)
    closed = tmp_path / "file" / "package"  # nobody, not even root, can write below a file
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    assert not doctor.check_kernel_cache(closed, elsewhere).ok
    assert not doctor.check_kernel_cache(tmp_path, {"NUMBA_CACHE_DIR": str(closed)}).ok
    assert doctor.check_kernel_cache(tmp_path, elsewhere).detail == str(tmp_path)
    assert doctor.check_kernel_cache(closed, {"HOME": str(tmp_path)}).detail.startswith(
        str(tmp_path)
    )


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_disk(tmp_path / "not" / "yet").ok
    monkeypatch.setattr(doctor, "FREE_DISK_BYTES", 10**18)
    assert not doctor.check_disk(tmp_path).ok


def test_a_gpu_without_cupy_is_named_with_what_it_lacks() -> None:
    used = doctor.gpu_check("RTX 1", (13, 1), with_cupy=True)
    assert used.detail == "RTX 1, driver for CUDA 13.1"
    unused = doctor.gpu_check("RTX 1", (13, 1), with_cupy=False)
    assert unused.ok
    assert "pip install 'cupy-cuda13x[ctk]'" in unused.detail
