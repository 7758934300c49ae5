"""How a scene is seen: the probe, the waves, the wall filter, tissue and noise, drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..dsp import wall_filter
from ..dsp.evidence import EchoShift

MAX_SPEED = 7.0
"""Fastest flow along the beam, in v_N."""

_FILTERS = (
    ("polynomial-1", 0.4),
    ("polynomial-0", 0.12),
    ("polynomial-2", 0.12),
    ("low", 0.06),
    ("medium", 0.06),
    ("high", 0.04),
    ("iir-low", 0.05),
    ("iir-medium", 0.05),
    ("svd-low", 0.05),
    ("svd-medium", 0.05),
)


@dataclass(frozen=True)
class Recipe:
    """How a scene is seen; lengths in wavelengths.

    Attributes
    ----------
    wavelength_m : float
    row_step, line_step : float
        Sample spacing in z, and between lines.
    grid_rad, transmit_rad, receive_rad : float
        Angles of the lines and of the waves.
    axial_width, lateral_width : float
        Standard deviations of an echo's envelope along and across the beam.
    n_pulses : int
    wall_filter : str
    smoothing : float
        Width of the complex averaging.
    peak : float
        Fastest flow along the beam, in v_N.
    pace : float
        Speed in the second frame relative to the first.
    spread : float
        Spread of the scatterers' speeds, relative.
    snr_db : float
        Blood above noise before the wall filter.
    noise_width : float
        Width of the noise's correlation relative to that of an echo; 0 is white.
    noise_slope_db : float
        How much louder the noise is at the bottom than at the top.
    clutter_db, inside_db : float
        Tissue above blood, and what of it is left inside the vessels.
    tissue_turn, tissue_variation, tissue_drift : float
        Mean tissue velocity in v_N, its variation over the picture, and the share of its speckle
        that is new at the end of the ensemble.
    flash : float
        Velocity of a jerk of the tissue, in v_N; mostly 0.
    n_shadows : int
        Places where the echoes drop out.
    """

    wavelength_m: float
    row_step: float
    line_step: float
    grid_rad: float
    transmit_rad: float
    receive_rad: float
    axial_width: float
    lateral_width: float
    n_pulses: int
    wall_filter: str
    smoothing: float
    peak: float
    pace: float
    spread: float
    snr_db: float
    noise_width: float
    noise_slope_db: float
    clutter_db: float
    inside_db: float
    tissue_turn: float
    tissue_variation: float
    tissue_drift: float
    flash: float
    n_shadows: int

    @property
    def pixel_m(self) -> tuple[float, float]:
        """(axial, lateral) sample spacing."""
        return self.row_step * self.wavelength_m, self.line_step * self.wavelength_m

    @property
    def full_width(self) -> tuple[float, float]:
        """Complex averaging in rows and lines."""
        return self.smoothing / self.row_step, self.smoothing / self.line_step

    @property
    def shift(self) -> EchoShift:
        """How echoes move over the grid."""
        return EchoShift.on_grid(
            self.pixel_m, self.wavelength_m, self.grid_rad, self.transmit_rad, self.receive_rad
        )

    @property
    def path(self) -> tuple[float, float]:
        """Half the path, in wavelengths, gained per row down a line and per line at a depth."""
        along_x = 0.5 * (math.sin(self.transmit_rad) + math.sin(self.receive_rad))
        along_z = 0.5 * (math.cos(self.transmit_rad) + math.cos(self.receive_rad))
        per_row = (along_z + along_x * math.tan(self.grid_rad)) * self.row_step
        return per_row, along_x * self.line_step

    @property
    def envelope(self) -> tuple[float, float, float]:
        """a, b, c of an echo's exp(-(a dr^2 + 2 b dr dl + c dl^2) / 2) in rows and lines."""
        # A row is (tan t, 1) row_step in (x, z), a line is (1, 0) line_step.
        tilt = 0.5 * (self.transmit_rad + self.receive_rad)
        along, across = (math.sin(tilt), math.cos(tilt)), (math.cos(tilt), -math.sin(tilt))
        slant = math.tan(self.grid_rad)
        a = b = c = 0.0
        for (x, z), width in ((along, self.axial_width), (across, self.lateral_width)):
            row, line = (x * slant + z) * self.row_step / width, x * self.line_step / width
            a, b, c = a + row * row, b + row * line, c + line * line
        return a, b, c


def random_recipe(rng: np.random.Generator) -> Recipe:
    """Draw how a scene is seen."""
    steering_rad = math.radians(rng.uniform(-25.0, 25.0)) if rng.random() < 0.65 else 0.0
    # A steered box of parallel lines, or a rectangle that receives straight up.
    is_box = rng.random() < 0.6
    jerks = rng.random() < 0.06
    kind = str(rng.choice([k for k, _ in _FILTERS], p=[p for _, p in _FILTERS]))
    n_pulses = int(
        rng.choice(
            [6, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            p=[0.05, 0.1, 0.05, 0.1, 0.05, 0.35, 0.05, 0.1, 0.05, 0.1],
        )
    )
    return Recipe(
        wavelength_m=rng.uniform(0.17e-3, 0.44e-3),
        row_step=rng.uniform(0.28, 0.65),
        line_step=rng.uniform(0.4, 1.0),
        grid_rad=steering_rad if is_box else 0.0,
        transmit_rad=steering_rad,
        receive_rad=steering_rad if is_box else 0.0,
        axial_width=_between(rng, 0.36, 1.2),
        lateral_width=_between(rng, 0.5, 2.2),
        n_pulses=n_pulses,
        wall_filter=wall_filter.strongest(kind, n_pulses),
        smoothing=_between(rng, 1.2, 4.5),
        peak=rng.uniform(0.25, MAX_SPEED),
        pace=rng.uniform(0.3, 1.0) if rng.random() < 0.5 else 1.0 / rng.uniform(0.5, 1.0),
        spread=rng.uniform(0.0, 0.12) if rng.random() < 0.6 else 0.0,
        snr_db=rng.uniform(2.0, 30.0),
        noise_width=rng.uniform(0.3, 0.9) if rng.random() < 0.8 else 0.0,
        noise_slope_db=rng.uniform(-1.0, 6.0),
        clutter_db=rng.uniform(10.0, 38.0),
        inside_db=rng.uniform(-40.0, -14.0),
        tissue_turn=_between(rng, 0.0005, 0.03) * rng.choice([-1.0, 1.0]),
        tissue_variation=_between(rng, 0.0003, 0.02),
        tissue_drift=_between(rng, 0.002, 0.08),
        flash=rng.uniform(0.05, 0.5) * rng.choice([-1.0, 1.0]) if jerks else 0.0,
        n_shadows=int(rng.choice([0, 1, 2, 3], p=[0.6, 0.2, 0.1, 0.1])),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly on a logarithmic scale."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
