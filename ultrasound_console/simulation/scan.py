"""A scene under a probe: the channel data of any frame of its heart cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..frames import Acquisition
from ..geometry import Probe
from .attenuation import Attenuation
from .flow import Truth
from .plan import SOUND_SPEED_M_S, acquired_pulse, bmode_interval_s, record_window, widest_window
from .scenes import Scene
from .section import NOISE_STOCK, Angles, Section
from .synthesis import Receiver, Window
from .tissue import BEYOND_M, Scatterers, draw_tissue, speckle_strength

Array = NDArray[np.float64]
_Stopped = Callable[[], bool]

# Scatterers in a resolution cell, of tissue and of blood alike. The cell is where the echo of a
# point is above half of its height, at the middle of the probe's band: 1.07 wavelengths deep for
# two cycles, half of a longer burst, and 1.45 wide (f/1.2, Hann).
SCATTERERS_PER_CELL = 10.0
_CELL_WAVELENGTHS = (1.07, 1.45)


def scatterer_density_per_m2(probe: Probe, n_cycles: float = 2.0) -> float:
    """Scatterers per square metre that make fully developed speckle with a probe's bursts."""
    wavelength_m = SOUND_SPEED_M_S / probe.center_frequency_hz
    depth, width = _CELL_WAVELENGTHS
    return SCATTERERS_PER_CELL / (max(depth, 0.5 * n_cycles) * width * wavelength_m**2)


@dataclass(frozen=True, eq=False)
class ScanFrame:
    """Channel data of one phase of the heart cycle.

    The frame begins with the B-mode block; the ensemble follows.

    Attributes
    ----------
    colour : (n_colour_pulses, n_elements, n_samples) int16
    bmode : (n_angles, n_elements, n_samples) int16
    truth : Truth
        Flow at the middle of the ensemble.
    """

    colour: NDArray[np.int16]
    bmode: NDArray[np.int16]
    truth: Truth


@dataclass(frozen=True, eq=False)
class _Block:
    """B-mode transmits of a phase, in the widest window, and the blood after them."""

    data: NDArray[np.int16]
    blood: Scatterers


class Scan:
    """A scene under the probe. One thread at a time may ask it for frames.

    What does not depend on a setting is kept when that changes: tissue is drawn for a probe, its
    echoes are kept for each angle, and B-mode blocks stay as long as only the ensemble changes.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._flow = scene.flow()
        self._attenuation = Attenuation.sampled(
            lambda x_m, z_m: scene.tissue.attenuation_db_per_m_hz(self._flow, x_m, z_m),
            self._flow.edge_m,
            scene.depth_m + BEYOND_M,
        )
        rng = np.random.default_rng((scene.seed, 2))
        self._noise = rng.standard_normal(NOISE_STOCK, np.float32)
        self._tissue: tuple[Probe, Scatterers] | None = None
        self._section: Section | None = None
        self._blocks: dict[int, _Block] = {}
        self._blocks_interval_s = 0.0

    def drive(self, scene: Scene) -> None:
        """Go on with the same scene under another heart, as ``heart.driven`` makes it.

        Vessels and tissue are the same, so that their echoes are kept.
        """
        self.scene, self._flow = scene, scene.flow()
        self._blocks = {}

    def frame(
        self, acquisition: Acquisition, phase: int, stopped: _Stopped = lambda: False
    ) -> ScanFrame | None:
        """Synthesise one frame; the same for the same scene, acquisition and phase.

        Parameters
        ----------
        acquisition : Acquisition
            From :func:`~.plan.plan`.
        phase : int
            Frame within the heart cycle.
        stopped : callable
            Asked between transmits whether to give up.

        Returns
        -------
        ScanFrame or None
            None when ``stopped`` said so.
        """
        section = self._prepared(acquisition)
        block = self._block(section, acquisition, phase, stopped)
        if block is None:
            return None
        pause_s = bmode_interval_s(acquisition)
        first_s = phase * acquisition.frame_interval_s + len(block.data) * pause_s
        times_s = first_s + np.arange(acquisition.n_pulses) / acquisition.prf_hz
        middle_s = float(times_s.mean())
        pauses_s = np.full(acquisition.n_colour_pulses, times_s[1] - times_s[0])
        if n_second := acquisition.n_second_pulses:
            pauses_s[acquisition.n_pulses - 1 :] = 1.0 / acquisition.second_prf_hz
            since_s = np.arange(1, n_second + 1) / acquisition.second_prf_hz
            times_s = np.append(times_s, times_s[-1] + since_s)
        angles_rad = (acquisition.transmit_angle_rad, acquisition.receive_angle_rad)
        window = record_window(acquisition)
        rng = np.random.default_rng((self.scene.seed, 4, phase))
        colour = self._fire(
            section, block.blood.copy(), [angles_rad] * len(times_s), times_s, pauses_s,
            window=window, rng=rng, stopped=stopped,
        )  # fmt: skip
        if colour is None:
            return None
        begin = section.receiver.window.offset(window)
        bmode = np.ascontiguousarray(block.data[..., begin : begin + window.n_samples])
        behind_m = acquisition.source_distance_m
        return ScanFrame(colour, bmode, Truth(self._flow, middle_s, *angles_rad, behind_m))

    def _prepared(self, acquisition: Acquisition) -> Section:
        """Tissue under the receiver of an acquisition; drops what was made for others."""
        probe = acquisition.probe
        receiver = Receiver(
            probe,
            widest_window(acquisition),
            acquired_pulse(acquisition),
            acquisition.sound_speed_m_s,
            float(acquisition.bmode_grid.depths_m[-1]),
            acquisition.source_distance_m,
        )
        if self._tissue is None or self._tissue[0] != probe:
            density = scatterer_density_per_m2(probe)
            scene = self.scene
            depth_m = scene.depth_m + BEYOND_M
            tissue = draw_tissue(scene.tissue, self._flow, density, depth_m, scene.seed)
            self._tissue = probe, tissue
        if self._section is None or self._section.receiver != receiver:
            self._section = Section(
                receiver,
                self._tissue[1],
                self._attenuation,
                noise=self._noise,
                noise_db=self.scene.noise_db,
            )
            self._blocks = {}
        if acquisition.frame_interval_s != self._blocks_interval_s:
            self._blocks, self._blocks_interval_s = {}, acquisition.frame_interval_s
        return self._section

    def _block(
        self, section: Section, acquisition: Acquisition, phase: int, stopped: _Stopped
    ) -> _Block | None:
        """B-mode block of a phase; it does not depend on what the colour pulses are."""
        if phase in self._blocks:
            return self._blocks[phase]
        scene = self.scene
        density = scatterer_density_per_m2(acquisition.probe, acquisition.n_cycles)
        rng = np.random.default_rng((scene.seed, 3, phase))
        x_m, z_m = self._flow.draw(density, rng)
        strength = 10.0 ** (scene.blood_db / 20.0) * speckle_strength(density)
        blood = Scatterers(x_m, z_m, strength * rng.standard_normal(x_m.size))
        angles_rad = [(angle_rad, 0.0) for angle_rad in acquisition.bmode_angles_rad]
        since_s = bmode_interval_s(acquisition) * np.arange(len(angles_rad), dtype=np.float64)
        times_s = phase * acquisition.frame_interval_s + since_s
        # Without a B-mode block there are no transmits at all.
        pauses_s = np.full(len(times_s), times_s[1] - times_s[0] if len(times_s) else 0.0)
        data = self._fire(
            section, blood, angles_rad, times_s, pauses_s,
            window=section.receiver.window, rng=rng, stopped=stopped,
        )  # fmt: skip
        if data is not None:
            self._blocks[phase] = _Block(data, blood)
        return self._blocks.get(phase)

    def _fire(
        self,
        section: Section,
        blood: Scatterers,
        angles_rad: list[Angles],
        times_s: Array,
        pauses_s: Array,
        *,
        window: Window,
        rng: np.random.Generator,
        stopped: _Stopped,
    ) -> NDArray[np.int16] | None:
        """Transmit at some times, and move the blood along after each. None when told to stop."""
        receiver = section.receiver
        shape = (len(angles_rad), receiver.probe.n_elements, window.n_samples)
        data = np.empty(shape, np.int16)
        gain, begin = section.gain(window), receiver.window.offset(window)
        pushes = np.asarray(self.scene.pressure(times_s))
        buffer = receiver.buffer()
        walls = None
        for k, angles in enumerate(angles_rad):
            if stopped():
                return None
            if walls is None or angles != angles_rad[k - 1]:
                same = [other == angles for other in angles_rad]
                walls = section.walls(angles, pushes[same])
            buffer[:] = 0.0
            section.add(buffer, blood, angles, 0.0)
            tissue = walls.at(float(pushes[k]))
            section.record(buffer, tissue, gain=gain, begin=begin, rng=rng, out=data[k])
            self._flow.carry(blood.x_m, blood.z_m, float(times_s[k]), float(pauses_s[k]))
        return data
