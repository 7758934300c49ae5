"""The same frame on an NVIDIA GPU, stage by stage and as a whole."""

from __future__ import annotations

import warnings
from importlib import util
from typing import Any

import numpy as np

from ..dsp import beamform, bmode, doppler
from ..dsp.demodulate import demodulate
from .clock import ROUNDS, Task, timed
from .work import N_PULSES, PROCESSING, Work, workload


def refusal() -> str:
    """Why no GPU can be measured here; empty where one can."""
    if util.find_spec("cupy") is None:
        return "--gpu: CuPy is not installed, so no GPU can be used"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it finds no CUDA: the refusal says so
        import cupy
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"--gpu: there is no NVIDIA GPU here ({error})"
    return "" if n_devices else "--gpu: there is no NVIDIA GPU here"


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure samples to maps on the current GPU; every time includes the wait for its end.

    Parameters
    ----------
    rounds : int
        Calls that a median is taken of.

    Returns
    -------
    dict
        As written to the JSON file. ``maps_fps`` is of one frame after the other, copies to and
        from the GPU included; ``iq_difference_from_cpu`` is that of the beamformed samples,
        relative.
    """
    import cupy

    work, kind, width = Work(), PROCESSING.wall_filter, PROCESSING.smoothing_m
    frame = workload()
    grid, angle_rad = frame.acquisition.colour_grid, frame.acquisition.transmit_angle_rad
    start_s = frame.acquisition.start_time_s
    full_width = (width / grid.pixel_size_m[0], width / grid.pixel_size_m[1])
    samples = cupy.asarray(frame.colour)
    channel = demodulate(samples, work.demodulation)
    iq = beamform.delay_and_sum(channel, work.receive, angle_rad, start_s)
    lags = doppler.autocorrelate(iq, N_PULSES, kind)
    smoothed = doppler.smooth(lags, full_width)
    maps = doppler.maps(smoothed)
    power = bmode.mean_power(iq, N_PULSES)

    def whole() -> None:
        demodulate(cupy.asarray(frame.colour), work.demodulation, out=channel)
        beamform.delay_and_sum(channel, work.receive, angle_rad, start_s, out=iq)
        made = doppler.estimate(iq, N_PULSES, kind, full_width)
        for plane in (made.velocity, made.bandwidth, made.power, bmode.mean_power(iq, N_PULSES)):
            cupy.asnumpy(plane)

    stages: dict[str, Task] = {
        "upload": lambda: cupy.asarray(frame.colour),
        "demodulate": lambda: demodulate(samples, work.demodulation, out=channel),
        "beamform": lambda: beamform.delay_and_sum(
            channel, work.receive, angle_rad, start_s, out=iq
        ),
        "wall_filter_and_lags": lambda: doppler.autocorrelate(iq, N_PULSES, kind),
        "smooth": lambda: doppler.smooth(lags, full_width),
        "maps": lambda: doppler.maps(smoothed),
        "bmode": lambda: bmode.mean_power(iq, N_PULSES),
        "download": lambda: [
            cupy.asnumpy(plane) for plane in (maps.velocity, maps.bandwidth, maps.power, power)
        ],
    }

    def ended(task: Task) -> Task:
        def run() -> None:
            task()
            cupy.cuda.get_current_stream().synchronize()

        return run

    stage_ms = {name: timed(ended(task), rounds).wall_ms for name, task in stages.items()}
    whole_ms = timed(ended(whole), rounds).wall_ms
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    difference = np.linalg.norm(cupy.asnumpy(iq) - work.iq) / np.linalg.norm(work.iq)
    return {
        "gpu": properties["name"].decode(),
        "cupy": cupy.__version__,
        "rounds": rounds,
        "stage_ms": stage_ms,
        "maps_ms": whole_ms,
        "maps_fps": 1e3 / whole_ms,
        "iq_difference_from_cpu": float(difference),
    }


def table(report: dict[str, Any]) -> str:
    """Lay a report out for a person."""
    lines = [f"{report['gpu']}; CuPy {report['cupy']}; median of {report['rounds']}", ""]
    lines += [f"{name:32}{wall_ms:9.2f} ms" for name, wall_ms in report["stage_ms"].items()]
    return "\n".join(
        [
            *lines,
            f"{'samples to maps, with the copies':32}{report['maps_ms']:9.2f} ms"
            f" ({report['maps_fps']:.0f} frames/s)",
            f"{'samples differ from the CPU by':32}{report['iq_difference_from_cpu']:9.1e}",
        ]
    )
