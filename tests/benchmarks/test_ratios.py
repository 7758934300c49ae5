"""Speed gates: ratios to a yardstick in the same run, at 60 % of what BENCHMARKS.md reports.

Each is the median of five rounds in CPU time, so that a busy machine changes it little.
"""

import json
import subprocess
import sys

import pytest

from ultrasound_console import bench
from ultrasound_console.bench import rivals
from ultrasound_console.bench.clock import times_slower

ROUNDS = 5
GATE = 0.6
SGEMM = f"""
import json
from ultrasound_console import bench
print(json.dumps(bench.against_sgemm(bench.Work(), {ROUNDS})))
"""


@pytest.fixture(scope="module")
def work():
    return bench.Work()


@pytest.fixture(scope="module")
def sgemm_ratios():
    """Share of sgemm peak, and a frame in matrix products: a process with one BLAS thread."""
    done = subprocess.run(
        [sys.executable, "-c", SGEMM], env=bench.one_thread(), check=True, capture_output=True
    )
    return json.loads(done.stdout)


def test_beamforming_to_sgemm_peak(benchmark, work, sgemm_ratios):
    benchmark.pedantic(work.beamform, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["beamform_sgemm_ratio"] = sgemm_ratios[0]
    assert sgemm_ratios[0] > GATE * 0.62


def test_samples_to_maps_in_matrix_products(benchmark, work, sgemm_ratios):
    benchmark.pedantic(work.maps, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["maps_sgemm_products"] = sgemm_ratios[1]
    assert sgemm_ratios[1] < 0.50 / GATE


def test_beamforming_against_scipy(benchmark, work):
    other = work.scipy_csr()
    benchmark.pedantic(other, rounds=1)
    ratio = times_slower(other, work.beamform, ROUNDS)
    benchmark.extra_info["beamform_vs_scipy_csr"] = ratio
    assert ratio > GATE * 4.8


@pytest.mark.rivals
def test_beamforming_against_pymust(benchmark, work):
    pytest.importorskip("pymust")
    other = rivals.pymust_beamformer(work).theirs
    benchmark.pedantic(other, rounds=1)
    ratio = times_slower(other, work.beamform, ROUNDS)
    benchmark.extra_info["beamform_vs_pymust"] = ratio
    assert ratio > GATE * 10.0
