"""Folders for the user's files of a kind: among the documents, or wherever they chose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_documents_path
from PySide6.QtWidgets import QFileDialog, QWidget

from ..config import ConfigError, config_folder, make_folder, quoted, read_toml, write_lines


def folder_for(kind: str, variable: str) -> Path:
    """Find the folder: the one chosen last, or that of the environment, or among the documents.

    Parameters
    ----------
    kind : str
        What goes there, such as ``recordings``.
    variable : str
        Environment variable that names another folder than the documents.
    """
    chosen, own = remembered(kind).get("folder"), os.environ.get(variable)
    if isinstance(chosen, str) and chosen:
        return Path(chosen)
    return Path(own) if own else user_documents_path() / "Ultrasound console" / kind


def remembered(kind: str) -> dict[str, Any]:
    """Read what is kept of a kind; nothing where the file is missing or damaged."""
    path = config_folder() / f"{kind}.toml"
    try:
        return read_toml(path) if path.is_file() else {}
    except ConfigError:
        return {}


def remember_folder(kind: str, folder: Path) -> str:
    """Let later runs find the folder; other texts in the file stay.

    Returns
    -------
    str
        Why they will not; empty where they will.
    """
    kept = remembered(kind) | {"folder": str(folder)}
    lines = [f"{name} = {quoted(text)}" for name, text in kept.items() if isinstance(text, str)]
    try:
        make_folder(config_folder())
        write_lines(config_folder() / f"{kind}.toml", lines)
    except ConfigError as error:
        return str(error)
    return ""


def ask_file(
    parent: QWidget, title: str, proposed: Path, formats: Mapping[str, str]
) -> tuple[Path | None, str]:
    """Ask under which name a file is to be saved.

    Parameters
    ----------
    parent : QWidget
    title : str
    proposed : Path
        Folder and name, without its end.
    formats : mapping
        What the dialog calls each format, by the end of its files' names; the first is proposed.

    Returns
    -------
    path : Path or None
        None where nothing is to be saved.
    why_not : str
        Why it cannot be that name; empty where the user left the dialog.
    """
    endings = list(formats)
    start = str(proposed.with_name(f"{proposed.name}{endings[0]}"))
    name, chosen = QFileDialog.getSaveFileName(parent, title, start, ";;".join(formats.values()))
    if not name:
        return None, ""
    path = Path(name)
    if path.suffix.lower() not in formats:
        ending = next((end for end, text in formats.items() if text == chosen), endings[0])
        path = path.with_name(f"{path.name}{ending}")
        if path.exists():  # the dialog asked about the shorter name
            return None, f"{path.name} is there already: choose it to replace it."
    return path, ""
