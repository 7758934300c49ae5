"""Labelled frames for tests: the console's own picture of a made-up ensemble, with its samples."""

import dataclasses
from functools import lru_cache

import numpy as np
from fakes import make_acquisition

from ultrasound_console import labels
from ultrasound_console.dsp.quantise import quantise, restore
from ultrasound_console.frames import DopplerFrame, IqFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import doppler
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.settings.processing import CONTINUITY
from ultrasound_console.training import synthetic

ALONE = ProcessingSettings(persistence_s=0.0, dealias_method=CONTINUITY)
PROVENANCE = labels.Provenance("1.2.3", "2026-01-02T03:04:05+00:00", "folds.onnx", "ab" * 32)


@lru_cache(maxsize=2)
def pictures(shape=(64, 64)) -> tuple[tuple[IqFrame, DopplerFrame], ...]:
    """Two frames of a scene; samples as the cine keeps them."""
    recipe, ensembles = synthetic.scene(7, shape)
    row_m, line_m = recipe.pixel_m
    half_m = 0.5 * line_m * (shape[1] - 1)
    top_m = 5e-3
    grid = ImageGrid("parallel", *shape, (-half_m, half_m), (top_m, top_m + row_m * (shape[0] - 1)))
    acquisition = dataclasses.replace(
        make_acquisition(),
        source="made up",
        n_pulses=recipe.n_pulses,
        colour_grid=grid,
        bmode_grid=grid,
    )
    made, previous = [], None
    for index, ensemble in enumerate(ensembles):
        iq = restore(quantise(ensemble.iq, recipe.n_pulses))
        power = np.mean(iq**2, axis=(2, 3))
        frame = IqFrame(index, index / 30.0, 0.0, acquisition, iq, power)
        previous = doppler(frame, ALONE, previous)
        made.append((frame, previous))
    return tuple(made)


def labelled(off=0, *, with_before=True, shape=(64, 64)) -> labels.LabelledFrame:
    """Say of all flow that its folds are those that were found, or off by so many."""
    (iq0, first), (iq1, second) = pictures(shape)
    given = (second.status == Status.KEPT) | (second.status == Status.CORRECTED)
    assert given.any()
    if not with_before:
        second = doppler(iq1, ALONE, None)
        given = (second.status == Status.KEPT) | (second.status == Status.CORRECTED)
    fold = np.where(given, second.fold + off, 0).astype(np.int8)
    return labels.LabelledFrame(
        labels.Shown.of(iq1, second),
        labels.Label(fold, given),
        ALONE,
        second.wall_filter,
        PROVENANCE,
        labels.Shown.of(iq0, first) if with_before else None,
    )
