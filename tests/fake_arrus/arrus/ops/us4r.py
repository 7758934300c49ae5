"""The values that describe a scheme, as far as the console makes them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Pulse:
    center_frequency: float
    n_periods: float
    inverse: bool


@dataclass(frozen=True)
class Tx:
    aperture: np.ndarray
    excitation: Pulse
    delays: np.ndarray

    def __post_init__(self):
        assert self.delays.shape == (np.sum(self.aperture),)
        assert np.all(self.delays >= 0.0)


@dataclass(frozen=True)
class Rx:
    aperture: np.ndarray
    sample_range: tuple[int, int]
    downsampling_factor: int = 1

    def __post_init__(self):
        assert self.sample_range[1] % 64 == 0


@dataclass(frozen=True)
class TxRx:
    tx: Tx
    rx: Rx
    pri: float


@dataclass(frozen=True)
class TxRxSequence:
    ops: list[TxRx]
    tgc_curve: Any = field(default_factory=list)
    sri: float | None = None


@dataclass(frozen=True)
class DataBufferSpec:
    n_elements: int
    type: str


@dataclass(frozen=True)
class Scheme:
    tx_rx_sequence: TxRxSequence
    rx_buffer_size: int
    output_buffer: DataBufferSpec
    work_mode: str

    def __post_init__(self):
        assert self.output_buffer.n_elements % self.rx_buffer_size == 0
