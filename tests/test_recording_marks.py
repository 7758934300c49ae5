"""Notes and folds by hand inside recordings: they come back, survive a crash, and cannot lie."""

import dataclasses
import json
import os
import struct

import h5py
import numpy as np
import pytest
from recorded import GRID, acquisition, channel_frame, identical, iq_frame
from test_engine import Rig

from ultrasound_console import front_end as front_end_module
from ultrasound_console.__main__ import main
from ultrasound_console.dsp.quantise import quantise
from ultrasound_console.frames import Correction, Status
from ultrasound_console.record.content import Content, Taken
from ultrasound_console.record.convert import recover
from ultrasound_console.record.journal import JournalReader, Kind, RecordError
from ultrasound_console.record.marks import (
    MAX_NOTES,
    Note,
    correction_pieces,
    notes_from,
    read_correction,
    told_notes,
)
from ultrasound_console.record.recorder import Phase, Recorder
from ultrasound_console.settings import Settings
from ultrasound_console.sources import Annotated, SourceError, open_source

OF = acquisition()
PLAQUE = Note("plaque", (0.001, 0.012), (0.004, 0.008))
JET = Note("jet ½ \N{GREEK SMALL LETTER ALPHA}", (-0.002, 0.01), (-0.003, 0.006))


def given(seed: int, shape=GRID.shape) -> Correction:
    rng = np.random.default_rng(seed)
    where = rng.random(shape) < 0.3
    return Correction(np.where(where, rng.normal(size=shape), 0.0).astype(np.float32), where)


def same(one: Correction, other: Correction) -> bool:
    return identical(one.given, other.given) and identical(one.velocity_m_s, other.velocity_m_s)


def marked(path) -> Recorder:
    """Record four frames: notes come, change and stay; frames 11 and 13 are corrected."""
    recorder = Recorder(path)
    recorder.annotate((JET,))
    recorder.annotate((PLAQUE,))
    recorder.take(channel_frame(10, OF))
    recorder.take(channel_frame(11, OF))
    recorder.annotate((PLAQUE,))
    recorder.correct(11, given(1))
    recorder.correct(11, given(2))
    recorder.correct(10, given(3))
    recorder.take(channel_frame(12, OF))
    recorder.correct(10, None)
    recorder.correct(7, given(4))  # from before the recording
    recorder.take(dataclasses.replace(channel_frame(13, OF), by_hand=given(5)))
    recorder.annotate((JET, PLAQUE))
    recorder.start()
    return recorder


def check(path) -> None:
    source = open_source(str(path), real_time=False)
    assert isinstance(source, Annotated)
    assert source.annotations == (JET, PLAQUE)
    source.start()
    frames = [source.read(1.0) for _ in range(4)]
    assert [frame.by_hand is None for frame in frames] == [True, False, True, False]
    assert same(frames[1].by_hand, given(2))
    assert same(frames[3].by_hand, given(5))
    source.close()


def test_notes_and_folds_come_back(tmp_path) -> None:
    recorder = marked(tmp_path / "a.h5")
    recorder.stop()
    status = recorder.wait()
    assert (status.phase, status.n_frames, status.n_lost) == (Phase.DONE, 4, 0)
    check(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["ultrasound_console"]
        noted = json.loads(group["annotations"][()].tobytes())["annotations"]
        assert [(one["before_row"], len(one["notes"])) for one in noted] == [(0, 1), (4, 2)]
        assert noted[0]["notes"] == [
            {"text": "plaque", "tip_m": [0.001, 0.012], "text_m": [0.004, 0.008]}
        ]
        assert sorted(group["by_hand"]) == ["frame_1", "frame_3"]
        assert group["by_hand/frame_1/given"].dtype == np.uint8


def test_what_is_saved_of_the_loop_has_them(tmp_path) -> None:
    made = [dataclasses.replace(iq_frame(k, OF), by_hand=given(k) if k else None) for k in range(2)]
    recorder = Recorder(tmp_path / "a.h5", Content.IQ)
    recorder.annotate((JET,))
    quantised = [Taken.beamformed(quantise(iq.iq, OF.n_pulses), iq, 0.0) for iq in made]
    recorder.save([(taken, Settings()) for taken in quantised])
    assert recorder.wait().phase is Phase.DONE
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    assert source.annotations == (JET,)
    assert source.read(1.0).by_hand is None
    assert same(source.read(1.0).by_hand, given(1))
    source.close()


def test_a_recording_of_a_recording_has_its_notes(tmp_path, capsys) -> None:
    recorder = marked(tmp_path / "a.h5")
    recorder.stop()
    recorder.wait()
    options = ["--seconds", "0.05", "--out", str(tmp_path / "b.h5")]
    assert main(["record", str(tmp_path / "a.h5"), *options]) == 0
    assert capsys.readouterr().out.startswith("Recorded ")
    source = open_source(str(tmp_path / "b.h5"), real_time=False)
    assert source.annotations == (JET, PLAQUE)
    source.close()


def test_nothing_is_written_where_nobody_added_anything(tmp_path) -> None:
    recorder = Recorder(tmp_path / "a.h5")
    recorder.annotate(())
    recorder.take(channel_frame(0, OF))
    recorder.start()
    recorder.stop()
    recorder.wait()
    with h5py.File(tmp_path / "a.h5") as file:
        assert not {"annotations", "by_hand"} & set(file["ultrasound_console"])


def test_a_kill_loses_none_that_were_written(tmp_path, monkeypatch) -> None:
    """The journal alone has them, also those that came after the last frame."""

    def keep(*_):
        raise OSError(None, "not now")

    monkeypatch.setattr("ultrasound_console.record.recorder.recover", keep)
    recorder = marked(tmp_path / "a.h5")
    recorder.stop()
    assert recorder.wait().phase is Phase.KEPT
    journal = tmp_path / "a.h5.part"
    with JournalReader(journal) as reader:
        ends = {one.kind: reader.n_good_bytes for one in reader}
    os.truncate(journal, ends[Kind.NOTES])  # killed before the end was written
    recovered = recover(journal)
    assert (recovered.n_frames, bool(recovered.missing)) == (4, True)
    check(recovered.path)


def test_notes_that_cannot_be_read_cost_no_frame(tmp_path) -> None:
    recorder = Recorder(tmp_path / "a.h5")
    recorder.annotate((PLAQUE,))
    recorder.take(channel_frame(10, OF))
    recorder.annotate((Note("x" * 1000, PLAQUE.tip_m, PLAQUE.text_m),))
    recorder.take(channel_frame(11, OF))
    recorder.start()
    recorder.stop()
    done = recorder.wait()
    assert (done.phase, done.n_frames) == (Phase.DONE, 2)
    with h5py.File(tmp_path / "a.h5") as file:
        about = json.loads(file["ultrasound_console/about"][()].tobytes())
    assert about["missing"].startswith("notes could not be read")
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    assert source.annotations == (PLAQUE,)
    source.start()
    assert [source.read(1.0) is not None for _ in range(2)] == [True, True]
    source.close()


def test_in_another_box_they_are_of_other_pixels(tmp_path) -> None:
    recorder = marked(tmp_path / "a.h5")
    recorder.stop()
    recorder.wait()
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    start = source.defaults(Settings().acquisition)
    source.configure(dataclasses.replace(start, box_top_m=0.008))
    source.start()
    assert [source.read(1.0).by_hand for _ in range(4)] == [None] * 4
    source.close()


def test_folds_that_were_given_on_a_coarser_grid(tmp_path) -> None:
    """The picture was coarser, to keep the frame rate: each pixel has those of its nearest."""
    coarse = given(6, (6, 5))
    recorder = Recorder(tmp_path / "a.h5")
    recorder.take(channel_frame(0, OF))
    recorder.correct(0, coarse)
    recorder.start()
    recorder.stop()
    recorder.wait()
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    fine = source.read(1.0).by_hand
    source.close()
    assert fine.given.shape == GRID.shape == (12, 10)
    corners = np.ix_((0, -1), (0, -1))
    assert identical(fine.velocity_m_s[corners], coarse.velocity_m_s[corners])
    assert same(fine.on((6, 5)), coarse)


def test_the_engine_shows_them_again_and_lets_them_be_changed(monkeypatch, tmp_path) -> None:
    rig = Rig(monkeypatch, Settings().replace(dealias_method="continuity", compute="cpu"))
    try:
        rig.open()
        first = rig.next_frame()
        flow = first.status != Status.NO_FLOW
        fold_up = first.velocity_m_s + np.float32(2.0 * first.nyquist_velocity_m_s)
        correction = Correction(np.where(flow, fold_up, np.float32(0.0)), flow)
        rig.engine.correct(first.index, correction)
        recorder = Recorder(tmp_path / "a.h5", Content.IQ)
        recorder.annotate((PLAQUE,))
        recorder.start()
        recorder.take_iq(*rig.engine.cine.kept(first.index))
        recorder.stop()
        recorder.wait()
        monkeypatch.setattr(front_end_module, "open_source", open_source)
        rig.open(str(tmp_path / "a.h5"))
        rig.until(lambda: rig.frames[-1].acquisition.source == "a.h5")
        again = rig.frames[-1]
        assert rig.notices[-1].annotations == (PLAQUE,)
        by_hand = again.status == Status.BY_HAND
        assert np.count_nonzero(by_hand & flow) > 0.9 * np.count_nonzero(flow)
        assert np.all(again.fold[by_hand] == 1)
        assert same(rig.engine.cine.correction(again.index), correction)
        rig.engine.cine.correct(again.index, None)
        assert not np.any(rig.engine.cine.frame(again.index).status == Status.BY_HAND)
        assert rig.engine.cine.kept(again.index)[1].by_hand is None
    finally:
        rig.engine.close()


def test_records_that_lie() -> None:
    whole = b"".join(correction_pieces(3, given(1)))
    assert same(read_correction(whole)[1], given(1))
    assert read_correction(b"".join(correction_pieces(3, None))) == (3, None)
    endless = given(1)
    endless.velocity_m_s[endless.given] = np.nan
    for wrong in (
        b"",
        whole[:20],
        whole[:-1],
        whole + b"0",
        struct.pack("<qII", 3, 2**31, 2**31),
        b"".join(correction_pieces(3, endless)),
    ):
        with pytest.raises(RecordError):
            read_correction(wrong)
    note = told_notes((JET,))[0]
    assert notes_from([note]) == (JET,)
    for wrong in (
        None,
        [note] * (MAX_NOTES + 1),
        [{**note, "text": ""}],
        [{**note, "text": "x" * 41}],
        [{**note, "tip_m": [0.0, 11.0]}],
        [{**note, "tip_m": [0.0, None]}],
        [{**note, "tip_m": [0.0, float("nan")]}],
        [{**note, "tip_m": [0.0]}],
        [{"text": "x"}],
    ):
        with pytest.raises(RecordError):
            notes_from(wrong)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("annotations", np.frombuffer(b'{"annotations": [7]}', np.uint8), "annotations"),
        ("annotations", np.frombuffer(b"[]", np.uint8), "no group"),
        ("by_hand/frame_1/given", np.ones((3, 3), np.uint8), "by_hand/frame_1/given"),
        ("by_hand/frame_1/velocity_m_s", np.full(GRID.shape, np.nan, np.float32), "by hand"),
        ("by_hand/frame_1/velocity_m_s", None, "by_hand/frame_1/velocity_m_s"),
    ],
)
def test_files_that_lie(name, value, says, tmp_path) -> None:
    recorder = marked(tmp_path / "a.h5")
    recorder.stop()
    recorder.wait()
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file[f"ultrasound_console/{name}"]
        if value is not None:
            file[f"ultrasound_console/{name}"] = value

    def replay():
        source = open_source(str(tmp_path / "a.h5"), real_time=False)
        try:
            source.start()
            for _ in range(4):
                source.read(1.0)
        finally:
            source.close()

    with pytest.raises(SourceError, match=says):
        replay()
