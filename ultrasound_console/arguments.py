"""What can be typed after the name of the program."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import BANNER, __version__
from .declared import Choice, SettingError, Switch, Value
from .settings import SPECS, Settings, group_of
from .sources.protocol import SIMULATED

DEFAULT_SOURCE = f"{SIMULATED}femoral-bifurcation"


def parser() -> argparse.ArgumentParser:
    """Make the parser; ``command`` of what it gives is the name of a command."""
    made = argparse.ArgumentParser(
        prog="ultrasound-console",
        description="Live colour Doppler with the aliasing removed.",
        epilog=BANNER,
    )
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    run = commands.add_parser("run", help="open the console", epilog=BANNER)
    _add_source(run, optional=True)
    run.add_argument(
        "--fresh", action="store_true",
        help="start with no settings of earlier runs, and remember none of this one",
    )  # fmt: skip
    run.add_argument(
        "--seconds", type=float, help="close by itself after this time; fresh, as with --fresh"
    )
    run.add_argument("--size", default="1280x720", metavar="WxH", help="window size in pixels")
    run.add_argument("--screenshot", type=Path, metavar="PNG", help="save the window when closing")
    run.add_argument("--stats", type=Path, metavar="JSON", help="save speed and latency")
    run.add_argument(
        "--openigtlink", type=int, nargs="?", const=0, metavar="PORT",
        help="stream what is on screen to programs on this machine; default port 18944",
    )  # fmt: skip
    run.add_argument(
        "--openigtlink-host", metavar="ADDRESS",
        help="address of this machine to stream at; other than 127.0.0.1 anybody there can look",
    )  # fmt: skip
    run.add_argument(
        "--openigtlink-images", metavar="NAME,...",
        help="which images to stream: BMode, VelocityRaw, VelocityCorrected, Fold, Status",
    )  # fmt: skip
    _add_model(run)

    process = commands.add_parser("process", help="frames of one source or many to files")
    process.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="a file or simulated:NAME, or several"
    )
    _add_changes(process)
    where = process.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "-o", "--output", type=Path, metavar="OUT.h5|.npz", help="for one source: HDF5 or NumPy"
    )
    where.add_argument(
        "--out-dir", type=Path, metavar="DIR", help="for any number: a file for each of them"
    )
    process.add_argument("--npz", action="store_true", help="NumPy files in DIR instead of HDF5")
    many = process.add_mutually_exclusive_group()
    many.add_argument(
        "--processes", type=int, metavar="N", help="side by side; default one for each processor"
    )
    many.add_argument(
        "--dask", metavar="tcp://HOST:PORT",
        help="on a Dask cluster that you trust and that sees the same files",
    )  # fmt: skip
    process.add_argument(
        "--prf-divisor", type=int, metavar="K", help="keep every K-th pulse of a recording"
    )
    process.add_argument("--frames", type=int, metavar="N", help="how many; default one pass")
    _add_model(process)

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

    dicom = commands.add_parser("dicom", help="a source as a DICOM ultrasound clip, calibrated")
    _add_source(dicom)
    dicom.add_argument("-o", "--output", type=Path, required=True, metavar="F.dcm")
    dicom.add_argument(
        "--panel", choices=("raw", "corrected", "both"), default="both",
        help="velocity as measured, de-aliased, or both side by side; default both",
    )  # fmt: skip
    dicom.add_argument("--frames", type=int, metavar="N", help="how many; default one pass")
    dicom.add_argument(
        "--prf-divisor", type=int, metavar="K", help="keep every K-th pulse of a recording"
    )
    patient = dicom.add_argument_group("patient", "nobody is named unless these are given")
    patient.add_argument("--patient-name", default="", metavar="FAMILY^GIVEN")
    patient.add_argument("--patient-id", default="", metavar="ID")
    patient.add_argument("--patient-birth-date", default="", metavar="YYYYMMDD")
    patient.add_argument("--patient-sex", default="", metavar="M|F|O")
    patient.add_argument("--study-date", default="", metavar="YYYYMMDD")
    patient.add_argument("--study-description", default="", metavar="TEXT")
    patient.add_argument("--accession-number", default="", metavar="NUMBER")
    _add_model(dicom)

    clip = commands.add_parser("clip", help="a source as a film, a GIF or numbered pictures")
    _add_source(clip)
    clip.add_argument(
        "-o", "--output", type=Path, required=True, metavar="F.mp4|.gif|.png",
        help="an MP4 needs the extra 'video'; PNG files go to the folder F",
    )  # fmt: skip
    clip.add_argument("--frames", type=int, metavar="N", help="how many; default one pass")
    clip.add_argument(
        "--speed", type=float, default=1.0, metavar="S", help="in real time; default 1"
    )
    clip.add_argument(
        "--size", default="1280x480", metavar="WxH", help="of the panels; default 1280x480"
    )
    _add_model(clip)

    stream = commands.add_parser(
        "stream", help="stream a source by OpenIGTLink, without a window", epilog=BANNER
    )
    _add_source(stream)
    stream.add_argument(
        "--port", type=int, metavar="PORT", help="default 18944; 0 takes any that is free"
    )
    stream.add_argument(
        "--host", metavar="ADDRESS",
        help="address of this machine to stream at; other than 127.0.0.1 anybody there can look",
    )  # fmt: skip
    stream.add_argument(
        "--images", metavar="NAME,...",
        help="which to stream: BMode, VelocityRaw, VelocityCorrected, Fold, Status; default all",
    )  # fmt: skip
    stream.add_argument(
        "--seconds", type=float, metavar="N",
        help="end this long after the first picture; default when it is interrupted",
    )  # fmt: skip
    _add_model(stream)

    recording = commands.add_parser("record", help="record a source, lossless, without a window")
    _add_source(recording)
    recording.add_argument("--seconds", type=float, required=True, metavar="N", help="how long")
    recording.add_argument("--out", type=Path, required=True, metavar="F.h5")
    recording.add_argument(
        "--iq", action="store_true", help="beamformed samples instead of those of the channels"
    )

    recovery = commands.add_parser("recover", help="finish recordings that were interrupted")
    recovery.add_argument("journals", nargs="+", type=Path, metavar="F.part")

    gallery = commands.add_parser("gallery", help="a picture of every simulated scene")
    gallery.add_argument(
        "scenes", nargs="*", metavar="NAME", help="scenes, without 'simulated:'; default all"
    )
    gallery.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the files")
    gallery.add_argument(
        "--cards", action="store_true", help="the small pictures of the start page instead"
    )

    commands.add_parser("sources", help="list what can be opened")
    check = commands.add_parser("check", help="see whether a source keeps what sources promise")
    check.add_argument("source", metavar="SOURCE", help="a file or simulated:NAME")
    check.add_argument("--prf", type=float, metavar="HZ", help="for a file that names no PRF")
    commands.add_parser("settings", help="list the names that --set takes")
    doctor = commands.add_parser("doctor", help="say what is missing and how to mend it")
    doctor.add_argument(
        "--report", type=Path, metavar="F.zip",
        help="that and the log, without names of files or people, for the report of a fault",
    )  # fmt: skip

    training = commands.add_parser("train", help="train the network on simulated scenes")
    training.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="model, checkpoint, log and frames"
    )
    training.add_argument("--steps", type=int, required=True, metavar="N", help="gradient steps")
    training.add_argument("--seed", type=int, default=0, metavar="S", help="0 ... 999; default 0")
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    training.add_argument(
        "--from", type=Path, dest="start", metavar="FILE",
        help="start with the network of another training's checkpoint, or of a 32-bit ONNX file",
    )  # fmt: skip
    training.add_argument(
        "--scenes", type=int, default=4000, metavar="N", help="to learn from; default 4000"
    )
    training.add_argument(
        "--chain-scenes", type=int, default=704, metavar="N",
        help="more through the whole signal chain, for half of each batch; default 704",
    )  # fmt: skip
    training.add_argument(
        "--labels", type=Path, metavar="DIR",
        help="frames with folds given by hand, for an equal share of each batch",
    )  # fmt: skip
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

    evaluation = commands.add_parser(
        "evaluate", help="measure how well folds are found where the true flow is known"
    )
    evaluation.add_argument(
        "sources", nargs="*", metavar="SOURCE",
        help="simulated:NAME, or a folder of training frames; default the fixed test set",
    )  # fmt: skip
    evaluation.add_argument(
        "--labels", type=Path, metavar="DIR",
        help="frames with folds given by hand, instead of the test set",
    )  # fmt: skip
    evaluation.add_argument("--model", type=Path, metavar="ONNX", help="another network")
    evaluation.add_argument("--json", type=Path, metavar="F", help="save all figures")
    evaluation.add_argument("--figures", type=Path, metavar="DIR", help="draw PNG files")
    evaluation.add_argument(
        "--frames", type=Path, metavar="DIR", help="keep the frames of the test set for next time"
    )
    evaluation.add_argument(
        "--scenes", type=int, default=100, metavar="N", help="of the test set; default all 100"
    )
    _add_changes(evaluation)

    bench = commands.add_parser("bench", help="measure the speed of the signal chain")
    where = bench.add_mutually_exclusive_group()
    where.add_argument("--gpu", action="store_true", help="on the GPU instead of the CPU")
    where.add_argument("--rivals", action="store_true", help="other projects' implementations too")
    where.add_argument(
        "--growth", action="store_true",
        help="the cost against pulses, channels, pixels and the window's size",
    )  # fmt: skip
    bench.add_argument("--json", type=Path, metavar="F", help="save the figures")
    bench.add_argument("--figure", type=Path, metavar="PNG", help="with --growth, draw the costs")
    return made


def _add_source(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help=f"a file or simulated:NAME{'; without it the start page' if optional else ''}",
        **({"nargs": "?"} if optional else {}),  # type: ignore[arg-type]
    )
    _add_changes(parser)


def _add_changes(parser: argparse.ArgumentParser) -> None:
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


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, metavar="ONNX", help="network of your own that finds the folds"
    )


def changes_of(options: argparse.Namespace) -> dict[str, Value]:
    """Read the settings that ``--set`` and ``--prf`` ask for, and check them.

    Raises
    ------
    SettingError
    """
    changes = dict(parse_assignment(text) for text in options.set)
    if options.prf is not None:
        changes["prf_hz"] = options.prf
    Settings().replace(**changes)
    return changes


def parse_assignment(text: str) -> tuple[str, Value]:
    """Read ``name=value`` as typed on a command line.

    Raises
    ------
    SettingError
        No equals sign, an unknown name, or a value that does not parse; ranges are checked when
        the value is put into its group.
    """
    name, equals, raw = (part.strip() for part in text.partition("="))
    if not equals:
        raise SettingError(f"{text!r}: write NAME=VALUE")
    group_of(name)
    spec = SPECS[name]
    if isinstance(spec, Switch):
        words = {
            "on": True,
            "true": True,
            "yes": True,
            "1": True,
            "off": False,
            "false": False,
            "no": False,
            "0": False,
        }
        if raw.lower() not in words:
            raise SettingError(f"{name} = {raw!r}: give on or off")
        return name, words[raw.lower()]
    if isinstance(spec, Choice):
        return name, raw
    try:
        return name, float(raw)
    except ValueError:
        raise SettingError(f"{name} = {raw!r}: give a number in {spec.unit or 'no unit'}") from None
