"""All controls: a strip under the panels on a small screen, a column beside them on a wide one."""

from __future__ import annotations

import math
from enum import StrEnum

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..declared import Value, specs
from ..frames import Acquisition
from ..settings import SPECS, AcquisitionSettings, Settings
from ..settings.display import TGC
from . import theme
from .controls import make_control
from .flow_switch import FlowSwitch, PushButton
from .steps import prf_steps, prf_text, prfs_text

EVERYDAY = (
    "prf_hz",
    "colour_scale_m_s",
    "baseline",
    "colour_gain_db",
    "wall_filter",
    "persistence_s",
    "dealias",
    "overlay_opacity",
    "write_priority",
    "bmode_gain_db",
)
"""Always in sight; the strip adds as many of the others as there is room for."""
_STRIP_ORDER = ("Colour", "B-mode", "De-alias", "Acquire", "Simulate", "System")

HEART = ("heart_rate_hz", "peak_speed_m_s", "waveform")
GROUPS = {
    "Acquire": (
        "prf_hz",
        "dual_prf",
        "ensemble",
        "ensemble_step",
        "steering_rad",
        "depth_m",
        "box_left_m",
        "box_right_m",
        "box_top_m",
        "box_bottom_m",
        "frame_rate_hz",
        "keep_frame_rate",
        "probe",
        "transmit_frequency_hz",
        "n_cycles",
    ),
    "Colour": (
        "colour_scale_m_s",
        "baseline",
        "invert",
        "angle_rad",
        "colour_map",
        "colour_gain_db",
        "wall_filter",
        "wall_cutoff_m_s",
        "smoothing_m",
        "persistence_s",
        "flow_power_db",
        "flash_rejection",
        "local_frequency",
        "write_priority",
    ),
    "De-alias": ("dealias", "dealias_method", "overlay_opacity"),
    "B-mode": (
        "bmode_gain_db",
        "bmode_dynamic_range_db",
        "speckle_reduction",
        "f_number",
        "interpolate",
    ),
    "TGC": TGC,
    "Simulate": HEART,
    "System": ("view", "swap", "plots", "auto_freeze_s", "compute", "truth"),
}

COLUMN_WIDTH_PX = 280
_NO_LIMIT_PX = 16_777_215
STRIP_HEIGHT_PX = 68
_NARROWEST_PX = 208
_SPACING_PX = 4
_PRF_ROWS = 2
_MORE_WIDTH_PX = 48

FORMED_WHEN_ACQUIRED = {"f_number", *(name for name, _ in specs(AcquisitionSettings))}
"""Settings that a frozen frame cannot follow: its samples are beamformed already."""

FROZEN = "Frozen: press Space to resume, then change what is acquired."
ONLY_RECORDINGS = "Only for recordings."
ONLY_SIMULATED = "Only for simulated sources."
SET_BY_RECORDING = "Set when the recording was made."
RECORDED = "recorded"
LOCKED_FOR_RECORDINGS = dict.fromkeys(
    ("steering_rad", "frame_rate_hz", "probe", "transmit_frequency_hz", "n_cycles", "dual_prf"),
    SET_BY_RECORDING,
) | dict.fromkeys((*HEART, "truth"), ONLY_SIMULATED)


class Arrangement(StrEnum):
    """Where the controls are."""

    STRIP = "strip"
    COLUMN = "column"


def reset_value(name: str) -> Value:
    """Value in force when nobody has changed anything."""
    return Settings().get(name)


class PrfReadout(QLabel):
    """What became of the PRF that was asked for: achieved PRF, v_N and depth limit together."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("prf_readout")
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setFont(theme.font(theme.SMALL_PX))
        self.setFixedHeight(2 * (theme.SMALL_PX + 3))
        self.setContentsMargins(2, 0, 0, 0)

    def show_acquisition(self, acquisition: Acquisition) -> None:
        """Tell the three figures."""
        quiet = theme.quiet
        self.setText(
            f"{quiet('achieved')} {prfs_text(acquisition)}&nbsp; "
            f"{quiet('max')} {prf_text(acquisition.max_prf_hz)}<br>"
            f"{quiet('v<sub>N</sub>')} {acquisition.nyquist_velocity_m_s * 100:.1f} cm/s&nbsp; "
            f"{quiet('depth limit')} {acquisition.unambiguous_depth_m * 1e3:.0f} mm"
        )


class _Fold(QWidget):
    """A group of controls under a heading that folds it away."""

    def __init__(self, title: str, *, unfolded: bool = True) -> None:
        super().__init__()
        self._body = QWidget()
        self.grid = QGridLayout(self._body)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(_SPACING_PX)
        self.heading = QToolButton()
        self.heading.setText(title.upper())
        self.heading.setCheckable(True)
        self.heading.setChecked(unfolded)
        self.heading.setObjectName("heading")
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.toggled.connect(self._fold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(self._body)
        self._fold(unfolded)

    def _fold(self, unfolded: bool) -> None:
        self._body.setVisible(unfolded)
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.heading.setArrowType(arrow)


class ControlPanel(QWidget):
    """One control for every setting, generated from its declaration.

    Signals
    -------
    changed : (name, value)
    committed : ()
    """

    changed = Signal(str, object)
    committed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("controls")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.controls = {
            name: make_control(name, settings.get(name), reset_value(name)) for name in SPECS
        }
        for control in self.controls.values():
            control.changed.connect(self.changed)
            control.committed.connect(self.committed)
        self.prf_readout = PrfReadout()
        self.flow = FlowSwitch()
        self.flow.show_settings(settings)
        self.more = PushButton("More", "more")
        self.more.setCheckable(True)
        self.more.setToolTip("Show the controls that are needed less often (F9)")
        self.more.setFixedWidth(_MORE_WIDTH_PX)
        self.more.setStyleSheet("padding: 2px 0;")
        self.more.toggled.connect(self._show_rest)
        self._is_recording = False
        self._frozen = False
        self._arrangement: Arrangement | None = None
        self._n_columns = 0
        self._content: QWidget | None = None
        self._rest = QWidget()
        self.tgc = _Fold("TGC", unfolded=False)
        for name in TGC:
            self.controls[name].changed.connect(self._name_tgc)
        self._outer = QVBoxLayout(self)
        self._outer.setContentsMargins(0, 0, 0, 0)

    # ---- what the controls show -----------------------------------------------------------

    def show_settings(self, settings: Settings) -> None:
        """Follow the settings in force."""
        for name, control in self.controls.items():
            control.show_value(settings.get(name))
        self.flow.show_settings(settings)
        self._name_tgc()

    def flatten_tgc(self) -> None:
        """Set all gains along depth back, in one undo step."""
        for name in TGC:
            self.controls[name].give(self.controls[name].default)
        self.committed.emit()

    def _name_tgc(self) -> None:
        """Let the heading tell what it may hide."""
        shaped = any(self.controls[name].value for name in TGC)
        self.tgc.heading.setText("TGC: SHAPED" if shaped else "TGC: FLAT")

    def show_acquisition(self, acquisition: Acquisition) -> None:
        """Offer the PRFs that can be had, and tell what was achieved."""
        self.controls["prf_hz"].set_steps(prf_steps(acquisition))
        self.prf_readout.show_acquisition(acquisition)
        self._is_recording = bool(acquisition.prf_choices_hz)
        self._lock()

    def set_resets(self, start: Settings) -> None:
        """Let controls reset to what the source starts with."""
        for name, control in self.controls.items():
            control.default = start.get(name)

    def set_frozen(self, frozen: bool) -> None:
        """Lock what a frozen picture cannot follow."""
        if frozen != self._frozen:
            self._frozen = frozen
            self._lock()

    def _lock(self) -> None:
        own = LOCKED_FOR_RECORDINGS if self._is_recording else {"ensemble_step": ONLY_RECORDINGS}
        for name, control in self.controls.items():
            frozen = FROZEN if self._frozen and name in FORMED_WHEN_ACQUIRED else ""
            reason = own.get(name, frozen)
            control.lock(reason, RECORDED if reason == SET_BY_RECORDING else "")
        self.flow.lock(FROZEN if self._frozen else "")

    # ---- where they are -------------------------------------------------------------------

    @property
    def arrangement(self) -> Arrangement | None:
        """Where the controls are now."""
        return self._arrangement

    def arrange(self, arrangement: Arrangement, room_px: int) -> None:
        """Lay the controls out; they keep their state.

        Parameters
        ----------
        arrangement : Arrangement
        room_px : int
            Width that a strip has.
        """
        n_columns = 1
        if arrangement is Arrangement.STRIP:
            n_columns = max(2, room_px // _NARROWEST_PX)
        if (arrangement, n_columns) == (self._arrangement, self._n_columns):
            return
        self._arrangement, self._n_columns = arrangement, n_columns
        old = self._content
        self._content = self._column() if arrangement is Arrangement.COLUMN else self._strip()
        self._outer.addWidget(self._content)
        if old is not None:
            old.hide()
            old.deleteLater()

    def _strip(self) -> QWidget:
        self.setMinimumWidth(0)
        self.setMaximumWidth(_NO_LIMIT_PX)
        content = QWidget()
        grid = _grid(content, self._n_columns)
        grid.setContentsMargins(6, 6, 6, 6)
        grid.addWidget(self.controls["prf_hz"], 0, 0)
        grid.addWidget(self.prf_readout, 1, 0)
        rest = (name for title in _STRIP_ORDER for name in GROUPS[title])
        names = [*EVERYDAY[1:], *(name for name in rest if name not in EVERYDAY)]
        # The PRF and what became of it take the first column. The buttons come below them, or,
        # where nothing is below them, into the last slot.
        n_beside = self._n_columns - 1
        n_rows = max(_PRF_ROWS, math.ceil(len(EVERYDAY) / n_beside))
        below = n_rows > _PRF_ROWS
        if below:
            n_rows = max(_PRF_ROWS + 1, math.ceil((len(EVERYDAY) - 1) / n_beside))
        n_shown = n_rows * n_beside - (not below)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_SPACING_PX)
        row.addWidget(self.flow, 1)
        row.addWidget(self.more)
        self.flow.show()
        self.more.show()
        _fill(grid, [self.controls[name] for name in names[:n_shown]], left=1)
        grid.addWidget(buttons, n_rows - 1, 0 if below else n_beside)
        inside = QWidget()
        inside.setObjectName("controls")
        rest_grid = _grid(inside, self._n_columns)
        shown = {"prf_hz", *names[:n_shown]}
        cells: list[QWidget] = []
        for title in _STRIP_ORDER:
            others = [self.controls[name] for name in GROUPS[title] if name not in shown]
            if others and len(cells) % self._n_columns == self._n_columns - 1:
                cells.append(QWidget())  # no heading at the end of a line
            cells += [_heading(title), *others] if others else []
        _fill(rest_grid, cells, left=0)
        n_rest_rows = math.ceil(len(cells) / self._n_columns)
        rest_grid.addWidget(self._tgc_fold(self._n_columns), n_rest_rows, 0, 1, self._n_columns)
        self._rest = _scrolled(inside)
        # In a small window the rest gives way, not the pictures.
        self._rest.setSizeAdjustPolicy(QScrollArea.SizeAdjustPolicy.AdjustToContents)
        grid.addWidget(self._rest, n_rows, 0, 1, self._n_columns)
        self._show_rest(self.more.isChecked())
        return content

    def _column(self) -> QWidget:
        self.setFixedWidth(COLUMN_WIDTH_PX)
        inside = QWidget()
        inside.setObjectName("controls")
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(0)
        column.addWidget(self.flow)
        self.flow.show()
        column.addSpacing(_SPACING_PX)
        for title, names in GROUPS.items():
            if names == TGC:
                column.addWidget(self._tgc_fold(1))
                continue
            fold = _Fold(title)
            for row, name in enumerate(names):
                fold.grid.addWidget(self.controls[name], 2 * row, 0)
            if "prf_hz" in names:
                fold.grid.addWidget(self.prf_readout, 1, 0)
            column.addWidget(fold)
        column.addStretch(1)
        self.more.hide()
        self.more.setParent(self)
        return _scrolled(inside)

    def _tgc_fold(self, n_columns: int) -> _Fold:
        """Make the gains along depth, folded away unless they are being used."""
        self.tgc = _Fold("TGC", unfolded=self.tgc.heading.isChecked())
        self.tgc.grid.setHorizontalSpacing(8)
        for column in range(n_columns):
            self.tgc.grid.setColumnStretch(column, 1)
        flat = PushButton("Flat", "flat")
        flat.setToolTip("Set all eight gains back to 0 dB")
        flat.clicked.connect(self.flatten_tgc)
        _fill(self.tgc.grid, [*(self.controls[name] for name in TGC), flat], left=0)
        self._name_tgc()
        return self.tgc

    def toggle(self) -> None:
        """Show all controls, or only the everyday ones; beside the pictures, all or none."""
        if self._arrangement is Arrangement.STRIP:
            self.more.toggle()
        else:
            self.setVisible(not self.isVisible())

    def _show_rest(self, shown: bool) -> None:
        self._rest.setVisible(shown)
        self.more.setText("Fewer" if shown else "More")


def _heading(title: str) -> QLabel:
    """Name the group of the controls that follow."""
    label = QLabel(title.upper())
    label.setFont(theme.font(theme.SMALL_PX, bold=True))
    label.setStyleSheet(f"color: {theme.QUIET};")
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    label.setContentsMargins(0, 0, 6, 0)
    return label


def _scrolled(inside: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    return area


def _grid(holder: QWidget, n_columns: int) -> QGridLayout:
    grid = QGridLayout(holder)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(6)
    grid.setVerticalSpacing(_SPACING_PX)
    for column in range(n_columns):
        grid.setColumnStretch(column, 1)
    return grid


def _fill(grid: QGridLayout, widgets: list[QWidget], *, left: int) -> None:
    """Put widgets row by row into the columns from ``left`` on."""
    n_columns = grid.columnCount() - left
    for at, widget in enumerate(widgets):
        grid.addWidget(widget, at // n_columns, left + at % n_columns)
        widget.show()
