"""What engineers ask of a running console, as rows of words and figures. No Qt."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...accuracy import Counts
from ...frames import Acquisition, DopplerFrame
from ...geometry import ImageGrid
from ...status import EngineStatus
from ..steps import prf_text, prfs_text

Rows = tuple[tuple[str, str], ...]
FORM_STAGES = ("check", "demodulate", "beamform", "bmode")
"""Stages of the first step; all others are the second's, on a thread of its own."""
NO_TRUTH = "Only simulated sources know the truth."
_RECENT_S = 3.0
_MOST_FRAMES = 240
_SLOTS = ("before the first step", "before the second step", "before the screen")


@dataclass(frozen=True)
class Noted:
    """What is kept of a frame that was painted: no planes."""

    now_s: float
    stage_seconds: Mapping[str, float]
    shown: Counts | None
    lumen: Counts | None
    nyquist_m_s: float


@dataclass
class Recent:
    """The frames painted last."""

    noted: deque[Noted] = field(default_factory=lambda: deque(maxlen=_MOST_FRAMES))

    def note(self, frame: DopplerFrame, now_s: float) -> None:
        """Keep the figures of a frame that was painted."""
        score = frame.score
        shown, lumen = (None, None) if score is None else (score.shown, score.lumen)
        nyquist_m_s = frame.nyquist_velocity_m_s
        self.noted.append(Noted(now_s, frame.stage_seconds, shown, lumen, nyquist_m_s))

    def stage_ms(self) -> dict[str, float]:
        """Median of each stage over the last seconds, in the order of the newest frame."""
        if not self.noted:
            return {}
        newest = self.noted[-1]
        last = [each for each in self.noted if each.now_s >= newest.now_s - _RECENT_S]
        return {
            name: 1e3 * float(np.median([each.stage_seconds.get(name, 0.0) for each in last]))
            for name in newest.stage_seconds
        }

    def with_truth(self) -> list[Noted]:
        """Frames at the end of which the truth was known, oldest first."""
        known: list[Noted] = []
        for each in reversed(self.noted):
            if each.shown is None:
                break
            known.append(each)
        return known[::-1]


@dataclass(frozen=True)
class Passed:
    """How many frames were painted, replaced in each slot, and never came, up to a moment."""

    now_s: float
    painted: int
    replaced: tuple[int, int, int]
    missed: int = 0


def frame_rows(passed: Sequence[Passed], fps: float) -> Rows:
    """Tell how many frames came through, how many gave way to newer ones, and how many never came.

    Parameters
    ----------
    passed : sequence of Passed
        Of the last seconds, oldest first; one at least.
    fps : float
        Distinct frames painted a second, now.
    """
    first, last = passed[0], passed[-1]
    elapsed_s = last.now_s - first.now_s

    def text(count: int, before: int) -> str:
        rate = f", {max(0, count - before) / elapsed_s:.1f}/s" if elapsed_s > 0.0 else ""
        return f"{count}{rate}"

    replaced = zip(_SLOTS, last.replaced, first.replaced, strict=True)
    return (
        ("painted", f"{last.painted}, {fps:.1f}/s"),
        ("missed from the source", text(last.missed, first.missed)),
        *((f"replaced {where}", text(now, before)) for where, now, before in replaced),
    )


def stage_rows(stage_ms: Mapping[str, float], interval_s: float) -> Rows:
    """Sum the stages up, against the time that there is for a frame."""
    if not stage_ms:
        return ()
    first = sum(ms for name, ms in stage_ms.items() if name in FORM_STAGES)
    second = sum(stage_ms.values()) - first
    rows = (
        ("first step", f"{first:.1f} ms"),
        ("second step", f"{second:.1f} ms"),
        ("both, one after the other", f"{first + second:.1f} ms"),
    )
    if interval_s <= 0.0:
        return (*rows, ("frame interval", "one frame that is held"))
    share = 100.0 * max(first, second) / (1e3 * interval_s)
    interval = f"{1e3 * interval_s:.1f} ms, of which the longer step takes {share:.0f} %"
    return (*rows, ("frame interval", interval))


def latency_rows(latencies_ms: NDArray[np.float64]) -> Rows:
    """Tell from what age on pictures came to the screen."""
    if not latencies_ms.size:
        return (("read to painted", "nothing painted yet"),)
    p50, p95, p99 = np.percentile(latencies_ms, (50, 95, 99))
    text = f"p50 {p50:.0f}   p95 {p95:.0f}   p99 {p99:.0f} ms, the last {latencies_ms.size}"
    return (("read to painted", text),)


def acquisition_rows(acquisition: Acquisition | None, frame: DopplerFrame | None) -> Rows:
    """Tell what the source achieves."""
    if acquisition is None:
        return (("source", "none"),)
    a, probe = acquisition, acquisition.probe
    width_m = (probe.element_x_m[-1] - probe.element_x_m[0]) if len(probe.element_x_m) > 1 else 0.0
    steered = _degrees((a.transmit_angle_rad,))
    interval = "held" if not a.frame_interval_s else _interval_text(a.frame_interval_s)
    rows = [
        ("source", a.source),
        (
            "probe",
            f"{probe.name}, {len(probe.element_x_m)} elements over {width_m * 1e3:.1f} mm, "
            f"{probe.center_frequency_hz * 1e-6:.2f} MHz",
        ),
        ("f0", f"{a.center_frequency_hz * 1e-6:.3f} MHz, {_cycles(a.n_cycles)}"),
        ("sampling", f"{a.sampling_frequency_hz * 1e-6:.3f} MHz, {_mixed(a)}"),
        (
            "PRF",
            f"{prfs_text(a)} (asked {prf_text(a.requested_prf_hz)}, "
            f"at most {prf_text(a.max_prf_hz)})",
        ),
        ("v_N", f"{a.nyquist_velocity_m_s * 100:.2f} cm/s"),
        ("unambiguous depth", f"{a.unambiguous_depth_m * 1e3:.0f} mm"),
        ("ensemble", _ensemble_text(a)),
        ("frame interval", interval),
        ("waves", _waves_text(a)),
        ("colour angle", f"{steered}, receive {_received(a)}"),
        ("B-mode angles", _degrees(a.bmode_angles_rad) or "none: B-mode is made of colour pulses"),
        ("colour grid", _grid_text(a.colour_grid)),
        ("B-mode grid", _grid_text(a.bmode_grid)),
        ("sound speed", f"{a.sound_speed_m_s:.0f} m/s"),
    ]
    rows += [("note", note) for note in a.notes]
    if frame is not None:
        rows.append(("wall filter in force", frame.wall_filter))
        rows += [("note of the frame", note) for note in frame.notes]
    return tuple(rows)


def machine_rows(
    status: EngineStatus,
    model: str,
    network_ms: float | None,
    memory: tuple[int | None, int, int],
    loads: Iterable[tuple[str, float | None]],
) -> Rows:
    """Tell what computes, and what that takes.

    Parameters
    ----------
    status : EngineStatus
    model : str
        File of the network; empty for none.
    network_ms : float or None
        What it takes a frame.
    memory : tuple
        Bytes of the program (None: not known), frames in the loop, and bytes of those.
    loads : iterable of (name, share)
        Threads.
    """
    resident, n_held, held_bytes = memory
    timed = "" if network_ms is None else f", {network_ms:.1f} ms a frame"
    compiled = f"{status.n_compiled} since the start"
    return (
        ("computed by", status.device),
        ("network", f"{status.network.removeprefix('network: ') or 'not asked for'}{timed}"),
        ("network file", model or "none"),
        ("memory of the program", "not known" if resident is None else _megabytes(resident)),
        ("of that the loop", f"{_megabytes(held_bytes)}, {n_held} frames"),
        (
            "kernels compiled",
            f"{compiled}, now {status.compiling}" if status.compiling else compiled,
        ),
        ("faults and refusals", str(status.errors)),
        *((f"thread {name}", _load_text(share)) for name, share in loads),
    )


def truth_rows(known: Sequence[Noted]) -> Rows:
    """Tell how far the last frames are from their truth, pooled over their pixels."""
    if not known:
        return (("truth", NO_TRUTH),)
    shown = sum((each.shown for each in known if each.shown), Counts())
    lumen = sum((each.lumen for each in known if each.lumen), Counts())
    nyquist_m_s = known[-1].nyquist_m_s
    share = 100.0 * shown.n_pixels / max(1, lumen.n_pixels)
    return (
        ("frames", str(len(known))),
        ("flow is shown in", f"{share:.0f} % of the vessels"),
        ("wrong folds, raw", _percent(shown.aliased_share)),
        ("wrong folds, corrected", _percent(shown.wrong_share)),
        ("left as measured", _percent(shown.abstained_share)),
        ("false corrections", _percent(shown.false_share)),
        ("rms, raw", _rms_text(shown.measured_rms_nyquist, nyquist_m_s)),
        ("rms, corrected", _rms_text(shown.corrected_rms_nyquist, nyquist_m_s)),
        ("rms, with the true folds", _rms_text(shown.oracle_rms_nyquist, nyquist_m_s)),
        ("wrong folds in all of the vessels", _percent(lumen.wrong_share)),
    )


def _degrees(angles_rad: Sequence[float]) -> str:
    if len(angles_rad) > 4:
        first, last = math.degrees(angles_rad[0]), math.degrees(angles_rad[-1])
        return f"{len(angles_rad)} from {first:.1f} to {last:.1f}\N{DEGREE SIGN}"
    return ", ".join(f"{math.degrees(angle):.1f}\N{DEGREE SIGN}" for angle in angles_rad)


def _ensemble_text(acquisition: Acquisition) -> str:
    n_second = acquisition.n_second_pulses
    second = f", then {n_second} at {prf_text(acquisition.second_prf_hz)}" if n_second else ""
    return f"{acquisition.n_pulses} pulses{second}"


def _cycles(n_cycles: float) -> str:
    return f"{n_cycles:g} cycles" if n_cycles else "cycles not known"


def _mixed(a: Acquisition) -> str:
    if a.demodulation_frequency_hz:
        return f"IQ mixed down by {a.demodulation_frequency_hz * 1e-6:.3f} MHz"
    return "RF"


def _waves_text(a: Acquisition) -> str:
    if math.isinf(a.source_distance_m):
        return "plane"
    return f"diverging from {1e3 * a.source_distance_m:.1f} mm behind the array"


def _received(a: Acquisition) -> str:
    if a.colour_grid.kind == "polar":
        return "along the scan lines"
    return _degrees((a.receive_angle_rad,))


def _interval_text(interval_s: float) -> str:
    return f"{interval_s * 1e3:.1f} ms, {1 / interval_s:.1f} frames/s"


def _grid_text(grid: ImageGrid) -> str:
    x_min, x_max, z_min, z_max = (1e3 * edge for edge in grid.extent_m)
    return (
        f"{grid.kind}, {grid.n_depths} x {grid.n_lines}, x {x_min:.1f} to {x_max:.1f}, "
        f"z {z_min:.1f} to {z_max:.1f} mm"
    )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.0f} MB"


def _load_text(share: float | None) -> str:
    return "" if share is None else f"{100.0 * share:.0f} % of a core"


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100.0 * share:.2f} %"


def _rms_text(rms_nyquist: float, nyquist_m_s: float) -> str:
    if math.isnan(rms_nyquist):
        return ""
    return f"{rms_nyquist:.3f} v_N, {100.0 * rms_nyquist * nyquist_m_s:.1f} cm/s"
