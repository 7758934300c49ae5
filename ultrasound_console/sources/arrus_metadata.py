"""What the metadata of ARRUS (``ConstMetadata``) tell of the transmits of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..geometry import Probe
from .fields import FREQUENCY, Fields, Limits, in_limits
from .protocol import SourceError
from .transmits import Wave, array_of, unfocused_wave

SEQUENCE = "_context/raw_sequence"
_OPS = f"{SEQUENCE}/ops/*"
_DEVICE = "_context/device"
_MOST, _MOST_ELEMENTS = 4096, 1024
_SAMPLES = Limits(0.0, 1e6, "samples")
_CYCLES = Limits(0.0, 1000.0, "cycles")
_FLAG = Limits(0.0, 1.0, "(no or yes)")
_INTERVAL = Limits(1e-6, 10.0, "s")
_OFFSET = Limits(-1e-2, 1e-2, "s")


@dataclass(frozen=True)
class Transmits:
    """Transmits of a frame, the first axis of all arrays.

    Attributes
    ----------
    probe : Probe
        With the frequency of the first transmit.
    delays_s : (n, n_elements) float64
        NaN where an element does not fire.
    receives : (n, n_elements) bool
    first_channel, n_channels : (n,) float64
        Before the first channel are silent ones, and all of them together.
    sample_range : (n, 2) float64
        First and one-past-last sample; 0 is where the transmit begins.
    frequency_hz, n_cycles, inverse, interval_s : (n,) float64
        The last one is the time to the next transmit.
    """

    probe: Probe
    delays_s: NDArray[np.float64]
    receives: NDArray[np.bool_]
    first_channel: NDArray[np.float64]
    n_channels: NDArray[np.float64]
    sample_range: NDArray[np.float64]
    frequency_hz: NDArray[np.float64]
    n_cycles: NDArray[np.float64]
    inverse: NDArray[np.float64]
    interval_s: NDArray[np.float64]

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Collect what is told.

        Raises
        ------
        SourceError
            A value is missing or not possible.
        """

        def each(name: str, limits: Limits, *width: int) -> NDArray[np.float64]:
            values = fields.array(f"{_OPS}/{name}", (n, *width))
            for value in np.unique(values).tolist():
                if not in_limits(value, limits):
                    span = f"{limits.low:g} ... {limits.high:g} {limits.unit}"
                    raise fields.refuse(f"{_OPS}/{name}", f"{value:g} is outside {span}")
            return values

        intervals = fields.optional(f"{_OPS}/pri")
        n = 0 if intervals is None else len(intervals)
        if not 0 < n <= _MOST:
            raise fields.refuse(f"{_OPS}/pri", f"{n} transmits", fields.if_missing)
        frequency_hz = each("tx/excitation/center_frequency", FREQUENCY)
        probe = _probe(fields, float(frequency_hz[0]))
        shape = n, probe.n_elements
        if probe.n_elements > _MOST_ELEMENTS:
            problem = f"{probe.n_elements} elements"
            raise fields.refuse(f"{_OPS}/tx/aperture", problem, fields.if_missing)
        fires = fields.array(f"{_OPS}/tx/aperture", shape) != 0
        n_firing = int(fires[0].sum())
        if np.any(fires.sum(axis=1) != n_firing):
            raise fields.refuse(f"{_OPS}/tx/aperture", "of several sizes", fields.if_missing)
        delays_s = np.full(shape, np.nan)
        delays_s[fires] = fields.array(f"{_OPS}/tx/delays", (n, n_firing)).ravel()
        receives = fields.array(f"{_OPS}/rx/aperture", shape) != 0
        silent = each("rx/padding", _SAMPLES, 2)
        is_told = fields.optional(f"{_OPS}/tx/excitation/inverse") is not None
        return cls(
            probe=probe,
            delays_s=delays_s,
            receives=receives,
            first_channel=silent[:, 0],
            n_channels=silent.sum(axis=1) + receives.sum(axis=1),
            sample_range=each("rx/sample_range", _SAMPLES, 2),
            frequency_hz=frequency_hz,
            n_cycles=each("tx/excitation/n_periods", _CYCLES),
            inverse=each("tx/excitation/inverse", _FLAG) if is_told else np.zeros(n),
            interval_s=each("pri", _INTERVAL),
        )

    @property
    def same_for_all_pulses(self) -> dict[str, NDArray[Any]]:
        """What may not change within an ensemble, by its name."""
        return {
            f"{_OPS}/rx/aperture": self.receives,
            f"{_OPS}/rx/padding": self.first_channel,
            f"{_OPS}/tx/excitation/center_frequency": self.frequency_hz,
            f"{_OPS}/tx/excitation/inverse": self.inverse,
        }

    def waves(
        self, fields: Fields, sound_speed_m_s: float, sampling_frequency_hz: float
    ) -> tuple[list[Wave | None], NDArray[np.float64]]:
        """Find the wave of each transmit, and when its first sample was taken.

        Time is counted as the reconstruction of ARRUS counts it: the first sample is taken when the
        transmit begins, or ``sample_range`` and ``rx_offset`` later, and echoes come half a burst
        after the first edge of the pulse.

        Returns
        -------
        waves : list of Wave or None
            None where a transmit is neither a plane nor a diverging wave.
        starts_s : (n,) float64
            From when the wave crosses x = z = 0.

        Raises
        ------
        SourceError
            There is no such wave, or it is not clear which time a sample has.
        """
        first_s = self.sample_range[:, 0] / sampling_frequency_hz
        first_s += fields.number("_data_char/custom/rx_offset", _OFFSET, 0.0)
        device_hz = fields.optional(f"{_DEVICE}/sampling_frequency")
        if np.any(self.sample_range[:, 0]) and not np.all(device_hz == sampling_frequency_hz):
            problem = "begins later, in samples that were thinned out: their time is not told"
            raise fields.refuse(f"{_OPS}/rx/sample_range", problem, fields.if_missing)
        waves: list[Wave | None] = []
        for delays_s in self.delays_s:
            try:
                name = f"{_OPS}/tx/delays"
                wave = unfocused_wave(fields, name, delays_s, self.probe, sound_speed_m_s)
            except SourceError:
                waves.append(None)
            else:
                waves.append(wave)
        if not any(waves):
            problem = "no transmit is a plane or a diverging wave"
            raise fields.refuse(SEQUENCE, problem, "focused beams cannot be shown")
        crossing_s = np.array([wave.crossing_s if wave else 0.0 for wave in waves])
        return waves, first_s - crossing_s - 0.5 * self.n_cycles / self.frequency_hz


def _probe(fields: Fields, center_frequency_hz: float) -> Probe:
    """Array of the elements; a device has one probe or a list of them."""
    model = f"{_DEVICE}/probe/0/model"
    if fields.fetch(f"{model}/element_pos_x") is None:
        model = f"{_DEVICE}/probe/model"
    places_m = [fields.optional(f"{model}/element_pos_{axis}") for axis in "xz"]
    if places_m[0] is None or places_m[1] is None or places_m[0].shape != places_m[1].shape:
        problem = "not the places of all elements"
        raise fields.refuse(f"{model}/element_pos_x", problem, fields.if_missing)
    x_m, z_m = places_m[0].ravel(), places_m[1].ravel()
    return array_of(
        fields,
        f"{model}/element_pos_x",
        np.stack([x_m, np.zeros_like(x_m), z_m], axis=1),
        center_frequency_hz=center_frequency_hz,
        element_width_m=None,
        fractional_bandwidth=0.6,
    )
