"""Captures of gui4us, the display of us4us scanners: pickles with ``data`` and ``metadata``.

``data`` is a list of frames, each a tuple with one array for every output of the processing that
was running; ``metadata`` has a ``ConstMetadata`` of ARRUS for each output. What is read is the
first output that holds RF of the elements in the order of ARRUS: (repeats, transmits, samples,
elements), or (repeats, transmits, elements, samples, 1). https://github.com/us4useu/gui4us
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrus_metadata import SEQUENCE, Transmits
from .fields import SAMPLING, SPEED, Fields, Limits, check_sample_bytes, checked_samples, refusal
from .pickled_arrays import Pickled
from .recording import Recording
from .transmits import same_transmits, transmits_note

_DESCRIBE = "describe it in a mapping file (docs/your-own-data.md)"
_REPETITION = Limits(1e-6, 100.0, "s")
_NO_TIMES = "the capture tells no times of its frames: they follow one another at once"
_ONE_EACH = "one pulse in each frame, at the PRF that was given: a lost frame is not noticed"


def read_gui4us(path: Path, prf_hz: float | None = None) -> Recording:
    """Read the RF of a capture; of several plane or diverging waves, the one sent most often.

    Parameters
    ----------
    path : Path
    prf_hz : float, optional
        Pulse repetition frequency, where a frame has a single pulse of that wave.

    Raises
    ------
    NoPrfError
        The capture does not tell how far apart its pulses are, and no rate is given.
    SourceError
        No capture, or one of its values cannot be used.
    """
    pickled = Pickled(path)
    n_outputs = len(pickled.found("metadata/*"))
    if not (n_outputs and pickled.found("data/*")):
        problem = "a Python pickle, but no capture of gui4us with data and metadata"
        raise refusal(pickled.file, "", problem, _DESCRIBE)
    output, fields, transmits = _output(pickled, n_outputs)
    field = f"data/*/{output}"
    speed_m_s = fields.number("_context/medium/speed_of_sound", SPEED)
    sampling_hz = fields.number("_data_char/sampling_frequency", SAMPLING)
    waves, starts_s = transmits.waves(fields, speed_m_s, sampling_hz)
    chosen = same_transmits(waves, starts_s)
    first = int(chosen[0])
    wave = waves[first]
    assert wave is not None
    for name, told in transmits.same_for_all_pulses.items():
        if np.any(told[chosen] != told[first]):
            raise fields.refuse(name, "changes from pulse to pulse", _DESCRIBE)
    values = pickled.samples(field, lambda shape: (slice(None), slice(None), chosen))
    if values is None:
        raise refusal(pickled.file, field, "not an array in each frame", _DESCRIBE)
    values = values[..., 0] if values.ndim == 6 else values.swapaxes(3, 4)
    n_frames, n_repeats = values.shape[:2]
    rate_hz, sent_s = _pulse_times(fields, transmits, chosen, (n_frames, n_repeats), prf_hz)
    channels = values.reshape(-1, *values.shape[3:])
    channels = channels[:, int(transmits.first_channel[first]) :]
    file = pickled.file
    del pickled, fields  # with the whole capture: samples are in memory twice, not three times
    samples = _of_all_elements(file, field, channels, transmits.receives[first])
    center_hz = float(transmits.frequency_hz[first])
    notes = transmits_note(wave, len(chosen), len(waves))
    if n_frames > 1:
        notes += (_ONE_EACH if n_repeats * len(chosen) == 1 else _NO_TIMES,)
    return Recording(
        name=file,
        probe=dataclasses.replace(transmits.probe, center_frequency_hz=center_hz),
        samples=checked_samples(file, field, samples),
        sampling_frequency_hz=sampling_hz,
        center_frequency_hz=center_hz,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=speed_m_s,
        start_time_s=float(starts_s[first]),
        transmit_angle_rad=wave.angle_rad,
        source_distance_m=wave.source_distance_m,
        prf_hz=rate_hz,
        pulse_time_s=sent_s,
        notes=notes,
    )


def _fetch(pickled: Pickled, prefix: str, key: str) -> NDArray[Any] | None:
    """Small array; those of true and false as numbers."""
    values = pickled.fetch(prefix + key)
    return values.astype(np.uint8) if values is not None and values.dtype == bool else values


def _output(pickled: Pickled, n_outputs: int) -> tuple[int, Fields, Transmits]:
    """Find the first output whose arrays have the shape of RF of the elements."""
    shapes = []
    for number in range(n_outputs):
        values = pickled.samples(f"data/0/{number}", lambda shape: ...)
        if values is None:
            raise refusal(pickled.file, f"data/0/{number}", "not an array", _DESCRIBE)
        shape = values.shape
        shapes.append(f"{values.dtype} {shape}")
        if values.dtype.kind not in "iuf" or len(shape) not in (4, 5):
            continue
        prefix = f"metadata/{number}/"
        fields = Fields(pickled.file, prefix, partial(_fetch, pickled, prefix), _DESCRIBE)
        transmits = Transmits.of(fields)
        begin, end = transmits.sample_range.T
        n, n_samples, n_channels = len(begin), end - begin, transmits.n_channels
        wanted = (n, *n_samples[:1], *n_channels[:1])
        if len(shape) == 5:
            wanted = (n, *n_channels[:1], *n_samples[:1], 1)
        if np.ptp(n_samples) == np.ptp(n_channels) == 0 and shape[1:] == wanted:
            return number, fields, transmits
    told = ", ".join(shapes)[:200]
    problem = f"no output is RF of the elements: they are {told}"
    raise refusal(pickled.file, "data/0", problem, _DESCRIBE)


def _pulse_times(
    fields: Fields,
    transmits: Transmits,
    chosen: NDArray[np.intp],
    counts: tuple[int, int],
    given_hz: float | None,
) -> tuple[float, NDArray[np.float64]]:
    """Rate of the chosen transmits, and when each was sent."""
    n_frames, n_repeats = counts
    begun_s = np.concatenate([[0.0], np.cumsum(transmits.interval_s)])
    repetition_s = fields.number(f"{SEQUENCE}/sri", _REPETITION, float(begun_s[-1]))
    repetition_s = max(repetition_s, float(begun_s[-1]))
    burst_s = (np.arange(n_repeats)[:, None] * repetition_s + begun_s[chosen]).ravel()
    if burst_s.size == 1:
        unknown = dataclasses.replace(fields, prefix="", fetch=lambda name: None)
        rate_hz = unknown.prf_hz("rate of the frames (one pulse in each)", given_hz)
        return rate_hz, np.arange(n_frames) / rate_hz
    interval_s = float(np.median(np.diff(burst_s)))
    # The scanner may have waited, and frames may be lost: no ensemble goes on in the next one.
    frame_s = n_repeats * repetition_s + interval_s
    return 1.0 / interval_s, (np.arange(n_frames)[:, None] * frame_s + burst_s).ravel()


def _of_all_elements(
    file: str, field: str, channels: NDArray[Any], receives: NDArray[np.bool_]
) -> NDArray[Any]:
    """Put channels where their elements are: (n_pulses, n_elements, n_samples), 0 elsewhere."""
    elements = np.flatnonzero(receives)
    shape = len(channels), len(receives), channels.shape[2]
    check_sample_bytes(file, field, int(np.prod(shape, dtype=float)), channels.itemsize)
    samples = np.zeros(shape, channels.dtype)
    samples[:, elements] = channels[:, : len(elements)]
    if channels.dtype.kind in "iu":
        # The first sample of a record is not an echo, but holds what the scanner notes there.
        samples[:, :, 0] = 0
    return samples
