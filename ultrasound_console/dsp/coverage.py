"""What the array and the record can show at all: silent channels, pictures out of reach."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .beamform import ReceivePlan, receive_table, transmit_table
from .kernels_coverage import constant_channels, reaches_any


@dataclass(frozen=True)
class Channels:
    """Elements that deliver nothing.

    Attributes
    ----------
    silent, stuck : tuple of int
        Counted from 0: always zero; always the same other value.
    """

    silent: tuple[int, ...]
    stuck: tuple[int, ...]


def constant(samples: NDArray[Any]) -> Channels:
    """Find the channels of one transmit that hold a single value.

    Parameters
    ----------
    samples : (n_elements, n_samples) int16, float32 or complex64
    """
    kinds = np.zeros(samples.shape[0], np.uint8)
    constant_channels(samples, kinds)
    if not kinds.any():
        return Channels((), ())
    silent, stuck = (tuple(np.flatnonzero(kinds == kind).tolist()) for kind in (1, 2))
    return Channels(silent, stuck)


@dataclass(frozen=True)
class Reach:
    """How much of a picture can be formed.

    Attributes
    ----------
    in_aperture : bool
        Whether any pixel has an element that looks at it.
    in_record : bool
        Whether any of their echoes arrives while samples are taken.
    """

    in_aperture: bool
    in_record: bool


@lru_cache(maxsize=16)
def reach(plan: ReceivePlan, transmit_rad: float, start_time_s: float, n_iq_samples: int) -> Reach:
    """Ask whether a plan forms any pixel of its grid.

    Parameters
    ----------
    plan : ReceivePlan
    transmit_rad : float
    start_time_s : float
        Of the record.
    n_iq_samples : int
        Length of the record.
    """
    table = receive_table(plan)
    sent, _ = transmit_table(plan, transmit_rad, start_time_s)
    n_entries, in_record = reaches_any(table.start, sent, table.delay, float(n_iq_samples - 1))
    return Reach(n_entries > 0, in_record)
