"""Beamformed data in the HDF5 layout of zea: ``data/beamformed_data`` of a track.

``values`` are (frames, z, x, channels), two channels for IQ; ``coordinates`` are (z, x, 3), or the
same for each frame. zea turns the phase back by all of the way, so that it turns with depth as
that of the echo. https://github.com/tue-bmd/zea
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid
from .beamformed import MAX_PIXELS, BeamformedRecording, checked_pairs
from .fields import FREQUENCY, PRF, SPEED, Fields, refusal
from .hdf5 import Hdf5, open_hdf5
from .sampled_grid import grid_through

_BEAMFORM_AGAIN = "beamform on a grid of straight lines and save its coordinates"
_NO_PHASE = "save the beamformed samples as in-phase and quadrature"


def track_with(file: Hdf5, data: str) -> str | None:
    """Path of the first track with data of this name, with a slash at its end; None without one.

    Older files have a single one, at the top.
    """
    tracks = [f"tracks/{name}/" for name in file.names("tracks")]
    return next((track for track in [*tracks, ""] if file.has(f"{track}data/{data}")), None)


def read_zea_beamformed(path: Path, prf_hz: float | None = None) -> BeamformedRecording:
    """Read beamformed data; each frame is one pulse of an ensemble.

    Raises
    ------
    NoPrfError
        The file does not tell how far apart its frames are, and no rate is given.
    SourceError
        The file or one of its fields cannot be used.
    """
    with open_hdf5(path) as file:
        track = track_with(file, "beamformed_data")
        if track is None:
            raise refusal(file.file, "data/beamformed_data", "missing", _NO_PHASE)
        field = f"{track}data/beamformed_data/values"
        dataset = file.samples(field)
        if dataset.ndim != 4 or dataset.shape[3] != 2:
            raise refusal(file.file, field, f"has shape {dataset.shape}", _NO_PHASE)
        scan = Fields(file.file, f"{track}scan/", lambda key: file.fetch(f"{track}scan/{key}"))
        frequencies = scan.optional("center_frequency")
        if frequencies is None or np.any(frequencies != frequencies.flat[0]):
            raise scan.refuse("center_frequency", "missing, or not one value", "add it to the file")
        n_frames = dataset.shape[0]
        rate_hz, sent_s = _frame_times(scan, n_frames, prf_hz)
        grid = _grid(file, f"{track}data/beamformed_data/coordinates", dataset.shape[:3])
        return BeamformedRecording(
            name=file.file,
            grid=grid,
            samples=checked_pairs(file.file, field, file.read(dataset, field)),
            center_frequency_hz=_first(scan, "center_frequency", frequencies),
            demodulation_frequency_hz=0.0,
            sound_speed_m_s=scan.number("sound_speed", SPEED),
            prf_hz=rate_hz,
            pulse_time_s=sent_s,
        )


def _first(scan: Fields, name: str, values: NDArray[np.float64]) -> float:
    """First of equal values."""
    first = values.ravel()[:1]
    return Fields(scan.file, scan.prefix, lambda _: first).number(name, FREQUENCY)


def _grid(file: Hdf5, field: str, shape: tuple[int, ...]) -> ImageGrid:
    """Grid of the frames: the same for all of them."""
    n_frames, n_depths, n_lines = shape
    if not file.has(field):
        raise refusal(file.file, field, "missing", _BEAMFORM_AGAIN)
    dataset = file.samples(field)
    allowed = (n_depths, n_lines, 3), (n_frames, n_depths, n_lines, 3)
    if dataset.shape not in allowed or n_depths * n_lines > MAX_PIXELS:
        raise refusal(file.file, field, f"has shape {dataset.shape}", _BEAMFORM_AGAIN)
    frames = range(n_frames) if dataset.ndim == 4 else ((),)
    places_m = file.read(dataset, field, frames[0]).astype(np.float64)
    for frame in frames[1:]:
        if np.any(file.read(dataset, field, frame) != places_m):
            raise refusal(file.file, field, "change from frame to frame", _BEAMFORM_AGAIN)
    grid = grid_through(places_m[..., 0], places_m[..., 2])
    if grid is None or np.ptp(places_m[..., 1]) > 1e-4:
        raise refusal(file.file, field, "not those of a sector or a parallelogram", _BEAMFORM_AGAIN)
    return grid


def _frame_times(
    scan: Fields, n_frames: int, given_hz: float | None
) -> tuple[float, NDArray[np.float64]]:
    """Rate of the frames, and when each began."""
    name = "time_to_next_transmit"
    intervals_s = scan.optional(name)
    if intervals_s is None or not intervals_s.any():
        rate_hz = scan.prf_hz(name, given_hz)
        return rate_hz, np.arange(n_frames) / rate_hz
    if intervals_s.ndim != 2 or len(intervals_s) != n_frames:
        problem = f"has shape {intervals_s.shape} for {n_frames} frames"
        raise scan.refuse(name, problem)
    # All transmits of a frame are in its samples.
    frame_s = intervals_s.sum(axis=1)
    sent_s = np.concatenate(([0.0], np.cumsum(frame_s)[:-1]))
    interval_s = float(np.median(frame_s[:-1])) if n_frames > 1 else 1.0
    if not np.all(np.isfinite(sent_s)) or not 1.0 / PRF.high <= interval_s <= 1.0 / PRF.low:
        raise scan.refuse(name, "not a row of intervals in seconds")
    return 1.0 / interval_s, sent_s
