"""The command line as a user types it: exit codes, one clear line, nothing half-written."""

import json
import sys

import h5py
import numpy as np
import pytest

from ultrasound_console.__main__ import _COMMANDS, main
from ultrasound_console.settings import SPECS, Settings
from ultrasound_console.ui import app


def refused(capsys, *arguments) -> str:
    """Run a command that must fail by bad input and return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ultrasound-console: ")
    return lines[0]


def test_settings_lists_every_name(capsys):
    assert main(["settings"]) == 0
    printed = capsys.readouterr().out
    for name in SPECS:
        assert f"  {name} " in printed


def test_a_missing_package_is_one_line_and_a_fault_of_ours_is_not_hidden(capsys, monkeypatch):
    def lack(name):
        def command(options):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setitem(_COMMANDS, "settings", command)

    lack("h5py")
    assert main(["settings"]) == 1
    line = "ultrasound-console: No module named 'h5py'; what mends it: "
    assert capsys.readouterr().err == f"{line}{sys.executable} -m ultrasound_console doctor\n"
    lack("ultrasound_console.nowhere")
    with pytest.raises(ModuleNotFoundError):
        main(["settings"])


def test_sources_lists_the_simulated_ones(capsys):
    assert main(["sources"]) == 0
    assert "simulated:femoral-bifurcation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulated:nowhere"], ["nowhere", "femoral-bifurcation"]),
        (["missing.mat"], ["missing.mat"]),
        (["simulated:straight-tube", "--set", "prf_hz=fast"], ["prf_hz"]),
        (
            ["simulated:straight-tube", "--set", "wall_filter=magic"],
            ["wall_filter", "polynomial-1"],
        ),
        (["simulated:straight-tube", "--set", "nonsense=1"], ["nonsense", "settings"]),
        (["simulated:straight-tube", "--prf", "nan"], ["prf_hz"]),
        (["simulated:straight-tube", "--prf", "-5"], ["prf_hz"]),
        (["simulated:straight-tube", "--prf-divisor", "2"], ["divisor 2", "a PRF"]),
        (["simulated:straight-tube", "--frames", "0"], ["--frames"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(capsys, tmp_path, arguments, words):
    line = refused(capsys, "process", *arguments, "-o", tmp_path / "out.h5")
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_first(capsys, tmp_path):
    line = refused(capsys, "process", "simulated:straight-tube", "-o", tmp_path / "no" / "out.h5")
    assert "make it first" in line
    line = refused(capsys, "process", "simulated:straight-tube", "-o", tmp_path)
    assert "folder" in line


def test_a_simulated_source_gives_truth(capsys, tmp_path):
    path = tmp_path / "out.h5"
    arguments = ["process", "simulated:straight-tube", "-o", str(path), "--frames", "2"]
    assert main([*arguments, "--prf", "5000", "--set", "wall_filter=polynomial-2"]) == 0
    with h5py.File(path) as file:
        shape = file["velocity_m_s"].shape
        assert shape == (2, file["z_m"].size, file["x_m"].size)
        names = ("corrected_m_s", "power_db", "bmode_db", "bandwidth", "confidence", "truth_m_s")
        for name in names:
            assert file[name].shape == shape
            assert file[name].dtype == np.float32
            assert np.isfinite(file[name][:]).all()
        assert file["vessel_mask"].shape == shape
        assert file["vessel_mask"][:].any()
        assert file.attrs["prf_hz"] == pytest.approx(5000.0)
        settings, _ = Settings.from_dict(json.loads(file.attrs["settings"]))
        assert settings.processing.wall_filter == "polynomial-2"
        assert np.all(np.diff(file["time_s"][:]) > 0)
        printed = json.loads(capsys.readouterr().out)
        assert printed == json.loads(file.attrs["accuracy"])
        assert 0.0 < printed["lumen"]["oracle_rms_nyquist"] < 0.5


def test_a_recording_is_thinned_by_a_whole_number(capsys, tmp_path, data_folder):
    path = tmp_path / "out.h5"
    source = str(data_folder / "PWI_disk.mat")
    assert main(["process", source, "-o", str(path), "--prf-divisor", "3"]) == 0
    assert not capsys.readouterr().out
    with h5py.File(path) as file:
        assert file.attrs["prf_hz"] == pytest.approx(10e3 / 3)
        assert file.attrs["nyquist_velocity_m_s"] == pytest.approx(0.74 / 3)
        assert np.isfinite(file["velocity_m_s"][:]).all()


def test_a_divisor_that_leaves_too_few_pulses_is_refused(capsys, tmp_path, data_folder):
    line = refused(
        capsys, "process", data_folder / "PWI_disk.mat", "-o", tmp_path / "o.h5",
        "--prf-divisor", "11",
    )  # fmt: skip
    assert "divisor 11" in line
    assert list(tmp_path.iterdir()) == []


def test_two_prfs_that_disagree_are_refused(capsys, tmp_path, data_folder):
    line = refused(
        capsys, "process", data_folder / "PWI_disk.mat", "-o", tmp_path / "o.h5",
        "--prf-divisor", "2", "--prf", "8000",
    )  # fmt: skip
    assert "10000 Hz" in line


@pytest.mark.parametrize("size", ["big", "0x100", "100", "10x-5"])
def test_a_window_size_that_is_none_is_refused(capsys, size):
    assert "--size" in refused(capsys, "run", "--size", size)


def test_a_run_that_closes_by_itself_takes_nothing_from_earlier_runs(monkeypatch):
    seen = []
    monkeypatch.setattr(app, "run_console", lambda options: seen.append(options.fresh) or 0)
    for arguments in ([], ["--fresh"], ["--seconds", "1"]):
        assert main(["run", *arguments]) == 0
    assert seen == [False, True, True]


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        ([], None),
        (["--set", "truth=on", "--fresh"], None),
        (["simulated:stenosis"], "simulated:stenosis"),
        (["--seconds", "1"], "simulated:femoral-bifurcation"),
        (["--screenshot", "a.png"], "simulated:femoral-bifurcation"),
        (["--stats", "a.json"], "simulated:femoral-bifurcation"),
        (["disc.mat", "--seconds", "1"], "disc.mat"),
    ],
)
def test_the_user_chooses_on_the_start_page_unless_nobody_is_there(monkeypatch, arguments, source):
    seen = []
    monkeypatch.setattr(app, "run_console", lambda options: seen.append(options.source) or 0)
    assert main(["run", *arguments]) == 0
    assert seen == [source]
