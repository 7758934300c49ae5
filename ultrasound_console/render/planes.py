"""The planes of frames on the GPU: textures that are sent again only where something differs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import gloo

from ..frames import DopplerFrame
from ..settings import DisplaySettings
from ..settings.display import VARIANCE

UNSURE_BELOW = 0.7
"""Confidence below which a fold is hatched."""
_UNSURE = 8
# Powers of the true picture, beyond any threshold: shown inside the vessels, and not outside.
_SHOWN_DB, _HIDDEN_DB = 1e3, -1e3
# What a fraction may be without being taken for one more.
_LARGEST_BANDWIDTH = np.float32(0.99)


def _state(frame: DopplerFrame) -> NDArray[np.uint8]:
    """Status, and a mark where the fold is unsure; nobody is, where folds were not looked for."""
    if not frame.processing.dealias:
        return frame.status
    state = np.less(frame.confidence, np.float32(UNSURE_BELOW)).view(np.uint8)
    state *= np.uint8(_UNSURE)
    state += frame.status
    return state


def _amplified(bmode_db: NDArray[np.float32], tgc_db: tuple[float, ...]) -> NDArray[np.float32]:
    """Add gains at evenly spaced depths, linear between them; one channel of a texture."""
    depths = np.linspace(0, len(bmode_db) - 1, len(tgc_db))
    gains_db = np.interp(np.arange(len(bmode_db)), depths, tgc_db)
    return (bmode_db + gains_db[:, None].astype(np.float32))[..., None]


def _grey() -> gloo.Texture2D:
    return gloo.Texture2D((2, 2, 1), internalformat="r32f", interpolation="linear")


def _colour() -> gloo.Texture2D:
    return gloo.Texture2D((2, 2, 4), internalformat="rgba32f")


class Planes:
    """Planes of a frame, of another version of it, and of its truth; all on the same grids.

    Attributes
    ----------
    frame : DopplerFrame or None
        That was uploaded last.
    bmode_db, kept_bmode_db : Texture2D
        One channel, of the frame and of the other version.
    flow, kept_flow, truth_flow : Texture2D
        Velocity and corrected velocity in units of v_N, power in dB, and the state, to which the
        bandwidth is added where it is shown.
    """

    def __init__(self) -> None:
        self.bmode_db, self.kept_bmode_db = _grey(), _grey()
        self.flow, self.kept_flow, self.truth_flow = _colour(), _colour(), _colour()
        self.frame: DopplerFrame | None = None
        self._packed = np.zeros((2, 2, 4), np.float32)
        self._has_bandwidth = False
        # With which gains it was sent; None for not yet.
        self._tgc_db: tuple[float, ...] | None = None
        self._truth_of: DopplerFrame | None = None
        self._kept: DopplerFrame | None = None
        # With which gains its B-mode was sent, and whether with the bandwidth.
        self._kept_as: tuple[tuple[float, ...], bool] | None = None

    def upload(self, frame: DopplerFrame) -> None:
        """Send the flow of a frame; its B-mode follows when it is known with which gains."""
        shape = *frame.acquisition.colour_grid.shape, 4
        if shape != self._packed.shape:
            self._packed = np.zeros(shape, np.float32)
        self.frame, self._tgc_db = frame, None
        self._pack(frame, self._packed)
        self.flow.set_data(self._packed)

    def upload_kept(self, frame: DopplerFrame) -> None:
        """Have another version of the frame that has been uploaded, beside it."""
        if frame is not self._kept:
            self._kept, self._kept_as = frame, None

    def upload_truth(self, frame: DopplerFrame) -> None:
        """Send the true velocity, once, of a frame that has been uploaded and has one."""
        if frame is self._truth_of or frame.vessel_mask is None:
            return
        self._truth_of = frame
        packed = np.zeros_like(self._packed)
        packed[..., 1] = np.where(frame.vessel_mask, _SHOWN_DB, _HIDDEN_DB)
        packed[..., 2] = frame.truth_m_s
        packed[..., 2] /= frame.nyquist_velocity_m_s
        self.truth_flow.set_data(packed)

    def follow(self, display: DisplaySettings, *, with_kept: bool) -> None:
        """Send what has to be another for these settings.

        Parameters
        ----------
        display : DisplaySettings
        with_kept : bool
            Whether the other version is in sight.
        """
        has_bandwidth, tgc_db = display.colour_map == VARIANCE, display.tgc_db
        if has_bandwidth != self._has_bandwidth:
            self._has_bandwidth = has_bandwidth
            if self.frame is not None:
                self.upload(self.frame)
        if self.frame is not None and tgc_db != self._tgc_db:
            self._tgc_db = tgc_db
            # Here and not for every pixel: a tenth of what a software rasteriser does.
            self.bmode_db.set_data(_amplified(self.frame.bmode_db, tgc_db))
        if with_kept and self._kept is not None and self._kept_as != (tgc_db, has_bandwidth):
            self._kept_as = tgc_db, has_bandwidth
            packed = np.empty_like(self._packed)
            self._pack(self._kept, packed)
            self.kept_flow.set_data(packed)
            self.kept_bmode_db.set_data(_amplified(self._kept.bmode_db, tgc_db))
        interpolation = "linear" if display.interpolate else "nearest"
        for texture in (self.bmode_db, self.kept_bmode_db):
            if texture.interpolation != interpolation:
                texture.interpolation = interpolation

    def _pack(self, frame: DopplerFrame, packed: NDArray[np.float32]) -> None:
        """Lay the planes of flow into the channels of a texture."""
        velocity, power_db, corrected, state = np.moveaxis(packed, -1, 0)
        np.multiply(frame.velocity_m_s, np.float32(1 / frame.nyquist_velocity_m_s), out=velocity)
        power_db[...] = frame.power_db
        np.multiply(frame.fold, np.float32(2), out=corrected)
        corrected += velocity
        state[...] = _state(frame)
        if self._has_bandwidth:
            state += np.minimum(frame.bandwidth, _LARGEST_BANDWIDTH)
