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
from ..dsp import dual_prf, wall_filter
from ..dsp.device import is_on_gpu, to_host
from ..dsp.quantise import Quantised, quantise, restore
from ..frames import Acquisition, Float32, IqFrame
from ..settings import ProcessingSettings
from .checks import PipelineError, Stopwatch, check_acquisition, check_iq

# Of a resolution cell, its depth for short bursts and its width over the f-number.
_CELL_WAVELENGTHS = (1.07, 1.21)


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
    ensemble : (n_depths, n_lines, 2, n_lanes) float32
        Samples of the ensemble alone; those of ``iq`` itself where no pulses follow it.
    second : DopplerMaps or None
        Of the pulses at a second PRF, velocity in units of its v_N; None where there are none.
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
    ensemble: Float32
    second: estimator.DopplerMaps | None
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
        ensemble = iq.ensemble
        maps = estimator.estimate(ensemble, n_pulses, kind, full_width)
        unfiltered = None
        if processing.flash_rejection:
            unfiltered = estimator.smooth(estimator.autocorrelate(ensemble, n_pulses), full_width)
        second = None
        if acquisition.n_second_pulses and processing.dealias:
            lags = dual_prf.correlate(
                iq.iq, n_pulses, acquisition.n_second_pulses, _ratio(acquisition), kind
            )
            second = estimator.maps(estimator.smooth(lags, full_width))
        n_colour = acquisition.n_colour_pulses
        stored = quantise(iq.iq, n_colour) if for_cine or wants_samples else ()
        others = () if second is None else (second.velocity, second.power, second.bandwidth)
        velocity, power, bandwidth, bmode_power, unfiltered, *fetched = to_host(
            maps.velocity,
            maps.power,
            maps.bandwidth,
            iq.bmode_power,
            unfiltered,
            *others,
            *stored,
        )
        if others:
            second = estimator.DopplerMaps(*fetched[:3])
            second = dual_prf.second_maps(second, acquisition.n_second_pulses)
            fetched = fetched[3:]
    quantised = Quantised(*fetched) if fetched else None
    if not math.isfinite(float(power.max())):
        raise PipelineError("IQ samples are not finite, or too large")
    if not math.isfinite(float(bmode_power.max())):
        raise PipelineError("B-mode power is not finite")
    fetched_iq = replace(iq, bmode_power=bmode_power)
    if on_gpu:
        samples = restore(quantised) if wants_samples and quantised else np.zeros(0, np.float32)
        fetched_iq = replace(fetched_iq, iq=samples)
        ensemble = fetched_iq.ensemble if samples.size else samples
    return Estimates(
        iq=fetched_iq,
        processing=processing,
        kind=kind,
        full_width=full_width,
        maps=estimator.DopplerMaps(velocity, power, bandwidth),
        unfiltered=unfiltered,
        ensemble=ensemble,
        second=second,
        quantised=quantised,
        stage_seconds={**iq.stage_seconds, **watch.seconds},
        notes=(*iq.notes, *notes),
    )


def weighed_by_second(
    estimates: Estimates, shown: Float32, posterior: Float32 | None
) -> Float32 | None:
    """Weigh the folds with the second block.

    Parameters
    ----------
    estimates : Estimates
    shown : (n_depths, n_lines) float32
        Velocity whose fold is wanted, in units of v_N.
    posterior : (n_depths, n_lines, 8) float32 or None
        What the network says.

    Returns
    -------
    (n_depths, n_lines, 8) float32 or None
        ``posterior`` itself where there is no second block.
    """
    if estimates.second is None:
        return posterior
    of, wavelength_m = estimates.iq.acquisition, estimates.iq.acquisition.wavelength_m
    depth, width = _CELL_WAVELENGTHS
    row_m, line_m = of.colour_grid.pixel_size_m
    cell = (
        max(depth, 0.5 * of.n_cycles) * wavelength_m / row_m,
        width * estimates.processing.f_number * wavelength_m / line_m,
    )
    n_phases = dual_prf.independent_phases(estimates.full_width, cell)
    return dual_prf.vote(
        shown,
        estimates.maps,
        estimates.second,
        posterior,
        ratio=_ratio(of),
        n_phases=n_phases,
        by_chance=dual_prf.noise_coherence(
            estimates.kind, of.n_pulses, of.n_second_pulses, _ratio(of), n_phases
        ),
    )


def _ratio(acquisition: Acquisition) -> float:
    """T2 / T1."""
    return acquisition.prf_hz / acquisition.second_prf_hz


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
