"""Frames on square pixels in metres: the picture as numbers, without a window or a GPU.

Colour is shown where, and averaged as, the shaders do it; what comes out is the velocity itself,
so that it can be given a colour that stands for one velocity and no other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..frames import Acquisition, DopplerFrame
from ..geometry import ImageGrid
from ..settings import DisplaySettings
from ..settings.display import N_TGC

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class PixelGrid:
    """Square pixels, laid so that the middle of the array, x = z = 0, is in the middle of one.

    Attributes
    ----------
    pixel_m : float
        Width and height of a pixel.
    left, top : int
        Pixels from x = 0 to the first column and from z = 0 to the first row; left is negative
        where the picture begins left of the array's middle.
    width, height : int
    """

    pixel_m: float
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def over(cls, acquisition: Acquisition, longest_px: int) -> PixelGrid:
        """Cover B-mode and colour box with at most so many pixels along the longer side."""
        extents = acquisition.bmode_grid.extent_m, acquisition.colour_grid.extent_m
        lowest, highest = np.min(extents, axis=0), np.max(extents, axis=0)
        x_min, z_min, x_max, z_max = lowest[0], lowest[2], highest[1], highest[3]
        # Two pixels fewer: both ends are moved to the next pixel outside.
        pixel_m = float(max(x_max - x_min, z_max - z_min)) / (longest_px - 2)
        left, top = math.floor(x_min / pixel_m), math.floor(z_min / pixel_m)
        right, bottom = math.ceil(x_max / pixel_m), math.ceil(z_max / pixel_m)
        return cls(pixel_m, left, top, right - left + 1, bottom - top + 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def positions_m(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(1, width) x and (height, 1) z of the middles of the pixels."""
        x_m = np.arange(self.left, self.left + self.width, dtype=np.float64) * self.pixel_m
        z_m = np.arange(self.top, self.top + self.height, dtype=np.float64) * self.pixel_m
        return x_m[None, :], z_m[:, None]


class _Taps:
    """The four samples around each pixel that lies on a grid, and how much each counts.

    Attributes
    ----------
    pixels : (n,) intp
        The pixels, counted through.
    samples : (4, n) int32
    weights : (4, n) float32
    """

    def __init__(self, grid: ImageGrid, pixels: PixelGrid, *, interpolate: bool) -> None:
        row, column = np.broadcast_arrays(*grid.indices(*pixels.positions_m()))
        inside = (np.abs(row - 0.5 * (grid.n_depths - 1)) <= 0.5 * grid.n_depths) & (
            np.abs(column - 0.5 * (grid.n_lines - 1)) <= 0.5 * grid.n_lines
        )
        self.inside = inside
        self.pixels = np.flatnonzero(inside)
        row = np.clip(row[inside], 0, grid.n_depths - 1)
        column = np.clip(column[inside], 0, grid.n_lines - 1)
        if not interpolate:
            row, column = np.floor(row + 0.5), np.floor(column + 0.5)
        first_row = np.minimum(row.astype(np.int32), grid.n_depths - 2)
        first_column = np.minimum(column.astype(np.int32), grid.n_lines - 2)
        down, across = row - first_row, column - first_column
        first = first_row * grid.n_lines + first_column
        self.samples = np.stack([first, first + 1, first + grid.n_lines, first + grid.n_lines + 1])
        self.weights = np.stack(
            [
                (1 - down) * (1 - across),
                (1 - down) * across,
                down * (1 - across),
                down * across,
            ]
        ).astype(np.float32)


class ScanConverter:
    """Puts the planes of frames that share their grids on pixels.

    Parameters
    ----------
    acquisition : Acquisition
    display : DisplaySettings
    pixels : PixelGrid
    """

    def __init__(
        self, acquisition: Acquisition, display: DisplaySettings, pixels: PixelGrid
    ) -> None:
        self.pixels = pixels
        self._display = display
        interpolate = display.interpolate
        self._bmode = _Taps(acquisition.bmode_grid, pixels, interpolate=interpolate)
        self._colour = _Taps(acquisition.colour_grid, pixels, interpolate=interpolate)
        n_depths = acquisition.bmode_grid.n_depths
        gains_at = np.linspace(0, n_depths - 1, N_TGC)
        gain_db = np.interp(np.arange(n_depths), gains_at, display.tgc_db) + display.bmode_gain_db
        self._gain_db = gain_db.astype(np.float32)[:, None]

    @property
    def colour_bounds(self) -> tuple[int, int, int, int]:
        """First column, first row, last column and last row that can show flow."""
        rows, columns = np.nonzero(self._colour.inside)
        return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())

    def grey(self, frame: DopplerFrame) -> Float32:
        """(height, width) grey level, 0 (black) ... 1."""
        taps = self._bmode
        level_db = (frame.bmode_db + self._gain_db).ravel()[taps.samples]
        mean_db = np.einsum("kn,kn->n", taps.weights, level_db)
        grey = np.zeros(self.pixels.shape, np.float32)
        share = 1.0 + mean_db / np.float32(self._display.bmode_dynamic_range_db)
        grey.ravel()[taps.pixels] = np.clip(share, 0, 1)
        return grey

    def flow(
        self, frame: DopplerFrame, grey: Float32, *, corrected: bool
    ) -> tuple[NDArray[np.intp], Float32]:
        """Velocity where colour is shown.

        Parameters
        ----------
        frame : DopplerFrame
        grey : (height, width) float32
            Of the same frame: bright tissue wins over colour.
        corrected : bool
            With the folds undone; otherwise between -v_N and v_N around the baseline.

        Returns
        -------
        pixels : (n,) intp
            Which, counted through.
        velocity_m_s : (n,) float32
        """
        taps, display, nyquist_m_s = self._colour, self._display, frame.nyquist_velocity_m_s
        least_db = frame.processing.flow_power_db - display.colour_gain_db
        power_db = frame.power_db.ravel()[taps.samples]
        shown = np.einsum("kn,kn->n", taps.weights, power_db) >= least_db
        shown &= grey.ravel()[taps.pixels] <= display.write_priority
        weights = np.where(power_db >= least_db, taps.weights, 0)[:, shown]
        plane = frame.corrected_m_s if corrected else frame.velocity_m_s
        samples_m_s = plane.ravel()[taps.samples[:, shown]]
        strongest = weights.argmax(axis=0)[None]
        reference_m_s = np.take_along_axis(samples_m_s, strongest, 0)
        steps_m_s = samples_m_s - reference_m_s
        if corrected:  # nothing was measured between the two sides of an edge
            weights = np.where(np.abs(steps_m_s) <= nyquist_m_s, weights, 0)
        else:
            steps_m_s = _wrapped(steps_m_s, nyquist_m_s)
        step_m_s = np.einsum("kn,kn->n", weights, steps_m_s) / weights.sum(axis=0)
        velocity_m_s = reference_m_s[0] + step_m_s
        if not corrected:
            baseline_m_s = display.baseline * nyquist_m_s
            velocity_m_s = _wrapped(velocity_m_s - baseline_m_s, nyquist_m_s) + baseline_m_s
        return taps.pixels[shown], velocity_m_s.astype(np.float32)


def _wrapped(velocity_m_s: Float32, nyquist_m_s: float) -> Float32:
    """Between -v_N and v_N."""
    span_m_s = np.float32(2.0 * nyquist_m_s)
    folded: Float32 = velocity_m_s - span_m_s * np.floor(velocity_m_s / span_m_s + 0.5)
    return folded
