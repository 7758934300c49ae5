"""Raw files of Clarius scanners, made from what their maker tells of the layout."""

import dataclasses
import math
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from beamformed_files import C_M_S, FC_HZ, made_up, write_clarius

from ultrasound_console.geometry import ImageGrid
from ultrasound_console.settings import AcquisitionSettings
from ultrasound_console.sources import SourceError
from ultrasound_console.sources.clarius_about import MAX_BYTES
from ultrasound_console.sources.protocol import NoPrfError
from ultrasound_console.sources.recording import RecordingSource, read_recording

GRID = ImageGrid("parallel", 40, 24, (-0.006, 0.006), (0.005, 0.013))
N_PULSES, TURN_RAD = 8, 0.6
PRF = "prf: 4 kHz\n"


def write(folder: Path, n_frames: int = 1, *, noise: float = 0.0, **changes: object) -> Path:
    iq = made_up(GRID, n_frames * N_PULSES, TURN_RAD)
    rng = np.random.default_rng(2)
    iq = iq + noise * (rng.normal(size=iq.shape) + 1j * rng.normal(size=iq.shape))
    changes = {"extra": PRF, "listed": 1, **changes}
    return write_clarius(folder / "a_iq.raw", GRID, iq, n_frames=n_frames, **changes)


def told(path: Path, old: str, new: str) -> Path:
    """Change the ``.yml``."""
    yml = path.with_suffix(".yml")
    text = yml.read_text(encoding="utf-8")
    assert old in text
    yml.write_text(text.replace(old, new), encoding="utf-8")
    return path


def refused(path: Path, prf_hz: float | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read_recording(path, prf_hz)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith((path.with_suffix(".raw").name + ": ", f"{path.stem}.yml: "))
    assert "; " in message
    return message


def turn_rad(samples: np.ndarray) -> float:
    iq = samples[..., 0].astype(float) + 1j * samples[..., 1]
    return float(np.angle(np.vdot(iq[:-1], iq[1:])))


# --- what is read ---------------------------------------------------------------------------


def test_what_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path, n_frames=3, listed=N_PULSES)
    for given in (path, path.with_suffix(".yml")):
        recording = read_recording(given)
        assert recording.name == "a_iq.raw"
        assert recording.samples.shape == (24, 40, 24, 2)
        assert recording.samples.dtype == np.int16
        assert recording.center_frequency_hz == FC_HZ
        assert recording.sound_speed_m_s == C_M_S
        assert recording.prf_hz == 4000.0
        assert recording.bursts == ((0, 8), (8, 16), (16, 24))
        np.testing.assert_allclose(recording.pulse_time_s[[1, 8, 17]], [2.5e-4, 0.05, 0.10025])
        assert turn_rad(recording.samples[:8]) == pytest.approx(TURN_RAD, abs=1e-3)
        for ours, theirs in zip(recording.grid.positions_m(), GRID.positions_m(), strict=True):
            np.testing.assert_allclose(ours, theirs, 0, 1e-9)
        assert recording.probe is not None
        assert recording.probe.n_elements == 128
        assert not any("order" in note for note in recording.notes)


@pytest.mark.parametrize("order", [("line", "pulse", "depth"), ("pulse", "line", "depth")])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_another_order_is_found_and_told(
    order: tuple[str, ...], noise: float, tmp_path: Path
) -> None:
    recording = read_recording(write(tmp_path, order=order, noise=noise))
    assert turn_rad(recording.samples) == pytest.approx(TURN_RAD, abs=0.02)
    assert any(", ".join(order) in note for note in recording.notes)


def test_noise_in_no_order(tmp_path: Path) -> None:
    assert "slow-time coherence" in refused(write(tmp_path, noise=30.0))
    path = write(tmp_path)
    data = bytearray(path.read_bytes())
    data[28:] = bytes(len(data) - 28)
    path.write_bytes(data)
    assert "slow-time coherence 0.00" in refused(path)


def test_the_rate_is_never_guessed(tmp_path: Path) -> None:
    for extra in ("", "prf: 4000\n", "prf: fast\n", "prf: -1 kHz\n", "prf: .nan\n"):
        path = write(tmp_path, extra=extra)
        with pytest.raises(SourceError) as caught:
            read_recording(path)
        if "fast" not in extra:
            assert isinstance(caught.value, NoPrfError)
            assert read_recording(path, 2500.0).prf_hz == 2500.0
    assert read_recording(write(tmp_path, extra="cfiPrf: 3.5 kHz\n"), 2500.0).prf_hz == 3500.0
    assert "differ" in refused(write(tmp_path, extra="cfiPrf: 3.5 kHz\npwPrf: 4 kHz\n"))
    # It would have taken longer than from frame to frame.
    assert "do not fit" in refused(write(tmp_path, n_frames=2, interval_s=1e-3, extra=""), 4000.0)


def test_what_a_scanner_may_leave_out(tmp_path: Path) -> None:
    """An array of unknown size; the speed of sound."""
    path = told(write(tmp_path), "elements: 128, ", "")
    recording = read_recording(told(path, f"vsound: {C_M_S:g} m/s\n", ""))
    assert len(recording.samples) == N_PULSES
    assert recording.grid.lines == pytest.approx(GRID.lines)
    assert any("centred" in note for note in recording.notes)
    assert any("1540 m/s" in note for note in recording.notes)
    assert "pitch: missing" in refused(told(path, "pitch: 0.3 mm, ", ""))


def test_units(tmp_path: Path) -> None:
    for pitch in ("0.3", "300", "300 um", "300 \N{MICRO SIGN}m", "0.03 cm"):
        path = told(write(tmp_path), "pitch: 0.3 mm", f"pitch: {pitch}")
        assert read_recording(path).grid.lines == pytest.approx(GRID.lines)
    for pitch in ("3 MHz", "0.3 parsec", "[1, 2]", "true", "1e400", "9" * 400):
        refused(told(write(tmp_path), "pitch: 0.3 mm", f"pitch: {pitch}"))


# --- what cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: IQ", "type: RF", "type: RF where IQ"),
        ("compression: none", "compression: lzo", "lzop"),
        ("transmit frequency: 5 MHz\n", "", "transmit frequency: missing"),
        ("transmit frequency: 5 MHz", "transmit frequency: 5", "outside"),
        ("sampling rate: ", "sampling rate: -", "sampling rate"),
        ("samples per line: 40", "samples per line: 41", "where the .raw has 40"),
        ("number of lines: 192", "number of lines: 24", "where the .raw has 192"),
        ("radius: 0", "radius: -5", "radius"),
        ("  - {rx element", "  - {element", "neither parallel|not evenly|lines"),
        ("angle: 0 °", "angle: 91000 °", "not numbers of elements|lines"),
        ("lines:\n", "lines: 3\nplaces:\n", "lines: missing"),
        (PRF, "ensemble: 6\n", "ensemble: 6 where"),
        ("angle: 0 °", "angle: .nan", "not numbers of elements and angles"),
        (PRF, "a: &a [1]\nb: *a\n", "references"),
        (PRF, "a: !!python/object/apply:os.system [echo]\n", "YAML"),
        (PRF, "a: " + "[" * 1500 + "\n", "YAML"),
        (PRF, "a: \x07\n", "YAML"),
        (PRF, "#" * MAX_BYTES + "\n", "too large"),
    ],
)
def test_yml_that_cannot_be_used(old: str, new: str, said: str, tmp_path: Path) -> None:
    message = refused(told(write(tmp_path), old, new), 4000.0)
    assert any(part in message for part in said.split("|")), message


def test_lines_that_make_no_picture(tmp_path: Path) -> None:
    at = GRID.line_positions / 0.3e-3 + 63.5
    straight = np.zeros(len(at))
    backwards, uneven, fan = at[::-1], at + np.arange(len(at)) ** 2, np.linspace(-9.0, 9.0, len(at))
    for elements in ((backwards, straight), (uneven, straight), (at, fan)):
        assert "lines: " in refused(write(tmp_path, elements=elements))
    # The grey picture has one pulse for each line.
    iq = made_up(GRID, 1)
    path = write_clarius(tmp_path / "a_iq.raw", GRID, iq, extra=PRF)
    assert "colour Doppler" in refused(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceError, match="not a regular file; give both files"):
        read_recording(path.with_suffix(".yml"))


def test_without_its_yml(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_suffix(".yml").unlink()
    assert "beside the .raw" in refused(path)
    path.with_suffix(".yml").mkdir()
    assert "not a regular file" in refused(path)


@pytest.mark.parametrize("n_cut", [1, 8, 40000, 61000, 61447])
def test_cut_off(n_cut: int, tmp_path: Path) -> None:
    """What is there as a whole is used; the rest is told."""
    path = write(tmp_path, n_frames=2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-n_cut])
    if n_cut < 8 + 192 * 40 * 4:
        recording = read_recording(path)
        assert len(recording.samples) == N_PULSES
        assert any("1 of its 2 frames" in note for note in recording.notes)
    else:
        refused(path)


@pytest.mark.parametrize(
    "header",
    [
        (2, 1, 192, 40, 2),
        (2, 0, 192, 40, 4),
        (2, 1, 0, 40, 4),
        (2, 1, 192, 1, 4),
        (2, 2**32 - 1, 2**32 - 1, 2**32 - 1, 4),
        (2, 1, 2**31, 2, 4),
        (2, 1, 192, 39, 4),
        (2, 1, 40, 192, 4),
    ],
)
def test_header_that_lies(header: tuple[int, ...], tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(struct.pack("<5I", *header) + path.read_bytes()[20:])
    tracemalloc.start()
    refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


def test_time_stamps(tmp_path: Path) -> None:
    path = write(tmp_path, n_frames=3)
    data = bytearray(path.read_bytes())
    at = 20 + 2 * (8 + 192 * 40 * 4)
    for stamp in (0, 123_456_789_000, 2**64 - 1):
        data[at : at + 8] = struct.pack("<Q", stamp)
        path.write_bytes(data)
        assert "time stamps" in refused(path)


def test_packed(tmp_path: Path) -> None:
    for name, head, said in (
        ("a_iq.raw.lzo", b"\x89LZO\x00\r\n\x1a\n" + bytes(99), "lzop -d"),
        ("raw_data.tar", b"a_iq.yml" + bytes(1016), "lzop -d"),
    ):
        path = tmp_path / name
        path.write_bytes(head)
        with pytest.raises(SourceError, match=said):
            read_recording(path)


def test_convex_picture_lies_below_the_array(tmp_path: Path) -> None:
    grid = ImageGrid("polar", 40, 24, (-0.4, 0.4), (0.045, 0.053), apex_m=(0.0, -0.04))
    at = 95.5 + grid.line_positions * 0.04 / 0.3e-3
    path = write_clarius(
        tmp_path / "c.raw", grid, made_up(grid, 8), extra=PRF,
        probe="{elements: 192, pitch: 300, radius: 40 mm}", elements=(at, np.zeros(24)),
    )  # fmt: skip
    recording = read_recording(path)
    x_m, z_m = recording.grid.positions_m(0.0, [0.0, 23.0])
    assert recording.grid.depths_m[0] == pytest.approx(0.005)
    np.testing.assert_allclose(x_m, [-0.045 * math.sin(0.4), 0.045 * math.sin(0.4)])
    np.testing.assert_allclose(z_m, 0.045 * math.cos(0.4) - 0.04)
    assert recording.probe is not None
    assert recording.probe.center_of_curvature_m == pytest.approx((0.0, -0.04), abs=1e-6)
    bent = told(path, "angle: 0 °", "angle: 5 °")
    assert "neither parallel" in refused(bent)


def test_two_ensembles_of_a_burst_have_the_times_of_their_pulses(tmp_path: Path) -> None:
    source = RecordingSource(write(tmp_path, n_frames=3), real_time=False)
    source.configure(dataclasses.replace(AcquisitionSettings(), prf_hz=4000.0, ensemble=4))
    source.start()
    times_s = []
    for _ in range(8):
        frame = source.read(1.0)
        assert frame is not None
        times_s.append(frame.time_s)
    source.close()
    once = [0.0, 1e-3, 0.05, 0.051, 0.1, 0.101]
    np.testing.assert_allclose(times_s[:6], once, atol=1e-9)
    np.testing.assert_allclose(np.diff(times_s[6:]), 1e-3, atol=1e-9)
    assert times_s[6] > times_s[5]
