"""Which kernel is being compiled: a machine makes its own at the first start, and keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numba.core import event

from . import kernels_network


class Compilation(event.Listener):  # type: ignore[misc]
    """Knows what numba is compiling at the moment; kernels loaded from its cache do not count.

    Attributes
    ----------
    n_compiled : int
        Kernels made since this one began to listen, without those that others call.
    """

    def __init__(self) -> None:
        self.n_compiled = 0
        # A kernel compiles those that it calls while it waits. Numba compiles in one thread at a
        # time, whichever asks.
        self._waiting: list[str] = []
        event.register("numba:compile", self)

    @property
    def kernel(self) -> str:
        """Name of the kernel that is being compiled, empty when none is."""
        # One read: the last name may go at any moment.
        return next(iter(self._waiting), "")

    @property
    def is_first_start(self) -> bool:
        """Whether kernels have had to be made, or one of the last ones that are needed is not."""
        return self.n_compiled > 0 or bool(self._waiting) or not _is_kept(kernels_network.posterior)

    def stop(self) -> None:
        """Listen no longer."""
        event.unregister("numba:compile", self)

    def on_start(self, event: event.Event) -> None:
        """Take note of a compilation that begins."""
        self._waiting.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: event.Event) -> None:
        """Take note of its end, good or bad."""
        if not self._waiting:  # it began before this one listened
            return
        self._waiting.pop()
        self.n_compiled += not self._waiting


def _is_kept(kernel: Any) -> bool:
    """Whether a kernel has been compiled before, for whichever arrays."""
    name = f"*.{kernel.py_func.__name__}-*.nbi"
    return any(Path(kernel.stats.cache_path).glob(name))
