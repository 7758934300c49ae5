import dataclasses
import gc
import weakref

import numpy as np
import pytest
from fakes import GRID, make_acquisition
from frames_for_tests import make_frame

from ultrasound_console.cine import Cine
from ultrasound_console.dsp.arrays import fast_path, pack_ensemble, unpack_ensemble
from ultrasound_console.dsp.quantise import quantise
from ultrasound_console.frames import IqFrame, Status


def entry(index):
    rng = np.random.default_rng(index)
    complex_iq = rng.normal(size=(8, *GRID.shape)) + 1j * rng.normal(size=(8, *GRID.shape))
    iq = IqFrame(
        index=index,
        time_s=0.03 * index,
        received_s=0.0,
        acquisition=make_acquisition(),
        iq=pack_ensemble(1000.0 * complex_iq),
        bmode_power=rng.random(GRID.shape).astype(np.float32),
    )
    return iq, make_frame(index)


@pytest.fixture
def cine():
    cine = Cine()
    for index in range(5):
        assert cine.append(*entry(index))
    return cine


def test_samples_come_back_to_a_part_in_thirty_thousand(cine):
    original, _ = entry(3)
    stored = cine.iq(3)
    peak = np.abs(original.iq).max()
    np.testing.assert_allclose(stored.iq, original.iq, atol=0.51 * peak / 32767)
    assert stored.iq.shape == original.iq.shape
    assert np.all(unpack_ensemble(stored.iq, 16)[8:] == 0)
    np.testing.assert_array_equal(stored.bmode_power, original.bmode_power)
    assert stored.iq.ctypes.data % 64 == 0


@pytest.mark.parametrize("n_pulses", [4, 5, 12, 16, 17, 40])
def test_the_kernel_rounds_as_numpy_does(n_pulses):
    rng = np.random.default_rng(n_pulses)
    complex_iq = rng.normal(size=(n_pulses, 7, 5)) + 1j * rng.normal(size=(n_pulses, 7, 5))
    packed = pack_ensemble(1000.0 * complex_iq)
    used = packed[..., :n_pulses]
    # Halves, which go to the even number, and the two ends.
    used[0, 0, 0, :4] = 32767.0, -32767.0, 0.5, -1.5
    used[1:] *= 0.01
    samples, peak = quantise(packed, n_pulses)
    assert fast_path("quantise", packed) is not None
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(peak, [32767.0])
    np.testing.assert_array_equal(samples, np.rint(used).astype(np.int16))
    samples, peak = quantise(np.float32(0.37) * packed, n_pulses)
    scale = np.float32(32767.0) / peak[0]
    np.testing.assert_array_equal(samples, np.rint(np.float32(0.37) * used * scale))


def test_an_empty_picture_survives(cine):
    iq, frame = entry(9)
    silent = dataclasses.replace(iq, iq=np.zeros_like(iq.iq))
    cine.append(silent, frame)
    assert not cine.iq(9).iq.any()


def test_frames_are_addressed_by_index(cine):
    assert cine.indices() == (0, 1, 2, 3, 4)
    assert cine.frame(2).index == 2
    assert cine.before(3).index == 2
    assert cine.before(0) is None
    assert cine.frame(99) is None
    assert cine.iq(99) is None


def test_a_sealed_ring_takes_nothing_and_forgets_what_came_after(cine):
    cine.seal(2)
    assert cine.indices() == (0, 1, 2)
    assert not cine.append(*entry(7))
    cine.unseal()
    assert cine.append(*entry(7))
    assert cine.indices() == (0, 1, 2, 7)


def test_the_budget_drops_the_oldest():
    one = Cine()
    one.append(*entry(0))
    small = Cine(budget_bytes=int(3.5 * one.n_bytes))
    for index in range(10):
        small.append(*entry(index))
    assert small.indices() == (7, 8, 9)
    assert small.n_bytes == 3 * one.n_bytes


def test_at_least_one_frame_is_kept():
    tiny = Cine(budget_bytes=1)
    tiny.append(*entry(0))
    tiny.append(*entry(1))
    assert tiny.indices() == (1,)


def test_a_processed_frame_takes_its_place(cine):
    before = cine.n_bytes
    again = make_frame(2)
    cine.replace(again)
    assert cine.frame(2) is again
    assert cine.n_bytes == before
    cine.replace(make_frame(50))
    assert cine.indices() == (0, 1, 2, 3, 4)


def test_frames_are_replaced_together(cine):
    new = [make_frame(index, peak_nyquist=0.5) for index in (1, 50, 3)]
    before = cine.n_bytes
    cine.replace(*new)
    assert [cine.frame(index) for index in (1, 3)] == [new[0], new[2]]
    assert cine.indices() == (0, 1, 2, 3, 4)
    assert cine.n_bytes == before
    assert [told.aliased_share > 0 for told in cine.loop()] == [True, False, True, False, True]


def test_the_loop_tells_what_its_frames_hold(cine):
    for told, index in zip(cine.loop(), cine.indices(), strict=True):
        frame = cine.frame(index)
        flow = frame.status != Status.NO_FLOW
        speed_m_s = np.abs(frame.corrected_m_s.astype(float))[flow].mean()
        assert (told.index, told.time_s) == (index, frame.time_s)
        assert told.acquisition is frame.acquisition
        assert told.processing is frame.processing
        assert told.aliased_share == frame.aliased_share > 0.1
        assert told.mean_speed_m_s == pytest.approx(speed_m_s, rel=1e-6)
        assert speed_m_s > 0.05


def test_a_frame_without_flow_is_still_and_not_aliased(cine):
    nothing = np.zeros_like(make_frame(2).status)
    cine.replace(dataclasses.replace(make_frame(2), status=nothing))
    assert (cine.loop()[2].aliased_share, cine.loop()[2].mean_speed_m_s) == (0.0, 0.0)


def test_bytes_return_to_nothing(cine):
    cine.clear()
    assert cine.n_bytes == 0
    assert cine.indices() == ()


def test_nobody_waits_while_forgotten_frames_are_freed(cine):
    asked = []
    # Whoever holds the ring's lock here makes others wait, as long as all the freeing takes.
    weakref.finalize(cine.frame(2), lambda: asked.append(cine._lock.locked()))
    cine.clear()
    gc.collect()
    assert asked == [False]
