"""Arrays by name in a NumPy archive (``.npz``), an HDF5 file, a MATLAB 5 file or a pickle.

What an array is - its type and shape - is looked at before it is read, and nothing is unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .fields import (
    MAX_FIELD_BYTES,
    MAX_SAMPLE_BYTES,
    RECORD_AGAIN,
    check_sample_bytes,
    display_name,
    library_call,
    refusal,
)
from .hdf5 import Hdf5, open_hdf5
from .matlab5 import Matlab5
from .pickled_arrays import Pickled
from .pickled_values import MAGIC

Choose = Callable[[tuple[int, ...]], Any]
"""Looks at a shape and says which part of the array is wanted, or raises SourceError."""

_MATLAB5 = (b"\x00\x01IM", b"\x01\x00MI")
_ZIP, _DIRECTORY_END, _LARGE_END = b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x07"
# The end of an archive with the longest comment, and what stands before it in a large one.
_TAIL_BYTES = 22 + 2**16 + 20
# numpy itself refuses longer ones: they are parsed as Python literals.
_NPY_HEADER_BYTES = 10_000
_BLOCK_BYTES = 2**24


class DataFile(Protocol):
    """Named arrays; all methods raise SourceError where the file is damaged."""

    def names(self, near: str) -> tuple[str, ...]:
        """Names that could have been meant."""
        ...

    def fetch(self, name: str) -> NDArray[Any] | None:
        """Small array, or None where there is none of this name."""
        ...

    def samples(self, name: str, choose: Choose) -> NDArray[Any] | None:
        """Part of an array that may be large, or None where there is none of this name."""
        ...


@contextmanager
def open_data(path: Path) -> Iterator[DataFile]:
    """Open a data file, told apart by its content.

    Raises
    ------
    SourceError
        None of these kinds, or damaged.
    """
    name = display_name(path)
    with library_call(name, ""), path.open("rb") as stream:
        head, is_hdf5 = stream.read(128), h5py.is_hdf5(path)
    if is_hdf5:
        with open_hdf5(path) as file:
            yield _InHdf5(file)
    elif head[:4] == _ZIP:
        _check_directory(path, name)
        with library_call(name, "NPZ"):
            archive = zipfile.ZipFile(path)
        with archive:
            yield _InNpz(archive, name)
    elif head[124:128] in _MATLAB5:
        yield _InMatlab5(Matlab5(path), name)
    elif head[:1] == MAGIC:
        yield Pickled(path)
    else:
        raise refusal(name, "", "neither NPZ nor HDF5 nor MATLAB", "give one of these")


class _InHdf5:
    """Names are paths: ``scan/rf``."""

    def __init__(self, file: Hdf5) -> None:
        self._file = file
        self.fetch = file.fetch

    def names(self, near: str) -> tuple[str, ...]:
        group, slash, _ = near.rpartition("/")
        return tuple(f"{group}{slash}{name}" for name in self._file.names(group))

    def samples(self, name: str, choose: Choose) -> NDArray[Any] | None:
        if not self._file.has(name):
            return None
        dataset = self._file.samples(name)
        values = self._file.read(dataset, name, choose(dataset.shape))
        # This is how MATLAB writes complex numbers.
        is_pair = values.dtype.names is not None
        return values["real"] + np.complex64(1j) * values["imag"] if is_pair else values


class _InMatlab5:
    def __init__(self, file: Matlab5, name: str) -> None:
        self._file, self._name = file, name

    def names(self, near: str) -> tuple[str, ...]:
        del near
        return self._file.names

    def fetch(self, name: str) -> NDArray[Any] | None:
        return self._file.numbers(name, MAX_FIELD_BYTES) if name in self._file else None

    def samples(self, name: str, choose: Choose) -> NDArray[Any] | None:
        if name not in self._file:
            return None
        values = self._file.numbers(name, MAX_SAMPLE_BYTES)
        check_sample_bytes(self._name, name, values.size, values.itemsize)
        return np.asarray(values[choose(values.shape)])


class _InNpz:
    def __init__(self, archive: zipfile.ZipFile, file: str) -> None:
        self._archive, self._file = archive, file
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}

    def names(self, near: str) -> tuple[str, ...]:
        del near
        return tuple(sorted(self._entries))

    def fetch(self, name: str) -> NDArray[Any] | None:
        return self._read(name, MAX_FIELD_BYTES, lambda shape: ())

    def samples(self, name: str, choose: Choose) -> NDArray[Any] | None:
        return self._read(name, MAX_SAMPLE_BYTES, choose)

    def _read(self, name: str, max_bytes: int, choose: Choose) -> NDArray[Any] | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refusal(self._file, name, "compressed unusually", "save it with numpy.savez")
        with library_call(self._file, name):
            with self._archive.open(entry) as stream:
                head = BytesIO(stream.read(_NPY_HEADER_BYTES))
            shape, is_fortran, dtype = _header(head)
            if dtype.hasobject:
                problem = "Python objects, which are never opened because they can run code"
                raise refusal(self._file, name, problem, "save it as an array of numbers")
            n_bytes = math.prod(shape) * dtype.itemsize
            if n_bytes > max_bytes:
                problem = f"{n_bytes / 2**20:.3g} MiB is too large"
                raise refusal(self._file, name, problem, "cut it, or correct its name")
            if min(shape, default=0) < 0 or head.tell() + n_bytes != entry.file_size:
                raise ValueError("another size than it says")
            check_sample_bytes(self._file, name, n_bytes, 1)
            selection = choose(shape)
            values = np.empty(n_bytes, np.uint8)
            with self._archive.open(entry) as stream:
                stream.read(head.tell())
                for begin in range(0, n_bytes, _BLOCK_BYTES):
                    block = stream.read(min(_BLOCK_BYTES, n_bytes - begin))
                    if len(block) != len(values[begin : begin + _BLOCK_BYTES]):
                        raise ValueError("cut off")
                    values[begin : begin + _BLOCK_BYTES] = np.frombuffer(block, np.uint8)
            array: NDArray[Any] = values.view(dtype)
            array = array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)
            return array[selection]


def _header(head: BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type of an array in NumPy's format."""
    if npy.read_magic(head) == (1, 0):
        return npy.read_array_header_1_0(head)
    return npy.read_array_header_2_0(head)


def _check_directory(path: Path, name: str) -> None:
    """Refuse an archive whose list of contents would fill the memory."""
    with library_call(name, "NPZ"), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        # What looks like the end may be in a comment: all that do have to be small.
        pieces = stream.read().split(_DIRECTORY_END)
    sizes = [int.from_bytes(piece[8:12], "little") for piece in pieces[1:]]
    if not sizes:
        raise refusal(name, "", "cut off", RECORD_AGAIN)
    is_large = any(piece[-20:].startswith(_LARGE_END) for piece in pieces[:-1])
    if is_large or max(sizes) > MAX_FIELD_BYTES:
        raise refusal(name, "", "too large for an NPZ", "save it as HDF5")
