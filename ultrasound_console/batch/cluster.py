"""Jobs on a Dask cluster that sees the same files under the same paths."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..sources.protocol import SIMULATED
from .jobs import BatchError, Ended, Events, Job, Method, Note, first_line, run_job

_CONNECT_S = 10.0


def on_cluster(jobs: Sequence[Job], method: Method, address: str) -> Events:
    """Process sources on a Dask cluster.

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
            f"--dask {address}: no Dask scheduler answers there ({first_line(error)})"
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
                yield Ended(job, 0, f"on the cluster: {first_line(future.exception())}")
            else:
                raise BatchError(f"--dask {address}: the cluster is lost")
            future.release()
    finally:
        # What runs already goes on to its end there: Dask stops no thread.
        with contextlib.suppress(OSError):
            client.cancel(list(waiting))
        client.close(timeout=1.0)


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
