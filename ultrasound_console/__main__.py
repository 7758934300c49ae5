"""The command line: one command, one exit code."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from . import doctor

CANNOT_START = 1
BAD_INPUT = 2


def _cannot_start(error: ImportError) -> int:
    """Say which package is missing or broken, and return the exit code."""
    if (error.name or "").startswith("ultrasound_console"):
        raise error  # a fault of this package, which no installing mends
    reason = str(error).strip().partition("\n")[0]
    mend = f"{sys.executable} -m ultrasound_console doctor"
    print(f"ultrasound-console: {reason}; what mends it: {mend}", file=sys.stderr)
    return CANNOT_START


try:
    from .arguments import parser
    from .commands import clip, console, dicom, learning, machine, offline, recording, streaming
    from .commands.terminal import InputError
    from .declared import SettingError
except ImportError as failure:
    if sys.argv[1:2] != ["doctor"]:
        sys.exit(_cannot_start(failure))
    for check in doctor.checks():  # the doctor needs no package
        print(check)
    if len(sys.argv) > 2:
        print("options are left out, a report too: they need the packages", file=sys.stderr)
    sys.exit(CANNOT_START)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        code = _COMMANDS[options.command](options)
    except (InputError, SettingError) as error:
        print(f"ultrasound-console: {error}", file=sys.stderr)
        return BAD_INPUT
    except ImportError as error:
        return _cannot_start(error)
    except KeyboardInterrupt:
        print("ultrasound-console: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return code


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": console.run,
    "process": offline.process,
    "spectrum": offline.spectrum,
    "dicom": dicom.dicom,
    "clip": clip.clip,
    "stream": streaming.stream,
    "record": recording.record,
    "recover": recording.recover,
    "gallery": console.gallery,
    "sources": machine.sources,
    "check": machine.check,
    "settings": machine.settings,
    "doctor": machine.doctor,
    "train": learning.train_network,
    "evaluate": learning.judge_folds,
    "bench": machine.measure_speed,
}

if __name__ == "__main__":
    sys.exit(main())
