"""MATLAB files of the MUST toolbox: ``RF`` (or ``IQ``) and a structure ``param``.

``param`` has MUST's names: ``fs``, ``fc``, ``pitch``, ``PRF``, and optionally ``c``, ``t0``,
``TXdelay``, ``width``, ``kerf``, ``bandwidth`` (percent). Integers are turned into floats before
anything is computed with them, for they would overflow. https://www.biomecardio.com/MUST
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from .fields import (
    BANDWIDTH,
    FREQUENCY,
    LENGTH,
    MAX_FIELD_BYTES,
    MAX_SAMPLE_BYTES,
    SAMPLING,
    SPEED,
    TIME,
    Fields,
    Limits,
    checked_samples,
    display_name,
    refusal,
)
from .hdf5 import open_hdf5
from .matlab5 import Matlab5
from .recording import Recording
from .transmits import plane_wave

DEFAULT_SOUND_SPEED_M_S = 1540.0


def read_must(path: Path, prf_hz: float | None = None) -> Recording:
    """Read a MUST recording, stored as MATLAB 5 or as MATLAB 7.3 (HDF5).

    Raises
    ------
    SourceError
        The file or one of its fields cannot be used.
    """
    name = display_name(path)
    if h5py.is_hdf5(path):
        with open_hdf5(path) as hdf5:
            field = "RF" if hdf5.has("RF") else "IQ"
            # MATLAB's first dimension is stored last: (pulses, elements, samples).
            values = hdf5.read(hdf5.samples(field), field)
            if values.dtype.names:
                values = values["real"] + np.complex64(1j) * values["imag"]
            params = Fields(name, "param.", lambda key: hdf5.fetch(f"param/{key}"))
            return _recording(params, checked_samples(name, field, values), prf_hz)
    matlab5 = Matlab5(path)
    field = "RF" if "RF" in matlab5 else "IQ"
    for variable in (field, "param"):
        if variable not in matlab5:
            missing = "RF" if variable == "IQ" else variable
            raise refusal(name, missing, "missing", "save RF and param of MUST together")
    params = Fields(name, "param.", matlab5.struct("param", MAX_FIELD_BYTES).get)
    values = matlab5.numbers(field, MAX_SAMPLE_BYTES)
    return _recording(params, checked_samples(name, field, values.T), prf_hz)


def _recording(params: Fields, samples: NDArray[Any], prf_hz: float | None) -> Recording:
    """Make sense of the parameters.

    MUST counts time from the firing of an element whose ``TXdelay`` is zero; the plane wave crosses
    the middle of the array later, by the delay that an element would have there.
    """
    n_pulses, n_elements, _ = samples.shape
    center_hz = params.number("fc", FREQUENCY)
    speed_m_s = params.number("c", SPEED, DEFAULT_SOUND_SPEED_M_S)
    probe = _probe(params, n_elements, center_hz)
    notes = []
    if params.optional("c") is None:
        notes.append(f"param.c is missing: {speed_m_s:g} m/s, the default of MUST, is used")
    angle_rad = crossing_s = 0.0
    delays_s = params.optional("TXdelay")
    if delays_s is None:
        notes.append("param.TXdelay is missing: an unsteered plane wave is assumed")
    elif delays_s.size != n_elements:
        problem = f"has {delays_s.size} values for {n_elements} elements"
        raise params.refuse("TXdelay", problem, "give one delay for each element")
    else:
        angle_rad, crossing_s = plane_wave(params, "TXdelay", delays_s.ravel(), probe, speed_m_s)
    rate_hz = params.prf_hz("PRF", prf_hz)
    return Recording(
        name=params.file,
        probe=probe,
        samples=samples,
        sampling_frequency_hz=params.number("fs", SAMPLING),
        center_frequency_hz=center_hz,
        demodulation_frequency_hz=center_hz if np.iscomplexobj(samples) else 0.0,
        sound_speed_m_s=speed_m_s,
        start_time_s=params.number("t0", TIME, 0.0) - crossing_s,
        transmit_angle_rad=angle_rad,
        prf_hz=rate_hz,
        pulse_time_s=np.arange(n_pulses) / rate_hz,
        notes=tuple(notes),
    )


def _probe(params: Fields, n_elements: int, center_hz: float) -> Probe:
    named = params.optional("Nelements")
    if named is not None and (named.size != 1 or named.flat[0] != n_elements):
        raise params.refuse("Nelements", f"does not fit the {n_elements} recorded channels")
    radius_m = params.optional("radius")
    if radius_m is not None and not np.all(np.isinf(radius_m)):
        raise params.refuse("radius", "a curved array", "give data of a linear array")
    pitch_m = params.number("pitch", LENGTH)
    kerf_m = params.number("kerf", Limits(0.0, 0.9 * pitch_m, "m"), 0.1 * pitch_m)
    percent = Limits(100.0 * BANDWIDTH.low, 100.0 * BANDWIDTH.high, "%")
    return Probe.linear(
        f"linear array, {n_elements} elements",
        n_elements,
        pitch_m,
        center_hz,
        element_width_m=params.number("width", LENGTH, pitch_m - kerf_m),
        fractional_bandwidth=params.number("bandwidth", percent, 60.0) / 100.0,
    )
