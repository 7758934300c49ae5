"""What commands say and refuse alike."""

from __future__ import annotations

import sys
from pathlib import Path


class InputError(Exception):
    """Bad input from the command line; the message is the one line the user sees."""


def note(text: str) -> None:
    """Say something that the user should know."""
    print(f"note: {text}", file=sys.stderr)


def check_output(path: Path) -> None:
    """Refuse a file in a folder that does not exist."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")


def check_json(path: Path | None) -> None:
    """Refuse what is not the name of a file in a folder that exists."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path}: give the name of a file in a folder that exists")


def unwritten(path: Path, error: OSError) -> InputError:
    """Say that a file could not be written."""
    return InputError(f"{path}: {error.strerror or error}; nothing was kept")


def show_progress(done: int, total: int, what: str = "frames") -> None:
    """Draw how far it is, where somebody looks."""
    if not sys.stderr.isatty():
        return
    width = 40
    filled = width * done // total
    end = "\n" if done == total else ""
    print(
        f"\r[{'#' * filled}{'.' * (width - filled)}] {done}/{total} {what}",
        end=end,
        file=sys.stderr,
        flush=True,
    )
