"""The speed command: that it measures what it says, and refuses what it cannot."""

import dataclasses
import gc
import json
import math
import os
import shutil
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import cuda_on_cpu
import numpy as np
import pytest
from echoes import relative_error

from ultrasound_console import bench
from ultrasound_console.__main__ import main
from ultrasound_console.bench import clock, gpu
from ultrasound_console.dsp import kernels_cuda
from ultrasound_console.dsp.arrays import unpack_ensemble
from ultrasound_console.dsp.beamform import receive_table
from ultrasound_console.frames import Status

SOURCE = kernels_cuda.SOURCE.read_text(encoding="utf-8")
KEYS = {
    "beamform_sgemm_ratio",
    "beamform_vs_scipy_csr",
    "beamform_vs_pymust",
    "maps_fps",
    "chain_fps",
    "stage_ms",
    "dealias_ms",
}


@pytest.fixture(scope="module")
def work():
    return bench.Work()


def image(work):
    return unpack_ensemble(work.iq, bench.N_PULSES).reshape(bench.N_PULSES, -1)


def test_the_frame_has_flow_that_aliases():
    frame = bench.workload()
    assert frame.colour.shape == (12, 128, 2016)
    assert frame.colour.dtype == np.int16
    assert np.abs(frame.colour.astype(int)).max() < 2**15 - 1
    picture = bench.finish(bench.form(frame, bench.PROCESSING), bench.PROCESSING, None)
    flow = picture.status != Status.NO_FLOW
    # The vessel covers 8 mm / cos 30 deg of the 40 mm of depth.
    assert np.mean(flow) == pytest.approx(0.23, abs=0.05)
    assert picture.aliased_share > 0.4
    # On the axis: 0.9 m/s, 30 deg down, seen along the mean of 8 deg and 0 deg.
    tilt = math.radians(30)
    seen = 0.5 * (math.cos(tilt) * math.sin(math.radians(8)))
    seen += 0.5 * math.sin(tilt) * (1 + math.cos(math.radians(8)))
    row, column = (round(float(i)) for i in frame.acquisition.colour_grid.indices(0.0, 22e-3))
    around = picture.corrected_m_s[row - 3 : row + 4, column - 3 : column + 4]
    assert np.median(around) == pytest.approx(-0.9 * seen, rel=0.08)


def test_scipy_multiplies_the_same_table(work):
    work.beamform()
    assert relative_error(work.scipy_csr()().T, image(work)) < 1e-5


@pytest.mark.rivals
def test_pymust_does_the_same_work(work):
    pytest.importorskip("pymust")
    # PyMUST has no apodisation and adds up without a norm.
    box = bench.Work()
    box.receive = dataclasses.replace(work.receive, taper=1e-6)
    box.beamform()
    shape = bench.workload().acquisition.colour_grid.shape
    theirs = box.pymust()().T.reshape(bench.N_PULSES, *shape[::-1]).transpose(0, 2, 1)
    ours = image(box).reshape(bench.N_PULSES, *shape)
    # Inside the plane wave, and with the whole aperture: the centre of the picture.
    inside = (slice(None), slice(60, 160), slice(80, 112))
    ours, theirs = ours[inside].ravel(), theirs[inside].ravel()
    alike = abs(np.vdot(ours, theirs)) / (np.linalg.norm(ours) * np.linalg.norm(theirs))
    assert alike > 0.97


def test_operations_are_counted_from_the_table(work):
    entries = receive_table(work.receive).delay.size - 16
    assert work.beamform_flop == 14 * 16 * entries


def test_ratio_is_the_median_of_pairs(monkeypatch):
    taken_s = {"slow": iter([6.0, 90.0, 8.0]), "fast": iter([2.0, 9.0, 2.0])}
    calls = []
    monkeypatch.setattr(clock, "_once", lambda task: (0.0, next(taken_s[task()])))

    def task(name):
        return lambda: calls.append(name) or name

    assert clock.times_slower(task("slow"), task("fast"), rounds=3) == 4.0
    assert calls == ["slow", "fast"] * 4


def test_median_time_is_in_milliseconds(monkeypatch):
    taken_s = iter([(0.004, 0.002), (0.9, 0.8), (0.003, 0.001)])
    monkeypatch.setattr(clock, "_once", lambda task: next(taken_s))
    assert clock.timed(lambda: None, rounds=3) == clock.Timing(4.0, 2.0)


def test_the_pipeline_drops_nothing_and_keeps_the_order(monkeypatch):
    seen = []

    def finish(iq, processing, previous):
        seen.append((iq.index, previous))
        return iq.index

    monkeypatch.setattr(bench, "form", lambda frame, processing: frame)
    monkeypatch.setattr(bench, "finish", finish)
    chain = bench.pipelined(bench.PROCESSING, n_frames=20)
    assert seen == [(index, index - 1 if index else None) for index in range(22)]
    assert chain.fps > 0
    assert 0 < chain.latency_p50_ms <= chain.latency_p99_ms


def test_a_fault_in_the_first_thread_ends_the_pipeline(monkeypatch):
    def form(frame, processing):
        raise ValueError("broken")

    monkeypatch.setattr(bench, "form", form)
    with pytest.raises(ValueError, match="broken"):
        bench.pipelined(bench.PROCESSING, n_frames=3)


@pytest.fixture(scope="module")
def report():
    return bench.measure(rounds=1, n_frames=3)


def test_report_has_its_keys_and_survives_json(report):
    assert set(report) >= KEYS
    assert report["beamform_vs_pymust"] is None
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report["stage_ms"]) == set(report["stage_cpu_ms"])
    for key in KEYS - {"beamform_vs_pymust", "stage_ms"}:
        assert report[key] > 0
    without = report["beamform_sgemm_ratio_without_padding"]
    assert without == pytest.approx(0.75 * report["beamform_sgemm_ratio"])


def test_table_names_the_machine_and_every_stage(report):
    text = bench.table(report)
    for words in (report["cpu"], "numpy", "not measured", *report["stage_ms"]):
        assert words in text
    assert max(map(len, text.splitlines()[2:])) <= 80


def test_rivals_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setattr(bench, "Work", lambda: SimpleNamespace(stages={"dealias": int}))
    monkeypatch.setattr(bench, "pipelined", lambda *_: bench.Chain(50.0, 20.0, 30.0))
    monkeypatch.setattr(bench, "against_sgemm", lambda *_: (0.7, 0.6))
    monkeypatch.setattr(bench, "times_slower", lambda *_: 4.0)
    monkeypatch.setattr(bench.util, "find_spec", lambda name: None)
    work = bench.Work()
    work.channel, work.beamform_flop = np.zeros((1, 1, 2, 16)), 1
    work.stages["beamform"] = work.beamform = work.scipy_csr = lambda: None
    monkeypatch.setattr(bench, "Work", lambda: work)
    report = bench.measure(rivals=True, rounds=1)
    assert report["beamform_vs_pymust"] is None
    assert report["rivals"] == dict.fromkeys(bench.RIVALS, "not installed")
    assert "zea" in bench.table(report)


# ---- the command --------------------------------------------------------------------------


def refused(capsys, *arguments):
    assert main(["bench", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_gpu_is_refused_without_cupy(capsys, monkeypatch):
    monkeypatch.setattr(gpu.util, "find_spec", lambda name: None)
    assert "CuPy is not installed" in refused(capsys, "--gpu")


@pytest.mark.parametrize("has_driver", [False, True])
def test_gpu_is_refused_where_there_is_none(capsys, monkeypatch, has_driver):
    class CUDARuntimeError(RuntimeError):
        pass

    def count():
        if not has_driver:
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        return 0

    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), __spec__=object())
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert "no NVIDIA GPU" in refused(capsys, "--gpu")


def test_gpu_runs_every_stage(capsys, monkeypatch, tmp_path):
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    cupy = cuda_on_cpu.CudaOnCpu(cuda_on_cpu.compiled(compiler, tmp_path))
    cupy.__version__, cupy.__spec__ = "0", object()
    cupy.cuda.runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"Processor"},
        CUDARuntimeError=RuntimeError,
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(kernels_cuda, "_tables", kernels_cuda._Tables())
    monkeypatch.setattr(kernels_cuda, "_module", lambda: cupy.RawModule(SOURCE, ()))
    measure = gpu.measure
    monkeypatch.setattr(gpu, "measure", lambda: measure(rounds=1))
    assert main(["bench", "--gpu", "--json", str(tmp_path / "f.json")]) == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["iq_difference_from_cpu"] < 1e-4
    assert report["maps_fps"] == pytest.approx(1e3 / report["maps_ms"])
    printed = capsys.readouterr().out
    for name in ("Processor", "upload", "download", *report["stage_ms"]):
        assert name in printed


def test_a_file_that_cannot_be_written_is_refused_first(capsys, tmp_path):
    assert "no/f.json" in refused(capsys, "--json", str(tmp_path / "no" / "f.json"))
    assert str(tmp_path) in refused(capsys, "--json", str(tmp_path))


def test_the_command_starts_again_with_one_blas_thread(monkeypatch, tmp_path):
    runs = []

    def run(command, *, env, check):
        runs.append((command, env))
        return SimpleNamespace(returncode=3)

    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(bench.subprocess, "run", run)
    path = str(tmp_path / "f.json")
    assert main(["bench", "--rivals", "--json", path]) == 3
    ((command, env),) = runs
    assert command[1:] == ["-m", "ultrasound_console", "bench", "--rivals", "--json", path]
    assert env["OPENBLAS_NUM_THREADS"] == env["MKL_NUM_THREADS"] == "1"


def test_the_command_prints_and_saves(monkeypatch, capsys, tmp_path, report):
    for name, value in bench.one_thread().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bench, "measure", lambda rivals: report | {"rivals": {"zea": str(rivals)}})
    assert main(["bench", "--rivals", "--json", str(tmp_path / "f.json")]) == 0
    saved = json.loads((tmp_path / "f.json").read_text())
    assert saved["rivals"] == {"zea": "True"}
    assert bench.table(saved) in capsys.readouterr().out


def test_it_needs_neither_screen_nor_files():
    code = """
import sys
for name in ("PySide6", "vispy", "h5py", "pyqtgraph", "onnxruntime", "platformdirs"):
    sys.modules[name] = None  # an import of it fails
import ultrasound_console.__main__
from ultrasound_console import bench
bench.Work()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


# ---- memory -------------------------------------------------------------------------------

PLANE_BYTES = 4 * 256 * 192
SLACK_BYTES = 64 * 2**10


def allocated(task):
    """Bytes that the result of a call keeps, and the most that the call had at once."""
    kept = [task(), task()]
    kept.clear()
    gc.collect()
    tracemalloc.start()
    try:
        kept.append(task())
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def planes_bytes(frame):
    values = (getattr(frame, field.name) for field in dataclasses.fields(frame))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def test_kernels_write_where_they_are_told(work):
    assert allocated(work.stages["beamform"])[1] < SLACK_BYTES
    # The demodulator has 128 KiB of its own while it runs.
    kept, most = allocated(work.stages["demodulate"])
    assert kept < SLACK_BYTES
    assert most < 128 * 2**10 + SLACK_BYTES


def test_forming_allocates_the_frame_and_no_more():
    own = planes_bytes(bench.form(bench.workload(), bench.PROCESSING))
    kept, most = allocated(lambda: bench.form(bench.workload(), bench.PROCESSING))
    assert kept < own + SLACK_BYTES
    assert most < own + SLACK_BYTES


def test_a_picture_keeps_its_planes_and_no_more():
    processing = dataclasses.replace(bench.PROCESSING, dealias=False)
    iq = bench.form(bench.workload(), processing)
    before = bench.finish(iq, processing, None)
    iq = dataclasses.replace(iq, index=1, time_s=1 / 60)
    kept, most = allocated(lambda: bench.finish(iq, processing, before))
    assert kept < planes_bytes(before) + SLACK_BYTES
    # Lags before and after averaging, and what decibels are made of.
    assert most < planes_bytes(before) + 5 * PLANE_BYTES
