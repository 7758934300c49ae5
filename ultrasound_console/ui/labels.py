"""Text over the canvas: titles, scales, what was found, and what lies under the cursor.

Each is painted anew when its text or place changes, and then costs the canvas next to nothing.
"""

from __future__ import annotations

from itertools import chain, pairwise

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QLabel, QToolButton, QWidget

from ..frames import DopplerFrame
from ..render.canvas import TRUTH_WORDS_PX, WORDS_PX, PanelCanvas
from ..render.overlay import Drawn
from ..render.painter import CORRECTED, FOLDS, HATCH_PX, KEPT, TRUTH
from ..render.planes import UNSURE_BELOW
from ..render.view import KEY_PX, RULER_PX, TITLE_PX, Rect, Tick
from . import theme
from .readout import badges_of, readout_at, truth_lines
from .tools.vessel_angle import WARNING_RAD, angle_text

TITLES = (
    "Conventional colour Doppler",
    "Segmentation of aliasing",
    "De-aliased colour Doppler",
    "True velocity",
    "A: de-aliased, as kept",
)
PRESENT_TITLE = "B: de-aliased, as set now"
COMPARED_TITLE = "RAW velocity: not de-aliased"
_LINE_PX = 20
_SECOND_LINE_PX = 14
_WORDS_WITH_TRUTH_PX = 3 * _LINE_PX + TRUTH_WORDS_PX
_GAP_PX = 6
_PAD_PX = 5
_TICK_GAP_PX = 5
_CLOSEST_PX = 12
_SWATCH_PX = 12
_KEY_GAP_PX = 3
_BUTTON_PX = 76
_OWN_SHARE = 0.53
_STACK_PX = 128
_GROUND = QColor(0, 0, 0, 170)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def angle_colour(angle_rad: float) -> str:
    """Colour of what is corrected for an angle: a warning where that is unreliable."""
    return theme.WARNING if angle_rad > WARNING_RAD else theme.ACCENT


class Caption(Drawn):
    """Text on a dim ground, of one line or more; hidden while empty, shortened to its room."""

    def __init__(
        self, parent: QWidget, name: str, *, n_lines: int = 1, size_px: int = theme.TEXT_PX
    ) -> None:
        super().__init__(parent, name)
        self.setFont(theme.font(size_px))
        self.full_text = ""
        self._text = ""
        self._metrics = QFontMetrics(self.font())
        self._n_lines = n_lines
        self._room_px = 0
        self._colour = theme.TEXT
        self.hide()

    def text(self) -> str:
        """Return what is on the screen of the text."""
        return self._text

    def tint(self, colour: str) -> None:
        """Give the text a colour."""
        if colour != self._colour:
            self._colour = colour
            self.redrawn.emit()

    def say(self, text: str) -> None:
        """Show a text, or nothing."""
        if text != self.full_text:
            self.full_text = text
            self._fit()

    def place(self, x_px: int, y_px: int, room_px: int, n_lines: int | None = None) -> None:
        """Move the left upper corner here; at most that wide, and of that many lines."""
        if (x_px, y_px) != (self.x(), self.y()):
            self.move(x_px, y_px)
        room = room_px, n_lines or self._n_lines
        if room != (self._room_px, self._n_lines):
            self._room_px, self._n_lines = room
            self._fit()

    def draw(self, painter: QPainter) -> None:
        """Write the text on its ground."""
        painter.fillRect(self.rect(), _GROUND)
        painter.setPen(QColor(self._colour))
        painter.setFont(self.font())
        inside = self.rect().adjusted(_PAD_PX, 2, -_PAD_PX, -2)
        painter.drawText(inside, _LEFT | Qt.TextFlag.TextWordWrap, self._text)

    def _fit(self) -> None:
        metrics, before = self._metrics, self._text
        inside = self._room_px - 2 * _PAD_PX
        self._text = ""
        if inside > 0 and self.full_text:
            # A line breaks between words, so that not all of its width can be counted on.
            width = inside * self._n_lines - (self._n_lines - 1) * inside // 4
            self._text = metrics.elidedText(self.full_text, Qt.TextElideMode.ElideRight, width)
            used = max(metrics.horizontalAdvance(line) for line in self._text.split("\n")) + 1
            used = min(inside, used)
            box = metrics.boundingRect(0, 0, used, 1000, Qt.TextFlag.TextWordWrap, self._text)
            self.resize(used + 2 * _PAD_PX, box.height() + 4)
        if self._text != before:
            self.redrawn.emit()
        if self.isHidden() == bool(self._text):
            self.setVisible(bool(self._text))


class TickLabels(Drawn):
    """Texts beside the marks of a bar or ruler; the Nyquist limits stand out."""

    def __init__(self, parent: QWidget, name: str, alignment: Qt.AlignmentFlag) -> None:
        super().__init__(parent, name)
        self.setFont(theme.font(theme.SMALL_PX))
        self.ticks: tuple[Tick, ...] = ()
        self._alignment = alignment
        self.unit, self._unit_colour = "", theme.CAPTION

    def show_ticks(
        self, ticks: tuple[Tick, ...], unit: str, unit_colour: str = theme.CAPTION
    ) -> None:
        """Show other texts."""
        if (ticks, unit, unit_colour) != (self.ticks, self.unit, self._unit_colour):
            self.ticks, self.unit, self._unit_colour = ticks, unit, unit_colour
            self.redrawn.emit()

    @property
    def texts(self) -> tuple[str, ...]:
        """Labels, from the top down."""
        by_height = sorted(self.ticks, key=lambda tick: tick.y_px)
        return tuple(tick.text for tick in by_height if tick.text)

    def draw(self, painter: QPainter) -> None:
        """Write each text at the height of its mark; strong ones win where two would touch."""
        align = self._alignment | Qt.AlignmentFlag.AlignVCenter
        taken: list[float] = []
        for tick in sorted(self.ticks, key=lambda tick: not tick.strong):
            if not tick.text or any(abs(tick.y_px - y_px) < _CLOSEST_PX for y_px in taken):
                continue
            taken.append(tick.y_px)
            painter.setPen(QColor(theme.TEXT if tick.strong else theme.CAPTION))
            painter.setFont(theme.font(theme.SMALL_PX, bold=tick.strong))
            y = round(tick.y_px) - self.y() - 8
            painter.drawText(0, y, self.width(), 16, align, tick.text)
        if self.unit and self.ticks:
            painter.setPen(QColor(self._unit_colour))
            painter.setFont(theme.font(theme.SMALL_PX))
            bottom = Qt.AlignmentFlag.AlignBottom
            painter.drawText(self.rect(), self._alignment | bottom, self.unit)


class HatchKey(Drawn):
    """What the stripes over the fold colours mean."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "hatch_key")
        self.texts = f"< {100 * UNSURE_BELOW:.0f} %", "left raw"

    def draw(self, painter: QPainter) -> None:
        """Paint a swatch and a text for each, as the picture has them."""
        painter.setFont(theme.font(theme.SMALL_PX))
        step_px = round(HATCH_PX)
        for row, text in enumerate(self.texts):
            top = row * KEY_PX // 2
            painter.setPen(QColor(theme.CAPTION))
            left = _SWATCH_PX + _KEY_GAP_PX
            painter.drawText(left, top, self.width() - left, 16, _LEFT, text)
            painter.setClipRect(0, top + 2, _SWATCH_PX, _SWATCH_PX)
            is_left = row == 1
            painter.fillRect(0, top + 2, _SWATCH_PX, _SWATCH_PX, QColor("#3a4049"))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor("#edf0f5" if is_left else "#08090b"), 1.2 + 0.8 * row))
            for x in range(-2 * _SWATCH_PX, 2 * _SWATCH_PX, step_px):
                painter.drawLine(x, top, x + 2 * _SWATCH_PX, top + 2 * _SWATCH_PX)
                if is_left:
                    painter.drawLine(x + 2 * _SWATCH_PX, top, x, top + 2 * _SWATCH_PX)
            painter.setClipping(False)


class PanelLabels:
    """All text over one canvas.

    Titles and bars belong to a place on the canvas. Words are those of a panel: below its picture,
    or, where that is not shown, beside those of the last picture.

    Parameters
    ----------
    canvas : PanelCanvas
        Its signals move and rewrite the labels that depend on the view and the scales.
    """

    def __init__(self, canvas: PanelCanvas) -> None:
        self._canvas = canvas
        self._has_truth = False
        self._told: tuple[DopplerFrame | None, DopplerFrame | None, float] = None, None, 0.0
        self.titles, self.bars, self.badges, self.readouts = [], [], [], []
        self.truths: list[Caption] = []
        for panel in range(len(TITLES)):
            title = QLabel(canvas)
            title.setObjectName(f"title_{panel}")
            title.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self.titles.append(title)
            self.bars.append(TickLabels(canvas, f"scale_{panel}", Qt.AlignmentFlag.AlignLeft))
            n_lines = 2 if panel in (CORRECTED, KEPT) else 1
            self.badges.append(Caption(canvas, f"badge_{panel}", n_lines=n_lines))
            truth = Caption(canvas, f"truth_{panel}", n_lines=2, size_px=theme.SMALL_PX)
            truth.tint(theme.CAPTION)
            self.truths.append(truth)
            self.readouts.append(Caption(canvas, f"readout_{panel}", size_px=13))
        # Why the folds of some flow were not looked for, in the panel that would show them.
        self.unsure = Caption(canvas, "unsure")
        self.ruler = TickLabels(canvas, "ruler", Qt.AlignmentFlag.AlignRight)
        self.hatch_key = HatchKey(canvas)
        self.compare = QToolButton(canvas)
        self.compare.setObjectName("compare")
        self.compare.setText("compare")
        self.compare.setToolTip("Hold to see the raw velocity in this place (key C)")
        self.compare.setFont(theme.font(theme.SMALL_PX))
        self.compare.setStyleSheet("padding: 1px 6px;")
        self.compare.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.compare.pressed.connect(lambda: canvas.set_comparing(True))
        self.compare.released.connect(lambda: canvas.set_comparing(False))
        parts = self.titles, self.bars, self.badges, self.truths, self.readouts
        single = self.unsure, self.ruler, self.hatch_key, self.compare
        for widget in chain(chain.from_iterable(parts), single):
            canvas.lay_over(widget)
        canvas.labels_changed.connect(self.place)
        canvas.cursor_moved.connect(lambda _: self.show_cursor())
        self.place()

    def place(self) -> None:
        """Put everything where the canvas has room for it."""
        canvas = self._canvas
        has_frame = canvas.frame is not None
        n_places = len(canvas.panels)
        for place in range(len(TITLES)):
            for part in (self.titles[place], self.bars[place]):
                part.setVisible(place < n_places)
        for place in range(n_places):
            self._name(place)
            bar = canvas.bar_rect(place)
            room_px = canvas.panel_rect(place).right - bar.right - 1 - _TICK_GAP_PX
            unit, angle_rad = canvas.bar_unit(place), canvas.display.angle_rad
            is_angled = unit == "cm/s" and angle_rad > 0.0
            height = bar.height + 16 + _LINE_PX + is_angled * _SECOND_LINE_PX
            self.bars[place].setGeometry(bar.right + _TICK_GAP_PX, bar.y - 8, room_px, height)
            if is_angled:
                unit += f"\n{angle_text(angle_rad)}"
            colour = angle_colour(angle_rad) if is_angled else theme.CAPTION
            self.bars[place].show_ticks(canvas.bar_ticks(place), unit, colour)
        can_compare = CORRECTED in canvas.panels or canvas.compared_place is not None
        self.compare.setVisible(has_frame and can_compare)
        self.hatch_key.setVisible(has_frame and FOLDS in canvas.panels)
        if FOLDS in canvas.panels:
            place = canvas.panels.index(FOLDS)
            bar = canvas.bar_rect(place)
            width = canvas.panel_rect(place).right - bar.x
            self.hatch_key.setGeometry(bar.x, bar.bottom + 8 + _LINE_PX, width, KEY_PX)
        picture = canvas.picture_rect(0)
        left, top = picture.x - RULER_PX - _GAP_PX, picture.y - 8
        self.ruler.setGeometry(left, top, RULER_PX + 2, picture.bottom + 8 - top)
        self.ruler.show_ticks(canvas.depth_ticks() if has_frame else (), "")
        self._place_words()

    def _name(self, place: int) -> None:
        """Say which panel is here."""
        canvas, title = self._canvas, self.titles[place]
        panel, is_raw = canvas.panels[place], canvas.compared_place == place
        is_main, is_kept = panel == CORRECTED, panel == KEPT
        text = PRESENT_TITLE if is_main and canvas.kept is not None else TITLES[panel]
        title.setText(COMPARED_TITLE if is_raw else text)
        is_other = is_raw or is_kept
        colour = theme.WARNING if is_other else theme.ACCENT if is_main else theme.CAPTION
        weight = "bold" if is_main or is_other else "normal"
        style = (
            f"color: {colour}; background: transparent;"
            f" font-size: {theme.TITLE_PX}px; font-weight: {weight};"
        )
        if style != title.styleSheet():
            title.setStyleSheet(style)
        room = canvas.title_rect(place)
        title.setGeometry(room.x, room.y, room.width, room.height)
        if is_main or is_raw:
            x = room.right - _BUTTON_PX - _GAP_PX
            self.compare.setGeometry(x, 3, _BUTTON_PX, TITLE_PX - 6)

    def _place_words(self) -> None:
        """Put what is said of each panel where there is room for it."""
        canvas = self._canvas
        hidden = set(range(TRUTH)) - set(canvas.panels)
        if KEPT in canvas.panels:
            hidden = set()  # A and B only, and room for both
        elif canvas.compared_place is not None:
            hidden -= {CORRECTED}
        rooms: dict[int, Rect] = {}
        if canvas.view.side_px:
            panels = [*canvas.panels, *hidden]
            if KEPT not in panels:
                panels.sort()
            rooms = _stacked(panels, canvas.view.side_px, canvas.picture_rect(0))
        for place, panel in enumerate(canvas.panels):
            # Of two places with the same panel, the first has its words.
            here = [] if panel in rooms else [panel]
            if place == len(canvas.panels) - 1:
                here += sorted(hidden)
            if not canvas.view.side_px:
                rooms |= _side_by_side(here, canvas.picture_rect(place), self._below_px())
        end_px = 0 if canvas.view.side_px else self._end_px()
        for panel in range(len(TITLES)):
            room = rooms.get(panel, Rect(0, 0, 0, 0))
            # Words that would run into those of the next panel give way: those of the truth.
            has_truth = self._has_truth and not 0 < room.height < _WORDS_WITH_TRUTH_PX
            badge_y, unsure_y, truth_y, readout_y = _tops(room.y, has_truth, end_px)
            self.badges[panel].place(room.x, badge_y, room.width)
            self.truths[panel].place(room.x, truth_y, has_truth * room.width)
            has_two = room.y + room.height >= readout_y + 2 * _LINE_PX
            self.readouts[panel].place(room.x, readout_y, room.width, 1 + has_two)
            if panel == FOLDS:
                self.unsure.place(room.x, unsure_y, room.width)

    def _below_px(self) -> int:
        """Height of words below the pictures, or over their lower end where there is no room."""
        canvas = self._canvas
        words_px = WORDS_PX + self._has_truth * TRUTH_WORDS_PX
        lowest = canvas.picture_rect(0).bottom + canvas.view.foot_px - words_px
        return min(self._end_px() + _GAP_PX, lowest)

    def _end_px(self) -> int:
        """Height of the lower edge of what is drawn in the pictures."""
        canvas = self._canvas
        return round(canvas.pixel(0, 0.0, canvas.view.extent_m[3])[1])

    def show_frame(self, frame: DopplerFrame | None) -> None:
        """Sum up what the panels show, if it is not what they showed the last time."""
        kept, angle_rad = self._canvas.kept, self._canvas.display.angle_rad
        if (frame, kept, angle_rad) == self._told:
            return
        self._told = frame, kept, angle_rad
        has_truth = frame is not None and frame.score is not None
        if has_truth != self._has_truth:
            self._has_truth = has_truth
            self.place()
        if frame is None:
            for caption in (*self.badges, *self.truths, self.unsure):
                caption.say("")
            return
        badges = badges_of(frame)
        self.badges[0].say(badges.aliased)
        self.badges[FOLDS].say(badges.folds)
        self.unsure.say(badges.unsure)
        self.unsure.tint(theme.WARNING if badges.caution else theme.CAPTION)
        self.badges[CORRECTED].say(badges.outcome)
        self.badges[CORRECTED].tint(theme.WARNING if badges.caution else theme.ACCENT)
        for truth, line in zip(self.truths, truth_lines(frame, angle_rad), strict=False):
            truth.say(line)
        if kept is not None:
            self.badges[CORRECTED].say(f"B: {badges.outcome}")
            badges = badges_of(kept)
            self.badges[KEPT].say(f"A: {badges.outcome}")
            self.badges[KEPT].tint(theme.WARNING if badges.caution else theme.ACCENT)
            self.truths[KEPT].say(truth_lines(kept, angle_rad)[CORRECTED])
        self.show_cursor()

    def show_cursor(self) -> None:
        """Tell the values under the cursor."""
        canvas = self._canvas
        frame, cursor_m = canvas.frame, canvas.cursor_m
        lines = ("", "", "")
        if frame is not None and cursor_m is not None:
            lines = readout_at(frame, *cursor_m, canvas.display.angle_rad).lines()
        for readout, line in zip(self.readouts, lines, strict=False):
            readout.say(line)
        of_kept = ""
        if canvas.kept is not None and cursor_m is not None:
            of_kept = readout_at(canvas.kept, *cursor_m, canvas.display.angle_rad).lines()[-1]
        self.readouts[KEPT].say(of_kept)


def _tops(y_px: int, has_truth: bool, end_px: int) -> tuple[int, int, int, int]:
    """Heights of badge, reason, truth and read-out from a height on.

    Where some of them would lie over the lower edge of the picture, those and what is above them
    move up. A badge may take the line of the reason.
    """
    edges = [y_px]
    for height in (2 * _LINE_PX, has_truth * TRUTH_WORDS_PX, _LINE_PX):
        edges.append(edges[-1] + height)
    over = [bottom for top, bottom in pairwise(edges) if top < end_px < bottom]
    up_px = over[0] - end_px + 1 if over else 0
    badge, truth, readout = (top - up_px if top < end_px else top for top in edges[:-1])
    return badge, badge + _LINE_PX, truth, readout


def _stacked(panels: list[int], width_px: int, picture: Rect) -> dict[int, Rect]:
    """Rooms for the words of panels, one below the other, left of the picture."""
    height = min(_STACK_PX, (picture.height - _GAP_PX) // max(1, len(panels)))
    return {
        panel: Rect(_GAP_PX, picture.y + row * height, width_px - 2 * _GAP_PX, height)
        for row, panel in enumerate(panels)
    }


def _side_by_side(panels: list[int], picture: Rect, y_px: int) -> dict[int, Rect]:
    """Rooms for the words of panels, beside each other, below the picture of the first."""
    left, width = picture.x + 2, picture.width - 4
    own_px = width if len(panels) < 2 else round(_OWN_SHARE * width)
    other_px = (width - own_px) // max(1, len(panels) - 1)
    rooms = {}
    for panel in panels:
        rooms[panel] = Rect(left, y_px, own_px, 0)
        left, own_px = left + own_px, other_px
    return rooms
