"""The command line: one command, one exit code."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from .arguments import parser
from .commands import clip, console, dicom, learning, machine, offline, recording, streaming
from .commands.terminal import InputError
from .declared import SettingError

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        code = _COMMANDS[options.command](options)
    except (InputError, SettingError) as error:
        print(f"ultrasound-console: {error}", file=sys.stderr)
        return BAD_INPUT
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
