"""Every figure of every method: counted over the pixels of all frames together.

Frames come one by one, in the order of their sequences; what is said of a set of them is pooled
over its pixels, scored inside the lumen without the half millimetre at its wall; see
:mod:`..accuracy`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..accuracy import Counts, FoldError, score, true_fold
from .calibration import calibration_error, coverage, reliability

PEAKS = (0.0, 2.0, 3.5, 5.0, math.inf)
"""Limits of the fastest true flow in a frame by which figures are broken down; in v_N."""
SPEEDS = (0.0, 1.0, 2.0, 3.5, 5.0, math.inf)
"""The same of the true speed of a pixel."""
COHERENCES = (0.0, 0.25, 0.4, 0.6, 1.0)
"""The same of abs(R1)/R0."""
SPEED_STEP = 0.5
"""Width of the finer steps of the speed, for a curve; in v_N."""
N_SPEEDS = 14

ALL, BLIND, FLOW, COHERENT = "all", "blind speeds", "shown as flow", "coherence from 0.4"
REVERSAL, UNALIASED = "flow both ways", "frames without aliasing"
WITHIN = "frame peak up to 5"

# Flow both ways: as much of the lumen as this, at this speed in v_N, goes either way.
_LEAST_REVERSED, _REVERSED_SPEED = 0.02, 0.2
# An error region that counts as locked in is at least so large.
_LOCKED_M2 = 1e-6

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Case:
    """A frame with its truth. Planes are (n_depths, n_lines), velocities in units of v_N.

    Attributes
    ----------
    sequence : str
        Consecutive frames share it.
    kind : str
        Of the scene.
    n_pulses : int
    snr_db : float
        Blood above noise behind the wall filter; NaN where nobody knows.
    pixel_m : (axial, lateral)
    velocity, truth : float32
        As measured, and the true one.
    coherence : float32
        abs(R1)/R0.
    region : bool
        Where to score.
    flow : bool
        Where the console shows flow.
    """

    sequence: str
    kind: str
    n_pulses: int
    snr_db: float
    pixel_m: tuple[float, float]
    velocity: Float32
    truth: Float32
    coherence: Float32
    region: Bool
    flow: Bool


@dataclass(frozen=True, eq=False)
class Found:
    """Folds of one frame by one method; planes are (n_depths, n_lines).

    Attributes
    ----------
    fold : int
    confidence : float, optional
        Probability that the fold is right; only where a method claims to know it.
    abstained : bool, optional
        Left alone on purpose.
    claimed : bool, optional
        Where the method claims anything at all: there is flow, and it did not abstain. Default
        everywhere.
    """

    fold: NDArray[np.integer]
    confidence: NDArray[np.floating] | None = None
    abstained: Bool | None = None
    claimed: Bool | None = None


@dataclass(frozen=True)
class Scores:
    """What a method reached on a set of frames.

    Attributes
    ----------
    groups : mapping of str to Counts
        Of parts of the pixels, by name.
    speeds : tuple of Counts
        In steps of SPEED_STEP, the last one open.
    coverage : tuple of (share, wrong share)
        Wrong folds among the surest pixels; empty without a confidence.
    coverage_within : tuple of (share, wrong share)
        The same of the frames that stay below 5 v_N.
    reliability : tuple of (confidence, share of right folds, n_pixels)
        Of the pixels where a fold is claimed, by their confidence.
    calibration_error : float
        Mean distance of the two, over pixels (ECE); NaN without a confidence.
    claimed_share : float
        Pixels where the method claims a fold.
    lock_in : int
        Most frames in a row in which a region of a square millimetre or more kept one wrong fold
        that the method claimed.
    """

    groups: Mapping[str, Counts]
    speeds: tuple[Counts, ...]
    coverage: tuple[tuple[float, float], ...]
    coverage_within: tuple[tuple[float, float], ...]
    reliability: tuple[tuple[float, float, int], ...]
    calibration_error: float
    claimed_share: float
    lock_in: int

    def surest(self, share: float, *, within: bool = False) -> float:
        """Share of wrong folds among the surest pixels; NaN without a confidence."""
        points = self.coverage_within if within else self.coverage
        return min(points, key=lambda point: abs(point[0] - share), default=(0, math.nan))[1]

    def as_dict(self) -> dict[str, Any]:
        """Plain figures, for JSON; a figure that does not exist is None."""
        groups = {name: figures(counts) for name, counts in self.groups.items()}
        rest = {k: v for k, v in asdict(self).items() if k not in ("groups", "speeds")}
        rest["calibration_error"] = _or_none(self.calibration_error)
        rest["speeds"] = [
            {"from_nyquist": SPEED_STEP * k, **figures(counts)}
            for k, counts in enumerate(self.speeds)
        ]
        return {"groups": groups, **rest}


_FIGURES = (
    "n_pixels",
    "wrong_share",
    "alias_iou",
    "fold_iou",
    "rmsd_nyquist",
    "oracle_rms_nyquist",
    "corrected_rms_nyquist",
    "false_share",
    "aliased_share",
    "abstained_share",
    "flip_share",
)


def figures(counts: Counts) -> dict[str, float | None]:
    """Plain figures of some pixels."""
    return {name: _or_none(getattr(counts, name)) for name in _FIGURES}


class Tally:
    """Takes frames one by one and says in the end what every method reached on all of them."""

    def __init__(self) -> None:
        self._frames: list[_Label] = []
        self._pixels = _Columns()
        self._methods: dict[str, _Method] = {}
        self._last: Case | None = None

    def add(self, case: Case, founds: Mapping[str, Found]) -> None:
        """Add a frame.

        Parameters
        ----------
        case : Case
        founds : mapping of str to Found
            The same methods every time.
        """
        last = self._last
        follows = (
            last is not None
            and last.sequence == case.sequence
            and last.region.shape == case.region.shape
        )
        region, wanted = case.region, true_fold(case.velocity, case.truth, 1.0)
        followed = last.region if last is not None and follows else np.zeros_like(region)
        self._pixels.add(
            velocity=case.velocity[region],
            truth=case.truth[region],
            coherence=case.coherence[region],
            flow=case.flow[region],
            followed=followed[region],
            frame=np.full(np.count_nonzero(region), len(self._frames), np.int32),
        )
        for name, found in founds.items():
            if name not in self._methods:
                self._methods[name] = _Method()
            self._methods[name].add(case, found, wanted, follows=follows)
        self._frames.append(_Label.of(case))
        self._last = case

    def scores(self) -> dict[str, Scores]:
        """Figures of all frames so far, method by method; none without a pixel."""
        pixels = self._pixels.joined() if self._frames else {}
        if not pixels or pixels["truth"].size == 0:
            return {}
        groups = dict(self._groups(pixels))
        step = np.minimum(np.abs(pixels["truth"]) / SPEED_STEP, N_SPEEDS - 1).astype(int)
        speeds = [step == k for k in range(N_SPEEDS)]
        return {
            name: method.scores(pixels, groups, speeds) for name, method in self._methods.items()
        }

    def _groups(self, pixels: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, Bool]]:
        """Parts of the pixels by which figures are broken down."""
        frame, coherence, speed = pixels["frame"], pixels["coherence"], np.abs(pixels["truth"])
        yield ALL, np.ones(frame.size, np.bool_)
        yield FLOW, pixels["flow"]
        peak = np.array([label.peak for label in self._frames])
        for low, high in pairwise(PEAKS):
            yield between("frame peak", low, high), ((low <= peak) & (peak < high))[frame]
        yield WITHIN, (peak < 5.0)[frame]
        for low, high in pairwise(SPEEDS):
            yield between("|v|", low, high), (low <= speed) & (speed < high)
        for low, high in pairwise(COHERENCES):
            # The last one holds its upper end.
            below = coherence <= high if high == COHERENCES[-1] else coherence < high
            yield between("coherence", low, high), (low <= coherence) & below
        yield COHERENT, coherence >= 0.4
        for name, values in (
            ("SNR {:g} dB", [label.snr_db for label in self._frames]),
            ("{} pulses", [label.n_pulses for label in self._frames]),
            ("{}", [label.kind for label in self._frames]),
        ):
            of_frame: NDArray[Any] = np.array(values)
            for value in dict.fromkeys(sorted(values)):
                # Nothing equals NaN.
                if (here := of_frame == value).any():
                    yield name.format(value), here[frame]
        yield REVERSAL, np.array([label.both_ways for label in self._frames])[frame]
        yield UNALIASED, (peak < 1.0)[frame]


class _Label(NamedTuple):
    """What a frame is put into groups by."""

    peak: float
    both_ways: bool
    snr_db: float
    n_pulses: int
    kind: str

    @classmethod
    def of(cls, case: Case) -> _Label:
        truth = case.truth[case.region]
        if truth.size == 0:
            return cls(0.0, False, case.snr_db, case.n_pulses, case.kind)
        either = np.mean(truth > _REVERSED_SPEED), np.mean(truth < -_REVERSED_SPEED)
        both_ways = bool(min(either) >= _LEAST_REVERSED)
        peak = float(np.abs(truth).max())
        return cls(peak, both_ways, case.snr_db, case.n_pulses, case.kind)


class _Columns:
    """Arrays that grow by pieces."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[NDArray[Any]]] = {}

    def add(self, **pieces: NDArray[Any]) -> None:
        for name, piece in pieces.items():
            self._pieces.setdefault(name, []).append(piece)

    def joined(self) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate(pieces) for name, pieces in self._pieces.items()}


class _Method:
    """Pixels of one method, and what it said of the frame before."""

    def __init__(self) -> None:
        self._pixels = _Columns()
        self._has_confidence = True
        self._error: NDArray[np.int64] | None = None
        self._lock_in = _LockIn()

    def add(self, case: Case, found: Found, wanted: NDArray[np.int64], *, follows: bool) -> None:
        region = case.region
        everywhere = np.ones_like(region)
        abstained = ~everywhere if found.abstained is None else found.abstained
        claimed = everywhere if found.claimed is None else found.claimed
        error = np.where(abstained, 0, found.fold) - wanted
        before = self._error if follows and self._error is not None else np.zeros_like(error)
        self._has_confidence &= found.confidence is not None
        confidence = np.zeros(region.shape) if found.confidence is None else found.confidence
        self._pixels.add(
            fold=found.fold[region].astype(np.int8),
            abstained=abstained[region],
            claimed=claimed[region],
            confidence=confidence[region].astype(np.float32),
            error=error[region].astype(np.int8),
            before=before[region].astype(np.int8),
        )
        self._lock_in.add(
            np.where(region & claimed, error, 0),
            case.pixel_m[0] * case.pixel_m[1],
            follows=follows,
        )
        self._error = error

    def scores(
        self, shared: Mapping[str, NDArray[Any]], groups: Mapping[str, Bool], speeds: list[Bool]
    ) -> Scores:
        mine = self._pixels.joined()
        previous = FoldError(shared["followed"], mine["before"].astype(np.int64))

        def counted(where: Bool) -> tuple[Counts, Counts]:
            accuracy, _ = score(
                shared["velocity"],
                mine["fold"],
                shared["truth"],
                where,
                1.0,
                abstained=mine["abstained"],
                previous=previous,
            )
            return accuracy.all, accuracy.blind

        everywhere, blind = counted(groups[ALL])
        counts = {ALL: everywhere, BLIND: blind}
        counts |= {name: counted(where)[0] for name, where in groups.items() if name != ALL}
        wrong, claimed = mine["error"] != 0, mine["claimed"]
        confidence, within = mine["confidence"], groups[WITHIN]
        known = self._has_confidence
        bins = reliability(confidence[claimed], ~wrong[claimed]) if known else ()
        return Scores(
            groups=counts,
            speeds=tuple(counted(where)[0] for where in speeds),
            coverage=coverage(confidence, wrong) if known else (),
            coverage_within=coverage(confidence[within], wrong[within])
            if known and within.any()
            else (),
            reliability=bins,
            calibration_error=calibration_error(bins),
            claimed_share=float(np.mean(claimed)),
            lock_in=self._lock_in.longest,
        )


@dataclass
class _LockIn:
    """For how many frames in a row a region kept the same wrong fold."""

    longest: int = 0
    _before: NDArray[np.int64] | None = field(default=None, repr=False)
    _run: NDArray[np.int64] | None = field(default=None, repr=False)

    def add(self, error: NDArray[np.int64], pixel_m2: float, *, follows: bool) -> None:
        run = (error != 0).astype(np.int64)
        if follows and self._before is not None and self._run is not None:
            run += np.where((error != 0) & (error == self._before), self._run, 0)
        self._before, self._run = error, run
        while any(
            _largest_m2((run > self.longest) & side, pixel_m2) >= _LOCKED_M2
            for side in (error > 0, error < 0)
        ):
            self.longest += 1


def _largest_m2(mask: Bool, pixel_m2: float) -> float:
    """Area of the largest connected part."""
    labels, n = ndimage.label(mask)
    return float(np.bincount(labels.ravel())[1:].max()) * pixel_m2 if n else 0.0


def between(what: str, low: float, high: float) -> str:
    """Name of a group."""
    return f"{what} from {low:g}" if math.isinf(high) else f"{what} {low:g} ... {high:g}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
