"""The window without a mouse: everything is reached, in the order it is read, seen, and works."""

import numpy as np
import pytest
from display import needs_display
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QApplication

from ultrasound_console.ui import theme
from ultrasound_console.ui.controls import Control

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

BACK = Qt.KeyboardModifier.ShiftModifier
SIZES = [(1024, 600), (1280, 720), (1920, 1080)]
# What the mouse alone has to do with: C does what it does.
BY_KEY_ONLY = {"compare"}


@pytest.fixture
def dressed(live):
    """A live console as it looks to the user."""
    application = QApplication.instance()
    style, palette, face = application.style().name(), application.palette(), application.font()
    theme.apply(application)
    yield live
    application.setStyleSheet("")
    application.setPalette(palette)
    application.setFont(face)
    application.setStyle(style)


def resize(console, size):
    console.window.resize(*size)
    console.until(lambda: (console.window.width(), console.window.height()) == size)
    console.qtbot.wait(1)


def walk(console, modifier=Qt.KeyboardModifier.NoModifier):
    """What has the focus, one Tab after the other, until it comes round."""
    seen = []
    for _ in range(200):
        console.key(Qt.Key.Key_Tab if modifier != BACK else Qt.Key.Key_Backtab, modifier)
        widget = QApplication.focusWidget()
        if widget in seen:
            assert widget is seen[0]
            return seen
        seen.append(widget)
    raise AssertionError("the walk never comes round")


def usable(console):
    """Every control and button that can be seen and used."""
    window = console.window
    found = [*window.findChildren(Control), *window.findChildren(QAbstractButton)]
    return {
        widget
        for widget in found
        if widget.isVisible() and widget.isEnabled() and widget.objectName() not in BY_KEY_ONLY
    }


def pixels(widget):
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("frozen", [False, True])
def test_tab_goes_through_all_of_the_window_once_from_top_to_bottom(dressed, size, frozen):
    window = dressed.window
    resize(dressed, size)
    if frozen:
        dressed.freeze()
    window.message.say("something went wrong", is_error=True)
    window.canvas.setFocus()
    seen = walk(dressed)
    assert usable(dressed) <= set(seen)
    assert len(set(seen)) == len(seen)
    blocks = [window.top, window.message, window.tools.row, window.controls, window.cine]
    places = [
        next(at for at, block in enumerate(blocks) if block.isAncestorOf(widget))
        for widget in seen
        if not window.tools.plots.isAncestorOf(widget)
    ]
    start = places.index(0)
    in_order = places[start:] + places[:start]
    assert in_order == sorted(in_order)
    assert set(places) == set(range(len(blocks)))


def test_shift_tab_goes_the_same_way_back(dressed):
    dressed.window.canvas.setFocus()
    there = walk(dressed)
    there[0].setFocus()
    back = walk(dressed, BACK)
    assert back == there[::-1]


@pytest.mark.parametrize("frozen", [False, True])
def test_whatever_has_the_focus_shows_it(dressed, frozen):
    if frozen:
        dressed.freeze()
    canvas = dressed.window.canvas
    canvas.setFocus()
    for widget in walk(dressed):
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        with_focus = pixels(widget)
        canvas.setFocus()
        changed = np.abs(with_focus - pixels(widget)).max(axis=-1) > 60
        # A line around it at least.
        assert changed.sum() > 0.8 * (widget.width() + widget.height()), widget.objectName()


def test_more_controls_are_reached_where_they_are_put(dressed):
    window = dressed.window
    dressed.key(Qt.Key.Key_F9)
    resize(dressed, (1920, 1080))
    window.controls.tgc.heading.setChecked(True)
    window.canvas.setFocus()
    assert usable(dressed) <= set(walk(dressed))


def test_return_presses_the_button_in_focus(dressed):
    window = dressed.window
    window.cine.freeze_button.setFocus()
    dressed.key(Qt.Key.Key_Return)
    dressed.until(lambda: dressed.chip == "FROZEN")
    newest = dressed.frame.index
    first = next(b for b in window.cine.findChildren(QAbstractButton) if b.objectName() == "first")
    first.setFocus()
    dressed.key(Qt.Key.Key_Return)
    dressed.until(lambda: dressed.frame.index < newest)
    window.message.say("something went wrong", is_error=True)
    window.message.dismiss.setFocus()
    dressed.key(Qt.Key.Key_Return)
    assert not window.message.isVisible()


def test_return_on_the_menu_opens_it_and_arrows_choose(dressed):
    window = dressed.window
    menu = window.top.menu_button.menu()
    window.top.menu_button.setFocus()

    def go_to(text):
        open_menu = QApplication.activePopupWidget()
        for _ in range(60):
            if open_menu.activeAction() and open_menu.activeAction().text() == text:
                break
            dressed.qtbot.keyClick(open_menu, Qt.Key.Key_Down)
        return open_menu

    def choose():
        assert QApplication.activePopupWidget() is menu
        dressed.qtbot.keyClick(go_to("Picture"), Qt.Key.Key_Right)
        assert QApplication.activePopupWidget() is not menu
        dressed.qtbot.keyClick(go_to("Swap the panels"), Qt.Key.Key_Return)

    QTimer.singleShot(0, choose)
    dressed.key(Qt.Key.Key_Return)
    dressed.until(lambda: window.store.current.display.swap)


def test_a_control_is_found_typed_into_and_left_by_keys_alone(dressed):
    window = dressed.window
    window.canvas.setFocus()
    for _ in range(100):
        dressed.key(Qt.Key.Key_Tab)
        if QApplication.focusWidget() is dressed.control("bmode_gain_db"):
            break
    dressed.key(Qt.Key.Key_Return)
    dressed.qtbot.keyClicks(QApplication.focusWidget(), "7")
    dressed.key(Qt.Key.Key_Return)
    dressed.until(lambda: window.store.current.display.bmode_gain_db == 7.0)
    dressed.key(Qt.Key.Key_Up)
    assert window.store.current.display.bmode_gain_db == 8.0
