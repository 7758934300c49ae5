"""Shaders, models and probes: from the wheel, or from the top level of a checkout.

A shader may say ``#include "file"``. It is expanded here, before vispy sees the source: vispy
would look among its own shaders and silently take a file of the same name.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

CHECKSUMS = "SHA256SUMS"
"""File beside others of its folder: a line of SHA-256 and name for each."""

_INCLUDE = re.compile(r'^[ \t]*#include[ \t]+"([^"]*)"[ \t]*$', re.MULTILINE)


class AssetError(Exception):
    """A shader, model or probe that is not there or cannot be used; the message says which."""


def _folder(kind: str) -> Path:
    """Folder of the assets of one kind."""
    package = Path(str(files("ultrasound_console")))
    installed = package / "_assets" / kind
    return installed if installed.is_dir() else package.parent / kind


def _path(kind: str, name: str) -> Path:
    folder = _folder(kind)
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise AssetError(f"no file {name!r} in {folder}; install the program again")
    return path


def shader(name: str) -> str:
    """Source of a shader with its includes expanded.

    A file that is included twice is expanded at its first place only.

    Parameters
    ----------
    name : str
        File name inside ``shaders/``.

    Returns
    -------
    str
        GLSL source.

    Raises
    ------
    AssetError
        The file, or one that it includes, is missing, or files include each other in a circle.
    """
    return _expanded(name, (), set())


def _expanded(name: str, open_files: tuple[str, ...], done: set[str]) -> str:
    if name in open_files:
        raise AssetError(f"shaders include each other: {' -> '.join((*open_files, name))}")
    if name in done:
        return ""
    try:
        source = _path("shaders", name).read_text(encoding="utf-8")
    except AssetError as error:
        if open_files:
            raise AssetError(f"{error}, included by {open_files[-1]!r}") from None
        raise
    here = (*open_files, name)
    text = _INCLUDE.sub(lambda match: _expanded(match[1], here, done), source)
    done.add(name)
    return text


def model(name: str) -> Path:
    """Path of a model file.

    Parameters
    ----------
    name : str
        File name inside ``models/``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AssetError
        The file is missing.
    """
    return _path("models", name)


def checksums(folder: Path) -> dict[str, str]:
    """Read the SHA-256 of each file that a folder lists; none if it lists nothing."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in pairs}


def check_listed(path: Path, content: bytes) -> None:
    """Refuse content that is not that of the file as its folder lists it.

    Raises
    ------
    ValueError
    """
    if hashlib.sha256(content).hexdigest() != checksums(path.parent).get(path.name):
        raise ValueError(f"not the file that {CHECKSUMS} names")


def probe_names() -> tuple[str, ...]:
    """Names of the probes that simulations can use, in alphabetical order.

    Raises
    ------
    AssetError
        There are none: the installation is damaged.
    """
    folder = _folder("models") / "probes"
    names = tuple(sorted(path.stem for path in folder.glob("*.json")))
    if not names:
        raise AssetError(f"no probe files in {folder}: install the program again")
    return names


def probe_file(name: str) -> Path:
    """Path of a probe's file.

    Parameters
    ----------
    name : str
        One of :func:`probe_names`.

    Raises
    ------
    AssetError
        There is no such probe.
    """
    if name not in probe_names():
        raise AssetError(f"no probe {name!r}: take one of {', '.join(probe_names())}")
    return _folder("models") / "probes" / f"{name}.json"


def scene_picture(name: str) -> Path:
    """Path of the small picture of a simulated scene.

    Parameters
    ----------
    name : str
        File name inside ``models/scenes/``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AssetError
        The file is missing.
    """
    return _path("models/scenes", name)


def phantom(name: str) -> Path:
    """Path of the solved flow of a simulated vessel.

    Parameters
    ----------
    name : str
        File name inside ``models/phantoms/``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AssetError
        The file is missing.
    """
    return _path("models/phantoms", name)
