"""A us4us scanner in a process of its own, with a stand-in for ARRUS."""

import ast
import dataclasses
import json
import math
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ultrasound_console import pipeline
from ultrasound_console.engine import Engine
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.sources import SourceError, open_source, us4us_child, us4us_process
from ultrasound_console.sources.conformance import check_source
from ultrasound_console.sources.ring import N_SLOTS, Ring, new_memory, reserve
from ultrasound_console.sources.us4us import PYTHON_VARIABLE, VOLTAGE_VARIABLE
from ultrasound_console.sources.us4us_process import ScannerProcess
from ultrasound_console.status import State
from ultrasound_console.store import SettingsStore

HERE = Path(__file__).parent
PATIENCE_S = 20.0
SHALLOW = AcquisitionSettings(prf_hz=3300.0, ensemble=8, depth_m=0.02, steering_rad=0.0)
PLAIN = ProcessingSettings(wall_filter="none", dealias_method="continuity")
SAFE = ["voltage 0", "no voltage"]


def interpreter(path, lines):
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


class Scanner:
    """A session file and what is done to its scanner."""

    def __init__(self, folder):
        self.path = folder / "lab.prototxt"
        self.name = f"us4us:{self.path}"
        self._sources = []

    def tell(self, **told):
        self.path.write_text(json.dumps(told))

    def open(self, **told):
        self.tell(**told)
        source = open_source(self.name)
        self._sources.append(source)
        return source

    def live(self, settings=SHALLOW, **told):
        source = self.open(**told)
        source.configure(settings)
        source.start()
        return source

    @property
    def log(self):
        return Path(f"{self.path}.log").read_text().splitlines()

    @property
    def pid(self):
        """Of the newest process."""
        return int([line for line in self.log if line.startswith("session")][-1].split()[1])

    def close(self):
        for source in self._sources:
            source.close()


@pytest.fixture
def scanner(tmp_path, monkeypatch):
    python = interpreter(
        tmp_path / "python", f'PYTHONPATH={HERE / "fake_arrus"} exec {sys.executable} "$@"'
    )
    monkeypatch.setenv(PYTHON_VARIABLE, str(python))
    monkeypatch.delenv(VOLTAGE_VARIABLE, raising=False)
    made = Scanner(tmp_path)
    yield made
    made.close()


def test_moving_echoes_have_their_velocity_and_place(scanner):
    point_m = (3e-3, 12e-3)
    settings = dataclasses.replace(SHALLOW, steering_rad=math.radians(8.0), n_cycles=6)
    source = scanner.live(settings, points_m=[point_m], speed_m_s=0.1)
    frame = source.read(PATIENCE_S)
    acquisition = frame.acquisition
    # The scanner rounds intervals up to a microsecond: 304 of them.
    assert acquisition.prf_hz == pytest.approx(1.0 / 304e-6)
    assert acquisition.requested_prf_hz == 3300.0
    assert frame.colour.shape[:2] == (8, 64)
    assert frame.bmode.shape == (len(acquisition.bmode_angles_rad), *frame.colour.shape[1:])
    # What the scanner notes in the first sample is no echo.
    assert np.abs(frame.colour).max() <= 1000
    assert frame.time_s == pytest.approx(frame.index * acquisition.frame_interval_s)

    formed = pipeline.form(frame, PLAIN)
    picture = pipeline.doppler(formed, PLAIN, None)
    for plane, grid in (
        (picture.power_db, acquisition.colour_grid),
        (formed.bmode_power, acquisition.bmode_grid),
    ):
        row, column = np.unravel_index(np.argmax(plane), plane.shape)
        x_m, z_m = grid.positions_m(row, column)
        assert math.hypot(x_m - point_m[0], z_m - point_m[1]) < 0.3e-3
    strong = picture.power_db > picture.power_db.max() - 6.0
    expected = 0.1 * math.cos(math.radians(8.0))
    assert picture.velocity_m_s[strong].mean() == pytest.approx(expected, rel=0.03)


def test_another_prf_is_stopped_uploaded_and_started(scanner):
    source = scanner.live(shortest_pri_s=200e-6)
    first = source.read(PATIENCE_S)
    other = source.configure(dataclasses.replace(SHALLOW, prf_hz=2000.0))
    again = source.read(PATIENCE_S)
    assert (first.index, again.index) == (0, 0)
    assert again.acquisition is other
    assert other.prf_hz == pytest.approx(2000.0)
    with pytest.raises(SourceError, match="ARRUS refuses this: PRI is too short"):
        source.configure(dataclasses.replace(SHALLOW, prf_hz=8000.0))
    # The console puts the settings back; a smaller box asks nothing of the scanner.
    source.configure(dataclasses.replace(SHALLOW, prf_hz=2000.0))
    smaller = source.configure(dataclasses.replace(SHALLOW, prf_hz=2000.0, box_left_m=-2e-3))
    assert smaller.colour_grid != other.colour_grid
    source.close()
    safe = ["stop", *SAFE]
    assert scanner.log[1:] == [
        *SAFE,
        "upload 3289.5 Hz, 11 transmits",
        "voltage 5",
        "start",
        *safe,
        "upload 2000.0 Hz, 11 transmits",
        "voltage 5",
        "start",
        *safe,
        "upload 2000.0 Hz, 11 transmits",
        "close",
    ]


def test_freezing_stops_and_takes_the_voltage_away(scanner, monkeypatch):
    monkeypatch.setenv(VOLTAGE_VARIABLE, "12")
    source = scanner.live(frames=1)
    before = source.read(PATIENCE_S)
    assert "transmits with 12 V, plus and minus" in before.acquisition.notes
    source.stop()
    assert source.read(PATIENCE_S) is None
    source.start()
    after = source.read(PATIENCE_S)
    assert after.index == before.index + 1
    once = ["voltage 12", "start"]
    assert scanner.log[-7:] == [*once, "stop", *SAFE, *once]


def test_more_elements_than_receive_at_once(scanner):
    source = scanner.live(n_elements=128)
    frame = source.read(PATIENCE_S)
    assert any("middle 64 of 128 elements" in note for note in frame.acquisition.notes)
    silent = np.all(frame.colour == 0, axis=(0, 2))
    assert np.array_equal(np.flatnonzero(~silent), np.arange(32, 96))


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("overflow", "buffers overflowed.*lower the frame rate"),
        ("odd", "could not be handed over: ValueError: 224 samples"),
        ("crash", r"lab.prototxt: the scanner process ended \(signal 6\)"),
    ],
)
def test_what_goes_wrong_is_told_and_a_start_connects_anew(scanner, then, why):
    source = scanner.live(frames=2, then=then)
    with pytest.raises(SourceError, match=why):
        while source.read(PATIENCE_S):
            pass
    if then != "crash":
        assert scanner.log[-4:] == ["stop", *SAFE, "close"]
    scanner.tell()
    source.start()
    assert source.read(PATIENCE_S).index > 0
    assert sum("session" in line for line in scanner.log) == 2


def test_a_stall_is_no_fault_and_a_kill_is_one(scanner):
    source = scanner.live(frames=1)
    index = source.read(PATIENCE_S).index
    assert source.read(0.01) is None
    os.kill(scanner.pid, signal.SIGKILL)
    with pytest.raises(SourceError, match=r"the scanner process ended \(signal 9\)"):
        source.read(PATIENCE_S)
    source.start()
    assert source.read(PATIENCE_S).index == index + 1


def test_a_scanner_that_cannot_be_stopped_is_told_while_frozen(scanner):
    scanner.tell(sticks=True)
    store, woken = SettingsStore(), threading.Event()
    store.load(store.current.replace(**dataclasses.asdict(SHALLOW), dealias_method="continuity"))
    engine = Engine(store, woken.set)

    def wait_for(condition):
        while not condition():
            assert woken.wait(PATIENCE_S)
            woken.clear()

    try:
        engine.open(scanner.name)
        wait_for(engine.take_frame)
        engine.freeze(None)
        wait_for(lambda: engine.status().state == State.FAULT)
        assert "could not be stopped, switch it off: OSError: it sticks" in engine.status().fault
        scanner.tell()
        engine.restart()
        wait_for(engine.take_frame)
        assert sum("session" in line for line in scanner.log) == 2
        assert engine.status().errors == 1
    finally:
        engine.close()


def test_the_scanner_is_safe_when_the_console_is_killed(scanner):
    scanner.tell()
    text = (
        "import sys\n"
        "from ultrasound_console.settings import AcquisitionSettings\n"
        "from ultrasound_console.sources import open_source\n"
        f"source = open_source({scanner.name!r})\n"
        "source.configure(AcquisitionSettings(depth_m=0.02))\n"
        "source.start()\n"
        f"assert source.read({PATIENCE_S})\n"
        "print('live', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as console:
        assert console.stdout.readline() == "live\n"
        pid = os.pidfd_open(scanner.pid)
        # The memory that both have mapped has no name that could be left behind.
        mapped = Path(f"/proc/{scanner.pid}/maps").read_text()
        assert "/memfd:frames (deleted)" in mapped
        assert "/dev/shm" not in mapped
        console.kill()
        assert select.select([pid], [], [], PATIENCE_S)[0]
        os.close(pid)
    assert scanner.log[-4:] == ["stop", *SAFE, "close"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("echo '{\"said\": ['", "it said what is not understood"),
        ('read _; echo \'{"said": "opened"}\'', "scanner/version: missing"),
        ('read _; echo \'{"said": "stopped"}\'', "it said what is not understood"),
        ("head -c 9000000 /dev/zero", "it talks without an end"),
        ("exit 3", r"ended \(exit code 3\)"),
        ("trap '' TERM", "did not answer to 'open' within 0.1 s"),
    ],
)
def test_nonsense_ends_the_process(scanner, tmp_path, monkeypatch, lines, why):
    if "0.1 s" in why:
        monkeypatch.setitem(us4us_process._ANSWER_WITHIN_S, "open", 0.1)
    monkeypatch.setattr(us4us_process, "_GRACE_S", 0.2)
    monkeypatch.setattr(us4us_process, "_BEAT_S", 0.05)
    other = interpreter(tmp_path / "other", f"{lines}\nexec sleep 100")
    monkeypatch.setenv(PYTHON_VARIABLE, str(other))
    with pytest.raises(SourceError, match=why):
        scanner.open()


def test_what_talks_nonsense_is_asked_to_end(scanner, tmp_path, monkeypatch):
    lines = "trap 'echo > $0.asked; exit' TERM\necho nonsense\nwhile :; do read _; done"
    other = interpreter(tmp_path / "other", lines)
    monkeypatch.setenv(PYTHON_VARIABLE, str(other))
    with pytest.raises(SourceError, match="not understood: nonsense"):
        scanner.open()
    assert Path(f"{other}.asked").exists()


def test_what_cannot_be_opened_is_told(scanner, tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="no such session file"):
        open_source(scanner.name)
    with pytest.raises(SourceError, match=r"the scanner tells of buffer: .* rows do not hold"):
        scanner.live(wrong_buffer=True)
    monkeypatch.setenv(VOLTAGE_VARIABLE, "31")
    with pytest.raises(SourceError, match="a whole number from 5 to 30"):
        scanner.open()
    monkeypatch.delenv(VOLTAGE_VARIABLE)
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    with pytest.raises(SourceError, match=r"cannot import ARRUS .*: install ARRUS there"):
        scanner.open()
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(SourceError, match="No such file"):
        scanner.open()
    monkeypatch.delenv(PYTHON_VARIABLE)
    with pytest.raises(SourceError, match=f"set {PYTHON_VARIABLE} to the Python"):
        scanner.open()


def test_the_other_side_has_its_own_bound(scanner):
    scanner.tell()
    process = ScannerProcess(os.environ[PYTHON_VARIABLE])
    try:
        process.ask("open", session=str(scanner.path), sound_speed_m_s=1540.0)
        with pytest.raises(us4us_process.ScannerError, match="31 V: the voltage must be"):
            process.ask("start", run=1, voltage_v=31, frame_bytes=64)
    finally:
        process.close()
    assert scanner.log[1:] == [*SAFE, "close"]


def test_a_silent_console_is_taken_for_dead(monkeypatch):
    monkeypatch.setattr(us4us_child, "SILENCE_S", 0.01)
    read, write = os.pipe()
    try:
        with os.fdopen(read) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            with pytest.raises(us4us_child._EndError, match="has not been heard"):
                list(us4us_child._commands(us4us_child._Alarm()))
    finally:
        os.close(write)


def test_conforms(scanner):
    scanner.tell()
    assert check_source(lambda: open_source(scanner.name), patience_s=PATIENCE_S).findings == ()


def test_the_ring_gives_whole_frames_or_none():
    memory = new_memory()
    try:
        with pytest.raises(ValueError, match="mmap"):
            Ring(memory, 64)
        reserve(memory, 64)
        writer, reader = Ring(memory, 64), Ring(memory, 64)
        with pytest.raises(PermissionError):
            os.ftruncate(memory, 64)
    finally:
        os.close(memory)
    for number in range(N_SLOTS + 1):
        writer.put(number, np.full(32, number, np.int16))
    assert reader.copy(0, np.copy) is None
    assert np.all(reader.copy(N_SLOTS, np.copy) == N_SLOTS)

    def lapped(samples):
        writer.put(N_SLOTS + 1, np.zeros(32, np.int16))
        return samples.copy()

    assert reader.copy(1, lapped) is None
    with pytest.raises(ValueError, match="31 samples"):
        writer.put(1, np.zeros(31, np.int16))


def test_the_other_side_needs_no_more_than_an_old_python():
    folder = Path(us4us_child.__file__).parent
    allowed = {*sys.stdlib_module_names, "numpy", "arrus", "ring"}
    for name in ("us4us_child.py", "ring.py"):
        tree = ast.parse((folder / name).read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed
