"""What came out of an evaluation: against what is wanted, as tables and as plain figures."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..accuracy import Counts
from .methods import REMEMBERING
from .scores import (
    ALL,
    COHERENT,
    FLOW,
    PEAKS,
    REVERSAL,
    UNALIASED,
    WITHIN,
    Case,
    Found,
    Scores,
    between,
)
from .sequences import DISC, DIVISORS, disc_name

TEST_SET, CYCLES = "test set", "heart cycles"


@dataclass(frozen=True, eq=False)
class Example:
    """A frame to be shown, and what the console found."""

    case: Case
    found: Found

    @property
    def peak_class(self) -> int:
        """Which of the limits of the fastest flow it lies above."""
        truth = self.case.truth[self.case.region]
        return bisect_right(PEAKS, float(np.abs(truth).max(initial=0.0))) - 1


@dataclass(frozen=True)
class Target:
    """One figure beside what is wanted of it.

    Attributes
    ----------
    what : str
    value : float
        NaN where it could not be measured.
    limit : float
        NaN where the figure is only reported.
    at_least : bool
        Otherwise at most.
    unit : {"%", "", "frames"}
        Shares are shown in per cent.
    """

    what: str
    value: float
    limit: float = math.nan
    at_least: bool = False
    unit: str = "%"

    @property
    def met(self) -> bool | None:
        """None where there is nothing to say."""
        if math.isnan(self.value) or math.isnan(self.limit):
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """Row of a table."""
        sign = ">=" if self.at_least else "<="
        limit = "" if math.isnan(self.limit) else f"{sign} {self._shown(self.limit)}"
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return f"{self.what:56}{self._shown(self.value):>10}   {limit:12} {verdict}".rstrip()

    def _shown(self, value: float) -> str:
        if math.isnan(value):
            return "-"
        if self.unit == "%":
            return f"{100.0 * value:.3f} %"
        return f"{value:.3f}" if self.unit == "" else f"{value:g}"


@dataclass(frozen=True, eq=False)
class Report:
    """What came out.

    Attributes
    ----------
    shown : str
        Method that the console shows of a single frame.
    sets : mapping of str to mapping of str to Scores
        Of every set, method by method.
    examples : tuple of Example
    """

    shown: str
    sets: Mapping[str, Mapping[str, Scores]]
    examples: tuple[Example, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain figures, for JSON."""
        return {
            "shown": self.shown,
            "sets": {
                name: {method: reached.as_dict() for method, reached in methods.items()}
                for name, methods in self.sets.items()
            },
            "targets": [
                {
                    "what": target.what,
                    "value": None if math.isnan(target.value) else target.value,
                    "limit": None if math.isnan(target.limit) else target.limit,
                    "at_least": target.at_least,
                    "met": target.met,
                }
                for target in targets(self)
            ],
        }


# ---- what is wanted ------------------------------------------------------------------------


def targets(report: Report) -> tuple[Target, ...]:
    """Hold what the console reached against what is wanted, as far as the sets are there."""
    found: list[Target] = []
    if TEST_SET in report.sets:
        found += _single_frames(report.sets[TEST_SET][report.shown])
    if CYCLES in report.sets:
        methods = report.sets[CYCLES]
        found += _in_sequence(methods[report.shown], methods[report.shown + REMEMBERING])
    for divisor in DIVISORS:
        name = disc_name(divisor)
        if name in report.sets:
            wrong = report.sets[name][report.shown].groups[ALL].wrong_share
            limit = 0.005 if divisor <= 4 else 0.02
            found.append(Target(f"wrong folds, {name}", wrong, limit))
    return tuple(found)


def _single_frames(scores: Scores) -> Iterator[Target]:
    groups = scores.groups
    peaks = [between("frame peak", low, high) for low, high in pairwise(PEAKS)]
    for name, limit in zip(peaks, (0.01, 0.05, 0.12, math.nan), strict=True):
        yield Target(f"wrong folds, {name}", groups[name].wrong_share, limit)
        oracle = groups[name].oracle_rms_nyquist
        yield Target(f"oracle rms in v_N, {name}", oracle, unit="")
    for low, high, limit in ((0.6, 1.0, 0.002), (0.4, 0.6, 0.03)):
        name = between("coherence", low, high)
        yield Target(f"wrong folds, {name}", groups[name].wrong_share, limit)
    yield Target("wrong folds among the surest 90 %", scores.surest(0.9), 0.015)
    yield Target(f"the same, {WITHIN}", scores.surest(0.9, within=True))
    yield Target("alias IoU", groups[ALL].alias_iou, 0.95, at_least=True, unit="")
    yield Target(f"alias IoU, {WITHIN}", groups[WITHIN].alias_iou, unit="")
    name = f"alias IoU, {COHERENT}"
    yield Target(name, groups[COHERENT].alias_iou, 0.98, at_least=True, unit="")
    yield Target(f"false correction, {REVERSAL}", groups[REVERSAL].false_share, 0.005)
    touched = groups[UNALIASED]
    share = touched.n_folded / touched.n_pixels if touched.n_pixels else math.nan
    yield Target(f"changed pixels, {UNALIASED}", share, 0.003)
    yield Target("calibration error (ECE)", scores.calibration_error, unit="")


def _in_sequence(without: Scores, given: Scores) -> Iterator[Target]:
    """With the previous frame no figure may be worse than without it."""
    figures: tuple[tuple[str, Callable[[Counts], float], bool, str], ...] = (
        ("wrong folds", lambda counts: counts.wrong_share, False, "%"),
        ("alias IoU", lambda counts: counts.alias_iou, True, ""),
        ("fold IoU", lambda counts: counts.fold_iou, True, ""),
        ("RMSD in v_N", lambda counts: counts.rmsd_nyquist, False, ""),
        ("false correction", lambda counts: counts.false_share, False, "%"),
    )
    for name, figure, at_least, unit in figures:
        value, limit = (figure(scores.groups[ALL]) for scores in (given, without))
        yield Target(f"{name}{REMEMBERING}, {CYCLES}", value, limit, at_least, unit)
    for share in (0.95, 0.9, 0.8):
        name = f"wrong folds, surest {100 * share:.0f} %{REMEMBERING}, {CYCLES}"
        yield Target(name, given.surest(share), without.surest(share))
    flips = given.groups[ALL].flip_share
    yield Target(f"flips{REMEMBERING}, {CYCLES}", flips, 0.005)
    shown = given.groups[FLOW].flip_share
    yield Target(f"flips{REMEMBERING}, {CYCLES}, {FLOW}", shown)
    yield Target(f"longest lock-in{REMEMBERING}, {CYCLES}", given.lock_in, 5, unit="frames")


# ---- tables --------------------------------------------------------------------------------

_POOLED: tuple[tuple[str, Callable[[Scores], float], str], ...] = (
    ("wrong folds, %", lambda s: 100.0 * s.groups[ALL].wrong_share, ".2f"),
    ("alias IoU", lambda s: s.groups[ALL].alias_iou, ".3f"),
    ("fold IoU", lambda s: s.groups[ALL].fold_iou, ".3f"),
    ("RMSD, v_N", lambda s: s.groups[ALL].rmsd_nyquist, ".3f"),
    ("rms against truth, v_N", lambda s: s.groups[ALL].corrected_rms_nyquist, ".3f"),
    ("the same of the oracle", lambda s: s.groups[ALL].oracle_rms_nyquist, ".3f"),
    ("false correction, %", lambda s: 100.0 * s.groups[ALL].false_share, ".2f"),
    (f"  {REVERSAL}", lambda s: 100.0 * s.groups[REVERSAL].false_share, ".2f"),
    ("abstained, %", lambda s: 100.0 * s.groups[ALL].abstained_share, ".2f"),
    ("fold claimed, %", lambda s: 100.0 * s.claimed_share, ".2f"),
    ("wrong, surest 95 %, %", lambda s: 100.0 * s.surest(0.95), ".2f"),
    ("wrong, surest 90 %, %", lambda s: 100.0 * s.surest(0.9), ".2f"),
    ("wrong, surest 80 %, %", lambda s: 100.0 * s.surest(0.8), ".2f"),
    ("calibration error", lambda s: s.calibration_error, ".3f"),
    ("flips, %", lambda s: 100.0 * s.groups[ALL].flip_share, ".2f"),
    ("longest lock-in, frames", lambda s: s.lock_in, ".0f"),
)


def table(report: Report) -> str:
    """All sets, then the targets."""
    blocks = [
        _set_table(name, methods, broken_down=not name.startswith(DISC))
        for name, methods in report.sets.items()
    ]
    wanted = targets(report)
    if wanted:
        head = f"{'of what the console shows':56}{'value':>10}   wanted"
        blocks.append("\n".join([head, *(target.line() for target in wanted)]))
    return "\n\n".join(blocks)


def _set_table(name: str, methods: Mapping[str, Scores], *, broken_down: bool) -> str:
    widths = [2 + max(8, len(method)) for method in methods]
    all_scores = tuple(methods.values())
    groups = all_scores[0].groups
    lines = [
        f"{f'{name}, {groups[ALL].n_pixels} pixels':32}"
        + "".join(f"{method:>{width}}" for method, width in zip(methods, widths, strict=True))
    ]

    def row(label: str, values: list[float], form: str, end: str = "") -> str:
        shown = ("-" if math.isnan(value) else f"{value:{form}}" for value in values)
        cells = (f"{text:>{width}}" for text, width in zip(shown, widths, strict=True))
        return f"{label:32}{''.join(cells)}{end}"

    for label, figure, form in _POOLED:
        values = [figure(scores) for scores in all_scores]
        if not all(math.isnan(value) for value in values):
            lines.append(row(label, values, form))
    if broken_down:
        lines.append("wrong folds, %")
        for group, counts in groups.items():
            if counts.n_pixels in (0, groups[ALL].n_pixels):
                continue
            values = [100.0 * scores.groups[group].wrong_share for scores in all_scores]
            share = counts.n_pixels / groups[ALL].n_pixels
            lines.append(row(f"  {group}", values, ".2f", f"   ({share:.1%} of the pixels)"))
    return "\n".join(lines)
