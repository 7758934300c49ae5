"""Compiled kernels that add up echoes and convert them, single-threaded, without the GIL."""

# ruff: noqa: PLR0917 (kernels are called with positional arguments only)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .attenuation import STEP_M
from .kernels_numba import compiled
from .pulse import PHASES

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

# Room at both ends of a row, for the longest pulse.
MARGIN = 64

LEVEL_DEPTH_M = 20e-3
"""Depth at which levels are stated."""
# One minus the cosine of the largest angle from which an element hears anything.
_ASIDE = 0.9

_ONE = np.float32(1.0)
_HALF = np.float32(0.5)
_ZERO = np.float32(0.0)
_PHASES = np.float32(PHASES)
_PHASE_BITS = np.int32(PHASES.bit_length() - 1)
_PHASE_MASK = np.int32(PHASES - 1)


class Reception(NamedTuple):
    """How an array hears, and what it records.

    Attributes
    ----------
    directivity : (7,) float32
        Of an element with the spreading, in powers of 1 - cos(theta).
    wavelength_m : float
    loss_per_m : float
        Mean attenuation, one way, in neper.
    samples_per_m : float
    start : float
        Time of the first sample, in samples.
    row : int
        Samples of each element in the buffer, which begins :data:`MARGIN` early.
    """

    directivity: Float32
    wavelength_m: float
    loss_per_m: float
    samples_per_m: float
    start: float
    row: int


class Gains(NamedTuple):
    """What is left of echoes after their way through tissue.

    Attributes
    ----------
    values : (n_depths, n_columns) float32
        Amplitude, at depths from 0 on in steps of ``step_m``.
    left_m : float
        Position of the first column.
    step_m : float
    """

    values: Float32
    left_m: float
    step_m: float = STEP_M


class PulseTable(NamedTuple):
    """The pulse as it comes back from every depth, for every fraction of a sample.

    Attributes
    ----------
    values : (n_depths * PHASES * n_samples,) float32
    depth_step_m : float
    n_depths, n_samples : int
    """

    values: Float32
    depth_step_m: float
    n_depths: int
    n_samples: int


def _adder(width: int) -> Any:
    """Intrinsic ``(rf, at, table, first, strength)``: add so many scaled values of a table.

    LLVM does not keep such short loops in registers by itself.
    """
    vector = ir.VectorType(ir.FloatType(), width)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    flags = ("contract", "reassoc", "nsz")

    def typed(
        typing: Any, rf: Any, at: Any, table: Any, first: Any, strength: Any
    ) -> tuple[Any, Callable[..., Any]]:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def pointer(which: int) -> Any:
                data = context.make_array(signature.args[which])(context, builder, args[which]).data
                index = context.cast(
                    builder, args[which + 1], signature.args[which + 1], types.intp
                )
                return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

            def loaded(address: Any) -> Any:
                value = builder.load(address)
                value.align = 4
                return value

            undefined = ir.Constant(vector, ir.Undefined)
            scale = builder.insert_element(undefined, args[4], ir.IntType(32)(0))
            scale = builder.shuffle_vector(scale, undefined, zeros)
            into = pointer(0)
            product = builder.fmul(scale, loaded(pointer(2)), flags=flags)
            builder.store(builder.fadd(product, loaded(into), flags=flags), into).align = 4
            return context.get_dummy_value()

        return types.void(rf, at, table, first, strength), codegen

    return intrinsic(typed)


_add_8: Any = _adder(8)
_add_16: Any = _adder(16)


@compiled
def _add_pulse(
    rf: Float32, at: int, table: Float32, first: int, strength: Any, n_samples: int
) -> None:
    """Add one pulse; the branches always go the same way and cost next to nothing."""
    _add_8(rf, at, table, first, strength)
    _add_8(rf, at + 8, table, first + 8, strength)
    if n_samples > 16:
        _add_8(rf, at + 16, table, first + 16, strength)
    if n_samples > 24:
        _add_8(rf, at + 24, table, first + 24, strength)
    if n_samples > 32:
        _add_16(rf, at + 32, table, first + 32, strength)
    if n_samples > 48:
        _add_16(rf, at + 48, table, first + 48, strength)


@compiled
def _one_way(
    element_x: Float32,
    x: Any,
    z: Any,
    weight: Any,
    base: Any,
    samples_per_m: Any,
    loss_per_m: Any,
    directivity: Float32,
    row: Any,
    n_samples: Any,
    at: Int32,
    first: Int32,
    strength: Float32,
) -> None:
    """Place in the buffer, place in the table, and strength of one echo at every element."""
    z2 = z * z
    eighth = np.float32(0.125) * loss_per_m
    for e in range(element_x.size):
        dx = element_x[e] - x
        r = np.sqrt(dx * dx + z2)
        further = r - z
        u = further / r
        gain = ((directivity[6] * u + directivity[5]) * u + directivity[4]) * u + directivity[3]
        gain = ((gain * u + directivity[2]) * u + directivity[1]) * u + directivity[0]
        # exp(-loss further), to a percent where it matters.
        left = max(_ONE - eighth * further, _ZERO)
        left *= left
        left *= left
        left *= left
        strength[e] = weight * gain * left
        delay = np.int32((base + further * samples_per_m) * _PHASES + _HALF)
        at[e] = (delay >> _PHASE_BITS) + np.int32(e) * row
        first[e] = (delay & _PHASE_MASK) * n_samples


@compiled
def _through(gains: Gains, x: float, z: float) -> float:
    """Bilinear look-up in the map of what is left of an echo after its way through tissue."""
    left = gains.values
    column = min(max((x - gains.left_m) / gains.step_m, 0.0), left.shape[1] - 1.001)
    line = min(max(z / gains.step_m, 0.0), left.shape[0] - 1.001)
    j, i = int(column), int(line)
    f, g = column - j, line - i
    upper = left[i, j] + f * (left[i, j + 1] - left[i, j])
    lower = left[i + 1, j] + f * (left[i + 1, j + 1] - left[i + 1, j])
    value: float = upper + g * (lower - upper)
    return value


@compiled
def add_echoes(
    x_m: Array,
    z_m: Array,
    amplitude: Array,
    element_x: Float32,
    sin_a: float,
    cos_a: float,
    aperture_m: float,
    reception: Reception,
    gains: Gains,
    pulses: PulseTable,
    rf: Float32,
) -> None:
    """Add the echoes of a plane wave to the rows of ``rf``."""
    directivity, wavelength_m, loss_per_m, samples_per_m, start, row = reception
    table, depth_step_m, n_depths, n_samples = pulses
    n_elements = element_x.size
    at = np.empty(n_elements, np.int32)
    first = np.empty(n_elements, np.int32)
    strength = np.empty(n_elements, np.float32)
    last = row - MARGIN
    end = n_elements - 1
    for s in range(x_m.size):
        x, z = x_m[s], z_m[s]
        # The edge of the wave is blurred by diffraction over about sqrt(wavelength z).
        edge = 0.5 * aperture_m - abs(x - z * sin_a / cos_a)
        inside = min(max(0.5 + 0.5 * edge / math.sqrt(wavelength_m * z), 0.0), 1.0)
        if inside == 0.0:
            continue
        # Not before this at any element; what comes after the row's end is beyond the window.
        arrival = (x * sin_a + z * cos_a + z) * samples_per_m - start
        if arrival > last:
            continue
        whole = math.floor(arrival)
        weight = amplitude[s] * inside * inside * (3.0 - 2.0 * inside) / math.sqrt(z)
        weight *= _through(gains, x, z)
        _one_way(
            element_x,
            np.float32(x),
            np.float32(z),
            np.float32(weight),
            np.float32(arrival - whole),
            np.float32(samples_per_m),
            np.float32(loss_per_m),
            directivity,
            np.int32(row),
            np.int32(n_samples),
            at,
            first,
            strength,
        )
        begin = int(whole) + MARGIN - n_samples // 2 + 1
        pulse = min(int(z / depth_step_m), n_depths - 1) * PHASES * n_samples
        # Delays are longest at one of the ends of the array.
        if begin >= 0 and begin + at[0] <= last and begin + at[end] - end * row <= last:
            for e in range(n_elements):
                _add_pulse(rf, begin + at[e], table, pulse + first[e], strength[e], n_samples)
        else:
            for e in range(n_elements):
                place = begin + at[e]
                if 0 <= place - e * row <= last:
                    _add_pulse(rf, place, table, pulse + first[e], strength[e], n_samples)


@compiled
def add_sector_echoes(
    x_m: Array,
    z_m: Array,
    amplitude: Array,
    elements: Array,
    source: Array,
    cone: Array,
    reception: Reception,
    gains: Gains,
    pulses: PulseTable,
    rf: Float32,
) -> None:
    """Add the echoes of a diverging wave at the elements of any array, as :func:`add_echoes` does.

    ``elements`` has x, z, and the direction (x, z) that they face; ``source`` has x, z and the
    distance from the origin; the wave fills ``cone``, between two angles.
    """
    directivity, wavelength_m, loss_per_m, samples_per_m, start, row = reception
    table, depth_step_m, n_depths, n_samples = pulses
    n_elements = elements.shape[1]
    away = np.empty(n_elements)
    facing = np.empty(n_elements)
    at = np.empty(n_elements, np.int32)
    first = np.empty(n_elements, np.int32)
    strength = np.empty(n_elements, np.float32)
    last = row - MARGIN
    begin = np.int32(MARGIN - n_samples // 2 + 1)
    eighth = 0.125 * loss_per_m
    for s in range(x_m.size):
        across, down = x_m[s] - source[0], z_m[s] - source[1]
        far = math.sqrt(across * across + down * down)
        turn = math.atan2(across, down)
        sent = far - source[2]
        if sent <= 0.0:
            continue
        edge = min(turn - cone[0], cone[1] - turn) * far
        inside = min(max(0.5 + 0.5 * edge / math.sqrt(wavelength_m * sent), 0.0), 1.0)
        if inside == 0.0:
            continue
        nearest = math.inf
        for e in range(n_elements):
            dx, dz = x_m[s] - elements[0, e], z_m[s] - elements[1, e]
            away[e] = math.sqrt(dx * dx + dz * dz)
            facing[e] = dx * elements[2, e] + dz * elements[3, e]
            nearest = min(nearest, away[e])
        if (sent + nearest) * samples_per_m - start > last:
            continue
        # The wave grows weaker as it spreads; at LEVEL_DEPTH_M it is as strong as a plane one.
        weight = amplitude[s] * inside * inside * (3.0 - 2.0 * inside)
        weight *= math.sqrt((source[2] + LEVEL_DEPTH_M) / far)
        weight *= _through(gains, x_m[s], z_m[s])
        depth = min(int(0.5 * (sent + nearest) / depth_step_m), n_depths - 1)
        pulse = depth * PHASES * n_samples
        sent_samples = sent * samples_per_m - start
        for e in range(n_elements):
            u = 1.0 - facing[e] / away[e]
            gain = ((directivity[6] * u + directivity[5]) * u + directivity[4]) * u + directivity[3]
            gain = ((gain * u + directivity[2]) * u + directivity[1]) * u + directivity[0]
            left = max(1.0 - eighth * (away[e] - nearest), 0.0)
            left *= left
            left *= left
            left *= left
            hears = 1.0 if u < _ASIDE else 0.0
            near = math.sqrt(max(facing[e], 1e-9))
            strength[e] = np.float32(hears * weight * gain * left / near)
            phases = np.int32((sent_samples + away[e] * samples_per_m) * PHASES + 0.5)
            at[e] = (phases >> _PHASE_BITS) + begin
            first[e] = (phases & _PHASE_MASK) * n_samples
        for e in range(n_elements):
            if 0 <= at[e] <= last and strength[e] != 0.0:
                _add_pulse(rf, at[e] + e * row, table, pulse + first[e], strength[e], n_samples)


@compiled
def convert(
    moving: Float32,
    still: Float32,
    drift: Float32,
    step: Any,
    noise: Float32,
    offsets: NDArray[np.int64],
    gain: Float32,
    highest: Any,
    row: int,
    begin: int,
    out: NDArray[np.int16],
) -> None:
    """Amplify echoes and noise along depth and round them; a converter clips.

    ``drift`` times ``step`` is what has changed in ``still`` since the frame's middle.
    """
    for e in range(out.shape[0]):
        at, first = e * row + begin, offsets[e]
        for k in range(out.shape[1]):
            value = moving[at + k] + still[at + k] + step * drift[at + k] + noise[first + k]
            value = min(max(value * gain[k], -highest - _ONE), highest)
            out[e, k] = np.int16(np.floor(value + _HALF))
