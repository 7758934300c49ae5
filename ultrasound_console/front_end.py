"""The source in use: opened in the background, configured between frames, started and stopped."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .frames import AcquiredFrame, Acquisition, ChannelFrame
from .handover import Latest
from .pipeline.pace import on_step
from .record.marks import Note
from .settings import AcquisitionSettings, Settings
from .sources import Annotated, NoPrfError, Source, SourceError, open_source
from .status import Notice
from .store import SettingsStore

READ_TIMEOUT_S = 0.25
JOIN_TIMEOUT_S = 2.0
# Frames that come too late one after the other, each with a higher number than the one before, are
# no stragglers: the source counts anew.
_COUNTS_ANEW = 5

_log = logging.getLogger(__name__)


class Begun(Protocol):
    """Told by the acquisition thread that the frames to come are of another acquisition."""

    def __call__(self, acquisition: Acquisition, *, is_new_source: bool) -> None:
        """Take note, before the first of them is read."""


@dataclass(frozen=True)
class _Opened:
    """A source that is configured and waits to be taken over."""

    name: str
    source: Source
    start: AcquisitionSettings
    settings: AcquisitionSettings
    last: Settings | None
    acquisition: Acquisition

    @property
    def annotations(self) -> tuple[Note, ...]:
        """Notes that the source brings along for its pictures."""
        return self.source.annotations if isinstance(self.source, Annotated) else ()


class FrontEnd:
    """Holds the source that transmits, and reads it.

    :meth:`open`, :meth:`silence` and :meth:`close` are for the screen's thread, :meth:`step` is for
    the acquisition thread, :meth:`stop` for all.

    Parameters
    ----------
    store : SettingsStore
        Acquisition settings are applied between frames; refused ones are put back.
    raw : Latest
        Where frames go, numbered on from source to source.
    notify : callable
        Takes a :class:`~ultrasound_console.status.Notice`, from any thread.
    forget : callable
        Called under :attr:`transmit` when another source takes the place of the present one.
    begun : callable
        See :class:`Begun`.

    Attributes
    ----------
    transmit : threading.RLock
        Guards the source and :attr:`acquisition`, and that it transmits only while :attr:`live` is
        set.
    live : threading.Event
    acquisition : Acquisition or None
        What the source achieves.
    first_index : int
        Of what is acquired now, guarded like it; frames before are of another source, or of
        settings that were changed.
    opening : str
        Name of the source that is being opened; empty when none is.
    tap : callable
        Told of every frame that is read, in the acquisition thread; it must not wait.
    grid_step : int
        On which step of :data:`.pipeline.pace.STEPS` pictures are formed from now on; for the
        worker to set.
    n_left_out : int
        Frames of the present source that came again or too late.
    n_missed : int
        Frames that the present source has made, by their numbers, and that were not there when a
        later one came. One that comes after all is left out, and stays counted here.
    """

    def __init__(
        self,
        store: SettingsStore,
        raw: Latest[AcquiredFrame],
        notify: Callable[[Notice], None],
        forget: Callable[[], None],
        begun: Begun,
    ) -> None:
        self.transmit = threading.RLock()
        self.live = threading.Event()
        self.acquisition: Acquisition | None = None
        self.opening = ""
        self.tap: Callable[[AcquiredFrame], None] = lambda frame: None
        self._store = store
        self._raw = raw
        self._notify = notify
        self._forget = forget
        self._begun = begun
        self._source: Source | None = None
        self._configured: AcquisitionSettings | None = None
        self._incoming: _Opened | None = None
        self._opener: threading.Thread | None = None
        self._transmitting = self._may_fail = self._is_closed = False
        self.first_index = 0
        self._offset = 0  # to the numbers of the source
        self._next_index = 0
        self._late: list[int] = []
        self.grid_step = 0
        self.n_left_out = self.n_missed = 0

    @property
    def filling(self) -> tuple[int, int] | None:
        """See :attr:`.sources.Source.filling`; None without a source."""
        source = self._source
        return None if source is None else source.filling

    def open(self, name: str, prf_hz: float | None, last: Settings | None) -> None:
        """See :meth:`~ultrasound_console.engine.Engine.open`."""
        self.opening = name
        self._opener = threading.Thread(
            target=self._open, args=(name, prf_hz, last), name="open", daemon=True
        )
        self._opener.start()

    def silence(self) -> None:
        """Stop transmitting, now and until :attr:`live` is set again."""
        with self.transmit:
            self.live.clear()
            self.stop()

    def stop(self) -> None:
        """Stop transmitting; the next :meth:`step` starts it again if it is live."""
        with self.transmit:
            self._transmitting = False
            if self._source is not None:
                self._source.stop()

    def leave_what_came(self) -> None:
        """Show nothing any more of what has been read so far."""
        with self.transmit:
            self.first_index = self._next_index

    def close(self, timeout_s: float) -> None:
        """Close the source; the acquisition thread has ended.

        One that is being opened is waited for so long, and else closed when it is there.
        """
        if self._opener is not None:
            self._opener.join(timeout_s)
        with self.transmit:
            self._is_closed = True
            for source in (self._source, self._incoming.source if self._incoming else None):
                if source is not None:
                    try:
                        # What was taken over at the last moment has begun once more.
                        source.stop()
                        source.close()
                    except Exception:  # noqa: BLE001 - the program ends all the same
                        _log.exception("%s cannot be closed", source.name)
            self._source = self._incoming = None

    def step(self) -> None:
        """Take over what was opened, configure what was changed, read one frame."""
        self._take_over()
        if not self.live.wait(READ_TIMEOUT_S) or self._source is None:
            self._hear_out()
            return
        source = self._source
        self._reconfigure(source)
        with self.transmit:
            if not self.live.is_set():
                return
            if not self._transmitting:
                source.start()
                self._transmitting = self._may_fail = True
        frame = self._read(source, READ_TIMEOUT_S)
        if frame is None:
            return
        if self._offset + frame.index < self._next_index and not self._counts_anew(frame.index):
            return
        index = self._offset + frame.index
        self._late.clear()
        self.n_missed += index - self._next_index
        self._next_index = index + 1
        frame = dataclasses.replace(frame, index=index)
        self.tap(frame)
        if self.grid_step and isinstance(frame, ChannelFrame):  # what is beamformed has its grid
            acquisition = on_step(frame.acquisition, self.grid_step)
            frame = dataclasses.replace(frame, acquisition=acquisition)
        # A recording goes on with another one, or the grid is another: what was read before is
        # shown all the same.
        if frame.acquisition is not self.acquisition:
            with self.transmit:
                self.acquisition = frame.acquisition
            self._begun(frame.acquisition, is_new_source=False)
        self._raw.put(frame)

    def _hear_out(self) -> None:
        """Let a source that was stopped say, once, that this failed: it may still transmit."""
        if self._source is not None and self._may_fail:
            self._read(self._source, 0.0)

    def _read(self, source: Source, timeout_s: float) -> AcquiredFrame | None:
        try:
            return source.read(timeout_s)
        except SourceError:
            self._may_fail = False
            raise

    def _counts_anew(self, index: int) -> bool:
        """Leave out a frame that came again or too late, unless the source has begun to count anew.

        An old picture is never shown as a new one.
        """
        if self._late and index <= self._late[-1]:
            self._late.clear()
        self._late.append(index)
        if len(self._late) == _COUNTS_ANEW:
            self._offset = self._next_index - index
            self._notify(Notice(f"the source counts its frames anew, from {self._late[0]} on"))
            return True
        self.n_left_out += 1
        if self.n_left_out == 1:
            self._notify(
                Notice(
                    f"frame {index} came again or too late: such frames are left out and counted"
                )
            )
        return False

    def _open(self, name: str, prf_hz: float | None, last: Settings | None) -> None:
        try:
            source = open_source(name, prf_hz=prf_hz)
            try:
                opened = self._configured_as(source, name, last)
            except BaseException:
                source.close()
                raise
        except Exception as error:  # noqa: BLE001 - the thread's boundary: it goes on screen
            self._has_opened(name)
            lacks_prf = name if isinstance(error, NoPrfError) else ""
            text = str(error)
            if not isinstance(error, SourceError):
                _log.error("fault in open", exc_info=error)
                text = f"{name} cannot be opened: {type(error).__name__} {error}"
            self._notify(Notice(text, is_error=True, lacks_prf=lacks_prf))
            return
        with self.transmit:
            if self._is_closed:
                opened.source.close()
                return
            if self._incoming is not None:
                self._incoming.source.close()
            self._incoming = opened
            self.stop()

    def _has_opened(self, name: str) -> None:
        """Wait for this source no longer, whether or not it can be used."""
        if self.opening == name:
            self.opening = ""

    def _configured_as(self, source: Source, name: str, last: Settings | None) -> _Opened:
        """Configure a new source as it was last used, or with its own settings."""
        start = source.defaults(AcquisitionSettings())
        if last is not None:
            try:
                acquisition = source.configure(last.acquisition)
            except SourceError as error:
                text = f"opened with its own settings, as those of last time do not work: {error}"
                self._notify(Notice(text))
            else:
                return _Opened(name, source, start, last.acquisition, last, acquisition)
        own = source.defaults(self._store.current.acquisition)
        return _Opened(name, source, start, own, None, source.configure(own))

    def _take_over(self) -> None:
        """Put an opened source in the place of the present one."""
        with self.transmit:
            opened, self._incoming = self._incoming, None
            if opened is None:
                return
            if self._source is not None:
                self._source.close()
            self._source = opened.source
            # The old one may have been started once more.
            self._transmitting = self._may_fail = False
            self._acquire(opened.acquisition)
            self._configured = opened.settings
            self.n_left_out = self.n_missed = 0
            self._forget()
        self._has_opened(opened.name)
        self._begun(opened.acquisition, is_new_source=True)
        rest = opened.last or self._store.current
        self._store.load(dataclasses.replace(rest, acquisition=opened.settings))
        self.live.set()
        text = "; ".join((f"opened {opened.source.name}", *opened.acquisition.notes))
        self._notify(
            Notice(
                text,
                opened=opened.source.name,
                asked=opened.name,
                start=opened.start,
                is_as_left=opened.last is not None,
                annotations=opened.annotations,
            )
        )

    def _reconfigure(self, source: Source) -> None:
        """Apply changed acquisition settings; refused ones are put back."""
        wanted = self._store.current.acquisition
        if wanted == self._configured or self._configured is None:
            return
        self.stop()
        try:
            acquisition = source.configure(wanted)
        except SourceError as error:
            self._store.correct(**dataclasses.asdict(self._configured))
            self._notify(Notice(str(error), is_error=True))
            acquisition = source.configure(self._configured)
        else:
            self._configured = wanted
        with self.transmit:
            self._acquire(acquisition)
        self._begun(acquisition, is_new_source=False)

    def _acquire(self, acquisition: Acquisition) -> None:
        """Go on numbering frames from here, and leave those of before."""
        self.acquisition = acquisition
        self.first_index = self._offset = self._next_index
        self._late.clear()
        self._raw.clear()
