"""Pictures of the simulated scenes at peak systole, and a table that shows them on a page."""

from __future__ import annotations

import dataclasses
import errno
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QByteArray, QRect, QSize, Qt
from PySide6.QtGui import QImage, QImageWriter

from ..export.whole_file import whole_file
from ..frames import Acquisition, ChannelFrame, DopplerFrame
from ..pipeline import doppler, form
from ..render.canvas import PanelCanvas
from ..segment import Segmenter
from ..settings import DisplaySettings, Settings
from ..settings.display import ONLY_DEALIASED
from ..simulation import Scan, Scene, plan
from ..simulation.flow import Truth
from ..simulation.plan import shows_sector
from ..sources.protocol import SIMULATED
from ..sources.simulated import SCENES, find_scene
from . import theme
from .app import start_application
from .labels import PanelLabels

SHOWN: tuple[str, ...] = (*SCENES, "random:3", "random:7")
"""Names of the scenes that are drawn when none are named."""

SIZE_PX = (900, 306)
# Its elements lie closest. Steered waves of the others have grating lobes, which leave colour
# beside the flow.
_PROBE = "al2442"
# The PRF is chosen so that nearly all blood is slower than this many v_N.
_FASTEST_NYQUIST = 1.7
_NEARLY_ALL_PERCENT = 99.0
# Frames ahead of the one that is drawn, for the time continuity of the folds.
_BEFORE = 2
_COLUMNS = 2
# Of the pictures on the start page.
CARD_SIZE_PX = (320, 224)
CARD_SUFFIX = ".jpg"
_CARD_QUALITY = 86
# Depth at the upper edge; the vessels lie below.
_CARD_FROM_M = 4e-3


@dataclass(frozen=True)
class Picture:
    """A picture of a scene.

    Attributes
    ----------
    name : str
        Of the scene.
    path : Path
    caption : str
        One line.
    """

    name: str
    path: Path
    caption: str


def draw_gallery(folder: Path, names: Sequence[str]) -> Iterator[Picture]:
    """Draw the three panels of each scene into a PNG of the folder, one after the other.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    names : sequence of str
        Scenes as :func:`~ultrasound_console.sources.simulated.find_scene` takes them.

    Raises
    ------
    SourceError
        There is no scene of a name; nothing is drawn then.
    AssetError
        A file of a scene or of the probe is missing.
    CannotStartError, RenderError
        No window can be opened here, or OpenGL is missing or too old.
    OSError
        The folder cannot be made, or a picture cannot be written.
    """
    scenes, segmenter = [find_scene(name) for name in names], Segmenter()
    folder.mkdir(parents=True, exist_ok=True)
    application = start_application()
    theme.apply(application)
    canvas = PanelCanvas(size=SIZE_PX)
    labels = PanelLabels(canvas)
    try:
        for name, scene in zip(names, scenes, strict=True):
            frame = frame_at_peak(scene, segmenter)
            canvas.clear()  # forgets the scale of the scene before
            canvas.set_frame(frame)
            labels.place()
            path = folder / f"{name.replace(':', '-')}.png"
            labels.compare.hide()  # nobody can press it in a picture
            _save(canvas, path)
            yield Picture(name, path, _caption(name, scene, frame))
    finally:
        canvas.deleteLater()


def draw_cards(folder: Path, names: Sequence[str]) -> Iterator[Picture]:
    """Draw the small picture of each scene that the start page shows: the de-aliased flow alone.

    Parameters and errors are those of :func:`draw_gallery`.
    """
    scenes, segmenter = [find_scene(name) for name in names], Segmenter()
    folder.mkdir(parents=True, exist_ok=True)
    theme.apply(start_application())
    canvas = PanelCanvas(size=(3 * CARD_SIZE_PX[0], 4 * CARD_SIZE_PX[1]))
    canvas.set_display(DisplaySettings(view=ONLY_DEALIASED, overlay_opacity=1.0))
    try:
        for name, scene in zip(names, scenes, strict=True):
            frame = frame_at_peak(scene, segmenter)
            canvas.clear()
            canvas.set_frame(frame)
            path = folder / f"{name.replace(':', '-')}{CARD_SUFFIX}"
            _write(_card(canvas), path, "JPEG", quality=_CARD_QUALITY)
            yield Picture(name, path, _caption(name, scene, frame))
    finally:
        canvas.deleteLater()


def _card(canvas: PanelCanvas) -> QImage:
    """Cut out the depths that hold the flow, over the whole width of the array."""
    left_m, right_m, *_ = canvas.view.extent_m
    left_px, top_px = canvas.pixel(0, left_m, _CARD_FROM_M)
    wide_px = canvas.pixel(0, right_m, _CARD_FROM_M)[0] - left_px
    high_px = wide_px * CARD_SIZE_PX[1] / CARD_SIZE_PX[0]
    part = QRect(math.ceil(left_px), round(top_px), math.floor(wide_px) - 1, round(high_px))
    size = QSize(*CARD_SIZE_PX)
    return canvas.image().copy(part).scaled(size, mode=Qt.TransformationMode.SmoothTransformation)


def frame_at_peak(scene: Scene, segmenter: Segmenter | None = None) -> DopplerFrame:
    """Take the frame at peak systole, at a PRF at which it aliases."""
    settings = Settings().replace(probe=_PROBE)
    if shows_sector(scene.probe):
        settings = settings.replace(probe=scene.probe, depth_m=scene.start_depth_m)
    if scene.steering_rad is not None:
        settings = settings.replace(steering_rad=scene.steering_rad)
    acquisition = plan(scene, settings.acquisition)
    prf_hz = round(_aliasing_prf_hz(scene, acquisition), -2)
    acquisition = plan(scene, dataclasses.replace(settings.acquisition, prf_hz=prf_hz))
    scan, processing = Scan(scene), settings.processing
    n_frames = round(scene.period_s / acquisition.frame_interval_s)
    peak = n_frames + round(acquisition.peak_systole_s / acquisition.frame_interval_s)
    frame = None
    for position in range(peak - _BEFORE, peak + 1):
        made = scan.frame(acquisition, position % n_frames)
        assert made is not None
        channel = ChannelFrame(
            index=position,
            time_s=position * acquisition.frame_interval_s,
            received_s=time.perf_counter(),
            acquisition=acquisition,
            colour=made.colour,
            bmode=made.bmode,
            truth=made.truth,
        )
        frame = doppler(form(channel, processing), processing, frame, segmenter)
    assert frame is not None
    return frame


def table(pictures: Sequence[Picture]) -> str:
    """Write a Markdown table of the pictures, two in a row, each over its caption."""
    rows = ["|" + " |" * _COLUMNS, "|" + "---|" * _COLUMNS]
    for first in range(0, len(pictures), _COLUMNS):
        row = pictures[first : first + _COLUMNS]
        blank = [""] * (_COLUMNS - len(row))
        shown = [
            f"![Scene {picture.name}: aliased, segmented and de-aliased]({picture.path.as_posix()})"
            for picture in row
        ]
        rows += [
            f"| {' | '.join(cells)} |"
            for cells in (shown + blank, [picture.caption for picture in row] + blank)
        ]
    return "\n".join(rows)


def _aliasing_prf_hz(scene: Scene, acquisition: Acquisition) -> float:
    """PRF at which nearly all blood, at its fastest, is slower than a multiple of v_N."""
    angles_rad = acquisition.transmit_angle_rad, acquisition.receive_angle_rad
    behind_m = acquisition.source_distance_m
    truth = Truth(scene.flow(), acquisition.peak_systole_s, *angles_rad, behind_m)
    truth_m_s, inside = truth.on(acquisition.colour_grid)
    fastest_m_s = float(np.percentile(np.abs(truth_m_s[inside]), _NEARLY_ALL_PERCENT))
    per_hz = acquisition.nyquist_velocity_m_s / acquisition.prf_hz
    return fastest_m_s / (_FASTEST_NYQUIST * per_hz)


def _save(canvas: PanelCanvas, path: Path) -> None:
    """Write what the canvas and its labels show, in colours of 15 bits: a third of the bytes."""
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB555)
    _write(image, path, "PNG")


def _write(image: QImage, path: Path, file_format: str, quality: int = -1) -> None:
    with whole_file(path) as part:
        writer = QImageWriter(str(part), QByteArray(file_format.encode()))
        writer.setCompression(100)
        writer.setQuality(quality)
        if not writer.write(image):
            raise OSError(errno.EIO, "the picture cannot be written", str(path))


def _caption(name: str, scene: Scene, frame: DopplerFrame) -> str:
    acquisition = frame.acquisition
    about = f"{scene.about}. " if scene.about else ""
    return (
        f"`{SIMULATED}{name}` {about}PRF {acquisition.prf_hz / 1e3:.1f} kHz, "
        f"v_N {100.0 * frame.nyquist_velocity_m_s:.0f} cm/s"
    )
