"""From channel samples to a finished picture, in two pure steps.

:func:`form` turns channel samples into beamformed IQ (what the cine keeps), :func:`doppler` turns
that into velocities, folds and a grey picture. Both are functions of their arguments only; a
frozen frame is processed again by calling :func:`doppler` once more.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dsp import beamform, bmode, flash, wall_filter
from .dsp import doppler as estimator
from .dsp.arrays import aligned_zeros, n_lanes
from .dsp.demodulate import (
    DemodulationPlan,
    all_finite,
    channel_shape,
    demodulate,
    demodulate_records,
    low_pass,
)
from .dsp.unwrap import unwrap
from .frames import Acquisition, ChannelFrame, DopplerFrame, Float32, IqFrame, Status
from .settings import ProcessingSettings

# The grey reference and the noise floor follow the scene with this time constant.
_LEVEL_TIME_S = 1.0
# A previous frame older than this says nothing about the folds of this one.
_LONGEST_MEMORY_S = 0.5
_NOISE_PERCENTILE = 5.0
# A note is due when more than this share of the flow is left out as a flash.
_FLASH_SHARE = 0.5
_LOWEST_POWER_DB = -30.0
# Apodisation: the grey picture wants low side lobes; the velocity wants every element, and the
# side lobes of slow tissue go with the wall filter.
_BMODE_TAPER = 1.0
_COLOUR_TAPER = 0.5
# Level that stands for "no signal at all".
_SILENCE_DB = -200.0
_KINDS = (np.int16, np.float32, np.complex64)


class PipelineError(ValueError):
    """A frame that cannot be processed; the message says what is wrong with it."""


class _Stopwatch:
    """Seconds spent in each named stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start_s


class _Scratch(threading.local):
    """The demodulated block of the frame before, used again: one for each thread."""

    def __init__(self) -> None:
        self.block: Float32 = np.zeros(0, np.float32)

    def take(self, shape: tuple[int, ...]) -> Float32:
        if self.block.shape != shape:
            self.block = aligned_zeros(shape)
        return self.block


_scratch = _Scratch()


def form(frame: ChannelFrame, processing: ProcessingSettings) -> IqFrame:
    """Demodulate and beamform one frame.

    Parameters
    ----------
    frame : ChannelFrame
    processing : ProcessingSettings
        Only ``f_number`` matters here.

    Returns
    -------
    IqFrame

    Raises
    ------
    PipelineError
        Samples of the wrong shape or kind, samples that are not finite, or an acquisition that
        does not describe them.
    """
    acquisition = frame.acquisition
    _check_acquisition(acquisition)
    watch = _Stopwatch()
    with watch.stage("check"):
        _check_samples("colour", frame.colour, acquisition.n_pulses, acquisition)
        if frame.bmode is not None:
            n_angles = len(acquisition.bmode_angles_rad)
            _check_samples("B-mode", frame.bmode, n_angles, acquisition)

    with watch.stage("demodulate"):
        plan = _demodulation_plan(acquisition, frame.colour)
        shape = channel_shape(plan, acquisition.n_pulses, acquisition.probe.n_elements)
        channel = demodulate(frame.colour, plan, out=_scratch.take(shape))
    with watch.stage("beamform"):
        receive = _receive_plan(acquisition, processing, plan, for_bmode=False)
        iq = beamform.delay_and_sum(
            channel, receive, acquisition.transmit_angle_rad, acquisition.start_time_s
        )
    with watch.stage("bmode"):
        power = _bmode_power(frame, iq, processing)
    return IqFrame(
        index=frame.index,
        time_s=frame.time_s,
        received_s=frame.received_s,
        acquisition=acquisition,
        iq=iq,
        bmode_power=power,
        truth=frame.truth,
        stage_seconds=watch.seconds,
    )


def doppler(
    iq: IqFrame, processing: ProcessingSettings, previous: DopplerFrame | None
) -> DopplerFrame:
    """Wall filter, velocity estimate, de-aliasing and grey picture of one frame.

    Parameters
    ----------
    iq : IqFrame
    processing : ProcessingSettings
    previous : DopplerFrame or None
        The frame before; its folds and levels carry on where it is recent and alike.

    Returns
    -------
    DopplerFrame

    Raises
    ------
    PipelineError
        IQ of the wrong shape, or not finite.
    """
    acquisition = iq.acquisition
    _check_acquisition(acquisition)
    _check_iq(iq)
    watch = _Stopwatch()
    notes: list[str] = []
    n_pulses = acquisition.n_pulses
    kind = wall_filter.strongest(processing.wall_filter, n_pulses)
    if kind != processing.wall_filter:
        notes.append(f"wall filter {kind}: {n_pulses} pulses are too few for a higher order")

    with watch.stage("velocity"):
        pixel_m = acquisition.colour_grid.pixel_size_m
        full_width = (processing.smoothing_m / pixel_m[0], processing.smoothing_m / pixel_m[1])
        maps = estimator.estimate(iq.iq, n_pulses, kind, full_width)
        flashing = None
        if processing.flash_rejection:
            unfiltered = estimator.smooth(estimator.autocorrelate(iq.iq, n_pulses), full_width)
            flashing = flash.is_flash(maps.power, unfiltered, kind, n_pulses)
    with watch.stage("levels"):
        if not math.isfinite(float(maps.power.max())):
            raise PipelineError("IQ samples are not finite, or too large")
        like = previous if _is_alike(previous, iq, processing) else None
        floor_db = _followed(
            bmode.level_db(maps.power, _NOISE_PERCENTILE),
            None if like is None else like.noise_floor_db,
            0.0 if like is None else iq.time_s - like.time_s,
        )
        power_db = bmode.to_db(maps.power, floor_db, _LOWEST_POWER_DB)
        reference_db = _followed(
            bmode.reference_db(iq.bmode_power),
            None if like is None else like.bmode_reference_db,
            0.0 if like is None else iq.time_s - like.time_s,
        )
        bmode_db = bmode.to_db(iq.bmode_power, reference_db)
    with watch.stage("dealias"):
        flow = power_db >= np.float32(processing.flow_power_db)
        if flashing is not None:
            left_out = np.count_nonzero(flow & flashing)
            if left_out > _FLASH_SHARE * np.count_nonzero(flow):
                notes.append("flash: tissue moves fast enough to pass the wall filter")
            flow &= ~flashing
        fold, confidence, abstained, reasons = _folds(
            maps, flow, processing, pixel_m, _remembered(previous, iq)
        )
        status = np.full(flow.shape, Status.NO_FLOW, np.uint8)
        status[flow] = Status.KEPT
        status[fold != 0] = Status.CORRECTED
        status[flow & abstained] = Status.ABSTAINED
        notes.extend(reasons)

    truth_m_s, vessel_mask = (None, None)
    if iq.truth is not None:
        truth_m_s, vessel_mask = iq.truth.on(acquisition.colour_grid)
    return DopplerFrame(
        index=iq.index,
        time_s=iq.time_s,
        received_s=iq.received_s,
        acquisition=acquisition,
        processing=processing,
        bmode_db=bmode_db,
        velocity_m_s=maps.velocity * np.float32(acquisition.nyquist_velocity_m_s),
        power_db=power_db,
        bandwidth=maps.bandwidth,
        confidence=confidence,
        fold=fold,
        status=status,
        bmode_reference_db=reference_db,
        noise_floor_db=floor_db,
        truth_m_s=truth_m_s,
        vessel_mask=vessel_mask,
        stage_seconds={**iq.stage_seconds, **watch.seconds},
        notes=tuple(notes),
    )


def _check_acquisition(acquisition: Acquisition) -> None:
    positive = {
        "sampling frequency": acquisition.sampling_frequency_hz,
        "centre frequency": acquisition.center_frequency_hz,
        "sound speed": acquisition.sound_speed_m_s,
        "PRF": acquisition.prf_hz,
    }
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0.0):
            raise PipelineError(f"the {name} is {value:g}: it must be a positive number")
    finite = {
        "demodulation frequency": acquisition.demodulation_frequency_hz,
        "start time": acquisition.start_time_s,
        "transmit angle": acquisition.transmit_angle_rad,
        "receive angle": acquisition.receive_angle_rad,
    }
    for name, value in finite.items():
        if not math.isfinite(value):
            raise PipelineError(f"the {name} is {value:g}")
    if acquisition.n_pulses < 2:
        raise PipelineError(f"{acquisition.n_pulses} pulses: a velocity needs at least 2")


def _check_samples(
    name: str, samples: NDArray[Any], n_transmits: int, acquisition: Acquisition
) -> None:
    n_elements = acquisition.probe.n_elements
    if samples.ndim != 3 or samples.shape[:2] != (n_transmits, n_elements):
        raise PipelineError(
            f"{name} samples have shape {samples.shape}, expected ({n_transmits} transmits, "
            f"{n_elements} elements, samples)"
        )
    if samples.dtype not in _KINDS:
        raise PipelineError(f"{name} samples are {samples.dtype}, not int16, float32 or complex64")
    is_iq = samples.dtype == np.complex64
    if is_iq != bool(acquisition.demodulation_frequency_hz):
        raise PipelineError(
            f"{name} samples are {samples.dtype}, but the demodulation frequency is "
            f"{acquisition.demodulation_frequency_hz:g} Hz"
        )
    if samples.dtype != np.int16 and not all_finite(samples):
        raise PipelineError(f"{name} samples are not finite, or too large")


def _check_iq(iq: IqFrame) -> None:
    acquisition = iq.acquisition
    shape = (*acquisition.colour_grid.shape, 2, n_lanes(acquisition.n_pulses))
    if iq.iq.shape != shape:
        raise PipelineError(f"IQ has shape {iq.iq.shape}, expected {shape}")
    if iq.bmode_power.shape != acquisition.bmode_grid.shape:
        raise PipelineError(
            f"B-mode power has shape {iq.bmode_power.shape}, expected "
            f"{acquisition.bmode_grid.shape}"
        )
    if not math.isfinite(float(iq.bmode_power.max())):
        raise PipelineError("B-mode power is not finite")


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
    return beamform.ReceivePlan(
        grid=grid,
        element_x_m=acquisition.probe.element_x_m,
        element_z_m=acquisition.probe.element_z_m,
        receive_rad=receive_rad if grid.kind == "parallel" else None,
        f_number=processing.f_number,
        sound_speed_m_s=acquisition.sound_speed_m_s,
        center_frequency_hz=acquisition.center_frequency_hz,
        sampling_frequency_hz=plan.iq_sampling_frequency_hz,
        taper=_BMODE_TAPER if for_bmode else _COLOUR_TAPER,
    )


def _bmode_power(frame: ChannelFrame, iq: Float32, processing: ProcessingSettings) -> Float32:
    """Echo power of the B-mode block, or of the ensemble where there is none."""
    acquisition = frame.acquisition
    if frame.bmode is None:
        if acquisition.bmode_grid != acquisition.colour_grid:
            raise PipelineError("without a B-mode block the B-mode grid must be the colour grid")
        return np.asarray(bmode.mean_power(iq, acquisition.n_pulses))
    plan = _demodulation_plan(acquisition, frame.bmode)
    receive = _receive_plan(acquisition, processing, plan, for_bmode=True)
    records = demodulate_records(frame.bmode, plan)
    return np.asarray(
        beamform.compound_power(
            records, receive, acquisition.bmode_angles_rad, acquisition.start_time_s
        )
    )


def _is_alike(previous: DopplerFrame | None, iq: IqFrame, processing: ProcessingSettings) -> bool:
    """Whether levels carry on from the previous frame: made the same way, and earlier."""
    return (
        previous is not None
        and previous.time_s < iq.time_s
        and previous.acquisition == iq.acquisition
        and previous.processing.wall_filter == processing.wall_filter
        and previous.processing.smoothing_m == processing.smoothing_m
    )


def _followed(level_db: float | None, before_db: float | None, elapsed_s: float) -> float:
    """Level that moves towards the present one with a time constant."""
    if level_db is None:
        return _SILENCE_DB if before_db is None else before_db
    if before_db is None or before_db == _SILENCE_DB:
        return level_db
    share = 1.0 - math.exp(-elapsed_s / _LEVEL_TIME_S)
    return before_db + share * (level_db - before_db)


def _remembered(previous: DopplerFrame | None, iq: IqFrame) -> Float32 | None:
    """Corrected velocity of the previous frame in the present v_N, NaN where it says nothing."""
    if (
        previous is None
        or not 0.0 < iq.time_s - previous.time_s < _LONGEST_MEMORY_S
        or previous.acquisition.colour_grid != iq.acquisition.colour_grid
    ):
        return None
    corrected = previous.corrected_m_s / np.float32(iq.acquisition.nyquist_velocity_m_s)
    unknown = (previous.status == Status.NO_FLOW) | (previous.status == Status.ABSTAINED)
    corrected[unknown] = np.nan
    return corrected


def _folds(
    maps: estimator.DopplerMaps,
    flow: NDArray[np.bool_],
    processing: ProcessingSettings,
    pixel_m: tuple[float, float],
    previous: Float32 | None,
) -> tuple[NDArray[np.int8], Float32, NDArray[np.bool_], tuple[str, ...]]:
    """Fold, confidence, abstained and notes; no fold and no claim when de-aliasing is off."""
    if not processing.dealias:
        nowhere = np.zeros(flow.shape, np.bool_)
        return nowhere.astype(np.int8), nowhere.astype(np.float32), nowhere, ()
    solved = unwrap(
        maps.velocity, np.float32(1.0) - maps.bandwidth, flow, pixel_m=pixel_m, previous=previous
    )
    fold = np.where(flow & ~solved.abstained, solved.fold, 0).astype(np.int8)
    return fold, solved.confidence, solved.abstained, solved.notes
