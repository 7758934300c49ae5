"""Turns the journal of a recording into HDF5, frame by frame.

The file appears under its name when it is complete and has been read back; only then the journal
goes.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .building import FileBuilder, Recovered
from .content import GROUP, from_text
from .journal import JournalReader, RecordError
from .tracks import Written

SUFFIX, PART_SUFFIX = ".h5", ".part"


def target_of(journal: Path) -> Path:
    """Name of the file that a journal becomes: its own without ``.part``."""
    name = journal.name.removesuffix(PART_SUFFIX)
    return journal.with_name(name if name.endswith(SUFFIX) else name + SUFFIX)


def recover(
    journal: Path,
    target: Path | None = None,
    progress: Callable[[float], bool] = lambda share: True,
) -> Recovered:
    """Make the HDF5 file of a journal, up to its first damaged record, and delete the journal.

    Parameters
    ----------
    journal : Path
    target : Path, optional
        A name that is not taken; by default the journal's without ``.part``, numbered where a file
        of that name is there already.
    progress : callable
        Told the share that is done; gives it up by returning False.

    Raises
    ------
    RecordError
        It is no journal, another program writes it, it holds no frame, or it was given up; the
        journal stays.
    OSError
        The file cannot be made; the journal stays.
    """
    with JournalReader(journal) as reader:
        if target is None:
            target = target_of(journal)
            if target.exists() and _is_of(target, reader):
                recovered = _told_by(target)
                journal.unlink()
                return recovered
            target = _free_name(target)
        elif target.exists():
            raise RecordError(f"{target.name}: is there already; give another name")
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with JournalReader(journal) as reader:
            with _made_whole(part, journal.name) as made:
                made.take_all(reader, progress)
                recovered = made.finish(target, reader)
            _check(part, made.written, progress)
            _sync(part)
            recovered = replace(recovered, path=_free_name(target))
            part.rename(recovered.path)
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)
    journal.unlink()
    return recovered


@contextmanager
def _made_whole(path: Path, name: str) -> Iterator[FileBuilder]:
    """Make a file; what the library says of a full disk comes as an OSError of one line."""
    builder = FileBuilder(path, name)
    try:
        try:
            yield builder
        except BaseException:
            with suppress(OSError, RuntimeError):
                builder.close()
            raise
        builder.close()
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error).partition("(")[0].strip()
        raise OSError(number, reason) from error


def _check(path: Path, written: list[Written], progress: Callable[[float], bool]) -> None:
    """Read all samples back."""
    with h5py.File(path, "r") as file:
        for number, each in enumerate(written):
            dataset = file[each.path]
            _, stored = dataset.id.read_direct_chunk((each.row, *(0,) * (dataset.ndim - 1)))
            if zlib.crc32(stored) != each.crc32:
                raise OSError(None, "what was written reads otherwise; the disk may be failing")
            if not progress(0.8 + 0.2 * (number + 1) / len(written)):
                raise RecordError(f"{path.name}: given up; open it to go on")


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    with suppress(PermissionError):  # a folder cannot be opened on every system
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _free_name(target: Path) -> Path:
    """Name beside the target that no file has."""
    number, name = 2, target
    while name.exists():
        name = target.with_name(f"{target.stem}-{number}{target.suffix}")
        number += 1
    return name


def _about_of(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        return from_text(np.asarray(file[f"{GROUP}/about"]).tobytes())


def _is_of(target: Path, reader: JournalReader) -> bool:
    """Whether a file was made of this journal before: the program ended before deleting it."""
    try:
        about = _about_of(target)
        begin = next(iter(reader))
        return bool(about["id"]) and about["id"] == from_text(begin.payload).get("id")
    except (OSError, KeyError, StopIteration, RecordError, TypeError, ValueError):
        return False


def _told_by(target: Path) -> Recovered:
    about = _about_of(target)
    return Recovered(target, about["n_frames"], about["n_lost"], about["seconds"], about["missing"])
