"""Commands that tell what there is: sources, settings, this machine and its speed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..declared import Choice, Range, Switch, specs
from ..settings import GROUPS, Settings
from .terminal import InputError, check_drawing, check_json

if TYPE_CHECKING:
    from ..doctor import Check


def sources(options: argparse.Namespace) -> int:
    """List what can be opened."""
    del options
    from ..sources import source_names
    from ..sources.protocol import US4US

    print("Without a file:")
    for name in source_names():
        print(f"  {name}")
    print("Files, recognised by their content:")
    print("  own recordings (.h5, .h5.part), MUST .mat, UFF/USTB and zea HDF5, Clarius .raw + .yml")
    print("  captures of gui4us (.pkl), which are read without unpickling them")
    print("  arrays in NPZ, HDF5, MATLAB or a pickle with a mapping file: docs/your-own-data.md")
    print("Scanners, live, on Linux:")
    print(f"  {US4US}SESSION.prototxt  a us4us scanner through ARRUS; docs/us4us.md says how")
    return 0


def check(options: argparse.Namespace) -> int:
    """See whether a source keeps what sources promise."""
    from ..sources import open_source
    from ..sources.conformance import check_source

    report = check_source(lambda: open_source(options.source, prf_hz=options.prf))
    for promise, found in report.results.items():
        print(f"FAIL {promise}: {found}" if found else f"ok   {promise}")
    return int(bool(report.findings))


def settings(options: argparse.Namespace) -> int:
    """List the names that ``--set`` takes."""
    del options
    defaults = Settings()
    for group, cls in GROUPS.items():
        print(group)
        for name, spec in specs(cls):
            value = defaults.get(name)
            match spec:
                case Range():
                    allowed = f"{spec.low:g} ... {spec.high:g} {spec.unit}".rstrip()
                    text = f"{value:g}"
                case Choice():
                    allowed, text = ", ".join(spec.options), str(value)
                case Switch():
                    allowed, text = "on, off", "on" if value else "off"
            print(f"  {name:24} default {text:14} {allowed}")
            print(f"  {'':24} {spec.description}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what is missing and how to mend it."""
    from ..doctor import checks

    found = []
    for check in checks():
        found.append(check)
        print(check)
    if options.report is not None:
        _report(options.report, found)
    return int(not all(check.ok for check in found))


def _report(path: Path, found: Sequence[Check]) -> None:
    from ..diary import diary_folder, write_report

    try:
        texts = write_report(path, found, diary_folder())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    print(f"{path}: {', '.join(texts)}; read it before you send it")


def measure_speed(options: argparse.Namespace) -> int:
    """Measure the speed of the signal chain."""
    from .. import bench
    from ..bench import gpu

    path: Path | None = options.json
    check_json(path)
    if options.figure is not None and not options.growth:
        raise InputError("--figure draws what --growth measures: give both")
    if options.growth:
        report = _growth(options.figure)
    elif options.gpu:
        if refusal := gpu.refusal():
            raise InputError(refusal)
        report = gpu.measure()
        print(gpu.table(report))
    else:
        if not bench.is_one_thread():
            flags = ["--rivals"] * options.rivals + (["--json", str(path)] if path else [])
            return bench.run_again(flags)
        print(f"measuring, about {90 if options.rivals else 20} s", file=sys.stderr)
        report = bench.measure(rivals=options.rivals)
        print(bench.table(report))
    if path is not None:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _growth(figure: Path | None) -> dict[str, Any]:
    from ..bench import growth
    from ..ui.app import CannotStartError
    from ..ui.offscreen import drawing_at

    if figure is not None:
        check_drawing("--figure")
    report: dict[str, Any] = growth.measure()
    try:
        report["window_pixels"] = growth.measure_windows(drawing_at)
    except CannotStartError as error:
        print(f"without the window's size: {error}", file=sys.stderr)
    print(growth.table(report))
    if figure is not None:
        try:
            growth.draw(report, figure)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{figure}: cannot be written: {reason}") from error
    return report
