"""Folds that a person gave, and their files: training learns from them, evaluation takes them true.

A labelled frame is one HDF5 file, described in ``docs/labels.md``. It holds the beamformed samples
of the frame and of the one before it, so that everything a network or a method wants to see can be
made again without the source, and says where all of it comes from.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from .dsp import wall_filter
from .dsp.quantise import Quantised, quantise, restore
from .dsp.unwrap import MAX_FOLD
from .export.whole_file import whole_file
from .frames import Acquisition, DopplerFrame, Float32, IqFrame, Status
from .pipeline.checks import PipelineError, check_acquisition
from .plain import PlainError, from_plain, plain
from .record.possible import check_possible
from .settings import ProcessingSettings, Settings, changes_from
from .sources.fields import (
    CORRECT_FILE,
    MAX_MAGNITUDE,
    RECORD_AGAIN,
    library_call,
    printable,
    refusal,
)
from .sources.hdf5 import Hdf5, open_hdf5

SUFFIX = ".label.h5"
FORMAT, VERSION = "ultrasound-console label", 1
MAX_SAMPLE_BYTES = 2**28
"""Of the samples of a frame; a frame of the console has some 3 MB."""

_T = TypeVar("_T")

_ABOUT = "about"
_LONGEST_NAME = 40
# Rounding may put a velocity this much beyond v_N.
_MARGIN = 1.001


@dataclass(frozen=True, eq=False)
class Label:
    """What a person says of the folds of a frame.

    Attributes
    ----------
    fold : (n_depths, n_lines) int8
        n in ``velocity + 2 n v_N``, within -4 ... 4; 0 where nothing was said.
    given : (n_depths, n_lines) bool
        Where something was said.
    """

    fold: NDArray[np.int8]
    given: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame as it was on screen, with its samples; planes are on ``iq.acquisition.colour_grid``.

    Attributes
    ----------
    iq : IqFrame
        Without a truth.
    velocity_m_s, power_db, bandwidth : float32
        See :class:`~ultrasound_console.frames.DopplerFrame`.
    fold : int8
        What the de-aliasing found by itself.
    confidence : float32
        How sure it was.
    status : uint8
        What it did.
    """

    iq: IqFrame
    velocity_m_s: Float32
    power_db: Float32
    bandwidth: Float32
    fold: NDArray[np.int8]
    confidence: Float32
    status: NDArray[np.uint8]

    @classmethod
    def of(cls, iq: IqFrame, frame: DopplerFrame) -> Shown:
        """Take what a label keeps of a frame.

        Raises
        ------
        ValueError
            The samples are of another frame.
        """
        if iq.index != frame.index or iq.acquisition != frame.acquisition:
            raise ValueError("the samples are those of another frame")
        planes = {name: getattr(frame, name) for name in _PLANES}
        return cls(dataclasses.replace(iq, truth=None), **planes)


@dataclass(frozen=True)
class Provenance:
    """Where a label comes from; nothing here names a patient unless the source's name does.

    Attributes
    ----------
    version : str
        Of the program.
    labelled_at : str
        Date and time, ISO 8601 in UTC.
    model, model_sha256 : str
        File name of the network that was loaded, and its checksum; empty without one.
    source_sha256 : str
        Checksum of the source's file; empty where it has none.
    by : str
        Who gave the label, in whatever words they like; empty unless they say it.
    """

    version: str
    labelled_at: str
    model: str = ""
    model_sha256: str = ""
    source_sha256: str = ""
    by: str = ""


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """A frame with the folds that a person gave it.

    Attributes
    ----------
    shown : Shown
    label : Label
    processing : ProcessingSettings
        What made the frame.
    wall_filter : str
        In force.
    provenance : Provenance
    before : Shown or None
        The frame before it, of the same acquisition; its folds are those of the de-aliasing.
    """

    shown: Shown
    label: Label
    processing: ProcessingSettings
    wall_filter: str
    provenance: Provenance
    before: Shown | None = None

    @property
    def acquisition(self) -> Acquisition:
        """Of both frames."""
        return self.shown.iq.acquisition

    @property
    def truth_m_s(self) -> Float32:
        """Velocity with the folds that were given; as measured where none was."""
        span_m_s = np.float32(2.0 * self.acquisition.nyquist_velocity_m_s)
        return self.shown.velocity_m_s + span_m_s * self.label.fold.astype(np.float32)


@dataclass(frozen=True)
class _Told:
    """What the text of a file says of each of its frames."""

    index: int
    time_s: float


@dataclass(frozen=True)
class _MadeWith:
    """What the settings came to."""

    wall_filter: str


# What is kept of a frame beside its samples: planes on the colour grid.
_PLANES: dict[str, type[np.generic]] = {
    "velocity_m_s": np.float32,
    "power_db": np.float32,
    "bandwidth": np.float32,
    "fold": np.int8,
    "confidence": np.float32,
    "status": np.uint8,
}


# ---- writing -------------------------------------------------------------------------------


def file_name(labelled: LabelledFrame) -> str:
    """Name for a file: the source, when the label was given, and the number of the frame."""
    letters = (c if c.isalnum() else "-" for c in labelled.acquisition.source)
    source = "".join(letters)[:_LONGEST_NAME].strip("-") or "frame"
    moment = "".join(c for c in labelled.provenance.labelled_at if c.isdigit())[:14]
    return f"{source}-{moment}-{labelled.shown.iq.index}{SUFFIX}"


def save(path: Path, labelled: LabelledFrame) -> None:
    """Write a label; the file is there when it is whole.

    Parameters
    ----------
    path : Path
        Ends in ``.label.h5`` to be found again; an earlier file is replaced.
    labelled : LabelledFrame

    Raises
    ------
    OSError
        It cannot be written.
    """
    frames = {"frame": labelled.shown, "before": labelled.before}
    about = {
        "format": FORMAT,
        "version": VERSION,
        "nyquist_velocity_m_s": labelled.acquisition.nyquist_velocity_m_s,
        "acquisition": plain(labelled.acquisition),
        "made_with": plain(_MadeWith(labelled.wall_filter)),
        "processing": dataclasses.asdict(labelled.processing),
        "provenance": dataclasses.asdict(labelled.provenance),
        "frames": {
            name: plain(_Told(shown.iq.index, shown.iq.time_s))
            for name, shown in frames.items()
            if shown is not None
        },
    }
    text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False).encode()
    # Made in memory: on a full disk the HDF5 library ends the whole program.
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        file[_ABOUT] = np.frombuffer(text, np.uint8)
        file["fold"] = labelled.label.fold
        file["given"] = labelled.label.given.astype(np.uint8)
        for name, shown in frames.items():
            if shown is None:
                continue
            samples, peak = quantise(shown.iq.iq, shown.iq.acquisition.n_colour_pulses)
            file[f"{name}/samples"], file[f"{name}/peak"] = samples, peak
            file[f"{name}/bmode_power"] = shown.iq.bmode_power
            for plane in _PLANES:
                file[f"{name}/{plane}"] = getattr(shown, plane)
        file.flush()
        image = file.id.get_file_image()
    with whole_file(path) as part:
        part.write_bytes(image)


# ---- reading -------------------------------------------------------------------------------


def label_files(folder: Path) -> tuple[Path, ...]:
    """Find all labels in a folder, in the order of their names.

    Raises
    ------
    SourceError
        There are none.
    """
    paths = tuple(sorted(folder.glob(f"*{SUFFIX}")))
    if not paths:
        raise refusal(printable(str(folder)), "", f"no labels (*{SUFFIX})", "give their folder")
    return paths


def load(path: Path) -> LabelledFrame:
    """Read a label; nothing that the file says is used unchecked.

    Raises
    ------
    SourceError
        The file is none of a label, damaged, or of a later version; the message names the field.
    """
    with open_hdf5(path) as file:
        about = _about(file)
        acquisition = _value(file, "acquisition", about, Acquisition)
        _check(file, acquisition)
        shape = acquisition.colour_grid.shape
        given = _array(file, "given", shape, np.uint8, 1.0) != 0
        fold = _array(file, "fold", shape, np.int8, MAX_FOLD)
        frames = about.get("frames")
        has_before = isinstance(frames, dict) and "before" in frames
        return LabelledFrame(
            shown=_shown(file, "frame", about, acquisition),
            label=Label(np.where(given, fold, np.int8(0)), given),
            processing=_processing(file, about),
            wall_filter=_wall_filter(file, about, acquisition.n_pulses),
            provenance=_value(file, "provenance", about, Provenance),
            before=_shown(file, "before", about, acquisition) if has_before else None,
        )


def _about(file: Hdf5) -> dict[str, Any]:
    """Text of the file, read as JSON."""
    array = file.fetch(_ABOUT)
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        raise refusal(file.file, _ABOUT, "missing", "give a file that the console saved as a label")
    with library_call(file.file, _ABOUT):
        about = json.loads(array.tobytes())
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise refusal(file.file, "format", "not that of a label", "give a label of the console")
    if about.get("version") != VERSION:
        problem = f"this program reads version {VERSION} only"
        raise refusal(file.file, "version", problem, "use the program that wrote it")
    return about


def _value(file: Hdf5, name: str, about: dict[str, Any], kind: type[_T]) -> _T:
    try:
        return from_plain(kind, about.get(name), name)
    except PlainError as error:
        raise refusal(file.file, "", printable(str(error)), CORRECT_FILE) from error


def _processing(file: Hdf5, about: dict[str, Any]) -> ProcessingSettings:
    """Read the settings; those of another version of the program are left out."""
    told = about.get("processing")
    if not isinstance(told, dict):
        raise refusal(file.file, "processing", "missing", CORRECT_FILE)
    changes, _ = changes_from({"processing": told})
    return Settings().replace(**changes).processing


def _wall_filter(file: Hdf5, about: dict[str, Any], n_pulses: int) -> str:
    kind = _value(file, "made_with", about, _MadeWith).wall_filter
    try:
        fits = wall_filter.strongest(kind, n_pulses) == kind
    except ValueError:
        fits = False
    if not fits:
        problem = f"{printable(kind)[:40]!r} is no filter of {n_pulses} pulses"
        raise refusal(file.file, "made_with/wall_filter", problem, CORRECT_FILE)
    return kind


def _check(file: Hdf5, acquisition: Acquisition) -> None:
    """Refuse an acquisition of which no velocity can be told, or more than fits in memory."""
    try:
        check_possible(acquisition)
    except ValueError as error:
        raise refusal(file.file, "", str(error), CORRECT_FILE) from error
    try:
        check_acquisition(acquisition)
    except PipelineError as error:
        raise refusal(file.file, "acquisition", str(error), CORRECT_FILE) from error


def _shown(file: Hdf5, name: str, about: dict[str, Any], acquisition: Acquisition) -> Shown:
    """Read one of the two frames."""
    frames = about.get("frames")
    told = _value(file, name, frames if isinstance(frames, dict) else {}, _Told)
    shape, n_pulses = acquisition.colour_grid.shape, acquisition.n_colour_pulses
    samples = _array(file, f"{name}/samples", (*shape, 2, n_pulses), np.int16, math.inf)
    peak = _array(file, f"{name}/peak", (1,), np.float32, MAX_MAGNITUDE)
    bmode_shape = acquisition.bmode_grid.shape
    bmode_power = _array(file, f"{name}/bmode_power", bmode_shape, np.float32, MAX_MAGNITUDE**2)
    largest = {
        "velocity_m_s": _MARGIN * acquisition.nyquist_velocity_m_s,
        "power_db": MAX_MAGNITUDE,
        "bandwidth": _MARGIN,
        "fold": MAX_FOLD,
        "confidence": _MARGIN,
        "status": Status.ABSTAINED,
    }
    planes = {
        plane: _array(file, f"{name}/{plane}", shape, dtype, largest[plane])
        for plane, dtype in _PLANES.items()
    }
    iq = IqFrame(
        index=told.index,
        time_s=told.time_s,
        received_s=0.0,
        acquisition=acquisition,
        iq=restore(Quantised(samples, np.abs(peak))),
        bmode_power=np.abs(bmode_power),
    )
    return Shown(iq, **planes)


def _array(
    file: Hdf5, path: str, shape: tuple[int, ...], dtype: type[np.generic], largest: float
) -> NDArray[Any]:
    """Read an array of this shape and type, whose magnitudes do not exceed ``largest``."""
    dataset = file.dataset(path)
    if dataset is None:
        raise refusal(file.file, path, "missing", RECORD_AGAIN)
    if dataset.shape != shape or dataset.dtype != dtype:
        problem = f"is {dataset.dtype} {dataset.shape}, not {np.dtype(dtype)} {shape}"
        raise refusal(file.file, path, problem, RECORD_AGAIN)
    if math.prod(shape) * np.dtype(dtype).itemsize > MAX_SAMPLE_BYTES:
        raise refusal(file.file, path, "too large", CORRECT_FILE)
    values = file.read(dataset, path)
    # Written so that NaN fails too. The smallest int8 has no magnitude in int8.
    if not -largest <= float(values.min()) <= float(values.max()) <= largest:
        raise refusal(file.file, path, f"holds values beyond {largest:g}", RECORD_AGAIN)
    return values
