"""The pipeline on a device against the pipeline on the CPU.

Each check takes CuPy, or its stand-in. They need nothing beyond NumPy, SciPy, Numba and the
package, so that they run on a bare machine.
"""

import dataclasses
import math

import numpy as np

from ultrasound_console.dsp.arrays import unpack_ensemble
from ultrasound_console.dsp.device import Gpu
from ultrasound_console.dsp.quantise import restore
from ultrasound_console.frames import Acquisition, ChannelFrame
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.pipeline import doppler, estimate, form
from ultrasound_console.settings import ProcessingSettings

F0, PRF = 5e6, 3000.0
N_PULSES, N_SAMPLES = 8, 300
PROBE = Probe.linear("test", 16, 0.3e-3, F0)
GRID = ImageGrid("parallel", 22, 18, (-2e-3, 2e-3), (5e-3, 9e-3))
BMODE_GRID = ImageGrid("parallel", 30, 24, (-2.4e-3, 2.4e-3), (4e-3, 10e-3))
BMODE_ANGLES_RAD = (-0.1, 0.0, 0.1)
MOVED_PRF = 0.2
"""Doppler frequency of everything, over PRF: 0.4 v_N."""

PROCESSING = (
    ProcessingSettings(smoothing_m=0.0006),
    ProcessingSettings(wall_filter="none", smoothing_m=0.0, f_number=2.0),
    ProcessingSettings(wall_filter="svd-low", flash_rejection=True),
    ProcessingSettings(local_frequency=True, dealias=False),
)


def acquisition_of(*, is_iq=False, with_block=False):
    return Acquisition(
        source="test",
        probe=PROBE,
        sampling_frequency_hz=F0 if is_iq else 4.0 * F0,
        center_frequency_hz=F0,
        demodulation_frequency_hz=F0 if is_iq else 0.0,
        sound_speed_m_s=1540.0,
        start_time_s=4e-6,
        transmit_angle_rad=math.radians(5.0),
        receive_angle_rad=0.0,
        bmode_angles_rad=BMODE_ANGLES_RAD if with_block else (),
        prf_hz=PRF,
        requested_prf_hz=PRF,
        max_prf_hz=PRF,
        n_pulses=N_PULSES,
        frame_interval_s=0.03,
        colour_grid=GRID,
        bmode_grid=BMODE_GRID if with_block else GRID,
    )


def channel_frame(kind=np.int16, *, with_block=False, index=0):
    """Speckle that moves as one, in white noise."""
    rng = np.random.default_rng(index)
    is_iq = np.issubdtype(kind, np.complexfloating)
    acquisition = acquisition_of(is_iq=is_iq, with_block=with_block)

    def samples(n_transmits, moved_prf):
        shape = (n_transmits, PROBE.n_elements, N_SAMPLES)
        still, noise = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for _ in range(2))
        moved = still[0] * np.exp(2j * np.pi * moved_prf * np.arange(n_transmits))[:, None, None]
        block = 1000.0 * (moved + 0.05 * noise)
        return (block if is_iq else block.real).astype(kind)

    return ChannelFrame(
        index=index,
        time_s=0.03 * index,
        received_s=0.0,
        acquisition=acquisition,
        colour=samples(N_PULSES, MOVED_PRF),
        bmode=samples(len(BMODE_ANGLES_RAD), 0.0) if with_block else None,
    )


def on_gpu(channel, processing, previous=None, gpu=None):
    gpu = gpu or Gpu()
    with gpu.computing():
        iq = form(channel, processing, gpu)
        estimates = estimate(iq, processing, for_cine=True)
    return doppler(estimates, processing, previous), estimates


def assert_same_picture(picture, expected):
    """Equal to float32 rounding, through the logarithm and the angle."""
    nyquist = expected.nyquist_velocity_m_s
    turned = (picture.velocity_m_s - expected.velocity_m_s + nyquist) % (2 * nyquist) - nyquist
    assert np.max(np.abs(turned)) < 1e-3 * nyquist
    for name, tolerance in (("bmode_db", 1e-2), ("power_db", 1e-2), ("bandwidth", 1e-3)):
        plane = getattr(picture, name)
        assert isinstance(plane, np.ndarray)
        np.testing.assert_allclose(plane, getattr(expected, name), atol=tolerance)
    assert np.mean(picture.status == expected.status) > 0.99
    assert np.mean(picture.fold == expected.fold) > 0.99
    assert abs(picture.noise_floor_db - expected.noise_floor_db) < 1e-2
    assert (picture.frequency_factor is None) == (expected.frequency_factor is None)
    if expected.frequency_factor is not None:
        np.testing.assert_allclose(picture.frequency_factor, expected.frequency_factor, atol=5e-3)


def pictures(device):
    gpu = Gpu()
    for kind in (np.int16, np.float32, np.complex64):
        for with_block in (False, True):
            channel = channel_frame(kind, with_block=with_block)
            for processing in PROCESSING:
                picture, estimates = on_gpu(channel, processing, gpu=gpu)
                iq = form(channel, processing)
                assert_same_picture(picture, doppler(iq, processing, None))
                kept = restore(estimates.quantised)
                np.testing.assert_allclose(kept, iq.iq, atol=1.6e-5 * 2 * np.abs(iq.iq).max())


def frames_in_a_row(device):
    """Many frames are on their way at once, and each is finished from its own samples."""
    gpu, processing = Gpu(), PROCESSING[0]
    channels = [channel_frame(with_block=index % 2 == 0, index=index) for index in range(7)]
    with gpu.computing():
        formed = [form(channel, processing, gpu) for channel in channels]
        estimates = [estimate(iq, processing) for iq in formed]
    previous = expected = None
    for channel, made in zip(channels, estimates, strict=True):
        previous = doppler(made, processing, previous)
        expected = doppler(form(channel, processing), processing, expected)
        assert_same_picture(previous, expected)


def from_the_host_again(device):
    """A frame that the cine kept is processed on the device as the first time."""
    gpu, processing = Gpu(), PROCESSING[0]
    channel = channel_frame()
    iq = form(channel, processing)
    with gpu.computing():
        again = estimate(dataclasses.replace(iq, iq=gpu.array(iq.iq)), processing)
    picture = doppler(again, processing, None)
    assert_same_picture(picture, doppler(iq, processing, None))


def without_streams(device):
    """Who knows nothing of streams reads finished samples all the same."""
    channel, processing = channel_frame(), PROCESSING[0]
    iq = form(channel, processing, Gpu())
    signal = unpack_ensemble(device.asnumpy(iq.iq), N_PULSES)
    expected = unpack_ensemble(form(channel, processing).iq, N_PULSES)
    np.testing.assert_allclose(signal, expected, atol=1e-5 * np.abs(expected).max())


def with_a_second_prf(device):
    """The last pulses of the frame stand for those at a second PRF."""
    channel = channel_frame()
    of = dataclasses.replace(
        channel.acquisition, n_pulses=N_PULSES - 2, n_second_pulses=2, second_prf_hz=4.0 * PRF
    )
    channel = dataclasses.replace(channel, acquisition=of)
    for processing in PROCESSING[:3]:
        picture, estimates = on_gpu(channel, processing)
        expected = estimate(form(channel, processing), processing)
        np.testing.assert_allclose(estimates.second.bandwidth, expected.second.bandwidth, atol=1e-3)
        assert_same_picture(picture, doppler(expected, processing, None))


CHECKS = (pictures, frames_in_a_row, from_the_host_again, without_streams, with_a_second_prf)
