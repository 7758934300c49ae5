"""The network as the engine uses it: loaded once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable

from .assets import AssetError
from .compute import Compute
from .frames import Acquisition
from .segment import Segmenter
from .settings import ProcessingSettings
from .status import Notice


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

    Attributes
    ----------
    is_loading : bool
    """

    def __init__(
        self, compute: Compute, load: Callable[[], Segmenter], notify: Callable[[Notice], None]
    ) -> None:
        self.is_loading = False
        self._compute, self._load, self._notify = compute, load, notify
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
        if self.segmenter is None and not self._is_missing:
            self.is_loading = True
            try:
                self._compute.segmenter = self._load()
            except AssetError as error:
                self._is_missing = True
                self._notify(Notice(f"{error}; folds are found by continuity"))
            except Exception:
                self._is_missing = True  # or it would be loaded without end
                raise
            finally:
                self.is_loading = False
        if acquisition is not None and acquisition is not self._prepared:
            self._prepared = acquisition
            self._compute.prepare(acquisition, processing)
