"""Where things are: the array's elements and the grids of the picture.

Coordinates are those of the whole project: x to the right along the array, z down into the
body, the origin at the array's centre, metres. ``shaders/grid.glsl`` repeats
:meth:`ImageGrid.positions_m`; a test holds the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

GridKind = Literal["parallel", "polar"]


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

    @cached_property
    def extent_m(self) -> tuple[float, float, float, float]:
        """(x_min, x_max, z_min, z_max) of the grid's samples."""
        x_m, z_m = self.positions_m()
        return float(x_m.min()), float(x_m.max()), float(z_m.min()), float(z_m.max())


def nyquist_velocity_m_s(
    prf_hz: float, center_frequency_hz: float, sound_speed_m_s: float
) -> float:
    """Largest unambiguous velocity, v_N = c PRF / (4 f0), without any angle."""
    return sound_speed_m_s * prf_hz / (4.0 * center_frequency_hz)


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
