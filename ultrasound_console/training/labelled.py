"""Frames that people gave the folds of: to learn from, and as truth.

See :mod:`..labels` for their files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..dsp import bmode
from ..dsp.evidence import CELL, N_MAPS, cells_of, echo_evidence
from ..frames import Float32, Status
from ..labels import LabelledFrame, Shown, label_files, load
from ..pipeline.segmentation import echo_shift
from .dataset import ABOUT, Shards, write_shard
from .methods import Methods
from .scores import Case, Found
from .sequences import KnownFlow, Progress, Sequence

_TILES_PER_SHARD = 32
_KIND = "labelled"
_NO_POWER_DB = -30.0


# ---- as truth ------------------------------------------------------------------------------


def look_at_labels(
    folder: Path, methods: Methods, progress: Progress
) -> Iterator[tuple[Case, dict[str, Found]]]:
    """Find the folds of every labelled frame of a folder, to be scored where they were given.

    Raises
    ------
    SourceError
        There are none, or one cannot be read.
    PipelineError
        A frame that cannot be processed.
    AssetError
        The network fails.
    """
    paths = label_files(folder)
    for done, path in enumerate(paths, 1):
        labelled = load(path)
        for case, founds in methods.look(sequence_of(labelled, path.name)):
            yield replace(case, region=labelled.label.given), founds
        progress(done, len(paths), f"labels of {folder.name}")


def sequence_of(labelled: LabelledFrame, name: str) -> Sequence:
    """Take a labelled frame, after the one before it if that was kept.

    What was given is a velocity: where another way to estimate it wraps a pixel at v_N, the fold
    that is right for it is another.
    """
    truth = KnownFlow(labelled.acquisition.colour_grid, labelled.truth_m_s, labelled.label.given)
    shown = (labelled.before, labelled.shown)
    frames = tuple(replace(one.iq, truth=truth) for one in shown if one is not None)
    return Sequence(name, _KIND, frames, labelled.processing, n_lead_in=len(frames) - 1)


# ---- to learn from -------------------------------------------------------------------------


def make_labelled_shards(labels: Path, folder: Path, shape: tuple[int, int]) -> Shards:
    """Make shards of all labels of a folder, anew each time: labels come and go.

    A frame is cut into tiles of the shape of the other frames; each is followed by the same tile of
    the frame before.

    Parameters
    ----------
    labels : Path
        Folder of the labels.
    folder : Path
        Of the shards; made if need be, and emptied of shards.
    shape : tuple of int
        (n_depths, n_lines) of the tiles; multiples of 4.

    Raises
    ------
    SourceError
        There are no labels, or one cannot be read.
    ValueError
        In none of them a fold is given.
    """
    paths = label_files(labels)
    made: list[_Tile] = []
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.npy"):
        stale.unlink()
    number = 0
    for path in paths:
        made += _tiles(load(path), shape)
        while len(made) >= 2 * _TILES_PER_SHARD:
            _write(folder, number, made[: 2 * _TILES_PER_SHARD])
            made, number = made[2 * _TILES_PER_SHARD :], number + 1
    if made:
        _write(folder, number, made)
    elif number == 0:
        raise ValueError(f"{labels}: no fold is given in any label")
    return Shards(folder)


_Tile = tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.void]]
"""Planes and evidence of a tile, and what is known of it."""


def _write(folder: Path, number: int, tiles: list[_Tile]) -> None:
    planes, evidence, about = (np.stack(part) for part in zip(*tiles, strict=True))
    write_shard(folder, number, planes, evidence, about)


def _tiles(labelled: LabelledFrame, shape: tuple[int, int]) -> Iterator[_Tile]:
    """Cut a frame and the one before it; tiles without a label are left out."""
    nyquist_m_s = np.float32(labelled.acquisition.nyquist_velocity_m_s)
    given = np.where(labelled.label.given, labelled.truth_m_s / nyquist_m_s, np.float32(np.inf))
    before = labelled.before
    if before is None:
        # There is no flow in it that could be remembered.
        before = replace(labelled.shown, power_db=np.full_like(given, _NO_POWER_DB))
    known = (before.status == Status.KEPT) | (before.status == Status.CORRECTED)
    corrected = before.velocity_m_s / nyquist_m_s + 2.0 * before.fold
    remembered = np.where(known, corrected, np.inf).astype(np.float32)
    maps = [
        _maps(labelled.shown, given, labelled.wall_filter),
        _maps(before, remembered, labelled.wall_filter),
    ]
    grid = labelled.acquisition.colour_grid
    for row, column in _corners(grid.shape, shape):
        where = slice(row, row + shape[0]), slice(column, column + shape[1])
        if not labelled.label.given[where].any():
            continue
        for pace, (planes, evidence) in zip((1.0, 0.0), maps, strict=True):
            about = np.zeros((), ABOUT)
            about["n_pulses"] = labelled.acquisition.n_pulses
            about["wall_filter"] = labelled.wall_filter
            about["snr_db"] = np.nan
            about["row_m"], about["line_m"] = grid.pixel_size_m
            about["pace"] = pace
            yield (*_cut(planes, evidence, (row, column), shape), about)


def _maps(shown: Shown, truth: Float32, wall_filter: str) -> tuple[Float32, Float32]:
    """Planes and evidence as the console would show them to the network."""
    iq, acquisition = shown.iq.ensemble, shown.iq.acquisition
    n_pulses, shift = acquisition.n_pulses, echo_shift(acquisition)
    velocity = shown.velocity_m_s / np.float32(acquisition.nyquist_velocity_m_s)
    echo_power = bmode.mean_power(iq, n_pulses)
    echo_db = bmode.to_db(echo_power, bmode.reference_db(echo_power) or 0.0)
    evidence = np.zeros((N_MAPS, *cells_of(acquisition.colour_grid.shape)), np.float32)
    if shift is not None:
        evidence = echo_evidence(iq, n_pulses, shift, wall_filter)
    planes = np.stack([velocity, shown.power_db, shown.bandwidth, echo_db, truth])
    return planes, evidence


def _corners(size: tuple[int, int], shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """First row and line of as few tiles as cover a picture; whole cells of the evidence."""

    def starts(n: int, width: int) -> list[int]:
        n_tiles = math.ceil(n / width)
        last = CELL * math.ceil(max(0, n - width) / CELL)
        return [CELL * round(k * last / (CELL * max(1, n_tiles - 1))) for k in range(n_tiles)]

    for row in starts(size[0], shape[0]):
        for column in starts(size[1], shape[1]):
            yield row, column


def _cut(
    planes: Float32, evidence: Float32, at: tuple[int, int], shape: tuple[int, int]
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Take a tile out; beyond the picture the velocity and the truth are NaN, and the rest 0."""
    tile = np.zeros((len(planes), *shape), np.float16)
    tile[0] = tile[-1] = np.nan
    part = planes[:, at[0] : at[0] + shape[0], at[1] : at[1] + shape[1]]
    tile[:, : part.shape[1], : part.shape[2]] = part
    cells = np.zeros((N_MAPS, *cells_of(shape)), np.float16)
    row, column = (first // CELL for first in at)
    part = evidence[:, row : row + cells.shape[1], column : column + cells.shape[2]]
    cells[:, : part.shape[1], : part.shape[2]] = part
    return tile, cells
