"""Where the scan lines of a Clarius recording are, and how often each is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import ImageGrid, Probe
from .clarius_about import TOLD_AGAIN, About
from .fields import LENGTH, RECORD_AGAIN, Limits, library_call, refusal
from .pulses import MIN_PULSES
from .transmits import MAX_STEERING_RAD

_RADIUS = Limits(1e-3, 0.5, "m")
_MOST_PULSES = 1024
_MOST_ELEMENTS = 1024
# Of the distance from line to line.
_UNEVEN = 0.02


@dataclass(frozen=True)
class Lines:
    """Scan lines from left to right, each of which is stored for every pulse.

    Attributes
    ----------
    element, angle_rad : (n_lines,) float64
        In the middle of the receiving aperture, from 0 on, and the steering.
    n_pulses : int
    """

    element: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    n_pulses: int

    @classmethod
    def of(cls, about: About, n_stored: int) -> Lines:
        """Read the list of lines: each is listed once, or once for every pulse.

        Parameters
        ----------
        about : About
        n_stored : int
            Lines times pulses.

        Raises
        ------
        SourceError
            Lines that are not stored equally often, or with too few pulses.
        """
        places = _places(about)
        runs = np.array([n_stored / len(places)])
        if len(places) == n_stored:
            changes = np.flatnonzero(np.any(np.diff(places, axis=0) != 0.0, axis=1)) + 1
            runs = np.diff(changes, prepend=0, append=n_stored)
            places = places[np.append(0, changes)]
        told = about.fields.optional("ensemble")
        n_pulses = float(runs[0])
        if np.any(runs != n_pulses) or n_pulses != round(n_pulses):
            problem = f"{len(places)} lines that are not repeated equally often in {n_stored}"
            raise refusal(about.file, "lines", problem, TOLD_AGAIN)
        if told is not None and told.flat[0] != n_pulses:
            problem = f"{told.flat[0]:g} where the lines have {n_pulses:g} pulses"
            raise refusal(about.file, "ensemble", problem, TOLD_AGAIN)
        if not MIN_PULSES <= n_pulses <= _MOST_PULSES or len(places) < 2:
            problem = f"{n_pulses:g} pulses on each of {len(places)} lines"
            raise refusal(about.file, "lines", problem, "capture in colour Doppler")
        return cls(places[:, 0], places[:, 1], int(n_pulses))

    def grid(
        self, about: About, range_m: tuple[float, float], n_depths: int
    ) -> tuple[ImageGrid, tuple[str, ...]]:
        """Place the lines side by side, about the middle of a curved array, or about one element.

        Parameters
        ----------
        about : About
        range_m : tuple of float
            First and last sample along the lines, from the array.
        n_depths : int

        Returns
        -------
        grid : ImageGrid
        notes : tuple of str

        Raises
        ------
        SourceError
            Lines of another kind, or a pitch that is not told.
        """
        n_elements = _n_elements(about)
        notes: tuple[str, ...] = ()
        middle = 0.5 * (n_elements - 1)
        if not n_elements:
            middle = 0.5 * float(self.element[0] + self.element[-1])
            notes = ("the .yml does not tell how many elements there are: the picture is centred",)
        size = n_depths, len(self.element)
        is_fan = bool(np.ptp(self.angle_rad) > 1e-6)
        if is_fan and np.ptp(self.element) == 0.0:
            return ImageGrid("polar", *size, self._even(about, self.angle_rad), range_m), notes
        if np.max(np.abs(self.angle_rad)) > MAX_STEERING_RAD:
            raise refusal(about.file, "lines", "steered by more than 60 degrees", RECORD_AGAIN)
        pitch_m, radius_m = about.fields.number("probe/pitch", LENGTH), _radius_m(about)
        tilt_rad = float(self.angle_rad[0])
        if is_fan or (radius_m and tilt_rad):
            problem = "are neither parallel nor those of a sector"
            raise refusal(about.file, "lines", problem, "capture without trapezoid")
        ends = self._even(about, (self.element - middle) * pitch_m)
        if radius_m:
            angles_rad = ends[0] / radius_m, ends[1] / radius_m
            away_m = radius_m + range_m[0], radius_m + range_m[1]
            return ImageGrid("polar", *size, angles_rad, away_m, apex_m=(0.0, -radius_m)), notes
        depths_m = range_m[0] * math.cos(tilt_rad), range_m[1] * math.cos(tilt_rad)
        return ImageGrid("parallel", *size, ends, depths_m, tilt_rad), notes

    def _even(self, about: About, at: NDArray[np.float64]) -> tuple[float, float]:
        """First and last of evenly spaced lines."""
        step = (at[-1] - at[0]) / (len(at) - 1)
        even = np.linspace(at[0], at[-1], len(at))
        # Written so that NaN fails too.
        if not (step > 0.0 and np.max(np.abs(at - even)) <= _UNEVEN * step):
            problem = "not evenly spaced from left to right"
            raise refusal(about.file, "lines", problem, RECORD_AGAIN)
        return float(at[0]), float(at[-1])


def probe_of(about: About, center_frequency_hz: float) -> Probe | None:
    """Make the array, where the ``.yml`` tells enough of it.

    Raises
    ------
    SourceError
        Impossible values.
    """
    n_elements = _n_elements(about)
    if not n_elements or about.fields.optional("probe/pitch") is None:
        return None
    pitch_m = about.fields.number("probe/pitch", LENGTH)
    array = f"Clarius, {n_elements} elements", n_elements, pitch_m
    if radius_m := _radius_m(about):
        return Probe.curved(*array, radius_m, center_frequency_hz=center_frequency_hz)
    return Probe.linear(*array, center_frequency_hz)


def _n_elements(about: About) -> int:
    """Elements of the array; 0 where that is not told."""
    told = about.fields.number("probe/elements", Limits(0.0, _MOST_ELEMENTS, "elements"), 0.0)
    return int(told)


def _radius_m(about: About) -> float:
    """Radius of a curved array; 0 for a flat one."""
    told = about.fields.optional("probe/radius")
    if told is None or not told.any():
        return 0.0
    return about.fields.number("probe/radius", _RADIUS)


def _places(about: About) -> NDArray[np.float64]:
    """(n, 2): receiving element and angle of each listed line."""
    listed = about.table.get("lines")
    if not isinstance(listed, list) or not listed:
        advice = "give the .yml as the scanner wrote it"
        raise refusal(about.file, "lines", "missing", advice)
    with library_call(about.file, "lines"):
        rows = [about.numbers(line, "rx element", "angle") for line in listed]
        places = np.array(rows, np.float64)
    if not np.all(np.abs(places) < 1e4):
        raise refusal(about.file, "lines", "not numbers of elements and angles", TOLD_AGAIN)
    return places
