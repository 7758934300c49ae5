"""Solved flow in files: small, checked when read, and how they are made."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..assets import CHECKSUMS, AssetError, check_listed, checksums
from .solver import Problem, Solver

Array = NDArray[np.float64]

_LARGEST_FILE = 2 * 2**20
_LARGEST_SIDE = 1000
# Cycles before the one that is kept, and the part of it that is led over into that before,
# so that the flow repeats even where vortices do not quite.
_LEAD_IN = 0.5
_LEAD_OVER = 0.12


@dataclass(frozen=True, eq=False)
class Phantom:
    """Stream function of one vessel at a number of phases of the heart cycle.

    Attributes
    ----------
    origin_m : (2,) float64
        Place (x, z) of the first cubic B-spline.
    spacing_m : float
    shape : tuple of int
        Splines along z and x.
    active : (n,) int64
        Flat numbers of the splines that reach into the lumen, rising; the others are zero.
    counts : (n_phases, n) int16
        Spline coefficients in units of ``unit_m2_s``.
    unit_m2_s : float
    """

    origin_m: Array
    spacing_m: float
    shape: tuple[int, int]
    active: NDArray[np.int64]
    counts: NDArray[np.int16]
    unit_m2_s: float

    def samples(self) -> Array:
        """Coefficients in m^2/s: (n_phases, n)."""
        return np.asarray(self.counts * self.unit_m2_s)


def solve(problem: Problem, n_phases: int) -> Iterator[Phantom | float]:
    """Solve a heart cycle: yields the part that is done, and the phantom in the end."""
    solver = Solver(problem, n_phases)
    lead_in = math.ceil(_LEAD_IN * n_phases)
    total = lead_in + n_phases
    start_s = (1 - lead_in) / n_phases * problem.period_s
    phases = []
    for done, coefficients in enumerate(solver.run(start_s - problem.period_s / n_phases, total)):
        phases.append(coefficients)
        yield (done + 1) / total
    samples = np.stack(phases[lead_in - 1 : lead_in - 1 + n_phases])
    n_over = round(_LEAD_OVER * n_phases)
    before = np.stack(phases[lead_in - 1 - n_over : lead_in - 1])
    part = (np.arange(n_over)[:, None] + 1.0) / (n_over + 1.0)
    smooth = part * part * (3.0 - 2.0 * part)
    samples[-n_over:] = (1.0 - smooth) * samples[-n_over:] + smooth * before
    unit_m2_s = float(np.abs(samples).max() / np.iinfo(np.int16).max)
    counts = np.rint(samples / unit_m2_s).astype(np.int16)
    yield Phantom(
        solver.origin_m, problem.spacing_m, solver.shape, solver.active, counts, unit_m2_s
    )


def write_phantom(path: Path, made: Phantom) -> None:
    """Write a phantom and its checksum, beside the others of the folder."""
    # Differences in time are small numbers, which compress well; they wrap around.
    steps = np.diff(made.counts, axis=0, prepend=np.zeros_like(made.counts[:1]))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        origin_m=made.origin_m,
        spacing_m=made.spacing_m,
        shape=np.array(made.shape, np.int32),
        active=np.diff(made.active, prepend=0).astype(np.int16),
        steps=steps,
        unit_m2_s=made.unit_m2_s,
    )
    path.write_bytes(buffer.getvalue())
    sums = checksums(path.parent) | {path.name: hashlib.sha256(buffer.getvalue()).hexdigest()}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    (path.parent / CHECKSUMS).write_text("".join(lines), encoding="ascii")


def read_phantom(path: Path) -> Phantom:
    """Read a phantom.

    Raises
    ------
    AssetError
        The file is not what was written.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("too large")
        content = path.read_bytes()
        check_listed(path, content)
        return _decoded(content)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AssetError(
            f"{path}: {error}; make it again with python -m ultrasound_console.simulation.make"
        ) from error


def _decoded(content: bytes) -> Phantom:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        origin_m, spacing_m = file["origin_m"], float(file["spacing_m"])
        n_z, n_x = (int(n) for n in file["shape"])
        gaps, steps = file["active"], file["steps"]
        unit_m2_s = float(file["unit_m2_s"])
    active = np.cumsum(gaps, dtype=np.int64)
    good = (
        origin_m.shape == (2,)
        and np.all(np.isfinite(origin_m))
        and 1e-5 < spacing_m < 1e-3
        and 4 <= min(n_z, n_x) <= max(n_z, n_x) <= _LARGEST_SIDE
        and 0.0 < unit_m2_s < 1e-5
        and gaps.dtype == steps.dtype == np.int16
        and gaps.ndim == 1
        and steps.ndim == 2
        and steps.shape[1:] == gaps.shape
        and gaps.size > 0
        and gaps[1:].min(initial=1) > 0
        and 0 <= active[0] <= active[-1] < n_z * n_x
    )
    if not good:
        raise ValueError("damaged")
    counts = np.cumsum(steps, axis=0, dtype=np.int16)
    return Phantom(origin_m, spacing_m, (n_z, n_x), active, counts, unit_m2_s)
