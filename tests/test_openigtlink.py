"""OpenIGTLink: what a client of another make reads, and what clients cannot do to the others."""

import _thread
import contextlib
import dataclasses
import math
import signal
import socket
import sys
import threading
import time
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import BMODE, RECTANGLE, SECTOR, SECTOR_BMODE, SHEARED, make_frame
from known_flow import KnownPipeline
from pyigtl import OpenIGTLinkClient
from pyigtl.messages import CRC64, MessageBase, message_type_to_class_constructor
from PySide6.QtWidgets import QMenu

from ultrasound_console.__main__ import main
from ultrasound_console.export import openigtlink
from ultrasound_console.export.igtl_messages import HEADER_BYTES, crc64
from ultrasound_console.export.igtl_picture import NAMES, Picture, messages
from ultrasound_console.export.openigtlink import Server, StreamError, StreamOptions
from ultrasound_console.export.raster import MOST_PIXELS, raster_of
from ultrasound_console.frames import Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.settings import DisplaySettings
from ultrasound_console.status import State

pytest_plugins = ["console_for_tests"]

DISPLAY = DisplaySettings()
TIMEOUT_S = 20.0


@contextlib.contextmanager
def serving(**options):
    server = Server(StreamOptions(port=0, **options))
    server.tell(State.LIVE, is_replay=False)
    try:
        yield server
    finally:
        server.close()
        assert not [t for t in threading.enumerate() if t.name == "openigtlink"]


class Reader:
    """Reads whole messages off a socket; pyigtl takes them apart."""

    def __init__(self, server) -> None:
        self.socket = socket.create_connection((server.status.host, server.status.port), TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _read(self, n_bytes):
        data = b""
        while len(data) < n_bytes:
            more = self.socket.recv(n_bytes - len(data))
            assert more, "the server hung up"
            data += more
        return data

    def message(self):
        header = self._read(HEADER_BYTES)
        fields = MessageBase.parse_header(header)
        body = self._read(fields["body_size"])
        assert int.from_bytes(header[-8:], "big") == CRC64(body)
        made = message_type_to_class_constructor[fields["message_type"]]()
        made.unpack(fields, body)
        return made

    def until(self, name):
        """Messages up to the first of that device."""
        taken = [self.message()]
        while taken[-1].device_name != name:
            taken.append(self.message())
        return taken

    def picture(self):
        """Index of the next picture, once all of it has come."""
        return int(self.until(NAMES[-1])[-1].metadata["FrameIndex"])


def until(condition):
    """Look again until it holds; the server's thread says nothing when it is done."""
    pause, end_s = threading.Event(), time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end_s, "never happened"
        pause.wait(0.002)


@lru_cache(maxsize=1)
def _frame():
    return make_frame(colour_grid=RECTANGLE)


def frame_of(index=0, **changes):
    return dataclasses.replace(_frame(), index=index, received_s=time.perf_counter(), **changes)


class Clock(SimpleNamespace):
    """The server's clock: patience runs out only when a test says so."""

    def __init__(self) -> None:
        super().__init__(now_s=0.0, time=time.time)

    def monotonic(self):
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(openigtlink, "time", clock)
    return clock


def test_the_client_of_pyigtl_reads_values_names_units_and_places():
    frame = frame_of(3)
    flow = frame.status != Status.NO_FLOW
    with serving() as server:
        client = OpenIGTLinkClient(port=server.status.port)
        try:
            until(lambda: server.status.clients)
            server.show(frame, DISPLAY)
            received = {name: client.wait_for_message(name, TIMEOUT_S) for name in NAMES}
            state = client.wait_for_message("State", TIMEOUT_S)
        finally:
            client.stop()
    assert state.string == "LIVE"
    images = {name: message.image[0] for name, message in received.items()}
    assert images["VelocityRaw"].dtype == images["VelocityCorrected"].dtype == np.float32
    np.testing.assert_array_equal(images["VelocityRaw"], np.where(flow, frame.velocity_m_s, 0))
    corrected_m_s = np.where(flow, frame.corrected_m_s, 0)
    np.testing.assert_array_equal(images["VelocityCorrected"], corrected_m_s)
    assert np.abs(corrected_m_s).max() > 1.5 * frame.nyquist_velocity_m_s
    np.testing.assert_array_equal(images["Fold"], np.where(flow, frame.fold, 0))
    np.testing.assert_array_equal(images["Status"], frame.status)
    assert images["Fold"].dtype == np.int8
    for name, message in received.items():
        grid = BMODE if name == "BMode" else RECTANGLE
        assert message.image.shape == (1, *grid.shape)
        assert message.world_coordinate_system == "ras"
        x_m, z_m = grid.positions_m(7, 11)
        place = message.ijk_to_world_matrix @ (11, 7, 0, 1)
        np.testing.assert_allclose(place, [-1e3 * x_m, -1e3 * z_m, 0, 1], atol=1e-4)
        assert abs(time.time() - message.timestamp) < 60.0
        assert message.metadata["FrameIndex"] == "3"
        assert message.metadata["State"] == "LIVE"
        nyquist_m_s = float(message.metadata["NyquistVelocity_m_s"])
        assert nyquist_m_s == pytest.approx(frame.nyquist_velocity_m_s, rel=1e-5)
    assert received["VelocityRaw"].metadata["Unit"] == "m/s"
    assert received["VelocityCorrected"].metadata["DeAliased"] == "yes"


def test_an_image_that_is_not_de_aliased_says_so():
    frame = frame_of(3)
    raw = dataclasses.replace(frame.processing, dealias=False)
    frame = dataclasses.replace(frame, processing=raw, fold=np.zeros_like(frame.fold))
    assert b"no, corrected is raw" in messages(Picture.of(frame, DISPLAY), NAMES, "LIVE")


def test_grey_is_as_on_screen_with_all_gains():
    levels_db = np.linspace(-70.0, 5.0, BMODE.n_lines, dtype=np.float32)
    frame = frame_of(bmode_db=np.tile(levels_db, (BMODE.n_depths, 1)))
    display = DisplaySettings(bmode_gain_db=6.0, bmode_dynamic_range_db=60.0, tgc_8_db=12.0)
    with serving(names=("BMode",)) as server:
        server.show(frame, display)
        with Reader(server) as reader:
            grey = reader.until("BMode")[-1].image[0]
    for row, gain_db in ((0, 6.0), (-1, 18.0)):
        share = np.clip(1.0 + (levels_db + gain_db) / 60.0, 0.0, 1.0)
        assert np.abs(grey[row] - 255.0 * share).max() <= 0.501


@pytest.mark.parametrize("grid", [RECTANGLE, SHEARED, SECTOR, SECTOR_BMODE], ids=str)
def test_a_raster_shows_the_sample_that_lies_nearest_and_nothing_else(grid):
    raster = raster_of(grid)
    plane = np.arange(1, grid.n_depths * grid.n_lines + 1, dtype=np.float32).reshape(grid.shape)
    drawn = raster.draw(plane)
    rows, columns = np.nonzero(drawn)
    row, column = grid.indices(
        raster.x_m + columns * raster.step_x_m, raster.z_m + rows * raster.step_z_m
    )
    nearest = plane[np.rint(row).astype(int), np.rint(column).astype(int)]
    np.testing.assert_array_equal(drawn[rows, columns], nearest)
    assert set(np.unique(drawn)) <= {0.0, *plane.ravel()}
    if grid is RECTANGLE:
        np.testing.assert_array_equal(drawn, plane)
    else:
        # What is shown covers the grid, and no more: by area, a sample's margin aside.
        area = rows.size * raster.step_x_m * raster.step_z_m
        height_m = grid.range_m[1] - grid.range_m[0]
        width = grid.lines[1] - grid.lines[0]
        scale_m = sum(grid.range_m) / 2 if grid.kind == "polar" else 1.0
        assert area == pytest.approx(width * scale_m * height_m, rel=0.03)


def test_a_raster_is_never_larger_than_its_bound():
    fine = ImageGrid("polar", 5000, 64, (-0.7, 0.7), (0.02, 0.2))
    slanted = ImageGrid("parallel", 50, 2000, (-0.02, 0.02), (0.0, 0.04), math.radians(20))
    for grid in (fine, slanted):
        assert max(raster_of(grid).shape) <= MOST_PIXELS + 1


def test_a_client_that_never_reads_holds_up_nobody_and_is_dropped(monkeypatch, clock):
    packed = []
    real = openigtlink.messages
    monkeypatch.setattr(
        openigtlink, "messages", lambda picture, *_: packed.append(1) or real(picture, *_) * 8
    )
    with serving(names=("VelocityRaw",)) as server:
        silent = socket.socket()
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect((server.status.host, server.status.port))
        with Reader(server) as reader:
            until(lambda: len(server.status.clients) == 2)
            for index in range(20):
                server.show(frame_of(index), DISPLAY)
                got = {int(m.metadata["FrameIndex"]) for m in _eight(reader)}
                assert got == {index}
            # Of all that it does not take, it is owed one picture: the one on its way.
            owed = [client for client in server._clients.values() if client.rest]
            assert [client.number for client in owed] == [1]
            assert len(packed) == 20
            clock.now_s += openigtlink.PATIENCE_S + 1.0
            server.tell(State.STALE, is_replay=False)
            until(lambda: len(server.status.clients) == 1)
            assert reader.message().string == "STALE"
        (note,) = server.take_notes()
        assert "took more than 5 s" in note
        silent.close()


def _eight(reader):
    return [reader.until("VelocityRaw")[-1] for _ in range(8)]


def test_a_slow_client_gets_the_newest_next_and_no_frame_twice():
    with serving() as server, Reader(server) as reader:
        until(lambda: server.status.clients)
        for index in range(100):
            server.show(frame_of(index), DISPLAY)
            if index % 10 == 0:
                server.show(server._offer.picture.frame, DISPLAY)
        got = [reader.picture()]
        while got[-1] < 99:
            got.append(reader.picture())
        assert got == sorted(set(got))
        assert len(got) < 100
        assert server.status.n_sent == len(got)


def test_clients_that_vanish_or_talk_too_much_are_dropped_and_others_go_on():
    with serving() as server, Reader(server) as stays:
        gone, abrupt, noisy = Reader(server), Reader(server), Reader(server)
        until(lambda: len(server.status.clients) == 4)
        server.show(frame_of(1), DISPLAY)
        gone.socket.close()
        linger = (1).to_bytes(4, "little") + bytes(4)  # ends in a reset
        abrupt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        abrupt.socket.close()
        stays.socket.sendall(b"GET_CAPABIL" + bytes(100))
        with contextlib.suppress(OSError):
            noisy.socket.sendall(bytes(8 * openigtlink.MOST_INCOMING_BYTES_S))
        until(lambda: len(server.status.clients) == 1)
        server.show(frame_of(2), DISPLAY)
        assert [stays.picture(), stays.picture()] == [1, 2]
        assert any("sends too much" in note for note in server.take_notes())
        noisy.socket.close()


def test_there_are_only_so_many_clients():
    with serving() as server, contextlib.ExitStack() as stack:
        for _ in range(openigtlink.MOST_CLIENTS):
            stack.enter_context(Reader(server))
        until(lambda: len(server.status.clients) == openigtlink.MOST_CLIENTS)
        one_more = stack.enter_context(Reader(server))
        assert one_more.socket.recv(1) == b""
        assert len(server.status.clients) == openigtlink.MOST_CLIENTS
        assert "refused" in server.take_notes()[0]


def test_no_old_picture_is_sent_as_new():
    frame = frame_of(5)
    with serving() as server, Reader(server) as first:
        until(lambda: server.status.clients)
        server.show(frame, DISPLAY)
        assert first.picture() == 5
        # Frozen, it is sent again only when it changes; who comes now gets it as frozen.
        server.tell(State.FROZEN, is_replay=False)
        server.show(frame, DISPLAY)
        with Reader(server) as second:
            messages = second.until(NAMES[-1])
            assert messages[0].string == "FROZEN"
            assert {m.metadata["State"] for m in messages[1:]} == {"FROZEN"}
            assert messages[1].timestamp == pytest.approx(time.time(), abs=60.0)
        corrected = dataclasses.replace(frame, fold=np.zeros_like(frame.fold))
        server.show(corrected, DISPLAY)
        messages = first.until(NAMES[-1])
        assert messages[0].string == "FROZEN"
        assert not messages[NAMES.index("Fold") + 1].image.any()
        server.show(corrected, dataclasses.replace(DISPLAY, bmode_gain_db=5.0))
        assert first.picture() == 5
        # Live again, or while there is nothing current, the picture from before is not sent.
        for state, name in ((State.STALE, "STALE"), (State.LIVE, "REPLAY")):
            server.tell(state, is_replay=True)
            with Reader(server) as third:
                assert third.message().string == name
                if state is State.STALE:
                    server.tell(State.FAULT, is_replay=True)
                    assert third.message().string == "FAULT"
                else:
                    server.show(frame_of(6), DISPLAY)
                    assert third.picture() == 6
            until(lambda: len(server.status.clients) == 1)
        assert [m.string for m in first.until("BMode")[:-1]] == ["STALE", "FAULT", "REPLAY"]
        server.show(frame_of(7), DISPLAY)
        server.forget()
        with Reader(server) as last:
            assert last.message().string == "REPLAY"
            server.tell(State.STALE, is_replay=True)
            assert last.message().string == "STALE"


def test_it_listens_on_this_machine_only_and_says_why_not():
    with serving() as server:
        assert server.status.host == "127.0.0.1"
        assert server._listener.getsockname()[0] == "127.0.0.1"
        assert not server.status.is_open
        with pytest.raises(StreamError, match=f"port {server.status.port} is taken by another"):
            Server(StreamOptions(port=server.status.port))
    with serving(host="0.0.0.0") as anywhere:
        assert anywhere.status.is_open
    with pytest.raises(StreamError, match="not an address of this machine"):
        Server(StreamOptions("203.0.113.1", 0))
    with pytest.raises(StreamError, match="as numbers"):
        Server(StreamOptions("localhost", 0))


def test_a_fault_of_the_thread_is_told(monkeypatch):
    monkeypatch.setattr(openigtlink, "messages", lambda *_: 1 / 0)
    with serving() as server, Reader(server):
        until(lambda: server.status.clients)
        server.show(frame_of(), DISPLAY)
        until(lambda: server.status.fault)
        assert "division by zero" in server.status.fault
        assert not server.status.clients


def test_checksums_are_those_of_another_make():
    rng = np.random.default_rng(0)
    for n_bytes in (0, 1, 7, 8, 9, 1000):
        data = rng.bytes(n_bytes)
        assert crc64(data) == CRC64(data)


@pytest.fixture
def without_a_window(monkeypatch):
    """What the command that streams is given, in a process where windows cannot be had."""
    for name in [*sys.modules, "ultrasound_console.ui", "ultrasound_console.render"]:
        if name.startswith(("ultrasound_console.ui", "ultrasound_console.render")):
            monkeypatch.setitem(sys.modules, name, None)
    flow = KnownPipeline(monkeypatch)
    flow.servers = []

    def listen(options):
        flow.servers.append(Server(options))
        return flow.servers[-1]

    monkeypatch.setattr(openigtlink, "Server", listen)
    before = signal.getsignal(signal.SIGTERM)
    yield flow
    signal.signal(signal.SIGTERM, before)
    names = [thread.name for thread in threading.enumerate()]
    assert not {"openigtlink", "acquire", "form", "doppler"} & set(names)


STREAM = ("stream", "known", "--port", "0", "--seconds", "30", "--set", "dealias=off")


def test_a_source_is_streamed_without_a_window_until_the_service_is_ended(without_a_window, capsys):
    source, received = without_a_window.sources["known"], []

    def look_and_end():
        until(lambda: "configure 2500" in source.calls and source.running)
        with Reader(without_a_window.servers[0]) as reader:
            until(lambda: without_a_window.servers[0].status.clients)
            source.push()
            received.extend(reader.until("Status"))
        _thread.interrupt_main(signal.SIGTERM)

    client = threading.Thread(target=look_and_end)
    client.start()
    assert main([*STREAM, "--prf", "2500", "--images", "VelocityCorrected,Status"]) == 130
    client.join()
    velocity, status = received[-2:]
    assert received[-3].string == "LIVE"
    assert velocity.metadata["PRF_Hz"] == "2500"
    np.testing.assert_array_equal(velocity.image != 0, status.image > 0)
    assert source.calls[-1] == "close"
    printed = capsys.readouterr()
    assert printed.out.startswith("OpenIGTLink streams at 127.0.0.1, port ")
    assert "opened known flow" in printed.err


def test_a_stream_that_cannot_be_says_why_in_one_line(without_a_window, capsys):
    for wrong, words in (
        (("--port", "70000"), "port 70000"),
        (("--images", "Fold,Fauld"), "Fauld: choose of BMode"),
        (("--host", "203.0.113.1"), "not an address of this machine"),
        (("--seconds", "0"), "--seconds 0"),
    ):
        assert main([*STREAM, *wrong]) == 2
        assert words in capsys.readouterr().err
    assert main(["stream", "nowhere", "--port", "0", "--host", "0.0.0.0"]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("warning: ")
    assert "open to the network" in printed.out
    assert printed.err == "ultrasound-console: nowhere: no such file; check the name\n"
    without_a_window.sources["known"].broken = "the probe is unplugged"
    assert main([*STREAM]) == 1
    assert "the probe is unplugged" in capsys.readouterr().err


@pytest.mark.gui
@needs_display
def test_the_window_streams_what_it_shows_and_says_so(live):
    window, streaming = live.window, live.window.streaming
    assert streaming.label.isHidden()
    streaming.start(StreamOptions(port=0, names=("BMode",)))
    with Reader(streaming._server) as reader:
        live.until(lambda: streaming.label.text().endswith(", 1 client"))
        live.play()
        last = reader.until("BMode")[-1]
        assert last.metadata["FrameIndex"] == str(live.frame.index)
        live.freeze()
        assert reader.message().string == "FROZEN"
        n_sent = streaming._server.status.n_sent
        window.settings.change("bmode_gain_db", 6.0)
        live.until(lambda: streaming._server.status.n_sent > n_sent)
        brighter = reader.until("BMode")[-1]
        assert brighter.metadata["FrameIndex"] == str(live.frame.index)
        assert brighter.image.mean() > last.image.mean()
        assert streaming.label.isVisible()
        menus = window.findChildren(QMenu)
        (entry,) = {a for menu in menus for a in menu.actions() if "OpenIGTLink" in a.text()}
        entry.trigger()
        assert reader.socket.recv(1) == b""
    assert streaming.label.isHidden()
    with serving() as other:
        streaming._options = StreamOptions(port=other.status.port)
        entry.trigger()
        assert "taken by another program" in window.message.text.text()
    assert streaming.label.isHidden()
