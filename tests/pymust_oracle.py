"""PyMUST's delay-and-sum and velocity as oracles, and a small stored result of both.

``python tests/pymust_oracle.py`` writes ``pymust_oracle.npz`` anew; it needs PyMUST 0.1.9.

PyMUST sums over a box aperture ``|x - x_e| <= z / (2 f-number)``. Ours does at a taper near 0, and
divides by the root of the number of elements: :func:`n_in_aperture` counts them. PyMUST sends the
plane wave from four points an element and takes the earliest arrival; that is the plane wave itself
for a pixel that lies on the ray of such a point, so grids are laid along those rays, and elsewhere
:func:`detour_m` says how much longer its path is.
"""

import math
from pathlib import Path

import numpy as np

from ultrasound_console.bench.rivals import BOX_TAPER
from ultrasound_console.dsp.arrays import pack_ensemble, unpack_ensemble
from ultrasound_console.dsp.beamform import ReceivePlan, delay_and_sum
from ultrasound_console.geometry import ImageGrid, Probe

FILE = Path(__file__).with_name("pymust_oracle.npz")

ANGLES_DEG = (0.0, 10.0)
C_M_S, F0_HZ, IQ_HZ, PRF_HZ = 1540.0, 5e6, 8e6, 4000.0
PROBE = Probe.linear("oracle", 32, 0.3e-3, F0_HZ)
START_S = 4e-6
N_SAMPLES, N_PULSES = 80, 4


def transmit_points_m(probe):
    """Points that PyMUST sends from."""
    return np.linspace(probe.element_x_m[0], probe.element_x_m[-1], 4 * probe.n_elements)


def along_rays(probe, transmit_rad, every, n_depths, range_m):
    """Grid whose lines are the rays of every so manieth transmit point."""
    points_m = transmit_points_m(probe)[::every]
    ends_m = (points_m[0], points_m[-1])
    return ImageGrid("parallel", n_depths, points_m.size, ends_m, range_m, angle_rad=transmit_rad)


def detour_m(grid, probe, transmit_rad):
    """How much longer PyMUST's way to each pixel is than the plane wave's."""
    x_m, z_m = grid.positions_m()
    points_m = transmit_points_m(probe)
    way_m = points_m * math.sin(transmit_rad) + np.hypot(x_m[..., None] - points_m, z_m[..., None])
    return way_m.min(axis=-1) - x_m * math.sin(transmit_rad) - z_m * math.cos(transmit_rad)


def box_plan(grid, probe, f_number, sound_speed_m_s, center_frequency_hz, iq_hz):
    """Receive plan with the aperture of PyMUST."""
    return ReceivePlan(
        grid=grid,
        element_x_m=probe.element_x_m,
        element_z_m=probe.element_z_m,
        receive_rad=0.0,
        f_number=f_number,
        sound_speed_m_s=sound_speed_m_s,
        center_frequency_hz=center_frequency_hz,
        sampling_frequency_hz=iq_hz,
        taper=BOX_TAPER,
    )


def n_in_aperture(plan):
    x_m, z_m = plan.grid.positions_m()
    across_m = np.abs(x_m[..., None] - np.array(plan.element_x_m))
    return np.count_nonzero(across_m <= z_m[..., None] / (2.0 * plan.f_number), axis=-1)


def our_sum(records, plan, transmit_rad, start_s, dtype):
    """Ours without the division: (n_pulses, n_depths, n_lines) of (pulses, samples, elements)."""
    none = np.zeros((*records.shape[:2], 1))
    channel = pack_ensemble(np.concatenate([records, none], axis=2), dtype=dtype)
    iq = delay_and_sum(channel, plan, transmit_rad, start_s)
    return unpack_ensemble(iq, records.shape[0]) * np.sqrt(n_in_aperture(plan))


def pymust_sum(records, plan, transmit_rad, start_s):
    """The same by PyMUST; its delays are 0 at the array's centre, as ours."""
    import pymust

    element_x_m = np.array(plan.element_x_m)
    param = pymust.utils.Param()
    param.fs, param.fc = plan.sampling_frequency_hz, plan.center_frequency_hz
    param.c, param.fnumber, param.t0 = plan.sound_speed_m_s, plan.f_number, np.full((1, 1), start_s)
    param.Nelements, param.pitch = element_x_m.size, plan.smallest_half_aperture_m
    delays_s = element_x_m[None] * math.sin(transmit_rad) / plan.sound_speed_m_s
    n_pulses, n_samples, n_elements = records.shape
    shape = 1j * np.array([n_samples, n_elements])
    matrix = pymust.dasmtx(shape, *plan.grid.positions_m(), delays_s, param)
    made = matrix @ records.transpose(0, 2, 1).reshape(n_pulses, -1).T
    return made.T.reshape(n_pulses, *plan.grid.shape[::-1]).transpose(0, 2, 1)


def pymust_velocity(iq, prf_hz, center_frequency_hz, sound_speed_m_s):
    """Velocity in units of v_N of (n_pulses, n_depths, n_lines)."""
    import pymust

    param = pymust.utils.Param()
    param.PRF, param.fc, param.c = prf_hz, center_frequency_hz, sound_speed_m_s
    velocity_m_s, _ = pymust.iq2doppler(np.moveaxis(iq, 0, -1), param)
    return velocity_m_s / (sound_speed_m_s * prf_hz / (4.0 * center_frequency_hz))


def records():
    """(n_pulses, n_samples, n_elements) samples of modulus 1 with phases all over the circle."""
    n = np.arange(N_PULSES * N_SAMPLES * PROBE.n_elements, dtype=np.float64)
    phase = 2.0 * np.pi * ((n * n * 0.6180339887498949) % 1.0)
    return np.exp(1j * phase).reshape(N_PULSES, N_SAMPLES, PROBE.n_elements)


def plan_for(transmit_rad):
    grid = along_rays(PROBE, transmit_rad, 20, 12, (4.5e-3, 9e-3))
    return box_plan(grid, PROBE, 1.2, C_M_S, F0_HZ, IQ_HZ)


def made_by_pymust():
    angles = np.radians(ANGLES_DEG)
    iq = np.stack([pymust_sum(records(), plan_for(a), a, START_S) for a in angles])
    velocity = np.stack([pymust_velocity(one, PRF_HZ, F0_HZ, C_M_S) for one in iq])
    return {"iq": iq.astype(np.complex64), "velocity": velocity.astype(np.float32)}


if __name__ == "__main__":
    np.savez_compressed(FILE, **made_by_pymust())
