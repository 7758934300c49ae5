"""Pictures to keep: the panels as they are on screen, with the words that say what they are."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from .. import BANNER, __version__
from ..frames import DopplerFrame, Status
from ..pipeline.pace import coarseness
from ..render.canvas import PanelCanvas
from ..render.painter import CONVENTIONAL, CORRECTED, FOLDS, KEPT, TRUTH
from ..settings import DisplaySettings
from ..status import State
from . import theme
from .top_strip import CHIPS, REPLAY, ElidedLabel, figures_of

_HEAD_PX, _FOOT_PX = 34, 24
_CHIP_PX = (190, 26)
_MARGIN_PX, _GAP_PX = 10, 12
_MOST_LESS = 4

_HOLDS = {
    CONVENTIONAL: "raw velocity, aliased beyond the Nyquist velocity",
    FOLDS: "folds found",
    CORRECTED: "corrected velocity, de-aliased",
    TRUTH: "true velocity of the simulation",
    KEPT: "corrected velocity as kept before (A)",
}


@dataclass(frozen=True)
class Occasion:
    """How a picture came to be taken.

    Attributes
    ----------
    state : State
        Of the screen.
    is_recording : bool
        Whether the source is one.
    clip_speed : float, optional
        In real time, where the picture is one of a clip.
    """

    state: State
    is_recording: bool
    clip_speed: float | None = None

    @property
    def word(self) -> str:
        """What the chip says; no picture that was saved is live."""
        if self.clip_speed is not None:
            return f"CLIP {self.clip_speed:g}\N{MULTIPLICATION SIGN}"
        if self.state is State.LIVE:
            return REPLAY if self.is_recording else "TAKEN LIVE"
        return CHIPS[self.state][0]

    @property
    def colours(self) -> tuple[str, str]:
        """Ink and ground of the chip; green is left to what is live."""
        if self.state is State.LIVE and self.clip_speed is None:
            return theme.TEXT, theme.LINE
        return CHIPS[self.state][1:]


@dataclass(frozen=True, eq=False)
class Still:
    """A picture, and what made it as text by keyword."""

    image: QImage
    texts: dict[str, str]

    def fitted(self, size: QSize) -> Still:
        """Return it in a size, on an even ground where the shape is another."""
        if self.image.size() == size:
            return self
        whole = QImage(size, QImage.Format.Format_RGB32)
        whole.fill(theme.GROUND)
        keep, smooth = (
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        scaled = self.image.scaled(size, keep, smooth)
        scaled.setDevicePixelRatio(1.0)
        corner = (size.width() - scaled.width()) // 2, (size.height() - scaled.height()) // 2
        painter = QPainter(whole)
        painter.drawImage(*corner, scaled)
        painter.end()
        return Still(whole, self.texts)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8."""
        image = self.image.convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


class Stills:
    """Takes pictures of a canvas with what belongs to it, between a line above and one below.

    Parameters
    ----------
    canvas : PanelCanvas
    left_out : QWidget
        On the canvas: nobody can press it in a picture.
    above, below : sequence of QWidget
        In the column of the canvas; in the picture while they are shown.
    parent : QWidget, optional
        Of the lines, which are never shown themselves.
    """

    def __init__(
        self,
        canvas: PanelCanvas,
        left_out: QWidget,
        *,
        above: Sequence[QWidget] = (),
        below: Sequence[QWidget] = (),
        parent: QWidget | None = None,
    ) -> None:
        self._canvas, self._left_out = canvas, left_out
        self._above, self._below = above, below
        self._head, self._foot = _Head(parent), _Foot(parent)

    def take(self, frame: DopplerFrame, occasion: Occasion) -> Still:
        """Take a picture of the frame on screen.

        Returns
        -------
        Still
            Of an even number of pixels each way, as films need it.
        """
        canvas, moment = self._canvas, _moment(frame)
        self._head.say(frame, occasion, canvas.width())
        self._foot.say(frame, moment, is_recording=occasion.is_recording)
        above = [widget for widget in self._above if not widget.isHidden()]
        below = [widget for widget in self._below if not widget.isHidden()]
        widgets = (self._head, *above, canvas, *below, self._foot)
        for line in (self._head, self._foot):
            line.resize(canvas.width(), line.height())
        scale = canvas.devicePixelRatioF()
        size = QSize(canvas.width(), sum(widget.height() for widget in widgets)) * scale
        even = QSize(size.width() + size.width() % 2, size.height() + size.height() % 2)
        image = QImage(even, QImage.Format.Format_RGB32)
        image.fill(theme.GROUND)
        image.setDevicePixelRatio(scale)
        is_there = not self._left_out.isHidden()
        self._left_out.hide()
        painter, y_px = QPainter(image), 0
        for widget in widgets:
            painter.drawPixmap(0, y_px, widget.grab())
            y_px += widget.height()
        painter.end()
        self._left_out.setVisible(is_there)
        return Still(image, texts_of(frame, canvas.panels, canvas.display, occasion.word, moment))


def texts_of(
    frame: DopplerFrame,
    panels: Sequence[int],
    display: DisplaySettings,
    word: str,
    moment: datetime,
) -> dict[str, str]:
    """Say what a picture holds and what made it, for whoever finds it; no path, no patient.

    Parameters
    ----------
    frame : DopplerFrame
    panels : sequence of int
        From the left.
    display : DisplaySettings
    word : str
        The state that the picture shows.
    moment : datetime
        When the frame came.
    """
    acquisition, second_hz = frame.acquisition, frame.acquisition.second_prf_hz
    holds = [_HOLDS[panel] for panel in panels]
    if CORRECTED in panels and not frame.processing.dealias:
        holds[panels.index(CORRECTED)] = "raw velocity: de-aliasing is off"
    if (frame.status == Status.BY_HAND).any():
        holds.append("some folds were given by hand")
    if how := coarseness(acquisition).replace("\N{MULTIPLICATION SIGN}", "x"):
        holds.append(f"coarser to keep the frame rate: {how}")
    along = "along the beam, positive towards the probe"
    if display.angle_rad > 0.0:
        along = f"divided by the cosine of {math.degrees(display.angle_rad):.0f} degrees"
    settings = {"processing": asdict(frame.processing), "display": asdict(display)}
    return {
        "Title": f"Colour Doppler, {acquisition.source}, frame {frame.index}",
        "Disclaimer": BANNER,
        "Software": f"ultrasound_console {__version__}",
        "Source": acquisition.source,
        "Creation Time": moment.isoformat(timespec="seconds"),
        "State": word.replace("\N{MULTIPLICATION SIGN}", "x"),
        "Panels": "; ".join(holds),
        "Velocities": along,
        "Frame": str(frame.index),
        "Time": f"{frame.time_s:.6f} s",
        "PRF": f"{acquisition.prf_hz:.6g} Hz",
        **({"Second PRF": f"{second_hz:.6g} Hz"} if second_hz else {}),
        "Nyquist velocity": f"{100.0 * frame.nyquist_velocity_m_s:.4g} cm/s",
        "Centre frequency": f"{1e-6 * acquisition.center_frequency_hz:.6g} MHz",
        "Probe": acquisition.probe.name,
        "Wall filter": frame.wall_filter,
        "Settings": json.dumps(settings),
    }


def _moment(frame: DopplerFrame) -> datetime:
    """When a frame came, by the clock on the wall."""
    ago_s = time.perf_counter() - frame.received_s
    return datetime.fromtimestamp(time.time() - ago_s).astimezone()


class _Line(QWidget):
    """A line of the picture, drawn as a widget is."""

    def __init__(self, parent: QWidget | None, name: str, height_px: int) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(f"#{name} {{ background: {theme.STRIP}; }}")
        self.setFixedHeight(height_px)
        self.hide()


class _Head(_Line):
    """What is scanned, the state, and the figures of the frame."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent, "still_head", _HEAD_PX)
        self._source, self._chip, self._figures = ElidedLabel(), QLabel(), QLabel()
        self._source.setFont(theme.font(13, bold=True))
        self._chip.setFont(theme.font(theme.TITLE_PX, bold=True))
        self._chip.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._chip.setFixedSize(*_CHIP_PX)
        self._figures.setTextFormat(Qt.TextFormat.RichText)
        self._figures.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = QGridLayout(self)
        row.setContentsMargins(_MARGIN_PX, 0, _MARGIN_PX, 0)
        row.setHorizontalSpacing(_GAP_PX)
        for column, label in enumerate((self._source, self._chip, self._figures)):
            row.addWidget(label, 0, column)
        row.setColumnStretch(0, 1)
        row.setColumnStretch(2, 1)

    def say(self, frame: DopplerFrame, occasion: Occasion, width_px: int) -> None:
        acquisition = frame.acquisition
        f0_mhz = acquisition.center_frequency_hz * 1e-6
        self._source.say(f"{acquisition.source}   {acquisition.probe.name}   {f0_mhz:.1f} MHz")
        self._chip.setText(occasion.word)
        ink, ground = occasion.colours
        self._chip.setStyleSheet(f"color: {ink}; background: {ground}; border-radius: 5px;")
        room_px = (width_px - _CHIP_PX[0]) // 2 - _MARGIN_PX - _GAP_PX
        for n_less in range(_MOST_LESS + 1):
            self._figures.setText("&nbsp;&nbsp; ".join(figures_of(frame, n_less)))
            if self._figures.sizeHint().width() <= room_px:
                return


class _Foot(_Line):
    """Which frame, when it came, and the banner."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent, "still_foot", _FOOT_PX)
        self._frame, banner = ElidedLabel(), QLabel(BANNER)
        self._frame.setFont(theme.font(theme.SMALL_PX))
        self._frame.setStyleSheet(f"color: {theme.CAPTION};")
        banner.setFont(theme.font(theme.SMALL_PX, bold=True))
        banner.setStyleSheet(f"color: {theme.CAPTION};")
        row = QHBoxLayout(self)
        row.setContentsMargins(_MARGIN_PX, 0, _MARGIN_PX, 0)
        row.addWidget(self._frame, 1)
        row.addWidget(banner)

    def say(self, frame: DopplerFrame, moment: datetime, *, is_recording: bool) -> None:
        when = f"{'replayed ' if is_recording else ''}{moment:%Y-%m-%d %H:%M:%S}"
        parts = f"frame {frame.index}   {frame.time_s:.3f} s", when, "MI/TI n/a"
        self._frame.say("   \N{MIDDLE DOT}   ".join(parts))
