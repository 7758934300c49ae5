"""The line above the panels: what is scanned, the state in large letters, the figures in force."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from ..dsp import wall_filter
from ..frames import Acquisition, DopplerFrame
from ..pipeline.pace import coarseness
from ..status import State
from . import theme
from .presets import PresetButton
from .steps import prf_text, prfs_text

HEIGHT_PX = 36
DOT = "\N{BLACK CIRCLE}"

_MEANING = {
    State.LIVE: "The picture follows the source.",
    State.FROZEN: "Transmission has stopped; the picture is held. Space goes on.",
    State.PREPARING: "The source is getting ready; the picture is not of now.",
    State.STALE: "No new picture has come for a while; this one is old.",
    State.FAULT: "Something has failed; the message says what.",
}

CHIPS = {
    State.LIVE: ("LIVE", theme.LIVE, "#10301a"),
    State.FROZEN: ("FROZEN", theme.GROUND, theme.COLD),
    State.PREPARING: ("PREPARING", theme.TEXT, theme.LINE),
    State.STALE: ("STALE", theme.GROUND, theme.WARNING),
    State.FAULT: ("FAULT", "#ffffff", theme.ALARM),
}
"""Text, ink and ground of the chip."""
REPLAY = "REPLAY"
_MOST_LESS = 4
_WIDEST_FPS = "100"
_EDGE_PX = 3
_EDGES = {
    State.LIVE: theme.STRIP,
    State.FROZEN: theme.COLD,
    State.PREPARING: theme.LINE,
    State.STALE: theme.WARNING,
    State.FAULT: theme.ALARM,
}


class StateChip(QLabel):
    """The state, big enough to be read across a room."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("state")
        self.setFont(theme.font(theme.CHIP_PX, bold=True))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedSize(190, 28)

    def show_state(self, state: State, *, is_recording: bool) -> None:
        """Name the state; a recording is replayed, never live."""
        text, ink, ground = CHIPS[state]
        if state is State.LIVE:
            text = f"{DOT} {REPLAY if is_recording else text}"
        if text != self.text():
            self.setText(text)
            self.setToolTip(_MEANING[state])
            self.setStyleSheet(f"color: {ink}; background: {ground}; border-radius: 5px;")


class CoarseBadge(QLabel):
    """How coarse the picture on screen is to keep the frame rate; else it is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("coarse")
        self.setFont(theme.font(theme.SMALL_PX, bold=True))
        self.setToolTip(
            "The computer is too slow for this picture, so its samples lie farther apart. "
            "'Keep frame rate' allows that; off, it leaves frames out instead."
        )
        self.setStyleSheet(
            f"color: {theme.GROUND}; background: {theme.WARNING}; border-radius: 5px;"
            " padding: 2px 8px;"
        )
        self.hide()

    def show_frame(self, frame: DopplerFrame | None) -> None:
        """Tell of the frame on screen."""
        how = "" if frame is None else coarseness(frame.acquisition)
        text = f"COARSER: {how}" if how else ""
        if text != self.text():
            self.setText(text)
            self.setVisible(bool(text))


class ElidedLabel(QLabel):
    """One line that ends in an ellipsis where room is short; the tooltip has it all."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.full_text = ""

    def say(self, text: str) -> None:
        """Show a text."""
        if text != self.full_text:
            self.full_text = text
            self.setToolTip(text)
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self.font())
        self.setText(metrics.elidedText(self.full_text, Qt.TextElideMode.ElideRight, self.width()))


class TopStrip(QWidget):
    """Menu button, source, preset, state, and the figures of the frame on screen."""

    def __init__(self, preset: PresetButton) -> None:
        super().__init__()
        self.setObjectName("strip")
        # What is told, in how much room, and how much of it is left out.
        self._fitted: tuple[tuple[str, ...], int] = (), 0
        self._n_less = 0
        self._is_live = False
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT_PX)
        self.menu_button = QToolButton()
        self.menu_button.setText("Menu")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setToolTip("Open, view, help (F10)")
        self.source = ElidedLabel()
        self.source.setFont(theme.font(13, bold=True))
        self.chip = StateChip()
        self.coarse = CoarseBadge()
        self.figures = QLabel()
        self.figures.setObjectName("figures")
        self.figures.setTextFormat(Qt.TextFormat.RichText)
        self.figures.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        left = QWidget()
        row = QHBoxLayout(left)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        row.addWidget(self.menu_button)
        row.addWidget(self.source, 1)
        row.addWidget(preset)
        row.addWidget(self.coarse)
        left.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QGridLayout(self)
        layout.setContentsMargins(8, 0, 10, 0)
        layout.setHorizontalSpacing(10)
        layout.addWidget(left, 0, 0)
        layout.addWidget(self.chip, 0, 1)
        layout.addWidget(self.figures, 0, 2)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(2, 1)

    def show_state(self, state: State, *, is_recording: bool) -> None:
        """Name the state; unless all is as usual, a line in its colour goes from edge to edge."""
        self._is_live = state is State.LIVE
        self.chip.show_state(state, is_recording=is_recording)
        style = f"#strip {{ border-bottom: {_EDGE_PX}px solid {_EDGES[state]}; }}"
        if style != self.styleSheet():
            self.setStyleSheet(style)

    def show_source(self, acquisition: Acquisition | None) -> None:
        """Name the source and its probe."""
        if acquisition is None:
            self.source.say("")
            return
        f0_mhz = acquisition.center_frequency_hz * 1e-6
        self.source.say(f"{acquisition.source}   {acquisition.probe.name}   {f0_mhz:.1f} MHz")

    def show_figures(self, frame: DopplerFrame | None, painted_fps: float) -> None:
        """Tell what made the frame on screen."""
        self.coarse.show_frame(frame)
        if frame is None:
            self.figures.setText("")
            return
        in_full = figures_of(frame)
        if (in_full, self.figures.width()) != self._fitted:
            self._fitted = in_full, self.figures.width()
            self._n_less = self._fit(frame)
            self.figures.setToolTip("<br>".join(in_full))
        # Pictures that come too seldom to be counted come all the same.
        fps = "&lt;1" if self._is_live and painted_fps < 0.5 else f"{painted_fps:.0f}"
        text = _line(figures_of(frame, self._n_less), fps)
        if text != self.figures.text():
            self.figures.setText(text)

    def _fit(self, frame: DopplerFrame) -> int:
        """Find how much has to be left out, so that no figure is cut."""
        for n_less in range(_MOST_LESS):
            self.figures.setText(_line(figures_of(frame, n_less), _WIDEST_FPS))
            if self.figures.sizeHint().width() <= self.figures.width():
                return n_less
        return _MOST_LESS


def _line(figures: tuple[str, ...], fps: str) -> str:
    return "&nbsp;&nbsp; ".join((*figures, f"<b>{fps}</b> {theme.quiet('frames/s')}"))


def figures_of(frame: DopplerFrame, n_less: int = 0) -> tuple[str, ...]:
    """Tell PRF, v_N, length of the ensemble and wall filter, the less the shorter."""
    acquisition, quiet = frame.acquisition, theme.quiet
    asked, got = acquisition.requested_prf_hz, acquisition.prf_hz
    prf = prfs_text(acquisition)
    if prf_text(got) != prf_text(asked) and n_less < _MOST_LESS:
        prf = f"{prf} {quiet(f'(asked {prf_text(asked)})')}"
    wall = _wall_text(frame).split(", ")
    wall_text = wall[0].split(" ")[0] if n_less > 1 else ", ".join(wall[: 2 - n_less])
    ensemble = (f"{quiet('Ensemble')} {acquisition.n_pulses}",) if n_less < _MOST_LESS - 1 else ()
    return (
        f"{quiet('PRF')} {prf}",
        f"{quiet('v<sub>N</sub>')} {frame.nyquist_velocity_m_s * 100:.1f} cm/s",
        *ensemble,
        f"{quiet('Wall')} {wall_text}",
    )


def _wall_text(frame: DopplerFrame) -> str:
    """Name of the filter in force, and from where on it passes half the power."""
    kind, nyquist_m_s = frame.wall_filter, frame.nyquist_velocity_m_s
    cutoff_prf = wall_filter.cutoff(kind, frame.acquisition.n_pulses)
    if cutoff_prf == 0.0:
        return kind
    cutoff_cm_s, cutoff_hz = 200.0 * cutoff_prf * nyquist_m_s, cutoff_prf * frame.acquisition.prf_hz
    return f"{kind} {cutoff_cm_s:.1f} cm/s, {cutoff_hz:.0f} Hz"
