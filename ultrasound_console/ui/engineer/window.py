"""A window for engineers, closed by default: what the frames cost, and where they come from.

While it is closed it costs nothing: it is not even made before it is asked for, and only the log is
kept, which takes a record only when there is one.
"""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path

from PySide6.QtCore import QObject, QRect, Qt, QTimer
from PySide6.QtGui import (
    QCloseEvent,
    QGuiApplication,
    QHideEvent,
    QKeySequence,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTabWidget, QVBoxLayout, QWidget

from ... import __version__
from ...engine import Engine
from ...frames import DopplerFrame
from ...render.canvas import PanelCanvas
from ...sources.protocol import SIMULATED
from .. import theme
from ..meter import Meter
from .figures import (
    Passed,
    Recent,
    Rows,
    acquisition_rows,
    frame_rows,
    latency_rows,
    machine_rows,
    stage_rows,
    truth_rows,
)
from .log import Log
from .pages import LogPage, RowsPage, TimingPage, TruthPage
from .process import Threads, resident_bytes, versions
from .report import report

KEYS, MORE_KEYS = "F8", "Ctrl+I"
UPDATE_MS = 500
SIZE_PX = 600, 660
_N_PASSED = 7  # moments of counts: 3 s
_LATENCIES = 600
_COPIED_MS = 1500
COPY_TEXT, COPIED_TEXT = "Copy everything for a report", "Copied"


class Engineer(QObject):
    """Opens the window when it is asked for, and keeps the log meanwhile.

    Parameters
    ----------
    engine : Engine
    canvas : PanelCanvas
    meter : Meter
    place_file : Path, optional
        Where the window's place is remembered; without it, only until the program ends.
    """

    def __init__(
        self, engine: Engine, canvas: PanelCanvas, meter: Meter, place_file: Path | None = None
    ) -> None:
        super().__init__(canvas)
        self.log = Log()
        self.log.start()
        self.window: EngineerWindow | None = None
        self._engine, self._canvas, self._meter = engine, canvas, meter
        self._place_file = place_file
        self._private: list[str] = []

    def opened(self, source: str) -> None:
        """Keep a name out of reports: that of a recording may be a patient's."""
        if not source.startswith(SIMULATED) and source not in self._private:
            self._private.append(source)

    def toggle(self) -> None:
        """Show the window, or hide it."""
        if self.window is None:
            self.window = EngineerWindow(
                self._engine, self._canvas, self._meter, self.log, self._private
            )
            self.window.put(_read_place(self._place_file))
        if self.window.isVisible():
            self.window.close()
        else:
            self.window.show()
            self.window.raise_()
            self.window.activateWindow()

    def end(self) -> None:
        """Close for good, and remember the place."""
        self.log.stop()
        if self.window is not None:
            self.window.close()
            _write_place(self._place_file, self.window.place)


class EngineerWindow(QWidget):
    """Timing, acquisition, machine, truth and log, each on a page.

    Parameters
    ----------
    engine : Engine
    canvas : PanelCanvas
    meter : Meter
    log : Log
    private : list of str
        Names that do not go into a report.
    """

    def __init__(
        self, engine: Engine, canvas: PanelCanvas, meter: Meter, log: Log, private: list[str]
    ) -> None:
        super().__init__(canvas.window(), Qt.WindowType.Window)
        self.setObjectName("engineer")
        self.setWindowTitle("For engineers")
        self.setStyleSheet(
            f"#engineer {{ background: {theme.STRIP}; }}"
            f"QTabWidget::pane {{ border: 1px solid {theme.LINE}; }}"
            f"QTabBar::tab {{ background: {theme.RAISED}; padding: 6px 13px;"
            " border: 1px solid transparent; }"
            f"QTabBar::tab:selected {{ background: {theme.ACCENT_FILL}; }}"
            f"QTabBar::tab:focus {{ border-color: {theme.ACCENT}; }}"
        )
        self.resize(*SIZE_PX)
        self._engine, self._canvas, self._meter = engine, canvas, meter
        self._log, self._private = log, private
        self._recent = Recent()
        self._passed: deque[Passed] = deque(maxlen=_N_PASSED)
        self._threads = Threads()
        self._loads: tuple[tuple[str, float | None], ...] = ()
        self._resident_bytes: int | None = None
        self._n_updates = 0
        self._versions = versions(canvas.opengl)
        self.place: QRect | None = None

        self.timing, self.truth = TimingPage(), TruthPage()
        self.acquisition, self.machine = RowsPage("acquisition"), RowsPage("machine")
        self.log_page = LogPage()
        self.pages = QTabWidget()
        for title, page in (
            ("Timing", self.timing),
            ("Acquisition", self.acquisition),
            ("Machine", self.machine),
            ("Truth", self.truth),
            ("Log", self.log_page),
        ):
            self.pages.addTab(page, title)
        self.pages.currentChanged.connect(lambda _: self.update_page())
        self.copy = QPushButton(COPY_TEXT)
        self.copy.setObjectName("copy_report")
        self.copy.setToolTip(
            "Figures and log as text on the clipboard, without names of files and folders"
        )
        self.copy.clicked.connect(self._copy)
        keys = QLabel(f"{KEYS} or Esc closes")
        keys.setStyleSheet(f"color: {theme.QUIET};")
        foot = QHBoxLayout()
        foot.addWidget(keys, 1)
        foot.addWidget(self.copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 10)
        column.addWidget(self.pages, 1)
        column.addLayout(foot)
        for key in (KEYS, MORE_KEYS, "Esc"):
            QShortcut(QKeySequence(key), self, self.close)
        self._timer = QTimer(self, interval=UPDATE_MS)
        self._timer.timeout.connect(self._on_time)

    def put(self, place: QRect | None) -> None:
        """Go to a place, if it is on a screen; else to the upper right corner."""
        screen = self._canvas.screen().availableGeometry()
        if place is not None and QGuiApplication.screenAt(place.center()) is not None:
            self.setGeometry(place)
        else:
            self.move(screen.right() - self.width(), screen.top() + 40)
        self.place = self.geometry()

    def update_page(self) -> None:
        """Bring the page in sight up to date."""
        frame, page = self._canvas.frame, self.pages.currentWidget()
        if page is self.timing:
            interval_s = 0.0 if frame is None else frame.acquisition.frame_interval_s
            newest = {} if frame is None else frame.stage_seconds
            newest_ms = {name: 1e3 * seconds for name, seconds in newest.items()}
            latencies_ms = self._meter.last_latencies_ms(_LATENCIES)
            self.timing.show_timing(
                self._recent.stage_ms(),
                newest_ms,
                interval_s,
                latencies_ms,
                self._timing_rows(frame),
            )
        elif page is self.acquisition:
            self.acquisition.show_rows(acquisition_rows(self._engine.status().acquisition, frame))
        elif page is self.machine:
            self.machine.show_rows(self._machine_rows())
        elif page is self.truth:
            known = self._recent.with_truth()
            self.truth.show_truth(known, truth_rows(known))
        else:
            self.log_page.show_entries(self._log.entries())

    def report(self) -> str:
        """Everything as text, without names of files and folders."""
        frame = self._canvas.frame
        acquisition = acquisition_rows(self._engine.status().acquisition, frame)
        sections = (
            (f"Ultrasound console {__version__}", self._state_rows()),
            ("Timing", self._timing_rows(frame)),
            ("Acquisition", acquisition),
            ("Machine", self._machine_rows()),
            ("Truth", truth_rows(self._recent.with_truth())),
        )
        lines = (entry.line() for entry in self._log.entries())
        return report(sections, lines, self._private)

    def _state_rows(self) -> Rows:
        status = self._engine.status()
        fault = (("fault", status.fault),) if status.fault else ()
        return (("written", time.strftime("%Y-%m-%d %H:%M:%S")), ("state", status.state), *fault)

    def _timing_rows(self, frame: DopplerFrame | None) -> Rows:
        stage_ms = self._recent.stage_ms()
        interval_s = 0.0 if frame is None else frame.acquisition.frame_interval_s
        stages = tuple((name, f"{ms:.2f} ms") for name, ms in stage_ms.items())
        now_s = time.perf_counter()
        return (
            *frame_rows(tuple(self._passed), self._meter.recent_fps(now_s)),
            *latency_rows(self._meter.last_latencies_ms(_LATENCIES)),
            *stage_rows(stage_ms, interval_s),
            *stages,
        )

    def _machine_rows(self) -> Rows:
        cine = self._engine.cine
        memory = self._resident_bytes, len(cine.indices()), cine.n_bytes
        network_ms = self._recent.stage_ms().get("network")
        status, model = self._engine.status(), self._engine.network_file()
        return (*machine_rows(status, model, network_ms, memory, self._loads), *self._versions)

    def _on_time(self) -> None:
        """Take what is counted, once a second what the system counts, and show it."""
        now_s = time.perf_counter()
        status = self._engine.status()
        self._passed.append(Passed(now_s, self._meter.frames, status.replaced_at, status.missed))
        if self._n_updates % 2 == 0:
            self._loads, self._resident_bytes = self._threads.loads(now_s), resident_bytes()
        self._n_updates += 1
        self.update_page()

    def _on_painted(self, index: int) -> None:
        frame = self._canvas.frame
        if frame is not None and frame.index == index:
            self._recent.note(frame, time.perf_counter())

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy.setText(COPIED_TEXT)
        QTimer.singleShot(_COPIED_MS, self.copy, lambda: self.copy.setText(COPY_TEXT))

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to count and to show."""
        super().showEvent(event)
        self._canvas.painted.connect(self._on_painted)
        if self._canvas.frame is not None:
            self._recent.note(self._canvas.frame, time.perf_counter())
        self._timer.start()
        self._on_time()

    def hideEvent(self, event: QHideEvent) -> None:
        """Cost nothing any more."""
        super().hideEvent(event)
        self._timer.stop()
        self._canvas.painted.disconnect(self._on_painted)
        self._recent.noted.clear()
        self._passed.clear()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the place for the next time."""
        self.place = self.geometry()
        super().closeEvent(event)


def _read_place(path: Path | None) -> QRect | None:
    """Place that was remembered; None for none, or a file that is damaged."""
    try:
        edges = json.loads(path.read_text()) if path is not None else None
        return None if edges is None else QRect(*(int(edge) for edge in edges))
    except (OSError, ValueError, TypeError):
        return None


def _write_place(path: Path | None, place: QRect | None) -> None:
    if path is None or place is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([place.x(), place.y(), place.width(), place.height()]))
    except OSError:  # it opens elsewhere next time, no more
        return
