"""What a scanner under ARRUS tells of itself, and how its samples lie in a buffer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from ..plain import PlainError

CHANNELS = 32
"""Of a module: each of its rows of samples holds so many."""
_MOST_ELEMENTS = 1024
_MOST_BYTES = 2**28
# Where the session file does not say what the probe can.
_DEFAULT_BAND_HZ = (3.5e6, 6.5e6)


@dataclass(frozen=True)
class Opened:
    """The scanner, as it is told once.

    Attributes
    ----------
    version : str
        Of ARRUS.
    probe : str
    n_elements : int
    pitch_m : float
    curvature_radius_m : float
        0 for a flat array.
    band_hz : tuple of float
        Lowest and highest frequency that the probe may transmit; empty where that is not told.
    sampling_frequency_hz : float
        Of the converters.
    """

    version: str
    probe: str
    n_elements: int
    pitch_m: float
    curvature_radius_m: float
    band_hz: tuple[float, ...]
    sampling_frequency_hz: float

    def __post_init__(self) -> None:
        if not 2 <= self.n_elements <= _MOST_ELEMENTS or not 1e-5 <= self.pitch_m <= 5e-3:
            raise ValueError(f"{self.n_elements} elements {self.pitch_m:g} m apart")
        if not 1e6 <= self.sampling_frequency_hz <= 1e9:
            raise ValueError(f"a sampling frequency of {self.sampling_frequency_hz:g} Hz")
        band_hz = self.band_hz or _DEFAULT_BAND_HZ
        if len(band_hz) != 2 or not 1e5 <= band_hz[0] < band_hz[1] <= 1e8:
            raise ValueError(f"a probe with a band of {self.band_hz} Hz")

    @property
    def array(self) -> Probe:
        """The probe as the beamformer wants it."""
        low_hz, high_hz = self.band_hz or _DEFAULT_BAND_HZ
        middle_hz = 0.5 * (low_hz + high_hz)
        return Probe.linear(
            self.probe,
            self.n_elements,
            self.pitch_m,
            middle_hz,
            fractional_bandwidth=(high_hz - low_hz) / middle_hz,
        )


@dataclass(frozen=True)
class Uploaded:
    """What became of a sequence: its times, and where each sample is in a buffer.

    Attributes
    ----------
    frequency_hz : float
        Transmitted.
    sampling_frequency_hz : float
    first_sample_s : float
        Time of the first sample after the transmit begins.
    pri_s : tuple of float
        Time from each transmit to the next.
    interval_s : float
        Time from one frame to the next; 0 where that is the sum of ``pri_s``.
    shape, kind : tuple of int and str
        Of a buffer: (samples of all modules one after the other, channels).
    frames, channels, modules : tuple of int
        For each transmit and, fastest, each receiving element: number of the record in its module,
        channel in the record (negative: not connected), and module.
    first_frames, n_frames : tuple of int
        For each module: its first record in the buffer, and how many it has.
    """

    frequency_hz: float
    sampling_frequency_hz: float
    first_sample_s: float
    pri_s: tuple[float, ...]
    interval_s: float
    shape: tuple[int, ...]
    kind: str
    frames: tuple[int, ...]
    channels: tuple[int, ...]
    modules: tuple[int, ...]
    first_frames: tuple[int, ...]
    n_frames: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind != "int16" or len(self.shape) != 2 or self.shape[1] != CHANNELS:
            raise ValueError(f"a buffer of {self.kind} with shape {self.shape}")
        if not 0 < self.frame_bytes <= _MOST_BYTES:
            raise ValueError(f"a buffer of {self.frame_bytes} bytes")
        if not self.n_frames or len(self.first_frames) != len(self.n_frames):
            raise ValueError(f"records of {len(self.n_frames)} modules")
        if not len(self.frames) == len(self.channels) == len(self.modules):
            raise ValueError("an incomplete order of the channels")
        if not 1e5 <= self.frequency_hz <= 1e8 or not 1e6 <= self.sampling_frequency_hz <= 1e9:
            raise ValueError(
                f"{self.frequency_hz:g} Hz sampled with {self.sampling_frequency_hz:g} Hz"
            )
        if not all(1e-6 <= pri_s <= 1.0 for pri_s in self.pri_s) or not self.pri_s:
            raise ValueError("intervals between pulses that cannot be")
        if abs(self.first_sample_s) > 1e-2 or not 0.0 <= self.interval_s <= 10.0:
            raise ValueError("times that cannot be")

    @property
    def frame_bytes(self) -> int:
        """Size of a buffer."""
        return 2 * math.prod(self.shape)

    @property
    def n_firings(self) -> int:
        """How often the scanner fires for one transmit, until all elements have received."""
        return math.ceil(max(self.n_frames) / len(self.pri_s))


@dataclass(frozen=True)
class _Part:
    """Elements that one module received in one record."""

    transmit: int
    elements: NDArray[np.intp] | slice
    record: int
    channels: NDArray[np.intp] | slice


class Order:
    """Brings the samples of a buffer into the order of transmits and elements.

    Parameters
    ----------
    uploaded : Uploaded
    receive : tuple of int
        First and one-past-last element that receives; the others are silent.
    n_elements : int

    Raises
    ------
    PlainError
        What was told does not fit together.
    """

    def __init__(self, uploaded: Uploaded, receive: tuple[int, int], n_elements: int) -> None:
        n_transmits, n_received = len(uploaded.pri_s), receive[1] - receive[0]
        n_records = sum(uploaded.n_frames)
        shape = (n_transmits, n_received)
        frames, channels, modules = (
            np.asarray(values, np.intp)
            for values in (uploaded.frames, uploaded.channels, uploaded.modules)
        )
        if frames.size != n_transmits * n_received:
            raise PlainError(f"order of the channels: {frames.size} entries, expected {shape}")
        self.n_samples, left = divmod(uploaded.shape[0], n_records)
        if left or not self.n_samples:
            raise PlainError(f"buffer: {uploaded.shape[0]} rows do not hold {n_records} records")
        first, count = np.asarray(uploaded.first_frames), np.asarray(uploaded.n_frames)
        if np.any((modules < 0) | (modules >= len(count)) | (channels >= CHANNELS)):
            raise PlainError("order of the channels: a module or channel that does not exist")
        records = first[modules] + frames
        if np.any((frames < 0) | (frames >= count[modules]) | (records < 0)) or np.any(
            records >= n_records
        ):
            raise PlainError("order of the channels: a record that does not exist")
        self._shape = (n_transmits, n_elements, self.n_samples)
        self._n_records = n_records
        self._parts = tuple(
            _parts(records.reshape(shape), channels.reshape(shape), first_element=receive[0])
        )
        self._is_full = int(np.count_nonzero(channels >= 0)) == n_transmits * n_elements

    def take(self, flat: NDArray[np.int16]) -> NDArray[np.int16]:
        """Copy a buffer.

        The first sample of a record is not an echo, but holds what the scanner notes there.

        Returns
        -------
        samples : (n_transmits, n_elements, n_samples) int16
            0 where an element has not received.
        """
        samples = (np.empty if self._is_full else np.zeros)(self._shape, np.int16)
        records = flat.reshape(self._n_records, self.n_samples, CHANNELS)
        for part in self._parts:
            samples[part.transmit, part.elements] = records[part.record][:, part.channels].T
        samples[:, :, 0] = 0
        return samples


def _parts(
    records: NDArray[np.intp], channels: NDArray[np.intp], *, first_element: int
) -> list[_Part]:
    parts = []
    for transmit in range(len(records)):
        for record in np.unique(records[transmit]):
            found = np.flatnonzero((records[transmit] == record) & (channels[transmit] >= 0))
            if found.size:
                elements, inputs = found + first_element, channels[transmit, found]
                parts.append(_Part(transmit, _run(elements), int(record), _run(inputs)))
    return parts


def _run(indices: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Consecutive indices as a slice: copying by it is faster."""
    first, last = int(indices[0]), int(indices[-1])
    if np.array_equal(indices, np.arange(first, last + 1)):
        return slice(first, last + 1)
    return indices
