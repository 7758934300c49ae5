"""What happened, kept on disk for whoever looks for a fault: without names of files or people."""

from __future__ import annotations

import faulthandler
import importlib.metadata
import logging
import os
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from platformdirs import user_log_path

from . import __version__
from .doctor import DISTRIBUTIONS, ONNX_DISTRIBUTIONS, Check
from .export.whole_file import whole_file

FOLDER_VARIABLE = "ULTRASOUND_CONSOLE_LOGS"
"""Environment variable that names another folder for the diary."""
LOG_NAME, CRASH_NAME, CRASH_BEFORE_NAME = "console.log", "crash.txt", "crash-before.txt"
MOST_BYTES, N_OLDER = 1_000_000, 4
# Absolute paths of Linux and macOS, and of Windows; a space in a folder's name does not end them.
_STEP = r"[^\s:;,\"'<>|]"
_PATH = re.compile(
    rf"(?:[A-Za-z]:\\|(?<![\w.~/\\])~?/){_STEP}+"
    rf"(?: (?={_STEP}*[/\\]){_STEP}+)*(?: {_STEP}+\.\w{{2,5}}\b)?"
)
_KINDS = "h5|hdf5|part|mat|uff|raw|ya?ml|npz|pkl|prototxt|json|csv|png|gif|mp4|dcm|toml|onnx|zip"
_FILE = re.compile(rf"[^\s/\\:\"'()]+(\.(?:{_KINDS}))\b")

_log = logging.getLogger(__name__)


def diary_folder() -> Path:
    """Folder of the log and of what a crash leaves; it need not exist yet."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_log_path("ultrasound-console", appauthor=False)


class Diary:
    """The log of this run and of those before, and a trace where the process itself fails.

    Parameters
    ----------
    folder : Path
        Made where it is missing, for its owner only.

    Attributes
    ----------
    crashed_before : bool
        Whether the run before left the trace of a crash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._private: list[str] = []
        self._handler: RotatingFileHandler | None = None
        self._crash: TextIO | None = None
        self.crashed_before = False

    def start(self) -> str:
        """Begin to write; return why that cannot be done, or nothing."""
        crash = self._folder / CRASH_NAME
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if crash.exists() and crash.stat().st_size:
                self.crashed_before = True
                crash.replace(self._folder / CRASH_BEFORE_NAME)
            self._crash = _open_private(str(crash), "w")
            self._handler = _Rotating(self._folder / LOG_NAME)
        except OSError as error:
            return f"{self._folder}: no log is kept ({error.strerror}); check the folder's rights"
        faulthandler.enable(self._crash)
        self._handler.setFormatter(_Anonymous(self._private))
        logging.getLogger().addHandler(self._handler)
        logging.getLogger(__package__).setLevel(logging.INFO)
        _log.info("start of %s on %s, %s", __version__, platform.platform(), ", ".join(versions()))
        if self.crashed_before:
            _log.error("the run before ended in a crash: see %s", CRASH_BEFORE_NAME)
        return ""

    def opened(self, name: str) -> None:
        """Keep the name of a file that was opened out of all that follows."""
        if name not in self._private:
            self._private.append(name)

    def stop(self, *, told: bool = True) -> None:
        """Write no longer.

        Parameters
        ----------
        told : bool
            Whether the user has seen that the run before crashed; else the next run says so.
        """
        if self._handler is not None:
            _log.info("end")
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()
        if self._crash is not None:
            faulthandler.disable()
            self._crash.close()
            if self.crashed_before and not told:
                with suppress(OSError):
                    (self._folder / CRASH_BEFORE_NAME).replace(self._folder / CRASH_NAME)


def versions() -> Iterator[str]:
    """Yield Python and every package this program needs, with their versions."""
    yield f"Python {platform.python_version()}"
    for name in (*DISTRIBUTIONS, *ONNX_DISTRIBUTIONS):
        try:
            yield f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def write_report(path: Path, checks: Iterable[Check], folder: Path) -> tuple[str, ...]:
    """Write one archive for the report of a fault; nothing in it names a file or a person.

    Parameters
    ----------
    path : Path
        The ``.zip`` file; it appears when it is complete.
    checks : iterable of Check
    folder : Path
        Of the diary.

    Returns
    -------
    tuple of str
        Names of the texts in it.

    Raises
    ------
    OSError
        It cannot be written.
    """
    rows = [f"{'ok' if c.ok else 'MISS':5}{c.name:28}{c.detail}  {c.remedy}" for c in checks]
    texts = {"doctor.txt": "\n".join((*rows, "", sys.version, platform.platform(), *versions()))}
    for kept in sorted(folder.glob("*")) if folder.is_dir() else ():
        if kept.name.startswith((LOG_NAME, "crash")) and kept.is_file() and kept.stat().st_size:
            texts[kept.name] = kept.read_text(encoding="utf-8", errors="replace")
    with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, without_names(text, ()) + "\n")
    return tuple(texts)


def without_names(text: str, names: Iterable[str]) -> str:
    """Take out the names of files and folders, and leave what kind of file it was.

    Parameters
    ----------
    text : str
    names : iterable of str
        Files that were opened: their names may be those of patients, also without their folder.
    """
    private: dict[str, str] = {}
    for name in names:
        path = Path(name)
        instead = f"(file){path.suffix.lower()}"
        private |= dict.fromkeys((name, str(path.resolve()), path.name), instead)
        private[path.stem] = "(file)"
    for name in sorted(filter(None, private), key=len, reverse=True):
        whole = rf"(?<!\w){re.escape(name)}(?!\w)"
        text = re.sub(whole, private[name].replace("\\", r"\\"), text)
    text = _PATH.sub(lambda found: _without_folders(found[0]), text)
    return _FILE.sub(r"(file)\1", text)


def _without_folders(path: str) -> str:
    last = re.split(r"[/\\]", path)[-1]
    # Of this program's and its libraries' own files, a traceback tells the name.
    return last if last.endswith(".py") else f"(file){Path(last).suffix.lower()}"


class _Anonymous(logging.Formatter):
    """One line each, with the date; what was opened is not named."""

    def __init__(self, private: list[str]) -> None:
        super().__init__("%(asctime)s  %(levelname)-8s %(name)s: %(message)s")
        self._private = private

    def format(self, record: logging.LogRecord) -> str:
        return without_names(super().format(record), self._private)


class _Rotating(RotatingFileHandler):
    """A log of bounded size that only its owner reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=MOST_BYTES, backupCount=N_OLDER, encoding="utf-8", errors="replace"
        )
        self.setLevel(logging.INFO)

    def _open(self) -> TextIO:  # type: ignore[override]
        return _open_private(self.baseFilename, "a")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (named by logging)
        """Go on: a full disk ends the log, not the console."""


def _open_private(name: str, mode: str) -> TextIO:
    def opener(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    make: Callable[..., TextIO] = open
    return make(name, mode, encoding="utf-8", errors="replace", opener=opener)
