"""A slot between two threads that keeps only the newest value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A slot for one value between two threads: the newest wins, replaced ones are counted.

    Parameters
    ----------
    on_filled : callable, optional
        Called by the putting thread when the slot was empty: one wake-up per hand-over, however
        many values are put before the taker comes.
    condition : threading.Condition, optional
        Shared by slots that one thread waits for together.
    """

    def __init__(
        self,
        on_filled: Callable[[], None] | None = None,
        condition: threading.Condition | None = None,
    ) -> None:
        self._condition = condition or threading.Condition()
        self._on_filled = on_filled
        self._value: T | None = None
        self._replaced = 0

    @property
    def replaced(self) -> int:
        """Values that were replaced before anyone took them."""
        with self._condition:
            return self._replaced

    def put(self, value: T) -> None:
        """Leave a value for the taker."""
        with self._condition:
            was_empty = self._value is None
            self._replaced += not was_empty
            self._value = value
            self._condition.notify_all()
        if was_empty and self._on_filled is not None:
            self._on_filled()

    @property
    def filled(self) -> bool:
        """Whether a value waits."""
        with self._condition:
            return self._value is not None

    def take(self, timeout_s: float = 0.0) -> T | None:
        """Empty the slot; wait for a value at most ``timeout_s``."""
        with self._condition:
            if self._value is None and timeout_s > 0.0:
                self._condition.wait(timeout_s)
            value, self._value = self._value, None
            return value

    def clear(self) -> None:
        """Empty the slot without counting."""
        with self._condition:
            self._value = None
