"""Every accuracy figure of the de-aliasing, counted in one place.

The true fold is taken from the measured velocity, ``n* = round((v_true - v_measured) / (2 v_N))``,
so that the estimator's own noise is not charged to the de-aliasing. What it leaves, the rms of
``v_measured + 2 n* v_N`` against the truth, is the oracle that no method can beat.

Frames are scored one by one and their counts added: ``sum(scores, Accuracy())``. Every share is
then pooled over all pixels of a set, never averaged over frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

WALL_MARGIN_M = 0.5e-3
BLIND_HALF_WIDTH = 0.3


def true_fold(
    velocity_m_s: ArrayLike, truth_m_s: ArrayLike, nyquist_m_s: float
) -> NDArray[np.int64]:
    """Whole folds from the measured to the true velocity, ``round((v_true - v) / (2 v_N))``."""
    difference = np.asarray(truth_m_s, float) - np.asarray(velocity_m_s, float)
    folds: NDArray[np.int64] = np.rint(difference / (2.0 * nyquist_m_s)).astype(np.int64)
    return folds


def blind(truth_m_s: ArrayLike, nyquist_m_s: float) -> NDArray[np.bool_]:
    """Pixels whose flow a wall filter takes for tissue: within 0.3 v_N of 2 m v_N, m not 0."""
    speed = np.abs(np.asarray(truth_m_s, float)) / nyquist_m_s
    nearest = 2.0 * np.maximum(np.rint(speed / 2.0), 1.0)
    return np.asarray(np.abs(speed - nearest) <= BLIND_HALF_WIDTH)


def erode(
    mask: NDArray[np.bool_], pixel_m: tuple[float, float], margin_m: float = WALL_MARGIN_M
) -> NDArray[np.bool_]:
    """Take a margin off a lumen.

    Parameters
    ----------
    mask : (n_depths, n_lines) bool
        The lumen. It is taken to go on beyond the picture: the picture's edge is no wall.
    pixel_m : (axial, lateral)
        Sample spacing.
    margin_m : float
        Pixels stay whose distance to the nearest pixel outside the lumen is larger.
    """
    if mask.all() or not mask.any():
        return mask.copy()
    distance_m: NDArray[np.float64] = ndimage.distance_transform_edt(mask, sampling=pixel_m)
    # A hair of tolerance: a margin of five pixels takes five, whatever the last bit says.
    return distance_m > margin_m * (1.0 + 1e-9)


@dataclass(frozen=True)
class Counts:
    """Sums over pixels; they add. Shares are NaN where there is nothing to share.

    Attributes
    ----------
    n_pixels : int
        Scored pixels.
    n_abstained : int
        Left alone by the method; they count as fold 0.
    n_wrong : int
        n differs from n*.
    n_aliased, n_folded : int
        n* is not 0; n is not 0.
    n_alias_found, n_fold_found : int
        n* is not 0 and neither is n; n* is not 0 and n equals it.
    n_false : int
        n is not 0 where n* is.
    sum_measured, sum_corrected : float
        Sums in v_N: measured and corrected velocity minus the truth.
    square_fold, square_measured, square_corrected, square_oracle : float
        Sums of squares in v_N: 2 (n - n*); measured, corrected and oracle velocity minus the truth.
    n_flips, n_followed : int
        Changes of n - n* since the frame before, and the pixels scored in both frames.
    """

    n_pixels: int = 0
    n_abstained: int = 0
    n_wrong: int = 0
    n_aliased: int = 0
    n_folded: int = 0
    n_alias_found: int = 0
    n_fold_found: int = 0
    n_false: int = 0
    sum_measured: float = 0.0
    sum_corrected: float = 0.0
    square_fold: float = 0.0
    square_measured: float = 0.0
    square_corrected: float = 0.0
    square_oracle: float = 0.0
    n_flips: int = 0
    n_followed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def wrong_share(self) -> float:
        """Share of pixels with a wrong fold."""
        return _ratio(self.n_wrong, self.n_pixels)

    @property
    def abstained_share(self) -> float:
        """Share of pixels that the method left alone."""
        return _ratio(self.n_abstained, self.n_pixels)

    @property
    def aliased_share(self) -> float:
        """Share of pixels that are aliased in truth."""
        return _ratio(self.n_aliased, self.n_pixels)

    @property
    def alias_iou(self) -> float:
        """Intersection over union of "n is not 0" and "n* is not 0"."""
        return _ratio(self.n_alias_found, self.n_aliased + self.n_folded - self.n_alias_found)

    @property
    def fold_iou(self) -> float:
        """The same, where a pixel is in the intersection only if the fold agrees as well."""
        return _ratio(self.n_fold_found, self.n_aliased + self.n_folded - self.n_alias_found)

    @property
    def rmsd_nyquist(self) -> float:
        """Rms of 2 (n - n*), in v_N: what wrong folds alone do to the velocity."""
        return math.sqrt(_ratio(self.square_fold, self.n_pixels))

    @property
    def measured_bias_nyquist(self) -> float:
        """Mean of the measured velocity minus the truth, in v_N."""
        return _ratio(self.sum_measured, self.n_pixels)

    @property
    def corrected_bias_nyquist(self) -> float:
        """Mean of the corrected velocity minus the truth, in v_N."""
        return _ratio(self.sum_corrected, self.n_pixels)

    @property
    def measured_rms_nyquist(self) -> float:
        """Rms of the measured velocity against the truth, in v_N."""
        return math.sqrt(_ratio(self.square_measured, self.n_pixels))

    @property
    def corrected_rms_nyquist(self) -> float:
        """Rms of the corrected velocity against the truth, in v_N."""
        return math.sqrt(_ratio(self.square_corrected, self.n_pixels))

    @property
    def oracle_rms_nyquist(self) -> float:
        """Rms of the measured velocity with the true fold against the truth, in v_N."""
        return math.sqrt(_ratio(self.square_oracle, self.n_pixels))

    @property
    def flip_share(self) -> float:
        """Changes of n - n* over the pixels scored in both of two consecutive frames."""
        return _ratio(self.n_flips, self.n_followed)

    @property
    def false_share(self) -> float:
        """False corrections over the pixels that are not aliased."""
        return _ratio(self.n_false, self.n_pixels - self.n_aliased)


@dataclass(frozen=True)
class Accuracy:
    """All scored pixels, and the blind ones among them apart."""

    all: Counts = field(default_factory=Counts)
    blind: Counts = field(default_factory=Counts)

    def __add__(self, other: Accuracy) -> Accuracy:
        return Accuracy(self.all + other.all, self.blind + other.blind)

    @property
    def blind_share(self) -> float:
        """Share of pixels at a blind speed."""
        return _ratio(self.blind.n_pixels, self.all.n_pixels)


@dataclass(frozen=True, eq=False)
class FoldError:
    """Where a frame was scored and by how much each fold is off; needed to count flips.

    Attributes
    ----------
    region : (n_depths, n_lines) bool
    error : (n_depths, n_lines) int64
        n - n*.
    """

    region: NDArray[np.bool_]
    error: NDArray[np.int64]


def score(
    velocity_m_s: NDArray[np.floating],
    fold: NDArray[np.integer],
    truth_m_s: NDArray[np.floating],
    region: NDArray[np.bool_],
    nyquist_m_s: float,
    *,
    abstained: NDArray[np.bool_] | None = None,
    previous: FoldError | None = None,
) -> tuple[Accuracy, FoldError]:
    """Score one frame.

    Parameters
    ----------
    velocity_m_s, fold, truth_m_s : (n_depths, n_lines)
        Measured velocity, the method's folds, the true velocity (unwrapped).
    region : (n_depths, n_lines) bool
        Where to score: the eroded lumen, or a part of it to break a figure down.
    nyquist_m_s : float
        v_N of this frame.
    abstained : (n_depths, n_lines) bool, optional
        Pixels that the method left alone.
    previous : FoldError, optional
        What this function returned for the frame before; without it no flips are counted.

    Returns
    -------
    accuracy : Accuracy
    error : FoldError
    """
    pixels = _Pixels.of(velocity_m_s, fold, truth_m_s, region, nyquist_m_s, abstained=abstained)
    # Zero beyond the region, where nothing is followed.
    error = FoldError(region, np.zeros(region.shape, np.int64))
    error.error[region] = pixels.error
    followed = flipped = None
    if previous is not None:
        followed = previous.region[region]
        flipped = followed & (previous.error[region] != pixels.error)
    everywhere = pixels.count(followed=followed, flipped=flipped)
    is_blind = blind(np.asarray(truth_m_s)[region], nyquist_m_s)
    return Accuracy(everywhere, pixels.count(is_blind, followed, flipped)), error


@dataclass(frozen=True, eq=False)
class FrameScore:
    """How far one frame is from its truth.

    Velocities are those of f0. Without flow the velocity is that of noise: the figures of what a
    picture shows are those of ``shown``; a method is judged by ``lumen``.

    Attributes
    ----------
    region : (n_depths, n_lines) bool
        The vessels without a margin at their walls.
    lumen : Counts
        All of the region, whatever is displayed.
    shown : Counts
        Its pixels where flow is shown.
    """

    region: NDArray[np.bool_]
    lumen: Counts
    shown: Counts

    def __post_init__(self) -> None:
        self.region.setflags(write=False)

    @property
    def shown_share(self) -> float:
        """Share of the region where flow is shown."""
        return _ratio(self.shown.n_pixels, self.lumen.n_pixels)


def score_frame(
    velocity_m_s: NDArray[np.floating],
    fold: NDArray[np.integer],
    truth_m_s: NDArray[np.floating],
    region: NDArray[np.bool_],
    nyquist_m_s: float,
    *,
    flow: NDArray[np.bool_],
    abstained: NDArray[np.bool_],
) -> FrameScore:
    """Score one frame for the screen: in all of the lumen, and where flow is shown.

    Parameters
    ----------
    velocity_m_s, fold, truth_m_s, region, nyquist_m_s, abstained
        See :func:`score`.
    flow : (n_depths, n_lines) bool
        Pixels where flow is shown.
    """
    pixels = _Pixels.of(velocity_m_s, fold, truth_m_s, region, nyquist_m_s, abstained=abstained)
    lumen = pixels.count()
    shown = flow[region]
    return FrameScore(region, lumen, lumen if shown.all() else pixels.count(shown))


@dataclass(frozen=True, eq=False)
class _Pixels:
    """The pixels of a region in a row; velocities are relative to the truth, in v_N."""

    measured: NDArray[np.float64]
    found: NDArray[np.int64]
    wanted: NDArray[np.int64]
    abstained: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        velocity_m_s: NDArray[np.floating],
        fold: NDArray[np.integer],
        truth_m_s: NDArray[np.floating],
        region: NDArray[np.bool_],
        nyquist_m_s: float,
        *,
        abstained: NDArray[np.bool_] | None,
    ) -> _Pixels:
        velocity, truth = np.asarray(velocity_m_s)[region], np.asarray(truth_m_s)[region]
        left = np.zeros(velocity.size, np.bool_) if abstained is None else abstained[region]
        return cls(
            (velocity.astype(float) - truth) / nyquist_m_s,
            np.where(left, 0, fold[region]).astype(np.int64),
            true_fold(velocity, truth, nyquist_m_s),
            left,
        )

    @property
    def error(self) -> NDArray[np.int64]:
        """Folds found minus true folds."""
        return self.found - self.wanted

    def count(
        self,
        where: NDArray[np.bool_] | None = None,
        followed: NDArray[np.bool_] | None = None,
        flipped: NDArray[np.bool_] | None = None,
    ) -> Counts:
        """Count all pixels, or some of them."""

        def number(pixels: NDArray[np.bool_] | None) -> int:
            return 0 if pixels is None else int(np.count_nonzero(pixels))

        if where is not None:
            some = _Pixels(*(part[where] for part in vars(self).values()))
            return some.count(
                followed=None if followed is None else followed[where],
                flipped=None if flipped is None else flipped[where],
            )
        error = self.error
        aliased, folded = self.wanted != 0, self.found != 0
        corrected = self.measured + 2.0 * self.found
        oracle = self.measured + 2.0 * self.wanted
        return Counts(
            n_pixels=self.found.size,
            n_abstained=number(self.abstained),
            n_wrong=number(error != 0),
            n_aliased=number(aliased),
            n_folded=number(folded),
            n_alias_found=number(aliased & folded),
            n_fold_found=number(aliased & (error == 0)),
            n_false=number(folded & ~aliased),
            sum_measured=float(np.sum(self.measured)),
            sum_corrected=float(np.sum(corrected)),
            square_fold=float(4 * (error @ error)),
            square_measured=float(self.measured @ self.measured),
            square_corrected=float(corrected @ corrected),
            square_oracle=float(oracle @ oracle),
            n_flips=number(flipped),
            n_followed=number(followed),
        )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
