"""What the positions of a control mean."""

import dataclasses
import itertools
import math

import pytest
from frames_for_tests import make_acquisition
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.declared import Choice, Range, SettingError, Switch
from ultrasound_console.settings import SPECS, Settings
from ultrasound_console.ui.control_panel import EVERYDAY, GROUPS
from ultrasound_console.ui.steps import declared_steps, prf_steps, typed_value, value_text


@pytest.mark.parametrize("name", SPECS)
def test_every_position_is_a_value_that_the_settings_take(name):
    steps = declared_steps(name)
    for value in steps.values:
        assert Settings().replace(**{name: value}).get(name) == value
    for position in (0, len(steps.values) // 2, len(steps.values) - 1):
        assert steps.position(steps.values[position]) == position


@pytest.mark.parametrize("name", [n for n, spec in SPECS.items() if isinstance(spec, Range)])
def test_positions_reach_from_limit_to_limit_in_even_steps(name):
    spec, steps = SPECS[name], declared_steps(name)
    assert steps.values[0] == pytest.approx(spec.low, abs=1e-9)
    assert steps.values[-1] == spec.high
    gaps = [b - a for a, b in itertools.pairwise(steps.values)]
    assert gaps == pytest.approx([spec.step] * len(gaps), rel=0.51)
    if spec.low < 0:
        assert steps.values[steps.origin] == pytest.approx(0.0, abs=1e-9)


def test_the_kinds_of_control_follow_the_declaration():
    assert declared_steps("dealias").values == (False, True)
    assert isinstance(SPECS["dealias"], Switch)
    assert isinstance(SPECS["wall_filter"], Choice)
    assert declared_steps("wall_filter").values == SPECS["wall_filter"].options


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("colour_scale_m_s", 0.0, "auto"),
        ("colour_scale_m_s", 0.45, "45 cm/s"),
        ("baseline", -0.25, "−0.25 v_N"),
        ("baseline", 0.25, "+0.25 v_N"),
        ("prf_hz", 2750.0, "2.75 kHz"),
        ("steering_rad", math.radians(-15), "−15 deg"),
        ("ensemble", 0, "all"),
        ("transmit_frequency_hz", 0.0, "mid-band"),
        ("dealias", True, "on"),
        ("wall_filter", "none", "none"),
    ],
)
def test_values_read_as_a_person_writes_them(name, value, text):
    assert value_text(name, value) == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("prf_hz", "2.5", 2500.0),
        ("prf_hz", " 2,75 kHz ", 2750.0),
        ("steering_rad", "−12 deg", math.radians(-12.0)),
        ("colour_scale_m_s", "Auto", 0.0),
        ("colour_scale_m_s", "45", 0.45),
        ("ensemble", "all", 0),
        ("ensemble", "8", 8),
        ("persistence_s", "150", 0.15),
        ("baseline", "-.25", -0.25),
        # The screen rounds 20 degrees down in radians.
        ("steering_rad", "20", math.radians(20.0)),
    ],
)
def test_a_number_is_read_as_the_screen_shows_it(name, text, value):
    assert typed_value(name, text) == pytest.approx(value, rel=1e-12)
    assert Settings().replace(**{name: typed_value(name, text)})


@pytest.mark.parametrize("text", ["", "fast", "0.01", "51", "nan", "1e999", "2.5 m", "2 5"])
def test_a_number_that_cannot_be_had_is_refused_with_the_limits(text):
    with pytest.raises(SettingError, match=r"^PRF: give 0\.10 kHz to 50\.00 kHz$"):
        typed_value("prf_hz", text)


@given(st.sampled_from([n for n, spec in SPECS.items() if isinstance(spec, Range)]), st.data())
def test_what_is_shown_can_be_typed_again(name, data):
    value = data.draw(st.sampled_from(declared_steps(name).values))
    assert value_text(name, typed_value(name, value_text(name, value))) == value_text(name, value)


def test_prf_steps_of_a_live_source_end_at_what_the_depth_allows():
    values = prf_steps(make_acquisition()).values
    assert values[0] == SPECS["prf_hz"].low
    assert values[-1] == 12000.0
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert max(ratios) <= 1.26


def test_prf_steps_of_a_recording_are_its_own():
    choices = tuple(6000.0 / k for k in (1, 2, 3, 4, 80))
    recording = dataclasses.replace(make_acquisition(), prf_choices_hz=choices)
    # 75 Hz is below what the settings take.
    assert prf_steps(recording).values == (1500.0, 2000.0, 3000.0, 6000.0)


@given(st.floats(100.0, 12000.0))
def test_the_nearest_prf_is_chosen(prf_hz):
    steps = prf_steps(make_acquisition())
    nearest = steps.values[steps.position(prf_hz)]
    assert abs(nearest - prf_hz) == min(abs(value - prf_hz) for value in steps.values)


def test_every_setting_has_its_place_among_the_controls():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(SPECS)
    assert set(EVERYDAY) <= set(SPECS)
