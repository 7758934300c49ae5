"""Speed of the signal chain, each ratio measured against its yardstick in the same run.

The work is one colour Doppler frame: 12 plane waves of 128 channels and 2016 samples of 16-bit RF
to 256 x 192 pixels at f/1.5. A ratio is the median over rounds in which both sides run one after
the other, in CPU time of the measuring thread: other programs then change it little.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..frames import ChannelFrame, DopplerFrame, IqFrame
from ..pipeline import doppler as finish
from ..pipeline import form
from ..settings import ProcessingSettings
from . import rivals as others
from .clock import ROUNDS, timed, times_slower
from .work import (
    DEALIASING,
    FRAME_INTERVAL_S,
    GRID,
    N_ELEMENTS,
    N_PULSES,
    N_SAMPLES,
    PROCESSING,
    SGEMM_FLOP,
    Work,
    sgemm,
    workload,
)

CHAIN_FRAMES = 200
_RIVAL_PACKAGES = ("PyMUST", "ultraspy", "zea", "jax")

# What the BLAS libraries that numpy may be linked to read when they are loaded, and numba.
_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@dataclass(frozen=True)
class Chain:
    """Two threads that pass frames on.

    Attributes
    ----------
    fps : float
        Finished frames per second.
    latency_p50_ms, latency_p99_ms : float
        From the moment that ``form`` is given the samples to the finished picture.
    """

    fps: float
    latency_p50_ms: float
    latency_p99_ms: float


# ---- the chain ----------------------------------------------------------------------------


def against_sgemm(work: Work, rounds: int = ROUNDS) -> tuple[float, float]:
    """Compare with the matrix product; only in a process whose BLAS has one thread.

    Returns
    -------
    beamform_ratio : float
        Operations per second of the beamformer, padding lanes included, over those of the product.
    maps_products : float
        How many products of 1024 rows take as long as a frame from samples to maps.
    """
    product = sgemm()
    share = times_slower(product, work.beamform, rounds) * work.beamform_flop / SGEMM_FLOP
    return share, times_slower(work.maps, product, rounds)


def pipelined(
    processing: ProcessingSettings,
    n_frames: int = CHAIN_FRAMES,
    first: Callable[[ChannelFrame, ProcessingSettings], Any] = form,
    second: Callable[[Any, ProcessingSettings, DopplerFrame | None], DopplerFrame] = finish,
) -> Chain:
    """Run frames through both threads of the worker as fast as they go.

    A slot for one frame lies between them, and nothing is dropped: the first thread waits until
    the slot is empty.

    Parameters
    ----------
    processing : ProcessingSettings
    n_frames : int
    first, second : callable
        The two steps; those of the CPU by default.
    """
    frame = workload()
    slot: queue.Queue[tuple[float, Any] | None] = queue.Queue(maxsize=1)
    warm_up = max(1, n_frames // 10)

    def form_all() -> None:
        try:
            for index in range(warm_up + n_frames):
                given = dataclasses.replace(
                    frame,
                    index=index,
                    time_s=index * FRAME_INTERVAL_S,
                    received_s=time.perf_counter(),
                )
                slot.put((given.received_s, first(given, processing)))
        finally:
            slot.put(None)

    previous: DopplerFrame | None = None
    finished_s, latency_s = [], []
    with ThreadPoolExecutor(1) as worker:
        first_stage = worker.submit(form_all)
        while (handed_over := slot.get()) is not None:
            received_s, formed = handed_over
            previous = second(formed, processing, previous)
            finished_s.append(time.perf_counter())
            latency_s.append(finished_s[-1] - received_s)
        first_stage.result()
    median, late = np.percentile(latency_s[warm_up:], [50, 99])
    return Chain(
        fps=n_frames / (finished_s[-1] - finished_s[warm_up - 1]),
        latency_p50_ms=1e3 * float(median),
        latency_p99_ms=1e3 * float(late),
    )


# ---- the report ---------------------------------------------------------------------------


def one_thread() -> dict[str, str]:
    """Environment in which numpy's BLAS starts with one thread."""
    return {**os.environ, **dict.fromkeys(_THREADS, "1")}


def is_one_thread() -> bool:
    """Whether this process was started so."""
    return all(os.environ.get(name) == "1" for name in _THREADS)


def run_again(arguments: list[str]) -> int:
    """Run the command in a process whose BLAS has one thread, and return its exit code."""
    command = [sys.executable, "-m", "ultrasound_console", "bench", *arguments]
    return subprocess.run(command, env=one_thread(), check=False).returncode  # noqa: S603 - us


def measure(
    *, rivals: bool = False, rounds: int = ROUNDS, n_frames: int = CHAIN_FRAMES
) -> dict[str, Any]:
    """Measure everything.

    Parameters
    ----------
    rivals : bool
        Other people's implementations too, as far as they are installed.
    rounds : int
        Calls that a median is taken of.
    n_frames : int
        Frames that go through the pipeline.

    Returns
    -------
    dict
        As written to the JSON file. A ratio to another project is None where it was not measured;
        ``rivals`` says why, and how alike the results are where it was.
    """
    work = Work()
    stages = {name: timed(task, rounds) for name, task in work.stages.items()}

    def second(
        iq: IqFrame, processing: ProcessingSettings, previous: DopplerFrame | None
    ) -> DopplerFrame:
        return finish(iq, processing, previous, work.segmenter)

    maps = pipelined(dataclasses.replace(PROCESSING, dealias=False), n_frames, form, second)
    chain = pipelined(PROCESSING, n_frames, form, second)
    memory_mib = peak_memory_mib()

    sgemm_ratio, maps_products = against_sgemm(work, rounds)
    outcomes = others.measure(work, rounds) if rivals else {}
    ratios = {key: outcome.times_slower for key, outcome in outcomes.items()}
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "blas_threads": 1 if is_one_thread() else None,
        "versions": versions(),
        "workload": f"{N_PULSES} x {N_ELEMENTS} x {N_SAMPLES} int16, f/{PROCESSING.f_number:g}, "
        f"{GRID.n_depths} x {GRID.n_lines} pixels",
        "rounds": rounds,
        "stage_ms": {name: timing.wall_ms for name, timing in stages.items()},
        "stage_cpu_ms": {name: timing.cpu_ms for name, timing in stages.items()},
        "dealias_ms": sum(stages[name].wall_ms for name in DEALIASING)
        if work.segmenter is not None
        else None,
        "sgemm_gflops": SGEMM_FLOP / timed(sgemm(), rounds).cpu_ms * 1e-6,
        "beamform_gflops": work.beamform_flop / stages["beamform"].cpu_ms * 1e-6,
        "beamform_sgemm_ratio": sgemm_ratio,
        "maps_sgemm_products": maps_products,
        "beamform_vs_scipy_csr": times_slower(work.scipy_csr(), work.beamform, rounds),
        **dict.fromkeys(others.RIVALS),
        **ratios,
        "rivals": {key: dataclasses.asdict(outcome) for key, outcome in outcomes.items()},
        "maps_fps": maps.fps,
        "chain_fps": chain.fps,
        "latency_p50_ms": chain.latency_p50_ms,
        "latency_p99_ms": chain.latency_p99_ms,
        "peak_memory_mib": memory_mib,
    }


def cpu_name() -> str:
    """Name that the processor gives itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Versions of what computes."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    packages = (
        *("ultrasound-console", "numpy", "scipy", "numba", "llvmlite"),
        *("onnxruntime", "onnxruntime-gpu"),
        *_RIVAL_PACKAGES,
    )
    found = {"Python": platform.python_version(), str(blas["name"]): str(blas["version"])}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def peak_memory_mib() -> float | None:
    """Largest resident memory of this process so far; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def table(report: dict[str, Any]) -> str:
    """Lay a report out for a person."""
    libraries = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        f"{report['cpu']}, {report['cores']} cores; {libraries}",
        f"{report['workload']}; one thread for each stage, median of {report['rounds']}",
        "",
        f"{'stage':32}{'wall ms':>9}{'CPU ms':>9}",
    ]
    wall, cpu = report["stage_ms"], report["stage_cpu_ms"]
    lines += [f"{name:32}{wall[name]:9.2f}{cpu[name]:9.2f}" for name in wall]
    lines += [f"{'sum':32}{sum(wall.values()):9.2f}{sum(cpu.values()):9.2f}", ""]
    memory = report["peak_memory_mib"]
    rows = [
        ("evidence, network and solver", _milliseconds(report["dealias_ms"])),
        ("beamform / sgemm peak", f"{report['beamform_sgemm_ratio']:.2f}"),
        ("sgemm", f"{report['sgemm_gflops']:.0f} GFLOP/s"),
        ("beamform over SciPy CSR", f"{report['beamform_vs_scipy_csr']:.1f} times"),
        *((_over(key), _said(outcome)) for key, outcome in report["rivals"].items()),
        ("samples to maps, two threads", f"{report['maps_fps']:.1f} frames/s"),
        ("  and de-aliased", f"{report['chain_fps']:.1f} frames/s"),
        ("  latency p50, p99", "{latency_p50_ms:.0f}, {latency_p99_ms:.0f} ms".format(**report)),
        ("peak memory", "not known" if memory is None else f"{memory:.0f} MiB"),
    ]
    return "\n".join([*lines, *(f"{name:32}{value:>18}" for name, value in rows)])


def _milliseconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} ms"


def _over(key: str) -> str:
    """Words for a key: "beamform over pymust" of ``beamform_vs_pymust``."""
    return key.replace("_vs_", " over ")


def _said(outcome: dict[str, Any]) -> str:
    ratio, likeness = outcome["times_slower"], outcome["likeness"]
    if ratio is None:
        return str(outcome["state"])
    return f"{ratio:.{1 if ratio < 100.0 else 0}f} times (alike {likeness:.4f})"
