"""What a recording of the console holds; nothing that the file says is used unchecked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..dsp.quantise import Quantised
from ..frames import Correction
from ..record.content import (
    FORMAT,
    FORMAT_VERSION,
    GROUP,
    MAX_PARTS,
    Content,
    Part,
    from_text,
    raw_crc32,
)
from ..record.journal import RecordError
from ..record.marks import Note, check_correction, notes_from
from ..record.zea_layout import from_zea
from .fields import MAX_MAGNITUDE, RECORD_AGAIN, library_call, printable, refusal
from .hdf5 import Hdf5

_COLUMNS: dict[str, type[np.generic]] = {
    "part": np.int32,
    "row": np.int64,
    "index": np.int64,
    "time_s": np.float64,
    "received_s": np.float64,
    "peak": np.float64,
    "first_crc32": np.uint32,
    "second_crc32": np.uint32,
}
_BY_HAND = f"{GROUP}/by_hand"
_SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1e-3, 2.0


class OwnFile:
    """Frames of an open file, addressed from 0 on.

    Parameters
    ----------
    file : Hdf5

    Attributes
    ----------
    content : Content
    parts : list of Part
    columns : dict
        One value for each frame of ``part``, ``index`` (from 0 on), ``time_s`` and so on.
    pause_s : (n_frames,) float64
        From each frame to the next; after the last one, to the first.
    annotations : tuple of Note
        Notes that stood in the pictures at the end.

    Raises
    ------
    SourceError
        Something is missing, damaged or impossible.
    """

    def __init__(self, file: Hdf5) -> None:
        self._file = file
        try:
            with library_call(file.file, "about"):
                paths = self._read_about()
            pairs = zip(self.parts, paths, strict=True)
            self._datasets = [self._arrays(part, pair) for part, pair in pairs]
            self.columns = self._read_columns()
            self.annotations = self._read_annotations()
        except RecordError as error:
            raise refusal(file.file, "", printable(str(error)), RECORD_AGAIN) from error
        self.columns["index"] = self.columns["index"] - self.columns["index"][0]
        self.pause_s = self._pauses()
        self._has_hand = frozenset(file.names(_BY_HAND))

    def __len__(self) -> int:
        return len(self.columns["part"])

    @property
    def first_part(self) -> int:
        """Part of the first frame."""
        return int(self.columns["part"][0])

    def channels(self, at: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Read the samples of the colour pulses of a frame, and of its B-mode pulses.

        Raises
        ------
        SourceError
            They are damaged.
        """
        first, second = self._samples(at, 0), self._samples(at, 1)
        assert first is not None
        return first, second

    def beamformed(self, at: int) -> tuple[Quantised, NDArray[np.float32]]:
        """Read the beamformed samples of a frame, and its echo power.

        Raises
        ------
        SourceError
            They are damaged.
        """
        samples, power = self.channels(at)
        peak = np.array([self.columns["peak"][at]], np.float32)
        highest = MAX_MAGNITUDE**2
        # Written so that NaN fails too.
        in_limits = power is not None and 0.0 <= power.min() <= power.max() <= highest
        if power is None or not in_limits or not 0.0 <= peak[0] <= MAX_MAGNITUDE:
            raise refusal(self._file.file, f"frame {at}", "impossible values", RECORD_AGAIN)
        return Quantised(samples, peak), power

    def by_hand(self, at: int) -> Correction | None:
        """Read what was given to a frame by hand, on the colour grid that was recorded.

        Raises
        ------
        SourceError
            It is damaged.
        """
        name = f"frame_{at}"
        if name not in self._has_hand:
            return None
        shape = self.parts[int(self.columns["part"][at])].acquisition.colour_grid.shape
        found = {}
        for field, dtype in (("given", np.uint8), ("velocity_m_s", np.float32)):
            path = f"{_BY_HAND}/{name}/{field}"
            dataset = self._file.dataset(path)
            if dataset is None or (dataset.shape, dataset.dtype) != (shape, dtype):
                raise refusal(self._file.file, path, "not as large as its frame", RECORD_AGAIN)
            found[field] = self._file.read(dataset, path)
        given = found["given"] != 0
        correction = Correction(np.where(given, found["velocity_m_s"], np.float32(0.0)), given)
        try:
            check_correction(correction)
        except RecordError as error:
            raise refusal(self._file.file, f"frame {at}", str(error), RECORD_AGAIN) from error
        return correction

    def _samples(self, at: int, which: int) -> NDArray[Any] | None:
        number = int(self.columns["part"][at])
        dataset = self._datasets[number][which]
        if dataset is None:
            return None
        values = self._file.read(dataset, f"frame {at}", int(self.columns["row"][at]))
        part = self.parts[number]
        if self.content is Content.CHANNELS:
            values = from_zea(values)
        else:
            values = values.reshape((part.first, part.second)[which].shape)
        if raw_crc32(values) != self.columns[("first_crc32", "second_crc32")[which]][at]:
            raise refusal(self._file.file, f"frame {at}", "damaged", RECORD_AGAIN)
        return values

    def _read_about(self) -> list[list[Any]]:
        """Read what holds for each part; return where its samples are."""
        told = self._file.fetch(f"{GROUP}/about")
        about = from_text(b"" if told is None else told.astype(np.uint8).tobytes())
        if about.get("format") != FORMAT or about.get("version") != FORMAT_VERSION:
            raise RecordError("not of this version of the program")
        self.content = Content(about["content"])
        self.parts = [Part.from_told(part, self.content) for part in about["parts"][:MAX_PARTS]]
        paths = [list(pair) for pair in about["tracks"]]
        if not 0 < len(self.parts) == len(paths) or any(len(pair) != 2 for pair in paths):
            raise RecordError("its parts and tracks do not go together")
        return paths

    def _arrays(self, part: Part, paths: list[Any]) -> list[h5py.Dataset | None]:
        """Datasets of a part; they have the shapes that its acquisition has."""
        found: list[h5py.Dataset | None] = []
        for path, layout in zip(paths, (part.first, part.second), strict=True):
            if not layout.shape:
                found.append(None)
                continue
            shape, dtype = layout.shape, np.dtype(layout.dtype)
            shapes: list[tuple[int, ...]]
            if self.content is Content.CHANNELS:
                is_iq = dtype.kind == "c"
                shapes = [(shape[0], shape[2], shape[1], 2 if is_iq else 1)]
                dtype = np.dtype(np.float32) if is_iq else dtype
            else:  # in-phase and quadrature of all pulses side by side; at first not so
                shapes = [(*shape[:2], *((math.prod(shape[2:]),) if shape[2:] else ())), shape]
            dataset = self._file.dataset(str(path))
            if dataset is None or dataset.shape[1:] not in shapes or dataset.dtype != dtype:
                raise RecordError(f"{path}: missing, or not what its acquisition says")
            found.append(dataset)
        return found

    def _read_columns(self) -> dict[str, NDArray[Any]]:
        columns: dict[str, NDArray[Any]] = {}
        for name, dtype in _COLUMNS.items():
            values = self._file.fetch(f"{GROUP}/frames/{name}")
            n = len(columns["part"]) if columns else None
            fits = values is not None and values.dtype == dtype and values.ndim == 1
            if values is None or not fits or not 0 < len(values) == (n or len(values)):
                raise RecordError(f"frames/{name}: missing, or not what it should be")
            if not np.all(np.isfinite(values)):
                raise RecordError(f"frames/{name}: not finite")
            columns[name] = values
        part, row = columns["part"], columns["row"]
        if part.min() < 0 or part.max() >= len(self.parts):
            raise RecordError("frames/part: no such part")
        for number, datasets in enumerate(self._datasets):
            rows = row[part == number]
            n_rows = min(len(dataset) for dataset in datasets if dataset is not None)
            if rows.size and not 0 <= rows.min() <= rows.max() < n_rows:
                raise RecordError("frames/row: no such row")
        return columns

    def _read_annotations(self) -> tuple[Note, ...]:
        """Read the last word on what stands in the pictures."""
        told = self._file.fetch(f"{GROUP}/annotations")
        if told is None:
            return ()
        noted = from_text(told.astype(np.uint8).tobytes()).get("annotations")
        if not isinstance(noted, list) or not noted or not isinstance(noted[-1], dict):
            raise RecordError("annotations: missing, or not what they should be")
        notes = notes_from(noted[-1].get("notes"))
        return tuple(replace(note, text=printable(note.text)) for note in notes)

    def _pauses(self) -> NDArray[np.float64]:
        """Time from frame to frame by the source's clock, or else by ours."""
        part, by_source_s = self.columns["part"], np.diff(self.columns["time_s"])
        goes_on = (np.diff(part) == 0) & (by_source_s > 0.0)
        between_s = np.where(goes_on, by_source_s, np.diff(self.columns["received_s"]))
        usual_s = self.parts[int(part[-1])].acquisition.frame_interval_s
        pauses_s: NDArray[np.float64] = np.append(between_s, usual_s)
        return pauses_s.clip(_SHORTEST_PAUSE_S, LONGEST_PAUSE_S)
