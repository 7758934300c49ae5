"""What was recorded comes back: the same bits, times and acquisitions, also by the rules of zea."""

import dataclasses
import json
import math

import h5py
import numpy as np
import pytest
from recorded import acquisition, channel_frame, identical, iq_frame, record, replayed

from ultrasound_console.dsp.quantise import quantise, restore
from ultrasound_console.frames import ChannelFrame, IqFrame
from ultrasound_console.pipeline import form
from ultrasound_console.record.content import GROUP, Content
from ultrasound_console.record.journal import RecordError
from ultrasound_console.record.recorder import Phase, Recorder
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings, Settings
from ultrasound_console.sources import SourceError, open_source
from ultrasound_console.sources.zea import read_zea


def replay(path, n):
    source = open_source(str(path), real_time=False)
    source.start()
    frames = [source.read(1.0) for _ in range(n)]
    source.close()
    return source, frames


@pytest.mark.parametrize("dtype", ["int16", "float32", "complex64"])
def test_channel_samples_come_back(dtype, tmp_path) -> None:
    of = acquisition(demodulation_frequency_hz=5e6 if dtype == "complex64" else 0.0)
    made = [channel_frame(40 + k, of, dtype) for k in range(5)]
    status = record(tmp_path / "a.h5", made)
    assert (status.phase, status.n_frames, status.n_lost) == (Phase.DONE, 5, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    source, back = replay(tmp_path / "a.h5", 5)
    assert source.n_frames == 5
    for before, after in zip(made, back, strict=True):
        assert isinstance(after, ChannelFrame)
        assert identical(before.colour, after.colour)
        assert identical(before.bmode, after.bmode)
        assert after.time_s == before.time_s
        assert after.index == before.index - 40
        replayed(of, after.acquisition)
        assert not after.colour.flags.writeable


def test_without_bmode(tmp_path) -> None:
    of = acquisition(bmode_angles_rad=())
    record(tmp_path / "a.h5", [channel_frame(0, of), channel_frame(1, of)])
    assert all(frame.bmode is None for frame in replay(tmp_path / "a.h5", 2)[1])


def test_beamformed_samples_come_back(tmp_path) -> None:
    of = acquisition()
    made = [iq_frame(k, of) for k in range(3)]
    status = record(tmp_path / "a.h5", made, content=Content.IQ)
    assert (status.phase, status.n_frames) == (Phase.DONE, 3)
    for before, after in zip(made, replay(tmp_path / "a.h5", 3)[1], strict=True):
        assert isinstance(after, IqFrame)
        # Just what the loop would give back.
        assert identical(restore(quantise(before.iq, of.n_pulses)), after.iq)
        assert identical(before.bmode_power, after.bmode_power)
        assert form(after, ProcessingSettings()) is after


def test_beamformed_samples_come_back_from_files_without_maps(tmp_path) -> None:
    of = acquisition()
    made = iq_frame(0, of)
    record(tmp_path / "a.h5", [made], content=Content.IQ)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        about = json.loads(file[f"{GROUP}/about"][()].tobytes())
        layout, path = about["parts"][0]["first"], about["tracks"][0][0]
        values = file[path][()].reshape(1, *layout["shape"])
        del file[path]
        file[path] = values
    (after,) = replay(tmp_path / "a.h5", 1)[1]
    assert identical(restore(quantise(made.iq, of.n_pulses)), after.iq)


def test_a_simulated_source_comes_back(tmp_path) -> None:
    source = open_source("simulated:straight-tube", real_time=False)
    of = source.configure(dataclasses.replace(source.defaults(AcquisitionSettings()), ensemble=4))
    source.start()
    made = [source.read(60.0) for _ in range(2)]
    source.close()
    record(tmp_path / "a.h5", made)
    back = replay(tmp_path / "a.h5", 2)[1]
    for before, after in zip(made, back, strict=True):
        assert identical(before.colour, after.colour)
        assert identical(before.bmode, after.bmode)
        replayed(of, after.acquisition)
    one, other = (form(frames[0], ProcessingSettings()) for frames in (made, back))
    assert identical(one.iq, other.iq)
    assert identical(one.bmode_power, other.bmode_power)


def test_the_loop_goes_on_counting(tmp_path) -> None:
    of = acquisition()
    record(tmp_path / "a.h5", [channel_frame(k, of) for k in (3, 4, 7)])
    _, back = replay(tmp_path / "a.h5", 6)
    assert [frame.index for frame in back] == [0, 1, 4, 5, 6, 9]
    times_s = [frame.time_s for frame in back]
    assert times_s[:3] == [k * 0.03 + 1e-9 / 3 for k in (3, 4, 7)]
    # 0.03 s to the next one, 0.09 s over the gap, and the usual 0.03 s before it begins anew.
    assert times_s[3] - times_s[0] == pytest.approx(0.15)


def test_another_prf_makes_another_part(tmp_path) -> None:
    slow, fast = acquisition(), acquisition(prf_hz=6000.0, requested_prf_hz=6100.0)
    order = [slow, slow, fast, slow, fast]
    made = [channel_frame(k, of) for k, of in enumerate(order)]
    record(tmp_path / "a.h5", made)
    _, back = replay(tmp_path / "a.h5", 5)
    for before, after in zip(made, back, strict=True):
        replayed(before.acquisition, after.acquisition)
        assert identical(before.colour, after.colour)
    assert back[0].acquisition is back[1].acquisition is back[3].acquisition
    with h5py.File(tmp_path / "a.h5") as file:
        frames = file["ultrasound_console/frames"]
        assert frames["part"][()].tolist() == [0, 0, 1, 0, 1]
        assert frames["row"][()].tolist() == [0, 1, 0, 2, 1]
        assert frames["prf_hz"][()].tolist() == [of.prf_hz for of in order]
        assert frames["requested_prf_hz"][2] == 6100.0
        v_n = [of.nyquist_velocity_m_s for of in order]
        assert frames["nyquist_velocity_m_s"][()].tolist() == v_n
        labels = [file[f"tracks/track_{k}/label"].asstr()[()] for k in range(4)]
        assert labels == ["colour, part 1", "B-mode, part 1", "colour, part 2", "B-mode, part 2"]


def test_by_the_rules_of_zea(tmp_path) -> None:
    """The reader of zea files, which knows nothing of the console's group, finds the same."""
    of = acquisition()
    made = [channel_frame(k, of) for k in range(3)]
    record(tmp_path / "a.h5", made)
    found = read_zea(tmp_path / "a.h5")
    colour = np.concatenate([frame.colour for frame in made])
    assert identical(colour, found.samples)
    assert found.transmit_angle_rad == pytest.approx(0.1, abs=1e-6)
    assert found.start_time_s == pytest.approx(-1e-7, abs=1e-12)
    assert found.prf_hz == pytest.approx(3000.0, rel=1e-6)
    assert found.sound_speed_m_s == 1540.0
    assert len(found.bursts) == 3
    starts_s = found.pulse_time_s[[first for first, _ in found.bursts]]
    assert starts_s == pytest.approx([0.0, 0.03, 0.06], abs=1e-6)
    assert found.probe.element_x_m == pytest.approx(of.probe.element_x_m)
    with h5py.File(tmp_path / "a.h5") as file:
        bmode = file["tracks/track_1"]
        assert bmode["data/raw_data"].shape == (3, 3, 96, 16, 1)
        assert bmode["scan/polar_angles"][()] == pytest.approx(of.bmode_angles_rad)
        assert bmode["scan/t0_delays"][()].min() == 0.0
        assert np.all(np.isinf(bmode["scan/focus_distances"][()]))


def test_settings_are_told_frame_by_frame(tmp_path) -> None:
    of = acquisition()
    recorder = Recorder(
        tmp_path / "a.h5",
        settings=lambda: in_force[-1],
        network=lambda: "folds.onnx, sha256 0123",
    )
    in_force = [Settings().replace(wall_filter="high")]
    recorder.start()
    recorder.take(channel_frame(0, of))
    in_force.append(Settings().replace(wall_filter="low"))
    recorder.take(channel_frame(1, of))
    recorder.take(channel_frame(2, of))
    recorder.stop()
    assert recorder.wait().phase is Phase.DONE
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["ultrasound_console"]
        assert group["frames/settings"][()].tolist() == [0, 1, 1]
        assert group["frames/wall_filter"][()].tolist() == [b"high", b"low", b"low"]
        told = json.loads(group["settings"][()].tobytes())["settings"]
        assert [one["settings"] for one in told] == [each.to_dict() for each in in_force]
        assert {one["network"] for one in told} == {"folds.onnx, sha256 0123"}


def test_times_on_three_clocks(tmp_path) -> None:
    record(tmp_path / "a.h5", [channel_frame(k, acquisition()) for k in range(2)])
    with h5py.File(tmp_path / "a.h5") as file:
        frames = file["ultrasound_console/frames"]
        assert frames["received_s"][()].tolist() == [100.0, 100.03]
        assert frames["time_s"][1] == 0.03 + 1e-9 / 3
        wall_s = frames["wall_s"][()]
        assert 1.7e9 < wall_s[0] <= wall_s[1]


def test_another_source_ends_it(tmp_path) -> None:
    recorder = Recorder(tmp_path / "a.h5")
    recorder.start()
    recorder.take(channel_frame(0, acquisition()))
    recorder.take(channel_frame(1, acquisition(source="another")))
    status = recorder.wait()
    assert (status.phase, status.n_frames) == (Phase.DONE, 1)
    assert status.told.startswith("Recording ended: another source or probe. Recorded 1 frame")


def test_what_was_seen_as_one_frame_stays_one(tmp_path) -> None:
    record(tmp_path / "a.h5", [channel_frame(5, acquisition())])
    source, _ = replay(tmp_path / "a.h5", 1)
    with pytest.raises(SourceError, match="closed"):
        source.read(0.0)
    source = open_source(str(tmp_path / "a.h5"))
    assert source.configure(AcquisitionSettings()).frame_interval_s == 0.0
    source.start()
    assert source.read(1.0) is not None
    assert source.read(0.001) is None
    source.close()


def test_another_colour_box_of_channel_samples(tmp_path) -> None:
    of = acquisition()
    record(tmp_path / "a.h5", [channel_frame(k, of) for k in range(2)])
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    defaults = source.defaults(Settings().replace(box_top_m=0.008).acquisition)
    assert source.configure(defaults).colour_grid == of.colour_grid
    smaller = dataclasses.replace(defaults, box_top_m=0.008)
    grid = source.configure(smaller).colour_grid
    assert grid.range_m[0] == pytest.approx(0.008)
    assert grid.angle_rad == of.colour_grid.angle_rad
    source.close()


def test_the_name_must_be_free_and_the_folder_there(tmp_path) -> None:
    (tmp_path / "a.h5").write_text("something else")
    with pytest.raises(RecordError, match=r"a\.h5: is there already"):
        Recorder(tmp_path / "a.h5")
    with pytest.raises(RecordError, match="choose another folder"):
        Recorder(tmp_path / "none" / "a.h5")
    assert (tmp_path / "a.h5").read_text() == "something else"


def test_without_a_frame_nothing_is_left(tmp_path) -> None:
    assert record(tmp_path / "a.h5", []).phase is Phase.EMPTY
    assert list(tmp_path.iterdir()) == []


def test_damaged_samples_are_not_shown(tmp_path) -> None:
    of = acquisition()
    made = channel_frame(0, of)
    record(tmp_path / "a.h5", [made, channel_frame(1, of)])
    whole = (tmp_path / "a.h5").read_bytes()
    inside = whole.index(np.ascontiguousarray(made.colour.swapaxes(1, 2)).tobytes()[:64])
    damaged = bytearray(whole)
    damaged[inside + 7] ^= 1
    (tmp_path / "a.h5").write_bytes(damaged)
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    with pytest.raises(SourceError, match="frame 0: damaged"):
        source.read(1.0)
    source.close()


def test_figures_of_the_disk(tmp_path) -> None:
    free = [10**9]
    recorder = Recorder(tmp_path / "a.h5", free_bytes=lambda folder: free[0])
    status = recorder.status
    assert status.free_bytes == 10**9
    assert math.isinf(status.remaining_s)
    recorder.start()
    recorder.stop()
    recorder.wait()
