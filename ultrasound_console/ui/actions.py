"""What the menu and the keys do: one table, from which both are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QMenu, QWidget


@dataclass(frozen=True)
class Command:
    """Something that can be asked for.

    Attributes
    ----------
    text : str
        What it does.
    keys : str
        Its key; empty where it has none.
    act : callable
    in_menu : bool
        Whether the menu has it too.
    more_keys : tuple of str
        Keys that do the same.
    """

    text: str
    keys: str
    act: Callable[[], object]
    in_menu: bool = True
    more_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Commands that belong together.

    Attributes
    ----------
    title : str
    commands : sequence of Command
    menus : sequence of QMenu
        Menus of more of the kind, after the commands.
    """

    title: str
    commands: Sequence[Command]
    menus: Sequence[QMenu] = ()


def install(window: QWidget, menu: QMenu, groups: Iterable[Group]) -> None:
    """Fill a menu, and let the keys work throughout a window.

    Parameters
    ----------
    window : QWidget
    menu : QMenu
    groups : iterable of Group
        Each a menu of its own: all in one would be higher than a screen.
    """
    for group in groups:
        in_menu = [command for command in group.commands if command.in_menu]
        is_alone = len(in_menu) + len(group.menus) == 1
        part = menu if is_alone else menu.addMenu(group.title)
        for command in group.commands:
            keys = QKeySequence(command.keys)
            if command.in_menu:
                action = QAction(command.text, window, shortcut=keys)
                action.triggered.connect(lambda _=False, act=command.act: act())
                part.addAction(action)
                window.addAction(action)
            elif command.keys:
                QShortcut(keys, window, command.act)
            for more in command.more_keys:
                QShortcut(QKeySequence(more), window, command.act)
        for other in group.menus:
            part.addMenu(other)


class FilledWhenOpened(QMenu):
    """A menu of names that are looked up when it opens.

    Parameters
    ----------
    title : str
    parent : QWidget
    names : callable
    choose : callable
        Told the name that is chosen.
    """

    def __init__(
        self,
        title: str,
        parent: QWidget,
        names: Callable[[], Iterable[str]],
        choose: Callable[[str], object],
    ) -> None:
        super().__init__(title, parent)
        self._names, self._choose = names, choose
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        for name in self._names():
            action = self.addAction(name)
            action.triggered.connect(lambda _=False, name=name: self._choose(name))
