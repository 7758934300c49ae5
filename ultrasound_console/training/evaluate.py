"""How well folds are found on frames that no training saw: every method in one table.

All shares are pooled over the pixels of the set, scored inside the lumen without the half
millimetre at its wall; see :mod:`..accuracy`. PyTorch is not needed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..accuracy import Counts, erode, score, true_fold
from ..dsp import features
from ..dsp.unwrap import unwrap
from .batches import MAX_FOLD, inputs_of
from .dataset import Frames, Shards

SPEEDS = (0.0, 1.0, 2.0, 3.5, 5.0, math.inf)
"""Limits of the true speed, and of the fastest in a frame, to break figures down by; in v_N."""
COHERENCES = (0.0, 0.25, 0.4, 0.6, 1.0)
"""Limits of abs(R1)/R0 by which figures are broken down."""
_N_CONFIDENCE_BINS = 15
_FLOW_POWER_DB = 8.0
# Confidence from which a fold is shown to the frame after.
_SURE = 0.6

Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Found:
    """Folds of one frame by one method.

    Attributes
    ----------
    fold : (n_depths, n_lines) int
    abstained : (n_depths, n_lines) bool, optional
    confidence : (n_depths, n_lines) float, optional
        Probability that the fold is right; only where a method claims to know it.
    """

    fold: NDArray[np.integer]
    abstained: Bool | None = None
    confidence: NDArray[np.floating] | None = None


Method = Callable[[Frames, int], Found]
"""Takes the two frames of a scene and the number of the one to look at."""


@dataclass
class Calibration:
    """How far a confidence is from the share of right folds.

    Attributes
    ----------
    n, n_right, sum_confidence : (bins,) float64
        Pixels, right ones among them, and the sum of their confidence.
    """

    n: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_N_CONFIDENCE_BINS))
    n_right: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_N_CONFIDENCE_BINS))
    sum_confidence: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(_N_CONFIDENCE_BINS)
    )

    def add(self, confidence: NDArray[np.floating], right: Bool) -> None:
        """Count pixels."""
        place = np.minimum((confidence * _N_CONFIDENCE_BINS).astype(int), _N_CONFIDENCE_BINS - 1)
        self.n += np.bincount(place, minlength=_N_CONFIDENCE_BINS)
        self.n_right += np.bincount(place, right, _N_CONFIDENCE_BINS)
        self.sum_confidence += np.bincount(place, confidence, _N_CONFIDENCE_BINS)

    @property
    def error(self) -> float:
        """Expected calibration error; NaN without any pixel."""
        total = float(self.n.sum())
        if total == 0.0:
            return math.nan
        return float(np.abs(self.sum_confidence - self.n_right).sum()) / total


@dataclass
class Scores:
    """What a method reached: counts of each group of pixels, and its calibration."""

    groups: dict[str, Counts] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)

    def as_dict(self) -> dict[str, Any]:
        """Plain figures, for JSON; a figure that does not exist is None."""
        table: dict[str, Any] = {
            name: {
                "n_pixels": counts.n_pixels,
                "wrong_share": _figure(counts.wrong_share),
                "alias_iou": _figure(counts.alias_iou),
                "fold_iou": _figure(counts.fold_iou),
                "false_share": _figure(counts.false_share),
                "abstained_share": _figure(counts.abstained_share),
                "rmsd_nyquist": _figure(counts.rmsd_nyquist),
                "oracle_rms_nyquist": _figure(counts.oracle_rms_nyquist),
            }
            for name, counts in self.groups.items()
        }
        return {"groups": table, "calibration_error": _figure(self.calibration.error)}


def raw(frames: Frames, k: int) -> Found:
    """Leave every velocity as measured."""
    return Found(np.zeros(frames.velocity[k].shape, np.int64))


def unwrapping(frames: Frames, k: int) -> Found:
    """Unwrap with the console's solver, without a network and without a previous frame."""
    about = frames.about[k]
    solved = unwrap(
        frames.velocity[k],
        np.float32(1.0) - frames.bandwidth[k],
        frames.power_db[k] >= _FLOW_POWER_DB,
        pixel_m=(float(about["row_m"]), float(about["line_m"])),
    )
    return Found(solved.fold, solved.abstained)


def region_merging(frames: Frames, k: int) -> Found:
    """Merge regions as weather radar does, with the package ``region-dealias``."""
    from region_dealias import sweep_folds

    outside = frames.power_db[k] < _FLOW_POWER_DB
    phase = np.ascontiguousarray(frames.velocity[k] * np.float32(np.pi))
    return Found(np.where(outside, 0, sweep_folds(phase, outside, np.pi, False)))


def reliability_sorting(frames: Frames, k: int) -> Found:
    """Unwrap by sorted reliability, with scikit-image; each region's mean fold is taken as 0."""
    from skimage.restoration import unwrap_phase

    outside = frames.power_db[k] < _FLOW_POWER_DB
    phase = frames.velocity[k] * np.pi
    if outside.all():
        return raw(frames, k)
    unwrapped = unwrap_phase(np.ma.array(phase, mask=outside)).filled(0.0)
    fold = np.where(outside, 0, np.rint((unwrapped - phase) / (2.0 * np.pi))).astype(np.int64)
    return Found(np.where(outside, 0, fold - round(float(np.median(fold[~outside])))))


class Network:
    """A trained network alone: the likeliest fold of each pixel.

    Parameters
    ----------
    model : Path
        ONNX file.
    with_previous : bool
        Show it what it made of the other frame of the scene, as the frame before.
    n_threads : int
    """

    def __init__(self, model: Path, *, with_previous: bool = False, n_threads: int = 1) -> None:
        import onnxruntime

        self._with_previous = with_previous
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )

    def posterior(
        self, planes: NDArray[np.float32], evidence: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities of the folds, (n, 7, rows, columns)."""
        inputs = {features.PLANES: planes, features.EVIDENCE: evidence}
        logits: NDArray[np.float32] = self._session.run(None, inputs)[0][:, : 2 * MAX_FOLD + 1]
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True))

    def __call__(self, frames: Frames, k: int) -> Found:
        """Find the folds of frame k."""
        previous = None
        if self._with_previous:
            before = self._found(frames, 1 - k, None)
            corrected = frames.velocity[1 - k] + 2.0 * before.fold
            unknown = frames.power_db[1 - k] < _FLOW_POWER_DB
            if before.confidence is not None:
                unknown |= before.confidence < _SURE
            previous = np.where(unknown, np.nan, corrected).astype(np.float32)[None]
        return self._found(frames, k, previous)

    def _found(self, frames: Frames, k: int, previous: NDArray[np.float32] | None) -> Found:
        one = Frames(**{f.name: getattr(frames, f.name)[k : k + 1] for f in fields(Frames)})
        n_depths, n_lines = frames.velocity[k].shape
        posterior = self.posterior(*inputs_of(one, previous))[0, :, :n_depths, :n_lines]
        return Found(posterior.argmax(axis=0) - MAX_FOLD, confidence=posterior.max(axis=0))


def methods(model: Path | None) -> dict[str, Method]:
    """All that can run here, by name: rivals only where they are installed."""
    found: dict[str, Method] = {"raw": raw}
    for name, package, method in (
        ("scikit-image", "skimage", reliability_sorting),
        ("region-dealias", "region_dealias", region_merging),
    ):
        try:
            __import__(package)
        except ImportError:
            continue
        found[name] = method
    found["unwrapping"] = unwrapping
    if model is not None:
        found["network"] = Network(model)
        found["with previous"] = Network(model, with_previous=True)
    return found


def evaluate(
    shards: Shards, methods: dict[str, Method], n_scenes: int | None = None
) -> dict[str, Scores]:
    """Score methods on a data set.

    Parameters
    ----------
    shards : Shards
    methods : dict of str to Method
    n_scenes : int, optional
        The first so many, two frames each; default all.

    Returns
    -------
    dict of str to Scores
    """
    scores = {name: Scores() for name in methods}
    n_there = len(shards) // 2
    for number in range(n_there if n_scenes is None else min(n_scenes, n_there)):
        frames = shards.take([2 * number, 2 * number + 1])
        for k in range(2):
            _score_frame(frames, k, methods, scores)
    return scores


def _score_frame(
    frames: Frames, k: int, methods: dict[str, Method], scores: dict[str, Scores]
) -> None:
    """Add one frame to the scores."""
    velocity = frames.velocity[k]
    lumen = np.isfinite(frames.truth[k])
    truth = np.where(lumen, frames.truth[k], 0.0)
    about = frames.about[k]
    region = erode(lumen, (float(about["row_m"]), float(about["line_m"])))
    groups = list(_groups(truth, 1.0 - frames.bandwidth[k], region))
    wanted = true_fold(velocity, truth, 1.0)
    for name, method in methods.items():
        found = method(frames, k)
        mine = scores[name]
        for group, where in groups:
            accuracy, _ = score(velocity, found.fold, truth, where, 1.0, abstained=found.abstained)
            mine.groups[group] = mine.groups.get(group, Counts()) + accuracy.all
            if group == "all":
                blind = mine.groups.get("blind speeds", Counts()) + accuracy.blind
                mine.groups["blind speeds"] = blind
        if found.confidence is not None:
            right = found.fold[region] == wanted[region]
            mine.calibration.add(found.confidence[region], right)


def table(scores: dict[str, Scores]) -> str:
    """Wrong folds in per cent, method by method, for each group; then IoU and calibration."""
    groups = list(next(iter(scores.values())).groups)
    lines = [f"{'wrong folds, %':24}" + "".join(f"{name:>16}" for name in scores)]
    for group in groups:
        row = [f"{100.0 * s.groups[group].wrong_share:16.2f}" for s in scores.values()]
        share = next(iter(scores.values())).groups[group].n_pixels
        lines.append(f"{group:24}" + "".join(row) + f"   ({share} pixels)")
    figures = {
        "alias IoU": [s.groups["all"].alias_iou for s in scores.values()],
        "fold IoU": [s.groups["all"].fold_iou for s in scores.values()],
        "calibration error": [s.calibration.error for s in scores.values()],
    }
    for name, values in figures.items():
        lines.append(f"{name:24}" + "".join(f"{value:16.3f}" for value in values))
    return "\n".join(lines)


def _groups(
    truth: NDArray[np.floating], coherence: NDArray[np.floating], region: Bool
) -> Iterator[tuple[str, Bool]]:
    """Parts of the scored region by which figures are broken down."""
    yield "all", region
    speed = np.abs(truth)
    fastest = float(speed[region].max()) if region.any() else 0.0
    nowhere = np.zeros_like(region)
    for low, high in pairwise(SPEEDS):
        yield _between("|v|", low, high), region & (speed >= low) & (speed < high)
    for low, high in pairwise(SPEEDS):
        yield _between("frame peak", low, high), region if low <= fastest < high else nowhere
    for low, high in pairwise(COHERENCES):
        # The last one holds its upper end.
        below = coherence <= high if high == COHERENCES[-1] else coherence < high
        yield _between("coherence", low, high), region & (coherence >= low) & below


def _between(what: str, low: float, high: float) -> str:
    return f"{what} from {low:g}" if math.isinf(high) else f"{what} {low:g} ... {high:g}"


def _figure(value: float) -> float | None:
    return None if math.isnan(value) else value
