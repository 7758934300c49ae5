"""Frames to record, and how two of them are compared: bit by bit."""

import dataclasses

import numpy as np
from fakes import make_acquisition

from ultrasound_console.dsp.quantise import quantise
from ultrasound_console.frames import Acquisition, ChannelFrame, IqFrame
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.record.content import Content
from ultrasound_console.record.recorder import Recorder, RecorderStatus

GRID = ImageGrid("parallel", 12, 10, (-0.004, 0.004), (0.005, 0.015), angle_rad=0.1)
N_SAMPLES = 96


def acquisition(**changes) -> Acquisition:
    steered = {"transmit_angle_rad": 0.1, "receive_angle_rad": 0.1, "start_time_s": -1e-7}
    waves = {"bmode_angles_rad": (-0.07, 0.0, 0.07), "colour_grid": GRID}
    return make_acquisition(**{**steered, **waves, **changes})


def channel_frame(index: int, of: Acquisition, dtype="int16", **changes) -> ChannelFrame:
    rng = np.random.default_rng(index)

    def samples(n_transmits):
        shape = (n_transmits, of.probe.n_elements, N_SAMPLES)
        values = rng.integers(-32768, 32768, shape)
        return (values + 1j * values[::-1] if dtype == "complex64" else values).astype(dtype)

    frame = ChannelFrame(
        index=index,
        time_s=index * of.frame_interval_s + 1e-9 / 3,
        received_s=100.0 + index * of.frame_interval_s,
        acquisition=of,
        colour=samples(of.n_colour_pulses),
        bmode=samples(len(of.bmode_angles_rad)) if of.bmode_angles_rad else None,
    )
    return dataclasses.replace(frame, **changes)


def iq_frame(index: int, of: Acquisition) -> IqFrame:
    rng = np.random.default_rng(index)
    n_lanes = -(-of.n_colour_pulses // 4) * 4
    iq = np.zeros((*of.colour_grid.shape, 2, n_lanes), np.float32)
    iq[..., : of.n_colour_pulses] = rng.normal(size=(*iq.shape[:-1], of.n_colour_pulses)) * 1e3
    power = rng.exponential(1e5, of.bmode_grid.shape).astype(np.float32)
    time_s = index * of.frame_interval_s
    return IqFrame(index, time_s, 100.0 + time_s, of, iq, power)


def record(path, frames, *, notes=(), **options) -> RecorderStatus:
    """Record frames from beginning to end."""
    recorder = Recorder(path, **options)
    recorder.annotate(notes)
    recorder.start()
    for frame in frames:
        if recorder.content is Content.IQ:
            recorder.take_iq(quantise(frame.iq, frame.acquisition.n_colour_pulses), frame)
        else:
            recorder.take(frame)
    recorder.stop()
    return recorder.wait()


def replayed(recorded: Acquisition, now: Acquisition) -> None:
    """Check that an acquisition came back; as a replay it has another name and its own PRF only."""
    assert now.prf_choices_hz == (recorded.prf_hz,)
    back = {name: getattr(recorded, name) for name in ("source", "prf_choices_hz", "notes")}
    assert dataclasses.replace(now, **back) == recorded


def identical(one, other) -> bool:
    """Whether two arrays have the same bits, shape and type."""
    if one is None or other is None:
        return one is other
    return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()
