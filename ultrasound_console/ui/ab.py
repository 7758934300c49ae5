"""Two settings on one frozen frame: A is the frame as it was kept, B is the frame as it is now.

A is a finished frame and costs nothing to show again. It belongs to one frame of the loop: it is
not shown with another one, and it goes when the picture is live again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..declared import specs
from ..frames import DopplerFrame, Status
from ..render.canvas import PanelCanvas
from ..render.painter import CORRECTED, KEPT
from ..settings import ProcessingSettings
from . import theme
from .flow_switch import PushButton
from .steps import value_text
from .top_strip import ElidedLabel

KEEP_KEY, BESIDE_KEY, END_KEY = "K", "Shift+J", "Shift+K"
OTHER_KEY = Qt.Key.Key_J
FREEZE_FIRST = "Freeze first (Space): A and B are two settings on one frame."
GONE = "A is no longer kept: the picture has gone on."
_ALIKE = "A is kept. Change a setting (wall filter, smoothing, folds by ...): that is B."
_BY_HAND = "by hand"
_ONLY_BY_HAND = "The settings are the same; folds were given by hand."
_HEIGHT_PX = 46
_LETTER_PX = 34
_MARGIN_PX = 6


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in A and B, in words."""

    label: str
    a: str
    b: str


def differences(a: ProcessingSettings, b: ProcessingSettings) -> tuple[Difference, ...]:
    """List the settings that are not the same, in the order of their declaration."""
    return tuple(
        Difference(
            spec.label, value_text(name, getattr(a, name)), value_text(name, getattr(b, name))
        )
        for name, spec in specs(ProcessingSettings)
        if getattr(a, name) != getattr(b, name)
    )


def figures(frame: DopplerFrame) -> dict[str, float]:
    """Shares of the flow to compare two frames by: by what is counted, 0 ... 1."""
    n_flow = max(1, int(np.count_nonzero(frame.status != Status.NO_FLOW)))
    n_left = int(np.count_nonzero(frame.status == Status.ABSTAINED))
    shares = {"aliased": frame.aliased_share, "left raw": n_left / n_flow}
    if n_by_hand := int(np.count_nonzero(frame.status == Status.BY_HAND)):
        shares[_BY_HAND] = n_by_hand / n_flow
    if frame.score is not None:
        shares["wrong folds"] = frame.score.shown.wrong_share
    return shares


def _caption(a: DopplerFrame, b: DopplerFrame) -> str:
    """Name what differs, and nothing else."""
    found = differences(a.processing, b.processing)
    if found:
        return "     ".join(f"{each.label}:  A {each.a},  B {each.b}" for each in found)
    by_hand = figures(a).get(_BY_HAND) != figures(b).get(_BY_HAND)
    return _ONLY_BY_HAND if by_hand else _ALIKE


def _figures_text(a: DopplerFrame, b: DopplerFrame) -> str:
    of_a, of_b = figures(a), figures(b)
    return "     ".join(
        f"{name}:  A {100 * of_a.get(name, 0.0):.1f} %,  B {100 * of_b.get(name, 0.0):.1f} %"
        for name in dict.fromkeys((*of_a, *of_b))
    )


class _Letter(QLabel):
    """A or B in the corner of a picture, big enough to be read across a room."""

    def __init__(self, canvas: PanelCanvas, letter: str, ink: str, ground: str) -> None:
        super().__init__(letter, canvas)
        self.setObjectName(f"letter_{letter}")
        self.setFont(theme.font(22, bold=True))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setStyleSheet(f"color: {ink}; background: {ground}; border-radius: 4px;")
        self.resize(_LETTER_PX, _LETTER_PX)
        self.hide()
        canvas.lay_over(self)


class AbBar(QWidget):
    """A line above the pictures that says how A and B differ; not there while no A is kept.

    Parameters
    ----------
    canvas : PanelCanvas

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.

    Attributes
    ----------
    a : DopplerFrame or None
        The frame as it was kept.
    keep_button : PushButton
        For a row of buttons elsewhere; there while a frame is frozen.
    """

    said = Signal(str, bool)

    def __init__(self, canvas: PanelCanvas) -> None:
        super().__init__()
        self.setObjectName("ab")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(
            f"#ab {{ background: {theme.RAISED}; border-left: 4px solid {theme.WARNING}; }}"
            f"QToolButton#choose:checked {{ background: {theme.ACCENT_FILL}; }}"
        )
        self.setFixedHeight(_HEIGHT_PX)
        self._canvas = canvas
        self.a: DopplerFrame | None = None
        self._b: DopplerFrame | None = None
        self._frozen = False
        self._a_chosen = self._other_held = self._beside = False
        self.caption, self.figures = ElidedLabel(), ElidedLabel()
        self.figures.setFont(theme.font(theme.SMALL_PX))
        self.figures.setStyleSheet(f"color: {theme.CAPTION};")
        self.choose_a = self._button("A", "A in the place of B (hold J)")
        self.choose_b = self._button("B", "The frame with the settings in force")
        self.choose_beside = self._button("Side by side", f"A left, B right ({BESIDE_KEY})")
        self.choose_a.clicked.connect(lambda: self._choose(a=True))
        self.choose_b.clicked.connect(lambda: self._choose(a=False))
        self.choose_beside.clicked.connect(self.toggle_beside)
        close = PushButton("End", "choose")
        close.setToolTip(f"Keep A no longer ({END_KEY})")
        close.clicked.connect(self.end)
        self.close_button = close
        self.keep_button = PushButton("Keep as A", "choose")
        self.keep_button.setToolTip(f"Compare this frame with itself, set otherwise ({KEEP_KEY})")
        self.keep_button.clicked.connect(self.keep)
        self.keep_button.hide()
        self._letters = {
            KEPT: _Letter(canvas, "A", theme.GROUND, theme.WARNING),
            CORRECTED: _Letter(canvas, "B", theme.GROUND, theme.ACCENT),
        }
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.caption)
        words.addWidget(self.figures)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 8, 3)
        row.addLayout(words, 1)
        for button in (self.choose_a, self.choose_b, self.choose_beside, close):
            row.addWidget(button)
        canvas.labels_changed.connect(self._follow_canvas)
        self.hide()

    def _button(self, text: str, tooltip: str) -> PushButton:
        button = PushButton(text, "choose")
        button.setCheckable(True)
        button.setToolTip(tooltip)
        return button

    # ---- what the user does ---------------------------------------------------------------

    def keep(self) -> None:
        """Keep the frozen frame as it is now."""
        if not self._frozen or self._canvas.frame is None:
            self.said.emit(FREEZE_FIRST, False)
            return
        self.a, self._b = self._canvas.frame, None
        self._a_chosen = self._other_held = False
        self._show()
        self.show_frame(self._canvas.frame, frozen=True)

    def hold_other(self, held: bool) -> None:
        """Show the other of the two while a key is held."""
        if held != self._other_held:
            self._other_held = held and self.a is not None
            self._show()

    def toggle_beside(self) -> None:
        """Show both side by side, or no longer."""
        self._beside = not self._beside
        if self.a is None:
            self._beside = False
            self.said.emit(f"Keep a frozen frame as A first ({KEEP_KEY}).", False)
        self._show()

    def end(self) -> None:
        """Keep A no longer."""
        self.a = self._b = None
        self._a_chosen = self._other_held = self._beside = False
        self._show()

    def _choose(self, *, a: bool) -> None:
        self._a_chosen, self._beside = a, False
        self._show()

    # ---- what is shown --------------------------------------------------------------------

    def show_frame(self, frame: DopplerFrame | None, *, frozen: bool) -> None:
        """Follow the picture on screen.

        Parameters
        ----------
        frame : DopplerFrame or None
        frozen : bool
        """
        if frozen != self._frozen:
            self._frozen = frozen
            self.keep_button.setVisible(frozen)
        if self.a is None:
            return
        if not frozen or frame is None:
            self.end()
            self.said.emit(GONE, False)
        elif frame is not self._b:
            self._b = frame
            self._show()
            if self._canvas.kept is None:
                at = f"frame {self.a.index}"
                self.caption.say(f"A was kept of {at}: go there to compare.")
                self.figures.say(f"Frame {frame.index} is on screen.")
            else:
                self.caption.say(_caption(self.a, frame))
                self.figures.say(_figures_text(self.a, frame))

    def _show(self) -> None:
        """Bring canvas and buttons up to date."""
        in_place = self._a_chosen != self._other_held and not self._beside
        self._canvas.set_kept(self.a, beside=self._beside, in_place=in_place)
        self.setVisible(self.a is not None)
        self._follow_canvas()

    def _follow_canvas(self) -> None:
        """Mark each picture that is A or B, and light the button of what is shown."""
        canvas = self._canvas
        for button, panels in (
            (self.choose_a, {KEPT}),
            (self.choose_b, {CORRECTED}),
            (self.choose_beside, {KEPT, CORRECTED}),
        ):
            shown = panels == {KEPT, CORRECTED}.intersection(canvas.panels)
            button.setChecked(canvas.kept is not None and shown)
            button.setEnabled(canvas.kept is not None)
        for panel, letter in self._letters.items():
            shown = canvas.kept is not None and panel in canvas.panels
            if shown:
                picture = canvas.picture_rect(canvas.panels.index(panel))
                letter.move(picture.right - _LETTER_PX - _MARGIN_PX, picture.y + _MARGIN_PX)
            letter.setVisible(shown)
