"""Spectra of a gate as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..pipeline.gated import GateRecord


def write_npz(path: Path, record: GateRecord) -> None:
    """Everything, as NumPy arrays; ``description`` is JSON."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            power=record.spectra.power,
            time_s=record.spectra.time_s,
            velocity_m_s=record.spectra.velocity_m_s,
            mean_m_s=record.trace.mean_m_s,
            envelope_m_s=record.trace.envelope_m_s,
            at_end=record.trace.at_end,
            description=json.dumps(record.description.to_dict()),
        )


def write_csv(path: Path, record: GateRecord) -> None:
    """Write the trace as a table, below the description in lines that begin with "#"."""
    line = record.trace
    told = record.description.to_dict()
    rows = [f"# {name}: {json.dumps(value)}" for name, value in told.items()]
    rows.append("time_s,mean_m_s,envelope_m_s,at_end")
    columns = (line.time_s, line.mean_m_s, line.envelope_m_s, line.at_end)
    rows += [
        f"{time:.6f},{mean:.5f},{edge:.5f},{end:d}"
        for time, mean, edge, end in zip(*columns, strict=True)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


WRITERS = {".npz": write_npz, ".csv": write_csv}
"""By the ending of the file's name."""
