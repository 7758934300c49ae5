"""The spectrum of a gate over a frozen loop: worked out, and as something to plot. No Qt."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...cine import LoopFrame
from ...dsp.trace import CycleIndices
from ...export.measurements import CM_S, MM, NO_VELOCITY, RAW, Conditions, Row
from ...frames import DopplerFrame, IqFrame
from ...pipeline.gated import GateRecord, follow_at_once
from ...render.spectrum_picture import even_grey
from .. import theme
from ..plot import Curve, Drawing, Level, Raster
from .region_plot import RAW_COLOUR
from .vessel_angle import angle_text

ENVELOPE_COLOUR = theme.COLD


class LeftError(Exception):
    """The spectrum is not wanted any more."""


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """A spectrum over time, and what of the loop it was made of.

    Attributes
    ----------
    record : GateRecord
    frames : tuple of LoopFrame
    conditions : Conditions
        Of the frame that was on screen.
    """

    record: GateRecord
    frames: tuple[LoopFrame, ...]
    conditions: Conditions

    @classmethod
    def of(
        cls, record: GateRecord, frame: DopplerFrame, frames: tuple[LoopFrame, ...]
    ) -> Spectrogram:
        """Put a record beside the frame on screen, under the filter that was in force for it."""
        wall_filter = record.description.wall_filter
        return cls(record, frames, replace(Conditions.of(frame), wall_filter=wall_filter))


def frames_around(frame: DopplerFrame, loop: Sequence[LoopFrame]) -> tuple[LoopFrame, ...]:
    """Return the stretch of a loop around a frame that was acquired in one go.

    Where some frames follow each other without a gap, they are one line, and the stretch ends with
    it.
    """
    acquisition = frame.acquisition
    fitting = _around(
        frame,
        loop,
        lambda _, told: told.acquisition is acquisition or told.acquisition == acquisition,
    )
    line = _around(
        frame,
        fitting,
        lambda before, told: (
            before is None or follow_at_once(acquisition, (before.time_s, told.time_s))
        ),
    )
    return line if len(line) > 1 else fitting


def _around(
    frame: DopplerFrame,
    loop: Iterable[LoopFrame],
    goes_on: Callable[[LoopFrame | None, LoopFrame], bool],
) -> tuple[LoopFrame, ...]:
    """Stretch around a frame in which each goes on from the one before, or begins anew."""
    stretch: list[LoopFrame] = []
    for told in loop:
        if not goes_on(stretch[-1] if stretch else None, told):
            if any(kept.index == frame.index for kept in stretch):
                break
            stretch = []
            if not goes_on(None, told):
                continue
        stretch.append(told)
    return tuple(stretch)


def samples(
    frames: Sequence[LoopFrame],
    iq_of: Callable[[int], IqFrame | None],
    progress: Callable[[float], bool],
) -> Iterator[IqFrame]:
    """Give the samples of frames, one after the other.

    Parameters
    ----------
    frames : sequence of LoopFrame
    iq_of : callable
        Gives the samples of a frame, while it is held.
    progress : callable
        Told the share that is done; returns whether to go on.

    Raises
    ------
    LeftError
        It is not to go on, or a frame is no longer held.
    """
    for number, told in enumerate(frames):
        iq = iq_of(told.index) if progress(number / len(frames)) else None
        if iq is None:
            raise LeftError
        yield iq


def drawing_of(spectrogram: Spectrogram, angle_rad: float) -> Drawing:
    """Plot grey spectra with mean and envelope between the Nyquist limits, for an angle."""
    spectra, line = spectrogram.record.spectra, spectrogram.record.trace
    scale = 100.0 / math.cos(angle_rad)
    grey, x_limits = even_grey(spectra)
    nyquist, baseline = scale * spectra.nyquist_velocity_m_s, scale * spectra.baseline_m_s
    # The lowest bin has its middle at the lower limit.
    half_bin = nyquist / len(grey)
    y_limits = baseline - nyquist, baseline + nyquist
    raster_limits = y_limits[0] - half_bin, y_limits[1] - half_bin
    return Drawing(
        curves=(
            Curve("mean, raw", line.time_s, scale * line.mean_m_s, RAW_COLOUR, 1.2),
            Curve("envelope, raw", line.time_s, scale * line.envelope_m_s, ENVELOPE_COLOUR, 1.4),
        ),
        levels=(Level(-nyquist), Level(0.0, theme.LINE), Level(nyquist)),
        raster=Raster(np.repeat(grey[..., None], 3, axis=2), x_limits, raster_limits),
        x_limits=x_limits,
        y_limits=y_limits,
    )


def title_of(spectrogram: Spectrogram, angle_rad: float) -> str:
    """Name the spectrum, with what was read off it."""
    described = spectrogram.record.description
    parts = ["Spectrum"]
    if angle_rad:
        parts.append(f"{angle_text(angle_rad)} corrected")
    if described.indices is None:
        if described.no_indices:
            parts.append(f"no heart cycle: {described.no_indices}")
        return ", ".join(parts)
    indices = described.indices.angle_corrected(angle_rad)
    sign = 1.0 if indices.towards_probe else -1.0
    parts += [
        f"peak systolic {sign * 100 * indices.peak_systolic_m_s:+.1f} cm/s",
        f"end diastolic {sign * 100 * indices.end_diastolic_m_s:+.1f} cm/s",
        f"RI {indices.resistance_index:.2f}",
    ]
    if math.isfinite(indices.pulsatility_index):
        parts.append(f"PI {indices.pulsatility_index:.2f}")
    return ", ".join(parts).replace("-", "\N{MINUS SIGN}")


def spectrum_rows(spectrogram: Spectrogram, angle_rad: float | None) -> list[Row]:
    """Gate, what was read off its spectrum, and both traces, for the table of measurements."""
    kind, record = "gate", spectrogram.record
    gate, line = record.description.gate, record.trace
    given = replace(spectrogram.conditions, angle_rad=angle_rad)
    scale = 100.0 / math.cos(angle_rad or 0.0)
    rows = [
        Row(kind, "", quantity, 1e3 * value_m, MM, NO_VELOCITY, given)
        for quantity, value_m in (
            ("centre x", gate.x_m),
            ("centre z", gate.z_m),
            ("length", gate.length_m),
        )
    ]
    if record.description.indices is not None:
        rows += _index_rows(record.description.indices, given, scale)
    starts_s = [told.time_s for told in spectrogram.frames]
    for quantity, values_m_s in (
        ("mean velocity of the spectrum", line.mean_m_s),
        ("envelope of the spectrum", line.envelope_m_s),
    ):
        for time_s, value_m_s in zip(line.time_s, values_m_s, strict=True):
            if math.isfinite(value_m_s):
                told = spectrogram.frames[max(0, bisect_right(starts_s, time_s) - 1)]
                here = replace(given, frame=told.index, time_s=float(time_s))
                rows.append(Row(kind, "", quantity, scale * float(value_m_s), CM_S, RAW, here))
    return rows


def _index_rows(indices: CycleIndices, given: Conditions, scale: float) -> list[Row]:
    """Velocities of the cycle, positive towards the probe as all others."""
    scale = scale if indices.towards_probe else -scale
    velocities = (
        ("peak systolic velocity", indices.peak_systolic_m_s),
        ("end diastolic velocity", indices.end_diastolic_m_s),
        ("time-averaged maximum velocity", indices.time_averaged_maximum_m_s),
        ("time-averaged mean velocity", indices.time_averaged_mean_m_s),
    )
    rows = [Row("gate", "", name, scale * value, CM_S, RAW, given) for name, value in velocities]
    plain = (
        ("resistance index", indices.resistance_index, ""),
        ("pulsatility index", indices.pulsatility_index, ""),
        ("heart cycle", indices.period_s, "s"),
    )
    rows += [Row("gate", "", name, value, unit, NO_VELOCITY, given) for name, value, unit in plain]
    return rows
