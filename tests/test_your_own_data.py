"""Data described by a mapping file; what ``docs/your-own-data.md`` shows is run as it stands."""

import os
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
import scipy.io
from recordings import C_M_S, FC_HZ, FS_HZ, N_SAMPLES, PRF_HZ, START_S

from ultrasound_console.__main__ import main
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.settings.processing import CONTINUITY
from ultrasound_console.sources import NoPrfError, SourceError, open_source
from ultrasound_console.sources.beamformed import BeamformedRecording
from ultrasound_console.sources.recording import read_recording

PAGE = Path(__file__).resolve().parent.parent / "docs" / "your-own-data.md"
MAPPING = """file = "scan.npz"

[samples]
field = "rf"
axes = ["sample", "element", "pulse"]

[values]
prf = "8 kHz"
sampling_frequency = { field = "fs", unit = "MHz" }
center_frequency = "5e6 Hz"
sound_speed = "1.48 mm/us"
start_time = "10 us"
transmit_angle = "0 deg"
pitch = "0.3 mm"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def npz(folder: Path, **changes) -> Path:
    """An archive of our small recording, with the mapping beside it."""
    arrays = {"rf": recordings.samples().transpose(2, 1, 0), "fs": np.array(FS_HZ / 1e6)}
    np.savez_compressed(folder / "scan.npz", **{**arrays, **changes})
    return mapping(folder)


def mapping(folder: Path, *changes: tuple[str, str]) -> Path:
    text = MAPPING
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "scan.toml"
    path.write_text(text)
    return path


def refused(path: Path) -> str:
    """The message for a mapping that cannot be used: one line that names the file."""
    with pytest.raises(SourceError) as caught:
        read_recording(path)
    message = str(caught.value)
    assert message.isprintable(), message
    assert message.startswith(f"{path.stem}."), message
    assert "; " in message, message
    return message


# --- the page itself ------------------------------------------------------------------------


def test_the_worked_example(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[0], PAGE.name, "exec"), {})
    (tmp_path / "my-scan.toml").write_text(blocks("toml")[0])
    source = open_source("my-scan.toml", real_time=False)
    source.configure(source.defaults(AcquisitionSettings(ensemble=0)))
    source.start()
    settings = ProcessingSettings(dealias_method=CONTINUITY, persistence_s=0.0)
    frame = doppler(form(source.read(1.0), settings), settings, None)
    source.close()
    bright = frame.power_db > frame.power_db.max() - 20.0
    assert np.median(frame.velocity_m_s[bright]) == pytest.approx(0.1, abs=0.01)
    assert main(["check", "my-scan.toml"]) == 0
    assert "FAIL" not in capsys.readouterr().out
    # The lines that the page shows are those that are said.
    wrong = [("pitch =", "pich ="), ('"4 kHz"', '"4000"'), ('"fs"', '"Fs"')]
    for (old, new), line in zip(wrong, blocks("text")[0].splitlines(), strict=True):
        text = blocks("toml")[0].replace(old, new)
        (tmp_path / "my-scan.toml").write_text(text)
        assert refused(tmp_path / "my-scan.toml") == line


def test_the_reader_of_your_own(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    rf = recordings.samples(12, 16)
    head = struct.pack("<4s3I4d", b"SCAN", *rf.shape, PRF_HZ, FS_HZ, FC_HZ, 3e-4)
    (tmp_path / "scan.bin").write_bytes(head.ljust(64, b"\0") + rf.astype("<i2").tobytes())
    exec(compile(blocks("python")[1], PAGE.name, "exec"), {})
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "all promises kept"
    assert [line.split()[0] for line in lines] == ["0"]


# --- what is read ---------------------------------------------------------------------------


def test_one_recording_in_three_kinds_of_file(tmp_path) -> None:
    rf, fs = recordings.samples().transpose(2, 1, 0), FS_HZ / 1e6
    npz(tmp_path)
    np.savez(tmp_path / "plain.npz", rf=np.asfortranarray(rf), fs=fs)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["a/rf"], file["fs"] = rf, fs
    scipy.io.savemat(tmp_path / "scan.mat", {"rf": rf, "fs": fs})
    for name, field in (
        ("scan.npz", "rf"),
        ("plain.npz", "rf"),
        ("scan.h5", "a/rf"),
        ("scan.mat", "rf"),
    ):
        recording = read_recording(mapping(tmp_path, ("scan.npz", name), ('"rf"', f'"{field}"')))
        np.testing.assert_array_equal(recording.samples, recordings.samples())
        assert recording.samples.dtype == np.int16
        found = (recording.prf_hz, recording.sampling_frequency_hz, recording.center_frequency_hz)
        assert found == pytest.approx((PRF_HZ, FS_HZ, FC_HZ))
        found = (recording.sound_speed_m_s, recording.start_time_s, recording.transmit_angle_rad)
        assert found == pytest.approx((C_M_S, START_S, 0.0))
        assert recording.probe.element_x_m == pytest.approx(recordings.element_x_m())
        assert recording.name == "scan.toml"


def test_frames_other_angles_and_iq(tmp_path) -> None:
    """Pauses between bursts, an index on an axis of no meaning here, and IQ in its three forms."""
    rng = np.random.default_rng(1)
    iq = rng.normal(size=(3, 2, 5, 4, N_SAMPLES, 2)).astype(np.float32)
    joined = iq[..., 0] + 1j * iq[..., 1]
    np.savez(tmp_path / "scan.npz", pair=iq, joined=joined, i=iq[..., 0], q=iq[..., 1], fs=6.0)
    axes = 'axes = ["frame", "angle", "pulse", "element", "sample"]\ntake = { angle = 1 }'
    for samples in (
        'field = "pair"\n' + axes.replace('"sample"', '"sample", "iq"'),
        'field = "joined"\n' + axes,
        'field = "i"\nimaginary = "q"\n' + axes,
    ):
        recording = read_recording(
            mapping(
                tmp_path,
                ('field = "rf"\naxes = ["sample", "element", "pulse"]', samples),
                ("[values]", '[values]\nframe_interval = "2 ms"\ndemodulation_frequency = "5 MHz"'),
            )
        )
        assert recording.samples.dtype == np.complex64
        expected = joined[:, 1].reshape(15, 4, N_SAMPLES)
        np.testing.assert_allclose(recording.samples, expected, rtol=1e-6)
        assert recording.demodulation_frequency_hz == 5e6
        assert recording.bursts == ((0, 5), (5, 10), (10, 15))
        assert recording.pulse_time_s[[1, 5, 14]] == pytest.approx([1 / 8e3, 2e-3, 4e-3 + 4 / 8e3])


def test_delays_and_places_of_elements(tmp_path) -> None:
    x_m = recordings.element_x_m()
    delays_us = 1e6 * x_m * np.sin(0.1) / C_M_S
    npz(tmp_path, x=1e3 * x_m, delays=delays_us - delays_us.min())
    changes = [
        ('pitch = "0.3 mm"', 'element_x = { field = "x", unit = "mm" }'),
        ('transmit_angle = "0 deg"', 'transmit_delays = { field = "delays", unit = "us" }'),
    ]
    recording = read_recording(mapping(tmp_path, *changes))
    assert recording.transmit_angle_rad == pytest.approx(0.1)
    assert recording.start_time_s == pytest.approx(
        START_S - (delays_us.max() - delays_us.min()) / 2e6
    )
    assert recording.probe.element_x_m == pytest.approx(x_m)


BEAMFORMED = """file = "scan.npz"
[samples]
field = "iq"
axes = ["depth", "line", "pulse"]
[values]
prf = "8 kHz"
center_frequency = "5 MHz"
demodulation_frequency = "0 Hz"
sound_speed = "1540 m/s"
depth = { field = "z", unit = "mm" }
line_x = ["-5 mm", "5 mm"]
"""


def test_beamformed(tmp_path) -> None:
    rng = np.random.default_rng(1)
    iq = (rng.normal(size=(20, 12, 6)) + 1j * rng.normal(size=(20, 12, 6))).astype(np.complex64)
    np.savez(tmp_path / "scan.npz", iq=iq, z=np.linspace(5.0, 24.0, 20))
    path = tmp_path / "scan.toml"
    path.write_text(BEAMFORMED)
    recording = read_recording(path)
    assert isinstance(recording, BeamformedRecording)
    np.testing.assert_array_equal(recording.samples[..., 1], iq.imag.transpose(2, 0, 1))
    assert recording.grid.kind == "parallel"
    assert recording.grid.lines == pytest.approx((-5e-3, 5e-3))
    assert recording.grid.range_m == pytest.approx((5e-3, 24e-3))
    sector = 'line_angle = ["-30 deg", "30 deg"]\napex_z = "-1 cm"'
    path.write_text(BEAMFORMED.replace('line_x = ["-5 mm", "5 mm"]', sector))
    grid = read_recording(path).grid
    assert (grid.kind, grid.apex_m) == ("polar", (0.0, -0.01))
    assert grid.lines == pytest.approx((-np.pi / 6, np.pi / 6))
    for old, new, words in (
        ("5 mm", "-6 mm", "values.line_x: -0.005 ... -0.006 m is no row"),
        ('"z"', '"iq"', "values.depth: not a number"),
        ('["-5 mm", "5 mm"]', '"5 mm"', "values.line_x: has 1 values for 12 places"),
        ("line_x", "pitch", "values.pitch: does not go with the axes depth, line, pulse"),
        ('"8 kHz"', '"8 kHz"\napex_z = "1 mm"', "values.apex_z: stands beside line_x"),
    ):
        path.write_text(BEAMFORMED.replace(old, new))
        if new == "-6 mm":
            path.write_text(BEAMFORMED.replace('"5 mm"', '"-6 mm"'))
        assert words in refused(path)
    np.savez(tmp_path / "scan.npz", iq=iq, z=np.geomspace(5.0, 24.0, 20))
    path.write_text(BEAMFORMED)
    assert "values.depth: 0.005 ... 0.024 m is no row of evenly spaced places" in refused(path)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("file =", "fill =", "fill: not known; did you mean file?"),
        ('"scan.npz"', '"none.npz"', "file: there is no file 'none.npz'; correct the name"),
        ('"scan.npz"', '"../scan.npz"', "file: '../scan.npz' is elsewhere"),
        ('"scan.npz"', '"/etc/passwd"', "file: '/etc/passwd' is elsewhere"),
        ('"scan.npz"', '"out.npz"', "file: 'out.npz' is elsewhere"),
        ('"scan.npz"', '"a\\u0000b"', "file: 'a\\x00b' is no file name"),
        ('"scan.npz"', "7", "file: not a text"),
        ('"scan.npz"', '"scan.toml"', "scan.toml: neither NPZ nor HDF5 nor MATLAB"),
        ("[samples]", "[[samples]]", "samples: not a table"),
        ('field = "rf"', "", "samples.field: missing"),
        ('"rf"', '"RF"', "samples.field: no array 'RF' in scan.npz; did you mean rf?"),
        ('"rf"', '"fs"', "samples.axes: has shape (), but 3 axes are named"),
        ('["sample", ', '["samples", ', "samples.axes: not the names of all axes"),
        ('["sample", ', "[1, ", "samples.axes: not the names of all axes"),
        ('["sample", ', '["sample", "angle", ', "samples.axes: angle: not an axis that is known"),
        ('"pulse"]', '"pulse"]\ntake = { pulse = 0 }', "samples.take.pulse: not known"),
        ('"pulse"]', '"pulse"]\nimaginary = "fs"', "samples.axes: has shape ()"),
        ('"pulse"]', '"pulse"]\nimaginary = "i"', "samples: in-phase and quadrature do not go"),
        ("pitch", "picth", "values.picth: not known; did you mean pitch?"),
        ('pitch = "0.3 mm"', "", "values.pitch: missing; add it to the file"),
        ('"0.3 mm"', '"0.3 inch"', "values.pitch: 'inch' is no unit of it; write one of m, cm"),
        ('"0.3 mm"', '"0.3 MHz"', "values.pitch: 'MHz' is no unit of it"),
        ('"0.3 mm"', '"0,3 mm"', "values.pitch: '0,3 mm' is not a number with its unit"),
        ('"0.3 mm"', '"1e999 mm"', "values.pitch: '1e999 mm' is not a number"),
        ('"0.3 mm"', '"0.3 m"', "values.pitch: 0.3 is outside 1e-06 ... 0.05 m"),
        ('"0.3 mm"', '"0.3 mm"\nelement_x = "1 mm"', "values.element_x: stands beside pitch"),
        ('pitch = "0.3 mm"', 'element_x = "1 mm"', "values.element_x: has 1 values for 4 elements"),
        ('transmit_angle = "0 deg"', 'transmit_delays = "1 us"', "has 1 values for 4 elements"),
        ('unit = "MHz"', "unit = 1", "values.sampling_frequency: '1' is no unit of it"),
        ('"fs", unit', '"fs", units', "values.sampling_frequency.units: not known"),
        ('"0 deg"', '"0 deg"\ndemodulation_frequency = "5 MHz"', "does not go with int16 samples"),
        ('"0 deg"', '{ field = "odd", unit = "deg" }', "values.transmit_angle: not a number"),
        ("[values]", "[values", "not a mapping file: "),
        ("sound_speed", "x = " + 2000 * "[" + "\nsound_speed", "not a mapping file: "),
        ("[values]", "#" + 70000 * "x" + "\n[values]", "too large for a mapping file"),
    ],
)
def test_what_a_mapping_may_not_say(old, new, words, tmp_path) -> None:
    (tmp_path / "inside").mkdir()
    np.savez(tmp_path / "scan.npz", rf=1)
    np.savez(tmp_path / "out.npz", rf=1)
    (tmp_path / "inside" / "out.npz").symlink_to(tmp_path / "out.npz")
    npz(tmp_path / "inside", i=np.zeros((1, 2, 3)), odd="text")
    assert words in refused(mapping(tmp_path / "inside", (old, new)))


def test_a_prf_is_asked_for_and_never_guessed(tmp_path) -> None:
    npz(tmp_path)
    path = mapping(tmp_path, ('prf = "8 kHz"\n', ""))
    with pytest.raises(NoPrfError, match=r"scan\.toml: values\.prf: missing; give the PRF"):
        read_recording(path)
    assert read_recording(path, 1234.0).prf_hz == 1234.0


def test_without_a_mapping_the_way_out_is_told(tmp_path) -> None:
    npz(tmp_path)
    assert "open a mapping file" in refused(tmp_path / "scan.npz")


def entry(path: Path, name: str, content: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    """Put an entry into the archive, whatever it holds."""
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr(name, content)


def npy_head(shape: str, descr: str = "<i2") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_archives_that_lie(tmp_path) -> None:
    path, archive = npz(tmp_path), tmp_path / "scan.npz"
    whole = archive.read_bytes()
    lies = {
        "Python objects": npy_head("(1, 4, 96)", "|O") + bytes(8),
        "4.88e+03 MiB is too large": npy_head("(100, 256, 100000)"),
        "holds no samples": npy_head("(0, 4, 96)"),
        "damaged": npy_head("(10, 4, 96)") + bytes(10),
    }
    damaged = [
        npy_head("(-10, -4, 96)") + bytes(7680),
        npy_head("(10, 4, 96)") + bytes(7682),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(10**6),
        npy_head("(" * 5000),
        b"",
    ]
    for words, content in [*lies.items(), *(("damaged", content) for content in damaged)]:
        entry(archive, "rf.npy", content)
        assert words in refused(path)
    entry(archive, "rf.npy", npy_head("(10, 4, 96)") + bytes(7680), zipfile.ZIP_LZMA)
    assert "compressed unusually" in refused(path)
    # The list of contents is read as a whole: it has to be small.
    at = whole.rindex(b"PK\x05\x06")
    archive.write_bytes(whole[: at + 12] + struct.pack("<I", 2**31) + whole[at + 16 :])
    assert "too large for an NPZ" in refused(path)
    archive.write_bytes(whole[:at] + b"PK\x06\x07" + bytes(16) + whole[at:])
    assert "too large for an NPZ" in refused(path)
    archive.write_bytes(whole[:at])
    assert "cut off" in refused(path)


def test_zeros_are_not_unpacked_beyond_their_size(tmp_path) -> None:
    """An array of 16 MB in an archive of 16 kB that says it is one of 8 kB is not unpacked."""
    path = npz(tmp_path)
    entry(tmp_path / "scan.npz", "rf.npy", npy_head("(10, 4, 96)") + bytes(2**24))
    tracemalloc.start()
    assert "damaged" in refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_only_regular_files(tmp_path) -> None:
    path = npz(tmp_path)
    (tmp_path / "scan.npz").unlink()
    os.mkfifo(tmp_path / "scan.npz")
    assert "there is no file" in refused(path)
