"""Recordings opened last: order, number, what is damaged and what is not there."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.config import ConfigError
from ultrasound_console.recent import MAX_FILES, Recent, why_missing


@pytest.fixture
def recent(tmp_path):
    return Recent(tmp_path / "config" / "recent.toml")


def test_the_newest_is_first_and_none_comes_twice(recent, tmp_path):
    assert recent.files() == ()
    for name in ("a.mat", "b.uff", "a.mat"):
        recent.add(tmp_path / name)
    assert recent.files() == (tmp_path / "a.mat", tmp_path / "b.uff")
    assert Recent(recent.path).files() == recent.files()
    recent.remove(tmp_path / "a.mat")
    assert recent.files() == (tmp_path / "b.uff",)


def test_the_oldest_are_forgotten(recent, tmp_path):
    for number in range(MAX_FILES + 3):
        recent.add(tmp_path / f"{number}.mat")
    assert [path.stem for path in recent.files()] == [
        str(number) for number in range(MAX_FILES + 2, 2, -1)
    ]


def test_a_name_is_kept_from_whichever_folder_the_program_starts(recent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recent.add(tmp_path.__class__("a.mat"))
    monkeypatch.chdir("/")
    assert recent.files() == (tmp_path / "a.mat",)


@given(name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40))
def test_any_name_survives(tmp_path_factory, name):
    if name in (".", ".."):
        return
    folder = tmp_path_factory.getbasetemp() / "any"
    recent = Recent(folder / "recent.toml")
    path = folder / name.encode(errors="replace").decode()
    recent.add(path)
    assert recent.files()[0] == path


@pytest.mark.parametrize(
    "text", ["files = [", 'files = "a.mat"', "files = [1, 2]", "\x00", "files = [" * 3000]
)
def test_a_damaged_list_is_one_line_and_begins_anew(recent, tmp_path, text):
    recent.path.parent.mkdir()
    recent.path.write_text(text)
    with pytest.raises(ConfigError, match=r"recent\.toml") as refused:
        recent.files()
    assert "\n" not in str(refused.value)
    recent.add(tmp_path / "a.mat")
    assert recent.files() == (tmp_path / "a.mat",)


def test_a_list_that_cannot_be_written_is_said(recent, tmp_path):
    recent.path.parent.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="check the folder"):
        recent.add(tmp_path / "a.mat")


def test_why_a_file_cannot_be_opened(tmp_path, monkeypatch):
    there = tmp_path / "a.mat"
    there.write_bytes(b"x")
    assert why_missing(there) == ""
    assert why_missing(tmp_path / "b.mat") == "no such file"
    assert why_missing(tmp_path / "no" / "b.mat") == "its folder is not there"
    assert why_missing(tmp_path) == "not a regular file"
    assert why_missing(tmp_path / ("x" * 5000)) != ""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert why_missing(there) == "no right to read it"
