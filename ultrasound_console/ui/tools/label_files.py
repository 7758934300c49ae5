"""Writes labels in the background, into a folder that the user chose."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from ... import labels
from ...config import ConfigError, make_folder
from ...labels import LabelledFrame
from ..folders import folder_for, remember_folder, remembered

FOLDER_VARIABLE = "ULTRASOUND_CONSOLE_LABELS"
"""Environment variable that names another folder for labels than the user's documents."""
UNSAVED = "unsaved"
"""Folder inside it for what nobody saved; nothing learns from it."""
_log = logging.getLogger(__name__)

_KIND = "labels"
_BLOCK_BYTES = 1 << 22


class LabelFiles(QObject):
    """The folder of labels.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.
    saved : (key)
        The label of that key is on disk.

    Attributes
    ----------
    folder : Path
        What was chosen last, or else a folder among the user's documents.
    """

    said = Signal(str, bool)
    saved = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.folder = folder_for(_KIND, FOLDER_VARIABLE)
        by = remembered(_KIND).get("by")
        self._by = by if isinstance(by, str) else ""
        self._paths: dict[tuple[Path, int], Path] = {}
        self._checksums: dict[tuple[str, int, int], str] = {}
        self._writing: ThreadPoolExecutor | None = None
        self._told = False

    def choose(self, folder: Path) -> None:
        """Put labels there from now on, and in later runs."""
        self.folder = folder
        why_not = remember_folder(_KIND, folder)
        self.said.emit(why_not or f"Labels go to {folder}", bool(why_not))

    def save(
        self, made: Mapping[int, Callable[[], LabelledFrame]], source: str, *, asked: bool = True
    ) -> None:
        """Write labels, and say where they are.

        Parameters
        ----------
        made : mapping of int to callable
            Makes each label, in the background. One of the same key takes the place of the last.
        source : str
            What was opened: a file's checksum goes into the label.
        asked : bool
            The user wants it; otherwise the labels are kept apart, from being lost.
        """
        if self._writing is None:
            self._writing = ThreadPoolExecutor(1, "labels")
        self._writing.submit(self._write, dict(made), source, asked=asked)

    def tell_unsaved(self) -> None:
        """Say once in a run what earlier ones kept from being lost."""
        if self._told:
            return
        self._told = True
        n = len(list((self.folder / UNSAVED).glob(f"*{labels.SUFFIX}")))
        if n:
            self.said.emit(_kept_text(n, self.folder / UNSAVED), False)

    def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            self._writing.shutdown()
            self._writing = None

    def _write(
        self, made: Mapping[int, Callable[[], LabelledFrame]], source: str, *, asked: bool
    ) -> None:
        folder = self.folder if asked else self.folder / UNSAVED
        try:
            make_folder(folder)
            for key, make in made.items():
                labelled = make()
                provenance = replace(
                    labelled.provenance, source_sha256=self._checksum(source), by=self._by
                )
                labelled = replace(labelled, provenance=provenance)
                path = folder / labels.file_name(labelled)
                if asked:
                    path = self._paths.setdefault((folder, key), path)
                labels.save(path, labelled)
                if asked:
                    self.saved.emit(key)
        except (OSError, ConfigError) as error:
            reason = getattr(error, "strerror", None) or error
            self.said.emit(f"Labels: {folder}: {reason}; choose another folder in the menu", True)
            return
        if asked:
            self.said.emit(f"Label saved: {path}", False)
        else:
            text = _kept_text(len(made), folder)
            _log.warning(text)  # whoever closes the window sees no message any more
            self.said.emit(text, False)

    def _checksum(self, source: str) -> str:
        """SHA-256 of a source's file; empty where it is none."""
        path = Path(source)
        try:
            if not source or not path.is_file():
                return ""
            state = path.stat()
            key = source, state.st_mtime_ns, state.st_size
            if key not in self._checksums:
                total = hashlib.sha256()
                with path.open("rb") as file:
                    while block := file.read(_BLOCK_BYTES):
                        total.update(block)
                self._checksums[key] = total.hexdigest()
        except OSError:
            return ""
        return self._checksums[key]


def _kept_text(n: int, folder: Path) -> str:
    frames = "1 corrected frame was" if n == 1 else f"{n} corrected frames were"
    return f"{frames} not saved as a label: kept in {folder}"
