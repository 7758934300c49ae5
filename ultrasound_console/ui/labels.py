"""Text over the canvas: titles, scales, what was found, and what lies under the cursor.

Each is painted anew when its text or place changes, and then costs the canvas next to nothing.
"""

from __future__ import annotations

from itertools import chain

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QWidget

from ..frames import DopplerFrame
from ..render.canvas import PanelCanvas
from ..render.view import RULER_PX, Tick
from . import theme
from .readout import badges_of, readout_at, truth_lines

TITLES = (
    "Conventional colour Doppler",
    "Segmentation: aliasing found",
    "De-aliased colour Doppler",
    "True velocity",
)
UNITS = ("cm/s", "folds", "cm/s", "cm/s")
_MAIN = 2
_LINE_PX = 20
_TRUTH_PX = 32
_GAP_PX = 6
_PAD_PX = 5
_TICK_GAP_PX = 5
_CLOSEST_PX = 12


class Caption(QLabel):
    """Text on a dim ground, of one line or two; hidden while empty, shortened to its room."""

    def __init__(
        self, parent: QWidget, name: str, *, n_lines: int = 1, size_px: int = theme.TEXT_PX
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setFont(theme.font(size_px))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setWordWrap(n_lines > 1)
        self.setIndent(0)
        self.full_text = ""
        self._n_lines = n_lines
        self._room_px = 0
        self.tint(theme.TEXT)
        self.hide()

    def tint(self, colour: str) -> None:
        """Give the text a colour."""
        style = f"color: {colour}; background: rgba(0, 0, 0, 170); padding: 2px {_PAD_PX}px;"
        if style != self.styleSheet():
            self.setStyleSheet(style)

    def say(self, text: str) -> None:
        """Show a text, or nothing."""
        if text != self.full_text:
            self.full_text = text
            self._fit()

    def place(self, x_px: int, y_px: int, room_px: int) -> None:
        """Move the left upper corner here; at most that wide."""
        if (x_px, y_px) != (self.x(), self.y()):
            self.move(x_px, y_px)
        if room_px != self._room_px:
            self._room_px = room_px
            self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self.font())
        inside = self._room_px - 2 * _PAD_PX
        # A line breaks between words, so that not all of its width can be counted on.
        width = inside * self._n_lines - (self._n_lines - 1) * inside // 4
        text = metrics.elidedText(self.full_text, Qt.TextElideMode.ElideRight, width)
        self.setText(text)
        used = min(inside, metrics.horizontalAdvance(text) + 1)
        box = metrics.boundingRect(0, 0, used, 1000, Qt.TextFlag.TextWordWrap, text)
        self.resize(used + 2 * _PAD_PX, box.height() + 4)
        self.setVisible(bool(text))


class TickLabels(QWidget):
    """Texts beside the marks of a bar or ruler; the Nyquist limits stand out."""

    def __init__(self, parent: QWidget, name: str, alignment: Qt.AlignmentFlag) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFont(theme.font(theme.SMALL_PX))
        self.ticks: tuple[Tick, ...] = ()
        self._alignment = alignment
        self._unit = ""

    def show_ticks(self, ticks: tuple[Tick, ...], unit: str) -> None:
        """Show other texts."""
        if (ticks, unit) != (self.ticks, self._unit):
            self.ticks, self._unit = ticks, unit
            self.update()

    @property
    def texts(self) -> tuple[str, ...]:
        """Labels, from the top down."""
        by_height = sorted(self.ticks, key=lambda tick: tick.y_px)
        return tuple(tick.text for tick in by_height if tick.text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Write each text at the height of its mark; strong ones win where two would touch."""
        del event
        painter = QPainter(self)
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
        if self._unit and self.ticks:
            painter.setPen(QColor(theme.CAPTION))
            painter.setFont(theme.font(theme.SMALL_PX))
            bottom = Qt.AlignmentFlag.AlignBottom
            painter.drawText(self.rect(), self._alignment | bottom, self._unit)


class PanelLabels:
    """All text over one canvas.

    Parameters
    ----------
    canvas : PanelCanvas
        Its signals move and rewrite the labels that depend on the view and the scales.
    """

    def __init__(self, canvas: PanelCanvas) -> None:
        self._canvas = canvas
        self._has_truth = False
        self.titles, self.bars, self.badges, self.readouts = [], [], [], []
        self.truths: list[Caption] = []
        for panel in range(len(TITLES)):
            main = panel == _MAIN
            title = QLabel(TITLES[panel], canvas)
            title.setObjectName(f"title_{panel}")
            title.setFont(theme.font(theme.TITLE_PX, bold=main))
            colour = theme.ACCENT if main else theme.CAPTION
            title.setStyleSheet(f"color: {colour}; background: transparent;")
            title.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            self.titles.append(title)
            self.bars.append(TickLabels(canvas, f"scale_{panel}", Qt.AlignmentFlag.AlignLeft))
            self.badges.append(Caption(canvas, f"badge_{panel}", n_lines=1 + (panel == _MAIN)))
            truth = Caption(canvas, f"truth_{panel}", n_lines=2, size_px=theme.SMALL_PX)
            truth.tint(theme.CAPTION)
            self.truths.append(truth)
            self.readouts.append(Caption(canvas, f"readout_{panel}", size_px=13))
        self.ruler = TickLabels(canvas, "ruler", Qt.AlignmentFlag.AlignRight)
        parts = self.titles, self.bars, self.badges, self.truths, self.readouts, [self.ruler]
        for widget in chain.from_iterable(parts):
            canvas.lay_over(widget)
        canvas.labels_changed.connect(self.place)
        canvas.cursor_moved.connect(lambda _: self.show_cursor())
        self.place()

    def place(self) -> None:
        """Put everything where the canvas has room for it."""
        canvas = self._canvas
        # Below the body where the panel leaves room there, otherwise over its lower end.
        picture = canvas.picture_rect(0)
        _, end_px = canvas.pixel(0, 0.0, canvas.view.extent_m[3])
        readout = 2 * _LINE_PX + self._has_truth * _TRUTH_PX
        below = min(round(end_px) + _GAP_PX, picture.bottom - readout - _LINE_PX - _GAP_PX)
        n_panels = canvas.view.n_panels
        for panel, label in enumerate(zip(self.titles, self.bars, strict=True)):
            for part in label:
                part.setVisible(panel < n_panels)
        for panel in range(n_panels):
            room = canvas.title_rect(panel)
            self.titles[panel].setGeometry(room.x, room.y, room.width, room.height)
            bar, picture = canvas.bar_rect(panel), canvas.picture_rect(panel)
            top = bar.y - 8
            height = bar.height + 16 + _LINE_PX
            room_px = canvas.panel_rect(panel).right - bar.right - 1
            self.bars[panel].setGeometry(
                bar.right + _TICK_GAP_PX, top, room_px - _TICK_GAP_PX, height
            )
            self.bars[panel].show_ticks(canvas.bar_ticks(panel), UNITS[panel])
            width = picture.width - 4
            self.badges[panel].place(picture.x + 2, below, width)
            self.truths[panel].place(picture.x + 2, below + 2 * _LINE_PX, width)
            self.readouts[panel].place(picture.x + 2, below + readout, width)
        picture = canvas.picture_rect(0)
        top = picture.y - 8
        self.ruler.setGeometry(0, top, RULER_PX + 2, picture.bottom + 8 - top)
        self.ruler.show_ticks(canvas.depth_ticks() if canvas.frame is not None else (), "")

    def show_frame(self, frame: DopplerFrame | None) -> None:
        """Sum up what the panels show."""
        has_truth = frame is not None and frame.score is not None
        if has_truth != self._has_truth:
            self._has_truth = has_truth
            self.place()
        if frame is None:
            for caption in (*self.badges, *self.truths):
                caption.say("")
            return
        badges = badges_of(frame)
        self.badges[0].say(badges.aliased)
        self.badges[1].say(badges.folds)
        self.badges[_MAIN].say(badges.outcome)
        self.badges[_MAIN].tint(theme.WARNING if badges.caution else theme.ACCENT)
        for truth, line in zip(self.truths, truth_lines(frame), strict=False):
            truth.say(line)
        self.show_cursor()

    def show_cursor(self) -> None:
        """Tell the values under the cursor."""
        frame, cursor_m = self._canvas.frame, self._canvas.cursor_m
        lines = ("", "", "")
        if frame is not None and cursor_m is not None:
            lines = readout_at(frame, *cursor_m).lines()
        for readout, line in zip(self.readouts, lines, strict=False):
            readout.say(line)
