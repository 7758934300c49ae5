"""The record button and its keys: real mouse and keys, real files."""

import dataclasses

import h5py
import numpy as np
import pytest
from known_flow import KnownFlow
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from recorded import acquisition, channel_frame, record

from ultrasound_console import compute as compute_module
from ultrasound_console.frames import IqFrame, Status
from ultrasound_console.record.content import Content
from ultrasound_console.record.marks import Note
from ultrasound_console.sources import open_source
from ultrasound_console.ui.recorder import GO_ON_FIRST

pytest_plugins = ["console_for_tests"]

LEFT = Qt.MouseButton.LeftButton
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class Sending(KnownFlow):
    """Delivers samples of the shape that the acquisition says."""

    def read(self, timeout_s):
        frame = super().read(timeout_s)
        if frame is None:
            return None
        of = self.acquisition
        shape = (of.n_pulses, of.probe.n_elements, 32)
        colour = np.full(shape, frame.index, np.int16)
        return dataclasses.replace(frame, colour=colour)


@pytest.fixture
def live(console, monkeypatch):
    console.flow.sources["known"] = Sending()

    def form(frame, processing, gpu=None):
        of = frame.acquisition
        iq = np.zeros((*of.colour_grid.shape, 2, 12), np.float32)
        iq[0, 0, 0, :] = 100.0 + frame.index
        power = np.ones(of.bmode_grid.shape, np.float32)
        told = frame.index, frame.time_s, frame.received_s, of
        return IqFrame(*told, iq, power, by_hand=frame.by_hand)

    monkeypatch.setattr(compute_module, "form", form)
    console.open()
    console.play(2)
    # No frame comes by itself: where the computer is busy, the picture is an old one at once.
    console.until(lambda: console.chip in ("LIVE", "STALE"))
    console.recording = console.window.recording
    console.said = []
    console.recording.said.connect(lambda text, is_error: console.said.append((text, is_error)))
    return console


def files(console):
    folder = console.recording.folder
    return sorted(folder.iterdir()) if folder.is_dir() else []


def shown_notes(console):
    labels = console.window.canvas.findChildren(QLabel, "note")
    return [label for label in labels if label.isVisible()]


def title(console) -> str:
    return console.recording.button.text().strip()


def test_record_and_stop(live) -> None:
    live.qtbot.mouseClick(live.recording.button, LEFT)
    assert title(live).startswith("0:00")
    live.play(3)
    live.until(lambda: live.recording.recorder.status.n_frames == 3)
    assert [path.suffix for path in files(live)] == [".part"]
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.until(lambda: bool(live.said))
    assert title(live) == "Record"
    text, is_error = live.said[-1]
    assert text.startswith("Recorded 3 frames, ")
    assert not is_error
    assert live.window.message.text.text() == text
    (path,) = files(live)
    assert path.name.startswith("known-flow-")
    assert path.suffix == ".h5"
    with h5py.File(path) as file:
        raw = file["tracks/track_0/data/raw_data"]
        assert raw[:, 0, 0, 0, 0].tolist() == [2, 3, 4]
    # It goes on live, and what comes now is not recorded any more.
    live.play(1)
    assert files(live) == [path]


def test_the_settings_in_force_go_along(live) -> None:
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.window.settings.change("wall_filter", "high")
    live.play(1)
    live.until(lambda: live.recording.recorder.status.n_frames == 1)
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.until(lambda: bool(live.said))
    with h5py.File(files(live)[0]) as file:
        assert file["ultrasound_console/frames/wall_filter"][0] == b"high"


def test_save_the_loop_from_in_to_out(live) -> None:
    live.play(4)
    live.freeze()
    live.key(Qt.Key.Key_Home)
    live.key(Qt.Key.Key_Right)
    live.until(lambda: live.frame.index == 1)
    live.key(Qt.Key.Key_I)
    live.key(Qt.Key.Key_End)
    live.until(lambda: live.frame.index == 5)
    live.key(Qt.Key.Key_Left)
    live.until(lambda: live.frame.index == 4)
    live.key(Qt.Key.Key_O)
    live.key(Qt.Key.Key_S, CONTROL)
    live.until(lambda: bool(live.said))
    assert live.said[-1][0].startswith("Recorded 4 frames")
    source = open_source(str(files(live)[0]), real_time=False)
    source.start()
    values = [float(source.read(1.0).iq[0, 0, 0, 0]) for _ in range(4)]
    assert values == pytest.approx([101.0, 102.0, 103.0, 104.0], rel=1e-6)
    source.close()
    with h5py.File(files(live)[0]) as file:
        wall_s = file["ultrasound_console/frames/wall_s"][()]
        assert np.all(np.diff(wall_s) > 0.0)


def test_notes_and_folds_by_hand_go_along_and_are_shown_again(live) -> None:
    tools, note = live.window.tools, Note("plaque", (0.001, 0.012), (0.004, 0.008))
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.play(2)
    live.freeze()
    tools.annotations.begin((note,))
    live.key(Qt.Key.Key_E, SHIFT)
    live.until(lambda: Status.BY_HAND in live.frame.status)
    given = live.frame.status == Status.BY_HAND
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.until(lambda: bool(live.said))
    tools.annotations.clear()
    path = str(files(live)[0])
    replay = live.flow.sources[path] = open_source(path)
    live.window.open_source(path)
    live.until(lambda: live.frame is not None and live.frame.acquisition.source == replay.name)
    live.until(lambda: Status.BY_HAND in live.frame.status)
    corrections = (live.engine.cine.correction(index) for index in live.engine.cine.indices())
    assert any(one is not None and np.array_equal(one.given, given) for one in corrections)
    assert tools.annotations.notes == (note,)
    live.until(lambda: [one.text() for one in shown_notes(live)] == ["plaque"] * 3)


def test_nothing_to_record_while_frozen(live) -> None:
    live.freeze()
    live.qtbot.mouseClick(live.recording.button, LEFT)
    assert live.said == [(GO_ON_FIRST, False)]
    assert files(live) == []


def test_a_folder_that_cannot_be_written(live, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    live.recording.folder = tmp_path / "file" / "below"
    live.qtbot.mouseClick(live.recording.button, LEFT)
    ((text, is_error),) = live.said
    assert is_error
    assert "below" in text
    assert title(live) == "Record"
    live.play(1)


def test_closing_the_window_ends_the_recording(live) -> None:
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.play(2)
    live.until(lambda: live.recording.recorder.status.n_frames == 2)
    live.window.close()
    (path,) = files(live)
    assert path.suffix == ".h5"


def test_another_source_ends_the_recording(live) -> None:
    live.flow.sources["other"] = Sending("other flow")
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.play(1)
    live.open("other")
    live.flow.sources["other"].push()
    live.until(lambda: any("another source" in text for text, _ in live.said))
    assert any("Recorded 1 frame" in text for text, _ in live.said)


def test_what_other_runs_left_is_recovered(live, monkeypatch) -> None:
    def keep(*_):
        raise OSError(None, "not now")

    folder = live.recording.folder
    folder.mkdir(parents=True)
    monkeypatch.setattr("ultrasound_console.record.recorder.recover", keep)
    record(folder / "old.h5", [channel_frame(k, acquisition()) for k in range(3)])
    (folder / "other.h5.part").write_text("not ours")
    assert [path.name for path in files(live)] == ["old.h5.part", "other.h5.part"]
    live.recording.recover_old()
    live.until(lambda: len(live.said) == 2)
    assert [path.name for path in files(live)] == ["old.h5", "other.h5.part"]
    assert live.said[0] == (f"Recovered 3 frames, 0.1 s: old.h5 in {folder}", False)
    assert live.said[1][1]


def test_one_at_a_time(live) -> None:
    live.key(Qt.Key.Key_R, CONTROL | SHIFT)
    live.key(Qt.Key.Key_S, CONTROL)
    assert live.said[-1][0].startswith("One recording at a time")
    assert live.recording.recorder.content is Content.CHANNELS
