"""Beamformed IQ to velocities, folds and a grey picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..dsp import bmode, flash, wall_filter
from ..dsp import doppler as estimator
from ..dsp.unwrap import unwrap
from ..frames import DopplerFrame, Float32, IqFrame, Status
from ..settings import ProcessingSettings
from .checks import PipelineError, Stopwatch, check_acquisition, check_iq

# The grey reference and the noise floor follow the scene with this time constant.
_LEVEL_TIME_S = 1.0
# A previous frame older than this says nothing about the folds of this one.
_LONGEST_MEMORY_S = 0.5
_NOISE_PERCENTILE = 5.0
# A note is due when more than this share of the flow is left out as a flash.
_FLASH_SHARE = 0.5
_LOWEST_POWER_DB = -30.0
# Level that stands for "no signal at all".
_SILENCE_DB = -200.0


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
    check_acquisition(acquisition)
    check_iq(iq)
    watch = Stopwatch()
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
