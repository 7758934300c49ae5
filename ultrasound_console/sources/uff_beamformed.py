"""Ultrasound File Format of the UltraSound ToolBox (USTB): the object ``beamformed_data``.

MATLAB's dimensions of ``data`` (pixels, channels, waves, frames) are stored in reverse, and the
last ones are left out where they are 1. Of the pixels depth is the fastest dimension. USTB mixes
down by ``modulation_frequency`` along depth; 0 leaves the phase of the echo.
Rodriguez-Molares et al., "The UltraSound ToolBox", IEEE IUS 2017, doi:10.1109/ULTSYM.2017.8092389
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid
from .beamformed import MAX_PIXELS, BeamformedRecording, checked_pairs
from .fields import FREQUENCY, SPEED, Fields, Limits, refusal
from .hdf5 import Hdf5, open_hdf5
from .sampled_grid import grid_through

DEFAULT_SOUND_SPEED_M_S = 1540.0
_MODULATION = Limits(0.0, FREQUENCY.high, "Hz")
_SAME_M = 1e-5
_PLACE = Limits(-1.0, 1.0, "m")
_TURN = Limits(-math.pi, math.pi, "rad")
_BEAMFORM_AGAIN = "beamform on a linear or a sector scan"
_SUM_FIRST = "sum over channels and waves first (coherent compounding)"


def beamformed_group(file: Hdf5) -> str | None:
    """Name of the first object with a scan and data; None without one."""
    groups = (name for name in file.names() if file.has(f"{name}/scan"))
    return next((name for name in groups if file.has(f"{name}/data")), None)


def channel_group(file: Hdf5) -> str | None:
    """Name of the first object with an array and no scan; None without one."""
    groups = (name for name in file.names() if not file.has(f"{name}/scan"))
    return next((name for name in groups if file.has(f"{name}/probe/geometry")), None)


def read_uff_beamformed(path: Path, prf_hz: float | None = None) -> BeamformedRecording:
    """Read beamformed data; each frame is one pulse of an ensemble.

    Raises
    ------
    NoPrfError
        No rate of the frames is given: the format has no place for it.
    SourceError
        The file or one of its fields cannot be used.
    """
    with open_hdf5(path) as file:
        root = beamformed_group(file)
        if root is None:
            raise refusal(file.file, "beamformed_data", "missing", _BEAMFORM_AGAIN)
        fields = Fields(file.file, f"{root}/", lambda key: file.fetch(f"{root}/{key}"))
        grid, is_by_line = _grid(fields)
        values = _samples(file, f"{root}/data", grid.n_depths * grid.n_lines)
        if np.iscomplexobj(values):
            values = (
                values.reshape(-1, grid.n_lines, grid.n_depths).swapaxes(1, 2)
                if is_by_line
                else values.reshape(-1, *grid.shape)
            )
        samples = checked_pairs(file.file, f"{root}/data", values)
        modulation_hz = fields.number("modulation_frequency", _MODULATION, 0.0)
        center = "pulse/center_frequency"
        if not file.has(f"{root}/{center}") and modulation_hz > 0.0:
            center = "modulation_frequency"
        notes = []
        speed_m_s = DEFAULT_SOUND_SPEED_M_S
        if file.has(f"{root}/sound_speed"):
            speed_m_s = fields.number("sound_speed", SPEED)
        else:
            notes.append(f"the file tells no speed of sound: {speed_m_s:g} m/s is used")
        rate_hz = fields.prf_hz("PRF", prf_hz)
        return BeamformedRecording(
            name=file.file,
            grid=grid,
            samples=samples,
            center_frequency_hz=fields.number(center, FREQUENCY),
            demodulation_frequency_hz=modulation_hz,
            sound_speed_m_s=speed_m_s,
            prf_hz=rate_hz,
            pulse_time_s=np.arange(len(samples)) / rate_hz,
            notes=tuple(notes),
        )


def _grid(fields: Fields) -> tuple[ImageGrid, bool]:
    """Grid of a linear or a sector scan, and whether its pixels are stored line by line."""
    is_sector = fields.optional("scan/azimuth_axis") is not None
    names = ("azimuth_axis", "depth_axis") if is_sector else ("x_axis", "z_axis")
    across, along = (_axis(fields, f"scan/{name}") for name in names)
    if across.size * along.size > MAX_PIXELS:
        raise fields.refuse("scan", f"{across.size * along.size} pixels", "beamform fewer")
    if is_sector:
        apex_x_m, apex_z_m = _apex(fields)
        x_m = apex_x_m + along[:, None] * np.sin(across)
        z_m = apex_z_m + along[:, None] * np.cos(across)
    else:
        x_m, z_m = np.meshgrid(across, along)
    grid = grid_through(x_m, z_m)
    turned = fields.optional("scan/rotation_angle")
    if grid is None or (turned is not None and turned.any()):
        raise fields.refuse("scan", "not evenly spaced lines and depths", _BEAMFORM_AGAIN)
    return grid, _is_by_line(fields, x_m, z_m)


def _axis(fields: Fields, name: str) -> NDArray[np.float64]:
    values = fields.optional(name)
    if values is None:
        raise fields.refuse(name, "missing", _BEAMFORM_AGAIN)
    if values.size != max(values.shape) or values.size < 2:
        raise fields.refuse(name, f"has shape {values.shape}", _BEAMFORM_AGAIN)
    return values.ravel()


def _apex(fields: Fields) -> tuple[float, float]:
    """(x, z) where the lines of a sector meet: a point in polar coordinates."""
    name = "scan/origin" if fields.optional("scan/origin/distance") is not None else "scan/apex"
    distance_m = fields.number(f"{name}/distance", _PLACE, 0.0)
    azimuth_rad = fields.number(f"{name}/azimuth", _TURN, 0.0)
    return distance_m * math.sin(azimuth_rad), distance_m * math.cos(azimuth_rad)


def _is_by_line(fields: Fields, x_m: NDArray[np.float64], z_m: NDArray[np.float64]) -> bool:
    """Whether pixels are stored as by USTB, line by line; other writers have other orders."""
    told_m = [fields.optional(name) for name in ("scan/x", "scan/z")]
    by_line = by_depth = True
    for told, expected in zip(told_m, (x_m, z_m), strict=True):
        if told is None or told.size != expected.size:
            return True
        by_line &= bool(np.max(np.abs(told.ravel() - expected.T.ravel())) <= _SAME_M)
        by_depth &= bool(np.max(np.abs(told.ravel() - expected.ravel())) <= _SAME_M)
    if not (by_line or by_depth):
        raise fields.refuse("scan/x", "contradicts the axes of the scan", _BEAMFORM_AGAIN)
    return by_line


def _samples(file: Hdf5, path: str, n_pixels: int) -> NDArray[Any]:
    """Read (frames, pixels), complex where there are two parts."""
    parts = [f"{path}/real", f"{path}/imag"] if file.has(f"{path}/real") else [path]
    values = []
    for part in parts:
        dataset = file.samples(part)
        shape = dataset.shape
        # pyuff_ustb writes the dimensions as MATLAB names them.
        is_reversed = n_pixels in shape[-1:]
        if not is_reversed:
            shape = shape[::-1]
        if n_pixels not in shape[-1:]:
            problem = f"has shape {dataset.shape} for a scan of {n_pixels} pixels"
            raise refusal(file.file, part, problem, _BEAMFORM_AGAIN)
        if any(size != 1 for size in shape[-3:-1]):
            problem = f"has shape {dataset.shape}: single channels or waves"
            raise refusal(file.file, part, problem, _SUM_FIRST)
        read = file.read(dataset, part)
        values.append((read if is_reversed else read.T).reshape(-1, n_pixels))
    if len(values) == 1:
        return values[0]
    if values[0].shape != values[1].shape:
        raise refusal(file.file, path, "real and imaginary parts differ in shape", _SUM_FIRST)
    return np.asarray(values[0] + np.complex64(1j) * values[1])
