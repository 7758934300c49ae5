"""Settings on disk: exam presets to keep and share, and what each source was last used with.

Both are TOML, in SI units that the names tell, with the value as the screen shows it beside it. A
file that is damaged, or of another version, gives what can be read and one line for what cannot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import ConfigError, failed, make_folder, quoted, read_toml, write_lines
from .declared import Range, Value
from .settings import GROUPS, SPECS, Settings, changes_from, group_of
from .sources.protocol import SIMULATED, US4US

SUFFIX = ".toml"
OF_THE_PLACE = (
    "compute",
    "probe",
    "ensemble_step",
    "heart_rate_hz",
    "peak_speed_m_s",
    "waveform",
    "truth",
    "plots",
    "auto_freeze_s",
)
"""What belongs to the machine or to what is scanned, and to no exam."""
MAX_SOURCES = 200
_MAX_NAME = 40
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Preset:
    """Settings under a name; those that it does not name it leaves alone."""

    name: str
    changes: Mapping[str, Value]

    @classmethod
    def of(cls, name: str, settings: Settings) -> Preset:
        """Name everything that belongs to an exam."""
        return cls(name, {key: settings.get(key) for key in SPECS if key not in OF_THE_PLACE})

    def changed_in(self, settings: Settings) -> tuple[str, ...]:
        """Names of the settings that have other values now."""
        return tuple(name for name, value in self.changes.items() if settings.get(name) != value)


@dataclass(frozen=True)
class Remembered:
    """What a source was last used with.

    Attributes
    ----------
    settings : Settings
    preset : str
        Name of the exam preset in force then; empty for none.
    """

    settings: Settings
    preset: str = ""


def in_force(
    settings: Settings, presets: Sequence[Preset], loaded: Preset | None
) -> tuple[Preset | None, tuple[str, ...]]:
    """Tell which preset is in force, and what has been changed since it was loaded.

    A preset that fits exactly comes first: undo goes from one back to another.
    """
    candidates = [*([loaded] if loaded else []), *presets]
    for preset in candidates:
        if preset.changes and not preset.changed_in(settings):
            return preset, ()
    return loaded, loaded.changed_in(settings) if loaded else ()


class Presets:
    """The exam presets in a folder: one file each, named as the preset.

    All methods raise ConfigError where a file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Names of all presets, in alphabetical order."""
        paths = self.folder.glob(f"*{SUFFIX}")
        return tuple(sorted((path.stem for path in paths), key=str.casefold))

    def readable(self) -> tuple[Preset, ...]:
        """All presets that can be read."""
        found = []
        for name in self.names():
            try:
                found.append(self.read(name)[0])
            except ConfigError:
                continue  # it says why when it is chosen
        return tuple(found)

    def read(self, name: str) -> tuple[Preset, tuple[str, ...]]:
        """Read a preset, with one line for each entry that was dropped."""
        return read_preset(self.folder / f"{name}{SUFFIX}")

    def save(self, name: str, settings: Settings) -> Preset:
        """Keep the present settings under a name, in the place of what had it."""
        return self._keep(Preset.of(_checked_name(name), settings))

    def delete(self, name: str) -> None:
        """Remove a preset."""
        path = self.folder / f"{name}{SUFFIX}"
        try:
            path.unlink()
        except OSError as error:
            raise failed(path, error) from error

    def take(self, path: Path) -> tuple[Preset, tuple[str, ...]]:
        """Keep a copy of someone's preset; beside another one of the same name."""
        preset, warnings = read_preset(path)
        wanted = name = _checked_name(preset.name)
        number = 1
        while name in self.names() and not self._is_kept(name, preset):
            number += 1
            name = _checked_name(f"{wanted} {number}")
        return self._keep(Preset(name, preset.changes)), warnings

    def _is_kept(self, name: str, preset: Preset) -> bool:
        try:
            return self.read(name)[0].changes == preset.changes
        except ConfigError:
            return False

    def _keep(self, preset: Preset) -> Preset:
        path = self.folder / f"{preset.name}{SUFFIX}"
        make_folder(self.folder)
        write_preset(path, preset)
        return preset


def read_preset(path: Path) -> tuple[Preset, tuple[str, ...]]:
    """Read a preset from wherever it is.

    Returns
    -------
    preset : Preset
        Named as the file.
    warnings : tuple of str
        One line for each entry that was dropped.

    Raises
    ------
    ConfigError
        The file cannot be read, or no setting is in it.
    """
    changes, warnings = changes_from(read_toml(path))
    if not changes:
        raise ConfigError(f"{path.name}: no settings in it; give a preset of this program")
    return Preset(path.stem, changes), warnings


def write_preset(path: Path, preset: Preset) -> None:
    """Write a preset to wherever it is wanted.

    Raises
    ------
    ConfigError
    """
    lines = ["# Exam preset of the ultrasound console, in the units that the names tell."]
    for group, values in _grouped(preset.changes).items():
        lines += ["", f"[{group}]", *_assignments(values)]
    write_lines(path, lines)


class Memory:
    """A file with the last settings of each source, the one used last at its end.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def recall(self, source: str) -> tuple[Remembered | None, tuple[str, ...]]:
        """Give what a source was last used with, and one line for what could not be read.

        Parameters
        ----------
        source : str
            As it was opened: a path or ``simulated:NAME``.
        """
        try:
            entry = self._entries().get(_key(source))
        except ConfigError as error:
            return None, (f"last settings are lost: {error}",)
        if entry is None:
            return None, ()
        entry = dict(entry)
        preset = entry.pop("preset", "")
        settings, warnings = Settings.from_dict(entry)
        return Remembered(settings, preset if isinstance(preset, str) else ""), warnings

    def remember(self, source: str, remembered: Remembered) -> None:
        """Keep what a source is used with.

        Raises
        ------
        ConfigError
            The file cannot be written.
        """
        try:
            entries = self._entries()
        except ConfigError:
            entries = {}  # it was reported when it was read
        key = _key(source)
        entries.pop(key, None)
        entries[key] = {"preset": remembered.preset, **remembered.settings.to_dict()}
        lines = ["# Last settings of each source, in the units that the names tell."]
        for name, entry in list(entries.items())[-MAX_SOURCES:]:
            lines += ["", f"[{quoted(name)}]"]
            if isinstance(entry.get("preset"), str):
                lines.append(f"preset = {quoted(entry['preset'])}")
            for group, values in _grouped(changes_from(_groups_of(entry))[0]).items():
                lines += [f"[{quoted(name)}.{group}]", *_assignments(values)]
        make_folder(self.path.parent)
        write_lines(self.path, lines)

    def _entries(self) -> dict[str, dict[str, Any]]:
        if not self.path.exists():
            return {}
        return {
            name: entry for name, entry in read_toml(self.path).items() if isinstance(entry, dict)
        }


def _key(source: str) -> str:
    """Name of a source that does not depend on the folder the program is started in."""
    name = source if source.startswith((SIMULATED, US4US)) else str(Path(source).resolve())
    return name.encode(errors="replace").decode()


def _groups_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {group: entry[group] for group in GROUPS if group in entry}


def _grouped(changes: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Sort values into the groups of settings, in the order of their declaration."""
    groups: dict[str, dict[str, Value]] = {}
    for name in SPECS:
        if name in changes:
            groups.setdefault(group_of(name), {})[name] = changes[name]
    return groups


def _assignments(values: Mapping[str, Value]) -> Iterator[str]:
    for name, value in values.items():
        spec = SPECS[name]
        shown = ""
        if isinstance(spec, Range) and spec.shown_unit:
            shown = f"  # {spec.text(float(value))}"
        text = quoted(value) if isinstance(value, str) else json.dumps(value)
        yield f"{name} = {text}{shown}"


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _MAX_NAME:
        raise ConfigError(f"give the preset a name of 1 to {_MAX_NAME} characters")
    bad = sorted({c for c in name if c in _NOT_IN_NAMES or not c.isprintable()})
    if bad or name.startswith("."):
        what = " ".join(repr(c)[1:-1] for c in bad) or "a dot in front"
        raise ConfigError(f"{name!r}: a name of a preset has no {what}")
    return name
