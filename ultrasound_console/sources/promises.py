"""What a source promises; those of its acquisitions and frames are checked here, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.arrays import n_lanes
from ..frames import Acquisition, ChannelFrame, IqFrame
from ..geometry import nyquist_velocity_m_s
from ..record.possible import check_possible
from ..settings import AcquisitionSettings

OPENS = "it opens, starts and delivers"
FORM = "it has the names of the protocol, with values of their types"
NAMES = "its name has no path, and its acquisitions repeat it"
CARRIES = "frames carry the acquisition that configure returned"
KEPT = "a frame stays as it was handed over"
ORDER = "numbers and times of frames increase"
RECEIVED = "received_s is the moment of delivery"
ENDS = "stop from another thread ends a waiting read"
STOPS = "a stopped source delivers nothing, and says so in time"
GOES_ON = "a source that was stopped goes on where it was"
COUNTS = "n_frames and filling are numbers that can be"
CLOSED = "a closed source stays closed"
PLAIN = "errors are SourceErrors of one line"
THREADS = "no thread is left behind"
POSSIBLE = "acquisitions and their grids are within the limits"
PRF = "the PRF achieved is one of its choices and not above the highest"
NYQUIST = "v_N = c PRF / (4 f0)"
TOLD = "what was asked for is had, or a note says why not"
SHAPES = "samples have the shape and type that the acquisition says"
VALUES = "samples are finite"
READ_ONLY = "frames are read-only"

Found = Iterator[tuple[str, bool, object]]
"""Promises, whether each is kept, and what is there instead."""

_PRF_TOLERANCE = 0.01


def of_acquisition(achieved: Acquisition, asked: AcquisitionSettings) -> Found:
    """Check what :meth:`Source.configure` returned.

    Parameters
    ----------
    achieved : Acquisition
    asked : AcquisitionSettings
        What it was given.
    """
    try:
        check_possible(achieved)
        yield POSSIBLE, True, ""
    except ValueError as error:
        yield POSSIBLE, False, error
        return
    prf_hz, choices_hz, highest_hz = achieved.prf_hz, achieved.prf_choices_hz, achieved.max_prf_hz
    is_choice = not choices_hz or any(math.isclose(prf_hz, choice) for choice in choices_hz)
    is_below = prf_hz <= highest_hz * (1.0 + _PRF_TOLERANCE)
    what = f"{prf_hz:g} Hz, highest {highest_hz:g} Hz, choices {choices_hz[:4]}"
    yield PRF, is_choice and is_below, what
    v_n = nyquist_velocity_m_s(prf_hz, achieved.center_frequency_hz, achieved.sound_speed_m_s)
    told = achieved.nyquist_velocity_m_s
    yield NYQUIST, math.isclose(told, v_n), f"{told:g} m/s where {v_n:g} m/s is right"
    possible_hz = choices_hz or (min(asked.prf_hz, highest_hz),)
    best_hz = min(possible_hz, key=lambda choice: abs(choice - asked.prf_hz))
    has_prf = math.isclose(prf_hz, best_hz, rel_tol=_PRF_TOLERANCE)
    has_pulses = asked.ensemble in (0, achieved.n_pulses)
    what = (
        f"{asked.ensemble} pulses at {asked.prf_hz:g} Hz came to {achieved.n_pulses} at "
        f"{prf_hz:g} Hz, without a note"
    )
    yield TOLD, (has_prf and has_pulses) or bool(achieved.notes), what


def of_frame(frame: object) -> Found:
    """Check the samples of a frame against its own acquisition."""
    if not isinstance(frame, ChannelFrame | IqFrame):
        yield SHAPES, False, f"a {type(frame).__name__} is neither ChannelFrame nor IqFrame"
        return
    of = frame.acquisition
    if isinstance(frame, ChannelFrame):
        yield from _channels("colour", frame.colour, of.n_colour_pulses, of)
        n_angles = len(of.bmode_angles_rad)
        if frame.bmode is not None:
            yield from _channels("bmode", frame.bmode, n_angles, of)
        else:
            yield SHAPES, n_angles == 0, f"no bmode, for {n_angles} angles"
    else:
        shape = (*of.colour_grid.shape, 2, n_lanes(of.n_colour_pulses))
        yield from _plane("iq", frame.iq, shape)
        yield from _plane("bmode_power", frame.bmode_power, of.bmode_grid.shape)
        if frame.iq.shape == shape:
            yield VALUES, not frame.iq[..., of.n_colour_pulses :].any(), "iq beyond the last pulse"
        yield VALUES, not np.any(frame.bmode_power < 0.0), "bmode_power below zero"


def _channels(name: str, samples: NDArray[Any], n_transmits: int, of: Acquisition) -> Found:
    kinds: tuple[type[Any], ...] = (np.int16, np.float32)
    if of.demodulation_frequency_hz:
        kinds = (np.complex64,)
    expected = (n_transmits, of.probe.n_elements)
    is_shaped = samples.ndim == 3 and samples.shape[:2] == expected and samples.shape[2] > 0
    names = " or ".join(kind.__name__ for kind in kinds)
    what = f"{name} is {samples.dtype} {samples.shape} where {names} {(*expected, '...')} is needed"
    yield SHAPES, is_shaped and samples.dtype in kinds, what
    yield from _numbers(name, samples)


def _plane(name: str, samples: NDArray[Any], shape: tuple[int, ...]) -> Found:
    what = f"{name} is {samples.dtype} {samples.shape} where float32 {shape} is needed"
    yield SHAPES, samples.shape == shape and samples.dtype == np.float32, what
    yield from _numbers(name, samples)


def _numbers(name: str, samples: NDArray[Any]) -> Found:
    yield VALUES, bool(np.isfinite(samples).all()), f"{name} holds what is no number"
    yield READ_ONLY, not samples.flags.writeable, f"{name} can be written to"
