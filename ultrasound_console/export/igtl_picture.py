"""A finished frame as OpenIGTLink images: which there are, in which units, and where they lie.

World coordinates are right, anterior, superior (RAS) in millimetres, as 3D Slicer takes every
image to be: ``(-1000 x, -1000 z, 0)``. So its axial view shows what the console shows, x to the
right and depth downwards. Which way the probe really points, nobody here knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import BANNER
from ..frames import DopplerFrame, Status
from ..geometry import ImageGrid
from ..settings.display import DisplaySettings
from .igtl_messages import image
from .raster import Raster, raster_of

SLICE_MM = 1.0
"""Thickness given to the one slice of an image; the protocol has no slices without one."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is on screen: a frame, how grey is shown, and when the frame came, since 1970."""

    frame: DopplerFrame
    display: DisplaySettings
    time_s: float

    @classmethod
    def of(cls, frame: DopplerFrame, display: DisplaySettings) -> Picture:
        """Take the time at which the frame reached the console, however late it is sent."""
        age_s = time.perf_counter() - frame.received_s
        return cls(frame, display, time.time() - age_s)

    def is_like(self, frame: DopplerFrame, display: DisplaySettings) -> bool:
        """Whether these would make the same images."""
        return frame is self.frame and _grey_settings(display) == _grey_settings(self.display)


def grey_levels(bmode_db: NDArray[np.float32], display: DisplaySettings) -> NDArray[np.uint8]:
    """Grey of echo levels as on screen, with gain, gains at the depths and dynamic range.

    Parameters
    ----------
    bmode_db : (n_depths, n_lines) float32
    display : DisplaySettings

    Returns
    -------
    (n_depths, n_lines) uint8
        0 is black; 255 is 0 dB at no gain.
    """
    depths = np.linspace(0, len(bmode_db) - 1, len(display.tgc_db))
    gain_db = display.bmode_gain_db + np.interp(np.arange(len(bmode_db)), depths, display.tgc_db)
    share = (bmode_db + gain_db.astype(np.float32)[:, None]) / display.bmode_dynamic_range_db + 1.0
    return np.rint(255.0 * share.clip(0.0, 1.0)).astype(np.uint8)


def matrix_mm(raster: Raster) -> NDArray[np.float64]:
    """Make the matrix from (column, row, slice, 1) to right, anterior, superior; millimetres."""
    matrix = np.diag([-1e3 * raster.step_x_m, -1e3 * raster.step_z_m, SLICE_MM, 1.0])
    matrix[:2, 3] = -1e3 * raster.x_m, -1e3 * raster.z_m
    return matrix


def messages(picture: Picture, names: Sequence[str], state: str) -> bytes:
    """Make the images of a picture, one message after the other.

    Parameters
    ----------
    picture : Picture
    names : sequence of str
        Which of :data:`NAMES`.
    state : str
        Of the console, as it is shown.
    """
    frame = picture.frame
    told = {
        "State": state,
        "FrameIndex": str(frame.index),
        "AcquisitionTime_s": f"{frame.time_s:.6f}",
        "NyquistVelocity_m_s": f"{frame.nyquist_velocity_m_s:.6g}",
        "PRF_Hz": f"{frame.acquisition.prf_hz:.6g}",
        "CentreFrequency_Hz": f"{frame.acquisition.center_frequency_hz:.6g}",
        "DeAliased": "yes" if frame.processing.dealias else _not_dealiased(frame),
        "Notice": BANNER,
    }
    made = []
    for name in names:
        device = _DEVICES[name]
        grid, plane = device.draw(picture)
        raster = raster_of(grid)
        metadata = {**device.metadata, **told}
        made.append(image(name, picture.time_s, raster.draw(plane), matrix_mm(raster), metadata))
    return b"".join(made)


@dataclass(frozen=True)
class _Device:
    metadata: Mapping[str, str]
    draw: Callable[[Picture], tuple[ImageGrid, NDArray[Any]]]


def _grey(picture: Picture) -> tuple[ImageGrid, NDArray[Any]]:
    frame = picture.frame
    return frame.acquisition.bmode_grid, grey_levels(frame.bmode_db, picture.display)


def _flow_plane(
    plane: Callable[[DopplerFrame], NDArray[Any]],
) -> Callable[[Picture], tuple[ImageGrid, NDArray[Any]]]:
    """Give a plane of the colour box; zero where there is no flow, where its values are noise."""

    def draw(picture: Picture) -> tuple[ImageGrid, NDArray[Any]]:
        frame, values = picture.frame, plane(picture.frame)
        return frame.acquisition.colour_grid, values * (frame.status != Status.NO_FLOW)

    return draw


_VELOCITY = {"Unit": "m/s", "Positive": "towards the probe", "NoFlow": "0"}
_DEVICES = {
    "BMode": _Device({"Unit": "grey level"}, _grey),
    "VelocityRaw": _Device(_VELOCITY, _flow_plane(lambda frame: frame.velocity_m_s)),
    "VelocityCorrected": _Device(_VELOCITY, _flow_plane(lambda frame: frame.corrected_m_s)),
    "Fold": _Device(
        {"Unit": "2 v_N", "Meaning": "corrected = raw + 2 fold v_N"},
        _flow_plane(lambda frame: frame.fold),
    ),
    "Status": _Device(
        {"Meaning": ", ".join(f"{s.value} {s.name.lower().replace('_', ' ')}" for s in Status)},
        _flow_plane(lambda frame: frame.status),
    ),
}
NAMES = tuple(_DEVICES)
"""Of the images, in the order in which they are sent."""


def _grey_settings(display: DisplaySettings) -> tuple[object, ...]:
    return display.bmode_gain_db, display.bmode_dynamic_range_db, display.tgc_db


def _not_dealiased(frame: DopplerFrame) -> str:
    by_hand = bool(np.any(frame.status == Status.BY_HAND))
    return "no, folds by hand only" if by_hand else "no, corrected is raw"
