"""Training: batches, the network and its ONNX file, a few steps, and going on after a stop."""

import collections
import csv
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from ultrasound_console import assets
from ultrasound_console.__main__ import main
from ultrasound_console.dsp import features
from ultrasound_console.dsp.evidence import LAGS
from ultrasound_console.training import batches, dataset

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
onnx = pytest.importorskip("onnx", reason="needs the extra 'train'")
onnxruntime = pytest.importorskip("onnxruntime")

from ultrasound_console.training import taken_up  # noqa: E402
from ultrasound_console.training import train as training  # noqa: E402
from ultrasound_console.training.network import (  # noqa: E402
    EVIDENCE_WEIGHT,
    WIDTHS,
    FoldNet,
    export_onnx,
)
from ultrasound_console.training.quantised import main as quantise_command  # noqa: E402
from ultrasound_console.training.quantised import quantise  # noqa: E402

SHAPE = (64, 64)


@pytest.fixture(scope="module")
def frames_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES_PER_SHARD", 4)
        dataset.make_shards(folder / "frames", 8, seed=0, shape=SHAPE)
        dataset.make_shards(folder / "held-out", 4, seed=0, held_out=True, shape=SHAPE)
        patch.setattr(dataset, "SCENES_PER_SHARD", 2)
        dataset.make_shards(folder / "chain", 2, seed=0, kind="chain", shape=SHAPE)
    return folder


@pytest.fixture
def plan(frames_folder, tmp_path, monkeypatch):
    """A run of a few steps over frames that are there."""
    monkeypatch.setattr(dataset, "SCENES_PER_SHARD", 4)
    monkeypatch.setattr(training, "_LOG_STEPS", 2)
    monkeypatch.setattr(training, "_WARM_UP", 5)
    monkeypatch.setattr(training, "_REFRESH_STEPS", 4)
    # An untrained network is never sure, and what it says of the frame before counts all the same.
    monkeypatch.setattr(batches, "_UNSURE", 0.0)
    for name in ("frames", "chain", "held-out"):
        (tmp_path / name).symlink_to(frames_folder / name)
    return training.Plan(tmp_path, n_steps=6, n_scenes=8, n_held_out=4, batch=4)


def perfect(planes, evidence):
    """Stands in for the network's folds: fold 1, surely."""
    posterior = np.zeros((len(planes), 7, *planes.shape[2:]), np.float32)
    posterior[:, 4] = 1.0
    return posterior


def test_labels_follow_the_phase_through_every_change(frames_folder):
    # In the lumen the phase and the fold together are the velocity; turning the flow round and
    # mirroring the picture must keep that: compared as sets of pixels.
    shards = dataset.Shards(frames_folder / "frames")
    for step in range(4):
        batch = batches.draw(np.random.default_rng(step), shards, 4, perfect)
        chosen = np.random.default_rng(step).integers(0, len(shards), 4)
        frames = shards.take(chosen)
        for k in range(4):
            inside = batch.labels[k] != batches.OUTSIDE
            cosine, sine = batch.planes[k, :2]
            velocity = np.arctan2(sine, cosine)[inside] / np.pi
            label = batches.labels_of(frames)[k]
            lumen = label != batches.OUTSIDE
            measured = frames.velocity[k][lumen]
            corrected = np.abs(velocity + 2.0 * (batch.labels[k][inside] - 3))
            wanted = np.abs(measured + 2.0 * (label[lumen] - 3))
            # -v_N and +v_N are the same phase.
            corrected = np.sort(corrected[np.abs(velocity) < 0.999])
            np.testing.assert_allclose(
                corrected, np.sort(wanted[np.abs(measured) < 0.999]), atol=1e-3
            )


def test_the_previous_frame_turns_round_with_the_flow(frames_folder):
    shards, n_alike, n_seen = dataset.Shards(frames_folder / "frames"), 0, 0
    for step in range(8):
        batch = batches.draw(np.random.default_rng(step), shards, 4, perfect)
        cosine, sine, previous, known = (batch.planes[:, k] for k in (0, 1, 5, 6))
        corrected = np.arctan2(sine, cosine) / np.pi + 2.0 * (batch.labels - 3)
        seen = (batch.labels != batches.OUTSIDE) & (known > 0.0) & (np.abs(corrected) > 1.0)
        n_alike += int(np.count_nonzero((corrected * previous > 0.0) & seen))
        n_seen += int(np.count_nonzero(seen))
    assert n_seen > 1000
    assert n_alike > 0.8 * n_seen


def test_evidence_and_previous_frame_come_and_go(frames_folder):
    shards = dataset.Shards(frames_folder / "frames")
    drawn = [batches.draw(np.random.default_rng(k), shards, 8, perfect) for k in range(8)]
    with_evidence = np.concatenate([b.evidence.any(axis=(1, 2, 3)) for b in drawn])
    with_previous = np.concatenate([b.planes[:, 6].any(axis=(1, 2)) for b in drawn])
    assert 0.6 < with_evidence.mean() < 0.9
    assert 0.35 < with_previous.mean() < 0.65
    for batch in drawn:
        unknown = batch.planes[:, 6] == 0.0
        assert not batch.planes[:, 5][unknown].any()


def test_mirrored_flow_mirrors_evidence(frames_folder):
    # What a frame says of a speed, the same frame with the flow turned round says of the opposite.
    shards = dataset.Shards(frames_folder / "frames")
    seen = set()
    for step in range(40):
        rng = np.random.default_rng(step)
        batch = batches.draw(rng, shards, 1, perfect)
        frames = shards.take(np.random.default_rng(step).integers(0, len(shards), 1))
        if not batch.evidence.any():
            continue
        plain = features.evidence(frames.evidence, frames.velocity.shape)[0].mean(axis=(1, 2))
        found = batch.evidence[0].mean(axis=(1, 2))
        is_turned = not np.allclose(plain, found, atol=1e-3)
        # For each lag the mean, then the speeds.
        plain, found = plain.reshape(len(LAGS), -1), found.reshape(len(LAGS), -1)
        np.testing.assert_allclose(found[:, 0], plain[:, 0], atol=1e-3)
        wanted = plain[:, :0:-1] if is_turned else plain[:, 1:]
        np.testing.assert_allclose(found[:, 1:], wanted, atol=1e-3)
        seen.add(is_turned)
    assert seen == {True, False}


@pytest.mark.parametrize("shape", [(32, 64), (160, 96)])
def test_the_onnx_file_says_what_the_network_says(tmp_path, shape):
    torch.manual_seed(1)
    network = FoldNet()
    # Statistics that are not those of a fresh network.
    rng = np.random.default_rng(0)
    planes = rng.standard_normal((2, features.N_PLANES, *shape)).astype(np.float32)
    cells = tuple(n // 4 for n in shape)
    evidence = rng.standard_normal((2, features.N_EVIDENCE, *cells)).astype(np.float32)
    network.train()
    network(torch.from_numpy(planes), torch.from_numpy(evidence))
    path = tmp_path / "model.onnx"
    export_onnx(network, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {features.PLANES: planes, features.EVIDENCE: evidence}
    (found,) = session.run(None, inputs)
    with torch.no_grad():
        wanted = network.eval()(torch.from_numpy(planes), torch.from_numpy(evidence)).numpy()
    assert found.shape == (2, 8, *shape)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(wanted).max() > 0.1


@pytest.fixture(scope="module")
def quantised(frames_folder, tmp_path_factory):
    """The program's own model in eight bits, by a few frames."""
    path = tmp_path_factory.mktemp("quantised") / "int8.onnx"
    shards = dataset.Shards(frames_folder / "frames", frames_folder / "chain")
    quantise(assets.model(training.MODEL), shards, path)
    return path


def logits_of(model, frames):
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    planes, evidence = batches.inputs_of(frames)
    (logits,) = session.run(None, {features.PLANES: planes, features.EVIDENCE: evidence})
    return np.moveaxis(logits[:, :7], 1, -1)


def test_eight_bits_find_the_folds_that_the_trained_network_finds(frames_folder, quantised):
    frames = dataset.Shards(frames_folder / "held-out").take(range(8))
    inside = batches.labels_of(frames) != batches.OUTSIDE
    logits = logits_of(assets.model(training.MODEL), frames)[inside]
    second, first = np.sort(logits, axis=-1)[:, -2:].T
    clear = first - second > 1.0
    expected = logits.argmax(axis=-1)
    assert np.ptp(expected[clear]) > 2
    for model in (quantised, assets.model(training.INT8_MODEL)):
        rounded = logits_of(model, frames)[inside]
        found = rounded.argmax(axis=-1)
        assert np.mean(found[clear] == expected[clear]) > 0.99
        assert np.mean(found == expected) > 0.95
        assert 0.01 < np.abs(rounded - logits).mean() < 0.3


def test_between_the_ends_everything_is_in_eight_bits(quantised, tmp_path):
    # What ONNX Runtime cannot put together it computes in float32 between two conversions.
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file is for this machine
    onnxruntime.InferenceSession(str(quantised), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    n_of = collections.Counter(node.op_type for node in nodes)
    assert (n_of["Conv"], n_of["QLinearConv"], n_of["ConvTranspose"]) == (1, 21, 1)
    assert (n_of["QuantizeLinear"], n_of["DequantizeLinear"]) == (2, 1)


def test_the_command_makes_the_same_file_again(frames_folder, quantised, tmp_path):
    path = tmp_path / "again.onnx"
    folders = [str(frames_folder / name) for name in ("frames", "chain")]
    flags = [str(assets.model(training.MODEL)), "--frames", *folders, "--out", str(path)]
    assert quantise_command(flags) == 0
    assert path.read_bytes() == quantised.read_bytes()
    assert quantise_command([*flags, "--seed", "1"]) == 0
    assert path.read_bytes() != quantised.read_bytes()
    assert [item.name for item in tmp_path.iterdir()] == ["again.onnx"]


@pytest.mark.parametrize(
    ("model", "frames", "told"),
    [("none.onnx", ".", "no file none.onnx"), (assets.model(training.MODEL), "none", "none")],
)
def test_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys, model, frames, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        quantise_command([str(model), "--frames", frames, "--out", "int8.onnx"])
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_loss_prefers_the_truth():
    labels = torch.from_numpy(np.random.default_rng(0).integers(-1, 7, (2, 32, 32)))
    right = torch.zeros(2, 8, 32, 32)
    right[:, :7] = 10.0 * torch.nn.functional.one_hot(labels.clamp(min=0), 7).movedim(-1, 1)
    right[:, 7] = torch.where(labels >= 0, 10.0, -10.0)
    best, none_wrong = training.loss_of(right, labels)
    assert none_wrong == 0.0
    assert best < 0.05
    worse, some_wrong = training.loss_of(right.roll(1, dims=1), labels)
    assert worse > best + 1.0
    assert some_wrong > 0.5
    empty, share = training.loss_of(right, torch.full_like(labels, batches.OUTSIDE))
    assert torch.isfinite(empty)
    assert share == 0.0


def test_a_few_steps_lower_the_loss_and_a_stopped_run_goes_on_as_if_it_had_not(plan, monkeypatch):
    # Half of each batch comes from the whole signal chain.
    longer = dataclasses.replace(plan, n_steps=24, n_chain_scenes=2)
    model = training.train(longer)
    in_eight_bits = plan.folder / training.INT8_MODEL
    assert 0 < in_eight_bits.stat().st_size < model.stat().st_size / 2
    assert (plan.folder / training.PLOT).stat().st_size > 1000
    with (plan.folder / training.LOG).open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    whole = torch.load(plan.folder / training.CHECKPOINT, weights_only=True)
    with pytest.raises(FileExistsError, match="resume"):
        training.train(longer)

    for name in (training.CHECKPOINT, training.LOG):
        (plan.folder / name).unlink()
    advance = training._Run.advance

    def interrupted(run):
        if run.step == 11:
            raise KeyboardInterrupt
        advance(run)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training._Run, "advance", interrupted)
        training.train(longer)
    training.train(dataclasses.replace(longer, resume=True))
    resumed = torch.load(plan.folder / training.CHECKPOINT, weights_only=True)
    for name, value in whole["average"].items():
        torch.testing.assert_close(resumed["average"][name], value)
    with pytest.raises(ValueError, match="another run: its seed is 0"):
        training.train(dataclasses.replace(longer, resume=True, seed=1))


def test_starts_with_the_network_of_another_training(plan, tmp_path):
    training.train(plan)
    first = torch.load(plan.folder / training.CHECKPOINT, weights_only=True)["average"]
    start = plan.folder / training.CHECKPOINT
    second = dataclasses.replace(
        plan, folder=tmp_path / "second", n_steps=1, learning_rate=1e-12, start=start
    )
    training.train(second)
    kept = torch.load(second.folder / training.CHECKPOINT, weights_only=True)["average"]
    torch.testing.assert_close(kept["head.weight"], first["head.weight"])


def test_starts_with_a_network_that_had_other_evidence(plan, tmp_path):
    training.train(plan)
    start = tmp_path / "older.pt"
    older = torch.load(plan.folder / training.CHECKPOINT, weights_only=True)
    name, n_picture = EVIDENCE_WEIGHT, WIDTHS[0]
    whole = older["average"][name]
    older["average"][name] = whole[:, : n_picture + 8].clone()
    torch.save(older, start)
    second = dataclasses.replace(
        plan, folder=tmp_path / "second", n_steps=1, learning_rate=1e-12, start=start
    )
    training.train(second)
    kept = torch.load(second.folder / training.CHECKPOINT, weights_only=True)["average"]
    torch.testing.assert_close(kept[name][:, :n_picture], whole[:, :n_picture])
    assert float(kept[name][:, n_picture:].abs().max()) < 1e-9


def test_starts_with_the_network_of_an_onnx_file(frames_folder, plan, tmp_path):
    # The one that comes with the program: the same answer as it is, and nearly the same while it
    # learns, when each layer is normalised by the batch.
    shipped = assets.model("folds.onnx")
    frames = dataset.Shards(frames_folder / "frames").take(range(16))
    inputs = batches.inputs_of(frames)
    network = taken_up.network_of(taken_up.read_network(shipped), *inputs)
    session = onnxruntime.InferenceSession(shipped, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {features.PLANES: inputs[0], features.EVIDENCE: inputs[1]})
    for mode in (False, True):
        network.train(mode)
        with torch.no_grad():
            found = network(*(torch.from_numpy(one) for one in inputs)).numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())

    training.train(dataclasses.replace(plan, n_steps=1, learning_rate=1e-12, start=shipped))
    kept = torch.load(plan.folder / training.CHECKPOINT, weights_only=True)["average"]
    torch.testing.assert_close(kept["head.weight"], network.state_dict()["head.weight"])


def test_an_onnx_file_asks_for_the_package_that_reads_it(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="install the extra 'train'"):
        training.train(dataclasses.replace(plan, start=assets.model("folds.onnx")))


@pytest.mark.parametrize("fault", ["no ONNX", "eight bits", "one layer less"])
def test_an_onnx_file_with_another_network_is_refused(plan, tmp_path, fault):
    start = tmp_path / "start.onnx"
    if fault == "no ONNX":
        start.write_bytes(b"no model")
    elif fault == "eight bits":
        start.write_bytes(assets.model("folds-int8.onnx").read_bytes())
    else:
        export_onnx(FoldNet(WIDTHS[:-1]), start)
    with pytest.raises(ValueError, match=r"start\.onnx: not a"):
        training.train(dataclasses.replace(plan, start=start))


def test_a_start_that_is_no_checkpoint_is_said_before_any_frame_is_made(plan, tmp_path):
    start = tmp_path / "start.pt"
    with pytest.raises(FileNotFoundError, match=r"start\.pt"):
        training.train(dataclasses.replace(plan, start=start))
    start.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint"):
        training.train(dataclasses.replace(plan, start=start))


def test_nothing_to_resume_is_said(plan):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        training.train(dataclasses.replace(plan, resume=True))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--steps", "0"], "--steps 0: give 1 or more"),
        (["--steps", "5", "--chain-scenes", "-1"], "--chain-scenes -1: give 0 or more"),
        (["--steps", "5", "--seed", "1000"], "--seed 1000"),
        (["--steps", "5", "--rate", "2"], "--rate 2"),
        (["--steps", "5", "--resume"], "nothing to resume"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(tmp_path, capsys, flags, told):
    assert main(["train", "--out", str(tmp_path / "run"), *flags]) == 2
    assert told in capsys.readouterr().err


def test_without_pytorch_the_rest_imports_and_training_says_what_to_install(tmp_path):
    code = """
import sys
import ultrasound_console.training.evaluate, ultrasound_console.training.dataset
from ultrasound_console.__main__ import main
sys.exit(main(["train", "--out", "nowhere", "--steps", "1"]))
"""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch')")
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.strip() == (
        "ultrasound-console: training needs PyTorch: install the extra 'train'"
    )
