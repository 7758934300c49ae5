"""The exam presets on screen: a button that names the one in force, and its menu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QToolButton

from ..config import ConfigError
from ..presets import SUFFIX, Preset, Presets, in_force, write_preset
from ..settings import SPECS, Settings

SAVE_KEYS = "Ctrl+Shift+S"
CHANGED = "*"
"""Stands after the name of a preset that has been changed since it was loaded."""
_FILTER = f"Presets (*{SUFFIX})"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_WIDEST_PX = 150
_TIP_LINES = 12


class PresetButton(QToolButton):
    """Name of the preset in force, and the menu to load, save, delete and share.

    Parameters
    ----------
    presets : Presets
    current : callable
        Gives the settings in force.

    Signals
    -------
    chosen : (changes)
        Settings to put in force, by name.
    clean_chosen : ()
        The settings that the source starts with are wanted.
    said : (text, is_error)
        Something for the user to read.
    """

    chosen = Signal(object)
    clean_chosen = Signal()
    said = Signal(str, bool)

    def __init__(self, presets: Presets, current: Callable[[], Settings]) -> None:
        super().__init__()
        self._presets = presets
        self._current = current
        self._known = presets.readable()
        self._loaded: Preset | None = None
        self._shown: tuple[Preset | None, tuple[str, ...]] = (None, ())
        self.setObjectName("preset")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_of_presets = QMenu("Presets", self)
        self.menu_of_presets.aboutToShow.connect(self._fill)
        self.setMenu(self.menu_of_presets)
        self.show_settings(current())

    @property
    def preset(self) -> str:
        """Name of the preset in force or changed since; empty for none."""
        shown = self._shown[0]
        return shown.name if shown else ""

    def show_settings(self, settings: Settings) -> None:
        """Name what is in force."""
        self._shown = shown, changed = in_force(settings, self._known, self._loaded)
        if shown is None:
            self.setText("No preset")
            self.setToolTip(f"Save these settings as a preset ({SAVE_KEYS}), or load one")
            return
        metrics = QFontMetrics(self.font())
        name = metrics.elidedText(shown.name, Qt.TextElideMode.ElideRight, _WIDEST_PX)
        self.setText(f"{name} {CHANGED}" if changed else name)
        labels = [SPECS[setting].label for setting in changed[:_TIP_LINES]]
        more = [_ELLIPSIS] if len(changed) > _TIP_LINES else []
        since = f"\nChanged since: {', '.join([*labels, *more])}" if changed else ""
        self.setToolTip(f"Preset {shown.name}{since}")

    def recall(self, name: str) -> None:
        """Take a preset for loaded whose settings have been put in force already."""
        self._loaded = next((preset for preset in self._known if preset.name == name), None)
        self.show_settings(self._current())

    # ---- what the menu does ---------------------------------------------------------------

    def load(self, name: str) -> None:
        """Put a preset in force."""
        try:
            preset, warnings = self._presets.read(name)
        except ConfigError as error:
            self._fail(error)
            return
        if warnings:
            self.said.emit("; ".join((f"preset {name} loaded", *warnings)), True)
        self._use(preset)

    def take(self, path: Path) -> None:
        """Keep a copy of someone's preset, and put it in force."""
        try:
            preset, warnings = self._presets.take(path)
        except ConfigError as error:
            self._fail(error)
            return
        self.said.emit("; ".join((f"preset {preset.name} loaded", *warnings)), bool(warnings))
        self._use(preset)

    def save(self, name: str) -> None:
        """Keep the present settings."""
        try:
            preset = self._presets.save(name, self._current())
        except ConfigError as error:
            self._fail(error)
            return
        self._loaded = preset
        self._look_again()
        self.said.emit(f"preset {preset.name} saved", False)

    def delete(self, name: str) -> None:
        """Remove a preset; the settings in force stay."""
        try:
            self._presets.delete(name)
        except ConfigError as error:
            self._fail(error)
            return
        if self._loaded is not None and self._loaded.name == name:
            self._loaded = None
        self._look_again()
        self.said.emit(f"preset {name} deleted", False)

    def ask_name(self) -> None:
        """Ask for the name to save under; a name that is taken is replaced, and the button says so.

        The dialog is open when this returns.
        """
        dialog = QInputDialog(self.window())
        dialog.setWindowTitle("Save preset")
        dialog.setLabelText("Name")
        dialog.setInputMode(QInputDialog.InputMode.TextInput)
        taken = self._presets.names()

        def name_ok(text: str) -> None:
            dialog.setOkButtonText("Replace" if text.strip() in taken else "Save")

        dialog.textValueChanged.connect(name_ok)
        dialog.setTextValue(self.preset)
        name_ok(self.preset)
        dialog.textValueSelected.connect(self.save)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def ask_import(self) -> None:
        """Ask for a file to take."""
        name, _ = QFileDialog.getOpenFileName(self.window(), "Import a preset", "", _FILTER)
        if name:
            self.take(Path(name))

    def ask_export(self) -> None:
        """Ask where to write the preset in force, as it is now."""
        proposed = f"{self.preset or 'preset'}{SUFFIX}"
        name, _ = QFileDialog.getSaveFileName(
            self.window(), "Export these settings", proposed, _FILTER
        )
        if not name:
            return
        path = Path(name) if name.endswith(SUFFIX) else Path(f"{name}{SUFFIX}")
        try:
            write_preset(path, Preset.of(path.stem, self._current()))
        except ConfigError as error:
            self._fail(error)
        else:
            self.said.emit(f"{path.name} written", False)

    def _use(self, preset: Preset) -> None:
        self._loaded = preset
        self._look_again()
        self.chosen.emit(dict(preset.changes))

    def _look_again(self) -> None:
        """Read what is in the folder now."""
        self._known = self._presets.readable()
        self.show_settings(self._current())

    def _fail(self, error: ConfigError) -> None:
        self.said.emit(str(error), True)

    def _fill(self) -> None:
        """List what is there at this moment."""
        menu, names = self.menu_of_presets, self._presets.names()
        menu.clear()
        for name in names:
            action = menu.addAction(_as_text(name), partial(self.load, name))
            action.setCheckable(True)
            action.setChecked(name == self.preset)
        if not names:
            menu.addAction("No presets yet").setEnabled(False)
        menu.addSeparator()
        menu.addAction("Start clean", self.clean_chosen.emit)
        menu.addSeparator()
        menu.addAction(f"Save {_ELLIPSIS}\t{SAVE_KEYS}", self.ask_name)
        deleting = menu.addMenu("Delete")
        deleting.setEnabled(bool(names))
        for name in names:
            deleting.addAction(_as_text(name), partial(self.delete, name))
        menu.addAction(f"Import {_ELLIPSIS}", self.ask_import)
        menu.addAction(f"Export {_ELLIPSIS}", self.ask_export)


def _as_text(name: str) -> str:
    """Name in a menu, where an ampersand would mark a key."""
    return name.replace("&", "&&")
