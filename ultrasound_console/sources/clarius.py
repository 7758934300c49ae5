"""Raw in-phase and quadrature data of Clarius scanners: a ``.raw`` file with its ``.yml``.

The ``.raw`` file has five uint32 (id, frames, lines, samples, bytes of a sample), and then for each
frame a time stamp (uint64, ns) and the samples as pairs of int16. In colour Doppler each line is
stored once for every pulse, but the pulses of a depth lie side by side: line, depth, pulse, I or Q.
What the scanner's maker tells of it: https://github.com/clariusdev/research
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .beamformed import BeamformedRecording, checked_pairs
from .clarius_about import TOLD_AGAIN, About
from .clarius_lines import Lines, probe_of
from .fields import (
    FREQUENCY,
    RECORD_AGAIN,
    SAMPLING,
    SPEED,
    Limits,
    check_sample_bytes,
    display_name,
    library_call,
    refusal,
)

SUFFIXES = (".raw", ".yml")
DEFAULT_SOUND_SPEED_M_S = 1540.0
_HEADER = struct.Struct("<5I")
_SAMPLE_BYTES, _STAMP_BYTES = 4, 8
_DELAY = Limits(0.0, 1e6, "samples")
# Least slow-time coherence of echoes: in a wrong order it is below 0.4.
_LEAST_COHERENCE = 0.5
# The documented order, and those that are easily taken for it.
_ORDERS = (("line", "depth", "pulse"), ("line", "pulse", "depth"), ("pulse", "line", "depth"))
_CHECKED_FRAMES = 3
_LONGEST_S = 1e6
_NO_CARRIER = (
    "Clarius does not tell the frequency that it mixed down by: that of the pulse is assumed, and "
    "the local frequency is not to be trusted"
)


def read_clarius(path: Path, prf_hz: float | None = None) -> BeamformedRecording:
    """Read colour Doppler samples of a Clarius scanner.

    Parameters
    ----------
    path : Path
        Of the ``.raw`` or of the ``.yml`` file; the other one lies beside it.
    prf_hz : float, optional
        Pulse repetition frequency, where the ``.yml`` does not tell it.

    Raises
    ------
    NoPrfError
        The ``.yml`` does not tell the pulse repetition frequency, and none is given.
    SourceError
        One of the files cannot be used.
    """
    raw_path = path if path.suffix.lower() == ".raw" else path.with_suffix(".raw")
    name = display_name(raw_path)
    for part in (raw_path, raw_path.with_suffix(".yml")):
        if part.exists() and not part.is_file():
            # A pipe would be waited for without end.
            raise refusal(display_name(part), "", "not a regular file", TOLD_AGAIN)
    about = About.read(raw_path.with_suffix(".yml"))
    n_frames, n_stored, n_samples, cut_off = _sizes(raw_path, name)
    about.check(n_stored, n_samples)
    fields, lines = about.fields, Lines.of(about, n_stored)
    rate_hz = fields.prf_hz(about.prf_field, prf_hz)
    speed_m_s = fields.number(about.speed_field, SPEED, DEFAULT_SOUND_SPEED_M_S)
    step_m = speed_m_s / (2.0 * fields.number("sampling rate", SAMPLING))
    first_m = fields.number("delay samples", _DELAY, 0.0) * step_m
    range_m = first_m, first_m + (n_samples - 1) * step_m
    grid, grid_notes = lines.grid(about, range_m, n_samples)
    center_hz = fields.number("transmit frequency", FREQUENCY)
    stamps_ns, values = _read(raw_path, name, n_frames, n_stored * n_samples)
    sizes = {"line": grid.n_lines, "depth": n_samples, "pulse": lines.n_pulses}
    order = _order(name, values, sizes)
    values = values.reshape(n_frames, *(sizes[axis] for axis in order), 2)
    axes = [1 + order.index(axis) for axis in ("pulse", "depth", "line")]
    values = values.transpose(0, *axes, 4).reshape(-1, *grid.shape, 2)
    notes = (*cut_off, *grid_notes, _NO_CARRIER)
    if order != _ORDERS[0]:
        found = f"its samples are in the order {', '.join(order)}: found by their coherence"
        notes = (found, *notes)
    if fields.optional(about.speed_field) is None:
        notes = (f"the .yml tells no speed of sound: {speed_m_s:g} m/s is used", *notes)
    return BeamformedRecording(
        name=name,
        grid=grid,
        samples=checked_pairs(name, "samples", values),
        center_frequency_hz=center_hz,
        demodulation_frequency_hz=center_hz,
        sound_speed_m_s=speed_m_s,
        prf_hz=rate_hz,
        pulse_time_s=_sent_s(name, stamps_ns, lines.n_pulses, rate_hz),
        transmit_angle_rad=grid.angle_rad,
        receive_angle_rad=grid.angle_rad,
        probe=probe_of(about, center_hz),
        notes=notes,
    )


def _sizes(path: Path, name: str) -> tuple[int, int, int, tuple[str, ...]]:
    """Frames that are there as a whole, stored lines, samples of a line, and what to say."""
    with library_call(name, "header"):
        n_bytes = path.stat().st_size
        with path.open("rb") as stream:
            _, n_frames, n_lines, n_samples, size = _HEADER.unpack(stream.read(_HEADER.size))
    if size != _SAMPLE_BYTES:
        problem = f"{size} bytes a sample where in-phase and quadrature have {_SAMPLE_BYTES}"
        raise refusal(name, "header", problem, "give the _iq.raw of colour Doppler, unpacked")
    if min(n_frames, n_lines) < 1 or n_samples < 2:
        problem = f"{n_frames} frames of {n_lines} lines of {n_samples} samples"
        raise refusal(name, "header", problem, RECORD_AGAIN)
    frame_bytes = _STAMP_BYTES + n_lines * n_samples * _SAMPLE_BYTES
    n_whole, rest = divmod(n_bytes - _HEADER.size, frame_bytes)
    if n_whole > n_frames or (n_whole == n_frames and rest):
        problem = f"{n_bytes} bytes are more than its header tells of"
        raise refusal(name, "header", problem, RECORD_AGAIN)
    check_sample_bytes(name, "samples", n_whole * frame_bytes, 1)
    cut_off = f"cut off: {n_whole} of its {n_frames} frames are there as a whole"
    return n_whole, n_lines, n_samples, (cut_off,) if n_whole < n_frames else ()


def _read(
    path: Path, name: str, n_frames: int, n_samples: int
) -> tuple[NDArray[np.uint64], NDArray[np.int16]]:
    """Time stamps, and samples as (n_frames, n_samples, 2)."""
    frame = np.dtype([("stamp", "<u8"), ("iq", "<i2", (n_samples, 2))])
    with library_call(name, "samples"):
        frames = np.fromfile(path, frame, n_frames, offset=_HEADER.size)
        if len(frames) != n_frames:
            raise refusal(name, "samples", "cut off while it was read", RECORD_AGAIN)
    return frames["stamp"], frames["iq"]


def _order(name: str, values: NDArray[np.int16], sizes: dict[str, int]) -> tuple[str, ...]:
    """Find the order of the samples: echoes hardly change from pulse to pulse.

    In a wrong order neighbours are other places. The documented order is taken where none is more
    coherent, another one only where it is so by far.
    """
    chosen = values[np.unique(np.linspace(0, len(values) - 1, _CHECKED_FRAMES).astype(int))]
    iq = np.ascontiguousarray(chosen, np.float32).view(np.complex64)
    coherence = []
    for order in _ORDERS:
        ordered = iq.reshape(len(chosen), *(sizes[axis] for axis in order))
        pulses = np.moveaxis(ordered, 1 + order.index("pulse"), -1)
        turned = np.sum(pulses[..., 1:] * pulses[..., :-1].conj(), axis=-1)
        power = np.sum(np.abs(pulses[..., 1:]) ** 2 + np.abs(pulses[..., :-1]) ** 2)
        coherence.append(float(2.0 * np.sum(np.abs(turned)) / power) if power > 0.0 else 0.0)
    best = int(np.argmax(coherence))
    is_clear = best == 0 or 1.0 - coherence[best] < 0.5 * (1.0 - coherence[0])
    if coherence[best] < _LEAST_COHERENCE or not is_clear:
        told = ", ".join(f"{value:.2f}" for value in coherence)
        problem = f"no known order makes echoes of them (slow-time coherence {told})"
        raise refusal(name, "samples", problem, "give the _iq.raw of colour Doppler, unpacked")
    return _ORDERS[best]


def _sent_s(
    name: str, stamps_ns: NDArray[np.uint64], n_pulses: int, rate_hz: float
) -> NDArray[np.float64]:
    """When each pulse was sent."""
    starts_s = (stamps_ns - stamps_ns[0]).astype(np.float64) * 1e-9
    shortest_s = float(np.min(np.diff(starts_s))) if len(starts_s) > 1 else np.inf
    # Time stamps before the first one wrap around to centuries.
    if not shortest_s > 0.0 or starts_s[-1] > _LONGEST_S:
        raise refusal(name, "time stamps", "do not increase", RECORD_AGAIN)
    if (n_pulses - 1) / rate_hz >= shortest_s:
        apart = f"frames {1e3 * shortest_s:.3g} ms apart"
        problem = f"{n_pulses} pulses at {rate_hz:g} Hz do not fit between {apart}"
        raise refusal(name, "PRF", problem, "give a higher one")
    return np.asarray((starts_s[:, None] + np.arange(n_pulses) / rate_hz).ravel())
