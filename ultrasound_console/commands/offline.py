"""Commands that take a source through the signal chain without a window."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import changes_of
from ..frames import Acquisition, IqFrame
from ..settings import Settings
from ..sources.protocol import SIMULATED, Source
from .terminal import BatchLine, InputError, check_output, note, show_progress, unwritten

if TYPE_CHECKING:
    from ..batch import Method

_LARGE_ANGLE_DEG = 60.0


def process(options: argparse.Namespace) -> int:
    """Write the frames of one source to a file, or those of many to a folder."""
    from ..batch import Method

    _check_frames(options)
    method = Method(
        settings=changes_of(options),
        model=options.model,
        prf_hz=options.prf,
        prf_divisor=options.prf_divisor,
        n_frames=options.frames,
    )
    return _process_one(options, method) if options.output else _process_many(options, method)


def _process_one(options: argparse.Namespace, method: Method) -> int:
    from ..assets import AssetError
    from ..batch import BatchError, Job, check_apart, write_results
    from ..export.results import SUFFIXES
    from ..pipeline import PipelineError
    from ..sources import SourceError

    output: Path = options.output
    if len(options.sources) > 1:
        raise InputError("-o is for one source: give --out-dir DIR for several")
    if options.npz or options.processes or options.dask:
        raise InputError("--npz, --processes and --dask go with --out-dir")
    check_output(output)
    if output.is_dir():
        raise InputError(f"{output}: is a folder; give the name of a file, or --out-dir")
    if output.suffix not in SUFFIXES:
        raise InputError(f"{output}: give the name of a file that ends in {', '.join(SUFFIXES)}")
    job = Job(options.sources[0], output)
    try:
        check_apart(job)
        with method.pipeline(note) as pipeline:
            _, summary = write_results(
                job, method, pipeline, lambda now: show_progress(now.done, now.total)
            )
    except (BatchError, AssetError, SourceError, PipelineError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise unwritten(output, error) from error
    if summary:
        print(json.dumps(summary, indent=2))
    return 0


def _process_many(options: argparse.Namespace, method: Method) -> int:
    from .. import batch

    folder: Path = options.out_dir
    if options.processes is not None and options.processes < 1:
        raise InputError(f"--processes {options.processes}: give 1 or more")
    n_processes = min(options.processes or batch.n_processors(), len(options.sources))
    try:
        jobs = batch.outputs(options.sources, folder, ".npz" if options.npz else ".h5")
        folder.mkdir(exist_ok=True)
        if options.dask:
            events = batch.on_cluster(jobs, method, options.dask)
        else:
            events = batch.on_this_machine(jobs, method, n_processes)
        shown = BatchLine(len(jobs))
        with contextlib.closing(events), shown:
            for event in events:
                shown.take(event)
    except batch.BatchError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from error
    return 1 if shown.n_failed else 0


def spectrum(options: argparse.Namespace) -> int:
    """Write the spectral Doppler of a gate."""
    from ..export.gated import WRITERS
    from ..export.whole_file import whole_file
    from ..offline import play
    from ..pipeline import form
    from ..pipeline.gated import Gate, measure, plan_gate

    output: Path = options.out
    check_output(output)
    if output.suffix not in (*WRITERS, ".png") or output.is_dir():
        raise InputError(f"{output}: give the name of a file that ends in .npz, .csv or .png")
    try:
        gate = Gate(*(1e-3 * float(part) for part in options.gate.split(",")))
    except (TypeError, ValueError) as error:
        raise InputError(f"--gate {options.gate}: give X_MM,Z_MM or X_MM,Z_MM,LENGTH_MM") from error
    with _opened(options) as (source, acquisition, settings):
        n_frames = options.frames or source.n_frames or 1
        if source.n_frames and not options.source.startswith(SIMULATED):
            n_frames = min(n_frames, source.n_frames)  # a second pass would not be a new time
        try:
            plan = plan_gate(
                acquisition,
                n_frames,
                gate,
                settings.processing,
                window_s=None if options.window is None else 1e-3 * options.window,
                baseline_nyquist=options.baseline,
                angle_rad=math.radians(options.angle),
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        if abs(options.angle) > _LARGE_ANGLE_DEG:
            note(
                f"--angle {options.angle:g}: beyond {_LARGE_ANGLE_DEG:g} degrees a small error of "
                "the angle is a large one of the velocity"
            )
        frames = map(partial(form, processing=settings.processing), play(source, n_frames))
        record = measure(_shown(frames, n_frames), plan)
    told = record.description
    try:
        with whole_file(output) as part:
            if output.suffix == ".png":
                from ..render.spectrum_picture import save_picture

                save_picture(part, record.spectra, record.trace, told.titles)
            else:
                WRITERS[output.suffix](part, record)
    except OSError as error:
        raise unwritten(output, error) from error
    print(json.dumps(told.to_dict(), indent=2))
    return 0


@contextlib.contextmanager
def _opened(options: argparse.Namespace) -> Iterator[tuple[Source, Acquisition, Settings]]:
    """Open and configure the source with the settings of the command line."""
    from ..offline import configure, open_source
    from ..pipeline import PipelineError
    from ..sources import SourceError

    _check_frames(options)
    changes = changes_of(options)
    try:
        with contextlib.closing(open_source(options.source, prf_hz=options.prf)) as source:
            acquisition, settings = configure(source, changes)
            for text in acquisition.notes:
                note(text)
            yield source, acquisition, settings
    except (SourceError, PipelineError) as error:
        raise InputError(str(error)) from error


def _check_frames(options: argparse.Namespace) -> None:
    if options.frames is not None and options.frames < 1:
        raise InputError(f"--frames {options.frames}: give 1 or more")


def _shown(frames: Iterable[IqFrame], n_frames: int) -> Iterator[IqFrame]:
    """Show how far it is."""
    show_progress(0, n_frames)
    for done, frame in enumerate(frames, 1):
        yield frame
        show_progress(done, n_frames)
