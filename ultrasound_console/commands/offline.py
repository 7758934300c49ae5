"""Commands that take a source through the signal chain without a window."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import changes_of
from ..frames import AcquiredFrame, Acquisition
from ..settings import Settings
from ..sources.protocol import SIMULATED, Source
from .terminal import InputError, check_output, note, show_progress, unwritten

if TYPE_CHECKING:
    from ..segment import Segmenter

_LARGE_ANGLE_DEG = 60.0


def process(options: argparse.Namespace) -> int:
    """Write the frames of a source to an HDF5 file."""
    from ..compute import Compute
    from ..export.results import ResultsWriter

    output: Path = options.output
    check_output(output)
    if output.is_dir():
        raise InputError(f"{output}: is a folder; give the name of a file")
    with _opened(options, options.prf_divisor) as (source, acquisition, settings):
        compute = Compute(note, _segmenter(options.model, settings))
        n_frames = options.frames or source.n_frames or 1
        try:
            with ResultsWriter(output, acquisition, settings) as writer:
                previous = None
                for frame in _frames(options, source, n_frames):
                    formed = compute.form(frame, settings.processing)
                    previous = compute.doppler(formed, settings.processing, previous).frame
                    writer.append(previous)
        except OSError as error:
            raise unwritten(output, error) from error
    if writer.summary:
        print(json.dumps(writer.summary, indent=2))
    return 0


def spectrum(options: argparse.Namespace) -> int:
    """Write the spectral Doppler of a gate."""
    from ..export.gated import WRITERS
    from ..export.whole_file import whole_file
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
        frames = _frames(options, source, n_frames)
        record = measure((form(frame, settings.processing) for frame in frames), plan)
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


def _segmenter(model: Path | None, settings: Settings) -> Segmenter | None:
    """Load the network if the settings ask for it; only a model that was named must be there."""
    from ..assets import AssetError
    from ..segment import Segmenter

    if not settings.processing.asks_network:
        if model is not None:
            note(f"{model} is not used: {settings.processing.why_no_network}")
        return None
    try:
        return Segmenter(model)
    except AssetError as error:
        if model is not None:
            raise InputError(str(error)) from error
        note(f"{error}; folds are found by continuity")
        return None


@contextlib.contextmanager
def _opened(
    options: argparse.Namespace, prf_divisor: int | None = None
) -> Iterator[tuple[Source, Acquisition, Settings]]:
    """Open the source with the settings of the command line, not in real time."""
    from ..pipeline import PipelineError
    from ..sources import SourceError, open_source

    if options.frames is not None and options.frames < 1:
        raise InputError(f"--frames {options.frames}: give 1 or more")
    changes = changes_of(options)
    try:
        source = open_source(options.source, real_time=False, prf_hz=options.prf)
        try:
            start = source.defaults(Settings().acquisition)
            settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
            if prf_divisor is not None:
                settings = settings.replace(prf_hz=_divided_prf(start.prf_hz, options))
            acquisition = source.configure(settings.acquisition)
            _check_divisor(acquisition, prf_divisor)
            for text in acquisition.notes:
                note(text)
            yield source, acquisition, settings
        finally:
            source.close()
    except (SourceError, PipelineError) as error:
        raise InputError(str(error)) from error


def _frames(options: argparse.Namespace, source: Source, n_frames: int) -> Iterator[AcquiredFrame]:
    """Play a source that is configured, and show how far it is."""
    source.start()
    for done in range(n_frames):
        show_progress(done, n_frames)
        frame = source.read(timeout_s=60.0)
        if frame is None:
            raise InputError(f"{options.source}: no frame {done} came within 60 s")
        yield frame
    show_progress(n_frames, n_frames)


def _divided_prf(own_prf_hz: float, options: argparse.Namespace) -> float:
    """PRF of every K-th pulse of a recording."""
    divisor: int = options.prf_divisor
    if options.source.startswith(SIMULATED):
        raise InputError("--prf-divisor is for recordings; a simulated source takes --prf")
    if divisor < 1:
        raise InputError(f"--prf-divisor {divisor}: give 1 or more")
    if options.prf is not None and options.prf != own_prf_hz:
        raise InputError(
            f"--prf {options.prf:g} and --prf-divisor: the recording names its own PRF, "
            f"{own_prf_hz:g} Hz; give one of the two"
        )
    return own_prf_hz / divisor


def _check_divisor(acquisition: Acquisition, divisor: int | None) -> None:
    """Refuse a divisor that the recording could not follow: a PRF is never changed silently."""
    if divisor is None or math.isclose(acquisition.prf_hz, acquisition.requested_prf_hz):
        return
    largest = len(acquisition.prf_choices_hz)
    raise InputError(f"--prf-divisor {divisor}: too few pulses would remain; give 1 ... {largest}")
