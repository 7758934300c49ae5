"""The heart behind a scene: its rate, the peak speed of the blood, and the course of the flow.

A solved cycle is played faster or slower and its speeds are scaled; it stays without divergence and
at rest on the walls. What it is worth: scaled speeds are exact where blood runs straight along the
walls, for there inertia is linear; jets and eddies stay those of the Reynolds number that was
solved, and the profiles of a stretched cycle those of its Womersley number. Both by one factor are
again an exact solution, for a viscosity that has grown by it. Diastole shortens as much as systole
does; in a body it shortens more.

Flow of another course than the one it was solved for is in closed form, along the stream lines of
the same vessel: right in direction, course and order of size, without separation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..settings import AcquisitionSettings
from ..settings.acquisition import SCENE
from .scenes import Scene
from .stream import Blood, ClosedForm, Solved, Stream
from .vessels import Lumen
from .waveform import COURSES, Waveform

# By how much blood along the walls of an artery turns round before the core does.
_WALL_LEAD_S = 0.03


@dataclass(frozen=True)
class Driven:
    """Flow of a vessel in another time and at another speed.

    Attributes
    ----------
    blood : Blood
    stretch : float
        Times over those of ``blood``.
    scale : float
        Speeds over those of ``blood``.
    """

    blood: Blood
    stretch: float
    scale: float

    @property
    def lumen(self) -> Lumen:
        """Where it flows."""
        return self.blood.lumen

    @property
    def waveform(self) -> Waveform:
        """Its course in time, relative to the peak."""
        return self.blood.waveform.stretched(self.stretch)

    def stream(self, edge_m: float) -> Stream:
        """See :meth:`Blood.stream`."""
        stream = self.blood.stream(edge_m)
        return replace(
            stream, phases=self.scale * stream.phases, period_s=self.stretch * stream.period_s
        )


def driven(scene: Scene, settings: AcquisitionSettings) -> Scene:
    """Return a scene under the heart of the settings; the scene itself where they leave it.

    Raises
    ------
    AssetError
        A file of the scene cannot be used.
    """
    if settings.waveform != SCENE:
        scene = _with_course(scene, COURSES[settings.waveform])
    stretch = scale = 1.0
    if settings.heart_rate_hz:
        stretch = 1.0 / (settings.heart_rate_hz * scene.pressure.period_s)
    if settings.peak_speed_m_s:
        scale = settings.peak_speed_m_s / scene.flow().peak_speed_m_s
    if stretch == scale == 1.0:
        return scene
    vessels = tuple(Driven(blood, stretch, scale) for blood in scene.vessels)
    return replace(scene, vessels=vessels, pressure=scene.pressure.stretched(stretch))


def _with_course(scene: Scene, course: Waveform) -> Scene:
    """Give the first vessel another course, and about the same peak speed."""
    first = scene.vessels[0]
    if not course.bumps:
        # Steady flow repeats with whatever goes on beside it.
        course = replace(course, period_s=first.waveform.period_s)
    if course == first.waveform:
        return scene
    if isinstance(first, ClosedForm):
        changed = replace(first, waveform=course)
    else:
        assert isinstance(first, Solved)
        alone = replace(scene, vessels=(first,)).flow()
        peak_m_s = math.copysign(alone.peak_speed_m_s, first.peak_flow_m2_s)
        spacing_m = first.problem().spacing_m
        changed = ClosedForm(first.lumen, course, peak_m_s, _WALL_LEAD_S, spacing_m)
    return replace(scene, vessels=(changed, *scene.vessels[1:]))
