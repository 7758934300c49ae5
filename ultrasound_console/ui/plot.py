"""A plot: curves, levels and a raster over two axes with units.

pyqtgraph is imported when the first plot comes to the screen, never before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetrics, QMouseEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGraphicsItem, QLabel, QSizePolicy, QVBoxLayout, QWidget

from . import theme

_REDRAW_MS = 90
_AXIS_PX = 52
_FOOT_PX = 19
_GRID_OPACITY = 40
_LINE = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 2
_DASHES = "\N{BOX DRAWINGS HEAVY TRIPLE DASH HORIZONTAL}" * 2
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, eq=False)
class Curve:
    """A line through points, in the units of the axes; NaN leaves a gap.

    Attributes
    ----------
    name : str
        For the legend; a curve without one is not in it.
    x, y : (n,) float64
    colour : str
    width_px : float
    dashed : bool
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: str
    width_px: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A thin line straight across, at a value of the y axis; in the legend if it has a name."""

    y: float
    colour: str = theme.QUIET
    name: str = ""


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture behind the curves.

    Attributes
    ----------
    rgb : (n_y, n_x, 3) uint8
        First row at the low end of y.
    x_limits, y_limits : tuple of float
        Outer edges, in the units of the axes.
    """

    rgb: NDArray[np.uint8]
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Drawing:
    """All that a plot shows.

    Attributes
    ----------
    curves : sequence of Curve
        The last one on top.
    levels : sequence of Level
    raster : Raster, optional
    x_limits, y_limits : tuple of float, optional
        Ends of the axes; as far as the curves and the raster reach without.
    """

    curves: Sequence[Curve] = ()
    levels: Sequence[Level] = ()
    raster: Raster | None = None
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None


class Plot(QWidget):
    """A plot with a title, a legend, units on its axes and a line at one place.

    What it is given comes to the screen a moment later, at most eleven times a second, and not at
    all while nobody sees it.

    Parameters
    ----------
    title : str
    x_unit, y_unit : str
        Written at the axes.
    y_down : bool
        Whether y grows downwards, as depth does.

    Signals
    -------
    pressed : (x, y)
        Where the left button was pressed or dragged, in the units of the axes.
    """

    pressed = Signal(float, float)

    def __init__(self, title: str, x_unit: str, y_unit: str, *, y_down: bool = False) -> None:
        super().__init__()
        self._title, self._y_down = title, y_down
        self._units = x_unit, y_unit
        self.drawing = Drawing()
        self.marked: float | None = None
        self.legend = QLabel()
        self.legend.setObjectName("legend")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setFont(theme.font(theme.SMALL_PX))
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(4, 2, 4, 0)
        self._rows.setSpacing(0)
        self._rows.addWidget(self.legend)
        self._axes: Any = None  # pyqtgraph's widget
        self._box: Any = None  # in which the curves are
        self._lines: list[Any] = []
        self._levels: list[Any] = []
        self._raster: Any = None
        self._mark: Any = None
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self._draw)
        self._write_legend()

    def show_drawing(self, drawing: Drawing) -> None:
        """Show something else."""
        self.drawing = drawing
        self._soon()

    def mark(self, x: float | None) -> None:
        """Draw a line at a place of the x axis, or none."""
        if x != self.marked:
            self.marked = x
            self._soon()

    def set_title(self, title: str) -> None:
        """Give it another title."""
        if title != self._title:
            self._title = title
            self._soon()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the legend anew."""
        super().resizeEvent(event)
        self._soon()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what was given meanwhile."""
        super().showEvent(event)
        self._soon()

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Return where on this widget a point of the axes is."""
        at = self._axes.mapFromScene(self._box.mapViewToScene(QPointF(x, y)))
        place = self._axes.viewport().mapTo(self, at)
        return place.x(), place.y()

    def _soon(self) -> None:
        if self.isVisible() and not self._redraw.isActive():
            self._redraw.start()

    # ---- drawing --------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self.isVisible():
            return
        if self._axes is None:
            self._make_axes()
        self._write_legend()
        drawing = self.drawing
        _match(self._levels, len(drawing.levels), self._new_level, self._box.removeItem)
        for item, level in zip(self._levels, drawing.levels, strict=True):
            item.setPen(_pen(level.colour))
            item.setPos(level.y)
        _match(self._lines, len(drawing.curves), self._new_line, self._box.removeItem)
        for item, curve in zip(self._lines, drawing.curves, strict=True):
            pen = _pen(curve.colour, curve.width_px, dashed=curve.dashed)
            # A path wider than a pixel takes Qt twice as long as its pieces one by one.
            item.setSegmentedLineMode("off" if curve.dashed else "on")
            item.setData(curve.x, curve.y, pen=pen, connect="finite")
        self._draw_raster(drawing.raster)
        x_limits = drawing.x_limits or _reach(drawing, 0)
        y_limits = drawing.y_limits or _rounded(*_reach(drawing, 1))
        self._box.setRange(xRange=x_limits, yRange=y_limits, padding=0.0, disableAutoRange=True)
        self._mark.setVisible(self.marked is not None)
        if self.marked is not None:
            self._mark.setPos(self.marked)

    def _draw_raster(self, raster: Raster | None) -> None:
        self._raster.setVisible(raster is not None)
        if raster is not None:
            (left, right), (low, high) = raster.x_limits, raster.y_limits
            self._raster.setImage(raster.rgb, levels=None, autoLevels=False)
            self._raster.setRect(QRectF(left, low, right - left, high - low))

    def _make_axes(self) -> None:
        """Bring pyqtgraph in.

        Its ready-made plot has seven menus without a parent, which outlive a window.
        """
        import pyqtgraph

        axes = pyqtgraph.GraphicsView(self, background=theme.GROUND)
        axes.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        axes.setFrameShape(axes.Shape.NoFrame)
        cells = pyqtgraph.GraphicsLayout()
        cells.setContentsMargins(0, 2, 6, 0)
        cells.setSpacing(0)
        axes.setCentralItem(cells)
        box = pyqtgraph.ViewBox(enableMenu=False, enableMouse=False, invertY=self._y_down)
        cells.addItem(box, 0, 1)
        kept = []
        for name, unit in zip(("bottom", "left"), self._units, strict=True):
            axis = pyqtgraph.AxisItem(name, linkView=box)
            axis.setStyle(tickFont=theme.font(theme.SMALL_PX), tickTextOffset=3, tickLength=-4)
            axis.setPen(QColor(theme.LINE).lighter(150))
            axis.setTextPen(theme.CAPTION)
            axis.enableAutoSIPrefix(False)
            kept += [axis, axis.label]
            if name == "left":
                axis.setLabel(unit, **{"color": theme.CAPTION, "font-size": f"{theme.SMALL_PX}px"})
                axis.setWidth(_AXIS_PX)
                axis.setGrid(_GRID_OPACITY)
                cells.addItem(axis, 0, 0)
            else:
                axis.setHeight(_FOOT_PX)
                cells.addItem(axis, 1, 1)
        # In line with the numbers: a row of its own would cost the curves a fifth of their height.
        unit_item = pyqtgraph.LabelItem(
            self._units[0], size=f"{theme.SMALL_PX}px", color=theme.CAPTION
        )
        cells.addItem(unit_item, 1, 2)
        # Painted anew with every curve, axes and texts cost more than the curves.
        for part in (*kept, unit_item.item):
            part.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self._raster = pyqtgraph.ImageItem(axisOrder="row-major")
        self._mark = pyqtgraph.InfiniteLine(angle=90, pen=_pen(theme.ACCENT, 1.5))
        for part in (self._raster, self._mark):
            box.addItem(part, ignoreBounds=True)
        self._raster.setZValue(-10)
        self._mark.setZValue(10)
        axes.viewport().installEventFilter(self)
        self._axes, self._box = axes, box
        self._rows.addWidget(axes, 1)

    def _new_line(self) -> Any:
        import pyqtgraph

        line = pyqtgraph.PlotCurveItem(antialias=True)
        self._box.addItem(line, ignoreBounds=True)
        return line

    def _new_level(self) -> Any:
        import pyqtgraph

        level = pyqtgraph.InfiniteLine(angle=0)
        level.setZValue(-5)
        self._box.addItem(level, ignoreBounds=True)
        return level

    def _write_legend(self) -> None:
        """Write the title and as many names as there is room for; the tooltip has all."""
        every: tuple[Curve | Level, ...] = (*self.drawing.curves, *self.drawing.levels)
        named = [one for one in every if one.name]
        room_px = self.legend.width() if self.isVisible() else math.inf
        title, n_named = _fitted(self._title, [one.name for one in named], room_px)
        text = _legend_text(title, named[:n_named])
        if text != self.legend.text():
            self.legend.setText(text)
        self.legend.setToolTip(_legend_text(self._title, named))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Tell where the mouse presses and drags; nothing else is done by mouse."""
        del watched
        kind = event.type()
        if kind not in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove):
            return False
        assert isinstance(event, QMouseEvent)
        is_move = kind == QEvent.Type.MouseMove
        held = event.buttons() if is_move else event.button()
        if not held & Qt.MouseButton.LeftButton:
            return False
        scene = self._axes.mapToScene(event.position().toPoint())
        at = self._box.mapSceneToView(scene)
        self.pressed.emit(at.x(), at.y())
        return True


def _fitted(title: str, names: Sequence[str], room_px: float) -> tuple[str, int]:
    """Shorten a title to its room, and tell how many names have room behind it."""
    bold = QFontMetrics(theme.font(theme.SMALL_PX, bold=True))
    if bold.horizontalAdvance(title) > room_px:
        return bold.elidedText(title, Qt.TextElideMode.ElideRight, int(room_px)), 0
    plain = QFontMetrics(theme.font(theme.SMALL_PX))
    used_px = bold.horizontalAdvance(title)
    for n_fitted, name in enumerate(names):
        used_px += plain.horizontalAdvance(f"   {_DASHES} {name}")
        if used_px > room_px:
            return title, n_fitted
    return title, len(names)


def _legend_text(title: str, named: Sequence[Curve | Level]) -> str:
    parts = [f"<b>{title}</b>"]
    for one in named:
        is_dashed = isinstance(one, Curve) and one.dashed
        line = f"<span style='color:{one.colour}'>{_DASHES if is_dashed else _LINE}</span>"
        parts.append(f"{line} {one.name}")
    return theme.quiet("&nbsp;&nbsp; ".join(parts))


def _match(items: list[Any], n: int, make: Any, remove: Any) -> None:
    """Make or remove items until there are ``n``."""
    while len(items) > n:
        remove(items.pop())
    while len(items) < n:
        items.append(make())


def _pen(colour: str, width_px: float = 1.0, *, dashed: bool = False) -> Any:
    import pyqtgraph

    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    return pyqtgraph.mkPen(colour, width=width_px, style=style)


def _reach(drawing: Drawing, axis: int) -> tuple[float, float]:
    """How far curves, levels and raster go along x (0) or y (1)."""
    ends: list[float] = []
    for curve in drawing.curves:
        values = (curve.x, curve.y)[axis]
        finite = values[np.isfinite(values)]
        if finite.size:
            ends += [float(finite.min()), float(finite.max())]
    if axis == 1:
        ends += [level.y for level in drawing.levels]
    if drawing.raster is not None:
        ends += (drawing.raster.x_limits, drawing.raster.y_limits)[axis]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Go a little further out, to round numbers, so that an axis does not creep with its data."""
    rough = (high - low) / 8.0
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(s for s in _STEPS if s * scale >= rough) * scale
    return math.floor(low / step) * step, math.ceil(high / step) * step
