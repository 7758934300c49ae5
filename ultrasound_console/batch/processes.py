"""Jobs side by side in processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from ..assets import AssetError
from ..declared import SettingError
from ..export.whole_file import remove_parts
from .jobs import BatchError, Ended, Events, Job, Method, Note, Progress, attempt

# Processes that were told to end have this long until they are made to.
_PATIENCE_S = 0.5
# What libraries of linear algebra read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
