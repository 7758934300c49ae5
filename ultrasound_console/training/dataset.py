"""Training frames on disk: shards of half-precision arrays that are mapped, not read.

A shard depends on its number and the first seed only, however many processes make them. Frames
2 k and 2 k + 1 are the two frames of one scene. Frames are made at the level of the picture
(:mod:`.synthetic`) or by the whole signal chain (:mod:`.chain_scenes`), in shards alike.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..dsp.evidence import N_MAPS, cells_of
from .chain_scenes import chain_frames, pace, random_view
from .synthetic import SHAPE, Features, features, scene

Kind = Literal["picture", "chain"]
"""Level at which frames are made."""

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
"""What is known of a frame: ``pace`` is its speed over that of the other one of its scene, or 0 for
one that is only there to be the frame before."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames stacked along the first axis; planes are (n, n_depths, n_lines) float32.

    Attributes
    ----------
    velocity, power_db, bandwidth, echo_db : array
        See :class:`.synthetic.Features`. The velocity is NaN beyond the end of a smaller picture.
    truth : array
        True velocity in units of v_N, NaN outside the lumen, infinite where nobody knows it.
    evidence : (n, N_MAPS, n_depths / 4, n_lines / 4) float32
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
    """All shards of one or more folders as one sequence of frames.

    Parameters
    ----------
    *folders : Path

    Raises
    ------
    FileNotFoundError
        A folder has no shard.
    ValueError
        A shard was made by another version.
    """

    def __init__(self, *folders: Path) -> None:
        stems, ends = [], [0]
        for folder in folders:
            paths = sorted(folder.glob("*-planes.npy"))
            if not paths:
                raise FileNotFoundError(f"no frames in {folder}")
            stems += [str(path).removesuffix("planes.npy") for path in paths]
            ends.append(len(stems))
        self._planes = [np.load(f"{stem}planes.npy", mmap_mode="r") for stem in stems]
        self._evidence = [np.load(f"{stem}evidence.npy", mmap_mode="r") for stem in stems]
        for stem, evidence in zip(stems, self._evidence, strict=True):
            if evidence.shape[1] != N_MAPS:
                raise ValueError(
                    f"{stem}evidence.npy: {evidence.shape[1]} maps of evidence, not {N_MAPS}: "
                    "another version made it; remove its folder"
                )
        self._about = [np.load(f"{stem}about.npy") for stem in stems]
        sizes = [len(planes) for planes in self._planes]
        self._shard = np.repeat(np.arange(len(sizes)), sizes)
        self._index = np.concatenate([np.arange(size) for size in sizes])
        starts = np.concatenate([[0], np.cumsum(sizes)])[ends]
        teaching = np.concatenate([about["pace"] > 0.0 for about in self._about])
        self._teaching = [
            start + np.flatnonzero(teaching[start:end]) for start, end in pairwise(starts)
        ]

    def __len__(self) -> int:
        return len(self._index)

    def choose(self, rng: np.random.Generator, size: int) -> NDArray[np.int64]:
        """Draw numbers of frames: the same share from each folder, however many it holds."""
        n = len(self._teaching)
        parts = [
            frames[rng.integers(0, frames.size, size * (k + 1) // n - size * k // n)]
            for k, frames in enumerate(self._teaching)
        ]
        return np.concatenate(parts)

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
    kind: Kind = "picture",
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
    kind : {"picture", "chain"}
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
    make = partial(_make_shard, folder, kind, first, shape)
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


def _make_shard(
    folder: Path, kind: Kind, first_seed: int, shape: tuple[int, int], number: int
) -> None:
    n_frames = 2 * SCENES_PER_SHARD
    planes = np.empty((n_frames, 5, *shape), np.float16)
    evidence = np.empty((n_frames, N_MAPS, *cells_of(shape)), np.float16)
    about = np.empty(n_frames, ABOUT)
    make = _of_the_picture if kind == "picture" else _of_the_chain
    for k in range(SCENES_PER_SHARD):
        seed = first_seed + number * SCENES_PER_SHARD + k
        for frame, (found, truth, known) in enumerate(make(seed, shape), 2 * k):
            planes[frame] = (
                found.velocity,
                found.power_db,
                found.bandwidth,
                found.echo_db,
                truth,
            )
            evidence[frame] = found.evidence
            about[frame] = known
    write_shard(folder, number, planes, evidence, about)


def write_shard(
    folder: Path,
    number: int,
    planes: NDArray[np.float16],
    evidence: NDArray[np.float16],
    about: NDArray[Any],
) -> None:
    """Write the frames of a shard.

    Parameters
    ----------
    folder : Path
    number : int
    planes : (n, 5, n_depths, n_lines) float16
        Velocity, power, bandwidth, echo level and truth; see :class:`Frames`.
    evidence : (n, N_MAPS, n_depths / 4, n_lines / 4) float16
    about : (n,) array of ABOUT
    """
    # The planes come last: where they are, the shard is whole.
    for name, array in (("about", about), ("evidence", evidence), ("planes", planes)):
        part = folder / f"{number:05d}-{name}.part"
        with part.open("wb") as file:
            np.save(file, array)
        part.replace(folder / f"{number:05d}-{name}.npy")


_Made = tuple[Features, NDArray[np.float32], tuple[Any, ...]]
"""Features and truth of a frame, and what is known of it."""


def _of_the_picture(seed: int, shape: tuple[int, int]) -> Iterator[_Made]:
    recipe, ensembles = scene(seed, shape)
    known = (seed, recipe.n_pulses, recipe.wall_filter, recipe.snr_db, *recipe.pixel_m)
    for made, speed in zip(ensembles, (1.0 / recipe.pace, recipe.pace), strict=True):
        truth = np.where(made.lumen, made.truth, np.float32(np.nan))
        yield features(recipe, made.iq), truth, (*known, speed)


def _of_the_chain(seed: int, shape: tuple[int, int]) -> Iterator[_Made]:
    view = random_view(seed, shape)
    grid, n_pulses = view.acquisition.colour_grid, view.acquisition.n_pulses
    first, second = chain_frames(view, shape)
    for made, other in ((first, second), (second, first)):
        known = (seed, n_pulses, made.wall_filter, view.snr_db, *grid.pixel_size_m)
        yield made.features, made.truth, (*known, pace(other, made))
