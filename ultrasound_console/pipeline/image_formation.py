"""Channel samples to beamformed IQ and echo power."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp import beamform, bmode
from ..dsp.arrays import aligned_zeros
from ..dsp.compound import compound_power
from ..dsp.demodulate import (
    DemodulationPlan,
    channel_shape,
    demodulate,
    demodulate_records,
    low_pass,
)
from ..dsp.device import Gpu
from ..frames import AcquiredFrame, Acquisition, ChannelFrame, Float32, IqFrame
from ..settings import ProcessingSettings
from .checks import PipelineError, Stopwatch, check_acquisition, check_samples
from .coverage import channel_notes, check_reach

# Apodisation: the grey picture wants low side lobes; the velocity wants every element, and the
# side lobes of slow tissue go with the wall filter.
_BMODE_TAPER = 1.0
_COLOUR_TAPER = 0.5


class _Scratch(threading.local):
    """The demodulated block of the frame before, used again: one for each thread."""

    def __init__(self) -> None:
        self.block: Float32 = np.zeros(0, np.float32)

    def take(self, shape: tuple[int, ...]) -> Float32:
        if self.block.shape != shape:
            self.block = aligned_zeros(shape)
        return self.block


_scratch = _Scratch()


def form(frame: AcquiredFrame, processing: ProcessingSettings, gpu: Gpu | None = None) -> IqFrame:
    """Demodulate and beamform one frame.

    Parameters
    ----------
    frame : ChannelFrame or IqFrame
        What is beamformed already is returned as it is.
    processing : ProcessingSettings
        Only ``f_number`` matters here.
    gpu : Gpu, optional
        Computes, inside its :meth:`~ultrasound_console.dsp.device.Gpu.computing`. The call returns
        before it has finished, and each stage then takes as long as it takes to ask for it.

    Returns
    -------
    IqFrame
        With its arrays where they were computed.

    Raises
    ------
    PipelineError
        Samples of the wrong shape or kind, samples that are not finite, an acquisition that does
        not describe them, or a picture of which nothing was recorded.
    """
    acquisition = frame.acquisition
    check_acquisition(acquisition)
    if isinstance(frame, IqFrame):
        return frame
    watch = Stopwatch()
    with watch.stage("check"):
        check_samples("colour", frame.colour, acquisition.n_colour_pulses, acquisition)
        if frame.bmode is not None:
            n_angles = len(acquisition.bmode_angles_rad)
            check_samples("B-mode", frame.bmode, n_angles, acquisition)
        notes = channel_notes(frame.colour[0])

    with watch.stage("demodulate"), _placed(frame.colour, gpu) as samples:
        plan = _demodulation_plan(acquisition, frame.colour)
        shape = channel_shape(plan, acquisition.n_colour_pulses, acquisition.probe.n_elements)
        scratch = _scratch.take(shape) if gpu is None else gpu.scratch(shape)
        channel = demodulate(samples, plan, out=scratch)
    with watch.stage("beamform"):
        receive = _receive_plan(acquisition, processing, plan, for_bmode=False)
        iq = beamform.delay_and_sum(
            channel, receive, acquisition.transmit_angle_rad, acquisition.start_time_s
        )
    with watch.stage("bmode"):
        power = _bmode_power(frame, iq, processing, gpu)
    return IqFrame(
        index=frame.index,
        time_s=frame.time_s,
        received_s=frame.received_s,
        acquisition=acquisition,
        iq=iq,
        bmode_power=power,
        truth=frame.truth,
        by_hand=frame.by_hand,
        stage_seconds=watch.seconds,
        notes=notes,
    )


def _placed(samples: NDArray[Any], gpu: Gpu | None) -> AbstractContextManager[NDArray[Any]]:
    """Bring samples to where they are computed with."""
    return nullcontext(samples) if gpu is None else gpu.uploaded(samples)


def _demodulation_plan(acquisition: Acquisition, samples: NDArray[Any]) -> DemodulationPlan:
    plan = DemodulationPlan(
        sampling_frequency_hz=acquisition.sampling_frequency_hz,
        center_frequency_hz=acquisition.center_frequency_hz,
        start_time_s=acquisition.start_time_s,
        n_samples=samples.shape[2],
        demodulation_frequency_hz=acquisition.demodulation_frequency_hz,
    )
    try:
        low_pass(plan)
    except ValueError as error:
        raise PipelineError(str(error)) from error
    if plan.n_iq_samples < 2:
        raise PipelineError(f"{plan.n_samples} samples are too few: the record is too short")
    return plan


def _receive_plan(
    acquisition: Acquisition,
    processing: ProcessingSettings,
    plan: DemodulationPlan,
    *,
    for_bmode: bool,
) -> beamform.ReceivePlan:
    grid = acquisition.bmode_grid if for_bmode else acquisition.colour_grid
    receive_rad = grid.angle_rad if for_bmode else acquisition.receive_angle_rad
    receive = beamform.ReceivePlan(
        grid=grid,
        element_x_m=acquisition.probe.element_x_m,
        element_z_m=acquisition.probe.element_z_m,
        receive_rad=receive_rad if grid.kind == "parallel" else None,
        f_number=processing.f_number,
        sound_speed_m_s=acquisition.sound_speed_m_s,
        center_frequency_hz=acquisition.center_frequency_hz,
        sampling_frequency_hz=plan.iq_sampling_frequency_hz,
        taper=_BMODE_TAPER if for_bmode else _COLOUR_TAPER,
        source_distance_m=acquisition.source_distance_m,
    )
    name = "B-mode" if for_bmode else "colour"
    transmits_rad = (for_bmode and acquisition.bmode_angles_rad) or (
        acquisition.transmit_angle_rad,
    )
    check_reach(name, receive, transmits_rad, acquisition.start_time_s, plan.n_iq_samples)
    return receive


def _bmode_power(
    frame: ChannelFrame, iq: Float32, processing: ProcessingSettings, gpu: Gpu | None
) -> Float32:
    """Echo power of the B-mode block, or of the ensemble where there is none.

    Where the colour box is smaller than the picture, some pulses of the ensemble make the picture.
    """
    acquisition = frame.acquisition
    power: Float32
    if frame.bmode is None and acquisition.bmode_grid == acquisition.colour_grid:
        power = bmode.mean_power(iq, acquisition.n_colour_pulses)
        return power
    samples, angles_rad = frame.bmode, acquisition.bmode_angles_rad
    if samples is None:
        samples = frame.colour[_spread(acquisition.n_pulses)]
        angles_rad = (acquisition.transmit_angle_rad,) * len(samples)
    plan = _demodulation_plan(acquisition, samples)
    receive = _receive_plan(acquisition, processing, plan, for_bmode=True)
    with _placed(samples, gpu) as placed:
        records = demodulate_records(placed, plan)
    power = compound_power(records, receive, angles_rad, acquisition.start_time_s)
    return power


def _spread(n_pulses: int) -> list[int]:
    """Choose pulses of an ensemble that make a grey picture wider than the colour box."""
    return sorted({0, n_pulses // 2, n_pulses - 1})
