"""Frames from another process: a ring of slots in memory that both have mapped.

The memory has no name: the other process inherits its file descriptor. So there is nothing to
unlink, nobody else can open it, and it is gone with the last process that had it, however that
ended. It can grow but not shrink, so that no other process can take mapped pages away.

Every slot begins with the number of its frame, which is odd while the frame is being written. A
reader looks at it before and after copying (a sequence lock). This relies on stores becoming
visible in their order, as they do on x86, and on the message about a frame being sent after it.

Python 3.8 and NumPy 1.19 are enough for this file: the other process may have no more.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

N_SLOTS = 4
_HEADER_BYTES = 64
_PAGE_BYTES = 4096


def new_memory() -> int:
    """Make memory without a name; it is empty until a ring is put into it.

    Returns
    -------
    int
        File descriptor, not inherited unless that is asked for.
    """
    memory = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return memory


def reserve(memory: int, frame_bytes: int) -> None:
    """Make the memory large enough for a ring of such frames, now and not at the first write.

    Raises
    ------
    OSError
        There is not so much memory.
    """
    os.posix_fallocate(memory, 0, N_SLOTS * _slot_bytes(frame_bytes))


class Ring:
    """A ring in memory that is large enough for it.

    Parameters
    ----------
    memory : int
        File descriptor; it may be closed afterwards.
    frame_bytes : int
        Size of a frame; a whole number of int16 samples.
    """

    def __init__(self, memory: int, frame_bytes: int) -> None:
        self._map = mmap.mmap(memory, N_SLOTS * _slot_bytes(frame_bytes))
        self._n_samples = frame_bytes // 2
        self._slot_bytes = _slot_bytes(frame_bytes)

    def put(self, number: int, samples: np.ndarray[Any, Any]) -> None:
        """Write a frame over the oldest one.

        Parameters
        ----------
        number : int
            Counts the frames, from 0.
        samples : int16 of the size of a frame

        Raises
        ------
        ValueError
            The frame is of another size or kind.
        """
        if samples.size != self._n_samples or samples.dtype != np.int16:
            raise ValueError(
                f"{samples.size} samples of {samples.dtype}, expected {self._n_samples} of int16"
            )
        header, slot = self._at(number)
        header[0] = 2 * number + 1
        slot.reshape(samples.shape)[...] = samples
        header[0] = 2 * number + 2

    def copy(self, number: int, take: Callable[[np.ndarray[Any, Any]], T]) -> T | None:
        """Copy a frame out.

        Parameters
        ----------
        number : int
        take : callable
            Copies what it needs from the flat samples, which may change while it does.

        Returns
        -------
        object or None
            What ``take`` returned; None where the frame was overwritten before it was through.
        """
        header, slot = self._at(number)
        if header[0] != 2 * number + 2:
            return None
        taken = take(slot)
        return taken if header[0] == 2 * number + 2 else None

    def _at(self, number: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        begin = (number % N_SLOTS) * self._slot_bytes
        header = np.frombuffer(self._map, np.uint64, 1, begin)
        return header, np.frombuffer(self._map, np.int16, self._n_samples, begin + _HEADER_BYTES)


def _slot_bytes(frame_bytes: int) -> int:
    """Whole pages."""
    return -(-(_HEADER_BYTES + frame_bytes) // _PAGE_BYTES) * _PAGE_BYTES
