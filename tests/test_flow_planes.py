"""The passes over finished planes: each against array code, and without arrays of their own."""

import dataclasses
import gc
import tracemalloc

import numpy as np
import pytest
from frames_for_tests import make_acquisition, make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from ultrasound_console.dsp import arrays, bmode, kernels_picture
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import doppler
from ultrasound_console.segment import Segmenter
from ultrasound_console.settings import ProcessingSettings

CODES = tuple(int(status) for status in (0, 1, 2, 3))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), stride=st.integers(1, 9), zeros=st.sampled_from([0.0, 0.7, 1.0]))
def test_samples_above_zero(seed, stride, zeros):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(13, 11)).astype(np.float32) * (rng.uniform(size=(13, 11)) >= zeros)
    out = np.empty(-(-values.size // stride), np.float32)
    n = kernels_picture.positive_samples(values, stride, out)
    expected = values.ravel()[::stride]
    np.testing.assert_array_equal(out[:n], expected[expected > 0])


@pytest.mark.parametrize("percentile", [0.0, 5.0, 50.0, 99.5])
def test_single_precision_levels_are_those_of_array_code(percentile):
    power = np.random.default_rng(3).exponential(size=(60, 50)).astype(np.float32)
    power[:20] = 0.0
    double = bmode.level_db(power.astype(np.float64), percentile)
    assert bmode.level_db(power, percentile) == double
    only = np.zeros((60, 50), np.float32)
    only[0, 1] = 100.0  # between the samples that are looked at first
    assert bmode.level_db(only, percentile) == pytest.approx(20.0)
    assert bmode.level_db(np.zeros((4, 4), np.float32), percentile) is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999))
def test_marks_of_flow(seed):
    rng = np.random.default_rng(seed)
    flow, flashing, abstained = rng.uniform(size=(3, 9, 14)) < 0.5
    fold = rng.integers(-2, 3, (9, 14)).astype(np.int8)
    counts = kernels_picture.leave_out(left := flow.copy(), flashing)
    assert counts == (flow.sum(), (flow & flashing).sum())
    np.testing.assert_array_equal(left, flow & ~flashing)

    status, claimed = np.empty((9, 14), np.uint8), np.empty((9, 14), np.int8)
    kernels_picture.mark_status(flow, fold, abstained, CODES, status, claimed)
    np.testing.assert_array_equal(claimed, np.where(abstained, 0, fold))
    expected = np.full(flow.shape, Status.NO_FLOW, np.uint8)
    expected[flow] = Status.KEPT
    expected[flow & (claimed != 0)] = Status.CORRECTED
    expected[flow & abstained] = Status.ABSTAINED
    np.testing.assert_array_equal(status, expected)


def test_remembered_velocities_are_those_of_array_code_to_the_last_bit():
    frame = make_frame(7)
    nyquist = np.float32(0.13)
    out = np.empty(frame.fold.shape, np.float32)
    before = np.float32(frame.nyquist_velocity_m_s)
    confidence = np.random.default_rng(0).uniform(size=out.shape).astype(np.float32)
    planes = frame.velocity_m_s, frame.fold, frame.status, confidence
    for least in (0.0, 0.6):
        kernels_picture.remembered(*planes, before, nyquist, (1, 2), least, out)
        expected = frame.corrected_m_s / nyquist
        expected[(frame.status == Status.NO_FLOW) | (frame.status == Status.ABSTAINED)] = np.nan
        expected[confidence < least] = np.nan
        np.testing.assert_array_equal(out, expected)
    assert np.isnan(out).any()
    assert not np.isnan(out).all()


# ---- memory -------------------------------------------------------------------------------

GRID = ImageGrid("parallel", 192, 256, (-0.015, 0.015), (0.006, 0.03))
ACQUISITION = make_acquisition(colour_grid=GRID, bmode_grid=GRID)
KIB = 2**10


def iq_frame(index):
    """A vessel with aliased flow over noise."""
    rng = np.random.default_rng(0)
    shape = (ACQUISITION.n_pulses, *GRID.shape)
    samples = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    x_m, z_m = GRID.positions_m()
    radius = np.abs(z_m - 0.018 - 0.1 * x_m) / 0.005
    velocity = 1.6 * np.clip(1 - radius**2, 0, None)
    turns = 0.5 * velocity * np.arange(ACQUISITION.n_pulses)[:, None, None]
    samples += np.where(radius < 1, 12.0, 0.0) * np.exp(2j * np.pi * turns)
    power = np.mean(np.abs(samples) ** 2, axis=0).astype(np.float32)
    return IqFrame(index, index / 30, 0.0, ACQUISITION, pack_ensemble(samples), power)


@pytest.mark.parametrize("network", [False, True], ids=["continuity", "network"])
@pytest.mark.parametrize(
    "changes",
    [
        {"dealias": False},
        {},
        {"persistence_s": 0.1, "speckle_reduction": 1.0},
        {"flash_rejection": True, "local_frequency": True},
    ],
    ids=["no de-aliasing", "default", "persistence and speckle", "flash and local frequency"],
)
def test_a_picture_takes_no_new_memory_but_its_planes(changes, network, monkeypatch):
    # What other tests have left idle would make room for itself.
    monkeypatch.setattr(arrays, "_blocks", arrays.BlockList())
    processing = dataclasses.replace(ProcessingSettings(), **changes)
    segmenter = Segmenter() if network else None
    before, iq = doppler(iq_frame(0), processing, None, segmenter), iq_frame(1)
    assert before.aliased_share > 0.1 or not processing.dealias
    for _ in range(3):
        picture = doppler(iq, processing, before, segmenter)
    taken = []
    for _ in range(3):  # Python's own tables grow now and then
        del picture
        gc.collect()
        tracemalloc.start()
        try:
            picture = doppler(iq, processing, before, segmenter)
            taken.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # The planes take the memory of a picture before, which was let go.
    assert picture.velocity_m_s.nbytes > 150 * KIB
    # The regions of the de-aliasing are listed anew, and there are more where a network sees
    # blood too weak to be shown. NumPy sums single precision in double through a buffer of 64 KiB.
    regions = 48 * KIB * processing.dealias * (2 if network else 1)
    bound = 48 * KIB + regions + 64 * KIB * processing.flash_rejection
    assert min(taken) < bound
