"""The HDF5 file of a recording, built from the records of its journal one after the other.

It holds tracks as zea has them, and a group of the console's own with all that a replay needs
(``docs/recording.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .content import (
    FORMAT,
    FORMAT_VERSION,
    GROUP,
    MAX_PARTS,
    MAX_SETTINGS,
    Content,
    FrameHead,
    Part,
    from_text,
    raw_crc32,
    text,
)
from .journal import JournalReader, Kind, RecordError
from .marks import Note, notes_from, read_correction, told_notes
from .tracks import PartTracks, Written
from .zea_layout import ZEA_VERSION, write_probe

_MAX_GAPS = 2**16
_MAX_NOTED = 1000
# What people added to the frames.
_ADDED = {Kind.NOTES: "notes", Kind.BY_HAND: "folds given by hand"}
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


class FileBuilder:
    """Writes the HDF5 file record by record.

    Parameters
    ----------
    path : Path
        Of the new file.
    name : str
        Of the journal, for messages.

    Attributes
    ----------
    written : list of Written
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._file = h5py.File(path, "w", libver=("v108", "v108"))
        self._about: dict[str, Any] = {}
        self._content = Content.CHANNELS
        self._parts: list[PartTracks] = []
        self._settings: list[Any] = []
        self._heads: list[FrameHead] = []
        self._rows: list[int] = []
        self._crc32: list[list[int]] = []
        self._gaps: list[dict[str, Any]] = []
        self._noted: list[dict[str, Any]] = []
        self._row_of: dict[int, int] = {}
        self._by_hand: dict[int, bytes] = {}
        self._end: dict[str, Any] = {}
        self._left_out = ""
        self._n_tracks = 0
        self._frame_bytes = 0
        self.written: list[Written] = []

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
                if record.kind in _ADDED:
                    # Not worth the frames behind it.
                    self._left_out = f"{_ADDED[record.kind]} could not be read ({error})"
                    continue
                reader.damage = str(error)
                break
            if not progress(0.8 * reader.n_good_bytes / max(1, reader.n_bytes)):
                raise RecordError(f"{self._name}: given up; open it to go on")

    def _take(self, kind: Kind, payload: memoryview) -> None:
        if kind is Kind.FRAME:
            self._take_frame(payload)
            return
        if kind is Kind.BY_HAND:
            self._take_by_hand(payload)
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
            case Kind.NOTES:
                self._take_notes(notes_from(told.get("notes")))
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
        name = f"part {len(self._parts) + 1}"
        tracks = PartTracks(self._file, self._n_tracks, name, part, self._content)
        self._n_tracks += tracks.n_tracks
        self._parts.append(tracks)

    def _take_frame(self, payload: memoryview) -> None:
        head = FrameHead.read(payload)
        if head.part >= len(self._parts) or head.settings >= len(self._settings):
            raise RecordError("a frame of an unknown acquisition")
        tracks = self._parts[head.part]
        arrays = head.arrays(payload, tracks.part)
        self._crc32.append([0 if values is None else raw_crc32(values) for values in arrays])
        self._rows.append(len(tracks.time_s))
        self.written += tracks.append(head.time_s, arrays)
        self._row_of[head.index] = len(self._heads)
        self._heads.append(head)
        self._frame_bytes = len(payload)

    def _take_notes(self, notes: tuple[Note, ...]) -> None:
        """Keep what stands in the pictures from the next frame on, and no longer from before it."""
        before_row = len(self._heads)
        is_late = len(self._noted) >= _MAX_NOTED
        if self._noted and (is_late or self._noted[-1]["before_row"] == before_row):
            self._noted.pop()
        self._noted.append({"before_row": before_row, "notes": told_notes(notes)})

    def _take_by_hand(self, payload: memoryview) -> None:
        """Keep the last word on a frame, as small as it came; other frames are not recorded."""
        index, correction = read_correction(payload)
        row = self._row_of.get(index)
        if row is None:
            return
        if correction is None:
            self._by_hand.pop(row, None)
            return
        self._by_hand[row] = bytes(payload)

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
            "parts": [tracks.part.told() for tracks in self._parts],
            "tracks": [tracks.paths for tracks in self._parts],
        }
        group["about"] = np.frombuffer(text(about), np.uint8)
        told = np.frombuffer(text({"settings": self._settings}), np.uint8)
        group.create_dataset("settings", data=told, compression="gzip")
        self._write_columns(group.create_group("frames"))
        self._write_marks(group)
        for tracks in self._parts:
            tracks.finish()
        write_probe(self._file, self._parts[0].part.acquisition.probe)
        self._file.attrs["zea_version"] = ZEA_VERSION
        if begun_at := self._about.get("begun_at"):
            self._file.attrs["acquisition_time"] = str(begun_at)
        self._file.attrs["description"] = f"{FORMAT}: {self._about.get('program', '')}"
        self._file.attrs["us_machine"] = str(self._parts[0].part.acquisition.source)
        self._file.flush()
        return recovered

    def _write_marks(self, group: h5py.Group) -> None:
        """Write what people added, where they did."""
        if self._noted:
            told = np.frombuffer(text({"annotations": self._noted}), np.uint8)
            group.create_dataset("annotations", data=told, compression="gzip")
        for row, payload in sorted(self._by_hand.items()):
            _, correction = read_correction(payload)
            assert correction is not None
            # The picture may have been coarser than was recorded, to keep the frame rate.
            acquisition = self._parts[self._heads[row].part].part.acquisition
            correction = correction.on(acquisition.colour_grid.shape)
            for name, values in (
                ("given", correction.given.astype(np.uint8)),
                ("velocity_m_s", correction.velocity_m_s),
            ):
                group.create_dataset(f"by_hand/frame_{row}/{name}", data=values, compression="gzip")

    def _missing(self, reader: JournalReader, interval_s: float) -> str:
        return "; ".join(filter(None, (self._lost(reader, interval_s), self._left_out)))

    def _lost(self, reader: JournalReader, interval_s: float) -> str:
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


def _wall_filter(settings: Any) -> str:
    try:
        return str(settings["settings"]["processing"]["wall_filter"])
    except (KeyError, TypeError):
        return ""
