"""Somebody who presses and drags whatever there is, without sense; the same again for each seed."""

import random
import sys
import threading
import time
from pathlib import Path

from mouse import wheel
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget

from ultrasound_console.status import State
from ultrasound_console.ui.commands import groups
from ultrasound_console.ui.tools.tool_row import LOOK

LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
# The one thing that it must not do is to leave.
NOT_PRESSED = {"Ctrl+Q"}
LOOSE_KEYS = (
    *(Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Delete),
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Space),
    *(Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight),
    *(Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_5, Qt.Key.Key_0, Qt.Key.Key_F10),
)
SOURCES = ("simulated:straight-tube", "simulated:rotating-disc", "simulated:stenosis")
SIZES = ((1024, 600), (1280, 720), (1500, 900), (1900, 1000))
DAWDLE_MS = 40
PATIENCE_S = 60.0


class Monkey:
    """Works a window by mouse and keys.

    Parameters
    ----------
    window : MainWindow
        On screen, with a source open.
    seed : int
    """

    def __init__(self, window, seed):
        self.window = window
        self.random = random.Random(seed)
        self.done = []
        # What the program said no to.
        self.refused = []
        window.refused.connect(self.refused.append)
        self._keys = [
            command.keys
            for group in groups(window)
            for command in group.commands
            if command.keys and command.keys not in NOT_PRESSED
        ]
        # Dialogs and menus hold up whoever opens them: they are answered from outside.
        self._answering = QTimer(interval=60)
        self._answering.timeout.connect(self._answer)
        self._answering.start()

    def work(self, n_operations=sys.maxsize, seconds=1e9):
        """Do so much, or for so long; what went before a failure is told with it."""
        end_s = time.perf_counter() + seconds
        acts = (
            (6, self._press_command),
            (4, self._press_any),
            (6, self._click),
            (5, self._drag),
            (3, self._wheel),
            (1, self._resize),
            (0.3, self._open),
            (3, self._dawdle),
        )
        weights, chosen = zip(*acts, strict=True)
        try:
            for _ in range(n_operations):
                if time.perf_counter() > end_s:
                    break
                self.random.choices(chosen, weights)[0]()
                self._check()
        except BaseException as error:
            error.add_note("after: " + "; ".join(self.done[-15:]))
            raise

    def recover(self):
        """Bring the window back by what any user can do; it must go on live."""
        self._note("recover")
        window = self.window
        window.tools.row.choose(LOOK)
        window.showNormal()
        window.open_source(SOURCES[0])
        name = SOURCES[0].partition(":")[2]
        self.until(lambda: name in window.engine.status().source)
        window.settings.start_clean()
        if window.engine.status().state is State.FROZEN:
            QTest.keyClick(window, Qt.Key.Key_Space)
        self.until(lambda: window.engine.status().state is State.LIVE)
        self.until(lambda: window.canvas.frame is not None)
        shown = window.canvas.frame.index
        self.until(lambda: window.canvas.frame is not None and window.canvas.frame.index > shown)
        self._answering.stop()

    def until(self, condition):
        """Wait for it with the event loop running."""
        end_s = time.perf_counter() + PATIENCE_S
        while not condition():
            assert time.perf_counter() < end_s, "never happened"
            QTest.qWait(20)

    def _check(self):
        status = self.window.engine.status()
        assert status.state is not State.FAULT, status.fault
        assert self.window.isVisible()

    def _note(self, text):
        self.done.append(text)

    # ---- what it does ---------------------------------------------------------------------

    def _press_command(self):
        keys = self.random.choice(self._keys)
        self._note(keys)
        combination = QKeySequence(keys)[0]
        QTest.keyClick(self._focused(), combination.key(), combination.keyboardModifiers())

    def _press_any(self):
        key = self.random.choice(LOOSE_KEYS)
        modifier = self.random.choices((PLAIN, SHIFT, CONTROL), (6, 2, 1))[0]
        if key == Qt.Key.Key_Q:
            return
        self._note(f"{key.name} {modifier.name}")
        QTest.keyClick(self._focused(), key, modifier)

    def _click(self):
        widget = self._any_widget()
        at = self._any_place(widget)
        self._note(f"click {_name(widget)} {at.x()},{at.y()}")
        click = QTest.mouseDClick if self.random.random() < 0.1 else QTest.mouseClick
        click(widget, LEFT, self.random.choices((PLAIN, SHIFT, CONTROL), (6, 1, 1))[0], at)

    def _drag(self):
        widget = self.window.canvas if self.random.random() < 0.6 else self._any_widget()
        start, end = self._any_place(widget), self._any_place(widget)
        self._note(f"drag {_name(widget)} {start.x()},{start.y()} {end.x()},{end.y()}")
        QTest.mousePress(widget, LEFT, PLAIN, start)
        for step in range(1, 4):
            at = start + (end - start) * step / 3
            QTest.mouseMove(widget, at)
            QTest.qWait(5)
        if self.random.random() < 0.1:
            QTest.keyClick(self._focused(), Qt.Key.Key_Escape)
        QTest.mouseRelease(widget, LEFT, PLAIN, end)

    def _wheel(self):
        widget = self.window.canvas if self.random.random() < 0.5 else self._any_widget()
        at = self._any_place(widget)
        notches = self.random.choice((-2, -1, 1, 2))
        self._note(f"wheel {_name(widget)} {notches}")
        wheel(widget, at, notches)

    def _resize(self):
        size = self.random.choice(SIZES)
        self._note(f"resize {size}")
        self.window.resize(*size)

    def _open(self):
        name = self.random.choice((*SOURCES, "nothing-there.h5"))
        self._note(f"open {name}")
        self.window.open_source(name)

    def _dawdle(self):
        QTest.qWait(self.random.randrange(DAWDLE_MS))

    # ---- what it finds --------------------------------------------------------------------

    def _focused(self):
        focused = QApplication.focusWidget()
        return self.window if focused is None or focused.window() is not self.window else focused

    def _any_widget(self):
        widgets = [
            widget
            for top in QApplication.topLevelWidgets()
            if top.isVisible() and not isinstance(top, (QMenu, QDialog))
            for widget in top.findChildren(QWidget)
            # Dialogs belong to the window as well; they are answered elsewhere.
            if widget.window() is top
            and widget.isVisible()
            and widget.isEnabled()
            and min(widget.width(), widget.height()) > 4
        ]
        return self.random.choice(widgets) if widgets else self.window

    def _any_place(self, widget):
        x, y = self.random.randrange(widget.width()), self.random.randrange(widget.height())
        return QPoint(x, y)

    def _answer(self):
        popup, dialog = QApplication.activePopupWidget(), QApplication.activeModalWidget()
        if isinstance(popup, QMenu):
            actions = [
                action
                for action in _within(popup)
                if action.isEnabled()
                and not action.isSeparator()
                and action.shortcut().toString() not in NOT_PRESSED
            ]
            popup.close()
            if actions and self.random.random() < 0.5:
                action = self.random.choice(actions)
                self._note(f"menu {action.text()}")
                # From outside of this answer: what it opens has to be answered in its turn.
                QTimer.singleShot(0, action, action.trigger)
        elif popup is not None:
            popup.close()
        elif isinstance(dialog, QDialog):
            self._note(f"reject {type(dialog).__name__}")
            dialog.reject()


def _within(menu):
    """Actions of a menu and of those that it leads to."""
    for action in menu.actions():
        if action.menu() is None:
            yield action
        else:
            yield from _within(action.menu())


def _name(widget):
    return widget.objectName() or type(widget).__name__


def resources():
    """Threads, open files and resident memory in MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    n_files = len(list(Path("/proc/self/fd").iterdir()))
    return len(threading.enumerate()), n_files, pages * 4096 / 2**20
