"""Reading recordings of other toolboxes: the same answer from each, one clear line for bad ones."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
import scipy.io
from recordings import C_M_S, DROP, FC_HZ, FS_HZ, N_PULSES, N_SAMPLES, PRF_HZ, START_S, WRITERS

from ultrasound_console.sources import SourceError
from ultrasound_console.sources.recording import Recording, read_recording

KINDS = tuple(WRITERS)
PREFIX = {"must": "param.", "must-hdf5": "param.", "uff": "channel_data/",
          "zea": "tracks/track_0/scan/"}  # fmt: skip


def refused(path: Path, prf_hz: float | None = None) -> str:
    """The message for a file that cannot be used: one line that names the file."""
    with pytest.raises(SourceError) as caught:
        read_recording(path, prf_hz)
    message = str(caught.value)
    assert message.isprintable(), message
    assert message.startswith(path.name + ": "), message
    assert "; " in message, message
    return message


# --- what is read ---------------------------------------------------------------------------


def test_one_acquisition_in_three_formats(data_folder: Path) -> None:
    must, uff, zea = (
        read_recording(data_folder / f"PWI_disk.{suffix}") for suffix in ("mat", "uff", "zea.hdf5")
    )
    assert must.samples.shape == (32, 128, 334)
    assert (must.samples.dtype, zea.samples.dtype) == (np.int16, np.int16)
    assert uff.samples.dtype == np.float32
    for other in (uff, zea):
        np.testing.assert_array_equal(must.samples, other.samples)
        np.testing.assert_allclose(must.probe.element_x_m, other.probe.element_x_m, rtol=1e-7)
        np.testing.assert_allclose(must.pulse_time_s, other.pulse_time_s, rtol=1e-6)
        assert other.grid.shape == must.grid.shape
    expected = {
        "sampling_frequency_hz": 20e6 / 3,
        "center_frequency_hz": 5e6,
        "demodulation_frequency_hz": 0.0,
        "sound_speed_m_s": 1480.0,
        "start_time_s": 9.95e-6,
        "transmit_angle_rad": 0.0,
        "prf_hz": 10e3,
    }
    for recording, tolerance in ((must, 0.0), (uff, 0.0), (zea, 1e-7)):
        found = {name: getattr(recording, name) for name in expected}
        assert found == pytest.approx(expected, rel=tolerance, abs=0.0)
        assert recording.notes == ()
    assert must.probe.pitch_m == pytest.approx(0.298e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_small_recording(kind: str, tmp_path: Path) -> None:
    recording = read_recording(recordings.write(kind, tmp_path))
    np.testing.assert_array_equal(recording.samples, recordings.samples())
    assert recording.name == WRITERS[kind][1]
    assert recording.sampling_frequency_hz == pytest.approx(FS_HZ, rel=1e-7)
    assert recording.center_frequency_hz == FC_HZ
    assert recording.demodulation_frequency_hz == 0.0
    assert recording.sound_speed_m_s == C_M_S
    assert recording.start_time_s == pytest.approx(START_S, rel=1e-7)
    assert recording.transmit_angle_rad == 0.0
    assert recording.prf_hz == pytest.approx(PRF_HZ, rel=1e-6)
    assert recording.bursts == ((0, N_PULSES),)
    np.testing.assert_allclose(recording.probe.element_x_m, recordings.element_x_m(), rtol=1e-6)
    assert not recording.samples.flags.writeable
    assert recording.samples.flags.c_contiguous


def test_must_variants_agree(tmp_path: Path) -> None:
    rf = recordings.samples()
    plain = recordings.write_must(tmp_path / "plain.mat", rf, compress=False)
    np.testing.assert_array_equal(read_recording(plain).samples, rf)
    # MATLAB's own numbers are doubles, which it may store in fewer bytes.
    doubles = recordings.write_must(tmp_path / "double.mat", rf.astype(float), fc=FC_HZ)
    np.testing.assert_array_equal(read_recording(doubles).samples, rf)
    # A byte for each number would overflow in c x fs, c x PRF or pitch x Nelements.
    small = recordings.write_must(tmp_path / "small.mat", rf, PRF=np.uint8(200), c=np.int16(1480))
    assert read_recording(small).prf_hz == 200.0
    # Its parameters may hold more than is needed, and less than is usual.
    more = recordings.write_must(
        tmp_path / "more.mat", rf, name="L7-4", list=["a", 1], deep={"x": 1}, c=DROP, TXdelay=DROP
    )
    recording = read_recording(more)
    assert recording.sound_speed_m_s == 1540.0
    assert [note.split()[0] for note in recording.notes] == ["param.c", "param.TXdelay"]


def test_must_hdf5_as_matlab_writes_it(tmp_path: Path) -> None:
    """Empty arrays, texts and cells as MATLAB 7.3 stores them, and complex samples."""
    path = recordings.write_must_hdf5(tmp_path / "m.mat", c=DROP)
    with h5py.File(path, "a") as file:
        # An empty array is stored as its shape.
        file["param/c"] = np.zeros(2, np.uint64)
        file["param/c"].attrs["MATLAB_empty"] = np.uint8(1)
        file["param/probe"] = np.array([[ord(c) for c in "L11-4v"]], np.uint16).T
        file["#refs#/a"] = np.ones((1, 1))
        file["param/list"] = np.array([[file["#refs#/a"].ref]], h5py.ref_dtype)
    recording = read_recording(path)
    assert recording.sound_speed_m_s == 1540.0
    np.testing.assert_array_equal(recording.samples, recordings.samples())
    with h5py.File(path, "a") as file:
        del file["param/fs"]
        # An array of structures: each field is a row of references.
        file["param/fs"] = np.array([[file["#refs#/a"].ref] * 2], h5py.ref_dtype)
        iq = np.zeros(file["RF"].shape, [("real", np.float32), ("imag", np.float32)])
        iq["real"], iq["imag"] = file["RF"][()], 2.0 * file["RF"][()]
        del file["RF"]
        file["IQ"] = iq
    assert "param/fs: not an array of numbers" in refused(path)
    with h5py.File(path, "a") as file:
        del file["param/fs"]
        file["param/fs"] = np.array([[FS_HZ]])
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.samples, (1 + 2j) * recordings.samples())
    assert recording.demodulation_frequency_hz == FC_HZ


def test_must_of_a_big_endian_machine(tmp_path: Path) -> None:
    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def matrix(flags: int, shape: tuple[int, ...], name: bytes, values: bytes) -> bytes:
        head = element(6, struct.pack(">II", flags, 0))
        head += element(5, struct.pack(f">{len(shape)}i", *shape)) + element(1, name)
        return element(14, head + values)

    rf = recordings.samples()
    param = recordings.must_param()
    names = b"".join(name.encode().ljust(32, b"\0") for name in param)
    fields = element(5, struct.pack(">i", 32)) + element(1, names)
    for value in param.values():
        numbers = np.atleast_2d(value).astype(">f8")
        fields += matrix(6, numbers.shape, b"", element(9, numbers.tobytes("F")))
    path = tmp_path / "big.mat"
    path.write_bytes(
        b"MATLAB 5.0 MAT-file".ljust(124)
        + b"\x01\x00MI"
        + matrix(10, rf.T.shape, b"RF", element(3, rf.astype(">i2").tobytes()))
        + matrix(2, (1, 1), b"param", fields)
    )
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.samples, rf)
    assert recording.samples.dtype == np.int16
    assert recording.prf_hz == PRF_HZ


def test_iq_samples(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    real, imaginary = rng.normal(size=(2, N_PULSES, 4, N_SAMPLES)).astype(np.float32)
    iq = real + 1j * imaginary
    paths = {
        "mat": recordings.write_must(tmp_path / "iq.mat", iq),
        "uff": recordings.write_uff(tmp_path / "iq.uff", iq[:, None], modulation_frequency=4.9e6),
        "zea": recordings.write_zea(
            tmp_path / "iq.hdf5",
            np.stack([real, imaginary], -1).swapaxes(1, 2)[:, None],
            demodulation_frequency=np.float32(4.9e6),
        ),
    }
    compound = recordings.write_must_hdf5(tmp_path / "iq73.mat")
    with h5py.File(compound, "a") as file:
        del file["RF"]
        file["RF"] = np.rec.fromarrays([real, imaginary], names=["real", "imag"])
    paths["mat73"] = compound
    for kind, path in paths.items():
        recording = read_recording(path)
        assert recording.samples.dtype == np.complex64
        np.testing.assert_allclose(recording.samples, iq, rtol=1e-6)
        expected_hz = FC_HZ if kind.startswith("mat") else 4.9e6
        assert recording.demodulation_frequency_hz == expected_hz


@pytest.mark.parametrize("angle_deg", [-12.0, 0.0, 9.0])
@pytest.mark.parametrize("kind", KINDS)
def test_time_zero_of_a_steered_wave(kind: str, angle_deg: float, tmp_path: Path) -> None:
    """The echo of a point lies where transmit and receive paths from t = 0 say."""
    n_elements, x_m, z_m, wait_s = 64, 2e-3, 12e-3, 6e-6
    element_m = recordings.element_x_m(n_elements)
    angle = np.radians(angle_deg)
    fire_s = element_m * np.sin(angle) / C_M_S
    fire_s -= fire_s.min()
    # Huygens: the front reaches the point with the first wavelet of a finely divided aperture.
    fine_m = np.linspace(element_m[0], element_m[-1], 20001)
    fine_s = np.interp(fine_m, element_m, fire_s) + np.hypot(fine_m - x_m, z_m) / C_M_S
    arrival_s = fine_s.min() + np.hypot(element_m - x_m, z_m) / C_M_S
    # The first sample is taken wait_s after the first element has fired.
    sample_of_echo = (arrival_s - wait_s) * FS_HZ
    rf = recordings.samples(n_elements=n_elements)
    match kind:
        case "must" | "must-hdf5":
            path = recordings.write(kind, tmp_path, rf, TXdelay=fire_s[None], t0=wait_s)
        case "uff":
            # Its delay is counted from the front at the origin, half way up the ramp.
            delay_s = wait_s - (fire_s[0] + fire_s[-1]) / 2
            path = recordings.write_uff(
                tmp_path / "a.uff",
                rf[:, None],
                initial_time=0.0,
                sequence__sequence_0001__source__azimuth=angle,
                sequence__sequence_0001__delay=delay_s,
            )
        case _:
            path = recordings.write_zea(
                tmp_path / "a.hdf5",
                rf.swapaxes(1, 2)[:, None, :, :, None],
                t0_delays=fire_s[None].astype(np.float32),
                polar_angles=np.array([angle], np.float32),
                initial_times=np.array([wait_s], np.float32),
            )
    recording = read_recording(path)
    assert recording.transmit_angle_rad == pytest.approx(angle, abs=1e-6)
    path_m = x_m * np.sin(angle) + z_m * np.cos(angle) + np.hypot(element_m - x_m, z_m)
    predicted = (path_m / C_M_S - recording.start_time_s) * FS_HZ
    # A hundredth of a sample is 1.5 ns.
    np.testing.assert_allclose(predicted, sample_of_echo, atol=0.01)


@pytest.mark.rivals
def test_delays_of_must_itself(tmp_path: Path) -> None:
    pymust = pytest.importorskip("pymust")
    param = pymust.utils.Param()
    param.Nelements, param.pitch, param.c = 4, recordings.PITCH_M, C_M_S
    param.fc, param.fs, param.kerf = FC_HZ, FS_HZ, 1e-5
    delays_s = pymust.txdelay(param, np.radians(7.0))
    recording = read_recording(recordings.write_must(tmp_path / "a.mat", TXdelay=delays_s))
    assert np.degrees(recording.transmit_angle_rad) == pytest.approx(7.0)
    assert recording.start_time_s == pytest.approx(START_S - delays_s.mean())


def interleaved(kind: str, folder: Path, angles: list[float], n_frames: int = 5) -> Recording:
    """Frames of several angles; sample values tell frame and transmit."""
    n_waves = len(angles)
    data = np.zeros((n_frames, n_waves, 4, N_SAMPLES), np.int16)
    data += (100 * np.arange(n_frames)[:, None] + np.arange(n_waves))[..., None, None]
    if kind == "uff":
        changes = {
            f"sequence__sequence_{index + 1:04d}__source__azimuth": angle
            for index, angle in enumerate(angles)
        }
        return read_recording(recordings.write_uff(folder / "a.uff", data, **changes))
    ramps = np.sin(angles)[:, None] * recordings.element_x_m() / C_M_S
    path = recordings.write_zea(
        folder / "a.hdf5",
        data.swapaxes(2, 3)[..., None],
        polar_angles=np.array(angles, np.float32),
        t0_delays=ramps - ramps.min(axis=1, keepdims=True),
        initial_times=START_S - ramps.min(axis=1),
    )
    return read_recording(path)


@pytest.mark.parametrize("kind", ["uff", "zea"])
def test_one_angle_of_several(kind: str, tmp_path: Path) -> None:
    recording = interleaved(kind, tmp_path, [-0.1, 0.02, 0.1])
    assert recording.samples[:, 0, 0].tolist() == [1, 101, 201, 301, 401]
    assert recording.transmit_angle_rad == pytest.approx(0.02, abs=1e-6)
    assert recording.prf_hz == pytest.approx(PRF_HZ / 3, rel=1e-6)
    (note,) = recording.notes
    assert "1 of the 3 transmits" in note
    assert "1.1 degrees" in note


@pytest.mark.parametrize("kind", ["uff", "zea"])
def test_bursts_between_other_transmits(kind: str, tmp_path: Path) -> None:
    # Five colour pulses, then two for the grey picture.
    recording = interleaved(kind, tmp_path, [0.05] * 5 + [-0.2, 0.2], n_frames=3)
    expected = [100 * frame + pulse for frame in range(3) for pulse in range(5)]
    assert recording.samples[:, 0, 0].tolist() == expected
    assert recording.bursts == ((0, 5), (5, 10), (10, 15))
    assert recording.prf_hz == pytest.approx(PRF_HZ, rel=1e-6)
    np.testing.assert_allclose(recording.pulse_time_s[5], 7 / PRF_HZ, rtol=1e-6)


def test_given_prf_is_that_of_one_angle(tmp_path: Path) -> None:
    data = np.zeros((5, 3, 4, N_SAMPLES), np.float32)
    changes = {f"sequence__sequence_{i:04d}__source__azimuth": 0.1 * i for i in (1, 2, 3)}
    uff = recordings.write_uff(tmp_path / "a.uff", data, PRF=DROP, **changes)
    zea = recordings.write_zea(
        tmp_path / "a.hdf5",
        np.zeros((5, 2, N_SAMPLES, 4, 1), np.int16),
        focus_distances=np.array([0.0, 0.02]),
        time_to_next_transmit=DROP,
    )
    for path in (uff, zea):
        recording = read_recording(path, 500.0)
        assert recording.prf_hz == pytest.approx(500.0)
        np.testing.assert_allclose(recording.pulse_time_s, np.arange(5) / 500.0)


def test_zea_pauses_between_bursts(tmp_path: Path) -> None:
    intervals_s = np.full((N_PULSES, 1), 1 / PRF_HZ)
    intervals_s[4] = 2.0
    recording = read_recording(
        recordings.write_zea(tmp_path / "a.hdf5", time_to_next_transmit=intervals_s)
    )
    assert recording.bursts == ((0, 5), (5, 10))
    assert recording.prf_hz == pytest.approx(PRF_HZ)


def test_zea_leaves_focused_transmits_out(tmp_path: Path) -> None:
    raw = np.zeros((6, 2, N_SAMPLES, 4, 1), np.int16)
    raw[:, 1] = 7
    path = recordings.write_zea(tmp_path / "a.hdf5", raw, focus_distances=np.array([0.02, np.inf]))
    recording = read_recording(path)
    assert np.all(recording.samples == 7)
    assert recording.prf_hz == pytest.approx(PRF_HZ / 2, rel=1e-6)


def test_layouts_of_older_writers(tmp_path: Path) -> None:
    top = recordings.write_zea(tmp_path / "top.hdf5", track="")
    single = recordings.write_uff(tmp_path / "single.uff", array=False, sequence__wavefront=DROP)
    for path in (top, single):
        np.testing.assert_array_equal(read_recording(path).samples, recordings.samples())
    # MATLAB drops the dimension of a single frame: waves of one angle are pulses.
    waves = recordings.write_uff(tmp_path / "waves.uff", recordings.samples().astype(np.float32))
    recording = read_recording(waves)
    np.testing.assert_array_equal(recording.samples, recordings.samples())
    assert recording.prf_hz == PRF_HZ


@pytest.mark.parametrize("kind", KINDS)
def test_prf_from_the_user(kind: str, tmp_path: Path) -> None:
    name = "time_to_next_transmit" if kind == "zea" else "PRF"
    nothing = np.zeros((N_PULSES, 1)) if kind == "zea" else 0.0
    for value in (DROP, nothing):
        path = recordings.write(kind, tmp_path, **{name: value})
        assert "--prf" in refused(path)
        recording = read_recording(path, 1234.0)
        assert recording.prf_hz == pytest.approx(1234.0)
        assert recording.pulse_time_s[-1] == pytest.approx((N_PULSES - 1) / 1234.0)
    for bad in (0.0, -1.0, float("nan"), 1e9):
        assert "--prf" in refused(path, bad)
    # What the file says is not overruled.
    assert read_recording(recordings.write(kind, tmp_path), 1.0).prf_hz == pytest.approx(PRF_HZ)


def test_blosc_only_when_needed(tmp_path: Path) -> None:
    import hdf5plugin

    plain = recordings.write_zea(tmp_path / "plain.hdf5")
    packed = recordings.write_zea(tmp_path / "packed.hdf5")
    with h5py.File(packed, "a") as file:
        group = file["tracks/track_0/data"]
        values = group["raw_data"][()]
        del group["raw_data"]
        group.create_dataset("raw_data", data=values, **hdf5plugin.Blosc())
    script = f"""
import sys
from pathlib import Path
from ultrasound_console.sources.recording import read_recording
plain = read_recording(Path({str(plain)!r}))
assert "hdf5plugin" not in sys.modules
packed = read_recording(Path({str(packed)!r}))
assert "hdf5plugin" in sys.modules
assert (plain.samples == packed.samples).all()
"""
    result = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr


# --- what is refused ------------------------------------------------------------------------

ABSURD = [0.0, -1.0, np.nan, np.inf, 1e300]


@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize(
    ("kind", "name"),
    [("must", name) for name in ("fs", "fc", "c", "pitch")]
    + [("must-hdf5", name) for name in ("fs", "fc", "c", "pitch")]
    + [("uff", name) for name in ("sampling_frequency", "sound_speed", "pulse/center_frequency")]
    + [("zea", name) for name in ("sampling_frequency", "sound_speed", "center_frequency")],
)
def test_absurd_numbers(kind: str, name: str, value: float, tmp_path: Path) -> None:
    path = recordings.write(kind, tmp_path, **{name.replace("/", "__"): value})
    assert f": {PREFIX[kind]}{name}: " in refused(path)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        *[(kind, name, DROP) for kind in ("must", "must-hdf5") for name in ("fs", "fc", "pitch")],
        *[("must", "t0", value) for value in (np.nan, 5.0)],
        *[("must", "fs", value) for value in ("fast", [1e6, 2e6])],
        ("must", "TXdelay", np.zeros((1, 3))),
        ("must", "TXdelay", np.zeros((2, 4))),
        ("must", "TXdelay", np.full((1, 4), np.nan)),
        ("must", "TXdelay", np.array([[0, 1e-6, 1e-6, 0]])),
        ("must", "TXdelay", np.array([[0, 1, 2, 3]])),
        ("must", "Nelements", 64),
        ("must", "radius", 0.06),
        ("must", "pitch", 0.298),
        ("must-hdf5", "TXdelay", np.array([[0, 1, 2, 3]])),
        ("uff", "data", DROP),
        ("uff", "data", np.zeros((3, 1, 4, N_SAMPLES), np.complex64)),
        ("uff", "probe__geometry", np.ones((7, 5)) * np.arange(5) * [[1], *[[0]] * 6] * 1e-4),
        ("uff", "data", np.zeros(10, np.float32)),
        ("uff", "data", np.array([b"text"])),
        ("uff", "initial_time", DROP),
        ("uff", "initial_time", np.nan),
        ("uff", "modulation_frequency", 5e6),
        ("uff", "modulation_frequency", -5e6),
        ("uff", "probe__geometry", np.zeros((4, 7))),
        ("uff", "probe__geometry", np.zeros((7, 4))),
        ("uff", "probe__geometry", np.full((7, 4), np.nan)),
        ("uff", "sequence__sequence_0001__delay", np.nan),
        ("uff", "sequence__sequence_0001__source__azimuth", 1.5),
        ("uff", "sequence__sequence_0002__delay", 0.0),
        ("zea", "focus_distances", np.array([0.03])),
        ("zea", "focus_distances", np.array([np.nan])),
        ("zea", "polar_angles", np.array([0.2])),
        ("zea", "polar_angles", np.array([np.nan])),
        ("zea", "initial_times", np.array([np.nan])),
        ("zea", "initial_times", np.zeros(3)),
        ("zea", "t0_delays", np.zeros((1, 3))),
        ("zea", "t0_delays", np.full((1, 4), np.inf)),
        ("zea", "time_to_next_transmit", np.full((10, 1), np.nan)),
        ("zea", "time_to_next_transmit", np.full((10, 1), -1e-4)),
        ("zea", "time_to_next_transmit", np.ones((9, 1))),
        ("zea", "probe_geometry", np.zeros((4, 3))),
        ("zea", "probe_geometry", np.zeros((3, 3))),
        ("zea", "probe_geometry", DROP),
        ("zea", "sound_speed", DROP),
    ],
)
def test_damaged_fields(kind: str, name: str, value: object, tmp_path: Path) -> None:
    message = refused(recordings.write(kind, tmp_path, **{name: value}))
    names = name.split("__")
    assert names[0] in message or names[-1] in message


@pytest.mark.parametrize(
    "values",
    [
        recordings.samples(3),
        recordings.samples(0),
        recordings.samples()[..., :10],
        recordings.samples()[:, :1],
        recordings.samples()[0],
        np.zeros((10, 4, N_SAMPLES, 2)),
        np.where(np.arange(N_SAMPLES) == 7, np.nan, recordings.samples()),
        np.where(np.arange(N_SAMPLES) == 7, np.inf, recordings.samples()),
        np.full((10, 4, N_SAMPLES), 1e300),
        np.full((10, 4, N_SAMPLES), 1e20),
        np.full((10, 4, N_SAMPLES), "x"),
        np.full((10, 4, N_SAMPLES), complex(0, np.nan)),
    ],
    ids=lambda values: f"{values.shape} {values.dtype}",
)
def test_damaged_samples(values: np.ndarray, tmp_path: Path) -> None:
    refused(recordings.write_must(tmp_path / "a.mat", values))


def test_not_a_recording(tmp_path: Path) -> None:
    (tmp_path / "empty.mat").touch()
    assert "empty" in refused(tmp_path / "empty.mat")
    assert "no such file" in refused(tmp_path / "missing.mat")
    (tmp_path / "folder.uff").mkdir()
    assert "folder" in refused(tmp_path / "folder.uff")
    os.mkfifo(tmp_path / "pipe.mat")
    assert "not a regular file" in refused(tmp_path / "pipe.mat")
    (tmp_path / "text.mat").write_text("frequency: 5 MHz\n" * 50)
    assert "known format" in refused(tmp_path / "text.mat")
    (tmp_path / "state.pkl").write_bytes(b"\x80\x04K\x01.")
    assert "pickle" in refused(tmp_path / "state.pkl")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.zeros((3, 3))
    assert "channel data" in refused(tmp_path / "other.h5")
    scipy.io.savemat(tmp_path / "other.mat", {"x": 1.0})
    assert "RF" in refused(tmp_path / "other.mat")
    scipy.io.savemat(tmp_path / "bare.mat", {"RF": np.zeros((96, 4, 10))})
    assert "param" in refused(tmp_path / "bare.mat")
    scipy.io.savemat(tmp_path / "cells.mat", {"RF": np.array([[1, "a"]], object), "param": 1})
    assert "param" in refused(tmp_path / "cells.mat")
    for odd in ("a\0b", "x" * 5000):
        with pytest.raises(SourceError):
            read_recording(Path(odd))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = recordings.write_must(tmp_path / "a.mat")
    path.chmod(0)
    assert "rights" in refused(path)


def test_a_name_that_would_break_the_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines\x1b[2J.mat"
    path.touch()
    with pytest.raises(SourceError) as caught:
        read_recording(path)
    assert str(caught.value).startswith("two?lines?[2J.mat: empty")


def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    other = recordings.write_uff(tmp_path / "other.uff")
    with h5py.File(other) as file:
        values = file["channel_data/data"][()]
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(other, "channel_data/data", values.shape)
    raw = tmp_path / "raw.bin"
    raw.write_bytes(values.tobytes())

    def replace(name: str, make: object) -> Path:
        path = recordings.write_uff(tmp_path / name)
        with h5py.File(path, "a") as file:
            del file["channel_data/data"]
            if callable(make):
                make(file["channel_data"])
            else:
                file["channel_data/data"] = make
        return path

    external = replace("external.uff", h5py.ExternalLink(str(other), "channel_data/data"))
    soft = replace("soft.uff", h5py.SoftLink("/channel_data/probe/geometry"))
    virtual = replace("virtual.uff", lambda group: group.create_virtual_dataset("data", layout))
    stored = replace(
        "stored.uff",
        lambda group: group.create_dataset(
            "data", values.shape, values.dtype, external=[(str(raw), 0, h5py.h5f.UNLIMITED)]
        ),
    )
    for path in (external, soft):
        assert "link" in refused(path)
    for path in (virtual, stored):
        assert "another file" in refused(path)


def test_sizes_that_would_exhaust_the_memory(tmp_path: Path) -> None:
    def replace(name: str, **options: object) -> Path:
        path = recordings.write_uff(tmp_path / name, data=DROP)
        with h5py.File(path, "a") as file:
            dataset = file["channel_data"].create_dataset("data", dtype="f4", **options)
            if dataset.chunks:
                dataset[0, 0, 0, 0] = 1.0
        return path

    huge = replace("huge.uff", shape=(10**6, 1, 128, 10**6), chunks=(1, 1, 1, 16))
    assert "GiB is too large" in refused(huge)
    # Never written: it would come back as zeros of any size.
    hollow = replace("hollow.uff", shape=(100, 1, 4, N_SAMPLES))
    assert "no samples" in refused(hollow)
    vast_field = recordings.write_uff(tmp_path / "field.uff", sound_speed=DROP)
    with h5py.File(vast_field, "a") as file:
        file["channel_data"].create_dataset("sound_speed", (3_000_000,), "f8", chunks=(16,))
    assert "bytes is too large" in refused(vast_field)
    # 40 MB of zeros in a structure, 40 kB in the file.
    bomb = recordings.write_must(tmp_path / "bomb.mat", more=np.zeros(5_000_000))
    assert bomb.stat().st_size < 100_000
    assert "too large" in refused(bomb)


def test_unpacking_stops_at_the_named_size(tmp_path: Path) -> None:
    path = recordings.write_must(tmp_path / "a.mat")
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, 132)
    body = zlib.decompress(data[136 : 136 + size])
    longer = zlib.compress(body + bytes(10**6))
    path.write_bytes(data[:132] + struct.pack("<I", len(longer)) + longer + data[136 + size :])
    assert "damaged" in refused(path)


def patched(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    return path


def test_damage_that_the_libraries_do_not_survive(tmp_path: Path) -> None:
    import hdf5plugin

    # A rank that differs from that of the chunks sends HDF5 into an endless loop.
    path = recordings.write_zea(tmp_path / "rank.hdf5", t0_delays=DROP)
    with h5py.File(path, "a") as file:
        scan = file["tracks/track_0/scan"]
        scan.create_dataset("t0_delays", data=np.zeros((1, 4), "f4"), compression="gzip")
    rank_two = struct.pack("<BBB5xQQ", 1, 2, 1, 1, 4)
    patched(path, rank_two, b"\x01\x01" + rank_two[2:])
    assert "t0_delays: its chunks make no sense" in refused(path)
    # Blosc reads its options whether they are there or not.
    path = recordings.write_uff(tmp_path / "blosc.uff", data=DROP)
    with h5py.File(path, "a") as file:
        values = recordings.samples()[:, None].astype(np.float32)
        file["channel_data"].create_dataset("data", data=values, **hdf5plugin.Blosc())
    data = path.read_bytes()
    at = data.index(struct.pack("<HHH", 32001, 8, 1))
    path.write_bytes(data[: at + 6] + b"\0\0" + data[at + 8 :])
    assert "its compression makes no sense" in refused(path)
    # A negative dimension would be worked out from the others.
    path = recordings.write_must(tmp_path / "minus.mat", compress=False)
    patched(path, struct.pack("<iii", 96, 4, 10), struct.pack("<iii", 96, 4, -1))
    assert "damaged" in refused(path)
    # A signalling NaN, which warns when it is only copied.
    signalling = np.array([0x7FA00000], np.uint32).view(np.float32)
    path = recordings.write_zea(tmp_path / "nan.hdf5", sound_speed=signalling)
    assert "sound_speed: nan is outside" in refused(path)


def test_unknown_compression(tmp_path: Path) -> None:
    path = recordings.write_uff(tmp_path / "a.uff", data=DROP)
    with h5py.File(path, "a") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((5, 1, 4, N_SAMPLES))
        plan.set_filter(399, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((10, 1, 4, N_SAMPLES))
        made = h5py.h5d.create(file["channel_data"].id, b"data", h5py.h5t.NATIVE_FLOAT, space, plan)
        h5py.Dataset(made)[...] = 1.0
    assert "compressed" in refused(path)


# --- damage at random -----------------------------------------------------------------------


def survives(path: Path) -> None:
    """Either a usable recording or one clear line."""
    try:
        recording = read_recording(path)
    except SourceError as error:
        message = str(error)
        assert message.isprintable(), message
        assert message.startswith(path.name + ": "), message
        return
    assert np.all(np.isfinite(recording.samples))
    assert recording.prf_choices_hz
    assert recording.grid.n_depths * recording.grid.n_lines <= 256 * 256
    first, last = recording.depth_range_m
    assert 0.0 < first < last <= 1.0


@pytest.mark.parametrize("suffix", ["mat", "uff", "zea.hdf5"])
def test_acquired_file_cut_off(suffix: str, data_folder: Path, tmp_path: Path) -> None:
    whole = (data_folder / f"PWI_disk.{suffix}").read_bytes()
    rng = np.random.default_rng(len(whole))
    path = tmp_path / "cut"
    for n_bytes in [1, 127, 128, 600, *rng.integers(0, len(whole), 12), len(whole) - 1]:
        path.write_bytes(whole[:n_bytes])
        refused(path)
    for _ in range(12):
        data = bytearray(whole)
        for position in rng.integers(0, 8192, 8):
            data[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        survives(path)
