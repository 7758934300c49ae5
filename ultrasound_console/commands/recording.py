"""Commands that record a source without a window, and finish what was interrupted."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import changes_of
from ..settings import Settings
from .terminal import InputError, check_output, note, show_progress, unwritten

if TYPE_CHECKING:
    from ..record.recorder import Recorder
    from ..sources import Source

_PATIENCE_S = 60.0


def record(options: argparse.Namespace) -> int:
    """Record a source for some seconds."""
    from ..record.content import Content
    from ..record.journal import RecordError
    from ..record.recorder import Recorder
    from ..record.status import Phase
    from ..sources import Annotated, SourceError, open_source

    if not 0.0 < options.seconds < 1e6:
        raise InputError(f"--seconds {options.seconds:g}: give a time in seconds")
    output: Path = options.out
    check_output(output)
    changes = changes_of(options)
    try:
        source = open_source(options.source, prf_hz=options.prf)
        try:
            start = source.defaults(Settings().acquisition)
            settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
            for text in source.configure(settings.acquisition).notes:
                note(text)
            content = Content.IQ if options.iq else Content.CHANNELS
            recorder = Recorder(output, content, settings=lambda: settings)
            if isinstance(source, Annotated):
                recorder.annotate(source.annotations)
            recorder.start()
            try:
                _feed(recorder, source, settings, options.seconds)
            except KeyboardInterrupt:
                note("ended before its time")
            finally:
                recorder.stop()
        finally:
            source.close()
    except (SourceError, RecordError) as error:
        raise InputError(str(error)) from error
    status = recorder.wait()
    print(status.told)
    megabytes = f"{status.n_bytes / 1e6:.0f} MB in {status.elapsed_s:.1f} s"
    note(f"{megabytes}, disk {status.disk_bytes_s / 1e6:.0f} MB/s")
    return 0 if status.phase is Phase.DONE and not status.is_error else 1


def recover(options: argparse.Namespace) -> int:
    """Finish recordings that were interrupted."""
    from ..record import convert
    from ..record.journal import RecordError

    for journal in options.journals:
        try:
            print(f"recovered {convert.recover(journal, progress=_show_share).told}")
        except RecordError as error:
            raise InputError(str(error)) from error
        except OSError as error:
            raise unwritten(journal, error) from error
    return 0


def _show_share(share: float) -> bool:
    show_progress(round(100 * share), 100, "%")
    return True


def _feed(recorder: Recorder, source: Source, settings: Settings, seconds: float) -> None:
    """Hand all frames of some seconds to a recorder, from the first one on."""
    from ..dsp.quantise import quantise
    from ..pipeline import form
    from ..record.content import Content
    from ..record.status import Phase

    source.start()
    index, end_s = 0, time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s and recorder.status.phase is Phase.RECORDING:
        frame = source.read(0.1)
        if frame is None:
            continue
        if not index:
            end_s = time.monotonic() + seconds
        if recorder.content is Content.IQ:
            iq = form(frame, settings.processing)
            recorder.take_iq(quantise(iq.iq, iq.acquisition.n_colour_pulses), iq)
        else:
            recorder.take(frame)
        index += 1
        shown = min(seconds, seconds - end_s + time.monotonic())
        show_progress(round(10 * shown), round(10 * seconds), "tenths of a second")
