"""What the user may change, in three groups by what a change costs.

:class:`AcquisitionSettings` reconfigure the source, :class:`ProcessingSettings` take effect on the
next frame (or on the frozen one again), :class:`DisplaySettings` are uniforms of the picture and
never reach the worker. One field is one declaration: it drives validation, sliders, tooltips,
the command line and the table in the documentation.

Values are SI inside (Hz, m, s, m/s, rad); a :class:`Range` says how they are shown.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .assets import probe_names
from .declared import Choice, Group, Range, SettingError, Spec, Switch, Value, setting, specs

_DEGREES = 180.0 / math.pi

SCENE = "scene"
"""What a simulated scene has of its own."""
WAVEFORMS = (SCENE, "femoral", "carotid", "venous", "steady")


@dataclass(frozen=True)
class AcquisitionSettings(Group):
    """What the source is asked for; what it achieves is in ``frames.Acquisition``."""

    prf_hz: float = setting(
        3000.0,
        Range(
            100.0,
            50000.0,
            50.0,
            "Hz",
            "PRF",
            "Pulse repetition frequency. Lower shows slower flow; faster flow aliases.",
            "kHz",
            1e-3,
        ),
    )
    ensemble: int = setting(
        12,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble",
            "Pulses that make one colour frame; 0 takes all that a recording has.",
        ),
    )
    ensemble_step: int = setting(
        0,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble step",
            "Pulses from the start of one frame of a recording to the next; 0 is one ensemble.",
        ),
    )
    steering_rad: float = setting(
        math.radians(15.0),
        Range(
            math.radians(-20.0),
            math.radians(20.0),
            math.radians(1.0),
            "rad",
            "Steering",
            "Angle of the colour pulses and of the colour box.",
            "deg",
            _DEGREES,
        ),
    )
    depth_m: float = setting(
        0.045,
        Range(0.02, 0.06, 0.001, "m", "Depth", "Depth of the picture.", "mm", 1e3),
    )
    frame_rate_hz: float = setting(
        30.0,
        Range(
            1.0,
            60.0,
            1.0,
            "Hz",
            "Frame rate",
            "Frames per second asked of a live source; recordings keep their own.",
        ),
    )
    probe: str = setting(
        "l7-4",
        Choice(
            probe_names(),
            "Probe",
            "Array of the simulated probe; scanners and recordings have their own.",
        ),
    )
    transmit_frequency_hz: float = setting(
        0.0,
        Range(
            0.0,
            15e6,
            1e5,
            "Hz",
            "Transmit frequency",
            "Centre frequency of the transmitted pulse, within the probe's band; 0 is the "
            "middle of that. Recordings keep their own.",
            "MHz",
            1e-6,
        ),
    )
    n_cycles: int = setting(
        2,
        Range(
            1,
            8,
            1,
            "",
            "Cycles",
            "Length of the transmitted pulse. Longer is more sensitive and less sharp. Recordings "
            "keep their own.",
        ),
    )
    heart_rate_hz: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            1.0 / 12.0,
            "Hz",
            "Heart rate",
            "Rate of the simulated heart: the whole cycle is stretched or shortened; 0 is the "
            "scene's own.",
            "bpm",
            60.0,
        ),
    )
    peak_speed_m_s: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            0.05,
            "m/s",
            "Peak speed",
            "Highest speed of the simulated blood, wherever and whenever: all vessels are scaled "
            "alike; 0 is the scene's own.",
            "cm/s",
            100.0,
        ),
    )
    waveform: str = setting(
        SCENE,
        Choice(
            WAVEFORMS,
            "Waveform",
            "Course of the simulated flow over the heart cycle, in the first vessel of the scene. "
            "Another than the scene's own follows the walls without inertia: no jets, no eddies.",
        ),
    )


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

    @property
    def asks_network(self) -> bool:
        """Whether the folds are to come from the network."""
        return self.dealias and self.dealias_method == NETWORK


VIEWS = TRIPLE, DUAL, ONLY_RAW, ONLY_FOLDS, ONLY_DEALIASED = (
    "triple",
    "dual",
    "conventional",
    "segmentation",
    "de-aliased",
)
"""Which panels are shown: all three, conventional beside de-aliased, or one."""
COLOUR_MAPS = CLASSIC, SAFE, VARIANCE, POWER = (
    "classic",
    "colour-blind safe",
    "velocity-variance",
    "power",
)
"""What colours stand for."""

N_TGC = 8
TGC = tuple(f"tgc_{number}_db" for number in range(1, N_TGC + 1))
"""Gains along depth, from the probe down."""


def _tgc(number: int) -> Any:
    """One of the gains along depth."""
    where = {1: ", nearest the probe", N_TGC: ", deepest"}.get(number, "")
    return setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            f"TGC {number}",
            f"Brightness of the grey picture at one of {N_TGC} depths{where}.",
        ),
    )


@dataclass(frozen=True)
class DisplaySettings(Group):
    """Uniforms of the picture: they work on a frozen frame and change no stored value."""

    colour_scale_m_s: float = setting(
        0.0,
        Range(
            0.0,
            3.0,
            0.01,
            "m/s",
            "Colour scale",
            "Velocity at the end of the de-aliased bar; 0 follows the flow.",
            "cm/s",
            100.0,
        ),
    )
    baseline: float = setting(
        0.0,
        Range(
            -0.95,
            0.95,
            0.05,
            "v_N",
            "Baseline",
            "Shifts the zero line of the conventional panel, in Nyquist velocities.",
        ),
    )
    invert: bool = setting(False, Switch("Invert", "Swap the colours of the two directions."))
    colour_gain_db: float = setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            "Colour gain",
            "Shows weaker (plus) or only stronger (minus) flow. Changes no velocity.",
        ),
    )
    write_priority: float = setting(
        0.52,
        Range(0.0, 1.0, 0.02, "", "Priority", "Grey level above which B-mode wins over colour."),
    )
    overlay_opacity: float = setting(
        0.85, Range(0.0, 1.0, 0.05, "", "Overlay opacity", "How much colour covers grey.")
    )
    bmode_gain_db: float = setting(
        0.0, Range(-30.0, 30.0, 1.0, "dB", "B-mode gain", "Brightness of the grey picture.")
    )
    bmode_dynamic_range_db: float = setting(
        55.0,
        Range(30.0, 90.0, 1.0, "dB", "Dynamic range", "From black to white in the grey picture."),
    )
    tgc_1_db: float = _tgc(1)
    tgc_2_db: float = _tgc(2)
    tgc_3_db: float = _tgc(3)
    tgc_4_db: float = _tgc(4)
    tgc_5_db: float = _tgc(5)
    tgc_6_db: float = _tgc(6)
    tgc_7_db: float = _tgc(7)
    tgc_8_db: float = _tgc(8)
    interpolate: bool = setting(
        True, Switch("Interpolate", "Smooth between samples, without a seam at the Nyquist fold.")
    )
    colour_map: str = setting(
        CLASSIC,
        Choice(
            COLOUR_MAPS,
            "Colour map",
            "Velocity; velocity, and in green how disturbed the flow is; or the power of the flow, "
            "which shows the weakest, with a hue for each direction.",
        ),
    )
    view: str = setting(
        TRIPLE,
        Choice(
            VIEWS,
            "View",
            "Three panels, two (conventional and de-aliased), or one of the three. Keys 3, 2, 1.",
        ),
    )
    swap: bool = setting(
        False, Switch("Swap", "The panels the other way round: de-aliased on the left. Key X.")
    )
    truth: bool = setting(
        False, Switch("Truth", "One more picture: the true velocity of a simulated source.")
    )

    @property
    def tgc_db(self) -> tuple[float, ...]:
        """Gains from the nearest to the deepest of the depths, which are evenly spaced."""
        return tuple(getattr(self, name) for name in TGC)


@dataclass(frozen=True)
class Settings:
    """All three groups; one value, never changed in place."""

    acquisition: AcquisitionSettings = AcquisitionSettings()
    processing: ProcessingSettings = ProcessingSettings()
    display: DisplaySettings = DisplaySettings()

    def replace(self, **changes: Value) -> Settings:
        """Return settings with the named fields changed, whichever group they are in.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range.
        """
        groups: dict[str, dict[str, Value]] = {}
        for name, value in changes.items():
            groups.setdefault(group_of(name), {})[name] = value
        new = {
            group: dataclasses.replace(getattr(self, group), **values)
            for group, values in groups.items()
        }
        return dataclasses.replace(self, **new)

    def get(self, name: str) -> Value:
        """Value of a field by name."""
        value: Value = getattr(getattr(self, group_of(name)), name)
        return value

    def to_dict(self) -> dict[str, dict[str, Value]]:
        """Plain nested dictionary, for JSON and TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
        """Read what :meth:`to_dict` wrote, dropping whatever is unknown or out of range.

        Returns
        -------
        settings : Settings
        warnings : tuple of str
            One line for each entry that was dropped.
        """
        changes, warnings = changes_from(data)
        return cls().replace(**changes), warnings


def changes_from(data: Mapping[str, Any]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Read some or all of what :meth:`Settings.to_dict` wrote, each value checked.

    Returns
    -------
    changes : dict
        Values by name, as :meth:`Settings.replace` takes them.
    warnings : tuple of str
        One line for each entry that is unknown or out of range and was dropped.
    """
    changes: dict[str, Value] = {}
    warnings = []
    for group, values in data.items():
        entries = values.items() if isinstance(values, Mapping) else [(str(group), values)]
        for name, value in entries:
            try:
                group_of(name)
                changes[name] = Settings().replace(**{name: value}).get(name)
            except ValueError as error:  # also of a number too long to be written
                warnings.append(f"dropped: {error}")
    return changes, tuple(warnings)


GroupName = Literal["acquisition", "processing", "display"]
GROUPS: dict[GroupName, type[Group]] = {
    "acquisition": AcquisitionSettings,
    "processing": ProcessingSettings,
    "display": DisplaySettings,
}
_GROUP_OF: dict[str, GroupName] = {
    name: group for group, cls in GROUPS.items() for name, _ in specs(cls)
}
SPECS: dict[str, Spec] = {name: spec for cls in GROUPS.values() for name, spec in specs(cls)}


def group_of(name: str) -> GroupName:
    """Name of the group that a field belongs to."""
    if name not in _GROUP_OF:
        raise SettingError(f"unknown setting {name!r}; the command 'settings' lists them")
    return _GROUP_OF[name]
