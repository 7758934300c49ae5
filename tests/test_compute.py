"""The device that runs the pipeline, chosen and failing; the processor stands in for the GPU."""

import dataclasses

import numpy as np
import pytest
from pipeline_checks import assert_same_picture, channel_frame

from ultrasound_console import compute as compute_module
from ultrasound_console.compute import Compute
from ultrasound_console.pipeline import PipelineError, doppler, form
from ultrasound_console.pipeline import estimates as estimates_module
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.status import CPU_NAME

GPU_NAME = "Processor"
CPU, GPU, AUTO = (ProcessingSettings(compute=name) for name in ("cpu", "gpu", "auto"))
OUT_OF_MEMORY = (
    "GPU failed (out of memory): going on with the CPU; choose Compute: gpu to try again"
)


class Told(list):
    def __call__(self, text):
        self.append(text)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def compute(told):
    return Compute(told)


@pytest.fixture(scope="module")
def channels():
    return [channel_frame(index=index) for index in range(3)]


@pytest.fixture(scope="module")
def expected(channels):
    previous, pictures = None, []
    for channel in channels:
        previous = doppler(form(channel, CPU), CPU, previous)
        pictures.append(previous)
    return pictures


def run(compute, channel, processing, previous=None):
    return compute.doppler(compute.form(channel, processing), processing, previous, for_cine=True)


class Failure:
    """Fails from one call on; for how many calls."""

    def __init__(self, first, error, n=1):
        self.calls, self.error = range(first, first + n), error
        self.n_done = 0

    def __call__(self, name):
        self.n_done += 1
        if self.n_done - 1 in self.calls:
            raise self.error


def test_a_gpu_is_used_where_there_is_one(device, compute, told, channels, expected):
    done = run(compute, channels[0], AUTO)
    assert done.device == GPU_NAME
    assert done.frame.processing is AUTO
    assert done.estimates.quantised.samples.dtype == np.int16
    assert_same_picture(done.frame, expected[0])
    assert told == []


def test_the_cpu_asks_nothing_of_the_gpu(device, compute, channels, expected):
    done = run(compute, channels[0], CPU)
    assert done.device == CPU_NAME
    assert device.log == []
    np.testing.assert_array_equal(done.frame.velocity_m_s, expected[0].velocity_m_s)


def test_switching_takes_effect_with_the_next_frame(device, compute, told, channels):
    on_its_way = compute.form(channels[0], GPU)
    assert compute.doppler(on_its_way, CPU, None).device == GPU_NAME
    devices = [run(compute, channels[1], choice).device for choice in (CPU, GPU, CPU, AUTO)]
    assert devices == [CPU_NAME, GPU_NAME, CPU_NAME, GPU_NAME]
    assert told == []


def test_without_a_gpu_only_who_asked_for_one_is_told(monkeypatch, compute, told, channels):
    monkeypatch.setattr(compute_module, "missing_gpu", lambda: "CuPy is not installed")
    assert run(compute, channels[0], AUTO).device == CPU_NAME
    assert told == []
    for _ in range(2):
        assert run(compute, channels[0], GPU).device == CPU_NAME
    assert told == ["no GPU: CuPy is not installed; going on with the CPU"]
    run(compute, channels[0], CPU)
    run(compute, channels[0], GPU)
    assert len(told) == 2


def test_a_gpu_that_cannot_be_opened_is_none(device, compute, told, channels):
    def fails():
        raise RuntimeError("cudaErrorDevicesUnavailable: busy")

    device.cuda.Stream = fails
    assert run(compute, channels[0], GPU).device == CPU_NAME
    assert told == ["no GPU: cudaErrorDevicesUnavailable: busy; going on with the CPU"]


def test_whatever_runs_out_of_memory_no_frame_is_lost(device, channels, expected):
    run(Compute(Told()), channels[0], AUTO)  # tables go to the GPU once
    device.failing = count = Failure(0, None, n=0)
    run(Compute(Told()), channels[0], AUTO)
    assert count.n_done > 20
    for first in range(count.n_done):
        told = Told()
        compute = Compute(told)
        device.failing = Failure(first, MemoryError("Out of memory allocating 512 bytes"))
        done = run(compute, channels[0], AUTO)
        assert done.device == CPU_NAME, first
        assert_same_picture(done.frame, expected[0])
        assert told == [OUT_OF_MEMORY], first
        device.log.clear()
        done = run(compute, channels[1], AUTO, done.frame)
        assert done.device == CPU_NAME
        assert device.log == []
        assert_same_picture(done.frame, expected[1])
        assert told == [OUT_OF_MEMORY]


def test_a_lost_gpu_loses_no_frame_that_is_on_its_way(device, compute, told, channels, expected):
    formed = [compute.form(channel, AUTO) for channel in channels]
    lost = RuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
    device.failing = Failure(0, lost, n=1000)
    previous = None
    for on_its_way, picture in zip(formed, expected, strict=True):
        done = compute.doppler(on_its_way, AUTO, previous)
        assert done.device == CPU_NAME
        previous = done.frame
        assert_same_picture(previous, picture)
    assert len(told) == 1
    assert "cudaErrorLaunchFailure" in told[0]


@pytest.mark.parametrize("again", [False, True], ids=["live", "frozen"])
def test_what_the_gpu_made_up_is_not_blamed_on_the_frame(
    device, compute, told, channels, expected, monkeypatch, again
):
    def made_up(*arrays):
        """What comes from the GPU, and none of it a number."""
        came = fetch(*arrays)
        for there, here in zip(arrays, came, strict=True):
            if there is not here and here.dtype == np.float32:
                here.fill(np.nan)
        return came

    fetch = estimates_module.to_host
    monkeypatch.setattr(estimates_module, "to_host", made_up)
    if again:
        done = compute.again(form(channels[0], CPU), AUTO, None)
    else:
        done = run(compute, channels[0], AUTO)
    assert done.device == CPU_NAME
    assert_same_picture(done.frame, expected[0])
    assert len(told) == 1
    assert told[0].startswith("GPU failed (IQ samples are not finite")


def test_a_gpu_that_failed_is_tried_when_it_is_chosen_again(device, compute, told, channels):
    device.failing = Failure(5, MemoryError())
    assert run(compute, channels[0], GPU).device == CPU_NAME
    assert run(compute, channels[1], GPU).device == CPU_NAME
    assert run(compute, channels[1], CPU).device == CPU_NAME
    assert run(compute, channels[2], GPU).device == GPU_NAME
    assert told == [OUT_OF_MEMORY]


def test_a_frame_at_fault_is_not_blamed_on_the_gpu(device, compute, told, channels):
    bad = dataclasses.replace(channels[0], colour=channels[0].colour[:-1])
    with pytest.raises(PipelineError, match="colour samples have shape"):
        compute.form(bad, AUTO)
    assert told == []
    assert run(compute, channels[0], AUTO).device == GPU_NAME


def test_what_the_cpu_cannot_do_either_is_not_blamed_on_the_gpu(
    device, compute, told, channels, monkeypatch
):
    def fails(*_, **__):
        raise ValueError("planes do not match")

    monkeypatch.setattr(compute_module, "estimate", fails)
    formed = compute.form(channels[0], AUTO)
    with pytest.raises(ValueError, match="planes do not match"):
        compute.doppler(formed, AUTO, None)
    assert told == []


def test_a_frame_of_the_cine_is_processed_on_any_device(device, compute, told, channels, expected):
    iq = form(channels[0], CPU)
    for choice, name in ((CPU, CPU_NAME), (GPU, GPU_NAME)):
        done = compute.again(iq, choice, None)
        assert done.device == name
        assert_same_picture(done.frame, expected[0])
    device.failing = Failure(0, MemoryError())
    done = compute.again(iq, GPU, None)
    assert done.device == CPU_NAME
    assert_same_picture(done.frame, expected[0])
    assert told == [OUT_OF_MEMORY]
