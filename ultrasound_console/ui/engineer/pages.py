"""The pages of the window for engineers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .. import theme
from .figures import Noted, Rows
from .log import MOST, Entry
from .plots import LatencyPlot, StageBars, TruthPlot


class RowsTable(QWidget):
    """Names and values; labels are made once and filled anew."""

    def __init__(self) -> None:
        super().__init__()
        self._labels: list[tuple[QLabel, QLabel]] = []
        self._rows: Rows = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(10, 8, 10, 8)
        self._grid.setHorizontalSpacing(18)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 1)

    def show_rows(self, rows: Rows) -> None:
        """Show other rows."""
        if rows == self._rows:
            return
        self._rows = rows
        while len(self._labels) < len(rows):
            self._add()
        for i, labels in enumerate(self._labels):
            for label, text in zip(labels, rows[i] if i < len(rows) else ("", ""), strict=True):
                if text != label.text():
                    label.setText(text)
                label.setVisible(i < len(rows))

    @property
    def rows(self) -> Rows:
        """What is shown."""
        return self._rows

    def _add(self) -> None:
        name, value = QLabel(), QLabel()
        for label in (name, value):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        name.setStyleSheet(f"color: {theme.QUIET};")
        value.setWordWrap(True)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = len(self._labels)
        self._grid.addWidget(name, row, 0)
        self._grid.addWidget(value, row, 1)
        self._labels.append((name, value))


class RowsPage(QScrollArea):
    """A page of names and values, perhaps with drawings above them."""

    def __init__(self, name: str, *drawings: QWidget) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setWidgetResizable(True)
        self.setStyleSheet(f"QScrollArea#{name}, #inside {{ background: {theme.STRIP}; }}")
        self.table = RowsTable()
        inside = QWidget()
        inside.setObjectName("inside")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        for drawing in drawings:
            column.addWidget(drawing)
        column.addWidget(self.table)
        column.addStretch(1)
        self.setWidget(inside)

    def show_rows(self, rows: Rows) -> None:
        """Show other rows."""
        self.table.show_rows(rows)


class TimingPage(RowsPage):
    """Stages, latency, and how many frames came through."""

    def __init__(self) -> None:
        self.stages, self.latency = StageBars(), LatencyPlot()
        super().__init__("timing", self.stages, self.latency)

    def show_timing(
        self,
        median_ms: Mapping[str, float],
        newest_ms: Mapping[str, float],
        interval_s: float,
        latencies_ms: NDArray[np.float64],
        rows: Rows,
    ) -> None:
        """Show others."""
        self.stages.show_stages(median_ms, newest_ms, 1e3 * interval_s)
        self.latency.show_latencies(latencies_ms)
        # The bars tell the stages.
        self.show_rows(tuple(row for row in rows if row[0] not in median_ms))


class TruthPage(RowsPage):
    """How far the pictures are from the truth."""

    def __init__(self) -> None:
        self.plots = (
            TruthPlot(
                "Share of wrong folds",
                lambda counts: (counts.aliased_share, counts.wrong_share, math.nan),
            ),
            TruthPlot(
                "Rms against the truth, in v_N",
                lambda counts: (
                    counts.measured_rms_nyquist,
                    counts.corrected_rms_nyquist,
                    counts.oracle_rms_nyquist,
                ),
            ),
        )
        super().__init__("truth", *self.plots)

    def show_truth(self, known: Sequence[Noted], rows: Rows) -> None:
        """Show other frames."""
        for plot in self.plots:
            plot.setVisible(bool(known))
            plot.show_frames(known)
        self.show_rows(rows)


class LogPage(QPlainTextEdit):
    """The log; its end stays in sight until somebody scrolls back."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("log")
        self.setReadOnly(True)
        self.setMaximumBlockCount(4 * MOST)  # a traceback has many lines
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        font = theme.font(theme.SMALL_PX)
        font.setFamilies(["DejaVu Sans Mono", "Menlo", "Consolas", "monospace"])
        self.setFont(font)
        self.setPlaceholderText("Nothing has been logged or shown yet.")
        self._last_number = -1

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Add those that are not there yet."""
        new = [entry for entry in entries if entry.number > self._last_number]
        if not new:
            return
        self._last_number = new[-1].number
        bar = self.verticalScrollBar()
        follows = bar.value() == bar.maximum()
        at = QTextCursor(self.document())
        at.movePosition(QTextCursor.MoveOperation.End)
        for entry in new:
            look = QTextCharFormat()
            look.setForeground(QColor(theme.ALARM if entry.is_error else theme.TEXT))
            if not self.document().isEmpty():
                at.insertBlock()
            at.insertText(entry.line(), look)
        if follows:
            bar.setValue(bar.maximum())
