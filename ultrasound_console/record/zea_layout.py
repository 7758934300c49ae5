"""What zea calls a track: samples and the transmits that made them, or maps of the body.

https://github.com/tue-bmd/zea, version 0.1.8. Times count from the first element that fires, and
numbers are float32 there; what is exact stands in the console's own group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..dsp.beamform import transmit_path_m
from ..frames import Acquisition
from ..geometry import ImageGrid, Probe

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
    group["probe_bandwidth_percent"] = np.float32(100.0 * probe.fractional_bandwidth)
    group["element_width"] = np.float32(probe.element_width_m)
    if math.isfinite(probe.element_height_m):
        group["element_height"] = np.float32(probe.element_height_m)
    file.create_group("metadata")
    file.create_group("metrics")


def make_track(file: h5py.File, number: int, label: str) -> h5py.Group:
    """Make a track, which is to take samples or maps."""
    track = file.create_group(f"tracks/track_{number}")
    track.create_dataset("label", data=label, dtype=_TEXT)
    track["transmit_only"] = np.bool_(False)
    return track


def make_raw_data(track: h5py.Group, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """Make a dataset that takes frames of channel samples.

    Parameters
    ----------
    track : h5py.Group
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
    return _growing(track, "data/raw_data", frame, "float32" if is_iq else dtype)


def make_map(
    track: h5py.Group,
    name: str,
    shape: tuple[int, int],
    dtype: str,
    *,
    labels: Sequence[str] = (),
    description: str,
) -> h5py.Dataset:
    """Make a dataset that takes frames of values on a grid.

    Parameters
    ----------
    track : h5py.Group
    name : str
        Of the map.
    shape : (n_depths, n_lines)
    dtype : str
    labels : sequence of str
        Of the values that a pixel has; without them it has one.
    description : str

    Returns
    -------
    h5py.Dataset
        (0, n_depths, n_lines) or (0, n_depths, n_lines, n_labels), a chunk for each frame.
    """
    group = track.create_group(f"data/{name}")
    group.create_dataset("description", data=description, dtype=_TEXT)
    if labels:
        group.create_dataset("labels", data=list(labels), dtype=_TEXT)
    per_pixel = (len(labels),) if labels else ()
    return _growing(group, "values", (*shape, *per_pixel), dtype)


def finish_map(group: h5py.Group, grid: ImageGrid, time_s: Sequence[float]) -> None:
    """Write where the pixels of a map are, and when its frames were taken.

    zea has no place for a clock that goes back, as that of a recording that begins anew does.
    """
    coordinates = np.zeros((*grid.shape, 3), np.float32)
    coordinates[..., 0], coordinates[..., 2] = grid.positions_m(*np.indices(grid.shape))
    group["coordinates"] = coordinates
    since_s = np.subtract(time_s, time_s[0]).astype(np.float32)
    if np.all(np.diff(since_s) > 0.0):
        group["timestamps"] = since_s
        group["start_time_offset"] = np.float32(0.0)


def _growing(group: h5py.Group, name: str, frame: tuple[int, ...], dtype: str) -> h5py.Dataset:
    return group.create_dataset(
        name, shape=(0, *frame), maxshape=(None, *frame), chunks=(1, *frame), dtype=dtype
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
