"""The spectrum of a gate from the frames of a source, and its files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..dsp import eigen_filter, wall_filter
from ..dsp.gate import gate_samples, gate_weights
from ..dsp.spectrum import LinePlan, Spectra, ensemble_spectra, line_spectra
from ..dsp.trace import CycleIndices, Trace, cycle_indices, trace
from ..frames import Acquisition, IqFrame
from ..geometry import ImageGrid
from ..settings import ProcessingSettings

_WINDOW_PULSES = 64
_HOPS_PER_WINDOW = 8
# Frames follow one another without a gap when their interval is their own length to this part of
# a pulse.
_GAP_PULSES = 0.01


@dataclass(frozen=True)
class Gate:
    """Where a spectrum is taken.

    Attributes
    ----------
    x_m, z_m : float
        Its middle.
    length_m : float
        Along the scan line, Hann-weighted: half of the weight lies in the middle quarter.
    """

    x_m: float
    z_m: float
    length_m: float = 1.5e-3

    def weights(self, grid: ImageGrid) -> NDArray[np.float32]:
        """Weights of the pixels of a grid.

        Raises
        ------
        ValueError
            The gate lies outside.
        """
        row, line = grid.indices(self.x_m, self.z_m)
        along_m = grid.range_step_m / math.cos(grid.angle_rad)
        return gate_weights(grid.shape, float(row), float(line), self.length_m / along_m)


@dataclass(frozen=True, eq=False)
class GateRecord:
    """Spectra of a gate, what is read off them, and how they were made.

    Attributes
    ----------
    spectra : Spectra
    trace : Trace
    indices : CycleIndices or None
    description : dict
        Source, gate, angles, wall filter, PRF and more, with units in the names.
    """

    spectra: Spectra
    trace: Trace
    indices: CycleIndices | None
    description: dict[str, Any]

    @property
    def titles(self) -> tuple[str, str]:
        """What a picture says of itself."""
        told = self.description
        place = (
            f"{told['source']}   gate x {1e3 * told['gate_x_m']:.1f} mm, "
            f"z {1e3 * told['gate_z_m']:.1f} mm, {1e3 * told['gate_length_m']:.1f} mm long   "
            f"PRF {1e-3 * told['prf_hz']:.3g} kHz   "
            f"transmit {math.degrees(told['transmit_angle_rad']):.0f} deg"
        )
        made = (
            f"{told['from']}, resolution {100 * told['resolution_m_s']:.2g} cm/s   "
            f"{told['wall_filter']}, -3 dB at {100 * told['wall_filter_cutoff_m_s']:.2g} cm/s   "
            "amber: envelope, blue: mean"
        )
        return place, made


def measure(
    frames: Iterable[IqFrame],
    gate: Gate,
    processing: ProcessingSettings,
    *,
    window_s: float | None = None,
    angle_rad: float = 0.0,
) -> GateRecord:
    """Make the spectra of a gate.

    Frames without a gap between them are one full-rate line, through which a window slides.
    Otherwise every frame gives one spectrum.

    Parameters
    ----------
    frames : iterable of IqFrame
        In order, of one acquisition; at least one.
    gate : Gate
    processing : ProcessingSettings
        Its wall filter is used. On a full-rate line, a regression with the same cut-off.
    window_s : float, optional
        Length of a window on a full-rate line; 64 pulses by default.
    angle_rad : float
        Between beam and vessel: the velocities of the indices are divided by its cosine.

    Raises
    ------
    ValueError
        A gate outside the colour box, or samples that make no spectrum.
    """
    samples, times, matrices = [], [], []
    for frame in frames:
        acquisition = frame.acquisition
        n_pulses, v_n = acquisition.n_pulses, acquisition.nyquist_velocity_m_s
        requested_prf = processing.wall_cutoff_m_s / (2.0 * v_n)
        kind = wall_filter.in_force(processing.wall_filter, requested_prf, n_pulses)
        samples.append(gate_samples(frame.iq, n_pulses, gate.weights(acquisition.colour_grid)))
        times.append(frame.time_s)
        matrices.append(_matrix(frame, kind))
    description = _description(acquisition, gate, len(samples))
    if _is_gapless(acquisition, len(samples)):
        line = np.concatenate(samples, axis=1)
        n_window = min(_WINDOW_PULSES, line.shape[1])
        window_s = n_window / acquisition.prf_hz if window_s is None else window_s
        plan = LinePlan(
            prf_hz=acquisition.prf_hz,
            nyquist_velocity_m_s=v_n,
            window_s=window_s,
            hop_s=window_s / _HOPS_PER_WINDOW,
            cutoff_hz=wall_filter.cutoff(kind, n_pulses) * acquisition.prf_hz,
        )
        spectra = line_spectra(line, plan, times[0])
        cutoff_hz = plan.achieved_cutoff_hz
        removed = "regression over each window" if cutoff_hz else wall_filter.NONE
        description |= {"from": "full-rate line", "window_s": plan.n_window / plan.prf_hz}
    else:
        spectra = ensemble_spectra(np.stack(samples), np.array(times), v_n, np.stack(matrices))
        removed, cutoff_hz = kind, wall_filter.cutoff(kind, n_pulses) * acquisition.prf_hz
        description |= {"from": "colour ensembles", "pulses_per_spectrum": n_pulses}
    line_trace = trace(spectra)
    indices, reason = cycle_indices(line_trace)
    description |= {
        "wall_filter": removed,
        "wall_filter_cutoff_hz": cutoff_hz,
        "wall_filter_cutoff_m_s": 2.0 * v_n * cutoff_hz / acquisition.prf_hz,
        "window": "hann",
        "resolution_m_s": spectra.resolution_m_s,
        "noise_floor_db": 10.0 * math.log10(max(spectra.noise_floor(), 1e-37)),
        "indices": _told(indices, angle_rad) if indices else reason,
    }
    return GateRecord(spectra, line_trace, indices, description)


def _matrix(frame: IqFrame, kind: str) -> NDArray[Any]:
    n_pulses = frame.acquisition.n_pulses
    if not wall_filter.is_adaptive(kind):
        return wall_filter.projection(kind, n_pulses)
    correlation = eigen_filter.correlation(frame.iq, n_pulses)
    return eigen_filter.projection(correlation, wall_filter.cutoff(kind, n_pulses))


def _is_gapless(acquisition: Acquisition, n_frames: int) -> bool:
    gap = acquisition.frame_interval_s * acquisition.prf_hz - acquisition.n_pulses
    return n_frames == 1 or abs(gap) < _GAP_PULSES


def _description(acquisition: Acquisition, gate: Gate, n_frames: int) -> dict[str, Any]:
    return {
        "source": acquisition.source,
        "version": __version__,
        "gate_x_m": gate.x_m,
        "gate_z_m": gate.z_m,
        "gate_length_m": gate.length_m,
        "transmit_angle_rad": acquisition.transmit_angle_rad,
        "receive_angle_rad": acquisition.receive_angle_rad,
        "prf_hz": acquisition.prf_hz,
        "nyquist_velocity_m_s": acquisition.nyquist_velocity_m_s,
        "n_frames": n_frames,
    }


def _told(indices: CycleIndices, angle_rad: float) -> dict[str, Any]:
    corrected = indices.angle_corrected(angle_rad)
    pulsatility = corrected.pulsatility_index
    return {
        "angle_correction_rad": angle_rad,
        **vars(corrected),
        "resistance_index": corrected.resistance_index,
        "pulsatility_index": pulsatility if math.isfinite(pulsatility) else None,  # JSON has no inf
    }


def write_npz(path: Path, record: GateRecord) -> None:
    """Everything, as NumPy arrays; ``description`` is JSON."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                power=record.spectra.power,
                time_s=record.spectra.time_s,
                velocity_m_s=record.spectra.velocity_m_s,
                mean_m_s=record.trace.mean_m_s,
                envelope_m_s=record.trace.envelope_m_s,
                at_end=record.trace.at_end,
                description=json.dumps(record.description),
            )

    _whole(path, write)


def write_csv(path: Path, record: GateRecord) -> None:
    """Write the trace as a table, below the description in lines that begin with "#"."""
    line = record.trace
    rows = [f"# {name}: {json.dumps(value)}" for name, value in record.description.items()]
    rows.append("time_s,mean_m_s,envelope_m_s,at_end")
    columns = (line.time_s, line.mean_m_s, line.envelope_m_s, line.at_end)
    rows += [
        f"{time:.6f},{mean:.5f},{edge:.5f},{end:d}"
        for time, mean, edge, end in zip(*columns, strict=True)
    ]
    _whole(path, lambda part: part.write_text("\n".join(rows) + "\n", encoding="utf-8"))


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file that appears under its name only when it is whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


WRITERS = {".npz": write_npz, ".csv": write_csv}
"""By the ending of the file's name."""
