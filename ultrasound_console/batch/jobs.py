"""What is to be done with each of many sources, and what becomes of it.

Every source is a job of its own: one that fails ends with one line, and the others go on. Jobs are
given out by name and path, and results are written where they are made; only words travel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..assets import AssetError
from ..declared import SettingError, Value
from ..export.results import ResultsWriter
from ..offline import Pipeline, check_asked, open_source, play
from ..pipeline import PipelineError
from ..sources import SourceError
from ..sources.protocol import SIMULATED

Summary = dict[str, dict[str, float | None]]


class BatchError(Exception):
    """A batch that cannot be begun, or not go on; the message says why in one line."""


@dataclass(frozen=True)
class Job:
    """One source, and the file for its results."""

    source: str
    output: Path


@dataclass(frozen=True)
class Method:
    """How sources are processed.

    Attributes
    ----------
    settings : mapping
        By name; see :class:`~ultrasound_console.Pipeline`.
    model : Path, optional
        Network of one's own.
    prf_hz : float, optional
        Rate of the pulses of recordings that do not say it.
    prf_divisor : int, optional
        Keep every n-th pulse.
    n_frames : int, optional
        Of each source; by default one pass or one heart cycle.

    Raises
    ------
    SettingError
        See :func:`.offline.check_asked`.
    """

    settings: Mapping[str, Value] = field(default_factory=dict)
    model: Path | None = None
    prf_hz: float | None = None
    prf_divisor: int | None = None
    n_frames: int | None = None

    def __post_init__(self) -> None:
        check_asked(self.settings, self.prf_divisor)

    def pipeline(self, tell: Callable[[str], None]) -> Pipeline:
        """Make the pipeline; see there for what it raises."""
        return Pipeline(
            model=self.model, prf_divisor=self.prf_divisor, tell=tell, **dict(self.settings)
        )


@dataclass(frozen=True)
class Note:
    """Something the user should know."""

    text: str


@dataclass(frozen=True)
class Progress:
    """So many frames of a source are finished."""

    job: Job
    done: int
    total: int


@dataclass(frozen=True)
class Ended:
    """A job is over.

    Attributes
    ----------
    job : Job
    n_frames : int
        That were written.
    failure : str
        Why there is no file, in one line; empty where there is one.
    """

    job: Job
    n_frames: int
    failure: str = ""


Events = Generator[Note | Progress | Ended, None, None]
"""What becomes of jobs, as it happens; one :class:`Ended` for each."""


def write_results(
    job: Job, method: Method, pipeline: Pipeline, show: Callable[[Progress], None]
) -> tuple[int, Summary]:
    """Process a source into a file, which appears only when it is whole.

    Returns
    -------
    n_frames : int
    summary : dict
        See :attr:`.export.results.ResultsWriter.summary`.

    Raises
    ------
    SettingError, SourceError, PipelineError
        The source, or what was asked of it.
    OSError
        The file cannot be written.
    """
    with contextlib.closing(open_source(job.source, prf_hz=method.prf_hz)) as source:
        acquisition, done = pipeline.configure(source), 0
        total = method.n_frames or source.n_frames or 1
        with ResultsWriter(job.output, acquisition, pipeline.settings) as writer:
            show(Progress(job, 0, total))
            for frame in map(pipeline.process, play(source, total)):
                if frame.acquisition.colour_grid != acquisition.colour_grid:
                    raise PipelineError(
                        f"{source.name}: the colour box changes at frame {done}, and a file of "
                        f"results holds one; --frames {done} stops before"
                    )
                writer.append(frame)
                done += 1
                show(Progress(job, done, total))
    return done, writer.summary


def attempt(
    job: Job, method: Method, pipeline: Pipeline, show: Callable[[Progress], None]
) -> Ended:
    """Do a job, and say in one line why if that fails."""
    try:
        done, _ = write_results(job, method, pipeline, show)
    except (SettingError, SourceError, PipelineError) as error:
        return Ended(job, 0, str(error).removeprefix(f"{Path(job.source).name}: "))
    except MemoryError:
        return Ended(job, 0, "too little memory; fewer --processes need less")
    except OSError as error:
        return Ended(job, 0, f"{job.output}: {error.strerror or error}; nothing was kept")
    except Exception as error:  # noqa: BLE001 - the others go on
        return Ended(job, 0, f"unexpected {type(error).__name__}: {first_line(error)}")
    return Ended(job, done)


def run_job(job: Job, method: Method) -> tuple[Ended, tuple[str, ...]]:
    """Do a job from nothing, in the process of a cluster.

    Returns
    -------
    ended : Ended
    notes : tuple of str
    """
    notes: list[str] = []
    try:
        pipeline = method.pipeline(notes.append)
    except (AssetError, SettingError) as error:
        return Ended(job, 0, str(error)), ()
    with pipeline:
        ended = attempt(job, method, pipeline, lambda progress: None)
    return ended, tuple(notes)


def outputs(sources: Sequence[str], folder: Path, suffix: str) -> tuple[Job, ...]:
    """Name a file in a folder for the results of each source.

    Raises
    ------
    BatchError
        Two sources would be written to one file, or one over itself.
    """
    jobs: dict[str, Job] = {}
    for source in sources:
        is_file = not source.startswith(SIMULATED)
        stem = Path(source).stem if is_file else source.replace(":", "-")
        job = Job(source, folder / f"{stem}{suffix}")
        # Some disks take A and a for the same name.
        other = jobs.setdefault(job.output.name.casefold(), job)
        if other is not job:
            raise BatchError(
                f"{other.source} and {source} would both be written to {job.output}: "
                "process one of them into another folder"
            )
        check_apart(job)
    return tuple(jobs.values())


def check_apart(job: Job) -> None:
    """Refuse to write results over what they are made of.

    Raises
    ------
    BatchError
    """
    if job.output.exists() and not job.source.startswith(SIMULATED):
        with contextlib.suppress(OSError):  # what cannot be found is said by its reader
            if job.output.samefile(job.source):
                raise BatchError(
                    f"{job.source}: the results would be written over it; give another name or "
                    "folder"
                )


def first_line(error: BaseException) -> str:
    """Say in one line what an error says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
