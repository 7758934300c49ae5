"""The command that streams a source by OpenIGTLink, on a machine that needs no display."""

from __future__ import annotations

import argparse
import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..arguments import changes_of
from ..declared import Value
from ..status import State
from .terminal import InputError, note

if TYPE_CHECKING:
    from ..engine import Engine
    from ..export.openigtlink import Server, StreamOptions

_LOOK_S = 0.1  # how late a state is told that comes without a frame
_LINE_S = 10.0
_FIRST_WITHIN_S = 180.0


class StreamFailedError(Exception):
    """The stream has ended before it was to; the message says why."""


def stream(options: argparse.Namespace) -> int:
    """Acquire, process and stream, for some seconds or until it is interrupted."""
    from ..assets import AssetError
    from ..cine import Cine
    from ..engine import Engine
    from ..export.openigtlink import Server, StreamError
    from ..segment import Segmenter
    from ..store import SettingsStore

    if options.seconds is not None and not 0.0 < options.seconds < 1e9:
        raise InputError(f"--seconds {options.seconds:g}: give a time in seconds")
    changes = changes_of(options)
    chosen = stream_options(options.port, options.host, options.images)
    store = SettingsStore()
    store.change(**changes)
    woken = threading.Event()
    try:
        own = None if options.model is None else Segmenter(options.model)
        server = Server(chosen)
    except (AssetError, StreamError) as error:
        raise InputError(str(error)) from error
    # Whoever ends a service lets the source fall silent as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.closing(server),
        contextlib.closing(
            # Nobody looks back: the loop holds one frame.
            Engine(store, woken.set, Cine(0), load_segmenter=lambda: own or Segmenter())
        ) as engine,
    ):
        status = server.status
        print(f"warning: {status.told}" if status.is_open else status.told, flush=True)
        engine.open(options.source, prf_hz=options.prf)
        try:
            _Stream(engine, server, changes).go_on(woken, options.seconds)
        except StreamFailedError as error:
            print(f"ultrasound-console: {error}", file=sys.stderr)
            return 1
    return 0


def stream_options(port: int | None, host: str | None, images: str | None) -> StreamOptions:
    """Read how to stream.

    Parameters
    ----------
    port : int or None
        0 takes any that is free, None the usual one.
    host, images : str or None
        None stays on this machine, and sends all images.

    Raises
    ------
    InputError
    """
    from ..export.igtl_picture import NAMES
    from ..export.openigtlink import DEFAULT_PORT, LOOPBACK, StreamOptions

    if port is not None and not 0 <= port < 2**16:
        raise InputError(f"port {port}: give one of 1 ... 65535")
    names = tuple(images.split(",")) if images else NAMES
    if unknown := [name for name in names if name not in NAMES]:
        raise InputError(f"image {unknown[0]}: choose of {', '.join(NAMES)}")
    return StreamOptions(host or LOOPBACK, DEFAULT_PORT if port is None else port, names)


class _Stream:
    """Hands on what the engine finishes, the newest frame only, and says how it goes.

    Parameters
    ----------
    engine : Engine
    server : Server
    changes : mapping
        Settings to put over what the source starts with.
    """

    def __init__(self, engine: Engine, server: Server, changes: Mapping[str, Value]) -> None:
        self._engine, self._server, self._changes = engine, server, changes
        self._has_opened = False
        self._n_frames = 0

    def go_on(self, woken: threading.Event, seconds: float | None) -> None:
        """Stream for some seconds from the first picture on, or without end.

        Raises
        ------
        InputError
            The source cannot be opened.
        StreamFailedError
            Something has failed on the way, or no picture came.
        """
        now_s = told_s = time.monotonic()
        end_s = math.inf if seconds is None else now_s + seconds + _FIRST_WITHIN_S
        n_told = 0
        while now_s < end_s:
            woken.wait(_LOOK_S)
            woken.clear()
            had_none = not self._n_frames
            self._step()
            now_s = time.monotonic()
            if had_none and self._n_frames:
                told_s = now_s
                end_s = math.inf if seconds is None else now_s + seconds
            if now_s - told_s >= _LINE_S or now_s >= end_s:
                self._say((self._n_frames - n_told) / max(now_s - told_s, _LOOK_S))
                told_s, n_told = now_s, self._n_frames
        if not self._n_frames:
            raise StreamFailedError("no picture came")

    def _step(self) -> None:
        """Hand on the newest frame, and how things are."""
        engine, server = self._engine, self._server
        for notice in engine.take_notices():
            if notice.is_error and not self._has_opened:
                raise InputError(notice.text)
            note(notice.text)
            if notice.opened:
                self._has_opened = True
                engine.store.change(**self._changes)
        frame, status = engine.take_frame(), engine.status()
        if status.state is State.FAULT:
            raise StreamFailedError(status.fault)
        is_recording = bool(status.acquisition and status.acquisition.prf_choices_hz)
        server.tell(status.state, is_replay=is_recording)
        if frame is not None:
            self._n_frames += 1
            server.show(frame, engine.store.current.display)
        for text in server.take_notes():
            note(text)
        if server.status.fault:
            raise StreamFailedError(server.status.fault)

    def _say(self, rate_hz: float) -> None:
        engine, server = self._engine.status(), self._server.status
        n_clients = len(server.clients)
        print(
            f"{engine.state.name}: {rate_hz:.0f} frames/s, {engine.replaced_frames} replaced, "
            f"{n_clients} client{'s' * (n_clients != 1)}, {server.n_sent} pictures sent",
            flush=True,
        )
