"""The settings in force, with undo and redo."""

from __future__ import annotations

import threading

from .declared import Value
from .settings import Settings

MAX_UNDO = 200


class SettingsStore:
    """Holds one :class:`Settings` value behind a lock.

    A slider drag is any number of :meth:`change` calls and one :meth:`commit`, a preset one
    :meth:`apply`; undo goes from commit to commit.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._lock = threading.Lock()
        self._current = settings or Settings()
        self._committed = self._current
        self._past: list[Settings] = []
        self._future: list[Settings] = []

    @property
    def current(self) -> Settings:
        """The settings in force."""
        with self._lock:
            return self._current

    def change(self, **changes: Value) -> Settings:
        """Put values in force without making an undo step.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range; nothing is changed then.
        """
        with self._lock:
            self._current = self._current.replace(**changes)
            return self._current

    def commit(self) -> None:
        """Make everything since the last commit one undo step."""
        with self._lock:
            self._commit()

    def apply(self, **changes: Value) -> Settings:
        """Put values in force as an undo step of their own.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range; nothing is changed then.
        """
        with self._lock:
            after = self._current.replace(**changes)
            self._commit()
            self._current = after
            self._commit()
            return after

    def correct(self, **changes: Value) -> Settings:
        """Replace values that cannot be had; undo does not bring them back.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range; nothing is changed then.
        """
        with self._lock:
            self._current = self._current.replace(**changes)
            self._committed = self._committed.replace(**changes)
            while self._past and self._past[-1] == self._committed:
                self._past.pop()
            return self._current

    def load(self, settings: Settings) -> None:
        """Put a whole set in force; what came before belongs to something else and is forgotten."""
        with self._lock:
            self._current = self._committed = settings
            self._past.clear()
            self._future.clear()

    def undo(self) -> Settings:
        """Go back one step; what was not committed yet is one."""
        with self._lock:
            self._commit()
            if self._past:
                self._future.append(self._committed)
                self._committed = self._current = self._past.pop()
            return self._current

    def redo(self) -> Settings:
        """Take back one undo, unless something has been changed since."""
        with self._lock:
            self._commit()
            if self._future:
                self._past.append(self._committed)
                self._committed = self._current = self._future.pop()
            return self._current

    def _commit(self) -> None:
        if self._current == self._committed:
            return
        self._past = [*self._past[-MAX_UNDO + 1 :], self._committed]
        self._future.clear()
        self._committed = self._current
