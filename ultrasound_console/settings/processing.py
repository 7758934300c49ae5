"""What turns samples into velocities."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..declared import Choice, Group, Range, Switch, setting

WALL_FILTERS = (
    "none",
    "polynomial-0",
    "polynomial-1",
    "polynomial-2",
    "polynomial-3",
    "low",
    "medium",
    "high",
    "iir-low",
    "iir-medium",
    "iir-high",
    "svd-low",
    "svd-medium",
    "svd-high",
)


AUTO, CPU, GPU = "auto", "cpu", "gpu"
"""Where to compute."""
NETWORK, CONTINUITY = "network", "continuity"
"""What finds the folds."""


@dataclass(frozen=True)
class ProcessingSettings(Group):
    """From samples to velocities."""

    f_number: float = setting(
        1.2,
        Range(
            0.8,
            4.0,
            0.1,
            "",
            "f-number",
            "Depth over receive aperture. Lower is sharper, higher keeps grating lobes out.",
        ),
    )
    wall_filter: str = setting(
        "polynomial-1",
        Choice(
            WALL_FILTERS,
            "Wall filter",
            "Removes slow tissue motion: up to a cut-off (low, medium, high), or polynomials up to "
            "an order; recursive (iir) or learnt from the frame (svd).",
        ),
    )
    wall_cutoff_m_s: float = setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.005,
            "m/s",
            "Wall cut-off",
            "Removes what is slower, with the nearest polynomial in place of the wall filter; "
            "0 leaves the choice to that.",
            "cm/s",
            100.0,
        ),
    )
    smoothing_m: float = setting(
        0.0008,
        Range(
            0.0,
            0.003,
            0.0001,
            "m",
            "Smoothing",
            "Width (full width at half maximum) of the complex averaging.",
            "mm",
            1e3,
        ),
    )
    persistence_s: float = setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.02,
            "s",
            "Persistence",
            "Time constant of the complex averaging from frame to frame.",
            "ms",
            1e3,
        ),
    )
    flow_power_db: float = setting(
        8.0,
        Range(
            0.0,
            40.0,
            0.5,
            "dB",
            "Flow threshold",
            "Doppler power above the noise floor from which a pixel counts as flow.",
        ),
    )
    flash_rejection: bool = setting(
        False,
        Switch("Flash rejection", "Leaves out colour that moving tissue explains."),
    )
    local_frequency: bool = setting(
        False,
        Switch(
            "Local frequency",
            "Read-outs follow the centre frequency of the echoes, which attenuation lowers.",
        ),
    )
    speckle_reduction: float = setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.05,
            "",
            "Speckle reduction",
            "Smooths the grey picture where speckle explains it; edges and points stay.",
        ),
    )
    dealias: bool = setting(
        True, Switch("De-alias", "Find the folds. Off: the right panel shows raw velocity.")
    )
    dealias_method: str = setting(
        NETWORK,
        Choice(
            (NETWORK, CONTINUITY),
            "Folds by",
            "The trained network with the echoes' own shift, or the continuity of flow alone.",
        ),
    )
    compute: str = setting(
        AUTO,
        Choice(
            (AUTO, CPU, GPU),
            "Compute",
            "Where samples become velocities; auto uses an NVIDIA GPU if there is one.",
        ),
    )
    keep_frame_rate: bool = setting(
        False,
        Switch(
            "Keep frame rate",
            "Where the computer is too slow, coarser pictures, and a word on how coarse they are. "
            "Off: frames are left out and counted.",
        ),
    )

    def for_samples_of(self, made: ProcessingSettings) -> ProcessingSettings:
        """Return these settings with what samples keep that others have formed: the f-number."""
        return self if self.f_number == made.f_number else replace(self, f_number=made.f_number)

    @property
    def asks_network(self) -> bool:
        """Whether the folds are to come from the network."""
        return self.dealias and self.dealias_method == NETWORK

    @property
    def why_no_network(self) -> str:
        """Which setting keeps the network from being asked, and how to ask it; empty if none."""
        if not self.dealias:
            return "dealias is off; set dealias=on"
        if self.dealias_method != NETWORK:
            return f"dealias_method is {self.dealias_method}; set dealias_method={NETWORK}"
        return ""
