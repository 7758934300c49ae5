"""Many sources to files of results: in processes of this machine, or on a Dask cluster."""

from .cluster import on_cluster
from .jobs import (
    BatchError,
    Ended,
    Job,
    Method,
    Note,
    Progress,
    check_apart,
    outputs,
    run_job,
    write_results,
)
from .processes import n_processors, on_this_machine

__all__ = [
    "BatchError",
    "Ended",
    "Job",
    "Method",
    "Note",
    "Progress",
    "check_apart",
    "n_processors",
    "on_cluster",
    "on_this_machine",
    "outputs",
    "run_job",
    "write_results",
]
