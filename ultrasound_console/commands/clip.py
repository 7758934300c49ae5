"""The command that draws the frames of a source as a clip, without a window."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import changes_of
from ..settings import Settings, group_of
from .terminal import InputError, check_output, note, show_progress, unwritten

if TYPE_CHECKING:
    from ..declared import Value
    from ..export.clip import Shot
    from ..frames import DopplerFrame

_SLOWEST, _FASTEST = 0.05, 20.0
_SMALLEST_PX, _LARGEST_PX = 320, 4096


def clip(options: argparse.Namespace) -> int:
    """Draw the frames of a source, and write them as film, GIF or numbered pictures."""
    from ..assets import AssetError
    from ..export.clip import MOST_FPS, ClipError, check_clip, write_clip
    from ..pipeline import PipelineError
    from ..sources import SourceError

    try:
        from ..render.painter import RenderError
        from ..ui.app import CANNOT_START, CannotStartError, start_application
        from ..ui.offscreen import draw_clip
    except ImportError as error:
        raise InputError(f"{error}; the command 'doctor' says more") from error
    output: Path = options.output
    check_output(output)
    size = _size(options.size)
    if not _SLOWEST <= options.speed <= _FASTEST:
        raise InputError(f"--speed {options.speed:g}: give {_SLOWEST:g} to {_FASTEST:g}")
    if options.frames is not None and options.frames < 2:
        raise InputError(f"--frames {options.frames}: a clip needs two or more")
    changes = changes_of(options)
    shown = {name: changes.pop(name) for name in list(changes) if group_of(name) == "display"}
    try:
        check_clip(output)
        start_application()  # before any work, for it may be refused
        frames = list(_frames(options, changes))
        if len(frames) < 2:
            raise InputError(f"{options.source}: has one frame only; a clip needs two or more")
        shots = draw_clip(
            frames,
            Settings().replace(**shown).display,
            speed=options.speed,
            most_fps=MOST_FPS[output.suffix.lower()],
            size=size,
        )
        write_clip(output, _counted(shots, len(frames)))
    except (ClipError, AssetError, SourceError, PipelineError) as error:
        raise InputError(str(error)) from error
    except (CannotStartError, RenderError) as error:
        print(f"ultrasound-console: {error}; the command 'doctor' says more", file=sys.stderr)
        return CANNOT_START
    except OSError as error:
        raise unwritten(output, error) from error
    return 0


def _frames(options: argparse.Namespace, changes: dict[str, Value]) -> Iterator[DopplerFrame]:
    """Process one pass of the source, or as many frames as were asked for."""
    from ..offline import Pipeline, open_source, play

    with (
        Pipeline(model=options.model, prf_divisor=None, tell=note, **changes) as pipeline,
        contextlib.closing(open_source(options.source, prf_hz=options.prf)) as source,
    ):
        pipeline.configure(source)
        n_frames = options.frames or source.n_frames or 1
        for done, acquired in enumerate(play(source, n_frames)):
            show_progress(done, n_frames)
            yield pipeline.process(acquired)
        show_progress(n_frames, n_frames)


def _counted(shots: Iterator[Shot], n_frames: int) -> Iterator[Shot]:
    """Show how far the drawing is."""
    for done, shot in enumerate(shots):
        show_progress(done, n_frames, "pictures")
        yield shot
    show_progress(n_frames, n_frames, "pictures")


def _size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    if width.isdecimal() and height.isdecimal():
        size = int(width), int(height)
        if all(_SMALLEST_PX <= length <= _LARGEST_PX for length in size):
            return size
    raise InputError(
        f"--size {text}: give WIDTHxHEIGHT, {_SMALLEST_PX} to {_LARGEST_PX} each way, "
        "for example 1280x480"
    )
