"""Commands that open a window: the console, and pictures of the scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import DEFAULT_SOURCE, changes_of
from .streaming import stream_options
from .terminal import InputError, show_progress

if TYPE_CHECKING:
    from ..export.openigtlink import StreamOptions


def run(options: argparse.Namespace) -> int:
    """Open the console."""
    changes = changes_of(options)
    width, cross, height = options.size.partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise InputError(f"--size {options.size}: give WIDTHxHEIGHT, for example 1280x720")
    for path in (options.screenshot, options.stats):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    from ..ui.app import RunOptions, run_console

    stream = _stream_options(options)
    unattended = options.seconds is not None or options.screenshot or options.stats
    return run_console(
        RunOptions(
            source=options.source or (DEFAULT_SOURCE if unattended else None),
            changes=changes,
            size=(int(width), int(height)),
            seconds=options.seconds,
            screenshot=options.screenshot,
            stats=options.stats,
            model=options.model,
            fresh=options.fresh or options.seconds is not None,
            stream=stream,
        )
    )


def _stream_options(options: argparse.Namespace) -> StreamOptions | None:
    """Read how to stream, if at all."""
    host, images = options.openigtlink_host, options.openigtlink_images
    if options.openigtlink is None:
        if host or images:
            raise InputError("--openigtlink-host and --openigtlink-images: give --openigtlink too")
        return None
    return stream_options(options.openigtlink or None, host, images)


def gallery(options: argparse.Namespace) -> int:
    """Draw a picture of every simulated scene."""
    from ..assets import AssetError
    from ..sources import SourceError
    from ..sources.simulated import SCENES

    folder: Path = options.out
    try:
        from ..render.painter import RenderError
        from ..ui.app import CANNOT_START, CannotStartError
        from ..ui.gallery import SHOWN, draw_cards, draw_gallery, table
    except ImportError as error:
        raise InputError(f"{error}; the command 'doctor' says more") from error
    try:
        names = options.scenes or (SCENES if options.cards else SHOWN)
        draw = draw_cards if options.cards else draw_gallery
        pictures = []
        for picture in draw(folder, names):
            pictures.append(picture)
            show_progress(len(pictures), len(names), "pictures")
    except (SourceError, AssetError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror or error}") from error
    except (CannotStartError, RenderError) as error:
        print(f"ultrasound-console: {error}; the command 'doctor' says more", file=sys.stderr)
        return CANNOT_START
    if not options.cards:
        print(table(pictures))
    return 0
