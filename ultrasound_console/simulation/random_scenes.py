"""Any number of scenes, each from a whole number: vessels of random shape, course and direction.

Their flow is in closed form, so that a scene is there at once: it follows the walls and the
heart's rhythm but has no inertia.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

import numpy as np

from .scenes import Scene
from .stream import Blood, ClosedForm
from .tissue import GROIN, NECK, PLAIN
from .vessels import Bifurcation, Channel, Wall
from .waveform import CAROTID, EXTERNAL_CAROTID, FEMORAL, STEADY, Waveform

_REACH_MM = 26
_STEP_MM = 2
_WAVEFORMS = (FEMORAL, FEMORAL, CAROTID, EXTERNAL_CAROTID, STEADY)
# Depths that vessels keep to.
_HIGHEST_MM, _LOWEST_MM = 6.5, 31.0
# A bend is no sharper than this many radii.
_SHARPEST_BEND = 2.2


@lru_cache(maxsize=4)
def random_scene(seed: int) -> Scene:
    """Draw a scene; the same for the same whole number."""
    rng = np.random.default_rng((abs(seed), int(seed < 0)))
    kind = rng.choice(["one", "two", "branching"], p=[0.45, 0.2, 0.35])
    vessels: tuple[Blood, ...]
    if kind == "two":
        vessels = _pair(rng)
    elif kind == "branching":
        vessels = (_flowing(_branching(rng), rng, (0.3, 1.2)),)
    else:
        lumen = _winding(rng, 0.5 * (_HIGHEST_MM + _LOWEST_MM), 12.0)
        vessels = (_flowing(lumen, rng, (0.15, 1.8)),)
    tissue = (GROIN, NECK, PLAIN)[rng.choice(3, p=[0.45, 0.4, 0.15])]
    return Scene(
        f"random:{seed}",
        vessels,
        tissue,
        blood_db=float(rng.uniform(-46.0, -36.0)),
        noise_db=float(rng.uniform(-64.0, -56.0)),
        about=f"Vessels drawn from the number {seed}",
        seed=int(rng.integers(1 << 31)),
    )


def _flowing(
    lumen: Bifurcation | Channel, rng: np.random.Generator, speed_m_s: tuple[float, float]
) -> ClosedForm:
    low, high = np.log(speed_m_s)
    course: Waveform = _WAVEFORMS[rng.integers(len(_WAVEFORMS))]
    direction = rng.choice([-1.0, 1.0])
    return ClosedForm(
        lumen, course, float(direction * np.exp(rng.uniform(low, high))),
        float(rng.uniform(0.0, 0.04)),
    )  # fmt: skip


def _pair(rng: np.random.Generator) -> tuple[Blood, ...]:
    """Two vessels, one over the other, that mostly flow against each other."""
    upper = _flowing(_winding(rng, 11.5, 4.0), rng, (0.3, 1.2))
    lower = _flowing(_winding(rng, 23.5, 5.5), rng, (0.1, 0.6))
    if rng.random() < 0.8:
        against = -math.copysign(lower.peak_speed_m_s, upper.peak_speed_m_s)
        lower = dataclasses.replace(lower, peak_speed_m_s=against)
    # One heart drives both.
    if lower.waveform.bumps and upper.waveform.bumps:
        lower = dataclasses.replace(lower, waveform=upper.waveform)
    steady = dataclasses.replace(STEADY, period_s=upper.waveform.period_s)
    if not lower.waveform.bumps:
        lower = dataclasses.replace(lower, waveform=steady)
    return upper, lower


def _winding(rng: np.random.Generator, middle_mm: float, room_mm: float) -> Channel:
    """Vessel around a tilted sine within ``room_mm`` above and below, sometimes narrowed."""
    radius = rng.uniform(1.4, min(4.5, 0.65 * room_mm))
    free = room_mm - radius
    tilt = rng.uniform(-0.6, 0.6) * free / _REACH_MM
    free -= abs(tilt) * _REACH_MM
    length = rng.uniform(22.0, 60.0)
    turn = 2.0 * math.pi / length
    swing = rng.uniform(0.0, 0.8) * min(free, 1.0 / (_SHARPEST_BEND * radius * turn**2))
    shift = rng.uniform(0.0, 2.0 * math.pi)
    middle_mm += rng.uniform(-1.0, 1.0) * (free - swing)
    narrowed = rng.uniform(0.2, 0.6) if rng.random() < 0.4 else 0.0
    where, wide = rng.uniform(-12.0, 8.0), 1.2 * radius + rng.uniform(1.5, 4.0)
    upper, lower = [], []
    for x in range(-_REACH_MM - _STEP_MM, _REACH_MM + 2 * _STEP_MM, _STEP_MM):
        slope = tilt + swing * turn * math.cos(turn * x + shift)
        z = middle_mm + tilt * x + swing * math.sin(turn * x + shift)
        here = radius * (1.0 - narrowed * math.exp(-(((x - where) / wide) ** 2)))
        away = here / math.hypot(1.0, slope)
        upper.append((1e-3 * (x + away * slope), 1e-3 * (z - away)))
        lower.append((1e-3 * (x - away * slope), 1e-3 * (z + away)))
    walls = Wall(tuple(upper), 0.0), Wall(tuple(lower[::-1]), 1.0)
    if narrowed < 0.35:
        return Channel(*walls)
    jet_m = (1e-3 * where, 1e-3 * float(rng.uniform(12.0, 30.0)))
    return Channel(*walls, jet_m=jet_m, jet_strength=float(rng.uniform(1.0, 7.0)))


def _branching(rng: np.random.Generator) -> Bifurcation:
    """Vessel that parts in two towards the right."""
    first, second = rng.uniform(1.5, 2.6), rng.uniform(1.6, 3.2)
    trunk = rng.uniform(0.65, 0.85) * (first + second)
    up, down = rng.uniform(-0.02, 0.16), rng.uniform(0.2, 0.45)
    apex_x, apex_z = rng.uniform(-6.0, 4.0), rng.uniform(14.5, 17.0)
    # Within the depths that vessels keep to, at the right end as well.
    run = _REACH_MM - apex_x
    up = min(up, (apex_z - 2.0 * first - _HIGHEST_MM - 0.5) / run)
    down = min(down, (_LOWEST_MM + 2.0 - apex_z - 2.2 * second) / run)
    middle = apex_z + rng.uniform(-0.5, 0.5) + 0.5 * (second - first)
    tilt = rng.uniform(-0.06, 0.06)
    left = np.array([-_REACH_MM - 2.0, -20.0, -14.0, apex_x - 6.0])
    left = left[left <= apex_x - 6.0]
    right = apex_x + np.array([4.0, 8.0, 13.0, run + 2.0])
    gone = right - apex_x
    trunk_z = middle + tilt * (left - apex_x)
    above = apex_z - up * gone - 2.0 * first * math.hypot(1.0, up)
    below = apex_z + down * gone + 2.0 * second * math.hypot(1.0, down)
    arm = np.array([1.2, 4.0, 8.0, 13.0, run + 2.0])
    upper_arm = apex_z - up * arm - 0.35 * np.minimum(arm / 4.0, 1.0)
    lower_arm = apex_z + down * arm + 0.35 * np.minimum(arm / 4.0, 1.0)
    divider = [*zip(apex_x + arm[::-1], upper_arm[::-1], strict=True), (apex_x, apex_z),
               *zip(apex_x + arm, lower_arm, strict=True)]  # fmt: skip
    upper = [*zip(left, trunk_z - trunk, strict=True), *zip(right, above, strict=True)]
    lower = [*zip(left, trunk_z + trunk, strict=True), *zip(right, below, strict=True)]
    share = first**2 / (first**2 + second**2) * rng.uniform(0.85, 1.15)

    def wall(points: list[tuple[float, float]], stream: float) -> Wall:
        return Wall(tuple((1e-3 * float(x), 1e-3 * float(z)) for x, z in points), stream)

    return Bifurcation(wall(upper, 0.0), wall(lower[::-1], 1.0), wall(divider, float(share)))
