"""What a canvas shows: a frame, how, and what it is compared with. A pure value, without Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..frames import DopplerFrame
from ..settings import DisplaySettings
from ..settings.display import DUAL, ONLY_DEALIASED, ONLY_FOLDS, ONLY_RAW, POWER, TRIPLE
from .colour_scale import fold_ticks, power_ticks, velocity_ticks
from .painter import CONVENTIONAL, CORRECTED, FOLDS, KEPT, POWER_RANGE_DB, TRUTH, Look
from .view import Tick, View

_PANELS = {
    TRIPLE: (CONVENTIONAL, FOLDS, CORRECTED),
    DUAL: (CONVENTIONAL, CORRECTED),
    ONLY_RAW: (CONVENTIONAL,),
    ONLY_FOLDS: (FOLDS,),
    ONLY_DEALIASED: (CORRECTED,),
}


@dataclass(frozen=True)
class Showing:
    """A frame and the ways to look at it.

    Attributes
    ----------
    frame : DopplerFrame or None
    display : DisplaySettings
    scale_m_s : float
        Velocity at the end of the corrected panel's bar, where the settings choose none.
    stale : bool
        Grey, because it is not what happens now.
    comparing : bool
        The measured velocity stands in for the corrected one.
    other : DopplerFrame or None
        Another version of a frame, to compare it with.
    beside : bool
        It stands beside the frame, and no other panel is there.
    in_place : bool
        It stands in for the frame.
    """

    frame: DopplerFrame | None = None
    display: DisplaySettings = field(default_factory=DisplaySettings)
    scale_m_s: float = 0.0
    stale: bool = False
    comparing: bool = False
    other: DopplerFrame | None = None
    beside: bool = False
    in_place: bool = False

    # Which panels there are

    @property
    def kept(self) -> DopplerFrame | None:
        """The other version of the frame; None if there is none, or it is of another frame."""
        other, frame = self.other, self.frame
        return other if other and frame and other.index == frame.index else None

    @property
    def has_truth(self) -> bool:
        """Whether the true velocity is known."""
        return self.frame is not None and self.frame.score is not None

    @property
    def panels(self) -> tuple[int, ...]:
        """Panel at each place, from the left: one of those of :mod:`.painter`."""
        panels, place = self._wanted, self.framed_place
        if place is None:
            return panels
        stands_in = CONVENTIONAL if self.comparing else KEPT
        return (*panels[:place], stands_in, *panels[place + 1 :])

    @property
    def _wanted(self) -> tuple[int, ...]:
        """Panels that the settings ask for and the frame has, before any stands in for another."""
        panels = _PANELS[self.display.view]
        if self.display.swap:
            panels = panels[::-1]
        if self.kept is not None and self.beside:
            panels = KEPT, CORRECTED
        return (*panels, TRUTH) if self.has_truth and self.display.truth else panels

    @property
    def framed_place(self) -> int | None:
        """Where something stands in for the corrected velocity."""
        return self.compared_place if self.comparing else self.kept_place

    @property
    def compared_place(self) -> int | None:
        """Where the measured velocity stands in for the corrected one."""
        return self._corrected_place if self.comparing else None

    @property
    def kept_place(self) -> int | None:
        """Where the other version stands in for the frame."""
        in_place = self.kept is not None and self.in_place and not self.comparing
        return self._corrected_place if in_place else None

    @property
    def _corrected_place(self) -> int | None:
        wanted = self._wanted
        return wanted.index(CORRECTED) if CORRECTED in wanted else None

    # What colours stand for

    def unit(self, panel: int) -> str:
        """Return what the marks of a panel's bar count."""
        if panel == FOLDS:
            return "folds"
        return "dB" if self.display.colour_map == POWER and panel != TRUTH else "cm/s"

    def limits_m_s(self, panel: int) -> tuple[float, float] | None:
        """Return the velocities at both ends of a panel's scale; None without a picture."""
        return None if self.frame is None else self._limits_m_s(self.frame, panel)

    def _limits_m_s(self, frame: DopplerFrame, panel: int) -> tuple[float, float]:
        if panel in (CORRECTED, TRUTH, KEPT):
            high = self.display.colour_scale_m_s or self.scale_m_s
            return -high, high
        nyquist = frame.nyquist_velocity_m_s
        baseline = self.display.baseline * nyquist
        return baseline - nyquist, baseline + nyquist

    @property
    def least_power_db(self) -> float | None:
        """Doppler power from which colour is shown; None where no colour stands for power."""
        if self.frame is None or self.display.colour_map != POWER:
            return None
        return self._least_power_db(self.frame)

    def _least_power_db(self, frame: DopplerFrame) -> float:
        return frame.processing.flow_power_db - self.display.colour_gain_db

    def ticks(self, view: View, panel: int) -> tuple[Tick, ...]:
        """Return the marks of a panel's bar in :meth:`unit`; none without a picture."""
        if self.frame is None:
            return ()
        unit = self.unit(panel)
        if unit == "folds":
            return fold_ticks(view)
        if unit == "dB":
            return power_ticks(view, self._least_power_db(self.frame), POWER_RANGE_DB)
        low, high = self._limits_m_s(self.frame, panel)
        nyquist_m_s, factor = self.frame.nyquist_velocity_m_s, self.display.angle_factor
        return velocity_ticks(view, low, high, nyquist_m_s, factor)

    def look(self, panels: tuple[int, ...]) -> Look | None:
        """Return how panels are painted; None without a picture."""
        frame = self.frame
        if frame is None:
            return None
        nyquist = frame.nyquist_velocity_m_s
        limits = (self._limits_m_s(frame, panel) for panel in panels)
        return Look(
            display=self.display,
            powers_db=tuple(
                self._least_power_db(self.other if self.other and panel == KEPT else frame)
                for panel in panels
            ),
            panels=panels,
            limits=tuple((low / nyquist, high / nyquist) for low, high in limits),
            stale=self.stale,
        )
