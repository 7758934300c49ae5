"""The log on disk, the trace of a crash, and the archive for the report of a fault."""

import logging
import os
import stat
import subprocess
import sys
import zipfile

import pytest
from console_for_tests import Console
from display import needs_display

from ultrasound_console import diary
from ultrasound_console.__main__ import main
from ultrasound_console.diary import CRASH_BEFORE_NAME, CRASH_NAME, LOG_NAME, Diary, without_names
from ultrasound_console.doctor import Check

_log = logging.getLogger("ultrasound_console.test")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logs"


@pytest.fixture
def kept(folder, monkeypatch):
    """A diary that is written, without the crash handler: that of the tests stays."""
    monkeypatch.setattr(diary.faulthandler, "enable", lambda file: None)
    monkeypatch.setattr(diary.faulthandler, "disable", lambda: None)
    made = Diary(folder)
    yield made
    made.stop()
    logging.getLogger("ultrasound_console").setLevel(logging.NOTSET)


def test_what_happens_is_kept_with_versions_and_without_names(kept, folder):
    assert kept.start() == ""
    kept.opened("/data/Jane Doe/doe jane.h5")
    _log.error("shown: doe jane.h5: the field 'PRF' is missing; /data/Jane Doe/x y.h5 is not")
    _log.info("settings: prf_hz 4000 to 2500")
    text = (folder / LOG_NAME).read_text()
    assert "numpy" in text
    assert "the field 'PRF' is missing" in text
    assert "prf_hz 4000 to 2500" in text
    assert not {"doe", "Doe", "Jane", "jane"} & set(text.replace(".", " ").split())


@pytest.mark.skipif(os.name == "nt", reason="rights are others there")
def test_only_the_owner_reads_it(kept, folder):
    kept.start()
    for path in (folder, folder / LOG_NAME, folder / CRASH_NAME):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_it_does_not_grow_without_bound(kept, folder, monkeypatch):
    monkeypatch.setattr(diary, "MOST_BYTES", 2000)
    kept.start()
    for number in range(500):
        _log.info("line %d of many", number)
    files = sorted(folder.glob(f"{LOG_NAME}*"))
    assert len(files) == 1 + diary.N_OLDER
    assert all(path.stat().st_size <= 2000 for path in files)
    assert "line 499 of many" in (folder / LOG_NAME).read_text()


def test_a_folder_that_cannot_be_made_is_said_and_nothing_else_happens(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    made = Diary(blocked / "logs")
    assert "no log is kept" in made.start()
    made.stop()


def test_a_crash_leaves_a_trace_that_the_next_start_finds(kept, folder):
    program = f"""
import ctypes, pathlib
from ultrasound_console.diary import Diary
Diary(pathlib.Path({str(folder)!r})).start()
ctypes.string_at(0)
"""
    crashed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert crashed.returncode != 0
    assert "Segmentation fault" in (folder / CRASH_NAME).read_text()
    kept.start()
    assert kept.crashed_before
    assert "Segmentation fault" in (folder / CRASH_BEFORE_NAME).read_text()
    assert "ended in a crash" in (folder / LOG_NAME).read_text()


def test_the_report_holds_checks_and_log_without_names(kept, folder, tmp_path, monkeypatch, capsys):
    kept.start()
    _log.error("shown: no room for /home/jane/scan.h5")
    monkeypatch.setenv(diary.FOLDER_VARIABLE, str(folder))
    checks = [Check("Disk", True, "1 GB free at /home/jane")]
    monkeypatch.setattr("ultrasound_console.doctor.checks", lambda: iter(checks))
    path = tmp_path / "report.zip"
    assert main(["doctor", "--report", str(path)]) == 0
    assert "read it before you send it" in capsys.readouterr().out
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) == {"doctor.txt", LOG_NAME}
    assert "1 GB free" in texts["doctor.txt"]
    assert "shown: no room" in texts[LOG_NAME]
    assert not any("jane" in text for text in texts.values())


def test_a_report_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, capsys):
    assert main(["doctor", "--report", str(tmp_path / "nowhere" / "report.zip")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gui
@needs_display
def test_the_console_writes_states_settings_sources_and_errors(qtbot, monkeypatch, kept, folder):
    kept.start()
    kept.crashed_before = True
    console = Console(qtbot, monkeypatch, diary=kept)
    assert "crashed the last time" in console.window.message.text.text()
    console.open()
    for n in (1, 2):
        console.play()
        console.until(lambda n=n: console.window.meter.frames == n)
    console.freeze()
    console.window.settings.change("colour_gain_db", 6.0)
    console.window.message.say("the disk is full", is_error=True)
    console.window.diary.look()
    console.window.close()
    text = (folder / LOG_NAME).read_text()
    assert "asked for a source: (file)" in text
    assert "state: frozen" in text
    assert "colour_gain_db 0.0 to 6.0" in text
    assert "shown: the disk is full" in text
    assert "frames painted 2, replaced 0, missed 0, left out 0; errors 0" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lost /a/b c/d e.h5 again", "lost (file).h5 again"),
        ("saved smith.csv", "saved (file).csv"),
        ("in /x/y/flow.py, line 3", "in flow.py, line 3"),
        ("1.5 v_N and 3/4", "1.5 v_N and 3/4"),
    ],
)
def test_names_are_taken_out(text, expected):
    assert without_names(text, ()) == expected
