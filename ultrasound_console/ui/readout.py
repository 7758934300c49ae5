"""What lies under the cursor, in words: from the planes, never from pixels. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dsp.agreement import NOTE
from ..frames import DopplerFrame, Status
from ..network import LATER
from .tools.vessel_angle import angle_text

MINUS = "\N{MINUS SIGN}"
CAUTION_SHARE = 0.05
"""Share of the flow left alone from which the picture is not to be taken for corrected."""

_STATUS_TEXT = {
    Status.NO_FLOW: "no flow",
    Status.KEPT: "as measured",
    Status.CORRECTED: "de-aliased",
    Status.ABSTAINED: "left as measured: no fold stands out",
    Status.BY_HAND: "given by hand",
}
_NAMES = {Status.ABSTAINED: "as measured", Status.BY_HAND: "by hand"}
_NOT_BLOOD = "left as measured: does not look like blood"
_OFF = "as measured   de-aliasing is off"


@dataclass(frozen=True)
class Readout:
    """Values at one place.

    Attributes
    ----------
    x_m, z_m : float
        The place.
    bmode_db : float or None
        None outside the B-mode picture.
    velocity_m_s, corrected_m_s, confidence : float or None
        None outside the colour box. Velocities are those of the local frequency where the frame
        has it.
    fold : int or None
    status : Status or None
    bloodless : bool
        Whether the fold was left alone because the echo does not look like blood.
    truth_m_s : float or None
        Known velocity of a simulated source; None outside its vessels, too.
    frequency_hz : float or None
        Local centre frequency; None where the velocities are those of f0.
    angle_rad : float
        Between beam and vessel: velocities are written for it, and kept as they are.
    is_dealiased : bool
        Whether folds were looked for.
    """

    x_m: float
    z_m: float
    bmode_db: float | None = None
    velocity_m_s: float | None = None
    fold: int | None = None
    corrected_m_s: float | None = None
    confidence: float | None = None
    status: Status | None = None
    bloodless: bool = False
    truth_m_s: float | None = None
    frequency_hz: float | None = None
    angle_rad: float = 0.0
    is_dealiased: bool = True

    def lines(self) -> tuple[str, str, str]:
        """One line for each panel: raw, fold, corrected."""
        place = f"x {signed(self.x_m * 1e3)} mm   z {self.z_m * 1e3:.1f} mm"
        if self.velocity_m_s is None or self.status is None:
            return place, "", ""
        raw = f"raw {self._text(self.velocity_m_s)}   {place}"
        if self.frequency_hz is not None:
            raw += f"   at {self.frequency_hz * 1e-6:.2f} MHz"
        truth = "" if self.truth_m_s is None else f"truth {self._text(self.truth_m_s)}"
        if self.status is Status.NO_FLOW:
            return raw, _STATUS_TEXT[self.status], truth
        what = _NOT_BLOOD if self.bloodless else _STATUS_TEXT[self.status]
        is_off = self.status is Status.KEPT and not self.is_dealiased
        sure = f"{100 * (self.confidence or 0.0):.0f} %"
        if self.status is Status.ABSTAINED:
            fold = what if self.bloodless else f"{what} ({sure} sure)"
        elif is_off:
            fold = _OFF
        elif self.status is Status.BY_HAND:
            fold = f"fold {fold_text(self.fold or 0)}   {what}"
        else:
            fold = f"fold {fold_text(self.fold or 0)}   {what}   confidence {sure}"
        # The angle is told once, where both velocities are.
        angle_rad = 0.0 if truth else self.angle_rad
        velocity = _cm_s_text(self.corrected_m_s or 0.0, self.angle_rad)
        name = "as measured" if is_off else _NAMES.get(self.status, "de-aliased")
        corrected = f"{name} {_with_angle(velocity, angle_rad)}"
        return raw, fold, f"{corrected}   {truth}".rstrip()

    def _text(self, velocity_m_s: float) -> str:
        return velocity_text(velocity_m_s, self.angle_rad)


def signed(value: float) -> str:
    """Format a number with its sign, also when it is positive."""
    return f"{value:+.1f}".replace("-", MINUS)


def velocity_text(velocity_m_s: float, angle_rad: float = 0.0) -> str:
    """Velocity in cm/s, with its sign; divided by the cosine of an angle, which is told."""
    return _with_angle(_cm_s_text(velocity_m_s, angle_rad), angle_rad)


def speed_text(speed_m_s: float, angle_rad: float = 0.0) -> str:
    """Speed in cm/s, without a sign; see :func:`velocity_text`."""
    return _with_angle(f"{speed_m_s * 100 / math.cos(angle_rad):.1f} cm/s", angle_rad)


def _cm_s_text(velocity_m_s: float, angle_rad: float) -> str:
    return f"{signed(velocity_m_s * 100 / math.cos(angle_rad))} cm/s"


def _with_angle(text: str, angle_rad: float) -> str:
    return f"{text} {angle_text(angle_rad)}" if angle_rad else text


def fold_text(fold: int) -> str:
    """Fold with its sign."""
    return f"{fold:+d}".replace("-", MINUS) if fold else "0"


def readout_at(frame: DopplerFrame, x_m: float, z_m: float, angle_rad: float = 0.0) -> Readout:
    """Look up the samples nearest to a place in the body."""
    acquisition = frame.acquisition
    bmode_db = None
    if acquisition.bmode_grid.contains(x_m, z_m):
        bmode_db = float(frame.bmode_db[acquisition.bmode_grid.nearest(x_m, z_m)])
    if not acquisition.colour_grid.contains(x_m, z_m):
        return Readout(x_m, z_m, bmode_db)
    at = acquisition.colour_grid.nearest(x_m, z_m)
    fold, velocity_m_s = int(frame.fold[at]), float(frame.velocity_m_s[at])
    factor = 1.0 if frame.frequency_factor is None else float(frame.frequency_factor[at])
    in_vessel = frame.truth_m_s is not None and (
        frame.vessel_mask is None or bool(frame.vessel_mask[at])
    )
    return Readout(
        x_m,
        z_m,
        bmode_db,
        velocity_m_s=factor * velocity_m_s,
        fold=fold,
        corrected_m_s=factor * (velocity_m_s + 2 * fold * frame.nyquist_velocity_m_s),
        confidence=float(frame.confidence[at]),
        status=Status(int(frame.status[at])),
        bloodless=frame.bloodless is not None and bool(frame.bloodless[at]),
        truth_m_s=float(frame.truth_m_s[at]) if in_vessel and frame.truth_m_s is not None else None,
        frequency_hz=None
        if frame.frequency_factor is None
        else acquisition.center_frequency_hz / factor,
        angle_rad=angle_rad,
        is_dealiased=frame.processing.dealias,
    )


@dataclass(frozen=True)
class Badges:
    """The honest small print under each panel.

    Attributes
    ----------
    aliased : str
        How much of the flow is aliased.
    folds : str
        Which folds were found.
    unsure : str
        How much of the flow was left as measured, and why.
    outcome : str
        What the right panel shows.
    caution : bool
        Whether some or all of it is not corrected.
    """

    aliased: str
    folds: str
    unsure: str
    outcome: str
    caution: bool


def percent(share: float) -> str:
    """Share in whole percent; one that is not zero or all never reads so."""
    if 0.0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1.0 else f"{100 * share:.0f} %"


def badges_of(frame: DopplerFrame) -> Badges:
    """Sum a frame up."""
    flow = frame.status != Status.NO_FLOW
    n_flow = int(flow.sum())
    if not n_flow:
        outcome = _with_notes("no flow to de-alias", frame)
        return Badges("no flow", "no flow", "", outcome, caution=False)
    if LATER in frame.notes:
        return Badges("", LATER, "", f"not yet de-aliased: {LATER}", caution=True)
    if not frame.processing.dealias:
        outcome = _with_notes("not de-aliased: that is off", frame)
        return Badges("", "de-aliasing is off", "", outcome, caution=True)
    folds = frame.fold[flow]
    low, high = int(folds.min()), int(folds.max())
    abstained = frame.status == Status.ABSTAINED
    left_alone = int(abstained.sum()) / n_flow
    unsure = _unsure_text(frame, abstained, n_flow) if left_alone else ""
    aliased = f"{percent(frame.aliased_share)} aliased"
    spread = f"folds {fold_text(low)} \N{HORIZONTAL ELLIPSIS} {fold_text(high)}"
    found = spread if low != high else "no folds" if low == 0 else f"fold {fold_text(low)}"
    if left_alone and (low or high or left_alone >= CAUTION_SHARE):
        done = "not" if left_alone == 1.0 else "partly" if left_alone >= CAUTION_SHARE else "mostly"
        outcome = _with_notes(f"{done} de-aliased", frame)
        return Badges(aliased, found, unsure, outcome, caution=left_alone >= CAUTION_SHARE)
    nothing = "no folds were found" if left_alone else "nothing is aliased"
    outcome = "de-aliased" if low or high else f"as measured: {nothing}"
    return Badges(aliased, found, unsure, _with_notes(outcome, frame), caution=False)


def _unsure_text(frame: DopplerFrame, abstained: NDArray[np.bool_], n_flow: int) -> str:
    """How much was left as measured, for each reason that there is."""
    n_left = int(abstained.sum())
    n_bloodless = 0 if frame.bloodless is None else int((abstained & frame.bloodless).sum())
    parts = ("unsure", n_left - n_bloodless), ("not blood", n_bloodless)
    texts = [f"{why}: {percent(n / n_flow)}" for why, n in parts if n]
    return f"{', '.join(texts)} of the flow"


def truth_lines(frame: DopplerFrame, angle_rad: float = 0.0) -> tuple[str, str, str]:
    """One line for each panel on how far the shown flow is from the truth; empty without one.

    The measured velocity, what the true folds would leave, the corrected velocity.
    """
    score = frame.score
    if score is None:
        return "", "", ""
    shown = score.shown
    if not shown.n_pixels:
        return "", "truth: no flow is shown inside the vessels", ""
    raw = shown.aliased_share, shown.measured_rms_nyquist, shown.measured_bias_nyquist
    corrected = shown.wrong_share, shown.corrected_rms_nyquist, shown.corrected_bias_nyquist
    where, best = percent(score.shown_share), shown.oracle_rms_nyquist
    nyquist_m_s = frame.nyquist_velocity_m_s
    return (
        _distance_text(*raw, nyquist_m_s, angle_rad),
        f"truth: flow in {where} of vessels, best rms {best:.2f} v_N",
        _distance_text(*corrected, nyquist_m_s, angle_rad),
    )


def _distance_text(
    wrong: float, rms: float, bias: float, nyquist_m_s: float, angle_rad: float
) -> str:
    return (
        f"truth: wrong folds {_fine_percent(wrong)}, rms {rms:.2f} v_N, "
        f"bias {velocity_text(bias * nyquist_m_s, angle_rad)}"
    )


def _fine_percent(share: float) -> str:
    """Percent with one decimal below ten; a share that is not zero never reads as zero."""
    if 0.0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _with_notes(text: str, frame: DopplerFrame) -> str:
    """Text and the notes of the frame behind it, but for those that a badge of their own tells."""
    n_by_hand = int(np.count_nonzero(frame.status == Status.BY_HAND))
    if n_by_hand:
        share = n_by_hand / int(np.count_nonzero(frame.status != Status.NO_FLOW))
        rest = f", the rest {text}" if share < 1.0 else ""
        text = f"{percent(share)} of the flow by hand{rest}"
    mark = "; " if ":" in text else ": "
    notes = "; ".join(note for note in frame.notes if not note.startswith(NOTE))
    return mark.join((text, notes)) if notes else text
