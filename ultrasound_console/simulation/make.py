"""Solve the flow of the scenes: ``python -m ultrasound_console.simulation.make [NAME ...]``.

Writes ``models/phantoms`` of a checkout: about 5 minutes for each vessel on one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .phantoms import Phantom, solve, write_phantom
from .scenes import SCENES
from .stream import Solved


def main(arguments: list[str] | None = None) -> int:
    """Make all solved vessels, or the named ones."""
    vessels = {
        blood.phantom: blood
        for scene in SCENES.values()
        for blood in scene.vessels
        if isinstance(blood, Solved)
    }
    parser = argparse.ArgumentParser(
        prog="python -m ultrasound_console.simulation.make",
        description="Solve the flow of the scenes and write it to a folder.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(vessels))
    parser.add_argument("--folder", type=Path, default=Path("models/phantoms"))
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(vessels)
    if unknown:
        parser.error(f"no vessel {', '.join(sorted(unknown))}: take {', '.join(vessels)}")
    if not options.folder.is_dir():
        parser.error(f"no folder {options.folder}: start in the project's own, or give --folder")
    for name in options.names or vessels:
        path = options.folder / f"{name}.npz"
        began_s = time.perf_counter()
        for part in solve(vessels[name].problem(), vessels[name].n_phases):
            took_s = time.perf_counter() - began_s
            if isinstance(part, Phantom):
                write_phantom(path, part)
                kib = path.stat().st_size / 1024
                _say(f"\r{path}: {kib:.0f} KiB, {took_s:.0f} s{'':20}\n")
            else:
                _say(f"\r{name}: {100 * part:.0f} %, {took_s / part - took_s:.0f} s left ")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
