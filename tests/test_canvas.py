"""The canvas in a real window: frames to the screen, mouse, scales and labels."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from display import needs_display
from frames_for_tests import make_frame
from mouse import wheel
from panels import SIZE, Model, compare, on_screen, picture, pixels, rgb, show, shown_canvas
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from ultrasound_console.render import canvas as canvas_module
from ultrasound_console.render.canvas import PanelCanvas
from ultrasound_console.render.overlay import Drawn, Overlay
from ultrasound_console.render.painter import Painter, RenderError, check_context
from ultrasound_console.settings import DisplaySettings

pytestmark = [pytest.mark.gui, needs_display]


@pytest.fixture
def canvas(qtbot: QtBot) -> PanelCanvas:
    return shown_canvas(qtbot)


# Frames to the screen


def test_each_frame_is_reported_once_after_it_was_painted(
    canvas: PanelCanvas, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []
    canvas.painted.connect(painted.append)
    for index in (4, 5, 9):
        with qtbot.waitSignal(canvas.painted, timeout=3000):
            canvas.set_frame(make_frame(index))
    assert painted == [4, 5, 9]
    # Painting it again for another reason is no new frame.
    swaps = 0

    def swapped() -> None:
        nonlocal swaps
        swaps += 1
        canvas._on_swapped()

    monkeypatch.setattr(canvas._window, "_swapped", swapped)
    canvas.set_display(DisplaySettings(baseline=0.5))
    qtbot.waitUntil(lambda: swaps > 0, timeout=3000)
    assert painted == [4, 5, 9]


def test_a_replaced_frame_is_never_reported(canvas: PanelCanvas, qtbot: QtBot) -> None:
    painted: list[int] = []
    canvas.painted.connect(painted.append)
    with qtbot.waitSignal(canvas.painted, timeout=3000):
        canvas.set_frame(make_frame(1))
        canvas.set_frame(make_frame(2))
    assert painted == [2]


def test_a_hidden_canvas_reports_nothing_until_it_shows(qtbot: QtBot) -> None:
    panels = PanelCanvas(size=SIZE)
    qtbot.addWidget(panels)
    painted: list[int] = []
    panels.painted.connect(painted.append)
    panels.set_frame(make_frame(7))
    QApplication.processEvents()
    assert painted == []
    with qtbot.waitSignal(panels.painted, timeout=3000):
        panels.show()
    assert painted == [7]


def test_an_error_while_painting_is_not_swallowed(
    canvas: PanelCanvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no paint left")

    with monkeypatch.context() as patch:
        patch.setattr(Painter, "paint", fail)
        with pytest.raises(ZeroDivisionError, match="no paint left"):
            canvas.image()
    canvas.set_frame(make_frame(3))
    assert picture(canvas, 0).any()


def test_a_context_that_is_too_old_makes_no_canvas(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(version: str, extensions: Callable[[], str]) -> None:
        asked.append(version)
        check_context("2.1 Old", lambda: "")

    monkeypatch.setattr(canvas_module, "check_context", refuse)
    with pytest.raises(RenderError, match=r"^OpenGL 2\.1 Old has no"):
        PanelCanvas(size=SIZE)
    # It was the machine's own version that was asked about.
    assert re.match(r"\d\.\d", asked[0])


def test_which_contexts_will_do() -> None:
    def never() -> str:
        raise AssertionError("a new context has no list of extensions")

    check_context("4.5 (Compatibility Profile) Mesa 22.3.6", never)
    check_context("3.0 Mesa", never)
    check_context("2.1 Old", lambda: "GL_ARB_texture_rg GL_ARB_texture_float GL_EXT_other")
    with pytest.raises(RenderError, match=r"2\.1 Old has no GL_ARB_texture_rg: use OpenGL 3\.0"):
        check_context("2.1 Old", lambda: "GL_ARB_texture_float GL_ARB_texture_rgb10")
    with pytest.raises(RenderError, match="unknown version"):
        check_context("", lambda: "")


def test_after_the_context_is_lost_all_is_drawn_as_before(
    canvas: PanelCanvas, labels: list[QLabel], qtbot: QtBot
) -> None:
    class Lost:
        def makeCurrent(self, surface: object) -> bool:  # noqa: N802 (Qt's name)
            return False

    canvas.set_frame(make_frame(3))
    qtbot.waitUntil(lambda: alike(canvas), timeout=3000)
    before = on_screen(canvas)
    canvas._window._context = Lost()
    canvas.set_stale(True)
    qtbot.waitUntil(lambda: not np.array_equal(on_screen(canvas), before), timeout=3000)
    canvas.set_stale(False)
    qtbot.waitUntil(lambda: np.array_equal(on_screen(canvas), before), timeout=3000)


# Over the panels


def made_labels(over: QWidget, lay_over: Callable[[QWidget], None]) -> list[QLabel]:
    """Two labels that overlap, and one that reaches beyond what they lie over."""
    made = []
    for place, ground in (
        ((60, 40, 120, 30), "rgba(200, 0, 0, 255)"),
        ((160, 55, 90, 40), "rgba(0, 200, 0, 128)"),
        ((SIZE[0] - 30, -10, 90, 40), "rgba(0, 0, 200, 128)"),
    ):
        label = QLabel("text", over)
        label.setGeometry(*place)
        label.setStyleSheet(f"background: {ground}; color: white;")
        label.show()
        lay_over(label)
        made.append(label)
    return made


@pytest.fixture
def labels(canvas: PanelCanvas) -> list[QLabel]:
    return made_labels(canvas, canvas.lay_over)


def rgb_of_grab(canvas: PanelCanvas) -> np.ndarray:
    return rgb(canvas.grab().toImage())


def alike(canvas: PanelCanvas) -> bool:
    """Whether the screen shows what Qt would compose, but for how a colour is rounded."""
    return bool(np.abs(on_screen(canvas) - rgb_of_grab(canvas)).max() <= 1)


def test_the_screen_shows_the_widgets_over_the_panels(
    canvas: PanelCanvas, labels: list[QLabel], qtbot: QtBot
) -> None:
    canvas.set_frame(make_frame(3))
    qtbot.waitUntil(lambda: alike(canvas), timeout=3000)
    red, green, _ = (label.geometry().center() for label in labels)
    assert on_screen(canvas)[red.y() - 10, red.x() - 50].tolist() == [200, 0, 0]
    assert on_screen(canvas)[green.y() + 10, green.x() + 40, 1] >= 100
    # What is compared would also be alike without any text.
    assert (rgb_of_grab(canvas) != pixels(canvas)).any(-1).sum() > 120 * 30


def test_the_screen_follows_what_becomes_of_the_widgets(
    canvas: PanelCanvas, labels: list[QLabel], qtbot: QtBot
) -> None:
    def follows(act: Callable[[], object]) -> None:
        before = rgb_of_grab(canvas)
        act()
        qtbot.waitUntil(lambda: alike(canvas), timeout=3000)
        assert not np.array_equal(rgb_of_grab(canvas), before)

    canvas.set_frame(make_frame(3))
    follows(lambda: labels[0].setText("another"))
    follows(lambda: labels[0].move(300, 200))
    follows(lambda: labels[1].resize(30, 90))
    follows(labels[0].hide)
    follows(labels[0].show)
    follows(lambda: canvas.resize(SIZE[0] - 100, SIZE[1] + 30))
    follows(lambda: [label.hide() for label in labels])


def test_only_what_looks_different_is_sent_again(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(*SIZE)
    n_changes = 0

    def changed() -> None:
        nonlocal n_changes
        n_changes += 1

    overlay = Overlay(over, changed)
    labels = made_labels(over, overlay.add)
    with qtbot.waitExposed(over):
        over.show()
    qtbot.waitUntil(lambda: n_changes >= 3, timeout=3000)
    first = overlay.patches(2.0)
    assert sum(patch.rgba.shape[0] * patch.rgba.shape[1] for patch in first) == sum(
        (right - left) * (bottom - top) for left, top, right, bottom in overlay.rects(2.0)
    )
    covered = np.zeros((2 * SIZE[1], 2 * SIZE[0]), int)
    for left, top, right, bottom in overlay.rects(2.0):
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1
    assert covered[2 * 60, 2 * 170] == covered[0, -1] == 1
    assert overlay.patches(2.0) == []
    n_changes = 0
    labels[2].setText("x")
    qtbot.waitUntil(lambda: n_changes > 0, timeout=3000)
    (patch,) = overlay.patches(2.0)
    assert (patch.left, patch.top) == (2 * (SIZE[0] - 30), 0)
    assert patch.rgba.shape == (60, 60, 4)
    # Premultiplied, and translucent as the style says.
    assert patch.rgba[-1, 0].tolist() == pytest.approx([0, 0, 100, 128], abs=1)


class Flag(Drawn):
    """A square of a colour, which draws beyond itself as well."""

    def __init__(self, parent: QWidget, x_px: int, colour: str) -> None:
        super().__init__(parent, "flag")
        self.colour = colour
        self.setGeometry(x_px, 10, 20, 20)

    def draw(self, painter: QPainter) -> None:
        painter.fillRect(self.rect().adjusted(-50, -50, 50, 50), QColor(self.colour))


def test_a_widget_that_draws_itself_is_sent_when_it_says_so(qtbot: QtBot) -> None:
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(100, 60)
    heard: list[None] = []
    overlay = Overlay(over, lambda: heard.append(None))
    first, second = Flag(over, 10, "#ff0000"), Flag(over, 20, "#0000ff")
    overlay.add(first)
    overlay.add(second)
    with qtbot.waitExposed(over):
        over.show()
    assert not overlay.is_current
    overlay.patches(1.0)
    assert overlay.is_current
    heard.clear()
    # Qt's own painting does not concern it.
    first.repaint()
    assert overlay.is_current
    assert not heard
    first.colour = "#00ff00"
    first.redrawn.emit()
    assert heard
    assert not overlay.is_current
    (patch,) = overlay.patches(1.0)
    assert (patch.left, patch.top, *patch.rgba.shape[:2]) == (10, 10, 20, 20)
    # Each within itself, and the later one above.
    assert (patch.rgba[:, :10] == [0, 255, 0, 255]).all()
    assert (patch.rgba[:, 10:] == [0, 0, 255, 255]).all()
    for change in (
        second.hide,
        second.show,
        lambda: second.move(60, 30),
        lambda: second.resize(9, 9),
    ):
        heard.clear()
        change()
        assert heard
        assert overlay.patches(1.0)
    assert overlay.rects(1.0) == [(10, 10, 30, 30), (60, 30, 69, 39)]
    for flag in (first, second):
        flag.hide()
    assert overlay.patches(1.0)
    assert overlay.rects(1.0) == []


# Mouse


def point_at(canvas: PanelCanvas, qtbot: QtBot, x_px: float, y_px: float) -> None:
    with qtbot.waitSignal(canvas.cursor_moved, timeout=3000):
        QTest.mouseMove(canvas, QPoint(round(x_px), round(y_px)))


def test_the_wheel_zooms_about_the_pointer_in_all_panels(
    canvas: PanelCanvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "_current_lines", lambda frame: ([], []))
    model = show(canvas, make_frame(3))
    x_px, y_px = (round(value) for value in canvas.pixel(2, 0.001, 0.017))
    before = canvas.position_m(x_px, y_px)
    wheel(canvas, QPoint(round(x_px), round(y_px)), 4)
    after = canvas.position_m(x_px, y_px)
    assert after == pytest.approx(before)
    assert canvas.view.zoom == pytest.approx(1.25**4)
    compare(canvas, Model(model.frame, canvas.view, model.display, model.right_scale_m_s))
    wheel(canvas, QPoint(round(x_px), round(y_px)), -9)
    assert canvas.view.zoom == 1


def test_the_left_button_drags_and_a_double_click_fits(canvas: PanelCanvas) -> None:
    canvas.set_frame(make_frame(3))
    fitted = canvas.view
    start = QPoint(*(round(value) for value in canvas.pixel(0, 0.0, 0.018)))
    wheel(canvas, start, 6)
    place = canvas.position_m(start.x(), start.y())
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, pos=start)
    # Moves in quick succession all count.
    for step in range(1, 9):
        QTest.mouseMove(canvas, start + QPoint(3 * step, -2 * step))
    QTest.mouseRelease(canvas, left, pos=start + QPoint(24, -16))
    assert canvas.position_m(start.x() + 24, start.y() - 16) == pytest.approx(place)
    dragged = canvas.view
    QTest.mouseMove(canvas, start)
    assert canvas.view == dragged
    QTest.mouseDClick(canvas, left, pos=start)
    assert canvas.view == fitted


def test_other_buttons_and_places_drag_nothing(canvas: PanelCanvas) -> None:
    """And vispy's own handlers, which warn, never see a mouse event."""
    canvas.set_frame(make_frame(3))
    wheel(canvas, QPoint(200, 150), 6)
    view = canvas.view
    bar = canvas.bar_rect(0)
    for button, start in (
        (Qt.MouseButton.RightButton, QPoint(200, 150)),
        (Qt.MouseButton.LeftButton, QPoint(bar.x + 4, bar.y + 20)),
    ):
        QTest.mousePress(canvas, button, pos=start)
        QTest.mouseMove(canvas, start + QPoint(30, 30))
        QTest.mouseRelease(canvas, button, pos=start + QPoint(30, 30))
        assert canvas.view == view


def test_the_cross_is_at_the_same_place_in_every_panel(canvas: PanelCanvas, qtbot: QtBot) -> None:
    canvas.set_frame(make_frame(3))
    before = pixels(canvas)
    x_px, y_px = canvas.pixel(1, 0.004, 0.021)
    point_at(canvas, qtbot, x_px, y_px)
    changed = (pixels(canvas) != before).any(-1)
    assert canvas.cursor_m is not None
    x_m, z_m = canvas.cursor_m
    for panel in range(3):
        rect = canvas.picture_rect(panel)
        part = changed[rect.y : rect.bottom, rect.x : rect.right]
        column, row = canvas.pixel(panel, x_m, z_m)
        assert part[:, int(column + 1e-6) - rect.x].mean() > 0.6
        assert part[int(row + 1e-6) - rect.y].mean() > 0.6
        assert part.mean() < 0.05


def test_the_cursor_tells_where_it_is(canvas: PanelCanvas, qtbot: QtBot) -> None:
    canvas.set_frame(make_frame(3))
    places: list[tuple[float, float] | None] = []
    canvas.cursor_moved.connect(places.append)
    for panel, place in ((0, (0.002, 0.015)), (2, (-0.004, 0.022))):
        x_px, y_px = (round(value) for value in canvas.pixel(panel, *place))
        point_at(canvas, qtbot, x_px, y_px)
        expected = canvas.position_m(x_px, y_px)
        assert expected is not None
        assert expected[0] == panel
        assert places[-1] == canvas.cursor_m == expected[1:]
        assert places[-1] == pytest.approx(place, abs=1 / canvas.view.pixels_per_m)
    point_at(canvas, qtbot, x_px, 5)
    assert places[-1] is None
    point_at(canvas, qtbot, x_px, y_px)
    assert places[-1] is not None
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    assert places[-1] is None
    assert canvas.cursor_m is None


def test_scales_follow_the_frame_and_the_settings(canvas: PanelCanvas) -> None:
    assert canvas.scale_m_s(0) is None
    frame = make_frame(3)
    nyquist = frame.nyquist_velocity_m_s
    canvas.set_frame(frame)
    assert canvas.scale_m_s(0) == pytest.approx((-nyquist, nyquist))
    right = canvas.scale_m_s(2)
    assert right is not None
    assert right[1] >= frame.corrected_m_s.max() * 0.9
    canvas.set_display(DisplaySettings(baseline=0.5, colour_scale_m_s=0.77))
    assert canvas.scale_m_s(0) == pytest.approx((-0.5 * nyquist, 1.5 * nyquist))
    assert canvas.scale_m_s(1) == canvas.scale_m_s(0)
    assert canvas.scale_m_s(2) == (-0.77, 0.77)
    canvas.set_frame(make_frame(4, prf_hz=1500.0))
    assert canvas.scale_m_s(0) == pytest.approx((-0.25 * nyquist, 0.75 * nyquist))


def test_labels_are_announced_when_they_move(canvas: PanelCanvas) -> None:
    announced: list[tuple[str, ...]] = []
    canvas.labels_changed.connect(
        lambda: announced.append(tuple(tick.text for tick in canvas.bar_ticks(0)))
    )
    canvas.set_frame(make_frame(3))
    assert announced[-1] == ("−17.8", "+17.8", "0")
    n = len(announced)
    canvas.set_frame(make_frame(4))
    assert len(announced) == n
    canvas.set_display(DisplaySettings(baseline=0.5))
    assert len(announced) == n + 1
    assert "+26.7" in announced[-1]
    canvas.set_frame(make_frame(5, prf_hz=1500.0))
    assert len(announced) == n + 2
    ticks = [tick.y_px for tick in canvas.depth_ticks()]
    wheel(canvas, QPoint(200, 150), 3)
    assert len(announced) == n + 3
    assert [tick.y_px for tick in canvas.depth_ticks()] != ticks
    canvas.resize(SIZE[0] + 60, SIZE[1] + 40)
    QApplication.processEvents()
    assert len(announced) == n + 4
    assert canvas.panel_rect(2).right == SIZE[0] + 60
