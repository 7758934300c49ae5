"""A part of a recording in the file: tracks of channel samples, or a track of beamformed maps."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from .content import GROUP, Content, Part, raw_bytes
from .zea_layout import finish_map, make_map, make_raw_data, make_track, to_zea, write_scan

_IQ_TOLD = (
    "In-phase and quadrature of each colour pulse; times peak / 32767, "
    f"the peak of its frame in {GROUP}/frames/peak"
)


class Written(NamedTuple):
    """An array in the file: dataset, row, and CRC-32 of its bytes."""

    path: str
    row: int
    crc32: int


class PartTracks:
    """Takes the frames of a part, and says how they were made.

    Parameters
    ----------
    file : h5py.File
    first_track : int
        Number of the first of its tracks.
    name : str
        Of the part.
    part : Part
    content : Content

    Attributes
    ----------
    part : Part
    time_s : list of float
        Of the frames so far.
    n_tracks : int
        Tracks of its own.
    """

    def __init__(
        self, file: h5py.File, first_track: int, name: str, part: Part, content: Content
    ) -> None:
        self.part, self._content = part, content
        self.time_s: list[float] = []
        layouts = [layout for layout in (part.first, part.second) if layout.shape]
        if content is Content.CHANNELS:
            whats = ("colour", "B-mode")[: len(layouts)]
            self._tracks = [
                make_track(file, first_track + k, f"{what}, {name}") for k, what in enumerate(whats)
            ]
            self._datasets = [
                make_raw_data(track, layout.shape, layout.dtype)
                for track, layout in zip(self._tracks, layouts, strict=True)
            ]
        else:
            self._tracks = [make_track(file, first_track, name)]
            self._datasets = _maps(self._tracks[0], part)
        self.n_tracks = len(self._tracks)

    @property
    def paths(self) -> tuple[str, str | None]:
        """Where both arrays of its frames are; there may be only the first."""
        first, *others = (str(dataset.name) for dataset in self._datasets)
        return first, others[0] if others else None

    def append(self, time_s: float, arrays: Sequence[NDArray[Any] | None]) -> list[Written]:
        """Write a frame, each of its arrays as one chunk."""
        row, written = len(self.time_s), []
        there = (values for values in arrays if values is not None)
        for dataset, values in zip(self._datasets, there, strict=True):
            flat = raw_bytes(to_zea(values) if self._content is Content.CHANNELS else values)
            dataset.resize(row + 1, axis=0)
            dataset.id.write_direct_chunk((row, *(0,) * (dataset.ndim - 1)), flat)
            written.append(Written(str(dataset.name), row, zlib.crc32(flat)))
        self.time_s.append(time_s)
        return written

    def finish(self) -> None:
        """Write which waves the samples are of; of maps, where their pixels are, and when."""
        is_map = self._content is Content.IQ
        if is_map and not self.time_s:
            return
        acquisition, (colour, *bmode) = self.part.acquisition, self._tracks
        angles = (acquisition.transmit_angle_rad,) * acquisition.n_colour_pulses
        write_scan(colour, acquisition, angles, self._intervals_s())
        for track in bmode:
            write_scan(track, acquisition, acquisition.bmode_angles_rad, None)
        if is_map:
            grids = acquisition.colour_grid, acquisition.bmode_grid
            for dataset, grid in zip(self._datasets, grids, strict=True):
                finish_map(dataset.parent, grid, self.time_s)

    def _intervals_s(self) -> NDArray[np.float64]:
        """Time from every colour pulse to the next, also over the end of a frame."""
        acquisition = self.part.acquisition
        n_even = acquisition.n_pulses - 1
        within_s = np.full(acquisition.n_colour_pulses, 1.0 / acquisition.prf_hz)
        if acquisition.n_second_pulses:
            within_s[n_even:] = 1.0 / acquisition.second_prf_hz
        span_s = n_even * within_s[0] + acquisition.n_second_pulses * within_s[-1]
        usual_s = max(acquisition.frame_interval_s, span_s + within_s[-1])
        to_next_s = np.append(np.diff(self.time_s), usual_s)
        # Where another acquisition came in between, time may have begun anew.
        to_next_s = np.where(to_next_s > span_s, to_next_s, usual_s)
        intervals_s = np.tile(within_s, (len(self.time_s), 1))
        intervals_s[:, -1] = to_next_s[: len(self.time_s)] - span_s
        return intervals_s


def _maps(track: h5py.Group, part: Part) -> list[h5py.Dataset]:
    """Make the map of beamformed samples, and that of the echo power."""
    acquisition = part.acquisition
    pulses = range(1, acquisition.n_colour_pulses + 1)
    samples = make_map(
        track,
        "doppler_iq",
        acquisition.colour_grid.shape,
        part.first.dtype,
        labels=[f"{name} {pulse}" for name in "IQ" for pulse in pulses],
        description=_IQ_TOLD,
    )
    power = make_map(
        track,
        "bmode_power",
        acquisition.bmode_grid.shape,
        part.second.dtype,
        description="Echo power, linear",
    )
    return [samples, power]
