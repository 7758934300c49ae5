"""The start page with real mouse and keys."""

import gc

import numpy as np
import pytest
from display import needs_display
from known_flow import KnownFlow
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLineEdit

from ultrasound_console import front_end as front_end_module
from ultrasound_console.assets import scene_picture
from ultrasound_console.recent import Recent
from ultrasound_console.simulation import SCENES
from ultrasound_console.sources import NoPrfError
from ultrasound_console.ui import gallery
from ultrasound_console.ui.asking import typed_prf_hz

pytest_plugins = ["console_for_tests"]
pytestmark = [pytest.mark.gui, needs_display]

LEFT = Qt.MouseButton.LeftButton
FIRST = "simulated:femoral-bifurcation"


@pytest.fixture
def start(qtbot, qtlog, monkeypatch, tmp_path):
    """The console as it starts without a source; it has opened two recordings before."""
    from console_for_tests import Console  # after pytest has prepared its asserts

    recent = Recent(tmp_path / "config" / "recent.toml")
    for name in ("disc.mat", "gone.uff"):
        recent.add(tmp_path / name)
    (tmp_path / "disc.mat").write_bytes(b"x")
    console = Console(qtbot, monkeypatch, recent=recent)
    console.recent, console.monkeypatch = recent, monkeypatch
    for name in (FIRST, "simulated:stenosis", str(tmp_path / "disc.mat")):
        console.flow.sources[name] = KnownFlow(name)
    console.window.show_start_page()
    console.page = console.window.start_page
    console.until(lambda: bool(console.page.rows[0].fault))
    yield console
    console.window.close()
    console.window.deleteLater()
    del console.window, console.page
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [record.message for record in qtlog.records] == []


def shown(console):
    """Name of the source whose pictures are on screen."""
    return "" if console.page.isVisible() else console.engine.status().source


def pixels(widget):
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def test_return_opens_the_first_scene(start):
    assert QApplication.focusWidget() is start.page.cards[0]
    start.until(lambda: not start.window.top.chip.isVisible())
    start.key(Qt.Key.Key_Return)
    start.until(lambda: shown(start) == FIRST)
    start.flow.sources[FIRST].push(2)
    start.until(lambda: start.frame is not None)
    assert start.window.top.chip.isVisible()
    assert np.ptp(start.pixels(), axis=-1).max() > 100


def test_a_click_opens_a_scene(start):
    card = next(card for card in start.page.cards if card.title == "Stenosis")
    start.qtbot.mouseClick(card, LEFT)
    start.until(lambda: shown(start) == "simulated:stenosis")


def test_arrows_go_to_neighbours_and_space_opens(start):
    cards = start.page.cards
    for key, at in (
        (Qt.Key.Key_Right, cards[1]),
        (Qt.Key.Key_Down, cards[6]),
        (Qt.Key.Key_Left, cards[5]),
        (Qt.Key.Key_Left, cards[5]),
        (Qt.Key.Key_Up, cards[0]),
    ):
        start.key(key)
        assert QApplication.focusWidget() is at
    for _ in range(5):
        start.key(Qt.Key.Key_Right)
    assert QApplication.focusWidget() in (start.page.open_button, *start.page.rows)
    for _ in range(5):
        start.key(Qt.Key.Key_Left)
    start.key(Qt.Key.Key_Up)
    start.key(Qt.Key.Key_Right)
    start.key(Qt.Key.Key_Right)
    assert QApplication.focusWidget() is cards[2]
    start.key(Qt.Key.Key_Space)
    start.until(lambda: shown(start) == "simulated:stenosis")


def test_tab_reaches_everything_and_the_focus_is_seen(start):
    wanted = [*start.page.cards, start.page.open_button, *start.page.rows]
    start.page.cards[0].setFocus()
    for widget in wanted:
        assert QApplication.focusWidget() is widget
        with_focus = pixels(widget)
        start.key(Qt.Key.Key_Tab)
        assert np.abs(with_focus - pixels(widget)).max() > 100


def test_every_scene_has_a_picture_and_says_what_it_shows(start):
    assert [card.source for card in start.page.cards] == [f"simulated:{name}" for name in SCENES]
    for card in start.page.cards:
        assert (card.picture.width(), card.picture.height()) == gallery.CARD_SIZE_PX
        assert card.lesson.endswith(".")
        # Flow is in colour on grey tissue.
        coloured = np.ptp(pixels(card), axis=-1) > 60
        assert 0.03 < coloured.mean() < 0.6
    folder = scene_picture("stenosis.jpg").parent
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000


@pytest.mark.parametrize("size", [(1024, 600), (1280, 720), (1920, 1080)])
def test_nothing_is_cut_off(start, size):
    start.window.resize(*size)
    start.until(lambda: start.window.width() == size[0])
    start.qtbot.wait(1)
    for widget in (*start.page.cards, start.page.open_button, *start.page.rows):
        corner = widget.mapTo(start.page, widget.rect().bottomRight())
        assert start.page.rect().contains(corner)
        assert widget.visibleRegion().boundingRect() == widget.rect()
    for card in start.page.cards:
        assert card.height() >= card.height_px(card.width())


def test_a_recording_that_is_there_opens_and_comes_first(start, tmp_path):
    row = next(row for row in start.page.rows if row.path.name == "disc.mat")
    assert row.fault == ""
    start.qtbot.mouseClick(row, LEFT)
    start.until(lambda: shown(start) == str(tmp_path / "disc.mat"))
    assert [path.name for path in start.recent.files()] == ["disc.mat", "gone.uff"]


def test_a_recording_that_is_gone_says_why_and_is_forgotten_by_a_key(start):
    row = start.page.rows[0]
    assert (row.path.name, row.fault) == ("gone.uff", "no such file")
    grey, white = (pixels(row)[4:16, 8:-8].max() for row in start.page.rows)
    assert grey < 0.8 * white
    row.setFocus()
    start.key(Qt.Key.Key_Return)
    assert start.window.message.is_error
    assert "gone.uff: no such file" in start.window.message.text.text()
    assert start.page.isVisible()
    start.key(Qt.Key.Key_Delete)
    assert [path.name for path in start.recent.files()] == ["disc.mat"]
    assert [row.path.name for row in start.page.rows] == ["disc.mat"]
    assert QApplication.focusWidget() is start.page.rows[0]


def test_a_refused_recording_leaves_the_page_and_is_not_remembered(start, monkeypatch, tmp_path):
    name = str(tmp_path / "notes.txt")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (name, ""))
    start.qtbot.mouseClick(start.page.open_button, LEFT)
    start.until(lambda: start.window.message.is_error)
    assert start.page.isVisible()
    assert "notes.txt" not in [path.name for path in start.recent.files()]


def test_a_damaged_list_is_told_and_the_scenes_are_there(start):
    start.recent.path.write_text("files = [")
    start.key(Qt.Key.Key_Return)
    start.until(lambda: shown(start) == FIRST)
    start.key(Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    assert start.page.isVisible()
    assert "recent.toml" in start.window.message.text.text()
    assert start.page.rows == ()


def test_keys_of_the_pictures_do_nothing_behind_the_page(start):
    start.key(Qt.Key.Key_Return)
    start.until(lambda: shown(start) == FIRST)
    start.flow.sources[FIRST].push(2)
    start.until(lambda: start.frame is not None)
    start.key(Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    start.until(start.page.isVisible)
    before = start.window.store.current
    for key in (Qt.Key.Key_X, Qt.Key.Key_M, Qt.Key.Key_1, Qt.Key.Key_P, Qt.Key.Key_V):
        start.key(key)
    assert start.window.store.current == before
    assert start.chip != "FROZEN"
    start.key(Qt.Key.Key_Escape)
    assert shown(start) == FIRST
    start.key(Qt.Key.Key_X)
    assert start.window.store.current.display.swap is not before.display.swap


def test_escape_stays_where_there_is_nothing_to_go_back_to(start):
    start.key(Qt.Key.Key_Escape)
    assert start.page.isVisible()


def test_a_recording_without_a_prf_asks_for_it_and_opens(start, tmp_path):
    asked = []
    open_known = start.flow._open

    def open_source(name, prf_hz=None):
        asked.append(prf_hz)
        if prf_hz is None:
            raise NoPrfError("disc.mat: PRF: missing; give the PRF it was taken with")
        return open_known(name)

    start.monkeypatch.setattr(front_end_module, "open_source", open_source)
    row = next(row for row in start.page.rows if row.path.name == "disc.mat")
    start.qtbot.mouseClick(row, LEFT)
    way_out = start.window.message.way_out
    start.until(way_out.isVisible)
    assert "PRF" in way_out.text()
    assert start.window.message.is_error
    way_out.setFocus()
    start.key(Qt.Key.Key_Return)
    dialog = start.window.findChild(QInputDialog)
    start.until(dialog.isVisible)
    # Nothing is proposed, so that Return alone opens nothing.
    number = dialog.findChild(QLineEdit)
    start.qtbot.keyClick(number, Qt.Key.Key_Return)
    assert number.text() == ""
    assert dialog.isVisible()
    start.qtbot.keyClicks(number, "2.5 kHz")
    start.qtbot.keyClick(number, Qt.Key.Key_Return)
    start.until(lambda: shown(start) == str(tmp_path / "disc.mat"))
    assert asked == [None, 2500.0]
    start.window.message.say("something else", is_error=True)
    assert not way_out.isVisible()


@pytest.mark.parametrize(
    ("text", "prf_hz"),
    [
        ("2500", 2500.0),
        (" 2500 Hz ", 2500.0),
        ("2,5kHz", 2500.0),
        ("4.500 kHz", 4500.0),
        ("3,000", None),  # three Hz, or three thousand
        ("4.500 Hz", None),
        ("", None),
        ("0", None),
        ("-3000", None),
        ("1e3", None),
        ("2 MHz", None),
        ("2000000", None),
        ("nan", None),
    ],
)
def test_a_typed_prf_is_a_number_of_hertz_or_nothing(text, prf_hz):
    assert typed_prf_hz(text) == prf_hz


def test_the_sheet_and_the_file_dialog_open_over_the_page_by_keys(start, monkeypatch, tmp_path):
    start.page.cards[2].setFocus()
    start.key(Qt.Key.Key_F1)
    start.until(start.window.sheet.isVisible)
    start.key(Qt.Key.Key_Return)
    assert not start.window.sheet.isVisible()
    assert QApplication.focusWidget() is start.page.cards[2]
    assert start.page.isVisible()
    name = str(tmp_path / "disc.mat")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (name, ""))
    start.key(Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    start.until(lambda: shown(start) == name)


def test_a_dropped_file_opens_from_the_page(start, tmp_path):
    files, where = QMimeData(), QPointF(start.page.rect().center())
    files.setUrls([QUrl.fromLocalFile(str(tmp_path / "disc.mat"))])
    copy, no_key = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where.toPoint(), copy, files, LEFT, no_key)
    QApplication.sendEvent(start.window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(start.window, QDropEvent(where, copy, files, LEFT, no_key))
    start.until(lambda: shown(start) == str(tmp_path / "disc.mat"))
