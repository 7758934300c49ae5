"""Commands that open a window: the console, and pictures of the scenes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..arguments import changes_of
from .terminal import InputError, show_progress


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

    return run_console(
        RunOptions(
            source=options.source,
            changes=changes,
            size=(int(width), int(height)),
            seconds=options.seconds,
            screenshot=options.screenshot,
            stats=options.stats,
            model=options.model,
            fresh=options.fresh or options.seconds is not None,
        )
    )


def gallery(options: argparse.Namespace) -> int:
    """Draw a picture of every simulated scene."""
    from ..assets import AssetError
    from ..sources import SourceError

    folder: Path = options.out
    try:
        from ..render.painter import RenderError
        from ..ui.app import CANNOT_START, CannotStartError
        from ..ui.gallery import SHOWN, draw_gallery, table
    except ImportError as error:
        raise InputError(f"{error}; the command 'doctor' says more") from error
    try:
        names = options.scenes or SHOWN
        pictures = []
        for picture in draw_gallery(folder, names):
            pictures.append(picture)
            show_progress(len(pictures), len(names), "pictures")
    except (SourceError, AssetError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror or error}") from error
    except (CannotStartError, RenderError) as error:
        print(f"ultrasound-console: {error}; the command 'doctor' says more", file=sys.stderr)
        return CANNOT_START
    print(table(pictures))
    return 0
