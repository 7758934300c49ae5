"""Beamformed ensembles of random scenes, made at the level of the picture.

Scatterers move with the flow of random vessels and are splatted with the echo of a point, so that
decorrelation, the shift of echoes and what a wall filter does to slow or blind speeds come out by
themselves. Tissue, noise of the receiver's bandwidth, shadows and jerks are added; then the signal
chain of the console itself makes the features. A scene gives two frames a heart phase apart.

Everything is drawn from the seed of the scene.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, uniform_filter1d

from ..dsp import bmode, doppler
from ..dsp.arrays import aligned_zeros, n_lanes
from ..dsp.evidence import N_MAPS, cells_of, echo_evidence
from . import kernels_synthesis as kernels
from .recipe import Recipe, random_recipe
from .vessels import Flow, random_flow

Float32 = NDArray[np.float32]

SHAPE = (192, 160)
"""(n_depths, n_lines) of the frames that training takes."""

_MARGIN = 16
# Fastest flow across the beam, in steps of a quarter wavelength per pulse.
_MAX_LATERAL = 14.0
# Vessels that reach less than this share of the recipe's peak are drawn again, so many times.
_ENOUGH, _REDRAWN = 0.7, 3
# Scatterers in the ellipse at half amplitude of an echo: speckle is fully developed from five on.
_PER_CELL = 5.0
_REACH = 2.3  # standard deviations of an echo that are drawn
_LOWEST_POWER_DB = -30.0
_FLOOR_PERCENTILE = 5.0


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Beamformed samples and their truth.

    Attributes
    ----------
    iq : (n_depths, n_lines, 2, n_lanes) float32
        In the ensemble layout.
    truth : (n_depths, n_lines) float32
        Velocity of the steered geometry in units of v_N, 0 outside the lumen.
    lumen : (n_depths, n_lines) bool
    """

    iq: Float32
    truth: Float32
    lumen: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Features:
    """What the console makes of an ensemble; planes are (n_depths, n_lines) float32.

    Attributes
    ----------
    velocity : array
        As measured, in units of v_N.
    power_db : array
        Behind the wall filter, above the noise floor.
    bandwidth : array
    echo_db : array
        Power of the unfiltered ensemble below its bright end.
    evidence : (N_MAPS, n_depths / 4, n_lines / 4) float32
        See :func:`..dsp.evidence.echo_evidence`.
    """

    velocity: Float32
    power_db: Float32
    bandwidth: Float32
    echo_db: Float32
    evidence: Float32


def scene(seed: int, shape: tuple[int, int] = SHAPE) -> tuple[Recipe, tuple[Ensemble, Ensemble]]:
    """Draw a scene and make its two frames.

    The flow of the second is that of the first times ``pace``; blood, tissue and noise are new.
    """
    rng = np.random.default_rng(seed)
    recipe = random_recipe(rng)
    aspect = recipe.line_step / recipe.row_step
    flow = random_flow(rng, shape, _MARGIN, aspect)
    velocity, reached = _scaled(flow, recipe)
    for _ in range(_REDRAWN):
        if reached > _ENOUGH * recipe.peak:
            break
        other = random_flow(rng, shape, _MARGIN, aspect)
        other_velocity, other_reached = _scaled(other, recipe)
        if other_reached > reached:
            flow, velocity, reached = other, other_velocity, other_reached
    # The faster of the two has the peak.
    faster = max(1.0, recipe.pace)
    first = ensemble(rng, recipe, velocity / np.float32(faster), flow.lumen)
    second = ensemble(rng, recipe, velocity * np.float32(recipe.pace / faster), flow.lumen)
    return recipe, (first, second)


def ensemble(
    rng: np.random.Generator,
    recipe: Recipe,
    velocity: Float32,
    lumen: NDArray[np.bool_],
    margin: int = _MARGIN,
) -> Ensemble:
    """Make one frame.

    Parameters
    ----------
    rng : numpy.random.Generator
    recipe : Recipe
    velocity : (2, rows, lines) float32
        Rows and lines that blood moves from pulse to pulse, with the margin.
    lumen : (rows, lines) bool
        With the margin.
    margin : int
        Pixels around the picture.
    """
    inner = (slice(margin, -margin), slice(margin, -margin))
    per_row, per_line = recipe.path
    truth = (-4.0 * (per_row * velocity[0] + per_line * velocity[1]))[inner].astype(np.float32)
    inside = lumen[inner]
    shape = inside.shape
    blood = np.zeros((recipe.n_pulses, 2, *shape), np.float32)
    _add_blood(rng, recipe, velocity, lumen, blood)
    if inside.any():
        middle = blood[recipe.n_pulses // 2]
        blood /= math.sqrt(float(np.mean(np.sum(middle**2, axis=0)[inside])))
    shadow = _shadow(rng, recipe, shape)
    if shadow is not None:
        blood *= shadow
    _add_tissue(rng, recipe, inside, shadow, blood)
    _add_noise(rng, recipe, blood)
    iq = aligned_zeros((*shape, 2, n_lanes(recipe.n_pulses)))
    turn = 4.0 * math.pi
    kernels.to_ensemble(blood, turn * per_row, turn * per_line, iq)
    return Ensemble(iq, np.where(inside, truth, np.float32(0.0)), inside.copy())


def features(recipe: Recipe, iq: Float32, *, with_evidence: bool = True) -> Features:
    """Take an ensemble through the console's signal chain.

    Parameters
    ----------
    recipe : Recipe
    iq : (n_depths, n_lines, 2, n_lanes) float32
    with_evidence : bool
        Otherwise the evidence maps are zero.
    """
    n, kind = recipe.n_pulses, recipe.wall_filter
    maps = doppler.estimate(iq, n, kind, recipe.full_width)
    floor_db = bmode.level_db(maps.power, _FLOOR_PERCENTILE)
    echo = np.asarray(bmode.mean_power(iq, n))
    reference_db = bmode.reference_db(echo)
    if floor_db is None or reference_db is None:
        raise ValueError("an ensemble without any signal")
    n_depths, n_lines = maps.velocity.shape
    return Features(
        velocity=maps.velocity,
        power_db=bmode.to_db(maps.power, floor_db, _LOWEST_POWER_DB),
        bandwidth=maps.bandwidth,
        echo_db=bmode.to_db(echo, reference_db),
        evidence=echo_evidence(iq, n, recipe.shift, kind)
        if with_evidence
        else np.zeros((N_MAPS, *cells_of((n_depths, n_lines))), np.float32),
    )


def _scaled(flow: Flow, recipe: Recipe) -> tuple[Float32, float]:
    """Rows and lines per pulse at the recipe's peak, and the peak that was reached."""
    rows, lines = (
        flow.velocity[0],
        flow.velocity[1] * np.float32(recipe.row_step / recipe.line_step),
    )
    per_row, per_line = recipe.path
    margin = flow.margin
    axial = np.abs(4.0 * (per_row * rows + per_line * lines))[margin:-margin, margin:-margin]
    across = 4.0 * recipe.line_step * np.abs(lines)[margin:-margin, margin:-margin]
    # A vessel that lies across the beam cannot be driven to the peak: its echoes would be gone
    # before the next pulse.
    scale = min(
        recipe.peak / max(float(axial.max()), 1e-9),
        _MAX_LATERAL / max(float(np.percentile(across[across > 0.0], 99.0)), 1e-9),
    )
    limit = 2.0 * _MAX_LATERAL / (4.0 * recipe.line_step)
    velocity = np.clip(np.stack([rows, lines]) * np.float32(scale), -limit, limit)
    return velocity, scale * float(axial.max())


def _add_blood(
    rng: np.random.Generator,
    recipe: Recipe,
    velocity: Float32,
    lumen: NDArray[np.bool_],
    out: Float32,
) -> None:
    margin = (lumen.shape[0] - out.shape[2]) // 2
    a, b, c = recipe.envelope
    free = a * c - b * b
    width = math.sqrt(c / free), math.sqrt(a / free)
    cell = 2.0 * math.pi * math.log(2.0) / math.sqrt(free)
    at_row, at_line = np.nonzero(lumen)
    if at_row.size == 0:
        return
    n = math.ceil(at_row.size * min(_PER_CELL / cell, 4.0))
    chosen = rng.integers(0, at_row.size, n)
    per_row, per_line = recipe.path
    kernels.splat(
        at_row[chosen] - margin + rng.uniform(-0.5, 0.5, n),
        at_line[chosen] - margin + rng.uniform(-0.5, 0.5, n),
        rng.standard_normal((2, n), np.float32),
        (1.0 + recipe.spread * rng.standard_normal(n, np.float32)).astype(np.float32),
        velocity,
        margin,
        np.array([a, b, c]),
        4.0 * math.pi * np.array([per_row, per_line]),
        np.array([max(1, math.ceil(_REACH * w)) for w in width]),
        out,
    )


def _add_tissue(
    rng: np.random.Generator,
    recipe: Recipe,
    inside: NDArray[np.bool_],
    shadow: Float32 | None,
    out: Float32,
) -> None:
    """Tissue around the vessels, brighter walls, and what of it leaks into the lumen."""
    texture = np.exp(rng.uniform(0.0, 0.8) * 8.0 * _smooth_noise(rng, inside.shape, 10.0))
    near = gaussian_filter(inside.astype(np.float32), 2.5)
    wall = 1.0 + rng.uniform(0.0, 4.0) * np.where(inside, 0.0, near)
    outside = np.where(inside, 0.0, texture * wall).astype(np.float32)
    leak = 10.0 ** (recipe.inside_db / 20.0)
    side_lobes = uniform_filter1d(outside, 31, axis=1, mode="nearest")
    amplitude = np.where(inside, leak * (0.3 + side_lobes), outside).astype(np.float32)
    if shadow is not None:
        amplitude *= shadow
    still, other = _speckle(rng, recipe, amplitude)
    level = np.sqrt(np.mean(np.abs(still[~inside]) ** 2)) if not inside.all() else 1.0
    gain = 10.0 ** (recipe.clutter_db / 20.0) / max(float(level), 1e-12)
    still *= np.complex64(gain)
    other *= np.complex64(gain * recipe.tissue_drift / max(1, recipe.n_pulses - 1))
    variation = recipe.tissue_variation * 12.0 * _smooth_noise(rng, inside.shape, 20.0)
    turn = math.pi * (recipe.tissue_turn + recipe.flash + variation)
    faster = float(rng.normal(0.0, 0.05))
    kernels.add_tissue(still, other, turn.astype(np.float32), faster, out)


def _speckle(
    rng: np.random.Generator, recipe: Recipe, amplitude: Float32
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Two independent speckle patterns of the echo's width under one amplitude."""
    shape = tuple(fft.next_fast_len(n + 16) for n in amplitude.shape)
    a, b, c = recipe.envelope
    free = a * c - b * b
    k = 2.0 * math.pi * fft.fftfreq(shape[0])[:, None]
    m = 2.0 * math.pi * fft.fftfreq(shape[1])[None, :]
    response = np.exp(-0.5 * (c * k * k - 2.0 * b * k * m + a * m * m) / free).astype(np.float32)
    found = []
    for _ in range(2):
        white = np.zeros(shape, np.complex64)
        noise = rng.standard_normal((2, *amplitude.shape), np.float32)
        white[: amplitude.shape[0], : amplitude.shape[1]] = (noise[0] + 1j * noise[1]) * amplitude
        echoes = fft.ifft2(fft.fft2(white) * response)
        found.append(
            np.ascontiguousarray(echoes[: amplitude.shape[0], : amplitude.shape[1]], np.complex64)
        )
    return found[0], found[1]


def _add_noise(rng: np.random.Generator, recipe: Recipe, out: Float32) -> None:
    a, _, c = recipe.envelope
    windows = [_gaussian(recipe.noise_width / math.sqrt(q)) for q in (a, c)]
    n_pulses, _, n_rows, n_lines = out.shape
    size = (n_rows + windows[0].size - 1, n_lines + windows[1].size - 1)
    white = rng.standard_normal((n_pulses, 2, *size), np.float32)
    slope_db = recipe.noise_slope_db * np.linspace(-0.5, 0.5, n_rows)
    level = math.sqrt(0.5) * 10.0 ** ((slope_db - recipe.snr_db) / 20.0)
    kernels.add_noise(white, windows[0], windows[1], level.astype(np.float32), out)


def _gaussian(width: float) -> Float32:
    """Window of unit energy."""
    half = math.ceil(2.5 * width) if width > 0.2 else 0
    window = np.exp(-0.5 * (np.arange(-half, half + 1) / max(width, 1e-3)) ** 2)
    return (window / math.sqrt(float(np.sum(window**2)))).astype(np.float32)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], width: float) -> Float32:
    """Noise of a given width in pixels, on a coarse grid; its deviation is about 1 / width."""
    coarse = max(1, int(width / 3))
    size = tuple(-(-n // coarse) + 2 for n in shape)
    plane = gaussian_filter(rng.standard_normal(size, np.float32), width / coarse, mode="wrap")
    plane *= np.float32(1.0 / coarse)
    fine = np.repeat(np.repeat(plane, coarse, axis=0), coarse, axis=1)
    return np.asarray(
        uniform_filter1d(uniform_filter1d(fine, coarse, axis=0), coarse, axis=1)[
            : shape[0], : shape[1]
        ]
    )


def _shadow(rng: np.random.Generator, recipe: Recipe, shape: tuple[int, int]) -> Float32 | None:
    """Attenuation below something hard, or in a patch; None where there is none."""
    if recipe.n_shadows == 0:
        return None
    row, line = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    loss_db = np.zeros(shape)
    for _ in range(recipe.n_shadows):
        centre_row, centre_line = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        width = rng.uniform(2.0, 14.0)
        across = np.exp(-0.5 * ((line - centre_line) / width) ** 2)
        if rng.random() < 0.5:
            down = 1.0 / (1.0 + np.exp(-(row - centre_row) / 3.0))
        else:
            down = np.exp(-0.5 * ((row - centre_row) / width) ** 2)
        loss_db = loss_db + rng.uniform(4.0, 25.0) * across * down
    return (10.0 ** (-loss_db / 20.0)).astype(np.float32)
