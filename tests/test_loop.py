"""What plays when, and which frames are the peaks: from times and figures alone."""

import dataclasses

import pytest
from fakes import make_acquisition

from ultrasound_console.cine import LoopFrame
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.ui.cine.loop import (
    beside_peak_s,
    next_of,
    of_one_clock,
    peak_aliasing,
    peak_systoles,
    stretch,
)

PLAIN = make_acquisition(frame_interval_s=0.1)
# Ten frames a beat as it is played, though the cycle is a little shorter; the peak in the fourth.
HEART = make_acquisition(frame_interval_s=0.1, heart_cycle_s=0.96, peak_systole_s=0.288)


def told(index, time_s, acquisition=PLAIN, *, aliased=0.0, speed_m_s=0.0):
    return LoopFrame(index, time_s, acquisition, ProcessingSettings(), aliased, speed_m_s)


def loop_of(times_s, acquisition=PLAIN, first=10):
    return tuple(told(first + place, time_s, acquisition) for place, time_s in enumerate(times_s))


def test_each_frame_is_on_for_as_long_as_when_it_was_acquired():
    laid_out = stretch(loop_of([5.0, 5.1, 5.4, 5.5]))  # two frames were dropped
    assert laid_out.indices == (10, 11, 12, 13)
    assert laid_out.start_s == pytest.approx((0.0, 0.1, 0.4, 0.5))
    assert laid_out.length_s == pytest.approx(0.6)
    shown = [laid_out.index_at(at_s) for at_s in (0.0, 0.09, 0.11, 0.39, 0.41, 0.55, 0.61, 1.25)]
    assert shown == [10, 10, 11, 11, 12, 13, 10, 10]
    assert laid_out.index_at(-0.01) == 13
    assert laid_out.start_of(12) == pytest.approx(0.4)
    assert laid_out.start_of(None) == laid_out.start_of(99) == 0.0


def test_pauses_and_other_acquisitions_are_played_without_waiting():
    other = dataclasses.replace(PLAIN, prf_hz=5000.0)
    held = loop_of([0.0, 60.0, 60.1]) + loop_of([0.0, 0.1], other, first=13)
    laid_out = stretch(held)
    assert laid_out.start_s == pytest.approx((0.0, 0.5, 0.6, 0.7, 0.8))
    assert laid_out.length_s == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("shown", "around"),
    [(10, (10, 11)), (11, (10, 11)), (12, (12, 13, 14)), (15, (15,)), (99, (15,)), (None, (15,))],
)
def test_frames_of_one_clock_are_those_around_the_one_on_screen(shown, around):
    held = loop_of([8.0, 8.1, 0.0, 0.0, 0.1, 0.0])  # begun again twice; still pictures go on
    assert tuple(told.index for told in of_one_clock(held, shown)) == around


def test_an_empty_loop_has_no_clock():
    assert of_one_clock((), 3) == ()


def test_a_slow_source_is_played_at_its_own_rate():
    slow = make_acquisition(frame_interval_s=2.0)
    assert stretch(loop_of([0.0, 2.0, 4.0], slow)).length_s == pytest.approx(6.0)


def test_still_pictures_follow_each_other():
    still = make_acquisition(frame_interval_s=0.0)
    assert stretch(loop_of([0.0, 0.0, 0.0], still)).start_s == pytest.approx((0.0, 0.1, 0.2))


@pytest.mark.parametrize("n_frames", [0, 1])
def test_there_is_nothing_to_play_in_fewer_than_two_frames(n_frames):
    assert stretch(loop_of([0.0] * n_frames)) is None


def test_a_known_heart_has_its_peak_in_every_beat_of_the_loop():
    # Frames 2 ... 33 of it: the peaks are those of beats 0 to 3.
    held = loop_of([0.1 * place for place in range(2, 34)], HEART, first=2)
    assert peak_systoles(held) == (3, 13, 23, 33)
    assert peak_systoles(held[2:]) == (13, 23, 33)
    assert peak_systoles(held[2:9]) == ()


def test_the_frame_nearest_to_a_peak_will_do_where_frames_were_dropped():
    assert peak_systoles(loop_of([0.0, 0.2, 0.5, 1.1, 1.4], HEART)) == (11, 14)
    # Peaks at 0.3, 1.3, 2.3 and 3.3 s. A beat without one is left out, unless none has one.
    assert peak_systoles(loop_of([0.2, 1.8, 3.4], HEART)) == (10, 12)
    assert peak_systoles(loop_of([0.2, 5.4], HEART)) == (10, 11)
    assert peak_systoles(loop_of([0.1, 1.6, 1.8], HEART)) == (10, 11)


def test_a_frame_beside_its_peak_is_known_as_such():
    # Peaks at 0.3, 1.3 and 2.3 s; the frame next to one stands for it.
    times_s, off_s = (0.3, 0.2, 1.45, 2.0, 0.9), (0.0, 0.0, 0.15, -0.3, -0.4)
    held = loop_of(times_s, HEART)
    assert [beside_peak_s(frame) for frame in held] == pytest.approx(off_s, abs=1e-9)
    assert beside_peak_s(told(0, 0.7)) == 0.0


def test_a_new_acquisition_starts_its_own_beats():
    other = dataclasses.replace(HEART, prf_hz=5000.0)
    times_s = [0.1 * place for place in range(10)]
    held = loop_of(times_s, HEART, first=0) + loop_of(times_s, other, first=10)
    assert peak_systoles(held) == (3, 13)


def test_without_a_known_heart_the_fastest_frame_is_the_peak():
    speeds_m_s = (0.1, 0.4, 0.3)
    held = tuple(told(at, 0.1 * at, speed_m_s=speed) for at, speed in enumerate(speeds_m_s))
    assert peak_systoles(held) == (1,)
    assert peak_systoles(loop_of([0.0, 0.1])) == ()
    assert peak_systoles(()) == ()


def test_the_frame_with_the_largest_share_is_the_peak_of_aliasing():
    shares = (0.1, 0.2, 0.5, 0.3)
    held = tuple(told(at, 0.1 * at, aliased=share) for at, share in enumerate(shares))
    assert peak_aliasing(held) == (2,)
    assert peak_aliasing(held[:2]) == (1,)
    assert peak_aliasing(loop_of([0.0, 0.1])) == ()
    assert peak_aliasing(()) == ()


def test_after_the_last_of_some_frames_comes_the_first():
    assert [next_of((3, 13), shown) for shown in (None, 2, 3, 12, 13, 40)] == [3, 3, 13, 13, 3, 3]
