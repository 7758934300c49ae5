"""The colour box: the part of the picture in which flow is looked for.

Sources and the mouse share its rules, so that what is drawn is what is acquired.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace

from .geometry import GridKind, ImageGrid
from .settings import AcquisitionSettings
from .settings.acquisition import LEFTMOST_M, RIGHTMOST_M

SMALLEST_M = 4e-3
"""Least height and width."""
SIDES = ("box_left_m", "box_right_m", "box_top_m", "box_bottom_m")
"""Settings of the box, but for its steering."""
LIMITED = "colour box"
"""Beginning of the note of a box that was cut off."""
_SAME_M = 5e-5
_SMALLEST_ARC_M = 20e-3
_ARC_POINTS = 17


@dataclass(frozen=True)
class ColourBox:
    """A parallelogram with level upper and lower edges, or a piece of a sector.

    A sector's box is told as if the sector were unrolled: its sides, which are scan lines, by where
    they cross an arc about the apex, that of the array's face or one of 20 mm if that is smaller,
    and its edges by how deep they are below the middle of the array.

    Attributes
    ----------
    left_m, right_m : float
        x of the upper corners, or arc lengths; infinite where it reaches as far as it can.
    top_m, bottom_m : float
    steering_rad : float
        Of its sides, from the vertical; 0 in a sector.
    apex_m : tuple of float, optional
        (x, z) where the scan lines of a sector meet.
    """

    left_m: float
    right_m: float
    top_m: float
    bottom_m: float
    steering_rad: float = 0.0
    apex_m: tuple[float, float] | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, grid: ImageGrid) -> ColourBox:
        """Return the box that a grid fills."""
        top_m, bottom_m = float(grid.depths_m[0]), float(grid.depths_m[-1])
        if grid.kind == "polar":
            left_m, right_m = (line * _arc_m(grid.apex_m) for line in grid.lines)
            return cls(left_m, right_m, top_m, bottom_m, apex_m=grid.apex_m)
        over_m = top_m * math.tan(grid.angle_rad)
        left_m, right_m = grid.lines[0] + over_m, grid.lines[1] + over_m
        return cls(left_m, right_m, top_m, bottom_m, grid.angle_rad)

    @property
    def lines(self) -> tuple[float, float]:
        """First and last scan line, as those of an image grid."""
        if self.apex_m is not None:
            return self.left_m / _arc_m(self.apex_m), self.right_m / _arc_m(self.apex_m)
        over_m = self.top_m * math.tan(self.steering_rad)
        return self.left_m - over_m, self.right_m - over_m

    @property
    def range_m(self) -> tuple[float, float]:
        """First and last depth, as those of an image grid."""
        above_m = 0.0 if self.apex_m is None else self.apex_m[1]
        return self.top_m - above_m, self.bottom_m - above_m

    @property
    def lean_m(self) -> float:
        """How far the lower edge lies to the right of the upper one."""
        return (self.bottom_m - self.top_m) * math.tan(self.steering_rad)

    def at(self, across_m: float, down_m: float) -> tuple[float, float]:
        """(x, z) of a place in the terms of this box: of itself, but in a sector."""
        if self.apex_m is None:
            return across_m, down_m
        angle_rad, away_m = across_m / _arc_m(self.apex_m), down_m - self.apex_m[1]
        x_m, z_m = self.apex_m
        return x_m + away_m * math.sin(angle_rad), z_m + away_m * math.cos(angle_rad)

    def within(self, x_m: float, z_m: float) -> tuple[float, float]:
        """Place in the terms of this box: the inverse of :meth:`at`."""
        if self.apex_m is None:
            return x_m, z_m
        across_m, down_m = x_m - self.apex_m[0], z_m - self.apex_m[1]
        angle_rad = math.atan2(across_m, down_m)
        return angle_rad * _arc_m(self.apex_m), math.hypot(across_m, down_m) + self.apex_m[1]

    @property
    def corners_m(self) -> tuple[tuple[float, float], ...]:
        """(x, z) clockwise from the left upper corner."""
        return tuple(self.at(*corner) for corner in self._corners)

    @property
    def _corners(self) -> tuple[tuple[float, float], ...]:
        return (
            (self.left_m, self.top_m),
            (self.right_m, self.top_m),
            (self.right_m + self.lean_m, self.bottom_m),
            (self.left_m + self.lean_m, self.bottom_m),
        )

    @property
    def sides_m(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Upper, right, lower and left side, each (x, z) from one corner to the next."""
        ends = itertools.pairwise((*self._corners, self._corners[0]))
        n = 2 if self.apex_m is None else _ARC_POINTS
        return tuple(
            tuple(
                self.at(x0 + k / (n - 1) * (x1 - x0), z0 + k / (n - 1) * (z1 - z0))
                for k in range(n)
            )
            for (x0, z0), (x1, z1) in ends
        )

    def as_set(self, settings: AcquisitionSettings) -> ColourBox:
        """Return the box with the sides that settings give; those left open stay."""
        return replace(
            self,
            left_m=self.left_m if settings.box_left_m <= LEFTMOST_M else settings.box_left_m,
            right_m=self.right_m if settings.box_right_m >= RIGHTMOST_M else settings.box_right_m,
            top_m=settings.box_top_m or self.top_m,
            bottom_m=settings.box_bottom_m or self.bottom_m,
        )

    def moved(self, x_m: float, z_m: float) -> ColourBox:
        """Return the box elsewhere, in its own terms."""
        return replace(
            self,
            left_m=self.left_m + x_m,
            right_m=self.right_m + x_m,
            top_m=self.top_m + z_m,
            bottom_m=self.bottom_m + z_m,
        )

    def inside(self, picture: ImageGrid) -> ColourBox:
        """Cut the box off at the edges of a picture, but never below its least size.

        The picture is a parallelogram, or a sector with the apex of the box. All scan lines begin
        and end within its width, where the steered wave and the array reach.
        """
        whole = ColourBox.of(picture)
        first_m, last_m = whole.top_m, whole.bottom_m
        bottom_m = min(max(self.bottom_m, first_m + SMALLEST_M), last_m)
        top_m = max(first_m, min(self.top_m, bottom_m - SMALLEST_M))
        lean, own_lean = math.tan(self.steering_rad), math.tan(picture.angle_rad)
        first, last = (side_m - first_m * own_lean for side_m in (whole.left_m, whole.right_m))
        inwards_m = bottom_m * (lean - own_lean)
        low_m, high_m = max(first, first - inwards_m), min(last, last - inwards_m)
        left_m, right_m = self.left_m - top_m * lean, self.right_m - top_m * lean
        left_m = max(low_m, min(left_m, high_m - SMALLEST_M))
        right_m = min(high_m, max(right_m, left_m + SMALLEST_M))
        over_m = top_m * lean
        return replace(
            self, left_m=left_m + over_m, right_m=right_m + over_m, top_m=top_m, bottom_m=bottom_m
        )

    def pushed_inside(self, picture: ImageGrid) -> ColourBox:
        """Move the box to where it fits into a picture; cut off only what is too large for it."""
        first_m, last_m = float(picture.depths_m[0]), float(picture.depths_m[-1])
        down_m = max(0.0, first_m - self.top_m) - max(0.0, self.bottom_m - last_m)
        box = self.moved(0.0, down_m)
        widest = replace(box, left_m=-math.inf, right_m=math.inf).inside(picture)
        across_m = max(0.0, widest.left_m - box.left_m) - max(0.0, box.right_m - widest.right_m)
        return box.moved(across_m, 0.0).inside(picture)

    def limits_note(self, wanted: ColourBox) -> str:
        """Say in a sentence what became of a box that was asked for; nothing if it is this one."""
        pairs = zip(self._corners, wanted._corners, strict=True)
        far = (abs(a - b) for at, asked in pairs for a, b in zip(at, asked, strict=True))
        if not any(_SAME_M < distance < math.inf for distance in far):
            return ""
        top_mm, bottom_mm = 1e3 * self.top_m, 1e3 * self.bottom_m
        return (
            f"{LIMITED} of {self.width_text} from {top_mm:.1f} to {bottom_mm:.1f} mm depth: "
            "it stays where array and picture reach"
        )

    @property
    def width_text(self) -> str:
        """How wide it is, in words: in degrees in a sector."""
        if self.apex_m is None:
            return f"{1e3 * (self.right_m - self.left_m):.1f} mm"
        first_rad, last_rad = self.lines
        return f"{math.degrees(last_rad - first_rad):.0f}\N{DEGREE SIGN}"

    def grid(self, pixel_m: tuple[float, float], most: tuple[int, int]) -> ImageGrid:
        """Fill the box with samples.

        Parameters
        ----------
        pixel_m : tuple of float
            (axial, lateral) distance of samples, nearly; in a sector's box half way down.
        most : tuple of int
            (depths, lines) at most; where these are not enough the distance grows.
        """
        first, last = self.lines
        kind: GridKind = "parallel" if self.apex_m is None else "polar"
        per_line_m = 1.0 if kind == "parallel" else 0.5 * sum(self.range_m)
        sizes_m = self.bottom_m - self.top_m, (last - first) * per_line_m
        n_depths, n_lines = (
            min(limit, round(size / step) + 1)
            for limit, size, step in zip(most, sizes_m, pixel_m, strict=True)
        )
        return ImageGrid(
            kind,
            max(n_depths, 2),
            max(n_lines, 2),
            (first, last),
            self.range_m,
            self.steering_rad,
            self.apex_m or (0.0, 0.0),
        )


def _arc_m(apex_m: tuple[float, float]) -> float:
    """Radius of the arc along which the sides of a sector's box are told."""
    return max(math.hypot(*apex_m), _SMALLEST_ARC_M)
