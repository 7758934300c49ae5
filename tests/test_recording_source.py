"""A recording replayed: which pulses make a frame, when it comes, and what it says of itself."""

import dataclasses
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import recordings
from hypothesis import given
from hypothesis import strategies as st
from recordings import C_M_S, FC_HZ, FS_HZ, N_PULSES, N_SAMPLES, PRF_HZ, START_S

from ultrasound_console.declared import Range
from ultrasound_console.frames import ChannelFrame
from ultrasound_console.settings import SPECS, AcquisitionSettings
from ultrasound_console.sources import SourceError, open_source
from ultrasound_console.sources.recording import MIN_PULSES, RecordingSource


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.write_must(tmp_path_factory.mktemp("recordings") / "small.mat")


@pytest.fixture
def source(path: Path) -> RecordingSource:
    return RecordingSource(path, real_time=False)


def settings(**changes: float) -> AcquisitionSettings:
    return dataclasses.replace(AcquisitionSettings(prf_hz=PRF_HZ, ensemble=4), **changes)


def frames(source: RecordingSource, n_frames: int) -> list[ChannelFrame]:
    read = [source.read(1.0) for _ in range(n_frames)]
    assert all(read)
    return [frame for frame in read if frame is not None]


def test_what_it_achieves(source: RecordingSource) -> None:
    acquisition = source.configure(settings(prf_hz=3000.0))
    assert acquisition.source == source.name == "small.mat"
    assert acquisition.prf_hz == PRF_HZ / 3
    assert acquisition.requested_prf_hz == 3000.0
    assert acquisition.max_prf_hz == PRF_HZ
    assert acquisition.n_pulses == 4
    assert acquisition.receive_angle_rad == acquisition.transmit_angle_rad == 0.0
    assert acquisition.bmode_angles_rad == ()
    assert acquisition.sampling_frequency_hz == FS_HZ
    assert acquisition.start_time_s == START_S
    assert acquisition.nyquist_velocity_m_s == pytest.approx(C_M_S * PRF_HZ / 3 / 4 / FC_HZ)


def test_grid_covers_what_was_recorded(source: RecordingSource) -> None:
    grid = source.configure(settings()).bmode_grid
    assert grid == source.configure(settings()).colour_grid
    assert (grid.kind, grid.angle_rad) == ("parallel", 0.0)
    x_m = recordings.element_x_m()
    assert grid.lines == pytest.approx((x_m[0], x_m[-1]))
    end_s = START_S + (N_SAMPLES - 1) / FS_HZ
    assert grid.range_m == pytest.approx((C_M_S * START_S / 2, C_M_S * end_s / 2))
    assert 192 <= grid.n_lines <= 256
    assert 64 <= grid.n_depths <= 256
    assert grid.range_step_m <= C_M_S / FC_HZ / 2


def test_prf_choices(source: RecordingSource) -> None:
    # Ten pulses: every third leaves four, every fourth only three.
    choices_hz = source.configure(settings()).prf_choices_hz
    assert choices_hz == (PRF_HZ, PRF_HZ / 2, PRF_HZ / 3)
    for requested_hz, divisor in [(20e3, 1), (6.1e3, 1), (5.9e3, 2), (3.4e3, 2), (200.0, 3)]:
        acquisition = source.configure(settings(prf_hz=requested_hz))
        assert acquisition.prf_hz == PRF_HZ / divisor
        expected = recordings.samples()[::divisor][:4]
        np.testing.assert_array_equal(frames(source, 1)[0].colour, expected)


@given(
    n_pulses=st.integers(MIN_PULSES, 40),
    divisor=st.integers(1, 12),
    ensemble=st.integers(0, 16),
    step=st.integers(0, 9),
)
def test_frames_are_ensembles_of_kept_pulses(
    n_pulses: int, divisor: int, ensemble: int, step: int
) -> None:
    """Decimation comes first; then ensembles are cut, ``step`` kept pulses apart."""
    source = source_of(n_pulses)
    prf_hz = PRF_HZ / divisor
    acquisition = source.configure(settings(prf_hz=prf_hz, ensemble=ensemble, ensemble_step=step))
    kept = np.arange(n_pulses)[:: round(PRF_HZ / acquisition.prf_hz)]
    length = min(max(ensemble, MIN_PULSES), len(kept)) if ensemble else len(kept)
    assert acquisition.n_pulses == length
    expected = [kept[a : a + length] for a in range(0, len(kept) - length + 1, step or length)]
    assert source.n_frames == len(expected)
    for frame, pulses in zip(frames(source, len(expected)), expected, strict=True):
        np.testing.assert_array_equal(frame.colour[:, 0, 0], pulses)


_SOURCES: dict[int, RecordingSource] = {}


def source_of(n_pulses: int) -> RecordingSource:
    """A source whose sample values are their pulse's number."""
    if n_pulses not in _SOURCES:
        values = np.zeros((n_pulses, 4, N_SAMPLES), np.int16)
        values += np.arange(n_pulses, dtype=np.int16)[:, None, None]
        with tempfile.TemporaryDirectory() as folder:
            path = recordings.write_must(Path(folder) / "a.mat", values)
            _SOURCES[n_pulses] = RecordingSource(path, real_time=False)
    return _SOURCES[n_pulses]


def test_loops_and_counts_on(source: RecordingSource) -> None:
    acquisition = source.configure(settings(ensemble=4, ensemble_step=3))
    assert source.n_frames == 3
    assert acquisition.frame_interval_s == pytest.approx(3 / PRF_HZ)
    read = frames(source, 7)
    assert [frame.index for frame in read] == list(range(7))
    times_s = [frame.time_s for frame in read]
    np.testing.assert_allclose(times_s, np.arange(7) * 3 / PRF_HZ)
    for first, later in ((0, 3), (1, 4), (0, 6)):
        np.testing.assert_array_equal(read[first].colour, read[later].colour)
    assert not np.array_equal(read[0].colour, read[1].colour)
    # A new configuration starts over.
    source.configure(settings())
    assert frames(source, 1)[0].index == 0


def test_frames_carry_their_acquisition_and_cannot_be_changed(source: RecordingSource) -> None:
    first = source.configure(settings())
    frame = frames(source, 1)[0]
    second = source.configure(settings(prf_hz=PRF_HZ / 2))
    assert frame.acquisition is first
    later = frames(source, 1)[0]
    assert later.acquisition is second
    for colour in (frame.colour, later.colour):
        assert colour.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            colour[0, 0, 0] = 1


def test_short_recording_says_what_it_uses(source: RecordingSource) -> None:
    assert source.configure(settings(ensemble=0)).notes == ()
    assert source.configure(settings(ensemble=N_PULSES)).notes == ()
    (note,) = source.configure(settings(ensemble=12)).notes
    assert note.startswith("uses 10 pulses")
    (note,) = source.configure(settings(ensemble=12, prf_hz=PRF_HZ / 2)).notes
    assert note.startswith("uses 5 pulses")
    (note,) = source.configure(settings(ensemble=1)).notes
    assert note.startswith("uses 4 pulses")


def test_defaults_are_those_of_the_file(source: RecordingSource, tmp_path: Path) -> None:
    asked = AcquisitionSettings(prf_hz=500.0, ensemble=12, depth_m=0.05)
    expected = dataclasses.replace(asked, prf_hz=PRF_HZ, ensemble=N_PULSES)
    assert source.defaults(asked) == expected
    assert source.defaults(settings(ensemble=0)).ensemble == 0
    # The setting ends where a recording may go on.
    limits = SPECS["prf_hz"]
    assert isinstance(limits, Range)
    fast_hz, slow_hz = 1.2 * limits.high, 0.5 * limits.low
    fast = RecordingSource(recordings.write_must(tmp_path / "fast.mat", PRF=fast_hz))
    assert fast.defaults(asked).prf_hz == limits.high
    assert fast.configure(fast.defaults(asked)).prf_hz == fast_hz
    slow = RecordingSource(recordings.write_must(tmp_path / "slow.mat", PRF=slow_hz))
    assert slow.defaults(asked).prf_hz == limits.low
    assert slow.configure(slow.defaults(asked)).prf_hz == slow_hz


def test_too_few_pulses(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="fewer than 4"):
        RecordingSource(recordings.write_must(tmp_path / "a.mat", recordings.samples(3)))
    four = RecordingSource(recordings.write_must(tmp_path / "b.mat", recordings.samples(4)))
    assert four.configure(settings(ensemble=0)).n_pulses == 4


def test_ensembles_do_not_span_a_pause(tmp_path: Path) -> None:
    intervals_s = np.full((N_PULSES, 1), 1 / PRF_HZ)
    intervals_s[4] = 0.1
    path = recordings.write_zea(tmp_path / "a.hdf5", time_to_next_transmit=intervals_s)
    source = RecordingSource(path, real_time=False)
    acquisition = source.configure(settings(ensemble=0))
    assert (source.n_frames, acquisition.n_pulses) == (2, 5)
    assert acquisition.frame_interval_s == pytest.approx(0.1 + 4 / PRF_HZ)
    assert acquisition.prf_choices_hz == pytest.approx((PRF_HZ,))
    first, second = frames(source, 2)
    np.testing.assert_array_equal(first.colour, recordings.samples()[:5])
    np.testing.assert_array_equal(second.colour, recordings.samples()[5:])


def test_single_frame_is_held(path: Path) -> None:
    source = RecordingSource(path)
    assert source.configure(settings(ensemble=0)).frame_interval_s == 0.0
    assert source.n_frames == 1
    source.start()
    frame = source.read(0.0)
    assert frame is not None
    assert (frame.index, frame.time_s) == (0, 0.0)
    assert source.read(0.0) is None
    # Shown again when play is resumed, and when the settings change while it plays.
    source.stop()
    source.start()
    again = source.read(0.0)
    assert again is not None
    assert again.index == 1
    np.testing.assert_array_equal(frame.colour, again.colour)
    source.configure(settings(ensemble=0, prf_hz=PRF_HZ / 2))
    slower = source.read(0.0)
    assert slower is not None
    assert slower.acquisition.n_pulses == 5


def test_plays_at_the_rate_of_the_file(path: Path) -> None:
    source = RecordingSource(path)
    interval_s = source.configure(settings()).frame_interval_s
    assert interval_s == pytest.approx(4 / PRF_HZ)
    source.start()
    times_s = []
    for index in range(4):
        frame = source.read(10.0)
        assert frame is not None
        assert frame.index == index
        times_s.append(frame.time_s)
    # Late frames are left out, so that the clock of the file keeps up with that of the wall.
    steps = np.diff(times_s) / interval_s
    assert np.all(steps > 0.5)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)


def test_stop_ends_a_waiting_read(path: Path) -> None:
    source = RecordingSource(path)
    source.configure(settings(ensemble=0))
    source.start()
    assert source.read(0.0) is not None
    result: list[ChannelFrame | None] = []
    reader = threading.Thread(target=lambda: result.append(source.read(60.0)))
    reader.start()
    source.stop()
    reader.join(10.0)
    assert not reader.is_alive()
    assert result == [None]


def test_configure_does_not_start_a_stopped_source(path: Path) -> None:
    source = RecordingSource(path)
    source.start()
    assert source.read(0.0) is not None
    source.stop()
    source.configure(settings())
    assert source.read(0.0) is None
    source.start()
    assert source.read(0.0) is not None


def test_closed_stays_closed(path: Path) -> None:
    source = RecordingSource(path)
    source.start()
    source.close()
    source.close()
    for call in (source.start, lambda: source.read(0.0), lambda: source.configure(settings())):
        with pytest.raises(SourceError, match=r"small\.mat: closed"):
            call()


def test_opened_by_name(path: Path, tmp_path: Path) -> None:
    assert open_source(str(path), real_time=False).name == "small.mat"
    silent = recordings.write_must(tmp_path / "silent.mat", PRF=0)
    with pytest.raises(SourceError, match="--prf"):
        open_source(str(silent))
    source = open_source(str(silent), prf_hz=3000.0)
    assert source.configure(settings(prf_hz=1000.0)).prf_choices_hz == (3000.0, 1500.0, 1000.0)


def test_acquired_recording(data_folder: Path) -> None:
    source = RecordingSource(data_folder / "PWI_disk.mat", real_time=False)
    defaults = source.defaults(AcquisitionSettings())
    assert (defaults.prf_hz, defaults.ensemble) == (10e3, 12)
    acquisition = source.configure(dataclasses.replace(defaults, ensemble=0))
    assert acquisition.n_pulses == 32
    assert acquisition.nyquist_velocity_m_s == pytest.approx(0.74)
    assert acquisition.bmode_grid.contains(-0.0125, 0.010)
    assert acquisition.bmode_grid.contains(0.0125, 0.035)
    for divisor, n_pulses in [(2, 16), (3, 11), (4, 8), (5, 7), (8, 4)]:
        slower = source.configure(dataclasses.replace(defaults, prf_hz=10e3 / divisor, ensemble=0))
        assert (slower.prf_hz, slower.n_pulses) == (10e3 / divisor, n_pulses)
