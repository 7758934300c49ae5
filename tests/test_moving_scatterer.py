"""One moving point through the whole chain, from echoes in closed form to its velocity."""

import dataclasses
import math

import numpy as np
import pytest
from echoes import arrival_s, rf_echoes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultrasound_console.frames import Acquisition, ChannelFrame
from ultrasound_console.geometry import ImageGrid, Probe, plane_wave_velocity_m_s
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import ProcessingSettings

C_M_S, F0_HZ, PRF_HZ = 1540.0, 5e6, 4000.0
NYQUIST_M_S = C_M_S * PRF_HZ / (4.0 * F0_HZ)
PULSE_BANDWIDTH = 0.3
FULL_SCALE = 8000.0
# More than the longest ensemble moves an echo, 1.9 mm, and half the pulse.
MARGIN_S = 4e-6
TOLERANCE = 0.01
# Every element sees the motion from its own side: at f/1.5 that shortens the reading by 0.5 %, and
# averaging over the neighbours of the point by as much again.
PROCESSING = ProcessingSettings(f_number=1.5, wall_filter="none", smoothing_m=0.8e-3, dealias=False)
# Samples per period: oversampled, a little above twice, and band-pass undersampled.
RATES = (4.0, 2.7, 4.0 / 3.0)


@dataclasses.dataclass(frozen=True)
class Motion:
    """A point and what it does.

    Attributes
    ----------
    x_m, z_m : float
        In the middle of the ensemble.
    nyquists : float
        Its speed in v_N.
    direction_rad : float
        0 is down, away from the probe; pi/2 is to the right.
    """

    x_m: float
    z_m: float
    nyquists: float
    direction_rad: float

    @property
    def velocity_m_s(self):
        speed_m_s = self.nyquists * NYQUIST_M_S
        return speed_m_s * math.sin(self.direction_rad), speed_m_s * math.cos(self.direction_rad)


def frame_of(motion, transmit_rad, receive_rad, n_pulses, rate, probe):
    """Channel samples of a moving point, and the acquisition that took them."""
    half_m = 2.5e-3
    grid = ImageGrid(
        "parallel", 41, 25,
        (motion.x_m - half_m, motion.x_m + half_m), (motion.z_m - half_m, motion.z_m + half_m),
    )  # fmt: skip
    sampling_hz = rate * F0_HZ
    place_m = (probe.element_x_m, probe.element_z_m)
    middle_s = arrival_s(motion.x_m, motion.z_m, *place_m, transmit_rad, C_M_S)
    start_s = middle_s.min() - MARGIN_S
    n_samples = math.ceil((np.ptp(middle_s) + 2.0 * MARGIN_S) * sampling_hz)
    time_s = start_s + np.arange(n_samples) / sampling_hz
    after_s = (np.arange(n_pulses) - (n_pulses - 1) / 2) / PRF_HZ
    rf = np.empty((n_pulses, probe.n_elements, time_s.size))
    for samples, seconds in zip(rf, after_s, strict=True):
        x_m, z_m = (
            here_m + seconds * along_m_s
            for here_m, along_m_s in zip((motion.x_m, motion.z_m), motion.velocity_m_s, strict=True)
        )
        tau_s = arrival_s(x_m, z_m, *place_m, transmit_rad, C_M_S)
        samples[:] = rf_echoes(tau_s, time_s, F0_HZ, PULSE_BANDWIDTH)
    acquisition = Acquisition(
        source="point",
        probe=probe,
        sampling_frequency_hz=sampling_hz,
        center_frequency_hz=F0_HZ,
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=C_M_S,
        start_time_s=start_s,
        transmit_angle_rad=transmit_rad,
        receive_angle_rad=receive_rad,
        bmode_angles_rad=(),
        prf_hz=PRF_HZ,
        requested_prf_hz=PRF_HZ,
        max_prf_hz=PRF_HZ,
        n_pulses=n_pulses,
        frame_interval_s=0.0,
        colour_grid=grid,
        bmode_grid=grid,
    )
    return ChannelFrame(0, 0.0, 0.0, acquisition, np.rint(FULL_SCALE * rf).astype(np.int16))


def reading(motion, transmit_rad, receive_rad, n_pulses=12, rate=4.0, probe=None):
    """Velocity at the point, and what geometry says, both in v_N."""
    probe = probe or Probe.linear("point", 96, 0.25e-3, F0_HZ)
    frame = frame_of(motion, transmit_rad, receive_rad, n_pulses, rate, probe)
    picture = doppler(form(frame, PROCESSING), PROCESSING, None)
    row, column = frame.acquisition.colour_grid.indices(motion.x_m, motion.z_m)
    measured = picture.velocity_m_s[round(float(row)), round(float(column))]
    expected = plane_wave_velocity_m_s(*motion.velocity_m_s, transmit_rad, receive_rad)
    return float(measured) / NYQUIST_M_S, float(expected) / NYQUIST_M_S


@pytest.mark.parametrize("same_receive", [False, True], ids=["receive 0", "receive as transmit"])
@pytest.mark.parametrize("transmit_deg", [-15.0, 0.0, 15.0])
@pytest.mark.parametrize(
    ("direction_deg", "sign"),
    [(0.0, -1), (180.0, 1), (90.0, 0), (-90.0, 0), (40.0, -1), (-140.0, 1)],
    ids=["away", "towards", "right", "left", "away to the right", "towards to the left"],
)
def test_a_point_reads_its_speed(transmit_deg, same_receive, direction_deg, sign):
    transmit_rad = math.radians(transmit_deg)
    motion = Motion(1e-3, 20e-3, 0.6, math.radians(direction_deg))
    measured, expected = reading(motion, transmit_rad, transmit_rad * same_receive)
    assert measured == pytest.approx(expected, abs=TOLERANCE)
    if sign:
        assert sign * measured > 0.3
    else:
        # Across the beam only steering shows the motion: towards a wave from that side.
        half = 1.0 if same_receive else 0.5
        across = -half * 0.6 * math.sin(transmit_rad) * math.copysign(1.0, direction_deg)
        assert measured == pytest.approx(across, abs=TOLERANCE)


@given(
    n_pulses=st.integers(4, 64),
    rate=st.sampled_from(RATES),
    transmit_deg=st.floats(-15.0, 15.0),
    same_receive=st.booleans(),
    n_elements=st.integers(96, 128),
    pitch_m=st.floats(0.2e-3, 0.3e-3),
    depth_m=st.floats(12e-3, 25e-3),
    beside=st.floats(-1.0, 1.0),
    nyquists=st.floats(0.0, 0.75),
    direction_rad=st.floats(-math.pi, math.pi),
)
@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_any_point_reads_its_speed(
    n_pulses, rate, transmit_deg, same_receive, n_elements, pitch_m, depth_m, beside, nyquists,
    direction_rad,
):  # fmt: skip
    probe = Probe.linear("point", n_elements, pitch_m, F0_HZ)
    transmit_rad = math.radians(transmit_deg)
    receive_rad = transmit_rad * same_receive
    # With its whole aperture on the array: half of one looks from the side.
    room_m = probe.element_x_m[-1] - depth_m / (2.0 * PROCESSING.f_number)
    x_m = depth_m * math.tan(receive_rad) + beside * room_m
    motion = Motion(x_m, depth_m, nyquists, direction_rad)
    measured, expected = reading(motion, transmit_rad, receive_rad, n_pulses, rate, probe)
    assert measured == pytest.approx(expected, abs=TOLERANCE)
