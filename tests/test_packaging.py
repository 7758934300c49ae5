"""What the wheel and the source distribution hold."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ultrasound_console
from ultrasound_console import assets

ROOT = Path(__file__).resolve().parent.parent
SHADERS = sorted(path.name for path in (ROOT / "shaders").iterdir())
LIST_SHADERS = """
import json, sys
from ultrasound_console.assets import shader
json.dump({name: shader(name) for name in sys.argv[1:]}, sys.stdout)
"""


@pytest.fixture(scope="module", params=["wheel", "source"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout, or from the source distribution of the checkout."""
    folder = tmp_path_factory.mktemp(request.param)
    # Without a target, build makes the source distribution and the wheel from that.
    target = ["--wheel"] if request.param == "wheel" else []
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *target, "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_package_assets_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        version = f"\nVersion: {ultrasound_console.__version__}\n"
        assert version in archive.read(metadata).decode()
    inside = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for folder, package in (
            ("ultrasound_console", "ultrasound_console"),
            ("shaders", "ultrasound_console/_assets/shaders"),
            ("models", "ultrasound_console/_assets/models"),
        )
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside_wheel = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert inside_wheel == inside
    shared = {name.partition(".data/data/")[2] for name in names if ".data/" in name}
    assert shared == {
        "share/applications/ultrasound-console.desktop",
        "share/icons/hicolor/scalable/apps/ultrasound-console.svg",
    }
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_unpacked_wheel_finds_its_shaders(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    answer = subprocess.run(
        [sys.executable, "-c", LIST_SHADERS, *SHADERS],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert SHADERS
    assert json.loads(answer.stdout) == {name: assets.shader(name) for name in SHADERS}


def test_the_desktop_entry_starts_a_command_that_is_installed() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(ROOT / "ultrasound_console/ui/desktop/ultrasound-console.desktop")
    command, *_ = entry["Desktop Entry"]["Exec"].split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert command in project["scripts"]
    assert entry["Desktop Entry"]["Icon"] == "ultrasound-console"


def test_a_version_is_named_by_its_tag() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or no repository")
    asked = [git, "-C", str(ROOT), "tag", "--points-at", "HEAD", "v*"]
    tags = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert tags in ([], [f"v{ultrasound_console.__version__}"])


def declared_versions() -> list[str]:
    """Versions of Python that the project says it runs on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (re.search(r"Python :: (3\.\d+)", line) for line in project["classifiers"])
    return [found[1] for found in lines if found]


def python_of(version: str) -> str:
    """Find an interpreter of a version."""
    others = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for name in (shutil.which(f"python{version}"), *map(str, others)):
        if name and _says(name) == version:
            return name
    pytest.skip(f"no Python {version} at hand")


def _says(python: str) -> str:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run(
        [python, "-c", program], check=False, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.long
@pytest.mark.parametrize("version", declared_versions())
def test_it_installs_and_runs_in_a_fresh_environment_of_each_python(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Says seconds and megabytes; packages come from where pip gets them."""
    environment = tmp_path / version
    begin_s = time.perf_counter()
    subprocess.run([python_of(version), "-m", "venv", environment], check=True)
    installed = [environment / "bin/python", "-m", "pip", "install", "-q", str(ROOT)]
    subprocess.run(installed, check=True, cwd=tmp_path)
    took_s = time.perf_counter() - begin_s
    size_bytes = sum(p.stat().st_size for p in environment.rglob("*") if p.is_file())
    command = environment / "bin/ultrasound-console"
    out = tmp_path / f"{version}.h5"
    told = subprocess.run([command, "--version"], check=True, capture_output=True, text=True)
    assert told.stdout.split()[-1] == ultrasound_console.__version__
    asked = [command, "process", "simulated:straight-tube", "--frames", "2", "-o", out]
    subprocess.run(asked, check=True, cwd=tmp_path)
    assert out.stat().st_size > 10_000
    assert (environment / "share/applications/ultrasound-console.desktop").is_file()
    shutil.rmtree(environment)  # more than a gigabyte
    with capsys.disabled():
        sys.stdout.write(
            f"Python {version}: installed in {took_s:.0f} s, {size_bytes / 1e6:.0f} MB\n"
        )


def test_the_locked_versions_are_those_that_the_project_asks_for() -> None:
    lines = (ROOT / "tests" / "locked.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    locked = {canonicalize_name(name): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = [*project["project"]["dependencies"]]
    for group in ("dev", "test", "rivals"):
        asked += [line for line in groups[group] if isinstance(line, str)]
    # As for the machine that the lock is for, wherever this runs.
    there = {
        "python_version": "3.11",
        "platform_machine": "x86_64",
        "sys_platform": "linux",
    }
    for requirement in map(Requirement, asked):
        if requirement.marker is None or requirement.marker.evaluate(there):
            name = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(locked[name]), requirement
