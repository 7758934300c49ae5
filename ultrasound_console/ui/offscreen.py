"""Finished frames drawn without a window on the screen, as the window would show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from ..cine import LoopFrame
from ..export.clip import Shot, timing
from ..frames import DopplerFrame
from ..render.canvas import PanelCanvas
from ..render.colour_scale import loop_scale_m_s
from ..settings import DisplaySettings
from ..status import State
from . import theme
from .app import start_application
from .cine.loop import stretch
from .labels import PanelLabels
from .still import Occasion, Stills


def draw_clip(
    frames: Sequence[DopplerFrame],
    display: DisplaySettings,
    *,
    speed: float,
    most_fps: float,
    size: tuple[int, int],
) -> Iterator[Shot]:
    """Draw frames one by one, as they are asked for.

    Parameters
    ----------
    frames : sequence of DopplerFrame
        Two or more, oldest first.
    display : DisplaySettings
        A colour scale that is left to the program is one for all frames.
    speed : float
        In real time.
    most_fps : float
        Frames that follow sooner are left out.
    size : tuple of int
        Of the panels, in pixels; the lines above and below them come on top.

    Raises
    ------
    CannotStartError, RenderError
        Nothing can be drawn here: OpenGL is missing or too old.
    """
    theme.apply(start_application())
    canvas = PanelCanvas(size=size)
    labels = PanelLabels(canvas)
    try:
        stills = Stills(canvas, labels.compare)
        scale_m_s = display.colour_scale_m_s or loop_scale_m_s(frames)
        canvas.set_display(dataclasses.replace(display, colour_scale_m_s=scale_m_s))
        is_recording = bool(frames[0].acquisition.prf_choices_hz)
        occasion = Occasion(State.FROZEN, is_recording, speed)
        laid_out = stretch([LoopFrame.of(frame) for frame in frames])
        assert laid_out is not None
        for place, lasts_s in timing(laid_out.start_s, laid_out.length_s, speed, most_fps):
            canvas.set_frame(frames[place])
            labels.show_frame(frames[place])
            labels.place()
            still = stills.take(frames[place], occasion)
            yield Shot(still.rgb, lasts_s, still.texts)
    finally:
        canvas.deleteLater()


def drawing_at(size: tuple[int, int]) -> Callable[[DopplerFrame], None]:
    """Make what draws frames at one size and takes no other notice of them.

    Parameters
    ----------
    size : tuple of int
        Of the panels, in pixels.

    Raises
    ------
    CannotStartError, RenderError
        Nothing can be drawn here: OpenGL is missing or too old.
    """
    start_application()
    canvas = PanelCanvas(size=size)

    def draw(frame: DopplerFrame) -> None:
        canvas.set_frame(frame)
        canvas.image()

    return draw
