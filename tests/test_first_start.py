"""Pictures before the kernels of the de-aliasing are compiled."""

import dataclasses
import threading

import numpy as np
import pytest
from frames_for_tests import make_frame
from test_engine import Ready, Rig

from ultrasound_console.network import LATER
from ultrasound_console.ui.readout import badges_of


class Slow(Ready):
    """A network whose kernels take until they are told to be ready."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled = threading.Event()

    def posterior(self, velocity, *rest, **options):
        found = super().posterior(velocity, *rest, **options)
        self.compiled.wait()
        return found


@pytest.fixture
def first(monkeypatch):
    """An engine at the first start on a machine, its source open, and its network."""
    network = Slow()
    rig = Rig(monkeypatch, load_segmenter=lambda: network, first_start=True)
    rig.store.change(flow_power_db=0.0)
    rig.open()
    yield rig, network
    network.compiled.set()
    rig.engine.close()
    assert "network" not in {thread.name for thread in threading.enumerate()}


def test_pictures_do_not_wait_for_the_de_aliasing_and_say_that_it_comes(first):
    rig, network = first
    for _ in range(3):
        frame = rig.next_frame()
        assert LATER in frame.notes
        assert not frame.processing.dealias
        assert not frame.fold.any()
    rig.until(lambda: network.asked)
    # What it says is not shown before all is ready, and it is asked in the background, once.
    assert [(what, thread) for what, _, thread in network.asked] == [("posterior", "network")]
    network.compiled.set()
    rig.until(lambda: rig.engine.segmenter is network)
    frame = rig.next_frame()
    assert frame.processing == rig.store.current.processing
    assert LATER not in frame.notes
    assert network.asked[-1][2] == "doppler"


def test_a_frame_that_was_frozen_meanwhile_is_de_aliased_as_soon_as_that_can_be(first):
    rig, network = first
    frozen = rig.next_frame()
    rig.engine.freeze(frozen.index)
    network.compiled.set()
    rig.until(lambda: rig.frames[-1].processing.dealias)
    assert rig.frames[-1].index == frozen.index
    assert LATER not in rig.frames[-1].notes


def test_frames_of_a_loop_do_not_say_that_it_comes_once_it_is_switched_off(first):
    rig, _ = first
    for _ in range(2):
        assert LATER in rig.next_frame().notes
    rig.engine.freeze(1)
    rig.store.change(dealias=False)
    rig.engine.show(0)
    rig.until(lambda: rig.frames[-1].index == 0 and LATER not in rig.frames[-1].notes)


def test_the_network_is_tried_on_a_frame_without_flow_too(first):
    rig, network = first
    rig.store.change(flow_power_db=40.0)
    assert not rig.next_frame().status.any()
    rig.until(lambda: network.asked)


@pytest.mark.parametrize("ask", ["refresh", "rerun_loop"])
def test_it_comes_also_where_it_is_asked_for_while_frozen(first, ask):
    rig, network = first
    rig.store.change(dealias=False)
    frozen = rig.next_frame()
    rig.engine.freeze(frozen.index)
    rig.store.change(dealias=True)
    getattr(rig.engine, ask)()
    rig.until(lambda: network.asked)
    assert not rig.engine.cine.frame(frozen.index).processing.dealias
    network.compiled.set()
    rig.until(lambda: rig.frames[-1].processing.dealias)
    assert not any("network" in note for note in rig.frames[-1].notes)


def test_the_panels_say_that_it_comes():
    frame = make_frame(0)
    raw = dataclasses.replace(
        frame,
        processing=dataclasses.replace(frame.processing, dealias=False),
        fold=np.zeros_like(frame.fold),
        notes=(LATER,),
    )
    texts = dataclasses.astuple(badges_of(raw))
    assert sum("being prepared" in str(text) for text in texts) == 2
    assert not any("off" in str(text) for text in texts)
