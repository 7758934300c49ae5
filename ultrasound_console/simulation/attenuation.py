"""What tissue leaves of an echo on the ways there and back: shadows, and the lack of them.

Attenuation is summed along the ray of the steered wave and along the rays back to the part of the
array that listens. Bone and calcium cast shadows, blood lets more through than tissue does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

STEP_M = 2.5e-4
# Ways back to the middle and to both halves of an aperture of f/1.2.
_SPREAD_RAD = (-0.2, 0.0, 0.2)
# Neper of amplitude in a decibel.
NEPER_PER_DB = math.log(10.0) / 20.0


@dataclass(frozen=True, eq=False)
class Attenuation:
    """Attenuation coefficient of a section through tissue.

    Attributes
    ----------
    db_per_m_hz : (n_depths, n_columns) float64
        At depths from 0 on and columns from ``left_m`` on, both in steps of :data:`STEP_M`.
    left_m : float
    """

    db_per_m_hz: Array
    left_m: float

    @classmethod
    def sampled(
        cls, db_per_m_hz: Callable[[Array, Array], Array], edge_m: float, depth_m: float
    ) -> Attenuation:
        """Sample a function of (x_m, z_m) for abs(x) up to an edge and down to a depth."""
        n_half, n_depths = math.ceil(edge_m / STEP_M), math.ceil(depth_m / STEP_M) + 1
        x_m = STEP_M * np.arange(-n_half, n_half + 1)
        grid = np.meshgrid(x_m, STEP_M * np.arange(n_depths))
        values = db_per_m_hz(*(axis.ravel() for axis in grid))
        return cls(values.reshape(grid[0].shape), float(x_m[0]))

    @property
    def depths_m(self) -> Array:
        """Depths of the rows."""
        return STEP_M * np.arange(self.db_per_m_hz.shape[0], dtype=np.float64)

    @lru_cache(maxsize=24)  # noqa: B019 - lives as long as the scene's scan
    def one_way_db_hz(self, angle_rad: float) -> Array:
        """Sum along rays of an angle from the array to every point, per metre of depth."""
        n_depths, n_columns = self.db_per_m_hz.shape
        row = np.arange(n_depths, dtype=float)[:, None]
        column = np.arange(n_columns, dtype=float)[None, :]
        lean = math.tan(angle_rad)
        # Column j of the sheared map is the ray that leaves the array at column j - margin.
        margin = math.ceil(n_depths * abs(lean))
        wide = np.arange(-margin, n_columns + margin, dtype=float)[None, :]
        along = _looked_up(self.db_per_m_hz, row, wide + lean * row)
        summed = STEP_M * (np.cumsum(along, axis=0) - 0.5 * (along + along[:1]))
        return _looked_up(summed, row, column + margin - lean * row)

    def gains(self, transmit_rad: float, receive_rad: float, frequency_hz: float) -> Float32:
        """Amplitude that is left of echoes, on this map's points.

        The way back counts as if it were straight up; elements to the side are farther away, and
        the synthesis takes the mean attenuation for that.
        """
        there = np.exp(
            -NEPER_PER_DB * frequency_hz * self.one_way_db_hz(transmit_rad) / math.cos(transmit_rad)
        )
        back = np.mean(
            [
                np.exp(-NEPER_PER_DB * frequency_hz * self.one_way_db_hz(receive_rad + spread))
                for spread in _SPREAD_RAD
            ],
            axis=0,
        )
        return np.asarray(there * back, np.float32)

    def along_lines(
        self, apex_m: tuple[float, float], frequency_hz: float
    ) -> tuple[Float32, Array]:
        """Amplitude that is left of echoes there and back along the lines of a sector.

        Parameters
        ----------
        apex_m : tuple of float
            (x, z) where its lines meet; the array's face is as far from there as the origin is.
        frequency_hz : float

        Returns
        -------
        gains : (n_depths, n_columns) float32
            On this map's points.
        depth_m : (n_depths, n_columns) float64
            Of these points below the array's face, 0 behind it.
        """
        n_columns = self.db_per_m_hz.shape[1]
        face_m = math.hypot(*apex_m)
        across_m = self.left_m + STEP_M * np.arange(n_columns) - apex_m[0]
        down_m = self.depths_m[:, None] - apex_m[1]
        depth_m = np.maximum(np.hypot(across_m, down_m) - face_m, 0.0)
        turn = np.arctan2(across_m, down_m)
        turns, step_rad = np.linspace(turn.min(), turn.max(), n_columns, retstep=True)
        rows = np.arange(math.ceil(depth_m.max() / STEP_M) + 1)[:, None]
        away_m = face_m + STEP_M * rows
        along = _looked_up(
            self.db_per_m_hz,
            (apex_m[1] + away_m * np.cos(turns)) / STEP_M,
            (apex_m[0] - self.left_m + away_m * np.sin(turns)) / STEP_M,
        )
        summed = STEP_M * (np.cumsum(along, axis=0) - 0.5 * (along + along[:1]))
        way = _looked_up(summed, depth_m / STEP_M, (turn - turns[0]) / step_rad)
        return np.asarray(np.exp(-2.0 * NEPER_PER_DB * frequency_hz * way), np.float32), depth_m


def _looked_up(values: Array, row: Array, column: Array) -> Array:
    at = np.broadcast_arrays(row, column)
    return np.asarray(map_coordinates(values, at, order=1, mode="nearest"))
