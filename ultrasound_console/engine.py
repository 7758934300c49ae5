"""Live operation: an acquisition thread, and a worker of two stages.

``acquire -> Latest -> form -> Latest -> doppler -> cine + Latest -> screen``. Every hand-over keeps
only the newest whole frame, so the picture never lags; replaced frames are counted. The numeric
stages release the interpreter lock, so that the two worker threads use two cores, or one of them
feeds a GPU while the other waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from .cine import Cine
from .compute import Compute, Formed
from .dsp.compilation import Compilation
from .dsp.quantise import Quantised
from .frames import AcquiredFrame, Acquisition, Correction, DopplerFrame, IqFrame
from .front_end import JOIN_TIMEOUT_S, READ_TIMEOUT_S, FrontEnd
from .handover import Latest
from .network import LATER, Network, noted
from .pipeline.pace import Load
from .rerun import Rerun
from .segment import Segmenter
from .settings import Settings
from .settings.processing import CPU
from .status import CPU_NAME, EngineStatus, Notice, Pace, State
from .store import SettingsStore

_log = logging.getLogger(__name__)


def _tap_nothing(quantised: Quantised, iq: IqFrame) -> None:
    """Stand in where nobody listens."""


class Engine:
    """Runs a source and the worker; the screen asks it for frames.

    :meth:`open`, :meth:`freeze`, :meth:`resume`, :meth:`show`, :meth:`refresh`, :meth:`correct`,
    :meth:`rerun_loop`, :meth:`take_frame` and :meth:`close` are called from one thread: the
    screen's.

    Parameters
    ----------
    store : SettingsStore
        Acquisition settings are applied between frames, processing settings to the next frame.
    wake : callable
        Called from a worker thread when a frame or a notice waits to be taken.
    cine : Cine, optional
    load_segmenter : callable
        Makes the network, in the worker and once, when the settings ask for it; where that raises
        AssetError, folds are found without it.
    """

    def __init__(
        self,
        store: SettingsStore,
        wake: Callable[[], None] = lambda: None,
        cine: Cine | None = None,
        *,
        load_segmenter: Callable[[], Segmenter] = Segmenter,
    ) -> None:
        self.store = store
        self.cine = cine or Cine()
        self._wake = wake
        self._raw: Latest[AcquiredFrame] = Latest()
        self._jobs = threading.Condition()
        self._formed: Latest[Formed] = Latest(condition=self._jobs)
        self._again: Latest[int] = Latest(condition=self._jobs)
        self._finished: Latest[DopplerFrame] = Latest(wake)
        self._notices: deque[Notice] = deque(maxlen=100)
        self._compute = Compute(self._on_gpu_failed)
        self._tap_iq: Callable[[Quantised, IqFrame], None] = _tap_nothing
        self._compilation = Compilation()
        self._network = Network(
            self._compute,
            load_segmenter,
            self._notify,
            lambda: self._compilation.is_first_start,
            self.refresh,
        )
        self._device = CPU_NAME

        self._front = FrontEnd(store, self._raw, self._notify, self.cine.clear, self._begin)
        self._closing = threading.Event()

        self._addressed: int | None = None
        self._rerun: Rerun | None = None  # guarded by `_jobs`
        self._frozen = False
        self._fault = ""
        self._errors = 0
        self._pace = Pace()
        self._load = Load()
        self._has_frame = False
        self._threads = [
            threading.Thread(target=self._run, args=(name, step), name=name, daemon=True)
            for name, step in (
                ("acquire", self._front.step),
                ("form", self._form_step),
                ("doppler", self._doppler_step),
            )
        ]
        self._previous: DopplerFrame | None = None
        for thread in self._threads:
            thread.start()

    # ---- called by the screen -------------------------------------------------------------

    def open(self, name: str, *, prf_hz: float | None = None, last: Settings | None = None) -> None:
        """Open another source in the background; the present one runs until it is ready.

        The outcome comes as a :class:`Notice`.

        Parameters
        ----------
        name : str
        prf_hz : float, optional
            Rate of the pulses, for a recording that does not say it.
        last : Settings, optional
            What the source was last used with: put in force in the place of the present settings.
        """
        self._front.open(name, prf_hz, last)

    def freeze(self, shown_index: int | None) -> None:
        """Stop transmitting and hold the frame on screen.

        Parameters
        ----------
        shown_index : int or None
            Index of the frame on screen; later ones are forgotten.
        """
        self._front.silence()
        self._frozen = True
        self._addressed = shown_index
        self.cine.seal(shown_index)

    def resume(self) -> None:
        """Go on live."""
        self._frozen = False
        self._addressed = None
        self.cancel_rerun()
        # A still picture comes again; what is on its way from before is not of now.
        self._front.stop()
        self._front.leave_what_came()
        for slot in (self._raw, self._formed, self._again, self._finished):
            slot.clear()
        self.cine.unseal()
        self._has_frame = False  # what is on screen is not of now
        self._pace = Pace()
        self._load = Load(self._load.step, self._load.patience_s)  # the pause says nothing
        self._front.live.set()

    def restart(self) -> None:
        """Try again after a fault."""
        self._fault = ""
        self.resume()

    def show(self, index: int) -> None:
        """Put a frame of the frozen loop on screen, processed with the settings in force."""
        frame = self.cine.frame(index)
        if frame is None:
            return
        self._addressed = index
        self._finished.put(frame)
        if not self.is_as_wanted(frame):
            self._again.put(index)

    def is_as_wanted(self, frame: DopplerFrame) -> bool:
        """Whether the settings in force would make the same frame."""
        wanted = self.store.current.processing.for_samples_of(frame.processing)
        # One that waits for the de-aliasing says so, which does not hold once that is switched off.
        return frame.processing == wanted and LATER not in frame.notes

    def refresh(self) -> None:
        """Process the picture on screen again after a settings change, unless a new one comes."""
        acquisition = self._front.acquisition
        if self._frozen:
            if self._addressed is not None:
                self._again.put(self._addressed)
        elif acquisition is not None and acquisition.frame_interval_s == 0.0:
            self._repeat_held()

    def correct(self, index: int, correction: Correction | None) -> None:
        """Put what was given by hand over a frozen frame, or take it away."""
        self.cine.correct(index, correction)
        frame = self.cine.frame(index)
        if frame is not None and index == self._addressed:
            self._finished.put(frame)

    def tap(
        self,
        acquired: Callable[[AcquiredFrame], None] | None = None,
        kept: Callable[[Quantised, IqFrame], None] | None = None,
    ) -> None:
        """Hand every frame on as well; without arguments, no more.

        Parameters
        ----------
        acquired : callable, optional
            Told of every frame that is read, by the thread that reads; it must not wait.
        kept : callable, optional
            Told of the samples of every frame that the loop takes, by the worker; the same.
        """
        self._front.tap = acquired or (lambda frame: None)
        self._tap_iq = kept or _tap_nothing

    @property
    def segmenter(self) -> Segmenter | None:
        """The network; None before it is loaded, and where it cannot be."""
        return self._network.segmenter

    def _repeat_held(self) -> None:
        """Process a still picture again, from the samples where the stored IQ does not do."""
        held = self.cine.indices()
        frame = self.cine.frame(held[-1]) if held else None
        if frame is None:
            return
        if frame.processing.f_number != self.store.current.processing.f_number:
            self._front.stop()  # the acquisition thread starts it, and its frame comes again
        else:
            self._again.put(frame.index)

    def rerun_loop(self) -> None:
        """Process the whole frozen loop again, in the background, with the settings in force.

        Until the last frame is done the loop stays as it was, and so it does after
        :meth:`cancel_rerun`.
        """
        if not self._frozen:
            return
        with self._jobs:
            self._rerun = Rerun(self.cine, self.store.current.processing)
            self._jobs.notify_all()

    def cancel_rerun(self) -> None:
        """Leave the loop as it is."""
        with self._jobs:
            self._rerun = None

    def take_frame(self) -> DopplerFrame | None:
        """Newest frame that may be shown: while frozen, only the addressed one."""
        frame = self._finished.take()
        if frame is None:
            return None
        if not self._frozen:
            return frame if frame.index >= self._front.first_index else None
        if frame.index == self._addressed:
            return frame
        # It may have taken the place of the addressed one.
        return None if self._addressed is None else self.cine.frame(self._addressed)

    def take_notices(self) -> tuple[Notice, ...]:
        """Everything the user should read since the last call."""
        taken = []
        while self._notices:
            taken.append(self._notices.popleft())
        return tuple(taken)

    def status(self) -> EngineStatus:
        """How things are now; cheap enough to be polled."""
        acquisition, rerun = self._front.acquisition, self._rerun
        replaced = self._raw.replaced, self._formed.replaced, self._finished.replaced
        return EngineStatus(
            state=self._state(acquisition),
            source=acquisition.source if acquisition else "",
            acquisition=acquisition,
            fault=self._fault,
            replaced_frames=sum(replaced),
            replaced_at=replaced,
            left_out=self._front.n_left_out,
            missed=self._front.n_missed,
            errors=self._errors,
            device=self._device,
            compiling=self._compilation.kernel,
            n_compiled=self._compilation.n_compiled,
            network=self._network.state,
            opening=self._front.opening,
            loads_network=self._network.is_loading,
            filling=self._front.filling,
            rerun_share=None if rerun is None else rerun.share,
        )

    def close(self) -> None:
        """End all threads and close the source."""
        self._closing.set()
        until_s = time.perf_counter() + JOIN_TIMEOUT_S

        def left_s() -> float:
            return max(0.0, until_s - time.perf_counter())

        self._silence_safely()
        for thread in self._threads:
            thread.join(left_s())
        self._network.wait(left_s())
        self._compilation.stop()
        self._front.close(left_s())

    def network_file(self) -> str:
        """File of the network and its fingerprint; empty while nobody has asked for it."""
        return self._network.file

    def _state(self, acquisition: Acquisition | None) -> State:
        if self._fault:
            return State.FAULT
        if self._frozen:
            return State.FROZEN
        if acquisition is None or not self._has_frame:
            return State.PREPARING
        return State.STALE if self._pace.is_late(acquisition.frame_interval_s) else State.LIVE

    # ---- threads --------------------------------------------------------------------------

    def _notify(self, notice: Notice) -> None:
        self._errors += notice.is_error
        self._notices.append(notice)
        self._wake()

    def _run(self, name: str, step: Callable[[], None]) -> None:
        while not self._closing.is_set():
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: it goes on screen
                _log.error("fault in %s", name, exc_info=error)
                self.cancel_rerun()
                # Nobody may try again between the two.
                with self._front.transmit:
                    self._silence_safely()
                    self._fault = f"{name}: {error}"
                self._notify(Notice(f"{name}: {error}", is_error=True))

    def _silence_safely(self) -> None:
        """Stop transmitting; a source that fails at that does not hide why it was stopped."""
        try:
            self._front.silence()
        except Exception:  # noqa: BLE001 - what was there to say before is said
            _log.exception("the source cannot be stopped")

    def _begin(self, acquisition: Acquisition, *, is_new_source: bool) -> None:
        """Wait for the first picture of an acquisition."""
        if is_new_source:
            self.cancel_rerun()
        self._has_frame = False
        self._pace = Pace(interval_s=acquisition.frame_interval_s)
        with self._jobs:
            self._jobs.notify_all()  # to prepare for it before its first frame
        if is_new_source:
            self._frozen, self._addressed, self._fault = False, None, ""
            self._load, self._front.grid_step = Load(), 0

    def _form_step(self) -> None:
        frame = self._raw.take(READ_TIMEOUT_S)
        if frame is not None:
            self._formed.put(self._compute.form(frame, self.store.current.processing))

    def _doppler_step(self) -> None:
        if self.store.current.processing.asks_network:
            self._network.prepare(self._front.acquisition, self.store.current.processing)
        with self._jobs:
            if not (self._formed.filled or self._again.filled or self._rerun):
                self._jobs.wait(READ_TIMEOUT_S)
            formed, index, rerun = self._formed.take(), self._again.take(), self._rerun
        if index is not None:
            self._process_again(index)
        if rerun is not None:
            self._go_on_with(rerun)
        if formed is None or not self._front.live.is_set():
            return
        previous = self._previous
        if previous is not None and previous.acquisition is not formed.iq.acquisition:
            previous = None
        wanted = self.store.current.processing.for_samples_of(formed.processing)
        processing = self._network.so_far(wanted)
        done = self._compute.doppler(formed, processing, previous, for_cine=True)
        frame, estimates = noted(done.frame, wanted), done.estimates
        self._previous = frame
        with self._front.transmit:
            # What another source made before it was replaced is not shown any more.
            if frame.index < self._front.first_index:
                return
            self._keep_frame_rate(formed, frame)
            if not self.cine.append(estimates.iq, frame, estimates.quantised):
                return
            self._pace.tick()
            self._has_frame = True
        kept = self.cine.kept(frame.index)
        if kept is not None:
            self._tap_iq(*kept)
        if processing != wanted and (iq := self.cine.iq(frame.index)) is not None:
            self._network.rehearse(iq, wanted)
        self._device = done.device
        self._finished.put(self.cine.frame(frame.index) or frame)

    def _keep_frame_rate(self, formed: Formed, frame: DopplerFrame) -> None:
        """Ask for coarser pictures where frames are lost, for finer ones where there is room."""
        if frame.processing.keep_frame_rate:
            first_s = sum(formed.iq.stage_seconds.values())
            longer_s = max(first_s, sum(frame.stage_seconds.values()) - first_s)
            n_lost = self._raw.replaced + self._formed.replaced
            interval_s = frame.acquisition.frame_interval_s
            self._load = self._load.after(time.perf_counter(), n_lost, longer_s, interval_s)
        else:
            self._load = Load()
        self._front.grid_step = self._load.step

    def _process_again(self, index: int) -> None:
        """Run the frozen frame through the same worker with the settings in force."""
        iq, shown = self.cine.iq(index), self.cine.frame(index)
        if iq is None or shown is None:
            return
        wanted = self.store.current.processing.for_samples_of(shown.processing)
        processing = self._network.so_far(wanted)
        done = self._compute.again(iq, processing, self.cine.before(index))
        frame = noted(done.frame, wanted)
        self._device = done.device
        self.cine.replace(frame)
        if processing != wanted:
            self._network.rehearse(iq, wanted)
        held = self.cine.frame(index)
        if held is not None:  # else another source has taken over
            self._finished.put(held)

    def _go_on_with(self, rerun: Rerun) -> None:
        """Process one more frame of the loop; after the last one, put them all in place."""
        wanted = rerun.processing
        if self._network.so_far(wanted) != wanted and (iq := rerun.next_iq) is not None:
            # The loop keeps what it gets: it waits until that can be as it is wanted.
            self._network.rehearse(iq, wanted)
            self._network.wait(READ_TIMEOUT_S)
            return
        rerun.step(self._compute)
        with self._jobs:
            if rerun is not self._rerun or not rerun.done:
                return
            self._rerun = None  # from here on it is not cancelled any more
        rerun.finish()
        shown = self._addressed
        frame = None if shown is None else self.cine.frame(shown)
        if frame is not None:
            self._finished.put(frame)
            if not self.is_as_wanted(frame):
                self._again.put(frame.index)

    def _on_gpu_failed(self, text: str) -> None:
        """Stay with the CPU until the user asks for the GPU again."""
        self.store.correct(compute=CPU)
        self._notify(Notice(text, is_error=True))
