"""Faults and refusals that are seldom met: each is one line that names what is wrong."""

import dataclasses
import math
import os
import struct
import threading
import zlib
from unittest.mock import MagicMock

import numpy as np
import pytest
import recordings
from fakes import FakeSource
from recorded import acquisition, channel_frame, record

from ultrasound_console import offline
from ultrasound_console.__main__ import main
from ultrasound_console.assets import AssetError
from ultrasound_console.commands import streaming
from ultrasound_console.config import ConfigError, read_toml
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.record import building
from ultrasound_console.record.content import text
from ultrasound_console.record.convert import recover
from ultrasound_console.record.journal import JournalReader, JournalWriter, Kind, RecordError
from ultrasound_console.segment import Segmenter
from ultrasound_console.sources import SourceError
from ultrasound_console.sources.beamformed import BeamformedRecording
from ultrasound_console.sources.promises import of_frame
from ultrasound_console.sources.recording import read_recording
from ultrasound_console.sources.us4us_layout import Opened, Uploaded
from ultrasound_console.status import State

SMALL = acquisition(probe=Probe.linear("small", 2, 3e-4, 5e6), bmode_angles_rad=(0.0,), n_pulses=4)
GRID = ImageGrid("parallel", 12, 10, (-0.004, 0.004), (0.005, 0.015))


# --- samples and their files ----------------------------------------------------------------


def beamformed(grid=GRID, shape=None, **changes) -> BeamformedRecording:
    # One value in all places: as large as it is said to be, and without memory.
    samples = np.broadcast_to(np.float32(1.0), shape or (4, *grid.shape, 2))
    told = {
        "center_frequency_hz": 5e6,
        "demodulation_frequency_hz": 5e6,
        "sound_speed_m_s": 1540.0,
        "prf_hz": 4000.0,
        "pulse_time_s": np.arange(4) / 4000.0,
    }
    return BeamformedRecording("a.h5", grid, samples, **{**told, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": (4, 12, 10, 1)}, "have shape (4, 12, 10, 1) where (4, 12, 10, 2) is needed"),
        (
            {"grid": dataclasses.replace(GRID, n_depths=2**20, n_lines=2)},
            "a picture of 1048576 x 2 samples is too large; beamform fewer",
        ),
        ({"grid": dataclasses.replace(GRID, angle_rad=1.4)}, "lines at 80.2 degrees"),
        ({"grid": dataclasses.replace(GRID, range_m=(5.0, 15.0))}, "reaches 15 m deep"),
        ({"prf_hz": 4e9}, "prf_hz: 4e+09 is outside"),
    ],
)
def test_pictures_that_cannot_be_are_refused(changes, said) -> None:
    assert beamformed().samples.shape == (4, 12, 10, 2)
    with pytest.raises(SourceError) as caught:
        beamformed(**changes)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_channels_that_cannot_be_are_refused(tmp_path) -> None:
    good = read_recording(recordings.write_must(tmp_path / "a.mat"))
    one = Probe.linear("one", 1, 3e-4, 5e6)
    with pytest.raises(SourceError, match="a single element; give data of a linear array"):
        dataclasses.replace(good, probe=one, samples=good.samples[:, :1])
    with pytest.raises(SourceError, match=r"6666.67 Hz does not go .* check both units"):
        dataclasses.replace(good, sampling_frequency_hz=good.sampling_frequency_hz / 1e3)


def test_a_pickle_or_a_network_that_is_too_large_is_not_read(tmp_path) -> None:
    for name, error in (("a.pkl", SourceError), ("folds.onnx", AssetError)):
        path = tmp_path / name
        path.write_bytes(b"\x80\x04")
        os.truncate(path, 2**42)  # a hole, which takes no room
        with pytest.raises(error, match=rf"{name}.* too large; "):
            read_recording(path) if error is SourceError else Segmenter(path)


def test_a_source_that_stays_silent_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(offline, "_PATIENCE_S", 0.0)
    source = FakeSource()
    with pytest.raises(SourceError, match="fake: no frame 0 came within 0 s"):
        list(offline.play(source))
    assert not source.running


def test_a_source_that_delivers_something_else_breaks_a_promise() -> None:
    ((_, is_kept, said),) = of_frame(np.zeros(3))
    assert not is_kept
    assert said == "a ndarray is neither ChannelFrame nor IqFrame"


OPENED = Opened("0.10", "a probe", 64, 3e-4, 0.0, (3e6, 8e6), 65e6)
UPLOADED = Uploaded(
    5e6, 65e6, 1e-6, (1e-4,) * 8, 0.0, (4096, 32), "int16", (0,), (0,), (0,), (0,), (8,)
)


@pytest.mark.parametrize(
    ("told", "lie"),
    [
        (OPENED, {"n_elements": 1}),
        (OPENED, {"n_elements": 10**9}),
        (OPENED, {"pitch_m": 0.3}),
        (OPENED, {"pitch_m": math.nan}),
        (OPENED, {"sampling_frequency_hz": 65.0}),
        (OPENED, {"band_hz": (8e6, 3e6)}),
        (OPENED, {"band_hz": (3e6,)}),
        (UPLOADED, {"kind": "float64"}),
        (UPLOADED, {"shape": (4096,)}),
        (UPLOADED, {"shape": (4096, 31)}),
        (UPLOADED, {"shape": (0, 32)}),
        (UPLOADED, {"shape": (10**12, 32)}),
        (UPLOADED, {"n_frames": (), "first_frames": ()}),
        (UPLOADED, {"first_frames": (0, 8)}),
        (UPLOADED, {"channels": (0, 1)}),
        (UPLOADED, {"frequency_hz": 5.0}),
        (UPLOADED, {"sampling_frequency_hz": math.nan}),
        (UPLOADED, {"pri_s": ()}),
        (UPLOADED, {"pri_s": (1e-4, 0.0)}),
        (UPLOADED, {"first_sample_s": 1.0}),
        (UPLOADED, {"interval_s": -1.0}),
    ],
)
def test_what_a_scanner_cannot_be_is_not_believed(told, lie) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (told in one line by whoever asked)
        dataclasses.replace(told, **lie)


# --- journals -------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal of three frames that nobody has turned into anything."""

    def keep(*_):
        raise OSError(None, "not now")

    with monkeypatch.context() as patch:
        patch.setattr("ultrasound_console.record.recorder.recover", keep)
        record(tmp_path / "a.h5", [channel_frame(k, SMALL) for k in range(3)])
    return tmp_path / "a.h5.part"


def test_a_journal_is_not_turned_into_what_is_there_already(journal, tmp_path) -> None:
    precious = tmp_path / "b.h5"
    precious.write_text("precious")
    with pytest.raises(RecordError, match=r"b\.h5: is there already; give another name"):
        recover(journal, precious)
    assert precious.read_text() == "precious"
    assert journal.exists()


@pytest.mark.parametrize("last_share", [0.5, 0.9])
def test_a_journal_that_is_given_up_stays_and_leaves_nothing_else(journal, last_share) -> None:
    shares = []

    def go_on(share: float) -> bool:
        shares.append(share)
        return share < last_share

    with pytest.raises(RecordError, match="given up; open it to go on"):
        recover(journal, progress=go_on)
    assert [share for share in shares if share >= last_share] == shares[-1:]
    assert (shares[-1] > 0.8) == (last_share > 0.8)  # from there on it reads back
    assert [path.name for path in journal.parent.iterdir()] == ["a.h5.part"]
    assert recover(journal).n_frames == 3


def test_a_record_of_a_later_version_ends_a_journal(tmp_path) -> None:
    header = struct.pack("<4sHHIQI", b"UCJ\x01", 2, Kind.BEGIN, 0, 0, 0)
    path = tmp_path / "a.h5.part"
    path.write_bytes(header + struct.pack("<I", zlib.crc32(header)))
    with JournalReader(path) as reader:
        assert list(reader) == []
        assert reader.damage == "of a later version"


@pytest.mark.parametrize(
    ("limit", "kind", "told", "said"),
    [
        ("MAX_SETTINGS", Kind.SETTINGS, {}, "more settings than a recording has"),
        (None, Kind.GAP, {"n": -1}, "a gap of no possible length"),
        (None, Kind.GAP, {"n": 2**40}, "a gap of no possible length"),
    ],
)
def test_what_no_recording_has_ends_it_there(limit, kind, told, said, journal, monkeypatch) -> None:
    if limit:
        monkeypatch.setattr(building, limit, 1)
    copy = journal.with_name("b.h5.part")
    writer = JournalWriter(copy)
    with JournalReader(journal) as reader:
        for one in reader:
            if one.kind is Kind.END:
                writer.append(kind, text(told))
            writer.append(one.kind, one.payload)
    writer.close()
    recovered = recover(copy)
    assert recovered.n_frames == 3
    assert said in recovered.missing


# --- files of settings, and words on the command line ---------------------------------------


def test_a_folder_is_no_file_of_settings(tmp_path) -> None:
    with pytest.raises(ConfigError, match="not a regular file; give a file of settings"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --screenshot none/a.png", "the folder none does not exist; make it first"),
        ("run --openigtlink-host ::1", "give --openigtlink too"),
        ("bench --figure a.png", "--figure draws what --growth measures: give both"),
        ("clip simulated:tortuous -o a.gif --size 8x8", "--size 8x8: give WIDTHxHEIGHT"),
        ("clip simulated:tortuous -o a.gif --size big", "--size big: give WIDTHxHEIGHT"),
    ],
)
def test_words_that_make_no_sense(words, said, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stream_without_a_picture_or_with_a_fault_ends_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr(streaming, "_FIRST_WITHIN_S", 0.0)
    engine, server = MagicMock(), MagicMock()
    engine.take_notices.return_value = []
    engine.status.return_value.state = State.LIVE
    engine.take_frame.return_value = None
    server.take_notes.return_value = []
    server.status.fault = ""
    stream = streaming._Stream(engine, server, {})
    with pytest.raises(streaming.StreamFailedError, match="no picture came"):
        stream.go_on(threading.Event(), 0.0)
    stream._step()
    server.status.fault = "OpenIGTLink ended: no memory"
    with pytest.raises(streaming.StreamFailedError, match="no memory"):
        stream._step()
