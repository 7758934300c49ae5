"""The whole frozen loop once more, with other settings, a frame at a time."""

from __future__ import annotations

from collections import deque

from .cine import Cine
from .compute import Compute
from .frames import DopplerFrame, IqFrame
from .settings import ProcessingSettings


class Rerun:
    """Processes the frames of a sealed ring again, in order.

    Each frame follows the new one before it, as if the loop had been acquired with these settings.
    The ring stays as it is until :meth:`finish`. For the thread of the second step; :attr:`share`
    may be read by others.

    Parameters
    ----------
    cine : Cine
    processing : ProcessingSettings

    Attributes
    ----------
    processing : ProcessingSettings
    """

    def __init__(self, cine: Cine, processing: ProcessingSettings) -> None:
        self._cine = cine
        self.processing = processing
        self._waiting = deque(cine.indices())
        self._n_frames = len(self._waiting)
        self._finished: list[DopplerFrame] = []

    @property
    def share(self) -> float:
        """How much is done, 0 ... 1."""
        return 1.0 - len(self._waiting) / max(1, self._n_frames)

    @property
    def done(self) -> bool:
        """Whether no frame is left to do."""
        return not self._waiting

    @property
    def next_iq(self) -> IqFrame | None:
        """Samples of the next frame, if one is left and the ring still holds it."""
        return self._cine.iq(self._waiting[0]) if self._waiting else None

    def step(self, compute: Compute) -> None:
        """Process the next frame, if one is left and the ring still holds it."""
        iq = self.next_iq
        held = self._cine.frame(iq.index) if iq is not None else None
        if iq is not None and held is not None:
            before = self._finished[-1] if self._finished else None
            if before is not None and before.acquisition is not iq.acquisition:
                before = None
            processing = self.processing.for_samples_of(held.processing)
            self._finished.append(compute.again(iq, processing, before).frame)
        if self._waiting:
            self._waiting.popleft()

    def finish(self) -> None:
        """Put all finished frames into the ring."""
        self._cine.replace(*self._finished)
