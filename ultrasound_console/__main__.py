"""The command line: the only place that puts everything together."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import changes_of, parser
from .declared import Choice, Range, SettingError, Switch, specs
from .frames import Acquisition, ChannelFrame
from .settings import GROUPS, Settings
from .sources.protocol import SIMULATED, Source

if TYPE_CHECKING:
    from .segment import Segmenter

BAD_INPUT = 2
_LARGE_ANGLE_DEG = 60.0


class InputError(Exception):
    """Bad input from the command line; the message is the one line the user sees."""


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


def _run(options: argparse.Namespace) -> int:
    changes = changes_of(options)
    width, cross, height = options.size.partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise InputError(f"--size {options.size}: give WIDTHxHEIGHT, for example 1280x720")
    for path in (options.screenshot, options.stats):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    from .ui.app import RunOptions, run_console

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


def _process(options: argparse.Namespace) -> int:
    from .compute import Compute
    from .export.results import ResultsWriter

    output: Path = options.output
    _check_output(output)
    if output.is_dir():
        raise InputError(f"{output}: is a folder; give the name of a file")
    with _opened(options, options.prf_divisor) as (source, acquisition, settings):
        compute = Compute(_note, _segmenter(options.model, settings))
        n_frames = options.frames or source.n_frames or 1
        try:
            with ResultsWriter(output, acquisition, settings) as writer:
                previous = None
                for frame in _frames(options, source, n_frames):
                    formed = compute.form(frame, settings.processing)
                    previous = compute.doppler(formed, settings.processing, previous).frame
                    writer.append(previous)
        except OSError as error:
            raise _unwritten(output, error) from error
    if writer.summary:
        print(json.dumps(writer.summary, indent=2))
    return 0


def _spectrum(options: argparse.Namespace) -> int:
    from .export.gated import WRITERS
    from .export.whole_file import whole_file
    from .pipeline import form
    from .pipeline.gated import Gate, measure, plan_gate

    output: Path = options.out
    _check_output(output)
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
            _note(
                f"--angle {options.angle:g}: beyond {_LARGE_ANGLE_DEG:g} degrees a small error of "
                "the angle is a large one of the velocity"
            )
        frames = _frames(options, source, n_frames)
        record = measure((form(frame, settings.processing) for frame in frames), plan)
    told = record.description
    try:
        with whole_file(output) as part:
            if output.suffix == ".png":
                from .render.spectrum_picture import save_picture

                save_picture(part, record.spectra, record.trace, told.titles)
            else:
                WRITERS[output.suffix](part, record)
    except OSError as error:
        raise _unwritten(output, error) from error
    print(json.dumps(told.to_dict(), indent=2))
    return 0


def _segmenter(model: Path | None, settings: Settings) -> Segmenter | None:
    """Load the network if the settings ask for it; only a model that was named must be there."""
    from .assets import AssetError
    from .segment import Segmenter

    if not settings.processing.asks_network:
        return None
    try:
        return Segmenter(model)
    except AssetError as error:
        if model is not None:
            raise InputError(str(error)) from error
        _note(f"{error}; folds are found by continuity")
        return None


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _check_output(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")


def _check_json(path: Path | None) -> None:
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path}: give the name of a file in a folder that exists")


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: {error.strerror or error}; nothing was kept")


@contextlib.contextmanager
def _opened(
    options: argparse.Namespace, prf_divisor: int | None = None
) -> Iterator[tuple[Source, Acquisition, Settings]]:
    """Open the source with the settings of the command line, not in real time."""
    from .pipeline import PipelineError
    from .sources import SourceError, open_source

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
            for note in acquisition.notes:
                _note(note)
            yield source, acquisition, settings
        finally:
            source.close()
    except (SourceError, PipelineError) as error:
        raise InputError(str(error)) from error


def _frames(options: argparse.Namespace, source: Source, n_frames: int) -> Iterator[ChannelFrame]:
    """Play a source that is configured, and show how far it is."""
    source.start()
    for done in range(n_frames):
        _show_progress(done, n_frames)
        frame = source.read(timeout_s=60.0)
        if frame is None:
            raise InputError(f"{options.source}: no frame {done} came within 60 s")
        yield frame
    _show_progress(n_frames, n_frames)


def _gallery(options: argparse.Namespace) -> int:
    from .assets import AssetError
    from .sources import SourceError

    folder: Path = options.out
    try:
        from .render.painter import RenderError
        from .ui.app import CANNOT_START, CannotStartError
        from .ui.gallery import SHOWN, draw_gallery, table
    except ImportError as error:
        raise InputError(f"{error}; the command 'doctor' says more") from error
    try:
        names = options.scenes or SHOWN
        pictures = []
        for picture in draw_gallery(folder, names):
            pictures.append(picture)
            _show_progress(len(pictures), len(names), "pictures")
    except (SourceError, AssetError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror or error}") from error
    except (CannotStartError, RenderError) as error:
        print(f"ultrasound-console: {error}; the command 'doctor' says more", file=sys.stderr)
        return CANNOT_START
    print(table(pictures))
    return 0


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


def _show_progress(done: int, total: int, what: str = "frames") -> None:
    if not sys.stderr.isatty():
        return
    width = 40
    filled = width * done // total
    end = "\n" if done == total else ""
    print(
        f"\r[{'#' * filled}{'.' * (width - filled)}] {done}/{total} {what}",
        end=end,
        file=sys.stderr,
        flush=True,
    )


def _sources(options: argparse.Namespace) -> int:
    del options
    from .sources import source_names

    print("Without a file:")
    for name in source_names():
        print(f"  {name}")
    print("Files, recognised by their content:")
    print("  MUST .mat, UFF/USTB channel data, zea HDF5 channel data")
    return 0


def _settings(options: argparse.Namespace) -> int:
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


def _doctor(options: argparse.Namespace) -> int:
    del options
    from .doctor import checks

    failed = False
    for check in checks():
        mark = "ok  " if check.ok else "MISS"
        print(f"{mark} {check.name:28} {check.detail}")
        if not check.ok:
            failed = True
            print(f"     {'':28} {check.remedy}")
    return int(failed)


def _train(options: argparse.Namespace) -> int:
    counts = ("steps", "scenes", "batch", "threads", "processes")
    for name in counts:
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: give 1 or more")
    if options.chain_scenes < 0:
        raise InputError(f"--chain-scenes {options.chain_scenes}: give 0 or more")
    if not 0 <= options.seed <= 999:
        raise InputError(f"--seed {options.seed}: give 0 ... 999")
    if not 0.0 < options.rate < 1.0:
        raise InputError(f"--rate {options.rate:g}: give a number between 0 and 1")
    try:
        from .training.train import Plan, train
    except ImportError as error:
        raise InputError(str(error)) from error
    plan = Plan(
        folder=options.out,
        n_steps=options.steps,
        seed=options.seed,
        n_scenes=options.scenes,
        n_chain_scenes=options.chain_scenes,
        batch=options.batch,
        learning_rate=options.rate,
        n_threads=options.threads,
        n_processes=options.processes,
        resume=options.resume,
        start=options.start,
    )
    try:
        model = train(plan)
    except (OSError, ValueError) as error:
        raise InputError(str(error)) from error
    print(model)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from .assets import AssetError
    from .pipeline import PipelineError
    from .segment import Segmenter
    from .sources import SourceError
    from .training import figures
    from .training.chain import TEST_SEEDS
    from .training.evaluate import Plan, evaluate
    from .training.methods import Methods
    from .training.report import table
    from .training.sequences import NoTruthError

    changes = changes_of(options)
    if changes and not options.sources:
        raise InputError("--set and --prf are for sources; the test set has its own settings")
    if not 1 <= options.scenes <= len(TEST_SEEDS):
        raise InputError(f"--scenes {options.scenes}: give 1 ... {len(TEST_SEEDS)}")
    _check_json(options.json)
    segmenter = None
    try:
        if options.figures is not None:
            figures.check()
        segmenter = Segmenter(options.model)
    except ImportError as error:
        raise InputError(str(error)) from error
    except AssetError as error:
        if options.model is not None:
            raise InputError(str(error)) from error
        _note(f"{error}; going on without a network")
    plan = Plan(options.scenes, options.frames, tuple(options.sources), changes)
    try:
        report = evaluate(plan, Methods(segmenter), _show_progress)
        print(table(report))
        if options.json is not None:
            name = None if segmenter is None else segmenter.name
            told = json.dumps({"model": name, **report.as_dict()}, indent=2)
            options.json.write_text(told + "\n", encoding="utf-8")
        drawn = figures.draw(report, options.figures) if options.figures else ()
    except (SourceError, PipelineError, AssetError, NoTruthError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise InputError(told) from error
    for path in drawn:
        print(path)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from . import bench
    from .bench import gpu

    path: Path | None = options.json
    _check_json(path)
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


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "process": _process,
    "spectrum": _spectrum,
    "gallery": _gallery,
    "sources": _sources,
    "settings": _settings,
    "doctor": _doctor,
    "train": _train,
    "evaluate": _evaluate,
    "bench": _bench,
}

if __name__ == "__main__":
    sys.exit(main())
