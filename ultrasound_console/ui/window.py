"""The main window: wires the engine, the canvas and the controls together, and computes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMenu

from ..config import config_folder
from ..diary import Diary
from ..engine import Engine
from ..presets import Memory, Presets
from ..recent import Recent
from ..render.canvas import PanelCanvas
from ..segment import Segmenter
from ..settings import Settings
from ..status import Notice, State
from ..store import SettingsStore
from .ab import AbBar
from .actions import install
from .asking import GIVE_PRF, ask_prf
from .auto_freeze import AutoFreeze, notice_text
from .background import Waker
from .cine.bar import CineBar
from .commands import groups
from .control_panel import ControlPanel
from .dicom import DicomSaving
from .dropping import FileDrops
from .engineer.window import Engineer
from .held_keys import HeldKeys
from .in_force import SettingsInForce
from .keeping_diary import DiaryKeeper
from .keyboard import RETURN_KEYS, press, step_focus
from .labels import PanelLabels
from .messages import AFTER_A_CRASH, MessageBar, StatusLine
from .meter import Meter
from .pages import Pages, in_rows
from .presets import PresetButton
from .progress import Progress
from .recorder import Recording
from .remembering import Remembering
from .saving import Saving
from .sheet import ShortcutSheet
from .start_page import StartPage
from .state_on_screen import StateOnScreen
from .still import Stills
from .streaming import Streaming
from .tools.tool_row import LOOK
from .tools.toolbox import Toolbox
from .top_strip import TopStrip

SMALLEST_PX = (1024, 600)
LEAST_CANVAS_PX = 180
_POLL_MS = 100
_SLOW_S = 0.1
_WORDS_MS = 20


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
        self.store = store
        self.meter = Meter()
        self._is_new_source = False

        # Before any thread is started: it refuses a display that it could not draw on.
        self.canvas = PanelCanvas()
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.canvas.setMinimumHeight(LEAST_CANVAS_PX)
        self.canvas.set_display(store.current.display)
        self._waker = Waker()
        self._waker.woken.connect(self._on_woken, Qt.ConnectionType.QueuedConnection)
        self.engine = Engine(store, self._waker.wake, load_segmenter=load_segmenter)
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
        self.recording = Recording(
            self.engine,
            lambda: self.cine.slider.played,
            lambda: self.tools.annotations.notes,
        )
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
            put_words=partial(self._show_frame, at_once=True),
        )
        self.tools.row.add_widget(self.saving.button)
        self.dicom = DicomSaving(self.engine, self.canvas, lambda: self.cine.slider.played)
        self.tools.row.add_widget(self.dicom.button)
        self.streaming = Streaming(lambda: self.store.current.display)
        # With work going on beside the screen, which ends with the window.
        self._workers = self.tools, self.recording, self.saving, self.dicom, self.streaming

        self.status_line = StatusLine()
        self.status_line.add_widget(self.streaming.label)
        self.progress = Progress(self.message, self.status_line)
        self.state = StateOnScreen(self.canvas, self.top, self.controls, self.cine, self.message)
        self.held_keys = HeldKeys(self, self.canvas, self.labels.compare, self.ab)
        self.drops = FileDrops(self)

        self.start_page = StartPage(recent)
        self._pages = Pages(
            self.canvas,
            self.controls,
            above=(self.ab,),
            below=(self.tools.row, self.tools.correcting.bar, self.tools.plots),
            foot=self.cine,
            start_page=self.start_page,
        )
        everything = in_rows(self.top, self.message, self._pages, self.status_line)
        self.setCentralWidget(everything)
        self._arrange()
        self.sheet = ShortcutSheet(everything)
        place_file = memory.path.with_name("engineer.json") if memory else None
        self.engineer = Engineer(self.engine, self.canvas, self.meter, place_file)
        self.diary = None if diary is None else DiaryKeeper(diary, self.engine, self.meter)

        self._connect()
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

    def _connect(self) -> None:
        """Let each part hear of what is done in the others."""
        # Sources are asked for here.
        self.start_page.chosen.connect(self.open_source)
        self.start_page.file_wanted.connect(self.choose_file)
        self.start_page.left.connect(self.show_pictures)
        self.drops.source_dropped.connect(self.open_source)
        self.message.restart_requested.connect(self.tools.leave_loop)
        self.message.restart_requested.connect(self.engine.restart)
        # Settings are changed here, and all in one way.
        self.controls.changed.connect(self.settings.change)
        self.controls.committed.connect(self.store.commit)
        self.tools.changed.connect(self.settings.change_together)
        self.tools.committed.connect(self.store.commit)
        for chooser in (self.controls.flow, self.preset, self.tools.plots):
            chooser.chosen.connect(self.settings.apply)
        self.preset.clean_chosen.connect(self.settings.start_clean)
        self.drops.preset_dropped.connect(self.preset.take)
        self.settings.told.connect(self._on_told)
        # The picture is held, and the loop gone through.
        self.cine.freeze_toggled.connect(self.toggle_freeze)
        self.auto_freeze.due.connect(self._on_nobody_there)
        self.auto_freeze.over.connect(self.message.settle)
        self.cine.addressed.connect(self.engine.show)
        self.tools.addressed.connect(self.cine.slider.address)
        self.tools.correcting.corrected.connect(self.recording.correct)
        self.cine.rerun_requested.connect(self.engine.rerun_loop)
        self.cine.rerun_cancelled.connect(self.engine.cancel_rerun)
        # What the user should read, and who keeps it.
        others = self.settings, self.preset, self.remembering, self.start_page, self.ab, self.cine
        for teller in (*self._workers, *others):
            teller.said.connect(self.message.tell)
        self.tools.row.hint_cut.connect(self.status_line.show_hint)
        self.saving.begun.connect(self.message.settle)
        self.saving.progressed.connect(partial(self.progress.note, "clip"))
        self.dicom.progressed.connect(partial(self.progress.note, "dicom"))
        self.message.said.connect(self.engineer.log.note)
        if self.diary is not None:
            self.message.said.connect(self.diary.note)
        self.canvas.painted.connect(self._on_painted)

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
        if self.state.is_frozen:
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
        if self.state.acquisition is not None and self._pages.at_start:
            self._pages.show_pictures()
            self.canvas.setFocus()

    def _on_nobody_there(self) -> None:
        self.toggle_freeze()
        if self.state.is_frozen:
            after_s = self.store.current.display.auto_freeze_s
            self.message.say(notice_text(after_s), stays=True)

    def choose_file(self) -> None:
        """Ask for a recording."""
        name, _ = QFileDialog.getOpenFileName(self, "Open a recording")
        if name:
            self.open_source(name)

    # ---- what the engine says -------------------------------------------------------------

    def _on_woken(self) -> None:
        for notice in self.engine.take_notices():
            self._on_notice(notice)
        frame = self.engine.take_frame()
        if frame is None:
            return
        stayed_s = self.state.picture_came()
        self.canvas.set_frame(frame)
        if self._is_new_source:
            self._is_new_source = False
            self._arrange()
        if self.state.is_frozen:
            self._words.start()  # who leafs through the loop gets the pictures first
        elif self.state.status.state is not State.LIVE or stayed_s >= _SLOW_S:
            self._on_poll()  # a picture that stays has its words from its first paint on
            self._poll.setInterval(_POLL_MS)  # and the next ones no sooner than else
        self.streaming.show(frame)

    def _on_notice(self, notice: Notice) -> None:
        if notice.text == f"opened {notice.opened}":
            self.message.settle()  # the strip above names the source
        else:
            self.message.say(notice.text, is_error=notice.is_error)
        if notice.lacks_prf:
            self.message.offer(GIVE_PRF, partial(ask_prf, self, notice.lacks_prf, self.open_source))
        if notice.opened:
            self._begin(notice)
        else:
            self.settings.show()
            if notice.is_error:
                self.refused.emit(notice.text)
        self._on_poll()
        if notice.opened:
            self.show_pictures()

    def _begin(self, notice: Notice) -> None:
        """Start anew on a source that has been opened."""
        self.canvas.clear()
        self.streaming.forget()
        self.recording.leave_source()
        self.tools.begin(notice.asked, notice.annotations)
        self._is_new_source = True
        self.canvas.reset_view()
        start = notice.start or self.store.current.acquisition
        self.settings.begin(start, is_known=notice.is_as_left)
        preset = self.remembering.begin(notice.asked)
        self.preset.recall(preset if notice.is_as_left else "")
        self.settings.show()
        self.start_page.remember(notice.asked)
        self.opened.emit(notice.opened)

    def _on_painted(self, index: int) -> None:
        frame = self.canvas.frame
        # A frame of the frozen loop is not new, and its age says nothing.
        if frame is not None and frame.index == index and not self.state.is_frozen:
            self.meter.painted(index, frame.received_s, time.perf_counter())

    def _on_poll(self) -> None:
        """Ask how things are; ten times a second, and at once when something has happened."""
        status = self.engine.status()
        self.state.show(status)
        self.progress.show(status, self.state.shown, time.perf_counter())
        self.held_keys.look()
        self._show_frame()
        self.streaming.follow(self.state.shown, is_replay=self.state.is_recording)
        self.recording.follow(status)
        self.saving.follow(status)
        after_s = 0.0 if self.recording.is_recording else self.store.current.display.auto_freeze_s
        self.auto_freeze.watch(after_s, status.state)

    def _show_frame(self, *, at_once: bool = False) -> None:
        """Everything that tells about the frame on screen in words."""
        frame, now_s = self.canvas.frame, time.perf_counter()
        loop = self.engine.cine.loop()
        is_frozen = self.state.is_frozen
        self.ab.show_frame(frame, frozen=is_frozen)
        self.labels.show_frame(frame)
        self.tools.show_frame(frame, loop, frozen=is_frozen, at_once=at_once)
        self.top.show_figures(frame, self.meter.recent_fps(now_s))
        settings = self.store.current
        self.cine.show_position(frame, loop, settings.processing, settings.display.angle_rad)
        self.status_line.show_status(
            self.state.status,
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

    def _arrange(self) -> None:
        self._pages.arrange(self.width(), self.height())

    def toggle_full_screen(self) -> None:
        """Fill the screen, or no longer."""
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return presses a button; Esc puts the tool away, then leaves the full screen."""
        if event.key() in RETURN_KEYS and press(self.focusWidget()):
            return
        if event.key() == Qt.Key.Key_Escape and self.tools.row.current != LOOK:
            self.tools.row.choose(LOOK)
        elif event.key() == Qt.Key.Key_Escape and self.isFullScreen():
            self.showNormal()
        else:
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go from top to bottom, wherever things have been put."""
        return step_focus(self, forward=forward)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Move the controls to where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def closeEvent(self, event: QCloseEvent) -> None:
        """End all threads."""
        # Words follow now and then; a screenshot has both of one frame.
        self._show_frame(at_once=True)
        self.closing.emit()
        self._poll.stop()
        self._words.stop()
        for worker in self._workers:
            worker.close()
        self.remembering.flush()
        self.engine.close()
        self.engine.cine.clear()  # Python may keep the window for a while, but not its frames
        self.engineer.end()
        if self.diary is not None:
            self.diary.end()
        super().closeEvent(event)
