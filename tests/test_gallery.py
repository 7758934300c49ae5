"""Pictures of the scenes: the frame that is chosen, the file, the table, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from display import needs_display
from PySide6.QtGui import QImage

from ultrasound_console.__main__ import main
from ultrasound_console.render.view import View
from ultrasound_console.sources.simulated import find_scene
from ultrasound_console.ui import gallery
from ultrasound_console.ui.gallery import SIZE_PX, Picture, frame_at_peak, table


def refused(capsys, *arguments) -> str:
    assert main(["gallery", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def shown_in(path: Path) -> list[np.ndarray]:
    """RGB of the three pictures without the colour bars."""
    image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB888)
    assert (image.width(), image.height()) == SIZE_PX
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    rgb = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)
    rects = [View(*SIZE_PX).picture_rect(panel) for panel in range(3)]
    return [rgb[rect.y : rect.bottom, rect.x : rect.right] for rect in rects]


@pytest.fixture(scope="module")
def artery():
    return frame_at_peak(find_scene("random:3"))


def test_the_frame_is_that_of_peak_systole(artery):
    acquisition = artery.acquisition
    late_s = artery.time_s % acquisition.heart_cycle_s - acquisition.peak_systole_s
    assert abs(late_s) <= 0.5 * acquisition.frame_interval_s + 1e-9


def test_the_prf_is_one_at_which_it_aliases(artery):
    speed = np.abs(artery.truth_m_s[artery.vessel_mask]) / artery.nyquist_velocity_m_s
    # The PRF is a round number of 100 Hz, and the frame is not exactly at the peak.
    assert np.percentile(speed, 99.0) == pytest.approx(1.7, abs=0.15)
    assert artery.fold.any()


@pytest.mark.gui
@needs_display
def test_the_command_draws_three_panels_and_prints_a_table(
    qtbot, capsys, monkeypatch, tmp_path, artery
):
    monkeypatch.setattr(gallery, "frame_at_peak", lambda scene, segmenter: artery)
    folder = tmp_path / "new" / "gallery"
    assert main(["gallery", "--out", str(folder), "random:3"]) == 0
    printed = capsys.readouterr().out
    (path,) = folder.iterdir()
    assert path.name == "random-3.png"
    assert f"]({path.as_posix()})" in printed
    assert f"PRF {artery.acquisition.prf_hz / 1e3:.1f} kHz" in printed
    assert path.stat().st_size <= 100_000
    aliased, folds, corrected = shown_in(path)
    red, _, blue = np.moveaxis(aliased - corrected, -1, 0)
    # Flow away from the probe is blue; where it is folded the left picture has it red.
    assert np.count_nonzero((red > 60) & (blue < 0)) > 100
    coloured = [np.ptp(panel, axis=-1) > 40 for panel in (aliased, folds, corrected)]
    assert all(0.01 < share.mean() < 0.3 for share in coloured[::2])
    assert 0.001 < coloured[1].mean() < coloured[0].mean()


@pytest.mark.gui
@needs_display
def test_a_picture_that_cannot_be_written_is_named(qtbot, capsys, monkeypatch, tmp_path, artery):
    monkeypatch.setattr(gallery, "frame_at_peak", lambda scene, segmenter: artery)
    (tmp_path / "random-3.png").mkdir()
    line = refused(capsys, "--out", tmp_path, "random:3")
    assert "random-3.png" in line
    assert [path.name for path in tmp_path.iterdir()] == ["random-3.png"]


def test_a_folder_that_cannot_be_made_is_refused(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert "file" in refused(capsys, "--out", tmp_path / "file" / "gallery", "random:3")


def test_a_scene_that_is_not_there_is_refused_before_anything_is_made(capsys, tmp_path):
    line = refused(capsys, "--out", tmp_path / "gallery", "straight-tube", "nowhere")
    assert "nowhere" in line
    assert "femoral-bifurcation" in line
    assert not list(tmp_path.iterdir())


def test_the_table_has_two_pictures_a_row():
    pictures = [Picture(name, Path("docs") / f"{name}.png", f"About {name}") for name in "abc"]
    rows = [row.strip("|").split("|") for row in table(pictures).splitlines()]
    assert [len(row) for row in rows] == [2] * 6
    assert "(docs/b.png)" in rows[2][1]
    assert "About b" in rows[3][1]
    assert "(docs/c.png)" in rows[4][0]
    assert not rows[4][1].strip()
