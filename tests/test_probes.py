"""Probes as data: the files that are shipped, and what is said about those that cannot be used."""

import json

import pytest

from ultrasound_console.assets import AssetError, probe_file, probe_names
from ultrasound_console.declared import SettingError
from ultrasound_console.settings import SPECS, AcquisitionSettings
from ultrasound_console.simulation.probes import load_probe, read_probe
from ultrasound_console.simulation.scenes import EDGE_M

FIELDS = json.loads(probe_file("l7-4").read_text(encoding="utf-8"))


def written(folder, **changes):
    path = folder / "mine.json"
    data = {name: value for name, value in (FIELDS | changes).items() if value is not None}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_the_probes_of_the_field_are_there():
    assert {"al2442", "l11-4v", "l7-4"} <= set(probe_names())
    us4us, l11, l7 = (load_probe(name) for name in ("al2442", "l11-4v", "l7-4"))
    assert us4us.n_elements == 192
    assert us4us.pitch_m == pytest.approx(0.21e-3)
    assert l11.n_elements == l7.n_elements == 128
    assert l11.pitch_m == pytest.approx(0.3e-3)
    assert l7.pitch_m == pytest.approx(0.298e-3)
    assert l7.element_width_m == pytest.approx(0.25e-3)
    assert l7.center_frequency_hz == pytest.approx(5.208e6)


@pytest.mark.parametrize("name", probe_names())
def test_every_shipped_probe_makes_sense(name):
    probe = load_probe(name)
    assert probe.element_width_m <= probe.pitch_m
    # Tissue is simulated beyond the ends of the array.
    assert probe.element_x_m[-1] < (EDGE_M if probe.center_of_curvature_m is None else 0.03)
    assert probe.element_x_m[0] == pytest.approx(-probe.element_x_m[-1])
    assert max(probe.element_z_m) <= 0.0
    assert (set(probe.element_z_m) == {0.0}) == (name != "c5-2")
    assert probe.is_phased == (name == "p4-2")
    facts = json.loads(probe_file(name).read_text(encoding="utf-8"))["facts"]
    assert len(facts) > 80


def test_probes_are_chosen_by_name():
    assert SPECS["probe"].options == probe_names()
    assert AcquisitionSettings().probe == "l7-4"
    with pytest.raises(SettingError, match=r"probe = 'l99'.*al2442"):
        AcquisitionSettings(probe="l99")
    with pytest.raises(AssetError, match=r"no probe 'l99': take one of al2442"):
        load_probe("l99")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pitch_mm": None}, "no field 'pitch_mm'; give a number from 0.01 to 5"),
        ({"pitch_mm": "0.3"}, "field 'pitch_mm' is '0.3'; give a number"),
        ({"pitch_mm": float("nan")}, "field 'pitch_mm' is nan"),
        ({"pitch_mm": 0.0}, "field 'pitch_mm' is 0; give a number from 0.01"),
        ({"n_elements": 127.5}, "field 'n_elements' is 127.5; give a whole number"),
        ({"n_elements": True}, "field 'n_elements' is True"),
        ({"converter_bits": 24}, "field 'converter_bits' is 24; give a whole number from 8 to 16"),
        ({"fractional_bandwidth": 60}, "'fractional_bandwidth' is 60; give a number from 0.05"),
        ({"facts": " "}, "field 'facts' should be a text"),
        ({"name": 7}, "field 'name' should be a text"),
        ({"radius": 40.0}, "unknown field 'radius'; take it out"),
        ({"radius_mm": 1.0}, "field 'radius_mm' is 1; give a number from 5 to 500"),
    ],
)
def test_a_wrong_field_is_named_with_the_way_out(tmp_path, change, message):
    with pytest.raises(AssetError) as error:
        read_probe(written(tmp_path, **change))
    assert str(error.value).startswith("mine.json: ")
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"l7-4"'])
def test_a_file_that_is_no_object_is_named(tmp_path, text):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssetError, match=r"mine\.json.*should be a JSON object"):
        read_probe(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AssetError, match=r"mine\.json"):
        read_probe(tmp_path / "mine.json")
