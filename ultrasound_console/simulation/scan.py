"""A scene under a probe: what settings can be had, and the channel data of any frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dsp.arrays import LANES
from ..frames import Acquisition
from ..geometry import ImageGrid, Probe
from ..settings import AcquisitionSettings
from .flow import Truth
from .scenes import Scene
from .synthesis import Float32, Receiver, Window
from .tissue import Scatterers, draw_tissue

# Elements pull their neighbours along and act wider than the pitch; that is also what keeps the
# grating lobes of such an array down.
PROBE = Probe.linear("Simulated L128", 128, 0.3e-3, 5e6, element_width_m=0.33e-3)
SAMPLING_FREQUENCY_HZ = 20e6
SOUND_SPEED_M_S = 1540.0
BMODE_ANGLES_RAD = (math.radians(-4.0), 0.0, math.radians(4.0))

_DEFAULT_ENSEMBLE = 12
_MIN_ENSEMBLE = 4
_OVERHEAD_S = 4e-6
_BMODE_SHAPE = (256, 192)
_BMODE_TOP_M = 1e-3
_COLOUR_PIXEL_M = (0.16e-3, 0.22e-3)
_MAX_COLOUR_LINES = 144
# Elements farther from the pixel than this part of its depth, seen along the receive angle, are
# never used: an f-number of 1.
_APERTURE_PER_DEPTH = 0.5
# All frames of a heart cycle are kept.
_MAX_CYCLE_BYTES = 256 * 2**20

# About six scatterers of blood in a resolution cell of 0.3 x 0.46 mm.
_BLOOD_DENSITY_PER_M2 = 4.5e7
# Counts of the converter per unit of echo, and of plain tissue in 20 mm depth with that.
_COUNTS = 26.0
_TISSUE_COUNTS = 2000.0
_NOISE_STOCK = 1 << 19


def plan(scene: Scene, settings: AcquisitionSettings) -> Acquisition:
    """Find what comes nearest to the settings.

    Returns
    -------
    Acquisition
        ``frame_interval_s`` divides the heart cycle into a whole number of frames.
    """
    notes = []
    n_pulses = settings.ensemble or _DEFAULT_ENSEMBLE
    if n_pulses < _MIN_ENSEMBLE:
        notes.append(f"uses {_MIN_ENSEMBLE} pulses: an ensemble needs at least that many")
        n_pulses = _MIN_ENSEMBLE
    bmode_grid = _bmode_grid(settings.depth_m)
    colour_grid = _colour_grid(scene, settings)
    window, path_s = _window(colour_grid, bmode_grid, settings.steering_rad)
    interval_min_s = path_s + _OVERHEAD_S
    max_prf_hz = 1.0 / interval_min_s
    prf_hz = min(settings.prf_hz, max_prf_hz)
    if prf_hz < settings.prf_hz:
        notes.append(
            f"PRF limited to {prf_hz / 1e3:.1f} kHz: echoes take {1e6 * path_s:.0f} µs "
            f"from {1e3 * settings.depth_m:.0f} mm depth"
        )
    busy_s = n_pulses / prf_hz + len(BMODE_ANGLES_RAD) * interval_min_s
    n_transmits = n_pulses + len(BMODE_ANGLES_RAD)
    frame_bytes = 2 * n_transmits * PROBE.n_elements * window.n_samples
    n_frames, note = _frames_per_cycle(scene, settings, frame_bytes, busy_s)
    if note:
        notes.append(note)
    return Acquisition(
        source=f"simulated {scene.name}",
        probe=PROBE,
        sampling_frequency_hz=SAMPLING_FREQUENCY_HZ,
        center_frequency_hz=PROBE.center_frequency_hz,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=SOUND_SPEED_M_S,
        start_time_s=window.start_s,
        transmit_angle_rad=settings.steering_rad,
        receive_angle_rad=settings.steering_rad,
        bmode_angles_rad=BMODE_ANGLES_RAD,
        prf_hz=prf_hz,
        requested_prf_hz=settings.prf_hz,
        max_prf_hz=max_prf_hz,
        n_pulses=n_pulses,
        frame_interval_s=scene.waveform.period_s / n_frames,
        colour_grid=colour_grid,
        bmode_grid=bmode_grid,
        notes=tuple(notes),
    )


def _frames_per_cycle(
    scene: Scene, settings: AcquisitionSettings, frame_bytes: int, busy_s: float
) -> tuple[int, str]:
    """Whole number of frames in a heart cycle that transmits and memory allow, and a note."""
    period_s = scene.waveform.period_s
    limits = {
        "": period_s * settings.frame_rate_hz,
        "the time of the acquisition": period_s / busy_s,
        "memory": _MAX_CYCLE_BYTES / frame_bytes,
    }
    reason = min(limits, key=lambda name: limits[name])
    n_frames = max(1, math.floor(limits[reason] + 1e-9))
    return n_frames, reason and f"{n_frames / period_s:.1f} frames a second, limited by {reason}"


def _bmode_grid(depth_m: float) -> ImageGrid:
    n_depths, n_lines = _BMODE_SHAPE
    half_m = 0.5 * PROBE.pitch_m * (PROBE.n_elements - 1)
    return ImageGrid("parallel", n_depths, n_lines, (-half_m, half_m), (_BMODE_TOP_M, depth_m))


def _colour_grid(scene: Scene, settings: AcquisitionSettings) -> ImageGrid:
    """Place the parallelogram over the vessels that the steered wave and the array cover."""
    half_m = 0.5 * PROBE.pitch_m * (PROBE.n_elements - 1)
    top_m = min(scene.colour_range_m[0], settings.depth_m - 8e-3)
    bottom_m = min(scene.colour_range_m[1], settings.depth_m - 0.5e-3)
    lean = math.tan(settings.steering_rad)
    # Inside the array's width both where the lines start and where they end.
    left_m = max(-half_m, -half_m - bottom_m * lean)
    right_m = min(half_m, half_m - bottom_m * lean)
    axial_m, lateral_m = _COLOUR_PIXEL_M
    return ImageGrid(
        "parallel",
        n_depths=round((bottom_m - top_m) / axial_m) + 1,
        n_lines=min(_MAX_COLOUR_LINES, round((right_m - left_m) / lateral_m) + 1),
        lines=(left_m, right_m),
        range_m=(top_m, bottom_m),
        angle_rad=settings.steering_rad,
    )


def _window(
    colour_grid: ImageGrid, bmode_grid: ImageGrid, steering_rad: float
) -> tuple[Window, float]:
    """Find what has to be recorded for both pictures, and the longest time of flight."""
    first_s, last_s = math.inf, -math.inf
    element_x_m = np.asarray(PROBE.element_x_m)
    waves = [(colour_grid, steering_rad, steering_rad)]
    waves += [(bmode_grid, angle_rad, 0.0) for angle_rad in BMODE_ANGLES_RAD]
    for grid, transmit_rad, receive_rad in waves:
        for row in (0, grid.n_depths - 1):
            x_m, z_m = (
                corner[:, None] for corner in grid.positions_m(row, np.arange(grid.n_lines))
            )
            away_m = element_x_m - x_m
            used = np.abs(away_m + z_m * math.tan(receive_rad)) <= _APERTURE_PER_DEPTH * z_m
            path_m = x_m * math.sin(transmit_rad) + z_m * math.cos(transmit_rad)
            time_s = (path_m + np.hypot(away_m, z_m))[used] / SOUND_SPEED_M_S
            first_s, last_s = min(first_s, time_s.min()), max(last_s, time_s.max())
    half_pulse_s = 0.5 * LANES / SAMPLING_FREQUENCY_HZ
    start_s = math.floor((first_s - half_pulse_s) * SAMPLING_FREQUENCY_HZ) / SAMPLING_FREQUENCY_HZ
    n_samples = math.ceil((last_s + half_pulse_s - start_s) * SAMPLING_FREQUENCY_HZ)
    return Window(start_s, n_samples, SAMPLING_FREQUENCY_HZ), float(last_s)


@dataclass(frozen=True, eq=False)
class ScanFrame:
    """Channel data of one phase of the heart cycle.

    Attributes
    ----------
    colour : (n_pulses, n_elements, n_samples) int16
    bmode : (n_angles, n_elements, n_samples) int16
    truth : Truth
        Flow at the middle of the ensemble.
    """

    colour: NDArray[np.int16]
    bmode: NDArray[np.int16]
    truth: Truth


class Scan:
    """A scene under the probe. One thread at a time may ask it for frames.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._flow = scene.flow()
        tissue = draw_tissue(scene.tissue, self._flow, scene.seed)
        self._still = tissue.only(~tissue.moves)
        self._pulsating = tissue.only(tissue.moves)
        noise = np.random.default_rng((scene.seed, 2)).standard_normal(_NOISE_STOCK, np.float32)
        self._noise = noise * np.float32(_TISSUE_COUNTS * 10.0 ** (scene.noise_db / 20.0))
        self._still_echoes: dict[tuple[Window, float], Float32] = {}

    def frame(
        self, acquisition: Acquisition, phase: int, stopped: Callable[[], bool] = lambda: False
    ) -> ScanFrame | None:
        """Synthesise one frame; the same for the same scene, acquisition and phase.

        Parameters
        ----------
        acquisition : Acquisition
            From :func:`plan`.
        phase : int
            Frame within the heart cycle.
        stopped : callable
            Asked between transmits whether to give up.

        Returns
        -------
        ScanFrame or None
            None when ``stopped`` said so.
        """
        receiver = _receiver(acquisition)
        flow, scene = self._flow, self.scene
        middle_s = phase * acquisition.frame_interval_s
        steady = self._steady_echoes(receiver, acquisition, middle_s, stopped)
        rng = np.random.default_rng((scene.seed, 3, phase))
        x_m, z_m = flow.draw(_BLOOD_DENSITY_PER_M2, rng)
        amplitude = _COUNTS * 10.0 ** (scene.blood_db / 20.0) * rng.standard_normal(x_m.size)
        n_pulses, n_elements = acquisition.n_pulses, acquisition.probe.n_elements
        angles_rad = (acquisition.transmit_angle_rad,) * n_pulses + acquisition.bmode_angles_rad
        pauses_s = np.repeat(
            [1.0 / acquisition.prf_hz, 1.0 / acquisition.max_prf_hz],
            [n_pulses, len(acquisition.bmode_angles_rad)],
        )
        data = np.empty((len(angles_rad), n_elements, receiver.window.n_samples), np.int16)
        time_s = middle_s - 0.5 * (n_pulses - 1) / acquisition.prf_hz
        buffer = receiver.buffer()
        for k, (angle_rad, pause_s) in enumerate(zip(angles_rad, pauses_s, strict=True)):
            if stopped():
                return None
            buffer[:] = 0.0
            receiver.add(buffer, x_m, z_m, amplitude, angle_rad)
            offsets = rng.integers(0, _NOISE_STOCK - data.shape[-1], n_elements)
            receiver.digitise(buffer, steady[angle_rad], self._noise, offsets, data[k])
            flow.carry(x_m, z_m, time_s, pause_s)
            time_s += pause_s
        truth = Truth(flow, middle_s, acquisition.transmit_angle_rad, acquisition.receive_angle_rad)
        return ScanFrame(data[:n_pulses], data[n_pulses:], truth)

    def _steady_echoes(
        self,
        receiver: Receiver,
        acquisition: Acquisition,
        time_s: float,
        stopped: Callable[[], bool],
    ) -> dict[float, Float32]:
        """Echoes of what stands still during a frame, for every transmit angle."""
        angles_rad = {acquisition.transmit_angle_rad, *acquisition.bmode_angles_rad}
        wanted = [(receiver.window, angle_rad) for angle_rad in angles_rad]
        known = self._still_echoes
        self._still_echoes = {key: known[key] for key in wanted if key in known}
        push = float(self.scene.pressure(time_s))
        steady = {}
        for key in wanted:
            angle_rad = key[1]
            if stopped():
                break
            if key not in self._still_echoes:
                echoes = receiver.buffer()
                self._add(receiver, echoes, self._still, 0.0, angle_rad)
                self._still_echoes[key] = echoes
            steady[angle_rad] = self._still_echoes[key].copy()
            self._add(receiver, steady[angle_rad], self._pulsating, push, angle_rad)
        return steady

    @staticmethod
    def _add(
        receiver: Receiver, buffer: Float32, points: Scatterers, push: float, angle_rad: float
    ) -> None:
        x_m = points.x_m + push * points.push_x_m
        z_m = points.z_m + push * points.push_z_m
        receiver.add(buffer, x_m, z_m, _COUNTS * points.amplitude, angle_rad)


def _receiver(acquisition: Acquisition) -> Receiver:
    window, _ = _window(
        acquisition.colour_grid, acquisition.bmode_grid, acquisition.transmit_angle_rad
    )
    return Receiver(
        acquisition.probe, window, acquisition.center_frequency_hz, acquisition.sound_speed_m_s
    )
