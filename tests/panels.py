"""The panels as numpy pictures, to compare a canvas with."""

from dataclasses import dataclass

import numpy as np
from frames_for_tests import BMODE, RECTANGLE, SECTOR, SECTOR_BMODE, SHEARED, wrapped
from PySide6.QtCore import QPoint
from PySide6.QtGui import QCursor, QGuiApplication, QImage
from pytestqt.qtbot import QtBot
from scipy.ndimage import map_coordinates

from ultrasound_console.frames import DopplerFrame, Status
from ultrasound_console.geometry import ImageGrid
from ultrasound_console.render.canvas import PanelCanvas
from ultrasound_console.render.colour_maps import DISTURBED_MAP, FOLD_MAP, VELOCITY_MAPS
from ultrasound_console.render.view import View
from ultrasound_console.settings import DisplaySettings

SIZE = (960, 330)
GRIDS = {
    "rectangle": (BMODE, RECTANGLE),
    "sheared": (BMODE, SHEARED),
    "polar": (SECTOR_BMODE, SECTOR),
    "polar over parallel": (BMODE, SECTOR),
}


def shown_canvas(qtbot: QtBot) -> PanelCanvas:
    """A canvas in a window of its own, without the pointer on it."""
    panels = PanelCanvas(size=SIZE)
    qtbot.addWidget(panels)
    # QTest moves the real pointer; it may still be where the last test left it.
    QCursor.setPos(QGuiApplication.primaryScreen().geometry().bottomRight())
    with qtbot.waitExposed(panels):
        panels.show()
    return panels


def pixels(canvas: PanelCanvas) -> np.ndarray:
    """(height, width, 3) int of the canvas, without what lies over it."""
    return rgb(canvas.image())


def on_screen(canvas: PanelCanvas) -> np.ndarray:
    """(height, width, 3) int of what the screen shows where the canvas is."""
    place = canvas.mapToGlobal(QPoint())
    area = place.x(), place.y(), canvas.width(), canvas.height()
    return rgb(canvas.screen().grabWindow(0, *area).toImage())


def rgb(image: QImage) -> np.ndarray:
    """(height, width, 3) int."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def picture(canvas: PanelCanvas, panel: int) -> np.ndarray:
    rect = canvas.picture_rect(panel)
    return pixels(canvas)[rect.y : rect.bottom, rect.x : rect.right]


# The picture in numpy


@dataclass(frozen=True)
class Model:
    """What a panel should look like, computed sample by sample from the planes."""

    frame: DopplerFrame
    view: View
    display: DisplaySettings
    right_scale_m_s: float = 0.4
    panels: tuple[int, ...] = (0, 1, 2)

    def grey(self, x_m: np.ndarray, z_m: np.ndarray) -> np.ndarray:
        grid = self.frame.acquisition.bmode_grid
        index, inside = _indices(grid, x_m, z_m)
        level_db = map_coordinates(
            self.frame.bmode_db.astype(float),
            index,
            order=1 if self.display.interpolate else 0,
            mode="nearest",
        )
        level_db += self.display.bmode_gain_db
        depths = np.linspace(0, grid.n_depths - 1, 8)
        level_db += np.interp(index[0], depths, self.display.tgc_db)
        return np.where(
            inside, np.clip(1 + level_db / self.display.bmode_dynamic_range_db, 0, 1), 0
        )

    def velocity_rgb(
        self, velocity: np.ndarray, low: float, high: float, disturbed: np.ndarray | float = 0.0
    ) -> np.ndarray:
        at = np.where(velocity < 0, velocity / -low, velocity / high)
        at = np.clip(-at if self.display.invert else at, -1, 1)
        disturbed = np.asarray(disturbed)[..., None]
        name = self.display.colour_map
        calm = self.map_rgb(at, VELOCITY_MAPS["classic" if name == "power" else name])
        return (1 - disturbed) * calm + disturbed * self.map_rgb(at, DISTURBED_MAP)

    @staticmethod
    def map_rgb(at: np.ndarray, table: np.ndarray) -> np.ndarray:
        place = 127.5 * (at + 1)
        return np.stack([np.interp(place, np.arange(256), table[:, k]) for k in range(3)], -1)

    def flow_rgb(
        self, velocity: np.ndarray, low: float, high: float, taps: list, weight: np.ndarray
    ) -> np.ndarray:
        """Colour of flow whose samples count so much each."""

        def mean(plane: np.ndarray) -> np.ndarray:
            values = np.stack([plane[tap] for tap in taps]).astype(float)
            return (weight * values).sum(0) / np.maximum(weight.sum(0), 1e-12)

        if self.display.colour_map == "power":
            least_db = self.frame.processing.flow_power_db - self.display.colour_gain_db
            above = np.clip((mean(self.frame.power_db) - least_db) / 30, 0, 1)
            direction = np.where((velocity < 0) != self.display.invert, -1, 1)
            return self.map_rgb(direction * above, VELOCITY_MAPS["power"])
        disturbed = 0.0
        if self.display.colour_map == "velocity-variance":
            disturbed = np.clip((mean(self.frame.bandwidth) - 0.2) / 0.6, 0, 1)
        return self.velocity_rgb(velocity, low, high, disturbed)

    def panel(
        self, panel: int, x_m: np.ndarray, z_m: np.ndarray, rising: np.ndarray, falling: np.ndarray
    ) -> np.ndarray:
        frame, display = self.frame, self.display
        grid, nyquist = frame.acquisition.colour_grid, frame.nyquist_velocity_m_s
        grey = self.grey(x_m, z_m)
        (row, column), inside = _indices(grid, x_m, z_m)
        row = np.clip(row, 0, grid.n_depths - 1)
        column = np.clip(column, 0, grid.n_lines - 1)
        if not display.interpolate:
            row, column = np.floor(row + 0.5), np.floor(column + 0.5)
        first_row, first_column = np.floor(row).astype(int), np.floor(column).astype(int)
        down, across = row - first_row, column - first_column
        taps, weights = [], []
        for d_row, d_column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            taps.append(
                (
                    np.minimum(first_row + d_row, grid.n_depths - 1),
                    np.minimum(first_column + d_column, grid.n_lines - 1),
                )
            )
            weights.append(
                (down if d_row else 1 - down) * (across if d_column else 1 - across),
            )
        weight = np.stack(weights)
        power_plane, corrected_plane = frame.power_db, frame.corrected_m_s
        if panel == 3:
            assert frame.truth_m_s is not None
            power_plane = np.where(frame.vessel_mask, 1e3, -1e3)
            corrected_plane = frame.truth_m_s
        power_db = np.stack([power_plane[tap] for tap in taps]).astype(float)
        threshold_db = frame.processing.flow_power_db - display.colour_gain_db
        shown = inside & ((weight * power_db).sum(0) >= threshold_db)
        shown &= grey <= display.write_priority
        weight = weight * (power_db >= threshold_db)
        best = weight.argmax(0)[None]
        total = np.maximum(weight.sum(0), 1e-12)
        corrected = np.stack([corrected_plane[tap] for tap in taps]).astype(float)
        opacity = np.full(grey.shape, display.overlay_opacity)
        baseline = display.baseline * nyquist
        if panel == 0:
            velocity = np.stack([frame.velocity_m_s[tap] for tap in taps]).astype(float)
            reference = np.take_along_axis(velocity, best, 0)
            mean = reference[0] + (weight * wrapped(velocity - reference, nyquist)).sum(0) / total
            mean = wrapped(mean - baseline, nyquist) + baseline
            limits = baseline - nyquist, baseline + nyquist
            colour = self.flow_rgb(mean, *limits, taps, weight)
        elif panel == 1:
            status = np.stack([frame.status[tap] for tap in taps])
            status = np.take_along_axis(status, best, 0)[0]
            confidence = np.stack([frame.confidence[tap] for tap in taps])
            confidence = np.take_along_axis(confidence, best, 0)[0]
            value = np.take_along_axis(corrected, best, 0)[0]
            conventional = wrapped(value - baseline, nyquist) + baseline
            fold = np.clip(np.rint((value - conventional) / (2 * nyquist)), -3, 3).astype(int)
            colour = FOLD_MAP[fold + 3, :3].astype(float)
            opacity *= FOLD_MAP[fold + 3, 3] / 255
            left = status == Status.ABSTAINED
            hatched = left & ((rising < 0.25) | (falling < 0.25))
            colour[hatched] = np.array([0.93, 0.94, 0.96]) * 255
            shaded = ~left & (confidence < 0.7) & (falling < 0.4) & frame.processing.dealias
            colour[shaded] *= 0.25
            opacity[hatched | shaded] = display.overlay_opacity
        else:
            reference = np.take_along_axis(corrected, best, 0)
            weight = weight * (np.abs(corrected - reference) <= nyquist)
            mean = (weight * corrected).sum(0) / np.maximum(weight.sum(0), 1e-12)
            limits = -self.right_scale_m_s, self.right_scale_m_s
            if panel == 3:
                colour = self.velocity_rgb(mean, *limits)
            else:
                colour = self.flow_rgb(mean, *limits, taps, weight)
        opacity = np.where(shown, opacity, 0)[..., None]
        return 255 * grey[..., None] * (1 - opacity) + colour * opacity

    def expected(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture, and where it does not hang on a hair (a threshold, an edge)."""
        panel, rect = self.panels[place], self.view.picture_rect(place)
        x_min, x_max, z_min, z_max = self.view.window_m
        columns, rows = np.meshgrid(np.arange(rect.width), np.arange(rect.height))
        from_bottom = SIZE[1] - (rect.y + rows)
        rising = (columns + rect.x + from_bottom) % 7 / 7
        falling = (columns + rect.x - from_bottom + 1) % 7 / 7
        versions = []
        for dx, dy in ((0, 0), (-0.04, -0.03), (0.04, -0.03), (-0.03, 0.04), (0.03, 0.04)):
            x_m = x_min + (columns + 0.5 + dx) / rect.width * (x_max - x_min)
            z_m = z_min + (rows + 0.5 + dy) / rect.height * (z_max - z_min)
            versions.append(self.panel(panel, x_m, z_m, rising, falling))
        spread = np.ptp(np.stack(versions), axis=0).max(-1)
        return versions[0], spread < 8


def _indices(grid: ImageGrid, x_m: np.ndarray, z_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    row, column = grid.indices(x_m, z_m)
    inside = (np.abs(row - (grid.n_depths - 1) / 2) <= grid.n_depths / 2) & (
        np.abs(column - (grid.n_lines - 1) / 2) <= grid.n_lines / 2
    )
    return np.stack([row, column]), inside


def compare(canvas: PanelCanvas, model: Model) -> None:
    shot = pixels(canvas)
    assert canvas.panels == model.panels
    for place, panel in enumerate(model.panels):
        rect = canvas.picture_rect(place)
        expected, sure = model.expected(place)
        error = np.abs(shot[rect.y : rect.bottom, rect.x : rect.right] - expected).max(-1)
        assert sure.mean() > 0.9
        assert np.quantile(error[sure], 0.999) <= 2.0, f"panel {panel}"
        assert error[sure].max() <= 4.0, f"panel {panel}"


def show(canvas: PanelCanvas, frame: DopplerFrame, **display: object) -> Model:
    settings = DisplaySettings(**display)
    canvas.set_display(settings)
    canvas.set_frame(frame)
    return Model(frame, canvas.view, settings, canvas.limits_m_s(2)[1], canvas.panels)
