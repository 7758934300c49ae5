"""Recording through the engine: every frame that is read; replays that change on the way."""

import dataclasses

import h5py
import pytest
from recorded import acquisition, channel_frame, identical, record
from test_engine import Rig

from ultrasound_console import front_end as front_end_module
from ultrasound_console.record.content import Content
from ultrasound_console.record.recorder import Phase, Recorder
from ultrasound_console.settings import Settings
from ultrasound_console.sources import open_source

CONTINUITY = Settings().replace(dealias_method="continuity", compute="cpu")


@pytest.fixture
def rig(monkeypatch):
    rig = Rig(monkeypatch, CONTINUITY)
    yield rig
    rig.engine.close()


def test_every_frame_that_is_read_is_handed_on(rig, tmp_path) -> None:
    """Also those that are replaced before they are shown."""
    rig.open()
    rig.next_frame()
    recorder = Recorder(tmp_path / "a.h5", settings=lambda: rig.store.current)
    recorder.start()
    rig.engine.tap(acquired=recorder.take)
    rig.source.push(20)
    rig.until(lambda: recorder.status.n_frames == 20)
    rig.engine.tap()
    rig.next_frame()
    recorder.stop()
    assert recorder.wait().n_frames == 20
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["ultrasound_console/frames/index"][()].tolist() == list(range(1, 21))


def test_iq_is_what_the_loop_holds(rig, tmp_path) -> None:
    rig.open()
    recorder = Recorder(tmp_path / "a.h5", Content.IQ)
    recorder.start()
    rig.engine.tap(kept=recorder.take_iq)
    indices = [rig.next_frame().index for _ in range(3)]
    rig.until(lambda: recorder.status.n_frames == 3)
    recorder.stop()
    assert recorder.wait().phase is Phase.DONE
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    for index in indices:
        held, back = rig.engine.cine.iq(index), source.read(1.0)
        assert identical(held.iq, back.iq)
        assert identical(held.bmode_power, back.bmode_power)
    source.close()


def test_a_replay_changes_its_prf_on_the_way(rig, monkeypatch, tmp_path) -> None:
    slow, fast = acquisition(), acquisition(prf_hz=6000.0, requested_prf_hz=6000.0)
    made = [channel_frame(k, slow if k < 2 else fast) for k in range(4)]
    made = [dataclasses.replace(f, colour=f.colour.repeat(8, 2), bmode=None) for f in made]
    record(tmp_path / "a.h5", made)
    monkeypatch.setattr(front_end_module, "open_source", open_source)
    shown: set[tuple[float, float]] = set()

    def both() -> bool:
        status = rig.engine.status()
        if rig.frames and status.acquisition is not None:
            shown.add((rig.frames[-1].acquisition.prf_hz, status.acquisition.prf_hz))
        return {(3000.0, 3000.0), (6000.0, 6000.0)} <= shown

    rig.open(str(tmp_path / "a.h5"))
    rig.until(both)
    assert rig.engine.status().acquisition.source == "a.h5"


def test_a_replay_of_iq_runs_through_the_engine(rig, monkeypatch, tmp_path) -> None:
    rig.open()
    first = rig.next_frame()
    kept = rig.engine.cine.kept(first.index)
    recorder = Recorder(tmp_path / "a.h5", Content.IQ)
    recorder.start()
    recorder.take_iq(*kept)
    recorder.stop()
    recorder.wait()
    monkeypatch.setattr(front_end_module, "open_source", open_source)
    rig.open(str(tmp_path / "a.h5"))
    rig.until(lambda: rig.frames[-1].acquisition.source == "a.h5")
    again = rig.frames[-1]
    # The loop keeps samples as int16.
    again_from_loop = rig.engine.cine.iq(again.index)
    assert identical(again_from_loop.bmode_power, kept[1].bmode_power)
    assert again.velocity_m_s == pytest.approx(first.velocity_m_s, abs=2e-3)


def test_the_recorder_takes_no_iq_for_channels(tmp_path) -> None:
    from recorded import iq_frame

    recorder = Recorder(tmp_path / "a.h5")
    recorder.start()
    recorder.take(iq_frame(0, acquisition()))
    status = recorder.wait()
    assert status.phase is Phase.EMPTY
    assert status.told == "Recording ended: this source has no channel samples; record IQ"


def test_what_no_reader_would_take_is_not_recorded(tmp_path) -> None:
    of = acquisition()
    for wrong in (
        channel_frame(0, dataclasses.replace(of, prf_hz=float("nan"))),
        channel_frame(0, dataclasses.replace(of, source="x" * 5000)),
        dataclasses.replace(channel_frame(0, of), colour=channel_frame(0, of).colour[:5]),
        dataclasses.replace(channel_frame(0, of), colour=channel_frame(0, of).colour.astype(">i4")),
    ):
        status = record(tmp_path / "a.h5", [wrong])
        assert (status.phase, status.is_error, status.n_lost) == (Phase.EMPTY, True, 1)
        assert status.told.startswith("Recording stopped: ")
        assert list(tmp_path.iterdir()) == []
