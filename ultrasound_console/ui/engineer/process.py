"""What the system says of this program: memory, how busy each thread is, and what it runs on."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

_PROC = Path("/proc/self")
_LIBRARIES = ("PySide6-Essentials", "numpy", "scipy", "numba", "vispy", "h5py")
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


def resident_bytes(proc: Path = _PROC) -> int | None:
    """Memory that the program occupies; None where the system has no file that tells.

    Parameters
    ----------
    proc : Path
        Folder of the process, as Linux has it.
    """
    try:
        n_pages = int((proc / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return n_pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(native_id: int, proc: Path = _PROC) -> float | None:
    """Time that a thread has computed; None where that is not known.

    Parameters
    ----------
    native_id : int
    proc : Path
    """
    try:
        line = (proc / "task" / str(native_id) / "stat").read_text()
        user, system = line.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * _TICK_S
    except (OSError, ValueError):
        return None


class Threads:
    """How busy each Python thread was since it was asked last.

    Parameters
    ----------
    seconds_of : callable
        Time that a thread, by its native id, has computed.
    """

    def __init__(self, seconds_of: Callable[[int], float | None] = cpu_seconds) -> None:
        self._seconds_of = seconds_of
        self._before: dict[int, float] = {}
        self._asked_s: float | None = None

    def loads(self, now_s: float) -> tuple[tuple[str, float | None], ...]:
        """Name and share of one core for each thread; None the first time, or if not known.

        Parameters
        ----------
        now_s : float
            Now, on any clock.
        """
        elapsed_s = 0.0 if self._asked_s is None else now_s - self._asked_s
        before, self._before, self._asked_s = self._before, {}, now_s
        loads: list[tuple[str, float | None]] = []
        for thread in threading.enumerate():
            seconds = None if thread.native_id is None else self._seconds_of(thread.native_id)
            share = None
            if seconds is not None and thread.native_id is not None:
                self._before[thread.native_id] = seconds
                if elapsed_s > 0.0 and thread.native_id in before:
                    share = max(0.0, seconds - before[thread.native_id]) / elapsed_s
            is_screen = thread is threading.main_thread()
            loads.append(("screen" if is_screen else thread.name, share))
        return tuple(loads)


def versions(opengl: str) -> tuple[tuple[str, str], ...]:
    """Name what the program runs on.

    Parameters
    ----------
    opengl : str
        Version and renderer.
    """
    rows = [
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processors", str(os.cpu_count())),
        ("OpenGL", opengl),
        ("Python", sys.version.split()[0]),
    ]
    for name in _LIBRARIES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append((name, "not installed as a package"))
    return tuple(rows)
