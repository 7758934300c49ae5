"""Which device runs the pipeline, and what happens when the GPU fails.

A frame is never lost with the GPU: its samples are kept until it is finished, and whatever fails
on the GPU is done again on the CPU. Only if the CPU can do it was the GPU to blame; else it was the
frame, and the error goes up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .assets import AssetError
from .dsp.device import Gpu, missing_gpu, reason
from .frames import AcquiredFrame, Acquisition, DopplerFrame, IqFrame
from .pipeline import Estimates, doppler, estimate, form
from .segment import Segmenter
from .settings import ProcessingSettings
from .settings.processing import CPU, GPU
from .status import CPU_NAME

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Formed:
    """A frame between the two steps.

    Attributes
    ----------
    iq : IqFrame
        Its arrays lie where it was formed.
    gpu : Gpu or None
        Where that is; None is the CPU.
    channel : ChannelFrame or IqFrame
    processing : ProcessingSettings
        What it was formed from, and how.
    """

    iq: IqFrame
    gpu: Gpu | None
    channel: AcquiredFrame
    processing: ProcessingSettings


@dataclass(frozen=True, eq=False)
class Finished:
    """A frame after both steps.

    Attributes
    ----------
    frame : DopplerFrame
    estimates : Estimates
        With the quantised samples.
    device : str
        What computed the estimates.
    """

    frame: DopplerFrame
    estimates: Estimates
    device: str


class Compute:
    """Runs ``form`` and ``doppler`` on the device that the settings ask for.

    :meth:`form` is for one thread; :meth:`prepare`, :meth:`doppler` and :meth:`again` are for
    another.

    Parameters
    ----------
    failed : callable
        Told in one sentence, once, that the GPU cannot be used as it was asked for. From then on
        the CPU computes, until the settings ask for another device than they did.
    segmenter : Segmenter, optional
        Network for the second step.

    Attributes
    ----------
    segmenter : Segmenter or None
        May be set by the thread of the second step.
    """

    def __init__(self, failed: Callable[[str], None], segmenter: Segmenter | None = None) -> None:
        self._failed = failed
        self.segmenter = segmenter
        # Guards the three below; not held while anything is computed.
        self._lock = threading.Lock()
        self._gpu: Gpu | None = None
        self._asked = ""
        self._gave_up = False

    def prepare(self, acquisition: Acquisition, processing: ProcessingSettings) -> None:
        """Get the network ready for the pictures of an acquisition; for the second thread."""
        if self.segmenter is not None:
            self.segmenter.wants_gpu = self._chosen(processing) is not None
            # Where it fails, each frame says so.
            with contextlib.suppress(AssetError):
                self.segmenter.prepare(acquisition.colour_grid.shape)

    def form(self, channel: AcquiredFrame, processing: ProcessingSettings) -> Formed:
        """First step.

        Raises
        ------
        PipelineError
            See :func:`~ultrasound_console.pipeline.form`.
        """
        # What is beamformed already lies in host memory.
        gpu = None if isinstance(channel, IqFrame) else self._chosen(processing)
        iq, used = self._run(
            gpu,
            lambda gpu: form(channel, processing, gpu),
            lambda: form(channel, processing),
        )
        return Formed(iq, used, channel, processing)

    def doppler(
        self,
        formed: Formed,
        processing: ProcessingSettings,
        previous: DopplerFrame | None,
        *,
        for_cine: bool = False,
    ) -> Finished:
        """Second step, on the device of the first.

        Parameters
        ----------
        formed : Formed
        processing : ProcessingSettings
        previous : DopplerFrame or None
        for_cine : bool
            Quantise the samples too.

        Raises
        ------
        PipelineError
            See :func:`~ultrasound_console.pipeline.doppler`.
        """

        def on_cpu() -> Estimates:
            iq = formed.iq
            if formed.gpu is not None:  # what the GPU held may be gone
                iq = form(formed.channel, formed.processing)
            return estimate(iq, processing, for_cine=for_cine)

        estimates, used = self._run(
            formed.gpu, lambda _: estimate(formed.iq, processing, for_cine=for_cine), on_cpu
        )
        return self._finished(estimates, used, processing, previous)

    def again(
        self, iq: IqFrame, processing: ProcessingSettings, previous: DopplerFrame | None
    ) -> Finished:
        """Second step for a frame in host memory, on the device that the settings ask for."""
        estimates, used = self._run(
            self._chosen(processing),
            lambda gpu: estimate(dataclasses.replace(iq, iq=gpu.array(iq.iq)), processing),
            lambda: estimate(iq, processing),
        )
        return self._finished(estimates, used, processing, previous)

    def _finished(
        self,
        estimates: Estimates,
        used: Gpu | None,
        processing: ProcessingSettings,
        previous: DopplerFrame | None,
    ) -> Finished:
        if self.segmenter is not None:
            self.segmenter.wants_gpu = used is not None
        frame = doppler(estimates, processing, previous, self.segmenter)
        return Finished(frame, estimates, CPU_NAME if used is None else used.name)

    def _run(
        self, gpu: Gpu | None, on_gpu: Callable[[Gpu], T], on_cpu: Callable[[], T]
    ) -> tuple[T, Gpu | None]:
        """Return the result, and the GPU if it was that."""
        if gpu is None:
            return on_cpu(), None
        try:
            with gpu.computing():
                return on_gpu(gpu), gpu
        except Exception as error:  # noqa: BLE001 - a GPU may raise anything, or make it up; the
            # CPU is the judge, and says the same of a frame that is at fault.
            done = on_cpu()
            self._give_up(gpu, error)
            return done, None

    def _give_up(self, gpu: Gpu, error: Exception) -> None:
        """Use the GPU no more; say so, unless the other thread has said it already."""
        with self._lock:
            if gpu is not self._gpu:
                return
            self._gpu, self._gave_up = None, True
        _log.error("%s failed", gpu.name, exc_info=error)
        self._failed(
            f"GPU failed ({reason(error)}): going on with the CPU; choose Compute: gpu to try again"
        )

    def _chosen(self, processing: ProcessingSettings) -> Gpu | None:
        """GPU to use now; None is the CPU."""
        asked = processing.compute
        with self._lock:
            if asked != self._asked:
                self._asked, self._gave_up = asked, False
            if asked == CPU or self._gave_up:
                return None
            if self._gpu is None:
                why_not = missing_gpu()
                try:
                    self._gpu = None if why_not else Gpu()
                except Exception as error:  # noqa: BLE001 - see `_run`
                    why_not = reason(error)
                self._gave_up = self._gpu is None
            gpu = self._gpu
        if gpu is None and asked == GPU:
            self._failed(f"no GPU: {why_not}; going on with the CPU")
        return gpu
