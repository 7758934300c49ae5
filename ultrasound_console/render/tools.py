"""What the mouse may do over the pictures besides looking around."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt


@dataclass(frozen=True)
class Touch:
    """The pointer over the panels.

    Attributes
    ----------
    place : int
        Of the panel, from the left. A drag stays with the panel where it began.
    x_m, z_m : float
        In the body; during a drag perhaps beside the picture.
    m_per_px : float
        Of a logical pixel.
    shift, control : bool
        Keys held.
    """

    place: int
    x_m: float
    z_m: float
    m_per_px: float
    shift: bool = False
    control: bool = False

    def distance_px(self, x_m: float, z_m: float) -> float:
        """How far a place in the body is from the pointer, in logical pixels."""
        across_m, down_m = self.x_m - x_m, self.z_m - z_m
        return float((across_m**2 + down_m**2) ** 0.5 / self.m_per_px)


class Tool:
    """Takes what the mouse does over the pictures; by itself it takes nothing.

    The canvas asks its tools in order, and what none of them takes moves or zooms the view.
    """

    def press(self, touch: Touch) -> bool:
        """Whether the left button's press is taken; its drag and release then come here too."""
        del touch
        return False

    def drag(self, touch: Touch) -> None:
        """Follow the pointer while the button is held."""

    def release(self, touch: Touch) -> None:
        """Take the end of a drag."""

    def double_click(self, touch: Touch) -> bool:
        """Whether a double click is taken."""
        del touch
        return False

    def wheel(self, steps: float, touch: Touch) -> bool:
        """Whether the wheel is taken; positive is away from the user."""
        del steps, touch
        return False

    def hover(self, touch: Touch) -> Qt.CursorShape | None:
        """Shape of the pointer where a press would be taken; None where it would not."""
        del touch
        return None

    def remove(self) -> None:
        """Take away what is selected."""

    def leave(self) -> None:
        """Take it that the pointer is beside the pictures now."""
