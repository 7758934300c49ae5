"""Ultrasound File Format of the UltraSound ToolBox (USTB): the object ``channel_data``.

MATLAB's dimensions (samples, channels, waves, frames) are stored in reverse, and frames are left
out where there is one. Pulses are sent wave by wave, frame by frame, at ``PRF``.
Rodriguez-Molares et al., "The UltraSound ToolBox", IEEE IUS 2017, doi:10.1109/ULTSYM.2017.8092389
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from .fields import (
    BANDWIDTH,
    CORRECT_FILE,
    FREQUENCY,
    LENGTH,
    RECORD_AGAIN,
    SAMPLING,
    SPEED,
    TIME,
    Fields,
    Limits,
    checked_samples,
    refusal,
)
from .hdf5 import Hdf5, open_hdf5
from .recording import Recording
from .transmits import MAX_STEERING_RAD, Wave, array_of, same_transmits, transmits_note
from .uff_beamformed import channel_group

ANGLE = Limits(-MAX_STEERING_RAD, MAX_STEERING_RAD, "rad")
MODULATION = Limits(0.0, FREQUENCY.high, "Hz")
SOURCE = Limits(-10.0, 10.0, "m")
TURN = Limits(-math.pi, math.pi, "rad")
PLANE_WAVEFRONT, SPHERICAL_WAVEFRONT = 0, 1
MAX_WAVES = 4096


def read_uff(path: Path, prf_hz: float | None = None) -> Recording:
    """Read UFF channel data; of several plane or diverging waves, the one nearest to 0 degrees.

    Time zero of a wave is when it passes the origin; its ``delay`` is from there to the start of
    the acquisition, so that the first sample is taken at ``initial_time + delay``.

    Raises
    ------
    SourceError
        The file or one of its fields cannot be used.
    """
    with open_hdf5(path) as file:
        root = channel_group(file)
        if root is None:
            raise refusal(file.file, "channel_data", "missing", "give a file with channel data")
        fields = _fields(file, root)
        sequence, delays_s = _waves(file, f"{root}/sequence")
        n_waves = len(sequence)
        waves = same_transmits(sequence, delays_s)
        wave = sequence[waves[0]]
        assert wave is not None
        values = _samples(file, f"{root}/data", waves, n_waves)
        n_frames, n_used, n_channels, n_samples = values.shape
        samples = checked_samples(
            file.file, f"{root}/data", values.reshape(-1, n_channels, n_samples)
        )
        probe = _probe(file, root, fields)
        modulation_hz = fields.number("modulation_frequency", MODULATION, 0.0)
        if np.iscomplexobj(samples) != (modulation_hz > 0.0):
            problem = f"{modulation_hz:g} Hz does not go with {samples.dtype} samples"
            raise fields.refuse("modulation_frequency", problem)
        sent = (np.arange(n_frames)[:, None] * n_waves + waves).ravel()
        spacing = float(np.median(np.diff(sent))) if len(sent) > 1 else 1.0
        # The file counts all transmits, the user those of one angle.
        given_hz = None if prf_hz is None else prf_hz * spacing
        rate_hz = fields.prf_hz("PRF" if file.has(f"{root}/PRF") else "prf", given_hz)
        return Recording(
            name=file.file,
            probe=probe,
            samples=samples,
            sampling_frequency_hz=fields.number("sampling_frequency", SAMPLING),
            center_frequency_hz=probe.center_frequency_hz,
            demodulation_frequency_hz=modulation_hz,
            sound_speed_m_s=fields.number("sound_speed", SPEED),
            start_time_s=fields.number("initial_time", TIME) + float(delays_s[waves[0]]),
            transmit_angle_rad=wave.angle_rad,
            source_distance_m=wave.source_distance_m,
            prf_hz=rate_hz / spacing,
            pulse_time_s=sent / rate_hz,
            notes=transmits_note(wave, n_used, n_waves),
        )


def _fields(file: Hdf5, group: str) -> Fields:
    return Fields(file.file, f"{group}/", lambda key: file.fetch(f"{group}/{key}"))


def _waves(file: Hdf5, group: str) -> tuple[list[Wave | None], NDArray[np.float64]]:
    """Wave (None where it is focused) and delay of every transmit of a frame."""
    # A sequence of one wave may be stored without the array around it.
    names = [group] if file.has(f"{group}/source") else [
        f"{group}/{name}" for name in file.names(group)
    ]  # fmt: skip
    if not 0 < len(names) <= MAX_WAVES:
        raise refusal(file.file, group, f"lists {len(names)} waves", CORRECT_FILE)
    waves: list[Wave | None] = [None] * len(names)
    delays_s = np.zeros(len(names))
    for index, name in enumerate(names):
        waves[index] = wave = _wave(_fields(file, name))
        if wave is not None:
            delays_s[index] = _fields(file, name).number("delay", TIME, 0.0)
    if all(wave is None for wave in waves):
        problem = "no plane or diverging wave"
        raise refusal(file.file, group, problem, "focused beams cannot be shown")
    return waves, delays_s


def _wave(wave: Fields) -> Wave | None:
    """Plane wave, or one that diverges from a source behind the array; None for any other."""
    wavefront = wave.optional("wavefront")
    distance_m = wave.optional("source/distance")
    # Older writers leave the wavefront out and put the source at infinity.
    is_plane = wavefront is not None and wavefront.flat[0] == PLANE_WAVEFRONT
    is_plane |= distance_m is not None and bool(np.all(np.isinf(distance_m)))
    if is_plane:
        return Wave(wave.number("source/azimuth", ANGLE, 0.0))
    if distance_m is None or (wavefront is not None and wavefront.flat[0] != SPHERICAL_WAVEFRONT):
        return None
    away_m = wave.number("source/distance", SOURCE)
    azimuth_rad = wave.number("source/azimuth", TURN, 0.0)
    return Wave.from_source(away_m * math.sin(azimuth_rad), away_m * math.cos(azimuth_rad))


def _samples(file: Hdf5, path: str, waves: NDArray[np.intp], n_waves: int) -> NDArray[Any]:
    """Read the chosen waves as (frames, waves, channels, samples)."""
    parts = [f"{path}/real", f"{path}/imag"] if file.has(f"{path}/real") else [path]
    values = []
    for part in parts:
        dataset = file.samples(part)
        shape = (1,) * (4 - dataset.ndim) + dataset.shape
        if dataset.ndim < 2 or len(shape) != 4 or shape[1] != n_waves:
            problem = f"has shape {dataset.shape} for a sequence of {n_waves} waves"
            raise refusal(file.file, part, problem, RECORD_AGAIN)
        chosen: Any = slice(None) if len(waves) == n_waves else waves.tolist()
        selections: dict[int, Any] = {2: (), 3: (chosen,), 4: (slice(None), chosen)}
        selection = selections[dataset.ndim]
        values.append(file.read(dataset, part, selection).reshape(shape[0], -1, *shape[2:]))
    if len(values) == 1:
        return values[0]
    if values[0].shape != values[1].shape:
        raise refusal(file.file, path, "real and imaginary parts differ in shape", RECORD_AGAIN)
    return np.asarray(values[0] + np.complex64(1j) * values[1])


def _probe(file: Hdf5, root: str, fields: Fields) -> Probe:
    geometry = fields.optional("probe/geometry")
    # Rows: x, y, z, two angles, width and height of every element.
    if geometry is None or geometry.ndim != 2 or geometry.shape[0] != 7:
        raise fields.refuse("probe/geometry", "has to be 7 values for each element")
    width_m = float(np.median(geometry[5]))
    name = "pulse/center_frequency"
    if not file.has(f"{root}/{name}"):
        # IQ data say where they were mixed down from.
        name = "modulation_frequency"
    return array_of(
        fields,
        "probe/geometry",
        geometry[:3].T,
        center_frequency_hz=fields.number(name, FREQUENCY),
        element_width_m=width_m if LENGTH.low <= width_m <= LENGTH.high else None,
        fractional_bandwidth=fields.number("pulse/fractional_bandwidth", BANDWIDTH, 0.6),
    )
