"""Echoes, attenuation and speckle of the simulated probe, against closed forms and SIMUS."""

import dataclasses
import itertools
import math
from functools import lru_cache

import numpy as np
import pytest
import simus_reference as simus
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from ultrasound_console.geometry import Probe, plane_wave_velocity_m_s
from ultrasound_console.settings import AcquisitionSettings
from ultrasound_console.simulation import SCENES, Scan, plan
from ultrasound_console.simulation.attenuation import STEP_M, Attenuation
from ultrasound_console.simulation.echoes_numba import MARGIN, Gains
from ultrasound_console.simulation.plan import SOUND_SPEED_M_S
from ultrasound_console.simulation.probes import load_probe
from ultrasound_console.simulation.pulse import DEPTH_STEP_M, Pulse, pulse_tables
from ultrasound_console.simulation.scan import scatterer_density_per_m2
from ultrasound_console.simulation.synthesis import Receiver, Window
from ultrasound_console.simulation.tissue import Inclusion

F0_HZ = 5e6
PROBE = Probe.linear("test", 64, 0.3e-3, F0_HZ, element_width_m=0.25e-3)
PULSE = Pulse(F0_HZ, 2.0, F0_HZ, 0.6, attenuation_db_per_m_hz=0.0)
RATE_HZ = PULSE.sampling_frequency_hz
WINDOW = Window(start_s=-2e-6, n_samples=1000, sampling_frequency_hz=RATE_HZ)
SHORT = AcquisitionSettings(ensemble=4, frame_rate_hz=5.0)
TUBE = SCENES["straight-tube"]


@lru_cache(maxsize=32)
def finely_shaped(pulse, depth_m):
    time_s = np.arange(-8000, 8001) / (200.0 * pulse.sampling_frequency_hz)
    f = np.linspace(1e4, 2.5 * pulse.center_frequency_hz, 600)
    waves = np.cos(2.0 * np.pi * np.multiply.outer(time_s, f))
    return time_s, waves @ pulse.spectrum(f, depth_m) / pulse.spectrum(f).sum()


def shape(time_s, pulse=PULSE, depth_m=0.0):
    """The pulse at any times, straight from its spectrum."""
    return np.interp(time_s, *finely_shaped(pulse, depth_m), left=0.0, right=0.0)


def strip(sin_theta, pulse=PULSE, width_m=PROBE.element_width_m):
    f = np.linspace(0.3, 2.0, 400) * pulse.center_frequency_hz
    power = pulse.spectrum(f) ** 2
    return (
        np.sinc(width_m / SOUND_SPEED_M_S * np.multiply.outer(sin_theta, f)) @ power / power.sum()
    )


def direct_echo(x_m, z_m, angle_rad):
    """(n_elements, n_samples) echo of a unit scatterer, straight from the formulas."""
    element_x_m = np.asarray(PROBE.element_x_m)
    r_m = np.hypot(element_x_m - x_m, z_m)
    arrival_s = (x_m * math.sin(angle_rad) + z_m * math.cos(angle_rad) + r_m) / SOUND_SPEED_M_S
    strength = strip((element_x_m - x_m) / r_m) * z_m / r_m / np.sqrt(r_m)
    time_s = WINDOW.start_s + np.arange(WINDOW.n_samples) / RATE_HZ
    return strength[:, None] * shape(time_s - arrival_s[:, None])


def receiver_of(probe=PROBE, window=WINDOW, pulse=PULSE):
    return Receiver(probe, window, pulse, SOUND_SPEED_M_S)


def synthesised(points, angle_rad, receiver=None, **options):
    receiver = receiver or receiver_of()
    buffer = receiver.buffer()
    x_m, z_m, amplitude = (np.array(values, float) for values in zip(*points, strict=True))
    receiver.add(buffer, x_m, z_m, amplitude, angle_rad, **options)
    rows = buffer.reshape(receiver.probe.n_elements, receiver.window.row)
    return rows[:, MARGIN : MARGIN + receiver.window.n_samples].astype(float)


# --- pulse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_cycles", [1, 2, 4, 8])
def test_the_tables_hold_the_pulse_at_every_fraction_of_a_sample(n_cycles):
    pulse = dataclasses.replace(PULSE, n_cycles=n_cycles, attenuation_db_per_m_hz=5e-5)
    tables = pulse_tables(pulse, 0.03)
    n = tables.shape[2]
    for k, phase in ((0, 0), (3, 100), (7, 511)):
        time_s = (
            np.arange(n) - (n / 2 - 1) - phase / tables.shape[1]
        ) / pulse.sampling_frequency_hz
        expected = shape(time_s, pulse, (k + 0.5) * DEPTH_STEP_M)
        # The ends are cut off 45 dB down in energy.
        assert np.linalg.norm(tables[k, phase] - expected) < 0.012 * np.linalg.norm(expected)
    assert np.all(tables[:, 0, -1] == 0.0)


@pytest.mark.parametrize(("n_cycles", "width"), [(2, 0.50), (4, 0.29), (8, 0.15)])
def test_longer_bursts_are_narrower_in_frequency(n_cycles, width):
    # The -6 dB width of a burst of n cycles alone is 1.21 / n of its frequency; with a pass-band of
    # 60 % it is less: for 2 cycles about 1 / hypot(2 / 1.21, 1 / 0.6), for more hardly.
    frequency_hz = np.linspace(0.3, 1.7, 4001) * F0_HZ
    spectrum = dataclasses.replace(PULSE, n_cycles=n_cycles).spectrum(frequency_hz)
    band_hz = frequency_hz[spectrum > 0.5 * spectrum.max()]
    main = band_hz[np.abs(band_hz - F0_HZ) < 1.3 * F0_HZ / n_cycles]
    assert np.ptp(main) / F0_HZ == pytest.approx(width, abs=0.07)


def test_attenuation_lowers_the_echo_of_a_deep_point():
    # Gaussian band of standard deviation s in amplitude, attenuation exp(-a f): the mean goes
    # down by s^2 a.
    pulse = Pulse(F0_HZ, 0.01, F0_HZ, 0.5, attenuation_db_per_m_hz=5e-5)
    depth_m = 0.03
    f = np.linspace(0.1, 2.0, 8001) * F0_HZ
    peak_hz = f[np.argmax(pulse.spectrum(f, depth_m))]
    s_hz = 0.5 * 0.5 * F0_HZ / math.sqrt(2.0 * math.log(2.0))
    a = 5e-5 * 2.0 * depth_m * math.log(10.0) / 20.0
    assert peak_hz - F0_HZ == pytest.approx(-(s_hz**2) * a, rel=0.02)
    assert pulse.spectrum(F0_HZ, depth_m) == pytest.approx(pulse.spectrum(F0_HZ))


# --- echoes ---------------------------------------------------------------------------------


# Far from the edges of the wave, where it fades.
@given(
    x_m=st.floats(-2e-3, 2e-3),
    z_m=st.floats(4e-3, 25e-3),
    angle_rad=st.floats(math.radians(-4.0), math.radians(4.0)),
)
@settings(max_examples=30, deadline=None)
def test_the_echo_of_a_point_is_that_of_the_direct_formula(x_m, z_m, angle_rad):
    expected = direct_echo(x_m, z_m, angle_rad)
    made = synthesised([(x_m, z_m, 1.0)], angle_rad)
    # The cut ends of the pulse, delays to 1/512 sample, and a polynomial for the directivity.
    assert np.linalg.norm(made - expected) < 8e-3 * np.linalg.norm(expected)


def test_echoes_add_up_and_fade_beyond_the_wave():
    points = [(-3e-3, 8e-3, 1.0), (2e-3, 15e-3, -0.5), (0.0, 15.1e-3, 2.0)]
    total = synthesised(points, 0.05)
    expected = sum(synthesised([point], 0.05) for point in points)
    np.testing.assert_allclose(total, expected, atol=1e-5 * np.abs(expected).max())
    # The wave of a 19 mm aperture leaves the point at x = -9.5 mm when it leans to the right.
    beside = synthesised([(-9.5e-3, 20e-3, 1.0)], math.radians(15.0))
    assert np.abs(beside).max() == 0.0


def test_an_echo_that_comes_too_late_or_too_early_is_left_out():
    assert np.abs(synthesised([(0.0, 60e-3, 1.0)], 0.0)).max() == 0.0
    late = dataclasses.replace(WINDOW, start_s=12e-6)
    whole = synthesised([(1e-3, 10e-3, 1.0)], 0.0)
    cut = synthesised([(1e-3, 10e-3, 1.0)], 0.0, receiver_of(window=late))
    offset = WINDOW.offset(late)
    assert offset == 280
    assert np.abs(cut).max() > 0.0
    np.testing.assert_array_equal(cut[:, : 1000 - offset], whole[:, offset:])


@pytest.mark.parametrize(("dx_m", "dz_m"), [(0.0, -2e-5), (0.0, 3e-5), (5e-5, 1e-5)])
@pytest.mark.parametrize("steering_deg", [-10.0, 0.0, 10.0])
def test_the_phase_turns_with_the_projected_displacement(dx_m, dz_m, steering_deg):
    steering_rad = math.radians(steering_deg)
    x_m, z_m = 1e-3, 20e-3
    steps = []
    for k in (0, 1):
        rf = synthesised([(x_m + k * dx_m, z_m + k * dz_m, 1.0)], steering_rad)
        steps.append(beamformed(rf[None], PROBE, WINDOW, x_m, z_m, steering_rad))
    turned = float(np.angle(steps[1] * np.conj(steps[0])).squeeze())
    # With dt = 1 s, velocity is displacement: the step is 4 pi f0 / c x v, positive towards.
    towards_m = float(plane_wave_velocity_m_s(dx_m, dz_m, steering_rad, steering_rad))
    expected = 4.0 * math.pi * F0_HZ / SOUND_SPEED_M_S * towards_m
    assert turned == pytest.approx(expected, rel=0.06, abs=0.02)
    assert np.sign(turned) == np.sign(expected)


def beamformed(rf, probe, window, x_m, z_m, angle_rad, receive_rad=None):
    """Mean over the elements at f/2 of (n, n_elements, n_samples) RF, for points; complex."""
    f0_hz = probe.center_frequency_hz
    element_x_m = np.asarray(probe.element_x_m)
    x_m, z_m = np.atleast_1d(x_m), np.atleast_1d(z_m)
    receive_rad = angle_rad if receive_rad is None else receive_rad
    away_m = element_x_m - x_m[:, None]
    delay_s = x_m * math.sin(angle_rad) + z_m * math.cos(angle_rad)
    delay_s = (delay_s[:, None] + np.hypot(away_m, z_m[:, None])) / SOUND_SPEED_M_S
    from_line = np.abs(away_m + z_m[:, None] * math.tan(receive_rad)) / (z_m[:, None] / 4.0)
    weight = np.where(from_line < 1.0, 0.5 + 0.5 * np.cos(np.pi * from_line), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    place = (delay_s - window.start_s) * window.sampling_frequency_hz
    whole = np.clip(place.astype(int), 0, rf.shape[-1] - 2)
    time_s = window.start_s + np.arange(rf.shape[-1]) / window.sampling_frequency_hz
    iq = hilbert(rf, axis=-1) * np.exp(-2j * np.pi * f0_hz * time_s)
    element = np.arange(len(element_x_m))
    part = place - whole
    value = iq[:, element, whole] * (1.0 - part) + iq[:, element, whole + 1] * part
    return (weight * value * np.exp(2j * np.pi * f0_hz * delay_s)).sum(-1)


# --- against SIMUS --------------------------------------------------------------------------


def compared_to_simus(theirs):
    """Correlation, delay in samples and amplitude of the echoes of each point, per element."""
    probe = simus.array()
    f0_hz = probe.center_frequency_hz
    pulse = Pulse(f0_hz, simus.N_CYCLES, f0_hz, probe.fractional_bandwidth, 0.0)
    theirs = theirs[..., :: simus.RATE_FACTOR // 4].astype(float)
    receiver = receiver_of(probe, Window(0.0, theirs.shape[-1], pulse.sampling_frequency_hz), pulse)
    correlation, lag, amplitude = [], [], []
    for point, their in zip(simus.POINTS_M, theirs, strict=True):
        ours = synthesised([(*point, 1.0)], simus.ANGLE_RAD, receiver)[list(simus.ELEMENTS)]
        # What comes later is from the edges of their aperture; our wave has none.
        sample, middle = np.arange(ours.shape[1]), np.abs(ours).argmax(axis=1)[:, None]
        near = np.abs(sample - middle) < 20
        a, b = hilbert(ours), np.where(near, hilbert(their), 0.0)
        product = (b * a.conj()).sum(axis=1)
        power = (np.abs(a) ** 2).sum(axis=1), (np.abs(b) ** 2).sum(axis=1)
        correlation.append(np.abs(product) / np.sqrt(power[0] * power[1]))
        # Their burst is a sine and their wave cylindrical: 135 degrees for all echoes alike.
        lag.append(np.angle(product * np.exp(1j * math.radians(135.0))) * 4.0 / (2.0 * np.pi))
        amplitude.append(np.abs(product) / power[0])
    return np.array(correlation), np.array(lag), np.array(amplitude)


def test_echoes_of_single_points_are_those_of_simus():
    with np.load(simus.STORED) as file:
        check_against_simus(file["rf"])


@pytest.mark.rivals
@pytest.mark.filterwarnings("ignore::")
def test_the_stored_echoes_are_what_simus_makes():
    pytest.importorskip("pymust")
    rf = simus.made_by_simus()
    check_against_simus(rf)
    with np.load(simus.STORED) as file:
        stored = file["rf"].astype(float)
    np.testing.assert_allclose(rf / np.abs(rf).max(), stored / 30000.0, atol=1e-4)


def check_against_simus(rf):
    correlation, lag, amplitude = compared_to_simus(rf)
    assert correlation.min() > 0.99
    assert np.abs(lag).max() < 0.01
    # From 0 to 66 degrees; between points it differs, since their wave fades with depth.
    relative = amplitude / amplitude.mean(axis=1, keepdims=True)
    assert np.abs(relative - 1.0).max() < 0.005


# --- attenuation ----------------------------------------------------------------------------


def test_a_homogeneous_medium_attenuates_along_the_ways_of_both_waves():
    medium = Attenuation.sampled(lambda x_m, z_m: np.full(x_m.shape, 5e-5), 20e-3, 50e-3)
    angle_rad = math.radians(15.0)
    gains = medium.gains(angle_rad, angle_rad, F0_HZ)
    row = round(30e-3 / STEP_M)
    # 0.5 dB/cm/MHz at 5 MHz over 30 mm straight up, and 30 mm / cos(15 degrees) down.
    expected_db = -0.25e3 * (30e-3 + 30e-3 / math.cos(angle_rad))
    inner = 20.0 * np.log10(gains[row, 60:100])
    np.testing.assert_allclose(inner, expected_db, atol=0.05)


def test_the_echo_at_an_element_to_the_side_has_gone_farther():
    lossy = dataclasses.replace(PULSE, attenuation_db_per_m_hz=5e-5)
    z_m = 20e-3
    plain = synthesised([(0.0, z_m, 1.0)], 0.0)
    weaker = synthesised([(0.0, z_m, 1.0)], 0.0, receiver_of(pulse=lossy))
    ratio_db = 20.0 * np.log10(np.linalg.norm(weaker, axis=1) / np.linalg.norm(plain, axis=1))
    further_m = np.hypot(np.asarray(PROBE.element_x_m), z_m) - z_m
    middle = PROBE.n_elements // 2
    # The spectrum differs from the plain one everywhere alike; the rest is 0.25 dB a millimetre.
    np.testing.assert_allclose(ratio_db - ratio_db[middle], -250.0 * further_m, atol=0.05)


def test_echoes_from_deeper_are_lower_in_frequency():
    lossy = dataclasses.replace(PULSE, attenuation_db_per_m_hz=5e-5)
    for z_m in (6e-3, 24e-3):
        rf = synthesised([(0.0, z_m, 1.0)], 0.0, receiver_of(pulse=lossy))[32]
        frequency_hz = np.fft.rfftfreq(4096, 1.0 / RATE_HZ)
        spectrum = np.abs(np.fft.rfft(rf, 4096))
        made_hz = np.average(frequency_hz, weights=spectrum**2)
        expected = lossy.spectrum(frequency_hz, z_m) ** 2
        # The spectrum changes in steps of 2.5 mm of depth.
        assert made_hz == pytest.approx(np.average(frequency_hz, weights=expected), rel=0.004)
    assert made_hz < 0.97 * F0_HZ


def test_calcium_casts_its_shadow_along_the_steered_wave():
    stone = Inclusion((0.0, 10e-3), (1.5e-3, 0.5e-3))

    def coefficient(x_m, z_m):
        return np.where(stone.holds(x_m, z_m), 1.5e-3, 5e-5)

    medium = Attenuation.sampled(coefficient, 20e-3, 40e-3)
    clear = Attenuation.sampled(lambda x_m, z_m: np.full(x_m.shape, 5e-5), 20e-3, 40e-3)
    row, column = round(20e-3 / STEP_M), 80
    for angle_deg in (-15.0, 0.0, 15.0):
        angle_rad = math.radians(angle_deg)
        shadow = medium.gains(angle_rad, angle_rad, F0_HZ) / clear.gains(
            angle_rad, angle_rad, F0_HZ
        )
        behind = column + round(10e-3 * math.tan(angle_rad) / STEP_M)
        assert 20.0 * np.log10(shadow[row, behind]) < -5.0
        assert shadow[row, behind - 30] > 0.99
        assert shadow[row, behind + 30] > 0.99
        # Nothing changes above it.
        np.testing.assert_allclose(shadow[: round(9e-3 / STEP_M)], 1.0, atol=1e-6)


def test_a_scatterer_is_weakened_by_what_the_map_says_at_its_place():
    values = np.linspace(0.2, 1.0, 41 * 81, dtype=np.float32).reshape(41, 81)
    gains = Gains(values, -10e-3)
    plain = synthesised([(1e-3, 8e-3, 1.0)], 0.0)
    weaker = synthesised([(1e-3, 8e-3, 1.0)], 0.0, gains=gains)
    np.testing.assert_allclose(weaker, plain * values[32, 44], rtol=1e-4, atol=1e-6)


# --- front end ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["l7-4", "l11-4v", "al2442"])
def test_the_gain_makes_plain_tissue_equally_bright_and_noise_grow_with_depth(name):
    probe = load_probe(name)
    pulse = Pulse.of(probe, probe.center_frequency_hz, 2)
    window = Window(0.0, round(60e-6 * pulse.sampling_frequency_hz), pulse.sampling_frequency_hz)
    receiver = receiver_of(probe, window, pulse)
    medium = Attenuation.sampled(
        lambda x_m, z_m: np.full(x_m.shape, pulse.attenuation_db_per_m_hz), 20e-3, 50e-3
    )
    values = medium.gains(0.0, 0.0, pulse.center_frequency_hz)
    values *= receiver.elevation_gain(np.maximum(medium.depths_m, 1e-3))[:, None]
    rng = np.random.default_rng(0)
    density = 0.15 * scatterer_density_per_m2(probe)
    n = round(density * 40e-3 * 46e-3)
    points = (rng.uniform(-20e-3, 20e-3, n), rng.uniform(1e-3, 47e-3, n), rng.standard_normal(n))
    gain = receiver.depth_gain(window)
    rf = gain * synthesised(zip(*points, strict=True), 0.0, receiver,
                            gains=Gains(values.astype(np.float32), medium.left_m))  # fmt: skip
    depth_m = 0.5 * SOUND_SPEED_M_S * np.arange(window.n_samples) / window.sampling_frequency_hz
    middle = slice(probe.n_elements // 3, -probe.n_elements // 3)
    rms = [np.std(rf[middle, np.abs(depth_m - d) < 2e-3]) for d in (8e-3, 20e-3, 30e-3, 41e-3)]
    # At one element more points answer from deeper; in a picture of one f-number they do not.
    level = np.array(rms) / np.sqrt([8e-3, 20e-3, 30e-3, 41e-3])
    np.testing.assert_allclose(20.0 * np.log10(level / level[1]), 0.0, atol=1.5)
    expected = receiver.tissue_rms(density)
    assert rms[1] == pytest.approx(expected, rel=0.12)
    at_20_mm, at_40_mm = np.interp([20e-3, 40e-3], depth_m, gain)
    assert at_20_mm == pytest.approx(1.0, rel=1e-3)
    assert 20.0 * np.log10(at_40_mm) > 8.0


def test_the_converter_rounds_and_clips_at_its_bits():
    probe = dataclasses.replace(PROBE, converter_bits=12)
    receiver = receiver_of(probe)
    moving, still, drift = (receiver.buffer() for _ in range(3))
    moving[:], still[:], drift[:] = 1.25, 1.0, 0.5
    out = np.zeros((64, 1000), np.int16)
    gain = np.linspace(0.0, 2000.0, 1000, dtype=np.float32)
    receiver.convert(moving, still, drift, 0.5, noise=np.zeros(2000, np.float32),
                     offsets=np.arange(64), gain=gain, begin=0, out=out)  # fmt: skip
    expected = np.minimum(np.floor(2.5 * gain + 0.5), 2047.0)
    np.testing.assert_array_equal(out, np.tile(expected, (64, 1)))
    receiver.convert(-moving, still, drift, -40.0, noise=np.zeros(2000, np.float32),
                     offsets=np.arange(64), gain=gain, begin=0, out=out)  # fmt: skip
    assert out.min() == -2048


# --- speckle --------------------------------------------------------------------------------


def speckle(bmode, acquisition, left_m, right_m, top_m, bottom_m):
    """Envelope at 0 degrees on points a resolution cell apart, each depth to a mean of 1."""
    x_m, z_m = np.meshgrid(np.arange(left_m, right_m, 6e-4), np.arange(top_m, bottom_m, 4e-4))
    window = Window(acquisition.start_time_s, bmode.shape[-1], acquisition.sampling_frequency_hz)
    image = beamformed(bmode[1:2], acquisition.probe, window, x_m.ravel(), z_m.ravel(), 0.0)
    return np.abs(image).reshape(x_m.shape)


@pytest.fixture(scope="module")
def tube():
    return Scan(TUBE)


@pytest.mark.parametrize("name", ["l7-4", "l11-4v", "al2442"])
def test_plain_tissue_makes_fully_developed_speckle(tube, name):
    acquisition = plan(TUBE, dataclasses.replace(SHORT, probe=name))
    frame = tube.frame(acquisition, 0)
    envelope = speckle(frame.bmode, acquisition, -16e-3, 16e-3, 30e-3, 44e-3)
    envelope /= envelope.mean(axis=1, keepdims=True)
    # Rayleigh: mean over standard deviation is sqrt(pi / (4 - pi)) = 1.91.
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, abs=0.1)


def test_blood_makes_fully_developed_speckle_20_to_40_db_below_tissue():
    scan = Scan(dataclasses.replace(TUBE, noise_db=-90.0))
    acquisition = plan(TUBE, SHORT)
    frames = [scan.frame(acquisition, phase).bmode.astype(np.int32) for phase in range(5)]
    around = speckle(frames[0], acquisition, -16e-3, 16e-3, 30e-3, 44e-3)
    # Between two phases all blood is new, and the tissue cancels.
    pairs = [(a - b) / math.sqrt(2.0) for a, b in itertools.pairwise(frames)]
    inner = np.stack([speckle(p, acquisition, -5e-3, 5e-3, 16.4e-3, 19.6e-3) for p in pairs])
    assert inner.mean() / inner.std() == pytest.approx(1.91, abs=0.15)
    blood_db = 10.0 * np.log10(np.mean(inner**2) / np.mean(around**2))
    assert -40.0 < blood_db < -20.0


@pytest.mark.parametrize("n_cycles", [2, 3, 4, 8])
@pytest.mark.parametrize("name", ["l7-4", "l11-4v", "al2442"])
def test_ten_scatterers_share_a_resolution_cell(name, n_cycles):
    probe = load_probe(name)
    wavelength_m = SOUND_SPEED_M_S / probe.center_frequency_hz
    pulse = Pulse.of(probe, probe.center_frequency_hz, n_cycles)
    time_s = np.linspace(-1e-6, 1e-6, 2001)
    envelope = np.abs(hilbert(shape(time_s, pulse)))
    axial_m = 0.5 * SOUND_SPEED_M_S * np.ptp(time_s[envelope > 0.5 * envelope.max()])
    # Beam of a Hann-weighted aperture of f/1.2: 2 wavelengths f-number / 1.66 between half heights.
    lateral_m = 1.2 * wavelength_m * 1.21
    density_per_m2 = scatterer_density_per_m2(probe, n_cycles)
    assert 9.0 < density_per_m2 * axial_m * lateral_m < 15.0
