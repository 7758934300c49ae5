"""Settings on disk: exam presets, memory of the sources, and files that are damaged."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console import presets as presets_module
from ultrasound_console.config import ConfigError, config_folder
from ultrasound_console.flow_states import FLOW_STATES
from ultrasound_console.presets import (
    OF_THE_PLACE,
    Memory,
    Preset,
    Presets,
    Remembered,
    in_force,
    read_preset,
    write_preset,
)
from ultrasound_console.settings import SPECS, Settings

CAROTID = Settings().replace(prf_hz=4000.0, wall_filter="high", invert=True, ensemble=16)
SCENE = "simulated:stenosis"


@pytest.fixture
def presets(tmp_path):
    return Presets(tmp_path / "presets")


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "deep" / "sources.toml")


# ---- flow states ---------------------------------------------------------------------------


def test_flow_states_set_the_same_things_and_general_is_what_one_starts_with():
    low, general, high = FLOW_STATES
    assert set(low.changes) == set(general.changes) == set(high.changes)
    assert {"prf_hz", "wall_filter", "smoothing_m", "persistence_s", "ensemble"} <= set(low.changes)
    assert [state.is_in_force(Settings()) for state in FLOW_STATES] == [False, True, False]
    prfs = [Settings().replace(**state.changes).acquisition.prf_hz for state in FLOW_STATES]
    assert prfs == sorted(set(prfs))


@pytest.mark.parametrize("state", FLOW_STATES, ids=lambda state: state.name)
def test_a_flow_state_is_in_force_until_one_of_its_settings_changes(state):
    settings = Settings().replace(**state.changes)
    assert [other.is_in_force(settings) for other in FLOW_STATES].count(True) == 1
    assert state.is_in_force(settings.replace(invert=True))
    assert not state.is_in_force(settings.replace(smoothing_m=0.002))


# ---- exam presets --------------------------------------------------------------------------


def test_a_preset_comes_back_as_it_was_saved(presets):
    assert presets.names() == ()
    saved = presets.save(" Carotid, links ä ", CAROTID)
    presets.save("aorta", Settings())
    assert presets.names() == ("aorta", "Carotid, links ä")
    assert presets.read("Carotid, links ä") == (saved, ())
    assert saved.changed_in(CAROTID) == ()
    assert set(saved.changed_in(Settings())) == {"prf_hz", "wall_filter", "invert", "ensemble"}
    presets.delete("aorta")
    assert presets.names() == ("Carotid, links ä",)


def test_a_preset_leaves_the_machine_and_the_scene_alone(presets):
    changes = presets.save("x", CAROTID.replace(compute="cpu", heart_rate_hz=2.0)).changes
    assert set(changes) == set(SPECS) - set(OF_THE_PLACE)
    assert "compute" not in changes


def test_a_person_can_read_the_file_and_others_programs_too(presets):
    presets.save("x", CAROTID.replace(steering_rad=0.0, persistence_s=0.24))
    text = (presets.folder / "x.toml").read_text()
    assert "prf_hz = 4000.0  # 4.00 kHz\n" in text
    assert "persistence_s = 0.24  # 240 ms\n" in text
    assert tomllib.loads(text)["processing"]["wall_filter"] == "high"


def test_what_a_person_leaves_out_is_left_alone(tmp_path):
    path = tmp_path / "only depth.toml"
    path.write_bytes(b"\xef\xbb\xbfdepth_m = 0.03\r\n")
    assert read_preset(path) == (Preset("only depth", {"depth_m": 0.03}), ())


def test_bad_entries_are_dropped_and_named_in_one_line_each(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(
        "prf_hz = 5000\nself = 1\n[display]\nbaseline = 7.0\ninvert = 'yes'\n"
        "[processing]\nwall_filter = 'magic'\nflow_power_db = [1]\ndealias = 2020-01-01\n"
    )
    preset, warnings = read_preset(path)
    assert preset.changes == {"prf_hz": 5000.0}
    named = ("self", "baseline", "invert", "wall_filter", "flow_power_db", "dealias")
    assert len(warnings) == len(named)
    for line, name in zip(warnings, named, strict=True):
        assert name in line
        assert "\n" not in line


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"prf_hz = ",
        b"prf_hz = 1\nprf_hz = 2\n",
        b"a = " + b"[" * 20_000,
        b"a = " + b"9" * 10_000,
        b"unknown = 1\n",
        b"#" * 1_000_001,
    ],
    ids=["empty", "binary", "cut", "twice", "deep", "long", "unknown", "huge"],
)
def test_a_damaged_preset_is_one_line_and_changes_nothing(presets, tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^bad\.toml: ") as caught:
        presets.take(path)
    assert "\n" not in str(caught.value)
    assert presets.names() == ()


@given(st.binary(max_size=200))
def test_no_file_raises_anything_else(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    try:
        preset, _ = read_preset(path)
    except ConfigError:
        return
    assert Settings().replace(**preset.changes)


def test_a_damaged_preset_does_not_hide_the_others(presets):
    presets.save("good", CAROTID)
    (presets.folder / "bad.toml").write_text("[")
    assert presets.names() == ("bad", "good")
    assert [preset.name for preset in presets.readable()] == ["good"]


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", "..", "a\nb", "x" * 41, ".hidden", 'a"b', "\udcff"]
)
def test_a_name_that_is_no_file_name_is_refused(presets, name):
    with pytest.raises(ConfigError):
        presets.save(name, CAROTID)
    assert presets.names() == ()


def test_a_shared_preset_stands_beside_one_of_the_same_name(presets, tmp_path):
    path = tmp_path / "Carotid.toml"
    write_preset(path, Preset.of("Carotid", CAROTID))
    assert presets.take(path)[0].name == "Carotid"
    assert presets.take(path)[0].name == "Carotid"  # the same again
    presets.save("Carotid", Settings())
    assert presets.take(path)[0] == Preset("Carotid 2", Preset.of("", CAROTID).changes)
    assert presets.names() == ("Carotid", "Carotid 2")
    (presets.folder / "Carotid.toml").write_text("[")
    assert presets.take(path)[0].name == "Carotid 2"


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    presets = Presets(tmp_path / "file" / "presets")
    assert presets.names() == ()
    for act in (lambda: presets.save("x", CAROTID), lambda: presets.delete("x")):
        with pytest.raises(ConfigError, match="file"):
            act()


@pytest.mark.parametrize(
    ("number", "reason"), [(28, "No space left on device"), (30, "Read-only file system")]
)
def test_a_preset_that_cannot_be_written_is_one_line_and_leaves_the_one_before(
    presets, monkeypatch, number, reason
):
    presets.save("mine", Settings())
    (path,) = presets.folder.iterdir()
    before = path.read_bytes()

    def fails(self, *_, **__):
        raise OSError(number, reason, str(self))

    monkeypatch.setattr(Path, "write_text", fails)
    with pytest.raises(ConfigError) as caught:
        presets.save("mine", Settings().replace(prf_hz=4000.0))
    assert str(caught.value) == f"{path}: {reason}; check the folder and its rights"
    assert [one.read_bytes() for one in presets.folder.iterdir()] == [before]


def test_a_preset_that_fits_is_in_force_and_otherwise_the_loaded_one_is_changed():
    here, other = Preset.of("here", CAROTID), Preset.of("other", Settings())
    assert in_force(CAROTID, (other, here), None) == (here, ())
    assert in_force(CAROTID, (other, here), other) == (here, ())
    assert in_force(CAROTID.replace(baseline=0.5), (other, here), here) == (here, ("baseline",))
    assert in_force(CAROTID.replace(baseline=0.5), (other, here), None) == (None, ())
    twin = Preset("twin", here.changes)
    assert in_force(CAROTID, (here, twin), twin) == (twin, ())


# ---- memory --------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_what_names_files_is_for_the_eyes_of_its_owner(memory, tmp_path):
    memory.remember(SCENE, Remembered(CAROTID))
    (path,) = (tmp_path / "deep").iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_each_source_has_its_own_memory(memory, tmp_path):
    assert memory.recall(SCENE) == (None, ())
    memory.remember(SCENE, Remembered(CAROTID, "Carotid"))
    file = str(tmp_path / 'my "scan" \\ é.mat')
    memory.remember(file, Remembered(Settings().replace(compute="cpu")))
    again = Memory(memory.path)
    assert again.recall(SCENE) == (Remembered(CAROTID, "Carotid"), ())
    assert again.recall(file) == (Remembered(Settings().replace(compute="cpu")), ())
    assert again.recall("simulated:other") == (None, ())


def test_a_file_is_the_same_from_whatever_folder(memory, tmp_path, monkeypatch):
    memory.remember(str(tmp_path / "scan.mat"), Remembered(CAROTID))
    monkeypatch.chdir(tmp_path)
    assert memory.recall("scan.mat")[0] == Remembered(CAROTID)


@pytest.mark.parametrize("source", ["a\udcffb.mat", "a\x7fb\n\tc.mat", "simulated:random:7"])
def test_no_name_of_a_source_damages_the_memory(memory, source):
    memory.remember(SCENE, Remembered(CAROTID))
    memory.remember(source, Remembered(Settings().replace(invert=True)))
    assert memory.recall(source)[0] == Remembered(Settings().replace(invert=True))
    assert memory.recall(SCENE)[0] == Remembered(CAROTID)


def test_the_sources_used_last_are_kept(memory, monkeypatch):
    monkeypatch.setattr(presets_module, "MAX_SOURCES", 2)
    for name in ("a", "b", "a", "c"):
        memory.remember(f"simulated:{name}", Remembered(CAROTID))
    held = [memory.recall(f"simulated:{name}")[0] is not None for name in "abc"]
    assert held == [True, False, True]


def test_bad_entries_of_the_memory_are_dropped_and_the_rest_is_used(memory):
    memory.remember(SCENE, Remembered(CAROTID, "Carotid"))
    text = memory.path.read_text()
    memory.path.write_text(
        text.replace("prf_hz = 4000.0", "prf_hz = -1").replace('"Carotid"', "[1]") + "x = 1\n"
    )
    remembered, warnings = memory.recall(SCENE)
    assert remembered == Remembered(CAROTID.replace(prf_hz=3000.0))
    assert len(warnings) == 2
    memory.remember("simulated:other", Remembered(CAROTID))
    assert memory.recall(SCENE)[0] == remembered


def test_a_damaged_memory_is_one_line_and_starts_anew(memory):
    memory.remember(SCENE, Remembered(CAROTID))
    text = memory.path.read_text()
    memory.path.write_text(text[: text.rindex("=") + 1])
    remembered, warnings = memory.recall(SCENE)
    assert remembered is None
    assert len(warnings) == 1
    assert warnings[0].startswith("last settings are lost: sources.toml")
    memory.remember(SCENE, Remembered(CAROTID))
    assert memory.recall(SCENE) == (Remembered(CAROTID), ())


def test_an_entry_that_is_no_table_is_nothing(memory):
    memory.path.parent.mkdir()
    memory.path.write_text(f'"{SCENE}" = 3\n')
    assert memory.recall(SCENE) == (None, ())


def test_a_memory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        Memory(tmp_path / "file" / "sources.toml").remember(SCENE, Remembered(CAROTID))


def test_the_folder_is_the_users_own_unless_another_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ULTRASOUND_CONSOLE_CONFIG", str(tmp_path))
    assert config_folder() == tmp_path
    monkeypatch.delenv("ULTRASOUND_CONSOLE_CONFIG")
    assert config_folder().name == "ultrasound-console"
