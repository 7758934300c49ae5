"""Beamformed IQ to velocities, folds and a grey picture."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..accuracy import erode, score_frame
from ..assets import AssetError
from ..dsp import bmode, flash, local_frequency, persistence
from ..dsp import doppler as estimator
from ..dsp.agreement import agree
from ..dsp.arrays import aligned_empty, aligned_zeros
from ..dsp.kernels_picture import leave_out, mark_status, remembered
from ..dsp.unwrap import Unwrapped, unwrap
from ..frames import Acquisition, DopplerFrame, Float32, FlowTruth, IqFrame, Status
from ..geometry import ImageGrid
from ..segment import Segmenter
from ..settings import ProcessingSettings
from .checks import Stopwatch
from .estimates import Estimates, estimate, weighed_by_second
from .segmentation import fold_probabilities

# The grey reference and the noise floor follow the scene with this time constant.
_LEVEL_TIME_S = 1.0
# A previous frame older than this says nothing about this one.
_LONGEST_MEMORY_S = 0.5
_NOISE_PERCENTILE = 5.0
# A note is due when more than this share of the flow is left out as a flash.
_FLASH_SHARE = 0.5
# No array has less noise than this below the bright end of its picture, and float32 ends here.
_CLEANEST_DB = 130.0
_SMALLEST_DB = -360.0
_LOWEST_POWER_DB = -30.0
# Level that stands for "no signal at all".
_SILENCE_DB = -200.0
# Speckle is judged over a window of this side: several speckle cells, and less than most vessels.
_SPECKLE_WINDOW_M = 1.2e-3
_WIDEST_HALF_WINDOW = 8
_CODES = int(Status.NO_FLOW), int(Status.KEPT), int(Status.CORRECTED), int(Status.ABSTAINED)
_KNOWN = int(Status.KEPT), int(Status.CORRECTED)
# Folds of the frame before that are less sure than this are not shown to the network.
_SURE = 0.6
# Probability from which the network's word for blood is taken.
_BLOOD = np.float32(0.5)
_BY_CONTINUITY = "folds by continuity"


def doppler(
    frame: IqFrame | Estimates,
    processing: ProcessingSettings,
    previous: DopplerFrame | None,
    segmenter: Segmenter | None = None,
) -> DopplerFrame:
    """Wall filter, velocity estimate, de-aliasing and grey picture of one frame.

    Parameters
    ----------
    frame : IqFrame or Estimates
        Its samples, or what has been estimated from them with these settings.
    processing : ProcessingSettings
    previous : DopplerFrame or None
        The frame before; its folds, levels and averages carry on where it is recent and alike.
    segmenter : Segmenter, optional
        Network to ask for the folds, where the settings want it; without it, or where it fails,
        they are found by continuity, and a note says so.

    Returns
    -------
    DopplerFrame

    Raises
    ------
    PipelineError
        IQ of the wrong shape, or not finite.
    ValueError
        Estimates that were made with other settings.
    """
    estimates = estimate(frame, processing) if isinstance(frame, IqFrame) else frame
    if estimates.processing != processing:
        raise ValueError("the estimates were made with other settings")
    iq, kind, maps = estimates.iq, estimates.kind, estimates.maps
    acquisition, watch, notes = iq.acquisition, Stopwatch(), list(estimates.notes)
    n_pulses, pixel_m = acquisition.n_pulses, acquisition.colour_grid.pixel_size_m
    like = previous if _is_alike(previous, iq, processing) else None
    elapsed_s = 0.0 if like is None else iq.time_s - like.time_s

    with watch.stage("levels"):
        flashing = None
        if estimates.unfiltered is not None:
            flashing = flash.is_flash(maps.power, estimates.unfiltered, kind, n_pulses)
        if acquisition.depth_gain_db:
            maps = _without_gain(maps, acquisition)
        if processing.persistence_s > 0.0:
            maps = _persisted(maps, like, elapsed_s, processing.persistence_s, flashing)
        reference_db = _followed(
            bmode.reference_db(iq.bmode_power),
            None if like is None else like.bmode_reference_db,
            elapsed_s,
        )
        floor_db = _followed(
            bmode.level_db(maps.power, _NOISE_PERCENTILE),
            None if like is None else like.noise_floor_db,
            elapsed_s,
        )
        if floor_db != _SILENCE_DB:
            # What rounding leaves of still, noiseless echoes is not flow.
            floor_db = max(floor_db, reference_db - _CLEANEST_DB, _SMALLEST_DB)
        power_db = bmode.to_db(maps.power, floor_db, _LOWEST_POWER_DB)
        bmode_db = bmode.to_db(iq.bmode_power, reference_db)
        if processing.speckle_reduction > 0.0:
            half_window = _speckle_window(acquisition.bmode_grid.pixel_size_m)
            bmode_db = bmode.despeckle(bmode_db, half_window, processing.speckle_reduction)
        flow = aligned_empty(power_db.shape, np.bool_)
        np.greater_equal(power_db, np.float32(processing.flow_power_db), out=flow)
        if flashing is not None:
            n_flow, n_left_out = leave_out(flow, flashing)
            if n_left_out > _FLASH_SHARE * n_flow:
                notes.append("flash: tissue moves fast enough to pass the wall filter")
    posterior = None
    if processing.asks_network and segmenter is None:
        notes.append(f"no network: {_BY_CONTINUITY}")
    elif processing.asks_network and segmenter is not None and flow.any():
        before = _remembered(previous, iq, least_confidence=_SURE)
        try:
            posterior = fold_probabilities(
                estimates, maps, power_db, before, segmenter=segmenter, watch=watch
            )
        except AssetError as error:
            notes.append(f"{error}; {_BY_CONTINUITY}")
        if segmenter.note:
            notes.append(segmenter.note)
    with watch.stage("dealias"):
        before = None if posterior is not None else _remembered(previous, iq)
        chances = weighed_by_second(estimates, maps.velocity, posterior)
        solved = _folds(
            maps,
            flow,
            processing,
            pixel_m,
            previous=before,
            chances=chances,
            by_network=posterior is not None,
        )
        fold, status = aligned_empty(flow.shape, np.int8), aligned_empty(flow.shape, np.uint8)
        mark_status(flow, solved.fold, solved.abstained, _CODES, status, fold)
        notes.extend(solved.notes)
    factor = None
    if processing.local_frequency:
        with watch.stage("frequency"):
            cycles = _cycles_per_depth(acquisition)
            if local_frequency.is_coarse(cycles):
                notes.append("no local frequency: depth samples lie too far apart")
            else:
                along_depth = local_frequency.correlate(estimates.ensemble, n_pulses, kind, cycles)
                along_depth = estimator.smooth(along_depth, estimates.full_width)
                factor = local_frequency.factor(along_depth, cycles, flow)

    velocity_m_s = aligned_empty(flow.shape)
    np.multiply(maps.velocity, np.float32(acquisition.nyquist_velocity_m_s), out=velocity_m_s)
    picture = DopplerFrame(
        index=iq.index,
        time_s=iq.time_s,
        received_s=iq.received_s,
        acquisition=acquisition,
        processing=processing,
        wall_filter=kind,
        bmode_db=bmode_db,
        velocity_m_s=velocity_m_s,
        power_db=power_db,
        bandwidth=maps.bandwidth,
        confidence=solved.confidence,
        fold=fold,
        status=status,
        bmode_reference_db=reference_db,
        noise_floor_db=floor_db,
        frequency_factor=factor,
        bloodless=solved.bloodless,
        stage_seconds={**estimates.stage_seconds, **watch.seconds},
        notes=tuple(notes),
    )
    return picture if iq.truth is None else _with_truth(picture, iq.truth, previous)


def _with_truth(
    frame: DopplerFrame, truth: FlowTruth, previous: DopplerFrame | None
) -> DopplerFrame:
    """Add the known flow, and how far the frame is from it."""
    grid = frame.acquisition.colour_grid
    truth_m_s, vessel_mask = truth.on(grid)
    return replace(
        frame,
        truth_m_s=truth_m_s,
        vessel_mask=vessel_mask,
        score=score_frame(
            frame.velocity_m_s,
            frame.fold,
            truth_m_s,
            _scored_region(vessel_mask, grid, previous),
            frame.nyquist_velocity_m_s,
            flow=frame.status != Status.NO_FLOW,
            abstained=frame.status == Status.ABSTAINED,
        ),
    )


def _scored_region(
    vessel_mask: NDArray[np.bool_], grid: ImageGrid, previous: DopplerFrame | None
) -> NDArray[np.bool_]:
    """Vessels without a margin at their walls; as they mostly stand still, often made before."""
    if (
        previous is not None
        and previous.score is not None
        and previous.vessel_mask is not None
        and previous.acquisition.colour_grid == grid
        and np.array_equal(previous.vessel_mask, vessel_mask)
    ):
        return previous.score.region
    return erode(vessel_mask, grid.pixel_size_m)


def _without_gain(maps: estimator.DopplerMaps, acquisition: Acquisition) -> estimator.DopplerMaps:
    """Undo the receiver's gain over depth, so that its noise is the same everywhere."""
    power = aligned_empty(maps.power.shape)
    undone = _undone_gain(acquisition.colour_grid, acquisition.depth_gain_db)
    np.multiply(maps.power, undone, out=power)
    return replace(maps, power=power)


@lru_cache(maxsize=4)
def _undone_gain(grid: ImageGrid, depth_gain_db: tuple[tuple[float, float], ...]) -> Float32:
    """Factor of the power that takes a gain over depth out again: (n_depths, n_lines)."""
    depth_m, gain_db = np.transpose(depth_gain_db)
    undone = 10.0 ** (-0.1 * np.interp(grid.depths_m, depth_m, gain_db))
    return np.asarray(np.broadcast_to(undone[:, None], grid.shape), np.float32)


def _is_alike(previous: DopplerFrame | None, iq: IqFrame, processing: ProcessingSettings) -> bool:
    """Whether levels and averages carry on: the previous frame was made alike, and earlier."""
    return (
        previous is not None
        and previous.time_s < iq.time_s
        and previous.acquisition == iq.acquisition
        and previous.processing.f_number == processing.f_number
        and previous.processing.wall_filter == processing.wall_filter
        and previous.processing.wall_cutoff_m_s == processing.wall_cutoff_m_s
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


def _persisted(
    maps: estimator.DopplerMaps,
    like: DopplerFrame | None,
    elapsed_s: float,
    time_constant_s: float,
    flashing: NDArray[np.bool_] | None,
) -> estimator.DopplerMaps:
    """Average with the frame before; a flash does not enter."""
    before = None
    if like is not None and elapsed_s < max(_LONGEST_MEMORY_S, time_constant_s):
        velocity = aligned_empty(maps.velocity.shape)
        np.multiply(like.velocity_m_s, np.float32(1.0 / like.nyquist_velocity_m_s), out=velocity)
        power = bmode.from_db(like.power_db, like.noise_floor_db)
        before = estimator.DopplerMaps(velocity, power, like.bandwidth)
        maps = persistence.averaged(maps, before, persistence.weight(elapsed_s, time_constant_s))
    elif flashing is not None:  # the estimates stay as they are
        maps = estimator.DopplerMaps(maps.velocity.copy(), maps.power.copy(), maps.bandwidth.copy())
    if flashing is not None:
        for name in ("velocity", "power", "bandwidth"):
            kept = np.float32(0.0) if before is None else getattr(before, name)
            np.copyto(getattr(maps, name), kept, where=flashing)
    return maps


def _speckle_window(pixel_m: tuple[float, float]) -> tuple[int, int]:
    """Half the window in samples (depths, lines)."""
    depths, lines = (round(0.5 * _SPECKLE_WINDOW_M / side_m) for side_m in pixel_m)
    return min(max(depths, 1), _WIDEST_HALF_WINDOW), min(max(lines, 1), _WIDEST_HALF_WINDOW)


def _cycles_per_depth(acquisition: Acquisition) -> NDArray[np.float64]:
    """Cycles of f0 from one depth sample to the next, there and back: (n_lines,).

    Those of the middle of each line, where a diverging wave goes along it more and more.
    """
    grid = acquisition.colour_grid
    rows = np.array([[0.0], [0.5 * (grid.n_depths - 1)], [1.0]])
    x_m, z_m = grid.positions_m(rows, np.arange(grid.n_lines))
    across, down = acquisition.beam_direction(x_m[1], z_m[1])
    step_m = 2.0 * ((x_m[2] - x_m[0]) * across + (z_m[2] - z_m[0]) * down)
    return np.asarray(step_m / acquisition.wavelength_m)


def _remembered(
    previous: DopplerFrame | None, iq: IqFrame, least_confidence: float = 0.0
) -> Float32 | None:
    """Corrected velocity of the previous frame in the present v_N, NaN where it says nothing."""
    if (
        previous is None
        or not 0.0 < iq.time_s - previous.time_s < _LONGEST_MEMORY_S
        or previous.acquisition.colour_grid != iq.acquisition.colour_grid
    ):
        return None
    corrected = aligned_empty(previous.fold.shape)
    remembered(
        previous.velocity_m_s,
        previous.fold,
        previous.status,
        previous.confidence,
        np.float32(previous.nyquist_velocity_m_s),
        np.float32(iq.acquisition.nyquist_velocity_m_s),
        _KNOWN,
        least_confidence,
        corrected,
    )
    return corrected


def _folds(
    maps: estimator.DopplerMaps,
    flow: NDArray[np.bool_],
    processing: ProcessingSettings,
    pixel_m: tuple[float, float],
    *,
    previous: Float32 | None,
    chances: Float32 | None,
    by_network: bool,
) -> Unwrapped:
    """Folds of the flow; no fold and no claim when de-aliasing is off."""
    if not processing.dealias:
        nowhere = aligned_zeros(flow.shape, np.int8)
        return Unwrapped(nowhere, aligned_zeros(flow.shape), nowhere.view(np.bool_), ())
    coherence = aligned_empty(flow.shape)
    np.subtract(np.float32(1.0), maps.bandwidth, out=coherence)
    if chances is not None and by_network:
        # Too weak to be shown as flow, blood still has a fold.
        support = aligned_empty(flow.shape, np.bool_)
        np.greater_equal(chances[..., -1], _BLOOD, out=support)
        np.logical_or(support, flow, out=support)
        return agree(maps.velocity, coherence, support, chances, shown=flow)
    return unwrap(
        maps.velocity, coherence, flow, pixel_m=pixel_m, previous=previous, chances=chances
    )
