"""The pipeline on a GPU, for which the processor stands in: results, copies and their order."""

import numpy as np
import pipeline_checks
import pytest
from pipeline_checks import PROCESSING, channel_frame, on_gpu

from ultrasound_console.dsp import device as device_module
from ultrasound_console.dsp.device import Gpu, is_on_gpu, missing_gpu, reason, to_host
from ultrasound_console.pipeline import PipelineError, estimate, form


@pytest.mark.parametrize("check", pipeline_checks.CHECKS, ids=lambda check: check.__name__)
def test_pictures_are_those_of_the_cpu(check, device):
    check(device)


def names(device):
    return [name for name, _ in device.log]


@pytest.mark.parametrize(("with_block", "n_blocks"), [(False, 1), (True, 2)])
def test_a_frame_goes_up_once_and_comes_down_once(device, with_block, n_blocks):
    gpu = Gpu()
    channel = channel_frame(with_block=with_block)
    on_gpu(channel, PROCESSING[0], gpu=gpu)
    device.log.clear()
    on_gpu(channel, PROCESSING[0], gpu=gpu)
    assert names(device).count("upload") == n_blocks
    assert names(device).count("download") == 1
    assert "table" not in names(device)


def test_uploads_have_a_stream_of_their_own(device):
    on_gpu(channel_frame(with_block=True), PROCESSING[0])
    streams = {}
    for name, stream in device.log:
        streams.setdefault(name, set()).add(stream)
    (uploading,) = streams["upload"]
    assert uploading.non_blocking
    for name in ("demodulate_rf_int16", "delay_and_sum", "autocorrelate", "download"):
        assert len(streams[name]) == 1
        assert uploading not in streams[name]


def test_a_frame_travels_while_the_one_before_is_computed(device):
    gpu, processing = Gpu(), PROCESSING[0]
    with gpu.computing():
        for index in range(3):
            estimate(form(channel_frame(index=index), processing, gpu), processing)
        form(channel_frame(index=3), processing, gpu)
        device.log.clear()
        form(channel_frame(index=4), processing, gpu)
    (uploading,) = {stream for name, stream in device.log if name == "upload"}
    (computing,) = {stream for name, stream in device.log if name == "delay_and_sum"}
    assert "upload" in uploading.waiting
    before = computing.waiting.count("delay_and_sum")
    uploading.synchronize()
    # The upload asked for no more than that its memory had been read.
    assert before == computing.waiting.count("delay_and_sum") == 2


def test_samples_may_be_written_again_at_once(device):
    gpu = Gpu()
    samples = np.arange(12, dtype=np.int16).reshape(3, 4)
    with gpu.computing(), gpu.uploaded(samples) as remote:
        samples[:] = 0
        np.testing.assert_array_equal(remote.get(), np.arange(12).reshape(3, 4))


def test_blocks_of_any_size_and_kind_follow_each_other(device):
    gpu = Gpu()
    rng = np.random.default_rng(0)
    with gpu.computing():
        copies = []
        blocks = [
            rng.normal(size=size).astype(kind)
            for size, kind in ((5, np.float32), (900, np.int16), (30, np.complex64), (31, np.int16))
            for _ in range(2)
        ]
        for block in blocks:
            with gpu.uploaded(block) as remote:
                copy = device.empty(block.shape, block.dtype)
                copy[...] = remote
                copies.append(copy)
        for block, copy in zip(blocks, copies, strict=True):
            np.testing.assert_array_equal(copy.get(), block)


def test_scratch_is_zero_at_first_and_kept(device):
    gpu = Gpu()
    with gpu.computing():
        scratch = gpu.scratch((3, 4))
        assert not scratch.get().any()
        scratch.fill(2.0)
        assert gpu.scratch((3, 4)) is scratch
        assert not gpu.scratch((4, 3)).get().any()


def test_arrays_come_to_the_host_together(device):
    rng = np.random.default_rng(0)
    here = rng.normal(size=5)
    there = [
        rng.normal(size=shape).astype(kind)
        for shape, kind in (((3, 5), np.float32), ((1,), np.float32), ((7, 2, 3), np.int16))
    ]
    device.log.clear()
    fetched = to_host(device.asarray(there[0]), None, here, *map(device.asarray, there[1:]))
    assert fetched[1] is None
    assert fetched[2] is here
    assert names(device).count("download") == 1
    for array, expected in zip((fetched[0], *fetched[3:]), there, strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype
        assert array.flags.writeable
        assert not is_on_gpu(array)
    assert to_host(here, None) == (here, None)


def test_bad_samples_are_named_before_they_travel(device):
    channel = channel_frame(np.float32)
    channel.colour.setflags(write=True)
    channel.colour[1, 2, 3] = np.nan
    with pytest.raises(PipelineError, match="colour samples are not finite"):
        form(channel, PROCESSING[0], Gpu())
    assert "upload" not in names(device)


def test_samples_that_overflow_on_the_way_are_named(device):
    processing = PROCESSING[0]
    with pytest.raises(PipelineError, match="not finite"):
        on_gpu(huge(), processing)


def huge():
    channel = channel_frame(np.float32)
    channel.colour.setflags(write=True)
    channel.colour[:] *= 1e15  # its energy is finite, that of a sum over the aperture is not
    return channel


def test_why_there_is_no_gpu(device, monkeypatch):
    assert missing_gpu() == ""
    monkeypatch.setattr(device.cuda.runtime, "getDeviceCount", lambda: 0)
    assert missing_gpu() == "there is no NVIDIA GPU here"

    def no_driver():
        raise device.cuda.runtime.CUDARuntimeError("cudaErrorInsufficientDriver: too old")

    monkeypatch.setattr(device.cuda.runtime, "getDeviceCount", no_driver)
    assert "cudaErrorInsufficientDriver" in missing_gpu()
    monkeypatch.setattr(device_module.util, "find_spec", lambda name: None)
    assert missing_gpu() == "CuPy is not installed"


def test_reasons_are_one_line():
    assert reason(MemoryError("Out of memory allocating 512 bytes")) == "out of memory"
    assert reason(RuntimeError("cudaErrorMemoryAllocation: out of memory")) == "out of memory"
    assert reason(RuntimeError("cudaErrorLaunchFailure: it broke\nsee the log")) == (
        "cudaErrorLaunchFailure: it broke"
    )
    assert reason(ValueError()) == "ValueError"
