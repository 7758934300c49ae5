"""The simulated probe: a scene in a loop over the heart cycle.

Frames are synthesised on a thread of their own and kept. They are made from coarse to fine, so that
the heart beats at once, first in few pictures. Only phases that are ready are played, and each at
its own time: the heart keeps the rate of the wall clock, and what is missing is skipped.
"""

from __future__ import annotations

import dataclasses
import threading
import time

from ..assets import AssetError
from ..frames import Acquisition, ChannelFrame
from ..settings import AcquisitionSettings
from ..simulation import SCENES as _SCENES
from ..simulation import Scan, ScanFrame, Scene, driven, plan, random_scene
from ..simulation.plan import over_all_boxes, record_window, shows_sector
from .clock import FrameClock
from .protocol import SIMULATED, SourceError

SCENES: tuple[str, ...] = tuple(_SCENES)
"""Names of the scenes; the first one is where the console starts."""

RANDOM = "random:"


def find_scene(name: str) -> Scene:
    """Find a scene by name, or draw it.

    Raises
    ------
    SourceError
        No scene of that name.
    """
    if name in _SCENES:
        return _SCENES[name]
    digits = name.removeprefix(RANDOM)
    if name.startswith(RANDOM) and digits.removeprefix("-").isdecimal():
        return random_scene(int(digits))
    raise SourceError(
        f"no simulated source {SIMULATED}{name}: take one of "
        f"{', '.join(SIMULATED + known for known in SCENES)}, or {SIMULATED}{RANDOM}NUMBER"
    )


class SimulatedSource:
    """A scene under a simulated probe; see :class:`~.protocol.Source`.

    Parameters
    ----------
    scene : str
        One of :data:`SCENES`, or ``random:`` and a whole number.
    real_time : bool
        Play at the rate of the heart, skipping phases that are late or not ready; otherwise make
        every phase in order, as fast as it is read.

    Raises
    ------
    SourceError
        No scene of that name, or a file that it needs is missing.
    """

    def __init__(self, scene: str, *, real_time: bool = True) -> None:
        try:
            self._scene = find_scene(scene)
            self._scan = Scan(self._scene)
        except AssetError as error:
            raise SourceError(f"{SIMULATED}{scene}: {error}") from error
        self._real_time = real_time
        self._clock = FrameClock(real_time=real_time)
        self._acquisition: Acquisition | None = None
        # What the frames are made for: of the present one all but the colour box.
        self._made_for: Acquisition | None = None
        self._cycle = 0
        self._index = 0
        # Frame intervals from the first frame of the acquisition to the last one that was due.
        self._position = -1
        self._started = self._closed = False
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._made = threading.Condition()
        self._ready: dict[int, ScanFrame] = {}
        self._failure: Exception | None = None

    @property
    def name(self) -> str:
        """Name shown to the user."""
        return f"simulated {self._scene.name}"

    @property
    def n_frames(self) -> int | None:
        """Frames in one heart cycle; None before :meth:`configure`."""
        return self._cycle or None

    @property
    def filling(self) -> tuple[int, int] | None:
        """Phases that are ready and all there are, while they are being made."""
        made, wanted = len(self._ready), self._cycle
        return (made, wanted) if self._started and self._real_time and made < wanted else None

    def defaults(self, settings: AcquisitionSettings) -> AcquisitionSettings:
        """Return the settings with what the scene starts with."""
        scene = self._scene
        steering_rad = settings.steering_rad if scene.steering_rad is None else scene.steering_rad
        settings = dataclasses.replace(settings, steering_rad=steering_rad, prf_hz=scene.prf_hz)
        if shows_sector(settings.probe) != shows_sector(scene.probe):
            return dataclasses.replace(settings, probe=scene.probe, depth_m=scene.start_depth_m)
        if settings.depth_m == AcquisitionSettings().depth_m:
            # Nobody has chosen it.
            return dataclasses.replace(settings, depth_m=scene.start_depth_m)
        return settings

    def configure(self, settings: AcquisitionSettings) -> Acquisition:
        """Apply settings; frames made with others are dropped.

        A frame that was made for one colour box serves any other that its samples reach.

        Raises
        ------
        SourceError
            The source is closed, or the probe's file cannot be used.
        """
        self._check_open()
        was_started = self._started
        self._halt()
        try:
            scene = driven(self._scene, settings)
            if is_other := scene != self._scan.scene:
                self._scan.drive(scene)
            acquisition = plan(scene, settings)
        except AssetError as error:
            raise SourceError(f"{self.name}: {error}") from error
        made_for = None if is_other else self._made_for
        self._index = 0
        if self._real_time and made_for is not None and _differ_in_box(made_for, acquisition):
            # The heart goes on where it was.
            if not _reaches(made_for, acquisition):
                made_for, self._ready = over_all_boxes(acquisition), {}
            acquisition = dataclasses.replace(acquisition, start_time_s=made_for.start_time_s)
        else:
            made_for, self._ready, self._position = acquisition, {}, -1
        self._acquisition, self._made_for = acquisition, made_for
        self._cycle = max(1, round(scene.period_s / acquisition.frame_interval_s))
        if was_started:
            self.start()
        return acquisition

    def start(self) -> None:
        """Begin to make and play frames.

        Raises
        ------
        SourceError
            The source is closed or not configured.
        """
        self._configured()
        self._halt()
        self._stopped.clear()
        self._clock.start()
        self._started = True
        self._failure = None
        if self._real_time and len(self._ready) < self._cycle:
            self._thread = threading.Thread(
                target=self._fill, args=(self._made_for,), name="simulated probe", daemon=True
            )
            self._thread.start()

    def read(self, timeout_s: float) -> ChannelFrame | None:
        """Wait for the next frame; None when none came due in time or the source is stopped.

        Raises
        ------
        SourceError
            The source is closed, not configured, or its thread failed.
        """
        acquisition = self._configured()
        deadline_s = time.perf_counter() + timeout_s
        if self._real_time and not self._any_ready(timeout_s):
            return None
        while True:
            left_s = max(0.0, deadline_s - time.perf_counter())
            steps = self._clock.wait(acquisition.frame_interval_s, left_s)
            if steps is None:
                return None
            position = self._position + steps
            made = self._frame(acquisition, position % self._cycle)
            if made is not None:
                break
            if self._real_time:
                self._position = position
        self._position = position
        self._index += 1
        return ChannelFrame(
            index=self._index - 1,
            time_s=position * acquisition.frame_interval_s,
            received_s=time.perf_counter(),
            acquisition=acquisition,
            colour=made.colour,
            bmode=made.bmode,
            truth=made.truth,
        )

    def stop(self) -> None:
        """Stop playing and making frames and end a waiting :meth:`read`; from any thread."""
        self._started = False
        self._stopped.set()
        self._clock.stop()
        with self._made:
            self._made.notify_all()

    def close(self) -> None:
        """End the thread and let go of all frames."""
        self._halt()
        self._closed = True
        self._ready = {}

    def _check_open(self) -> None:
        if self._closed:
            raise SourceError(f"{self.name}: closed; open it again")

    def _configured(self) -> Acquisition:
        self._check_open()
        if self._acquisition is None:
            raise SourceError(f"{self.name}: configure it first")
        return self._acquisition

    def _halt(self) -> None:
        """Stop, and wait for the thread: it looks up after every transmit."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _any_ready(self, timeout_s: float) -> bool:
        """Wait until there is something to play."""
        with self._made:
            self._made.wait_for(
                lambda: self._ready or self._failure or self._stopped.is_set(), timeout_s
            )
        if self._failure is not None:
            raise SourceError(f"{self.name}: {self._failure}") from self._failure
        return bool(self._ready)

    def _frame(self, acquisition: Acquisition, phase: int) -> ScanFrame | None:
        """One phase of the heart cycle: the one that is ready, or made here and now."""
        if self._real_time:
            return self._ready.get(phase)
        return self._scan.frame(acquisition, phase, self._stopped.is_set)

    def _fill(self, acquisition: Acquisition) -> None:
        """Make the missing phases, from coarse to fine."""
        for phase in coarse_to_fine(self._cycle):
            if phase in self._ready:
                continue
            try:
                made = self._scan.frame(acquisition, phase, self._stopped.is_set)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: read() raises it
                self._failure = error
                made = None
            with self._made:
                if made is not None:
                    self._ready[phase] = made
                self._made.notify_all()
            if made is None:
                return


def _differ_in_box(one: Acquisition, other: Acquisition) -> bool:
    """Whether the same pulses are sent, though perhaps for another colour box."""
    of_the_box = ("colour_grid", "start_time_s", "requested_prf_hz", "max_prf_hz", "notes")
    return one == dataclasses.replace(other, **{name: getattr(one, name) for name in of_the_box})


def _reaches(made_for: Acquisition, other: Acquisition) -> bool:
    """Whether the samples of one acquisition hold all that another one needs."""
    made, needed = record_window(made_for), record_window(other)
    first = made.offset(needed)
    return 0 <= first <= made.n_samples - needed.n_samples


def coarse_to_fine(n: int) -> list[int]:
    """Order of 0 ... n - 1 in which each next one lies about midway between two before it.

    The bits of a counter in reverse (J. G. van der Corput, 1935).
    """
    bits = (n - 1).bit_length()
    places = (int(f"{k:0{bits}b}"[::-1], 2) for k in range(1 << bits))
    return list(dict.fromkeys(place * n >> bits for place in places))
