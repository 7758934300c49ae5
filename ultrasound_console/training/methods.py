"""What finds folds: the console itself in several ways, and others where they are installed.

The console's own folds are those of its pipeline, at its own settings: what is judged here is what
is shown there. Everybody gets the same velocities and the same support.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from importlib import util

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..accuracy import true_fold
from ..frames import DopplerFrame, Status
from ..pipeline import doppler, estimate
from ..pipeline.checks import Stopwatch
from ..pipeline.segmentation import fold_probabilities
from ..segment import Segmenter
from ..settings.processing import CONTINUITY
from ..settings.processing import NETWORK as BY_NETWORK
from .scores import Bool, Case, Float32, Found
from .sequences import Sequence

RAW, NETWORK, UNWRAPPING, BOTH = "raw", "network", "unwrapping", "both"
_SCIKIT, _REGIONS = "scikit-image", "region-dealias"
_GIVEN = " + offsets"
# Connected by edges and corners alike.
_NEIGHBOURS = np.ones((3, 3))
REMEMBERING = " + previous"
"""Behind the name of a method that is given what it made of the frame before."""

Rival = Callable[[Float32, Bool], NDArray[np.integer]]
"""Takes the velocity in units of v_N and where flow is; gives the folds."""


def raw(velocity: Float32, flow: Bool) -> NDArray[np.integer]:
    """Leave every velocity as measured."""
    del flow
    return np.zeros(velocity.shape, np.int64)


def reliability_sorting(velocity: Float32, flow: Bool) -> NDArray[np.integer]:
    """Unwrap by sorted reliability, with scikit-image.

    It leaves every connected region an offset; of the whole folds the one is taken that brings the
    region's mean velocity nearest to zero.
    """
    from skimage.restoration import unwrap_phase

    if not flow.any():
        return raw(velocity, flow)
    turns = 0.5 * velocity.astype(np.float64)
    unwrapped = unwrap_phase(np.ma.array(2.0 * np.pi * turns, mask=~flow)) / (2.0 * np.pi)
    unwrapped = unwrapped.filled(0.0)
    regions, n = ndimage.label(flow, _NEIGHBOURS)
    mean = np.append(0.0, ndimage.mean(unwrapped, regions, np.arange(1, n + 1)))
    return np.where(flow, np.rint(unwrapped - turns) - np.rint(mean)[regions], 0.0).astype(np.int64)


def region_merging(velocity: Float32, flow: Bool) -> NDArray[np.integer]:
    """Merge regions as weather radar does, with the package ``region-dealias``."""
    from region_dealias import sweep_folds

    phase = np.ascontiguousarray(velocity * np.float32(np.pi))
    return np.where(flow, sweep_folds(phase, ~flow, np.pi, False), 0)


def rivals() -> dict[str, Rival]:
    """Doing nothing, and other projects' methods where they are installed, by name."""
    others: tuple[tuple[str, str, Rival], ...] = (
        (_SCIKIT, "skimage", reliability_sorting),
        (_REGIONS, "region_dealias", region_merging),
    )
    there = {name: rival for name, package, rival in others if util.find_spec(package)}
    return {RAW: raw, **there}


class Methods:
    """Looks at sequences in every way there is.

    Parameters
    ----------
    segmenter : Segmenter, optional
        The network; without it the console unwraps by continuity alone.
    """

    def __init__(self, segmenter: Segmenter | None = None) -> None:
        self.segmenter = segmenter
        self._rivals = rivals()

    @property
    def shown(self) -> str:
        """Name of what the console shows of a single frame."""
        return UNWRAPPING if self.segmenter is None else BOTH

    def look(self, sequence: Sequence) -> Iterator[tuple[Case, dict[str, Found]]]:
        """Find the folds of every frame behind the lead-in.

        Raises
        ------
        PipelineError
            A frame that cannot be processed.
        AssetError
            The network fails.
        """
        # No averaging with the frame before: everybody gets the same velocities.
        alone = dataclasses.replace(
            sequence.processing, persistence_s=0.0, dealias=True, dealias_method=CONTINUITY
        )
        processing = alone
        if self.segmenter is not None:
            processing = dataclasses.replace(alone, dealias_method=BY_NETWORK)
        before = None
        for number, iq in enumerate(sequence.frames):
            estimates = estimate(iq, processing)
            remembering = doppler(estimates, processing, before, self.segmenter)
            before = remembering
            if number < sequence.n_lead_in:
                continue
            single = doppler(dataclasses.replace(estimates, processing=alone), alone, None)
            case = case_of(single, sequence)
            founds = {
                name: Found(rival(case.velocity, case.flow)) for name, rival in self._rivals.items()
            }
            if _SCIKIT in founds:
                founds[_SCIKIT + _GIVEN] = with_offsets(founds[_SCIKIT], case)
            founds[UNWRAPPING] = found_of(single)
            if self.segmenter is not None:
                posterior = fold_probabilities(
                    estimates,
                    estimates.maps,
                    single.power_db,
                    None,
                    segmenter=self.segmenter,
                    watch=Stopwatch(),
                )
                founds[NETWORK] = likeliest(posterior)
                founds[BOTH] = found_of(doppler(estimates, processing, None, self.segmenter))
            founds[self.shown + REMEMBERING] = found_of(remembering)
            yield case, founds


def case_of(frame: DopplerFrame, sequence: Sequence) -> Case:
    """Make a case of a frame that has its truth."""
    if frame.truth_m_s is None or frame.score is None:
        raise ValueError(f"{sequence.name}: a frame without a truth")
    nyquist = np.float32(frame.nyquist_velocity_m_s)
    return Case(
        sequence=sequence.name,
        kind=sequence.kind,
        n_pulses=frame.acquisition.n_pulses,
        snr_db=sequence.snr_db,
        pixel_m=frame.acquisition.colour_grid.pixel_size_m,
        velocity=frame.velocity_m_s / nyquist,
        truth=frame.truth_m_s / nyquist,
        coherence=np.float32(1.0) - frame.bandwidth,
        region=frame.score.region,
        flow=frame.status != Status.NO_FLOW,
    )


def found_of(frame: DopplerFrame) -> Found:
    """Take what the console found."""
    abstained = frame.status == Status.ABSTAINED
    claimed = (frame.confidence > 0.0) & ~abstained
    return Found(frame.fold, frame.confidence, abstained, claimed)


def with_offsets(found: Found, case: Case) -> Found:
    """Shift the folds of every connected region of flow by what suits the truth best.

    Nobody can know these offsets; with them a method that finds relative folds only is judged by
    these alone.
    """
    regions, n = ndimage.label(case.flow, _NEIGHBOURS)
    error = found.fold - true_fold(case.velocity, case.truth, 1.0)
    offset = np.zeros(n + 1, np.int64)
    for region in np.unique(regions[case.region & case.flow]):
        values, times = np.unique(error[case.region & (regions == region)], return_counts=True)
        offset[region] = values[times.argmax()]
    return Found(np.where(case.flow, found.fold - offset[regions], 0))


def likeliest(posterior: Float32) -> Found:
    """Take each pixel's likeliest fold, whatever is around it.

    Parameters
    ----------
    posterior : (n_depths, n_lines, 8) float32
        See :func:`~ultrasound_console.dsp.features.posterior`.
    """
    folds = posterior[..., :-1]
    return Found(folds.argmax(axis=-1) - folds.shape[-1] // 2, folds.max(axis=-1))
