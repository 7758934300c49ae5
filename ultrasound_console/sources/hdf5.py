"""HDF5 files from anywhere: every object is looked at before it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .fields import (
    CORRECT_FILE,
    MAX_FIELD_BYTES,
    MAX_SAMPLE_BYTES,
    RECORD_AGAIN,
    check_sample_bytes,
    display_name,
    library_call,
    printable,
    refusal,
)

# MATLAB 7.3 stores the shape of an empty array as its values, and says so by this attribute.
MATLAB_EMPTY = "MATLAB_empty"
BLOSC_FILTER = 32001
BLOSC_OPTIONS = 4


class Hdf5:
    """An open HDF5 file whose objects are looked at before they are read.

    Only hard links are followed, so that nothing outside the file is opened; external and virtual
    storage, object types and unknown compression are refused.
    """

    def __init__(self, handle: h5py.File, file: str) -> None:
        self._handle = handle
        self.file = file

    def names(self, path: str = "") -> tuple[str, ...]:
        """Sorted names inside a group; empty where there is no such group."""
        node = self._node(path)
        if not isinstance(node, h5py.Group):
            return ()
        with library_call(self.file, path):
            return tuple(sorted(node))

    def has(self, path: str) -> bool:
        """Whether there is an object at this path."""
        return self._node(path) is not None

    def fetch(self, path: str) -> NDArray[Any] | None:
        """Small numeric array, or None where there is none."""
        dataset = self.dataset(path)
        if dataset is None:
            return None
        with library_call(self.file, path):
            size = math.prod(dataset.shape) * dataset.dtype.itemsize
            if size > MAX_FIELD_BYTES:
                raise refusal(self.file, path, f"{size} bytes is too large", CORRECT_FILE)
            if MATLAB_EMPTY in dataset.attrs:
                return None
            return np.asarray(dataset[()])

    def dataset(self, path: str) -> h5py.Dataset | None:
        """Look a numeric dataset up without reading it.

        Raises
        ------
        SourceError
            Something else is there, or it could not be read safely.
        """
        node = self._node(path)
        if node is None:
            return None
        if not isinstance(node, h5py.Dataset):
            raise refusal(self.file, path, "not an array", RECORD_AGAIN)
        with library_call(self.file, path):
            names = node.dtype.names
            if node.shape is None or (node.dtype.kind not in "iuf" and names != ("real", "imag")):
                raise refusal(self.file, path, "not an array of numbers", CORRECT_FILE)
            if node.is_virtual or node.external:
                problem = "its values are in another file"
                raise refusal(self.file, path, problem, "put them into this one")
            self._check_filters(node, path)
            chunks = node.chunks or node.shape
            if (
                len(chunks) != node.ndim
                or math.prod(chunks) * node.dtype.itemsize > MAX_SAMPLE_BYTES
            ):
                # The library itself runs away with memory on such a damaged file.
                raise refusal(self.file, path, "its chunks make no sense", RECORD_AGAIN)
        return node

    def samples(self, path: str) -> h5py.Dataset:
        """Look samples up: like :meth:`dataset`, but they have to be there, and fit in memory."""
        dataset = self.dataset(path)
        if dataset is None:
            raise refusal(self.file, path, "missing", "give a file with channel data")
        with library_call(self.file, path):
            shape, itemsize = dataset.shape, dataset.dtype.itemsize
            stored = dataset.id.get_storage_size()
        check_sample_bytes(self.file, path, math.prod(shape) if stored else 0, itemsize)
        return dataset

    def read(self, dataset: h5py.Dataset, path: str, selection: Any = ()) -> NDArray[Any]:
        """Read a dataset, or a part of it, that was looked up before."""
        with library_call(self.file, path):
            return np.asarray(dataset[selection])

    def _node(self, path: str) -> h5py.Group | h5py.Dataset | None:
        node: Any = self._handle
        for part in filter(None, path.split("/")):
            if not isinstance(node, h5py.Group):
                return None
            with library_call(self.file, path):
                links, name = node.id.links, part.encode()
                if not links.exists(name):
                    return None
                if links.get_info(name).type != h5py.h5l.TYPE_HARD:
                    problem = "a link, which may lead out of the file"
                    raise refusal(self.file, path, problem, "put the values themselves there")
                node = node[part]
        return node

    def _check_filters(self, dataset: h5py.Dataset, path: str) -> None:
        plan = dataset.id.get_create_plist()
        for index in range(plan.get_nfilters()):
            code, _, options, label = plan.get_filter(index)
            if not h5py.h5z.filter_avail(code):
                # Blosc and its like; importing the package registers them.
                import hdf5plugin  # noqa: F401

            if not h5py.h5z.filter_avail(code):
                problem = f"compressed by {printable(label.decode('ascii', 'replace'))} ({code})"
                raise refusal(self.file, path, problem, "write it again with gzip or none")
            if code == BLOSC_FILTER and len(options) < BLOSC_OPTIONS:
                # The filter would read them from beyond their end.
                raise refusal(self.file, path, "its compression makes no sense", RECORD_AGAIN)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5]:
    """Open an HDF5 file for reading.

    Raises
    ------
    SourceError
        It cannot be opened: damaged or cut off.
    """
    name = display_name(path)
    with library_call(name, "HDF5"):
        # A read-only medium has no locks; a program that is still writing has one.
        handle = h5py.File(path, "r", locking="best-effort")
    try:
        yield Hdf5(handle, name)
    finally:
        with library_call(name, "HDF5"):
            handle.close()
