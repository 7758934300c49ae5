"""What zea calls a track: samples, and the transmits that made them.

https://github.com/tue-bmd/zea, version 0.1.8. Times count from the first element that fires, and
numbers are float32 there; what is exact stands in the console's own group.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..dsp.beamform import transmit_path_m
from ..frames import Acquisition
from ..geometry import Probe

ZEA_VERSION = "0.1.8"
_TEXT = h5py.string_dtype()


def write_probe(file: h5py.File, probe: Probe) -> None:
    """Write the groups that a file has once."""
    group = file.create_group("probe")
    group.create_dataset("name", data=probe.name, dtype=_TEXT)
    kind = "linear" if probe.center_of_curvature_m is None else "curved"
    group.create_dataset("type", data=kind, dtype=_TEXT)
    positions = np.zeros((probe.n_elements, 3), np.float32)
    positions[:, 0], positions[:, 2] = probe.element_x_m, probe.element_z_m
    group["probe_geometry"] = positions
    group["probe_center_frequency"] = np.float32(probe.center_frequency_hz)
    file.create_group("metadata")
    file.create_group("metrics")


def make_track(
    file: h5py.File, number: int, label: str, shape: tuple[int, ...], dtype: str
) -> h5py.Dataset:
    """Make a track that takes frames.

    Parameters
    ----------
    file : h5py.File
    number : int
    label : str
    shape : (n_transmits, n_elements, n_samples)
        Of one frame.
    dtype : str
        Complex samples become two channels of float32.

    Returns
    -------
    h5py.Dataset
        (0, n_transmits, n_samples, n_elements, n_channels), a chunk for each frame.
    """
    n_transmits, n_elements, n_samples = shape
    is_iq = dtype == "complex64"
    frame = (n_transmits, n_samples, n_elements, 2 if is_iq else 1)
    track = file.create_group(f"tracks/track_{number}")
    track.create_dataset("label", data=label, dtype=_TEXT)
    track["transmit_only"] = np.bool_(False)
    return track.create_dataset(
        "data/raw_data",
        shape=(0, *frame),
        maxshape=(None, *frame),
        chunks=(1, *frame),
        dtype="float32" if is_iq else dtype,
    )


def to_zea(samples: NDArray[Any]) -> NDArray[Any]:
    """Turn samples of a frame around: (transmits, samples, elements, channels), contiguous."""
    turned = np.ascontiguousarray(samples.swapaxes(1, 2))
    if turned.dtype == np.complex64:
        return turned.view(np.float32).reshape(*turned.shape, 2)
    return turned[..., None]


def from_zea(stored: NDArray[Any]) -> NDArray[Any]:
    """Turn what :func:`to_zea` made into samples again, bit by bit."""
    if stored.shape[-1] == 2:
        values: NDArray[Any] = np.ascontiguousarray(stored).view(np.complex64)[..., 0]
    else:
        values = stored[..., 0]
    return np.ascontiguousarray(values.swapaxes(1, 2))


def write_scan(
    track: h5py.Group,
    acquisition: Acquisition,
    angles_rad: tuple[float, ...],
    intervals_s: NDArray[np.float64] | None,
) -> None:
    """Write the plane or diverging waves of a track.

    Parameters
    ----------
    track : h5py.Group
    acquisition : Acquisition
    angles_rad : tuple of float
        Of each transmit.
    intervals_s : (n_frames, n_transmits) float64, or None
        From each transmit to the next; None where that is not known.
    """
    probe, speed_m_s = acquisition.probe, acquisition.sound_speed_m_s
    x_m, z_m = np.array(probe.element_x_m), np.array(probe.element_z_m)
    angles, behind_m = np.array(angles_rad), acquisition.source_distance_m
    paths_m = [transmit_path_m(x_m, z_m, angle, behind_m) for angle in angles_rad]
    delays_s = np.array(paths_m) / speed_m_s
    first_s = delays_s.min(axis=1)
    n, n_elements = len(angles), len(x_m)
    values: dict[str, Any] = {
        "sampling_frequency": acquisition.sampling_frequency_hz,
        "center_frequency": acquisition.center_frequency_hz,
        "demodulation_frequency": acquisition.demodulation_frequency_hz
        or acquisition.center_frequency_hz,
        "sound_speed": speed_m_s,
        "initial_times": acquisition.start_time_s - first_s,
        "t0_delays": delays_s - first_s[:, None],
        "tx_apodizations": np.ones((n, n_elements)),
        # Behind the array a focus is negative.
        "focus_distances": np.full(n, np.inf if np.isinf(behind_m) else -behind_m),
        "transmit_origins": np.zeros((n, 3)),
        "polar_angles": angles,
    }
    if intervals_s is not None:
        values["time_to_next_transmit"] = intervals_s
    scan = track.create_group("scan")
    for name, value in values.items():
        scan[name] = np.asarray(value, np.float32)
