"""The message bar: nothing hides an error."""

import pytest
from display import needs_display
from PySide6.QtCore import Qt

from ultrasound_console.ui.messages import AFTER_A_FAULT, MessageBar

pytestmark = [pytest.mark.gui, needs_display]


@pytest.fixture
def bar(qtbot):
    made = MessageBar()
    qtbot.addWidget(made)
    made.resize(600, 60)
    return made


def shown(bar):
    """What can be read now, the error first."""
    labels = (bar.text, bar.below)
    return [label.text() for label in labels if label.isVisible()]


def read_it(bar):
    """Let the time pass that a message stays."""
    assert bar._timer.isActive()
    bar._timer.stop()
    bar._timer.timeout.emit()


def test_a_message_goes_by_itself_and_an_error_does_not(bar):
    bar.say("opened")
    assert shown(bar) == ["opened"]
    read_it(bar)
    assert not bar.isVisible()
    bar.say("cannot be read", is_error=True)
    assert not bar._timer.isActive()
    bar.settle()
    assert shown(bar) == ["cannot be read"]


def test_what_comes_after_an_error_stands_below_it(bar):
    bar.say("cannot be read", is_error=True)
    bar.say("opening another")
    assert shown(bar) == ["cannot be read", "opening another"]
    bar.say("and another")
    assert shown(bar) == ["cannot be read", "and another"]
    read_it(bar)
    assert shown(bar) == ["cannot be read"]
    bar.say("opening", stays=True)
    bar.settle()
    assert shown(bar) == ["cannot be read"]


def test_two_errors_are_both_there(bar):
    bar.say("the GPU failed", is_error=True)
    bar.say("the file is damaged", is_error=True)
    assert shown(bar) == ["the file is damaged", "Before that: the GPU failed"]
    # A message that would take the place of either waits for nobody: the log has it.
    bar.say("saved")
    assert shown(bar) == ["the file is damaged", "Before that: the GPU failed"]
    bar.settle()
    assert len(shown(bar)) == 2
    # The same again is not two.
    bar.put_away()
    bar.say("the GPU failed", is_error=True)
    bar.say("the GPU failed", is_error=True)
    assert shown(bar) == ["the GPU failed"]


def test_what_stopped_the_engine_keeps_its_place_and_the_way_out(bar, qtbot):
    bar.say("acquire: unplugged", is_error=True)
    bar.say_fault("acquire: unplugged")
    assert shown(bar) == ["acquire: unplugged", AFTER_A_FAULT]
    bar.say("acquire: unplugged", is_error=True)
    assert shown(bar) == ["acquire: unplugged", AFTER_A_FAULT]
    bar.say("not written", is_error=True)
    bar.say("saved")
    assert shown(bar) == ["acquire: unplugged", "not written"]
    assert bar.restart.isVisible()
    with qtbot.waitSignal(bar.restart_requested):
        qtbot.mouseClick(bar.restart, Qt.MouseButton.LeftButton)
    bar.end_fault()
    assert not bar.isVisible()
    # Whatever else is shown is none of it.
    bar.say("cannot be read", is_error=True)
    bar.end_fault()
    assert shown(bar) == ["cannot be read"]


def test_dismissed_is_gone(bar, qtbot):
    bar.say("one", is_error=True)
    bar.say("two", is_error=True)
    qtbot.mouseClick(bar.dismiss, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()
    bar.say("saved")
    assert shown(bar) == ["saved"]


def test_progress_never_takes_the_place_of_an_error(bar):
    bar.say("cannot be read", is_error=True)
    bar.say_progress("compiling")
    assert shown(bar) == ["cannot be read"]
    bar.end_progress()
    assert shown(bar) == ["cannot be read"]
    bar.put_away()
    bar.say_progress("compiling")
    assert shown(bar) == ["compiling"]
    bar.say("cannot be read", is_error=True)
    bar.end_progress()
    assert shown(bar) == ["cannot be read"]


def test_everything_said_is_told_once(bar):
    told = []
    bar.said.connect(lambda text, is_error: told.append((text, is_error)))
    bar.say("a", is_error=True)
    bar.say("b")
    bar.say("c", is_error=True)
    bar.say_progress("d")
    assert told == [("a", True), ("b", False), ("c", True)]
