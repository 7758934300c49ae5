"""The table of measurements, read back as any other program would."""

import csv
import dataclasses
import math

import pytest
from frames_for_tests import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console import BANNER, __version__
from ultrasound_console.export.measurements import (
    CM_S,
    COLUMNS,
    CORRECTED,
    MM,
    NO_VELOCITY,
    RAW,
    Conditions,
    Row,
    write_measurements,
)


def read(path):
    """Head, and rows as dictionaries."""
    lines = path.read_text(encoding="utf-8").splitlines()
    n_head = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    return lines[:n_head], list(csv.DictReader(lines[n_head:]))


def test_values_units_and_conditions_are_read_back(tmp_path):
    frame = make_frame(7)
    angled = Conditions.of(frame, math.radians(60))
    rows = [
        Row("region", "Region 1", "mean velocity", -12.3456789, CM_S, RAW, Conditions.of(frame)),
        Row("profile", "Line 1", "velocity", 80.0, CM_S, CORRECTED, angled, position_m=0.0021),
        Row("region", "Region 1", "height", math.nan, MM, NO_VELOCITY, Conditions.of(frame)),
    ]
    path = tmp_path / "table.csv"
    write_measurements(path, rows)
    head, (mean, profile, height) = read(path)
    assert __version__ in head[0]
    assert f"# {BANNER}" in head
    assert all(line.startswith("# ") for line in head)
    assert tuple(mean) == COLUMNS
    assert mean["kind"] == "region"
    assert float(mean["value"]) == pytest.approx(-12.3456789, rel=1e-5)
    assert (mean["unit"], mean["velocity_is"]) == ("cm/s", "raw")
    assert mean["source"] == "synthetic"
    assert mean["frame"] == "7"
    assert float(mean["time_s"]) == pytest.approx(frame.time_s, abs=1e-6)
    assert float(mean["prf_hz"]) == 3000.0
    assert float(mean["nyquist_cm_s"]) == pytest.approx(100 * frame.nyquist_velocity_m_s, rel=1e-5)
    assert float(mean["center_frequency_mhz"]) == 6.5
    assert mean["wall_filter"] == frame.wall_filter
    assert (mean["angle_correction_deg"], mean["position_mm"]) == ("", "")
    assert profile["velocity_is"] == "corrected"
    assert float(profile["angle_correction_deg"]) == pytest.approx(60)
    assert float(profile["position_mm"]) == pytest.approx(2.1)
    assert (height["value"], height["velocity_is"]) == ("", "")


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
def test_any_name_comes_back_and_none_is_a_formula(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("names") / "table.csv"
    conditions = dataclasses.replace(Conditions.of(make_frame(abstained=False)), source=text)
    write_measurements(path, [Row("region", text, "mean", 1.0, CM_S, RAW, conditions)])
    with path.open(encoding="utf-8", newline="") as file:
        *_, (_, name, *others) = csv.reader(line for line in file if not line.startswith("#"))
    line = " ".join(text.split())
    assert name == (f"'{line}" if line[:1] in {*"=+-@"} else line)
    assert name in others


def test_a_table_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def rows():
        yield Row("region", "1", "mean", 1.0, CM_S, RAW, Conditions.of(make_frame()))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_measurements(path, rows())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="missing"):
        write_measurements(tmp_path / "missing" / "table.csv", [])
