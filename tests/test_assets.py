"""Finding shaders and models, and expanding includes."""

from pathlib import Path

import pytest

from ultrasound_console import assets
from ultrasound_console.assets import AssetError, model, shader


@pytest.fixture
def shaders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty shader folder in place of the project's."""
    (tmp_path / "shaders").mkdir()
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(assets, "_folder", lambda kind: tmp_path / kind)
    return tmp_path / "shaders"


def test_includes_are_expanded_in_place(shaders: Path) -> None:
    (shaders / "a.frag").write_text('one\n#include "b.glsl"\n  #include  "c.glsl"\ntwo\n')
    (shaders / "b.glsl").write_text("b\n")
    (shaders / "c.glsl").write_text("c\n")
    assert shader("a.frag").split() == ["one", "b", "c", "two"]


def test_a_file_needed_twice_is_expanded_once(shaders: Path) -> None:
    (shaders / "a.frag").write_text('#include "b.glsl"\n#include "c.glsl"\n')
    (shaders / "b.glsl").write_text('#include "c.glsl"\nb\n')
    (shaders / "c.glsl").write_text("c\n")
    assert shader("a.frag").split() == ["c", "b"]


def test_other_directives_and_comments_are_left_alone(shaders: Path) -> None:
    source = '#define X 1\n// write #include "b.glsl" to include it\n'
    (shaders / "a.frag").write_text(source)
    assert shader("a.frag") == source


def test_a_circle_is_refused(shaders: Path) -> None:
    (shaders / "a.glsl").write_text('#include "b.glsl"\n')
    (shaders / "b.glsl").write_text('#include "a.glsl"\n')
    with pytest.raises(AssetError, match=r"a\.glsl -> b\.glsl -> a\.glsl"):
        shader("a.glsl")


def test_a_missing_include_names_both_files(shaders: Path) -> None:
    (shaders / "a.frag").write_text('#include "gone.glsl"\n')
    with pytest.raises(AssetError, match=r"'gone\.glsl'.*included by 'a\.frag'"):
        shader("a.frag")


@pytest.mark.parametrize("name", ["gone.frag", "../secret.glsl", "", "."])
def test_a_missing_or_outside_file_is_refused(shaders: Path, name: str) -> None:
    (shaders.parent / "secret.glsl").write_text("x")
    with pytest.raises(AssetError, match="no file"):
        shader(name)


def test_models_are_found_by_name(shaders: Path) -> None:
    path = shaders.parent / "models" / "net.onnx"
    path.write_bytes(b"x")
    assert model("net.onnx") == path
    with pytest.raises(AssetError, match="'other'"):
        model("other")


def test_the_wheel_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ultrasound_console"
    for folder, text in (
        (tmp_path / "shaders", "checkout"),
        (package / "_assets/shaders", "wheel"),
    ):
        folder.mkdir(parents=True)
        (folder / "x.glsl").write_text(text)
    monkeypatch.setattr(assets, "files", lambda name: tmp_path / name)
    assert shader("x.glsl") == "wheel"
    (package / "_assets/shaders/x.glsl").unlink()
    (package / "_assets/shaders").rmdir()
    assert shader("x.glsl") == "checkout"


def test_every_shader_of_the_project_expands() -> None:
    names = sorted(path.name for path in assets._folder("shaders").iterdir())
    assert "grid.glsl" in names
    for name in names:
        assert "#include" not in shader(name)
