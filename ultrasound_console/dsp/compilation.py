"""Which kernel is being compiled: a machine makes its own at the first start, and keeps them."""

from __future__ import annotations

from numba.core import event


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
