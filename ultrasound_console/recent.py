"""The recordings opened last, to find them again."""

from __future__ import annotations

import os
from pathlib import Path

from .config import ConfigError, make_folder, quoted, read_toml, write_lines

MAX_FILES = 12


class Recent:
    """A file with the paths of recordings, the one opened last first.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> tuple[Path, ...]:
        """Give the recordings that were opened, whether or not they are still there.

        Raises
        ------
        ConfigError
            The file is damaged; the next :meth:`add` makes a new one.
        """
        if not self.path.exists():
            return ()
        names = read_toml(self.path).get("files", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{self.path.name}: 'files' is not a list of names; delete the file")
        return tuple(Path(name) for name in dict.fromkeys(names) if name)[:MAX_FILES]

    def add(self, path: Path) -> None:
        """Put a recording first.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100 - a link stays the name that was chosen
        self._write((path, *(other for other in self._known() if other != path)))

    def remove(self, path: Path) -> None:
        """Forget a recording.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        self._write(tuple(other for other in self._known() if other != path))

    def _known(self) -> tuple[Path, ...]:
        try:
            return self.files()
        except ConfigError:
            return ()  # it was reported when it was read

    def _write(self, files: tuple[Path, ...]) -> None:
        names = [str(path).encode(errors="replace").decode() for path in files[:MAX_FILES]]
        lines = (f"  {quoted(name)}," for name in names)
        make_folder(self.path.parent)
        write_lines(
            self.path,
            ["# Recordings opened last, the newest first.", "files = [", *lines, "]"],
        )


def why_missing(path: Path) -> str:
    """Say why a file cannot be opened now; empty where nothing speaks against it."""
    try:
        if not path.exists():
            return "no such file" if path.parent.is_dir() else "its folder is not there"
        if not path.is_file():
            return "not a regular file"
        if not os.access(path, os.R_OK):
            return "no right to read it"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "not a file name"
    return ""
