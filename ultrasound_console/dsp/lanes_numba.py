# ruff: noqa: PLR0917 (intrinsics are called with positional arguments only)
"""Sixteen float32 lanes as one value inside numba kernels.

Numba's own loops over the ensemble reach about half of what the machine can do, because LLVM
does not keep short arrays in registers. These few operations make LLVM vectors of a fixed width
of 16; on a machine with narrower registers LLVM splits them. Numba's cache of compiled kernels
follows the kernels' own files: touch those after a change here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from .arrays import ALIGNMENT_BYTES, LANES

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def kernel(function: _Kernel) -> _Kernel:
    """Compile a kernel; sums stay in the order in which they are written."""
    compile_ = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
    return cast(_Kernel, compile_(function))


def exact(function: _Kernel) -> _Kernel:
    """Compile a kernel whose results are those of the same array code, to the last bit."""
    return cast(_Kernel, njit(cache=True, nogil=True, error_model="numpy")(function))


def reordered(function: _Kernel) -> _Kernel:
    """Compile a kernel whose sums may be taken in any order, so that LLVM vectorises them."""
    compile_ = njit(
        cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"}
    )
    return cast(_Kernel, compile_(function))


_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTEGERS = ir.VectorType(_INT32, LANES)
_LANE_NUMBERS = ir.Constant(_INTEGERS, list(range(LANES)))
# Products may be fused and sums reordered; NaN and infinity keep their meaning.
_FLAGS = ("contract", "reassoc", "nsz")
_UNALIGNED = 4


class LanesType(types.Type):
    """Numba type of 16 float32 values in one register."""

    def __init__(self) -> None:
        super().__init__(name="Lanes16")


_LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _VECTOR)


def _pointer(context: Any, builder: Any, signature: Any, args: Any, vector: Any = _VECTOR) -> Any:
    """Address of ``array[index]`` as a pointer to a vector."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    index = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _splat(builder: Any, value: Any, vector: Any = _VECTOR) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT32(0))
    order = ir.Constant(ir.VectorType(_INT32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)


def _load(typing: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = builder.load(_pointer(context, builder, signature, args))
        loaded.align = _UNALIGNED
        return loaded

    return _LANES(array, index), codegen


def _first_lanes(context: Any, builder: Any, count: Any, count_type: Any) -> Any:
    """Mask of the first ``count`` lanes."""
    n = builder.trunc(context.cast(builder, count, count_type, types.int64), _INT32)
    return builder.icmp_signed("<", _LANE_NUMBERS, _splat(builder, n, _INTEGERS))


def _masked(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    masked = builder.module.declare_intrinsic(f"llvm.masked.{name}.v{LANES}f32.p0", (), kind)
    return builder.call(masked, arguments)


def _load_first(typing: Any, array: Any, index: Any, count: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args)
        mask = _first_lanes(context, builder, args[2], count)
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        return _masked(builder, "load", _VECTOR, [pointer, _INT32(_UNALIGNED), mask, zeros])

    return _LANES(array, index, count), codegen


def _store_first(
    typing: Any, array: Any, index: Any, count: Any, value: Any
) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args)
        mask = _first_lanes(context, builder, args[2], count)
        arguments = [args[3], pointer, _INT32(_UNALIGNED), mask]
        _masked(builder, "store", ir.VoidType(), arguments)
        return context.get_dummy_value()

    return types.void(array, index, count, value), codegen


def _store_rounded(
    typing: Any, array: Any, index: Any, value: Any
) -> tuple[Any, Callable[..., Any]]:
    shorts = ir.VectorType(ir.IntType(16), LANES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        rint = builder.module.declare_intrinsic(f"llvm.rint.v{LANES}f32", (), kind)
        rounded = builder.fptosi(builder.call(rint, [args[2]]), _INTEGERS)
        pointer = _pointer(context, builder, signature, args, shorts)
        builder.store(builder.trunc(rounded, shorts), pointer).align = 2
        return context.get_dummy_value()

    return types.void(array, index, value), codegen


def _larger_magnitude(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        magnitude = builder.module.declare_intrinsic(f"llvm.fabs.v{LANES}f32", (), kind)
        b = builder.call(magnitude, [args[1]])
        return builder.select(builder.fcmp_ordered(">", args[0], b), args[0], b)

    return _LANES(a, b), codegen


def _store(typing: Any, array: Any, index: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args)
        builder.store(args[2], pointer).align = _UNALIGNED
        return context.get_dummy_value()

    return types.void(array, index, value), codegen


def _every(typing: Any, scalar: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return _LANES(types.float32), codegen


def _multiply_add(typing: Any, a: Any, b: Any, c: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[0], args[1], flags=_FLAGS)
        return builder.fadd(product, args[2], flags=_FLAGS)

    return _LANES(a, b, c), codegen


def _subtract(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(args[0], args[1], flags=_FLAGS)

    return _LANES(a, b), codegen


def _shifted(typing: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    order = ir.Constant(_INTEGERS, list(range(1, LANES + 1)))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], order)

    return _LANES(a, b), codegen


def _clamped(typing: Any, a: Any, low: Any, high: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, low_value, high_value = args
        over = builder.fcmp_ordered(">", value, low_value)
        value = builder.select(over, value, low_value)
        under = builder.fcmp_ordered("<", value, high_value)
        return builder.select(under, value, high_value)

    return _LANES(a, low, high), codegen


def _whole(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sitofp(builder.fptosi(args[0], _INTEGERS), _VECTOR)

    return _LANES(a), codegen


def _where_equal(typing: Any, a: Any, b: Any, value: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        same = builder.fcmp_ordered("==", args[0], args[1])
        return builder.select(same, args[2], ir.Constant(_VECTOR, [0.0] * LANES))

    return _LANES(a, b, value), codegen


def _load_samples(typing: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    number = array.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(context.get_data_type(number), LANES)
        loaded = builder.load(_pointer(context, builder, signature, args, vector))
        loaded.align = number.bitwidth // 8
        if number in types.signed_domain:
            return builder.sitofp(loaded, _VECTOR)
        return builder.uitofp(loaded, _VECTOR) if number in types.unsigned_domain else loaded

    return _LANES(array, index), codegen


def _store_quads(
    typing: Any, array: Any, index: Any, step: Any, a: Any, b: Any, c: Any, d: Any
) -> tuple[Any, Callable[..., Any]]:
    quad = ir.VectorType(_FLOAT, 4)
    # Within every four lanes, as processors do it in one instruction.
    fours = range(0, LANES, 4)
    low = [k + i for k in fours for i in (0, LANES, 1, LANES + 1)]
    high = [k + i for k in fours for i in (2, LANES + 2, 3, LANES + 3)]
    first = [k + i for k in fours for i in (0, 1, LANES, LANES + 1)]
    second = [k + i for k in fours for i in (2, 3, LANES + 2, LANES + 3)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def mixed(x: Any, y: Any, order: list[int]) -> Any:
            return builder.shuffle_vector(x, y, ir.Constant(_INTEGERS, order))

        data = context.make_array(array)(context, builder, args[0]).data
        one, two, three, four = args[3:]
        halves = [(mixed(one, two, order), mixed(three, four, order)) for order in (low, high)]
        turned = [mixed(*half, order) for half in halves for order in (first, second)]
        for k in range(LANES):
            lanes = [4 * (k // 4) + i for i in range(4)]
            order = ir.Constant(ir.VectorType(_INT32, 4), lanes)
            values = builder.shuffle_vector(turned[k % 4], turned[k % 4], order)
            at = builder.add(args[1], builder.mul(args[2], ir.IntType(64)(k)))
            pointer = builder.bitcast(builder.gep(data, [at]), quad.as_pointer())
            builder.store(values, pointer).align = _UNALIGNED
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, a, b, c, d), codegen


def _total(typing: Any, a: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        reduce_type = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        reduce = builder.module.declare_intrinsic(
            f"llvm.vector.reduce.fadd.v{LANES}f32", (), reduce_type
        )
        return builder.call(reduce, [_FLOAT(-0.0), args[0]], fastmath=_FLAGS)

    return types.float32(a), codegen


def _prefetch(typing: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(array)(context, builder, args[0]).data
        index = context.cast(builder, args[1], signature.args[1], types.intp)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch.p0", (), kind)
        address = builder.bitcast(builder.gep(data, [index]), byte)
        # To be read; wanted in all caches; data.
        builder.call(prefetch, [address, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(array, index), codegen


load: Any = intrinsic(_load)
"""``load(array, index)``: 16 values of a flat float32 array."""
load_samples: Any = intrinsic(_load_samples)
"""``load_samples(array, index)``: 16 integers or float32, side by side in memory, as float32."""
store_quads: Any = intrinsic(_store_quads)
"""``store_quads(array, index, step, a, b, c, d)``: lane k of all goes to ``index + k step``."""
load_first: Any = intrinsic(_load_first)
"""``load_first(array, index, count)``: the first of 16 values, and 0 in the lanes after them."""
store_first: Any = intrinsic(_store_first)
"""``store_first(array, index, count, lanes)``: write the first lanes to a flat float32 array."""
store_rounded: Any = intrinsic(_store_rounded)
"""``store_rounded(array, index, lanes)``: write 16 values, rounded, to a flat int16 array."""
larger_magnitude: Any = intrinsic(_larger_magnitude)
"""``larger_magnitude(a, b)``: the larger of a and the magnitude of b."""
store: Any = intrinsic(_store)
"""``store(array, index, lanes)``: write 16 values to a flat float32 array."""
every: Any = intrinsic(_every)
"""``every(scalar)``: the same value in all lanes."""
multiply_add: Any = intrinsic(_multiply_add)
"""``multiply_add(a, b, c)``: a b + c."""
subtract: Any = intrinsic(_subtract)
"""``subtract(a, b)``: a - b."""
shifted: Any = intrinsic(_shifted)
"""``shifted(a, b)``: lanes 1 ... 15 of a, then lane 0 of b."""
total: Any = intrinsic(_total)
"""``total(a)``: sum over the lanes."""
clamped: Any = intrinsic(_clamped)
"""``clamped(a, low, high)``: a within two limits."""
whole: Any = intrinsic(_whole)
"""``whole(a)``: a without its fraction."""
where_equal: Any = intrinsic(_where_equal)
"""``where_equal(a, b, value)``: value in the lanes where a equals b, else 0."""
prefetch: Any = intrinsic(_prefetch)
"""``prefetch(array, index)``: bring a place into the cache; it may lie beyond the array."""


@kernel
def aligned_scratch(n: int) -> NDArray[np.float32]:
    """Zeros for a kernel's own use; their registers lie within cache lines."""
    raw = np.zeros(n + LANES, np.float32)
    first = (-raw.ctypes.data % ALIGNMENT_BYTES) // raw.itemsize
    return raw[first : first + n]
