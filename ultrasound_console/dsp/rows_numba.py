# ruff: noqa: PLR0917 (intrinsics are called with positional arguments only)
"""Both planes of a few lanes as one value inside numba kernels.

In the ensemble layout the in-phase and the quadrature lanes of a sample follow one another, so that
12 lanes fill three registers of 8. A sum over rows needs no look at the planes until its end. See
:mod:`.lanes_numba` for why, and for the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
# Products may be fused and sums reordered; NaN and infinity keep their meaning.
_FLAGS = ("contract", "reassoc", "nsz")
_UNALIGNED = 4
_OCTET = ir.VectorType(_FLOAT, 8)
_OCTET_INTEGERS = ir.VectorType(_INT32, 8)


class RowType(types.Type):
    """Numba type of a row: 4 lanes a register of both planes, in-phase lanes first."""

    def __init__(self, n_registers: int) -> None:
        super().__init__(name=f"Row{n_registers}")
        self.n_registers = n_registers


@register_model(RowType)
class _RowModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, ir.ArrayType(_OCTET, fe_type.n_registers))


def _of_registers(builder: Any, row: Any, make: Callable[[int], Any]) -> Any:
    """Row whose register ``k`` is ``make(k)``."""
    value = ir.Constant(ir.ArrayType(_OCTET, row.n_registers), ir.Undefined)
    for k in range(row.n_registers):
        value = builder.insert_value(value, make(k), k)
    return value


def _splat(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_OCTET, ir.Undefined)
    first = builder.insert_element(undefined, value, _INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_OCTET_INTEGERS, [0] * 8))


def _zero_row(typing: Any, n_registers: Any) -> tuple[Any, Callable[..., Any]]:
    row = RowType(n_registers.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.ArrayType(_OCTET, row.n_registers), None)

    return row(n_registers), codegen


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Address of ``array[index]`` as a pointer to a register."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    index = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(data, [index]), _OCTET.as_pointer())


def _register_pointer(
    context: Any, builder: Any, signature: Any, args: Any, row: Any, k: int
) -> Any:
    """Place of a register; the planes lie ``apart``, and in a row of 1 or 3 side by side."""
    first = _pointer(context, builder, signature, args)
    half = row.n_registers // 2
    if row.n_registers % 2 or k < half:
        return builder.gep(first, [_INT32(k)])
    other = builder.gep(builder.bitcast(first, _FLOAT.as_pointer()), [args[2]])
    return builder.gep(builder.bitcast(other, _OCTET.as_pointer()), [_INT32(k - half)])


def _load_row(
    typing: Any, array: Any, index: Any, apart: Any, like: Any
) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def register(k: int) -> Any:
            loaded = builder.load(_register_pointer(context, builder, signature, args, like, k))
            loaded.align = _UNALIGNED
            return loaded

        return _of_registers(builder, like, register)

    return like(array, index, types.intp, like), codegen


def _store_row(
    typing: Any, array: Any, index: Any, apart: Any, row: Any
) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for k in range(row.n_registers):
            pointer = _register_pointer(context, builder, signature, args, row, k)
            register = builder.extract_value(args[3], k)
            builder.store(register, pointer).align = _UNALIGNED
        return context.get_dummy_value()

    return types.void(array, index, types.intp, row), codegen


def _add_turned(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    n_values = 8 * a.n_registers

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        registers = [builder.extract_value(args[1], k) for k in range(a.n_registers)]

        def register(k: int) -> Any:
            # Value i of the row comes from the other plane, and from there on in fours.
            places = [(i + n_values // 2) % n_values for i in range(8 * k, 8 * k + 8)]
            low, high = registers[places[0] // 8], registers[places[7] // 8]
            order = [place % 8 + 8 * (j >= 4) for j, place in enumerate(places)]
            other = builder.shuffle_vector(low, high, ir.Constant(_OCTET_INTEGERS, order))
            signs = [-1.0 if i < n_values // 2 else 1.0 for i in range(8 * k, 8 * k + 8)]
            signed = builder.fmul(ir.Constant(_OCTET, signs), other, flags=_FLAGS)
            return builder.fadd(builder.extract_value(args[0], k), signed, flags=_FLAGS)

        return _of_registers(builder, a, register)

    return a(a, b), codegen


def _add_scaled(typing: Any, scale: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        factor = _splat(builder, args[0])

        def register(k: int) -> Any:
            product = builder.fmul(factor, builder.extract_value(args[1], k), flags=_FLAGS)
            return builder.fadd(product, builder.extract_value(args[2], k), flags=_FLAGS)

        return _of_registers(builder, a, register)

    return a(types.float32, a, b), codegen


def _difference(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def register(k: int) -> Any:
            one, other = (builder.extract_value(row, k) for row in args)
            return builder.fsub(one, other, flags=_FLAGS)

        return _of_registers(builder, a, register)

    return a(a, b), codegen


zero_row: Any = intrinsic(prefer_literal=True)(_zero_row)
"""``zero_row(n)``: a row of n registers of zeros (a literal): 4 n lanes in both planes."""
load_row: Any = intrinsic(_load_row)
"""``load_row(array, index, apart, like)``: a row of as many lanes as ``like`` has; the quadrature
plane lies ``apart`` from the in-phase plane, right after it where the registers are 1 or 3."""
store_row: Any = intrinsic(_store_row)
"""``store_row(array, index, apart, row)``: write a row to a flat float32 array."""
add_scaled: Any = intrinsic(_add_scaled)
"""``add_scaled(scale, a, b)``: scale a + b, for a float32 and two rows."""
difference: Any = intrinsic(_difference)
"""``difference(a, b)``: a - b, for two rows."""
add_turned: Any = intrinsic(_add_turned)
"""``add_turned(a, b)``: a + i b, for two rows."""
