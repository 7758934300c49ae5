"""The table of methods: counted over pixels, group by group, and calibrated."""

import math

import numpy as np
import pytest

from ultrasound_console.accuracy import erode
from ultrasound_console.training import batches, dataset, evaluate
from ultrasound_console.training.evaluate import Calibration, Found

SHAPE = (64, 64)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held-out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES_PER_SHARD", 6)
        return dataset.make_shards(folder, 6, seed=3, held_out=True, shape=SHAPE)


def oracle(frames, k):
    labels = batches.labels_of(frames)[k]
    fold = np.where(labels == batches.OUTSIDE, 0, labels - batches.MAX_FOLD)
    return Found(fold, confidence=np.ones(fold.shape))


def hesitant(frames, k):
    fold = oracle(frames, k).fold
    return Found(fold, np.ones(fold.shape, bool))


def test_groups_are_parts_of_the_whole(shards):
    scores = evaluate.evaluate(shards, {"raw": evaluate.raw, "oracle": oracle, "none": hesitant})
    n_pixels, aliased = 0, 0
    for number in range(len(shards)):
        frames = shards.take([number])
        about = frames.about[0]
        lumen = erode(np.isfinite(frames.truth[0]), (about["row_m"], about["line_m"]))
        n_pixels += np.count_nonzero(lumen)
        aliased += np.count_nonzero(lumen & (batches.labels_of(frames)[0] != batches.MAX_FOLD))
    raw = scores["raw"].groups
    assert raw["all"].n_pixels == n_pixels > 1000
    assert raw["all"].n_wrong == aliased > 100
    for what in ("|v|", "frame peak", "coherence"):
        parts = [counts for name, counts in raw.items() if name.startswith(what)]
        assert sum(part.n_pixels for part in parts) == n_pixels
        assert sum(part.n_wrong for part in parts) == aliased
    assert 0 < raw["blind speeds"].n_pixels < n_pixels
    # Slow flow is not aliased but for noise; fast flow is.
    assert raw["|v| 0 ... 1"].wrong_share < 0.2 < 0.9 < raw["|v| 2 ... 3.5"].wrong_share

    perfect = scores["oracle"].groups["all"]
    # What lies beyond three folds nobody can say.
    assert perfect.wrong_share < 0.02
    assert perfect.alias_iou == 1.0
    left = scores["none"].groups["all"]
    assert left.wrong_share == raw["all"].wrong_share
    assert left.abstained_share == 1.0
    assert scores["oracle"].calibration.error < 0.02
    assert math.isnan(scores["raw"].calibration.error)
    assert scores["raw"].as_dict()["calibration_error"] is None
    assert scores["oracle"].as_dict()["groups"]["all"]["n_pixels"] == n_pixels


def test_table_has_a_line_for_each_group_and_a_column_for_each_method(shards):
    scores = evaluate.evaluate(shards, {"raw": evaluate.raw, "oracle": oracle}, n_scenes=2)
    lines = evaluate.table(scores).splitlines()
    assert len(lines) == 1 + len(scores["raw"].groups) + 3
    assert lines[0].split()[-2:] == ["raw", "oracle"]
    assert lines[-1].split()[-2] == "nan"


def test_unwrapping_is_better_than_nothing_and_rivals_run_where_they_are(shards):
    methods = evaluate.methods(None)
    assert {"raw", "unwrapping"} <= set(methods)
    assert "network" not in methods
    scores = evaluate.evaluate(shards, methods)
    raw = scores["raw"].groups["all"].wrong_share
    assert scores["unwrapping"].groups["all"].wrong_share < raw
    for name in methods:
        assert scores[name].groups["all"].n_pixels == scores["raw"].groups["all"].n_pixels
        assert scores[name].groups["all"].wrong_share < raw + 0.1


def test_calibration_error_is_the_distance_from_being_right():
    # 100 pixels at 0.9 of which 70 are right, 300 at 0.5 of which 150 are: 100 * 0.2 / 400.
    calibration = Calibration()
    calibration.add(np.full(100, 0.9), np.arange(100) < 70)
    calibration.add(np.full(300, 0.5), np.arange(300) < 150)
    assert calibration.error == pytest.approx(0.05)
    calibration.add(np.ones(400), np.ones(400, bool))
    assert calibration.error == pytest.approx(0.025)


def test_a_model_is_two_methods_more(shards, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra 'train'")
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    from ultrasound_console.training.network import FoldNet, export_onnx

    export_onnx(FoldNet(), tmp_path / "model.onnx")
    methods = evaluate.methods(tmp_path / "model.onnx")
    both = {name: methods[name] for name in ("network", "with previous")}
    scores = evaluate.evaluate(shards, both, n_scenes=2)
    assert scores["network"].groups["all"].n_pixels > 0
    assert 0.0 <= scores["network"].calibration.error <= 1.0
    # It is shown the other frame, however unsure of it an untrained one is, and answers otherwise.
    monkeypatch.setattr(evaluate, "_SURE", 0.0)
    frames = shards.take([0, 1])
    alone, remembering = (method(frames, 0) for method in both.values())
    assert not np.array_equal(alone.confidence, remembering.confidence)
