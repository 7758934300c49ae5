"""What a source is, and how one is opened by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from ..frames import AcquiredFrame, Acquisition
from ..record.marks import Note
from ..settings import AcquisitionSettings

SIMULATED = "simulated:"
US4US = "us4us:"


class SourceError(Exception):
    """A source that cannot be used; the message names the file, the field and what to do."""


class NoPrfError(SourceError):
    """A recording that does not say the rate of its pulses; it opens where that is given."""


class Source(Protocol):
    """A device or a recording that delivers channel frames.

    All calls come from one thread, except :meth:`stop`, which ends a waiting :meth:`read` from any.
    """

    @property
    def name(self) -> str:
        """Name shown to the user; no path."""
        ...

    @property
    def n_frames(self) -> int | None:
        """Frames in one pass (a recording) or one heart cycle (a simulation), None if endless.

        Known after :meth:`configure`.
        """
        ...

    @property
    def filling(self) -> tuple[int, int] | None:
        """Frames of a cycle that are made and that will be, while they are being made; else None.

        May be asked from any thread.
        """
        ...

    def defaults(self, settings: AcquisitionSettings) -> AcquisitionSettings:
        """Return the settings with what this source starts with (a recording: its own PRF)."""
        ...

    def configure(self, settings: AcquisitionSettings) -> Acquisition:
        """Apply settings as nearly as possible and say what is achieved.

        Raises
        ------
        SourceError
            These settings cannot be had at all.
        """
        ...

    def start(self) -> None:
        """Begin to transmit or play; frames follow."""
        ...

    def read(self, timeout_s: float) -> AcquiredFrame | None:
        """Wait for the next frame, at most ``timeout_s``.

        Returns
        -------
        ChannelFrame, IqFrame or None
            None when none came in time, or when :meth:`stop` was called.

        Raises
        ------
        SourceError
            The source failed; it has to be opened again.
        """
        ...

    def stop(self) -> None:
        """Stop transmitting; position and settings are kept for the next :meth:`start`."""
        ...

    def close(self) -> None:
        """Let go of everything; a closed source stays closed."""
        ...


@runtime_checkable
class Annotated(Protocol):
    """A source that brings notes for its pictures along."""

    @property
    def annotations(self) -> tuple[Note, ...]:
        """Notes to be shown when it is opened."""
        ...


def source_names() -> tuple[str, ...]:
    """Names of the sources that need no file, as ``open_source`` takes them."""
    from .simulated import SCENES

    return tuple(SIMULATED + scene for scene in SCENES)


def open_source(name: str, *, real_time: bool = True, prf_hz: float | None = None) -> Source:
    """Open a recording by its path, a simulated source or a scanner.

    Parameters
    ----------
    name : str
        Path, ``simulated:NAME``, or ``us4us:`` and the session file of a scanner.
    real_time : bool
        Deliver frames at their own rate, in a loop; otherwise as fast as they are read.
    prf_hz : float, optional
        Rate of the pulses, for a recording that does not say it.

    Raises
    ------
    SourceError
        No such file or source, or one that cannot be read.
    """
    if name.startswith(SIMULATED):
        from .simulated import SimulatedSource

        return SimulatedSource(name.removeprefix(SIMULATED), real_time=real_time)
    if name.startswith(US4US):
        from .us4us import Us4usSource

        return Us4usSource(Path(name.removeprefix(US4US)))
    from .own import OwnRecording, is_own
    from .recording import RecordingSource

    if is_own(Path(name)):
        return OwnRecording(Path(name), real_time=real_time)
    return RecordingSource(Path(name), real_time=real_time, prf_hz=prf_hz)
