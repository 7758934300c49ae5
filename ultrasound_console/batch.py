"""Many sources to files of results: in processes of this machine, or on a Dask cluster.

Every source is a job of its own: one that fails ends with one line, and the others go on. Jobs are
given out by name and path, and results are written where they are made; only words travel.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .assets import AssetError
from .declared import SettingError, Value
from .export.results import ResultsWriter
from .export.whole_file import remove_parts
from .offline import Pipeline, check_asked, open_source, play
from .pipeline import PipelineError
from .sources import SourceError
from .sources.protocol import SIMULATED

# Processes that were told to end have this long until they are made to.
_PATIENCE_S = 0.5
_CONNECT_S = 10.0
# What libraries of linear algebra read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

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
        return Ended(job, 0, f"unexpected {type(error).__name__}: {_first_line(error)}")
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


def n_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_this_machine(jobs: Sequence[Job], method: Method, n_processes: int) -> Events:
    """Process sources side by side.

    The processes end when the generator is closed, within 2 s and with nothing half-written.

    Parameters
    ----------
    jobs : sequence of Job
    method : Method
    n_processes : int
        Each computes with its share of the processors.

    Yields
    ------
    Note, Progress or Ended

    Raises
    ------
    BatchError
        The settings or the model are of no use.
    """
    waiting, workers = deque(jobs), list[_Worker]()
    # The first one compiles what no cache holds yet; the others find it there.
    n_wanted = 1
    try:
        while waiting or any(worker.job for worker in workers):
            while waiting and len(workers) < n_wanted:
                workers.append(_Worker(method, n_processes))
            for worker in workers:
                if waiting and worker.job is None:
                    worker.begin(waiting.popleft())
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                told = worker.receive()
                if isinstance(told, BatchError):
                    raise told
                yield told
                if isinstance(told, Ended) or (isinstance(told, Progress) and told.done):
                    n_wanted = n_processes
                if isinstance(told, Ended) and (worker.has_died or not waiting):
                    workers.remove(worker)
                    _end([worker])
    finally:
        _end(workers)


def on_cluster(jobs: Sequence[Job], method: Method, address: str) -> Events:
    """Process sources on a Dask cluster that sees the same files under the same paths.

    Parameters
    ----------
    jobs : sequence of Job
    method : Method
    address : str
        Of the scheduler, ``tcp://HOST:PORT``.

    Yields
    ------
    Note or Ended

    Raises
    ------
    BatchError
        Dask is not installed, the cluster does not answer, or is lost.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise BatchError(
            f"--dask needs the package distributed ({error}): "
            "pip install 'ultrasound-console[distributed]'"
        ) from error
    if not _is_address(address):
        raise BatchError(f"--dask {address}: give tcp://HOST:PORT, or tls://HOST:PORT")
    # What it would log at length is said in a line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BatchError(
            f"--dask {address}: no Dask scheduler answers there ({_first_line(error)})"
        ) from error
    waiting: dict[Any, Job] = {}
    try:
        shared = replace(method, model=method.model and method.model.absolute())
        for job in jobs:
            waiting[client.submit(run_job, _absolute(job), shared, pure=False)] = job
        for future in as_completed(list(waiting), loop=client.loop):
            job = waiting.pop(future)
            if future.status == "finished":
                ended, notes = future.result()
                yield from map(Note, notes)
                yield replace(ended, job=job)
            elif future.status == "error":
                yield Ended(job, 0, f"on the cluster: {_first_line(future.exception())}")
            else:
                raise BatchError(f"--dask {address}: the cluster is lost")
            future.release()
    finally:
        # What runs already goes on to its end there: Dask stops no thread.
        with contextlib.suppress(OSError):
            client.cancel(list(waiting))
        client.close(timeout=1.0)


class _Worker:
    """A process that does one job after the other."""

    def __init__(self, method: Method, n_processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.job: Job | None = None
        self.has_died = False
        self.process = context.Process(target=_serve, args=(theirs, method), daemon=True)
        with _unreached_by_ctrl_c(), _share_of_threads(n_processes):
            self.process.start()
        theirs.close()

    def begin(self, job: Job) -> None:
        """Give it a job."""
        self.job = job
        with contextlib.suppress(OSError):  # it has died: that is what it tells next
            self.connection.send(job)

    def receive(self) -> Note | Progress | Ended | BatchError:
        """Take what it tells next."""
        assert self.job is not None
        try:
            told: Note | Progress | Ended | BatchError = self.connection.recv()
        except (EOFError, OSError):
            self.has_died = True
            self.process.join()
            problem = f"its process ended with {self.process.exitcode}; is memory short?"
            told = Ended(self.job, 0, problem)
        if isinstance(told, Ended) and not self.has_died:
            self.job = None
        return told


def _end(workers: Sequence[_Worker]) -> None:
    """End processes, by force if need be, and remove what they leave."""
    for worker in workers:
        worker.process.terminate()
    end_s = time.monotonic() + _PATIENCE_S
    for worker in workers:
        worker.process.join(max(0.0, end_s - time.monotonic()))
        worker.process.kill()
        worker.process.join()
        if worker.job is not None and worker.process.pid is not None:
            remove_parts(worker.job.output, worker.process.pid)
        worker.connection.close()
        worker.process.close()


def _serve(connection: Connection[Any, Any], method: Method) -> None:
    """Do jobs until the other end is gone; what a process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An exception, so that nothing half-written stays.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.suppress(EOFError, OSError):
        try:
            pipeline = method.pipeline(lambda text: connection.send(Note(text)))
        except (AssetError, SettingError) as error:
            connection.send(BatchError(str(error)))
            return
        while True:
            connection.send(attempt(connection.recv(), method, pipeline, connection.send))


@contextlib.contextmanager
def _unreached_by_ctrl_c() -> Iterator[None]:
    """Start processes that are not interrupted together with this one, which ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _share_of_threads(n_processes: int) -> Iterator[None]:
    """Start processes whose libraries take their share of the processors, and not all."""
    share = str(max(1, n_processors() // n_processes))
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, share))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _is_address(text: str) -> bool:
    try:
        place = urlsplit(text)
        return place.scheme in ("tcp", "tls") and bool(place.hostname and place.port)
    except ValueError:
        return False


def _absolute(job: Job) -> Job:
    is_file = not job.source.startswith(SIMULATED)
    source = str(Path(job.source).absolute()) if is_file else job.source
    return Job(source, job.output.absolute())


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
