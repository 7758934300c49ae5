"""Everything as text, to send with a report of a fault: no names of files and folders. No Qt."""

from __future__ import annotations

from collections.abc import Iterable

from ...diary import without_names
from .figures import Rows


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
