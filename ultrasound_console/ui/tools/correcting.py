"""Correcting the folds of a frozen frame by hand, and keeping what was said as labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QSizePolicy, QWidget

from ... import __version__
from ...corrections import changed, without
from ...engine import Engine
from ...frames import Correction, DopplerFrame, Status
from ...labels import Label, LabelledFrame, Provenance, Shown
from ...render.canvas import PanelCanvas
from .. import theme
from ..flow_switch import PushButton
from ..readout import MINUS, fold_text
from .correct_tool import CorrectTool
from .label_files import LabelFiles
from .tool_row import HEIGHT_PX, ToolEntry, ToolRow

NAME, KEY = "Correct", "E"
ACCEPT_KEY, SAVE_KEY = "Shift+E", "Ctrl+L"
_HINT = "Pick flow of a frozen frame, and change its fold"
_FREEZE_FIRST = "Freeze first (Space): folds are corrected on a frozen frame"
_FIRST = "Click a region (N: the next), or paint"
_MOST_STEPS = 200


@dataclass(frozen=True)
class _Step:
    """What was given to a frame before, and after; of the history."""

    index: int
    before: Correction | None
    after: Correction | None


class Correcting(QObject):
    """The tool, what it has done, and its labels.

    What is given to a frame stays with it in the loop; processed with other settings, each pixel
    has the fold nearest to the velocity that was given.

    Parameters
    ----------
    engine : Engine
    canvas : PanelCanvas
    row : ToolRow
        Where the tool is offered; :attr:`entry` is added to it by whoever lays the tools out.
    files : LabelFiles

    Attributes
    ----------
    bar : QWidget
        What can be done, and what to do next; there as long as the tool has the mouse.

    Signals
    -------
    said : (text, is_error)
        Something for the user to read.
    corrected : (index)
        What is given to that frame by hand has changed.
    """

    said = Signal(str, bool)
    corrected = Signal(int)

    def __init__(
        self, engine: Engine, canvas: PanelCanvas, row: ToolRow, files: LabelFiles
    ) -> None:
        super().__init__()
        self._engine, self._row, self.files = engine, row, files
        self.tool = CorrectTool(
            draw=canvas.set_marks,
            changed=self._tell,
            stepped=self.step,
            refused=lambda: self.said.emit(f"{_FREEZE_FIRST}.", False),
            removed=self.take_back,
        )
        self.entry = ToolEntry(NAME, KEY, "Correct folds by hand", _HINT, self.tool)
        self._frame: DopplerFrame | None = None  # frozen
        self._source = ""
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._saved: dict[int, Correction] = {}
        self._saving: dict[int, Correction] = {}
        self._kept: dict[int, Correction] = {}  # from being lost, not as a label
        self._corrected: set[int] = set()
        self.hint = QLabel()
        self.bar = self._made_bar()
        row.chosen.connect(self._on_chosen)
        files.said.connect(self.said)
        files.saved.connect(self._on_saved)

    @property
    def active(self) -> bool:
        """Whether the tool has the mouse."""
        return self._row.current == NAME

    @property
    def unsaved(self) -> tuple[int, ...]:
        """Corrected frames of the loop whose label is not written as they are now."""
        cine = self._engine.cine
        now = ((index, cine.correction(index)) for index in sorted(self._corrected))
        return tuple(
            index
            for index, correction in now
            if correction is not None and correction is not self._saved.get(index)
        )

    # ---- what the user does ---------------------------------------------------------------

    def step(self, by: int) -> None:
        """Change the folds of what is selected."""
        self._change(lambda frame, before, where: changed(frame, before, where, by))

    def take_back(self) -> None:
        """Let what is selected have the folds that were found."""
        self._change(lambda _, before, where: without(before, where))

    def accept(self) -> None:
        """Say that all folds of the frame are right as they are, but where none was found."""
        frame = self._shown()
        if frame is None:
            self.said.emit(f"{_FREEZE_FIRST}.", False)
            return
        before = self._engine.cine.correction(frame.index)
        if not self.active:
            self._row.choose(NAME)  # where it can be taken back
        where = (frame.status != Status.NO_FLOW) & (frame.status != Status.ABSTAINED)
        after = changed(frame, before, where, 0)
        if after is None:
            self.said.emit("There are no folds to accept in this frame.", False)
        else:
            self._put(frame.index, before, after)
            self.said.emit(
                f"All folds of this frame are given by hand; {SAVE_KEY} saves them.", False
            )

    def undo(self) -> bool:
        """Take the last correction back; False where there is none, or another tool is chosen."""
        return self._go(self._done, self._undone, lambda step: step.before)

    def redo(self) -> bool:
        """Take an undo back; False where there is none, or another tool is chosen."""
        return self._go(self._undone, self._done, lambda step: step.after)

    def select_all(self) -> None:
        """Select all flow of the frame."""
        frame = self._shown()
        if self.active and frame is not None:
            self.tool.select(frame.status != Status.NO_FLOW)

    def select_next(self) -> bool:
        """Select the next region of the frame; False where another tool is chosen."""
        if self.active:
            self.tool.select_next()
        return self.active

    def resize_brush(self, steps: int) -> None:
        """Make the brush larger or smaller."""
        if self.active:
            self.tool.resize_brush(steps)

    def save(self) -> None:
        """Write the label of the frame on screen."""
        frame = self._shown()
        if frame is None:
            self.said.emit(f"{_FREEZE_FIRST}.", False)
        elif self._engine.cine.correction(frame.index) is None:
            self.said.emit(
                f"No fold is given by hand yet: correct one, or accept all ({ACCEPT_KEY}).", False
            )
        else:
            self._save((frame.index,), asked=True)

    def choose_folder(self) -> None:
        """Ask where labels are to go."""
        name = QFileDialog.getExistingDirectory(None, "Folder for labels", str(self.files.folder))
        if name:
            self.files.choose(Path(name))

    # ---- what happens ---------------------------------------------------------------------

    def begin(self, source: str) -> None:
        """Another source has been opened, as ``source``."""
        self._source = source
        self._forget()
        self._corrected.clear()
        self._saved.clear()
        self._kept.clear()

    def show(self, frame: DopplerFrame | None, *, frozen: bool) -> None:
        """Follow what is on screen."""
        shown = frame if frozen else None
        before, self._frame = self._frame, shown
        if shown is before:
            return
        if shown is None:
            self._forget()
        self.tool.set_frame(shown if self.active else None)
        if (
            shown is not None
            and before is not None
            and shown.index == before.index
            and shown.processing != before.processing
            and self._engine.cine.correction(shown.index) is not None
        ):
            self.said.emit("Processed again: the velocities given by hand are kept.", False)
        self._tell()

    def leave(self) -> None:
        """Keep what was not saved from being lost: the loop may be about to go."""
        lost = self._corrections(self.unsaved)
        lost = {index: one for index, one in lost.items() if one is not self._kept.get(index)}
        if lost:
            self._save(tuple(lost), asked=False)
            self._kept |= lost

    def close(self) -> None:
        """Keep what was not saved, and wait until it is written."""
        self.leave()
        self.files.close()
        # What it still says would come when there is nobody to be told.
        self.blockSignals(True)
        QCoreApplication.removePostedEvents(self)

    # ---- how it is done -------------------------------------------------------------------

    def _shown(self) -> DopplerFrame | None:
        """Return the frozen frame as it is now: the screen follows a moment later."""
        return None if self._frame is None else self._engine.cine.frame(self._frame.index)

    def _change(
        self, make: Callable[[DopplerFrame, Correction | None, np.ndarray], Correction | None]
    ) -> None:
        if not self.active:
            return
        frame, where = self._shown(), self.tool.selection
        if frame is None or where is None:
            self.hint.setText(_FREEZE_FIRST if frame is None else f"{_FIRST} first")
            return
        before = self._engine.cine.correction(frame.index)
        self._put(frame.index, before, make(frame, before, where))

    def _put(self, index: int, before: Correction | None, after: Correction | None) -> None:
        if after is before:
            return
        self._done = [*self._done[1 - _MOST_STEPS :], _Step(index, before, after)]
        self._undone.clear()
        self._correct(index, after)

    def _correct(self, index: int, correction: Correction | None) -> None:
        self._corrected.add(index)
        self._engine.correct(index, correction)
        self.corrected.emit(index)
        self._tell()

    def _go(
        self,
        taken: list[_Step],
        put: list[_Step],
        wanted: Callable[[_Step], Correction | None],
    ) -> bool:
        if not (self.active and taken and self._frame is not None):
            return False
        step = taken.pop()
        put.append(step)
        if self._frame.index != step.index:
            self._engine.show(step.index)
        self._correct(step.index, wanted(step))
        return True

    def _forget(self) -> None:
        self._done.clear()
        self._undone.clear()

    def _corrections(self, indices: tuple[int, ...]) -> dict[int, Correction]:
        found = {index: self._engine.cine.correction(index) for index in indices}
        return {index: one for index, one in found.items() if one is not None}

    def _save(self, indices: tuple[int, ...], *, asked: bool) -> None:
        made = {index: make for index in indices if (make := self._label(index)) is not None}
        if asked:
            self._saving.update(self._corrections(tuple(made)))
        self.files.save(made, self._source, asked=asked)

    def _on_saved(self, index: int) -> None:
        self._saved[index] = self._saving[index]
        self._tell()

    def _label(self, index: int) -> Callable[[], LabelledFrame] | None:
        """Take what a label needs out of the loop, and say how it is made of that."""
        cine = self._engine.cine
        shown, found, iq = cine.frame(index), cine.as_found(index), cine.iq(index)
        if shown is None or found is None or iq is None:
            return None
        before = cine.before(index)
        before_iq = None if before is None else cine.iq(before.index)
        if before is not None and before.acquisition != found.acquisition:
            before_iq = None
        segmenter = self._engine.segmenter if found.processing.asks_network else None
        moment = datetime.now(UTC).isoformat(timespec="seconds")

        def make() -> LabelledFrame:
            given = shown.status == Status.BY_HAND
            model = ("", "") if segmenter is None else (segmenter.name, segmenter.sha256)
            return LabelledFrame(
                shown=Shown.of(iq, found),
                label=Label(np.where(given, shown.fold, np.int8(0)), given),
                processing=found.processing,
                wall_filter=found.wall_filter,
                provenance=Provenance(__version__, moment, *model),
                before=None if before is None or before_iq is None else Shown.of(before_iq, before),
            )

        return make

    # ---- the tool's own row ---------------------------------------------------------------

    def _made_bar(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("correct_bar")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        bar.setStyleSheet(f"#correct_bar {{ background: {theme.STRIP}; }}")
        bar.setFixedHeight(HEIGHT_PX)
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(8, 2, 8, 2)
        layout.setSpacing(2)
        self.buttons = {}
        for name, text, tip, act in (
            ("lower", MINUS, f"One fold less ({MINUS})", partial(self.step, -1)),
            ("raise", "+", "One fold more (+)", partial(self.step, 1)),
            ("accept", "All right", f"All folds are right as they are ({ACCEPT_KEY})", self.accept),
            ("save", "Save label", f"Save the label of this frame ({SAVE_KEY})", self.save),
        ):
            button = PushButton(text, f"correct_{name}")
            button.setToolTip(tip)
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, act=act: act())
            layout.addWidget(button)
            self.buttons[name] = button
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.hint.setStyleSheet(f"color: {theme.CAPTION}; padding-left: 8px;")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout.addWidget(self.hint, 1)
        bar.hide()
        return bar

    def _on_chosen(self, name: str) -> None:
        self.bar.setVisible(name == NAME)
        self.tool.set_frame(self._frame if name == NAME else None)
        if name == NAME:
            self._tell()
            if self._frame is None:
                self.said.emit(f"{_FREEZE_FIRST}.", False)
            else:
                self.files.tell_unsaved()

    def _tell(self) -> None:
        """Say what is selected, and what can be done with it."""
        if not self.active:
            return
        frame, selection = self._shown(), self.tool.selection
        for name in ("lower", "raise"):
            self.buttons[name].setEnabled(selection is not None)
        self.buttons["accept"].setEnabled(frame is not None)
        self.buttons["save"].setEnabled(frame is not None and frame.index in self.unsaved)
        if frame is None:
            self.hint.setText(_FREEZE_FIRST)
        elif selection is None:
            brush = f"brush {2e3 * self.tool.radius_m:.1f} mm, [ and ]"
            self.hint.setText(f"{_FIRST} ({brush}); Shift adds, Ctrl takes away")
        else:
            folds = frame.fold[selection]
            low, high = int(folds.min()), int(folds.max())
            spread = f" \N{HORIZONTAL ELLIPSIS} {fold_text(high)}" if high != low else ""
            self.hint.setText(
                f"Fold {fold_text(low)}{spread}: + and {MINUS} change it, Del takes that back"
            )
