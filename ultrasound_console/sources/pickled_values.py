"""Values in a Python pickle, without unpickling: nothing is imported and nothing is called.

A pickle is a program for a small machine with a stack. Python's own machine imports what the
program names and calls it, which is how a pickle can run any code. This one only puts plain values
together: what would have been imported is a name here, and what would have been called is a
:class:`Record` of that name and of what it would have been given.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fields import MAX_SAMPLE_BYTES, display_name, library_call, refusal

MAGIC = b"\x80"
"""First byte of a pickle of protocol 2 or later."""
_MOST_STEPS = 500_000
"""Instructions, and so values: a capture of 1000 frames has some 30,000."""
_DEEPEST = 500
"""Values that are begun inside one another."""
_LONGEST_NAME = 300
_PUSHED = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ENDS = frozenset(("TUPLE", "FROZENSET", "APPENDS", "ADDITEMS", "SETITEMS", "POP_MARK"))


@dataclass(eq=False, repr=False, slots=True)
class Record:
    """What a pickle would have made by calling a class or a function.

    Attributes
    ----------
    name : str
        Of the class or function, with its module: ``numpy.dtype``.
    arguments : object
        What it would have been called with.
    state : object
        What it would have been given then: its attributes, as a rule a dictionary.
    """

    name: str
    arguments: Any = ()
    state: Any = None


def read_pickle(path: Path) -> Any:
    """Read the value in a pickle of protocol 2 to 5.

    Returns
    -------
    object
        None, bool, int, float, str, bytes, bytearray, list (also for a set), tuple, dict (with
        texts as keys; other keys are left out) or :class:`Record`. They may hold themselves, and
        one value may be in many places: look at what is asked for, never at everything.

    Raises
    ------
    SourceError
        Damaged, too large, or with an instruction that is not followed.
    """
    name = display_name(path)
    with library_call(name, "pickle"):
        n_bytes = path.stat().st_size
        if n_bytes > MAX_SAMPLE_BYTES:
            raise refusal(name, "", f"{n_bytes / 2**30:.3g} GiB is too large", "save fewer frames")
        with _Stream(path, n_bytes) as stream:
            return _run(stream, name)


class _Stream(io.BufferedReader):
    """A file for which no more room is made than it has bytes."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        super().__init__(io.FileIO(path))
        self._n_bytes = n_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._n_bytes:
            raise ValueError("cut off")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        del size
        return super().readline(_LONGEST_NAME)


def _run(stream: _Stream, name: str) -> Any:
    """Follow the instructions to the last one; what makes no sense raises whatever it likes."""
    stack: list[Any] = []
    begun: list[list[Any]] = []
    memo: dict[int, Any] = {}
    argument: Any
    for step, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        if step >= _MOST_STEPS or len(begun) > _DEEPEST:
            raise refusal(name, "pickle", "too many values, or too deep", "save fewer frames")
        code = instruction.name
        if code in _PUSHED:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _TUPLES:
            n = _TUPLES[code]
            stack[-n:] = [tuple(stack[-n:])]
        elif code in _ENDS:
            items, stack = stack, begun.pop()
            _end(code, items, stack)
        else:
            match code:
                case "PROTO" | "FRAME":
                    pass
                case "STOP":
                    return stack[-1]
                case "MARK":
                    begun.append(stack)
                    stack = []
                case "EMPTY_LIST" | "EMPTY_SET":
                    stack.append([])
                case "EMPTY_DICT":
                    stack.append({})
                case "APPEND":
                    item = stack.pop()
                    _extend(stack[-1], [item])
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    _set(stack[-1], [key, value])
                case "GLOBAL":
                    stack.append(Record(argument.replace(" ", ".")))
                case "STACK_GLOBAL":
                    what, module = stack.pop(), stack.pop()
                    if len(module) + len(what) > _LONGEST_NAME:
                        raise ValueError("no name")
                    stack.append(Record(".".join([module, what])))
                case "REDUCE" | "NEWOBJ":
                    arguments, made = stack.pop(), stack.pop()
                    stack.append(Record(made.name, arguments))
                case "NEWOBJ_EX":
                    state, arguments, made = stack.pop(), stack.pop(), stack.pop()
                    stack.append(Record(made.name, arguments, state))
                case "BUILD":
                    state = stack.pop()
                    stack[-1].state = state
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "POP":
                    stack.pop()
                case "DUP":
                    stack.append(stack[-1])
                case _:
                    problem = f"has an instruction that is not followed here ({code})"
                    raise refusal(name, "pickle", problem, "save it again with protocol 4")
    raise ValueError("without an end")


def _end(code: str, items: list[Any], stack: list[Any]) -> None:
    """Do what an instruction does with all values behind the last mark."""
    match code:
        case "TUPLE":
            stack.append(tuple(items))
        case "FROZENSET":
            stack.append(items)
        case "APPENDS" | "ADDITEMS":
            _extend(stack[-1], items)
        case "SETITEMS":
            _set(stack[-1], items)


def _extend(target: Any, items: list[Any]) -> None:
    """Append to a list, or to what would have been a class like one."""
    if isinstance(target, Record):
        target.state = target.state or []
        target = target.state
    target.extend(items)


def _set(target: Any, items: list[Any]) -> None:
    """Put keys and values into a dictionary, or into what would have been a class like one.

    Only texts as keys: others have no name to be found by, and numbers can be chosen so that a
    dictionary becomes very slow.
    """
    if isinstance(target, Record):
        target.state = target.state or {}
        target = target.state
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, str):
            target[key] = value
