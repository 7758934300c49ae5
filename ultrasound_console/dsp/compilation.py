"""Kernels that are being compiled, or still have to be: a machine makes its own and keeps them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from numba.core import event

from . import (
    kernels_agreement,
    kernels_beamform,
    kernels_compound,
    kernels_costs,
    kernels_evidence,
    kernels_network,
    kernels_numba,
    kernels_picture,
    kernels_regions,
    kernels_summary,
    kernels_unwrap,
)

PICTURE: tuple[Any, ...] = (
    kernels_beamform.aperture_runs,
    kernels_beamform.delay_and_sum,
    kernels_compound.compound_lines,
    kernels_numba.autocorrelate,
    kernels_numba.smooth,
    kernels_numba.maps,
    kernels_numba.quantise,
    kernels_picture.positive_samples,
    kernels_picture.mark_status,
    kernels_summary.summarise,
)
"""Kernels that a picture of channel samples takes, behind the demodulation."""
DEALIASING: tuple[Any, ...] = (
    kernels_network.network_planes,
    kernels_network.network_evidence,
    kernels_network.posterior,
    kernels_evidence.filtered_rows,
    kernels_evidence.energies_of,
    kernels_evidence.correlate,
    kernels_evidence.smoothed_cells,
    kernels_evidence.best_candidates,
    kernels_numba.mean_power,
    kernels_regions.label,
    kernels_regions.border_length,
    kernels_regions.borders,
    kernels_regions.sizes,
    kernels_regions.merge,
    kernels_unwrap.number_roots,
    kernels_costs.posterior_costs,
    kernels_unwrap.pool,
    kernels_unwrap.propagate,
    kernels_unwrap.settle,
    kernels_agreement.vote,
    kernels_agreement.decide,
)
"""Kernels that the de-aliasing takes beyond those, with the settings of a first start."""


class Compilation(event.Listener):  # type: ignore[misc]
    """Knows what numba is compiling at the moment; kernels loaded from its cache do not count.

    Attributes
    ----------
    n_compiled : int
        Kernels made since this one began to listen, without those that others call.
    """

    def __init__(self) -> None:
        self.n_compiled = 0
        # A kernel compiles those that it calls while it waits. Numba compiles in one thread at a
        # time, whichever asks.
        self._waiting: list[str] = []
        self._collects = False
        event.register("numba:compile", self)

    @property
    def kernel(self) -> str:
        """Name of the kernel that is being compiled, empty when none is."""
        # One read: the last name may go at any moment.
        return next(iter(self._waiting), "")

    @property
    def is_first_start(self) -> bool:
        """Whether kernels have had to be made, or one of the de-aliasing still has to be."""
        return self.n_compiled > 0 or bool(self._waiting) or not all(map(is_kept, DEALIASING))

    def stop(self) -> None:
        """Listen no longer."""
        event.unregister("numba:compile", self)
        self._collect()

    def on_start(self, event: event.Event) -> None:
        """Take note of a compilation that begins."""
        if not self._waiting:
            # Numba makes very many objects: to look for garbage among them again and again takes
            # a tenth of the time.
            self._collects = gc.isenabled()
            gc.disable()
        self._waiting.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: event.Event) -> None:
        """Take note of its end, good or bad."""
        if not self._waiting:  # it began before this one listened
            return
        self._waiting.pop()
        if not self._waiting:
            self.n_compiled += 1
            self._collect()

    def _collect(self) -> None:
        """Look for garbage again if it was done before."""
        if self._collects:
            gc.enable()
        self._collects = False


def is_kept(kernel: Any) -> bool:
    """Whether a kernel has been compiled since its source was written, for whichever arrays."""
    name = f"*.{kernel.py_func.__name__}-*.nbi"
    written_s = Path(kernel.py_func.__code__.co_filename).stat().st_mtime
    kept = Path(kernel.stats.cache_path).glob(name)
    return any(index.stat().st_mtime >= written_s for index in kept)
