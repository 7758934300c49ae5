"""What lies around the blood: layers, strands, fasciae, walls and calcium, as point scatterers.

Speckle comes from many scatterers in every resolution cell; what the eye takes for anatomy is
their strength. Layers differ in level and grain; thin bright sheets (fasciae, the inner skin of an
artery) are scatterers in line, which add up where the beam meets them squarely, as real ones do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from .flow import Flow
from .pulse import TISSUE_DB_CM_MHZ

Array = NDArray[np.float64]

BEYOND_M = 2e-3
"""Tissue goes on so far below the deepest picture."""
# Whole blood, and calcium or bone (F. A. Duck, Physical Properties of Tissue, 1990).
BLOOD_DB_CM_MHZ = 0.15
CALCIUM_DB_CM_MHZ = 15.0
# Levels are those of scatterers of unit variance at this density.
LEVEL_DENSITY_PER_M2 = 6e7
_SHEET_SPACING_M = 2e-5
# A line of scatterers of this strength is as bright as plain speckle.
_SHEET_STRENGTH = 0.12
_INTIMA_DB = -8.0
# Tissue farther than this from the blood never moves.
_PULSATION_REACH_M = 1.7e-3
PULSATION_M = 1.2e-4


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
    attenuation_db_cm_mhz : float
        One way.
    """

    top_m: float
    slope: float = 0.0
    level_db: float = 0.0
    texture_db: float = 0.0
    grain_m: tuple[float, float] = (3e-3, 1e-3)
    tilt_rad: float = 0.0
    strands_db: float = 0.0
    sheet_db: float | None = None
    attenuation_db_cm_mhz: float = TISSUE_DB_CM_MHZ

    def top_at_m(self, x_m: Array) -> Array:
        """Depth of the upper boundary, which is a little wavy."""
        if not self.top_m:
            return np.zeros_like(x_m)
        turns = 200.0 * x_m + 900.0 * self.top_m
        wave_m = 1.5e-4 * (np.sin(3.1 * turns) + np.sin(1.7 * turns + 2.0))
        return self.top_m + self.slope * x_m + wave_m


@dataclass(frozen=True)
class Inclusion:
    """An ellipse of something else: calcium in a plaque, bone, a node.

    Attributes
    ----------
    middle_m, radii_m : tuple of float
        Centre and half axes, x and z before the tilt.
    tilt_rad : float
        Positive: down to the right.
    level_db : float
        Echo level; 0 dB is plain tissue.
    attenuation_db_cm_mhz : float
        One way.
    """

    middle_m: tuple[float, float]
    radii_m: tuple[float, float]
    tilt_rad: float = 0.0
    level_db: float = 6.0
    attenuation_db_cm_mhz: float = CALCIUM_DB_CM_MHZ

    def holds(self, x_m: Array, z_m: Array) -> NDArray[np.bool_]:
        """Which points lie inside; the edge is a little uneven."""
        cos, sin = math.cos(self.tilt_rad), math.sin(self.tilt_rad)
        x, z = x_m - self.middle_m[0], z_m - self.middle_m[1]
        u, v = (cos * x + sin * z) / self.radii_m[0], (cos * z - sin * x) / self.radii_m[1]
        turn = np.arctan2(v, u)
        edge = 1.0 + 0.10 * np.sin(5.0 * turn + 1.0) + 0.07 * np.sin(9.0 * turn)
        return np.asarray(np.hypot(u, v) < edge)


@dataclass(frozen=True)
class Tissue:
    """Everything around the lumen.

    Attributes
    ----------
    layers : tuple of Layer
        From the top down.
    has_walls : bool
        Artery walls around the lumen: a thin bright intima, a dark media, a bright adventitia.
    inclusions : tuple of Inclusion
    """

    layers: tuple[Layer, ...]
    has_walls: bool = False
    inclusions: tuple[Inclusion, ...] = ()

    def attenuation_db_per_m_hz(self, flow: Flow, x_m: Array, z_m: Array) -> Array:
        """Attenuation at any place, one way: (n,) for positions of that shape."""
        number = self.layer_numbers(x_m, z_m)
        values = np.array([layer.attenuation_db_cm_mhz for layer in self.layers])[number]
        values[flow.depth_m(x_m, z_m) > 0.0] = BLOOD_DB_CM_MHZ
        for inclusion in self.inclusions:
            outside_blood = values != BLOOD_DB_CM_MHZ
            values[inclusion.holds(x_m, z_m) & outside_blood] = inclusion.attenuation_db_cm_mhz
        return np.asarray(values * 1e-4)

    def layer_numbers(self, x_m: Array, z_m: Array) -> NDArray[np.int64]:
        """Which layer each point is in."""
        number = np.zeros(x_m.shape, np.int64)
        for i, layer in enumerate(self.layers):
            number[z_m > layer.top_at_m(x_m)] = i
        return number


PLAIN = Tissue((Layer(0.0, level_db=-6.0),))

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
)

# A plaque with calcium in it, under the narrowed part of an artery at x = -5 mm, z = 17 mm.
GROIN_WITH_PLAQUE = replace(
    GROIN,
    inclusions=(
        Inclusion((-5.6e-3, 19.75e-3), (1.9e-3, 0.62e-3), math.radians(-4.0)),
        Inclusion((-2.9e-3, 20.3e-3), (0.7e-3, 0.3e-3), math.radians(10.0), level_db=2.0),
    ),
)

# Skin, fat, a long neck muscle over the vessels, and the deep muscles before the spine.
NECK = Tissue(
    layers=(
        Layer(0.0, level_db=-4.0, texture_db=1.5, grain_m=(4e-3, 0.5e-3)),
        Layer(1.6e-3, 0.01, -19.0, 2.0, (5e-3, 1.1e-3), math.radians(-2.0), 15.0, -12.0),
        Layer(3.4e-3, -0.02, -21.0, 2.0, (14e-3, 0.9e-3), math.radians(-3.0), 17.0, -3.0),
        Layer(6.4e-3, -0.04, -15.0, 4.0, (3e-3, 0.8e-3), math.radians(-2.0), 11.0, -4.0),
        Layer(26.5e-3, 0.06, -18.0, 3.0, (4e-3, 0.9e-3), math.radians(3.0), 12.0, -6.0),
        Layer(30.0e-3, 0.04, -20.0, 2.0, (12e-3, 1.3e-3), math.radians(4.0), 16.0, -2.0),
        Layer(41.0e-3, 0.02, -22.0, 2.0, (10e-3, 1.4e-3), 0.0, 14.0, -1.0),
    ),
    has_walls=True,
)


# Skin, fat, the muscles of the belly, the liver's fine grain, and what lies before the spine, whose
# vertebrae reflect and shadow.
BELLY = Tissue(
    layers=(
        Layer(0.0, level_db=-4.0, texture_db=1.5, grain_m=(6e-3, 0.8e-3)),
        Layer(2.5e-3, 0.0, -16.0, 3.0, (9e-3, 2.0e-3), 0.0, 15.0, -8.0),
        Layer(12e-3, 0.02, -14.0, 2.5, (18e-3, 1.2e-3), 0.0, 14.0, 0.0),
        Layer(20e-3, 0.02, -9.0, 2.0, (2.5e-3, 2.0e-3), 0.0, 4.0, 2.0),
        Layer(47e-3, -0.12, -11.0, 3.0, (7e-3, 2.5e-3), math.radians(-5.0), 10.0, -2.0),
        Layer(73e-3, -0.05, -16.0, 3.0, (14e-3, 2.0e-3), math.radians(-3.0), 12.0, 0.0),
    ),
    has_walls=True,
    inclusions=tuple(
        Inclusion((x_m, z_m), (13e-3, 3e-3), math.radians(-3.0), level_db=12.0)
        for x_m, z_m in ((-50e-3, 87e-3), (-17e-3, 84e-3), (16e-3, 83e-3), (49e-3, 82e-3))
    ),
)


@dataclass(frozen=True, eq=False)
class Scatterers:
    """Points and their strengths, sorted by depth.

    Attributes
    ----------
    x_m, z_m, amplitude : (n,) float64
    push_x_m, push_z_m : (n,) float64
        How far the points move at the height of the pulse; None where they do not.
    """

    x_m: Array
    z_m: Array
    amplitude: Array
    push_x_m: Array | None = None
    push_z_m: Array | None = None

    def __len__(self) -> int:
        return len(self.x_m)

    def only(self, chosen: NDArray[np.bool_]) -> Scatterers:
        """Those for which ``chosen`` is true."""
        return Scatterers(
            self.x_m[chosen],
            self.z_m[chosen],
            self.amplitude[chosen],
            None if self.push_x_m is None else self.push_x_m[chosen],
            None if self.push_z_m is None else self.push_z_m[chosen],
        )

    def copy(self) -> Scatterers:
        """Return the same points at places of their own, to be moved."""
        return Scatterers(
            self.x_m.copy(), self.z_m.copy(), self.amplitude, self.push_x_m, self.push_z_m
        )

    def pushed(self, push: float) -> tuple[Array, Array]:
        """(x_m, z_m) at a state of the pulse; 1 is its height."""
        if self.push_x_m is None or self.push_z_m is None:
            return self.x_m, self.z_m
        return self.x_m + push * self.push_x_m, self.z_m + push * self.push_z_m

    @property
    def moves(self) -> NDArray[np.bool_]:
        """Which points move with the pulse."""
        if self.push_x_m is None or self.push_z_m is None:
            return np.zeros(self.x_m.shape, bool)
        return np.asarray((self.push_x_m != 0.0) | (self.push_z_m != 0.0))


def speckle_strength(density_per_m2: float) -> float:
    """Give the standard deviation of scatterers of 0 dB at some density."""
    return math.sqrt(LEVEL_DENSITY_PER_M2 / density_per_m2)


def draw_tissue(
    tissue: Tissue, flow: Flow, density_per_m2: float, depth_m: float, seed: int
) -> Scatterers:
    """Draw all tissue down to a depth; the same for the same seed.

    Parameters
    ----------
    tissue : Tissue
    flow : Flow
        Where the blood is.
    density_per_m2 : float
        Scatterers per square metre of the picture.
    depth_m : float
    seed : int
    """
    rng = np.random.default_rng((seed, 1))
    edge_m = flow.edge_m
    n = round(density_per_m2 * 2.0 * edge_m * depth_m)
    x_m, z_m = rng.uniform(-edge_m, edge_m, n), rng.uniform(0.0, depth_m, n)
    strength = speckle_strength(density_per_m2) * rng.standard_normal(n)
    parts = [(x_m, z_m, strength * _gain(_level_db(tissue, flow, x_m, z_m, rng)))]
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
    amplitude = amplitude[order]
    if not tissue.has_walls:
        return Scatterers(x_m, z_m, amplitude)
    return Scatterers(x_m, z_m, amplitude, *_pulsation(flow, x_m, z_m))


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
    number = tissue.layer_numbers(x_m, z_m)
    level_db = np.zeros(x_m.shape)
    for i, layer in enumerate(tissue.layers):
        here = number == i
        level_db[here] = _layer_db(layer, x_m[here], z_m[here], rng)
    if tissue.has_walls:
        level_db = _wall_db(-flow.depth_m(x_m, z_m), level_db)
    for inclusion in tissue.inclusions:
        level_db[inclusion.holds(x_m, z_m)] = inclusion.level_db
    return level_db


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
    push_m = -PULSATION_M * fade * fade
    return push_m * into_x, push_m * into_z
