import dataclasses
import json

import h5py
import numpy as np
import pytest
from frames_for_tests import RECTANGLE, SECTOR, SECTOR_BMODE, SHEARED, make_frame

from ultrasound_console.accuracy import Accuracy, Counts, score
from ultrasound_console.export.results import ResultsWriter
from ultrasound_console.frames import Status
from ultrasound_console.settings import Settings


def write(path, frames):
    with ResultsWriter(path, frames[0].acquisition, Settings()) as writer:
        for frame in frames:
            writer.append(frame)


def test_planes_and_attributes_come_back(tmp_path):
    path = tmp_path / "out.h5"
    frames = [make_frame(index) for index in range(3)]
    write(path, frames)
    with h5py.File(path) as file:
        for name in ("velocity_m_s", "corrected_m_s", "power_db", "bandwidth", "confidence"):
            assert file[name].shape == (3, *SHEARED.shape)
            assert file[name].dtype == np.float32
            np.testing.assert_array_equal(file[name][1], getattr(frames[1], name))
        assert file["fold"].dtype == np.int8
        assert file["status"].dtype == np.uint8
        v_n = file.attrs["nyquist_velocity_m_s"]
        np.testing.assert_allclose(
            file["corrected_m_s"][:], file["velocity_m_s"][:] + 2 * v_n * file["fold"][:], atol=1e-6
        )
        assert v_n == pytest.approx(1540.0 * 3000.0 / (4 * 6.5e6))
        assert file.attrs["kind"] == "parallelogram"
        assert file.attrs["angle_rad"] == SHEARED.angle_rad
        assert tuple(file.attrs["range_m"]) == SHEARED.range_m
        assert Settings.from_dict(json.loads(file.attrs["settings"])) == (Settings(), ())
        np.testing.assert_allclose(file["x_m"], np.linspace(*SHEARED.lines, SHEARED.n_lines))
        np.testing.assert_allclose(file["z_m"], np.linspace(*SHEARED.range_m, SHEARED.n_depths))
        np.testing.assert_array_equal(file["frame_prf_hz"], 3000.0)
        assert file["time_s"].shape == (3,)
    assert [item.name for item in tmp_path.iterdir()] == ["out.h5"]


def test_bmode_is_sampled_where_the_colour_is(tmp_path):
    path = tmp_path / "out.h5"
    frame = make_frame(0)
    write(path, [frame])
    with h5py.File(path) as file:
        stored = file["bmode_db"][0]
    assert stored.shape == SHEARED.shape
    row, line = 80, 70
    at = frame.acquisition.bmode_grid.indices(*SHEARED.positions_m(row, line))
    nearest = frame.bmode_db[tuple(int(i) for i in at)]
    neighbours = frame.bmode_db[int(at[0]) : int(at[0]) + 2, int(at[1]) : int(at[1]) + 2]
    assert neighbours.min() - 1e-4 <= stored[row, line] <= neighbours.max() + 1e-4
    assert np.isfinite(nearest)


def test_frames_with_a_truth_are_scored(tmp_path):
    frames = [make_frame(index, noise=0.2) for index in range(3)]
    write(tmp_path / "scored.h5", frames)
    total, error = Accuracy(), None
    for frame in frames:
        one, error = score(
            frame.velocity_m_s, frame.fold, frame.truth_m_s, frame.score.region,
            frame.nyquist_velocity_m_s, abstained=frame.status == Status.ABSTAINED, previous=error,
        )  # fmt: skip
        total += one
    with h5py.File(tmp_path / "scored.h5") as file:
        summary = json.loads(file.attrs["accuracy"])
        shares = file["accuracy/shown/wrong_share"][:]
        rms = file["accuracy/lumen/corrected_rms_nyquist"][:]
        np.testing.assert_array_equal(file["truth_m_s"][2], frames[2].truth_m_s)
        np.testing.assert_array_equal(file["vessel_mask"][2], frames[2].vessel_mask)
    assert shares == pytest.approx([frame.score.shown.wrong_share for frame in frames])
    assert rms == pytest.approx([frame.score.lumen.corrected_rms_nyquist for frame in frames])
    assert shares.max() > 0
    assert summary["lumen"]["n_pixels"] == total.all.n_pixels
    assert summary["blind"]["n_pixels"] == total.blind.n_pixels
    assert summary["lumen"]["wrong_share"] == pytest.approx(total.all.wrong_share)
    assert summary["lumen"]["flip_share"] == pytest.approx(total.all.flip_share)
    pooled = sum((frame.score.shown for frame in frames), Counts())
    assert summary["shown"]["corrected_bias_nyquist"] == pytest.approx(
        pooled.corrected_bias_nyquist
    )
    assert summary["shown"]["flip_share"] is None  # nothing to count: JSON knows no NaN


def test_frames_without_a_truth_are_not(tmp_path):
    frame = dataclasses.replace(make_frame(0), truth_m_s=None, vessel_mask=None, score=None)
    write(tmp_path / "out.h5", [frame])
    with h5py.File(tmp_path / "out.h5") as file:
        assert not {"accuracy", "truth_m_s", "vessel_mask"} & set(file)
        assert "accuracy" not in file.attrs


def test_the_frequency_factor_is_kept_where_there_is_one(tmp_path):
    frames = [make_frame(index) for index in range(2)]
    factor = np.linspace(0.8, 1.2, frames[0].fold.size, dtype=np.float32).reshape(SHEARED.shape)
    write(tmp_path / "without.h5", frames)
    frames = [dataclasses.replace(frame, frequency_factor=factor) for frame in frames]
    write(tmp_path / "with.h5", frames)
    with h5py.File(tmp_path / "without.h5") as without, h5py.File(tmp_path / "with.h5") as file:
        assert "frequency_factor" not in without
        np.testing.assert_array_equal(file["frequency_factor"][1], factor)
        np.testing.assert_array_equal(file["velocity_m_s"], without["velocity_m_s"])


@pytest.mark.parametrize(("grid", "kind"), [(RECTANGLE, "rectangle"), (SECTOR, "polar")])
def test_the_grid_is_named(tmp_path, grid, kind):
    path = tmp_path / "out.h5"
    bmode_grid = SECTOR_BMODE if kind == "polar" else RECTANGLE
    write(path, [make_frame(0, colour_grid=grid, bmode_grid=bmode_grid)])
    with h5py.File(path) as file:
        assert file.attrs["kind"] == kind
        assert tuple(file.attrs["apex"]) == grid.apex_m
        if kind == "polar":
            # As the document says where a sample is.
            line_rad, range_m = file["line_rad"][2], file["range_from_apex_m"][5]
            place_m = (
                grid.apex_m[0] + range_m * np.sin(line_rad),
                grid.apex_m[1] + range_m * np.cos(line_rad),
            )
            wanted = [float(one) for one in grid.positions_m(5, 2)]
            assert place_m == pytest.approx(wanted)
            assert "x_m" not in file
        else:
            assert "line_rad" not in file


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "out.h5"
    path.write_bytes(b"older result")
    with (
        pytest.raises(RuntimeError, match="midway"),
        ResultsWriter(path, make_frame(0).acquisition, Settings()) as writer,
    ):
        writer.append(make_frame(0))
        raise RuntimeError("midway")
    assert path.read_bytes() == b"older result"
    assert [item.name for item in tmp_path.iterdir()] == ["out.h5"]


def test_frames_of_another_grid_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="same colour grid"),
        ResultsWriter(tmp_path / "out.h5", make_frame(0).acquisition, Settings()) as writer,
    ):
        writer.append(make_frame(0, colour_grid=RECTANGLE))
