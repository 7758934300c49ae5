"""Frames of a source one after the other, without a window: for notebooks, scripts and commands.

Nothing here is in real time: every frame is read, none is skipped, and each one is finished before
the next is asked for. No thread is started.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Self

from .assets import AssetError
from .compute import Compute
from .declared import SettingError, Value
from .frames import AcquiredFrame, Acquisition, DopplerFrame
from .pipeline import PipelineError
from .segment import Segmenter
from .settings import ProcessingSettings, Settings, group_of
from .sources import Source, SourceError
from .sources import open_source as open_any

_log = logging.getLogger(__name__)

# A live source may have to wait for its heart or its machine.
_PATIENCE_S = 60.0


def open_source(name: str | os.PathLike[str], *, prf_hz: float | None = None) -> Source:
    """Open a recording or a simulated source, to be read frame by frame as fast as one likes.

    Parameters
    ----------
    name : str or path
        A file, or ``simulated:NAME``; :func:`~ultrasound_console.source_names` lists those.
    prf_hz : float, optional
        Rate of the pulses, for a recording that does not say it.

    Returns
    -------
    Source
        Has to be closed: ``with contextlib.closing(open_source(...)) as source``.

    Raises
    ------
    SourceError
        No such file or source, or one that cannot be read; the message names file and field.
    """
    return open_any(os.fspath(name), real_time=False, prf_hz=prf_hz)


def configure(source: Source, changes: Mapping[str, Value]) -> tuple[Acquisition, Settings]:
    """Configure a source with what it starts with, and some settings changed.

    Raises
    ------
    SettingError, SourceError
        Settings that do not exist, or that the source cannot have.
    """
    start = source.defaults(Settings().acquisition)
    settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
    return source.configure(settings.acquisition), settings


def play(source: Source, n_frames: int | None = None) -> Generator[AcquiredFrame, None, None]:
    """Start a source that is configured, read its frames, and stop it.

    Parameters
    ----------
    source : Source
    n_frames : int, optional
        By default one pass of a recording, one heart cycle of a simulation, and one frame of a
        source without an end.

    Raises
    ------
    SourceError
        The source fails, or no frame comes in time.
    """
    source.start()
    try:
        for done in range(n_frames or source.n_frames or 1):
            frame = source.read(timeout_s=_PATIENCE_S)
            if frame is None:
                raise SourceError(f"{source.name}: no frame {done} came within {_PATIENCE_S:.0f} s")
            yield frame
    finally:
        source.stop()


def check_asked(settings: Mapping[str, Value], prf_divisor: int | None) -> None:
    """Refuse what no source could be processed with.

    Raises
    ------
    SettingError
        An unknown name, a value outside its range, a setting of the screen, or a divisor below 1.
    """
    Settings().replace(**settings)
    for name in settings:
        if group_of(name) == "display":
            raise SettingError(
                f"{name} is for the screen: give settings of acquisition and processing"
            )
    if prf_divisor is not None and prf_divisor < 1:
        raise SettingError(f"PRF divisor {prf_divisor}: give 1 or more")


class Pipeline:
    """The whole signal chain, from what a source delivers to de-aliased velocities.

    It remembers the frame before: folds, levels and averages carry on from frame to frame, so one
    pipeline is for the frames of one source in their order. It is for one thread.

    Parameters
    ----------
    model : path, optional
        ONNX file of a network of your own. By default the one that comes with the program, whose
        checksum must be the listed one; where it cannot be had, folds are found by continuity, and
        a note says so.
    prf_divisor : int, optional
        Keep every n-th pulse of recordings.
    tell : callable, optional
        Takes what the user should know, each sentence once; by default a warning in the log.
    **settings
        Acquisition and processing settings by name, in SI units, as the command ``settings`` lists
        them: ``prf_hz=2500, wall_filter="polynomial-2", dealias=False``.

    Raises
    ------
    SettingError
        An unknown name, a value outside its range, or a setting of the screen.
    AssetError
        A model that was named cannot be used.

    Examples
    --------
    >>> source = open_source("simulated:stenosis")
    >>> with Pipeline(wall_filter="polynomial-2") as pipeline:
    ...     fastest = [frame.corrected_m_s.max() for frame in pipeline.frames(source)]
    """

    def __init__(
        self,
        *,
        model: str | os.PathLike[str] | None = None,
        prf_divisor: int | None = None,
        tell: Callable[[str], None] = _log.warning,
        **settings: Value,
    ) -> None:
        check_asked(settings, prf_divisor)
        self._changes = settings
        self._divisor = prf_divisor
        self._settings = Settings().replace(**settings)
        self._tell, self._told = tell, set[str]()
        self._previous: DopplerFrame | None = None
        segmenter = _network(model, self._settings.processing, self._say)
        self._compute: Compute | None = Compute(self._say, segmenter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """All settings in force; those of acquisition are the source's once that is configured."""
        return self._settings

    def configure(self, source: Source) -> Acquisition:
        """Configure a source with the settings, and forget the frame before.

        Returns
        -------
        Acquisition
            What the source achieves; its notes are told.

        Raises
        ------
        SettingError, SourceError
            The source cannot have these settings.
        """
        self._previous = None
        changes = self._changes
        if self._divisor is not None:
            own_prf_hz = source.defaults(Settings().acquisition).prf_hz
            changes = {**changes, "prf_hz": self._divided_prf(own_prf_hz)}
        acquisition, self._settings = configure(source, changes)
        self._check_divisor(acquisition)
        for text in acquisition.notes:
            self._say(text)
        return acquisition

    def frames(self, source: Source, n_frames: int | None = None) -> Iterator[DopplerFrame]:
        """Configure a source and process its frames, from the first one on.

        Parameters
        ----------
        source : Source
            Stays open.
        n_frames : int, optional
            By default one pass of a recording or one heart cycle of a simulation.

        Yields
        ------
        DopplerFrame

        Raises
        ------
        ValueError
            ``n_frames`` below 1.
        SettingError, SourceError, PipelineError
            At the call, what the source cannot have; while frames are made, what fails then.
        """
        if n_frames is not None and n_frames < 1:
            raise ValueError(f"n_frames = {n_frames}: give 1 or more")
        self.configure(source)
        return map(self.process, play(source, n_frames))

    def process(self, frame: AcquiredFrame) -> DopplerFrame:
        """Process one frame; the one before it is remembered.

        Parameters
        ----------
        frame : ChannelFrame or IqFrame
            As a source that is configured delivers it.

        Raises
        ------
        PipelineError
            The pipeline is closed, or the samples cannot be used.
        """
        if self._compute is None:
            raise PipelineError("the pipeline is closed; make another one")
        processing = self._settings.processing
        formed = self._compute.form(frame, processing)
        self._previous = self._compute.doppler(formed, processing, self._previous).frame
        return self._previous

    def close(self) -> None:
        """Let go of the network and of the frame before."""
        self._compute = self._previous = None

    def _say(self, text: str) -> None:
        """Tell the user, once."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _divided_prf(self, own_prf_hz: float) -> float:
        """PRF of every n-th pulse of a recording."""
        assert self._divisor is not None
        asked_hz = self._changes.get("prf_hz", own_prf_hz)
        if asked_hz != own_prf_hz:
            raise SettingError(
                f"a PRF of {asked_hz:g} Hz and a divisor: the recording names its own PRF, "
                f"{own_prf_hz:g} Hz; give one of the two"
            )
        return own_prf_hz / self._divisor

    def _check_divisor(self, acquisition: Acquisition) -> None:
        """Refuse a divisor that the source does not follow: a PRF is never changed silently."""
        if self._divisor is None:
            return
        if not acquisition.prf_choices_hz:
            raise SettingError(
                f"PRF divisor {self._divisor}: it is for recordings; give {acquisition.source} "
                "a PRF"
            )
        if not math.isclose(acquisition.prf_hz, acquisition.requested_prf_hz):
            largest = len(acquisition.prf_choices_hz)
            raise SettingError(
                f"PRF divisor {self._divisor}: too few pulses would remain; give 1 ... {largest}"
            )


def _network(
    model: str | os.PathLike[str] | None,
    processing: ProcessingSettings,
    tell: Callable[[str], None],
) -> Segmenter | None:
    """Load the network if the settings ask for it; only a model that was named must be there."""
    if not processing.asks_network:
        if model is not None:
            tell(f"{os.fspath(model)} is not used: {processing.why_no_network}")
        return None
    try:
        return Segmenter(None if model is None else Path(model))
    except AssetError as error:
        if model is not None:
            raise
        tell(f"{error}; folds are found by continuity")
        return None
