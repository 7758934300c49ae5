"""Folds of closed-form fields, of a simulated probe and of an acquired recording."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from ultrasound_console import accuracy, pipeline
from ultrasound_console.accuracy import Accuracy
from ultrasound_console.dsp.unwrap import MAX_FOLD, unwrap
from ultrasound_console.frames import Status
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.sources.protocol import open_source

PIXEL_M = (1.5e-4, 2e-4)
SHAPE = (160, 128)
Z, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
NOISE = 0.08


@dataclasses.dataclass(frozen=True)
class Field:
    """A true velocity in v_N, and where it flows."""

    truth: np.ndarray
    flow: np.ndarray


def tube(peak, center=80.0, radius=45.0, slope=0.1):
    across = (Z - center - slope * (X - SHAPE[1] / 2)) / radius
    return Field(np.where(abs(across) < 1, peak * (1 - across**2), 0.0), abs(across) < 1)


def turning_disc(edge):
    x, z = X - 64, (Z - 80) * 0.75
    inside = np.hypot(x, z) < 58
    return Field(edge * x / 58 * inside, inside)


def both(first, second):
    return Field(first.truth + second.truth, first.flow | second.flow)


def reversal(peak):
    """Flow along a tube that turns round halfway, through zero."""
    field = tube(1.0)
    return Field(peak * field.truth * np.cos(np.pi * X / SHAPE[1]), field.flow)


def jet(peak):
    """A fast core that fades out in slow flow around it."""
    slow = tube(0.8)
    core = (peak - 0.8) * np.exp(-(((Z - 80 - 0.1 * (X - 64)) / 16) ** 2) - ((X - 40) / 45) ** 2)
    return Field(slow.truth + core * slow.flow, slow.flow)


def plug(peak):
    """A blunt profile: most of the flow is faster than v_N."""
    across = abs(Z - 80) / 50
    return Field(np.where(across < 1, peak * (1 - across**8), 0.0), across < 1)


FIELDS = {
    "slow tube": tube(0.9),
    "tube to 1.5": tube(1.5),
    "tube to 3": tube(3.0),
    "tube away from the probe": tube(-2.4),
    "disc to 4": turning_disc(4.0),
    "opposite vessels": both(tube(1.6, 42, 32), tube(-1.6, 118, 32)),
    "opposite vessels that touch": both(tube(1.7, 45, 35, 0), tube(-1.7, 114, 35, 0)),
    "slow reversal": reversal(0.9),
    "fast reversal": reversal(1.8),
    "jet to 3": jet(3.0),
    "mostly aliased": plug(1.7),
}


def wrap(velocity):
    return ((velocity + 1) % 2 - 1).astype(np.float32)


def measure(field, noise=NOISE, seed=1):
    """Return measured velocity, coherence and the true fold."""
    rng = np.random.default_rng(seed)
    velocity = wrap(field.truth + noise * rng.normal(size=SHAPE))
    coherence = np.clip(0.7 + 0.1 * rng.normal(size=SHAPE), 0, 1).astype(np.float32)
    return velocity, coherence, accuracy.true_fold(velocity, field.truth, 1.0)


def smooth_noise(seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    parts = [ndimage.gaussian_filter(rng.normal(size=shape), 2) for _ in range(2)]
    return (np.arctan2(*parts) / np.pi).astype(np.float32)


@pytest.mark.parametrize("name", FIELDS)
def test_recovers_the_folds_of_closed_form_fields(name):
    field = FIELDS[name]
    velocity, coherence, expected = measure(field)
    result = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M)
    wrong = np.mean(result.fold[field.flow] != expected[field.flow])
    assert wrong <= 0.002
    aliased = np.mean(expected[field.flow] != 0)
    assert (aliased > 0.1) == (name not in ("slow tube", "slow reversal"))
    assert not result.abstained.any()
    assert result.notes == ()


@pytest.mark.parametrize("name", ["tube to 3", "disc to 4", "jet to 3"])
def test_noise_as_large_as_a_fifth_of_nyquist(name):
    field = FIELDS[name]
    velocity, coherence, expected = measure(field, noise=0.2)
    fold = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M).fold
    assert np.mean(fold[field.flow] != expected[field.flow]) <= 0.02


def test_corrected_velocity_is_as_noisy_as_the_measured_one():
    field = FIELDS["jet to 3"]
    velocity, coherence, _ = measure(field)
    result = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M)
    assert result.fold.dtype == np.int8
    corrected = velocity + np.float32(2) * result.fold.astype(np.float32)
    assert np.sqrt(np.mean((corrected - field.truth)[field.flow] ** 2)) < 1.1 * NOISE


def check_bounds(result, flow):
    assert np.abs(result.fold).max() <= MAX_FOLD
    assert np.isfinite(result.confidence).all()
    assert result.confidence.min() >= 0
    assert result.confidence.max() <= 1
    assert not result.fold[~flow].any()
    assert not result.confidence[~flow].any()
    assert not result.abstained[~flow].any()
    assert not result.fold[result.abstained].any()


@pytest.mark.parametrize("name", FIELDS)
def test_outside_the_flow_there_is_nothing(name):
    velocity, coherence, _ = measure(FIELDS[name])
    flow = FIELDS[name].flow
    check_bounds(unwrap(velocity, coherence, flow, pixel_m=PIXEL_M), flow)


def test_without_flow_all_is_zero():
    velocity, coherence, _ = measure(FIELDS["tube to 3"])
    result = unwrap(velocity, coherence, np.zeros(SHAPE, bool), pixel_m=PIXEL_M)
    check_bounds(result, np.zeros(SHAPE, bool))
    assert result.notes == ()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40), (40, 1)])
def test_tiny_pictures(shape):
    rng = np.random.default_rng(3)
    flow = np.ones(shape, bool)
    velocity = rng.uniform(-1, 1, shape).astype(np.float32)
    check_bounds(unwrap(velocity, np.ones(shape, np.float32), flow, pixel_m=PIXEL_M), flow)


@pytest.mark.parametrize("coherence", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("kind", ["white", "smooth"])
def test_pure_noise_ends_within_bounds_and_repeats(kind, coherence):
    rng = np.random.default_rng(5)
    velocity = smooth_noise(5)
    if kind == "white":
        velocity = rng.uniform(-1, 1, SHAPE).astype(np.float32)
    planes = velocity, np.full(SHAPE, coherence, np.float32), np.ones(SHAPE, bool)
    before = [plane.copy() for plane in planes]
    first = unwrap(*planes, pixel_m=PIXEL_M)
    second = unwrap(*planes, pixel_m=PIXEL_M)
    check_bounds(first, planes[2])
    assert np.array_equal(first.fold, second.fold)
    assert np.array_equal(first.confidence, second.confidence)
    assert all(np.array_equal(a, b) for a, b in zip(before, planes, strict=True))


def test_takes_read_only_and_strided_planes():
    field = FIELDS["tube to 3"]
    velocity, coherence, _ = measure(field)
    expected = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M)
    previous = np.full(SHAPE, np.nan, np.float32)
    planes = [np.asfortranarray(plane) for plane in (velocity, coherence, field.flow, previous)]
    for plane in planes:
        plane.setflags(write=False)
    result = unwrap(*planes[:3], pixel_m=PIXEL_M, previous=planes[3])
    assert np.array_equal(result.fold, expected.fold)


@pytest.mark.parametrize("name", ["tube to 3", "opposite vessels", "jet to 3"])
def test_swapping_directions_swaps_the_folds(name):
    velocity, coherence, _ = measure(FIELDS[name])
    flow = FIELDS[name].flow
    fold = unwrap(velocity, coherence, flow, pixel_m=PIXEL_M).fold
    swapped = unwrap(-velocity, coherence, flow, pixel_m=PIXEL_M).fold
    assert np.mean(swapped == -fold) > 0.999


@pytest.mark.parametrize("name", ["tube to 3", "opposite vessels", "disc to 4", "fast reversal"])
@pytest.mark.parametrize("turn", ["mirror", "transpose"])
def test_mirroring_and_turning_the_picture_turns_the_folds(name, turn):
    velocity, coherence, _ = measure(FIELDS[name])
    planes = velocity, coherence, FIELDS[name].flow
    fold = unwrap(*planes, pixel_m=PIXEL_M).fold
    if turn == "mirror":
        turned = unwrap(*(plane[:, ::-1] for plane in planes), pixel_m=PIXEL_M).fold[:, ::-1]
    else:
        turned = unwrap(*(plane.T for plane in planes), pixel_m=PIXEL_M[::-1]).fold.T
    assert np.mean(turned == fold) > 0.999


def test_a_drop_out_in_the_core_is_no_wall():
    """Flow at 2 v_N is lost to the wall filter; around the gap it reads as nearly zero."""
    field = plug(2.0)
    velocity, coherence, expected = measure(field)
    rng = np.random.default_rng(2)
    spots = ndimage.gaussian_filter(rng.normal(size=SHAPE), 3) > 0.1
    flow = field.flow & ~(spots & (abs(Z - 80) < 30) & (abs(X - 64) < 50))
    assert np.count_nonzero(field.flow & ~flow) > 500
    fold = unwrap(velocity, coherence, flow, pixel_m=PIXEL_M).fold
    assert np.mean(fold[flow] != expected[flow]) <= 0.002


def without_walls(level):
    """Flow that fills the picture."""
    return Field(np.full(SHAPE, level) + 0.3 * np.cos(X / 30), np.ones(SHAPE, bool))


def test_where_nothing_else_speaks_the_slowest_flow_is_taken():
    field = without_walls(1.5)
    velocity, coherence, _ = measure(field)
    fold = unwrap(velocity, coherence, np.ones(SHAPE, bool), pixel_m=PIXEL_M).fold
    corrected = velocity + 2.0 * fold
    assert np.ptp(ndimage.uniform_filter(corrected, 9)) < 1
    assert corrected.mean() == pytest.approx(field.truth.mean() - 2.0, abs=0.01)


@pytest.mark.parametrize("level", [-1.5, 1.5, 3.0])
def test_the_previous_frame_decides_where_walls_do_not(level):
    field = without_walls(level)
    velocity, coherence, expected = measure(field)
    previous = (field.truth + 0.3).astype(np.float32)
    previous[:60] = np.nan  # it did not see all of it
    result = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M, previous=previous)
    assert np.mean(result.fold != expected) <= 0.002


def test_walls_outweigh_a_wrong_previous_frame():
    field = FIELDS["tube to 1.5"]
    velocity, coherence, expected = measure(field)
    previous = np.where(field.flow, field.truth - 2.0, np.nan).astype(np.float32)
    fold = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M, previous=previous).fold
    assert np.mean(fold[field.flow] != expected[field.flow]) <= 0.002


def test_abstains_and_says_so_where_two_folds_are_as_good():
    """A smooth patch at v_N, without walls: +v_N or -v_N, nothing tells."""
    shape = (40, 40)
    rng = np.random.default_rng(7)
    half = 0.1 * rng.normal(size=(20, 40))
    velocity = wrap(1.0 + np.concatenate([half, -half[::-1]]))
    planes = velocity, np.full(shape, 0.8, np.float32), np.ones(shape, bool)
    result = unwrap(*planes, pixel_m=PIXEL_M)
    assert result.abstained.mean() > 0.9
    assert result.notes == (
        f"1 region ({100 * result.abstained.mean():.1f} % of the flow) left as measured: "
        "no fold stands out",
    )
    previous = np.full(shape, 1.0, np.float32)
    told = unwrap(*planes, pixel_m=PIXEL_M, previous=previous)
    assert np.array_equal(told.fold, velocity < 0)
    assert not told.abstained.any()


def test_confidence_puts_wrong_folds_last():
    field = tube(2.2)
    rng = np.random.default_rng(11)
    velocity, coherence, _ = measure(field)
    lost = ndimage.gaussian_filter(rng.normal(size=SHAPE), 5) > 0.05
    velocity = np.where(lost, smooth_noise(12), velocity)
    coherence = np.where(lost, np.float32(0.1), coherence)
    expected = accuracy.true_fold(velocity, field.truth, 1.0)
    result = unwrap(velocity, coherence, field.flow, pixel_m=PIXEL_M)
    wrong = (result.fold != expected)[field.flow]
    confidence = result.confidence[field.flow]
    assert 0.02 < wrong.mean() < 0.3
    surest = confidence >= np.quantile(confidence, 0.3)
    assert wrong[surest].mean() < 0.2 * wrong.mean()


def disc_of(recording, divisor, **processing):
    """Frame of the acquired turning disc, unfiltered, with every ``divisor``-th pulse."""
    source = open_source(str(recording), real_time=False)
    settings = source.defaults(AcquisitionSettings(ensemble=0))
    settings = dataclasses.replace(settings, prf_hz=settings.prf_hz / divisor)
    acquisition = source.configure(settings)
    source.start()
    frame = source.read(10.0)
    source.close()
    settings = ProcessingSettings(wall_filter="none", **processing)
    made = pipeline.doppler(pipeline.form(frame, settings), settings, None)
    x_m, z_m = acquisition.colour_grid.positions_m()
    inside = np.hypot(x_m, z_m - 22.5e-3) < 9e-3 - accuracy.WALL_MARGIN_M
    return made, inside


@pytest.mark.parametrize(
    "processing",
    [{}, {"smoothing_m": 0.4e-3}, {"smoothing_m": 1.2e-3}, {"flow_power_db": 15.0}],
    ids=["default", "sharp", "smooth", "small support"],
)
def test_acquired_disc_at_a_part_of_its_prf(data_folder, processing):
    recording = data_folder / "PWI_disk.mat"
    full, inside = disc_of(recording, 1, **processing)
    assert not full.fold[inside].any()
    for divisor, allowed in ((2, 0.01), (3, 0.01), (4, 0.01), (5, 0.03)):
        made, _ = disc_of(recording, divisor, **processing)
        figures, _ = accuracy.score(
            made.velocity_m_s,
            made.fold,
            full.velocity_m_s,
            inside,
            made.nyquist_velocity_m_s,
            abstained=made.status == Status.ABSTAINED,
        )
        assert figures.all.aliased_share > 0.15
        assert figures.all.wrong_share <= allowed, f"every {divisor}th pulse"


def probe_frames(scene, prf_hz, n_frames):
    """Frames of a simulated probe from the start of its heart cycle."""
    source = open_source(f"simulated:{scene}", real_time=False)
    settings = source.defaults(AcquisitionSettings(ensemble=12))
    source.configure(dataclasses.replace(settings, prf_hz=prf_hz))
    source.start()
    frames = [source.read(60.0) for _ in range(n_frames)]
    source.close()
    processing = ProcessingSettings(wall_filter="polynomial-1")
    made = None
    for frame in frames:
        made = pipeline.doppler(pipeline.form(frame, processing), processing, made)
        yield made


def score_probe(frames, folds):
    total = Accuracy()
    for made in frames:
        acquisition = made.acquisition
        lumen = accuracy.erode(made.vessel_mask, acquisition.colour_grid.pixel_size_m)
        total += accuracy.score(
            made.velocity_m_s, folds(made), made.truth_m_s, lumen, made.nyquist_velocity_m_s
        )[0]
    return total.all


def region_dealias_folds(made):
    from region_dealias import sweep_folds

    flow = made.status != Status.NO_FLOW
    velocity = made.velocity_m_s / np.float32(made.nyquist_velocity_m_s)
    return np.where(flow, sweep_folds(velocity, ~flow, 1.0, rays_wrap_around=False), 0)


@pytest.mark.parametrize(
    ("scene", "prf_hz", "n_frames"),
    [("straight-tube", 1580.0, 2), ("femoral-bifurcation", 5700.0, 5)],
)
def test_simulated_probe_to_one_and_a_half_nyquist(scene, prf_hz, n_frames):
    frames = list(probe_frames(scene, prf_hz, n_frames))
    fastest = max(np.abs(made.truth_m_s).max() / made.nyquist_velocity_m_s for made in frames)
    assert 1.3 < fastest < 1.7
    figures = score_probe(frames, lambda made: made.fold)
    assert figures.aliased_share > 0.05
    assert figures.wrong_share <= 0.03


@pytest.mark.rivals
@pytest.mark.parametrize(
    ("scene", "prf_hz", "n_frames"),
    [("straight-tube", 790.0, 2), ("femoral-bifurcation", 3150.0, 6)],
)
def test_simulated_probe_to_three_nyquist_against_region_merging(scene, prf_hz, n_frames):
    pytest.importorskip("region_dealias")
    frames = list(probe_frames(scene, prf_hz, n_frames))
    fastest = max(np.abs(made.truth_m_s).max() / made.nyquist_velocity_m_s for made in frames)
    assert 2.7 < fastest < 3.4
    ours = score_probe(frames, lambda made: made.fold)
    theirs = score_probe(frames, region_dealias_folds)
    assert ours.wrong_share <= theirs.wrong_share
