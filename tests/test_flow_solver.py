"""The flow solver against closed forms, and the files that keep what it finds."""

import hashlib
import io
import math

import numpy as np
import pytest

from ultrasound_console.assets import CHECKSUMS, AssetError
from ultrasound_console.simulation.kernels_numba import sample_spline
from ultrasound_console.simulation.make import main
from ultrasound_console.simulation.phantoms import (
    Phantom,
    read_phantom,
    solve,
    write_phantom,
)
from ultrasound_console.simulation.solver import Problem, Solver, developed
from ultrasound_console.simulation.vessels import Channel, straight_walls

RADIUS_M, MIDDLE_Z_M = 2.5e-3, 10e-3
SPACING_M = 3e-4


def tube(tilt_deg=12.0):
    return Channel(*straight_walls((0.0, MIDDLE_Z_M), RADIUS_M, math.radians(tilt_deg), 14e-3))


def problem(course, viscosity_m2_s, fastest_m_s, period_s=0.9, tilt_deg=12.0):
    return Problem(
        tube(tilt_deg),
        (lambda time_s: 0.0 * time_s, course),
        period_s,
        viscosity_m2_s,
        fastest_m_s,
        SPACING_M,
        reach_m=8.4e-3,
    )


def velocity(solver, coefficients, x_m, z_m):
    out = np.empty((3, x_m.size))
    sample_spline(solver.spline(coefficients), solver.origin_m, SPACING_M, x_m, z_m, out)
    return out[1], out[2]


def points(tilt_deg=12.0):
    """Points of the tube away from the fringe, and how far across they lie, -1 ... 1."""
    rng = np.random.default_rng(1)
    x_m, z_m = rng.uniform(-4e-3, 4e-3, 4000), rng.uniform(5e-3, 15e-3, 4000)
    tilt = math.radians(tilt_deg)
    across = ((z_m - MIDDLE_Z_M) * math.cos(tilt) - x_m * math.sin(tilt)) / RADIUS_M
    kept = np.abs(across) < 1.0
    return x_m[kept], z_m[kept], across[kept]


def along_and_across(vx, vz, tilt_deg=12.0):
    tilt = math.radians(tilt_deg)
    return vx * math.cos(tilt) + vz * math.sin(tilt), vz * math.cos(tilt) - vx * math.sin(tilt)


@pytest.mark.parametrize("tilt_deg", [0.0, 12.0, -31.0])
def test_steady_flow_is_a_parabola_wherever_the_walls_cut_the_cells(tilt_deg):
    peak_m_s = 0.2
    flow_m2_s = peak_m_s * 2.0 / 3.0 * 2.0 * RADIUS_M
    wanted = problem(lambda t: flow_m2_s + 0.0 * t, 3.5e-6, peak_m_s, tilt_deg=tilt_deg)
    solver = Solver(wanted, 3)
    *_, coefficients = solver.run(0.0, 2)
    x_m, z_m, across = points(tilt_deg)
    along, beside = along_and_across(*velocity(solver, coefficients, x_m, z_m), tilt_deg)
    np.testing.assert_allclose(along, peak_m_s * (1.0 - across**2), atol=0.01 * peak_m_s)
    assert np.abs(beside).max() < 0.005 * peak_m_s


@pytest.mark.parametrize("alpha", [5.0, 9.0])
def test_pulsating_flow_has_the_profile_of_womersley(alpha):
    period_s, flow_m2_s = 0.9, 2e-4
    omega = 2.0 * math.pi / period_s
    viscosity_m2_s = RADIUS_M**2 * omega / alpha**2
    wanted = problem(lambda t: flow_m2_s * np.cos(omega * t), viscosity_m2_s, 0.08)
    n_phases = 8
    solver = Solver(wanted, n_phases)
    x_m, z_m, y = points()
    lam = alpha * np.sqrt(1j)
    # u = A (1 - cosh(lam y) / cosh(lam)), with A from the flow through the whole width.
    profile = 1.0 - np.cosh(lam * y) / np.cosh(lam)
    profile *= flow_m2_s / (2.0 * RADIUS_M * (1.0 - np.tanh(lam) / lam))
    peak_m_s = np.abs(profile).max()
    for k, coefficients in enumerate(solver.run(0.0, 2 * n_phases)):
        if k < n_phases:
            continue
        time_s = (k + 1) * period_s / n_phases
        exact = (profile * np.exp(1j * omega * time_s)).real
        along, beside = along_and_across(*velocity(solver, coefficients, x_m, z_m))
        np.testing.assert_allclose(along, exact, atol=0.02 * peak_m_s)
        assert np.abs(beside).max() < 0.01 * peak_m_s


def test_inertia_neither_makes_nor_takes_energy():
    solver = Solver(problem(lambda t: 1e-3 + 0.0 * t, 3.5e-6, 0.3))
    coefficients = np.random.default_rng(2).standard_normal(solver.active.size)
    push = solver.inertia(coefficients)
    assert np.abs(push).max() > 0.0
    assert abs(coefficients @ push) < 1e-12 * (np.abs(coefficients) @ np.abs(push))


def test_inertia_is_the_vorticity_that_is_carried_along():
    # Around the middle, psi = x^2 z: lap psi = 2 z, u = (x^2, -2 x z), so that
    # - u . grad(lap psi) = 4 x z, whose product with a spline there is close to its value.
    solver = Solver(problem(lambda t: 1e-3 + 0.0 * t, 3.5e-6, 0.3, tilt_deg=0.0))
    n_z, n_x = solver.shape
    row, column = n_z // 2, n_x // 2 + 4
    x_m = solver.origin_m[0] + SPACING_M * np.arange(n_x)
    z_m = solver.origin_m[1] + SPACING_M * np.arange(n_z) - MIDDLE_Z_M
    # Spline coefficients of x^2 lie h^2 / 3 below its values.
    spline = (x_m**2 - SPACING_M**2 / 3.0) * z_m[:, None]
    push = solver.spline(solver.inertia(spline.ravel()[solver.active]))
    expected = 4.0 * x_m[column] * z_m[row] * SPACING_M**2
    assert push[row, column] == pytest.approx(expected, rel=1e-6)


def test_developed_flow_goes_from_wall_to_wall():
    for omega in (0.0, 7.0, 200.0, 2000.0):
        share = developed(np.array([0.0, 0.5, 1.0]), 3e-3, omega, 3.5e-6)
        np.testing.assert_allclose(share, [0.0, 0.5, 1.0], atol=1e-9)


# --- files ----------------------------------------------------------------------------------


def pulsating():
    def course(time_s):
        return 1e-3 * (1.0 + 0.2 * np.cos(2.0 * math.pi / 0.05 * time_s))

    return problem(course, 2e-5, 0.4, period_s=0.05)


@pytest.fixture(scope="module")
def made():
    *parts, phantom = solve(pulsating(), 16)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    return phantom


def test_the_same_problem_has_the_same_solution(made):
    *_, again = solve(pulsating(), 16)
    np.testing.assert_array_equal(again.counts, made.counts)
    assert again.unit_m2_s == made.unit_m2_s
    # Before it is rounded too, to the last bit.
    runs = [list(Solver(pulsating(), 16).run(0.0, 2)) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        assert np.abs(first).max() > 0.0
        assert first.tobytes() == second.tobytes()


def test_a_phantom_comes_back_as_it_was_written(made, tmp_path):
    path = tmp_path / "tube.npz"
    write_phantom(path, made)
    first = path.read_bytes()
    write_phantom(path, made)
    assert path.read_bytes() == first
    back = read_phantom(path)
    np.testing.assert_array_equal(back.counts, made.counts)
    np.testing.assert_array_equal(back.active, made.active)
    np.testing.assert_array_equal(back.samples(), made.samples())
    assert (back.shape, back.spacing_m, back.unit_m2_s) == (
        made.shape, made.spacing_m, made.unit_m2_s,
    )  # fmt: skip
    assert np.abs(made.counts).max() == np.iinfo(np.int16).max
    # Another file keeps its line.
    write_phantom(tmp_path / "other.npz", made)
    assert len((tmp_path / CHECKSUMS).read_text().splitlines()) == 2
    read_phantom(path)


def test_a_changed_or_missing_file_is_refused(made, tmp_path):
    path = tmp_path / "tube.npz"
    write_phantom(path, made)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"tube\.npz.*SHA256SUMS"):
        read_phantom(path)
    with pytest.raises(AssetError, match=r"gone\.npz"):
        read_phantom(tmp_path / "gone.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"spacing_m": 1.0},
        {"spacing_m": math.nan},
        {"unit_m2_s": math.inf},
        {"origin_m": np.zeros(3)},
        {"shape": (4, 4)},
        {"shape": (100_000, 100_000)},
        {"counts": np.zeros((3, 2), np.int16)},
        {"active": np.array([5, 4], np.int64), "counts": np.zeros((3, 2), np.int16)},
        {"active": np.zeros(0, np.int64), "counts": np.zeros((3, 0), np.int16)},
    ],
)
def test_a_phantom_that_cannot_be_is_refused(made, tmp_path, change):
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    path = tmp_path / "odd.npz"
    write_phantom(path, Phantom(**(fields | change)))
    with pytest.raises(AssetError, match=r"odd\.npz: damaged"):
        read_phantom(path)


def test_pickles_are_refused(tmp_path, made):
    path = tmp_path / "pickle.npz"
    write_phantom(path, made)
    buffer = io.BytesIO()
    np.savez(buffer, origin_m=np.array([{}], dtype=object))
    path.write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    (tmp_path / CHECKSUMS).write_text(f"{digest}  pickle.npz\n")
    with pytest.raises(AssetError, match=r"pickle\.npz"):
        read_phantom(path)


def test_the_command_names_the_vessels_it_knows(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["aorta", "--folder", str(tmp_path)])
    assert "stenosis" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--folder", str(tmp_path / "gone")])
    assert "no folder" in capsys.readouterr().err
