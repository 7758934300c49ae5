"""What the wheel and the source distribution hold."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    assert {name for name in names if ".dist-info/" not in name} == inside
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
