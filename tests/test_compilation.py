"""What is said of kernels while they are compiled."""

import gc
import importlib
import os
import time

import numba
import numpy as np
import pytest
from numba.core import errors

from ultrasound_console.dsp import compilation as compilation_module
from ultrasound_console.dsp.compilation import DEALIASING, Compilation


@pytest.fixture
def compilation():
    listening = Compilation()
    yield listening
    listening.stop()


def test_the_kernel_that_was_called_is_named_not_the_ones_it_calls(compilation):
    heard = []

    @numba.njit
    def inner(x):
        return x + 1.0

    @numba.njit
    def outer(x):
        return inner(x)

    class Spy(numba.core.event.Listener):
        def on_start(self, event):
            heard.append((event.data["dispatcher"].py_func.__name__, compilation.kernel))

        def on_end(self, event):
            heard.append(("end", compilation.kernel))

    spy = Spy()
    with numba.core.event.install_listener("numba:compile", spy):
        assert outer(1.0) == 2.0
    assert ("outer", "outer") in heard
    assert ("inner", "outer") in heard
    assert compilation.kernel == ""
    assert compilation.n_compiled == 1

    assert outer(2.0) == 3.0
    assert compilation.n_compiled == 1


def test_who_listens_from_the_middle_on_bears_an_end_without_a_beginning():
    @numba.njit
    def some(x):
        return x

    # As numba tells of it.
    with numba.core.event.trigger_event("numba:compile", data={"dispatcher": some}):
        listening = Compilation()
    assert listening.kernel == ""
    assert listening.n_compiled == 0
    listening.stop()


def test_a_kernel_that_does_not_compile_is_not_waited_for(compilation):
    @numba.njit
    def wrong(x):
        return x + "text"

    with pytest.raises(errors.TypingError):
        wrong(np.ones(1))
    assert compilation.kernel == ""


def test_nothing_is_heard_after_the_end():
    listening = Compilation()
    listening.stop()

    @numba.njit
    def some(x):
        return x

    some(1)
    assert listening.n_compiled == 0


@pytest.mark.parametrize("lacks", [None, DEALIASING[0], DEALIASING[-1]])
def test_a_start_is_a_first_one_until_the_last_kernel_is_kept(compilation, monkeypatch, lacks):
    monkeypatch.setattr(compilation_module, "is_kept", lambda kernel: kernel is not lacks)
    assert compilation.is_first_start == (lacks is not None)


def test_what_is_kept_is_seen_in_the_cache(monkeypatch, tmp_path):
    source = tmp_path / "two_kernels.py"
    source.write_text(
        "from numba import njit\n\n"
        "@njit(cache=True)\ndef made(x):\n    return x + 1\n\n"
        "@njit(cache=True)\ndef made_later(x):\n    return x - 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kernels = importlib.import_module("two_kernels")
    assert not compilation_module.is_kept(kernels.made)
    kernels.made(1)
    assert compilation_module.is_kept(kernels.made)
    assert not compilation_module.is_kept(kernels.made_later)
    # What an older version of the source has left behind does not count.
    os.utime(source, (time.time() + 60.0,) * 2)
    assert not compilation_module.is_kept(kernels.made)


@pytest.mark.parametrize("collects", [True, False])
def test_no_garbage_is_looked_for_meanwhile_and_all_is_as_before_at_the_end(compilation, collects):
    del compilation

    @numba.njit
    def wrong(x):
        return x + "text"

    heard = []

    class Spy(numba.core.event.Listener):
        def on_start(self, event):
            heard.append(gc.isenabled())

        def on_end(self, event):
            pass

    try:
        if not collects:
            gc.disable()
        with (
            numba.core.event.install_listener("numba:compile", Spy()),
            pytest.raises(errors.TypingError),
        ):
            wrong(np.ones(1))
        assert not any(heard)
        assert heard
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_garbage_is_looked_for_again_where_it_ends_within_a_compilation():
    @numba.njit
    def some(x):
        return x

    listening = Compilation()
    with numba.core.event.trigger_event("numba:compile", data={"dispatcher": some}):
        assert not gc.isenabled()
        listening.stop()
        assert gc.isenabled()
