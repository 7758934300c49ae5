"""Ours against other people's implementations, configured alike; see ``pymust_oracle.py``.

Unmarked tests hold ours against stored results of theirs and so run everywhere.
"""

import dataclasses
import math
import os
import sys
from importlib import util

import numpy as np
import pymust_oracle as oracle
import pytest
import scipy.io
from echoes import relative_error
from scipy.ndimage import binary_erosion, convolve1d
from scipy.signal import butter, filtfilt
from scipy.signal.windows import hamming

from ultrasound_console import bench
from ultrasound_console.bench import rivals
from ultrasound_console.dsp import doppler
from ultrasound_console.dsp.arrays import pack_ensemble, unpack_ensemble
from ultrasound_console.dsp.demodulate import DemodulationPlan, demodulate
from ultrasound_console.geometry import ImageGrid, Probe

NUMBERS = (np.float32, np.float64)


def worst_error(value, expected):
    """Largest difference over the root-mean-square of what is expected."""
    return np.abs(value - expected).max() / np.sqrt(np.mean(np.abs(expected) ** 2))


def turns_apart(value, expected):
    """Difference of two velocities in v_N, the shorter way round."""
    return (value - expected + 1.0) % 2.0 - 1.0


def velocity(iq, dtype):
    """Ours, without filter and averaging, of (n_pulses, n_depths, n_lines)."""
    lags = doppler.autocorrelate(pack_ensemble(iq, dtype=dtype), iq.shape[0])
    return doppler.maps(lags).velocity


# ---- everywhere: a small picture that PyMUST made -------------------------------------------


@pytest.fixture(scope="module")
def stored():
    with np.load(oracle.FILE) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("number", range(len(oracle.ANGLES_DEG)))
def test_picture_is_that_of_pymust(stored, number, dtype):
    angle = math.radians(oracle.ANGLES_DEG[number])
    ours = oracle.our_sum(oracle.records(), oracle.plan_for(angle), angle, oracle.START_S, dtype)
    # float32 on both sides: it is stored so.
    assert relative_error(ours, stored["iq"][number]) < 3e-6
    assert worst_error(ours, stored["iq"][number]) < 2e-5


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("number", range(len(oracle.ANGLES_DEG)))
def test_velocity_is_that_of_pymust(stored, number, dtype):
    ours = velocity(stored["iq"][number], dtype)
    assert np.abs(turns_apart(ours, stored["velocity"][number])).max() < 3e-6


@pytest.mark.rivals
def test_pymust_still_makes_what_is_stored(stored):
    pytest.importorskip("pymust")
    made = oracle.made_by_pymust()
    assert relative_error(made["iq"], stored["iq"]) < 1e-6
    assert np.abs(turns_apart(made["velocity"], stored["velocity"])).max() < 1e-6


# ---- the recorded disc ----------------------------------------------------------------------

PULSES_STORED = 4
# What PyMUST takes from the file's `width` and 15 % bandwidth; it beamforms at this f-number.
DISC_F_NUMBER = 1.1248487475247932
DISC_BANDWIDTH = 0.15


@dataclasses.dataclass(frozen=True, eq=False)
class Disc:
    """The recording, and what two others made of it on a grid."""

    rf: np.ndarray  # (pulses, elements, samples) int16
    param: dict
    reference: dict

    @property
    def probe(self):
        return Probe.linear("disc", self.rf.shape[1], self.param["pitch"], self.param["fc"])

    def grid(self, every=1):
        x_m, z_m = self.reference["x"][::every], self.reference["z"][::every]
        return ImageGrid("parallel", z_m.size, x_m.size, (x_m[0], x_m[-1]), (z_m[0], z_m[-1]))

    @property
    def inside(self):
        return binary_erosion(self.reference["disk_mask"], iterations=5)  # 0.5 mm

    def plan(self, grid):
        p = self.param
        return oracle.box_plan(grid, self.probe, DISC_F_NUMBER, p["c"], p["fc"], p["fs"])

    def records(self):
        """IQ as PyMUST's `rf2iq` filters it: Butterworth of order 5, forwards and backwards."""
        p = self.param
        time_s = p["t0"] + np.arange(self.rf.shape[2]) / p["fs"]
        mixed = 2.0 * np.exp(-2j * np.pi * p["fc"] * time_s) * self.rf
        taps = butter(5, DISC_BANDWIDTH * p["fc"] / p["fs"])
        return np.swapaxes(filtfilt(*taps, mixed, axis=-1), 1, 2)

    def our_records(self):
        p = self.param
        plan = DemodulationPlan(p["fs"], p["fc"], p["t0"], self.rf.shape[2])
        channel = demodulate(self.rf, plan)
        return unpack_ensemble(channel, self.rf.shape[0])[:, :, : self.rf.shape[1]]


@pytest.fixture(scope="module")
def disc(data_folder):
    recording = scipy.io.loadmat(data_folder / "PWI_disk.mat", simplify_cells=True)
    numbers = ("fs", "fc", "c", "t0", "pitch", "PRF")
    param = {name: float(recording["param"][name]) for name in numbers}
    with np.load(data_folder / "PWI_disk_reference.npz") as arrays:
        reference = dict(arrays)
    return Disc(np.ascontiguousarray(recording["RF"].transpose(2, 1, 0)), param, reference)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_disc_picture_is_that_of_pymust(disc, dtype):
    grid, start_s, sound_m_s = disc.grid(every=2), disc.param["t0"], disc.param["c"]
    records = disc.records()[:PULSES_STORED]
    expected = np.moveaxis(disc.reference["pymust_iq_das_first4"], -1, 0)[:, ::2, ::2]
    # Its way to a pixel is longer by less than 70 nm. Interpolation is linear in the delay, so
    # the picture lies between one without and one with that much more of it.
    detour_m = oracle.detour_m(grid, disc.probe, 0.0)
    longest_m = detour_m.max()
    assert longest_m < 70e-9
    plan = disc.plan(grid)
    none, most = (
        oracle.our_sum(records, plan, 0.0, start_s - extra_m / sound_m_s, dtype)
        for extra_m in (0.0, longest_m)
    )
    ours = none + (most - none) * (detour_m / longest_m)
    ours = ours * np.exp(2j * np.pi * disc.param["fc"] * detour_m / sound_m_s)
    assert relative_error(ours, expected) < 3e-6
    assert worst_error(ours, expected) < 3e-5
    # With the plane wave's own way it is further off, and still the same picture.
    assert 1e-4 < relative_error(none, expected) < 5e-4


@pytest.fixture(scope="module")
def disc_lags(disc):
    """Lags of all pulses, averaged as the others do: a Hamming window of 9 x 9 pixels.

    Of sums over the aperture: divided by the root of its size, a pixel would weigh otherwise.
    """
    iq = oracle.our_sum(disc.records(), disc.plan(disc.grid()), 0.0, disc.param["t0"], np.float32)
    lags = doppler.autocorrelate(pack_ensemble(iq), iq.shape[0])
    for axis in (1, 2):
        lags = convolve1d(lags, hamming(9), axis=axis, mode="reflect")
    return lags


@pytest.mark.parametrize("peer", ["pymust_vd_hamming9", "zea018_vd_hamming9"])
def test_disc_velocity_from_samples_is_that_of_others(disc, disc_lags, peer):
    expected = disc.reference[peer] / disc.reference["vnyq"]
    apart = turns_apart(doppler.maps(disc_lags).velocity, expected)[disc.inside]
    assert np.sqrt(np.mean(apart**2)) < 1e-5
    assert np.abs(apart).max() < 1e-4


@pytest.mark.rivals
@pytest.mark.parametrize("transmit_deg", [0.0, 10.0])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_disc_picture_along_rays_is_that_of_pymust(disc, transmit_deg, dtype):
    pytest.importorskip("pymust")
    angle = math.radians(transmit_deg)
    plan = disc.plan(oracle.along_rays(disc.probe, angle, 7, 60, (10e-3, 35e-3)))
    records = disc.records()[:2]
    expected = oracle.pymust_sum(records, plan, angle, disc.param["t0"])
    ours = oracle.our_sum(records, plan, angle, disc.param["t0"], dtype)
    assert relative_error(ours, expected) < (3e-6 if dtype == np.float32 else 1e-11)
    assert worst_error(ours, expected) < (3e-5 if dtype == np.float32 else 1e-10)


@pytest.mark.rivals
def test_disc_velocity_of_the_same_samples_is_that_of_pymust(disc):
    pytest.importorskip("pymust")
    p = disc.param
    plan = disc.plan(oracle.along_rays(disc.probe, 0.0, 7, 100, (10e-3, 35e-3)))
    # Our demodulator's samples this time: what is filtered how does not matter here.
    records = disc.our_records().astype(np.complex128)
    iq = oracle.pymust_sum(records, plan, 0.0, p["t0"])
    expected = oracle.pymust_velocity(iq, p["PRF"], p["fc"], p["c"])
    assert np.abs(turns_apart(velocity(iq, np.float32), expected)).max() < 1e-5
    assert np.abs(turns_apart(velocity(iq, np.float64), expected)).max() < 1e-10
    beamformed = oracle.our_sum(records, plan, 0.0, p["t0"], np.float32)
    assert np.abs(turns_apart(velocity(beamformed, np.float32), expected)).max() < 1e-3


@pytest.mark.rivals
def test_disc_samples_are_those_of_pymust(disc):
    pymust = pytest.importorskip("pymust")
    param = pymust.utils.Param()
    param.fs, param.fc, param.t0 = disc.param["fs"], disc.param["fc"], np.array([disc.param["t0"]])
    param.bandwidth = 100.0 * DISC_BANDWIDTH
    iq = pymust.rf2iq(disc.rf.transpose(2, 1, 0)[..., :2].astype(float), param)
    assert relative_error(disc.records()[:2], iq.transpose(2, 0, 1)) < 1e-12


# ---- the frame of the benchmark -------------------------------------------------------------


@pytest.fixture(scope="module")
def work():
    return bench.Work()


@pytest.mark.rivals
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("transmit_deg", [0.0, 8.0])
def test_bench_picture_along_rays_is_that_of_pymust(work, transmit_deg, dtype):
    pytest.importorskip("pymust")
    acquisition, angle = bench.workload().acquisition, math.radians(transmit_deg)
    grid = oracle.along_rays(acquisition.probe, angle, 7, 48, (4e-3, 42e-3))
    plan = dataclasses.replace(work.receive, grid=grid, taper=rivals.BOX_TAPER)
    records = unpack_ensemble(work.channel, 2)[:, :, : bench.N_ELEMENTS].astype(np.complex128)
    expected = oracle.pymust_sum(records, plan, angle, acquisition.start_time_s)
    ours = oracle.our_sum(records, plan, angle, acquisition.start_time_s, dtype)
    assert relative_error(ours, expected) < (1e-5 if dtype == np.float32 else 1e-11)
    assert worst_error(ours, expected) < (1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.rivals
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("key", rivals.RIVALS)
def test_rivals_do_the_same_work(work, key):
    package, maker = rivals.RIVALS[key]
    pytest.importorskip(package)
    outcome = rivals.compare(work, package, maker, rounds=1)
    assert outcome.state == "measured"
    assert outcome.likeness > 0.99
    assert outcome.times_slower > 0.0


@pytest.mark.rivals
def test_pymust_makes_the_picture_that_is_measured(work):
    pytest.importorskip("pymust")
    rival = rivals.pymust_beamformer(work)
    # What is left is its way through four points an element.
    assert relative_error(rival.picture(rival.theirs()), rival.expected) < 1e-3


# ---- how they are compared ------------------------------------------------------------------


def rival(made, expected=(1.0, 1j), **changes):
    return rivals.Rival(
        lambda: np.array(made, complex), lambda: None, lambda it: it, np.array(expected), **changes
    )


def test_likeness_knows_one_complex_factor_only():
    a, b = np.array([1.0, 1j, 2.0]), np.array([2.0, 1.0, 1j])
    assert rivals.alike(3j * a, a) == pytest.approx(1.0)
    # |2 - i + 2i| / 6
    assert rivals.alike(a, b) == pytest.approx(math.sqrt(5) / 6)
    assert rivals.alike(0 * a, b) == 0.0


def test_one_that_does_other_work_is_not_measured():
    outcome = rivals.compare(None, "numpy", lambda work: rival([1.0, 1.0]), 3)
    assert outcome.times_slower is None
    assert "likeness 0.71" in outcome.state
    outcome = rivals.compare(None, "numpy", lambda work: rival([np.nan, 1.0]), 3)
    assert outcome.times_slower is None


def test_one_that_is_not_there_is_not_measured():
    outcome = rivals.compare(None, "no_such_package", pytest.fail, 3)
    assert outcome.state == "not measured: no_such_package is not installed"

    def broken(work):
        raise ImportError("it needs a backend\ninstall one")

    outcome = rivals.compare(None, "numpy", broken, 3)
    assert outcome.state == "not measured: it needs a backend"


def test_slow_ones_take_few_rounds(monkeypatch):
    asked = []

    def times_slower(theirs, ours, rounds, *, clock):
        asked.append(rounds)
        return 7.0

    monkeypatch.setattr(rivals, "times_slower", times_slower)
    for most in (None, 3):
        outcome = rivals.compare(None, "numpy", lambda _: rival([2j, -2], most_rounds=most), 25)  # noqa: B023
        assert outcome == rivals.Outcome("measured", 7.0, pytest.approx(1.0))
    assert asked == [25, 3]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to cores")
def test_threads_are_free_again():
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError, match="fault"), rivals.on_one_core():
        assert len(os.sched_getaffinity(0)) == 1
        raise RuntimeError("fault")
    assert os.sched_getaffinity(0) == before


@pytest.mark.rivals
@pytest.mark.filterwarnings("default")
def test_velocity_is_that_of_zea(stored):
    if util.find_spec("zea") is None or util.find_spec("jax") is None:
        pytest.skip("zea with jax is not installed")
    from zea.doppler import color_doppler

    nyquist_m_s = oracle.C_M_S * oracle.PRF_HZ / (4.0 * oracle.F0_HZ)
    for iq in stored["iq"]:
        theirs = color_doppler(iq, oracle.F0_HZ, oracle.PRF_HZ, oracle.C_M_S)
        apart = turns_apart(velocity(iq, np.float32), np.asarray(theirs) / nyquist_m_s)
        assert np.abs(apart).max() < 3e-6
