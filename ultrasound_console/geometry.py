"""Where things are: the array's elements and the grids of the picture.

Coordinates are those of the whole project: x to the right along the array, z down into the
body, the origin at the array's centre, metres. ``shaders/grid.glsl`` repeats
:meth:`ImageGrid.positions_m`; a test holds the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]
GridKind = Literal["parallel", "polar"]

FLATNESS_M = 1e-4
"""Elements farther than this from a line are on a curved array."""
# Elements hear next to nothing from farther aside.
_WIDEST_RAD = math.radians(50.0)
# Elements no farther apart than this, in wavelengths, can look aside without grating lobes.
_PHASED_PITCH = 0.6
_TISSUE_M_S = 1540.0


@dataclass(frozen=True)
class Probe:
    """A transducer array.

    Attributes
    ----------
    name : str
        What the maker calls it.
    element_x_m, element_z_m : tuple of float
        Element centres, one entry each. Tuples, so that a probe can key a cache.
    element_width_m : float
        Active width of one element.
    center_frequency_hz : float
        Nominal centre frequency of the transducer.
    fractional_bandwidth : float
        Pulse-echo -6 dB bandwidth over the centre frequency.
    element_height_m, elevation_focus_m : float
        Size of an element across the picture, and the depth where its lens focuses; infinite
        where that is not known.
    converter_bits : int
        Of the samples that its front end delivers.
    """

    name: str
    element_x_m: tuple[float, ...]
    element_z_m: tuple[float, ...]
    element_width_m: float
    center_frequency_hz: float
    fractional_bandwidth: float
    element_height_m: float = math.inf
    elevation_focus_m: float = math.inf
    converter_bits: int = 16

    def __post_init__(self) -> None:
        if len(self.element_x_m) != len(self.element_z_m) or not self.element_x_m:
            raise ValueError("element_x_m and element_z_m need one entry per element, at least one")
        if not all(math.isfinite(p) for p in (*self.element_x_m, *self.element_z_m)):
            raise ValueError("element positions must be finite")

    @classmethod
    def linear(
        cls,
        name: str,
        n_elements: int,
        pitch_m: float,
        center_frequency_hz: float,
        *,
        element_width_m: float | None = None,
        fractional_bandwidth: float = 0.6,
        element_height_m: float = math.inf,
        elevation_focus_m: float = math.inf,
        converter_bits: int = 16,
    ) -> Probe:
        """Make a flat array with its centre at the origin."""
        x_m = (np.arange(n_elements) - (n_elements - 1) / 2) * pitch_m
        return cls(
            name=name,
            element_x_m=tuple(x_m.tolist()),
            element_z_m=(0.0,) * n_elements,
            element_width_m=0.9 * pitch_m if element_width_m is None else element_width_m,
            center_frequency_hz=center_frequency_hz,
            fractional_bandwidth=fractional_bandwidth,
            element_height_m=element_height_m,
            elevation_focus_m=elevation_focus_m,
            converter_bits=converter_bits,
        )

    @classmethod
    def curved(
        cls, name: str, n_elements: int, pitch_m: float, radius_m: float, **rest: Any
    ) -> Probe:
        """Make a convex array with the middle of its face at the origin.

        Parameters
        ----------
        name, n_elements
        pitch_m : float
            Along the arc.
        radius_m : float
        **rest
            Of :meth:`linear`, by name.
        """
        flat = cls.linear(name, n_elements, pitch_m, **rest)
        angles_rad = np.array(flat.element_x_m) / radius_m
        return replace(
            flat,
            element_x_m=tuple((radius_m * np.sin(angles_rad)).tolist()),
            element_z_m=tuple((radius_m * (np.cos(angles_rad) - 1.0)).tolist()),
        )

    @cached_property
    def center_of_curvature_m(self) -> tuple[float, float] | None:
        """(x, z) of the middle of the circle through the elements; None for a flat array."""
        x_m, z_m = np.array(self.element_x_m), np.array(self.element_z_m)
        if np.ptp(z_m) <= FLATNESS_M:
            return None
        # x^2 + z^2 = 2 a x + 2 b z + rest is linear in what is unknown.
        lines = np.stack([2.0 * x_m, 2.0 * z_m, np.ones_like(x_m)], axis=1)
        (x, z, _), *_ = np.linalg.lstsq(lines, x_m**2 + z_m**2, rcond=None)
        return float(x), float(z)

    @property
    def is_phased(self) -> bool:
        """Whether it is a flat array of elements close enough to look far aside."""
        wavelength_m = _TISSUE_M_S / self.center_frequency_hz
        return self.center_of_curvature_m is None and self.pitch_m <= _PHASED_PITCH * wavelength_m

    @property
    def n_elements(self) -> int:
        """Number of elements."""
        return len(self.element_x_m)

    @property
    def pitch_m(self) -> float:
        """Mean distance between neighbouring elements."""
        if self.n_elements == 1:
            return self.element_width_m
        return (self.element_x_m[-1] - self.element_x_m[0]) / (self.n_elements - 1)


@dataclass(frozen=True)
class ImageGrid:
    """The sample positions of an image: ``n_lines`` scan lines of ``n_depths`` samples.

    ``kind="parallel"``: line j starts at x = ``lines[0]`` ... ``lines[1]`` metres on the array and
    runs down at ``angle_rad`` from the vertical; samples are equally spaced in z. With a zero
    angle it is a rectangle, otherwise a parallelogram.
    ``kind="polar"``: line j leaves ``apex_m`` at ``lines[0]`` ... ``lines[1]`` radians; samples are
    equally spaced along the line.

    Attributes
    ----------
    kind : {"parallel", "polar"}
    n_depths, n_lines : int
        Shape of every plane on this grid.
    lines : tuple of float
        First and last line: metres (parallel) or radians (polar).
    range_m : tuple of float
        First and last depth (parallel: z; polar: distance from the apex).
    angle_rad : float
        Steering of a parallel grid.
    apex_m : tuple of float
        (x, z) where the lines of a polar grid meet.
    """

    kind: GridKind
    n_depths: int
    n_lines: int
    lines: tuple[float, float]
    range_m: tuple[float, float]
    angle_rad: float = 0.0
    apex_m: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.n_depths < 2 or self.n_lines < 2:
            raise ValueError("an image grid needs at least 2 depths and 2 lines")
        values = (*self.lines, *self.range_m, self.angle_rad, *self.apex_m)
        if not all(math.isfinite(value) for value in values):
            raise ValueError("an image grid needs finite limits")
        if self.lines[0] >= self.lines[1] or self.range_m[0] >= self.range_m[1]:
            raise ValueError("an image grid's limits must increase")

    @property
    def shape(self) -> tuple[int, int]:
        """(n_depths, n_lines)."""
        return self.n_depths, self.n_lines

    @property
    def line_step(self) -> float:
        """Distance between lines: metres (parallel) or radians (polar)."""
        return (self.lines[1] - self.lines[0]) / (self.n_lines - 1)

    @property
    def range_step_m(self) -> float:
        """Distance between samples along z (parallel) or along the line (polar)."""
        return (self.range_m[1] - self.range_m[0]) / (self.n_depths - 1)

    @property
    def pixel_size_m(self) -> tuple[float, float]:
        """(axial, lateral) sample spacing; lateral at mid-range for a polar grid."""
        lateral = self.line_step
        if self.kind == "polar":
            lateral *= 0.5 * (self.range_m[0] + self.range_m[1])
        return self.range_step_m, lateral

    @cached_property
    def line_positions(self) -> NDArray[np.float64]:
        """(n_lines,) line coordinates: metres at z = 0 (parallel) or radians (polar)."""
        return np.linspace(*self.lines, self.n_lines)

    @cached_property
    def range_positions_m(self) -> NDArray[np.float64]:
        """(n_depths,) range coordinates."""
        return np.linspace(*self.range_m, self.n_depths)

    @property
    def depths_m(self) -> NDArray[np.float64]:
        """(n_depths,) z of the samples of an upright scan line: how deep they lie."""
        return self.range_positions_m + (self.apex_m[1] if self.kind == "polar" else 0.0)

    def positions_m(
        self, rows: ArrayLike | None = None, columns: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metres of samples, by default of all of them.

        Parameters
        ----------
        rows, columns : array_like of float, optional
            Fractional sample indices (depth, line); broadcast against each other.

        Returns
        -------
        x_m, z_m : numpy.ndarray
            Broadcast shape; (n_depths, n_lines) by default.
        """
        row = np.arange(self.n_depths)[:, None] if rows is None else np.asarray(rows, float)
        column = np.arange(self.n_lines)[None, :] if columns is None else np.asarray(columns, float)
        along_m = self.range_m[0] + row * self.range_step_m
        line = self.lines[0] + column * self.line_step
        if self.kind == "parallel":
            x_m = line + along_m * math.tan(self.angle_rad)
            z_m = along_m + 0.0 * line
        else:
            x_m = self.apex_m[0] + along_m * np.sin(line)
            z_m = self.apex_m[1] + along_m * np.cos(line)
        return x_m, z_m

    def indices(
        self, x_m: ArrayLike, z_m: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional (row, column) of positions; the inverse of :meth:`positions_m`."""
        x, z = np.asarray(x_m, float), np.asarray(z_m, float)
        if self.kind == "parallel":
            along_m = z
            line = x - z * math.tan(self.angle_rad)
        else:
            dx, dz = x - self.apex_m[0], z - self.apex_m[1]
            along_m = np.hypot(dx, dz)
            line = np.arctan2(dx, dz)
        return (along_m - self.range_m[0]) / self.range_step_m, (
            line - self.lines[0]
        ) / self.line_step

    def contains(self, x_m: float, z_m: float) -> bool:
        """Whether a position lies on the grid (half a sample of margin)."""
        row, column = self.indices(x_m, z_m)
        inside = -0.5 <= row <= self.n_depths - 0.5 and -0.5 <= column <= self.n_lines - 0.5
        return bool(inside)

    def nearest(self, x_m: float, z_m: float) -> tuple[int, int]:
        """(row, column) of the sample that is nearest to a position, along rows and columns."""
        row, column = (round(float(index)) for index in self.indices(x_m, z_m))
        return min(max(row, 0), self.n_depths - 1), min(max(column, 0), self.n_lines - 1)

    def line_through(
        self, x_m: float, z_m: float
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """(x, z) of the first and the last sample of the line that is nearest to a position."""
        _, column = self.nearest(x_m, z_m)
        (x0, x1), (z0, z1) = self.positions_m(np.array([0, self.n_depths - 1]), column)
        return (float(x0), float(z0)), (float(x1), float(z1))

    @cached_property
    def extent_m(self) -> tuple[float, float, float, float]:
        """(x_min, x_max, z_min, z_max) of the grid's samples."""
        x_m, z_m = self.positions_m()
        return float(x_m.min()), float(x_m.max()), float(z_m.min()), float(z_m.max())


def picture_outline(
    probe: Probe,
    depths_m: tuple[float, float],
    transmit_rad: float = 0.0,
    source_distance_m: float = math.inf,
) -> ImageGrid:
    """Find what an array shows: a grid of its four corners only.

    A flat array with plane waves shows the rectangle in front of it. A curved array shows a sector
    about the middle of its curvature. A flat array with diverging waves shows the sector that they
    fill, about the middle of its face: all scan lines leave the array there, so that every
    aperture lies alike on both sides of its line.

    Parameters
    ----------
    probe : Probe
    depths_m : tuple of float
        First and last depth below the middle of the array.
    transmit_rad, source_distance_m : float
        Of the waves, as in ``frames.Acquisition``.
    """
    ends_m = probe.element_x_m[0], probe.element_x_m[-1]
    center_m = probe.center_of_curvature_m
    if center_m is not None:
        ends = zip(ends_m, (probe.element_z_m[0], probe.element_z_m[-1]), strict=True)
        left, right = (math.atan2(x - center_m[0], z - center_m[1]) for x, z in ends)
        return _sector(center_m, (left, right), depths_m)
    if math.isinf(source_distance_m):
        return ImageGrid("parallel", 2, 2, ends_m, depths_m)
    x_m = -source_distance_m * math.sin(transmit_rad)
    behind_m = source_distance_m * math.cos(transmit_rad)
    left, right = (
        min(max(math.atan2(end_m - x_m, behind_m), -_WIDEST_RAD), _WIDEST_RAD) for end_m in ends_m
    )
    return _sector((0.5 * sum(ends_m), 0.0), (left, right), depths_m)


def _sector(
    apex_m: tuple[float, float], lines_rad: tuple[float, float], depths_m: tuple[float, float]
) -> ImageGrid:
    """Make a polar grid of four corners between two depths below the middle of its array."""
    first_m, last_m = (depth_m - apex_m[1] for depth_m in depths_m)
    return ImageGrid("polar", 2, 2, lines_rad, (first_m, last_m), apex_m=apex_m)


def nyquist_velocity_m_s(
    prf_hz: float, center_frequency_hz: float, sound_speed_m_s: float
) -> float:
    """Largest unambiguous velocity, v_N = c PRF / (4 f0), without any angle."""
    return sound_speed_m_s * prf_hz / (4.0 * center_frequency_hz)


def beam_direction(
    grid: ImageGrid,
    x_m: ArrayLike,
    z_m: ArrayLike,
    transmit_rad: float,
    receive_rad: float,
    *,
    source_distance_m: float = math.inf,
) -> tuple[Float64 | float, Float64 | float]:
    """(x, z) of the mean of the unit vectors of transmission and reception, ``(e_tx + e_rx) / 2``.

    Of blood that moves with u a system measures ``-((e_tx + e_rx) / 2) . u``, positive towards the
    probe. A plane wave goes the same way everywhere; a diverging one goes away from its source,
    which lies ``source_distance_m`` behind the array's centre, seen at ``transmit_rad``. Echoes
    come back at ``receive_rad`` on a parallel grid; on a polar one they come back along its scan
    lines, in the middle of the apertures.

    Returns
    -------
    across, down : float or numpy.ndarray
        Numbers where both ways are the same everywhere.
    """
    sine, cosine = math.sin(transmit_rad), math.cos(transmit_rad)
    there: tuple[Float64 | float, Float64 | float] = sine, cosine
    back: tuple[Float64 | float, Float64 | float] = math.sin(receive_rad), math.cos(receive_rad)
    if math.isfinite(source_distance_m):
        there = _towards((-source_distance_m * sine, -source_distance_m * cosine), x_m, z_m)
    if grid.kind == "polar":
        back = _towards(grid.apex_m, x_m, z_m)
    return 0.5 * (there[0] + back[0]), 0.5 * (there[1] + back[1])


def _towards(
    start_m: tuple[float, float], x_m: ArrayLike, z_m: ArrayLike
) -> tuple[Float64, Float64]:
    """(x, z) of the unit vectors from one place to others."""
    across_m, down_m = np.asarray(x_m, float) - start_m[0], np.asarray(z_m, float) - start_m[1]
    away_m = np.maximum(np.hypot(across_m, down_m), 1e-12)
    return across_m / away_m, down_m / away_m


def plane_wave_velocity_m_s(
    vx_m_s: ArrayLike, vz_m_s: ArrayLike, transmit_rad: float, receive_rad: float
) -> NDArray[np.float64]:
    """Velocity that a steered system measures, positive towards the probe.

    ``v = -(e_tx + e_rx) . u / 2`` with ``e = (sin a, cos a)``.
    """
    vx, vz = np.asarray(vx_m_s, float), np.asarray(vz_m_s, float)
    ex = math.sin(transmit_rad) + math.sin(receive_rad)
    ez = math.cos(transmit_rad) + math.cos(receive_rad)
    return -0.5 * (ex * vx + ez * vz)
