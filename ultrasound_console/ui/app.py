"""Starts the window, and ends it by itself for unattended checks.

Qt is imported only once it is known to load: a missing library is one line, not a traceback.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..assets import AssetError
from ..config import config_folder
from ..declared import Value
from ..diary import Diary, diary_folder
from ..doctor import check_display, check_libraries
from ..dsp.arrays import return_freed_arrays
from ..export.openigtlink import StreamError, StreamOptions
from ..presets import Memory
from ..recent import Recent
from ..segment import Segmenter
from ..store import SettingsStore
from .ahead import CompilingAhead

if TYPE_CHECKING:
    from types import TracebackType

    from PySide6.QtCore import QMessageLogContext, QtMsgType
    from PySide6.QtWidgets import QApplication

    from .window import MainWindow

_log = logging.getLogger(__name__)

CANNOT_START = 1
BAD_INPUT = 2
FIRST_PICTURE_WITHIN_S = 180.0
_NAME = "ultrasound-console"
# An error on screen that comes again is said again if it has been away for so long.
_SAID_AGAIN_S = 10.0
# Ctrl+C, the end of a session, and a terminal that goes away; Windows has no last one.
_ENDING = [
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
]
# Between two kernels a worker needs the interpreter for a moment: it does not wait long for the
# screen's thread to give it up.
SWITCH_INTERVAL_S = 0.5e-3


@dataclass(frozen=True)
class RunOptions:
    """How the console is run.

    Attributes
    ----------
    source : str or None
        A file or ``simulated:NAME``; None lets the user choose on the start page.
    changes : mapping
        Settings to put in force, by name.
    size : tuple of int
        Window size in logical pixels.
    seconds : float or None
        Close this long after the first picture (or 180 s later than that, if none comes).
    screenshot, stats : Path or None
        Files to write just before the window closes.
    model : Path or None
        Network to use in the place of the program's own.
    fresh : bool
        Start with the settings of a first start, and remember none of this run.
    stream : StreamOptions or None
        Stream by OpenIGTLink from the start.
    """

    source: str | None
    changes: Mapping[str, Value]
    size: tuple[int, int] = (1280, 720)
    seconds: float | None = None
    screenshot: Path | None = None
    stats: Path | None = None
    model: Path | None = None
    fresh: bool = False
    stream: StreamOptions | None = None


class CannotStartError(Exception):
    """The window cannot be opened here; the message is the one line the user sees."""


def run_console(options: RunOptions) -> int:
    """Open the console and return the process's exit code once it is closed.

    Parameters
    ----------
    options : RunOptions

    Returns
    -------
    int
        0; 1 when no window can be opened here, or no picture came in time; 2 when the source or the
        model cannot be opened or a file cannot be written; 128 and the number of a signal that
        ended it, 130 after Ctrl+C.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return_freed_arrays()
    store = SettingsStore()
    store.change(**options.changes)
    store.commit()
    own: Segmenter | None = None
    if options.model is not None:
        try:
            own = Segmenter(options.model)
        except AssetError as error:
            return _complain(str(error), BAD_INPUT)
    with CompilingAhead() as ahead:

        def load_segmenter() -> Segmenter:
            # What de-aliases with it would else be compiled twice.
            ahead.wait()
            return own or Segmenter()

        diary = None if options.fresh else _diary()
        try:
            application = start_application()
            window = _window(application, store, load_segmenter, diary)
        except CannotStartError as error:
            if diary is not None:
                _log.error("cannot start: %s", error)
                diary.stop(told=False)
            return _complain(f"{error}; the command 'doctor' says more", CANNOT_START)
        window.closing.connect(ahead.end)  # before threads end that may wait for it
        if options.stream is not None:
            try:
                window.streaming.start(options.stream)
            except StreamError as error:
                window.close()
                return _complain(str(error), BAD_INPUT)
        return _Run(options, window).until_closed(application)


class _Run:
    """One window from its opening to its end."""

    def __init__(self, options: RunOptions, window: MainWindow) -> None:
        self._options = options
        self._window = window
        self._ever_opened = False
        self._exit_code = 0
        self._n_screen_errors = 0
        self._screen_errors: dict[str, float] = {}
        window.opened.connect(self._on_opened)
        window.refused.connect(self._on_refused)
        window.closing.connect(self._on_closing)
        window.resize(*options.size)
        window.show()
        if options.source is None:
            window.show_start_page()
        else:
            window.open_source(options.source, prf_hz=_number(options.changes.get("prf_hz")))

    def until_closed(self, application: QApplication) -> int:
        from PySide6.QtCore import QEvent, Qt, QTimer

        timer = QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(self._window.close)
        seconds = self._options.seconds
        if seconds is not None:
            # From the first picture on: before it, kernels may still be compiled.
            self._window.canvas.painted.connect(
                lambda _: timer.start(round(seconds * 1e3)), Qt.ConnectionType.SingleShotConnection
            )
            timer.start(round((seconds + FIRST_PICTURE_WITHIN_S) * 1e3))
        excepthook, on_signal = sys.excepthook, {one: signal.getsignal(one) for one in _ENDING}
        sys.excepthook = self._on_exception
        for one, before in on_signal.items():
            if before is not signal.SIG_IGN:  # as `nohup` asks for
                signal.signal(one, self._on_signal)
        try:
            application.exec()
        finally:
            sys.excepthook = excepthook
            for one, before in on_signal.items():
                signal.signal(one, before)
            timer.stop()
            self._window.deleteLater()
            application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        return self._exit_code

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Say what went wrong on the screen's side, and go on."""
        self._n_screen_errors += 1
        text, now_s = f"{kind.__name__} {error}", time.perf_counter()
        before_s = self._screen_errors.get(text, -math.inf)
        self._screen_errors[text] = now_s
        if now_s - before_s < _SAID_AGAIN_S:
            return  # each paint may say the same
        _log.error("fault on screen", exc_info=(kind, error, trace))
        self._window.message.say(f"screen: {error}", is_error=True)

    def _on_signal(self, number: int, _: object) -> None:
        from PySide6.QtCore import QTimer

        # Not at once: what it comes between may hold a lock that closing takes.
        self._exit_code = 128 + number
        QTimer.singleShot(0, self._window.close)

    def _on_opened(self, name: str) -> None:
        """Put the settings of the command line over what the source starts with."""
        del name
        if not self._ever_opened:
            self._ever_opened = True
            for setting, value in self._options.changes.items():
                self._window.settings.change(setting, value)
            self._window.store.commit()
        why_not = self._window.store.current.processing.why_no_network
        if self._options.model is not None and why_not:
            name = self._options.model.name
            self._window.message.say(f"the network {name} is not used: {why_not}", stays=True)

    def _on_refused(self, text: str) -> None:
        if not self._ever_opened and self._options.source is not None:
            self._exit_code = _complain(text, BAD_INPUT)
            self._window.close()

    def _on_closing(self) -> None:
        options = self._options
        if not self._ever_opened:
            return
        has_failed = options.seconds is not None and self._window.canvas.frame is None
        if has_failed and not self._exit_code:
            text = f"{options.source}: no picture came within {FIRST_PICTURE_WITHIN_S:g} s"
            self._exit_code = _complain(text, CANNOT_START)
        try:
            if options.screenshot is not None and not self._window.grab().save(
                str(options.screenshot)
            ):
                raise OSError(f"{options.screenshot}: cannot be written as a picture")
            if options.stats is not None:
                options.stats.write_text(json.dumps(self._stats(), indent=2) + "\n")
        except OSError as error:
            self._exit_code = _complain(str(error), BAD_INPUT)

    def _stats(self) -> dict[str, object]:
        status = self._window.engine.status()
        reading = self._window.meter.reading(time.perf_counter())
        return {
            **dataclasses.asdict(reading),
            "replaced_frames": status.replaced_frames,
            "errors": status.errors + self._n_screen_errors,
            "device": status.device,
        }


def start_application() -> QApplication:
    """Make the application, with what has to be set before it, or take the one that runs.

    Raises
    ------
    CannotStartError
        Libraries, a display or OpenGL are missing.
    """
    application = _application()
    _check_opengl()
    return application


def _application() -> QApplication:
    if sys.platform == "linux":
        for check in (check_libraries(), check_display(os.environ)):
            if not check.ok:
                raise CannotStartError(f"{check.detail}. Try: {check.remedy}")
    try:
        from PySide6.QtCore import qInstallMessageHandler
        from PySide6.QtGui import QIcon
        from PySide6.QtWidgets import QApplication

    except ImportError as error:
        raise CannotStartError(str(error)) from error
    running = QApplication.instance()
    if isinstance(running, QApplication):
        return running
    said: list[str] = []

    def listen(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        """Qt says why in a message and ends the process in the next."""
        del context
        said.extend(text.splitlines()[:1])
        if kind.name == "QtFatalMsg":
            _complain(f"no window can be opened: {said[0]}; the command 'doctor' says more", 0)
            os._exit(CANNOT_START)

    qInstallMessageHandler(listen)
    application = QApplication([_NAME])
    application.setDesktopFileName(_NAME)
    application.setWindowIcon(QIcon(str(Path(__file__).parent / "desktop" / f"{_NAME}.svg")))
    qInstallMessageHandler(None)
    for line in said:
        sys.stderr.write(f"{line}\n")
    return application


def _check_opengl() -> None:
    """Make sure that there is OpenGL at all; the canvas itself checks which."""
    from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

    context, surface = QOpenGLContext(), QOffscreenSurface()
    surface.create()
    if not (context.create() and context.makeCurrent(surface)):
        raise CannotStartError("this display has no OpenGL")
    context.doneCurrent()


def _diary() -> Diary:
    """Begin the diary: before Qt and OpenGL, which may end the process."""
    diary = Diary(diary_folder())
    if why_not := diary.start():
        _complain(why_not, 0)
    return diary


def _window(
    application: QApplication,
    store: SettingsStore,
    load_segmenter: Callable[[], Segmenter],
    diary: Diary | None,
) -> MainWindow:
    """Make the window; it remembers sources and keeps a diary, or neither."""
    from ..render.painter import RenderError
    from . import theme
    from .window import MainWindow

    theme.apply(application)
    try:
        if diary is None:
            return MainWindow(store, load_segmenter)
        folder = config_folder()
        return MainWindow(
            store,
            load_segmenter,
            memory=Memory(folder / "sources.toml"),
            recent=Recent(folder / "recent.toml"),
            diary=diary,
        )
    except RenderError as error:
        raise CannotStartError(str(error)) from error


def _number(value: Value | None) -> float | None:
    return None if value is None else float(value)


def _complain(text: str, exit_code: int) -> int:
    sys.stderr.write(f"ultrasound-console: {text}\n")
    return exit_code
