"""The second PRF: its vote for the fold, from tones to simulated frames and recordings."""

import dataclasses

import h5py
import numpy as np
import pytest
from recorded import acquisition, channel_frame, identical, iq_frame, record

from ultrasound_console.accuracy import erode
from ultrasound_console.cine import Cine
from ultrasound_console.dsp import doppler as estimator
from ultrasound_console.dsp import dual_prf
from ultrasound_console.dsp.arrays import first_pulses, pack_ensemble
from ultrasound_console.dsp.quantise import quantise, restore
from ultrasound_console.frames import ChannelFrame
from ultrasound_console.pipeline import doppler, estimate, form
from ultrasound_console.pipeline.estimates import weighed_by_second
from ultrasound_console.record.content import Content
from ultrasound_console.segment import Segmenter
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings
from ultrasound_console.settings.acquisition import ONE_PRF
from ultrasound_console.simulation import SCENES, Scan, plan, random_scene
from ultrasound_console.simulation.flow import Truth
from ultrasound_console.sources import open_source

N, N_SECOND = 12, 2
CONTINUITY = ProcessingSettings(dealias_method="continuity", compute="cpu")
TWO_PRFS = {"prf_hz": 3000.0, "second_prf_hz": 12000.0, "n_second_pulses": 2}


def tone(velocity, ratio, *, clutter=0.0):
    """Samples of both blocks for velocities in v_N, (1, n, 2, lanes) float64."""
    sent = np.concatenate([np.arange(N), N - 1 + ratio * np.arange(1, N_SECOND + 1)])
    signal = np.exp(1j * np.pi * np.multiply.outer(sent, np.atleast_1d(velocity))) + clutter
    return pack_ensemble(signal[:, None, :], dtype=np.float64)


def chances(iq, ratio, kind):
    """Probabilities of the folds -3 ... 3, with all folds alike before."""
    first = estimator.estimate(first_pulses(iq, N), N, kind, (1.0, 1.0))
    lags = dual_prf.correlate(iq, N, N_SECOND, ratio, kind)
    second = dual_prf.second_maps(estimator.maps(lags), N_SECOND)
    alike = np.full((*iq.shape[:2], 8), 1.0 / 7.0, np.float32)
    voted = dual_prf.vote(
        first.velocity.astype(np.float32),
        *(
            estimator.DopplerMaps(
                *(getattr(m, f).astype(np.float32) for f in ("velocity", "power", "bandwidth"))
            )
            for m in (first, second)
        ),
        alike,
        ratio=ratio,
        n_phases=10.0,
        by_chance=dual_prf.noise_coherence(kind, N, N_SECOND, ratio, 10.0),
    )
    return first.velocity, voted[..., :7]


@pytest.mark.parametrize(("ratio", "period"), [(1 / 5, 5), (1 / 4, 4), (1 / 3, 3), (4 / 3, 3)])
@pytest.mark.parametrize(("kind", "clutter"), [("none", 0.0), ("polynomial-1", 30.0)])
def test_a_tone_gets_its_fold_up_to_the_denominator(ratio, period, kind, clutter):
    folds = np.arange(-3, 4)
    velocity = np.add.outer(2.0 * folds, [-0.7, 0.6, 0.8]).ravel()
    measured, voted = chances(tone(velocity, ratio, clutter=clutter), ratio, kind)
    np.testing.assert_array_equal(np.rint((velocity - measured[0]) / 2), np.repeat(folds, 3))
    for true, found in zip(np.repeat(folds, 3), voted[0], strict=True):
        same = (folds - true) % period == 0
        assert found[same].min() > 3.0 * found[~same].max()
        assert np.ptp(found[same]) < 1e-3


def test_noise_says_nothing():
    rng = np.random.default_rng(1)
    shape = (N + N_SECOND, 100, 200)
    noise = pack_ensemble(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype=np.float64)
    width = (5.0, 5.0)
    lags = estimator.smooth(dual_prf.correlate(noise, N, N_SECOND, 0.25, "polynomial-1"), width)
    first = estimator.estimate(first_pulses(noise, N), N, "polynomial-1", width)
    second = dual_prf.second_maps(estimator.maps(lags), N_SECOND)
    planes = [
        estimator.DopplerMaps(
            *(np.asarray(p, np.float32) for p in (m.velocity, m.power, m.bandwidth))
        )
        for m in (first, second)
    ]
    alike = np.full((*first.velocity.shape, 8), 1.0 / 7.0, np.float32)
    voted = dual_prf.vote(
        planes[0].velocity,
        *planes,
        alike,
        ratio=0.25,
        n_phases=20.0,
        by_chance=dual_prf.noise_coherence("polynomial-1", N, N_SECOND, 0.25, 20.0),
    )
    np.testing.assert_allclose(voted[..., :7].sum(axis=-1), 1.0, atol=1e-5)
    assert np.median(np.ptp(voted[..., :7], axis=-1)) < 0.02
    np.testing.assert_allclose(voted[..., :7].mean(axis=(0, 1)), 1.0 / 7.0, atol=0.02)


@pytest.mark.parametrize("kind", ["none", "polynomial-2"])
def test_kernel_and_array_code_agree(kind):
    rng = np.random.default_rng(2)
    shape = (N + N_SECOND, 6, 9)
    iq = pack_ensemble(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype=np.float64)
    exact = dual_prf.correlate(iq, N, N_SECOND, 0.25, kind)
    found = dual_prf.correlate(iq.astype(np.float32), N, N_SECOND, 0.25, kind)
    np.testing.assert_allclose(found, exact, atol=1e-5)


# --- simulated frames -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def systole():
    """The fastest frame of the femoral artery at 3.5 v_N, sent with a second PRF."""
    return at_systole(SCENES["femoral-bifurcation"], 3.5, "4x")


def wrong_share(frame, truth):
    truth_m_s, vessel = truth.on(frame.acquisition.colour_grid)
    region = erode(vessel, frame.acquisition.colour_grid.pixel_size_m)
    fold = np.rint((truth_m_s - frame.velocity_m_s) / (2.0 * frame.nyquist_velocity_m_s))
    return np.mean((frame.fold != fold)[region])


def test_the_second_prf_finds_the_folds_and_changes_nothing_else(systole):
    two = form(systole, CONTINUITY)
    assert two.acquisition.second_prf_hz == 4.0 * two.acquisition.prf_hz
    assert len(systole.colour) == two.acquisition.n_colour_pulses == N + N_SECOND
    alone = dataclasses.replace(
        two,
        iq=two.ensemble,
        acquisition=dataclasses.replace(two.acquisition, second_prf_hz=0.0, n_second_pulses=0),
    )
    for kind in ("none", "polynomial-1"):
        processing = dataclasses.replace(CONTINUITY, wall_filter=kind)
        with_second, without = estimate(two, processing), estimate(alone, processing)
        for name in ("velocity", "power", "bandwidth"):
            assert identical(getattr(with_second.maps, name), getattr(without.maps, name))
    assert weighed_by_second(without, without.maps.velocity, None) is None
    truth = systole.truth
    assert wrong_share(doppler(without, CONTINUITY, None), truth) > 0.1
    assert wrong_share(doppler(with_second, CONTINUITY, None), truth) < 0.02


def test_the_loop_keeps_both_blocks(systole):
    iq = form(systole, CONTINUITY)
    frame, cine = doppler(iq, CONTINUITY, None), Cine()
    cine.append(iq, frame)
    kept = cine.iq(0)
    assert kept.iq.shape == iq.iq.shape
    again = doppler(kept, CONTINUITY, None)
    assert np.mean(again.fold == frame.fold) > 0.999


def test_the_depth_limits_the_second_prf():
    scene = SCENES["straight-tube"]

    def planned(**changes):
        return plan(scene, AcquisitionSettings(dual_prf="5x", **changes))

    slow = planned(prf_hz=1000.0)
    assert (slow.second_prf_hz, slow.notes) == (5000.0, ())
    highest_hz = slow.max_prf_hz
    lowered = planned(prf_hz=highest_hz / 4.5)
    assert lowered.second_prf_hz == pytest.approx(4.0 * lowered.prf_hz)
    assert any("second PRF 4x in place of 5x" in note for note in lowered.notes)
    none = planned(prf_hz=highest_hz / 2.0)
    assert (none.second_prf_hz, none.n_second_pulses) == (0.0, 0)
    assert any(note.startswith("no second PRF") for note in none.notes)


def at_systole(scene, times_nyquist, dual):
    """Frame whose fastest blood has this many v_N along the beam."""
    probe = dataclasses.replace(AcquisitionSettings(), probe=scene.probe)
    if scene.steering_rad is not None:
        probe = dataclasses.replace(probe, steering_rad=scene.steering_rad)
    of = plan(scene, probe)
    for _ in range(2):  # another PRF has other frames, and another one of these is the fastest
        phase = round(of.peak_systole_s / of.frame_interval_s)
        truth_m_s, vessel = Truth(
            scene.flow(),
            phase * of.frame_interval_s,
            of.transmit_angle_rad,
            of.receive_angle_rad,
            of.source_distance_m,
        ).on(of.colour_grid)
        fastest = np.abs(truth_m_s[vessel]).max() / of.nyquist_velocity_m_s
        prf_hz = float(np.clip(of.prf_hz * fastest / times_nyquist, 200.0, of.max_prf_hz))
        of = plan(scene, dataclasses.replace(probe, prf_hz=prf_hz, dual_prf=dual))
    phase = round(of.peak_systole_s / of.frame_interval_s)
    made = Scan(scene).frame(of, phase)
    return ChannelFrame(0, 0.0, 0.0, of, made.colour, made.bmode, made.truth)


@pytest.mark.long
@pytest.mark.parametrize("dual", ["4x"])
def test_wrong_folds_over_many_scenes(dual):
    scenes = [SCENES["femoral-bifurcation"], *(random_scene(7101 + k) for k in range(12))]
    network = Segmenter()
    for times_nyquist in (0.8, 2.0, 3.5, 5.0):
        frames = [at_systole(scene, times_nyquist, dual) for scene in scenes]
        frames = [frame for frame in frames if frame.acquisition.n_second_pulses]
        for name, segmenter in (("continuity", None), ("network", network)):
            processing = dataclasses.replace(CONTINUITY, dealias_method=name)
            found = np.array([counted(frame, processing, segmenter) for frame in frames]).sum(
                axis=0
            )
            (wrong, false), (wrong_two, false_two) = 100.0 * found[:, :2] / found[:, 2:]
            print(  # noqa: T201 - the figures of docs/dealiasing.md
                f"{dual} {times_nyquist} v_N, {len(frames)} frames, {name}: wrong {wrong:.2f} -> "
                f"{wrong_two:.2f} %, false {false:.2f} -> {false_two:.2f} %"
            )
            if times_nyquist >= 3.5:
                assert wrong_two < wrong
            elif name == "network":
                assert wrong_two < wrong + 0.05


def counted(frame, processing, segmenter):
    """Without and with the second PRF: wrong and false folds, pixels, and those without alias."""
    both = form(frame, processing)
    told = dataclasses.replace(both.acquisition, second_prf_hz=0.0, n_second_pulses=0)
    alone = dataclasses.replace(both, iq=both.ensemble, acquisition=told)
    grid = told.colour_grid
    truth_m_s, vessel = frame.truth.on(grid)
    region = erode(vessel, grid.pixel_size_m)
    counts = []
    for iq in (alone, both):
        shown = doppler(iq, processing, None, segmenter)
        fold = np.rint((truth_m_s - shown.velocity_m_s) / (2.0 * shown.nyquist_velocity_m_s))[
            region
        ]
        found = shown.fold[region]
        false = np.sum((fold == 0) & (found != 0))
        counts.append([np.sum(found != fold), false, fold.size, max(1, np.sum(fold == 0))])
    return counts


# --- recordings -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", list(Content))
def test_a_recording_keeps_both_blocks(content, tmp_path):
    of = acquisition(**TWO_PRFS)
    make = iq_frame if content is Content.IQ else channel_frame
    made = [make(k, of) for k in range(3)]
    record(tmp_path / "a.h5", made, content=content)
    with h5py.File(tmp_path / "a.h5") as file:
        intervals_s = file["tracks/track_0/scan/time_to_next_transmit"][0]
    np.testing.assert_allclose(intervals_s[-4:-1], [1 / 3000.0, 1 / 12000.0, 1 / 12000.0])
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    for before in made:
        after = source.read(1.0)
        told = after.acquisition
        assert (told.second_prf_hz, told.n_second_pulses) == (12000.0, 2)
        if content is Content.IQ:
            assert identical(restore(quantise(before.iq, of.n_colour_pulses)), after.iq)
        else:
            assert identical(before.colour, after.colour)
    source.close()


def test_a_recording_of_one_prf_says_that_it_has_no_second(tmp_path):
    record(tmp_path / "a.h5", [channel_frame(0, acquisition())])
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    assert ONE_PRF in source.configure(AcquisitionSettings(ensemble=0, dual_prf="4x")).notes
    source.close()
