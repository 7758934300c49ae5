"""The network as the engine uses it: loaded once, when it is first asked for.

At the first start on a machine kernels are compiled for half a minute. So that pictures need not
wait for those of the de-aliasing, they are shown as measured until these are made.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable

from .assets import AssetError
from .compute import Compute
from .frames import Acquisition, DopplerFrame, IqFrame
from .pipeline import doppler
from .segment import Segmenter
from .settings import ProcessingSettings
from .status import Notice

_log = logging.getLogger(__name__)

LATER = "de-aliasing is being prepared"
"""Note of a frame that is shown as measured until then."""


def noted(frame: DopplerFrame, wanted: ProcessingSettings) -> DopplerFrame:
    """Return the frame, with a note where it is not yet as the settings want it."""
    if frame.processing == wanted:
        return frame
    return dataclasses.replace(frame, notes=(*frame.notes, LATER))


class Network:
    """Loads the network into what computes; where it cannot be had, frames do without.

    Parameters
    ----------
    compute : Compute
    load : callable
        Makes the network, in the worker and once; where that raises AssetError, folds are found
        without it.
    notify : callable
        Takes a :class:`~ultrasound_console.status.Notice`.
    is_first_start : callable
        Whether kernels have had to be compiled.
    rehearsed : callable
        Called by a thread of its own when frames can be de-aliased that could not be before.

    Attributes
    ----------
    is_loading : bool
    """

    def __init__(
        self,
        compute: Compute,
        load: Callable[[], Segmenter],
        notify: Callable[[Notice], None],
        is_first_start: Callable[[], bool] = lambda: False,
        rehearsed: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_loading = False
        self._compute, self._load, self._notify = compute, load, notify
        self._is_first_start, self._rehearsed = is_first_start, rehearsed
        # Whether pictures come first, and the network after one of them.
        self._comes_later = False
        self._rehearsal: threading.Thread | None = None
        self._is_missing = False
        self._prepared: Acquisition | None = None

    @property
    def segmenter(self) -> Segmenter | None:
        """The network; None before it is loaded, and where it cannot be."""
        return self._compute.segmenter

    @property
    def state(self) -> str:
        """Where it computes, or that there is none; empty while nobody has asked for it."""
        if self.segmenter is None:
            return "no network" if self._is_missing else ""
        return f"network: {self.segmenter.device}"

    @property
    def file(self) -> str:
        """Its file and fingerprint; empty while nobody has asked for it."""
        found = self.segmenter
        return "" if found is None else f"{found.name}, sha256 {found.fingerprint}"

    def prepare(self, acquisition: Acquisition | None, processing: ProcessingSettings) -> None:
        """Load it if that was not done, and fit it to the pictures of an acquisition."""
        if self.segmenter is None and not self._is_missing and not self._comes_later:
            self._comes_later = self._is_first_start()
            if not self._comes_later:
                self._compute.segmenter = self._loaded()
        if acquisition is not None and acquisition is not self._prepared:
            self._prepared = acquisition
            self._compute.prepare(acquisition, processing)

    def so_far(self, processing: ProcessingSettings) -> ProcessingSettings:
        """Return the settings, without de-aliasing as long as that is not ready."""
        if not self._comes_later or not processing.asks_network:
            return processing
        return dataclasses.replace(processing, dealias=False)

    def rehearse(self, iq: IqFrame, processing: ProcessingSettings) -> None:
        """De-alias a frame in the background, once, for the network to be loaded and compiled."""
        if not self._comes_later or self._rehearsal is not None:
            return
        # Without flow the network would not be asked.
        everywhere = dataclasses.replace(processing, flow_power_db=0.0)

        def run() -> None:
            segmenter = None
            try:
                segmenter = self._loaded()
                doppler(iq, everywhere, None, segmenter)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: it goes on screen
                _log.exception("the rehearsal failed")
                self._notify(Notice(f"network: {error}", is_error=True))
            self._compute.segmenter, self._comes_later = segmenter, False
            self._rehearsed()

        self._rehearsal = threading.Thread(target=run, name="network", daemon=True)
        self._rehearsal.start()

    def _loaded(self) -> Segmenter | None:
        """Load the network, once; None where it cannot be had."""
        self.is_loading = True
        try:
            return self._load()
        except AssetError as error:
            self._is_missing = True
            self._notify(Notice(f"{error}; folds are found by continuity"))
            return None
        except Exception:
            self._is_missing = True  # or it would be loaded without end
            raise
        finally:
            self.is_loading = False

    def wait(self, timeout_s: float) -> None:
        """Wait for the background, which may be in the middle of compiling."""
        if self._rehearsal is not None:
            self._rehearsal.join(timeout_s)
