"""The second process of a very first start, and what it compiles."""

import io
import os
import subprocess
import sys

import pytest
from numba.core import event

from ultrasound_console.ui import ahead, app
from ultrasound_console.ui.ahead import CompilingAhead
from ultrasound_console.ui.app import CannotStartError, RunOptions, run_console

LISTENS = "import sys; sys.stdin.read()"
IS_DEAF = "import time; print(flush=True); time.sleep(600.0)"


@pytest.fixture
def nothing_kept(monkeypatch):
    monkeypatch.setattr(ahead, "is_kept", lambda kernel: False)


@pytest.mark.parametrize(("program", "how"), [(LISTENS, 0), (IS_DEAF, -9)])
def test_it_ends_with_the_console_in_one_way_or_the_other(nothing_kept, monkeypatch, program, how):
    monkeypatch.setattr(ahead, "_PROGRAM", program)
    monkeypatch.setattr(ahead, "_GRACE_S", 20.0 if how == 0 else 0.01)
    with CompilingAhead() as compiling:
        process = compiling._process
    assert process.returncode == how
    compiling.wait()
    compiling.end()


def test_it_is_waited_for(nothing_kept, monkeypatch):
    monkeypatch.setattr(ahead, "_PROGRAM", "")
    with CompilingAhead() as compiling:
        compiling.wait()
        assert compiling._process.returncode == 0


def test_it_does_not_start_beside_kernels_of_before(monkeypatch):
    monkeypatch.setattr(ahead, "is_kept", lambda kernel: kernel is ahead.DEALIASING[-1])
    with CompilingAhead() as compiling:
        assert compiling._process is None
        compiling.wait()


def test_the_console_goes_on_where_no_process_can_be_had(nothing_kept, monkeypatch, caplog):
    monkeypatch.setattr(ahead.sys, "executable", "/no/such/python")
    with CompilingAhead() as compiling:
        compiling.wait()
    assert "not compiled ahead" in caplog.text


def test_it_ends_before_the_next_kernel_once_the_console_is_gone(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as ours:
        monkeypatch.setattr(ahead.sys, "stdin", io.TextIOWrapper(ours))
        ending = ahead._Ending()
        try:
            with event.trigger_event("numba:compile"):
                assert ends == []
            os.close(writing)
            ending.thread.join(20.0)
            with event.trigger_event("numba:compile"):
                assert ends == [0]
        finally:
            event.unregister("numba:compile", ending)


TELL_MISSING = """
from ultrasound_console.ui import ahead
ahead.make()
listed = (*ahead.PICTURE, *ahead.DEALIASING)
print("missing:", *(kernel.py_func.__name__ for kernel in listed if not kernel.signatures))
"""


def test_the_process_ends_well_when_its_work_is_done():
    # Somebody still holds the other end of its input.
    made = "from ultrasound_console.ui import ahead; ahead.make = lambda: None; ahead.main()"
    with subprocess.Popen([sys.executable, "-c", made], stdin=subprocess.PIPE) as process:
        assert process.wait(60.0) == 0


def test_it_compiles_all_that_is_listed():
    # In a process of its own: other tests have compiled here what it would leave out.
    told = subprocess.run(
        [sys.executable, "-c", TELL_MISSING], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["missing:"]


def test_the_network_is_loaded_behind_it_and_it_ends_without_a_window_too(monkeypatch):
    done = []

    class Ahead:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            done.append("stop")

        def wait(self):
            done.append("wait")

    def no_window(application, store, load_segmenter, folder):
        load_segmenter()
        raise CannotStartError("no window")

    monkeypatch.setattr(app, "CompilingAhead", Ahead)
    monkeypatch.setattr(app, "Segmenter", lambda: done.append("load"))
    monkeypatch.setattr(app, "start_application", lambda: None)
    monkeypatch.setattr(app, "_window", no_window)
    assert run_console(RunOptions(None, {}, fresh=True)) == 1
    assert done == ["wait", "load", "stop"]
