"""Small drawings of a running console: time in each stage, latency, distance to the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from ...accuracy import Counts
from .. import theme
from .figures import FORM_STAGES, Noted

_ROW_PX = 19
_NAME_PX = 92
_VALUE_PX = 72
_FOOT_PX = 18
_HEAD_PX = 18
_N_BINS = 40
_PLOT_PX = 132
_ROUND = (1.0, 2.0, 5.0, 10.0)
_LEFT, _RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
FIRST_STEP, SECOND_STEP = theme.COLD, theme.ACCENT
_LINES = ("raw", theme.WARNING), ("corrected", theme.ACCENT), ("with the true folds", theme.QUIET)


def round_up(value: float) -> float:
    """Smallest of 1, 2, 5 times a power of ten that is not below a value; 1 for none above 0."""
    if value <= 0.0:
        return 1.0
    decade = 10.0 ** np.floor(np.log10(value))
    return float(next(step * decade for step in _ROUND if step * decade >= value * (1 - 1e-9)))


class _Drawing(QWidget):
    """A widget that paints itself in the small typeface."""

    def __init__(self, name: str, height_px: int) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setFixedHeight(height_px)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFont(theme.font(theme.SMALL_PX))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw on a dark ground."""
        del event
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.GROUND))
        self.draw(painter)

    def draw(self, painter: QPainter) -> None:
        """Draw what there is to show."""

    def write(
        self,
        painter: QPainter,
        place: QRectF,
        text: str,
        align: Qt.AlignmentFlag = _LEFT,
        colour: str = theme.CAPTION,
    ) -> None:
        """Write a line into a place."""
        painter.setPen(QColor(colour))
        painter.drawText(place, align | _MIDDLE, text)


class StageBars(_Drawing):
    """A bar for each stage, as long as its median; a mark where the newest frame was."""

    def __init__(self) -> None:
        super().__init__("stage_bars", _HEAD_PX + 10 * _ROW_PX + _FOOT_PX)
        self.median_ms: Mapping[str, float] = {}
        self._newest_ms: Mapping[str, float] = {}
        self._interval_ms = 0.0

    def show_stages(
        self, median_ms: Mapping[str, float], newest_ms: Mapping[str, float], interval_ms: float
    ) -> None:
        """Show other times.

        Parameters
        ----------
        median_ms, newest_ms : mapping
        interval_ms : float
            From frame to frame; 0 for a frame that is held.
        """
        shown = median_ms, newest_ms, interval_ms
        if shown != (self.median_ms, self._newest_ms, self._interval_ms):
            self.median_ms, self._newest_ms, self._interval_ms = shown
            self.setFixedHeight(_HEAD_PX + max(1, len(median_ms)) * _ROW_PX + _FOOT_PX)
            self.update()

    @property
    def scale_ms(self) -> float:
        """Time at the right end of the bars."""
        longest = max((*self.median_ms.values(), *self._newest_ms.values()), default=0.0)
        return round_up(longest)

    def bar_rect(self, row: int, ms: float) -> QRectF:
        """Where the bar of a stage is."""
        room = max(1.0, self.width() - _NAME_PX - _VALUE_PX)
        return QRectF(
            _NAME_PX, _HEAD_PX + row * _ROW_PX + 3, room * ms / self.scale_ms, _ROW_PX - 6
        )

    def draw(self, painter: QPainter) -> None:
        """Draw the bars, the longer step's share of the frame interval below."""
        width = self.width()
        head = QRectF(6, 0, width, _HEAD_PX)
        if not self.median_ms:
            self.write(painter, head, "No frame has been painted yet.")
            return
        self.write(painter, head, "Stages: median of 3 s (bar), newest frame (mark)")
        for row, (name, ms) in enumerate(self.median_ms.items()):
            top = _HEAD_PX + row * _ROW_PX
            colour = FIRST_STEP if name in FORM_STAGES else SECOND_STEP
            self.write(painter, QRectF(6, top, _NAME_PX - 10, _ROW_PX), name)
            painter.fillRect(self.bar_rect(row, ms), QColor(colour))
            newest = self.bar_rect(row, min(self._newest_ms.get(name, 0.0), self.scale_ms))
            mark = QRectF(newest.right() - 1, newest.top() - 2, 2, newest.height() + 4)
            painter.fillRect(mark, QColor(theme.TEXT))
            value = QRectF(width - _VALUE_PX, top, _VALUE_PX - 6, _ROW_PX)
            self.write(painter, value, f"{ms:.2f} ms", _RIGHT, theme.TEXT)
        foot = QRectF(0, _HEAD_PX + len(self.median_ms) * _ROW_PX, width, _FOOT_PX)
        self._draw_key(painter, foot)

    def _draw_key(self, painter: QPainter, foot: QRectF) -> None:
        x = 6.0
        for text, colour in (("first step", FIRST_STEP), ("second step", SECOND_STEP)):
            painter.fillRect(QRectF(x, foot.top() + 5, 8, 8), QColor(colour))
            self.write(painter, QRectF(x + 12, foot.top(), 90, foot.height()), text)
            x += 96
        end = QRectF(x, foot.top(), self.width() - _VALUE_PX - x, foot.height())
        self.write(painter, end, f"{self.scale_ms:g} ms", _RIGHT)


class LatencyPlot(_Drawing):
    """How many pictures came to the screen at which age."""

    def __init__(self) -> None:
        super().__init__("latency", _PLOT_PX)
        self.counts: NDArray[np.int64] = np.zeros(_N_BINS, np.int64)
        self.end_ms = 1.0
        self._marks_ms: tuple[tuple[str, float], ...] = ()

    def show_latencies(self, latencies_ms: NDArray[np.float64]) -> None:
        """Show others; those beyond the end count in the last column."""
        values = np.percentile(latencies_ms, (50, 95, 99)).tolist() if latencies_ms.size else []
        self._marks_ms = tuple(zip(("p50", "p95", "p99"), values, strict=False))
        self.end_ms = round_up(max(values, default=0.0))
        within_ms = np.minimum(latencies_ms, self.end_ms)
        self.counts, _ = np.histogram(within_ms, _N_BINS, (0.0, self.end_ms))
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the bars, and the percentiles over them."""
        head = QRectF(6, 0, self.width(), _HEAD_PX)
        self.write(painter, head, "Latency: from read to painted")
        room = QRectF(6, _HEAD_PX + 14, self.width() - 12, _PLOT_PX - _HEAD_PX - 14 - _FOOT_PX)
        painter.setPen(QColor(theme.LINE))
        painter.drawLine(room.bottomLeft(), room.bottomRight())
        most = max(1, int(self.counts.max(initial=0)))
        step = room.width() / _N_BINS
        for column, count in enumerate(self.counts.tolist()):
            height = room.height() * count / most
            left = room.left() + column * step
            bar = QRectF(left, room.bottom() - height, max(1.0, step - 1), height)
            painter.fillRect(bar, QColor(theme.ACCENT))
        last_right = -1e9
        for name, ms in self._marks_ms:
            x = room.left() + room.width() * ms / self.end_ms
            painter.setPen(QPen(QColor(theme.TEXT), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))
            label = QRectF(min(x - 12, self.width() - 28), room.top() - 15, 26, 14)
            if label.left() > last_right:  # the first of those that would touch
                self.write(painter, label, name, _LEFT, theme.TEXT)
                last_right = label.right()
        foot = QRectF(6, room.bottom(), room.width(), _FOOT_PX)
        self.write(painter, foot, "0")
        self.write(painter, foot, f"{self.end_ms:g} ms", _RIGHT)


class TruthPlot(_Drawing):
    """A figure over the last frames: of the raw velocity, the corrected, and the best there is.

    Parameters
    ----------
    title : str
    figures : callable
        The three of a frame's counts.
    """

    def __init__(self, title: str, figures: Callable[[Counts], tuple[float, ...]]) -> None:
        super().__init__("truth_plot", _PLOT_PX)
        self.lines: NDArray[np.float64] = np.zeros((0, len(_LINES)))
        self._title, self._figures = title, figures

    def show_frames(self, known: Sequence[Noted]) -> None:
        """Show other frames, oldest first."""
        of_frames = [self._figures(each.shown) for each in known if each.shown is not None]
        self.lines = np.array(of_frames).reshape(-1, len(_LINES))
        self.update()

    def draw(self, painter: QPainter) -> None:
        """Draw the lines, each in its colour."""
        self.write(painter, QRectF(6, 0, self.width(), _HEAD_PX), self._title)
        room = QRectF(34, _HEAD_PX + 4, self.width() - 42, _PLOT_PX - _HEAD_PX - 8 - _FOOT_PX)
        top = round_up(float(np.nanmax(self.lines, initial=0.0)))
        painter.setPen(QColor(theme.LINE))
        painter.drawRect(room)
        self.write(painter, QRectF(0, room.top() - 7, 30, 14), f"{top:g}", _RIGHT)
        self.write(painter, QRectF(0, room.bottom() - 7, 30, 14), "0", _RIGHT)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        xs = np.linspace(room.left(), room.right(), max(2, len(self.lines)))[: len(self.lines)]
        for (_, colour), line in reversed(list(zip(_LINES, self.lines.T, strict=True))):
            painter.setPen(QPen(QColor(colour), 1.6))
            at = np.stack([xs, room.bottom() - room.height() * line / top], axis=1)
            painter.drawPolyline([QPointF(*place) for place in at[np.isfinite(line)].tolist()])
        x = room.left()
        for (text, colour), line in zip(_LINES, self.lines.T, strict=True):
            if np.isfinite(line).any():
                place = QRectF(x, room.bottom() + 3, 120, _FOOT_PX)
                self.write(painter, place, text, _LEFT, colour)
                x += 24 + self.fontMetrics().horizontalAdvance(text)
