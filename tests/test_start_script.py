"""The script that installs what is missing, on stand-ins for the commands it calls."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ultrasound_console.doctor import LIBRARIES

ROOT = Path(__file__).resolve().parent.parent


class Machine:
    """A checkout's start script on a machine of stand-ins for the commands it calls.

    What the stand-ins were called with is in ``calls``.
    """

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "check out"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.checkout.mkdir()
        self.bin.mkdir()
        for name in ("console", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout)
        for name in ("cat", "cksum", "dirname", "env", "grep", "readlink", "sed", "sh"):
            (self.bin / name).symlink_to(shutil.which(name) or "missing")
        self.install("python3", "exit 0")
        self.install("dpkg-query", f"cat '{folder}/packages'")
        self.install("apt-get", "exit 0")
        self.install("id", "echo 1000")
        self.install("sudo", "exit 1")
        self.packages = folder / "packages"
        self.packages.write_text("".join(f"installed {name} \n" for name in LIBRARIES))

    def install(self, name: str, body: str, folder: Path | None = None) -> None:
        """Put a stand-in in place of a command."""
        path = (folder or self.bin) / name
        path.write_text(f"""#!/bin/sh\nprintf '%s\\n' "{name} $*" >>"{self.log}"\n{body}\n""")
        path.chmod(0o755)

    def make_environment(self, pip: str = "exit 0") -> None:
        """Put stand-ins into the private environment."""
        folder = self.checkout / ".venv" / "bin"
        folder.mkdir(parents=True)
        self.install(
            "python", f'case "$*" in *install*) {pip};; *) echo Python 3.11.2;; esac', folder
        )
        self.install("ultrasound-console", "exit 7", folder)

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the start script from another folder."""
        return subprocess.run(
            [self.checkout / "console", *arguments],
            env={"PATH": str(self.bin), **environment},
            cwd=self.bin,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """Every command called since the last time asked, except questions."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        questions = ("dpkg-query", "id ", "python3 -c", "python -c", "python --version")
        return [line for line in lines if not line.startswith(questions)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with all system packages and no private environment."""
    if sys.platform == "win32":
        pytest.skip("the start script is for Unix shells")
    return Machine(tmp_path)


def test_without_a_right_to_install_the_script_prints_the_line(machine: Machine) -> None:
    machine.packages.write_text(
        "installed libegl1 \ninstalled libgl1 \ninstalled libdbus-1-3 \ninstalled libfontconfig1 \n"
        "installed libglib2.0-0t64 libglib2.0-0 (= 2.80.0-6)\n"  # the same under another name
        "config-files libxkbcommon-x11-0 \n"  # removed again
        "installed libxcb-cursor0-dbg \ninstalled libxcb-icccm4 \ninstalled libxcb-keysyms1 \n"
    )
    answer = machine.start()
    assert answer.returncode == 1
    line = "    sudo apt-get update && sudo apt-get install"
    missing = "libxkbcommon-x11-0 libxcb-cursor0 libxcb-shape0"
    assert answer.stderr.splitlines()[-1] == f"{line} {missing}"
    assert machine.calls == ["sudo -n true"]


def test_a_wayland_desktop_needs_two_libraries_more(machine: Machine) -> None:
    answer = machine.start(WAYLAND_DISPLAY="wayland-0")
    assert answer.stderr.endswith(" install libwayland-cursor0 libwayland-egl1\n")


def test_python_that_is_missing_is_installed_with_the_rest(machine: Machine) -> None:
    (machine.bin / "python3").unlink()
    machine.packages.write_text("")
    assert machine.start("test").stderr.endswith(" xvfb xauth g++ python3 python3-venv\n")


def test_nothing_is_asked_for_where_all_is_installed(machine: Machine) -> None:
    with machine.packages.open("a") as packages:
        packages.write(
            "installed xvfb \ninstalled other xauth, more \ninstalled g++ c++-compiler \n"
        )
    machine.start("test")
    assert not [call for call in machine.calls if call.startswith(("sudo", "apt-get"))]


def test_python_that_is_too_old_is_told(machine: Machine) -> None:
    machine.install("python3", 'case "$1" in -c) exit 1;; *) echo Python 3.9.2;; esac')
    answer = machine.start()
    assert answer.returncode == 1
    assert "python3 here is Python 3.9.2" in answer.stderr


def test_root_gets_only_what_is_missing(machine: Machine) -> None:
    machine.install("id", "echo 0")
    machine.install("apt-get", 'test "$1" = update')
    machine.packages.write_text(machine.packages.read_text().replace("libegl1", "other"))
    assert machine.start().returncode == 1  # as the stand-in of apt-get could not install
    assert machine.calls == [
        "apt-get update",
        "apt-get install -y --no-install-recommends libegl1",
    ]


def test_packages_are_installed_once(machine: Machine) -> None:
    machine.make_environment()
    assert machine.start("process", "a file", "-o", "out").returncode == 7
    assert machine.calls == [
        "python -m pip install pip>=25.1",
        "python -m pip install --editable .",
        "ultrasound-console process a file -o out",
    ]
    assert machine.start().returncode == 7
    assert machine.calls == ["ultrasound-console run"]


def test_packages_are_installed_anew_when_the_project_asks_for_others(machine: Machine) -> None:
    machine.make_environment()
    machine.start()
    with (machine.checkout / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    assert len(machine.calls) == 3
    machine.start()
    assert len(machine.calls) == 3


def test_an_installation_that_failed_is_tried_again(machine: Machine) -> None:
    machine.make_environment(pip="exit 5")
    for _ in range(2):
        answer = machine.start()
        assert answer.returncode == 5
        assert "then start this again" in answer.stderr
        assert machine.calls == ["python -m pip install pip>=25.1"]


def test_an_environment_that_was_moved_is_made_anew(machine: Machine) -> None:
    machine.make_environment()
    machine.start()
    assert machine.calls[-1] == "ultrasound-console run"
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.start()
    assert machine.calls[0] == f"python3 -m venv --clear {machine.checkout}/.venv"
