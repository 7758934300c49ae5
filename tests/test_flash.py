import dataclasses

import numpy as np
import pytest
from frames_for_tests import make_acquisition

from ultrasound_console import pipeline
from ultrasound_console.dsp import doppler, flash
from ultrasound_console.dsp.arrays import pack_ensemble
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.settings import ProcessingSettings

SHAPE = (40, 50)
N_PULSES = 12
WIDTH = (3.0, 3.0)


def random_complex(rng, shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def tone(frequency):
    return np.exp(2j * np.pi * np.asarray(frequency) * np.arange(N_PULSES)[:, None, None])


def scene(tissue_frequency, *, lumen_tissue_db=-25.0, noise_db=-60.0):
    """Tissue 30 dB above the blood, weak inside the vessel: packed samples and the vessel."""
    rng = np.random.default_rng(0)
    vessel = np.zeros(SHAPE, bool)
    vessel[12:28, 5:45] = True
    level = np.where(vessel, 10 ** (lumen_tissue_db / 20), 1.0)
    tissue = level * random_complex(rng, SHAPE) * tone(tissue_frequency)
    blood = np.where(vessel, 10 ** (-30 / 20), 0.0) * random_complex(rng, SHAPE) * tone(0.3)
    noise = 10 ** (noise_db / 20) * random_complex(rng, (N_PULSES, *SHAPE))
    return pack_ensemble(tissue + blood + noise), vessel


def flashes(packed, kind):
    unfiltered = doppler.smooth(doppler.autocorrelate(packed, N_PULSES), WIDTH)
    power = doppler.estimate(packed, N_PULSES, kind, WIDTH).power
    return flash.is_flash(power, unfiltered, kind, N_PULSES)


@pytest.mark.parametrize("frequency", [0.12, -0.2, 0.4])
@pytest.mark.parametrize("kind", ["polynomial-1", "iir-low", "svd-medium"])
def test_a_jerk_that_passes_the_filter_is_a_flash(frequency, kind):
    packed, _ = scene(frequency)
    assert np.mean(flashes(packed, kind)) > 0.99


@pytest.mark.parametrize("kind", ["polynomial-1", "iir-medium", "svd-medium"])
def test_still_tissue_leaves_the_flow(kind):
    packed, vessel = scene(0.001)
    assert not flashes(packed, kind)[vessel].any()


def test_only_what_the_tissue_explains_is_left_out():
    # At 0.05 PRF polynomial-1 stops 8 dB. That swamps the blood under the tissue and at the walls,
    # but not the blood in an echo-free lumen.
    packed, vessel = scene(0.05, lumen_tissue_db=-60.0)
    found = flashes(packed, "polynomial-1")
    assert not found[14:26, 7:43].any()
    assert found[~vessel].mean() > 0.99


@pytest.mark.parametrize("spread", [0.05, 0.25])
def test_flow_that_fills_the_box_is_no_flash(spread):
    # No tissue at all: the velocities of a vessel are spread, those of a jerk are not.
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.2 - spread * np.sqrt(3), 0.2 + spread * np.sqrt(3), SHAPE)
    packed = pack_ensemble(random_complex(rng, SHAPE) * tone(frequency))
    assert flash.tissue_frequency(doppler.autocorrelate(packed, N_PULSES)) is None
    assert not flashes(packed, "polynomial-1").any()


def test_frequency_of_the_tissue():
    for frequency in (-0.31, 0.0, 0.08):
        packed, _ = scene(frequency)
        lags = doppler.autocorrelate(packed, N_PULSES)
        assert flash.tissue_frequency(lags) == pytest.approx(frequency, abs=1e-3)


def test_noise_silence_and_no_filter_are_no_flash():
    rng = np.random.default_rng(2)
    noise = pack_ensemble(random_complex(rng, (N_PULSES, *SHAPE)))
    assert not flashes(noise, "polynomial-1").any()
    assert not flashes(np.zeros_like(noise), "polynomial-1").any()
    packed, _ = scene(0.2)
    assert not flashes(packed, "none").any()


def frame_of(packed):
    grid = ImageGrid("parallel", *SHAPE, (-6e-3, 6e-3), (5e-3, 15e-3))
    return IqFrame(
        index=0,
        time_s=0.0,
        received_s=0.0,
        acquisition=make_acquisition(colour_grid=grid, bmode_grid=grid),
        iq=packed,
        bmode_power=np.ones(SHAPE, np.float32),
    )


def test_a_flash_is_left_out_of_the_picture_and_said():
    # A frame of noise first: it knows the noise floor.
    rng = np.random.default_rng(3)
    noise = pack_ensemble(1e-3 * random_complex(rng, (N_PULSES, *SHAPE)))
    plain = ProcessingSettings(dealias=False)
    rejecting = dataclasses.replace(plain, flash_rejection=True)
    before = pipeline.doppler(frame_of(noise), plain, None)
    still, jerk = (
        dataclasses.replace(frame_of(scene(frequency)[0]), time_s=0.01) for frequency in (0.0, 0.2)
    )
    flooded = pipeline.doppler(jerk, plain, before)
    assert np.all(flooded.status == Status.KEPT)
    assert flooded.notes == ()
    dark = pipeline.doppler(jerk, rejecting, before)
    assert np.mean(dark.status == Status.NO_FLOW) > 0.99
    assert "flash" in dark.notes[0]
    np.testing.assert_array_equal(dark.velocity_m_s, flooded.velocity_m_s)
    # Without a jerk nothing changes.
    kept, same = (pipeline.doppler(still, settings, before) for settings in (plain, rejecting))
    assert np.any(kept.status == Status.KEPT)
    np.testing.assert_array_equal(same.status, kept.status)
    assert same.notes == ()
