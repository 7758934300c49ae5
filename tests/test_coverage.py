"""Channels that deliver nothing and pictures out of reach: named, and nothing else breaks."""

import dataclasses
import math

import numpy as np
import pytest
from echoes import arrival_s, rf_echoes
from frames_for_tests import make_acquisition

from ultrasound_console.dsp import coverage
from ultrasound_console.frames import ChannelFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.pipeline import PipelineError, doppler, form
from ultrasound_console.settings import ProcessingSettings

GRID = ImageGrid("parallel", 48, 40, (-4e-3, 4e-3), (8e-3, 14e-3))
PLAIN = ProcessingSettings(wall_filter="none", flow_power_db=6.0, dealias_method="continuity")
N_SAMPLES = 620


def acquisition_of(**changes):
    acquisition = make_acquisition(colour_grid=GRID, bmode_grid=GRID)
    return dataclasses.replace(acquisition, n_pulses=6, **changes)


@pytest.fixture(scope="module")
def frame():
    """Scatterers that move towards the probe, over a little noise."""
    acquisition = acquisition_of()
    probe, f0_hz = acquisition.probe, acquisition.center_frequency_hz
    rng = np.random.default_rng(0)
    x_m, z_m = rng.uniform(-5e-3, 5e-3, 40), rng.uniform(7e-3, 15e-3, 40)
    time_s = np.arange(N_SAMPLES) / acquisition.sampling_frequency_hz
    pulses = []
    for k in range(acquisition.n_pulses):
        moved_m = z_m - 0.05 * k / acquisition.prf_hz
        tau_s = arrival_s(x_m, moved_m, probe.element_x_m, probe.element_z_m, 0.0, 1540.0)
        pulses.append(rf_echoes(tau_s, time_s, f0_hz))
    rf = 1000 * np.stack(pulses)
    rf += rng.normal(size=rf.shape)
    return ChannelFrame(0, 0.0, 0.0, acquisition, np.round(rf).astype(np.int16))


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.complex64])
def test_constant_channels_are_found(kind):
    samples = np.random.default_rng(1).normal(size=(9, 50)) * 100
    samples = (samples + 1j * samples[::-1] if kind is np.complex64 else samples).astype(kind)
    assert coverage.constant(samples) == coverage.Channels((), ())
    samples[[2, 7]] = 0
    samples[4] = 33
    samples[5, :-1] = 8  # its last sample differs
    assert coverage.constant(samples) == coverage.Channels((2, 7), (4,))


def damaged(frame, silent=(), stuck=()):
    colour = frame.colour.copy()
    colour[:, list(silent)] = 0
    colour[:, list(stuck)] = 2047
    return dataclasses.replace(frame, colour=colour)


def test_a_picture_forms_around_dead_channels_and_says_which(frame):
    healthy = doppler(form(frame, PLAIN), PLAIN, None)
    assert healthy.notes == ()
    hurt = doppler(form(damaged(frame, [3, 60, 61], [100]), PLAIN), PLAIN, None)
    assert hurt.notes == (
        "3 of 128 channels are silent: 4, 61, 62",
        "1 of 128 channels is stuck at one value: 101",
    )
    both = (healthy.power_db > 12.0) & (hurt.power_db > 12.0)
    assert both.mean() > 0.2
    error = hurt.velocity_m_s[both] - healthy.velocity_m_s[both]
    assert np.sqrt(np.mean(error**2)) < 0.02 * healthy.nyquist_velocity_m_s


def test_many_dead_channels_are_counted_and_the_first_are_named(frame):
    (note,) = form(damaged(frame, range(20)), PLAIN).notes
    assert note == "20 of 128 channels are silent: 1, 2, 3, 4, 5, 6, 7, 8, ..."


def test_a_dead_array_shows_no_flow(frame):
    picture = doppler(form(damaged(frame, range(128)), PLAIN), PLAIN, None)
    assert picture.notes[0].startswith("128 of 128 channels are silent")
    assert np.all(picture.status == Status.NO_FLOW)


def moved(frame, grid, **changes):
    acquisition = acquisition_of(colour_grid=grid, bmode_grid=grid, **changes)
    return dataclasses.replace(frame, acquisition=acquisition)


def test_a_grid_beside_the_array_is_refused(frame):
    beside = dataclasses.replace(GRID, lines=(0.04, 0.05))
    with pytest.raises(PipelineError, match=r"no element sees the colour grid.*move it"):
        form(moved(frame, beside), PLAIN)


@pytest.mark.parametrize("range_m", [(1e-3, 1.5e-3), (24e-3, 30e-3)], ids=["before", "behind"])
def test_a_grid_outside_the_record_is_refused(frame, range_m):
    grid = dataclasses.replace(GRID, range_m=range_m)
    # The record begins at 3.85 mm and ends at about 22 mm.
    with pytest.raises(PipelineError, match=r"colour grid was recorded.* 3\.9 \.\.\. .* mm; place"):
        form(moved(frame, grid, start_time_s=5e-6), PLAIN)


def test_a_bmode_grid_out_of_reach_is_named(frame):
    far = dataclasses.replace(GRID, range_m=(50e-3, 60e-3))
    acquisition = acquisition_of(bmode_grid=far, bmode_angles_rad=(0.0,))
    block = dataclasses.replace(frame, acquisition=acquisition, bmode=frame.colour[:1])
    with pytest.raises(PipelineError, match="B-mode grid was recorded"):
        form(block, PLAIN)


@pytest.mark.parametrize(
    "grid",
    [
        dataclasses.replace(GRID, lines=(0.015, 0.04)),
        dataclasses.replace(GRID, range_m=(12e-3, 30e-3)),
        dataclasses.replace(GRID, angle_rad=math.radians(20), lines=(0.0, 0.03)),
    ],
    ids=["half beside", "half behind", "steered out"],
)
def test_what_is_out_of_reach_in_part_shows_no_flow_there(frame, grid):
    picture = doppler(form(moved(frame, grid), PLAIN), PLAIN, None)
    x_m, z_m = grid.positions_m()
    half_array_m = frame.acquisition.probe.element_x_m[-1]
    out = (x_m - z_m * math.tan(grid.angle_rad) > half_array_m + 7e-3) | (z_m > 19e-3)
    assert out.any()
    assert not out.all()
    assert np.all(picture.status[out] == Status.NO_FLOW)
    assert not picture.velocity_m_s[out].any()


@pytest.mark.parametrize("n_pulses", [2, 3])
@pytest.mark.parametrize("wall_filter", ["none", "polynomial-3", "high", "iir-high", "svd-high"])
def test_the_shortest_ensembles_take_what_filter_they_can(frame, n_pulses, wall_filter):
    acquisition = dataclasses.replace(frame.acquisition, n_pulses=n_pulses)
    short = dataclasses.replace(frame, acquisition=acquisition, colour=frame.colour[:n_pulses])
    processing = ProcessingSettings(wall_filter=wall_filter)
    picture = doppler(form(short, processing), processing, None)
    for name in ("velocity_m_s", "power_db", "bandwidth", "confidence"):
        assert np.all(np.isfinite(getattr(picture, name)))
    assert picture.power_db.max() > 0.0
    weakened = (wall_filter != "none" and n_pulses == 2) or wall_filter == "polynomial-3"
    assert any(f"{n_pulses} pulses are too few" in note for note in picture.notes) == weakened


def test_one_pulse_is_refused(frame):
    acquisition = dataclasses.replace(frame.acquisition, n_pulses=1)
    one = dataclasses.replace(frame, acquisition=acquisition, colour=frame.colour[:1])
    with pytest.raises(PipelineError, match="a velocity needs at least 2"):
        form(one, PLAIN)
