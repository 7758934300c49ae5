"""Streams what is on screen to whoever connects by OpenIGTLink; nobody waits for a client.

One thread serves all clients. Each is sent the newest picture once it has taken the one before,
however many came meanwhile, so that a slow client gets fewer pictures, never older ones, and the
others as many as ever. Nothing is sent to a client twice. What clients send is thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from ..frames import DopplerFrame
from ..settings.display import DisplaySettings
from ..status import State
from .igtl_messages import crc64, text
from .igtl_picture import NAMES, Picture, messages

_log = logging.getLogger(__name__)

LOOPBACK, DEFAULT_PORT = "127.0.0.1", 18944
STATE_NAME, REPLAY = "State", "REPLAY"
MOST_CLIENTS = 8
PATIENCE_S = 5.0
"""How long a client may take for one picture."""
MOST_INCOMING_BYTES_S = 2**20
_SEND_BUFFER_BYTES = 2**17  # what lies in the system's buffer is not the newest any more
_READ_BYTES = 2**16
_JOIN_S = 2.0
_CURRENT = {"LIVE", REPLAY, "FROZEN"}


class StreamError(Exception):
    """There can be no stream; the message is the one line the user sees."""


@dataclass(frozen=True)
class StreamOptions:
    """How a stream is made.

    Attributes
    ----------
    host : str
        Address to listen at, as numbers. Others than this machine can connect only where it is
        none of its loopback; the protocol has neither a password nor encryption.
    port : int
        0 takes any that is free.
    names : tuple of str
        Which of :data:`~ultrasound_console.export.igtl_picture.NAMES` to send.
    """

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    names: tuple[str, ...] = NAMES


@dataclass(frozen=True)
class StreamStatus:
    """How the stream is.

    Attributes
    ----------
    host, port : str, int
        Where it listens.
    clients : tuple of str
        Who is connected.
    n_sent : int
        Pictures sent, to all clients together.
    fault : str
        What ended it; empty while it runs.
    """

    host: str
    port: int
    clients: tuple[str, ...]
    n_sent: int
    fault: str

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can connect."""
        return not ipaddress.ip_address(self.host).is_loopback

    @property
    def told(self) -> str:
        """Where it can be had, in words."""
        where = f"OpenIGTLink streams at {self.host}, port {self.port}"
        if self.is_open:
            return f"{where}: open to the network, without password and encryption"
        return f"{where}: for programs on this machine only"


@dataclass(frozen=True, eq=False)
class _Offer:
    """What every client should have: the state, and the picture of that number."""

    state: str = ""
    number: int = 0
    picture: Picture | None = None


class _Client:
    """A connection, and what is on its way there."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.socket, self.name = connection, name
        self.state, self.number = "", 0
        self.rest = memoryview(b"")
        self.until_s = 0.0
        self.n_read, self.read_since_s = 0, 0.0


class Server:
    """An OpenIGTLink server with a thread of its own.

    All methods are called from one thread, which never waits for a client.

    Parameters
    ----------
    options : StreamOptions

    Raises
    ------
    StreamError
        Nobody can listen there.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._names = options.names
        self._listener = _listen(options.host, options.port)
        self._host, self._port = self._listener.getsockname()[:2]
        self._offer = _Offer()
        self._packed = "", 0, b""
        self._clients: dict[socket.socket, _Client] = {}
        self._notes: deque[str] = deque(maxlen=20)
        self._n_sent, self._fault = 0, ""
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="openigtlink", daemon=True)
        self._thread.start()

    # ---- called by the screen -------------------------------------------------------------

    def show(self, frame: DopplerFrame, display: DisplaySettings) -> None:
        """Send the picture on screen, unless it is that of the last time."""
        offer = self._offer
        if offer.picture is None or not offer.picture.is_like(frame, display):
            self._put(replace(offer, number=offer.number + 1, picture=Picture.of(frame, display)))

    def tell(self, state: State, *, is_replay: bool) -> None:
        """Say how the console is; to be called before the first picture of a new state.

        A picture from before is forgotten when it goes on live: nobody gets it after that.
        """
        name = REPLAY if is_replay and state is State.LIVE else state.name
        if name != self._offer.state:
            picture = None if state is State.LIVE else self._offer.picture
            self._put(replace(self._offer, state=name, picture=picture))

    def forget(self) -> None:
        """Send the last picture to nobody any more: its source is gone."""
        self._offer = replace(self._offer, picture=None)

    @property
    def status(self) -> StreamStatus:
        """How things are now; cheap enough to be polled."""
        clients = tuple(client.name for client in tuple(self._clients.values()))
        return StreamStatus(self._host, self._port, clients, self._n_sent, self._fault)

    def take_notes(self) -> tuple[str, ...]:
        """Everything the user should read since the last call."""
        return tuple(self._notes.popleft() for _ in range(len(self._notes)))

    def close(self) -> None:
        """End the thread and all connections."""
        self._is_closing = True
        self._wake()
        self._thread.join(_JOIN_S)

    def _put(self, offer: _Offer) -> None:
        self._offer = offer
        if self._clients:
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # awake already, or at its end
            self._wake_in.send(b"\0")

    # ---- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        try:
            crc64(b"")  # compiled before anybody waits for it
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while not self._is_closing:
                self._turn(selector)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: it goes on screen
            _log.error("fault in openigtlink", exc_info=error)
            self._fault = f"OpenIGTLink has stopped: {str(error) or type(error).__name__}"
        finally:
            ends = self._listener, self._wake_in, self._wake_out, *self._clients
            self._clients.clear()
            for end in ends:
                end.close()
            selector.close()

    def _turn(self, selector: selectors.BaseSelector) -> None:
        """Wait until there is something to do, and do it."""
        busy = [client.until_s for client in self._clients.values() if client.rest]
        wait_s = max(0.0, min(busy) - time.monotonic()) if busy else None
        for key, events in selector.select(wait_s):
            if key.fileobj is self._listener:
                self._accept(selector)
            elif key.fileobj is self._wake_out:
                self._wake_out.recv(_READ_BYTES)
            elif events & selectors.EVENT_READ and not self._read(key.data):
                self._drop(selector, key.data)
        now_s = time.monotonic()
        for client in tuple(self._clients.values()):
            if not self._serve(client, now_s):
                self._drop(selector, client)
                continue
            wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.rest else 0)
            if selector.get_key(client.socket).events != wants:
                selector.modify(client.socket, wants, client)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # gone again
        if len(self._clients) >= MOST_CLIENTS:
            self._notes.append(
                f"OpenIGTLink: {address[0]} was refused, {MOST_CLIENTS} clients are connected"
            )
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(connection, f"{address[0]}:{address[1]}")
        self._clients[connection] = client
        selector.register(connection, selectors.EVENT_READ, client)

    def _drop(self, selector: selectors.BaseSelector, client: _Client) -> None:
        if self._clients.pop(client.socket, None) is not None:
            selector.unregister(client.socket)
            client.socket.close()

    def _read(self, client: _Client) -> bool:
        """Throw away what a client sends; say whether it may stay."""
        try:
            n_bytes = len(client.socket.recv(_READ_BYTES))
        except BlockingIOError:
            return True
        except OSError:
            return False
        now_s = time.monotonic()
        if now_s - client.read_since_s >= 1.0:
            client.n_read, client.read_since_s = 0, now_s
        client.n_read += n_bytes
        if client.n_read > MOST_INCOMING_BYTES_S:
            self._notes.append(f"OpenIGTLink: {client.name} was dropped, it sends too much")
            return False
        return n_bytes > 0

    def _serve(self, client: _Client, now_s: float) -> bool:
        """Send what a client takes now; say whether it may stay."""
        try:
            while client.rest or self._load(client, now_s):
                client.rest = client.rest[client.socket.send(client.rest) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        if client.rest and now_s > client.until_s:
            self._notes.append(
                f"OpenIGTLink: {client.name} was dropped, it took more than {PATIENCE_S:g} s "
                "for a picture"
            )
            return False
        return True

    def _load(self, client: _Client, now_s: float) -> bool:
        """Find what a client lacks; say whether there is anything."""
        offer, parts = self._offer, []
        if client.state != offer.state:
            client.state = offer.state
            parts.append(text(STATE_NAME, time.time(), offer.state, {}))
        if offer.picture and offer.state in _CURRENT and client.number != offer.number:
            client.number = offer.number
            parts.append(self._images(offer.picture, offer.state, offer.number))
            self._n_sent += 1
        client.rest, client.until_s = memoryview(b"".join(parts)), now_s + PATIENCE_S
        return bool(parts)

    def _images(self, picture: Picture, state: str, number: int) -> bytes:
        """Pack a picture once for all clients."""
        if self._packed[:2] != (state, number):
            self._packed = state, number, messages(picture, self._names, state)
        return self._packed[2]


def _listen(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Raises
    ------
    StreamError
    """
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        raise StreamError(
            f"{host}: give an address of this machine as numbers, for example {LOOPBACK}"
        ) from None
    listener = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    try:
        if os.name == "posix":  # elsewhere it would let two programs listen at once
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(MOST_CLIENTS)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise StreamError(_why_not(host, port, error)) from error
    return listener


def _why_not(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} is taken by another program: end it, or give --openigtlink PORT"
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    return f"no OpenIGTLink at {host}, port {port}: {getattr(error, 'strerror', None) or error}"
