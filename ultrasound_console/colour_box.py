"""The colour box: the part of the picture in which flow is looked for.

Sources and the mouse share its rules, so that what is drawn is what is acquired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .geometry import ImageGrid
from .settings import AcquisitionSettings
from .settings.acquisition import LEFTMOST_M, RIGHTMOST_M

SMALLEST_M = 4e-3
"""Least height and width."""
SIDES = ("box_left_m", "box_right_m", "box_top_m", "box_bottom_m")
"""Settings of the box, but for its steering."""
LIMITED = "colour box"
"""Beginning of the note of a box that was cut off."""
_SAME_M = 5e-5


@dataclass(frozen=True)
class ColourBox:
    """A parallelogram with level upper and lower edges.

    Attributes
    ----------
    left_m, right_m : float
        x of the upper corners; infinite where it reaches as far as it can.
    top_m, bottom_m : float
    steering_rad : float
        Of its sides, from the vertical.
    """

    left_m: float
    right_m: float
    top_m: float
    bottom_m: float
    steering_rad: float = 0.0

    @classmethod
    def of(cls, grid: ImageGrid) -> ColourBox:
        """Return the box that a parallel grid fills."""
        top_m, bottom_m = grid.range_m
        over_m = top_m * math.tan(grid.angle_rad)
        left_m, right_m = grid.lines[0] + over_m, grid.lines[1] + over_m
        return cls(left_m, right_m, top_m, bottom_m, grid.angle_rad)

    @property
    def lines_m(self) -> tuple[float, float]:
        """Where both sides would meet the array."""
        over_m = self.top_m * math.tan(self.steering_rad)
        return self.left_m - over_m, self.right_m - over_m

    @property
    def lean_m(self) -> float:
        """How far the lower edge lies to the right of the upper one."""
        return (self.bottom_m - self.top_m) * math.tan(self.steering_rad)

    @property
    def corners_m(self) -> tuple[tuple[float, float], ...]:
        """(x, z) clockwise from the left upper corner."""
        return (
            (self.left_m, self.top_m),
            (self.right_m, self.top_m),
            (self.right_m + self.lean_m, self.bottom_m),
            (self.left_m + self.lean_m, self.bottom_m),
        )

    def as_set(self, settings: AcquisitionSettings) -> ColourBox:
        """Return the box with the sides that settings give; those left open stay."""
        return ColourBox(
            self.left_m if settings.box_left_m <= LEFTMOST_M else settings.box_left_m,
            self.right_m if settings.box_right_m >= RIGHTMOST_M else settings.box_right_m,
            settings.box_top_m or self.top_m,
            settings.box_bottom_m or self.bottom_m,
            self.steering_rad,
        )

    def moved(self, x_m: float, z_m: float) -> ColourBox:
        """Return the box elsewhere."""
        return replace(
            self,
            left_m=self.left_m + x_m,
            right_m=self.right_m + x_m,
            top_m=self.top_m + z_m,
            bottom_m=self.bottom_m + z_m,
        )

    def inside(self, picture: ImageGrid) -> ColourBox:
        """Cut the box off at the edges of a rectangular picture, but never below its least size.

        All of its scan lines begin and end within the width of the picture, where the steered
        wave and the array reach.
        """
        first_m, last_m = picture.range_m
        bottom_m = min(max(self.bottom_m, first_m + SMALLEST_M), last_m)
        top_m = max(first_m, min(self.top_m, bottom_m - SMALLEST_M))
        lean = math.tan(self.steering_rad)
        low_m = max(picture.lines[0], picture.lines[0] - bottom_m * lean)
        high_m = min(picture.lines[1], picture.lines[1] - bottom_m * lean)
        left_m, right_m = self.left_m - top_m * lean, self.right_m - top_m * lean
        left_m = max(low_m, min(left_m, high_m - SMALLEST_M))
        right_m = min(high_m, max(right_m, left_m + SMALLEST_M))
        over_m = top_m * lean
        return ColourBox(left_m + over_m, right_m + over_m, top_m, bottom_m, self.steering_rad)

    def pushed_inside(self, picture: ImageGrid) -> ColourBox:
        """Move the box to where it fits into a picture; cut off only what is too large for it."""
        first_m, last_m = picture.range_m
        down_m = max(0.0, first_m - self.top_m) - max(0.0, self.bottom_m - last_m)
        box = self.moved(0.0, down_m)
        widest = replace(box, left_m=-math.inf, right_m=math.inf).inside(picture)
        across_m = max(0.0, widest.left_m - box.left_m) - max(0.0, box.right_m - widest.right_m)
        return box.moved(across_m, 0.0).inside(picture)

    def limits_note(self, wanted: ColourBox) -> str:
        """Say in a sentence what became of a box that was asked for; nothing if it is this one."""
        pairs = zip(self.corners_m, wanted.corners_m, strict=True)
        far = (abs(a - b) for at, asked in pairs for a, b in zip(at, asked, strict=True))
        if not any(_SAME_M < distance < math.inf for distance in far):
            return ""
        width_mm, depths_mm = 1e3 * (self.right_m - self.left_m), (self.top_m, self.bottom_m)
        top_mm, bottom_mm = (1e3 * depth_m for depth_m in depths_mm)
        return (
            f"{LIMITED} of {width_mm:.1f} mm from {top_mm:.1f} to {bottom_mm:.1f} mm depth: "
            "it stays where array and picture reach"
        )

    def grid(self, pixel_m: tuple[float, float], most: tuple[int, int]) -> ImageGrid:
        """Fill the box with samples.

        Parameters
        ----------
        pixel_m : tuple of float
            (axial, lateral) distance of samples, nearly.
        most : tuple of int
            (depths, lines) at most; where these are not enough the distance grows.
        """
        left_m, right_m = self.lines_m
        sizes_m = self.bottom_m - self.top_m, right_m - left_m
        n_depths, n_lines = (
            min(limit, round(size / step) + 1)
            for limit, size, step in zip(most, sizes_m, pixel_m, strict=True)
        )
        depths_m = self.top_m, self.bottom_m
        return ImageGrid(
            "parallel", n_depths, n_lines, (left_m, right_m), depths_m, self.steering_rad
        )
