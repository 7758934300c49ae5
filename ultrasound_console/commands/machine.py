"""Commands that tell what there is: sources, settings, this machine and its speed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..declared import Choice, Range, Switch, specs
from ..settings import GROUPS, Settings
from .terminal import InputError, check_json


def sources(options: argparse.Namespace) -> int:
    """List what can be opened."""
    del options
    from ..sources import source_names

    print("Without a file:")
    for name in source_names():
        print(f"  {name}")
    print("Files, recognised by their content:")
    print("  own recordings (.h5, .h5.part), MUST .mat, UFF/USTB and zea HDF5 channel data")
    return 0


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
    del options
    from ..doctor import checks

    failed = False
    for check in checks():
        mark = "ok  " if check.ok else "MISS"
        print(f"{mark} {check.name:28} {check.detail}")
        if not check.ok:
            failed = True
            print(f"     {'':28} {check.remedy}")
    return int(failed)


def measure_speed(options: argparse.Namespace) -> int:
    """Measure the speed of the signal chain."""
    from .. import bench
    from ..bench import gpu

    path: Path | None = options.json
    check_json(path)
    if options.gpu:
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
