"""Everything as text, to send with a report of a fault: no names of files and folders. No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .figures import Rows

# Absolute paths of Linux and macOS, and of Windows, up to what cannot be in a bare one.
_PATH = re.compile(r"(?:[A-Za-z]:\\|(?<![\w.~/\\])~?/)[^\s:;,\"'<>|]+")


def report(sections: Iterable[tuple[str, Rows]], lines: Iterable[str], names: Iterable[str]) -> str:
    """Everything as plain text for a report of a fault.

    Parameters
    ----------
    sections : iterable of (title, rows)
    lines : iterable of str
        The log.
    names : iterable of str
        What was opened: file names may be those of patients, and do not appear.
    """
    text = []
    for title, rows in sections:
        text += [title, "-" * len(title)]
        text += [f"{name:34}{value}" for name, value in rows]
        text.append("")
    text += ["Log", "---", *lines]
    return without_names("\n".join(text), names) + "\n"


def without_names(text: str, names: Iterable[str]) -> str:
    """Take out the names of files and folders, and leave what kind of file it was."""
    private: dict[str, str] = {}
    for name in names:
        path = Path(name)
        instead = f"(file){path.suffix.lower()}"
        private |= dict.fromkeys((name, str(path.resolve()), path.name), instead)
        private[path.stem] = "(file)"
    for name in sorted(filter(None, private), key=len, reverse=True):
        whole = rf"(?<!\w){re.escape(name)}(?!\w)"
        text = re.sub(whole, private[name].replace("\\", r"\\"), text)
    return _PATH.sub(lambda found: _without_folders(found[0]), text)


def _without_folders(path: str) -> str:
    last = re.split(r"[/\\]", path)[-1]
    # Of this program's and its libraries' own files, a traceback tells the name.
    return last if last.endswith(".py") else f"(file){Path(last).suffix.lower()}"
