"""What is said of kernels while they are compiled."""

import numba
import numpy as np
import pytest
from numba.core import errors

from ultrasound_console.dsp.compilation import Compilation


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
