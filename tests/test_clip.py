"""Pictures and clips: read back by other programs, refused in plain words, whole or not at all."""

import dataclasses
import json
import signal
import sys
import time

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_frame
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog

from ultrasound_console import BANNER, __version__
from ultrasound_console.__main__ import main
from ultrasound_console.export import gif
from ultrasound_console.export.clip import ClipError, Shot, timing, write_clip
from ultrasound_console.export.png import write_png
from ultrasound_console.render.colour_maps import velocity_colours
from ultrasound_console.settings import DisplaySettings
from ultrasound_console.settings.display import ONLY_RAW
from ultrasound_console.ui import theme
from ultrasound_console.ui.offscreen import draw_clip

pytest_plugins = ["console_for_tests"]

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LASTS_S = (0.04, 0.3, 0.017, 0.12)
BAR = slice(20, 32)


def bar_picture(shift=0):
    """A colour bar of 12 pixels on black, beside grey speckle."""
    rgb = np.zeros((128, 160, 3), np.uint8)
    rgb[:, BAR] = np.roll(np.repeat(velocity_colours("classic")[::4, :3], 2, 0), shift, 0)[:, None]
    rgb[:, 60:] = np.random.default_rng(shift).integers(0, 255, (128, 100, 1), np.uint8)
    return rgb


def shots(n=4):
    texts = {"Title": "A title", "PRF": "3000 Hz"}
    return [Shot(bar_picture(8 * at), LASTS_S[at % 4], texts) for at in range(n)]


def decoded(path):
    """Pictures and times as FFmpeg reads them, the whole length, and what is said beside them."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(video=0))
        times_s = [float(frame.pts * frame.time_base) for frame in frames]
        length_s = float(stream.duration * stream.time_base)
        pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
        return pictures, times_s, length_s, dict(file.metadata)


def as_array(image):
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def off(one, other):
    return np.abs(one.astype(int) - other.astype(int))


# ---- files ---------------------------------------------------------------------------------


def test_a_film_has_every_picture_at_its_time_and_in_its_colours(tmp_path):
    path = tmp_path / "a.mp4"
    # More pictures than the encoder holds back: it must give the first while the last still come.
    assert write_clip(path, iter(shots(70))) == 70
    pictures, times_s, length_s, said = decoded(path)
    lasts_s = [LASTS_S[at % 4] for at in range(70)]
    assert len(pictures) == 70
    assert np.allclose(times_s, np.cumsum([0.0, *lasts_s[:-1]]), atol=1.1e-3)
    assert length_s == pytest.approx(sum(lasts_s), abs=1.1e-3)
    for at in (0, 1, 35, 69):
        error = off(pictures[at], bar_picture(8 * at))
        assert error[:, BAR].mean() < 4.0
        assert error[:, 22:30].max() < 30  # in the bar nothing runs from the black beside it
        assert error[:, :18].mean() < 1.0
    assert said["title"] == "A title"
    assert said["comment"].splitlines() == ["Title: A title", "PRF: 3000 Hz"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_odd_row_and_column_are_lost(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, [Shot(bar_picture()[:127, :131], 0.1)])
    assert decoded(path)[0][0].shape == (126, 130, 3)


def test_a_gif_has_every_picture_at_its_time(tmp_path):
    path = tmp_path / "a.gif"
    assert write_clip(path, shots()) == 4
    pictures, times_s, _, said = decoded(path)
    assert times_s == pytest.approx([0.0, 0.04, 0.34, 0.36])  # whole hundredths, from the start
    for at, picture in enumerate(pictures):
        palette, pixels = gif.reduced(bar_picture(8 * at))
        assert (picture == palette[pixels]).all()
        assert off(picture, bar_picture(8 * at)).mean() < 1.5
    assert said["comment"].startswith("Title: A title")
    assert path.read_bytes().count(b"NETSCAPE2.0") == 1


def test_numbered_pictures_lie_in_a_folder_with_what_made_each(tmp_path):
    assert write_clip(tmp_path / "run.png", shots()) == 4
    files = sorted((tmp_path / "run").iterdir())
    assert [file.name for file in files] == [f"run-{n:04}.png" for n in range(1, 5)]
    for at, file in enumerate(files):
        image = QImage(str(file))
        assert (as_array(image) == bar_picture(8 * at)).all()
        assert image.text("Shown for") == f"{LASTS_S[at]:.4f} s"
        assert image.text("Title") == "A title"
    with pytest.raises(ClipError, match="run: is there already; give another name"):
        write_clip(tmp_path / "run.png", shots())
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]


def test_letters_of_all_alphabets_come_back_from_a_picture(tmp_path):
    path, rgb = tmp_path / "a.png", bar_picture()[:3, :1]
    write_png(path, rgb, {"Source": "Ärztin \N{GREEK SMALL LETTER ALPHA}\n2", "Empty": ""})
    image = QImage(str(path))
    assert (as_array(image) == rgb).all()
    assert image.text("Source") == "Ärztin \N{GREEK SMALL LETTER ALPHA}\n2"


# ---- timing --------------------------------------------------------------------------------


@example([0.0185, 0.1], 1.0, 50.0)
@given(
    st.lists(st.floats(1e-3, 0.6), min_size=1, max_size=40),
    st.sampled_from([0.1, 1.0, 4.0]),
    st.sampled_from([50.0, 60.0, float("inf")]),
)
def test_pictures_stand_until_the_next_and_never_follow_too_fast(lasts_s, speed, most_fps):
    *starts_s, end_s = (float(edge) for edge in np.cumsum([0.0, *lasts_s]))
    taken = timing(starts_s, end_s, speed, most_fps)
    assert taken[0][0] == 0
    assert sum(shown_s for _, shown_s in taken) == pytest.approx(end_s / speed)
    passed_s = 0.0
    for place, shown_s in taken:
        assert passed_s == pytest.approx(starts_s[place] / speed)
        passed_s += shown_s
    assert all(shown_s * most_fps > 0.99 for _, shown_s in taken[:-1])
    # None is left out that there was time for.
    left_out = sorted(set(range(len(starts_s))) - {place for place, _ in taken})
    for place in left_out:
        before = max(at for at, _ in taken if at < place)
        assert (starts_s[place] - starts_s[before]) * most_fps < speed


# ---- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png"])
def test_what_fails_leaves_nothing(tmp_path, ending):
    def broken():
        yield from shots(3)
        raise RuntimeError("no more")

    path = tmp_path / f"a{ending}"
    with pytest.raises(RuntimeError, match="no more"):
        write_clip(path, broken())
    with pytest.raises(ClipError, match="there are no pictures"):
        write_clip(path, [])
    with pytest.raises(ClipError, match="changed their size"):
        write_clip(path, [*shots(2), Shot(bar_picture()[:64], 0.1)])
    with pytest.raises(FileNotFoundError):
        write_clip(tmp_path / "missing" / path.name, shots())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png"])
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, ending):
    """The limit of a file's size stands in for the disk."""
    resource = pytest.importorskip("resource")
    path = tmp_path / f"a{ending}"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(OSError, match="large"):
            write_clip(path, [Shot(noise, 0.1)] * 60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_pyav_a_film_is_refused_and_a_gif_is_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ClipError, match=r"pip install 'ultrasound-console\[video\]'"):
        write_clip(tmp_path / "a.mp4", shots())
    assert write_clip(tmp_path / "a.gif", shots(2)) == 2
    with pytest.raises(ClipError, match=r"a\.avi: give a name that ends in \.mp4, \.gif or \.png"):
        write_clip(tmp_path / "a.avi", shots())


# ---- the command ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "a.avi"], "give a name that ends in .mp4, .gif or .png"),
        (["-o", "a.gif", "--frames", "1"], "--frames 1: a clip needs two or more"),
        (["-o", "a.gif", "--speed", "0"], "--speed 0: give 0.05 to 20"),
        (["-o", "a.gif", "--size", "90x90"], "--size 90x90: give WIDTHxHEIGHT, 320 to 4096"),
        (["-o", "missing/a.gif"], "the folder missing does not exist"),
    ],
)
def test_the_command_refuses_before_it_works(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["clip", "simulated:stenosis", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gui
@needs_display
def test_frames_are_drawn_without_a_window(qapp, monkeypatch, tmp_path):
    monkeypatch.setattr(theme, "apply", lambda application: None)  # other tests do without
    shared = make_frame(0).acquisition
    frames = [
        dataclasses.replace(make_frame(n), time_s=0.1 * n, acquisition=shared) for n in range(3)
    ]
    display = DisplaySettings(view=ONLY_RAW)
    drawn = draw_clip(frames, display, speed=0.5, most_fps=60.0, size=(640, 401))
    write_clip(tmp_path / "a.png", drawn)
    files = sorted((tmp_path / "a").iterdir())
    images = [QImage(str(file)) for file in files]
    assert [image.text("Frame") for image in images] == ["0", "1", "2"]
    assert {image.text("State") for image in images} == {"CLIP 0.5x"}
    assert images[0].text("Panels").startswith("raw velocity")
    assert images[0].text("Shown for") == "0.2000 s"
    assert json.loads(images[0].text("Settings"))["display"]["colour_scale_m_s"] > 0.0
    sizes = {(image.width(), image.height()) for image in images}
    ((width, height),) = sizes
    assert (width, height % 2) == (640, 0)
    first, second, _ = (as_array(image)[40:-30] for image in images)
    assert off(first, second).mean() > 1.0


# ---- in the window -------------------------------------------------------------------------


@pytest.fixture
def saving(live, monkeypatch, tmp_path):
    """The console with the answers of its file dialogs in a list, and what it says."""
    live.answers, live.said = [], []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *a: (live.answers.pop(0), a[3].split(";;")[0])
    )
    live.window.saving.folder = tmp_path
    live.window.saving.said.connect(lambda text, is_error: live.said.append((text, is_error)))
    return live


@pytest.mark.gui
@needs_display
def test_pictures_are_saved_and_copied_with_what_they_are(saving, tmp_path):
    window, path = saving.window, tmp_path / "still.png"
    saving.answers.append(str(path))
    saving.key(Qt.Key.Key_P, CONTROL)
    saving.until(path.exists)
    still = QImage(str(path))
    assert still.text("State") == "TAKEN LIVE"
    assert saving.said[-1] == (f"Picture saved: still.png in {tmp_path}", False)
    saving.freeze()
    saving.answers.append(str(path))
    saving.key(Qt.Key.Key_P, CONTROL)
    saving.until(lambda: QImage(str(path)).text("State") == "FROZEN")
    still, frame = QImage(str(path)), saving.frame
    assert still.text("Disclaimer") == BANNER
    assert still.text("Software") == f"ultrasound_console {__version__}"
    assert (still.text("Source"), still.text("Frame")) == ("known flow", str(frame.index))
    assert still.text("PRF") == f"{frame.acquisition.prf_hz:g} Hz"
    assert still.text("Nyquist velocity").endswith(" cm/s")
    raw, _, corrected = still.text("Panels").split("; ")
    assert raw.startswith("raw velocity")
    assert corrected == "corrected velocity, de-aliased"
    settings = json.loads(still.text("Settings"))
    assert settings["processing"]["flow_power_db"] == frame.processing.flow_power_db
    assert str(tmp_path) not in path.read_bytes().decode("latin-1")
    # The panels of the picture are those of the canvas, under a line of its own.
    canvas, rgb = window.canvas, as_array(still)
    place = canvas.picture_rect(2)
    top = window.saving._stills._head.height()
    shown = saving.pixels()[place.y + 50 : place.bottom - 90, place.x : place.right]
    inside = rgb[top + place.y + 50 : top + place.bottom - 90, place.x : place.right]
    assert (off(shown, inside).max(-1) > 6).mean() < 0.04  # words lie over it
    assert shown.std() > 10
    assert rgb[-20:, -250:].max() > 150  # the banner
    assert window.labels.compare.isVisible()
    saving.key(Qt.Key.Key_C, CONTROL)
    assert (as_array(QGuiApplication.clipboard().image()) == rgb).all()
    # A folder that takes no file is said in one line.
    saving.answers.append(str(tmp_path / "missing" / "a.png"))
    saving.key(Qt.Key.Key_P, CONTROL)
    text, is_error = saving.said[-1]
    assert is_error
    assert text.startswith(f"{tmp_path}/missing/a.png: not saved: No such file")


@pytest.mark.gui
@needs_display
def test_a_clip_of_the_loop_is_what_the_screen_shows(saving, tmp_path):
    window, path = saving.window, tmp_path / "loop.mp4"
    saving.play(7)
    saving.key(Qt.Key.Key_2)
    saving.freeze()
    for key in (Qt.Key.Key_Home, Qt.Key.Key_Right, Qt.Key.Key_I, Qt.Key.Key_Comma):
        saving.key(key)  # from the second frame on, at half the speed
    _, first, *_, last = (told.index for told in window.cine.slider.loop)
    told = []
    window.saving.progressed.connect(told.append)
    saving.answers.append(str(path))
    saving.key(Qt.Key.Key_P, CONTROL | SHIFT)
    assert window.saving.button.isVisible()
    saving.until(path.exists)
    saving.until(lambda: not window.saving.button.isVisible())
    n_frames = last - first + 1
    assert saving.said[-1] == (f"Clip saved: {n_frames} pictures, loop.mp4 in {tmp_path}", False)
    assert told[:2] == [f"Saving the clip: {n} of {n_frames} pictures" for n in (0, 1)]
    assert told[-1] == ""
    pictures, times_s, _, said = decoded(path)
    assert len(pictures) == n_frames
    taken_s = [told.time_s for told in window.cine.slider.played]
    assert times_s == pytest.approx([2.0 * (time_s - taken_s[0]) for time_s in taken_s], abs=2e-3)
    assert "State: CLIP 0.5x" in said["comment"]
    assert f"Frame: {first}" in said["comment"]
    # Each is the frame of its place: going there shows the same.
    window.message.put_away()

    def differs(picture):
        still = as_array(window.saving._taken().image)
        place, top = window.canvas.picture_rect(1), window.saving._stills._head.height()
        panel = slice(top + place.y, top + place.bottom - 90), slice(place.x, place.right)
        return 255.0 if still.shape != picture.shape else off(still[panel], picture[panel]).mean()

    saving.key(Qt.Key.Key_End)
    saving.until(lambda: saving.frame.index == last and bool(differs(pictures[-1]) < 2.0))
    assert min(differs(picture) for picture in pictures[:-1]) > 2.0
    # Cancelled half way, nothing is there, and the next key works as before.
    before = sorted(tmp_path.iterdir())
    saving.answers.append(str(tmp_path / "other.mp4"))
    saving.key(Qt.Key.Key_P, CONTROL | SHIFT)
    saving.until(lambda: window.saving._clip.n_taken >= 2)
    saving.qtbot.mouseClick(window.saving.button, Qt.MouseButton.LeftButton)
    assert saving.said[-1] == ("Clip cancelled: nothing was written", False)
    saving.until(lambda: sorted(tmp_path.iterdir()) == before)
    assert not window.saving.button.isVisible()
    # How far it is stands in the line below once it lasts, and goes.
    window._poll.stop()
    progress, line, status = window.progress, window.status_line.progress, window.engine.status()
    progress.note("clip", "{1} of 2")
    begin_s = time.perf_counter()
    for now_s in (begin_s, begin_s + 1.0):
        progress.show(status, status.state, now_s)
    assert (line.text(), line.isVisible()) == ("{1} of 2", True)
    progress.note("clip", "")
    progress.show(status, status.state, begin_s + 2.0)
    assert not line.isVisible()
