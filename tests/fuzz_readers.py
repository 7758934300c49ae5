"""Every reader of files against damaged ones: runs in a process of its own, which may crash.

``python fuzz_readers.py FOLDER FIRST COUNT KIND ...`` makes COUNT cases of each kind, numbered from
FIRST on, and prints a line of JSON before each case, one for what was found in it, and one for each
kind. A case is the same whenever it is made.
"""

import dataclasses
import faulthandler
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import beamformed_files
import gui4us_files
import h5py
import numpy as np
import recorded
import recordings

from ultrasound_console import labels, presets, segment
from ultrasound_console.assets import AssetError, model
from ultrasound_console.config import ConfigError
from ultrasound_console.dsp.quantise import quantise, restore
from ultrasound_console.frames import Correction, IqFrame
from ultrasound_console.geometry import ImageGrid, Probe
from ultrasound_console.record.content import Content
from ultrasound_console.record.marks import Note
from ultrasound_console.settings import AcquisitionSettings, ProcessingSettings, Settings
from ultrasound_console.sources import SourceError, open_source, promises

# Of samples, in place of the 4 GiB that a real recording may have: what grows with the file's own
# words is seen at a size that a test can bear.
SAMPLE_BYTES = 32 * 2**20
# What a case may add to the memory that is in use: samples as they are stored, as they are
# converted and as a frame, and the libraries' buffers.
MEMORY_BYTES = 8 * SAMPLE_BYTES
LONGEST_S = 10.0
HANGS_S = 60.0
ERRORS = (SourceError, ConfigError, AssetError)

GRID = ImageGrid("parallel", 20, 6, (-2e-3, 2e-3), (5e-3, 10e-3))
SMALL = recorded.acquisition(
    probe=Probe.linear("small", 2, 3e-4, 5e6), bmode_angles_rad=(0.0,), n_pulses=4
)
NOTE = Note("wall", (0.0, 0.01), (2e-3, 8e-3))
BY_HAND = Correction(
    np.full(SMALL.colour_grid.shape, 0.5, np.float32), np.ones(SMALL.colour_grid.shape, bool)
)
MAPPING = """file = "data/scan.{suffix}"
[samples]
field = "rf"
axes = ["sample", "element", "pulse"]
[values]
prf = "8 kHz"
sampling_frequency = {{ field = "fs", unit = "MHz" }}
center_frequency = "5 MHz"
sound_speed = "1540 m/s"
start_time = "5 us"
transmit_angle = "0 deg"
pitch = "0.3 mm"
"""

# ---- whole files: the first one is opened ---------------------------------------------------


def recording(kind: str, **options) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        return [recordings.write(kind, folder, **options).name]

    return make


def blosc(folder: Path) -> list[str]:
    import hdf5plugin

    path = recordings.write_zea(folder / "blosc.hdf5")
    with h5py.File(path, "a") as file:
        group = file["tracks/track_0/data"]
        values = group["raw_data"][()]
        del group["raw_data"]
        group.create_dataset("raw_data", data=values, **hdf5plugin.Blosc())
    return [path.name]


def own(content: Content, *, journal: bool = False) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        frame = recorded.channel_frame if content is Content.CHANNELS else recorded.iq_frame
        path = folder / "own.h5"
        if journal:
            # One that was not finished: as it is while it grows.
            from ultrasound_console.record import recorder

            def keep(*_, **__):
                raise OSError(None, "not now")

            recover, recorder.recover = recorder.recover, keep
        try:
            frames = [frame(k, SMALL) for k in range(4)]
            frames[1] = dataclasses.replace(frames[1], by_hand=BY_HAND)
            recorded.record(path, frames, content=content, notes=(NOTE,))
        finally:
            if journal:
                recorder.recover = recover
        return ["own.h5.part" if journal else "own.h5"]

    return make


def clarius(folder: Path) -> list[str]:
    iq = np.concatenate([beamformed_files.made_up(GRID, 5)] * 3)
    beamformed_files.write_clarius(folder / "scan.raw", GRID, iq, n_frames=3, extra="prf: 1 kHz\n")
    return ["scan.raw", "scan.yml"]


def gui4us(folder: Path) -> list[str]:
    return [gui4us_files.write_gui4us(folder / "scan.pkl").name]


def beamformed(write: Callable[..., Path], name: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        write(folder / name, GRID, beamformed_files.made_up(GRID, 8))
        return [name]

    return make


def mapped(suffix: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        rf, path = recordings.samples().transpose(2, 1, 0), folder / f"data/scan.{suffix}"
        path.parent.mkdir()
        if suffix == "h5":
            with h5py.File(path, "w") as file:
                file.create_dataset("rf", data=rf, compression="gzip")
                file["fs"] = 6.0
        else:
            save = np.savez_compressed if suffix == "npz" else np.savez
            with path.open("wb") as stream:
                save(stream, rf=rf, fs=6.0)
        (folder / "scan.toml").write_text(MAPPING.format(suffix=suffix))
        return ["scan.toml", f"data/scan.{suffix}"]

    return make


def label(folder: Path) -> list[str]:
    of = dataclasses.replace(SMALL, colour_grid=recorded.GRID, n_pulses=8)
    frame = recorded.iq_frame(1, of)
    plane = np.zeros(of.colour_grid.shape, np.float32)
    whole = plane.astype(np.int8), plane, plane.astype(np.uint8)
    iq = restore(quantise(frame.iq, of.n_pulses))
    shown = labels.Shown(
        IqFrame(1, 0.0, 0.0, of, iq, frame.bmode_power), plane, plane, plane, *whole
    )
    given = labels.Label(whole[0], np.ones(plane.shape, bool))
    about = labels.Provenance("1", "2026-01-02T03:04:05+00:00")
    wall_filter = "polynomial-2"
    labels.save(
        folder / "a.label.h5",
        labels.LabelledFrame(shown, given, ProcessingSettings(), wall_filter, about, shown),
    )
    return ["a.label.h5"]


def preset(folder: Path) -> list[str]:
    presets.write_preset(folder / "a.toml", presets.Preset.of("a", Settings()))
    return ["a.toml"]


def network(folder: Path) -> list[str]:
    shutil.copy(model(segment.MODEL), folder / "a.onnx")
    return ["a.onnx"]


# ---- what is done with them -----------------------------------------------------------------


def play(path: Path) -> None:
    """Open a recording and look at its first frames."""
    source = open_source(str(path), real_time=False)
    try:
        settings = source.defaults(AcquisitionSettings())
        acquisition = source.configure(settings)
        kept = [*promises.of_acquisition(acquisition, settings)]
        source.start()
        for _ in range(min(3, source.n_frames or 3)):
            frame = source.read(1.0)
            kept += promises.of_frame(frame)
        broken = [f"{promise}: {found}" for promise, is_kept, found in kept if not is_kept]
        assert not broken, broken
    finally:
        source.close()


def read_label(path: Path) -> None:
    found = labels.load(path)
    assert found.label.fold.shape == found.acquisition.colour_grid.shape
    assert np.isfinite(found.truth_m_s).all()


KINDS: dict[str, tuple[Callable[[Path], list[str]], Callable[[Path], object]]] = {
    "must": (recording("must"), play),
    "must, plain": (recording("must", compress=False), play),
    "must 7.3": (recording("must-hdf5"), play),
    "uff": (recording("uff"), play),
    "zea": (recording("zea"), play),
    "zea, blosc": (blosc, play),
    "own channels": (own(Content.CHANNELS), play),
    "own iq": (own(Content.IQ), play),
    "journal": (own(Content.CHANNELS, journal=True), play),
    "journal of iq": (own(Content.IQ, journal=True), play),
    "clarius": (clarius, play),
    "gui4us": (gui4us, play),
    "beamformed uff": (beamformed(beamformed_files.write_uff_beamformed, "b.uff"), play),
    "beamformed zea": (beamformed(beamformed_files.write_zea_beamformed, "b.hdf5"), play),
    "mapping, npz": (mapped("npz"), play),
    "mapping, plain npz": (mapped("plain.npz"), play),
    "mapping, hdf5": (mapped("h5"), play),
    "label": (label, read_label),
    "preset": (preset, presets.read_preset),
    "network": (network, segment.Segmenter),
}

# ---- damage ---------------------------------------------------------------------------------

_BYTES = (0, 1, 2, 127, 128, 254, 255)
_SIZES = (
    2**8 - 1,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)
_WORDS = (
    b"", b"-1", b"0", b"1e308", b"-1e308", b"nan", b"inf", b"1e-300", b"9" * 400, b"2" * 18,
    b"true", b"[]", b"{}", b"null", b"!!python/name:os.system", b"../../etc/passwd", b"/etc/passwd",
    b"..", b"\x00", b"\xff", b"\xe2\x80\xae", b"\x1b[2J", b'"', b"[" * 3000, b"{a: " * 500, b"a\nb",
    b"&a [*a]",
)  # fmt: skip


def damaged(rng: np.random.Generator, whole: bytes, other: bytes) -> bytes:
    """Copy of a file in which something is wrong."""
    data = bytearray(whole)
    is_text = b"\0" not in whole
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        # Structure lies at the beginning and the end, and is worth more attention than samples.
        reach = len(data) if rng.random() < 0.3 else min(len(data), 4096)
        at = int(rng.integers(reach + 1))
        if rng.random() < 0.15:
            at = max(0, len(data) - 1 - at)
        n = int(rng.integers(1, 64))
        words = [*re.finditer(rb"[\w.+/-]+", data)] if is_text else []
        match rng.integers(6, 12) if words and rng.random() < 0.7 else rng.integers(9):
            case 0:
                for place in rng.integers(0, len(data), n) if rng.random() < 0.2 else [at]:
                    if place < len(data):
                        data[place] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + 1] = bytes([rng.choice(_BYTES)])
            case 2:
                data[at : at + n] = bytes(len(data[at : at + n]))
            case 3:
                data[at:at] = data[at : at + n] * int(rng.choice([1, 2, 100]))
            case 4:
                size = int(rng.choice(np.array(_SIZES, object)))
                width = int(rng.choice([2, 4, 8]))
                order = "big" if rng.random() < 0.1 else "little"
                at -= at % (width if rng.random() < 0.7 else 1)
                data[at : at + width] = (size % 2 ** (8 * width)).to_bytes(width, order)
            case 5:
                data[: at % 1024] = other[: at % 1024]
            case 6:
                del data[at:]
            case 7:
                del data[at : at + n]
            case 8:
                data[at : at + n] = data[(start := int(rng.integers(len(data) + 1))) : start + n]
            case _:
                word = words[rng.integers(len(words))]
                data[word.start() : word.end()] = _WORDS[rng.integers(len(_WORDS))]
    return bytes(data)


# ---- one case after the other ---------------------------------------------------------------


class Watch:
    """Notes which files are opened or changed outside a folder and the program's own."""

    def __init__(self, folder: Path) -> None:
        own = Path(__file__).resolve().parent.parent
        places = [folder.resolve(), own, sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev"]
        self._allowed = tuple(f"{place}{os.sep}" for place in places)
        self.escapes: list[str] = []
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.symlink"):
            told = arguments[0]
            path = os.fsdecode(told) if isinstance(told, str | bytes | os.PathLike) else ""
            if path and not os.path.realpath(path).startswith(self._allowed):
                self.escapes.append(path)


def limit_memory() -> None:
    """Let nobody read more samples than a test can bear, and nobody take much more memory."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ultrasound_console") and hasattr(module, "MAX_SAMPLE_BYTES"):
            module.MAX_SAMPLE_BYTES = min(module.MAX_SAMPLE_BYTES, SAMPLE_BYTES)
    if sys.platform == "linux":
        import resource

        n_pages = int(Path("/proc/self/statm").read_text().split()[0])
        in_use = n_pages * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (in_use + 4 * MEMORY_BYTES, hard))


def memory_bytes(which: str) -> int:
    """Memory of the process by the system's name for it: VmRSS of now, VmHWM the highest."""
    if sys.platform != "linux":
        return 0
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{which}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def reset_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def faults(error: BaseException | None, names: list[str], case: Path) -> str:
    """Say what is wrong with how a case ended; nothing where all is well."""
    if error is None:
        return ""
    chain, cause = [], error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(cause, MemoryError) for cause in chain):
        return f"more memory than there is: {error}"
    if not isinstance(error, ERRORS):
        return f"{type(error).__name__}: {error}"
    text = str(error)
    known = {Path(name).name for name in names} | {path.name for path in case.iterdir()}
    if not text.isprintable() or len(text) > 600:
        return f"not one line: {text[:700]!r}"
    if not any(name in text for name in known):
        return f"names no file: {text}"
    return ""


def faults_of_case(folder: Path, files: dict[str, bytes], use, watch: Watch):
    """Use what lies in the folder; return what is wrong with it, seconds, and memory it took."""
    case = folder / "case"
    reset_peak()
    before_bytes = memory_bytes("VmRSS")
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    start_s, error = time.perf_counter(), None
    try:
        use(case / next(iter(files)))
    except BaseException as caught:  # noqa: BLE001 - whatever it is, it is looked at
        error = caught
    took_s = time.perf_counter() - start_s
    faulthandler.cancel_dump_traceback_later()
    took_bytes = memory_bytes("VmHWM") - before_bytes
    found = [faults(error, [*files], case)]
    if took_s > LONGEST_S:
        found.append(f"took {took_s:.1f} s")
    if took_bytes > MEMORY_BYTES:
        found.append(f"took {took_bytes >> 20} MiB")
    if watch.escapes or [path.name for path in folder.iterdir()] != ["case"]:
        found.append(f"went out of its folder: {watch.escapes} {[*folder.iterdir()]}")
        watch.escapes.clear()
    return "; ".join(filter(None, found)), error is None, took_s, took_bytes


def run(folder: Path, first: int, count: int, kinds: list[str]) -> None:
    whole: dict[str, dict[str, bytes]] = {}
    for kind in kinds:
        make, use = KINDS[kind]
        place = folder / "whole" / kind
        place.mkdir(parents=True)
        whole[kind] = {name: (place / name).read_bytes() for name in make(place)}
        use(place / next(iter(whole[kind])))  # whole ones are read, and libraries are loaded
    shutil.rmtree(folder / "whole")
    spliced = [content for files in whole.values() for content in files.values()]
    limit_memory()
    os.fsync = lambda handle: None
    watch = Watch(folder)
    for kind, files in whole.items():
        results = []
        begun_s = time.process_time()
        for number in range(first, first + count):
            tell(begin=[kind, number])
            rng = np.random.default_rng([number, *kind.encode()])
            chosen = [*files][rng.integers(len(files))]
            for name, content in files.items():
                path = folder / "case" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                other = spliced[number % len(spliced)]
                path.write_bytes(damaged(rng, content, other) if name == chosen else content)
            found, *result = faults_of_case(folder, files, KINDS[kind][1], watch)
            results.append(result)
            if found:
                tell(kind=kind, case=number, found=found)
            shutil.rmtree(folder / "case")
        opened, took_s, took_bytes = zip(*results, strict=True)
        cpu_s = round(time.process_time() - begun_s, 2)
        peak_mib = max(took_bytes) >> 20
        tell(
            kind=kind, cases=count, opened=sum(opened), longest_s=round(max(took_s), 3),
            peak_mib=peak_mib, cpu_s=cpu_s,
        )  # fmt: skip


def tell(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or [*KINDS])
