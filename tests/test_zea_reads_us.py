"""zea's own reader opens what the console records, and finds the same: samples, PRF, geometry.

zea brings a deep-learning framework along, so that it lives in an environment of its own::

    python3 -m venv zea && zea/bin/pip install zea==0.1.8 jax
    ULTRASOUND_CONSOLE_ZEA=zea/bin/python pytest tests/test_zea_reads_us.py
"""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from recorded import acquisition, channel_frame, iq_frame, record

from ultrasound_console.dsp.quantise import quantise
from ultrasound_console.geometry import Probe
from ultrasound_console.record.content import Content

VARIABLE = "ULTRASOUND_CONSOLE_ZEA"
PYTHON = os.environ.get(VARIABLE) or (importlib.util.find_spec("zea") and sys.executable)

pytestmark = [
    pytest.mark.rivals,
    pytest.mark.skipif(
        not PYTHON, reason=f"zea is not here; {VARIABLE} names a Python that has it"
    ),
]

# Opens files as zea's documentation does, and checks all in them by zea's own rules.
LOOK = """
    import json, pathlib, sys
    import numpy as np
    import zea

    SCAN = (
        "sampling_frequency", "center_frequency", "demodulation_frequency", "sound_speed",
        "initial_times", "t0_delays", "polar_angles", "focus_distances", "time_to_next_transmit",
    )

    def look(track, arrays):
        told = {"label": track.label, "n_frames": track.n_frames}
        names = list(track.data.keys())
        if "raw_data" in names:
            arrays["raw_data"] = track.data.raw_data[:]
            parameters = track.load_parameters()
            told["probe_geometry"] = np.asarray(parameters.probe_geometry).tolist()
        else:
            for name in names:
                group = getattr(track.data, name)
                for part in ("values", "coordinates", "timestamps"):
                    arrays[f"{name}/{part}"] = getattr(group, part)[()]
                if "labels" in group:
                    told[f"{name}/labels"] = [str(each) for each in group.labels[()]]
        found = ((name, getattr(track.scan, name)) for name in SCAN)
        told["scan"] = {name: np.asarray(one).tolist() for name, one in found if one is not None}
        if track.timestamps is not None:
            told["timestamps"] = np.asarray(track.timestamps).tolist()
        return told

    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
        with zea.File(path) as file:
            file.validate_spec()
            arrays = [{} for _ in file.tracks]
            told = {
                "tracks": [look(*each) for each in zip(file.tracks, arrays)],
                "probe": file.probe_name,
                "element_width": float(file.probe.element_width),
                "year": file.acquisition_time.year,
            }
        flat = {f"{k}/{name}": one for k, part in enumerate(arrays) for name, one in part.items()}
        np.savez(path.with_suffix(".npz"), **flat)
        path.with_suffix(".json").write_text(json.dumps(told))
"""
CURVED = Probe.curved("C5-2", 16, 0.4e-3, 0.05, center_frequency_hz=5e6)
RF = acquisition(probe=CURVED)
CHANNEL_IQ = acquisition(probe=CURVED, demodulation_frequency_hz=4.9e6)
ALONE = acquisition(bmode_angles_rad=())
FRAMES = {
    "int16": [channel_frame(k, RF) for k in range(3)],
    "complex64": [channel_frame(k, CHANNEL_IQ, "complex64") for k in range(3)],
    "alone": [channel_frame(k, ALONE) for k in range(2)],
    "beamformed": [iq_frame(k, RF) for k in range(3)],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What zea finds in each recording, and its arrays; it starts once, as it is slow to."""
    folder = tmp_path_factory.mktemp("zea")
    for name, frames in FRAMES.items():
        content = Content.IQ if name == "beamformed" else Content.CHANNELS
        record(folder / f"{name}.h5", frames, content=content)
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [PYTHON, "-c", textwrap.dedent(LOOK), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {
        name: (json.loads((folder / f"{name}.json").read_text()), np.load(folder / f"{name}.npz"))
        for name in FRAMES
    }


@pytest.mark.parametrize("dtype", ["int16", "complex64"])
def test_channel_samples(dtype, found) -> None:
    told, arrays = found[dtype]
    made, of = FRAMES[dtype], FRAMES[dtype][0].acquisition
    colour, bmode = told["tracks"]
    assert (colour["label"], bmode["label"]) == ("colour, part 1", "B-mode, part 1")
    for number, name in enumerate(("colour", "bmode")):
        ours = np.stack([getattr(frame, name) for frame in made]).swapaxes(2, 3)
        theirs = arrays[f"{number}/raw_data"]
        if dtype == "complex64":
            theirs = theirs[..., 0] + 1j * theirs[..., 1]
        else:
            theirs = theirs[..., 0]
            assert theirs.dtype == np.int16
        assert np.array_equal(ours, theirs)
    scan = colour["scan"]
    intervals_s = np.array(scan["time_to_next_transmit"])
    assert 1.0 / intervals_s[:, :-1] == pytest.approx(of.prf_hz, rel=1e-6)
    assert intervals_s.sum(axis=1) == pytest.approx(of.frame_interval_s, rel=1e-5)
    for name, value in (
        ("sampling_frequency", of.sampling_frequency_hz),
        ("center_frequency", of.center_frequency_hz),
        ("sound_speed", of.sound_speed_m_s),
        ("polar_angles", [of.transmit_angle_rad] * of.n_pulses),
    ):
        assert scan[name] == pytest.approx(value, rel=1e-6)
    if dtype == "complex64":
        assert scan["demodulation_frequency"] == pytest.approx(4.9e6)
    assert bmode["scan"]["polar_angles"] == pytest.approx(of.bmode_angles_rad)
    assert np.all(np.isinf(scan["focus_distances"]))
    geometry_m = np.array(colour["probe_geometry"])
    assert geometry_m[:, 0] == pytest.approx(of.probe.element_x_m, abs=1e-9)
    assert geometry_m[:, 2] == pytest.approx(of.probe.element_z_m, abs=1e-9)
    assert told["probe"] == "C5-2"
    assert told["element_width"] == pytest.approx(of.probe.element_width_m)
    assert told["year"] >= 2024
    # The wave leaves an element this long after it crossed the middle of the array.
    x_m, z_m = geometry_m[:, 0], geometry_m[:, 2]
    angle_rad = of.transmit_angle_rad
    crossing_s = (x_m * np.sin(angle_rad) + z_m * np.cos(angle_rad)) / of.sound_speed_m_s
    starts_s = np.array(scan["initial_times"])[:, None] - np.array(scan["t0_delays"])
    assert starts_s == pytest.approx(
        np.tile(of.start_time_s - crossing_s, (of.n_pulses, 1)), abs=1e-12
    )


def test_pulses_on_one_clock(found) -> None:
    """Without B-mode pulses there is one track, and zea says when each pulse was sent."""
    (track,) = found["alone"][0]["tracks"]
    within_s = np.arange(ALONE.n_pulses) / ALONE.prf_hz
    sent_s = np.arange(2)[:, None] * ALONE.frame_interval_s + within_s
    assert np.array(track["timestamps"]) == pytest.approx(sent_s, abs=1e-7)


def test_beamformed_samples(found) -> None:
    told, arrays = found["beamformed"]
    made, of = FRAMES["beamformed"], RF
    (track,) = told["tracks"]
    assert (track["label"], track["n_frames"]) == ("part 1", 3)
    values = arrays["0/doppler_iq/values"]
    assert values.dtype == np.int16
    ours = [quantise(frame.iq, of.n_pulses).samples for frame in made]
    assert np.array_equal(np.stack(ours).reshape(values.shape), values)
    assert track["doppler_iq/labels"][: of.n_pulses] == [f"I {k + 1}" for k in range(of.n_pulses)]
    assert track["doppler_iq/labels"][of.n_pulses] == "Q 1"
    power = np.stack([frame.bmode_power for frame in made])
    assert np.array_equal(arrays["0/bmode_power/values"], power)
    for name, grid in (("doppler_iq", of.colour_grid), ("bmode_power", of.bmode_grid)):
        x_m, z_m = grid.positions_m(*np.indices(grid.shape))
        at_m = arrays[f"0/{name}/coordinates"]
        assert at_m[..., 0] == pytest.approx(x_m, abs=1e-9)
        assert at_m[..., 2] == pytest.approx(z_m, abs=1e-9)
        since_s = np.arange(3) * of.frame_interval_s
        assert arrays[f"0/{name}/timestamps"] == pytest.approx(since_s, abs=1e-7)
    intervals_s = np.array(track["scan"]["time_to_next_transmit"])
    assert 1.0 / intervals_s[:, :-1] == pytest.approx(of.prf_hz, rel=1e-6)
