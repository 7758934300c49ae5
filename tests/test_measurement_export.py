"""The table of measurements, read back as any other program would."""

import csv
import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from frames_for_tests import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console import BANNER, __version__
from ultrasound_console.dsp.trace import CycleIndices
from ultrasound_console.export.measurements import (
    BY_HAND,
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
from ultrasound_console.ui.tools.gate_spectrum import spectrum_rows
from ultrasound_console.ui.tools.mmode_picture import Column, mmode_rows


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


def told(rows):
    return {(row.quantity, row.velocity_is): row.value for row in rows}


def test_an_m_mode_tells_peak_and_mean_of_each_frame_and_which_velocity_they_are():
    here = Conditions.of(make_frame(7))
    raw_m_s = np.array([np.nan, 0.1, -0.3])
    nothing = np.full(3, np.nan)

    def column(dealias, by_hand, corrected_m_s, raw_m_s=raw_m_s):
        frame = SimpleNamespace(processing=SimpleNamespace(dealias=dealias))
        shown = (raw_m_s, corrected_m_s)
        return Column(frame, here, raw_m_s, corrected_m_s, nothing, by_hand, shown)

    peak, mean = "peak velocity along the line", "mean velocity along the line"
    corrected_m_s = np.array([np.nan, 0.1, 0.5])
    rows = mmode_rows([column(True, False, corrected_m_s)], None)
    assert told(rows) == pytest.approx(
        {(peak, RAW): -30, (mean, RAW): -10, (peak, CORRECTED): 50, (mean, CORRECTED): 30}
    )
    rows = mmode_rows([column(False, True, corrected_m_s)], math.radians(60))
    assert told(rows) == pytest.approx(
        {(peak, RAW): -60, (mean, RAW): -20, (peak, BY_HAND): 100, (mean, BY_HAND): 60}
    )
    assert {row.conditions.angle_rad for row in rows} == {math.radians(60)}
    # What nobody looked for is not called corrected, and no flow is no value.
    assert {row.velocity_is for row in mmode_rows([column(False, False, raw_m_s)], None)} == {RAW}
    assert mmode_rows([column(True, False, nothing, nothing)], None) == []


def test_the_spectrum_of_a_gate_tells_its_indices_and_both_traces():
    indices = CycleIndices(0.8, 3.0, True, 0.9, 0.2, -0.1, 0.4, 0.25)
    line = SimpleNamespace(
        time_s=np.array([0.1, 0.2]),
        mean_m_s=np.array([0.3, np.nan]),
        envelope_m_s=np.array([0.6, 0.7]),
    )
    gate = SimpleNamespace(x_m=0.001, z_m=0.02, length_m=0.0015)
    spectrogram = SimpleNamespace(
        conditions=Conditions.of(make_frame(7)),
        frames=[SimpleNamespace(index=7, time_s=0.1), SimpleNamespace(index=9, time_s=0.19)],
        record=SimpleNamespace(description=SimpleNamespace(gate=gate, indices=indices), trace=line),
    )
    rows = spectrum_rows(spectrogram, math.radians(60))
    values = {row.quantity: (row.value, row.unit, row.velocity_is) for row in rows}
    assert values["centre z"] == pytest.approx((20.0, MM, NO_VELOCITY))
    assert values["peak systolic velocity"] == pytest.approx((180.0, CM_S, RAW))
    assert values["end diastolic velocity"] == pytest.approx((40.0, CM_S, RAW))
    assert values["time-averaged maximum velocity"] == pytest.approx((80.0, CM_S, RAW))
    assert values["time-averaged mean velocity"] == pytest.approx((50.0, CM_S, RAW))
    away = dataclasses.replace(indices, towards_probe=False)
    spectrogram.record.description.indices = away
    signed = {row.quantity: row.value for row in spectrum_rows(spectrogram, math.radians(60))}
    assert signed["peak systolic velocity"] == pytest.approx(-180.0)
    assert signed["time-averaged mean velocity"] == pytest.approx(-50.0)
    assert signed["resistance index"] == pytest.approx(values["resistance index"][0])
    # Indices are ratios: the angle changes nothing.
    assert values["resistance index"][0] == pytest.approx((0.9 - 0.2) / 0.9)
    assert values["pulsatility index"][0] == pytest.approx((0.9 + 0.1) / 0.4)
    assert values["heart cycle"] == pytest.approx((0.8, "s", NO_VELOCITY))
    traces = [
        (row.quantity.partition(" ")[0], row.conditions.frame, row.conditions.time_s, row.value)
        for row in rows
        if row.quantity.endswith("of the spectrum")
    ]
    assert traces == [
        ("mean", 7, 0.1, pytest.approx(60.0)),
        ("envelope", 7, 0.1, pytest.approx(120.0)),
        ("envelope", 9, 0.2, pytest.approx(140.0)),
    ]
