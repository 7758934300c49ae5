"""What the user may change, in three groups by what a change costs.

:class:`AcquisitionSettings` reconfigure the source, :class:`ProcessingSettings` take effect on the
next frame (or on the frozen one again), :class:`DisplaySettings` are uniforms of the picture and
never reach the worker. One field is one declaration: it drives validation, sliders, tooltips,
the command line and the table in the documentation. A group and the words its choices take are
in a module of their own.

Values are SI inside (Hz, m, s, m/s, rad); a :class:`~ultrasound_console.declared.Range` says how
they are shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..declared import Group, SettingError, Spec, Value, specs
from .acquisition import AcquisitionSettings
from .display import DisplaySettings
from .processing import ProcessingSettings

__all__ = [
    "GROUPS",
    "SPECS",
    "AcquisitionSettings",
    "DisplaySettings",
    "GroupName",
    "ProcessingSettings",
    "Settings",
    "changes_from",
    "group_of",
]


@dataclass(frozen=True)
class Settings:
    """All three groups; one value, never changed in place."""

    acquisition: AcquisitionSettings = field(default_factory=AcquisitionSettings)
    processing: ProcessingSettings = field(default_factory=ProcessingSettings)
    display: DisplaySettings = field(default_factory=DisplaySettings)

    def replace(self, **changes: Value) -> Settings:
        """Return settings with the named fields changed, whichever group they are in.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range.
        """
        groups: dict[str, dict[str, Value]] = {}
        for name, value in changes.items():
            groups.setdefault(group_of(name), {})[name] = value
        new = {
            group: dataclasses.replace(getattr(self, group), **values)
            for group, values in groups.items()
        }
        return dataclasses.replace(self, **new)

    def get(self, name: str) -> Value:
        """Value of a field by name."""
        value: Value = getattr(getattr(self, group_of(name)), name)
        return value

    def to_dict(self) -> dict[str, dict[str, Value]]:
        """Plain nested dictionary, for JSON and TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
        """Read what :meth:`to_dict` wrote, dropping whatever is unknown or out of range.

        Returns
        -------
        settings : Settings
        warnings : tuple of str
            One line for each entry that was dropped.
        """
        changes, warnings = changes_from(data)
        return cls().replace(**changes), warnings


def changes_from(data: Mapping[str, Any]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Read some or all of what :meth:`Settings.to_dict` wrote, each value checked.

    Returns
    -------
    changes : dict
        Values by name, as :meth:`Settings.replace` takes them.
    warnings : tuple of str
        One line for each entry that is unknown or out of range and was dropped.
    """
    changes: dict[str, Value] = {}
    warnings = []
    for group, values in data.items():
        entries = values.items() if isinstance(values, Mapping) else [(str(group), values)]
        for name, value in entries:
            try:
                group_of(name)
                changes[name] = Settings().replace(**{name: value}).get(name)
            except ValueError as error:  # also of a number too long to be written
                warnings.append(f"dropped: {error}")
    return changes, tuple(warnings)


GroupName = Literal["acquisition", "processing", "display"]
GROUPS: dict[GroupName, type[Group]] = {
    "acquisition": AcquisitionSettings,
    "processing": ProcessingSettings,
    "display": DisplaySettings,
}
_GROUP_OF: dict[str, GroupName] = {
    name: group for group, cls in GROUPS.items() for name, _ in specs(cls)
}
SPECS: dict[str, Spec] = {name: spec for cls in GROUPS.values() for name, spec in specs(cls)}


def group_of(name: str) -> GroupName:
    """Name of the group that a field belongs to."""
    if name not in _GROUP_OF:
        raise SettingError(f"unknown setting {name!r}; the command 'settings' lists them")
    return _GROUP_OF[name]
