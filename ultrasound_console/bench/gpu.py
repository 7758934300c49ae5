"""The same frame on an NVIDIA GPU: stage by stage, alone, and as the engine runs it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..compute import Compute, Formed
from ..dsp import beamform, bmode, doppler
from ..dsp.demodulate import demodulate
from ..dsp.device import Gpu, missing_gpu, to_host
from ..dsp.quantise import quantise
from ..frames import DopplerFrame
from ..pipeline import estimate, form
from ..settings import ProcessingSettings
from ..settings.processing import GPU
from . import CHAIN_FRAMES, pipelined
from .clock import ROUNDS, Task, timed
from .work import N_PULSES, PROCESSING, Work, workload


def refusal() -> str:
    """Why no GPU can be measured here; empty where one can."""
    why_not = missing_gpu()
    return f"--gpu: {why_not}" if why_not else ""


def measure(rounds: int = ROUNDS, n_frames: int = CHAIN_FRAMES) -> dict[str, Any]:
    """Measure samples to maps on the current GPU.

    Parameters
    ----------
    rounds : int
        Calls that a median is taken of.
    n_frames : int
        Frames that go through the pipeline.

    Returns
    -------
    dict
        As written to the JSON file. ``stage_ms`` include the wait for the end of each. ``maps_ms``
        is one frame alone, from samples to maps in host memory. ``maps_fps``, ``chain_fps`` and
        the latencies are of the engine's two threads, in which one frame is uploaded while the
        one before is computed; the samples come back for the cine. ``iq_difference_from_cpu`` is
        that of the beamformed samples, relative.

    Raises
    ------
    RuntimeError
        The GPU failed on the way.
    """
    gpu, work, kind, width = Gpu(), Work(), PROCESSING.wall_filter, PROCESSING.smoothing_m
    frame = workload()
    grid, angle_rad = frame.acquisition.colour_grid, frame.acquisition.transmit_angle_rad
    start_s = frame.acquisition.start_time_s
    full_width = (width / grid.pixel_size_m[0], width / grid.pixel_size_m[1])

    def ended(task: Task) -> Task:
        def run() -> None:
            task()
            gpu.wait()

        return run

    def upload() -> None:
        with gpu.uploaded(frame.colour):
            pass

    with gpu.computing():
        samples = gpu.array(frame.colour)
        channel = demodulate(samples, work.demodulation)
        iq = beamform.delay_and_sum(channel, work.receive, angle_rad, start_s)
        lags = doppler.autocorrelate(iq, N_PULSES, kind)
        smoothed = doppler.smooth(lags, full_width)
        maps = doppler.maps(smoothed)
        power = bmode.mean_power(iq, N_PULSES)
        quantised = quantise(iq, N_PULSES)
        planes = (maps.velocity, maps.power, maps.bandwidth, power, *quantised)
        stages: dict[str, Task] = {
            "upload": upload,
            "demodulate": lambda: demodulate(samples, work.demodulation, out=channel),
            "beamform": lambda: beamform.delay_and_sum(
                channel, work.receive, angle_rad, start_s, out=iq
            ),
            "wall_filter_and_lags": lambda: doppler.autocorrelate(iq, N_PULSES, kind),
            "smooth": lambda: doppler.smooth(lags, full_width),
            "maps": lambda: doppler.maps(smoothed),
            "bmode": lambda: bmode.mean_power(iq, N_PULSES),
            "quantise": lambda: quantise(iq, N_PULSES),
            "download": lambda: to_host(*planes),
        }
        stage_ms = {name: timed(ended(task), rounds).wall_ms for name, task in stages.items()}
        alone = timed(
            lambda: estimate(form(frame, PROCESSING, gpu), PROCESSING, for_cine=True), rounds
        )
        (fetched,) = to_host(iq)
        difference = np.linalg.norm(fetched - work.iq) / np.linalg.norm(work.iq)

    failures: list[str] = []
    compute = Compute(failures.append, work.segmenter)

    def finish(
        formed: Formed, processing: ProcessingSettings, previous: DopplerFrame | None
    ) -> DopplerFrame:
        return compute.doppler(formed, processing, previous, for_cine=True).frame

    asked = dataclasses.replace(PROCESSING, compute=GPU)
    without_folds = dataclasses.replace(asked, dealias=False)
    to_maps = pipelined(without_folds, n_frames, compute.form, finish)
    chain = pipelined(asked, n_frames, compute.form, finish)
    if failures:  # the CPU went on: its times would pass for those of the GPU
        raise RuntimeError(failures[0])
    return {
        "gpu": gpu.name,
        "cupy": gpu.cupy_version,
        "rounds": rounds,
        "stage_ms": stage_ms,
        "maps_ms": alone.wall_ms,
        "maps_fps": to_maps.fps,
        "chain_fps": chain.fps,
        "latency_p50_ms": chain.latency_p50_ms,
        "latency_p99_ms": chain.latency_p99_ms,
        "iq_difference_from_cpu": float(difference),
    }


def table(report: dict[str, Any]) -> str:
    """Lay a report out for a person."""
    lines = [f"{report['gpu']}; CuPy {report['cupy']}; median of {report['rounds']}", ""]
    lines += [f"{name:32}{wall_ms:9.2f} ms" for name, wall_ms in report["stage_ms"].items()]
    rows = [
        ("one frame alone, samples to maps", "{maps_ms:.2f} ms"),
        ("two threads, samples to maps", "{maps_fps:.0f} frames/s"),
        ("  and de-aliased", "{chain_fps:.0f} frames/s"),
        ("  latency p50, p99", "{latency_p50_ms:.1f}, {latency_p99_ms:.1f} ms"),
        ("samples differ from the CPU by", "{iq_difference_from_cpu:.1e}"),
    ]
    lines += ["", *(f"{name:32}{text.format(**report):>18}" for name, text in rows)]
    return "\n".join(lines)
