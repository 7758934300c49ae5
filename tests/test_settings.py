import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.arguments import parse_assignment
from ultrasound_console.declared import Choice, Range, SettingError, Switch
from ultrasound_console.settings import SPECS, Settings, changes_from, group_of
from ultrasound_console.store import SettingsStore


@pytest.mark.parametrize("name", SPECS)
def test_every_setting_is_described_and_its_default_is_allowed(name):
    spec, default = SPECS[name], Settings().get(name)
    assert spec.label
    assert spec.description.endswith(".")
    match spec:
        case Range():
            assert spec.low <= default <= spec.high
            assert spec.step > 0
        case Choice():
            assert default in spec.options
        case Switch():
            assert isinstance(default, bool)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if isinstance(spec, Range)])
def test_a_number_outside_its_range_is_refused_by_name(name):
    spec = SPECS[name]
    for bad in (spec.low - 1.0, spec.high + 1.0, math.nan, math.inf, True, "many"):
        with pytest.raises(SettingError, match=name):
            Settings().replace(**{name: bad})


def test_whole_numbers_stay_whole():
    assert Settings().replace(ensemble=8.0).acquisition.ensemble == 8
    with pytest.raises(SettingError, match="whole number"):
        Settings().replace(ensemble=8.5)


def test_numbers_of_an_array_become_plain_ones():
    changed = Settings().replace(prf_hz=np.float32(2500.5), ensemble=np.int64(8))
    assert type(changed.acquisition.prf_hz) is float
    assert type(changed.acquisition.ensemble) is int


def test_replace_finds_the_group():
    changed = Settings().replace(prf_hz=5000, wall_filter="none", invert=True)
    assert changed.acquisition.prf_hz == 5000.0
    assert changed.processing.wall_filter == "none"
    assert changed.display.invert is True
    assert group_of("dealias") == "processing"


@given(st.sampled_from(sorted(SPECS)), st.data())
def test_settings_survive_a_round_trip(name, data):
    spec = SPECS[name]
    match spec:
        case Range() if isinstance(Settings().get(name), int):
            value = data.draw(st.integers(int(spec.low), int(spec.high)))
        case Range():
            value = data.draw(st.floats(spec.low, spec.high))
        case Choice():
            value = data.draw(st.sampled_from(spec.options))
        case Switch():
            value = data.draw(st.booleans())
    changed = Settings().replace(**{name: value})
    assert Settings.from_dict(changed.to_dict()) == (changed, ())


def test_bad_entries_of_a_file_are_dropped_and_named():
    settings, warnings = Settings.from_dict(
        {"acquisition": {"prf_hz": 5000.0, "nonsense": 1}, "display": {"baseline": 7.0}, "x": 3}
    )
    assert settings == Settings().replace(prf_hz=5000.0)
    assert len(warnings) == 3
    assert "nonsense" in warnings[0]
    assert "baseline" in warnings[1]


@pytest.mark.parametrize(
    "value",
    [10**400, 16**5000, [], {"a": {}}, None, "", b"x", float("nan"), True],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("name", ["prf_hz", "self", "wall_filter"])
def test_whatever_stands_in_a_file_is_dropped_in_words(name, value):
    changes, warnings = changes_from({"acquisition": {name: value}})
    assert changes == {}
    assert all(line.startswith("dropped: ") and "\n" not in line for line in warnings)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wall_filter=none", ("wall_filter", "none")),
        (" ensemble = 0 ", ("ensemble", 0.0)),
        ("dealias=off", ("dealias", False)),
        ("invert=TRUE", ("invert", True)),
    ],
)
def test_assignments_parse(text, expected):
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["prf_hz", "nonsense=1", "prf_hz=fast", "dealias=maybe"])
def test_bad_assignments_are_refused(text):
    with pytest.raises(SettingError):
        parse_assignment(text)


def test_shown_text_has_the_unit_of_the_screen():
    assert SPECS["colour_scale_m_s"].text(0.456) == "46 cm/s"
    assert SPECS["prf_hz"].text(3000.0) == "3.00 kHz"
    assert SPECS["steering_rad"].text(math.radians(-12)) == "-12 deg"


def test_gains_along_depth_go_from_the_probe_down():
    display = Settings().replace(tgc_1_db=-3.0, tgc_8_db=7.5).display
    assert display.tgc_db == (-3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.5)


def test_undo_goes_from_commit_to_commit():
    store = SettingsStore()
    first = store.current
    for prf_hz in (3500, 4000, 4500):
        store.change(prf_hz=prf_hz)
    store.commit()
    store.change(invert=True)
    store.commit()
    assert store.undo().acquisition.prf_hz == 4500
    assert store.undo() == first
    assert store.undo() == first
    assert store.redo().acquisition.prf_hz == 4500
    assert store.redo().display.invert is True
    assert store.redo().display.invert is True


def test_what_was_not_committed_is_a_step_of_its_own():
    store = SettingsStore()
    store.change(prf_hz=5000)
    assert store.undo() == Settings()
    assert store.redo() == Settings().replace(prf_hz=5000)
    store.undo()
    store.change(invert=True)
    assert store.redo() == Settings().replace(invert=True)


def test_several_values_are_one_step_apart_from_what_came_before():
    store = SettingsStore()
    store.change(invert=True)
    store.apply(prf_hz=1000.0, ensemble=16, persistence_s=0.2)
    assert store.current.acquisition.ensemble == 16
    assert store.undo() == Settings().replace(invert=True)
    assert store.undo() == Settings()
    with pytest.raises(SettingError):
        store.apply(ensemble=16, prf_hz=-1.0)
    assert store.current == Settings()


def test_a_value_that_cannot_be_had_is_not_met_again_by_undo():
    store = SettingsStore()
    store.apply(baseline=0.5)
    store.apply(prf_hz=12000.0)
    store.correct(prf_hz=3000.0)
    assert store.current == Settings().replace(baseline=0.5)
    assert store.undo() == Settings()
    assert store.redo() == Settings().replace(baseline=0.5)


def test_a_correction_leaves_a_drag_that_goes_on():
    store = SettingsStore()
    store.change(baseline=0.5)
    store.correct(prf_hz=2000.0)
    store.commit()
    assert store.undo() == Settings().replace(prf_hz=2000.0)


def test_a_new_commit_forgets_what_was_undone():
    store = SettingsStore()
    store.change(prf_hz=5000)
    store.commit()
    store.undo()
    store.change(invert=True)
    store.commit()
    assert store.redo() == Settings().replace(invert=True)


def test_a_refused_change_changes_nothing():
    store = SettingsStore()
    with pytest.raises(SettingError):
        store.change(invert=True, prf_hz=-1.0)
    assert store.current == Settings()
