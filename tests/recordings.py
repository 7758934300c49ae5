"""Small recordings in the formats of others, whole or with single fields changed.

All builders hold the same acquisition: :data:`N_PULSES` pulses of an unsteered plane wave.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

N_PULSES, N_ELEMENTS, N_SAMPLES = 10, 4, 96
PITCH_M, FC_HZ, FS_HZ, C_M_S = 3e-4, 5e6, 20e6 / 3, 1480.0
PRF_HZ, START_S = 8000.0, 10e-6
DROP: Any = object()
"""Leave a field out."""


def samples(n_pulses: int = N_PULSES, n_elements: int = N_ELEMENTS) -> np.ndarray:
    """(n_pulses, n_elements, n_samples) int16; every value tells its pulse."""
    rng = np.random.default_rng(3)
    noise = rng.integers(-9, 10, (n_pulses, n_elements, N_SAMPLES))
    return (100 * np.arange(n_pulses)[:, None, None] + noise).astype(np.int16)


def element_x_m(n_elements: int = N_ELEMENTS) -> np.ndarray:
    return (np.arange(n_elements) - (n_elements - 1) / 2) * PITCH_M


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**values, **changes}.items() if value is not DROP}


def must_param(n_elements: int = N_ELEMENTS, **changes: Any) -> dict[str, Any]:
    values = {
        "fs": FS_HZ,
        "fc": np.int32(FC_HZ),
        "c": np.uint16(C_M_S),
        "pitch": PITCH_M,
        "PRF": np.uint16(PRF_HZ),
        "t0": START_S,
        "TXdelay": np.zeros((1, n_elements), np.uint8),
        "Nelements": np.uint8(n_elements),
        "bandwidth": np.uint8(70),
        "width": 2.5e-4,
    }
    return _merged(values, changes)


def write_must(path: Path, rf: Any = None, *, compress: bool = True, **param: Any) -> Path:
    rf = samples() if rf is None else rf
    n_elements = rf.shape[1] if rf.ndim > 1 else 1
    variables = {"RF": rf.T, "param": must_param(n_elements, **param)}
    scipy.io.savemat(path, variables, do_compression=compress)
    return path


def write_must_hdf5(path: Path, rf: Any = None, **param: Any) -> Path:
    """MATLAB 7.3: HDF5 behind a header of 512 bytes, dimensions reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["RF"] = rf = samples() if rf is None else rf
        for name, value in must_param(rf.shape[1], **param).items():
            file[f"param/{name}"] = np.atleast_2d(value).T
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def write_uff(path: Path, data: Any = None, *, array: bool = True, **changes: Any) -> Path:
    """``data`` as (frames, waves, channels, samples); slashes in names as ``__``."""
    default = samples()[:, None].astype(np.float32)
    data = default if data is None else data
    shape = (1, 1, 1, 1, *(default if data is DROP else data).shape)
    n_waves, n_elements = shape[-3:-1]
    geometry = np.zeros((7, n_elements))
    geometry[0] = element_x_m(n_elements)
    geometry[5] = 2.5e-4
    values: dict[str, Any] = {
        "PRF": PRF_HZ,
        "initial_time": START_S,
        "modulation_frequency": 0.0,
        "sampling_frequency": FS_HZ,
        "sound_speed": C_M_S,
        "probe/geometry": geometry,
        "pulse/center_frequency": FC_HZ,
        "pulse/fractional_bandwidth": 0.7,
    }
    if data is not DROP and np.iscomplexobj(data):
        values |= {"data/real": data.real, "data/imag": data.imag}
    else:
        values["data"] = data
    for index in range(n_waves):
        wave = f"sequence/sequence_{index + 1:04d}" if array else "sequence"
        values[f"{wave}/wavefront"] = np.array([[0]])
        values[f"{wave}/delay"] = 0.0
        values[f"{wave}/source/azimuth"] = 0.0
        values[f"{wave}/source/distance"] = np.inf
    changes = {key.replace("__", "/"): value for key, value in changes.items()}
    with h5py.File(path, "w") as file:
        for name, value in _merged(values, changes).items():
            file[f"channel_data/{name}"] = value
    return path


def write_zea(
    path: Path, raw: Any = None, *, track: str = "tracks/track_0/", **changes: Any
) -> Path:
    """``raw`` as (frames, transmits, samples, elements, channels)."""
    raw = samples().swapaxes(1, 2)[:, None, :, :, None] if raw is None else np.asarray(raw)
    n_frames, n_transmits, _, n_elements, _ = raw.shape
    geometry = np.zeros((n_elements, 3), np.float32)
    geometry[:, 0] = element_x_m(n_elements)
    values = {
        "data/raw_data": raw,
        "scan/sampling_frequency": np.float32(FS_HZ),
        "scan/center_frequency": np.float32(FC_HZ),
        "scan/demodulation_frequency": np.float32(FC_HZ),
        "scan/sound_speed": np.float32(C_M_S),
        "scan/initial_times": np.full(n_transmits, START_S, np.float32),
        "scan/t0_delays": np.zeros((n_transmits, n_elements), np.float32),
        "scan/focus_distances": np.full(n_transmits, np.inf, np.float32),
        "scan/polar_angles": np.zeros(n_transmits, np.float32),
        "scan/time_to_next_transmit": np.full((n_frames, n_transmits), 1 / PRF_HZ, np.float32),
        "scan/probe_geometry": geometry,
    }
    changes = {f"scan/{key}": value for key, value in changes.items()}
    with h5py.File(path, "w") as file:
        for name, value in _merged(values, changes).items():
            file[f"{track}{name}"] = value
    return path


WRITERS = {
    "must": (write_must, "small.mat"),
    "must-hdf5": (write_must_hdf5, "small73.mat"),
    "uff": (write_uff, "small.uff"),
    "zea": (write_zea, "small.hdf5"),
}


def write(kind: str, folder: Path, *args: Any, **changes: Any) -> Path:
    """Write a small recording of one format into a folder."""
    writer, name = WRITERS[kind]
    return writer(folder / name, *args, **changes)
