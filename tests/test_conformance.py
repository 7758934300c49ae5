"""The conformance kit: our sources keep every promise, and each broken one is found once."""

import dataclasses
import threading
import time

import fuzz_readers
import numpy as np
import pytest
import recorded
import recordings
from fakes import make_acquisition

from ultrasound_console.__main__ import main
from ultrasound_console.dsp.arrays import n_lanes
from ultrasound_console.frames import Acquisition, ChannelFrame, IqFrame
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.record.content import Content
from ultrasound_console.sources import SourceError, open_source, promises
from ultrasound_console.sources.clock import FrameClock
from ultrasound_console.sources.conformance import check_source
from ultrasound_console.sources.simulated import SimulatedSource

# --- our own --------------------------------------------------------------------------------


@pytest.fixture
def found_in():
    def check(path, *, real_time=True):
        return check_source(lambda: open_source(str(path), real_time=real_time)).findings

    return check


@pytest.mark.parametrize("kind", recordings.WRITERS)
def test_recordings_of_others(kind, tmp_path, found_in) -> None:
    """Ten pulses: two frames of four; a single frame of all of them is held."""
    path = recordings.write(kind, tmp_path)
    assert found_in(path) == ()
    assert found_in(path, real_time=False) == ()


@pytest.mark.parametrize("content", Content)
def test_our_own_recordings(content, tmp_path, found_in) -> None:
    make = recorded.channel_frame if content is Content.CHANNELS else recorded.iq_frame
    frames = [make(k, recorded.acquisition()) for k in range(4)]
    recorded.record(tmp_path / "a.h5", frames, content=content)
    assert found_in(tmp_path / "a.h5") == ()


@pytest.mark.parametrize(
    "kind", ["clarius", "beamformed uff", "beamformed zea", "mapping, npz", "mapping, hdf5"]
)
def test_what_else_there_is(kind, tmp_path, found_in) -> None:
    first, *_ = fuzz_readers.KINDS[kind][0](tmp_path)
    assert found_in(tmp_path / first) == ()


def test_the_simulated_probe() -> None:
    class Quick(SimulatedSource):
        """Four pulses and five frames in a second: little to make."""

        def defaults(self, settings):
            start = super().defaults(settings)
            return dataclasses.replace(start, ensemble=4, frame_rate_hz=5.0)

    assert check_source(lambda: Quick("straight-tube"), patience_s=60.0).findings == ()


def test_by_command(tmp_path, capsys) -> None:
    path = recordings.write("must", tmp_path, PRF=0.0)
    assert main(["check", str(path), "--prf", "8000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19
    assert all(line.startswith("ok   ") for line in lines)
    assert main(["check", str(path)]) == 1
    assert f"FAIL {promises.OPENS}: opening it: small.mat: param.PRF: " in capsys.readouterr().out


# --- broken ones ----------------------------------------------------------------------------


class Good:
    """A frame every millisecond."""

    # Longest wait for a frame. Only a source that lets it pass is waited for so long: less there.
    patience_s = 10.0
    name = "good"
    n_frames: int | None = None
    filling: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.clock = FrameClock(real_time=True)
        self.made, self.closed = 0, False

    def defaults(self, settings):
        return dataclasses.replace(settings, prf_hz=3000.0, ensemble=8)

    def achieved(self, settings) -> Acquisition:
        return make_acquisition(
            source="good",
            prf_hz=min(settings.prf_hz, 10e3),
            requested_prf_hz=settings.prf_hz,
            n_pulses=settings.ensemble or 8,
            frame_interval_s=1e-3,
        )

    def configure(self, settings):
        self.check()
        self.acquisition, self.made = self.achieved(settings), 0
        return self.acquisition

    def start(self) -> None:
        self.check()
        self.clock.start()

    def samples(self):
        of = self.acquisition
        return np.zeros((of.n_pulses, of.probe.n_elements, 32), np.int16)

    def frame(self, **changes):
        told = {
            "index": self.made - 1,
            "time_s": 1e-3 * self.made,
            "received_s": time.perf_counter(),
            "acquisition": self.acquisition,
            "colour": self.samples(),
        }
        return ChannelFrame(**{**told, **changes})

    def read(self, timeout_s):
        self.check()
        if self.clock.wait(1e-3, timeout_s) is None:
            return None
        self.made += 1
        return self.frame()

    def stop(self) -> None:
        self.clock.stop()

    def close(self) -> None:
        self.stop()
        self.closed = True

    def check(self) -> None:
        if self.closed:
            raise SourceError("good: closed; open it again")


BROKEN: list[tuple[str, type[Good]]] = []


def breaks(promise):
    """Note that a source breaks this promise, and no other."""

    def note(source):
        BROKEN.append((promise, source))
        return source

    return note


def changed(promise, **changes):
    """A source whose acquisition is changed."""

    class Changed(Good):
        def achieved(self, settings):
            return dataclasses.replace(super().achieved(settings), **changes)

    Changed.__name__ = "changed " + ", ".join(changes)
    return breaks(promise)(Changed)


def framed(promise, **changes):
    """A source whose frames are changed: by what is given, or what that makes of the source."""

    class Framed(Good):
        def frame(self, **more):
            made = {name: value(self) for name, value in changes.items()}
            return super().frame(**made, **more)

    Framed.__name__ = "framed " + ", ".join(changes)
    return breaks(promise)(Framed)


changed(promises.POSSIBLE, prf_hz=0.0, max_prf_hz=0.0)
changed(promises.POSSIBLE, bmode_grid=ImageGrid("parallel", 10**5, 10**3, (0.0, 0.01), (0.0, 0.01)))
changed(promises.POSSIBLE, transmit_angle_rad=1.5)
changed(promises.PRF, prf_choices_hz=(9e3, 4.5e3), notes=("the PRF is as it is",))
changed(promises.PRF, max_prf_hz=2000.0, notes=("the PRF is as it is",))
changed(promises.TOLD, prf_hz=2000.0)
changed(promises.TOLD, n_pulses=12)
changed(promises.NAMES, source="better")
framed(promises.CARRIES, acquisition=lambda s: dataclasses.replace(s.acquisition, n_cycles=3.0))
framed(promises.SHAPES, colour=lambda s: s.samples()[:, :-1])
framed(promises.SHAPES, colour=lambda s: s.samples()[..., :0])
framed(promises.SHAPES, colour=lambda s: s.samples().astype(np.float64))
framed(promises.SHAPES, colour=lambda s: s.samples().astype(np.complex64))
framed(promises.SHAPES, bmode=lambda s: s.samples())
framed(promises.VALUES, colour=lambda s: s.samples().astype(np.float32) + np.float32(np.nan))
framed(promises.ORDER, index=lambda s: 7)
framed(promises.ORDER, time_s=lambda s: -s.made)
framed(promises.RECEIVED, received_s=lambda s: time.time())


@breaks(promises.NYQUIST)
class OwnNyquist(Good):
    class Odd(Acquisition):
        nyquist_velocity_m_s = 1.0

    def achieved(self, settings):
        told = super().achieved(settings)
        return self.Odd(**{f.name: getattr(told, f.name) for f in dataclasses.fields(told)})


@breaks(promises.NAMES)
class Path(Good):
    name = "/home/somebody/good"

    def achieved(self, settings):
        return dataclasses.replace(super().achieved(settings), source=self.name)


@breaks(promises.COUNTS)
class Countless(Good):
    n_frames = 0


@breaks(promises.COUNTS)
class Overfull(Good):
    filling = (3, 2)


@breaks(promises.READ_ONLY)
class Writeable(Good):
    def frame(self):
        frame = super().frame()
        frame.colour.setflags(write=True)
        return frame


@breaks(promises.KEPT)
class OneBuffer(Good):
    def samples(self):
        shape = super().samples().shape
        if getattr(self, "buffer", np.zeros(())).shape != shape:
            self.buffer = np.zeros(shape, np.int16)
        self.buffer += 1
        return self.buffer[:]


@breaks(promises.OPENS)
class Silent(Good):
    patience_s = 0.1

    def read(self, timeout_s):
        self.check()
        self.clock.wait(0.0, 0.0 if self.made else timeout_s)
        self.made = 1
        self.clock.wait(1e3, timeout_s)


@breaks(promises.OPENS)
class Refuses(Good):
    def configure(self, settings):
        raise SourceError("good: not today; come again")


@breaks(promises.ENDS)
class Deaf(Good):
    """Waits for the whole time that it is given, stopped or not."""

    patience_s = 1.0

    def read(self, timeout_s):
        self.check()
        if self.made == 3:
            threading.Event().wait(timeout_s)
            self.made += 1
            return None
        return super().read(timeout_s)


@breaks(promises.STOPS)
class Unstopped(Good):
    """Ends a read that waits, and delivers all the same to the next one."""

    ended = False

    def read(self, timeout_s):
        frame = super().read(timeout_s)
        if frame is None and self.ended:
            self.made += 1
            return self.frame()
        self.ended = frame is None
        return frame


@breaks(promises.GOES_ON)
class FromTheBeginning(Good):
    def start(self) -> None:
        super().start()
        self.made = 0


@breaks(promises.CLOSED)
class Reopens(Good):
    def check(self) -> None:
        """Nothing is wrong with being closed."""


@breaks(promises.CLOSED)
class ClosesOnce(Good):
    def close(self) -> None:
        self.check()
        super().close()


@breaks(promises.PLAIN)
class Speechless(Good):
    def check(self) -> None:
        if self.closed:
            raise SourceError("good: closed\nopen it again")


@breaks(promises.PLAIN)
class Raw(Good):
    def check(self) -> None:
        if self.closed:
            raise KeyError("closed")


@breaks(promises.PLAIN)
class Picky(Good):
    def configure(self, settings):
        if settings.ensemble > 60:
            raise ValueError(settings.ensemble)
        return super().configure(settings)


@breaks(promises.THREADS)
class Leaves(Good):
    patience_s = 1.0
    done: threading.Event

    def start(self) -> None:
        super().start()
        Leaves.done = threading.Event()
        threading.Thread(target=self.done.wait, name="left behind", daemon=True).start()


@breaks(promises.FORM)
class Formless(Good):
    def configure(self, settings):
        self.check()


@breaks(promises.FORM)
class Nameless(Good):
    @property
    def name(self):
        raise AttributeError("name")


class Beamformed(Good):
    def frame(self, **changes):
        of = self.acquisition
        told = {
            "iq": np.zeros((*of.colour_grid.shape, 2, n_lanes(of.n_pulses)), np.float32),
            "bmode_power": np.zeros(of.bmode_grid.shape, np.float32),
        }
        return IqFrame(
            self.made - 1, 1e-3 * self.made, time.perf_counter(), of, **{**told, **changes}
        )


@breaks(promises.SHAPES)
class Unpadded(Beamformed):
    def achieved(self, settings):
        return dataclasses.replace(super().achieved(settings), n_pulses=7, notes=("seven",))

    def frame(self):
        return super().frame(iq=np.zeros((*self.acquisition.colour_grid.shape, 2, 7), np.float32))


@breaks(promises.VALUES)
class PulsesBeyondTheLast(Beamformed):
    def achieved(self, settings):
        return dataclasses.replace(super().achieved(settings), n_pulses=7, notes=("seven",))

    def frame(self):
        shape = (*self.acquisition.colour_grid.shape, 2, n_lanes(7))
        return super().frame(iq=np.ones(shape, np.float32))


@breaks(promises.VALUES)
class DarkerThanDark(Beamformed):
    def frame(self):
        return super().frame(bmode_power=np.full(self.acquisition.bmode_grid.shape, -1, np.float32))


@pytest.mark.parametrize("source", [Good, Beamformed])
def test_good_ones_have_no_findings(source) -> None:
    report = check_source(source, patience_s=source.patience_s)
    assert report.findings == ()
    told = {value for name, value in vars(promises).items() if name.isupper() and name[0] != "_"}
    assert {*report.results} == told - {promises.FORM}


@pytest.mark.parametrize(("promise", "source"), BROKEN, ids=[s.__name__ for _, s in BROKEN])
def test_each_broken_promise_is_found_once(promise, source) -> None:
    (finding,) = check_source(source, patience_s=source.patience_s).findings
    assert finding.startswith(promise + ": ")
    assert finding.isprintable()
    if source is Leaves:
        Leaves.done.set()


def test_what_cannot_be_opened_is_a_finding() -> None:
    def fail():
        raise SourceError("a.mat: damaged; record it again")

    report = check_source(fail)
    assert report.findings == (f"{promises.OPENS}: opening it: a.mat: damaged; record it again",)
