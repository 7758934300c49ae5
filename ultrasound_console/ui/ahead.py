"""A second process that compiles kernels at the very first start, while the first one opens.

Numba compiles in one thread of a process at a time; what one process has made, another loads from
the cache that they share. The second one makes what comes behind the demodulation: until the first
one has its window, a source and a demodulated frame, much of it is there.

It helps only where nothing was ever compiled. Numba writes that a kernel is kept before it writes
the kernel, so where there are old ones another process might load one of these. Two processes that
keep two kinds of one kernel in the same moment could mix them up: what then fails at every start is
mended by deleting the cache. Of those listed only what :func:`.beamform.delay_and_sum` calls comes
in several kinds.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType

import numpy as np
from numba.core import event

from ..assets import AssetError
from ..cine import Cine
from ..dsp import beamform
from ..dsp.arrays import n_lanes
from ..dsp.compilation import DEALIASING, PICTURE, is_kept
from ..dsp.compound import compound_power
from ..frames import Acquisition, IqFrame
from ..geometry import ImageGrid, Probe
from ..pipeline import doppler, estimate
from ..pipeline.coverage import check_reach
from ..segment import Segmenter
from ..settings import ProcessingSettings

_log = logging.getLogger(__name__)

_LONGEST_S = 300.0
_GRACE_S = 1.0
# Modules are found where the first process finds them.
_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import main; main()"

_RATE_HZ, _F0_HZ, _C_M_S = 20e6, 5e6, 1540.0
_N_PULSES, _N_IQ_SAMPLES = 8, 128
_ANGLES_RAD = (-0.1, 0.0, 0.1)
_PROBE = Probe.linear("compiles", 16, 0.3e-3, _F0_HZ)
_COLOUR_GRID = ImageGrid("parallel", 24, 20, (-2e-3, 2e-3), (4e-3, 8e-3))
_BMODE_GRID = ImageGrid("parallel", 32, 20, (-2e-3, 2e-3), (2e-3, 9e-3))


class CompilingAhead:
    """The second process, where there is something for it to do; it ends with this one.

    Used in a ``with`` statement, at the end of which it has ended, by force if need be.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if any(map(is_kept, (*PICTURE, *DEALIASING))):
            return
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and text
                [sys.executable, "-P", "-c", _PROGRAM, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            _log.warning("kernels are not compiled ahead: %s", error)

    def __enter__(self) -> CompilingAhead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if self._process is None:
            return
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> None:
        """Wait until it has done all it can, or has ended; from any thread."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LONGEST_S)

    def end(self) -> None:
        """Let it end behind the kernel in hand; does not wait."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()


class _Ending(event.Listener):  # type: ignore[misc]
    """Ends this process between two kernels, once nobody holds the other end of its input.

    So nothing is left half written, and a process whose console was killed ends as well.
    """

    def __init__(self) -> None:
        self._alone = False
        event.register("numba:compile", self)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        # Without a buffer: the interpreter may end meanwhile, and would wait for its lock.
        os.read(sys.stdin.fileno(), 1)
        self._alone = True

    def on_start(self, event: event.Event) -> None:
        """Go no further than to here."""
        if self._alone:
            os._exit(0)

    def on_end(self, event: event.Event) -> None:
        """Nothing: the kernel is not kept yet."""


def main() -> None:
    """Be the second process."""
    _Ending()
    make()


def make() -> None:
    """Process small frames of noise, so that what they take is compiled and kept."""
    processing = ProcessingSettings()
    measured = dataclasses.replace(processing, dealias=False)
    iq = _formed(processing)
    estimates = estimate(iq, measured, for_cine=True)
    frame = doppler(estimates, measured, None)
    Cine().append(estimates.iq, frame, estimates.quantised)
    doppler(dataclasses.replace(iq, index=1, time_s=0.03), measured, frame)
    with suppress(AssetError):
        # The network is not asked where nothing flows.
        doppler(iq, dataclasses.replace(processing, flow_power_db=0.0), None, Segmenter())


def _formed(processing: ProcessingSettings) -> IqFrame:
    """Form a frame from what the demodulation would give."""
    rng = np.random.default_rng(0)
    shape = _N_IQ_SAMPLES, _PROBE.n_elements + 1, 2, n_lanes(_N_PULSES)
    channel = rng.standard_normal(shape, np.float32)
    channel[..., _N_PULSES:] = 0.0
    records = np.zeros((len(_ANGLES_RAD), _PROBE.n_elements, _N_IQ_SAMPLES), np.complex64)
    colour, picture = (
        beamform.ReceivePlan(
            grid=grid,
            element_x_m=_PROBE.element_x_m,
            element_z_m=_PROBE.element_z_m,
            receive_rad=0.0,
            f_number=processing.f_number,
            sound_speed_m_s=_C_M_S,
            center_frequency_hz=_F0_HZ,
            sampling_frequency_hz=_RATE_HZ / 2.0,
        )
        for grid in (_COLOUR_GRID, _BMODE_GRID)
    )
    check_reach("colour", colour, (0.0,), 0.0, _N_IQ_SAMPLES)
    iq = beamform.delay_and_sum(channel, colour, 0.0, 0.0)
    acquisition = Acquisition(
        source="",
        probe=_PROBE,
        sampling_frequency_hz=_RATE_HZ,
        center_frequency_hz=_F0_HZ,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=_C_M_S,
        start_time_s=0.0,
        transmit_angle_rad=0.0,
        receive_angle_rad=0.0,
        bmode_angles_rad=_ANGLES_RAD,
        prf_hz=3000.0,
        requested_prf_hz=3000.0,
        max_prf_hz=3000.0,
        n_pulses=_N_PULSES,
        frame_interval_s=0.03,
        colour_grid=_COLOUR_GRID,
        bmode_grid=_BMODE_GRID,
    )
    return IqFrame(
        index=0,
        time_s=0.0,
        received_s=0.0,
        acquisition=acquisition,
        iq=iq,
        bmode_power=compound_power(records, picture, _ANGLES_RAD, 0.0),
    )
