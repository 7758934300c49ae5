"""Writers of beamformed recordings in the layouts of others, from one block of samples.

The Clarius files follow what its maker tells of them: no file of a scanner is at hand.
"""

import struct
from pathlib import Path

import h5py
import numpy as np

from ultrasound_console.geometry import ImageGrid

C_M_S, FC_HZ, PRF_HZ = 1480.0, 5e6, 10e3
ORDERS = {"line": 3, "depth": 2, "pulse": 1}


def carrier(grid: ImageGrid) -> np.ndarray:
    """Phase of an echo at each depth: (n_depths, 1)."""
    ways = 2.0 / np.cos(grid.angle_rad)
    return np.exp(2j * np.pi * FC_HZ * ways * grid.range_positions_m / C_M_S)[:, None]


def made_up(grid: ImageGrid, n_pulses: int, turn_rad: float = 0.6) -> np.ndarray:
    """(n_pulses, n_depths, n_lines) complex: speckle, whose phase turns from pulse to pulse."""
    rng = np.random.default_rng(8)
    echoes = rng.normal(size=(2, *grid.shape))
    turns = np.exp(1j * turn_rad * np.arange(n_pulses))[:, None, None]
    return turns * (echoes[0] + 1j * echoes[1]) * carrier(grid)


def write_clarius(
    path: Path,
    grid: ImageGrid,
    iq: np.ndarray,
    *,
    n_frames: int = 1,
    interval_s: float = 0.05,
    order: tuple[str, ...] = ("line", "depth", "pulse"),
    probe: str = "",
    elements: tuple[np.ndarray, np.ndarray] | None = None,
    extra: str = "",
    listed: int | None = None,
) -> Path:
    """Write the ``.raw`` and the ``.yml``; ``iq`` is (frames times pulses, depths, lines).

    ``elements`` are the receiving element and the angle in degrees of each line.
    """
    n_pulses = len(iq) // n_frames
    mixed = iq * carrier(grid).conj()
    pairs = np.stack([mixed.real, mixed.imag], axis=-1)
    pairs = np.rint(pairs * (30000.0 / np.abs(pairs).max())).astype("<i2")
    pairs = pairs.reshape(n_frames, n_pulses, *grid.shape, 2)
    pairs = pairs.transpose(0, *(ORDERS[axis] for axis in order), 4)
    n_stored = grid.n_lines * n_pulses
    with path.open("wb") as stream:
        stream.write(struct.pack("<5I", 2, n_frames, n_stored, grid.n_depths, 4))
        for index in range(n_frames):
            stream.write(struct.pack("<Q", 123_456_789_000 + int(index * interval_s * 1e9)))
            stream.write(pairs[index].tobytes())
    sampling_hz = C_M_S / (2.0 * grid.range_step_m / np.cos(grid.angle_rad))
    away_m = grid.range_m[0] + grid.apex_m[1]
    delay = away_m / grid.range_step_m
    if elements is None:
        elements = grid.line_positions / 0.3e-3 + 63.5, np.full(grid.n_lines, 0.0)
    lines = [
        f"  - {{rx element: {element:.9f}, tx element: 31.5, angle: {angle:.9g} °}}\n"
        for element, angle in zip(*elements, strict=True)
        for _ in range(n_pulses if listed is None else listed)
    ]
    text = (
        "# raw data parameters\n\n"
        f"frames: {n_frames}\nframe rate: 18 Hz\ntransmit frequency: {FC_HZ / 1e6:g} MHz\n"
        "imaging depth: 40 mm\nfocal depth: 13 mm\ntgc: { 0.00mm, 23.00dB }{ 30.00mm, 26.00dB }\n"
        f"size: {{samples per line: {grid.n_depths}, number of lines: {n_stored}, "
        "sample size: 4 bytes}\ntype: IQ\ncompression: none\n"
        f"sampling rate: {sampling_hz / 1e6:.12g} MHz\ndelay samples: {delay:.9g}\n"
        f"vsound: {C_M_S:g} m/s\n{extra}"
        f"probe: {probe or '{elements: 128, pitch: 0.3 mm, radius: 0}'}\nlines:\n{''.join(lines)}"
    )
    path.with_suffix(".yml").write_text(text, encoding="utf-8")
    return path


def write_zea_beamformed(path: Path, grid: ImageGrid, iq: np.ndarray, **changes: object) -> Path:
    """A track with ``beamformed_data``; ``changes`` replace or, by None, remove fields."""
    x_m, z_m = grid.positions_m()
    values = {
        "data/beamformed_data/values": np.stack([iq.real, iq.imag], axis=-1).astype(np.float32),
        "data/beamformed_data/coordinates": np.stack([x_m, 0.0 * x_m, z_m], -1).astype(np.float32),
        "scan/center_frequency": np.float32(FC_HZ),
        "scan/demodulation_frequency": np.float32(FC_HZ),
        "scan/sound_speed": np.float32(C_M_S),
        "scan/time_to_next_transmit": np.full((len(iq), 1), 1.0 / PRF_HZ, np.float32),
    }
    values |= {key.replace("__", "/"): value for key, value in changes.items()}
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            if value is not None:
                file[f"tracks/track_0/{name}"] = value
    return path


def write_uff_beamformed(path: Path, grid: ImageGrid, iq: np.ndarray, **changes: object) -> Path:
    """``b_data`` as USTB writes it, mixed down along depth."""
    mixed = (iq * carrier(grid).conj()).swapaxes(1, 2).reshape(len(iq), 1, 1, -1)
    values = {
        "data/real": mixed.real.astype(np.float32),
        "data/imag": mixed.imag.astype(np.float32),
        "modulation_frequency": FC_HZ,
        "pulse/center_frequency": FC_HZ,
        "sound_speed": C_M_S,
        "PRF": PRF_HZ,
    }
    if grid.kind == "polar":
        values |= {
            "scan/azimuth_axis": grid.line_positions[None],
            "scan/depth_axis": grid.range_positions_m[None],
            "scan/origin/distance": abs(grid.apex_m[1]),
            "scan/origin/azimuth": np.pi if grid.apex_m[1] < 0 else 0.0,
        }
    else:
        values |= {
            "scan/x_axis": grid.line_positions[None],
            "scan/z_axis": grid.range_positions_m[None],
        }
    values |= {key.replace("__", "/"): value for key, value in changes.items()}
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            if value is not None:
                file[f"b_data/{name}"] = value
    return path
