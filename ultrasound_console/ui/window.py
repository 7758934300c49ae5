"""The main window: wires the engine, the canvas and the controls together, and computes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QMainWindow,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from ..config import config_folder
from ..diary import Diary
from ..engine import Engine
from ..frames import Acquisition
from ..presets import SUFFIX, Memory, Presets
from ..recent import Recent
from ..render.canvas import PanelCanvas
from ..segment import Segmenter
from ..settings import Settings
from ..status import EngineStatus, Notice, State
from ..store import SettingsStore
from .ab import OTHER_KEY, AbBar
from .actions import install
from .asking import GIVE_PRF, ask_prf
from .auto_freeze import AutoFreeze, notice_text
from .cine.bar import CineBar
from .commands import groups
from .control_panel import (
    Arrangement,
    ControlPanel,
)
from .dicom import DicomSaving
from .engineer.window import Engineer
from .in_force import SettingsInForce
from .keeping_diary import DiaryKeeper
from .keyboard import RETURN_KEYS, press, step_focus
from .labels import PanelLabels
from .messages import AFTER_A_CRASH, MessageBar, StatusLine
from .meter import Meter
from .pages import Pages
from .presets import PresetButton
from .progress import Progress
from .recorder import Recording
from .remembering import Remembering
from .saving import Saving
from .sheet import ShortcutSheet
from .start_page import StartPage
from .still import Stills
from .streaming import Streaming
from .tools.tool_row import LOOK
from .tools.toolbox import Toolbox
from .top_strip import TopStrip

SMALLEST_PX = (1024, 600)
LEAST_CANVAS_PX = 180
_POLL_MS = 100
_WORDS_MS = 20
_COMPARE_KEY = Qt.Key.Key_C
_PREPARING_AFTER_S = 0.3


class _Waker(QObject):
    """Brings a call from a worker thread to the screen's. Outlives the window."""

    woken = Signal()


class MainWindow(QMainWindow):
    """The console.

    Parameters
    ----------
    store : SettingsStore
        Settings in force; the window shows them and changes them.
    load_segmenter : callable
        See :class:`~ultrasound_console.engine.Engine`.
    presets : Presets, optional
        Exam presets; the user's own where none are given.
    memory : Memory, optional
        What each source was last used with; without it nothing is remembered.
    recent : Recent, optional
        Recordings that were opened before; without it none are listed.
    diary : Diary, optional
        Started; without it nothing is written.

    Signals
    -------
    opened : (name)
        A source has been opened.
    refused : (text)
        A source could not be opened, or another error came up.
    closing : ()
        Just before everything is taken down; the picture is still there.
    """

    opened = Signal(str)
    refused = Signal(str)
    closing = Signal()

    def __init__(
        self,
        store: SettingsStore,
        load_segmenter: Callable[[], Segmenter] = Segmenter,
        *,
        presets: Presets | None = None,
        memory: Memory | None = None,
        recent: Recent | None = None,
        diary: Diary | None = None,
    ) -> None:
        super().__init__()
        self.setWindowTitle("Ultrasound console")
        self.setMinimumSize(*SMALLEST_PX)
        self.setAcceptDrops(True)
        self.store = store
        self.meter = Meter()
        self._status = EngineStatus(State.PREPARING)
        self._stale = False
        self._is_new_source = False
        self._acquisition: Acquisition | None = None
        self._last_picture_s = time.perf_counter()

        # Before any thread is started: it refuses a display that it could not draw on.
        self.canvas = PanelCanvas()
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.canvas.setMinimumHeight(LEAST_CANVAS_PX)
        self.canvas.set_display(store.current.display)
        self.canvas.painted.connect(self._on_painted)
        self._waker = _Waker()
        self._waker.woken.connect(self._on_woken, Qt.ConnectionType.QueuedConnection)
        self.engine = Engine(store, self._waker.woken.emit, load_segmenter=load_segmenter)
        self.labels = PanelLabels(self.canvas)
        presets = presets or Presets(config_folder() / "presets")
        self.preset = PresetButton(presets, lambda: self.store.current)
        self.remembering = Remembering(memory)
        self.top = TopStrip(self.preset)
        self.message = MessageBar()
        self.controls = ControlPanel(store.current)
        self.settings = SettingsInForce(self.engine, self.canvas, self.controls)
        self.tools = Toolbox(
            self,
            self.canvas,
            self.engine,
            store,
            start=lambda: self.settings.start,
            change=self.settings.change,
            say=self.message.say,
        )
        self.ab = AbBar(self.canvas)
        self.tools.row.add_widget(self.ab.keep_button)
        self.auto_freeze = AutoFreeze()
        self.cine = CineBar()
        self.recording = Recording(self.engine, lambda: self.cine.slider.played)
        self.tools.row.add_widget(self.recording.button)
        self.saving = Saving(
            self.engine,
            self.canvas,
            Stills(
                self.canvas,
                self.labels.compare,
                above=(self.ab,),
                below=(self.tools.plots,),
                parent=self,
            ),
            self.cine,
            freeze=self.toggle_freeze,
            put_words=self._show_frame,
        )
        self.tools.row.add_widget(self.saving.button)
        self.dicom = DicomSaving(self.engine, self.canvas, lambda: self.cine.slider.played)
        self.tools.row.add_widget(self.dicom.button)
        self.streaming = Streaming(lambda: self.store.current.display)
        self.status_line = StatusLine()
        self.status_line.add_widget(self.streaming.label)
        self.tools.row.hint_cut.connect(self.status_line.show_hint)
        self.progress = Progress(self.message, self.status_line)
        self.start_page = StartPage(recent)
        self._pages = Pages(
            self.canvas,
            self.controls,
            above=(self.ab,),
            below=(self.tools.row, self.tools.correcting.bar, self.tools.plots),
            foot=self.cine,
            start_page=self.start_page,
        )
        self.sheet = ShortcutSheet(self._lay_out())
        place_file = memory.path.with_name("engineer.json") if memory else None
        self.engineer = Engineer(self.engine, self.canvas, self.meter, place_file)

        self.diary = None if diary is None else DiaryKeeper(diary, self.engine, self.meter)
        if self.diary is not None:
            self.message.said.connect(self.diary.note)

        self.message.restart_requested.connect(self.tools.leave_loop)
        self.message.restart_requested.connect(self.engine.restart)
        self.auto_freeze.due.connect(self._on_nobody_there)
        self.auto_freeze.over.connect(self.message.settle)
        self.message.said.connect(self.engineer.log.note)
        self.settings.told.connect(self._on_told)
        self.controls.changed.connect(self.settings.change)
        self.controls.committed.connect(store.commit)
        self.tools.changed.connect(self.settings.change_together)
        self.tools.committed.connect(store.commit)
        self.tools.addressed.connect(self.cine.slider.address)
        self.cine.freeze_toggled.connect(self.toggle_freeze)
        self.cine.addressed.connect(self.engine.show)
        self.cine.rerun_requested.connect(self.engine.rerun_loop)
        self.cine.rerun_cancelled.connect(self.engine.cancel_rerun)
        self.controls.flow.chosen.connect(self.settings.apply)
        self.preset.chosen.connect(self.settings.apply)
        self.tools.plots.chosen.connect(self.settings.apply)
        self.preset.clean_chosen.connect(self.settings.start_clean)
        self.start_page.chosen.connect(self.open_source)
        self.start_page.file_wanted.connect(self.choose_file)
        self.start_page.left.connect(self.show_pictures)
        for teller in (
            self.settings,
            self.preset,
            self.tools,
            self.recording,
            self.saving,
            self.dicom,
            self.streaming,
            self.remembering,
            self.start_page,
            self.ab,
        ):
            teller.said.connect(self._say)
        self.saving.begun.connect(self.message.settle)
        self.saving.progressed.connect(partial(self.progress.note, "clip"))
        self.dicom.progressed.connect(partial(self.progress.note, "dicom"))
        menu = QMenu(self)
        commands = groups(self)
        install(self, menu, commands)
        self.sheet.fill(commands)
        self.top.menu_button.setMenu(menu)

        self.canvas.setFocus()
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self._on_poll)
        self._words = QTimer(self, interval=_WORDS_MS, singleShot=True)
        self._words.timeout.connect(self._on_poll)
        self._poll.start()
        self._on_poll()
        if memory is not None:
            self.recording.recover_old()
        if diary is not None and diary.crashed_before:
            self.message.say(AFTER_A_CRASH, stays=True)

    # ---- what the user does ---------------------------------------------------------------

    def open_source(self, name: str, *, prf_hz: float | None = None) -> None:
        """Open a file or a simulated source; the present one runs until it is ready."""
        self.engineer.opened(name)
        if self.diary is not None:
            self.diary.opened(name)
        self.tools.leave_loop()
        self.message.settle()
        self.engine.open(name, prf_hz=prf_hz, last=self.remembering.recall(name))

    def toggle_freeze(self) -> None:
        """Hold the frame on screen, or go on."""
        if self._status.state is State.FROZEN:
            self.tools.leave_loop()
            self.engine.resume()
        elif self.cine.freeze_button.isEnabled() and self.canvas.frame is not None:
            self.engine.freeze(self.canvas.frame.index)
        self._on_poll()

    def show_start_page(self) -> None:
        """Offer scenes and recordings; what runs goes on."""
        self._pages.show_start()

    def show_pictures(self) -> None:
        """Go back from the start page, if there is a source to go back to."""
        if self._acquisition is not None and self._pages.at_start:
            self._pages.show_pictures()
            self.canvas.setFocus()

    def _on_nobody_there(self) -> None:
        self.toggle_freeze()
        if self._status.state is State.FROZEN:
            after_s = self.store.current.display.auto_freeze_s
            self.message.say(notice_text(after_s), stays=True)

    def choose_file(self) -> None:
        """Ask for a recording."""
        name, _ = QFileDialog.getOpenFileName(self, "Open a recording")
        if name:
            self.open_source(name)

    def _say(self, text: str, is_error: bool) -> None:
        self.message.say(text, is_error=is_error)

    # ---- what the engine says -------------------------------------------------------------

    def _on_woken(self) -> None:
        for notice in self.engine.take_notices():
            self._on_notice(notice)
        frame = self.engine.take_frame()
        if frame is None:
            return
        self._last_picture_s = time.perf_counter()
        self.canvas.set_frame(frame)
        if self._is_new_source:
            self._is_new_source = False
            self._arrange()
        if self._status.state is State.FROZEN:
            self._words.start()  # who leafs through the loop gets the pictures first
        elif self._status.state is not State.LIVE:
            self._on_poll()
        self.streaming.show(frame)

    def _on_notice(self, notice: Notice) -> None:
        if notice.text == f"opened {notice.opened}":
            self.message.settle()  # the strip above names the source
        else:
            self.message.say(notice.text, is_error=notice.is_error)
        if notice.lacks_prf:
            self.message.offer(GIVE_PRF, partial(ask_prf, self, notice.lacks_prf, self.open_source))
        if notice.opened:
            self.canvas.clear()
            self.streaming.forget()
            self.tools.begin(notice.asked)
            self._is_new_source = True
            self.canvas.reset_view()
            self.settings.begin(notice.start or self.store.current.acquisition)
            self.preset.recall(self.remembering.begin(notice.asked))
            self.settings.show()
            self.start_page.remember(notice.asked)
            self.opened.emit(notice.opened)
        else:
            self.settings.show()
            if notice.is_error:
                self.refused.emit(notice.text)
        self._on_poll()
        if notice.opened:
            self.show_pictures()

    def _on_painted(self, index: int) -> None:
        frame = self.canvas.frame
        # A frame of the frozen loop is not new, and its age says nothing.
        if frame is not None and frame.index == index and self._status.state is not State.FROZEN:
            self.meter.painted(index, frame.received_s, time.perf_counter())

    def _on_poll(self) -> None:
        """Ask how things are; ten times a second, and at once when something has happened."""
        before, self._status = self._status, self.engine.status()
        status = self._status
        if status.acquisition is not None and status.acquisition is not self._acquisition:
            self._acquisition = status.acquisition
            self.controls.show_acquisition(status.acquisition)
            self.top.show_source(status.acquisition)
        state = self._shown_state(status.state)
        is_recording = bool(status.acquisition and status.acquisition.prf_choices_hz)
        self.top.show_state(state, is_recording=is_recording)
        self.top.chip.setVisible(self._acquisition is not None or self.canvas.isVisible())
        self._set_stale(state in (State.PREPARING, State.STALE, State.FAULT))
        self.controls.set_frozen(status.state is State.FROZEN)
        can_freeze = status.state is not State.FAULT and self.canvas.frame is not None
        self.cine.set_frozen(status.state is State.FROZEN, can_change=can_freeze)
        self.cine.show_rerun(status.rerun_share)
        if status.state is State.FAULT:
            if before.fault != status.fault:
                self.message.say_fault(status.fault)
        elif before.state is State.FAULT:
            self.message.end_fault()
        self.progress.show(status, state, time.perf_counter())
        if QApplication.activePopupWidget() is not None:
            self._end_comparing()  # a menu takes the release of the key
        self._show_frame()
        self.streaming.follow(state, is_replay=is_recording)
        self.recording.follow(status)
        self.saving.follow(status)
        after_s = 0.0 if self.recording.is_recording else self.store.current.display.auto_freeze_s
        self.auto_freeze.watch(after_s, status.state)

    def _shown_state(self, state: State) -> State:
        """Name PREPARING only once it lasts: a PRF change shows the next picture in a moment."""
        waited_s = time.perf_counter() - self._last_picture_s
        brief = state is State.PREPARING and waited_s < _PREPARING_AFTER_S
        return State.LIVE if brief and self.canvas.frame is not None else state

    def _set_stale(self, stale: bool) -> None:
        if stale != self._stale:
            self._stale = stale
            self.canvas.set_stale(stale)

    def _show_frame(self) -> None:
        """Everything that tells about the frame on screen in words."""
        frame, now_s = self.canvas.frame, time.perf_counter()
        loop = self.engine.cine.loop()
        is_frozen = self._status.state is State.FROZEN
        self.ab.show_frame(frame, frozen=is_frozen)
        self.labels.show_frame(frame)
        self.tools.show_frame(frame, loop, frozen=is_frozen)
        self.top.show_figures(frame, self.meter.recent_fps(now_s))
        settings = self.store.current
        self.cine.show_position(frame, loop, settings.processing, settings.display.angle_rad)
        self.status_line.show_status(
            self._status,
            self.meter.recent_latency_ms(),
            len(loop),
            self.engine.cine.n_bytes,
        )

    def _on_told(self, settings: Settings) -> None:
        """Let everything but the controls tell the settings in force, and remember them."""
        self.controls.flow.show_settings(settings)
        self.preset.show_settings(settings)
        self.tools.show_settings(settings)
        self.remembering.note(settings, self.preset.preset)

    # ---- the window -----------------------------------------------------------------------

    def _lay_out(self) -> QWidget:
        """Put everything in its place; return the widget that holds it all."""
        central = QWidget()
        rows = QVBoxLayout(central)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(1)
        rows.addWidget(self.top)
        rows.addWidget(self.message)
        rows.addWidget(self._pages, 1)
        rows.addWidget(self.status_line)
        self.setCentralWidget(central)
        self._arrange()
        return central

    def _arrange(self) -> None:
        self._pages.arrange(self.width(), self.height())

    def toggle_controls(self) -> None:
        """Show all controls, or only the everyday ones."""
        if self.controls.arrangement is Arrangement.STRIP:
            self.controls.more.toggle()
        else:
            self.controls.setVisible(not self.controls.isVisible())

    def toggle_full_screen(self) -> None:
        """Fill the screen, or no longer."""
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Compare while the key is held; Esc puts the tool away, then leaves the full screen."""
        if event.key() in RETURN_KEYS and press(self.focusWidget()):
            return
        if event.key() == Qt.Key.Key_Escape and self.tools.row.current != LOOK:
            self.tools.row.choose(LOOK)
        elif event.key() == Qt.Key.Key_Escape and self.isFullScreen():
            self.showNormal()
        elif event.key() == _COMPARE_KEY and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.canvas.set_comparing(True)
        elif event.key() == OTHER_KEY and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.ab.hold_other(True)
        else:
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go from top to bottom, wherever things have been put."""
        return step_focus(self, forward=forward)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Compare no longer."""
        if event.key() in (_COMPARE_KEY, OTHER_KEY) and not event.isAutoRepeat():
            self._end_comparing()
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Whoever goes to another window lets go of the key there."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self._end_comparing()

    def _end_comparing(self) -> None:
        self.labels.compare.setDown(False)
        self.canvas.set_comparing(False)
        self.ab.hold_other(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Move the controls to where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first file dropped; a preset is put in force and kept."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                event.acceptProposedAction()
                path = Path(url.toLocalFile())
                if path.suffix.lower() == SUFFIX:
                    self.preset.take(path)
                else:
                    self.open_source(str(path))
                return

    def closeEvent(self, event: QCloseEvent) -> None:
        """End all threads."""
        self._show_frame()  # words follow ten times a second; a screenshot has both of one frame
        self.closing.emit()
        self._poll.stop()
        self._words.stop()
        self.tools.close()
        self.recording.close()
        self.saving.close()
        self.dicom.close()
        self.streaming.close()
        self.remembering.flush()
        self.engine.close()
        self.engine.cine.clear()  # Python may keep the window for a while, but not its frames
        self.engineer.end()
        if self.diary is not None:
            self.diary.end()
        super().closeEvent(event)
