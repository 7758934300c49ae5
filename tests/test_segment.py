"""The network in ONNX Runtime: which models are taken, what it answers, and doing without it."""

import dataclasses
import gc
import os
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
from frames_for_tests import make_acquisition
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console import assets, segment
from ultrasound_console.__main__ import main
from ultrasound_console.assets import AssetError
from ultrasound_console.dsp import features, kernels_network
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.dsp.evidence import N_MAPS, EchoShift, cells_of, echo_evidence
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import doppler
from ultrasound_console.segment import LOGITS, N_CLASSES, Segmenter
from ultrasound_console.settings import ProcessingSettings

KIB = 2**10
SHAPE = (70, 50)


def pictures(shape=SHAPE, seed=0):
    """What the network is shown of a frame."""
    rng = np.random.default_rng(seed)
    velocity, bandwidth = rng.uniform(-1, 1, shape), rng.uniform(0, 1, shape)
    power_db, echo_db = rng.normal(10, 20, shape), rng.normal(-30, 20, shape)
    previous = np.where(rng.uniform(size=shape) < 0.3, np.nan, rng.normal(0, 3, shape))
    planes = velocity, power_db, bandwidth, echo_db, previous
    maps = rng.uniform(size=(N_MAPS, *cells_of(shape))).astype(np.float32)
    return [plane.astype(np.float32) for plane in planes], maps


def ask(segmenter, shape=SHAPE, seed=0):
    (*planes, previous), maps = pictures(shape, seed)
    return segmenter.posterior(*planes, previous=previous, evidence=maps)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter()


# ---- numbers ------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_kernels_repeat_the_array_code(n_depths, n_lines, seed, with_previous):
    shape = n_depths, n_lines
    (*planes, previous), maps = pictures(shape, seed)
    previous = previous if with_previous else None
    dirty = np.full((features.N_PLANES, *features.padded(shape)), np.nan, np.float32)
    assert features.planes(*planes, previous, out=dirty) is dirty
    double = (plane.astype(np.float64) for plane in planes)
    np.testing.assert_allclose(dirty, features.planes(*double, previous), atol=2e-6)

    dirty = np.full((features.N_EVIDENCE, *cells_of(features.padded(shape))), np.nan, np.float32)
    assert features.evidence(maps, shape, out=dirty) is dirty
    expected = features.evidence(maps.astype(np.float64), shape)
    np.testing.assert_allclose(dirty, expected, atol=2e-6)

    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 20, (N_CLASSES, *features.padded(shape))).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 1e30):
        logits[rng.uniform(size=logits.shape) < 0.05] = value
    posterior = features.posterior(logits, shape)
    expected = features.posterior(logits.astype(np.float64), shape)
    np.testing.assert_allclose(posterior, expected, atol=1e-6)
    np.testing.assert_allclose(posterior[..., :-1].sum(axis=-1), 1.0, atol=1e-6)


def test_the_posterior_is_the_softmax_of_what_the_session_says(segmenter):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(assets.model(segmenter.name)), providers=["CPUExecutionProvider"]
    )
    for seed, shape in enumerate([SHAPE, (32, 64), SHAPE, (33, 65)]):
        planes, maps = pictures(shape, seed)
        double = (plane.astype(np.float64)[None] for plane in planes)
        inputs = {
            features.PLANES: features.planes(*double),
            features.EVIDENCE: features.evidence(maps.astype(np.float64)[None], (1, *shape)),
        }
        logits = session.run([LOGITS], inputs)[0][0, :, : shape[0], : shape[1]].astype(np.float64)
        powers = np.exp(logits[:-1] - logits[:-1].max(axis=0))
        expected = [*(powers / powers.sum(axis=0)), 1.0 / (1.0 + np.exp(-logits[-1]))]
        found = ask(segmenter, shape, seed)
        assert found.shape == (*shape, N_CLASSES)
        np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), atol=1e-4)


def test_no_evidence_and_no_previous_frame_are_zero_inputs(segmenter):
    (*planes, _), maps = pictures()
    ask(segmenter)
    found = segmenter.posterior(*planes)
    nowhere = np.full(SHAPE, np.nan, np.float32)
    expected = segmenter.posterior(*planes, previous=nowhere, evidence=np.zeros_like(maps))
    np.testing.assert_array_equal(found, expected)


def test_the_first_picture_finds_everything_ready(monkeypatch):
    segmenter = Segmenter()
    segmenter.prepare(SHAPE)
    kernels = (
        kernels_network.network_planes,
        kernels_network.network_evidence,
        kernels_network.posterior,
    )
    n_compiled = [len(kernel.signatures) for kernel in kernels]
    monkeypatch.setattr(segment, "_Bound", None)
    ask(segmenter)
    assert [len(kernel.signatures) for kernel in kernels] == n_compiled


def test_a_picture_takes_no_new_memory(segmenter):
    shape = (192, 256)
    (*planes, previous), maps = pictures(shape)
    for _ in range(3):
        found = segmenter.posterior(*planes, previous=previous, evidence=maps)
    del found
    gc.collect()
    tracemalloc.start()
    try:
        found = segmenter.posterior(*planes, previous=previous, evidence=maps)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.nbytes > 1000 * KIB
    assert most < 48 * KIB


# ---- which models are taken -----------------------------------------------------------------


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A copy of the program's own models and of the list beside them; the processor is quick."""
    for name in (segment.MODEL, segment.INT8_MODEL, assets.CHECKSUMS):
        shutil.copy(assets.model(name), tmp_path)
    monkeypatch.setattr(segment, "_has_byte_products", lambda: True)
    monkeypatch.setattr(assets, "_folder", lambda kind: tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [segment.MODEL, segment.INT8_MODEL])
@pytest.mark.parametrize("change", ["model", "list", "no list"])
def test_a_model_that_is_not_the_listed_one_is_refused(models, name, change):
    Segmenter()
    sums = models / assets.CHECKSUMS
    if change == "model":
        with (models / name).open("ab") as file:
            file.write(b"\0")
    elif change == "list":
        wrong = assets.checksums(models) | {name: "0" * 64}
        sums.write_text("".join(f"{digest}  {file}\n" for file, digest in wrong.items()))
    else:
        sums.unlink()
        name = segment.MODEL
    with pytest.raises(AssetError, match=f"{name}: not the file that SHA256SUMS names"):
        Segmenter()


def test_one_of_the_users_own_need_not_be_listed(models):
    own = models / "own.onnx"
    (models / segment.MODEL).rename(own)
    assert Segmenter(own).name == "own.onnx"
    with pytest.raises(AssetError, match=r"no file 'folds\.onnx'"):
        Segmenter()


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(AssetError, match="No such file"):
        Segmenter(tmp_path / "none.onnx")
    with pytest.raises(AssetError, match="directory"):
        Segmenter(tmp_path)
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    with pytest.raises(AssetError, match=r"text\.onnx: .*ultrasound-console train"):
        Segmenter(text)


def write_model(
    path,
    planes=("planes", 1, ["b", 7, "r", "c"]),
    evidence=("evidence", 1, ["b", 32, "q", "p"]),
    output=("logits", 1, ["b", 8, "r", "c"]),
    *,
    extra=None,
    answer=None,
    n_copies=8,
):
    """A model that answers with the first channel of an input, eight times."""
    onnx = pytest.importorskip("onnx", reason="needs the extra 'train'")
    helper = onnx.helper
    inputs = [helper.make_tensor_value_info(*given) for given in (planes, evidence, extra) if given]
    outputs = [helper.make_tensor_value_info(*output)]
    bounds = [
        helper.make_tensor(name, onnx.TensorProto.INT64, [1], [value])
        for name, value in (("from", 0), ("to", 1), ("axis", 1))
    ]
    nodes = [
        helper.make_node("Slice", [answer or planes[0], "from", "to", "axis"], ["one"]),
        helper.make_node("Concat", ["one"] * n_copies, [output[0]], axis=1),
    ]
    graph = helper.make_graph(nodes, "test", inputs, outputs, bounds)
    opset = helper.make_opsetid("", 17)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"planes": ("picture", 1, ["b", 7, "r", "c"])}, "unknown input 'picture'"),
        ({"evidence": None}, "no input 'evidence', only planes"),
        ({"extra": ("angle", 1, ["b"])}, "unknown input 'angle'"),
        ({"planes": ("planes", 1, ["b", 6, "r", "c"])}, "'planes' has 6 channels, not 7"),
        ({"planes": ("planes", 1, [7, "r", "c"])}, "'planes' has 3 dimensions, not 4"),
        ({"planes": ("planes", 1, [4, 7, "r", "c"])}, "'planes' is for 4 pictures at once"),
        ({"planes": ("planes", 1, ["b", 7, 192, 256])}, "for 192 x 256 pixels only"),
        ({"planes": ("planes", 10, ["b", 7, "r", "c"])}, "'planes' is tensor"),
        ({"evidence": ("evidence", 1, ["b", 7, "q", "p"])}, "'evidence' has 7 channels, not 32"),
        ({"output": ("folds", 1, ["b", 8, "r", "c"])}, "no output 'logits', only folds"),
        (
            {"output": ("logits", 1, ["b", "n", "r", "c"]), "n_copies": 3},
            "'logits' has 3 channels, not 8",
        ),
        ({"answer": "evidence"}, "pre-allocated shapes match the expected output shapes"),
    ],
)
def test_a_model_for_something_else_is_refused_by_name_field_and_way_out(tmp_path, changes, words):
    path = tmp_path / "own.onnx"
    write_model(path)
    assert ask(Segmenter(path)).shape == (*SHAPE, N_CLASSES)
    if "planes" in changes and changes["planes"][1] == 10:  # half precision all through
        changes = changes | {"output": ("logits", 10, ["b", 8, "r", "c"])}
    write_model(path, **changes)
    with pytest.raises(AssetError) as refusal:
        Segmenter(path)
    line = str(refusal.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert line.endswith("take a model made by 'ultrasound-console train'")
    assert len(line.splitlines()) == 1


def test_without_onnx_runtime_the_doctor_is_recommended(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(AssetError, match=r"ONNX Runtime cannot be loaded: .*doctor"):
        Segmenter()


# ---- the GPU --------------------------------------------------------------------------------


def test_without_a_gpu_the_cpu_answers_and_it_is_said(segmenter, monkeypatch):
    monkeypatch.setattr(segment, "missing_gpu", lambda: "CuPy is not installed")
    expected = ask(segmenter)
    assert (segmenter.device, segmenter.note) == ("CPU", "")
    segmenter.wants_gpu = True
    try:
        np.testing.assert_array_equal(ask(segmenter), expected)
        assert segmenter.device == "CPU"
        assert segmenter.note == "the network computes on the CPU: CuPy is not installed"
    finally:
        segmenter.wants_gpu = False
    assert segmenter.note == ""


@pytest.mark.parametrize("quick", [True, False])
def test_each_device_gets_the_model_that_suits_it(models, monkeypatch, quick):
    opened = []

    def open_(content, *, on_gpu):
        names = {(models / name).read_bytes(): name for name in assets.checksums(models)}
        opened.append((names[content], on_gpu))
        return open_on_cpu(content, on_gpu=False)

    open_on_cpu = segment._open
    monkeypatch.setattr(segment, "missing_gpu", lambda: "")
    monkeypatch.setattr(segment, "_open", open_)
    monkeypatch.setattr(segment, "_has_byte_products", lambda: quick)
    on_cpu = "folds-int8.onnx" if quick else "folds.onnx"
    segmenter = Segmenter()
    assert segmenter.name == on_cpu
    segmenter.wants_gpu = True
    ask(segmenter)
    assert segmenter.name == "folds.onnx"
    assert opened == [(on_cpu, False), ("folds.onnx", True)]
    opened.clear()
    own = models / "own.onnx"
    shutil.copy(models / segment.MODEL, own)
    assert Segmenter(own).name == "own.onnx"
    assert opened == [("folds.onnx", False)]


@pytest.mark.parametrize(
    ("processor", "quick"),
    [
        ({}, False),
        ({"avx": True, "avx2": False}, False),
        ({"avx2": True, "avx512f": True, "avx512vnni": False}, True),
        ({"avx2": True, "avxvnni": True}, True),
        ({"neon": True, "dotprod": True}, True),
    ],
)
def test_eight_bits_are_for_processors_with_instructions_for_them(monkeypatch, processor, quick):
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: processor)
    assert segment._has_byte_products() is quick


class OnGpu:
    """A session of the CPU that passes for one of a GPU, until it fails."""

    def __init__(self, session):
        self.session, self.n_left = session, 3

    def io_binding(self):
        return self.session.io_binding()

    def run_with_iobinding(self, binding):
        if not self.n_left:
            raise RuntimeError("CUDA failure 700: an illegal memory access\nsomewhere")
        self.n_left -= 1
        self.session.run_with_iobinding(binding)


def test_no_picture_is_lost_with_the_gpu(monkeypatch):
    def open_(content, *, on_gpu):
        session = open_on_cpu(content, on_gpu=False)
        return OnGpu(session) if on_gpu else session

    open_on_cpu = segment._open
    monkeypatch.setattr(segment, "missing_gpu", lambda: "")
    monkeypatch.setattr(segment, "_open", open_)
    segmenter = Segmenter(assets.model(segment.MODEL))
    expected = [ask(segmenter, seed=seed) for seed in range(5)]
    segmenter.wants_gpu = True
    devices = []
    for seed in range(5):
        np.testing.assert_array_equal(ask(segmenter, seed=seed), expected[seed])
        devices.append(segmenter.device)
    assert devices == ["GPU", "GPU", "GPU", "CPU", "CPU"]
    assert segmenter.note.endswith("CPU: CUDA failure 700: an illegal memory access")


# ---- the pipeline ---------------------------------------------------------------------------

GRID = ImageGrid("parallel", 96, 64, (-0.01, 0.01), (0.006, 0.022))
POLAR = ImageGrid("polar", 96, 64, (-0.3, 0.3), (14e-3, 30e-3), apex_m=(0.0, -9e-3))
BY_CONTINUITY = ProcessingSettings(dealias_method="continuity")


def iq_frame(index=0, grid=GRID):
    """A band of flow that is faster than v_N, over noise."""
    acquisition = make_acquisition(colour_grid=grid, bmode_grid=grid)
    rng = np.random.default_rng(index)
    shape = (acquisition.n_pulses, *grid.shape)
    samples = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    across = np.abs(np.arange(grid.n_depths)[:, None] - 48) / 20
    turns = 0.75 * np.clip(1 - across**2, 0, None) * np.arange(acquisition.n_pulses)[:, None, None]
    samples += np.where(across < 1, 12.0, 0.0) * np.exp(2j * np.pi * turns)
    power = np.mean(np.abs(samples) ** 2, axis=0).astype(np.float32)
    return IqFrame(index, index / 30, 0.0, acquisition, pack_ensemble(samples), power)


class Asked:
    """A network under the test's control: blood everywhere, surely in fold 1."""

    device, note = "CPU", ""
    wants_gpu = False

    def __init__(self, fault=""):
        self.calls, self.fault = [], fault

    def posterior(self, velocity, power_db, bandwidth, echo_db, *, previous, evidence):
        self.calls.append((velocity, power_db, bandwidth, echo_db, previous, evidence))
        if self.fault:
            raise AssetError(self.fault)
        found = np.full((*velocity.shape, N_CLASSES), 0.01, np.float32)
        found[..., 4], found[..., 7] = 0.94, 0.9
        return found


def test_the_network_is_shown_what_it_was_trained_with():
    iq, network, processing = iq_frame(), Asked(), ProcessingSettings()
    picture = doppler(iq, processing, None, network)
    ((velocity, power_db, bandwidth, echo_db, previous, evidence),) = network.calls
    nyquist = picture.nyquist_velocity_m_s
    np.testing.assert_allclose(velocity * nyquist, picture.velocity_m_s, rtol=1e-6)
    np.testing.assert_array_equal(power_db, picture.power_db)
    np.testing.assert_array_equal(bandwidth, picture.bandwidth)
    level_db = 10 * np.log10(np.mean(np.sum(iq.iq**2, axis=-2)[..., : iq.acquisition.n_pulses], -1))
    np.testing.assert_allclose(np.diff(echo_db), np.diff(level_db), atol=1e-3)
    assert -12.0 < echo_db.max() < -8.0  # the bright end has 10 dB of headroom
    assert previous is None
    assert evidence.shape == (N_MAPS, 24, 16)
    flow = picture.status != Status.NO_FLOW
    assert flow.any()
    assert not flow.all()
    # Blood that is too weak to be shown as flow has its fold all the same.
    assert np.mean(picture.fold[~flow] == 1) > 0.9
    # Where the flow is coherent, continuity has its say.
    assert np.all(np.abs(picture.fold[flow] - 1) <= 1)
    assert picture.stage_seconds.keys() >= {"evidence", "network", "dealias"}
    assert picture.notes == ()


def test_flow_that_is_no_blood_to_the_network_is_not_passed_over():
    class Bloodless(Asked):
        def posterior(self, *planes, **options):
            said = super().posterior(*planes, **options)
            said[..., -1] = 0.0
            return said

    picture = doppler(iq_frame(), ProcessingSettings(), None, Bloodless())
    flow = picture.status != Status.NO_FLOW
    assert flow.any()
    assert (picture.confidence[flow] > 0.0).all()
    assert not picture.confidence[~flow].any()


def test_the_network_is_shown_the_echoes_of_the_frame():
    network, iq = Asked(), iq_frame(0)
    picture = doppler(iq, ProcessingSettings(), None, network)
    *_, evidence = network.calls[0]
    acquisition = iq.acquisition
    shift = echo_shift(acquisition)
    expected = echo_evidence(iq.iq, acquisition.n_pulses, shift, picture.wall_filter)
    np.testing.assert_array_equal(evidence, expected)


def echo_shift(acquisition):
    grid = acquisition.colour_grid
    return EchoShift.on_grid(
        grid.pixel_size_m,
        acquisition.wavelength_m,
        grid.angle_rad,
        acquisition.transmit_angle_rad,
        acquisition.receive_angle_rad,
    )


def test_only_sure_folds_are_shown_to_the_next_frame():
    processing = ProcessingSettings()
    before = doppler(iq_frame(0), processing, None, Asked())
    confidence = before.confidence.copy()
    confidence[:, 20:30] = 0.59
    network = Asked()
    doppler(iq_frame(1), processing, dataclasses.replace(before, confidence=confidence), network)
    previous = network.calls[0][4]
    flow = before.status != Status.NO_FLOW
    shown = np.isfinite(previous)
    assert not shown[:, 20:30].any()
    assert shown[flow][:, None].any()
    nyquist = before.nyquist_velocity_m_s
    np.testing.assert_allclose(previous[shown], (before.corrected_m_s / nyquist)[shown], rtol=1e-5)


def test_a_sector_has_no_evidence():
    network = Asked()
    doppler(iq_frame(grid=POLAR), ProcessingSettings(), None, network)
    assert network.calls[0][-1] is None


@pytest.mark.parametrize("changes", [{"dealias": False}, {"dealias_method": "continuity"}])
def test_the_network_is_asked_only_where_it_is_wanted(changes):
    network = Asked()
    picture = doppler(iq_frame(), ProcessingSettings(**changes), None, network)
    assert network.calls == []
    assert not any("network" in note for note in picture.notes)


@pytest.mark.parametrize(
    ("network", "note"),
    [
        (None, "no network: folds by continuity"),
        (Asked("own.onnx: out of memory"), "own.onnx: out of memory; folds by continuity"),
    ],
    ids=["none", "failing"],
)
def test_without_a_network_continuity_finds_the_folds(network, note):
    picture = doppler(iq_frame(), ProcessingSettings(), None, network)
    expected = doppler(iq_frame(), BY_CONTINUITY, None)
    assert picture.notes == (note, *expected.notes)
    np.testing.assert_array_equal(picture.fold, expected.fold)
    assert expected.fold.any()


def test_a_picture_without_flow_costs_no_network():
    network = Asked()
    doppler(iq_frame(), ProcessingSettings(flow_power_db=40.0), None, network)
    assert network.calls == []


@pytest.mark.parametrize("n_pulses", [2, 3, 64])
@pytest.mark.parametrize("kind", ["none", "polynomial-1", "iir-low", "svd-low"])
def test_any_ensemble_and_filter_gives_finite_pictures(segmenter, n_pulses, kind):
    grid = ImageGrid("parallel", 20, 12, (-0.002, 0.002), (0.006, 0.009), angle_rad=0.2)
    acquisition = make_acquisition(colour_grid=grid, bmode_grid=grid)
    acquisition = dataclasses.replace(acquisition, n_pulses=n_pulses)
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(2, n_pulses, 20, 12))
    samples = pack_ensemble(samples[0] + 1j * samples[1])
    iq = IqFrame(0, 0.0, 0.0, acquisition, samples, np.ones(grid.shape, np.float32))
    processing = ProcessingSettings(wall_filter=kind, flow_power_db=0.0)
    picture = doppler(iq, processing, None, segmenter)
    assert np.isfinite(picture.confidence).all()
    assert np.isfinite(picture.corrected_m_s).all()


# ---- the command line -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)
    with pytest.raises(AssetError, match=r"pipe\.onnx: not a regular file; take a model"):
        Segmenter(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("dealias_method=continuity", "dealias_method is continuity; set dealias_method=network"),
        ("dealias=off", "dealias is off; set dealias=on"),
    ],
)
def test_a_named_model_that_no_setting_asks_for_is_said(capsys, tmp_path, change, words):
    arguments = ["simulated:straight-tube", "--frames", "1", "--set", "depth_m=0.02"]
    output, model = str(tmp_path / "out.h5"), str(assets.model(segment.MODEL))
    assert main(["process", *arguments, "--set", change, "--model", model, "-o", output]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "not used" in line]
    assert notes == [f"note: {model} is not used: {words}"]


@pytest.mark.parametrize("command", ["process", "run"])
def test_a_named_model_that_cannot_be_used_is_one_line(capsys, tmp_path, command):
    path = tmp_path / "own.onnx"
    path.write_text("nothing")
    output = ["-o", str(tmp_path / "out.h5")] if command == "process" else []
    assert main([command, "simulated:straight-tube", "--model", str(path), *output]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{path}: " in line
    assert "ultrasound-console train" in line
    assert [item.name for item in tmp_path.iterdir()] == ["own.onnx"]


def test_processing_goes_on_without_the_programs_own_network(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    output = tmp_path / "out.h5"
    source = ["simulated:straight-tube", "--frames", "1", "--set", "depth_m=0.02"]
    assert main(["process", *source, "-o", str(output)]) == 0
    assert output.is_file()
    assert "folds are found by continuity" in capsys.readouterr().err


def test_the_thread_keeps_its_smallest_numbers(segmenter):
    # A runtime that turns subnormal numbers off does so for all that its thread does next.
    ask(segmenter)
    smallest = np.array([5e-324])
    assert (2.0 * smallest)[0] > 0.0
