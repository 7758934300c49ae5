"""Recordings that are damaged, cut off or lie: one clear line, whatever is in them."""

import json

import h5py
import numpy as np
import pytest
from recorded import acquisition, channel_frame, identical, iq_frame, record

from ultrasound_console.__main__ import main
from ultrasound_console.geometry import Probe
from ultrasound_console.record.content import Content
from ultrasound_console.sources import SourceError, open_source

SMALL = acquisition(probe=Probe.linear("small", 2, 3e-4, 5e6), bmode_angles_rad=(0.0,), n_pulses=4)
GROUP = "ultrasound_console"


@pytest.fixture(params=["channels", "iq"])
def path(request, tmp_path):
    content = Content(request.param)
    make = channel_frame if content is Content.CHANNELS else iq_frame
    record(tmp_path / "a.h5", [make(k, SMALL) for k in range(4)], content=content)
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("part", np.full(4, 1, np.int32)),
        ("part", np.full(4, -1, np.int32)),
        ("part", np.zeros(4, np.int64)),
        ("part", np.zeros(0, np.int32)),
        ("part", None),
        ("row", np.full(4, 9, np.int64)),
        ("row", np.full(4, -1, np.int64)),
        ("row", np.zeros(3, np.int64)),
        ("row", np.zeros((4, 1), np.int64)),
        ("time_s", np.full(4, np.nan)),
        ("time_s", np.array([0.0, 1.0, np.inf, 2.0])),
        ("peak", np.array([b"a"] * 4)),
    ],
)
def test_columns_that_lie(path, name, value) -> None:
    with h5py.File(path, "r+") as file:
        del file[f"{GROUP}/frames/{name}"]
        if value is not None:
            file[f"{GROUP}/frames/{name}"] = value
    with pytest.raises(SourceError, match=f"frames/{name}"):
        open_source(str(path))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something"},
        {"version": 2},
        {"content": "code"},
        {"parts": []},
        {"parts": [{}]},
        {"parts": None},
        {"tracks": [["/etc/passwd", "/etc/passwd"]]},
        {"tracks": [[None, None]]},
        {"tracks": [["about"]]},
        {"tracks": []},
        {"tracks": [[f"/{GROUP}/frames/part", f"/{GROUP}/frames/part"]]},
    ],
)
def test_words_that_lie(path, change) -> None:
    with h5py.File(path, "r+") as file:
        about = json.loads(file[f"{GROUP}/about"][()].tobytes())
        del file[f"{GROUP}/about"]
        told = json.dumps({**about, **change}).encode()
        file[f"{GROUP}/about"] = np.frombuffer(told, np.uint8)
    with pytest.raises(SourceError, match=r"^a\.h5: "):
        open_source(str(path))


def test_values_that_no_picture_bears(tmp_path) -> None:
    """Checksums are right, and the values would still break the picture."""
    of, frames = SMALL, [iq_frame(k, SMALL) for k in range(2)]
    for wrong in (np.nan, np.inf, -1.0, 3e38):
        frames[0].bmode_power.setflags(write=True)
        frames[0].bmode_power[3, 3] = wrong
        record(tmp_path / "a.h5", frames, content=Content.IQ)
        source = open_source(str(tmp_path / "a.h5"), real_time=False)
        source.start()
        with pytest.raises(SourceError, match="frame 0: impossible values"):
            source.read(1.0)
        source.close()
        (tmp_path / "a.h5").unlink()
    assert of is SMALL


def test_links_lead_nowhere(path, tmp_path) -> None:
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["part"] = np.zeros(4, np.int32)
    with h5py.File(path, "r+") as file:
        del file[f"{GROUP}/frames/part"]
        file[f"{GROUP}/frames/part"] = h5py.ExternalLink(tmp_path / "outside.h5", "part")
    with pytest.raises(SourceError, match="may lead out of the file"):
        open_source(str(path))


def test_pauses_keep_the_time_between_frames(tmp_path) -> None:
    times_s = [0.0, 0.03, 0.09, 50.0]
    frames = [channel_frame(k, SMALL, time_s=t, received_s=t) for k, t in enumerate(times_s)]
    record(tmp_path / "a.h5", frames)
    source = open_source(str(tmp_path / "a.h5"))
    assert source._file.pause_s == pytest.approx([0.03, 0.06, 2.0, 0.03])
    source.close()


# ---- the commands --------------------------------------------------------------------------


def test_record_and_replay_by_command(tmp_path, capsys) -> None:
    of = acquisition(probe=Probe.linear("test", 16, 3e-4, 5e6))
    frames = [channel_frame(k, of) for k in range(3)]
    record(tmp_path / "a.h5", frames)
    again = tmp_path / "b.h5"
    options = ["--seconds", "0.15", "--out", str(again)]
    assert main(["record", str(tmp_path / "a.h5"), *options]) == 0
    assert capsys.readouterr().out.startswith("Recorded ")
    source = open_source(str(again), real_time=False)
    source.start()
    assert identical(source.read(1.0).colour, frames[0].colour)
    source.close()
    assert main(["record", str(tmp_path / "a.h5"), *options]) == 2
    assert "b.h5: is there already" in capsys.readouterr().err


def test_recover_by_command(tmp_path, capsys, monkeypatch) -> None:
    def keep(*_):
        raise OSError(None, "not now")

    with monkeypatch.context() as patch:
        patch.setattr("ultrasound_console.record.recorder.recover", keep)
        record(tmp_path / "a.h5", [channel_frame(k, SMALL) for k in range(3)])
    assert main(["recover", str(tmp_path / "a.h5.part")]) == 0
    assert capsys.readouterr().out == "recovered 3 frames, 0.1 s: a.h5\n"
    assert main(["recover", str(tmp_path / "a.h5.part")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["recover", str(tmp_path / "a.h5")]) == 2
    assert "not the journal" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--seconds", "0"], ["--seconds", "nan"], ["--out", "none/a.h5"]]
)
def test_wrong_words(wrong, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--seconds", "1", "--out", "a.h5", *wrong]
    assert main(["record", "simulated:straight-tube", *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1
