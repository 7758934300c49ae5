"""The simulated probe as a source: order, pace, reconfiguration, and its thread's end."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.simulation import Scan
from ultrasound_console.simulation.flow import Truth
from ultrasound_console.sources import SourceError, open_source, simulated, source_names
from ultrasound_console.sources.simulated import (
    SCENES,
    SimulatedSource,
    coarse_to_fine,
    find_scene,
)

# Five frames of four pulses in a cycle of one second.
QUICK = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)
TIMEOUT_S = 30.0


@pytest.fixture
def source(request):
    """A source that is closed in the end; by default every phase in order."""
    source = SimulatedSource("straight-tube", real_time=getattr(request, "param", False))
    yield source
    source.close()


live = pytest.mark.parametrize("source", [True], indirect=True)


def probe_threads():
    return [thread for thread in threading.enumerate() if thread.name == "simulated probe"]


def blocked(monkeypatch):
    """Make synthesis hang until it is told to stop; returns what tells that it hangs."""
    hangs = threading.Event()

    def frame(self, acquisition, phase, stopped):
        hangs.set()
        while not stopped():
            threading.Event().wait(0.001)

    monkeypatch.setattr(Scan, "frame", frame)
    return hangs


def test_an_unknown_scene_names_the_known_ones():
    with pytest.raises(SourceError) as error:
        open_source("simulated:spleen")
    for name in source_names():
        assert name in str(error.value)
    assert "simulated:spleen" in str(error.value)


def test_the_first_scene_is_the_bifurcation_and_all_can_be_opened_by_name():
    assert SCENES[0] == "femoral-bifurcation"
    assert source_names()[0] == "simulated:femoral-bifurcation"
    for name in source_names():
        source = open_source(name, real_time=False)
        assert source.name == name.replace(":", " ")
        source.close()


@live
def test_it_says_how_much_of_its_cycle_is_made_until_it_is_whole(source):
    source.configure(QUICK)
    assert source.filling is None
    source.start()
    seen = [source.filling]
    for _ in range(1000):
        if source.filling is None:
            break
        source.read(0.1)
        seen.append(source.filling)
    assert seen[0] in [(made, 5) for made in range(5)]
    assert seen[-1] is None
    assert seen[:-1] == sorted(seen[:-1])
    source.stop()
    assert source.filling is None


def test_phases_come_in_order_and_the_cycle_repeats(source):
    acquisition = source.configure(QUICK)
    assert source.n_frames == 5
    assert acquisition.frame_interval_s == pytest.approx(0.2)
    source.start()
    frames = [source.read(TIMEOUT_S) for _ in range(7)]
    assert [frame.index for frame in frames] == list(range(7))
    np.testing.assert_allclose([frame.time_s for frame in frames], 0.2 * np.arange(7))
    # The ensemble comes after three B-mode transmits.
    late_s = [frame.truth.time_s - 0.2 * (k % 5) for k, frame in enumerate(frames)]
    assert max(late_s) - min(late_s) < 1e-9
    assert 0.0 < late_s[0] < 2e-3
    np.testing.assert_array_equal(frames[5].colour, frames[0].colour)
    assert np.any(frames[1].colour != frames[0].colour)
    for frame in frames:
        assert frame.acquisition == acquisition
        assert frame.colour.shape[:2] == (4, 128)
        assert frame.bmode.shape[0] == len(acquisition.bmode_angles_rad)
        assert not frame.colour.flags.writeable


def test_a_source_that_was_stopped_goes_on_where_it_was(source):
    source.configure(QUICK)
    source.start()
    assert source.read(TIMEOUT_S).index == 0
    source.stop()
    assert source.read(TIMEOUT_S) is None
    source.start()
    frame = source.read(TIMEOUT_S)
    assert frame.index == 1
    assert frame.time_s == pytest.approx(0.2)


def test_the_prf_acquires_again_and_is_reported(source):
    slow = source.configure(QUICK)
    source.start()
    before = source.read(TIMEOUT_S)
    fast = source.configure(AcquisitionSettings(ensemble=4, frame_rate_hz=5.0, prf_hz=1e4))
    assert fast.nyquist_velocity_m_s == pytest.approx(slow.nyquist_velocity_m_s * 10.0 / 3.0)
    after = source.read(TIMEOUT_S)
    assert after.index == 0
    assert after.acquisition == fast
    # The same blood, that runs less far between two pulses.
    np.testing.assert_array_equal(after.colour[0], before.colour[0])
    assert np.any(after.colour[3] != before.colour[3])


def test_without_steering_of_its_own_a_scene_takes_what_is_set():
    settings = AcquisitionSettings(steering_rad=0.1)
    tube, disc = SimulatedSource("straight-tube"), SimulatedSource("rotating-disc")
    assert tube.defaults(settings).steering_rad == 0.1
    assert disc.defaults(settings).steering_rad == 0.0
    tube.close()
    disc.close()


def test_a_scene_is_seen_with_another_probe_of_its_kind(monkeypatch):
    monkeypatch.setattr(simulated, "Scan", lambda scene: None)  # no echoes are needed
    source = SimulatedSource("abdominal-aorta", real_time=False)
    start = source.defaults(AcquisitionSettings(probe="p4-2"))
    assert (start.probe, start.depth_m) == ("p4-2", 0.1)
    assert max(find_scene("abdominal-aorta").colour_range_m) < start.depth_m
    # A depth that was chosen stays.
    assert source.defaults(AcquisitionSettings(probe="p4-2", depth_m=0.08)).depth_m == 0.08
    source.close()


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_begins_with_a_prf_at_which_it_aliases(name):
    source = SimulatedSource(name, real_time=False)
    # Whatever another scene has left behind.
    acquisition = source.configure(source.defaults(AcquisitionSettings(prf_hz=9000.0)))
    angles_rad = acquisition.transmit_angle_rad, acquisition.receive_angle_rad
    behind_m = acquisition.source_distance_m
    truth = Truth(find_scene(name).flow(), acquisition.peak_systole_s, *angles_rad, behind_m)
    truth_m_s, inside = truth.on(acquisition.colour_grid)
    folded = np.abs(truth_m_s[inside]) > 1.1 * acquisition.nyquist_velocity_m_s
    assert folded.mean() > 0.1
    source.close()


@live
def test_frames_are_made_once_and_phases_are_skipped_to_keep_the_pace(source, monkeypatch):
    made = []
    synthesise = Scan.frame

    def counted(self, acquisition, phase, stopped):
        made.append(phase)
        return synthesise(self, acquisition, phase, stopped)

    monkeypatch.setattr(Scan, "frame", counted)
    source.configure(QUICK)
    source.start()
    for thread in probe_threads():
        thread.join()
    steps = iter([1, 1, 3, 1, 4])
    monkeypatch.setattr(source._clock, "wait", lambda interval_s, timeout_s: next(steps))
    frames = [source.read(TIMEOUT_S) for _ in range(5)]
    assert sorted(made) == [0, 1, 2, 3, 4]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0.0, 0.2, 0.8, 1.0, 1.8])
    assert [round(frame.truth.time_s, 1) for frame in frames] == [0.0, 0.2, 0.8, 0.0, 0.8]


@live
def test_phases_that_are_not_ready_are_skipped_and_the_others_keep_their_time(source, monkeypatch):
    synthesise = Scan.frame
    enough = threading.Event()

    def two_phases(self, acquisition, phase, stopped):
        if phase in (0, 2):
            return synthesise(self, acquisition, phase, stopped)
        enough.set()
        while not stopped():
            threading.Event().wait(0.001)
        return None

    monkeypatch.setattr(Scan, "frame", two_phases)
    source.configure(QUICK)
    source.start()
    assert enough.wait(TIMEOUT_S)
    steps = iter([1] * 8)
    monkeypatch.setattr(source._clock, "wait", lambda interval_s, timeout_s: next(steps))
    frames = [source.read(TIMEOUT_S) for _ in range(4)]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0.0, 0.4, 1.0, 1.4])
    assert [round(frame.truth.time_s, 1) for frame in frames] == [0.0, 0.4, 0.0, 0.4]


@live
def test_the_heart_beats_at_once_in_few_phases(source, monkeypatch):
    made = []

    def frame(self, acquisition, phase, stopped):
        made.append(phase)

    monkeypatch.setattr(Scan, "frame", frame)
    source.configure(QUICK)
    source._ready = {0: None, 2: None}
    source.start()
    for thread in probe_threads():
        thread.join()
    # What is ready is not made again, and what comes first fills the largest gap.
    assert made == [1]


@given(n=st.integers(1, 400))
def test_phases_are_made_from_coarse_to_fine(n):
    order = coarse_to_fine(n)
    assert order[0] == 0
    assert sorted(order) == list(range(n))
    for some in (n // 8, n // 4, n // 2):
        if some > 1:
            gaps = np.diff([*sorted(order[:some]), n])
            assert gaps.max() <= 2.0 * n / some + 2.0


@live
def test_real_time_frames_are_those_of_a_slow_reading(source):
    source.configure(QUICK)
    source.start()
    live_frame = source.read(TIMEOUT_S)
    slow = SimulatedSource("straight-tube", real_time=False)
    slow.configure(QUICK)
    slow.start()
    np.testing.assert_array_equal(live_frame.colour, slow.read(TIMEOUT_S).colour)
    slow.close()


@live
def test_nothing_comes_in_time_from_a_source_that_makes_nothing(source, monkeypatch):
    hangs = blocked(monkeypatch)
    source.configure(QUICK)
    source.start()
    assert hangs.wait(TIMEOUT_S)
    assert source.read(0.01) is None


@live
def test_stop_ends_a_waiting_read(source, monkeypatch):
    hangs, done = threading.Event(), threading.Event()

    def frame(self, acquisition, phase, stopped):
        hangs.set()
        assert done.wait(TIMEOUT_S)

    monkeypatch.setattr(Scan, "frame", frame)
    source.configure(QUICK)
    source.start()
    got = []
    reader = threading.Thread(target=lambda: got.append(source.read(TIMEOUT_S)))
    reader.start()
    assert hangs.wait(TIMEOUT_S)
    source.stop()
    reader.join(TIMEOUT_S / 2)
    done.set()
    assert not reader.is_alive()
    assert got == [None]


@live
def test_close_leaves_no_thread_and_can_be_repeated(source, monkeypatch):
    hangs = blocked(monkeypatch)
    source.configure(QUICK)
    source.start()
    assert hangs.wait(TIMEOUT_S)
    assert len(probe_threads()) == 1
    source.close()
    source.close()
    assert probe_threads() == []
    for call in (source.start, lambda: source.read(0.0), lambda: source.configure(QUICK)):
        with pytest.raises(SourceError, match="closed"):
            call()


@live
def test_reconfiguring_ends_the_old_thread_and_goes_on(source, monkeypatch):
    hangs = blocked(monkeypatch)
    source.configure(QUICK)
    assert probe_threads() == []
    source.start()
    assert hangs.wait(TIMEOUT_S)
    monkeypatch.undo()
    source.configure(AcquisitionSettings(ensemble=5, frame_rate_hz=5.0))
    assert len(probe_threads()) <= 1
    assert source.read(TIMEOUT_S).colour.shape[0] == 5


@live
def test_a_failure_of_the_synthesis_reaches_the_reader(source, monkeypatch):
    def fails(self, acquisition, phase, stopped):
        raise MemoryError("no room for a frame")

    monkeypatch.setattr(Scan, "frame", fails)
    source.configure(QUICK)
    source.start()
    with pytest.raises(SourceError, match="no room for a frame"):
        source.read(TIMEOUT_S)


def test_a_source_is_configured_first(source):
    with pytest.raises(SourceError, match="configure"):
        source.start()
    with pytest.raises(SourceError, match="configure"):
        source.read(0.0)
    assert source.n_frames is None


def test_velocity_without_aliasing_is_the_truth_in_the_eroded_lumen(source):
    acquisition = source.configure(AcquisitionSettings(frame_rate_hz=5.0))
    source.start()
    processing = ProcessingSettings(wall_filter="polynomial-1", dealias=False)
    frame = doppler(form(source.read(TIMEOUT_S), processing), processing, None)
    pixel_m = acquisition.colour_grid.pixel_size_m
    lumen = np.pad(frame.vessel_mask, 1, mode="edge")
    eroded = distance_transform_edt(lumen, sampling=pixel_m)[1:-1, 1:-1] > 0.5e-3
    v_nyquist = acquisition.nyquist_velocity_m_s
    assert 0.6 < np.abs(frame.truth_m_s[eroded]).max() / v_nyquist < 1.0
    error = (frame.velocity_m_s - frame.truth_m_s)[eroded] / v_nyquist
    assert np.sqrt(np.mean(error**2)) < 0.1
    # The noise floor is what the still tissue leaves; the blood is 20 dB above it.
    assert np.median(frame.power_db[eroded]) == pytest.approx(20.0, abs=2.5)
