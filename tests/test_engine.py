"""The engine with a source under control and the real pipeline on a small grid."""

import threading

import numpy as np
import pytest
from fakes import FakeSource

from ultrasound_console import compute as compute_module
from ultrasound_console import front_end as front_end_module
from ultrasound_console.assets import AssetError
from ultrasound_console.cine import Cine
from ultrasound_console.dsp.compilation import Compilation
from ultrasound_console.engine import Engine
from ultrasound_console.handover import Latest
from ultrasound_console.settings import Settings
from ultrasound_console.sources import SourceError
from ultrasound_console.status import State
from ultrasound_console.store import SettingsStore
from ultrasound_console.ui.cine.loop import Figures

TIMEOUT_S = 30.0


class Rig:
    """An engine, its sources by name, and a way to wait for what it says."""

    def __init__(self, monkeypatch, settings=None, *, first_start=False, **options) -> None:
        self.sources: dict[str, FakeSource] = {"fake": FakeSource()}
        self.woken = threading.Condition()
        monkeypatch.setattr(front_end_module, "open_source", self._open)
        # Whatever the tests have to compile.
        monkeypatch.setattr(Compilation, "is_first_start", first_start)
        self.store = SettingsStore(settings)
        self.engine = Engine(self.store, self._wake, Cine(), **options)
        self.frames = []
        self.notices = []

    def _open(self, name, prf_hz=None):
        if name not in self.sources:
            raise SourceError(f"{name}: no such source")
        return self.sources[name]

    def _wake(self) -> None:
        with self.woken:
            self.woken.notify_all()

    @property
    def source(self) -> FakeSource:
        return self.sources["fake"]

    def _drain(self) -> None:
        self.notices += self.engine.take_notices()
        frame = self.engine.take_frame()
        if frame is not None:
            self.frames.append(frame)

    def until(self, condition) -> None:
        def holds():
            self._drain()
            return condition()

        with self.woken:
            # The short time-out covers changes that come without a wake-up.
            for _ in range(int(TIMEOUT_S / 0.02)):
                if holds():
                    return
                assert not self.engine.status().fault
                self.woken.wait(0.02)
        raise AssertionError(f"never happened; {self.engine.status()} {self.notices}")

    def open(self, name="fake") -> None:
        n_before = len(self.notices)
        self.engine.open(name)
        self.until(lambda: len(self.notices) > n_before)

    def next_frame(self):
        n_before = len(self.frames)
        self.source.push()
        self.until(lambda: len(self.frames) > n_before)
        return self.frames[-1]


@pytest.fixture
def rig(monkeypatch):
    rig = Rig(monkeypatch)
    yield rig
    rig.engine.close()
    assert not [t for t in threading.enumerate() if t.name in {"acquire", "form", "doppler"}]


class Ready:
    """A network that is never sure, and what was asked of it."""

    device, note, wants_gpu = "CPU", "", False

    def __init__(self):
        self.asked = []

    def prepare(self, shape):
        self.asked.append(("prepare", shape, threading.current_thread().name))

    def posterior(self, velocity, *_, **__):
        self.asked.append(("posterior", velocity.shape, threading.current_thread().name))
        return np.full((*velocity.shape, 8), 1.0 / 7.0, np.float32)


def test_the_network_is_ready_before_the_first_frame(monkeypatch):
    network = Ready()
    rig = Rig(monkeypatch, load_segmenter=lambda: network)
    try:
        rig.open()
        shape = rig.source.acquisition.colour_grid.shape
        rig.until(lambda: network.asked)
        assert rig.engine.status().network == "network: CPU"
        rig.store.change(flow_power_db=0.0)
        for _ in range(2):
            assert not any("network" in note for note in rig.next_frame().notes)
        calls = [("prepare", shape, "doppler")] + 2 * [("posterior", shape, "doppler")]
        assert network.asked == calls
    finally:
        rig.engine.close()


def test_a_network_that_breaks_the_program_is_not_loaded_again_and_again(monkeypatch):
    def broken():
        asked.append(1)
        raise MemoryError("no room")

    asked = []
    rig = Rig(monkeypatch, load_segmenter=broken)
    try:
        rig.until(lambda: any(notice.is_error for notice in rig.notices))
        assert rig.engine.status().network == "no network"
    finally:
        rig.engine.close()
    assert len(asked) == 1


def test_without_a_network_frames_go_on_and_it_is_said_once(monkeypatch):
    def missing():
        asked.append(1)
        raise AssetError("no file 'folds.onnx'")

    asked = []
    rig = Rig(monkeypatch, load_segmenter=missing)
    try:
        rig.until(lambda: rig.notices)
        rig.open()
        for _ in range(2):
            assert "no network: folds by continuity" in rig.next_frame().notes
        assert rig.engine.status().network == "no network"
        said = [notice for notice in rig.notices if "folds.onnx" in notice.text]
        assert [notice.is_error for notice in said] == [False]
        assert len(asked) == 1
    finally:
        rig.engine.close()


def test_a_network_that_nobody_asks_for_is_not_loaded(monkeypatch):
    rig = Rig(monkeypatch, Settings().replace(dealias_method="continuity"), load_segmenter=None)
    try:
        rig.open()
        assert rig.next_frame().processing.dealias
        assert rig.engine.status().network == ""
    finally:
        rig.engine.close()


def test_the_newest_value_wins_and_one_wake_up_is_enough():
    woken = []
    slot = Latest(lambda: woken.append(1))
    for value in (1, 2, 3):
        slot.put(value)
    assert slot.take() == 3
    assert slot.take() is None
    assert slot.replaced == 2
    assert len(woken) == 1
    slot.put(4)
    assert len(woken) == 2


def test_a_waiting_taker_is_woken():
    slot = Latest()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(slot.take(TIMEOUT_S)))
    thread.start()
    slot.put("frame")
    thread.join(TIMEOUT_S)
    assert taken == ["frame"]


def test_frames_come_numbered_and_with_what_made_them(rig):
    rig.open()
    frames = [rig.next_frame() for _ in range(3)]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert rig.engine.cine.indices() == (0, 1, 2)
    assert frames[0].processing == rig.store.current.processing
    assert frames[0].acquisition is rig.source.acquisition
    assert rig.engine.status().state is State.LIVE


def test_opening_tells_the_settings_of_the_source(rig):
    rig.store.change(prf_hz=7000)
    rig.open()
    assert rig.store.current.acquisition.prf_hz == 3000.0
    assert rig.notices[-1].opened == "fake"


def test_freeze_stops_the_source_and_holds_the_frame_on_screen(rig):
    rig.open()
    for _ in range(3):
        rig.next_frame()
    on_screen = rig.frames[-2].index
    rig.engine.freeze(on_screen)
    assert not rig.source.running
    assert rig.source.calls[-1] == "stop"
    assert rig.engine.cine.indices() == (0, 1)
    assert rig.engine.status().state is State.FROZEN
    n_shown = len(rig.frames)
    rig.source.push(5)
    rig.until(lambda: rig.engine.status().state is State.FROZEN)
    assert len(rig.frames) == n_shown
    assert "start" not in rig.source.calls[rig.source.calls.index("stop") :]


def test_frozen_frames_are_shown_by_index(rig):
    rig.open()
    for _ in range(4):
        rig.next_frame()
    rig.engine.freeze(3)
    rig.engine.show(1)
    rig.until(lambda: rig.frames[-1].index == 1)
    rig.engine.show(99)
    assert rig.engine.take_frame() is None


def test_a_frozen_frame_is_processed_again_by_the_same_worker(rig):
    rig.open()
    live = [rig.next_frame() for _ in range(2)]
    rig.engine.freeze(1)
    rig.store.change(wall_filter="none")
    rig.engine.refresh()
    rig.until(lambda: rig.frames[-1].processing.wall_filter == "none")
    again = rig.frames[-1]
    assert again.index == 1
    assert np.any(again.velocity_m_s != live[1].velocity_m_s)
    assert rig.engine.cine.frame(1) is again
    rig.store.change(wall_filter="polynomial-1")
    rig.engine.refresh()
    rig.until(lambda: rig.frames[-1].processing.wall_filter == "polynomial-1")
    # The ring keeps int16 samples: the same picture to a part in ten thousand of v_N.
    np.testing.assert_allclose(
        rig.frames[-1].velocity_m_s,
        live[1].velocity_m_s,
        atol=1e-2 * live[1].nyquist_velocity_m_s,
    )


def test_resume_goes_on_with_new_numbers(rig):
    rig.open()
    rig.next_frame()
    rig.engine.freeze(0)
    rig.engine.resume()
    rig.until(lambda: rig.source.running)
    assert rig.next_frame().index == 1
    assert rig.engine.status().state is State.LIVE


def test_many_freezes_never_leave_the_source_in_the_wrong_state(rig):
    rig.open()
    for _ in range(50):
        rig.engine.freeze(None)
        assert not rig.source.running
        rig.engine.resume()
    rig.until(lambda: rig.source.running)
    rig.next_frame()


def test_a_new_prf_reconfigures_between_frames(rig):
    rig.open()
    rig.next_frame()
    rig.store.change(prf_hz=5000)
    rig.until(lambda: "configure 5000" in rig.source.calls)
    frame = rig.next_frame()
    assert frame.acquisition.prf_hz == 5000
    assert frame.index == 1


def test_a_refused_setting_is_put_back_and_said(rig):
    rig.open()
    rig.next_frame()
    rig.source.refuse = "no such PRF"

    def put_back():
        if rig.source.calls[-1] == "configure 9000":
            rig.source.refuse = ""
        return rig.store.current.acquisition.prf_hz == 3000.0

    original = rig.source.configure

    def configure_once(settings):
        try:
            return original(settings)
        finally:
            rig.source.refuse = ""

    rig.source.configure = configure_once
    rig.store.change(prf_hz=9000)
    rig.until(put_back)
    rig.until(lambda: rig.notices[-1].text == "no such PRF")
    assert rig.notices[-1].is_error
    rig.next_frame()


def test_a_source_that_cannot_be_opened_leaves_the_present_one_running(rig):
    rig.open()
    rig.next_frame()
    rig.open("nowhere")
    assert rig.notices[-1].text == "nowhere: no such source"
    assert rig.notices[-1].is_error
    rig.next_frame()
    assert rig.engine.status().source == "fake"


def test_another_source_takes_over_and_the_old_one_is_closed(rig):
    rig.open()
    rig.next_frame()
    old = rig.source
    rig.sources["fake"] = FakeSource()
    rig.open()
    assert "close" in old.calls
    assert rig.engine.cine.indices() == ()
    assert rig.next_frame().index == 1


def test_a_source_that_is_ready_while_the_old_one_is_configured_is_started(rig):
    rig.open()
    old, new = rig.source, FakeSource()
    rig.sources["other"] = new
    configuring, go_on = threading.Event(), threading.Event()

    def configure(settings):
        configuring.set()
        assert go_on.wait(TIMEOUT_S)
        return FakeSource.configure(old, settings)

    old.configure = configure
    rig.store.change(prf_hz=2000.0)
    rig.until(configuring.is_set)
    rig.engine.open("other")
    rig.until(lambda: "configure 3000" in new.calls and rig.engine._front._incoming is not None)
    go_on.set()
    rig.until(lambda: new.running)


def test_a_fault_names_its_stage_and_can_be_restarted(rig, monkeypatch):
    rig.open()
    rig.next_frame()
    original = compute_module.doppler

    def fails(*_):
        raise ValueError("planes do not match")

    monkeypatch.setattr(compute_module, "doppler", fails)
    rig.source.push()
    rig.until(lambda: rig.engine.status().state is State.FAULT)
    assert rig.engine.status().fault == "doppler: planes do not match"
    assert not rig.source.running
    monkeypatch.setattr(compute_module, "doppler", original)
    rig.engine.restart()
    rig.until(lambda: rig.source.running)
    rig.next_frame()
    assert rig.engine.status().state is State.LIVE


def test_a_source_that_fails_is_a_fault_of_acquisition(rig):
    rig.open()
    rig.next_frame()
    rig.source.broken = "cable pulled"
    rig.until(lambda: rig.engine.status().state is State.FAULT)
    assert rig.engine.status().fault == "acquire: cable pulled"


def test_a_picture_that_is_not_followed_becomes_stale(rig):
    rig.open()
    rig.next_frame()
    rig.until(lambda: rig.engine.status().state is State.STALE)
    rig.next_frame()
    assert rig.engine.status().state is State.LIVE


def test_a_held_frame_is_never_stale_and_follows_processing_changes(monkeypatch):
    rig = Rig(monkeypatch)
    rig.sources["fake"] = FakeSource(frame_interval_s=0.0)
    try:
        rig.open()
        rig.next_frame()
        rig.store.change(wall_filter="none")
        rig.engine.refresh()
        rig.until(lambda: rig.frames[-1].processing.wall_filter == "none")
        assert rig.engine.status().state is State.LIVE
    finally:
        rig.engine.close()


def test_a_held_frame_is_formed_again_for_another_aperture(monkeypatch):
    rig = Rig(monkeypatch)
    rig.sources["fake"] = FakeSource(frame_interval_s=0.0)
    try:
        rig.open()
        rig.next_frame()
        rig.store.change(f_number=2.5)
        rig.engine.refresh()
        rig.until(lambda: rig.source.calls.count("start") == 2)
        assert rig.next_frame().processing.f_number == 2.5
    finally:
        rig.engine.close()


def test_undo_does_not_reach_back_to_another_source(rig):
    rig.store.change(prf_hz=7000)
    rig.store.commit()
    rig.open()
    assert rig.store.undo().acquisition.prf_hz == 3000.0


def test_a_frame_of_a_replaced_source_is_not_shown(rig, monkeypatch):
    rig.open()
    rig.next_frame()
    original = compute_module.doppler
    entered, leave = threading.Event(), threading.Event()

    def slow(*arguments):
        entered.set()
        assert leave.wait(TIMEOUT_S)
        return original(*arguments)

    monkeypatch.setattr(compute_module, "doppler", slow)
    rig.source.push()
    rig.until(entered.is_set)
    rig.sources["fake"] = FakeSource(source="second")
    rig.open()
    n_before = len(rig.frames)
    leave.set()
    rig.source.push()
    rig.until(lambda: len(rig.frames) > n_before)
    assert [frame.acquisition.source for frame in rig.frames[n_before:]] == ["second"]
    assert len(rig.engine.cine.indices()) == 1


# Where frames are computed; the processor stands in for the GPU.

GPU_NAME = "Processor"


def test_the_status_names_what_made_the_newest_frame(rig, device):
    assert rig.engine.status().device == "CPU"
    rig.open()
    live = rig.next_frame()
    assert rig.engine.status().device == GPU_NAME
    rig.store.change(compute="cpu")
    rig.next_frame()
    assert rig.engine.status().device == "CPU"
    rig.store.change(compute="gpu")
    rig.next_frame()
    assert rig.engine.status().device == GPU_NAME
    assert [notice.text for notice in rig.notices] == ["opened fake"]

    rig.engine.freeze(0)
    rig.store.change(compute="cpu")
    rig.engine.show(0)
    rig.until(lambda: rig.frames[-1].processing.compute == "cpu")
    assert rig.engine.status().device == "CPU"
    assert_near(rig.frames[-1], live)
    rig.store.change(compute="gpu")
    rig.engine.refresh()
    rig.until(lambda: rig.frames[-1].processing.compute == "gpu")
    assert rig.engine.status().device == GPU_NAME
    assert_near(rig.frames[-1], live)


def assert_near(frame, other):
    """The same picture but for the int16 samples of the ring."""
    assert frame.index == other.index
    nyquist = frame.nyquist_velocity_m_s
    np.testing.assert_allclose(frame.velocity_m_s, other.velocity_m_s, atol=1e-2 * nyquist)
    np.testing.assert_allclose(frame.bmode_db, other.bmode_db, atol=1e-2)


@pytest.mark.parametrize("stage", ["demodulate_rf_int16", "autocorrelate", "download"])
def test_a_gpu_out_of_memory_is_said_once_and_the_cpu_goes_on(rig, device, stage):
    rig.open()
    rig.next_frame()

    def fails(name):
        if name == stage:
            raise MemoryError("Out of memory allocating 512 bytes")

    device.failing = fails
    for _ in range(3):
        rig.next_frame()
    assert [frame.index for frame in rig.frames] == [0, 1, 2, 3]
    assert rig.engine.cine.indices() == (0, 1, 2, 3)
    assert [notice.text for notice in rig.notices if notice.is_error] == [
        "GPU failed (out of memory): going on with the CPU; choose Compute: gpu to try again"
    ]
    status = rig.engine.status()
    assert (status.state, status.device, status.errors) == (State.LIVE, "CPU", 1)
    assert rig.store.current.processing.compute == "cpu"

    device.failing = lambda name: None
    rig.store.change(compute="gpu")
    rig.next_frame()
    assert rig.engine.status().device == GPU_NAME


def test_choosing_a_gpu_that_is_not_there_is_explained(rig, monkeypatch):
    monkeypatch.setattr(compute_module, "missing_gpu", lambda: "CuPy is not installed")
    rig.open()
    rig.next_frame()
    rig.store.change(compute="gpu")
    rig.next_frame()
    rig.until(lambda: rig.notices[-1].is_error)
    assert rig.notices[-1].text == "no GPU: CuPy is not installed; going on with the CPU"
    assert rig.store.current.processing.compute == "cpu"
    assert rig.engine.status().device == "CPU"


# As it was last time.


def test_a_source_is_opened_with_the_settings_of_last_time(rig):
    rig.store.change(baseline=0.5, depth_m=0.03)
    last = Settings().replace(prf_hz=5000.0, invert=True)
    rig.engine.open("fake", last=last)
    rig.until(lambda: rig.notices)
    assert rig.store.current == last
    assert rig.source.calls[0] == "configure 5000"
    notice = rig.notices[-1]
    assert (notice.opened, notice.asked) == ("fake", "fake")
    # What it would start with on its own, whatever was in force before.
    assert notice.start == Settings().acquisition


def test_settings_of_last_time_that_are_refused_give_way_to_the_sources_own(rig):
    def configure(settings, original=rig.source.configure):
        rig.source.refuse = "no such PRF" if settings.prf_hz == 5000.0 else ""
        return original(settings)

    rig.source.configure = configure
    rig.store.change(baseline=0.5)
    rig.engine.open("fake", last=Settings().replace(prf_hz=5000.0, invert=True))
    rig.until(lambda: any(notice.opened for notice in rig.notices))
    assert rig.notices[0].text.startswith("opened with its own settings")
    assert rig.notices[0].text.endswith(": no such PRF")
    assert not rig.notices[0].is_error
    assert rig.store.current == Settings().replace(prf_hz=3000.0, baseline=0.5)


# The whole loop once more.


class Gate:
    """Holds the second step of the pipeline until it is let through, frame by frame."""

    def __init__(self, monkeypatch) -> None:
        self._original = compute_module.doppler
        self.passes = threading.Semaphore(0)
        self.n_entered = 0
        monkeypatch.setattr(compute_module, "doppler", self._doppler)

    def _doppler(self, *arguments):
        self.n_entered += 1
        assert self.passes.acquire(timeout=TIMEOUT_S)
        return self._original(*arguments)


def frozen_loop(rig, n_frames=4):
    rig.open()
    for _ in range(n_frames):
        rig.next_frame()
    rig.engine.freeze(n_frames - 1)
    return [rig.engine.cine.frame(index) for index in range(n_frames)]


def held_frames(rig):
    return [rig.engine.cine.frame(index) for index in rig.engine.cine.indices()]


def test_the_loop_is_processed_again_as_if_it_had_been_acquired_so(monkeypatch):
    slow = {"persistence_s": 0.2, "wall_filter": "none", "dealias": False}
    as_acquired = Rig(monkeypatch, Settings().replace(**slow))
    try:
        expected = frozen_loop(as_acquired)
    finally:
        as_acquired.engine.close()
    rig = Rig(monkeypatch)
    try:
        before = frozen_loop(rig)
        rig.store.change(**slow)
        rig.engine.rerun_loop()
        rig.until(lambda: rig.engine.status().rerun_share is None)
        rig.until(lambda: rig.frames[-1] is rig.engine.cine.frame(3))
        for old, new, wanted in zip(before, held_frames(rig), expected, strict=True):
            assert new.processing == rig.store.current.processing
            assert_near(new, wanted)
            assert np.abs(new.velocity_m_s - old.velocity_m_s).max() > 0.05
    finally:
        rig.engine.close()


def test_frames_keep_the_f_number_that_their_samples_were_formed_with(rig):
    rig.open()
    rig.next_frame()
    rig.store.change(f_number=2.5)
    rig.next_frame()
    rig.engine.freeze(1)
    rig.store.change(wall_filter="none")
    rig.engine.show(0)
    rig.until(lambda: rig.frames[-1].processing.wall_filter == "none")
    assert rig.engine.is_as_wanted(rig.frames[-1])
    rig.engine.rerun_loop()
    rig.until(lambda: rig.engine.status().rerun_share is None)
    made = [frame.processing for frame in held_frames(rig)]
    assert [(each.wall_filter, each.f_number) for each in made] == [("none", 1.2), ("none", 2.5)]
    figures = Figures.of(rig.engine.cine.loop(), rig.store.current.processing)
    assert not figures.outdated.any()


def test_a_frame_that_is_processed_again_does_not_outlive_its_source(rig, monkeypatch):
    frozen_loop(rig)
    gate = Gate(monkeypatch)
    rig.store.change(wall_filter="none")
    rig.engine.show(1)
    rig.until(lambda: gate.n_entered == 1)
    rig.sources["fake"] = FakeSource(source="second")
    rig.open()
    n_shown = len(rig.frames)
    for _ in range(2):
        gate.passes.release()
    rig.next_frame()
    assert [frame.acquisition.source for frame in rig.frames[n_shown:]] == ["second"]


def test_the_loop_stays_as_it_was_until_all_is_done(rig, monkeypatch):
    before = frozen_loop(rig)
    gate = Gate(monkeypatch)
    rig.store.change(wall_filter="none")
    rig.engine.rerun_loop()
    for n_done in range(4):
        rig.until(lambda n_done=n_done: gate.n_entered == n_done + 1)
        assert rig.engine.status().rerun_share == n_done / 4
        assert held_frames(rig) == before
        gate.passes.release()
    rig.until(lambda: rig.engine.status().rerun_share is None)
    rig.until(lambda: rig.frames[-1] is rig.engine.cine.frame(3) is not before[3])


@pytest.mark.parametrize("end", ["cancel", "resume"])
def test_what_is_cancelled_leaves_the_loop_as_it_was(rig, monkeypatch, end):
    before = frozen_loop(rig)
    gate = Gate(monkeypatch)
    rig.store.change(wall_filter="none")
    rig.engine.rerun_loop()
    for n_done in range(3):
        rig.until(lambda n_done=n_done: gate.n_entered == n_done + 1)
        gate.passes.release()
    rig.until(lambda: gate.n_entered == 4)  # in the midst of the last one
    if end == "cancel":
        rig.engine.cancel_rerun()
    else:
        rig.engine.resume()
    assert rig.engine.status().rerun_share is None
    for _ in range(20):
        gate.passes.release()
    # What comes after it is done by the same thread.
    if end == "cancel":
        rig.engine.show(0)
        rig.until(lambda: rig.frames[-1].processing.wall_filter == "none")
        assert held_frames(rig)[1:] == before[1:]
    else:
        rig.until(lambda: rig.source.running)
        assert rig.next_frame().index == 4
        assert held_frames(rig)[:4] == before


def test_frames_can_be_looked_at_while_the_loop_is_processed_again(rig, monkeypatch):
    before = frozen_loop(rig)
    gate = Gate(monkeypatch)
    rig.engine.rerun_loop()
    rig.until(lambda: gate.n_entered == 1)
    rig.engine.show(1)
    rig.until(lambda: rig.frames[-1] is before[1])
    for _ in range(4):
        gate.passes.release()
    rig.until(lambda: rig.frames[-1] is rig.engine.cine.frame(1) is not before[1])


def test_settings_that_change_meanwhile_hold_for_the_frame_on_screen(rig, monkeypatch):
    frozen_loop(rig)
    gate = Gate(monkeypatch)
    rig.store.change(wall_filter="none")
    rig.engine.rerun_loop()
    rig.until(lambda: gate.n_entered == 1)
    rig.store.change(wall_filter="polynomial-2")
    for _ in range(20):
        gate.passes.release()
    rig.until(lambda: rig.frames[-1].processing.wall_filter == "polynomial-2")
    filters = [frame.processing.wall_filter for frame in held_frames(rig)]
    assert filters == ["none", "none", "none", "polynomial-2"]


def test_only_a_frozen_loop_is_processed_again(rig):
    rig.open()
    frame = rig.next_frame()
    rig.engine.rerun_loop()
    assert rig.engine.status().rerun_share is None
    rig.next_frame()
    assert rig.engine.cine.frame(0) is frame


def test_a_fault_ends_the_processing_of_the_loop(rig, monkeypatch):
    before = frozen_loop(rig)

    def fails(*_):
        raise ValueError("planes do not match")

    monkeypatch.setattr(compute_module, "doppler", fails)
    rig.engine.rerun_loop()
    rig.until(lambda: rig.engine.status().state is State.FAULT)
    assert rig.engine.status().rerun_share is None
    assert rig.engine.status().errors == 1
    assert held_frames(rig) == before


def test_another_frame_in_the_slot_does_not_hide_the_addressed_one(rig):
    frames = frozen_loop(rig)
    rig.engine.show(1)
    rig.engine._finished.put(frames[2])  # a worker that was late
    assert rig.engine.take_frame() is frames[1]


def test_close_ends_everything_and_may_be_called_in_any_state(monkeypatch):
    for prepare in (lambda _: None, lambda rig: rig.open(), lambda rig: rig.engine.freeze(None)):
        rig = Rig(monkeypatch)
        prepare(rig)
        rig.engine.close()
        assert not [t for t in threading.enumerate() if t.name in {"acquire", "form", "doppler"}]
