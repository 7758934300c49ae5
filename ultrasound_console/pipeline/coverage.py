"""What a frame cannot show: channels that deliver nothing, and pictures out of reach."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..dsp import coverage
from ..dsp.beamform import ReceivePlan
from .checks import PipelineError

_MOST_NAMED = 8


def channel_notes(samples: NDArray[Any]) -> tuple[str, ...]:
    """Say which channels of one transmit are silent or stuck.

    Parameters
    ----------
    samples : (n_elements, n_samples) int16, float32 or complex64
    """
    n_channels = samples.shape[0]
    found = coverage.constant(samples)
    notes = []
    for what, elements in (("silent", found.silent), ("stuck at one value", found.stuck)):
        if elements:
            numbers = ", ".join(str(element + 1) for element in elements[:_MOST_NAMED])
            more = ", ..." if len(elements) > _MOST_NAMED else ""
            are = "is" if len(elements) == 1 else "are"
            notes.append(f"{len(elements)} of {n_channels} channels {are} {what}: {numbers}{more}")
    return tuple(notes)


def check_reach(
    name: str,
    plan: ReceivePlan,
    transmits_rad: tuple[float, ...],
    start_time_s: float,
    n_iq_samples: int,
) -> None:
    """Refuse a picture of which no pixel can be formed.

    Raises
    ------
    PipelineError
        The whole grid lies beside the array, or before or behind the record.
    """
    reaches = [coverage.reach(plan, angle, start_time_s, n_iq_samples) for angle in transmits_rad]
    if not any(reach.in_aperture for reach in reaches):
        raise PipelineError(
            f"no element sees the {name} grid: it lies beside the array; move it in front of the "
            "elements, or lower the steering"
        )
    if not any(reach.in_record for reach in reaches):
        half_speed = 0.5 * plan.sound_speed_m_s
        end_time_s = start_time_s + (n_iq_samples - 1) / plan.sampling_frequency_hz
        depths_mm = [1e3 * half_speed * time_s for time_s in (start_time_s, end_time_s)]
        raise PipelineError(
            f"no echo of the {name} grid was recorded: the record holds depths of "
            f"{depths_mm[0]:.1f} ... {depths_mm[1]:.1f} mm; place the grid there"
        )
