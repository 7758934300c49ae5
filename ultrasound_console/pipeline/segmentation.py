"""What the network is shown of a frame."""

from __future__ import annotations

from ..dsp import bmode
from ..dsp.doppler import DopplerMaps
from ..dsp.evidence import EchoShift, echo_evidence
from ..frames import Acquisition, Float32
from ..segment import Segmenter
from .checks import Stopwatch
from .estimates import Estimates


def fold_probabilities(
    estimates: Estimates,
    maps: DopplerMaps,
    power_db: Float32,
    previous: Float32 | None,
    *,
    segmenter: Segmenter,
    watch: Stopwatch,
) -> Float32:
    """Ask the network how likely each fold is.

    Parameters
    ----------
    estimates : Estimates
        With the samples.
    maps : DopplerMaps
        Whose velocity is to be unwrapped.
    power_db : (n_depths, n_lines) float32
        Behind the wall filter, above the noise floor.
    previous : (n_depths, n_lines) float32 or None
        Corrected velocity of the previous frame in the present v_N, NaN where it is not sure.
    segmenter : Segmenter
    watch : Stopwatch

    Returns
    -------
    (n_depths, n_lines, 8) float32
        See :meth:`~ultrasound_console.segment.Segmenter.posterior`.

    Raises
    ------
    AssetError
        The network fails.
    """
    iq, acquisition = estimates.ensemble, estimates.iq.acquisition
    n_pulses, shift = acquisition.n_pulses, echo_shift(acquisition)
    with watch.stage("evidence"):
        evidence = None
        if shift is not None:
            evidence = echo_evidence(iq, n_pulses, shift, estimates.kind)
    with watch.stage("network"):
        echo_power = bmode.mean_power(iq, n_pulses)
        echo_db = bmode.to_db(echo_power, bmode.reference_db(echo_power) or 0.0)
        return segmenter.posterior(
            maps.velocity,
            power_db,
            maps.bandwidth,
            echo_db,
            previous=previous,
            evidence=evidence,
        )


def echo_shift(acquisition: Acquisition) -> EchoShift | None:
    """How echoes move over the colour grid; None where its lines are not parallel."""
    grid = acquisition.colour_grid
    if grid.kind != "parallel":
        return None
    return EchoShift.on_grid(
        grid.pixel_size_m,
        acquisition.wavelength_m,
        grid.angle_rad,
        acquisition.transmit_angle_rad,
        acquisition.receive_angle_rad,
    )
