"""What lies around the blood: layers, strands, fasciae and vessel walls, as point scatterers.

Speckle comes from many scatterers in every resolution cell; what the eye takes for anatomy is
their strength. Layers differ in level and grain; thin bright sheets (fasciae, the inner skin of an
artery) are scatterers in line, which add up where the beam meets them squarely, as real ones do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from .flow import Flow

Array = NDArray[np.float64]

MAX_DEPTH_M = 62e-3
_SHEET_SPACING_M = 2e-5
# A line of scatterers of this strength is as bright as plain speckle.
_SHEET_STRENGTH = 0.12
_INTIMA_DB = -8.0
# Tissue farther than this from the blood never moves.
_PULSATION_REACH_M = 1.7e-3
_PULSATION_M = 1.2e-4


@dataclass(frozen=True)
class Layer:
    """Tissue from a boundary downwards, to the boundary of the next layer.

    Attributes
    ----------
    top_m, slope : float
        Depth of the upper boundary at x = 0 and its slope (positive: deeper to the right).
    level_db : float
        Echo level; 0 dB is plain tissue.
    texture_db : float
        Standard deviation of the level on the scale of the grain.
    grain_m : tuple of float
        Size of the grain along and across the fibres.
    tilt_rad : float
        Direction of the fibres (positive: down to the right).
    strands_db : float
        Level of bright strands between the grains; 0 for none.
    sheet_db : float or None
        Strength of a reflecting sheet along the upper boundary, where the beam meets it squarely.
    """

    top_m: float
    slope: float = 0.0
    level_db: float = 0.0
    texture_db: float = 0.0
    grain_m: tuple[float, float] = (3e-3, 1e-3)
    tilt_rad: float = 0.0
    strands_db: float = 0.0
    sheet_db: float | None = None

    def top_at_m(self, x_m: Array) -> Array:
        """Depth of the upper boundary, which is a little wavy."""
        if not self.top_m:
            return np.zeros_like(x_m)
        turns = 200.0 * x_m + 900.0 * self.top_m
        wave_m = 1.5e-4 * (np.sin(3.1 * turns) + np.sin(1.7 * turns + 2.0))
        return self.top_m + self.slope * x_m + wave_m


@dataclass(frozen=True)
class Tissue:
    """Everything around the lumen.

    Attributes
    ----------
    layers : tuple of Layer
        From the top down.
    has_walls : bool
        Artery walls around the lumen: a thin bright intima, a dark media, a bright adventitia.
    enhancement_db_per_m : float
        Echoes below blood are stronger, since blood weakens the wave less than tissue does.
    density_per_m2 : float
        Scatterers per square metre of the picture.
    """

    layers: tuple[Layer, ...]
    has_walls: bool = False
    enhancement_db_per_m: float = 0.0
    density_per_m2: float = 6e7


PLAIN = Tissue((Layer(0.0),))

GROIN = Tissue(
    layers=(
        Layer(0.0, level_db=-4.0, texture_db=1.5, grain_m=(4e-3, 0.5e-3)),
        Layer(2.0e-3, 0.01, -20.0, 2.0, (5e-3, 1.3e-3), math.radians(4.0), 18.0, -10.0),
        Layer(5.8e-3, 0.03, -17.0, 2.0, (9e-3, 0.9e-3), math.radians(4.0), 15.0, -2.0),
        Layer(8.0e-3, 0.05, -15.0, 4.0, (3e-3, 0.8e-3), math.radians(3.0), 11.0, -7.0),
        Layer(19.5e-3, 0.30, -19.0, 2.0, (12e-3, 1.2e-3), math.radians(22.0), 15.0, -12.0),
        Layer(26.5e-3, 0.28, -21.0, 2.0, (12e-3, 1.4e-3), math.radians(12.0), 16.0, -2.0),
        Layer(33.0e-3, 0.10, -18.0, 2.0, (10e-3, 1.2e-3), math.radians(5.0), 14.0, -2.0),
        Layer(44.0e-3, 0.05, -20.0, 2.0, (9e-3, 1.4e-3), 0.0, 14.0, -2.0),
    ),
    has_walls=True,
    enhancement_db_per_m=350.0,
)


@dataclass(frozen=True, eq=False)
class Scatterers:
    """Points and their strengths, sorted by depth.

    Attributes
    ----------
    x_m, z_m, amplitude : (n,) float64
    push_x_m, push_z_m : (n,) float64
        How far the points move at the height of the pulse.
    """

    x_m: Array
    z_m: Array
    amplitude: Array
    push_x_m: Array
    push_z_m: Array

    def __len__(self) -> int:
        return len(self.x_m)

    def only(self, chosen: NDArray[np.bool_]) -> Scatterers:
        """Those for which ``chosen`` is true."""
        return Scatterers(
            self.x_m[chosen],
            self.z_m[chosen],
            self.amplitude[chosen],
            self.push_x_m[chosen],
            self.push_z_m[chosen],
        )

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which points move with the pulse."""
        return np.asarray((self.push_x_m != 0.0) | (self.push_z_m != 0.0))


def draw_tissue(tissue: Tissue, flow: Flow, seed: int) -> Scatterers:
    """Draw all tissue down to :data:`MAX_DEPTH_M`; the same for the same seed."""
    rng = np.random.default_rng((seed, 1))
    edge_m = flow.edge_m
    n = round(tissue.density_per_m2 * 2.0 * edge_m * MAX_DEPTH_M)
    x_m, z_m = rng.uniform(-edge_m, edge_m, n), rng.uniform(0.0, MAX_DEPTH_M, n)
    parts = [(x_m, z_m, rng.standard_normal(n) * _gain(_level_db(tissue, flow, x_m, z_m, rng)))]
    along_m = np.arange(-edge_m, edge_m, _SHEET_SPACING_M)
    for layer in tissue.layers:
        if layer.sheet_db is not None:
            # Brighter and weaker stretches, as a sheet turns towards the probe and away.
            uneven_db = 4.0 * np.minimum(_Noise(rng, (2.5e-3, 1.0))(along_m, 0.0 * along_m), 0.5)
            strength = _SHEET_STRENGTH * _gain(layer.sheet_db + uneven_db)
            parts.append((along_m, layer.top_at_m(along_m), strength))
    if tissue.has_walls:
        parts.append(_intima(flow, rng))
    x_m, z_m, amplitude = (np.concatenate(values) for values in zip(*parts, strict=True))
    kept = np.flatnonzero(flow.depth_m(x_m, z_m) < 0.0)
    order = kept[np.argsort(z_m[kept], kind="stable")]
    x_m, z_m = x_m[order], z_m[order]
    amplitude = amplitude[order] * _gain(tissue.enhancement_db_per_m * flow.blood_above_m(x_m, z_m))
    push_x_m, push_z_m = np.zeros_like(x_m), np.zeros_like(x_m)
    if tissue.has_walls:
        push_x_m, push_z_m = _pulsation(flow, x_m, z_m)
    return Scatterers(x_m, z_m, amplitude, push_x_m, push_z_m)


def _gain(level_db: Array | float) -> Array:
    return np.asarray(10.0 ** (np.asarray(level_db) / 20.0))


class _Noise:
    """Smooth random values in the plane, about unit variance; any position, always the same."""

    _CELLS = 64

    def __init__(self, rng: np.random.Generator, grain_m: tuple[float, float]) -> None:
        self._values = rng.standard_normal((self._CELLS, self._CELLS))
        self._grain_m = grain_m

    def __call__(self, u_m: Array, v_m: Array) -> Array:
        at = np.stack([v_m / self._grain_m[1], u_m / self._grain_m[0]])
        # Cubic B-splines of white noise have a standard deviation of 0.48.
        return np.asarray(
            map_coordinates(self._values, at, order=3, mode="grid-wrap", prefilter=False) / 0.48
        )


def _level_db(
    tissue: Tissue, flow: Flow, x_m: Array, z_m: Array, rng: np.random.Generator
) -> Array:
    """Echo level of speckle at any place."""
    number = np.zeros(x_m.shape, int)
    for i, layer in enumerate(tissue.layers):
        number[z_m > layer.top_at_m(x_m)] = i
    level_db = np.zeros(x_m.shape)
    for i, layer in enumerate(tissue.layers):
        here = number == i
        level_db[here] = _layer_db(layer, x_m[here], z_m[here], rng)
    return _wall_db(-flow.depth_m(x_m, z_m), level_db) if tissue.has_walls else level_db


def _layer_db(layer: Layer, x_m: Array, z_m: Array, rng: np.random.Generator) -> Array:
    cos, sin = math.cos(layer.tilt_rad), math.sin(layer.tilt_rad)
    u_m, v_m = cos * x_m + sin * z_m, cos * z_m - sin * x_m
    level_db = np.full(x_m.shape, layer.level_db)
    grain, strand = _Noise(rng, layer.grain_m), _Noise(rng, layer.grain_m)
    if layer.texture_db:
        level_db += layer.texture_db * grain(u_m, v_m)
    if layer.strands_db:
        # A strand runs where a smooth random field crosses zero: thin, wavy, with ends.
        near = np.exp(-((strand(u_m, v_m) / 0.25) ** 2))
        level_db += layer.strands_db * near * np.clip(0.7 + 0.4 * grain(u_m / 2, v_m / 3), 0.2, 1.0)
    return level_db


def _wall_db(out_m: Array, around_db: Array) -> Array:
    """Level in and around the wall of an artery, by the distance from the blood."""
    mm = 1e3 * out_m
    sheath = np.clip((2.1 - mm) / 1.1, 0.0, 1.0)
    level_db = around_db * (1.0 - 0.7 * sheath) - 2.0 * sheath
    level_db = np.where(mm < 0.70, -18.0, level_db)
    return np.where(mm < 0.12, -2.0, level_db)


def _intima(flow: Flow, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Draw the inner skin of an artery: scatterers in line along the lumen."""
    band_m = 3e-4
    x_m, z_m = flow.draw(0.5 / (_SHEET_SPACING_M * band_m), rng)
    depth_m = flow.depth_m(x_m, z_m)
    x_m, z_m, depth_m = (values[depth_m < band_m] for values in (x_m, z_m, depth_m))
    into_x, into_z = flow.inward(x_m, z_m)
    shift_m = depth_m + 5e-5
    strength = np.full(x_m.shape, 2.0 * _SHEET_STRENGTH * _gain(_INTIMA_DB))
    return x_m - shift_m * into_x, z_m - shift_m * into_z, strength


def _pulsation(flow: Flow, x_m: Array, z_m: Array) -> tuple[Array, Array]:
    """Largest displacement of every point: away from the blood, fading out with the distance."""
    fade = np.clip(1.0 + flow.depth_m(x_m, z_m) / _PULSATION_REACH_M, 0.0, 1.0)
    into_x, into_z = flow.inward(x_m, z_m)
    push_m = -_PULSATION_M * fade * fade
    return push_m * into_x, push_m * into_z
