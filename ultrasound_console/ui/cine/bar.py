"""Freeze, and the loop of frames below the panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...cine import LoopFrame
from ...frames import DopplerFrame
from ...settings import ProcessingSettings
from .. import theme
from ..readout import percent, speed_text
from .loop import beside_peak_s, next_of, peak_aliasing, peak_systoles, stretch
from .player import Player
from .slider import ALIASED_COLOUR, SPEED_COLOUR, CineSlider
from .transport import BarButton, end_icon, pause_icon, play_icon, step_icon

HEIGHT_PX = 64
_BUTTON_PX = (32, 25)
_FREEZE_PX = (100, 54)
_LEGEND_PX = 128
_GAP_PX = 4

FREEZE_TEXT = "Freeze"
RESUME_TEXT = "Resume"
RERUN_TEXT = "Re-process"
BESIDE_PEAK = "No frame lies at this peak: the nearest one is"
FREEZE_FIRST = "Freeze (Space) to look through the last seconds."


class CineBar(QWidget):
    """Freeze button, transport, loop and frame number.

    Signals
    -------
    freeze_toggled : ()
    addressed : (index)
        A frame is to be shown: the user points at it, or its turn has come.
    rerun_requested, rerun_cancelled : ()
        Process the whole loop again; leave it as it is.
    said : (text, is_error)
        Something for the user to read.
    """

    freeze_toggled = Signal()
    addressed = Signal(int)
    rerun_requested = Signal()
    rerun_cancelled = Signal()
    said = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("cine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT_PX)
        self._frozen = False
        self._rerun_share: float | None = None
        self.player = Player()
        self.player.due.connect(self._on_due)
        self.freeze_button = QPushButton(FREEZE_TEXT)
        self.freeze_button.setObjectName("freeze")
        self.freeze_button.setToolTip("Stop transmitting and hold this frame, or go on (Space)")
        self.freeze_button.setFixedSize(*_FREEZE_PX)
        self.freeze_button.setFont(theme.font(theme.TITLE_PX, bold=True))
        self.freeze_button.clicked.connect(self.freeze_toggled)
        self.slider = CineSlider()
        self.slider.addressed.connect(self._on_pointed)
        self.buttons: dict[str, BarButton] = {}
        self.speed = _label("speed")
        self.speed.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.speed.setToolTip("Speed of playing; 1\N{MULTIPLICATION SIGN} is as it was acquired")
        self.aliased = _label("cine_aliased", ALIASED_COLOUR)
        self.mean_speed = _label("cine_mean_speed", SPEED_COLOUR)
        self.position = _label("cine_position", size_px=theme.TEXT_PX)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 10, 4)
        layout.setSpacing(8)
        layout.addWidget(self.freeze_button)
        layout.addLayout(self._lay_out_transport())
        layout.addLayout(self._lay_out_legend())
        layout.addWidget(self.slider, 1)
        layout.addLayout(self._lay_out_jumps())
        self._say_speed()
        self._enable()

    # ---- layout ---------------------------------------------------------------------------

    def _lay_out_transport(self) -> QGridLayout:
        """Where to go, and under it how to play."""
        minus, once_more = "\N{MINUS SIGN}", "; once more on the same frame takes it back"
        rows: tuple[tuple[QWidget, ...], ...] = (
            (
                self._button("first", "First frame (Home)", end_icon(-1), self.first),
                self._button("before", "One frame back (Left)", step_icon(-1), self.before),
                self._button("play", "Play, or pause (P)", play_icon(), self.toggle_play),
                self._button("next", "One frame on (Right)", step_icon(1), self.next),
                self._button("last", "Last frame (End)", end_icon(1), self.last),
            ),
            (
                self._button("slower", "Play slower (comma)", minus, self.slower),
                self.speed,
                self._button("faster", "Play faster (full stop)", "+", self.faster),
                self._button("in", f"Play from this frame on (I){once_more}", "In", self.mark_in),
                self._button("out", f"Play up to this frame (O){once_more}", "Out", self.mark_out),
            ),
        )
        grid = QGridLayout()
        grid.setSpacing(_GAP_PX)
        for row, widgets in enumerate(rows):
            for column, widget in enumerate(widgets):
                widget.setFixedSize(*_BUTTON_PX)
                widget.setStyleSheet("padding: 0;")
                grid.addWidget(widget, row, column)
        for name in ("before", "next"):
            self.buttons[name].setAutoRepeat(True)
        return grid

    def _lay_out_legend(self) -> QVBoxLayout:
        """Figures of the frame on screen, in the colours of the strip."""
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addStretch(1)
        for label in (self.aliased, self.mean_speed):
            label.setFixedWidth(_LEGEND_PX)
            column.addWidget(label)
        return column

    def _lay_out_jumps(self) -> QVBoxLayout:
        """Which frame is shown, and where else to go."""
        row = QHBoxLayout()
        row.setSpacing(_GAP_PX)
        for name, tip, text, slot in (
            (
                "peak_systole",
                "Go to the peak of the next heart beat (S); without a known heart, to the frame "
                "with the highest mean speed",
                "Peak systole",
                self.to_peak_systole,
            ),
            (
                "peak_aliasing",
                "Go to the frame with the largest aliased share (A)",
                "Peak aliasing",
                self.to_peak_aliasing,
            ),
            (
                "rerun",
                "Process the whole loop again with the settings in force, or cancel that (Ctrl+R). "
                "Pale bars: frames that other settings made",
                RERUN_TEXT,
                self.toggle_rerun,
            ),
        ):
            button = self._button(name, tip, text, slot)
            button.setFixedHeight(_BUTTON_PX[1])
            row.addWidget(button)
        rerun = self.buttons["rerun"]
        rerun.setFixedWidth(rerun.fontMetrics().horizontalAdvance(_cancel_text(1.0)) + 22)
        column = QVBoxLayout()
        column.setSpacing(_GAP_PX)
        self.position.setFixedHeight(_BUTTON_PX[1])
        column.addWidget(self.position)
        column.addLayout(row)
        return column

    def _button(
        self, name: str, tip: str, face: QIcon | str, slot: Callable[[], None]
    ) -> BarButton:
        button = BarButton(name, tip, face)
        button.clicked.connect(slot)
        self.buttons[name] = button
        return button

    # ---- what the user does ---------------------------------------------------------------

    def first(self) -> None:
        """Go to the oldest frame."""
        self._step(-(1 << 30))

    def before(self) -> None:
        """Go one frame back."""
        self._step(-1)

    def next(self) -> None:
        """Go one frame on."""
        self._step(1)

    def last(self) -> None:
        """Go to the newest frame."""
        self._step(1 << 30)

    def toggle_play(self) -> None:
        """Play what lies between in and out over and over, or pause."""
        if self.player.playing:
            self._pause()
        else:
            self._play()

    def slower(self) -> None:
        """Play slower."""
        self.player.change_speed(-1)
        self._say_speed()

    def faster(self) -> None:
        """Play faster."""
        self.player.change_speed(1)
        self._say_speed()

    def mark_in(self) -> None:
        """Play from the frame on screen on; on the in point itself, from the first frame."""
        (first, last), shown = self.slider.range, self.slider.shown
        if self._frozen and shown is not None:
            out = last if last is not None and last > shown else None
            self._set_range(None if shown == first else shown, out)

    def mark_out(self) -> None:
        """Play up to the frame on screen; on the out point itself, up to the last frame."""
        (first, last), shown = self.slider.range, self.slider.shown
        if self._frozen and shown is not None:
            start = first if first is not None and first < shown else None
            self._set_range(start, None if shown == last else shown)

    def to_peak_systole(self) -> None:
        """Go to the peak of the next heart beat within in and out, or as near as there is a frame.

        Where that is beside the peak, say so.
        """
        played = self.slider.played
        self._jump(peak_systoles(played))
        shown = next((frame for frame in played if frame.index == self.slider.shown), None)
        if self._frozen and shown is not None:
            off_s = beside_peak_s(shown)
            if off_s:
                where = "after" if off_s > 0.0 else "before"
                self.said.emit(f"{BESIDE_PEAK} {1e3 * abs(off_s):.0f} ms {where} it", False)

    def to_peak_aliasing(self) -> None:
        """Go to the frame within in and out that is aliased most."""
        self._jump(peak_aliasing(self.slider.played))

    def toggle_rerun(self) -> None:
        """Process the whole loop again, or leave it."""
        if self._rerun_share is not None:
            self.rerun_cancelled.emit()
        elif self.buttons["rerun"].isEnabled():
            self.rerun_requested.emit()

    def _play(self) -> None:
        laid_out = stretch(self.slider.played)
        if self._frozen and laid_out is not None:
            self.player.play(laid_out, self.slider.shown)
            self.buttons["play"].setIcon(pause_icon())

    def _pause(self) -> None:
        if self.player.playing:
            self.player.pause()
            self.buttons["play"].setIcon(play_icon())

    def _step(self, n: int) -> None:
        if self._frozen:
            self._pause()
            self.slider.step(n)

    def _jump(self, indices: Sequence[int]) -> None:
        if self._frozen and indices:
            self._pause()
            self.slider.address(next_of(indices, self.slider.shown))

    def _set_range(self, first: int | None, last: int | None) -> None:
        self.slider.set_range(first, last)
        if self.player.playing:
            self._play()

    def _on_pointed(self, index: int) -> None:
        self._pause()
        self.addressed.emit(index)

    def _on_due(self, index: int) -> None:
        self.slider.set_shown(index)
        self.addressed.emit(index)

    def _say_speed(self) -> None:
        self.speed.setText(f"{self.player.speed:g}\N{MULTIPLICATION SIGN}")

    # ---- what is shown --------------------------------------------------------------------

    def set_frozen(self, frozen: bool, *, can_change: bool = True) -> None:
        """Let the loop be played and scrubbed, or not; and the state be changed, or not."""
        self.freeze_button.setEnabled(can_change)
        self.freeze_button.setText(RESUME_TEXT if frozen else FREEZE_TEXT)
        if frozen != self._frozen:
            self._frozen = frozen
            self._pause()
            self.slider.set_range(None, None)
            self._enable()

    def show_position(
        self,
        frame: DopplerFrame | None,
        loop: tuple[LoopFrame, ...],
        processing: ProcessingSettings,
        angle_rad: float = 0.0,
    ) -> None:
        """Tell which frame is on screen, of how many, and what the others hold.

        Parameters
        ----------
        frame : DopplerFrame or None
        loop : tuple of LoopFrame
            Frames held.
        processing : ProcessingSettings
            In force.
        angle_rad : float
            Between beam and vessel, that speeds are written for.
        """
        self.slider.set_loop(loop, processing if self._frozen else None)
        self.slider.set_shown(None if frame is None else frame.index)
        figures = self.slider.figures
        can_rerun = self._rerun_share is not None or bool(figures.outdated.any())
        self.buttons["rerun"].setEnabled(self._frozen and can_rerun)
        place = self.slider.place_of(self.slider.shown)
        of_loop = "" if place is None else f"{place + 1} of {len(loop)}   "
        position = "" if frame is None else f"frame {frame.index}   {frame.time_s:.3f} s"
        self.position.setText(of_loop + position)
        if place is None:
            self.aliased.setText("")
            self.mean_speed.setText("")
        else:
            self.aliased.setText(f"aliased {percent(loop[place].aliased_share)}")
            self.mean_speed.setText(f"mean {speed_text(loop[place].mean_speed_m_s, angle_rad)}")
        share, speed_m_s = figures.largest_aliased_share, figures.largest_speed_m_s
        self.buttons["peak_aliasing"].setEnabled(self._frozen and share > 0.0)
        self.buttons["peak_systole"].setEnabled(self._frozen and speed_m_s > 0.0)
        self.slider.setToolTip(
            f"Bars: aliased share, up to {percent(share)}. "
            f"Line: mean speed, up to {speed_text(speed_m_s, angle_rad)}."
            + ("" if self._frozen else f"<br>{FREEZE_FIRST}")
        )

    def show_rerun(self, share: float | None) -> None:
        """Tell how much of the loop has been processed again; None while none is."""
        if share != self._rerun_share:
            self._rerun_share = share
            self.buttons["rerun"].setText(RERUN_TEXT if share is None else _cancel_text(share))

    def _enable(self) -> None:
        for widget in (self.slider, *self.buttons.values()):
            widget.setEnabled(self._frozen)


def _cancel_text(share: float) -> str:
    return f"Cancel {100 * share:.0f} %"


def _label(name: str, colour: str = theme.TEXT, size_px: int = theme.SMALL_PX) -> QLabel:
    """Make a line of plain figures, to the right."""
    label = QLabel()
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setFont(theme.font(size_px))
    label.setStyleSheet(f"color: {colour};")
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return label
