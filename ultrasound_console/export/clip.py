"""Clips: pictures one after the other, each for as long as it was on, as film or files.

H.264 in MP4 needs PyAV, which is an extra (``video``) for the licence of the encoder that its
wheels bring along. GIF and numbered PNG files need nothing.
"""

from __future__ import annotations

import errno
import importlib.util
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import gif
from .png import write_png
from .whole_file import whole_file

MP4, GIF, SERIES = ".mp4", ".gif", ".png"
MOST_FPS: Mapping[str, float] = {MP4: 60.0, GIF: gif.MOST_FPS, SERIES: float("inf")}
"""Pictures that follow each other faster are left out, by the end of the file's name."""

_TICKS_HZ = 1000
_FPS = 30
# Finer than what is called visually lossless: thin coloured lines suffer first.
_QUALITY = {"crf": "14", "preset": "veryfast"}
# Colours as in all television of high definition; players take them for others without a word.
_BT709, _STUDIO_RANGE = 1, 1
_FASTEST_CS = 2
_NO_PYAV = "an MP4 needs PyAV: pip install 'ultrasound-console[video]', or give the name of a GIF"


class ClipError(Exception):
    """A clip that cannot be written so; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture of a clip.

    Attributes
    ----------
    rgb : (height, width, 3) uint8
    lasts_s : float
        How long it is shown.
    texts : mapping
        What made it. A film has the texts of its first picture, numbered files each their own.
    """

    rgb: NDArray[np.uint8]
    lasts_s: float
    texts: Mapping[str, str] = field(default_factory=dict)


def timing(
    start_s: Sequence[float], end_s: float, speed: float, most_fps: float
) -> tuple[tuple[int, float], ...]:
    """Choose the pictures of a clip, whole ones only.

    Parameters
    ----------
    start_s : sequence of float
        When each begins, from 0.
    end_s : float
        When the last one ends.
    speed : float
        In real time.
    most_fps : float
        A picture that would follow the one before sooner is left out, and that one stands longer.

    Returns
    -------
    tuple of (int, float)
        Place of each picture that is taken, and for how long it is shown, in s.
    """
    taken: list[int] = []
    for place, begins_s in enumerate(start_s):
        # A little sooner is no sooner: times are sums.
        if not taken or (begins_s - start_s[taken[-1]]) * most_fps >= 0.999 * speed:
            taken.append(place)
    edges_s = [*(start_s[place] for place in taken), end_s]
    lasts_s = ((after - before) / speed for before, after in itertools.pairwise(edges_s))
    return tuple(zip(taken, lasts_s, strict=True))


def check_clip(path: Path) -> None:
    """Refuse what cannot be written here, before any work is done.

    Raises
    ------
    ClipError
    """
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        raise ClipError(f"{path.name}: give a name that ends in {MP4}, {GIF} or {SERIES}")
    if ending == MP4 and importlib.util.find_spec("av") is None:
        raise ClipError(_NO_PYAV)
    if ending == SERIES and path.with_suffix("").exists():
        raise ClipError(f"{path.stem}: is there already; give another name")


def write_clip(path: Path, shots: Iterable[Shot]) -> int:
    """Write a clip; it appears when it is whole, and an exception leaves nothing.

    Parameters
    ----------
    path : Path
        Its end says what is written: ``.mp4``; ``.gif``; ``.png`` for numbered files in a folder of
        that name. A film of that name is replaced, a folder is not.
    shots : iterable of Shot
        Taken one by one, so that a clip of any length needs little memory. All have the size of
        the first; in an MP4 an odd one loses its last row or column.

    Returns
    -------
    int
        Number of pictures.

    Raises
    ------
    ClipError
        No such format, no PyAV, no pictures, or one of another size.
    OSError
        It cannot be written.
    """
    check_clip(path)
    several = iter(shots)
    first = next(several, None)
    if first is None:
        raise ClipError(f"{path.name}: not written: there are no pictures")
    checked = _Checked(first, several)
    _WRITERS[path.suffix.lower()](path, first, checked)
    return checked.n_given


class _Checked:
    """Gives the first picture and then those that have its size."""

    def __init__(self, first: Shot, others: Iterator[Shot]) -> None:
        self._first, self._others = first, others
        self.n_given = 0

    def __iter__(self) -> Iterator[Shot]:
        for shot in itertools.chain((self._first,), self._others):
            if shot.rgb.shape != self._first.rgb.shape:
                raise ClipError("the pictures changed their size: keep the window as it is")
            self.n_given += 1
            yield shot


def _write_mp4(path: Path, first: Shot, shots: Iterable[Shot]) -> None:
    try:
        import av
    except ImportError as error:
        raise ClipError(f"{_NO_PYAV} ({error})") from error
    # A file of Python's: its errors come through as they are, and a name is never an address.
    with whole_file(path) as part, part.open("wb") as file:
        container = av.open(file, "w", format="mp4")
        try:
            _encode(av, container, first, shots)
        except BaseException:
            with suppress(Exception):  # it would be the same one once more
                container.close()
            raise
        container.close()


def _encode(av: Any, container: Any, first: Shot, shots: Iterable[Shot]) -> None:
    """Encode each picture for its own time."""
    height, width = (length - length % 2 for length in first.rgb.shape[:2])
    container.metadata["title"] = first.texts.get("Title", "")
    container.metadata["comment"] = _as_lines(first.texts)
    try:
        stream = container.add_stream("libx264", rate=_FPS, options=_QUALITY)
    except av.error.FFmpegError as error:
        raise ClipError("this PyAV cannot write H.264: give the name of a GIF") from error
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    codec = stream.codec_context
    stream.time_base = codec.time_base = Fraction(1, _TICKS_HZ)
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = _STUDIO_RANGE
    ends: dict[int, int] = {}  # time of each picture, and of the one after it

    def packed(frame: Any) -> None:
        for packet in stream.encode(frame):
            # Once there is a head, packets count time as the file does.
            tick_s = packet.time_base
            begins = round(packet.pts * tick_s * _TICKS_HZ)
            packet.duration = round(Fraction(ends[begins] - begins, _TICKS_HZ) / tick_s)
            container.mux(packet)

    begin, passed_s = 0, 0.0
    for shot in shots:
        picture = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(shot.rgb[:height, :width]), format="rgb24"
        ).reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_STUDIO_RANGE)
        picture.pts, picture.time_base = begin, Fraction(1, _TICKS_HZ)
        passed_s += shot.lasts_s
        ends[begin] = max(begin + 1, round(passed_s * _TICKS_HZ))
        begin = ends[begin]
        packed(picture)
    packed(None)


def _write_gif(path: Path, first: Shot, shots: Iterable[Shot]) -> None:
    height, width, _ = first.rgb.shape
    with whole_file(path) as part, part.open("wb") as file:
        file.write(gif.head(width, height, _as_lines(first.texts)))
        begins, passed_s = 0, 0.0
        for shot in shots:
            passed_s += shot.lasts_s
            ends = max(begins + _FASTEST_CS, round(100.0 * passed_s))
            file.write(gif.picture(shot.rgb, ends - begins))
            begins = ends
        file.write(gif.TAIL)


def _write_series(path: Path, first: Shot, shots: Iterable[Shot]) -> None:
    del first
    folder = path.with_suffix("")
    with _whole_folder(folder) as part:
        for number, shot in enumerate(shots, 1):
            texts = {**shot.texts, "Shown for": f"{shot.lasts_s:.4f} s"}
            write_png(part / f"{folder.name}-{number:04}.png", shot.rgb, texts)


_WRITERS: dict[str, Callable[[Path, Shot, Iterable[Shot]], None]] = {
    MP4: _write_mp4,
    GIF: _write_gif,
    SERIES: _write_series,
}


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; it gets its name in the end, or goes after an exception."""
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        yield part
        if folder.exists():
            raise FileExistsError(errno.EEXIST, "is there already", str(folder))
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _as_lines(texts: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in texts.items())
