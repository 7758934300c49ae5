"""The command line: the only place that puts everything together."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import BANNER, __version__
from .frames import Acquisition, ChannelFrame
from .settings import GROUPS, Choice, Range, SettingError, Settings, Switch, parse_assignment, specs
from .sources.protocol import SIMULATED, Source

BAD_INPUT = 2
DEFAULT_SOURCE = "simulated:femoral-bifurcation"
_LARGE_ANGLE_DEG = 60.0


class InputError(Exception):
    """Bad input from the command line; the message is the one line the user sees."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except (InputError, SettingError) as error:
        print(f"ultrasound-console: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("ultrasound-console: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ultrasound-console",
        description="Live colour Doppler with the aliasing removed.",
        epilog=BANNER,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="open the console", epilog=BANNER)
    _add_source(run, optional=True)
    run.add_argument("--seconds", type=float, help="close by itself after this time")
    run.add_argument("--size", default="1280x720", metavar="WxH", help="window size in pixels")
    run.add_argument("--screenshot", type=Path, metavar="PNG", help="save the window when closing")
    run.add_argument("--stats", type=Path, metavar="JSON", help="save speed and latency")
    run.set_defaults(command=_run)

    process = commands.add_parser("process", help="frames of a source to an HDF5 file")
    _add_source(process)
    process.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.h5")
    process.add_argument(
        "--prf-divisor", type=int, metavar="K", help="keep every K-th pulse of a recording"
    )
    process.add_argument("--frames", type=int, metavar="N", help="how many; default one pass")
    process.set_defaults(command=_process)

    spectrum = commands.add_parser("spectrum", help="spectral Doppler of a gate")
    _add_source(spectrum)
    spectrum.add_argument(
        "--gate",
        required=True,
        metavar="X_MM,Z_MM[,LENGTH_MM]",
        help="middle of the gate and its length along the line; write --gate=-3,17 for a minus",
    )
    spectrum.add_argument("--out", type=Path, required=True, metavar="FILE.npz|.csv|.png")
    spectrum.add_argument("--frames", type=int, metavar="N", help="how many; default one pass")
    spectrum.add_argument(
        "--window", type=float, metavar="MS", help="of a full-rate line; default 64 pulses"
    )
    spectrum.add_argument(
        "--baseline", type=float, default=0.0, metavar="V_N",
        help="middle of the velocity axis in Nyquist velocities; for flow beyond its end",
    )  # fmt: skip
    spectrum.add_argument(
        "--angle", type=float, default=0.0, metavar="DEG", help="beam to vessel, for the read-outs"
    )
    spectrum.set_defaults(command=_spectrum)

    gallery = commands.add_parser("gallery", help="a picture of every simulated scene")
    gallery.add_argument(
        "scenes", nargs="*", metavar="NAME", help="scenes, without 'simulated:'; default all"
    )
    gallery.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the PNG files")
    gallery.set_defaults(command=_gallery)

    sources = commands.add_parser("sources", help="list what can be opened")
    sources.set_defaults(command=_sources)
    settings = commands.add_parser("settings", help="list the names that --set takes")
    settings.set_defaults(command=_settings)
    doctor = commands.add_parser("doctor", help="say what is missing and how to mend it")
    doctor.set_defaults(command=_doctor)

    training = commands.add_parser("train", help="train the network on simulated scenes")
    training.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="model, checkpoint, log and frames"
    )
    training.add_argument("--steps", type=int, required=True, metavar="N", help="gradient steps")
    training.add_argument("--seed", type=int, default=0, metavar="S", help="0 ... 999; default 0")
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    training.add_argument(
        "--scenes", type=int, default=4000, metavar="N", help="to learn from; default 4000"
    )
    training.add_argument("--batch", type=int, default=12, metavar="N", help="frames; default 12")
    training.add_argument(
        "--rate", type=float, default=3e-3, metavar="R", help="highest learning rate; default 3e-3"
    )
    training.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of the training; default 1"
    )
    training.add_argument(
        "--processes", type=int, default=1, metavar="N", help="that make the frames; default 1"
    )
    training.set_defaults(command=_train)

    bench = commands.add_parser("bench", help="measure the speed of the signal chain")
    where = bench.add_mutually_exclusive_group()
    where.add_argument("--gpu", action="store_true", help="on the GPU instead of the CPU")
    where.add_argument("--rivals", action="store_true", help="other projects' implementations too")
    bench.add_argument("--json", type=Path, metavar="F", help="save the figures")
    bench.set_defaults(command=_bench)
    return parser


def _add_source(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help=f"a file or simulated:NAME{f' (default {DEFAULT_SOURCE})' if optional else ''}",
        **({"nargs": "?", "default": DEFAULT_SOURCE} if optional else {}),  # type: ignore[arg-type]
    )
    parser.add_argument(
        "--prf",
        type=float,
        metavar="HZ",
        help="Doppler PRF to ask for; for a file that names no PRF, the PRF it was taken with",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting; may be given several times",
    )


def _changes(options: argparse.Namespace) -> dict[str, float | int | bool | str]:
    changes = dict(parse_assignment(text) for text in options.set)
    if options.prf is not None:
        changes["prf_hz"] = options.prf
    Settings().replace(**changes)
    return changes


def _run(options: argparse.Namespace) -> int:
    changes = _changes(options)
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
        compute = Compute(_note)
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


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _check_output(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")


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
    changes = _changes(options)
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
        batch=options.batch,
        learning_rate=options.rate,
        n_threads=options.threads,
        n_processes=options.processes,
        resume=options.resume,
    )
    try:
        model = train(plan)
    except (OSError, ValueError) as error:
        raise InputError(str(error)) from error
    print(model)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from . import bench
    from .bench import gpu

    path: Path | None = options.json
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InputError(f"{path}: give the name of a file in a folder that exists")
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


if __name__ == "__main__":
    sys.exit(main())
