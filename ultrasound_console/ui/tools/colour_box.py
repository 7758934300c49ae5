"""The colour box by mouse and keys: drawn, moved, resized and steered in any of the pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent

from ...colour_box import LIMITED, SIDES, ColourBox
from ...frames import Acquisition
from ...geometry import ImageGrid
from ...render.canvas import PanelCanvas
from ...render.strokes import ACCENT, Dot, Mark
from ...render.tools import Tool, Touch
from ...settings import AcquisitionSettings
from ..keyboard import ARROW_KEYS
from .box_grips import (
    BOTTOM,
    DRAW,
    MOVE,
    RIGHT,
    SHAPES,
    STEER,
    Grip,
    Place,
    changes_for,
    dragged,
    grip_at,
    grips_m,
    holds,
    steered,
)
from .tool_row import LOOK, ToolEntry

NAME, KEY = "Box", "B"
_HINT = (
    "Drag draws a box; handles resize, move and steer it. Arrows move, Shift resizes, Ctrl steers"
)
FROZEN_HINT = "Frozen: the box stays as acquired"
STEERING_FIXED = "Steering was set in the recording"
NO_BOX = "This box cannot be changed"

_SLIP_PX = 3.0
_STEP_M, _STEP_RAD = 1e-3, math.radians(1.0)
_COMMIT_DELAY_MS = 400
_PALE = (0.93, 0.95, 0.97, 0.95)
_DARK = (0.04, 0.05, 0.06, 1.0)


@dataclass(frozen=True)
class _Drag:
    """A handle that is held."""

    grip: Grip
    box: ColourBox
    start_m: Place
    after: ColourBox


class _Handles(Tool):
    """Takes the mouse at the handles and edges of the box; drawing anew, everywhere."""

    def __init__(self, editor: ColourBoxEditor, *, draws: bool) -> None:
        self._editor, self._draws = editor, draws

    def press(self, touch: Touch) -> bool:
        grip = self._editor.grip_at(touch, draws=self._draws)
        return grip is not None and self._editor.begin(grip, touch)

    def drag(self, touch: Touch) -> None:
        self._editor.drag(touch)

    def release(self, touch: Touch) -> None:
        self._editor.end(touch)

    def double_click(self, touch: Touch) -> bool:
        grip = self._editor.grip_at(touch, draws=False)
        return grip is not None and self._editor.reset(grip)

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        return self._editor.hover(self._editor.grip_at(touch, draws=self._draws))

    def remove(self) -> None:
        if self._draws:
            self._editor.reset()


class ColourBoxEditor(QObject):
    """Lets the box be changed in the pictures, while they are live.

    Parameters
    ----------
    canvas : PanelCanvas
    settings : callable
        Returns the acquisition settings in force.
    start : callable
        Returns what a reset gives.

    Attributes
    ----------
    edges : Tool
        Works whichever tool has the mouse.
    entry : ToolEntry
        Draws a box.

    Signals
    -------
    changed : (changes)
        Settings that the user has given together.
    committed : ()
        Worth one undo step.
    said : (text)
        What goes on; empty when nothing does.
    """

    changed = Signal(dict)
    committed = Signal()
    said = Signal(str)

    def __init__(
        self,
        canvas: PanelCanvas,
        settings: Callable[[], AcquisitionSettings],
        start: Callable[[], AcquisitionSettings],
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._settings, self._start = canvas, settings, start
        self.edges: Tool = _Handles(self, draws=False)
        about = "Colour box: draw, move, resize and steer it"
        self.entry = ToolEntry(NAME, KEY, about, _HINT, _Handles(self, draws=True))
        self._tool = LOOK
        self._frozen = self._pointed = self._refusing = False
        self._drag: _Drag | None = None
        self._acquisition: Acquisition | None = None
        self._limit = ""
        self._commit = QTimer(self, interval=_COMMIT_DELAY_MS, singleShot=True)
        self._commit.timeout.connect(self.committed)
        canvas.installEventFilter(self)
        canvas.cursor_moved.connect(self._on_cursor)
        canvas.painted.connect(self._on_painted)

    # ---- what the window tells ------------------------------------------------------------

    def set_tool(self, name: str) -> None:
        """Take it that another tool has the mouse."""
        self._tool = name
        self._let_go()

    def set_frozen(self, frozen: bool) -> None:
        """Let the box be changed, or not."""
        if frozen != self._frozen:
            self._frozen = frozen
            self._let_go()

    def forget(self) -> None:
        """Let go of the box of another source."""
        self._let_go()

    # ---- the mouse ------------------------------------------------------------------------

    def grip_at(self, touch: Touch, *, draws: bool) -> Grip | None:
        """Which part of the box a press would take hold of."""
        box = self._box()
        grip = None if box is None else grip_at(box, touch, steerable=self._steerable)
        if grip is not None or not draws:
            return grip
        return MOVE if box is not None and touch.shift and holds(box, touch) else DRAW

    def begin(self, grip: Grip, touch: Touch) -> bool:
        """Take hold of a part of the box, unless it cannot be changed."""
        box = self._box()
        if box is None or self._frozen:
            self.said.emit(FROZEN_HINT if self._frozen else NO_BOX)
            return False
        at_m = touch.x_m, touch.z_m
        self._drag = _Drag(grip, box, at_m, box)
        self._canvas.setFocus()  # so that Esc comes here
        return True

    def drag(self, touch: Touch) -> None:
        """Show what the box would become."""
        drag, picture = self._drag, self._picture()
        if drag is None or picture is None:
            return
        if drag.after == drag.box and touch.distance_px(*drag.start_m) < _SLIP_PX:
            return
        after = dragged(drag.box, drag.grip, drag.start_m, (touch.x_m, touch.z_m))
        after = after.pushed_inside(picture) if drag.grip == MOVE else after.inside(picture)
        self._drag = replace(drag, after=after)
        self.said.emit(_size_text(after))
        self._mark()

    def end(self, touch: Touch) -> None:
        """Ask the source for what the box has become."""
        self.drag(touch)
        drag, picture = self._drag, self._picture()
        self._let_go()
        if drag is not None and picture is not None and drag.after != drag.box:
            self.committed.emit()  # what was changed before is a step of its own
            self.changed.emit(changes_for(drag.after, drag.grip, picture, self._settings()))
            self.committed.emit()

    def hover(self, grip: Grip | None) -> Qt.CursorShape | None:
        """Show by the pointer what can be taken hold of; say why it cannot."""
        refused = grip is not None and self._frozen
        if refused != self._refusing:
            self._refusing = refused
            self.said.emit(FROZEN_HINT if refused else "")
        if grip is None:
            return None
        return Qt.CursorShape.ForbiddenCursor if refused else SHAPES[grip]

    def reset(self, grip: Grip | None = None) -> bool:
        """Let the source choose the box again; at its steering handle, only the angle."""
        if self._frozen or self._box() is None:
            self.said.emit(FROZEN_HINT if self._frozen else NO_BOX)
            return False
        names = ("steering_rad",) if grip == STEER else SIDES
        start = self._start()
        self.committed.emit()
        self.changed.emit({name: getattr(start, name) for name in names})
        self.committed.emit()
        return True

    # ---- keys -----------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take arrows while the box has the mouse, before they step through frames."""
        del watched
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if self._step_of(event) is not None:
                event.accept()
                return True
        elif event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() == Qt.Key.Key_Escape and self._drag is not None:
                self._let_go()
                return True
            step = self._step_of(event)
            if step is not None:
                self._step(*step, event.modifiers())
                return True
        return False

    def _step_of(self, event: QKeyEvent) -> tuple[int, int] | None:
        step = ARROW_KEYS.get(Qt.Key(event.key()))
        return step if self._tool == NAME and not self._frozen and self._drag is None else None

    def _step(self, across: int, down: int, keys: Qt.KeyboardModifier) -> None:
        """Move by a millimetre, resize at the right and lower side, or steer by a degree."""
        box, picture = self._box(), self._picture()
        if box is None or picture is None:
            self.said.emit(NO_BOX)
            return
        if keys & Qt.KeyboardModifier.ControlModifier:
            if not self._steerable:
                self.said.emit(STEERING_FIXED)
                return
            grip, after = STEER, steered(box, box.steering_rad + across * _STEP_RAD).inside(picture)
        else:
            way_m = across * _STEP_M, down * _STEP_M
            if keys & Qt.KeyboardModifier.ShiftModifier:
                grip = frozenset((RIGHT if across else BOTTOM,))
                start = box.right_m, box.bottom_m
                end = start[0] + way_m[0], start[1] + way_m[1]
                after = dragged(box, grip, box.at(*start), box.at(*end)).inside(picture)
            else:
                grip, after = MOVE, box.moved(*way_m).pushed_inside(picture)
        if not self._commit.isActive():
            self.committed.emit()
        self.changed.emit(changes_for(after, grip, picture, self._settings()))
        self.said.emit(_size_text(after))
        self._commit.start()

    # ---- what is shown --------------------------------------------------------------------

    @property
    def _steerable(self) -> bool:
        frame = self._canvas.frame
        if frame is None or frame.acquisition.colour_grid.kind == "polar":
            return False
        return not frame.acquisition.prf_choices_hz

    def _picture(self) -> ImageGrid | None:
        """Where a box may lie."""
        frame = self._canvas.frame
        return None if frame is None else frame.acquisition.bmode_grid

    def _box(self) -> ColourBox | None:
        """Return the box that was asked for last; its picture may be on its way."""
        frame, picture = self._canvas.frame, self._picture()
        if frame is None or picture is None:
            return None
        grid = frame.acquisition.colour_grid
        if (grid.kind, grid.apex_m) != (picture.kind, picture.apex_m):
            return None
        shown, settings = ColourBox.of(grid), self._settings()
        if self._frozen:
            return shown
        box = shown.as_set(settings)
        if self._steerable:
            box = replace(box, steering_rad=settings.steering_rad)
        return box.inside(picture)

    def _let_go(self) -> None:
        if self._drag is not None:
            self._drag = None
            self.said.emit("")
        self._mark()

    def _on_cursor(self, cursor_m: object) -> None:
        pointed = cursor_m is not None
        if pointed != self._pointed:
            self._pointed = pointed
            if not pointed:
                self.hover(None)
            self._mark()

    def _on_painted(self, _: int) -> None:
        frame = self._canvas.frame
        acquisition = None if frame is None else frame.acquisition
        if acquisition is not self._acquisition:
            self._acquisition = acquisition
            self._tell_limit(acquisition)
            self._mark()

    def _tell_limit(self, acquisition: Acquisition | None) -> None:
        """Say once what became of a box that cannot be had."""
        notes = () if acquisition is None else acquisition.notes
        limit = next((note for note in notes if note.startswith(LIMITED)), "")
        if limit != self._limit:
            self._limit = limit
            self.said.emit(limit)

    def _mark(self) -> None:
        """Draw the handles, and the outline of what is being dragged."""
        marks: list[Mark | Dot] = []
        box = self._drag.after if self._drag is not None else self._box()
        if box is not None and self._drag is not None:
            sides = itertools.chain.from_iterable(side[:-1] for side in box.sides_m)
            marks.append(Mark((*sides, box.corners_m[0])))
        # Other tools take the mouse everywhere.
        can_take = self._tool == NAME or (self._tool == LOOK and self._pointed)
        if box is not None and can_take and not self._frozen:
            for grip, at_m in grips_m(box, steerable=self._steerable).items():
                if grip in (MOVE, STEER):
                    marks += [Dot(*at_m, ACCENT, 11.0), Dot(*at_m, _DARK, 5.0)]
                else:
                    marks += [Dot(*at_m, _DARK, 8.0), Dot(*at_m, _PALE, 5.0)]
        self._canvas.set_marks(NAME, marks)


def _size_text(box: ColourBox) -> str:
    """Say how large a box is, how deep it lies, and at which angle."""
    height_mm, top_mm = 1e3 * (box.bottom_m - box.top_m), 1e3 * box.top_m
    if box.apex_m is not None:
        return f"{box.width_text} \N{MULTIPLICATION SIGN} {height_mm:.1f} mm from {top_mm:.1f} mm"
    degrees = round(math.degrees(box.steering_rad))
    angle = f"{degrees:+d}".replace("-", "\N{MINUS SIGN}") if degrees else "0"
    width_mm = 1e3 * (box.right_m - box.left_m)
    size = f"{width_mm:.1f} \N{MULTIPLICATION SIGN} {height_mm:.1f} mm"
    return f"{size} from {top_mm:.1f} mm, {angle}\N{DEGREE SIGN}"
