# ruff: noqa: PLR0917 (intrinsics are called with positional arguments only)
"""Echoes of sixteen image lines from one record, interpolated, inside numba kernels.

Neighbouring lines hear an element at nearly the same time, so that a short window of its record
holds the samples of all sixteen. Where the processor can pick from two registers at once
(AVX-512), two loads and four picks fetch them; elsewhere each line loads its own four values, and
eight lines at a time are turned round.
See :mod:`.lanes_numba` for the registers, and for the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.types.containers import UniTuple
from numba.extending import intrinsic

from .arrays import LANES
from .lanes_numba import LanesType

WINDOW = LANES
"""Samples in a window, which has to hold two for each line."""

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTEGERS = ir.VectorType(_INT32, LANES)
_LANES = LanesType()
_FLAGS = ("contract", "reassoc", "nsz")
_UNALIGNED = 4
# Values of a line: a sample and the next one, each in phase and in quadrature.
_QUAD = 4


def _constant(value: int) -> Any:
    return ir.Constant(_INTEGERS, [value] * LANES)


def _splat(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_INTEGERS, ir.Undefined)
    first = builder.insert_element(undefined, value, _INT32(0))
    return builder.shuffle_vector(first, undefined, _constant(0))


def _picks(context: Any) -> bool:
    """Whether the processor that is compiled for picks from two registers."""
    *_, features = context.codegen().magic_tuple()
    return "+avx512f" in features


def _picked(builder: Any, record: Any, window: Any, rows: Any, value: int) -> Any:
    """Value of each line's quad, from a window of the record."""
    begin = builder.gep(record, [builder.shl(window, window.type(1))])
    pointer = builder.bitcast(begin, _VECTOR.as_pointer())
    halves = [builder.load(builder.gep(pointer, [_INT32(k)])) for k in range(2)]
    for half in halves:
        half.align = _UNALIGNED
    within = builder.sub(rows, _splat(builder, builder.trunc(window, _INT32)))
    place = builder.add(builder.shl(within, _constant(1)), _constant(value))
    kind = ir.FunctionType(_VECTOR, [_VECTOR, _INTEGERS, _VECTOR])
    pick = builder.module.declare_intrinsic("llvm.x86.avx512.vpermi2var.ps.512", (), kind)
    return builder.call(pick, [halves[0], place, halves[1]])


def _inside(builder: Any, window: Any, rows: Any) -> Any:
    """Rows of which each has its next one in the window too."""
    window = _splat(builder, builder.trunc(window, _INT32))
    within, most = builder.sub(rows, window), _constant(WINDOW - 2)
    is_inside = builder.icmp_unsigned("<", within, most)
    return builder.add(window, builder.select(is_inside, within, most))


def _gathered(builder: Any, record: Any, rows: Any) -> list[Any]:
    """All values of each line's quad, from wherever it is in the record."""
    quad = ir.VectorType(_FLOAT, _QUAD)
    places = builder.shl(rows, _constant(1))
    parts = []
    for lane in range(LANES):
        place = builder.extract_element(places, _INT32(lane))
        begin = builder.gep(record, [builder.zext(place, ir.IntType(64))])
        loaded = builder.load(builder.bitcast(begin, quad.as_pointer()))
        loaded.align = _UNALIGNED
        parts.append(loaded)
    halves = [_turned(builder, parts[k : k + 2 * _QUAD]) for k in range(0, LANES, 2 * _QUAD)]
    return [_together(builder, low, high) for low, high in zip(*halves, strict=True)]


def _turned(builder: Any, quads: list[Any]) -> list[Any]:
    """Quads of eight lines as four registers, one for each of their values.

    Lines k and k + 4 share a register, so that nothing has to cross its middle.
    """
    both = [_together(builder, quads[k], quads[k + _QUAD]) for k in range(_QUAD)]
    halves = (0, 4)
    low = [j + i for j in halves for i in (0, 8, 1, 9)]
    high = [j + i for j in halves for i in (2, 10, 3, 11)]
    first = [j + i for j in halves for i in (0, 1, 8, 9)]
    second = [j + i for j in halves for i in (2, 3, 10, 11)]
    mixed = [
        (_shuffled(builder, both[0], both[1], order), _shuffled(builder, both[2], both[3], order))
        for order in (low, high)
    ]
    return [_shuffled(builder, a, b, order) for a, b in mixed for order in (first, second)]


def _together(builder: Any, low: Any, high: Any) -> Any:
    return _shuffled(builder, low, high, list(range(2 * low.type.count)))


def _shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, len(order)), order))


def _interpolated(builder: Any, share: Any, values: list[Any]) -> list[Any]:
    """Both planes of a sample and the one after it."""
    found = []
    for sample, later in zip(values[:2], values[2:], strict=True):
        step = builder.fsub(later, sample, flags=_FLAGS)
        found.append(builder.fadd(builder.fmul(share, step, flags=_FLAGS), sample, flags=_FLAGS))
    return found


def _echo(
    typing: Any, array: Any, record: Any, row: Any, share: Any
) -> tuple[Any, Callable[..., Any]]:
    planes = UniTuple(_LANES, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        begin, rows = builder.gep(data, [args[1]]), builder.fptosi(args[2], _INTEGERS)
        found = _interpolated(builder, args[3], _gathered(builder, begin, rows))
        return context.make_tuple(builder, planes, found)

    return planes(array, types.int64, row, share), codegen


def _echo_in_window(
    typing: Any, array: Any, record: Any, window: Any, row: Any, share: Any
) -> tuple[Any, Callable[..., Any]]:
    planes = UniTuple(_LANES, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        begin, rows = builder.gep(data, [args[1]]), builder.fptosi(args[3], _INTEGERS)
        if _picks(context):
            values = [_picked(builder, begin, args[2], rows, k) for k in range(_QUAD)]
        else:
            values = _gathered(builder, begin, _inside(builder, args[2], rows))
        return context.make_tuple(builder, planes, _interpolated(builder, args[4], values))

    return planes(array, types.int64, types.int64, row, share), codegen


echo: Any = intrinsic(_echo)
"""``echo(array, record, row, share)``: ``s + share (t - s)`` for 16 lines, in phase and in
quadrature, s being sample ``row`` and t the one after it of the (re, im) samples from
``array[record]`` on."""
echo_in_window: Any = intrinsic(_echo_in_window)
"""``echo_in_window(array, record, window, row, share)``: the same, where all those samples lie
among the 16 from sample ``window`` on, and all these in the array. A line whose samples do not lie
there gets some others."""
