"""Other projects' implementations on the frame that is measured, where they are installed.

Each is given the same samples and pixels as ours, in its own layout and number kind, and is called
as its documentation says. What one makes is held against ours before it is timed: a ratio says
something only where both did the same work. Where a call makes tables or matrices that can be kept,
making them is not counted.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp import beamform, doppler, wall_filter
from ..dsp.arrays import unpack_ensemble
from ..dsp.demodulate import low_pass
from .clock import Task, times_slower
from .work import GRID, N_ELEMENTS, N_PULSES, PROCESSING, Work, workload

Picture = NDArray[np.complexfloating[Any, Any]]

# Below this the two did different work: 1 is the same up to one complex factor.
LEAST_LIKENESS = 0.95
# A call of these takes seconds.
_FEW_ROUNDS = 3
# So narrow an edge that every element inside the aperture counts as 1, and no other.
BOX_TAPER = 1e-9
# Bandwidth in per cent at which the low-pass of PyMUST ends where ours does.
_PASS_BAND_PERCENT = 60.0


@dataclass(frozen=True)
class Rival:
    """One implementation and ours of the same step.

    Attributes
    ----------
    theirs, ours : callable
        Calls without arguments.
    picture : callable
        Makes an array like ``expected`` of what ``theirs`` returns.
    expected : complex array
        The same from ours, configured alike.
    most_rounds : int or None
        A limit for slow ones.
    """

    theirs: Task
    ours: Task
    picture: Callable[[Any], Picture]
    expected: Picture
    most_rounds: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one comparison.

    Attributes
    ----------
    state : str
        "measured", or why not.
    times_slower : float or None
    likeness : float or None
        Of the two results, from 0 to 1.
    """

    state: str
    times_slower: float | None = None
    likeness: float | None = None


def alike(theirs: Picture, ours: Picture) -> float:
    """Cosine between two complex arrays: 1 where they differ by one complex factor only."""
    scale = np.linalg.norm(theirs) * np.linalg.norm(ours)
    return float(abs(np.vdot(theirs, ours)) / scale) if scale > 0.0 else 0.0


# ---- beamformers ---------------------------------------------------------------------------


def inside_wave() -> NDArray[np.bool_]:
    """(n_depths, n_lines) pixels that the plane wave reaches from the array.

    Beside them the others assume the round wave of the last element, and we the plane one.
    """
    x_m, z_m = GRID.positions_m()
    angle_rad = workload().acquisition.transmit_angle_rad
    reach_m = workload().acquisition.probe.element_x_m[-1]
    inside: NDArray[np.bool_] = np.abs(x_m - z_m * math.tan(angle_rad)) <= reach_m
    return inside


def box_sum(work: Work, inside: NDArray[np.bool_]) -> Picture:
    """(n_pulses, n_inside) sums over a box aperture, as the others make them.

    Ours are divided by the root of the number of elements, for equal noise in all pixels.
    """
    plan = dataclasses.replace(work.receive, taper=BOX_TAPER)
    acquisition = workload().acquisition
    iq = beamform.delay_and_sum(
        work.channel, plan, acquisition.transmit_angle_rad, acquisition.start_time_s
    )
    n_elements = np.diff(beamform.receive_table(plan).start).reshape(GRID.shape)
    picture: Picture = (unpack_ensemble(iq, N_PULSES) * np.sqrt(n_elements))[:, inside]
    return picture


def _records(work: Work) -> Picture:
    """(n_pulses, n_iq_samples, n_elements) complex64."""
    records: Picture = unpack_ensemble(work.channel, N_PULSES)[:, :, :N_ELEMENTS]
    return records


def pymust_beamformer(work: Work) -> Rival:
    """PyMUST: the product with the matrix of ``dasmtx``, as it makes it: complex128, COO."""
    import pymust

    acquisition = workload().acquisition
    param = pymust.utils.Param()
    param.fs = work.receive.sampling_frequency_hz
    param.fc = work.receive.center_frequency_hz
    param.c = work.receive.sound_speed_m_s
    param.pitch, param.Nelements = acquisition.probe.pitch_m, N_ELEMENTS
    param.fnumber = work.receive.f_number
    param.t0 = np.full((1, 1), acquisition.start_time_s)
    matrix = pymust.dasmtx(
        1j * np.array([work.channel.shape[0], N_ELEMENTS]),
        *GRID.positions_m(),
        transmit_delays_s(work)[None],
        param,
    )
    samples = _records(work).transpose(0, 2, 1).reshape(N_PULSES, -1).T
    samples = np.ascontiguousarray(samples, np.complex128)
    inside = inside_wave()

    def picture(made: Picture) -> Picture:
        across = made.T.reshape(N_PULSES, GRID.n_lines, GRID.n_depths)
        return across.transpose(0, 2, 1)[:, inside]

    return Rival(lambda: matrix @ samples, work.beamform, picture, box_sum(work, inside))


def ultraspy_beamformer(work: Work) -> Rival:
    """ultraspy: ``DelayAndSum`` on a packet, its compiled CPU code; it makes delays every time."""
    from ultraspy.beamformers.das import DelayAndSum
    from ultraspy.scan import GridScan

    element_x_m = np.array(work.receive.element_x_m)
    nowhere = np.zeros_like(element_x_m)
    elements = np.stack([element_x_m, nowhere, nowhere])[:, None]
    setups = {
        "emitted_probe": elements,
        "received_probe": elements,
        "emitted_thetas": nowhere[None],
        "received_thetas": nowhere[None],
        "delays": transmit_delays_s(work)[None],
        "transmissions_idx": [0],
        "sound_speed": work.receive.sound_speed_m_s,
        "f_number": work.receive.f_number,
        "t0": workload().acquisition.start_time_s,
        "sampling_freq": work.receive.sampling_frequency_hz,
        "central_freq": work.receive.center_frequency_hz,
    }
    beamformer = DelayAndSum(is_iq=True, on_gpu=False)
    for name, value in setups.items():
        beamformer.update_setup(name, value)
    # Time counts from the array's centre, and every element sends.
    beamformer.update_option("fix_t0", False)
    beamformer.update_option("emitted_aperture", False)
    x_m, z_m = GRID.positions_m()
    scan = GridScan(x_m[0], z_m[:, 0], on_gpu=False)
    samples = np.ascontiguousarray(_records(work).transpose(0, 2, 1)[:, None])
    inside = inside_wave()
    return Rival(
        lambda: beamformer.beamform_packet_cpu(samples, scan),
        work.beamform,
        lambda made: made.transpose(2, 1, 0)[:, inside],
        box_sum(work, inside),
        _FEW_ROUNDS,
    )


def zea_beamformer(work: Work) -> Rival:
    """zea: its ``Beamform`` pipeline, the pulses as a batch, compiled by the backend of Keras."""
    from zea.ops.pipeline import Beamform

    acquisition = workload().acquisition
    x_m, z_m = GRID.positions_m()
    element_x_m = np.array(work.receive.element_x_m, np.float32)
    grid = np.stack([x_m, np.zeros_like(x_m), z_m], axis=-1).astype(np.float32)
    delay_s = transmit_delays_s(work)
    first_s = delay_s.min()  # its delays count from the first element that sends
    records = _records(work)[:, None]
    pipeline = Beamform(with_batch_dim=True)
    inputs = {
        "data": np.stack([records.real, records.imag], axis=-1),
        "flatgrid": grid.reshape(-1, 3),
        "grid": grid,
        "probe_geometry": np.stack([element_x_m, *np.zeros((2, N_ELEMENTS))], axis=-1),
        "sound_speed": work.receive.sound_speed_m_s,
        "sampling_frequency": work.receive.sampling_frequency_hz,
        "demodulation_frequency": work.receive.center_frequency_hz,
        "f_number": work.receive.f_number,
        "t0_delays": (delay_s - first_s)[None],
        "initial_times": np.array([acquisition.start_time_s - first_s]),
        "polar_angles": np.array([acquisition.transmit_angle_rad]),
        "focus_distances": np.array([np.inf]),
        "tx_apodizations": np.ones((1, N_ELEMENTS)),
        "t_peak": np.zeros(1),
        "transmit_origins": np.zeros((1, 3)),
    }
    inputs = {
        name: value.astype(np.float32) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
    }
    inside = inside_wave()

    def picture(made: NDArray[np.float32]) -> Picture:
        complex_picture: Picture = made[..., 0] + 1j * made[..., 1]
        return complex_picture[:, inside]

    return Rival(
        # On the host: a backend may return before it has finished.
        lambda: np.asarray(pipeline(**inputs)["data"]),
        work.beamform,
        picture,
        box_sum(work, inside),
        _FEW_ROUNDS,
    )


def transmit_delays_s(work: Work) -> NDArray[np.float64]:
    """(n_elements,) times at which the elements send the plane wave; 0 at the array's centre."""
    tilt = math.sin(workload().acquisition.transmit_angle_rad)
    return np.array(work.receive.element_x_m) * tilt / work.receive.sound_speed_m_s


# ---- the steps beside it -------------------------------------------------------------------


def scipy_demodulator(work: Work) -> Rival:
    """SciPy: mix in complex64, then ``resample_poly`` with our taps."""
    from scipy.signal import resample_poly

    plan, samples = work.demodulation, workload().colour
    time_s = plan.start_time_s + np.arange(plan.n_samples) / plan.sampling_frequency_hz
    mixing = (2.0 * np.exp(-2j * np.pi * plan.center_frequency_hz * time_s)).astype(np.complex64)
    taps = low_pass(plan).astype(np.float32)
    return Rival(
        # Its types leave out an array of taps.
        lambda: resample_poly(mixing * samples, 1, plan.decimation, axis=-1, window=taps),  # type: ignore[call-overload]
        work.stages["demodulate"],
        lambda made: made,
        _records(work).transpose(0, 2, 1),
    )


def pymust_demodulator(work: Work) -> Rival:
    """PyMUST: ``rf2iq`` at the same pass band; it keeps all samples."""
    import pymust

    plan = work.demodulation
    param = pymust.utils.Param()
    param.fs, param.fc = plan.sampling_frequency_hz, plan.center_frequency_hz
    param.t0, param.bandwidth = np.array([plan.start_time_s]), _PASS_BAND_PERCENT
    samples = np.ascontiguousarray(workload().colour.transpose(2, 1, 0), np.float64)
    return Rival(
        lambda: pymust.rf2iq(samples, param),
        work.stages["demodulate"],
        lambda made: made[:: plan.decimation].transpose(2, 0, 1),
        _records(work),
    )


def pymust_estimator(work: Work) -> Rival:
    """PyMUST: ``iq2doppler`` with a Hamming window of as many pixels, on filtered samples."""
    import pymust

    acquisition = workload().acquisition
    pixel_m = GRID.pixel_size_m
    width = (PROCESSING.smoothing_m / pixel_m[0], PROCESSING.smoothing_m / pixel_m[1])
    iq = wall_filter.apply(work.iq, PROCESSING.wall_filter, N_PULSES)
    param = pymust.utils.Param()
    param.fc, param.c = acquisition.center_frequency_hz, acquisition.sound_speed_m_s
    param.PRF = acquisition.prf_hz
    window = np.array([doppler.smoothing_window(pixels).size for pixels in width])
    ensemble = np.moveaxis(unpack_ensemble(iq, N_PULSES), 0, -1)
    ensemble = np.ascontiguousarray(ensemble, np.complex128)

    def ours() -> doppler.DopplerMaps:
        return doppler.estimate(iq, N_PULSES, wall_filter.NONE, width)

    def turn(velocity: NDArray[Any]) -> Picture:
        phase: Picture = np.exp(1j * np.pi * velocity)
        return phase

    return Rival(
        lambda: pymust.iq2doppler(ensemble, param, window),
        ours,
        lambda made: turn(made[0] / acquisition.nyquist_velocity_m_s),
        turn(ours().velocity),
    )


# ---- all of them ---------------------------------------------------------------------------

# JSON key: package, what makes it.
RIVALS: dict[str, tuple[str, Callable[[Work], Rival]]] = {
    "beamform_vs_pymust": ("pymust", pymust_beamformer),
    "beamform_vs_ultraspy": ("ultraspy", ultraspy_beamformer),
    "beamform_vs_zea": ("zea", zea_beamformer),
    "demodulate_vs_scipy": ("scipy", scipy_demodulator),
    "demodulate_vs_pymust": ("pymust", pymust_demodulator),
    "velocity_vs_pymust": ("pymust", pymust_estimator),
}


@contextmanager
def on_one_core() -> Iterator[None]:
    """Hold this thread, and the pools that it starts, on one core where the system can."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def compare(work: Work, package: str, maker: Callable[[Work], Rival], rounds: int) -> Outcome:
    """Compare with one, if it is installed and does the same work.

    CPU time is that of the whole process, so that a pool of threads does not count as faster.
    """
    if util.find_spec(package) is None:
        return Outcome(f"not measured: {package} is not installed")
    with on_one_core():
        try:
            rival = maker(work)
        except ImportError as error:
            reason = str(error).strip().splitlines()
            return Outcome(f"not measured: {reason[0] if reason else package + ' does not load'}")
        likeness = alike(rival.picture(rival.theirs()), rival.expected)
        if not likeness >= LEAST_LIKENESS:
            return Outcome(
                f"not measured: what it makes is not ours (likeness {likeness:.2f})",
                likeness=likeness,
            )
        rounds = min(rounds, rival.most_rounds or rounds)
        ratio = times_slower(rival.theirs, rival.ours, rounds, clock=time.process_time)
    return Outcome("measured", ratio, likeness)


def measure(work: Work, rounds: int) -> dict[str, Outcome]:
    """Compare with all, in the order of :data:`RIVALS`."""
    return {key: compare(work, *rival, rounds) for key, rival in RIVALS.items()}
