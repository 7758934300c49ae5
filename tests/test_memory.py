"""What a frame allocates once a few frames have gone by."""

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from fakes import make_acquisition
from frames_for_tests import make_frame

from ultrasound_console.cine import Cine
from ultrasound_console.frames import ChannelFrame
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.pipeline import form
from ultrasound_console.settings import ProcessingSettings

# Python objects, and scratch of the kernels.
MOST_BYTES = 64 * 1024
GRID = ImageGrid("parallel", 160, 120, (-0.009, 0.009), (0.004, 0.024))
PROCESSING = ProcessingSettings(f_number=1.5)


def peak_bytes(call, n_warm_up=4):
    """Most memory that one call takes beyond what there was before, with what it gives back."""
    for _ in range(n_warm_up):
        call()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        call()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    return peak - before


def channel_frame(n_pulses=12, bmode_angles_rad=(), kind=np.int16):
    acquisition = make_acquisition(
        probe=Probe.linear("64", 64, 0.3e-3, 5e6),
        n_pulses=n_pulses,
        colour_grid=GRID,
        bmode_grid=GRID,
        bmode_angles_rad=bmode_angles_rad,
    )
    rng = np.random.default_rng(0)
    colour = 100.0 * rng.normal(size=(n_pulses, 64, 800))
    bmode = 100.0 * rng.normal(size=(len(bmode_angles_rad), 64, 800))
    return ChannelFrame(
        0, 0.0, 0.0, acquisition, colour.astype(kind), bmode.astype(kind) if bmode.size else None
    )


@pytest.mark.parametrize("angles", [(), (-0.1, 0.0, 0.1)], ids=["colour", "colour and B-mode"])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_forming_a_frame_takes_the_memory_of_one_before_it(angles, kind):
    frame = channel_frame(bmode_angles_rad=angles, kind=kind)
    assert peak_bytes(lambda: form(frame, PROCESSING)) < MOST_BYTES


def test_a_frame_that_is_kept_costs_its_arrays():
    frame = channel_frame()
    kept = [form(frame, PROCESSING) for _ in range(4)]
    tracemalloc.start()
    try:
        kept.append(form(frame, PROCESSING))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    n_bytes = kept[-1].iq.nbytes + kept[-1].bmode_power.nbytes
    assert n_bytes <= held < n_bytes + MOST_BYTES


def test_the_cine_makes_its_copy_without_temporaries():
    iq = form(channel_frame(), PROCESSING)
    finished = make_frame(0)
    one = Cine()
    one.append(iq, finished)
    # Full after three frames: each drops the oldest, whose memory is taken again.
    cine = Cine(budget_bytes=int(3.5 * one.n_bytes))
    index = iter(range(1000))

    def append():
        number = next(index)
        cine.append(replace(iq, index=number), replace(finished, index=number))

    assert peak_bytes(append, n_warm_up=8) < MOST_BYTES
    assert one.n_bytes > 10 * MOST_BYTES
