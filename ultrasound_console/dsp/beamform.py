"""Delay-and-sum of the echoes of plane and diverging waves, one delay table for all pulses.

The delay of an echo from (x, z), sent at angle a and received at element (x_e, z_e), is
``tau = (x sin a + z cos a) / c + hypot(x - x_e, z - z_e) / c`` with t = 0 when the wave crosses
the array's centre. A wave that diverges from d behind the centre goes ``hypot(l + d, q) - d``
instead, where l and q are along and across its angle. The receive part needs a table of
(pixels x elements), cached by its frozen key; the transmit part is one number for each pixel, so
every angle shares the table.

Method: Perrot et al., "So you think you can DAS?", Ultrasonics 111 (2021).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES, empty_beside, fast_path

Float64 = NDArray[np.float64]

# Squared weights of the smallest whole aperture (a pixel midway between two elements); with less
# than that, beside the array, a pixel fades out.
SMALLEST_ENERGY = 0.5
# The tables address samples with 32 bits.
_MOST_VALUES = 2**31 - 1


class SampleGrid(Hashable, Protocol):
    """Where the image samples are; it keys the tables, so it must be hashable."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n_depths, n_lines)."""
        ...

    def positions_m(self) -> tuple[Float64, Float64]:
        """(x_m, z_m), each (n_depths, n_lines)."""
        ...


@dataclass(frozen=True)
class ReceivePlan:
    """Everything that the tables depend on, but for what is sent when; their key.

    Attributes
    ----------
    grid : SampleGrid
    element_x_m, element_z_m : tuple of float
        Element centres.
    receive_rad : float or None
        The aperture of a pixel is centred where the line through it at this angle leaves the
        array. None takes the direction of the grid's own scan lines (polar grids).
    f_number : float
        Depth over full aperture width.
    sound_speed_m_s, center_frequency_hz : float
    sampling_frequency_hz : float
        Of the IQ samples.
    taper : float
        Share of the aperture under the raised-cosine edges of its apodisation: 1 is a Hann window
        (low side lobes), near 0 a box (sharpest main lobe).
    source_distance_m : float
        How far behind the array's centre transmitted waves seem to come from; infinite for plane
        waves.
    """

    grid: SampleGrid
    element_x_m: tuple[float, ...]
    element_z_m: tuple[float, ...]
    receive_rad: float | None
    f_number: float
    sound_speed_m_s: float
    center_frequency_hz: float
    sampling_frequency_hz: float
    taper: float = 1.0
    source_distance_m: float = math.inf

    @property
    def smallest_half_aperture_m(self) -> float:
        """One element pitch: near the array a pixel still sees its next elements."""
        n_elements = len(self.element_x_m)
        if n_elements == 1:
            return math.inf
        return abs(self.element_x_m[-1] - self.element_x_m[0]) / (n_elements - 1)

    def receive_tangents(self) -> Float64:
        """(n_depths, n_lines) tangent of the receive direction."""
        x_m, z_m = self.grid.positions_m()
        if self.receive_rad is not None:
            return np.full(x_m.shape, math.tan(self.receive_rad))
        across_m = x_m[-1] - x_m[0]
        down_m = np.maximum(z_m[-1] - z_m[0], 1e-3 * np.abs(across_m))
        return np.broadcast_to(across_m / down_m, x_m.shape).copy()


@dataclass(frozen=True, eq=False)
class ReceiveTable:
    """Delay and weight of every (pixel, element) pair inside the aperture.

    Pixel p uses the elements ``first[p]`` ... in a row; its entries are
    ``start[p]:start[p + 1]``.

    Attributes
    ----------
    first : (n_pixels,) int32
    start : (n_pixels + 1,) int64
    delay : (n_entries + 16,) float32
        In IQ samples; the last 16 are zeros, so that whole registers may be read.
    weight_re, weight_im : (n_entries + 16,) float32
        Apodisation times ``exp(i 2 pi f0 tau)``; the squares of a pixel sum to 1, so that
        the noise of a pixel is that of one element wherever it lies.
    """

    first: NDArray[np.int32]
    start: NDArray[np.int64]
    delay: NDArray[np.float32]
    weight_re: NDArray[np.float32]
    weight_im: NDArray[np.float32]

    @property
    def n_bytes(self) -> int:
        """Memory taken."""
        return sum(
            array.nbytes
            for array in (self.first, self.start, self.delay, self.weight_re, self.weight_im)
        )


class _Sized(Protocol):
    @property
    def n_bytes(self) -> int: ...


_Table = TypeVar("_Table", bound=_Sized)


class TableCache(Generic[_Table]):
    """The tables used last.

    Parameters
    ----------
    make : callable
        Makes the table of a plan.
    budget_bytes : int
        The table used last is kept in any case.
    """

    def __init__(self, make: Callable[[ReceivePlan], _Table], budget_bytes: int) -> None:
        self._make, self._budget_bytes = make, budget_bytes
        self._tables: OrderedDict[ReceivePlan, _Table] = OrderedDict()

    def get(self, plan: ReceivePlan) -> _Table:
        """Table of a plan."""
        table = self._tables.pop(plan, None)
        if table is None:
            table = self._make(plan)
        self._tables[plan] = table
        while len(self._tables) > 1 and self.n_bytes > self._budget_bytes:
            self._tables.popitem(last=False)
        return table

    @property
    def n_bytes(self) -> int:
        """Memory taken."""
        return sum(table.n_bytes for table in self._tables.values())


def _receive_table(plan: ReceivePlan) -> ReceiveTable:
    from . import kernels_beamform

    x_m, z_m = (np.ascontiguousarray(a, np.float64).ravel() for a in plan.grid.positions_m())
    element_x_m, element_z_m = np.array(plan.element_x_m), np.array(plan.element_z_m)
    tangents = plan.receive_tangents().ravel()
    aperture = (tangents, plan.f_number, plan.smallest_half_aperture_m)
    scales = (
        plan.sampling_frequency_hz / plan.sound_speed_m_s,
        plan.center_frequency_hz / plan.sound_speed_m_s,
    )
    first, start = kernels_beamform.aperture_runs(x_m, z_m, element_x_m, element_z_m, *aperture)
    # NumPy asks Linux for huge pages where numba would not: the tables then stream faster.
    delay, weight_re, weight_im = (np.empty(start[-1] + LANES, np.float32) for _ in range(3))
    kernels_beamform.aperture_weights(
        x_m, z_m, element_x_m, element_z_m, *aperture, plan.taper,
        SMALLEST_ENERGY, first, start, *scales, delay, weight_re, weight_im,
    )  # fmt: skip
    return ReceiveTable(first, start, delay, weight_re, weight_im)


# A 192 x 256 picture from 128 elements takes about 21 MB.
_CACHE = TableCache(_receive_table, 256 * 2**20)


def receive_table(plan: ReceivePlan) -> ReceiveTable:
    """Receive table of a plan: made at the first call, then taken from the cache."""
    return _CACHE.get(plan)


def transmit_path_m(
    x_m: Float64, z_m: Float64, transmit_rad: float, source_distance_m: float
) -> Float64:
    """Way of a wave from when it crosses x = z = 0 until it is at other places.

    Parameters
    ----------
    x_m, z_m : array of float64
    transmit_rad : float
        Angle of the wave, of a diverging one in its middle.
    source_distance_m : float
        From where it diverges, behind the origin; infinite for a plane wave.
    """
    sine, cosine = math.sin(transmit_rad), math.cos(transmit_rad)
    along_m = x_m * sine + z_m * cosine
    if math.isinf(source_distance_m):
        return along_m
    across_m = x_m * cosine - z_m * sine
    return np.asarray(np.hypot(along_m + source_distance_m, across_m) - source_distance_m)


@lru_cache(maxsize=32)
def transmit_table(
    plan: ReceivePlan, transmit_rad: float, start_time_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Transmit delay (IQ samples from the record's start) and its phase turn, for each pixel."""
    path_m = transmit_path_m(*plan.grid.positions_m(), transmit_rad, plan.source_distance_m)
    tau_s = path_m / plan.sound_speed_m_s
    delay = (tau_s - start_time_s) * plan.sampling_frequency_hz
    turn = np.exp(2j * np.pi * ((tau_s * plan.center_frequency_hz) % 1.0))
    return (
        delay.astype(np.float32).ravel(),
        np.stack([turn.real.ravel(), turn.imag.ravel()]).astype(np.float32),
    )


@lru_cache(maxsize=4)
def _ensemble_index(
    plan: ReceivePlan, transmit_rad: float, start_time_s: float, shape: tuple[int, int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Place of every entry's samples in a channel block, and the fraction between them."""
    from . import kernels_beamform

    table = receive_table(plan)
    delay, _ = transmit_table(plan, transmit_rad, start_time_s)
    index = np.empty(table.start[-1], np.int32)
    fraction = np.empty(table.start[-1], np.float32)
    kernels_beamform.sample_index(
        table.first, table.start, table.delay, delay, shape, index, fraction
    )
    return index, fraction


def each_element(
    plan: ReceivePlan, transmit_rad: float, start_time_s: float
) -> list[tuple[Float64, NDArray[np.complex128]]]:
    """Sample positions and complex weights of all pixels, element by element (the reference)."""
    x_m, z_m = plan.grid.positions_m()
    path_m = transmit_path_m(x_m, z_m, transmit_rad, plan.source_distance_m)
    sent_s = path_m / plan.sound_speed_m_s
    tangents = plan.receive_tangents()
    rows, energy = [], np.zeros(x_m.shape)
    for element_x_m, element_z_m in zip(plan.element_x_m, plan.element_z_m, strict=True):
        depth_m = z_m - element_z_m
        half_m = np.maximum(depth_m / (2.0 * plan.f_number), plan.smallest_half_aperture_m)
        offset = (element_x_m - x_m + depth_m * tangents) / half_m
        edge = np.clip((np.abs(offset) - 1.0 + plan.taper) / plan.taper, 0.0, 1.0)
        apodisation = np.cos(0.5 * np.pi * edge) ** 2
        energy += apodisation**2
        tau_s = sent_s + np.hypot(x_m - element_x_m, depth_m) / plan.sound_speed_m_s
        turn = np.exp(2j * np.pi * plan.center_frequency_hz * tau_s)
        rows.append(((tau_s - start_time_s) * plan.sampling_frequency_hz, apodisation * turn))
    scale = 1.0 / np.sqrt(np.maximum(energy, SMALLEST_ENERGY))
    return [(position, weight * scale) for position, weight in rows]


def check_length(n_iq_samples: int, n_values: int) -> None:
    """Refuse records too short to interpolate in, and blocks too large to address.

    Raises
    ------
    ValueError
    """
    if n_iq_samples < 2:
        raise ValueError(f"{n_iq_samples} IQ samples: interpolation needs at least 2")
    if n_values > _MOST_VALUES:
        raise ValueError(f"{n_values} values in a channel block: at most {_MOST_VALUES} fit")


def delay_and_sum(
    channel: NDArray[Any],
    plan: ReceivePlan,
    transmit_rad: float,
    start_time_s: float,
    *,
    out: NDArray[np.float32] | None = None,
) -> NDArray[Any]:
    """Beamform an ensemble of equal transmits.

    Parameters
    ----------
    channel : (n_iq_samples, n_elements + 1, 2, n_lanes) float32 or float64
        As :func:`~ultrasound_console.dsp.demodulate.demodulate` makes it; the element after the
        last is zero.
    plan : ReceivePlan
    transmit_rad : float
        Angle of the wave.
    start_time_s : float
        Time of the first IQ sample.
    out : (n_depths, n_lines, 2, n_lanes) float32, optional
        Written instead of a new array.

    Returns
    -------
    (n_depths, n_lines, 2, n_lanes) float32
        float64 for float64 samples (the reference). Echoes outside the record or the aperture
        contribute nothing.
    """
    n_iq_samples, n_elements = channel.shape[0], len(plan.element_x_m)
    check_length(n_iq_samples, channel.size)
    if channel.ndim != 4 or channel.shape[1] != n_elements + 1 or channel.shape[2] != 2:
        raise ValueError(
            f"channel IQ has shape {channel.shape}, expected (samples, {n_elements + 1}, 2, lanes)"
        )
    shape = (*plan.grid.shape, 2, channel.shape[3])
    kernel = fast_path("delay_and_sum", channel)
    if kernel is not None:
        if out is None:
            out = empty_beside(channel, shape)
        elif out.shape != shape or out.dtype != np.float32:
            raise ValueError(f"out has shape {out.shape}, expected {shape} float32")
        table = receive_table(plan)
        index, fraction = _ensemble_index(plan, transmit_rad, start_time_s, channel.shape)
        _, turn = transmit_table(plan, transmit_rad, start_time_s)
        kernel(channel, table.start, index, fraction, table.weight_re, table.weight_im, turn, out)
        return out

    complex_channel = channel[:, :, 0] + 1j * channel[:, :, 1]
    image = np.zeros((*plan.grid.shape, channel.shape[3]), np.complex128)
    for element, (position, weight) in enumerate(each_element(plan, transmit_rad, start_time_s)):
        inside = (position >= 0.0) & (position <= n_iq_samples - 1)
        row = np.clip(np.floor(position), 0, n_iq_samples - 2).astype(np.int64)
        between = (position - row)[..., None]
        record = complex_channel[:, element]
        echo = record[row] * (1.0 - between) + record[row + 1] * between
        image += np.where(inside, weight, 0.0)[..., None] * echo
    return np.stack([image.real, image.imag], axis=2)
