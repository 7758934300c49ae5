"""Turns the journal of a recording into HDF5, frame by frame.

The file appears under its name when it is complete and has been read back; only then the journal
goes. It holds the tracks of zea for channel samples, and a group of the console's own with all that
a replay needs (``docs/recording.md``).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .content import (
    FORMAT,
    FORMAT_VERSION,
    MAX_PARTS,
    MAX_SETTINGS,
    Content,
    FrameHead,
    Part,
    from_text,
    raw_bytes,
    raw_crc32,
    text,
)
from .journal import JournalReader, Kind, RecordError
from .zea_layout import ZEA_VERSION, make_track, to_zea, write_probe, write_scan

SUFFIX, PART_SUFFIX = ".h5", ".part"
GROUP = "ultrasound_console"
_MAX_GAPS = 2**16
_COLUMN_TYPES = {
    "index": np.int64,
    "part": np.int32,
    "settings": np.int32,
}


@dataclass(frozen=True)
class Recovered:
    """What came of a journal.

    Attributes
    ----------
    path : Path
        The new file.
    n_frames : int
    n_lost : int
        Frames that were acquired in between and could not be kept.
    seconds : float
        From the first to the last frame.
    missing : str
        What is not in it, in words; empty where the recording was ended as it should be.
    """

    path: Path
    n_frames: int
    n_lost: int
    seconds: float
    missing: str

    @property
    def frames(self) -> str:
        """What is in it, in words."""
        lost = f"; {self.n_lost} frames lost" if self.n_lost else ""
        return f"{self.n_frames} frame{'s' * (self.n_frames != 1)}, {self.seconds:.1f} s{lost}"

    @property
    def told(self) -> str:
        """One line for the user."""
        missing = f"; {self.missing}" if self.missing else ""
        return f"{self.frames}{missing}: {self.path.name}"


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
            _check(part, made.checksums, progress)
            _sync(part)
            recovered = replace(recovered, path=_free_name(target))
            part.rename(recovered.path)
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)
    journal.unlink()
    return recovered


@contextmanager
def _made_whole(path: Path, name: str) -> Iterator[_Builder]:
    """Make a file; what the library says of a full disk comes as an OSError of one line."""
    builder = _Builder(path, name)
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


@dataclass
class _Track:
    """Where one of the two arrays of a part's frames goes."""

    dataset: h5py.Dataset
    is_zea: bool
    path: str

    def append(self, values: NDArray[Any], row: int) -> int:
        """Write a frame as one chunk; return the checksum of its bytes."""
        stored = to_zea(values) if self.is_zea else np.ascontiguousarray(values)
        self.dataset.resize(row + 1, axis=0)
        flat = raw_bytes(stored)
        self.dataset.id.write_direct_chunk((row, *(0,) * stored.ndim), flat)
        return zlib.crc32(flat)


@dataclass
class _PartRows:
    """The frames of a part."""

    part: Part
    tracks: tuple[_Track | None, _Track | None]
    time_s: list[float] = field(default_factory=list)


class _Builder:
    """Writes the HDF5 file record by record."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._file = h5py.File(path, "w", libver=("v108", "v108"))
        self._about: dict[str, Any] = {}
        self._content = Content.CHANNELS
        self._parts: list[_PartRows] = []
        self._settings: list[Any] = []
        self._heads: list[FrameHead] = []
        self._rows: list[int] = []
        self._crc32: list[list[int]] = []
        self._gaps: list[dict[str, Any]] = []
        self._end: dict[str, Any] = {}
        self._n_tracks = 0
        self._frame_bytes = 0
        self.checksums: list[tuple[str, int, int]] = []

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def take_all(self, reader: JournalReader, progress: Callable[[float], bool]) -> None:
        """Take every whole record; what cannot be made sense of is the end as well."""
        for record in reader:
            try:
                self._take(record.kind, record.payload)
            except RecordError as error:
                if not self._about:
                    raise RecordError(f"{self._name}: {error}") from error
                reader.damage = str(error)
                break
            if not progress(0.8 * reader.n_good_bytes / max(1, reader.n_bytes)):
                raise RecordError(f"{self._name}: given up; open it to go on")

    def _take(self, kind: Kind, payload: memoryview) -> None:
        if kind is Kind.FRAME:
            self._take_frame(payload)
            return
        told = from_text(payload)
        if not self._about and kind is not Kind.BEGIN:
            raise RecordError("its beginning is damaged")
        match kind:
            case Kind.BEGIN:
                self._begin(told)
            case Kind.PART:
                self._begin_part(Part.from_told(told, self._content))
            case Kind.SETTINGS:
                if len(self._settings) >= MAX_SETTINGS:
                    raise RecordError("more settings than a recording has")
                self._settings.append(told)
            case Kind.GAP:
                n_lost = told.get("n")
                if type(n_lost) is not int or not 0 < n_lost < 2**31:
                    raise RecordError("a gap of no possible length")
                if len(self._gaps) < _MAX_GAPS:
                    self._gaps.append({"before_row": len(self._heads), "n": n_lost})
            case Kind.END:
                self._end = {"why": str(told.get("why", ""))[:1000]}

    def _begin(self, told: dict[str, Any]) -> None:
        if told.get("format") != FORMAT:
            raise RecordError("not the journal of a recording")
        if told.get("version") != FORMAT_VERSION:
            raise RecordError("of another version; use the program that wrote it")
        try:
            self._content = Content(str(told.get("content")))
        except ValueError:
            raise RecordError("neither channels nor IQ") from None
        self._about = told

    def _begin_part(self, part: Part) -> None:
        if len(self._parts) >= MAX_PARTS:
            raise RecordError("more acquisitions than a recording has")
        number = len(self._parts)
        made: list[_Track | None] = []
        for layout, what in ((part.first, "colour"), (part.second, "B-mode")):
            is_zea = self._content is Content.CHANNELS
            if not layout.shape:
                made.append(None)
                continue
            if is_zea:
                label = f"{what}, part {number + 1}"
                dataset = make_track(self._file, self._n_tracks, label, layout.shape, layout.dtype)
                self._n_tracks += 1
            else:
                name = "samples" if what == "colour" else "bmode_power"
                dataset = self._file.create_dataset(
                    f"{GROUP}/iq/part_{number}/{name}",
                    shape=(0, *layout.shape),
                    maxshape=(None, *layout.shape),
                    chunks=(1, *layout.shape),
                    dtype=layout.dtype,
                )
            made.append(_Track(dataset, is_zea, dataset.name))
        self._parts.append(_PartRows(part, (made[0], made[1])))

    def _take_frame(self, payload: memoryview) -> None:
        head = FrameHead.read(payload)
        if head.part >= len(self._parts) or head.settings >= len(self._settings):
            raise RecordError("a frame of an unknown acquisition")
        rows = self._parts[head.part]
        row = len(rows.time_s)
        arrays = head.arrays(payload, rows.part)
        for values, track in zip(arrays, rows.tracks, strict=True):
            if values is not None and track is not None:
                self.checksums.append((track.path, row, track.append(values, row)))
        self._crc32.append([0 if values is None else raw_crc32(values) for values in arrays])
        rows.time_s.append(head.time_s)
        self._heads.append(head)
        self._rows.append(row)
        self._frame_bytes = len(payload)

    def finish(self, target: Path, reader: JournalReader) -> Recovered:
        """Write all that is not samples."""
        if not self._heads:
            raise RecordError(f"{self._name}: holds no frame; delete it")
        heads, n = self._heads, len(self._heads)
        seconds = heads[-1].received_s - heads[0].received_s
        n_lost = sum(gap["n"] for gap in self._gaps)
        recovered = Recovered(
            target, n, n_lost, seconds, self._missing(reader, seconds / max(1, n - 1))
        )
        group = self._file.require_group(GROUP)
        about = {
            **self._about,
            **self._end,
            "missing": recovered.missing,
            "n_frames": n,
            "n_lost": n_lost,
            "seconds": seconds,
            "gaps": self._gaps,
            "parts": [rows.part.told() for rows in self._parts],
            "tracks": [[track and track.path for track in rows.tracks] for rows in self._parts],
        }
        group["about"] = np.frombuffer(text(about), np.uint8)
        told = np.frombuffer(text({"settings": self._settings}), np.uint8)
        group.create_dataset("settings", data=told, compression="gzip")
        self._write_columns(group.create_group("frames"))
        if self._content is Content.CHANNELS:
            self._write_scans()
            write_probe(self._file, self._parts[0].part.acquisition.probe)
            self._file.attrs["zea_version"] = ZEA_VERSION
        self._file.attrs["description"] = f"{FORMAT}: {self._about.get('program', '')}"
        self._file.attrs["us_machine"] = str(self._parts[0].part.acquisition.source)
        self._file.flush()
        return recovered

    def _missing(self, reader: JournalReader, interval_s: float) -> str:
        if reader.damage:
            torn = reader.n_bytes - reader.n_good_bytes
            n_frames = -(-torn // max(1, self._frame_bytes))
            return f"the last {max(n_frames * interval_s, 0.1):.1f} s are lost ({reader.damage})"
        if not self._end:
            return "it was not ended: what came after is lost"
        return str(self._end["why"])

    def _write_columns(self, group: h5py.Group) -> None:
        """Write one value for each frame of what changes, and of what is asked for most."""
        heads = self._heads
        acquisitions = [self._parts[head.part].part.acquisition for head in heads]
        for item in fields(FrameHead):
            dtype = _COLUMN_TYPES.get(item.name, np.float64)
            group[item.name] = np.array([getattr(head, item.name) for head in heads], dtype)
        group["row"] = np.array(self._rows, np.int64)
        crc32 = np.array(self._crc32, np.uint32)
        group["first_crc32"], group["second_crc32"] = crc32.T
        for name in (
            "prf_hz",
            "requested_prf_hz",
            "transmit_angle_rad",
            "receive_angle_rad",
            "nyquist_velocity_m_s",
        ):
            group[name] = np.array([getattr(a, name) for a in acquisitions], np.float64)
        wanted = [_wall_filter(self._settings[head.settings]) for head in heads]
        group["wall_filter"] = np.array([name.encode("ascii", "replace") for name in wanted], "S32")

    def _write_scans(self) -> None:
        for rows in self._parts:
            acquisition, (colour, bmode) = rows.part.acquisition, rows.tracks
            angle_rad = acquisition.transmit_angle_rad
            if colour is not None:
                angles = (angle_rad,) * rows.part.first.shape[0]
                track = colour.dataset.parent.parent
                write_scan(track, acquisition, angles, _intervals(rows))
            if bmode is not None:
                angles = acquisition.bmode_angles_rad
                if len(angles) == rows.part.second.shape[0]:
                    write_scan(bmode.dataset.parent.parent, acquisition, angles, None)


def _intervals(rows: _PartRows) -> NDArray[np.float64]:
    """Time from every colour pulse to the next, also over the end of a frame."""
    acquisition, n_pulses = rows.part.acquisition, rows.part.first.shape[0]
    within_s = 1.0 / acquisition.prf_hz
    span_s = (n_pulses - 1) * within_s
    usual_s = max(acquisition.frame_interval_s, span_s + within_s)
    to_next_s = np.append(np.diff(rows.time_s), usual_s)
    # Where another acquisition came in between, time may have begun anew.
    to_next_s = np.where(to_next_s > span_s, to_next_s, usual_s)
    intervals_s = np.full((len(rows.time_s), n_pulses), within_s)
    intervals_s[:, -1] = to_next_s - span_s
    return intervals_s


def _wall_filter(settings: Any) -> str:
    try:
        return str(settings["settings"]["processing"]["wall_filter"])
    except (KeyError, TypeError):
        return ""


def _check(
    path: Path, checksums: list[tuple[str, int, int]], progress: Callable[[float], bool]
) -> None:
    """Read all samples back."""
    with h5py.File(path, "r") as file:
        for number, (name, row, checksum) in enumerate(checksums):
            dataset = file[name]
            _, stored = dataset.id.read_direct_chunk((row, *(0,) * (dataset.ndim - 1)))
            if zlib.crc32(stored) != checksum:
                raise OSError(None, "what was written reads otherwise; the disk may be failing")
            if not progress(0.8 + 0.2 * (number + 1) / len(checksums)):
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
