"""The user's own files: where they are, and how they are read and written whole."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from .export.whole_file import whole_file

CONFIG_VARIABLE = "ULTRASOUND_CONSOLE_CONFIG"
"""Environment variable that names another folder for them."""
_MAX_BYTES = 1_000_000


class ConfigError(Exception):
    """A file of the user's that cannot be read, kept or named so; the message says what to do."""


def config_folder() -> Path:
    """Folder of presets and of what is remembered; it need not exist yet."""
    own = os.environ.get(CONFIG_VARIABLE)
    return Path(own) if own else user_config_path("ultrasound-console", appauthor=False)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file.

    Raises
    ------
    ConfigError
        It cannot be read, or is no TOML.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path.name}: not a regular file; give a file of settings (.toml)")
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(
                f"{path.name}: too large for a file of settings; give a preset of this program"
            )
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise failed(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path.name}: not a file of settings: {error}; mend that line or delete the file"
        ) from error


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a file into a folder that exists; it appears when it is complete.

    Raises
    ------
    ConfigError
    """
    try:
        with whole_file(path) as part:
            part.chmod(0o600)  # names of recordings may tell of people
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise failed(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing.

    Raises
    ------
    ConfigError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(folder, error) from error


def quoted(text: str) -> str:
    """Write a string as TOML does: as JSON, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def failed(path: Path, error: OSError) -> ConfigError:
    """Say what the system says of a file, and what to do."""
    return ConfigError(f"{path}: {error.strerror or error}; check the folder and its rights")
