"""The spectrum of a gate, measured from beamformed frames, and what is read off it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import BANNER, __version__
from ..dsp import eigen_filter, wall_filter
from ..dsp.gate import gate_samples, gate_weights
from ..dsp.spectrum import LinePlan, Spectra, ensemble_spectra, line_spectra
from ..dsp.trace import MAX_ANGLE_RAD, CycleIndices, Trace, cycle_indices, trace
from ..frames import Acquisition, Float32, IqFrame
from ..geometry import ImageGrid
from ..settings import ProcessingSettings
from .checks import PipelineError
from .estimates import wall_filter_in_force

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

    def weights(self, grid: ImageGrid) -> Float32:
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
class GatePlan:
    """How the spectra of a gate are made, settled before there is a frame.

    Attributes
    ----------
    acquisition : Acquisition
        Of all frames.
    n_frames : int
    gate : Gate
    weights : (n_depths, n_lines) float32
        Of the gate.
    wall_filter : str
        Of the picture, in force.
    line : LinePlan or None
        Of a full-rate line; None where every frame gives one spectrum.
    baseline_m_s : float
        Middle of the velocity axis.
    angle_rad : float
        Between beam and vessel: the velocities of the indices are divided by its cosine.
    """

    acquisition: Acquisition
    n_frames: int
    gate: Gate
    weights: Float32
    wall_filter: str
    line: LinePlan | None
    baseline_m_s: float
    angle_rad: float


@dataclass(frozen=True)
class Description:
    """How spectra were made, and what they show.

    Attributes
    ----------
    source : str
    gate : Gate
    transmit_angle_rad, receive_angle_rad, prf_hz, nyquist_velocity_m_s : float
        Of the acquisition.
    n_frames : int
    kind : {"full-rate line", "colour ensembles"}
    pulses_per_spectrum : int
    taper : str
        Weights of these pulses.
    wall_filter : str
    wall_filter_cutoff_hz : float
        -3 dB.
    baseline_m_s : float
        Middle of the velocity axis.
    resolution_m_s, noise_floor_db : float
        See :class:`~ultrasound_console.dsp.spectrum.Spectra`.
    angle_correction_rad : float
    indices : CycleIndices or None
        Corrected for the angle.
    no_indices : str
        Why there are none.
    """

    source: str
    gate: Gate
    transmit_angle_rad: float
    receive_angle_rad: float
    prf_hz: float
    nyquist_velocity_m_s: float
    n_frames: int
    kind: Literal["full-rate line", "colour ensembles"]
    pulses_per_spectrum: int
    taper: str
    wall_filter: str
    wall_filter_cutoff_hz: float
    baseline_m_s: float
    resolution_m_s: float
    noise_floor_db: float
    angle_correction_rad: float
    indices: CycleIndices | None
    no_indices: str

    @property
    def wall_filter_cutoff_m_s(self) -> float:
        """Velocity of the cut-off."""
        return 2.0 * self.nyquist_velocity_m_s * self.wall_filter_cutoff_hz / self.prf_hz

    @property
    def titles(self) -> tuple[str, str]:
        """Two lines above a picture."""
        gate = self.gate
        place = (
            f"{self.source}   gate x {1e3 * gate.x_m:.1f} mm, z {1e3 * gate.z_m:.1f} mm, "
            f"{1e3 * gate.length_m:.1f} mm long   PRF {1e-3 * self.prf_hz:.3g} kHz   "
            f"transmit {math.degrees(self.transmit_angle_rad):.0f} deg"
        )
        made = (
            f"{self.kind}, resolution {100 * self.resolution_m_s:.2g} cm/s   "
            f"{self.wall_filter}, -3 dB at {100 * self.wall_filter_cutoff_m_s:.2g} cm/s"
        )
        return place, made

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it, with the banner; ``indices`` are a dict or the reason."""
        told = asdict(self)
        gate = {f"gate_{name}": value for name, value in told.pop("gate").items()}
        told.pop("no_indices")
        told["indices"] = self.no_indices if self.indices is None else _told(self.indices)
        told["wall_filter_cutoff_m_s"] = self.wall_filter_cutoff_m_s
        return {"banner": BANNER, "version": __version__, **gate, **told}


def _told(indices: CycleIndices) -> dict[str, Any]:
    pulsatility = indices.pulsatility_index
    return {
        **asdict(indices),
        "resistance_index": indices.resistance_index,
        "pulsatility_index": pulsatility if math.isfinite(pulsatility) else None,  # JSON has no inf
    }


@dataclass(frozen=True, eq=False)
class GateRecord:
    """Spectra of a gate, their traces, and how they were made."""

    spectra: Spectra
    trace: Trace
    description: Description


def plan_gate(
    acquisition: Acquisition,
    n_frames: int,
    gate: Gate,
    processing: ProcessingSettings,
    *,
    window_s: float | None = None,
    baseline_nyquist: float = 0.0,
    angle_rad: float = 0.0,
    times_s: Sequence[float] | None = None,
) -> GatePlan:
    """Settle how the spectra of a gate are made.

    Frames without a gap between them are one full-rate line, through which a window slides.
    Otherwise every frame gives one spectrum.

    Parameters
    ----------
    acquisition : Acquisition
    n_frames : int
        At least one.
    gate : Gate
    processing : ProcessingSettings
        Its wall filter is used. On a full-rate line, a regression with the same cut-off.
    window_s : float, optional
        Length of a window on a full-rate line; 64 pulses by default.
    baseline_nyquist : float
        Middle of the velocity axis in v_N, -1 ... 1.
    angle_rad : float
        Between beam and vessel, for the indices.
    times_s : sequence of float, optional
        Of the frames, where they are known: some may be missing between them.

    Raises
    ------
    ValueError
        A gate outside the colour box, a window that cannot be had, or a baseline or an angle too
        far from 0.
    """
    if not abs(angle_rad) < MAX_ANGLE_RAD:
        limit = math.degrees(MAX_ANGLE_RAD)
        raise ValueError(
            f"an angle of {math.degrees(angle_rad):.0f} degrees: nothing can be corrected from "
            f"{limit:.0f} degrees on"
        )
    if not abs(baseline_nyquist) <= 1.0:
        raise ValueError(f"a baseline of {baseline_nyquist:g} v_N: give -1 ... 1")
    kind, _ = wall_filter_in_force(acquisition, processing)
    line = None
    if _is_gapless(acquisition, n_frames) and follow_at_once(acquisition, times_s or ()):
        line = _line_plan(acquisition, n_frames, kind, window_s)
    elif window_s is not None:
        raise ValueError(
            "a window is for a full-rate line: there is a gap between these frames, and each gives "
            f"one spectrum of its {acquisition.n_pulses} pulses"
        )
    return GatePlan(
        acquisition=acquisition,
        n_frames=n_frames,
        gate=gate,
        weights=gate.weights(acquisition.colour_grid),
        wall_filter=kind,
        line=line,
        baseline_m_s=baseline_nyquist * acquisition.nyquist_velocity_m_s,
        angle_rad=angle_rad,
    )


def follow_at_once(acquisition: Acquisition, times_s: Sequence[float]) -> bool:
    """Whether frames of these times follow one another without a gap between their pulses."""
    prf_hz, n_pulses = acquisition.prf_hz, acquisition.n_pulses
    return all(abs((b - a) * prf_hz - n_pulses) < _GAP_PULSES for a, b in pairwise(times_s))


def _is_gapless(acquisition: Acquisition, n_frames: int) -> bool:
    return n_frames == 1 or follow_at_once(acquisition, (0.0, acquisition.frame_interval_s))


def _line_plan(
    acquisition: Acquisition, n_frames: int, kind: str, window_s: float | None
) -> LinePlan:
    prf_hz, n_pulses = acquisition.prf_hz, acquisition.n_pulses
    n_line = n_frames * n_pulses
    if window_s is None:
        window_s = min(_WINDOW_PULSES, n_line) / prf_hz
    plan = LinePlan(
        prf_hz=prf_hz,
        nyquist_velocity_m_s=acquisition.nyquist_velocity_m_s,
        window_s=window_s,
        hop_s=window_s / _HOPS_PER_WINDOW,
        cutoff_hz=wall_filter.cutoff(kind, n_pulses) * prf_hz,
    )
    if plan.n_window > n_line:
        raise ValueError(
            f"a window of {window_s:g} s is {plan.n_window} pulses, and the line has {n_line}"
        )
    return plan


def measure(frames: Iterable[IqFrame], plan: GatePlan) -> GateRecord:
    """Make the spectra of a gate.

    Parameters
    ----------
    frames : iterable of IqFrame
        As many as the plan says, in order.
    plan : GatePlan

    Raises
    ------
    PipelineError
        Samples that are not finite.
    """
    acquisition, kind = plan.acquisition, plan.wall_filter
    n_pulses, prf_hz = acquisition.n_pulses, acquisition.prf_hz
    samples, starts_s, matrices = [], [], []
    for frame in frames:
        inside = gate_samples(frame.ensemble, n_pulses, plan.weights)
        if not np.isfinite(inside).all():
            raise PipelineError("IQ samples are not finite, or too large")
        samples.append(inside)
        starts_s.append(frame.time_s)
        if plan.line is None:
            matrices.append(_matrix(frame, kind))
    if plan.line is not None:
        if not follow_at_once(acquisition, starts_s):
            raise PipelineError(
                "frames are missing between these, so that their pulses are no line: give fewer "
                "(--frames)"
            )
        spectra = line_spectra(np.concatenate(samples, axis=1), plan.line, starts_s[0])
        cutoff_hz = plan.line.achieved_cutoff_hz
        removed = "regression over each window" if cutoff_hz else wall_filter.NONE
    else:
        middles_s = np.array(starts_s) + 0.5 * (n_pulses - 1) / prf_hz
        spectra = ensemble_spectra(
            np.stack(samples), middles_s, acquisition.nyquist_velocity_m_s, np.stack(matrices)
        )
        removed, cutoff_hz = kind, wall_filter.cutoff(kind, n_pulses) * prf_hz
    spectra = spectra.shifted(plan.baseline_m_s)
    line_trace = trace(spectra)
    indices, reason = cycle_indices(line_trace)
    description = Description(
        source=acquisition.source,
        gate=plan.gate,
        transmit_angle_rad=acquisition.transmit_angle_rad,
        receive_angle_rad=acquisition.receive_angle_rad,
        prf_hz=prf_hz,
        nyquist_velocity_m_s=acquisition.nyquist_velocity_m_s,
        n_frames=len(samples),
        kind="colour ensembles" if plan.line is None else "full-rate line",
        pulses_per_spectrum=n_pulses if plan.line is None else plan.line.n_window,
        taper="hann" if plan.line is None else plan.line.taper,
        wall_filter=removed,
        wall_filter_cutoff_hz=cutoff_hz,
        baseline_m_s=spectra.baseline_m_s,
        resolution_m_s=spectra.resolution_m_s,
        noise_floor_db=10.0 * math.log10(max(spectra.noise_floor(), 1e-37)),
        angle_correction_rad=plan.angle_rad,
        indices=indices.angle_corrected(plan.angle_rad) if indices else None,
        no_indices=reason,
    )
    return GateRecord(spectra, line_trace, description)


def _matrix(frame: IqFrame, kind: str) -> NDArray[Any]:
    n_pulses = frame.acquisition.n_pulses
    if not wall_filter.is_adaptive(kind):
        return wall_filter.projection(kind, n_pulses)
    correlation = eigen_filter.correlation(frame.ensemble, n_pulses)
    return eigen_filter.projection(correlation, wall_filter.cutoff(kind, n_pulses))
