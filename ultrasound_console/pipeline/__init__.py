"""From channel samples to a finished picture, in two pure steps.

:func:`form` turns channel samples into beamformed IQ (what the cine keeps), :func:`doppler` turns
that into velocities, folds and a grey picture. Both are functions of their arguments only; a
frozen frame is processed again by calling :func:`doppler` once more. Its first part,
:func:`estimate`, runs where the samples are, on the CPU or a GPU.
"""

from .checks import PipelineError
from .estimates import Estimates, estimate
from .flow import doppler
from .image_formation import form

__all__ = ["Estimates", "PipelineError", "doppler", "estimate", "form"]
