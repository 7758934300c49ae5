"""What the records of a journal say: the acquisition, the settings, and frame by frame."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dsp.quantise import Quantised
from ..frames import Acquisition, ChannelFrame, Correction, IqFrame
from ..plain import from_plain, plain
from .journal import RecordError
from .possible import check_possible

FORMAT, FORMAT_VERSION = "ultrasound-console recording", 1
GROUP = "ultrasound_console"
"""Of the HDF5 file: all that is not zea's."""
MAX_PARTS, MAX_PARTS_BYTES, MAX_SETTINGS = 1000, 12 * 2**20, 10_000
_DTYPES = ("int16", "float32", "complex64")
_MAX_SAMPLES = 2**28
# Index, time, received, wall clock, peak of the IQ, part, settings.
_FRAME = struct.Struct("<qddddII")


class Content(StrEnum):
    """What is recorded of each frame."""

    CHANNELS = "channels"
    IQ = "iq"


class Layout(NamedTuple):
    """Type and shape of an array; none at all with an empty shape.

    Attributes
    ----------
    dtype : str
    shape : tuple of int
    """

    dtype: str = "int16"
    shape: tuple[int, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Of the array."""
        return (
            int(np.prod(self.shape, dtype=object))
            * np.dtype(self.dtype).itemsize
            * bool(self.shape)
        )

    @classmethod
    def of(cls, array: NDArray[Any] | None) -> Layout:
        """Describe an array."""
        return cls() if array is None else cls(array.dtype.name, array.shape)


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame on its way to the disk.

    Attributes
    ----------
    index : int
    time_s, received_s, wall_s : float
        On the source's clock, on this program's, and on the wall (Unix time).
    acquisition : Acquisition
    first, second : array or None
        Samples of the colour pulses and of the B-mode pulses; of IQ, the int16 samples and the echo
        power.
    peak : float
        Magnitude that the largest int16 of the IQ stands for; 0 for channel samples.
    by_hand : Correction or None
        What has been given to it by hand; a record of its own.
    """

    index: int
    time_s: float
    received_s: float
    wall_s: float
    acquisition: Acquisition
    first: NDArray[Any]
    second: NDArray[Any] | None
    peak: float = 0.0
    by_hand: Correction | None = None

    @classmethod
    def channels(cls, frame: ChannelFrame, wall_s: float) -> Taken:
        """Take a frame as it comes from the array."""
        return cls(
            frame.index,
            frame.time_s,
            frame.received_s,
            wall_s,
            frame.acquisition,
            frame.colour,
            frame.bmode,
            by_hand=frame.by_hand,
        )

    @classmethod
    def beamformed(cls, quantised: Quantised, iq: IqFrame, wall_s: float) -> Taken:
        """Take a frame as the loop keeps it."""
        return cls(
            iq.index,
            iq.time_s,
            iq.received_s,
            wall_s,
            iq.acquisition,
            quantised.samples,
            iq.bmode_power,
            float(quantised.peak[0]),
            iq.by_hand,
        )

    @property
    def n_bytes(self) -> int:
        """Memory that its samples take."""
        return self.first.nbytes + (0 if self.second is None else self.second.nbytes)

    @property
    def layouts(self) -> tuple[Layout, Layout]:
        """Of both arrays."""
        return Layout.of(self.first), Layout.of(self.second)

    def pieces(self, part: int, settings: int) -> tuple[Any, ...]:
        """Payload of its record."""
        first = raw_bytes(self.first)
        rest = () if self.second is None else (raw_bytes(self.second),)
        head = _FRAME.pack(
            self.index,
            self.time_s,
            self.received_s,
            self.wall_s,
            self.peak,
            part,
            settings,
        )
        return head, first, *rest


@dataclass(frozen=True)
class Part:
    """What holds for a run of frames.

    Attributes
    ----------
    acquisition : Acquisition
    first, second : Layout
    """

    acquisition: Acquisition
    first: Layout
    second: Layout

    def told(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "acquisition": plain(self.acquisition),
            "nyquist_velocity_m_s": self.acquisition.nyquist_velocity_m_s,
            "first": self.first._asdict(),
            "second": self.second._asdict(),
        }

    @classmethod
    def from_told(cls, told: Mapping[str, Any], content: Content) -> Part:
        """Read what :meth:`told` made; values and sizes are checked.

        Raises
        ------
        RecordError
        """
        try:
            acquisition = from_plain(Acquisition, told.get("acquisition"), "acquisition")
            check_possible(acquisition)
        except ValueError as error:
            raise RecordError(str(error)) from error
        part = cls(acquisition, _layout(told.get("first")), _layout(told.get("second")))
        if not part._fits(content):
            raise RecordError("samples of another shape than their acquisition has")
        return part

    def _fits(self, content: Content) -> bool:
        """Whether the arrays are those of the acquisition."""
        acquisition, (_, first), (_, second) = self.acquisition, self.first, self.second
        if content is Content.CHANNELS:
            waves = (acquisition.n_colour_pulses, acquisition.probe.n_elements)
            bmode = (len(acquisition.bmode_angles_rad), acquisition.probe.n_elements)
            n_axes = {len(first), len(second or first)}
            return n_axes == {3} and first[:2] == waves and (not second or second[:2] == bmode)
        iq = (*acquisition.colour_grid.shape, 2, acquisition.n_colour_pulses)
        types = (self.first.dtype, self.second.dtype) == ("int16", "float32")
        return types and (first, second) == (iq, acquisition.bmode_grid.shape)


@dataclass(frozen=True)
class FrameHead:
    """What a frame's record says beside its samples; see :class:`Taken`."""

    index: int
    time_s: float
    received_s: float
    wall_s: float
    peak: float
    part: int
    settings: int

    @classmethod
    def read(cls, payload: memoryview) -> FrameHead:
        """Read the beginning of a record.

        Raises
        ------
        RecordError
        """
        if len(payload) < _FRAME.size:
            raise RecordError("a frame that is too short")
        head = cls(*_FRAME.unpack_from(payload))
        if not all(map(math.isfinite, (head.time_s, head.received_s, head.wall_s, head.peak))):
            raise RecordError("a frame without a time")
        return head

    def arrays(self, payload: memoryview, part: Part) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return both arrays of a record, without a copy.

        Raises
        ------
        RecordError
        """
        split = _FRAME.size + part.first.n_bytes
        if len(payload) != split + part.second.n_bytes:
            raise RecordError("a frame of another size than its acquisition has")
        first = np.frombuffer(payload[_FRAME.size : split], part.first.dtype)
        if not part.second.shape:
            return first.reshape(part.first.shape), None
        second = np.frombuffer(payload[split:], part.second.dtype)
        return first.reshape(part.first.shape), second.reshape(part.second.shape)


def raw_bytes(array: NDArray[Any]) -> memoryview:
    """Memory of an array, in C order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def raw_crc32(array: NDArray[Any]) -> int:
    """Checksum of the memory of an array."""
    return zlib.crc32(raw_bytes(array))


def text(told: Mapping[str, Any]) -> bytes:
    """Write a group of values as JSON."""
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode()


def from_text(payload: memoryview | bytes) -> dict[str, Any]:
    """Read a group of values.

    Raises
    ------
    RecordError
    """
    try:
        told = json.loads(bytes(payload))
    except (ValueError, RecursionError) as error:
        raise RecordError("a record that is no JSON") from error
    if not isinstance(told, dict):
        raise RecordError("a record that is no group of values")
    return told


def _layout(told: object) -> Layout:
    """Read the type and shape of an array; its size is bounded."""
    if isinstance(told, dict):
        dtype, shape = told.get("dtype"), told.get("shape")
        if dtype in _DTYPES and isinstance(shape, list) and len(shape) in (0, 2, 3, 4):
            is_whole = all(type(n) is int and 0 < n <= _MAX_SAMPLES for n in shape)
            if is_whole and math.prod(shape) <= _MAX_SAMPLES:
                return Layout(str(dtype), tuple(shape))
    raise RecordError("an array of no possible shape")
