"""What a notebook imports: the names, the pipeline, and every line of the documentation."""

import ast
import inspect
import logging
import re
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from recordings import write_must

import ultrasound_console as uc
from ultrasound_console import segment
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLANES = ("velocity_m_s", "corrected_m_s", "power_db", "fold", "confidence", "status", "bmode_db")
LEAN = """
import sys
import ultrasound_console as uc
assert set(uc.__all__) <= set(dir(uc))
assert issubclass(uc.SettingError, ValueError)
heavy = {"numpy", "numba", "h5py", "PySide6"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture
def recording(tmp_path):
    """Ten pulses: two frames of four or five."""
    return write_must(tmp_path / "recording.mat")


def frames_of(recording, **settings):
    with closing(uc.open_source(recording)) as source, uc.Pipeline(**settings) as pipeline:
        return list(pipeline.frames(source))


def test_the_import_loads_nothing_but_what_is_asked_for():
    subprocess.run([sys.executable, "-c", LEAN], check=True)


def test_type_checkers_see_what_is_offered():
    tree = ast.parse(inspect.getsource(uc))
    (condition,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in condition.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == uc._HOMES
    assert {*seen, "BANNER"} == set(uc.__all__)
    assert all(getattr(uc, name) for name in uc.__all__)
    with pytest.raises(AttributeError, match="Pipelin"):
        uc.Pipelin  # noqa: B018 - asks for it


def test_the_documentation_runs_as_it_stands(recording, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python") > 3
    names: dict[str, object] = {}
    before = set(threading.enumerate())
    for block in blocks:
        exec(compile(block, "library.md", "exec"), names)
    assert set(threading.enumerate()) <= before
    said = capsys.readouterr().out
    aliased, fastest = re.search(r"(\d+) % aliased, ([\d.]+) m/s", said).groups()
    assert int(aliased) > 10
    nyquist_m_s = (
        uc.Pipeline(dealias=False, prf_hz=2000)
        .configure(uc.open_source("simulated:straight-tube"))
        .nyquist_velocity_m_s
    )
    assert float(fastest) > nyquist_m_s
    assert "magic" in said
    assert names["corrected_m_s"].shape == (1, *names["x_m"].shape)
    assert names["nyquist_velocity_m_s"] == pytest.approx(1480 * 8000 / (4 * 5e6))


def test_frames_are_those_of_the_chain_and_follow_one_another(recording):
    made = frames_of(recording, ensemble=4, wall_filter="polynomial-0", persistence_s=0.1)
    assert len(made) == 2
    settings = Settings().replace(
        ensemble=4, prf_hz=8000.0, wall_filter="polynomial-0", persistence_s=0.1
    )
    segmenter, previous = segment.Segmenter(), None
    with closing(uc.open_source(recording)) as source:
        source.configure(settings.acquisition)
        source.start()
        for frame in made:
            iq = form(source.read(1.0), settings.processing)
            alone = doppler(iq, settings.processing, None, segmenter)
            previous = doppler(iq, settings.processing, previous, segmenter)
            for plane in PLANES:
                np.testing.assert_array_equal(getattr(frame, plane), getattr(previous, plane))
    assert not np.array_equal(made[1].power_db, alone.power_db)
    again = frames_of(recording, ensemble=4, wall_filter="polynomial-0", persistence_s=0.1)
    np.testing.assert_array_equal(again[0].power_db, made[0].power_db)
    # What is configured anew has no frame before.
    pipeline = uc.Pipeline(ensemble=4, wall_filter="polynomial-0", persistence_s=0.1)
    with closing(uc.open_source(recording)) as source:
        next(pipeline.frames(source))
        pipeline.configure(source)
        source.start()
        _, second = source.read(1.0), source.read(1.0)
        np.testing.assert_array_equal(pipeline.process(second).power_db, alone.power_db)


def test_a_source_starts_anew_and_is_stopped_and_a_closed_pipeline_is_of_no_use(recording):
    source = uc.open_source(recording)
    pipeline = uc.Pipeline(ensemble=4, dealias_method="continuity")
    first, second = pipeline.frames(source)
    assert pipeline.settings.acquisition.prf_hz == 8000.0
    assert source.read(0.0) is None  # stopped
    np.testing.assert_array_equal(next(pipeline.frames(source)).power_db, first.power_db)
    assert second.time_s > first.time_s
    source.start()
    frame = source.read(1.0)
    assert pipeline.process(frame).index == frame.index
    pipeline.close()
    with pytest.raises(uc.PipelineError, match="closed"):
        pipeline.process(frame)
    source.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"wall_filter": "magic"}, "wall_filter = 'magic': give one of none"),
        ({"prf_hz": -1.0}, "prf_hz = -1 is outside"),
        ({"wall_fitler": "none"}, "unknown setting 'wall_fitler'"),
        ({"truth": True}, "truth is for the screen"),
        ({"prf_divisor": 0}, "PRF divisor 0: give 1 or more"),
    ],
)
def test_settings_are_refused_in_plain_words(settings, words):
    with pytest.raises(uc.SettingError, match=re.escape(words)):
        uc.Pipeline(**settings)


def test_a_source_that_cannot_follow_is_refused(recording):
    with pytest.raises(uc.SettingError, match="it is for recordings"):
        uc.Pipeline(prf_divisor=2).frames(uc.open_source("simulated:straight-tube"))
    with pytest.raises(uc.SettingError, match=r"8000 Hz; give one of the two"):
        uc.Pipeline(prf_divisor=2, prf_hz=6000).frames(uc.open_source(recording))
    with pytest.raises(uc.SettingError, match=r"too few pulses would remain; give 1 \.\.\. 3"):
        uc.Pipeline(prf_divisor=4).frames(uc.open_source(recording))
    (thinned,) = frames_of(recording, prf_divisor=2)
    assert thinned.acquisition.prf_hz == 4000.0
    with pytest.raises(ValueError, match="n_frames = 0"):
        uc.Pipeline().frames(uc.open_source(recording), 0)
    with pytest.raises(uc.SourceError, match=r"none\.mat: no such file"):
        uc.open_source("none.mat")


def test_what_should_be_known_is_told_once(recording, tmp_path, caplog, monkeypatch):
    with caplog.at_level(logging.WARNING):
        list(uc.Pipeline(ensemble=32).frames(source := uc.open_source(recording)))
    assert caplog.messages == ["uses 10 pulses: the recording has no more at this PRF"]
    said: list[str] = []
    pipeline = uc.Pipeline(ensemble=32, dealias=False, model="my.onnx", tell=said.append)
    pipeline.configure(source)
    pipeline.configure(source)
    assert said == [
        "my.onnx is not used: dealias is off; set dealias=on",
        "uses 10 pulses: the recording has no more at this PRF",
    ]
    with pytest.raises(uc.AssetError, match=r"none\.onnx"):
        uc.Pipeline(model=tmp_path / "none.onnx")
    # The program's own model is the listed one, or none is used.
    damaged = tmp_path / "folds.onnx"
    damaged.write_bytes(b"not the file that was listed")
    monkeypatch.setattr(segment, "model", lambda name: damaged)
    without = uc.Pipeline(tell=said.append)
    assert "folds are found by continuity" in said[-1]
    frame = next(without.frames(source))
    assert frame.notes[-1] == "no network: folds by continuity"
