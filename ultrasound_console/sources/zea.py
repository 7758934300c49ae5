"""Channel data in the HDF5 layout of zea: ``tracks/track_N`` with ``data`` and ``scan``.

``raw_data`` is (frames, transmits, samples, elements, channels), one channel for RF and two for IQ.
Older files have ``data`` and ``scan`` at the top. https://github.com/tue-bmd/zea
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from .fields import (
    FREQUENCY,
    LENGTH,
    PRF,
    SAMPLING,
    SPEED,
    Fields,
    checked_samples,
    in_limits,
    refusal,
)
from .hdf5 import Hdf5, open_hdf5
from .recording import Recording
from .transmits import (
    Wave,
    array_of,
    diverging_wave,
    same_transmits,
    transmits_note,
    unfocused_wave,
)
from .zea_beamformed import track_with

# Delays and named angles come in float32 and from different code; more is a contradiction.
ANGLE_TOLERANCE_RAD = 0.01


def read_zea(path: Path, prf_hz: float | None = None) -> Recording:
    """Read zea channel data; of several plane or diverging waves, the one sent most often.

    zea counts ``initial_times`` from the first element that fires; the wave crosses the middle of
    the array later, by the delay that an element would have there.

    Raises
    ------
    SourceError
        The file or one of its fields cannot be used.
    """
    with open_hdf5(path) as file:
        track = _track(file)
        field = f"{track}data/raw_data"
        dataset = file.samples(field)
        if dataset.ndim != 5 or dataset.shape[4] not in (1, 2):
            problem = f"has shape {dataset.shape}"
            raise refusal(file.file, field, problem, "give (frame, transmit, sample, element, 1|2)")
        n_frames, n_transmits, _, n_elements, n_channels = dataset.shape
        scan = Fields(file.file, f"{track}scan/", lambda key: file.fetch(f"{track}scan/{key}"))
        probe = _probe(file, track, scan, n_elements)
        speed_m_s = scan.number("sound_speed", SPEED)
        waves, starts_s = _waves(scan, probe, n_transmits, speed_m_s)
        transmits = same_transmits(waves, starts_s)
        wave = waves[transmits[0]]
        assert wave is not None
        rate_hz, sent_s = _pulse_times(scan, transmits, n_frames, n_transmits, prf_hz)
        chosen: Any = slice(None) if len(transmits) == n_transmits else transmits.tolist()
        values = file.read(dataset, field, (slice(None), chosen))
        demodulation_hz = 0.0
        if n_channels == 2:
            demodulation_hz = scan.number("demodulation_frequency", FREQUENCY)
            values = values[..., :1] + np.complex64(1j) * values[..., 1:]
        values = values[..., 0].swapaxes(2, 3).reshape(n_frames * len(transmits), n_elements, -1)
        return Recording(
            name=file.file,
            probe=probe,
            samples=checked_samples(file.file, field, values),
            sampling_frequency_hz=scan.number("sampling_frequency", SAMPLING),
            center_frequency_hz=probe.center_frequency_hz,
            demodulation_frequency_hz=demodulation_hz,
            sound_speed_m_s=speed_m_s,
            start_time_s=float(starts_s[transmits[0]]),
            transmit_angle_rad=wave.angle_rad,
            source_distance_m=wave.source_distance_m,
            prf_hz=rate_hz,
            pulse_time_s=sent_s,
            notes=transmits_note(wave, len(transmits), n_transmits),
        )


def _track(file: Hdf5) -> str:
    """Path of the first track with channel data, with a slash at its end."""
    track = track_with(file, "raw_data")
    if track is None:
        advice = "give a file with channel data"
        raise refusal(file.file, "data/raw_data", "missing from all tracks", advice)
    return track


def _probe(file: Hdf5, track: str, scan: Fields, n_elements: int) -> Probe:
    group = "probe" if file.has("probe/probe_geometry") else f"{track}scan"
    fields = Fields(file.file, f"{group}/", lambda key: file.fetch(f"{group}/{key}"))
    geometry = fields.array("probe_geometry", (n_elements, 3))
    frequencies = scan.optional("center_frequency")
    if frequencies is not None and np.all(frequencies == frequencies.flat[0]):
        center_hz = float(frequencies.flat[0])
    else:
        center_hz = scan.number("center_frequency", FREQUENCY)
    if not in_limits(center_hz, FREQUENCY):
        raise scan.refuse("center_frequency", f"{center_hz:g} Hz is not possible")
    width_m = fields.optional("element_width")
    return array_of(
        fields,
        "probe_geometry",
        geometry,
        center_frequency_hz=center_hz,
        element_width_m=None if width_m is None else fields.number("element_width", LENGTH),
        fractional_bandwidth=0.6,
    )


def _waves(
    scan: Fields, probe: Probe, n_transmits: int, speed_m_s: float
) -> tuple[list[Wave | None], NDArray[np.float64]]:
    """Wave (None where it is focused) and time of the first sample of every transmit."""
    per_transmit = (n_transmits,)
    focus_m = scan.array("focus_distances", per_transmit)
    named_rad = scan.array("polar_angles", per_transmit)
    starts_s = scan.array("initial_times", per_transmit)
    peaks_s = scan.optional("t_peak")
    if peaks_s is not None:
        starts_s = starts_s - np.broadcast_to(scan.array("t_peak", per_transmit), per_transmit)
    delays_s = scan.array("t0_delays", (n_transmits, probe.n_elements))
    origins_m = np.zeros((n_transmits, 3))
    if scan.optional("transmit_origins") is not None:
        origins_m = scan.array("transmit_origins", (n_transmits, 3))
    waves: list[Wave | None] = [None] * n_transmits
    for index in np.flatnonzero(np.isinf(focus_m) | (focus_m <= 0.0)):
        named = float(named_rad[index])
        if np.isfinite(focus_m[index]) and focus_m[index] < 0.0:
            x_m = origins_m[index, 0] + focus_m[index] * math.sin(named)
            z_m = origins_m[index, 2] + focus_m[index] * math.cos(named)
            wave = diverging_wave(delays_s[index], probe, speed_m_s, (x_m, z_m))
            if wave is None:
                problem = f"{focus_m[index]:g} m: t0_delays make no wave that diverges from there"
                raise scan.refuse("focus_distances", problem)
        else:
            wave = unfocused_wave(scan, "t0_delays", delays_s[index], probe, speed_m_s)
            if not abs(wave.angle_rad - named) <= ANGLE_TOLERANCE_RAD:
                problem = f"{named:g} rad contradicts t0_delays, which give {wave.angle_rad:g}"
                raise scan.refuse("polar_angles", problem)
        waves[index] = wave
        starts_s[index] -= wave.crossing_s
    used = [wave is not None for wave in waves]
    if not any(used):
        problem = "no transmit is a plane or a diverging wave"
        raise scan.refuse("focus_distances", problem, "focused beams cannot be shown")
    if not np.all(np.abs(starts_s[used]) <= 1.0):
        raise scan.refuse("initial_times", "not times in seconds")
    return waves, starts_s


def _pulse_times(
    scan: Fields,
    transmits: NDArray[np.intp],
    n_frames: int,
    n_transmits: int,
    given_hz: float | None,
) -> tuple[float, NDArray[np.float64]]:
    """Rate of the chosen transmits, and when each was sent."""
    intervals_s = scan.optional("time_to_next_transmit")
    if intervals_s is None or np.all(intervals_s == 0.0):
        rate_hz = scan.prf_hz("time_to_next_transmit", given_hz)
        n_pulses = n_frames * len(transmits)
        return rate_hz, np.arange(n_pulses) / rate_hz
    if intervals_s.shape != (n_frames, n_transmits):
        problem = f"has shape {intervals_s.shape} where {(n_frames, n_transmits)} is needed"
        raise scan.refuse("time_to_next_transmit", problem)
    sent_s = np.concatenate(([0.0], np.cumsum(intervals_s.ravel())[:-1]))
    sent_s = sent_s.reshape(n_frames, n_transmits)[:, transmits].ravel()
    interval_s = float(np.median(np.diff(sent_s))) if len(sent_s) > 1 else 1.0
    if not np.all(np.isfinite(sent_s)) or not 1.0 / PRF.high <= interval_s <= 1.0 / PRF.low:
        raise scan.refuse("time_to_next_transmit", "not a row of intervals in seconds")
    return 1.0 / interval_s, sent_s
