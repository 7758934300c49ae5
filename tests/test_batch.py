"""Many files: side by side, on a cluster, interrupted, and with some that fail."""

import json
import multiprocessing
import os
import shutil
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from recordings import write_must

from ultrasound_console import batch
from ultrasound_console.__main__ import main
from ultrasound_console.batch import Ended, Job, Method, Progress, processes
from ultrasound_console.commands import terminal

CONTINUITY = ["--set", "dealias_method=continuity"]


@pytest.fixture(autouse=True)
def _children_need_no_pytest(monkeypatch):
    """Spare them the start script of the tests, which each new process loads again."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.delattr(sys.modules["__main__"], "__file__")


@pytest.fixture
def recordings(tmp_path):
    """Two recordings, and the name of one that is not there between them."""
    first = write_must(tmp_path / "first.mat")
    shutil.copy(first, tmp_path / "second.mat")
    return [first, tmp_path / "missing.mat", tmp_path / "second.mat"]


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def process(*arguments) -> int:
    return main(["process", *map(str, arguments)])


def refused(capsys, *arguments) -> str:
    assert process(*arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def content(path):
    with np.load(path) as file:
        return {name: file[name] for name in file}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_one_failed(captured, recordings, results):
    """One file failed, with a line of its own; the others are written, and said."""
    first, missing, second = recordings
    lines = captured.err.strip().splitlines()
    assert f"failed: {missing}: no such file; check the name" in lines
    assert lines[-1].startswith("3 of 3 files, 1 failed, 2 frames in ")
    assert len(lines) == 2
    written = {str(results / f"{path.stem}.npz") for path in (first, second)}
    assert set(captured.out.split()) == written
    assert names_in(results) == ["first.npz", "second.npz"]


def test_files_are_processed_side_by_side_and_one_that_fails_stops_nobody(
    recordings, results, capsys
):
    changes = ["--set", "ensemble=10", *CONTINUITY]
    code = process(*recordings, "--out-dir", results, "--npz", "--processes", 2, *changes)
    assert code == 1
    assert_one_failed(capsys.readouterr(), recordings, results)
    assert not multiprocessing.active_children()
    # As one file alone, in HDF5, is processed here and now.
    single = results / "single.h5"
    assert process(recordings[0], "-o", single, *changes) == 0
    made, again = (content(results / f"{name}.npz") for name in ("first", "second"))
    with h5py.File(single) as file:
        assert made.keys() - {"attributes"} == set(file)
        for name in file:
            np.testing.assert_array_equal(made[name], file[name])
            np.testing.assert_array_equal(again[name], file[name])
            assert made[name].dtype == file[name].dtype
        attributes = json.loads(str(made["attributes"]))
        assert attributes.keys() == set(file.attrs)
        assert attributes["nyquist_velocity_m_s"] == file.attrs["nyquist_velocity_m_s"]


def test_ctrl_c_ends_all_processes_and_leaves_nothing_half_written(results, capsys, monkeypatch):
    held = []

    def press(shown, event):
        assert isinstance(event, Progress), event  # the file has been begun
        held.extend(names_in(results))
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal.BatchLine, "take", press)
    before = set(psutil.Process().children())
    source = "simulated:straight-tube"
    assert process(source, "--out-dir", results, "--processes", 1, *CONTINUITY) == 130
    assert [name.split(".")[0] for name in held] == ["simulated-straight-tube"]
    assert names_in(results) == []
    assert not multiprocessing.active_children()
    # Python's own, which tidies up after processes, may stay.
    stayed = set(psutil.Process().children()) - before
    assert all("resource_tracker" in child.cmdline()[-1] for child in stayed)
    assert "interrupted" in capsys.readouterr().err


def test_processes_that_are_killed_are_a_line_each_and_leave_nothing(results, monkeypatch):
    results.mkdir()
    jobs = [Job(f"{name}.mat", results / f"{name}.npz") for name in "ab"]

    def begin_and_die(worker, job):
        begin(worker, job)
        left = f"{job.output.name}.{worker.process.pid}.part"
        # The second as left by a death while the NumPy file was written.
        for name in (left, f"{left}.{worker.process.pid}.part"):
            (results / name).touch()
        worker.process.kill()

    begin = processes._Worker.begin
    monkeypatch.setattr(processes._Worker, "begin", begin_and_die)
    problem = "its process ended with -9; is memory short?"
    ended = list(batch.on_this_machine(jobs, Method(), 1))
    assert ended == [Ended(job, 0, problem) for job in jobs]
    assert names_in(results) == []
    assert not multiprocessing.active_children()


@pytest.fixture
def cluster():
    """A Dask cluster in this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False,
        host="127.0.0.1", protocol="tcp", dashboard_address="127.0.0.1:0",
    ) as made:  # fmt: skip
        yield made


def test_a_cluster_does_the_same(recordings, results, capsys, monkeypatch, cluster):
    monkeypatch.chdir(results.parent)
    before = set(threading.enumerate())
    names = [path.name for path in recordings]
    where = ["--out-dir", results.name, "--npz", "--dask", cluster.scheduler_address]
    assert process(*names, *where, *CONTINUITY) == 1
    relative = [Path(name) for name in names]
    assert_one_failed(capsys.readouterr(), relative, Path(results.name))
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not any("IO loop" in name for name in left), left


def test_a_cluster_that_is_not_there_is_one_line(recordings, results, capsys, monkeypatch):
    monkeypatch.setattr(batch.cluster, "_CONNECT_S", 0.2)
    where = ["--out-dir", results, "--dask", "tcp://127.0.0.1:1"]
    assert "no Dask scheduler answers there" in refused(capsys, recordings[0], *where)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'ultrasound-console[distributed]'" in refused(capsys, recordings[0], *where)


def test_nothing_is_written_over_what_it_is_made_of_nor_twice(tmp_path, capsys):
    for name in ("a.h5", "a.mat", "A.uff"):
        (tmp_path / name).write_bytes(b"a recording")
    at = tmp_path / "a.h5"
    assert "written over it" in refused(capsys, at, "-o", at)
    assert "written over it" in refused(capsys, at, "--out-dir", tmp_path)
    twice = refused(capsys, tmp_path / "a.mat", tmp_path / "A.uff", "--out-dir", tmp_path / "b")
    assert "would both be written to" in twice
    assert names_in(tmp_path) == ["A.uff", "a.h5", "a.mat"]
    assert at.read_bytes() == b"a recording"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.mat", "b.mat", "-o", "out.h5"], "--out-dir"),
        (["a.mat", "-o", "out.csv"], ".h5, .hdf5, .npz"),
        (["a.mat", "-o", "out.h5", "--npz"], "go with --out-dir"),
        (["a.mat", "--out-dir", "out", "--processes", "0"], "give 1 or more"),
        (["a.mat", "--out-dir", "no/out"], "No such file"),
        (["a.mat", "--out-dir", "out", "--set", "truth=on"], "for the screen"),
        (["a.mat", "--out-dir", ".", "--dask", "tcp://here:port"], "give tcp://HOST:PORT"),
    ],
)
def test_what_makes_no_sense_is_refused_first(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert names_in(tmp_path) == []


def test_a_model_that_cannot_be_used_is_said_before_anything_is_done(monkeypatch, results):
    method = Method(model=Path("none.onnx"))
    ours, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(processes.signal, "signal", lambda *_: None)
    processes._serve(theirs, method)
    refusal = ours.recv()
    assert isinstance(refusal, batch.BatchError)
    assert "none.onnx" in str(refusal)
    ended, _ = batch.run_job(Job("simulated:straight-tube", results / "out.h5"), method)
    assert ended.failure == str(refusal)
    for end in (ours, theirs):
        end.close()


class Still:
    """A worker that is no process: what it tells waits at the other end of a pipe."""

    def __init__(self):
        self.connection, self.theirs = multiprocessing.Pipe()
        self.job, self.has_died, self.ended = None, False, False

    def begin(self, job):
        self.job = job
        for event in (Progress(job, 0, 1), Progress(job, 1, 1), Ended(job, 1)):
            self.theirs.send(event)

    def receive(self):
        told = self.connection.recv()
        self.job = None if isinstance(told, Ended) else self.job
        return told


def test_the_others_begin_when_the_first_has_compiled(monkeypatch, results):
    def end(workers):
        for worker in workers:
            assert not worker.ended
            worker.ended = True
            worker.connection.close()
            worker.theirs.close()

    made: list[Still] = []

    def make(method, n_processes):
        made.append(Still())
        return made[-1]

    monkeypatch.setattr(processes, "_Worker", make)
    monkeypatch.setattr(processes, "_end", end)
    jobs = [Job(f"{k}.mat", results / f"{k}.h5") for k in range(5)]
    events = batch.on_this_machine(jobs, Method(), 3)
    assert [next(events), next(events)] == [Progress(jobs[0], 0, 1), Progress(jobs[0], 1, 1)]
    assert len(made) == 1
    rest = list(events)
    assert len(made) == 3
    assert all(worker.ended for worker in made)
    ended = [event.job for event in rest if isinstance(event, Ended)]
    assert sorted(ended, key=str) == jobs


def test_processes_share_the_processors(monkeypatch):
    for name in processes._THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(processes, "n_processors", lambda: 8)
    with processes._share_of_threads(3):
        assert [os.environ[name] for name in processes._THREADS] == ["3", "2", "2", "2"]
    assert [name for name in processes._THREADS if name in os.environ] == ["OMP_NUM_THREADS"]


def test_the_line_moves_where_somebody_looks(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(terminal, "_REDRAWN_S", 0.0)
    one, two = Job("one.mat", Path("one.h5")), Job("two.mat", Path("two.h5"))
    with terminal.BatchLine(2) as line:
        line.take(Progress(one, 1, 2))
        line.take(Progress(two, 1, 2))
        line.take(batch.Note("slow"))
        line.take(batch.Note("slow"))
        line.take(Ended(one, 2))
        line.take(Ended(two, 0, "empty"))
    said = capsys.readouterr()
    assert said.out == "one.h5\n"
    drawn = [part for part in said.err.replace("\n", "\r").split("\r") if part.strip()]
    assert "[##########..........] 0 of 2 files, 0 frames in 0 s" in drawn
    assert drawn.count("note: slow") == 1
    assert drawn[-3:] == [
        "failed: two.mat: empty",
        "[####################] 2 of 2 files, 1 failed, 2 frames in 0 s",
        "2 of 2 files, 1 failed, 2 frames in 0 s",
    ]
    assert line.n_failed == 1
