"""Kernels for CuPy arrays, compiled from ``kernels.cu`` at the first call.

They bear the names and take the arguments of the compiled kernels in :mod:`.kernels_numba`.
Samples and results are CuPy arrays; tables may stay NumPy arrays, which are copied to the GPU once
and kept there for as long as the table itself lives. Nothing here waits for the GPU, except the
first use of a table, and :func:`energy` and :func:`correlation`, whose results the host needs.
"""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SOURCE = Path(__file__).with_name("kernels.cu")
OPTIONS = ("-std=c++17",)

_THREADS_PER_BLOCK = 256
# Enough to fill any GPU; each thread takes what is left over.
_MOST_BLOCKS = 1024
# Pixels whose ensembles one thread correlates.
_TILE = 128
_RF_KERNELS = {"int16": "demodulate_rf_int16", "float32": "demodulate_rf_float32"}

# A CuPy array: CuPy is imported only when one comes in, and has no types.
Device = Any


@lru_cache(maxsize=1)
def _module() -> Any:
    import cupy

    return cupy.RawModule(code=SOURCE.read_text(encoding="utf-8"), options=OPTIONS)


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Device:
    """Uninitialised array on the GPU."""
    import cupy

    return cupy.empty(shape, dtype)


class _Tables:
    """Copies on the GPU of the tables that the kernels read, each as long as its original lives."""

    def __init__(self) -> None:
        self._copies: dict[tuple[int, int], tuple[weakref.ref[NDArray[Any]], Device]] = {}

    def get(self, table: NDArray[Any]) -> Device:
        import cupy

        key = (cupy.cuda.Device().id, id(table))
        if key not in self._copies:
            copies = self._copies
            copy = cupy.asarray(table)
            # Any stream may read the copy from now on; one that may not be whole is not kept.
            cupy.cuda.get_current_stream().synchronize()
            copies[key] = weakref.ref(table, lambda _: copies.pop(key, None)), copy
        return self._copies[key][1]

    def __len__(self) -> int:
        return len(self._copies)


_tables = _Tables()


def _launch(name: str, n_threads: int, *arguments: Any) -> None:
    """Run a kernel with at least so many threads.

    Raises
    ------
    ValueError
        An array that is not contiguous.
    """
    on_device = []
    for argument in arguments:
        value = _tables.get(argument) if isinstance(argument, np.ndarray) else argument
        if isinstance(value, int):
            value = np.int32(value)
        elif not isinstance(value, np.generic) and not value.flags.c_contiguous:
            raise ValueError(f"{name}: an array of shape {value.shape} is not contiguous")
        on_device.append(value)
    n_blocks = -(-n_threads // _THREADS_PER_BLOCK)
    if n_blocks:
        _module().get_function(name)((n_blocks,), (_THREADS_PER_BLOCK,), tuple(on_device))


def demodulate_rf(
    rf: Device,
    taps_re: NDArray[np.float32],
    taps_im: NDArray[np.float32],
    turn: NDArray[np.float32],
    decimation: int,
    out: Device,
) -> None:
    """Real samples (n_pulses, n_elements, n_samples) to the ensemble layout."""
    name = _RF_KERNELS.get(rf.dtype.name)
    if name is None:
        raise ValueError(f"RF samples on the GPU are int16 or float32, not {rf.dtype}")
    _demodulate(name, rf, taps_re, taps_im, turn, decimation, out)


def demodulate_iq(
    iq: Device,
    taps_re: NDArray[np.float32],
    taps_im: NDArray[np.float32],
    turn: NDArray[np.float32],
    decimation: int,
    out: Device,
) -> None:
    """Complex samples (n_pulses, n_elements, n_samples) to the ensemble layout."""
    _demodulate("demodulate_iq", iq, taps_re, taps_im, turn, decimation, out)


def _demodulate(
    name: str,
    samples: Device,
    taps_re: NDArray[np.float32],
    taps_im: NDArray[np.float32],
    turn: NDArray[np.float32],
    decimation: int,
    out: Device,
) -> None:
    import cupy

    n_elements = samples.shape[1]
    n_iq, _, _, lanes = out.shape
    _launch(
        name, n_iq * n_elements * (lanes // 4), cupy.ascontiguousarray(samples), *samples.shape,
        taps_re, taps_im, taps_re.size, turn, decimation, n_iq, lanes, out,
    )  # fmt: skip


def records(packed: Device, out: Device) -> None:
    """(n_samples, n_transmits + 1, 2, n_lanes) to (n_transmits, n_elements, 2 n_samples)."""
    n_transmits, n_elements, n_floats = out.shape
    n_samples = n_floats // 2
    _launch(
        "records", n_transmits * n_elements * n_samples,
        packed, n_transmits, n_elements, n_samples, packed.shape[3], out,
    )  # fmt: skip


def energy(samples: Device) -> float:
    """Sum of squares; not finite when any sample is not, or when it would overflow later."""
    total = empty((1,), np.float64)
    total.fill(0.0)
    n_threads = min(samples.size, _MOST_BLOCKS * _THREADS_PER_BLOCK)
    _launch("energy", n_threads, samples, np.int64(samples.size), total)
    return float(total[0])


def delay_and_sum(
    channel: Device,
    start: NDArray[np.int64],
    index: NDArray[np.int32],
    fraction: NDArray[np.float32],
    weight_re: NDArray[np.float32],
    weight_im: NDArray[np.float32],
    turn: NDArray[np.float32],
    out: Device,
) -> None:
    """Sum the echoes of every pixel over its aperture, for all lanes at once."""
    _, n_rows, _, lanes = channel.shape
    n_pixels = start.size - 1
    _launch(
        "delay_and_sum", n_pixels * (lanes // 4),
        channel, n_rows, lanes, start, index, fraction, weight_re, weight_im, turn, n_pixels, out,
    )  # fmt: skip


def compound_power(
    channel: Device,
    first: NDArray[np.int32],
    start: NDArray[np.int64],
    delay: NDArray[np.float32],
    weight_re: NDArray[np.float32],
    weight_im: NDArray[np.float32],
    transmit_delay: NDArray[np.float32],
    turn: NDArray[np.float32],
    out: Device,
) -> None:
    """Power of the mean over angles; channel is (n_angles, n_elements, 2 n_samples)."""
    n_angles, n_elements, n_floats = channel.shape
    _launch(
        "compound_power", out.size, channel, n_angles, n_elements, n_floats // 2,
        first, start, delay, weight_re, weight_im, transmit_delay, turn, out.size, out,
    )  # fmt: skip


def mean_power(iq: Device, n_pulses: int, out: Device) -> None:
    """Mean squared magnitude over the ensemble."""
    _launch("mean_power", out.size, iq, n_pulses, iq.shape[3], out.size, out)


def quantise(iq: Device, n_pulses: int, peak: Device, samples: Device) -> None:
    """Int16 samples (..., n_pulses) of (..., n_lanes), and the magnitude of the largest."""
    peak.fill(0.0)
    n_threads = min(iq.size, _MOST_BLOCKS * _THREADS_PER_BLOCK)
    _launch("peak", n_threads, iq, np.int64(iq.size), peak)
    lanes, n_rows = iq.shape[-1], np.int64(samples.size // n_pulses)
    _launch("quantise", samples.size, iq, n_pulses, lanes, n_rows, peak, samples)


def autocorrelate(iq: Device, matrix: NDArray[np.float32], n_pulses: int, lags: Device) -> None:
    """Wall filter, then R0, Re R1 and Im R1; an empty matrix is no filter."""
    n_depths, n_lines, _, lanes = iq.shape
    n_pixels = n_depths * n_lines
    _launch("autocorrelate", n_pixels, iq, matrix, matrix.shape[0], n_pulses, lanes, n_pixels, lags)


def autocorrelate_complex(
    iq: Device, matrix: NDArray[np.float32], n_pulses: int, lags: Device
) -> None:
    """:func:`autocorrelate` for a complex filter, (2, n_pulses, n_lanes)."""
    n_depths, n_lines, _, lanes = iq.shape
    n_pixels = n_depths * n_lines
    _launch("autocorrelate_complex", n_pixels, iq, matrix, n_pulses, lanes, n_pixels, lags)


def correlation(iq: Device, n_pulses: int, sums: NDArray[np.float64]) -> None:
    """Add s[j] conj(s[k]) of all pixels, real and imaginary part, to (2, n_lanes, n_lanes).

    The sums are a NumPy array: the eigenvectors of so small a matrix are found on the host.
    """
    n_depths, n_lines, _, lanes = iq.shape
    n_pixels = n_depths * n_lines
    n_tiles = -(-n_pixels // _TILE)
    total = empty((2, lanes, lanes), np.float64)
    total.fill(0.0)
    n_threads = n_tiles * n_pulses * (lanes // 4)
    _launch("correlation", n_threads, iq, n_pulses, lanes, n_pixels, _TILE, total)
    sums += total.get()


def smooth(
    planes: Device,
    depth_window: NDArray[np.float32],
    line_window: NDArray[np.float32],
    out: Device,
) -> None:
    """Separable average; at the edges only what is inside counts."""
    _launch(
        "smooth", out.size,
        planes, *planes.shape, depth_window, depth_window.size, line_window, line_window.size, out,
    )  # fmt: skip


def maps(lags: Device, velocity: Device, bandwidth: Device) -> None:
    """Velocity in v_N and bandwidth from averaged lags."""
    _launch("maps", velocity.size, lags, velocity.size, velocity, bandwidth)
