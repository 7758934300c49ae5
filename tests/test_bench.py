"""The speed command: that it measures what it says, and refuses what it cannot."""

import dataclasses
import gc
import json
import math
import os
import subprocess
import sys
import threading
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from echoes import relative_error

from ultrasound_console import bench
from ultrasound_console.__main__ import main
from ultrasound_console.bench import clock, gpu, rivals
from ultrasound_console.dsp import device as device_module
from ultrasound_console.dsp.arrays import unpack_ensemble
from ultrasound_console.dsp.beamform import receive_table
from ultrasound_console.frames import Status

KEYS = {
    "beamform_sgemm_ratio",
    "beamform_vs_scipy_csr",
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
    x_m, z_m = frame.acquisition.colour_grid.positions_m()
    beside_m = (z_m - 22e-3) * math.cos(tilt) - x_m * math.sin(tilt)
    axis = (np.abs(beside_m) < 0.2e-3) & (np.abs(x_m) < 8e-3)
    assert np.median(picture.corrected_m_s[axis]) == pytest.approx(-0.9 * seen, rel=0.05)


def test_scipy_multiplies_the_same_table(work):
    work.beamform()
    assert relative_error(work.scipy_csr()().T, image(work)) < 1e-5


def test_operations_are_counted_from_the_table(work):
    entries = np.diff(receive_table(work.receive).start).sum()
    # An aperture of f/1.5 at 3 ... 43 mm, cut at the array's ends, is a third of the 128 elements.
    assert entries / work.iq[..., 0, 0].size == pytest.approx(43, abs=5)
    assert work.beamform_flop == 14 * work.channel.shape[-1] * entries


def test_ratio_is_the_median_of_pairs(monkeypatch):
    taken_s = {"slow": iter([6.0, 90.0, 8.0]), "fast": iter([2.0, 9.0, 2.0])}
    calls = []
    monkeypatch.setattr(clock, "_once", lambda task, clock: (clock(), next(taken_s[task()])))

    def task(name):
        return lambda: calls.append(name) or name

    ratio = clock.times_slower(task("slow"), task("fast"), rounds=3, clock=lambda: 0.0)
    assert ratio == 4.0
    assert calls == ["slow", "fast"] * 4


def test_median_time_is_in_milliseconds(monkeypatch):
    taken_s = iter([(0.004, 0.002), (0.9, 0.8), (0.003, 0.001)])
    monkeypatch.setattr(clock, "_once", lambda task, used: next(taken_s))
    assert clock.timed(lambda: None, rounds=3) == clock.Timing(4.0, 2.0)


def test_the_pipeline_drops_nothing_and_keeps_the_order():
    seen = []

    def second(iq, processing, previous):
        seen.append((iq.index, previous))
        return iq.index

    chain = bench.pipelined(bench.PROCESSING, 20, lambda frame, processing: frame, second)
    assert seen == [(index, index - 1 if index else None) for index in range(22)]
    assert chain.fps > 0
    assert 0 < chain.latency_p50_ms <= chain.latency_p99_ms


def test_a_fault_in_the_first_thread_ends_the_pipeline():
    def first(frame, processing):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        bench.pipelined(bench.PROCESSING, 3, first)


@pytest.fixture(scope="module")
def report():
    return bench.measure(rounds=1, n_frames=3)


def test_report_has_its_keys_and_survives_json(report):
    assert set(report) >= KEYS
    assert {key: report[key] for key in rivals.RIVALS} == dict.fromkeys(rivals.RIVALS)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report["stage_ms"]) == set(report["stage_cpu_ms"])
    for key in KEYS - {"stage_ms"}:
        assert report[key] > 0


def test_table_names_the_machine_and_every_stage(report):
    text = bench.table(report)
    for words in (report["cpu"], "numpy", *report["stage_ms"]):
        assert words in text
    assert max(map(len, text.splitlines()[2:])) <= 80


def test_rivals_are_told_with_what_came_of_them(monkeypatch):
    work = SimpleNamespace(stages={}, segmenter=None)
    work.beamform_flop = 1
    work.stages["beamform"] = work.beamform = work.scipy_csr = lambda: None
    asked = []

    def measure(given, rounds):
        asked.append((given, rounds))
        measured = dict.fromkeys(rivals.RIVALS, rivals.Outcome("not measured: no backend"))
        return measured | {"beamform_vs_pymust": rivals.Outcome("measured", 8.25, 0.99991)}

    monkeypatch.setattr(bench, "Work", lambda: work)
    monkeypatch.setattr(bench, "pipelined", lambda *_: bench.Chain(50.0, 20.0, 30.0))
    monkeypatch.setattr(bench, "against_sgemm", lambda *_: (0.7, 0.6))
    monkeypatch.setattr(bench, "times_slower", lambda *_: 4.0)
    monkeypatch.setattr(rivals, "measure", measure)
    report = bench.measure(rivals=True, rounds=1)
    assert asked == [(work, 1)]
    assert report["beamform_vs_pymust"] == 8.25
    assert report["beamform_vs_zea"] is None
    assert report["rivals"]["beamform_vs_zea"]["state"] == "not measured: no backend"
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    lines = bench.table(report).splitlines()
    (line,) = (line for line in lines if line.startswith("beamform over pymust"))
    assert line.endswith("8.2 times (alike 0.9999)")
    (line,) = (line for line in lines if line.startswith("beamform over zea"))
    assert line.endswith("not measured: no backend")


# ---- the command --------------------------------------------------------------------------


def refused(capsys, *arguments):
    assert main(["bench", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_gpu_is_refused_without_cupy(capsys, monkeypatch):
    monkeypatch.setattr(device_module.util, "find_spec", lambda name: None)
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


def test_gpu_runs_every_stage(capsys, monkeypatch, tmp_path, device):
    measure = gpu.measure
    monkeypatch.setattr(gpu, "measure", lambda: measure(rounds=1, n_frames=2))
    assert main(["bench", "--gpu", "--json", str(tmp_path / "f.json")]) == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["iq_difference_from_cpu"] < 1e-4
    assert report["maps_ms"] > 0.0
    assert report["maps_fps"] > 0.0
    assert report["chain_fps"] > 0.0
    assert 0.0 < report["latency_p50_ms"] <= report["latency_p99_ms"]
    printed = capsys.readouterr().out
    for name in ("Processor", "upload", "download", *report["stage_ms"]):
        assert name in printed


def test_times_of_the_cpu_do_not_pass_for_those_of_the_gpu(monkeypatch, device):
    put = device.call

    def fails(name, stream):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError
        put(name, stream)

    monkeypatch.setattr(device, "call", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        gpu.measure(rounds=1, n_frames=2)


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
    monkeypatch.setattr(bench, "measure", lambda rivals: report | {"asked": rivals})
    assert main(["bench", "--rivals", "--json", str(tmp_path / "f.json")]) == 0
    saved = json.loads((tmp_path / "f.json").read_text())
    assert saved["asked"] is True
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
