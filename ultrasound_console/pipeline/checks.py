"""What every stage asks of a frame before it touches the samples, and how long a stage takes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.arrays import n_lanes
from ..dsp.demodulate import all_finite
from ..frames import Acquisition, IqFrame

# More than any receiver has, and little enough for float32.
_LARGEST_GAIN_DB = 120.0
_KINDS = (np.int16, np.float32, np.complex64)


class PipelineError(ValueError):
    """A frame that cannot be processed; the message says what is wrong with it."""


class Stopwatch:
    """Seconds spent in each named stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start_s


def check_acquisition(acquisition: Acquisition) -> None:
    """Refuse an acquisition that describes no samples."""
    positive = {
        "sampling frequency": acquisition.sampling_frequency_hz,
        "centre frequency": acquisition.center_frequency_hz,
        "sound speed": acquisition.sound_speed_m_s,
        "PRF": acquisition.prf_hz,
    }
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0.0):
            raise PipelineError(f"the {name} is {value:g}: it must be a positive number")
    finite = {
        "demodulation frequency": acquisition.demodulation_frequency_hz,
        "start time": acquisition.start_time_s,
        "transmit angle": acquisition.transmit_angle_rad,
        "receive angle": acquisition.receive_angle_rad,
        "frame interval": acquisition.frame_interval_s,
        **{f"B-mode angle {k}": angle for k, angle in enumerate(acquisition.bmode_angles_rad)},
    }
    for name, value in finite.items():
        if not math.isfinite(value):
            raise PipelineError(f"the {name} is {value:g}")
    if not acquisition.source_distance_m > 0.0:
        raise PipelineError(
            f"the source of the waves is {acquisition.source_distance_m:g} m behind the array: it "
            "must be a positive number, infinite for plane waves"
        )
    if acquisition.n_pulses < 2:
        raise PipelineError(f"{acquisition.n_pulses} pulses: a velocity needs at least 2")
    n_second, second_hz = acquisition.n_second_pulses, acquisition.second_prf_hz
    if n_second < 0 or (n_second and not (math.isfinite(second_hz) and second_hz > 0.0)):
        raise PipelineError(
            f"{n_second} pulses at a second PRF of {second_hz:g} Hz: both must be positive, or zero"
        )
    _check_depth_gain(acquisition.depth_gain_db)


def _check_depth_gain(depth_gain_db: tuple[tuple[float, float], ...]) -> None:
    for depth_m, gain_db in depth_gain_db:
        if not (math.isfinite(depth_m) and abs(gain_db) <= _LARGEST_GAIN_DB):
            raise PipelineError(
                f"the gain over depth is {gain_db:g} dB at {depth_m:g} m: it must lie within "
                f"{_LARGEST_GAIN_DB:g} dB"
            )
    depths_m = [depth_m for depth_m, _ in depth_gain_db]
    if depths_m != sorted(set(depths_m)):
        raise PipelineError("the depths of the gain over depth do not increase")


def check_samples(
    name: str, samples: NDArray[Any], n_transmits: int, acquisition: Acquisition
) -> None:
    """Refuse channel samples that are not what their acquisition says."""
    n_elements = acquisition.probe.n_elements
    if samples.ndim != 3 or samples.shape[:2] != (n_transmits, n_elements):
        raise PipelineError(
            f"{name} samples have shape {samples.shape}, expected ({n_transmits} transmits, "
            f"{n_elements} elements, samples)"
        )
    if samples.shape[2] == 0:
        raise PipelineError(f"{name} samples: the record is empty")
    if samples.dtype not in _KINDS:
        raise PipelineError(f"{name} samples are {samples.dtype}, not int16, float32 or complex64")
    is_iq = samples.dtype == np.complex64
    if is_iq != bool(acquisition.demodulation_frequency_hz):
        raise PipelineError(
            f"{name} samples are {samples.dtype}, but the demodulation frequency is "
            f"{acquisition.demodulation_frequency_hz:g} Hz"
        )
    if samples.dtype != np.int16 and not all_finite(samples):
        raise PipelineError(f"{name} samples are not finite, or too large")


def check_iq(iq: IqFrame) -> None:
    """Refuse beamformed samples that are not what their acquisition says."""
    acquisition = iq.acquisition
    shape = (*acquisition.colour_grid.shape, 2, n_lanes(acquisition.n_colour_pulses))
    if iq.iq.shape != shape:
        raise PipelineError(f"IQ has shape {iq.iq.shape}, expected {shape}")
    if iq.bmode_power.shape != acquisition.bmode_grid.shape:
        raise PipelineError(
            f"B-mode power has shape {iq.bmode_power.shape}, expected "
            f"{acquisition.bmode_grid.shape}"
        )
