"""Recordings that were beamformed before, through every format: the same velocities."""

import dataclasses
import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
from beamformed_files import (
    FC_HZ,
    PRF_HZ,
    carrier,
    made_up,
    write_clarius,
    write_uff_beamformed,
    write_zea_beamformed,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from known_truth import DISC, frames_of

from ultrasound_console.dsp.arrays import unpack_ensemble
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import form
from ultrasound_console.settings import AcquisitionSettings, Settings
from ultrasound_console.sources import SourceError, open_source
from ultrasound_console.sources.beamformed import BeamformedRecording
from ultrasound_console.sources.protocol import NoPrfError
from ultrasound_console.sources.recording import RecordingSource, read_recording
from ultrasound_console.sources.sampled_grid import grid_through

TURN_RAD = 0.6
ZEA = "data__beamformed_data__"
PROBE: dict[str, object] = {"probe__geometry": np.zeros((7, 4))}
NO_PARTS: dict[str, object] = {"data__real": None, "data__imag": None}
GRIDS = {
    "parallel": ImageGrid("parallel", 40, 24, (-0.006, 0.006), (0.005, 0.013)),
    "steered": ImageGrid("parallel", 40, 24, (-0.006, 0.006), (0.005, 0.013), math.radians(15.0)),
    "convex": ImageGrid("polar", 40, 24, (-0.4, 0.4), (0.045, 0.053), apex_m=(0.0, -0.04)),
    "phased": ImageGrid("polar", 40, 24, (-0.5, 0.5), (0.005, 0.013)),
}
WRITERS = {"zea": (write_zea_beamformed, "b.hdf5"), "uff": (write_uff_beamformed, "b.uff")}


def write(kind: str, folder: Path, **changes: object) -> Path:
    writer, name = WRITERS[kind]
    grid = GRIDS["parallel"]
    return writer(folder / name, grid, made_up(grid, 12, TURN_RAD), **changes)


def source_of(path: Path, **asked: float) -> RecordingSource:
    source = RecordingSource(path, real_time=False)
    source.configure(dataclasses.replace(source.defaults(AcquisitionSettings()), **asked))
    source.start()
    return source


@pytest.fixture(scope="module")
def disc(data_folder: Path):
    """The disc beamformed by ourselves, its grid, and its picture."""
    source = open_source(str(data_folder / "PWI_disk.mat"), real_time=False)
    start = source.defaults(Settings().acquisition)
    asked = dataclasses.replace(Settings(), acquisition=start).replace(**DISC)
    acquisition = source.configure(asked.acquisition)
    source.start()
    formed = form(source.read(60.0), asked.processing)
    (picture,) = frames_of(data_folder / "PWI_disk.mat", **DISC, local_frequency=True)
    return unpack_ensemble(formed.iq, acquisition.n_pulses), acquisition.colour_grid, picture


@pytest.mark.parametrize("kind", ["clarius", "zea", "uff"])
def test_the_disc_is_the_same_in_every_format(kind: str, disc, tmp_path: Path) -> None:
    iq, grid, expected = disc
    if kind == "clarius":
        path = write_clarius(
            tmp_path / "disc_iq.raw", grid, iq, extra="prf: 10 kHz\nensemble: 32\n", listed=1,
            elements=(grid.line_positions / 0.298e-3 + 63.5, np.zeros(grid.n_lines)),
            probe="{elements: 128, pitch: 298, radius: 0}",
        )  # fmt: skip
    else:
        path = WRITERS[kind][0](tmp_path / WRITERS[kind][1], grid, iq)
    (picture,) = frames_of(path, **DISC, local_frequency=True)
    flow = expected.status != 0
    # Clarius stores int16.
    tolerance = 2e-4 if kind == "clarius" else 1e-6
    assert flow.sum() > 5000
    np.testing.assert_array_equal(picture.status, expected.status)
    np.testing.assert_allclose(
        picture.velocity_m_s[flow], expected.velocity_m_s[flow], 0, tolerance
    )
    np.testing.assert_array_equal(picture.fold[flow], expected.fold[flow])
    # Needs the phase that mixing down took away.
    np.testing.assert_allclose(picture.frequency_factor, expected.frequency_factor, 0, 2e-3)
    own = picture.acquisition
    assert own.colour_grid.shape == grid.shape
    np.testing.assert_allclose(own.colour_grid.lines, grid.lines, 0, 1e-8)
    np.testing.assert_allclose(own.colour_grid.range_m, grid.range_m, 0, 1e-8)
    assert own.nyquist_velocity_m_s == pytest.approx(expected.nyquist_velocity_m_s, rel=1e-6)


def clarius_elements(name: str, grid: ImageGrid) -> tuple[str, tuple[np.ndarray, np.ndarray]]:
    """Probe, and elements and angles of the lines."""
    degrees = np.full(grid.n_lines, math.degrees(grid.angle_rad))
    if name == "phased":
        return "{}", (np.full(grid.n_lines, 31.5), np.degrees(grid.line_positions))
    if name == "convex":
        at = 95.5 + grid.line_positions * 0.04 / 0.3e-3
        return "{elements: 192, pitch: 300 um, radius: 40}", (at, degrees)
    return "{elements: 128, pitch: 0.3}", (63.5 + grid.line_positions / 0.3e-3, degrees)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("kind", ["clarius", "zea", "uff"])
def test_every_geometry(kind: str, name: str, tmp_path: Path) -> None:
    grid = GRIDS[name]
    if (kind, name) == ("uff", "steered"):
        pytest.skip("USTB has no scan of steered parallel lines")
    iq = made_up(grid, 12, TURN_RAD)
    if kind == "clarius":
        probe, elements = clarius_elements(name, grid)
        path = write_clarius(
            tmp_path / "a.raw", grid, iq, probe=probe, elements=elements, extra="prf: 10 kHz\n"
        )
    else:
        path = WRITERS[kind][0](tmp_path / WRITERS[kind][1], grid, iq)
    source = source_of(path, ensemble=12)
    frame = source.read(1.0)
    found = frame.acquisition.colour_grid
    assert (found.kind, found.shape) == (grid.kind, grid.shape)
    for ours, theirs in zip(found.positions_m(), grid.positions_m(), strict=True):
        np.testing.assert_allclose(ours, theirs, 0, 2e-7)
    if grid.kind == "polar":
        # What is measured is the motion along the scan lines.
        x_m, z_m = found.positions_m(20, 23)
        across, down = frame.acquisition.beam_direction(x_m, z_m)
        assert math.atan2(across, down) == pytest.approx(
            grid.lines[1], abs=1e-3 + 0.1 * (name == "phased")
        )
    ensemble = unpack_ensemble(frame.iq, 12)
    # Up to the scale of the int16, and a phase of the whole.
    share = np.vdot(iq, ensemble) / np.vdot(iq, iq)
    np.testing.assert_allclose(ensemble / share, iq, 0, 2e-3)


def test_cut_into_frames_and_thinned_like_any_recording(tmp_path: Path) -> None:
    grid = GRIDS["parallel"]
    iq = made_up(grid, 36, TURN_RAD)
    iq *= (1.0 + np.arange(36))[:, None, None]  # tells the pulses apart
    path = write_zea_beamformed(tmp_path / "b.hdf5", grid, iq)
    source = source_of(path, ensemble=8, prf_hz=PRF_HZ / 2.1)
    acquisition = source.configure(
        dataclasses.replace(AcquisitionSettings(), ensemble=8, prf_hz=PRF_HZ / 2.1)
    )
    assert (acquisition.prf_hz, source.n_frames) == (pytest.approx(PRF_HZ / 2), 2)
    assert acquisition.frame_interval_s == pytest.approx(16 / PRF_HZ)
    for index, first in ((0, 0), (1, 16), (2, 0)):
        frame = source.read(1.0)
        assert frame.index == index
        assert frame.time_s == pytest.approx(index * 16 / PRF_HZ)
        np.testing.assert_allclose(
            unpack_ensemble(frame.iq, 8), iq[first : first + 16 : 2], 1e-5, 1e-4
        )
    assert any("beamformed when it was recorded" in note for note in acquisition.notes)


@pytest.mark.parametrize("name", ["parallel", "steered", "convex"])
def test_colour_box_is_cut_from_the_same_samples(name: str, tmp_path: Path) -> None:
    grid = GRIDS[name]
    path = write_zea_beamformed(tmp_path / "b.hdf5", grid, made_up(grid, 12))
    whole = source_of(path).read(1.0)
    assert whole.acquisition.colour_grid == whole.acquisition.bmode_grid
    box = source_of(path, box_left_m=-0.003, box_top_m=0.006, box_bottom_m=0.011).read(1.0)
    found, own = box.acquisition.colour_grid, box.acquisition.bmode_grid
    assert own == whole.acquisition.bmode_grid
    assert found.n_depths < grid.n_depths
    assert found.n_lines < grid.n_lines
    x_m, z_m = found.positions_m(0.0, 0.0)
    row, column = (round(float(at)) for at in own.indices(x_m, z_m))
    part = whole.iq[row : row + found.n_depths, column : column + found.n_lines]
    np.testing.assert_array_equal(box.iq, part)
    np.testing.assert_array_equal(box.bmode_power, whole.bmode_power)
    assert column > 0
    assert found.depths_m[0] == pytest.approx(0.006, abs=own.range_step_m)


def test_rate_from_the_user(tmp_path: Path) -> None:
    for path in (
        write("uff", tmp_path, PRF=None),
        write("zea", tmp_path, scan__time_to_next_transmit=None),
    ):
        with pytest.raises(NoPrfError, match="--prf"):
            read_recording(path)
        assert read_recording(path, 3000.0).prf_hz == 3000.0
    # A frame may be made from several transmits.
    times = np.full((12, 5), 2e-4, np.float32)
    path = write("zea", tmp_path, scan__time_to_next_transmit=times)
    assert read_recording(path).prf_hz == pytest.approx(1000.0)


def test_written_by_pyuff(tmp_path: Path) -> None:
    """A linear scan of another writer; its sector scan has its pixels depth by depth."""
    pyuff = pytest.importorskip("pyuff_ustb")
    for name in ("parallel", "convex"):
        grid = GRIDS[name]
        iq = made_up(grid, 12, TURN_RAD)
        mixed = (iq * carrier(grid).conj()).astype(np.complex64)
        if name == "parallel":
            scan = pyuff.LinearScan(x_axis=grid.line_positions, z_axis=grid.range_positions_m)
            pixels = mixed.swapaxes(1, 2).reshape(12, -1)
        else:
            apex = pyuff.Point(distance=-grid.apex_m[1], azimuth=np.pi, elevation=0.0)
            scan = pyuff.SectorScan(
                azimuth_axis=grid.line_positions, depth_axis=grid.range_positions_m, origin=apex
            )
            pixels = mixed.reshape(12, -1)
        data = pyuff.BeamformedData(
            scan=scan, data=pixels.T[:, None, None], modulation_frequency=FC_HZ
        )
        path = tmp_path / f"{name}.uff"
        data.write(str(path), "b_data")
        found = pyuff.Uff(str(path)).read("b_data")
        assert (found.N_pixels, found.N_frames) == (grid.n_depths * grid.n_lines, 12)
        recording = read_recording(path, PRF_HZ)
        np.testing.assert_allclose(recording.samples[..., 0], mixed.real, 0, 1e-6)
        np.testing.assert_allclose(recording.samples[..., 1], mixed.imag, 0, 1e-6)
        assert any("1540 m/s" in note for note in recording.notes)


def test_channels_come_first(tmp_path: Path) -> None:
    """Of a file with both; an array told beside beamformed data is not taken for channels."""
    for kind, group in (("uff", "b_data"), ("zea", "tracks/track_0/data/beamformed_data")):
        beamformed = write(kind, tmp_path, **PROBE if kind == "uff" else {})
        assert isinstance(read_recording(beamformed), BeamformedRecording)
        channels = recordings.write(kind, tmp_path)
        with h5py.File(beamformed) as file, h5py.File(channels, "a") as both:
            file.copy(group, both, group)
        assert read_recording(channels).samples.shape[1] == recordings.N_ELEMENTS


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("zea", {f"{ZEA}values": np.zeros((12, 40, 24, 1), np.float32)}, "quadrature"),
        ("zea", {f"{ZEA}values": np.ones((12, 40, 24, 2)) * [1, 0]}, "no quadrature"),
        ("zea", {f"{ZEA}coordinates": None}, "coordinates: missing"),
        ("zea", {f"{ZEA}coordinates": np.zeros((40, 24, 3))}, "not those of a sector"),
        ("zea", {f"{ZEA}coordinates": np.full((40, 24, 3), np.nan)}, "not those of a sector"),
        ("zea", {f"{ZEA}coordinates": np.zeros((24, 40, 3))}, "has shape"),
        ("zea", {"scan__center_frequency": None}, "center_frequency"),
        ("zea", {"scan__sound_speed": np.float32(np.nan)}, "sound_speed"),
        ("zea", {"scan__time_to_next_transmit": np.full((12, 1), np.nan)}, "time_to_next"),
        ("uff", {**NO_PARTS, "data": np.ones((12, 1, 1, 960))}, "quadrature"),
        ("uff", {"data__real": np.full((12, 1, 1, 960), np.inf)}, "not finite"),
        ("uff", {"data__real": np.ones((12, 2, 1, 960))}, "single channels or waves"),
        ("uff", {"scan__x_axis": np.zeros((1, 24))}, "not evenly spaced"),
        ("uff", {"scan__x_axis": np.arange(2e6)[None]}, "pixels"),
        ("uff", {"scan__rotation_angle": 0.2}, "not evenly spaced"),
        ("uff", {"scan__x": np.zeros((1, 960)), "scan__z": np.zeros((1, 960))}, "contradicts"),
        ("uff", {"pulse__center_frequency": -1.0}, "center_frequency"),
        ("uff", {"modulation_frequency": np.nan}, "modulation_frequency"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(kind: str, changes: dict, said: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path, **changes)
    with pytest.raises(SourceError, match=said) as caught:
        read_recording(path)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(path.name + ": ")
    assert "; " in message


@settings(max_examples=40, deadline=None)
@example("polar", (2, 2), -0.5, 0.5, 0.0625, 0.0625, 0.0, (0.0, 0.0))
@given(
    kind=st.sampled_from(["parallel", "polar"]),
    shape=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    left=st.floats(-0.6, 0.2),
    width=st.floats(0.05, 0.6),
    near_m=st.floats(0.002, 0.08),
    depth_m=st.floats(0.01, 0.1),
    tilt_rad=st.floats(-0.35, 0.35),
    apex_m=st.tuples(st.floats(-0.01, 0.01), st.floats(-0.08, 0.0)),
)
def test_grid_found_from_its_places(
    kind: str, shape: tuple[int, int], left: float, width: float, near_m: float, depth_m: float,
    tilt_rad: float, apex_m: tuple[float, float],
) -> None:  # fmt: skip
    is_polar = kind == "polar"
    scale = 1.0 if is_polar else 0.1
    grid = ImageGrid(
        kind, *shape, (left * scale, (left + width) * scale), (near_m, near_m + depth_m),
        0.0 if is_polar else tilt_rad, apex_m if is_polar else (0.0, 0.0),
    )  # fmt: skip
    x_m, z_m = (values.astype(np.float32).astype(float) for values in grid.positions_m())
    found = grid_through(x_m, z_m)
    assert found is not None
    assert (found.kind, found.shape) == (kind, shape)
    for ours, theirs in zip(found.positions_m(), (x_m, z_m), strict=True):
        np.testing.assert_allclose(ours, theirs, 0, 0.05 * min(grid.pixel_size_m))
    assert grid_through(x_m, -z_m) is None
    if min(shape) > 2:
        z_m[1, 1] += 0.5 * grid.range_step_m
        assert grid_through(x_m, z_m) is None
