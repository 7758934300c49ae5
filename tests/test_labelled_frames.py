"""Labelled frames as truth of an evaluation, and among the frames of a training."""

import dataclasses

import numpy as np
import pytest
from labels_for_tests import labelled

from ultrasound_console import labels
from ultrasound_console.__main__ import main
from ultrasound_console.accuracy import true_fold
from ultrasound_console.dsp.evidence import CELL
from ultrasound_console.training import batches, dataset
from ultrasound_console.training.evaluate import Plan, evaluate
from ultrasound_console.training.labelled import make_labelled_shards
from ultrasound_console.training.methods import RAW, REMEMBERING, UNWRAPPING, Methods
from ultrasound_console.training.scores import ALL


def save(folder, *frames):
    folder.mkdir(exist_ok=True)
    for k, frame in enumerate(frames):
        labels.save(folder / f"{k}{labels.SUFFIX}", frame)
    return folder


# ---- as truth ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "with_before", "method", "wrong"),
    [
        (0, True, UNWRAPPING + REMEMBERING, 0.0),
        (1, True, UNWRAPPING + REMEMBERING, 1.0),
        (0, False, UNWRAPPING, 0.0),
        (-1, False, UNWRAPPING, 1.0),
    ],
)
def test_methods_are_judged_by_what_was_given(tmp_path, off, with_before, method, wrong):
    one = labelled(off, with_before=with_before)
    folder = save(tmp_path / "mine", one)
    report = evaluate(Plan(labels=folder), Methods())
    assert list(report.sets) == ["labels of mine"]
    methods = report.sets["labels of mine"]
    counts = methods[method].groups[ALL]
    assert counts.wrong_share == wrong
    assert counts.n_pixels == np.count_nonzero(one.label.given)
    aliased = np.count_nonzero(one.label.fold[one.label.given]) / counts.n_pixels
    assert counts.aliased_share == methods[RAW].groups[ALL].wrong_share == aliased


def test_only_given_pixels_are_judged(tmp_path):
    one = labelled(0)
    given = one.label.given.copy()
    given[:, given.shape[1] // 2 :] = False
    wrong = np.where(given, one.label.fold, one.label.fold + 1).astype(np.int8)
    part = dataclasses.replace(one, label=labels.Label(wrong, given))
    report = evaluate(Plan(labels=save(tmp_path / "part", part)), Methods())
    counts = report.sets["labels of part"][UNWRAPPING + REMEMBERING].groups[ALL]
    assert counts.n_pixels == np.count_nonzero(given)
    assert counts.wrong_share == 0.0


def test_one_label_does_not_follow_another(tmp_path):
    folder = save(tmp_path / "mine", labelled(0), labelled(1))
    counts = evaluate(Plan(labels=folder), Methods()).sets["labels of mine"][RAW].groups[ALL]
    assert counts.n_pixels == 2 * np.count_nonzero(labelled(0).label.given)
    assert counts.n_followed == 0


def test_the_command_prints_a_table_of_labels(tmp_path, capsys):
    folder = save(tmp_path / "mine", labelled(0), labelled(1))
    assert main(["evaluate", "--labels", str(folder), "--json", str(tmp_path / "f.json")]) == 0
    assert "labels of mine" in capsys.readouterr().out
    assert '"labels of mine"' in (tmp_path / "f.json").read_text()
    assert main(["evaluate", "--labels", str(tmp_path)]) == 2
    assert "no labels (*.label.h5)" in capsys.readouterr().err


# ---- to learn from -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 64), (40, 48), (96, 80)])
@pytest.mark.parametrize("with_before", [True, False])
def test_tiles_cover_what_was_given_and_nothing_else(tmp_path, shape, with_before):
    one = labelled(1, with_before=with_before)
    shards = make_labelled_shards(save(tmp_path / "mine", one), tmp_path / "shards", shape)
    frames = shards.take(range(len(shards)))
    teaches = frames.about["pace"] > 0.0
    np.testing.assert_array_equal(teaches, np.arange(len(shards)) % 2 == 0)
    assert set(shards.choose(np.random.default_rng(0), 200)) == set(np.flatnonzero(teaches))
    assert frames.velocity.shape[1:] == shape

    found = batches.labels_of(frames)[teaches][:, : shape[0], : shape[1]]
    wanted = np.clip(one.label.fold + 3, 0, 6)[one.label.given]
    # Where tiles overlap a pixel is there twice, and is the same.
    assert set(np.unique(found)) <= {*range(7), batches.UNKNOWN, batches.OUTSIDE}
    n_given = np.count_nonzero(found >= 0)
    assert n_given >= wanted.size
    if len(found) == 1:
        assert n_given == wanted.size
        size = one.label.given.shape
        at = found[0][: size[0], : size[1]]
        np.testing.assert_array_equal(at[one.label.given], wanted)
        assert (at[~one.label.given] == batches.UNKNOWN).all()
    beyond = np.isnan(frames.velocity[teaches])
    assert (found[beyond] == batches.OUTSIDE).all()
    assert beyond.any() == (shape[0] > 64 or shape[1] > 64)


def test_evidence_stays_with_its_pixels(tmp_path):
    one = labelled(0)
    folder = save(tmp_path / "mine", one)
    (whole,) = (make_labelled_shards(folder, tmp_path / "a", (64, 64)).take([0]),)
    cut = make_labelled_shards(folder, tmp_path / "b", (40, 48)).take(range(0, 8, 2))
    for velocity, evidence in zip(cut.velocity, cut.evidence, strict=True):
        at = [
            (row, line)
            for row in range(0, 64, CELL)
            for line in range(0, 64, CELL)
            if np.array_equal(
                whole.velocity[0, row : row + 20, line : line + 20], velocity[:20, :20]
            )
        ]
        ((row, line),) = at
        part = whole.evidence[0, :, row // CELL :, line // CELL :]
        there = evidence[:, : part.shape[1], : part.shape[2]]
        np.testing.assert_array_equal(there, part[:, : there.shape[1], : there.shape[2]])
        assert there.any()


def test_the_frame_before_is_what_the_console_made_of_it(tmp_path):
    one = labelled(0)
    shards = make_labelled_shards(save(tmp_path / "mine", one), tmp_path / "s", (64, 64))
    before = shards.take([1])
    nyquist_m_s = one.acquisition.nyquist_velocity_m_s
    known = np.isfinite(before.truth[0])
    np.testing.assert_array_equal(known, (one.before.status == 1) | (one.before.status == 2))
    fold = true_fold(before.velocity[0][known], before.truth[0][known], 1.0)
    np.testing.assert_array_equal(fold, one.before.fold[known])
    velocity = one.before.velocity_m_s / nyquist_m_s
    np.testing.assert_allclose(before.velocity[0], velocity, atol=1e-3)


def test_without_a_frame_before_none_is_remembered(tmp_path):
    one = labelled(0, with_before=False)
    shards = make_labelled_shards(save(tmp_path / "mine", one), tmp_path / "s", (64, 64))

    def perfect(planes, evidence):
        posterior = np.zeros((len(planes), 7, *planes.shape[2:]), np.float32)
        posterior[:, 3] = 1.0
        return posterior

    for step in range(6):
        batch = batches.draw(np.random.default_rng(step), shards, 4, perfect)
        assert not batch.planes[:, 6].any()
        assert (batch.labels >= 0).any()
        assert (batch.labels == batches.UNKNOWN).any()


def test_labels_that_are_gone_are_learnt_no_more(tmp_path):
    folder = save(tmp_path / "mine", labelled(0), labelled(1))
    assert len(make_labelled_shards(folder, tmp_path / "s", (64, 64))) == 4
    (folder / f"1{labels.SUFFIX}").unlink()
    assert len(make_labelled_shards(folder, tmp_path / "s", (64, 64))) == 2
    one = labelled(0)
    nothing = labels.Label(np.zeros_like(one.label.fold), np.zeros_like(one.label.given))
    save(folder, dataclasses.replace(one, label=nothing))
    with pytest.raises(ValueError, match="no fold is given in any label"):
        make_labelled_shards(folder, tmp_path / "s", (64, 64))


def test_pixels_that_nobody_knows_teach_nothing():
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    from ultrasound_console.training.train import loss_of

    logits = torch.zeros((1, 8, 32, 32), requires_grad=True)
    known = torch.full((1, 32, 32), batches.UNKNOWN)
    known[:, 4:12, 4:20] = 2
    known[:, 20:24] = batches.OUTSIDE
    loss, _ = loss_of(logits, known)
    loss.backward()
    moved = logits.grad.abs().sum(1)
    assert (moved[known != batches.UNKNOWN] > 0.0).all()
    assert not moved[known == batches.UNKNOWN].any()
    assert logits.grad[:, :7].abs().sum(1)[known == 2].all()


def test_a_training_learns_what_was_given(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra 'train'")
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    from ultrasound_console.training import train as training

    shape = (64, 64)
    monkeypatch.setattr(dataset, "SCENES_PER_SHARD", 4)
    monkeypatch.setattr(training, "SHAPE", shape)
    monkeypatch.setattr(training, "_WARM_UP", 5)
    for name, held_out in ((training.FRAMES, False), ("held-out", True)):
        dataset.make_shards(tmp_path / name, 4, seed=0, held_out=held_out, shape=shape)
    folder = save(tmp_path / "mine", labelled(2))
    plan = training.Plan(tmp_path, n_steps=30, n_scenes=4, n_held_out=4, batch=4, labels=folder)
    training.train(plan)
    # Fold 2 and its neighbours are rare in the other frames: without the labels nothing says so.
    mine = dataset.Shards(tmp_path / training.LABELLED_FRAMES).take([0])
    network = training._network_of(tmp_path / training.CHECKPOINT)
    model = training.FoldNet()
    model.load_state_dict(network)
    model.eval()
    found = training.posterior_of(model, *batches.inputs_of(mine))[0].argmax(0)
    given = batches.labels_of(mine)[0] >= 0
    assert np.mean(np.abs(found[given] - 5) <= 1) > 0.5
