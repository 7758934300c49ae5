"""Evidence maps: against the array code, closed forms, and moving speckle."""

import dataclasses
import math

import numpy as np
import pytest

from ultrasound_console.dsp import features
from ultrasound_console.dsp.arrays import aligned_zeros, n_lanes, pack_ensemble
from ultrasound_console.dsp.evidence import (
    N_MAPS,
    SPEEDS,
    EchoShift,
    cells_of,
    echo_evidence,
)
from ultrasound_console.geometry import ImageGrid, plane_wave_velocity_m_s
from ultrasound_console.training import synthetic
from ultrasound_console.training.recipe import random_recipe

SHIFT = EchoShift(rows_per_nyquist=0.6, rows_per_line=0.2, lines_per_wavelength=2.3)


@pytest.mark.parametrize(
    ("shape", "n_pulses", "kind"),
    [
        ((61, 53), 9, "polynomial-1"),
        ((64, 64), 16, "svd-medium"),
        ((40, 30), 20, "none"),
        ((12, 9), 2, "none"),
        ((9, 40), 3, "none"),
        # Less than the shifts that are tried.
        ((5, 4), 12, "polynomial-1"),
        ((2, 2), 6, "none"),
    ],
)
def test_kernel_repeats_the_array_code(shape, n_pulses, kind):
    rng = np.random.default_rng(1)
    iq = aligned_zeros((*shape, 2, n_lanes(n_pulses)))
    iq[..., :n_pulses] = rng.standard_normal((*shape, 2, n_pulses))
    # Neighbours alike, so that some correlations are large.
    iq[1:] += iq[:-1]
    # Some places are silent, and some nearly so.
    iq[shape[0] // 2 :, : shape[1] // 3] = 0.0
    iq[: shape[0] // 4, shape[1] // 2 :] *= 1e-5
    fast = echo_evidence(iq, n_pulses, SHIFT, kind)
    exact = echo_evidence(iq.astype(np.float64), n_pulses, SHIFT, kind)
    small = echo_evidence(iq * np.float32(1e-18), n_pulses, SHIFT, kind)
    np.testing.assert_allclose(small, fast, atol=2e-6)
    assert fast.shape == exact.shape == (N_MAPS, *cells_of(shape))
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, exact, atol=2e-6)


@pytest.mark.parametrize(("speed", "candidate"), [(2, 0), (-5, 1), (6, -1), (0, 2)])
def test_echoes_that_move_by_whole_pixels_line_up_at_their_speed_only(speed, candidate):
    # At one row per v_N echoes rise as many rows as they have speed; on its way an echo also moves
    # sideways, and by one row for every two lines along the wave front. Their phase is chance: the
    # measured velocity has no say.
    shift = EchoShift(rows_per_nyquist=1.0, rows_per_line=0.5, lines_per_wavelength=2.0)
    n_pulses, shape = 12, (120, 96)
    rng = np.random.default_rng(speed + 9)
    sideways = candidate * shift.lines_per_candidate
    upwards = speed + sideways // 2
    pad = n_pulses * 8
    wide = tuple(n + 2 * pad for n in shape)
    echoes = rng.standard_normal(wide) + 1j * rng.standard_normal(wide)
    rows, lines = np.mgrid[: shape[0], : shape[1]]
    turns = np.exp(2j * np.pi * rng.random(shape))
    iq = pack_ensemble(
        np.stack(
            [
                turns * echoes[rows + pad + k * upwards, lines + pad - k * sideways]
                for k in range(n_pulses)
            ]
        )
    )
    maps = echo_evidence(iq, n_pulses, shift)
    for of_lag in maps[: len(SPEEDS)], maps[len(SPEEDS) :]:
        inner = of_lag[:, 8:-8, 8:-8]
        at = SPEEDS.index(speed)
        np.testing.assert_allclose(inner[at], 1.0, atol=1e-5)
        assert np.delete(inner, at, axis=0).max() < 0.85
        assert np.delete(inner, at, axis=0).mean() < 0.5


def test_shift_agrees_with_the_velocity_that_the_system_measures():
    wavelength_m, pixel_m = 3e-4, (1.4e-4, 2.1e-4)
    for grid_deg, transmit_deg, receive_deg in ((0, 0, 0), (0, 12, 0), (15, 15, 15), (-8, -8, -8)):
        angles = [math.radians(a) for a in (grid_deg, transmit_deg, receive_deg)]
        shift = EchoShift.on_grid(pixel_m, wavelength_m, *angles)
        grid = ImageGrid(
            "parallel", 50, 50, (0.0, 49 * pixel_m[1]), (0.0, 49 * pixel_m[0]), angles[0]
        )
        x_m, z_m = grid.positions_m(20.0, 20.0)
        moved_m = (2.3e-5, -4.1e-5)
        row, line = grid.indices(x_m + moved_m[0], z_m + moved_m[1])
        # Metres per pulse over v_N, a quarter of a wavelength per pulse.
        v = plane_wave_velocity_m_s(*moved_m, *angles[1:]) / (0.25 * wavelength_m)
        up = shift.rows_per_nyquist * v + shift.rows_per_line * (line - 20.0)
        assert 20.0 - row == pytest.approx(float(up), abs=1e-9)


def uniform_flow(recipe, speed, seed, across=0.4):
    """Ensemble of blood that moves as a whole, partly across the beam, and its features."""
    per_row, per_line = recipe.path
    rows, lines = 1.0 / recipe.row_step, across / recipe.line_step
    scale = speed / (-4.0 * (per_row * rows + per_line * lines))
    wide = tuple(n + 64 for n in (96, 96))
    velocity = np.stack([np.full(wide, rows * scale), np.full(wide, lines * scale)])
    made = synthetic.ensemble(
        np.random.default_rng(seed), recipe, velocity.astype(np.float32), np.ones(wide, bool), 32
    )
    return made, synthetic.features(recipe, made.iq)


def seen_speed(evidence):
    """Likeliest speed of each cell, by both lags."""
    both = evidence.reshape(2, len(SPEEDS), *evidence.shape[1:]).sum(axis=0)
    return np.array(SPEEDS)[both.argmax(axis=0)]


def seen_share(recipe, speed):
    right = total = 0
    for seed in range(3):
        made, found = uniform_flow(recipe, speed, seed)
        near = np.abs(seen_speed(found.evidence) - made.truth[1::4, 1::4]) <= 1.0
        right += np.count_nonzero(near[2:-2, 2:-2])
        total += near[2:-2, 2:-2].size
    return right / total


def clean_recipe(**changes):
    recipe = random_recipe(np.random.default_rng(0))
    values = {
        "row_step": 0.5,
        "line_step": 0.7,
        "grid_rad": 0.2,
        "transmit_rad": 0.2,
        "receive_rad": 0.2,
        "axial_width": 0.48,
        "lateral_width": 0.7,
        "n_pulses": 12,
        "wall_filter": "none",
        "smoothing": 2.6,
        "spread": 0.0,
        "snr_db": 25.0,
        "clutter_db": -60.0,
        "inside_db": -80.0,
        "flash": 0.0,
        "n_shadows": 0,
    }
    return dataclasses.replace(recipe, **(values | changes))


# Chance is two in fifteen.
@pytest.mark.parametrize(
    ("speed", "least"), [(0.4, 0.95), (1.4, 0.95), (2.5, 0.95), (-3.4, 0.95), (5.2, 0.6)]
)
def test_moving_speckle_shows_its_speed(speed, least):
    assert seen_share(clean_recipe(), speed) > least


def test_the_tilt_of_the_wave_matters_where_flow_is_lateral():
    recipe = clean_recipe(grid_rad=0.0, receive_rad=0.0, transmit_rad=0.4)
    made, found = uniform_flow(recipe, 3.0, seed=0, across=-2.0)
    upright = EchoShift.on_grid(recipe.pixel_m, recipe.wavelength_m)
    untilted = echo_evidence(made.iq, recipe.n_pulses, upright)
    wanted, inner = made.truth[1::4, 1::4], np.s_[2:-2, 2:-2]
    off = [np.abs(seen_speed(maps) - wanted)[inner] for maps in (found.evidence, untilted)]
    assert np.mean(off[0] <= 1.0) > 2.0 * np.mean(off[1] <= 1.0)


def test_inputs_are_padded_and_know_what_they_do_not_know():
    rng = np.random.default_rng(2)
    shape = (151, 138)
    velocity = rng.uniform(-1, 1, shape).astype(np.float32)
    zeros = np.zeros(shape, np.float32)
    previous = np.where(rng.random(shape) < 0.5, 2.0, np.nan)
    planes = features.planes(velocity, zeros, zeros, zeros, previous)
    assert planes.shape == (features.N_PLANES, 160, 160)
    assert not planes[:, 151:].any()
    assert not planes[:, :, 138:].any()
    inside = planes[:, :151, :138]
    np.testing.assert_allclose(np.arctan2(inside[1], inside[0]) / np.pi, velocity, atol=1e-6)
    np.testing.assert_array_equal(inside[6], np.isfinite(previous))
    np.testing.assert_array_equal(inside[5], np.where(np.isfinite(previous), 0.5, 0.0))

    maps = rng.random((N_MAPS, *cells_of(shape))).astype(np.float32)
    evidence = features.evidence(maps, shape)
    assert evidence.shape == (features.N_EVIDENCE, 40, 40)
    exact = features.evidence(maps.astype(np.float64), shape)
    np.testing.assert_allclose(evidence, exact, atol=1e-6)
    n = len(SPEEDS)
    for number in range(2):
        mean, rest = evidence[number * (n + 1)], evidence[number * (n + 1) + 1 :][:n]
        of_lag = maps[number * n :][:n]
        np.testing.assert_allclose(mean[:38, :35], of_lag.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(rest.sum(axis=0), 0.0, atol=1e-5)
        assert (rest[:, :38, :35].argmax(axis=0) == of_lag.argmax(axis=0)).all()
    assert not features.evidence(None, shape).any()
    # A batch is what its frames are.
    batch = features.planes(*(np.stack([p, p]) for p in (velocity, zeros, zeros, zeros, previous)))
    np.testing.assert_allclose(batch[1], planes, atol=1e-6)


def test_lines_that_lie_close_together_take_no_more_memory():
    # Lateral candidates lie a wavelength apart, here far beyond either side of the picture.
    shift = EchoShift(rows_per_nyquist=1.0, rows_per_line=0.0, lines_per_wavelength=1e6)
    iq = aligned_zeros((16, 16, 2, n_lanes(8)))
    iq[..., :8] = np.random.default_rng(0).standard_normal((16, 16, 2, 8))
    maps = echo_evidence(iq, 8, shift)
    upright = echo_evidence(iq.astype(np.float64), 8, shift)
    np.testing.assert_allclose(maps, upright, atol=2e-6)
