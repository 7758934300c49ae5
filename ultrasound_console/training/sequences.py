"""Frames with a truth, in the order in which they were taken: what methods are judged on.

The test set was fixed before any training: random scenes of their own seeds through the whole
signal chain; see :mod:`.chain`. Beside it stand heart cycles of the same scenes, an acquired disc
whose full pulse rate tells the truth of every thinned one, and any source with a truth.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..declared import Value
from ..dsp import wall_filter as wall_filters
from ..dsp.quantise import Quantised, quantise, restore
from ..export.whole_file import whole_file
from ..frames import Acquisition, Float32, IqFrame
from ..geometry import ImageGrid, Probe
from ..pipeline import doppler, form
from ..settings import ProcessingSettings, Settings
from ..simulation import random_scene
from ..simulation.vessels import Bifurcation
from ..sources import Source, SourceError, open_source
from . import chain

DIVISORS = (2, 3, 4, 5, 6)
"""Every so many pulses of the acquired disc are kept."""
DISC = "disc"
"""How the names of its sets begin."""
N_CYCLES = 8
"""Heart cycles beside the whole test set; fewer beside a part of it."""
_DISC_FILE, _DISC_REFERENCE = "PWI_disk.mat", "PWI_disk_reference.npz"
_DISC_SETTINGS: dict[str, Value] = {"wall_filter": wall_filters.NONE, "ensemble": 0}


Progress = Callable[[int, int, str], None]
"""Told how many are done, of how many, and of what."""


class NoTruthError(Exception):
    """A source that does not say how fast its flow is."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Consecutive frames, all with a truth.

    Attributes
    ----------
    name : str
    kind : str
        Of the scene.
    frames : tuple of IqFrame
    processing : ProcessingSettings
    snr_db : float
        Blood above noise behind the wall filter; NaN where nobody knows.
    n_lead_in : int
        First frames that are there to be remembered only, and not scored.
    """

    name: str
    kind: str
    frames: tuple[IqFrame, ...]
    processing: ProcessingSettings
    snr_db: float = math.nan
    n_lead_in: int = 0


@dataclass(frozen=True, eq=False)
class KnownFlow:
    """Truth that is known on one grid only.

    Attributes
    ----------
    grid : ImageGrid
    truth_m_s : (n_depths, n_lines) float32
    vessel_mask : (n_depths, n_lines) bool
    """

    grid: ImageGrid
    truth_m_s: Float32
    vessel_mask: NDArray[np.bool_]

    def on(self, grid: ImageGrid) -> tuple[Float32, NDArray[np.bool_]]:
        """Give the truth; see :class:`~ultrasound_console.frames.FlowTruth`.

        Raises
        ------
        ValueError
            Another grid.
        """
        if grid != self.grid:
            raise ValueError("the truth is known on another grid")
        return self.truth_m_s, self.vessel_mask


# ---- the fixed test set --------------------------------------------------------------------


def pairs(n_scenes: int, folder: Path | None = None) -> Iterator[Sequence]:
    """Pairs of frames of the first scenes of the test set; the later one of each is scored.

    Parameters
    ----------
    n_scenes : int
    folder : Path, optional
        Pairs are kept there and not made again.
    """
    for seed in chain.TEST_SEEDS[:n_scenes]:

        def make(seed: int = seed) -> Iterator[Sequence]:
            for pair in chain.test_frames([seed]):
                yield Sequence(
                    f"random:{seed} {pair.snr_db:g} dB",
                    kind_of(seed),
                    pair.frames,
                    pair.processing,
                    pair.snr_db,
                    n_lead_in=1,
                )

        yield from _kept(make, folder, [f"pair-{seed}-{db:g}dB" for db in chain.TEST_SNRS_DB])


def heart_cycles(n_scenes: int, folder: Path | None = None) -> Iterator[Sequence]:
    """Heart cycles of some scenes of the test set; for the arguments see :func:`pairs`.

    The slowest flow comes last, as every fourth scene has it.
    """
    for seed in chain.TEST_SEEDS[1 : 1 + n_cycles(n_scenes)]:

        def make(seed: int = seed) -> Iterator[Sequence]:
            frames = tuple(chain.heart_cycle(seed))
            yield Sequence(f"random:{seed}", kind_of(seed), frames, ProcessingSettings())

        yield from _kept(make, folder, [f"cycle-{seed}"])


def n_cycles(n_scenes: int) -> int:
    """Heart cycles beside so many scenes of the test set."""
    return max(1, round(N_CYCLES * n_scenes / len(chain.TEST_SEEDS)))


def kind_of(seed: int) -> str:
    """Kind of a random scene, in a word or two."""
    vessels = random_scene(seed).vessels
    if len(vessels) > 1:
        return "two vessels"
    return "branching" if isinstance(vessels[0].lumen, Bifurcation) else "one vessel"


# ---- the acquired disc ---------------------------------------------------------------------


def recordings() -> Path:
    """Folder of the acquired recordings: ULTRASOUND_CONSOLE_DATA, or beside a checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("ULTRASOUND_CONSOLE_DATA", beside))


def disc(folder: Path, wall_filter: str = wall_filters.NONE) -> Iterator[Sequence]:
    """Thin the turning disc to every second to every sixth pulse; where it is absent, to nothing.

    The truth is its velocity at the full pulse rate, unfiltered, where nothing aliases.
    """
    if not (folder / _DISC_FILE).is_file() or not (folder / _DISC_REFERENCE).is_file():
        return
    with closing(open_source(str(folder / _DISC_FILE), real_time=False)) as source:
        processing = _configured(source, _DISC_SETTINGS)
        (whole,) = _played(_DISC_FILE, source, processing, 1)
        truth = _disc_truth(folder / _DISC_REFERENCE, whole, processing)
        for divisor in DIVISORS:
            prf_hz = whole.acquisition.prf_hz / divisor
            changes = {**_DISC_SETTINGS, "wall_filter": wall_filter, "prf_hz": prf_hz}
            processing = _configured(source, changes)
            (thinned,) = _played(_DISC_FILE, source, processing, 1)
            frame = dataclasses.replace(thinned, truth=truth)
            yield Sequence(disc_name(divisor), DISC, (frame,), processing)


def disc_name(divisor: int) -> str:
    """Name of the thinned disc."""
    return f"{DISC}, PRF / {divisor}"


def _disc_truth(reference: Path, whole: IqFrame, processing: ProcessingSettings) -> KnownFlow:
    grid = whole.acquisition.colour_grid
    with np.load(reference) as file:
        x_m, z_m, mask = file["x"], file["z"], file["disk_mask"]
    x, z = grid.positions_m()
    column = np.clip(np.rint((x - x_m[0]) / (x_m[1] - x_m[0])).astype(int), 0, x_m.size - 1)
    row = np.clip(np.rint((z - z_m[0]) / (z_m[1] - z_m[0])).astype(int), 0, z_m.size - 1)
    inside = mask[row, column] & (x_m[0] <= x) & (x <= x_m[-1]) & (z_m[0] <= z) & (z <= z_m[-1])
    return KnownFlow(grid, doppler(whole, processing, None).velocity_m_s, inside)


# ---- any source ----------------------------------------------------------------------------


def of_source(name: str, changes: Mapping[str, Value], progress: Progress) -> Sequence:
    """Take one pass of a recording, or one heart cycle of a simulated source.

    Parameters
    ----------
    name : str
        As :func:`~ultrasound_console.sources.open_source` takes it.
    changes : mapping
        Settings.
    progress : callable

    Raises
    ------
    SourceError
        It cannot be opened, or delivers nothing.
    PipelineError
        A frame that cannot be processed.
    NoTruthError
        It does not know its flow.
    """
    with closing(open_source(name, real_time=False)) as source:
        processing = _configured(source, changes)
        n_frames = source.n_frames or 1
        frames = []
        for iq in _played(name, source, processing, n_frames):
            if iq.truth is None:
                raise NoTruthError(f"{name}: does not know its true flow; take simulated:NAME")
            frames.append(iq)
            progress(len(frames), n_frames, f"frames of {name}")
    return Sequence(name, name, tuple(frames), processing)


def _configured(source: Source, changes: Mapping[str, Value]) -> ProcessingSettings:
    start = source.defaults(Settings().acquisition)
    settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
    source.configure(settings.acquisition)
    return settings.processing


def _played(
    name: str, source: Source, processing: ProcessingSettings, n_frames: int
) -> Iterator[IqFrame]:
    source.start()
    for index in range(n_frames):
        frame = source.read(timeout_s=60.0)
        if frame is None:
            raise SourceError(f"{name}: no frame {index} came within 60 s")
        yield form(frame, processing)


# ---- on disk -------------------------------------------------------------------------------


def _kept(
    make: Callable[[], Iterable[Sequence]], folder: Path | None, names: list[str]
) -> list[Sequence]:
    """Take sequences from their files, or make all of them and write these."""
    paths = [] if folder is None else [folder / f"{name}.npz" for name in names]
    if paths and all(path.is_file() for path in paths):
        try:
            return [load(path) for path in paths]
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            pass  # of another version, or not whole: make them anew
    packed = [_packed(sequence) for sequence in make()]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for path, arrays in zip(paths, packed, strict=True):
            with whole_file(path) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
    # Through the same rounding as what is read from a file.
    return [_unpacked(arrays) for arrays in packed]


def load(path: Path) -> Sequence:
    """Read what was kept.

    Raises
    ------
    ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile
        It is no such file, or one of another version.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if str(arrays["code"]) != _code():
            raise ValueError(f"{path} was made by another version of the program")
        return _unpacked(dict(arrays))


@cache
def _code() -> str:
    """Checksum of all that makes frames: what another version made is not judged."""
    root, total = Path(__file__).parents[1], hashlib.sha256()
    sources = [root / f"{name}.py" for name in ("frames", "geometry")]
    for folder in ("dsp", "pipeline", "settings", "simulation", "training"):
        sources += sorted((root / folder).glob("*.py"))
    for path in sources:
        total.update(path.read_bytes())
    return total.hexdigest()


def _packed(sequence: Sequence) -> dict[str, NDArray[Any]]:
    about = {
        "name": sequence.name,
        "kind": sequence.kind,
        "snr_db": sequence.snr_db,
        "n_lead_in": sequence.n_lead_in,
        "processing": dataclasses.asdict(sequence.processing),
        "frames": [
            {
                "index": frame.index,
                "time_s": frame.time_s,
                "acquisition": dataclasses.asdict(frame.acquisition),
            }
            for frame in sequence.frames
        ],
    }
    arrays: dict[str, NDArray[Any]] = {
        "about": np.array(json.dumps(about)),
        "code": np.array(_code()),
    }
    for k, frame in enumerate(sequence.frames):
        if frame.truth is None:
            raise ValueError(f"{sequence.name}: a frame without a truth")
        truth_m_s, vessel_mask = frame.truth.on(frame.acquisition.colour_grid)
        samples, peak = quantise(frame.iq, frame.acquisition.n_colour_pulses)
        planes: tuple[NDArray[Any], ...] = (
            samples,
            peak,
            frame.bmode_power,
            truth_m_s,
            vessel_mask,
        )
        arrays |= {f"{name}-{k}": plane for name, plane in zip(_PLANES, planes, strict=True)}
    return arrays


_PLANES = ("samples", "peak", "bmode_power", "truth_m_s", "vessel_mask")


def _unpacked(arrays: dict[str, NDArray[Any]]) -> Sequence:
    about = json.loads(str(arrays["about"]))
    frames = []
    for k, told in enumerate(about["frames"]):
        samples, peak, bmode_power, truth_m_s, vessel_mask = (
            arrays[f"{name}-{k}"] for name in _PLANES
        )
        acquisition = _acquisition(told["acquisition"])
        frames.append(
            IqFrame(
                index=told["index"],
                time_s=told["time_s"],
                received_s=0.0,
                acquisition=acquisition,
                iq=restore(Quantised(samples, peak)),
                bmode_power=bmode_power,
                truth=KnownFlow(acquisition.colour_grid, truth_m_s, vessel_mask),
            )
        )
    return Sequence(
        about["name"],
        about["kind"],
        tuple(frames),
        ProcessingSettings(**about["processing"]),
        about["snr_db"],
        about["n_lead_in"],
    )


def _acquisition(told: dict[str, Any]) -> Acquisition:
    """Acquisition of its plain form; JSON knows no tuples."""
    parts = {"probe": Probe, "colour_grid": ImageGrid, "bmode_grid": ImageGrid}
    made = {name: parts[name](**_tuples(told[name])) for name in parts}
    return Acquisition(**{**_tuples(told), **made})


def _tuples(told: dict[str, Any]) -> dict[str, Any]:
    def as_tuple(value: Any) -> Any:
        return tuple(as_tuple(item) for item in value) if isinstance(value, list) else value

    return {name: as_tuple(value) for name, value in told.items()}
