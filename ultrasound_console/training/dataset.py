"""Training frames on disk: shards of half-precision arrays that are mapped, not read.

A shard depends on its number and the first seed only, however many processes make them. Frames
2 k and 2 k + 1 are the two frames of one scene.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.evidence import N_FOLDS, cells_of
from .synthetic import SHAPE, features, scene

SCENES_PER_SHARD = 32
TRAINING_SEED, HELD_OUT_SEED = 0, 1 << 40
"""Seeds of the first scenes; no run gets from one to the other."""
_SEEDS_PER_RUN = 1 << 24

ABOUT = np.dtype(
    [
        ("seed", np.int64),
        ("n_pulses", np.int16),
        ("wall_filter", "U14"),
        ("snr_db", np.float32),
        ("row_m", np.float32),
        ("line_m", np.float32),
        ("pace", np.float32),
    ]
)
"""What is known of a frame: ``pace`` is its speed over that of the other one of its scene."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames stacked along the first axis; planes are (n, n_depths, n_lines) float32.

    Attributes
    ----------
    velocity, power_db, bandwidth, echo_db : array
        See :class:`.synthetic.Features`.
    truth : array
        True velocity in units of v_N, NaN outside the lumen.
    evidence : (n, 7, n_depths / 4, n_lines / 4) float32
    about : (n,) array of ABOUT
    """

    velocity: NDArray[np.float32]
    power_db: NDArray[np.float32]
    bandwidth: NDArray[np.float32]
    echo_db: NDArray[np.float32]
    truth: NDArray[np.float32]
    evidence: NDArray[np.float32]
    about: NDArray[Any]


class Shards:
    """All shards of a folder as one sequence of frames.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    FileNotFoundError
        There is no shard.
    """

    def __init__(self, folder: Path) -> None:
        names = sorted(
            path.name.removesuffix("-planes.npy") for path in folder.glob("*-planes.npy")
        )
        if not names:
            raise FileNotFoundError(f"no frames in {folder}")
        self._planes = [np.load(folder / f"{name}-planes.npy", mmap_mode="r") for name in names]
        self._evidence = [np.load(folder / f"{name}-evidence.npy", mmap_mode="r") for name in names]
        self._about = [np.load(folder / f"{name}-about.npy") for name in names]
        sizes = [len(planes) for planes in self._planes]
        self._shard = np.repeat(np.arange(len(sizes)), sizes)
        self._index = np.concatenate([np.arange(size) for size in sizes])

    def __len__(self) -> int:
        return len(self._index)

    def take(self, frames: Iterable[int]) -> Frames:
        """Read frames by their numbers."""
        places = [(self._shard[frame], self._index[frame]) for frame in frames]
        planes = np.stack([self._planes[s][i] for s, i in places]).astype(np.float32)
        evidence = np.stack([self._evidence[s][i] for s, i in places]).astype(np.float32)
        about = np.stack([self._about[s][i] for s, i in places])
        velocity, power_db, bandwidth, echo_db, truth = np.moveaxis(planes, 1, 0)
        return Frames(velocity, power_db, bandwidth, echo_db, truth, evidence, about)


def make_shards(
    folder: Path,
    n_scenes: int,
    *,
    seed: int,
    held_out: bool = False,
    n_processes: int = 1,
    shape: tuple[int, int] = SHAPE,
    show: Callable[[str], None] = lambda line: None,
) -> Shards:
    """Make what is missing of a data set.

    Parameters
    ----------
    folder : Path
        Made if need be. Shards that are there are kept.
    n_scenes : int
        Up to whole shards.
    seed : int
        Of the run; 0 ... 999.
    held_out : bool
        Scenes that no training sees.
    n_processes : int
    shape : tuple of int
        (n_depths, n_lines).
    show : callable
        Takes a line of progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = (HELD_OUT_SEED if held_out else TRAINING_SEED) + seed * _SEEDS_PER_RUN
    n_shards = -(-n_scenes // SCENES_PER_SHARD)
    missing = [k for k in range(n_shards) if not (folder / f"{k:05d}-planes.npy").is_file()]
    make = partial(_make_shard, folder, first, shape)
    began_s = time.monotonic()

    def progress(done: int) -> None:
        elapsed_s = time.monotonic() - began_s
        left_s = elapsed_s / done * (len(missing) - done)
        show(f"{folder.name}: shard {done} of {len(missing)}, {left_s / 60.0:.0f} min left")

    if n_processes == 1 or len(missing) < 2:
        for done, k in enumerate(missing, 1):
            make(k)
            progress(done)
    else:
        # Spawned, not forked: the kernels' threads and PyTorch's do not survive a fork.
        with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
            for done, _ in enumerate(pool.imap_unordered(make, missing), 1):
                progress(done)
    return Shards(folder)


def _make_shard(folder: Path, first_seed: int, shape: tuple[int, int], number: int) -> None:
    n_frames = 2 * SCENES_PER_SHARD
    planes = np.empty((n_frames, 5, *shape), np.float16)
    evidence = np.empty((n_frames, N_FOLDS, *cells_of(shape)), np.float16)
    about = np.empty(n_frames, ABOUT)
    for k in range(SCENES_PER_SHARD):
        seed = first_seed + number * SCENES_PER_SHARD + k
        recipe, ensembles = scene(seed, shape)
        for frame, made in enumerate(ensembles, 2 * k):
            found = features(recipe, made.iq)
            truth = np.where(made.lumen, made.truth, np.nan)
            planes[frame] = (
                found.velocity,
                found.power_db,
                found.bandwidth,
                found.echo_db,
                truth,
            )
            evidence[frame] = found.evidence
            pace = recipe.pace if frame % 2 else 1.0 / recipe.pace
            about[frame] = (
                seed,
                recipe.n_pulses,
                recipe.wall_filter,
                recipe.snr_db,
                *recipe.pixel_m,
                pace,
            )
    # The planes come last: where they are, the shard is whole.
    for name, array in (("about", about), ("evidence", evidence), ("planes", planes)):
        part = folder / f"{number:05d}-{name}.part"
        with part.open("wb") as file:
            np.save(file, array)
        part.replace(folder / f"{number:05d}-{name}.npy")
