"""Colour maps as tables, ready to be uploaded.

Velocity maps run from the fastest flow away from the probe, through a dark zero, to the fastest
flow towards it. The ends are bright, so that an aliased edge is bright next to bright and a true
reversal passes through a dark band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..settings.display import CLASSIC, POWER, SAFE, VARIANCE

N_COLOURS = 256
FOLD_LIMIT = 3
"""Largest fold with a colour of its own; larger ones look the same."""

# Position in -1 ... 1 and red, green, blue in 0 ... 255.
_ANCHORS = {
    # Red towards, blue away; the ends lean to yellow and cyan, as on most scanners.
    CLASSIC: (
        (-1.00, 150, 236, 255),
        (-0.72, 40, 158, 255),
        (-0.42, 16, 72, 226),
        (-0.16, 8, 26, 120),
        (0.00, 6, 6, 10),
        (0.16, 118, 8, 8),
        (0.42, 218, 22, 8),
        (0.72, 255, 122, 10),
        (1.00, 255, 236, 128),
    ),
    # Told apart by lightness and by blue against yellow, which all common colour vision keeps.
    SAFE: (
        (-1.00, 196, 226, 255),
        (-0.70, 96, 164, 255),
        (-0.40, 36, 98, 206),
        (-0.16, 14, 42, 104),
        (0.00, 8, 8, 10),
        (0.16, 84, 64, 0),
        (0.40, 168, 134, 0),
        (0.70, 240, 200, 20),
        (1.00, 255, 248, 190),
    ),
    # Of power: violet and gold, so that it is not taken for velocity.
    POWER: (
        (-1.00, 236, 206, 255),
        (-0.70, 196, 110, 250),
        (-0.35, 116, 34, 190),
        (-0.12, 48, 8, 84),
        (0.00, 6, 6, 10),
        (0.12, 92, 30, 4),
        (0.35, 196, 84, 8),
        (0.70, 250, 170, 40),
        (1.00, 255, 240, 180),
    ),
}
_ANCHORS[VARIANCE] = _ANCHORS[CLASSIC]
# What velocity-variance turns to where flow is disturbed: green, of either direction.
_DISTURBED = (
    (-1.00, 150, 255, 226),
    (-0.50, 0, 190, 140),
    (0.00, 4, 14, 8),
    (0.50, 120, 190, 0),
    (1.00, 220, 255, 90),
)

# Fold -3 ... 3. Amber and teal families, away from the red and blue of flow; the last number is
# how much of the overlay's opacity a colour takes: flow that is not folded stays in the background.
_FOLDS = (
    (214, 255, 240, 255),
    (104, 232, 198, 255),
    (24, 176, 150, 255),
    (104, 116, 134, 140),
    (240, 160, 40, 255),
    (255, 210, 90, 255),
    (255, 244, 190, 255),
)


def _interpolated(anchors: tuple[tuple[float, int, int, int], ...]) -> NDArray[np.uint8]:
    positions, *channels = zip(*anchors, strict=True)
    at = np.linspace(-1, 1, N_COLOURS)
    table = np.stack([np.interp(at, positions, channel) for channel in channels], axis=-1)
    rounded: NDArray[np.uint8] = np.rint(table).astype(np.uint8)
    rounded.setflags(write=False)
    return rounded


VELOCITY_MAPS: dict[str, NDArray[np.uint8]] = {
    name: _interpolated(anchors) for name, anchors in _ANCHORS.items()
}
"""(256, 3) uint8 each: entry 0 is the fastest flow away, entry 255 towards the probe."""


def velocity_colours(colour_map: str) -> NDArray[np.uint8]:
    """Table for pictures of velocity alone; the classic one where a map shows something else."""
    return VELOCITY_MAPS[SAFE if colour_map == SAFE else CLASSIC]


DISTURBED_MAP: NDArray[np.uint8] = _interpolated(_DISTURBED)
"""(256, 3) uint8: the same, of disturbed flow."""

FOLD_MAP: NDArray[np.uint8] = np.array(_FOLDS, np.uint8)
"""(7, 4) uint8: fold -3 ... 3; the fourth column is the colour's share of the opacity."""
FOLD_MAP.setflags(write=False)
