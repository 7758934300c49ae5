"""Whatever ends a recording: all frames up to then are there, bit by bit, and the rest is told."""

import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from recorded import acquisition, channel_frame, identical, record

from ultrasound_console.geometry import Probe
from ultrasound_console.record import tracks
from ultrasound_console.record.content import Content, Part, Taken, text
from ultrasound_console.record.convert import recover
from ultrasound_console.record.journal import (
    HEADER_BYTES,
    JournalReader,
    JournalWriter,
    Kind,
    RecordError,
)
from ultrasound_console.record.recorder import Phase, Recorder
from ultrasound_console.settings import Settings
from ultrasound_console.sources import SourceError, open_source

SMALL = acquisition(probe=Probe.linear("small", 2, 3e-4, 5e6), bmode_angles_rad=(0.0,), n_pulses=4)
FRAMES = [channel_frame(k, SMALL) for k in range(6)]
HERE = Path(__file__).parent


@pytest.fixture
def journal(tmp_path, monkeypatch) -> Path:
    """A journal that nobody has turned into anything."""

    def keep(*_):
        raise OSError(None, "not now")

    monkeypatch.setattr("ultrasound_console.record.recorder.recover", keep)
    status = record(tmp_path / "a.h5", FRAMES)
    assert (status.phase, status.is_error) == (Phase.KEPT, True)
    assert "6 frames are kept in a.h5.part" in status.told
    return tmp_path / "a.h5.part"


def borders(path: Path) -> list[tuple[Kind, int]]:
    """Kind and end of every record."""
    with JournalReader(path) as reader:
        found = [(one.kind, reader.n_good_bytes) for one in reader]
        assert not reader.damage
    return found


def check(path: Path, n: int) -> None:
    """Check that a recording has the first ``n`` frames."""
    source = open_source(str(path), real_time=False)
    assert source.n_frames == n
    source.start()
    for before in FRAMES[:n]:
        after = source.read(1.0)
        assert identical(before.colour, after.colour)
        assert identical(before.bmode, after.bmode)
        assert after.time_s == before.time_s
    source.close()


def test_every_byte_at_which_it_may_end(journal) -> None:
    whole, ends = journal.read_bytes(), borders(journal)
    cut = journal.with_name("cut.part")
    cut.write_bytes(whole)
    for size in range(len(whole) - 1, 3, -1):
        os.truncate(cut, size)
        with JournalReader(cut) as reader:
            kinds = [one.kind for one in reader]
            assert kinds == [kind for kind, end in ends if end <= size]
            is_whole = size in [end for _, end in ends]
            assert (reader.damage == "") == is_whole
            assert (reader.n_good_bytes == size) == is_whole


def test_cut_at_the_borders(journal) -> None:
    whole, ends = journal.read_bytes(), borders(journal)
    frames = [end for kind, end in ends if kind is Kind.FRAME]
    for end in [end + shift for _, end in ends for shift in (-1, 0, 1, HEADER_BYTES)]:
        cut = journal.with_name("cut.h5.part")
        cut.write_bytes(whole[:end])
        n = sum(frame <= end for frame in frames)
        if not n:
            with pytest.raises(RecordError, match=r"cut\.h5\.part"):
                recover(cut)
            continue
        recovered = recover(cut)
        assert recovered.n_frames == n
        is_ended = end >= ends[-1][1]
        assert (recovered.missing == "") == is_ended
        check(recovered.path, n)
        assert not cut.exists()
        recovered.path.unlink()


def test_what_is_missing_is_said(journal) -> None:
    ends = borders(journal)
    os.truncate(journal, ends[-2][1] - 10)
    recovered = recover(journal)
    assert recovered.told == "5 frames, 0.1 s; the last 0.1 s are lost (cut off): a.h5"


def test_a_journal_is_opened_like_a_recording(journal) -> None:
    os.truncate(journal, borders(journal)[-2][1] - 10)
    source = open_source(str(journal), real_time=False)
    assert source.name == "a.h5"
    notes = source.configure(source.defaults(Settings().acquisition)).notes
    assert notes == ("recovered 5 frames, 0.1 s; the last 0.1 s are lost (cut off): a.h5",)
    source.close()
    check(journal.with_name("a.h5"), 5)


def test_random_damage(journal, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    whole = journal.read_bytes()
    rng = np.random.default_rng(11)
    damaged = journal.with_name("b.h5.part")
    numbers = []
    for _ in range(200):
        data = bytearray(whole)
        at, n = int(rng.integers(len(data))), int(rng.integers(1, 60))
        match rng.integers(4):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + n] = bytes(n)
            case 2:
                data[at : at + n] = rng.bytes(n)
            case 3:
                del data[at : at + n]
        damaged.write_bytes(data)
        try:
            recovered = recover(damaged)
        except RecordError:
            assert damaged.exists()
            numbers.append(0)
            continue
        check(recovered.path, recovered.n_frames)
        assert (recovered.missing == "") == (bytes(data) == whole)
        numbers.append(recovered.n_frames)
        recovered.path.unlink()
    assert {0, 1, 2, 3, 4, 5} <= set(numbers)


def hostile(path: Path, *records: tuple[Kind, bytes]) -> Path:
    """Write records whose checksums are right."""
    path.unlink(missing_ok=True)
    writer = JournalWriter(path)
    for kind, payload in records:
        writer.append(kind, payload)
    writer.close()
    return path


BEGIN = {"format": "ultrasound-console recording", "version": 1, "content": "channels"}


def test_records_that_lie(tmp_path) -> None:
    taken = Taken.channels(FRAMES[0], 0.0)
    part = Part(SMALL, *taken.layouts)
    frame = b"".join(bytes(piece) for piece in taken.pieces(0, 0))
    begin, settings = (Kind.BEGIN, text(BEGIN)), (Kind.SETTINGS, text({}))
    good = (Kind.PART, text(part.told()))

    def lie(**changes):
        told = json.loads(good[1])
        for path, value in changes.items():
            *groups, name = path.split("__")
            group = told
            for each in groups:
                group = group[each]
            group[name] = value
        return Kind.PART, json.dumps(told).encode()

    for first in (
        (Kind.BEGIN, b"{}"),
        (Kind.BEGIN, b"[" * 100_000),
        (Kind.BEGIN, text({**BEGIN, "version": 2})),
        (Kind.BEGIN, text({**BEGIN, "content": "code"})),
        (Kind.PART, b"{}"),
    ):
        with pytest.raises(RecordError):
            recover(hostile(tmp_path / "a.h5.part", first, good, settings, (Kind.FRAME, frame)))
    for wrong in (
        lie(first__shape=[4, 2, 2**40]),
        lie(first__shape=[4, 2]),
        lie(first__shape=[4, 2, -1]),
        lie(first__shape=[9, 2, 96]),
        lie(first__dtype="object"),
        lie(acquisition__prf_hz=0.0),
        lie(acquisition__prf_hz=float("nan")),
        lie(acquisition__n_pulses=10**9),
        lie(acquisition__colour_grid__n_depths=10**6),
        lie(acquisition__colour_grid__range_m=[0.0, 1e9]),
        lie(acquisition__probe=None),
        (Kind.PART, b"\xff\xff"),
    ):
        path = hostile(tmp_path / "a.h5.part", begin, wrong, settings, (Kind.FRAME, frame))
        with pytest.raises(RecordError, match="holds no frame"):
            recover(path)
    short, nameless = frame[:-1], struct.pack("<qddddII", 0, 0, 0, 0, 0, 7, 0)
    untimely = frame[:8] + struct.pack("<d", float("nan")) + frame[16:]
    for wrong_frame in (short, frame + b"0", nameless, b"", untimely):
        last = (Kind.FRAME, wrong_frame)
        whole = (Kind.FRAME, frame)
        path = hostile(tmp_path / "a.h5.part", begin, good, settings, whole, last, whole)
        recovered = recover(path)
        assert (recovered.n_frames, bool(recovered.missing)) == (1, True)
        recovered.path.unlink()


def test_a_length_that_lies_is_not_allocated(tmp_path) -> None:
    header = struct.pack("<4sHHIQI", b"UCJ\x01", 1, Kind.FRAME, 0, 2**29, 0)
    path = tmp_path / "a.h5.part"
    path.write_bytes(header + struct.pack("<I", zlib.crc32(header)) + bytes(1000))
    with JournalReader(path) as reader:
        assert list(reader) == []
        assert reader.damage == "cut off"
        assert len(reader._buffer) == 0


def test_other_files_are_left_alone(tmp_path) -> None:
    other = tmp_path / "thesis.part"
    other.write_text("not a journal")
    with pytest.raises(RecordError, match="not the journal"):
        recover(other)
    with pytest.raises(SourceError):
        open_source(str(other))
    assert other.read_text() == "not a journal"


def test_nothing_is_overwritten(journal) -> None:
    taken = journal.with_name("a.h5")
    taken.write_text("precious")
    assert recover(journal).path.name == "a-2.h5"
    assert taken.read_text() == "precious"


def test_ended_between_the_file_and_the_journal(journal) -> None:
    """The program ended when the file was complete and its journal not yet deleted."""
    copy = journal.read_bytes()
    made = recover(journal).path
    journal.write_bytes(copy)
    before = made.stat().st_mtime_ns
    recovered = recover(journal)
    assert (recovered.path, recovered.n_frames) == (made, 6)
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in made.parent.iterdir()] == ["a.h5"]


def test_what_reads_back_otherwise_keeps_the_journal(journal, monkeypatch) -> None:
    monkeypatch.setattr(tracks, "to_zea", _failing_disk(tracks.to_zea))
    with pytest.raises(OSError, match="reads otherwise"):
        recover(journal)
    assert [path.name for path in journal.parent.iterdir()] == ["a.h5.part"]


def _failing_disk(original):
    """Return samples that change after their checksum has been taken."""

    class Changing(np.ndarray):
        pass

    def to_zea(samples):
        return original(samples)

    crc32, calls = zlib.crc32, []

    def changing_crc32(data, *rest):
        calls.append(data)
        return crc32(data, *rest) ^ (len(calls) == 3)

    tracks.zlib = type("zlib", (), {"crc32": staticmethod(changing_crc32)})
    return to_zea


def test_one_program_at_a_time(tmp_path) -> None:
    recorder = Recorder(tmp_path / "a.h5")
    recorder.start()
    recorder.take(FRAMES[0])
    with pytest.raises(RecordError, match="is being recorded"):
        recover(tmp_path / "a.h5.part")
    recorder.stop()
    assert recorder.wait().phase is Phase.DONE


def test_given_up_keeps_the_journal(tmp_path) -> None:
    recorder = Recorder(tmp_path / "a.h5")
    for frame in FRAMES:
        recorder.take(frame)
    recorder.stop()
    recorder._given_up.set()
    recorder.start()
    assert recorder.wait().phase is Phase.KEPT
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5.part"]
    check(recover(tmp_path / "a.h5.part").path, 6)


# ---- the disk ------------------------------------------------------------------------------


def test_too_slow_a_disk(tmp_path) -> None:
    """Frames that find no room are counted and marked, and nobody waits."""
    n_bytes = FRAMES[0].colour.nbytes + FRAMES[0].bmode.nbytes
    recorder = Recorder(tmp_path / "a.h5", queue_bytes=2 * n_bytes)
    for frame in FRAMES:  # nothing is written before it is started
        recorder.take(frame)
    assert recorder.status.n_lost == 4
    recorder.start()
    while recorder._waiting:
        pass
    recorder.take(FRAMES[5])
    recorder.stop()
    status = recorder.wait()
    assert (status.n_frames, status.n_lost) == (3, 4)
    assert "4 frames lost" in status.told
    source = open_source(str(tmp_path / "a.h5"), real_time=False)
    source.start()
    assert [source.read(1.0).index for _ in range(3)] == [0, 1, 5]
    source.close()


def test_the_disk_that_gets_full(tmp_path, monkeypatch) -> None:
    """A part of a frame fits: it is taken back, and the end is written where it began."""
    written = JournalWriter._write

    def until_full(self, view):
        if self.n_bytes + len(view) > 9000:
            written(self, view[: len(view) // 2])
            raise OSError(28, "No space left on device")
        written(self, view)

    monkeypatch.setattr(JournalWriter, "_write", until_full)
    status = record(tmp_path / "a.h5", FRAMES)
    assert status.is_error
    assert status.told.startswith("Recording stopped: the disk is full")
    assert 0 < status.n_frames < 6
    assert status.n_frames + status.n_lost == 6
    check(tmp_path / "a.h5", status.n_frames)
    with h5py.File(tmp_path / "a.h5") as file:
        about = json.loads(file["ultrasound_console/about"][()].tobytes())
    assert about["missing"] == "Recording stopped: the disk is full"


def test_a_folder_that_nothing_can_be_written_to_is_refused_at_once(tmp_path, monkeypatch) -> None:
    open_ = Path.open

    def is_read_only(self, mode="r", *arguments, **options):
        if "x" in mode:
            raise OSError(30, "Read-only file system", str(self))
        return open_(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", is_read_only)
    told = f"{tmp_path}: no recording there: Read-only file system; choose another folder"
    with pytest.raises(RecordError, match=re.escape(told)):
        Recorder(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_room_is_left_for_the_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ultrasound_console.record.recorder.SYNC_S", 0.0)
    free = iter([10**9, *[10**9] * 3])
    recorder = Recorder(tmp_path / "a.h5", free_bytes=lambda folder: next(free, 2**28))
    for frame in FRAMES:
        recorder.take(frame)
    recorder.start()
    status = recorder.wait()
    assert status.phase is Phase.DONE
    assert "the disk is nearly full" in status.told
    check(tmp_path / "a.h5", status.n_frames)


def test_a_folder_that_goes_away(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ultrasound_console.record.recorder.SYNC_S", 0.0)
    folder = tmp_path / "stick"
    folder.mkdir()
    recorder = Recorder(folder / "a.h5")
    recorder.take(FRAMES[0])
    (folder / "a.h5.part").unlink()
    folder.rmdir()
    recorder.start()
    status = recorder.wait()
    assert (status.phase, status.is_error) == (Phase.KEPT, True)
    assert "No such file or directory" in status.told
    assert "a.h5.part is gone" in status.told
    assert "\n" not in status.told


CHILD = """
    import sys
    sys.path[:0] = {tests!r}, {root!r}
    from pathlib import Path
    from recorded import acquisition, channel_frame
    from test_recording_crash import FRAMES, SMALL
    from ultrasound_console.record.recorder import Recorder
    import dataclasses, itertools, resource
    recorder = Recorder(Path(sys.argv[1]))
    recorder.start()
"""


def child(code: str, path: Path) -> subprocess.Popen:
    code = textwrap.dedent(CHILD).format(tests=str(HERE), root=str(HERE.parent)) + code
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )


def test_killed_while_recording(tmp_path) -> None:
    path = tmp_path / "a.h5"
    running = child(
        "for k in itertools.count():\n"
        "    recorder.take(dataclasses.replace(FRAMES[k % 6], index=k))\n"
        "    while recorder.status.n_frames <= k: pass\n"
        "    if k == 60: print('going', flush=True)\n",
        path,
    )
    assert running.stdout.readline() == "going\n"
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    assert [one.name for one in tmp_path.iterdir()] == ["a.h5.part"]
    recovered = recover(tmp_path / "a.h5.part")
    assert recovered.n_frames > 60
    assert "lost" in recovered.missing  # it says so also where nothing is torn
    source = open_source(str(path), real_time=False)
    source.start()
    for k in range(recovered.n_frames):
        frame = source.read(1.0)
        assert frame.index == k
        assert identical(frame.colour, FRAMES[k % 6].colour)
    source.close()


def test_a_limit_of_the_system(tmp_path) -> None:
    """The system refuses to let the file grow: what was written before is kept."""
    running = child(
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "for k in range(60):\n"
        "    recorder.take(dataclasses.replace(FRAMES[k % 6], index=k))\n"
        "recorder.stop()\n"
        "print(recorder.wait().told)\n",
        tmp_path / "a.h5",
    )
    told = running.communicate()[0]
    assert told.startswith("Recording stopped: the disk is full")
    assert "are kept in a.h5.part" in told
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    recovered = recover(tmp_path / "a.h5.part")
    assert 1 < recovered.n_frames < 60
    assert f"{recovered.n_frames} frames are kept" in told


def test_content_names() -> None:
    assert [each.value for each in Content] == ["channels", "iq"]
