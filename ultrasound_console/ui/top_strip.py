"""The line above the panels: what is scanned, the state in large letters, the figures in force."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from ..dsp import wall_filter
from ..frames import Acquisition, DopplerFrame
from ..status import State
from . import theme
from .presets import PresetButton
from .steps import prf_text

HEIGHT_PX = 36
DOT = "\N{BLACK CIRCLE}"

_MEANING = {
    State.LIVE: "The picture follows the source.",
    State.FROZEN: "Transmission has stopped; the picture is held. Space goes on.",
    State.PREPARING: "The source is getting ready; the picture is not of now.",
    State.STALE: "No new picture has come for a while; this one is old.",
    State.FAULT: "Something has failed; the message says what.",
}

# Text, ink and ground of the chip.
_CHIPS = {
    State.LIVE: ("LIVE", theme.LIVE, "#10301a"),
    State.FROZEN: ("FROZEN", theme.GROUND, theme.COLD),
    State.PREPARING: ("PREPARING", theme.TEXT, theme.LINE),
    State.STALE: ("STALE", theme.GROUND, theme.WARNING),
    State.FAULT: ("FAULT", "#ffffff", theme.ALARM),
}
REPLAY = "REPLAY"


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
        text, ink, ground = _CHIPS[state]
        if state is State.LIVE:
            text = f"{DOT} {REPLAY if is_recording else text}"
        if text != self.text():
            self.setText(text)
            self.setToolTip(_MEANING[state])
            self.setStyleSheet(f"color: {ink}; background: {ground}; border-radius: 5px;")


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
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT_PX)
        self.menu_button = QToolButton()
        self.menu_button.setText("Menu")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setToolTip("Open, view, help (F10)")
        self.source = ElidedLabel()
        self.source.setFont(theme.font(13, bold=True))
        self.chip = StateChip()
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

    def show_source(self, acquisition: Acquisition | None) -> None:
        """Name the source and its probe."""
        if acquisition is None:
            self.source.say("")
            return
        f0_mhz = acquisition.center_frequency_hz * 1e-6
        self.source.say(f"{acquisition.source}   {acquisition.probe.name}   {f0_mhz:.1f} MHz")

    def show_figures(self, frame: DopplerFrame | None, painted_fps: float) -> None:
        """Tell what made the frame on screen."""
        if frame is None:
            self.figures.setText("")
            return
        acquisition, quiet = frame.acquisition, theme.quiet
        asked, got = acquisition.requested_prf_hz, acquisition.prf_hz
        prf = prf_text(got)
        if prf != prf_text(asked):
            prf = f"{prf} {quiet(f'(asked {prf_text(asked)})')}"
        parts = (
            f"{quiet('PRF')} {prf}",
            f"{quiet('v<sub>N</sub>')} {frame.nyquist_velocity_m_s * 100:.1f} cm/s",
            f"{quiet('Wall')} {_wall_text(frame)}",
            f"<b>{painted_fps:.0f}</b> {quiet('frames/s')}",
        )
        text = "&nbsp;&nbsp; ".join(parts)
        if text != self.figures.text():
            self.figures.setText(text)


def _wall_text(frame: DopplerFrame) -> str:
    """Name of the filter in force, and from where on it passes half the power."""
    kind, nyquist_m_s = frame.wall_filter, frame.nyquist_velocity_m_s
    cutoff_prf = wall_filter.cutoff(kind, frame.acquisition.n_pulses)
    if cutoff_prf == 0.0:
        return kind
    cutoff_cm_s, cutoff_hz = 200.0 * cutoff_prf * nyquist_m_s, cutoff_prf * frame.acquisition.prf_hz
    return f"{kind} {cutoff_cm_s:.1f} cm/s, {cutoff_hz:.0f} Hz"
