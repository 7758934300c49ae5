"""Recordings made of anybody's arrays, as a mapping file describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid, Probe
from .beamformed import BeamformedRecording, checked_pairs
from .fields import FREQUENCY, LENGTH, SAMPLING, SPEED, TIME, Fields, Limits, checked_samples
from .mapping import Mapping, read_toml
from .named_arrays import DataFile, open_data
from .recording import Recording
from .transmits import MAX_STEERING_RAD, array_of, plane_wave

_STEERING = Limits(-MAX_STEERING_RAD, MAX_STEERING_RAD, "rad")
_DEMODULATION = Limits(0.0, FREQUENCY.high, "Hz")
_INTERVAL = Limits(0.0, 1e4, "s")
_PLACE = Limits(-1.0, 1.0, "m")
# Positions of a grid may differ from even ones by this share of a step.
_UNEVEN = 0.01


def read_mapped(path: Path, prf_hz: float | None = None) -> Recording | BeamformedRecording:
    """Read the data file that a mapping file describes.

    Raises
    ------
    SourceError
        The mapping, the data file or one of the values cannot be used.
    """
    mapping = read_toml(path)
    with open_data(mapping.data_path) as data:
        fields = Fields(mapping.file, "values.", lambda name: mapping.value(data, name))
        samples = _samples(mapping, data)
        rate_hz, sent_s = _pulse_times(fields, samples.shape[:2], prf_hz)
        samples = samples.reshape(-1, *samples.shape[2:])
        make = _beamformed if mapping.is_beamformed else _channels
        return make(fields, samples, rate_hz, sent_s)


def _samples(mapping: Mapping, data: DataFile) -> NDArray[Any]:
    """Read samples as (frames, pulses, two more axes); complex where they are IQ."""
    inner = ("depth", "line") if mapping.is_beamformed else ("element", "sample")
    kept = [axis for axis in mapping.axes if axis not in mapping.take]

    def choose(shape: tuple[int, ...]) -> tuple[int | slice, ...]:
        if len(shape) != len(mapping.axes):
            problem = f"has shape {shape}, but {len(mapping.axes)} axes are named"
            raise mapping.refuse("samples.axes", problem, "name each axis, in order")
        for axis, n in zip(mapping.axes, shape, strict=True):
            if mapping.take.get(axis, 0) >= n or (axis == "iq" and n != 2):
                problem = f"{axis} has {n} entries"
                raise mapping.refuse("samples", problem, "correct axes or take")
        return tuple(mapping.take.get(axis, slice(None)) for axis in mapping.axes)

    parts = []
    for key in ("field", "imaginary"):
        if key not in mapping.samples:
            continue
        where = f"samples.{key}"
        name = mapping.text(where, mapping.samples[key])
        values = data.samples(name, choose)
        if values is None:
            raise mapping.no_array(data, where, name)
        if values.dtype.kind not in "iufc":
            raise mapping.refuse(where, f"holds {values.dtype}, not samples", "name another array")
        parts.append(values)
    if "iq" in kept:
        parts[:1] = np.moveaxis(parts[0], kept.index("iq"), 0)
        kept.remove("iq")
    is_pair = len(parts) == 2 and not any(np.iscomplexobj(part) for part in parts)
    if len(parts) > 1 and not (is_pair and parts[0].shape == parts[1].shape):
        problem = "in-phase and quadrature do not go together"
        raise mapping.refuse("samples", problem, "name an axis iq, or two arrays of one shape")
    values = parts[0] if len(parts) == 1 else parts[0] + np.complex64(1j) * parts[1]
    if "frame" not in kept:
        kept.insert(0, "frame")
        values = values[None]
    return values.transpose([kept.index(axis) for axis in ("frame", "pulse", *inner)])


def _pulse_times(
    fields: Fields, shape: tuple[int, ...], given_hz: float | None
) -> tuple[float, NDArray[np.float64]]:
    """Rate of the pulses of a frame, and when each of all pulses was sent."""
    n_frames, n_pulses = shape
    rate_hz = fields.prf_hz("prf", given_hz)
    sent_s = np.arange(n_pulses) / rate_hz
    if n_frames > 1:
        interval_s = fields.number("frame_interval", _INTERVAL)
        if interval_s * rate_hz < 0.999 * n_pulses:
            problem = f"{interval_s:g} s is too short for {n_pulses} pulses at {rate_hz:g} Hz"
            raise fields.refuse("frame_interval", problem)
        sent_s = (np.arange(n_frames)[:, None] * interval_s + sent_s).ravel()
    return rate_hz, sent_s


def _channels(
    fields: Fields, samples: NDArray[Any], rate_hz: float, sent_s: NDArray[np.float64]
) -> Recording:
    is_iq = np.iscomplexobj(samples)
    demodulation_hz = fields.number("demodulation_frequency", _DEMODULATION, None if is_iq else 0.0)
    if is_iq != (demodulation_hz > 0.0):
        problem = f"{demodulation_hz:g} Hz does not go with {samples.dtype} samples"
        raise fields.refuse("demodulation_frequency", problem, "IQ has one, RF has none")
    speed_m_s = fields.number("sound_speed", SPEED)
    probe = _probe(fields, samples.shape[1])
    start_s = fields.number("start_time", TIME)
    delays_s = fields.optional("transmit_delays")
    if delays_s is None:
        angle_rad = fields.number("transmit_angle", _STEERING)
    elif delays_s.size != probe.n_elements:
        problem = f"has {delays_s.size} values for {probe.n_elements} elements"
        raise fields.refuse("transmit_delays", problem, "give one delay for each element")
    else:
        # Time is counted from the firing of an element without delay.
        delays_s, name = delays_s.ravel(), "transmit_delays"
        angle_rad, crossing_s = plane_wave(fields, name, delays_s, probe, speed_m_s)
        start_s -= crossing_s
    return Recording(
        name=fields.file,
        probe=probe,
        samples=checked_samples(fields.file, "samples", samples),
        sampling_frequency_hz=fields.number("sampling_frequency", SAMPLING),
        center_frequency_hz=probe.center_frequency_hz,
        demodulation_frequency_hz=demodulation_hz,
        sound_speed_m_s=speed_m_s,
        start_time_s=start_s,
        transmit_angle_rad=angle_rad,
        prf_hz=rate_hz,
        pulse_time_s=sent_s,
    )


def _probe(fields: Fields, n_elements: int) -> Probe:
    center_hz = fields.number("center_frequency", FREQUENCY)
    position_m, x_m = np.zeros((n_elements, 3)), fields.optional("element_x")
    if x_m is None:
        pitch_m = fields.number("pitch", LENGTH)
        position_m[:, 0] = (np.arange(n_elements) - (n_elements - 1) / 2) * pitch_m
    elif x_m.size != n_elements:
        problem = f"has {x_m.size} values for {n_elements} elements"
        raise fields.refuse("element_x", problem, "give one place for each element, or pitch")
    else:
        position_m[:, 0] = x_m.ravel()
    return array_of(
        fields,
        "element_x",
        position_m,
        center_frequency_hz=center_hz,
        element_width_m=None,
        fractional_bandwidth=0.6,
    )


def _beamformed(
    fields: Fields, samples: NDArray[Any], rate_hz: float, sent_s: NDArray[np.float64]
) -> BeamformedRecording:
    _, n_depths, n_lines = samples.shape
    is_polar = fields.optional("line_angle") is not None
    line, limits = ("line_angle", _STEERING) if is_polar else ("line_x", _PLACE)
    grid = ImageGrid(
        "polar" if is_polar else "parallel",
        n_depths,
        n_lines,
        _ends(fields, line, n_lines, limits),
        _ends(fields, "depth", n_depths, _PLACE),
        apex_m=(0.0, fields.number("apex_z", _PLACE, 0.0)),
    )
    return BeamformedRecording(
        name=fields.file,
        grid=grid,
        samples=checked_pairs(fields.file, "samples", samples),
        center_frequency_hz=fields.number("center_frequency", FREQUENCY),
        demodulation_frequency_hz=fields.number("demodulation_frequency", _DEMODULATION),
        sound_speed_m_s=fields.number("sound_speed", SPEED),
        prf_hz=rate_hz,
        pulse_time_s=sent_s,
        transmit_angle_rad=fields.number("transmit_angle", _STEERING, 0.0),
    )


def _ends(fields: Fields, name: str, n: int, limits: Limits) -> tuple[float, float]:
    """First and last place of one axis of a grid, from these two or from all of them."""
    places = fields.optional(name)
    if places is None or places.size not in (2, n) or n < 2:
        problem = "missing" if places is None else f"has {places.size} values for {n} places"
        raise fields.refuse(name, problem, "give the first and the last one, or all")
    places = places.ravel()
    first, last = float(places[0]), float(places[-1])
    even = np.linspace(first, last, places.size)
    is_even = np.all(np.abs(places - even) <= _UNEVEN * abs(last - first) / (places.size - 1))
    if not (limits.low <= first < last <= limits.high and is_even):
        problem = f"{first:g} ... {last:g} {limits.unit} is no row of evenly spaced places"
        raise fields.refuse(name, problem, f"give {limits.low:g} ... {limits.high:g}, increasing")
    return first, last
