import dataclasses
import math

import numpy as np
import pytest
import scipy.io
from echoes import arrival_s, relative_error, rf_echoes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from ultrasound_console import pipeline
from ultrasound_console.accuracy import erode
from ultrasound_console.dsp.arrays import n_lanes, pack_ensemble, unpack_ensemble
from ultrasound_console.dsp.unwrap import Unwrapped
from ultrasound_console.frames import Acquisition, ChannelFrame, IqFrame, Status
from ultrasound_console.geometry import ImageGrid, Probe, plane_wave_velocity_m_s
from ultrasound_console.pipeline import PipelineError, doppler, estimate, form
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.settings.processing import WALL_FILTERS

F0, C, PRF = 5e6, 1540.0, 4000.0
PROBE = Probe.linear("test", 32, 0.3e-3, F0)
GRID = ImageGrid("parallel", 44, 30, (-3e-3, 3e-3), (5e-3, 11e-3))
SHEARED = dataclasses.replace(GRID, angle_rad=math.radians(10))
POLAR = ImageGrid("polar", 44, 30, (-0.3, 0.3), (14e-3, 20e-3), apex_m=(0.0, -9e-3))
BMODE_GRID = ImageGrid("parallel", 60, 40, (-4e-3, 4e-3), (4e-3, 12e-3))
UNFILTERED = ProcessingSettings(wall_filter="none", smoothing_m=0.0006, dealias_method="continuity")


def acquisition_of(n_pulses=8, ratio=4.0, transmit_rad=0.0, receive_rad=0.0, **changes):
    fields = {
        "source": "test",
        "probe": PROBE,
        "sampling_frequency_hz": ratio * F0,
        "center_frequency_hz": F0,
        "demodulation_frequency_hz": 0.0,
        "sound_speed_m_s": C,
        "start_time_s": 4e-6,
        "transmit_angle_rad": transmit_rad,
        "receive_angle_rad": receive_rad,
        "bmode_angles_rad": (),
        "prf_hz": PRF,
        "requested_prf_hz": PRF,
        "max_prf_hz": 2 * PRF,
        "n_pulses": n_pulses,
        "frame_interval_s": 0.03,
        "colour_grid": GRID,
        "bmode_grid": GRID,
    }
    return Acquisition(**{**fields, **changes})


def samples_of(acquisition, x_m, z_m, transmit_rad, n_samples=340):
    """RF of one transmit."""
    probe = acquisition.probe
    tau_s = arrival_s(x_m, z_m, probe.element_x_m, probe.element_z_m, transmit_rad, C)
    time_s = acquisition.start_time_s + np.arange(n_samples) / acquisition.sampling_frequency_hz
    return rf_echoes(tau_s, time_s, F0)


def moving(acquisition, velocity_m_s, noise=0.0):
    """Channel frame of scatterers that all move alike."""
    rng = np.random.default_rng(0)
    x_m, z_m = rng.uniform(-4e-3, 4e-3, 90), rng.uniform(4e-3, 12e-3, 90)
    vx, vz = velocity_m_s
    rf = np.stack(
        [
            samples_of(
                acquisition,
                x_m + vx * k / PRF,
                z_m + vz * k / PRF,
                acquisition.transmit_angle_rad,
            )
            for k in range(acquisition.n_pulses)
        ]
    )
    rf += noise * rng.normal(size=rf.shape)
    return ChannelFrame(0, 0.0, 0.0, acquisition, np.round(1000 * rf).astype(np.int16))


def noise_frame(acquisition, n_samples=200, kind=np.float32, seed=0, **changes):
    rng = np.random.default_rng(seed)
    shape = (acquisition.n_pulses, acquisition.probe.n_elements, n_samples)
    samples = rng.normal(size=shape) * 100
    if np.issubdtype(kind, np.complexfloating):
        samples = samples + 100j * rng.normal(size=shape)
    fields = {"index": 0, "time_s": 0.0, "received_s": 0.0, "colour": samples.astype(kind)}
    return ChannelFrame(acquisition=acquisition, **{**fields, **changes})


def wrapped(velocity, nyquist):
    return (velocity + nyquist) % (2 * nyquist) - nyquist


@pytest.fixture(scope="module")
def frame():
    return moving(acquisition_of(), (0.0, -0.1))


@pytest.fixture(scope="module")
def iq(frame):
    return form(frame, UNFILTERED)


@pytest.mark.parametrize(
    ("velocity_m_s", "steering_rad", "grid"),
    [
        ((0.0, -0.12), 0.0, GRID),
        ((0.0, 0.12), 0.0, GRID),
        ((0.0, -0.4), 0.0, GRID),
        ((0.3, 0.0), math.radians(10), SHEARED),
        ((0.1, -0.1), 0.0, POLAR),
    ],
    ids=["towards", "away", "aliased", "steered", "polar"],
)
def test_velocity_of_moving_scatterers(velocity_m_s, steering_rad, grid):
    acquisition = acquisition_of(
        transmit_rad=steering_rad, receive_rad=steering_rad, colour_grid=grid, bmode_grid=grid
    )
    picture = doppler(form(moving(acquisition, velocity_m_s), UNFILTERED), UNFILTERED, None)
    nyquist = acquisition.nyquist_velocity_m_s
    if grid is POLAR:  # the echo comes back along the scan lines
        x_m, z_m = grid.positions_m()
        receive_rad = np.arctan2(x_m, z_m - grid.apex_m[1])
        ex, ez = np.sin(receive_rad), 1.0 + np.cos(receive_rad)
        expected = -0.5 * (ex * velocity_m_s[0] + ez * velocity_m_s[1])
    else:
        expected = plane_wave_velocity_m_s(*velocity_m_s, steering_rad, steering_rad)
    error = wrapped(picture.velocity_m_s - expected, nyquist)
    # The aperture takes in oblique echoes, which see 1 - 3 % less of the motion.
    assert abs(np.median(error)) < 0.04 * np.hypot(*velocity_m_s)
    assert np.median(np.abs(error)) < 0.06 * nyquist
    assert np.all(np.abs(picture.velocity_m_s) <= nyquist)


def test_iq_samples_give_the_same_picture(frame, iq):
    # The same echoes, mixed down and decimated by the front end already.
    rf = frame.colour.astype(float)
    acquisition = frame.acquisition
    time_s = acquisition.start_time_s + np.arange(rf.shape[2]) / acquisition.sampling_frequency_hz
    spectrum = np.fft.fft(2 * rf * np.exp(-2j * np.pi * 0.98 * F0 * time_s))
    spectrum[..., np.abs(np.fft.fftfreq(rf.shape[2])) > 0.12] = 0.0
    mixed = np.fft.ifft(spectrum)[..., ::2].astype(np.complex64)
    complex_acquisition = dataclasses.replace(
        acquisition,
        sampling_frequency_hz=acquisition.sampling_frequency_hz / 2,
        demodulation_frequency_hz=0.98 * F0,
    )
    other = form(ChannelFrame(0, 0.0, 0.0, complex_acquisition, mixed), UNFILTERED)
    assert relative_error(other.iq, iq.iq) < 0.15
    velocity = doppler(iq, UNFILTERED, None).velocity_m_s
    difference = doppler(other, UNFILTERED, None).velocity_m_s - velocity
    assert np.median(np.abs(difference)) < 2e-3


def test_bmode_block_is_compounded_on_its_own_grid(frame):
    angles = (-0.1, 0.0, 0.1)
    acquisition = acquisition_of(bmode_angles_rad=angles, bmode_grid=BMODE_GRID)
    x_m, z_m = BMODE_GRID.positions_m(33, 25)
    rf = np.stack([samples_of(acquisition, x_m, z_m, a) for a in angles])
    block = np.round(1000 * rf).astype(np.int16)
    formed = form(dataclasses.replace(frame, acquisition=acquisition, bmode=block), UNFILTERED)
    picture = doppler(formed, UNFILTERED, None)
    assert picture.bmode_db.shape == BMODE_GRID.shape
    peak = np.unravel_index(np.argmax(picture.bmode_db), BMODE_GRID.shape)
    assert peak == (33, 25)
    assert picture.bmode_db.max() > -10.0 > np.median(picture.bmode_db)


def test_without_a_block_the_grey_picture_is_the_ensemble(iq):
    echoes = unpack_ensemble(iq.iq, 8)
    np.testing.assert_allclose(iq.bmode_power, np.mean(np.abs(echoes) ** 2, axis=0), rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    n_pulses=st.integers(4, 64),
    ratio=st.sampled_from([4.0, 5.0, 4 / 3, 10.0]),
    grid=st.sampled_from([GRID, SHEARED, POLAR]),
    kind=st.sampled_from([np.int16, np.float32, np.complex64]),
    wall_filter=st.sampled_from(WALL_FILTERS),
    n_samples=st.integers(7, 200),
    level=st.sampled_from([0.0, 1e-20, 1.0]),
)
def test_any_frame_gives_finite_planes(n_pulses, ratio, grid, kind, wall_filter, n_samples, level):
    acquisition = acquisition_of(
        n_pulses,
        ratio,
        colour_grid=grid,
        bmode_grid=grid,
        demodulation_frequency_hz=F0 if kind is np.complex64 else 0.0,
    )
    processing = ProcessingSettings(wall_filter=wall_filter)
    noise = noise_frame(acquisition, n_samples, kind)
    frame = dataclasses.replace(noise, colour=(noise.colour * level).astype(kind))
    try:
        formed = form(frame, processing)
    except PipelineError as error:
        # The shortest records end above the grid.
        is_short = n_samples / acquisition.sampling_frequency_hz < 3.2e-6
        if not is_short or "was recorded" not in str(error):
            raise
        return
    assert formed.iq.shape == (*grid.shape, 2, n_lanes(n_pulses))
    assert not formed.iq[..., n_pulses:].any()
    picture = doppler(formed, processing, None)
    for name in ("bmode_db", "velocity_m_s", "power_db", "bandwidth", "confidence"):
        plane = getattr(picture, name)
        assert plane.shape == grid.shape
        assert plane.dtype == np.float32
        assert np.all(np.isfinite(plane)), name
    assert picture.fold.dtype == np.int8
    assert picture.status.dtype == np.uint8
    assert math.isfinite(picture.noise_floor_db)
    assert math.isfinite(picture.bmode_reference_db)
    assert np.all(np.isfinite(picture.corrected_m_s))
    assert np.all(np.abs(picture.velocity_m_s) <= acquisition.nyquist_velocity_m_s)
    if level == 0.0:
        assert np.all(picture.status == Status.NO_FLOW)
        assert not picture.velocity_m_s.any()


def test_steps_are_pure(frame, iq):
    again = form(frame, UNFILTERED)
    np.testing.assert_array_equal(again.iq, iq.iq)
    first, second = doppler(iq, UNFILTERED, None), doppler(again, UNFILTERED, None)
    np.testing.assert_array_equal(first.velocity_m_s, second.velocity_m_s)
    np.testing.assert_array_equal(first.fold, second.fold)
    filtered = doppler(iq, ProcessingSettings(), None)
    assert filtered.processing.wall_filter == "polynomial-1"
    assert not np.array_equal(filtered.velocity_m_s, first.velocity_m_s)
    # A later frame must not write into an earlier one.
    form(noise_frame(frame.acquisition, 340), UNFILTERED)
    np.testing.assert_array_equal(again.iq, iq.iq)


def test_stages_are_timed(iq):
    seconds = doppler(iq, UNFILTERED, None).stage_seconds
    assert list(seconds) == [
        "check", "demodulate", "beamform", "bmode", "velocity", "levels", "dealias",
    ]  # fmt: skip
    assert all(value >= 0.0 for value in seconds.values())


def test_power_of_noise_lies_near_the_floor():
    processing = ProcessingSettings()
    picture = doppler(form(noise_frame(acquisition_of(12)), processing), processing, None)
    assert np.mean(picture.status == Status.NO_FLOW) > 0.99
    assert 0.0 < np.median(picture.power_db) < 5.0


@pytest.mark.parametrize("grid", [GRID, POLAR], ids=["parallel", "polar"])
def test_the_receivers_gain_is_taken_out_over_depth(grid):
    # 6 dB over every millimetre, for noise that has it and noise that has not.
    gain_db = ((0.0, 0.0), (20e-3, 120.0))
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(8, *grid.shape)) + 1j * rng.normal(size=(8, *grid.shape))
    amplified = noise * 10 ** (6e3 * grid.depths_m[:, None] / 20)
    plain, known = (
        IqFrame(
            index=0,
            time_s=0.0,
            received_s=0.0,
            acquisition=acquisition_of(colour_grid=grid, bmode_grid=grid, depth_gain_db=gains),
            iq=pack_ensemble(samples.astype(np.complex64)),
            bmode_power=np.ones(grid.shape, np.float32),
        )
        for samples, gains in ((noise, ()), (amplified, gain_db))
    )
    processing = dataclasses.replace(UNFILTERED, smoothing_m=0.0)
    expected = doppler(plain, processing, None)
    picture = doppler(known, processing, None)
    np.testing.assert_allclose(picture.power_db, expected.power_db, atol=1e-2)


def test_speckle_is_smoothed_over_a_window_of_known_size(iq):
    # A window of 1.2 mm around one bright pixel, in samples (depths, lines).
    processing = dataclasses.replace(UNFILTERED, speckle_reduction=1.0)
    rng = np.random.default_rng(0)
    power = rng.exponential(size=GRID.shape).astype(np.float32)
    # Too dim for a point, in the middle of the picture: it changes the means around it.
    changed = power.copy()
    changed[20, 15] *= 2.0
    pictures = [
        doppler(dataclasses.replace(iq, bmode_power=plane), processing, None).bmode_db
        for plane in (power, changed)
    ]
    rows, columns = np.nonzero(np.abs(pictures[1] - pictures[0]) > 1e-3)
    axial_m, lateral_m = GRID.pixel_size_m
    assert np.ptp(rows) * axial_m == pytest.approx(1.2e-3, abs=axial_m)
    assert np.ptp(columns) * lateral_m == pytest.approx(1.2e-3, abs=lateral_m)


def test_estimates_of_other_settings_are_refused(iq):
    estimates = estimate(iq, UNFILTERED)
    picture = doppler(estimates, UNFILTERED, None)
    np.testing.assert_array_equal(picture.velocity_m_s, doppler(iq, UNFILTERED, None).velocity_m_s)
    with pytest.raises(ValueError, match="made with other settings"):
        doppler(estimates, dataclasses.replace(UNFILTERED, smoothing_m=0.001), None)


def test_levels_follow_slowly(iq):
    before = doppler(iq, UNFILTERED, None)
    loud = dataclasses.replace(
        iq, time_s=0.5, iq=iq.iq * np.float32(10), bmode_power=iq.bmode_power * 100
    )
    after = doppler(loud, UNFILTERED, before)
    # Ten times the amplitude is 20 dB; half a second of a time constant of one passes this share.
    share = 1.0 - math.exp(-0.5)
    assert after.noise_floor_db - before.noise_floor_db == pytest.approx(20 * share, abs=1e-3)
    assert after.bmode_reference_db - before.bmode_reference_db == pytest.approx(
        20 * share, abs=1e-3
    )


@pytest.mark.parametrize("change", ["earlier", "same time", "other PRF", "other filter"])
def test_levels_start_anew_when_frames_are_not_alike(iq, change):
    before = doppler(iq, UNFILTERED, None)
    loud = dataclasses.replace(
        iq, time_s=0.5, iq=iq.iq * np.float32(10), bmode_power=iq.bmode_power * 100
    )
    processing = UNFILTERED
    if change == "earlier":
        before = dataclasses.replace(before, time_s=1.0)
    elif change == "same time":
        before = dataclasses.replace(before, time_s=0.5)
    elif change == "other PRF":
        loud = dataclasses.replace(
            loud, acquisition=dataclasses.replace(iq.acquisition, prf_hz=2000.0)
        )
    else:
        processing = ProcessingSettings(wall_filter="polynomial-0", smoothing_m=0.0006)
    fresh = doppler(loud, processing, None)
    assert doppler(loud, processing, before).noise_floor_db == fresh.noise_floor_db


def test_levels_outlast_a_silent_frame(iq):
    before = doppler(iq, UNFILTERED, None)
    silent = dataclasses.replace(
        iq, time_s=0.1, iq=np.zeros_like(iq.iq), bmode_power=np.zeros_like(iq.bmode_power)
    )
    after = doppler(silent, UNFILTERED, before)
    assert after.noise_floor_db == before.noise_floor_db
    assert after.bmode_reference_db == before.bmode_reference_db


class _Solver:
    """Stands in for the solver: remembers what it was asked, answers as told."""

    def __init__(self, answer=None):
        self.asked = {}
        self.answer = answer

    def __call__(self, velocity, coherence, flow, *, pixel_m, previous=None, chances=None):
        assert chances is None
        self.asked = {
            "velocity": velocity, "coherence": coherence, "flow": flow, "pixel_m": pixel_m,
            "previous": previous,
        }  # fmt: skip
        if self.answer is not None:
            return self.answer
        zeros = np.zeros(flow.shape)
        return Unwrapped(zeros.astype(np.int8), zeros.astype(np.float32), zeros > 0, ())


def test_solver_is_asked_in_nyquist_velocities(iq, monkeypatch):
    solver = _Solver()
    monkeypatch.setattr(pipeline.flow, "unwrap", solver)
    before = doppler(iq, UNFILTERED, None)
    assert solver.asked["previous"] is None
    assert solver.asked["pixel_m"] == GRID.pixel_size_m
    nyquist = iq.acquisition.nyquist_velocity_m_s
    np.testing.assert_allclose(solver.asked["velocity"] * nyquist, before.velocity_m_s, rtol=1e-6)
    np.testing.assert_allclose(solver.asked["coherence"], 1 - before.bandwidth)
    np.testing.assert_array_equal(solver.asked["flow"], before.power_db >= UNFILTERED.flow_power_db)

    # The PRF is halved: the remembered velocity counts twice as many v_N.
    # What was left as measured is no evidence.
    status = before.status.copy()
    status[:5][status[:5] != Status.NO_FLOW] = Status.ABSTAINED
    fold = np.where(status != Status.NO_FLOW, 1, 0).astype(np.int8)
    before = dataclasses.replace(before, fold=fold, status=status)
    slower = dataclasses.replace(iq.acquisition, prf_hz=PRF / 2)
    doppler(dataclasses.replace(iq, time_s=0.1, acquisition=slower), UNFILTERED, before)
    remembered = solver.asked["previous"]
    flow = (status != Status.NO_FLOW) & (status != Status.ABSTAINED)
    np.testing.assert_array_equal(np.isnan(remembered), ~flow)
    assert flow.any()
    assert (status == Status.ABSTAINED).any()
    np.testing.assert_allclose(
        remembered[flow], before.corrected_m_s[flow] / (nyquist / 2), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("time_s", "grid"), [(0.0, GRID), (-0.1, GRID), (0.5, GRID), (0.1, SHEARED)]
)
def test_solver_forgets_what_is_old_or_elsewhere(iq, monkeypatch, time_s, grid):
    solver = _Solver()
    monkeypatch.setattr(pipeline.flow, "unwrap", solver)
    before = doppler(iq, UNFILTERED, None)
    acquisition = dataclasses.replace(iq.acquisition, colour_grid=grid)
    doppler(dataclasses.replace(iq, time_s=time_s, acquisition=acquisition), UNFILTERED, before)
    assert solver.asked["previous"] is None


def test_status_says_what_was_done(iq, monkeypatch):
    fold = np.zeros(GRID.shape, np.int8)
    fold[10:20] = -1
    abstained = np.zeros(GRID.shape, bool)
    abstained[15:30] = True
    confidence = np.full(GRID.shape, 0.5, np.float32)
    solver = _Solver(Unwrapped(fold, confidence, abstained, ("a reason",)))
    monkeypatch.setattr(pipeline.flow, "unwrap", solver)
    processing = dataclasses.replace(UNFILTERED, flow_power_db=0.5)
    picture = doppler(iq, processing, None)
    flow = solver.asked["flow"]
    assert flow.any()
    assert not flow.all()
    assert np.all(picture.status[~flow] == Status.NO_FLOW)
    assert np.all(picture.fold[~flow] == 0)
    assert np.all(picture.status[10:15][flow[10:15]] == Status.CORRECTED)
    assert np.all(picture.status[15:30][flow[15:30]] == Status.ABSTAINED)
    assert np.all(picture.status[30:][flow[30:]] == Status.KEPT)
    assert not picture.fold[15:30].any()
    assert picture.notes == ("a reason",)


def test_dealiasing_can_be_left_out(iq, monkeypatch):
    monkeypatch.setattr(pipeline.flow, "unwrap", None)
    picture = doppler(iq, dataclasses.replace(UNFILTERED, dealias=False), None)
    assert not picture.fold.any()
    assert set(np.unique(picture.status)) == {Status.NO_FLOW, Status.KEPT}


def test_weaker_filter_for_a_short_ensemble_is_said():
    processing = ProcessingSettings(wall_filter="polynomial-3")
    picture = doppler(form(noise_frame(acquisition_of(4)), processing), processing, None)
    assert any("polynomial-1" in note and "4 pulses" in note for note in picture.notes)
    assert picture.wall_filter == "polynomial-1"


def test_truth_is_sampled_on_the_colour_grid(iq):
    class Truth:
        def on(self, grid):
            return np.full(grid.shape, 0.2, np.float32), np.ones(grid.shape, bool)

    picture = doppler(dataclasses.replace(iq, truth=Truth()), UNFILTERED, None)
    assert picture.truth_m_s.shape == GRID.shape
    assert picture.vessel_mask.all()
    without = doppler(iq, UNFILTERED, None)
    assert without.truth_m_s is None
    assert without.score is None


@dataclasses.dataclass
class Half:
    """A vessel in the upper or lower half, at the speed that the echoes have."""

    velocity_m_s: float
    upper: bool = True

    def on(self, grid):
        mask = np.zeros(grid.shape, bool)
        mask[: grid.n_depths // 2] = True
        mask = mask if self.upper else ~mask
        return np.where(mask, self.velocity_m_s, 0.0).astype(np.float32), mask


def test_a_frame_with_a_truth_is_scored_against_it(iq):
    measured = doppler(iq, UNFILTERED, None)
    nyquist = measured.nyquist_velocity_m_s
    region = erode(Half(0.0).on(GRID)[1], GRID.pixel_size_m)
    mean = float(np.mean(measured.corrected_m_s[region]))
    for offset in (0.25, 2.25):
        truth = Half(mean - offset * nyquist)
        score = doppler(dataclasses.replace(iq, truth=truth), UNFILTERED, None).score
        assert np.array_equal(score.region, region)
        assert not score.region.flags.writeable
        assert score.lumen.n_pixels == np.count_nonzero(region)
        shown = region & (measured.status != Status.NO_FLOW)
        assert score.shown.n_pixels == np.count_nonzero(shown)
        assert score.lumen.corrected_bias_nyquist == pytest.approx(offset, abs=1e-5)
        assert score.lumen.wrong_share == (offset > 1)


def test_the_margin_is_taken_off_once_for_vessels_that_stand_still(iq):
    def scored(truth, previous):
        return doppler(dataclasses.replace(iq, truth=truth), UNFILTERED, previous)

    first = scored(Half(0.1), None)
    again = scored(Half(0.2), first)
    assert again.score.region is first.score.region
    other = scored(Half(0.2, upper=False), again)
    assert np.array_equal(other.score.region, erode(other.vessel_mask, GRID.pixel_size_m))
    wide = dataclasses.replace(GRID, lines=(-6e-3, 6e-3))
    moved = dataclasses.replace(
        first, acquisition=dataclasses.replace(first.acquisition, colour_grid=wide)
    )
    assert scored(Half(0.2), moved).score.region is not first.score.region


def bad(samples, value):
    damaged = samples.astype(np.float32)
    damaged[1, 2, 3] = value
    return damaged


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: {"colour": bad(f.colour, np.nan)}, "colour samples are not finite"),
        (lambda f: {"colour": bad(f.colour, np.inf)}, "colour samples are not finite"),
        (lambda f: {"colour": bad(f.colour, 1e30)}, "not finite, or too large"),
        (lambda f: {"colour": f.colour[:-1]}, "colour samples have shape"),
        (lambda f: {"colour": f.colour[:, :-1]}, "colour samples have shape"),
        (lambda f: {"colour": f.colour[..., :2]}, "2 samples are too few"),
        (lambda f: {"colour": f.colour[..., :0]}, "colour samples: the record is empty"),
        (lambda f: {"colour": bad(f.colour, 0)[..., :0]}, "colour samples: the record is empty"),
        (lambda f: {"colour": f.colour[0]}, "colour samples have shape"),
        (lambda f: {"colour": f.colour.astype(np.float64)}, "float64, not int16"),
        (lambda f: {"colour": f.colour.astype(np.complex64)}, "demodulation frequency is 0 Hz"),
        (lambda f: {"bmode": f.colour[:1]}, "B-mode samples have shape"),
    ],
)
def test_bad_samples_are_named(frame, change, message):
    with pytest.raises(PipelineError, match=message):
        form(dataclasses.replace(frame, **change(frame)), UNFILTERED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling_frequency_hz": 0.0}, "sampling frequency is 0"),
        ({"center_frequency_hz": math.nan}, "centre frequency is nan"),
        ({"sound_speed_m_s": -1.0}, "sound speed is -1"),
        ({"prf_hz": math.inf}, "PRF is inf"),
        ({"start_time_s": math.nan}, "start time is nan"),
        ({"transmit_angle_rad": math.inf}, "transmit angle is inf"),
        ({"frame_interval_s": math.nan}, "frame interval is nan"),
        ({"bmode_angles_rad": (0.0, math.nan)}, "B-mode angle 1 is nan"),
        ({"depth_gain_db": ((0.0, 0.0), (0.01, math.nan))}, "gain over depth is nan dB"),
        ({"depth_gain_db": ((0.0, 500.0),)}, "gain over depth is 500 dB at 0 m"),
        ({"depth_gain_db": ((0.02, 1.0), (0.01, 2.0))}, "do not increase"),
        ({"sampling_frequency_hz": 2 * F0}, "overlaps its image"),
        ({"source_distance_m": 0.0}, "the source of the waves is 0 m behind the array"),
        ({"n_pulses": 1}, "1 pulses"),
    ],
)
def test_bad_acquisitions_are_named(frame, changes, message):
    acquisition = dataclasses.replace(frame.acquisition, **changes)
    with pytest.raises(PipelineError, match=message):
        form(dataclasses.replace(frame, acquisition=acquisition), UNFILTERED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: {"iq": q.iq[:-1]}, "IQ has shape"),
        (lambda q: {"iq": np.full_like(q.iq, np.nan)}, "IQ samples are not finite"),
        (lambda q: {"bmode_power": q.bmode_power[:-1]}, "B-mode power has shape"),
        (lambda q: {"bmode_power": q.bmode_power * np.nan}, "B-mode power is not finite"),
    ],
)
def test_bad_iq_is_named(iq, change, message):
    with pytest.raises(PipelineError, match=message):
        doppler(dataclasses.replace(iq, **change(iq)), UNFILTERED, None)


# The recorded rotating disc against rigid rotation and another implementation.


@pytest.fixture(scope="module")
def reference(data_folder):
    with np.load(data_folder / "PWI_disk_reference.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def disc_frame(data_folder, reference):
    recording = scipy.io.loadmat(data_folder / "PWI_disk.mat", simplify_cells=True)
    param = {key: np.asarray(value, float) for key, value in recording["param"].items()}
    x_m, z_m = reference["x"], reference["z"]
    grid = ImageGrid("parallel", z_m.size, x_m.size, (x_m[0], x_m[-1]), (z_m[0], z_m[-1]))
    rf = np.ascontiguousarray(recording["RF"].transpose(2, 1, 0))
    acquisition = Acquisition(
        source="disc",
        probe=Probe.linear("disc", rf.shape[1], float(param["pitch"]), float(param["fc"])),
        sampling_frequency_hz=float(param["fs"]),
        center_frequency_hz=float(param["fc"]),
        demodulation_frequency_hz=0.0,
        sound_speed_m_s=float(param["c"]),
        start_time_s=float(param["t0"]),
        transmit_angle_rad=0.0,
        receive_angle_rad=0.0,
        bmode_angles_rad=(),
        prf_hz=float(param["PRF"]),
        requested_prf_hz=float(param["PRF"]),
        max_prf_hz=float(param["PRF"]),
        n_pulses=rf.shape[0],
        frame_interval_s=0.0,
        colour_grid=grid,
        bmode_grid=grid,
    )
    return ChannelFrame(0, 0.0, 0.0, acquisition, rf)


@pytest.fixture(scope="module")
def disc(reference):
    return binary_erosion(reference["disk_mask"], iterations=5)  # 0.5 mm


@pytest.mark.parametrize("f_number", [1.0, 1.5])
def test_disc_rotates_rigidly(disc_frame, disc, f_number):
    processing = dataclasses.replace(UNFILTERED, smoothing_m=0.0008, f_number=f_number)
    picture = doppler(form(disc_frame, processing), processing, None)
    x_m, _ = disc_frame.acquisition.colour_grid.positions_m()
    velocity = picture.velocity_m_s[disc]
    assert np.corrcoef(velocity, x_m[disc])[0, 1] ** 2 > 0.998
    residual = velocity + 60.8 * x_m[disc]
    assert 1.0 - np.var(residual) / np.var(velocity) > 0.998
    assert np.mean(picture.status[disc] == Status.KEPT) > 0.99


def test_disc_velocity_agrees_with_pymust(disc_frame, disc, reference):
    # PyMUST takes a box aperture of about f/1 here, and smooths over 0.42 mm.
    processing = dataclasses.replace(UNFILTERED, smoothing_m=0.00042, f_number=1.0)
    picture = doppler(form(disc_frame, processing), processing, None)
    difference = picture.velocity_m_s[disc] - reference["pymust_vd_hamming9"][disc]
    assert np.sqrt(np.mean(difference**2)) < 0.008


def test_disc_iq_agrees_with_pymust(disc_frame, disc, reference):
    processing = dataclasses.replace(UNFILTERED, f_number=1.0)
    ours = unpack_ensemble(form(disc_frame, processing).iq, 4)[:, disc]
    theirs = np.moveaxis(reference["pymust_iq_das_first4"], -1, 0)[:, disc]
    # Filters and apertures differ; what counts is that the phases are the same.
    inner = np.vdot(theirs, ours)
    assert abs(inner) / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.85
    assert abs(np.angle(inner)) < 0.05


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e10])
@pytest.mark.parametrize("settings", [UNFILTERED.wall_filter, "polynomial-0", "polynomial-1"])
def test_still_echoes_without_noise_are_no_flow(settings, scale):
    still = noise_frame(acquisition_of())
    colour = np.repeat(still.colour[:1], still.colour.shape[0], axis=0) * np.float32(scale)
    processing = dataclasses.replace(UNFILTERED, wall_filter=settings)
    made = doppler(form(dataclasses.replace(still, colour=colour), processing), processing, None)
    flowing = np.mean(made.status != Status.NO_FLOW)
    if settings == "none":
        np.testing.assert_allclose(made.velocity_m_s, 0.0, atol=1e-6)
    else:
        assert flowing < 1e-3
