"""Captures of gui4us, and pickles that mean harm: read without unpickling anything."""

import builtins
import os
import pickle
import re
import struct
import subprocess
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import recordings
from gui4us_files import made_up_modules, write_gui4us
from recordings import C_M_S, FC_HZ, FS_HZ, N_PULSES, PRF_HZ, START_S

from ultrasound_console.sources import NoPrfError, SourceError, pickled_values
from ultrasound_console.sources.pickled_arrays import Pickled, numbers
from ultrasound_console.sources.pickled_values import Record, read_pickle
from ultrasound_console.sources.recording import read_recording

ROOT = Path(__file__).resolve().parent.parent
PART = {"rx_aperture": [1, 1, 1, 0]}
PAGE, PACKAGE = ROOT / "docs" / "your-own-data.md", ROOT / "ultrasound_console"


def refused(path: Path, prf_hz: float | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read_recording(path, prf_hz)
    message = str(caught.value)
    assert message.isprintable(), message
    assert len(message) < 600
    assert message.startswith(f"{path.stem}."), message
    assert "; " in message, message
    return message


def value_of(path: Path, content: object, protocol: int = 4) -> object:
    path.write_bytes(pickle.dumps(content, protocol))
    return read_pickle(path)


# --- captures -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_capture(protocol: int, tmp_path: Path) -> None:
    recording = read_recording(write_gui4us(tmp_path / "a.pkl", protocol=protocol))
    expected = recordings.samples()
    expected[:, :, 0] = 0  # not an echo
    np.testing.assert_array_equal(recording.samples, expected)
    assert recording.samples.dtype == np.int16
    assert recording.bursts == ((0, N_PULSES),)
    np.testing.assert_allclose(recording.probe.element_x_m, recordings.element_x_m())
    found = [
        recording.center_frequency_hz, recording.sampling_frequency_hz, recording.sound_speed_m_s,
        recording.start_time_s, recording.prf_hz, recording.transmit_angle_rad,
    ]  # fmt: skip
    assert found == pytest.approx([FC_HZ, FS_HZ, C_M_S, START_S, PRF_HZ, 0.0])
    assert recording.notes == ()


def test_the_disc(data_folder: Path, tmp_path: Path) -> None:
    must = read_recording(data_folder / "PWI_disk.mat")
    n_pulses, _, n_samples = must.samples.shape
    recording = read_recording(
        write_gui4us(
            tmp_path / "disc.pkl",
            [must.samples.swapaxes(1, 2)[None]],
            ops=[{"rx_sample_range": (0, n_samples), "pri": 1.0 / must.prf_hz}] * n_pulses,
            element_pos_x=np.array(must.probe.element_x_m),
            rx_offset=must.start_time_s + 0.2e-6,
        )
    )
    np.testing.assert_array_equal(recording.samples[..., 1:], must.samples[..., 1:])
    assert recording.grid == must.grid
    for name in ("start_time_s", "prf_hz", "sampling_frequency_hz", "center_frequency_hz"):
        assert getattr(recording, name) == pytest.approx(getattr(must, name)), name
    np.testing.assert_allclose(recording.pulse_time_s, must.pulse_time_s)


def test_a_duplex_sequence(tmp_path: Path) -> None:
    """Steered colour pulses and one straight wave for the picture: the colour pulses are used."""
    n_elements, angle = 4, np.radians(10.0)
    steered = np.sin(angle) * recordings.element_x_m() / C_M_S
    colour = {"tx_delays": steered - steered.min(), "pri": 250e-6}
    rf = recordings.samples(6).swapaxes(1, 2)
    frames = [np.concatenate([rf, rf[:1]])[None] + np.float32(1000 * k) for k in range(3)]
    # The buffer was larger than what was captured.
    path = write_gui4us(tmp_path / "a.pkl", [*frames, None, None], ops=[colour] * 6 + [{}])
    recording = read_recording(path)
    assert recording.transmit_angle_rad == pytest.approx(angle)
    assert recording.prf_hz == pytest.approx(4e3)
    assert recording.bursts == ((0, 6), (6, 12), (12, 18))
    assert recording.samples.shape == (18, n_elements, recordings.N_SAMPLES)
    np.testing.assert_array_equal(recording.samples[6:12], recordings.samples(6) + 1000)
    # The wave crosses the middle of the array after half of the delays.
    assert recording.start_time_s == pytest.approx(START_S + steered.min())
    assert "6 of the 7 transmits" in recording.notes[0]
    assert "no times" in recording.notes[1]
    # Without the straight wave no pause is told either, and the scanner may have made one.
    path = write_gui4us(tmp_path / "a.pkl", [rf[None]] * 2)
    assert read_recording(path).bursts == ((0, 6), (6, 12))


def test_repeats_and_part_of_the_array(tmp_path: Path) -> None:
    """A sequence of one transmit that is repeated, elements first, and two elements that listen."""
    listens = np.array([False, True, True, False])
    ops = [{"rx_aperture": listens, "rx_padding": (1, 0), "rx_sample_range": (20, 20 + 96)}]
    rf = recordings.samples()[:, None, :3, :, None]
    changes = {"rx_offset": 0.0, "device_hz": FS_HZ, "sri": 1e-3}
    recording = read_recording(write_gui4us(tmp_path / "a.pkl", [rf], ops=ops, **changes))
    assert not recording.samples[:, ~listens].any()
    expected = recordings.samples()[:, 1:3]
    np.testing.assert_array_equal(recording.samples[:, 1:3, 1:], expected[..., 1:])
    assert recording.prf_hz == pytest.approx(1e3)
    # Twenty samples at 6.67 MHz, less half of two cycles at 5 MHz.
    assert recording.start_time_s == pytest.approx(3e-6 - 0.2e-6)


def test_one_pulse_a_frame_needs_a_rate(tmp_path: Path) -> None:
    frames = [rf.swapaxes(0, 1)[None, None] for rf in recordings.samples()]
    path = write_gui4us(tmp_path / "a.pkl", frames)
    with pytest.raises(NoPrfError, match=r"rate of the frames.*--prf HZ"):
        read_recording(path)
    recording = read_recording(path, 500.0)
    assert (recording.prf_hz, recording.bursts) == (500.0, ((0, N_PULSES),))
    assert "a lost frame" in recording.notes[0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"speed_of_sound": None}, "medium/speed_of_sound: missing; describe"),
        ({"speed_of_sound": "fast"}, "medium/speed_of_sound: missing"),
        ({"sampling_frequency": 5.0}, "_data_char/sampling_frequency: 5 is outside"),
        ({"element_pos_z": np.zeros(3)}, "element_pos_x: not the places"),
        ({"frames": [recordings.samples()[None].astype(complex)]}, "no output is RF"),
        ({"frames": [recordings.samples()[None]]}, "no output is RF"),
        ({"frames": [recordings.samples().swapaxes(1, 2)[None], "text"]}, "in each frame"),
        ({"ops": [{"pulse_center_frequency": None}] * N_PULSES}, "center_frequency: missing"),
        ({"ops": [{"pulse_inverse": k % 2 == 1} for k in range(N_PULSES)]}, "inverse: changes"),
        (
            {
                "ops": [
                    {"rx_aperture": [1, 1, 1, 0], "rx_padding": (k % 2, 1 - k % 2)}
                    for k in range(10)
                ]
            },
            "padding: changes",
        ),
        ({"ops": [{"pri": 0.0}] * N_PULSES}, "pri: 0 is outside"),
        ({"ops": [{"rx_sample_range": (1, 97)}] * N_PULSES}, "sample_range: begins later"),
        ({"ops": [{"tx_delays": np.array([0, 1, 0, 1]) * 1e-4}] * N_PULSES}, "no transmit is"),
    ],
)
def test_what_a_capture_lacks(changes: dict, named: str, tmp_path: Path) -> None:
    assert named in refused(write_gui4us(tmp_path / "a.pkl", **changes))


def test_a_damaged_array(tmp_path: Path) -> None:
    path = write_gui4us(tmp_path / "a.pkl")
    whole = path.read_bytes()
    for old, new in ((b"\x8c\x02f4", b"\x8c\x02V4"), (b"K\x01K\x08K\x05", b"K\x01K\x08K\x06")):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        assert "data/0/0: damaged" in refused(path)


def test_iq_of_a_capture_by_the_mapping_on_the_page(tmp_path: Path) -> None:
    text = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[1]
    iq = recordings.samples().swapaxes(1, 2)[None] * np.complex64(1 + 2j)
    write_gui4us(tmp_path / "capture.pkl", [iq, 2 * iq])
    # Ours has two outputs.
    (tmp_path / "a.toml").write_text(text.replace("/2", "/1"))
    recording = read_recording(tmp_path / "a.toml")
    np.testing.assert_array_equal(recording.samples[N_PULSES:], 2 * (1 + 2j) * recordings.samples())
    np.testing.assert_allclose(recording.probe.element_x_m, recordings.element_x_m())
    found = recording.sampling_frequency_hz, recording.sound_speed_m_s, recording.prf_hz
    assert found == (FS_HZ, C_M_S, 4000.0)


def test_a_mapping_file_names_what_is_in_a_pickle(tmp_path: Path) -> None:
    """Frames of other software: a list of pairs, without any metadata."""
    rf = recordings.samples().transpose(2, 1, 0)
    frames = [(np.zeros(3), rf + 1000 * k) for k in range(2)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"frames": frames, "info": {"c": 1480}}))
    assert "no capture of gui4us" in refused(tmp_path / "a.pkl")
    text = """file = "a.pkl"
[samples]
field = "frames/*/1"
axes = ["frame", "sample", "element", "pulse"]
[values]
prf = "8 kHz"
frame_interval = "20 ms"
sampling_frequency = "6.6667 MHz"
center_frequency = "5 MHz"
sound_speed = { field = "info/c", unit = "m/s" }
start_time = "10 us"
transmit_angle = "0 deg"
pitch = "0.3 mm"
"""
    (tmp_path / "a.toml").write_text(text)
    recording = read_recording(tmp_path / "a.toml")
    np.testing.assert_array_equal(recording.samples[N_PULSES:], recordings.samples() + 1000)
    assert recording.sound_speed_m_s == 1480.0
    (tmp_path / "a.toml").write_text(text.replace("info/c", "info/speed"))
    assert "did you mean info/c?" in refused(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text(text.replace("frames/*/1", "frames/*/7"))
    assert "no array 'frames/*/7'" in refused(tmp_path / "a.toml")


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_and_arrays(protocol: int, tmp_path: Path) -> None:
    plain = {
        "none": None, "yes": True, "no": False, "small": 3, "large": -(2**70), "float": 0.1,
        "text": "µ", "empty": [(), [], {}, ""], "many": list(range(2000)), "pair": (1, 2),
        "dict": {str(number): number for number in range(1500)},
    }  # fmt: skip
    assert value_of(tmp_path / "a.pkl", plain, protocol) == plain
    if protocol >= 4:
        assert value_of(tmp_path / "a.pkl", [{1}, frozenset({3})], protocol) == [[1], [3]]
    rng = np.random.default_rng(4)
    whole = rng.integers(-99, 99, (3, 4, 5)).astype(np.int16)
    arrays = [
        whole, np.asfortranarray(whole), whole[:, ::2], whole.transpose(1, 2, 0),
        whole.astype(">f4"), whole > 0, np.zeros((0, 3)),
        whole.astype(complex), np.array(2.5), np.float32(1.5), np.bool_(True), np.uint8(200),
    ]  # fmt: skip
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([*arrays, arrays[0]], protocol))
    pickled = Pickled(tmp_path / "a.pkl")
    for number, array in enumerate(arrays):
        found = pickled.fetch(str(number))
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_classes_become_records(tmp_path: Path) -> None:
    with made_up_modules() as make:
        inner = make("somewhere.Inner", value=5)
        found = value_of(tmp_path / "a.pkl", [make("arrus.Outer", inner=inner), inner])
    outer, again = found
    assert isinstance(outer, Record)
    assert outer.name == "arrus.Outer"
    assert outer.state["inner"] is again
    assert again.state == {"value": 5}


@pytest.mark.parametrize("kind", ["O", "S3", "U2", "V4", "M8[s]", "i2,f4"])
def test_arrays_of_other_things_are_not_built(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([np.zeros(3, kind)]))
    with pytest.raises(SourceError, match="damaged"):
        Pickled(tmp_path / "a.pkl").fetch("0")


# --- harm -----------------------------------------------------------------------------------


class Calls:
    """Asks the one who unpickles it to call a function."""

    def __init__(self, function, *arguments) -> None:
        self._asked = function, arguments

    def __reduce__(self):
        return self._asked


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def harmful(folder: Path) -> dict[str, bytes]:
    mark = str(folder / "mark")
    deep = b"]" + b"\x85" * 15_000  # a list in a tuple in a tuple ...
    itself = [1]
    itself.append(itself)
    # Each list holds the one before it twice: 2**60 values in 60 lists.
    doubled = b"]" + b"".join(
        b"\x940]h" + bytes([n]) + b"ah" + bytes([n]) + b"a" for n in range(60)
    )
    long_text = text("x" * 100_000) + b"\x940"
    numpy_dtype = b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R(K\x03" + text("<") + b"NNNJ"
    dtype = numpy_dtype + b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    huge = b"\x8a\x08" + struct.pack("<q", 2**60)
    rebuild = b"cnumpy._core.multiarray\n_reconstruct\n)R(K\x01"
    return {
        "os.system": pickle.dumps(Calls(os.system, f"touch {mark}")),
        "subprocess": pickle.dumps(Calls(subprocess.check_call, ["touch", mark])),
        "eval": pickle.dumps({"data": [Calls(eval, f"open({mark!r}, 'w')")], "metadata": [1]}),
        "getattr": pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system")),
        "exec by name": b"\x80\x02cbuiltins\nexec\n" + text(f"open({mark!r}, 'w')") + b"\x85R.",
        "builtins": pickle.dumps([builtins.eval, os.system, Path(mark)]),
        "itself": pickle.dumps({"data": itself, "metadata": itself}),
        "deep": b"\x80\x04" + deep + b".",
        "marks": b"\x80\x04" + b"(" * 1000 + b".",
        "steps": b"\x80\x04" + b"N0" * 11_000 + b"N.",
        "doubled": b"\x80\x04" + doubled + b".",
        "names": b"\x80\x04" + long_text + (b"h\x00h\x00\x93" * 5000) + b".",
        "huge text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc.",
        "huge bytes": b"\x80\x04B" + struct.pack("<I", 2**31) + b"abc.",
        "huge integer": b"\x80\x04\x8b" + struct.pack("<i", 2**30) + b"abc.",
        "negative": b"\x80\x04\x8b" + struct.pack("<i", -5) + b"abc.",
        "outside": b"\x80\x04Pname\n.",
        "buffer": b"\x80\x05\x97.",
        "extension": b"\x80\x04\x82\x01.",
        "empty": b"\x80\x04",
        "no value": b"\x80\x04.",
        "no memo": b"\x80\x04h\x07.",
        "no mark": b"\x80\x04t.",
        "odd": b"\x80\x04}(NNNu.",
        "not a class": b"\x80\x04K\x01)R.",
        "state of a number": b"\x80\x04K\x01}b.",
        "key": b"\x80\x04}]N s.",
        "huge array": b"\x80\x04(" + rebuild + b"(" + huge + b"t" + dtype + b"\x89C\x03abctbt.",
        "nothing, but huge": b"\x80\x04(" + rebuild + b"(K\x00" + huge * 3 + b"t" + dtype
        + b"\x89C\x00tbt.",
        "many of one": b"\x80\x04((" + rebuild + b"(M" + struct.pack("<H", 50_000) + b"t" + dtype
        + b"\x89B" + struct.pack("<I", 400_000) + bytes(400_000) + b"tb\x94" + b"h\x00" * 15_000
        + b"tt.",
    }  # fmt: skip


def test_harmful_pickles_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled_values, "_MOST_STEPS", 20_000)
    path = tmp_path / "a.pkl"
    begin_s = time.process_time()
    for name, content in harmful(tmp_path).items():
        path.write_bytes(content)
        told = refused(path)
        assert ("too many values" in told) == (name in {"steps", "marks"}), name
        try:
            pickled = Pickled(path)
        except SourceError:
            continue
        for place in ("*", "0", "0/*", "0/0/0/0", "data/*/0", "data/1/1/1/1/1/*"):
            with suppress(SourceError):
                assert pickled.fetch(place) is None, name
            assert len(pickled.names(place)) < 20, name
        assert [found.name for found in tmp_path.iterdir()] == ["a.pkl"], name
    assert time.process_time() - begin_s < 30.0


def test_what_is_there_once_is_not_made_many_times(tmp_path: Path) -> None:
    """One array in 15,000 places is 6 GB, and a name may be as long as the file."""
    for name in ("many of one", "names", "huge array", "nothing, but huge"):
        (tmp_path / "a.pkl").write_bytes(harmful(tmp_path)[name])
        tracemalloc.start()
        with suppress(SourceError):
            assert Pickled(tmp_path / "a.pkl").samples("0/*", lambda shape: ()) is None, name
        assert tracemalloc.get_traced_memory()[1] < 20e6, name
        tracemalloc.stop()


def test_a_capture_takes_no_more_memory_than_it_and_its_samples(tmp_path: Path) -> None:
    frame = recordings.samples().swapaxes(1, 2)[None]
    path = write_gui4us(tmp_path / "a.pkl", [frame.repeat(20, axis=0) for _ in range(40)])
    read_recording(path)  # modules are imported by now
    tracemalloc.start()
    n_bytes = read_recording(path).samples.nbytes
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_bytes == 800 * frame.nbytes
    assert most_bytes < 2.2 * n_bytes


def test_nothing_is_unpickled_anywhere() -> None:
    word = "pick" + "le"
    forbidden = (f"{word}.load", f"import {word}\n", f"Un{word}r", f"allow_{word}=True")
    for path in PACKAGE.rglob("*.py"):
        content = path.read_text()
        assert not [what for what in forbidden if what in content], path


def test_a_list_of_lists_is_no_array() -> None:
    twice: list = [1.0, 2.0]
    for _ in range(60):
        twice = [twice, twice]
    assert numbers(twice) is None
    assert numbers([1, 2.5, True]).tolist() == [1.0, 2.5, 1.0]
    assert numbers("text") is None
    assert numbers(None) is None
