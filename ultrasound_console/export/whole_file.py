"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes ``path`` in the end, or nothing after an exception.

    Raises
    ------
    OSError
        The file cannot be made. It is tried at once: libraries say it less plainly.
    """
    part = _part(path, os.getpid())
    try:
        part.touch()
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(path: Path, process: int) -> None:
    """Remove what a process that was killed left of a file, and of one in the place of that."""
    part = _part(path, process)
    for left in (part, _part(part, process)):
        left.unlink(missing_ok=True)


def _part(path: Path, process: int) -> Path:
    return path.with_name(f"{path.name}.{process}.part")
