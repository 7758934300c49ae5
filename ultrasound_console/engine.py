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
from dataclasses import dataclass, field

from .assets import AssetError
from .cine import Cine
from .compute import Compute, Formed
from .dsp.compilation import Compilation
from .frames import Acquisition, ChannelFrame, DopplerFrame
from .front_end import JOIN_TIMEOUT_S, READ_TIMEOUT_S, FrontEnd
from .handover import Latest
from .rerun import Rerun
from .segment import Segmenter
from .settings import Settings
from .settings.processing import CPU
from .status import CPU_NAME, EngineStatus, Notice, State
from .store import SettingsStore

_log = logging.getLogger(__name__)

STALE_PERIODS = 3.0
STALE_AT_LEAST_S = 0.3


@dataclass
class _Rate:
    """When finished frames come, for telling a late picture from a live one."""

    last_s: float = field(default_factory=time.perf_counter)
    interval_s: float = 0.0

    def tick(self) -> None:
        now_s = time.perf_counter()
        self.interval_s += 0.2 * (now_s - self.last_s - self.interval_s)
        self.last_s = now_s


class Engine:
    """Runs a source and the worker; the screen asks it for frames.

    :meth:`open`, :meth:`freeze`, :meth:`resume`, :meth:`show`, :meth:`refresh`, :meth:`rerun_loop`,
    :meth:`take_frame` and :meth:`close` are called from one thread, the screen's.

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
        self._raw: Latest[ChannelFrame] = Latest()
        self._jobs = threading.Condition()
        self._formed: Latest[Formed] = Latest(condition=self._jobs)
        self._again: Latest[int] = Latest(condition=self._jobs)
        self._finished: Latest[DopplerFrame] = Latest(wake)
        self._notices: deque[Notice] = deque(maxlen=100)
        self._compute = Compute(self._on_gpu_failed)
        self._load_segmenter = load_segmenter
        self._no_network = ""
        self._compilation = Compilation()
        self._device = CPU_NAME

        self._front = FrontEnd(store, self._raw, self._notify, self.cine.clear, self._begin)
        self._closing = threading.Event()

        self._addressed: int | None = None
        self._rerun: Rerun | None = None  # guarded by `_jobs`
        self._frozen = False
        self._fault = ""
        self._errors = 0
        self._rate = _Rate()
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
        self._prepared: Acquisition | None = None
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
        for slot in (self._raw, self._formed, self._again, self._finished):
            slot.clear()
        self.cine.unseal()
        self._rate = _Rate()
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
        if frame.processing != self.store.current.processing:
            self._again.put(index)

    def refresh(self) -> None:
        """Process the picture on screen again after a settings change, unless a new one comes."""
        acquisition = self._front.acquisition
        if self._frozen:
            if self._addressed is not None:
                self._again.put(self._addressed)
        elif acquisition is not None and acquisition.frame_interval_s == 0.0:
            self._repeat_held()

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
        if frame is None or not self._frozen or frame.index == self._addressed:
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
        return EngineStatus(
            state=self._state(acquisition),
            source=acquisition.source if acquisition else "",
            acquisition=acquisition,
            fault=self._fault,
            replaced_frames=sum(s.replaced for s in (self._raw, self._formed, self._finished)),
            errors=self._errors,
            device=self._device,
            compiling=self._compilation.kernel,
            n_compiled=self._compilation.n_compiled,
            network=self._network(),
            rerun_share=None if rerun is None else rerun.share,
        )

    def close(self) -> None:
        """End all threads and close the source."""
        self._closing.set()
        self._front.silence()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)
        self._compilation.stop()
        self._front.close()

    def _network(self) -> str:
        segmenter = self._compute.segmenter
        return self._no_network if segmenter is None else f"network: {segmenter.device}"

    def _state(self, acquisition: Acquisition | None) -> State:
        if self._fault:
            return State.FAULT
        if self._frozen:
            return State.FROZEN
        if acquisition is None or not self._has_frame:
            return State.PREPARING
        if acquisition.frame_interval_s > 0.0:
            period_s = max(acquisition.frame_interval_s, self._rate.interval_s)
            late_s = time.perf_counter() - self._rate.last_s
            if late_s > max(STALE_PERIODS * period_s, STALE_AT_LEAST_S):
                return State.STALE
        return State.LIVE

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
                self._front.silence()
                self.cancel_rerun()
                self._fault = f"{name}: {error}"
                self._notify(Notice(self._fault, is_error=True))

    def _begin(self, acquisition: Acquisition, *, is_new_source: bool) -> None:
        """Wait for the first picture of an acquisition."""
        if is_new_source:
            self.cancel_rerun()
        self._has_frame = False
        self._rate = _Rate(interval_s=acquisition.frame_interval_s)
        self._raw.clear()
        with self._jobs:
            self._jobs.notify_all()  # to prepare for it before its first frame
        if is_new_source:
            self._frozen, self._addressed, self._fault = False, None, ""

    def _form_step(self) -> None:
        frame = self._raw.take(READ_TIMEOUT_S)
        if frame is not None:
            self._formed.put(self._compute.form(frame, self.store.current.processing))

    def _doppler_step(self) -> None:
        if self.store.current.processing.asks_network:
            self._prepare_network()
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
        processing = self.store.current.processing
        done = self._compute.doppler(formed, processing, previous, for_cine=True)
        frame, estimates = done.frame, done.estimates
        self._previous = frame
        with self._front.transmit:
            # What another source made before it was replaced is not shown any more.
            if frame.acquisition is not self._front.acquisition:
                return
            if not self.cine.append(estimates.iq, frame, estimates.quantised):
                return
            self._rate.tick()
            self._has_frame = True
        self._device = done.device
        self._finished.put(frame)

    def _prepare_network(self) -> None:
        """Load the network once, and fit it to the pictures of each acquisition."""
        if self._compute.segmenter is None and not self._no_network:
            try:
                self._compute.segmenter = self._load_segmenter()
            except AssetError as error:
                self._no_network = "no network"
                self._notify(Notice(f"{error}; folds are found by continuity"))
            except Exception:
                self._no_network = "no network"  # or it would be loaded without end
                raise
        acquisition = self._front.acquisition
        if acquisition is not None and acquisition is not self._prepared:
            self._prepared = acquisition
            self._compute.prepare(acquisition, self.store.current.processing)

    def _process_again(self, index: int) -> None:
        """Run the frozen frame through the same worker with the settings in force."""
        iq = self.cine.iq(index)
        if iq is None:
            return
        done = self._compute.again(iq, self.store.current.processing, self.cine.before(index))
        self._device = done.device
        self.cine.replace(done.frame)
        self._finished.put(done.frame)

    def _go_on_with(self, rerun: Rerun) -> None:
        """Process one more frame of the loop; after the last one, put them all in place."""
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
            if frame.processing != self.store.current.processing:
                self._again.put(frame.index)

    def _on_gpu_failed(self, text: str) -> None:
        """Stay with the CPU until the user asks for the GPU again."""
        self.store.correct(compute=CPU)
        self._notify(Notice(text, is_error=True))
