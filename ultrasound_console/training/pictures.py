"""Training frames as cases: what the network alone makes of planes that were kept without samples.

The console's own folds need whole frames; see :mod:`.sequences`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..accuracy import erode
from ..dsp.evidence import cells_of
from ..segment import Segmenter
from ..settings import ProcessingSettings
from .dataset import Frames, Shards
from .methods import NETWORK, REMEMBERING, likeliest, rivals
from .scores import Case, Float32, Found
from .sequences import Progress

_FLOW_POWER_DB = np.float32(ProcessingSettings().flow_power_db)
# A fold that is less sure is not shown to the frame after.
_SURE = 0.6
# Signal-to-noise ratios are put together in steps of this.
_SNR_STEP_DB = 10.0


def look_at(
    folder: Path, segmenter: Segmenter | None, progress: Progress
) -> Iterator[tuple[Case, dict[str, Found]]]:
    """Find the folds of every frame of a folder of shards.

    Parameters
    ----------
    folder : Path
    segmenter : Segmenter, optional
        It also sees each frame after what it made of the other one of its scene.
    progress : callable

    Raises
    ------
    FileNotFoundError
        There are no frames.
    """
    shards, others = Shards(folder), rivals()
    for first in range(0, len(shards), 2):
        pair = [_cropped(shards.take([first + k])) for k in range(2)]
        cases = [_case(one, f"frame {first + k}") for k, one in enumerate(pair)]
        alone = [] if segmenter is None else [_asked(segmenter, one, None) for one in pair]
        for k, case in enumerate(cases):
            founds = {
                name: Found(rival(case.velocity, case.flow)) for name, rival in others.items()
            }
            if segmenter is not None:
                founds[NETWORK] = alone[k]
                # Both frames of a scene have one size.
                previous = _remembered(cases[1 - k], alone[1 - k])
                founds[NETWORK + REMEMBERING] = _asked(segmenter, pair[k], previous)
            yield case, founds
        progress(first + 2, len(shards), f"frames of {folder.name}")


def _cropped(one: Frames) -> Frames:
    """Leave out what lies beyond the end of a smaller picture."""
    there = np.isfinite(one.velocity[0])
    shape = int(there.any(axis=1).sum()), int(there.any(axis=0).sum())
    planes = {f.name: getattr(one, f.name)[:, : shape[0], : shape[1]] for f in fields(one)[:5]}
    cells = cells_of(shape)
    return Frames(**planes, evidence=one.evidence[..., : cells[0], : cells[1]], about=one.about)


def _case(one: Frames, name: str) -> Case:
    about, truth = one.about[0], one.truth[0]
    lumen = np.isfinite(truth)
    pixel_m = float(about["row_m"]), float(about["line_m"])
    return Case(
        sequence=name,
        kind=str(about["wall_filter"]),
        n_pulses=int(about["n_pulses"]),
        snr_db=_SNR_STEP_DB * round(float(about["snr_db"]) / _SNR_STEP_DB),
        pixel_m=pixel_m,
        velocity=one.velocity[0],
        truth=np.where(lumen, truth, np.float32(0.0)),
        coherence=np.float32(1.0) - one.bandwidth[0],
        region=erode(lumen, pixel_m),
        flow=one.power_db[0] >= _FLOW_POWER_DB,
    )


def _asked(segmenter: Segmenter, one: Frames, previous: Float32 | None) -> Found:
    planes = (one.velocity, one.power_db, one.bandwidth, one.echo_db)
    velocity, *others = (np.ascontiguousarray(plane[0]) for plane in planes)
    evidence = np.ascontiguousarray(one.evidence[0])
    return likeliest(segmenter.posterior(velocity, *others, previous=previous, evidence=evidence))


def _remembered(case: Case, found: Found) -> Float32:
    """Corrected velocity where it is sure, NaN elsewhere."""
    sure = case.flow if found.confidence is None else case.flow & (found.confidence >= _SURE)
    corrected = case.velocity + 2.0 * found.fold
    return np.where(sure, corrected, np.nan).astype(np.float32)
