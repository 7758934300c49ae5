"""Draws and points in a window of its own, and writes down what came of it."""

import dataclasses
import sys

import numpy as np
from frames_for_tests import make_frame
from panels import on_screen, rgb
from PySide6.QtCore import QDeadlineTimer, QPoint, Qt
from PySide6.QtGui import QCursor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from ultrasound_console.render.canvas import PanelCanvas
from ultrasound_console.render.painter import HATCH_PX
from ultrasound_console.ui import theme
from ultrasound_console.ui.app import start_application

SIZE = 720, 300
AT_M = 0.002, 0.015


def edges(rect):
    return np.array([rect.x, rect.y, rect.right, rect.bottom])


def wait_for(condition) -> None:
    deadline = QDeadlineTimer(20_000)
    while not condition() and not deadline.hasExpired():
        QTest.qWait(10)
    assert condition()


def main(path: str) -> None:
    application = start_application()
    canvas = PanelCanvas(size=SIZE)
    canvas.setWindowFlag(Qt.WindowType.FramelessWindowHint)
    text = QLabel("Conventional WM 24", canvas)
    text.setFont(theme.font(13))
    text.setStyleSheet("color: white; background: black;")
    text.setGeometry(40, 2, 130, 20)
    canvas.lay_over(text)
    screen = QGuiApplication.primaryScreen().availableGeometry()
    QCursor.setPos(screen.bottomRight())
    canvas.show()
    QTest.qWaitForWindowExposed(canvas)
    canvas.set_frame(make_frame(3))
    painted = []
    canvas.painted.connect(painted.append)
    wait_for(lambda: painted)
    place = canvas.picture_rect(1)
    found = {
        "size": np.array([canvas.height(), canvas.width()]),
        "image": rgb(canvas.image()).astype(np.uint8),
        "screen": on_screen(canvas).astype(np.uint8),
        "picture": edges(place),
        "text": np.array([40, 2, 170, 22]),
    }
    x_px, y_px = canvas.pixel(1, *AT_M)
    aimed = QPoint(int(x_px), int(y_px))
    QTest.mouseMove(canvas, aimed - QPoint(3, 0))
    wait_for(lambda: canvas.cursor_m is not None)
    beside_m = canvas.cursor_m
    QTest.mouseMove(canvas, aimed)
    wait_for(lambda: canvas.cursor_m != beside_m)
    found |= {
        "aimed_px": np.array([aimed.x() + 0.5, aimed.y() + 0.5]),
        "aimed_m": np.array(AT_M),
        "pointed_m": np.array(canvas.cursor_m),
        "m_per_px": 1.0 / canvas.view.pixels_per_m,
        "crossed": rgb(canvas.image()).astype(np.uint8),
    }
    canvas._move_cursor(None)
    frame = make_frame(4, peak_nyquist=0.5)
    planes = {
        "confidence": np.zeros_like(frame.confidence),
        "status": np.ones_like(frame.status),
        "power_db": np.full_like(frame.power_db, 40.0),
        "bmode_db": np.full_like(frame.bmode_db, -200.0),
    }
    canvas.set_frame(dataclasses.replace(frame, **planes))
    left, top = (round(v) for v in canvas.pixel(1, -0.006, 0.012))
    right, bottom = (round(v) for v in canvas.pixel(1, 0.003, 0.024))
    found |= {
        "hatch": rgb(canvas.image()).astype(np.uint8),
        "hatched": np.array([left, top, right, bottom]),
        "hatch_px": HATCH_PX,
    }
    np.savez(path, **found)
    canvas.close()
    canvas.deleteLater()
    application.processEvents()


if __name__ == "__main__":
    main(sys.argv[1])
