"""Recordings that were beamformed before: samples on a grid, replayed as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..colour_box import ColourBox
from ..dsp import bmode
from ..dsp.arrays import aligned_zeros, n_lanes
from ..frames import Acquisition, Float32, IqFrame
from ..geometry import ImageGrid, Probe
from ..settings import AcquisitionSettings
from .fields import (
    FREQUENCY,
    MAX_MAGNITUDE,
    PRF,
    RECORD_AGAIN,
    SPEED,
    Limits,
    in_limits,
    library_call,
    refusal,
)
from .pulses import Pulses

MAX_DEPTH_M = 1.0
MAX_PIXELS = 2**20
# An array that the file does not tell of is drawn with this many elements at most.
_MOST_ELEMENTS = 128
_STEEPEST_RAD = math.radians(80.0)
_NEAREST_SOURCE_M = 1e-3
_BEAMFORMED = "beamformed when it was recorded: depth and f-number stay as they were"


@dataclass(frozen=True, eq=False)
class BeamformedRecording(Pulses):
    """Beamformed in-phase and quadrature samples of one angle on a grid.

    Attributes
    ----------
    name : str
        File name without its folder.
    grid : ImageGrid
        Where the samples are.
    samples : (n_pulses, n_depths, n_lines, 2) int16 or float32
        In-phase and quadrature in the order in which they were sent, read-only
        (:func:`checked_pairs`).
    center_frequency_hz : float
        f0 of the transmitted pulse: v_N follows from it.
    demodulation_frequency_hz : float
        What the samples were mixed down by along depth; 0 where their phase still turns with depth
        as that of the echo does.
    sound_speed_m_s : float
    prf_hz : float
        Rate of these pulses inside a burst.
    pulse_time_s : (n_pulses,) float64
        When each pulse was sent.
    transmit_angle_rad, receive_angle_rad : float
        Of both beams of a parallel grid; those of a polar one go along its lines.
    probe : Probe, optional
        The array; without one, the picture shows one as wide as the grid.
    notes : tuple of str
        What was left out or assumed, in sentences.

    Raises
    ------
    SourceError
        Values that do not go together, or that no recording can have.
    """

    name: str
    grid: ImageGrid
    samples: NDArray[Any]
    center_frequency_hz: float
    demodulation_frequency_hz: float
    sound_speed_m_s: float
    prf_hz: float
    pulse_time_s: NDArray[np.float64]
    transmit_angle_rad: float = 0.0
    receive_angle_rad: float = 0.0
    probe: Probe | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.pulse_time_s), *self.grid.shape, 2)
        if self.samples.shape != shape:
            problem = f"have shape {self.samples.shape} where {shape} is needed"
            raise refusal(self.name, "samples", problem, RECORD_AGAIN)
        if math.prod(self.grid.shape) > MAX_PIXELS:
            problem = (
                f"a picture of {self.grid.n_depths} x {self.grid.n_lines} samples is too large"
            )
            raise refusal(self.name, "grid", problem, "beamform fewer lines or depths")
        turns = (self.grid.angle_rad, *(self.grid.lines if self.grid.kind == "polar" else ()))
        if max(map(abs, turns)) > _STEEPEST_RAD:
            problem = f"lines at {math.degrees(max(map(abs, turns))):.3g} degrees"
            raise refusal(self.name, "grid", problem, "give angles in radians")
        x_min_m, x_max_m, z_min_m, z_max_m = self.grid.extent_m
        if max(-x_min_m, x_max_m, -z_min_m, z_max_m) > MAX_DEPTH_M or z_max_m <= 0.0:
            problem = f"reaches {z_max_m:.4g} m deep and {x_min_m:.4g} ... {x_max_m:.4g} m aside"
            raise refusal(self.name, "grid", problem, "give places in metres, depth downwards")
        limits = {
            "center_frequency_hz": FREQUENCY,
            "demodulation_frequency_hz": Limits(0.0, FREQUENCY.high, "Hz"),
            "sound_speed_m_s": SPEED,
            "prf_hz": PRF,
        }
        for field, allowed in limits.items():
            value = getattr(self, field)
            if not in_limits(value, allowed):
                span = f"{allowed.low:g} ... {allowed.high:g} {allowed.unit}"
                raise refusal(self.name, field, f"{value:g} is outside {span}", RECORD_AGAIN)
        self.check_pulses()

    def colour_grid(self, settings: AcquisitionSettings) -> tuple[ImageGrid, str]:
        """Return the part of the grid inside the colour box, and what to say of it."""
        own = ColourBox.of(self.grid)
        wanted = own.as_set(settings)
        box = wanted.inside(self.grid)
        if box == own:
            return self.grid, ""
        inside = box.grid(self.grid.pixel_size_m, self.grid.shape)
        return _cut(self.grid, *self._part(inside)), box.limits_note(wanted)

    def acquisition(self, **replay: Any) -> Acquisition:
        """Put what was recorded beside how it is replayed."""
        replay["notes"] = (*replay["notes"], _BEAMFORMED)
        return Acquisition(
            **replay,
            probe=self.probe or _array_above(self.grid, self.center_frequency_hz),
            sampling_frequency_hz=self.sound_speed_m_s / (2.0 * self.grid.range_step_m),
            center_frequency_hz=self.center_frequency_hz,
            demodulation_frequency_hz=self.demodulation_frequency_hz,
            sound_speed_m_s=self.sound_speed_m_s,
            start_time_s=0.0,
            transmit_angle_rad=self.transmit_angle_rad,
            receive_angle_rad=self.receive_angle_rad,
            bmode_angles_rad=(),
            bmode_grid=self.grid,
            source_distance_m=self._source_distance_m,
        )

    def frame(self, pulses: slice, acquisition: Acquisition, **told: Any) -> IqFrame:
        """Put some pulses into the ensemble layout; the picture is made from the same pulses."""
        chosen = np.moveaxis(self.samples[pulses], 0, -1)
        n_pulses = acquisition.n_pulses
        whole = aligned_zeros((*chosen.shape[:3], n_lanes(n_pulses)))
        whole[..., :n_pulses] = chosen
        if self.demodulation_frequency_hz:
            _turn(whole[..., :n_pulses], self._carrier)
        power = bmode.mean_power(whole, n_pulses)
        iq: Float32 = whole
        if acquisition.colour_grid != self.grid:
            part = whole[self._part(acquisition.colour_grid)]
            iq = aligned_zeros(part.shape)
            iq[...] = part
        return IqFrame(**told, acquisition=acquisition, iq=iq, bmode_power=power)

    @property
    def _source_distance_m(self) -> float:
        """Where beams come from: those of a sector go along its lines, from their apex."""
        if self.grid.kind == "parallel":
            return math.inf
        return max(math.hypot(*self.grid.apex_m), _NEAREST_SOURCE_M)

    @cached_property
    def _carrier(self) -> NDArray[Any]:
        """Phase of the echo at each depth, which mixing down took away: (n_depths,)."""
        ways = 2.0
        if self.grid.kind == "parallel":
            # Along a line, one step down is tan(angle) to the side.
            across = math.sin(self.transmit_angle_rad) + math.sin(self.receive_angle_rad)
            down = math.cos(self.transmit_angle_rad) + math.cos(self.receive_angle_rad)
            ways = down + math.tan(self.grid.angle_rad) * across
        path_m = ways * self.grid.range_positions_m
        cycles = path_m * self.demodulation_frequency_hz / self.sound_speed_m_s
        return np.asarray(np.exp(2j * np.pi * cycles), np.complex64)

    def _part(self, inside: ImageGrid) -> tuple[slice, slice]:
        """Rows and lines within the limits of another grid of the same kind."""
        grid = self.grid
        return (
            _within(inside.range_m, grid.range_m[0], grid.range_step_m, grid.n_depths),
            _within(inside.lines, grid.lines[0], grid.line_step, grid.n_lines),
        )


def checked_pairs(file: str, field: str, values: NDArray[Any]) -> NDArray[Any]:
    """Convert beamformed samples to what :class:`BeamformedRecording` takes.

    Parameters
    ----------
    file, field : str
        Names for messages.
    values : (n_pulses, n_depths, n_lines) complex, or (n_pulses, n_depths, n_lines, 2) real array
        Integers, floats or complex numbers of any width.

    Returns
    -------
    (n_pulses, n_depths, n_lines, 2) int16 or float32
        C-ordered and read-only.

    Raises
    ------
    SourceError
        Other dimensions or types, values that are not finite or absurdly large, or without phase:
        the quadrature is zero everywhere.
    """
    kind, itemsize = values.dtype.kind, values.dtype.itemsize
    is_pairs = kind in "iuf" and values.ndim == 4 and values.shape[3] == 2
    if not (is_pairs or (kind == "c" and values.ndim == 3)) or 0 in values.shape:
        problem = f"are {values.dtype} of shape {values.shape}: not in-phase and quadrature samples"
        raise refusal(file, field, problem, "save the beamformed samples before the envelope")
    samples: NDArray[Any]
    with library_call(file, field):
        if kind == "c":
            samples = np.ascontiguousarray(values, np.complex64)
            samples = samples.view(np.float32).reshape(*values.shape, 2)
        else:
            is_short = itemsize == 1 or (kind, itemsize) == ("i", 2)
            samples = np.ascontiguousarray(values, np.int16 if is_short else np.float32)
    has_phase = False
    for pulse in samples:
        # Written so that NaN fails too.
        if not float(np.max(np.abs(pulse.astype(np.float32)))) <= MAX_MAGNITUDE:
            raise refusal(file, field, "holds values that are not finite", RECORD_AGAIN)
        has_phase = has_phase or bool(pulse[..., 1].any())
    if not has_phase:
        problem = "no quadrature: pictures without phase make no velocity"
        raise refusal(file, field, problem, "save the beamformed samples before the envelope")
    samples.setflags(write=False)
    return samples


def _turn(iq: Float32, turn: NDArray[Any]) -> None:
    """Multiply every row of (n_depths, n_lines, 2, n_pulses) by a complex number, in place."""
    real, imag = turn.real[:, None, None], turn.imag[:, None, None]
    in_phase = iq[:, :, 0].copy()
    iq[:, :, 0] = in_phase * real - iq[:, :, 1] * imag
    iq[:, :, 1] = in_phase * imag + iq[:, :, 1] * real


def _within(ends: tuple[float, float], first: float, step: float, n: int) -> slice:
    """Take the samples between two ends: two at least."""
    start = min(max(round((ends[0] - first) / step), 0), n - 2)
    stop = min(max(round((ends[1] - first) / step) + 1, start + 2), n)
    return slice(start, stop)


def _cut(grid: ImageGrid, rows: slice, columns: slice) -> ImageGrid:
    """Part of a grid, on the same samples."""
    ranges_m, lines = grid.range_positions_m[rows], grid.line_positions[columns]
    return replace(
        grid,
        n_depths=len(ranges_m),
        n_lines=len(lines),
        lines=(float(lines[0]), float(lines[-1])),
        range_m=(float(ranges_m[0]), float(ranges_m[-1])),
    )


def _array_above(grid: ImageGrid, center_frequency_hz: float) -> Probe:
    """Make an array where the lines of a grid begin."""
    n_elements = min(grid.n_lines, _MOST_ELEMENTS)
    at = np.linspace(*grid.lines, n_elements)
    if grid.kind == "parallel":
        x_m, z_m = at, np.zeros(n_elements)
        width_m = float(at[1] - at[0])
    else:
        # The face of a curved array passes through x = z = 0; a phased one begins there.
        radius_m = max(-grid.apex_m[1], 0.1 * grid.range_m[0])
        x_m = grid.apex_m[0] + radius_m * np.sin(at)
        z_m = grid.apex_m[1] + radius_m * np.cos(at)
        width_m = radius_m * float(at[1] - at[0])
    return Probe(
        name="array that the file does not tell of",
        element_x_m=tuple(x_m.tolist()),
        element_z_m=tuple(z_m.tolist()),
        element_width_m=max(width_m, 1e-6),
        center_frequency_hz=center_frequency_hz,
        fractional_bandwidth=0.6,
    )
