"""The sheet of keys: complete, because it is made of what the menu is made of; and legible."""

import re

import pytest
from display import needs_display
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QFontInfo, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QLabel

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]


def menus_of(window):
    """The menu and all that it leads to, but those that fill when they open."""
    menus = [window.top.menu_button.menu()]
    for menu in menus:
        menus += [action.menu() for action in menu.actions() if action.menu()]
    return [menu for menu in menus if menu.actions()]


def words(sheet):
    """What can be read on it."""
    return [re.sub(r"<[^>]*>", "|", label.text()) for label in sheet.findChildren(QLabel)]


def test_every_key_of_the_window_is_on_the_sheet_once(console):
    window = console.window
    shortcuts = [each for each in window.findChildren(QShortcut) if each.parent() is window]
    sequences = [each.key() for each in shortcuts] + [each.shortcut() for each in window.actions()]
    form = QKeySequence.SequenceFormat.NativeText
    keys = [sequence.toString(form) for sequence in sequences if not sequence.isEmpty()]
    assert len(keys) > 40
    assert len(set(keys)) == len(keys)
    listed = [key for _, rows in window.sheet.groups for key, _ in rows]
    split = [part for key in listed for part in ([key] if len(key) == 1 else key.split(", "))]
    assert set(keys) <= set(split)


def test_every_command_of_the_menu_with_a_key_is_there_in_the_same_words(console):
    texts = {text for _, rows in console.window.sheet.groups for _, text in rows}
    with_keys = {
        action.text() for action in console.window.actions() if not action.shortcut().isEmpty()
    }
    assert with_keys
    assert with_keys <= texts
    menus = menus_of(console.window)
    assert with_keys <= {action.text() for menu in menus for action in menu.actions()}
    assert all(isinstance(action, QAction) for action in console.window.actions())


def test_the_sheet_says_what_it_holds(console):
    said = "".join(words(console.window.sheet))
    for title, rows in console.window.sheet.groups:
        assert f"|{title}|" in said
        for _, text in rows:
            assert f"|{text.replace('&', '&amp;').replace(chr(39), '&#x27;')}|" in said
    for gesture in ("Wheel", "Drag", "Double click", "Drop a file", "Hold C"):
        assert f"|{gesture}" in said


def test_it_and_every_menu_fit_the_smallest_window_and_it_is_large_enough_to_read(console):
    window, sheet = console.window, console.window.sheet
    window.resize(1024, 600)
    console.until(lambda: window.size().height() == 600)
    console.key(Qt.Key.Key_F1)
    console.until(sheet.isVisible)
    assert window.rect().contains(sheet.geometry())
    for label in sheet.findChildren(QLabel):
        assert QFontInfo(label.font()).pixelSize() >= 11
        assert label.height() >= label.heightForWidth(label.width())
        assert sheet.rect().contains(label.geometry())
    menus = menus_of(window)
    assert len(menus) > 5
    for menu in menus:
        menu.ensurePolished()
        places = [menu.actionGeometry(action) for action in menu.actions()]
        assert len({place.left() for place in places}) == 1
        assert sum(place.height() for place in places) < window.height() - 50


def test_any_key_or_click_closes_it_and_the_focus_is_where_it_was(live):
    control = live.control("prf_hz")
    control.setFocus()
    for close in (
        lambda: live.key(Qt.Key.Key_X),
        lambda: live.qtbot.mouseClick(live.window.sheet, Qt.MouseButton.LeftButton),
        lambda: live.key(Qt.Key.Key_F1),
    ):
        live.key(Qt.Key.Key_F1)
        live.until(live.window.sheet.isVisible)
        swapped = live.window.store.current.display.swap
        close()
        assert not live.window.sheet.isVisible()
        assert live.window.store.current.display.swap is swapped
        assert QApplication.focusWidget() is control
