"""Measurements as a table: one value to a row, with all that is needed to know what it means.

A file is CSV in UTF-8 under a few lines that start with ``#``. Which frame, which settings and
whether a velocity is raw or corrected stand in every row, so that rows can be taken out, sorted and
put together with those of other files. Nothing in it tells who was scanned.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import BANNER, __version__
from ..frames import DopplerFrame
from .whole_file import whole_file

SUFFIX = ".csv"
COLUMNS = (
    "kind",
    "name",
    "quantity",
    "value",
    "unit",
    "velocity_is",
    "position_mm",
    "source",
    "frame",
    "time_s",
    "prf_hz",
    "nyquist_cm_s",
    "center_frequency_mhz",
    "wall_filter",
    "angle_correction_deg",
)
CM_S = "cm/s"
MM = "mm"
PERCENT = "%"
VelocityIs = Literal["raw", "corrected", "by hand", ""]
RAW: VelocityIs = "raw"
CORRECTED: VelocityIs = "corrected"
BY_HAND: VelocityIs = "by hand"
NO_VELOCITY: VelocityIs = ""

_ABOUT = (
    f"Measurements by ultrasound_console {__version__}",
    BANNER,
    "Velocity is along the beam and positive towards the probe. With an angle in the column "
    "angle_correction_deg it is along the vessel: divided by the cosine of that angle.",
    "velocity_is: raw = as measured, aliased beyond the Nyquist velocity; corrected = de-aliased "
    "by whole multiples of twice the Nyquist velocity; by hand = some of these multiples were set "
    "by hand. Empty where a value is no velocity.",
)
_FORMULAS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Conditions:
    """Where a value comes from, and the settings that it depends on.

    Attributes
    ----------
    source : str
        Name of the source as on screen; no path.
    frame : int
        Index.
    time_s : float
        Of the frame, on the source's clock.
    prf_hz, nyquist_m_s, center_frequency_hz : float
        Achieved PRF, v_N and f0.
    wall_filter : str
        In force.
    angle_rad : float, optional
        Between beam and vessel, where velocities are divided by its cosine; None where they are
        not.
    """

    source: str
    frame: int
    time_s: float
    prf_hz: float
    nyquist_m_s: float
    center_frequency_hz: float
    wall_filter: str
    angle_rad: float | None = None

    @classmethod
    def of(cls, frame: DopplerFrame, angle_rad: float | None = None) -> Conditions:
        """Conditions of a finished frame."""
        acquisition = frame.acquisition
        return cls(
            source=acquisition.source,
            frame=frame.index,
            time_s=frame.time_s,
            prf_hz=acquisition.prf_hz,
            nyquist_m_s=acquisition.nyquist_velocity_m_s,
            center_frequency_hz=acquisition.center_frequency_hz,
            wall_filter=frame.wall_filter,
            angle_rad=angle_rad,
        )


@dataclass(frozen=True)
class Row:
    """One value.

    Attributes
    ----------
    kind : str
        What was measured with: ``region``, ``region trace``, ``caliper`` ...
    name : str
        Which of them.
    quantity : str
        What the value is: ``mean velocity``, ``length`` ...
    value : float
        In ``unit``; NaN, where there is none, leaves the cell empty.
    unit : str
        As on screen: :data:`CM_S`, :data:`MM`, :data:`PERCENT` ...; empty for a count.
    velocity_is : str
        :data:`RAW`, :data:`CORRECTED`, :data:`BY_HAND` or :data:`NO_VELOCITY`.
    conditions : Conditions
    position_m : float, optional
        Along a line that was drawn, where the value is that of one point of it.
    """

    kind: str
    name: str
    quantity: str
    value: float
    unit: str
    velocity_is: VelocityIs
    conditions: Conditions
    position_m: float | None = None

    def cells(self) -> tuple[str, ...]:
        """One text for each of :data:`COLUMNS`."""
        given = self.conditions
        angle_deg = None if given.angle_rad is None else math.degrees(given.angle_rad)
        return (
            _text(self.kind),
            _text(self.name),
            _text(self.quantity),
            _number(self.value),
            _text(self.unit),
            self.velocity_is,
            _number(None if self.position_m is None else 1e3 * self.position_m),
            _text(given.source),
            str(given.frame),
            f"{given.time_s:.6f}",
            _number(given.prf_hz),
            _number(100.0 * given.nyquist_m_s),
            _number(1e-6 * given.center_frequency_hz),
            _text(given.wall_filter),
            _number(angle_deg),
        )


def write_measurements(path: Path, rows: Iterable[Row]) -> None:
    """Write a table; the file appears under its name only when it is whole.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    rows : iterable of Row

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in _ABOUT)
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row.cells() for row in rows)


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _text(text: str) -> str:
    """Make one line of letters that exist, which no spreadsheet takes for a formula."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return f"'{line}" if line.startswith(_FORMULAS) else line
