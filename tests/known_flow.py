"""A source under the test's control, and a pipeline that makes known planes of its frames."""

import dataclasses
from types import SimpleNamespace

import numpy as np
from fakes import FakeSource
from frames_for_tests import make_acquisition, make_frame

from ultrasound_console import compute as compute_module
from ultrasound_console import front_end as front_end_module
from ultrasound_console.frames import ChannelFrame, IqFrame
from ultrasound_console.sources import SourceError

FASTEST_M_S = 0.4


class KnownFlow(FakeSource):
    """Delivers empty samples, one frame for each :meth:`push`."""

    def __init__(self, name="known flow", **changes) -> None:
        super().__init__()
        self.name = name
        self.acquisition = dataclasses.replace(make_acquisition(), source=name, **changes)

    def read(self, timeout_s):
        frame = super().read(timeout_s)
        if frame is None:
            return None
        fields = {f.name: getattr(frame, f.name) for f in dataclasses.fields(frame)}
        return ChannelFrame(**fields | {"colour": np.zeros((2, 2, 2), np.int16)})


class KnownPipeline:
    """Stands in for the pipeline inside the engine; velocities are the same at any PRF."""

    def __init__(self, monkeypatch) -> None:
        self.sources = {"known": KnownFlow()}
        self.n_processed = 0
        monkeypatch.setattr(front_end_module, "open_source", self._open)
        monkeypatch.setattr(compute_module, "form", self._form)
        monkeypatch.setattr(compute_module, "estimate", self._estimate)
        monkeypatch.setattr(compute_module, "doppler", self._doppler)

    def _open(self, name, prf_hz=None):
        if name not in self.sources:
            raise SourceError(f"{name}: no such file; check the name")
        return self.sources[name]

    def _form(self, frame, processing, gpu=None):
        shared = {
            name: getattr(frame, name) for name in ("index", "time_s", "received_s", "acquisition")
        }
        return IqFrame(
            **shared,
            iq=np.zeros((2, 2, 2, 8), np.float32),
            bmode_power=np.zeros((2, 2), np.float32),
        )

    def _estimate(self, iq, processing, *, for_cine=False):
        return SimpleNamespace(iq=iq, quantised=None)

    def _doppler(self, estimates, processing, previous, segmenter):
        self.n_processed += 1
        iq = estimates.iq
        nyquist = iq.acquisition.nyquist_velocity_m_s
        made = make_frame(
            iq.index,
            colour_grid=iq.acquisition.colour_grid,
            bmode_grid=iq.acquisition.bmode_grid,
            prf_hz=iq.acquisition.prf_hz,
            peak_nyquist=FASTEST_M_S / nyquist,
            processing=processing,
        )
        return dataclasses.replace(
            made, time_s=iq.time_s, received_s=iq.received_s, acquisition=iq.acquisition
        )
