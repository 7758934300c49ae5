"""What the user should read: the message bar, the line of small figures, the shortcut sheet."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import BANNER
from ..status import EngineStatus
from . import theme
from .top_strip import ElidedLabel

STATUS_HEIGHT_PX = 24
_READ_MS = 8000
_LONGEST = 300
AFTER_A_CRASH = (
    "The console crashed the last time. "
    "The command 'doctor --report FILE.zip' collects what is known of it."
)
AFTER_A_FAULT = "Restart tries again with the same source; Ctrl+O or Ctrl+Home opens another."


class MessageBar(QWidget):
    """What to read in plain words; errors stay until they are dismissed, never a dialog.

    What comes while an error is shown stands below it. A newer error takes its place, and then it
    stands below itself; only what stopped the engine keeps its place, with the way out.

    Signals
    -------
    restart_requested : ()
    said : (text, is_error)
        A message has come.
    """

    restart_requested = Signal()
    said = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.is_error = False
        self._is_progress = self._is_fault = False
        self._below_is_error = False
        self.text, self.below = QLabel(), QLabel()
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for label in (self.text, self.below):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
            texts.addWidget(label)
        self.below.setStyleSheet(f"color: {theme.CAPTION};")
        self.below.hide()
        self.restart = QPushButton("Restart")
        self.restart.setObjectName("restart")
        self.restart.setToolTip("Try again with the same source")
        self.restart.clicked.connect(self.restart_requested)
        self.restart.hide()
        self.way_out = QPushButton()
        self.way_out.setObjectName("way_out")
        self.way_out.clicked.connect(self._on_way_out)
        self.way_out.hide()
        self._take_way_out: Callable[[], object] = self.put_away
        self.dismiss = QToolButton()
        self.dismiss.setText("\N{MULTIPLICATION X}")
        self.dismiss.setToolTip("Dismiss")
        self.dismiss.setObjectName("dismiss")
        self.dismiss.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.dismiss.clicked.connect(self.put_away)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 6, 4)
        layout.addLayout(texts, 1)
        layout.addWidget(self.way_out)
        layout.addWidget(self.restart)
        layout.addWidget(self.dismiss)
        self._timer = QTimer(self, interval=_READ_MS, singleShot=True)
        self._timer.timeout.connect(self._on_read)
        self.hide()

    def say(self, text: str, *, is_error: bool = False, stays: bool = False) -> None:
        """Show a message: in the place of the last one, or below an error.

        Parameters
        ----------
        text : str
        is_error : bool
            Marked in colour, and kept until it is dismissed.
        stays : bool
            Keep it until the next one.
        """
        self.said.emit(text, is_error)
        shows_error = not self.isHidden() and self.is_error
        before = self.text.toolTip() or self.text.text()
        if shows_error and (self._is_fault or not is_error):
            if text != before:
                self._say_below(text, is_error=is_error)
            return
        self.below.hide()
        if shows_error and before != text:
            self._say_below(f"Before that: {before}", is_error=True)
        self.is_error = is_error
        self._is_progress = False
        _fill(self.text, text)
        edge = theme.ALARM if is_error else theme.ACCENT
        self.setStyleSheet(
            f"#message {{ background: {theme.RAISED}; border-left: 4px solid {edge}; }}"
        )
        self.restart.hide()
        self.way_out.hide()
        self.dismiss.show()
        self._timer.stop()
        if not (is_error or stays):
            self._timer.start()
        self.show()

    def tell(self, text: str, is_error: bool) -> None:
        """Show what a part of the window has said."""
        self.say(text, is_error=is_error)

    def _say_below(self, text: str, *, is_error: bool) -> None:
        """Show another message below an error; below an error of its own, only another error."""
        if self._below_is_error and not is_error and not self.below.isHidden():
            return
        self._below_is_error = is_error
        _fill(self.below, text)
        self.below.show()
        self._timer.stop()
        if not is_error:
            self._timer.start()

    def _on_read(self) -> None:
        """Take away what has been there long enough: all, or what is below an error."""
        (self.below if self.is_error else self).hide()

    def settle(self) -> None:
        """Take away all but errors."""
        if not self.is_error:
            self.hide()
        elif not self._below_is_error:
            self.below.hide()

    def put_away(self) -> None:
        """Take everything away."""
        self.is_error = self._is_fault = False
        self.below.hide()
        self.hide()

    def offer(self, text: str, act: Callable[[], object]) -> None:
        """Put the next step on a button beside the message, until another message comes."""
        self._take_way_out = act
        self.way_out.setText(text)
        self.way_out.show()

    def _on_way_out(self) -> None:
        self._take_way_out()

    def say_progress(self, text: str) -> bool:
        """Show what takes so long, until :meth:`end_progress`; never in the place of an error.

        Returns
        -------
        bool
            Whether it is shown.
        """
        if not self.isHidden() and self.is_error:
            return False
        if self._is_progress and not self.isHidden():
            _fill(self.text, text)
            return True
        self.say(text, stays=True)
        self.dismiss.hide()
        self._is_progress = True
        return True

    def end_progress(self) -> None:
        """Take the progress away, and nothing else."""
        if self._is_progress:
            self._is_progress = False
            self.hide()

    def say_fault(self, text: str) -> None:
        """Show what stopped the engine, with the way out."""
        self._is_fault = False
        self.say(text, is_error=True)
        self._is_fault = True
        if self.below.isHidden():
            self._say_below(AFTER_A_FAULT, is_error=False)
            self._timer.stop()  # it stays as long as the fault
        self.dismiss.hide()
        self.restart.show()

    def end_fault(self) -> None:
        """Take away what stopped the engine, and nothing else."""
        if self._is_fault:
            self.put_away()


def _fill(label: QLabel, text: str) -> None:
    """Show the first line, if it is not too long; the tooltip has the rest."""
    first, *more = text.splitlines() or [""]
    label.setText(first if len(first) <= _LONGEST else first[:_LONGEST] + "…")
    label.setToolTip(text if more or len(first) > _LONGEST else "")


class StatusLine(QWidget):
    """Device, latency, replaced frames and memory; the banner."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(STATUS_HEIGHT_PX)
        self.progress = QLabel()
        self.progress.setObjectName("progress")
        self.progress.setTextFormat(Qt.TextFormat.PlainText)
        self.progress.setFont(theme.font(theme.SMALL_PX, bold=True))
        self.progress.setStyleSheet(f"color: {theme.ACCENT}; padding-right: 18px;")
        self.progress.hide()
        self._hint = ""
        self.figures = ElidedLabel()
        self.figures.setObjectName("status_figures")
        self.figures.setFont(theme.font(theme.SMALL_PX))
        self.figures.setStyleSheet(f"color: {theme.CAPTION};")
        banner = QLabel(BANNER)
        banner.setObjectName("banner")
        banner.setFont(theme.font(theme.SMALL_PX, bold=True))
        banner.setStyleSheet(f"color: {theme.CAPTION};")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(10, 0, 10, 0)
        self._row.addWidget(self.progress)
        self._row.addWidget(self.figures, 1)
        self._row.addWidget(banner)

    def add_widget(self, widget: QWidget) -> None:
        """Put something first that is not always there."""
        self._row.insertWidget(0, widget)

    def show_progress(self, text: str) -> None:
        """Say what goes on besides, before the figures; nothing with an empty text."""
        if text != self.progress.text():
            self.progress.setText(text)
            self.progress.setVisible(bool(text))

    def show_hint(self, text: str) -> None:
        """Say what to do next in the place of the figures; nothing with an empty text."""
        self._hint = text

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
            *([f"missed {status.missed}"] if status.missed else []),
            *([f"left out {status.left_out}"] if status.left_out else []),
            f"errors {status.errors}",
            f"loop {n_held} frames, {n_bytes / 1e6:.0f} MB",
        )
        shown = (self._hint,) if self._hint else parts
        self.figures.say("   \N{MIDDLE DOT}   ".join(("MI/TI n/a", *shown)))
