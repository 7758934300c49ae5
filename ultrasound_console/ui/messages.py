"""What the user should read: the message bar, the line of small figures, the shortcut sheet."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from .. import BANNER
from ..status import EngineStatus
from . import theme

STATUS_HEIGHT_PX = 24
_READ_MS = 8000
_LONGEST = 300


class MessageBar(QWidget):
    """One message in plain words; errors stay until they are dismissed, never a dialog.

    Signals
    -------
    restart_requested : ()
    """

    restart_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.is_error = False
        self._is_progress = False
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        self.restart = QPushButton("Restart")
        self.restart.setObjectName("restart")
        self.restart.setToolTip("Try again with the same source")
        self.restart.clicked.connect(self.restart_requested)
        self.restart.hide()
        self.dismiss = QToolButton()
        self.dismiss.setText("\N{MULTIPLICATION X}")
        self.dismiss.setToolTip("Dismiss")
        self.dismiss.setObjectName("dismiss")
        self.dismiss.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.dismiss.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 6, 4)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.restart)
        layout.addWidget(self.dismiss)
        self._timer = QTimer(self, interval=_READ_MS, singleShot=True)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def say(self, text: str, *, is_error: bool = False, stays: bool = False) -> None:
        """Show a message in the place of the last one.

        Parameters
        ----------
        text : str
        is_error : bool
            Marked in colour, and kept until it is dismissed.
        stays : bool
            Keep it until the next one.
        """
        self.is_error = is_error
        self._is_progress = False
        first, *more = text.splitlines() or [""]
        self.text.setText(first if len(first) <= _LONGEST else first[:_LONGEST] + "…")
        self.text.setToolTip(text if more or len(first) > _LONGEST else "")
        edge = theme.ALARM if is_error else theme.ACCENT
        self.setStyleSheet(
            f"#message {{ background: {theme.RAISED}; border-left: 4px solid {edge}; }}"
        )
        self.restart.hide()
        self.dismiss.show()
        self._timer.stop()
        if not (is_error or stays):
            self._timer.start()
        self.show()

    def say_progress(self, text: str) -> None:
        """Show what takes so long, until :meth:`end_progress`; never in the place of an error."""
        if self.isVisible() and self.is_error:
            return
        if not (self._is_progress and self.text.text() == text):
            self.say(text, stays=True)
            self.dismiss.hide()
            self._is_progress = True

    def end_progress(self) -> None:
        """Take the progress away, and nothing else."""
        if self._is_progress:
            self._is_progress = False
            self.hide()

    def say_fault(self, text: str) -> None:
        """Show what stopped the engine, with the way out."""
        self.say(text, is_error=True)
        self.dismiss.hide()
        self.restart.show()


class StatusLine(QWidget):
    """Device, latency, replaced frames and memory; the banner."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(STATUS_HEIGHT_PX)
        self.figures = QLabel()
        self.figures.setObjectName("status_figures")
        self.figures.setTextFormat(Qt.TextFormat.PlainText)
        self.figures.setFont(theme.font(theme.SMALL_PX))
        self.figures.setStyleSheet(f"color: {theme.CAPTION};")
        banner = QLabel(BANNER)
        banner.setObjectName("banner")
        banner.setFont(theme.font(theme.SMALL_PX, bold=True))
        banner.setStyleSheet(f"color: {theme.CAPTION};")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 0, 10, 0)
        layout.addWidget(self.figures)
        layout.addStretch(1)
        layout.addWidget(banner)

    def show_status(
        self, status: EngineStatus, latency_ms: float, n_held: int, n_bytes: int
    ) -> None:
        """Tell how things go.

        Parameters
        ----------
        status : EngineStatus
        latency_ms : float
            Recent median.
        n_held, n_bytes : int
            Frames in the loop, and their memory.
        """
        parts = (
            status.device,
            *([status.network] if status.network else []),
            f"latency {latency_ms:.0f} ms",
            f"replaced {status.replaced_frames}",
            f"errors {status.errors}",
            f"loop {n_held} frames, {n_bytes / 1e6:.0f} MB",
            "MI/TI n/a",
        )
        text = "   \N{MIDDLE DOT}   ".join(parts)
        if text != self.figures.text():
            self.figures.setText(text)


SHORTCUTS = (
    ("Space", "Freeze, and go on"),
    ("Left / Right", "One frame back / on, while frozen"),
    ("Home / End", "First / last frame of the loop"),
    ("P, comma / full stop", "Play the loop or pause, slower / faster"),
    ("I / O", "Play from / up to this frame"),
    ("S / A", "Next peak systole / frame aliased most"),
    ("Ctrl+R", "Process the whole loop again, or cancel that"),
    ("1 / 2 / 3", "One panel (again: the next one) / two / three"),
    ("Hold C", "Raw velocity in the place of the de-aliased one"),
    ("X / M", "Swap the panels / next colour map"),
    ("Tab", "Next control"),
    ("Up / Down", "Step the control in focus"),
    ("Page Up / Page Down", "Ten steps"),
    ("Return", "Type a number for it"),
    ("Backspace, double click", "Reset the control"),
    ("Wheel over a control", "Step it"),
    ("Wheel, drag, double click on a picture", "Zoom, pan, fit all three"),
    ("F5 / F6 / F7", "Low / general / high flow"),
    ("Ctrl+Shift+S", "Save the settings as a preset"),
    ("Ctrl+Z / Ctrl+Y", "Undo / redo a setting"),
    ("Ctrl+O, or drop a file", "Open a recording; a preset, when dropped"),
    ("F9", "More or fewer controls"),
    ("F11 / Esc", "Full screen / leave it"),
    ("F1", "This sheet"),
    ("Ctrl+Q", "Quit"),
)


class ShortcutSheet(QFrame):
    """All keys at a glance; any key or click closes it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        # The panels are a window of their own: only another one shows over them.
        QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_DontCreateNativeWidgetSiblings)
        self.setAttribute(Qt.WidgetAttribute.WA_DontCreateNativeAncestors)
        self.setAttribute(Qt.WidgetAttribute.WA_NativeWindow)
        self.setObjectName("shortcuts")
        self.setStyleSheet(
            f"#shortcuts {{ background: {theme.STRIP}; border: 1px solid {theme.ACCENT};"
            " border-radius: 6px; }"
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        grid = QGridLayout(self)
        grid.setContentsMargins(24, 18, 24, 18)
        grid.setHorizontalSpacing(28)
        grid.setVerticalSpacing(6)
        heading = QLabel("Keys and mouse")
        heading.setFont(theme.font(theme.TITLE_PX, bold=True))
        grid.addWidget(heading, 0, 0, 1, 2)
        for row, (keys, meaning) in enumerate(SHORTCUTS, start=1):
            label = QLabel(keys)
            label.setStyleSheet(f"color: {theme.ACCENT};")
            grid.addWidget(label, row, 0)
            grid.addWidget(QLabel(meaning), row, 1)
        self.hide()

    def toggle(self) -> None:
        """Show in the middle of the window, or hide."""
        if self.isVisible():
            self.hide()
            return
        self.adjustSize()
        self.move(self._over.rect().center() - self.rect().center())
        self.show()
        self.raise_()
        self.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close."""
        del event
        self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        del event
        self.hide()
