"""The frame that is measured, its stages as tasks, and the yardsticks on the same work."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from ..assets import AssetError
from ..dsp import beamform, bmode, doppler
from ..dsp.agreement import agree
from ..dsp.arrays import aligned_empty, aligned_zeros, unpack_ensemble
from ..dsp.demodulate import DemodulationPlan, channel_shape, demodulate
from ..dsp.evidence import echo_evidence
from ..dsp.unwrap import unwrap
from ..frames import Acquisition, ChannelFrame
from ..geometry import ImageGrid, Probe
from ..pipeline import doppler as finish
from ..pipeline import form
from ..pipeline.segmentation import echo_shift
from ..segment import Segmenter
from ..settings import ProcessingSettings
from .clock import Task

N_PULSES, N_ELEMENTS, N_SAMPLES = 12, 128, 2016
PROCESSING = ProcessingSettings(f_number=1.5)
DEALIASING = "evidence", "network", "solver"
"""Stages from the maps to the folds."""

_PROBE = Probe.linear("L128", N_ELEMENTS, 0.3e-3, 6.5e6)
_RATE_HZ = 32.5e6
_C_M_S = 1540.0
_ANGLE_RAD = math.radians(8.0)
_PRF_HZ = 4000.0
FRAME_INTERVAL_S = 1.0 / 60.0
# When the wave crosses the first element.
_START_S = -_PROBE.element_x_m[-1] * math.sin(_ANGLE_RAD) / _C_M_S
GRID = ImageGrid(
    "parallel", 256, 192, (_PROBE.element_x_m[0], _PROBE.element_x_m[-1]), (3e-3, 43e-3)
)

# A vessel at 30 degrees whose core measures 2.1 v_N, in speckle that stands still.
_VESSEL_RAD = math.radians(30.0)
_VESSEL_DEPTH_M = 22e-3
_VESSEL_RADIUS_M = 4e-3
_PEAK_M_S = 0.9
_HALF_LENGTH_M = 24e-3
_N_TISSUE, _N_BLOOD = 20_000, 8_000
_TISSUE_COUNTS, _BLOOD_COUNTS, _NOISE_COUNTS = 300.0, 2.0, 4.0
# Standard deviation of the pulse's Gaussian envelope: 60 % bandwidth.
_PULSE_S = 0.62 / _PROBE.center_frequency_hz

# Additions and multiplications of one table entry in one lane: two differences, two products and
# sums to interpolate, four of each to weigh by a complex number.
_BEAMFORM_FLOP = 14
_SGEMM_SIZE = 1024
SGEMM_FLOP = 2 * _SGEMM_SIZE**3


def _echoes(
    x_m: NDArray[np.float64], z_m: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """(n_elements, n_samples) echoes of points around f0, each on its nearest sample.

    Their carrier has its exact phase, and an element hears less from aside. The frame comes from
    here and not from the simulated probe, so that it stays the same when that changes.
    """
    sent_m = x_m * math.sin(_ANGLE_RAD) + z_m * math.cos(_ANGLE_RAD)
    wavelength_m = _C_M_S / _PROBE.center_frequency_hz
    echoes = np.zeros((N_ELEMENTS, N_SAMPLES), np.complex128)
    for echo, element_x_m in zip(echoes, _PROBE.element_x_m, strict=True):
        back_m = np.hypot(x_m - element_x_m, z_m)
        arrival_s = (sent_m + back_m) / _C_M_S
        sample = np.rint((arrival_s - _START_S) * _RATE_HZ).astype(np.int64)
        across = _PROBE.element_width_m / wavelength_m * (x_m - element_x_m) / back_m
        heard = counts * np.sinc(across) * z_m / back_m
        value = heard * np.exp(-2j * np.pi * _PROBE.center_frequency_hz * arrival_s)
        inside = (sample >= 0) & (sample < N_SAMPLES)
        for part, values in ((echo.real, value.real), (echo.imag, value.imag)):
            part[:] = np.bincount(sample[inside], values[inside], N_SAMPLES)
    return echoes


@lru_cache(maxsize=1)
def workload() -> ChannelFrame:
    """Make the frame that is measured: speckle, a vessel with one fold, and noise.

    Returns
    -------
    ChannelFrame
        ``colour`` is (12, 128, 2016) int16; the same at every call.
    """
    rng = np.random.default_rng(1)
    x_m = rng.uniform(*GRID.lines, _N_TISSUE)
    z_m = rng.uniform(2e-3, 44e-3, _N_TISSUE)
    across_m = (z_m - _VESSEL_DEPTH_M) * math.cos(_VESSEL_RAD) - x_m * math.sin(_VESSEL_RAD)
    outside = np.abs(across_m) > _VESSEL_RADIUS_M
    counts = _TISSUE_COUNTS * rng.standard_normal(int(np.count_nonzero(outside)))
    still = _echoes(x_m[outside], z_m[outside], counts)

    across_m = rng.uniform(-_VESSEL_RADIUS_M, _VESSEL_RADIUS_M, _N_BLOOD)
    along_m = rng.uniform(-_HALF_LENGTH_M, _HALF_LENGTH_M, _N_BLOOD)
    step_m = _PEAK_M_S / _PRF_HZ * (1.0 - (across_m / _VESSEL_RADIUS_M) ** 2)
    counts = _BLOOD_COUNTS * rng.standard_normal(_N_BLOOD)
    time_s = _START_S + np.arange(N_SAMPLES) / _RATE_HZ
    carrier = np.exp(2j * np.pi * _PROBE.center_frequency_hz * time_s)
    half = math.ceil(3.0 * _PULSE_S * _RATE_HZ)
    pulse_shape = np.exp(-0.5 * (np.arange(-half, half + 1) / (_PULSE_S * _RATE_HZ)) ** 2)
    colour = np.empty((N_PULSES, N_ELEMENTS, N_SAMPLES), np.int16)
    for pulse in colour:
        x_m = along_m * math.cos(_VESSEL_RAD) - across_m * math.sin(_VESSEL_RAD)
        z_m = _VESSEL_DEPTH_M + along_m * math.sin(_VESSEL_RAD) + across_m * math.cos(_VESSEL_RAD)
        around_f0 = convolve1d(still + _echoes(x_m, z_m, counts), pulse_shape, mode="constant")
        noise = _NOISE_COUNTS * rng.standard_normal(pulse.shape)
        pulse[:] = np.rint((around_f0 * carrier).real + noise)
        along_m = (along_m + step_m + _HALF_LENGTH_M) % (2.0 * _HALF_LENGTH_M) - _HALF_LENGTH_M
    acquisition = Acquisition(
        source="bench",
        probe=_PROBE,
        sampling_frequency_hz=_RATE_HZ,
        center_frequency_hz=_PROBE.center_frequency_hz,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=_C_M_S,
        start_time_s=_START_S,
        transmit_angle_rad=_ANGLE_RAD,
        receive_angle_rad=0.0,
        bmode_angles_rad=(),
        prf_hz=_PRF_HZ,
        requested_prf_hz=_PRF_HZ,
        max_prf_hz=_PRF_HZ,
        n_pulses=N_PULSES,
        frame_interval_s=FRAME_INTERVAL_S,
        colour_grid=GRID,
        bmode_grid=GRID,
    )
    return ChannelFrame(0, 0.0, 0.0, acquisition, colour)


class Work:
    """The stages of one frame as calls without arguments, each on what the one before made.

    Attributes
    ----------
    demodulation : DemodulationPlan
    receive : ReceivePlan
    channel : (n_iq_samples, n_elements + 1, 2, n_lanes) float32
    iq : (n_depths, n_lines, 2, n_lanes) float32
    segmenter : Segmenter or None
        None where ONNX Runtime is missing: the stage "network" then is, too.
    stages : dict of str to callable
    """

    def __init__(self) -> None:
        frame = workload()
        plan = DemodulationPlan(_RATE_HZ, _PROBE.center_frequency_hz, _START_S, N_SAMPLES)
        self.demodulation = plan
        self.receive = beamform.ReceivePlan(
            grid=GRID,
            element_x_m=_PROBE.element_x_m,
            element_z_m=_PROBE.element_z_m,
            receive_rad=0.0,
            f_number=PROCESSING.f_number,
            sound_speed_m_s=_C_M_S,
            center_frequency_hz=_PROBE.center_frequency_hz,
            sampling_frequency_hz=plan.iq_sampling_frequency_hz,
        )
        self.channel = aligned_zeros(channel_shape(plan, N_PULSES, N_ELEMENTS))
        self.iq = aligned_empty((*GRID.shape, *self.channel.shape[2:]))
        demodulate(frame.colour, plan, out=self.channel)
        self.beamform()
        kind = PROCESSING.wall_filter
        pixel_m = GRID.pixel_size_m
        width = (PROCESSING.smoothing_m / pixel_m[0], PROCESSING.smoothing_m / pixel_m[1])
        lags = doppler.autocorrelate(self.iq, N_PULSES, kind)
        smoothed = doppler.smooth(lags, width)
        maps = doppler.maps(smoothed)
        self.segmenter = network()
        finished = finish(form(frame, PROCESSING), PROCESSING, None, self.segmenter)
        flow = finished.power_db >= PROCESSING.flow_power_db
        coherence = np.float32(1.0) - maps.bandwidth
        level = finished.noise_floor_db
        shift = echo_shift(frame.acquisition)
        assert shift is not None
        evidence = echo_evidence(self.iq, N_PULSES, shift, kind)
        shown = maps.velocity, finished.power_db, maps.bandwidth, finished.bmode_db
        self.stages: dict[str, Task] = {
            "demodulate": lambda: demodulate(frame.colour, plan, out=self.channel),
            "beamform": self.beamform,
            "wall_filter_and_lags": lambda: doppler.autocorrelate(self.iq, N_PULSES, kind),
            "smooth": lambda: doppler.smooth(lags, width),
            "maps": lambda: (doppler.maps(smoothed), bmode.to_db(maps.power, level)),
            "bmode": self._bmode,
            "evidence": lambda: echo_evidence(self.iq, N_PULSES, shift, kind),
            "solver": lambda: unwrap(maps.velocity, coherence, flow, pixel_m=pixel_m),
        }
        if (found := self.segmenter) is not None:
            posterior = found.posterior(*shown, evidence=evidence).copy()
            self.stages["network"] = lambda: found.posterior(*shown, evidence=evidence)
            self.stages["solver"] = lambda: agree(maps.velocity, coherence, flow, posterior)

    def beamform(self) -> None:
        """Sum the ensemble of the frame."""
        beamform.delay_and_sum(self.channel, self.receive, _ANGLE_RAD, _START_S, out=self.iq)

    def _bmode(self) -> NDArray[np.float32]:
        power = bmode.mean_power(self.iq, N_PULSES)
        return bmode.to_db(power, bmode.reference_db(power) or 0.0)

    @property
    def beamform_flop(self) -> int:
        """Floating-point operations of :meth:`beamform`, the padding lanes included."""
        entries = int(beamform.receive_table(self.receive).start[-1])
        return _BEAMFORM_FLOP * entries * int(self.channel.shape[-1])

    def scipy_csr(self) -> Task:
        """Make the product that SciPy takes for the same table: complex64, 12 columns."""
        from scipy.sparse import csr_array

        table = beamform.receive_table(self.receive)
        n_samples, n_rows = self.channel.shape[:2]
        pixel = np.repeat(np.arange(table.first.size), np.diff(table.start))
        n = pixel.size
        x_m, z_m = (position.ravel() for position in GRID.positions_m())
        sent_s = (x_m * math.sin(_ANGLE_RAD) + z_m * math.cos(_ANGLE_RAD)) / _C_M_S
        position = table.delay[:n] + ((sent_s - _START_S) * self.receive.sampling_frequency_hz)[
            pixel
        ].astype(np.float32)
        inside = (position >= 0.0) & (position <= n_samples - 1)
        row = np.clip(position.astype(np.int32), 0, n_samples - 2)
        between = position - row
        turn = np.exp(2j * np.pi * sent_s * self.receive.center_frequency_hz)[pixel]
        weight = (table.weight_re[:n] + 1j * table.weight_im[:n]) * turn * inside
        element = table.first[pixel] + np.arange(n) - table.start[pixel]
        column = np.stack([row * n_rows + element, (row + 1) * n_rows + element], axis=1)
        values = np.stack([weight * (1.0 - between), weight * between], axis=1)
        matrix = csr_array(
            (
                values.astype(np.complex64).ravel(),
                column.astype(np.int32).ravel(),
                (2 * table.start).astype(np.int32),
            ),
            shape=(table.first.size, n_samples * n_rows),
        )
        samples = np.ascontiguousarray(
            unpack_ensemble(self.channel, N_PULSES).reshape(N_PULSES, -1).T
        ).astype(np.complex64)
        return lambda: matrix @ samples

    def maps(self) -> None:
        """Take the frame from samples to the maps and the grey picture."""
        for name, stage in self.stages.items():
            if name not in DEALIASING:
                stage()


def network() -> Segmenter | None:
    """Load the program's network; None where ONNX Runtime is missing."""
    try:
        return Segmenter()
    except AssetError:
        return None


def sgemm() -> Task:
    """Make a product of two square float32 matrices of 1024 rows: 2.1 GFLOP."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, _SGEMM_SIZE, _SGEMM_SIZE), np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)
