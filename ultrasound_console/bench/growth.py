"""How the cost of a frame grows with the ensemble, the channels and the pixels.

A cost that grows with the work alone is a constant plus a share for each unit. What is told beside
each cost is its distance from the straight line through the smallest and the largest of the row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..frames import ChannelFrame
from ..geometry import Probe
from ..pipeline import doppler as finish
from ..pipeline import form
from .clock import timed
from .work import PROCESSING, network, workload

ENSEMBLES = (4, 8, 12, 16, 24, 32)
CHANNELS = (32, 64, 96, 128)
DEPTHS = (64, 128, 256, 384, 512)
ROUNDS = 9


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure all three.

    Returns
    -------
    dict
        For each of ``ensemble``, ``channels`` and ``pixels`` a list of rows with the count and the
        CPU milliseconds of both steps.
    """
    return {
        name: [_cost(n, frame, rounds) for n, frame in frames]
        for name, frames in (
            ("ensemble", _ensembles()),
            ("channels", _channels()),
            ("pixels", _pixels()),
        )
    }


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
        lines.append(f"{name:>12}{'form ms':>10}{'finish ms':>11}{'off the line':>14}")
        counts = np.array([row["n"] for row in rows])
        both_ms = np.array([row["form_ms"] + row["finish_ms"] for row in rows])
        line_ms = np.interp(counts, counts[[0, -1]], both_ms[[0, -1]])
        for row, off in zip(rows, both_ms / line_ms - 1.0, strict=True):
            lines.append(
                f"{row['n']:12d}{row['form_ms']:10.2f}{row['finish_ms']:11.2f}{100 * off:+13.0f} %"
            )
        lines.append("")
    return "\n".join(lines)
