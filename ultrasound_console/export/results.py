"""Processed frames as an HDF5 or NPZ file: every plane with its grid, units and settings."""

from __future__ import annotations

import json
import math
import os
import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .. import __version__
from ..accuracy import Accuracy, Counts, FoldError, score
from ..frames import Acquisition, DopplerFrame, Status
from ..geometry import ImageGrid
from ..settings import Settings
from .whole_file import whole_file

SUFFIXES = (".h5", ".hdf5", ".npz")
"""Endings of a file of results; :data:`NPZ` makes it one of NumPy, all others HDF5."""
NPZ = ".npz"
PLANES_FLOAT32 = ("velocity_m_s", "corrected_m_s", "power_db", "bandwidth", "confidence")
FRAME_FIGURES = (
    "wrong_share",
    "aliased_share",
    "measured_bias_nyquist",
    "measured_rms_nyquist",
    "corrected_bias_nyquist",
    "corrected_rms_nyquist",
    "oracle_rms_nyquist",
)
"""Figures of every single frame; NaN where there is nothing to count."""
# Frames, or values of an axis, that are in memory while a file is made another.
_ROWS = 16


class ResultsWriter:
    """Writes frames one by one; the file appears under its name only when all is well.

    Frames that know their truth are scored as well: each of them in ``accuracy/``, and all together
    as :attr:`summary`, which the file has as JSON in the attribute ``accuracy``.

    Used as a context manager: leaving it by an exception removes what was written.

    Parameters
    ----------
    path : path
        One that ends in ``.npz`` becomes a NumPy file with the arrays of the HDF5 file under the
        same names, and its attributes as JSON in ``attributes``.
    acquisition : Acquisition
        Of the first frame; all frames share its grids.
    settings : Settings
        Stored as JSON.
    """

    def __init__(
        self, path: str | os.PathLike[str], acquisition: Acquisition, settings: Settings
    ) -> None:
        self._acquisition = acquisition
        with ExitStack() as stack:
            part = stack.enter_context(whole_file(Path(path)))
            if Path(path).suffix == NPZ:
                stack.push(partial(_as_npz, part))
            self._file = stack.enter_context(h5py.File(part, "w"))
            self._stack = stack.pop_all()
        self._n_frames = 0
        self._total = Accuracy()
        self._shown = Counts()
        self._error: FoldError | None = None
        self._write_attributes(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.summary:
            self._file.attrs["accuracy"] = json.dumps(self.summary)
        self._stack.__exit__(kind, error, trace)

    def append(self, frame: DopplerFrame) -> None:
        """Add one frame.

        Raises
        ------
        ValueError
            The frame lies on another grid than the first.
        """
        if frame.acquisition.colour_grid != self._acquisition.colour_grid:
            raise ValueError("all frames of a results file need the same colour grid")
        for name in PLANES_FLOAT32:
            self._add(name, getattr(frame, name))
        bmode_grid = frame.acquisition.bmode_grid
        self._add("bmode_db", _resampled(frame.bmode_db, bmode_grid, self._acquisition.colour_grid))
        self._add("fold", frame.fold)
        self._add("status", frame.status)
        if frame.frequency_factor is not None:
            # Velocities in the file are those of f0: this multiplies them.
            self._add("frequency_factor", frame.frequency_factor)
        self._add("time_s", np.float64(frame.time_s))
        self._add("frame_prf_hz", np.float64(frame.acquisition.prf_hz))
        if frame.truth_m_s is not None and frame.vessel_mask is not None:
            self._add("truth_m_s", frame.truth_m_s)
            self._add("vessel_mask", frame.vessel_mask.astype(np.uint8))
            self._add_score(frame, frame.truth_m_s)
        self._n_frames += 1

    @property
    def summary(self) -> dict[str, dict[str, float | None]]:
        """Accuracy of all frames so far, pooled over their pixels; empty where no truth is known.

        Of the vessels without a margin at their walls (``lumen``), its pixels at a speed that a
        wall filter takes for tissue (``blind``), and those where flow is shown (``shown``). None
        where there is nothing to count.
        """
        if not self._total.all.n_pixels:
            return {}
        return {
            "lumen": _figures(self._total.all),
            "blind": _figures(self._total.blind),
            "shown": _figures(self._shown),
        }

    def _add_score(self, frame: DopplerFrame, truth_m_s: NDArray[np.float32]) -> None:
        if frame.score is None:
            return
        found, self._error = score(
            frame.velocity_m_s,
            frame.fold,
            truth_m_s,
            frame.score.region,
            frame.nyquist_velocity_m_s,
            abstained=frame.status == Status.ABSTAINED,
            previous=self._error,
        )
        self._total += found
        self._shown += frame.score.shown
        for part, counts in (("lumen", found.all), ("shown", frame.score.shown)):
            for name in FRAME_FIGURES:
                self._add(f"accuracy/{part}/{name}", np.float64(getattr(counts, name)))

    def _add(self, name: str, value: NDArray[Any] | np.float64) -> None:
        array = np.asarray(value)
        if name not in self._file:
            self._file.create_dataset(
                name,
                shape=(0, *array.shape),
                maxshape=(None, *array.shape),
                chunks=(1, *array.shape) if array.ndim else (1024,),
                dtype=array.dtype,
            )
        dataset = self._file[name]
        dataset.resize(self._n_frames + 1, axis=0)
        dataset[self._n_frames] = array

    def _write_attributes(self, settings: Settings) -> None:
        acquisition, grid = self._acquisition, self._acquisition.colour_grid
        self._file.attrs.update(
            {
                "nyquist_velocity_m_s": acquisition.nyquist_velocity_m_s,
                "prf_hz": acquisition.prf_hz,
                "second_prf_hz": acquisition.second_prf_hz,
                "center_frequency_hz": acquisition.center_frequency_hz,
                "sound_speed_m_s": acquisition.sound_speed_m_s,
                "transmit_angle_rad": acquisition.transmit_angle_rad,
                "receive_angle_rad": acquisition.receive_angle_rad,
                "source": acquisition.source,
                "notes": "\n".join(acquisition.notes),
                "settings": json.dumps(settings.to_dict()),
                "version": __version__,
                "kind": _kind_name(grid),
                "angle_rad": grid.angle_rad,
                "range_m": grid.range_m,
                "apex": grid.apex_m,
            }
        )
        if grid.kind == "polar":
            self._file["line_rad"] = grid.line_positions
            self._file["range_from_apex_m"] = grid.range_positions_m
        else:
            self._file["x_m"] = grid.line_positions
            meaning = "line positions at z = 0; x = x_m + z_m tan(angle_rad)"
            self._file["x_m"].attrs["meaning"] = meaning
            self._file["z_m"] = grid.range_positions_m


def _as_npz(path: Path, _kind: object, error: BaseException | None, _trace: object) -> None:
    """Put an NPZ file in the place of an HDF5 file that is whole; a few frames are in memory."""
    if error is not None:
        return
    with (
        whole_file(path) as part,
        h5py.File(path) as file,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, file[name])
        about = {name: np.asarray(value).tolist() for name, value in file.attrs.items()}
        with archive.open("attributes.npy", "w") as member:
            np.save(member, np.array(json.dumps(about)))


def _write_array(member: IO[bytes], dataset: h5py.Dataset) -> None:
    about = {
        "descr": np.lib.format.dtype_to_descr(dataset.dtype),
        "fortran_order": False,
        "shape": dataset.shape,
    }
    np.lib.format.write_array_header_1_0(member, about)
    for first in range(0, dataset.shape[0], _ROWS):
        member.write(dataset[first : first + _ROWS].tobytes())


def _figures(counts: Counts) -> dict[str, float | None]:
    """List the number of pixels, and every share, bias and rms; JSON knows no NaN."""
    names = [name for name in dir(counts) if name.endswith(("_share", "_iou", "_nyquist"))]
    values = {name: float(getattr(counts, name)) for name in names}
    finite = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {"n_pixels": counts.n_pixels, **finite}


def _kind_name(grid: ImageGrid) -> str:
    if grid.kind == "polar":
        return "polar"
    return "rectangle" if grid.angle_rad == 0.0 else "parallelogram"


def _resampled(
    plane: NDArray[np.float32], source: ImageGrid, target: ImageGrid
) -> NDArray[np.float32]:
    """Plane on another grid, bilinear; beyond the edge the nearest sample."""
    if source == target:
        return plane
    coordinates = source.indices(*target.positions_m())
    resampled: NDArray[np.float32] = ndimage.map_coordinates(
        plane, np.stack(coordinates), order=1, mode="nearest"
    )
    return resampled
