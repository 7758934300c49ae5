"""What the colour bars stand for: their velocity scale, and the marks beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..frames import DopplerFrame, Status
from .colour_maps import FOLD_LIMIT
from .view import Tick, View

_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_SHARE = 0.99
_ROOM_TO_FALL = 0.9
_LABEL_HEIGHT_PX = 14


def round_up(value: float) -> float:
    """Return the smallest round number that is not below a positive value."""
    decade = 10.0 ** math.floor(math.log10(value))
    return next(step * decade for step in _ROUND if step * decade >= value * (1 - 1e-9))


def fastest_m_s(frame: DopplerFrame) -> float:
    """Return the 99th percentile of the corrected speed over the flow, 0 without flow."""
    flow = frame.status != Status.NO_FLOW
    speed = np.abs(frame.corrected_m_s[flow])
    if speed.size == 0:
        return 0.0
    rank = int(_SHARE * (speed.size - 1))
    return float(np.partition(speed, rank)[rank])


def loop_scale_m_s(frames: Iterable[DopplerFrame]) -> float:
    """Return the scale on which all frames can be seen, for pictures that share one."""
    return max(round_up(max(frame.nyquist_velocity_m_s, fastest_m_s(frame))) for frame in frames)


@dataclass
class AutomaticScale:
    """A colour scale that follows the flow slowly, in round steps, and never below v_N.

    It rises once the flow has been too fast for ``rise_s`` on end, and falls once a lower step
    would have done for ``fall_s`` on end, with some room; a heart beat is shorter than that, so
    the scale does not breathe with the pulse. A picture that does not go on in time (a frozen
    one processed again, a loop scrubbed backwards) may raise the scale at once and never lowers
    it. Another v_N starts afresh.

    Attributes
    ----------
    scale_m_s : float
        Velocity at the end of the bar; 0 before the first frame.
    """

    rise_s: float = 0.2
    fall_s: float = 3.0
    scale_m_s: float = 0.0
    _nyquist_m_s: float = 0.0
    _last_time_s: float = math.inf
    _too_low_s: float = 0.0
    _too_high_s: float = 0.0

    def update(self, frame: DopplerFrame) -> float:
        """Take a frame into account and return the scale in m/s."""
        nyquist_m_s = frame.nyquist_velocity_m_s
        fastest = fastest_m_s(frame)
        wanted = round_up(max(nyquist_m_s, fastest))
        elapsed_s = frame.time_s - self._last_time_s
        if nyquist_m_s != self._nyquist_m_s:
            self.scale_m_s, self._nyquist_m_s = wanted, nyquist_m_s
            self._too_low_s = self._too_high_s = 0.0
        elif elapsed_s <= 0:
            self.scale_m_s = max(self.scale_m_s, wanted)
        else:
            # A pause between frames is not time that the flow was seen to be slow or fast.
            elapsed_s = min(elapsed_s, 0.25)
            roomy = round_up(max(nyquist_m_s, fastest / _ROOM_TO_FALL))
            self._too_low_s = self._too_low_s + elapsed_s if wanted > self.scale_m_s else 0.0
            self._too_high_s = self._too_high_s + elapsed_s if roomy < self.scale_m_s else 0.0
            if self._too_low_s >= self.rise_s:
                self.scale_m_s, self._too_low_s = wanted, 0.0
            elif self._too_high_s >= self.fall_s:
                self.scale_m_s, self._too_high_s = roomy, 0.0
        self._last_time_s = frame.time_s
        return self.scale_m_s


def velocity_ticks(
    view: View, low_m_s: float, high_m_s: float, nyquist_m_s: float, factor: float = 1.0
) -> tuple[Tick, ...]:
    """Make the marks of a velocity bar in cm/s: v_N, the ends of the bar, and zero.

    Parameters
    ----------
    view : View
    low_m_s, high_m_s : float
        Ends of the bar; a bar wider than 2 v_N marks -v_N and v_N within.
    nyquist_m_s : float
    factor : float
        Of the angle correction: multiplies what is written, and moves no mark.

    Returns
    -------
    tuple of Tick
        Where two labels would touch, the less important one stays without text.
    """
    wide = high_m_s - low_m_s > 2 * nyquist_m_s * (1 + 1e-9)
    strong = (-nyquist_m_s, nyquist_m_s) if wide else (low_m_s, high_m_s)
    ticks: list[Tick] = []
    for value in (*strong, 0.0, low_m_s, high_m_s):
        y_px = view.bar_y_px((value - low_m_s) / (high_m_s - low_m_s))
        if any(abs(y_px - tick.y_px) < 0.5 for tick in ticks):
            continue
        clear = all(abs(y_px - tick.y_px) >= _LABEL_HEIGHT_PX for tick in ticks if tick.text)
        ticks.append(Tick(y_px, _cm_s(factor * value) if clear else "", value in strong))
    return tuple(ticks)


def power_ticks(view: View, threshold_db: float, range_db: float) -> tuple[Tick, ...]:
    """Make the marks of a power bar in dB above the noise: from its middle to both ends."""
    steps = (
        (place, threshold_db + abs(place) * range_db, abs(place) == 1.0)
        for place in (-1.0, -0.5, 0.0, 0.5, 1.0)
    )
    return tuple(
        Tick(view.bar_y_px(0.5 + 0.5 * place), f"{power_db:.0f}", is_end)
        for place, power_db, is_end in steps
    )


def fold_ticks(view: View) -> tuple[Tick, ...]:
    """Make the marks in the middle of each colour of the fold bar."""
    n = 2 * FOLD_LIMIT + 1
    return tuple(
        Tick(view.bar_y_px((fold + FOLD_LIMIT + 0.5) / n), _signed(f"{fold:+d}" if fold else "0"))
        for fold in range(-FOLD_LIMIT, FOLD_LIMIT + 1)
    )


def _cm_s(velocity_m_s: float) -> str:
    return _signed(f"{100 * velocity_m_s:+.3g}") if velocity_m_s else "0"


def _signed(text: str) -> str:
    """With a minus sign as wide as the plus."""
    return text.replace("-", "\N{MINUS SIGN}")
