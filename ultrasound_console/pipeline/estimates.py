"""What is estimated from the samples of a frame, computed where they are and brought to the host.

All that follows in :func:`~ultrasound_console.pipeline.doppler` is on the host, whatever computed
this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..dsp import doppler as estimator
from ..dsp import wall_filter
from ..dsp.device import is_on_gpu, to_host
from ..dsp.quantise import Quantised, quantise, restore
from ..frames import Acquisition, Float32, IqFrame
from ..settings import ProcessingSettings
from .checks import PipelineError, Stopwatch, check_acquisition, check_iq


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of one frame, in host memory.

    Attributes
    ----------
    iq : IqFrame
        The frame. Samples that lie on the GPU stay there, and this one has none, unless the
        settings ask for something that the host makes of them.
    processing : ProcessingSettings
        The settings.
    kind : str
        Wall filter in force.
    full_width : tuple of float
        Of the complex averaging, in pixels (depths, lines).
    maps : DopplerMaps
    unfiltered : (3, n_depths, n_lines) float32 or None
        Lags before the wall filter; None where flashes are not looked for.
    quantised : Quantised or None
        The samples for the cine; None where nobody asked.
    stage_seconds : mapping
        Of all stages so far.
    notes : tuple of str
    """

    iq: IqFrame
    processing: ProcessingSettings
    kind: str
    full_width: tuple[float, float]
    maps: estimator.DopplerMaps
    unfiltered: Float32 | None
    quantised: Quantised | None
    stage_seconds: Mapping[str, float]
    notes: tuple[str, ...]


def estimate(iq: IqFrame, processing: ProcessingSettings, *, for_cine: bool = False) -> Estimates:
    """Wall filter and velocity estimate of one frame.

    Parameters
    ----------
    iq : IqFrame
        From a GPU everything comes in one copy at the end, and the call waits for it; call it
        inside :meth:`~ultrasound_console.dsp.device.Gpu.computing`.
    processing : ProcessingSettings
    for_cine : bool
        Quantise the samples too.

    Raises
    ------
    PipelineError
        IQ of the wrong shape, or not finite.
    """
    acquisition = iq.acquisition
    check_acquisition(acquisition)
    check_iq(iq)
    watch = Stopwatch()
    n_pulses = acquisition.n_pulses
    kind, notes = wall_filter_in_force(acquisition, processing)
    pixel_m = acquisition.colour_grid.pixel_size_m
    full_width = (processing.smoothing_m / pixel_m[0], processing.smoothing_m / pixel_m[1])
    on_gpu = is_on_gpu(iq.iq)
    wants_samples = on_gpu and (processing.local_frequency or processing.asks_network)
    with watch.stage("velocity"):
        maps = estimator.estimate(iq.iq, n_pulses, kind, full_width)
        unfiltered = None
        if processing.flash_rejection:
            unfiltered = estimator.smooth(estimator.autocorrelate(iq.iq, n_pulses), full_width)
        stored = quantise(iq.iq, n_pulses) if for_cine or wants_samples else ()
        velocity, power, bandwidth, bmode_power, unfiltered, *fetched = to_host(
            maps.velocity, maps.power, maps.bandwidth, iq.bmode_power, unfiltered, *stored
        )
    quantised = Quantised(*fetched) if fetched else None
    if not math.isfinite(float(power.max())):
        raise PipelineError("IQ samples are not finite, or too large")
    if not math.isfinite(float(bmode_power.max())):
        raise PipelineError("B-mode power is not finite")
    samples = iq.iq
    if on_gpu:
        samples = restore(quantised) if wants_samples and quantised else np.zeros(0, np.float32)
    return Estimates(
        iq=replace(iq, iq=samples, bmode_power=bmode_power),
        processing=processing,
        kind=kind,
        full_width=full_width,
        maps=estimator.DopplerMaps(velocity, power, bandwidth),
        unfiltered=unfiltered,
        quantised=quantised,
        stage_seconds={**iq.stage_seconds, **watch.seconds},
        notes=(*iq.notes, *notes),
    )


def wall_filter_in_force(
    acquisition: Acquisition, processing: ProcessingSettings
) -> tuple[str, tuple[str, ...]]:
    """Filter in force, and what there is to say about it."""
    n_pulses = acquisition.n_pulses
    requested_prf = processing.wall_cutoff_m_s / (2.0 * acquisition.nyquist_velocity_m_s)
    kind = wall_filter.in_force(processing.wall_filter, requested_prf, n_pulses)
    wanted = kind if requested_prf > 0.0 and kind != wall_filter.NONE else processing.wall_filter
    if kind == wanted:
        return kind, ()
    return kind, (f"wall filter {kind}: {n_pulses} pulses are too few for a higher order",)
