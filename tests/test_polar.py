"""Curved and phased arrays: waves that diverge, pictures that are sectors, velocities there."""

import math

import numpy as np
import pytest
import recordings
from echoes import envelope

from ultrasound_console.geometry import Probe
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.sources.recording import RecordingSource

C_M_S, F0_HZ, FS_HZ, PRF_HZ, N_PULSES = 1540.0, 2.5e6, 5e6, 4000.0, 8
NYQUIST_M_S = C_M_S * PRF_HZ / (4.0 * F0_HZ)
DEPTH_M = 60e-3
RADIUS_M = 50e-3
PHASED = Probe.linear("phased", 64, 0.3e-3, F0_HZ)
CONVEX = Probe.curved("convex", 64, 0.6e-3, RADIUS_M, center_frequency_hz=F0_HZ)
BEHIND_M = 12e-3
# Away, across, and towards the probe, at places to both sides (x, z, vx, vz).
POINTS = np.array(
    [
        [0.0, 25e-3, 0.0, 0.12],
        [-13e-3, 31e-3, 0.15, 0.0],
        [14e-3, 40e-3, 0.1, -0.1],
        [-6e-3, 48e-3, -0.05, -0.14],
    ]
)
PROCESSING = ProcessingSettings(f_number=2.0, wall_filter="none", smoothing_m=1e-3, dealias=False)


def sent_m(x_m, z_m, source_m, angle_rad):
    """Way of the wave from when it crosses the origin."""
    if source_m is None:
        return x_m * math.sin(angle_rad) + z_m * math.cos(angle_rad)
    return np.hypot(x_m - source_m[0], z_m - source_m[1]) - math.hypot(*source_m)


def moving_points(probe, source_m=None, angle_rad=0.0):
    """IQ of points that move: (pulses, elements, samples), from the wave at the origin on."""
    time_s = np.arange(math.ceil(2.2 * DEPTH_M / C_M_S * FS_HZ)) / FS_HZ
    iq = np.zeros((N_PULSES, probe.n_elements, time_s.size), np.complex64)
    for pulse in range(N_PULSES):
        after_s = (pulse - 0.5 * (N_PULSES - 1)) / PRF_HZ
        for x_m, z_m in POINTS[:, :2] + after_s * POINTS[:, 2:]:
            back_m = np.hypot(x_m - probe.element_x_m, z_m - np.array(probe.element_z_m))
            tau_s = (sent_m(x_m, z_m, source_m, angle_rad) + back_m)[:, None] / C_M_S
            pulse_shape = envelope(time_s - tau_s, F0_HZ, 0.3)
            iq[pulse] += pulse_shape * np.exp(-2j * np.pi * F0_HZ * tau_s)
    return 1000.0 * iq


def write_zea(path, probe, iq, source_m, angle_rad=0.0):
    """Times count from the first element that fires, when the wave passes it."""
    positions = np.zeros((probe.n_elements, 3))
    positions[:, 0], positions[:, 2] = probe.element_x_m, probe.element_z_m
    delays_s = sent_m(positions[:, 0], positions[:, 2], source_m, angle_rad) / C_M_S
    return recordings.write_zea(
        path,
        np.stack([iq.real, iq.imag], axis=-1).swapaxes(1, 2)[:, None],
        sampling_frequency=FS_HZ,
        center_frequency=F0_HZ,
        demodulation_frequency=F0_HZ,
        sound_speed=C_M_S,
        probe_geometry=positions,
        initial_times=np.full(1, -delays_s.min()),
        t0_delays=(delays_s - delays_s.min())[None],
        focus_distances=np.full(1, np.inf if source_m is None else -math.hypot(*source_m)),
        polar_angles=np.full(1, angle_rad),
        time_to_next_transmit=np.full((N_PULSES, 1), 1.0 / PRF_HZ),
    )


def write_uff(path, probe, iq, source_m):
    geometry = np.zeros((7, probe.n_elements))
    geometry[0], geometry[2], geometry[5] = probe.element_x_m, probe.element_z_m, 2e-4
    wave = "sequence__sequence_0001__"
    return recordings.write_uff(
        path,
        iq[:, None],
        PRF=PRF_HZ,
        initial_time=0.0,
        modulation_frequency=F0_HZ,
        sampling_frequency=FS_HZ,
        sound_speed=C_M_S,
        probe__geometry=geometry,
        pulse__center_frequency=F0_HZ,
        **{
            f"{wave}wavefront": np.array([[1]]),
            f"{wave}source__distance": math.hypot(*source_m),
            f"{wave}source__azimuth": math.atan2(*source_m),
        },
    )


def source_at(angle_rad, distance_m=BEHIND_M):
    return -distance_m * math.sin(angle_rad), -distance_m * math.cos(angle_rad)


CASES = {
    "phased, diverging": (PHASED, source_at(0.0), 0.0, write_zea),
    "phased, diverging askew": (PHASED, source_at(0.2), 0.2, write_zea),
    "phased, in UFF": (PHASED, source_at(-0.1), 0.0, write_uff),
    "convex, all at once": (CONVEX, (0.0, -RADIUS_M), 0.0, write_uff),
    "convex, plane": (CONVEX, None, 0.0, write_zea),
}


@pytest.mark.parametrize("case", CASES)
def test_points_are_where_they_are_and_as_fast(case, tmp_path):
    probe, source_m, angle_rad, write = CASES[case]
    askew = () if write is write_uff else (angle_rad,)
    path = write(
        tmp_path / "a.h5", probe, moving_points(probe, source_m, angle_rad), source_m, *askew
    )
    source = RecordingSource(path, real_time=False)
    acquisition = source.configure(AcquisitionSettings(ensemble=0, prf_hz=PRF_HZ))
    grid = acquisition.colour_grid
    assert grid.kind == "polar"
    source.start()
    picture = doppler(form(source.read(1.0), PROCESSING), PROCESSING, None)
    source.close()
    for x_m, z_m, vx_m_s, vz_m_s in POINTS:
        row, line = (round(float(index)) for index in grid.indices(x_m, z_m))
        near = picture.bmode_db[row - 8 : row + 9, line - 8 : line + 9]
        found = np.unravel_index(np.argmax(near), near.shape)
        found_m = grid.positions_m(row - 8 + found[0], line - 8 + found[1])
        assert math.dist(found_m, (x_m, z_m)) < 0.6e-3
        # In closed form: away from the source, and back along the line through the apex.
        wave = (0.0, 1.0) if source_m is None else (x_m - source_m[0], z_m - source_m[1])
        back = x_m - grid.apex_m[0], z_m - grid.apex_m[1]
        expected_m_s = -0.5 * sum(
            (vx_m_s * way[0] + vz_m_s * way[1]) / math.hypot(*way) for way in (wave, back)
        )
        assert picture.velocity_m_s[row, line] == pytest.approx(
            expected_m_s, abs=0.02 * NYQUIST_M_S
        )
        across, down = acquisition.beam_direction(x_m, z_m)
        assert -(across * vx_m_s + down * vz_m_s) == pytest.approx(expected_m_s)
