"""The evaluation from frames to the table: what methods see, what is kept, and the command."""

import dataclasses
import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from ultrasound_console.__main__ import main
from ultrasound_console.accuracy import true_fold
from ultrasound_console.frames import Status
from ultrasound_console.pipeline import doppler
from ultrasound_console.segment import N_CLASSES
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.training import (
    chain,
    dataset,
    evaluate,
    methods,
    pictures,
    report,
    scores,
    sequences,
)
from ultrasound_console.training.methods import BOTH, NETWORK, RAW, REMEMBERING, UNWRAPPING, Methods
from ultrasound_console.training.report import CYCLES, TEST_SET, Report, Target
from ultrasound_console.training.scores import ALL, Found, Tally

SEED = chain.TEST_SEEDS[1]


class Stub:
    """Network that says fold 1 everywhere, and is three quarters sure."""

    name, note = "stub", ""

    def __init__(self):
        self.n_calls, self.seen_previous = 0, []

    def posterior(self, velocity, power_db, bandwidth, echo_db, *, previous=None, evidence=None):
        self.n_calls += 1
        self.seen_previous.append(previous is not None and bool(np.isfinite(previous).any()))
        said = np.full((*velocity.shape, N_CLASSES), 0.25 / 6, np.float32)
        said[..., 4], said[..., -1] = 0.75, 1.0
        return said


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Folder with one scene of the test set, and what is in it."""
    folder = tmp_path_factory.mktemp("frames")
    return folder, list(sequences.pairs(2, folder))[2:]


@pytest.fixture
def short(monkeypatch):
    """Heart cycles of three frames."""
    whole = chain.heart_cycle
    monkeypatch.setattr(chain, "heart_cycle", lambda seed: itertools.islice(whole(seed), 3))


# ---- sequences -----------------------------------------------------------------------------


def test_a_pair_is_what_the_test_set_says(kept):
    _, (noisy, clear) = kept
    assert [noisy.name, clear.name] == ["random:9001 10 dB", "random:9001 20 dB"]
    assert [noisy.snr_db, clear.snr_db] == [10.0, 20.0]
    for pair in (noisy, clear):
        assert pair.n_lead_in == 1
        first, second = pair.frames
        assert first.time_s < second.time_s
        assert pair.processing == ProcessingSettings()
        frame = doppler(second, pair.processing, None)
        region = frame.score.region
        peak = np.abs(frame.truth_m_s[region]).max() / frame.nyquist_velocity_m_s
        assert 1.9 < peak < 3.6
    assert noisy.kind == clear.kind in ("one vessel", "two vessels", "branching")


def test_kept_frames_are_those_that_were_made(kept, monkeypatch):
    folder, made = kept
    monkeypatch.setattr(chain, "test_frames", lambda *a: pytest.fail("made again"))
    again = list(sequences.pairs(2, folder))[2:]
    for old, new in zip(made, again, strict=True):
        for name in ("name", "kind", "processing", "snr_db", "n_lead_in"):
            assert getattr(old, name) == getattr(new, name)
        for before, after in zip(old.frames, new.frames, strict=True):
            assert after.acquisition == before.acquisition
            assert (after.index, after.time_s) == (before.index, before.time_s)
            np.testing.assert_array_equal(after.iq, before.iq)
            np.testing.assert_array_equal(after.bmode_power, before.bmode_power)
            grid = before.acquisition.colour_grid
            for a, b in zip(after.truth.on(grid), before.truth.on(grid), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_damaged_file_is_made_again(kept, tmp_path, share):
    folder, (noisy, _) = kept
    for name in ("pair-9001-10dB", "pair-9001-20dB"):
        content = (folder / f"{name}.npz").read_bytes()
        (tmp_path / f"{name}.npz").write_bytes(content[: int(share * len(content))])
    made = sequences._kept(lambda: kept[1], tmp_path, ["pair-9001-10dB", "pair-9001-20dB"])
    np.testing.assert_array_equal(made[0].frames[0].iq, noisy.frames[0].iq)
    assert sequences.load(tmp_path / "pair-9001-10dB.npz").name == noisy.name


def test_frames_of_another_version_of_the_program_are_made_again(kept, monkeypatch):
    folder, made = kept
    asked = []
    monkeypatch.setattr(sequences, "_code", lambda: "of tomorrow")
    with pytest.raises(ValueError, match="another version"):
        sequences.load(folder / "pair-9001-10dB.npz")
    names = ["pair-9001-10dB", "pair-9001-20dB"]
    content = {name: (folder / f"{name}.npz").read_bytes() for name in names}
    try:
        sequences._kept(lambda: asked.append(1) or made, folder, names)
    finally:
        for name, kept_bytes in content.items():
            (folder / f"{name}.npz").write_bytes(kept_bytes)
    assert asked == [1]


def test_a_truth_of_one_grid_is_not_given_for_another(kept):
    _, (pair, _) = kept
    frame = pair.frames[0]
    with pytest.raises(ValueError, match="another grid"):
        frame.truth.on(dataclasses.replace(frame.acquisition.colour_grid, n_depths=7))


def test_the_disc_is_thinned_and_its_truth_is_that_of_all_pulses(data_folder):
    discs = list(sequences.disc(data_folder))
    assert [disc.name for disc in discs] == [f"disc, PRF / {k}" for k in (2, 3, 4, 5, 6)]
    for divisor, disc in zip((2, 3, 4, 5, 6), discs, strict=True):
        acquisition = disc.frames[0].acquisition
        assert acquisition.prf_hz == pytest.approx(10e3 / divisor)
        ((case, founds),) = Methods().look(disc)
        # Rigid rotation, and no speed that its edge does not have.
        assert (
            0.55 < np.abs(case.truth[case.region]).max() * acquisition.nyquist_velocity_m_s < 0.65
        )
        assert np.count_nonzero(case.region) > 5000
        assert founds[UNWRAPPING].fold.any()
        tally = Tally()
        tally.add(case, founds)
        reached = {name: s.groups[ALL].wrong_share for name, s in tally.scores().items()}
        assert reached[UNWRAPPING] <= 0.03 < 0.15 < reached[RAW]


def test_the_disc_behind_a_wall_filter_has_the_same_truth(data_folder):
    plain = next(sequences.disc(data_folder))
    filtered = next(sequences.disc(data_folder, "polynomial-1"))
    assert plain.processing.wall_filter == "none"
    assert filtered.processing.wall_filter == "polynomial-1"
    grid = plain.frames[0].acquisition.colour_grid
    for a, b in zip(plain.frames[0].truth.on(grid), filtered.frames[0].truth.on(grid), strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_the_recording_there_is_no_disc(tmp_path):
    assert list(sequences.disc(tmp_path)) == []


# ---- methods -------------------------------------------------------------------------------


def test_the_console_is_judged_by_its_own_pictures(kept):
    _, (_, pair) = kept
    ((case, founds),) = Methods().look(pair)
    frame = doppler(pair.frames[1], pair.processing, None)
    np.testing.assert_array_equal(founds[UNWRAPPING].fold, frame.fold)
    np.testing.assert_array_equal(founds[UNWRAPPING].confidence, frame.confidence)
    np.testing.assert_array_equal(
        founds[UNWRAPPING].claimed, np.isin(frame.status, (Status.KEPT, Status.CORRECTED))
    )
    before = doppler(pair.frames[0], pair.processing, None)
    after = doppler(pair.frames[1], pair.processing, before)
    np.testing.assert_array_equal(founds[UNWRAPPING + REMEMBERING].fold, after.fold)
    assert not founds[RAW].fold.any()
    np.testing.assert_allclose(case.velocity, frame.velocity_m_s / frame.nyquist_velocity_m_s)
    np.testing.assert_array_equal(case.coherence, np.float32(1.0) - frame.bandwidth)
    tally = Tally()
    tally.add(case, founds)
    assert tally.scores()[UNWRAPPING].groups[ALL].n_wrong == frame.score.lumen.n_wrong


def test_the_network_is_asked_alone_with_the_solver_and_with_the_frame_before(kept):
    _, (_, pair) = kept
    stub = Stub()
    ((_, founds),) = Methods(stub).look(pair)
    assert {NETWORK, BOTH, BOTH + REMEMBERING} <= set(founds)
    assert np.all(founds[NETWORK].fold == 1)
    np.testing.assert_allclose(founds[NETWORK].confidence, 0.75)
    assert founds[NETWORK].claimed is None
    assert np.count_nonzero(founds[BOTH].claimed) > 0
    # The first frame is only remembered: by one method, which is then shown it.
    assert stub.n_calls == 4
    assert sum(stub.seen_previous) == 1


@pytest.mark.parametrize(
    "changes", [{"persistence_s": 0.5}, {"dealias": False}, {"dealias_method": "continuity"}]
)
def test_no_setting_takes_a_method_away(kept, changes):
    _, (_, pair) = kept
    changed = dataclasses.replace(pair.processing, **changes)
    ((_, plain),) = Methods(Stub()).look(pair)
    ((_, founds),) = Methods(Stub()).look(dataclasses.replace(pair, processing=changed))
    for name, found in founds.items():
        np.testing.assert_array_equal(found.fold, plain[name].fold)


def test_given_offsets_make_relative_folds_right(kept):
    _, (_, pair) = kept
    ((case, _),) = Methods().look(pair)
    regions, n = methods.ndimage.label(case.flow, np.ones((3, 3)))
    wanted = true_fold(case.velocity, case.truth, 1.0)
    shifted = wanted + (1 + np.arange(n + 1) % 3)[regions]
    wrong = np.random.default_rng(0).random(wanted.shape) < 0.2
    found = methods.with_offsets(Found(shifted - 9 * wrong), case)
    # Of the regions that are large enough, most pixels are right.
    large = np.bincount(regions.ravel()) > 100
    where = case.region & case.flow & large[regions] & ~wrong
    assert np.count_nonzero(where) > 1000
    np.testing.assert_array_equal(found.fold[where], wanted[where])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["scikit-image", "region-dealias"])
def test_rivals_unwrap_a_smooth_ramp(name, sign):
    rivals = methods.rivals()
    if name not in rivals:
        pytest.skip(f"{name} is not installed")
    truth = np.broadcast_to(sign * np.linspace(-1.7, 1.8, 60, dtype=np.float32), (40, 60))
    velocity = ((truth + 1.0) % 2.0 - 1.0).astype(np.float32)
    flow = np.ones(velocity.shape, bool)
    flow[:5] = False
    fold = rivals[name](velocity, flow)
    np.testing.assert_array_equal(fold[flow], np.rint((truth - velocity) / 2.0)[flow])
    assert not fold[~flow].any()
    assert not rivals[name](velocity, ~np.ones_like(flow)).any()


def test_an_offset_of_whole_turns_is_no_fold(monkeypatch):
    restoration = pytest.importorskip("skimage.restoration")
    monkeypatch.setattr(restoration, "unwrap_phase", lambda phase: phase + 6.0 * np.pi)
    velocity = np.full((10, 10), 0.4, np.float32)
    assert not methods.reliability_sorting(velocity, velocity > 0).any()


# ---- targets -------------------------------------------------------------------------------


def reached(wrong_per_frame):
    """Scores of frames that are wrong in so many of their 100 pixels, all of them aliased."""
    tally = Tally()
    plane = np.ones((10, 10), np.float32)
    for n_wrong in wrong_per_frame:
        case = scores.Case(
            "a",
            "tube",
            12,
            20.0,
            (1e-3, 1e-3),
            0.5 * plane,
            2.5 * plane,
            plane,
            plane > 0,
            plane > 0,
        )
        fold = np.ones(100, int)
        fold[:n_wrong] = 0
        confidence = np.where(fold == 1, 0.9, 0.2)
        tally.add(case, {"both": Found(fold.reshape(10, 10), confidence.reshape(10, 10))})
    return tally.scores()["both"]


def test_targets_hold_the_console_against_what_is_wanted():
    sets = {
        TEST_SET: {BOTH: reached([2])},
        CYCLES: {BOTH: reached([4] * 8), BOTH + REMEMBERING: reached([3] * 8)},
        sequences.disc_name(4): {BOTH: reached([1])},
        sequences.disc_name(5): {BOTH: reached([1])},
    }
    told = {target.what: target for target in report.targets(Report(BOTH, sets))}
    verdicts = {
        "wrong folds, frame peak 2 ... 3.5": (0.02, True),
        "wrong folds, frame peak 0 ... 2": (math.nan, None),
        "wrong folds, coherence 0.6 ... 1": (0.02, False),
        "wrong folds among the surest 90 %": (0.0, True),
        "alias IoU": (0.98, True),
        "wrong folds + previous, heart cycles": (0.03, True),
        "flips + previous, heart cycles": (0.0, True),
        "longest lock-in + previous, heart cycles": (8, False),
        "wrong folds, disc, PRF / 4": (0.01, False),
        "wrong folds, disc, PRF / 5": (0.01, True),
    }
    for what, (value, met) in verdicts.items():
        assert told[what].value == pytest.approx(value, nan_ok=True), what
        assert told[what].met is met, what
    assert report.targets(Report(BOTH, {"simulated:tube": {BOTH: reached([1])}})) == ()


def test_with_the_frame_before_nothing_may_be_worse():
    sets = {CYCLES: {BOTH: reached([3, 3]), BOTH + REMEMBERING: reached([4, 4])}}
    told = {target.what: target.met for target in report.targets(Report(BOTH, sets))}
    assert told["wrong folds + previous, heart cycles"] is False
    assert told["fold IoU + previous, heart cycles"] is False


def test_a_target_says_whether_it_is_met():
    assert Target("it", 0.012, 0.01).line().split()[-2:] == ["NOT", "MET"]
    assert Target("it", 0.009, 0.01).line().split() == [
        "it",
        "0.900",
        "%",
        "<=",
        "1.000",
        "%",
        "met",
    ]
    assert Target("it", 0.96, 0.95, at_least=True, unit="").line().split()[-3:] == [
        ">=", "0.950", "met",
    ]  # fmt: skip
    assert Target("it", math.nan, 0.95).line().split()[:2] == ["it", "-"]
    assert Target("it", 0.5).met is None


# ---- the command ---------------------------------------------------------------------------


def test_the_command_prints_keeps_and_draws(kept, short, tmp_path, capsys, monkeypatch):
    drawing = pytest.importorskip("matplotlib.image", reason="needs the extra 'train'")
    folder, _ = kept
    monkeypatch.setenv("ULTRASOUND_CONSOLE_DATA", str(tmp_path))
    flags = ["--scenes", "1", "--frames", folder, "--json", tmp_path / "all.json"]
    assert main([str(a) for a in ("evaluate", *flags, "--figures", tmp_path / "png")]) == 0
    printed = capsys.readouterr().out
    for word in (
        "test set",
        "heart cycles",
        "region",
        "SNR 10 dB",
        "coherence 0.6 ... 1",
        "wanted",
    ):
        assert word in printed
    told = json.loads((tmp_path / "all.json").read_text())
    shown = told["shown"]
    assert set(told["sets"]) == {TEST_SET, CYCLES}
    assert told["sets"][TEST_SET][shown]["groups"]["SNR 20 dB"]["n_pixels"] > 1000
    assert any(target["what"].startswith("flips") for target in told["targets"])
    assert told["sets"][CYCLES][shown + REMEMBERING]["groups"][ALL]["flip_share"] is not None
    drawn = sorted((tmp_path / "png").iterdir())
    assert {path.stem for path in drawn} == {
        "coverage", "examples", "reliability", "wrong-folds-by-speed",
    }  # fmt: skip
    for path in drawn:
        assert np.ptp(drawing.imread(path)) > 0.5
        assert str(path) in printed


def test_a_source_with_a_truth_is_judged(capsys):
    flags = ["--set", "frame_rate_hz=5", "--prf", "1500"]
    assert main(["evaluate", "simulated:straight-tube", *flags]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("simulated:straight-tube")
    assert "flips, %" in printed
    assert "wanted" not in printed


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--scenes", "0"], ["--scenes 0", "100"]),
        (["--scenes", "101"], ["--scenes 101"]),
        (["--prf", "2000"], ["--prf", "sources"]),
        (["--set", "nonsense=1"], ["nonsense"]),
        (["--model", "nowhere.onnx"], ["nowhere.onnx"]),
        (["--json", "nowhere/all.json"], ["nowhere", "folder"]),
        (["simulated:nowhere"], ["nowhere"]),
        (["missing.mat"], ["missing.mat"]),
    ],
)
def test_bad_input_is_one_line(capsys, flags, words):
    assert main(["evaluate", *flags]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


def test_figures_that_cannot_be_saved_are_printed_all_the_same(capsys, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise OSError(28, "No space left on device", "all.json")

    monkeypatch.setattr(evaluate, "evaluate", lambda *a: Report(BOTH, {}))
    monkeypatch.setattr(report, "table", lambda _: "hours of work")
    monkeypatch.setattr(Path, "write_text", refuse)
    assert main(["evaluate", "--json", str(tmp_path / "all.json")]) == 2
    told = capsys.readouterr()
    assert "hours of work" in told.out
    assert "all.json: No space left" in told.err


def test_a_source_without_a_truth_is_refused(capsys, data_folder):
    assert main(["evaluate", str(data_folder / "PWI_disk.mat")]) == 2
    assert "does not know its true flow" in capsys.readouterr().err


def test_figures_without_matplotlib_are_refused_at_once(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["evaluate", "--figures", str(tmp_path / "png")]) == 2
    assert "install the extra 'train'" in capsys.readouterr().err


def test_a_folder_that_is_a_file_is_refused(capsys, tmp_path, monkeypatch):
    (tmp_path / "frames").write_text("")
    monkeypatch.setattr(chain, "test_frames", lambda seeds: iter(()))
    assert main(["evaluate", "--scenes", "1", "--frames", str(tmp_path / "frames")]) == 2
    assert "frames" in capsys.readouterr().err


# ---- training frames -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SCENES_PER_SHARD", 3)
        dataset.make_shards(folder, 3, seed=3, held_out=True, shape=(64, 64))
    return folder


def test_training_frames_are_judged_by_what_they_hold(shards):
    stub, done = Stub(), []
    found = list(pictures.look_at(shards, stub, lambda *told: done.append(told)))
    frames = dataset.Shards(shards)
    assert len(found) == len(frames) == 6
    assert done[-1] == (6, 6, f"frames of {shards.name}")
    tally = Tally()
    for number, (case, founds) in enumerate(found):
        one = frames.take([number])
        inside = np.isfinite(one.truth[0])
        assert np.all(inside[case.region])
        np.testing.assert_array_equal(case.truth[inside], one.truth[0][inside])
        np.testing.assert_array_equal(case.velocity, one.velocity[0])
        assert {RAW, NETWORK, NETWORK + REMEMBERING} <= set(founds)
        assert np.all(founds[NETWORK].fold == 1)
        tally.add(case, founds)
    # Each frame is seen alone, and after the other one of its scene.
    assert stub.n_calls == 12
    assert 4 <= sum(stub.seen_previous) <= 6  # a scene may show no flow
    whole = tally.scores()[RAW].groups[ALL]
    assert whole.n_pixels > 1000
    assert whole.n_wrong == whole.n_aliased > 100
    assert whole.n_followed == 0


def test_a_smaller_picture_ends_where_it_ends(shards):
    whole = dataset.Shards(shards).take([0])
    smaller = dataclasses.replace(whole, velocity=whole.velocity.copy())
    smaller.velocity[:, 50:] = np.nan
    smaller.velocity[:, :, 41:] = np.nan
    cropped = pictures._cropped(smaller)
    assert cropped.velocity.shape == cropped.truth.shape == (1, 50, 41)
    assert cropped.evidence.shape[-2:] == (13, 11)
    np.testing.assert_array_equal(cropped.power_db, whole.power_db[:, :50, :41])


def test_the_command_takes_a_folder_of_training_frames(shards, capsys, tmp_path):
    assert main(["evaluate", str(shards)]) == 0
    assert capsys.readouterr().out.startswith(str(shards))
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "no frames in" in capsys.readouterr().err
