# ruff: noqa: PLR0917 (intrinsics are called with positional arguments only)
"""Echoes of sixteen image lines from one record, interpolated, inside numba kernels.

Neighbouring lines hear an element at nearly the same time, so that a short window of its record
holds the samples of all sixteen. Where the processor can pick from two registers at once
(AVX-512), two loads and eight picks fetch them; elsewhere each line loads its own.
See :mod:`.lanes_numba` for the registers, and for the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
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


def _gathered(builder: Any, record: Any, rows: Any, value: int) -> Any:
    """Value of each line's quad, from wherever it is in the record."""
    quad = ir.VectorType(_FLOAT, _QUAD)
    parts = []
    for lane in range(LANES):
        row = builder.extract_element(rows, _INT32(lane))
        place = builder.gep(record, [builder.shl(row, _INT32(1))])
        loaded = builder.load(builder.bitcast(place, quad.as_pointer()))
        loaded.align = _UNALIGNED
        parts.append(loaded)
    width = _QUAD
    while len(parts) > _QUAD:  # four lines in a register
        parts = _joined(builder, parts, list(range(2 * width)))
        width *= 2
    order = [_QUAD * lane + value for lane in range(2 * _QUAD)]
    parts = _joined(builder, parts, order)
    return _joined(builder, parts, list(range(LANES)))[0]


def _joined(builder: Any, parts: list[Any], order: list[int]) -> list[Any]:
    """Join each two neighbours, and keep some of their values."""
    places = ir.Constant(ir.VectorType(_INT32, len(order)), order)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [builder.shuffle_vector(a, b, places) for a, b in pairs]


def _interpolated(builder: Any, share: Any, fetch: Callable[[int], Any], plane: int) -> Any:
    sample, later = fetch(plane), fetch(plane + 2)
    step = builder.fsub(later, sample, flags=_FLAGS)
    return builder.fadd(builder.fmul(share, step, flags=_FLAGS), sample, flags=_FLAGS)


def _echo(
    typing: Any, array: Any, record: Any, row: Any, share: Any, plane: Any
) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        begin, rows = builder.gep(data, [args[1]]), builder.fptosi(args[2], _INTEGERS)
        return _interpolated(
            builder,
            args[3],
            lambda value: _gathered(builder, begin, rows, value),
            plane.literal_value,
        )

    return _LANES(array, types.int64, row, share, plane), codegen


def _echo_in_window(
    typing: Any, array: Any, record: Any, window: Any, row: Any, share: Any, plane: Any
) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        begin, rows = builder.gep(data, [args[1]]), builder.fptosi(args[3], _INTEGERS)
        picks = _picks(context)

        def fetch(value: int) -> Any:
            if picks:
                return _picked(builder, begin, args[2], rows, value)
            return _gathered(builder, begin, _inside(builder, args[2], rows), value)

        return _interpolated(builder, args[4], fetch, plane.literal_value)

    return _LANES(array, types.int64, types.int64, row, share, plane), codegen


echo: Any = intrinsic(prefer_literal=True)(_echo)
"""``echo(array, record, row, share, plane)``: ``s + share (t - s)`` for 16 lines, s being sample
``row`` and t the one after it of the (re, im) samples from ``array[record]`` on; of the in-phase
plane 0 or the quadrature plane 1 (a literal)."""
echo_in_window: Any = intrinsic(prefer_literal=True)(_echo_in_window)
"""``echo_in_window(array, record, window, row, share, plane)``: the same, where all those samples
lie among the 16 from sample ``window`` on, and all these in the array. A line whose samples do not
lie there gets some others."""
