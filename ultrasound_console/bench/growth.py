"""How the cost of a frame grows with the ensemble, the channels, the pixels and the window.

A cost that grows with the work alone is a constant plus a share for each unit. What is told beside
each cost is its distance from the straight line through the smallest and the largest of the row.

All rows are measured in turns, and the least of each cost counts: a machine that others use as well
is slower for seconds at a time, and in a single turn that looks like growth.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frames import ChannelFrame, DopplerFrame
from ..geometry import Probe
from ..pipeline import doppler as finish
from ..pipeline import form
from .clock import timed
from .work import PROCESSING, network, workload

ENSEMBLES = (4, 8, 12, 16, 24, 32)
CHANNELS = (32, 64, 96, 128)
DEPTHS = (64, 128, 256, 384, 512)
WINDOWS = ((640, 360), (1024, 576), (1280, 720), (1600, 900), (1920, 1080))
ROUNDS = 5
TURNS = 5
# Takes a size in pixels and gives what draws a frame at that size.
Draw = Callable[[DopplerFrame], object]

_MS = "_ms"
_DPI = 110


Rows = list[dict[str, float]]


def measure(rounds: int = ROUNDS, turns: int = TURNS) -> dict[str, Any]:
    """Measure what the signal chain takes.

    Parameters
    ----------
    rounds : int
        Calls of which each turn takes the median.
    turns : int

    Returns
    -------
    dict
        For each of ``ensemble``, ``channels`` and ``pixels`` a list of rows with the count and the
        CPU milliseconds of both steps.
    """
    made = {"ensemble": _ensembles, "channels": _channels, "pixels": _pixels}
    every = [
        {name: [_cost(n, frame, rounds) for n, frame in frames()] for name, frames in made.items()}
        for _ in range(turns)
    ]
    return {name: _least([turn[name] for turn in every]) for name in made}


def measure_windows(
    draw_at: Callable[[tuple[int, int]], Draw], rounds: int = ROUNDS, turns: int = TURNS
) -> Rows:
    """Measure what it takes to draw a new frame, by the pixels of the window.

    Parameters
    ----------
    draw_at : callable
        Takes (width, height) in pixels and returns what draws a frame.
    rounds, turns : int
        As those of :func:`measure`.

    Returns
    -------
    list of dict
        Rows as those of :func:`measure`. CPU time is that of the whole process: software OpenGL
        has threads of its own.
    """
    frame = finish(form(workload(), PROCESSING), PROCESSING, None, network())
    every: list[Rows] = []
    for _ in range(turns):
        every.append([])
        for size in WINDOWS:
            draw = draw_at(size)
            cost = timed(lambda draw=draw: draw(frame), rounds, clock=time.process_time)  # type: ignore[misc]
            every[-1].append({"n": size[0] * size[1], "draw_ms": cost.cpu_ms})
    return _least(every)


def _least(turns: Sequence[Rows]) -> Rows:
    """Take the least of each figure over rows measured several times."""
    return [
        {name: min(row[name] for row in same) for name in same[0]}
        for same in zip(*turns, strict=True)
    ]


def _cost(n: int, frame: ChannelFrame, rounds: int) -> dict[str, float]:
    segmenter = network()
    formed = form(frame, PROCESSING)
    return {
        "n": n,
        "form_ms": timed(lambda: form(frame, PROCESSING), rounds).cpu_ms,
        "finish_ms": timed(lambda: finish(formed, PROCESSING, None, segmenter), rounds).cpu_ms,
    }


def _ensembles() -> Iterator[tuple[int, ChannelFrame]]:
    frame = workload()
    for n in ENSEMBLES:
        acquisition = dataclasses.replace(frame.acquisition, n_pulses=n)
        pulses = np.arange(n) % len(frame.colour)
        yield n, dataclasses.replace(frame, acquisition=acquisition, colour=frame.colour[pulses])


def _channels() -> Iterator[tuple[int, ChannelFrame]]:
    """Take the middle of the array, with the picture as wide as ever."""
    frame = workload()
    probe = frame.acquisition.probe
    for n in CHANNELS:
        first = (probe.n_elements - n) // 2
        fewer = Probe.linear(f"L{n}", n, probe.pitch_m, probe.center_frequency_hz)
        acquisition = dataclasses.replace(frame.acquisition, probe=fewer)
        colour = np.ascontiguousarray(frame.colour[:, first : first + n])
        yield n, dataclasses.replace(frame, acquisition=acquisition, colour=colour)


def _pixels() -> Iterator[tuple[int, ChannelFrame]]:
    frame = workload()
    grid = frame.acquisition.colour_grid
    for n_depths in DEPTHS:
        finer = dataclasses.replace(grid, n_depths=n_depths)
        acquisition = dataclasses.replace(frame.acquisition, colour_grid=finer, bmode_grid=finer)
        yield n_depths * grid.n_lines, dataclasses.replace(frame, acquisition=acquisition)


def table(report: dict[str, Any]) -> str:
    """Lay the rows out for a person."""
    lines = []
    for name, rows in report.items():
        steps = _steps(rows)
        heads = "".join(f"{step.replace('_', ' '):>11}" for step in steps)
        lines.append(f"{name.replace('_', ' '):>14}{heads}{'off the line':>14}")
        _, sum_ms, line_ms = _against_line(rows)
        for row, off in zip(rows, sum_ms / line_ms - 1.0, strict=True):
            costs = "".join(f"{row[step]:11.2f}" for step in steps)
            lines.append(f"{row['n']:14d}{costs}{100 * off:+13.0f} %")
        lines.append("")
    return "\n".join(lines)


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the costs and their straight lines as a picture.

    Raises
    ------
    ImportError
        Matplotlib is missing.
    OSError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(report), 3.2), layout="constrained")
    every_axes = figure.subplots(1, len(report), squeeze=False)[0]
    for axes, (name, rows) in zip(every_axes, report.items(), strict=True):
        counts, sum_ms, line_ms = _against_line(rows)
        axes.plot(counts, line_ms, color="grey", linestyle=":", label="straight line")
        axes.plot(counts, sum_ms, color="black", marker=".", label="sum")
        steps = _steps(rows)
        for step in steps if len(steps) > 1 else ():
            costs_ms = [row[step] for row in rows]
            axes.plot(counts, costs_ms, marker=".", label=step.removesuffix(_MS), alpha=0.7)
        axes.set_xlabel(name.replace("_", " "))
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0.0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=7)
    every_axes[0].set_ylabel("CPU ms")
    figure.savefig(path, dpi=_DPI)


def _steps(rows: Sequence[dict[str, float]]) -> tuple[str, ...]:
    return tuple(name for name in rows[0] if name.endswith(_MS))


def _against_line(
    rows: Sequence[dict[str, float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give counts, the sum of all steps, and the line through its first and last."""
    counts = np.array([row["n"] for row in rows], np.float64)
    sum_ms = np.array([sum(row[step] for step in _steps(rows)) for row in rows])
    return counts, sum_ms, np.interp(counts, counts[[0, -1]], sum_ms[[0, -1]])
