"""Several plane waves added coherently (Montaldo et al., IEEE Trans. UFFC 56, 2009).

One record per element and wave: vectors run over the lines of the picture, which hear an element
at nearly the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import LANES, aligned_zeros, empty_beside, fast_path
from .beamform import (
    ReceivePlan,
    TableCache,
    check_length,
    each_element,
    receive_table,
    transmit_table,
)


@dataclass(frozen=True, eq=False)
class LineBlocks:
    """A receive table for sixteen image lines at a time.

    A block is a depth and 16 lines; it has a row for each element that any of them uses:
    ``first[block]`` ... in a row, at ``start[block]:start[block + 1]``. The blocks of a depth
    follow one another.

    Attributes
    ----------
    first : (n_blocks,) int32
    start : (n_blocks + 1,) int64
    rows : (n_rows, 3, 16) float32
        Delay and weight (real, imaginary) for each line; zeros where it does not use the element.
    """

    first: NDArray[np.int32]
    start: NDArray[np.int64]
    rows: NDArray[np.float32]

    @property
    def n_bytes(self) -> int:
        """Memory taken."""
        return self.first.nbytes + self.start.nbytes + self.rows.nbytes


def _line_blocks(plan: ReceivePlan) -> LineBlocks:
    from . import kernels_compound

    table, shape = receive_table(plan), plan.grid.shape
    first, start = kernels_compound.block_runs(table.first, table.start, shape)
    rows = aligned_zeros((int(start[-1]), 3, LANES))
    kernels_compound.fill_blocks(
        table.first, table.start, table.delay, table.weight_re, table.weight_im, shape,
        first, start, rows,
    )  # fmt: skip
    return LineBlocks(first, start, rows)


# A 192 x 256 picture from 128 elements takes about 36 MB.
_BLOCKS = TableCache(_line_blocks, 128 * 2**20)


@lru_cache(maxsize=4)
def _transmit_tables(
    plan: ReceivePlan, transmit_rad: tuple[float, ...], start_time_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Transmit delays (n_angles, n_pixels) and turns (n_angles, 2, n_pixels) of several waves."""
    tables = [transmit_table(plan, angle, start_time_s) for angle in transmit_rad]
    return np.stack([delay for delay, _ in tables]), np.stack([turn for _, turn in tables])


@lru_cache(maxsize=4)
def _windows(
    plan: ReceivePlan, transmit_rad: tuple[float, ...], start_time_s: float, n_iq_samples: int
) -> NDArray[np.int32]:
    """Where in an element's record the echoes of each row of the line blocks are."""
    from . import kernels_compound

    blocks = _BLOCKS.get(plan)
    delay, _ = _transmit_tables(plan, transmit_rad, start_time_s)
    window = np.empty((len(transmit_rad), len(blocks.rows)), np.int32)
    kernels_compound.windows(
        blocks.start, blocks.rows, delay, n_iq_samples, plan.grid.shape, window
    )
    return window


def compound_power(
    channel: NDArray[Any],
    plan: ReceivePlan,
    transmit_rad: tuple[float, ...],
    start_time_s: float,
) -> NDArray[Any]:
    """Echo power of several waves, added coherently.

    Parameters
    ----------
    channel : (n_angles, n_elements, n_iq_samples) complex64 or complex128
        One record per element and plane wave.
    plan : ReceivePlan
    transmit_rad : tuple of float
        Angle of each plane wave.
    start_time_s : float
        Time of the first IQ sample.

    Returns
    -------
    (n_depths, n_lines) float32
        Squared magnitude of the mean over the angles; float64 for complex128 samples.
    """
    n_angles, n_elements, n_iq_samples = channel.shape
    if n_angles != len(transmit_rad) or n_elements != len(plan.element_x_m):
        raise ValueError(
            f"B-mode IQ has shape {channel.shape}, expected ({len(transmit_rad)}, "
            f"{len(plan.element_x_m)}, samples)"
        )
    check_length(n_iq_samples, 2 * channel.size)
    # On the host lines are vectors; on a GPU every pixel has a thread of its own.
    kernel = fast_path("compound_lines", channel)
    if kernel is not None:
        blocks = _BLOCKS.get(plan)
        window = _windows(plan, transmit_rad, start_time_s, n_iq_samples)
        delay, turn = _transmit_tables(plan, transmit_rad, start_time_s)
        power = empty_beside(channel, plan.grid.shape)
        kernel(
            channel.view(np.float32), blocks.first, blocks.start, blocks.rows, window, delay, turn,
            power,
        )  # fmt: skip
        return power
    kernel = fast_path("compound_power", channel)
    if kernel is not None:
        table = receive_table(plan)
        delay, turn = _transmit_tables(plan, transmit_rad, start_time_s)
        power = empty_beside(channel, plan.grid.shape)
        kernel(
            channel.view(np.float32), table.first, table.start, table.delay,
            table.weight_re, table.weight_im, delay, turn, power,
        )  # fmt: skip
        return power

    image = np.zeros(plan.grid.shape, np.complex128)
    for records, angle in zip(channel, transmit_rad, strict=True):
        for record, (position, weight) in zip(
            records, each_element(plan, angle, start_time_s), strict=True
        ):
            inside = (position >= 0.0) & (position <= n_iq_samples - 1)
            row = np.clip(np.floor(position), 0, n_iq_samples - 2).astype(np.int64)
            between = position - row
            echo = record[row] * (1.0 - between) + record[row + 1] * between
            image += np.where(inside, weight, 0.0) * echo
    power_sum: NDArray[Any] = np.abs(image / n_angles) ** 2
    return power_sum
