"""A spectrogram with its traces as an image file; needs no display."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPen, QPolygonF

from .. import BANNER
from ..dsp import bmode
from ..dsp.spectrum import Spectra
from ..dsp.trace import Trace
from .even_time import spread_evenly

_SIZE = (960, 480)
_PLOT = QRectF(72.0, 64.0, 868.0, 368.0)
_RANGE_DB = 30.0
_INK, _PAPER = QColor("#d8dce2"), QColor("#101317")
_TRACES = (("envelope", QColor("#ffb000")), ("mean", QColor("#40c4ff")))
_STEPS = (1.0, 2.0, 5.0, 10.0)


def save_picture(path: Path, spectra: Spectra, line: Trace, titles: Sequence[str]) -> None:
    """Draw grey spectra with both traces, axes in cm/s and s, a legend and the banner.

    Parameters
    ----------
    path : Path
        A PNG is written, whatever the name ends in.
    spectra : Spectra
    line : Trace
    titles : sequence of str
        At most two lines above the plot.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    # Text needs an application, but no window.
    app = QGuiApplication.instance() or QGuiApplication(["", "-platform", "offscreen"])
    image = QImage(*_SIZE, QImage.Format.Format_RGB32)
    image.fill(_PAPER)
    painter = QPainter(image)
    font = painter.font()
    font.setPixelSize(14)
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(_INK)
    for row, text in enumerate(titles):
        painter.drawText(QPointF(_PLOT.left(), 22.0 + 20.0 * row), text)
    painter.drawImage(_PLOT, _grey(spectra))
    axes = _Axes(spectra)
    axes.draw(painter)
    _write_foot(painter)
    painter.setClipRect(_PLOT)
    for values, (_, colour) in zip((line.envelope_m_s, line.mean_m_s), _TRACES, strict=True):
        painter.setPen(QPen(colour, 2.0))
        for run in _runs(values):
            points = [axes.point(line.time_s[k], values[k]) for k in run]
            painter.drawPolyline(QPolygonF(points))
            painter.drawPoints(QPolygonF(points))
    painter.end()
    del app
    if not image.save(str(path), "PNG"):  # type: ignore[call-overload]
        raise OSError(errno.EIO, "the picture cannot be written", str(path))


def _write_foot(painter: QPainter) -> None:
    """Banner on the left, and on the right what the colours mean."""
    baseline = _PLOT.bottom() + 40.0
    painter.setPen(_INK)
    painter.drawText(QPointF(_PLOT.left(), baseline), BANNER)
    right = _PLOT.right() - 40.0
    for name, colour in _TRACES:
        right -= painter.fontMetrics().horizontalAdvance(name)
        painter.setPen(colour)
        painter.drawText(QPointF(right, baseline), name)
        right -= 16.0


def grey_levels(spectra: Spectra) -> NDArray[np.uint8]:
    """Brightness of spectra over their noise, (n_bins, n_columns), the lowest velocity first."""
    floor_db = 10.0 * np.log10(max(spectra.noise_floor(), 1e-37))
    level = bmode.to_db(spectra.power, float(floor_db)) / _RANGE_DB
    levels: NDArray[np.uint8] = np.clip(255.0 * level, 0.0, 255.0).astype(np.uint8).T
    return levels


def even_grey(spectra: Spectra) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Grey levels on an even axis of time, black where nothing came; and where it begins and ends.

    Returns
    -------
    (n_bins, n_columns) uint8
        First row at the lowest velocity.
    tuple of float
        s.
    """
    at, limits_s = spread_evenly(spectra.time_s)
    return np.where((at >= 0)[None], grey_levels(spectra)[:, at], np.uint8(0)), limits_s


def _grey(spectra: Spectra) -> QImage:
    held = np.ascontiguousarray(even_grey(spectra)[0][::-1])
    image = QImage(
        held.data, held.shape[1], held.shape[0], held.shape[1], QImage.Format.Format_Grayscale8
    )
    return image.copy()  # outlives the array


def _runs(values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Stretches without a gap."""
    finite = np.flatnonzero(np.isfinite(values))
    return [run for run in np.split(finite, np.flatnonzero(np.diff(finite) > 1) + 1) if run.size]


class _Axes:
    """Where seconds and metres per second are in the plot."""

    def __init__(self, spectra: Spectra) -> None:
        velocity_m_s = spectra.velocity_m_s
        _, (self._start_s, self._end_s) = spread_evenly(spectra.time_s)
        step_m_s = velocity_m_s[1] - velocity_m_s[0]
        self._low_m_s = velocity_m_s[0] - 0.5 * step_m_s
        self._high_m_s = velocity_m_s[-1] + 0.5 * step_m_s

    def point(self, time_s: float, velocity_m_s: float) -> QPointF:
        """Place of a value."""
        right = (time_s - self._start_s) / (self._end_s - self._start_s)
        up = (velocity_m_s - self._low_m_s) / (self._high_m_s - self._low_m_s)
        return QPointF(
            _PLOT.left() + float(right) * _PLOT.width(), _PLOT.bottom() - float(up) * _PLOT.height()
        )

    def draw(self, painter: QPainter) -> None:
        """Frame, ticks, the line of zero velocity and the words."""
        painter.setPen(_INK)
        painter.drawRect(_PLOT)
        for value in _ticks(100.0 * self._low_m_s, 100.0 * self._high_m_s):
            y = self.point(self._start_s, value / 100.0).y()
            painter.drawLine(QPointF(_PLOT.left() - 5.0, y), QPointF(_PLOT.left(), y))
            box = QRectF(0.0, y - 10.0, _PLOT.left() - 9.0, 20.0)
            painter.drawText(
                box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:g}"
            )
        for value in _ticks(self._start_s, self._end_s):
            x = self.point(value, 0.0).x()
            painter.drawLine(QPointF(x, _PLOT.bottom()), QPointF(x, _PLOT.bottom() + 5.0))
            box = QRectF(x - 40.0, _PLOT.bottom() + 6.0, 80.0, 18.0)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{value:g}")
        painter.drawText(QPointF(8.0, _PLOT.top() - 8.0), "cm/s")
        painter.drawText(QPointF(_PLOT.right() - 8.0, _PLOT.bottom() + 40.0), "s")
        zero = self.point(self._start_s, 0.0).y()
        painter.setPen(QPen(_INK, 1.0, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(_PLOT.left(), zero), QPointF(_PLOT.right(), zero))


def _ticks(low: float, high: float) -> list[float]:
    """About six round numbers between two limits."""
    rough = (high - low) / 6.0
    decade = 10.0 ** np.floor(np.log10(rough))
    step = decade * next(step for step in _STEPS if step * decade >= rough)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [round(k * float(step), 9) for k in range(first, last + 1)]
